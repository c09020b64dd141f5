//! Access lists of keys: read as SDDL with names, written from SDDL.
//!
//! Microsoft: "Security Descriptor Definition Language", "Key Security and Access Rights".

use std::ffi::c_void;
use std::ptr;
use std::slice;

use windows_sys::Win32::Security::Authorization::{
    ConvertSecurityDescriptorToStringSecurityDescriptorW,
    ConvertStringSecurityDescriptorToSecurityDescriptorW, ConvertStringSidToSidW, SDDL_REVISION_1,
};
use windows_sys::Win32::Security::{
    DACL_SECURITY_INFORMATION, GetSecurityDescriptorLength, LookupAccountSidW,
};

use super::answer::check;
use super::memory::Local;
use super::wide::{narrow, wide};
use crate::iis::access::{beyond_default, descriptor};
use crate::iis::{AccessEntry, WindowsError};

/// Longest account or domain name, with its NUL.
const LONGEST_NAME: usize = 257;

/// Who beyond the system and administrators a self-relative security descriptor lets in.
pub(super) fn entries(descriptor: &mut [u64]) -> Result<Vec<AccessEntry>, WindowsError> {
    let mut text = Local(ptr::null_mut());
    let raw = descriptor.as_mut_ptr().cast::<c_void>();
    let what = DACL_SECURITY_INFORMATION;
    // SAFETY: the provider filled the aligned buffer with a descriptor; `text` takes a string that
    // is freed by LocalFree.
    let converted = unsafe {
        ConvertSecurityDescriptorToStringSecurityDescriptorW(
            raw,
            SDDL_REVISION_1,
            what,
            &raw mut text.0,
            ptr::null_mut(),
        )
    };
    check(
        converted,
        "ConvertSecurityDescriptorToStringSecurityDescriptorW",
        "access list",
    )?;
    let mut entries = beyond_default(&text.text().to_string_lossy());
    entries
        .iter_mut()
        .for_each(|entry| entry.name = name_of(entry.trustee()));
    Ok(entries)
}

/// The self-relative security descriptor for a new key.
pub(super) fn of_new_key(entries: &[AccessEntry]) -> Result<Vec<u8>, WindowsError> {
    let sddl = descriptor(entries);
    let text = wide(&sddl);
    let mut raw = Local(ptr::null_mut());
    let size = ptr::null_mut();
    // SAFETY: the text ends in NUL; `raw` takes a block that is freed by LocalFree.
    let converted = unsafe {
        ConvertStringSecurityDescriptorToSecurityDescriptorW(
            text.as_ptr(),
            SDDL_REVISION_1,
            &raw mut raw.0,
            size,
        )
    };
    check(
        converted,
        "ConvertStringSecurityDescriptorToSecurityDescriptorW",
        &sddl,
    )?;
    // SAFETY: the block holds a valid descriptor; the call cannot fail.
    let length = unsafe { GetSecurityDescriptorLength(raw.0) };
    // SAFETY: a self-relative descriptor is one block of that length.
    Ok(unsafe { slice::from_raw_parts(raw.0.cast::<u8>(), length as usize) }.to_vec())
}

/// `DOMAIN\name`; `None` for who is not known here.
fn name_of(trustee: &str) -> Option<String> {
    let text = wide(trustee);
    let mut sid = Local(ptr::null_mut());
    // SAFETY: the text ends in NUL; `sid` takes a block that is freed by LocalFree.
    let converted = unsafe { ConvertStringSidToSidW(text.as_ptr(), &raw mut sid.0) };
    check(converted, "ConvertStringSidToSidW", trustee).ok()?;
    let (mut name, mut domain) = ([0_u16; LONGEST_NAME], [0_u16; LONGEST_NAME]);
    let (mut name_length, mut domain_length) = (LONGEST_NAME as u32, LONGEST_NAME as u32);
    let mut kind = 0;
    // SAFETY: the SID is valid; both buffers hold as many units as their lengths say.
    let found = unsafe {
        LookupAccountSidW(
            ptr::null(),
            sid.0,
            name.as_mut_ptr(),
            &raw mut name_length,
            domain.as_mut_ptr(),
            &raw mut domain_length,
            &raw mut kind,
        )
    };
    check(found, "LookupAccountSidW", trustee).ok()?;
    let (domain, name) = (narrow(&domain), narrow(&name));
    Some(format!(
        r"{}\{}",
        domain.to_string_lossy(),
        name.to_string_lossy()
    ))
}
