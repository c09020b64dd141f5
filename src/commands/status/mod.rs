//! `status`: what is safe, overdue or at risk, on one screen and as an exit code; for people and
//! for monitoring.

mod tls;

use std::collections::BTreeMap;

use serde::Serialize;

use crate::change::{journal, repair};
use crate::cli::{SourceFileArgs, StatusArgs};
use crate::error::{Error, Exit, Result};
use crate::iis::look::hindrance;
use crate::iis::{self, Iis, SiteMap, Snapshot, StoreName};
use crate::keypair::Certificate;
use crate::keystore::{HeldKeyPair, IIS, Inventory};
use crate::message::{Text, day, moment};
use crate::platform::event::Event;
use crate::session::media_table::media_table;
use crate::session::report::{FindingReport, SavedReport};
use crate::session::source::{acknowledged, say_renewed};
use crate::session::{HostStateView, Session, here, other_uses, renewer};
use crate::state::State;
use crate::text;
use crate::workflow::clock;
use crate::workflow::finding::{self, Finding, Level};
use crate::workflow::recall::is_closed;
use crate::workflow::status::{self, OwnCertificate};
use crate::workflow::verify;
use crate::workflow::ways;
use vault::catalog::{Policy, SeenMedium};
use vault::medium::Medium;

/// What is safe, overdue or at risk.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct StatusReport<'a> {
    vault: Option<String>,
    server: Option<String>,
    newest: Option<SavedReport>,
    /// How many key pairs count.
    key_pairs: usize,
    findings: Vec<FindingReport>,
    /// By their ids, as host state keeps them.
    media: Option<&'a BTreeMap<String, SeenMedium>>,
    policy: Option<Policy>,
}

/// Runs the command.
pub(super) fn run(session: &Session<'_>, args: &StatusArgs) -> Result<Exit> {
    let HostStateView { state, unasked } = session.memory();
    let media = session.vault_media(&args.media)?;
    let mut findings = Vec::new();
    if let Some(text) = unasked {
        findings.push(attention("state-unread", text));
    }
    findings.extend(interrupted(session)?);
    let here = here(session, args, &mut findings)?;
    match &state {
        Some(state) => findings.extend(judge(session, state, &media, here.as_deref())?),
        None if findings.is_empty() => {
            findings.push(attention("not-enrolled", text!("status-not-enrolled")))
        }
        None => {}
    }
    if state.is_none() {
        findings.extend(clock::finding(session.now, None));
    }
    if args.handing_back || state.as_ref().is_some_and(|state| is_closed(state, &media)) {
        findings.extend(status::remaining(
            state.as_ref(),
            here.as_deref().unwrap_or_default(),
        ));
        findings.extend(used_by_others(args, here.as_deref().unwrap_or_default()));
    }
    if let Some(names) = &args.tls {
        findings.extend(tls::ask(names, here.as_deref(), session.now)?);
    }
    session.settle(&mut findings.iter_mut().collect::<Vec<_>>(), state.as_ref())?;
    findings.sort_by_key(|finding| std::cmp::Reverse((finding.is_alarm(), finding.level)));
    let exit = finding::beside(&findings);
    show(session, state.as_ref(), &findings, exit);
    Ok(exit)
}

/// What else than IIS still uses the certificates of this server.
fn used_by_others(args: &StatusArgs, own: &[OwnCertificate]) -> Vec<Finding> {
    let is_this_server = args.from.as_deref().is_none_or(|from| from == IIS);
    let Some(server) = here::here().ok().filter(|_| is_this_server) else {
        return Vec::new();
    };
    let certificates: Vec<_> = own.iter().map(|one| &one.certificate).collect();
    other_uses::findings(&SiteMap::without_sites(server), &certificates)
}

fn attention(id: &'static str, text: Text) -> Finding {
    Finding::new(id, Level::Attention, text)
}

fn judge(
    session: &Session<'_>,
    state: &State,
    media: &[Medium],
    here: Option<&[OwnCertificate]>,
) -> Result<Vec<Finding>> {
    let mut findings = status::run(state, here, session.now);
    findings.extend(ways::findings(state, session.now));
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
    match &args.from {
        Some(source) if source != IIS => {
            let files = SourceFileArgs {
                key: None,
                source_password_file: args.source_password_file.clone(),
                source_passwords: args.source_passwords.clone(),
            };
            let holdings = session.holdings(source, &files)?;
            say_renewed(session, &holdings);
            Ok(Some(in_files(session, holdings, findings)))
        }
        None if here::here().is_err() => match args.handing_back {
            true => Err(Error::usage(text!(
                "error-missing-argument",
                argument = "--from SOURCE"
            ))),
            false => Ok(None),
        },
        _ => in_stores(session, here::here()?, findings).map(Some),
    }
}

fn in_stores(
    session: &Session<'_>,
    server: Iis<'_>,
    findings: &mut Vec<Finding>,
) -> Result<Vec<OwnCertificate>> {
    let here = iis::look_at_all(server)?;
    findings.extend(faults(server, &here)?);
    let (mut own, mut names) = (Vec::new(), Vec::new());
    for seen in &here.seen {
        if !StoreName::WITH_KEYS.contains(&seen.store) {
            continue;
        }
        if let Ok(certificate) = Certificate::parse(seen.certificate.der.clone()) {
            names.push(seen.certificate.properties.friendly_name.as_deref());
            own.push(OwnCertificate {
                certificate,
                hindrance: hindrance(seen),
                has_key: seen.key.may_be_here(),
                pending: seen.store == StoreName::Request,
            });
        }
    }
    let certificates = own.iter().map(|one: &OwnCertificate| &one.certificate);
    let named = names.into_iter().zip(certificates);
    renewer::say(session, named.map(|(name, leaf)| (name, &[][..], leaf)));
    renewer::say_installed(session, &server.sites.settings().renewers);
    Ok(own)
}

fn in_files(
    session: &Session<'_>,
    holdings: Inventory,
    findings: &mut Vec<Finding>,
) -> Vec<OwnCertificate> {
    let state = session.memory().state;
    for unreadable in holdings.unreadable {
        let state = state.as_ref();
        let known = state.and_then(|state| acknowledged(state, &unreadable, session.now));
        let (name, reason) = (unreadable.name, unreadable.reason);
        findings.push(match known {
            None => attention(
                "unreadable",
                text!("status-no-key", name = name, reason = reason),
            ),
            Some(known) => Finding::new(
                "no-key-known",
                Level::Note,
                text!(
                    "status-no-key-known",
                    name = name,
                    why = known.reason.as_str()
                ),
            ),
        });
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
    let mut faults = Vec::new();
    for certificate in repair::replaced(here) {
        faults.push(Finding::new(
            "replaced",
            Level::Note,
            text!(
                "repair-replaced",
                name = certificate.display_name(),
                thumbprint = certificate.thumbprint()
            ),
        ));
    }
    if let Some(reason) = &here.unlisted {
        let text = text!("repair-unlisted", reason = reason.text());
        faults.push(attention("keys-unlisted", text));
    }
    let orphans = repair::orphans(server, here)?.len();
    if orphans > 0 {
        faults.push(attention(
            "orphans",
            text!("status-orphans", count = orphans),
        ));
    }
    Ok(faults)
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

fn show(session: &Session<'_>, state: Option<&State>, findings: &[Finding], exit: Exit) {
    let console = session.console;
    let newest = state.and_then(|state| state.generations().next());
    let counting = state.map_or(0, |state| {
        state.count_counting(clock::trusted(session.now, state))
    });
    if let Some(newest) = newest {
        console.say(&text!(
            "status-newest",
            number = newest.number,
            day = day(newest.time),
            count = counting
        ));
    }
    say_findings(session, state, findings, exit);
    let report = StatusReport {
        vault: state.map(|state| state.vault().to_string()),
        server: state.map(|state| state.server().to_string()),
        newest: newest.map(|newest| SavedReport::new(newest.number, newest.time)),
        key_pairs: counting,
        findings: FindingReport::of(console, findings),
        media: state.map(State::media),
        policy: state.map(State::policy),
    };
    console.document(exit, &report);
}

/// Says the verdict with its findings and the media, and tells the event log of anything urgent.
fn say_findings(session: &Session<'_>, state: Option<&State>, findings: &[Finding], exit: Exit) {
    let console = session.console;
    let urgent = findings.iter().filter(|finding| finding.is_alarm()).count();
    let rested = findings
        .iter()
        .filter(|finding| finding.at_rest.is_some())
        .count();
    match urgent {
        0 if rested > 0 => console.say(&text!("status-at-rest", count = rested)),
        0 => console.say(&text!("status-good")),
        count => console.warn(&text!("status-attention", count = count)),
    }
    session.show_alarms(findings);
    if let Some(state) = state.filter(|state| !state.media().is_empty()) {
        console.table(&media_table(session, state));
    }
    if exit != Exit::Done {
        session.report(
            Event::NeedsAttention,
            &text!("event-needs-attention", count = urgent),
        );
    }
}
