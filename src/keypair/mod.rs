//! Key pairs: which private key belongs to which certificate, whether the key is sound, and the
//! chain in order. Bytes and values in, values out; the time is passed in, and nothing here is ever
//! written or sent.

mod algorithm;
mod called;
mod certificate;
mod chain;
mod curve;
mod host;
mod key;
mod label;
mod name;
mod public;
mod rank;
mod renewer;
mod rsa_key;
mod sort;
mod ssh;
pub mod throwaway;
mod time;
mod warning;

#[cfg(test)]
pub(crate) mod fixtures;
#[cfg(test)]
mod odd_tests;

pub(crate) use algorithm::{DigestName, VerifyScheme};
pub use called::{as_file_name, is_called, labels};
pub use certificate::{Certificate, Remaining};
pub use chain::chain_of;
pub use host::{ascii_host, is_same_host, unicode_host};
pub use key::PrivateKey;
pub use public::is_weak;
pub use rank::{Lower, Rank};
pub use renewer::Renewer;
pub(crate) use rsa_key::pkcs8_of_rsa;
pub use sort::{CertInput, KeyInput, LockedKeyInput, Sorted, Unusable, sort, sort_file};
pub(crate) use ssh::{ssh_spki_sha256, ssh_string};
pub use warning::Warning;

/// A private key with its certificate and, as far as they were there, those above it.
#[derive(Debug)]
pub struct KeyPair {
    /// The key of the first certificate.
    pub key: PrivateKey,
    /// The leaf, then each one's issuer; never empty.
    pub chain: Vec<Certificate>,
    /// What else lay beside them: other ways up, further authorities, strays.
    pub further: Vec<Certificate>,
    /// The name that Windows shows: the certificate's.
    pub friendly_name: Option<String>,
    /// The name of the container that kept the key in Windows, where it is another one.
    pub container_name: Option<String>,
    /// The provider that kept the key in Windows.
    pub csp_name: Option<String>,
    /// What the owner should know about it.
    pub warnings: Vec<Warning>,
}

impl KeyPair {
    /// The certificate that the key belongs to.
    pub fn leaf(&self) -> &Certificate {
        &self.chain[0]
    }

    /// Its certificates that stand above its own on any way up.
    pub(crate) fn ways_up(&self, now: jiff::Timestamp) -> Vec<Certificate> {
        let all: Vec<_> = self.certificates().cloned().collect();
        let ways = chain::ways_of(0, &all, now).into_iter();
        ways.map(|at| all[at].clone()).collect()
    }

    /// All its certificates: its own, then the chain, then the others.
    pub fn certificates(&self) -> impl Iterator<Item = &Certificate> {
        self.chain.iter().chain(&self.further)
    }
}

/// Why a key or certificate cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyPairError {
    /// A kind of key that cannot be backed up.
    #[error("keys of the kind {algorithm} are not supported")]
    UnsupportedKey {
        /// Its name for people, or the dotted object identifier.
        algorithm: String,
    },
    /// The parts of the key do not fit together: it would sign wrongly, or not at all.
    #[error("the private key is damaged")]
    KeyDamaged,
    /// Not a PKCS#8 key.
    #[error("the private key is not in the PKCS#8 form")]
    MalformedKey,
    /// Not an X.509 certificate.
    #[error("a certificate is malformed")]
    MalformedCertificate,
    /// One of the certificates of a file is none.
    #[error("certificate {number} of {count} cannot be read")]
    UnreadableCertificate {
        /// Which one, from 1 on.
        number: usize,
        /// Of how many.
        count: usize,
    },
    /// The key has another password than its file.
    #[error("the private key has another password than its file")]
    LockedKey,
}
