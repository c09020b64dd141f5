//! Private keys by what is in a file: PFX, PKCS#8, PKCS#1, SEC 1, OpenSSH, PuTTY, PVK and the key
//! stores of Java and BouncyCastle, binary or PEM, also PEM and PFX in base64.

use std::collections::BTreeMap;

use crate::iis::blob::pkcs8_of_rsa_blob;
use crate::keypair::{self, Certificate, PrivateKey, ssh_spki_sha256, ssh_string};
use crate::keystore::to_pkcs8;
use crate::state::State;
use crate::unpack::kind::{self, Kind, SHORTEST_HEAD};
use crate::unpack::pem::{self, PemBlock};
use crate::unpack::{HEAD, base64, java, lines, pvk};
use rustls_pki_types::pem::SectionKind;
use secret::{Password, SecretBytes};
use vault::id::Hash;
use zeroize::Zeroizing;

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
    /// RSA's, as CryptoAPI hands it out.
    Capi,
    /// A key store of Java: JKS or JCEKS.
    Java,
    /// A key store of BouncyCastle's for FIPS.
    Bcfks,
    /// `RSAKeyValue` in XML, as .NET writes it.
    Xml,
    /// A JSON Web Key.
    Jwk,
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
            Form::Capi => "PRIVATEKEYBLOB",
            Form::Java => "JKS",
            Form::Bcfks => "BCFKS",
            Form::Xml => "XML",
            Form::Jwk => "JWK",
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

pub(super) fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    find(bytes, wanted).is_some()
}

pub(super) fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    memchr::memmem::find(bytes, wanted)
}

/// Looks into a whole binary file of this kind; `try_password` is whether time may be spent on the
/// empty password.
pub(super) fn look_binary(
    kind: Kind,
    bytes: &[u8],
    known: &OwnKeys,
    try_password: bool,
) -> Option<SeenKey> {
    match kind {
        Kind::Pfx => look_pfx(bytes, known, try_password),
        Kind::EncryptedKey => Some(look_encrypted(Form::Der, bytes, known, try_password)),
        Kind::Key(form) => look_plain(Form::Der, form, bytes, known),
        Kind::Pvk => look_pvk(bytes, known),
        Kind::CapiKey => Some(look_capi(bytes, known)),
        Kind::JavaStore => look_java(bytes, known),
        Kind::Bcfks => Some(SeenKey {
            form: Form::Bcfks,
            protection: KeyProtection::Password,
            owner: KeyOwner::Unknown,
        }),
        _ => None,
    }
}

fn look_pvk(bytes: &[u8], known: &OwnKeys) -> Option<SeenKey> {
    let file = pvk::read(bytes)?;
    let (protection, owner) = if file.is_encrypted {
        (KeyProtection::Password, KeyOwner::Unknown)
    } else {
        (KeyProtection::Open, look_capi(file.blob, known).owner)
    };
    Some(SeenKey {
        form: Form::Pvk,
        protection,
        owner,
    })
}

fn look_capi(blob: &[u8], known: &OwnKeys) -> SeenKey {
    let key = pkcs8_of_rsa_blob(&SecretBytes::copy_of(blob));
    SeenKey {
        form: Form::Capi,
        protection: KeyProtection::Open,
        owner: key.map_or(KeyOwner::Other, |pkcs8| owner_of(&pkcs8, known)),
    }
}

/// Its keys are encrypted, its certificates are not, and say whose keys they are. One without keys
/// is a trust store.
fn look_java(bytes: &[u8], known: &OwnKeys) -> Option<SeenKey> {
    let store = java::read(bytes)?;
    let mut certificates = store.keys.iter().flat_map(|key| &key.chain);
    let name = certificates.find_map(|der| known.certificate(der));
    // What could not be read may be a key.
    let has_key = !store.keys.is_empty() || !store.is_whole;
    has_key.then_some(SeenKey {
        form: Form::Java,
        protection: KeyProtection::Password,
        owner: name.map_or(KeyOwner::Unknown, KeyOwner::Ours),
    })
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

pub(super) fn owner_of(pkcs8: &SecretBytes, known: &OwnKeys) -> KeyOwner {
    parse(pkcs8)
        .and_then(|key| known.key(&key))
        .map_or(KeyOwner::Other, KeyOwner::Ours)
}

/// Numbers of a DSA key as OpenSSL writes it; RSA's has nine (RFC 8017, appendix A.1.2).
const LEAST_NUMBERS: usize = 6;

/// `None` where it only looked like a key.
fn look_plain(form: Form, kind: SectionKind, der: &[u8], known: &OwnKeys) -> Option<SeenKey> {
    let pkcs8 = to_pkcs8(kind, SecretBytes::copy_of(der))?;
    let owner = match PrivateKey::parse(pkcs8) {
        Ok(key) => known.key(&key).map_or(KeyOwner::Other, KeyOwner::Ours),
        Err(keypair::KeyPairError::UnsupportedKey { .. }) => KeyOwner::Other,
        // What is damaged, or DSA's, has as many numbers all the same.
        Err(keypair::KeyPairError::KeyDamaged)
            if kind != SectionKind::RsaPrivateKey || kind::count_numbers(der) >= LEAST_NUMBERS =>
        {
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
    let blocks = pem::blocks(text);
    let beside = blocks
        .iter()
        .filter(|block| block.kind() == Kind::Certificate)
        .find_map(|block| known.certificate(kind::first_element(block.content.expose())?));
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
            let blocks = pem::blocks(&pem.bytes);
            let keys = blocks
                .iter()
                .filter_map(|block| look_block(block, known, try_password));
            seen.extend(keys);
            (at, count) = (pem.end, count + 1);
        } else if let Some((kind, length)) = element_at(text, at) {
            let read = base64::octets_at(text, at, length, false);
            let der = decorated_element(text, at, length).unwrap_or(read.bytes);
            let der = &der[..der.len().min(length)];
            seen.extend(look_binary(kind, der, known, try_password));
            (at, count) = (read.end, count + 1);
        } else {
            let next = memchr::memchr3(b'-', b'M', b'L', &text[at + 1..]);
            at = next.map_or(text.len(), |next| at + 1 + next);
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
fn element_at(text: &[u8], at: usize) -> Option<(Kind, usize)> {
    if !begins_element(text, at) {
        return None;
    }
    let head = base64::octets_at(text, at, SHORTEST_HEAD, true).bytes;
    let kind = Kind::of(&head);
    if !kind.may_have_key() {
        return None;
    }
    let length = kind::length(&head).unwrap_or(MOST_INDEFINITE);
    Some((kind, length.min(text.len())))
}

/// A key of this length whose lines are all decorated as the one where it begins.
fn decorated_element(text: &[u8], at: usize, length: usize) -> Option<Zeroizing<Vec<u8>>> {
    let prefix = lines::before(text, at);
    if prefix.is_empty() || length > MOST_INDEFINITE {
        return None;
    }
    let end = text.len().min(at + length * 4);
    let element = lines::element(prefix, &text[at..end]);
    (element.len() == length).then_some(element)
}

/// Octets that are taken of a key whose length is not said.
const MOST_INDEFINITE: usize = 64 * 1024;

/// Whether base64 of a SEQUENCE may begin here.
fn begins_element(text: &[u8], at: usize) -> bool {
    let begins = matches!(
        text[at..],
        [b'M', b'C' | b'D' | b'E' | b'F' | b'G' | b'H' | b'I', ..]
    );
    if !begins || at == 0 || !base64::is_digit(text[at - 1]) {
        return begins;
    }
    // Behind the signs of a patch or a comment.
    let before = lines::before(text, at);
    !before.is_empty() && before.iter().all(|byte| matches!(byte, b'+' | b'/'))
}

/// Whether the beginning of a text promises a key in base64.
pub(super) fn has_base64(head: &[u8]) -> bool {
    let mut starts = memchr::memchr_iter(b'M', head);
    starts.any(|at| element_at(head, at).is_some()) || base64::has_pem(head)
}

/// Octets that make a key which cannot be read, and not an example in a text.
const EVIDENT: usize = 64;

fn unknown(form: Form) -> SeenKey {
    SeenKey {
        form,
        protection: KeyProtection::Unknown,
        owner: KeyOwner::Unknown,
    }
}

fn look_block(block: &PemBlock, known: &OwnKeys, try_password: bool) -> Option<SeenKey> {
    let seen = |protection, owner| {
        Some(SeenKey {
            form: Form::Pem,
            protection,
            owner,
        })
    };
    let content = block.content.expose();
    match block.kind() {
        Kind::Pfx => look_pfx(content, known, try_password),
        Kind::EncryptedKey => Some(look_encrypted(Form::Pem, content, known, try_password)),
        Kind::OpenSshKey => look_openssh(content, known),
        Kind::Key(_) | Kind::OtherKey if block.encryption.is_some() => {
            seen(KeyProtection::Password, KeyOwner::Unknown)
        }
        // One that is cut off or garbled is still most of a key.
        Kind::Key(form) => look_plain(Form::Pem, form, content, known).or_else(|| {
            let is_meant = content.len() > EVIDENT && content[0] == 0x30;
            is_meant.then(|| unknown(Form::Pem))
        }),
        Kind::OtherKey => seen(KeyProtection::Open, KeyOwner::Other),
        kind => look_binary(kind, content, known, try_password),
    }
}

/// PROTOCOL.key of OpenSSH: a magic, the names of cipher and key derivation, its options, the
/// number of keys; then the public key, in clear whatever the cipher.
fn look_openssh(der: &[u8], known: &OwnKeys) -> Option<SeenKey> {
    let mut rest = der.strip_prefix(kind::OPENSSH)?;
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
