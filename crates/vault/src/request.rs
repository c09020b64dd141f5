//! A request: what a new server asks the owner for, as a plain text without any secret. Nobody
//! signs it; the owner compares its fingerprint with what the server shows.

use super::id::{ServerId, VaultId};
use super::server_name::{MAX_NAME, NameSalt};
use super::sign::PublicKey;

/// Largest request, in bytes.
pub const MAX_REQUEST: usize = 1024;
const FIRST_LINE: &str = "pfxvault-request v2";
/// Of a request without a salt, as earlier versions made them.
const FIRST_VERSION: &str = "pfxvault-request v1";

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnrolmentRequest {
    /// What the server calls itself; a claim.
    pub name: String,
    /// The key it will sign its records with.
    pub key: PublicKey,
    /// With what its name is bound; earlier versions have none.
    pub salt: Option<NameSalt>,
}

impl EnrolmentRequest {
    /// A request of this name, which loses control characters and what is too long.
    pub fn new(name: &str, key: PublicKey, salt: Option<NameSalt>) -> Self {
        let mut name: String = name.chars().filter(|c| !c.is_control()).collect();
        while name.len() > MAX_NAME {
            name.pop();
        }
        Self { name, key, salt }
    }

    /// The server's id.
    pub fn server(&self) -> ServerId {
        ServerId::of(&self.key)
    }

    /// The key's fingerprint as `ssh-keygen -l` prints it, which is how a vault's owner is named,
    /// too.
    pub fn fingerprint(&self) -> String {
        VaultId::of(&self.key).to_string()
    }

    /// The file's text.
    pub fn render(&self) -> String {
        let (name, server, key) = (&self.name, self.server(), &self.key);
        match &self.salt {
            Some(salt) => {
                format!("{FIRST_LINE}\nname {name}\nserver {server} {key}\nsalt {salt}\n")
            }
            None => format!("{FIRST_VERSION}\nname {name}\nserver {server} {key}\n"),
        }
    }

    /// Reads the file; `None` for anything but the one form.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes)
            .ok()
            .filter(|text| text.len() <= MAX_REQUEST)?;
        let mut lines = text.strip_suffix('\n')?.split('\n');
        lines.next()?;
        let name = lines
            .next()?
            .strip_prefix("name ")
            .filter(|name| !name.is_empty())?;
        let (_, key) = lines.next()?.strip_prefix("server ")?.split_once(' ')?;
        let salt = match lines.next() {
            Some(line) => Some(NameSalt::parse(line.strip_prefix("salt ")?)?),
            None => None,
        };
        let request = Self::new(name, PublicKey::parse(key)?, salt);
        // Rendered again it must be the same, so the id is that of the key, and nothing else is in
        // the file.
        (request.render() == text).then_some(request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sign::SigningKey;

    fn request() -> EnrolmentRequest {
        let key = SigningKey::from_seed(&[2; 32]).public();
        EnrolmentRequest::new("WEB01 本番", key, NameSalt::parse(&"0f".repeat(16)))
    }

    #[test]
    fn a_request_of_the_first_version_is_read_as_it_was() {
        let first = EnrolmentRequest {
            salt: None,
            ..request()
        };
        let text = first.render();
        assert!(text.starts_with("pfxvault-request v1\n") && text.lines().count() == 3);
        assert_eq!(EnrolmentRequest::parse(text.as_bytes()), Some(first));
        let mixed = text.replace("v1", "v2");
        assert_eq!(EnrolmentRequest::parse(mixed.as_bytes()), None);
    }

    #[test]
    fn a_request_reads_back_and_every_deviation_is_refused() {
        let good = request().render();
        assert_eq!(EnrolmentRequest::parse(good.as_bytes()), Some(request()));
        let other = SigningKey::from_seed(&[3; 32]).public().to_string();
        let flawed = [
            good.replace('\n', "\r\n"),
            good.trim_end().to_owned(),
            format!("{good}\n"),
            format!("{good}close AAAAAAAA none\n"),
            good.replace("v2", "v1"),
            good.replace("v2", "v3"),
            good.replace("salt 0f", "salt 0F"),
            good.replace("salt", "Salt"),
            good.replace("WEB01 本番", ""),
            good.replace("name ", "name"),
            good.replace("WEB01", "WEB\u{1b}[2J"),
            good.replace("WEB01", &"x".repeat(70)),
            good.replace(&request().key.to_string(), &other),
            good.replace(&request().server().to_string(), "AAAAAAAA"),
            format!("{} comment\n", good.trim_end()),
            String::new(),
        ];
        for text in flawed {
            assert_eq!(EnrolmentRequest::parse(text.as_bytes()), None, "{text}");
        }
        assert_eq!(EnrolmentRequest::parse(b"\xff\xfe"), None);
    }
}
