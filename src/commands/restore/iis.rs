//! `restore --to iis`: into the certificate stores and bindings of this server.

use std::collections::HashSet;

use serde::Serialize;

use super::bindings::{KnownCertificates, name_other_uses, plan_bindings, warn_of_renewals};
use super::read::{is_from_vault, read_set};
use crate::change::{self, Action, IncomingKeyPair, Options, Plan, PlannedBinding};
use crate::cli::{ProviderArg, RestoreArgs};
use crate::console::Enter;
use crate::error::{Error, Exit, Result};
use crate::iis::{self, Iis, StoreName};
use crate::keypair::{Certificate, KeyPair, Remaining};
use crate::session::backup_report::{NoMoreReport, NotHereReport};
use crate::session::bindings::{self, AnswerReport, BindingReport, Restart};
use crate::session::change::{carry_out, name_root, reported, show_plan};
use crate::session::enrolment::offer;
use crate::session::report::MissingReport;
use crate::session::restore_set::{RestoreItem, RestoreSet, nothing_to_place};
use crate::session::{Session, here};
use crate::text;
use vault::id::Hash;

/// What is brought into this server, or would be.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct IisReport {
    #[serde(skip_serializing_if = "Option::is_none")]
    dry_run: Option<bool>,
    /// How many key pairs are in the certificate store.
    #[serde(skip_serializing_if = "Option::is_none")]
    restored: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cannot: Option<Vec<MissingReport>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exportable: Option<bool>,
    expired: Vec<ExpiredReport>,
    /// What the backup names and could not be read from it.
    missing: Vec<MissingReport>,
    /// What speaks against taking the backup for the newest state.
    doubts: Vec<String>,
    bindings: Vec<BindingReport>,
    /// What the bindings showed when all was done.
    #[serde(skip_serializing_if = "Option::is_none")]
    tls: Option<Vec<AnswerReport>>,
    not_here: Vec<NotHereReport>,
    no_more: Vec<NoMoreReport>,
}

/// A certificate that has ended.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct ExpiredReport {
    name: String,
    thumbprint: String,
    not_after: String,
}

/// `restore --to iis`.
pub(crate) fn restore(session: &Session<'_>, args: &RestoreArgs) -> Result<Exit> {
    restore_on(session, args, here::elevated()?)
}

pub(crate) fn restore_on(
    session: &Session<'_>,
    args: &RestoreArgs,
    server: Iis<'_>,
) -> Result<Exit> {
    reported(session, "restore", args.change.report.as_deref(), || {
        restore_into(session, args, server)
    })
}

fn restore_into(session: &Session<'_>, args: &RestoreArgs, server: Iis<'_>) -> Result<Exit> {
    let options = Options {
        non_exportable: args.non_exportable,
        install_roots: install_roots(args)?,
        home: args.provider.map(ProviderArg::home),
        windows_build: server.sites.windows_build(),
    };
    let set = set_with_sites(session, args)?;
    let incoming = incoming(&set);
    let here = iis::look_at_all(server)?;
    let mut plan = change::plan(&here, &incoming, &options);
    let known = KnownCertificates::new(session, args, &here, &set, &plan)?;
    plan.bindings = plan_bindings(session, args, server, &set, known)?;
    show(session, server, &set, &plan);
    if args.bindings.print_commands {
        bindings::show_commands(session, &plan.bindings, server.sites.windows_build());
    }
    if args.into.dry_run {
        let exit = exit(session, &set, &plan);
        let report = IisReport {
            dry_run: Some(true),
            ..IisReport::of(session, &set, &plan)
        };
        session.console.document(exit, &report);
        return Ok(exit);
    }
    let as_written = change_server(session, args, server, &plan)?;
    let exit = report(session, args, server, &set, &plan, as_written);
    if is_from_vault(args) {
        offer(session, args.into.yes);
    }
    Ok(exit)
}

/// Asks, and does what is planned; returns whether Windows took all of it as it was written.
fn change_server(
    session: &Session<'_>,
    args: &RestoreArgs,
    server: Iis<'_>,
    plan: &Plan<'_>,
) -> Result<bool> {
    if !plan.changes_anything() {
        return Ok(true);
    }
    session.go_ahead(args.into.yes, &text!("restore-iis-question"), Enter::No)?;
    carry_out(session, server, plan, "restore")
}

/// The authorities that are to be trusted here, by their fingerprints.
fn install_roots(args: &RestoreArgs) -> Result<Vec<Hash>> {
    let roots = args.install_root.iter();
    roots.map(|text| parse_root(text)).collect()
}

/// Reads what is to be restored, with the sites of the configuration that is named.
fn set_with_sites(session: &Session<'_>, args: &RestoreArgs) -> Result<RestoreSet> {
    let mut set = read_set(session, args)?;
    if set.key_pairs.is_empty() {
        return Err(nothing_to_place(session, &set));
    }
    let files = match args.names.as_slice() {
        [] => set.take_files_out(),
        _ => Vec::new(),
    };
    if !files.is_empty() {
        session.console.say(&text!(
            "restore-iis-files",
            count = files.len(),
            names = files.join(", ")
        ));
    }
    if let Some(file) = &args.iis_config {
        let assigned = set.take_sites(file, session.now)?;
        session.console.mention(&text!(
            "backup-assigned",
            count = assigned,
            path = file.as_path()
        ));
    }
    Ok(set)
}

/// Shows what would be done, and what cannot be.
fn show(session: &Session<'_>, server: Iis<'_>, set: &RestoreSet, plan: &Plan<'_>) {
    show_plan(session, plan);
    for root in &plan.roots_left_out {
        if name_root(session, server, root) {
            let sha256 = Hash::of(root).to_string();
            session
                .console
                .mention(&text!("root-install-hint", sha256 = sha256));
        }
    }
    bindings::show(session, &plan.bindings);
    for (name, reason) in &set.missing {
        session.console.warn(&text!(
            "restore-missing",
            name = name,
            reason = reason.clone()
        ));
    }
    set.show_generations(session);
    set.say_renewed(session);
    name_other_uses(session, set);
    warn_of_renewals(session, set);
}

impl IisReport {
    /// What holds before anything is done, too.
    fn of(session: &Session<'_>, set: &RestoreSet, plan: &Plan<'_>) -> Self {
        Self {
            dry_run: None,
            restored: None,
            cannot: None,
            exportable: None,
            expired: expired(session, set),
            missing: missing(session, set),
            doubts: set
                .doubts
                .iter()
                .map(|doubt| session.console.words(doubt))
                .collect(),
            bindings: BindingReport::of(session, &plan.bindings),
            tls: None,
            not_here: NotHereReport::of(&set.not_here),
            no_more: NoMoreReport::of(&set.no_more),
        }
    }
}

/// How a restore ends that does all that it can: a binding that was asked for and cannot be is
/// missing; what has ended, and what is lower than something it met, needs attention.
fn exit(session: &Session<'_>, set: &RestoreSet, plan: &Plan<'_>) -> Exit {
    let is_missing =
        plan.cannot().next().is_some() || plan.bindings.iter().any(PlannedBinding::is_left);
    let is_valid = |one: &RestoreItem| one.pair.leaf().is_valid(session.now);
    let is_lower = plan.bindings.iter().any(|one| one.lower().is_some());
    match set.exit() {
        _ if is_missing => Exit::Partly,
        Exit::Done if is_lower || !set.key_pairs.iter().all(is_valid) => Exit::Attention,
        exit => exit,
    }
}

/// What could not be read, for programs.
fn missing(session: &Session<'_>, set: &RestoreSet) -> Vec<MissingReport> {
    let mut reports = Vec::new();
    for (name, reason) in &set.missing {
        reports.push(MissingReport::of(session.console, name, reason));
    }
    reports
}

/// Certificates that have ended, for programs.
fn expired(session: &Session<'_>, set: &RestoreSet) -> Vec<ExpiredReport> {
    let mut reports = Vec::new();
    for one in &set.key_pairs {
        let leaf = one.pair.leaf();
        if leaf.remaining(session.now) != Remaining::Over {
            continue;
        }
        reports.push(ExpiredReport {
            name: leaf.display_name().to_owned(),
            thumbprint: leaf.thumbprint(),
            not_after: leaf.not_after().to_string(),
        });
    }
    reports
}

/// Says what was done and asks every binding over TLS what it shows.
fn report(
    session: &Session<'_>,
    args: &RestoreArgs,
    server: Iis<'_>,
    set: &RestoreSet,
    plan: &Plan<'_>,
    as_written: bool,
) -> Exit {
    let cannot: Vec<_> = plan
        .cannot()
        .map(|(name, reason)| MissingReport::of(session.console, name, reason))
        .collect();
    let placed = placed(set, plan);
    session
        .console
        .say(&text!("restore-iis-done", count = placed));
    set.show_not_here(session);
    session.console.mention(&match plan.exportable {
        true => text!("restore-iis-exportable"),
        false => text!("restore-iis-not-exportable"),
    });
    let restart = Restart {
        wanted: args.change.restart_site,
        yes: args.into.yes,
    };
    let answers = bindings::confirm(session, server, &plan.bindings, &authorities(set), restart);
    say_bound(session, set, plan);
    let exit = match exit(session, set, plan) {
        Exit::Done if !answers.good || !as_written => Exit::Attention,
        exit => exit,
    };
    let report = IisReport {
        restored: Some(placed),
        cannot: Some(cannot),
        exportable: Some(plan.exportable),
        tls: Some(answers.report()),
        ..IisReport::of(session, set, plan)
    };
    session.console.document(exit, &report);
    exit
}

/// How many key pairs are in a store; one in two of them counts once.
fn placed(set: &RestoreSet, plan: &Plan<'_>) -> usize {
    let incoming = incoming(set);
    let both = incoming.iter().zip(&plan.items);
    let placed = both.filter(|(_, item)| !matches!(item.action, Action::Cannot(_)));
    placed
        .map(|(one, _)| one.leaf)
        .collect::<HashSet<_>>()
        .len()
}

/// What stands above the certificates in their chains.
fn authorities(set: &RestoreSet) -> Vec<Vec<u8>> {
    let mut authorities = Vec::new();
    for one in &set.key_pairs {
        for der in authorities_of(&one.pair) {
            authorities.push(der.to_vec());
        }
    }
    authorities
}

/// The rest of the chain; and other ways up from it. A root that is on no way this program takes is
/// not put among those that Windows trusts.
fn authorities_of(pair: &KeyPair) -> Vec<&[u8]> {
    let others = pair.further.iter();
    let others = others.filter(|other| other.is_authority() && !other.is_self_signed());
    let all = pair.chain.iter().skip(1).chain(others);
    all.map(Certificate::der).collect()
}

/// What became of the bindings, and what stays to be done about them.
fn say_bound(session: &Session<'_>, set: &RestoreSet, plan: &Plan<'_>) {
    let bindings = &plan.bindings;
    let bound = bindings.iter().filter(|one| one.is_made()).count();
    let unbound = bindings.iter().filter(|one| one.is_left()).count();
    if unbound > 0 {
        session
            .console
            .warn(&text!("restore-unbound", count = unbound));
    }
    bindings::name_held(session, bindings);
    for one in &set.key_pairs {
        if let Some(text) = bindings::not_valid(one.pair.leaf(), session.now) {
            session.console.warn(&text);
        }
    }
    if bound > 0 {
        session.console.say(&text!("restore-bound", count = bound));
        session.console.mention(&text!("restore-not-restored"));
    } else if set.site_map.as_ref().is_none_or(|map| map.sites.is_empty()) {
        session.console.say(&text!("restore-no-sites"));
    } else if bindings.len() == unbound {
        session.console.say(&text!("restore-not-bound"));
    }
}

/// Each key pair once for every store that held its certificate.
fn incoming(set: &RestoreSet) -> Vec<IncomingKeyPair<'_>> {
    let mut incoming = Vec::new();
    for one in &set.key_pairs {
        for store in stores(one) {
            incoming.push(in_store(one, store));
        }
    }
    incoming
}

/// As the vault or the source has it. Where neither knows the store, or it is none for key pairs,
/// it is "Personal".
fn stores(one: &RestoreItem) -> Vec<StoreName> {
    let windows = one.windows.as_ref();
    let named = windows.and_then(|windows| store_of(&windows.store));
    let mut stores = vec![named.unwrap_or(StoreName::My)];
    for also in windows.map_or(&[][..], |windows| &windows.also) {
        match store_of(also) {
            Some(store) if !stores.contains(&store) => stores.push(store),
            _ => {}
        }
    }
    stores
}

fn in_store(one: &RestoreItem, store: StoreName) -> IncomingKeyPair<'_> {
    let RestoreItem { pair, windows, .. } = one;
    let windows = windows.as_ref();
    IncomingKeyPair {
        name: pair.leaf().display_name().to_owned(),
        leaf: pair.leaf().der(),
        authorities: authorities_of(pair),
        pkcs8: pair.key.pkcs8(),
        friendly_name: pair.friendly_name.as_deref(),
        store,
        provider: windows
            .map(|windows| windows.provider.as_str())
            .or(pair.csp_name.as_deref()),
        access: windows.map_or(&[], |windows| &windows.access),
    }
}

/// A leaf among the authorities would be trusted as one.
fn store_of(name: &str) -> Option<StoreName> {
    StoreName::parse(name).filter(|store| StoreName::WITH_KEYS.contains(store))
}

fn parse_root(text: &str) -> Result<Hash> {
    let digits: String = text.chars().filter(char::is_ascii_hexdigit).collect();
    Hash::parse(&digits.to_ascii_lowercase())
        .ok_or_else(|| Error::usage(text!("error-bad-root", text = text)))
}
