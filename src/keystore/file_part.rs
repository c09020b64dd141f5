//! What of a key pair one file holds, where certificate and key lie in files of their own.

use std::collections::BTreeSet;

use crate::keypair::{Certificate, KeyPair};
use vault::id::Hash;

/// A file's part in a key pair, with its certificates where those are not what the part says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartOfPair {
    /// What it holds.
    pub part: FilePart,
    /// SHA-256 of its certificates in the order it had; empty where they are all that the part
    /// says, in the order of the key pair.
    pub listed: Vec<Hash>,
}

impl PartOfPair {
    /// Of a file with these certificates of a key pair.
    pub(super) fn of(part: FilePart, certificates: &[&Certificate]) -> Self {
        let listed = certificates.iter().map(|one| Hash::of(one.der()));
        Self {
            part,
            listed: listed.collect(),
        }
    }

    /// Leaves out of its list what its part says. On which of several ways up a chain goes, the day
    /// of the restore may decide: where there are several, the list stays.
    pub(super) fn shorten(&mut self, pair: &KeyPair) {
        if self.listed.len() > most_listed(pair) {
            let mut known = BTreeSet::new();
            self.listed.retain(|hash| known.insert(*hash));
        }
        let usual = self.part.usual(pair).map(|one| Hash::of(one.der()));
        let is_usual = usual.eq(self.listed.iter().copied());
        if is_usual && (pair.further.is_empty() || self.listed.len() < 2) {
            self.listed.clear();
        }
    }

    /// Whether it is the certificate in DER.
    pub(super) fn is_der(&self) -> bool {
        self.part == FilePart::CertificateDer
    }

    /// The certificates that go into the file. What a catalog lists and the key pair does not have
    /// makes all of the list void.
    pub(super) fn certificates<'a>(&self, pair: &'a KeyPair) -> Vec<&'a Certificate> {
        let known: Vec<_> = pair
            .certificates()
            .map(|one| (Hash::of(one.der()), one))
            .collect();
        let find = |hash: &Hash| known.iter().find(|(of, _)| of == hash).map(|(_, one)| *one);
        let listed: Option<Vec<_>> = self.listed.iter().map(find).collect();
        match listed {
            Some(listed) if !listed.is_empty() && listed.len() <= most_listed(pair) => listed,
            _ => self.part.usual(pair).collect(),
        }
    }
}

/// Some may be in a file twice; more would be made up.
fn most_listed(pair: &KeyPair) -> usize {
    2 * pair.certificates().count()
}

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

    /// The certificates that such a file has of a key pair.
    fn usual(self, pair: &KeyPair) -> impl Iterator<Item = &Certificate> {
        let (from, count) = match self {
            Self::Certificate | Self::CertificateDer => (0, 1),
            Self::Chain => (1, usize::MAX),
            Self::FullChain | Self::All => (0, usize::MAX),
            Self::Key => (0, 0),
        };
        pair.certificates().skip(from).take(count)
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
