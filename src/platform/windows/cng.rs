//! Keys of the newer interface, CNG: opened by name, copied out and brought in as PKCS#8.
//!
//! Microsoft: `NCryptOpenKey`, `NCryptExportKey`, `NCryptImportKey`, "Key Storage Property
//! Identifiers".

use std::ffi::c_void;
use std::fmt::Display;
use std::mem;
use std::ptr;

use sha2::{Digest, Sha256};
use windows_sys::Win32::Security::Cryptography::{
    BCRYPT_PKCS1_PADDING_INFO, BCRYPT_PUBLIC_KEY_BLOB, BCRYPT_SHA256_ALGORITHM, BCryptBuffer,
    BCryptBufferDesc, CRYPT_PKCS12_PBE_PARAMS, NCRYPT_ALLOW_EXPORT_FLAG,
    NCRYPT_ALLOW_PLAINTEXT_EXPORT_FLAG, NCRYPT_DO_NOT_FINALIZE_FLAG, NCRYPT_EXPORT_POLICY_PROPERTY,
    NCRYPT_IMPL_TYPE_PROPERTY, NCRYPT_KEY_TYPE_PROPERTY, NCRYPT_MACHINE_KEY_FLAG,
    NCRYPT_PAD_PKCS1_FLAG, NCRYPT_PERSIST_FLAG, NCRYPT_PKCS8_PRIVATE_KEY_BLOB,
    NCRYPT_SECURITY_DESCR_PROPERTY, NCRYPT_SILENT_FLAG, NCRYPT_USE_VIRTUAL_ISOLATION_PROPERTY,
    NCRYPTBUFFER_PKCS_ALG_OID, NCRYPTBUFFER_PKCS_ALG_PARAM, NCRYPTBUFFER_PKCS_KEY_NAME,
    NCRYPTBUFFER_PKCS_SECRET, NCRYPTBUFFER_VERSION, NCryptDeleteKey, NCryptEnumKeys,
    NCryptExportKey, NCryptFinalizeKey, NCryptFreeBuffer, NCryptFreeObject, NCryptGetProperty,
    NCryptImportKey, NCryptKeyName, NCryptOpenKey, NCryptOpenStorageProvider, NCryptSetProperty,
    NCryptSignHash,
};
use windows_sys::Win32::Security::DACL_SECURITY_INFORMATION;
use windows_sys::core::PCWSTR;
use zeroize::Zeroizing;

use super::access;
use super::answer::{nonsense, status};
use super::memory::text_at;
use super::wide::{wide, wide_secret};
use crate::iis::blob::{self, Home};
use crate::iis::{
    AccessEntry, Code, ExportedKey, KeyFacts, KeyLink, KeySet, NewKey, NoExport, ProviderKind,
    Signature, WindowsError,
};
use secret::SecretBytes;

/// `pbeWithSHAAnd3-KeyTripleDES-CBC`: the one encryption of PKCS#8 that every Windows since Vista
/// offers. The password is random and lives for one call, and so does the result.
const PKCS12_3DES: &[u8] = b"1.2.840.113549.1.12.1.3\0";
const PBE_ROUNDS: i32 = 1;
const PBE_SALT: usize = 8;
/// The salt follows the structure in one buffer.
const PBE_PARAMS: usize = size_of::<CRYPT_PKCS12_PBE_PARAMS>() + PBE_SALT;
/// Largest list of buffers used here.
const MOST_PARAMETERS: usize = 3;

/// A provider or a key.
struct CngObject(usize);

impl Drop for CngObject {
    fn drop(&mut self) {
        // SAFETY: the handle is open and nothing else frees it. What cannot be freed stays.
        unsafe { NCryptFreeObject(self.0) };
    }
}

/// A key, opened, with its provider.
struct CngKey<'a> {
    key: CngObject,
    provider: CngObject,
    link: &'a KeyLink,
}

fn open_provider(name: &str) -> Result<CngObject, WindowsError> {
    let text = wide(name);
    let mut handle = 0;
    // SAFETY: the name ends in NUL; `handle` takes a provider that this side frees.
    let opened = unsafe { NCryptOpenStorageProvider(&raw mut handle, text.as_ptr(), 0) };
    status(opened, "NCryptOpenStorageProvider", name)?;
    Ok(CngObject(handle))
}

fn key_set_flag(link: &KeyLink) -> u32 {
    if link.key_set == KeySet::Machine {
        NCRYPT_MACHINE_KEY_FLAG
    } else {
        0
    }
}

impl<'a> CngKey<'a> {
    fn open(link: &'a KeyLink) -> Result<Self, WindowsError> {
        let provider = open_provider(&link.provider)?;
        let name = wide(&link.container);
        let flags = key_set_flag(link) | NCRYPT_SILENT_FLAG;
        let mut handle = 0;
        // SAFETY: the provider is open; the name ends in NUL; `handle` takes a key that this side
        // frees.
        let opened = unsafe {
            NCryptOpenKey(
                provider.0,
                &raw mut handle,
                name.as_ptr(),
                link.key_spec,
                flags,
            )
        };
        status(opened, "NCryptOpenKey", link)?;
        Ok(Self {
            key: CngObject(handle),
            provider,
            link,
        })
    }

    /// Imports a key under its name; it is not on disk before [`CngKey::finalize`].
    fn import(link: &'a KeyLink, pkcs8: &SecretBytes) -> Result<Self, WindowsError> {
        let provider = open_provider(&link.provider)?;
        let mut name = wide(&link.container);
        let mut parameters = Parameters::default();
        parameters.push(
            NCRYPTBUFFER_PKCS_KEY_NAME,
            name.as_mut_ptr().cast(),
            name.len() * 2,
        );
        let list = parameters.list();
        let flags = key_set_flag(link) | NCRYPT_SILENT_FLAG | NCRYPT_DO_NOT_FINALIZE_FLAG;
        let (bytes, kind) = (pkcs8.expose(), NCRYPT_PKCS8_PRIVATE_KEY_BLOB);
        let length = bytes.len() as u32;
        let mut handle = 0;
        // SAFETY: the provider is open; the list and what it points to outlive the call; the blob
        // is readable for its length; `handle` takes a key that this side frees.
        let imported = unsafe {
            NCryptImportKey(
                provider.0,
                0,
                kind,
                &raw const list,
                &raw mut handle,
                bytes.as_ptr(),
                length,
                flags,
            )
        };
        status(imported, "NCryptImportKey", link)?;
        Ok(Self {
            key: CngObject(handle),
            provider,
            link,
        })
    }

    fn finalize(&self) -> Result<(), WindowsError> {
        // SAFETY: the key is open and not final yet.
        let finalized = unsafe { NCryptFinalizeKey(self.key.0, NCRYPT_SILENT_FLAG) };
        status(finalized, "NCryptFinalizeKey", self.link)
    }

    fn set(&self, property: PCWSTR, value: &[u8], flags: u32) -> Result<(), WindowsError> {
        // SAFETY: the key is open; the name is a constant; the value is readable for its length.
        let set = unsafe {
            NCryptSetProperty(
                self.key.0,
                property,
                value.as_ptr(),
                value.len() as u32,
                flags,
            )
        };
        status(set, "NCryptSetProperty", self.link)
    }

    fn policy(&self) -> Result<u32, WindowsError> {
        number(&self.key, NCRYPT_EXPORT_POLICY_PROPERTY, self.link)
    }

    fn kind(&self) -> ProviderKind {
        // Providers that say nothing are judged by their names.
        let implemented =
            number(&self.provider, NCRYPT_IMPL_TYPE_PROPERTY, self.link).unwrap_or_default();
        let isolated =
            number(&self.key, NCRYPT_USE_VIRTUAL_ISOLATION_PROPERTY, self.link).unwrap_or_default();
        if isolated != 0 {
            ProviderKind::Isolated
        } else {
            ProviderKind::of(self.link, implemented)
        }
    }

    fn public_blob(&self) -> Result<SecretBytes, WindowsError> {
        self.export(BCRYPT_PUBLIC_KEY_BLOB, None, 0)
    }

    fn export(
        &self,
        kind: PCWSTR,
        list: Option<&BCryptBufferDesc>,
        flags: u32,
    ) -> Result<SecretBytes, WindowsError> {
        exported(self.key.0, kind, list, flags, self.link)
    }

    /// Where the policy lets a key leave only encrypted, it is encrypted to a password of this call
    /// and opened here.
    fn export_encrypted(&self) -> Result<SecretBytes, NoExport> {
        let no_random = || nonsense("NCryptExportKey", self.link);
        let password = secret::words::password().map_err(|_| no_random())?;
        let mut secret = wide_secret(&password);
        let mut algorithm = PKCS12_3DES.to_vec();
        let mut params = [0_u8; PBE_PARAMS];
        params[..4].copy_from_slice(&PBE_ROUNDS.to_ne_bytes());
        params[4..8].copy_from_slice(&(PBE_SALT as u32).to_ne_bytes());
        getrandom::fill(&mut params[8..]).map_err(|_| no_random())?;
        let mut parameters = Parameters::default();
        parameters.push(
            NCRYPTBUFFER_PKCS_SECRET,
            secret.as_mut_ptr().cast(),
            secret.len() * 2,
        );
        parameters.push(
            NCRYPTBUFFER_PKCS_ALG_OID,
            algorithm.as_mut_ptr().cast(),
            algorithm.len(),
        );
        parameters.push(
            NCRYPTBUFFER_PKCS_ALG_PARAM,
            params.as_mut_ptr().cast(),
            params.len(),
        );
        let list = parameters.list();
        let encrypted = self.export(
            NCRYPT_PKCS8_PRIVATE_KEY_BLOB,
            Some(&list),
            NCRYPT_SILENT_FLAG,
        )?;
        blob::pkcs8_of_encrypted(encrypted.expose(), &password).ok_or(NoExport::UnknownForm)
    }

    fn access(&self) -> Result<Vec<AccessEntry>, WindowsError> {
        let mut descriptor = property(
            &self.key,
            NCRYPT_SECURITY_DESCR_PROPERTY,
            DACL_SECURITY_INFORMATION,
            self.link,
        )?;
        access::entries(&mut descriptor)
    }
}

/// A key as a blob.
fn exported(
    key: usize,
    kind: PCWSTR,
    list: Option<&BCryptBufferDesc>,
    flags: u32,
    link: impl Display + Copy,
) -> Result<SecretBytes, WindowsError> {
    let list = list.map_or(ptr::null(), ptr::from_ref);
    let mut size = 0;
    // SAFETY: the key is open; the list, if any, outlives the call; without a buffer only the
    // size is written.
    let sized =
        unsafe { NCryptExportKey(key, 0, kind, list, ptr::null_mut(), 0, &raw mut size, flags) };
    status(sized, "NCryptExportKey", link)?;
    let mut bytes = Zeroizing::new(vec![0; size as usize]);
    let buffer = bytes.as_mut_ptr();
    // SAFETY: as above; the buffer holds `size` bytes.
    let exported =
        unsafe { NCryptExportKey(key, 0, kind, list, buffer, size, &raw mut size, flags) };
    status(exported, "NCryptExportKey", link)?;
    bytes.truncate(size as usize);
    Ok(bytes.into())
}

/// A list of parameters, each a typed buffer of the caller's.
#[derive(Default)]
struct Parameters {
    buffers: [BCryptBuffer; MOST_PARAMETERS],
    used: u32,
}

impl Parameters {
    fn push(&mut self, kind: u32, start: *mut c_void, bytes: usize) {
        self.buffers[self.used as usize] = BCryptBuffer {
            cbBuffer: bytes as u32,
            BufferType: kind,
            pvBuffer: start,
        };
        self.used += 1;
    }

    fn list(&mut self) -> BCryptBufferDesc {
        BCryptBufferDesc {
            ulVersion: NCRYPTBUFFER_VERSION,
            cBuffers: self.used,
            pBuffers: self.buffers.as_mut_ptr(),
        }
    }
}

/// A property, in words, because security descriptors need the alignment.
fn property(
    object: &CngObject,
    name: PCWSTR,
    flags: u32,
    link: &KeyLink,
) -> Result<Vec<u64>, WindowsError> {
    let mut size = 0;
    // SAFETY: the object is open; the name is a constant; without a buffer only the size is
    // written.
    let sized =
        unsafe { NCryptGetProperty(object.0, name, ptr::null_mut(), 0, &raw mut size, flags) };
    status(sized, "NCryptGetProperty", link)?;
    let mut words = vec![0_u64; (size as usize).div_ceil(8)];
    let buffer = words.as_mut_ptr().cast::<u8>();
    // SAFETY: as above; the buffer holds at least `size` bytes.
    let told = unsafe { NCryptGetProperty(object.0, name, buffer, size, &raw mut size, flags) };
    status(told, "NCryptGetProperty", link)?;
    Ok(words)
}

fn number(object: &CngObject, name: PCWSTR, link: &KeyLink) -> Result<u32, WindowsError> {
    let words = property(object, name, NCRYPT_SILENT_FLAG, link)?;
    // A DWORD in the first half of the word, on the little-endian machines that Windows runs on.
    words
        .first()
        .map(|word| *word as u32)
        .ok_or_else(|| nonsense("NCryptGetProperty", link))
}

/// Opens a key and tells about it.
pub(super) fn inspect(link: &KeyLink) -> Result<KeyFacts, WindowsError> {
    let key = CngKey::open(link)?;
    let kind = key.kind();
    let public = key.public_blob()?;
    let public_key =
        blob::spki_of_cng_rsa(public.expose()).or_else(|| blob::spki_of_cng_ec(public.expose()));
    let public_key = public_key.ok_or_else(|| nonsense("NCryptExportKey", link))?;
    let may_leave =
        key.policy()? & (NCRYPT_ALLOW_EXPORT_FLAG | NCRYPT_ALLOW_PLAINTEXT_EXPORT_FLAG) != 0;
    let marked = if may_leave {
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

/// Copies a key out, by the way that its policy allows.
pub(super) fn export(link: &KeyLink) -> Result<ExportedKey, NoExport> {
    let key = CngKey::open(link)?;
    let policy = key.policy()?;
    if let Some(never) = key.kind().never_exports() {
        return Err(never);
    }
    let pkcs8 = if policy & NCRYPT_ALLOW_PLAINTEXT_EXPORT_FLAG != 0 {
        key.export(NCRYPT_PKCS8_PRIVATE_KEY_BLOB, None, NCRYPT_SILENT_FLAG)?
    } else if policy & NCRYPT_ALLOW_EXPORT_FLAG != 0 {
        key.export_encrypted()?
    } else {
        return Err(NoExport::Marked);
    };
    // A list that cannot be read is no reason to leave the key behind.
    Ok(ExportedKey {
        pkcs8,
        access: key.access().unwrap_or_default(),
    })
}

/// Creates a key under its name.
pub(super) fn create(link: &KeyLink, new: &NewKey<'_>) -> Result<(), WindowsError> {
    let key = CngKey::import(link, new.pkcs8)?;
    let policy = if new.exportable {
        NCRYPT_ALLOW_EXPORT_FLAG | NCRYPT_ALLOW_PLAINTEXT_EXPORT_FLAG
    } else {
        0
    };
    key.set(
        NCRYPT_EXPORT_POLICY_PROPERTY,
        &policy.to_ne_bytes(),
        NCRYPT_PERSIST_FLAG,
    )?;
    if new.access.iter().any(AccessEntry::is_portable) {
        let descriptor = access::of_new_key(new.access)?;
        key.set(
            NCRYPT_SECURITY_DESCR_PROPERTY,
            &descriptor,
            DACL_SECURITY_INFORMATION | NCRYPT_PERSIST_FLAG,
        )?;
    }
    key.finalize()?;
    // Public reports have keys that came to be a user's, where no service reaches them. A provider
    // that does not say whose a key is, is believed.
    let kind = number(&key.key, NCRYPT_KEY_TYPE_PROPERTY, link);
    match kind {
        Ok(kind) if kind & NCRYPT_MACHINE_KEY_FLAG != key_set_flag(link) => {
            Err(nonsense("NCryptFinalizeKey", link))
        }
        _ => Ok(()),
    }
}

/// Deletes a key, and says whether it was there.
pub(super) fn delete(link: &KeyLink) -> Result<bool, WindowsError> {
    let key = match CngKey::open(link) {
        Err(error) if error.code.is_missing_key() => return Ok(false),
        opened => opened?,
    };
    // SAFETY: the key is open. Deleting frees its handle.
    let deleted = unsafe { NCryptDeleteKey(key.key.0, NCRYPT_SILENT_FLAG) };
    status(deleted, "NCryptDeleteKey", link)?;
    mem::forget(key.key);
    Ok(true)
}

/// Signs with SHA-256.
pub(super) fn sign(link: &KeyLink, challenge: &[u8]) -> Result<Signature, WindowsError> {
    let key = CngKey::open(link)?;
    sign_by(key.key.0, challenge, link)
}

/// The same with a key that is open.
pub(super) fn sign_by(
    key: usize,
    challenge: &[u8],
    link: impl Display + Copy,
) -> Result<Signature, WindowsError> {
    let digest = Sha256::digest(challenge);
    let public = exported(key, BCRYPT_PUBLIC_KEY_BLOB, None, 0, link)?;
    let is_rsa = public.expose().starts_with(b"RSA");
    let padding = BCRYPT_PKCS1_PADDING_INFO {
        pszAlgId: BCRYPT_SHA256_ALGORITHM,
    };
    let padding = if is_rsa {
        (&raw const padding).cast::<c_void>()
    } else {
        ptr::null()
    };
    let flags = NCRYPT_SILENT_FLAG | if is_rsa { NCRYPT_PAD_PKCS1_FLAG } else { 0 };
    let (hash, length) = (digest.as_ptr(), digest.len() as u32);
    let mut size = 0;
    // SAFETY: the key is open; padding and digest outlive the call; without a buffer only the size
    // is written.
    let sized = unsafe {
        NCryptSignHash(
            key,
            padding,
            hash,
            length,
            ptr::null_mut(),
            0,
            &raw mut size,
            flags,
        )
    };
    status(sized, "NCryptSignHash", link)?;
    let mut bytes = vec![0; size as usize];
    let buffer = bytes.as_mut_ptr();
    // SAFETY: as above; the buffer holds `size` bytes.
    let signed = unsafe {
        NCryptSignHash(
            key,
            padding,
            hash,
            length,
            buffer,
            size,
            &raw mut size,
            flags,
        )
    };
    status(signed, "NCryptSignHash", link)?;
    bytes.truncate(size as usize);
    Ok(if is_rsa {
        Signature::RsaSha256(bytes)
    } else {
        Signature::EcdsaSha256(bytes)
    })
}

/// The machine's keys in the software provider of Windows. Those of the older interface, which it
/// lists too, are left out.
pub(super) fn containers() -> Result<Vec<KeyLink>, WindowsError> {
    let any = Home::SoftwareKsp.link(String::new());
    let provider = open_provider(&any.provider)?;
    let mut names = Vec::new();
    let mut position = Buffer(ptr::null_mut());
    loop {
        let mut found = Buffer(ptr::null_mut::<NCryptKeyName>());
        let flags = NCRYPT_MACHINE_KEY_FLAG | NCRYPT_SILENT_FLAG;
        // SAFETY: the provider is open; both pointers take buffers that are freed by
        // NCryptFreeBuffer.
        let told = unsafe {
            NCryptEnumKeys(
                provider.0,
                ptr::null(),
                &raw mut found.0,
                &raw mut position.0,
                flags,
            )
        };
        match status(told, "NCryptEnumKeys", &any.provider) {
            Err(error) if [Code::CNG_NO_MORE_ITEMS, Code::NOT_SUPPORTED].contains(&error.code) => {
                break;
            }
            answer => answer?,
        }
        // SAFETY: a successful call left a structure there.
        let name = unsafe { &*found.0 };
        if name.dwLegacyKeySpec == 0 {
            names.push(text_of(name.pszName));
        }
    }
    Ok(names
        .into_iter()
        .map(|name| Home::SoftwareKsp.link(name))
        .collect())
}

/// A block from the provider. Null is an empty block.
struct Buffer<T>(*mut T);

impl<T> Drop for Buffer<T> {
    fn drop(&mut self) {
        // SAFETY: the pointer came from the provider or is null, and nothing else owns it. What
        // cannot be freed stays.
        unsafe { NCryptFreeBuffer(self.0.cast::<c_void>()) };
    }
}

/// A string of the provider, which ends in NUL inside its block.
fn text_of(start: *const u16) -> String {
    text_at(start).to_string_lossy().into_owned()
}
