//! A request: what a new server asks the owner for, as a plain text without any secret. Nobody
//! signs it; the owner compares its fingerprint with what the server shows.

use super::id::{ServerId, VaultId};
use super::sign::PublicKey;

/// Largest request, in bytes.
pub const MAX_REQUEST: usize = 1024;
/// Longest name, in bytes of UTF-8.
const MAX_NAME: usize = 64;
const FIRST_LINE: &str = "pfxvault-request v1";

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnrolmentRequest {
    /// What the server calls itself; a claim.
    pub name: String,
    /// The key it will sign its records with.
    pub key: PublicKey,
}

impl EnrolmentRequest {
    /// A request of this name, which loses control characters and what is too long.
    pub fn new(name: &str, key: PublicKey) -> Self {
        let mut name: String = name.chars().filter(|c| !c.is_control()).collect();
        while name.len() > MAX_NAME {
            name.pop();
        }
        Self { name, key }
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
        format!(
            "{FIRST_LINE}\nname {}\nserver {} {}\n",
            self.name,
            self.server(),
            self.key
        )
    }

    /// Reads the file; `None` for anything but the one form.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes)
            .ok()
            .filter(|text| text.len() <= MAX_REQUEST)?;
        let mut lines = text.strip_suffix('\n')?.split('\n');
        let first = lines.next()?;
        let name = lines
            .next()?
            .strip_prefix("name ")
            .filter(|name| !name.is_empty())?;
        let (_, key) = lines.next()?.strip_prefix("server ")?.split_once(' ')?;
        let request = Self::new(name, PublicKey::parse(key)?);
        // Rendered again it must be the same, so the id is that of the key, and nothing else is in
        // the file.
        (first == FIRST_LINE && request.render() == text).then_some(request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sign::SigningKey;

    fn request() -> EnrolmentRequest {
        EnrolmentRequest::new("WEB01 本番", SigningKey::from_seed(&[2; 32]).public())
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
            good.replace("v1", "v2"),
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
