//! A server in memory, for tests: keeps the rules of the real one, and fails or dies at any call
//! that a test names.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::panic::panic_any;

use der::{Decode, Encode};
use pkcs8::{DecodePrivateKey, EncodePrivateKey};
use rsa::Pkcs1v15Sign;
use rsa::traits::{PrivateKeyParts, PublicKeyParts};
use sha1::{Digest, Sha1};
use sha2::Sha256;
use spki::EncodePublicKey;

use super::*;

/// What happens at a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallFault {
    /// It fails, and nothing was done.
    FailsBefore,
    /// It fails, and yet it was done.
    FailsAfter,
    /// The process dies before it.
    DiesBefore,
    /// The process dies after it.
    DiesAfter,
}

impl CallFault {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::FailsBefore,
        Self::FailsAfter,
        Self::DiesBefore,
        Self::DiesAfter,
    ];
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
pub type World = (
    BTreeMap<StoreName, Vec<StoredCertificate>>,
    BTreeMap<KeyLink, KeptKey>,
    BTreeMap<Endpoint, SslBinding>,
    Vec<Site>,
);

/// The server.
#[derive(Default)]
pub struct MemoryServer {
    stores: RefCell<BTreeMap<StoreName, Vec<StoredCertificate>>>,
    elsewhere: RefCell<Vec<Elsewhere>>,
    keys: RefCell<BTreeMap<KeyLink, KeptKey>>,
    /// By their endpoints in lower case.
    records: RefCell<BTreeMap<Endpoint, SslBinding>>,
    /// The folder of its configuration, where IIS is installed, with its sites.
    config: RefCell<Option<(tempfile::TempDir, Vec<Site>)>>,
    backups: RefCell<Vec<String>>,
    addresses: RefCell<Vec<std::net::IpAddr>>,
    build: Cell<u32>,
    /// The list of public roots, where there is one.
    public_roots: RefCell<Option<Vec<u8>>>,
    /// Whether a damaged file ends every list of keys.
    unlisted: Cell<bool>,
    /// How many writes of a record find its key too new (tokentimerch/tokentimer-core, on Server 2025).
    unsettled: Cell<usize>,
    /// How many commits find the configuration in somebody's hands.
    busy: Cell<usize>,
    /// What it says beside its sites and records.
    settings: RefCell<Settings>,
    not_elevated: Cell<bool>,
    /// Whether a PFX in PBES2 gives its certificate and no key, on a build that cannot read it.
    loses_keys: Cell<bool>,
    fault: Cell<Option<(usize, CallFault)>>,
    calls: Cell<usize>,
}

impl MemoryServer {
    /// The seam.
    pub fn iis(&self) -> Iis<'_> {
        Iis {
            stores: self,
            keys: self,
            http: self,
            sites: self,
        }
    }

    /// Everything it holds.
    pub fn world(&self) -> World {
        let mut stores = self.stores.borrow().clone();
        stores.retain(|_, certificates| !certificates.is_empty());
        stores
            .values_mut()
            .for_each(|certificates| certificates.sort_by(|a, b| a.der.cmp(&b.der)));
        let sites = self
            .config
            .borrow()
            .as_ref()
            .map(|(_, sites)| sites.clone())
            .unwrap_or_default();
        let mut records = self.records.borrow().clone();
        records.iter_mut().for_each(|(endpoint, record)| {
            *record = as_kept(&record.with_store());
            record.endpoint = endpoint.clone();
        });
        (stores, self.keys.borrow().clone(), records, sites)
    }

    /// Installs IIS with these sites.
    pub fn install(&self, build: u32, sites: Vec<Site>) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(config::APPLICATION_HOST), render(&sites)).unwrap();
        self.config.replace(Some((folder, sites)));
        self.build.set(build);
    }

    /// Gives it addresses.
    pub fn set_addresses(&self, addresses: &[&str]) {
        self.addresses.replace(
            addresses
                .iter()
                .map(|address| address.parse().unwrap())
                .collect(),
        );
    }

    /// Puts a record into http.sys, whoever makes it.
    pub fn put_record(&self, record: SslBinding) {
        self.records
            .borrow_mut()
            .insert(record.endpoint.in_lower_case(), record);
    }

    /// Gives it Microsoft's list of public roots, with these on it.
    pub fn list_roots(&self, roots: &[&[u8]]) {
        let mut list = b"a certificate trust list".to_vec();
        for root in roots {
            list.extend([4, 20]);
            list.extend(Sha1::digest(root));
        }
        self.public_roots.replace(Some(list));
    }

    /// Damages a file among the keys.
    pub fn damage_keys(&self) {
        self.unlisted.set(true);
    }

    /// Lets http.sys not see keys yet, for so many writes of a record.
    pub fn unsettle(&self, writes: usize) {
        self.unsettled.set(writes);
    }

    /// Puts the configuration into somebody's hands for so many commits.
    pub fn keep_busy(&self, commits: usize) {
        self.busy.set(commits);
    }

    /// Lets it say this beside its sites and records.
    pub fn set_settings(&self, settings: Settings) {
        self.settings.replace(settings);
    }

    /// Lets the configuration be that of a folder that other servers share.
    pub fn share(&self, folder: &std::path::Path) {
        let config = self.config.borrow();
        let (own, sites) = config.as_ref().unwrap();
        std::fs::write(folder.join(config::APPLICATION_HOST), render(sites)).unwrap();
        let redirection = format!(
            r#"<configuration><configurationRedirection enabled="true" path="{}" /></configuration>"#,
            folder.display()
        );
        std::fs::write(own.path().join(config::REDIRECTION), redirection).unwrap();
    }

    /// The backups that IIS made of its configuration.
    pub fn backups(&self) -> Vec<String> {
        self.backups.borrow().clone()
    }

    /// What http.sys asks of a record: flags that the headers of its build name (http.h of
    /// 10.0.14393 and 10.0.16299: 0xB), a store for a host name (netsh: "Required for Hostname based
    /// configurations"), and in that store the certificate with a key of the machine.
    fn usable(&self, record: &SslBinding) -> Result<(), Code> {
        let known = match self.build.get() {
            0 => u32::MAX,
            1..17_763 => 0xB,
            17_763..20_348 => 0xFFB,
            20_348..26_100 => 0x3FFB,
            _ => 0xFFFB,
        };
        if record.flags & !known != 0 {
            return Err(Code::INVALID_PARAMETER);
        }
        if let Some(left) = self.unsettled.get().checked_sub(1) {
            self.unsettled.set(left);
            return Err(Code::INVALID_PARAMETER);
        }
        let Some(thumbprint) = &record.thumbprint else {
            return Ok(());
        };
        if matches!(record.endpoint, Endpoint::Name { .. }) && record.store.is_none() {
            return Err(Code::INVALID_PARAMETER);
        }
        let store = StoreName::parse(record.store.as_deref().unwrap_or("MY")).ok_or(Code(1312))?;
        let stores = self.stores.borrow();
        let found = stores
            .get(&store)
            .and_then(|there| there.iter().find(|one| one.thumbprint() == *thumbprint));
        let link = found
            .and_then(|certificate| certificate.properties.key.clone())
            .ok_or(Code(1312))?;
        self.keys
            .borrow()
            .contains_key(&link)
            .then_some(())
            .ok_or(Code(1312))
    }

    /// Lets the call with this number, counted from now, go wrong.
    pub fn arm(&self, call: usize, fault: CallFault) {
        self.calls.set(0);
        self.fault.set(Some((call, fault)));
    }

    /// How often this calls the server.
    pub fn calls_of(&self, run: impl FnOnce()) -> usize {
        self.calls.set(0);
        run();
        self.calls.get()
    }

    /// Whether the fault happened; there is none any more.
    pub fn disarm(&self) -> bool {
        self.fault
            .take()
            .is_none_or(|(call, _)| self.calls.get() > call)
    }

    /// Lets a PFX that this build cannot read give its certificate all the same, without the key, as a
    /// Server 2016 did (rmbolger/Posh-ACME 566).
    pub fn lose_keys(&self) {
        self.loses_keys.set(true);
    }

    /// What `PFXImportCertStore` asks of a PFX, and where it puts the key. The password must be
    /// "exactly the same", "any other problem decoding" ends the same way; PBES2 is read from Windows
    /// 10 1709 and Server 2019 on (`PKCS12_EXPORT_PBES2_PARAMS`), and an earlier one calls the password
    /// wrong. Without `PKCS12_ALWAYS_CNG_KSP` the file's provider is taken, else (and for a name that
    /// is none) one of CryptoAPI for RSA, which has no keys on curves.
    fn imported(&self, pfx: &PfxFile<'_>) -> Result<(Vec<u8>, KeyLink), Code> {
        let read = pfx::read(pfx.bytes.expose(), pfx.password);
        let read = read.map_err(|_| Code::INVALID_PASSWORD)?;
        let key = read.keys.into_iter().next();
        let encryption = key.as_ref().and_then(|key| key.encryption.as_ref());
        let is_pbes2 = encryption.is_some_and(pfx::Encryption::is_pbes2);
        let is_unread = is_pbes2 && (1..17_763).contains(&self.build.get());
        if is_unread && !self.loses_keys.get() {
            return Err(Code::INVALID_PASSWORD);
        }
        let mut certificates = read.certificates.iter();
        if !certificates.any(|one| Hash::of(&one.der) == pfx.certificate) {
            return Err(Code::CERT_NOT_FOUND);
        }
        let key = key.filter(|_| !is_unread).ok_or(Code::NO_KEY)?;
        let pkcs8 = key.pkcs8.expose().to_vec();
        let is_rsa = rsa::PrivateKey::from_pkcs8_der(&pkcs8).is_ok();
        let named = key.attributes.csp_name.as_deref();
        let home = match (is_rsa, pfx.always_cng) {
            (true, false) => blob::Home::of_rsa(named, 0),
            _ => blob::Home::SoftwareKsp,
        };
        Ok((pkcs8, home.link("without a name".into())))
    }

    /// Takes elevation away.
    pub fn lower(&self) {
        self.not_elevated.set(true);
    }

    /// Puts a certificate into a store.
    pub fn put_certificate(&self, store: StoreName, der: &[u8], key: Option<&KeyLink>) {
        self.stores
            .borrow_mut()
            .entry(store)
            .or_default()
            .push(stored(der, key));
    }

    /// Puts an archived certificate into a store.
    pub fn put_archived(&self, store: StoreName, der: &[u8], key: Option<&KeyLink>) {
        let mut certificate = stored(der, key);
        certificate.properties.archived = true;
        self.stores
            .borrow_mut()
            .entry(store)
            .or_default()
            .push(certificate);
    }

    /// Puts a certificate into a store of any name.
    pub fn put_elsewhere(&self, store: &str, der: &[u8], key: Option<&KeyLink>) {
        self.elsewhere.borrow_mut().push(Elsewhere {
            store: store.to_owned(),
            certificate: stored(der, key),
        });
    }

    /// Puts a key into a container; an empty one does not open.
    pub fn put_key(&self, link: &KeyLink, pkcs8: &[u8], exportable: bool, kind: ProviderKind) {
        let key = KeptKey {
            pkcs8: pkcs8.to_vec(),
            exportable,
            kind,
            access: Vec::new(),
        };
        self.keys.borrow_mut().insert(link.clone(), key);
    }

    fn commit(
        &self,
        change: impl FnOnce(&mut Vec<Site>) -> Result<(), Code>,
    ) -> Result<(), WindowsError> {
        self.call("CommitChanges", || {
            let mut config = self.config.borrow_mut();
            let (folder, sites) = config.as_mut().ok_or(Code(0x8004_0154))?;
            if let Some(left) = self.busy.get().checked_sub(1) {
                self.busy.set(left);
                return Err(Code(0x8007_0021));
            }
            let mut changed = sites.clone();
            change(&mut changed)?;
            let shared = config::read_folder(folder.path()).unwrap().shared;
            let effective = shared.as_deref().unwrap_or(folder.path());
            std::fs::write(effective.join(config::APPLICATION_HOST), render(&changed)).unwrap();
            *sites = changed;
            Ok(())
        })
    }

    fn call<T>(
        &self,
        name: &'static str,
        done: impl FnOnce() -> Result<T, Code>,
    ) -> Result<T, WindowsError> {
        let number = self.calls.replace(self.calls.get() + 1);
        let fault = self
            .fault
            .get()
            .filter(|(call, _)| *call == number)
            .map(|(_, fault)| fault);
        let error = |code| WindowsError::new(name, "memory", code);
        match fault {
            Some(CallFault::FailsBefore) => return Err(error(Code(31))),
            Some(CallFault::DiesBefore) => panic_any(Died),
            _ => {}
        }
        let result = done().map_err(error);
        match fault {
            Some(CallFault::FailsAfter) => Err(error(Code(31))),
            Some(CallFault::DiesAfter) => panic_any(Died),
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

impl CertStores for MemoryServer {
    fn certificates(&self, store: StoreName) -> Result<Vec<StoredCertificate>, WindowsError> {
        self.call("CertOpenStore", || {
            Ok(self
                .stores
                .borrow()
                .get(&store)
                .cloned()
                .unwrap_or_default())
        })
    }

    fn fetches_root(&self, root: &[u8]) -> Option<bool> {
        let list = self.public_roots.borrow();
        list.as_ref().map(|list| lists_root(list, root))
    }

    fn elsewhere(&self) -> Result<Vec<Elsewhere>, WindowsError> {
        self.call("CertEnumSystemStore", || {
            Ok(self.elsewhere.borrow().clone())
        })
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

    fn change(
        &self,
        store: StoreName,
        certificate: &Hash,
        properties: &Properties,
    ) -> Result<(), WindowsError> {
        self.call("CertSetCertificateContextProperty", || {
            let mut stores = self.stores.borrow_mut();
            let there = stores
                .entry(store)
                .or_default()
                .iter_mut()
                .find(|c| c.sha256() == *certificate);
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

impl Keys for MemoryServer {
    fn elevated(&self) -> bool {
        !self.not_elevated.get()
    }

    fn inspect(&self, link: &KeyLink) -> Result<KeyFacts, WindowsError> {
        self.call("CryptGetUserKey", || {
            let key = self.open(link)?;
            if key.pkcs8.is_empty() {
                return Err(Code::PERM);
            }
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
            true => Ok(ExportedKey {
                pkcs8: SecretBytes::new(as_exported(link, &key.pkcs8)),
                access: key.access,
            }),
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
            let access = new
                .access
                .iter()
                .filter(|entry| entry.is_portable())
                .cloned()
                .collect();
            let key = KeptKey {
                pkcs8: new.pkcs8.expose().to_vec(),
                exportable: new.exportable,
                kind,
                access,
            };
            self.keys.borrow_mut().insert(link.clone(), key);
            Ok(())
        })
    }

    fn delete(&self, link: &KeyLink) -> Result<bool, WindowsError> {
        self.call("CryptAcquireContext", || {
            Ok(self.keys.borrow_mut().remove(link).is_some())
        })
    }

    fn sign(&self, link: &KeyLink, challenge: &[u8]) -> Result<Signature, WindowsError> {
        self.call("CryptSignHash", || {
            signed(&self.open(link)?.pkcs8, challenge)
        })
    }

    fn sign_from_pfx(
        &self,
        pfx: &PfxFile<'_>,
        challenge: &[u8],
    ) -> Result<Signature, WindowsError> {
        self.call("PFXImportCertStore", || {
            let (pkcs8, link) = self.imported(pfx)?;
            match link.is_cng() || blob::rsa_private_blob(&SecretBytes::copy_of(&pkcs8)).is_some() {
                true => signed(&pkcs8, challenge),
                false => Err(Code::BAD_DATA),
            }
        })
    }

    fn containers(&self) -> Result<Vec<KeyLink>, WindowsError> {
        self.call("CryptGetProvParam", || {
            if self.unlisted.get() {
                return Err(Code::BAD_KEYSET);
            }
            Ok(self
                .keys
                .borrow()
                .keys()
                .filter(|link| link.key_set == KeySet::Machine)
                .cloned()
                .collect())
        })
    }
}

/// Signs as Windows does: RSA keys with SHA-1, as every CSP can, those on curves with SHA-256.
fn signed(pkcs8: &[u8], challenge: &[u8]) -> Result<Signature, Code> {
    if let Ok(rsa) = rsa::PrivateKey::from_pkcs8_der(pkcs8) {
        let signature = rsa.sign(Pkcs1v15Sign::new::<Sha1>(), &Sha1::digest(challenge));
        return signature.map(Signature::RsaSha1).map_err(|_| Code::BAD_KEY);
    }
    use p256::ecdsa::signature::hazmat::PrehashSigner;
    let digest = Sha256::digest(challenge);
    macro_rules! on {
        ($curve:ident) => {
            if let Ok(key) = $curve::ecdsa::SigningKey::from_pkcs8_der(pkcs8) {
                let signature: Result<$curve::ecdsa::Signature, _> = key.sign_prehash(&digest);
                let signature = signature.map_err(|_| Code::BAD_KEY)?;
                return Ok(Signature::EcdsaSha256(signature.to_bytes().to_vec()));
            }
        };
    }
    on!(p256);
    on!(p384);
    on!(p521);
    // CNG has no other curves here, nor Ed25519.
    Err(Code::NOT_SUPPORTED)
}

/// CNG gives no key back as it got it: keys on curves have a key usage (dotnet/runtime 115249 and
/// 122997), and the private exponent of an RSA key is reduced by lcm(p-1, q-1), as in every PFX that
/// Windows wrote.
fn as_exported(link: &KeyLink, pkcs8: &[u8]) -> Vec<u8> {
    if !link.is_cng() {
        return pkcs8.to_vec();
    }
    if let Ok(rsa) = rsa::PrivateKey::from_pkcs8_der(pkcs8) {
        let [p, q] = rsa.primes() else { unreachable!() };
        let e = rsa.e().clone();
        let anew = rsa::PrivateKey::from_p_q(p.as_ref().clone(), q.as_ref().clone(), e).unwrap();
        return anew.to_pkcs8_der().unwrap().as_bytes().to_vec();
    }
    // [0] { SEQUENCE { 2.5.29.15, SET { BIT STRING digitalSignature } } }
    let usage = [160, 13, 48, 11, 6, 3, 85, 29, 15, 49, 4, 3, 2, 7, 128];
    let parts = der::asn1::AnyRef::from_der(pkcs8).unwrap();
    let content = [parts.value(), &usage].concat();
    let whole = der::asn1::AnyRef::new(der::Tag::Sequence, &content).unwrap();
    whole.to_der().unwrap()
}

fn stored(der: &[u8], key: Option<&KeyLink>) -> StoredCertificate {
    StoredCertificate {
        der: der.to_vec(),
        properties: Properties {
            key: key.cloned(),
            ..Properties::default()
        },
    }
}

fn public_half(pkcs8: &[u8]) -> Vec<u8> {
    macro_rules! on {
        ($curve:ident) => {
            if let Ok(key) = $curve::SecretKey::from_pkcs8_der(pkcs8) {
                return key.public_key().to_public_key_der().unwrap().into_vec();
            }
        };
    }
    on!(p256);
    on!(p384);
    on!(p521);
    let rsa = rsa::PrivateKey::from_pkcs8_der(pkcs8).unwrap();
    let public = rsa.to_public_key().to_public_key_der();
    public.unwrap().into_vec()
}

impl HttpSys for MemoryServer {
    fn records(&self) -> Result<Vec<SslBinding>, WindowsError> {
        self.call("HttpQueryServiceConfiguration", || {
            Ok(self.records.borrow().values().map(as_kept).collect())
        })
    }

    fn add(&self, record: &SslBinding) -> Result<(), WindowsError> {
        self.call("HttpSetServiceConfiguration", || {
            self.usable(record)?;
            match self
                .records
                .borrow_mut()
                .entry(record.endpoint.in_lower_case())
            {
                Entry::Occupied(_) => Err(Code(183)),
                Entry::Vacant(free) => {
                    free.insert(record.clone());
                    Ok(())
                }
            }
        })
    }

    fn replace(&self, record: &SslBinding) -> Result<(), WindowsError> {
        self.call("HttpUpdateServiceConfiguration", || {
            self.usable(record)?;
            match self
                .records
                .borrow_mut()
                .get_mut(&record.endpoint.in_lower_case())
            {
                // The name keeps the spelling that it was added with.
                Some(there) => {
                    *there = SslBinding {
                        endpoint: there.endpoint.clone(),
                        ..record.clone()
                    }
                }
                None => return Err(Code(2)),
            }
            Ok(())
        })
    }

    fn remove(&self, endpoint: &Endpoint) -> Result<bool, WindowsError> {
        self.call("HttpDeleteServiceConfiguration", || {
            Ok(self
                .records
                .borrow_mut()
                .remove(&endpoint.in_lower_case())
                .is_some())
        })
    }
}

impl SiteConfig for MemoryServer {
    fn folder(&self) -> Option<std::path::PathBuf> {
        self.config
            .borrow()
            .as_ref()
            .map(|(folder, _)| folder.path().to_owned())
    }

    fn apply(&self, changes: &[BindingChange]) -> Result<(), WindowsError> {
        self.commit(|sites| {
            for BindingChange { site, change } in changes {
                let mut there = sites.iter_mut();
                let site = there.find(|there| there.name == *site);
                make(site.ok_or(Code(0x8007_0002))?, change)?;
            }
            Ok(())
        })
    }

    fn add_site(&self, site: &Site) -> Result<(), WindowsError> {
        self.commit(|sites| {
            if sites.iter().any(|there| there.name == site.name) {
                return Err(Code(0x8007_00B7));
            }
            sites.push(site.clone());
            Ok(())
        })
    }

    fn remove_site(&self, name: &str) -> Result<bool, WindowsError> {
        let mut removed = false;
        self.commit(|sites| {
            let before = sites.len();
            sites.retain(|site| site.name != name);
            removed = sites.len() < before;
            Ok(())
        })?;
        Ok(removed)
    }

    fn back_up(&self, name: &str) -> Result<(), WindowsError> {
        self.call("appcmd", || {
            self.backups.borrow_mut().push(name.to_owned());
            Ok(())
        })
    }

    fn addresses(&self) -> Result<Vec<std::net::IpAddr>, WindowsError> {
        Ok(self.addresses.borrow().clone())
    }

    fn windows_build(&self) -> u32 {
        self.build.get()
    }

    fn settings(&self) -> Settings {
        self.settings.borrow().clone()
    }
}

/// Whether nothing comes back as nothing or as an empty name is not documented.
fn as_kept(record: &SslBinding) -> SslBinding {
    let named = |name: &Option<String>| Some(name.clone().unwrap_or_default());
    SslBinding {
        ctl_identifier: named(&record.ctl_identifier),
        ctl_store: named(&record.ctl_store),
        ..record.clone()
    }
}

fn make(site: &mut Site, change: &BindingEdit) -> Result<(), Code> {
    let at = |site: &Site, wanted: &Binding| {
        site.bindings
            .iter()
            .position(|binding| binding.is_same(wanted))
    };
    match change {
        BindingEdit::Add(binding) if at(site, binding).is_some() => return Err(Code(0x8007_00B7)),
        BindingEdit::Add(binding) => site.bindings.push(binding.clone()),
        BindingEdit::Remove(binding) => {
            let at = at(site, binding).ok_or(Code(0x8007_0002))?;
            site.bindings.remove(at);
        }
        BindingEdit::Flags { binding, ssl_flags } => {
            let at = at(site, binding).ok_or(Code(0x8007_0002))?;
            site.bindings[at].ssl_flags = *ssl_flags;
        }
        BindingEdit::Ftp { thumbprint, store } => {
            let certificate = FtpCertificate {
                thumbprint: thumbprint.clone(),
                store: store.clone(),
            };
            site.ftp = (!thumbprint.is_empty()).then_some(certificate);
        }
    }
    Ok(())
}

/// As IIS writes it, as far as anybody here reads it.
fn render(sites: &[Site]) -> String {
    let escape = |text: &str| {
        text.replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('"', "&quot;")
    };
    let binding = |Binding {
                       protocol,
                       information,
                       ssl_flags,
                   }: &Binding| {
        format!(
            r#"<binding protocol="{protocol}" bindingInformation="{}" sslFlags="{ssl_flags}" />"#,
            escape(information)
        )
    };
    let site = |site: &Site| {
        let ftp =
            site.ftp
                .as_ref()
                .map_or(String::new(), |FtpCertificate { thumbprint, store }| {
                    let ssl = format!(
                        r#"<ssl serverCertHash="{thumbprint}" serverCertStoreName="{store}" />"#
                    );
                    format!("<ftpServer><security>{ssl}</security></ftpServer>")
                });
        let bindings: String = site.bindings.iter().map(binding).collect();
        let name = escape(&site.name);
        format!(
            r#"<site name="{name}" id="{}"><bindings>{bindings}</bindings>{ftp}</site>"#,
            site.id
        )
    };
    let sites: String = sites.iter().map(site).collect();
    format!(
        "<configuration><system.applicationHost><sites>{sites}</sites></system.applicationHost></configuration>"
    )
}
