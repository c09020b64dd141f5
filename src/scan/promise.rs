//! What the first bytes of a file promise.

use super::keys::{self, Binary};
use super::mail;

/// What is read of every file.
pub(super) const HEAD: usize = 16 * 1024;
/// How every compound file begins (MS-CFB section 2.2).
const COMPOUND: &[u8] = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1";

/// A kind of file.
pub(super) enum Promise {
    Binary(Binary),
    Text,
    /// Text of two bytes a letter, as PowerShell writes it.
    WideText,
    Mail,
    Archive,
    /// A file of Microsoft's with files in it, such as one message of Outlook's.
    Compound,
    /// Outlook's data file, which nothing but Outlook reads.
    Outlook,
    Nothing,
}

/// Judges the first [`HEAD`] bytes.
pub(super) fn promise(head: &[u8]) -> Promise {
    let is_text = !head[..head.len().min(1024)].contains(&0);
    match head {
        _ if head.starts_with(b"PK\x03\x04") => Promise::Archive,
        _ if head.starts_with(COMPOUND) => Promise::Compound,
        _ if head.starts_with(b"!BDN") => Promise::Outlook,
        _ if head.starts_with(b"\xff\xfe") => Promise::WideText,
        [0x30, ..] if !is_text || keys::binary(head).is_some() => {
            keys::binary(head).map_or(Promise::Nothing, Promise::Binary)
        }
        _ if !is_text => Promise::Nothing,
        _ if mail::is_mail(head) => Promise::Mail,
        _ if keys::contains(head, b"-----BEGIN ") || head.starts_with(b"PuTTY-User-Key-File-") => {
            Promise::Text
        }
        _ => Promise::Nothing,
    }
}

/// Whether more than these first bytes are worth reading.
pub(super) fn is_promising(head: &[u8]) -> bool {
    !matches!(promise(head), Promise::Nothing)
}
