//! What of a server's backup is not of its newest generation, not here, or does not count any more:
//! in sentences and for programs.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;
use vault::catalog::AboutKeyPair;
use vault::id::Number;

use crate::message::{Text, day, short};
use crate::session::Session;
use crate::text;
use crate::workflow::server_backup::{NoMore, NotHere, Why};
use crate::workflow::witness::retired_reason;

/// A key pair that does not count any more.
pub struct Past {
    about: AboutKeyPair,
    /// The newest generation that holds it.
    number: Option<Number>,
    why: Why,
}

impl Past {
    /// One for each.
    pub fn of(no_more: &[NoMore<'_>]) -> Vec<Self> {
        let past = |one: &NoMore<'_>| Self {
            about: one.held.about().clone(),
            number: one.held.numbers.last().copied(),
            why: one.why.clone(),
        };
        no_more.iter().map(past).collect()
    }

    /// One, as far as this server remembers.
    pub fn new(about: &AboutKeyPair, number: Option<Number>, why: Why) -> Self {
        Self {
            about: about.clone(),
            number,
            why,
        }
    }

    /// Whether somebody retired it.
    pub fn is_retired(&self) -> bool {
        matches!(self.why, Why::Retired(_))
    }

    /// Its certificate's thumbprint.
    pub fn thumbprint(&self) -> &str {
        &self.about.thumbprint
    }

    /// The end of its validity.
    pub fn end(&self) -> Timestamp {
        self.about.not_after
    }

    /// The thumbprint of what has taken its place.
    pub fn renewed_by(&self) -> Option<&str> {
        match &self.why {
            Why::Renewed(by) => Some(&by.thumbprint),
            Why::Ended | Why::Retired(_) => None,
        }
    }

    fn text(&self) -> Text {
        let (name, thumbprint) = (self.about.display_name(), short(&self.about.thumbprint));
        let number = self.number.map_or(0, Number::get);
        let end = day(self.about.not_after);
        match &self.why {
            Why::Renewed(by) => text!(
                "no-more-renewed",
                name = name,
                thumbprint = thumbprint,
                end = end,
                number = number,
                by = short(&by.thumbprint)
            ),
            Why::Retired(said) => text!(
                "no-more-retired",
                name = name,
                thumbprint = thumbprint,
                end = end,
                number = number,
                reason = retired_reason(&said.reason),
                day = day(said.time),
                by = said.by.as_deref().unwrap_or("-")
            ),
            Why::Ended => text!(
                "no-more-ended",
                name = name,
                thumbprint = thumbprint,
                end = end,
                number = number
            ),
        }
    }
}

/// Says what counts and was not on the server at its last backup.
pub fn say_older(session: &Session<'_>, newest: Option<Number>, older: &[(&str, Number)]) {
    let Some(newest) = newest.filter(|_| !older.is_empty()) else {
        return;
    };
    let mut by_number: BTreeMap<Reverse<Number>, Vec<&str>> = BTreeMap::new();
    for (name, number) in older {
        by_number.entry(Reverse(*number)).or_default().push(name);
    }
    let mut lines = Vec::new();
    for (Reverse(number), mut names) in by_number {
        names.sort_unstable();
        let line = text!(
            "names-in-generation",
            number = number,
            names = names.join(", ")
        );
        lines.push(session.console.words(&line));
    }
    session.console.say(&text!(
        "counts-older",
        count = older.len(),
        number = newest,
        names = lines
    ));
}

/// Says what counts and is not on the media given.
pub fn say_not_here(session: &Session<'_>, not_here: &[NotHere]) {
    for one in not_here {
        session.console.warn(&not_here_text(one));
    }
}

/// The same, as a sentence.
pub fn not_here_text(one: &NotHere) -> Text {
    let numbers = one.listed.generations.iter().map(Number::to_string);
    let numbers: Vec<_> = numbers.collect();
    let (name, end) = (one.display_name(), day(one.listed.not_after));
    match one.media.as_slice() {
        [] => text!(
            "not-here",
            name = name,
            end = end,
            numbers = numbers.join(", ")
        ),
        media => text!(
            "not-here-but-on",
            name = name,
            end = end,
            numbers = numbers.join(", "),
            media = media.join(", ")
        ),
    }
}

/// That nothing of what was asked for is on the media given.
pub fn not_here_error(one: &NotHere) -> Text {
    let numbers = one.listed.generations.iter().map(Number::to_string);
    let numbers: Vec<_> = numbers.collect();
    let media = match one.media.as_slice() {
        [] => text!("not-here-nobody-knows"),
        media => text!("not-here-on", media = media.join(", ")),
    };
    text!(
        "error-not-here",
        name = one.display_name(),
        numbers = numbers.join(", "),
        media = media
    )
}

/// Says what does not count any more, and why.
pub fn say_no_more(session: &Session<'_>, past: &[Past]) {
    if past.is_empty() {
        return;
    }
    let lines: Vec<_> = past
        .iter()
        .map(|one| session.console.words(&one.text()))
        .collect();
    session
        .console
        .mention(&text!("no-more", count = past.len(), names = lines));
}

/// A key pair that counts and is not on the media given, for programs.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct NotHereReport {
    names: Vec<String>,
    thumbprint: String,
    generations: Vec<u32>,
    not_after: String,
    /// Labels of media that have it.
    media: Vec<String>,
}

impl NotHereReport {
    /// One for each.
    pub fn of(not_here: &[NotHere]) -> Vec<Self> {
        let report = |one: &NotHere| Self {
            names: one.listed.names.clone(),
            thumbprint: one.listed.thumbprint.clone(),
            generations: one.listed.generations.iter().map(|one| one.get()).collect(),
            not_after: one.listed.not_after.to_string(),
            media: one.media.clone(),
        };
        not_here.iter().map(report).collect()
    }
}

/// A key pair that does not count any more, for programs.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct NoMoreReport {
    names: Vec<String>,
    thumbprint: String,
    /// The newest generation that holds it.
    generation: Option<u32>,
    not_after: String,
    /// `renewed`, `ended` or `retired`.
    reason: &'static str,
    /// What was retired for: `leaked`, `revoked`, `removed` or `lost`.
    retired_as: Option<String>,
    /// The thumbprint of what has taken its place.
    renewed_by: Option<String>,
}

impl NoMoreReport {
    /// One for each.
    pub fn of(past: &[Past]) -> Vec<Self> {
        let report = |one: &Past| Self {
            names: one.about.names.clone(),
            thumbprint: one.about.thumbprint.clone(),
            generation: one.number.map(Number::get),
            not_after: one.about.not_after.to_string(),
            reason: match &one.why {
                Why::Renewed(_) => "renewed",
                Why::Ended => "ended",
                Why::Retired(_) => "retired",
            },
            retired_as: match &one.why {
                Why::Retired(said) => Some(said.reason.clone()),
                _ => None,
            },
            renewed_by: match &one.why {
                Why::Renewed(by) => Some(by.thumbprint.clone()),
                _ => None,
            },
        };
        past.iter().map(report).collect()
    }
}
