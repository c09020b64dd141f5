//! A rehearsed restore: every key pair is decrypted, opened, matched with its certificate and used
//! for a TLS handshake on loopback. Nothing is written anywhere.

use rayon::prelude::*;

use crate::keypair::{Certificate, KeyPair};
use crate::message::Text;
use crate::text;
use crate::tls::prove;
use crate::workflow::server_backup::{HeldPair, ServerBackup};
use crate::workflow::unlock::UnlockedVault;

/// What the rehearsal showed for one key pair.
pub struct Proof<'a> {
    /// Which.
    pub held: &'a HeldPair<'a>,
    /// Its certificate, where it was opened.
    pub leaf: Option<Certificate>,
    /// How it was proven, or why it was not.
    pub result: Result<Proven, Text>,
}

/// How a key pair was proven to work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proven {
    /// It served a TLS handshake.
    Handshake {
        /// Such as `TLS 1.3`.
        version: String,
    },
    /// This machine's TLS cannot serve such a key; it signed, and the certificate verified it.
    Signature {
        /// The key's type.
        key_type: String,
    },
}

/// Rehearses the restore of all that counts, in parallel.
pub fn run<'a>(opened: &UnlockedVault<'_>, backup: &'a ServerBackup<'_>) -> Vec<Proof<'a>> {
    let prove_one = |held: &'a HeldPair<'_>| {
        let pair = opened.key_pair(held.generation, &held.entry);
        let leaf = pair.as_ref().ok().map(|pair| pair.leaf().clone());
        Proof {
            held,
            leaf,
            result: pair.and_then(|pair| prove(&pair)),
        }
    };
    backup.key_pairs.par_iter().map(prove_one).collect()
}

/// A handshake with this key and chain; where TLS here cannot serve such a key, a signature.
///
/// # Errors
/// Why the key pair would not work.
pub fn prove(pair: &KeyPair) -> Result<Proven, Text> {
    match prove::handshake(pair, pair.leaf().display_name()) {
        Ok(handshake) => Ok(Proven::Handshake {
            version: handshake.version,
        }),
        Err(prove::TlsError::NotServable { .. }) => match prove::sign_and_verify(pair) {
            Ok(()) => Ok(Proven::Signature {
                key_type: pair.leaf().key_type(),
            }),
            Err(error) => Err(text!("reason-handshake", detail = error.text())),
        },
        Err(error) => Err(text!("reason-handshake", detail = error.text())),
    }
}
