//! A stand-in for `httpapi.dll` under Wine, whose own keeps nothing and says that it did: records
//! of http.sys in a file. It is strict where Windows is: lengths of structures, one record an
//! endpoint, a certificate that the machine's store holds with a link to its key, a store for a host
//! name ("Required for Hostname based configurations", netsh http add sslcert), and flags that http.h
//! names (tpn/winsdk-10, 10.0.14393: 0xB; win32metadata for the newest).
//!
//! Where the file `httpapi-is-old` lies beside the records it does as Windows Server 2016, which
//! cannot replace a record. The file `httpapi-fails-at` holds the number of the write that fails.
#![cfg(windows)]
#![allow(
    unsafe_code,
    clippy::disallowed_methods,
    clippy::multiple_unsafe_ops_per_block,
    clippy::undocumented_unsafe_blocks,
    clippy::missing_safety_doc,
    clippy::unwrap_used,
    non_snake_case,
    missing_docs,
    reason = "it stands in for a library that is called with pointers; every contract is that library's"
)]

mod kept;
mod machine;
mod raw;

use std::ffi::c_void;

use kept::{Kept, Kind};
use raw::{INVALID_PARAMETER, Layout, Output};

const SUCCESS: u32 = 0;
const FILE_NOT_FOUND: u32 = 2;
const ALREADY_EXISTS: u32 = 183;
const NO_MORE_ITEMS: u32 = 259;
const CALL_NOT_IMPLEMENTED: u32 = 120;
const NO_SUCH_LOGON_SESSION: u32 = 1312;
const CONFIG: u32 = 2;

fn answer(run: impl FnOnce() -> Result<(), u32>) -> u32 {
    run().err().unwrap_or(SUCCESS)
}

fn demand(holds: bool, code: u32) -> Result<(), u32> {
    if holds { Ok(()) } else { Err(code) }
}

/// `HTTPAPI_VERSION` is passed in one register: the major version in its low half.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn HttpInitialize(
    version: u32,
    flags: u32,
    reserved: *const c_void,
) -> u32 {
    answer(|| {
        demand(
            [1, 2].contains(&version) && flags == CONFIG && reserved.is_null(),
            INVALID_PARAMETER,
        )
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "system" fn HttpTerminate(flags: u32, reserved: *const c_void) -> u32 {
    answer(|| demand(flags == CONFIG && reserved.is_null(), INVALID_PARAMETER))
}

#[unsafe(no_mangle)]
pub unsafe extern "system" fn HttpQueryServiceConfiguration(
    handle: *const c_void,
    id: i32,
    input: *const u8,
    length: u32,
    output: *mut u8,
    room: u32,
    size: *mut u32,
    overlapped: *const c_void,
) -> u32 {
    answer(|| {
        let property = Kind::of_property(id).filter(|_| !kept::is_old());
        let kind = property.or(Kind::of(id)).ok_or(INVALID_PARAMETER)?;
        demand(
            handle.is_null() && overlapped.is_null() && !size.is_null(),
            INVALID_PARAMETER,
        )?;
        demand(
            output.is_null() == (room == 0) && output.addr().is_multiple_of(8),
            INVALID_PARAMETER,
        )?;
        let Layout {
            query, query_ex, ..
        } = Layout::of(kind);
        let query_size = if property.is_some() { query_ex } else { query };
        let query = unsafe { raw::structure(input, length, query_size) }?;
        let token = raw::number(query, query_size - 8);
        let records: Vec<Kept> = kept::all()?
            .into_iter()
            .filter(|kept| kept.kind == kind)
            .collect();
        let output = Output {
            start: output,
            room,
            size,
        };
        if property.is_some() {
            demand(raw::number(query, 0) == 1, INVALID_PARAMETER)?;
            let found = records.get(token as usize).ok_or(NO_MORE_ITEMS)?;
            return unsafe {
                raw::answer_property(found, raw::number(query, query_size - 4), &output)
            };
        }
        let found = match raw::number(query, 0) {
            0 => {
                let key = unsafe { raw::key(kind, &query[8..]) }?;
                records
                    .iter()
                    .find(|kept| kept.key == key)
                    .ok_or(FILE_NOT_FOUND)?
            }
            1 => records.get(token as usize).ok_or(NO_MORE_ITEMS)?,
            _ => return Err(INVALID_PARAMETER),
        };
        unsafe { raw::answer(found, &output) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "system" fn HttpSetServiceConfiguration(
    handle: *const c_void,
    id: i32,
    config: *const u8,
    length: u32,
    overlapped: *const c_void,
) -> u32 {
    answer(|| {
        let new = unsafe { given(handle, id, config, length, overlapped) }?;
        let mut records = kept::all()?;
        demand(
            !records.iter().any(|kept| is_same(kept, &new)),
            ALREADY_EXISTS,
        )?;
        machine::has_certificate(&new)
            .then_some(())
            .ok_or(NO_SUCH_LOGON_SESSION)?;
        records.push(new);
        kept::keep(&records)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "system" fn HttpUpdateServiceConfiguration(
    handle: *const c_void,
    id: i32,
    config: *const u8,
    length: u32,
    overlapped: *const c_void,
) -> u32 {
    answer(|| {
        demand(!kept::is_old(), CALL_NOT_IMPLEMENTED)?;
        let new = unsafe { given(handle, id, config, length, overlapped) }?;
        let mut records = kept::all()?;
        let there = records
            .iter_mut()
            .find(|kept| is_same(kept, &new))
            .ok_or(FILE_NOT_FOUND)?;
        machine::has_certificate(&new)
            .then_some(())
            .ok_or(NO_SUCH_LOGON_SESSION)?;
        *there = new;
        kept::keep(&records)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "system" fn HttpDeleteServiceConfiguration(
    handle: *const c_void,
    id: i32,
    config: *const u8,
    length: u32,
    overlapped: *const c_void,
) -> u32 {
    answer(|| {
        let kind = Kind::of(id).ok_or(INVALID_PARAMETER)?;
        demand(handle.is_null() && overlapped.is_null(), INVALID_PARAMETER)?;
        let set = unsafe { raw::structure(config, length, Layout::of(kind).set) }?;
        let key = unsafe { raw::key(kind, set) }?;
        let mut records = kept::all()?;
        let before = records.len();
        records.retain(|kept| kept.kind != kind || kept.key != key);
        demand(records.len() < before, FILE_NOT_FOUND)?;
        kept::keep(&records)
    })
}

unsafe fn given(
    handle: *const c_void,
    id: i32,
    config: *const u8,
    length: u32,
    overlapped: *const c_void,
) -> Result<Kept, u32> {
    let kind = Kind::of(id).ok_or(INVALID_PARAMETER)?;
    demand(handle.is_null() && overlapped.is_null(), INVALID_PARAMETER)?;
    let layout = Layout::of(kind);
    let set = unsafe { raw::structure(config, length, layout.set) }?;
    let key = unsafe { raw::key(kind, set) }?;
    unsafe { raw::kept(kind, key, &set[layout.param..]) }
}

fn is_same(a: &Kept, b: &Kept) -> bool {
    a.kind == b.kind && a.key == b.key
}
