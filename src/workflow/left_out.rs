//! What other generations of a server hold and the chosen one does not. Nothing stops counting
//! silently: a backup of one file, by name or of another folder makes a generation that lacks the
//! rest, and the rest is named. What was renewed or has ended is not.

use std::collections::BTreeSet;
use std::net::IpAddr;

use jiff::Timestamp;

use crate::iis::is_pending;
use crate::message::Text;
use crate::state::{State, Written};
use crate::text;
use crate::workflow::status;
use crate::workflow::unlock::{OpenGeneration, Opened, Wanted};
use vault::catalog::{AboutKeyPair, Catalog};
use vault::survey::{Generation, Slot, Survey};
use vault::text::day_of;
use vault::volume::Reading;

/// More names than this are not put into a command line, which a console would cut.
const MOST_NAMES: usize = 20;

/// Key pairs that one generation holds and the chosen one does not.
#[derive(Debug, Clone, PartialEq)]
pub struct LeftOut {
    /// The generation's number; of several that hold a key pair it is the newest.
    pub number: u32,
    /// The key pairs.
    pub key_pairs: Vec<AboutKeyPair>,
    /// The command line that restores them.
    pub line: String,
}

/// One generation with the key pairs that can be had from it.
pub struct Described<'a> {
    /// Its number.
    pub number: u32,
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

    fn holds(&self, about: &AboutKeyPair) -> bool {
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
    let mut seen: BTreeSet<&str> = chosen
        .key_pairs
        .iter()
        .map(|about| about.certificate_sha256.as_str())
        .collect();
    let all: Vec<&Described<'_>> = others.iter().chain([chosen]).collect();
    let mut missing = Vec::new();
    for other in others {
        let mut held = other.key_pairs.clone();
        held.retain(|about| {
            seen.insert(&about.certificate_sha256) && !is_renewed(about, &all, now)
        });
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
    let answers =
        !is_pending(old) || (new.spki_sha256.is_some() && new.spki_sha256 == old.spki_sha256);
    let has_host = old.names.iter().any(|name| name.parse::<IpAddr>().is_err());
    is_valid
        && new_begins > old_begins
        && is_like
        && !is_pending(new)
        && answers
        && has_host
        && old.names.iter().all(|name| {
            new.names
                .iter()
                .any(|other| other.eq_ignore_ascii_case(name))
        })
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

/// What the media hold beside the chosen generation, among those wanted and of what `is_meant`. Who
/// asks for one generation by its number gets nothing else.
pub fn on_media(
    opened: &Opened<'_>,
    from: &OpenGeneration,
    wanted: &Wanted,
    is_meant: &dyn Fn(&AboutKeyPair) -> bool,
) -> Vec<LeftOut> {
    if matches!(wanted, Wanted::Number(..)) {
        return Vec::new();
    }
    let survey = &opened.survey;
    let line = survey.line(from.generation.record.server);
    let others = line.filter(|other| other.hash != from.generation.hash && wanted.matches(other));
    let others: Vec<(&Generation, Catalog)> = others
        .filter_map(|other| Some((other, opened.catalog(other)?)))
        .collect();
    let chosen = Described {
        number: from.generation.record.number.get(),
        key_pairs: from.catalog.about().collect(),
    };
    let described = readable(survey, &chosen, &others, opened.now);
    let missing = missing(&chosen, &described, opened.now);
    let named = others
        .iter()
        .zip(missing)
        .map(|((generation, catalog), missing)| {
            let all: Vec<_> = catalog.about().collect();
            named(
                survey,
                generation,
                &all,
                still_meant(missing, is_meant, opened.now),
            )
        });
    named.flatten().collect()
}

/// The other generations with those of their key pairs whose file is whole. One that the chosen
/// generation or a newer one has, or that has ended, is not read for it.
fn readable<'a>(
    survey: &Survey<'_>,
    chosen: &Described<'_>,
    others: &'a [(&Generation, Catalog)],
    now: Timestamp,
) -> Vec<Described<'a>> {
    let mut known: BTreeSet<&str> = chosen
        .key_pairs
        .iter()
        .map(|about| about.certificate_sha256.as_str())
        .collect();
    let mut described = Vec::new();
    for (generation, catalog) in others {
        let mut held = Described {
            number: generation.record.number.get(),
            key_pairs: Vec::new(),
        };
        for entry in &catalog.key_pairs {
            let certificate = entry.about.certificate_sha256.as_str();
            let is_read = !known.contains(certificate) && !entry.about.is_over(now);
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
    let remembered = |(written, missing): (&&Written, Vec<&AboutKeyPair>)| {
        let all: Vec<_> = written.key_pairs.iter().collect();
        let holder = state
            .media_in_use()
            .find(|medium| status::holds(state, medium, written.number));
        let medium = holder.map_or_else(
            || "E:".to_owned(),
            |medium| format!("label:{}", medium.label),
        );
        let key_pairs = still_meant(missing, &|_| true, now);
        LeftOut::new(
            written.number,
            key_pairs,
            &all,
            &[&medium, &written.number.to_string()],
            None,
        )
    };
    others.iter().zip(missing).filter_map(remembered).collect()
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
    let written = |generation: &Generation| {
        let written = state.written(generation.record.number)?;
        (written.record == generation.hash.to_string()).then(|| Described::of(written))
    };
    let Some(chosen) = written(shown) else {
        return Vec::new();
    };
    if matches!(wanted, Wanted::Number(..)) {
        return Vec::new();
    }
    let lacks_some = |other: &Described<'_>| {
        other
            .key_pairs
            .iter()
            .any(|about| !chosen.holds(about) && !about.is_over(now))
    };
    let others = survey
        .line(state.server())
        .filter(|other| other.hash != shown.hash && wanted.matches(other));
    let others = others.filter_map(|other| Some((other, written(other).filter(lacks_some)?)));
    let others = others.filter(|(other, _)| survey.check(other, Reading::Cached).is_whole());
    let (generations, described): (Vec<_>, Vec<_>) = others.unzip();
    let missing = missing(&chosen, &described, now);
    let named = generations.iter().zip(&described).zip(missing).filter_map(
        |((generation, described), missing)| {
            named(
                survey,
                generation,
                &described.key_pairs,
                still_meant(missing, is_meant, now),
            )
        },
    );
    named.collect()
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
    let is_fork = survey
        .slots
        .get(&(record.server, record.number))
        .is_some_and(Slot::is_fork);
    let number = match is_fork {
        true => format!("{}/{:.8}", record.number, generation.hash.to_string()),
        false => record.number.to_string(),
    };
    let server = (survey.claimed_servers().len() > 1).then(|| record.server.to_string());
    LeftOut::new(
        record.number.get(),
        key_pairs,
        all,
        &[medium, &number],
        server.as_deref(),
    )
}

impl LeftOut {
    /// `all` is what the generation holds; `from` is the medium and the generation as options take
    /// them.
    fn new(
        number: u32,
        key_pairs: Vec<AboutKeyPair>,
        all: &[&AboutKeyPair],
        [medium, generation]: &[&str; 2],
        server: Option<&str>,
    ) -> Option<Self> {
        if key_pairs.is_empty() {
            return None;
        }
        let mut line = format!(
            "pfxvault restore --from {} --generation {generation}",
            quoted(medium)
        );
        if let Some(server) = server {
            line += &format!(" --server {server}");
        }
        // What was renewed since, and lies in the same generation, is not to come back with it.
        let names: BTreeSet<String> = key_pairs
            .iter()
            .map(|about| argument(about, &key_pairs, all))
            .collect();
        if key_pairs.len() < all.len() && names.len() <= MOST_NAMES {
            names.iter().for_each(|name| line += &format!(" {name}"));
        }
        Some(Self {
            number,
            key_pairs,
            line,
        })
    }

    /// The key pairs in one line each for people: name, kind of key, end.
    fn names(&self) -> Vec<String> {
        let name = |about: &AboutKeyPair| {
            format!(
                "{} ({}, {})",
                about.display_name(),
                about.key_type,
                day_of(about.not_after)
            )
        };
        self.key_pairs.iter().map(name).collect()
    }

    /// That they are only there, and the command line that restores them.
    pub fn text(&self) -> Text {
        text!(
            "left-out",
            number = self.number,
            names = self.names().join(", "),
            line = self.line.as_str()
        )
    }

    /// As [`LeftOut::text`], as a finding.
    pub fn finding(&self) -> Text {
        text!(
            "status-left-out",
            number = self.number,
            names = self.names().join(", "),
            line = self.line.as_str()
        )
    }
}

/// How many key pairs it is altogether.
pub fn count(left_out: &[LeftOut]) -> usize {
    left_out.iter().map(|one| one.key_pairs.len()).sum()
}

/// What names this key pair, and nothing that is not left out: its host name as a file has it, else
/// its thumbprint.
fn argument(about: &AboutKeyPair, left_out: &[AboutKeyPair], all: &[&AboutKeyPair]) -> String {
    let name = about.display_name();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let host = name
        .strip_prefix("*.")
        .map_or_else(|| name.to_owned(), |rest| format!("_.{rest}"));
    let is_meant = |other: &AboutKeyPair| {
        left_out
            .iter()
            .any(|one| one.certificate_sha256 == other.certificate_sha256)
    };
    let others = || {
        all.iter()
            .filter(|other| !is_meant(other))
            .any(|other| other.names.iter().any(|n| n == name))
    };
    if host.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
        && host.chars().all(is_plain)
        && !others()
    {
        host
    } else {
        about.thumbprint.clone()
    }
}

/// A word of a command line as a shell takes it.
pub fn quoted(word: &str) -> String {
    if word.contains(' ') {
        format!("\"{word}\"")
    } else {
        word.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::iis::OnWindows;

    const NOW: &str = "2027-06-01T00:00:00Z";

    /// A certificate of an authority, for a year from that day.
    fn about(id: &str, names: &[&str], begins: &str) -> AboutKeyPair {
        let not_before: Timestamp = format!("{begins}T00:00:00Z").parse().unwrap();
        AboutKeyPair {
            thumbprint: id.to_uppercase(),
            certificate_sha256: id.to_owned(),
            spki_sha256: Some(format!("key of {id}")),
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            friendly_name: None,
            not_before: Some(not_before),
            not_after: not_before + jiff::SignedDuration::from_hours(365 * 24),
            self_signed: Some(false),
            key_type: "RSA 2048".to_owned(),
            chain_length: 1,
            file_names: Vec::new(),
            windows: None,
        }
    }

    /// Whether the first, in generation 1, is missing beside the second, in generation 2.
    fn is_missing(old: &AboutKeyPair, new: &AboutKeyPair) -> bool {
        let [others, chosen] = [(1, old), (2, new)].map(|(number, about)| Described {
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
            spki_sha256: old.spki_sha256.clone(),
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
            LeftOut::new(1, left_out, all, &["my stick", "1"], None)
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
