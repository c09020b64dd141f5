//! `backup`: to the media given, or the one that a person chooses.

use serde::Serialize;

use crate::cli::BackupArgs;
use crate::error::{Error, Exit, Result};
use crate::session::Session;
use crate::session::backup::{BackupReport, back_up};
use crate::text;

/// The backup, and what was done with the media afterwards.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct EndedBackup {
    #[serde(flatten)]
    backup: BackupReport,
    /// The media that were ejected.
    #[serde(skip_serializing_if = "Option::is_none")]
    ejected: Option<Vec<String>>,
}

/// Runs the command.
pub(super) fn run(session: &Session<'_>, args: &BackupArgs) -> Result<Exit> {
    let to = destinations(session, args)?;
    let (mut exit, backup) = back_up(session, args, &to)?;
    let mut ejected = None;
    if !args.dry_run {
        let names;
        (exit, names) = session.eject_media(&to, args.afterwards, !args.yes, exit);
        ejected = Some(names);
    }
    session
        .console
        .document(exit, &EndedBackup { backup, ejected });
    Ok(exit)
}

/// Where to: as was said, else what a person chooses.
fn destinations(session: &Session<'_>, args: &BackupArgs) -> Result<Vec<String>> {
    if !args.to.is_empty() {
        return Ok(args.to.clone());
    }
    if !session.console.interactive() {
        return Err(Error::usage(text!(
            "error-missing-argument",
            argument = "--to <MEDIUM>"
        )));
    }
    let chosen = session.choose_medium(&text!("menu-to-medium"))?;
    chosen
        .map(|medium| vec![medium])
        .ok_or_else(|| Error::usage(text!("error-declined")))
}
