//! Key pairs made for one test: a leaf under an intermediate of its own.

use pfxvault::change::IncomingKeyPair;
use pfxvault::iis::StoreName;
use pkcs8::EncodePrivateKey;
use secret::SecretBytes;

/// As IIS administrators in Japan write them.
pub(crate) const FRIENDLY_NAME: &str = "公開 サイト 2026年";

/// A key pair.
pub(crate) struct Pair {
    /// The certificate.
    pub der: Vec<u8>,
    /// The certificate that signed it.
    pub intermediate: Vec<u8>,
    /// The key.
    pub pkcs8: SecretBytes,
}

/// What kind of key.
#[derive(Clone, Copy)]
pub(crate) enum PairKind {
    /// Bits.
    Rsa(usize),
    /// P-256.
    Ec,
    /// P-384.
    P384,
}

impl Pair {
    /// Makes one.
    pub(crate) fn new(kind: PairKind) -> Self {
        let key = match kind {
            PairKind::Ec => rcgen::KeyPair::generate().unwrap(),
            PairKind::P384 => rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap(),
            PairKind::Rsa(bits) => {
                let mut random = rsa::rand_core::UnwrapErr(getrandom::SysRng);
                let key = rsa::PrivateKey::new(&mut random, bits).unwrap();
                rcgen::KeyPair::try_from(key.to_pkcs8_der().unwrap().as_bytes()).unwrap()
            }
        };
        Self::of(&key)
    }

    fn of(key: &rcgen::KeyPair) -> Self {
        let mut authority = rcgen::CertificateParams::new([]).unwrap();
        authority
            .distinguished_name
            .push(rcgen::DnType::CommonName, "Intermediate");
        let root =
            rcgen::CertifiedIssuer::self_signed(authority, rcgen::KeyPair::generate().unwrap())
                .unwrap();
        let mut authority = rcgen::CertificateParams::new([]).unwrap();
        authority
            .distinguished_name
            .push(rcgen::DnType::CommonName, "Issuing");
        authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let issuer = rcgen::CertifiedIssuer::signed_by(
            authority,
            rcgen::KeyPair::generate().unwrap(),
            &root,
        )
        .unwrap();
        let params = rcgen::CertificateParams::new(["www.example.com".to_owned()]).unwrap();
        let leaf = params.signed_by(key, &issuer).unwrap();
        Self {
            der: leaf.der().to_vec(),
            intermediate: issuer.der().to_vec(),
            pkcs8: SecretBytes::new(key.serialize_der()),
        }
    }

    /// As a vault has it.
    pub(crate) fn incoming(&self) -> IncomingKeyPair<'_> {
        IncomingKeyPair {
            name: "www.example.com".into(),
            leaf: &self.der,
            authorities: vec![&self.intermediate],
            pkcs8: &self.pkcs8,
            friendly_name: Some(FRIENDLY_NAME),
            store: StoreName::WebHosting,
            provider: None,
            access: &[],
        }
    }
}
