//! What a client of this program demands of a TLS server: that it has the private key of the
//! certificate it shows. No names, no dates, no trust in any authority.

use std::sync::{Arc, LazyLock};

use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, SignatureScheme,
    SupportedProtocolVersion,
};

use crate::keypair::{Certificate, DigestName, VerifyScheme};

static PROVIDER: LazyLock<Arc<CryptoProvider>> =
    LazyLock::new(|| Arc::new(ring::default_provider()));

/// The cryptography of every connection.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    PROVIDER.clone()
}

/// Accepts whoever signs with the key of the certificate shown (RFC 8446 section 4.4.3).
#[derive(Debug)]
pub(crate) struct HasTheKey {
    /// The only certificate that may be shown, byte for byte; any where there is none.
    only: Option<Certificate>,
}

impl HasTheKey {
    /// Whoever has the key of this certificate.
    pub(crate) fn of(certificate: &Certificate) -> Self {
        Self {
            only: Some(certificate.clone()),
        }
    }

    /// Whoever has the key of what it shows.
    pub(crate) fn of_any() -> Self {
        Self { only: None }
    }

    /// A client that demands it in one of these versions, and remembers no session.
    pub(crate) fn config(
        self,
        versions: &[&'static SupportedProtocolVersion],
    ) -> Result<ClientConfig, rustls::Error> {
        let mut config = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(versions)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(self))
            .with_no_client_auth();
        config.resumption = Resumption::disabled();
        Ok(config)
    }
}

impl ServerCertVerifier for HasTheKey {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        match &self.only {
            Some(only) if only.der() != leaf.as_ref() => {
                Err(CertificateError::ApplicationVerificationFailure.into())
            }
            _ => Ok(ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        SCHEMES.iter().map(|(scheme, _)| *scheme).collect()
    }
}

fn verify(
    message: &[u8],
    certificate: &CertificateDer<'_>,
    signed: &DigitallySignedStruct,
) -> Result<HandshakeSignatureValid, rustls::Error> {
    match signs(signed.scheme, certificate, message, signed.signature()) {
        Some(true) => Ok(HandshakeSignatureValid::assertion()),
        _ => Err(CertificateError::BadSignature.into()),
    }
}

/// Whether the key of a certificate made a signature; `None` where that cannot be told: its kind of
/// key, the scheme or the certificate is not known here.
pub(super) fn signs(
    scheme: SignatureScheme,
    certificate: &[u8],
    message: &[u8],
    signature: &[u8],
) -> Option<bool> {
    let certificate = Certificate::parse(certificate.to_vec()).ok()?;
    let known = SCHEMES.iter().find(|(known, _)| *known == scheme);
    let (_, scheme) = known?;
    Some(certificate.public()?.verify(*scheme, message, signature))
}

/// SignatureScheme of RFC 8446 section 4.2.3.
pub(super) const SCHEMES: [(SignatureScheme, VerifyScheme); 10] = [
    (
        SignatureScheme::ECDSA_NISTP256_SHA256,
        VerifyScheme::Ecdsa(DigestName::Sha256),
    ),
    (
        SignatureScheme::ECDSA_NISTP384_SHA384,
        VerifyScheme::Ecdsa(DigestName::Sha384),
    ),
    (
        SignatureScheme::ECDSA_NISTP521_SHA512,
        VerifyScheme::Ecdsa(DigestName::Sha512),
    ),
    (SignatureScheme::ED25519, VerifyScheme::Ed25519),
    (
        SignatureScheme::RSA_PSS_SHA256,
        VerifyScheme::RsaPss {
            hash: DigestName::Sha256,
            salt: 32,
        },
    ),
    (
        SignatureScheme::RSA_PSS_SHA384,
        VerifyScheme::RsaPss {
            hash: DigestName::Sha384,
            salt: 48,
        },
    ),
    (
        SignatureScheme::RSA_PSS_SHA512,
        VerifyScheme::RsaPss {
            hash: DigestName::Sha512,
            salt: 64,
        },
    ),
    (
        SignatureScheme::RSA_PKCS1_SHA256,
        VerifyScheme::RsaPkcs1(DigestName::Sha256),
    ),
    (
        SignatureScheme::RSA_PKCS1_SHA384,
        VerifyScheme::RsaPkcs1(DigestName::Sha384),
    ),
    (
        SignatureScheme::RSA_PKCS1_SHA512,
        VerifyScheme::RsaPkcs1(DigestName::Sha512),
    ),
];

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::keypair::fixtures::{Issued, now};

    #[test]
    fn the_client_accepts_no_other_certificate_of_the_same_key() {
        let issued = Issued::self_signed("www.example.com");
        let again = issued.issue(issued.params.clone(), issued.key_again());
        let [ours, twin] = [issued.der, again.der].map(|der| Certificate::parse(der).unwrap());
        assert_eq!(ours.spki_sha256(), twin.spki_sha256());
        let name = ServerName::try_from("localhost").unwrap();
        let verify = |der: &[u8]| {
            let now =
                UnixTime::since_unix_epoch(Duration::from_secs(now().as_second().cast_unsigned()));
            HasTheKey::of(&ours).verify_server_cert(
                &CertificateDer::from(der),
                &[],
                &name,
                &[],
                now,
            )
        };
        assert!(verify(ours.der()).is_ok());
        assert!(verify(twin.der()).is_err());
    }
}
