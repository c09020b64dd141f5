//! A private key that was checked: its parts fit together and its public half is known.

use const_oid::db::{rfc5912, rfc8410};
use der::asn1::{AnyRef, OctetStringRef};
use der::{Decode, Encode};
use pfx::ber::{Element, OCTET_STRING, Reader};
use pkcs8::PrivateKeyInfoRef;
use rsa::Pkcs1v15Sign;
use rsa::pkcs1::RsaPrivateKeyRef;
use rsa::signature::{SignatureEncoding, Signer};
use sha2::{Digest, Sha256};
use spki::{AlgorithmIdentifierRef, SubjectPublicKeyInfoRef};
use zeroize::Zeroizing;

use super::KeyPairError;
use super::algorithm::{Algorithm, key_algorithm_name};
use super::curve::{Curve, EcPrivateKey, is_strict};
use super::public::CertifiedKey;
use super::rsa_key::{self, RsaPrivateNumbers};
use secret::SecretBytes;

/// `[1] IMPLICIT BIT STRING`: the public key beside a private one (RFC 5958 section 2).
const PUBLIC_KEY: u8 = 0x81;

/// A checked private key: RSA of 512 to 16384 bits, ECDSA on P-256, P-384 or P-521, or Ed25519.
///
/// It keeps the file's bytes, because everything they say (attributes, the order of primes) is to
/// come back the same. Where strict readers, Windows among them, would refuse them (zeros too many
/// or too few, an exponent that is not reduced, a curve written out), the same key is written anew.
#[derive(Debug)]
pub struct PrivateKey {
    pkcs8: SecretBytes,
    spki_sha256: [u8; 32],
    public_bits: Vec<u8>,
    public: CertifiedKey,
}

impl PrivateKey {
    /// Reads a PrivateKeyInfo (RFC 5208) or OneAsymmetricKey (RFC 5958) and checks that its parts
    /// fit together.
    ///
    /// # Errors
    /// [`KeyPairError::MalformedKey`] for anything else, [`KeyPairError::UnsupportedKey`] for other kinds of key
    /// and for RSA outside the sizes above or with more than two primes, [`KeyPairError::KeyDamaged`]
    /// where the parts do not fit together.
    pub fn parse(pkcs8: SecretBytes) -> Result<Self, KeyPairError> {
        let info = PrivateInfo::read(pkcs8.expose()).map_err(|_| KeyPairError::MalformedKey)?;
        let derived = derive(&info)?;
        let unsupported = || KeyPairError::UnsupportedKey {
            algorithm: key_algorithm_name(&info.algorithm),
        };
        let public = derived.public().ok_or_else(unsupported)?;
        if let Some(stored) = info.public_key
            && CertifiedKey::parse(&info.algorithm, stored).as_ref() != Some(&public)
        {
            return Err(KeyPairError::KeyDamaged);
        }
        let spki_sha256 = derived.spki_sha256(&info)?;
        let Derived { bits, standard, .. } = derived;
        Ok(Self {
            pkcs8: standard.unwrap_or(pkcs8),
            spki_sha256,
            public_bits: bits,
            public,
        })
    }

    /// The key, exactly as it was read where that is a form that strict readers take: DER, RFC 5208
    /// or RFC 5958.
    pub fn pkcs8(&self) -> &SecretBytes {
        &self.pkcs8
    }

    /// SHA-256 of the SubjectPublicKeyInfo (DER) that belongs to this key.
    pub fn spki_sha256(&self) -> [u8; 32] {
        self.spki_sha256
    }

    /// `RSA 2048`, `ECDSA P-256`, `Ed25519`.
    pub fn key_type(&self) -> String {
        self.public.name()
    }

    pub(super) fn public(&self) -> &CertifiedKey {
        &self.public
    }

    /// Whether its public half stands somewhere in `octets`, as it does in its certificate.
    pub(super) fn is_in(&self, octets: &[u8]) -> bool {
        octets
            .windows(self.public_bits.len())
            .any(|window| window == self.public_bits)
    }

    /// The same key once more, for the next certificate that it belongs to.
    pub(super) fn copy(&self) -> Self {
        let pkcs8 = SecretBytes::copy_of(self.pkcs8.expose());
        Self {
            pkcs8,
            spki_sha256: self.spki_sha256,
            public_bits: self.public_bits.clone(),
            public: self.public.clone(),
        }
    }

    /// Signs with the scheme that [`super::Certificate::verify_own`] verifies. `None` where the
    /// library refuses the key: RSA with primes of very unequal length.
    pub(crate) fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        let info = PrivateKeyInfoRef::try_from(self.pkcs8.expose()).ok()?;
        match self.public {
            CertifiedKey::Rsa(_) => {
                let key = rsa_signer(info.private_key.as_bytes())?;
                key.sign(Pkcs1v15Sign::new::<Sha256>(), &Sha256::digest(message))
                    .ok()
            }
            CertifiedKey::P256(_) => {
                let key = p256::ecdsa::SigningKey::try_from(info).ok()?;
                Some(Signer::<p256::ecdsa::DerSignature>::sign(&key, message).to_vec())
            }
            CertifiedKey::P384(_) => {
                let key = p384::ecdsa::SigningKey::try_from(info).ok()?;
                Some(Signer::<p384::ecdsa::DerSignature>::sign(&key, message).to_vec())
            }
            CertifiedKey::P521(_) => {
                let key = p521::ecdsa::SigningKey::try_from(info).ok()?;
                Some(Signer::<p521::ecdsa::DerSignature>::sign(&key, message).to_vec())
            }
            CertifiedKey::Ed25519(_) => {
                use ed25519_dalek::Signer;
                Some(
                    ed25519(info.private_key.as_bytes())
                        .ok()?
                        .sign(message)
                        .to_vec(),
                )
            }
        }
    }
}

/// A PrivateKeyInfo as read. Octets after it are none of its.
struct PrivateInfo<'a> {
    whole: &'a [u8],
    /// Whether strict readers take it, as far as this layer goes.
    is_standard: bool,
    algorithm: Algorithm<'a>,
    private_key: Element<'a>,
    public_key: Option<&'a [u8]>,
}

impl<'a> PrivateInfo<'a> {
    /// `SEQUENCE { version, AlgorithmIdentifier, OCTET STRING, [0] attributes OPTIONAL, [1]
    /// publicKey OPTIONAL }`
    fn read(der: &'a [u8]) -> Result<Self, pfx::Error> {
        let mut fields = Reader::new(der).sequence()?;
        fields.unsigned()?;
        let algorithm = Algorithm::read(&mut fields)?;
        let private_key = fields.expect(OCTET_STRING)?;
        let mut public_key = None;
        while let Ok(field) = fields.next() {
            if field.tag == PUBLIC_KEY {
                // Its first octet counts bits that do not count.
                public_key = field.body.get(1..);
            }
        }
        Ok(Self {
            whole: der,
            is_standard: PrivateKeyInfoRef::try_from(der).is_ok(),
            algorithm,
            private_key,
            public_key,
        })
    }
}

/// The public half that a key of any kind says is its own.
pub(super) fn stated_public(pkcs8: &[u8]) -> Option<Vec<u8>> {
    let info = PrivateInfo::read(pkcs8).ok()?;
    let point = info.public_key.or_else(|| {
        let key = EcPrivateKey::read(info.private_key.body).ok()?;
        key.point
    });
    point.map(<[u8]>::to_vec)
}

/// What follows from a private key.
struct Derived {
    kind: Kind,
    /// Of its SubjectPublicKeyInfo.
    bits: Vec<u8>,
    /// The key written anew, where strict readers refuse its form.
    standard: Option<SecretBytes>,
}

#[derive(Clone, Copy)]
enum Kind {
    Rsa,
    RsaPss,
    Elliptic(Curve),
    Ed25519,
}

impl Derived {
    fn public(&self) -> Option<CertifiedKey> {
        let bits = self.bits.as_slice();
        match self.kind {
            Kind::Rsa | Kind::RsaPss => CertifiedKey::rsa(bits),
            Kind::Elliptic(curve) => CertifiedKey::on(curve, bits),
            Kind::Ed25519 => CertifiedKey::ed25519(bits),
        }
    }

    /// Keys are found without the NULL that certificates write after rsaEncryption (RFC 3279
    /// section 2.3.1).
    fn spki_sha256(&self, info: &PrivateInfo<'_>) -> Result<[u8; 32], KeyPairError> {
        let curve;
        let algorithm = match self.kind {
            Kind::Rsa => rsa::pkcs1::ALGORITHM_ID,
            Kind::RsaPss => AlgorithmIdentifierRef {
                oid: rfc5912::ID_RSASSA_PSS,
                parameters: parameters(info),
            },
            Kind::Elliptic(of) => {
                curve = of.oid();
                AlgorithmIdentifierRef {
                    oid: rfc5912::ID_EC_PUBLIC_KEY,
                    parameters: Some((&curve).into()),
                }
            }
            Kind::Ed25519 => AlgorithmIdentifierRef {
                oid: rfc8410::ID_ED_25519,
                parameters: None,
            },
        };
        spki_sha256(algorithm, &self.bits)
    }
}

fn parameters<'a>(info: &PrivateInfo<'a>) -> Option<AnyRef<'a>> {
    AnyRef::from_der(info.algorithm.parameters?.whole).ok()
}

fn derive(info: &PrivateInfo<'_>) -> Result<Derived, KeyPairError> {
    if info.algorithm.is_rsa() {
        return derive_rsa(info);
    }
    if info.algorithm.is_elliptic() {
        return derive_elliptic(info);
    }
    if info.algorithm.oid == rfc8410::ID_ED_25519 {
        return derive_ed25519(info);
    }
    Err(unsupported(info))
}

fn unsupported(info: &PrivateInfo<'_>) -> KeyPairError {
    KeyPairError::UnsupportedKey {
        algorithm: key_algorithm_name(&info.algorithm),
    }
}

fn damaged(_: der::Error) -> KeyPairError {
    KeyPairError::KeyDamaged
}

fn derive_rsa(info: &PrivateInfo<'_>) -> Result<Derived, KeyPairError> {
    let completed = rsa_key::completed(info.private_key.body);
    let private = completed.as_ref().map(SecretBytes::expose);
    let private = private.unwrap_or(info.private_key.body);
    let numbers = RsaPrivateNumbers::read(private)?;
    let bits = numbers.public_bits().map_err(damaged)?;
    let is_pss = info.algorithm.oid == rfc5912::ID_RSASSA_PSS;
    let algorithm = AlgorithmIdentifierRef {
        oid: rfc5912::ID_RSASSA_PSS,
        parameters: parameters(info),
    };
    let (kind, algorithm) = match is_pss {
        true => (Kind::RsaPss, algorithm),
        false => (Kind::Rsa, rsa::pkcs1::ALGORITHM_ID),
    };
    let is_plain = completed.is_none() && RsaPrivateKeyRef::from_der(private).is_ok();
    let standard = if is_plain && numbers.is_reduced() {
        rewritten(info, algorithm, private)?
    } else {
        let key = numbers.to_der().map_err(damaged)?;
        Some(written(algorithm, key.expose()).map_err(damaged)?)
    };
    Ok(Derived {
        kind,
        bits,
        standard,
    })
}

/// The key written anew, unless it stands in the form of the standard already.
fn rewritten(
    info: &PrivateInfo<'_>,
    algorithm: AlgorithmIdentifierRef<'_>,
    private_key: &[u8],
) -> Result<Option<SecretBytes>, KeyPairError> {
    if info.is_standard {
        return Ok(None);
    }
    written(algorithm, private_key).map(Some).map_err(damaged)
}

/// A PrivateKeyInfo in DER.
fn written(algorithm: AlgorithmIdentifierRef<'_>, private_key: &[u8]) -> der::Result<SecretBytes> {
    let info = PrivateKeyInfoRef::new(algorithm, OctetStringRef::new(private_key)?);
    info.to_der().map(SecretBytes::new)
}

fn derive_elliptic(info: &PrivateInfo<'_>) -> Result<Derived, KeyPairError> {
    let key = EcPrivateKey::read(info.private_key.body).map_err(|_| KeyPairError::KeyDamaged)?;
    let curve = info.algorithm.curve().or(key.curve);
    let curve = curve.ok_or_else(|| unsupported(info))?;
    let (bits, standard) = key.on(curve).ok_or(KeyPairError::KeyDamaged)?;
    let public = CertifiedKey::on(curve, &bits);
    let is_its_own = key
        .point
        .is_none_or(|point| CertifiedKey::on(curve, point) == public);
    if !is_its_own {
        return Err(KeyPairError::KeyDamaged);
    }
    let is_standard = info.is_standard && is_strict(curve, info.whole);
    Ok(Derived {
        kind: Kind::Elliptic(curve),
        bits,
        standard: Some(standard).filter(|_| !is_standard),
    })
}

/// CurvePrivateKey: an OCTET STRING of 32 bytes inside the OCTET STRING (RFC 8410 section 7).
fn derive_ed25519(info: &PrivateInfo<'_>) -> Result<Derived, KeyPairError> {
    let key = ed25519(info.private_key.body)?;
    let algorithm = AlgorithmIdentifierRef {
        oid: rfc8410::ID_ED_25519,
        parameters: None,
    };
    let private = Zeroizing::new([&[OCTET_STRING, 32][..], key.as_bytes()].concat());
    let is_plain = info.is_standard && *private == info.private_key.body;
    let standard = match is_plain {
        true => None,
        false => Some(written(algorithm, &private).map_err(damaged)?),
    };
    Ok(Derived {
        kind: Kind::Ed25519,
        bits: key.verifying_key().to_bytes().to_vec(),
        standard,
    })
}

fn ed25519(private_key: &[u8]) -> Result<ed25519_dalek::SigningKey, KeyPairError> {
    let seed = Reader::new(private_key).expect(OCTET_STRING);
    let seed = seed.map_err(|_| KeyPairError::KeyDamaged)?.body;
    let seed = seed.try_into().map_err(|_| KeyPairError::KeyDamaged)?;
    Ok(ed25519_dalek::SigningKey::from_bytes(seed))
}

/// A key as the library wants it: also with an exponent beyond 33 bits.
fn rsa_signer(der: &[u8]) -> Option<rsa::PrivateKey> {
    let key = RsaPrivateKeyRef::from_der(der).ok()?;
    let width = u32::try_from(key.modulus.as_bytes().len() * 8).ok()?;
    let number = |octets: &[u8]| rsa::BoxedUint::from_be_slice(octets, width).ok();
    let [n, d] = [
        number(key.modulus.as_bytes())?,
        number(key.private_exponent.as_bytes())?,
    ];
    let primes = vec![
        number(key.prime1.as_bytes())?,
        number(key.prime2.as_bytes())?,
    ];
    let e = rsa::BoxedUint::from_be_slice_vartime(key.public_exponent.as_bytes());
    rsa::PrivateKey::from_components_with_large_exponent(n, e, d, primes).ok()
}

pub(super) fn spki_sha256(
    algorithm: AlgorithmIdentifierRef<'_>,
    bits: &[u8],
) -> Result<[u8; 32], KeyPairError> {
    let subject_public_key =
        der::asn1::BitStringRef::from_bytes(bits).map_err(|_| KeyPairError::MalformedKey)?;
    let spki = SubjectPublicKeyInfoRef {
        algorithm,
        subject_public_key,
    };
    Ok(Sha256::digest(spki.to_der().map_err(|_| KeyPairError::MalformedKey)?).into())
}

#[cfg(test)]
mod tests {
    use pkcs8::der::asn1::UintRef;
    use rsa::pkcs1::RsaPrivateKeyRef;

    use super::super::fixtures::{RSA, openssl, openssl_certificate, openssl_key};
    use super::*;
    use crate::keypair::Certificate;

    fn ec(curve: &str) -> Vec<u8> {
        openssl_key(&[
            "-algorithm",
            "EC",
            "-pkeyopt",
            &format!("ec_paramgen_curve:{curve}"),
        ])
    }

    fn parse(pkcs8: &[u8]) -> Result<PrivateKey, KeyPairError> {
        PrivateKey::parse(SecretBytes::copy_of(pkcs8))
    }

    /// Wraps the private part of a key anew.
    fn rewrap(pkcs8: &[u8], private: &[u8]) -> Vec<u8> {
        let algorithm = PrivateKeyInfoRef::try_from(pkcs8).unwrap().algorithm;
        PrivateKeyInfoRef::new(algorithm, OctetStringRef::new(private).unwrap())
            .to_der()
            .unwrap()
    }

    /// An RSA key with one of its eight numbers changed; `change` gets big-endian bytes.
    fn with_number(pkcs8: &[u8], number: usize, change: impl Fn(&mut Vec<u8>)) -> Vec<u8> {
        let info = PrivateKeyInfoRef::try_from(pkcs8).unwrap();
        let mut key = RsaPrivateKeyRef::from_der(info.private_key.as_bytes()).unwrap();
        let numbers = [
            &mut key.modulus,
            &mut key.public_exponent,
            &mut key.private_exponent,
            &mut key.prime1,
            &mut key.prime2,
            &mut key.exponent1,
            &mut key.exponent2,
            &mut key.coefficient,
        ];
        let number = numbers.into_iter().nth(number).unwrap();
        let mut changed = number.as_bytes().to_vec();
        change(&mut changed);
        *number = UintRef::new(&changed).unwrap();
        rewrap(pkcs8, &key.to_der().unwrap())
    }

    #[test]
    fn every_kind_of_key_signs_what_its_certificate_verifies() {
        let rsa = |bits: &str| {
            openssl_key(&[
                "-algorithm",
                "RSA",
                "-pkeyopt",
                &format!("rsa_keygen_bits:{bits}"),
            ])
        };
        for (key_type, pkcs8) in [
            ("RSA 512", rsa("512")),
            ("RSA 1024", rsa("1024")),
            ("RSA 2048", RSA[0].clone()),
            ("ECDSA P-256", ec("P-256")),
            ("ECDSA P-384", ec("P-384")),
            ("ECDSA P-521", ec("P-521")),
            ("Ed25519", openssl_key(&["-algorithm", "ED25519"])),
            (
                "RSA 2048",
                openssl_key(&["-algorithm", "RSA-PSS", "-pkeyopt", "rsa_keygen_bits:2048"]),
            ),
        ] {
            let certificate = Certificate::parse(openssl_certificate(&pkcs8, &[])).unwrap();
            let key = parse(&pkcs8).unwrap();
            assert_eq!(
                (key.key_type().as_str(), certificate.key_type().as_str()),
                (key_type, key_type)
            );
            assert_eq!(key.spki_sha256(), certificate.spki_sha256(), "{key_type}");
            assert_eq!(key.pkcs8().expose(), pkcs8);
            let signature = key.sign(b"challenge").unwrap();
            assert!(
                certificate.verify_own(b"challenge", &signature),
                "{key_type}"
            );
            assert!(
                !certificate.verify_own(b"challengE", &signature),
                "{key_type}"
            );
        }
    }

    #[test]
    fn a_key_of_16384_bits_is_checked() {
        // Generating one takes minutes; numbers that do not fit together take the same way.
        let huge = (0..8).fold(RSA[0].clone(), |key, number| {
            with_number(&key, number, |bytes| *bytes = vec![0xff; 2048])
        });
        assert_eq!(parse(&huge).unwrap_err(), KeyPairError::KeyDamaged);
        let larger = with_number(&huge, 0, |bytes| bytes.push(1));
        assert_eq!(
            parse(&larger).unwrap_err(),
            KeyPairError::UnsupportedKey {
                algorithm: "RSA 16392".into()
            }
        );
    }

    #[test]
    fn damage_to_any_number_of_an_rsa_key_is_found() {
        for number in 0..8 {
            let flipped = with_number(&RSA[0], number, |bytes| *bytes.last_mut().unwrap() ^= 2);
            assert_eq!(
                parse(&flipped).unwrap_err(),
                KeyPairError::KeyDamaged,
                "number {number}, a bit"
            );
            for value in [0, 1] {
                let replaced = with_number(&RSA[0], number, |bytes| *bytes = vec![value]);
                // Zero stands for what a writer left out, and what follows from the others.
                let is_left_out = number > 2 && value == 0;
                assert_eq!(
                    parse(&replaced).is_ok(),
                    is_left_out,
                    "number {number} replaced by {value}"
                );
            }
        }
        assert!(
            parse(&with_number(&RSA[0], 7, |_| ())).is_ok(),
            "the test changes nothing else"
        );
    }

    #[test]
    fn an_rsa_key_with_more_primes_is_not_supported() {
        let pkcs8 = openssl_key(&[
            "-algorithm",
            "RSA",
            "-pkeyopt",
            "rsa_keygen_bits:2048",
            "-pkeyopt",
            "rsa_keygen_primes:3",
        ]);
        let algorithm = "RSA with more than two primes".into();
        assert_eq!(
            parse(&pkcs8).unwrap_err(),
            KeyPairError::UnsupportedKey { algorithm }
        );
    }

    #[test]
    fn a_public_point_that_is_not_the_keys_is_damage() {
        for curve in ["P-256", "P-384", "P-521"] {
            let mut pkcs8 = ec(curve);
            // Both files end in the public point; the other's is on the curve as well.
            let other = ec(curve);
            let point = pkcs8.len() - 64..;
            pkcs8[point.clone()].copy_from_slice(&other[point]);
            assert_eq!(
                parse(&pkcs8).unwrap_err(),
                KeyPairError::KeyDamaged,
                "{curve}"
            );
        }
    }

    #[test]
    fn an_ec_key_without_its_public_point_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("key"), ec("P-256")).unwrap();
        let convert: &[&[&str]] = &[
            &[
                "ec",
                "-inform",
                "DER",
                "-in",
                "key",
                "-conv_form",
                "compressed",
                "-out",
                "sec1",
            ],
            &[
                "pkcs8",
                "-topk8",
                "-nocrypt",
                "-in",
                "sec1",
                "-outform",
                "DER",
                "-out",
                "compressed",
            ],
        ];
        convert
            .iter()
            .for_each(|arguments| openssl(folder.path(), arguments));
        let pkcs8 = std::fs::read(folder.path().join("key")).unwrap();
        let compressed = std::fs::read(folder.path().join("compressed")).unwrap();
        assert_eq!(
            parse(&compressed).unwrap().public(),
            parse(&pkcs8).unwrap().public()
        );
        // ECPrivateKey of RFC 5915 with version and scalar only.
        let info = PrivateKeyInfoRef::try_from(pkcs8.as_slice()).unwrap();
        let scalar = &info.private_key.as_bytes()[7..39];
        let bare = rewrap(&pkcs8, &[&[0x30, 37, 2, 1, 1, 4, 32][..], scalar].concat());
        assert_eq!(
            parse(&bare).unwrap().public(),
            parse(&pkcs8).unwrap().public()
        );
        for scalar in [[0; 32], [0xff; 32]] {
            let outside = rewrap(&pkcs8, &[&[0x30, 37, 2, 1, 1, 4, 32][..], &scalar].concat());
            assert_eq!(parse(&outside).unwrap_err(), KeyPairError::KeyDamaged);
        }
    }

    #[test]
    fn a_public_key_beside_an_ed25519_key_must_be_its_own() {
        let pkcs8 = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519)
            .unwrap()
            .serialize_der();
        assert!(
            PrivateKeyInfoRef::try_from(pkcs8.as_slice())
                .unwrap()
                .public_key
                .is_some(),
            "RFC 5958 version 2"
        );
        assert_eq!(parse(&pkcs8).unwrap().key_type(), "Ed25519");
        let mut damaged = pkcs8.clone();
        *damaged.last_mut().unwrap() ^= 1;
        assert_eq!(parse(&damaged).unwrap_err(), KeyPairError::KeyDamaged);
    }

    #[test]
    fn keys_of_other_kinds_are_named() {
        for (algorithm, pkcs8) in [
            ("X25519", openssl_key(&["-algorithm", "X25519"])),
            ("Ed448", openssl_key(&["-algorithm", "ED448"])),
            ("ECDSA brainpoolP256r1", ec("brainpoolP256r1")),
            ("ECDSA secp256k1", ec("secp256k1")),
        ] {
            assert_eq!(
                parse(&pkcs8).unwrap_err(),
                KeyPairError::UnsupportedKey {
                    algorithm: algorithm.into()
                }
            );
        }
    }

    #[test]
    fn the_attributes_that_windows_adds_are_kept() {
        // Key usage (RFC 5280 section 4.2.1.3) as the attribute of RFC 5208 section 5.
        let usage = b"\xa0\x0d\x30\x0b\x06\x03\x55\x1d\x0f\x31\x04\x03\x02\x00\x10";
        for pkcs8 in [RSA[0].clone(), ec("P-256")] {
            let header = if pkcs8[1] < 0x80 {
                2
            } else {
                2 + usize::from(pkcs8[1] & 0x7f)
            };
            let content = [&pkcs8[header..], usage].concat();
            let windows = AnyRef::new(der::Tag::Sequence, &content)
                .unwrap()
                .to_der()
                .unwrap();
            let key = parse(&windows).unwrap();
            assert_eq!(key.pkcs8().expose(), windows);
            assert_eq!(key.public(), parse(&pkcs8).unwrap().public());
            assert!(key.sign(b"challenge").is_some());
        }
    }

    #[test]
    fn no_changed_byte_makes_a_panic_or_another_key() {
        for pkcs8 in [RSA[0].clone(), ec("P-256")] {
            let whole = parse(&pkcs8).unwrap();
            for at in 0..pkcs8.len() {
                let mut changed = pkcs8.clone();
                changed[at] ^= 0x81;
                assert!(
                    parse(&changed).is_err() || parse(&changed).unwrap().public() == whole.public(),
                    "byte {at}"
                );
            }
        }
    }

    #[test]
    fn what_is_no_key_is_malformed_and_never_a_panic() {
        for pkcs8 in [ec("P-256"), openssl_key(&["-algorithm", "ED25519"])] {
            for end in 0..pkcs8.len() {
                assert!(parse(&pkcs8[..end]).is_err());
            }
        }
        assert_eq!(parse(b"").unwrap_err(), KeyPairError::MalformedKey);
    }

    #[test]
    fn debug_output_never_shows_the_key() {
        let pkcs8 = openssl_key(&["-algorithm", "ED25519"]);
        let shown = format!("{:?}", parse(&pkcs8).unwrap());
        assert!(shown.contains("SecretBytes(…)"), "{shown}");
    }
}
