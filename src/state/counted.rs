//! Which key pairs of a server's generations still count. Nothing stops counting silently: a backup
//! of one file, by name or of another folder makes a generation that lacks the rest.

use std::collections::BTreeSet;
use std::net::IpAddr;

use jiff::Timestamp;
use vault::catalog::AboutKeyPair;
use vault::id::{Hash, Number};

use super::written::Written;
use crate::iis::is_pending;

/// One generation with the key pairs that can be had from it.
pub struct Described<'a> {
    /// Its number.
    pub number: Number,
    /// Its key pairs.
    pub key_pairs: Vec<&'a AboutKeyPair>,
}

impl<'a> Described<'a> {
    /// A generation that this server wrote, as far as it still knows what is in it.
    pub fn of(written: &'a Written) -> Self {
        Self {
            number: written.number,
            key_pairs: written.key_pairs.iter().collect(),
        }
    }

    /// Whether it holds that certificate.
    pub fn holds(&self, about: &AboutKeyPair) -> bool {
        self.key_pairs
            .iter()
            .any(|held| held.certificate_sha256 == about.certificate_sha256)
    }
}

/// For each of `others`, which come newest first: what neither `chosen` nor one before it holds,
/// unless something here has renewed it. What has ended is among it.
pub fn missing<'a>(
    chosen: &Described<'_>,
    others: &[Described<'a>],
    now: Timestamp,
) -> Vec<Vec<&'a AboutKeyPair>> {
    let mut seen: BTreeSet<Hash> = chosen
        .key_pairs
        .iter()
        .map(|about| about.certificate_sha256)
        .collect();
    let all: Vec<&Described<'_>> = others.iter().chain([chosen]).collect();
    let mut missing = Vec::new();
    for other in others {
        let mut held = other.key_pairs.clone();
        held.retain(|about| seen.insert(about.certificate_sha256) && !is_renewed(about, &all, now));
        missing.push(held);
    }
    missing
}

/// Whether one of `generations` holds what has taken its place.
fn is_renewed(old: &AboutKeyPair, generations: &[&Described<'_>], now: Timestamp) -> bool {
    let mut held = generations
        .iter()
        .flat_map(|generation| &generation.key_pairs);
    held.any(|new| renews(new, old, now) && !were_side_by_side(new, old, generations))
}

/// Whether `new` is valid now, was issued later, has the same kind of key and is for all of the
/// same names, compared literally. Where a description says too little, nothing is renewed.
fn renews(new: &AboutKeyPair, old: &AboutKeyPair, now: Timestamp) -> bool {
    let (Some(new_begins), Some(old_begins)) = (new.not_before, old.not_before) else {
        return false;
    };
    let (Some(new_own), Some(old_own)) = (new.self_signed, old.self_signed) else {
        return false;
    };
    let is_valid = new_begins <= now && now <= new.not_after;
    let is_like = (old_own || !new_own) && key_kind(new) == key_kind(old);
    if !is_valid || new_begins <= old_begins || !is_like || !names_all(new, old) {
        return false;
    }
    // Asked last, of the few that are left: both are read from what Windows kept.
    if is_pending(new) {
        return false;
    }
    !is_pending(old) || (new.spki_sha256.is_some() && new.spki_sha256 == old.spki_sha256)
}

/// Whether `new` is for every name of `old`, one of which is a host's.
fn names_all(new: &AboutKeyPair, old: &AboutKeyPair) -> bool {
    let is_named = |name: &String| {
        new.names
            .iter()
            .any(|other| other.eq_ignore_ascii_case(name))
    };
    old.names.iter().all(is_named) && old.names.iter().any(|name| name.parse::<IpAddr>().is_err())
}

/// `RSA`, `ECDSA`, `Ed25519`.
fn key_kind(about: &AboutKeyPair) -> &str {
    about.key_type.split(' ').next().unwrap_or_default()
}

/// Whether the older one was still there when the newer one came, or later: they are of two sites,
/// then.
fn were_side_by_side(
    new: &AboutKeyPair,
    old: &AboutKeyPair,
    generations: &[&Described<'_>],
) -> bool {
    let numbers = |about| {
        generations
            .iter()
            .filter(move |held| held.holds(about))
            .map(|held| held.number)
    };
    numbers(old).max() >= numbers(new).min()
}
