//! Findings that a person has looked at and put to rest until a day.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use vault::id::Hash;

use super::State;

/// Why a finding is no alarm for now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AtRest {
    /// The kind of finding.
    pub id: String,
    /// As typed.
    pub reason: String,
    /// The account that said so, a claim.
    pub by: Option<String>,
    /// When.
    pub time: Timestamp,
    /// The last day on which it holds.
    pub until: Date,
}

/// By the hash of the facts of the finding.
pub(super) type AllAtRest = BTreeMap<Hash, AtRest>;

impl State {
    /// Puts a finding to rest, known by its facts; what was said of it before is replaced. What is over
    /// is forgotten.
    pub fn put_to_rest(&mut self, facts: Hash, word: AtRest, today: Date) {
        let all = &mut self.memory.at_rest;
        all.retain(|_, known| today <= known.until);
        all.insert(facts, word);
    }

    /// What was said of a finding with these facts, if it holds on this day.
    pub fn at_rest(&self, facts: Hash, today: Date) -> Option<&AtRest> {
        let known = self.memory.at_rest.get(&facts);
        known.filter(|known| today <= known.until)
    }
}
