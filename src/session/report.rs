//! The parts that the documents of several commands have in common, for programs.

use serde::Serialize;

use crate::console::Console;
use crate::keypair::Certificate;
use crate::message::Text;
use crate::session::standing;
use crate::state::rest::AtRest;
use crate::workflow::finding::Finding;
use vault::id::Number;

/// A finding of a check.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct FindingReport {
    id: &'static str,
    /// The id and what tells this finding from others: what `--accept` takes.
    key: String,
    /// `note` or `attention`: whether somebody has to look at it.
    level: &'static str,
    /// `note`, `attention`, `at-risk`, `forged` or `lost`.
    severity: &'static str,
    text: String,
    /// Who put it to rest, why and until when.
    #[serde(skip_serializing_if = "Option::is_none")]
    at_rest: Option<AtRestReport>,
}

/// A finding that a person has looked at.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct AtRestReport {
    reason: String,
    /// The account that said so, a claim.
    by: Option<String>,
    time: String,
    /// The last day on which it holds.
    until: String,
}

impl AtRestReport {
    /// What was said of a finding.
    pub fn of(known: &AtRest) -> Self {
        Self {
            reason: known.reason.clone(),
            by: known.by.clone(),
            time: known.time.to_string(),
            until: known.until.to_string(),
        }
    }
}

impl FindingReport {
    /// Words the findings in the console's language.
    pub fn of(console: &Console, findings: &[Finding]) -> Vec<Self> {
        let report = |finding: &Finding| Self {
            id: finding.id,
            key: finding.key(),
            level: match finding.is_alarm() {
                false => "note",
                true => "attention",
            },
            severity: finding.level.id(),
            text: console.words(&finding.text),
            at_rest: finding.at_rest.as_ref().map(AtRestReport::of),
        };
        findings.iter().map(report).collect()
    }
}

/// What could not be read or done, and why.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct MissingReport {
    name: String,
    reason: String,
}

impl MissingReport {
    /// Words the reason in the console's language.
    pub fn of(console: &Console, name: &str, reason: &Text) -> Self {
        Self {
            name: name.to_owned(),
            reason: console.words(reason),
        }
    }
}

/// The generation that holds something.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct SavedReport {
    generation: u32,
    time: String,
}

impl SavedReport {
    /// The generation with this number, made at `time`.
    pub fn new(generation: Number, time: jiff::Timestamp) -> Self {
        let (generation, time) = (generation.get(), time.to_string());
        Self { generation, time }
    }
}

/// A certificate, and how it stands today.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct StandingReport {
    name: String,
    thumbprint: String,
    not_before: String,
    not_after: String,
    standing: &'static str,
}

impl StandingReport {
    /// How `leaf` stands at `now`.
    pub fn of(leaf: &Certificate, now: jiff::Timestamp) -> Self {
        Self {
            name: leaf.display_name().to_owned(),
            thumbprint: leaf.thumbprint(),
            not_before: leaf.not_before().to_string(),
            not_after: leaf.not_after().to_string(),
            standing: standing::id(leaf.remaining(now)),
        }
    }
}
