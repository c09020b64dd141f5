//! What files are, files within files, and texts as they are passed on: mail, archives, what Outlook saves, base64,
//! and what programs make of line ends. Bounded whatever the files are; what is taken out may be a
//! private key and is wiped.

pub(crate) mod base64;
pub(crate) mod encoded;
pub(crate) mod hexdump;
pub(crate) mod java;
pub(crate) mod kind;
pub(crate) mod lines;
pub(crate) mod mail;
pub(crate) mod pem;
pub(crate) mod pvk;
pub(crate) mod registry;
pub(crate) mod text;

mod archive;
mod compound;
mod gzip;
mod tar;

use std::io::{Read, Seek};

pub(crate) use archive::MAX_INFLATED;

/// What is read of a file before it is known whether more of it is wanted.
pub(crate) const HEAD: usize = 16 * 1024;

/// Who looks into the parts of a file: what takes one apart hands each part on, and keeps to what
/// is left of the limits.
pub(crate) trait Parts {
    /// Looks into `bytes`, which lie in the file under this name.
    fn part(&mut self, name: String, bytes: &[u8]);

    /// Whether more than these first [`HEAD`] bytes of a part are worth reading.
    fn wants(&self, head: &[u8]) -> bool;

    /// Bytes that may still be taken out of files.
    fn left(&mut self) -> &mut u64;

    /// Takes note that something was too large, or closed.
    fn leave_out(&mut self);

    /// What is found on the way was sent by mail.
    fn as_mail<T>(&mut self, look: impl FnOnce(&mut Self) -> T) -> T;
}

/// A file that has others in it, by its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Container {
    /// APPNOTE.TXT.
    Zip,
    /// POSIX.1-1988 and later, and what came before.
    Tar,
    /// RFC 1952.
    Gzip,
    /// A file of Microsoft's with files in it (MS-CFB), such as one message of Outlook's.
    Compound,
    /// One that is not read here, whatever is in it.
    Closed,
}

/// How files begin that are not opened: Outlook's data files, 7-Zip, RAR, xz, Zstandard, bzip2,
/// LZ4, lzip, compress, cabinets and images of Windows. Others have no such sign.
const CLOSED: [&[u8]; 11] = [
    b"!BDN",
    b"7z\xbc\xaf\x27\x1c",
    b"Rar!\x1a\x07",
    b"\xfd7zXZ\0",
    b"\x28\xb5\x2f\xfd",
    b"\x04\x22\x4d\x18",
    b"LZIP\x01",
    b"\x1f\x9d\x90",
    b"\x1f\x9d\x8c",
    b"MSCF\0\0\0\0",
    b"MSWIM\0\0\0",
];

/// What the first [`HEAD`] bytes of a file say that it has in it.
pub(crate) fn container(head: &[u8]) -> Option<Container> {
    if head.starts_with(b"PK\x03\x04") {
        return Some(Container::Zip);
    }
    if head.starts_with(b"\x1f\x8b\x08") {
        return Some(Container::Gzip);
    }
    if head.starts_with(compound::MAGIC) {
        return Some(Container::Compound);
    }
    let is_closed = CLOSED.iter().any(|magic| head.starts_with(magic));
    if is_closed || is_bzip2(head) || is_lzma(head) || is_zlib(head) || is_openpgp(head) {
        return Some(Container::Closed);
    }
    tar::is_tar(head).then_some(Container::Tar)
}

/// `BZh`, a digit, and the digits of pi before a block.
fn is_bzip2(head: &[u8]) -> bool {
    head.starts_with(b"BZh") && head.get(4..10) == Some(b"1AY&SY".as_slice())
}

/// The file of LZMA Utils: its properties, the size of its dictionary (a power of two from 4 KiB on,
/// or one and a half), and its length, which may be unknown.
fn is_lzma(head: &[u8]) -> bool {
    let Some([0x5d, 0, low, middle, high, length @ ..]) = head.first_chunk::<13>() else {
        return false;
    };
    let dictionary = u32::from_le_bytes([0, *low, *middle, *high]);
    let is_size = dictionary.count_ones() <= 2 && dictionary >= 4096;
    // A file of a terabyte is none that anybody packs so.
    is_size && (length == &[0xff; 8] || length[5..] == [0; 3])
}

/// RFC 1950 section 2.2, with the window of 32 KiB that all have: what no text is.
fn is_zlib(head: &[u8]) -> bool {
    let Some([0x78, flags @ (0x01 | 0x5e | 0x9c | 0xda)]) = head.first_chunk() else {
        return false;
    };
    let is_text = |byte: &u8| byte.is_ascii_graphic() || byte.is_ascii_whitespace();
    *flags != 0x5e || !head.iter().take(64).all(is_text)
}

/// A compressed packet of OpenPGP (RFC 9580 section 5.6), as `gpg --store` and `--sign` write it.
fn is_openpgp(head: &[u8]) -> bool {
    matches!(head, [0xa3, 1..=3, ..])
}

/// Looks into everything in a file of this kind, which is so long.
pub(crate) fn open(
    container: Container,
    parts: &mut impl Parts,
    mut reader: impl Read + Seek,
    length: u64,
) {
    if reader.rewind().is_err() {
        return parts.leave_out();
    }
    match container {
        Container::Zip => archive::look(parts, reader),
        Container::Tar => tar::look(parts, &mut tar::Seekable(reader)),
        Container::Gzip => gzip::look(parts, reader),
        Container::Compound => compound::look(parts, reader, length),
        Container::Closed => parts.leave_out(),
    }
}
