//! What opens a vault and protects a file: typed, or read from where an option says.

use std::path::Path;

use zeroize::Zeroizing;

use crate::console::{Console, Enter, about_chosen, unfit_reason};
use crate::error::{Error, Exit, Result};
use crate::platform::private_files;
use crate::session::{HostStateView, Session};
use crate::state::State;
use crate::text;
use crate::workflow::unlock::{self, Attempt, UnlockedVault};
use secret::{Passphrase, Password, passphrase};
use vault::identity::{RecoveryKey, Secret};
use vault::medium::Medium;
use vault::volume::Reading;

impl Session<'_> {
    /// Whether options name a secret, so that nobody needs to be asked for one.
    pub fn secret_is_given(&self) -> bool {
        self.global.passphrase_file.is_some() || self.opens_with_recovery_key()
    }

    /// Whether it is the recovery key that opens the vault in this run, and not the passphrase.
    pub fn opens_with_recovery_key(&self) -> bool {
        self.global.recovery_key || self.global.recovery_key_file.is_some()
    }

    /// Opens the vault on these media with the passphrase or the recovery key, from a file, or
    /// typed until it opens.
    pub fn open<'m>(
        &self,
        media: &'m [Medium],
        known: &'m HostStateView,
    ) -> Result<UnlockedVault<'m>> {
        if let Some(state) = &known.state {
            self.warn_of_other_vault(media, state)?;
        }
        let watch = |attempt| self.watch(attempt);
        let open =
            |secret: &Secret| unlock::unlock(media, secret, known.state.as_ref(), self.now, &watch);
        let mut opened = match (
            &self.global.recovery_key_file,
            self.global.recovery_key,
            &self.global.passphrase_file,
        ) {
            (Some(path), ..) => open(&parse_recovery_key(&private_files::read_key_line(path)?)?),
            (None, true, _) => self.console.recovery_key_that_opens(open),
            (None, false, Some(path)) => open(&typed(&private_files::read_secret(path)?)),
            (None, false, None) => {
                let (question, option) = (text!("prompt-passphrase"), "--passphrase-file");
                let open = |passphrase: &_| open(&typed(passphrase));
                self.console.secret_that_opens(&question, option, open)
            }
        }?;
        opened.unasked.clone_from(&known.unasked);
        self.learn_owners_words(&opened, known);
        Ok(opened)
    }

    /// What the owner retired of this server's key pairs can be read only while the vault is open: host
    /// state takes it over.
    fn learn_owners_words(&self, opened: &UnlockedVault<'_>, known: &HostStateView) {
        let state = known.state.as_ref();
        let state = state.filter(|state| *state.vault() == opened.vault());
        let Some(state) = state else { return };
        let mut news = Vec::new();
        for word in &opened.owners_words {
            let is_new = word.server == state.server() && !state.knows_owners_word(&word.sealed);
            if let Some(retired) = word.retired.as_ref().filter(|_| is_new) {
                news.push((&word.sealed, retired));
            }
        }
        if news.is_empty() {
            return;
        }
        // What was taken back comes after what it takes back.
        news.sort_by_key(|(_, retired)| retired.iter().map(|one| one.number).max());
        self.note(&opened.vault(), |state| {
            for (sealed, retired) in news {
                state.learn_owners_word(sealed, retired);
            }
        });
    }

    /// Before anything is asked: that no medium here is of this server's vault, and whose passphrase
    /// is meant.
    fn warn_of_other_vault(&self, media: &[Medium], state: &State) -> Result<()> {
        let mut others = Vec::new();
        for medium in media {
            let walk = medium.walk(Some(state.vault()), Reading::Cached)?;
            match walk.signer() {
                Some(vault) if vault != *state.vault() => others.push((medium, vault)),
                _ => return Ok(()),
            }
        }
        for (medium, vault) in others {
            self.console.warn(&text!(
                "stick-of-another-vault",
                medium = medium.name.as_str(),
                vault = vault.as_str(),
                ours = state.vault().as_str()
            ));
        }
        Ok(())
    }

    /// Says what is tried while the vault is opened, and asks whether to go on where it takes long.
    fn watch(&self, attempt: Attempt) -> Result<bool> {
        let going_on = match attempt {
            Attempt::Folded => text!("unlock-trying"),
            Attempt::AsTyped => text!("unlock-as-typed"),
            Attempt::Capitals => text!("unlock-capitals"),
            Attempt::BeyondBudget if !self.console.interactive() => return Ok(false),
            Attempt::BeyondBudget => {
                return self.console.confirm(&text!("unlock-go-on"), Enter::Yes);
            }
        };
        self.console.progress(&going_on);
        Ok(true)
    }

    /// A new PFX password: from a file, or typed twice.
    pub fn pfx_password(&self, file: Option<&Path>) -> Result<Password> {
        match file {
            None => self.console.new_pfx_password(),
            Some(path) => Ok(Password::new(private_files::read_secret(path)?.to_string())),
        }
    }

    /// A new passphrase: from a file, or generated and typed back. What is not good enough is refused
    /// wherever it comes from.
    pub fn new_passphrase(&self, file: Option<&Path>) -> Result<Passphrase> {
        let Some(path) = file else {
            return self.console.new_passphrase();
        };
        let chosen = passphrase::choose(&private_files::read_secret(path)?).map_err(|unfit| {
            let reason = unfit_reason(unfit);
            Error::usage(text!(
                "error-unfit-passphrase",
                path = path,
                reason = reason
            ))
        })?;
        if chosen.strength.is_weak() || !chosen.changes.is_empty() {
            let about = about_chosen(&chosen);
            about.iter().for_each(|remark| self.console.warn(remark));
        }
        Ok(chosen.passphrase)
    }
}

fn typed(passphrase: &Zeroizing<String>) -> Secret {
    Secret::Passphrase(Passphrase::new(passphrase.to_string()))
}

fn parse_recovery_key(typed: &Zeroizing<String>) -> Result<Secret> {
    let key = RecoveryKey::parse(typed)
        .ok_or_else(|| Error::new(Exit::WrongSecret, text!("error-recovery-key-typo")))?;
    Ok(Secret::RecoveryKey(key))
}

/// Writes a recovery key to a file of its own, and says what that means.
pub fn write_recovery_key(console: &Console, key: &RecoveryKey, path: &Path) -> Result<()> {
    let text = key.text();
    let mut line = Zeroizing::new(Vec::with_capacity(text.len() + 1));
    line.extend_from_slice(text.as_bytes());
    line.push(b'\n');
    private_files::create_private(path, &line)
        .map_err(|e| Error::failed(text!("error-recovery-key-file", path = path, reason = &e)))?;
    console.warn(&text!("create-recovery-key-file", path = path));
    Ok(())
}
