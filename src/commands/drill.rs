//! `drill`: a rehearsed restore, and the proof that the passphrase or the recovery key still opens
//! the vault.

use serde::Serialize;

use crate::cli::DrillArgs;
use crate::error::{Exit, Result};
use crate::keypair::Certificate;
use crate::message::age;
use crate::session::backup_report::{self, NoMoreReport, NotHereReport, Past};
use crate::session::selection::choose;
use crate::session::{Session, standing};
use crate::text;
use crate::workflow::drill::{self, Proof, Proven};
use crate::workflow::server_backup::ServerBackup;
use vault::catalog;

/// What the rehearsal proved.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct DrillReport {
    server: String,
    generation: u32,
    valid_today: usize,
    key_pairs: Vec<ProofReport>,
    not_here: Vec<NotHereReport>,
    no_more: Vec<NoMoreReport>,
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
}

/// Runs the command.
pub(super) fn run(session: &Session<'_>, args: &DrillArgs) -> Result<Exit> {
    let media = session.vault_media_or_inserted(&args.from)?;
    let known = session.memory();
    let opened = session.open(&media, &known)?;
    let backup = choose(&opened, &args.which, &args.names, false)?;
    let proofs = drill::run(&opened, &backup);
    let failed = proofs.iter().filter(|proof| proof.result.is_err()).count();
    show(session, &backup, &proofs, failed);
    if failed == 0 && !proofs.is_empty() {
        let is_whole = args.names.is_empty() && args.which.generation.is_none();
        let everything = is_whole && backup.not_here.is_empty();
        let drill = catalog_entry(session, &backup, proofs.len(), everything);
        session.note(&opened.vault(), |state| state.remember_drill(drill));
    }
    let exit = exit(session, &backup, &proofs, failed);
    session
        .console
        .document(exit, &document(session, &backup, &proofs));
    Ok(exit)
}

fn exit(
    session: &Session<'_>,
    backup: &ServerBackup<'_>,
    proofs: &[Proof<'_>],
    failed: usize,
) -> Exit {
    let calm = backup.doubts.is_empty() && standing::all_valid(&leaves(proofs), session.now);
    match failed {
        0 if proofs.is_empty() && backup.not_here.is_empty() => Exit::Failed,
        0 if proofs.is_empty() => Exit::Damaged,
        0 if !backup.not_here.is_empty() => Exit::Partly,
        0 if calm => Exit::Done,
        0 => Exit::Attention,
        failed if failed < proofs.len() => Exit::Partly,
        _ => Exit::Damaged,
    }
}

fn show(session: &Session<'_>, backup: &ServerBackup<'_>, proofs: &[Proof<'_>], failed: usize) {
    let record = &backup.newest.record;
    let total = proofs.len() + backup.not_here.len();
    match total {
        0 => session
            .console
            .warn(&text!("drill-nothing", server = backup.server())),
        _ => session.console.say(&text!(
            "drill-verdict",
            good = proofs.len() - failed,
            total = total,
            number = record.number.get(),
            age = age(record.time, session.now),
            server = backup.server()
        )),
    }
    standing::headline(session, &leaves(proofs));
    backup_report::say_not_here(session, &backup.not_here);
    backup_report::say_no_more(session, &Past::of(&backup.no_more));
    for doubt in &backup.doubts {
        session.console.warn(doubt);
    }
    for proof in proofs {
        say_proof(session, proof);
    }
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

/// Of those that were opened.
fn leaves<'a>(proofs: &'a [Proof<'_>]) -> Vec<&'a Certificate> {
    proofs
        .iter()
        .filter_map(|proof| proof.leaf.as_ref())
        .collect()
}

fn document(session: &Session<'_>, backup: &ServerBackup<'_>, proofs: &[Proof<'_>]) -> DrillReport {
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
        });
    }
    DrillReport {
        server: backup.server_name.clone(),
        generation: backup.newest.record.number.get(),
        valid_today: standing::count_valid(&leaves(proofs), session.now),
        key_pairs,
        not_here: NotHereReport::of(&backup.not_here),
        no_more: NoMoreReport::of(&Past::of(&backup.no_more)),
    }
}

/// The result lives in host state and travels in the next generation; the medium is never written.
fn catalog_entry(
    session: &Session<'_>,
    backup: &ServerBackup<'_>,
    key_pairs: usize,
    everything: bool,
) -> catalog::Drill {
    catalog::Drill {
        time: session.now,
        number: backup.newest.record.number,
        server: backup.newest.record.server,
        opened_with: session.opens_with().to_owned(),
        key_pairs,
        everything: Some(everything),
    }
}
