//! `sheet`: the instruction sheet, which holds no secret; the envelope, which does; and reading
//! either back.

use std::path::Path;

use serde::Serialize;

use crate::cli::SheetArgs;
use crate::error::{Error, Exit, Result};
use crate::input::read_input;
use crate::message::day;
use crate::paper::facts::{NewestOnSheet, SheetFacts};
use crate::paper::reading::{self, Said};
use crate::paper::{Form, Paper};
use crate::platform::private_files;
use crate::session::Session;
use crate::session::media::labelled;
use crate::session::papers::{
    EnvelopeOf, MediumOnSheet, OnEnvelope, ProgramOnSheet, ServerOnSheet, SheetContent,
};
use crate::session::secrets::{wrong_key, wrong_share};
use crate::state::State;
use crate::text;
use crate::workflow::verify;
use secret::shares::WrongShare;
use vault::id::{GenerationId, ServerId, VaultId};
use vault::medium::Medium;
use vault::paper::KeyText;
use vault::shares::ShareText;
use vault::survey::{Generation, Survey};
use vault::trust::Trust;
use vault::volume::Reading;

/// A paper that was written.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct SheetReport {
    vault: String,
    /// Whether it holds the recovery key.
    envelope: bool,
    /// Nothing where it went to standard output.
    path: Option<String>,
}

/// A paper that was read back.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct CheckedReport {
    vault: String,
    /// Whether it is the envelope, which then has opened the vault; of a share, that its words are right.
    envelope: bool,
    /// Servers of which the media given do not hold what the sheet knows.
    behind: Vec<String>,
}

/// Runs the command.
pub(super) fn run(session: &Session<'_>, args: &SheetArgs) -> Result<Exit> {
    match &args.check {
        Some(file) => check(session, args, file.as_deref()),
        None if args.envelope => write_envelope(session, args),
        None => write_sheet(session, args),
    }
}

/// The media that are named, or inserted; none is no error.
fn media(session: &Session<'_>, args: &SheetArgs) -> Result<Vec<Medium>> {
    match args.from.is_empty() && labelled().is_empty() {
        true => Ok(Vec::new()),
        false => session.vault_media_or_inserted(&args.from),
    }
}

fn write_sheet(session: &Session<'_>, args: &SheetArgs) -> Result<Exit> {
    let media = media(session, args)?;
    let known = session.memory();
    let content = match &known.state {
        Some(state) => content(&media, state.trust.clone(), Some(state), args)?,
        None => {
            let media = session.vault_media_or_inserted(&args.from)?;
            let opened = session.open(&media, &known)?;
            content(&media, opened.survey.trust.clone(), None, args)?
        }
    };
    let paper = session.sheet(&content)?;
    let Some(path) = &args.to else {
        return print(session, &paper, &content.vault);
    };
    let bytes = session.rendered(&paper, path)?;
    private_files::create_private(path, &bytes).map_err(|e| {
        Error::failed(text!(
            "error-paper-unwritten",
            path = path.as_path(),
            reason = &e
        ))
    })?;
    session
        .console
        .say(&text!("sheet-done", path = path.as_path()));
    Ok(written(session, &content.vault, false, Some(path)))
}

/// A sheet holds no secret: it may go to a screen or a pipe.
fn print(session: &Session<'_>, paper: &Paper, vault: &VaultId) -> Result<Exit> {
    if session.console.json {
        let argument = "--to NEWFILE";
        return Err(Error::usage(text!(
            "error-missing-argument",
            argument = argument
        )));
    }
    let text = paper.render(Form::Plain).map_err(Error::failed)?;
    let text = String::from_utf8_lossy(&text).replace("\r\n", "\n");
    session.console.print(text.trim_end());
    Ok(written(session, vault, false, None))
}

fn written(session: &Session<'_>, vault: &VaultId, envelope: bool, path: Option<&Path>) -> Exit {
    let report = SheetReport {
        vault: vault.to_string(),
        envelope,
        path: path.map(|path| path.display().to_string()),
    };
    session.console.document(Exit::Done, &report);
    Exit::Done
}

/// The recovery key is written nowhere: whoever wants it on paper again has to bring it.
fn write_envelope(session: &Session<'_>, args: &SheetArgs) -> Result<Exit> {
    if !session.opens_with_recovery_key() {
        return Err(Error::usage(text!("error-envelope-needs-key")));
    }
    let path = args.to.as_deref();
    let path = path.ok_or_else(|| Error::usage(text!("error-envelope-needs-file")))?;
    let media = session.vault_media_or_inserted(&args.from)?;
    let known = session.memory();
    let (opened, key) = session.open_with_recovery_key(&media, &known)?;
    let owner = opened.owner.key.public();
    session.note_opened(&opened);
    let envelope = EnvelopeOf {
        secret: OnEnvelope::Key(&key),
        owner: &owner,
    };
    let file = session.write_envelope(&envelope, ("--to", path), media.first())?;
    session.keep_envelope(file);
    Ok(written(session, &envelope.vault(), true, Some(path)))
}

/// What this server remembers, and what the media show.
fn content(
    media: &[Medium],
    trust: Trust,
    state: Option<&State>,
    args: &SheetArgs,
) -> Result<SheetContent> {
    let survey = Survey::of(media, trust.vault.clone(), &trust, Reading::Cached)?;
    let mut servers = Vec::new();
    for server in survey.trust.servers.keys() {
        if survey.trust.closing(*server).is_none() {
            servers.push(on_sheet(&survey, state, *server));
        }
    }
    let seen = state.into_iter().flat_map(State::media_in_use);
    let mut on_sheet: Vec<MediumOnSheet> = seen
        .map(|medium| MediumOnSheet {
            label: medium.label.clone(),
            place: medium.place.clone(),
        })
        .collect();
    let ours: Vec<_> = (0..media.len())
        .filter(|at| survey.is_of_vault(*at))
        .collect();
    if ours.is_empty() && !media.is_empty() {
        return Err(survey.not_ours(0).into());
    }
    for label in ours.into_iter().filter_map(|at| media[at].label()) {
        if on_sheet.iter().all(|known| known.label != label.label) {
            let (label, place) = (label.label, None);
            on_sheet.push(MediumOnSheet { label, place });
        }
    }
    Ok(SheetContent {
        vault: survey.trust.vault.clone(),
        owner: survey.trust.owner.clone(),
        statements: survey.trust.statements.len(),
        servers,
        media: on_sheet,
        programs: state.map(programs).unwrap_or_default(),
        contact: args
            .contact
            .clone()
            .or_else(|| state?.contact().map(str::to_owned)),
    })
}

/// What this server put beside the vault, each program once. What lies there itself says nothing.
fn programs(state: &State) -> Vec<ProgramOnSheet> {
    let mut programs: Vec<ProgramOnSheet> = Vec::new();
    for (label, name, hash) in state.programs() {
        let is_it = |one: &&mut ProgramOnSheet| one.name == name && one.hash == hash;
        match programs.iter_mut().find(is_it) {
            Some(known) => known.media.push(label.to_owned()),
            None => programs.push(ProgramOnSheet {
                name: name.to_owned(),
                hash,
                media: vec![label.to_owned()],
            }),
        }
    }
    programs
}

fn on_sheet(survey: &Survey<'_>, state: Option<&State>, server: ServerId) -> ServerOnSheet {
    let here = state.filter(|state| state.server() == server);
    let remembered = here.and_then(|state| {
        let newest = state.generations().next()?;
        Some((newest.number, newest.time, newest.record.to_string()))
    });
    let shown = survey.line(server).next().map(|newest| {
        let record = &newest.record;
        (record.number, record.time, newest.hash.to_string())
    });
    ServerOnSheet {
        server,
        name: here.map(|state| state.server_name().to_owned()),
        newest: shown
            .into_iter()
            .chain(remembered)
            .max_by_key(|(number, ..)| *number),
    }
}

/// Reads a paper back: from a file, or as it is typed.
fn check(session: &Session<'_>, args: &SheetArgs, file: Option<&Path>) -> Result<Exit> {
    let Some(file) = file else {
        return match args.envelope {
            true => check_typed_envelope(session, args),
            false => check_typed_sheet(session, args),
        };
    };
    let bytes = read_input(file)
        .map_err(|e| Error::failed(text!("error-paper-unread", path = file, reason = &e)))?;
    match reading::read(&bytes) {
        Some(Said::Envelope(found)) => {
            let found = found.map_err(|wrong| wrong_key(file, wrong))?;
            let exit = check_envelope(session, args, &found)?;
            session.console.warn(&text!("check-delete", path = file));
            Ok(exit)
        }
        Some(Said::Share(read)) => {
            let exit = check_share(session, args, file, read)?;
            let text = text!("check-share-delete", path = file);
            session.console.warn(&text);
            Ok(exit)
        }
        Some(Said::Sheet(_)) if args.envelope => {
            Err(Error::usage(text!("error-sheet-is-no-key", path = file)))
        }
        Some(Said::Sheet(facts)) => check_sheet(session, args, &facts),
        None => Err(Error::failed(text!("error-no-paper", path = file))),
    }
}

fn check_typed_envelope(session: &Session<'_>, args: &SheetArgs) -> Result<Exit> {
    let media = session.vault_media_or_inserted(&args.from)?;
    let known = session.memory();
    let (opened, _) = session.open_with_recovery_key(&media, &known)?;
    session.note_opened(&opened);
    Ok(envelope_opened(session, &opened.vault()))
}

/// An envelope counts only after it has opened the vault.
fn check_envelope(session: &Session<'_>, args: &SheetArgs, found: &KeyText) -> Result<Exit> {
    let media = session.vault_media_or_inserted(&args.from)?;
    let known = session.memory();
    refuse_other_vault(&media, known.state.as_ref(), found.vault.as_ref())?;
    let (opened, _) = session.open_with_key(&media, &known, found)?;
    session.note_opened(&opened);
    Ok(envelope_opened(session, &opened.vault()))
}

/// A share alone opens nothing: its words are right, and it says that it is of this vault.
fn check_share(
    session: &Session<'_>,
    args: &SheetArgs,
    file: &Path,
    read: std::result::Result<ShareText, WrongShare>,
) -> Result<Exit> {
    let found = read.map_err(|wrong| {
        let reason = wrong_share(wrong);
        let text = text!("error-share-typo", path = file, reason = reason);
        Error::new(Exit::WrongSecret, text)
    })?;
    let media = session.vault_media_or_inserted(&args.from)?;
    let known = session.memory();
    let ours = refuse_other_vault(&media, known.state.as_ref(), found.vault.as_ref())?;
    session.console.say(&text!(
        "check-share-whole",
        number = found.share.number(),
        threshold = found.share.threshold(),
        vault = ours.as_str()
    ));
    Ok(checked(session, &ours, true, Vec::new()))
}

/// Whose vault is here; refuses a page that says it is for another.
fn refuse_other_vault(
    media: &[Medium],
    state: Option<&State>,
    said: Option<&VaultId>,
) -> Result<VaultId> {
    let ours = verify::owner_of(media, state)?;
    match said.filter(|vault| **vault != ours) {
        None => Ok(ours),
        Some(vault) => Err(Error::new(
            Exit::NoVault,
            text!(
                "error-envelope-of-other-vault",
                vault = vault.as_str(),
                ours = ours.as_str()
            ),
        )),
    }
}

fn envelope_opened(session: &Session<'_>, vault: &VaultId) -> Exit {
    session
        .console
        .say(&text!("check-envelope-opened", vault = vault.as_str()));
    checked(session, vault, true, Vec::new())
}

fn checked(session: &Session<'_>, vault: &VaultId, envelope: bool, behind: Vec<String>) -> Exit {
    let exit = match behind.is_empty() {
        true => Exit::Done,
        false => Exit::Attention,
    };
    let report = CheckedReport {
        vault: vault.to_string(),
        envelope,
        behind,
    };
    session.console.document(exit, &report);
    exit
}

/// The beginning of the fingerprint, typed from the sheet.
fn check_typed_sheet(session: &Session<'_>, args: &SheetArgs) -> Result<Exit> {
    let media = session.vault_media_or_inserted(&args.from)?;
    let known = session.memory();
    let vault = verify::owner_of(&media, known.state.as_ref())?;
    let vault = session.console.confirm_vault(vault)?;
    session
        .console
        .say(&text!("check-sheet-vault", vault = vault.as_str()));
    Ok(checked(session, &vault, false, Vec::new()))
}

/// Whether the media hold what was newest when the sheet was made.
fn check_sheet(session: &Session<'_>, args: &SheetArgs, facts: &SheetFacts) -> Result<Exit> {
    let console = session.console;
    let (made, vault) = (facts.day.to_string(), facts.vault.as_str());
    console.say(&text!("check-sheet-read", day = made, vault = vault));
    let known = session.memory();
    if let Some(state) = known
        .state
        .as_ref()
        .filter(|state| *state.vault() != facts.vault)
    {
        let ours = state.vault().as_str();
        let text = text!("error-sheet-of-other-vault", vault = vault, ours = ours);
        return Err(Error::new(Exit::NoVault, text));
    }
    let media = media(session, args)?;
    if media.is_empty() {
        console.say(&text!("check-sheet-no-media"));
        return Ok(checked(session, &facts.vault, false, Vec::new()));
    }
    let trust = Trust::new(facts.vault.clone());
    let survey = Survey::of(&media, facts.vault.clone(), &trust, Reading::Cached)?;
    if (0..media.len()).all(|medium| !survey.is_of_vault(medium)) {
        let ours = verify::owner_of(&media, None)?;
        let text = text!(
            "error-sheet-of-other-vault",
            vault = vault,
            ours = ours.as_str()
        );
        return Err(Error::new(Exit::NoVault, text));
    }
    let mut behind = Vec::new();
    let (here, signed) = (survey.trust.statements.len(), facts.statements);
    if here < signed {
        console.warn(&text!(
            "check-sheet-statements",
            here = here,
            signed = signed
        ));
        behind.push(vault.to_owned());
    }
    for known in &facts.newest {
        if let Some(text) = speaks_against(&survey, known) {
            console.warn(&text);
            behind.push(known.server.to_string());
        }
    }
    if behind.is_empty() {
        console.say(&text!("check-sheet-good", count = facts.newest.len()));
    }
    Ok(checked(session, &facts.vault, false, behind))
}

/// What the media lack of what the sheet knows of a server.
fn speaks_against(survey: &Survey<'_>, known: &NewestOnSheet) -> Option<crate::message::Text> {
    let id = GenerationId {
        server: known.server,
        number: known.number,
    };
    let (server, number) = (known.server.to_string(), known.number);
    let slot = survey.slots.get(&id);
    let found = slot
        .map(|slot| slot.generations.as_slice())
        .unwrap_or_default();
    // What cannot be restored is not here.
    let is_whole = |one: &&Generation| survey.check(one, Reading::Cached).is_whole();
    let is_same = |one: &&Generation| one.hash.to_string().starts_with(&known.hash);
    let here = survey.line(known.server).find(is_whole);
    match here {
        _ if found.iter().filter(is_same).any(|one| is_whole(&one)) => None,
        _ if !found.is_empty() && !found.iter().any(|one| is_same(&one)) => {
            let server = server.as_str();
            Some(text!("check-sheet-other", server = server, number = number))
        }
        // Rotating media: a newer one stands for it.
        Some(here) if here.record.number > known.number => None,
        here => {
            let time = here.map(|here| day(here.record.time)).unwrap_or_default();
            let here = here.map_or(0, |here| here.record.number.get());
            let server = server.as_str();
            Some(text!(
                "check-sheet-behind",
                server = server,
                number = number,
                here = here,
                day = time
            ))
        }
    }
}
