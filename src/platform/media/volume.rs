//! A medium that is a folder of this machine's file systems.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use crate::platform::patience::patiently;
use crate::platform::system;
use vault::volume::{Entry, EntryKind, MAX_ENTRIES, Reading, Volume};

/// A medium that is a folder of this machine's file systems.
pub struct FolderVolume {
    root: PathBuf,
}

impl FolderVolume {
    /// The volume below `root`, which need not exist yet.
    pub fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
        }
    }

    fn path(&self, relative: &str) -> PathBuf {
        relative
            .split('/')
            .fold(self.root.clone(), |path, part| path.join(part))
    }

    fn plain_file(&self, path: &str) -> io::Result<(PathBuf, u64)> {
        let path = self.path(path);
        let facts = fs::symlink_metadata(&path)?;
        if !facts.is_file() {
            return Err(io::Error::from(io::ErrorKind::InvalidInput));
        }
        Ok((path, facts.len()))
    }
}

impl Volume for FolderVolume {
    fn list(&self, folder: &str) -> io::Result<Vec<Entry>> {
        let path = self.path(folder);
        if !fs::symlink_metadata(&path)?.is_dir() {
            return Err(io::Error::from(io::ErrorKind::NotADirectory));
        }
        let mut entries = Vec::new();
        for entry in fs::read_dir(path)? {
            if entries.len() == MAX_ENTRIES {
                return Err(io::Error::from(io::ErrorKind::FileTooLarge));
            }
            let entry = entry?;
            let file_type = entry.file_type()?;
            let kind = match () {
                () if file_type.is_file() => EntryKind::File,
                () if file_type.is_dir() => EntryKind::Folder,
                () => EntryKind::Other,
            };
            // A name that is not Unicode cannot be one of ours; it is shown as far as it can be.
            let name = entry.file_name().to_string_lossy().into_owned();
            entries.push(Entry { name, kind });
        }
        Ok(entries)
    }

    fn read(&self, path: &str, cap: u64, reading: Reading) -> io::Result<Vec<u8>> {
        let (path, length) = self.plain_file(path)?;
        if length > cap {
            return Err(io::Error::from(io::ErrorKind::FileTooLarge));
        }
        if reading == Reading::PastCache {
            return system::read_past_cache(&path, length);
        }
        let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or(0) + 1);
        // The size may change between the look and the read.
        File::open(path)?.take(cap + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > cap {
            return Err(io::Error::from(io::ErrorKind::FileTooLarge));
        }
        Ok(bytes)
    }

    fn make_folder(&self, path: &str) -> io::Result<()> {
        fs::create_dir(self.path(path))
    }

    fn create(&self, path: &str, bytes: &[u8]) -> io::Result<()> {
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(self.path(path))?;
        file.write_all(bytes)?;
        system::flush_file(&file)
    }

    fn rewrite(&self, path: &str, bytes: &[u8]) -> io::Result<()> {
        let path = self.path(path);
        let beside = path.with_extension("NEW");
        // What an earlier run left there; where it cannot be removed, creating it says why.
        let _ = fs::remove_file(&beside);
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&beside)?;
        // The name must not come to stand for bytes that are not on the medium yet.
        let written = file.write_all(bytes).and_then(|()| file.sync_all());
        drop(file);
        let replaced = written.and_then(|()| patiently(|| fs::rename(&beside, &path)));
        if replaced.is_err() {
            let _ = fs::remove_file(&beside);
        }
        replaced
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        let path = self.path(path);
        match fs::symlink_metadata(&path)?.is_dir() {
            true => fs::remove_dir(path),
            false => fs::remove_file(path),
        }
    }

    fn flush(&self) -> io::Result<()> {
        system::flush_volume(&self.root)
    }

    fn folder(&self) -> Option<&Path> {
        Some(&self.root)
    }
}
