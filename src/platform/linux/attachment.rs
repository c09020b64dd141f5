//! Whether a device was away since it was last seen.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::{major, minor};

/// Names one attachment of the device below `path`: another after it was taken out and put back,
/// and after every start of the system (sysfs-block(5), `diskseq`). `None` where there is no such
/// device.
pub fn attachment(path: &Path) -> Option<String> {
    let number = fs::metadata(path).ok()?.dev();
    let node = fs::canonicalize(format!(
        "/sys/dev/block/{}:{}",
        major(number),
        minor(number)
    ))
    .ok()?;
    let disk = if node.join("partition").exists() {
        node.parent()?
    } else {
        &node
    };
    let sequence = fs::read_to_string(disk.join("diskseq")).ok()?;
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(format!("{} {}", boot.trim(), sequence.trim()))
}
