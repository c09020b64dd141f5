//! A private key that was checked: its parts fit together and its public half is known.

use const_oid::db::{rfc5912, rfc8410};
use der::asn1::OctetStringRef;
use der::{Decode, Encode};
use pkcs8::PrivateKeyInfoRef;
use rsa::Pkcs1v15Sign;
use rsa::pkcs1::DecodeRsaPrivateKey;
use rsa::signature::{SignatureEncoding, Signer};
use sha2::{Digest, Sha256};
use spki::{AlgorithmIdentifierRef, SubjectPublicKeyInfoRef};

use super::KeyPairError;
use super::algorithm::key_algorithm_name;
use super::public::CertifiedKey;
use super::rsa_key;
use secret::SecretBytes;

/// A checked private key: RSA of 512 to 16384 bits, ECDSA on P-256, P-384 or P-521, or Ed25519.
///
/// It keeps the file's bytes, because everything they say (attributes, the order of primes) is to
/// come back the same.
#[derive(Debug)]
pub struct PrivateKey {
    pkcs8: SecretBytes,
    spki_sha256: [u8; 32],
    public: CertifiedKey,
}

impl PrivateKey {
    /// Reads a DER PrivateKeyInfo (RFC 5208) or OneAsymmetricKey (RFC 5958) and checks that its
    /// parts fit together.
    ///
    /// # Errors
    /// [`KeyPairError::MalformedKey`] for anything else, [`KeyPairError::UnsupportedKey`] for other kinds of key
    /// and for RSA outside the sizes above or with more than two primes, [`KeyPairError::KeyDamaged`]
    /// where the parts do not fit together.
    pub fn parse(pkcs8: SecretBytes) -> Result<Self, KeyPairError> {
        let info =
            PrivateKeyInfoRef::try_from(pkcs8.expose()).map_err(|_| KeyPairError::MalformedKey)?;
        let (algorithm, bits) = derive_public(&info)?;
        let unsupported = || KeyPairError::UnsupportedKey {
            algorithm: key_algorithm_name(&info.algorithm),
        };
        let public = CertifiedKey::parse(&algorithm, &bits).ok_or_else(unsupported)?;
        if let Some(stored) = info.public_key
            && CertifiedKey::parse(&algorithm, stored.raw_bytes()).as_ref() != Some(&public)
        {
            return Err(KeyPairError::KeyDamaged);
        }
        let spki_sha256 = spki_sha256(algorithm, &bits)?;
        Ok(Self {
            pkcs8,
            spki_sha256,
            public,
        })
    }

    /// The key exactly as it was read: DER, RFC 5208 or RFC 5958.
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

    /// The same key once more, for the next certificate that it belongs to.
    pub(super) fn copy(&self) -> Self {
        let pkcs8 = SecretBytes::copy_of(self.pkcs8.expose());
        Self {
            pkcs8,
            spki_sha256: self.spki_sha256,
            public: self.public.clone(),
        }
    }

    /// Signs with the scheme that [`super::Certificate::verify_own`] verifies. `None` where the
    /// library refuses the key: RSA with primes of very unequal length.
    pub(crate) fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        let info = PrivateKeyInfoRef::try_from(self.pkcs8.expose()).ok()?;
        match self.public {
            CertifiedKey::Rsa(_) => {
                let key = rsa::PrivateKey::from_pkcs1_der(info.private_key.as_bytes()).ok()?;
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
                Some(ed25519(&info).ok()?.sign(message).to_vec())
            }
        }
    }
}

/// Algorithm and bits of the SubjectPublicKeyInfo that belongs to the key.
fn derive_public<'a>(
    info: &PrivateKeyInfoRef<'a>,
) -> Result<(AlgorithmIdentifierRef<'a>, Vec<u8>), KeyPairError> {
    let unsupported = || KeyPairError::UnsupportedKey {
        algorithm: key_algorithm_name(&info.algorithm),
    };
    let bits = match info.algorithm.oid {
        rfc5912::RSA_ENCRYPTION | rfc5912::ID_RSASSA_PSS => {
            rsa_key::public_bits(info.private_key.as_bytes())?
        }
        rfc5912::ID_EC_PUBLIC_KEY => ec_public_bits(info)?.ok_or_else(unsupported)?,
        rfc8410::ID_ED_25519 => ed25519(info)?.verifying_key().to_bytes().to_vec(),
        _ => return Err(unsupported()),
    };
    // Keys are found without the NULL that certificates write after rsaEncryption (RFC 3279 section
    // 2.3.1).
    let is_rsa = info.algorithm.oid == rfc5912::RSA_ENCRYPTION;
    let algorithm = if is_rsa {
        rsa::pkcs1::ALGORITHM_ID
    } else {
        info.algorithm
    };
    Ok((algorithm, bits))
}

/// The uncompressed point of an ECPrivateKey (RFC 5915); `None` for other curves.
///
/// The conversions check that the scalar is in range and that a public point in the file is the
/// scalar's.
fn ec_public_bits(info: &PrivateKeyInfoRef<'_>) -> Result<Option<Vec<u8>>, KeyPairError> {
    use p256::elliptic_curve::sec1::ToSec1Point;
    let info = info.clone();
    let damaged = |_| KeyPairError::KeyDamaged;
    Ok(match info.algorithm.parameters_oid().ok() {
        Some(rfc5912::SECP_256_R_1) => {
            let key = p256::SecretKey::try_from(info).map_err(damaged)?;
            Some(key.public_key().to_sec1_point(false).as_bytes().to_vec())
        }
        Some(rfc5912::SECP_384_R_1) => {
            let key = p384::SecretKey::try_from(info).map_err(damaged)?;
            Some(key.public_key().to_sec1_point(false).as_bytes().to_vec())
        }
        Some(rfc5912::SECP_521_R_1) => {
            let key = p521::SecretKey::try_from(info).map_err(damaged)?;
            Some(key.public_key().to_sec1_point(false).as_bytes().to_vec())
        }
        _ => None,
    })
}

/// CurvePrivateKey: an OCTET STRING of 32 bytes inside the OCTET STRING (RFC 8410 section 7).
fn ed25519(info: &PrivateKeyInfoRef<'_>) -> Result<ed25519_dalek::SigningKey, KeyPairError> {
    let seed = <&OctetStringRef>::from_der(info.private_key.as_bytes())
        .map_err(|_| KeyPairError::KeyDamaged)?;
    let seed = seed
        .as_bytes()
        .try_into()
        .map_err(|_| KeyPairError::KeyDamaged)?;
    Ok(ed25519_dalek::SigningKey::from_bytes(seed))
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
                assert!(
                    parse(&replaced).is_err(),
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
            let windows = der::asn1::AnyRef::new(der::Tag::Sequence, &content)
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
