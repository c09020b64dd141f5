//! A failed Windows call: which one, on what, and what Windows said.

use std::error::Error;
use std::fmt::{self, Display};
use std::io;

use windows_sys::core::BOOL;

#[derive(Debug)]
struct Failed {
    call: &'static str,
    object: String,
    source: io::Error,
}

impl Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.call, self.object, self.source)
    }
}

impl Error for Failed {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.source)
    }
}

/// The thread's last error, of a call that reports failure through it. Call it before anything
/// else.
pub(super) fn last_error(call: &'static str, object: impl Display) -> io::Error {
    named(call, object, io::Error::last_os_error())
}

/// The error of a call that returns a Win32 code or an HRESULT.
pub(super) fn coded(call: &'static str, object: impl Display, code: u32) -> io::Error {
    named(
        call,
        object,
        io::Error::from_raw_os_error(code.cast_signed()),
    )
}

/// `Ok` unless a call returned FALSE.
///
/// # Errors
/// [`last_error`].
pub(super) fn succeeded(
    returned: BOOL,
    call: &'static str,
    object: impl Display,
) -> io::Result<()> {
    if returned == 0 {
        return Err(last_error(call, object));
    }
    Ok(())
}

/// The code behind an error of this module, such as 5 for "access denied".
pub(super) fn code_of(error: &io::Error) -> Option<i32> {
    let named = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<Failed>());
    named.map_or(error.raw_os_error(), |failed| failed.source.raw_os_error())
}

/// The kind stays, so that callers can tell "not found" from "denied" without knowing Windows.
fn named(call: &'static str, object: impl Display, source: io::Error) -> io::Error {
    let kind = source.kind();
    io::Error::new(
        kind,
        Failed {
            call,
            object: object.to_string(),
            source,
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_the_call_and_the_object_and_keeps_its_kind() {
        let error = coded("RegGetValueW", "MachineGuid", 5);
        assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
        assert_eq!(code_of(&error), Some(5));
        assert!(
            error.to_string().starts_with("RegGetValueW MachineGuid: "),
            "{error}"
        );
    }
}
