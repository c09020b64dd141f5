//! The ciphers of password-based encryption: CBC with PKCS#7 padding (RFC 5652 section 6.3), or
//! RC4.

use std::fmt;

use cbc::cipher::{
    Array, BlockCipherDecrypt, BlockCipherEncrypt, BlockModeDecrypt, BlockModeEncrypt,
    BlockSizeUser, InnerIvInit, KeyInit, StreamCipher, block_padding::Pkcs7,
};
use zeroize::Zeroizing;

/// A cipher with the size of its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cipher {
    Aes128,
    Aes192,
    Aes256,
    Camellia128,
    Camellia192,
    Camellia256,
    Aria128,
    Aria192,
    Aria256,
    /// Its key has 5 to 16 octets (RFC 2144).
    Cast5 {
        key_length: usize,
    },
    /// Its key has 4 to 56 octets.
    Blowfish {
        key_length: usize,
    },
    TripleDes,
    /// Triple DES with two keys: the first is also the third.
    TwoKeyTripleDes,
    Des,
    /// Its key has `key_length` octets, of which the cipher uses `effective_bits` (RFC 2268).
    Rc2 {
        key_length: usize,
        effective_bits: usize,
    },
    Rc4 {
        key_length: usize,
    },
}

impl Cipher {
    /// Octets of a key.
    pub(crate) fn key_length(self) -> usize {
        match self {
            Self::Aes128 | Self::Camellia128 | Self::Aria128 | Self::TwoKeyTripleDes => 16,
            Self::Aes192 | Self::Camellia192 | Self::Aria192 | Self::TripleDes => 24,
            Self::Aes256 | Self::Camellia256 | Self::Aria256 => 32,
            Self::Des => 8,
            Self::Rc2 { key_length, .. }
            | Self::Rc4 { key_length }
            | Self::Cast5 { key_length }
            | Self::Blowfish { key_length } => key_length,
        }
    }

    /// Octets of an initialization vector, and of a block.
    pub(crate) fn iv_length(self) -> usize {
        match self {
            Self::Rc4 { .. } => 0,
            Self::TripleDes
            | Self::TwoKeyTripleDes
            | Self::Des
            | Self::Rc2 { .. }
            | Self::Cast5 { .. }
            | Self::Blowfish { .. } => 8,
            _ => 16,
        }
    }

    /// Decrypts within one buffer of the size of `encrypted`. `None` if the padding is wrong, which
    /// all but one in 256 wrong keys give; RC4 has none, and takes any key.
    pub(crate) fn decrypt(
        self,
        key: &[u8],
        iv: &[u8],
        encrypted: &[u8],
    ) -> Option<Zeroizing<Vec<u8>>> {
        let mut buffer = Zeroizing::new(encrypted.to_vec());
        let length = match self {
            Self::Rc2 { effective_bits, .. } => decrypt_cbc(
                rc2::Rc2::new_with_eff_key_len(key, effective_bits),
                iv,
                &mut buffer,
            ),
            Self::Rc4 { .. } => {
                rc4::Rc4::new_from_slice(key)
                    .ok()?
                    .apply_keystream(&mut buffer);
                Some(buffer.len())
            }
            _ => self.decrypt_blocks(key, iv, &mut buffer),
        }?;
        buffer.truncate(length);
        Some(buffer)
    }

    /// As [`decrypt_cbc`], for ciphers whose key says all of them.
    fn decrypt_blocks(self, key: &[u8], iv: &[u8], buffer: &mut [u8]) -> Option<usize> {
        match self {
            Self::Aes128 => with_key::<aes::Aes128>(key, iv, buffer),
            Self::Aes192 => with_key::<aes::Aes192>(key, iv, buffer),
            Self::Aes256 => with_key::<aes::Aes256>(key, iv, buffer),
            Self::Camellia128 => with_key::<camellia::Camellia128>(key, iv, buffer),
            Self::Camellia192 => with_key::<camellia::Camellia192>(key, iv, buffer),
            Self::Camellia256 => with_key::<camellia::Camellia256>(key, iv, buffer),
            Self::Aria128 => with_key::<aria::Aria128>(key, iv, buffer),
            Self::Aria192 => with_key::<aria::Aria192>(key, iv, buffer),
            Self::Aria256 => with_key::<aria::Aria256>(key, iv, buffer),
            Self::Cast5 { .. } => with_key::<cast5::Cast5>(key, iv, buffer),
            Self::Blowfish { .. } => with_key::<blowfish::Blowfish>(key, iv, buffer),
            Self::TripleDes => with_key::<des::TdesEde3>(key, iv, buffer),
            Self::TwoKeyTripleDes => with_key::<des::TdesEde2>(key, iv, buffer),
            Self::Des => with_key::<des::Des>(key, iv, buffer),
            Self::Rc2 { .. } | Self::Rc4 { .. } => None,
        }
    }

    /// Encrypts within one buffer of the final size. `None` for ciphers this module does not write,
    /// or a key or vector of the wrong size.
    pub(crate) fn encrypt(self, key: &[u8], iv: &[u8], plain: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::Aes256 => encrypt_cbc(aes::Aes256::new_from_slice(key).ok()?, iv, plain),
            Self::TripleDes => encrypt_cbc(des::TdesEde3::new_from_slice(key).ok()?, iv, plain),
            _ => None,
        }
    }
}

impl fmt::Display for Cipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Aes128 => f.write_str("AES-128-CBC"),
            Self::Aes192 => f.write_str("AES-192-CBC"),
            Self::Aes256 => f.write_str("AES-256-CBC"),
            Self::Camellia128 => f.write_str("Camellia-128-CBC"),
            Self::Camellia192 => f.write_str("Camellia-192-CBC"),
            Self::Camellia256 => f.write_str("Camellia-256-CBC"),
            Self::Aria128 => f.write_str("ARIA-128-CBC"),
            Self::Aria192 => f.write_str("ARIA-192-CBC"),
            Self::Aria256 => f.write_str("ARIA-256-CBC"),
            Self::Cast5 { key_length } => write!(f, "CAST5-{}-CBC", 8 * key_length),
            Self::Blowfish { key_length } => write!(f, "Blowfish-{}-CBC", 8 * key_length),
            Self::TripleDes => f.write_str("3DES-CBC"),
            Self::TwoKeyTripleDes => f.write_str("two-key 3DES-CBC"),
            Self::Des => f.write_str("DES-CBC"),
            Self::Rc2 { effective_bits, .. } => write!(f, "RC2-{effective_bits}-CBC"),
            Self::Rc4 { key_length } => write!(f, "RC4-{}", 8 * key_length),
        }
    }
}

fn with_key<C: BlockCipherDecrypt + KeyInit>(
    key: &[u8],
    iv: &[u8],
    buffer: &mut [u8],
) -> Option<usize> {
    decrypt_cbc(C::new_from_slice(key).ok()?, iv, buffer)
}

/// The length of the plaintext at the start of `buffer`; `None` if its padding or the size of
/// anything is wrong.
fn decrypt_cbc<C: BlockCipherDecrypt>(cipher: C, iv: &[u8], buffer: &mut [u8]) -> Option<usize> {
    let decryptor = cbc::Decryptor::inner_iv_slice_init(cipher, iv).ok()?;
    Some(decryptor.decrypt_padded::<Pkcs7>(buffer).ok()?.len())
}

fn encrypt_cbc<C: BlockCipherEncrypt>(cipher: C, iv: &[u8], plain: &[u8]) -> Option<Vec<u8>> {
    let block = size_of::<Array<u8, <C as BlockSizeUser>::BlockSize>>();
    let mut buffer = Zeroizing::new(vec![0; (plain.len() / block + 1) * block]);
    buffer[..plain.len()].copy_from_slice(plain);
    let encryptor = cbc::Encryptor::inner_iv_slice_init(cipher, iv).ok()?;
    encryptor
        .encrypt_padded::<Pkcs7>(&mut buffer, plain.len())
        .ok()?;
    Some(std::mem::take(&mut buffer))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encrypted_decrypts_and_damage_to_the_padding_is_noticed() {
        for cipher in [Cipher::Aes256, Cipher::TripleDes] {
            let (key, iv) = (vec![7; cipher.key_length()], vec![8; cipher.iv_length()]);
            for length in [0, 1, 7, 8, 15, 16, 17, 1000] {
                let plain = vec![9; length];
                let mut encrypted = cipher.encrypt(&key, &iv, &plain).unwrap();
                assert_eq!(*cipher.decrypt(&key, &iv, &encrypted).unwrap(), plain);
                encrypted.pop();
                assert!(
                    cipher.decrypt(&key, &iv, &encrypted).is_none(),
                    "not whole blocks"
                );
            }
        }
    }

    #[test]
    fn a_key_or_vector_of_the_wrong_size_is_refused() {
        for cipher in [
            Cipher::Aes128,
            Cipher::Aes192,
            Cipher::Aes256,
            Cipher::TripleDes,
            Cipher::TwoKeyTripleDes,
            Cipher::Des,
        ] {
            let (key, iv) = (vec![7; cipher.key_length()], vec![8; cipher.iv_length()]);
            assert!(
                cipher.decrypt(&key[1..], &iv, &[0; 16]).is_none(),
                "{cipher}"
            );
            assert!(
                cipher.decrypt(&key, &iv[1..], &[0; 16]).is_none(),
                "{cipher}"
            );
            assert!(cipher.decrypt(&key, &iv, &[]).is_none(), "{cipher}");
        }
    }

    #[test]
    fn rc2_gives_the_vectors_of_rfc_2268() {
        // Section 5: one block under a zero vector is the block cipher itself; decrypted without
        // looking at padding.
        let block = [0x27, 0x8b, 0x27, 0xe4, 0x2e, 0x2f, 0x0d, 0x49];
        let rc2 = rc2::Rc2::new_with_eff_key_len(&[0xff; 8], 64);
        let mut plain = Array::from(block);
        rc2.decrypt_block(&mut plain);
        assert_eq!(plain.as_slice(), [0xff; 8]);
    }
}
