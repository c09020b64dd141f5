//! `drill`: a rehearsed restore, and the proof that the passphrase or the recovery key still opens
//! the vault.

mod receipt;
pub(super) mod stock;

use serde::Serialize;

use self::receipt::{Receipt, ReceiptReport};
use crate::cli::DrillArgs;
use crate::error::{Error, Exit, Result};
use crate::iis::Iis;
use crate::keypair::Certificate;
use crate::keystore::reason_of_catalog;
use crate::message::age;
use crate::platform;
use crate::session::backup_report::{self, NoMoreReport, NotHereReport, Past};
use crate::session::options::refuse;
use crate::session::report::{FindingReport, MissingReport};
use crate::session::selection::{choose, of_each_server};
use crate::session::{Session, here, standing};
use crate::state::State;
use crate::text;
use crate::workflow::drill::{self, Proof, Proven};
use crate::workflow::finding;
use crate::workflow::server_backup::ServerBackup;
use crate::workflow::unlock::UnlockedVault;
use crate::workflow::verify;
use vault::catalog;
use vault::medium::Medium;

/// What the rehearsal proved.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct DrillReport {
    #[serde(flatten)]
    first: ServerDrillReport,
    /// The other servers of the vault, where nothing was said of which.
    others: Vec<ServerDrillReport>,
    /// Copies on the media that are damaged or missing, while another is good.
    findings: Vec<FindingReport>,
}

/// What it proved of a server's backup.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct ServerDrillReport {
    server: String,
    generation: u32,
    valid_today: usize,
    key_pairs: Vec<ProofReport>,
    not_here: Vec<NotHereReport>,
    no_more: Vec<NoMoreReport>,
    /// What the server had and no generation has a key of, unless that was accepted.
    without_key: Vec<MissingReport>,
    /// Nothing where it did not prove what it tried.
    receipt: Option<ReceiptReport>,
}

/// A key pair that was tried.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct ProofReport {
    name: String,
    thumbprint: String,
    /// The newest generation that holds it.
    generation: Option<u32>,
    proven: bool,
    /// The version of TLS, `signature`, or what went wrong.
    detail: String,
    not_after: String,
    /// How the certificate stands; nothing where it could not be opened.
    standing: Option<&'static str>,
    /// Whether this Windows takes its PFX; nothing where that was not tried.
    on_windows: Option<TakenReport>,
}

/// Whether this Windows takes a PFX.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct TakenReport {
    taken: bool,
    /// Where the key was to go and did not: `CNG` or `CryptoAPI`.
    interface: Option<&'static str>,
    /// Why not.
    reason: Option<String>,
}

/// What became of one server's backup.
struct Rehearsed<'a> {
    backup: &'a ServerBackup<'a>,
    proofs: Vec<Proof<'a>>,
    receipt: Option<Receipt>,
    exit: Exit,
}

/// Runs the command.
pub(super) fn run(session: &Session<'_>, args: &DrillArgs) -> Result<Exit> {
    drill_on(session, args, here::here().ok())
}

/// Runs the command, on a Windows server where there is one.
pub(super) fn drill_on(
    session: &Session<'_>,
    args: &DrillArgs,
    server: Option<Iis<'_>>,
) -> Result<Exit> {
    let prints = args.stock == Some(None);
    refuse(
        prints,
        &[
            (args.receipt.is_some(), "--receipt"),
            (!args.names.is_empty(), "NAME"),
        ],
        "--stock FOLDER",
    )?;
    if prints {
        return stock::print_lines(session, args);
    }
    if let Some(path) = args.receipt.as_deref().filter(|path| path.exists()) {
        return Err(Error::usage(text!("error-receipt-exists", path = path)));
    }
    let media = session.vault_media_or_inserted(&args.from)?;
    let known = session.memory();
    let opened = session.open(&media, &known)?;
    let (backups, mut exits) = backups(session, &opened, known.state.as_ref(), args)?;
    let mut rehearsed = Vec::new();
    for backup in &backups {
        let one = rehearse(session, args, server, &opened, &media, backup)?;
        exits.push(one.exit);
        rehearsed.push(one);
    }
    let receipts: Vec<_> = rehearsed
        .iter()
        .filter_map(|one| one.receipt.as_ref())
        .collect();
    if let Some(path) = args.receipt.as_deref().filter(|_| !receipts.is_empty()) {
        receipt::write(session, path, &receipts)?;
    }
    let used = backups.iter().flat_map(ServerBackup::generations_used);
    let findings = verify::of_copies(&opened.survey, used);
    session.show_findings(&findings);
    let exit = match over_all(&exits) {
        Exit::Done => finding::beside(&findings),
        less => less,
    };
    let findings = FindingReport::of(session.console, &findings);
    let mut reports = rehearsed.into_iter().map(|one| document(session, one));
    if let Some(first) = reports.next() {
        let others = reports.collect();
        let report = DrillReport {
            first,
            others,
            findings,
        };
        session.console.document(exit, &report);
    }
    Ok(exit)
}

/// The backup that is meant; where nothing was said of which, those of all servers, this one's first.
/// Those that cannot be found are named.
fn backups<'v>(
    session: &Session<'_>,
    opened: &'v UnlockedVault<'_>,
    state: Option<&State>,
    args: &DrillArgs,
) -> Result<(Vec<ServerBackup<'v>>, Vec<Exit>)> {
    let is_said = !args.names.is_empty()
        || args.stock.is_some()
        || args.which.server.is_some()
        || args.which.generation.is_some();
    if is_said || opened.survey.claimed_servers().len() < 2 {
        let one = choose(opened, &args.which, &args.names, false)?;
        return Ok((vec![one], Vec::new()));
    }
    let (mut backups, mut errors) = (Vec::new(), Vec::new());
    for backup in of_each_server(opened) {
        match backup {
            Ok(backup) => backups.push(backup),
            Err(error) => errors.push(error),
        }
    }
    let own = state.map(State::server);
    backups.sort_by_key(|backup| Some(backup.newest.record.server) != own);
    if backups.is_empty() {
        return Err(errors.pop().unwrap_or_else(|| opened.nothing_here()));
    }
    errors
        .iter()
        .for_each(|error| session.console.warn(&error.text));
    Ok((backups, errors.iter().map(|error| error.exit).collect()))
}

fn rehearse<'a>(
    session: &Session<'_>,
    args: &DrillArgs,
    server: Option<Iis<'_>>,
    opened: &UnlockedVault<'_>,
    media: &[Medium],
    backup: &'a ServerBackup<'a>,
) -> Result<Rehearsed<'a>> {
    let (mut proofs, by_hand) = match &args.stock {
        Some(Some(folder)) => {
            let mut by_hand = stock::check(session, folder, backup)?;
            (std::mem::take(&mut by_hand.proofs), Some(by_hand))
        }
        _ => (drill::run(opened, backup), None),
    };
    if let Some(server) = server {
        drill::try_on_windows(server, opened, &mut proofs);
    }
    let failed = proofs.iter().filter(|proof| proof.result.is_err()).count();
    show(session, backup, &proofs, failed);
    if let Some(by_hand) = &by_hand {
        stock::say(session, by_hand);
    }
    let receipt = (failed == 0 && !proofs.is_empty()).then(|| {
        let rest = by_hand.as_ref().map_or(0, |by_hand| by_hand.rest.len());
        let is_whole = args.names.is_empty() && args.which.generation.is_none() && rest == 0;
        let drill = catalog::Drill {
            everything: Some(is_whole && !is_incomplete(backup)),
            stock: by_hand.is_some(),
            ..catalog_entry(session, opened, media, (backup, &proofs))
        };
        let receipt = Receipt::of(session, backup, &proofs, &drill);
        session.note(&opened.vault(), |state| state.remember_drill(drill));
        receipt
    });
    let strangers = by_hand
        .as_ref()
        .is_some_and(|by_hand| !by_hand.strangers.is_empty());
    let exit = match exit(session, backup, &proofs, failed) {
        Exit::Done | Exit::Attention if strangers => Exit::Partly,
        exit => exit,
    };
    Ok(Rehearsed {
        backup,
        proofs,
        receipt,
        exit,
    })
}

/// Over all servers: those with nothing to rehearse take nothing from the others.
fn over_all(exits: &[Exit]) -> Exit {
    let any = |wanted: &[Exit]| exits.iter().any(|exit| wanted.contains(exit));
    let is_done = any(&[Exit::Done, Exit::Attention, Exit::Partly]);
    match exits {
        [only] => *only,
        _ if !is_done && any(&[Exit::Damaged]) => Exit::Damaged,
        _ if !is_done => Exit::Failed,
        _ if any(&[Exit::Partly, Exit::Damaged]) => Exit::Partly,
        _ if any(&[Exit::Attention]) => Exit::Attention,
        _ => Exit::Done,
    }
}

fn exit(
    session: &Session<'_>,
    backup: &ServerBackup<'_>,
    proofs: &[Proof<'_>],
    failed: usize,
) -> Exit {
    let refused = |proof: &Proof<'_>| matches!(proof.on_windows, Some(Err(_)));
    let calm = backup.doubts.is_empty()
        && standing::all_valid(&leaves(proofs), session.now)
        && !proofs.iter().any(refused);
    match failed {
        0 if proofs.is_empty() && !is_incomplete(backup) => Exit::Failed,
        0 if proofs.is_empty() => Exit::Damaged,
        0 if is_incomplete(backup) => Exit::Partly,
        0 if calm => Exit::Done,
        0 => Exit::Attention,
        failed if failed < proofs.len() => Exit::Partly,
        _ => Exit::Damaged,
    }
}

/// Whether something counts that a restore from here does not bring.
fn is_incomplete(backup: &ServerBackup<'_>) -> bool {
    !backup.not_here.is_empty() || backup.lacking().next().is_some()
}

fn show(session: &Session<'_>, backup: &ServerBackup<'_>, proofs: &[Proof<'_>], failed: usize) {
    let record = &backup.newest.record;
    let total = proofs.len() + backup.not_here.len() + backup.lacking().count();
    match total {
        0 => session
            .console
            .warn(&text!("drill-nothing", server = backup.server())),
        _ => session.console.say(&text!(
            "drill-verdict",
            good = proofs.len() - failed,
            total = total,
            number = record.number.get(),
            alone = if backup.is_alone { "yes" } else { "no" },
            age = age(record.time, session.now),
            server = backup.server()
        )),
    }
    standing::headline(session, &leaves(proofs));
    backup_report::say_not_here(session, &backup.not_here);
    for one in backup.lacking() {
        session.console.warn(&text!(
            "restore-missing",
            name = one.name.as_str(),
            reason = reason_of_catalog(&one.reason)
        ));
    }
    backup_report::say_no_more(session, &Past::of(&backup.no_more));
    for doubt in &backup.doubts {
        session.console.warn(doubt);
    }
    for proof in proofs {
        say_proof(session, proof);
    }
    say_windows(session, proofs);
    standing::tell(session, &leaves(proofs));
}

fn say_proof(session: &Session<'_>, proof: &Proof<'_>) {
    let name = proof.held.about().display_name();
    match &proof.result {
        Ok(Proven::Handshake { version }) => {
            session
                .console
                .mention(&text!("drill-handshake", name = name, version = version))
        }
        Ok(Proven::Signature { key_type }) => {
            session
                .console
                .mention(&text!("drill-signature", name = name, key_type = key_type))
        }
        Err(reason) => {
            session
                .console
                .warn(&text!("drill-failed", name = name, reason = reason.clone()))
        }
    }
}

/// Which PFX this Windows takes, where that was tried.
fn say_windows(session: &Session<'_>, proofs: &[Proof<'_>]) {
    let tried: Vec<_> = proofs
        .iter()
        .filter_map(|proof| Some((proof, proof.on_windows.as_ref()?)))
        .collect();
    if tried.is_empty() {
        return;
    }
    let (mut good, mut is_aes) = (tried.len(), false);
    for (proof, taken) in &tried {
        if let Err(not) = taken {
            good -= 1;
            is_aes |= not.reason.id == "reason-windows-no-aes";
            session.console.warn(&text!(
                "drill-windows-refused",
                name = proof.held.about().display_name(),
                interface = not.interface,
                reason = not.reason.clone()
            ));
        }
    }
    let total = tried.len();
    session
        .console
        .say(&text!("drill-windows", good = good, total = total));
    if good < total {
        session.console.say(&text!("drill-windows-hint"));
    }
    if is_aes {
        session.console.say(&text!("drill-windows-aes-hint"));
    }
}

/// Of those that were opened.
fn leaves<'a>(proofs: &'a [Proof<'_>]) -> Vec<&'a Certificate> {
    proofs
        .iter()
        .filter_map(|proof| proof.leaf.as_ref())
        .collect()
}

fn document(session: &Session<'_>, rehearsed: Rehearsed<'_>) -> ServerDrillReport {
    let (backup, proofs) = (rehearsed.backup, &rehearsed.proofs);
    let mut key_pairs = Vec::new();
    for proof in proofs {
        let about = proof.held.about();
        let leaf = proof.leaf.as_ref();
        key_pairs.push(ProofReport {
            name: about.display_name().to_owned(),
            thumbprint: about.thumbprint.clone(),
            generation: proof.held.numbers.last().map(|number| number.get()),
            proven: proof.result.is_ok(),
            detail: match &proof.result {
                Ok(Proven::Handshake { version }) => version.clone(),
                Ok(Proven::Signature { .. }) => "signature".to_owned(),
                Err(reason) => session.console.words(reason),
            },
            not_after: about.not_after.to_string(),
            standing: leaf.map(|leaf| standing::id(leaf.remaining(session.now))),
            on_windows: proof.on_windows.as_ref().map(|taken| {
                let not = taken.as_ref().err();
                TakenReport {
                    taken: not.is_none(),
                    interface: not.map(|not| not.interface),
                    reason: not.map(|not| session.console.words(&not.reason)),
                }
            }),
        });
    }
    ServerDrillReport {
        server: backup.server_name.clone(),
        generation: backup.newest.record.number.get(),
        valid_today: standing::count_valid(&leaves(proofs), session.now),
        key_pairs,
        not_here: NotHereReport::of(&backup.not_here),
        no_more: NoMoreReport::of(&Past::of(&backup.no_more)),
        without_key: backup
            .lacking()
            .map(|one| {
                let reason = reason_of_catalog(&one.reason);
                MissingReport::of(session.console, &one.name, &reason)
            })
            .collect(),
        receipt: rehearsed.receipt.map(|receipt| receipt.report),
    }
}

/// The result lives in host state and travels in the next generation; the medium is never written.
fn catalog_entry(
    session: &Session<'_>,
    opened: &UnlockedVault<'_>,
    media: &[Medium],
    (backup, proofs): (&ServerBackup<'_>, &[Proof<'_>]),
) -> catalog::Drill {
    let record = &backup.newest.record;
    let thumbprints = proofs
        .iter()
        .map(|proof| proof.held.about().thumbprint.clone());
    catalog::Drill {
        time: session.now,
        number: record.number,
        server: record.server,
        opened_with: opened.opened_with.to_owned(),
        way: Some(opened.way),
        by: platform::account(),
        media: media.iter().map(called).collect(),
        stock: false,
        key_pairs: proofs.len(),
        proven: thumbprints.collect(),
        everything: None,
    }
}

/// What people call a medium: its label, else where it is.
fn called(medium: &Medium) -> String {
    match medium.label() {
        Some(label) if !label.label.is_empty() => label.label,
        _ => medium.name.clone(),
    }
}
