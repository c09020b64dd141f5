//! `export`: key pairs out of a source as PFX or PEM, as IIS Manager's Export does it; no vault
//! involved.

use crate::cli::Export;
use crate::commands::Run;
use crate::commands::restore::{Ready, is_named, place};
use crate::error::{Exit, Result};
use crate::keystore::Destination;
use crate::rules::Stored;
use crate::text;

/// Runs the command.
pub fn run(run: &Run<'_>, args: &Export) -> Result<Exit> {
    args.into.refuse_idle(&args.to)?;
    let destination = Destination::parse(&args.to)?;
    run.judge(destination.path(), Stored::KeyPairFiles)?;
    let mut ready = Ready::of(run.chosen(&args.names, &args.from.from, &args.from.files)?);
    // Writing a file asked for by name changes no server: there is nothing to ask about.
    let mut into = args.into.clone();
    into.yes = true;
    let named = is_named(&args.names, std::slice::from_ref(&args.from.from));
    let exit = place(run, &mut ready, &destination, &into, named)?;
    run.console.mention(&text!("export-rules"));
    Ok(exit)
}
