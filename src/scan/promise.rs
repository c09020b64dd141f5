//! What the first bytes of a file promise.

use super::{keys, numbers};
use crate::unpack::encoded::{self, Writing};
use crate::unpack::kind::Kind;
use crate::unpack::{self, Container, HEAD, hexdump, mail, registry, text};

/// A kind of file.
pub(super) enum Promise {
    Container(Container),
    /// A key, or what may have keys in it.
    Binary(Kind),
    Text,
    Mail,
    /// An export of the registry of Windows.
    Registry,
    Nothing,
}

/// Judges the first bytes: those of a file, or all of a part.
pub(super) fn promise(head: &[u8]) -> Promise {
    if let Some(container) = unpack::container(head) {
        return Promise::Container(container);
    }
    let kind = Kind::of(head);
    if kind.may_have_key() {
        return Promise::Binary(kind);
    }
    if text::is_wide(head) {
        return promise_of_text(&text::narrow(head));
    }
    if head[..head.len().min(1024)].contains(&0) {
        // A program or a database may carry a key as text.
        return match keys::contains(head, b"-----BEGIN") {
            true => Promise::Text,
            false => Promise::Nothing,
        };
    }
    promise_of_text(head)
}

fn promise_of_text(head: &[u8]) -> Promise {
    if registry::is_export(head) {
        return Promise::Registry;
    }
    if mail::is_mail(head) {
        return Promise::Mail;
    }
    if has_key(head) {
        return Promise::Text;
    }
    Promise::Nothing
}

/// Whether a text, or the beginning of one, has what may be a key.
pub(super) fn has_key(text: &[u8]) -> bool {
    keys::contains(text, b"-----BEGIN")
        || keys::contains(text, keys::PUTTY)
        || numbers::is_likely(text)
        || keys::has_base64(text)
        || encoded::runs(text, is_carried)
        || hexdump::dumps(text, |octets| is_carried(Writing::Octets, octets))
}

/// Whether octets that a text carries are looked into: what is not seen in the text itself, as DER
/// and PEM in base64 are.
pub(super) fn is_carried(writing: Writing, octets: &[u8]) -> bool {
    let is_seen = octets.first() == Some(&0x30) || keys::contains(octets, b"-----BEGIN");
    !(writing == Writing::Base64 && is_seen) && is_promising(octets)
}

/// Whether these first bytes are those of a text that goes on.
pub(super) fn is_long_text(head: &[u8]) -> bool {
    let is_text = text::is_wide(head) || !head.contains(&0);
    head.len() >= HEAD && is_text && unpack::container(head).is_none()
}

/// Whether more than these first bytes are worth reading.
pub(super) fn is_promising(head: &[u8]) -> bool {
    !matches!(promise(head), Promise::Nothing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_as_text_in_a_program_is_worth_reading() {
        let mut program = b"MZ\x90\0\x03\0\0\0".repeat(100);
        assert!(!is_promising(&program));
        program.extend_from_slice(b"-----BEGIN PRIVATE KEY-----");
        assert!(is_promising(&program));
    }
}
