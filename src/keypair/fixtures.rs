//! Keys and certificates for tests: by rcgen where it can, by the openssl command where it cannot.

use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;

use jiff::Timestamp;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyUsagePurpose};

use super::{CertInput, KeyInput, Sorted, sort};
use secret::SecretBytes;

/// All certificates made by [`Authority`] are valid at this time.
pub(crate) fn now() -> Timestamp {
    "2026-06-01T00:00:00Z".parse().unwrap()
}

/// Two RSA keys of 2048 bits; making them is slow.
pub(crate) static RSA: LazyLock<[Vec<u8>; 2]> = LazyLock::new(|| {
    [(); 2].map(|()| openssl_key(&["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"]))
});

/// Runs openssl in a folder; its input and output are files there.
pub(crate) fn openssl(folder: &Path, arguments: &[&str]) {
    let run = Command::new("openssl")
        .current_dir(folder)
        .args(arguments)
        .output()
        .unwrap();
    assert!(
        run.status.success(),
        "{arguments:?}: {}",
        String::from_utf8_lossy(&run.stderr)
    );
}

/// A new key, PKCS#8 DER.
pub(crate) fn openssl_key(options: &[&str]) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    openssl(
        folder.path(),
        &[&["genpkey", "-outform", "DER", "-out", "key"], options].concat(),
    );
    openssl(
        folder.path(),
        &[
            "pkcs8", "-topk8", "-nocrypt", "-inform", "DER", "-in", "key", "-outform", "DER",
            "-out", "p8",
        ],
    );
    std::fs::read(folder.path().join("p8")).unwrap()
}

/// A self-signed certificate for `www.example.com` over a PKCS#8 key, DER.
pub(crate) fn openssl_certificate(pkcs8: &[u8], options: &[&str]) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("key"), pkcs8).unwrap();
    let request = [
        "req", "-x509", "-key", "key", "-keyform", "DER", "-outform", "DER", "-out", "crt",
        "-days", "3650",
    ];
    openssl(
        folder.path(),
        &[&request, &["-subj", "/CN=www.example.com"][..], options].concat(),
    );
    std::fs::read(folder.path().join("crt")).unwrap()
}

/// A certificate with its ECDSA P-256 key.
pub(crate) struct Issued {
    pub(crate) key: rcgen::KeyPair,
    pub(crate) params: CertificateParams,
    pub(crate) der: Vec<u8>,
}

impl Issued {
    /// A self-signed authority.
    pub(crate) fn root(name: &str) -> Self {
        Self::root_with(name, rcgen::KeyPair::generate().unwrap())
    }

    pub(crate) fn root_with(name: &str, key: rcgen::KeyPair) -> Self {
        let params = authority(name);
        let der = params.self_signed(&key).unwrap().der().to_vec();
        Self { key, params, der }
    }

    /// A self-signed certificate of a host.
    pub(crate) fn self_signed(name: &str) -> Self {
        let (key, params) = (rcgen::KeyPair::generate().unwrap(), host(name));
        let der = params.self_signed(&key).unwrap().der().to_vec();
        Self { key, params, der }
    }

    /// An authority below this one.
    pub(crate) fn authority(&self, name: &str) -> Self {
        self.issue(authority(name), rcgen::KeyPair::generate().unwrap())
    }

    /// A host's certificate below this authority.
    pub(crate) fn host(&self, name: &str) -> Self {
        self.issue(host(name), rcgen::KeyPair::generate().unwrap())
    }

    pub(crate) fn issue(&self, params: CertificateParams, key: rcgen::KeyPair) -> Self {
        let issuer = Issuer::from_params(&self.params, &self.key);
        let der = params.signed_by(&key, &issuer).unwrap().der().to_vec();
        Self { key, params, der }
    }

    pub(crate) fn pkcs8(&self) -> Vec<u8> {
        self.key.serialize_der()
    }

    pub(crate) fn key_again(&self) -> rcgen::KeyPair {
        rcgen::KeyPair::try_from(self.pkcs8()).unwrap()
    }
}

pub(crate) fn host(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.use_authority_key_identifier_extension = true;
    dated(params, name)
}

pub(crate) fn authority(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params.use_authority_key_identifier_extension = true;
    dated(params, name)
}

fn dated(mut params: CertificateParams, name: &str) -> CertificateParams {
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = rcgen::date_time_ymd(2026, 1, 1);
    params.not_after = rcgen::date_time_ymd(2027, 1, 1);
    params
}

pub(crate) fn key_input(pkcs8: &[u8]) -> KeyInput {
    KeyInput::bare(SecretBytes::copy_of(pkcs8))
}

/// Sorts unnamed keys and certificates.
pub(crate) fn sorted(keys: &[Vec<u8>], certificates: &[&[u8]]) -> Sorted {
    let keys = keys.iter().map(|key| key_input(key)).collect();
    let certificates = certificates
        .iter()
        .map(|der| CertInput::bare(der.to_vec()))
        .collect();
    sort(keys, certificates, now())
}
