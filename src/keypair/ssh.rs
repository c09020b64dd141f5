//! SSH's wire form of a public key (RFC 4253 section 6.6), which both OpenSSH and PuTTY leave
//! readable beside an encrypted private key.

use const_oid::ObjectIdentifier;
use const_oid::db::{rfc5912, rfc8410};
use der::Encode;
use der::asn1::UintRef;
use rsa::pkcs1::RsaPublicKeyRef;
use spki::AlgorithmIdentifierRef;

use super::key::spki_sha256;

/// Takes a string (RFC 4251 section 5) off the beginning.
pub(crate) fn ssh_string<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, after) = rest.split_first_chunk::<4>()?;
    let (string, after) = after.split_at_checked(u32::from_be_bytes(*length) as usize)?;
    *rest = after;
    Some(string)
}

/// SHA-256 of the SubjectPublicKeyInfo (DER) of the same key; `None` for kinds that no certificate
/// here has, and for anything but the one form.
pub(crate) fn ssh_spki_sha256(blob: &[u8]) -> Option<[u8; 32]> {
    let mut rest = blob;
    let kind = ssh_string(&mut rest)?;
    let (algorithm, bits) = match kind {
        b"ssh-rsa" => {
            // First the exponent, then the modulus. A leading zero byte keeps a number positive, as
            // in DER.
            let (exponent, modulus) = (
                UintRef::new(ssh_string(&mut rest)?),
                UintRef::new(ssh_string(&mut rest)?),
            );
            let key = RsaPublicKeyRef {
                modulus: modulus.ok()?,
                public_exponent: exponent.ok()?,
            };
            (rsa::pkcs1::ALGORITHM_ID, key.to_der().ok()?)
        }
        b"ssh-ed25519" => {
            let algorithm = AlgorithmIdentifierRef {
                oid: rfc8410::ID_ED_25519,
                parameters: None,
            };
            (algorithm, ssh_string(&mut rest)?.to_vec())
        }
        // RFC 5656 section 3.1: the curve, once more, then the point.
        _ => {
            let curve = ssh_string(&mut rest)?;
            let named =
                curve_oid(curve).filter(|_| kind.strip_prefix(b"ecdsa-sha2-") == Some(curve))?;
            let algorithm = AlgorithmIdentifierRef {
                oid: rfc5912::ID_EC_PUBLIC_KEY,
                parameters: Some(named.into()),
            };
            (algorithm, ssh_string(&mut rest)?.to_vec())
        }
    };
    if rest.is_empty() {
        spki_sha256(algorithm, &bits).ok()
    } else {
        None
    }
}

fn curve_oid(name: &[u8]) -> Option<&'static ObjectIdentifier> {
    match name {
        b"nistp256" => Some(&rfc5912::SECP_256_R_1),
        b"nistp384" => Some(&rfc5912::SECP_384_R_1),
        b"nistp521" => Some(&rfc5912::SECP_521_R_1),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use data_encoding::BASE64;

    use super::super::fixtures::{RSA, openssl_key};
    use super::*;
    use crate::keypair::PrivateKey;
    use secret::SecretBytes;

    /// What ssh-keygen makes of a PKCS#8 key.
    fn blob(pkcs8: &[u8]) -> Vec<u8> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let pem = format!(
            "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
            BASE64.encode(pkcs8)
        );
        crate::platform::private_files::create_private(&path, pem.as_bytes()).unwrap();
        let run = Command::new("ssh-keygen")
            .arg("-yf")
            .arg(path)
            .output()
            .unwrap();
        let line = String::from_utf8(run.stdout).unwrap();
        BASE64
            .decode(line.split(' ').nth(1).unwrap().trim().as_bytes())
            .unwrap()
    }

    #[test]
    fn the_public_key_in_the_form_of_ssh_is_that_of_the_certificate() {
        let ec = |curve: &str| {
            openssl_key(&[
                "-algorithm",
                "EC",
                "-pkeyopt",
                &format!("ec_paramgen_curve:{curve}"),
            ])
        };
        let mut keys: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
        for pkcs8 in [RSA[0].clone(), ec("P-256"), ec("P-384"), ec("P-521")] {
            keys.push((blob(&pkcs8), pkcs8));
        }
        let ed25519 = ed25519_dalek::SigningKey::from_bytes(&[7; 32]);
        let pkcs8 = [
            &b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20"[..],
            &[7; 32],
        ]
        .concat();
        let public = ed25519.verifying_key().to_bytes();
        keys.push((
            [&b"\0\0\0\x0bssh-ed25519\0\0\0\x20"[..], &public].concat(),
            pkcs8,
        ));
        for (blob, pkcs8) in keys {
            let key = PrivateKey::parse(SecretBytes::copy_of(&pkcs8)).unwrap();
            assert_eq!(
                ssh_spki_sha256(&blob),
                Some(key.spki_sha256()),
                "{}",
                key.key_type()
            );
            for end in 0..blob.len() {
                assert_eq!(ssh_spki_sha256(&blob[..end]), None);
            }
            assert_eq!(ssh_spki_sha256(&[&blob[..], b"\0\0\0\0"].concat()), None);
        }
    }

    #[test]
    fn what_is_no_such_key_is_none() {
        for blob in [
            &b""[..],
            b"\0\0\0\x07ssh-dss",
            b"\xff\xff\xff\xffssh-rsa",
            b"\0\0\0\x0becdsa-sha2-\0\0\0\0\0\0\0\0",
        ] {
            assert_eq!(ssh_spki_sha256(blob), None);
        }
        let other_curve = b"\0\0\0\x13ecdsa-sha2-nistp256\0\0\0\x08nistp384\0\0\0\x01x";
        assert_eq!(ssh_spki_sha256(other_curve), None);
    }
}
