//! Socket addresses as Windows lays them out, and those of this machine.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ptr;

use windows_sys::Win32::Foundation::{ERROR_BUFFER_OVERFLOW, ERROR_NO_DATA, ERROR_SUCCESS};
use windows_sys::Win32::NetworkManagement::IpHelper::{
    GAA_FLAG_SKIP_ANYCAST, GAA_FLAG_SKIP_DNS_SERVER, GAA_FLAG_SKIP_FRIENDLY_NAME,
    GAA_FLAG_SKIP_MULTICAST, GetAdaptersAddresses, IP_ADAPTER_ADDRESSES_LH,
    IP_ADAPTER_UNICAST_ADDRESS_LH,
};
use windows_sys::Win32::Networking::WinSock::{
    AF_INET, AF_INET6, AF_UNSPEC, IN_ADDR, IN_ADDR_0, IN6_ADDR, IN6_ADDR_0, SOCKADDR, SOCKADDR_IN,
    SOCKADDR_IN6, SOCKADDR_IN6_0, SOCKADDR_STORAGE,
};

use crate::iis::{Code, WindowsError};

/// Room for the answer about every adapter; "15 KB" is what its documentation begins with.
const ADAPTERS_ROOM: usize = 16 * 1024;
/// How often the answer may outgrow the room it just asked for.
const MOST_TRIES: usize = 4;

/// One address in every form it is asked for. The whole of it is zero before one form is written.
union Address {
    any: SOCKADDR_STORAGE,
    four: SOCKADDR_IN,
    six: SOCKADDR_IN6,
}

/// `SOCKADDR_STORAGE` of an address and a port. The scope of a link-local address is not kept:
/// http.sys has none.
pub(super) fn storage(ip: IpAddr, port: u16) -> SOCKADDR_STORAGE {
    let mut address = Address {
        any: SOCKADDR_STORAGE::default(),
    };
    let port = port.to_be();
    match ip {
        IpAddr::V4(ip) => address.four = four(ip, port),
        IpAddr::V6(ip) => address.six = six(ip, port),
    }
    // SAFETY: all of it was written before the one form was; every bit pattern is a valid value.
    unsafe { address.any }
}

fn four(ip: Ipv4Addr, port: u16) -> SOCKADDR_IN {
    let bits = u32::from_ne_bytes(ip.octets());
    let sin_addr = IN_ADDR {
        S_un: IN_ADDR_0 { S_addr: bits },
    };
    SOCKADDR_IN {
        sin_family: AF_INET,
        sin_port: port,
        sin_addr,
        sin_zero: [0; 8],
    }
}

fn six(ip: Ipv6Addr, port: u16) -> SOCKADDR_IN6 {
    let sin6_addr = IN6_ADDR {
        u: IN6_ADDR_0 { Byte: ip.octets() },
    };
    let scope = SOCKADDR_IN6_0 { sin6_scope_id: 0 };
    SOCKADDR_IN6 {
        sin6_family: AF_INET6,
        sin6_port: port,
        sin6_flowinfo: 0,
        sin6_addr,
        Anonymous: scope,
    }
}

/// Address and port of a structure that Windows filled in; `None` for a null pointer or another
/// family.
pub(super) fn read(address: *const SOCKADDR) -> Option<(IpAddr, u16)> {
    // SAFETY: only called with null or with an address that lies in a buffer of Windows that is
    // still there.
    let family = unsafe { address.as_ref() }?.sa_family;
    match family {
        AF_INET => {
            // SAFETY: the family says that the structure is this one; every bit pattern is a valid
            // value.
            let four = unsafe { address.cast::<SOCKADDR_IN>().read_unaligned() };
            // SAFETY: every bit pattern is a valid value.
            let bits = unsafe { four.sin_addr.S_un.S_addr };
            Some((
                Ipv4Addr::from(bits.to_ne_bytes()).into(),
                u16::from_be(four.sin_port),
            ))
        }
        AF_INET6 => {
            // SAFETY: the family says that the structure is this one; every bit pattern is a valid
            // value.
            let six = unsafe { address.cast::<SOCKADDR_IN6>().read_unaligned() };
            // SAFETY: every bit pattern is a valid value.
            let bytes = unsafe { six.sin6_addr.u.Byte };
            Some((Ipv6Addr::from(bytes).into(), u16::from_be(six.sin6_port)))
        }
        _ => None,
    }
}

/// The addresses of this machine, loopback included (`GetAdaptersAddresses`).
///
/// # Errors
/// What Windows answered.
pub(super) fn of_this_machine() -> Result<Vec<IpAddr>, WindowsError> {
    let mut buffer = vec![0_u64; ADAPTERS_ROOM / size_of::<u64>()];
    for _ in 0..MOST_TRIES {
        match fill(&mut buffer) {
            ERROR_SUCCESS => return Ok(all_in(buffer.as_ptr().cast())),
            ERROR_NO_DATA => return Ok(Vec::new()),
            ERROR_BUFFER_OVERFLOW => {}
            code => {
                return Err(WindowsError::new(
                    "GetAdaptersAddresses",
                    "this machine",
                    Code(code),
                ));
            }
        }
    }
    Err(WindowsError::new(
        "GetAdaptersAddresses",
        "this machine",
        Code(ERROR_BUFFER_OVERFLOW),
    ))
}

/// Makes the buffer as large as Windows wants it where it is too small.
fn fill(buffer: &mut Vec<u64>) -> u32 {
    let skipped = GAA_FLAG_SKIP_ANYCAST
        | GAA_FLAG_SKIP_MULTICAST
        | GAA_FLAG_SKIP_DNS_SERVER
        | GAA_FLAG_SKIP_FRIENDLY_NAME;
    let mut size = size_of_val(buffer.as_slice()) as u32;
    let start = buffer.as_mut_ptr().cast();
    // SAFETY: the aligned buffer holds `size` bytes.
    let code = unsafe {
        GetAdaptersAddresses(
            u32::from(AF_UNSPEC),
            skipped,
            ptr::null(),
            start,
            &raw mut size,
        )
    };
    if code == ERROR_BUFFER_OVERFLOW {
        *buffer = vec![0; (size as usize).div_ceil(size_of::<u64>())];
    }
    code
}

fn all_in(first: *const IP_ADAPTER_ADDRESSES_LH) -> Vec<IpAddr> {
    let mut addresses = Vec::new();
    let mut adapter = first;
    // SAFETY: Windows linked these structures inside the buffer that `first` is the start of; the
    // last is null.
    while let Some(here) = unsafe { adapter.as_ref() } {
        adapter = here.Next;
        let mut address: *const IP_ADAPTER_UNICAST_ADDRESS_LH = here.FirstUnicastAddress;
        // SAFETY: as above.
        while let Some(here) = unsafe { address.as_ref() } {
            address = here.Next;
            addresses.extend(read(here.Address.lpSockaddr).map(|(ip, _)| ip));
        }
    }
    addresses
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_comes_back_from_its_structure() {
        for ip in ["0.0.0.0", "192.0.2.17", "::", "2001:db8::1"] {
            let ip: IpAddr = ip.parse().unwrap();
            assert_eq!(
                read(ptr::from_ref(&storage(ip, 8443)).cast()),
                Some((ip, 8443))
            );
        }
        assert_eq!(read(ptr::null()), None);
        assert_eq!(
            read(ptr::from_ref(&SOCKADDR_STORAGE::default()).cast()),
            None
        );
    }

    #[test]
    fn the_layout_is_that_of_the_network() {
        let storage = storage(Ipv4Addr::new(192, 0, 2, 17).into(), 443);
        // SAFETY: a structure of plain numbers, all of them written.
        let bytes: [u8; 128] = unsafe { std::mem::transmute(storage) };
        assert_eq!(bytes[..8], [2, 0, 1, 187, 192, 0, 2, 17]);
        assert!(bytes[8..].iter().all(|byte| *byte == 0));
    }

    #[test]
    fn this_machine_has_loopback_among_its_addresses() {
        assert!(of_this_machine().unwrap().iter().any(IpAddr::is_loopback));
    }
}
