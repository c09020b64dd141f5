//! UTF-16 strings as Windows wants them, and back.

use std::ffi::{OsStr, OsString};
use std::os::windows::ffi::{OsStrExt, OsStringExt};

use zeroize::Zeroizing;

use secret::Password;

/// NUL-terminated UTF-16. Not for secrets: the copy is not wiped.
pub(super) fn wide(text: impl AsRef<OsStr>) -> Vec<u16> {
    text.as_ref().encode_wide().chain([0]).collect()
}

/// NUL-terminated UTF-16 of a secret, in an allocation of exactly its size that is wiped.
pub(super) fn wide_secret(password: &Password) -> Zeroizing<Vec<u16>> {
    let text = password.expose();
    let mut units = Zeroizing::new(Vec::with_capacity(text.encode_utf16().count() + 1));
    units.extend(text.encode_utf16());
    units.push(0);
    units
}

/// The text in a buffer up to its first NUL, or all of it.
pub(super) fn narrow(buffer: &[u16]) -> OsString {
    let length = buffer
        .iter()
        .position(|unit| *unit == 0)
        .unwrap_or(buffer.len());
    OsString::from_wide(&buffer[..length])
}
