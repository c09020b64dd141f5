//! A server in memory, for tests: keeps the rules of the real one, and fails or dies at any call that a test names.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::panic::panic_any;

use pkcs8::{DecodePrivateKey, PrivateKeyInfoRef};
use rsa::Pkcs1v15Sign;
use sha1::{Digest, Sha1};
use sha2::Sha256;
use spki::EncodePublicKey;

use super::*;

/// What happens at a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It fails, and nothing was done.
    FailsBefore,
    /// It fails, and yet it was done.
    FailsAfter,
    /// The process dies before it.
    DiesBefore,
    /// The process dies after it.
    DiesAfter,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::FailsBefore, Self::FailsAfter, Self::DiesBefore, Self::DiesAfter];
}

/// The process died. Unwinds to the test, which then looks at what is left as a new process.
pub struct Died;

/// A key as the server keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptKey {
    pkcs8: Vec<u8>,
    exportable: bool,
    kind: ProviderKind,
    access: Vec<AccessEntry>,
}

/// What the server holds, for comparing.
pub type World = (BTreeMap<StoreName, Vec<StoredCertificate>>, BTreeMap<KeyLink, KeptKey>, BTreeMap<Endpoint, Record>);

/// The server.
#[derive(Default)]
pub struct Memory {
    stores: RefCell<BTreeMap<StoreName, Vec<StoredCertificate>>>,
    keys: RefCell<BTreeMap<KeyLink, KeptKey>>,
    records: RefCell<BTreeMap<Endpoint, Record>>,
    not_elevated: Cell<bool>,
    fault: Cell<Option<(usize, Fault)>>,
    calls: Cell<usize>,
}

impl Memory {
    /// The seam.
    pub fn iis(&self) -> Iis<'_> {
        Iis { stores: self, keys: self, http: self, sites: self }
    }

    /// Everything it holds.
    pub fn world(&self) -> World {
        let mut stores = self.stores.borrow().clone();
        stores.retain(|_, certificates| !certificates.is_empty());
        stores.values_mut().for_each(|certificates| certificates.sort_by(|a, b| a.der.cmp(&b.der)));
        (stores, self.keys.borrow().clone(), self.records.borrow().clone())
    }

    /// Lets the call with this number, counted from now, go wrong.
    pub fn arm(&self, call: usize, fault: Fault) {
        self.calls.set(0);
        self.fault.set(Some((call, fault)));
    }

    /// Whether the fault happened; there is none any more.
    pub fn disarm(&self) -> bool {
        self.fault.take().is_none_or(|(call, _)| self.calls.get() > call)
    }

    /// Takes elevation away.
    pub fn lower(&self) {
        self.not_elevated.set(true);
    }

    /// Puts a certificate into a store.
    pub fn put_certificate(&self, store: StoreName, der: &[u8], key: Option<&KeyLink>) {
        let properties = Properties { friendly_name: None, key: key.cloned() };
        let certificate = StoredCertificate { der: der.to_vec(), properties };
        self.stores.borrow_mut().entry(store).or_default().push(certificate);
    }

    /// Puts a key into a container.
    pub fn put_key(&self, link: &KeyLink, pkcs8: &[u8], exportable: bool, kind: ProviderKind) {
        let key = KeptKey { pkcs8: pkcs8.to_vec(), exportable, kind, access: Vec::new() };
        self.keys.borrow_mut().insert(link.clone(), key);
    }

    fn call<T>(&self, name: &'static str, done: impl FnOnce() -> Result<T, Code>) -> Result<T, WindowsError> {
        let number = self.calls.replace(self.calls.get() + 1);
        let fault = self.fault.get().filter(|(call, _)| *call == number).map(|(_, fault)| fault);
        let error = |code| WindowsError::new(name, "memory", code);
        match fault {
            Some(Fault::FailsBefore) => return Err(error(Code(31))),
            Some(Fault::DiesBefore) => panic_any(Died),
            _ => {}
        }
        let result = done().map_err(error);
        match fault {
            Some(Fault::FailsAfter) => Err(error(Code(31))),
            Some(Fault::DiesAfter) => panic_any(Died),
            _ => result,
        }
    }

    fn open(&self, link: &KeyLink) -> Result<KeptKey, Code> {
        let missing = if link.key_set == KeySet::Machine && self.not_elevated.get() {
            None
        } else {
            self.keys.borrow().get(link).cloned()
        };
        missing.ok_or(Code::BAD_KEYSET)
    }
}

impl CertStores for Memory {
    fn certificates(&self, store: StoreName) -> Result<Vec<StoredCertificate>, WindowsError> {
        self.call("CertOpenStore", || Ok(self.stores.borrow().get(&store).cloned().unwrap_or_default()))
    }

    fn add(&self, store: StoreName, certificate: &StoredCertificate) -> Result<(), WindowsError> {
        self.call("CertAddCertificateContextToStore", || {
            let mut stores = self.stores.borrow_mut();
            let there = stores.entry(store).or_default();
            if there.iter().any(|other| other.der == certificate.der) {
                return Err(Code::CERT_EXISTS);
            }
            there.push(certificate.clone());
            Ok(())
        })
    }

    fn change(&self, store: StoreName, certificate: &Hash, properties: &Properties) -> Result<(), WindowsError> {
        self.call("CertSetCertificateContextProperty", || {
            let mut stores = self.stores.borrow_mut();
            let there = stores.entry(store).or_default().iter_mut().find(|c| c.sha256() == *certificate);
            there.ok_or(Code::CERT_NOT_FOUND)?.properties = properties.clone();
            Ok(())
        })
    }

    fn remove(&self, store: StoreName, certificate: &Hash) -> Result<bool, WindowsError> {
        self.call("CertDeleteCertificateFromStore", || {
            let mut stores = self.stores.borrow_mut();
            let there = stores.entry(store).or_default();
            let before = there.len();
            there.retain(|c| c.sha256() != *certificate);
            Ok(there.len() < before)
        })
    }
}

impl Keys for Memory {
    fn elevated(&self) -> bool {
        !self.not_elevated.get()
    }

    fn inspect(&self, link: &KeyLink) -> Result<KeyFacts, WindowsError> {
        self.call("CryptGetUserKey", || {
            let key = self.open(link)?;
            let marked = (!key.exportable).then_some(NoExport::Marked);
            Ok(KeyFacts {
                kind: key.kind,
                no_export: key.kind.never_exports().or(marked),
                public_key: public_half(&key.pkcs8),
            })
        })
    }

    fn export(&self, link: &KeyLink) -> Result<ExportedKey, NoExport> {
        let key = self.call("CryptExportKey", || self.open(link))?;
        match key.exportable {
            true => Ok(ExportedKey { pkcs8: SecretBytes::new(key.pkcs8), access: key.access }),
            false => Err(NoExport::Marked),
        }
    }

    fn create(&self, link: &KeyLink, new: &NewKey<'_>) -> Result<(), WindowsError> {
        self.call("CryptAcquireContext", || {
            if self.keys.borrow().contains_key(link) {
                return Err(Code::EXISTS);
            }
            if !link.is_cng() && blob::rsa_private_blob(new.pkcs8).is_none() {
                return Err(Code::BAD_DATA);
            }
            let kind = ProviderKind::of(link, implementation::SOFTWARE);
            let access = new.access.iter().filter(|entry| entry.is_portable()).cloned().collect();
            let key = KeptKey { pkcs8: new.pkcs8.expose().to_vec(), exportable: new.exportable, kind, access };
            self.keys.borrow_mut().insert(link.clone(), key);
            Ok(())
        })
    }

    fn delete(&self, link: &KeyLink) -> Result<bool, WindowsError> {
        self.call("CryptAcquireContext", || Ok(self.keys.borrow_mut().remove(link).is_some()))
    }

    fn sign(&self, link: &KeyLink, challenge: &[u8]) -> Result<Signature, WindowsError> {
        self.call("CryptSignHash", || {
            let key = self.open(link)?;
            if let Ok(rsa) = rsa::PrivateKey::from_pkcs8_der(&key.pkcs8) {
                let signature = rsa.sign(Pkcs1v15Sign::new::<Sha1>(), &Sha1::digest(challenge));
                return signature.map(Signature::RsaSha1).map_err(|_| Code::BAD_KEY);
            }
            use p256::ecdsa::signature::hazmat::PrehashSigner;
            let key = p256::ecdsa::SigningKey::from_pkcs8_der(&key.pkcs8).map_err(|_| Code::BAD_KEY)?;
            let signature: p256::ecdsa::Signature =
                key.sign_prehash(&Sha256::digest(challenge)).map_err(|_| Code::BAD_KEY)?;
            Ok(Signature::EcdsaSha256(signature.to_bytes().to_vec()))
        })
    }

    fn containers(&self) -> Result<Vec<KeyLink>, WindowsError> {
        self.call("CryptGetProvParam", || {
            Ok(self.keys.borrow().keys().filter(|link| link.key_set == KeySet::Machine).cloned().collect())
        })
    }
}

fn public_half(pkcs8: &[u8]) -> Vec<u8> {
    let public = match PrivateKeyInfoRef::try_from(pkcs8) {
        Ok(info) if info.algorithm.parameters_oid().is_ok() => {
            p256::SecretKey::from_pkcs8_der(pkcs8).map(|key| key.public_key().to_public_key_der())
        }
        _ => rsa::PrivateKey::from_pkcs8_der(pkcs8).map(|key| key.to_public_key().to_public_key_der()),
    };
    public.unwrap().unwrap().into_vec()
}

impl HttpSys for Memory {
    fn records(&self) -> Result<Vec<Record>, WindowsError> {
        self.call("HttpQueryServiceConfiguration", || Ok(self.records.borrow().values().cloned().collect()))
    }

    fn add(&self, record: &Record) -> Result<(), WindowsError> {
        self.call("HttpSetServiceConfiguration", || match self.records.borrow_mut().entry(record.endpoint.clone()) {
            Entry::Occupied(_) => Err(Code(183)),
            Entry::Vacant(free) => {
                free.insert(record.clone());
                Ok(())
            }
        })
    }

    fn replace(&self, record: &Record) -> Result<(), WindowsError> {
        self.call("HttpUpdateServiceConfiguration", || {
            match self.records.borrow_mut().get_mut(&record.endpoint) {
                Some(there) => there.clone_from(record),
                None => return Err(Code(2)),
            }
            Ok(())
        })
    }

    fn remove(&self, endpoint: &Endpoint) -> Result<bool, WindowsError> {
        self.call("HttpDeleteServiceConfiguration", || Ok(self.records.borrow_mut().remove(endpoint).is_some()))
    }
}

impl SiteConfig for Memory {
    fn folder(&self) -> Option<std::path::PathBuf> {
        None
    }

    fn apply(&self, _changes: &[BindingChange]) -> Result<(), WindowsError> {
        self.call("CommitChanges", || Ok(()))
    }

    fn back_up(&self, _name: &str) -> Result<(), WindowsError> {
        self.call("appcmd", || Ok(()))
    }

    fn addresses(&self) -> Result<Vec<std::net::IpAddr>, WindowsError> {
        Ok(Vec::new())
    }

    fn windows_build(&self) -> u32 {
        20_348
    }
}
