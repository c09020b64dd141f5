//! Questions whose answers are secrets, and those that are not.

use zeroize::Zeroizing;

use super::Console;
use crate::error::{Error, Exit, Result};
use crate::secret::{Passphrase, Password};
use crate::text;
use crate::text::Text;
use crate::vault::id::VaultId;
use crate::vault::identity::RecoveryKey;
use crate::words;

/// How often a secret may be mistyped before the run ends.
pub const TRIES: usize = 3;
/// Characters of a recovery key shown and asked as one group.
const GROUP: usize = 6;
/// Characters of a vault's fingerprint that are typed from paper: 96 bits.
const PIN: usize = 16;

/// One line from standard input.
pub fn line() -> Result<Zeroizing<String>> {
    // Room for what people type, so that growing leaves no copy of it.
    let mut line = Zeroizing::new(String::with_capacity(1024));
    let read = std::io::stdin().read_line(&mut line);
    match read {
        Ok(count) if count > 0 => Ok(line),
        _ => Err(Error::usage(text!("error-no-answer"))),
    }
}

impl Console {
    /// Asks for a secret without showing it.
    ///
    /// # Errors
    /// Where nobody can be asked; `file_option` names what a script uses instead.
    pub fn secret(&self, question: &Text, file_option: &'static str) -> Result<Zeroizing<String>> {
        if !self.interactive() {
            return Err(Error::usage(text!("error-no-terminal", question = question.clone(), option = file_option)));
        }
        let prompt = format!("{}: ", self.words(question));
        rpassword::prompt_password(prompt).map(Zeroizing::new).map_err(|_| Error::usage(text!("error-no-answer")))
    }

    /// Asks for a new secret twice.
    ///
    /// # Errors
    /// Where nobody can be asked, or the two never agree.
    pub fn new_secret(&self, question: &Text, again: &Text, file_option: &'static str) -> Result<Zeroizing<String>> {
        for _ in 0..TRIES {
            let first = self.secret(question, file_option)?;
            let traps = typing_traps(&first);
            if first.is_empty() {
                self.progress(&text!("prompt-empty"));
            } else if *first != *self.secret(again, file_option)? {
                self.progress(&text!("prompt-differ"));
            } else {
                traps.iter().for_each(|trap| self.progress(trap));
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
        let typed = self.new_secret(&text!("prompt-pfx-new"), &text!("prompt-again"), "--pfx-password-file")?;
        Ok(Password::new(typed.to_string()))
    }

    /// Lets the owner choose a passphrase: ten generated words, typed back once, or one of their own.
    ///
    /// # Errors
    /// Where nobody can be asked.
    pub fn new_passphrase(&self) -> Result<Passphrase> {
        self.show_privately(&[&self.words(&text!("create-passphrase-choice"))])?;
        let own = self.ask(&text!("prompt-choice"))?.as_str() == "2";
        if own {
            let typed =
                self.new_secret(&text!("prompt-passphrase-new"), &text!("prompt-again"), "--passphrase-file")?;
            return Ok(Passphrase::new(typed.to_string()));
        }
        let generated = words::passphrase().map_err(|_| crate::state::no_random())?;
        self.show_privately(&["\n    ", generated.expose(), "\n"])?;
        for _ in 0..TRIES {
            let typed = self.secret(&text!("prompt-passphrase-back"), "--passphrase-file")?;
            let typed = Passphrase::new(typed.split_whitespace().collect::<Vec<_>>().join(" "));
            if typed.same_as(&generated) {
                return Ok(generated);
            }
            self.progress(&text!("prompt-differ"));
        }
        Err(Error::usage(text!("error-secret-differs")))
    }

    /// Shows a recovery key to be written down, and asks part of it back.
    ///
    /// # Errors
    /// Where nobody can be asked, or what was written down is never right.
    pub fn hand_over_recovery_key(&self, key: &RecoveryKey) -> Result<()> {
        let text = key.text();
        let groups: Vec<&str> =
            (0..text.len()).step_by(GROUP).map(|at| &text[at..text.len().min(at + GROUP)]).collect();
        self.show_privately(&[&self.words(&text!("create-recovery-key"))])?;
        for (row, line) in groups.chunks(4).enumerate() {
            let number = format!("    {:>2}", row * 4 + 1);
            let groups = line.iter().flat_map(|group| ["  ", *group]);
            self.show_privately(&std::iter::once(number.as_str()).chain(groups).collect::<Vec<_>>())?;
        }
        self.show_privately(&[])?;
        // The first two groups are the same for every key, and the last may be short.
        let asked = words::places(3, groups.len() - 3).map_err(|_| crate::state::no_random())?;
        for place in asked {
            self.ask_group_back(place + 3, groups[place + 2])?;
        }
        Ok(())
    }

    /// Asks whether a vault is the right one: the end of its fingerprint is shown, the beginning must be typed from paper.
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
            self.progress(&text!("prompt-differ"));
        }
        Err(Error::new(Exit::NoVault, text!("error-vault-differs")))
    }

    fn ask_group_back(&self, number: usize, expected: &str) -> Result<()> {
        for _ in 0..TRIES {
            let typed = self.ask(&text!("prompt-recovery-group", number = number))?;
            if typed.eq_ignore_ascii_case(expected) {
                return Ok(());
            }
            self.progress(&text!("prompt-differ"));
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
        '@', '"', ':', '_', '^', '\\', '&', '\'', '(', ')', '=', '~', '`', '+', '*', '[', ']', '{', '}', '|',
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
    fn traps_of_keyboards_are_pointed_out_when_a_secret_is_set() {
        let ids = |secret| typing_traps(secret).iter().map(|trap| trap.id).collect::<Vec<_>>();
        assert_eq!(ids("correct horse battery staple"), Vec::<&str>::new());
        assert_eq!(ids("ｐａｓｓ phrase"), ["trap-full-width"]);
        assert_eq!(ids("合言葉 is long"), ["trap-not-ascii"]);
        assert_eq!(ids("p@ss"), ["trap-layout", "trap-short"]);
    }
}
