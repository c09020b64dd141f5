//! The proof that a key works: it signs a challenge, and the certificate verifies the signature.

use der::Decode;
use pkcs8::SubjectPublicKeyInfoRef;
use rsa::Pkcs1v15Sign;
use rsa::signature::hazmat::PrehashVerifier;
use sha1::Sha1;
use sha2::{Digest, Sha256};
use spki::DecodePublicKey;

/// A signature as a Windows provider makes it, in the byte order of the standards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signature {
    /// RSASSA-PKCS1-v1_5 over SHA-1. Every CSP can do it, and SHA-256 only those of type
    /// `PROV_RSA_AES`. It signs random bytes of our own and proves nothing but possession, so
    /// collisions do not matter.
    RsaSha1(Vec<u8>),
    /// RSASSA-PKCS1-v1_5 over SHA-256.
    RsaSha256(Vec<u8>),
    /// ECDSA over SHA-256: r and s, each as wide as the curve.
    EcdsaSha256(Vec<u8>),
}

/// Whether a signature over the challenge is that of the key in `public_key`
/// (`SubjectPublicKeyInfo`, DER).
pub fn verifies(public_key: &[u8], challenge: &[u8], signature: &Signature) -> bool {
    match signature {
        Signature::RsaSha1(bytes) => rsa_verifies(
            public_key,
            Pkcs1v15Sign::new::<Sha1>(),
            &Sha1::digest(challenge),
            bytes,
        ),
        Signature::RsaSha256(bytes) => rsa_verifies(
            public_key,
            Pkcs1v15Sign::new::<Sha256>(),
            &Sha256::digest(challenge),
            bytes,
        ),
        Signature::EcdsaSha256(bytes) => {
            ecdsa_verifies(public_key, &Sha256::digest(challenge), bytes)
        }
    }
}

fn rsa_verifies(public_key: &[u8], scheme: Pkcs1v15Sign, digest: &[u8], signature: &[u8]) -> bool {
    // By the key alone: a certificate may name it id-RSASSA-PSS.
    let spki = SubjectPublicKeyInfoRef::from_der(public_key).ok();
    let key = spki.and_then(|spki| {
        rsa::pkcs1::DecodeRsaPublicKey::from_pkcs1_der(spki.subject_public_key.raw_bytes()).ok()
    });
    key.is_some_and(|key: rsa::PublicKey| key.verify(scheme, digest, signature).is_ok())
}

/// The width of the signature tells the curve; a key on another one does not parse.
fn ecdsa_verifies(public_key: &[u8], digest: &[u8], signature: &[u8]) -> bool {
    macro_rules! on {
        ($curve:ident) => {{
            let key = $curve::ecdsa::VerifyingKey::from_public_key_der(public_key);
            let signature = $curve::ecdsa::Signature::from_slice(signature);
            matches!((key, signature), (Ok(key), Ok(signature)) if key.verify_prehash(digest, &signature).is_ok())
        }};
    }
    match signature.len() {
        64 => on!(p256),
        96 => on!(p384),
        132 => on!(p521),
        _ => false,
    }
}
