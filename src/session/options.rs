//! Options that would change nothing are refused: whoever gives one expects something of it.

use crate::cli::DestinationArgs;
use crate::error::{Error, Result};
use crate::keystore::IIS;
use crate::text;

impl DestinationArgs {
    /// Refuses options that would change nothing about what is written.
    pub fn refuse_idle(&self, to: &str) -> Result<()> {
        let pfx = [
            (self.reader.is_some(), "--for"),
            (self.pfx_password_file.is_some(), "--pfx-password-file"),
        ];
        refuse(
            to == IIS,
            &[(self.force, "--force")],
            "--to folder:, --to pfx:, --to pem:",
        )?;
        refuse(
            to == IIS || to.starts_with("pem:"),
            &pfx,
            "--to folder:, --to pfx:",
        )
    }
}

/// Refuses the first of `options` that is given where all are idle; `only` says what they belong to.
///
/// # Errors
/// An option is given and `idle`.
pub fn refuse(idle: bool, options: &[(bool, &'static str)], only: &'static str) -> Result<()> {
    match options.iter().find(|(given, _)| idle && *given) {
        Some((_, option)) => Err(Error::usage(text!(
            "error-idle-option",
            option = *option,
            only = only
        ))),
        None => Ok(()),
    }
}
