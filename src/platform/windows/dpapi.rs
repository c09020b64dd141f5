//! A secret kept for this machine: under DPAPI's machine key, and bound to what makes the machine
//! this one.
//!
//! DPAPI alone opens in every copy of the machine. So the file begins with a digest of the
//! machine's identity, which is DPAPI's extra entropy too: a cloned machine, or one whose disk was
//! put into other hardware, is told from damage.

use std::ffi::c_void;
use std::io;
use std::ptr;
use std::slice;

use data_encoding::{BASE64, HEXLOWER};
use sha2::{Digest, Sha256};
use windows_sys::Win32::Security::Cryptography::{
    CRYPT_INTEGER_BLOB, CRYPTPROTECT_LOCAL_MACHINE, CRYPTPROTECT_UI_FORBIDDEN, CryptProtectData,
    CryptUnprotectData,
};
use windows_sys::Win32::System::SystemInformation::{GetSystemFirmwareTable, RSMB};
use zeroize::{Zeroize, Zeroizing};

use super::memory::Local;
use super::{call, registry};
use crate::platform::protected::Unprotected;

const HEADING: &str = "pfxvault key of machine ";

/// What makes this machine this one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    /// `MachineGuid`: made when Windows is installed, and again by sysprep.
    pub windows: String,
    /// The UUID of the SMBIOS system information: hypervisors give each virtual machine its own,
    /// and a clone a new one. `None` where the firmware has none.
    pub hardware: Option<[u8; 16]>,
}

impl Machine {
    /// This one.
    ///
    /// # Errors
    /// When `MachineGuid` cannot be read.
    pub fn this() -> io::Result<Self> {
        let windows = registry::text(r"SOFTWARE\Microsoft\Cryptography", "MachineGuid")?;
        Ok(Self {
            windows,
            hardware: hardware_uuid(&firmware_table()),
        })
    }

    fn digest(&self) -> String {
        let hash = Sha256::new().chain_update(&self.windows).chain_update([0]);
        HEXLOWER.encode(
            &hash
                .chain_update(self.hardware.unwrap_or_default())
                .finalize(),
        )
    }
}

/// Protects a secret so that only `machine` opens it again; what comes back is text for a file.
///
/// # Errors
/// What Windows says (`CryptProtectData`).
pub fn protect(secret: &[u8], machine: &Machine) -> io::Result<Zeroizing<Vec<u8>>> {
    let identity = machine.digest();
    let (input, entropy) = (blob(secret), blob(identity.as_bytes()));
    let mut output = Output::empty();
    let flags = CRYPTPROTECT_LOCAL_MACHINE | CRYPTPROTECT_UI_FORBIDDEN;
    // SAFETY: both blobs outlive the call and are only read; the description and the prompt may be
    // left out.
    let done = unsafe {
        CryptProtectData(
            &raw const input,
            ptr::null(),
            &raw const entropy,
            ptr::null(),
            ptr::null(),
            flags,
            &raw mut output.blob,
        )
    };
    call::succeeded(done, "CryptProtectData", "for this machine")?;
    let text = format!("{HEADING}{identity}\n{}\n", BASE64.encode(output.bytes()));
    Ok(Zeroizing::new(text.into_bytes()))
}

/// Opens what [`protect`] made (`CryptUnprotectData`).
pub fn unprotect(stored: &[u8], machine: &Machine) -> Unprotected {
    let Some((identity, protected)) = parse(stored) else {
        return Unprotected::Damaged;
    };
    if identity != machine.digest() {
        return Unprotected::OtherMachine;
    }
    open(&protected, &identity).map_or(Unprotected::Damaged, Unprotected::Secret)
}

fn parse(stored: &[u8]) -> Option<(String, Vec<u8>)> {
    let text = std::str::from_utf8(stored).ok()?;
    let (identity, protected) = text.strip_prefix(HEADING)?.trim_end().split_once('\n')?;
    Some((
        identity.to_owned(),
        BASE64.decode(protected.as_bytes()).ok()?,
    ))
}

fn open(protected: &[u8], identity: &str) -> io::Result<Zeroizing<Vec<u8>>> {
    let (input, entropy) = (blob(protected), blob(identity.as_bytes()));
    let mut output = Output::empty();
    // SAFETY: both blobs outlive the call and are only read; the description and the prompt may be
    // left out.
    let done = unsafe {
        CryptUnprotectData(
            &raw const input,
            ptr::null_mut(),
            &raw const entropy,
            ptr::null(),
            ptr::null(),
            CRYPTPROTECT_UI_FORBIDDEN,
            &raw mut output.blob,
        )
    };
    call::succeeded(done, "CryptUnprotectData", "of this machine")?;
    Ok(Zeroizing::new(output.bytes().to_vec()))
}

/// A blob that Windows only reads.
fn blob(bytes: &[u8]) -> CRYPT_INTEGER_BLOB {
    CRYPT_INTEGER_BLOB {
        cbData: bytes.len() as u32,
        pbData: bytes.as_ptr().cast_mut(),
    }
}

/// A blob that Windows allocated: wiped and freed on drop.
struct Output {
    blob: CRYPT_INTEGER_BLOB,
}

impl Output {
    fn empty() -> Self {
        Self {
            blob: CRYPT_INTEGER_BLOB {
                cbData: 0,
                pbData: ptr::null_mut(),
            },
        }
    }

    fn bytes(&mut self) -> &mut [u8] {
        if self.blob.pbData.is_null() {
            return &mut [];
        }
        // SAFETY: Windows allocated `cbData` bytes there, and this value alone owns them.
        unsafe { slice::from_raw_parts_mut(self.blob.pbData, self.blob.cbData as usize) }
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        self.bytes().zeroize();
        drop(Local(self.blob.pbData.cast::<c_void>()));
    }
}

/// The SMBIOS table as Windows hands it out (`GetSystemFirmwareTable`); empty if there is none.
fn firmware_table() -> Vec<u8> {
    // SAFETY: without a buffer the call only tells the size.
    let size = unsafe { GetSystemFirmwareTable(RSMB, 0, ptr::null_mut(), 0) };
    let mut table = vec![0_u8; size as usize];
    // SAFETY: the buffer holds `size` bytes.
    let filled = unsafe { GetSystemFirmwareTable(RSMB, 0, table.as_mut_ptr(), size) };
    table.truncate(filled as usize);
    table
}

/// The UUID in the system information (type 1) of a `RawSMBIOSData`: an eight-byte heading, then
/// structures of type, length, handle, fields, and strings that end in two NULs (SMBIOS
/// specification 6.1.2, 7.2).
fn hardware_uuid(table: &[u8]) -> Option<[u8; 16]> {
    let mut rest = table.get(8..)?;
    loop {
        let (kind, length) = (*rest.first()?, usize::from(*rest.get(1)?));
        if kind == 1 {
            let uuid: [u8; 16] = rest.get(..length)?.get(8..24)?.try_into().ok()?;
            // All zeros: not set. All ones: there could be one, and is not.
            return (uuid != [0; 16] && uuid != [0xff; 16]).then_some(uuid);
        }
        let strings = rest.get(length..)?;
        let end = strings.windows(2).position(|pair| pair == [0, 0])?;
        rest = strings.get(end + 2..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(structures: &[&[u8]]) -> Vec<u8> {
        [&[0, 3, 0, 0, 0, 0, 0, 0], structures.concat().as_slice()].concat()
    }

    #[test]
    fn the_uuid_is_found_behind_other_structures_and_their_strings() {
        let bios: &[u8] = b"\x00\x05\x00\x00\x01Maker\0Version\0\0";
        let uuid = *b"0123456789abcdef";
        let system = [
            b"\x01\x18\x01\x00\x01\x02\x03\x04".as_slice(),
            &uuid,
            b"\0\0",
        ]
        .concat();
        assert_eq!(hardware_uuid(&table(&[bios, &system])), Some(uuid));
    }

    #[test]
    fn a_firmware_without_a_uuid_or_with_a_cut_table_has_none() {
        let unset = [
            b"\x01\x18\x01\x00\x01\x02\x03\x04".as_slice(),
            &[0xff; 16],
            b"\0\0",
        ]
        .concat();
        assert_eq!(hardware_uuid(&table(&[&unset])), None);
        for cut in 0..unset.len() {
            assert_eq!(hardware_uuid(&table(&[&unset[..cut]])), None);
        }
        assert_eq!(hardware_uuid(&[]), None);
    }
}
