//! The answers of the certificate and key functions, as errors that name the call and the object.

use std::fmt::Display;
use std::io;

use windows_sys::core::{BOOL, HRESULT};

use crate::iis::{Code, WindowsError};

/// The thread's last error, of a call that reports failure through it. Call it before anything
/// else.
pub(super) fn last(call: &'static str, object: impl Display) -> WindowsError {
    let code = io::Error::last_os_error()
        .raw_os_error()
        .unwrap_or_default();
    WindowsError::new(call, object, Code(code.cast_unsigned()))
}

/// `Ok` unless a call returned FALSE.
pub(super) fn check(
    returned: BOOL,
    call: &'static str,
    object: impl Display,
) -> Result<(), WindowsError> {
    if returned == 0 {
        Err(last(call, object))
    } else {
        Ok(())
    }
}

/// `Ok` unless a call returned a `SECURITY_STATUS` other than success.
pub(super) fn status(
    returned: HRESULT,
    call: &'static str,
    object: impl Display,
) -> Result<(), WindowsError> {
    if returned == 0 {
        Ok(())
    } else {
        Err(WindowsError::new(
            call,
            object,
            Code(returned.cast_unsigned()),
        ))
    }
}

/// An answer that is not what its documentation says.
pub(super) fn nonsense(call: &'static str, object: impl Display) -> WindowsError {
    WindowsError::new(call, object, Code::INVALID_DATA)
}
