//! A medium that is a folder. The program's own waits for the device; here nothing has to last.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use vault::volume::{Entry, EntryKind, Reading, Volume};

pub(crate) struct Folder(pub PathBuf);

impl Volume for Folder {
    fn list(&self, folder: &str) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(self.0.join(folder))? {
            let entry = entry?;
            let kind = match entry.file_type()? {
                kind if kind.is_file() => EntryKind::File,
                kind if kind.is_dir() => EntryKind::Folder,
                _ => EntryKind::Other,
            };
            let name = entry.file_name().into_string().unwrap();
            entries.push(Entry { name, kind });
        }
        Ok(entries)
    }

    fn read(&self, path: &str, cap: u64, _: Reading) -> io::Result<Vec<u8>> {
        let path = self.0.join(path);
        let facts = fs::symlink_metadata(&path)?;
        if !facts.is_file() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        if facts.len() > cap {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        fs::read(path)
    }

    fn make_folder(&self, path: &str) -> io::Result<()> {
        fs::create_dir(self.0.join(path))
    }

    fn create(&self, path: &str, bytes: &[u8]) -> io::Result<()> {
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(self.0.join(path));
        file?.write_all(bytes)
    }

    fn rewrite(&self, path: &str, bytes: &[u8]) -> io::Result<()> {
        fs::write(self.0.join(path), bytes)
    }

    fn flush(&self) -> io::Result<()> {
        Ok(())
    }

    fn folder(&self) -> Option<&Path> {
        Some(&self.0)
    }
}
