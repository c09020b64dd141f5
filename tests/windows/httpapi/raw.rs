//! The caller's structures, read within the length that was given, and answers laid out in the
//! caller's buffer.

use std::ptr;
use std::slice;

use windows_sys::Win32::Networking::WinSock::{AF_INET, AF_INET6, SOCKADDR_IN, SOCKADDR_IN6};

use crate::kept::{Kept, Key, Kind, WINDOW, known_flags};

pub(crate) const INVALID_PARAMETER: u32 = 87;
pub(crate) const INSUFFICIENT_BUFFER: u32 = 122;

/// Sizes of `HTTP_SERVICE_CONFIG_SSL_SET`, `…_QUERY` and `…_QUERY_EX` of the three kinds on 64-bit
/// Windows, and where the parameters stand in the first.
pub(crate) struct Layout {
    pub set: usize,
    pub query: usize,
    pub query_ex: usize,
    pub param: usize,
}

impl Layout {
    pub(crate) fn of(kind: Kind) -> Self {
        match kind {
            Kind::Address => Self {
                set: 88,
                query: 24,
                query_ex: 144,
                param: 8,
            },
            Kind::Name => Self {
                set: 216,
                query: 152,
                query_ex: 152,
                param: 136,
            },
            Kind::Central => Self {
                set: 208,
                query: 144,
                query_ex: 144,
                param: 128,
            },
        }
    }
}

/// The bytes of a structure of exactly this size.
pub(crate) unsafe fn structure<'a>(
    start: *const u8,
    length: u32,
    wanted: usize,
) -> Result<&'a [u8], u32> {
    if start.is_null() || length as usize != wanted || !start.addr().is_multiple_of(8) {
        return Err(INVALID_PARAMETER);
    }
    Ok(unsafe { slice::from_raw_parts(start, wanted) })
}

pub(crate) fn number(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

fn pointer<T>(bytes: &[u8], at: usize) -> *const T {
    ptr::with_exposed_provenance(u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap()) as usize)
}

/// What stands in `KeyDesc`.
pub(crate) unsafe fn key(kind: Kind, set: &[u8]) -> Result<Key, u32> {
    let everywhere = |bytes: &[u8]| match address(bytes) {
        Some((ip, port)) if ip == [0; 4] && bytes[8..128].iter().all(|byte| *byte == 0) => Ok(port),
        _ => Err(INVALID_PARAMETER),
    };
    match kind {
        Kind::Address => {
            let start: *const u8 = pointer(set, 0);
            if start.is_null() {
                return Err(INVALID_PARAMETER);
            }
            let family = unsafe { start.cast::<u16>().read() };
            let length = if family == AF_INET6 {
                size_of::<SOCKADDR_IN6>()
            } else {
                size_of::<SOCKADDR_IN>()
            };
            let (ip, port) = address(unsafe { slice::from_raw_parts(start, length) })
                .ok_or(INVALID_PARAMETER)?;
            Ok(Key {
                ip,
                host: String::new(),
                port,
            })
        }
        Kind::Name => {
            let host = unsafe { text(pointer(set, 128)) }?.ok_or(INVALID_PARAMETER)?;
            if host.is_empty() || host.contains(':') {
                return Err(INVALID_PARAMETER);
            }
            // http.sys compares names without case and keeps them in lower case.
            Ok(Key {
                ip: Vec::new(),
                host: host.to_lowercase(),
                port: everywhere(&set[..128])?,
            })
        }
        Kind::Central => Ok(Key {
            ip: Vec::new(),
            host: String::new(),
            port: everywhere(&set[..128])?,
        }),
    }
}

fn address(bytes: &[u8]) -> Option<(Vec<u8>, u16)> {
    let port = u16::from_be_bytes([bytes[2], bytes[3]]);
    let ip = match u16::from_le_bytes([bytes[0], bytes[1]]) {
        AF_INET => bytes[4..8].to_vec(),
        AF_INET6 => bytes[8..24].to_vec(),
        _ => return None,
    };
    (port != 0).then_some((ip, port))
}

unsafe fn text(start: *const u16) -> Result<Option<String>, u32> {
    if start.is_null() {
        return Ok(None);
    }
    let units: Vec<u16> = (0..)
        .map(|i| unsafe { *start.add(i) })
        .take_while(|unit| *unit != 0)
        .collect();
    String::from_utf16(&units)
        .map(Some)
        .map_err(|_| INVALID_PARAMETER)
}

/// What stands in `ParamDesc`, as a record of that key.
pub(crate) unsafe fn kept(kind: Kind, key: Key, param: &[u8]) -> Result<Kept, u32> {
    let length = number(param, 0) as usize;
    let start: *const u8 = pointer(param, 8);
    // A Central Certificate Store has no certificate of its own; every other record has the hash of
    // one.
    let hash = match (kind, length, start.is_null()) {
        (Kind::Central, 0, true) => Vec::new(),
        (Kind::Address | Kind::Name, 20, false) => {
            unsafe { slice::from_raw_parts(start, length) }.to_vec()
        }
        _ => return Err(INVALID_PARAMETER),
    };
    let store = unsafe { text(pointer(param, 32)) }?;
    let names_store = kind != Kind::Name || store.as_ref().is_some_and(|store| !store.is_empty());
    if !names_store || number(param, 72) & !known_flags() != 0 {
        return Err(INVALID_PARAMETER);
    }
    Ok(Kept {
        kind,
        key,
        hash,
        app_id: param[16..32].to_vec(),
        store,
        numbers: [
            number(param, 40),
            number(param, 44),
            number(param, 48),
            number(param, 72),
        ],
        ctl_identifier: unsafe { text(pointer(param, 56)) }?,
        ctl_store: unsafe { text(pointer(param, 64)) }?,
        window: WINDOW,
    })
}

/// The caller's buffer.
pub(crate) struct Output {
    pub start: *mut u8,
    pub room: u32,
    pub size: *mut u32,
}

/// Lays a property of a record out: every record has them, if only with what it begins with.
pub(crate) unsafe fn answer_property(
    kept: &Kept,
    property: u32,
    output: &Output,
) -> Result<(), u32> {
    let key = if kept.kind == Kind::Name { 136 } else { 128 };
    let mut bytes = vec![0_u8; key + 32];
    let address = storage(&kept.key);
    bytes[..address.len()].copy_from_slice(&address);
    let values: &[u32] = match property {
        0 => &[kept.window],
        1 => &[2_796_202, u32::MAX],
        _ => return Err(INVALID_PARAMETER),
    };
    bytes[key..key + 4].copy_from_slice(&property.to_le_bytes());
    for (value, at) in values.iter().zip([key + 16, key + 20]) {
        bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
    }
    let mut pointers = Vec::new();
    if kept.kind == Kind::Name {
        pointers.push((128, bytes.len()));
        bytes.extend(units(&kept.key.host));
    }
    unsafe { give(bytes, pointers, output) }
}

/// Lays a record out as Windows does: the structure first, then what it points to.
pub(crate) unsafe fn answer(kept: &Kept, output: &Output) -> Result<(), u32> {
    let layout = Layout::of(kept.kind);
    let mut bytes = vec![0_u8; layout.set];
    let mut pointers = Vec::new();
    let mut point = |bytes: &mut Vec<u8>, at: usize, what: &[u8]| {
        pointers.push((at, bytes.len()));
        bytes.extend_from_slice(what);
        bytes.resize(bytes.len().next_multiple_of(8), 0);
    };
    let address = storage(&kept.key);
    match kept.kind {
        Kind::Address => point(&mut bytes, 0, &address),
        Kind::Name | Kind::Central => bytes[..address.len()].copy_from_slice(&address),
    }
    if kept.kind == Kind::Name {
        point(&mut bytes, 128, &units(&kept.key.host));
    }
    let param = layout.param;
    bytes[param..param + 4].copy_from_slice(&(kept.hash.len() as u32).to_le_bytes());
    if !kept.hash.is_empty() {
        point(&mut bytes, param + 8, &kept.hash);
    }
    bytes[param + 16..param + 32].copy_from_slice(&kept.app_id);
    for (at, text) in [
        (32, &kept.store),
        (56, &kept.ctl_identifier),
        (64, &kept.ctl_store),
    ] {
        text.iter()
            .for_each(|text| point(&mut bytes, param + at, &units(text)));
    }
    for (at, number) in [40, 44, 48, 72].into_iter().zip(kept.numbers) {
        bytes[param + at..param + at + 4].copy_from_slice(&number.to_le_bytes());
    }
    unsafe { give(bytes, pointers, output) }
}

unsafe fn give(
    mut bytes: Vec<u8>,
    pointers: Vec<(usize, usize)>,
    output: &Output,
) -> Result<(), u32> {
    unsafe { output.size.write(bytes.len() as u32) };
    if output.start.is_null() || (output.room as usize) < bytes.len() {
        return Err(INSUFFICIENT_BUFFER);
    }
    for (at, target) in pointers {
        let target = (output.start.expose_provenance() + target) as u64;
        bytes[at..at + 8].copy_from_slice(&target.to_le_bytes());
    }
    unsafe {
        output
            .start
            .copy_from_nonoverlapping(bytes.as_ptr(), bytes.len())
    };
    Ok(())
}

fn units(text: &str) -> Vec<u8> {
    text.encode_utf16()
        .chain([0])
        .flat_map(u16::to_le_bytes)
        .collect()
}

/// `SOCKADDR_IN`, or `SOCKADDR_IN6` where the address has sixteen bytes.
fn storage(key: &Key) -> Vec<u8> {
    let ip: &[u8] = if key.ip.is_empty() { &[0; 4] } else { &key.ip };
    let port = key.port.to_be_bytes();
    if ip.len() == 4 {
        [&AF_INET.to_le_bytes()[..], &port, ip, &[0; 8]].concat()
    } else {
        [&AF_INET6.to_le_bytes()[..], &port, &[0; 4], ip, &[0; 4]].concat()
    }
}
