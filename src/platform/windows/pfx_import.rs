//! Whether Windows takes a PFX: imported into a key that has no name and is gone again, which then
//! signs.
//!
//! Microsoft: `PFXImportCertStore` with `PKCS12_NO_PERSIST_KEY`, "dispose of the key immediately";
//! `CERT_KEY_CONTEXT`.

use windows_sys::Win32::Security::Cryptography::{
    CERT_NCRYPT_KEY_SPEC, CRYPT_INTEGER_BLOB, PFXImportCertStore, PKCS12_ALWAYS_CNG_KSP,
    PKCS12_NO_PERSIST_KEY,
};

use super::answer::last;
use super::store::CertStore;
use super::wide::wide_secret;
use super::{capi, cng};
use crate::iis::{Code, PfxFile, Signature, WindowsError};

/// Imports a PFX, and signs with the key that came with its certificate. The key goes with the store
/// in memory, which is all that the import leaves.
pub(super) fn sign(pfx: &PfxFile<'_>, challenge: &[u8]) -> Result<Signature, WindowsError> {
    let store = import(pfx)?;
    let missing = |code| WindowsError::new("PFXImportCertStore", pfx.name, code);
    let found = store.find(&pfx.certificate)?;
    let found = found.ok_or_else(|| missing(Code::CERT_NOT_FOUND))?;
    let key = found.key_context()?;
    let (handle, key_spec) = key.ok_or_else(|| missing(Code::NO_KEY))?;
    if key_spec == CERT_NCRYPT_KEY_SPEC {
        cng::sign_by(handle, challenge, pfx.name)
    } else {
        capi::sign_by(handle, key_spec, challenge, pfx.name)
    }
}

fn import(pfx: &PfxFile<'_>) -> Result<CertStore, WindowsError> {
    let bytes = pfx.bytes.expose();
    let blob = CRYPT_INTEGER_BLOB {
        cbData: bytes.len() as u32,
        pbData: bytes.as_ptr().cast_mut(),
    };
    let password = wide_secret(pfx.password);
    let interface = if pfx.always_cng {
        PKCS12_ALWAYS_CNG_KSP
    } else {
        0
    };
    let flags = PKCS12_NO_PERSIST_KEY | interface;
    // SAFETY: the blob says how long the file is, which is read only; the password ends in NUL; both
    // outlive the call. The store that comes back is this side's to close.
    let store = unsafe { PFXImportCertStore(&raw const blob, password.as_ptr(), flags) };
    if store.is_null() {
        return Err(last("PFXImportCertStore", pfx.name));
    }
    Ok(CertStore::of(store, pfx.name))
}
