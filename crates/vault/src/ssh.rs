//! SSH keys as recipients and identities of age: the stanza `ssh-ed25519` of C2SP's age specification. The
//! library's own feature for it needs `rsa` 0.9 (RUSTSEC-2023-0071), so keys for RSA are refused.

use std::collections::HashSet;

use age::{DecryptError, EncryptError};
use age_core::format::{FILE_KEY_BYTES, FileKey, Stanza};
use age_core::primitives::{aead_decrypt, aead_encrypt, hkdf};
use age_core::secrecy::ExposeSecret;
use data_encoding::BASE64_NOPAD;
use ed25519_dalek::{SigningKey, VerifyingKey};
use sha2::{Digest, Sha256};
use ssh_key::{Algorithm, PrivateKey};
use x25519_dalek::{PublicKey, SharedSecret, StaticSecret};
use zeroize::Zeroizing;

use super::sign;

const TAG: &str = "ssh-ed25519";
const LABEL: &[u8] = b"age-encryption.org/v1/ssh-ed25519";
/// Bytes of the tag that tells whose stanza it is.
const KEY_TAG: usize = 4;

/// Why an SSH key is not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unfit {
    /// A key of this algorithm.
    Algorithm(String),
    /// It is protected by a passphrase of its own.
    Encrypted,
    /// It cannot be read.
    Unreadable,
}

/// The public half of somebody's SSH key.
#[derive(Debug)]
pub struct Recipient {
    blob: Vec<u8>,
    point: PublicKey,
}

impl Recipient {
    /// Parses a line as `ssh-keygen` writes it, whatever its comment is.
    ///
    /// # Errors
    /// Anything but a sound key for Ed25519.
    pub fn parse(line: &str) -> Result<Self, Unfit> {
        let mut words = line.split_whitespace().take(2);
        let [kind, key] = [words.next(), words.next()].map(Option::unwrap_or_default);
        if key.is_empty() {
            return Err(Unfit::Unreadable);
        }
        if kind != TAG {
            return Err(Unfit::Algorithm(kind.to_owned()));
        }
        // Held to the same form as an owner's.
        let plain = format!("{kind} {key}");
        let key = sign::PublicKey::parse(&plain).ok_or(Unfit::Unreadable)?;
        let bytes = key.point().ok_or(Unfit::Unreadable)?;
        let point = VerifyingKey::from_bytes(&bytes).map_err(|_| Unfit::Unreadable)?;
        Ok(Self {
            blob: key.blob(),
            point: PublicKey::from(point.to_montgomery().to_bytes()),
        })
    }
}

impl age::Recipient for Recipient {
    fn wrap_file_key(
        &self,
        file_key: &FileKey,
    ) -> Result<(Vec<Stanza>, HashSet<String>), EncryptError> {
        let mut random = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *random).map_err(std::io::Error::other)?;
        let ephemeral = StaticSecret::from(*random);
        let share = PublicKey::from(&ephemeral);
        let shared = ephemeral.diffie_hellman(&self.point);
        let key = wrapping_key(&self.blob, &share, &self.point, &shared)
            .ok_or_else(|| std::io::Error::other("weak key"))?;
        let stanza = Stanza {
            tag: TAG.to_owned(),
            args: vec![
                BASE64_NOPAD.encode(&key_tag(&self.blob)),
                BASE64_NOPAD.encode(share.as_bytes()),
            ],
            body: aead_encrypt(&key, file_key.expose_secret()),
        };
        Ok((vec![stanza], HashSet::new()))
    }
}

/// Somebody's SSH key.
pub struct Identity {
    blob: Vec<u8>,
    secret: StaticSecret,
}

impl Identity {
    /// Whether a file holds a private key for SSH or TLS, which none of age's is.
    pub fn is_pem(text: &str) -> bool {
        text.trim_start().starts_with("-----BEGIN ")
    }

    /// Parses a private key in OpenSSH's form.
    ///
    /// # Errors
    /// Anything but one for Ed25519 that no passphrase protects.
    pub fn parse(text: &str) -> Result<Self, Unfit> {
        if text.contains("-----BEGIN RSA PRIVATE KEY-----") {
            return Err(Unfit::Algorithm("ssh-rsa".to_owned()));
        }
        let key = PrivateKey::from_openssh(text.trim()).map_err(|_| Unfit::Unreadable)?;
        if key.algorithm() != Algorithm::Ed25519 {
            return Err(Unfit::Algorithm(key.algorithm().to_string()));
        }
        if key.is_encrypted() {
            return Err(Unfit::Encrypted);
        }
        let pair = key.key_data().ed25519().ok_or(Unfit::Unreadable)?;
        let seed = Zeroizing::new(pair.private.to_bytes());
        let signing = SigningKey::from_bytes(&seed);
        let scalar = Zeroizing::new(signing.to_scalar_bytes());
        let blob = key.public_key().to_bytes();
        Ok(Self {
            blob: blob.map_err(|_| Unfit::Unreadable)?,
            secret: StaticSecret::from(*scalar),
        })
    }

    fn unwrap(&self, stanza: &Stanza) -> Option<FileKey> {
        let [_, share] = stanza.args.as_slice() else {
            return None;
        };
        let share: [u8; 32] = decoded(share)?.try_into().ok()?;
        let (share, own) = (PublicKey::from(share), PublicKey::from(&self.secret));
        let shared = self.secret.diffie_hellman(&share);
        let key = wrapping_key(&self.blob, &share, &own, &shared)?;
        let opened = aead_decrypt(&key, FILE_KEY_BYTES, &stanza.body).ok()?;
        let opened = Zeroizing::new(opened);
        Some(FileKey::init_with_mut(|file_key| {
            file_key.copy_from_slice(&opened);
        }))
    }
}

impl age::Identity for Identity {
    fn unwrap_stanza(&self, stanza: &Stanza) -> Option<Result<FileKey, DecryptError>> {
        let tag = stanza.args.first().filter(|_| stanza.tag == TAG)?;
        if decoded(tag)? != key_tag(&self.blob) {
            return None;
        }
        Some(self.unwrap(stanza).ok_or(DecryptError::DecryptionFailed))
    }
}

fn key_tag(blob: &[u8]) -> [u8; KEY_TAG] {
    let [a, b, c, d, ..]: [u8; 32] = Sha256::digest(blob).into();
    [a, b, c, d]
}

fn decoded(text: &str) -> Option<Vec<u8>> {
    BASE64_NOPAD.decode(text.as_bytes()).ok()
}

/// The key that a file key is wrapped with; `None` where one of the halves is of small order.
fn wrapping_key(
    blob: &[u8],
    share: &PublicKey,
    point: &PublicKey,
    shared: &SharedSecret,
) -> Option<Zeroizing<[u8; 32]>> {
    let tweak = StaticSecret::from(hkdf(blob, LABEL, &[]));
    let tweaked = tweak.diffie_hellman(&PublicKey::from(*shared.as_bytes()));
    let salt = [share.as_bytes().as_slice(), point.as_bytes()].concat();
    let key = Zeroizing::new(hkdf(&salt, LABEL, tweaked.as_bytes()));
    (shared.was_contributory() && tweaked.was_contributory()).then_some(key)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;
    use std::process::{Command, Stdio};

    use super::super::seal;
    use super::*;

    fn run(folder: &Path, program: &str, arguments: &[&str]) {
        let mut command = Command::new(program);
        let command = command.args(arguments).current_dir(folder);
        let output = command.stdin(Stdio::null()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{program}: {said}");
    }

    fn key(folder: &Path, kind: &str, passphrase: &str) -> [String; 2] {
        let arguments = ["-q", "-t", kind, "-N", passphrase, "-f", "key", "-C", "a b"];
        run(folder, "ssh-keygen", &arguments);
        ["key", "key.pub"].map(|file| fs::read_to_string(folder.join(file)).unwrap())
    }

    #[test]
    fn stock_age_opens_what_is_sealed_here_and_the_other_way_round() {
        let table = tempfile::tempdir().unwrap();
        let folder = table.path();
        let [private, public] = key(folder, "ed25519", "");
        let sealed = seal::seal_to(&Recipient::parse(&public).unwrap(), b"plain").unwrap();
        fs::write(folder.join("ours"), &sealed).unwrap();
        run(folder, "age", &["-d", "-i", "key", "-o", "opened", "ours"]);
        assert_eq!(fs::read(folder.join("opened")).unwrap(), b"plain");
        run(folder, "age", &["-R", "key.pub", "-o", "theirs", "opened"]);
        let theirs = fs::read(folder.join("theirs")).unwrap();
        let identity = Identity::parse(&private).unwrap();
        assert_eq!(seal::open(&identity, &theirs).unwrap().expose(), b"plain");

        let other = tempfile::tempdir().unwrap();
        let [other, _] = key(other.path(), "ed25519", "");
        let other = Identity::parse(&other).unwrap();
        let refused = seal::open(&other, &theirs).unwrap_err();
        assert_eq!(refused, seal::Refusal::NoMatch);
    }

    #[test]
    fn a_key_for_rsa_or_one_with_a_passphrase_is_told_from_what_is_none() {
        let table = tempfile::tempdir().unwrap();
        let [private, public] = key(table.path(), "rsa", "");
        let is_rsa = |unfit: &Unfit| matches!(unfit, Unfit::Algorithm(name) if name == "ssh-rsa");
        assert!(is_rsa(&Recipient::parse(&public).unwrap_err()));
        assert!(is_rsa(&Identity::parse(&private).err().unwrap()));
        let table = tempfile::tempdir().unwrap();
        let [private, public] = key(table.path(), "ed25519", "secret");
        assert!(Recipient::parse(&public).is_ok());
        assert_eq!(Identity::parse(&private).err(), Some(Unfit::Encrypted));
        for none in ["", "ssh-ed25519", "ssh-ed25519 AAAA", "hello"] {
            assert_eq!(Recipient::parse(none).unwrap_err(), Unfit::Unreadable);
            assert_eq!(Identity::parse(none).err(), Some(Unfit::Unreadable));
        }
        // The neutral point, which is of small order.
        let weak = format!("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAE{}A", "A".repeat(41));
        assert_eq!(Recipient::parse(&weak).unwrap_err(), Unfit::Unreadable);
    }
}
