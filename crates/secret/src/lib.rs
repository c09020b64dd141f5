//! Secrets in memory: typed, never cloned or displayed, wiped when dropped.
//!
//! A buffer that grows leaves copies behind, so every constructor here takes bytes that already
//! have their final size; build them in a `Zeroizing<Vec<u8>>` whose capacity was reserved
//! beforehand.

pub mod passphrase;
pub mod shares;
pub mod stack;
pub mod words;

use std::fmt;

use zeroize::Zeroizing;

/// Bytes that must not be seen: a private key, a PFX, a decrypted catalog.
pub struct SecretBytes(Zeroizing<Vec<u8>>);

impl SecretBytes {
    /// Takes over `bytes`; the allocation is wiped (all of its capacity) on drop.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// Copies `bytes` into an allocation of exactly their size.
    pub fn copy_of(bytes: &[u8]) -> Self {
        Self::new(bytes.to_vec())
    }

    /// The bytes. Keep the borrow short, and never format it.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl From<Zeroizing<Vec<u8>>> for SecretBytes {
    fn from(bytes: Zeroizing<Vec<u8>>) -> Self {
        Self(bytes)
    }
}

/// Text that must not be seen, in one of two roles.
macro_rules! secret_text {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        pub struct $name(Zeroizing<String>);

        impl $name {
            /// Takes over `text`; the allocation is wiped on drop.
            pub fn new(text: String) -> Self {
                Self(Zeroizing::new(text))
            }

            /// The text. Keep the borrow short, and never format it.
            pub fn expose(&self) -> &str {
                &self.0
            }

            /// Whether both hold the same text.
            pub fn same_as(&self, other: &Self) -> bool {
                self.0.as_bytes() == other.0.as_bytes()
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(…)"))
            }
        }
    };
}

secret_text!(
    /// Opens one PFX. Any Unicode text, possibly empty.
    Password
);
secret_text!(
    /// Opens the vault: the passphrase its owner remembers, in any of the forms that [`passphrase`]
    /// knows.
    Passphrase
);

impl fmt::Debug for SecretBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretBytes(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_never_shows_the_secret() {
        let shown = format!(
            "{:?} {:?} {:?}",
            SecretBytes::copy_of(b"hunter2"),
            Password::new("hunter2".into()),
            Passphrase::new("hunter2".into())
        );
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}
