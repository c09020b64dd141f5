//! The ways in, and when each was last seen to open the vault here: what nobody tries is lost before
//! anybody knows.

use jiff::Timestamp;

use crate::message::{Text, day};
use crate::state::{KnownWay, State};
use crate::text;
use crate::workflow::finding::{Finding, Level};
use crate::workflow::status::{DRILL_MONTHS, is_older};
use vault::id::Hash;

/// Whether a way in opened the vault here within the time in which a drill is due again.
pub fn is_proven(known: Option<&KnownWay>, now: Timestamp) -> bool {
    let opened = known.and_then(|known| known.opened.as_ref());
    opened.is_some_and(|opened| !is_older(opened.time, DRILL_MONTHS, now))
}

/// Whether no other was made in the place of a way in: nobody needs to try one that was replaced.
pub fn is_in_use((_, known): &(Hash, Option<&KnownWay>)) -> bool {
    known.is_none_or(|known| known.replaced.is_none())
}

/// What a way in is called: what opens it, and its short id.
pub fn name(way: Hash, known: Option<&KnownWay>) -> Text {
    let kind = known.map_or("unknown", |known| known.kind.as_str());
    text!("way-name", kind = kind, id = way.short())
}

/// What `drill` needs beside the medium to try a way in; a passphrase is asked for.
fn option(known: Option<&KnownWay>) -> &'static str {
    match known.map(|known| known.kind.as_str()) {
        Some("recovery-key") => " --recovery-key",
        Some("shares") => " --shares",
        Some("age-key" | "ssh-key" | "plugin") => " --age-key-file FILE",
        _ => "",
    }
}

/// One sentence for each way in that the owner lists: when it last opened the vault here, and what
/// tries it.
pub fn findings(state: &State, now: Timestamp) -> Vec<Finding> {
    let mut findings = Vec::new();
    let in_use = state.ways().into_iter().filter(|way| is_in_use(way));
    for (way, known) in in_use {
        let way_name = name(way, known);
        let opened = known.and_then(|known| known.opened.as_ref());
        let (id, text) = match opened {
            Some(opened) if is_proven(known, now) => (
                "way-proven",
                text!(
                    "way-proven",
                    way = way_name,
                    day = day(opened.time),
                    by = opened.by.as_deref().unwrap_or("-")
                ),
            ),
            Some(opened) => (
                "way-untried",
                text!(
                    "way-long-ago",
                    way = way_name,
                    day = day(opened.time),
                    option = option(known)
                ),
            ),
            None => (
                "way-untried",
                text!("way-never", way = way_name, option = option(known)),
            ),
        };
        findings.push(Finding::new(id, Level::Note, text));
    }
    findings
}
