//! `undo`: takes back the last restore or repair of this server.

use serde_json::json;

use crate::change::{self, Journal};
use crate::cli::Undo;
use crate::commands::Run;
use crate::commands::events::Leading;
use crate::console::Enter;
use crate::error::{Error, Exit, Result};
use crate::session::here;
use crate::text;

/// Runs the command.
pub fn run(run: &Run<'_>, args: &Undo) -> Result<Exit> {
    let server = here::elevated()?;
    let mut journal = Journal::open(&run.state_folder()?)?;
    let last = journal
        .last_kept()
        .ok_or_else(|| Error::failed(text!("error-nothing-to-undo")))?;
    let when = last.began.strftime("%Y-%m-%d %H:%M UTC").to_string();
    let created = Leading::to_created(server, &last.steps);
    let keys = created.len();
    run.console.say(&text!(
        "undo-plan",
        what = last.what.as_str(),
        when = when,
        keys = keys
    ));
    let bindings = last
        .steps
        .iter()
        .filter(|step| step.edit().is_some())
        .count();
    if bindings > 0 {
        run.console.say(&text!("undo-bindings", count = bindings));
    }
    if args.dry_run {
        run.console
            .document(Exit::Done, json!({ "dry_run": true, "keys": keys }));
        return Ok(Exit::Done);
    }
    run.go_ahead(args.yes, &text!("undo-question"), Enter::No)?;
    let left = change::undo(server, &mut journal);
    run.report_deleted(server, &created);
    let left = left?;
    left.iter().for_each(|text| run.console.warn(text));
    run.console.say(&text!("undo-done"));
    let exit = if left.is_empty() {
        Exit::Done
    } else {
        Exit::Attention
    };
    let left: Vec<_> = left.iter().map(|text| run.console.words(text)).collect();
    run.console
        .document(exit, json!({ "keys": keys, "left": left }));
    Ok(exit)
}
