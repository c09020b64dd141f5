//! A certificate and a key in PEM, as other servers keep them.

use crate::input::read_input;
use std::path::Path;

use rsa::pkcs1::DecodeRsaPrivateKey;
use rsa::pkcs8::EncodePrivateKey;
use rustls_pki_types::pem::{PemObject, SectionKind};

use crate::error::{Error, Result};
use crate::keypair::{CertInput, KeyInput};
use crate::text;
use secret::SecretBytes;

/// Reads all certificates of one file and the private key of another (or of the same).
pub(super) fn read(certificate: &Path, key: &Path) -> Result<(Vec<KeyInput>, Vec<CertInput>)> {
    let certificates = sections(certificate)?
        .into_iter()
        .filter(|(kind, _)| *kind == SectionKind::Certificate);
    let input = |(_, der): (_, SecretBytes)| CertInput {
        der: der.expose().to_vec(),
        friendly_name: None,
    };
    let certificates: Vec<_> = certificates.map(input).collect();
    if certificates.is_empty() {
        return Err(Error::failed(text!(
            "error-pem-no-certificate",
            path = certificate
        )));
    }
    let pkcs8 = sections(key)?
        .into_iter()
        .find_map(|(kind, der)| to_pkcs8(kind, der));
    let pkcs8 = pkcs8.ok_or_else(|| Error::failed(text!("error-pem-no-key", path = key)))?;
    Ok((
        vec![KeyInput {
            pkcs8,
            friendly_name: None,
            csp_name: None,
        }],
        certificates,
    ))
}

/// Everything in a file, each section wiped when it goes: any may be a key, whichever file it
/// stands in.
fn sections(path: &Path) -> Result<Vec<(SectionKind, SecretBytes)>> {
    let malformed = || Error::failed(text!("error-pem-malformed", path = path));
    let bytes = read_input(path)
        .map_err(|e| Error::failed(text!("error-source-unreadable", path = path, reason = &e)))?;
    let sections = <(SectionKind, Vec<u8>)>::pem_slice_iter(&bytes);
    let wiped = sections.map(|section| section.map(|(kind, der)| (kind, SecretBytes::new(der))));
    wiped.collect::<Result<_, _>>().map_err(|_| malformed())
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
