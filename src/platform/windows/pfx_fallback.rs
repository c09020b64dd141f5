//! The last way to copy a key out: as a PFX made by Windows, for providers of others that know no
//! other form.
//!
//! Microsoft: `PFXExportCertStoreEx`.

use std::ptr;

use windows_sys::Win32::Security::Cryptography::{
    CERT_STORE_ADD_ALWAYS, CRYPT_INTEGER_BLOB, EXPORT_PRIVATE_KEYS, PFXExportCertStoreEx,
    PKCS12_EXPORT_SILENT, REPORT_NO_PRIVATE_KEY, REPORT_NOT_ABLE_TO_EXPORT_PRIVATE_KEY,
};
use zeroize::Zeroizing;

use super::answer::{check, nonsense};
use super::store::{CertStore, Context};
use super::wide::wide_secret;
use crate::iis::{NoExport, StoredCertificate, WindowsError};
use secret::{Password, SecretBytes};

/// The key of a certificate. Its password is random and lives for this call, so the weak encryption
/// of older systems does not matter. Without the two `REPORT` flags a PFX without the key would
/// come back as success.
pub(super) fn export(certificate: &StoredCertificate) -> Result<SecretBytes, NoExport> {
    let store = CertStore::in_memory()?;
    store.add(&Context::new(certificate)?, CERT_STORE_ADD_ALWAYS)?;
    let password = secret::words::password()
        .map_err(|_| nonsense("PFXExportCertStoreEx", certificate.name()))?;
    let mut size = 0;
    fill(&store, &password, &mut [], &mut size)?;
    let mut bytes = Zeroizing::new(vec![0; size as usize]);
    fill(&store, &password, &mut bytes, &mut size)?;
    bytes.truncate(size as usize);
    let contents = pfx::read(&bytes, &password).map_err(|_| NoExport::UnknownForm)?;
    contents
        .keys
        .into_iter()
        .next()
        .map(|key| key.pkcs8)
        .ok_or(NoExport::UnknownForm)
}

/// Without room only the size is written.
fn fill(
    store: &CertStore,
    password: &Password,
    room: &mut [u8],
    size: &mut u32,
) -> Result<(), WindowsError> {
    let start = if room.is_empty() {
        ptr::null_mut()
    } else {
        room.as_mut_ptr()
    };
    let mut blob = CRYPT_INTEGER_BLOB {
        cbData: room.len() as u32,
        pbData: start,
    };
    let password = wide_secret(password);
    let flags = EXPORT_PRIVATE_KEYS
        | REPORT_NO_PRIVATE_KEY
        | REPORT_NOT_ABLE_TO_EXPORT_PRIVATE_KEY
        | PKCS12_EXPORT_SILENT;
    // SAFETY: the store is open; the password ends in NUL and outlives the call; the blob says how
    // much room there is.
    let exported = unsafe {
        PFXExportCertStoreEx(
            store.handle(),
            &raw mut blob,
            password.as_ptr(),
            ptr::null(),
            flags,
        )
    };
    *size = blob.cbData;
    check(exported, "PFXExportCertStoreEx", "memory")
}
