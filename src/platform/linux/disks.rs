//! Which disks lie below a block device, and what they are (`/sys`, as the kernel's ABI documents
//! describe it).

use std::fs;
use std::path::{Path, PathBuf};

use super::mounts::{self, Mount};

/// Block devices and file systems upon each other: LUKS on LVM on RAID on a loop device is four.
const DEEPEST: usize = 16;

/// A machine's devices, below a root folder that a test may choose.
pub(super) struct Devices<'a> {
    /// Where `/sys`, `/dev` and the files of loop devices begin.
    pub(super) root: &'a Path,
    /// The text of mountinfo.
    pub(super) mounts: &'a str,
}

/// Everything below one block device.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Below {
    /// Names of the disks: `sdb`. What has none below it, such as a file system in memory, is there
    /// by its number.
    pub(super) disks: Vec<String>,
    /// Where each of them hangs: `devices/pci0000:00/.../usb2/.../block/sdb`.
    paths: Vec<PathBuf>,
    /// Kinds of the file systems on the way, the uppermost first: that of an image's file comes
    /// after that of the image.
    pub(super) file_systems: Vec<String>,
    /// What encrypts on the way, the uppermost first.
    pub(super) encryption: Vec<String>,
    /// Whether any of it refuses to be written.
    pub(super) read_only: bool,
    /// Whether a disk says that its medium can be taken out.
    says_removable: bool,
}

impl Devices<'_> {
    /// What lies below a mounted file system.
    pub(super) fn below(&self, mount: &Mount) -> Below {
        let mut below = Below::default();
        self.under(mount, DEEPEST, &mut below);
        below
    }

    fn under(&self, mount: &Mount, deepest: usize, below: &mut Below) {
        below.file_systems.push(mount.kind.clone());
        match mount.shows() {
            Some(source) => self.behind(source, &mount.number, deepest, below),
            None => self.descend(&self.number(mount), deepest, below),
        }
        if below.disks.is_empty() {
            below.disks.push(mount.number.clone());
        }
    }

    /// Where a folder or file lies that is mounted as this number, perhaps over the place where it
    /// lies itself.
    fn behind(&self, source: &Path, number: &str, deepest: usize, below: &mut Below) {
        let mount = mounts::find_but(self.mounts, source, number).filter(|_| deepest > 0);
        if let Some(mount) = mount {
            self.under(&mount, deepest - 1, below);
        }
    }

    /// A btrfs has a number of its own and names a device of its pool as the source.
    fn number(&self, mount: &Mount) -> String {
        let device = mount
            .source
            .strip_prefix("/dev/")
            .filter(|_| mount.number.starts_with("0:"));
        let named = device.and_then(|name| {
            // `/dev/mapper/data` is a link to `../dm-0`.
            let link = fs::read_link(self.root.join("dev").join(name))
                .unwrap_or_else(|_| PathBuf::from(name));
            let number = self
                .root
                .join("sys/class/block")
                .join(link.file_name()?)
                .join("dev");
            fs::read_to_string(number).ok()
        });
        named.map_or_else(|| mount.number.clone(), |number| number.trim().to_owned())
    }

    fn descend(&self, number: &str, deepest: usize, below: &mut Below) {
        let Ok(node) = fs::canonicalize(self.root.join("sys/dev/block").join(number)) else {
            return below.disks.push(number.to_owned());
        };
        if deepest == 0 {
            return;
        }
        below.read_only |= says(&node.join("ro"), "1");
        below.encryption.extend(encrypted_by(&node));
        if let Ok(file) = fs::read_to_string(node.join("loop/backing_file")) {
            return self.behind(
                Path::new(file.trim_end_matches('\n')),
                number,
                deepest,
                below,
            );
        }
        let slaves: Vec<_> = fs::read_dir(node.join("slaves"))
            .into_iter()
            .flatten()
            .flatten()
            .collect();
        for slave in &slaves {
            let number = fs::read_to_string(slave.path().join("dev")).unwrap_or_default();
            self.descend(number.trim(), deepest - 1, below);
        }
        if slaves.is_empty() {
            below.take_disk(&node, self.root);
        }
    }
}

impl Below {
    /// Where the disk hangs, if it is one.
    pub(super) fn only_disk(&self) -> Option<&Path> {
        self.paths
            .first()
            .filter(|_| self.disks.len() == 1)
            .map(PathBuf::as_path)
    }

    /// A partition leads to its disk.
    fn take_disk(&mut self, node: &Path, root: &Path) {
        let disk = if node.join("partition").exists() {
            node.parent().unwrap_or(node)
        } else {
            node
        };
        self.read_only |= says(&disk.join("ro"), "1");
        self.says_removable |= says(&disk.join("removable"), "1");
        let name = disk
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if !self.disks.contains(&name) {
            self.disks.push(name);
            // The root of a simulated machine could itself have a telling name.
            self.paths
                .push(disk.strip_prefix(root).unwrap_or(disk).to_owned());
        }
    }

    /// USB, SD card or FireWire, or a drive that says its medium can be taken out. (A USB hard disk
    /// says it cannot.)
    pub(super) fn is_removable(&self) -> bool {
        self.says_removable || self.hangs_on(&["usb", "mmc", "fw"])
    }

    /// A disk of another machine: NBD, Ceph's RBD, DRBD, or iSCSI, whose disks hang on a session.
    pub(super) fn is_remote(&self) -> bool {
        self.is_called(&["nbd", "rbd", "drbd"]) || self.hangs_on(&["session"])
    }

    /// A disk in memory.
    pub(super) fn is_memory(&self) -> bool {
        self.is_called(&["ram", "zram", "pmem"])
    }

    fn is_called(&self, kinds: &[&str]) -> bool {
        self.disks.iter().any(|name| is_numbered(name, kinds))
    }

    fn hangs_on(&self, buses: &[&str]) -> bool {
        let mut parts = self.paths.iter().flat_map(|path| path.components());
        parts.any(|part| is_numbered(&part.as_os_str().to_string_lossy(), buses))
    }
}

/// `usb2`, but not `usbip-vhci`.
fn is_numbered(name: &str, kinds: &[&str]) -> bool {
    kinds.iter().any(|kind| {
        name.strip_prefix(kind)
            .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
    })
}

fn says(file: &Path, expected: &str) -> bool {
    fs::read_to_string(file).is_ok_and(|text| text.trim() == expected)
}

/// Device mapper's name for what it does: `CRYPT-LUKS2-...`, `CRYPT-BITLK-...`, `LVM-...`.
fn encrypted_by(node: &Path) -> Option<String> {
    let name = fs::read_to_string(node.join("dm/uuid")).ok()?;
    let kind = name.trim().strip_prefix("CRYPT-")?.split('-').next()?;
    Some(match kind {
        "BITLK" => "BitLocker".to_owned(),
        "TCRYPT" => "VeraCrypt".to_owned(),
        "PLAIN" => "dm-crypt".to_owned(),
        other => other.to_owned(),
    })
}
