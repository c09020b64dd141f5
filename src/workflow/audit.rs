//! The five handling rules, each with the evidence that it is kept or broken: from host state, from
//! the media given, and from a scan for stray key files. Values in, values out; nothing is repaired
//! here.

use std::collections::BTreeSet;
use std::path::PathBuf;

use jiff::Timestamp;

use crate::error::Exit;
use crate::iis::StoredCertificate;
use crate::message::{Text, age, day, local_day, moment};
use crate::platform::media::{self, Facts};
use crate::rules::{self, Rule, Stored};
use crate::scan;
use crate::state::rest::AtRest;
use crate::state::{State, Written};
use crate::text;
use crate::workflow::clock;
use crate::workflow::finding::{self, Finding};
use crate::workflow::status::{self, DRILL_MONTHS};
use crate::workflow::verify;
use crate::workflow::ways;
use vault::catalog::{Exception, Policy, Retired, SeenMedium};
use vault::id::Number;

/// What one piece of evidence says of its rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum EvidenceLevel {
    /// Worth knowing; says nothing for or against.
    Note,
    /// The rule is kept, as far as this goes.
    Kept,
    /// Nothing against it was found where somebody looked, which is never everywhere.
    NotFound,
    /// It was set aside.
    SetAside,
    /// Nobody looked.
    Unknown,
    /// Overdue, or at risk.
    Attention,
    /// The rule is broken.
    Broken,
}

impl EvidenceLevel {
    /// For programs.
    pub fn id(self) -> &'static str {
        match self {
            EvidenceLevel::Note => "note",
            EvidenceLevel::Kept => "kept",
            EvidenceLevel::NotFound => "not-found",
            EvidenceLevel::SetAside => "set-aside",
            EvidenceLevel::Unknown => "unknown",
            EvidenceLevel::Attention => "attention",
            EvidenceLevel::Broken => "broken",
        }
    }
}

/// One piece of evidence.
#[derive(Debug)]
pub struct Evidence {
    level: EvidenceLevel,
    /// In words.
    pub text: Text,
    /// What `--accept` puts to rest of it: nothing where it speaks for the rule.
    pub findings: Vec<Finding>,
}

impl Evidence {
    /// What it says of its rule: it is set aside where all that was found was put to rest.
    pub fn level(&self) -> EvidenceLevel {
        match self.at_rest() {
            Some(_) => EvidenceLevel::SetAside,
            None => self.level,
        }
    }

    /// Who put it to rest, where nothing of it is an alarm any more.
    pub fn at_rest(&self) -> Option<&AtRest> {
        let awake = self.findings.iter().any(Finding::is_alarm);
        let mut known = self.findings.iter().filter_map(|one| one.at_rest.as_ref());
        known.next().filter(|_| !awake)
    }
}

/// One rule with all that was seen.
#[derive(Debug)]
pub struct RuleVerdict {
    /// The rule.
    pub rule: Rule,
    /// What was seen, the gravest first.
    pub evidence: Vec<Evidence>,
}

impl RuleVerdict {
    /// The gravest thing said of it.
    pub fn verdict(&self) -> EvidenceLevel {
        self.evidence
            .iter()
            .map(Evidence::level)
            .max()
            .unwrap_or(EvidenceLevel::Unknown)
    }

    fn add(&mut self, level: EvidenceLevel, text: Text) {
        self.add_found(level, text, Vec::new());
    }

    /// The same where it can be put to rest: as these findings, where it does not speak for the rule.
    fn add_found(&mut self, level: EvidenceLevel, text: Text, findings: Vec<Finding>) {
        let findings = match level > EvidenceLevel::Unknown {
            true => findings,
            false => Vec::new(),
        };
        self.evidence.push(Evidence {
            level,
            text,
            findings,
        });
    }

    /// Puts the gravest first.
    pub fn sort(&mut self) {
        self.evidence
            .sort_by_key(|one| std::cmp::Reverse(one.level()));
    }
}

/// How many rules came out how.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// All that were asked for.
    pub total: usize,
    /// Broken.
    pub broken: usize,
    /// Overdue or at risk.
    pub attention: usize,
    /// Set aside.
    pub set_aside: usize,
    /// Nobody looked.
    pub unknown: usize,
}

/// Counts the verdicts.
pub fn count(judged: &[RuleVerdict]) -> Counts {
    let mut counts = Counts::default();
    for one in judged {
        counts.total += 1;
        match one.verdict() {
            EvidenceLevel::Broken => counts.broken += 1,
            EvidenceLevel::Attention => counts.attention += 1,
            EvidenceLevel::SetAside => counts.set_aside += 1,
            EvidenceLevel::Unknown => counts.unknown += 1,
            EvidenceLevel::Note | EvidenceLevel::Kept | EvidenceLevel::NotFound => {}
        }
    }
    counts
}

/// A medium that is here.
pub struct GivenMedium {
    /// As the user named it.
    pub name: String,
    /// Its id and what it is called, where its label can be read.
    pub label: Option<(String, String)>,
    /// What it is on; `None` where the system does not say.
    pub facts: Option<Facts>,
}

/// Everything that an audit looks at.
pub struct AuditInput<'a> {
    /// What this server remembers.
    pub state: Option<&'a State>,
    /// The media that were given.
    pub here: &'a [GivenMedium],
    /// What a check of them found.
    pub check: Option<&'a verify::CheckReport>,
    /// What a scan found.
    pub scan: Option<&'a scan::ScanResult>,
    /// Certificates of this server's stores without a backup; `None` where it has no such stores.
    pub unsaved: Option<&'a [StoredCertificate]>,
    /// Private keys on this server although its right to write has ended.
    pub remaining: &'a [String],
    /// Rules set aside, with the reason: for the newest backup, and for this run. And keys that
    /// cannot be backed up, as long as someone said so.
    pub exceptions: &'a [Exception],
    /// Folders that web sites hand out.
    pub served: &'a [PathBuf],
    /// The rules that are asked for.
    pub rules: &'a [Rule],
    /// The time of this run.
    pub now: Timestamp,
}

/// Judges the rules that are asked for.
pub fn run(seen: &AuditInput<'_>) -> Vec<RuleVerdict> {
    let judge = |rule: Rule| {
        let mut judged = RuleVerdict {
            rule,
            evidence: Vec::new(),
        };
        match rule {
            Rule::NoEmail => {}
            Rule::NoSharedDrive => seen.places(&mut judged),
            Rule::OtherMedium => seen.other_medium(&mut judged),
            Rule::NoHandover => seen.no_handover(&mut judged),
            Rule::PasswordKept => seen.password_kept(&mut judged),
        }
        if matches!(rule, Rule::NoEmail | Rule::NoSharedDrive | Rule::NoHandover) {
            seen.strays(&mut judged);
        }
        seen.set_aside(&mut judged);
        judged.sort();
        judged
    };
    seen.rules.iter().copied().map(judge).collect()
}

/// The exit code that these verdicts lead to: what was set aside until a day and what nothing was
/// found against is no alarm, what nobody looked at is.
pub fn exit(judged: &[RuleVerdict]) -> Exit {
    let is_bad = |one: &RuleVerdict| one.verdict() >= EvidenceLevel::Unknown;
    if judged.iter().any(is_bad) {
        Exit::Attention
    } else {
        Exit::Done
    }
}

impl AuditInput<'_> {
    fn is_set_aside(&self, rule: Rule) -> bool {
        self.exceptions
            .iter()
            .any(|exception| exception.rule == rule.id())
    }

    /// Each exception, by whom and until when. One without an end, or past it, needs attention.
    fn set_aside(&self, judged: &mut RuleVerdict) {
        let rule = judged.rule.id();
        let own = self.exceptions.iter();
        for exception in own.filter(|exception| exception.rule == rule) {
            let level = match exception.until {
                Some(until) if local_day(self.now) <= until => EvidenceLevel::SetAside,
                _ => EvidenceLevel::Attention,
            };
            judged.add(level, set_aside_text(exception));
        }
    }

    /// Keys of which there can be no backup, and somebody knows it.
    fn without_key(&self, judged: &mut RuleVerdict) {
        for Exception { rule, reason, .. } in self.exceptions {
            if let Some(name) = rules::key_pair_without_key(rule) {
                judged.add(
                    EvidenceLevel::Note,
                    text!("audit-no-key", name = name, reason = reason.as_str()),
                );
            }
        }
    }

    /// Stray key files that break the rule.
    fn strays(&self, judged: &mut RuleVerdict) {
        let Some(scan) = self.scan else {
            return judged.add(EvidenceLevel::Unknown, text!("audit-not-scanned"));
        };
        let broken = scan
            .found
            .iter()
            .filter(|found| found.rules.contains(&judged.rule))
            .count();
        if broken > 0 {
            let text = text!("audit-strays", count = broken);
            let found = vec![strays(scan, judged.rule, text.clone())];
            judged.add_found(EvidenceLevel::Broken, text, found);
            self.naked(scan, judged);
        } else {
            judged.add(
                EvidenceLevel::NotFound,
                text!("audit-no-strays", count = scan.files),
            );
        }
        if scan.unread > 0 || scan.in_part > 0 || scan.stopped {
            let text = text!(
                "audit-scan-incomplete",
                unread = scan.unread,
                in_part = scan.in_part
            );
            judged.add(
                if scan.stopped {
                    EvidenceLevel::Attention
                } else {
                    EvidenceLevel::Note
                },
                text,
            );
        }
    }

    /// Why a key without a password breaks the rule that gives it to nobody.
    fn naked(&self, scan: &scan::ScanResult, judged: &mut RuleVerdict) {
        let is_open = |found: &&scan::StrayKey| found.seen.protection == scan::KeyProtection::Open;
        let count = scan.found.iter().filter(is_open).count();
        if judged.rule == Rule::NoHandover && count > 0 {
            let text = text!("audit-strays-naked", count = count);
            let found = vec![strays(scan, judged.rule, text.clone())];
            judged.add_found(EvidenceLevel::Broken, text, found);
        }
    }

    /// What the media that are here break by where they are.
    fn places(&self, judged: &mut RuleVerdict) {
        let rule = judged.rule;
        for here in self.here {
            let Some(facts) = &here.facts else { continue };
            let breaches = rules::breaches(facts, Stored::Vault, self.served);
            let mut own = breaches
                .into_iter()
                .filter(|breach| breach.rule == rule)
                .peekable();
            if own.peek().is_none() {
                judged.add(
                    EvidenceLevel::Kept,
                    text!("audit-place-good", medium = here.name.as_str()),
                );
            }
            for breach in own {
                let level = match () {
                    () if self.is_set_aside(rule) => EvidenceLevel::Note,
                    () if breach.refused => EvidenceLevel::Broken,
                    () => EvidenceLevel::Attention,
                };
                judged.add(
                    level,
                    text!(
                        "audit-place-bad",
                        medium = here.name.as_str(),
                        seen = breach.seen
                    ),
                );
            }
        }
    }

    /// A clock that cannot be right, once: by it two rules are judged.
    fn clock(&self, judged: &mut RuleVerdict) {
        let is_clock = |found: &Finding| found.id == "clock";
        let is_said = match (judged.rule, self.check) {
            (Rule::OtherMedium, Some(check)) => check.findings.iter().any(is_clock),
            (Rule::OtherMedium, None) => false,
            _ => self.rules.contains(&Rule::OtherMedium),
        };
        if is_said {
            return;
        }
        let newest = self.state.and_then(|state| state.generations().next());
        if let Some(found) = clock::finding(self.now, newest.map(|newest| newest.time)) {
            judged.add_found(EvidenceLevel::Attention, found.text.clone(), vec![found]);
        }
    }

    fn other_medium(&self, judged: &mut RuleVerdict) {
        self.clock(judged);
        self.places(judged);
        self.without_key(judged);
        let Some(state) = self.state else {
            return judged.add(EvidenceLevel::Broken, text!("audit-no-vault"));
        };
        let Some(newest) = state.generations().next() else {
            let text = text!("audit-no-backup");
            let found = Finding::new("no-backup", finding::Level::AtRisk, text.clone());
            return judged.add_found(EvidenceLevel::Broken, text, vec![found]);
        };
        self.newest_backup(state, newest, judged);
        for certificate in self.unsaved.unwrap_or_default() {
            let text = text!("audit-unsaved", name = certificate.name());
            let found = Finding::new("not-on-a-medium", finding::Level::AtRisk, text.clone());
            let found = vec![found.known_by(&[&certificate.thumbprint()])];
            judged.add_found(EvidenceLevel::Attention, text, found);
        }
        self.copies_of_all(state, judged);
        for found in status::due_by_copies(state, self.now) {
            let level = match found.level {
                finding::Level::Note => EvidenceLevel::Note,
                _ => EvidenceLevel::Attention,
            };
            judged.add_found(level, found.text.clone(), vec![found]);
        }
        for seen in state.media_in_use() {
            self.last_looked_at(seen, state.policy(), judged);
        }
        for seen in state.media().values() {
            if let Some(retired) = seen.retired {
                judged.add(EvidenceLevel::Note, retired_text(seen, retired, self.now));
            }
        }
        self.found_by_check(judged);
    }

    /// On how many media the key pair is that is on the fewest.
    fn copies_of_all(&self, state: &State, judged: &mut RuleVerdict) {
        let copies = self.fewest_copies(state);
        let text = text!("audit-copies", count = copies);
        let mut found = status::holders(state, self.now);
        if found.is_empty() {
            // Two media on one device are one.
            let few = Finding::new("few-media", finding::Level::AtRisk, text.clone());
            found.push(few);
        }
        judged.add_found(kept_unless(copies < state.policy().min_media), text, found);
    }

    /// When a medium was last checked, and whether it was found damaged.
    fn last_looked_at(&self, seen: &SeenMedium, policy: Policy, judged: &mut RuleVerdict) {
        let text = checked_text(seen, self.now);
        let found = match seen.last_bad {
            Some(bad) => status::found_bad(text.clone(), &seen.label, bad),
            None => status::check_due(text.clone(), seen),
        };
        judged.add_found(checked(seen, policy, self.now), text, vec![found]);
    }

    /// How old the newest backup is, and how many key pairs count.
    fn newest_backup(&self, state: &State, newest: &Written, judged: &mut RuleVerdict) {
        let overdue = status::is_older(newest.time, state.policy().verify_every, self.now);
        let text = text!(
            "audit-backup",
            number = newest.number,
            age = age(newest.time, self.now),
            pairs = state.count_counting(clock::trusted(self.now, state))
        );
        let found = vec![status::backup_old(text.clone(), newest.number)];
        judged.add_found(kept_unless(overdue), text, found);
    }

    fn found_by_check(&self, judged: &mut RuleVerdict) {
        let Some(check) = self.check else { return };
        for finding in &check.findings {
            let level = match finding.level {
                finding::Level::Note => EvidenceLevel::Note,
                finding::Level::Attention | finding::Level::AtRisk => EvidenceLevel::Attention,
                finding::Level::Forged | finding::Level::Lost => EvidenceLevel::Broken,
            };
            let text = text!("audit-finding", finding = finding.text.clone());
            judged.add_found(level, text, vec![finding.clone()]);
        }
    }

    /// On how many media the key pair is that is on the fewest, of those that count.
    fn fewest_copies(&self, state: &State) -> usize {
        let known = state.key_pairs(clock::trusted(self.now, state));
        let counting = known.iter().filter(|known| known.counts());
        let copies = counting.map(|known| self.copies(state, &known.pair.numbers));
        copies.min().unwrap_or_default()
    }

    /// Media with one of these generations; those on one device that is here count once.
    fn copies(&self, state: &State, numbers: &BTreeSet<Number>) -> usize {
        let (mut alone, mut facts) = (0, Vec::new());
        for (id, seen) in state.media() {
            let has_one = numbers.iter().any(|number| state.is_on(seen, *number));
            if seen.retired.is_some() || !has_one {
                continue;
            }
            match self.facts_of(id) {
                Some(of_one) => facts.push(of_one.clone()),
                None => alone += 1,
            }
        }
        alone + media::independent(&facts)
    }

    /// What a medium is on, if it is here and the system says.
    fn facts_of(&self, id: &str) -> Option<&Facts> {
        let is_it = |here: &&GivenMedium| matches!(&here.label, Some((own, _)) if own == id);
        self.here.iter().find(is_it)?.facts.as_ref()
    }

    fn no_handover(&self, judged: &mut RuleVerdict) {
        judged.add(EvidenceLevel::Note, text!("audit-authority"));
        for name in self.remaining {
            let text = text!("audit-remains", name = name);
            let found = Finding::new("remains", finding::Level::Attention, text.clone());
            judged.add_found(EvidenceLevel::Attention, text, vec![found]);
        }
        let Some(state) = self.state else { return };
        let servers = state
            .trust
            .servers
            .keys()
            .filter(|server| state.trust.may_write(**server))
            .count();
        judged.add(EvidenceLevel::Note, text!("audit-servers", count = servers));
        let closed: Vec<_> = state
            .trust
            .closed()
            .map(|server| server.to_string())
            .collect();
        if !closed.is_empty() {
            judged.add(
                EvidenceLevel::Note,
                text!(
                    "audit-servers-closed",
                    count = closed.len(),
                    servers = closed.join(", ")
                ),
            );
        }
        judged.add(
            EvidenceLevel::Note,
            text!("audit-readers", count = state.trust.recipients().count()),
        );
    }

    fn password_kept(&self, judged: &mut RuleVerdict) {
        self.clock(judged);
        let Some(state) = self.state else {
            return judged.add(EvidenceLevel::Unknown, text!("audit-no-vault"));
        };
        let ways = state.trust.identities.len();
        let level = match ways < 2 {
            true => EvidenceLevel::Broken,
            false => EvidenceLevel::Kept,
        };
        let text = text!("audit-ways-in", count = ways);
        let found = Finding::new("ways-in", finding::Level::Attention, text.clone());
        judged.add_found(level, text, vec![found]);
        self.last_drill(state, judged);
        receipts(state, judged);
        for finding in ways::findings(state, self.now) {
            judged.add(EvidenceLevel::Note, finding.text);
        }
    }

    /// When the whole backup was last rehearsed. What tried some of it counts for no more than that.
    fn last_drill(&self, state: &State, judged: &mut RuleVerdict) {
        let drills = state.drills();
        let newest = |whole: bool| {
            let drills = drills.iter();
            drills
                .filter(|drill| drill.is_of_everything() == whole)
                .max_by_key(|drill| drill.time)
        };
        let Some(last) = newest(true) else {
            let text = match newest(false) {
                Some(partly) => text!("audit-drill-partly", pairs = partly.key_pairs),
                None => text!("audit-no-drill"),
            };
            let found = Finding::new("never-drilled", finding::Level::Attention, text.clone());
            let found = vec![found.known_by(&[])];
            return judged.add_found(EvidenceLevel::Attention, text, found);
        };
        let level = kept_unless(status::is_older(last.time, DRILL_MONTHS, self.now));
        let text = text!(
            "audit-drill",
            age = age(last.time, self.now),
            number = last.number,
            pairs = last.key_pairs
        );
        let found = vec![status::drill_due(text.clone(), last.time)];
        judged.add_found(level, text, found);
    }
}

/// Stray keys that break a rule: these files and no others.
fn strays(scan: &scan::ScanResult, rule: Rule, text: Text) -> Finding {
    let broken = scan
        .found
        .iter()
        .filter(|found| found.rules.contains(&rule));
    let place = |found: &scan::StrayKey| {
        let (path, inside) = (found.path.display(), found.inside.join(" > "));
        format!("{path} > {inside}")
    };
    let mut places: Vec<String> = broken.map(place).collect();
    places.sort();
    let places: Vec<&str> = places.iter().map(String::as_str).collect();
    Finding::new("strays", finding::Level::Attention, text).known_by(&places)
}

/// The newest drills, as their receipts have them.
fn receipts(state: &State, judged: &mut RuleVerdict) {
    for drill in state.drills().iter().rev().take(RECEIPTS) {
        judged.add(
            EvidenceLevel::Note,
            text!(
                "audit-receipt",
                time = moment(drill.time),
                by = drill.by.as_deref().unwrap_or("-"),
                kind = drill.opened_with.as_str(),
                way = drill.way.map(|way| way.short()).unwrap_or_default(),
                stock = u32::from(drill.stock),
                media = match drill.media.is_empty() {
                    true => "-".to_owned(),
                    false => drill.media.join(", "),
                },
                server = state.shown(drill.server),
                number = drill.number,
                pairs = drill.key_pairs
            ),
        );
    }
}

/// Receipts that an audit lists.
const RECEIPTS: usize = 5;

/// That a rule was set aside: why, by whom, when, until when.
fn set_aside_text(exception: &Exception) -> Text {
    let time = exception.time.map_or_else(|| "-".to_owned(), day);
    let until = exception.until.map(|until| until.to_string());
    text!(
        "audit-set-aside",
        reason = exception.reason.as_str(),
        by = exception.by.as_deref().unwrap_or("-"),
        time = time,
        until = until.unwrap_or_else(|| "none".to_owned())
    )
}

/// A check that no cache can have answered counts, and the first one all the same.
fn last_check(seen: &SeenMedium) -> Option<Timestamp> {
    seen.last_cold.or(seen.last_verified)
}

fn checked(seen: &SeenMedium, policy: Policy, now: Timestamp) -> EvidenceLevel {
    if seen.last_bad.is_some() {
        return EvidenceLevel::Broken;
    }
    kept_unless(
        last_check(seen).is_none_or(|time| status::is_older(time, policy.verify_every, now)),
    )
}

fn kept_unless(at_risk: bool) -> EvidenceLevel {
    if at_risk {
        EvidenceLevel::Attention
    } else {
        EvidenceLevel::Kept
    }
}

fn retired_text(seen: &SeenMedium, Retired { time, lost }: Retired, now: Timestamp) -> Text {
    let (label, age) = (seen.label.as_str(), age(time, now));
    if lost {
        text!("audit-lost", label = label, age = age)
    } else {
        text!("audit-retired", label = label, age = age)
    }
}

fn checked_text(seen: &SeenMedium, now: Timestamp) -> Text {
    let label = seen.label.as_str();
    if let Some(bad) = seen.last_bad {
        return text!("audit-found-bad", label = label, age = age(bad, now));
    }
    match last_check(seen) {
        None => text!("audit-never-checked", label = label),
        Some(time) => text!("audit-checked", label = label, age = age(time, now)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_private_key_on_a_server_that_is_given_away_is_at_risk() {
        let verdict = |remaining: &[String]| {
            let seen = AuditInput {
                state: None,
                here: &[],
                check: None,
                scan: None,
                unsaved: None,
                remaining,
                exceptions: &[],
                served: &[],
                rules: &Rule::ALL,
                now: Timestamp::now(),
            };
            run(&seen)
                .into_iter()
                .find(|judged| judged.rule == Rule::NoHandover)
                .unwrap()
                .verdict()
        };
        assert_eq!(verdict(&[]), EvidenceLevel::Unknown);
        assert_eq!(
            verdict(&["www.example.com (3F2A…91)".to_owned()]),
            EvidenceLevel::Attention
        );
    }
}
