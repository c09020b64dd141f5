//! The recovery key as it is typed from paper: group by group, each judged as it ends, or all at once.

use zeroize::Zeroizing;

use super::Console;
use super::prompt::TRIES;
use crate::error::{Error, Exit, Result};
use crate::message::Text;
use crate::text;
use secret::Passphrase;
use vault::identity::{RecoveryKey, Secret};

/// Characters of one group.
pub(super) const GROUP: usize = 6;
/// Characters of a key: `AGE-SECRET-KEY-1` and 58 more.
const LENGTH: usize = BEGINNING.len() + 58;
const BEGINNING: &str = "AGE-SECRET-KEY-1";
/// What follows it (BIP 173).
const ALPHABET: &str = "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L";
const OPTION: &str = "--recovery-key-file";

/// A key being typed. It has no check for each group: a group is judged by its characters and its
/// length, the whole by its checksum, which also tells where a single wrong character stands.
struct Typed {
    text: Zeroizing<String>,
}

impl Typed {
    fn new() -> Self {
        let text = Zeroizing::new(String::with_capacity(LENGTH));
        Self { text }
    }

    /// The group that is typed next, counted from 1.
    fn group(&self) -> usize {
        self.text.len() / GROUP + 1
    }

    /// Takes one group or more.
    ///
    /// # Errors
    /// What is wrong with them, and where; nothing of them is taken then.
    fn take(&mut self, typed: &str) -> Result<(), Text> {
        let folded = Passphrase::new(typed.to_owned()).folded();
        let characters = folded.expose().chars().filter(|c| !c.is_whitespace());
        let mut new = Zeroizing::new(String::with_capacity(folded.expose().len()));
        new.extend(characters.map(|c| c.to_ascii_uppercase()));
        let before = self.text.len();
        for (at, character) in new.chars().enumerate() {
            if !fits(before + at, character) {
                let place = before + at;
                return Err(text!(
                    "group-character",
                    group = place / GROUP + 1,
                    place = place % GROUP + 1
                ));
            }
        }
        let after = before + new.len();
        let ends = after == LENGTH || after.is_multiple_of(GROUP);
        if new.is_empty() || after > LENGTH || !ends {
            return Err(wrong_length(before, after));
        }
        self.text.push_str(&new);
        Ok(())
    }

    /// Leaves out a group, and gives back what came after it.
    fn without(&mut self, group: usize) -> Zeroizing<String> {
        let begin = (group - 1) * GROUP;
        let end = (begin + GROUP).min(self.text.len());
        let rest = Zeroizing::new(self.text[end..].to_owned());
        self.text.truncate(begin);
        rest
    }
}

/// Whether a character may stand at a place of a key; beyond its end, the length tells.
fn fits(place: usize, character: char) -> bool {
    match BEGINNING.as_bytes().get(place) {
        Some(wanted) => char::from(*wanted) == character,
        None => ALPHABET.contains(character),
    }
}

fn wrong_length(before: usize, after: usize) -> Text {
    let group = after.saturating_sub(1) / GROUP + 1;
    if after == before {
        return text!(
            "group-empty",
            group = before / GROUP + 1,
            missing = LENGTH - before
        );
    }
    if after > LENGTH {
        return text!("group-too-much", count = after - LENGTH);
    }
    let length = GROUP.min(LENGTH - (group - 1) * GROUP);
    let typed = after - (group - 1) * GROUP;
    text!("group-short", group = group, typed = typed, length = length)
}

impl Console {
    /// Asks for the recovery key until `open` takes it, three times at most.
    ///
    /// # Errors
    /// As [`Console::secret_that_opens`].
    pub fn recovery_key_that_opens<T>(&self, open: impl Fn(&Secret) -> Result<T>) -> Result<T> {
        self.progress(&text!("recovery-key-how", count = LENGTH.div_ceil(GROUP)));
        self.opened(|| self.recovery_key(), open)
    }

    /// A whole key, right in itself; `None` after Ctrl-C.
    fn recovery_key(&self) -> Result<Option<Secret>> {
        let mut typed = Typed::new();
        for _ in 0..TRIES {
            if !self.type_groups(&mut typed, LENGTH)? {
                return Ok(None);
            }
            if let Some(key) = RecoveryKey::parse(&typed.text) {
                return Ok(Some(Secret::RecoveryKey(key)));
            }
            let Some(place) = RecoveryKey::wrong_place(&typed.text) else {
                self.remark(&text!("key-several-wrong"));
                typed = Typed::new();
                continue;
            };
            let group = place / GROUP + 1;
            self.remark(&text!("key-group-wrong", group = group));
            let rest = typed.without(group);
            let until = typed.text.len() + GROUP.min(LENGTH - typed.text.len());
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
            let mut typed = Typed::new();
            for at in (0..key.len()).step_by(step) {
                let row = &key[at..key.len().min(at + step)];
                typed.take(&format!(" {} ", row.to_lowercase())).unwrap();
            }
            assert_eq!(*typed.text, *key);
        }
        let wide = |c: char| char::from_u32(u32::from(c) + 0xfee0).unwrap();
        let mut typed = Typed::new();
        typed
            .take(&key.chars().map(wide).collect::<String>())
            .unwrap();
        assert_eq!(*typed.text, *key);
    }

    #[test]
    fn what_is_wrong_with_a_group_is_said_as_it_ends_and_where() {
        let mut typed = Typed::new();
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
