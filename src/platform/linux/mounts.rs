//! What is mounted where (`/proc/self/mountinfo`).

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// One mounted file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mount {
    /// Where.
    pub(super) point: PathBuf,
    /// `major:minor` of the block device, or of the file system itself where it has none.
    pub(super) number: String,
    /// Which part of the file system: `/` for all of it.
    pub(super) root: PathBuf,
    /// Such as `vfat` or `fuse.sshfs`.
    pub(super) kind: String,
    /// Such as `/dev/sdb1` or `host:/export`.
    pub(super) source: String,
    /// Whether it may not be written through this mount.
    pub(super) read_only: bool,
}

impl Mount {
    /// What a FUSE file system shows in its own way: the folder or image that it names as its
    /// source.
    pub(super) fn shows(&self) -> Option<&Path> {
        let fuse = self.kind == "fuse" || self.kind.starts_with("fuse.");
        let source = Path::new(&self.source);
        (fuse && source.is_absolute() && !source.starts_with("/dev")).then_some(source)
    }
}

/// The mount that a path lies on: the longest mount point that is one of its parents; the last one
/// listed wins.
pub(super) fn find(mountinfo: &str, path: &Path) -> Option<Mount> {
    find_but(mountinfo, path, "")
}

/// As [`find`], where the file systems of this number were not mounted.
pub(super) fn find_but(mountinfo: &str, path: &Path, number: &str) -> Option<Mount> {
    let above = all(mountinfo).filter(|mount| path.starts_with(&mount.point));
    above
        .filter(|mount| mount.number != number)
        .max_by_key(|mount| mount.point.as_os_str().len())
}

/// Every mount of a mountinfo text.
pub(super) fn all(mountinfo: &str) -> impl Iterator<Item = Mount> {
    mountinfo.lines().filter_map(parse)
}

/// Every place where a block device is mounted.
pub(super) fn of_devices(mountinfo: &str) -> Vec<PathBuf> {
    all(mountinfo)
        .filter(|mount| mount.source.starts_with("/dev/"))
        .map(|mount| mount.point)
        .collect()
}

/// Where the kernel shows itself as files. Nobody keeps anything there, and reading some of them
/// waits or acts.
pub fn kernels_own() -> Vec<PathBuf> {
    const KINDS: [&str; 12] = [
        "bpf", "cgroup", "cgroup2", "configfs", "debugfs", "devpts", "devtmpfs", "fusectl",
        "mqueue", "proc", "sysfs", "tracefs",
    ];
    let mountinfo = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let mounts = all(&mountinfo).filter(|mount| KINDS.contains(&mount.kind.as_str()));
    mounts.map(|mount| mount.point).collect()
}

/// One line, as proc_pid_mountinfo(5) describes it.
fn parse(line: &str) -> Option<Mount> {
    let (left, right) = line.split_once(" - ")?;
    let mut fields = left.split(' ').skip(2);
    let number = fields.next()?.to_owned();
    let root = PathBuf::from(unescape(fields.next()?));
    let point = PathBuf::from(unescape(fields.next()?));
    let options = fields.next()?;
    let mut fields = right.split(' ');
    let (kind, source) = (fields.next()?.to_owned(), fields.next()?);
    let is_read_only = |options: &str| options.split(',').any(|option| option == "ro");
    let read_only = is_read_only(options) || fields.next().is_some_and(is_read_only);
    let source = unescape(source).to_string_lossy().into_owned();
    Some(Mount {
        point,
        number,
        root,
        kind,
        source,
        read_only,
    })
}

/// A backslash and three octal digits stand for a byte: here for blanks and the backslash itself,
/// in `/etc/exports` for any.
pub(super) fn unescape(field: &str) -> OsString {
    let bytes = field.as_bytes();
    let mut plain = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let octal = field.get(at + 1..at + 4).filter(|_| bytes[at] == b'\\');
        match octal.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) => {
                plain.push(byte);
                at += 4;
            }
            None => {
                plain.push(bytes[at]);
                at += 1;
            }
        }
    }
    OsString::from_vec(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
40 22 0:35 / /srv/share rw - nfs4 host:/export rw
41 22 8:17 / /media/My\\040Stick rw - vfat /dev/sdb1 ro
42 22 8:33 / /media/\\346\\227\\245 ro,nosuid - exfat /dev/sdc1 rw";

    #[test]
    fn the_longest_mount_point_above_a_path_is_its_file_system() {
        let kind = |path| find(MOUNTS, Path::new(path)).map(|mount| mount.kind);
        assert_eq!(kind("/etc/x").as_deref(), Some("ext4"));
        assert_eq!(kind("/srv/share/a/b").as_deref(), Some("nfs4"));
        assert_eq!(kind("/srv/shared").as_deref(), Some("ext4"));
        assert_eq!(kind("/media/My Stick/PFXVAULT").as_deref(), Some("vfat"));
        assert_eq!(kind("/media/日/PFXVAULT").as_deref(), Some("exfat"));
    }

    #[test]
    fn what_lies_on_a_block_device_is_a_volume() {
        let names = of_devices(MOUNTS);
        assert_eq!(
            names,
            ["/", "/media/My Stick", "/media/日"].map(PathBuf::from)
        );
    }

    #[test]
    fn a_mount_is_read_only_by_its_own_options_or_its_file_systems() {
        let read_only: Vec<bool> = MOUNTS
            .lines()
            .filter_map(parse)
            .map(|mount| mount.read_only)
            .collect();
        assert_eq!(read_only, [false, false, true, true]);
    }

    #[test]
    fn a_line_that_is_cut_short_is_no_mount() {
        for line in [
            "",
            "22 1 8:1 / / rw",
            "22 1 8:1 - ext4 /dev/sda1",
            "22 1 8:1 / / rw - ext4",
            "\\04 - \\",
        ] {
            assert_eq!(parse(line), None, "{line:?}");
        }
    }
}
