//! `status`: what is safe, overdue or at risk, on one screen and as an exit code; for people and
//! for monitoring.

mod tls;

use std::collections::BTreeMap;

use serde::Serialize;

use crate::change::{journal, repair};
use crate::cli::{SourceFileArgs, StatusArgs};
use crate::error::{Error, Exit, Result};
use crate::iis::look::hindrance;
use crate::iis::{self, Iis, Snapshot, StoreName};
use crate::keypair::Certificate;
use crate::keystore::{HeldKeyPair, IIS, Inventory};
use crate::message::{Text, day, moment};
use crate::platform::event::Event;
use crate::session::media_table::media_table;
use crate::session::report::{FindingReport, LeftOutReport, SavedReport};
use crate::session::{HostStateView, Session, here};
use crate::state::State;
use crate::text;
use crate::workflow::finding::{Finding, Level};
use crate::workflow::left_out;
use crate::workflow::recall::is_closed;
use crate::workflow::status::{self, OwnCertificate};
use crate::workflow::verify;
use vault::catalog::{Policy, SeenMedium};
use vault::medium::Medium;

/// What is safe, overdue or at risk.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct StatusReport<'a> {
    vault: Option<String>,
    server: Option<String>,
    newest: Option<SavedReport>,
    left_out: Vec<LeftOutReport>,
    findings: Vec<FindingReport>,
    /// By their ids, as host state keeps them.
    #[cfg_attr(test, schemars(with = "Option<BTreeMap<String, serde_json::Value>>"))]
    media: Option<&'a BTreeMap<String, SeenMedium>>,
    #[cfg_attr(test, schemars(with = "Option<BTreeMap<String, u32>>"))]
    policy: Option<Policy>,
}

/// Runs the command.
pub(super) fn run(session: &Session<'_>, args: &StatusArgs) -> Result<Exit> {
    let HostStateView { state, unasked } = session.memory();
    let media = session.vault_media(&args.media)?;
    let mut findings: Vec<Finding> = unasked
        .into_iter()
        .map(|text| attention("state-unread", text))
        .collect();
    let here = here(session, args, &mut findings)?;
    match &state {
        Some(state) => findings.extend(judge(session, state, &media, here.as_deref())?),
        None if findings.is_empty() => {
            findings.push(attention("not-enrolled", text!("status-not-enrolled")))
        }
        None => {}
    }
    if args.handing_back || state.as_ref().is_some_and(|state| is_closed(state, &media)) {
        findings.extend(status::remaining(
            state.as_ref(),
            here.as_deref().unwrap_or_default(),
        ));
    }
    if let Some(names) = &args.tls {
        findings.extend(tls::ask(names, here.as_deref(), session.now)?);
    }
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.level));
    let exit = exit(&findings);
    show(session, state.as_ref(), &findings, exit);
    Ok(exit)
}

fn attention(id: &'static str, text: Text) -> Finding {
    Finding {
        id,
        level: Level::Attention,
        text,
    }
}

fn judge(
    session: &Session<'_>,
    state: &State,
    media: &[Medium],
    here: Option<&[OwnCertificate]>,
) -> Result<Vec<Finding>> {
    let mut findings = status::run(state, here, session.now);
    if !media.is_empty() {
        findings.extend(verify::glance(media, state, session.now)?);
    }
    Ok(findings)
}

/// What this server holds now; `None` where nobody said which source it is.
fn here(
    session: &Session<'_>,
    args: &StatusArgs,
    findings: &mut Vec<Finding>,
) -> Result<Option<Vec<OwnCertificate>>> {
    let on_windows = here::here().is_ok().then(|| IIS.to_owned());
    let Some(source) = args.from.clone().or(on_windows) else {
        let missing = || Error::usage(text!("error-missing-argument", argument = "--from SOURCE"));
        return if args.handing_back {
            Err(missing())
        } else {
            Ok(None)
        };
    };
    if source != IIS {
        let files = SourceFileArgs {
            key: None,
            source_password_file: args.source_password_file.clone(),
        };
        return Ok(Some(in_files(session.holdings(&source, &files)?, findings)));
    }
    let server = here::here()?;
    let here = iis::look_at_all(server)?;
    findings.extend(faults(server, &here)?);
    findings.extend(interrupted(session)?);
    let with_keys = here
        .seen
        .iter()
        .filter(|seen| StoreName::WITH_KEYS.contains(&seen.store));
    let parsed = with_keys.filter_map(|seen| {
        let certificate = Certificate::parse(seen.certificate.der.clone()).ok()?;
        let (has_key, pending) = (seen.key.may_be_here(), seen.store == StoreName::Request);
        Some(OwnCertificate {
            certificate,
            hindrance: hindrance(seen),
            has_key,
            pending,
        })
    });
    Ok(Some(parsed.collect()))
}

fn in_files(holdings: Inventory, findings: &mut Vec<Finding>) -> Vec<OwnCertificate> {
    for unreadable in holdings.unreadable {
        let (name, reason) = (unreadable.name, unreadable.reason);
        findings.push(attention(
            "unreadable",
            text!("status-no-key", name = name, reason = reason),
        ));
    }
    let here = |held: &HeldKeyPair| OwnCertificate {
        certificate: held.leaf().clone(),
        hindrance: None,
        has_key: true,
        pending: false,
    };
    holdings.key_pairs.iter().map(here).collect()
}

/// What `repair` would mend or delete.
fn faults(server: Iis<'_>, here: &Snapshot) -> Result<Vec<Finding>> {
    let replaced = repair::replaced(here);
    let replaced = replaced.iter().map(|certificate| Finding {
        id: "replaced",
        level: Level::Note,
        text: text!(
            "repair-replaced",
            name = certificate.display_name(),
            thumbprint = certificate.thumbprint()
        ),
    });
    let orphans = repair::orphans(server, here)?.len();
    let orphans =
        (orphans > 0).then(|| attention("orphans", text!("status-orphans", count = orphans)));
    Ok(replaced.chain(orphans).collect())
}

fn interrupted(session: &Session<'_>) -> Result<Option<Finding>> {
    let open = journal::look(&session.state_folder()?)?;
    Ok(open.map(|open| {
        let when = moment(open.began);
        attention(
            "interrupted",
            text!("status-interrupted", what = open.what.as_str(), when = when),
        )
    }))
}

fn exit(findings: &[Finding]) -> Exit {
    match findings.iter().map(|finding| finding.level).max() {
        Some(Level::Note) | None => Exit::Done,
        Some(Level::Forged) => Exit::Forged,
        Some(Level::Lost) => Exit::Damaged,
        Some(Level::Attention) => Exit::Attention,
    }
}

fn show(session: &Session<'_>, state: Option<&State>, findings: &[Finding], exit: Exit) {
    let console = session.console;
    let newest = state.and_then(|state| state.generations().next());
    let left_out = state
        .map(|state| left_out::in_memory(state, session.now))
        .unwrap_or_default();
    if let Some(newest) = newest {
        let (number, day, count) = (newest.number, day(newest.time), newest.key_pairs.len());
        let left_out = left_out::count(&left_out);
        console.say(&text!(
            "status-newest",
            number = number,
            day = day,
            count = count,
            left_out = left_out
        ));
    }
    let urgent: Vec<_> = findings
        .iter()
        .filter(|finding| finding.level > Level::Note)
        .collect();
    match urgent.len() {
        0 => console.say(&text!("status-good")),
        count => console.warn(&text!("status-attention", count = count)),
    }
    session.show_findings(findings);
    if let Some(state) = state.filter(|state| !state.media().is_empty()) {
        console.table(&media_table(session, state));
    }
    if exit != Exit::Done {
        session.report(
            Event::NeedsAttention,
            &text!("event-needs-attention", count = urgent.len()),
        );
    }
    let report = StatusReport {
        vault: state.map(|state| state.vault().to_string()),
        server: state.map(|state| state.server().to_string()),
        newest: newest.map(|newest| SavedReport::new(newest.number, newest.time)),
        left_out: LeftOutReport::of(&left_out),
        findings: FindingReport::of(console, findings),
        media: state.map(State::media),
        policy: state.map(State::policy),
    };
    console.document(exit, &report);
}
