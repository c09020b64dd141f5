//! A server's name is bound to its key without being readable on a medium: the owner's statement has
//! a salted hash of it, and salt and name are in the sealed catalog (docs/format.md, section 4.2).

use serde::{Deserialize, Serialize};

use super::id::Hash;

/// Random bytes, in lower-case hex, without which nobody can try names against a hash of one.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NameSalt(String);

/// Longest name, in bytes of UTF-8.
pub const MAX_NAME: usize = 64;

/// Whether a server may be called so: something that can be seen, of at most [`MAX_NAME`] bytes, without
/// control characters.
pub fn is_name(name: &str) -> bool {
    let is_short = name.len() <= MAX_NAME && !name.trim().is_empty();
    is_short && !name.chars().any(char::is_control)
}

/// Characters of a salt.
const LENGTH: usize = 32;

impl NameSalt {
    /// A new one.
    ///
    /// # Errors
    /// When the system has no random numbers.
    pub fn generate() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; LENGTH / 2];
        getrandom::fill(&mut bytes)?;
        Ok(Self(data_encoding::HEXLOWER.encode(&bytes)))
    }

    /// Parses the hex; `None` for any other spelling.
    pub fn parse(text: &str) -> Option<Self> {
        let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        (text.len() == LENGTH && text.bytes().all(is_hex)).then(|| Self(text.to_owned()))
    }

    /// What the owner signs of a name: SHA-256 of the salt's hex and the name's UTF-8. The salt has one
    /// length, so no other name and salt give the same text.
    pub fn bind(&self, name: &str) -> Hash {
        Hash::of(format!("{}{name}", self.0).as_bytes())
    }
}

impl std::fmt::Display for NameSalt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for NameSalt {
    type Error = super::id::NotInForm;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text).ok_or(super::id::NotInForm)
    }
}

impl From<NameSalt> for String {
    fn from(salt: NameSalt) -> Self {
        salt.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_salt_has_one_spelling_and_tells_names_apart() {
        let salt = NameSalt::generate().unwrap();
        assert_eq!(NameSalt::parse(&salt.to_string()), Some(salt.clone()));
        assert_ne!(salt.bind("WEB01"), salt.bind("WEB02"));
        assert_ne!(
            salt.bind("WEB01"),
            NameSalt::generate().unwrap().bind("WEB01")
        );
        for wrong in [
            "",
            &"0".repeat(31),
            &"0".repeat(33),
            &"A".repeat(32),
            &"g".repeat(32),
        ] {
            assert_eq!(NameSalt::parse(wrong), None, "{wrong}");
        }
    }
}
