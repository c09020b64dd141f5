//! Generated secrets: passphrases for people, passwords for files.

use zeroize::Zeroizing;

use crate::{Passphrase, Password};

const PASSPHRASE_WORDS: usize = 10;
/// 25 of 62 characters: 148 bits. Letters and digits only, because not every reader of a PFX takes
/// others.
const PASSWORD_LENGTH: usize = 25;
const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// Ten words of the EFF's long list, 129 bits.
///
/// # Errors
/// When the system has no random numbers.
pub fn passphrase() -> Result<Passphrase, getrandom::Error> {
    let list = diceware_wordlists::EFF_LONG_WORDLIST;
    let mut text = String::with_capacity(PASSPHRASE_WORDS * 16);
    for n in 0..PASSPHRASE_WORDS {
        if n > 0 {
            text.push(' ');
        }
        text.push_str(list[below(list.len())?]);
    }
    Ok(Passphrase::new(text))
}

/// A password that no one needs to remember.
///
/// # Errors
/// When the system has no random numbers.
pub fn password() -> Result<Password, getrandom::Error> {
    let mut text = String::with_capacity(PASSWORD_LENGTH);
    for _ in 0..PASSWORD_LENGTH {
        text.push(char::from(ALPHABET[below(ALPHABET.len())?]));
    }
    Ok(Password::new(text))
}

/// An evenly distributed number below `bound` (at most 65 536): draws that would favour small ones
/// are thrown away.
fn below(bound: usize) -> Result<usize, getrandom::Error> {
    let limit = 65_536 - 65_536 % bound;
    let mut draw = Zeroizing::new([0; 2]);
    loop {
        getrandom::fill(&mut *draw)?;
        let value = usize::from(u16::from_le_bytes(*draw));
        if value < limit {
            return Ok(value % bound);
        }
    }
}

/// `count` different places below `bound`, in order: which parts of a written secret to ask back.
///
/// # Errors
/// When the system has no random numbers.
pub fn places(count: usize, bound: usize) -> Result<Vec<usize>, getrandom::Error> {
    let mut places = std::collections::BTreeSet::new();
    while places.len() < count.min(bound) {
        places.insert(below(bound)?);
    }
    Ok(places.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_passphrase_is_ten_lower_case_words() {
        let phrase = passphrase().unwrap();
        let words: Vec<_> = phrase.expose().split(' ').collect();
        assert_eq!(words.len(), 10);
        assert!(words.iter().all(
            |word| word.len() > 2 && word.bytes().all(|b| b.is_ascii_lowercase() || b == b'-')
        ));
        assert!(!phrase.same_as(&passphrase().unwrap()));
    }

    #[test]
    fn a_password_is_printable_and_never_the_same() {
        let one = password().unwrap();
        assert_eq!(one.expose().len(), 25);
        assert!(one.expose().bytes().all(|b| b.is_ascii_alphanumeric()));
        assert!(!one.same_as(&password().unwrap()));
    }

    #[test]
    fn every_place_below_a_bound_is_drawn() {
        let mut seen = [false; 5];
        (0..500).for_each(|_| seen[below(5).unwrap()] = true);
        assert_eq!(seen, [true; 5]);
    }
}
