//! `servers request`, `add` and `accept`: new servers ask with a file each, the owner admits all of
//! them with one passphrase, and each takes over whom to believe.

use crate::input::read_input;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::{confirm_name, say_enrolled};
use crate::cli::ServersAddArgs;
use crate::console::Enter;
use crate::error::{Error, Exit, Result};
use crate::session::Session;
use crate::session::declare::Declared;
use crate::session::enrolment::write_request;
use crate::session::media::parcel_path;
use crate::state::State;
use crate::state::replace::next_in;
use crate::text;
use crate::workflow::parcel_file;
use crate::workflow::unlock::UnlockedVault;
use crate::workflow::verify::owner_of;
use vault::id::{Number, ServerId, VaultId};
use vault::medium::Medium;
use vault::parcel;
use vault::request::EnrolmentRequest;
use vault::survey::Survey;
use vault::trust::{Clause, Trust};
use vault::volume::Reading;

/// `servers request`.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(in crate::commands) struct EnrolmentRequestReport {
    server: String,
    name: String,
    fingerprint: String,
}

/// `servers add`.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(in crate::commands) struct AddReport {
    #[serde(skip_serializing_if = "Option::is_none")]
    dry_run: Option<bool>,
    vault: String,
    servers: Vec<AddedReport>,
    /// The media that did not take it.
    #[serde(skip_serializing_if = "Option::is_none")]
    missing: Option<Vec<String>>,
}

/// A server that was admitted.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(in crate::commands) struct AddedReport {
    server: String,
    name: String,
}

/// By their ids.
type NewServers<'a> = BTreeMap<ServerId, &'a EnrolmentRequest>;

/// Makes this machine's signing key and writes what it asks for. Asked again, it asks with the same
/// key.
pub(crate) fn request(
    session: &Session<'_>,
    file: &Path,
    server_name: Option<String>,
    replace: bool,
) -> Result<Exit> {
    let request = write_request(session, file, server_name, replace)?;
    let (server, fingerprint) = (request.server().to_string(), request.fingerprint());
    let report = EnrolmentRequestReport {
        server,
        name: request.name,
        fingerprint,
    };
    session.console.document(Exit::Done, &report);
    Ok(Exit::Done)
}

/// One passphrase, one question, one statement for all of them.
pub(crate) fn add(session: &Session<'_>, args: &ServersAddArgs) -> Result<Exit> {
    let requests = read_requests(args)?;
    let media = session.vault_media_to_write(&args.to)?;
    let known = session.memory();
    let opened = session.open(&media, &known)?;
    opened.refuse_foreign()?;
    let new = new_servers(&opened.survey.trust, &requests)?;
    show(session, &requests, &new);
    let mut report = AddReport::of(&opened, &new);
    if args.dry_run {
        report.dry_run = Some(true);
        session.console.document(Exit::Done, &report);
        return Ok(Exit::Done);
    }
    let declared = admit(session, args, &opened, &new)?;
    if let Some(path) = &args.answer {
        let trust = match &declared {
            Some(declared) => &declared.trust,
            None => &opened.survey.trust,
        };
        write_answer(path, trust, &opened.survey.owners_identities())?;
    }
    let missing = declared.as_ref().map(Declared::missing).unwrap_or_default();
    let from = accepted_from(args, &missing);
    session
        .console
        .say(&text!("enrol-done", count = new.len(), from = from));
    let exit = match &declared {
        Some(declared) => declared.finish(session.console),
        None => Exit::Done,
    };
    report.missing = Some(missing.into_iter().map(str::to_owned).collect());
    session.console.document(exit, &report);
    Ok(exit)
}

/// Reads what the new servers ask for, before anybody is asked for a secret.
///
/// # Errors
/// A file that is no request, or a file that lies where the answer is to go.
fn read_requests(args: &ServersAddArgs) -> Result<Vec<EnrolmentRequest>> {
    let files = args.files.iter();
    let requests = files
        .map(|file| read_request(file))
        .collect::<Result<_>>()?;
    match args.answer.as_deref() {
        Some(path) if path.exists() => {
            Err(Error::failed(text!("error-parcel-exists", path = path)))
        }
        _ => Ok(requests),
    }
}

impl AddReport {
    fn of(opened: &UnlockedVault<'_>, new: &NewServers<'_>) -> Self {
        let mut servers = Vec::new();
        for (id, request) in new {
            servers.push(AddedReport {
                server: id.to_string(),
                name: request.name.clone(),
            });
        }
        Self {
            dry_run: None,
            vault: opened.vault().to_string(),
            servers,
            missing: None,
        }
    }
}

/// Asks, and admits the new servers in the owner's name; `None` where there are none.
fn admit(
    session: &Session<'_>,
    args: &ServersAddArgs,
    opened: &UnlockedVault<'_>,
    new: &NewServers<'_>,
) -> Result<Option<Declared>> {
    if new.is_empty() {
        return Ok(None);
    }
    for (id, request) in new {
        confirm_name(session, opened, (&request.name, Some(*id)))?;
    }
    session.go_ahead(
        args.yes,
        &text!("enrol-question", count = new.len()),
        Enter::No,
    )?;
    let mut words = Vec::new();
    for (id, request) in new {
        words.push(Clause::server(request.key.clone()));
        let bound = request.salt.as_ref().map(|salt| salt.bind(&request.name));
        words.extend(bound.map(|bound| Clause::Name(*id, Number::FIRST, bound)));
    }
    session.declare(opened, &words).map(Some)
}

/// What the new servers take it from: the answer, else the first medium that holds it.
fn accepted_from(args: &ServersAddArgs, missing: &[&str]) -> String {
    if let Some(path) = &args.answer {
        return path.display().to_string();
    }
    let mut media = args.to.iter();
    let medium = media.find(|name| !missing.contains(&name.as_str()));
    medium.cloned().unwrap_or_default()
}

fn read_request(file: &Path) -> Result<EnrolmentRequest> {
    let bytes = read_input(file)
        .map_err(|e| Error::usage(text!("error-source-unreadable", path = file, reason = &e)))?;
    EnrolmentRequest::parse(&bytes)
        .ok_or_else(|| Error::failed(text!("error-request-flaw", path = file)))
}

/// Those not enrolled yet. An id that another key has already would take that server's place, and
/// is refused.
fn new_servers<'a>(trust: &Trust, requests: &'a [EnrolmentRequest]) -> Result<NewServers<'a>> {
    let mut new = NewServers::new();
    for request in requests {
        let id = request.server();
        let known = trust
            .servers
            .get(&id)
            .or_else(|| new.get(&id).map(|other| &other.key));
        if known.is_some_and(|key| *key != request.key) {
            return Err(Error::new(
                Exit::Forged,
                text!("error-request-same-id", server = id.to_string()),
            ));
        }
        if trust.closing(id).is_some() {
            let name = request.name.as_str();
            return Err(Error::failed(text!(
                "error-request-closed",
                name = name,
                server = id.to_string()
            )));
        }
        if !trust.servers.contains_key(&id) {
            new.insert(id, request);
        }
    }
    Ok(new)
}

fn show(session: &Session<'_>, requests: &[EnrolmentRequest], new: &NewServers<'_>) {
    for request in requests {
        let (name, server) = (request.name.as_str(), request.server());
        if !new.contains_key(&server) {
            session.console.say(&text!(
                "enrol-known",
                name = name,
                server = server.to_string()
            ));
        }
    }
    for (id, request) in new {
        let (name, fingerprint) = (request.name.as_str(), request.fingerprint());
        session.console.say(&text!(
            "enrol-plan",
            name = name,
            server = id.to_string(),
            fingerprint = fingerprint
        ));
        let namesakes = new
            .values()
            .filter(|other| other.name.eq_ignore_ascii_case(name));
        if namesakes.count() > 1 {
            session.console.warn(&text!("enrol-same-name", name = name));
        }
    }
}

/// What a server needs that has no stick: the owner's word, and the ways in for the parcels to
/// come.
fn write_answer(path: &Path, trust: &Trust, identities: &[&[u8]]) -> Result<()> {
    let statements: Vec<_> = trust.statements.values().collect();
    let identities: Vec<_> = identities.iter().map(|file| file.to_vec()).collect();
    let bytes = parcel::render(None, &statements, &identities);
    let bytes = bytes.map_err(|_| Error::failed(text!("error-parcel-too-large", path = path)))?;
    parcel_file::write(path, &bytes)
        .map_err(|e| Error::failed(text!("error-parcel-unwritable", path = path, reason = &e)))
}

/// Takes over whom to believe. The answer alone does not say that it is the right owner's; a person
/// does.
pub(crate) fn accept(session: &Session<'_>, from: &str, pin: Option<&str>) -> Result<Exit> {
    let folder = requesting_folder(session)?;
    let request = State::requested(&folder)?
        .ok_or_else(|| Error::new(Exit::NoVault, text!("error-no-request")))?;
    let media = [answer(session, from)?];
    let vault = match pin {
        Some(text) => VaultId::parse(text)
            .ok_or_else(|| Error::usage(text!("error-bad-vault-id", text = text)))?,
        None => session.console.confirm_vault(owner_of(&media, None)?)?,
    };
    let trust = Trust::new(vault.clone());
    let survey = Survey::of(&media, vault.clone(), &trust, Reading::Cached)?;
    if !survey.is_of_vault(0) {
        return Err(survey.not_ours(0).into());
    }
    refuse_not_admitted(&survey.trust, &request, from)?;
    let mut state = State::accept(&folder, vault)?;
    state.trust = survey.trust.clone();
    state.remember_identities(&survey.owners_identities());
    state.save()?;
    say_enrolled(session, &session.take_place(state)?);
    Ok(Exit::Done)
}

/// Where this server asked to be enrolled: beside the state of the vault that it is to leave, if it
/// writes to one.
fn requesting_folder(session: &Session<'_>) -> Result<PathBuf> {
    let next = next_in(&session.state_folder()?);
    match State::requested(&next)? {
        Some(_) => Ok(next),
        None => session.new_state_folder(false),
    }
}

fn refuse_not_admitted(trust: &Trust, request: &EnrolmentRequest, from: &str) -> Result<()> {
    let id = request.server();
    if trust.servers.get(&id) == Some(&request.key) && trust.may_write(id) {
        return Ok(());
    }
    Err(Error::new(
        Exit::NoVault,
        text!("error-not-admitted", medium = from, server = id.to_string()),
    ))
}

/// The file that `add --answer` wrote, or a medium of the vault.
fn answer(session: &Session<'_>, from: &str) -> Result<Medium> {
    let file = parcel_path(from).unwrap_or_else(|| crate::platform::media::typed(from));
    if file.is_file() {
        return Ok(Medium::of_parcel(from, parcel_file::open(&file)?));
    }
    let medium = session.medium(from)?;
    match medium.has_vault()? {
        true => Ok(medium),
        false => Err(Error::new(
            Exit::NoVault,
            text!("error-no-vault", medium = from),
        )),
    }
}
