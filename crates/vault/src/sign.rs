//! SSHSIG signatures (OpenSSH's PROTOCOL.sshsig), in the one form the vault allows: Ed25519,
//! SHA-512, armored as `ssh-keygen -Y sign` writes them.

use ed25519_dalek::VerifyingKey;
use ssh_key::{Algorithm, HashAlg, LineEnding, PrivateKey, SshSig, private::Ed25519Keypair};
use zeroize::Zeroizing;

/// Namespace of the owner's trust statements.
pub const TRUST: &str = "pfxvault-trust-v1";
/// Namespace of the servers' records.
pub const RECORD: &str = "pfxvault-record-v1";

/// An Ed25519 public key in its SSH form.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PublicKey(ssh_key::PublicKey);

impl PublicKey {
    /// Parses `ssh-ed25519 AAAA...` without a comment, in the one canonical form.
    pub fn parse(text: &str) -> Option<Self> {
        let key = ssh_key::PublicKey::from_openssh(text).ok()?;
        let key = Self(key);
        // A comment would survive the comparison, and make of one key several.
        let plain = key.0.algorithm() == Algorithm::Ed25519 && key.0.comment().is_empty();
        (plain && key.to_string() == text && key.is_sound()).then_some(key)
    }

    /// Whether it is a point of the curve in its one encoding, and not of small order: under one of
    /// those, lax readers find signatures right that nobody made.
    fn is_sound(&self) -> bool {
        let key_data = self.0.key_data().ed25519();
        key_data.is_some_and(|key| {
            let is_strong = |key: VerifyingKey| !key.is_weak();
            is_canonical(&key.0) && VerifyingKey::from_bytes(&key.0).is_ok_and(is_strong)
        })
    }

    /// The point of the curve, as RFC 8032 encodes it.
    pub(crate) fn point(&self) -> Option<[u8; 32]> {
        Some(self.0.key_data().ed25519()?.0)
    }

    /// The SSH wire form that fingerprints are taken of.
    pub fn blob(&self) -> Vec<u8> {
        // Encoding an Ed25519 key into memory cannot fail.
        self.0.to_bytes().unwrap_or_default()
    }
}

impl std::fmt::Display for PublicKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0.to_openssh().unwrap_or_default().trim_end())
    }
}

/// Whether the coordinate in a key is below the field's prime, 2^255 - 19.
fn is_canonical(key: &[u8; 32]) -> bool {
    let [low, middle @ .., high] = key;
    *low < 0xed || middle.iter().any(|byte| *byte != 0xff) || high & 0x7f != 0x7f
}

/// An Ed25519 private key: the owner's or a server's.
pub struct SigningKey(PrivateKey);

impl SigningKey {
    /// The key of a 32-byte seed.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(PrivateKey::from(Ed25519Keypair::from_seed(seed)))
    }

    /// A new key from the system's random numbers.
    ///
    /// # Errors
    /// When the system has none to give.
    pub fn generate() -> Result<Self, getrandom::Error> {
        let mut seed = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *seed)?;
        Ok(Self::from_seed(&seed))
    }

    /// The 32-byte seed.
    pub fn seed(&self) -> Zeroizing<[u8; 32]> {
        let seed = self
            .0
            .key_data()
            .ed25519()
            .map(|pair| pair.private.to_bytes());
        Zeroizing::new(seed.unwrap_or_default())
    }

    /// The public half.
    pub fn public(&self) -> PublicKey {
        let mut key = self.0.public_key().clone();
        key.set_comment("");
        PublicKey(key)
    }

    /// Signs a file's bytes; the result is the whole `.SIG` file.
    ///
    /// # Errors
    /// When the library refuses, which Ed25519 gives no reason for.
    pub fn sign(&self, namespace: &str, bytes: &[u8]) -> Result<Vec<u8>, ssh_key::Error> {
        let signature = SshSig::sign(&self.0, namespace, HashAlg::Sha512, bytes)?;
        Ok(signature.to_pem(LineEnding::LF)?.into_bytes())
    }
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SigningKey({})", self.public())
    }
}

/// Who signed `bytes`, if the `.SIG` file is in the allowed form and right; the caller decides
/// whether that key counts.
///
/// The armor is compared with its own re-encoding, so every variation of it (other line lengths,
/// CRLF, comments) is refused. Version and reserved field are looked at here: no signature covers
/// the one, and the library takes any value of the other.
pub fn signer(namespace: &str, bytes: &[u8], armored: &[u8]) -> Option<PublicKey> {
    verified(namespace, bytes, &read(armored)?)
}

/// Whether the `.SIG` file is in the allowed form and right, whoever signed and in whatever
/// namespace it names. Damage never makes such a signature.
pub fn is_right(bytes: &[u8], armored: &[u8]) -> bool {
    read(armored)
        .is_some_and(|signature| verified(signature.namespace(), bytes, &signature).is_some())
}

/// Whether a `.SIG` file was written to its end, whatever is in it.
pub fn is_to_its_end(armored: &[u8]) -> bool {
    armored.ends_with(b"-----END SSH SIGNATURE-----\n")
}

fn read(armored: &[u8]) -> Option<SshSig> {
    let signature = SshSig::from_pem(armored).ok()?;
    let canonical = signature.to_pem(LineEnding::LF).ok()?;
    let plain = signature.version() == SshSig::VERSION && signature.reserved().is_empty();
    (canonical.as_bytes() == armored && plain && signature.hash_alg() == HashAlg::Sha512)
        .then_some(signature)
}

fn verified(namespace: &str, bytes: &[u8], signature: &SshSig) -> Option<PublicKey> {
    let key = ssh_key::PublicKey::from(signature.public_key().clone());
    let right =
        key.algorithm() == Algorithm::Ed25519 && key.verify(namespace, bytes, signature).is_ok();
    Some(PublicKey(key)).filter(|key| right && key.is_sound())
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::process::{Command, Stdio};

    use super::*;

    fn key() -> SigningKey {
        SigningKey::from_seed(&[7; 32])
    }

    #[test]
    fn a_public_key_has_one_text_form() {
        let text = key().public().to_string();
        assert_eq!(PublicKey::parse(&text), Some(key().public()));
        for other in [
            format!("{text} web"),
            format!("{text} "),
            format!(" {text}"),
            format!("{text}\n"),
        ] {
            assert_eq!(PublicKey::parse(&other), None, "{other:?}");
        }
    }

    #[test]
    fn a_key_of_small_order_or_with_a_second_encoding_is_none() {
        let text = |bytes: [u8; 32]| {
            let key = ssh_key::public::Ed25519PublicKey(bytes);
            ssh_key::PublicKey::from(key).to_openssh().unwrap()
        };
        let of = |low: u8, middle: u8, high: u8| {
            let mut key = [middle; 32];
            (key[0], key[31]) = (low, high);
            key
        };
        let order_8 = "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05";
        let order_8 = data_encoding::HEXLOWER.decode(order_8.as_bytes()).unwrap();
        for key in [
            of(0, 0, 0),
            of(1, 0, 0),
            of(0, 0, 0x80),
            of(0xec, 0xff, 0x7f),
            of(0xed, 0xff, 0x7f),
            of(0xee, 0xff, 0x7f),
            of(0xf1, 0xff, 0x7f),
            order_8.try_into().unwrap(),
        ] {
            assert_eq!(PublicKey::parse(&text(key)), None, "{key:?}");
        }
        assert!(key().public().is_sound());
    }

    #[test]
    fn a_signature_names_its_signer() {
        let signature = key().sign(RECORD, b"text").unwrap();
        assert_eq!(signer(RECORD, b"text", &signature), Some(key().public()));
        assert_eq!(
            signer(TRUST, b"text", &signature),
            None,
            "another namespace"
        );
        assert_eq!(signer(RECORD, b"texT", &signature), None, "another text");
    }

    #[test]
    fn only_the_canonical_armor_is_taken() {
        let signature = String::from_utf8(key().sign(RECORD, b"text").unwrap()).unwrap();
        for other in [
            signature.replace('\n', "\r\n"),
            format!("{signature}\n"),
            format!(" {signature}"),
            signature.trim_end().to_owned(),
        ] {
            assert_eq!(signer(RECORD, b"text", other.as_bytes()), None, "{other:?}");
        }
    }

    /// A signature file built by hand: OpenSSH's PROTOCOL.sshsig, with the two fields that have
    /// only one right value.
    fn armored(version: u32, reserved: &[u8]) -> Vec<u8> {
        use ed25519_dalek::{Signer, SigningKey as Dalek};
        use sha2::{Digest, Sha512};
        let string =
            |bytes: &[u8]| [&u32::try_from(bytes.len()).unwrap().to_be_bytes(), bytes].concat();
        let strings = |parts: &[&[u8]]| {
            parts
                .iter()
                .flat_map(|part| string(part))
                .collect::<Vec<u8>>()
        };
        let hash = Sha512::digest(b"text");
        let signed = [
            b"SSHSIG".as_slice(),
            &strings(&[RECORD.as_bytes(), reserved, b"sha512", &hash]),
        ]
        .concat();
        let signature = strings(&[
            b"ssh-ed25519",
            &Dalek::from_bytes(&[7; 32]).sign(&signed).to_bytes(),
        ]);
        let body = strings(&[
            &key().public().blob(),
            RECORD.as_bytes(),
            reserved,
            b"sha512",
            &signature,
        ]);
        let blob = [b"SSHSIG".as_slice(), &version.to_be_bytes(), &body].concat();
        let text = data_encoding::BASE64.encode(&blob);
        let lines: Vec<&str> = (0..text.len())
            .step_by(70)
            .map(|at| &text[at..text.len().min(at + 70)])
            .collect();
        format!(
            "-----BEGIN SSH SIGNATURE-----\n{}\n-----END SSH SIGNATURE-----\n",
            lines.join("\n")
        )
        .into_bytes()
    }

    #[test]
    fn version_and_reserved_field_have_one_value() {
        assert_eq!(
            armored(1, b""),
            key().sign(RECORD, b"text").unwrap(),
            "built by hand as by the library"
        );
        assert_eq!(
            signer(RECORD, b"text", &armored(0, b"")),
            None,
            "no signature covers the version"
        );
        assert_eq!(
            signer(RECORD, b"text", &armored(1, b"x")),
            None,
            "rightly signed, but not empty"
        );
    }

    #[test]
    #[cfg_attr(windows, ignore = "needs ssh-keygen")]
    fn ssh_keygen_takes_our_signatures_and_we_take_its() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::write(
            at("k"),
            key().0.to_openssh(LineEnding::LF).unwrap().as_bytes(),
        )
        .unwrap();
        Command::new("chmod")
            .arg("600")
            .arg(at("k"))
            .status()
            .unwrap();
        std::fs::write(at("text"), b"some text\n").unwrap();
        let run = Command::new("ssh-keygen")
            .args(["-q", "-Y", "sign", "-n", RECORD, "-f"])
            .arg(at("k"))
            .arg(at("text"))
            .status();
        assert!(run.unwrap().success());
        let theirs = std::fs::read(at("text.sig")).unwrap();
        assert_eq!(
            theirs,
            key().sign(RECORD, b"some text\n").unwrap(),
            "Ed25519 is deterministic"
        );

        std::fs::write(at("allowed"), format!("me {}\n", key().public())).unwrap();
        let mut run = Command::new("ssh-keygen")
            .args(["-Y", "verify", "-I", "me", "-n", RECORD, "-f"])
            .arg(at("allowed"))
            .arg("-s")
            .arg(at("text.sig"))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        run.stdin.take().unwrap().write_all(b"some text\n").unwrap();
        assert!(run.wait().unwrap().success());
    }
}
