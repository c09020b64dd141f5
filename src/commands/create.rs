//! `create`: a new vault on a first medium, with a second way in from the first day; this server is
//! enrolled.

use crate::cli::Create;
use crate::commands::{Run, write_recovery_key};
use crate::error::{Error, Exit, Result};
use crate::state::{State, no_random};
use crate::text;
use secret::Passphrase;
use vault::id::Hash;
use vault::identity::{Owner, RecoveryKey};
use vault::medium::Medium;
use vault::trust::{Statement, Word};

/// Runs the command.
pub fn run(run: &Run<'_>, args: &Create) -> Result<Exit> {
    let medium = run.medium_to_write(&args.medium)?;
    let label = args.label.clone();
    let state = create(run, &medium, label, args.server_name.clone())?;
    run.console
        .mention(&text!("create-next", medium = medium.name.as_str()));
    let document = serde_json::json!({ "vault": state.vault().as_str(), "server": state.server().to_string(), "medium": medium.name });
    run.console.document(Exit::Done, document);
    Ok(Exit::Done)
}

/// Makes the vault. Also what `backup` leads to where there is none.
pub fn create(
    run: &Run<'_>,
    medium: &Medium,
    label: Option<String>,
    server_name: Option<String>,
) -> Result<State> {
    let there = medium.has_vault()?;
    if there {
        return Err(Error::failed(text!(
            "error-vault-there",
            medium = medium.name.as_str()
        )));
    }
    let folder = run.new_state_folder()?;
    run.console.progress(&text!("create-what-it-is"));
    let passphrase = run.new_passphrase(run.global.passphrase_file.as_deref())?;
    let recovery = RecoveryKey::generate();
    match &run.global.recovery_key_file {
        Some(path) => write_recovery_key(run.console, &recovery, path)?,
        None => run.console.hand_over_recovery_key(&recovery)?,
    }
    let name = server_name.unwrap_or_else(crate::platform::media::host_name);
    let state = found(
        &folder,
        medium,
        &passphrase,
        &recovery,
        &name,
        label.as_deref().unwrap_or("A"),
    )?;
    run.console.say(&text!(
        "create-done",
        medium = medium.name.as_str(),
        vault = state.vault().as_str()
    ));
    Ok(state)
}

/// The founding itself: an owner, two ways in, this server admitted, the first medium.
pub fn found(
    folder: &std::path::Path,
    medium: &Medium,
    passphrase: &Passphrase,
    recovery: &RecoveryKey,
    server_name: &str,
    label: &str,
) -> Result<State> {
    let owner = Owner::generate().map_err(|_| no_random())?;
    let identities = [
        owner.wrap_with_passphrase(passphrase)?,
        owner.wrap_for(recovery)?,
    ];
    let mut state = State::create(folder, owner.vault(), server_name)?;
    let words = [
        Word::Identity(Hash::of(&identities[0])),
        Word::Identity(Hash::of(&identities[1])),
        Word::Recipient(owner.recipient()),
        Word::server(state.key().public()),
    ];
    let statement =
        Statement::sign(&owner.key, &words).map_err(|_| Error::failed(text!("error-signing")))?;
    state
        .trust
        .learn(statement)
        .map_err(|_| Error::failed(text!("error-signing")))?;
    state.remember_identities(&identities.each_ref().map(Vec::as_slice));
    // The medium first: were the state kept without it, the next try would find this machine
    // enrolled in nothing.
    crate::workflow::backup::add_medium(&mut state, medium, label)?;
    Ok(state)
}
