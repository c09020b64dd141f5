//! A look at a server: every certificate of some stores, and what its key link is worth. Nothing is
//! repaired.

use super::NoExport;
use super::{
    Iis, KeyFacts, KeyLink, KeySet, SiteMap, StoreName, StoredCertificate, WindowsError, blob,
    public_key,
};
use crate::message::Text;
use crate::text;

/// What a server holds.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// Its certificates.
    pub seen: Vec<StoreEntry>,
    /// The machine's keys, linked or not.
    pub keys: Vec<FoundKey>,
    /// Those that do not open, and why: nobody can tell whose they are.
    pub closed: Vec<(KeyLink, WindowsError)>,
    /// Why Windows did not list its keys, where it did not.
    pub unlisted: Option<WindowsError>,
}

/// A key of the machine that opens.
#[derive(Debug, Clone)]
pub struct FoundKey {
    /// Where it lies.
    pub link: KeyLink,
    /// What it is.
    pub facts: KeyFacts,
}

/// A certificate with the state of its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreEntry {
    /// Where it lies.
    pub store: StoreName,
    /// The certificate.
    pub certificate: StoredCertificate,
    /// Its key.
    pub key: KeyState,
}

/// What became of following a certificate's key link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyState {
    /// The key opens, and it is this certificate's.
    Works(KeyFacts),
    /// There is no link: IIS Manager does not show the certificate.
    NoLink,
    /// The link leads into a user's profile, where no service reaches it.
    UserProfile,
    /// The link leads nowhere.
    Missing,
    /// The link leads to the key of another certificate.
    OtherKey,
    /// This process may not look.
    Unknown,
    /// Windows refuses to open it.
    Refused(WindowsError),
}

impl KeyState {
    /// Whether the key opens and belongs.
    pub fn works(&self) -> bool {
        matches!(self, Self::Works(_))
    }

    /// Whether a key of the certificate may be on this machine: nobody saw that it is not.
    pub fn may_be_here(&self) -> bool {
        !matches!(self, Self::NoLink | Self::Missing | Self::OtherKey)
    }
}

/// Looks at the certificates of `stores`, in their order. Archived ones are left out, as Windows
/// does, unless IIS uses them, or its configuration cannot be read and so may use them.
///
/// # Errors
/// When a store cannot be read. A key that cannot be opened is a state, not an error.
pub fn look(server: Iis<'_>, stores: &[StoreName]) -> Result<Vec<StoreEntry>, WindowsError> {
    let mut found = Vec::new();
    for &store in stores {
        let certificates = server.stores.certificates(store)?;
        found.extend(
            certificates
                .into_iter()
                .map(|certificate| (store, certificate)),
        );
    }
    let is_archived = |(_, certificate): &(_, StoredCertificate)| certificate.properties.archived;
    if found.iter().any(is_archived)
        && let Ok(map) = SiteMap::of(server)
    {
        let used = map.used_by_anybody();
        found.retain(|one| !is_archived(one) || used.contains(&one.1.thumbprint()));
    }
    let seen = found.into_iter().map(|(store, certificate)| StoreEntry {
        key: state_of(server, &certificate),
        store,
        certificate,
    });
    Ok(seen.collect())
}

/// Looks at everything. Keys that Windows does not list are not known of.
///
/// # Errors
/// As [`look`].
pub fn look_at_all(server: Iis<'_>) -> Result<Snapshot, WindowsError> {
    let seen = look(server, &StoreName::ALL)?;
    let mut here = Snapshot {
        seen,
        ..Snapshot::default()
    };
    // One broken file among thousands must not keep a certificate from its key.
    let containers = server.keys.containers();
    here.unlisted = containers.as_ref().err().cloned();
    for link in containers.unwrap_or_default() {
        match server.keys.inspect(&link) {
            Ok(facts) => here.keys.push(FoundKey { link, facts }),
            Err(reason) => here.closed.push((link, reason)),
        }
    }
    Ok(here)
}

/// Follows the key link of a certificate.
pub fn state_of(server: Iis<'_>, certificate: &StoredCertificate) -> KeyState {
    let Some(link) = &certificate.properties.key else {
        return KeyState::NoLink;
    };
    if link.key_set == KeySet::User {
        return KeyState::UserProfile;
    }
    match server.keys.inspect(link) {
        Ok(facts) if belongs(&facts, &certificate.der) => KeyState::Works(facts),
        Ok(_) => KeyState::OtherKey,
        // Without elevation a key that is there answers as one that is not.
        Err(_) if !server.keys.elevated() => KeyState::Unknown,
        Err(error) if error.code.is_missing_key() => KeyState::Missing,
        Err(error) => KeyState::Refused(error),
    }
}

fn belongs(facts: &KeyFacts, certificate: &[u8]) -> bool {
    public_key(certificate).is_some_and(|wanted| blob::is_same_key(&wanted, &facts.public_key))
}

/// Why a certificate has no key that works, for people.
pub fn without_key(state: &KeyState) -> Text {
    match state {
        KeyState::Works(_) | KeyState::Unknown => text!("key-unknown"),
        KeyState::NoLink => text!("key-no-link"),
        KeyState::UserProfile => text!("key-user-profile"),
        KeyState::Missing => text!("key-missing"),
        KeyState::OtherKey => text!("key-other"),
        KeyState::Refused(error) => error.text(),
    }
}

/// Why the key of a certificate cannot be backed up; `None` if it can.
pub fn hindrance(seen: &StoreEntry) -> Option<Text> {
    match &seen.key {
        KeyState::Works(facts) => facts.no_export.as_ref().map(NoExport::text),
        state => Some(without_key(state)),
    }
}
