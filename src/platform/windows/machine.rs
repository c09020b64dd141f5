//! This machine: its certificate stores and keys, the records of http.sys, the configuration of
//! IIS.

use crate::input::read_input;
use std::io;
use std::net::IpAddr;
use std::path::PathBuf;

use crate::iis::config;
use crate::iis::others::{self, OtherUse, Registry};
use crate::iis::renewers::{self, InstalledRenewer, Places};
use crate::iis::sites::{CentralStore, Settings};
use crate::iis::{
    BindingChange, CertStores, Code, Elsewhere, Endpoint, ExportedKey, HttpSys, Iis, KeyFacts,
    KeyLink, Keys, NewKey, NoExport, PfxFile, Properties, Signature, Site, SiteConfig, SslBinding,
    StoreName, StoredCertificate, WindowsError, lists_root,
};
use vault::id::Hash;

use super::answer::nonsense;
use super::registry::RegistryKey;
use super::store::{CertStore, Context};
use super::{
    address, apphost, capi, cng, folders, http_sys, pfx_fallback, pfx_import, process, registry,
};

const WINDOWS_VERSION: &str = r"SOFTWARE\Microsoft\Windows NT\CurrentVersion";
/// Microsoft: "Certificates and trust in Windows" (windowsserverdocs): the list that the CTL updater
/// keeps, and the policy that switches it off.
const ROOT_LIST: &str = r"SOFTWARE\Microsoft\SystemCertificates\AuthRoot\AutoUpdate";
const ROOT_POLICY: &str = r"SOFTWARE\Policies\Microsoft\SystemCertificates\AuthRoot";
const CENTRAL_STORE: &str = r"SOFTWARE\Microsoft\IIS\CentralCertProvider";
const REBIND_TASK: &str =
    r"System32\Tasks\Microsoft\Windows\CertificateServicesClient\IIS-AutoCertRebind";
/// Tasks are files, in the form of \[MS-TSCH\]; those that people and programs make lie directly here.
const TASKS: &str = r"System32\Tasks";
/// Where NPS keeps its policies.
const NPS_POLICIES: &str = r"System32\ias\ias.xml";
/// `ProfileImagePath` of everybody who has a profile (Microsoft: "SID in profile list").
const PROFILES: &str = r"SOFTWARE\Microsoft\Windows NT\CurrentVersion\ProfileList";
/// Most tasks that are read, and most octets of each.
const MOST_TASKS: usize = 500;
const LARGEST_TASK: u64 = 256 * 1024;

/// The machine this runs on.
pub struct LocalMachine;

/// This server.
pub fn iis() -> Option<Iis<'static>> {
    Some(LocalMachine.iis())
}

impl LocalMachine {
    /// The seam.
    pub fn iis(&self) -> Iis<'static> {
        Iis {
            stores: &LocalMachine,
            keys: &LocalMachine,
            http: &LocalMachine,
            sites: &LocalMachine,
        }
    }
}

impl CertStores for LocalMachine {
    fn certificates(&self, store: StoreName) -> Result<Vec<StoredCertificate>, WindowsError> {
        match CertStore::read(store)? {
            Some(store) => store.contexts()?.iter().map(Context::stored).collect(),
            None => Ok(Vec::new()),
        }
    }

    fn fetches_root(&self, root: &[u8]) -> Option<bool> {
        if registry::number(ROOT_POLICY, "DisableRootAutoUpdate") == Some(1) {
            return Some(false);
        }
        let list = registry::bytes(ROOT_LIST, "EncodedCtl")?;
        Some(lists_root(&list, root))
    }

    fn elsewhere(&self) -> Result<Vec<Elsewhere>, WindowsError> {
        let mut found = Vec::new();
        for other in CertStore::others()? {
            // What this process may not read, it knows nothing of.
            let contexts = CertStore::read_other(&other)
                .and_then(|store| store.contexts())
                .unwrap_or_default();
            let certificates = contexts.iter().filter_map(|context| context.stored().ok());
            let store = &other.name;
            found.extend(certificates.map(|certificate| Elsewhere {
                store: store.clone(),
                certificate,
            }));
        }
        Ok(found)
    }

    fn add(&self, store: StoreName, certificate: &StoredCertificate) -> Result<(), WindowsError> {
        CertStore::write(store)?.add_new(&Context::new(certificate)?)
    }

    fn change(
        &self,
        store: StoreName,
        certificate: &Hash,
        properties: &Properties,
    ) -> Result<(), WindowsError> {
        let opened = CertStore::write(store)?;
        let found = opened.find(certificate)?;
        let missing =
            || WindowsError::new("CertEnumCertificatesInStore", store, Code::CERT_NOT_FOUND);
        opened.change(&found.ok_or_else(missing)?, properties)
    }

    fn remove(&self, store: StoreName, certificate: &Hash) -> Result<bool, WindowsError> {
        let store = CertStore::write(store)?;
        match store.find(certificate)? {
            Some(context) => store.delete(context).map(|()| true),
            None => Ok(false),
        }
    }
}

impl Keys for LocalMachine {
    fn elevated(&self) -> bool {
        process::is_elevated().unwrap_or(false)
    }

    fn inspect(&self, key: &KeyLink) -> Result<KeyFacts, WindowsError> {
        if key.is_cng() {
            cng::inspect(key)
        } else {
            capi::inspect(key)
        }
    }

    fn export(&self, key: &KeyLink) -> Result<ExportedKey, NoExport> {
        let exported = if key.is_cng() {
            cng::export(key)
        } else {
            capi::export(key)
        };
        match exported {
            Err(NoExport::Refused(_) | NoExport::UnknownForm) if !is_of_windows(key) => {
                export_as_pfx(key)
            }
            exported => exported,
        }
    }

    fn create(&self, key: &KeyLink, new: &NewKey<'_>) -> Result<(), WindowsError> {
        if key.is_cng() {
            cng::create(key, new)
        } else {
            capi::create(key, new)
        }
    }

    fn delete(&self, key: &KeyLink) -> Result<bool, WindowsError> {
        // An empty name is the user's own default container, which is never meant.
        if key.container.is_empty() {
            return Err(nonsense("CryptAcquireContextW", key));
        }
        if key.is_cng() {
            cng::delete(key)
        } else {
            capi::delete(key)
        }
    }

    fn sign(&self, key: &KeyLink, challenge: &[u8]) -> Result<Signature, WindowsError> {
        if key.is_cng() {
            cng::sign(key, challenge)
        } else {
            capi::sign(key, challenge)
        }
    }

    fn sign_from_pfx(
        &self,
        pfx: &PfxFile<'_>,
        challenge: &[u8],
    ) -> Result<Signature, WindowsError> {
        pfx_import::sign(pfx, challenge)
    }

    fn containers(&self) -> Result<Vec<KeyLink>, WindowsError> {
        let mut containers = capi::containers()?;
        containers.extend(cng::containers()?);
        Ok(containers)
    }
}

impl HttpSys for LocalMachine {
    fn records(&self) -> Result<Vec<SslBinding>, WindowsError> {
        http_sys::records()
    }

    fn add(&self, record: &SslBinding) -> Result<(), WindowsError> {
        http_sys::add(record)
    }

    fn replace(&self, record: &SslBinding) -> Result<(), WindowsError> {
        http_sys::replace(record)
    }

    fn remove(&self, endpoint: &Endpoint) -> Result<bool, WindowsError> {
        http_sys::remove(endpoint)
    }
}

impl SiteConfig for LocalMachine {
    fn folder(&self) -> Option<PathBuf> {
        apphost::folder()
    }

    fn apply(&self, changes: &[BindingChange]) -> Result<(), WindowsError> {
        apphost::apply(changes)
    }

    fn add_site(&self, site: &Site) -> Result<(), WindowsError> {
        apphost::add_site(site)
    }

    fn remove_site(&self, name: &str) -> Result<bool, WindowsError> {
        apphost::remove_site(name)
    }

    fn back_up(&self, name: &str) -> Result<(), WindowsError> {
        apphost::back_up(name)
    }

    fn addresses(&self) -> Result<Vec<IpAddr>, WindowsError> {
        address::of_this_machine()
    }

    /// Unlike the functions that tell a version, this value does not depend on what the program was
    /// built for.
    fn windows_build(&self) -> u32 {
        registry::text(WINDOWS_VERSION, "CurrentBuildNumber")
            .ok()
            .and_then(|build| build.parse().ok())
            .unwrap_or(0)
    }

    fn settings(&self) -> Settings {
        let text = |name| registry::text(CENTRAL_STORE, name).unwrap_or_default();
        let enabled =
            registry::number(CENTRAL_STORE, "Enabled").is_some_and(|enabled| enabled != 0);
        let central_store = enabled.then(|| CentralStore {
            location: text("CertStoreLocation"),
            user: text("UserName"),
        });
        // They are told about only: what cannot be read is as if it were not there.
        let properties = http_sys::properties().unwrap_or_default();
        Settings {
            central_store,
            automatic_rebind: automatic_rebind(),
            properties,
            others: others(),
            silent: others::silent(&LocalMachine),
            renewers: renewers(),
        }
    }
}

impl Registry for LocalMachine {
    fn bytes(&self, key: &str, name: &str) -> Option<Vec<u8>> {
        registry::bytes(key, name)
    }

    fn text(&self, key: &str, name: &str) -> Option<String> {
        registry::text(key, name).ok()
    }

    fn children(&self, key: &str) -> Option<Vec<String>> {
        let children = RegistryKey::of_machine(key)?.children_with_names();
        Some(children.into_iter().map(|(name, _)| name).collect())
    }
}

/// What else than IIS is set to a certificate. What cannot be read is as if it were not there.
fn others() -> Vec<OtherUse> {
    let mut found = others::in_registry(&LocalMachine);
    let policies = folders::windows().map(|folder| folder.join(NPS_POLICIES));
    if let Ok(policies) = policies.and_then(|path| read_input(&path)) {
        found.extend(others::in_nps(&policies));
    }
    // The stores are opened only for what is known by another hash.
    if found.iter().any(OtherUse::is_by_sha256) {
        let mut here = Vec::new();
        for store in StoreName::WITH_KEYS {
            here.extend(LocalMachine.certificates(store).unwrap_or_default());
        }
        others::by_thumbprint(&mut found, &here);
    }
    found
}

/// Programs that renew certificates, as far as their folders and tasks can be seen.
fn renewers() -> Vec<InstalledRenewer> {
    let Some(of_machine) = folders::program_data() else {
        return Vec::new();
    };
    renewers::of(&Places {
        of_machine: &of_machine,
        of_users: &local_data_of_everybody(),
        tasks: &tasks(),
    })
}

fn local_data_of_everybody() -> Vec<PathBuf> {
    let profiles = RegistryKey::of_machine(PROFILES);
    let profiles = profiles.map_or_else(Vec::new, |key| key.children());
    let texts = profiles.iter().flat_map(RegistryKey::texts);
    let folders = texts.filter(|(name, _)| name.eq_ignore_ascii_case("ProfileImagePath"));
    // Those of people are written out; those of services begin with %systemroot%.
    let folders = folders.map(|(_, path)| PathBuf::from(path).join(r"AppData\Local"));
    folders.collect()
}

fn tasks() -> Vec<(String, Vec<u8>)> {
    let Ok(folder) = folders::windows().map(|folder| folder.join(TASKS)) else {
        return Vec::new();
    };
    let mut tasks = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        if tasks.len() == MOST_TASKS {
            break;
        }
        let is_task = entry
            .metadata()
            .is_ok_and(|facts| facts.is_file() && facts.len() <= LARGEST_TASK);
        if let Some(bytes) = read_input(&entry.path()).ok().filter(|_| is_task) {
            let name = entry.file_name().to_string_lossy().into_owned();
            tasks.push((name, bytes.to_vec()));
        }
    }
    tasks
}

/// "Enable Automatic Rebind of Renewed Certificate" of IIS 8.5 makes a task; `None` where it cannot
/// be read.
fn automatic_rebind() -> Option<bool> {
    match read_input(&folders::windows().ok()?.join(REBIND_TASK)) {
        Ok(task) => config::task_is_enabled(&task),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Some(false),
        Err(_) => None,
    }
}

/// Whether a provider is part of Windows, so that its answer is the last word.
fn is_of_windows(key: &KeyLink) -> bool {
    key.provider.starts_with("Microsoft ")
}

/// Windows makes a PFX only for a certificate: any that leads to the key will do.
fn export_as_pfx(key: &KeyLink) -> Result<ExportedKey, NoExport> {
    for store in StoreName::WITH_KEYS {
        let certificates = LocalMachine.certificates(store)?;
        if let Some(leads) = certificates
            .iter()
            .find(|certificate| certificate.properties.key.as_ref() == Some(key))
        {
            return Ok(ExportedKey {
                pkcs8: pfx_fallback::export(leads)?,
                access: Vec::new(),
            });
        }
    }
    Err(NoExport::UnknownForm)
}
