//! Keys as OpenSSL encrypted them in PEM before PKCS#8 (`Proc-Type: 4,ENCRYPTED`, RFC 1421 in form
//! alone): `EVP_BytesToKey` with MD5, one round, and the vector's first octets as salt.

use md5::{Digest, Md5};
use zeroize::Zeroizing;

use crate::Error;
use crate::ber;
use crate::cipher::Cipher;
use crate::der::SEQUENCE;
use secret::{Password, SecretBytes};

/// Octets of the salt, which are the first of the vector.
const SALT: usize = 8;

/// Decrypts such a key. `cipher` and `vector` are what the line `DEK-Info` says; the result is what
/// the section's label promises, not checked further.
///
/// # Errors
/// [`Error::Unsupported`] for other ciphers, [`Error::Malformed`] for a vector of the wrong size,
/// [`Error::WrongPassword`] where no SEQUENCE comes out.
pub fn read_openssl_key(
    encrypted: &[u8],
    cipher: &str,
    vector: &[u8],
    password: &Password,
) -> Result<SecretBytes, Error> {
    let Some(known) = cipher_called(cipher) else {
        return Err(Error::Unsupported {
            algorithm: cipher.to_owned(),
        });
    };
    if vector.len() != known.iv_length() {
        return Err(Error::Malformed("the vector of a key has the wrong size"));
    }
    let key = derived(password.expose().as_bytes(), &vector[..SALT], known);
    let plain = known
        .decrypt(&key, vector, encrypted)
        .ok_or(Error::WrongPassword)?;
    // One wrong password in 256 gives right padding; hardly one gives a whole SEQUENCE, too.
    ber::single(&plain, SEQUENCE).map_err(|_| Error::WrongPassword)?;
    Ok(SecretBytes::from(plain))
}

fn cipher_called(name: &str) -> Option<Cipher> {
    match name.to_ascii_uppercase().as_str() {
        "AES-128-CBC" => Some(Cipher::Aes128),
        "AES-192-CBC" => Some(Cipher::Aes192),
        "AES-256-CBC" => Some(Cipher::Aes256),
        "DES-EDE3-CBC" => Some(Cipher::TripleDes),
        "DES-CBC" => Some(Cipher::Des),
        "CAMELLIA-128-CBC" => Some(Cipher::Camellia128),
        "CAMELLIA-192-CBC" => Some(Cipher::Camellia192),
        "CAMELLIA-256-CBC" => Some(Cipher::Camellia256),
        "ARIA-128-CBC" => Some(Cipher::Aria128),
        "ARIA-192-CBC" => Some(Cipher::Aria192),
        "ARIA-256-CBC" => Some(Cipher::Aria256),
        "CAST5-CBC" => Some(Cipher::Cast5 { key_length: 16 }),
        "BF-CBC" => Some(Cipher::Blowfish { key_length: 16 }),
        "RC2-CBC" => Some(Cipher::Rc2 {
            key_length: 16,
            effective_bits: 128,
        }),
        _ => None,
    }
}

/// D1 = MD5(password, salt), D2 = MD5(D1, password, salt) and so on, as far as the key needs.
fn derived(password: &[u8], salt: &[u8], cipher: Cipher) -> Zeroizing<Vec<u8>> {
    let length = cipher.key_length();
    let mut key = Zeroizing::new(Vec::with_capacity(length + 16));
    let mut last = Zeroizing::new(Vec::with_capacity(16));
    while key.len() < length {
        let mut hash = Md5::new();
        hash.update(&*last);
        hash.update(password);
        hash.update(salt);
        last.clear();
        last.extend_from_slice(&hash.finalize());
        key.extend_from_slice(&last);
    }
    key.truncate(length);
    key
}
