//! `drill`: a rehearsed restore, and the proof that the passphrase or the recovery key still opens
//! the vault.

use serde::Serialize;

use crate::cli::DrillArgs;
use crate::error::{Exit, Result};
use crate::keypair::Certificate;
use crate::message::age;
use crate::session::report::LeftOutReport;
use crate::session::selection::{choose, is_wanted};
use crate::session::{Session, standing};
use crate::text;
use crate::workflow::drill::{self, Proof, Proven};
use crate::workflow::left_out;
use crate::workflow::unlock::OpenGeneration;
use vault::catalog;

/// What the rehearsal proved.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct DrillReport {
    server: String,
    generation: u32,
    valid_today: usize,
    key_pairs: Vec<ProofReport>,
    left_out: Vec<LeftOutReport>,
}

/// A key pair that was tried.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct ProofReport {
    name: String,
    thumbprint: String,
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
    let from = choose(&opened, &args.which, &args.names)?;
    let proofs = drill::run(&opened, &from, |entry| is_wanted(entry, &args.names));
    let failed = proofs.iter().filter(|proof| proof.result.is_err()).count();
    show(session, &from, &proofs, failed);
    if failed == 0 {
        let drill = catalog_entry(session, &from, proofs.len());
        session.note(&opened.vault(), |state| state.remember_drill(drill));
    }
    let exit = exit(session, &from, &proofs, failed);
    session
        .console
        .document(exit, &document(session, &from, &proofs));
    Ok(exit)
}

fn exit(session: &Session<'_>, from: &OpenGeneration, proofs: &[Proof<'_>], failed: usize) -> Exit {
    let calm = from.doubts.is_empty()
        && from.left_out.is_empty()
        && standing::all_valid(&leaves(proofs), session.now);
    match failed {
        0 if calm => Exit::Done,
        0 => Exit::Attention,
        failed if failed < proofs.len() => Exit::Partly,
        _ => Exit::Damaged,
    }
}

fn show(session: &Session<'_>, from: &OpenGeneration, proofs: &[Proof<'_>], failed: usize) {
    let record = &from.generation.record;
    session.console.say(&text!(
        "drill-verdict",
        good = proofs.len() - failed,
        total = proofs.len(),
        number = record.number.get(),
        age = age(record.time, session.now),
        server = from.server(),
        left_out = left_out::count(&from.left_out)
    ));
    standing::headline(session, &leaves(proofs));
    for left_out in &from.left_out {
        session.console.warn(&left_out.text());
    }
    for doubt in &from.doubts {
        session.console.warn(doubt);
    }
    for proof in proofs {
        say_proof(session, proof);
    }
    standing::tell(session, &leaves(proofs));
}

fn say_proof(session: &Session<'_>, proof: &Proof<'_>) {
    let name = proof.entry.about.display_name();
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

fn document(session: &Session<'_>, from: &OpenGeneration, proofs: &[Proof<'_>]) -> DrillReport {
    let mut key_pairs = Vec::new();
    for proof in proofs {
        let about = &proof.entry.about;
        let leaf = proof.leaf.as_ref();
        key_pairs.push(ProofReport {
            name: about.display_name().to_owned(),
            thumbprint: about.thumbprint.clone(),
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
        server: from.catalog.server_name.clone(),
        generation: from.generation.record.number.get(),
        valid_today: standing::count_valid(&leaves(proofs), session.now),
        key_pairs,
        left_out: LeftOutReport::of(&from.left_out),
    }
}

/// The result lives in host state and travels in the next generation; the medium is never written.
fn catalog_entry(session: &Session<'_>, from: &OpenGeneration, key_pairs: usize) -> catalog::Drill {
    let opened_with = if session.opens_with_recovery_key() {
        "recovery-key"
    } else {
        "passphrase"
    };
    catalog::Drill {
        time: session.now,
        number: from.generation.record.number,
        server: from.generation.record.server,
        opened_with: opened_with.to_owned(),
        key_pairs,
    }
}
