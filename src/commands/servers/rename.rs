//! `servers rename`: the owner binds another name to this server's key.

use serde::Serialize;

use super::confirm_name;
use crate::cli::ServersRenameArgs;
use crate::console::Enter;
use crate::error::{Error, Exit, Result, no_random};
use crate::session::declare::say;
use crate::session::{Session, fit_name};
use crate::text;
use vault::id::Number;
use vault::server_name::NameSalt;
use vault::trust::Clause;

/// `servers rename`.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(in crate::commands) struct RenameReport {
    server: String,
    name: String,
    /// The first generation that has to have it.
    from: u32,
    /// The media that did not take it.
    missing: Vec<String>,
}

/// Binds the name from the next generation on; what was written before keeps that of its time.
pub(super) fn run(session: &Session<'_>, args: &ServersRenameArgs) -> Result<Exit> {
    let name = fit_name(&args.name)?;
    let media = session.vault_media_to_write(&args.to)?;
    let known = session.memory();
    let opened = session.open(&media, &known)?;
    opened.refuse_foreign()?;
    // Held to the end: no backup gets the number that the name begins with.
    let mut state = session.enrolled()?;
    let server = state.server();
    confirm_name(session, &opened, (name, Some(server)))?;
    let seen = opened.survey.line(server).next();
    let highest = seen.map(|newest| newest.record.number).max(state.highest());
    let from = highest.map_or(Some(Number::FIRST), Number::next);
    let from = from.ok_or_else(|| Error::failed(text!("error-no-number-left")))?;
    let question = text!(
        "rename-question",
        server = server.to_string(),
        old = state.server_name(),
        name = name,
        number = from
    );
    session.go_ahead(args.yes, &question, Enter::No)?;
    let salt = NameSalt::generate().map_err(|_| no_random())?;
    let declared = say(&opened, &[Clause::Name(server, from, salt.bind(name))])?;
    declared.teach(&mut state);
    state.rename(name, salt);
    state.save()?;
    session
        .console
        .say(&text!("rename-done", name = name, number = from));
    let exit = declared.finish(session.console);
    let report = RenameReport {
        server: server.to_string(),
        name: name.to_owned(),
        from: from.get(),
        missing: declared.missing().into_iter().map(str::to_owned).collect(),
    };
    session.console.document(exit, &report);
    Ok(exit)
}
