//! Private keys by what is in a file: PFX, PKCS#8, PKCS#1, SEC 1, OpenSSH and PuTTY, binary or PEM.

use std::collections::BTreeMap;

use data_encoding::BASE64_NOPAD;
use rustls_pki_types::pem::SectionKind;
use zeroize::Zeroizing;

use crate::keypair::{self, Certificate, PrivateKey, ssh_spki_sha256, ssh_string};
use crate::keystore::to_pkcs8;
use crate::state::State;
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
}

/// `SEQUENCE { INTEGER 3, SEQUENCE { pkcs7 ...`, `SEQUENCE { INTEGER 0|1, SEQUENCE|INTEGER|OCTET
/// STRING ...`, or `SEQUENCE { SEQUENCE { a password-based algorithm ...`.
pub(super) fn binary(head: &[u8]) -> Option<Binary> {
    const PKCS7: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x07";
    const PKCS5: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x05";
    const PKCS12_PBE: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x0c\x01";
    let inside = content(head, 0x30)?;
    let near = |oid: &[u8]| contains(&inside[..inside.len().min(40)], oid);
    match inside {
        [2, 1, 3, 0x30, ..] if near(PKCS7) => Some(Binary::Pfx),
        [2, 1, 0 | 1, 0x30, ..] => Some(Binary::Plain(SectionKind::PrivateKey)),
        [2, 1, 0, 2, ..] => Some(Binary::Plain(SectionKind::RsaPrivateKey)),
        [2, 1, 1, 4, ..] => Some(Binary::Plain(SectionKind::EcPrivateKey)),
        [0x30, ..] if near(PKCS5) || near(PKCS12_PBE) => Some(Binary::Encrypted),
        _ => None,
    }
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
    }
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
        Ok(contents) if contents.keys.is_empty() => None,
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

/// Keys in a text. One that says whose it is by the certificate beside it is ours even where it is
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
    for one in seen.iter_mut().filter(|one| one.owner == KeyOwner::Unknown) {
        one.owner = beside.clone().map_or(KeyOwner::Unknown, KeyOwner::Ours);
    }
    seen
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

/// Lines that PuTTY writes of a public key; RSA of 16384 bits has 44.
const MOST_LINES: usize = 64;

/// PuTTY's manual, "PPK file format": lines with the version and kind, the cipher, a comment, the
/// number of lines of the public key; then these, in clear whatever the cipher.
fn look_putty(text: &[u8], known: &OwnKeys) -> Option<SeenKey> {
    let text = text.strip_prefix(b"PuTTY-User-Key-File-")?;
    let mut lines = text
        .split(|byte| *byte == b'\n')
        .map(<[u8]>::trim_ascii_end)
        .skip(1);
    let cipher = lines.next()?.strip_prefix(b"Encryption: ")?;
    let mut public = || {
        let count = lines.nth(1)?.strip_prefix(b"Public-Lines: ")?;
        let count: usize = std::str::from_utf8(count).ok()?.parse().ok()?;
        (count <= MOST_LINES)
            .then(|| base64(&lines.by_ref().take(count).collect::<Vec<_>>().concat()))
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
        let Some(end) = find(body, b"-----END ") else {
            break;
        };
        found.push(PemBlock {
            label,
            der: base64(&body[..end]),
            encrypted: contains(&body[..end], b"ENCRYPTED"),
        });
        rest = &body[end..];
    }
    found
}

/// Everything that decodes: lines with a colon are headers, what is no base64 is left out.
pub(super) fn base64(text: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut digits = Zeroizing::new(Vec::with_capacity(text.len()));
    for line in text
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.contains(&b':'))
    {
        digits.extend(
            line.iter()
                .filter(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/')),
        );
    }
    let mut decoded = Zeroizing::new(vec![
        0;
        BASE64_NOPAD
            .decode_len(digits.len() / 4 * 4)
            .unwrap_or(0)
    ]);
    let whole = digits.len() / 4 * 4;
    let filled = BASE64_NOPAD
        .decode_mut(&digits[..whole], &mut decoded)
        .unwrap_or(0);
    decoded.truncate(filled);
    let tail = &digits[whole..];
    let missing = Zeroizing::new([tail, &b"AAAA"[..4 - tail.len()]].concat());
    if let Some(Ok(bytes)) =
        (tail.len() > 1).then(|| BASE64_NOPAD.decode(&missing).map(Zeroizing::new))
    {
        decoded.extend_from_slice(&bytes[..tail.len() - 1]);
    }
    decoded
}
