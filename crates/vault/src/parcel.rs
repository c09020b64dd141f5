//! A parcel: one sealed generation on its way to a stick, in one ZIP file whose entries are stored.
//! It is read like a medium and never counts as one. An answer to requests is the same without a
//! generation.
//!
//! ZIP leaves room for duplicates, overlaps, compression and hidden bytes, and readers disagree
//! about all of them. A parcel has one form: entries follow each other from the first byte on, then
//! the directory, then the end.

use std::collections::BTreeMap;
use std::io::{self, Cursor, Write};
use std::ops::Range;

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::generation::Package;
use super::id::GenerationId;
use super::medium::{
    MAX_IDENTITIES, ROOT, free_identity, free_stem, identity_place, is_generation_name,
    is_statement_stem,
};
use super::record::{CATALOG, key_pair_file};
use super::trust::Statement;
use super::volume::{Entry, EntryKind, Reading, Volume};

/// Largest parcel, in bytes. It is held in memory.
pub const MAX_PARCEL: u64 = 256 * 1024 * 1024;

const LOCAL: u32 = 0x0403_4b50;
const DIRECTORY: u32 = 0x0201_4b50;
const END: u32 = 0x0605_4b50;

/// Why a file is no parcel.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParcelFlaw {
    /// It ends too early, or is larger than a parcel may be.
    #[error("too short or too large")]
    Size,
    /// Not the one form of a ZIP file: compressed, encrypted, out of order, twice, with remarks or
    /// surplus bytes.
    #[error("not the one form of a parcel")]
    Form,
    /// A path that does not belong into a parcel.
    #[error("a path that does not belong here: {0}")]
    Path(String),
    /// A generation without its record or signature, or two generations.
    #[error("a generation without its record, or more than one")]
    Generation,
}

/// A parcel in memory; nothing in it is believed yet.
#[derive(Debug)]
pub struct Parcel {
    bytes: Vec<u8>,
    files: BTreeMap<String, Range<usize>>,
    generation: Option<GenerationId>,
}

impl Parcel {
    /// Takes a file apart.
    ///
    /// # Errors
    /// [`ParcelFlaw`], for anything but the one form.
    pub fn parse(bytes: Vec<u8>) -> Result<Self, ParcelFlaw> {
        let mut rest = Fields {
            bytes: &bytes,
            at: 0,
        };
        let mut heads = Vec::new();
        let mut files = BTreeMap::new();
        let mut signature = rest.u32()?;
        while signature == LOCAL {
            let head = Head::local(&mut rest)?;
            // Ascending order, so that no path can stand there twice.
            if heads
                .last()
                .is_some_and(|last: &Head| last.path >= head.path)
            {
                return Err(ParcelFlaw::Form);
            }
            files.insert(format!("{ROOT}/{}", head.path), rest.skip(head.size)?);
            heads.push(head);
            signature = rest.u32()?;
        }
        directory(&mut rest, signature, &heads)?;
        let generation = generation(&heads)?;
        Ok(Self {
            files,
            generation,
            bytes,
        })
    }

    /// Whose generation it says it holds, and which.
    pub fn generation(&self) -> Option<GenerationId> {
        self.generation
    }
}

/// The file that carries a generation, or none, with everything the owner said and the ways in.
///
/// # Errors
/// When it would be larger than a parcel may be.
pub fn render(
    package: Option<&Package>,
    statements: &[&Statement],
    identities: &[Vec<u8>],
) -> Result<Vec<u8>, ParcelFlaw> {
    let mut files: BTreeMap<String, &[u8]> = BTreeMap::new();
    let mut taken = Vec::new();
    for statement in statements {
        let stem = free_stem(statement.hash(), &mut taken);
        files.insert(format!("A/OWNER/{stem}.TXT"), &statement.text);
        files.insert(format!("A/OWNER/{stem}.SIG"), &statement.signature);
    }
    for identity in identities.iter().take(MAX_IDENTITIES) {
        files.insert(format!("A/OWNER/{}", free_identity(&mut taken)), identity);
    }
    if let Some(package) = package {
        let folder = format!(
            "A/{}/{}",
            package.record.server,
            package.record.number.folder()
        );
        let names = std::iter::once(CATALOG.to_owned()).chain((1..).map(key_pair_file));
        files.extend(
            names
                .zip(&package.files)
                .map(|(name, bytes)| (format!("{folder}/{name}"), bytes.as_slice())),
        );
        files.insert(format!("{folder}/RECORD.TXT"), &package.text);
        files.insert(format!("{folder}/RECORD.SIG"), &package.signature);
    }
    let bytes = zipped(&files).map_err(|_| ParcelFlaw::Size)?;
    if bytes.len() as u64 > MAX_PARCEL {
        return Err(ParcelFlaw::Size);
    }
    // What would not be read again is not handed out.
    Parcel::parse(bytes).map(|parcel| parcel.bytes)
}

fn zipped(files: &BTreeMap<String, &[u8]>) -> zip::result::ZipResult<Vec<u8>> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    for (path, bytes) in files {
        zip.start_file(path.as_str(), stored)?;
        zip.write_all(bytes)?;
    }
    zip.finish().map(Cursor::into_inner)
}

/// What a local header and the directory both say of an entry.
#[derive(Debug, PartialEq, Eq)]
struct Head {
    offset: u32,
    crc: u32,
    size: u32,
    path: String,
}

impl Head {
    /// After the signature of a local header.
    fn local(rest: &mut Fields<'_>) -> Result<Self, ParcelFlaw> {
        let offset = u32::try_from(rest.at - 4).map_err(|_| ParcelFlaw::Size)?;
        rest.skip(2)?;
        let (crc, size, name, extra) = Self::facts(rest)?;
        if extra != 0 {
            return Err(ParcelFlaw::Form);
        }
        Ok(Self {
            offset,
            crc,
            size,
            path: rest.path(name)?,
        })
    }

    /// After the signature of a directory entry.
    fn in_directory(rest: &mut Fields<'_>) -> Result<Self, ParcelFlaw> {
        rest.skip(4)?;
        let (crc, size, name, extra) = Self::facts(rest)?;
        let (comment, disk) = (rest.u16()?, rest.u16()?);
        rest.skip(6)?;
        let offset = rest.u32()?;
        if (extra, comment, disk) != (0, 0, 0) {
            return Err(ParcelFlaw::Form);
        }
        Ok(Self {
            offset,
            crc,
            size,
            path: rest.path(name)?,
        })
    }

    /// From the flags to the length of the extra field; neither flags nor methods are allowed. The
    /// checksum is not asked: each file is held against its hash or signature before it is used.
    fn facts(rest: &mut Fields<'_>) -> Result<(u32, u32, u16, u16), ParcelFlaw> {
        let (flags, method) = (rest.u16()?, rest.u16()?);
        rest.skip(4)?;
        let (crc, packed, size) = (rest.u32()?, rest.u32()?, rest.u32()?);
        let stored = (flags, method) == (0, 0) && packed == size;
        if stored {
            Ok((crc, size, rest.u16()?, rest.u16()?))
        } else {
            Err(ParcelFlaw::Form)
        }
    }
}

/// The directory says the same of the same entries, and the end is the end of the file.
fn directory(rest: &mut Fields<'_>, mut signature: u32, heads: &[Head]) -> Result<(), ParcelFlaw> {
    let start = rest.at - 4;
    for head in heads {
        if signature != DIRECTORY || Head::in_directory(rest)? != *head {
            return Err(ParcelFlaw::Form);
        }
        signature = rest.u32()?;
    }
    let length = rest.at - 4 - start;
    let disks = (rest.u16()?, rest.u16()?);
    let counts = (usize::from(rest.u16()?), usize::from(rest.u16()?));
    let place = (rest.u32()? as usize, rest.u32()? as usize);
    let ended = rest.u16()? == 0 && rest.at == rest.bytes.len();
    let right = disks == (0, 0) && counts == (heads.len(), heads.len()) && place == (length, start);
    if signature == END && right && ended {
        Ok(())
    } else {
        Err(ParcelFlaw::Form)
    }
}

/// Every path is one the format knows; the generation they make up, which is one or none.
fn generation(heads: &[Head]) -> Result<Option<GenerationId>, ParcelFlaw> {
    let mut found = None;
    let mut names = Vec::new();
    for head in heads {
        match head.path.split('/').collect::<Vec<_>>()[..] {
            ["A", "OWNER", name] if is_owner_name(name) => {}
            ["A", server, number, name] if is_generation_name(name) => {
                let place = GenerationId::parse_folder(server, number);
                let place = place.ok_or_else(|| ParcelFlaw::Path(head.path.clone()))?;
                if *found.get_or_insert(place) != place {
                    return Err(ParcelFlaw::Generation);
                }
                names.push((name, head.size));
            }
            _ => return Err(ParcelFlaw::Path(head.path.clone())),
        }
    }
    let holds = |wanted| {
        names
            .iter()
            .any(|(name, size)| *name == wanted && *size > 0)
    };
    let whole = found.is_none() || (holds("RECORD.TXT") && holds("RECORD.SIG"));
    if whole {
        Ok(found)
    } else {
        Err(ParcelFlaw::Generation)
    }
}

fn is_owner_name(name: &str) -> bool {
    let statement = |stem: &str| is_statement_stem(stem);
    identity_place(name).is_some()
        || name.strip_suffix(".TXT").is_some_and(statement)
        || name.strip_suffix(".SIG").is_some_and(statement)
}

/// Little-endian fields, one after the other.
struct Fields<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Fields<'_> {
    fn skip(&mut self, count: u32) -> Result<Range<usize>, ParcelFlaw> {
        let end = self
            .at
            .checked_add(count as usize)
            .filter(|end| *end <= self.bytes.len())
            .ok_or(ParcelFlaw::Size)?;
        let range = self.at..end;
        self.at = end;
        Ok(range)
    }

    fn u16(&mut self) -> Result<u16, ParcelFlaw> {
        let range = self.skip(2)?;
        Ok(self.bytes[range]
            .iter()
            .rev()
            .fold(0, |value, byte| value << 8 | u16::from(*byte)))
    }

    fn u32(&mut self) -> Result<u32, ParcelFlaw> {
        Ok(u32::from(self.u16()?) | u32::from(self.u16()?) << 16)
    }

    /// A path of plain ASCII; anything else is shown as far as it can be.
    fn path(&mut self, length: u16) -> Result<String, ParcelFlaw> {
        let range = self.skip(length.into())?;
        let path = String::from_utf8_lossy(&self.bytes[range]).into_owned();
        if path.is_ascii() {
            Ok(path)
        } else {
            Err(ParcelFlaw::Path(path))
        }
    }
}

impl Volume for Parcel {
    fn list(&self, folder: &str) -> io::Result<Vec<Entry>> {
        let prefix = if folder.is_empty() {
            String::new()
        } else {
            format!("{folder}/")
        };
        let mut children = BTreeMap::new();
        for below in self
            .files
            .keys()
            .filter_map(|path| path.strip_prefix(&prefix))
        {
            let (name, kind) = match below.split_once('/') {
                Some((name, _)) => (name, EntryKind::Folder),
                None => (below, EntryKind::File),
            };
            children.insert(name.to_owned(), kind);
        }
        if children.is_empty() {
            return Err(io::Error::from(io::ErrorKind::NotFound));
        }
        Ok(children
            .into_iter()
            .map(|(name, kind)| Entry { name, kind })
            .collect())
    }

    /// The whole file was read past the cache when it was opened.
    fn read(&self, path: &str, cap: u64, _: Reading) -> io::Result<Vec<u8>> {
        let range = self.files.get(path).ok_or(io::ErrorKind::NotFound)?;
        if range.len() as u64 > cap {
            return Err(io::Error::from(io::ErrorKind::FileTooLarge));
        }
        Ok(self.bytes[range.clone()].to_vec())
    }

    fn make_folder(&self, _: &str) -> io::Result<()> {
        Err(io::Error::from(io::ErrorKind::ReadOnlyFilesystem))
    }

    fn create(&self, _: &str, _: &[u8]) -> io::Result<()> {
        Err(io::Error::from(io::ErrorKind::ReadOnlyFilesystem))
    }

    fn rewrite(&self, _: &str, _: &[u8]) -> io::Result<()> {
        Err(io::Error::from(io::ErrorKind::ReadOnlyFilesystem))
    }

    fn flush(&self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FOLDER: &str = "A/ABCD2345/00000007";

    fn paths() -> Vec<String> {
        let generation = ["CATALOG.AGE", "K0000001.AGE", "RECORD.SIG", "RECORD.TXT"];
        let owner = [
            "A/OWNER/22222222.SIG",
            "A/OWNER/22222222.TXT",
            "A/OWNER/IDENTITY.AGE",
        ]
        .map(str::to_owned);
        generation
            .iter()
            .map(|name| format!("{FOLDER}/{name}"))
            .chain(owner)
            .collect()
    }

    fn zip_of(paths: &[String], options: SimpleFileOptions) -> Vec<u8> {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        for path in paths {
            zip.start_file(path.as_str(), options).unwrap();
            zip.write_all(path.as_bytes()).unwrap();
        }
        zip.finish().unwrap().into_inner()
    }

    fn stored(paths: &[String]) -> Vec<u8> {
        zip_of(
            paths,
            SimpleFileOptions::default().compression_method(CompressionMethod::Stored),
        )
    }

    fn flaw(bytes: Vec<u8>) -> ParcelFlaw {
        Parcel::parse(bytes).unwrap_err()
    }

    #[test]
    fn a_parcel_is_walked_like_a_medium_and_cannot_be_written() {
        let parcel = Parcel::parse(stored(&paths())).unwrap();
        assert_eq!(parcel.generation().unwrap().number.get(), 7);
        let names = |folder: &str| {
            parcel
                .list(folder)
                .unwrap()
                .into_iter()
                .map(|entry| entry.name)
                .collect::<Vec<_>>()
        };
        assert_eq!(
            (names(""), names("PFXVAULT")),
            (vec!["PFXVAULT".to_owned()], vec!["A".to_owned()])
        );
        assert_eq!(names("PFXVAULT/A/OWNER").len(), 3);
        let read = |path: &str, cap| {
            parcel
                .read(path, cap, Reading::PastCache)
                .map_err(|error| error.kind())
        };
        let record = format!("PFXVAULT/{FOLDER}/RECORD.TXT");
        assert_eq!(
            read(&record, 99).unwrap(),
            format!("{FOLDER}/RECORD.TXT").into_bytes()
        );
        assert_eq!(read(&record, 4), Err(io::ErrorKind::FileTooLarge));
        assert_eq!(read("PFXVAULT/B", 9), Err(io::ErrorKind::NotFound));
        assert!(parcel.create("PFXVAULT/x", b"").is_err() && parcel.make_folder("x").is_err());
    }

    #[test]
    fn paths_outside_the_grammar_are_refused() {
        let hostile = [
            "../../etc/passwd",
            "/A/OWNER/IDENTITY.AGE",
            "A\\OWNER\\IDENTITY.AGE",
            "A/OWNER/../x",
            "A/OWNER/",
            "A",
            "B/OWNER/IDENTITY.AGE",
            "A/OWNER/IDENT001.AGE",
            "A/OWNER/identity.age",
            "A/OWNER/README.TXT",
            "PFXVAULT/A/x",
            "A/ABCD2345/00000000/RECORD.TXT",
            "A/ABCD2345/00000007.001/RECORD.TXT",
            "A/ABCD2345/7/RECORD.TXT",
            "A/abcd2345/00000007/RECORD.TXT",
            "A/ABCD2345/00000007/x/RECORD.TXT",
            "A/ABCD2345/00000007/K1.AGE",
            "Ａ",
        ];
        for path in hostile {
            let mut paths = paths();
            paths.push(path.to_owned());
            paths.sort();
            assert!(
                matches!(flaw(stored(&paths)), ParcelFlaw::Path(_) | ParcelFlaw::Form),
                "{path}"
            );
        }
    }

    #[test]
    fn a_parcel_holds_one_generation_with_record_and_signature_or_none() {
        let owner: Vec<_> = paths().split_off(4);
        assert_eq!(Parcel::parse(stored(&owner)).unwrap().generation(), None);
        let mut two = paths();
        two.insert(4, "A/ABCD2345/00000008/RECORD.TXT".to_owned());
        assert_eq!(flaw(stored(&two)), ParcelFlaw::Generation);
        for missing in [2, 3] {
            let mut paths = paths();
            paths.remove(missing);
            assert_eq!(flaw(stored(&paths)), ParcelFlaw::Generation);
        }
    }

    #[test]
    fn zip_files_of_any_other_form_are_refused() {
        let good = stored(&paths());
        let deflated = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
        assert_eq!(flaw(zip_of(&paths(), deflated)), ParcelFlaw::Form);
        assert_eq!(
            flaw(zip_of(
                &paths(),
                SimpleFileOptions::default().large_file(true)
            )),
            ParcelFlaw::Form
        );
        assert_eq!(
            flaw(zip_of(
                &paths(),
                SimpleFileOptions::default().with_alignment(64)
            )),
            ParcelFlaw::Form
        );
        let mut unsorted = paths();
        unsorted.swap(0, 1);
        assert_eq!(flaw(stored(&unsorted)), ParcelFlaw::Form);
        assert_eq!(flaw([&good[..], b"x"].concat()), ParcelFlaw::Form);
        assert!(Parcel::parse([b"x", &good[..]].concat()).is_err());
        let remark = good.len() - 2;
        assert_eq!(
            flaw([&good[..remark], &[1, 0, b'x']].concat()),
            ParcelFlaw::Form
        );
        assert_eq!(flaw(b"MZ\x90\x00".to_vec()), ParcelFlaw::Size);
    }

    #[test]
    fn the_same_path_twice_is_refused() {
        let mut paths = paths();
        // Made under another name, because no library writes it: then both names are made the same
        // in the bytes.
        paths.insert(2, format!("{FOLDER}/K0000002.AGE"));
        let bytes = stored(&paths);
        let (from, to) = (b"K0000002.AGE", b"K0000001.AGE");
        let mut twice = bytes.clone();
        for at in 0..bytes.len() - from.len() {
            if &bytes[at..at + from.len()] == from {
                twice[at..at + from.len()].copy_from_slice(to);
            }
        }
        assert_eq!(flaw(twice), ParcelFlaw::Form);
    }

    #[test]
    fn a_parcel_cut_at_any_byte_is_refused() {
        let good = stored(&paths());
        for length in 0..good.len() {
            assert!(Parcel::parse(good[..length].to_vec()).is_err(), "{length}");
        }
    }

    #[test]
    fn a_size_that_lies_reads_nothing_beyond_the_file() {
        let good = stored(&paths());
        for size in [u32::MAX, u32::MAX / 2, 1 << 20] {
            let mut bytes = good.clone();
            bytes[18..22].copy_from_slice(&size.to_le_bytes());
            bytes[22..26].copy_from_slice(&size.to_le_bytes());
            assert_eq!(flaw(bytes), ParcelFlaw::Size);
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600), at in 0..2000_usize) {
            let _ = Parcel::parse(bytes.clone());
            let mut edited = stored(&paths());
            let at = at % edited.len();
            let end = edited.len().min(at + bytes.len());
            edited[at..end].copy_from_slice(&bytes[..end - at]);
            let _ = Parcel::parse(edited);
        }
    }
}
