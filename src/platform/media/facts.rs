//! What a place is: which file system, on what kind of device, who else can reach it. Plain values.

use std::path::{Path, PathBuf};

/// Facts about the place a path leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// The path with every link followed; of the nearest existing parent where it does not exist
    /// yet.
    pub real_path: PathBuf,
    /// The file system's name as the system has it, such as `vfat`.
    pub file_system: String,
    /// What it is on.
    pub device: Device,
    /// The system's names of the disks below it; for a file system without one, the name of that
    /// file system. Two places that have one in common are lost together. Empty where the system
    /// does not say.
    pub hardware: Vec<String>,
    /// Bytes that can still be written; `None` where the system does not say.
    pub free: Option<u64>,
    /// Why nothing can be written here.
    pub read_only: Option<ReadOnly>,
    /// What encrypts everything below the file system, as far as it can be seen: `LUKS2`,
    /// `BitLocker`.
    pub encryption: Option<String>,
    /// What looks like a program that copies this folder to a service on the internet.
    pub synced: Option<Synced>,
    /// The shares through which other machines reach this folder.
    pub shares: Vec<Share>,
}

impl Facts {
    /// The three facts that every system knows of every place.
    pub fn new(real_path: PathBuf, file_system: impl Into<String>, device: Device) -> Self {
        Self {
            real_path,
            file_system: file_system.into(),
            device,
            hardware: Vec::new(),
            free: None,
            read_only: None,
            encryption: None,
            synced: None,
            shares: Vec::new(),
        }
    }

    /// Whether one fault takes both places away.
    pub fn shares_hardware_with(&self, other: &Self) -> bool {
        self.hardware
            .iter()
            .any(|disk| other.hardware.contains(disk))
    }
}

/// How many of these places can be lost independently of each other: what lies on one device counts
/// once.
pub fn independent(places: &[Facts]) -> usize {
    let is_first = |(at, place): &(usize, &Facts)| {
        !places[..*at]
            .iter()
            .any(|other| place.shares_hardware_with(other))
    };
    places.iter().enumerate().filter(is_first).count()
}

/// Why a place cannot be written to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReadOnly {
    /// The device refuses: a switch on it, or a disc.
    Device,
    /// It is used for reading only here, which an administrator can change.
    Mounted,
    /// A policy of the organisation forbids it, by the name under which an administrator finds it.
    Policy(String),
}

/// A folder that a program seems to copy elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Synced {
    /// The program: `Dropbox`, `OneDrive`.
    pub by: String,
    /// Where its folder begins.
    pub root: PathBuf,
}

/// A folder that other machines can open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Share {
    /// Its name on the network.
    pub name: String,
    /// The folder that is shared.
    pub folder: PathBuf,
}

/// The shares whose folder holds `real`.
pub fn shares_above(real: &Path, shares: Vec<Share>) -> Vec<Share> {
    shares
        .into_iter()
        .filter(|share| is_within(real, &share.folder))
        .collect()
}

/// The first of `folders`, such as those a web server hands out to anybody, that holds `real`.
pub fn within<'a>(real: &Path, folders: &'a [PathBuf]) -> Option<&'a Path> {
    folders
        .iter()
        .map(PathBuf::as_path)
        .find(|folder| is_within(real, folder))
}

/// Whether a path lies in a folder. Windows compares names without case.
pub(super) fn is_within(path: &Path, folder: &Path) -> bool {
    if folder.as_os_str().is_empty() {
        return false;
    }
    if !cfg!(windows) {
        return path.starts_with(folder);
    }
    let lower = |path: &Path| PathBuf::from(path.to_string_lossy().to_lowercase());
    lower(path).starts_with(lower(folder))
}

/// What kind of device a file system is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Device {
    /// A USB stick, an SD card, a disk that can be taken away.
    Removable,
    /// Another machine.
    Network,
    /// The disk the system runs from.
    SystemDisk,
    /// Another built-in disk.
    FixedDisk,
    /// Main memory: gone with the next restart.
    Memory,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on(disks: &[&str]) -> Facts {
        let hardware = disks.iter().map(|disk| (*disk).to_owned()).collect();
        Facts {
            hardware,
            ..Facts::new("/m".into(), "vfat", Device::Removable)
        }
    }

    #[test]
    fn media_on_one_device_count_once_and_unknown_ones_each() {
        assert_eq!(independent(&[on(&["sdb"]), on(&["sdc"]), on(&["sdb"])]), 2);
        assert_eq!(independent(&[on(&["sda", "sdb"]), on(&["sdb"])]), 1);
        assert_eq!(independent(&[on(&[]), on(&[])]), 2);
        assert_eq!(independent(&[]), 0);
    }

    #[test]
    fn a_folder_holds_itself_and_what_is_below_it_and_nothing_that_only_begins_alike() {
        let folders = [PathBuf::from("/srv/www"), PathBuf::new()];
        let served = |path: &str| within(Path::new(path), &folders).is_some();
        assert!(served("/srv/www") && served("/srv/www/a/b.pfx"));
        assert!(!served("/srv/www2/b.pfx") && !served("/srv") && !served("/"));
    }
}
