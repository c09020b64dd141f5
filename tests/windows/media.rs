//! What lies under a path, and writing to it.

use std::fs;
use std::path::Path;

use pfxvault::media::{Device, FolderVolume, Reading, Volume, facts};

use crate::under_wine;

#[test]
fn the_drive_windows_runs_from_is_the_system_disk() {
    let folder = std::env::var("SystemRoot").unwrap();
    let facts = facts(Path::new(&folder)).unwrap();
    assert_eq!(facts.device, Device::SystemDisk);
    assert_eq!(facts.real_path.to_str().unwrap().to_lowercase(), folder.to_lowercase());
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

#[test]
fn a_path_without_any_existing_parent_has_no_facts() {
    assert!(facts(Path::new(r"Q:\x")).is_err());
}

#[test]
fn files_are_read_past_the_cache_whole_whatever_their_length() {
    let folder = tempfile::tempdir().unwrap();
    let volume = FolderVolume::new(folder.path());
    for length in [0_usize, 1, 4095, 4096, 4097, 12_288, 70_001] {
        let (name, bytes) = (format!("f{length}"), vec![0xa5; length]);
        volume.create(&name, &bytes).unwrap();
        assert_eq!(volume.read(&name, 1 << 20, Reading::PastCache).unwrap(), bytes, "length {length}");
    }
}

#[test]
fn a_volume_is_flushed_with_or_without_the_right_to_open_it() {
    let folder = tempfile::tempdir().unwrap();
    let volume = FolderVolume::new(folder.path());
    volume.make_folder("PFXVAULT").unwrap();
    volume.create("PFXVAULT/a", b"a").unwrap();
    volume.flush().unwrap();
    assert_eq!(fs::read(folder.path().join("PFXVAULT").join("a")).unwrap(), b"a");
}
