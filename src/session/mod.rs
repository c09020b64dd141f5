//! What every command shares: where host state lies, which media and secrets are meant, how a
//! change is carried out and told.

pub mod backup;
pub mod backup_report;
pub mod bindings;
pub mod change;
pub mod choose_medium;
pub mod create;
pub mod declare;
pub mod eject;
pub mod enrolment;
pub mod events;
pub mod findings;
pub mod here;
pub mod media;
pub mod media_table;
pub mod options;
pub mod other_uses;
pub mod own_key;
pub mod papers;
pub mod pending;
mod plugin;
pub mod program;
pub mod renewer;
pub mod replace;
pub mod report;
pub mod rest;
pub mod restart;
pub mod restore_set;
pub mod retire;
pub mod secrets;
pub mod selection;
pub mod source;
pub mod standing;
pub mod ways;
pub mod write_files;

use std::path::PathBuf;

use crate::cli::GlobalArgs;
use crate::console::{Console, Enter};
use crate::error::{Error, Exit, Result};
use crate::message::{Text, local_day};
use crate::platform;
use crate::rules;
use crate::state::{self, A_YEAR, State};
use crate::text;
use vault::catalog::Exception;
use vault::id::VaultId;
use vault::server_name::is_name;

/// What every command needs: how to talk, where state lies, which exceptions were given, what time
/// it is.
pub struct Session<'a> {
    /// How to talk.
    pub console: &'a Console,
    /// Options of every command.
    pub global: GlobalArgs,
    /// Rules set aside.
    pub exceptions: Vec<Exception>,
    /// Findings that are put to rest, by their ids in the place of a rule.
    pub to_rest: Vec<Exception>,
    /// When this run began.
    pub now: jiff::Timestamp,
}

impl<'a> Session<'a> {
    /// Takes the time, and the rules that options set aside.
    ///
    /// # Errors
    /// An exception that names no rule.
    pub fn new(global: GlobalArgs, console: &'a Console) -> Result<Self> {
        let now = now();
        let until = match &global.until {
            Some(day) => Some(last_day(day, now)?),
            None => None,
        };
        let mut accepted = Vec::new();
        for text in &global.accept {
            accepted.push(Exception {
                by: platform::account(),
                time: Some(now),
                until,
                ..rules::parse_exception(text)?
            });
        }
        let is_rule = |one: &Exception| rules::is_rule(&one.rule);
        let (exceptions, to_rest) = accepted.into_iter().partition(is_rule);
        Ok(Self {
            console,
            global,
            exceptions,
            to_rest,
            now,
        })
    }
}

/// The last day on which an exception holds: from today on, and at most a year.
fn last_day(text: &str, now: jiff::Timestamp) -> Result<jiff::civil::Date> {
    let day = text.parse().ok();
    let days = local_day(now)..=local_day(now + A_YEAR);
    let day = day.filter(|day| days.contains(day));
    day.ok_or_else(|| Error::usage(text!("error-until", day = text)))
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place that looks at the clock"
)]
fn now() -> jiff::Timestamp {
    jiff::Timestamp::now()
}

impl Session<'_> {
    /// Where host state lies.
    pub fn state_folder(&self) -> Result<PathBuf> {
        let folder = self.global.state.clone().or_else(state::default_folder);
        folder.ok_or_else(|| Error::usage(text!("error-no-state-folder")))
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

    /// What this machine remembers, to look at. A state that cannot be read never blocks a
    /// recovery.
    pub fn memory(&self) -> HostStateView {
        match self.state_folder().and_then(|folder| State::look(&folder)) {
            Ok(state) => HostStateView {
                state,
                unasked: None,
            },
            Err(error) => HostStateView {
                state: None,
                unasked: Some(text!("doubt-state-unread", reason = error.text)),
            },
        }
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

    /// Asks before something is changed; `--yes` answers.
    pub fn go_ahead(&self, yes: bool, question: &Text, enter: Enter) -> Result<()> {
        if yes || self.console.confirm(question, enter)? {
            return Ok(());
        }
        Err(Error::usage(text!("error-declined")))
    }
}

/// Host state as far as it could be read.
pub struct HostStateView {
    /// `None` also where this machine is not enrolled.
    pub state: Option<State>,
    /// Why a state that is there could not be read.
    pub unasked: Option<Text>,
}

/// What a server may be called, by the rule of [`is_name`].
///
/// # Errors
/// A usage error for anything else.
pub fn fit_name(name: &str) -> Result<&str> {
    match is_name(name) {
        true => Ok(name),
        false => Err(Error::usage(text!("error-server-name", name = name))),
    }
}
