//! `access change-passphrase`: a new passphrase, tried before anybody relies on it. A vault is add-only, so the old
//! one goes on opening what it opened, which is said.

use std::path::Path;

use super::{MadeWay, WayReport, refuse_one_too_many, write};
use crate::error::{Error, Exit, Result};
use crate::session::Session;
use crate::text;
use crate::workflow::unlock::UnlockedVault;
use secret::Passphrase;
use vault::id::Hash;
use vault::identity::{Owner, Secret};
use vault::medium::Medium;
use vault::volume::Reading;

const PASSPHRASE: &str = "passphrase";

/// Adds the new passphrase, opens the vault with it as it lies on the medium, and keeps in host state that the old
/// one, where it was given, was replaced.
pub(super) fn run(session: &Session<'_>, to: &str, file: Option<&Path>) -> Result<Exit> {
    let media = [session.medium_of_vault_to_write(to)?];
    let known = session.memory();
    let opened = session.open(&media, &known)?;
    refuse_one_too_many(&opened)?;
    session.console.progress(&text!("change-what-it-does"));
    let new = new_passphrase(session, &opened, file)?;
    let made = MadeWay::new(PASSPHRASE, opened.owner.wrap_with_passphrase(&new)?);
    let way = write(session, &media[0], &opened, made)?;
    let new = Secret::Passphrase(new);
    session.console.progress(&text!("change-trying"));
    let tried = way.is_some_and(|way| opens(&media[0], way, &new, &opened));
    if !tried {
        return Err(Error::failed(text!("error-change-untried", medium = to)));
    }
    let old = (opened.opened_with == PASSPHRASE).then_some(opened.way);
    session.note(&opened.vault(), |state| {
        if let Some(way) = way {
            state.way_has_opened(way, PASSPHRASE, session.event());
        }
        if let Some(old) = old {
            state.way_was_replaced(old, session.event());
        }
    });
    session.console.say(&text!("change-done", medium = to));
    session.console.warn(&match old {
        Some(_) => text!("change-old-still-opens"),
        None => text!("change-others-still-open"),
    });
    let report = WayReport {
        vault: opened.vault().to_string(),
        added: Some(PASSPHRASE),
        replaced: old,
    };
    session.console.document(Exit::Done, &report);
    Ok(Exit::Done)
}

/// A new passphrase that does not open what the old one does.
fn new_passphrase(
    session: &Session<'_>,
    opened: &UnlockedVault<'_>,
    file: Option<&Path>,
) -> Result<Passphrase> {
    let chosen = session.new_passphrase(file)?;
    let old = opened.survey.walks[0].identities.iter();
    let old = old.filter(|file| Hash::of(&file.bytes) == opened.way);
    let again = Secret::Passphrase(Passphrase::new(chosen.expose().to_owned()));
    for file in old.take(1) {
        if Owner::unwrap(&file.bytes, &again).is_ok() {
            return Err(Error::usage(text!("error-change-same")));
        }
    }
    Ok(chosen)
}

/// Whether the identity file on the medium opens, and is of this vault.
fn opens(medium: &Medium, way: Hash, secret: &Secret, opened: &UnlockedVault<'_>) -> bool {
    let Ok(walk) = medium.walk(None, Reading::PastCache) else {
        return false;
    };
    let mut files = walk.identities.iter();
    let file = files.find(|file| Hash::of(&file.bytes) == way);
    let owner = file.and_then(|file| Owner::unwrap(&file.bytes, secret).ok());
    owner.is_some_and(|owner| owner.vault() == opened.vault())
}
