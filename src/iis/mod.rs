//! The certificates and keys of an IIS server as plain values: what its stores hold, where each key
//! lies, and what may be done with it. The traits are the seam to Windows; all else below this
//! module is pure.

pub mod access;
pub mod binding;
pub mod blob;
pub mod challenge;
mod code;
pub mod config;
pub mod look;
#[cfg(test)]
pub mod memory;
mod on_windows;
pub mod others;
pub mod renewers;
mod review;
pub mod site_map;
pub mod sites;

use std::fmt;

use data_encoding::HEXUPPER;
use serde::{Deserialize, Serialize};
use sha1::{Digest, Sha1};

pub use access::AccessEntry;
pub use challenge::Signature;
pub use code::{Code, WindowsError};
pub use look::{FoundKey, KeyState, Snapshot, StoreEntry, look, look_at_all};
pub use on_windows::{OnWindows, is_pending};
pub use others::OtherUse;
pub use review::review;
pub use site_map::SiteMap;
pub use sites::{
    Binding, BindingChange, BindingEdit, Endpoint, FtpCertificate, HttpSys, Settings, Site,
    SiteConfig, SslBinding,
};

use crate::keypair::Certificate;
use crate::keypair::is_called;
use crate::message::Text;
use crate::text;
use secret::{Password, SecretBytes};
use vault::id::Hash;

/// A certificate store of the local machine.
///
/// Microsoft: "System Store Locations", `CERT_SYSTEM_STORE_LOCAL_MACHINE`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum StoreName {
    /// "Personal".
    My,
    /// "Web Hosting", from IIS 8.0.
    WebHosting,
    /// "Intermediate Certification Authorities".
    #[serde(rename = "CA")]
    Ca,
    /// "Trusted Root Certification Authorities".
    Root,
    /// "Certificate Enrollment Requests": a stand-in certificate for each request that waits for
    /// its answer.
    #[serde(rename = "REQUEST")]
    Request,
}

impl StoreName {
    /// The stores that this program fills. The others are only looked at (`CertStores::elsewhere`).
    pub const ALL: [Self; 5] = [
        Self::My,
        Self::WebHosting,
        Self::Ca,
        Self::Root,
        Self::Request,
    ];
    /// Those whose certificates have keys.
    pub const WITH_KEYS: [Self; 3] = [Self::My, Self::WebHosting, Self::Request];

    /// The store of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|store| store.as_str().eq_ignore_ascii_case(name))
    }

    /// The name that `CertOpenStore` takes.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::My => "My",
            Self::WebHosting => "WebHosting",
            Self::Ca => "CA",
            Self::Root => "Root",
            Self::Request => "REQUEST",
        }
    }
}

impl fmt::Display for StoreName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A certificate as a store holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredCertificate {
    /// X.509, DER.
    pub der: Vec<u8>,
    /// What can be changed about it.
    pub properties: Properties,
}

/// What Windows keeps beside a certificate: both can be changed, the certificate cannot.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Properties {
    /// `CERT_FRIENDLY_NAME_PROP_ID`.
    pub friendly_name: Option<String>,
    /// `CERT_KEY_PROV_INFO_PROP_ID`: where its key should be. Nothing proves that it is there.
    pub key: Option<KeyLink>,
    /// `CERT_ARCHIVED_PROP_ID`: Windows lists it no more, which a renewal does to what it renews.
    /// It may serve all the same.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub archived: bool,
}

/// A certificate in a store that this program does not fill.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Elsewhere {
    /// The store, as Windows calls it.
    pub store: String,
    /// The certificate.
    pub certificate: StoredCertificate,
}

/// Where Windows looks for a certificate's key.
///
/// Microsoft: `CRYPT_KEY_PROV_INFO`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct KeyLink {
    /// Key container (CAPI) or key name (CNG).
    pub container: String,
    /// Name of the CSP or KSP.
    pub provider: String,
    /// `PROV_RSA_FULL` 1, `PROV_RSA_SCHANNEL` 12, `PROV_RSA_AES` 24; 0 means CNG.
    pub provider_type: u32,
    /// CAPI: `AT_KEYEXCHANGE` 1 or `AT_SIGNATURE` 2. CNG: 0.
    pub key_spec: u32,
    /// Whose key it is.
    pub key_set: KeySet,
}

/// Whose keys a container is among. A server's services reach the machine's only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum KeySet {
    /// `CRYPT_MACHINE_KEYSET`.
    Machine,
    /// One user's profile.
    User,
}

/// How the names of the containers that this program makes begin; a GUID follows.
pub const OWN_CONTAINER: &str = "pfxvault-";

impl KeyLink {
    /// Whether this program made the container.
    pub fn is_own(&self) -> bool {
        self.container.starts_with(OWN_CONTAINER)
    }

    /// Whether the key is CNG's.
    pub fn is_cng(&self) -> bool {
        self.provider_type == 0
    }
}

impl fmt::Display for KeyLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.container, self.provider)
    }
}

impl StoredCertificate {
    /// SHA-256 of the certificate.
    pub fn sha256(&self) -> Hash {
        Hash::of(&self.der)
    }

    /// SHA-1 of the certificate, upper-case, as Windows shows it.
    pub fn thumbprint(&self) -> String {
        HEXUPPER.encode(&Sha1::digest(&self.der))
    }

    /// What people know it by: its first host name, else its thumbprint.
    pub fn name(&self) -> String {
        let parsed = Certificate::parse(self.der.clone());
        parsed.map_or_else(
            |_| self.thumbprint(),
            |parsed| parsed.display_name().to_owned(),
        )
    }

    /// Whether any of `names`, as typed or pasted, means this certificate; no names mean every one.
    pub fn is_wanted(&self, names: &[String]) -> bool {
        let Ok(parsed) = Certificate::parse(self.der.clone()) else {
            return names.is_empty();
        };
        let friendly = self.properties.friendly_name.as_deref();
        let labels = || {
            let labels = [Some(parsed.display_name()), parsed.common_name(), friendly]
                .into_iter()
                .flatten();
            labels.chain(parsed.dns_names().iter().map(String::as_str))
        };
        names.is_empty()
            || names
                .iter()
                .any(|name| is_called(name, &self.thumbprint(), labels()))
    }
}

/// The public key in a certificate: `SubjectPublicKeyInfo`, DER. `None` if it is no certificate.
pub fn public_key(certificate: &[u8]) -> Option<Vec<u8>> {
    let certificate = Certificate::parse(certificate.to_vec()).ok()?;
    certificate.public_key_info().map(<[u8]>::to_vec)
}

/// Whether a certificate names itself as its issuer: a root.
pub fn is_self_issued(certificate: &[u8]) -> bool {
    Certificate::parse(certificate.to_vec()).is_ok_and(|parsed| parsed.is_self_issued())
}

/// Whether Microsoft's list of public roots names a certificate. `list` is a certificate trust list
/// (`AuthRoot\AutoUpdate\EncodedCtl`), whose entries begin with the SHA-1 of a certificate as an
/// OCTET STRING.
pub fn lists_root(list: &[u8], root: &[u8]) -> bool {
    let entry = [&[4, 20], &Sha1::digest(root)[..]].concat();
    list.windows(entry.len()).any(|window| window == entry)
}

/// What kind of thing keeps a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProviderKind {
    /// A CAPI provider in software.
    Csp,
    /// A CNG provider in software.
    Ksp,
    /// The machine's Trusted Platform Module.
    Tpm,
    /// A smart card.
    SmartCard,
    /// Other hardware.
    Hsm,
    /// Virtualization-based security (Key Guard).
    Isolated,
}

/// The bits of CAPI's `PP_IMPTYPE` and CNG's `Impl Type` have the same meaning where both have
/// them.
pub mod implementation {
    /// `CRYPT_IMPL_HARDWARE`, `NCRYPT_IMPL_HARDWARE_FLAG`.
    pub const HARDWARE: u32 = 1;
    /// `CRYPT_IMPL_SOFTWARE`, `NCRYPT_IMPL_SOFTWARE_FLAG`.
    pub const SOFTWARE: u32 = 2;
    /// `CRYPT_IMPL_REMOVABLE`, `NCRYPT_IMPL_REMOVABLE_FLAG`.
    pub const REMOVABLE: u32 = 8;
    /// `NCRYPT_IMPL_VIRTUAL_ISOLATION_FLAG`; CNG only.
    pub const ISOLATED: u32 = 0x20;
}

impl ProviderKind {
    /// Judges a provider by its name and what it says of its implementation.
    pub fn of(link: &KeyLink, implemented: u32) -> Self {
        use implementation::{HARDWARE, ISOLATED, REMOVABLE, SOFTWARE};
        let is = |bit: u32| implemented & bit != 0;
        match link.provider.as_str() {
            "Microsoft Platform Crypto Provider" => Self::Tpm,
            name if name.contains("Smart Card") || is(REMOVABLE) => Self::SmartCard,
            _ if link.is_cng() && is(ISOLATED) => Self::Isolated,
            _ if is(HARDWARE) && !is(SOFTWARE) => Self::Hsm,
            _ if link.is_cng() => Self::Ksp,
            _ => Self::Csp,
        }
    }

    /// Why keys of this kind never leave it.
    pub fn never_exports(self) -> Option<NoExport> {
        match self {
            Self::Csp | Self::Ksp => None,
            Self::Tpm => Some(NoExport::Tpm),
            Self::SmartCard => Some(NoExport::SmartCard),
            Self::Hsm => Some(NoExport::Hsm),
            Self::Isolated => Some(NoExport::Isolated),
        }
    }
}

/// What opening a key tells about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyFacts {
    /// What keeps it.
    pub kind: ProviderKind,
    /// Why it cannot be exported; `None` if it can.
    pub no_export: Option<NoExport>,
    /// Its public half: `SubjectPublicKeyInfo`, DER.
    pub public_key: Vec<u8>,
}

/// Why a key cannot be exported. Each has its own way out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoExport {
    /// Marked so when it was made or imported: by hand, by a template or by an ACME client.
    Marked,
    /// Kept in the TPM.
    Tpm,
    /// Kept on a smart card.
    SmartCard,
    /// Kept in a hardware security module.
    Hsm,
    /// Kept by virtualization-based security.
    Isolated,
    /// Its form is not known here.
    UnknownForm,
    /// Windows refuses.
    Refused(WindowsError),
}

impl NoExport {
    /// The reason, for people.
    pub fn text(&self) -> Text {
        match self {
            Self::Marked => text!("no-export-marked"),
            Self::Tpm => text!("no-export-tpm"),
            Self::SmartCard => text!("no-export-smart-card"),
            Self::Hsm => text!("no-export-hsm"),
            Self::Isolated => text!("no-export-isolated"),
            Self::UnknownForm => text!("no-export-unknown-form"),
            Self::Refused(error) => error.text(),
        }
    }
}

impl From<WindowsError> for NoExport {
    fn from(error: WindowsError) -> Self {
        if error.code.is_not_exportable() {
            Self::Marked
        } else {
            Self::Refused(error)
        }
    }
}

/// A key that left the server, in memory.
#[derive(Debug)]
pub struct ExportedKey {
    /// PKCS#8, DER, not encrypted.
    pub pkcs8: SecretBytes,
    /// Who else than the system and administrators may use it.
    pub access: Vec<AccessEntry>,
}

/// A key to be created.
#[derive(Debug)]
pub struct NewKey<'a> {
    /// PKCS#8, DER, not encrypted.
    pub pkcs8: &'a SecretBytes,
    /// Whether it can be exported later.
    pub exportable: bool,
    /// Who else than the system and administrators may use it.
    pub access: &'a [AccessEntry],
}

/// A PFX, to be opened by Windows' own import.
pub struct PfxFile<'a> {
    /// What it is called where Windows refuses it.
    pub name: &'a str,
    /// The file.
    pub bytes: &'a SecretBytes,
    /// Its password.
    pub password: &'a Password,
    /// The certificate in it whose key is meant.
    pub certificate: Hash,
    /// Whether the key goes to CNG, whatever the file says (`PKCS12_ALWAYS_CNG_KSP`), or where Windows
    /// chooses: to the provider that the file names, else an RSA key to CryptoAPI.
    pub always_cng: bool,
}

/// The certificate stores of a server. Every call opens the store afresh, so that what is read is
/// what was kept.
pub trait CertStores {
    /// What a store holds, archived certificates too; nothing where there is no such store.
    ///
    /// # Errors
    /// What Windows answered.
    fn certificates(&self, store: StoreName) -> Result<Vec<StoredCertificate>, WindowsError>;

    /// What all other stores of this machine hold, those of users and services too, as far as they
    /// can be read.
    ///
    /// # Errors
    /// When Windows does not say which stores the machine has.
    fn elsewhere(&self) -> Result<Vec<Elsewhere>, WindowsError>;

    /// Whether Windows trusts a root by itself once it meets it ("automatic root update"), though
    /// its store does not show it; `None` where that cannot be told.
    fn fetches_root(&self, _root: &[u8]) -> Option<bool> {
        None
    }

    /// Adds a certificate that the store does not hold; its properties are set before it is added.
    ///
    /// # Errors
    /// What Windows answered; `CRYPT_E_EXISTS` if it is there.
    fn add(&self, store: StoreName, certificate: &StoredCertificate) -> Result<(), WindowsError>;

    /// Replaces the properties of a certificate that the store holds.
    ///
    /// # Errors
    /// What Windows answered; `CRYPT_E_NOT_FOUND` if it is not there.
    fn change(
        &self,
        store: StoreName,
        certificate: &Hash,
        properties: &Properties,
    ) -> Result<(), WindowsError>;

    /// Removes a certificate, and says whether it was there. Its key stays.
    ///
    /// # Errors
    /// What Windows answered.
    fn remove(&self, store: StoreName, certificate: &Hash) -> Result<bool, WindowsError>;
}

/// The keys of a server. Every call opens the key afresh, silently, and closes it.
pub trait Keys {
    /// Whether this process may open the machine's keys. If not, a key that does not open may be
    /// there all the same.
    fn elevated(&self) -> bool;

    /// Opens a key and tells about it; changes nothing, repairs nothing.
    ///
    /// # Errors
    /// What Windows answered; see [`Code::is_missing_key`].
    fn inspect(&self, key: &KeyLink) -> Result<KeyFacts, WindowsError>;

    /// Copies a key out. The "not exportable" mark is obeyed.
    ///
    /// # Errors
    /// Why it cannot leave.
    fn export(&self, key: &KeyLink) -> Result<ExportedKey, NoExport>;

    /// Creates a key in a container that does not exist yet.
    ///
    /// # Errors
    /// What Windows answered. The container may have come to be all the same.
    fn create(&self, key: &KeyLink, new: &NewKey<'_>) -> Result<(), WindowsError>;

    /// Deletes a key with its container, and says whether it was there.
    ///
    /// # Errors
    /// What Windows answered.
    fn delete(&self, key: &KeyLink) -> Result<bool, WindowsError>;

    /// Signs a challenge.
    ///
    /// # Errors
    /// What Windows answered.
    fn sign(&self, key: &KeyLink, challenge: &[u8]) -> Result<Signature, WindowsError>;

    /// Lets Windows import a PFX into a key without a name, which is gone after this call
    /// (`PKCS12_NO_PERSIST_KEY`), and signs a challenge with it. No store and no container is touched.
    ///
    /// # Errors
    /// What Windows answered; `CRYPT_E_NOT_FOUND` or `NTE_NO_KEY` where the certificate or its key did
    /// not come out.
    fn sign_from_pfx(&self, pfx: &PfxFile<'_>, challenge: &[u8])
    -> Result<Signature, WindowsError>;

    /// The machine's keys in the software providers of Windows, whoever made them.
    ///
    /// # Errors
    /// What Windows answered.
    fn containers(&self) -> Result<Vec<KeyLink>, WindowsError>;
}

/// A server: its stores and its keys, and what they are bound to.
#[derive(Clone, Copy)]
pub struct Iis<'a> {
    /// The stores.
    pub stores: &'a dyn CertStores,
    /// The keys.
    pub keys: &'a dyn Keys,
    /// The records of http.sys.
    pub http: &'a dyn HttpSys,
    /// The configuration of IIS.
    pub sites: &'a dyn SiteConfig,
}
