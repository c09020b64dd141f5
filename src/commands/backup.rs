//! `backup`: to the media given, or the one that a person chooses.

use crate::cli::Backup;
use crate::error::{Error, Exit, Result};
use crate::session::Session;
use crate::session::backup::back_up;
use crate::text;

/// Runs the command.
pub fn run(session: &Session<'_>, args: &Backup) -> Result<Exit> {
    let to = destinations(session, args)?;
    let (mut exit, mut document) = back_up(session, args, &to)?;
    if !args.dry_run {
        let ejected;
        (exit, ejected) = session.eject_media(&to, args.afterwards, !args.yes, exit);
        document["ejected"] = ejected.into();
    }
    session.console.document(exit, document);
    Ok(exit)
}

/// Where to: as was said, else what a person chooses.
fn destinations(session: &Session<'_>, args: &Backup) -> Result<Vec<String>> {
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
