//! What a user can be told when something fails: message, cause, hint, and the exit code.

use std::io;

use vault::medium::MediumError;
use vault::seal::Unsealed;
use vault::survey::NotOurs;

use crate::message::Text;
use crate::text;

/// How a run ended, as the process's exit code. The numbers are part of the interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Exit {
    /// Done.
    Done = 0,
    /// Failed; nothing changed, or it was rolled back.
    Failed = 1,
    /// Wrong usage, or a question nobody could answer.
    Usage = 2,
    /// Partly done; each key pair that is missing was named.
    Partly = 3,
    /// Damaged, and no whole copy on the media given.
    Damaged = 4,
    /// Refused by a handling rule.
    Refused = 5,
    /// Wrong passphrase, password or recovery key.
    WrongSecret = 6,
    /// No vault, or not ours.
    NoVault = 7,
    /// Needs attention: overdue, at risk, or one of several copies bad.
    Attention = 8,
    /// No stick inserted.
    NoStick = 9,
    /// A signature is wrong: not written by an enrolled server.
    Forged = 10,
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// A failure in the user's words.
///
/// The Fluent message of `text.id` is the message; its attributes `cause` and `hint` follow on
/// lines of their own.
#[derive(Debug)]
pub struct Error {
    /// What failed, why, and what to do now.
    pub text: Text,
    /// The exit code it leads to.
    pub exit: Exit,
}

/// The program's result type.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error of a given exit code.
    pub fn new(exit: Exit, text: Text) -> Self {
        Self { text, exit }
    }

    /// Nothing changed.
    pub fn failed(text: Text) -> Self {
        Self::new(Exit::Failed, text)
    }

    /// The command line, or an answer that only a person can give.
    pub fn usage(text: Text) -> Self {
        Self::new(Exit::Usage, text)
    }
}

/// The system has no random numbers: nothing that needs a key can go on.
pub fn no_random() -> Error {
    Error::failed(text!("error-no-random"))
}

/// Why a medium refused, without its name.
pub fn medium_reason(error: &MediumError) -> Text {
    match error.source.kind() {
        io::ErrorKind::InvalidData => text!("reason-reads-back-other", path = error.path.as_str()),
        _ => text!(
            "reason-medium",
            path = error.path.as_str(),
            reason = &error.source
        ),
    }
}

impl From<MediumError> for Error {
    fn from(error: MediumError) -> Self {
        let reason = medium_reason(&error);
        Self::failed(text!(
            "error-medium",
            medium = error.medium.as_str(),
            reason = reason
        ))
    }
}

impl From<Unsealed> for Error {
    fn from(_: Unsealed) -> Self {
        Self::failed(text!("error-signing"))
    }
}

impl From<NotOurs> for Error {
    fn from(why: NotOurs) -> Self {
        let text = match why {
            NotOurs::NoStatement {
                medium,
                generations,
            } => {
                text!("error-no-statement", medium = medium, count = generations)
            }
            NotOurs::Stranger {
                medium,
                vault,
                ours,
            } => text!(
                "error-not-our-vault",
                medium = medium,
                vault = vault.map_or_else(|| "?".to_owned(), |vault| vault.to_string()),
                ours = ours.to_string()
            ),
        };
        Self::new(Exit::NoVault, text)
    }
}
