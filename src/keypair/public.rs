//! Public keys as values: compared with each other, whatever their encoding, and used to verify
//! signatures.

use const_oid::AssociatedOid;
use const_oid::db::rfc8410;
use pfx::ber::{self, Reader};
use rsa::signature::hazmat::PrehashVerifier;
use rsa::traits::PublicKeyParts;
use rsa::{BoxedUint, Pkcs1v15Sign, Pss};
use sha1::Sha1;
use sha2::digest::{Digest, FixedOutputReset};
use sha2::{Sha256, Sha384, Sha512};

use super::algorithm::{Algorithm, DigestName, VerifyScheme};
use super::curve::Curve;

/// Smallest and largest RSA modulus in bits; the work of every check is bounded by the latter.
pub(super) const RSA_BITS: std::ops::RangeInclusive<usize> = 512..=16384;
/// Longest public exponent in bits (FIPS 186-5 section 5.1).
const RSA_EXPONENT_BITS: usize = 256;

/// A public key of a kind that can be backed up.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum CertifiedKey {
    Rsa(rsa::PublicKey),
    P256(p256::ecdsa::VerifyingKey),
    P384(p384::ecdsa::VerifyingKey),
    P521(p521::ecdsa::VerifyingKey),
    Ed25519(ed25519_dalek::VerifyingKey),
}

/// Bits under which an RSA key is weak.
const WEAK_BELOW: u32 = 2048;

/// Whether a key is weak, by the kind of key in the words of a catalog (`RSA 1024`).
pub fn is_weak(key_type: &str) -> bool {
    let bits = key_type.strip_prefix("RSA ").map(str::parse);
    matches!(bits, Some(Ok(bits)) if (1..WEAK_BELOW).contains(&bits))
}

impl CertifiedKey {
    /// Reads the two parts of a SubjectPublicKeyInfo (RFC 5280 section 4.1.2.7).
    ///
    /// The parameters of RSA algorithms are not looked at: they restrict what a key may be used
    /// for, not which key it is. Elliptic curve points may be compressed, their curve written out.
    pub(super) fn parse(algorithm: &Algorithm<'_>, key: &[u8]) -> Option<Self> {
        if algorithm.is_rsa() {
            return Self::rsa(key);
        }
        if algorithm.is_elliptic() {
            return Self::on(algorithm.curve()?, key);
        }
        if algorithm.oid == rfc8410::ID_ED_25519 {
            return Self::ed25519(key);
        }
        None
    }

    /// An RSAPublicKey.
    pub(super) fn rsa(key: &[u8]) -> Option<Self> {
        rsa_key(key).map(CertifiedKey::Rsa)
    }

    /// The 32 octets of RFC 8032 section 5.1.5.
    pub(super) fn ed25519(key: &[u8]) -> Option<Self> {
        key.try_into().ok().map(CertifiedKey::Ed25519)
    }

    /// A point of a curve.
    pub(super) fn on(curve: Curve, point: &[u8]) -> Option<Self> {
        let point = without_hybrid(point);
        let point = point.as_slice();
        match curve {
            Curve::P256 => point.try_into().ok().map(CertifiedKey::P256),
            Curve::P384 => point.try_into().ok().map(CertifiedKey::P384),
            Curve::P521 => point.try_into().ok().map(CertifiedKey::P521),
        }
    }

    /// `RSA 2048`, `ECDSA P-256`, `Ed25519`.
    pub(super) fn name(&self) -> String {
        match self {
            CertifiedKey::Rsa(key) => format!("RSA {}", key.n().bit_width_vartime()),
            CertifiedKey::P256(_) => "ECDSA P-256".into(),
            CertifiedKey::P384(_) => "ECDSA P-384".into(),
            CertifiedKey::P521(_) => "ECDSA P-521".into(),
            CertifiedKey::Ed25519(_) => "Ed25519".into(),
        }
    }

    /// Whether it is an RSA key of fewer than 2048 bits.
    pub(super) fn is_weak(&self) -> bool {
        matches!(self, CertifiedKey::Rsa(key) if key.n().bit_width_vartime() < WEAK_BELOW)
    }

    /// The scheme that [`super::PrivateKey::sign`] signs with.
    pub(super) fn own_scheme(&self) -> VerifyScheme {
        match self {
            CertifiedKey::Rsa(_) => VerifyScheme::RsaPkcs1(DigestName::Sha256),
            CertifiedKey::P256(_) => VerifyScheme::Ecdsa(DigestName::Sha256),
            CertifiedKey::P384(_) => VerifyScheme::Ecdsa(DigestName::Sha384),
            CertifiedKey::P521(_) => VerifyScheme::Ecdsa(DigestName::Sha512),
            CertifiedKey::Ed25519(_) => VerifyScheme::Ed25519,
        }
    }

    /// Whether this key made `signature` over `message`. A scheme for another kind of key is no
    /// signature of this one.
    pub(crate) fn verify(&self, scheme: VerifyScheme, message: &[u8], signature: &[u8]) -> bool {
        use {
            p256::ecdsa::DerSignature as P256, p384::ecdsa::DerSignature as P384,
            p521::ecdsa::DerSignature as P521,
        };
        match (self, scheme) {
            (CertifiedKey::Rsa(key), VerifyScheme::RsaPkcs1(hash)) => {
                rsa_verify(key, hash, None, message, signature)
            }
            (CertifiedKey::Rsa(key), VerifyScheme::RsaPss { hash, salt }) => {
                rsa_verify(key, hash, Some(salt), message, signature)
            }
            (CertifiedKey::P256(key), VerifyScheme::Ecdsa(hash)) => {
                ecdsa_verify::<P256>(key, hash, message, signature)
            }
            (CertifiedKey::P384(key), VerifyScheme::Ecdsa(hash)) => {
                ecdsa_verify::<P384>(key, hash, message, signature)
            }
            (CertifiedKey::P521(key), VerifyScheme::Ecdsa(hash)) => {
                ecdsa_verify::<P521>(key, hash, message, signature)
            }
            (CertifiedKey::Ed25519(key), VerifyScheme::Ed25519) => signature
                .try_into()
                .is_ok_and(|signature| key.verify_strict(message, &signature).is_ok()),
            _ => false,
        }
    }
}

/// The hybrid form of a point (X9.62 section 4.3.6) as the uncompressed one, which it contains.
fn without_hybrid(point: &[u8]) -> Vec<u8> {
    match point {
        [6 | 7, both @ ..] => [&[4], both].concat(),
        _ => point.to_vec(),
    }
}

/// An RSAPublicKey (RFC 8017 appendix A.1.1). Octets after it are none of its.
fn rsa_key(der: &[u8]) -> Option<rsa::PublicKey> {
    let mut numbers = Reader::new(der).sequence().ok()?;
    let modulus = numbers.next().ok()?.magnitude().ok()?;
    let exponent = numbers.next().ok()?.magnitude().ok()?;
    rsa_public(modulus, exponent)
}

/// The key of these numbers, which have no zeros in front. The library's own limit to exponents is
/// 33 bits, which keys made by Windows exceed.
pub(super) fn rsa_public(modulus: &[u8], exponent: &[u8]) -> Option<rsa::PublicKey> {
    let bits = bit_length(modulus);
    let is_odd = |number: &[u8]| number.last().is_some_and(|last| last & 1 == 1);
    let is_possible = (2..=RSA_EXPONENT_BITS).contains(&bit_length(exponent));
    if !RSA_BITS.contains(&bits) || !is_odd(modulus) || !is_odd(exponent) || !is_possible {
        return None;
    }
    let number = BoxedUint::from_be_slice_vartime;
    Some(rsa::PublicKey::new_unchecked(
        number(modulus),
        number(exponent),
    ))
}

/// Bits of a number.
pub(super) fn bit_length(number: &[u8]) -> usize {
    let number = ber::without_zeros(number);
    let unused = number
        .first()
        .map_or(0, |first| first.leading_zeros() as usize);
    number.len() * 8 - unused
}

fn rsa_verify(
    key: &rsa::PublicKey,
    hash: DigestName,
    salt: Option<usize>,
    message: &[u8],
    signature: &[u8],
) -> bool {
    match hash {
        DigestName::Sha1 => rsa_verify_with::<Sha1>(key, salt, message, signature),
        DigestName::Sha256 => rsa_verify_with::<Sha256>(key, salt, message, signature),
        DigestName::Sha384 => rsa_verify_with::<Sha384>(key, salt, message, signature),
        DigestName::Sha512 => rsa_verify_with::<Sha512>(key, salt, message, signature),
    }
}

fn rsa_verify_with<D>(
    key: &rsa::PublicKey,
    salt: Option<usize>,
    message: &[u8],
    signature: &[u8],
) -> bool
where
    D: Digest + AssociatedOid + FixedOutputReset,
{
    let digest = D::digest(message);
    let verified = match salt {
        Some(salt) => key.verify(Pss::<D>::new_with_salt(salt), &digest, signature),
        None => key.verify(Pkcs1v15Sign::new::<D>(), &digest, signature),
    };
    verified.is_ok()
}

fn ecdsa_verify<S>(
    key: &impl PrehashVerifier<S>,
    hash: DigestName,
    message: &[u8],
    signature: &[u8],
) -> bool
where
    S: for<'a> TryFrom<&'a [u8]>,
{
    let digest = match hash {
        DigestName::Sha1 => Sha1::digest(message).to_vec(),
        DigestName::Sha256 => Sha256::digest(message).to_vec(),
        DigestName::Sha384 => Sha384::digest(message).to_vec(),
        DigestName::Sha512 => Sha512::digest(message).to_vec(),
    };
    S::try_from(signature).is_ok_and(|signature| key.verify_prehash(&digest, &signature).is_ok())
}
