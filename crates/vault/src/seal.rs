//! age files (C2SP age v1): sealed to recipients, opened into wiped memory. Never armored, never
//! streamed to a caller: age gives plaintext out before its end is authenticated, so everything is
//! opened whole or not at all.

use std::io::{Read, Write};

use age::{DecryptError, Decryptor, Encryptor, Identity, Recipient, secrecy::SecretString};
use zeroize::Zeroizing;

use secret::{Passphrase, SecretBytes};

/// scrypt work factor written: 2^18, 256 MiB, as the age command uses.
pub const WORK_FACTOR: u8 = 18;
/// scrypt work factor still read: 2^20, 1 GiB. A medium cannot make a reader spend more.
pub(crate) const MAX_WORK_FACTOR: u8 = 20;

/// Why a sealed file does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It is sealed to someone else: wrong passphrase or key.
    #[error("sealed to another key or passphrase")]
    NoMatch,
    /// Not an age file, or one that was damaged.
    #[error("damaged, or not an age file")]
    Damaged,
    /// Opening it would take unreasonable work.
    #[error("asks for unreasonable work")]
    TooMuchWork,
}

impl From<DecryptError> for Refusal {
    fn from(error: DecryptError) -> Self {
        match error {
            DecryptError::NoMatchingKeys
            | DecryptError::KeyDecryptionFailed
            | DecryptError::DecryptionFailed => Refusal::NoMatch,
            DecryptError::ExcessiveWork { .. } => Refusal::TooMuchWork,
            _ => Refusal::Damaged,
        }
    }
}

/// Everyone a vault's generations are encrypted to: at least one.
pub struct Recipients(Vec<age::x25519::Recipient>);

impl Recipients {
    /// Parses age text forms; `None` if there are none, or one cannot be served.
    pub fn parse<'a>(texts: impl Iterator<Item = &'a str>) -> Option<Self> {
        let recipients: Vec<_> = texts.map(|text| text.parse().ok()).collect::<Option<_>>()?;
        (!recipients.is_empty()).then_some(Self(recipients))
    }

    /// Seals `plain` to all of them.
    ///
    /// # Errors
    /// When the library refuses.
    pub fn seal(&self, plain: &[u8]) -> Result<Vec<u8>, Unsealed> {
        seal(
            self.0.iter().map(|recipient| recipient as &dyn Recipient),
            plain,
        )
    }
}

fn seal<'a>(
    recipients: impl Iterator<Item = &'a dyn Recipient>,
    plain: &[u8],
) -> Result<Vec<u8>, Unsealed> {
    let mut sealed = Vec::with_capacity(plain.len() + 1024);
    let encryptor = Encryptor::with_recipients(recipients).map_err(|_| Unsealed)?;
    let mut writer = encryptor.wrap_output(&mut sealed).map_err(|_| Unsealed)?;
    writer.write_all(plain).map_err(|_| Unsealed)?;
    writer.finish().map_err(|_| Unsealed)?;
    Ok(sealed)
}

/// The library would not encrypt, for which recipients that were parsed give it no reason.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("cannot encrypt")]
pub struct Unsealed;

/// Seals to one recipient.
///
/// # Errors
/// When the library refuses.
pub fn seal_to(recipient: &dyn Recipient, plain: &[u8]) -> Result<Vec<u8>, Unsealed> {
    seal(std::iter::once(recipient), plain)
}

/// Seals with a passphrase.
///
/// # Errors
/// When the library refuses.
pub fn seal_with_passphrase(passphrase: &Passphrase, plain: &[u8]) -> Result<Vec<u8>, Unsealed> {
    let mut recipient = age::scrypt::Recipient::new(SecretString::from(passphrase.expose()));
    recipient.set_work_factor(WORK_FACTOR);
    seal(std::iter::once(&recipient as &dyn Recipient), plain)
}

/// What trying a passphrase on a file costs: the scrypt work factor that its first stanza names,
/// where that is one for a passphrase.
pub fn work_factor(sealed: &[u8]) -> Option<u8> {
    let mut lines = sealed.split(|byte| *byte == b'\n');
    let stanza = std::str::from_utf8(lines.nth(1)?).ok()?;
    let mut words = stanza.strip_prefix("-> scrypt ")?.split(' ');
    words.nth(1)?.parse().ok()
}

/// Opens a file sealed to `identity`'s recipient.
///
/// # Errors
/// [`Refusal`].
pub fn open(identity: &dyn Identity, sealed: &[u8]) -> Result<SecretBytes, Refusal> {
    let decryptor = Decryptor::new_buffered(sealed)?;
    let mut reader = decryptor.decrypt(std::iter::once(identity))?;
    // The plaintext is always shorter than the file, so this buffer never grows and leaves no copy.
    let mut plain = Zeroizing::new(Vec::with_capacity(sealed.len() + 64));
    reader
        .read_to_end(&mut plain)
        .map_err(|_| Refusal::Damaged)?;
    Ok(plain.into())
}

/// Opens a file sealed with a passphrase.
///
/// # Errors
/// [`Refusal`]; a wrong passphrase is `NoMatch`.
pub fn open_with_passphrase(
    passphrase: &Passphrase,
    sealed: &[u8],
) -> Result<SecretBytes, Refusal> {
    let mut identity = age::scrypt::Identity::new(SecretString::from(passphrase.expose()));
    identity.set_max_work_factor(MAX_WORK_FACTOR);
    open(&identity, sealed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_opens_for_every_recipient_and_no_other() {
        let [a, b, stranger] = [(); 3].map(|()| age::x25519::Identity::generate());
        let recipients = [a.to_public().to_string(), b.to_public().to_string()];
        let sealed = Recipients::parse(recipients.iter().map(String::as_str))
            .unwrap()
            .seal(b"key")
            .unwrap();
        assert_eq!(open(&a, &sealed).unwrap().expose(), b"key");
        assert_eq!(open(&b, &sealed).unwrap().expose(), b"key");
        assert_eq!(open(&stranger, &sealed).unwrap_err(), Refusal::NoMatch);
    }

    #[test]
    fn a_damaged_file_gives_no_plaintext() {
        let identity = age::x25519::Identity::generate();
        let sealed = seal_to(&identity.to_public(), &[7; 100_000]).unwrap();
        assert_eq!(
            open(&identity, &sealed[..sealed.len() - 1]).unwrap_err(),
            Refusal::Damaged
        );
        let mut flipped = sealed.clone();
        *flipped.last_mut().unwrap() ^= 1;
        assert_eq!(open(&identity, &flipped).unwrap_err(), Refusal::Damaged);
        assert_eq!(open(&identity, b"").unwrap_err(), Refusal::Damaged);
    }

    #[test]
    fn a_wrong_passphrase_is_told_from_damage() {
        let sealed = seal_with_passphrase(&Passphrase::new("right".into()), b"x").unwrap();
        assert!(
            String::from_utf8_lossy(&sealed).contains(" 18\n"),
            "the work factor is fixed, not measured"
        );
        assert_eq!(work_factor(&sealed), Some(WORK_FACTOR));
        assert_eq!(
            open_with_passphrase(&Passphrase::new("wrong".into()), &sealed).unwrap_err(),
            Refusal::NoMatch
        );
        assert_eq!(
            open_with_passphrase(&Passphrase::new("right".into()), &sealed)
                .unwrap()
                .expose(),
            b"x"
        );
    }
}
