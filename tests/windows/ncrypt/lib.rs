//! A stand-in for `ncrypt.dll` under Wine, whose own has no keys that last: one software provider
//! with keys in files. It is strict where Windows is, and where Windows is lenient but its
//! documentation is not: a flag, a length or a buffer that this program should not pass is refused
//! with `NTE_INVALID_PARAMETER`, which no caller expects.
#![cfg(windows)]
#![allow(
    unsafe_code,
    clippy::disallowed_methods,
    clippy::multiple_unsafe_ops_per_block,
    clippy::undocumented_unsafe_blocks,
    clippy::missing_safety_doc,
    non_snake_case,
    missing_docs,
    reason = "it stands in for a library that is called with pointers; every contract is that library's"
)]

mod key;
mod objects;
mod raw;

use key::Key;
use objects::{Object, Pending};
use raw::{Status, text, write_all};
use windows_sys::Win32::Security::Cryptography::{
    BCRYPT_PKCS1_PADDING_INFO, BCryptBufferDesc, NCryptKeyName,
};

const SOFTWARE: &str = "Microsoft Software Key Storage Provider";
const MACHINE: u32 = 0x20;
const SILENT: u32 = 0x40;
const DO_NOT_FINALIZE: u32 = 0x400;
const PERSIST: u32 = 0x8000_0000;
const DACL: u32 = 4;
const PAD_PKCS1: u32 = 2;
const KEY_NAME: u32 = 45;
const SECRET: u32 = 46;
const ALGORITHM: u32 = 41;
const ALGORITHM_PARAMETERS: u32 = 42;

/// Runs one function: a status in either case.
fn answer(run: impl FnOnce() -> Result<(), Status>) -> i32 {
    run().err().map_or(0, |status| status.0.cast_signed())
}

/// Refuses a call that breaks the contract.
fn demand(holds: bool) -> Result<(), Status> {
    if holds {
        Ok(())
    } else {
        Err(Status::INVALID_PARAMETER)
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "system" fn NCryptOpenStorageProvider(
    out: *mut usize,
    name: *const u16,
    flags: u32,
) -> i32 {
    answer(|| {
        demand(!out.is_null() && flags == 0)?;
        if unsafe { text(name) }? != SOFTWARE {
            return Err(Status::NO_PROVIDER);
        }
        unsafe { out.write(objects::add(Object::Provider)) };
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "system" fn NCryptOpenKey(
    provider: usize,
    out: *mut usize,
    name: *const u16,
    legacy_spec: u32,
    flags: u32,
) -> i32 {
    answer(|| {
        objects::provider(provider)?;
        demand(
            !out.is_null()
                && legacy_spec == 0
                && flags & !(MACHINE | SILENT) == 0
                && flags & SILENT != 0,
        )?;
        let key = Key::load(&unsafe { text(name) }?, flags & MACHINE != 0)?;
        unsafe { out.write(objects::add(Object::Key(key))) };
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "system" fn NCryptImportKey(
    provider: usize,
    import_key: usize,
    kind: *const u16,
    list: *const BCryptBufferDesc,
    out: *mut usize,
    data: *const u8,
    length: u32,
    flags: u32,
) -> i32 {
    answer(|| {
        objects::provider(provider)?;
        demand(import_key == 0 && !out.is_null() && unsafe { text(kind) }? == "PKCS8_PRIVATEKEY")?;
        demand(flags & SILENT != 0 && flags & !(MACHINE | SILENT) == DO_NOT_FINALIZE)?;
        let [name] = unsafe { raw::parameters(list, [KEY_NAME]) }?;
        let name = raw::text_in(&name)?;
        let key = Key::new(name, flags & MACHINE != 0, unsafe {
            raw::bytes(data, length)
        }?)?;
        if key.exists() {
            return Err(Status::EXISTS);
        }
        unsafe { out.write(objects::add(Object::Pending(Pending { key }))) };
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "system" fn NCryptSetProperty(
    object: usize,
    name: *const u16,
    value: *const u8,
    length: u32,
    flags: u32,
) -> i32 {
    answer(|| {
        let name = unsafe { text(name) }?;
        let value = unsafe { raw::bytes(value, length) }?;
        objects::with_pending(object, |key| match name.as_str() {
            "Export Policy" => {
                demand(flags == PERSIST)?;
                key.policy =
                    u32::from_le_bytes(value.try_into().map_err(|_| Status::INVALID_PARAMETER)?);
                demand(key.policy & !3 == 0)
            }
            "Security Descr" => {
                // Revision 1, self-relative, with a DACL.
                demand(
                    flags == DACL | PERSIST
                        && value.len() > 20
                        && value[0] == 1
                        && value[3] & 0x80 != 0,
                )?;
                key.descriptor = value.to_vec();
                Ok(())
            }
            _ => Err(Status::NOT_SUPPORTED),
        })
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "system" fn NCryptFinalizeKey(object: usize, flags: u32) -> i32 {
    answer(|| {
        demand(flags == SILENT)?;
        objects::finalize(object)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "system" fn NCryptGetProperty(
    object: usize,
    name: *const u16,
    output: *mut u8,
    room: u32,
    size: *mut u32,
    flags: u32,
) -> i32 {
    answer(|| {
        let name = unsafe { text(name) }?;
        let value = match (objects::get(object)?, name.as_str()) {
            (Object::Provider, "Impl Type") => 2_u32.to_le_bytes().to_vec(),
            (Object::Key(key), "Export Policy") => key.policy.to_le_bytes().to_vec(),
            // As `certutil -v -key` shows it (tests/windows/forms).
            (Object::Key(key), "Virtual Iso") => {
                u32::from(key.is_isolated()).to_le_bytes().to_vec()
            }
            // 0 for a user's (`NCRYPT_KEY_TYPE_PROPERTY`).
            (Object::Key(key), "Key Type") => (u32::from(key.is_machine()) * MACHINE)
                .to_le_bytes()
                .to_vec(),
            (Object::Key(key), "Security Descr") => {
                demand(flags & DACL != 0)?;
                key.descriptor
            }
            _ => return Err(Status::NOT_SUPPORTED),
        };
        unsafe { write_all(&value, output, room, size) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "system" fn NCryptExportKey(
    object: usize,
    export_key: usize,
    kind: *const u16,
    list: *const BCryptBufferDesc,
    output: *mut u8,
    room: u32,
    size: *mut u32,
    flags: u32,
) -> i32 {
    answer(|| {
        let key = objects::key(object)?;
        demand(export_key == 0 && flags & !SILENT == 0)?;
        let exported = match unsafe { text(kind) }?.as_str() {
            "PUBLICBLOB" => key.public_blob()?,
            "PKCS8_PRIVATEKEY" if list.is_null() => key.plain()?,
            "PKCS8_PRIVATEKEY" => {
                let wanted = [SECRET, ALGORITHM, ALGORITHM_PARAMETERS];
                let [secret, algorithm, parameters] = unsafe { raw::parameters(list, wanted) }?;
                demand(algorithm == b"1.2.840.113549.1.12.1.3\0")?;
                key.encrypted(&raw::text_in(&secret)?, &parameters)?
            }
            _ => return Err(Status::NOT_SUPPORTED),
        };
        unsafe { write_all(&exported, output, room, size) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "system" fn NCryptSignHash(
    object: usize,
    padding: *const BCRYPT_PKCS1_PADDING_INFO,
    hash: *const u8,
    length: u32,
    output: *mut u8,
    room: u32,
    size: *mut u32,
    flags: u32,
) -> i32 {
    answer(|| {
        let key = objects::key(object)?;
        demand(length == 32)?;
        if key.is_rsa() {
            demand(flags == PAD_PKCS1 | SILENT && !padding.is_null())?;
            demand(unsafe { text((*padding).pszAlgId) }? == "SHA256")?;
        } else {
            demand(flags == SILENT && padding.is_null())?;
        }
        let signature = key.sign(unsafe { raw::bytes(hash, length) }?)?;
        unsafe { write_all(&signature, output, room, size) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "system" fn NCryptEnumKeys(
    provider: usize,
    scope: *const u16,
    out: *mut *mut NCryptKeyName,
    state: *mut *mut core::ffi::c_void,
    flags: u32,
) -> i32 {
    answer(|| {
        objects::provider(provider)?;
        demand(scope.is_null() && !out.is_null() && !state.is_null() && flags == MACHINE | SILENT)?;
        // The place in the list, in a block of its own, as Windows keeps it.
        let place = unsafe { state.read() };
        let place = if place.is_null() {
            objects::block(&[0])
        } else {
            place.cast::<u64>()
        };
        unsafe { state.write(place.cast()) };
        let at = unsafe { place.read() };
        let names = Key::names()?;
        let name = match names.get(at as usize) {
            Some(name) => objects::key_name(name, 0),
            // After them those of the older interface, under their names there: `AT_KEYEXCHANGE`.
            None if at as usize == names.len() => objects::key_name("kept by CryptoAPI", 1),
            None => return Err(Status::NO_MORE_ITEMS),
        };
        unsafe { place.write(at + 1) };
        unsafe { out.write(name) };
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "system" fn NCryptFreeBuffer(block: *mut core::ffi::c_void) -> i32 {
    answer(|| objects::free_block(block.addr()))
}

#[unsafe(no_mangle)]
pub unsafe extern "system" fn NCryptFreeObject(object: usize) -> i32 {
    answer(|| objects::free(object))
}

#[unsafe(no_mangle)]
pub unsafe extern "system" fn NCryptDeleteKey(object: usize, flags: u32) -> i32 {
    answer(|| {
        demand(flags == SILENT)?;
        objects::key(object)?.delete()?;
        objects::free(object)
    })
}
