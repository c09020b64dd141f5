//! Public keys as values: compared with each other, whatever their encoding, and used to verify
//! signatures.

use const_oid::AssociatedOid;
use const_oid::db::{rfc5912, rfc8410};
use der::Decode;
use rsa::pkcs1::RsaPublicKeyRef;
use rsa::signature::hazmat::PrehashVerifier;
use rsa::traits::PublicKeyParts;
use rsa::{BoxedUint, Pkcs1v15Sign, Pss};
use sha1::Sha1;
use sha2::digest::{Digest, FixedOutputReset};
use sha2::{Sha256, Sha384, Sha512};
use spki::AlgorithmIdentifierRef;

use super::algorithm::{DigestName, VerifyScheme};

/// Smallest and largest RSA modulus in bits; the work of every check is bounded by the latter.
pub(super) const RSA_BITS: std::ops::RangeInclusive<usize> = 512..=16384;

/// A public key of a kind that can be backed up.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum CertifiedKey {
    Rsa(rsa::PublicKey),
    P256(p256::ecdsa::VerifyingKey),
    P384(p384::ecdsa::VerifyingKey),
    P521(p521::ecdsa::VerifyingKey),
    Ed25519(ed25519_dalek::VerifyingKey),
}

impl CertifiedKey {
    /// Reads the two parts of a SubjectPublicKeyInfo (RFC 5280 section 4.1.2.7).
    ///
    /// The parameters of RSA algorithms are not looked at: they restrict what a key may be used
    /// for, not which key it is. Elliptic curve points may be compressed.
    pub(super) fn parse(algorithm: &AlgorithmIdentifierRef<'_>, key: &[u8]) -> Option<Self> {
        match algorithm.oid {
            rfc5912::RSA_ENCRYPTION | rfc5912::ID_RSASSA_PSS => rsa_key(key).map(CertifiedKey::Rsa),
            rfc5912::ID_EC_PUBLIC_KEY => match algorithm.parameters_oid().ok()? {
                rfc5912::SECP_256_R_1 => key.try_into().ok().map(CertifiedKey::P256),
                rfc5912::SECP_384_R_1 => key.try_into().ok().map(CertifiedKey::P384),
                rfc5912::SECP_521_R_1 => key.try_into().ok().map(CertifiedKey::P521),
                _ => None,
            },
            rfc8410::ID_ED_25519 => key.try_into().ok().map(CertifiedKey::Ed25519),
            _ => None,
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
        matches!(self, CertifiedKey::Rsa(key) if key.n().bit_width_vartime() < 2048)
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

fn rsa_key(der: &[u8]) -> Option<rsa::PublicKey> {
    let key = RsaPublicKeyRef::from_der(der).ok()?;
    let number = |uint: der::asn1::UintRef<'_>| BoxedUint::from_be_slice_vartime(uint.as_bytes());
    rsa::PublicKey::new_with_size_limits(number(key.modulus), number(key.public_exponent), RSA_BITS)
        .ok()
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
