//! `servers`: who may write, and enrolling this machine.

pub(super) mod enrolment;
mod retire;

use serde::Serialize;

use crate::cli::ServersCommand;
use crate::error::{Error, Exit, Result};
use crate::session::Session;
use crate::state::State;
use crate::text;
use vault::id::ServerId;
use vault::trust::{Clause, Statement};

/// `servers list`.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct ServersReport {
    vault: String,
    servers: Vec<ServerReport>,
}

/// A server of the vault.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct ServerReport {
    server: String,
    may_write: bool,
}

/// `servers join` and `servers accept`.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct EnrolledReport {
    vault: String,
    server: String,
}

impl EnrolledReport {
    fn of(state: &State) -> Self {
        Self {
            vault: state.vault().to_string(),
            server: state.server().to_string(),
        }
    }
}

/// Runs the command.
pub(super) fn run(session: &Session<'_>, args: &ServersCommand) -> Result<Exit> {
    match args {
        ServersCommand::List { media } => list(session, media),
        ServersCommand::Join {
            medium,
            server_name,
        } => join(session, medium, server_name.clone()),
        ServersCommand::Request { file, server_name } => {
            enrolment::request(session, file, server_name.clone())
        }
        ServersCommand::Add(args) => enrolment::add(session, args),
        ServersCommand::Retire(args) => retire::run(session, args),
        ServersCommand::Accept { from, vault } => {
            enrolment::accept(session, from, vault.as_deref())
        }
    }
}

/// The passphrase proves whose vault this is; the owner's key then admits this server's own.
fn join(session: &Session<'_>, name: &str, server_name: Option<String>) -> Result<Exit> {
    let medium = session.medium_to_write(name)?;
    let folder = session.new_state_folder()?;
    let media = [medium];
    let known = session.memory();
    let opened = session.open(&media, &known)?;
    let mut state = State::create(
        &folder,
        opened.vault(),
        &server_name.unwrap_or_else(crate::platform::media::host_name),
    )?;
    let statement = Statement::sign(&opened.owner.key, &[Clause::server(state.key().public())]);
    let statement = statement.map_err(|_| Error::failed(text!("error-signing")))?;
    media[0].add_owner_files(&[&statement], &[])?;
    state.trust = opened.survey.trust.clone();
    state
        .trust
        .learn(statement)
        .map_err(|_| Error::failed(text!("error-signing")))?;
    state.remember_identities(&opened.survey.owners_identities());
    state.save()?;
    session.console.say(&text!(
        "servers-joined",
        server = state.server().to_string(),
        vault = state.vault().as_str()
    ));
    session
        .console
        .document(Exit::Done, &EnrolledReport::of(&state));
    Ok(Exit::Done)
}

fn list(session: &Session<'_>, media: &[String]) -> Result<Exit> {
    let media = session.vault_media(media)?;
    let state = session.memory().state;
    let trust = match (&state, media.is_empty()) {
        (None, true) => return Err(Error::new(Exit::NoVault, text!("error-not-enrolled"))),
        (Some(state), true) => state.trust.clone(),
        (_, false) => crate::workflow::verify::trust_of(&media, state.as_ref())?,
    };
    let own = state.as_ref().map(State::server);
    session.console.say(&text!(
        "servers-headline",
        count = trust.servers.len(),
        vault = trust.vault.as_str()
    ));
    for server in trust.servers.keys() {
        let id = server.to_string();
        match (trust.may_write(*server), Some(*server) == own) {
            (false, _) => session.console.say(&text!("servers-closed", server = id)),
            (true, true) => session.console.say(&text!("servers-this", server = id)),
            (true, false) => session.console.say(&text!("servers-other", server = id)),
        }
    }
    let server = |id: &ServerId| ServerReport {
        server: id.to_string(),
        may_write: trust.may_write(*id),
    };
    let report = ServersReport {
        vault: trust.vault.to_string(),
        servers: trust.servers.keys().map(server).collect(),
    };
    session.console.document(Exit::Done, &report);
    Ok(Exit::Done)
}
