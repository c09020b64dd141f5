//! The rounds of a key derivation with SHA-1 and SHA-256, a compression each.
//!
//! A derivation hashes one short value thousands of times. What a hasher for messages of any length
//! does around each compression takes longer than the compression does.

use zeroize::Zeroizing;

/// Octets of a block of both hashes: FIPS 180-4, section 5.2.1.
const BLOCK: usize = 64;

/// A hash whose value is its whole state of `N` words of 32 bits.
pub(crate) struct Rounds<const N: usize> {
    /// FIPS 180-4, sections 5.3.1 and 5.3.3.
    start: [u32; N],
    compress: fn(&mut [u32; N], &[[u8; BLOCK]]),
}

pub(crate) static SHA1: Rounds<5> = Rounds {
    start: [
        0x6745_2301,
        0xefcd_ab89,
        0x98ba_dcfe,
        0x1032_5476,
        0xc3d2_e1f0,
    ],
    compress: sha1::block_api::compress,
};

pub(crate) static SHA256: Rounds<8> = Rounds {
    start: [
        0x6a09_e667,
        0xbb67_ae85,
        0x3c6e_f372,
        0xa54f_f53a,
        0x510e_527f,
        0x9b05_688c,
        0x1f83_d9ab,
        0x5be0_cd19,
    ],
    compress: sha2::block_api::compress256,
};

/// The one block of a value that is hashed again and again, padded (FIPS 180-4, section 5.1.1).
struct LastBlock(Zeroizing<[u8; BLOCK]>);

impl LastBlock {
    /// Of `value`, which `before` octets went before, whole blocks of them.
    fn of(value: &[u8], before: usize) -> Self {
        let mut block = Zeroizing::new([0; BLOCK]);
        block[..value.len()].copy_from_slice(value);
        block[value.len()] = 0x80;
        let bits = 8 * (before + value.len()) as u64;
        block[BLOCK - 8..].copy_from_slice(&bits.to_be_bytes());
        Self(block)
    }

    /// Puts what was hashed in the place of the value.
    fn put<const N: usize>(&mut self, state: &[u32; N]) {
        for (octets, word) in self.0.chunks_exact_mut(4).zip(state) {
            octets.copy_from_slice(&word.to_be_bytes());
        }
    }
}

impl<const N: usize> Rounds<N> {
    /// Octets of a value.
    const LENGTH: usize = 4 * N;

    /// The hash of `value`, of that hash, and so on, `rounds` times; `value` is a value of this hash.
    pub(crate) fn again(&self, value: &mut [u8], rounds: u32) {
        let mut block = LastBlock::of(value, 0);
        let mut state = Zeroizing::new(self.start);
        for _ in 0..rounds {
            *state = self.start;
            self.take(&mut state, &block);
            block.put(&state);
        }
        value.copy_from_slice(&block.0[..Self::LENGTH]);
    }

    /// The exclusive or of `first`, its HMAC, the HMAC of that, and so on, `rounds` HMACs: what
    /// PBKDF2 does with its first HMAC (RFC 8018, section 5.2). `key` is at most a block long.
    pub(crate) fn hmac_again(&self, key: &[u8], first: &mut [u8], rounds: u32) {
        let (inner, outer) = (self.keyed(key, 0x36), self.keyed(key, 0x5c));
        let mut block = LastBlock::of(first, BLOCK);
        let mut state = Zeroizing::new(self.start);
        for _ in 0..rounds {
            for keyed in [&inner, &outer] {
                state.copy_from_slice(&**keyed);
                self.take(&mut state, &block);
                block.put(&state);
            }
            for (octet, with) in first.iter_mut().zip(block.0.iter()) {
                *octet ^= with;
            }
        }
    }

    /// The state of an HMAC after its key (RFC 2104, section 2).
    fn keyed(&self, key: &[u8], pad: u8) -> Zeroizing<[u32; N]> {
        let mut block = Zeroizing::new([pad; BLOCK]);
        for (octet, key) in block.iter_mut().zip(key) {
            *octet ^= key;
        }
        let mut state = Zeroizing::new(self.start);
        self.take(&mut state, &LastBlock(block));
        state
    }

    fn take(&self, state: &mut [u32; N], block: &LastBlock) {
        (self.compress)(state, std::slice::from_ref(&*block.0));
    }
}
