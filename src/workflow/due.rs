//! When a medium is due by what it holds: certificates end long before the calendar asks for a check.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::state::State;
use crate::state::counted::Known;
use crate::workflow::clock;
use vault::catalog::{AboutKeyPair, SeenMedium};
use vault::counted::Standing;
use vault::lines::day_of;

/// The first day from which a medium in use has only ended copies of a key pair that counts.
pub fn first_day(state: &State, now: Timestamp) -> Option<jiff::civil::Date> {
    let known = state.key_pairs(clock::trusted(now, state));
    let media = state.media_in_use();
    let ends = media.filter_map(|medium| Copies::on(medium, state, &known).first_end());
    ends.min().map(day_of)
}

/// What a medium has of the key pairs that count.
#[derive(Default)]
pub struct Copies<'a> {
    /// Each of which something is there, with the last moment at which one of the copies is valid: of
    /// itself, or of what it renewed.
    pub ends: Vec<(&'a AboutKeyPair, Timestamp)>,
    /// Those of which only what they renewed is there.
    pub renewed: Vec<&'a AboutKeyPair>,
}

impl<'a> Copies<'a> {
    /// Of what this server remembers of a medium. What has no copy there at all is in neither list.
    pub fn on(medium: &SeenMedium, state: &State, known: &[Known<'a>]) -> Self {
        let is_there = |one: &Known<'_>| {
            let mut numbers = one.pair.numbers.iter();
            numbers.any(|number| state.is_on(medium, *number))
        };
        let mut last_ends: BTreeMap<usize, Timestamp> = BTreeMap::new();
        for (at, one) in known.iter().enumerate().filter(|(_, one)| is_there(one)) {
            let counting = match one.standing {
                Standing::Counts => at,
                Standing::Renewed(by) => by,
                Standing::Ended | Standing::Retired => continue,
            };
            let end = last_ends
                .entry(counting)
                .or_insert(one.pair.about.not_after);
            *end = one.pair.about.not_after.max(*end);
        }
        let mut copies = Self::default();
        for (at, end) in last_ends {
            copies.ends.push((known[at].pair.about, end));
            if !is_there(&known[at]) {
                copies.renewed.push(known[at].pair.about);
            }
        }
        copies
    }

    /// Those of which every copy there has ended.
    pub fn ended(&self, now: Timestamp) -> Vec<&'a AboutKeyPair> {
        let ended = self.ends.iter().filter(|(_, end)| *end < now);
        ended.map(|(about, _)| *about).collect()
    }

    /// The first moment from which one of them has only ended copies there.
    pub fn first_end(&self) -> Option<Timestamp> {
        self.ends.iter().map(|(_, end)| *end).min()
    }
}
