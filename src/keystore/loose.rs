//! Makes key pairs of certificates and keys in files of their own: those of one folder belong
//! together, then those of all. What belongs to what the keys say; names say nothing.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::folder;
use super::parts::{LooseParts, read_parts};
use super::{Failure, FilePart, Inventory, PartOfPair, UnreadableKeyPair, key_pair_reason};
use crate::input::read_input;
use crate::keypair::{
    self, CertInput, Certificate, KeyInput, KeyPair, PrivateKey, Sorted, Warning,
};
use crate::text;
use secret::SecretBytes;
use vault::id::Hash;

/// Files beside a certificate that its chain is looked for in.
const MOST_BESIDE: usize = 200;

/// Certificates in a file of authorities that every key pair keeps whose chain it has: in a larger
/// one nobody looks for a chain.
const MOST_IN_CHAIN: usize = 16;

/// A file with what it holds of key pairs.
pub(super) struct LooseFile {
    name: String,
    keys: Vec<PrivateKey>,
    certificates: Vec<Vec<u8>>,
    is_der: bool,
    /// What keeps some of it from being used.
    unusable: Vec<UnreadableKeyPair>,
    hash: Option<Hash>,
}

/// A file that may have been a key, and cannot be read as one.
pub(super) struct DoubtfulFile {
    pub(super) name: String,
    pub(super) hash: Option<Hash>,
}

impl LooseFile {
    /// `tried` is whether any password was given for it.
    pub(super) fn of(name: String, parts: LooseParts, tried: bool, hash: Option<Hash>) -> Self {
        let LooseParts {
            keys,
            certificates,
            locked,
            refused,
            is_der,
        } = parts;
        let mut file = Self {
            name,
            keys: Vec::new(),
            certificates,
            is_der,
            unusable: Vec::new(),
            hash,
        };
        for reason in refused {
            let unusable = UnreadableKeyPair::new(file.name.clone(), reason);
            file.unusable.push(unusable);
        }
        for key in keys {
            match PrivateKey::parse(key) {
                Ok(key) => file.keys.push(key),
                Err(error) => file.unusable.push(UnreadableKeyPair::new(
                    file.name.clone(),
                    key_pair_reason(&error),
                )),
            }
        }
        if locked > 0 {
            let failure = match tried {
                true => Failure::Pfx(pfx::Error::WrongPassword),
                false => Failure::NoPassword,
            };
            let mut unusable = UnreadableKeyPair::new(file.name.clone(), failure.reason());
            unusable.wrong_password = true;
            file.unusable.push(unusable);
        }
        file
    }

    /// The folder it lies in; empty where that is the source itself.
    fn folder(&self) -> &str {
        folder_of(&self.name)
    }

    fn has_key(&self, spki_sha256: [u8; 32]) -> bool {
        self.keys.iter().any(|key| key.spki_sha256() == spki_sha256)
    }

    fn holds(&self, certificate: &Certificate) -> bool {
        self.certificates.iter().any(|der| der == certificate.der())
    }

    /// Whether it is a file of this key pair or, authorities and nothing else, of its chain.
    fn is_about(&self, pair: &KeyPair) -> bool {
        if self.has_key(pair.key.spki_sha256()) || self.holds(pair.leaf()) {
            return true;
        }
        let is_above = |der: &Vec<u8>| pair.certificates().any(|one| one.der() == der);
        let is_authority = |der: &Vec<u8>| {
            is_above(der)
                || Certificate::parse(der.clone())
                    .is_ok_and(|certificate| certificate.is_authority())
        };
        self.keys.is_empty()
            && self.certificates.iter().any(is_above)
            && self.certificates.iter().all(is_authority)
    }

    /// What of a key pair it holds, if anything: other key pairs may lie in it, too, but no others
    /// may share a file of authorities alone.
    fn part_of(&self, pair: &KeyPair) -> Option<PartOfPair> {
        let mut own = Vec::new();
        for der in &self.certificates {
            own.extend(pair.certificates().find(|one| one.der() == der));
        }
        let has = |certificate: &Certificate| own.iter().any(|one| one.der() == certificate.der());
        let has_key = self.has_key(pair.key.spki_sha256());
        let above = pair.chain.iter().skip(1).any(has);
        let part = match (has_key, has(pair.leaf())) {
            (true, true) => FilePart::All,
            (true, false) => FilePart::Key,
            (false, true) if self.is_der => FilePart::CertificateDer,
            (false, true) if above || pair.chain.len() == 1 => FilePart::FullChain,
            (false, true) => FilePart::Certificate,
            (false, false) => {
                let only_authorities = self.keys.is_empty() && !own.is_empty();
                let are_all_its = own.len() == self.certificates.len();
                (only_authorities && are_all_its).then_some(FilePart::Chain)?
            }
        };
        Some(PartOfPair::of(part, &own))
    }
}

/// Takes the key pairs that lie in such files. `beside` is a certificate that was named: what its
/// chain lacks is looked for in the files beside it.
pub(super) fn put_together(
    holdings: &mut Inventory,
    mut files: Vec<LooseFile>,
    doubtful: &[DoubtfulFile],
    beside: Option<&Path>,
    now: jiff::Timestamp,
) {
    for file in &mut files {
        let before = holdings.unreadable.len();
        holdings.unreadable.append(&mut file.unusable);
        holdings.say_of_file(before, &file.name, file.hash);
    }
    let mut folders: BTreeMap<&str, Vec<&LooseFile>> = BTreeMap::new();
    for file in &files {
        folders.entry(file.folder()).or_default().push(file);
    }
    let mut left_over = Sorted::default();
    for files in folders.values() {
        let mut sorted = sorted_with_beside(files, beside, now);
        let has_pairs = !sorted.key_pairs.is_empty();
        let keys_are_whole = has_pairs && sorted.lonely_keys.is_empty();
        take_pairs(holdings, std::mem::take(&mut sorted.key_pairs), files);
        name_unusable(holdings, &sorted, files, keys_are_whole);
        left_over.lonely_keys.append(&mut sorted.lonely_keys);
        left_over.certificates.append(&mut sorted.certificates);
    }
    let all: Vec<_> = files.iter().collect();
    if folders.len() > 1 && !left_over.certificates.is_empty() {
        // A key may lie in another folder than its certificate, as in `private` and `certs`.
        left_over = sorted(&all, &[], now);
        let is_held = |pair: &KeyPair| {
            let mut held = holdings.key_pairs.iter();
            held.any(|held| held.leaf().der() == pair.leaf().der())
        };
        left_over.key_pairs.retain(|pair| !is_held(pair));
        take_pairs(holdings, std::mem::take(&mut left_over.key_pairs), &all);
    }
    for held in &mut holdings.key_pairs {
        for part in held.file_parts.values_mut() {
            part.shorten(&held.pair);
        }
    }
    name_lonely(holdings, &left_over.lonely_keys, &all);
    name_doubtful(holdings, doubtful, &left_over.certificates, &all);
    for one in left_over.certificates {
        holdings.take_certificate(one);
    }
}

fn folder_of(name: &str) -> &str {
    name.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// What may have been the key of a server's certificate that has none: one beside it or, from a folder
/// without certificates, any.
fn name_doubtful(
    holdings: &mut Inventory,
    doubtful: &[DoubtfulFile],
    certificates: &[Certificate],
    files: &[&LooseFile],
) {
    for DoubtfulFile { name, hash } in doubtful {
        let folder = folder_of(name);
        let mut beside = files.iter().filter(|file| file.folder() == folder);
        let has_certificates = beside.any(|file| !file.certificates.is_empty());
        let may_be_its = |one: &&Certificate| {
            let mut holding = files.iter().filter(|file| file.holds(one));
            let is_near = !has_certificates || holding.any(|file| file.folder() == folder);
            is_near && one.is_of_server()
        };
        let Some(certificate) = certificates.iter().find(may_be_its) else {
            continue;
        };
        let reason = text!(
            "reason-key-not-known",
            certificate = certificate.display_name()
        );
        holdings.passed_over.retain(|one| one.name != *name);
        let unreadable = UnreadableKeyPair::new(name.clone(), reason);
        holdings.say_unreadable(unreadable, name, *hash);
    }
}

fn input(key: &PrivateKey) -> KeyInput {
    KeyInput::bare(SecretBytes::copy_of(key.pkcs8().expose()))
}

fn certificate(der: &[u8]) -> CertInput {
    CertInput::bare(der.to_vec())
}

fn sorted(files: &[&LooseFile], more: &[Vec<u8>], now: jiff::Timestamp) -> Sorted {
    let (mut keys, mut certificates) = (Vec::new(), Vec::new());
    for file in files {
        keys.extend(file.keys.iter().map(input));
        certificates.extend(file.certificates.iter().map(|der| certificate(der)));
    }
    certificates.extend(more.iter().map(|der| certificate(der)));
    let mut sorted = keypair::sort(keys, certificates, now);
    if sorted.key_pairs.iter().any(|pair| !pair.further.is_empty()) {
        keep_what_is_beside(&mut sorted, files, now);
    }
    sorted
}

/// What is on no way up from a key pair stays with it only where it lies in a file of its own or of
/// its chain: who trusts or sends a file gets nothing into it from another.
fn keep_what_is_beside(sorted: &mut Sorted, files: &[&LooseFile], now: jiff::Timestamp) {
    let mut strays = Vec::new();
    for pair in &mut sorted.key_pairs {
        let ways = pair.ways_up(now);
        for one in std::mem::take(&mut pair.further) {
            let is_above = ways.iter().any(|above| above.der() == one.der());
            // What cannot be read was said to be kept.
            match is_above || Certificate::parse(one.der().to_vec()).is_err() {
                true => pair.further.push(one),
                false => strays.push(one),
            }
        }
    }
    for file in files {
        let is_large = file.certificates.len() > MOST_IN_CHAIN;
        let pairs = sorted.key_pairs.iter_mut();
        for pair in pairs.filter(|pair| file.is_about(pair)) {
            for stray in strays.iter().filter(|stray| file.holds(stray)) {
                if pair.certificates().all(|one| one.der() != stray.der()) {
                    pair.further.push(stray.clone());
                }
            }
            if is_large {
                break;
            }
        }
    }
    for stray in strays {
        let kept = sorted.key_pairs.iter().flat_map(KeyPair::certificates);
        let is_known = kept
            .chain(&sorted.certificates)
            .any(|one| one.der() == stray.der());
        if !is_known {
            sorted.certificates.push(stray);
        }
    }
}

/// As they are and, where a chain has a gap, with the authorities' certificates that lie beside.
fn sorted_with_beside(files: &[&LooseFile], beside: Option<&Path>, now: jiff::Timestamp) -> Sorted {
    let first = sorted(files, &[], now);
    let lacks = |warning: &Warning| matches!(warning, Warning::MissingIntermediate { .. });
    let has_gap = |pair: &KeyPair| pair.warnings.iter().any(lacks);
    let Some(path) = beside.filter(|_| first.key_pairs.iter().any(has_gap)) else {
        return first;
    };
    let is_authority = |der: &Vec<u8>| {
        let Ok(certificate) = Certificate::parse(der.clone()) else {
            return false;
        };
        files
            .iter()
            .all(|file| !file.has_key(certificate.spki_sha256()))
    };
    let mut more = certificates_beside(path);
    more.retain(is_authority);
    let mut second = sorted(files, &more, now);
    // What is beside and of no use is nobody's business.
    second
        .certificates
        .retain(|one| !more.iter().any(|der| der == one.der()));
    second
}

fn certificates_beside(path: &Path) -> Vec<Vec<u8>> {
    let folder = path.parent().unwrap_or(Path::new(""));
    let folder = if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    };
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut certificates = Vec::new();
    for entry in entries.flatten().take(MOST_BESIDE) {
        let path = entry.path();
        let is_part =
            folder::form_of(&entry.file_name().to_string_lossy()) == Some(folder::FileForm::Parts);
        if !is_part {
            continue;
        }
        let Ok(bytes) = read_input(&path) else {
            continue;
        };
        if let Ok(Some(parts)) = read_parts(&bytes, &[]) {
            certificates.extend(parts.certificates);
        }
    }
    certificates
}

/// Each with the names of all files that hold any of it; a file of authorities alone counts beside
/// key or certificate only.
fn take_pairs(holdings: &mut Inventory, pairs: Vec<KeyPair>, files: &[&LooseFile]) {
    for pair in pairs {
        let mut found = Vec::new();
        for file in files {
            if let Some(part) = file.part_of(&pair) {
                found.push((*file, part));
            }
        }
        let is_beside = |folder: &str| {
            let mut own = found.iter().filter(|(_, of)| of.part != FilePart::Chain);
            own.any(|(file, _)| file.folder() == folder)
        };
        let mut parts = Vec::new();
        for (file, of) in &found {
            if of.part != FilePart::Chain || is_beside(file.folder()) {
                parts.push((file.name.clone(), of.clone()));
            }
        }
        holdings.take_loose_pair(pair, parts);
    }
}

/// Certificates that cannot be read: in which file each lies. Where every key has its certificate,
/// they are authorities', and kept. What is wrong with a key was said.
fn name_unusable(
    holdings: &mut Inventory,
    sorted: &Sorted,
    files: &[&LooseFile],
    keys_are_whole: bool,
) {
    let mut places = Vec::new();
    for file in files {
        for der in &file.certificates {
            if Certificate::parse(der.clone()).is_err() {
                places.push(*file);
            }
        }
    }
    for (at, unusable) in sorted.unusable.iter().enumerate() {
        let Some(file) = places.get(at).or(files.first()) else {
            continue;
        };
        let reason = key_pair_reason(&unusable.error);
        if keys_are_whole {
            holdings
                .unread_certificates
                .push((file.name.clone(), reason));
            continue;
        }
        let unusable = UnreadableKeyPair::new(file.name.clone(), reason);
        holdings.say_unreadable(unusable, &file.name, file.hash);
    }
}

/// Keys without a certificate. One that a renewal has left in the file of the key that is used now
/// is no loss.
fn name_lonely(holdings: &mut Inventory, lonely: &[PrivateKey], files: &[&LooseFile]) {
    for key in lonely {
        let is_lonely = |other: &PrivateKey| {
            lonely
                .iter()
                .any(|one| one.spki_sha256() == other.spki_sha256())
        };
        let Some(file) = files.iter().find(|file| file.has_key(key.spki_sha256())) else {
            continue;
        };
        if file.keys.iter().all(is_lonely) {
            let reason = text!("reason-no-certificate", key_type = key.key_type());
            let unusable = UnreadableKeyPair::new(file.name.clone(), reason);
            holdings.say_unreadable(unusable, &file.name, file.hash);
        }
    }
}
