//! What lies under a path: which file system, on what kind of device, and how to be sure it was written.

mod blocks;
mod typed;
mod volume;

use std::path::PathBuf;

pub(crate) use blocks::read_blocks;
pub use typed::typed;
pub use volume::{Entry, EntryKind, FolderVolume, MAX_ENTRIES, Reading, Volume};

pub use crate::system::{attachment, facts, host_name};
pub(crate) use crate::system::{flush_file, flush_folder, flush_volume, read_past_cache};

/// Facts about the place a path leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// The path with every link followed; of the nearest existing parent where it does not exist yet.
    pub real_path: PathBuf,
    /// The file system's name as the system has it, such as `vfat`.
    pub file_system: String,
    /// What it is on.
    pub device: Device,
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
