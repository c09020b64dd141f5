//! The names and numbers of the format, each parsed once and strictly: hashes, servers, vaults,
//! generation numbers.

use std::fmt;
use std::ops::RangeInclusive;

use data_encoding::{BASE32_NOPAD, HEXLOWER};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// A text or number that is not in the one form of what it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not in its one form")]
pub struct NotInForm;

/// In JSON, each is the text that it has everywhere else.
macro_rules! text_in_json {
    ($($name:ident),*) => {$(
        impl TryFrom<String> for $name {
            type Error = NotInForm;

            fn try_from(text: String) -> Result<Self, NotInForm> {
                Self::parse(&text).ok_or(NotInForm)
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.to_string()
            }
        }
    )*};
}

text_in_json!(Hash, ServerId, VaultId, GenerationId);

#[cfg(feature = "schema")]
mod schema {
    use schemars::{JsonSchema, Schema, SchemaGenerator};
    use std::borrow::Cow;

    macro_rules! as_in_json {
        ($($name:ident is $form:ty),*) => {$(
            impl JsonSchema for super::$name {
                fn schema_name() -> Cow<'static, str> {
                    <$form>::schema_name()
                }

                fn json_schema(generator: &mut SchemaGenerator) -> Schema {
                    <$form>::json_schema(generator)
                }

                fn inline_schema() -> bool {
                    true
                }
            }
        )*};
    }

    as_in_json!(Hash is String, ServerId is String, VaultId is String, GenerationId is String, Number is u32);
}

impl TryFrom<u32> for Number {
    type Error = NotInForm;

    fn try_from(value: u32) -> Result<Self, NotInForm> {
        Self::new(value).ok_or(NotInForm)
    }
}

impl From<Number> for u32 {
    fn from(number: Number) -> Self {
        number.get()
    }
}

/// SHA-256 of a file, 64 lower-case hexadecimal digits in text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Hash([u8; 32]);

impl Hash {
    /// Hashes a file's bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// Parses exactly 64 lower-case digits.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = HEXLOWER.decode(text.as_bytes()).ok()?;
        Some(Self(bytes.try_into().ok()?))
    }

    /// The first four digits, for people (`42/3f2a`).
    pub fn short(&self) -> String {
        HEXLOWER.encode(&self.0[..2])
    }
}

impl From<[u8; 32]> for Hash {
    fn from(digest: [u8; 32]) -> Self {
        Self(digest)
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hash({self})")
    }
}

/// A server: the first 8 base32 characters of the SHA-256 of its SSH public key blob.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ServerId([u8; 8]);

impl ServerId {
    /// The id that belongs to a key.
    pub fn of(key: &super::sign::PublicKey) -> Self {
        let text = BASE32_NOPAD.encode(&Sha256::digest(key.blob()));
        let mut id = [0; 8];
        id.copy_from_slice(&text.as_bytes()[..8]);
        Self(id)
    }

    /// Parses 8 upper-case base32 characters.
    pub fn parse(text: &str) -> Option<Self> {
        let id: [u8; 8] = text.as_bytes().try_into().ok()?;
        id.iter().all(|byte| is_base32(*byte)).then_some(Self(id))
    }
}

/// Whether a byte is a letter of the RFC 4648 base32 alphabet.
pub fn is_base32(byte: u8) -> bool {
    matches!(byte, b'A'..=b'Z' | b'2'..=b'7')
}

impl fmt::Display for ServerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.0).unwrap_or("????????"))
    }
}

impl fmt::Debug for ServerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ServerId({self})")
    }
}

/// A vault, which is its owner's key: `SHA256:` and 43 characters, as `ssh-keygen -l` prints it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct VaultId(String);

impl VaultId {
    /// The fingerprint of an owner's key.
    pub fn of(key: &super::sign::PublicKey) -> Self {
        let digest = Sha256::digest(key.blob());
        Self(format!(
            "SHA256:{}",
            data_encoding::BASE64_NOPAD.encode(&digest)
        ))
    }

    /// Parses `SHA256:` and 43 characters of unpadded, canonical base64.
    pub fn parse(text: &str) -> Option<Self> {
        let digest = data_encoding::BASE64_NOPAD
            .decode(text.strip_prefix("SHA256:")?.as_bytes())
            .ok()?;
        (digest.len() == 32).then(|| Self(text.to_owned()))
    }

    /// The text form.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for VaultId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A generation's number: decimal, 1 to 99 999 999, no leading zero in text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct Number(u32);

impl Number {
    /// The first generation's.
    pub const FIRST: Self = Self(1);
    /// Nothing follows it.
    pub const LAST: Self = Self(99_999_999);

    /// A number within the range.
    pub fn new(value: u32) -> Option<Self> {
        (1..=Self::LAST.0).contains(&value).then_some(Self(value))
    }

    /// Parses the text form.
    pub fn parse(text: &str) -> Option<Self> {
        let plain = !text.starts_with('0')
            && text.len() <= 8
            && text.bytes().all(|byte| byte.is_ascii_digit());
        plain.then(|| text.parse().ok().and_then(Self::new))?
    }

    /// Parses a folder's name: eight digits, padded with zeros.
    pub fn parse_folder(text: &str) -> Option<Self> {
        let plain = text.len() == 8 && text.bytes().all(|byte| byte.is_ascii_digit());
        plain.then(|| text.parse().ok().and_then(Self::new))?
    }

    /// The folder's name.
    pub fn folder(self) -> String {
        format!("{:08}", self.0)
    }

    /// The next number, if there is one.
    pub fn next(self) -> Option<Self> {
        Self::new(self.0 + 1)
    }

    /// The plain value.
    pub fn get(self) -> u32 {
        self.0
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// A generation as media keep it, by its server and number: `SERVER8/42` in text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct GenerationId {
    /// Its server.
    pub server: ServerId,
    /// Its number.
    pub number: Number,
}

impl GenerationId {
    /// All that a server can have.
    pub fn all_of(server: ServerId) -> RangeInclusive<Self> {
        let at = |number| Self { server, number };
        at(Number::FIRST)..=at(Number::LAST)
    }

    /// Parses the text form.
    pub fn parse(text: &str) -> Option<Self> {
        let (server, number) = text.split_once('/')?;
        Some(Self {
            server: ServerId::parse(server)?,
            number: Number::parse(number)?,
        })
    }

    /// Parses the names of a server's and a generation's folder.
    pub fn parse_folder(server: &str, number: &str) -> Option<Self> {
        Some(Self {
            server: ServerId::parse(server)?,
            number: Number::parse_folder(number)?,
        })
    }
}

impl fmt::Display for GenerationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.server, self.number)
    }
}

/// A point in a server's line, by its generation's number and record: `42 3f2a…` in text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Point {
    /// The generation's number.
    pub number: Number,
    /// SHA-256 of its record, of several with that number the one that is meant.
    pub record: Hash,
}

impl Point {
    /// Parses the text form.
    pub fn parse(text: &str) -> Option<Self> {
        let (number, record) = text.split_once(' ')?;
        Some(Self {
            number: Number::parse(number)?,
            record: Hash::parse(record)?,
        })
    }
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.number, self.record)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_one_text_form() {
        assert_eq!(Number::parse("42").map(Number::get), Some(42));
        assert_eq!(Number::parse("99999999"), Some(Number::LAST));
        for wrong in ["", "0", "042", "+42", "100000000", "4 2", "４２"] {
            assert_eq!(Number::parse(wrong), None, "{wrong:?}");
        }
        assert_eq!(Number::parse_folder("00000042").map(Number::get), Some(42));
        assert_eq!(Number::parse_folder("00000000"), None);
    }

    #[test]
    fn hashes_are_lower_case_and_whole() {
        let text = Hash::of(b"").to_string();
        assert_eq!(
            text,
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
        assert!(Hash::parse(&text).is_some());
        assert_eq!(Hash::parse(&text.to_uppercase()), None);
        assert_eq!(Hash::parse(&text[1..]), None);
    }
}
