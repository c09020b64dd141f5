//! What was found, for people and for programs.

use serde_json::{Value, json};

use crate::session::Session;
use crate::workflow::finding::{Finding, Level};
use crate::workflow::left_out::LeftOut;
use vault::catalog::AboutKeyPair;

impl Session<'_> {
    /// What was found, in words.
    pub fn show_findings(&self, findings: &[Finding]) {
        for finding in findings {
            match finding.level {
                Level::Note => self.console.mention(&finding.text),
                _ => self.console.warn(&finding.text),
            }
        }
    }

    /// What was found, for programs.
    pub fn listed(&self, findings: &[Finding]) -> Vec<Value> {
        let level = |level| {
            if level == Level::Note {
                "note"
            } else {
                "attention"
            }
        };
        let listed = findings.iter().map(|finding| {
            json!({ "id": finding.id, "level": level(finding.level), "text": self.console.words(&finding.text) })
        });
        listed.collect()
    }
}

/// What is left out, for programs.
pub fn left_out_document(left_out: &[LeftOut]) -> Value {
    let one = |number: u32, about: &AboutKeyPair| {
        json!({
            "names": about.names, "thumbprint": about.thumbprint, "generation": number,
            "not_after": about.not_after.to_string(),
        })
    };
    left_out
        .iter()
        .flat_map(|held| held.key_pairs.iter().map(|about| one(held.number, about)))
        .collect()
}
