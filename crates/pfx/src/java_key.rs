//! Keys as Java's JKS protects them: an `EncryptedPrivateKeyInfo` under an algorithm of Sun's own,
//! as OpenJDK's `sun.security.provider.KeyProtector` describes it.

use sha1::{Digest, Sha1};
use zeroize::Zeroizing;

use crate::Error;
use crate::ber;
use crate::der::SEQUENCE;
use crate::oid;
use crate::unsupported::unsupported;
use secret::{Password, SecretBytes};

/// Octets of SHA-1, which are those of the salt, too.
const HASH: usize = 20;

/// Decrypts such a key: a salt; the key under a stream, each piece of which is the hash of password
/// and the piece before it; the hash of password and key. The result is PKCS#8, not checked further.
///
/// # Errors
/// [`Error::Unsupported`] for other algorithms, [`Error::WrongPassword`] where the hash does not fit.
pub fn read_java_key(der: &[u8], password: &Password) -> Result<SecretBytes, Error> {
    let mut info = ber::single(der, SEQUENCE)?.reader();
    let algorithm = info.sequence()?.oid()?;
    if algorithm != oid::JAVA_KEY_PROTECTOR {
        return Err(unsupported(algorithm));
    }
    let octets = info.octets()?;
    let Some(length) = octets.len().checked_sub(2 * HASH) else {
        return Err(Error::Malformed("a key of Java's that is too short"));
    };
    let (salt, rest) = octets.split_at(HASH);
    let (encrypted, check) = rest.split_at(length);
    let password = utf16(password);
    let mut key = Zeroizing::new(encrypted.to_vec());
    let mut piece = hash(&password, salt);
    for block in key.chunks_mut(HASH) {
        for (octet, mask) in block.iter_mut().zip(piece.iter()) {
            *octet ^= mask;
        }
        // The next piece is needed only where there is one, and costs nothing.
        piece = hash(&password, &*piece);
    }
    if hash(&password, &key)[..] != *check {
        return Err(Error::WrongPassword);
    }
    Ok(key.into())
}

/// Two octets for each letter, the higher first, and no end.
fn utf16(password: &Password) -> Zeroizing<Vec<u8>> {
    let password = password.expose();
    let mut octets = Zeroizing::new(Vec::with_capacity(2 * password.len()));
    octets.extend(password.encode_utf16().flat_map(u16::to_be_bytes));
    octets
}

fn hash(password: &[u8], rest: &[u8]) -> Zeroizing<[u8; HASH]> {
    let mut hash = Sha1::new();
    hash.update(password);
    hash.update(rest);
    Zeroizing::new(hash.finalize().into())
}
