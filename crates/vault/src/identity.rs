//! The owner's identity: the key that signs trust, and the age key that opens every generation. It
//! lies on the medium once for each way in, wrapped by a passphrase or to a recovery key.

use age::secrecy::ExposeSecret;
use data_encoding::BASE64;
use zeroize::Zeroizing;

use super::id::VaultId;
use super::seal::{self, Refusal, Unsealed};
use super::sign::{PublicKey, SigningKey};
use secret::{Passphrase, SecretBytes};

const FIRST_LINE: &str = "# pfxvault-identity v1";

/// Whoever holds this is the vault's owner.
pub struct Owner {
    /// Signs trust statements.
    pub key: SigningKey,
    /// Opens what the vault's recipients were sealed to.
    pub age: age::x25519::Identity,
}

impl Owner {
    /// A new owner, which is a new vault.
    ///
    /// # Errors
    /// When the system has no random numbers.
    pub fn generate() -> Result<Self, getrandom::Error> {
        Ok(Self {
            key: SigningKey::generate()?,
            age: age::x25519::Identity::generate(),
        })
    }

    /// The vault this owner is.
    pub fn vault(&self) -> VaultId {
        VaultId::of(&self.key.public())
    }

    /// The age recipient that opens with this identity.
    pub fn recipient(&self) -> String {
        self.age.to_public().to_string()
    }

    /// The identity file's text, as stock `age -d -i` takes it.
    fn text(&self) -> SecretBytes {
        let seed = Zeroizing::new(BASE64.encode(&*self.key.seed()));
        let age = self.age.to_string();
        let parts = [
            FIRST_LINE,
            "\n# owner ",
            &self.key.public().to_string(),
            "\n# owner-key ",
            &seed,
            "\n",
            age.expose_secret(),
            "\n",
        ];
        let mut text = Vec::with_capacity(parts.iter().map(|part| part.len()).sum());
        parts
            .iter()
            .for_each(|part| text.extend_from_slice(part.as_bytes()));
        SecretBytes::new(text)
    }

    fn parse(text: &SecretBytes) -> Option<Self> {
        let mut lines = std::str::from_utf8(text.expose())
            .ok()?
            .strip_suffix('\n')?
            .split('\n');
        if lines.next() != Some(FIRST_LINE) {
            return None;
        }
        let public = PublicKey::parse(lines.next()?.strip_prefix("# owner ")?)?;
        let seed = Zeroizing::new(
            BASE64
                .decode(lines.next()?.strip_prefix("# owner-key ")?.as_bytes())
                .ok()?,
        );
        let seed: Zeroizing<[u8; 32]> = Zeroizing::new(seed.as_slice().try_into().ok()?);
        let key = SigningKey::from_seed(&seed);
        let age = lines.next()?.parse().ok()?;
        (key.public() == public && lines.next().is_none()).then_some(Self { key, age })
    }

    /// The identity file for a passphrase.
    ///
    /// # Errors
    /// When the library refuses.
    pub fn wrap_with_passphrase(&self, passphrase: &Passphrase) -> Result<Vec<u8>, Unsealed> {
        seal::seal_with_passphrase(passphrase, self.text().expose())
    }

    /// The identity file for a recovery key.
    ///
    /// # Errors
    /// When the library refuses.
    pub fn wrap_for(&self, recovery: &RecoveryKey) -> Result<Vec<u8>, Unsealed> {
        seal::seal_to(&recovery.0.to_public(), self.text().expose())
    }

    /// Opens an identity file.
    ///
    /// # Errors
    /// [`Refusal`]; `Damaged` also when what is inside is no identity.
    pub fn unwrap(file: &[u8], secret: &Secret) -> Result<Self, Refusal> {
        let text = match secret {
            Secret::Passphrase(passphrase) => seal::open_with_passphrase(passphrase, file)?,
            Secret::RecoveryKey(recovery) => seal::open(&recovery.0, file)?,
        };
        Self::parse(&text).ok_or(Refusal::Damaged)
    }
}

impl std::fmt::Debug for Owner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Owner({})", self.vault())
    }
}

/// What a person brings to open the vault.
#[derive(Debug)]
pub enum Secret {
    /// The passphrase they remember.
    Passphrase(Passphrase),
    /// The recovery key from the envelope.
    RecoveryKey(RecoveryKey),
}

/// An age identity that exists only on paper; stock `age -d -i` takes its text as a file.
pub struct RecoveryKey(age::x25519::Identity);

impl RecoveryKey {
    /// A new one.
    pub fn generate() -> Self {
        Self(age::x25519::Identity::generate())
    }

    /// The text to keep: `AGE-SECRET-KEY-1` and 58 characters.
    pub fn text(&self) -> Zeroizing<String> {
        Zeroizing::new(self.0.to_string().expose_secret().to_owned())
    }

    /// Parses what was typed from paper: blanks between groups and lower case do not matter, a
    /// wrong character does.
    pub fn parse(typed: &str) -> Option<Self> {
        let mut text = Zeroizing::new(String::with_capacity(typed.len()));
        text.extend(
            typed
                .chars()
                .filter(|c| !c.is_whitespace())
                .map(|c| c.to_ascii_uppercase()),
        );
        text.parse().ok().map(Self)
    }
}

impl std::fmt::Debug for RecoveryKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RecoveryKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_owner_comes_out_of_every_way_in() {
        let owner = Owner::generate().unwrap();
        let recovery = RecoveryKey::generate();
        let wrapped = owner.wrap_for(&recovery).unwrap();
        let opened = Owner::unwrap(&wrapped, &Secret::RecoveryKey(recovery)).unwrap();
        assert_eq!(
            (opened.vault(), opened.recipient()),
            (owner.vault(), owner.recipient())
        );
        let other = Secret::RecoveryKey(RecoveryKey::generate());
        assert_eq!(
            Owner::unwrap(&wrapped, &other).unwrap_err(),
            Refusal::NoMatch
        );
    }

    #[test]
    fn a_recovery_key_is_read_as_people_copy_it() {
        let key = RecoveryKey::generate();
        let text = key.text();
        let (head, tail) = text.split_at(30);
        let typed = format!("  {} {}\n", head.to_lowercase(), tail.to_lowercase());
        assert_eq!(*RecoveryKey::parse(&typed).unwrap().text(), *text);
        let last = if text.ends_with('Q') { 'P' } else { 'Q' };
        assert!(RecoveryKey::parse(&format!("{}{last}", &text[..text.len() - 1])).is_none());
    }

    #[test]
    fn an_identity_whose_two_owner_lines_disagree_is_refused() {
        let text = Owner::generate().unwrap().text();
        let other = Owner::generate().unwrap();
        let mixed: Vec<String> = std::str::from_utf8(text.expose())
            .unwrap()
            .lines()
            .map(|line| {
                if line.starts_with("# owner ") {
                    format!("# owner {}", other.key.public())
                } else {
                    line.to_owned()
                }
            })
            .collect();
        assert!(
            Owner::parse(&SecretBytes::new(
                format!("{}\n", mixed.join("\n")).into_bytes()
            ))
            .is_none()
        );
        assert!(Owner::parse(&text).is_some());
    }
}
