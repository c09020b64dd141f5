//! A right ends for good: what must be issued anew, the question, the owner's word.

use serde_json::{Value, json};

use crate::console::Enter;
use crate::error::{Exit, Result};
use crate::message::{day, short};
use crate::session::Session;
use crate::text;
use crate::workflow::unlock::Opened;
use vault::catalog::AboutKeyPair;
use vault::trust::Word;

/// Asks, says the word if there is one, and names the media that refused it.
pub fn end(
    session: &Session<'_>,
    opened: &Opened<'_>,
    word: Option<Word>,
    yes: bool,
    mut about: Value,
) -> Result<Exit> {
    let mut exit = Exit::Done;
    if let Some(word) = word {
        session.go_ahead(yes, &text!("retire-question"), Enter::No)?;
        let declared = session.declare(opened, &[word])?;
        session.console.say(&text!("retire-done"));
        exit = declared.finish(session.console);
        about["missing"] = json!(declared.missing());
    }
    session.console.document(exit, about);
    Ok(exit)
}

/// Says which certificates must be issued anew with new keys, and which generations could not be
/// looked into.
pub fn to_re_issue(
    session: &Session<'_>,
    (key_pairs, closed): (Vec<AboutKeyPair>, Vec<String>),
) -> Vec<Value> {
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
    let one =
        |about: &AboutKeyPair| json!({ "names": about.names, "thumbprint": about.thumbprint });
    valid.iter().map(one).collect()
}
