//! Taking a medium out of use, so that it can be pulled out.

use std::fs::{self, DirEntry};
use std::io;
use std::path::{Path, PathBuf};

use rustix::mount::{UnmountFlags, unmount};
use rustix::process::geteuid;

use super::disks::Devices;
use super::mounts::{self, Mount};
use crate::platform::media::NotEjected;

/// Programs that are named where something is in use.
const MOST_PROGRAMS: usize = 5;

/// Whether this account may: only root unmounts.
pub fn may_eject() -> bool {
    geteuid().is_root()
}

/// Unmounts the file system of `path`, which waits until everything is on the medium (umount(2)).
///
/// # Errors
/// Why it stays mounted; what was written is on the medium all the same, as it was flushed before.
pub fn eject(path: &Path) -> Result<(), NotEjected> {
    let real = fs::canonicalize(path)?;
    let text = fs::read_to_string("/proc/self/mountinfo")?;
    let mount =
        mounts::find(&text, &real).ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
    if let Some(other) = beside(Path::new("/"), &text, &mount) {
        return Err(NotEjected::Beside(other));
    }
    super::flush_volume(&mount.point)?;
    match unmount(&mount.point, UnmountFlags::NOFOLLOW).map_err(io::Error::from) {
        Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {
            Err(NotEjected::InUse(programs(&mount.point)))
        }
        other => Ok(other?),
    }
}

/// What else of the same device is mounted on the machine whose `/` is `root`; where only a part of
/// the file system is mounted, the device itself.
fn beside(root: &Path, text: &str, mount: &Mount) -> Option<PathBuf> {
    if mount.root != Path::new("/") {
        return Some(PathBuf::from(&mount.source));
    }
    let devices = Devices { root, mounts: text };
    let disks = devices.below(mount).disks;
    let shares = |other: &Mount| {
        devices
            .below(other)
            .disks
            .iter()
            .any(|disk| disks.contains(disk))
    };
    let mut others = mounts::all(text).filter(|other| other != mount);
    others.find(shares).map(|other| other.point)
}

/// Programs that work in a folder below `point`, or have a file open there, as far as this account
/// may see.
fn programs(point: &Path) -> Vec<String> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let mut names: Vec<String> = processes
        .filter_map(|process| program_at(&process, point))
        .take(MOST_PROGRAMS)
        .collect();
    names.dedup();
    names
}

fn program_at(process: &DirEntry, point: &Path) -> Option<String> {
    let number: u32 = process.file_name().to_str()?.parse().ok()?;
    let folder = process.path();
    let files = fs::read_dir(folder.join("fd"))
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path());
    let mut links = ["cwd", "root", "exe"]
        .map(|name| folder.join(name))
        .into_iter()
        .chain(files);
    let is_there =
        links.any(|link| fs::read_link(link).is_ok_and(|target| target.starts_with(point)));
    let name = fs::read_to_string(folder.join("comm"))
        .ok()
        .filter(|_| is_there && number != std::process::id())?;
    Some(name.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
1 1 8:0 / / rw - ext4 /dev/sda rw
2 1 8:17 / /media/a rw - vfat /dev/sdb1 rw
3 1 8:33 / /media/b rw - vfat /dev/sdc1 rw
4 1 8:33 / /mnt/again rw - vfat /dev/sdc1 rw
5 1 8:49 /keys /mnt/keys rw - ext4 /dev/sdd1 rw";

    #[test]
    fn only_a_device_that_is_mounted_once_and_whole_is_unmounted() {
        let nothing = tempfile::tempdir().unwrap();
        let beside = |path: &str| {
            beside(
                nothing.path(),
                MOUNTS,
                &mounts::find(MOUNTS, Path::new(path)).unwrap(),
            )
        };
        assert_eq!(beside("/media/a/PFXVAULT"), None);
        assert_eq!(beside("/media/b"), Some("/mnt/again".into()));
        assert_eq!(beside("/mnt/again"), Some("/media/b".into()));
        assert_eq!(beside("/mnt/keys"), Some("/dev/sdd1".into()));
    }
}
