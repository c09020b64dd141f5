//! `media`: the sticks this server knows, and putting the vault onto another one.

use serde_json::json;

use crate::backup;
use crate::cli::Media;
use crate::commands::{Run, day};
use crate::console::Table;
use crate::error::{Exit, Result};
use crate::text;

/// Runs the command.
pub fn run(run: &Run<'_>, args: &Media) -> Result<Exit> {
    match args {
        Media::List => list(run),
        Media::Add { medium, label } => add(run, medium, label.as_deref()),
    }
}

fn add(run: &Run<'_>, name: &str, label: Option<&str>) -> Result<Exit> {
    let medium = run.medium_to_write(name)?;
    let mut state = run.enrolled()?;
    let next = state.next_label();
    let label = backup::add_medium(&mut state, &medium, label.unwrap_or(&next))?;
    run.console.say(&text!("media-added", medium = name, label = label.label.as_str()));
    run.console.document(Exit::Done, json!({ "medium": label.medium, "label": label.label }));
    Ok(Exit::Done)
}

fn list(run: &Run<'_>) -> Result<Exit> {
    let state = run.enrolled()?;
    let words = |text| run.console.words(&text);
    let mut table = Table::new(vec![
        words(text!("column-label")),
        words(text!("column-newest")),
        words(text!("column-seen")),
        words(text!("column-verified")),
    ]);
    let own = state.server().to_string();
    let when = |time: Option<jiff::Timestamp>| time.map_or_else(|| words(text!("cell-never")), day);
    for seen in state.media().values() {
        let newest = seen.newest.get(&own).map_or_else(|| words(text!("cell-none")), u32::to_string);
        table.row(vec![seen.label.clone(), newest, when(seen.last_seen), when(seen.last_verified)]);
    }
    run.console.say(&text!("media-headline", count = state.media().len()));
    if !state.media().is_empty() {
        run.console.table(&table);
    }
    run.console.document(Exit::Done, json!({ "media": state.media() }));
    Ok(Exit::Done)
}
