//! Files with several names (hard links): each is looked at once, and what is found in it lies at
//! all of its names.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::look::One;
use crate::platform::system::FileId;

/// What is known of a file that has several names.
enum LinkedFile {
    /// Somebody is looking; these are its other names so far.
    Open(Vec<PathBuf>),
    /// Nothing lies in it.
    Empty,
    /// These keys do.
    Keys(Vec<One>),
}

/// What is to be done with a name of a file.
pub(super) enum Name {
    /// Look into it.
    First,
    /// Nothing: somebody does, or did.
    Known,
    /// Note these keys at this name, too.
    AlsoHere(Vec<One>),
}

/// The files with several names that were seen.
#[derive(Default)]
pub(super) struct LinkedFiles(HashMap<FileId, LinkedFile>);

impl LinkedFiles {
    /// Takes note of one more name.
    pub(super) fn meet(&mut self, id: FileId, path: &Path) -> Name {
        match self.0.get_mut(&id) {
            None => {
                self.0.insert(id, LinkedFile::Open(Vec::new()));
                Name::First
            }
            Some(LinkedFile::Open(names)) => {
                names.push(path.to_owned());
                Name::Known
            }
            Some(LinkedFile::Empty) => Name::Known,
            Some(LinkedFile::Keys(keys)) => Name::AlsoHere(keys.clone()),
        }
    }

    /// Keeps what was found in a file; its other names so far come back.
    pub(super) fn close(&mut self, id: FileId, keys: &[One]) -> Vec<PathBuf> {
        let known = match keys {
            [] => LinkedFile::Empty,
            keys => LinkedFile::Keys(keys.to_vec()),
        };
        match self.0.insert(id, known) {
            Some(LinkedFile::Open(names)) => names,
            _ => Vec::new(),
        }
    }
}
