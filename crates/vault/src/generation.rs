//! A generation on its way to a medium: a draft takes sealed files, a package holds all bytes of a
//! finished generation, and writing a package ends with the signature that commits it.

use super::id::{Hash, Number, Point, ServerId, VaultId};
use super::medium::{Medium, MediumError};
use super::record::{CATALOG, Record, key_pair_file};
use super::sign::{self, SigningKey};

/// Where a generation stands in its server's line, known before its files are.
#[derive(Debug, Clone)]
pub struct LinePosition {
    /// The vault written for.
    pub vault: VaultId,
    /// The writer.
    pub server: ServerId,
    /// Its number, reserved in host state before the first byte is written.
    pub number: Number,
    /// The highest committed generation known.
    pub prev: Option<Point>,
    /// Now.
    pub time: jiff::Timestamp,
    /// When the next backup or check is due.
    pub due: jiff::civil::Date,
    /// All statements known, ascending.
    pub trust: Vec<Hash>,
}

/// A generation that still takes files.
#[derive(Debug)]
pub struct Draft {
    place: LinePosition,
    files: Vec<Vec<u8>>,
}

impl Draft {
    /// An empty draft.
    pub fn new(place: LinePosition) -> Self {
        Self {
            place,
            files: Vec::new(),
        }
    }

    /// Adds one sealed key pair and names its file.
    pub fn add(&mut self, sealed: Vec<u8>) -> String {
        self.files.push(sealed);
        key_pair_file(self.files.len())
    }

    /// Closes the draft with its sealed catalog and signs the record.
    ///
    /// # Errors
    /// When the library refuses to sign.
    pub fn sign(self, catalog: Vec<u8>, key: &SigningKey) -> Result<Package, ssh_key::Error> {
        let files: Vec<Vec<u8>> = std::iter::once(catalog).chain(self.files).collect();
        let LinePosition {
            vault,
            server,
            number,
            prev,
            time,
            due,
            trust,
        } = self.place;
        let hashes = files.iter().map(|file| Hash::of(file)).collect();
        let record = Record {
            vault,
            server,
            number,
            prev,
            time,
            due,
            trust,
            files: hashes,
        };
        let text = record.render().into_bytes();
        let signature = key.sign(sign::RECORD, &text)?;
        Ok(Package {
            record,
            text,
            signature,
            files,
        })
    }
}

/// All bytes of one committed generation.
#[derive(Debug)]
pub struct Package {
    /// What it says about itself.
    pub record: Record,
    /// RECORD.TXT.
    pub text: Vec<u8>,
    /// RECORD.SIG.
    pub signature: Vec<u8>,
    /// The catalog, then the key pairs, as the record lists them.
    pub files: Vec<Vec<u8>>,
}

impl Package {
    /// The hash other records and statements call it by.
    pub fn hash(&self) -> Hash {
        Hash::of(&self.text)
    }

    /// Writes one copy into a half of the medium: files, record, signature; each step is on the
    /// medium and read back past the cache before the next begins. `before_commit` runs when only
    /// the signature is missing.
    ///
    /// # Errors
    /// When the medium refuses or reads back something else; the folder then stays behind without a
    /// signature and counts for nothing.
    pub fn write<E: From<MediumError>>(
        &self,
        medium: &Medium,
        half: usize,
        before_commit: impl FnOnce() -> Result<(), E>,
    ) -> Result<(), E> {
        let folder = medium.new_generation_folder(half, self.record.server, self.record.number)?;
        let names = std::iter::once(CATALOG.to_owned()).chain((1..).map(key_pair_file));
        let files: Vec<_> = names
            .zip(&self.files)
            .map(|(name, bytes)| (format!("{folder}/{name}"), bytes.as_slice()))
            .collect();
        medium.write_new(&files)?;
        medium.write_new(&[(format!("{folder}/RECORD.TXT"), &self.text)])?;
        before_commit()?;
        medium.write_new(&[(format!("{folder}/RECORD.SIG"), &self.signature)])?;
        Ok(())
    }
}
