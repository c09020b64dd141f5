//! Pointers of the caller, read and written within what the caller said of them.

use std::slice;

use windows_sys::Win32::Security::Cryptography::BCryptBufferDesc;

/// A `SECURITY_STATUS` that is no success.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Status(pub u32);

impl Status {
    pub(crate) const BAD_DATA: Self = Self(0x8009_0005);
    pub(crate) const BAD_KEY_STATE: Self = Self(0x8009_000B);
    pub(crate) const EXISTS: Self = Self(0x8009_000F);
    pub(crate) const BAD_KEYSET: Self = Self(0x8009_0016);
    pub(crate) const NO_PROVIDER: Self = Self(0x8009_0019);
    pub(crate) const INVALID_HANDLE: Self = Self(0x8009_0026);
    pub(crate) const INVALID_PARAMETER: Self = Self(0x8009_0027);
    pub(crate) const BUFFER_TOO_SMALL: Self = Self(0x8009_0028);
    pub(crate) const NOT_SUPPORTED: Self = Self(0x8009_0029);
    pub(crate) const NO_MORE_ITEMS: Self = Self(0x8009_002A);
}

/// A NUL-terminated string.
pub(crate) unsafe fn text(start: *const u16) -> Result<String, Status> {
    if start.is_null() {
        return Err(Status::INVALID_PARAMETER);
    }
    let units: Vec<u16> = (0..)
        .map(|i| unsafe { *start.add(i) })
        .take_while(|unit| *unit != 0)
        .collect();
    String::from_utf16(&units).map_err(|_| Status::INVALID_PARAMETER)
}

/// A string in a buffer: its NUL is its last unit and its only one.
pub(crate) fn text_in(bytes: &[u8]) -> Result<String, Status> {
    let (units, rest) = bytes.as_chunks::<2>();
    let units: Vec<u16> = units.iter().map(|unit| u16::from_le_bytes(*unit)).collect();
    match units.split_last() {
        Some((0, name)) if rest.is_empty() && !name.contains(&0) && !name.is_empty() => {
            String::from_utf16(name).map_err(|_| Status::INVALID_PARAMETER)
        }
        _ => Err(Status::INVALID_PARAMETER),
    }
}

/// A buffer of the caller's.
pub(crate) unsafe fn bytes<'a>(start: *const u8, length: u32) -> Result<&'a [u8], Status> {
    if start.is_null() || length == 0 {
        return Err(Status::INVALID_PARAMETER);
    }
    Ok(unsafe { slice::from_raw_parts(start, length as usize) })
}

/// A list of exactly these typed buffers, in this order.
pub(crate) unsafe fn parameters<const N: usize>(
    list: *const BCryptBufferDesc,
    wanted: [u32; N],
) -> Result<[Vec<u8>; N], Status> {
    let list = unsafe { list.as_ref() }.ok_or(Status::INVALID_PARAMETER)?;
    if list.ulVersion != 0 || list.cBuffers as usize != N || list.pBuffers.is_null() {
        return Err(Status::INVALID_PARAMETER);
    }
    let buffers = unsafe { slice::from_raw_parts(list.pBuffers, N) };
    let mut found = [const { Vec::new() }; N];
    for ((buffer, wanted), found) in buffers.iter().zip(wanted).zip(&mut found) {
        if buffer.BufferType != wanted {
            return Err(Status::INVALID_PARAMETER);
        }
        *found = unsafe { bytes(buffer.pvBuffer.cast::<u8>(), buffer.cbBuffer) }?.to_vec();
    }
    Ok(found)
}

/// The answer of a call that is made twice: without room only the size.
pub(crate) unsafe fn write_all(
    value: &[u8],
    output: *mut u8,
    room: u32,
    size: *mut u32,
) -> Result<(), Status> {
    if size.is_null() || (output.is_null() && room != 0) {
        return Err(Status::INVALID_PARAMETER);
    }
    unsafe { size.write(value.len() as u32) };
    match output.is_null() {
        true => Ok(()),
        false if (room as usize) < value.len() => Err(Status::BUFFER_TOO_SMALL),
        false => {
            unsafe { output.copy_from_nonoverlapping(value.as_ptr(), value.len()) };
            Ok(())
        }
    }
}
