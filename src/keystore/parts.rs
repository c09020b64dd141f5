//! Certificates and keys that lie in files of their own, as other servers keep them: PEM or DER,
//! a key also under a password.

use der::asn1::{BitStringRef, OctetStringRef};
use der::{AnyRef, Decode, Encode, Sequence};
use pkcs8::PrivateKeyInfoRef;
use rsa::pkcs1::DecodeRsaPrivateKey;
use rsa::pkcs8::EncodePrivateKey;
use rustls_pki_types::pem::SectionKind;
use spki::AlgorithmIdentifierRef;

use super::Failure;
use super::pfx_reason;
use crate::answer;
use crate::iis::blob::pkcs8_of_rsa_blob;
use crate::keypair::Certificate;
use crate::message::Text;
use crate::text;
use crate::unpack::kind::{Kind, first_element};
use crate::unpack::pem::{self, PemBlock};
use crate::unpack::{java, pvk};
use secret::{Password, SecretBytes};

/// What one file holds of key pairs.
#[derive(Debug, Default)]
pub(super) struct LooseParts {
    /// Keys in PKCS#8, not checked.
    pub(super) keys: Vec<SecretBytes>,
    /// Certificates in DER, not checked.
    pub(super) certificates: Vec<Vec<u8>>,
    /// How many keys no password has opened.
    pub(super) locked: usize,
    /// Why keys and certificates in it cannot be used.
    pub(super) refused: Vec<Text>,
    /// Whether it is one certificate in DER and nothing else.
    pub(super) is_der: bool,
}

/// Reads a file of certificates and keys; `None` where it holds neither.
///
/// # Errors
/// Where all that is in it is damaged.
pub(super) fn read_parts(
    bytes: &[u8],
    passwords: &[&Password],
) -> Result<Option<LooseParts>, Failure> {
    let mut parts = LooseParts::default();
    match Kind::of(bytes) {
        // What begins with the octet of a SEQUENCE may be a text that begins with a zero.
        Kind::Unknown if bytes.first() != Some(&0x30) || pem::is_pem(bytes) => {
            let blocks = pem::blocks_of_file(bytes);
            let is_damaged = !parts.take_blocks(blocks, passwords);
            let nothing_else = parts.is_empty();
            if nothing_else && let Ok(received) = answer::read(bytes) {
                let certificates = received.certificates.iter();
                parts.certificates = certificates.map(|one| one.der().to_vec()).collect();
            }
            match is_damaged {
                true if parts.is_empty() => return Err(Failure::DamagedPart),
                true if !nothing_else => parts.refused.push(text!("reason-part-damaged")),
                _ => {}
            }
        }
        kind => {
            parts.take(kind, bytes, passwords)?;
            parts.is_der = kind != Kind::Bundle && parts.certificates.len() == 1;
        }
    }
    Ok((!parts.is_empty()).then_some(parts))
}

impl LooseParts {
    fn is_empty(&self) -> bool {
        self.keys.is_empty()
            && self.certificates.is_empty()
            && self.locked == 0
            && self.refused.is_empty()
    }

    /// Blocks of other kinds (parameters, requests, keys for SSH) are left alone. Gives whether
    /// all were whole.
    fn take_blocks(&mut self, blocks: Vec<PemBlock>, passwords: &[&Password]) -> bool {
        let mut are_whole = true;
        for block in blocks {
            // An element says its own length, whatever stands between its lines.
            let content = block.content.expose();
            let is_element = !content.is_empty() && first_element(content) == Some(content);
            let is_damaged = !block.is_whole && !is_element && block.kind() != Kind::Unknown;
            are_whole &= !is_damaged && self.take_block(block, passwords).is_ok();
        }
        are_whole
    }

    fn take_block(&mut self, block: PemBlock, passwords: &[&Password]) -> Result<(), Failure> {
        let kind = block.kind();
        match (kind, &block.encryption) {
            (Kind::Key(form), Some(encryption)) => {
                let at = self.keys.len();
                self.unlock(passwords, |password| {
                    let (cipher, vector) = (&encryption.cipher, &encryption.vector);
                    pfx::read_openssl_key(block.content.expose(), cipher, vector, password)
                });
                if self.keys.len() > at
                    && let Some(key) = self.keys.pop()
                {
                    self.take_key(form, key);
                }
                Ok(())
            }
            (Kind::OtherKey, _) => {
                let words = block.label.trim_end_matches("PRIVATE KEY").trim();
                self.refuse(words);
                Ok(())
            }
            // Of any other label, a certificate of a form that nobody foresaw at most.
            (Kind::Unknown, _) => {
                let _ = self.take(kind, block.content.expose(), passwords);
                Ok(())
            }
            _ => self.take(kind, block.content.expose(), passwords),
        }
    }

    /// Takes what is of this kind, whatever follows it.
    fn take(&mut self, kind: Kind, bytes: &[u8], passwords: &[&Password]) -> Result<(), Failure> {
        match kind {
            Kind::Pvk => return self.take_pvk(bytes),
            Kind::CapiKey => {
                self.take_capi(bytes);
                return Ok(());
            }
            Kind::JavaStore => return self.take_java_store(bytes, passwords),
            _ => {}
        }
        let element = first_element(bytes).ok_or(Failure::DamagedPart)?;
        match kind {
            Kind::Certificate => self.certificates.push(element.to_vec()),
            Kind::Bundle => {
                let bundle = pfx::pkcs7::certificates(element).map_err(|_| Failure::DamagedPart)?;
                self.certificates.extend(bundle.unwrap_or_default());
            }
            Kind::EncryptedKey => {
                self.unlock(passwords, |password| pfx::read_key(element, password));
            }
            Kind::Key(form) => self.take_key(form, SecretBytes::copy_of(element)),
            Kind::Bcfks => self.refused.push(foreign("BCFKS")),
            // What is shorter than any real certificate, or none.
            Kind::Unknown if Certificate::parse(element.to_vec()).is_ok() => {
                self.certificates.push(element.to_vec());
            }
            _ => {}
        }
        Ok(())
    }

    fn take_pvk(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let file = pvk::read(bytes).ok_or(Failure::DamagedPart)?;
        match file.is_encrypted {
            true => self.refused.push(text!("reason-pvk-encrypted")),
            false => self.take_capi(file.blob),
        }
        Ok(())
    }

    fn take_capi(&mut self, blob: &[u8]) {
        match pkcs8_of_rsa_blob(&SecretBytes::copy_of(blob)) {
            Some(key) => self.keys.push(key),
            None => self.refused.push(text!("reason-key-malformed")),
        }
    }

    /// A store of Java's; one without keys is a trust store, and nobody's key pair.
    fn take_java_store(&mut self, bytes: &[u8], passwords: &[&Password]) -> Result<(), Failure> {
        let store = java::read(bytes).ok_or(Failure::DamagedPart)?;
        if !store.is_whole || (!store.keys.is_empty() && bytes.starts_with(java::JCEKS)) {
            self.refused.push(foreign("JCEKS"));
            return Ok(());
        }
        for key in &store.keys {
            self.unlock(passwords, |password| {
                pfx::read_java_key(key.encrypted, password)
            });
            let chain = key.chain.iter().map(|der| der.to_vec());
            self.certificates.extend(chain);
        }
        Ok(())
    }

    fn take_key(&mut self, form: SectionKind, content: SecretBytes) {
        match to_pkcs8(form, content) {
            Some(key) => self.keys.push(key),
            None => self.refused.push(text!("reason-key-malformed")),
        }
    }

    fn refuse(&mut self, algorithm: &str) {
        self.refused
            .push(text!("reason-unsupported", algorithm = algorithm));
    }

    /// Takes what the first password that fits gives.
    fn unlock(
        &mut self,
        passwords: &[&Password],
        open: impl Fn(&Password) -> Result<SecretBytes, pfx::Error>,
    ) {
        for password in passwords {
            match open(password) {
                Ok(key) => return self.keys.push(key),
                Err(pfx::Error::WrongPassword) => {}
                Err(pfx::Error::Unsupported { algorithm }) => {
                    let reason = text!("reason-key-encryption", algorithm = algorithm.as_str());
                    return self.refused.push(reason);
                }
                Err(error) => return self.refused.push(pfx_reason(&error)),
            }
        }
        self.locked += 1;
    }
}

fn foreign(form: &str) -> Text {
    text!("reason-key-store", form = form)
}

/// PKCS#8 as it is, whatever was promised; PKCS#1 and SEC 1 as [`strictly`] wraps them or, where that
/// takes them for damaged or does not know the curve, octet by octet: whoever checks the key says
/// what is wrong with it.
pub(crate) fn to_pkcs8(kind: SectionKind, content: SecretBytes) -> Option<SecretBytes> {
    if PrivateKeyInfoRef::try_from(content.expose()).is_ok() {
        return Some(content);
    }
    let algorithm = match kind {
        SectionKind::RsaPrivateKey => rsa::pkcs1::ALGORITHM_ID,
        // A curve may be written out instead of named.
        SectionKind::EcPrivateKey => AlgorithmIdentifierRef {
            oid: const_oid::db::rfc5912::ID_EC_PUBLIC_KEY,
            parameters: EcPrivateKey::from_der(content.expose()).ok()?.curve,
        },
        _ => return Some(content),
    };
    let private = OctetStringRef::new(content.expose()).ok()?;
    let wrapped = PrivateKeyInfoRef::new(algorithm, private);
    let octets = wrapped.to_der().ok().map(SecretBytes::new);
    strictly(kind, content).or(octets)
}

/// RFC 5915 section 3.
#[derive(Sequence)]
struct EcPrivateKey<'a> {
    version: u8,
    private_key: &'a OctetStringRef,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    curve: Option<AnyRef<'a>>,
    #[asn1(context_specific = "1", tag_mode = "EXPLICIT", optional = "true")]
    public_key: Option<BitStringRef<'a>>,
}

/// PKCS#8 as it is; PKCS#1 (`RSA PRIVATE KEY`) and SEC 1 (`EC PRIVATE KEY`) wrapped into it.
fn strictly(kind: SectionKind, der: SecretBytes) -> Option<SecretBytes> {
    match kind {
        SectionKind::PrivateKey => Some(der),
        SectionKind::RsaPrivateKey => {
            let key = rsa::PrivateKey::from_pkcs1_der(der.expose()).ok()?;
            Some(SecretBytes::copy_of(key.to_pkcs8_der().ok()?.as_bytes()))
        }
        SectionKind::EcPrivateKey => ec_to_pkcs8(der.expose()),
        _ => None,
    }
}

fn ec_to_pkcs8(der: &[u8]) -> Option<SecretBytes> {
    use p256::pkcs8::EncodePrivateKey as _;
    let p256 = || {
        p256::SecretKey::from_sec1_der(der)
            .ok()?
            .to_pkcs8_der()
            .ok()
    };
    let p384 = || {
        p384::SecretKey::from_sec1_der(der)
            .ok()?
            .to_pkcs8_der()
            .ok()
    };
    let p521 = || {
        p521::SecretKey::from_sec1_der(der)
            .ok()?
            .to_pkcs8_der()
            .ok()
    };
    let document = p256().or_else(p384).or_else(p521)?;
    Some(SecretBytes::copy_of(document.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keypair::PrivateKey;
    use crate::keypair::fixtures::openssl;

    const PASSWORD: &str = "secret";

    /// What a file holds that these commands of openssl have made as `out`.
    fn made(commands: &[&str], passwords: &[&str]) -> Result<Option<LooseParts>, Failure> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(
            folder.path().join("conf"),
            "[req]\ndistinguished_name=d\n[d]\n",
        )
        .unwrap();
        for command in commands {
            openssl(folder.path(), &command.split(' ').collect::<Vec<_>>());
        }
        let passwords: Vec<_> = passwords
            .iter()
            .map(|password| Password::new((*password).to_owned()))
            .collect();
        let bytes = std::fs::read(folder.path().join("out")).unwrap();
        read_parts(&bytes, &passwords.iter().collect::<Vec<_>>())
    }

    /// The kind of the one key in it, which is sound.
    fn key_type(commands: &[&str]) -> String {
        let parts = made(commands, &["", "wrong", PASSWORD]).ok().flatten();
        let mut keys = parts.unwrap().keys;
        assert_eq!(keys.len(), 1, "{commands:?}");
        PrivateKey::parse(keys.remove(0)).unwrap().key_type()
    }

    #[test]
    fn a_key_is_read_in_every_form_that_openssl_writes() {
        let rsa = "genrsa -out key 1024";
        let ec = "ecparam -genkey -name secp384r1 -out key";
        for form in [
            "pkey -in key -out out",
            "pkey -in key -outform DER -out out",
            "pkey -in key -traditional -out out",
            "pkcs8 -topk8 -in key -passout pass:secret -out out",
            "pkcs8 -topk8 -in key -passout pass:secret -v1 PBE-SHA1-3DES -out out",
            "pkcs8 -topk8 -in key -passout pass:secret -outform DER -out out",
            "pkey -in key -traditional -aes128 -passout pass:secret -out out",
            "pkey -in key -traditional -aes192 -passout pass:secret -out out",
            "pkey -in key -traditional -aes256 -passout pass:secret -out out",
            "pkey -in key -traditional -des3 -passout pass:secret -out out",
            "pkey -in key -traditional -camellia192 -passout pass:secret -out out",
            "pkey -in key -traditional -aria256 -passout pass:secret -out out",
            "pkey -in key -traditional -bf -passout pass:secret -provider legacy -provider default -out out",
            "pkey -in key -traditional -cast -passout pass:secret -provider legacy -provider default -out out",
            "pkcs8 -topk8 -in key -passout pass:secret -v2 camellia-256-cbc -out out",
            "pkcs8 -topk8 -in key -passout pass:secret -scrypt -out out",
        ] {
            assert_eq!(key_type(&[rsa, form]), "RSA 1024", "{form}");
            assert_eq!(key_type(&[ec, form]), "ECDSA P-384", "{form}");
        }
        assert_eq!(
            key_type(&[rsa, "rsa -in key -traditional -outform DER -out out"]),
            "RSA 1024"
        );
        assert_eq!(
            key_type(&[ec, "ec -in key -outform DER -out out"]),
            "ECDSA P-384"
        );
        assert_eq!(
            key_type(&["ecparam -genkey -name prime256v1 -out out"]),
            "ECDSA P-256"
        );
        assert_eq!(
            key_type(&["genpkey -algorithm ED25519 -out out"]),
            "Ed25519"
        );
    }

    #[test]
    fn a_key_that_no_password_opens_is_locked_and_one_of_another_kind_is_refused() {
        let rsa = "genrsa -out key 1024";
        for form in [
            "pkcs8 -topk8 -in key -passout pass:secret -out out",
            "pkey -in key -traditional -aes256 -passout pass:secret -out out",
        ] {
            let parts = made(&[rsa, form], &["", "wrong"]).ok().flatten().unwrap();
            assert_eq!((parts.keys.len(), parts.locked), (0, 1), "{form}");
        }
        let seed = "pkey -in key -traditional -seed -passout pass:secret -provider legacy -provider default -out out";
        let parts = made(&[rsa, seed], &[PASSWORD]).ok().flatten().unwrap();
        assert_eq!(parts.refused[0].id, "reason-key-encryption");
        let koblitz = made(&["ecparam -genkey -name secp256k1 -noout -out out"], &[]);
        let mut keys = koblitz.ok().flatten().unwrap().keys;
        let error = PrivateKey::parse(keys.remove(0)).unwrap_err();
        assert!(
            matches!(error, crate::keypair::KeyPairError::UnsupportedKey { .. }),
            "{error}"
        );
    }

    #[test]
    fn a_certificate_is_read_in_every_form_and_what_is_neither_is_left_alone() {
        let request = "req -x509 -config conf -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key -subj /CN=x -out crt";
        for form in [
            "x509 -in crt -out out",
            "x509 -in crt -outform DER -out out",
            "x509 -in crt -trustout -addtrust serverAuth -out out",
            "x509 -in crt -text -out out",
            "crl2pkcs7 -nocrl -certfile crt -out out",
            "crl2pkcs7 -nocrl -certfile crt -outform DER -out out",
        ] {
            let parts = made(&[request, form], &[]).ok().flatten().unwrap();
            assert_eq!(parts.certificates.len(), 1, "{form}");
            assert!(
                Certificate::parse(parts.certificates[0].clone()).is_ok(),
                "{form}"
            );
        }
        for form in [
            "req -new -config conf -key key -subj /CN=x -out out",
            "pkey -in key -pubout -out out",
            "ecparam -name prime256v1 -out out",
        ] {
            assert!(
                made(&[request, form], &[]).is_ok_and(|parts| parts.is_none()),
                "{form}"
            );
        }
        assert!(read_parts(b"no key", &[]).is_ok_and(|parts| parts.is_none()));
        // What ends like a line, or is followed by one.
        for end in ["", "\r\n"] {
            let bytes = [b"\x30\x03\x02\x01\x0a", end.as_bytes()].concat();
            assert!(read_parts(&bytes, &[]).is_ok_and(|parts| parts.is_none()));
        }
        assert!(read_parts(b"\x30\x82\x01\x00", &[]).is_err());
    }
}
