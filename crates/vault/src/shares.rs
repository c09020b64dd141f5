//! A recovery key in shares, of which any K open the vault: on paper in rows of words, and as text in a
//! file or a square code. Both say whose vault they open (docs/format.md, 3.2).

use zeroize::Zeroizing;

use super::id::VaultId;
use super::identity::RecoveryKey;
use super::paper::{KeyText, OWNER, OWNER_KEY, check};
use super::sign::PublicKey;
use secret::shares::{self, Share, Shares, WrongShare};

/// Words of a share of a recovery key.
pub const WORDS: usize = 33;
/// Words of a row.
pub const ROW: usize = 3;
/// Rows of a share.
pub const ROWS: usize = WORDS / ROW;

/// Splits a recovery key into shares of which any `threshold` give it back.
///
/// # Errors
/// When the system has no random numbers.
pub fn split(key: &RecoveryKey, threshold: u8, count: u8) -> Result<Vec<Share>, getrandom::Error> {
    shares::split(&key.bytes(), threshold, count)
}

/// The rows of a share, the first is number 1: words with a blank between them, and their check for
/// this vault.
pub fn rows(share: &Share, vault: &VaultId) -> Vec<(Zeroizing<String>, String)> {
    let text = share.text();
    let words: Vec<&str> = text.split(' ').collect();
    let mut rows = Vec::with_capacity(ROWS);
    for (at, words) in words.chunks(ROW).enumerate() {
        let row = Zeroizing::new(words.join(" "));
        let check = check(vault, at + 1, &row);
        rows.push((row, check));
    }
    rows
}

/// A share as text: `# owner` and the owner's key, then the words.
pub fn text(share: &Share, owner: &PublicKey) -> Zeroizing<String> {
    let (owner, words) = (owner.to_string(), share.text());
    let parts = [OWNER, &owner, "\n", &words, "\n"];
    let length = parts.iter().map(|part| part.len()).sum();
    let mut text = Zeroizing::new(String::with_capacity(length));
    text.extend(parts);
    text
}

/// A share that was read back.
#[derive(Debug)]
pub struct ShareText {
    /// The share.
    pub share: Share,
    /// Whose vault it opens; nothing where that is not said.
    pub vault: Option<VaultId>,
}

/// Finds the share behind an owner's line in a text; what else is around them may be anything. `None`
/// where none is there.
///
/// # Errors
/// What is wrong with the words behind that line.
pub fn find(text: &str) -> Option<Result<ShareText, WrongShare>> {
    text.split(OWNER).skip(1).find_map(behind_owner)
}

fn behind_owner(text: &str) -> Option<Result<ShareText, WrongShare>> {
    let vault = PublicKey::parse(text.get(..OWNER_KEY)?).map(|owner| VaultId::of(&owner))?;
    let mut words = Zeroizing::new(String::with_capacity(WORDS * 9));
    let behind = text[OWNER_KEY..].split(|c: char| !c.is_ascii_alphanumeric());
    for word in behind.filter(|word| !word.is_empty()).take(WORDS) {
        words.push_str(word);
        words.push(' ');
    }
    let beginning = words.split(' ').take(ROW);
    // One of them may be mistyped; the text of a recovery key begins with one word of the list.
    let is_share = beginning.filter_map(shares::word).count() + 1 >= ROW;
    is_share.then(|| {
        let share = Share::parse(&words)?;
        let vault = Some(vault);
        Ok(ShareText { share, vault })
    })
}

/// Why a share is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unfit {
    /// It is of another set, or of another vault.
    Foreign,
    /// This number is there already.
    Double,
}

/// The shares that are given, and whose vault they say they open.
#[derive(Debug, Default)]
pub struct ShareSet {
    shares: Shares,
    vaults: Vec<Option<VaultId>>,
}

impl ShareSet {
    /// Takes one more.
    ///
    /// # Errors
    /// Where it does not go with the others; it is not taken then.
    pub fn add(&mut self, given: ShareText) -> Result<(), Unfit> {
        let differs = |vault: &VaultId| given.vault.as_ref().is_some_and(|other| other != vault);
        if self.vaults.iter().flatten().any(differs) {
            return Err(Unfit::Foreign);
        }
        self.shares.add(given.share).map_err(|unfit| match unfit {
            shares::Unfit::Foreign => Unfit::Foreign,
            shares::Unfit::Double => Unfit::Double,
        })?;
        self.vaults.push(given.vault);
        Ok(())
    }

    /// Those that are there.
    pub fn given(&self) -> &[Share] {
        self.shares.given()
    }

    /// How many are missing; nothing where none is there.
    pub fn missing(&self) -> Option<usize> {
        self.shares.missing()
    }

    /// The recovery key, and whose vault it opens where every share said the same: one holder alone
    /// cannot say it for the others. `None` where shares are missing, or do not make a key.
    pub fn key(&self) -> Option<KeyText> {
        let key = RecoveryKey::of_bytes(&self.shares.secret(b"")?)?;
        let all_say_it = self.vaults.iter().all(Option::is_some);
        let vault = self
            .vaults
            .first()
            .cloned()
            .flatten()
            .filter(|_| all_say_it);
        Some(KeyText { key, vault })
    }
}

#[cfg(test)]
mod tests {
    use super::super::identity::Owner;
    use super::*;

    fn again(share: &Share, vault: Option<VaultId>) -> ShareText {
        let share = Share::parse(&share.text()).unwrap();
        ShareText { share, vault }
    }

    #[test]
    fn shares_give_the_key_and_say_whose_vault_it_opens_only_if_each_of_them_does() {
        let (owner, key) = (Owner::generate().unwrap(), RecoveryKey::generate());
        let shares = split(&key, 2, 3).unwrap();
        for (vaults, said) in [
            ([true, true], true),
            ([true, false], false),
            ([false; 2], false),
        ] {
            let mut set = ShareSet::default();
            for (share, is_said) in shares[1..].iter().zip(vaults) {
                assert!(set.key().is_none());
                set.add(again(share, is_said.then(|| owner.vault())))
                    .unwrap();
            }
            let found = set.key().unwrap();
            assert_eq!(*found.key.text(), *key.text());
            assert_eq!(found.vault, said.then(|| owner.vault()));
        }
        let other = Owner::generate().unwrap().vault();
        let mut set = ShareSet::default();
        set.add(again(&shares[0], Some(owner.vault()))).unwrap();
        let foreign = set.add(again(&shares[1], Some(other)));
        assert_eq!(foreign, Err(Unfit::Foreign), "the same set, another vault");
        assert_eq!(set.add(again(&shares[0], None)), Err(Unfit::Double));
    }

    #[test]
    fn a_share_comes_back_from_its_text_whatever_is_around_it_and_a_wrong_word_is_named() {
        let (owner, key) = (Owner::generate().unwrap(), RecoveryKey::generate());
        let share = &split(&key, 2, 3).unwrap()[2];
        let written = text(share, &owner.key.public());
        for around in [
            written.to_string(),
            format!("# words\r\n{}\r\n# end\r\n", written.replace('\n', "\r\n")),
            format!("%PDF-1.7 ({}) /ActualText", written.replace('\n', " ")),
        ] {
            let found = find(&around).unwrap().unwrap();
            assert_eq!(*found.share.text(), *share.text());
            assert_eq!(found.vault, Some(owner.vault()));
        }
        let words = share.text();
        let last = words.rsplit(' ').next().unwrap();
        let wrong = written.replace(&format!(" {last}\n"), " wrong\n");
        assert_eq!(
            find(&wrong).unwrap().unwrap_err(),
            WrongShare::Word(WORDS - 1)
        );
        assert!(find(&words).is_none(), "nothing says that it is one");
        let key = super::super::paper::key_text(&key, &owner.key.public());
        assert!(find(&key).is_none());
    }

    #[test]
    fn a_share_has_eleven_rows_of_three_words_each_with_its_check() {
        let vault = VaultId::parse(&format!("SHA256:{}", "A".repeat(43))).unwrap();
        let share = &split(&RecoveryKey::generate(), 3, 5).unwrap()[0];
        let rows = rows(share, &vault);
        let words: Vec<&str> = rows.iter().map(|(row, _)| row.as_str()).collect();
        assert_eq!(
            (rows.len(), words.join(" ")),
            (11, share.text().to_string())
        );
        assert_eq!(rows[4].1, check(&vault, 5, words[4]));
    }
}
