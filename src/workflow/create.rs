//! A new vault: its owner, two ways in, this server, the first medium.

use std::path::Path;

use jiff::Timestamp;

use crate::error::{Error, Result, no_random};
use crate::state::{State, WayEvent};
use crate::text;
use crate::workflow::backup;
use secret::Passphrase;
use vault::id::Hash;
use vault::identity::{Owner, RecoveryKey};
use vault::medium::Medium;
use vault::sign::PublicKey;
use vault::trust::{Clause, Statement};

/// A vault that is being founded: host state is held, and nothing is anywhere else yet.
pub struct Founding {
    owner: Owner,
    state: State,
}

impl Founding {
    /// Takes hold of host state, before anybody is shown a secret.
    ///
    /// # Errors
    /// When another run holds it, or it cannot be made private.
    pub fn begin(folder: &Path, server_name: &str) -> Result<Self> {
        let owner = Owner::generate().map_err(|_| no_random())?;
        let state = State::create(folder, owner.vault(), server_name)?;
        Ok(Self { owner, state })
    }

    /// The owner's public key.
    pub fn owner(&self) -> PublicKey {
        self.owner.key.public()
    }

    /// The founding itself: two ways in, this server admitted, the first medium. Host state knows
    /// of it before the medium does, so that an interrupted run can be finished by [`finish`].
    ///
    /// # Errors
    /// When the medium refuses; if nothing was signed on it yet, nothing is remembered either.
    pub fn complete(
        self,
        medium: &Medium,
        passphrase: &Passphrase,
        recovery: &RecoveryKey,
        label: &str,
        now: Timestamp,
    ) -> Result<State> {
        let Self { owner, mut state } = self;
        let identities = [
            owner.wrap_with_passphrase(passphrase)?,
            owner.wrap_for(recovery)?,
        ];
        let mut words = state.admission();
        words.extend([
            Clause::Identity(Hash::of(&identities[0])),
            Clause::Identity(Hash::of(&identities[1])),
            Clause::Recipient(owner.recipient()),
        ]);
        let unsigned = || Error::failed(text!("error-signing"));
        let statement = Statement::sign(&owner.key, &words).map_err(|_| unsigned())?;
        state.trust.learn(statement).map_err(|_| unsigned())?;
        state.remember_identities(&identities.each_ref().map(Vec::as_slice));
        for (file, kind) in identities.iter().zip(["passphrase", "recovery-key"]) {
            let by = crate::platform::account();
            state.way_was_made(Hash::of(file), kind, WayEvent { time: now, by });
        }
        state.found()?;
        finish(state, medium, label, now)
    }
}

/// Puts a vault that was founded here onto its first medium.
///
/// # Errors
/// As [`Founding::complete`].
pub fn finish(mut state: State, medium: &Medium, label: &str, now: Timestamp) -> Result<State> {
    match backup::add_medium(&mut state, medium, label, now) {
        Ok(_) => Ok(state),
        Err(error) => {
            // What is signed there is this vault's, and the next run finishes it.
            if backup::unfinished(&state, medium).is_none() {
                state.forget()?;
            }
            Err(error)
        }
    }
}

/// Founds a vault in one go.
///
/// # Errors
/// As [`Founding::begin`] and [`Founding::complete`].
pub fn create_vault(
    folder: &Path,
    medium: &Medium,
    passphrase: &Passphrase,
    recovery: &RecoveryKey,
    server_name: &str,
    label: &str,
    now: Timestamp,
) -> Result<State> {
    let founding = Founding::begin(folder, server_name)?;
    founding.complete(medium, passphrase, recovery, label, now)
}
