//! Keys that age plugins hold, such as hardware keys (C2SP's age-plugin). A plugin is a program of this
//! machine: it is looked for in the folders of PATH, and run from nowhere else, least of all from a medium.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use age::plugin::{Identity, IdentityPluginV1, Recipient, RecipientPluginV1};
use age::secrecy::SecretString;
use age::{Callbacks, DecryptError, EncryptError};
use age_core::format::{FileKey, Stanza};

use crate::console::{Console, Enter, Language};
use crate::error::{Error, Exit, Result};
use crate::message::Text;
use crate::session::Session;
use crate::text;
use vault::medium::Medium;

/// A variable under whose value `plugin` the library shows file keys.
const DEBUG: &str = "AGEDEBUG";

/// What a plugin says and asks, on the console.
#[derive(Clone)]
struct Talk {
    plugin: String,
    language: Language,
    json: bool,
    quiet: bool,
}

impl Talk {
    fn of(session: &Session<'_>, name: &str) -> Self {
        Self {
            plugin: program(name),
            language: session.console.language(),
            json: session.console.json,
            quiet: session.console.quiet,
        }
    }

    fn console(&self) -> Console {
        Console::new(self.language, self.json, self.quiet)
    }

    fn says(&self, words: &str) -> Text {
        text!("plugin-says", plugin = self.plugin.as_str(), words = words)
    }

    /// Passes on what a plugin said why it did nothing.
    fn failed(&self, errors: &[impl std::fmt::Display]) {
        for error in errors {
            self.console().warn(&self.says(&error.to_string()));
        }
    }
}

impl Callbacks for Talk {
    fn display_message(&self, message: &str) {
        self.console().warn(&self.says(message));
    }

    fn confirm(&self, message: &str, yes: &str, no: Option<&str>) -> Option<bool> {
        let no = no.unwrap_or("-");
        let plugin = self.plugin.as_str();
        let question = text!(
            "plugin-confirm",
            plugin = plugin,
            words = message,
            yes = yes,
            no = no
        );
        self.console().confirm(&question, Enter::No).ok()
    }

    fn request_public_string(&self, description: &str) -> Option<String> {
        let typed = self.console().ask(&self.says(description)).ok()?;
        Some(typed.to_string())
    }

    fn request_passphrase(&self, description: &str) -> Option<SecretString> {
        let question = self.says(description);
        let typed = self.console().secret(&question, "--passphrase-file").ok()?;
        Some(SecretString::from(typed.as_str()))
    }
}

/// What a plugin wraps or opens, with what it says.
struct Plugged<P> {
    plugin: P,
    talk: Talk,
}

impl age::Identity for Plugged<IdentityPluginV1<Talk>> {
    fn unwrap_stanza(&self, stanza: &Stanza) -> Option<std::result::Result<FileKey, DecryptError>> {
        self.unwrap_stanzas(std::slice::from_ref(stanza))
    }

    fn unwrap_stanzas(
        &self,
        stanzas: &[Stanza],
    ) -> Option<std::result::Result<FileKey, DecryptError>> {
        match self.plugin.unwrap_stanzas(stanzas) {
            Some(Err(DecryptError::Plugin(errors))) => {
                self.talk.failed(&errors);
                // The file may be sound; what it is sealed to is not at hand.
                None
            }
            opened => opened,
        }
    }
}

impl age::Recipient for Plugged<RecipientPluginV1<Talk>> {
    fn wrap_file_key(
        &self,
        file_key: &FileKey,
    ) -> std::result::Result<(Vec<Stanza>, std::collections::HashSet<String>), EncryptError> {
        let wrapped = self.plugin.wrap_file_key(file_key);
        if let Err(EncryptError::Plugin(errors)) = &wrapped {
            self.talk.failed(errors);
        }
        wrapped
    }
}

/// A recipient that a plugin wraps for.
///
/// # Errors
/// Where this machine does not have the plugin, or has it where it is not run from.
pub(super) fn recipient(
    session: &Session<'_>,
    recipient: &Recipient,
    media: &[Medium],
) -> Result<Box<dyn age::Recipient>> {
    let name = recipient.plugin();
    refuse_unfit(name, media)?;
    let (talk, recipients) = (Talk::of(session, name), std::slice::from_ref(recipient));
    let plugin = RecipientPluginV1::new(name, recipients, &[], talk.clone());
    let plugin = plugin.map_err(|_| missing(name))?;
    Ok(Box::new(Plugged { plugin, talk }))
}

/// An identity that a plugin opens with.
///
/// # Errors
/// As [`recipient`].
pub(super) fn identity(
    session: &Session<'_>,
    identity: &Identity,
    media: &[Medium],
) -> Result<Box<dyn age::Identity>> {
    let name = identity.plugin();
    refuse_unfit(name, media)?;
    let (talk, identities) = (Talk::of(session, name), std::slice::from_ref(identity));
    let plugin = IdentityPluginV1::new(name, identities, talk.clone());
    let plugin = plugin.map_err(|_| missing(name))?;
    Ok(Box::new(Plugged { plugin, talk }))
}

fn program(name: &str) -> String {
    format!("age-plugin-{name}")
}

fn missing(name: &str) -> Error {
    let program = program(name);
    Error::failed(text!("error-plugin-missing", program = program))
}

/// Every folder of PATH with something of the plugin's name must be one of this machine, named from its root:
/// the library passes over what cannot be run. (It looks into no other folder, and a plugin runs in an
/// empty one.)
fn refuse_unfit(name: &str, media: &[Medium]) -> Result<()> {
    if std::env::var_os(DEBUG).is_some() {
        let text = text!("error-plugin-debug", variable = DEBUG);
        return Err(Error::usage(text));
    }
    let program = program(name);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<_> = std::env::split_paths(&path).collect();
    folders.retain(|folder| holds(folder, &program));
    if folders.is_empty() {
        return Err(missing(name));
    }
    let unfit = |folder: &&PathBuf| !folder.is_absolute() || is_on_one_of(folder, media);
    let Some(folder) = folders.iter().find(unfit) else {
        return Ok(());
    };
    let folder = folder.as_path();
    let text = text!("error-plugin-place", program = program, path = folder);
    Err(Error::new(Exit::Refused, text))
}

fn is_on_one_of(folder: &Path, media: &[Medium]) -> bool {
    let Ok(folder) = folder.canonicalize() else {
        return false;
    };
    let places = media.iter().filter_map(Medium::place);
    let mut places = places.filter_map(|place| place.canonicalize().ok());
    places.any(|place| folder.starts_with(place))
}

/// Whether a folder has a program of this name; on Windows with whatever extension.
fn holds(folder: &Path, program: &str) -> bool {
    let folder = match folder.as_os_str().is_empty() {
        true => Path::new("."),
        false => folder,
    };
    if cfg!(not(windows)) {
        return folder.join(program).exists();
    }
    let is_program = |name: &OsStr| {
        let stem = Path::new(name).file_stem().unwrap_or(name);
        name.eq_ignore_ascii_case(program) || stem.eq_ignore_ascii_case(program)
    };
    let entries = folder.read_dir().into_iter().flatten().flatten();
    let mut entries = entries.map(|entry| entry.file_name());
    entries.any(|name| is_program(&name))
}
