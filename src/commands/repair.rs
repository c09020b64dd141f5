//! `repair`: takes back a run that was interrupted, mends key pairs from what this server still
//! holds, and deletes keys that a run of this program left behind and no certificate needs.

use serde::Serialize;

use crate::change::{Plan, repair, rollback};
use crate::cli::RepairArgs;
use crate::console::Enter;
use crate::error::{Exit, Result};
use crate::iis::{FoundKey, Iis, KeyLink, Snapshot, look_at_all};
use crate::message::{Text, day, moment};
use crate::session::change::{carry_out, show_plan};
use crate::session::events::Leading;
use crate::session::pending::warn_unsaved;
use crate::session::{Session, here};
use crate::state::State;
use crate::text;
use vault::catalog::AboutKeyPair;
use vault::id::Hash;

/// What `repair` mended and deleted, or would; keys by their containers.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct RepairReport {
    mended: usize,
    cannot: usize,
    /// Keys that no certificate here needs.
    orphans: Vec<String>,
    deleted: Vec<String>,
    /// Keys that nobody may look into.
    closed: Vec<String>,
    dry_run: bool,
    /// The run that was interrupted, and is taken back unless this is a dry run.
    interrupted: Option<InterruptedReport>,
}

/// A run that neither finished nor was taken back.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct InterruptedReport {
    what: String,
    began: String,
}

/// Runs the command.
pub(super) fn run(session: &Session<'_>, args: &RepairArgs) -> Result<Exit> {
    repair_on(session, args, here::elevated()?)
}

pub(super) fn repair_on(session: &Session<'_>, args: &RepairArgs, server: Iis<'_>) -> Result<Exit> {
    let interrupted = take_back_interrupted(session, server, args)?;
    let here = look_at_all(server)?;
    let rescued = repair::rescue(server, &here);
    let plan = repair::plan(&here, &rescued, &args.names);
    let orphans = repair::orphans(server, &here)?;
    show(session, &here, &plan, &orphans);
    let mut deleted = Vec::new();
    if !args.dry_run {
        mend(session, server, args, &plan)?;
        if agrees_to_delete(session, args, &orphans)? {
            deleted = delete(session, server, &orphans)?;
        }
    }
    let open = here.unlisted.is_some() || (args.dry_run && interrupted.is_some());
    let exit = match say_done(session, args, &plan, orphans.len() - deleted.len()) {
        Exit::Done if open => Exit::Attention,
        exit => exit,
    };
    let cannot = plan.cannot().count();
    let report = RepairReport {
        mended: plan.items.len() - cannot,
        cannot,
        orphans: containers(orphans.iter().map(|orphan| &orphan.link)),
        deleted,
        closed: containers(repair::closed(&here).map(|(link, _)| link)),
        dry_run: args.dry_run,
        interrupted,
    };
    session.console.document(exit, &report);
    Ok(exit)
}

fn containers<'a>(links: impl Iterator<Item = &'a KeyLink>) -> Vec<String> {
    links.map(|link| link.container.clone()).collect()
}

/// Shows what would be mended, and what else there is to know about the keys here.
fn show(session: &Session<'_>, here: &Snapshot, plan: &Plan<'_>, orphans: &[&FoundKey]) {
    let state = session.memory().state;
    show_plan(session, plan);
    warn_unsaved(session, here.seen.iter(), state.as_ref());
    for remark in repair::remarks(here, session.now) {
        session.console.mention(&remark);
    }
    for orphan in orphans {
        session.console.say(&described(orphan, state.as_ref()));
    }
    if let Some(reason) = &here.unlisted {
        session
            .console
            .warn(&text!("repair-unlisted", reason = reason.text()));
    }
    for (link, reason) in repair::closed(here) {
        session.console.warn(&text!(
            "repair-closed",
            container = link.container.as_str(),
            reason = reason.text()
        ));
    }
}

/// A key that no certificate here needs, by the backup that holds it where this server remembers
/// one.
fn described(orphan: &FoundKey, state: Option<&State>) -> Text {
    let container = orphan.link.container.as_str();
    let key = Hash::of(&orphan.facts.public_key);
    let is_it = |pair: &&AboutKeyPair| pair.spki_sha256 == Some(key);
    for written in state.into_iter().flat_map(State::generations) {
        if let Some(pair) = written.key_pairs.iter().find(is_it) {
            return text!(
                "repair-orphan-saved",
                container = container,
                name = pair.display_name(),
                thumbprint = pair.thumbprint.as_str(),
                number = written.number,
                day = day(written.time)
            );
        }
    }
    text!("repair-orphan-unsaved", container = container)
}

/// Names the run that was interrupted, and takes it back unless nothing is to be changed.
fn take_back_interrupted(
    session: &Session<'_>,
    server: Iis<'_>,
    args: &RepairArgs,
) -> Result<Option<InterruptedReport>> {
    let mut journal = session.journal()?;
    let Some(open) = journal.interrupted() else {
        return Ok(None);
    };
    let report = Some(InterruptedReport {
        what: open.what.clone(),
        began: open.began.to_string(),
    });
    let when = moment(open.began);
    session.console.say(&text!(
        "repair-interrupted",
        what = open.what.as_str(),
        when = when
    ));
    if args.dry_run {
        return Ok(report);
    }
    session.go_ahead(args.yes, &text!("repair-interrupted-question"), Enter::No)?;
    let created = Leading::to_created(server, &open.steps);
    let left = rollback::finish(server, &mut journal);
    session.report_deleted(server, &created);
    let left = left?;
    for text in &left {
        session.console.warn(text);
    }
    session.console.say(&text!("repair-taken-back"));
    Ok(report)
}

fn mend(session: &Session<'_>, server: Iis<'_>, args: &RepairArgs, plan: &Plan<'_>) -> Result<()> {
    if !plan.changes_anything() {
        return Ok(());
    }
    session.go_ahead(args.yes, &text!("repair-question"), Enter::No)?;
    carry_out(session, server, plan, "repair").map(|_| ())
}

/// Whether the orphans are to be deleted; asks where the options do not say it.
fn agrees_to_delete(
    session: &Session<'_>,
    args: &RepairArgs,
    orphans: &[&FoundKey],
) -> Result<bool> {
    if !args.orphans || orphans.is_empty() {
        return Ok(false);
    }
    let question = text!("repair-orphans-question", count = orphans.len());
    Ok(args.yes || session.console.confirm(&question, Enter::No)?)
}

/// Deletes those of `named` that are orphans still; returns their containers.
fn delete(session: &Session<'_>, server: Iis<'_>, named: &[&FoundKey]) -> Result<Vec<String>> {
    // A certificate may have been mended by this run, or imported while the question stood.
    let here = look_at_all(server)?;
    let mut orphans = repair::orphans(server, &here)?;
    orphans.retain(|orphan| named.iter().any(|named| named.link == orphan.link));
    let links: Vec<_> = orphans.iter().map(|orphan| &orphan.link).collect();
    let leading: Vec<_> = links.iter().map(|link| Leading::to(server, link)).collect();
    let deleted = links
        .iter()
        .try_for_each(|link| server.keys.delete(link).map(|_| ()));
    session.report_deleted(server, &leading);
    deleted?;
    session
        .console
        .say(&text!("repair-orphans-deleted", count = links.len()));
    Ok(containers(links.into_iter()))
}

/// Says what was done; `left` orphans are still here.
fn say_done(session: &Session<'_>, args: &RepairArgs, plan: &Plan<'_>, left: usize) -> Exit {
    let cannot = plan.cannot().count();
    let mended = plan.items.len() - cannot;
    match (mended, cannot, left) {
        (0, 0, 0) => session.console.say(&text!("repair-nothing")),
        _ if args.dry_run => {}
        _ => session
            .console
            .say(&text!("repair-done", mended = mended, cannot = cannot)),
    }
    if left > 0 && !args.orphans {
        session.console.mention(&text!("repair-orphans-hint"));
    }
    if cannot > 0 || left > 0 {
        Exit::Attention
    } else {
        Exit::Done
    }
}
