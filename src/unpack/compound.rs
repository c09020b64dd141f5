//! Compound files (MS-CFB), the form in which Outlook saves a message (MS-OXMSG). Other compound
//! files, such as those of Office and of installers, are left alone.

use std::io::{self, Read, Seek, SeekFrom};

use zeroize::Zeroizing;

use super::Parts;

/// How every such file begins (section 2.2).
pub(super) const MAGIC: &[u8] = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1";
/// Largest file.
const MAX_FILE: u64 = 512 * 1024 * 1024;
/// Largest stream that is looked into, and most bytes that all small ones have together.
const MAX_STREAM: usize = 16 * 1024 * 1024;
/// Storages and streams of one file.
const MOST_ENTRIES: usize = 20_000;
/// Storages within storages; a message in a message is two deep.
const DEEPEST: usize = 16;
/// Bytes of an entry in the directory, and of a sector for small streams.
const ENTRY: usize = 128;
const MINI: usize = 64;
/// Streams smaller than this lie in sectors for small ones.
const CUTOFF: usize = 4096;

/// Sector numbers from here on are none (section 2.1).
const MAX_SECTOR: u32 = 0xffff_fffa;
/// What says of a storage that it is a message (MS-OXMSG section 2.2).
const PROPERTIES: &str = "__properties_version1.0";
/// Beginnings of the streams with a property: the content of an attachment, and its names, long and
/// short.
const CONTENT: &str = "__substg1.0_37010102";
const NAMES: [&str; 2] = ["__substg1.0_3707", "__substg1.0_3704"];
/// How the stream of a text in UTF-16 ends.
const UTF_16: &str = "001F";
/// Letters of an attachment's name that are kept.
const LONGEST_NAME: usize = 100;

/// Looks into every property of a message and of those attached to it.
pub(super) fn look(parts: &mut impl Parts, reader: impl Read + Seek, length: u64) {
    let whole = Compound::open(reader, length).and_then(|mut file| file.message(parts));
    if whole.is_err() {
        parts.leave_out();
    }
}

#[derive(Clone, Copy, PartialEq)]
enum EntryType {
    Storage,
    Stream,
    None,
}

/// A storage or stream (section 2.6.1). Siblings form a tree.
struct DirectoryEntry {
    name: String,
    kind: EntryType,
    siblings: [u32; 2],
    child: u32,
    start: u32,
    size: usize,
}

struct Compound<R> {
    reader: R,
    sector: usize,
    /// For each sector, the next one of its stream.
    fat: Vec<u32>,
    /// The same for the small sectors, and these.
    mini_fat: Vec<u32>,
    mini: Zeroizing<Vec<u8>>,
    /// The first is the root.
    entries: Vec<DirectoryEntry>,
}

impl<R: Read + Seek> Compound<R> {
    /// Reads the header (section 2.2), both tables and the directory.
    fn open(mut reader: R, length: u64) -> io::Result<Self> {
        let mut header = [0; 512];
        reader.rewind()?;
        reader.read_exact(&mut header)?;
        let (shift, mini_shift, cutoff) = (
            u16_at(&header, 30),
            u16_at(&header, 32),
            u32_at(&header, 56),
        );
        let right = matches!(shift, 9 | 12) && (mini_shift, cutoff as usize) == (6, CUTOFF);
        if length > MAX_FILE || !right {
            return Err(malformed());
        }
        let (fat, mini_fat, mini, entries) = (
            Vec::new(),
            Vec::new(),
            Zeroizing::new(Vec::new()),
            Vec::new(),
        );
        let mut file = Self {
            reader,
            sector: 1 << shift,
            fat,
            mini_fat,
            mini,
            entries,
        };
        file.read_fat(
            &header,
            usize::try_from(length).map_err(|_| malformed())? >> shift,
        )?;
        let directory = file.sectors(u32_at(&header, 48), MOST_ENTRIES * ENTRY)?;
        file.entries = directory.chunks_exact(ENTRY).map(entry).collect();
        let root = file.entries.first().ok_or_else(malformed)?;
        if file.is_message() {
            let (start, size) = (root.start, root.size);
            file.mini_fat =
                numbers(&file.sectors(u32_at(&header, 60), MAX_STREAM / MINI * size_of::<u32>())?)
                    .collect();
            file.mini = file.stream(start, size)?;
        }
        Ok(file)
    }

    /// The table of sectors lies in sectors itself: the header names 109 of them, a chain of others
    /// the rest.
    fn read_fat(&mut self, header: &[u8; 512], sectors: usize) -> io::Result<()> {
        let mut places: Vec<u32> = numbers(&header[76..]).collect();
        let mut more = u32_at(header, 68);
        while more < MAX_SECTOR && places.len() <= sectors {
            let listed = self.read_sector(more)?;
            places.extend(numbers(&listed));
            more = places.pop().ok_or_else(malformed)?;
        }
        for place in places.into_iter().filter(|place| *place < MAX_SECTOR) {
            if self.fat.len() > sectors {
                break;
            }
            let listed = self.read_sector(place)?;
            self.fat.extend(numbers(&listed));
        }
        Ok(())
    }

    /// The header takes the place of one.
    fn read_sector(&mut self, number: u32) -> io::Result<Zeroizing<Vec<u8>>> {
        let mut bytes = Zeroizing::new(vec![0; self.sector]);
        self.reader.seek(SeekFrom::Start(
            (u64::from(number) + 1) * self.sector as u64,
        ))?;
        self.reader.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    /// The sectors from `start` on, as far as they go, and at most so many bytes.
    fn sectors(&mut self, start: u32, most: usize) -> io::Result<Zeroizing<Vec<u8>>> {
        let chain = chain(&self.fat, start, most.div_ceil(self.sector));
        let mut bytes = Zeroizing::new(Vec::with_capacity(chain.len() * self.sector));
        for number in chain {
            bytes.extend_from_slice(&self.read_sector(number)?);
        }
        Ok(bytes)
    }

    fn stream(&mut self, start: u32, size: usize) -> io::Result<Zeroizing<Vec<u8>>> {
        if size > MAX_STREAM {
            return Err(malformed());
        }
        cut(self.sectors(start, size)?, size)
    }

    fn content(&mut self, at: usize) -> io::Result<Zeroizing<Vec<u8>>> {
        let (start, size) = (self.entries[at].start, self.entries[at].size);
        if size >= CUTOFF {
            return self.stream(start, size);
        }
        let mut bytes = Zeroizing::new(Vec::with_capacity(size + MINI));
        for number in chain(&self.mini_fat, start, size.div_ceil(MINI)) {
            let at = number as usize * MINI;
            bytes.extend_from_slice(self.mini.get(at..at + MINI).ok_or_else(malformed)?);
        }
        cut(bytes, size)
    }

    fn is_message(&self) -> bool {
        self.entries.iter().any(|entry| entry.name == PROPERTIES)
    }

    fn message(&mut self, parts: &mut impl Parts) -> io::Result<()> {
        if !self.is_message() {
            return Ok(());
        }
        if self.entries.len() == MOST_ENTRIES {
            parts.leave_out();
        }
        let mut seen = vec![false; self.entries.len()];
        parts.as_mail(|parts| self.storage(parts, 0, &mut seen, DEEPEST))
    }

    /// Everything directly in a storage. `seen` keeps a tree that runs in circles from being walked
    /// twice.
    fn children(&self, storage: usize, seen: &mut [bool]) -> Vec<usize> {
        let (mut open, mut found) = (vec![self.entries[storage].child], Vec::new());
        while let Some(at) = open.pop() {
            let at = at as usize;
            if let Some(entry) = self
                .entries
                .get(at)
                .filter(|_| !std::mem::replace(&mut seen[at], true))
            {
                open.extend(entry.siblings);
                found.push(at);
            }
        }
        found
    }

    fn storage(
        &mut self,
        parts: &mut impl Parts,
        at: usize,
        seen: &mut [bool],
        deepest: usize,
    ) -> io::Result<()> {
        let children = self.children(at, seen);
        let name = self.file_name(&children)?;
        for child in children {
            match self.entries[child].kind {
                EntryType::Storage if deepest > 0 => {
                    self.storage(parts, child, seen, deepest - 1)?
                }
                EntryType::Storage => parts.leave_out(),
                EntryType::Stream => self.property(parts, child, &name)?,
                EntryType::None => {}
            }
        }
        Ok(())
    }

    /// What the sender called an attachment; nothing for other storages.
    fn file_name(&mut self, children: &[usize]) -> io::Result<String> {
        let named = |start: &&str| {
            children
                .iter()
                .copied()
                .find(|at| self.entries[*at].name.starts_with(start))
        };
        let Some(at) = NAMES
            .iter()
            .find_map(named)
            .filter(|at| self.entries[*at].size < CUTOFF)
        else {
            return Ok(String::new());
        };
        let bytes = self.content(at)?;
        let is_wide = self.entries[at].name.ends_with(UTF_16);
        let name = if is_wide {
            utf_16(&bytes)
        } else {
            String::from_utf8_lossy(&bytes).into_owned()
        };
        Ok(name.chars().take(LONGEST_NAME).collect())
    }

    fn property(&mut self, parts: &mut impl Parts, at: usize, name: &str) -> io::Result<()> {
        let size = self.entries[at].size;
        if size > MAX_STREAM || size as u64 > *parts.left() {
            parts.leave_out();
            return Ok(());
        }
        *parts.left() -= size as u64;
        let bytes = self.content(at)?;
        match self.entries[at].name.as_str() {
            CONTENT => parts.part(name.to_owned(), &bytes),
            // A text says by its name what a file's first bytes would say.
            text if text.ends_with(UTF_16) => {
                parts.part(
                    String::new(),
                    &Zeroizing::new([b"\xff\xfe", &bytes[..]].concat()),
                );
            }
            _ => parts.part(String::new(), &bytes),
        }
        Ok(())
    }
}

fn entry(bytes: &[u8]) -> DirectoryEntry {
    let kind = match bytes[66] {
        1 | 5 => EntryType::Storage,
        2 => EntryType::Stream,
        _ => EntryType::None,
    };
    let length = usize::from(u16_at(bytes, 64)).saturating_sub(2).min(64);
    DirectoryEntry {
        name: utf_16(&bytes[..length]),
        kind,
        siblings: [u32_at(bytes, 68), u32_at(bytes, 72)],
        child: u32_at(bytes, 76),
        start: u32_at(bytes, 116),
        // No file that is read has streams over 4 GiB, and older ones have anything in the upper
        // half.
        size: u32_at(bytes, 120) as usize,
    }
}

/// At most so many sectors from `start` on; one that runs in a circle ends there.
fn chain(table: &[u32], start: u32, most: usize) -> Vec<u32> {
    let next = |number: &u32| {
        table
            .get(*number as usize)
            .copied()
            .filter(|next| *next < MAX_SECTOR)
    };
    let first = Some(start).filter(|start| *start < MAX_SECTOR);
    std::iter::successors(first, next)
        .take(most.min(table.len()))
        .collect()
}

/// Cuts what the last sector has too many; a stream with too few is malformed.
fn cut(mut bytes: Zeroizing<Vec<u8>>, size: usize) -> io::Result<Zeroizing<Vec<u8>>> {
    if bytes.len() < size {
        return Err(malformed());
    }
    bytes.truncate(size);
    Ok(bytes)
}

fn numbers(bytes: &[u8]) -> impl Iterator<Item = u32> {
    bytes.chunks_exact(4).map(|four| u32_at(four, 0))
}

fn utf_16(bytes: &[u8]) -> String {
    let units = bytes.chunks_exact(2).map(|two| u16_at(two, 0));
    char::decode_utf16(units)
        .map(|letter| letter.unwrap_or(char::REPLACEMENT_CHARACTER))
        .collect()
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from(u16_at(bytes, at)) | u32::from(u16_at(bytes, at + 2)) << 16
}

fn malformed() -> io::Error {
    io::ErrorKind::InvalidData.into()
}
