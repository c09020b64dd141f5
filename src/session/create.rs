//! Leading through a new vault.

use zeroize::Zeroizing;

use crate::error::{Error, Exit, Result};
use crate::platform::private_files::read_secret;
use crate::session::papers::{EnvelopeOf, OnEnvelope};
use crate::session::{Session, fit_name, replace};
use crate::state::State;
use crate::text;
use crate::workflow::backup;
use crate::workflow::create::{Founding, finish};
use secret::Passphrase;
use vault::identity::{Owner, RecoveryKey, Secret};
use vault::medium::Medium;

/// Makes the vault, also in the place of the one that this server writes to. Also what `backup` leads
/// to where there is none. One whose founding was interrupted is finished.
pub fn create(
    session: &Session<'_>,
    medium: &Medium,
    label: Option<String>,
    server_name: Option<String>,
    replace: bool,
) -> Result<State> {
    let label = label.unwrap_or_else(|| "A".to_owned());
    let state = match begun(session, replace)? {
        Some(state) if state.is_founding() => finish_founding(session, state, medium, &label)?,
        // All but its place was ready.
        Some(state) => state,
        None => found(session, medium, &label, server_name, replace)?,
    };
    let state = session.take_place(state)?;
    session.console.say(&text!(
        "create-done",
        medium = medium.name.as_str(),
        vault = state.vault().as_str()
    ));
    Ok(state)
}

/// What an interrupted run left in host state.
fn begun(session: &Session<'_>, replace: bool) -> Result<Option<State>> {
    if replace && let Some(state) = replace::begun(session)? {
        return Ok(Some(state));
    }
    Ok(session.state()?.filter(State::is_founding))
}

fn found(
    session: &Session<'_>,
    medium: &Medium,
    label: &str,
    server_name: Option<String>,
    replace: bool,
) -> Result<State> {
    backup::clear(medium)?;
    let folder = session.new_state_folder(replace)?;
    let name = server_name.unwrap_or_else(crate::platform::media::host_name);
    let name = fit_name(&name)?;
    // Before anybody is shown a secret that would be void.
    let founding = Founding::begin(&folder, name)?;
    session.console.progress(&text!("create-what-it-is"));
    let passphrase = session.new_passphrase(session.global.passphrase_file.as_deref())?;
    let recovery = RecoveryKey::generate();
    let envelope = EnvelopeOf {
        secret: OnEnvelope::Key(&recovery),
        owner: &founding.owner(),
    };
    let option = "--recovery-key-file";
    let path = session.global.recovery_key_file.as_deref();
    let file = match path {
        Some(path) => Some(session.write_envelope(&envelope, (option, path), Some(medium))?),
        None => {
            let vault = envelope.vault();
            session.console.hand_over_recovery_key(&recovery, &vault)?;
            None
        }
    };
    let founded = founding.complete(medium, &passphrase, &recovery, label, session.now);
    if let Some(file) = file
        && (founded.is_ok() || is_remembered(session, replace))
    {
        session.keep_envelope(file);
    }
    founded
}

/// Whether the next run may finish what the medium refused, with the same secrets.
fn is_remembered(session: &Session<'_>, replace: bool) -> bool {
    !matches!(begun(session, replace), Ok(None))
}

/// The secrets are those of the run that was interrupted: whoever finishes it must know the
/// passphrase, and is told that no other recovery key was made.
fn finish_founding(
    session: &Session<'_>,
    state: State,
    medium: &Medium,
    label: &str,
) -> Result<State> {
    session.console.warn(&text!("create-interrupted"));
    let identities = state.identities();
    let opens = |typed: &Zeroizing<String>| {
        let secret = Secret::Passphrase(Passphrase::new(typed.to_string()));
        let mut files = identities.iter();
        match files.any(|file| Owner::unwrap(file, &secret).is_ok()) {
            true => Ok(()),
            false => Err(Error::new(
                Exit::WrongSecret,
                text!("error-wrong-passphrase", medium = medium.name.as_str()),
            )),
        }
    };
    match &session.global.passphrase_file {
        Some(path) => opens(&read_secret(path)?)?,
        None => {
            let (question, option) = (text!("prompt-passphrase"), "--passphrase-file");
            session
                .console
                .secret_that_opens(&question, option, opens)?;
        }
    }
    finish(state, medium, label, session.now)
}
