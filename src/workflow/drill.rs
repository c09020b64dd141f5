//! A rehearsed restore: every key pair is decrypted, opened, matched with its certificate and used
//! for a TLS handshake on loopback. Nothing is written anywhere.

use rayon::prelude::*;

use crate::keypair::{Certificate, KeyPair};
use crate::keystore::{HeldKeyPair, Inventory, SourcePasswords};
use crate::message::Text;
use crate::text;
use crate::tls::prove;
use crate::workflow::server_backup::{HeldPair, ServerBackup};
use crate::workflow::unlock::UnlockedVault;
use secret::Password;
use vault::id::Hash;

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

/// What stock tools gave, held against the backup.
pub struct OpenedByHand<'a> {
    /// One for each key pair of the backup that is there.
    pub proofs: Vec<Proof<'a>>,
    /// Those of the backup that are not.
    pub rest: Vec<&'a HeldPair<'a>>,
    /// What is there and is no key pair of the backup, or cannot be read.
    pub strangers: Vec<String>,
}

/// The passwords of the files that stock age makes of the backup: each for the name that README.TXT
/// gives it, and for any name where there are few.
pub fn passwords(backup: &ServerBackup<'_>) -> SourcePasswords {
    let mut passwords = SourcePasswords::none();
    for held in &backup.key_pairs {
        let password = || Password::new(held.entry.pfx_password.expose().to_owned());
        let stem = held.entry.file.trim_end_matches(".AGE");
        passwords.add_for(format!("{stem}.pfx"), password());
        if backup.key_pairs.len() <= FEW {
            passwords.add(password());
        }
    }
    passwords
}

/// Files whose passwords are tried on each other: opening one takes a while.
const FEW: usize = 16;

/// Holds what was found in a folder against the backup: a key pair counts if it is one of the backup's
/// and works.
pub fn by_hand<'a>(found: &Inventory, backup: &'a ServerBackup<'_>) -> OpenedByHand<'a> {
    let mut opened = OpenedByHand {
        proofs: Vec::new(),
        rest: Vec::new(),
        strangers: found
            .unreadable
            .iter()
            .map(|one| one.name.clone())
            .collect(),
    };
    let certificate = |held: &HeldKeyPair| Hash::of(held.leaf().der());
    for held in &backup.key_pairs {
        let is_it = |one: &&HeldKeyPair| certificate(one) == held.about().certificate_sha256;
        match found.key_pairs.iter().find(is_it) {
            None => opened.rest.push(held),
            Some(one) => opened.proofs.push(Proof {
                held,
                leaf: Some(one.leaf().clone()),
                result: prove(&one.pair),
            }),
        }
    }
    let past = backup.no_more.iter().map(|one| &one.held);
    let known: Vec<_> = backup.key_pairs.iter().chain(past).collect();
    for one in &found.key_pairs {
        let is_it = |held: &&HeldPair<'_>| held.about().certificate_sha256 == certificate(one);
        if !known.iter().copied().any(|held| is_it(&held)) {
            opened.strangers.push(one.file_names.join(", "));
        }
    }
    opened
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
