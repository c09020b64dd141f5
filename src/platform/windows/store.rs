//! The certificate stores of the local machine.
//!
//! Microsoft: `CertOpenStore`, "CertGetCertificateContextProperty", "Extended Properties".

use std::ffi::c_void;
use std::mem;
use std::ptr;
use std::slice;

use windows_sys::Win32::Security::Cryptography::{
    CERT_ARCHIVED_PROP_ID, CERT_CONTEXT, CERT_FRIENDLY_NAME_PROP_ID, CERT_KEY_CONTEXT,
    CERT_KEY_CONTEXT_PROP_ID, CERT_KEY_PROV_INFO_PROP_ID, CERT_NCRYPT_KEY_SPEC,
    CERT_STORE_ADD_ALWAYS, CERT_STORE_ADD_NEW, CERT_STORE_ADD_REPLACE_EXISTING,
    CERT_STORE_CTRL_COMMIT, CERT_STORE_ENUM_ARCHIVED_FLAG, CERT_STORE_OPEN_EXISTING_FLAG,
    CERT_STORE_PROV_MEMORY, CERT_STORE_PROV_SYSTEM_W, CERT_STORE_READONLY_FLAG,
    CERT_SYSTEM_STORE_CURRENT_USER, CERT_SYSTEM_STORE_INFO, CERT_SYSTEM_STORE_LOCAL_MACHINE,
    CERT_SYSTEM_STORE_LOCATION_SHIFT, CERT_SYSTEM_STORE_SERVICES_ID, CERT_SYSTEM_STORE_USERS_ID,
    CRYPT_INTEGER_BLOB, CRYPT_KEY_PROV_INFO, CRYPT_MACHINE_KEYSET,
    CertAddCertificateContextToStore, CertCloseStore, CertControlStore,
    CertCreateCertificateContext, CertDeleteCertificateFromStore, CertDuplicateCertificateContext,
    CertEnumCertificatesInStore, CertEnumSystemStore, CertFreeCertificateContext,
    CertGetCertificateContextProperty, CertOpenStore, CertSetCertificateContextProperty,
    HCERTSTORE, X509_ASN_ENCODING,
};
use windows_sys::core::BOOL;

use super::answer::{check, last, nonsense};
use super::memory::text_at;
use super::wide::{narrow, wide};
use crate::iis::{Code, KeyLink, KeySet, Properties, StoreName, StoredCertificate, WindowsError};
use vault::id::Hash;

/// `ERROR_CALL_NOT_IMPLEMENTED`.
const NOT_IMPLEMENTED: Code = Code(120);
/// `CERT_STORE_CTRL_COMMIT_FORCE_FLAG`.
const COMMIT_FORCE: u32 = 1;
/// `ERROR_NO_MORE_FILES`: how an external store says that there are no more.
const NO_MORE_FILES: Code = Code(18);

/// Where stores lie beside those of the machine.
const OTHERS: [u32; 3] = [
    CERT_SYSTEM_STORE_CURRENT_USER,
    CERT_SYSTEM_STORE_SERVICES_ID << CERT_SYSTEM_STORE_LOCATION_SHIFT,
    CERT_SYSTEM_STORE_USERS_ID << CERT_SYSTEM_STORE_LOCATION_SHIFT,
];

/// An open store. It shows archived certificates, too.
pub(super) struct CertStore {
    handle: HCERTSTORE,
    name: String,
}

/// A store that this program does not fill.
pub(super) struct Other {
    location: u32,
    /// As Windows calls it.
    pub name: String,
}

impl Drop for CertStore {
    fn drop(&mut self) {
        // SAFETY: the handle is open and nothing else closes it; contexts keep what they need. What
        // does not close stays.
        unsafe { CertCloseStore(self.handle, 0) };
    }
}

impl CertStore {
    /// Opens a store of the machine for reading; `None` where there is none. Without
    /// `OPEN_EXISTING` it would be made.
    pub(super) fn read(name: StoreName) -> Result<Option<Self>, WindowsError> {
        let existing = CERT_STORE_READONLY_FLAG | CERT_STORE_OPEN_EXISTING_FLAG;
        match Self::open(CERT_SYSTEM_STORE_LOCAL_MACHINE, name.as_str(), existing) {
            Err(error) if error.code == Code::FILE_NOT_FOUND => Ok(None),
            opened => opened.map(Some),
        }
    }

    /// Opens another store for reading.
    pub(super) fn read_other(other: &Other) -> Result<Self, WindowsError> {
        Self::open(
            other.location,
            &other.name,
            CERT_STORE_READONLY_FLAG | CERT_STORE_OPEN_EXISTING_FLAG,
        )
    }

    /// Every other store of the machine, and those of this user, of services and of users who are
    /// logged on, as far as Windows names them.
    pub(super) fn others() -> Result<Vec<Other>, WindowsError> {
        let at = |location| move |name| Other { location, name };
        let here = names(CERT_SYSTEM_STORE_LOCAL_MACHINE)?
            .into_iter()
            .filter(|name| StoreName::parse(name).is_none());
        let mut others: Vec<_> = here.map(at(CERT_SYSTEM_STORE_LOCAL_MACHINE)).collect();
        for location in OTHERS {
            others.extend(
                names(location)
                    .unwrap_or_default()
                    .into_iter()
                    .map(at(location)),
            );
        }
        Ok(others)
    }

    /// Opens a store of the machine for writing, and makes it where there is none.
    pub(super) fn write(name: StoreName) -> Result<Self, WindowsError> {
        Self::open(CERT_SYSTEM_STORE_LOCAL_MACHINE, name.as_str(), 0)
    }

    fn open(location: u32, name: &str, flags: u32) -> Result<Self, WindowsError> {
        let flags = location | flags | CERT_STORE_ENUM_ARCHIVED_FLAG;
        let text = wide(name);
        // SAFETY: this provider takes a NUL-terminated UTF-16 name, which outlives the call.
        let handle = unsafe {
            CertOpenStore(
                CERT_STORE_PROV_SYSTEM_W,
                0,
                0,
                flags,
                text.as_ptr().cast::<c_void>(),
            )
        };
        if handle.is_null() {
            return Err(last("CertOpenStore", name));
        }
        Ok(Self {
            handle,
            name: name.to_owned(),
        })
    }

    /// A store that a call opened.
    pub(super) fn of(handle: HCERTSTORE, name: &str) -> Self {
        Self {
            handle,
            name: name.to_owned(),
        }
    }

    /// A store in memory.
    pub(super) fn in_memory() -> Result<Self, WindowsError> {
        // SAFETY: this provider takes no parameter.
        let handle = unsafe { CertOpenStore(CERT_STORE_PROV_MEMORY, 0, 0, 0, ptr::null()) };
        if handle.is_null() {
            return Err(last("CertOpenStore", "memory"));
        }
        Ok(Self {
            handle,
            name: "memory".to_owned(),
        })
    }

    /// For `PFXExportCertStoreEx`.
    pub(super) fn handle(&self) -> HCERTSTORE {
        self.handle
    }

    /// Every certificate in it.
    pub(super) fn contexts(&self) -> Result<Vec<Context>, WindowsError> {
        let mut contexts = Vec::new();
        let mut found: *const CERT_CONTEXT = ptr::null();
        loop {
            // SAFETY: the store is open; `found` is null or comes from the last turn, and is freed
            // by this call.
            found = unsafe { CertEnumCertificatesInStore(self.handle, found) };
            if found.is_null() {
                let end = last("CertEnumCertificatesInStore", &self.name);
                let is_end = [Code::CERT_NOT_FOUND, NO_MORE_FILES].contains(&end.code);
                return if is_end { Ok(contexts) } else { Err(end) };
            }
            // SAFETY: the context is live; this counts a second owner.
            contexts.push(Context(unsafe { CertDuplicateCertificateContext(found) }));
        }
    }

    /// One certificate.
    pub(super) fn find(&self, certificate: &Hash) -> Result<Option<Context>, WindowsError> {
        Ok(self
            .contexts()?
            .into_iter()
            .find(|context| Hash::of(context.der()) == *certificate))
    }

    /// Adds a certificate with its properties; `CRYPT_E_EXISTS` if it is there.
    pub(super) fn add_new(&self, context: &Context) -> Result<(), WindowsError> {
        self.add(context, CERT_STORE_ADD_NEW)?;
        self.commit()
    }

    /// Gives a certificate of this store other properties, and keeps those that are not named here.
    ///
    /// The change is made on a copy that then replaces the certificate: that is written to disk
    /// everywhere.
    pub(super) fn change(
        &self,
        context: &Context,
        properties: &Properties,
    ) -> Result<(), WindowsError> {
        let copy = Self::in_memory()?.add(context, CERT_STORE_ADD_ALWAYS)?;
        copy.set(properties)?;
        self.add(&copy, CERT_STORE_ADD_REPLACE_EXISTING)?;
        self.commit()
    }

    /// Removes a certificate of this store.
    pub(super) fn delete(&self, context: Context) -> Result<(), WindowsError> {
        // SAFETY: the context is live and comes from this store. It is freed even if the call
        // fails.
        let deleted = unsafe { CertDeleteCertificateFromStore(context.0) };
        let deleted = check(deleted, "CertDeleteCertificateFromStore", &self.name);
        mem::forget(context);
        deleted.and_then(|()| self.commit())
    }

    /// Adds a copy of a context, with its properties; returns the copy.
    pub(super) fn add(&self, context: &Context, disposition: u32) -> Result<Context, WindowsError> {
        let mut added = ptr::null_mut();
        // SAFETY: store and context are live; `added` takes a context that this side frees.
        let done = unsafe {
            CertAddCertificateContextToStore(self.handle, context.0, disposition, &raw mut added)
        };
        check(done, "CertAddCertificateContextToStore", &self.name)?;
        Ok(Context(added))
    }

    /// Writes what changed to disk now, so that closing has nothing left to do that could fail
    /// unseen. Forced, because a replaced certificate does not count as a change everywhere; stores
    /// that write at once ignore the call.
    fn commit(&self) -> Result<(), WindowsError> {
        // SAFETY: the store is open; this control takes no parameter.
        let committed = unsafe {
            CertControlStore(
                self.handle,
                COMMIT_FORCE,
                CERT_STORE_CTRL_COMMIT,
                ptr::null(),
            )
        };
        match check(committed, "CertControlStore", &self.name) {
            // A store without a cache has written already.
            Err(error) if error.code == NOT_IMPLEMENTED => Ok(()),
            done => done,
        }
    }
}

/// The names of the stores of one location; none where it has none.
fn names(location: u32) -> Result<Vec<String>, WindowsError> {
    let mut names = Vec::new();
    let list = ptr::from_mut::<Vec<String>>(&mut names).cast::<c_void>();
    // SAFETY: without relocation this location takes no parameter; the callback gets the list,
    // which outlives the call.
    let listed = unsafe { CertEnumSystemStore(location, ptr::null(), list, Some(take_name)) };
    match check(listed, "CertEnumSystemStore", location) {
        Err(error) if error.code == Code::FILE_NOT_FOUND => Ok(names),
        listed => listed.map(|()| names),
    }
}

/// Takes one name down ("CertEnumSystemStoreCallback").
unsafe extern "system" fn take_name(
    name: *const c_void,
    _flags: u32,
    _info: *const CERT_SYSTEM_STORE_INFO,
    _reserved: *const c_void,
    names: *mut c_void,
) -> BOOL {
    // SAFETY: this is the list that the enumeration was given, and nobody else uses it meanwhile.
    let names = unsafe { &mut *names.cast::<Vec<String>>() };
    names.push(text_at(name.cast::<u16>()).to_string_lossy().into_owned());
    1
}

/// A certificate, counted.
pub(super) struct Context(*const CERT_CONTEXT);

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: this owner's count is given up; the call cannot fail.
        unsafe { CertFreeCertificateContext(self.0) };
    }
}

impl Context {
    /// A certificate outside any store, with properties.
    pub(super) fn new(certificate: &StoredCertificate) -> Result<Self, WindowsError> {
        let der = &certificate.der;
        // SAFETY: the slice is readable for its length; it is copied.
        let context = unsafe {
            CertCreateCertificateContext(X509_ASN_ENCODING, der.as_ptr(), der.len() as u32)
        };
        if context.is_null() {
            return Err(last("CertCreateCertificateContext", certificate.name()));
        }
        let context = Self(context);
        let none = Properties::default();
        if certificate.properties != none {
            context.set(&certificate.properties)?
        };
        Ok(context)
    }

    /// The certificate, DER.
    pub(super) fn der(&self) -> &[u8] {
        // SAFETY: a live context points to a structure that lasts as long as it does.
        let context = unsafe { &*self.0 };
        // SAFETY: the structure's own bytes, never changed while it lives.
        unsafe { slice::from_raw_parts(context.pbCertEncoded, context.cbCertEncoded as usize) }
    }

    /// The certificate as a plain value.
    pub(super) fn stored(&self) -> Result<StoredCertificate, WindowsError> {
        let friendly_name = self
            .property(CERT_FRIENDLY_NAME_PROP_ID)?
            .map(|property| property.text_at(0));
        let key = self
            .property(CERT_KEY_PROV_INFO_PROP_ID)?
            .map(|property| property.key_link())
            .transpose()?;
        let archived = self.size_of(CERT_ARCHIVED_PROP_ID)?.is_some();
        Ok(StoredCertificate {
            der: self.der().to_vec(),
            properties: Properties {
                friendly_name,
                key,
                archived,
            },
        })
    }

    /// How long a property is; `None` where it is not set.
    fn size_of(&self, id: u32) -> Result<Option<u32>, WindowsError> {
        let mut size = 0;
        // SAFETY: without a buffer only the size is written.
        let sized = unsafe {
            CertGetCertificateContextProperty(self.0, id, ptr::null_mut(), &raw mut size)
        };
        match check(sized, "CertGetCertificateContextProperty", id) {
            Err(error) if error.code == Code::CERT_NOT_FOUND => Ok(None),
            sized => sized.map(|()| Some(size)),
        }
    }

    /// The open key that came with it, and its kind: `CERT_NCRYPT_KEY_SPEC`, `AT_KEYEXCHANGE` or
    /// `AT_SIGNATURE`; `None` where none did. It lives as long as the certificate does.
    pub(super) fn key_context(&self) -> Result<Option<(usize, u32)>, WindowsError> {
        let Some(property) = self.property(CERT_KEY_CONTEXT_PROP_ID)? else {
            return Ok(None);
        };
        if property.0.len() * 8 < size_of::<CERT_KEY_CONTEXT>() {
            return Err(nonsense(
                "CertGetCertificateContextProperty",
                "CERT_KEY_CONTEXT_PROP_ID",
            ));
        }
        // SAFETY: the buffer is aligned, long enough, and every bit pattern is a value of the
        // structure.
        let context = unsafe { &*property.0.as_ptr().cast::<CERT_KEY_CONTEXT>() };
        // SAFETY: both members of the union are handles of one width.
        let handle = unsafe { context.Anonymous.hCryptProv };
        Ok(Some((handle, context.dwKeySpec)))
    }

    fn property(&self, id: u32) -> Result<Option<PropertyBuffer>, WindowsError> {
        let Some(mut size) = self.size_of(id)? else {
            return Ok(None);
        };
        // In words, because structures with pointers are written into it.
        let mut words = vec![0_u64; (size as usize).div_ceil(8)];
        let buffer = words.as_mut_ptr().cast::<c_void>();
        // SAFETY: the buffer holds at least `size` bytes.
        let filled =
            unsafe { CertGetCertificateContextProperty(self.0, id, buffer, &raw mut size) };
        check(filled, "CertGetCertificateContextProperty", id)?;
        Ok(Some(PropertyBuffer(words)))
    }

    fn set(&self, properties: &Properties) -> Result<(), WindowsError> {
        self.set_friendly_name(properties.friendly_name.as_deref())?;
        self.set_key_link(properties.key.as_ref())?;
        self.set_archived(properties.archived)
    }

    /// The property counts by being there.
    fn set_archived(&self, archived: bool) -> Result<(), WindowsError> {
        if self.size_of(CERT_ARCHIVED_PROP_ID)?.is_some() == archived {
            return Ok(());
        }
        let empty = CRYPT_INTEGER_BLOB::default();
        let data = if archived {
            (&raw const empty).cast::<c_void>()
        } else {
            ptr::null()
        };
        // SAFETY: this property takes a blob that outlives the call, or null to remove it.
        let set =
            unsafe { CertSetCertificateContextProperty(self.0, CERT_ARCHIVED_PROP_ID, 0, data) };
        check(
            set,
            "CertSetCertificateContextProperty",
            "CERT_ARCHIVED_PROP_ID",
        )
    }

    fn set_friendly_name(&self, name: Option<&str>) -> Result<(), WindowsError> {
        let mut text = wide(name.unwrap_or_default());
        let blob = CRYPT_INTEGER_BLOB {
            cbData: (text.len() * 2) as u32,
            pbData: text.as_mut_ptr().cast::<u8>(),
        };
        let data = if name.is_some() {
            (&raw const blob).cast::<c_void>()
        } else {
            ptr::null()
        };
        // SAFETY: this property takes a blob that outlives the call, or null to remove it.
        let set = unsafe {
            CertSetCertificateContextProperty(self.0, CERT_FRIENDLY_NAME_PROP_ID, 0, data)
        };
        check(
            set,
            "CertSetCertificateContextProperty",
            "CERT_FRIENDLY_NAME_PROP_ID",
        )
    }

    fn set_key_link(&self, link: Option<&KeyLink>) -> Result<(), WindowsError> {
        let mut container = wide(link.map_or("", |link| &link.container));
        let mut provider = wide(link.map_or("", |link| &link.provider));
        let mut info = CRYPT_KEY_PROV_INFO::default();
        if let Some(link) = link {
            info.pwszContainerName = container.as_mut_ptr();
            info.pwszProvName = provider.as_mut_ptr();
            info.dwProvType = link.provider_type;
            info.dwFlags = if link.key_set == KeySet::Machine {
                CRYPT_MACHINE_KEYSET
            } else {
                0
            };
            info.dwKeySpec = link.key_spec;
        }
        let data = if link.is_some() {
            (&raw const info).cast::<c_void>()
        } else {
            ptr::null()
        };
        // SAFETY: this property takes the structure, whose strings outlive the call, or null to
        // remove it.
        let set = unsafe {
            CertSetCertificateContextProperty(self.0, CERT_KEY_PROV_INFO_PROP_ID, 0, data)
        };
        check(
            set,
            "CertSetCertificateContextProperty",
            "CERT_KEY_PROV_INFO_PROP_ID",
        )
    }
}

/// What a property holds. Pointers in it lead into itself.
struct PropertyBuffer(Vec<u64>);

impl PropertyBuffer {
    fn key_link(&self) -> Result<KeyLink, WindowsError> {
        if self.0.len() * 8 < size_of::<CRYPT_KEY_PROV_INFO>() {
            return Err(nonsense(
                "CertGetCertificateContextProperty",
                "CERT_KEY_PROV_INFO_PROP_ID",
            ));
        }
        // SAFETY: the buffer is aligned, long enough, and every bit pattern is a value of the
        // structure.
        let info = unsafe { &*self.0.as_ptr().cast::<CRYPT_KEY_PROV_INFO>() };
        let key_set = if info.dwFlags & CRYPT_MACHINE_KEYSET == 0 {
            KeySet::User
        } else {
            KeySet::Machine
        };
        // CNG keys carry 0 or this mark, which mean the same.
        let key_spec = if info.dwKeySpec == CERT_NCRYPT_KEY_SPEC {
            0
        } else {
            info.dwKeySpec
        };
        Ok(KeyLink {
            container: self.text_behind(info.pwszContainerName),
            provider: self.text_behind(info.pwszProvName),
            provider_type: info.dwProvType,
            key_spec,
            key_set,
        })
    }

    /// The string that a pointer into this buffer leads to; empty for any other pointer.
    fn text_behind(&self, pointer: *const u16) -> String {
        let offset = pointer.addr().checked_sub(self.0.as_ptr().addr());
        offset.map_or_else(String::new, |offset| self.text_at(offset))
    }

    fn text_at(&self, offset: usize) -> String {
        let bytes: Vec<u8> = self
            .0
            .iter()
            .flat_map(|word| word.to_ne_bytes())
            .skip(offset)
            .collect();
        let units: Vec<u16> = bytes
            .chunks_exact(2)
            .map(|unit| u16::from_ne_bytes([unit[0], unit[1]]))
            .collect();
        narrow(&units).to_string_lossy().into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keypair::fixtures::Issued;

    fn open(name: &str, flags: u32) -> CertStore {
        CertStore::open(CERT_SYSTEM_STORE_LOCAL_MACHINE, name, flags).unwrap()
    }

    fn certificate() -> StoredCertificate {
        StoredCertificate {
            der: Issued::self_signed("archived.example.com").der,
            properties: Properties::default(),
        }
    }

    #[test]
    fn a_store_that_this_program_does_not_fill_is_found_by_its_name() {
        let (store, certificate) = (open("TrustedPeople", 0), certificate());
        store.add_new(&Context::new(&certificate).unwrap()).unwrap();
        let others = CertStore::others().unwrap();
        assert!(others.iter().all(|other| {
            other.location != CERT_SYSTEM_STORE_LOCAL_MACHINE
                || StoreName::parse(&other.name).is_none()
        }));
        let found = others
            .iter()
            .filter(|other| other.location == CERT_SYSTEM_STORE_LOCAL_MACHINE);
        let found = found.filter_map(|other| {
            CertStore::read_other(other)
                .ok()?
                .find(&certificate.sha256())
                .ok()?
        });
        assert_eq!(found.count(), 1);
        let found = store.find(&certificate.sha256()).unwrap().unwrap();
        store.delete(found).unwrap();
    }

    #[test]
    fn an_archived_certificate_is_seen_marked_and_shown_again() {
        let (store, mut certificate) = (open("My", 0), certificate());
        certificate.properties.archived = true;
        let Ok(context) = Context::new(&certificate) else {
            // Wine does not know the property.
            return;
        };
        store.add_new(&context).unwrap();
        let twin = store
            .add_new(&Context::new(&certificate).unwrap())
            .unwrap_err();
        assert_eq!(twin.code, Code::CERT_EXISTS);
        let found = || open("My", 0).find(&certificate.sha256()).unwrap().unwrap();
        assert_eq!(found().stored().unwrap(), certificate);
        store.change(&found(), &Properties::default()).unwrap();
        assert!(!found().stored().unwrap().properties.archived);
        store
            .delete(store.find(&certificate.sha256()).unwrap().unwrap())
            .unwrap();
    }
}
