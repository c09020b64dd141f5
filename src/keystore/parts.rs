//! Certificates and keys that lie in files of their own, as other servers keep them: PEM or DER,
//! a key also under a password.

use der::asn1::{BitStringRef, ObjectIdentifier, OctetStringRef};
use der::{AnyRef, Decode, Encode, Sequence};
use pkcs8::PrivateKeyInfoRef;
use rsa::pkcs1::DecodeRsaPrivateKey;
use rsa::pkcs8::EncodePrivateKey;
use rustls_pki_types::pem::SectionKind;
use spki::AlgorithmIdentifierRef;

use super::Failure;
use super::pem::{self, PemSection};
use super::pfx_reason;
use crate::answer;
use crate::keypair::Certificate;
use crate::message::Text;
use crate::text;
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
    /// Why keys in it cannot be used.
    pub(super) refused: Vec<Text>,
}

/// Reads a file of certificates and keys; `None` where it holds neither.
///
/// # Errors
/// Where a section of it is damaged.
pub(super) fn read_parts(
    bytes: &[u8],
    passwords: &[&Password],
) -> Result<Option<LooseParts>, Failure> {
    let mut parts = LooseParts::default();
    if pem::is_pem(bytes) {
        let sections = pem::sections(bytes).map_err(|_| Failure::DamagedPart)?;
        for section in sections {
            parts.take_section(section, passwords)?;
        }
    } else if bytes.first() == Some(&0x30) {
        parts.take_der(bytes, passwords)?;
    } else if let Ok(received) = answer::read(bytes) {
        let certificates = received.certificates.iter();
        parts.certificates = certificates.map(|one| one.der().to_vec()).collect();
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

    /// Sections of other kinds (parameters, requests, revocation lists) are left alone.
    fn take_section(
        &mut self,
        section: PemSection,
        passwords: &[&Password],
    ) -> Result<(), Failure> {
        let PemSection {
            label,
            content,
            encryption,
        } = section;
        match (label.as_str(), encryption) {
            ("CERTIFICATE" | "X509 CERTIFICATE", _) => {
                self.certificates.push(content.expose().to_vec());
            }
            // What OpenSSL trusts it for follows.
            ("TRUSTED CERTIFICATE", _) => {
                let certificate = first_element(content.expose()).ok_or(Failure::DamagedPart)?;
                self.certificates.push(certificate.to_vec());
            }
            ("PKCS7" | "PKCS #7 SIGNED DATA" | "CMS", _) => {
                self.take_bundle(content.expose())?;
            }
            ("ENCRYPTED PRIVATE KEY", _) => self.unlock(passwords, |password| {
                pfx::read_key(content.expose(), password)
            }),
            ("DSA PRIVATE KEY", _) => self.refuse("DSA"),
            (label, Some(encryption)) if key_kind(label).is_some() => {
                let at = self.keys.len();
                self.unlock(passwords, |password| {
                    let (cipher, vector) = (&encryption.cipher, &encryption.vector);
                    pfx::read_openssl_key(content.expose(), cipher, vector, password)
                });
                if self.keys.len() > at
                    && let (Some(key), Some(kind)) = (self.keys.pop(), key_kind(label))
                {
                    self.take_key(kind, key);
                }
            }
            (label, None) => {
                if let Some(kind) = key_kind(label) {
                    self.take_key(kind, content);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn take_der(&mut self, der: &[u8], passwords: &[&Password]) -> Result<(), Failure> {
        const PKCS5: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x05";
        const PKCS12: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x0c\x01";
        let element = first_element(der).ok_or(Failure::DamagedPart)?;
        let inside = contents_of(element).ok_or(Failure::DamagedPart)?;
        let head = &inside[..inside.len().min(40)];
        let has = |oid: &[u8]| head.windows(oid.len()).any(|part| part == oid);
        let key = |kind| (kind, SecretBytes::copy_of(element));
        let (kind, content) = match inside {
            [2, 1, 0 | 1, 0x30, ..] => key(SectionKind::PrivateKey),
            [2, 1, 0, 2, ..] => key(SectionKind::RsaPrivateKey),
            [2, 1, 1, 4, ..] => key(SectionKind::EcPrivateKey),
            [0x30, ..] if has(PKCS5) || has(PKCS12) => {
                self.unlock(passwords, |password| pfx::read_key(element, password));
                return Ok(());
            }
            [6, ..] => return self.take_bundle(element),
            _ => {
                // A request, or anything else that is well-formed.
                if Certificate::parse(element.to_vec()).is_ok() {
                    self.certificates.push(element.to_vec());
                }
                return Ok(());
            }
        };
        self.take_key(kind, content);
        Ok(())
    }

    fn take_bundle(&mut self, encoded: &[u8]) -> Result<(), Failure> {
        let bundle = pfx::pkcs7::certificates(encoded).map_err(|_| Failure::DamagedPart)?;
        self.certificates.extend(bundle.unwrap_or_default());
        Ok(())
    }

    fn take_key(&mut self, kind: SectionKind, content: SecretBytes) {
        match wrapped(kind, content) {
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

fn key_kind(label: &str) -> Option<SectionKind> {
    match label {
        "PRIVATE KEY" => Some(SectionKind::PrivateKey),
        "RSA PRIVATE KEY" => Some(SectionKind::RsaPrivateKey),
        "EC PRIVATE KEY" => Some(SectionKind::EcPrivateKey),
        _ => None,
    }
}

/// The element at the beginning, whatever follows it.
fn first_element(der: &[u8]) -> Option<&[u8]> {
    let (head, content) = lengths(der)?;
    der.get(..head.checked_add(content)?)
}

fn contents_of(element: &[u8]) -> Option<&[u8]> {
    element.get(lengths(element)?.0..)
}

/// Octets of an element's head and of its content.
fn lengths(der: &[u8]) -> Option<(usize, usize)> {
    let length = *der.get(1)?;
    if length < 0x80 {
        return Some((2, usize::from(length)));
    }
    let more = usize::from(length & 0x7f);
    if !(1..=4).contains(&more) {
        return None;
    }
    let digits = der.get(2..2 + more)?;
    let length = digits
        .iter()
        .fold(0, |sum, digit| sum << 8 | usize::from(*digit));
    Some((2 + more, length))
}

/// PKCS#8 as it is, whatever was promised; PKCS#1 and SEC 1 as [`to_pkcs8`] wraps them or, where it
/// takes them for damaged or does not know the curve, octet by octet: whoever checks the key says
/// what is wrong with it.
fn wrapped(kind: SectionKind, content: SecretBytes) -> Option<SecretBytes> {
    if PrivateKeyInfoRef::try_from(content.expose()).is_ok() {
        return Some(content);
    }
    let (algorithm, curve);
    match kind {
        SectionKind::RsaPrivateKey => algorithm = rsa::pkcs1::ALGORITHM_ID,
        SectionKind::EcPrivateKey => {
            curve = EcPrivateKey::from_der(content.expose()).ok()?.curve;
            let parameters = curve.as_ref().map(AnyRef::from);
            algorithm = AlgorithmIdentifierRef {
                oid: const_oid::db::rfc5912::ID_EC_PUBLIC_KEY,
                parameters,
            };
        }
        _ => return Some(content),
    }
    let private = OctetStringRef::new(content.expose()).ok()?;
    let wrapped = PrivateKeyInfoRef::new(algorithm, private);
    let octets = wrapped.to_der().ok().map(SecretBytes::new);
    to_pkcs8(kind, content).or(octets)
}

/// RFC 5915 section 3.
#[derive(Sequence)]
struct EcPrivateKey<'a> {
    version: u8,
    private_key: &'a OctetStringRef,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    curve: Option<ObjectIdentifier>,
    #[asn1(context_specific = "1", tag_mode = "EXPLICIT", optional = "true")]
    public_key: Option<BitStringRef<'a>>,
}

/// PKCS#8 as it is; PKCS#1 (`RSA PRIVATE KEY`) and SEC 1 (`EC PRIVATE KEY`) wrapped into it.
pub(crate) fn to_pkcs8(kind: SectionKind, der: SecretBytes) -> Option<SecretBytes> {
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
        let camellia = "pkey -in key -traditional -camellia128 -passout pass:secret -out out";
        let parts = made(&[rsa, camellia], &[PASSWORD]).ok().flatten().unwrap();
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
