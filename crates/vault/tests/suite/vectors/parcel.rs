//! ZIP files byte by byte, so that each can have one fault that no library writes.

use flate2::Crc;

/// A ZIP file in its parts. [`Zip::bytes`] puts them together and fills in where each begins.
pub(super) struct Zip {
    /// Local headers (APPNOTE.TXT 4.3.7), each with the bytes of its entry.
    pub locals: Vec<Vec<u8>>,
    /// Headers of the directory (4.3.12).
    pub directory: Vec<Vec<u8>>,
    /// What stands between directory and end: nothing.
    pub before_end: Vec<u8>,
    /// The end of the directory (4.3.16).
    pub end: Vec<u8>,
}

impl Zip {
    /// The form that a parcel has.
    pub(super) fn of(files: &[(String, Vec<u8>)]) -> Self {
        let entry = |(path, bytes): &(String, Vec<u8>)| {
            let mut crc = Crc::new();
            crc.update(bytes);
            let size = u32::try_from(bytes.len()).unwrap().to_le_bytes();
            let length = u16::try_from(path.len()).unwrap().to_le_bytes();
            // Version 1.0, no flags, stored, midnight of 1980-01-01.
            let facts = [
                &[10, 0, 0, 0, 0, 0, 0, 0, 33, 0],
                &crc.sum().to_le_bytes()[..],
                &size,
                &size,
                &length,
            ]
            .concat();
            let local = [&b"PK\x03\x04"[..], &facts, &[0; 2], path.as_bytes(), bytes].concat();
            let head = [
                &b"PK\x01\x02"[..],
                &[10, 0],
                &facts,
                &[0; 16],
                path.as_bytes(),
            ]
            .concat();
            (local, head)
        };
        let (locals, directory) = files.iter().map(entry).unzip();
        Self {
            locals,
            directory,
            before_end: Vec::new(),
            end: [&b"PK\x05\x06"[..], &[0; 18]].concat(),
        }
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        let number = |count: usize| u32::try_from(count).unwrap().to_le_bytes();
        let mut bytes = Vec::new();
        let mut directory = self.directory.clone();
        for (at, local) in self.locals.iter().enumerate() {
            if let Some(head) = directory.get_mut(at) {
                head[42..46].copy_from_slice(&number(bytes.len()));
            }
            bytes.extend_from_slice(local);
        }
        let start = bytes.len();
        let directory = directory.concat();
        let mut end = self.end.clone();
        for at in [8, 10] {
            end[at..at + 2].copy_from_slice(&number(self.directory.len())[..2]);
        }
        end[12..16].copy_from_slice(&number(directory.len()));
        end[16..20].copy_from_slice(&number(start));
        [bytes, directory, self.before_end.clone(), end].concat()
    }

    /// Replaces bytes of the first entry at a place in its local header, and, with another offset,
    /// in the directory.
    pub(super) fn set(&mut self, at: usize, with: &[u8]) {
        self.locals[0][at..at + with.len()].copy_from_slice(with);
        self.directory[0][at + 2..at + 2 + with.len()].copy_from_slice(with);
    }
}
