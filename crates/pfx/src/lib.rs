//! PKCS#12 (RFC 7292): the one codec for PFX files. Bytes and values in, values out; the only
//! outside input is the randomness of salts when writing.
//!
//! Reading takes what real implementations write, DER or BER, and bounds the work a hostile file
//! can ask for. Writing follows what Windows itself exports, in one of two named forms.
#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "tests"))]
#![doc = include_str!("../README.md")]

mod attributes;
pub mod ber;
mod cipher;
mod der;
mod digest;
mod forms;
#[cfg(test)]
mod hostile;
mod java_key;
mod mac;
mod oid;
mod openssl_key;
pub mod pkcs7;
mod read;
mod rounds;
mod scheme;
mod unsupported;
mod work;
mod write;

pub use attributes::Attributes;
pub use java_key::read_java_key;
pub use oid::Oid;
pub use openssl_key::read_openssl_key;
pub use read::{read, read_key, read_with};
pub use write::{KeyPairContents, Profile, write};

use secret::SecretBytes;

/// What a PFX holds, in the order of the file.
#[derive(Debug)]
pub struct Contents {
    /// Private keys, from key bags and shrouded key bags alike.
    pub keys: Vec<Key>,
    /// X.509 certificates.
    pub certificates: Vec<Certificate>,
    /// Whether the password also proved that the file is unchanged.
    pub mac: Mac,
    /// Private keys that have another password than the file.
    pub locked: Vec<LockedKey>,
    /// What else is in there and was left alone, one entry for each.
    pub skipped: Vec<Skipped>,
}

/// A private key that has another password than its file, as Java allows.
#[derive(Debug)]
pub struct LockedKey {
    /// The attributes of its bag.
    pub attributes: Attributes,
}

/// Something in a file that is neither a key nor a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Skipped {
    /// A list of revoked certificates.
    RevocationList,
    /// A secret of any kind, such as a key of a symmetric cipher.
    Secret,
    /// An SDSI certificate, which nobody is known to write.
    SdsiCertificate,
    /// A bag of this type.
    Other(String),
}

/// A private key.
#[derive(Debug)]
pub struct Key {
    /// DER `PrivateKeyInfo` (RFC 5208) or `OneAsymmetricKey` (RFC 5958), of any key type. Not
    /// checked further.
    pub pkcs8: SecretBytes,
    /// How the key itself was encrypted; `None` for a plain key bag.
    pub encryption: Option<Encryption>,
    /// The attributes of its bag.
    pub attributes: Attributes,
}

/// A certificate.
#[derive(Debug)]
pub struct Certificate {
    /// The octets of the certificate bag: an X.509 certificate, not checked further.
    pub der: Vec<u8>,
    /// The attributes of its bag.
    pub attributes: Attributes,
}

/// How a key was encrypted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encryption {
    /// Cipher and key derivation in plain words, such as `AES-256-CBC (PBKDF2 with HMAC-SHA-256)`.
    pub algorithm: String,
    /// Rounds of key derivation.
    pub iterations: u32,
}

impl Encryption {
    /// Whether it is PBES2 (RFC 8018), such as AES: what Windows reads from Windows 10 1709 and Server
    /// 2019 on (Microsoft: `PKCS12_EXPORT_PBES2_PARAMS` of `PFXExportCertStoreEx`).
    pub fn is_pbes2(&self) -> bool {
        self.algorithm.contains("(PBKDF2") || self.algorithm.contains("(scrypt")
    }
}

/// The integrity of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mac {
    /// Made with this password over exactly these contents.
    Verified {
        /// In plain words, such as `HMAC-SHA-256`.
        algorithm: String,
        /// Rounds of key derivation.
        iterations: u32,
    },
    /// The file carries none: nothing shows that it is what someone once wrote. Anyone can make
    /// such a file.
    Absent,
}

/// Why a PFX cannot be read or written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The MAC does not fit the password; or there is no MAC, and what is encrypted does not
    /// decrypt. A file changed after it was made looks the same.
    #[error("wrong password, or the file was changed since it was made")]
    WrongPassword,
    /// A hostile or absurd file; nothing was spent on it beyond the limits of this module.
    #[error("asks for unreasonable work: {what}")]
    TooMuchWork {
        /// What there is too much of.
        what: String,
    },
    /// A well-formed file that uses something this module does not know.
    #[error("uses {algorithm}, which is not supported")]
    Unsupported {
        /// The name or, failing that, the object identifier.
        algorithm: String,
    },
    /// Not a PFX file, cut off, or damaged.
    #[error("not a PFX file, or damaged: {0}")]
    Malformed(&'static str),
    /// The system gave no random bytes for a salt.
    #[error("no random numbers from the system")]
    NoRandomness,
    /// An independent reader did not find in the file just made what went into it.
    #[error("the file just made does not read back: {0}")]
    NotReadBack(&'static str),
}
