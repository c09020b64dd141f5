//! `drill`: a rehearsed restore, and the proof that the passphrase or the recovery key still opens
//! the vault.

use serde_json::json;

use crate::cli::Drill;
use crate::error::{Exit, Result};
use crate::keypair::Certificate;
use crate::session::findings::left_out_document;
use crate::session::selection::{age_in_days, choose, is_wanted};
use crate::session::{Session, standing};
use crate::text;
use crate::workflow::drill::{self, Proof, Proven};
use crate::workflow::left_out;
use crate::workflow::unlock::OpenGeneration;
use vault::catalog;

/// Runs the command.
pub fn run(session: &Session<'_>, args: &Drill) -> Result<Exit> {
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
    let calm = from.doubts.is_empty()
        && from.left_out.is_empty()
        && standing::all_valid(&leaves(&proofs), session.now);
    let exit = match (failed, calm) {
        (0, true) => Exit::Done,
        (0, false) => Exit::Attention,
        (failed, _) if failed < proofs.len() => Exit::Partly,
        _ => Exit::Damaged,
    };
    session
        .console
        .document(exit, document(session, &from, &proofs));
    Ok(exit)
}

fn show(session: &Session<'_>, from: &OpenGeneration, proofs: &[Proof<'_>], failed: usize) {
    let (number, age) = (
        from.generation.record.number.get(),
        age_in_days(session, from.generation.record.time),
    );
    let (good, total) = (proofs.len() - failed, proofs.len());
    session.console.say(&text!(
        "drill-verdict",
        good = good,
        total = total,
        number = number,
        age = age,
        server = from.catalog.server_name.as_str(),
        left_out = left_out::count(&from.left_out)
    ));
    standing::headline(session, &leaves(proofs));
    from.left_out
        .iter()
        .for_each(|left_out| session.console.warn(&left_out.text()));
    from.doubts
        .iter()
        .for_each(|doubt| session.console.warn(doubt));
    for proof in proofs {
        match &proof.result {
            Ok(Proven::Handshake { version }) => session.console.mention(&text!(
                "drill-handshake",
                name = proof.entry.about.display_name(),
                version = version
            )),
            Ok(Proven::Signature { key_type }) => session.console.mention(&text!(
                "drill-signature",
                name = proof.entry.about.display_name(),
                key_type = key_type
            )),
            Err(reason) => session.console.warn(&text!(
                "drill-failed",
                name = proof.entry.about.display_name(),
                reason = reason.clone()
            )),
        }
    }
    standing::tell(session, &leaves(proofs));
}

/// Of those that were opened.
fn leaves<'a>(proofs: &'a [Proof<'_>]) -> Vec<&'a Certificate> {
    proofs
        .iter()
        .filter_map(|proof| proof.leaf.as_ref())
        .collect()
}

fn document(
    session: &Session<'_>,
    from: &OpenGeneration,
    proofs: &[Proof<'_>],
) -> serde_json::Value {
    let valid = standing::count_valid(&leaves(proofs), session.now);
    let proofs = proofs.iter().map(|proof| {
        let (proven, detail) = match &proof.result {
            Ok(Proven::Handshake { version }) => (true, version.clone()),
            Ok(Proven::Signature { .. }) => (true, "signature".to_owned()),
            Err(reason) => (false, session.console.words(reason)),
        };
        let about = &proof.entry.about;
        json!({
            "name": about.display_name(), "thumbprint": about.thumbprint, "proven": proven, "detail": detail,
            "not_after": about.not_after.to_string(),
            "standing": proof.leaf.as_ref().map(|leaf| standing::id(leaf.remaining(session.now))),
        })
    });
    json!({
        "server": from.catalog.server_name, "generation": from.generation.record.number.get(), "valid_today": valid,
        "key_pairs": proofs.collect::<Vec<_>>(), "left_out": left_out_document(&from.left_out),
    })
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
        number: from.generation.record.number.get(),
        server: from.generation.record.server.to_string(),
        opened_with: opened_with.to_owned(),
        key_pairs,
    }
}
