//! Where restored or exported key pairs go. Every file is created new and readable by its owner only; what was written
//! before a failure is taken away again.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use data_encoding::BASE64;
use rayon::prelude::*;
use zeroize::Zeroizing;

use crate::error::{Error, Exit, Result};
use crate::files;
use crate::keypair::KeyPair;
use crate::pfx::{self, Profile};
use crate::secret::{Password, SecretBytes};
use crate::text;

/// Rounds of key derivation in a PFX that people handle: many, because people choose its password.
const HANDED_OUT_ROUNDS: u32 = 100_000;
/// Key pairs listed where only one can be meant: what a screen holds.
const MOST_CANDIDATES: usize = 20;

/// Where key pairs are written to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// A folder server: one PFX for each host name.
    Folder(PathBuf),
    /// One PFX file, for one key pair.
    Pfx(PathBuf),
    /// A folder of PEM files: the chain, and the key without encryption.
    Pem(PathBuf),
}

/// How to write.
pub struct Writing<'a> {
    /// Of every PFX.
    pub password: Option<&'a Password>,
    /// Who must be able to read the PFX.
    pub profile: Profile,
    /// Replace what stands there.
    pub force: bool,
}

/// A key pair to place, with the file names it had.
pub struct Placed<'a> {
    /// Key, certificate, chain.
    pub pair: &'a KeyPair,
    /// Names in the folder it came from: a wish, followed where the certificate carries the name.
    pub file_names: &'a [String],
}

impl Destination {
    /// Parses `folder:DIR`, `pfx:FILE`, `pem:DIR`.
    ///
    /// # Errors
    /// Usage errors only.
    pub fn parse(text: &str) -> Result<Self> {
        match text.split_once(':') {
            Some(("folder", path)) => Ok(Destination::Folder(path.into())),
            Some(("pfx", path)) => Ok(Destination::Pfx(path.into())),
            Some(("pem", path)) => Ok(Destination::Pem(path.into())),
            _ => Err(Error::usage(text!("error-unknown-destination", destination = text))),
        }
    }

    /// The folder or file named.
    pub fn path(&self) -> &Path {
        let (Destination::Folder(path) | Destination::Pfx(path) | Destination::Pem(path)) = self;
        path
    }

    /// Whether a password protects what is written.
    pub fn is_pfx(&self) -> bool {
        !matches!(self, Destination::Pem(_))
    }

    /// The files that would be written, for each key pair, without touching anything.
    ///
    /// # Errors
    /// Several key pairs for one file.
    pub fn plan(&self, key_pairs: &[Placed<'_>]) -> Result<Vec<Vec<PathBuf>>> {
        let mut taken = BTreeSet::new();
        match self {
            Destination::Pfx(path) if key_pairs.len() == 1 => Ok(vec![vec![path.clone()]]),
            Destination::Pfx(path) => Err(several_for_one(key_pairs, path)),
            Destination::Folder(folder) => {
                Ok(key_pairs.iter().map(|placed| pfx_names(placed, folder, &mut taken)).collect())
            }
            Destination::Pem(folder) => {
                Ok(key_pairs.iter().map(|placed| pem_names(placed, folder, &mut taken)).collect())
            }
        }
    }

    /// Writes all key pairs, or none.
    ///
    /// # Errors
    /// When a file stands in the way or cannot be written; everything created by this call is gone again.
    pub fn write(&self, key_pairs: &[Placed<'_>], writing: &Writing<'_>) -> Result<Vec<PathBuf>> {
        let planned = self.plan(key_pairs)?;
        planned.iter().flatten().try_for_each(|path| refuse_taken(path, writing.force))?;
        // All the work first: writing then takes a moment, and little can come in between.
        let contents =
            key_pairs.par_iter().map(|placed| self.contents(placed.pair, writing)).collect::<Result<Vec<_>>>()?;
        let mut undo = Undo::default();
        if !matches!(self, Destination::Pfx(_)) {
            undo.make_folder(self.path()).map_err(|e| unwritable(self.path(), &e))?;
        }
        for (contents, paths) in contents.iter().zip(&planned) {
            // A PFX may be wanted under several names; PEM has one content for each of its two files.
            for (path, content) in paths.iter().zip(contents.iter().cycle()) {
                undo.create(path, content.expose(), writing.force).map_err(|e| unwritable(path, &e))?;
            }
        }
        undo.keep();
        Ok(planned.into_iter().flatten().collect())
    }

    fn contents(&self, pair: &KeyPair, writing: &Writing<'_>) -> Result<Vec<SecretBytes>> {
        match (self, writing.password) {
            (Destination::Pem(_), _) => Ok(vec![SecretBytes::new(chain_pem(pair)), key_pem(pair)]),
            (_, Some(password)) => Ok(vec![pfx_of(pair, password, writing.profile, HANDED_OUT_ROUNDS)?]),
            (_, None) => Err(Error::usage(text!("error-no-pfx-password"))),
        }
    }
}

/// A key pair as a PFX, proven: it opens again with the password and holds the same key and certificate.
///
/// # Errors
/// When it does not.
pub fn pfx_of(pair: &KeyPair, password: &Password, profile: Profile, rounds: u32) -> Result<SecretBytes> {
    let chain: Vec<&[u8]> = pair.chain.iter().map(|certificate| certificate.der()).collect();
    let contents = pfx::KeyPairContents {
        pkcs8: pair.key.pkcs8(),
        chain: &chain,
        friendly_name: pair.friendly_name.as_deref(),
        csp_name: pair.csp_name.as_deref(),
    };
    let unproven = || Error::failed(text!("error-pfx-unproven", name = pair.leaf().display_name()));
    let written = pfx::write(&contents, password, profile, rounds).map_err(|_| unproven())?;
    let read = pfx::read(written.expose(), password).map_err(|_| unproven())?;
    let same_key = read.keys.len() == 1 && read.keys[0].pkcs8.expose() == pair.key.pkcs8().expose();
    let same_chain = read.certificates.iter().map(|c| c.der.as_slice()).eq(chain.iter().copied());
    let proven = same_key && same_chain && matches!(read.mac, pfx::Mac::Verified { .. });
    if proven { Ok(written) } else { Err(unproven()) }
}

/// Which of them is meant, nobody but the user can say: the candidates, with what tells them apart.
fn several_for_one(key_pairs: &[Placed<'_>], path: &Path) -> Error {
    let candidate = |placed: &Placed<'_>| {
        let leaf = placed.pair.leaf();
        format!("{}  {}  {}", leaf.thumbprint(), leaf.not_after().strftime("%Y-%m-%d"), leaf.display_name())
    };
    let more = (key_pairs.len() > MOST_CANDIDATES).then(|| "…".to_owned());
    let candidates: Vec<_> = key_pairs.iter().take(MOST_CANDIDATES).map(candidate).chain(more).collect();
    Error::usage(text!("error-one-pfx", count = key_pairs.len(), path = path, candidates = candidates))
}

/// `host.pfx`, `_.example.com.pfx`: every wished name that the certificate carries, else its first name.
fn pfx_names(placed: &Placed<'_>, folder: &Path, taken: &mut BTreeSet<String>) -> Vec<PathBuf> {
    let own: Vec<String> = placed.pair.leaf().dns_names().iter().filter_map(|name| file_stem(name)).collect();
    let wished = placed.file_names.iter().filter_map(|name| Some(name.to_lowercase().strip_suffix(".pfx")?.to_owned()));
    let wished: Vec<String> = wished.filter(|stem| own.contains(stem) && !taken.contains(stem)).collect();
    let stems = if wished.is_empty() { vec![free_stem(placed.pair, &own, taken)] } else { wished };
    taken.extend(stems.iter().cloned());
    stems.iter().map(|stem| folder.join(format!("{stem}.pfx"))).collect()
}

fn pem_names(placed: &Placed<'_>, folder: &Path, taken: &mut BTreeSet<String>) -> Vec<PathBuf> {
    let own: Vec<String> = placed.pair.leaf().dns_names().iter().filter_map(|name| file_stem(name)).collect();
    let stem = free_stem(placed.pair, &own, taken);
    taken.insert(stem.clone());
    ["crt", "key"].map(|end| folder.join(format!("{stem}.{end}"))).into()
}

/// The certificate's first name, with part of its thumbprint where another key pair has that name already.
fn free_stem(pair: &KeyPair, own: &[String], taken: &BTreeSet<String>) -> String {
    let thumbprint = pair.leaf().thumbprint();
    match own.first() {
        None => thumbprint,
        Some(name) if taken.contains(name) => format!("{name}.{}", &thumbprint[..8]),
        Some(name) => name.clone(),
    }
}

/// A host name as a file name: what a host name can contain and nothing else, so that it is never a path.
fn file_stem(name: &str) -> Option<String> {
    let name = name.to_lowercase();
    let stem = name.strip_prefix("*.").map_or_else(|| name.clone(), |rest| format!("_.{rest}"));
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '-' | '_');
    let safe = !stem.is_empty()
        && stem.len() <= 200
        && !stem.starts_with('.')
        && !stem.ends_with('.')
        && stem.chars().all(plain);
    (safe && !is_device(&stem)).then_some(stem)
}

/// Names that Windows gives to devices, whatever their ending.
fn is_device(stem: &str) -> bool {
    let base = stem.split('.').next().unwrap_or_default();
    let numbered = (base.starts_with("com") || base.starts_with("lpt"))
        && base.len() == 4
        && base.ends_with(|c: char| c.is_ascii_digit());
    numbered || matches!(base, "con" | "prn" | "aux" | "nul")
}

fn chain_pem(pair: &KeyPair) -> Vec<u8> {
    pair.chain.iter().flat_map(|certificate| armor("CERTIFICATE", certificate.der()).expose().to_vec()).collect()
}

fn key_pem(pair: &KeyPair) -> SecretBytes {
    armor("PRIVATE KEY", pair.key.pkcs8().expose())
}

/// RFC 7468: base64 in lines of 64 characters.
fn armor(label: &str, der: &[u8]) -> SecretBytes {
    let body = Zeroizing::new(BASE64.encode(der));
    let lines = body.as_bytes().chunks(64);
    let mut text = Zeroizing::new(Vec::with_capacity(body.len() + lines.len() + 2 * label.len() + 40));
    text.extend_from_slice(format!("-----BEGIN {label}-----\n").as_bytes());
    for line in lines {
        text.extend_from_slice(line);
        text.push(b'\n');
    }
    text.extend_from_slice(format!("-----END {label}-----\n").as_bytes());
    text.into()
}

/// Only a file may be replaced, and only where that is wanted.
fn refuse_taken(path: &Path, force: bool) -> Result<()> {
    match fs::symlink_metadata(path) {
        Ok(facts) if !facts.is_file() => Err(Error::failed(text!("error-not-a-file", path = path))),
        Ok(_) if !force => Err(Error::failed(text!("error-file-exists", path = path))),
        // Whatever else keeps the file from being written is said when it is tried.
        _ => Ok(()),
    }
}

fn unwritable(path: &Path, error: &io::Error) -> Error {
    Error::new(Exit::Failed, text!("error-destination-unwritable", path = path, reason = error))
}

/// Where a file waits while another takes its place: a name beside it that is free.
fn aside(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let names = (0..).map(|n| path.with_file_name(format!("{name}.{n}.pfxvault-old")));
    names.into_iter().find(|path| !path.exists()).unwrap_or_default()
}

/// Takes back what was written, unless everything succeeded. A file that is replaced is first put aside.
#[derive(Default)]
struct Undo {
    created: Vec<PathBuf>,
    aside: Vec<(PathBuf, PathBuf)>,
    folder: Option<PathBuf>,
    kept: bool,
}

impl Undo {
    fn make_folder(&mut self, folder: &Path) -> io::Result<()> {
        if folder.is_dir() {
            return Ok(());
        }
        files::create_private_folder(folder)?;
        self.folder = Some(folder.to_owned());
        Ok(())
    }

    fn create(&mut self, path: &Path, bytes: &[u8], force: bool) -> io::Result<()> {
        // Without force nothing is moved, even if it came into being after it was looked for.
        if force && path.is_file() {
            let aside = aside(path);
            fs::rename(path, &aside)?;
            self.aside.push((aside, path.to_owned()));
        }
        match files::create_private(path, bytes) {
            // Another program was faster: the file is not ours to take back.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(error),
            // A file that was begun must go, too.
            other => {
                self.created.push(path.to_owned());
                other
            }
        }
    }

    /// From here on nothing is taken back: what was replaced goes, and where it cannot, it lies beside what is new.
    fn keep(mut self) {
        self.kept = true;
        self.aside.iter().for_each(|(aside, _)| _ = fs::remove_file(aside));
    }
}

impl Drop for Undo {
    fn drop(&mut self) {
        if self.kept {
            return;
        }
        // Nothing better can be done about what cannot be taken back here.
        self.created.iter().for_each(|path| _ = fs::remove_file(path));
        self.aside.iter().for_each(|(aside, path)| _ = fs::rename(aside, path));
        self.folder.iter().for_each(|folder| _ = fs::remove_dir(folder));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_name_never_becomes_a_path_or_a_device() {
        assert_eq!(file_stem("WWW.Example.com").as_deref(), Some("www.example.com"));
        assert_eq!(file_stem("*.example.com").as_deref(), Some("_.example.com"));
        for name in ["../x", "a/b", "a\\b", "", ".", "..", "a b", "con.example.com", "COM1", "x\0", "例.jp", "c:x"] {
            assert_eq!(file_stem(name), None, "{name:?}");
        }
    }

    #[test]
    fn what_was_begun_is_taken_back_and_what_was_replaced_stands_again() {
        let folder = tempfile::tempdir().unwrap();
        let (old, new) = (folder.path().join("old.pfx"), folder.path().join("new.pfx"));
        fs::write(&old, b"before").unwrap();
        let mut undo = Undo::default();
        undo.create(&old, b"after", true).unwrap();
        undo.create(&new, b"new", true).unwrap();
        drop(undo);
        assert_eq!(fs::read(&old).unwrap(), b"before");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn without_force_a_file_that_appears_at_the_last_moment_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("theirs.pfx");
        fs::write(&path, b"theirs").unwrap();
        let mut undo = Undo::default();
        assert_eq!(undo.create(&path, b"ours", false).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        drop(undo);
        assert_eq!(fs::read(&path).unwrap(), b"theirs");
    }

    #[test]
    fn a_replaced_file_that_cannot_be_deleted_takes_nothing_back() {
        let folder = tempfile::tempdir().unwrap();
        let (first, second) = (folder.path().join("1.pfx"), folder.path().join("2.pfx"));
        let mut undo = Undo::default();
        for path in [&first, &second] {
            fs::write(path, b"before").unwrap();
            undo.create(path, b"after", true).unwrap();
        }
        // What was put aside has become what no call that deletes files can delete.
        fs::remove_file(&undo.aside[1].0).unwrap();
        fs::create_dir(&undo.aside[1].0).unwrap();
        undo.keep();
        assert_eq!(fs::read(&first).unwrap(), b"after");
        assert_eq!(fs::read(&second).unwrap(), b"after");
    }
}
