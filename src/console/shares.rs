//! Shares as they are typed from paper: row by row, each judged as it ends.

use std::collections::BTreeSet;

use zeroize::Zeroizing;

use super::Console;
use super::prompt::TRIES;
use crate::error::{Error, Exit, Result};
use crate::message::Text;
use crate::text;
use secret::Passphrase;
use secret::shares::{Share, WrongShare, word};
use vault::id::VaultId;
use vault::paper::{self, CHECK, KeyText};
use vault::shares::{ROW, ROWS, ShareSet, ShareText, Unfit, WORDS};

const OPTION: &str = "--share-file";

/// A share being typed. A row is judged by its check where that is typed, too, else by its words; the
/// whole by its checksum.
struct TypedShare {
    words: Vec<&'static str>,
    /// What every share of the set begins with, once one is there.
    beginning: Option<[&'static str; 2]>,
    /// Whose vault it may be: what is on the media, less those that a check spoke against.
    vaults: BTreeSet<VaultId>,
    /// Rows that came with a check that is right.
    checked: BTreeSet<usize>,
}

impl TypedShare {
    fn new(vaults: &BTreeSet<VaultId>, beginning: Option<[&'static str; 2]>) -> Self {
        Self {
            words: Vec::with_capacity(WORDS),
            beginning,
            vaults: vaults.clone(),
            checked: BTreeSet::new(),
        }
    }

    /// The row that is typed next, counted from 1.
    fn row(&self) -> usize {
        self.words.len() / ROW + 1
    }

    fn text(&self) -> Zeroizing<String> {
        Zeroizing::new(self.words.join(" "))
    }

    /// Whose vault the share is for, once every check of it said so.
    fn pin(&self) -> Option<VaultId> {
        let all = self.checked.len() == ROWS && self.vaults.len() == 1;
        self.vaults.first().filter(|_| all).cloned()
    }

    /// Takes one row or more, each with its check or without.
    ///
    /// # Errors
    /// What is wrong with them, and where; what stands before that is taken.
    fn take(&mut self, typed: &str) -> Result<(), Text> {
        let folded = Passphrase::new(typed.to_owned()).folded();
        let typed: Vec<&str> = folded.expose().split_whitespace().collect();
        if typed.is_empty() {
            let missing = WORDS - self.words.len();
            return Err(text!("share-empty", row = self.row(), missing = missing));
        }
        let mut rest = typed.as_slice();
        while !rest.is_empty() {
            let row = &rest[..rest.len().min(ROW)];
            rest = &rest[row.len()..];
            let check = rest.first().filter(|next| next.len() == CHECK);
            rest = &rest[usize::from(check.is_some())..];
            self.take_row(row, check.copied())?;
        }
        Ok(())
    }

    fn take_row(&mut self, typed: &[&str], check: Option<&str>) -> Result<(), Text> {
        let row = self.row();
        if row > ROWS {
            return Err(text!("share-too-much"));
        }
        let mut words = Vec::with_capacity(ROW);
        for (at, typed) in typed.iter().enumerate() {
            let place = at + 1;
            let word = word(typed).ok_or_else(|| text!("share-word", row = row, place = place));
            words.push(word?);
        }
        if words.len() != ROW {
            return Err(text!("share-short", row = row, typed = words.len()));
        }
        if let Some(beginning) = self
            .beginning
            .filter(|known| row == 1 && *known != words[..2])
        {
            let [first, second] = beginning;
            return Err(text!("share-foreign", first = first, second = second));
        }
        if let Some(check) = check {
            self.judge(row, &words.join(" "), &check.to_ascii_uppercase())?;
        }
        self.words.extend(words);
        Ok(())
    }

    fn judge(&mut self, row: usize, words: &str, check: &str) -> Result<(), Text> {
        let is_right = |vault: &&VaultId| paper::check(vault, row, words) == check;
        let fitting: BTreeSet<VaultId> = self.vaults.iter().filter(is_right).cloned().collect();
        if !fitting.is_empty() {
            self.checked.insert(row);
            self.vaults = fitting;
        } else if !self.vaults.is_empty() {
            return Err(text!("share-check", row = row));
        }
        Ok(())
    }

    /// Leaves out a row, and gives back what came after it.
    fn without(&mut self, row: usize) -> Vec<&'static str> {
        let begin = (row - 1) * ROW;
        let rest = self.words.split_off(begin + ROW);
        self.words.truncate(begin);
        self.checked.remove(&row);
        rest
    }
}

impl Console {
    /// Asks for as many shares as a set needs, and opens with them. `vaults` are those that they may be
    /// for: the checks on the papers tell which.
    ///
    /// # Errors
    /// As [`Console::secret_that_opens`].
    pub fn shares_that_open<T>(
        &self,
        vaults: &BTreeSet<VaultId>,
        open: impl Fn(&KeyText) -> Result<T>,
    ) -> Result<T> {
        self.progress(&text!("shares-how", rows = ROWS));
        self.opened(|| self.shares(vaults), open)
    }

    /// A set that makes a key; `None` after Ctrl-C.
    fn shares(&self, vaults: &BTreeSet<VaultId>) -> Result<Option<KeyText>> {
        let mut set = ShareSet::default();
        let mut tries = TRIES;
        while set.missing() != Some(0) {
            let Some(share) = self.share(vaults, &set)? else {
                return Ok(None);
            };
            let number = share.share.number();
            match set.add(share) {
                Ok(()) => {
                    tries = TRIES;
                    let missing = set.missing().unwrap_or(0);
                    let taken = text!("share-taken", number = number, missing = missing);
                    self.progress(&taken);
                    continue;
                }
                Err(Unfit::Double) => self.remark(&text!("share-double", number = number)),
                Err(Unfit::Foreign) => self.remark(&text!("share-of-other", number = number)),
            }
            tries -= 1;
            if tries == 0 {
                return Err(typo());
            }
        }
        let unfit = || Error::new(Exit::WrongSecret, text!("error-shares-unfit"));
        set.key().ok_or_else(unfit).map(Some)
    }

    /// A whole share, right in itself; `None` after Ctrl-C.
    fn share(&self, vaults: &BTreeSet<VaultId>, set: &ShareSet) -> Result<Option<ShareText>> {
        let beginning = set.given().first().and_then(beginning_of);
        let mut typed = TypedShare::new(vaults, beginning);
        for _ in 0..TRIES {
            if !self.type_rows(&mut typed, set, ROWS)? {
                return Ok(None);
            }
            let wrong = match Share::parse(&typed.text()) {
                Ok(share) => {
                    let vault = typed.pin();
                    return Ok(Some(ShareText { share, vault }));
                }
                Err(wrong) => wrong,
            };
            let WrongShare::Checksum(Some(place)) = wrong else {
                self.remark(&text!("share-several-wrong"));
                typed = TypedShare::new(vaults, beginning);
                continue;
            };
            let row = place / ROW + 1;
            self.remark(&text!("share-row-wrong", row = row));
            let rest = typed.without(row);
            if !self.type_rows(&mut typed, set, row)? {
                return Ok(None);
            }
            typed.words.extend(rest);
        }
        Err(typo())
    }

    /// Asks for one row after the other until so many are there; `false` after Ctrl-C.
    fn type_rows(&self, typed: &mut TypedShare, set: &ShareSet, until: usize) -> Result<bool> {
        let mut tries = TRIES;
        while typed.row() <= until {
            let question = text!(
                "prompt-share",
                share = set.given().len() + 1,
                of = set.given().first().map_or(0, Share::threshold),
                row = typed.row()
            );
            let Some(row) = self.typed(&question, OPTION)? else {
                return Ok(false);
            };
            let taken = typed.take(&row);
            tries = if taken.is_ok() { TRIES } else { tries - 1 };
            if let Err(why) = taken {
                self.remark(&why);
            }
            if tries == 0 {
                return Err(typo());
            }
        }
        Ok(true)
    }
}

/// The first two words, which all shares of a set have in common.
fn beginning_of(share: &Share) -> Option<[&'static str; 2]> {
    let text = share.text();
    let mut words = text.split(' ').filter_map(word);
    Some([words.next()?, words.next()?])
}

fn typo() -> Error {
    Error::new(Exit::WrongSecret, text!("error-shares-typo"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use vault::identity::RecoveryKey;
    use vault::shares::{rows, split};

    fn vault(letter: char) -> VaultId {
        VaultId::parse(&format!("SHA256:{letter}{}", "A".repeat(42))).unwrap()
    }

    fn share() -> Share {
        split(&RecoveryKey::generate(), 2, 3).unwrap().remove(1)
    }

    fn lines(share: &Share) -> Vec<String> {
        let rows = rows(share, &vault('B'));
        let line = |(row, check): (Zeroizing<String>, String)| format!("{} {check}", *row);
        rows.into_iter().map(line).collect()
    }

    #[test]
    fn a_share_is_taken_in_rows_or_whole_and_its_checks_tell_whose_vault_it_opens() {
        let (vaults, share) = (BTreeSet::from([vault('A'), vault('B')]), share());
        for step in [1, 3, 11] {
            let mut typed = TypedShare::new(&vaults, None);
            for lines in lines(&share).chunks(step) {
                typed.take(&lines.join("  ").to_uppercase()).unwrap();
            }
            assert_eq!(
                (typed.text(), typed.pin()),
                (share.text(), Some(vault('B')))
            );
        }
        let mut typed = TypedShare::new(&vaults, beginning_of(&share));
        let short = share.text();
        let short = short.split(' ').map(|word| &word[..4]);
        typed.take(&short.collect::<Vec<_>>().join(" ")).unwrap();
        assert_eq!((typed.text(), typed.pin()), (share.text(), None));
    }

    #[test]
    fn what_is_wrong_with_a_row_is_said_as_it_ends() {
        let (vaults, share) = (BTreeSet::from([vault('B')]), share());
        let lines = lines(&share);
        let mut typed = TypedShare::new(&vaults, Some(["acid", "acne"]));
        assert_eq!(typed.take(&lines[0]).unwrap_err().id, "share-foreign");
        let mut typed = TypedShare::new(&vaults, beginning_of(&share));
        assert_eq!(typed.take(" ").unwrap_err().id, "share-empty");
        typed.take(&lines[0]).unwrap();
        let (words, check) = lines[1].rsplit_once(' ').unwrap();
        assert_eq!(
            typed.take(&words.replacen(' ', " wrong ", 1)).unwrap_err(),
            text!("share-word", row = 2_usize, place = 2_usize)
        );
        assert_eq!(
            typed.take(words.split_once(' ').unwrap().1).unwrap_err(),
            text!("share-short", row = 2_usize, typed = 2_usize)
        );
        let other = if check == "QQ" { "PP" } else { "QQ" };
        assert_eq!(
            typed.take(&format!("{words} {other}")).unwrap_err(),
            text!("share-check", row = 2_usize)
        );
        assert_eq!(typed.row(), 2, "nothing wrong is taken");
        typed.take(&lines[1..].join(" ")).unwrap();
        assert_eq!(typed.take(&lines[0]).unwrap_err().id, "share-too-much");
    }
}
