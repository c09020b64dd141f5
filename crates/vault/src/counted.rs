//! Which key pairs of a server's generations still count, docs/format.md section 10.5. A server's
//! backup is what its generations hold together, and nothing stops counting silently.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;

use jiff::Timestamp;

use super::catalog::{AboutKeyPair, Retirement};
use super::id::{Hash, Number};

/// A certificate with its key, over all generations of one server.
#[derive(Debug)]
pub struct Pair<'a> {
    /// As the newest generation that holds it describes it.
    pub about: &'a AboutKeyPair,
    /// Every generation that holds it.
    pub numbers: BTreeSet<Number>,
    /// Whether its file can be read here. What cannot be had renews nothing.
    pub is_here: bool,
    /// Whether the newest description of the server's sites names it.
    pub is_bound: bool,
    /// Whether it stands in for an answer that has not come yet.
    pub is_pending: bool,
    /// Whether it was retired, and that was not taken back.
    pub is_retired: bool,
}

/// What was retired: by certificate, and by key what leaked.
#[derive(Debug, Default)]
pub struct Retired<'a> {
    own: Said<'a>,
    owners: Said<'a>,
}

/// The last word of somebody on each certificate and key.
#[derive(Debug, Default)]
struct Said<'a> {
    certificates: HashMap<Hash, &'a Retirement>,
    keys: HashMap<Hash, &'a Retirement>,
}

impl<'a> Retired<'a> {
    /// What holds of all that the server said: the highest number, and of two with one number the
    /// retirement.
    pub fn of(all: impl IntoIterator<Item = &'a Retirement>) -> Self {
        Self {
            own: Said::of(all),
            owners: Said::default(),
        }
    }

    /// With what the vault's owner said: what they retired stays so whatever the server says, and
    /// what they took back counts again unless the server said otherwise with a higher number.
    #[must_use]
    pub fn with_owners(mut self, all: impl IntoIterator<Item = &'a Retirement>) -> Self {
        self.owners = Said::of(all);
        self
    }

    /// The retirement that holds for a key pair.
    pub fn get(&self, about: &AboutKeyPair) -> Option<&'a Retirement> {
        self.find(about.certificate_sha256, about.spki_sha256)
    }

    /// Whether a public key is retired, with every certificate that has it.
    pub fn is_key_retired(&self, key: Hash) -> bool {
        let owners = self.owners.keys.get(&key);
        if owners.is_some_and(|one| !one.undone) {
            return true;
        }
        let own = self.own.keys.get(&key);
        own.is_some_and(|one| !one.undone && Some(one.number) > owners.map(|one| one.number))
    }

    /// The same by the hashes of the certificate and of the public key.
    pub fn find(&self, certificate: Hash, key: Option<Hash>) -> Option<&'a Retirement> {
        let owners = self.owners.words(certificate, key);
        if let Some(retired) = owners.iter().find(|one| !one.undone) {
            return Some(retired);
        }
        let undone = owners.iter().map(|one| one.number).max();
        let own = self.own.words(certificate, key).into_iter();
        own.filter(|one| !one.undone)
            .find(|one| Some(one.number) > undone)
    }
}

impl<'a> Said<'a> {
    fn of(all: impl IntoIterator<Item = &'a Retirement>) -> Self {
        let mut said = Self::default();
        for one in all {
            newer(&mut said.certificates, one.certificate_sha256, one);
            if let Some(key) = one.spki_sha256 {
                newer(&mut said.keys, key, one);
            }
        }
        said
    }

    /// The last words on a certificate, and on its key.
    fn words(&self, certificate: Hash, key: Option<Hash>) -> Vec<&'a Retirement> {
        let by_certificate = self.certificates.get(&certificate);
        let by_key = key.and_then(|key| self.keys.get(&key));
        by_certificate.into_iter().chain(by_key).copied().collect()
    }
}

fn newer<'a>(known: &mut HashMap<Hash, &'a Retirement>, id: Hash, one: &'a Retirement) {
    let place = known.entry(id).or_insert(one);
    if (place.number, !place.undone) < (one.number, !one.undone) {
        *place = one;
    }
}

/// The server that they are of, and when it is judged.
#[derive(Debug, Clone, Copy)]
pub struct When {
    /// Its newest generation.
    pub newest: Number,
    /// Whether the owner closed the server.
    pub is_closed: bool,
    /// The time; `None` where the clock is in doubt: then nothing is renewed and nothing has ended.
    pub now: Option<Timestamp>,
}

/// Whether a key pair counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It is restored.
    Counts,
    /// The pair at this place has taken its place.
    Renewed(usize),
    /// Its certificate is over, and neither the newest generation nor a binding holds it.
    Ended,
    /// It was retired.
    Retired,
}

/// How each of `pairs` stands, in their order. Each certificate is in it once.
pub fn judge(pairs: &[Pair<'_>], when: When) -> Vec<Standing> {
    let mut standings: Vec<Standing> = Vec::with_capacity(pairs.len());
    for pair in pairs {
        standings.push(match () {
            () if pair.is_retired => Standing::Retired,
            () if is_ended(pair, when) => Standing::Ended,
            () => Standing::Counts,
        });
    }
    let Some(now) = when.now else {
        return standings;
    };
    // What renews counts itself, so the latest is judged first.
    let mut latest_first: Vec<usize> = (0..pairs.len()).collect();
    latest_first.sort_by_key(|at| std::cmp::Reverse(pairs[*at].about.not_before));
    let by_name = by_name(pairs);
    for old in latest_first {
        if pairs[old].is_bound || pairs[old].is_retired {
            continue;
        }
        let Some(first) = pairs[old].about.names.first() else {
            continue;
        };
        let mut others = by_name[&first.to_ascii_lowercase()].iter().copied();
        let renewal = others.find(|new| {
            standings[*new] == Standing::Counts && renews(&pairs[*new], &pairs[old], now)
        });
        if let Some(new) = renewal {
            standings[old] = Standing::Renewed(new);
        }
    }
    standings
}

fn by_name(pairs: &[Pair<'_>]) -> HashMap<String, Vec<usize>> {
    let mut by_name: HashMap<String, Vec<usize>> = HashMap::new();
    for (at, pair) in pairs.iter().enumerate() {
        for name in &pair.about.names {
            by_name
                .entry(name.to_ascii_lowercase())
                .or_default()
                .push(at);
        }
    }
    by_name
}

fn is_ended(pair: &Pair<'_>, when: When) -> bool {
    let is_in_newest = pair.numbers.contains(&when.newest) && !when.is_closed;
    when.now.is_some_and(|now| pair.about.is_over(now)) && !pair.is_bound && !is_in_newest
}

/// Whether `new` can be had, is valid now, was issued later, has the same kind of key and is for
/// all of the same names, compared literally; and the two never lay side by side. Where a
/// description says too little, nothing is renewed.
fn renews(new: &Pair<'_>, old: &Pair<'_>, now: Timestamp) -> bool {
    let (Some(new_begins), Some(old_begins)) = (new.about.not_before, old.about.not_before) else {
        return false;
    };
    let is_valid = new_begins <= now && now <= new.about.not_after;
    if !new.is_here || new.is_pending || !is_valid || new_begins <= old_begins {
        return false;
    }
    if old.is_pending
        && (new.about.spki_sha256.is_none() || new.about.spki_sha256 != old.about.spki_sha256)
    {
        return false;
    }
    is_like(new.about, old.about)
        && names_all(new.about, old.about)
        && old.numbers.last() < new.numbers.first()
}

/// Whether both have the same kind of key, and the new one's authority may take the place of the
/// old one's: any may that of a self-signed one, else only one below the same top.
fn is_like(new: &AboutKeyPair, old: &AboutKeyPair) -> bool {
    let is_same_top = new.top_issuer.is_some() && new.top_issuer == old.top_issuer;
    let is_of_like = match (new.self_signed, old.self_signed) {
        (Some(_), Some(true)) => true,
        (Some(false), Some(false)) => is_same_top,
        _ => false,
    };
    is_of_like && key_kind(new) == key_kind(old)
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

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: &str = "2027-06-01T00:00:00Z";

    fn number(number: u32) -> Number {
        Number::parse(&number.to_string()).unwrap()
    }

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
            top_issuer: Some(Hash::of(b"a root")),
            key_type: "RSA 2048".to_owned(),
            chain_length: 1,
            file_names: Vec::new(),
            file_parts: std::collections::BTreeMap::new(),
            file_certificates: std::collections::BTreeMap::new(),
            windows: None,
        }
    }

    /// In those generations, readable, bound by nothing.
    fn pair<'a>(about: &'a AboutKeyPair, numbers: &[u32]) -> Pair<'a> {
        Pair {
            about,
            numbers: numbers.iter().copied().map(number).collect(),
            is_here: true,
            is_bound: false,
            is_pending: false,
            is_retired: false,
        }
    }

    fn judged(pairs: &[Pair<'_>]) -> Vec<Standing> {
        let numbers = pairs.iter().flat_map(|pair| &pair.numbers);
        let when = When {
            newest: *numbers.max().unwrap(),
            is_closed: false,
            now: Some(NOW.parse().unwrap()),
        };
        judge(pairs, when)
    }

    /// Whether the first, in generation 1, is renewed by the second, in generation 2.
    fn is_renewed(old: &AboutKeyPair, new: &AboutKeyPair) -> bool {
        judged(&[pair(old, &[1]), pair(new, &[2])])[0] == Standing::Renewed(1)
    }

    fn www() -> [AboutKeyPair; 2] {
        [
            about("a", &["www.example.com"], "2026-12-01"),
            about("b", &["www.example.com"], "2027-05-01"),
        ]
    }

    #[test]
    fn a_later_one_for_all_of_the_names_renews_and_nothing_less_does() {
        let old = about("a", &["www.example.com", "example.com"], "2026-12-01");
        let names = ["example.com", "WWW.example.com", "more.example.com"];
        let new = about("b", &names, "2027-05-01");
        assert!(is_renewed(&old, &new) && !is_renewed(&new, &old));
        type Change = fn(&mut AboutKeyPair);
        let less: [(&str, Change); 9] = [
            ("fewer names", |new| {
                new.names = vec!["www.example.com".into()]
            }),
            ("a wildcard", |new| {
                new.names = vec!["*.example.com".into(), "example.com".into()];
            }),
            ("another kind of key", |new| {
                new.key_type = "ECDSA P-256".into()
            }),
            ("it has ended", |new| {
                new.not_after = "2027-05-31T00:00:00Z".parse().unwrap()
            }),
            ("the same day", |new| {
                new.not_before = "2026-12-01T00:00:00Z".parse().ok()
            }),
            ("no begin", |new| new.not_before = None),
            ("another root", |new| {
                new.top_issuer = Some(Hash::of(b"another"))
            }),
            ("no root", |new| new.top_issuer = None),
            ("self-signed", |new| new.self_signed = Some(true)),
        ];
        for (what, change) in less {
            let mut new = new.clone();
            change(&mut new);
            assert!(!is_renewed(&old, &new), "{what}");
        }
        let stronger = AboutKeyPair {
            key_type: "RSA 4096".into(),
            ..new.clone()
        };
        assert!(is_renewed(&old, &stronger));
        let unknown = AboutKeyPair {
            self_signed: None,
            top_issuer: None,
            ..old
        };
        assert!(!is_renewed(&unknown, &new), "an old description");
    }

    #[test]
    fn who_is_for_no_host_is_renewed_by_nothing() {
        for names in [&[] as &[&str], &["192.0.2.7"]] {
            let [old, new] =
                [("a", "2026-12-01"), ("b", "2027-05-01")].map(|(id, day)| about(id, names, day));
            assert!(!is_renewed(&old, &new));
        }
    }

    #[test]
    fn a_self_signed_one_gives_way_to_either_and_renews_only_its_like() {
        let [old, new] = www();
        let own = |about: &AboutKeyPair| AboutKeyPair {
            self_signed: Some(true),
            ..about.clone()
        };
        assert!(!is_renewed(&old, &own(&new)));
        assert!(is_renewed(&own(&old), &own(&new)) && is_renewed(&own(&old), &new));
    }

    #[test]
    fn a_request_that_waits_is_renewed_by_the_answer_to_it_and_renews_nothing() {
        let [old, new] = www();
        let pending = |about, numbers: &[u32]| Pair {
            is_pending: true,
            ..pair(about, numbers)
        };
        let own = AboutKeyPair {
            self_signed: Some(true),
            ..old.clone()
        };
        let answer = AboutKeyPair {
            spki_sha256: own.spki_sha256,
            ..new.clone()
        };
        let first = |old, new| judged(&[old, new])[0];
        assert_eq!(
            first(pending(&own, &[1]), pair(&new, &[2])),
            Standing::Counts
        );
        assert_eq!(
            first(pending(&own, &[1]), pair(&answer, &[2])),
            Standing::Renewed(1)
        );
        assert_eq!(
            first(pair(&old, &[1]), pending(&new, &[2])),
            Standing::Counts
        );
    }

    #[test]
    fn what_lay_beside_its_renewal_counts_and_so_does_what_is_bound() {
        let [old, new] = www();
        for (old_in, new_in) in [(&[1, 2][..], &[2][..]), (&[2], &[1]), (&[1, 3], &[2])] {
            let both = judged(&[pair(&old, old_in), pair(&new, new_in)]);
            assert_eq!(both, [Standing::Counts; 2], "{old_in:?} {new_in:?}");
        }
        let bound = Pair {
            is_bound: true,
            ..pair(&old, &[1])
        };
        assert_eq!(judged(&[bound, pair(&new, &[2])]), [Standing::Counts; 2]);
    }

    #[test]
    fn what_cannot_be_read_here_renews_nothing() {
        let [old, new] = www();
        let lost = Pair {
            is_here: false,
            ..pair(&new, &[2])
        };
        assert_eq!(judged(&[pair(&old, &[1]), lost]), [Standing::Counts; 2]);
    }

    #[test]
    fn what_renews_must_count_itself() {
        // The middle one was renewed; the first lay beside the last, so nothing that counts renews it.
        let [first, middle, last] = ["2026-12-01", "2027-02-01", "2027-05-01"]
            .map(|day| about(day, &["www.example.com"], day));
        let all = [
            pair(&first, &[1, 4]),
            pair(&middle, &[2]),
            pair(&last, &[3]),
        ];
        assert_eq!(
            judged(&all),
            [Standing::Counts, Standing::Renewed(2), Standing::Counts]
        );
    }

    #[test]
    fn a_short_lived_renewal_that_ended_gives_the_place_back() {
        let [old, mut new] = www();
        new.not_after = "2027-05-31T00:00:00Z".parse().unwrap();
        let mail = about("c", &["mail.example.com"], "2027-05-01");
        let all = [pair(&old, &[1]), pair(&new, &[2]), pair(&mail, &[3])];
        assert_eq!(
            judged(&all),
            [Standing::Counts, Standing::Ended, Standing::Counts]
        );
    }

    #[test]
    fn what_has_ended_counts_only_while_it_is_used_and_never_by_a_clock_in_doubt() {
        let old = about("a", &["old.example.com"], "2025-01-01");
        let new = about("b", &["www.example.com"], "2027-05-01");
        let two = || [pair(&old, &[1]), pair(&new, &[1, 2])];
        assert_eq!(judged(&two())[0], Standing::Ended);
        let [mut bound, other] = two();
        bound.is_bound = true;
        assert_eq!(judged(&[bound, other])[0], Standing::Counts);
        let when = When {
            newest: number(1),
            is_closed: false,
            now: Some(NOW.parse().unwrap()),
        };
        let held = [pair(&old, &[1])];
        assert_eq!(judge(&held, when), [Standing::Counts], "as in the newest");
        let closed = When {
            is_closed: true,
            ..when
        };
        assert_eq!(judge(&held, closed), [Standing::Ended]);
        let doubted = When {
            newest: number(2),
            now: None,
            ..when
        };
        assert_eq!(judge(&two(), doubted), [Standing::Counts; 2]);
    }

    #[test]
    fn what_is_retired_counts_at_no_time_and_renews_nothing() {
        let [old, new] = www();
        let retired = Pair {
            is_retired: true,
            ..pair(&new, &[2])
        };
        assert_eq!(
            judged(&[pair(&old, &[1]), retired]),
            [Standing::Counts, Standing::Retired]
        );
        let when = When {
            newest: number(1),
            is_closed: false,
            now: None,
        };
        let bound = Pair {
            is_retired: true,
            is_bound: true,
            ..pair(&old, &[1])
        };
        assert_eq!(judge(&[bound], when), [Standing::Retired]);
    }

    #[test]
    fn a_leaked_key_is_retired_with_every_certificate_and_the_highest_number_holds() {
        let [old, mut new] = www();
        new.spki_sha256 = old.spki_sha256;
        let retirement = |number: u32, spki_sha256, undone| Retirement {
            number: self::number(number),
            thumbprint: old.thumbprint.clone(),
            certificate_sha256: old.certificate_sha256,
            spki_sha256,
            names: old.names.clone(),
            reason: "leaked".into(),
            by: None,
            time: NOW.parse().unwrap(),
            undone,
        };
        let removed = retirement(1, None, false);
        let holds = |all: &[Retirement]| {
            let retired = Retired::of(all);
            [&old, &new].map(|about| retired.get(about).is_some())
        };
        assert_eq!(holds(std::slice::from_ref(&removed)), [true, false]);
        let leaked = retirement(2, old.spki_sha256, false);
        assert_eq!(holds(&[removed, leaked.clone()]), [true, true]);
        let undone = retirement(3, old.spki_sha256, true);
        assert_eq!(holds(&[undone.clone(), leaked.clone()]), [false, false]);
        let owners = |owners: &[Retirement], own: &[Retirement]| {
            let retired = Retired::of(own).with_owners(owners);
            retired.get(&old).is_some()
        };
        let one = |number, undone| [retirement(number, old.spki_sha256, undone)];
        assert!(owners(&one(1, false), &[]) && owners(&one(1, false), &one(9, true)));
        assert!(!owners(&one(2, true), &one(2, false)) && owners(&one(2, true), &one(3, false)));
        // In a fork of the numbers, what was retired stays so.
        let fork = Retirement {
            number: number(2),
            ..undone
        };
        assert_eq!(holds(&[leaked, fork]), [true, true]);
    }
}
