//! Private keys by what is in a file: PFX, PKCS#8, PKCS#1, SEC 1, OpenSSH, PuTTY, PVK and the key
//! stores of Java and BouncyCastle, binary or PEM, also PEM and PFX in base64.

use std::collections::BTreeMap;

use rustls_pki_types::pem::SectionKind;
use zeroize::Zeroizing;

use crate::iis::blob::pkcs8_of_rsa_blob;
use crate::keypair::{self, Certificate, PrivateKey, ssh_spki_sha256, ssh_string};
use crate::keystore::to_pkcs8;
use crate::state::State;
use crate::unpack::{HEAD, base64};
use secret::{Password, SecretBytes};
use vault::id::Hash;

/// How a private key is written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// PKCS#12.
    Pfx,
    /// PKCS#8, PKCS#1 or SEC 1, binary.
    Der,
    /// The same as text.
    Pem,
    /// `OPENSSH PRIVATE KEY`.
    OpenSsh,
    /// A file of PuTTY's.
    Putty,
    /// A file of Microsoft's tools: PVK.
    Pvk,
    /// A key store of Java: JKS or JCEKS.
    Java,
    /// A key store of BouncyCastle's for FIPS.
    Bcfks,
}

impl Form {
    /// For programs, and for people, who know them by these names.
    pub fn name(self) -> &'static str {
        match self {
            Form::Pfx => "PFX",
            Form::Der => "DER",
            Form::Pem => "PEM",
            Form::OpenSsh => "OpenSSH",
            Form::Putty => "PuTTY",
            Form::Pvk => "PVK",
            Form::Java => "JKS",
            Form::Bcfks => "BCFKS",
        }
    }
}

/// What keeps a reader of the file from the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyProtection {
    /// Nothing, or an empty password.
    Open,
    /// A password.
    Password,
    /// It could not be told.
    Unknown,
}

/// Whether it is a key pair of this server or vault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyOwner {
    /// Yes, this one.
    Ours(String),
    /// No.
    Other,
    /// It is closed, and nothing beside it says.
    Unknown,
}

/// A private key that was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenKey {
    /// How it is written down.
    pub form: Form,
    /// What protects it.
    pub protection: KeyProtection,
    /// Whose it is.
    pub owner: KeyOwner,
}

/// The key pairs of this server, by certificate and by public key (both SHA-256), with their names.
#[derive(Debug, Default)]
pub struct OwnKeys(BTreeMap<Hash, String>);

impl OwnKeys {
    /// Those that host state describes.
    pub fn of(state: Option<&State>) -> Self {
        let mut known = Self::default();
        for about in state
            .iter()
            .flat_map(|state| state.generations())
            .flat_map(|written| &written.key_pairs)
        {
            let name = about.display_name();
            known.add(about.certificate_sha256, name);
            if let Some(key) = about.spki_sha256 {
                known.add(key, name);
            }
        }
        known
    }

    /// One more.
    pub fn add(&mut self, sha256: Hash, name: &str) {
        self.0.entry(sha256).or_insert_with(|| name.to_owned());
    }

    /// One of a certificate store.
    pub fn add_certificate(&mut self, certificate: &Certificate) {
        let name = certificate.display_name();
        self.add(certificate.sha256().into(), name);
        self.add(certificate.spki_sha256().into(), name);
    }

    fn certificate(&self, der: &[u8]) -> Option<String> {
        self.0.get(&Hash::of(der)).cloned()
    }

    fn key(&self, key: &PrivateKey) -> Option<String> {
        self.public_key(key.spki_sha256())
    }

    fn public_key(&self, spki_sha256: [u8; 32]) -> Option<String> {
        self.0.get(&spki_sha256.into()).cloned()
    }
}

/// What a binary file could be, by its first bytes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Binary {
    Pfx,
    Plain(SectionKind),
    Encrypted,
    Pvk,
    Java,
    Bcfks,
}

/// How long the head of a binary file has to be for [`binary`], in octets.
const SHORTEST_HEAD: usize = 48;

/// `SEQUENCE { INTEGER 3, SEQUENCE { pkcs7 ...`, `SEQUENCE { INTEGER 0|1, SEQUENCE|INTEGER|OCTET
/// STRING ...`, or `SEQUENCE { SEQUENCE { a password-based algorithm ...`.
pub(super) fn binary(head: &[u8]) -> Option<Binary> {
    const PKCS7: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x07";
    const PKCS5: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x05";
    const PKCS12_PBE: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x0c\x01";
    if head.starts_with(PVK) {
        return Some(Binary::Pvk);
    }
    if head.starts_with(JKS) || head.starts_with(JCEKS) {
        return Some(Binary::Java);
    }
    let inside = content(head, 0x30)?;
    let near = |oid: &[u8]| contains(&inside[..inside.len().min(40)], oid);
    match inside {
        [2, 1, 3, 0x30, ..] if near(PKCS7) => Some(Binary::Pfx),
        [2, 1, 0 | 1, 0x30, ..] => Some(Binary::Plain(SectionKind::PrivateKey)),
        [2, 1, 0, 2, ..] => Some(Binary::Plain(SectionKind::RsaPrivateKey)),
        [2, 1, 1, 4, ..] => Some(Binary::Plain(SectionKind::EcPrivateKey)),
        [0x30, ..] if is_bcfks(inside) && near(PKCS5) => Some(Binary::Bcfks),
        [0x30, ..] if near(PKCS5) || near(PKCS12_PBE) => Some(Binary::Encrypted),
        _ => None,
    }
}

/// How the files of Microsoft's tools, and those of Java, begin.
const PVK: &[u8] = b"\x1e\xf1\xb5\xb0";
const JKS: &[u8] = b"\xfe\xed\xfe\xed";
const JCEKS: &[u8] = b"\xce\xce\xce\xce";

/// Whether the algorithm lies one SEQUENCE deeper than in an encrypted key: an `ObjectStore` of
/// BouncyCastle has its `EncryptedObjectStoreData` in it.
fn is_bcfks(inside: &[u8]) -> bool {
    let algorithm = content(inside, 0x30).and_then(|data| content(data, 0x30));
    algorithm.is_some_and(|algorithm| algorithm.starts_with(b"\x06\x09"))
}

/// What follows a tag and its length, which is not looked at.
fn content(bytes: &[u8], tag: u8) -> Option<&[u8]> {
    let (first, rest) = bytes.split_first()?;
    let (length, rest) = rest.split_first()?;
    let more = if *length > 0x80 {
        usize::from(length & 0x7f)
    } else {
        0
    };
    if *first == tag && more <= 4 {
        rest.get(more..)
    } else {
        None
    }
}

pub(super) fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    find(bytes, wanted).is_some()
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes
        .windows(wanted.len())
        .position(|window| window == wanted)
}

/// Looks into a whole binary file; `try_password` is whether time may be spent on the empty
/// password.
pub(super) fn look_binary(
    kind: Binary,
    bytes: &[u8],
    known: &OwnKeys,
    try_password: bool,
) -> Option<SeenKey> {
    match kind {
        Binary::Pfx => look_pfx(bytes, known, try_password),
        Binary::Encrypted => Some(look_encrypted(Form::Der, bytes, known, try_password)),
        Binary::Plain(kind) => look_plain(Form::Der, kind, bytes, known),
        Binary::Pvk => look_pvk(bytes, known),
        Binary::Java => look_java(bytes, known),
        Binary::Bcfks => Some(SeenKey {
            form: Form::Bcfks,
            protection: KeyProtection::Password,
            owner: KeyOwner::Unknown,
        }),
    }
}

/// The header of PVK: magic, zero, what the key is for, whether it is encrypted, the lengths of salt
/// and key, all as little-endian words; then the salt, and a `PRIVATEKEYBLOB` of CryptoAPI.
fn look_pvk(bytes: &[u8], known: &OwnKeys) -> Option<SeenKey> {
    let word = |at: usize| {
        let word = bytes.get(4 * at..4 * at + 4)?;
        Some(u32::from_le_bytes(word.try_into().ok()?))
    };
    let (encrypted, salt) = (word(3)?, word(4)?);
    let protection = match encrypted {
        0 => KeyProtection::Open,
        1 => KeyProtection::Password,
        _ => return None,
    };
    let blob = bytes.get(24 + usize::try_from(salt).ok()?..)?;
    let owner = match protection {
        KeyProtection::Open => match pkcs8_of_rsa_blob(&SecretBytes::copy_of(blob)) {
            Some(pkcs8) => owner_of(&pkcs8, known),
            None => KeyOwner::Other,
        },
        _ => KeyOwner::Unknown,
    };
    Some(SeenKey {
        form: Form::Pvk,
        protection,
        owner,
    })
}

/// Entries of a key store of Java that are looked at.
const MOST_ENTRIES: u32 = 10_000;

/// A key store of Java: magic, version, the number of entries. Its keys are encrypted, its
/// certificates are not, and say whose keys they are. One without keys is a trust store.
fn look_java(bytes: &[u8], known: &OwnKeys) -> Option<SeenKey> {
    let mut rest = bytes.get(4..)?;
    let (version, count) = (take_u32(&mut rest)?, take_u32(&mut rest)?);
    let (mut owner, mut has_key) = (KeyOwner::Unknown, false);
    for _ in 0..count.min(MOST_ENTRIES) {
        let Some(entry) = java_entry(&mut rest, version) else {
            // A form of JCEKS that holds any object of Java, or one that is cut off.
            has_key = true;
            break;
        };
        has_key |= entry.is_key;
        let mut chain = entry.chain.iter().filter(|_| entry.is_key);
        if let Some(name) = chain.find_map(|der| known.certificate(der)) {
            owner = KeyOwner::Ours(name);
        }
    }
    has_key.then_some(SeenKey {
        form: Form::Java,
        protection: KeyProtection::Password,
        owner,
    })
}

struct JavaEntry<'a> {
    is_key: bool,
    chain: Vec<&'a [u8]>,
}

/// Kind, name, time; of a key (1) its length, itself, the number of its certificates and these; of
/// a certificate (2) itself. From version 2 on each certificate has its type before it.
fn java_entry<'a>(rest: &mut &'a [u8], version: u32) -> Option<JavaEntry<'a>> {
    let kind = take_u32(rest)?;
    take_name(rest)?;
    rest.split_off(..8)?;
    let is_key = match kind {
        1 => true,
        2 => false,
        _ => return None,
    };
    let certificates = if is_key {
        let length = usize::try_from(take_u32(rest)?).ok()?;
        rest.split_off(..length)?;
        take_u32(rest)?
    } else {
        1
    };
    let mut chain = Vec::new();
    for _ in 0..certificates {
        if version > 1 {
            take_name(rest)?;
        }
        let length = usize::try_from(take_u32(rest)?).ok()?;
        chain.push(rest.split_off(..length)?);
    }
    Some(JavaEntry { is_key, chain })
}

fn take_u32(rest: &mut &[u8]) -> Option<u32> {
    rest.split_off(..4)?.try_into().ok().map(u32::from_be_bytes)
}

fn take_name<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length: [u8; 2] = rest.split_off(..2)?.try_into().ok()?;
    rest.split_off(..usize::from(u16::from_be_bytes(length)))
}

fn look_pfx(bytes: &[u8], known: &OwnKeys, try_password: bool) -> Option<SeenKey> {
    let seen = |protection, owner| {
        Some(SeenKey {
            form: Form::Pfx,
            protection,
            owner,
        })
    };
    if !try_password {
        return seen(KeyProtection::Unknown, KeyOwner::Unknown);
    }
    match pfx::read(bytes, &Password::new(String::new())) {
        Ok(contents) if contents.keys.is_empty() && contents.locked.is_empty() => None,
        Ok(contents) if contents.keys.is_empty() => {
            seen(KeyProtection::Password, KeyOwner::Unknown)
        }
        Ok(contents) => {
            let by_certificate = contents
                .certificates
                .iter()
                .find_map(|certificate| known.certificate(&certificate.der));
            let by_key = || {
                contents
                    .keys
                    .iter()
                    .find_map(|key| known.key(&parse(&key.pkcs8)?))
            };
            seen(
                KeyProtection::Open,
                by_certificate
                    .or_else(by_key)
                    .map_or(KeyOwner::Other, KeyOwner::Ours),
            )
        }
        Err(pfx::Error::WrongPassword) => seen(KeyProtection::Password, KeyOwner::Unknown),
        Err(pfx::Error::TooMuchWork { .. } | pfx::Error::Unsupported { .. }) => {
            seen(KeyProtection::Unknown, KeyOwner::Unknown)
        }
        Err(_) => None,
    }
}

fn parse(pkcs8: &SecretBytes) -> Option<PrivateKey> {
    PrivateKey::parse(SecretBytes::copy_of(pkcs8.expose())).ok()
}

fn look_encrypted(form: Form, der: &[u8], known: &OwnKeys, try_password: bool) -> SeenKey {
    let empty = Password::new(String::new());
    let opened = if try_password {
        pfx::read_key(der, &empty).map_err(|e| e == pfx::Error::WrongPassword)
    } else {
        Err(false)
    };
    let (protection, owner) = match opened {
        Ok(pkcs8) => (KeyProtection::Open, owner_of(&pkcs8, known)),
        Err(true) => (KeyProtection::Password, KeyOwner::Unknown),
        Err(false) => (KeyProtection::Unknown, KeyOwner::Unknown),
    };
    SeenKey {
        form,
        protection,
        owner,
    }
}

fn owner_of(pkcs8: &SecretBytes, known: &OwnKeys) -> KeyOwner {
    parse(pkcs8)
        .and_then(|key| known.key(&key))
        .map_or(KeyOwner::Other, KeyOwner::Ours)
}

/// `None` where it only looked like a key.
fn look_plain(form: Form, kind: SectionKind, der: &[u8], known: &OwnKeys) -> Option<SeenKey> {
    let pkcs8 = to_pkcs8(kind, SecretBytes::copy_of(der))?;
    let owner = match PrivateKey::parse(pkcs8) {
        Ok(key) => known.key(&key).map_or(KeyOwner::Other, KeyOwner::Ours),
        Err(keypair::KeyPairError::UnsupportedKey { .. } | keypair::KeyPairError::KeyDamaged) => {
            KeyOwner::Other
        }
        Err(_) => return None,
    };
    Some(SeenKey {
        form,
        protection: KeyProtection::Open,
        owner,
    })
}

/// Keys in a text that was made plain. One that says whose it is by the certificate beside it is ours even where it is
/// closed.
pub(super) fn look_text(text: &[u8], known: &OwnKeys, try_password: bool) -> Vec<SeenKey> {
    let blocks = blocks(text);
    let beside = blocks
        .iter()
        .filter(|block| block.label == b"CERTIFICATE")
        .find_map(|block| known.certificate(&block.der));
    let mut seen: Vec<SeenKey> = blocks
        .iter()
        .filter_map(|block| look_block(block, known, try_password))
        .collect();
    seen.extend(look_putty(text, known));
    seen.extend(look_base64(text, known, try_password));
    for one in seen.iter_mut().filter(|one| one.owner == KeyOwner::Unknown) {
        one.owner = beside.clone().map_or(KeyOwner::Unknown, KeyOwner::Ours);
    }
    seen
}

/// Keys and texts with keys that are found in base64 within one text.
const MOST_ENCODED: usize = 1000;

/// A PFX or a key in base64 without a label, and PEM that is encoded once more.
fn look_base64(text: &[u8], known: &OwnKeys, try_password: bool) -> Vec<SeenKey> {
    let (mut seen, mut at, mut count) = (Vec::new(), 0, 0);
    while at < text.len() && count < MOST_ENCODED {
        if text[at..].starts_with(b"-----BEGIN ") {
            at = past_block(text, at);
        } else if let Some(pem) = base64::pem_at(text, at) {
            let blocks = blocks(&pem.bytes);
            let keys = blocks
                .iter()
                .filter_map(|block| look_block(block, known, try_password));
            seen.extend(keys);
            (at, count) = (pem.end, count + 1);
        } else if let Some((kind, length)) = element_at(text, at) {
            let read = base64::octets_at(text, at, length, false);
            let der = &read.bytes[..read.bytes.len().min(length)];
            seen.extend(look_binary(kind, der, known, try_password));
            (at, count) = (read.end, count + 1);
        } else {
            at += 1;
        }
    }
    seen
}

/// Where a block of PEM ends that begins here.
fn past_block(text: &[u8], start: usize) -> usize {
    let past_dashes = |from: usize| find(&text[from..], b"-----").map(|at| from + at + 5);
    let label = past_dashes(start + 5).and_then(past_dashes);
    label.unwrap_or(text.len())
}

/// The kind and the length of a key in DER that begins here in base64.
fn element_at(text: &[u8], at: usize) -> Option<(Binary, usize)> {
    if !begins_element(text, at) {
        return None;
    }
    let head = base64::octets_at(text, at, SHORTEST_HEAD, true).bytes;
    let kind = binary(&head)?;
    let length = match head[1] {
        short @ ..0x80 => usize::from(short) + 2,
        0x80 => MOST_INDEFINITE,
        long => {
            let octets = head.get(2..2 + usize::from(long & 0x7f))?;
            let length = octets
                .iter()
                .fold(0, |length, octet| length << 8 | usize::from(*octet));
            length + 2 + octets.len()
        }
    };
    Some((kind, length.min(text.len())))
}

/// Octets that are taken of a key whose length is not said.
const MOST_INDEFINITE: usize = 64 * 1024;

/// Whether base64 of a SEQUENCE may begin here.
fn begins_element(text: &[u8], at: usize) -> bool {
    let is_first = at == 0 || !base64::is_digit(text[at - 1]);
    is_first
        && matches!(
            text[at..],
            [b'M', b'C' | b'D' | b'E' | b'F' | b'G' | b'H' | b'I', ..]
        )
}

/// Whether the beginning of a text promises a key in base64.
pub(super) fn has_base64(head: &[u8]) -> bool {
    let element = (0..head.len()).any(|at| element_at(head, at).is_some());
    element || base64::has_pem(head)
}

fn look_block(block: &PemBlock<'_>, known: &OwnKeys, try_password: bool) -> Option<SeenKey> {
    let closed = |form| {
        Some(SeenKey {
            form,
            protection: KeyProtection::Password,
            owner: KeyOwner::Unknown,
        })
    };
    match block.label {
        b"PRIVATE KEY" => look_plain(Form::Pem, SectionKind::PrivateKey, &block.der, known),
        b"ENCRYPTED PRIVATE KEY" => {
            Some(look_encrypted(Form::Pem, &block.der, known, try_password))
        }
        b"RSA PRIVATE KEY" | b"EC PRIVATE KEY" | b"DSA PRIVATE KEY" if block.encrypted => {
            closed(Form::Pem)
        }
        b"RSA PRIVATE KEY" => look_plain(Form::Pem, SectionKind::RsaPrivateKey, &block.der, known),
        b"EC PRIVATE KEY" => look_plain(Form::Pem, SectionKind::EcPrivateKey, &block.der, known),
        b"DSA PRIVATE KEY" => Some(SeenKey {
            form: Form::Pem,
            protection: KeyProtection::Open,
            owner: KeyOwner::Other,
        }),
        b"OPENSSH PRIVATE KEY" => look_openssh(&block.der, known),
        _ => None,
    }
}

/// PROTOCOL.key of OpenSSH: a magic, the names of cipher and key derivation, its options, the
/// number of keys; then the public key, in clear whatever the cipher.
fn look_openssh(der: &[u8], known: &OwnKeys) -> Option<SeenKey> {
    let mut rest = der.strip_prefix(b"openssh-key-v1\0")?;
    let cipher = ssh_string(&mut rest)?;
    let mut public = || {
        let (_derivation, _options) = (ssh_string(&mut rest)?, ssh_string(&mut rest)?);
        rest = rest.strip_prefix(&1_u32.to_be_bytes())?;
        ssh_string(&mut rest)
    };
    Some(look_ssh(Form::OpenSsh, cipher, public(), known))
}

/// How PuTTY's files begin; a number and the kind of key follow.
pub(super) const PUTTY: &[u8] = b"PuTTY-User-Key-File-";
/// Lines that PuTTY writes of a public key; RSA of 16384 bits has 44.
const MOST_LINES: usize = 64;

/// PuTTY's manual, "PPK file format": lines with the version and kind, the cipher, a comment, the
/// number of lines of the public key; then these, in clear whatever the cipher.
fn look_putty(text: &[u8], known: &OwnKeys) -> Option<SeenKey> {
    let start = find(&text[..text.len().min(HEAD)], PUTTY)?;
    let text = &text[start + PUTTY.len()..];
    let mut lines = text
        .split(|byte| *byte == b'\n')
        .map(<[u8]>::trim_ascii_end)
        .skip(1);
    let cipher = lines.next()?.strip_prefix(b"Encryption: ")?;
    let mut public = || {
        let count = lines.nth(1)?.strip_prefix(b"Public-Lines: ")?;
        let count: usize = std::str::from_utf8(count).ok()?.parse().ok()?;
        (count <= MOST_LINES)
            .then(|| base64::decode(&lines.by_ref().take(count).collect::<Vec<_>>().concat()))
    };
    Some(look_ssh(
        Form::Putty,
        cipher,
        public().as_deref().map(Vec::as_slice),
        known,
    ))
}

/// Whose it is, its public key says; without one that can be read, only a key that lies open is
/// known to be no other.
fn look_ssh(form: Form, cipher: &[u8], public: Option<&[u8]>, known: &OwnKeys) -> SeenKey {
    let protection = if cipher == b"none" {
        KeyProtection::Open
    } else {
        KeyProtection::Password
    };
    let owner = match public.and_then(ssh_spki_sha256) {
        Some(spki_sha256) => known
            .public_key(spki_sha256)
            .map_or(KeyOwner::Other, KeyOwner::Ours),
        None if protection == KeyProtection::Open => KeyOwner::Other,
        None => KeyOwner::Unknown,
    };
    SeenKey {
        form,
        protection,
        owner,
    }
}

/// One block of PEM (RFC 7468), or of its older form with headers (RFC 1421).
struct PemBlock<'a> {
    label: &'a [u8],
    der: Zeroizing<Vec<u8>>,
    encrypted: bool,
}

/// Blocks in a text that are looked at.
const MOST_BLOCKS: usize = 1000;

fn blocks(text: &[u8]) -> Vec<PemBlock<'_>> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(at) = find(rest, b"-----BEGIN ").filter(|_| found.len() < MOST_BLOCKS) {
        rest = &rest[at + 11..];
        let Some(end) = find(&rest[..rest.len().min(64)], b"-----") else {
            continue;
        };
        let label = &rest[..end];
        let body = &rest[end + 5..];
        let end = find(body, b"-----").unwrap_or(body.len());
        found.push(PemBlock {
            label,
            der: base64::decode(&body[..end]),
            encrypted: contains(&body[..end], b"ENCRYPTED"),
        });
        rest = &body[end..];
    }
    found
}
