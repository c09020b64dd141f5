//! A right ends for good: what must be issued anew, the question, the owner's word.

use serde::Serialize;

use crate::console::Enter;
use crate::error::{Exit, Result};
use crate::message::{day, short};
use crate::session::Session;
use crate::text;
use crate::workflow::unlock::UnlockedVault;
use vault::catalog::AboutKeyPair;
use vault::trust::Clause;

/// What a right that ends leads to, for programs.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RetirementReport {
    /// Whether it was only looked at.
    pub dry_run: bool,
    /// The vault.
    pub vault: String,
    /// What ends.
    #[serde(flatten)]
    pub right: EndedRight,
    /// What must be issued anew with new keys.
    pub re_issue: Vec<ReIssueReport>,
    /// The media that did not take it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing: Option<Vec<String>>,
}

/// A right that ends.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum EndedRight {
    /// A server's, to write.
    Server {
        /// Its id.
        server: String,
        /// The number of its last good generation; nothing where none counts any more.
        last: Option<u32>,
    },
    /// A key's, to read what is made from now on.
    Key {
        /// The age public key.
        retired: String,
    },
}

/// A certificate to issue anew with a new key.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ReIssueReport {
    names: Vec<String>,
    thumbprint: String,
}

/// Asks, says the word if there is one, and names the media that refused it.
pub fn end(
    session: &Session<'_>,
    opened: &UnlockedVault<'_>,
    word: Option<Clause>,
    yes: bool,
    mut report: RetirementReport,
) -> Result<Exit> {
    let mut exit = Exit::Done;
    if let Some(word) = word {
        session.go_ahead(yes, &text!("retire-question"), Enter::No)?;
        let declared = session.declare(opened, &[word])?;
        session.console.say(&text!("retire-done"));
        exit = declared.finish(session.console);
        let missing = declared.missing().into_iter().map(str::to_owned);
        report.missing = Some(missing.collect());
    }
    session.console.document(exit, &report);
    Ok(exit)
}

/// Says which certificates must be issued anew with new keys, and which generations could not be
/// looked into.
pub fn to_re_issue(
    session: &Session<'_>,
    (key_pairs, closed): (Vec<AboutKeyPair>, Vec<String>),
) -> Vec<ReIssueReport> {
    let valid: Vec<_> = key_pairs
        .into_iter()
        .filter(|about| about.not_after > session.now)
        .collect();
    if !valid.is_empty() {
        session
            .console
            .say(&text!("retire-re-issue-headline", count = valid.len()));
    }
    for about in &valid {
        let (name, thumbprint) = (about.display_name(), short(&about.thumbprint));
        session.console.say(&text!(
            "retire-re-issue",
            name = name,
            thumbprint = thumbprint,
            day = day(about.not_after)
        ));
    }
    for generation in &closed {
        session
            .console
            .warn(&text!("retire-unread", generation = generation));
    }
    let report = |about: AboutKeyPair| ReIssueReport {
        names: about.names,
        thumbprint: about.thumbprint,
    };
    valid.into_iter().map(report).collect()
}
