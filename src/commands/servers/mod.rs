//! `servers`: who may write, and enrolling this machine.

pub(super) mod admit;
pub(super) mod enrolment;
pub(super) mod rename;
mod retire;

use serde::Serialize;

use crate::cli::ServersCommand;
use crate::console::Enter;
use crate::error::{Error, Exit, Result};
use crate::platform::media::host_name;
use crate::session::report::FindingReport;
use crate::session::{HostStateView, Session, fit_name};
use crate::state::State;
use crate::text;
use crate::workflow::finding;
use crate::workflow::unlock::{UnlockedVault, Wanted};
use crate::workflow::verify::owners_word;
use vault::id::{ServerId, VaultId};
use vault::survey::Survey;
use vault::trust::{Naming, Statement, Trust};

/// `servers list`.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct ServersReport {
    vault: String,
    servers: Vec<ServerReport>,
    /// What is wrong with the owner's files on the media that were named.
    findings: Vec<FindingReport>,
}

/// A server of the vault.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct ServerReport {
    server: String,
    /// Where this server knows it.
    name: Option<String>,
    /// Of its key.
    fingerprint: String,
    may_write: bool,
    /// Whether the media that were named say so themselves; null where none was named.
    on_media: Option<bool>,
}

/// `servers join` and `servers accept`.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct EnrolledReport {
    vault: String,
    server: String,
}

/// Says that this machine is a server of the vault now.
fn say_enrolled(session: &Session<'_>, state: &State) {
    let (server, vault) = (state.server().to_string(), state.vault().to_string());
    session.console.say(&text!(
        "servers-joined",
        server = server.as_str(),
        vault = vault.as_str()
    ));
    let report = EnrolledReport { vault, server };
    session.console.document(Exit::Done, &report);
}

/// Runs the command.
pub(super) fn run(session: &Session<'_>, what: Option<&ServersCommand>) -> Result<Exit> {
    match what {
        None => list(session, &[]),
        Some(ServersCommand::List { media }) => list(session, media),
        Some(ServersCommand::Join {
            medium,
            server_name,
            replace,
        }) => join(session, medium, server_name.clone(), *replace),
        Some(ServersCommand::Request {
            file,
            server_name,
            replace,
        }) => enrolment::request(session, file, server_name.clone(), *replace),
        Some(ServersCommand::Add(args)) => enrolment::add(session, args),
        Some(ServersCommand::Retire(args)) => retire::run(session, args),
        Some(ServersCommand::Rename(args)) => rename::run(session, args),
        Some(ServersCommand::Admit(args)) => admit::run(session, args),
        Some(ServersCommand::Accept { from, vault }) => {
            enrolment::accept(session, from, vault.as_deref())
        }
    }
}

/// The passphrase proves whose vault this is; the owner's key then admits this server's own.
fn join(
    session: &Session<'_>,
    name: &str,
    server_name: Option<String>,
    replace: bool,
) -> Result<Exit> {
    let media = [session.medium_of_vault_to_write(name)?];
    let folder = session.new_state_folder(replace)?;
    // What is remembered of the vault before says nothing of this one.
    let known = HostStateView {
        state: None,
        unasked: None,
    };
    let opened = session.open(&media, &known)?;
    let server_name = server_name.unwrap_or_else(host_name);
    let server_name = fit_name(&server_name)?;
    confirm_name(session, &opened, (server_name, None))?;
    let mut state = State::create(&folder, opened.vault(), server_name)?;
    let unsigned = || Error::failed(text!("error-signing"));
    let statement = Statement::sign(&opened.owner.key, &state.admission());
    let statement = statement.map_err(|_| unsigned())?;
    media[0].add_owner_files(&[&statement], &[])?;
    state.trust = opened.survey.trust.clone();
    state.trust.learn(statement).map_err(|_| unsigned())?;
    state.remember_identities(&opened.survey.owners_identities());
    state.save()?;
    say_enrolled(session, &session.take_place(state)?);
    Ok(Exit::Done)
}

/// Two servers of one name are told apart by their ids alone: a person who gives `own`, or a new one,
/// the name of another says that this is meant, and an unattended run is told.
fn confirm_name(
    session: &Session<'_>,
    opened: &UnlockedVault<'_>,
    (wanted, own): (&str, Option<ServerId>),
) -> Result<()> {
    for server in opened.survey.claimed_servers() {
        let Ok(from) = opened.find(server, &Wanted::Newest, &|_| true) else {
            continue;
        };
        let is_same = from.catalog.server_name.to_lowercase() == wanted.to_lowercase();
        let is_another = own != Some(server) && opened.survey.trust.may_write(server);
        if !is_same || !is_another || from.naming == Naming::Other {
            continue;
        }
        let server = from.server();
        session
            .console
            .warn(&text!("join-same-name", server = server.as_str()));
        let unattended = !session.console.interactive();
        session.go_ahead(unattended, &text!("join-same-question"), Enter::No)?;
    }
    Ok(())
}

/// The owner's word on the media given, else as this server remembers it.
fn list(session: &Session<'_>, media: &[String]) -> Result<Exit> {
    let media = session.vault_media(media)?;
    let state = session.memory().state;
    let state = state.as_ref();
    let (trust, on_media, mut findings) = match (state, media.as_slice()) {
        (None, []) => return Err(Error::new(Exit::NoVault, text!("error-not-enrolled"))),
        (Some(state), []) => (state.trust.clone(), None, Vec::new()),
        (state, media) => {
            let (survey, findings) = owners_word(media, state)?;
            (survey.trust.clone(), Some(said_on(&survey)), findings)
        }
    };
    finding::mark(&mut findings, state, session.now);
    session.console.say(&text!(
        "servers-headline",
        count = trust.servers.len(),
        vault = trust.vault.as_str()
    ));
    let mut servers = Vec::new();
    for (server, key) in &trust.servers {
        let may_write = trust.may_write(*server);
        let is_said = |here: &Trust| {
            here.servers.contains_key(server) && here.may_write(*server) == may_write
        };
        let listed = ServerReport {
            server: server.to_string(),
            name: state
                .and_then(|state| state.name_of(*server))
                .map(str::to_owned),
            fingerprint: VaultId::of(key).to_string(),
            may_write,
            on_media: on_media.as_ref().map(is_said),
        };
        say_listed(session, &listed, state, *server);
        servers.push(listed);
    }
    session.show_findings(&findings);
    let report = ServersReport {
        vault: trust.vault.to_string(),
        servers,
        findings: FindingReport::of(session.console, &findings),
    };
    let exit = finding::beside(&findings);
    session.console.document(exit, &report);
    Ok(exit)
}

/// The owner's word as the media alone have it.
fn said_on(survey: &Survey<'_>) -> Trust {
    let mut trust = Trust::new(survey.trust.vault.clone());
    for pair in survey.walks.iter().flat_map(|walk| survey.taken_of(walk)) {
        // It is among those that verified.
        let _ = trust.learn(pair.statement.clone());
    }
    trust
}

fn say_listed(
    session: &Session<'_>,
    listed: &ServerReport,
    state: Option<&State>,
    server: ServerId,
) {
    let shown = state.map_or_else(|| listed.server.clone(), |state| state.shown(server));
    let is_own = state.is_some_and(|state| state.server() == server);
    session.console.say(&match listed.may_write {
        false => text!("servers-closed", server = shown),
        true if is_own => {
            let fingerprint = listed.fingerprint.as_str();
            text!("servers-this", server = shown, fingerprint = fingerprint)
        }
        true => text!("servers-other", server = shown),
    });
    if listed.on_media == Some(false) {
        session.console.mention(&text!("servers-not-on-media"));
    }
}
