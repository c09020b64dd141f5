//! Where key pairs are read from and written to: a folder of PFX files (the layout of IIS's Central
//! Certificate Store) or of PEM files, one PFX, a certificate with its key in PEM; read only: the
//! stores of a Windows server. Reading changes nothing.

mod destination;
mod file_part;
mod folder;
mod loose;
mod machine;
mod parts;
mod passwords;
mod reading;
mod reason;

use std::collections::BTreeMap;
use std::io;
use std::mem::take;
use std::path::{Path, PathBuf};

pub use destination::{
    Destination, HANDED_OUT_ROUNDS, NamedKeyPair, PlannedFiles, Writing, pfx_of, refuse_taken,
};
pub use file_part::{FilePart, PartOfPair};
pub use folder::PassedOver;
pub use machine::{holdings, retain_used};
pub(crate) use parts::to_pkcs8;
pub use passwords::SourcePasswords;
pub use reading::{Opened, Reading, read, wrong_source_password};
pub use reason::{key_pair_reason, pfx_reason, reason_of_catalog};

use crate::error::{Error, Exit, Result};
use crate::iis::{AccessEntry, OnWindows, SiteMap};
use crate::keypair::{
    self, CertInput, Certificate, KeyInput, KeyPair, LockedKeyInput, Sorted, Unusable,
    as_file_name, is_called, labels,
};
use crate::message::{Text, os_reason};
use crate::text;
use secret::Password;
use vault::id::Hash;

/// The certificate stores of this Windows server, as a source and as a destination.
pub const IIS: &str = "iis";

/// Where key pairs are read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A folder of `host.pfx` files, or of certificates and keys in files of their own.
    Folder(PathBuf),
    /// One PFX file.
    Pfx(PathBuf),
    /// Certificates in PEM, and a key in PEM.
    Pem {
        /// The certificate, with or without its chain.
        certificate: PathBuf,
        /// The private key.
        key: PathBuf,
    },
}

impl Source {
    /// Parses `folder:DIR`, `pfx:FILE`, `pem:CERT` (which needs `key`).
    ///
    /// # Errors
    /// Usage errors only.
    pub fn parse(text: &str, key: Option<&Path>) -> Result<Self> {
        let (kind, path) = text.split_once(':').unwrap_or(("", text));
        match (kind, key) {
            ("folder", _) => Ok(Source::Folder(path.into())),
            ("pfx", _) => Ok(Source::Pfx(path.into())),
            ("pem", Some(key)) => Ok(Source::Pem {
                certificate: path.into(),
                key: key.to_owned(),
            }),
            // Key and certificate in one file.
            ("pem", None) => Ok(Source::Pem {
                certificate: path.into(),
                key: path.into(),
            }),
            _ => Err(Error::usage(text!("error-unknown-source", source = text))),
        }
    }

    /// Whether a text names a source rather than a medium. A drive letter is one character, these
    /// are not.
    pub fn is_source(text: &str) -> bool {
        text == IIS
            || ["folder:", "pfx:", "pem:"]
                .iter()
                .any(|kind| text.starts_with(kind))
    }
}

/// Everything found at a source.
#[derive(Debug, Default)]
pub struct Inventory {
    /// Key pairs that can be backed up, each certificate once.
    pub key_pairs: Vec<HeldKeyPair>,
    /// What could not be read, by name, with the reason.
    pub unreadable: Vec<UnreadableKeyPair>,
    /// Certificates whose key is not there.
    pub certificates: Vec<Certificate>,
    /// Files that hold no key pair.
    pub passed_over: Vec<PassedOver>,
    /// What else the files hold and nobody backs up, each with its file's name.
    pub skipped: Vec<(String, pfx::Skipped)>,
    /// Certificates that cannot be read and that no key pair lacks, each with its file's name.
    pub unread_certificates: Vec<(String, Text)>,
    /// Friendly names that are not kept, because the same certificate has another one in an earlier
    /// file: each with its file's name and the one that is kept.
    pub other_names: Vec<(String, String, String)>,
    /// Whether it is all from a folder of files, which IIS has no use for: such as that of a Central
    /// Certificate Store.
    pub from_folder: bool,
    /// Whether it was read what the server serves, even if that is nothing.
    pub sites_read: bool,
    /// What the server serves, where that is known.
    pub site_map: Option<SiteMap>,
    /// Why it could not be read.
    pub sites_unread: Option<Text>,
    /// Names of what is here and was not chosen, because no site uses it.
    pub unused: Vec<String>,
    /// Certificates of what is here and was not chosen, because it was not named.
    pub left_out: Vec<Certificate>,
}

/// A key pair with where it was found.
#[derive(Debug)]
pub struct HeldKeyPair {
    /// Key, certificate, chain.
    pub pair: KeyPair,
    /// Names of the files that hold it: without their folder, or with it where that is a folder of
    /// the source.
    pub file_names: Vec<String>,
    /// What of it those files hold that do not hold all of it as a PFX.
    pub file_parts: BTreeMap<String, PartOfPair>,
    /// How the PFX it came in is protected.
    pub pfx: Option<PfxProtection>,
    /// What the certificate store kept beside it.
    pub windows: Option<OnWindows>,
}

/// How a PFX protects a key pair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PfxProtection {
    /// Encryption of the key, and its rounds; `None` if the key lay open.
    pub encryption: Option<(String, u32)>,
    /// Algorithm of the MAC, and its rounds; `None` if there is none, so nothing vouches for the
    /// file.
    pub mac: Option<(String, u32)>,
}

/// A key pair that cannot be backed up, and why.
#[derive(Debug)]
pub struct UnreadableKeyPair {
    /// File name, or the name in the certificate.
    pub name: String,
    /// Why.
    pub reason: Text,
    /// Whether another password might help.
    pub wrong_password: bool,
    /// Its certificate, where that was found.
    pub certificate: Option<Certificate>,
    /// The file that it is about, and what its bytes were, where they could be read.
    pub file: Option<(String, Option<Hash>)>,
}

impl HeldKeyPair {
    /// The certificate that the key belongs to.
    pub fn leaf(&self) -> &Certificate {
        self.pair.leaf()
    }

    /// Whether it is a request that waits for its answer.
    pub fn is_pending(&self) -> bool {
        self.windows.as_ref().is_some_and(OnWindows::is_request)
    }
}

/// What one file held.
struct FileContents {
    sorted: Sorted,
    /// For each key in the file: the hash of its bytes, and how it was protected.
    protection: Vec<(Hash, PfxProtection)>,
}

/// Why one file could not be read.
enum Failure {
    File(io::Error),
    Pfx(pfx::Error),
    /// It is protected, and no password was given for it.
    NoPassword,
    /// A certificate or key in it is cut off or garbled.
    DamagedPart,
}

impl Failure {
    fn reason(&self) -> Text {
        match self {
            Failure::File(error) => os_reason(error),
            Failure::Pfx(error) => pfx_reason(error),
            Failure::NoPassword => text!("reason-no-password"),
            Failure::DamagedPart => text!("reason-part-damaged"),
        }
    }

    /// Whether another password might open it.
    fn is_locked(&self) -> bool {
        matches!(
            self,
            Failure::Pfx(pfx::Error::WrongPassword) | Failure::NoPassword
        )
    }

    fn about(&self, path: &Path) -> Error {
        let exit = if self.is_locked() {
            Exit::WrongSecret
        } else {
            Exit::Failed
        };
        Error::new(
            exit,
            text!("error-pfx-unreadable", path = path, reason = self.reason()),
        )
    }
}

fn file_name(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

/// Opens a PFX with the first of these passwords that fits.
fn read_pfx(
    bytes: &[u8],
    passwords: &[&Password],
    now: jiff::Timestamp,
) -> Result<FileContents, Failure> {
    let mut read = Err(pfx::Error::WrongPassword);
    for password in passwords {
        read = pfx::read_with(bytes, password, passwords);
        if !matches!(read, Err(pfx::Error::WrongPassword)) {
            break;
        }
    }
    let read = read.map_err(Failure::Pfx)?;
    let mac = match &read.mac {
        pfx::Mac::Verified {
            algorithm,
            iterations,
        } => Some((algorithm.to_string(), *iterations)),
        pfx::Mac::Absent => None,
    };
    let protection = read.keys.iter().map(|key| {
        let encryption = key
            .encryption
            .as_ref()
            .map(|e| (e.algorithm.to_string(), e.iterations));
        (
            Hash::of(key.pkcs8.expose()),
            PfxProtection {
                encryption,
                mac: mac.clone(),
            },
        )
    });
    let protection = protection.collect();
    Ok(FileContents {
        sorted: sort_pfx(read, now),
        protection,
    })
}

/// The key pairs of a PFX, whatever the order in the file.
pub fn sort_pfx(contents: pfx::Contents, now: jiff::Timestamp) -> Sorted {
    let keys = contents.keys.into_iter().map(|key| KeyInput {
        pkcs8: key.pkcs8,
        friendly_name: key.attributes.friendly_name,
        csp_name: key.attributes.csp_name,
        local_key_id: key.attributes.local_key_id,
    });
    let locked = contents.locked.into_iter().map(|key| LockedKeyInput {
        friendly_name: key.attributes.friendly_name,
        local_key_id: key.attributes.local_key_id,
    });
    let certificates = contents
        .certificates
        .into_iter()
        .map(|certificate| CertInput {
            der: certificate.der,
            friendly_name: certificate.attributes.friendly_name,
            local_key_id: certificate.attributes.local_key_id,
        });
    let mut sorted = keypair::sort_file(
        keys.collect(),
        locked.collect(),
        certificates.collect(),
        now,
    );
    sorted.skipped = contents.skipped;
    sorted
}

impl Inventory {
    fn take(&mut self, file: String, read: Result<FileContents, Failure>) {
        let FileContents { sorted, protection } = match read {
            Ok(contents) => contents,
            Err(failure) => {
                let (reason, wrong_password) = (failure.reason(), failure.is_locked());
                self.unreadable.push(UnreadableKeyPair {
                    wrong_password,
                    ..UnreadableKeyPair::new(file, reason)
                });
                return;
            }
        };
        let keys_are_whole = !sorted.key_pairs.is_empty() && sorted.lonely_keys.is_empty();
        for pair in sorted.key_pairs {
            let protection = protection_of(&pair, &protection);
            self.take_pair(pair, protection, &file);
        }
        let is_certificate_refused = sorted.unusable.iter().any(Unusable::is_certificate);
        for unusable in sorted.unusable {
            self.take_unusable(&file, unusable, keys_are_whole);
        }
        // Its certificate may be the one that cannot be read, which was said.
        for key in sorted
            .lonely_keys
            .iter()
            .filter(|_| !is_certificate_refused)
        {
            let reason = text!("reason-no-certificate", key_type = key.key_type());
            self.unreadable
                .push(UnreadableKeyPair::new(file.clone(), reason));
        }
        for skipped in sorted.skipped {
            self.skipped.push((file.clone(), skipped));
        }
        for certificate in sorted.certificates {
            self.take_certificate(certificate);
        }
    }

    /// `keys_are_whole` is whether every key in the file has its certificate: then one that cannot
    /// be read is an authority's, and no key pair lacks it.
    fn take_unusable(&mut self, file: &str, unusable: Unusable, keys_are_whole: bool) {
        let reason = key_pair_reason(&unusable.error);
        if keys_are_whole && unusable.is_certificate() {
            self.unread_certificates.push((file.to_owned(), reason));
            return;
        }
        let name = match unusable.name {
            Some(name) => format!("{file}: {name}"),
            None => file.to_owned(),
        };
        self.unreadable.push(UnreadableKeyPair {
            certificate: unusable.certificate,
            ..UnreadableKeyPair::new(name, reason)
        });
    }

    fn take_certificate(&mut self, certificate: Certificate) {
        let known = self.certificates.iter();
        if !known.clone().any(|one| one.der() == certificate.der()) {
            self.certificates.push(certificate);
        }
    }

    /// Says of everything unreadable from `first` on which file it is about.
    fn say_of_file(&mut self, first: usize, name: &str, bytes: Option<Hash>) {
        for one in &mut self.unreadable[first..] {
            one.file = Some((name.to_owned(), bytes));
        }
    }

    /// Says of something unreadable which file it is about.
    fn say_unreadable(&mut self, one: UnreadableKeyPair, name: &str, bytes: Option<Hash>) {
        let before = self.unreadable.len();
        self.unreadable.push(one);
        self.say_of_file(before, name, bytes);
    }

    /// A key pair of several files, each with what it holds of it.
    fn take_loose_pair(&mut self, pair: KeyPair, files: Vec<(String, PartOfPair)>) {
        let leaf = pair.leaf().der().to_vec();
        let Some((first, _)) = files.first() else {
            return;
        };
        self.take_pair(pair, None, first);
        let mut pairs = self.key_pairs.iter_mut();
        let Some(held) = pairs.find(|held| held.leaf().der() == leaf) else {
            return;
        };
        for (name, part) in files {
            if !held.file_names.contains(&name) {
                held.file_names.push(name.clone());
            }
            held.file_parts.insert(name, part);
        }
    }

    /// One certificate may lie in several files, once for each of its host names.
    fn take_pair(&mut self, pair: KeyPair, pfx: Option<PfxProtection>, file: &str) {
        match self
            .key_pairs
            .iter_mut()
            .find(|held| held.leaf().der() == pair.leaf().der())
        {
            Some(held) => {
                held.file_names.push(file.to_owned());
                if let (Some(kept), Some(other)) = (&held.pair.friendly_name, &pair.friendly_name)
                    && kept != other
                {
                    let names = (file.to_owned(), other.clone(), kept.clone());
                    self.other_names.push(names);
                }
                merge(&mut held.pair, pair);
            }
            None => self.key_pairs.push(HeldKeyPair {
                pair,
                file_names: vec![file.to_owned()],
                file_parts: BTreeMap::new(),
                pfx,
                windows: None,
            }),
        }
    }

    /// The sites of a copied applicationHost.config, with the certificates from here that name their
    /// hosts; and how many bindings got one.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn sites_of(&self, config: &Path, now: jiff::Timestamp) -> Result<(SiteMap, usize)> {
        let mut map = SiteMap::of_file(config)?;
        let certificates: Vec<_> = self
            .key_pairs
            .iter()
            .map(|held| (held.leaf(), held.windows.as_ref()))
            .collect();
        let assigned = map.assign_by_name(&certificates, now);
        Ok((map, assigned))
    }

    /// Whether there is no key pair, though something is there that may have been meant as one.
    pub fn holds_nothing(&self) -> bool {
        let is_meant = self.passed_over.iter().any(|one| !one.stray);
        self.key_pairs.is_empty() && (is_meant || !self.certificates.is_empty())
    }

    /// Names of the files that another password might open.
    pub fn locked(&self) -> Vec<String> {
        let locked = self
            .unreadable
            .iter()
            .filter(|unreadable| unreadable.wrong_password);
        locked.map(|unreadable| unreadable.name.clone()).collect()
    }

    /// Keeps the key pairs that any of `names` means: a host name, friendly or common name, file
    /// name or thumbprint. A name in several certificates means all of them: leaving one out of a
    /// backup would be the worse surprise, and where only one can be meant, [`Destination::plan`]
    /// lists the candidates.
    ///
    /// # Errors
    /// A name that means nothing here.
    pub fn select(&mut self, names: &[String]) -> Result<()> {
        if names.is_empty() {
            return Ok(());
        }
        for name in names {
            let readable = self.key_pairs.iter().any(|held| held.is_called(name));
            let unreadable = self
                .unreadable
                .iter()
                .any(|unreadable| unreadable.is_called(name));
            if !readable && !unreadable {
                return Err(Error::usage(text!("error-unknown-name", name = name)));
            }
        }
        let (chosen, others) = take(&mut self.key_pairs)
            .into_iter()
            .partition::<Vec<_>, _>(|held| names.iter().any(|n| held.is_called(n)));
        self.key_pairs = chosen;
        self.left_out
            .extend(others.iter().map(|held| held.leaf().clone()));
        let (chosen, others) = take(&mut self.unreadable)
            .into_iter()
            .partition(|one: &UnreadableKeyPair| names.iter().any(|n| one.is_called(n)));
        self.unreadable = chosen;
        self.left_out.extend(
            others
                .into_iter()
                .filter_map(|one: UnreadableKeyPair| one.certificate),
        );
        Ok(())
    }
}

impl UnreadableKeyPair {
    /// Something that no password would open.
    fn new(name: String, reason: Text) -> Self {
        Self {
            name,
            reason,
            wrong_password: false,
            certificate: None,
            file: None,
        }
    }

    /// What tells it apart from anything else that cannot be read: the file, its bytes and the
    /// reason. `None` where it is about no file.
    pub fn fingerprint(&self) -> Option<Hash> {
        let (file, bytes) = self.file.as_ref()?;
        let bytes = bytes.map(|hash| hash.to_string()).unwrap_or_default();
        Some(Hash::of(
            format!("{file}\n{bytes}\n{}", self.reason.id).as_bytes(),
        ))
    }

    /// SHA-1 of its certificate, where that was found.
    pub fn thumbprint(&self) -> Option<String> {
        self.certificate.as_ref().map(Certificate::thumbprint)
    }

    /// Whether `name`, as typed or pasted, means it.
    pub fn is_called(&self, name: &str) -> bool {
        let named = |certificate: &Certificate| {
            is_called(name, &certificate.thumbprint(), labels(certificate))
        };
        let is_file = |(file, _): &(String, _)| is_called_without_key(file, name);
        self.certificate.as_ref().is_some_and(named)
            || self.file.as_ref().is_some_and(is_file)
            || is_called_without_key(&self.name, name)
    }
}

/// Whether `name` means what is known by no more than `known`: a file's name, or one in a
/// certificate.
pub fn is_called_without_key(known: &str, name: &str) -> bool {
    let host = as_file_name(name);
    known.eq_ignore_ascii_case(&host) || known.eq_ignore_ascii_case(&format!("{host}.pfx"))
}

impl HeldKeyPair {
    fn is_called(&self, name: &str) -> bool {
        let leaf = self.leaf();
        let more = self
            .pair
            .friendly_name
            .iter()
            .chain(&self.file_names)
            .map(String::as_str);
        is_called(name, &leaf.thumbprint(), labels(leaf).chain(more))
    }
}

/// How a key was protected in its file, where what is known is of this key or of the only one: a key
/// in an unusual form was written anew.
fn protection_of(pair: &KeyPair, known: &[(Hash, PfxProtection)]) -> Option<PfxProtection> {
    let key = Hash::of(pair.key.pkcs8().expose());
    let own = known.iter().find(|(of, _)| *of == key);
    let only = known.first().filter(|_| known.len() == 1);
    own.or(only).map(|(_, protection)| protection.clone())
}

/// One file may hold the leaf alone, another the whole chain, a third other ways up.
fn merge(held: &mut KeyPair, mut other: KeyPair) {
    if other.chain.len() > held.chain.len() {
        std::mem::swap(&mut held.chain, &mut other.chain);
        std::mem::swap(&mut held.warnings, &mut other.warnings);
    }
    let mut all = take(&mut held.further);
    all.extend(other.chain);
    all.extend(other.further);
    for certificate in all {
        let is_known = held
            .certificates()
            .any(|known| known.der() == certificate.der());
        if !is_known {
            held.further.push(certificate);
        }
    }
    held.friendly_name = held.friendly_name.take().or(other.friendly_name);
    held.container_name = held.container_name.take().or(other.container_name);
}

/// A digest of what a run would store, to notice that nothing changed.
///
/// It is kept in host state: another form makes every server write a generation more. So the form
/// is spelled out here, and none of it follows from the names of types and fields.
pub fn digest(holdings: &Inventory) -> Hash {
    let mut lines: Vec<String> = holdings.key_pairs.iter().map(digest_line).collect();
    lines.extend(
        holdings
            .unreadable
            .iter()
            .map(|unreadable| format!("without key {}", unreadable.name)),
    );
    lines.extend(holdings.site_map.iter().map(SiteMap::digest_line));
    lines.sort();
    Hash::of(lines.join("\n").as_bytes())
}

/// One key pair with all that is kept of it, as a line that changes when any of it does.
pub fn digest_line(held: &HeldKeyPair) -> String {
    let chain: Vec<_> = held
        .pair
        .chain
        .iter()
        .map(|c| Hash::of(c.der()).to_string())
        .collect();
    let (friendly_name, files) = (&held.pair.friendly_name, &held.file_names);
    let mut parts = String::new();
    for (name, PartOfPair { part, listed }) in &held.file_parts {
        parts += &format!(" {name:?} {}", part.name());
        for certificate in listed {
            parts += &format!(" {certificate}");
        }
    }
    let windows = held
        .windows
        .as_ref()
        .map_or_else(|| "None".to_owned(), on_windows_digest);
    let mut line = format!(
        "{} {friendly_name:?} {files:?} {windows}{parts}",
        chain.join(" ")
    );
    for certificate in &held.pair.further {
        line += &format!(" further {}", Hash::of(certificate.der()));
    }
    line
}

/// In the words that the first version had for it.
fn on_windows_digest(windows: &OnWindows) -> String {
    let entry = |entry: &AccessEntry| {
        format!(
            "AccessEntry {{ entry: {:?}, name: {:?} }}",
            entry.entry, entry.name
        )
    };
    let access: Vec<_> = windows.access.iter().map(entry).collect();
    let (store, provider) = (&windows.store, &windows.provider);
    let also = match windows.also.as_slice() {
        [] => String::new(),
        also => format!(", also: {also:?}"),
    };
    format!(
        "Some(OnWindows {{ store: {store:?}, provider: {provider:?}, access: [{}]{also} }})",
        access.join(", ")
    )
}

fn unreadable_source(path: &Path, error: &io::Error) -> Error {
    Error::failed(text!(
        "error-source-unreadable",
        path = path,
        reason = error
    ))
}
