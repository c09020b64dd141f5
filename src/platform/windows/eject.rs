//! Taking a medium out of use, so that it can be pulled out ("How to eject removable media in
//! Windows", KB 165721).

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use windows_sys::Win32::System::Ioctl::{
    FSCTL_DISMOUNT_VOLUME, FSCTL_LOCK_VOLUME, IOCTL_STORAGE_EJECT_MEDIA,
    IOCTL_STORAGE_MEDIA_REMOVAL, PREVENT_MEDIA_REMOVAL,
};

use super::device::ask;
use super::volume::{open_volume, share_disk, volume_device, volume_path};
use crate::platform::media::NotEjected;

/// Search indexers and virus scanners let go of new files after a moment.
const TRIES: u32 = 20;
const PAUSE: Duration = Duration::from_millis(250);

/// Whether this account may: whoever works at a server with sticks, as far as can be told without
/// trying.
pub fn may_eject() -> bool {
    true
}

/// Flushes and locks the volume of `path`, takes it off, and ejects its medium.
///
/// # Errors
/// Why the medium stays in; what was written is on it all the same, as it was flushed before.
pub fn eject(path: &Path) -> Result<(), NotEjected> {
    let root = volume_path(&fs::canonicalize(path)?)?;
    if let Some(other) = beside(&root)? {
        return Err(NotEjected::Beside(other));
    }
    let volume = OpenOptions::new()
        .read(true)
        .write(true)
        .open(volume_device(&root)?)?;
    volume.sync_all()?;
    lock(&volume)?;
    ask(
        &volume,
        "FSCTL_DISMOUNT_VOLUME",
        FSCTL_DISMOUNT_VOLUME,
        &(),
        &mut (),
    )?;
    let allowed = PREVENT_MEDIA_REMOVAL {
        PreventMediaRemoval: false,
    };
    // Devices without a lock for their medium refuse this; what counts is whether they eject it.
    let _ = ask(
        &volume,
        "IOCTL_STORAGE_MEDIA_REMOVAL",
        IOCTL_STORAGE_MEDIA_REMOVAL,
        &allowed,
        &mut (),
    );
    Ok(ask(
        &volume,
        "IOCTL_STORAGE_EJECT_MEDIA",
        IOCTL_STORAGE_EJECT_MEDIA,
        &(),
        &mut (),
    )?)
}

/// Windows locks a volume only when nobody else has anything open on it.
fn lock(volume: &File) -> Result<(), NotEjected> {
    let mut refused = lock_once(volume);
    for _ in 1..TRIES {
        if !refused
            .as_ref()
            .is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied)
        {
            break;
        }
        sleep(PAUSE);
        refused = lock_once(volume);
    }
    refused.map_err(|error| match error.kind() {
        io::ErrorKind::PermissionDenied => NotEjected::InUse(Vec::new()),
        _ => NotEjected::Refused(error),
    })
}

fn lock_once(volume: &File) -> io::Result<()> {
    ask(volume, "FSCTL_LOCK_VOLUME", FSCTL_LOCK_VOLUME, &(), &mut ())
}

/// Another drive on the same device.
fn beside(root: &OsStr) -> io::Result<Option<PathBuf>> {
    let volume = open_volume(root)?;
    let mut drives = ('A'..='Z').map(|letter| OsString::from(format!("{letter}:\\")));
    let other =
        drives.find(|drive| !drive.eq_ignore_ascii_case(root) && share_disk(&volume, drive));
    Ok(other.map(PathBuf::from))
}
