//! `create`: a new vault on a first medium, with a second way in from the first day; this server is
//! enrolled.

use serde::Serialize;

use crate::cli::CreateArgs;
use crate::error::{Exit, Result};
use crate::session::Session;
use crate::session::create::create;
use crate::session::program::ProgramReport;
use crate::text;

/// What `create` made.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct CreateReport {
    vault: String,
    server: String,
    medium: String,
    /// The programs that were put beside the vault.
    programs: Vec<ProgramReport>,
}

/// Runs the command.
pub(super) fn run(session: &Session<'_>, args: &CreateArgs) -> Result<Exit> {
    let medium = session.medium_to_write(&args.medium)?;
    // Before anybody is asked for anything.
    let programs = session.programs(&args.programs)?;
    let label = args.label.clone();
    let state = create(
        session,
        &medium,
        label,
        args.server_name.clone(),
        args.replace,
    )?;
    let (vault, server) = (state.vault().clone(), state.server());
    // Noted in host state, which one at a time holds.
    drop(state);
    let (exit, programs) = session.put_programs(&medium, &vault, &programs, Exit::Done);
    session
        .console
        .mention(&text!("create-next", medium = medium.name.as_str()));
    let report = CreateReport {
        vault: vault.to_string(),
        server: server.to_string(),
        medium: medium.name,
        programs,
    };
    session.console.document(exit, &report);
    Ok(exit)
}
