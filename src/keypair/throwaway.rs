//! A throw-away certificate authority: for the demonstration, the tests and the benches. Nothing it
//! issues is worth protecting, and nothing else may use it.

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, IsCa, Issuer,
    KeyUsagePurpose, SignatureAlgorithm,
};
use rsa::pkcs8::EncodePrivateKey;
use zeroize::Zeroizing;

use crate::keypair::{self, CertInput, KeyInput, KeyPair};
use secret::SecretBytes;
use vault::lines::day_of;

/// Kinds of keys that servers have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    /// RSA with 2048 bits.
    Rsa,
    /// ECDSA on P-256.
    P256,
    /// ECDSA on P-384.
    P384,
    /// ECDSA on P-521. A key only: the library issues no certificate for it.
    P521,
    /// Ed25519.
    Ed25519,
}

/// A root and the intermediate that issues.
pub struct Authority {
    root: CertifiedIssuer<'static, rcgen::KeyPair>,
    issuing: CertifiedIssuer<'static, rcgen::KeyPair>,
}

impl Authority {
    /// Makes both, with ECDSA keys, valid for a year from `now`.
    ///
    /// # Errors
    /// When the library refuses, which nothing here gives a reason for.
    pub fn new(name: &str, now: jiff::Timestamp) -> Result<Self, rcgen::Error> {
        let root_key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)?;
        let root = CertifiedIssuer::self_signed(
            authority_params(&format!("{name} Root"), now)?,
            root_key,
        )?;
        let issuing_key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)?;
        let issuing_params = authority_params(&format!("{name} Issuing"), now)?;
        let issuing = CertifiedIssuer::signed_by(issuing_params, issuing_key, &root)?;
        Ok(Self { root, issuing })
    }

    /// Issues a certificate for `names` with a new key of `kind`, with the chain up to the root.
    ///
    /// # Errors
    /// When the library refuses.
    pub fn issue(
        &self,
        names: &[&str],
        kind: KeyKind,
        now: jiff::Timestamp,
    ) -> Result<KeyPair, rcgen::Error> {
        self.issue_for(names, &new_key(kind)?, now)
    }

    /// As [`Authority::issue`], for a key that is already there.
    ///
    /// # Errors
    /// When the library refuses the key.
    pub fn issue_for(
        &self,
        names: &[&str],
        key: &ThrowawayKey,
        now: jiff::Timestamp,
    ) -> Result<KeyPair, rcgen::Error> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names.clone())?;
        params.distinguished_name = common_name(names.first().map_or("", String::as_str));
        params.use_authority_key_identifier_extension = true;
        [params.not_before, params.not_after] = validity(now);
        let issuer: &Issuer<'_, _> = &self.issuing;
        let leaf = params.signed_by(&key.signer, issuer)?;
        let chain = [
            leaf.der().as_ref(),
            self.issuing.as_ref().der().as_ref(),
            self.root.as_ref().der().as_ref(),
        ];
        let mut certificates = chain.map(|der| CertInput::bare(der.to_vec()));
        certificates[0].friendly_name = names.first().cloned();
        let key = KeyInput::bare(SecretBytes::copy_of(key.pkcs8.expose()));
        let mut sorted = keypair::sort(vec![key], certificates.into(), now);
        sorted
            .key_pairs
            .pop()
            .ok_or(rcgen::Error::CouldNotParseKeyPair)
    }
}

/// A private key, once as bytes and once for the library that issues.
pub struct ThrowawayKey {
    /// PKCS#8.
    pub pkcs8: SecretBytes,
    signer: rcgen::KeyPair,
}

/// A new key without anything to issue with, PKCS#8.
///
/// # Errors
/// When the system has no random numbers.
pub fn new_private_key(kind: KeyKind) -> Result<SecretBytes, rcgen::Error> {
    if kind != KeyKind::P521 {
        return Ok(new_key(kind)?.pkcs8);
    }
    let refused = || rcgen::Error::KeyGenerationUnavailable;
    let mut scalar = Zeroizing::new([0; 66]);
    loop {
        getrandom::fill(&mut scalar[..]).map_err(|_| refused())?;
        // 521 bits; hardly ever not below the order of the curve.
        scalar[0] &= 1;
        if let Ok(key) = p521::SecretKey::from_slice(&scalar[..]) {
            let document = key.to_pkcs8_der().map_err(|_| refused())?;
            return Ok(SecretBytes::copy_of(document.as_bytes()));
        }
    }
}

/// A new key.
///
/// # Errors
/// When the system has no random numbers, or the library issues nothing for such a key.
pub fn new_key(kind: KeyKind) -> Result<ThrowawayKey, rcgen::Error> {
    if kind == KeyKind::Rsa {
        let key = rsa::PrivateKey::new(&mut getrandom::SysRng, 2048)
            .map_err(|_| rcgen::Error::KeyGenerationUnavailable)?;
        let document = key
            .to_pkcs8_der()
            .map_err(|_| rcgen::Error::KeyGenerationUnavailable)?;
        return key_of(document.as_bytes(), &rcgen::PKCS_RSA_SHA256);
    }
    let algorithm = match kind {
        KeyKind::P384 => &rcgen::PKCS_ECDSA_P384_SHA384,
        KeyKind::Ed25519 => &rcgen::PKCS_ED25519,
        KeyKind::P521 => return Err(rcgen::Error::KeyGenerationUnavailable),
        KeyKind::Rsa | KeyKind::P256 => &rcgen::PKCS_ECDSA_P256_SHA256,
    };
    let signer = rcgen::KeyPair::generate_for(algorithm)?;
    Ok(ThrowawayKey {
        pkcs8: SecretBytes::from(Zeroizing::new(signer.serialize_der())),
        signer,
    })
}

fn key_of(
    pkcs8: &[u8],
    algorithm: &'static SignatureAlgorithm,
) -> Result<ThrowawayKey, rcgen::Error> {
    let signer = rcgen::KeyPair::from_pkcs8_der_and_sign_algo(&pkcs8.into(), algorithm)?;
    Ok(ThrowawayKey {
        pkcs8: SecretBytes::copy_of(pkcs8),
        signer,
    })
}

fn authority_params(name: &str, now: jiff::Timestamp) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name = common_name(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.use_authority_key_identifier_extension = true;
    [params.not_before, params.not_after] = validity(now);
    Ok(params)
}

fn common_name(name: &str) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::CommonName, name);
    distinguished
}

/// From the day before for a year.
fn validity(now: jiff::Timestamp) -> [time::OffsetDateTime; 2] {
    let today = day_of(now);
    let date = |day: jiff::civil::Date| {
        rcgen::date_time_ymd(day.year().into(), day.month() as u8, day.day() as u8)
    };
    [
        date(today.yesterday().unwrap_or(today)),
        date(today.saturating_add(jiff::Span::new().years(1))),
    ]
}
