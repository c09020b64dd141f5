//! Where restored or exported key pairs go. Every file is created new and readable by its owner
//! only; what was written before a failure is taken away again.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use data_encoding::BASE64;
use pfx::Profile;
use rayon::prelude::*;
use secret::{Password, SecretBytes};
use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

use super::file_part::{FilePart, PartOfPair};
use crate::error::{Error, Exit, Result};
use crate::input::read_up_to;
use crate::keypair::{Certificate, KeyPair, as_file_name};
use crate::message::{Text, day};
use crate::platform::private_files::{self, NewFile};
use crate::text;
use vault::lines::is_unseen;

/// Rounds of key derivation in a PFX that people handle: many, because people choose its password.
/// Key, certificates and MAC have so many each; .NET reads up to 300 000 in all.
pub const HANDED_OUT_ROUNDS: u32 = 100_000;
/// Endings of files with key and certificates in one, with certificates, with a key.
const PFX_ENDINGS: [&str; 2] = ["pfx", "p12"];
const PEM_ENDINGS: [&str; 3] = ["pem", "crt", "cer"];
const KEY_ENDING: &str = "key";
/// Endings of files that are read and never written.
const OTHER_ENDINGS: [&str; 10] = [
    "der", "p7b", "p7c", "p8", "pvk", "jks", "jceks", "keystore", "ks", "bcfks",
];
/// Longest name in bytes, so that there is room for a number and an ending.
const MAX_NAME: usize = 200;
/// Largest file that can be written again after it was replaced, in bytes.
const MAX_FORMER: u64 = 16 * 1024 * 1024;
/// Key pairs listed where only one can be meant: what a screen holds.
const MOST_CANDIDATES: usize = 20;

/// Where key pairs are written to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// A folder server: a PFX under each name it had, else under its host name.
    Folder(PathBuf),
    /// One PFX file, for one key pair.
    Pfx(PathBuf),
    /// A folder of PEM files, as they were, else the chain and the key; the key without encryption.
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

/// A key pair to place, with the file names it had. Of several that had one name, the first placed
/// keeps it.
pub struct NamedKeyPair<'a> {
    /// Key, certificate, chain.
    pub pair: &'a KeyPair,
    /// Names of the files it came from. Whoever wrote the catalog chose them: only plain names are
    /// used.
    pub file_names: &'a [String],
    /// What of it each of them held that was no PFX.
    pub file_parts: Option<&'a BTreeMap<String, PartOfPair>>,
}

/// The files of one key pair.
#[derive(Debug, Default, PartialEq)]
pub struct PlannedFiles {
    /// To be written.
    pub paths: Vec<PathBuf>,
    /// Names that it had and does not keep, each with the reason.
    pub renamed: Vec<(String, Text)>,
    /// Whether it is not called by its host alone, because another key pair is.
    pub apart: bool,
    /// What goes into each of `paths`.
    contents: Vec<FileContent>,
    /// Whether its key is in a file of another certificate for the same key.
    shares_key: bool,
}

/// What one file is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
enum FileContent {
    Pfx,
    Pem(PartOfPair),
}

/// Names that are taken, as file systems compare them; with what lies there, where others may want
/// the same: a chain, or a key with several certificates.
type TakenNames = BTreeMap<String, Option<Vec<u8>>>;

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
            _ => Err(Error::usage(text!(
                "error-unknown-destination",
                destination = text
            ))),
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

    /// The files that would be written, for each key pair, without touching anything. Whoever had a
    /// name keeps it; the others are named by their host, and by their thumbprint, too, where
    /// another has that name or they had names that cannot be used: a predecessor never takes the
    /// name that its successor serves under.
    ///
    /// # Errors
    /// Several key pairs for one file.
    pub fn plan(&self, key_pairs: &[NamedKeyPair<'_>]) -> Result<Vec<PlannedFiles>> {
        match self {
            Destination::Pfx(path) if key_pairs.len() == 1 => Ok(vec![PlannedFiles {
                paths: vec![path.clone()],
                contents: vec![FileContent::Pfx],
                ..PlannedFiles::default()
            }]),
            Destination::Pfx(path) => Err(several_for_one(key_pairs, path)),
            Destination::Folder(_) | Destination::Pem(_) => Ok(self.plan_names(key_pairs)),
        }
    }

    fn plan_names(&self, key_pairs: &[NamedKeyPair<'_>]) -> Vec<PlannedFiles> {
        let mut taken = TakenNames::new();
        let mut planned = Vec::new();
        for placed in key_pairs {
            planned.push(self.keep_names(placed, &mut taken));
        }
        // Only once everyone who had a name has it.
        for (placed, planned) in key_pairs.iter().zip(&mut planned) {
            self.complete(placed.pair, planned, &mut taken);
        }
        planned
    }

    /// The names that it had, as far as they can be used and nobody before it had them.
    fn keep_names(&self, placed: &NamedKeyPair<'_>, taken: &mut TakenNames) -> PlannedFiles {
        let mut planned = PlannedFiles::default();
        let mut own = BTreeSet::new();
        for name in placed.file_names {
            match self.wished(name, placed.file_parts) {
                Wish::None => {}
                Wish::Unusable => planned
                    .renamed
                    .push((name.clone(), text!("reason-name-unusable"))),
                // Two spellings of one name.
                Wish::Files(files) if files.iter().any(|(file, _)| own.contains(&folded(file))) => {
                }
                Wish::Files(files) if is_shared(&files, placed.pair, taken) => {
                    let is_key = |(_, content): &(_, FileContent)| content.has_key();
                    planned.shares_key |= files.iter().any(is_key);
                }
                Wish::Files(files) if !is_free(names(&files), taken) => {
                    planned
                        .renamed
                        .push((name.clone(), text!("reason-name-taken")));
                }
                Wish::Files(files) => {
                    own.extend(files.iter().map(|(file, _)| folded(file)));
                    self.take(&files, placed.pair, &mut planned, taken);
                }
            }
        }
        planned
    }

    /// Adds files for what no file that it had is for.
    fn complete(&self, pair: &KeyPair, planned: &mut PlannedFiles, taken: &mut TakenNames) {
        let missing = |content: &FileContent| {
            let has_key = planned.shares_key || planned.contents.iter().any(|one| one.has_key());
            let certificates = planned.contents.iter();
            let has_certificate = certificates.clone().any(|one| one.has_certificate());
            (content.has_certificate() && !has_certificate) || (content.has_key() && !has_key)
        };
        let missing: Vec<_> = self
            .contents_of_pair()
            .into_iter()
            .filter(missing)
            .collect();
        if missing.is_empty() {
            return;
        }
        let beside = planned.certificate_stem(self.path());
        let wanted = |stem: &str| -> Vec<_> {
            let files = self.files_of(stem).into_iter();
            files
                .filter(|(_, content)| missing.contains(content))
                .collect()
        };
        let files = match beside.map(|stem| wanted(&stem)) {
            Some(files) if is_free(names(&files), taken) => files,
            _ => {
                let (stem, apart) = self.free_stem(pair, planned.renamed.is_empty(), taken);
                planned.apart = apart;
                wanted(&stem)
            }
        };
        self.take(&files, pair, planned, taken);
    }

    fn take(
        &self,
        files: &[(String, FileContent)],
        pair: &KeyPair,
        planned: &mut PlannedFiles,
        taken: &mut TakenNames,
    ) {
        for (file, content) in files {
            taken.insert(folded(file), content.shareable(pair));
            planned.paths.push(self.path().join(file));
            planned.contents.push(content.clone());
        }
    }

    /// The files that a key pair is written to which came from a file called `name`.
    fn wished(&self, name: &str, parts: Option<&BTreeMap<String, PartOfPair>>) -> Wish {
        let (stem, ending) = name.rsplit_once('.').unwrap_or((name, ""));
        let is = |endings: &[&str]| is_one_of(ending, endings);
        let usable = is_usable_path(name) && stem.ends_with(|last: char| last != '/');
        let part = parts.and_then(|parts| parts.get(name));
        let is_part = is(&PEM_ENDINGS) || is(&[KEY_ENDING]) || is(&OTHER_ENDINGS);
        match self {
            _ if is(&OTHER_ENDINGS) && !part.is_some_and(PartOfPair::is_der) => Wish::None,
            // `fullchain.pem` names no PFX.
            Destination::Folder(_) if is_part || part.is_some() => Wish::None,
            Destination::Folder(_) if usable && is(&PFX_ENDINGS) => {
                Wish::Files(vec![(name.to_owned(), FileContent::Pfx)])
            }
            // The PFX beside them holds the same.
            Destination::Pem(_)
                if is(&PFX_ENDINGS) && parts.is_some_and(|parts| !parts.is_empty()) =>
            {
                Wish::None
            }
            Destination::Pem(_) if usable && is_part && part.is_some() => {
                let content = part.cloned().map_or(FileContent::Pfx, FileContent::Pem);
                Wish::Files(vec![(name.to_owned(), content)])
            }
            Destination::Pem(_) if usable && is(&PEM_ENDINGS) => {
                let mut files = self.files_of(stem);
                if let Some((certificate, _)) = files.first_mut() {
                    name.clone_into(certificate);
                }
                Wish::Files(files)
            }
            Destination::Pem(_) if usable && (is(&PFX_ENDINGS) || is(&[KEY_ENDING])) => {
                Wish::Files(self.files_of(stem))
            }
            _ => Wish::Unusable,
        }
    }

    /// What the files of a key pair are made of that had none.
    fn contents_of_pair(&self) -> Vec<FileContent> {
        match self {
            Destination::Pem(_) => vec![
                FileContent::usual(FilePart::FullChain),
                FileContent::usual(FilePart::Key),
            ],
            _ => vec![FileContent::Pfx],
        }
    }

    /// The files of a key pair that has this name.
    fn files_of(&self, stem: &str) -> Vec<(String, FileContent)> {
        let endings: &[&str] = match self {
            Destination::Pem(_) => &["crt", KEY_ENDING],
            _ => &["pfx"],
        };
        let names = endings.iter().map(|ending| format!("{stem}.{ending}"));
        names.zip(self.contents_of_pair()).collect()
    }

    /// The certificate's first host name where it may be used and is free, else with its
    /// thumbprint; and whether that is so because the name is not free.
    fn free_stem(
        &self,
        pair: &KeyPair,
        may_have_the_host: bool,
        taken: &TakenNames,
    ) -> (String, bool) {
        let thumbprint = pair.leaf().thumbprint();
        let host = pair
            .leaf()
            .dns_names()
            .iter()
            .find_map(|name| file_stem(name));
        let Some(host) = host else {
            return (self.first_free(thumbprint, taken), false);
        };
        if may_have_the_host && self.is_free_stem(&host, taken) {
            return (host, false);
        }
        let short = format!("{host}.{}", &thumbprint[..8]);
        if self.is_free_stem(&short, taken) {
            (short, may_have_the_host)
        } else {
            let long = self.first_free(format!("{host}.{thumbprint}"), taken);
            (long, may_have_the_host)
        }
    }

    fn is_free_stem(&self, stem: &str, taken: &TakenNames) -> bool {
        is_free(names(&self.files_of(stem)), taken)
    }

    /// The stem, numbered where somebody had even that name.
    fn first_free(&self, stem: String, taken: &TakenNames) -> String {
        let numbered = (2..).map(|number: usize| format!("{stem}.{number}"));
        std::iter::once(stem.clone())
            .chain(numbered)
            .find(|stem| self.is_free_stem(stem, taken))
            .unwrap_or_default()
    }

    /// Writes all key pairs, or none.
    ///
    /// # Errors
    /// When a file stands in the way or cannot be written; everything created by this call is gone
    /// again.
    pub fn write(
        &self,
        key_pairs: &[NamedKeyPair<'_>],
        writing: &Writing<'_>,
    ) -> Result<Vec<PathBuf>> {
        let planned = self.plan(key_pairs)?;
        refuse_taken(&planned, writing.force)?;
        // All the work first: writing then takes a moment, and little can come in between.
        let contents = key_pairs
            .par_iter()
            .zip(&planned)
            .map(|(placed, planned)| contents(placed.pair, planned, writing))
            .collect::<Result<Vec<_>>>()?;
        let mut undo = CreatedFiles::default();
        if !matches!(self, Destination::Pfx(_)) {
            self.make_folders(&planned, &mut undo)?;
        }
        // Asked before the first new file: two names that are one to this file system must not
        // replace each other.
        let paths = planned.iter().flat_map(|planned| &planned.paths);
        let there: BTreeSet<&PathBuf> = paths
            .filter(|path| writing.force && path.is_file())
            .collect();
        for path in &there {
            // What a run that was killed left.
            let _ = fs::remove_file(beside(path));
        }
        for (contents, planned) in contents.iter().zip(&planned) {
            planned.create(contents, &there, &mut undo)?;
        }
        for path in there {
            undo.replace(path).map_err(|e| unwritable(path, &e))?;
        }
        undo.keep();
        Ok(planned
            .into_iter()
            .flat_map(|planned| planned.paths)
            .collect())
    }

    fn make_folders(&self, planned: &[PlannedFiles], undo: &mut CreatedFiles) -> Result<()> {
        undo.make_folder(self.path())
            .map_err(|e| unwritable(self.path(), &e))?;
        for path in planned.iter().flat_map(|planned| &planned.paths) {
            let folder = path.parent().unwrap_or(path);
            undo.make_folder_in(self.path(), folder)
                .map_err(|e| unwritable(folder, &e))?;
        }
        Ok(())
    }
}

impl PlannedFiles {
    /// Creates its files; what stands `there` already is written beside it.
    fn create(
        &self,
        contents: &[(FileContent, SecretBytes)],
        there: &BTreeSet<&PathBuf>,
        undo: &mut CreatedFiles,
    ) -> Result<()> {
        for (path, of) in self.paths.iter().zip(&self.contents) {
            let content = contents.iter().find(|(content, _)| content == of);
            let bytes = content.map_or(&[][..], |(_, bytes)| bytes.expose());
            let new = match there.contains(path) {
                true => beside(path),
                false => path.clone(),
            };
            undo.create(&new, bytes).map_err(|e| unwritable(path, &e))?;
        }
        Ok(())
    }

    /// The name of its first certificate file without the ending, below `folder`.
    fn certificate_stem(&self, folder: &Path) -> Option<String> {
        let mut files = self.paths.iter().zip(&self.contents);
        let (path, _) = files.find(|(_, content)| content.has_certificate())?;
        let name = path.strip_prefix(folder).ok()?.with_extension("");
        let parts: Vec<_> = name.iter().map(|part| part.to_string_lossy()).collect();
        Some(parts.join("/"))
    }
}

impl FileContent {
    /// A part of a key pair, with all that it says.
    fn usual(part: FilePart) -> Self {
        let listed = Vec::new();
        Self::Pem(PartOfPair { part, listed })
    }

    fn has_certificate(&self) -> bool {
        match self {
            Self::Pfx => true,
            Self::Pem(file) => file.part.has_certificate(),
        }
    }

    fn has_key(&self) -> bool {
        match self {
            Self::Pfx => true,
            Self::Pem(file) => file.part.has_key(),
        }
    }

    /// What another key pair may want to be in the same file.
    fn shareable(&self, pair: &KeyPair) -> Option<Vec<u8>> {
        let Self::Pem(file) = self else {
            return None;
        };
        let mut shared = match file.part {
            FilePart::Chain => Vec::new(),
            FilePart::Key => pair.key.spki_sha256().to_vec(),
            _ => return None,
        };
        for certificate in file.certificates(pair) {
            shared.extend_from_slice(certificate.der());
        }
        Some(shared)
    }

    fn of_pair(&self, pair: &KeyPair, writing: &Writing<'_>) -> Result<SecretBytes> {
        let file = match (self, writing.password) {
            (Self::Pem(file), _) => file,
            (Self::Pfx, Some(password)) => {
                return pfx_of(pair, password, writing.profile, HANDED_OUT_ROUNDS);
            }
            (Self::Pfx, None) => return Err(Error::usage(text!("error-no-pfx-password"))),
        };
        if file.is_der() {
            return Ok(SecretBytes::new(pair.leaf().der().to_vec()));
        }
        let certificates = certificates_pem(file.certificates(pair));
        if !file.part.has_key() {
            return Ok(SecretBytes::new(certificates));
        }
        let key = key_pem(pair);
        let size = certificates.len() + key.expose().len();
        let mut all = Zeroizing::new(Vec::with_capacity(size));
        all.extend_from_slice(&certificates);
        all.extend_from_slice(key.expose());
        Ok(all.into())
    }
}

/// What is written into the files of one key pair, each once.
fn contents(
    pair: &KeyPair,
    planned: &PlannedFiles,
    writing: &Writing<'_>,
) -> Result<Vec<(FileContent, SecretBytes)>> {
    let mut contents: Vec<(FileContent, SecretBytes)> = Vec::new();
    for content in &planned.contents {
        if !contents.iter().any(|(known, _)| known == content) {
            contents.push((content.clone(), content.of_pair(pair, writing)?));
        }
    }
    Ok(contents)
}

/// A key pair as a PFX, proven: it opens again with the password and holds the same key and
/// certificate.
///
/// # Errors
/// When it does not.
pub fn pfx_of(
    pair: &KeyPair,
    password: &Password,
    profile: Profile,
    rounds: u32,
) -> Result<SecretBytes> {
    let chain: Vec<&[u8]> = pair.certificates().map(Certificate::der).collect();
    let contents = pfx::KeyPairContents {
        pkcs8: pair.key.pkcs8(),
        chain: &chain,
        friendly_name: pair.friendly_name.as_deref(),
        csp_name: pair.csp_name.as_deref(),
    };
    if let Ok(written) = pfx::write(&contents, password, profile, rounds)
        && let Ok(read) = pfx::read(written.expose(), password)
        && is_same(pair, &read)
    {
        return Ok(written);
    }
    let name = pair.leaf().display_name();
    Err(Error::failed(text!("error-pfx-unproven", name = name)))
}

/// Whether a PFX read back holds this key and these certificates, and nobody changed it.
fn is_same(pair: &KeyPair, read: &pfx::Contents) -> bool {
    let [key] = read.keys.as_slice() else {
        return false;
    };
    let chain = pair.certificates().map(Certificate::der);
    let certificates = read.certificates.iter().map(|one| one.der.as_slice());
    key.pkcs8.expose() == pair.key.pkcs8().expose()
        && certificates.eq(chain)
        && matches!(read.mac, pfx::Mac::Verified { .. })
}

/// Whether a file's ending is one of these, in letters of either case.
fn is_one_of(ending: &str, endings: &[&str]) -> bool {
    let mut known = endings.iter();
    known.any(|known| ending.eq_ignore_ascii_case(known))
}

/// Which of them is meant, nobody but the user can say: the candidates, with what tells them apart.
fn several_for_one(key_pairs: &[NamedKeyPair<'_>], path: &Path) -> Error {
    let candidate = |placed: &NamedKeyPair<'_>| {
        let leaf = placed.pair.leaf();
        format!(
            "{}  {}  {}",
            leaf.thumbprint(),
            day(leaf.not_after()),
            leaf.display_name()
        )
    };
    let more = (key_pairs.len() > MOST_CANDIDATES).then(|| "…".to_owned());
    let candidates: Vec<_> = key_pairs
        .iter()
        .take(MOST_CANDIDATES)
        .map(candidate)
        .chain(more)
        .collect();
    Error::usage(text!(
        "error-one-pfx",
        count = key_pairs.len(),
        path = path,
        candidates = candidates
    ))
}

/// What the name of a file that a key pair came from says about those it is written to.
enum Wish {
    /// Nothing: it is of another form.
    None,
    /// It is no plain name.
    Unusable,
    /// These files.
    Files(Vec<(String, FileContent)>),
}

fn names(files: &[(String, FileContent)]) -> impl Iterator<Item = &str> {
    files.iter().map(|(file, _)| file.as_str())
}

fn is_free<'a>(mut files: impl Iterator<Item = &'a str>, taken: &TakenNames) -> bool {
    files.all(|file| !taken.contains_key(&folded(file)))
}

/// Whether all of these lie there already, written for another key pair.
fn is_shared(files: &[(String, FileContent)], pair: &KeyPair, taken: &TakenNames) -> bool {
    let lies_there = |(file, content): &(String, FileContent)| {
        let wanted = content.shareable(pair);
        wanted.is_some() && taken.get(&folded(file)) == Some(&wanted)
    };
    files.iter().all(lies_there)
}

/// A name as file systems compare it that know no case (Windows) or one spelling only (macOS).
fn folded(name: &str) -> String {
    name.nfc().map(lower).collect()
}

/// Letter by letter, as file systems do: `ß` and `ss` stay two names, `ς` and `σ` are one.
fn lower(letter: char) -> char {
    let upper = only(letter.to_uppercase()).unwrap_or(letter);
    only(upper.to_lowercase()).unwrap_or(upper)
}

fn only(mut letters: impl Iterator<Item = char>) -> Option<char> {
    let first = letters.next();
    first.filter(|_| letters.next().is_none())
}

/// Whether a name from a catalog is that of one plain file on every system, or of one in a folder,
/// and reads as what it is. A folder is not called as a file of a key pair.
fn is_usable_path(name: &str) -> bool {
    let Some((folder, file)) = name.split_once('/') else {
        return is_usable(name);
    };
    let ending = folder.rsplit_once('.').map_or("", |(_, ending)| ending);
    let endings = PFX_ENDINGS.iter().chain(&PEM_ENDINGS).chain([&KEY_ENDING]);
    let is_file = endings
        .into_iter()
        .any(|known| ending.eq_ignore_ascii_case(known));
    !is_file && is_usable(folder) && is_usable(file)
}

/// Whether a name is that of one plain file or folder on every system. One that was not Unicode has
/// U+FFFD for what could not be read of it.
fn is_usable(name: &str) -> bool {
    let plain = |c: char| !c.is_control() && !is_unseen(c) && !"\\/:<>\"|?*\u{fffd}".contains(c);
    name.len() <= MAX_NAME
        && !name.ends_with(['.', ' '])
        && !matches!(name, "" | "." | "..")
        && name.chars().all(plain)
        && !is_device(&name.to_lowercase())
}

/// A host name as a file name: what a host name can contain and nothing else, so that it is never a
/// path.
fn file_stem(name: &str) -> Option<String> {
    let stem = as_file_name(&name.to_lowercase());
    let plain =
        |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '-' | '_');
    let safe = !stem.is_empty()
        && stem.len() <= MAX_NAME
        && !stem.starts_with('.')
        && !stem.ends_with('.')
        && stem.chars().all(plain);
    (safe && !is_device(&stem)).then_some(stem)
}

/// Names that Windows gives to devices, whatever their ending.
fn is_device(name: &str) -> bool {
    let base = name.split('.').next().unwrap_or_default().trim_end();
    let number = base
        .strip_prefix("com")
        .or_else(|| base.strip_prefix("lpt"))
        .unwrap_or_default();
    let mut digits = number.chars();
    let numbered = digits
        .next()
        .is_some_and(|c| c.is_ascii_digit() || "¹²³".contains(c))
        && digits.next().is_none();
    numbered || matches!(base, "con" | "prn" | "aux" | "nul" | "conin$" | "conout$")
}

fn certificates_pem<'a>(certificates: impl IntoIterator<Item = &'a Certificate>) -> Vec<u8> {
    let mut pem = Vec::new();
    for certificate in certificates {
        pem.extend_from_slice(armor("CERTIFICATE", certificate.der()).expose());
    }
    pem
}

fn key_pem(pair: &KeyPair) -> SecretBytes {
    armor("PRIVATE KEY", pair.key.pkcs8().expose())
}

/// RFC 7468: base64 in lines of 64 characters.
fn armor(label: &str, der: &[u8]) -> SecretBytes {
    let body = Zeroizing::new(BASE64.encode(der));
    let lines = body.as_bytes().chunks(64);
    let mut text = Zeroizing::new(Vec::with_capacity(
        body.len() + lines.len() + 2 * label.len() + 40,
    ));
    text.extend_from_slice(format!("-----BEGIN {label}-----\n").as_bytes());
    for line in lines {
        text.extend_from_slice(line);
        text.push(b'\n');
    }
    text.extend_from_slice(format!("-----END {label}-----\n").as_bytes());
    text.into()
}

/// Refuses a plan where something stands in the way: only a file may be replaced, and only where
/// that is wanted.
///
/// # Errors
/// Every path that is taken: what is no file, else the files that nobody said to replace.
pub fn refuse_taken(planned: &[PlannedFiles], force: bool) -> Result<()> {
    let (mut files, mut others) = (Vec::new(), Vec::new());
    for path in planned.iter().flat_map(|planned| &planned.paths) {
        // Whatever else keeps the file from being written is said when it is tried.
        let Ok(facts) = fs::symlink_metadata(path) else {
            continue;
        };
        let taken = if facts.is_file() {
            &mut files
        } else {
            &mut others
        };
        taken.push(path.display().to_string());
    }
    others.sort();
    files.sort();
    match () {
        () if !others.is_empty() => Err(Error::failed(text!(
            "error-not-a-file",
            count = others.len(),
            paths = others
        ))),
        () if !force && !files.is_empty() => Err(Error::failed(text!(
            "error-files-exist",
            count = files.len(),
            paths = files
        ))),
        () => Ok(()),
    }
}

fn unwritable(path: &Path, error: &io::Error) -> Error {
    Error::new(
        Exit::Failed,
        text!("error-destination-unwritable", path = path, reason = error),
    )
}

/// Where a file waits until it takes the place of another.
fn beside(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!("{name}.pfxvault-new"))
}

/// What stands in a file that is to be replaced, so that it can be written again.
fn former(path: &Path) -> Option<Zeroizing<Vec<u8>>> {
    let file = File::open(path).ok()?;
    let length = file.metadata().ok()?.len();
    (length <= MAX_FORMER).then(|| read_up_to(file, length).ok())?
}

/// Takes back what was written, unless everything succeeded. A file that is replaced stands whole
/// at every moment, the former or the new one.
#[derive(Default)]
struct CreatedFiles {
    created: Vec<NewFile>,
    /// What stood there before, where that could be read.
    replaced: Vec<(PathBuf, Option<Zeroizing<Vec<u8>>>)>,
    folders: Vec<PathBuf>,
    kept: bool,
}

impl CreatedFiles {
    fn make_folder(&mut self, folder: &Path) -> io::Result<()> {
        if folder.is_dir() {
            return Ok(());
        }
        private_files::create_private_folder(folder)?;
        self.folders.push(folder.to_owned());
        Ok(())
    }

    /// A folder in `root`, if that is not `folder` itself: made, or there and no link to elsewhere.
    fn make_folder_in(&mut self, root: &Path, folder: &Path) -> io::Result<()> {
        if folder == root {
            return Ok(());
        }
        match fs::symlink_metadata(folder) {
            Ok(facts) if facts.is_dir() => Ok(()),
            Ok(_) => Err(io::Error::from(io::ErrorKind::NotADirectory)),
            Err(_) => {
                private_files::create_private_folder(folder)?;
                self.folders.push(folder.to_owned());
                Ok(())
            }
        }
    }

    /// Puts what was created beside a file in its place. Renaming leaves no moment without one.
    fn replace(&mut self, path: &Path) -> io::Result<()> {
        let before = former(path);
        fs::rename(beside(path), path)?;
        self.replaced.push((path.to_owned(), before));
        Ok(())
    }

    fn create(&mut self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.created.push(NewFile::create(path, bytes)?);
        Ok(())
    }

    /// From here on nothing is taken back.
    fn keep(mut self) {
        self.created.drain(..).for_each(NewFile::keep);
        self.kept = true;
    }
}

impl Drop for CreatedFiles {
    fn drop(&mut self) {
        if self.kept {
            return;
        }
        self.created.clear();
        // Nothing better can be done about what cannot be taken back here.
        for (path, before) in &self.replaced {
            if let Some(before) = before {
                let _ = private_files::create_private(&beside(path), before)
                    .and_then(|()| fs::rename(beside(path), path));
            }
        }
        self.folders
            .iter()
            .rev()
            .for_each(|folder| _ = fs::remove_dir(folder));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keypair::throwaway::{Authority, KeyKind};

    #[test]
    fn a_host_name_never_becomes_a_path_or_a_device() {
        assert_eq!(
            file_stem("WWW.Example.com").as_deref(),
            Some("www.example.com")
        );
        assert_eq!(file_stem("*.example.com").as_deref(), Some("_.example.com"));
        for name in [
            "../x",
            "a/b",
            "a\\b",
            "",
            ".",
            "..",
            "a b",
            "con.example.com",
            "COM1",
            "x\0",
            "例.jp",
            "c:x",
        ] {
            assert_eq!(file_stem(name), None, "{name:?}");
        }
    }

    #[test]
    fn only_the_name_of_one_plain_file_is_used() {
        for name in [
            "www.example.com.pfx",
            "WWW - Copy (2).PFX",
            "例え.p12",
            "_.example.com.pfx",
            "com.pfx",
            "com10.pfx",
        ] {
            assert!(is_usable(name), "{name:?}");
        }
        for name in [
            "../x.pfx",
            "a/b.pfx",
            "a\\b.pfx",
            "c:x.pfx",
            "x.pfx:stream",
            "a|b.pfx",
            "a*.pfx",
            "a?.pfx",
            "<a>.pfx",
        ] {
            assert!(!is_usable(name), "{name:?}");
        }
        for name in [
            "a\"b.pfx",
            "a\n.pfx",
            "a\u{fffd}.pfx",
            "a\u{202e}xfp.exe",
            "a\u{200b}.pfx",
            "\u{feff}a.pfx",
            "a.pfx.",
            "a.pfx ",
            ".",
            "..",
            "",
        ] {
            assert!(!is_usable(name), "{name:?}");
        }
        for name in [
            "con.pfx",
            "NUL.pfx",
            "nul .pfx",
            "COM1.pfx",
            "lpt9.old.pfx",
            "com².pfx",
            "CONIN$.pfx",
            &"x".repeat(201),
        ] {
            assert!(!is_usable(name), "{name:?}");
        }
    }

    /// Key pairs of one host: what each is called, and what the plan makes of it.
    fn planned(
        destination: &Destination,
        file_names: &[&[&str]],
    ) -> Vec<(Vec<String>, Vec<&'static str>)> {
        let now = "2026-11-25T00:00:00Z".parse().unwrap();
        let authority = Authority::new("Test", now).unwrap();
        let pair = |_: &_| {
            authority
                .issue(&["www.example.com"], KeyKind::P256, now)
                .unwrap()
        };
        let pairs: Vec<_> = file_names.iter().map(pair).collect();
        let owned: Vec<Vec<String>> = file_names
            .iter()
            .map(|names| names.iter().map(|name| (*name).to_owned()).collect())
            .collect();
        let placed: Vec<_> = pairs
            .iter()
            .zip(&owned)
            .map(|(pair, file_names)| NamedKeyPair {
                pair,
                file_names,
                file_parts: None,
            })
            .collect();
        let planned = destination.plan(&placed).unwrap();
        let one = |(planned, pair): (&PlannedFiles, &KeyPair)| {
            let thumbprint = pair.leaf().thumbprint();
            let shown = |path: &PathBuf| {
                let name = path
                    .strip_prefix(destination.path())
                    .unwrap()
                    .display()
                    .to_string();
                name.replace(&thumbprint, "THUMBPRINT")
                    .replace(&thumbprint[..8], "THUMB")
            };
            let reasons = planned
                .renamed
                .iter()
                .map(|(_, reason)| reason.id)
                .collect();
            (planned.paths.iter().map(shown).collect(), reasons)
        };
        planned.iter().zip(&pairs).map(one).collect()
    }

    fn folder() -> Destination {
        Destination::Folder("out".into())
    }

    fn kept(names: &[&str]) -> (Vec<String>, Vec<&'static str>) {
        (
            names.iter().map(|name| (*name).to_owned()).collect(),
            Vec::new(),
        )
    }

    fn lost(name: &str, reason: &'static str) -> (Vec<String>, Vec<&'static str>) {
        (vec![name.to_owned()], vec![reason])
    }

    #[test]
    fn who_had_a_name_keeps_it_and_who_had_none_gets_what_is_left() {
        let names: [&[&str]; 4] = [
            &["www.example.com-old.pfx"],
            &[],
            &["www.example.com.pfx", "b.P12"],
            &["fullchain.pem"],
        ];
        assert_eq!(
            planned(&folder(), &names),
            [
                kept(&["www.example.com-old.pfx"]),
                kept(&["www.example.com.THUMB.pfx"]),
                kept(&["www.example.com.pfx", "b.P12"]),
                kept(&["www.example.com.THUMB.pfx"]),
            ]
        );
        assert_eq!(
            planned(&folder(), &[&[], &[]]),
            [
                kept(&["www.example.com.pfx"]),
                kept(&["www.example.com.THUMB.pfx"])
            ]
        );
        assert_eq!(
            planned(&folder(), &[&["fullchain.pem"]]),
            [kept(&["www.example.com.pfx"])]
        );
    }

    #[test]
    fn of_several_that_had_a_name_the_first_keeps_it() {
        let taken = lost("www.example.com.THUMB.pfx", "reason-name-taken");
        for [first, second] in [
            ["export.pfx", "export.pfx"],
            ["Export.pfx", "eXPORT.PFX"],
            ["é.pfx", "e\u{301}.pfx"],
            ["Σ.pfx", "ς.pfx"],
        ] {
            assert_eq!(
                planned(&folder(), &[&[first], &[second]]),
                [kept(&[first]), taken.clone()],
                "{first} {second}"
            );
        }
        assert_eq!(
            planned(&folder(), &[&["ß.pfx"], &["ss.pfx"]]),
            [kept(&["ß.pfx"]), kept(&["ss.pfx"])]
        );
        assert_eq!(
            planned(&folder(), &[&["a.pfx", "A.pfx"]]),
            [kept(&["a.pfx"])]
        );
        let one_of_two = planned(&folder(), &[&["a.pfx"], &["a.pfx", "b.pfx"]]);
        assert_eq!(one_of_two[1], lost("b.pfx", "reason-name-taken"));
    }

    #[test]
    fn a_name_that_cannot_be_used_does_not_become_the_served_one() {
        let unusable = lost("www.example.com.THUMB.pfx", "reason-name-unusable");
        for name in [
            "../www.example.com.pfx",
            "www.example.com.pfx.old",
            "nul.pfx",
            ".pfx",
        ] {
            assert_eq!(
                planned(&folder(), &[&[name]]),
                std::slice::from_ref(&unusable),
                "{name}"
            );
        }
    }

    #[test]
    fn names_from_a_thumbprint_are_held_against_all_names() {
        let now = "2026-11-25T00:00:00Z".parse().unwrap();
        let pair = Authority::new("Test", now)
            .unwrap()
            .issue(&["www.example.com"], KeyKind::P256, now)
            .unwrap();
        let thumbprint = pair.leaf().thumbprint();
        let all = [
            "",
            &format!(".{}", &thumbprint[..8]),
            &format!(".{thumbprint}"),
            &format!(".{thumbprint}.2"),
        ]
        .map(|end| format!("www.example.com{end}.pfx"));
        let placed = [
            NamedKeyPair {
                pair: &pair,
                file_names: &[],
                file_parts: None,
            },
            NamedKeyPair {
                pair: &pair,
                file_names: &all,
                file_parts: None,
            },
        ];
        let planned = folder().plan(&placed).unwrap();
        assert_eq!(
            planned[0].paths,
            [Path::new("out").join(format!("www.example.com.{thumbprint}.3.pfx"))]
        );
        assert_eq!(planned[1].paths.len(), 4);
    }

    #[test]
    fn pem_files_are_named_after_the_file_they_come_from() {
        let pem = Destination::Pem("out".into());
        let names: [&[&str]; 4] = [
            &["www.example.com-old.pfx"],
            &["fullchain.pem"],
            &["fullchain.crt"],
            &[],
        ];
        assert_eq!(
            planned(&pem, &names),
            [
                kept(&["www.example.com-old.crt", "www.example.com-old.key"]),
                kept(&["fullchain.pem", "fullchain.key"]),
                (
                    ["crt", "key"]
                        .map(|end| format!("www.example.com.THUMB.{end}"))
                        .into(),
                    vec!["reason-name-taken"]
                ),
                kept(&["www.example.com.crt", "www.example.com.key"]),
            ]
        );
    }

    #[test]
    fn a_name_may_lie_in_one_folder_and_no_deeper() {
        for name in ["a/fullchain.pem", "www.example.com_ecc/ca.cer", "例/x.pfx"] {
            assert!(is_usable_path(name), "{name:?}");
        }
        for name in [
            "/x.pfx",
            "../x.pfx",
            "./x.pfx",
            "a/../x.pfx",
            "a/b/x.pfx",
            "a//x.pfx",
            "nul/x.pfx",
            "a./x.pfx",
            "a/",
            "a.pfx/x.pfx",
            "a\\b/x.pfx",
            "c:/x.pfx",
        ] {
            assert!(!is_usable_path(name), "{name:?}");
        }
        assert_eq!(
            planned(
                &folder(),
                &[&["a/x.pfx"], &["A/X.pfx"], &["b/x.p12", "x.pfx"]]
            ),
            [
                kept(&["a/x.pfx"]),
                lost("www.example.com.THUMB.pfx", "reason-name-taken"),
                kept(&["b/x.p12", "x.pfx"]),
            ]
        );
    }

    /// The files of key pairs of one authority whose PEM files held these parts, and how many names
    /// each has lost.
    fn planned_parts(parts: &[&[(&str, FilePart)]]) -> Vec<(Vec<String>, usize)> {
        let now = "2026-11-25T00:00:00Z".parse().unwrap();
        let authority = Authority::new("Test", now).unwrap();
        let mut pairs = Vec::new();
        let mut named = Vec::new();
        for parts in parts {
            let host = ["www.example.com"];
            pairs.push(authority.issue(&host, KeyKind::P256, now).unwrap());
            let parts = parts.iter().map(|(name, part)| {
                let (part, listed) = (*part, Vec::new());
                ((*name).to_owned(), PartOfPair { part, listed })
            });
            named.push(parts.collect::<BTreeMap<_, _>>());
        }
        let names: Vec<Vec<_>> = named
            .iter()
            .map(|map| map.keys().cloned().collect())
            .collect();
        let mut placed = Vec::new();
        for (at, pair) in pairs.iter().enumerate() {
            placed.push(NamedKeyPair {
                pair,
                file_names: &names[at],
                file_parts: Some(&named[at]),
            });
        }
        let destination = Destination::Pem("out".into());
        let planned = destination.plan(&placed).unwrap();
        let shown = |(planned, pair): (&PlannedFiles, &KeyPair)| {
            let thumbprint = &pair.leaf().thumbprint()[..8];
            let files = planned.paths.iter().zip(&planned.contents);
            let files = files.map(|(path, content)| {
                let name = path.strip_prefix("out").unwrap().display().to_string();
                let FileContent::Pem(PartOfPair { part, .. }) = content else {
                    panic!("{name} is no PFX");
                };
                format!("{} {}", name.replace(thumbprint, "THUMB"), part.name())
            });
            (files.collect(), planned.renamed.len())
        };
        planned.iter().zip(&pairs).map(shown).collect()
    }

    #[test]
    fn pem_files_hold_again_what_they_held() {
        use FilePart::{All, Certificate, Chain, FullChain, Key};
        let owned = |files: &[&str]| files.iter().map(|file| (*file).to_owned()).collect();
        let certbot = [
            ("a/cert.pem", Certificate),
            ("a/chain.pem", Chain),
            ("a/fullchain.pem", FullChain),
            ("a/privkey.pem", Key),
        ];
        let all = [
            "cert.pem certificate",
            "chain.pem chain",
            "fullchain.pem fullchain",
            "privkey.pem key",
        ];
        let all: Vec<_> = all.iter().map(|file| format!("a/{file}")).collect();
        assert_eq!(planned_parts(&[&certbot]), [(all.clone(), 0)]);
        // Another that had the same names: an earlier generation's. The chain is the same.
        assert_eq!(
            planned_parts(&[&certbot, &certbot]),
            [
                (all, 0),
                (
                    owned(&[
                        "www.example.com.THUMB.crt fullchain",
                        "www.example.com.THUMB.key key"
                    ]),
                    3
                )
            ]
        );
        assert_eq!(
            planned_parts(&[
                &[("x.pem", All)],
                &[("y.crt", FullChain)],
                &[("z.key", Key)]
            ]),
            [
                (owned(&["x.pem all"]), 0),
                (owned(&["y.crt fullchain", "y.key key"]), 0),
                (owned(&["z.key key", "www.example.com.crt fullchain"]), 0),
            ]
        );
    }

    #[test]
    fn who_is_not_called_by_the_host_for_another_is_said_to_be_named_apart() {
        let now = "2026-11-25T00:00:00Z".parse().unwrap();
        let authority = Authority::new("Test", now).unwrap();
        let issue = || {
            authority
                .issue(&["www.example.com"], KeyKind::P256, now)
                .unwrap()
        };
        let (first, second) = (issue(), issue());
        let placed = [&first, &second].map(|pair| NamedKeyPair {
            pair,
            file_names: &[],
            file_parts: None,
        });
        let planned = folder().plan(&placed).unwrap();
        assert_eq!((planned[0].apart, planned[1].apart), (false, true));
    }

    #[test]
    fn what_was_begun_is_taken_back_and_what_was_replaced_stands_again() {
        let folder = tempfile::tempdir().unwrap();
        let (old, new) = (folder.path().join("old.pfx"), folder.path().join("new.pfx"));
        fs::write(&old, b"before").unwrap();
        let mut undo = CreatedFiles::default();
        undo.create(&beside(&old), b"after").unwrap();
        undo.create(&new, b"new").unwrap();
        undo.replace(&old).unwrap();
        assert_eq!(fs::read(&old).unwrap(), b"after");
        drop(undo);
        assert_eq!(fs::read(&old).unwrap(), b"before");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_stands_at_every_step_of_its_replacement_and_nothing_stays_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let now = "2026-11-25T00:00:00Z".parse().unwrap();
        let authority = Authority::new("Test", now).unwrap();
        let pair = authority.issue(&["www.example.com"], KeyKind::P256, now);
        let pair = pair.unwrap();
        let placed = [NamedKeyPair {
            pair: &pair,
            file_names: &[],
            file_parts: None,
        }];
        let password = Password::new("Passw0rd!".to_owned());
        let destination = Destination::Folder(folder.path().to_owned());
        let path = destination.plan(&placed).unwrap()[0].paths[0].clone();
        fs::write(&path, b"former").unwrap();
        // What a run left that was killed before it renamed.
        fs::write(beside(&path), b"begun").unwrap();
        let written = destination
            .write(
                &placed,
                &Writing {
                    password: Some(&password),
                    profile: Profile::Aes256,
                    force: true,
                },
            )
            .unwrap();
        assert_eq!(written, std::slice::from_ref(&path));
        assert_ne!(fs::read(&path).unwrap(), b"former");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn without_force_a_file_that_appears_at_the_last_moment_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("theirs.pfx");
        fs::write(&path, b"theirs").unwrap();
        let mut undo = CreatedFiles::default();
        assert_eq!(
            undo.create(&path, b"ours").unwrap_err().kind(),
            io::ErrorKind::AlreadyExists
        );
        drop(undo);
        assert_eq!(fs::read(&path).unwrap(), b"theirs");
    }
}
