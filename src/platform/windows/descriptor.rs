//! What a removable device says of itself, and the id of the file system on it.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use windows_sys::Win32::System::Ioctl::{DISK_GEOMETRY_EX, IOCTL_DISK_GET_DRIVE_GEOMETRY_EX};

use super::device::{answer_of, ask};
use super::volume::{device, file_system, open_volume, volume_path};
use crate::platform::media::facts::Device;
use vault::descriptor::Descriptor;

/// What the removable device under `path` says of itself; nothing of what cannot be taken away.
pub fn descriptor(path: &Path) -> Descriptor {
    describe(path).unwrap_or_default()
}

fn describe(path: &Path) -> io::Result<Descriptor> {
    let real = fs::canonicalize(path)?;
    let root = volume_path(&real)?;
    if device(&real, &root) != Device::Removable {
        return Ok(Descriptor::default());
    }
    let volume = open_volume(&root)?;
    let (model, serial) = answer_of(&volume)
        .map(|answer| (answer.model(), answer.serial()))
        .unwrap_or_default();
    let (_, id) = file_system(&root)?;
    Ok(Descriptor {
        model,
        serial,
        size: size(&volume),
        volume: Some(format!("{:04X}-{:04X}", id >> 16, id & 0xffff)),
    })
}

fn size(volume: &File) -> Option<u64> {
    let mut geometry = DISK_GEOMETRY_EX::default();
    let name = "IOCTL_DISK_GET_DRIVE_GEOMETRY_EX";
    ask(
        volume,
        name,
        IOCTL_DISK_GET_DRIVE_GEOMETRY_EX,
        &(),
        &mut geometry,
    )
    .ok()?;
    u64::try_from(geometry.DiskSize)
        .ok()
        .filter(|size| *size > 0)
}
