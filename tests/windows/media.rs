//! What lies under a path, and writing to it.

use std::fs;
use std::path::Path;
use std::process::Command;

use pfxvault::platform::media::{
    Device, FolderVolume, NotEjected, ReadOnly, Share, Synced, descriptor, eject, facts,
};
use vault::descriptor::Descriptor;
use vault::volume::{Reading, Volume};

use crate::under_wine;

#[test]
fn the_drive_windows_runs_from_is_the_system_disk() {
    let folder = std::env::var("SystemRoot").unwrap();
    let facts = facts(Path::new(&folder)).unwrap();
    assert_eq!(facts.device, Device::SystemDisk);
    assert_eq!(
        facts.real_path.to_str().unwrap().to_lowercase(),
        folder.to_lowercase()
    );
    assert!(!facts.file_system.is_empty());
}

#[test]
fn drives_are_what_they_say_they_are() {
    if !under_wine() {
        return;
    }
    let device = |path| facts(Path::new(path)).unwrap().device;
    assert_eq!(device(r"R:\"), Device::Removable);
    assert_eq!(device(r"R:\not\there\yet"), Device::Removable);
    assert_eq!(device(r"N:\"), Device::Network);
}

/// Changes the registry of a prefix that ends with the tests.
#[track_caller]
fn reg(words: &[&str]) {
    assert!(
        Command::new("reg")
            .args(words)
            .arg("/f")
            .output()
            .unwrap()
            .status
            .success(),
        "{words:?}"
    );
}

#[test]
fn a_folder_that_a_sync_program_has_registered_looks_synced() {
    if !under_wine() {
        return;
    }
    let roots = r"HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\Explorer\SyncRootManager";
    let folders = format!(r"{roots}\Cloudy!S-1-5-21-1!Personal\UserSyncRoots");
    reg(&["add", &folders, "/v", "S-1-5-21-1", "/d", r"F:\Cloud"]);
    reg(&[
        "add",
        r"HKCU\Software\Microsoft\OneDrive\Accounts\Business1",
        "/v",
        "UserFolder",
        "/d",
        r"F:\Work",
    ]);
    for (program, folder) in [("Cloudy", r"F:\Cloud"), ("OneDrive", r"F:\Work")] {
        fs::create_dir_all(folder).unwrap();
        let synced = Some(Synced {
            by: program.into(),
            root: folder.into(),
        });
        assert_eq!(
            facts(&Path::new(folder).join("not yet")).unwrap().synced,
            synced
        );
    }
    assert_eq!(
        facts(Path::new(r"F:\")).unwrap().synced,
        None,
        "the drive around it is not"
    );
}

#[test]
fn a_folder_that_is_shared_out_is_told_with_every_share() {
    if !under_wine() {
        return;
    }
    let shares = r"HKLM\SYSTEM\CurrentControlSet\Services\LanmanServer\Shares";
    for (name, folder) in [
        ("team", r"F:\Team"),
        ("deep", r"F:\Team\Deep"),
        ("other", r"F:\Other"),
    ] {
        let settings =
            format!(r"CSCFlags=0\0MaxUses=4294967295\0Path={folder}\0Permissions=0\0Type=0");
        reg(&[
            "add",
            shares,
            "/v",
            name,
            "/t",
            "REG_MULTI_SZ",
            "/d",
            &settings,
        ]);
    }
    fs::create_dir_all(r"F:\Team\Deep").unwrap();
    let mut seen = facts(Path::new(r"F:\Team\Deep\x")).unwrap().shares;
    seen.sort_by(|a, b| b.name.cmp(&a.name));
    let share = |name: &str, folder: &str| Share {
        name: name.into(),
        folder: folder.into(),
    };
    assert_eq!(
        seen,
        [share("team", r"F:\Team"), share("deep", r"F:\Team\Deep")]
    );
    assert_eq!(facts(Path::new(r"F:\")).unwrap().shares, []);
}

#[test]
fn a_policy_against_writing_is_named_for_removable_media() {
    if !under_wine() {
        return;
    }
    let read_only = |path| facts(Path::new(path)).unwrap().read_only;
    assert_eq!(read_only(r"R:\"), None);
    for (key, name) in [
        (
            r"HKLM\SYSTEM\CurrentControlSet\Policies\Microsoft\FVE",
            "RDVDenyWriteAccess",
        ),
        (
            r"HKLM\SOFTWARE\Policies\Microsoft\Windows\RemovableStorageDevices",
            "Deny_All",
        ),
        (
            r"HKCU\SOFTWARE\Policies\Microsoft\Windows\RemovableStorageDevices",
            "Deny_All",
        ),
        (
            r"HKCU\SOFTWARE\Policies\Microsoft\Windows\RemovableStorageDevices\{53f5630d-b6bf-11d0-94f2-00a0c91efb8b}",
            "Deny_Write",
        ),
    ] {
        reg(&["add", key, "/v", name, "/t", "REG_DWORD", "/d", "1"]);
        assert_eq!(
            read_only(r"R:\"),
            Some(ReadOnly::Policy(format!(r"{key}\{name}")))
        );
        assert_eq!(
            read_only(r"F:\"),
            None,
            "the policy is about removable media only"
        );
        reg(&["delete", key, "/v", name]);
    }
    assert_eq!(read_only(r"R:\"), None);
}

#[test]
fn room_and_encryption_are_told_as_far_as_windows_tells_them() {
    let facts = facts(&std::env::temp_dir()).unwrap();
    assert!(facts.free.is_some_and(|free| free > 0));
    assert_eq!(facts.read_only, None);
    if under_wine() {
        assert_eq!(facts.encryption, None);
    }
}

#[test]
fn a_path_without_any_existing_parent_has_no_facts() {
    assert!(facts(Path::new(r"Q:\x")).is_err());
}

#[test]
fn what_is_not_there_cannot_be_ejected_and_has_no_descriptor() {
    assert!(matches!(
        eject(Path::new(r"Q:\x")),
        Err(NotEjected::Refused(_))
    ));
    assert_eq!(descriptor(Path::new(r"Q:\x")), Descriptor::default());
}

#[test]
fn a_removable_drive_is_described_by_its_volume_at_least_and_the_system_disk_not_at_all() {
    assert_eq!(
        descriptor(Path::new(&std::env::var("SystemRoot").unwrap())),
        Descriptor::default()
    );
    if under_wine() {
        let volume = descriptor(Path::new(r"R:\")).volume.unwrap();
        let hex = |part: &str| part.len() == 4 && part.bytes().all(|byte| byte.is_ascii_hexdigit());
        assert!(
            volume
                .split_once('-')
                .is_some_and(|(high, low)| hex(high) && hex(low)),
            "{volume}"
        );
    }
}

#[test]
fn files_are_read_past_the_cache_whole_whatever_their_length() {
    let folder = tempfile::tempdir().unwrap();
    let volume = FolderVolume::new(folder.path());
    for length in [0_usize, 1, 4095, 4096, 4097, 12_288, 70_001] {
        let (name, bytes) = (format!("f{length}"), vec![0xa5; length]);
        volume.create(&name, &bytes).unwrap();
        assert_eq!(
            volume.read(&name, 1 << 20, Reading::PastCache).unwrap(),
            bytes,
            "length {length}"
        );
    }
}

#[test]
fn a_volume_is_flushed_with_or_without_the_right_to_open_it() {
    let folder = tempfile::tempdir().unwrap();
    let volume = FolderVolume::new(folder.path());
    volume.make_folder("PFXVAULT").unwrap();
    volume.create("PFXVAULT/a", b"a").unwrap();
    volume.flush().unwrap();
    assert_eq!(
        fs::read(folder.path().join("PFXVAULT").join("a")).unwrap(),
        b"a"
    );
}
