//! What of a key pair one file holds, where certificate and key lie in files of their own.

/// What a file in PEM or DER holds of a key pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FilePart {
    /// Its certificate alone.
    Certificate,
    /// The same in DER.
    CertificateDer,
    /// The certificates above it, without its own.
    Chain,
    /// Its certificate and those above it.
    FullChain,
    /// Its key.
    Key,
    /// Certificates and key.
    All,
}

impl FilePart {
    const ALL: [Self; 6] = [
        Self::Certificate,
        Self::CertificateDer,
        Self::Chain,
        Self::FullChain,
        Self::Key,
        Self::All,
    ];

    /// As catalogs write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Certificate => "certificate",
            Self::CertificateDer => "certificate-der",
            Self::Chain => "chain",
            Self::FullChain => "fullchain",
            Self::Key => "key",
            Self::All => "all",
        }
    }

    /// What a catalog says; `None` for anything else.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|part| part.name() == name)
    }

    /// Whether the certificate of the key is in it.
    pub fn has_certificate(self) -> bool {
        matches!(
            self,
            Self::Certificate | Self::CertificateDer | Self::FullChain | Self::All
        )
    }

    /// Whether the key is in it.
    pub fn has_key(self) -> bool {
        matches!(self, Self::Key | Self::All)
    }
}
