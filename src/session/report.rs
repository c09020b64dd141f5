//! The parts that the documents of several commands have in common, for programs.

use serde::Serialize;

use crate::console::Console;
use crate::keypair::Certificate;
use crate::message::Text;
use crate::session::standing;
use crate::workflow::finding::{Finding, Level};
use vault::id::Number;

/// A finding of a check.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct FindingReport {
    id: &'static str,
    /// `note` or `attention`.
    level: &'static str,
    text: String,
}

impl FindingReport {
    /// Words the findings in the console's language.
    pub fn of(console: &Console, findings: &[Finding]) -> Vec<Self> {
        let report = |finding: &Finding| Self {
            id: finding.id,
            level: match finding.level {
                Level::Note => "note",
                _ => "attention",
            },
            text: console.words(&finding.text),
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
