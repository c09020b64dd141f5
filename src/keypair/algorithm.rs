//! Signature and key algorithms by object identifier: which can be verified here, which are weak,
//! what each is called.

use const_oid::ObjectIdentifier;
use const_oid::db::{rfc5912, rfc8410};
use der::Decode;
use pfx::ber::{Element, OID, Reader};
use pfx::{Error, Oid};
use rsa::pkcs1::RsaPssParamsOwned;

use super::curve::Curve;

/// sha1WithRSASignature of the OIW, as old Microsoft tools wrote it for sha1WithRSAEncryption.
const OIW_SHA_1_WITH_RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.14.3.2.29");
/// ecdsa-with-SHA1 (RFC 3279 section 2.2.3).
const ECDSA_WITH_SHA_1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.1");

/// Names for people. What is missing here goes by its dotted number.
const NAMES: &[(&str, &str)] = &[
    ("1.2.840.113549.1.1.1", "RSA"),
    ("1.2.840.113549.1.1.10", "RSA-PSS"),
    ("1.2.840.10040.4.1", "DSA"),
    ("1.2.840.113549.1.3.1", "Diffie-Hellman"),
    ("1.2.840.10046.2.1", "Diffie-Hellman"),
    ("1.2.840.10045.2.1", "ECDSA with its own curve"),
    ("1.2.840.10045.3.1.1", "ECDSA P-192"),
    ("1.3.132.0.33", "ECDSA P-224"),
    ("1.3.132.0.10", "ECDSA secp256k1"),
    ("1.3.36.3.3.2.8.1.1.7", "ECDSA brainpoolP256r1"),
    ("1.3.36.3.3.2.8.1.1.11", "ECDSA brainpoolP384r1"),
    ("1.3.36.3.3.2.8.1.1.13", "ECDSA brainpoolP512r1"),
    ("1.2.156.10197.1.301", "SM2"),
    ("1.3.101.110", "X25519"),
    ("1.3.101.111", "X448"),
    ("1.3.101.112", "Ed25519"),
    ("1.3.101.113", "Ed448"),
    ("1.2.643.2.2.19", "GOST R 34.10-2001"),
    ("1.2.643.7.1.1.1.1", "GOST R 34.10-2012"),
    ("1.2.643.7.1.1.1.2", "GOST R 34.10-2012"),
    ("2.16.840.1.101.3.4.3.17", "ML-DSA-44"),
    ("2.16.840.1.101.3.4.3.18", "ML-DSA-65"),
    ("2.16.840.1.101.3.4.3.19", "ML-DSA-87"),
];

/// rsaEncryption under its other names: of RSAES-OAEP (RFC 4055 section 4.1) and of X.509 itself
/// (annex H of its edition of 1997).
const RSA_OAEP: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.7");
const X509_RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.8.1.1");

/// An AlgorithmIdentifier (RFC 5280 section 4.1.1.2) as read: any identifier, any parameters.
#[derive(Debug, Clone, Copy)]
pub(super) struct Algorithm<'a> {
    pub(super) oid: Oid<'a>,
    pub(super) parameters: Option<Element<'a>>,
}

impl<'a> Algorithm<'a> {
    /// The next element as one. Parameters that cannot be read are none.
    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let mut parts = reader.sequence()?;
        Ok(Self {
            oid: parts.oid()?,
            parameters: parts.next().ok(),
        })
    }

    /// The identifier among those that constants have.
    pub(super) fn known(&self) -> Option<ObjectIdentifier> {
        self.oid.known()
    }

    /// Whether its keys are RSA keys.
    pub(super) fn is_rsa(&self) -> bool {
        matches!(
            self.known(),
            Some(rfc5912::RSA_ENCRYPTION | rfc5912::ID_RSASSA_PSS | RSA_OAEP | X509_RSA)
        )
    }

    /// Whether its keys are on an elliptic curve, whichever that is.
    pub(super) fn is_elliptic(&self) -> bool {
        self.oid == rfc5912::ID_EC_PUBLIC_KEY
    }

    /// The curve of its keys, if it is one whose keys can be backed up.
    pub(super) fn curve(&self) -> Option<Curve> {
        Curve::of(self.parameters?)
    }
}

/// What a key algorithm is called: `DSA`, `ECDSA brainpoolP256r1`, or the dotted object identifier.
pub(super) fn key_algorithm_name(algorithm: &Algorithm<'_>) -> String {
    let curve = algorithm.parameters.filter(|_| algorithm.is_elliptic());
    let curve = curve.filter(|parameters| parameters.tag == OID);
    let oid = curve
        .map_or(algorithm.oid, |curve| Oid(curve.body))
        .to_string();
    let known = NAMES.iter().find(|(number, _)| *number == oid);
    known.map_or(oid, |(_, name)| (*name).to_owned())
}

/// The digests that signatures are verified with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DigestName {
    Sha1,
    Sha256,
    Sha384,
    Sha512,
}

/// A way to sign that can be verified here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum VerifyScheme {
    /// RSASSA-PKCS1-v1_5 (RFC 8017 section 8.2).
    RsaPkcs1(DigestName),
    /// RSASSA-PSS (RFC 8017 section 8.1) with MGF1 over the same digest.
    RsaPss {
        /// Digest of the message and of MGF1.
        hash: DigestName,
        /// Length of the salt in bytes.
        salt: usize,
    },
    /// ECDSA, the signature as a DER SEQUENCE of r and s (RFC 5480 appendix A).
    Ecdsa(DigestName),
    /// Ed25519 (RFC 8032).
    Ed25519,
}

impl VerifyScheme {
    /// The scheme of a certificate's signature algorithm; `None` for what cannot be verified here.
    pub(super) fn of(algorithm: &Algorithm<'_>) -> Option<Self> {
        Some(match algorithm.known()? {
            rfc5912::SHA_1_WITH_RSA_ENCRYPTION | OIW_SHA_1_WITH_RSA => {
                VerifyScheme::RsaPkcs1(DigestName::Sha1)
            }
            rfc5912::SHA_256_WITH_RSA_ENCRYPTION => VerifyScheme::RsaPkcs1(DigestName::Sha256),
            rfc5912::SHA_384_WITH_RSA_ENCRYPTION => VerifyScheme::RsaPkcs1(DigestName::Sha384),
            rfc5912::SHA_512_WITH_RSA_ENCRYPTION => VerifyScheme::RsaPkcs1(DigestName::Sha512),
            rfc5912::ID_RSASSA_PSS => return pss(algorithm.parameters),
            ECDSA_WITH_SHA_1 => VerifyScheme::Ecdsa(DigestName::Sha1),
            rfc5912::ECDSA_WITH_SHA_256 => VerifyScheme::Ecdsa(DigestName::Sha256),
            rfc5912::ECDSA_WITH_SHA_384 => VerifyScheme::Ecdsa(DigestName::Sha384),
            rfc5912::ECDSA_WITH_SHA_512 => VerifyScheme::Ecdsa(DigestName::Sha512),
            rfc8410::ID_ED_25519 => VerifyScheme::Ed25519,
            _ => return None,
        })
    }

    fn hash(self) -> Option<DigestName> {
        match self {
            VerifyScheme::RsaPkcs1(hash)
            | VerifyScheme::RsaPss { hash, .. }
            | VerifyScheme::Ecdsa(hash) => Some(hash),
            VerifyScheme::Ed25519 => None,
        }
    }
}

/// RSASSA-PSS-params (RFC 4055 section 3.1); two different digests are legal there and served by
/// nobody.
fn pss(parameters: Option<Element<'_>>) -> Option<VerifyScheme> {
    let parameters = RsaPssParamsOwned::from_der(parameters?.whole).ok()?;
    let hash = hash(parameters.hash.oid)?;
    let mask_hash = parameters.mask_gen.parameters?.oid;
    let salt = usize::from(parameters.salt_len);
    (mask_hash == parameters.hash.oid).then_some(VerifyScheme::RsaPss { hash, salt })
}

fn hash(oid: ObjectIdentifier) -> Option<DigestName> {
    match oid {
        rfc5912::ID_SHA_1 => Some(DigestName::Sha1),
        rfc5912::ID_SHA_256 => Some(DigestName::Sha256),
        rfc5912::ID_SHA_384 => Some(DigestName::Sha384),
        rfc5912::ID_SHA_512 => Some(DigestName::Sha512),
        _ => None,
    }
}

/// The digest that makes a signature forgeable, if it has such: collisions of MD5 and SHA-1 have
/// been used to forge certificates.
pub(super) fn weak_hash(algorithm: &Algorithm<'_>) -> Option<&'static str> {
    match algorithm.known()? {
        rfc5912::MD_2_WITH_RSA_ENCRYPTION => Some("MD2"),
        rfc5912::MD_5_WITH_RSA_ENCRYPTION => Some("MD5"),
        rfc5912::DSA_WITH_SHA_1 => Some("SHA-1"),
        _ => (VerifyScheme::of(algorithm)?.hash() == Some(DigestName::Sha1)).then_some("SHA-1"),
    }
}
