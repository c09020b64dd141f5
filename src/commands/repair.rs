//! `repair`: takes back a run that was interrupted, mends key pairs from what this server still
//! holds, and deletes keys that a run of this program left behind and no certificate needs.

use serde_json::json;

use crate::change::{Journal, Plan, repair, take_back};
use crate::cli::Repair;
use crate::commands::events::Leading;
use crate::commands::{Run, day, iis, request};
use crate::console::Enter;
use crate::error::{Exit, Result};
use crate::iis::{FoundKey, Iis, look_at_all};
use crate::message::Text;
use crate::session::here;
use crate::state::State;
use crate::text;
use vault::catalog::AboutKeyPair;
use vault::id::Hash;

/// Runs the command.
pub fn run(run: &Run<'_>, args: &Repair) -> Result<Exit> {
    repair_on(run, args, here::elevated()?)
}

pub(super) fn repair_on(run: &Run<'_>, args: &Repair, server: Iis<'_>) -> Result<Exit> {
    take_back_interrupted(run, server, args)?;
    let here = look_at_all(server)?;
    let rescued = repair::rescue(server, &here);
    let plan = repair::plan(&here, &rescued, &args.names);
    let orphans = repair::orphans(server, &here)?;
    let closed: Vec<_> = repair::closed(&here).collect();
    let state = run.memory().state;
    iis::show(run, &plan);
    request::warn_unsaved(run, here.seen.iter(), state.as_ref());
    repair::remarks(&here, run.now)
        .iter()
        .for_each(|remark| run.console.mention(remark));
    orphans
        .iter()
        .for_each(|orphan| run.console.say(&described(orphan, state.as_ref())));
    for (link, reason) in &closed {
        run.console.warn(&text!(
            "repair-closed",
            container = link.container.as_str(),
            reason = reason.text()
        ));
    }
    let mut deleted = Vec::new();
    if !args.dry_run {
        mend(run, server, args, &plan)?;
        deleted = delete(run, server, args, &orphans)?;
    }
    let orphans: Vec<_> = orphans
        .iter()
        .map(|orphan| orphan.link.container.as_str())
        .collect();
    let exit = report(run, args, &plan, orphans.len() - deleted.len());
    let (cannot, closed) = (
        plan.cannot().count(),
        closed.iter().map(|(link, _)| link.container.as_str()),
    );
    run.console.document(
        exit,
        json!({
            "mended": plan.items.len() - cannot, "cannot": cannot, "orphans": orphans, "deleted": deleted,
            "closed": closed.collect::<Vec<_>>(), "dry_run": args.dry_run,
        }),
    );
    Ok(exit)
}

/// A key that no certificate here needs, by the backup that holds it where this server remembers
/// one.
fn described(orphan: &FoundKey, state: Option<&State>) -> Text {
    let container = orphan.link.container.as_str();
    let key = Hash::of(&orphan.facts.public_key).to_string();
    let is_it = |pair: &&AboutKeyPair| pair.spki_sha256.as_ref() == Some(&key);
    let mut generations = state.into_iter().flat_map(State::generations);
    let saved =
        generations.find_map(|written| Some((written, written.key_pairs.iter().find(is_it)?)));
    let Some((written, pair)) = saved else {
        return text!("repair-orphan-unsaved", container = container);
    };
    text!(
        "repair-orphan-saved",
        container = container,
        name = pair.display_name(),
        thumbprint = pair.thumbprint.as_str(),
        number = written.number,
        day = day(written.time)
    )
}

fn take_back_interrupted(run: &Run<'_>, server: Iis<'_>, args: &Repair) -> Result<()> {
    let mut journal = Journal::open(&run.state_folder()?)?;
    let Some(open) = journal.interrupted() else {
        return Ok(());
    };
    let when = open.began.strftime("%Y-%m-%d %H:%M UTC").to_string();
    run.console.say(&text!(
        "repair-interrupted",
        what = open.what.as_str(),
        when = when
    ));
    if args.dry_run {
        return Ok(());
    }
    run.go_ahead(args.yes, &text!("repair-interrupted-question"), Enter::No)?;
    let created = Leading::to_created(server, &open.steps);
    let left = take_back::finish(server, &mut journal);
    run.report_deleted(server, &created);
    let left = left?;
    left.iter().for_each(|text| run.console.warn(text));
    run.console.say(&text!("repair-taken-back"));
    Ok(())
}

fn mend(run: &Run<'_>, server: Iis<'_>, args: &Repair, plan: &Plan<'_>) -> Result<()> {
    if !plan.changes_anything() {
        return Ok(());
    }
    run.go_ahead(args.yes, &text!("repair-question"), Enter::No)?;
    iis::carry_out(run, server, plan, "repair")
}

/// Deletes those of `named` that are orphans still; returns their containers.
fn delete(
    run: &Run<'_>,
    server: Iis<'_>,
    args: &Repair,
    named: &[&FoundKey],
) -> Result<Vec<String>> {
    if !args.orphans || named.is_empty() {
        return Ok(Vec::new());
    }
    let question = text!("repair-orphans-question", count = named.len());
    if !args.yes && !run.console.confirm(&question, Enter::No)? {
        return Ok(Vec::new());
    }
    // A certificate may have been mended by this run, or imported while the question stood.
    let here = look_at_all(server)?;
    let mut orphans = repair::orphans(server, &here)?;
    orphans.retain(|orphan| named.iter().any(|named| named.link == orphan.link));
    let leading: Vec<_> = orphans
        .iter()
        .map(|orphan| Leading::to(server, &orphan.link))
        .collect();
    let deleted = orphans
        .iter()
        .try_for_each(|orphan| server.keys.delete(&orphan.link).map(|_| ()));
    run.report_deleted(server, &leading);
    deleted?;
    run.console
        .say(&text!("repair-orphans-deleted", count = orphans.len()));
    Ok(orphans
        .iter()
        .map(|orphan| orphan.link.container.clone())
        .collect())
}

/// Says what was done; `left` orphans are still here.
fn report(run: &Run<'_>, args: &Repair, plan: &Plan<'_>, left: usize) -> Exit {
    let cannot = plan.cannot().count();
    let mended = plan.items.len() - cannot;
    match (mended, cannot, left) {
        (0, 0, 0) => run.console.say(&text!("repair-nothing")),
        _ if args.dry_run => {}
        _ => run
            .console
            .say(&text!("repair-done", mended = mended, cannot = cannot)),
    }
    if left > 0 && !args.orphans {
        run.console.mention(&text!("repair-orphans-hint"));
    }
    if cannot > 0 || left > 0 {
        Exit::Attention
    } else {
        Exit::Done
    }
}
