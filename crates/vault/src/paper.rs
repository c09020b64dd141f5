//! The recovery key outside of the vault: in rows that are typed from paper, and as text in a file
//! or a square code. Both say whose vault it opens (docs/format.md, 3.1).

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::id::VaultId;
use super::identity::{ALPHABET, KEY_LENGTH, PREFIX, RecoveryKey};
use super::sign::PublicKey;

/// Characters of a row, its check not counted; the last row is shorter.
pub const ROW: usize = 6;
/// Characters of the check of a row.
pub const CHECK: usize = 2;
/// Rows of a key.
pub const ROWS: usize = KEY_LENGTH.div_ceil(ROW);

pub(crate) const OWNER: &str = "# owner ";

/// The rows of a key, the first is number 1: characters, and their check for this vault.
pub fn rows(key: &RecoveryKey, vault: &VaultId) -> Vec<(Zeroizing<String>, String)> {
    let text = key.text();
    let mut rows = Vec::with_capacity(ROWS);
    for (at, begin) in (0..text.len()).step_by(ROW).enumerate() {
        let row = &text[begin..text.len().min(begin + ROW)];
        rows.push((Zeroizing::new(row.to_owned()), check(vault, at + 1, row)));
    }
    rows
}

/// The check of a row in capitals: two characters of Bech32, ten bits of a SHA-256 over vault, number
/// and row. All rows together have 130 bits, which no other owner's vault matches.
pub fn check(vault: &VaultId, number: usize, row: &str) -> String {
    let mut hash = Sha256::new();
    for part in ["pfxvault-row v1", vault.as_str(), &number.to_string(), row] {
        hash.update(part.as_bytes());
        hash.update(b"\n");
    }
    let [first, second, ..]: [u8; 32] = hash.finalize().into();
    let bits = u16::from_be_bytes([first, second]);
    [bits >> 11, bits >> 6 & 31]
        .map(|five| char::from(ALPHABET[usize::from(five)]))
        .iter()
        .collect()
}

/// A recovery key as text: `# owner` and the owner's key, then the key. Stock `age -d -i` takes it as it is.
pub fn key_text(key: &RecoveryKey, owner: &PublicKey) -> Zeroizing<String> {
    let (owner, key) = (owner.to_string(), key.text());
    let parts = [OWNER, &owner, "\n", &key, "\n"];
    let length = parts.iter().map(|part| part.len()).sum();
    let mut text = Zeroizing::new(String::with_capacity(length));
    text.extend(parts);
    text
}

/// A recovery key that was read back.
#[derive(Debug)]
pub struct KeyText {
    /// The key.
    pub key: RecoveryKey,
    /// Whose vault it opens; nothing where that is not said.
    pub vault: Option<VaultId>,
}

/// A text with the beginning of a recovery key is none in itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WrongKey {
    /// The row on paper with the one wrong character, where it is only one.
    pub row: Option<usize>,
}

/// Finds the one recovery key in a text, with the owner's line above it; what else is around them may
/// be anything. `None` where nothing in it begins like a key.
///
/// # Errors
/// Where characters of what begins like one are wrong or missing.
pub fn find(text: &str) -> Option<Result<KeyText, WrongKey>> {
    let begins = || text.match_indices(PREFIX).map(|(begin, _)| begin);
    let key = |begin: usize| RecoveryKey::parse(text.get(begin..begin + KEY_LENGTH)?);
    let Some((begin, key)) = begins().find_map(|begin| Some((begin, key(begin)?))) else {
        // Words about keys have not as many characters behind it.
        let wrong = begins().find_map(|begin| wrong_key(&text[begin..]))?;
        return Some(Err(wrong));
    };
    let owner = |line: &str| PublicKey::parse(line.get(..OWNER_KEY)?);
    let owners = text[..begin].split(OWNER).skip(1).filter_map(owner);
    let vault = owners.last().map(|owner| VaultId::of(&owner));
    Some(Ok(KeyText { key, vault }))
}

fn wrong_key(text: &str) -> Option<WrongKey> {
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '-');
    let typed = &text[..end.unwrap_or(text.len())];
    let place = || RecoveryKey::wrong_place(typed).filter(|_| typed.len() == KEY_LENGTH);
    (typed.len() > KEY_LENGTH / 2).then(|| WrongKey {
        row: place().map(|place| place / ROW + 1),
    })
}

/// Characters of the owner's key: `ssh-ed25519` and 68 of base64.
pub(crate) const OWNER_KEY: usize = "ssh-ed25519 ".len() + 68;

#[cfg(test)]
mod tests {
    use super::super::identity::Owner;
    use super::*;

    #[test]
    fn a_key_comes_back_from_its_text_whatever_is_around_it_and_says_whose_it_is() {
        let (owner, key) = (Owner::generate().unwrap(), RecoveryKey::generate());
        let text = key_text(&key, &owner.key.public());
        for around in [
            text.to_string(),
            format!(
                "# words\r\n# more\r\n{}\r\n# end\r\n",
                text.replace('\n', "\r\n")
            ),
            format!("%PDF-1.7 /ActualText ({}) \n%%EOF", *text),
        ] {
            let found = find(&around).unwrap().unwrap();
            assert_eq!(*found.key.text(), *key.text());
            assert_eq!(found.vault, Some(owner.vault()));
        }
        let bare = find(&key.text()).unwrap().unwrap();
        assert_eq!(bare.vault, None);
        let row = |text: &str| find(text).unwrap().unwrap_err().row;
        assert_eq!(row(&text[..text.len() - 2]), None, "one is missing");
        let last = text.len() - 2;
        let other = if text.ends_with("Q\n") { "P" } else { "Q" };
        assert_eq!(row(&format!("{}{other}\n", &text[..last])), Some(ROWS));
        assert!(find("AGE-SECRET-KEY-1").is_none());
        assert!(find("a key begins with AGE-SECRET-KEY-1...").is_none());
    }

    #[test]
    fn a_row_is_checked_for_its_vault_its_number_and_each_of_its_characters() {
        let vault = VaultId::parse(&format!("SHA256:{}", "A".repeat(43))).unwrap();
        assert_eq!(check(&vault, 1, "AGE-SE"), "2E");
        let other = VaultId::parse(&format!("SHA256:B{}", "A".repeat(42))).unwrap();
        assert_ne!(check(&other, 1, "AGE-SE"), "2E");
        assert_ne!(check(&vault, 2, "AGE-SE"), "2E");
        assert_ne!(check(&vault, 1, "AGE-SF"), "2E");
        let key = RecoveryKey::generate();
        let rows = rows(&key, &vault);
        assert_eq!((rows.len(), rows[ROWS - 1].0.len()), (13, 2));
        assert!(rows.iter().all(|(_, check)| check.len() == CHECK));
    }
}
