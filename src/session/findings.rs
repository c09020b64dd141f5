//! What was found, for people.

use crate::message::Text;
use crate::session::Session;
use crate::state::rest::AtRest;
use crate::text;
use crate::workflow::finding::{Finding, Level};

impl Session<'_> {
    /// What was found, in words.
    pub fn show_findings(&self, findings: &[Finding]) {
        for finding in findings {
            match (finding.level, &finding.at_rest) {
                (Level::Note, _) => self.console.mention(&finding.text),
                (_, Some(_)) => self.console.say(&at_rest(finding)),
                (_, None) => self.console.warn(&finding.text),
            }
        }
    }

    /// The same, and how to put an alarm to rest.
    pub fn show_alarms(&self, findings: &[Finding]) {
        self.show_findings(findings);
        self.say_how_to_rest(findings.iter());
    }

    /// The ids of alarms that can be put to rest, and how.
    pub fn say_how_to_rest<'f>(&self, findings: impl Iterator<Item = &'f Finding>) {
        let can_rest = |finding: &&Finding| {
            finding.is_alarm() && finding.level != Level::Lost && finding.facts.is_some()
        };
        let ids = ids(&findings.filter(can_rest).collect::<Vec<_>>());
        if !ids.is_empty() {
            self.console
                .mention(&text!("finding-how-to-rest", ids = ids.join(", ")));
        }
    }
}

/// The ids of the alarms, as short as they tell one from another.
fn ids(alarms: &[&Finding]) -> Vec<String> {
    let is_other = |one: &Finding, other: &Finding| one.id == other.id && one.facts != other.facts;
    let mut ids = Vec::new();
    for one in alarms {
        let id = match alarms.iter().any(|other| is_other(one, other)) {
            true => one.key(),
            false => one.id.to_owned(),
        };
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    ids
}

/// A finding that was put to rest: by whom, why, and until when.
fn at_rest(finding: &Finding) -> Text {
    match &finding.at_rest {
        Some(known) => with(known, finding.text.clone()),
        None => finding.text.clone(),
    }
}

/// What was found, and that it was put to rest: by whom, why, and until when.
pub fn with(known: &AtRest, finding: Text) -> Text {
    text!(
        "finding-at-rest",
        finding = finding,
        reason = known.reason.as_str(),
        by = known.by.as_deref().unwrap_or("-"),
        until = known.until.to_string()
    )
}
