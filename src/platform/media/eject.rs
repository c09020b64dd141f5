//! Why a medium could not be ejected.

use std::io;
use std::path::PathBuf;

use crate::message::{Text, os_reason};
use crate::text;

/// Why a medium stays in use. What was written to it is on it all the same.
#[derive(Debug)]
pub enum NotEjected {
    /// Programs have something open on it: their names, where the system tells them.
    InUse(Vec<String>),
    /// This is on the same device and in use as well.
    Beside(PathBuf),
    /// It is built in.
    BuiltIn,
    /// The account may not.
    NotAllowed,
    /// What the system says.
    Refused(io::Error),
}

impl NotEjected {
    /// In words.
    pub fn reason(&self) -> Text {
        match self {
            NotEjected::InUse(programs) if programs.is_empty() => text!("reason-in-use"),
            NotEjected::InUse(programs) => text!("reason-used-by", programs = programs.join(", ")),
            NotEjected::Beside(other) => text!("reason-beside", other = other.as_path()),
            NotEjected::BuiltIn => text!("reason-built-in"),
            NotEjected::NotAllowed => text!("reason-not-allowed"),
            NotEjected::Refused(error) => os_reason(error),
        }
    }
}

impl From<io::Error> for NotEjected {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::PermissionDenied => NotEjected::NotAllowed,
            _ => NotEjected::Refused(error),
        }
    }
}
