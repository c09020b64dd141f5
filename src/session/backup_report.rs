//! What of a server's backup is not of its newest generation, not here, or does not count any more:
//! in sentences and for programs.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde::Serialize;
use vault::catalog::AboutKeyPair;
use vault::id::Number;
use vault::lines::day_of;

use crate::message::{Text, short};
use crate::session::Session;
use crate::text;
use crate::workflow::server_backup::{NoMore, NotHere};

/// A key pair that does not count any more.
pub struct Past {
    about: AboutKeyPair,
    /// The newest generation that holds it.
    number: Option<Number>,
    renewed_by: Option<AboutKeyPair>,
}

impl Past {
    /// One for each.
    pub fn of(no_more: &[NoMore<'_>]) -> Vec<Self> {
        let past = |one: &NoMore<'_>| Self {
            about: one.held.about().clone(),
            number: one.held.numbers.last().copied(),
            renewed_by: one.renewed_by.clone(),
        };
        no_more.iter().map(past).collect()
    }

    /// One that was renewed or has ended, as far as this server remembers.
    pub fn new(about: &AboutKeyPair, number: Option<Number>, by: Option<&AboutKeyPair>) -> Self {
        Self {
            about: about.clone(),
            number,
            renewed_by: by.cloned(),
        }
    }

    fn text(&self) -> Text {
        let (name, thumbprint) = (self.about.display_name(), short(&self.about.thumbprint));
        let number = self.number.map_or(0, Number::get);
        let end = day_of(self.about.not_after).to_string();
        match &self.renewed_by {
            Some(by) => text!(
                "no-more-renewed",
                name = name,
                thumbprint = thumbprint,
                end = end,
                number = number,
                by = short(&by.thumbprint)
            ),
            None => text!(
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
    let (name, end) = (one.display_name(), day_of(one.listed.not_after).to_string());
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
    /// `renewed` or `ended`.
    reason: &'static str,
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
            reason: if one.renewed_by.is_some() {
                "renewed"
            } else {
                "ended"
            },
            renewed_by: one.renewed_by.as_ref().map(|by| by.thumbprint.clone()),
        };
        past.iter().map(report).collect()
    }
}
