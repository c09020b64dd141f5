//! What a catalog carries of Windows beside a key pair. The vault does not look into it.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use vault::catalog::AboutKeyPair;

use super::{AccessEntry, StoreName};

/// What a certificate store of Windows keeps beside a key pair, and a PFX does not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OnWindows {
    /// `My`, `WebHosting` or `REQUEST`.
    pub store: String,
    /// The provider that kept the key.
    pub provider: String,
    /// Other stores that hold the certificate, too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<String>,
    /// Who else than the system and administrators could use the key.
    #[serde(default)]
    pub access: Vec<AccessEntry>,
}

impl OnWindows {
    /// What the catalog has of a key pair; `None` where it did not come from Windows, or is
    /// described in a way that is not known here.
    pub fn of(about: &AboutKeyPair) -> Option<Self> {
        Self::deserialize(about.windows.as_ref()?).ok()
    }

    /// As the catalog has it.
    pub fn to_value(&self) -> Option<Value> {
        serde_json::to_value(self).ok()
    }

    /// Whether it is a request that waits for its answer.
    pub fn is_request(&self) -> bool {
        self.store == StoreName::Request.as_str()
    }
}

/// Whether a catalog describes a request that waits for its answer.
pub fn is_pending(about: &AboutKeyPair) -> bool {
    OnWindows::of(about).is_some_and(|windows| windows.is_request())
}
