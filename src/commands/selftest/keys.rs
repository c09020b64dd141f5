//! One throw-away key: in, a look, a signature, and out again, or not.

use sha2::{Digest, Sha256};

use crate::change::apply::new_container;
use crate::error::{Error, Result};
use crate::iis::blob::Home;
use crate::iis::{Iis, KeyLink, NewKey, challenge};
use crate::keypair::PrivateKey;
use crate::keypair::throwaway::{KeyKind, new_private_key};
use crate::message::Text;
use crate::text;
use secret::SecretBytes;

/// What is tried: a kind of key in a place, and whether it may leave again.
pub(super) const TRIALS: [(&str, KeyKind, Home, bool); 6] = [
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

/// A new key of that kind, which is gone afterwards.
pub(super) fn try_key(
    server: Iis<'_>,
    kind: KeyKind,
    home: Home,
    exportable: bool,
) -> Result<Result<(), Text>> {
    let key = new_private_key(kind).ok().map(PrivateKey::parse);
    let Some(Ok(key)) = key else {
        return Err(Error::failed(text!("error-no-random")));
    };
    let link = home.link(new_container()?);
    let tried = walk(server, &key, &link, exportable);
    let gone = server.keys.delete(&link).map_err(|error| error.text());
    Ok(tried.and(gone.map(|_| ())))
}

/// Whether a key that came out is the one that went in. Its octets may differ: CNG adds a key usage,
/// and writes an RSA exponent in another way. Reading it proves that its private half belongs to
/// its public half.
pub(super) fn is_same_key(pkcs8: SecretBytes, key: &PrivateKey) -> bool {
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
