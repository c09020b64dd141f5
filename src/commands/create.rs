//! `create`: a new vault on a first medium, with a second way in from the first day; this server is
//! enrolled.

use serde::Serialize;

use crate::cli::CreateArgs;
use crate::error::{Exit, Result};
use crate::session::Session;
use crate::session::create::create;
use crate::text;

/// What `create` made.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct CreateReport {
    vault: String,
    server: String,
    medium: String,
}

/// Runs the command.
pub(super) fn run(session: &Session<'_>, args: &CreateArgs) -> Result<Exit> {
    let medium = session.medium_to_write(&args.medium)?;
    let label = args.label.clone();
    let state = create(
        session,
        &medium,
        label,
        args.server_name.clone(),
        args.replace,
    )?;
    session
        .console
        .mention(&text!("create-next", medium = medium.name.as_str()));
    let report = CreateReport {
        vault: state.vault().to_string(),
        server: state.server().to_string(),
        medium: medium.name,
    };
    session.console.document(Exit::Done, &report);
    Ok(Exit::Done)
}
