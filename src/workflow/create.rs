//! A new vault: its owner, two ways in, this server, the first medium.

use crate::error::{Error, Result, no_random};
use crate::state::State;
use crate::text;
use secret::Passphrase;
use vault::id::Hash;
use vault::identity::{Owner, RecoveryKey};
use vault::medium::Medium;
use vault::trust::{Clause, Statement};

/// The founding itself: an owner, two ways in, this server admitted, the first medium.
pub fn create_vault(
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
        Clause::Identity(Hash::of(&identities[0])),
        Clause::Identity(Hash::of(&identities[1])),
        Clause::Recipient(owner.recipient()),
        Clause::server(state.key().public()),
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
