//! `export`: key pairs out of a source as PFX or PEM, as IIS Manager's Export does it; no vault
//! involved.

use crate::cli::ExportArgs;
use crate::error::{Exit, Result};
use crate::keystore::Destination;
use crate::rules::Stored;
use crate::session::Session;
use crate::session::restore_set::{RestoreSet, is_named};
use crate::session::write_files::write_files;
use crate::text;

/// Runs the command.
pub(super) fn run(session: &Session<'_>, args: &ExportArgs) -> Result<Exit> {
    args.into.refuse_idle(&args.to)?;
    let destination = Destination::parse(&args.to)?;
    session.judge(destination.path(), Stored::KeyPairFiles)?;
    let mut set = RestoreSet::of(session.chosen(&args.names, &args.from.from, &args.from.files)?);
    // Writing a file asked for by name changes no server: there is nothing to ask about.
    let mut into = args.into.clone();
    into.yes = true;
    let named = is_named(&args.names, std::slice::from_ref(&args.from.from));
    let exit = write_files(session, &mut set, &destination, &into, named)?;
    session.console.mention(&text!("export-rules"));
    Ok(exit)
}
