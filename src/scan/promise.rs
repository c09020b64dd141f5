//! What the first bytes of a file promise.

use super::keys::{self, Binary};
use crate::unpack::{self, Container, mail, registry, text};

/// A kind of file.
pub(super) enum Promise {
    Container(Container),
    Binary(Binary),
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
    if let Some(binary) = keys::binary(head) {
        return Promise::Binary(binary);
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
    let is_key = keys::contains(head, b"-----BEGIN") || keys::contains(head, keys::PUTTY);
    if is_key || keys::has_base64(head) {
        return Promise::Text;
    }
    Promise::Nothing
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
