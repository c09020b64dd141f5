//! The key pairs at a source, with what is weak about them.

use crate::cli::SourceFileArgs;
use crate::error::{Error, Exit, Result};
use crate::keypair::Warning;
use crate::keystore::{self, IIS, Inventory, Source};
use crate::message::{Text, day};
use crate::platform::private_files;
use crate::session::{Session, here};
use crate::text;
use secret::Password;

impl Session<'_> {
    /// Everything at a source. The password is asked for only where a file does not open without
    /// one.
    pub fn holdings(&self, source: &str, files: &SourceFileArgs) -> Result<Inventory> {
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
        match self.ask_source_password(&source, locked) {
            // What opens without a password is there all the same.
            Err(error) if error.exit == Exit::WrongSecret && without.is_ok() => without,
            typed => typed,
        }
    }

    /// Asks until a password opens some of what is locked.
    fn ask_source_password(&self, source: &Source, locked: usize) -> Result<Inventory> {
        let (question, option) = (text!("prompt-source-password"), "--source-password-file");
        self.console.secret_that_opens(&question, option, |typed| {
            let holdings = keystore::read(source, &Password::new(typed.to_string()), self.now)?;
            let still = holdings.locked();
            if still.len() < locked {
                Ok(holdings)
            } else {
                Err(wrong_source_password(still))
            }
        })
    }

    /// What is written from: everything at a source that `names` mean, its weaknesses pointed out.
    /// A password that opens nothing is a failure of its own, not an empty source.
    pub fn chosen(
        &self,
        names: &[String],
        source: &str,
        files: &SourceFileArgs,
    ) -> Result<Inventory> {
        let mut holdings = self.holdings(source, files)?;
        holdings.select(names)?;
        let locked = holdings.locked();
        if holdings.key_pairs.is_empty()
            && !locked.is_empty()
            && locked.len() == holdings.unreadable.len()
        {
            return Err(wrong_source_password(locked));
        }
        warnings(self, &holdings);
        Ok(holdings)
    }
}

fn wrong_source_password(files: Vec<String>) -> Error {
    Error::new(
        Exit::WrongSecret,
        text!("error-wrong-source-password", files = files),
    )
}

/// What is weak or missing about key pairs that can be backed up all the same.
pub fn warnings(session: &Session<'_>, holdings: &Inventory) {
    for warning in holdings
        .key_pairs
        .iter()
        .flat_map(|held| &held.pair.warnings)
    {
        session.console.warn(&warning_text(warning));
    }
    for held in &holdings.key_pairs {
        if held
            .pfx
            .as_ref()
            .is_some_and(|protection| protection.mac.is_none())
        {
            session
                .console
                .warn(&text!("warning-no-mac", name = held.leaf().display_name()));
        }
    }
}

/// A weakness, in words.
pub fn warning_text(warning: &Warning) -> Text {
    match warning {
        Warning::Expired { name, on } => text!("warning-expired", name = name, day = day(*on)),
        Warning::NotYetValid { name, from } => {
            text!("warning-not-yet-valid", name = name, day = day(*from))
        }
        Warning::WeakKey { name, key_type } => {
            text!("warning-weak-key", name = name, key_type = key_type)
        }
        Warning::WeakSignature { name, algorithm } => {
            text!("warning-weak-signature", name = name, algorithm = algorithm)
        }
        Warning::MissingIntermediate { name, issuer } => {
            text!("warning-missing-intermediate", name = name, issuer = issuer)
        }
    }
}
