//! Findings that `--accept ID=REASON --until DATE` puts to rest.

use vault::catalog::Exception;

use crate::error::{Error, Result};
use crate::message::local_day;
use crate::rules;
use crate::session::Session;
use crate::state::State;
use crate::state::rest::AtRest;
use crate::text;
use crate::workflow::finding::{self, Finding, Level};

impl Session<'_> {
    /// Refuses what `--accept` names where it is no rule: this command has no findings to put to rest.
    ///
    /// # Errors
    /// The first such id.
    pub fn refuse_to_rest(&self) -> Result<()> {
        match self.to_rest.first() {
            Some(one) => Err(rules::unknown_rule(&one.rule)),
            None => Ok(()),
        }
    }

    /// Puts to rest what was named on the command line and keeps that, and marks all that is at rest.
    ///
    /// # Errors
    /// A name without such a finding, one that cannot be put to rest, no last day, or host state that
    /// cannot be written.
    pub fn settle(&self, findings: &mut [&mut Finding], state: Option<&State>) -> Result<()> {
        let mut words = Vec::new();
        for one in &self.to_rest {
            words.extend(self.words_of(one, findings)?);
        }
        if words.is_empty() {
            for finding in findings {
                finding::mark(std::slice::from_mut(*finding), state, self.now);
            }
            return Ok(());
        }
        let mut state = self.enrolled()?;
        let today = local_day(self.now);
        for (facts, word) in words {
            state.put_to_rest(facts, word, today);
        }
        state.save()?;
        for finding in findings {
            finding::mark(std::slice::from_mut(*finding), Some(&state), self.now);
        }
        Ok(())
    }

    /// What is said of each finding that one `--accept` names.
    fn words_of(
        &self,
        one: &Exception,
        findings: &[&mut Finding],
    ) -> Result<Vec<(vault::id::Hash, AtRest)>> {
        let id = one.rule.as_str();
        let named = findings
            .iter()
            .filter(|finding| finding.level > Level::Note);
        let alarms: Vec<_> = named.collect();
        let meant: Vec<_> = alarms
            .iter()
            .filter(|finding| finding.is_called(id))
            .collect();
        if meant.is_empty() {
            let mut known: Vec<_> = alarms.iter().map(|finding| finding.key()).collect();
            if known.is_empty() {
                known.push("none".to_owned());
            }
            let known = known.join(", ");
            return Err(Error::usage(text!(
                "error-no-finding",
                id = id,
                known = known
            )));
        }
        let Some(until) = one.until else {
            return Err(Error::usage(text!("error-rest-without-end", id = id)));
        };
        let mut words = Vec::new();
        for finding in meant {
            let facts = finding.facts.filter(|_| finding.level != Level::Lost);
            let facts = facts.ok_or_else(|| Error::usage(text!("error-not-to-rest", id = id)))?;
            let end = finding.end.filter(|end| *end > self.now).map(local_day);
            let word = AtRest {
                id: finding.id.to_owned(),
                reason: one.reason.clone(),
                by: one.by.clone(),
                time: self.now,
                until: end.map_or(until, |end| until.min(end)),
            };
            words.push((facts, word));
        }
        Ok(words)
    }
}
