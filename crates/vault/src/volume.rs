//! The file system of a medium, reduced to what a vault needs: create new, write, flush, read,
//! list, replace whole.
//!
//! Never changes a file in place, and deletes nothing but what was begun and never held anything. Paths are relative to the medium and built from the
//! vault's own grammar or from names that `list` returned; links are never followed.

use std::io;
use std::path::Path;

/// Entries a folder may hold before it is refused (a hostile or broken medium).
pub const MAX_ENTRIES: usize = 500_000;

/// One name in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// As stored; compare it without case.
    pub name: String,
    /// What it is; links and devices count as `Other`.
    pub kind: EntryKind,
}

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    /// A plain file.
    File,
    /// A folder.
    Folder,
    /// Anything else: never opened.
    Other,
}

/// Whether a read may be answered from memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// The system's cache may answer.
    Cached,
    /// The medium itself must answer, as far as the system can be made to ask it.
    PastCache,
}

/// A medium's file system. Every path uses `/`.
pub trait Volume: Send + Sync {
    /// The entries of a folder, in no particular order; a missing folder is `NotFound`.
    ///
    /// # Errors
    /// What the system says, or `FileTooLarge` beyond [`MAX_ENTRIES`].
    fn list(&self, folder: &str) -> io::Result<Vec<Entry>>;

    /// The whole of a file of at most `cap` bytes.
    ///
    /// # Errors
    /// What the system says, or `FileTooLarge`.
    fn read(&self, path: &str, cap: u64, reading: Reading) -> io::Result<Vec<u8>>;

    /// Makes one folder; its parent exists, the name does not.
    ///
    /// # Errors
    /// What the system says.
    fn make_folder(&self, path: &str) -> io::Result<()>;

    /// Creates a file that does not exist and writes all of it, without waiting for the medium.
    ///
    /// # Errors
    /// What the system says; an existing name is `AlreadyExists` and stays as it was.
    fn create(&self, path: &str, bytes: &[u8]) -> io::Result<()>;

    /// Puts a file in the place of another, or of none: written whole beside it, then renamed. A
    /// link that stands there is replaced, never followed.
    ///
    /// # Errors
    /// What the system says; then what stood there stays.
    fn rewrite(&self, path: &str, bytes: &[u8]) -> io::Result<()>;

    /// Removes a file, or a folder that holds nothing. Only what was begun and never held anything is
    /// ever removed.
    ///
    /// # Errors
    /// What the system says; a medium that is only read has nothing to remove.
    fn remove(&self, path: &str) -> io::Result<()> {
        let _ = path;
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Waits until everything created so far, names included, is on the medium.
    ///
    /// # Errors
    /// What the system says.
    fn flush(&self) -> io::Result<()>;

    /// The folder of this machine's file systems that it is, where it is one.
    fn folder(&self) -> Option<&Path> {
        None
    }
}
