//! Memory that Windows allocated and the caller frees.

use std::ffi::{OsString, c_void};
use std::slice;

use windows_sys::Win32::Foundation::LocalFree;
use windows_sys::Win32::Globalization::lstrlenW;
use windows_sys::Win32::NetworkManagement::NetManagement::NetApiBufferFree;
use windows_sys::Win32::System::Com::CoTaskMemFree;

use super::wide::narrow;

/// A block from `LocalAlloc`, freed on drop. Null is an empty block.
pub(super) struct Local<T>(pub *mut T);

impl<T> Drop for Local<T> {
    fn drop(&mut self) {
        // SAFETY: the pointer came from LocalAlloc or is null, and nothing else owns it. What
        // cannot be freed stays.
        unsafe { LocalFree(self.0.cast::<c_void>()) };
    }
}

/// A block from `CoTaskMemAlloc`, freed on drop. Null is an empty block.
pub(super) struct CoTask<T>(pub *mut T);

impl<T> Drop for CoTask<T> {
    fn drop(&mut self) {
        // SAFETY: the pointer came from CoTaskMemAlloc or is null, and nothing else owns it.
        // Nothing is returned.
        unsafe { CoTaskMemFree(self.0.cast::<c_void>()) };
    }
}

/// A block that a function of `netapi32.dll` returned, freed on drop. Null is an empty block.
pub(super) struct NetApi<T>(pub *mut T);

impl<T> Drop for NetApi<T> {
    fn drop(&mut self) {
        // SAFETY: the pointer came from such a function or is null, and nothing else owns it. What
        // cannot be freed stays.
        unsafe { NetApiBufferFree(self.0.cast::<c_void>()) };
    }
}

impl Local<u16> {
    /// The NUL-terminated string in it.
    pub(super) fn text(&self) -> OsString {
        text_at(self.0)
    }
}

impl CoTask<u16> {
    /// The NUL-terminated string in it.
    pub(super) fn text(&self) -> OsString {
        text_at(self.0)
    }
}

/// A NUL-terminated string of Windows, in a block that is still there. Null is an empty string.
pub(super) fn text_at(start: *const u16) -> OsString {
    // SAFETY: only called for strings of Windows, which end in NUL inside their block; null has no
    // length.
    let length = unsafe { lstrlenW(start) };
    if length == 0 {
        return OsString::new();
    }
    // SAFETY: `length` units were just read from the same block, which outlives this function.
    narrow(unsafe { slice::from_raw_parts(start, length.unsigned_abs() as usize) })
}
