//! `undo`: takes back the last restore or repair of this server.

use serde::Serialize;

use crate::change::{self, journal::Transaction};
use crate::cli::UndoArgs;
use crate::console::Enter;
use crate::error::{Error, Exit, Result};
use crate::iis::Iis;
use crate::message::moment;
use crate::session::events::Leading;
use crate::session::{Session, here};
use crate::text;

/// What `undo` took back, or would.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct UndoReport {
    #[serde(skip_serializing_if = "Option::is_none")]
    dry_run: Option<bool>,
    /// The command whose change it is.
    what: String,
    /// When that began.
    began: String,
    /// How many keys the change had created.
    keys: usize,
    /// What could not be taken back.
    #[serde(skip_serializing_if = "Option::is_none")]
    left: Option<Vec<String>>,
}

/// Runs the command.
pub(super) fn run(session: &Session<'_>, args: &UndoArgs) -> Result<Exit> {
    undo_on(session, args, here::elevated()?)
}

pub(super) fn undo_on(session: &Session<'_>, args: &UndoArgs, server: Iis<'_>) -> Result<Exit> {
    let mut journal = session.journal()?;
    journal.refuse_interrupted(Exit::Attention)?;
    let last = journal
        .last_committed()
        .ok_or_else(|| Error::failed(text!("error-nothing-to-undo")))?;
    let created = Leading::to_created(server, &last.steps);
    let mut report = UndoReport {
        dry_run: None,
        what: last.what.clone(),
        began: last.began.to_string(),
        keys: created.len(),
        left: None,
    };
    show_plan(session, last, report.keys);
    if args.dry_run {
        report.dry_run = Some(true);
        session.console.document(Exit::Done, &report);
        return Ok(Exit::Done);
    }
    session.go_ahead(args.yes, &text!("undo-question"), Enter::No)?;
    let undone = change::undo(server, &mut journal);
    session.report_deleted(server, &created);
    let mut left = Vec::new();
    for text in undone? {
        session.console.warn(&text);
        left.push(session.console.words(&text));
    }
    session.console.say(&text!("undo-done"));
    let exit = if left.is_empty() {
        Exit::Done
    } else {
        Exit::Attention
    };
    report.left = Some(left);
    session.console.document(exit, &report);
    Ok(exit)
}

/// Shows what is to be taken back: a change that created so many `keys`.
fn show_plan(session: &Session<'_>, last: &Transaction, keys: usize) {
    session.console.say(&text!(
        "undo-plan",
        what = last.what.as_str(),
        when = moment(last.began),
        keys = keys
    ));
    let edits = last.steps.iter().filter(|step| step.edit().is_some());
    let bindings = edits.count();
    if bindings > 0 {
        session
            .console
            .say(&text!("undo-bindings", count = bindings));
    }
}
