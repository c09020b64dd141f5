//! ZIP archives, with limits on everything that a hostile one could be large in.

use std::io::{self, Read, Seek, SeekFrom};

use zeroize::Zeroizing;

use super::{HEAD, Parts};

/// Bytes taken out of the archives of one file, in all.
pub(crate) const MAX_INFLATED: u64 = 256 * 1024 * 1024;
/// Bytes of one file in an archive.
const MAX_ENTRY: u64 = 16 * 1024 * 1024;
/// Files of one archive.
const MOST_ENTRIES: usize = 20_000;
/// The list of an archive's files, which has to be in memory.
const MAX_DIRECTORY: u32 = 16 * 1024 * 1024;
/// Largest archive: a list that lies about its length cannot be longer than that.
const MAX_ARCHIVE: u64 = 512 * 1024 * 1024;

/// Looks into every file of an archive.
pub(super) fn look(parts: &mut impl Parts, mut reader: impl Read + Seek) {
    if !is_reasonable(&mut reader).unwrap_or(false) {
        parts.leave_out();
        return;
    }
    let Ok(mut archive) = zip::ZipArchive::new(reader) else {
        return;
    };
    if archive.len() > MOST_ENTRIES {
        parts.leave_out();
    }
    for at in 0..archive.len().min(MOST_ENTRIES) {
        match archive.by_index(at) {
            Ok(entry) if entry.is_dir() => {}
            Ok(entry) => {
                let name = shown(entry.name());
                look_into_entry(parts, name, entry);
            }
            // A password, or a way of compressing that nobody uses for keys.
            Err(_) => parts.leave_out(),
        }
    }
}

/// As much of a name as is kept.
pub(super) fn shown(name: &str) -> String {
    name.chars().take(200).collect()
}

/// Looks into one file of an archive.
pub(super) fn look_into_entry(parts: &mut impl Parts, name: String, mut entry: impl Read) {
    let room = (*parts.left()).min(MAX_ENTRY);
    let mut bytes = Zeroizing::new(Vec::new());
    let head = entry
        .by_ref()
        .take(room.min(HEAD as u64))
        .read_to_end(&mut bytes);
    if head.is_err() || !parts.wants(&bytes) {
        if head.is_err() {
            parts.leave_out();
        }
        *parts.left() -= bytes.len() as u64;
        return;
    }
    let read = entry
        .take(room + 1 - bytes.len() as u64)
        .read_to_end(&mut bytes);
    *parts.left() -= (bytes.len() as u64).min(*parts.left());
    if bytes.len() as u64 > room || read.is_err() {
        // The rest of it would be as long as it likes.
        parts.leave_out();
        return;
    }
    parts.part(name, &bytes);
}

/// The end of the archive says how long its list is (APPNOTE.TXT 4.3.16); ZIP64 says it elsewhere,
/// and is too long.
fn is_reasonable(reader: &mut (impl Read + Seek)) -> io::Result<bool> {
    const END: usize = 22;
    let length = reader.seek(SeekFrom::End(0))?;
    let start = length.saturating_sub((END + usize::from(u16::MAX)) as u64);
    reader.seek(SeekFrom::Start(start))?;
    let mut tail = Vec::with_capacity(END + usize::from(u16::MAX));
    reader
        .take((END + usize::from(u16::MAX)) as u64)
        .read_to_end(&mut tail)?;
    let Some(at) = tail
        .windows(END)
        .rposition(|window| window.starts_with(b"PK\x05\x06"))
    else {
        return Ok(false);
    };
    let number = |from: usize, count: usize| {
        tail[at + from..at + from + count]
            .iter()
            .rev()
            .fold(0_u32, |n, b| n << 8 | u32::from(*b))
    };
    let (entries, size) = (number(10, 2), number(12, 4));
    Ok(length <= MAX_ARCHIVE && size <= MAX_DIRECTORY && entries < u32::from(u16::MAX))
}
