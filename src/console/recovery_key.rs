//! The recovery key as it is typed from paper: row by row, each judged as it ends, or all at once.

use std::collections::BTreeSet;

use zeroize::Zeroizing;

use super::Console;
use super::prompt::TRIES;
use crate::error::{Error, Exit, Result};
use crate::message::Text;
use crate::text;
use secret::Passphrase;
use vault::id::VaultId;
use vault::identity::{ALPHABET, KEY_LENGTH, PREFIX, RecoveryKey};
use vault::paper::{self, CHECK, KeyText};

/// Characters of one group, which is a row on paper.
pub(super) const GROUP: usize = paper::ROW;
const OPTION: &str = "--recovery-key-file";

/// A key being typed. A group is judged by its check where that is typed, too, else by its characters
/// and its length; the whole by its checksum, which also tells where a single wrong character stands.
struct Typed {
    text: Zeroizing<String>,
    /// Whose vault it may be: what is on the media, less those that a check spoke against.
    vaults: BTreeSet<VaultId>,
    /// Groups that came with a check that is right.
    checked: BTreeSet<usize>,
    /// Whether any group came with a check.
    has_checks: bool,
}

impl Typed {
    fn new(vaults: &BTreeSet<VaultId>) -> Self {
        Self {
            text: Zeroizing::new(String::with_capacity(KEY_LENGTH)),
            vaults: vaults.clone(),
            checked: BTreeSet::new(),
            has_checks: false,
        }
    }

    /// The group that is typed next, counted from 1.
    fn group(&self) -> usize {
        self.text.len() / GROUP + 1
    }

    /// Whose vault the key is for, once every check of it said so.
    fn pin(&self) -> Option<VaultId> {
        let all = self.checked.len() == paper::ROWS && self.vaults.len() == 1;
        self.vaults.first().filter(|_| all).cloned()
    }

    /// Takes one group or more, each with its check or all without.
    ///
    /// # Errors
    /// What is wrong with them, and where; nothing of them is taken then.
    fn take(&mut self, typed: &str) -> Result<(), Text> {
        let folded = Passphrase::new(typed.to_owned()).folded();
        let mut upper = Zeroizing::new(String::with_capacity(folded.expose().len()));
        upper.extend(folded.expose().chars().map(|c| c.to_ascii_uppercase()));
        let before = self.text.len();
        let (vaults, checked) = (self.vaults.clone(), self.checked.clone());
        let taken = match self.with_checks(&upper) {
            Some(rows) => rows
                .into_iter()
                .try_for_each(|(row, check)| self.take_checked(row, check)),
            None => self.take_plain(&upper),
        };
        if taken.is_err() {
            self.text.truncate(before);
            (self.vaults, self.checked) = (vaults, checked);
        }
        taken
    }

    /// The groups of what was typed with the check of each; `None` where they came without.
    fn with_checks<'t>(&self, typed: &'t str) -> Option<Vec<(&'t str, &'t str)>> {
        let words: Vec<&str> = typed.split_whitespace().collect();
        let rows: Vec<(&str, &str)> = match words.as_slice() {
            [] => return None,
            [word] => vec![word.split_at_checked(word.len().checked_sub(CHECK)?)?],
            words => words
                .chunks(2)
                .map(|row| Some((row[0], *row.get(1)?)))
                .collect::<Option<_>>()?,
        };
        let mut end = self.text.len();
        for (row, check) in &rows {
            let length = GROUP.min(KEY_LENGTH.checked_sub(end)?);
            if row.len() != length || check.len() != CHECK {
                return None;
            }
            end += length;
        }
        // The last two groups without checks look like the last but one with a check.
        let ends = self.text.len() + typed.split_whitespace().map(str::len).sum::<usize>();
        let may_be_plain = !self.has_checks && ends == KEY_LENGTH && rows.len() == 1;
        let is_plain = may_be_plain && self.fitting(rows[0]).is_empty();
        (!is_plain).then_some(rows)
    }

    /// The vaults that the check of the next group is right for.
    fn fitting(&self, (row, check): (&str, &str)) -> BTreeSet<VaultId> {
        let is_right = |vault: &&VaultId| paper::check(vault, self.group(), row) == check;
        self.vaults.iter().filter(is_right).cloned().collect()
    }

    fn take_checked(&mut self, row: &str, check: &str) -> Result<(), Text> {
        self.refuse_unfit(row)?;
        let (group, fitting) = (self.group(), self.fitting((row, check)));
        if fitting.is_empty() && !self.vaults.is_empty() {
            return Err(text!("group-check", group = group));
        }
        if !fitting.is_empty() {
            self.checked.insert(group);
            self.vaults = fitting;
        }
        self.text.push_str(row);
        self.has_checks = true;
        Ok(())
    }

    fn take_plain(&mut self, typed: &str) -> Result<(), Text> {
        let mut new = Zeroizing::new(String::with_capacity(typed.len()));
        new.extend(typed.chars().filter(|c| !c.is_whitespace()));
        self.refuse_unfit(&new)?;
        let (before, after) = (self.text.len(), self.text.len() + new.len());
        let ends = after == KEY_LENGTH || after.is_multiple_of(GROUP);
        if new.is_empty() || after > KEY_LENGTH || !ends {
            return Err(wrong_length(before, after));
        }
        self.text.push_str(&new);
        Ok(())
    }

    /// Refuses what cannot stand behind what is there.
    fn refuse_unfit(&self, new: &str) -> Result<(), Text> {
        for (at, character) in new.chars().enumerate() {
            let place = self.text.len() + at;
            if !fits(place, character) {
                return Err(text!(
                    "group-character",
                    group = place / GROUP + 1,
                    place = place % GROUP + 1
                ));
            }
        }
        Ok(())
    }

    /// Leaves out a group, and gives back what came after it.
    fn without(&mut self, group: usize) -> Zeroizing<String> {
        let begin = (group - 1) * GROUP;
        let end = (begin + GROUP).min(self.text.len());
        let rest = Zeroizing::new(self.text[end..].to_owned());
        self.text.truncate(begin);
        self.checked.remove(&group);
        rest
    }
}

/// Whether a character may stand at a place of a key; beyond its end, the length tells.
fn fits(place: usize, character: char) -> bool {
    match PREFIX.as_bytes().get(place) {
        Some(wanted) => char::from(*wanted) == character,
        None => u8::try_from(character).is_ok_and(|byte| ALPHABET.contains(&byte)),
    }
}

fn wrong_length(before: usize, after: usize) -> Text {
    let group = after.saturating_sub(1) / GROUP + 1;
    if after == before {
        return text!(
            "group-empty",
            group = before / GROUP + 1,
            missing = KEY_LENGTH - before
        );
    }
    if after > KEY_LENGTH {
        return text!("group-too-much", count = after - KEY_LENGTH);
    }
    let length = GROUP.min(KEY_LENGTH - (group - 1) * GROUP);
    let typed = after - (group - 1) * GROUP;
    text!("group-short", group = group, typed = typed, length = length)
}

impl Console {
    /// Asks for the recovery key until `open` takes it, three times at most. `vaults` are those that it
    /// may be for: the checks on the paper tell which.
    ///
    /// # Errors
    /// As [`Console::secret_that_opens`].
    pub fn recovery_key_that_opens<T>(
        &self,
        vaults: &BTreeSet<VaultId>,
        open: impl Fn(&KeyText) -> Result<T>,
    ) -> Result<T> {
        self.progress(&text!("recovery-key-how", count = paper::ROWS));
        self.opened(|| self.recovery_key(vaults), open)
    }

    /// A whole key, right in itself; `None` after Ctrl-C.
    fn recovery_key(&self, vaults: &BTreeSet<VaultId>) -> Result<Option<KeyText>> {
        let mut typed = Typed::new(vaults);
        for _ in 0..TRIES {
            if !self.type_groups(&mut typed, KEY_LENGTH)? {
                return Ok(None);
            }
            if let Some(key) = RecoveryKey::parse(&typed.text) {
                let vault = typed.pin();
                return Ok(Some(KeyText { key, vault }));
            }
            let Some(place) = RecoveryKey::wrong_place(&typed.text) else {
                self.remark(&text!("key-several-wrong"));
                typed = Typed::new(vaults);
                continue;
            };
            let group = place / GROUP + 1;
            self.remark(&text!("key-group-wrong", group = group));
            let rest = typed.without(group);
            let until = typed.text.len() + GROUP.min(KEY_LENGTH - typed.text.len());
            if !self.type_groups(&mut typed, until)? {
                return Ok(None);
            }
            typed.text.push_str(&rest);
        }
        Err(typo())
    }

    /// Asks for one group after the other until so many characters are there; `false` after Ctrl-C.
    fn type_groups(&self, typed: &mut Typed, until: usize) -> Result<bool> {
        let mut tries = TRIES;
        while typed.text.len() < until {
            let question = text!("prompt-recovery-key", group = typed.group());
            let Some(group) = self.typed(&question, OPTION)? else {
                return Ok(false);
            };
            let taken = typed.take(&group);
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

fn typo() -> Error {
    Error::new(Exit::WrongSecret, text!("error-recovery-key-typo"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_taken_group_by_group_in_rows_or_whole() {
        let key = RecoveryKey::generate().text();
        for step in [6, 12, 24, 74] {
            let mut typed = Typed::new(&BTreeSet::new());
            for at in (0..key.len()).step_by(step) {
                let row = &key[at..key.len().min(at + step)];
                typed.take(&format!(" {} ", row.to_lowercase())).unwrap();
            }
            assert_eq!(*typed.text, *key);
        }
        let wide = |c: char| char::from_u32(u32::from(c) + 0xfee0).unwrap();
        let mut typed = Typed::new(&BTreeSet::new());
        typed
            .take(&key.chars().map(wide).collect::<String>())
            .unwrap();
        assert_eq!(*typed.text, *key);
    }

    fn vault(letter: char) -> VaultId {
        VaultId::parse(&format!("SHA256:{letter}{}", "A".repeat(42))).unwrap()
    }

    #[test]
    fn a_key_with_the_checks_of_its_paper_tells_whose_vault_it_opens_and_without_one_it_does_not() {
        let vaults = BTreeSet::from([vault('A'), vault('B')]);
        let key = RecoveryKey::generate();
        let rows = paper::rows(&key, &vault('B'));
        let lines: Vec<String> = rows
            .iter()
            .map(|(row, check)| format!("{} {check}", **row))
            .collect();
        let mut typed = Typed::new(&vaults);
        lines[..5]
            .iter()
            .for_each(|line| typed.take(&line.to_lowercase()).unwrap());
        typed.take(&lines[5].replace(' ', "")).unwrap();
        typed.take(&lines[6..12].join("  ")).unwrap();
        assert_eq!((typed.group(), typed.pin()), (13, None));
        typed.take(&lines[12]).unwrap();
        assert_eq!(
            (typed.text.as_str(), typed.pin()),
            (key.text().as_str(), Some(vault('B')))
        );

        // Without checks the last two rows look like one with a check.
        let mut typed = Typed::new(&vaults);
        let plain: Vec<&str> = rows[..11].iter().map(|(row, _)| row.as_str()).collect();
        typed.take(&plain.concat()).unwrap();
        let both = format!("{} {}", *rows[11].0, *rows[12].0);
        typed.take(&both).unwrap();
        assert_eq!(
            (typed.text.as_str(), typed.pin()),
            (key.text().as_str(), None)
        );

        // With checks they never do, nor where nobody knows whose vault it may be.
        for vaults in [vaults, BTreeSet::new()] {
            let mut typed = Typed::new(&vaults);
            typed.take(&lines[..11].join(" ")).unwrap();
            let is_known = !vaults.is_empty();
            assert_eq!(typed.take(&both).is_err(), is_known);
            if !is_known {
                continue;
            }
            assert_eq!(typed.group(), 12);
            typed.take(&lines[11..].join(" ")).unwrap();
            assert_eq!(typed.text.as_str(), key.text().as_str());
        }
    }

    #[test]
    fn a_row_whose_check_does_not_fit_is_named_as_it_is_typed_and_so_is_the_paper_of_another_vault()
    {
        let mut typed = Typed::new(&BTreeSet::from([vault('A')]));
        typed
            .take(&format!(
                "AGE-SE {}",
                paper::check(&vault('A'), 1, "AGE-SE")
            ))
            .unwrap();
        let check = paper::check(&vault('A'), 3, "EY-1QQ");
        typed.take("CRET-K").unwrap();
        assert_eq!(
            typed.take(&format!("EY-1QP{check}")).unwrap_err(),
            text!("group-check", group = 3_usize)
        );
        assert_eq!(*typed.text, "AGE-SECRET-K", "nothing wrong is taken");
        typed.take(&format!("EY-1QQ{check}")).unwrap();
        let mut typed = Typed::new(&BTreeSet::from([vault('A')]));
        let others = paper::check(&vault('B'), 1, "AGE-SE");
        assert_eq!(
            typed.take(&format!("AGE-SE {others}")).unwrap_err().id,
            "group-check"
        );
    }

    #[test]
    fn what_is_wrong_with_a_group_is_said_as_it_ends_and_where() {
        let mut typed = Typed::new(&BTreeSet::new());
        assert_eq!(typed.take("AGE-SF").unwrap_err().id, "group-character");
        assert_eq!(
            typed.take("AGE-S").unwrap_err(),
            text!("group-short", group = 1_u32, typed = 5_u32, length = 6_u32)
        );
        assert_eq!(typed.take("").unwrap_err().id, "group-empty");
        typed.take("AGE-SE CRET-K").unwrap();
        assert_eq!(typed.group(), 3);
        assert_eq!(
            typed.take("EY-1QB").unwrap_err(),
            text!("group-character", group = 3_u32, place = 6_u32)
        );
        assert_eq!(
            typed.take(&"Q".repeat(80)).unwrap_err().id,
            "group-character"
        );
        assert_eq!(
            typed
                .take(&format!("EY-1{}", "Q".repeat(60)))
                .unwrap_err()
                .id,
            "group-too-much"
        );
        assert_eq!(*typed.text, "AGE-SECRET-K", "nothing wrong is taken");
    }
}
