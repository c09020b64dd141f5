//! What is known of the place a path leads to.
//!
//! Everything is read below a root folder, so that tests can lay out machines with devices that
//! this one does not have.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::statvfs;

use super::disks::{Below, Devices};
use super::mounts::{self, Mount};
use super::shares;
use crate::platform::media::facts::{Device, Facts, ReadOnly, Synced, shares_above};
use crate::platform::media::synced;

/// What is known of the file system and the device under `path`, or under its nearest existing
/// parent.
///
/// # Errors
/// What the system says.
pub fn facts(path: &Path) -> io::Result<Facts> {
    let real = nearest_real(path)?;
    let facts = facts_below(Path::new("/"), &real)?;
    let free = statvfs(&real)
        .ok()
        .map(|space| space.f_bavail.saturating_mul(space.f_frsize));
    Ok(Facts { free, ..facts })
}

/// Where file systems of block devices are mounted: a medium that is inserted is among them.
pub fn volumes() -> Vec<PathBuf> {
    mounts::of_devices(&fs::read_to_string("/proc/self/mountinfo").unwrap_or_default())
}

fn nearest_real(path: &Path) -> io::Result<PathBuf> {
    let path = std::path::absolute(path)?;
    path.ancestors()
        .find_map(|p| fs::canonicalize(p).ok())
        .ok_or_else(|| io::ErrorKind::NotFound.into())
}

/// The facts about `real`, a path without links, on the machine whose `/` is `root`.
fn facts_below(root: &Path, real: &Path) -> io::Result<Facts> {
    let mounts = fs::read_to_string(root.join("proc/self/mountinfo"))?;
    let mount = mounts::find(&mounts, real).ok_or(io::ErrorKind::NotFound)?;
    let devices = Devices {
        root,
        mounts: &mounts,
    };
    let below = devices.below(&mount);
    let system = mounts::find(&mounts, Path::new("/"))
        .map(|system| devices.below(&system))
        .unwrap_or_default();
    Ok(Facts {
        device: device(&below, &system),
        read_only: read_only(&mount, &below),
        encryption: encryption(&below),
        synced: synced(root, real),
        shares: shares_above(real, shares::all(root)),
        hardware: below.disks,
        ..Facts::new(real.to_owned(), mount.kind, Device::FixedDisk)
    })
}

/// Looked for where the machine lies, told as the machine names it.
fn synced(root: &Path, real: &Path) -> Option<Synced> {
    let found = synced::look(
        &root.join(real.strip_prefix("/").unwrap_or(real)),
        &homes(root),
    )?;
    let folder = found.root.strip_prefix(root).unwrap_or(&found.root);
    Some(Synced {
        by: found.by,
        root: Path::new("/").join(folder),
    })
}

/// Home folders where a distribution puts them.
fn homes(root: &Path) -> Vec<PathBuf> {
    let users = fs::read_dir(root.join("home"))
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path());
    users.chain([root.join("root")]).collect()
}

const NETWORK: [&str; 22] = [
    "9p",
    "afs",
    "beegfs",
    "ceph",
    "cifs",
    "davfs",
    "drvfs",
    "gfs2",
    "glusterfs",
    "lustre",
    "ncpfs",
    "nfs",
    "nfs4",
    "ocfs2",
    "orangefs",
    "prl_fs",
    "smb3",
    "smbfs",
    "vboxsf",
    "virtiofs",
    "vmhgfs",
    "gpfs",
];
/// FUSE file systems that store elsewhere; `fuseblk` and the like are local drivers.
const NETWORK_FUSE: [&str; 18] = [
    "ceph-fuse",
    "curlftpfs",
    "davfs",
    "davfs2",
    "gcsfuse",
    "glusterfs",
    "google-drive-ocamlfuse",
    "goofys",
    "gvfsd-fuse",
    "juicefs",
    "kio-fuse",
    "mount.davfs",
    "onedriver",
    "rclone",
    "s3fs",
    "smbnetfs",
    "sshfs",
    "vmhgfs-fuse",
];

fn device(below: &Below, system: &Below) -> Device {
    let any = |is: fn(&str) -> bool| below.file_systems.iter().any(|kind| is(kind));
    match () {
        () if any(is_network) || below.is_remote() => Device::Network,
        () if any(is_memory) || below.is_memory() => Device::Memory,
        () if below.disks.iter().any(|disk| system.disks.contains(disk)) => Device::SystemDisk,
        () if below.is_removable() => Device::Removable,
        () => Device::FixedDisk,
    }
}

fn is_network(kind: &str) -> bool {
    NETWORK.contains(&kind)
        || kind
            .strip_prefix("fuse.")
            .is_some_and(|fuse| NETWORK_FUSE.contains(&fuse))
}

fn is_memory(kind: &str) -> bool {
    matches!(kind, "tmpfs" | "ramfs" | "devtmpfs")
}

fn read_only(mount: &Mount, below: &Below) -> Option<ReadOnly> {
    let disc = matches!(
        mount.kind.as_str(),
        "iso9660" | "squashfs" | "erofs" | "cramfs"
    );
    match () {
        () if disc || below.read_only => Some(ReadOnly::Device),
        () if mount.read_only => Some(ReadOnly::Mounted),
        () => None,
    }
}

fn encryption(below: &Below) -> Option<String> {
    let by_file_system = || {
        below
            .file_systems
            .iter()
            .find_map(|kind| encrypting_file_system(kind))
    };
    below.encryption.first().cloned().or_else(by_file_system)
}

/// File systems that encrypt by themselves.
fn encrypting_file_system(kind: &str) -> Option<String> {
    let name = match kind {
        "ecryptfs" => "eCryptfs",
        "fuse.cryfs" => "CryFS",
        "fuse.encfs" => "EncFS",
        "fuse.gocryptfs" => "gocryptfs",
        _ => return None,
    };
    Some(name.to_owned())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::super::descriptor::descriptor_below;
    use super::*;
    use vault::descriptor::Descriptor;

    /// A machine laid out in a folder: its system disk is `sda` on SATA.
    struct Machine {
        root: tempfile::TempDir,
        mounts: String,
    }

    impl Machine {
        fn new() -> Self {
            let machine = Self {
                root: tempfile::tempdir().unwrap(),
                mounts: String::new(),
            };
            machine
                .disk("pci0/ata1", "sda", "8:0")
                .mounted("8:0", "/", "ext4", "/dev/sda", "rw")
        }

        fn write(&self, path: &str, text: &str) {
            let path = self.root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }

        fn link(&self, from: &str, to: &str) {
            let from = self.root.path().join(from);
            fs::create_dir_all(from.parent().unwrap()).unwrap();
            symlink(self.root.path().join(to), from).unwrap();
        }

        /// A block device at this place in the tree of devices.
        fn disk(self, place: &str, name: &str, number: &str) -> Self {
            let node = format!("sys/devices/{place}/block/{name}");
            self.write(&format!("{node}/dev"), &format!("{number}\n"));
            self.link(&format!("sys/dev/block/{number}"), &node);
            self.link(&format!("sys/class/block/{name}"), &node);
            self
        }

        fn partition(self, place: &str, disk: &str, name: &str, number: &str) -> Self {
            let node = format!("sys/devices/{place}/block/{disk}/{name}");
            self.write(&format!("{node}/dev"), &format!("{number}\n"));
            self.write(&format!("{node}/partition"), "1\n");
            self.link(&format!("sys/dev/block/{number}"), &node);
            self.link(&format!("sys/class/block/{name}"), &node);
            self
        }

        /// A device of device mapper on others.
        fn mapped(self, name: &str, number: &str, uuid: &str, on: &[&str]) -> Self {
            self.write(&format!("sys/devices/virtual/block/{name}/dm/uuid"), uuid);
            for slave in on {
                let node =
                    fs::canonicalize(self.root.path().join("sys/class/block").join(slave)).unwrap();
                let below = node
                    .strip_prefix(fs::canonicalize(self.root.path()).unwrap())
                    .unwrap()
                    .to_owned();
                self.link(
                    &format!("sys/devices/virtual/block/{name}/slaves/{slave}"),
                    below.to_str().unwrap(),
                );
            }
            self.disk("virtual", name, number)
        }

        fn file(self, path: &str, text: &str) -> Self {
            self.write(path, text);
            self
        }

        fn mounted(
            mut self,
            number: &str,
            point: &str,
            kind: &str,
            source: &str,
            options: &str,
        ) -> Self {
            self.mounts +=
                &format!("1 1 {number} / {point} {options} shared:1 - {kind} {source} rw\n");
            self
        }

        fn facts(&self, path: &str) -> Facts {
            self.write("proc/self/mountinfo", &self.mounts);
            facts_below(
                &fs::canonicalize(self.root.path()).unwrap(),
                Path::new(path),
            )
            .unwrap()
        }

        fn descriptor(&self, path: &str) -> Option<Descriptor> {
            self.write("proc/self/mountinfo", &self.mounts);
            descriptor_below(
                &fs::canonicalize(self.root.path()).unwrap(),
                Path::new(path),
            )
        }

        fn device(&self, path: &str) -> Device {
            self.facts(path).device
        }
    }

    /// A stick with one partition, mounted.
    fn with_stick() -> Machine {
        let usb = "pci0/usb2/2-1/host6/target6:0:0/6:0:0:0";
        let machine = Machine::new()
            .disk(usb, "sdb", "8:16")
            .partition(usb, "sdb", "sdb1", "8:17");
        machine.mounted("8:17", "/media/stick", "vfat", "/dev/sdb1", "rw")
    }

    #[test]
    fn a_stick_is_removable_also_where_it_calls_itself_fixed() {
        let machine = with_stick().file(
            "sys/devices/pci0/usb2/2-1/host6/target6:0:0/6:0:0:0/block/sdb/removable",
            "0",
        );
        let facts = machine.facts("/media/stick/PFXVAULT");
        assert_eq!(
            (facts.device, facts.file_system.as_str()),
            (Device::Removable, "vfat")
        );
        assert_eq!(
            (facts.hardware, facts.read_only, facts.encryption),
            (vec!["sdb".to_owned()], None, None)
        );
    }

    #[test]
    fn cards_firewire_and_drives_with_a_medium_to_take_out_are_removable_and_other_disks_are_not() {
        let at = |place: &str| {
            Machine::new()
                .disk(place, "sdc", "8:32")
                .mounted("8:32", "/m", "exfat", "/dev/sdc", "rw")
        };
        assert_eq!(
            at("pci0/mmc_host/mmc0/mmc0:0001").device("/m"),
            Device::Removable
        );
        assert_eq!(at("pci0/fw1").device("/m"), Device::Removable);
        assert_eq!(
            at("pci0/ata2")
                .file("sys/devices/pci0/ata2/block/sdc/removable", "1\n")
                .device("/m"),
            Device::Removable
        );
        assert_eq!(at("pci0/ata2").device("/m"), Device::FixedDisk);
        assert_eq!(at("pci0/usbip-like").device("/m"), Device::FixedDisk);
    }

    #[test]
    fn whatever_lies_on_a_disk_with_the_system_is_on_the_system_disk() {
        let machine = Machine::new()
            .partition("pci0/ata1", "sda", "sda2", "8:2")
            .mounted("8:2", "/data", "xfs", "/dev/sda2", "rw")
            .mapped("dm-0", "252:0", "LVM-abc", &["sda2"])
            .mounted("252:0", "/lvm", "ext4", "/dev/mapper/vg-lv", "rw")
            .mounted("8:0", "/mnt/bind", "ext4", "/dev/sda", "rw");
        for path in ["/", "/data/x", "/lvm", "/mnt/bind"] {
            assert_eq!(machine.device(path), Device::SystemDisk, "{path}");
        }
    }

    #[test]
    fn a_system_in_a_pool_of_its_own_is_found_by_the_device_it_names() {
        let mut machine = Machine::new().mapped("dm-1", "252:1", "CRYPT-LUKS2-0-sys", &["sda"]);
        machine.link("dev/mapper/sys", "dm-1");
        machine.mounts.clear();
        let machine = machine
            .mounted("0:30", "/", "btrfs", "/dev/mapper/sys", "rw")
            .mounted("0:31", "/home", "btrfs", "/dev/mapper/sys", "rw");
        let facts = machine.facts("/home/a");
        assert_eq!(
            (facts.device, facts.encryption.as_deref()),
            (Device::SystemDisk, Some("LUKS2"))
        );
    }

    #[test]
    fn an_encrypted_stick_is_seen_through() {
        for (uuid, name) in [
            ("CRYPT-LUKS2-0a-x", "LUKS2"),
            ("CRYPT-BITLK-x", "BitLocker"),
            ("CRYPT-PLAIN-x", "dm-crypt"),
        ] {
            let machine = with_stick().mapped("dm-2", "252:2", uuid, &["sdb1"]);
            let facts = machine
                .mounted("252:2", "/media/safe", "ext4", "/dev/dm-2", "rw")
                .facts("/media/safe");
            assert_eq!(
                (facts.device, facts.encryption.as_deref()),
                (Device::Removable, Some(name))
            );
            assert_eq!(facts.hardware, ["sdb"]);
        }
    }

    #[test]
    fn a_mounted_image_is_where_its_file_is() {
        let image = |file: &str| {
            with_stick()
                .disk("virtual", "loop0", "7:0")
                .file(
                    "sys/devices/virtual/block/loop0/loop/backing_file",
                    &format!("{file}\n"),
                )
                .mounted("7:0", "/image", "vfat", "/dev/loop0", "rw")
                .mounted("0:40", "/run", "tmpfs", "tmpfs", "rw")
        };
        assert_eq!(image("/var/stick.img").device("/image"), Device::SystemDisk);
        assert_eq!(
            image("/media/stick/inner.img").device("/image"),
            Device::Removable
        );
        let memory = image("/run/x.img").facts("/image");
        assert_eq!(
            (memory.device, memory.hardware),
            (Device::Memory, vec!["0:40".to_owned()])
        );
        let remote = image("/srv/x.img")
            .mounted("0:41", "/srv", "nfs4", "host:/srv", "rw")
            .facts("/image");
        assert_eq!(
            (remote.device, remote.hardware),
            (Device::Network, vec!["0:41".to_owned()])
        );
        assert_eq!(
            image("/image/x.img").facts("/image").hardware,
            ["sda"],
            "mounted over its own folder"
        );
    }

    #[test]
    fn what_fuse_shows_in_its_own_way_is_where_its_source_is() {
        let shown =
            |source: &str, kind: &str| with_stick().mounted("0:60", "/shown", kind, source, "rw");
        let safe = shown("/media/stick/safe", "fuse.gocryptfs").facts("/shown");
        assert_eq!(
            (safe.device, safe.encryption.as_deref()),
            (Device::Removable, Some("gocryptfs"))
        );
        assert_eq!(safe.hardware, ["sdb"]);
        for source in ["/srv/folder", "/shown"] {
            assert_eq!(
                shown(source, "fuse").device("/shown/x"),
                Device::SystemDisk,
                "{source}"
            );
        }
        let unknown = shown("portal", "fuse.portal").facts("/shown");
        assert_eq!(
            (unknown.device, unknown.hardware),
            (Device::FixedDisk, vec!["0:60".to_owned()])
        );
        let circle = shown("/other/x", "fuse")
            .mounted("0:61", "/other", "fuse", "/shown/x", "rw")
            .facts("/shown");
        assert_eq!(
            (circle.device, circle.hardware),
            (Device::FixedDisk, vec!["0:60".to_owned()])
        );
    }

    #[test]
    fn two_partitions_of_one_stick_are_one_device() {
        let usb = "pci0/usb2/2-1/host6/target6:0:0/6:0:0:0";
        let machine = with_stick().partition(usb, "sdb", "sdb2", "8:18");
        let machine = machine.mounted("8:18", "/media/second", "exfat", "/dev/sdb2", "rw");
        let (first, second) = (
            machine.facts("/media/stick"),
            machine.facts("/media/second"),
        );
        assert!(first.shares_hardware_with(&second));
        assert!(!first.shares_hardware_with(&machine.facts("/")));
    }

    #[test]
    fn a_stick_is_described_by_its_device_and_the_id_of_its_file_system() {
        let usb = "sys/devices/pci0/usb2/2-1";
        let disk = format!("{usb}/host6/target6:0:0/6:0:0:0/block/sdb");
        let machine = with_stick()
            .file(&format!("{usb}/idVendor"), "0781\n")
            .file(&format!("{usb}/serial"), "4C53\u{7}0001\n")
            .file(&format!("{disk}/device/vendor"), "SanDisk \n")
            .file(&format!("{disk}/device/model"), "Ultra           \n")
            .file(&format!("{disk}/device/wwid"), "t10.never\n")
            .file(&format!("{disk}/size"), "62333952\n");
        machine.link("dev/disk/by-uuid/1A2B-3C4D", "dev/sdb1");
        machine.link("dev/disk/by-uuid/FFFF-FFFF", "dev/sdb");
        let text = |text: &str| Some(text.to_owned());
        let expected = Descriptor {
            model: text("SanDisk Ultra"),
            serial: text("4C530001"),
            size: Some(31_914_983_424),
            volume: text("1A2B-3C4D"),
        };
        assert_eq!(machine.descriptor("/media/stick/PFXVAULT"), Some(expected));
        assert_eq!(machine.descriptor("/"), None, "what cannot be taken away");
    }

    #[test]
    fn a_card_is_described_by_itself_and_what_says_nothing_is_not_described() {
        let card = "pci0/mmc_host/mmc0/mmc0:0001";
        let machine = Machine::new().disk(card, "mmcblk0", "179:0").mounted(
            "179:0",
            "/m",
            "exfat",
            "/dev/mmcblk0",
            "rw",
        );
        assert_eq!(machine.descriptor("/m"), Some(Descriptor::default()));
        let machine = machine
            .file(
                &format!("sys/devices/{card}/block/mmcblk0/device/name"),
                "SD32G\n",
            )
            .file(
                &format!("sys/devices/{card}/block/mmcblk0/device/serial"),
                "0x00000007\n",
            );
        let described = machine.descriptor("/m").unwrap();
        assert_eq!(
            (described.model.as_deref(), described.serial.as_deref()),
            (Some("SD32G"), Some("0x00000007"))
        );
    }

    #[test]
    fn what_is_stored_on_another_machine_is_a_network_drive() {
        let kinds = [
            "nfs",
            "nfs4",
            "cifs",
            "smb3",
            "9p",
            "virtiofs",
            "ceph",
            "vboxsf",
            "davfs",
            "fuse.sshfs",
            "fuse.rclone",
            "fuse.gvfsd-fuse",
            "fuse.mount.davfs",
        ];
        for kind in kinds {
            let machine = Machine::new().mounted("0:50", "/net", kind, "host:/x", "rw");
            assert_eq!(machine.device("/net/x"), Device::Network, "{kind}");
        }
        let block = |place: &str, name: &str| {
            Machine::new()
                .disk(place, name, "43:0")
                .mounted("43:0", "/net", "ext4", "/dev/x", "rw")
                .device("/net")
        };
        assert_eq!(block("virtual", "nbd0"), Device::Network);
        assert_eq!(
            block("platform/host3/session1/target3:0:0/3:0:0:0", "sdd"),
            Device::Network
        );
        assert_eq!(block("virtual", "zram0"), Device::Memory);
        for (kind, device) in [
            ("fuseblk", Device::FixedDisk),
            ("tmpfs", Device::Memory),
            ("fuse.portal", Device::FixedDisk),
        ] {
            assert_eq!(
                Machine::new()
                    .mounted("0:51", "/l", kind, "x", "rw")
                    .device("/l"),
                device,
                "{kind}"
            );
        }
    }

    #[test]
    fn a_place_that_cannot_be_written_says_why() {
        let block = "sys/devices/pci0/usb2/2-1/host6/target6:0:0/6:0:0:0/block/sdb/ro";
        let switched = with_stick().file(block, "1\n");
        assert_eq!(
            switched.facts("/media/stick").read_only,
            Some(ReadOnly::Device)
        );
        let mounted = with_stick().mounted("8:17", "/ro", "vfat", "/dev/sdb1", "ro,nosuid");
        assert_eq!(mounted.facts("/ro").read_only, Some(ReadOnly::Mounted));
        let disc = Machine::new().mounted("11:0", "/cd", "iso9660", "/dev/sr0", "ro");
        assert_eq!(disc.facts("/cd").read_only, Some(ReadOnly::Device));
        assert_eq!(with_stick().facts("/media/stick").read_only, None);
    }

    #[test]
    fn a_synced_folder_is_seen_on_the_machine_it_is_on() {
        let machine = Machine::new()
            .file(
                "home/a/.dropbox/info.json",
                r#"{"personal": {"path": "/home/a/Work"}}"#,
            )
            .file("srv/team/.stfolder/x", "");
        let by = |path: &str| {
            machine
                .facts(path)
                .synced
                .map(|synced| (synced.by, synced.root))
        };
        assert_eq!(
            by("/srv/team/keys"),
            Some(("Syncthing".to_owned(), "/srv/team".into()))
        );
        assert_eq!(by("/srv/other"), None);
        assert_eq!(by("/home/a"), None);
    }

    #[test]
    fn this_machine_answers_for_itself() {
        let root = facts(Path::new("/")).unwrap();
        assert_eq!(
            (root.device, root.real_path.as_path()),
            (Device::SystemDisk, Path::new("/"))
        );
        let missing = facts(Path::new("/proc/self/no/such/place")).unwrap();
        assert!(missing.real_path.starts_with("/proc") && missing.file_system == "proc");
        let folder = tempfile::tempdir().unwrap();
        assert!(
            facts(folder.path())
                .unwrap()
                .free
                .is_some_and(|free| free > 0)
        );
    }
}
