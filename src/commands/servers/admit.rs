//! `servers admit`: the owner admits a server again whose statement is lost. Its key is that of the
//! signatures on its generations; the fingerprint, from a paper or from the server, says which.

use serde::Serialize;

use crate::cli::ServersAdmitArgs;
use crate::console::Enter;
use crate::error::{Error, Exit, Result};
use crate::message::Text;
use crate::session::Session;
use crate::text;
use crate::workflow::unlock::UnlockedVault;
use vault::id::{ServerId, VaultId};
use vault::sign::PublicKey;
use vault::trust::Clause;

/// Characters of a fingerprint, after `SHA256:`, without which nobody is admitted.
const FEWEST: usize = 16;

/// `servers admit`.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(in crate::commands) struct AdmitReport {
    dry_run: bool,
    vault: String,
    server: String,
    fingerprint: String,
    /// How many of its generations are here.
    generations: usize,
    /// The media that did not take it.
    missing: Vec<String>,
}

/// Finds the key, shows what it signed, asks, and admits it.
pub(super) fn run(session: &Session<'_>, args: &ServersAdmitArgs) -> Result<Exit> {
    let digits = fingerprint(&args.key)?;
    let media = session.vault_media_to_write(&args.to)?;
    let known = session.memory();
    let opened = session.open(&media, &known)?;
    opened.refuse_foreign()?;
    let (server, key) = find(&opened, digits)?;
    refuse_closed(&opened, server)?;
    let mut report = AdmitReport {
        dry_run: args.dry_run,
        vault: opened.vault().to_string(),
        server: server.to_string(),
        fingerprint: VaultId::of(&key).to_string(),
        generations: generations(&opened, server),
        missing: Vec::new(),
    };
    session.console.say(&text!(
        "admit-plan",
        server = report.server.as_str(),
        fingerprint = report.fingerprint.as_str(),
        count = report.generations
    ));
    for doubt in doubts(&opened, server) {
        session.console.warn(&doubt);
    }
    if args.dry_run {
        session.console.document(Exit::Done, &report);
        return Ok(Exit::Done);
    }
    session.go_ahead(args.yes, &text!("admit-question"), Enter::No)?;
    let declared = session.declare(&opened, &[Clause::server(key)])?;
    session
        .console
        .say(&text!("admit-done", server = report.server.as_str()));
    let exit = declared.finish(session.console);
    report.missing = declared.missing().into_iter().map(str::to_owned).collect();
    session.console.document(exit, &report);
    Ok(exit)
}

/// The characters of a fingerprint after `SHA256:`, enough of them that nobody can make a key that has
/// them, too.
fn fingerprint(typed: &str) -> Result<&str> {
    let digits = typed.trim().trim_start_matches("SHA256:");
    match digits.len() >= FEWEST {
        true => Ok(digits),
        false => Err(Error::usage(text!(
            "error-fingerprint-short",
            text = typed,
            count = FEWEST
        ))),
    }
}

/// The key with that fingerprint, of those that signed generations here of servers that no statement
/// admits.
fn find(opened: &UnlockedVault<'_>, digits: &str) -> Result<(ServerId, PublicKey)> {
    let is_it = |key: &PublicKey| {
        let whole = VaultId::of(key);
        whole
            .as_str()
            .trim_start_matches("SHA256:")
            .starts_with(digits)
    };
    let servers = &opened.survey.trust.servers;
    if let Some((server, _)) = servers.iter().find(|(_, key)| is_it(key)) {
        let text = text!("error-admitted-already", server = server.to_string());
        return Err(Error::failed(text));
    }
    let mut strangers = opened.survey.strangers_keys().into_iter();
    strangers
        .find(|(_, key)| is_it(key))
        .ok_or_else(|| Error::failed(text!("error-admit-unknown", medium = opened.medium_name())))
}

/// A right that was ended stays so, whoever remembers it.
fn refuse_closed(opened: &UnlockedVault<'_>, server: ServerId) -> Result<()> {
    match opened.survey.trust.closing(server) {
        None => Ok(()),
        Some(_) => Err(Error::failed(text!(
            "error-admit-closed",
            server = server.to_string()
        ))),
    }
}

fn generations(opened: &UnlockedVault<'_>, server: ServerId) -> usize {
    let strange = opened.survey.not_admitted().into_iter();
    strange.filter(|id| id.server == server).count()
}

/// What cannot be known here of whether the server was closed.
fn doubts(opened: &UnlockedVault<'_>, server: ServerId) -> Vec<Text> {
    let mut doubts = Vec::new();
    if opened.survey.is_said_closed(server) {
        doubts.push(text!("admit-maybe-closed", server = server.to_string()));
    }
    let missing = opened.survey.missing_statements().len();
    let lost = missing + opened.survey.damaged_statements.len();
    if lost > 0 {
        doubts.push(text!("admit-statements-lost", count = lost));
    }
    doubts
}
