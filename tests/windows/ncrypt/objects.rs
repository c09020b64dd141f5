//! What the caller holds: providers, keys, keys that are not final, and blocks of memory. A handle
//! that is not held, or is held no more, is refused.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use windows_sys::Win32::Security::Cryptography::NCryptKeyName;

use crate::key::Key;
use crate::raw::Status;

/// What a handle stands for.
#[derive(Clone)]
pub(crate) enum Object {
    Provider,
    Key(Key),
    Pending(Pending),
}

/// A key that was imported and not finalized.
#[derive(Clone)]
pub(crate) struct Pending {
    pub key: Key,
}

static HELD: Mutex<BTreeMap<usize, Object>> = Mutex::new(BTreeMap::new());
static BLOCKS: Mutex<BTreeMap<usize, Box<[u64]>>> = Mutex::new(BTreeMap::new());

fn locked<T>(mutex: &'static Mutex<T>) -> MutexGuard<'static, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn add(object: Object) -> usize {
    let mut held = locked(&HELD);
    let handle = held
        .last_key_value()
        .map_or(0x1000, |(handle, _)| handle + 8);
    held.insert(handle, object);
    handle
}

pub(crate) fn get(handle: usize) -> Result<Object, Status> {
    locked(&HELD)
        .get(&handle)
        .cloned()
        .ok_or(Status::INVALID_HANDLE)
}

pub(crate) fn provider(handle: usize) -> Result<(), Status> {
    if matches!(get(handle)?, Object::Provider) {
        Ok(())
    } else {
        Err(Status::INVALID_HANDLE)
    }
}

pub(crate) fn key(handle: usize) -> Result<Key, Status> {
    match get(handle)? {
        Object::Key(key) => Ok(key),
        Object::Pending(_) => Err(Status::BAD_KEY_STATE),
        Object::Provider => Err(Status::INVALID_HANDLE),
    }
}

pub(crate) fn with_pending(
    handle: usize,
    change: impl FnOnce(&mut Key) -> Result<(), Status>,
) -> Result<(), Status> {
    match locked(&HELD).get_mut(&handle) {
        Some(Object::Pending(pending)) => change(&mut pending.key),
        _ => Err(Status::INVALID_HANDLE),
    }
}

pub(crate) fn finalize(handle: usize) -> Result<(), Status> {
    let Object::Pending(Pending { key }) = get(handle)? else {
        return Err(Status::INVALID_HANDLE);
    };
    key.save()?;
    locked(&HELD).insert(handle, Object::Key(key));
    Ok(())
}

pub(crate) fn free(handle: usize) -> Result<(), Status> {
    locked(&HELD)
        .remove(&handle)
        .map(|_| ())
        .ok_or(Status::INVALID_HANDLE)
}

/// A block that the caller frees.
pub(crate) fn block(words: &[u64]) -> *mut u64 {
    let mut block: Box<[u64]> = words.into();
    let start = block.as_mut_ptr();
    locked(&BLOCKS).insert(start.addr(), block);
    start
}

/// `NCryptKeyName` with its strings behind it; `legacy_spec` is 0 for keys that are CNG's own.
pub(crate) fn key_name(name: &str, legacy_spec: u32) -> *mut NCryptKeyName {
    let header = size_of::<NCryptKeyName>() / 8;
    let mut units: Vec<u16> = name.encode_utf16().chain([0]).collect();
    units.resize(units.len().next_multiple_of(4), 0);
    let packed = units.chunks(4).map(|four| {
        four.iter()
            .rev()
            .fold(0, |word, unit| word << 16 | u64::from(*unit))
    });
    let words: Vec<u64> = vec![0; header].into_iter().chain(packed).collect();
    let start = block(&words);
    let strings = start.wrapping_add(header).cast::<u16>();
    let description = NCryptKeyName {
        pszName: strings,
        pszAlgid: strings,
        dwLegacyKeySpec: legacy_spec,
        dwFlags: 0x20,
    };
    let start = start.cast::<NCryptKeyName>();
    // SAFETY: the block begins with room for it.
    unsafe { start.write(description) };
    start
}

pub(crate) fn free_block(start: usize) -> Result<(), Status> {
    let freed = start == 0 || locked(&BLOCKS).remove(&start).is_some();
    if freed {
        Ok(())
    } else {
        Err(Status::INVALID_HANDLE)
    }
}
