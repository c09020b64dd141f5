//! Secrets that are chosen, shown once, written on paper and typed back.

use zeroize::Zeroizing;

use super::Console;
use super::prompt::TRIES;
use super::recovery_key::GROUP;
use crate::error::{Error, Result, no_random};
use crate::message::Text;
use crate::platform::system;
use crate::text;
use secret::passphrase::{self, Change, Chosen, LEAST_LENGTH, MOST_BYTES, Strength, Unfit};
use secret::shares::{Share, word};
use secret::{Passphrase, Password, words};
use vault::id::VaultId;
use vault::identity::RecoveryKey;
use vault::{paper, shares};

/// Words shown in one row.
const WORDS_A_ROW: usize = 5;
/// Blanks as wide as the longest word.
const WIDEST: &str = "         ";
/// As wide as the longest row of a share.
const SHARE_ROW: usize = 26;
/// How many parts of what was written down are asked back.
const ASKED_BACK: usize = 3;

impl Console {
    /// A new password for a PFX, typed twice.
    ///
    /// # Errors
    /// Where nobody can be asked, or the two never agree.
    pub fn new_pfx_password(&self) -> Result<Password> {
        let option = "--pfx-password-file";
        for _ in 0..TRIES {
            let first = self.secret(&text!("prompt-pfx-new"), option)?;
            if first.is_empty() {
                self.remark(&text!("prompt-empty"));
            } else if *first != *self.secret(&text!("prompt-again"), option)? {
                self.remark(&text!("prompt-differ"));
            } else {
                let traps = typing_traps(&first);
                traps.iter().for_each(|trap| self.remark(trap));
                return Ok(Password::new(first.to_string()));
            }
        }
        Err(Error::usage(text!("error-secret-differs")))
    }

    /// Lets the owner choose a passphrase: ten generated words, or one of their own.
    ///
    /// # Errors
    /// Where nobody can be asked.
    pub fn new_passphrase(&self) -> Result<Passphrase> {
        loop {
            self.show_privately(&[&self.words(&text!("create-passphrase-choice"))])?;
            if self.number(1..=2)? == 1 {
                return self.generated_passphrase();
            }
            if let Some(own) = self.own_passphrase()? {
                return Ok(own);
            }
        }
    }

    /// Ten words, three of them typed back from paper.
    fn generated_passphrase(&self) -> Result<Passphrase> {
        let generated = words::passphrase().map_err(|_| no_random())?;
        let parts: Vec<&str> = generated.expose().split(' ').collect();
        let opens =
            |typed: &str, part: &str| passphrase::opens(typed, &Passphrase::new(part.to_owned()));
        let paper = Paper {
            places: words::places(ASKED_BACK, parts.len()).map_err(|_| no_random())?,
            parts,
            a_row: WORDS_A_ROW,
            question: |number| text!("prompt-word-back", number = number),
            is_same: &opens,
        };
        self.hand_over(&paper)?;
        Ok(generated)
    }

    /// A passphrase of the owner's own, typed twice; nothing where they go back.
    fn own_passphrase(&self) -> Result<Option<Passphrase>> {
        let option = "--passphrase-file";
        loop {
            let typed = self.secret(&text!("prompt-passphrase-new"), option)?;
            if typed.is_empty() {
                return Ok(None);
            }
            let chosen = match passphrase::choose(&typed) {
                Ok(chosen) => chosen,
                Err(unfit) => {
                    self.remark(&unfit_reason(unfit));
                    continue;
                }
            };
            let about = [
                about_chosen(&chosen),
                typing_traps(chosen.passphrase.expose()),
            ]
            .concat();
            about.iter().for_each(|remark| self.remark(remark));
            self.show_changed(&chosen)?;
            if self.is_typed_again(&chosen.passphrase)? {
                return Ok(Some(chosen.passphrase));
            }
        }
    }

    /// Shows the form that is sealed, where it is not what was typed and somebody wants to see it.
    fn show_changed(&self, chosen: &Chosen) -> Result<()> {
        let question = text!("prompt-show-changed");
        if !chosen.changes.is_empty() && self.confirm(&question, super::Enter::No)? {
            self.show_privately(&["    ", chosen.passphrase.expose()])?;
        }
        Ok(())
    }

    /// Whether the same is typed once more, as strictly as when the vault is opened; not where
    /// another is to be chosen.
    fn is_typed_again(&self, chosen: &Passphrase) -> Result<bool> {
        for _ in 0..TRIES {
            let again = self.secret(&text!("prompt-passphrase-again"), "--passphrase-file")?;
            if again.is_empty() {
                return Ok(false);
            }
            if passphrase::opens(&again, chosen) {
                return Ok(true);
            }
            self.remark(&text!("prompt-differ"));
        }
        Err(Error::usage(text!("error-secret-differs")))
    }

    /// Shows a recovery key to be written down, each row with its check, and asks part of it back; a
    /// row may then be typed with its check or without.
    ///
    /// # Errors
    /// Where nobody can be asked, or what was written down is never right.
    pub fn hand_over_recovery_key(&self, key: &RecoveryKey, vault: &VaultId) -> Result<()> {
        let mut rows = Vec::with_capacity(paper::ROWS);
        for (row, check) in paper::rows(key, vault) {
            rows.push(Zeroizing::new(format!("{:<GROUP$}  {check}", *row)));
        }
        let parts: Vec<&str> = rows.iter().map(|row| row.as_str()).collect();
        // The first two groups are the same for every key, and the last is short.
        let places = words::places(ASKED_BACK, parts.len() - 3).map_err(|_| no_random())?;
        let is_same = |typed: &str, part: &str| {
            let typed = Passphrase::new(typed.to_owned()).folded();
            let same = |wanted: &str| {
                let typed = typed.expose().split_whitespace().flat_map(str::chars);
                let wanted = wanted.split_whitespace().flat_map(str::chars);
                typed.map(|c| c.to_ascii_uppercase()).eq(wanted)
            };
            same(part) || same(&part[..GROUP])
        };
        self.show_privately(&[&self.words(&text!("create-recovery-key"))])?;
        self.hand_over(&Paper {
            places: places.into_iter().map(|place| place + 2).collect(),
            parts,
            a_row: 1,
            question: |number| text!("prompt-recovery-group", number = number),
            is_same: &is_same,
        })
    }

    /// Shows the shares of a recovery key one by one, each to be written down for another person, and asks
    /// part of each back.
    ///
    /// # Errors
    /// As [`Console::hand_over_recovery_key`].
    pub fn hand_over_shares(&self, shares: &[Share], vault: &VaultId) -> Result<()> {
        for share in shares {
            let (count, threshold) = (shares.len(), share.threshold());
            let what = text!(
                "create-share",
                number = share.number(),
                count = count,
                threshold = threshold
            );
            self.show_privately(&[&self.words(&what)])?;
            let mut rows = Vec::with_capacity(shares::ROWS);
            for (row, check) in shares::rows(share, vault) {
                rows.push(Zeroizing::new(format!("{:<SHARE_ROW$}  {check}", *row)));
            }
            let parts: Vec<&str> = rows.iter().map(|row| row.as_str()).collect();
            // The first row begins as in every other share.
            let places = words::places(ASKED_BACK, parts.len() - 1).map_err(|_| no_random())?;
            self.hand_over(&Paper {
                places: places.into_iter().map(|place| place + 1).collect(),
                parts,
                a_row: 1,
                question: |number| text!("prompt-share-row", number = number),
                is_same: &is_same_row,
            })?;
        }
        Ok(())
    }

    /// Shows what is to be written down, and asks some of it back. The screen is clear meanwhile and
    /// afterwards, where it can be cleared.
    fn hand_over(&self, paper: &Paper<'_>) -> Result<()> {
        self.show_paper(paper)?;
        for place in &paper.places {
            self.ask_back(paper, *place)?;
        }
        system::clear_screen();
        Ok(())
    }

    fn show_paper(&self, paper: &Paper<'_>) -> Result<()> {
        self.show_privately(&[])?;
        for (row, parts) in paper.parts.chunks(paper.a_row).enumerate() {
            let first = row * paper.a_row;
            let mut columns = Vec::new();
            let numbers: Vec<String> = (first + 1..=first + parts.len())
                .map(|number| format!("  {number:>2}  "))
                .collect();
            for (number, part) in numbers.iter().zip(parts) {
                let blanks = WIDEST.get(part.len()..).unwrap_or_default();
                columns.extend([number.as_str(), *part, blanks]);
            }
            columns.pop();
            self.show_privately(&columns)?;
        }
        self.show_privately(&[])?;
        self.clear_when_read(&text!("prompt-written"))
    }

    /// Waits for Enter and clears the screen, with what was scrolled off it, where it can be cleared.
    ///
    /// # Errors
    /// Where nobody can be asked.
    pub fn clear_when_read(&self, question: &Text) -> Result<()> {
        if system::clears_screen() {
            self.ask(question)?;
            system::clear_screen();
        }
        Ok(())
    }

    fn ask_back(&self, paper: &Paper<'_>, place: usize) -> Result<()> {
        let mut tries = TRIES;
        while tries > 0 {
            let typed = self.ask(&(paper.question)(place + 1))?;
            if typed.is_empty() {
                self.show_paper(paper)?;
            } else if (paper.is_same)(&typed, paper.parts[place]) {
                return Ok(());
            } else {
                tries -= 1;
                self.remark(&text!("prompt-differ"));
            }
        }
        Err(Error::usage(text!("error-secret-differs")))
    }
}

/// Whether the words of a row of a share were typed, with its check or without; the first letters of a
/// word are enough.
fn is_same_row(typed: &str, part: &str) -> bool {
    let folded = Passphrase::new(typed.to_owned()).folded();
    let typed: Vec<&str> = folded.expose().split_whitespace().collect();
    let wanted: Vec<&str> = part.split_whitespace().collect();
    let is_check = |at: usize| at == shares::ROW;
    let same = |at: usize, typed: &str| match is_check(at) {
        true => wanted[at].eq_ignore_ascii_case(typed),
        false => word(typed) == Some(wanted[at]),
    };
    let counts = shares::ROW..=wanted.len();
    counts.contains(&typed.len()) && typed.iter().enumerate().all(|(at, typed)| same(at, typed))
}

/// A secret to be written on paper, part by part.
struct Paper<'s> {
    parts: Vec<&'s str>,
    /// How many stand in one row.
    a_row: usize,
    /// Which are asked back.
    places: Vec<usize>,
    question: fn(usize) -> Text,
    is_same: &'s dyn Fn(&str, &str) -> bool,
}

/// Why a text cannot be a passphrase.
pub fn unfit_reason(unfit: Unfit) -> Text {
    match unfit {
        Unfit::Empty => text!("prompt-empty"),
        Unfit::Character(c) => {
            text!("unfit-character", code = format!("U+{:04X}", u32::from(c)))
        }
        Unfit::Short => text!("unfit-short", least = LEAST_LENGTH),
        Unfit::Long => text!("unfit-long", most = MOST_BYTES),
        Unfit::Guessable => text!("unfit-guessable"),
    }
}

/// What somebody should know about the passphrase that was chosen: how it differs from what was
/// typed, and how long guessing it takes.
pub fn about_chosen(chosen: &Chosen) -> Vec<Text> {
    let mut about: Vec<Text> = chosen.changes.iter().map(changed).collect();
    about.push(estimate(chosen.strength));
    about
}

fn changed(change: &Change) -> Text {
    match change {
        Change::Width => text!("changed-width"),
        Change::Marks => text!("changed-marks"),
        Change::Blanks => text!("changed-blanks"),
    }
}

fn estimate(strength: Strength) -> Text {
    let whole = |hours: f64| hours as u64;
    let years = strength.years();
    let time = match strength.hours {
        hours if hours < 1.0 => text!("time-minutes"),
        hours if hours < 48.0 => text!("time-hours", count = whole(hours)),
        hours if years < 2.0 => text!("time-days", count = whole(hours / 24.0)),
        _ if years < 1_000_000.0 => text!("time-years", count = whole(years)),
        _ => text!("time-for-ever"),
    };
    if strength.is_weak() {
        text!("estimate-weak", time = time, parts = strength.parts)
    } else {
        text!("estimate", time = time)
    }
}

/// What may keep a secret from being typed again on another keyboard.
fn typing_traps(secret: &str) -> Vec<Text> {
    let mut traps = Vec::new();
    if !secret.is_ascii() {
        traps.push(text!("trap-not-ascii"));
    }
    // Keys that a Japanese and an English keyboard layout have in different places.
    if secret.contains([
        '@', '"', ':', '_', '^', '\\', '&', '\'', '(', ')', '=', '~', '`', '+', '*', '[', ']', '{',
        '}', '|',
    ]) {
        traps.push(text!("trap-layout"));
    }
    traps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traps_of_keyboards_are_pointed_out_when_a_secret_is_set() {
        let ids = |secret| {
            let traps = typing_traps(secret);
            traps.iter().map(|trap| trap.id).collect::<Vec<_>>()
        };
        assert_eq!(ids("correct horse battery staple"), Vec::<&str>::new());
        assert_eq!(ids("合言葉 is long"), ["trap-not-ascii"]);
        assert_eq!(ids("p@ss"), ["trap-layout"]);
    }

    #[test]
    fn a_weak_passphrase_is_estimated_with_its_reason_and_a_strong_one_without() {
        let id = |typed| {
            let chosen = passphrase::choose(typed).unwrap();
            about_chosen(&chosen).last().unwrap().id
        };
        assert_eq!(id("pass 1234567890 abcdef"), "estimate-weak");
        assert_eq!(id("alpha bravo charlie delta echo foxtrot"), "estimate");
    }
}
