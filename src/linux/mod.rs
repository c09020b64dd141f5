//! Linux: reading past the page cache, one flush barrier, what a path is mounted on, private files, core dumps off.

mod attachment;

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, IsTerminal};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Advice, OFlags, fadvise, syncfs};
use rustix::process::{DumpableBehavior, Resource, Rlimit, geteuid, set_dumpable_behavior, setrlimit};
use zeroize::Zeroizing;

use crate::event::Event;
use crate::files::Unprotected;
use crate::media::{Device, Facts, read_blocks};
use crate::server::iis::Iis;

pub use attachment::attachment;

/// Reads a file of `length` bytes from the device. `O_DIRECT` where the file system knows it; else the clean
/// pages are dropped first (the file was synced when it was written) and read again.
///
/// # Errors
/// What the system says.
pub fn read_past_cache(path: &Path, length: u64) -> io::Result<Vec<u8>> {
    let direct = OpenOptions::new().read(true).custom_flags(OFlags::DIRECT.bits().cast_signed()).open(path);
    match direct.and_then(|file| read_blocks(file, length)) {
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
            let file = File::open(path)?;
            file.sync_all().or_else(|e| if e.kind() == io::ErrorKind::ReadOnlyFilesystem { Ok(()) } else { Err(e) })?;
            fadvise(&file, 0, None, Advice::DontNeed)?;
            read_blocks(file, length)
        }
        other => other,
    }
}

/// One barrier for everything written to the file system of `path`.
///
/// # Errors
/// What the system says.
pub fn flush_volume(path: &Path) -> io::Result<()> {
    Ok(syncfs(File::open(path)?)?)
}

/// Waits until a folder's names are on disk.
///
/// # Errors
/// What the system says.
pub fn flush_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Nothing to do for a single file: [`flush_volume`] takes it along.
///
/// # Errors
/// Never.
pub fn flush_file(_file: &File) -> io::Result<()> {
    Ok(())
}

/// There is no IIS here.
pub fn iis() -> Option<Iis<'static>> {
    None
}

/// There is no event log that monitoring of such servers reads.
///
/// # Errors
/// Never.
pub fn report_event(_event: Event, _text: &str) -> io::Result<()> {
    Ok(())
}

/// No core dumps, and no other process of the same user may look into this one's memory.
pub fn harden_process() {
    // Both are a second line; a system that refuses them is no reason to refuse a backup.
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
}

/// This machine's name.
pub fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// Whether a person can be asked: standard input and standard error are both a terminal.
pub fn is_interactive() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Nothing to do: output is UTF-8 here.
pub struct Utf8Output;

impl Utf8Output {
    /// Never anything to put back.
    pub fn when_redirected() -> Option<Self> {
        None
    }
}

/// Nothing to do: Ctrl-C ends the process, and nothing on a Linux machine needs rolling back.
///
/// # Errors
/// Never.
pub fn watch_interrupts() -> io::Result<()> {
    Ok(())
}

/// Always false, see [`watch_interrupts`].
pub fn interrupted() -> bool {
    false
}

/// Where host state lies: the user's state folder.
pub fn state_folder() -> Option<PathBuf> {
    let folders = directories::ProjectDirs::from("", "", "pfxvault")?;
    Some(folders.state_dir().unwrap_or_else(|| folders.data_local_dir()).to_owned())
}

/// Creates a file that only its owner can open.
///
/// # Errors
/// What the system says; an existing name is `AlreadyExists`.
pub fn create_private(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// Makes a folder, and those above it that are missing, that only its owner can enter. An existing one stays as it is:
/// [`shared`] judges it.
///
/// # Errors
/// What the system says.
pub fn make_private(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// Whether anybody but this user owns a folder or can write in it.
///
/// # Errors
/// What the system says.
pub fn shared(folder: &Path) -> io::Result<bool> {
    let facts = fs::metadata(folder)?;
    Ok(facts.uid() != geteuid().as_raw() || facts.mode() & 0o022 != 0)
}

/// Whether anybody but its owner may open a file.
///
/// # Errors
/// What the system says.
pub fn readable_by_others(file: &File) -> io::Result<bool> {
    let facts = file.metadata()?;
    Ok(facts.is_file() && facts.mode() & 0o077 != 0)
}

/// The form in which a secret lies in a private file: as it is, the file's mode is its protection.
///
/// # Errors
/// Never.
pub fn protect(secret: &[u8]) -> io::Result<Zeroizing<Vec<u8>>> {
    Ok(Zeroizing::new(secret.to_vec()))
}

/// The secret in what [`protect`] made.
///
/// # Errors
/// Never.
pub fn unprotect(stored: &[u8]) -> io::Result<Unprotected> {
    Ok(Unprotected::Secret(Zeroizing::new(stored.to_vec())))
}

/// What is known of the file system and the device under `path`, or under its nearest existing parent.
///
/// # Errors
/// What the system says.
pub fn facts(path: &Path) -> io::Result<Facts> {
    let mounts = fs::read_to_string("/proc/self/mountinfo")?;
    let real = nearest_real(path)?;
    let mount = find_mount(&mounts, &real).ok_or(io::ErrorKind::NotFound)?;
    let system = fs::metadata("/")?.dev() == fs::metadata(&real)?.dev();
    Ok(Facts { file_system: mount.file_system.clone(), device: device(&mount, system), real_path: real })
}

fn nearest_real(path: &Path) -> io::Result<PathBuf> {
    let path = std::path::absolute(path)?;
    path.ancestors().find_map(|p| fs::canonicalize(p).ok()).ok_or_else(|| io::ErrorKind::NotFound.into())
}

struct Mount {
    point: PathBuf,
    device_number: String,
    file_system: String,
}

/// The mount that a path lies on: the longest mount point that is one of its parents; the last one listed wins.
fn find_mount(mounts: &str, path: &Path) -> Option<Mount> {
    let parsed = mounts.lines().filter_map(parse_mount).filter(|mount| path.starts_with(&mount.point));
    parsed.max_by_key(|mount| mount.point.as_os_str().len())
}

/// One line of mountinfo, as proc_pid_mountinfo(5) describes it.
fn parse_mount(line: &str) -> Option<Mount> {
    let (left, right) = line.split_once(" - ")?;
    let mut fields = left.split(' ').skip(2);
    let device_number = fields.next()?.to_owned();
    let point = PathBuf::from(unescape(fields.nth(1)?));
    let file_system = right.split(' ').next()?.to_owned();
    Some(Mount { point, device_number, file_system })
}

/// mountinfo writes space, tab, line feed and backslash as octal.
fn unescape(field: &str) -> String {
    [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")]
        .iter()
        .fold(field.to_owned(), |text, (from, to)| text.replace(from, to))
}

const NETWORK: &[&str] = &[
    "nfs",
    "nfs4",
    "cifs",
    "smb3",
    "smbfs",
    "9p",
    "ceph",
    "afs",
    "ncpfs",
    "glusterfs",
    "virtiofs",
    "vboxsf",
    "prl_fs",
    "drvfs",
    "davfs",
    "lustre",
    "beegfs",
    "ocfs2",
    "gfs2",
];
/// FUSE file systems that store elsewhere; `fuseblk` and the like are local drivers.
const NETWORK_FUSE: &[&str] = &[
    "sshfs",
    "rclone",
    "gvfsd-fuse",
    "davfs2",
    "s3fs",
    "glusterfs",
    "curlftpfs",
    "vmhgfs-fuse",
    "onedriver",
    "gcsfuse",
];

fn device(mount: &Mount, system: bool) -> Device {
    let kind = mount.file_system.as_str();
    let fuse = kind.strip_prefix("fuse.").unwrap_or_default();
    if NETWORK.contains(&kind) || NETWORK_FUSE.contains(&fuse) {
        return Device::Network;
    }
    if matches!(kind, "tmpfs" | "ramfs" | "devtmpfs") {
        return Device::Memory;
    }
    if system || shares_disk_with_root(&mount.device_number) {
        return Device::SystemDisk;
    }
    match removable(&mount.device_number) {
        true => Device::Removable,
        false => Device::FixedDisk,
    }
}

/// The physical disks below a block device: partitions lead to their disk, device mapper and LUKS to their slaves.
fn disks(device_number: &str) -> Vec<PathBuf> {
    let Ok(node) = fs::canonicalize(Path::new("/sys/dev/block").join(device_number)) else { return Vec::new() };
    let slaves: Vec<_> = fs::read_dir(node.join("slaves")).into_iter().flatten().flatten().collect();
    if slaves.is_empty() {
        let disk = if node.join("partition").exists() { node.parent().map(Path::to_path_buf) } else { Some(node) };
        return disk.into_iter().collect();
    }
    slaves
        .iter()
        .filter_map(|slave| fs::read_to_string(slave.path().join("dev")).ok())
        .flat_map(|n| disks(n.trim()))
        .collect()
}

fn shares_disk_with_root(device_number: &str) -> bool {
    let Ok(mounts) = fs::read_to_string("/proc/self/mountinfo") else { return false };
    let root = find_mount(&mounts, Path::new("/")).map(|mount| disks(&mount.device_number)).unwrap_or_default();
    disks(device_number).iter().any(|disk| root.contains(disk))
}

/// USB, SD card or FireWire, or a drive that says its medium can be taken out. (A USB hard disk says it cannot.)
fn removable(device_number: &str) -> bool {
    disks(device_number).iter().any(|disk| {
        let says_so = fs::read_to_string(disk.join("removable")).is_ok_and(|flag| flag.trim() == "1");
        let bus = |part: &str| part.starts_with("usb") || part.starts_with("mmc") || part.starts_with("fw");
        says_so || disk.components().any(|part| part.as_os_str().to_str().is_some_and(bus))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
40 22 0:35 / /srv/share rw - nfs4 host:/export rw
41 22 8:17 / /media/My\\040Stick rw - vfat /dev/sdb1 rw";

    #[test]
    fn the_longest_mount_point_above_a_path_is_its_file_system() {
        let kind = |path| find_mount(MOUNTS, Path::new(path)).map(|mount| mount.file_system);
        assert_eq!(kind("/etc/x").as_deref(), Some("ext4"));
        assert_eq!(kind("/srv/share/a/b").as_deref(), Some("nfs4"));
        assert_eq!(kind("/media/My Stick/PFXVAULT").as_deref(), Some("vfat"));
    }

    #[test]
    fn network_file_systems_are_told_from_local_fuse_drivers() {
        let of = |kind: &str| {
            device(&Mount { point: "/m".into(), device_number: "999:9".into(), file_system: kind.into() }, false)
        };
        assert_eq!(of("cifs"), Device::Network);
        assert_eq!(of("fuse.sshfs"), Device::Network);
        assert_eq!(of("fuseblk"), Device::FixedDisk);
        assert_eq!(of("tmpfs"), Device::Memory);
    }

    #[test]
    fn a_file_is_read_past_the_cache_whole_whatever_its_length() {
        let folder = tempfile::tempdir().unwrap();
        for length in [0_usize, 1, 4095, 4096, 4097, 12_288, 70_001] {
            let path = folder.path().join(format!("f{length}"));
            let bytes: Vec<u8> = (0..length).map(|i| (i % 251) as u8).collect();
            fs::write(&path, &bytes).unwrap();
            assert_eq!(read_past_cache(&path, length as u64).unwrap(), bytes, "length {length}");
        }
    }
}
