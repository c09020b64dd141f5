//! Keys of the older interface, CryptoAPI: opened by container, copied out and brought in as key
//! blobs.
//!
//! Microsoft: `CryptAcquireContextW`, `CryptExportKey`, `CryptImportKey`, `CryptGetProvParam`,
//! "RSA/Schannel Key BLOBs".

use std::fmt::Display;
use std::ptr;

use windows_sys::Win32::Security::Cryptography::{
    CALG_SHA1, CRYPT_DELETEKEYSET, CRYPT_EXPORT, CRYPT_EXPORTABLE, CRYPT_FIRST,
    CRYPT_MACHINE_KEYSET, CRYPT_NEWKEYSET, CRYPT_NEXT, CRYPT_SILENT, CRYPT_VERIFYCONTEXT,
    CryptAcquireContextW, CryptCreateHash, CryptDestroyHash, CryptDestroyKey, CryptExportKey,
    CryptGetKeyParam, CryptGetProvParam, CryptGetUserKey, CryptHashData, CryptImportKey,
    CryptReleaseContext, CryptSetProvParam, CryptSignHashW, KP_PERMISSIONS, PP_ENUMCONTAINERS,
    PP_IMPTYPE, PP_KEYSET_SEC_DESCR, PRIVATEKEYBLOB, PUBLICKEYBLOB,
};
use windows_sys::Win32::Security::DACL_SECURITY_INFORMATION;
use zeroize::Zeroizing;

use super::access;
use super::answer::{check, nonsense};
use super::wide::wide;
use crate::iis::blob::{self, Home};
use crate::iis::{
    AccessEntry, Code, ExportedKey, KeyFacts, KeyLink, KeySet, NewKey, NoExport, ProviderKind,
    Signature, WindowsError, implementation,
};
use secret::SecretBytes;

/// `NTE_BAD_FLAGS`.
const BAD_FLAGS: Code = Code(0x8009_0009);
/// Longest name of a container, with its NUL: `MAX_PATH`, and room for providers of others.
const LONGEST_CONTAINER: usize = 1024;
/// `AT_KEYEXCHANGE`, `AT_SIGNATURE`: a container may hold one of each.
const KEY_SPECS: [u32; 2] = [1, 2];

/// A provider opened on a container.
struct Provider<'a> {
    handle: usize,
    link: &'a KeyLink,
}

impl Drop for Provider<'_> {
    fn drop(&mut self) {
        // SAFETY: the handle is open and nothing else releases it. What cannot be released stays.
        unsafe { CryptReleaseContext(self.handle, 0) };
    }
}

impl<'a> Provider<'a> {
    fn open(link: &'a KeyLink) -> Result<Self, WindowsError> {
        acquire(link, Some(&link.container), 0).map(|handle| Self { handle, link })
    }

    fn create(link: &'a KeyLink) -> Result<Self, WindowsError> {
        acquire(link, Some(&link.container), CRYPT_NEWKEYSET).map(|handle| Self { handle, link })
    }

    fn key(&self) -> Result<CapiKey<'a>, WindowsError> {
        let mut handle = 0;
        // SAFETY: the provider is open; `handle` takes a key that this side destroys.
        let got = unsafe { CryptGetUserKey(self.handle, self.link.key_spec, &raw mut handle) };
        check(got, "CryptGetUserKey", self.link)?;
        Ok(CapiKey {
            handle,
            link: self.link,
        })
    }

    fn import(&self, blob: &SecretBytes, flags: u32) -> Result<CapiKey<'a>, WindowsError> {
        let bytes = blob.expose();
        let mut handle = 0;
        // SAFETY: the provider is open; the blob is readable for its length; `handle` takes a key
        // that this side destroys.
        let imported = unsafe {
            CryptImportKey(
                self.handle,
                bytes.as_ptr(),
                bytes.len() as u32,
                0,
                flags,
                &raw mut handle,
            )
        };
        check(imported, "CryptImportKey", self.link)?;
        Ok(CapiKey {
            handle,
            link: self.link,
        })
    }

    /// What the provider says of its implementation; providers that say nothing are software.
    fn implementation(&self) -> u32 {
        let mut kind = implementation::SOFTWARE;
        let mut size = size_of::<u32>() as u32;
        // SAFETY: the buffer holds `size` bytes.
        let told = unsafe {
            CryptGetProvParam(
                self.handle,
                PP_IMPTYPE,
                (&raw mut kind).cast::<u8>(),
                &raw mut size,
                0,
            )
        };
        if told == 0 {
            implementation::SOFTWARE
        } else {
            kind
        }
    }

    fn access(&self) -> Result<Vec<AccessEntry>, WindowsError> {
        let mut size = 0;
        let what = DACL_SECURITY_INFORMATION;
        // SAFETY: without a buffer only the size is written.
        let sized = unsafe {
            CryptGetProvParam(
                self.handle,
                PP_KEYSET_SEC_DESCR,
                ptr::null_mut(),
                &raw mut size,
                what,
            )
        };
        check(sized, "CryptGetProvParam", self.link)?;
        let mut words = vec![0_u64; (size as usize).div_ceil(8)];
        let buffer = words.as_mut_ptr().cast::<u8>();
        // SAFETY: the buffer holds at least `size` bytes.
        let told = unsafe {
            CryptGetProvParam(
                self.handle,
                PP_KEYSET_SEC_DESCR,
                buffer,
                &raw mut size,
                what,
            )
        };
        check(told, "CryptGetProvParam", self.link)?;
        access::entries(&mut words)
    }

    fn set_access(&self, entries: &[AccessEntry]) -> Result<(), WindowsError> {
        let descriptor = access::of_new_key(entries)?;
        let what = DACL_SECURITY_INFORMATION;
        // SAFETY: the provider is open; the descriptor is valid and outlives the call.
        let set = unsafe {
            CryptSetProvParam(self.handle, PP_KEYSET_SEC_DESCR, descriptor.as_ptr(), what)
        };
        check(set, "CryptSetProvParam", self.link)
    }
}

fn acquire(link: &KeyLink, container: Option<&str>, flags: u32) -> Result<usize, WindowsError> {
    let key_set = if link.key_set == KeySet::Machine {
        CRYPT_MACHINE_KEYSET
    } else {
        0
    };
    let flags = flags | key_set | CRYPT_SILENT;
    let container = container.map(wide);
    let name = container.as_ref().map_or(ptr::null(), |name| name.as_ptr());
    let provider = wide(&link.provider);
    let mut handle = 0;
    // SAFETY: both names end in NUL and outlive the call; `handle` takes a provider that the caller
    // releases.
    let acquired = unsafe {
        CryptAcquireContextW(
            &raw mut handle,
            name,
            provider.as_ptr(),
            link.provider_type,
            flags,
        )
    };
    check(acquired, "CryptAcquireContextW", link)?;
    Ok(handle)
}

/// An open key.
struct CapiKey<'a> {
    handle: usize,
    link: &'a KeyLink,
}

impl Drop for CapiKey<'_> {
    fn drop(&mut self) {
        // SAFETY: the handle is open and nothing else destroys it. The key in its container stays.
        unsafe { CryptDestroyKey(self.handle) };
    }
}

impl CapiKey<'_> {
    fn is_exportable(&self) -> Result<bool, WindowsError> {
        let mut permissions = 0_u32;
        let mut size = size_of::<u32>() as u32;
        let buffer = (&raw mut permissions).cast::<u8>();
        // SAFETY: the buffer holds `size` bytes.
        let told =
            unsafe { CryptGetKeyParam(self.handle, KP_PERMISSIONS, buffer, &raw mut size, 0) };
        check(told, "CryptGetKeyParam", self.link)?;
        Ok(permissions & CRYPT_EXPORT != 0)
    }

    /// The key as a blob, not encrypted.
    fn export(&self, kind: u32) -> Result<SecretBytes, WindowsError> {
        let mut size = 0;
        // SAFETY: without a buffer only the size is written.
        let sized =
            unsafe { CryptExportKey(self.handle, 0, kind, 0, ptr::null_mut(), &raw mut size) };
        check(sized, "CryptExportKey", self.link)?;
        let mut bytes = Zeroizing::new(vec![0; size as usize]);
        // SAFETY: the buffer holds `size` bytes.
        let exported =
            unsafe { CryptExportKey(self.handle, 0, kind, 0, bytes.as_mut_ptr(), &raw mut size) };
        check(exported, "CryptExportKey", self.link)?;
        bytes.truncate(size as usize);
        Ok(bytes.into())
    }
}

/// A hash to be signed.
struct SigningHash(usize);

impl Drop for SigningHash {
    fn drop(&mut self) {
        // SAFETY: the handle is open and nothing else destroys it. What cannot be destroyed stays.
        unsafe { CryptDestroyHash(self.0) };
    }
}

/// Opens a key and tells about it.
pub(super) fn inspect(link: &KeyLink) -> Result<KeyFacts, WindowsError> {
    let provider = Provider::open(link)?;
    let key = provider.key()?;
    let kind = ProviderKind::of(link, provider.implementation());
    let public_key = blob::spki_of_rsa_blob(key.export(PUBLICKEYBLOB)?.expose());
    let public_key = public_key.ok_or_else(|| nonsense("CryptExportKey", link))?;
    let marked = if key.is_exportable()? {
        None
    } else {
        Some(NoExport::Marked)
    };
    Ok(KeyFacts {
        kind,
        no_export: kind.never_exports().or(marked),
        public_key,
    })
}

/// Copies a key out.
pub(super) fn export(link: &KeyLink) -> Result<ExportedKey, NoExport> {
    let provider = Provider::open(link)?;
    let exported = provider.key()?.export(PRIVATEKEYBLOB)?;
    let pkcs8 = blob::pkcs8_of_rsa_blob(&exported).ok_or(NoExport::UnknownForm)?;
    // A list that cannot be read is no reason to leave the key behind.
    Ok(ExportedKey {
        pkcs8,
        access: provider.access().unwrap_or_default(),
    })
}

/// Creates a container with a key in it.
pub(super) fn create(link: &KeyLink, new: &NewKey<'_>) -> Result<(), WindowsError> {
    let blob = blob::rsa_private_blob(new.pkcs8).ok_or_else(|| nonsense("CryptImportKey", link))?;
    let provider = Provider::create(link)?;
    provider.import(&blob, if new.exportable { CRYPT_EXPORTABLE } else { 0 })?;
    if new.access.iter().any(AccessEntry::is_portable) {
        provider.set_access(new.access)
    } else {
        Ok(())
    }
}

/// Deletes a container, and says whether it was there.
pub(super) fn delete(link: &KeyLink) -> Result<bool, WindowsError> {
    // The handle that comes back is none: nothing is open.
    match acquire(link, Some(&link.container), CRYPT_DELETEKEYSET) {
        Ok(_) => Ok(true),
        Err(error) if error.code.is_missing_key() => Ok(false),
        Err(error) => Err(error),
    }
}

/// Signs with SHA-1, see [`Signature::RsaSha1`].
pub(super) fn sign(link: &KeyLink, challenge: &[u8]) -> Result<Signature, WindowsError> {
    let provider = Provider::open(link)?;
    sign_by(provider.handle, link.key_spec, challenge, link)
}

/// The same with a provider that is open.
pub(super) fn sign_by(
    provider: usize,
    key_spec: u32,
    challenge: &[u8],
    link: impl Display + Copy,
) -> Result<Signature, WindowsError> {
    let mut hash = SigningHash(0);
    // SAFETY: the provider is open and outlives the hash.
    let created = unsafe { CryptCreateHash(provider, CALG_SHA1, 0, 0, &raw mut hash.0) };
    check(created, "CryptCreateHash", link)?;
    // SAFETY: the challenge is readable for its length.
    let hashed = unsafe { CryptHashData(hash.0, challenge.as_ptr(), challenge.len() as u32, 0) };
    check(hashed, "CryptHashData", link)?;
    let mut size = 0;
    // SAFETY: without a buffer only the size is written.
    let sized = unsafe {
        CryptSignHashW(
            hash.0,
            key_spec,
            ptr::null(),
            0,
            ptr::null_mut(),
            &raw mut size,
        )
    };
    check(sized, "CryptSignHashW", link)?;
    let mut bytes = vec![0; size as usize];
    // SAFETY: the buffer holds `size` bytes.
    let signed = unsafe {
        CryptSignHashW(
            hash.0,
            key_spec,
            ptr::null(),
            0,
            bytes.as_mut_ptr(),
            &raw mut size,
        )
    };
    check(signed, "CryptSignHashW", link)?;
    bytes.truncate(size as usize);
    bytes.reverse();
    Ok(Signature::RsaSha1(bytes))
}

/// The machine's containers in the RSA providers of Windows, which share them. Each is given with
/// both key specifications; one of them opens.
pub(super) fn containers() -> Result<Vec<KeyLink>, WindowsError> {
    let any = Home::SchannelCsp.link(String::new());
    let provider = Provider {
        handle: acquire(&any, None, CRYPT_VERIFYCONTEXT)?,
        link: &any,
    };
    let names = match container_names(&provider, CRYPT_MACHINE_KEYSET) {
        // Most providers take the key set from how they were opened, some from this call.
        Err(error) if error.code == BAD_FLAGS => container_names(&provider, 0)?,
        names => names?,
    };
    let link = |name: &String, key_spec: u32| KeyLink {
        key_spec,
        ..Home::SchannelCsp.link(name.clone())
    };
    Ok(names
        .iter()
        .flat_map(|name| KEY_SPECS.map(|spec| link(name, spec)))
        .collect())
}

fn container_names(provider: &Provider<'_>, flags: u32) -> Result<Vec<String>, WindowsError> {
    let mut names = Vec::new();
    loop {
        let position = if names.is_empty() {
            CRYPT_FIRST
        } else {
            CRYPT_NEXT
        };
        let mut name = [0_u8; LONGEST_CONTAINER];
        let mut size = LONGEST_CONTAINER as u32;
        let buffer = name.as_mut_ptr();
        // SAFETY: the buffer holds `size` bytes.
        let told = unsafe {
            CryptGetProvParam(
                provider.handle,
                PP_ENUMCONTAINERS,
                buffer,
                &raw mut size,
                position | flags,
            )
        };
        match check(told, "CryptGetProvParam", provider.link) {
            Err(error) if error.code == Code::NO_MORE_ITEMS => return Ok(names),
            answer => answer?,
        }
        let length = name
            .iter()
            .position(|byte| *byte == 0)
            .unwrap_or(name.len());
        // Ours are ASCII. A name that is not, in whatever code page, will not open, and is no one's
        // loss.
        names.push(String::from_utf8_lossy(&name[..length]).into_owned());
    }
}
