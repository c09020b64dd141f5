//! What opens a vault and protects a file: typed, or read from where an option says.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::console::{Enter, about_chosen, unfit_reason};
use crate::error::{Error, Exit, Result};
use crate::message::Text;
use crate::paper::reading::{self, Said};
use crate::platform::private_files;
use crate::session::{HostStateView, Session};
use crate::state::State;
use crate::text;
use crate::workflow::unlock::{self, Attempt, UnlockedVault};
use crate::workflow::verify;
use secret::shares::{Share, WrongShare};
use secret::{Passphrase, Password, passphrase};
use vault::id::VaultId;
use vault::identity::{RecoveryKey, Secret};
use vault::medium::Medium;
use vault::paper::{KeyText, WrongKey};
use vault::shares::{ROW, ShareSet, ShareText, Unfit, WORDS};
use vault::volume::Reading;

impl Session<'_> {
    /// Whether options name a secret, so that nobody needs to be asked for one.
    pub fn secret_is_given(&self) -> bool {
        self.global.passphrase_file.is_some()
            || self.global.age_key_file.is_some()
            || self.opens_with_recovery_key()
            || self.opens_with_shares()
    }

    /// Whether it is the recovery key that opens the vault in this run, and not the passphrase.
    pub fn opens_with_recovery_key(&self) -> bool {
        self.global.recovery_key || self.global.recovery_key_file.is_some()
    }

    /// Whether it is shares of a recovery key that open the vault in this run.
    pub fn opens_with_shares(&self) -> bool {
        self.global.shares || !self.global.share_file.is_empty()
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
        let (state, pin) = (known.state.as_ref(), self.pin()?);
        let (pin, watch) = (pin.as_ref(), |attempt| self.watch(attempt));
        let open = |secret: &Secret| unlock::unlock(media, secret, pin, state, self.now, &watch);
        let mut opened = match &self.global.passphrase_file {
            _ if self.opens_with_recovery_key() => {
                let opened = self.open_with_recovery_key(media, known);
                opened.map(|(opened, _)| opened)
            }
            _ if self.opens_with_shares() => self.open_with_shares(media, known),
            _ if self.global.age_key_file.is_some() => self.open_with_age_key(media, known),
            Some(path) => open(&typed(&private_files::read_secret(path)?)),
            None => {
                let (question, option) = (text!("prompt-passphrase"), "--passphrase-file");
                let open = |passphrase: &_| open(&typed(passphrase));
                self.console.secret_that_opens(&question, option, open)
            }
        }?;
        opened.unasked.clone_from(&known.unasked);
        self.learn_from(&opened, known);
        self.note_opened(&opened);
        Ok(opened)
    }

    /// Opens the vault with the recovery key, from a file, or typed until it opens; the key comes
    /// back, to be written on paper.
    pub fn open_with_recovery_key<'m>(
        &self,
        media: &'m [Medium],
        known: &'m HostStateView,
    ) -> Result<(UnlockedVault<'m>, RecoveryKey)> {
        let open = |found: &KeyText| self.open_with_key(media, known, found);
        match &self.global.recovery_key_file {
            Some(path) => open(&read_recovery_key(path)?),
            None => {
                let vaults = may_be_for(media, known)?;
                self.console.recovery_key_that_opens(&vaults, open)
            }
        }
    }

    /// Opens the vault with shares, from files, or typed until there are as many as are needed.
    fn open_with_shares<'m>(
        &self,
        media: &'m [Medium],
        known: &'m HostStateView,
    ) -> Result<UnlockedVault<'m>> {
        let open = |found: &KeyText| match self.open_with_key(media, known, found) {
            Ok((mut opened, _)) => {
                opened.opened_with = "shares";
                Ok(opened)
            }
            Err(error) if error.text.id == "error-wrong-recovery-key" => {
                let name = media.first().map_or("", |medium| medium.name.as_str());
                let text = text!("error-wrong-shares", medium = name);
                Err(Error::new(Exit::WrongSecret, text))
            }
            Err(error) => Err(error),
        };
        match self.global.share_file.as_slice() {
            [] => {
                let vaults = may_be_for(media, known)?;
                self.console.shares_that_open(&vaults, open)
            }
            files => open(&key_of_shares(files)?),
        }
    }

    /// Opens the vault with a recovery key. Where nothing says whose vault the key is for, it is
    /// pointed out that whoever knows its public half could have put another in its place.
    pub fn open_with_key<'m>(
        &self,
        media: &'m [Medium],
        known: &'m HostStateView,
        found: &KeyText,
    ) -> Result<(UnlockedVault<'m>, RecoveryKey)> {
        let watch = |attempt| self.watch(attempt);
        let given = self.pin()?;
        let (state, pin) = (
            known.state.as_ref(),
            given.as_ref().or(found.vault.as_ref()),
        );
        if given.is_some() && found.vault.is_some() && given != found.vault {
            return Err(Error::new(Exit::NoVault, text!("error-vault-differs")));
        }
        let secret = Secret::RecoveryKey(copy(&found.key)?);
        let mut opened = unlock::unlock(media, &secret, pin, state, self.now, &watch)?;
        opened.unasked.clone_from(&known.unasked);
        let vault = opened.vault();
        if pin.is_none() && state.is_none_or(|state| *state.vault() != vault) {
            self.console
                .warn(&text!("key-says-no-vault", vault = vault.as_str()));
            self.acknowledge()?;
        }
        Ok((opened, copy(&found.key)?))
    }

    /// Somebody at a terminal says that a vault which nothing vouches for is theirs; a script has been warned.
    fn acknowledge(&self) -> Result<()> {
        let question = text!("key-acknowledge");
        match !self.console.interactive() || self.console.confirm(&question, Enter::No)? {
            true => Ok(()),
            false => Err(Error::new(Exit::NoVault, text!("error-not-acknowledged"))),
        }
    }

    /// What the owner retired of this server's key pairs, and what other servers are called, can be read
    /// only while the vault is open: host state takes it over.
    fn learn_from(&self, opened: &UnlockedVault<'_>, known: &HostStateView) {
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
        let names = opened.server_names();
        let names = names.filter(|(server, name)| state.name_of(*server) != Some(*name));
        let names: Vec<_> = names.collect();
        if news.is_empty() && names.is_empty() {
            return;
        }
        // What was taken back comes after what it takes back.
        news.sort_by_key(|(_, retired)| retired.iter().map(|one| one.number).max());
        self.note(&opened.vault(), |state| {
            for (sealed, retired) in news {
                state.learn_owners_word(sealed, retired);
            }
            for (server, name) in names {
                state.learn_name(server, name);
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

    /// Opens the vault with somebody's age key. Others may know its public half, so whose vault it is
    /// comes from host state or from a paper, never from what the key opens.
    fn open_with_age_key<'m>(
        &self,
        media: &'m [Medium],
        known: &'m HostStateView,
    ) -> Result<UnlockedVault<'m>> {
        let path = self.global.age_key_file.as_deref().unwrap_or(Path::new(""));
        let (secret, kind) = self.own_key(path, media)?;
        let state = known.state.as_ref();
        let pin = match (self.pin()?, state) {
            (Some(pin), _) => pin,
            (None, Some(state)) => state.vault().clone(),
            (None, None) => self.console.confirm_vault(verify::owner_of(media, None)?)?,
        };
        let watch = |attempt| self.watch(attempt);
        let opened = unlock::unlock(media, &secret, Some(&pin), state, self.now, &watch);
        let mut opened = opened.map_err(|error| match error.text.id {
            "error-wrong-recovery-key" => {
                Error::new(Exit::WrongSecret, text!("error-wrong-age-key", path = path))
            }
            _ => error,
        })?;
        opened.unasked.clone_from(&known.unasked);
        opened.opened_with = kind;
        Ok(opened)
    }

    /// The vault that `--fingerprint` names, as it is printed on paper in groups or in one.
    fn pin(&self) -> Result<Option<VaultId>> {
        let Some(typed) = &self.global.fingerprint else {
            return Ok(None);
        };
        let text: String = typed.chars().filter(|c| !c.is_whitespace()).collect();
        let pin = VaultId::parse(&text);
        let pin = pin.ok_or_else(|| Error::usage(text!("error-bad-vault-id", text = typed)))?;
        Ok(Some(pin))
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

/// Whose vault a paper may be for.
fn may_be_for(media: &[Medium], known: &HostStateView) -> Result<BTreeSet<VaultId>> {
    let mut vaults = BTreeSet::new();
    for medium in media {
        vaults.extend(medium.walk(None, Reading::Cached)?.signers());
    }
    vaults.extend(known.state.as_ref().map(|state| state.vault().clone()));
    Ok(vaults)
}

/// The recovery key that the shares in these files make.
fn key_of_shares(files: &[PathBuf]) -> Result<KeyText> {
    let wrong = |text| Err(Error::new(Exit::WrongSecret, text));
    let mut set = ShareSet::default();
    for path in files {
        let path = path.as_path();
        let share = read_share(path)?;
        let number = share.share.number();
        match set.add(share) {
            Ok(()) => {}
            Err(Unfit::Foreign) => return wrong(text!("error-share-foreign", path = path)),
            Err(Unfit::Double) => {
                return wrong(text!("error-share-double", path = path, number = number));
            }
        }
    }
    let (given, missing) = (set.given().len(), set.missing().unwrap_or(0));
    if missing > 0 {
        return wrong(text!(
            "error-shares-missing",
            given = given,
            missing = missing
        ));
    }
    let unfit = || Error::new(Exit::WrongSecret, text!("error-shares-unfit"));
    set.key().ok_or_else(unfit)
}

/// The share in a file: a page of ours in any of its forms, or just its words.
fn read_share(path: &Path) -> Result<ShareText> {
    let bytes = private_files::read_secret_bytes(path)?;
    let read = match reading::read(&bytes) {
        Some(Said::Share(read)) => read,
        Some(Said::Sheet(_) | Said::Envelope(_)) => {
            return Err(Error::usage(text!("error-no-share", path = path)));
        }
        None => {
            let share = Share::parse(&private_files::key_line(path, &bytes)?);
            share.map(|share| ShareText { share, vault: None })
        }
    };
    read.map_err(|wrong| {
        let reason = wrong_share(wrong);
        let text = text!("error-share-typo", path = path, reason = reason);
        Error::new(Exit::WrongSecret, text)
    })
}

/// A file whose recovery key is none.
pub fn wrong_key(path: &Path, wrong: WrongKey) -> Error {
    let row = wrong.row.unwrap_or(0);
    let text = text!("error-recovery-key-in-file", path = path, row = row);
    Error::new(Exit::WrongSecret, text)
}

/// What is wrong with the words of a share, and in which row of its paper.
pub fn wrong_share(wrong: WrongShare) -> Text {
    match wrong {
        WrongShare::Word(at) | WrongShare::Checksum(Some(at)) => {
            let (row, place) = (at / ROW + 1, at % ROW + 1);
            text!("share-reason-word", row = row, place = place)
        }
        WrongShare::Length(count) => text!("share-reason-length", count = count, whole = WORDS),
        WrongShare::Checksum(None) => text!("share-reason-several"),
        WrongShare::Form => text!("share-reason-form"),
    }
}

/// The recovery key in a file: a page of ours in any of its forms, or just the key.
fn read_recovery_key(path: &Path) -> Result<KeyText> {
    let bytes = private_files::read_secret_bytes(path)?;
    match reading::read(&bytes) {
        Some(Said::Envelope(found)) => return found.map_err(|wrong| wrong_key(path, wrong)),
        Some(Said::Sheet(_)) => {
            return Err(Error::usage(text!("error-sheet-is-no-key", path = path)));
        }
        Some(Said::Share(_)) => {
            return Err(Error::usage(text!("error-share-is-no-key", path = path)));
        }
        None => {}
    }
    let line = private_files::key_line(path, &bytes)?;
    let key = RecoveryKey::parse(&line)
        .ok_or_else(|| Error::new(Exit::WrongSecret, text!("error-recovery-key-typo")))?;
    Ok(KeyText { key, vault: None })
}

fn copy(key: &RecoveryKey) -> Result<RecoveryKey> {
    RecoveryKey::parse(&key.text())
        .ok_or_else(|| Error::new(Exit::WrongSecret, text!("error-recovery-key-typo")))
}
