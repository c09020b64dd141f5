//! One file per command: it opens the real things, calls a workflow, and hands the report to the
//! console.

mod access;
mod audit;
mod backup;
mod bindings;
mod contents;
mod copy;
pub mod create;
mod demo;
mod drill;
mod eject;
mod enrolment;
mod events;
mod export;
mod iis;
#[cfg(test)]
mod iis_tests;
mod install;
mod list;
mod media;
mod menu;
#[cfg(test)]
mod newer_tests;
mod repair;
mod request;
mod restart;
mod restore;
mod retire;
mod selftest;
mod servers;
mod shown;
mod sites;
mod standing;
mod status;
mod undo;
mod verify;

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::cli::{Access, Action, Cli, Global, Media, Servers, SourceFiles};
use crate::console::{Console, Enter};
use crate::error::{Error, Exit, Result, medium_reason};
use crate::keystore::{self, Holdings, IIS, Source};
use crate::message::Text;
use crate::platform::media::{FolderVolume, descriptor_of};
use crate::platform::private_files;
use crate::rules::{self, Stored};
use crate::session::here;
use crate::state::{self, State};
use crate::text;
use crate::workflow::finding::{Finding, Level};
use crate::workflow::history;
use crate::workflow::parcel_file;
use crate::workflow::unlock::{self, Opened};
use secret::{Passphrase, Password};
use vault::catalog::Exception;
use vault::id::VaultId;
use vault::identity::{RecoveryKey, Secret};
use vault::medium::{Medium, MediumError};
use vault::trust::{Statement, Trust, Word};

/// Runs one command.
///
/// # Errors
/// What the command could not do.
pub fn run(cli: Cli, console: &Console) -> Result<Exit> {
    let run = Run::new(cli.global, console)?;
    match cli.action {
        Some(action) => carry_out(&run, action),
        None => menu::run(&run),
    }
}

fn carry_out(run: &Run<'_>, action: Action) -> Result<Exit> {
    let done = dispatch(run, action);
    run.report_rules(&done);
    done
}

fn dispatch(run: &Run<'_>, action: Action) -> Result<Exit> {
    match action {
        Action::Status(args) => status::run(run, &args),
        Action::List(args) => list::run(run, &args),
        Action::Backup(args) => backup::run(run, &args),
        Action::Export(args) => export::run(run, &args),
        Action::Verify(args) => verify::run(run, &args),
        Action::Drill(args) => drill::run(run, &args),
        Action::Restore(args) => restore::run(run, &args),
        Action::Repair(args) => repair::run(run, &args),
        Action::Undo(args) => undo::run(run, &args),
        Action::Request(args) => request::run(run, &args),
        Action::Install(args) => install::run(run, &args),
        Action::Create(args) => create::run(run, &args),
        Action::Contents(args) => contents::run(run, &args),
        Action::Media { what } => media::run(run, &what.unwrap_or(Media::List)),
        Action::Servers { what } => {
            servers::run(run, &what.unwrap_or(Servers::List { media: Vec::new() }))
        }
        Action::Access { what } => {
            access::run(run, &what.unwrap_or(Access::List { media: Vec::new() }))
        }
        Action::Audit(args) => audit::run(run, &args),
        Action::Copy(args) => copy::run(run, &args),
        Action::Demo => demo::run(run),
        Action::Selftest => selftest::run(run),
        Action::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(
                shell,
                &mut crate::cli::worded(run.console),
                "pfxvault",
                &mut script,
            );
            run.console
                .print(String::from_utf8_lossy(&script).trim_end());
            Ok(Exit::Done)
        }
    }
}

/// What the owner said, and where it could not be written.
pub struct Declared {
    /// Everything the owner ever said.
    pub trust: Trust,
    refused: Vec<MediumError>,
}

impl Declared {
    /// Names the media that refused, at the end of what is said.
    pub fn finish(&self, console: &Console) -> Exit {
        for error in &self.refused {
            let (medium, reason) = (error.medium.as_str(), medium_reason(error));
            console.warn(&text!("declare-refused", medium = medium, reason = reason));
        }
        if self.refused.is_empty() {
            Exit::Done
        } else {
            Exit::Partly
        }
    }

    /// Their names, for programs.
    pub fn missing(&self) -> Vec<&str> {
        self.refused
            .iter()
            .map(|error| error.medium.as_str())
            .collect()
    }
}

/// What every command needs: how to talk, where state lies, which exceptions were given, what time
/// it is.
pub struct Run<'a> {
    /// How to talk.
    pub console: &'a Console,
    /// Options of every command.
    pub global: Global,
    /// Rules set aside.
    pub exceptions: Vec<Exception>,
    /// When this run began.
    pub now: jiff::Timestamp,
}

impl<'a> Run<'a> {
    fn new(global: Global, console: &'a Console) -> Result<Self> {
        let exceptions = global
            .accept
            .iter()
            .map(|text| rules::parse_exception(text))
            .collect::<Result<_>>()?;
        Ok(Self {
            console,
            global,
            exceptions,
            now: jiff::Timestamp::now(),
        })
    }

    /// Where host state lies.
    pub fn state_folder(&self) -> Result<PathBuf> {
        let folder = self.global.state.clone().or_else(state::default_folder);
        folder.ok_or_else(|| Error::usage(text!("error-no-state-folder")))
    }

    /// Where the state of a machine goes that is not enrolled yet.
    pub fn new_state_folder(&self) -> Result<PathBuf> {
        let folder = self.state_folder()?;
        match State::open(&folder)? {
            None => Ok(folder),
            Some(state) => {
                let vault = state.vault().as_str();
                Err(Error::failed(text!(
                    "error-already-enrolled",
                    vault = vault,
                    folder = folder.as_path()
                )))
            }
        }
    }

    /// This machine's state, if it is enrolled, to change it.
    pub fn state(&self) -> Result<Option<State>> {
        State::open(&self.state_folder()?)
    }

    /// This machine's state.
    pub fn enrolled(&self) -> Result<State> {
        self.state()?
            .ok_or_else(|| Error::new(Exit::NoVault, text!("error-not-enrolled")))
    }

    /// A medium or a parcel by what the user calls it, for reading.
    pub fn medium(&self, name: &str) -> Result<Medium> {
        if let Some(file) = parcel_path(name) {
            return Ok(Medium::of_parcel(name, parcel_file::open(&file)?));
        }
        let path = place_of(name)?;
        if !path.is_dir() {
            return Err(Error::new(
                Exit::NoStick,
                text!("error-no-such-medium", medium = name),
            ));
        }
        Ok(Medium::new(name, Box::new(FolderVolume::new(&path))))
    }

    /// A medium to write a vault to; the rules are asked first.
    pub fn medium_to_write(&self, name: &str) -> Result<Medium> {
        let medium = self.medium(name)?;
        if medium.is_parcel {
            return Err(Error::usage(text!("error-parcel-no-medium", medium = name)));
        }
        self.judge(&place_of(name)?, Stored::Vault)?;
        refuse_begun(&medium)?;
        Ok(medium)
    }

    /// Refuses a place that breaks a handling rule, and points out what is only risky.
    pub fn judge(&self, path: &Path, stored: Stored) -> Result<()> {
        let warnings =
            rules::judge_served(path, stored, &here::folders_served(), &self.exceptions)?;
        warnings
            .iter()
            .for_each(|warning| self.console.warn(warning));
        Ok(())
    }

    /// Media for reading; where none is named, those that are inserted.
    pub fn vault_media_or_inserted(&self, names: &[String]) -> Result<Vec<Medium>> {
        if !names.is_empty() {
            return self.vault_media(names);
        }
        let inserted: Vec<String> = labelled()
            .into_iter()
            .map(|(root, _)| root.display().to_string())
            .collect();
        if inserted.is_empty() {
            return Err(Error::new(Exit::NoStick, text!("error-no-stick")));
        }
        self.console
            .mention(&text!("media-inserted", media = inserted.join(", ")));
        self.vault_media(&inserted)
    }

    /// Media for reading; each must hold a vault.
    pub fn vault_media(&self, names: &[String]) -> Result<Vec<Medium>> {
        let media: Vec<Medium> = names
            .iter()
            .map(|name| self.medium(name))
            .collect::<Result<_>>()?;
        for medium in &media {
            if !medium.has_vault()? {
                if let Some(state) = self.memory().state {
                    self.warn_of_remade(&state, medium);
                }
                return Err(Error::new(
                    Exit::NoVault,
                    text!("error-no-vault", medium = medium.name.as_str()),
                ));
            }
            refuse_begun(medium)?;
        }
        Ok(media)
    }

    /// Says if an empty stick was a medium of the vault when it was last seen.
    pub fn warn_of_remade(&self, state: &State, medium: &Medium) {
        let finding = history::remade(state, &medium.name, None, &descriptor_of(medium));
        self.show_findings(finding.as_slice());
    }

    /// Media of the vault to write to.
    pub fn vault_media_to_write(&self, names: &[String]) -> Result<Vec<Medium>> {
        let media: Vec<Medium> = names
            .iter()
            .map(|name| self.medium_to_write(name))
            .collect::<Result<_>>()?;
        for medium in &media {
            if !medium.has_vault()? {
                return Err(Error::new(
                    Exit::NoVault,
                    text!("error-no-vault", medium = medium.name.as_str()),
                ));
            }
        }
        Ok(media)
    }

    /// Says `words` in the owner's name on every medium that was opened, and remembers it. Each
    /// then has all that the owner ever said, as far as it is known here, and so has what is
    /// returned.
    ///
    /// # Errors
    /// When no medium takes it. One that refuses while another takes it is named in what is
    /// returned.
    pub fn declare(&self, opened: &Opened<'_>, words: &[Word]) -> Result<Declared> {
        let unsigned = || Error::failed(text!("error-signing"));
        let statement = Statement::sign(&opened.owner.key, words).map_err(|_| unsigned())?;
        let mut trust = opened.survey.trust.clone();
        trust.learn(statement.clone()).map_err(|_| unsigned())?;
        let statements: Vec<_> = trust.statements.values().collect();
        let (media, identities) = (
            opened.survey.media_count(),
            opened.survey.owners_identities(),
        );
        let add = |medium| {
            opened
                .survey
                .medium(medium)
                .add_owner_files(&statements, &identities)
                .err()
        };
        let mut refused: Vec<MediumError> = (0..media).filter_map(add).collect();
        if refused.len() == media
            && let Some(error) = refused.pop()
        {
            return Err(error.into());
        }
        self.note(&opened.vault(), |state| {
            // It was signed with the owner's key a moment ago.
            let _ = state.trust.learn(statement);
        });
        Ok(Declared { trust, refused })
    }

    /// Whether options name a secret, so that nobody needs to be asked for one.
    pub fn secret_is_given(&self) -> bool {
        self.global.passphrase_file.is_some() || self.opens_with_recovery_key()
    }

    /// What this machine remembers, to look at. A state that cannot be read never blocks a
    /// recovery.
    pub fn memory(&self) -> Known {
        match self.state_folder().and_then(|folder| State::look(&folder)) {
            Ok(state) => Known {
                state,
                unasked: None,
            },
            Err(error) => Known {
                state: None,
                unasked: Some(text!("doubt-state-unread", reason = error.text)),
            },
        }
    }

    /// Opens the vault on these media with the passphrase or the recovery key, from a file, or
    /// typed until it opens.
    pub fn open<'m>(&self, media: &'m [Medium], known: &'m Known) -> Result<Opened<'m>> {
        let open = |secret: &Secret| unlock::open(media, secret, known.state.as_ref(), self.now);
        let mut opened = match (
            &self.global.recovery_key_file,
            self.global.recovery_key,
            &self.global.passphrase_file,
        ) {
            (Some(path), ..) => open(&parse_recovery_key(&private_files::read_secret(path)?)?),
            (None, true, _) => {
                let option = "--recovery-key-file";
                let once_typed = |typed: &_| open(&parse_recovery_key(typed)?);
                self.console
                    .secret_that_opens(&text!("prompt-recovery-key"), option, once_typed)
            }
            (None, false, Some(path)) => open(&passphrase(&private_files::read_secret(path)?)),
            (None, false, None) => {
                let option = "--passphrase-file";
                self.console
                    .secret_that_opens(&text!("prompt-passphrase"), option, |typed| {
                        open(&passphrase(typed))
                    })
            }
        }?;
        opened.unasked.clone_from(&known.unasked);
        Ok(opened)
    }

    /// Whether it is the recovery key that opens the vault in this run, and not the passphrase.
    pub fn opens_with_recovery_key(&self) -> bool {
        self.global.recovery_key || self.global.recovery_key_file.is_some()
    }

    /// Notes something in host state after the work is done: should that fail, the work is done all
    /// the same.
    pub fn note(&self, vault: &VaultId, change: impl FnOnce(&mut State)) {
        let noted =
            self.state()
                .and_then(|state| match state.filter(|state| state.vault() == vault) {
                    None => Ok(()),
                    Some(mut state) => {
                        change(&mut state);
                        state.save()
                    }
                });
        if let Err(error) = noted {
            self.console
                .warn(&text!("state-not-noted", reason = error.text));
        }
    }

    /// Everything at a source. The password is asked for only where a file does not open without
    /// one.
    pub fn holdings(&self, source: &str, files: &SourceFiles) -> Result<Holdings> {
        if source == IIS {
            let holdings = keystore::holdings(here::here()?, self.now)?;
            self.report_exported(&holdings);
            return Ok(holdings);
        }
        let source = Source::parse(source, files.key.as_deref())?;
        if let Some(file) = &files.source_password_file {
            let password = Password::new(private_files::read_secret(file)?.to_string());
            return keystore::read(&source, &password, self.now);
        }
        let without = keystore::read(&source, &Password::new(String::new()), self.now);
        let locked = match &without {
            Ok(holdings) => holdings.locked().len(),
            Err(error) => usize::from(error.exit == Exit::WrongSecret),
        };
        if locked == 0 || (without.is_ok() && !self.console.interactive()) {
            return without;
        }
        let (question, option) = (text!("prompt-source-password"), "--source-password-file");
        let typed = self.console.secret_that_opens(&question, option, |typed| {
            let holdings = keystore::read(&source, &Password::new(typed.to_string()), self.now)?;
            let still = holdings.locked();
            if still.len() < locked {
                Ok(holdings)
            } else {
                Err(wrong_source_password(still))
            }
        });
        match typed {
            // What opens without a password is there all the same.
            Err(error) if error.exit == Exit::WrongSecret && without.is_ok() => without,
            typed => typed,
        }
    }

    /// What is written from: everything at a source that `names` mean, its weaknesses pointed out.
    /// A password that opens nothing is a failure of its own, not an empty source.
    pub fn chosen(&self, names: &[String], source: &str, files: &SourceFiles) -> Result<Holdings> {
        let mut holdings = self.holdings(source, files)?;
        holdings.select(names)?;
        let locked = holdings.locked();
        if holdings.key_pairs.is_empty()
            && !locked.is_empty()
            && locked.len() == holdings.unreadable.len()
        {
            return Err(wrong_source_password(locked));
        }
        list::warnings(self, &holdings);
        Ok(holdings)
    }

    /// A new PFX password: from a file, or typed twice.
    pub fn pfx_password(&self, file: Option<&Path>) -> Result<Password> {
        match file {
            None => self.console.new_pfx_password(),
            Some(path) => Ok(Password::new(private_files::read_secret(path)?.to_string())),
        }
    }

    /// A new passphrase: from a file, or generated and typed back.
    pub fn new_passphrase(&self, file: Option<&Path>) -> Result<Passphrase> {
        match file {
            None => self.console.new_passphrase(),
            Some(path) => Ok(Passphrase::new(
                private_files::read_secret(path)?.to_string(),
            )),
        }
    }

    /// What was found, in words.
    pub fn show_findings(&self, findings: &[Finding]) {
        for finding in findings {
            match finding.level {
                Level::Note => self.console.mention(&finding.text),
                _ => self.console.warn(&finding.text),
            }
        }
    }

    /// What was found, for programs.
    pub fn listed(&self, findings: &[Finding]) -> Vec<Value> {
        let level = |level| {
            if level == Level::Note {
                "note"
            } else {
                "attention"
            }
        };
        let listed = findings.iter().map(|finding| {
            json!({ "id": finding.id, "level": level(finding.level), "text": self.console.words(&finding.text) })
        });
        listed.collect()
    }

    /// Asks before something is changed; `--yes` answers.
    pub fn go_ahead(&self, yes: bool, question: &Text, enter: Enter) -> Result<()> {
        if yes || self.console.confirm(question, enter)? {
            return Ok(());
        }
        Err(Error::usage(text!("error-declined")))
    }
}

/// Where a medium is: as it is typed, or `label:NAME` for one that is inserted.
fn place_of(name: &str) -> Result<PathBuf> {
    let Some(label) = name.strip_prefix("label:") else {
        return Ok(crate::platform::media::typed(name));
    };
    let mut found = labelled()
        .into_iter()
        .filter(|(_, called)| called.to_lowercase() == label.to_lowercase());
    match (found.next(), found.next()) {
        (Some((root, _)), None) => Ok(root),
        (None, _) => Err(Error::new(
            Exit::NoStick,
            text!("error-label-not-here", label = label),
        )),
        (Some((one, _)), Some((other, _))) => Err(Error::usage(text!(
            "error-two-of-a-label",
            label = label,
            one = one.as_path(),
            other = other.as_path()
        ))),
    }
}

/// The inserted media that hold a vault, with their labels.
fn labelled() -> Vec<(PathBuf, String)> {
    let media = crate::platform::media::inserted()
        .into_iter()
        .map(|facts| facts.real_path);
    media
        .filter_map(|root| label_of_vault(&root).map(|label| (root, label)))
        .collect()
}

/// What a medium is called if it holds a vault; empty where that cannot be read.
fn label_of_vault(root: &Path) -> Option<String> {
    let medium = Medium::new("", Box::new(FolderVolume::new(root)));
    let label = || medium.label().map(|label| label.label).unwrap_or_default();
    medium.has_vault().unwrap_or(false).then(label)
}

/// The file of `parcel:FILE`.
fn parcel_path(name: &str) -> Option<PathBuf> {
    name.strip_prefix("parcel:").map(PathBuf::from)
}

/// A vault that was begun when the medium filled up or was pulled out holds nothing, and stands in
/// the way.
fn refuse_begun(medium: &Medium) -> Result<()> {
    match medium.has_vault()? && medium.is_begun()? {
        true => Err(Error::new(
            Exit::NoVault,
            text!("error-vault-begun", medium = medium.name.as_str()),
        )),
        false => Ok(()),
    }
}

/// Host state as far as it could be read.
pub struct Known {
    /// `None` also where this machine is not enrolled.
    pub state: Option<State>,
    /// Why a state that is there could not be read.
    pub unasked: Option<Text>,
}

fn passphrase(typed: &Zeroizing<String>) -> Secret {
    Secret::Passphrase(Passphrase::new(typed.to_string()))
}

fn wrong_source_password(files: Vec<String>) -> Error {
    Error::new(
        Exit::WrongSecret,
        text!("error-wrong-source-password", files = files),
    )
}

fn parse_recovery_key(typed: &Zeroizing<String>) -> Result<Secret> {
    let key = RecoveryKey::parse(typed)
        .ok_or_else(|| Error::new(Exit::WrongSecret, text!("error-recovery-key-typo")))?;
    Ok(Secret::RecoveryKey(key))
}

/// Writes a recovery key to a file of its own, and says what that means.
fn write_recovery_key(console: &Console, key: &RecoveryKey, path: &Path) -> Result<()> {
    let text = key.text();
    let mut line = Zeroizing::new(Vec::with_capacity(text.len() + 1));
    line.extend_from_slice(text.as_bytes());
    line.push(b'\n');
    private_files::create_private(path, &line)
        .map_err(|e| Error::failed(text!("error-recovery-key-file", path = path, reason = &e)))?;
    console.warn(&text!("create-recovery-key-file", path = path));
    Ok(())
}

/// A day for people.
fn day(time: jiff::Timestamp) -> String {
    time.strftime("%Y-%m-%d").to_string()
}

/// A number of bytes for people: `640 kB`, `12.3 MB`, `14.2 GB`.
fn size(bytes: u64) -> String {
    match bytes {
        0..1_000_000 => format!("{} kB", bytes.div_ceil(1000)),
        1_000_000..1_000_000_000 => format!("{}.{} MB", bytes / 1_000_000, bytes / 100_000 % 10),
        _ => format!("{}.{} GB", bytes / 1_000_000_000, bytes / 100_000_000 % 10),
    }
}

/// A thumbprint short enough for a table: `3F2A…91`.
fn short(thumbprint: &str) -> String {
    format!(
        "{}…{}",
        thumbprint.get(..4).unwrap_or(thumbprint),
        thumbprint.get(38..).unwrap_or_default()
    )
}
