//! What a look at media or at this server brings up, and what of it was put to rest.

use std::collections::BTreeMap;

use jiff::Timestamp;
use vault::id::Hash;
use vault::survey::Survey;

use crate::error::Exit;
use crate::message::{Arg, Text, fold, local_day};
use crate::state::State;
use crate::state::rest::AtRest;

/// What stands behind a verdict, in the words of docs/format.md.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Worth knowing.
    Note,
    /// Needs attention: exit 8.
    Attention,
    /// A key pair may be lost if something else fails: exit 8.
    AtRisk,
    /// A signature is wrong: exit 10.
    Forged,
    /// Something cannot be recovered from the media given: exit 4.
    Lost,
}

impl Level {
    /// For programs.
    pub fn id(self) -> &'static str {
        match self {
            Level::Note => "note",
            Level::Attention => "attention",
            Level::AtRisk => "at-risk",
            Level::Forged => "forged",
            Level::Lost => "lost",
        }
    }
}

/// How `verify` ends, whose work it is to look: by the worst that was not put to rest.
pub fn of_a_look(findings: &[Finding]) -> Exit {
    let alarms = findings.iter().filter(|finding| finding.is_alarm());
    match alarms.map(|finding| finding.level).max() {
        Some(Level::Lost) => Exit::Damaged,
        Some(Level::Forged) => Exit::Forged,
        Some(Level::Attention | Level::AtRisk) => Exit::Attention,
        Some(Level::Note) | None => Exit::Done,
    }
}

/// How a command ends that did something else and came upon these, forged and lost ones too: they are named.
pub fn beside(findings: &[Finding]) -> Exit {
    match findings.iter().any(Finding::is_alarm) {
        true => Exit::Attention,
        false => Exit::Done,
    }
}

/// Findings, those of one kind put together where they are many.
pub fn folded(findings: Vec<Finding>) -> Vec<Finding> {
    let mut facts: BTreeMap<_, Vec<String>> = BTreeMap::new();
    for finding in &findings {
        let of_kind = facts.entry((finding.id, finding.text.id)).or_default();
        of_kind.push(
            finding
                .facts
                .map_or_else(String::new, |facts| facts.to_string()),
        );
    }
    let with = |finding: Finding, count| Finding {
        text: finding.text.and_more(count),
        ..finding
    };
    let mut folded = fold(findings, |finding| (finding.id, finding.text.id), with);
    for finding in &mut folded {
        let Some((_, Arg::Text(first))) = finding.text.args.first() else {
            continue;
        };
        if let Some(of_kind) = facts.get(&(finding.id, first.id)) {
            // Of which one cannot be told apart, none can be put to rest.
            let all_known = !of_kind.iter().any(String::is_empty);
            finding.facts = all_known.then(|| Hash::of(of_kind.join(" ").as_bytes()));
        }
    }
    folded
}

/// Marks what this server keeps as put to rest on this day.
pub fn mark(findings: &mut [Finding], state: Option<&State>, now: Timestamp) {
    let today = local_day(now);
    for finding in findings {
        let known = finding.facts.zip(state);
        let known = known.and_then(|(facts, state)| state.at_rest(facts, today));
        finding.at_rest = known.filter(|_| finding.level != Level::Lost).cloned();
    }
}

/// Findings that name a medium by where it is, known by which it is.
pub fn placed(mut findings: Vec<Finding>, survey: &Survey<'_>) -> Vec<Finding> {
    for finding in &mut findings {
        let is_it = |(name, arg): &(&str, Arg), medium: &str| {
            *name == "medium" && matches!(arg, Arg::Words(words) if words == medium)
        };
        for index in 0..survey.media_count() {
            let medium = survey.medium(index);
            if finding.text.args.iter().any(|arg| is_it(arg, &medium.name)) {
                let id = medium.label().map(|label| label.medium);
                let id = id.unwrap_or_else(|| medium.name.clone());
                finding.facts = finding
                    .facts
                    .map(|facts| of_facts(&facts.to_string(), &[&id]));
            }
        }
    }
    findings
}

/// One thing found.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// Id, as docs/format.md lists them.
    pub id: &'static str,
    /// How bad.
    pub level: Level,
    /// In words.
    pub text: Text,
    /// What tells it from every other, and stays the same as long as the facts do; nothing where that
    /// cannot be told.
    pub facts: Option<Hash>,
    /// When the certificate ends that it is about.
    pub end: Option<Timestamp>,
    /// By whom it was put to rest, and until when.
    pub at_rest: Option<AtRest>,
}

impl Finding {
    /// A finding, known by the values of its text.
    pub fn new(id: &'static str, level: Level, text: Text) -> Self {
        let mut values = Vec::new();
        collect(&text, &mut values);
        let values: Vec<&str> = values.iter().map(String::as_str).collect();
        Self {
            facts: Some(of_facts(id, &values)),
            id,
            level,
            text,
            end: None,
            at_rest: None,
        }
    }

    /// The same, known by these facts instead.
    #[must_use]
    pub fn known_by(self, facts: &[&str]) -> Self {
        let facts = Some(of_facts(self.id, facts));
        Self { facts, ..self }
    }

    /// The same, about a certificate that ends then.
    #[must_use]
    pub fn until_end(self, end: Timestamp) -> Self {
        let end = Some(end);
        Self { end, ..self }
    }

    /// Whether somebody has to look at it: it is more than a note, and was not put to rest.
    pub fn is_alarm(&self) -> bool {
        self.level > Level::Note && self.at_rest.is_none()
    }

    /// Its id, and what tells it from others of the same: `check-due/3f2a9c41`.
    pub fn key(&self) -> String {
        match self.facts {
            Some(facts) => format!("{}/{}", self.id, &facts.to_string()[..8]),
            None => self.id.to_owned(),
        }
    }

    /// Whether a person means this one by what `--accept` names.
    pub fn is_called(&self, name: &str) -> bool {
        name == self.id || name == self.key()
    }
}

fn of_facts(id: &str, values: &[&str]) -> Hash {
    let mut bytes = Vec::new();
    for value in std::iter::once(&id).chain(values) {
        bytes.extend_from_slice(&(value.len() as u64).to_be_bytes());
        bytes.extend_from_slice(value.as_bytes());
    }
    Hash::of(&bytes)
}

/// The values of a text that do not change with the day or with where a medium is.
fn collect(text: &Text, values: &mut Vec<String>) {
    for (name, arg) in &text.args {
        match arg {
            _ if matches!(*name, "age" | "left" | "medium") => {}
            Arg::Words(words) => values.push(words.clone()),
            Arg::Lines(lines) => values.push(lines.join("\n")),
            Arg::Number(number) => values.push(number.to_string()),
            Arg::Text(inner) => {
                values.push(inner.id.to_owned());
                collect(inner, values);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text;

    fn of(id: &'static str, text: Text) -> Finding {
        let level = Level::Attention;
        Finding::new(id, level, text)
    }

    #[test]
    fn many_findings_of_a_kind_are_one_with_the_count_of_the_others() {
        let path = |number: usize| text!("found-unexpected", medium = "E:", path = number);
        let mut findings: Vec<Finding> = (0..5000)
            .map(|number| of("unexpected-file", path(number)))
            .collect();
        findings.insert(70, of("program", path(0)));
        let folded: Vec<_> = folded(findings)
            .into_iter()
            .map(|f| (f.id, f.text))
            .collect();
        let first = path(0).and_more(4999);
        assert_eq!(folded, [("unexpected-file", first), ("program", path(0))]);
    }

    #[test]
    fn a_few_findings_of_a_kind_are_said_one_by_one() {
        let findings = vec![of("file-lost", text!("found-newer-statement")); 9];
        assert_eq!(folded(findings.clone()), findings);
    }

    #[test]
    fn what_is_found_again_is_known_by_its_facts_and_not_by_its_age_or_place() {
        let due = |label: &str, age: usize| {
            of(
                "check-due",
                text!("status-check-due", label = label, age = age),
            )
            .key()
        };
        assert_eq!(due("A", 200), due("A", 201));
        assert_ne!(due("A", 200), due("B", 200));
        let many = |count: usize| {
            let path = |n| text!("found-unexpected", medium = "E:", path = n);
            let findings = (0..count).map(|n| of("program", path(n))).collect();
            folded(findings)[0].key()
        };
        assert_eq!(many(20), many(20));
        assert_ne!(many(20), many(21));
    }
}
