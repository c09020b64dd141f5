//! A secret that is kept for this machine alone.

use zeroize::Zeroizing;

/// What a secret that was kept for this machine turned out to be.
pub enum Unprotected {
    /// The secret.
    Secret(Zeroizing<Vec<u8>>),
    /// It was kept for another machine: this one is a copy of it, or the file is.
    OtherMachine,
    /// It is not what was stored.
    Damaged,
}
