//! A rehearsed restore: every key pair is decrypted, opened, matched with its certificate and used
//! for a TLS handshake on loopback. Nothing is written anywhere.

use rayon::prelude::*;

use crate::iis::{Iis, PfxFile, Signature, challenge};
use crate::keypair::{Certificate, KeyPair};
use crate::keystore::{HeldKeyPair, Inventory, SourcePasswords};
use crate::message::Text;
use crate::text;
use crate::tls::prove;
use crate::workflow::server_backup::{HeldPair, ServerBackup};
use crate::workflow::unlock::UnlockedVault;
use secret::{Password, SecretBytes};
use vault::id::Hash;

/// What the rehearsal showed for one key pair.
pub struct Proof<'a> {
    /// Which.
    pub held: &'a HeldPair<'a>,
    /// Its certificate, where it was opened.
    pub leaf: Option<Certificate>,
    /// How it was proven, or why it was not.
    pub result: Result<Proven, Text>,
    /// Whether this Windows takes its PFX; nothing where that was not tried.
    pub on_windows: Option<Result<(), TakenNot>>,
}

/// Why this Windows does not take a PFX.
#[derive(Debug)]
pub struct TakenNot {
    /// Where the key was to go: `CNG` or `CryptoAPI`.
    pub interface: &'static str,
    /// Why it did not.
    pub reason: Text,
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
            on_windows: None,
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
                on_windows: None,
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

/// The first build of Windows that reads a PFX in PBES2 (Server 2019; Windows 10 1809).
const READS_PBES2: u32 = 17_763;
/// What a key signs that came out of a PFX.
const CHALLENGE: &[u8] = b"pfxvault drill";

/// Lets this Windows import each PFX of the backup that was proven, into a key that is gone again.
/// Whoever imports the file by hand then knows that it will be taken; `restore --to iis` takes another
/// way.
pub fn try_on_windows(server: Iis<'_>, opened: &UnlockedVault<'_>, proofs: &mut [Proof<'_>]) {
    for proof in proofs.iter_mut().filter(|proof| proof.result.is_ok()) {
        let (held, Some(leaf)) = (proof.held, &proof.leaf) else {
            continue;
        };
        // What stock tools opened elsewhere may be damaged on this medium: nothing to try here.
        if let Ok(pfx) = opened.pfx(held.generation, &held.entry) {
            proof.on_windows = Some(take(server, &pfx, &held.entry.pfx_password, leaf));
        }
    }
}

fn take(
    server: Iis<'_>,
    pfx: &SecretBytes,
    password: &Password,
    leaf: &Certificate,
) -> Result<(), TakenNot> {
    let read = pfx::read(pfx.expose(), password).ok();
    let key = read.as_ref().and_then(|read| read.keys.first());
    let is_pbes2 = key
        .and_then(|key| key.encryption.as_ref())
        .is_some_and(pfx::Encryption::is_pbes2);
    let provider = key.and_then(|key| key.attributes.csp_name.as_deref());
    let build = server.sites.windows_build();
    for (interface, always_cng) in [("CNG", true), ("CryptoAPI", false)] {
        if !always_cng && !goes_to_capi(leaf, provider) {
            continue;
        }
        let file = PfxFile {
            name: leaf.display_name(),
            bytes: pfx,
            password,
            certificate: Hash::of(leaf.der()),
            always_cng,
        };
        let reason = match server.keys.sign_from_pfx(&file, CHALLENGE) {
            Ok(signature) if is_by(leaf, &signature) => continue,
            Ok(_) => text!("reason-key-does-not-sign"),
            Err(_) if is_pbes2 && (1..READS_PBES2).contains(&build) => {
                text!("reason-windows-no-aes", build = build)
            }
            Err(error) => error.text(),
        };
        return Err(TakenNot { interface, reason });
    }
    Ok(())
}

/// Whether Windows itself would choose CryptoAPI: for RSA keys, where the file names no provider of
/// somebody else, who may ask a person.
fn goes_to_capi(leaf: &Certificate, provider: Option<&str>) -> bool {
    let is_of_windows = |name: &str| name.starts_with("Microsoft ") && !name.contains("Card");
    leaf.key_type().starts_with("RSA") && provider.is_none_or(is_of_windows)
}

fn is_by(leaf: &Certificate, signature: &Signature) -> bool {
    leaf.public_key_info()
        .is_some_and(|public| challenge::verifies(public, CHALLENGE, signature))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::iis::memory::MemoryServer;
    use crate::keypair::throwaway::{Authority, KeyKind};
    use crate::keystore::pfx_of;
    use ::pfx::Profile;

    fn refused(build: u32, kind: KeyKind, provider: Option<&str>, profile: Profile) -> Vec<String> {
        let now = jiff::Timestamp::now();
        let authority = Authority::new("drill", now).unwrap();
        let mut pair = authority.issue(&["www.example.com"], kind, now).unwrap();
        pair.csp_name = provider.map(str::to_owned);
        let password = Password::new("of the test".into());
        let pfx = pfx_of(&pair, &password, profile, 1).unwrap();
        let server = MemoryServer::default();
        server.install(build, Vec::new());
        let mut refused = Vec::new();
        let calls = server.calls_of(|| {
            if let Err(not) = take(server.iis(), &pfx, &password, pair.leaf()) {
                refused = vec![not.interface.to_owned(), not.reason.id.to_owned()];
            }
        });
        refused.push(calls.to_string());
        refused
    }

    #[test]
    fn an_rsa_key_goes_both_ways_and_a_key_on_a_curve_to_cng() {
        use KeyKind::{Ed25519, P256, P384, Rsa};
        use Profile::{Aes256, TripleDes};
        let ksp = Some("Microsoft Software Key Storage Provider");
        let card = Some("Microsoft Base Smart Card Crypto Provider");
        let foreign = Some("Contoso HSM Provider");
        for (build, kind, provider, profile, expected) in [
            (20_348, Rsa, None, Aes256, vec!["2"]),
            (20_348, Rsa, ksp, Aes256, vec!["2"]),
            // Somebody else's provider might ask a person.
            (20_348, Rsa, card, Aes256, vec!["1"]),
            (20_348, Rsa, foreign, Aes256, vec!["1"]),
            (20_348, P256, None, Aes256, vec!["1"]),
            (20_348, P384, None, Aes256, vec!["1"]),
            (9_200, Rsa, None, TripleDes, vec!["2"]),
            (
                9_200,
                Rsa,
                None,
                Aes256,
                vec!["CNG", "reason-windows-no-aes", "1"],
            ),
            (0, Rsa, None, Aes256, vec!["2"]),
            (
                26_100,
                Ed25519,
                None,
                Aes256,
                vec!["CNG", "windows-refused", "1"],
            ),
        ] {
            let said = refused(build, kind, provider, profile);
            assert_eq!(said, expected, "{build} {kind:?} {provider:?} {profile:?}");
        }
    }

    #[test]
    fn a_signature_of_another_key_is_no_proof() {
        let now = jiff::Timestamp::now();
        let authority = Authority::new("drill", now).unwrap();
        let [one, other] = [(); 2].map(|()| authority.issue(&["a"], KeyKind::P256, now).unwrap());
        let server = MemoryServer::default();
        let password = Password::new("of the test".into());
        let pfx = pfx_of(&one, &password, Profile::Aes256, 1).unwrap();
        let reason = |pfx: &SecretBytes, password: &str, leaf: &Certificate| {
            let taken = take(server.iis(), pfx, &Password::new(password.into()), leaf);
            taken.err().map(|not| not.reason.id)
        };
        assert_eq!(reason(&pfx, "of the test", one.leaf()), None);
        for (password, leaf) in [("of a test", one.leaf()), ("of the test", other.leaf())] {
            assert_eq!(reason(&pfx, password, leaf), Some("windows-refused"));
        }
    }
}
