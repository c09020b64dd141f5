//! Single values of the registry under HKEY_LOCAL_MACHINE.

use std::ffi::c_void;
use std::io;
use std::ptr;

use windows_sys::Win32::Foundation::ERROR_SUCCESS;
use windows_sys::Win32::System::Registry::{
    HKEY_LOCAL_MACHINE, REG_DWORD, REG_EXPAND_SZ, RRF_RT_REG_SZ, RegGetValueW, RegSetKeyValueW,
};

use super::call;
use super::wide::{narrow, wide};

/// Longest value this program asks for, in UTF-16 units.
const LONGEST: usize = 512;

/// A text value (`RegGetValueW`).
///
/// # Errors
/// What Windows says; a missing key or value is `NotFound`.
pub fn text(key: &str, name: &str) -> io::Result<String> {
    let mut buffer = [0_u16; LONGEST];
    let mut size = size_of_val(&buffer) as u32;
    let (wide_key, wide_name) = (wide(key), wide(name));
    // SAFETY: both names end in NUL; the buffer holds `size` bytes; the type is not asked for.
    let code = unsafe {
        RegGetValueW(
            HKEY_LOCAL_MACHINE,
            wide_key.as_ptr(),
            wide_name.as_ptr(),
            RRF_RT_REG_SZ,
            ptr::null_mut(),
            buffer.as_mut_ptr().cast::<c_void>(),
            &raw mut size,
        )
    };
    if code != ERROR_SUCCESS {
        return Err(call::coded("RegGetValueW", format_args!("{key}\\{name}"), code));
    }
    Ok(narrow(&buffer).to_string_lossy().into_owned())
}

/// Writes a path with variables in it; makes the key if it is missing.
///
/// # Errors
/// What Windows says.
pub fn set_path(key: &str, name: &str, path: &str) -> io::Result<()> {
    let bytes: Vec<u8> = wide(path).into_iter().flat_map(u16::to_le_bytes).collect();
    set(key, name, REG_EXPAND_SZ, &bytes)
}

/// Writes a number; makes the key if it is missing.
///
/// # Errors
/// What Windows says.
pub fn set_number(key: &str, name: &str, number: u32) -> io::Result<()> {
    set(key, name, REG_DWORD, &number.to_le_bytes())
}

/// `RegSetKeyValueW`.
fn set(key: &str, name: &str, kind: u32, bytes: &[u8]) -> io::Result<()> {
    let (wide_key, wide_name) = (wide(key), wide(name));
    let size = bytes.len() as u32;
    // SAFETY: both names end in NUL; the value holds `size` bytes.
    let code = unsafe {
        RegSetKeyValueW(
            HKEY_LOCAL_MACHINE,
            wide_key.as_ptr(),
            wide_name.as_ptr(),
            kind,
            bytes.as_ptr().cast::<c_void>(),
            size,
        )
    };
    if code != ERROR_SUCCESS {
        return Err(call::coded("RegSetKeyValueW", format_args!("{key}\\{name}"), code));
    }
    Ok(())
}
