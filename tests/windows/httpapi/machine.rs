//! Whether http.sys could use the certificate of a record: the machine's store holds it with a link
//! to a key.

use std::ptr;

use windows_sys::Win32::Security::Cryptography::{
    CERT_FIND_SHA1_HASH, CERT_KEY_PROV_INFO_PROP_ID, CERT_STORE_OPEN_EXISTING_FLAG,
    CERT_STORE_PROV_SYSTEM_W, CERT_STORE_READONLY_FLAG, CERT_SYSTEM_STORE_LOCAL_MACHINE,
    CRYPT_INTEGER_BLOB, CertCloseStore, CertFindCertificateInStore, CertFreeCertificateContext,
    CertGetCertificateContextProperty, CertOpenStore, X509_ASN_ENCODING,
};

use crate::kept::Kept;

pub(crate) fn has_certificate(kept: &Kept) -> bool {
    if kept.hash.is_empty() {
        return true;
    }
    let store = kept.store.as_deref().unwrap_or("MY");
    let name: Vec<u16> = store.encode_utf16().chain([0]).collect();
    let flags =
        CERT_SYSTEM_STORE_LOCAL_MACHINE | CERT_STORE_READONLY_FLAG | CERT_STORE_OPEN_EXISTING_FLAG;
    let store =
        unsafe { CertOpenStore(CERT_STORE_PROV_SYSTEM_W, 0, 0, flags, name.as_ptr().cast()) };
    if store.is_null() {
        return false;
    }
    let hash = CRYPT_INTEGER_BLOB {
        cbData: kept.hash.len() as u32,
        pbData: kept.hash.as_ptr().cast_mut(),
    };
    let wanted = ptr::from_ref(&hash).cast();
    let found = unsafe {
        CertFindCertificateInStore(
            store,
            X509_ASN_ENCODING,
            0,
            CERT_FIND_SHA1_HASH,
            wanted,
            ptr::null(),
        )
    };
    let mut size = 0;
    let property = CERT_KEY_PROV_INFO_PROP_ID;
    let has_key = !found.is_null()
        && unsafe {
            CertGetCertificateContextProperty(found, property, ptr::null_mut(), &raw mut size)
        } != 0;
    if !found.is_null() {
        unsafe { CertFreeCertificateContext(found) };
    }
    unsafe { CertCloseStore(store, 0) };
    has_key
}
