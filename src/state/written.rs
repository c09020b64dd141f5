//! What this server remembers of the generations that it wrote.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use vault::catalog::{AboutKeyPair, Exception, WithoutKey};
use vault::id::{Hash, Number};

/// A generation this server wrote.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Written {
    /// Its number.
    pub number: Number,
    /// SHA-256 of its record.
    pub record: Hash,
    /// Whether its signature was seen on a medium. What is not may count there all the same, but is
    /// no backup yet.
    pub committed: bool,
    /// Whether it was sealed into a parcel: until it is committed, it is on its way to a stick.
    #[serde(default)]
    pub in_parcel: bool,
    /// When.
    pub time: jiff::Timestamp,
    /// What a later run compares itself with: a digest of the key pairs and of who can open them.
    pub content: Hash,
    /// The same for each key pair alone, by the SHA-256 of its certificate; not in what earlier
    /// versions wrote.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub digests: BTreeMap<Hash, Hash>,
    /// The highest retirement that its catalog knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retired: Option<Number>,
    /// What the server served, where its sites were asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub served: Option<Served>,
    /// Its key pairs; of old ones no more than what newer ones lack, with what lay beside it under
    /// the same names.
    pub key_pairs: Vec<AboutKeyPair>,
    /// Key pairs recorded without their key.
    #[serde(default)]
    pub without_key: Vec<WithoutKey>,
    /// Rules that were set aside for it.
    #[serde(default)]
    pub exceptions: Vec<Exception>,
}

/// What a server served when a generation was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Served {
    /// A digest of its sites and records.
    pub digest: Hash,
    /// The thumbprints that they use.
    pub used: BTreeSet<String>,
}
