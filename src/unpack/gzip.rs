//! Files compressed with gzip (RFC 1952), and archives of tar within.

use std::io::{BufReader, Cursor, Read};

use flate2::read::MultiGzDecoder;
use zeroize::Zeroizing;

use super::archive;
use super::tar;
use super::{HEAD, Parts};

/// Looks into a compressed file, or into each file of a compressed archive.
pub(super) fn look(parts: &mut impl Parts, reader: impl Read) {
    let room = *parts.left();
    let mut inflated = MultiGzDecoder::new(BufReader::new(reader)).take(room);
    let name = name(inflated.get_ref());
    let mut head = Zeroizing::new(Vec::with_capacity(HEAD));
    if (&mut inflated)
        .take(HEAD as u64)
        .read_to_end(&mut head)
        .is_err()
    {
        parts.leave_out();
    }
    let mut whole = Cursor::new(&head[..]).chain(&mut inflated);
    if tar::is_tar(&head) {
        tar::look(parts, &mut tar::Streamed(&mut whole));
    } else {
        archive::look_into_entry(parts, name, &mut whole);
    }
    if inflated.limit() == 0 {
        parts.leave_out();
    }
    // What was passed over was inflated, too.
    let left = parts.left();
    *left = (*left).min(inflated.limit());
}

/// The name that the file had.
fn name<R: Read>(decoder: &MultiGzDecoder<R>) -> String {
    let name = decoder.header().and_then(|header| header.filename());
    archive::shown(&String::from_utf8_lossy(name.unwrap_or_default()))
}
