//! `selftest`: shows on any Windows server that keys go in and come out, with throw-away keys in
//! containers of their own. No certificate store is touched, and nothing stays.

use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::change::apply::new_container;
use crate::error::{Error, Exit, Result};
use crate::iis::blob::Home;
use crate::iis::{Iis, KeyLink, NewKey, challenge};
use crate::keypair::PrivateKey;
use crate::keypair::throwaway::{KeyKind, new_private_key};
use crate::message::Text;
use crate::session::{Session, here};
use crate::text;
use secret::SecretBytes;

/// What is tried: a kind of key in a place, and whether it may leave again.
const TRIALS: [(&str, KeyKind, Home, bool); 6] = [
    ("RSA, CryptoAPI", KeyKind::Rsa, Home::SchannelCsp, true),
    (
        "RSA, CryptoAPI, not exportable",
        KeyKind::Rsa,
        Home::SchannelCsp,
        false,
    ),
    ("RSA, CNG", KeyKind::Rsa, Home::SoftwareKsp, true),
    ("ECDSA P-256, CNG", KeyKind::P256, Home::SoftwareKsp, true),
    ("ECDSA P-384, CNG", KeyKind::P384, Home::SoftwareKsp, true),
    ("ECDSA P-521, CNG", KeyKind::P521, Home::SoftwareKsp, true),
];

/// What was tried.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct SelftestReport {
    trials: Vec<TrialReport>,
}

/// A kind of key in a place.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct TrialReport {
    trial: &'static str,
    passed: bool,
}

/// Runs the command.
pub(super) fn run(session: &Session<'_>) -> Result<Exit> {
    selftest_on(session, here::elevated()?)
}

pub(super) fn selftest_on(session: &Session<'_>, server: Iis<'_>) -> Result<Exit> {
    let mut trials = Vec::new();
    for (trial, kind, home, exportable) in TRIALS {
        let key = new_private_key(kind).ok().map(PrivateKey::parse);
        let Some(Ok(key)) = key else {
            return Err(Error::failed(text!("error-no-random")));
        };
        let link = home.link(new_container()?);
        let tried = walk(server, &key, &link, exportable);
        let gone = server.keys.delete(&link).map_err(|error| error.text());
        let result = tried.and(gone.map(|_| ()));
        let passed = result.is_ok();
        match result {
            Ok(()) => session.console.say(&text!("selftest-passed", name = trial)),
            Err(reason) => {
                session
                    .console
                    .warn(&text!("selftest-failed", name = trial, reason = reason))
            }
        }
        trials.push(TrialReport { trial, passed });
    }
    let exit = if trials.iter().all(|trial| trial.passed) {
        Exit::Done
    } else {
        Exit::Failed
    };
    session.console.document(exit, &SelftestReport { trials });
    Ok(exit)
}

/// Whether a key that came out is the one that went in. Its octets may differ: CNG adds a key usage,
/// and writes an RSA exponent in another way. Reading it proves that its private half belongs to
/// its public half.
fn is_same_key(pkcs8: SecretBytes, key: &PrivateKey) -> bool {
    PrivateKey::parse(pkcs8).is_ok_and(|out| out.spki_sha256() == key.spki_sha256())
}

/// In, a look, a signature, and out again, or not.
fn walk(server: Iis<'_>, key: &PrivateKey, link: &KeyLink, exportable: bool) -> Result<(), Text> {
    let new = NewKey {
        pkcs8: key.pkcs8(),
        exportable,
        access: &[],
    };
    server
        .keys
        .create(link, &new)
        .map_err(|error| error.text())?;
    let facts = server.keys.inspect(link).map_err(|error| error.text())?;
    let signature = server
        .keys
        .sign(link, b"selftest")
        .map_err(|error| error.text())?;
    let same = Sha256::digest(&facts.public_key)[..] == key.spki_sha256();
    let signs = challenge::verifies(&facts.public_key, b"selftest", &signature);
    let as_said = facts.no_export.is_none() == exportable;
    let leaves = match server.keys.export(link) {
        Ok(out) => exportable && is_same_key(out.pkcs8, key),
        Err(reason) if exportable => return Err(reason.text()),
        Err(_) => true,
    };
    if same && signs && as_said && leaves {
        Ok(())
    } else {
        Err(text!("selftest-wrong"))
    }
}
