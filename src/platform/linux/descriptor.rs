//! What the device under a path says of itself (`/sys`, and the links that udev makes of file
//! systems' ids).

use std::fs;
use std::path::{Path, PathBuf};

use super::disks::Devices;
use super::mounts::{self, Mount};
use vault::descriptor::Descriptor;

/// Longest text that a device says of itself.
const LONGEST: usize = 128;

/// What the removable device under `path` says of itself; nothing of what cannot be taken away, or
/// is several disks.
pub fn descriptor(path: &Path) -> Descriptor {
    let real = fs::canonicalize(path).ok();
    real.and_then(|real| descriptor_below(Path::new("/"), &real))
        .unwrap_or_default()
}

/// The same on the machine whose `/` is `root`.
pub(super) fn descriptor_below(root: &Path, real: &Path) -> Option<Descriptor> {
    let mounts = fs::read_to_string(root.join("proc/self/mountinfo")).ok()?;
    let mount = mounts::find(&mounts, real)?;
    let below = Devices {
        root,
        mounts: &mounts,
    }
    .below(&mount);
    let disk = below.only_disk().filter(|_| below.is_removable())?;
    Some(describe(root, &mount, &root.join(disk)))
}

/// SCSI's INQUIRY names USB sticks, the card's own registers name SD cards; the serial number is
/// that of the USB device descriptor, the card or the disk.
fn describe(root: &Path, mount: &Mount, disk: &Path) -> Descriptor {
    let scsi = [
        read(&disk.join("device/vendor")),
        read(&disk.join("device/model")),
    ];
    let scsi = scsi.into_iter().flatten().collect::<Vec<_>>().join(" ");
    let usb = disk
        .ancestors()
        .find(|node| node.join("idVendor").exists())
        .and_then(|node| read(&node.join("serial")));
    let own = || read(&disk.join("device/serial")).or_else(|| read(&disk.join("device/wwid")));
    let sectors: Option<u64> = read(&disk.join("size")).and_then(|count| count.parse().ok());
    Descriptor {
        model: Some(scsi)
            .filter(|model| !model.is_empty())
            .or_else(|| read(&disk.join("device/name"))),
        serial: usb.or_else(own),
        size: sectors.and_then(|count| count.checked_mul(512)),
        volume: volume_id(root, mount),
    }
}

fn volume_id(root: &Path, mount: &Mount) -> Option<String> {
    let node = fs::canonicalize(root.join("sys/dev/block").join(&mount.number)).ok()?;
    let is_of_it = |link: &PathBuf| {
        fs::read_link(link).is_ok_and(|device| device.file_name() == node.file_name())
    };
    let mut links = fs::read_dir(root.join("dev/disk/by-uuid"))
        .ok()?
        .flatten()
        .map(|entry| entry.path());
    let id = links.find(is_of_it)?;
    plain(&id.file_name()?.to_string_lossy())
}

fn read(file: &Path) -> Option<String> {
    plain(&fs::read_to_string(file).ok()?)
}

/// A device may say anything.
fn plain(text: &str) -> Option<String> {
    let text: String = text
        .trim()
        .chars()
        .filter(|c| !c.is_control())
        .take(LONGEST)
        .collect();
    (!text.is_empty()).then_some(text)
}
