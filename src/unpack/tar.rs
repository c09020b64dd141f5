//! Archives of tar: ustar (POSIX.1-1988), pax (POSIX.1-2001), GNU, and the form before them all.

use std::io::{self, Read, Seek, SeekFrom};

use super::{Parts, archive};

/// Bytes of a header; the files are filled up to as many.
const BLOCK: usize = 512;
/// Files of one archive.
const MOST_ENTRIES: usize = 200_000;
/// Bytes of a name that stands in a file of its own.
const LONGEST_NAME: u64 = 4096;

/// Whether a file begins with the header of a first file: its sum is right.
pub(super) fn is_tar(head: &[u8]) -> bool {
    head.get(..BLOCK)
        .is_some_and(|block| block[0] != 0 && has_right_sum(block))
}

/// The sum of all octets, those of the sum itself taken as blanks.
fn has_right_sum(block: &[u8]) -> bool {
    let sum: u64 = block.iter().map(|byte| u64::from(*byte)).sum();
    let own: u64 = block[148..156].iter().map(|byte| u64::from(*byte)).sum();
    number(&block[148..156]) == Some(sum - own + 8 * u64::from(b' '))
}

/// An octal number, or with the highest bit set one of 255 to the power of its octets.
fn number(field: &[u8]) -> Option<u64> {
    if field[0] == 0x80 {
        let mut value = 0_u64;
        for byte in &field[1..] {
            value = value.checked_mul(256)? | u64::from(*byte);
        }
        return Some(value);
    }
    let digits = std::str::from_utf8(field).ok()?;
    let digits = digits.trim_matches([' ', '\0']);
    u64::from_str_radix(digits, 8).ok()
}

/// What is read from its beginning to its end, and need not be read to be passed over.
pub(super) trait Forward: Read {
    /// Passes so many bytes over; an error where there are fewer.
    fn pass(&mut self, count: u64) -> io::Result<()>;
}

/// A file on a disk.
pub(super) struct Seekable<R>(pub(super) R);

impl<R: Read> Read for Seekable<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl<R: Read + Seek> Forward for Seekable<R> {
    fn pass(&mut self, count: u64) -> io::Result<()> {
        let Some(before) = count.checked_sub(1) else {
            return Ok(());
        };
        let before = i64::try_from(before).map_err(|_| io::ErrorKind::InvalidData)?;
        self.0.seek(SeekFrom::Current(before))?;
        // Nothing keeps a place from lying behind the end.
        self.0.read_exact(&mut [0])
    }
}

/// What comes out of something else.
pub(super) struct Streamed<R>(pub(super) R);

impl<R: Read> Read for Streamed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl<R: Read> Forward for Streamed<R> {
    fn pass(&mut self, count: u64) -> io::Result<()> {
        let passed = io::copy(&mut (&mut self.0).take(count), &mut io::sink())?;
        if passed < count {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(())
    }
}

/// Looks into every file of an archive.
pub(super) fn look(parts: &mut impl Parts, reader: &mut impl Forward) {
    let mut long_name = None;
    for _ in 0..MOST_ENTRIES {
        match next(parts, reader, &mut long_name) {
            Ok(true) => {}
            Ok(false) => return,
            Err(_) => break,
        }
    }
    parts.leave_out();
}

/// Looks into the next file; `false` where there is none. `long_name` is what stood before it.
fn next(
    parts: &mut impl Parts,
    reader: &mut impl Forward,
    long_name: &mut Option<String>,
) -> io::Result<bool> {
    let mut block = [0; BLOCK];
    let filled = fill(reader, &mut block)?;
    if filled == 0 || block == [0; BLOCK] {
        return Ok(false);
    }
    if filled < BLOCK || !has_right_sum(&block) {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let size = number(&block[124..136]).ok_or(io::ErrorKind::InvalidData)?;
    let mut file = reader.take(size);
    match block[156] {
        b'L' => *long_name = Some(long(&mut file)?),
        b'x' => *long_name = path(&long(&mut file)?).or_else(|| long_name.take()),
        0 | b'0' | b'7' => {
            let name = long_name.take().unwrap_or_else(|| short(&block));
            archive::look_into_entry(parts, archive::shown(&name), &mut file);
        }
        _ => {}
    }
    let unread = file.limit();
    let padding = (BLOCK as u64 - size % BLOCK as u64) % BLOCK as u64;
    reader.pass(
        unread
            .checked_add(padding)
            .ok_or(io::ErrorKind::InvalidData)?,
    )?;
    Ok(true)
}

/// Reads a block, or what there is of it.
fn fill(reader: &mut impl Read, block: &mut [u8; BLOCK]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < BLOCK {
        match reader.read(&mut block[filled..])? {
            0 => break,
            count => filled += count,
        }
    }
    Ok(filled)
}

/// A name, or the records of pax, in a file of its own.
fn long(file: &mut impl Read) -> io::Result<String> {
    let mut bytes = Vec::new();
    file.take(LONGEST_NAME).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes)
        .trim_end_matches('\0')
        .to_owned())
}

/// The name among records of the form `27 path=folder/file\n`.
fn path(records: &str) -> Option<String> {
    let mut records = records.lines().filter_map(|line| line.split_once(" path="));
    records.next_back().map(|(_, path)| path.to_owned())
}

fn short(block: &[u8; BLOCK]) -> String {
    let text = |field: &[u8]| {
        let end = field.iter().position(|byte| *byte == 0);
        String::from_utf8_lossy(&field[..end.unwrap_or(field.len())]).into_owned()
    };
    let (name, prefix) = (text(&block[..100]), text(&block[345..500]));
    if block[257..262] == *b"ustar" && block[262] == 0 && !prefix.is_empty() {
        format!("{prefix}/{name}")
    } else {
        name
    }
}
