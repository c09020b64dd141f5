//! What is safe, overdue or at risk, from what this server remembers and what it holds now. Reads
//! only, needs no secret.

use std::collections::BTreeMap;

use jiff::civil::Date;
use jiff::{Span, Timestamp};

use crate::keypair::{Certificate, Remaining};
use crate::message::{CLOCKS_APART, Text, age, day};
use crate::state::counted::Known;
use crate::state::{State, Written};
use crate::text;
use crate::workflow::clock;
use crate::workflow::due::Copies;
use crate::workflow::finding::{Finding, Level};
use crate::workflow::history;
use crate::workflow::server_backup;
use crate::workflow::witness::retired_reason;
use vault::catalog::{AboutKeyPair, Retirement, SeenMedium};
use vault::counted::Retired;
use vault::id::{Hash, Number};
use vault::lines::day_of;

/// Months after which a restore should be rehearsed again.
pub const DRILL_MONTHS: u32 = 12;

/// More names than this are not listed in a sentence.
const MOST_NAMES: usize = 8;

/// A certificate that this server holds now.
pub struct OwnCertificate {
    /// The certificate.
    pub certificate: Certificate,
    /// Why its key cannot be backed up; `None` if it can.
    pub hindrance: Option<Text>,
    /// Whether its private key is on this server, as far as this process may see.
    pub has_key: bool,
    /// Whether it stands in for an answer that has not come yet.
    pub pending: bool,
}

/// Everything worth saying, the worst first. `here` is `None` where nobody said what this server
/// holds.
pub fn run(state: &State, here: Option<&[OwnCertificate]>, now: Timestamp) -> Vec<Finding> {
    let mut status = StatusInput {
        state,
        now,
        findings: Vec::new(),
    };
    status.backups();
    status.media();
    status.drills();
    let retired = state.retired();
    for here in here.into_iter().flatten().filter(|here| !here.pending) {
        status.key_pair(here, &retired);
    }
    status
        .findings
        .sort_by_key(|finding| std::cmp::Reverse(finding.level));
    status.findings
}

struct StatusInput<'a> {
    state: &'a State,
    now: Timestamp,
    findings: Vec<Finding>,
}

impl StatusInput<'_> {
    fn find(&mut self, id: &'static str, level: Level, text: Text) {
        self.findings.push(Finding::new(id, level, text));
    }

    fn attention(&mut self, id: &'static str, text: Text) {
        self.find(id, Level::Attention, text);
    }

    fn at_risk(&mut self, id: &'static str, text: Text) {
        self.find(id, Level::AtRisk, text);
    }

    fn is_older(&self, time: Timestamp, months: u32) -> bool {
        is_older(time, months, self.now)
    }

    /// The newest generation: whether there is one, how old it is, how many media hold it, and what
    /// was set aside for it; and what was sealed into a parcel and is on no medium yet.
    fn backups(&mut self) {
        if let Some(sealed) = self.state.on_the_way().next() {
            let (number, age) = (sealed.number, age(sealed.time, self.now));
            self.at_risk(
                "on-the-way",
                text!("status-on-the-way", number = number, age = age),
            );
        }
        let newest = self.state.generations().next();
        let time = newest.map(|newest| newest.time);
        self.findings.extend(clock::finding(self.now, time));
        let Some(newest) = newest else {
            return self.at_risk("no-backup", text!("status-no-backup"));
        };
        let (number, age) = (newest.number, age(newest.time, self.now));
        let months = self.state.policy().verify_every;
        if self.is_older(newest.time, months) {
            let text = text!("status-backup-old", number = number, age = age);
            self.findings.push(backup_old(text, number));
        }
        self.findings.extend(holders(self.state, self.now));
        self.findings.extend(due_by_copies(self.state, self.now));
        self.retirements();
        self.older(number);
        for exception in &newest.exceptions {
            let (rule, reason) = (exception.rule.as_str(), exception.reason.as_str());
            self.find(
                "rule-set-aside",
                Level::Note,
                text!("status-rule-set-aside", rule = rule, reason = reason),
            );
        }
    }

    /// Which media do not know yet what was retired, and whether the owner retired something of which
    /// this server does not know what it is.
    fn retirements(&mut self) {
        let own = self.state.server();
        let mut words = self.state.trust.sealed_retirements();
        if words.any(|(server, sealed)| server == own && !self.state.knows_owners_word(sealed)) {
            self.attention("owners-word-unread", text!("status-owners-word-unread"));
        }
        let Some(highest) = self.state.retirements().last().map(|last| last.number) else {
            return;
        };
        for medium in self.state.media_in_use() {
            let generations = self.state.generations();
            let mut on_it = generations.filter(|written| self.state.is_on(medium, written.number));
            if on_it
                .next()
                .is_some_and(|newest| newest.retired < Some(highest))
            {
                let label = medium.label.as_str();
                let text = text!("status-retirement-unknown", label = label);
                let finding = Finding::new("retirement-unknown", Level::Attention, text);
                let highest = highest.to_string();
                self.findings.push(finding.known_by(&[label, &highest]));
            }
        }
    }

    /// That some key pairs that count are not in the newest generation.
    fn older(&mut self, newest: Number) {
        let mut names = Vec::new();
        for known in self.state.key_pairs(clock::trusted(self.now, self.state)) {
            if known.counts() && !known.pair.numbers.contains(&newest) {
                names.push(known.pair.about.display_name().to_owned());
            }
        }
        if !names.is_empty() {
            self.find(
                "counts-older",
                Level::Note,
                text!(
                    "status-counts-older",
                    count = names.len(),
                    number = newest,
                    names = few(&names)
                ),
            );
        }
    }

    /// Each medium in use: when it was last found right after having been away, and how old it is.
    fn media(&mut self) {
        let policy = self.state.policy();
        self.findings.extend(history::replaced(self.state));
        for medium in self.state.media_in_use() {
            self.findings.extend(history::alternating(medium));
            let label = medium.label.as_str();
            if let Some(bad) = medium.last_bad {
                let text = text!("status-found-bad", label = label, age = age(bad, self.now));
                self.findings.push(found_bad(text, label, bad));
            }
            if checked_since(medium)
                .is_some_and(|checked| self.is_older(checked, policy.verify_every))
            {
                let text = match medium.last_cold {
                    Some(last) => {
                        text!("status-check-due", label = label, age = age(last, self.now))
                    }
                    None => text!("status-never-checked", label = label),
                };
                self.findings.push(check_due(text, medium));
            }
            if medium
                .first_seen
                .is_some_and(|first| first < self.now && self.is_older(first, policy.rewrite_after))
            {
                self.attention(
                    "medium-old",
                    text!(
                        "status-medium-old",
                        label = label,
                        months = policy.rewrite_after
                    ),
                );
            }
        }
    }

    fn drills(&mut self) {
        let mut drills = self.state.drills().iter().rev();
        match drills.find(|drill| drill.is_of_everything()) {
            None => self.attention("never-drilled", text!("status-never-drilled")),
            Some(last) if self.is_older(last.time, DRILL_MONTHS) => {
                let text = text!("status-drill-due", age = age(last.time, self.now));
                self.findings.push(drill_due(text, last.time));
            }
            Some(_) => {}
        }
    }

    /// A finding about a certificate that is here: the next one of that name is another finding.
    fn about(&mut self, here: &OwnCertificate, finding: Finding) {
        self.findings.push(about(&here.certificate, finding));
    }

    fn key_pair(&mut self, here: &OwnCertificate, retired: &Retired<'_>) {
        let name = here.certificate.display_name();
        let found = retired_here(&here.certificate, retired);
        if let Some(found) = found.filter(|_| here.has_key) {
            return self.findings.push(found);
        }
        match here.certificate.remaining(self.now) {
            Remaining::Over => {
                let thumbprint = here.certificate.thumbprint();
                let text = text!("status-expired", name = name, thumbprint = thumbprint);
                return self.find("expired", Level::Note, text);
            }
            Remaining::Days(left) => {
                let text = text!("status-expires-soon", name = name, left = left);
                self.find("expires-soon", Level::Note, text);
            }
            Remaining::NotYet | Remaining::Long => {}
        }
        self.hindrance_or_backup(here);
    }

    /// Why a key cannot be saved, and else whether a medium has it.
    fn hindrance_or_backup(&mut self, here: &OwnCertificate) {
        let name = here.certificate.display_name();
        match (
            &here.hindrance,
            self.state.acknowledged(&here.certificate, self.now),
        ) {
            (Some(reason), None) => {
                let text = text!("status-no-key", name = name, reason = reason.clone());
                self.about(here, Finding::new("no-key", Level::AtRisk, text));
            }
            (Some(_), Some(known)) => {
                let why = known.reason.as_str();
                self.find(
                    "no-key-known",
                    Level::Note,
                    text!("status-no-key-known", name = name, why = why),
                );
            }
            (None, _) if media_with(self.state, &here.certificate).is_empty() => {
                let text = text!("status-not-on-a-medium", name = name);
                self.about(here, Finding::new("not-on-a-medium", Level::AtRisk, text));
            }
            (None, _) => {}
        }
    }
}

/// That a certificate was retired whose key is here, as `backup` says it, too.
pub fn retired_here(certificate: &Certificate, retired: &Retired<'_>) -> Option<Finding> {
    let said = retirement(certificate, retired)?;
    let (name, reason) = (certificate.display_name(), retired_reason(&said.reason));
    let text = text!("status-retired-here", name = name, reason = reason);
    let finding = Finding::new("retired-here", Level::Attention, text);
    Some(about(certificate, finding))
}

/// What retired a certificate, or its key.
pub fn retirement<'a>(certificate: &Certificate, retired: &Retired<'a>) -> Option<&'a Retirement> {
    let key = certificate.spki_sha256().into();
    retired.find(Hash::of(certificate.der()), Some(key))
}

fn about(certificate: &Certificate, finding: Finding) -> Finding {
    let finding = finding.known_by(&[&certificate.thumbprint()]);
    finding.until_end(certificate.not_after())
}

/// That the newest backup is old, as `audit` says it, too.
pub fn backup_old(text: Text, number: Number) -> Finding {
    let finding = Finding::new("backup-old", Level::Attention, text);
    finding.known_by(&[&number.to_string()])
}

/// That a medium was found damaged, as `audit` says it, too.
pub fn found_bad(text: Text, label: &str, time: Timestamp) -> Finding {
    let finding = Finding::new("found-bad", Level::AtRisk, text);
    finding.known_by(&[label, &time.to_string()])
}

/// That a medium is to be checked, as `audit` says it, too.
pub fn check_due(text: Text, medium: &SeenMedium) -> Finding {
    let last = medium.last_cold.map(|last| last.to_string());
    let finding = Finding::new("check-due", Level::Attention, text);
    finding.known_by(&[&medium.label, &last.unwrap_or_default()])
}

/// That a restore is to be rehearsed again, as `audit` says it, too.
pub fn drill_due(text: Text, last: Timestamp) -> Finding {
    let finding = Finding::new("drill-due", Level::Attention, text);
    finding.known_by(&[&last.to_string()])
}

/// Which key pairs are on too few media in use, by the media that have them.
pub fn holders(state: &State, now: Timestamp) -> Vec<Finding> {
    let wanted = state.policy().min_media;
    let mut held: BTreeMap<Vec<String>, Vec<String>> = BTreeMap::new();
    for known in state.key_pairs(clock::trusted(now, state)) {
        if known.counts() {
            let listed = known.listed();
            let media = server_backup::media_with(state, &listed.generations);
            let name = listed.names.into_iter().next();
            let names = held.entry(media).or_default();
            names.push(name.unwrap_or(listed.thumbprint));
        }
    }
    let mut findings = Vec::new();
    for (media, names) in held {
        if media.len() < wanted {
            findings.push(too_few(&media, &names, wanted));
        }
    }
    findings
}

/// Which media in use have only ended copies of key pairs that count, and which have what was renewed
/// since; nothing where the clock is in doubt.
pub fn due_by_copies(state: &State, now: Timestamp) -> Vec<Finding> {
    let Some(now) = clock::trusted(now, state) else {
        return Vec::new();
    };
    let known = state.key_pairs(Some(now));
    let mut findings = Vec::from_iter(ends_soon(&known, now));
    for medium in state.media_in_use() {
        let copies = Copies::on(medium, state, &known);
        let ended = copies.ended(now);
        if !ended.is_empty() {
            findings.push(copies_ended(&medium.label, &ended));
        }
        if !copies.renewed.is_empty() {
            let names = names_of(&copies.renewed);
            let text = text!(
                "status-renewed-since",
                label = medium.label.as_str(),
                count = names.len(),
                total = copies.ends.len(),
                names = few(&names)
            );
            findings.push(Finding::new("renewed-since", Level::Note, text));
        }
    }
    findings
}

/// Which of the key pairs that count end within 30 days.
fn ends_soon(known: &[Known<'_>], now: Timestamp) -> Option<Finding> {
    let mut names = Vec::new();
    for one in known.iter().filter(|one| one.counts()) {
        let about = one.pair.about;
        if let Remaining::Days(_) = Remaining::until(about.not_after, now) {
            names.push(format!(
                "{} ({})",
                about.display_name(),
                day(about.not_after)
            ));
        }
    }
    let text = text!("status-ends-soon", count = names.len(), names = few(&names));
    (!names.is_empty()).then(|| Finding::new("ends-soon", Level::Note, text))
}

fn copies_ended(label: &str, ended: &[&AboutKeyPair]) -> Finding {
    let names = names_of(ended);
    let text = text!(
        "status-copies-ended",
        label = label,
        count = names.len(),
        names = few(&names)
    );
    let mut facts = vec![label];
    facts.extend(ended.iter().map(|about| about.thumbprint.as_str()));
    Finding::new("copies-ended", Level::Attention, text).known_by(&facts)
}

fn names_of(key_pairs: &[&AboutKeyPair]) -> Vec<String> {
    let names = key_pairs.iter().map(|about| about.display_name());
    names.map(str::to_owned).collect()
}

/// These key pairs are on these media alone.
fn too_few(media: &[String], all: &[String], wanted: usize) -> Finding {
    let (count, names) = (all.len(), few(all));
    let (id, text) = match media.first() {
        None => (
            "on-no-medium",
            text!("status-on-no-medium", count = count, names = names),
        ),
        Some(first) => (
            "few-media",
            text!(
                "status-few-media",
                count = count,
                names = names,
                media = media.join(", "),
                first = first,
                wanted = wanted
            ),
        ),
    };
    let finding = Finding::new(id, Level::AtRisk, text);
    finding.known_by(&[&all.join(" "), &media.join(" "), &wanted.to_string()])
}

/// The first names of many.
fn few(names: &[String]) -> String {
    let more = if names.len() > MOST_NAMES {
        ", …"
    } else {
        ""
    };
    let first: Vec<_> = names.iter().take(MOST_NAMES).map(String::as_str).collect();
    first.join(", ") + more
}

/// The private keys on a server that is given away: each must go, once it is safe elsewhere.
pub fn remaining(state: Option<&State>, here: &[OwnCertificate]) -> Vec<Finding> {
    let mut findings: Vec<_> = here
        .iter()
        .filter(|here| here.has_key)
        .map(|here| remains(state, here))
        .collect();
    if !findings.is_empty() {
        findings.push(Finding::new(
            "remains-what",
            Level::Note,
            text!("status-remains-what"),
        ));
    }
    findings
}

fn remains(state: Option<&State>, here: &OwnCertificate) -> Finding {
    let (name, thumbprint) = (
        here.certificate.display_name(),
        here.certificate.thumbprint(),
    );
    let media = state.map_or_else(Vec::new, |state| media_with(state, &here.certificate));
    let media: Vec<_> = media.iter().map(|medium| medium.label.as_str()).collect();
    let text = match &here.hindrance {
        _ if !media.is_empty() => {
            text!(
                "status-remains-saved",
                name = name,
                thumbprint = thumbprint.as_str(),
                media = media.join(", ")
            )
        }
        None => text!(
            "status-remains-unsaved",
            name = name,
            thumbprint = thumbprint.as_str()
        ),
        Some(reason) => {
            text!(
                "status-remains-unsavable",
                name = name,
                thumbprint = thumbprint.as_str(),
                reason = reason.clone()
            )
        }
    };
    let finding = Finding::new("remains", Level::Attention, text);
    finding.known_by(&[name, &thumbprint])
}

/// Media in use that hold a generation with this certificate and its key.
pub fn media_with<'s>(state: &'s State, certificate: &Certificate) -> Vec<&'s SeenMedium> {
    let wanted = Hash::of(certificate.der());
    let has = |written: &&Written| {
        written
            .key_pairs
            .iter()
            .any(|pair| pair.certificate_sha256 == wanted)
    };
    let numbers: Vec<Number> = state
        .generations()
        .filter(has)
        .map(|written| written.number)
        .collect();
    let media = state.media_in_use();
    media
        .filter(|medium| numbers.iter().any(|number| state.is_on(medium, *number)))
        .collect()
}

/// Whether `time` is more than so many calendar months ago, counted in days of UTC; or lies ahead, so
/// that nothing can be told by it.
pub fn is_older(time: Timestamp, months: u32, now: Timestamp) -> bool {
    time.duration_since(now) > CLOCKS_APART || due_day(time, months) < day_of(now)
}

/// The last day on which something done at `time` is not due again, so many calendar months later.
pub fn due_day(time: Timestamp, months: u32) -> Date {
    let months = Span::new().try_months(months).unwrap_or_default();
    day_of(time).saturating_add(months)
}

/// Since when a medium waits for its next check: the last one that no cache can have answered, else the first writing.
pub fn checked_since(medium: &SeenMedium) -> Option<Timestamp> {
    medium.last_cold.or(medium.first_seen)
}
