//! Values of the registry: single ones of the machine or of the running user, and whatever texts a
//! key holds.

use std::ffi::c_void;
use std::io;
use std::ptr;

use windows_sys::Win32::Foundation::{ERROR_MORE_DATA, ERROR_SUCCESS};
use windows_sys::Win32::System::Registry::{
    HKEY, HKEY_CURRENT_USER, HKEY_LOCAL_MACHINE, HKEY_USERS, KEY_READ, REG_DWORD, REG_EXPAND_SZ,
    REG_MULTI_SZ, REG_SZ, RRF_RT_REG_BINARY, RRF_RT_REG_DWORD, RRF_RT_REG_SZ, RegCloseKey,
    RegEnumKeyExW, RegEnumValueW, RegGetValueW, RegOpenKeyExW, RegSetKeyValueW,
};

use super::call;
use super::wide::{narrow, wide};

/// Longest value this program asks for, in UTF-16 units.
const LONGEST: usize = 512;
/// Longest bytes that are read: the list of public roots has about 200 KiB.
const LONGEST_BYTES: usize = 4 << 20;
/// Longest text of a key that is read whole, in UTF-16 units: the longest path.
const LONGEST_DATA: usize = 32_768;
/// Entries of one key that are looked at.
const MOST: u32 = 10_000;

/// A text value (`RegGetValueW`).
///
/// # Errors
/// What Windows says; a missing key or value is `NotFound`.
pub(super) fn text(key: &str, name: &str) -> io::Result<String> {
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
        return Err(call::coded(
            "RegGetValueW",
            format_args!("{key}\\{name}"),
            code,
        ));
    }
    Ok(narrow(&buffer).to_string_lossy().into_owned())
}

/// Bytes of the machine; `None` where they are not there, or more than a list of roots has.
pub(super) fn bytes(key: &str, name: &str) -> Option<Vec<u8>> {
    let mut buffer = vec![0_u8; LONGEST_BYTES];
    let mut size = LONGEST_BYTES as u32;
    let (wide_key, wide_name) = (wide(key), wide(name));
    // SAFETY: both names end in NUL; the buffer holds `size` bytes; the type is not asked for.
    let code = unsafe {
        RegGetValueW(
            HKEY_LOCAL_MACHINE,
            wide_key.as_ptr(),
            wide_name.as_ptr(),
            RRF_RT_REG_BINARY,
            ptr::null_mut(),
            buffer.as_mut_ptr().cast::<c_void>(),
            &raw mut size,
        )
    };
    buffer.truncate(size as usize);
    (code == ERROR_SUCCESS).then_some(buffer)
}

/// A number of the machine; `None` where it is not there.
pub(super) fn number(key: &str, name: &str) -> Option<u32> {
    number_of(HKEY_LOCAL_MACHINE, key, name)
}

/// A number of the user whom this process runs as; `None` where it is not there.
pub(super) fn own_number(key: &str, name: &str) -> Option<u32> {
    number_of(HKEY_CURRENT_USER, key, name)
}

/// `RegGetValueW`.
fn number_of(root: HKEY, key: &str, name: &str) -> Option<u32> {
    let mut value = 0_u32;
    let mut size = size_of_val(&value) as u32;
    let (wide_key, wide_name) = (wide(key), wide(name));
    let (kind, to, size) = (
        RRF_RT_REG_DWORD,
        ptr::from_mut(&mut value).cast::<c_void>(),
        &raw mut size,
    );
    // SAFETY: both names end in NUL; the number has the size that is given; the type is not asked
    // for.
    let code = unsafe {
        RegGetValueW(
            root,
            wide_key.as_ptr(),
            wide_name.as_ptr(),
            kind,
            ptr::null_mut(),
            to,
            size,
        )
    };
    (code == ERROR_SUCCESS).then_some(value)
}

/// An open key, for reading; closed on drop.
pub(super) struct RegistryKey(HKEY);

impl RegistryKey {
    /// A key of the machine; `None` where it is not there or not readable.
    pub(super) fn of_machine(path: &str) -> Option<Self> {
        Self::open(HKEY_LOCAL_MACHINE, path)
    }

    /// The settings of everybody whose profile is loaded now.
    pub(super) fn of_users() -> Option<Self> {
        Self::open(HKEY_USERS, "")
    }

    /// A key below this one.
    pub(super) fn below(&self, path: &str) -> Option<Self> {
        Self::open(self.0, path)
    }

    fn open(root: HKEY, path: &str) -> Option<Self> {
        let path = wide(path);
        let mut key = ptr::null_mut();
        // SAFETY: the root is open; the path ends in NUL; `key` takes a handle.
        let code = unsafe { RegOpenKeyExW(root, path.as_ptr(), 0, KEY_READ, &raw mut key) };
        (code == ERROR_SUCCESS).then_some(Self(key))
    }

    /// The keys directly below this one.
    pub(super) fn children(&self) -> Vec<Self> {
        self.children_with_names()
            .into_iter()
            .map(|(_, child)| child)
            .collect()
    }

    /// The keys directly below this one, with their names.
    pub(super) fn children_with_names(&self) -> Vec<(String, Self)> {
        let names = (0..MOST).map_while(|index| self.child_name(index));
        names
            .filter_map(|name| self.below(&name).map(|child| (name, child)))
            .collect()
    }

    fn child_name(&self, index: u32) -> Option<String> {
        let mut name = [0_u16; LONGEST];
        let mut length = LONGEST as u32;
        let (start, none) = (name.as_mut_ptr(), ptr::null_mut());
        // SAFETY: the key is open; the buffer holds `length` units; class and time are not asked
        // for.
        let code = unsafe {
            RegEnumKeyExW(
                self.0,
                index,
                start,
                &raw mut length,
                ptr::null(),
                none,
                ptr::null_mut(),
                ptr::null_mut(),
            )
        };
        (code == ERROR_SUCCESS).then(|| narrow(&name).to_string_lossy().into_owned())
    }

    /// The texts in this key with their names; a value of several lines is given line by line. What
    /// is no text, or larger than any path, is left out.
    pub(super) fn texts(&self) -> Vec<(String, String)> {
        (0..MOST)
            .map_while(|index| self.value(index))
            .flatten()
            .collect()
    }

    fn value(&self, index: u32) -> Option<Vec<(String, String)>> {
        let (mut name, mut data) = ([0_u16; LONGEST], vec![0_u16; LONGEST_DATA]);
        let (mut length, mut size) = (LONGEST as u32, size_of_val(data.as_slice()) as u32);
        let mut kind = 0;
        let (start, to) = (name.as_mut_ptr(), data.as_mut_ptr().cast::<u8>());
        // SAFETY: the key is open; both buffers are as large as said; the kind takes a number.
        let code = unsafe {
            RegEnumValueW(
                self.0,
                index,
                start,
                &raw mut length,
                ptr::null(),
                &raw mut kind,
                to,
                &raw mut size,
            )
        };
        match code {
            ERROR_SUCCESS if [REG_SZ, REG_EXPAND_SZ, REG_MULTI_SZ].contains(&kind) => {
                let name = narrow(&name).to_string_lossy().into_owned();
                let lines = data[..size as usize / size_of::<u16>()].split(|unit| *unit == 0);
                let lines = lines
                    .filter(|line| !line.is_empty())
                    .map(String::from_utf16_lossy);
                Some(lines.map(|line| (name.clone(), line)).collect())
            }
            ERROR_SUCCESS | ERROR_MORE_DATA => Some(Vec::new()),
            _ => None,
        }
    }
}

impl Drop for RegistryKey {
    fn drop(&mut self) {
        // SAFETY: opened by `open` and closed only here. What cannot be closed ends with the
        // process.
        unsafe { RegCloseKey(self.0) };
    }
}

/// Writes a path with variables in it; makes the key if it is missing.
///
/// # Errors
/// What Windows says.
pub(super) fn set_path(key: &str, name: &str, path: &str) -> io::Result<()> {
    let bytes: Vec<u8> = wide(path).into_iter().flat_map(u16::to_le_bytes).collect();
    set(key, name, REG_EXPAND_SZ, &bytes)
}

/// Writes a number; makes the key if it is missing.
///
/// # Errors
/// What Windows says.
pub(super) fn set_number(key: &str, name: &str, number: u32) -> io::Result<()> {
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
        return Err(call::coded(
            "RegSetKeyValueW",
            format_args!("{key}\\{name}"),
            code,
        ));
    }
    Ok(())
}
