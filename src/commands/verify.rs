//! `verify`: one verdict for the media given, and everything that speaks against it.

use serde::Serialize;

use crate::cli::{AfterwardsArgs, VerifyArgs};
use crate::error::{Error, Exit, Result};
use crate::message::size;
use crate::platform::media;
use crate::session::Session;
use crate::session::report::FindingReport;
use crate::state::State;
use crate::text;
use crate::workflow::finding::{Finding, Level};
use crate::workflow::history;
use crate::workflow::verify::{self, CheckReport};
use vault::id::{ServerId, VaultId};
use vault::medium::Medium;

/// The verdict for the media given.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct VerifyReport {
    vault: String,
    pinned: bool,
    bytes_read: u64,
    generations: Vec<CheckedGenerationReport>,
    findings: Vec<FindingReport>,
    /// The media that were ejected.
    ejected: Vec<String>,
}

/// A number of a server, and what is there of it.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct CheckedGenerationReport {
    server: String,
    number: u32,
    state: &'static str,
    record_sha256: Option<String>,
    copies: usize,
}

/// Runs the command.
pub(super) fn run(session: &Session<'_>, args: &VerifyArgs) -> Result<Exit> {
    let pin = args.vault.as_deref().map(|text| {
        VaultId::parse(text).ok_or_else(|| Error::usage(text!("error-bad-vault-id", text = text)))
    });
    let media = session.vault_media_or_inserted(&args.media)?;
    let known = session.memory();
    let mut report = verify::run(&media, known.state.as_ref(), pin.transpose()?, session.now)?;
    if let Some(text) = &known.unasked {
        report
            .findings
            .push(Finding::new("state-unread", Level::Attention, text.clone()));
    }
    let mut found: Vec<_> = report.findings.iter_mut().collect();
    session.settle(&mut found, known.state.as_ref())?;
    let exit = report.exit();
    say(session, &report, known.state.as_ref(), exit);
    note(session, &media, &report, exit);
    let wish = AfterwardsArgs {
        eject: args.eject,
        keep_mounted: false,
    };
    let names: Vec<String> = media.iter().map(|medium| medium.name.clone()).collect();
    let (exit, ejected) = session.eject_media(&names, wish, false, exit);
    session
        .console
        .document(exit, &document(session, &report, ejected));
    Ok(exit)
}

/// Notes in host state what the check found.
fn note(session: &Session<'_>, media: &[Medium], report: &CheckReport, exit: Exit) {
    match exit {
        _ if report.findings.iter().any(is_damage) => session.note(&report.vault, |state| {
            // What is damaged on none in particular is so on all.
            let is_all = report.damaged_on.is_empty();
            for (at, medium) in media.iter().enumerate() {
                if is_all || report.damaged_on.contains(&at) {
                    history::found_bad(state, medium, session.now);
                }
            }
        }),
        Exit::Done => session.note(&report.vault, |state| {
            remember(state, media, report, session.now)
        }),
        Exit::Attention if report.findings.iter().any(|f| f.id == "other-device") => {
            session.note(&report.vault, |state| remember_devices(state, media))
        }
        _ => {}
    }
}

/// Whether something on the media can no longer be read as it was written.
fn is_damage(finding: &Finding) -> bool {
    let damage = ["copy-bad", "damaged-above-whole", "damaged-below-whole"];
    finding.level == Level::Lost || damage.contains(&finding.id)
}

fn say(session: &Session<'_>, report: &CheckReport, state: Option<&State>, exit: Exit) {
    let console = session.console;
    let whole = report
        .numbers
        .iter()
        .filter(|judged| judged.state == "whole")
        .count();
    let rested = report
        .findings
        .iter()
        .filter(|finding| finding.at_rest.is_some())
        .count();
    let verdict = match exit {
        Exit::Done if rested > 0 => text!(
            "verify-at-rest",
            count = whole,
            size = size(report.bytes),
            rested = rested
        ),
        Exit::Done => text!("verify-good", count = whole, size = size(report.bytes)),
        Exit::Damaged => text!("verify-lost", count = whole),
        Exit::Forged => text!("verify-forged", count = whole),
        _ => text!("verify-attention", count = whole),
    };
    console.say(&verdict);
    for (server, number) in report.newest() {
        console.mention(&text!(
            "verify-newest",
            server = shown(state, server),
            number = number.get()
        ));
    }
    session.show_alarms(&report.findings);
}

/// A server as this one knows it.
fn shown(state: Option<&State>, server: ServerId) -> String {
    state.map_or_else(|| server.to_string(), |state| state.shown(server))
}

fn document(session: &Session<'_>, report: &CheckReport, ejected: Vec<String>) -> VerifyReport {
    let mut generations = Vec::new();
    for judged in &report.numbers {
        generations.push(CheckedGenerationReport {
            server: judged.server.to_string(),
            number: judged.number.get(),
            state: judged.state,
            record_sha256: judged.record.map(|hash| hash.to_string()),
            copies: judged.copies,
        });
    }
    VerifyReport {
        vault: report.vault.to_string(),
        pinned: report.pinned,
        bytes_read: report.bytes,
        generations,
        findings: FindingReport::of(session.console, &report.findings),
        ejected,
    }
}

/// Once it was said that a medium is on another device, it is known there.
fn remember_devices(state: &mut State, media: &[Medium]) {
    for medium in media {
        if let Some(label) = medium.label()
            && state.media().contains_key(&label.medium)
        {
            state
                .medium(&label.medium)
                .is_on(media::descriptor_of(medium));
        }
    }
}

/// A check that found everything right is remembered with the medium.
fn remember(state: &mut State, media: &[Medium], report: &CheckReport, now: jiff::Timestamp) {
    let held = report.newest_on.iter().zip(&report.own_on);
    for (medium, (newest, own)) in media.iter().zip(held) {
        let Some(label) = medium.label() else {
            continue;
        };
        let seen = state.medium(&label.medium);
        let away = seen.was_away(media::attachment_of(medium).as_deref());
        seen.label = label.label;
        seen.newest.clone_from(newest);
        seen.held = Some(own.clone());
        (seen.last_verified, seen.last_bad) = (Some(now), None);
        seen.last_seen = Some(now);
        seen.is_on(media::descriptor_of(medium));
        if away {
            seen.last_cold = Some(now);
        }
    }
}
