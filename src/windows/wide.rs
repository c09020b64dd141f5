//! UTF-16 strings as Windows wants them, and back.

use std::ffi::{OsStr, OsString};
use std::os::windows::ffi::{OsStrExt, OsStringExt};

/// NUL-terminated UTF-16. Not for secrets: the copy is not wiped.
pub fn wide(text: impl AsRef<OsStr>) -> Vec<u16> {
    text.as_ref().encode_wide().chain([0]).collect()
}

/// The text in a buffer up to its first NUL, or all of it.
pub fn narrow(buffer: &[u16]) -> OsString {
    let length = buffer.iter().position(|unit| *unit == 0).unwrap_or(buffer.len());
    OsString::from_wide(&buffer[..length])
}
