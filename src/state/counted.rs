//! What still counts of the generations that this server wrote, by the rule of
//! `vault::counted`.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use vault::catalog::{AboutKeyPair, Counting};
use vault::counted::{Pair, Retired, Standing, When, judge};
use vault::id::Hash;

use super::written::Written;
use crate::iis::is_pending;

/// A key pair of this server's generations, and whether it counts.
pub struct Known<'a> {
    /// As the newest generation that holds it describes it, with every one that does.
    pub pair: Pair<'a>,
    /// How it stands.
    pub standing: Standing,
}

impl Known<'_> {
    /// Whether it is restored.
    pub fn counts(&self) -> bool {
        self.standing == Standing::Counts
    }

    /// As a catalog lists it.
    pub fn listed(self) -> Counting {
        Counting {
            thumbprint: self.pair.about.thumbprint.clone(),
            certificate_sha256: self.pair.about.certificate_sha256,
            names: self.pair.about.names.clone(),
            not_after: self.pair.about.not_after,
            generations: self.pair.numbers.into_iter().collect(),
        }
    }
}

/// Every key pair of `generations`, which come newest first, each once; `now` as in [`When`].
pub fn of_generations<'a>(
    generations: &[&'a Written],
    retired: &Retired<'_>,
    is_closed: bool,
    now: Option<Timestamp>,
) -> Vec<Known<'a>> {
    let Some(newest) = generations.first() else {
        return Vec::new();
    };
    let bound = generations.iter().find_map(|one| one.served.as_ref());
    let bound = bound.map(|served| &served.used);
    let mut pairs = pairs_of(generations, bound);
    for pair in &mut pairs {
        pair.is_retired = retired.get(pair.about).is_some();
    }
    let when = When {
        newest: newest.number,
        is_closed,
        now,
    };
    let standings = judge(&pairs, when);
    let known = pairs.into_iter().zip(standings);
    known
        .map(|(pair, standing)| Known { pair, standing })
        .collect()
}

fn pairs_of<'a>(generations: &[&'a Written], bound: Option<&BTreeSet<String>>) -> Vec<Pair<'a>> {
    let mut places: BTreeMap<Hash, usize> = BTreeMap::new();
    let mut pairs: Vec<Pair<'a>> = Vec::new();
    for written in generations {
        for about in &written.key_pairs {
            let place = *places.entry(about.certificate_sha256).or_insert_with(|| {
                pairs.push(pair(about, bound));
                pairs.len() - 1
            });
            pairs[place].numbers.insert(written.number);
        }
    }
    pairs
}

fn pair<'a>(about: &'a AboutKeyPair, bound: Option<&BTreeSet<String>>) -> Pair<'a> {
    Pair {
        about,
        numbers: BTreeSet::new(),
        is_here: true,
        is_bound: bound.is_some_and(|used| used.contains(&about.thumbprint)),
        is_pending: is_pending(about),
        is_retired: false,
    }
}

/// What a catalog lists: all that nothing has renewed and nobody retired, with its end. A clock may be wrong, so what
/// has ended is among it.
pub fn listed(generations: &[&Written], retired: &Retired<'_>, now: Timestamp) -> Vec<Counting> {
    let mut known = of_generations(generations, retired, false, Some(now));
    known.retain(|one| matches!(one.standing, Standing::Counts | Standing::Ended));
    known.into_iter().map(Known::listed).collect()
}
