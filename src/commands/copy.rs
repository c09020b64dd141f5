//! `copy`: brings a stick up to date from others.

use serde_json::json;

use crate::cli::Copy;
use crate::commands::Run;
use crate::copy::{self, Copied};
use crate::error::{Error, Exit, Result};
use crate::state::{State, no_random};
use crate::text;
use crate::vault::medium::Medium;
use crate::vault::readme::Label;

/// Runs the command.
pub fn run(run: &Run<'_>, args: &Copy) -> Result<Exit> {
    let mut media = run.vault_media(&args.from)?;
    let target = run.medium_to_write(&args.to)?;
    let state = run.memory().state;
    // Copying needs to know the owner, not to be one: an enrolled server knows, else the sources must agree.
    let vault = crate::verify::owner_of(&media, state.as_ref())?;
    let there = target.has_vault()?;
    if there && crate::verify::owner_of(std::slice::from_ref(&target), None)? != vault {
        return Err(Error::new(Exit::NoVault, text!("error-not-our-vault", medium = target.name.as_str())));
    }
    if !there {
        let name = state.as_ref().map_or_else(crate::media::host_name, State::next_label);
        target.prepare(&Label::new(&name).map_err(|_| no_random())?)?;
    }
    let name = target.name.clone();
    media.push(target);
    let copied =
        copy::run(&media, &vault, state.as_ref().map(|state| &state.trust), &|text| run.console.progress(&text))?;
    run.console.say(&text!("copy-done", added = copied.added.len(), kept = copied.kept, medium = name));
    for generation in &copied.skipped {
        run.console.warn(&text!("copy-skipped", generation = generation));
    }
    if let Some(target) = media.last() {
        run.note(&vault, |state| remember(state, target, &copied, run.now));
    }
    let exit = if copied.skipped.is_empty() { Exit::Done } else { Exit::Partly };
    run.console.document(exit, json!({ "added": copied.added, "kept": copied.kept, "skipped": copied.skipped }));
    Ok(exit)
}

/// What the medium holds now. It counts as written: a cache may answer for it until it was away.
fn remember(state: &mut State, target: &Medium, copied: &Copied, now: jiff::Timestamp) {
    let Some(label) = target.label() else { return };
    let seen = state.medium(&label.medium);
    seen.label = label.label;
    seen.newest.clone_from(&copied.newest);
    seen.last_seen = Some(now);
    seen.first_seen = seen.first_seen.or(Some(now));
    if !copied.added.is_empty() {
        seen.written_during = Some(target.attachment().unwrap_or_default());
    }
}
