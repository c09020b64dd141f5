//! Leading through a new vault.

use crate::error::{Error, Result};
use crate::session::Session;
use crate::session::secrets::write_recovery_key;
use crate::state::State;
use crate::text;
use crate::workflow::create::create_vault;
use vault::identity::RecoveryKey;
use vault::medium::Medium;

/// Makes the vault. Also what `backup` leads to where there is none.
pub fn create(
    session: &Session<'_>,
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
    let folder = session.new_state_folder()?;
    session.console.progress(&text!("create-what-it-is"));
    let passphrase = session.new_passphrase(session.global.passphrase_file.as_deref())?;
    let recovery = RecoveryKey::generate();
    match &session.global.recovery_key_file {
        Some(path) => write_recovery_key(session.console, &recovery, path)?,
        None => session.console.hand_over_recovery_key(&recovery)?,
    }
    let name = server_name.unwrap_or_else(crate::platform::media::host_name);
    let state = create_vault(
        &folder,
        medium,
        &passphrase,
        &recovery,
        &name,
        label.as_deref().unwrap_or("A"),
    )?;
    session.console.say(&text!(
        "create-done",
        medium = medium.name.as_str(),
        vault = state.vault().as_str()
    ));
    Ok(state)
}
