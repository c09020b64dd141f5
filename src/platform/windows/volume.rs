//! What a path lies on, reading past the cache, and waiting until the medium has what was written.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::windows::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::ptr;

use windows_sys::Win32::Foundation::{
    ERROR_ACCESS_DENIED, ERROR_INVALID_FUNCTION, ERROR_NOT_SUPPORTED, ERROR_WRITE_PROTECT,
};
use windows_sys::Win32::Storage::FileSystem::{
    BusType1394, BusTypeMmc, BusTypeSd, BusTypeUsb, FILE_ATTRIBUTE_OFFLINE,
    FILE_ATTRIBUTE_RECALL_ON_DATA_ACCESS, FILE_ATTRIBUTE_RECALL_ON_OPEN, FILE_FLAG_NO_BUFFERING,
    GetDiskFreeSpaceExW, GetDriveTypeW, GetLogicalDrives, GetVolumeInformationW,
    GetVolumeNameForVolumeMountPointW, GetVolumePathNameW, IOCTL_VOLUME_GET_VOLUME_DISK_EXTENTS,
};
use windows_sys::Win32::System::Ioctl::{DISK_EXTENT, IOCTL_DISK_IS_WRITABLE, VOLUME_DISK_EXTENTS};
use windows_sys::Win32::System::WindowsProgramming::{
    DRIVE_CDROM, DRIVE_FIXED, DRIVE_RAMDISK, DRIVE_REMOTE, DRIVE_REMOVABLE,
};

use super::device::{answer_of, ask};
use super::wide::{narrow, wide};
use super::{call, folders, policy, reach};
use crate::platform::media::blocks::read_blocks;
use crate::platform::media::facts::{Device, Facts, ReadOnly, shares_above};
use crate::platform::media::synced;

/// Longest path Windows knows, in UTF-16 units.
const LONGEST_PATH: usize = 32_768;
/// `\\?\Volume{GUID}\` and its NUL: 50 units by the documentation.
const VOLUME_NAME: usize = 64;
/// Longest name of a file system, or of a volume: `MAX_PATH + 1`.
const FILE_SYSTEM_NAME: usize = 261;
/// Disks that one volume may span before the rest is not looked at.
const MOST_DISKS: usize = 32;
/// Large enough to read a sector of any disk; what is looked for is in its first 512 bytes.
const BOOT_SECTOR: usize = 4096;

/// What is known of the file system and the device under `path`, or under its nearest existing
/// parent.
///
/// # Errors
/// What Windows says.
pub fn facts(path: &Path) -> io::Result<Facts> {
    let real = nearest_real(path)?;
    let root = volume_path(&real)?;
    let device = device(&real, &root);
    let (file_system, _) = file_system(&root)?;
    let hardware = hardware(&root);
    let encryption = encryption(&root);
    let free = free(&root);
    let read_only = read_only(&root, device, encryption.is_some());
    let real = plain(&real);
    let synced = reach::registered_sync(&real).or_else(|| synced::look(&real, &homes()));
    let shares = shares_above(&real, reach::shares());
    Ok(Facts {
        hardware,
        free,
        read_only,
        encryption,
        synced,
        shares,
        ..Facts::new(real, file_system, device)
    })
}

/// The roots of all disks with a drive letter (`GetLogicalDrives`): a medium that is inserted is
/// among them. Network drives are not: one that cannot be reached answers late.
pub fn volumes() -> Vec<PathBuf> {
    // SAFETY: nothing is passed.
    let drives = unsafe { GetLogicalDrives() };
    let letters = ('A'..='Z')
        .enumerate()
        .filter(|(bit, _)| drives >> bit & 1 == 1);
    let roots = letters.map(|(_, letter)| PathBuf::from(format!(r"{letter}:\")));
    roots
        .filter(|root| matches!(drive_type(root.as_os_str()), DRIVE_REMOVABLE | DRIVE_FIXED))
        .collect()
}

/// The disks below, by the names under which Windows opens them. Nothing for what is on no disk of
/// this machine.
fn hardware(root: &OsStr) -> Vec<String> {
    let disks = open_volume(root)
        .and_then(|volume| disks(&volume))
        .unwrap_or_default();
    disks
        .into_iter()
        .map(|disk| format!("PhysicalDrive{}", disk.DiskNumber))
        .collect()
}

/// Bytes that this account may still write (`GetDiskFreeSpaceExW`).
fn free(root: &OsStr) -> Option<u64> {
    let name = wide(root);
    let mut free = 0;
    // SAFETY: the path ends in NUL; `free` takes a number; the rest is not asked for.
    let told = unsafe {
        GetDiskFreeSpaceExW(
            name.as_ptr(),
            &raw mut free,
            ptr::null_mut(),
            ptr::null_mut(),
        )
    };
    (told != 0).then_some(free)
}

/// A policy is named first: whoever knows the policy need not look for a switch on the stick.
fn read_only(root: &OsStr, device: Device, encrypted: bool) -> Option<ReadOnly> {
    let policy = (device == Device::Removable)
        .then(|| policy::against_writing(encrypted))
        .flatten();
    let refuses = || {
        let asked = open_volume(root).and_then(|volume| {
            ask(
                &volume,
                "IOCTL_DISK_IS_WRITABLE",
                IOCTL_DISK_IS_WRITABLE,
                &(),
                &mut (),
            )
        });
        asked.is_err_and(|error| call::code_of(&error) == Some(ERROR_WRITE_PROTECT.cast_signed()))
    };
    policy
        .map(ReadOnly::Policy)
        .or_else(|| refuses().then_some(ReadOnly::Device))
}

/// BitLocker shows on the disk itself, below what an open volume shows; only an elevated process
/// may look there.
fn encryption(root: &OsStr) -> Option<String> {
    let disk = open_volume(root)
        .and_then(|volume| disks(&volume))
        .ok()?
        .into_iter()
        .next()?;
    let mut start = vec![0_u8; BOOT_SECTOR];
    let device = format!(r"\\.\PhysicalDrive{}", disk.DiskNumber);
    let offset = u64::try_from(disk.StartingOffset).ok()?;
    let read = File::open(device)
        .and_then(|disk| disk.seek_read(&mut start, offset))
        .ok()?;
    (read == BOOT_SECTOR && is_bitlocker(&start)).then(|| "BitLocker".to_owned())
}

/// The boot sector of a volume under BitLocker says so in place of a file system's name; that of
/// BitLocker To Go looks like FAT for older systems, and has the identifier of BitLocker further on
/// (libbde, "BitLocker Drive Encryption format").
fn is_bitlocker(boot_sector: &[u8]) -> bool {
    const IDENTIFIER: [u8; 16] = [
        0x3b, 0xd6, 0x67, 0x49, 0x29, 0x2e, 0xd8, 0x4a, 0x83, 0x99, 0xf6, 0xa3, 0x39, 0xe3, 0xd0,
        0x01,
    ];
    boot_sector.get(3..11) == Some(b"-FVE-FS-")
        || boot_sector.get(424..440) == Some(IDENTIFIER.as_slice())
}

/// The profiles of all users: the folders beside the one that belongs to everybody.
fn homes() -> Vec<PathBuf> {
    let public = std::env::var_os("PUBLIC").map(PathBuf::from);
    let profiles = public
        .as_deref()
        .and_then(Path::parent)
        .and_then(|folder| fs::read_dir(folder).ok());
    profiles
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .collect()
}

/// Junctions, mount points and substituted drives are followed: the standard library opens the path
/// and asks `GetFinalPathNameByHandleW`.
fn nearest_real(path: &Path) -> io::Result<PathBuf> {
    let path = std::path::absolute(path)?;
    path.ancestors()
        .find_map(real)
        .ok_or_else(|| io::ErrorKind::NotFound.into())
}

/// Drives of ImDisk, OSFMount and Dokan are there and have no final path (rust-lang/rust 48249,
/// 79449): they count as they were named.
fn real(path: &Path) -> Option<PathBuf> {
    let real = fs::canonicalize(path).ok();
    real.or_else(|| fs::metadata(path).ok().map(|_| path.to_owned()))
}

/// `\\?\E:\x` as people write it. Paths that only the long form can name stay as they are.
fn plain(path: &Path) -> PathBuf {
    let Some(text) = path.to_str() else {
        return path.to_owned();
    };
    match text.strip_prefix(r"\\?\") {
        Some(rest) if rest.starts_with(r"UNC\") => PathBuf::from(format!(r"\\{}", &rest[4..])),
        Some(rest) if rest.as_bytes().get(1) == Some(&b':') => PathBuf::from(rest),
        _ => path.to_owned(),
    }
}

/// What kind of device `real` is on, a path without links in the volume at `root`.
pub(super) fn device(real: &Path, root: &OsStr) -> Device {
    let text = real.as_os_str().to_string_lossy();
    let is_share =
        text.starts_with(r"\\") && !text.starts_with(r"\\?\") && !text.starts_with(r"\\.\");
    if is_share || text.starts_with(r"\\?\UNC\") {
        return Device::Network;
    }
    // DRIVE_REMOTE is what the driver said with FILE_REMOTE_DEVICE. A drive that calls itself
    // removable is never the one Windows runs from: Windows To Go wants fixed ones.
    match drive_type(root) {
        DRIVE_REMOTE => Device::Network,
        DRIVE_REMOVABLE | DRIVE_CDROM => Device::Removable,
        DRIVE_RAMDISK => Device::Memory,
        _ => disk(root),
    }
}

/// A drive that calls itself fixed, as USB disks do.
fn disk(root: &OsStr) -> Device {
    let windows = folders::windows()
        .and_then(|folder| volume_path(&folder))
        .unwrap_or_default();
    let volume = open_volume(root);
    if root.eq_ignore_ascii_case(&windows)
        || volume
            .as_ref()
            .is_ok_and(|volume| share_disk(volume, &windows))
    {
        return Device::SystemDisk;
    }
    match volume.is_ok_and(|volume| removable(&volume)) {
        true => Device::Removable,
        false => Device::FixedDisk,
    }
}

/// Whether two volumes lie on one disk.
pub(super) fn share_disk(volume: &File, other: &OsStr) -> bool {
    let others = open_volume(other)
        .and_then(|other| disks(&other))
        .unwrap_or_default();
    let is_other = |disk: &DISK_EXTENT| {
        others
            .iter()
            .any(|other| other.DiskNumber == disk.DiskNumber)
    };
    disks(volume).unwrap_or_default().iter().any(is_other)
}

/// USB, SD card or FireWire, or a drive that says its medium can be taken out. Not what can be
/// unplugged while it runs (`IOCTL_STORAGE_GET_HOTPLUG_INFO`): bays of servers and virtual disks
/// say so, too.
fn removable(volume: &File) -> bool {
    let Ok(answer) = answer_of(volume) else {
        return false;
    };
    answer.has_removable_medium()
        || [BusTypeUsb, BusTypeSd, BusTypeMmc, BusType1394].contains(&answer.bus())
}

/// The mount point that a path lies below, with a backslash at its end (`GetVolumePathNameW`); not
/// in the long form, which some of the functions that take it do not know.
pub(super) fn volume_path(path: &Path) -> io::Result<OsString> {
    let name = wide(path);
    let mut buffer = vec![0_u16; LONGEST_PATH];
    // SAFETY: the path ends in NUL; the buffer holds as many units as it is said to.
    let told =
        unsafe { GetVolumePathNameW(name.as_ptr(), buffer.as_mut_ptr(), LONGEST_PATH as u32) };
    call::succeeded(told, "GetVolumePathNameW", path.display())?;
    Ok(plain(Path::new(&narrow(&buffer))).into_os_string())
}

/// `GetDriveTypeW`: knows no error but "unknown".
fn drive_type(root: &OsStr) -> u32 {
    let root = wide(root);
    // SAFETY: the path ends in NUL.
    unsafe { GetDriveTypeW(root.as_ptr()) }
}

/// The file system's name, such as `NTFS` or `exFAT`, and the serial number that it got when it was
/// made (`GetVolumeInformationW`).
pub(super) fn file_system(root: &OsStr) -> io::Result<(String, u32)> {
    let name = wide(root);
    let mut buffer = [0_u16; FILE_SYSTEM_NAME];
    let mut serial = 0;
    // SAFETY: the path ends in NUL; the buffer holds as many units as it is said to; `serial` takes
    // a number; the rest is not asked for.
    let told = unsafe {
        GetVolumeInformationW(
            name.as_ptr(),
            ptr::null_mut(),
            0,
            &raw mut serial,
            ptr::null_mut(),
            ptr::null_mut(),
            buffer.as_mut_ptr(),
            FILE_SYSTEM_NAME as u32,
        )
    };
    call::succeeded(told, "GetVolumeInformationW", root.display())?;
    Ok((narrow(&buffer).to_string_lossy().into_owned(), serial))
}

/// The volume mounted there, opened for questions only: that needs no rights.
pub(super) fn open_volume(root: &OsStr) -> io::Result<File> {
    OpenOptions::new().access_mode(0).open(volume_device(root)?)
}

/// `\\?\Volume{GUID}` of a mount point (`GetVolumeNameForVolumeMountPointW`), without the backslash
/// that would name the folder at its root.
pub(super) fn volume_device(root: &OsStr) -> io::Result<OsString> {
    let name = wide(root);
    let mut buffer = [0_u16; VOLUME_NAME];
    // SAFETY: the path ends in NUL; the buffer holds as many units as it is said to.
    let told = unsafe {
        GetVolumeNameForVolumeMountPointW(name.as_ptr(), buffer.as_mut_ptr(), VOLUME_NAME as u32)
    };
    call::succeeded(told, "GetVolumeNameForVolumeMountPointW", root.display())?;
    let device = narrow(&buffer).to_string_lossy().into_owned();
    Ok(OsString::from(device.trim_end_matches('\\')))
}

/// Room for the disks of a volume, laid out as `VOLUME_DISK_EXTENTS`.
#[repr(C)]
struct Extents {
    first: VOLUME_DISK_EXTENTS,
    more: [DISK_EXTENT; MOST_DISKS - 1],
}

/// Where on which disks a volume lies (`IOCTL_VOLUME_GET_VOLUME_DISK_EXTENTS`).
fn disks(volume: &File) -> io::Result<Vec<DISK_EXTENT>> {
    let mut extents = Extents {
        first: VOLUME_DISK_EXTENTS::default(),
        more: [DISK_EXTENT::default(); MOST_DISKS - 1],
    };
    ask(
        volume,
        "IOCTL_VOLUME_GET_VOLUME_DISK_EXTENTS",
        IOCTL_VOLUME_GET_VOLUME_DISK_EXTENTS,
        &(),
        &mut extents,
    )?;
    let count = extents.first.NumberOfDiskExtents as usize;
    let all = extents.first.Extents.iter().chain(&extents.more);
    Ok(all.take(count).copied().collect())
}

/// Reads a file of `length` bytes from the device (`FILE_FLAG_NO_BUFFERING`, "File Buffering").
/// Where the file system will not, the file was flushed when it was written, and is read as it
/// comes.
///
/// # Errors
/// What Windows says.
pub fn read_past_cache(path: &Path, length: u64) -> io::Result<Vec<u8>> {
    let direct = OpenOptions::new()
        .read(true)
        .custom_flags(FILE_FLAG_NO_BUFFERING)
        .open(path);
    match direct.and_then(|file| read_blocks(file, length)) {
        Err(error) if refused_unbuffered(&error) => read_blocks(File::open(path)?, length),
        other => other,
    }
}

/// Sectors larger than a block, or a redirector that knows no unbuffered reading.
fn refused_unbuffered(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported
    )
}

/// Opens a plain file to look into it. `None` for anything else: no link is followed, and nothing
/// is fetched from a service on the internet, where only the name of a file is here ("File
/// Attribute Constants").
///
/// # Errors
/// What Windows says.
pub fn open_plain(path: &Path) -> io::Result<Option<File>> {
    let elsewhere = FILE_ATTRIBUTE_OFFLINE
        | FILE_ATTRIBUTE_RECALL_ON_OPEN
        | FILE_ATTRIBUTE_RECALL_ON_DATA_ACCESS;
    let facts = fs::symlink_metadata(path)?;
    if !facts.is_file() || facts.file_attributes() & elsewhere != 0 {
        return Ok(None);
    }
    // Not as a reparse point: files that Windows Server has deduplicated are such, too.
    File::open(path).map(Some)
}

/// A file, whatever it is called.
pub type FileId = (u64, u64);

/// Not asked: each name is looked at by itself.
///
/// # Errors
/// Never.
pub fn shared_id(_file: &File) -> io::Result<Option<FileId>> {
    Ok(None)
}

/// None: Windows shows itself in no folder.
pub fn kernels_own() -> Vec<PathBuf> {
    Vec::new()
}

/// Waits until one file, with its length and name, is on the medium (`FlushFileBuffers`).
///
/// # Errors
/// What Windows says.
pub fn flush_file(file: &File) -> io::Result<()> {
    file.sync_all()
}

/// Nothing to do: Windows knows no flush of a folder, and that of a file takes its name along.
///
/// # Errors
/// Never.
pub fn flush_folder(_path: &Path) -> io::Result<()> {
    Ok(())
}

/// Waits until everything written to the volume of `path` is on the medium (`FlushFileBuffers` of
/// the volume). Only an elevated process may, and only on a local volume; else it counts that each
/// file was flushed by itself.
///
/// # Errors
/// What Windows says, but for "not you" and "not here".
pub fn flush_volume(path: &Path) -> io::Result<()> {
    let root = volume_path(&nearest_real(path)?)?;
    let Ok(device) = volume_device(&root) else {
        return Ok(());
    };
    match OpenOptions::new()
        .write(true)
        .open(device)
        .and_then(|volume| volume.sync_all())
    {
        Err(error) if refused_to_flush(&error) => Ok(()),
        other => other,
    }
}

fn refused_to_flush(error: &io::Error) -> bool {
    let refusals = [
        ERROR_ACCESS_DENIED,
        ERROR_INVALID_FUNCTION,
        ERROR_NOT_SUPPORTED,
        ERROR_WRITE_PROTECT,
    ];
    refusals
        .iter()
        .any(|code| error.raw_os_error() == Some(code.cast_signed()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_shown_as_people_write_them() {
        let shown = |path| {
            plain(Path::new(path))
                .into_os_string()
                .into_string()
                .unwrap()
        };
        assert_eq!(shown(r"\\?\E:\PFXVAULT"), r"E:\PFXVAULT");
        assert_eq!(shown(r"\\?\UNC\server\share\x"), r"\\server\share\x");
        assert_eq!(shown(r"\\?\Volume{0}\x"), r"\\?\Volume{0}\x");
        assert_eq!(shown(r"C:\x"), r"C:\x");
    }

    #[test]
    fn the_system_drive_is_among_the_volumes() {
        assert!(volumes().contains(&PathBuf::from(r"C:\")));
    }

    #[test]
    fn bitlocker_is_told_by_its_boot_sector_on_a_disk_and_on_a_stick() {
        let mut sector = [0_u8; BOOT_SECTOR];
        assert!(!is_bitlocker(&sector) && !is_bitlocker(&[]));
        sector[3..11].copy_from_slice(b"-FVE-FS-");
        assert!(is_bitlocker(&sector));
        sector[3..11].copy_from_slice(b"MSWIN4.1");
        assert!(!is_bitlocker(&sector));
        let identifier = 0x4967_D63B_2E29_4AD8_8399_F6A3_39E3_D001_u128;
        let guid = windows_sys::core::GUID::from_u128(identifier);
        let head = [
            &guid.data1.to_le_bytes()[..],
            &guid.data2.to_le_bytes(),
            &guid.data3.to_le_bytes(),
        ]
        .concat();
        sector[424..432].copy_from_slice(&head);
        sector[432..440].copy_from_slice(&guid.data4);
        assert!(is_bitlocker(&sector));
    }

    #[test]
    fn the_answer_to_disk_extents_has_the_layout_of_windows() {
        assert_eq!(size_of::<VOLUME_DISK_EXTENTS>(), 32);
        assert_eq!(
            size_of::<Extents>(),
            8 + MOST_DISKS * size_of::<DISK_EXTENT>()
        );
    }
}
