//! What was found, for people.

use crate::session::Session;
use crate::workflow::finding::{Finding, Level};

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
}
