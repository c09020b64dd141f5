//! Questions whose answers are secrets, and those that are not.

use std::io::ErrorKind;

use zeroize::Zeroizing;

use super::Console;
use crate::error::{Error, Exit, Result, no_random};
use crate::message::Text;
use crate::platform::system;
use crate::text;
use secret::words;
use secret::{Passphrase, Password};
use vault::id::VaultId;
use vault::identity::RecoveryKey;

/// How often a secret may be mistyped before the run ends.
const TRIES: usize = 3;
/// Characters of a recovery key shown and asked as one group.
const GROUP: usize = 6;
/// Characters of a vault's fingerprint that are typed from paper: 96 bits.
const PIN: usize = 16;

/// One line from standard input.
pub(super) fn line() -> Result<Zeroizing<String>> {
    // Room for what people type, so that growing leaves no copy of it.
    let mut line = Zeroizing::new(String::with_capacity(1024));
    let read = std::io::stdin().read_line(&mut line);
    match read {
        Ok(count) if count > 0 => Ok(line),
        _ => Err(Error::usage(text!("error-no-answer"))),
    }
}

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

/// Ends the process as Ctrl-C does, where that is not ignored. Only once the terminal is as it was.
fn interrupted() -> Error {
    system::interrupt();
    Error::usage(text!("error-no-answer"))
}

impl Console {
    /// Asks for a secret without showing it.
    ///
    /// # Errors
    /// Where nobody can be asked; `file_option` names what a script uses instead.
    pub fn secret(&self, question: &Text, file_option: &'static str) -> Result<Zeroizing<String>> {
        self.typed(question, file_option)?.ok_or_else(interrupted)
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
        self.opened(question, file_option, open)?
            .ok_or_else(interrupted)
    }

    /// As [`Console::secret_that_opens`]; `None` after Ctrl-C.
    fn opened<T>(
        &self,
        question: &Text,
        file_option: &'static str,
        open: impl Fn(&Zeroizing<String>) -> Result<T>,
    ) -> Result<Option<T>> {
        let unechoed = self
            .interactive()
            .then(system::Unechoed::begin)
            .and_then(std::io::Result::ok);
        let mut tries = TRIES;
        loop {
            let Some(typed) = self.typed(question, file_option)? else {
                return Ok(None);
            };
            let opened = open(&typed);
            if unechoed.as_ref().is_some_and(system::Unechoed::interrupted) {
                return Ok(None);
            }
            tries -= 1;
            let wrong = opened
                .as_ref()
                .err()
                .filter(|error| error.exit == Exit::WrongSecret);
            match wrong.and_then(|error| self.texts.again(&error.text)) {
                Some(again) if tries > 0 => self.print_error(&again),
                _ => return opened.map(Some),
            }
        }
    }

    /// What is typed as a secret; `None` after Ctrl-C. The terminal is as before.
    fn typed(
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
        self.show(&format!("{}: ", self.words(question)));
        let reading = rpassword::ConfigBuilder::new()
            .input_reader(keys)
            .output_discard()
            .build();
        let typed = rpassword::read_password_with_config(reading);
        self.show("\n");
        match typed {
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(None),
            typed => typed
                .map(|typed| Some(Zeroizing::new(typed)))
                .map_err(unanswered),
        }
    }

    /// Asks for a new secret twice.
    ///
    /// # Errors
    /// Where nobody can be asked, or the two never agree.
    pub fn new_secret(
        &self,
        question: &Text,
        again: &Text,
        file_option: &'static str,
    ) -> Result<Zeroizing<String>> {
        for _ in 0..TRIES {
            let first = self.secret(question, file_option)?;
            let traps = typing_traps(&first);
            if first.is_empty() {
                self.remark(&text!("prompt-empty"));
            } else if *first != *self.secret(again, file_option)? {
                self.remark(&text!("prompt-differ"));
            } else {
                traps.iter().for_each(|trap| self.remark(trap));
                return Ok(first);
            }
        }
        Err(Error::usage(text!("error-secret-differs")))
    }

    /// A new password for a PFX, typed twice.
    ///
    /// # Errors
    /// As [`Console::new_secret`].
    pub fn new_pfx_password(&self) -> Result<Password> {
        let typed = self.new_secret(
            &text!("prompt-pfx-new"),
            &text!("prompt-again"),
            "--pfx-password-file",
        )?;
        Ok(Password::new(typed.to_string()))
    }

    /// Lets the owner choose a passphrase: ten generated words, typed back once, or one of their
    /// own.
    ///
    /// # Errors
    /// Where nobody can be asked.
    pub fn new_passphrase(&self) -> Result<Passphrase> {
        self.show_privately(&[&self.words(&text!("create-passphrase-choice"))])?;
        if self.number(1..=2)? == 2 {
            let typed = self.new_secret(
                &text!("prompt-passphrase-new"),
                &text!("prompt-again"),
                "--passphrase-file",
            )?;
            return Ok(Passphrase::new(typed.to_string()));
        }
        let generated = words::passphrase().map_err(|_| no_random())?;
        self.show_privately(&["\n    ", generated.expose(), "\n"])?;
        for _ in 0..TRIES {
            let typed = self.secret(&text!("prompt-passphrase-back"), "--passphrase-file")?;
            let typed = Passphrase::new(typed.split_whitespace().collect::<Vec<_>>().join(" "));
            if typed.same_as(&generated) {
                return Ok(generated);
            }
            self.remark(&text!("prompt-differ"));
        }
        Err(Error::usage(text!("error-secret-differs")))
    }

    /// Shows a recovery key to be written down, and asks part of it back.
    ///
    /// # Errors
    /// Where nobody can be asked, or what was written down is never right.
    pub fn hand_over_recovery_key(&self, key: &RecoveryKey) -> Result<()> {
        let text = key.text();
        let groups: Vec<&str> = (0..text.len())
            .step_by(GROUP)
            .map(|at| &text[at..text.len().min(at + GROUP)])
            .collect();
        self.show_privately(&[&self.words(&text!("create-recovery-key"))])?;
        for (row, line) in groups.chunks(4).enumerate() {
            let number = format!("    {:>2}", row * 4 + 1);
            let groups = line.iter().flat_map(|group| ["  ", *group]);
            self.show_privately(
                &std::iter::once(number.as_str())
                    .chain(groups)
                    .collect::<Vec<_>>(),
            )?;
        }
        self.show_privately(&[])?;
        // The first two groups are the same for every key, and the last may be short.
        let asked = words::places(3, groups.len() - 3).map_err(|_| no_random())?;
        for place in asked {
            self.ask_group_back(place + 3, groups[place + 2])?;
        }
        Ok(())
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
            let typed = typed.trim_start_matches("SHA256:");
            if typed.starts_with(hidden) && digits.starts_with(typed) {
                return Ok(vault);
            }
            self.remark(&text!("prompt-differ"));
        }
        Err(Error::new(Exit::NoVault, text!("error-vault-differs")))
    }

    fn ask_group_back(&self, number: usize, expected: &str) -> Result<()> {
        for _ in 0..TRIES {
            let typed = self.ask(&text!("prompt-recovery-group", number = number))?;
            if typed.eq_ignore_ascii_case(expected) {
                return Ok(());
            }
            self.remark(&text!("prompt-differ"));
        }
        Err(Error::usage(text!("error-secret-differs")))
    }
}

/// What may keep a secret from being typed again on another keyboard.
fn typing_traps(secret: &str) -> Vec<Text> {
    let full_width = |c: char| matches!(c, '\u{ff01}'..='\u{ff9f}' | '\u{3000}');
    let mut traps = Vec::new();
    if secret.chars().any(full_width) {
        traps.push(text!("trap-full-width"));
    } else if !secret.is_ascii() {
        traps.push(text!("trap-not-ascii"));
    }
    // Keys that a Japanese and an English keyboard layout have in different places.
    if secret.contains([
        '@', '"', ':', '_', '^', '\\', '&', '\'', '(', ')', '=', '~', '`', '+', '*', '[', ']', '{',
        '}', '|',
    ]) {
        traps.push(text!("trap-layout"));
    }
    if secret.chars().count() < 20 && !secret.contains(' ') {
        traps.push(text!("trap-short"));
    }
    traps
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

    #[test]
    fn traps_of_keyboards_are_pointed_out_when_a_secret_is_set() {
        let ids = |secret| {
            typing_traps(secret)
                .iter()
                .map(|trap| trap.id)
                .collect::<Vec<_>>()
        };
        assert_eq!(ids("correct horse battery staple"), Vec::<&str>::new());
        assert_eq!(ids("ｐａｓｓ phrase"), ["trap-full-width"]);
        assert_eq!(ids("合言葉 is long"), ["trap-not-ascii"]);
        assert_eq!(ids("p@ss"), ["trap-layout", "trap-short"]);
    }
}
