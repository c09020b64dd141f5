//! `repair`: takes back a run that was interrupted, mends key pairs from what this server still holds, and deletes keys
//! that a run of this program left behind.

use serde_json::json;

use crate::cli::Repair;
use crate::commands::events::Leading;
use crate::commands::{Run, iis, request};
use crate::console::Enter;
use crate::error::{Exit, Result};
use crate::restore::{Journal, Plan, repair, take_back};
use crate::server::iis::{Iis, KeyLink, Snapshot, look_at_all};
use crate::text;

/// Runs the command.
pub fn run(run: &Run<'_>, args: &Repair) -> Result<Exit> {
    let server = iis::elevated()?;
    take_back_interrupted(run, server, args)?;
    let here = look_at_all(server)?;
    let rescued = repair::rescue(server, &here);
    let plan = repair::plan(&here, &rescued, &args.names);
    let orphans = orphans(&here);
    iis::show(run, &plan);
    request::warn_unsaved(run, here.seen.iter(), run.memory().state.as_ref());
    repair::remarks(&here, run.now).iter().for_each(|remark| run.console.mention(remark));
    for orphan in &orphans {
        run.console.say(&text!("repair-orphan", container = orphan.container.as_str()));
    }
    if !args.dry_run {
        mend(run, server, args, &plan)?;
        delete(run, server, args, &orphans)?;
    }
    Ok(report(run, args, &plan, &orphans))
}

fn take_back_interrupted(run: &Run<'_>, server: Iis<'_>, args: &Repair) -> Result<()> {
    let mut journal = Journal::open(&run.state_folder()?)?;
    let Some(open) = journal.interrupted() else { return Ok(()) };
    let when = open.began.strftime("%Y-%m-%d %H:%M UTC").to_string();
    run.console.say(&text!("repair-interrupted", what = open.what.as_str(), when = when));
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

fn delete(run: &Run<'_>, server: Iis<'_>, args: &Repair, orphans: &[KeyLink]) -> Result<()> {
    if !args.orphans || orphans.is_empty() {
        return Ok(());
    }
    run.go_ahead(args.yes, &text!("repair-orphans-question", count = orphans.len()), Enter::No)?;
    let leading: Vec<_> = orphans.iter().map(|orphan| Leading::to(server, orphan)).collect();
    let deleted = orphans.iter().try_for_each(|orphan| server.keys.delete(orphan).map(|_| ()));
    run.report_deleted(server, &leading);
    deleted?;
    run.console.say(&text!("repair-orphans-deleted", count = orphans.len()));
    Ok(())
}

fn orphans(here: &Snapshot) -> Vec<KeyLink> {
    repair::orphans(here).into_iter().map(|found| found.link.clone()).collect()
}

fn report(run: &Run<'_>, args: &Repair, plan: &Plan<'_>, orphans: &[KeyLink]) -> Exit {
    let cannot = plan.cannot().count();
    let mended = plan.items.len() - cannot;
    let left = if args.orphans && !args.dry_run { 0 } else { orphans.len() };
    match (mended, cannot, left) {
        (0, 0, 0) => run.console.say(&text!("repair-nothing")),
        _ if args.dry_run => {}
        _ => run.console.say(&text!("repair-done", mended = mended, cannot = cannot)),
    }
    if left > 0 {
        run.console.mention(&text!("repair-orphans-hint"));
    }
    let exit = if cannot > 0 || left > 0 { Exit::Attention } else { Exit::Done };
    let containers: Vec<_> = orphans.iter().map(|orphan| orphan.container.as_str()).collect();
    run.console
        .document(exit, json!({ "mended": mended, "cannot": cannot, "orphans": containers, "dry_run": args.dry_run }));
    exit
}
