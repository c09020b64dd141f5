//! What other generations of a server hold and the chosen one does not. Nothing stops counting
//! silently: a backup of one file, by name or of another folder makes a generation that lacks the
//! rest, and the rest is named. What was renewed or has ended is not.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::state::counted::{Described, missing};
use crate::state::{State, Written};
pub use crate::workflow::elsewhere::{LeftOut, count, quoted};
use crate::workflow::unlock::{OpenGeneration, UnlockedVault, Wanted};
use vault::catalog::{AboutKeyPair, Catalog};
use vault::id::Hash;
use vault::survey::{Generation, Slot, Survey};
use vault::volume::Reading;

/// What the media hold beside the chosen generation, among those wanted and of what `is_meant`. Who
/// asks for one generation by its number gets nothing else.
pub fn on_media(
    opened: &UnlockedVault<'_>,
    from: &OpenGeneration,
    wanted: &Wanted,
    is_meant: &dyn Fn(&AboutKeyPair) -> bool,
) -> Vec<LeftOut> {
    if matches!(wanted, Wanted::Number(..)) {
        return Vec::new();
    }
    let survey = &opened.survey;
    let mut others = Vec::new();
    for other in survey.line(from.generation.record.server) {
        if other.hash != from.generation.hash
            && wanted.matches(other)
            && let Some(catalog) = opened.catalog(other)
        {
            others.push((other, catalog));
        }
    }
    let chosen = Described {
        number: from.generation.record.number,
        key_pairs: from.catalog.about().collect(),
    };
    let described = readable(survey, &chosen, &others, opened.now);
    let missing = missing(&chosen, &described, opened.now);
    let mut left_out = Vec::new();
    for ((generation, catalog), missing) in others.iter().zip(missing) {
        let all: Vec<_> = catalog.about().collect();
        let meant = still_meant(missing, is_meant, opened.now);
        left_out.extend(named(survey, generation, &all, meant));
    }
    left_out
}

/// The other generations with those of their key pairs whose file is whole. One that the chosen
/// generation or a newer one has, or that has ended, is not read for it.
fn readable<'a>(
    survey: &Survey<'_>,
    chosen: &Described<'_>,
    others: &'a [(&Generation, Catalog)],
    now: Timestamp,
) -> Vec<Described<'a>> {
    let mut known: BTreeSet<Hash> = chosen
        .key_pairs
        .iter()
        .map(|about| about.certificate_sha256)
        .collect();
    let mut described = Vec::new();
    for (generation, catalog) in others {
        let mut held = Described {
            number: generation.record.number,
            key_pairs: Vec::new(),
        };
        for entry in &catalog.key_pairs {
            let certificate = entry.about.certificate_sha256;
            let is_read = !known.contains(&certificate) && !entry.about.is_over(now);
            if is_read
                && survey
                    .file(generation, &entry.file, Reading::Cached)
                    .is_none()
            {
                continue;
            }
            known.insert(certificate);
            held.key_pairs.push(&entry.about);
        }
        described.push(held);
    }
    described
}

fn still_meant(
    missing: Vec<&AboutKeyPair>,
    is_meant: &dyn Fn(&AboutKeyPair) -> bool,
    now: Timestamp,
) -> Vec<AboutKeyPair> {
    missing
        .into_iter()
        .filter(|about| !about.is_over(now) && is_meant(about))
        .cloned()
        .collect()
}

/// What of this server's generations the newest one lacks, as far as this server remembers.
pub fn in_memory(state: &State, now: Timestamp) -> Vec<LeftOut> {
    let mut generations = state.generations();
    let Some(newest) = generations.next() else {
        return Vec::new();
    };
    let others: Vec<&Written> = generations.collect();
    let described: Vec<_> = others
        .iter()
        .map(|written| Described::of(written))
        .collect();
    let missing = missing(&Described::of(newest), &described, now);
    let mut left_out = Vec::new();
    for (written, missing) in others.iter().zip(missing) {
        let all: Vec<_> = written.key_pairs.iter().collect();
        let mut media = state.media_in_use();
        let medium = match media.find(|medium| state.is_on(medium, written.number)) {
            Some(holder) => format!("label:{}", holder.label),
            None => "E:".to_owned(),
        };
        left_out.extend(LeftOut::new(
            written.number,
            still_meant(missing, &|_| true, now),
            &all,
            &[&medium, &written.number.to_string()],
            None,
        ));
    }
    left_out
}

/// The same of the generations on the media, beside the one that is shown. What this server does
/// not remember of them only the passphrase can tell.
pub fn remembered_on_media(
    state: &State,
    survey: &Survey<'_>,
    shown: &Generation,
    wanted: &Wanted,
    is_meant: &dyn Fn(&AboutKeyPair) -> bool,
    now: Timestamp,
) -> Vec<LeftOut> {
    let Some(chosen) = remembered(state, shown) else {
        return Vec::new();
    };
    if matches!(wanted, Wanted::Number(..)) {
        return Vec::new();
    }
    let is_lacking = |about: &&AboutKeyPair| !chosen.holds(about) && !about.is_over(now);
    let (mut generations, mut described) = (Vec::new(), Vec::new());
    for other in survey.line(state.server()) {
        if other.hash != shown.hash
            && wanted.matches(other)
            && let Some(held) = remembered(state, other)
            && held.key_pairs.iter().any(is_lacking)
            && survey.check(other, Reading::Cached).is_whole()
        {
            generations.push(other);
            described.push(held);
        }
    }
    let missing = missing(&chosen, &described, now);
    let mut left_out = Vec::new();
    for ((generation, held), missing) in generations.iter().zip(&described).zip(missing) {
        let meant = still_meant(missing, is_meant, now);
        left_out.extend(named(survey, generation, &held.key_pairs, meant));
    }
    left_out
}

/// What host state says of a generation on a medium, if it is the one that was written.
fn remembered<'a>(state: &'a State, generation: &Generation) -> Option<Described<'a>> {
    let written = state.written(generation.record.number)?;
    (written.record == generation.hash).then(|| Described::of(written))
}

/// With the command line for the media that are here; nothing where nothing is left out.
fn named(
    survey: &Survey<'_>,
    generation: &Generation,
    all: &[&AboutKeyPair],
    key_pairs: Vec<AboutKeyPair>,
) -> Option<LeftOut> {
    let record = &generation.record;
    let medium = generation
        .copies
        .first()
        .map_or("", |place| survey.medium(place.medium).name.as_str());
    let is_fork = survey.slots.get(&record.id()).is_some_and(Slot::is_fork);
    let number = match is_fork {
        true => format!("{}/{:.8}", record.number, generation.hash.to_string()),
        false => record.number.to_string(),
    };
    let server = (survey.claimed_servers().len() > 1).then(|| record.server.to_string());
    LeftOut::new(
        record.number,
        key_pairs,
        all,
        &[medium, &number],
        server.as_deref(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::iis::OnWindows;
    use vault::id::Number;

    const NOW: &str = "2027-06-01T00:00:00Z";

    /// A certificate of an authority, for a year from that day.
    fn about(id: &str, names: &[&str], begins: &str) -> AboutKeyPair {
        let not_before: Timestamp = format!("{begins}T00:00:00Z").parse().unwrap();
        AboutKeyPair {
            thumbprint: id.to_uppercase(),
            certificate_sha256: Hash::of(id.as_bytes()),
            spki_sha256: Some(Hash::of(format!("key of {id}").as_bytes())),
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            friendly_name: None,
            container_name: None,
            not_before: Some(not_before),
            not_after: not_before + jiff::SignedDuration::from_hours(365 * 24),
            self_signed: Some(false),
            key_type: "RSA 2048".to_owned(),
            chain_length: 1,
            file_names: Vec::new(),
            file_parts: std::collections::BTreeMap::new(),
            windows: None,
        }
    }

    /// Whether the first, in generation 1, is missing beside the second, in generation 2.
    fn is_missing(old: &AboutKeyPair, new: &AboutKeyPair) -> bool {
        let second = Number::FIRST.next().unwrap();
        let [others, chosen] =
            [(Number::FIRST, old), (second, new)].map(|(number, about)| Described {
                number,
                key_pairs: vec![about],
            });
        missing(&chosen, &[others], NOW.parse().unwrap()) != [Vec::<&AboutKeyPair>::new()]
    }

    #[test]
    fn a_later_one_for_all_of_the_names_renews_and_nothing_less_does() {
        let old = about("a", &["www.example.com", "example.com"], "2026-12-01");
        let new = about(
            "b",
            &["example.com", "WWW.example.com", "more.example.com"],
            "2027-05-01",
        );
        assert!(!is_missing(&old, &new));
        assert!(is_missing(&new, &old), "an older one renews nothing");
        assert!(
            is_missing(&old, &about("b", &["www.example.com"], "2027-05-01")),
            "fewer names"
        );
        assert!(
            is_missing(
                &old,
                &about("b", &["*.example.com", "example.com"], "2027-05-01")
            ),
            "a wildcard"
        );
        assert!(
            is_missing(
                &old,
                &AboutKeyPair {
                    key_type: "ECDSA P-256".into(),
                    ..new.clone()
                }
            ),
            "another kind"
        );
        assert!(!is_missing(
            &old,
            &AboutKeyPair {
                key_type: "RSA 4096".into(),
                ..new.clone()
            }
        ));
        assert!(is_missing(
            &old,
            &AboutKeyPair {
                not_after: "2027-05-31T00:00:00Z".parse().unwrap(),
                ..new.clone()
            }
        ));
        assert!(
            is_missing(
                &old,
                &AboutKeyPair {
                    not_before: old.not_before,
                    ..new.clone()
                }
            ),
            "on the same day"
        );
        assert!(
            is_missing(
                &old,
                &AboutKeyPair {
                    not_before: None,
                    ..new.clone()
                }
            ),
            "not known"
        );
        assert!(
            is_missing(
                &AboutKeyPair {
                    self_signed: None,
                    ..old.clone()
                },
                &new
            ),
            "not known"
        );
        let nameless = |id, begins| about(id, &[], begins);
        assert!(
            is_missing(&nameless("a", "2026-12-01"), &nameless("b", "2027-05-01")),
            "for no host"
        );
        let address = |id, begins| about(id, &["192.0.2.7"], begins);
        assert!(
            is_missing(&address("a", "2026-12-01"), &address("b", "2027-05-01")),
            "for no host"
        );
    }

    #[test]
    fn a_self_signed_one_renews_only_its_like() {
        let old = about("a", &["www.example.com"], "2026-12-01");
        let new = about("b", &["www.example.com"], "2027-05-01");
        let own = |about: &AboutKeyPair| AboutKeyPair {
            self_signed: Some(true),
            ..about.clone()
        };
        assert!(is_missing(&old, &own(&new)));
        assert!(!is_missing(&own(&old), &own(&new)) && !is_missing(&own(&old), &new));
    }

    #[test]
    fn a_request_that_waits_is_renewed_by_the_answer_to_it_and_renews_nothing() {
        let pending = |about: &AboutKeyPair| {
            let windows = OnWindows {
                store: "REQUEST".into(),
                also: Vec::new(),
                provider: String::new(),
                access: Vec::new(),
            };
            AboutKeyPair {
                windows: windows.to_value(),
                self_signed: Some(true),
                ..about.clone()
            }
        };
        let old = about("a", &["www.example.com"], "2026-12-01");
        let new = about("b", &["www.example.com"], "2027-05-01");
        let answer = AboutKeyPair {
            spki_sha256: old.spki_sha256,
            ..new.clone()
        };
        assert!(is_missing(&pending(&old), &new) && !is_missing(&pending(&old), &answer));
        assert!(is_missing(
            &AboutKeyPair {
                self_signed: Some(true),
                ..old
            },
            &pending(&new)
        ));
    }

    #[test]
    fn a_name_stands_in_the_command_line_only_if_it_means_nothing_else() {
        let [old, new] =
            ["a", "b"].map(|id| about(&id.repeat(40), &["www.example.com"], "2026-12-01"));
        let odd = about(&"c".repeat(40), &["$(x).example.com"], "2026-12-01");
        let line = |left_out: &[&AboutKeyPair], all: &[&AboutKeyPair]| {
            let left_out = left_out.iter().map(|about| (*about).clone()).collect();
            LeftOut::new(Number::FIRST, left_out, all, &["my stick", "1"], None)
                .unwrap()
                .line
        };
        let start = "pfxvault restore --from \"my stick\" --generation 1";
        assert_eq!(line(&[&old, &new], &[&old, &new]), start);
        assert_eq!(
            line(&[&old, &new], &[&old, &new, &odd]),
            format!("{start} www.example.com")
        );
        assert_eq!(
            line(&[&old], &[&old, &new]),
            format!("{start} {}", "A".repeat(40))
        );
        assert_eq!(
            line(&[&odd], &[&old, &odd]),
            format!("{start} {}", "C".repeat(40))
        );
    }
}
