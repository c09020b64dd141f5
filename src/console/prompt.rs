//! Questions whose answers are secrets, and those that are not.

use std::io::ErrorKind;

use zeroize::Zeroizing;

use super::Console;
use crate::error::{Error, Exit, Result};
use crate::message::Text;
use crate::platform::system;
use crate::text;
use vault::id::VaultId;

/// How often a secret may be mistyped before the run ends.
pub(super) const TRIES: usize = 3;
/// Characters of a vault's fingerprint that are typed from paper: 96 bits.
const PIN: usize = 16;

/// What Enter alone answers. No, where something is deleted, ended, replaced, or a server is
/// changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Enter {
    /// Yes.
    Yes,
    /// No.
    No,
}

impl Enter {
    /// The two answers, the one of Enter in capitals.
    pub fn mark(self) -> &'static str {
        match self {
            Enter::Yes => "[Y/n]",
            Enter::No => "[y/N]",
        }
    }
}

/// The answer to a question of yes or no; `None` for anything that is neither.
pub(super) fn yes_or_no(typed: &str, enter: Enter) -> Option<bool> {
    match half_width(typed).to_lowercase().as_str() {
        "" => Some(enter == Enter::Yes),
        "y" | "yes" | "はい" => Some(true),
        "n" | "no" | "いいえ" => Some(false),
        _ => None,
    }
}

/// Letters and digits as they are typed without a Japanese input method.
pub(super) fn half_width(typed: &str) -> String {
    let half = |c: char| match c {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c),
        c => c,
    };
    typed.trim().chars().map(half).collect()
}

impl Console {
    /// Says what Ctrl-C left as it was, and ends the process as it does, where that is not ignored.
    /// Only once the terminal is as it was.
    fn interrupted(&self) -> Error {
        self.print_error(&self.words(&text!("prompt-interrupted")));
        system::interrupt();
        Error::usage(text!("error-no-answer"))
    }

    /// One line of what is typed.
    ///
    /// # Errors
    /// Where nothing is typed any more.
    pub(super) fn line(&self) -> Result<Zeroizing<String>> {
        system::read_line().map_err(|error| match error.kind() {
            ErrorKind::Interrupted => {
                self.show("", "\n");
                self.interrupted()
            }
            _ => Error::usage(text!("error-no-answer")),
        })
    }

    /// Asks for a secret without showing it.
    ///
    /// # Errors
    /// Where nobody can be asked; `file_option` names what a script uses instead.
    pub fn secret(&self, question: &Text, file_option: &'static str) -> Result<Zeroizing<String>> {
        self.typed(question, file_option)?
            .ok_or_else(|| self.interrupted())
    }

    /// Asks for a secret until `open` takes it, three times at most. Nothing that is typed while it
    /// tries is shown. What was wrong is asked again where there are words for it (`.again`); any
    /// other failure ends it.
    ///
    /// # Errors
    /// Where nobody can be asked, and the last failure of `open`.
    pub fn secret_that_opens<T>(
        &self,
        question: &Text,
        file_option: &'static str,
        open: impl Fn(&Zeroizing<String>) -> Result<T>,
    ) -> Result<T> {
        self.opened(|| self.typed(question, file_option), open)
    }

    /// Asks and opens, three times at most; what is asked is nothing after Ctrl-C.
    ///
    /// # Errors
    /// As [`Console::secret_that_opens`].
    pub(super) fn opened<S, T>(
        &self,
        ask: impl Fn() -> Result<Option<S>>,
        open: impl Fn(&S) -> Result<T>,
    ) -> Result<T> {
        // The terminal is as before when it is said that Ctrl-C was pressed.
        let opened = self.try_to_open(ask, open);
        opened.unwrap_or_else(|| Err(self.interrupted()))
    }

    /// The same; `None` after Ctrl-C. What is typed while it opens is not shown.
    fn try_to_open<S, T>(
        &self,
        ask: impl Fn() -> Result<Option<S>>,
        open: impl Fn(&S) -> Result<T>,
    ) -> Option<Result<T>> {
        let begun = self.interactive().then(system::Unechoed::begin);
        let unechoed = begun.and_then(std::io::Result::ok);
        let mut tries = TRIES;
        loop {
            let typed = match ask() {
                Ok(typed) => typed?,
                Err(error) => return Some(Err(error)),
            };
            let opened = open(&typed);
            if unechoed.as_ref().is_some_and(system::Unechoed::interrupted) {
                return None;
            }
            tries -= 1;
            let error = opened.as_ref().err();
            let wrong = error.filter(|error| error.exit == Exit::WrongSecret);
            match wrong.and_then(|error| self.texts.again(&error.text)) {
                Some(again) if tries > 0 => self.print_error(&again),
                _ => return Some(opened),
            }
        }
    }

    /// What is typed as a secret; `None` after Ctrl-C. The terminal is as before.
    pub(super) fn typed(
        &self,
        question: &Text,
        file_option: &'static str,
    ) -> Result<Option<Zeroizing<String>>> {
        if !self.interactive() {
            return Err(Error::usage(text!(
                "error-no-terminal",
                question = question.clone(),
                option = file_option
            )));
        }
        let unanswered = |_| Error::usage(text!("error-no-answer"));
        let keys = system::SecretKeys::listen().map_err(unanswered)?;
        // Printed as everything is: the bytes that rpassword prints are not readable on every
        // console.
        self.show(&self.words(question), ": ");
        let reading = rpassword::ConfigBuilder::new()
            .input_reader(keys)
            .output_discard()
            .build();
        let typed = rpassword::read_password_with_config(reading);
        self.show("", "\n");
        match typed {
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(None),
            typed => typed
                .map(|typed| Some(Zeroizing::new(typed)))
                .map_err(unanswered),
        }
    }

    /// Asks whether a vault is the right one: the end of its fingerprint is shown, the beginning
    /// must be typed from paper.
    ///
    /// # Errors
    /// Where nobody can be asked, or what is typed is never right.
    pub fn confirm_vault(&self, vault: VaultId) -> Result<VaultId> {
        if !self.interactive() {
            return Err(Error::usage(text!("error-vault-unconfirmed")));
        }
        let digits = vault.as_str().trim_start_matches("SHA256:");
        let (hidden, shown) = digits.split_at(PIN.min(digits.len()));
        self.show_privately(&[&self.words(&text!("accept-vault", shown = shown))])?;
        for _ in 0..TRIES {
            let typed = self.ask(&text!("prompt-vault", count = PIN))?;
            // On paper it stands in groups.
            let typed: String = typed.chars().filter(|c| !c.is_whitespace()).collect();
            let typed = typed.trim_start_matches("SHA256:");
            if typed.starts_with(hidden) && digits.starts_with(typed) {
                return Ok(vault);
            }
            self.remark(&text!("prompt-differ"));
        }
        Err(Error::new(Exit::NoVault, text!("error-vault-differs")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yes_and_no_are_understood_in_both_languages_and_widths_and_nothing_else_is() {
        for typed in ["y", "YES", " ｙ\u{3000}", "Ｙｅｓ", "はい"] {
            assert_eq!(yes_or_no(typed, Enter::No), Some(true), "{typed}");
        }
        for typed in ["n", "No", "ｎ", "いいえ"] {
            assert_eq!(yes_or_no(typed, Enter::Yes), Some(false), "{typed}");
        }
        for typed in ["maybe", "yn", "1", "ye", "ｍ", "?"] {
            assert_eq!(yes_or_no(typed, Enter::Yes), None, "{typed}");
        }
        assert_eq!(
            (yes_or_no("", Enter::Yes), yes_or_no(" ", Enter::No)),
            (Some(true), Some(false))
        );
    }
}
