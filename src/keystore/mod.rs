//! Where key pairs are read from and written to: a folder of PFX files (the layout of IIS's Central
//! Certificate Store), one PFX, a certificate with its key in PEM; read only: the stores of a
//! Windows server. Reading changes nothing.

mod destination;
mod machine;
mod pem;

use crate::input::read_input;
use std::fs;
use std::io;
use std::mem::take;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

pub use destination::{Destination, NamedKeyPair, PlannedFiles, Writing, pfx_of, refuse_taken};
pub use machine::{holdings, retain_used};
pub(crate) use pem::to_pkcs8;

use crate::error::{Error, Exit, Result};
use crate::iis::{AccessEntry, OnWindows, SiteMap};
use crate::keypair::{
    self, CertInput, Certificate, KeyInput, KeyPair, Sorted, as_file_name, is_called, labels,
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
    /// A folder of `host.pfx` files.
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
            ("pem", None) => Err(Error::usage(text!("error-pem-without-key"))),
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
    /// Names of the files that hold it, without their folder.
    pub file_names: Vec<String>,
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
}

/// Reads everything at a source. Files that do not open with `password` are tried with the empty
/// one; what still does not open is named, and keeps nothing else from being read.
///
/// # Errors
/// When the source itself is not there.
pub fn read(source: &Source, password: &Password, now: jiff::Timestamp) -> Result<Inventory> {
    let mut holdings = Inventory::default();
    match source {
        Source::Folder(folder) => {
            let found = pfx_files(folder).map_err(|e| unreadable_source(folder, &e))?;
            let read: Vec<_> = found
                .par_iter()
                .map(|path| read_pfx(path, password, now))
                .collect();
            found
                .iter()
                .zip(read)
                .for_each(|(path, read)| holdings.take(file_name(path), read));
        }
        Source::Pfx(path) => {
            // A file named by the user that does not open is an error of its own, not one of many.
            let read = read_pfx(path, password, now).map_err(|error| error.about(path))?;
            holdings.take(file_name(path), Ok(read));
        }
        Source::Pem { certificate, key } => {
            let (keys, certificates) = pem::read(certificate, key)?;
            let sorted = keypair::sort(keys, certificates, now);
            holdings.take(
                file_name(certificate),
                Ok(FileContents {
                    sorted,
                    protection: Vec::new(),
                }),
            );
        }
    }
    holdings
        .key_pairs
        .sort_by(|a, b| a.leaf().display_name().cmp(b.leaf().display_name()));
    Ok(holdings)
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
}

impl Failure {
    fn reason(&self) -> Text {
        match self {
            Failure::File(error) => os_reason(error),
            Failure::Pfx(error) => pfx_reason(error),
        }
    }

    fn wrong_password(&self) -> bool {
        matches!(self, Failure::Pfx(pfx::Error::WrongPassword))
    }

    fn about(self, path: &Path) -> Error {
        let exit = if self.wrong_password() {
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

fn pfx_files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let is_pfx = |path: &PathBuf| {
        let end = path
            .extension()
            .and_then(|end| end.to_str())
            .unwrap_or_default();
        end.eq_ignore_ascii_case("pfx") || end.eq_ignore_ascii_case("p12")
    };
    let entries = fs::read_dir(folder)?.collect::<io::Result<Vec<_>>>()?;
    let mut files: Vec<_> = entries
        .into_iter()
        .map(|entry| entry.path())
        .filter(is_pfx)
        .collect();
    files.sort();
    Ok(files)
}

fn file_name(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

fn read_pfx(
    path: &Path,
    password: &Password,
    now: jiff::Timestamp,
) -> Result<FileContents, Failure> {
    let bytes = read_input(path).map_err(Failure::File)?;
    let read = match pfx::read(&bytes, password) {
        Err(pfx::Error::WrongPassword) if !password.expose().is_empty() => {
            pfx::read(&bytes, &Password::new(String::new()))
        }
        other => other,
    };
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
    });
    let certificates = contents
        .certificates
        .into_iter()
        .map(|certificate| CertInput {
            der: certificate.der,
            friendly_name: certificate.attributes.friendly_name,
        });
    keypair::sort(keys.collect(), certificates.collect(), now)
}

impl Inventory {
    fn take(&mut self, file: String, read: Result<FileContents, Failure>) {
        let FileContents { sorted, protection } = match read {
            Ok(contents) => contents,
            Err(failure) => {
                let (reason, wrong_password) = (failure.reason(), failure.wrong_password());
                self.unreadable.push(UnreadableKeyPair {
                    name: file,
                    reason,
                    wrong_password,
                    certificate: None,
                });
                return;
            }
        };
        for pair in sorted.key_pairs {
            let key = Hash::of(pair.key.pkcs8().expose());
            let known = protection.iter().find(|(of, _)| *of == key);
            self.take_pair(pair, known.map(|(_, protection)| protection.clone()), &file);
        }
        for key in sorted.lonely_keys {
            let reason = text!("reason-no-certificate", key_type = key.key_type());
            self.unreadable
                .push(UnreadableKeyPair::new(file.clone(), reason));
        }
        for (name, error) in sorted.unusable {
            let name = name.map_or_else(|| file.clone(), |name| format!("{file}: {name}"));
            self.unreadable
                .push(UnreadableKeyPair::new(name, key_pair_reason(&error)));
        }
        for certificate in sorted.certificates {
            if !self
                .certificates
                .iter()
                .any(|known| known.der() == certificate.der())
            {
                self.certificates.push(certificate);
            }
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
                // One file may hold the leaf alone, another the whole chain.
                if pair.chain.len() > held.pair.chain.len() {
                    (held.pair.chain, held.pair.warnings) = (pair.chain, pair.warnings);
                }
            }
            None => self.key_pairs.push(HeldKeyPair {
                pair,
                file_names: vec![file.to_owned()],
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
        }
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
        self.certificate.as_ref().is_some_and(named) || is_called_without_key(&self.name, name)
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

fn digest_line(held: &HeldKeyPair) -> String {
    let chain: Vec<_> = held
        .pair
        .chain
        .iter()
        .map(|c| Hash::of(c.der()).to_string())
        .collect();
    let (friendly_name, files) = (&held.pair.friendly_name, &held.file_names);
    let windows = held
        .windows
        .as_ref()
        .map_or_else(|| "None".to_owned(), on_windows_digest);
    format!("{} {friendly_name:?} {files:?} {windows}", chain.join(" "))
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
    format!(
        "Some(OnWindows {{ store: {store:?}, provider: {provider:?}, access: [{}] }})",
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

/// Why a PFX does not open, for people.
pub fn pfx_reason(error: &pfx::Error) -> Text {
    match error {
        pfx::Error::WrongPassword => text!("reason-wrong-password"),
        pfx::Error::TooMuchWork { .. } => text!("reason-too-much-work"),
        pfx::Error::Unsupported { algorithm } => {
            text!("reason-unsupported", algorithm = algorithm.as_str())
        }
        pfx::Error::Malformed(_) => text!("reason-malformed"),
        pfx::Error::NoRandomness => text!("error-no-random"),
        pfx::Error::NotReadBack(_) => text!("reason-not-read-back"),
    }
}

/// Why a key pair cannot be used, for people.
pub fn key_pair_reason(error: &keypair::KeyPairError) -> Text {
    match error {
        keypair::KeyPairError::UnsupportedKey { algorithm } => {
            text!("reason-unsupported", algorithm = algorithm.as_str())
        }
        keypair::KeyPairError::KeyDamaged => text!("reason-key-damaged"),
        keypair::KeyPairError::MalformedKey => text!("reason-key-malformed"),
        keypair::KeyPairError::MalformedCertificate => text!("reason-certificate-malformed"),
    }
}
