//! Hash functions, and what PKCS#12 makes of them: its own key derivation (RFC 7292 appendix B),
//! PBKDF1 and PBKDF2 (RFC 8018 section 5), and HMAC. One table says which there are.

use std::fmt;

use const_oid::ObjectIdentifier;
use hmac::{
    EagerHash, Hmac, KeyInit, SimpleHmac,
    digest::{Digest as Hash, FixedOutput, Update, common::BlockSizeUser},
};
use zeroize::Zeroizing;

use crate::rounds::{Rounds, SHA1, SHA256};
use crate::{Error, oid, oid::Oid, unsupported::unsupported, work::Work};

/// What a key derived by RFC 7292 appendix B is for: the diversifier octet of section B.3.
#[derive(Clone, Copy)]
pub(crate) enum Purpose {
    Key = 1,
    Iv = 2,
    Mac = 3,
}

/// A hash function.
pub(crate) struct Digest {
    name: &'static str,
    pub(crate) oid: ObjectIdentifier,
    /// HMAC with this hash: the pseudorandom function of PBKDF2, the authentication of PBMAC1.
    pub(crate) hmac_oid: Option<ObjectIdentifier>,
    /// Octets of its output.
    pub(crate) length: usize,
    /// What it costs, in compressions of SHA-256 where the processor has instructions for that:
    /// measured, rounded up.
    cost: u64,
    pkcs12: fn(&Derive, Purpose, &mut [u8], Again),
    pbkdf1: fn(&Derive, &mut [u8], Again),
    again: Again,
    pbkdf2: fn(&Derive, &mut [u8]),
    verify_hmac: fn(key: &[u8], message: &[u8], code: &[u8]) -> bool,
    hmac: fn(key: &[u8], message: &[u8]) -> Vec<u8>,
}

/// Hashes a value of a hash so many times, each time what came of it.
type Again = fn(&mut [u8], rounds: u32);

/// Input of a key derivation.
pub(crate) struct Derive<'a> {
    /// As encoded for the derivation; see [`super::forms`].
    pub(crate) password: &'a [u8],
    pub(crate) salt: &'a [u8],
    pub(crate) rounds: u32,
}

static DIGESTS: [Digest; 14] = [
    Digest {
        again: |value, rounds| SHA1.again(value, rounds),
        pbkdf2: |input, key| pbkdf2_in_rounds::<sha1::Sha1, 5>(&SHA1, input, key),
        ..eager::<sha1::Sha1>("SHA-1", oid::SHA1, oid::HMAC_SHA1, 1)
    },
    Digest {
        again: |value, rounds| SHA256.again(value, rounds),
        pbkdf2: |input, key| pbkdf2_in_rounds::<sha2::Sha256, 8>(&SHA256, input, key),
        ..eager::<sha2::Sha256>("SHA-256", oid::SHA256, oid::HMAC_SHA256, 1)
    },
    eager::<sha2::Sha384>("SHA-384", oid::SHA384, oid::HMAC_SHA384, 4),
    eager::<sha2::Sha512>("SHA-512", oid::SHA512, oid::HMAC_SHA512, 4),
    eager::<sha2::Sha224>("SHA-224", oid::SHA224, oid::HMAC_SHA224, 1),
    eager::<sha2::Sha512_224>("SHA-512/224", oid::SHA512_224, oid::HMAC_SHA512_224, 4),
    eager::<sha2::Sha512_256>("SHA-512/256", oid::SHA512_256, oid::HMAC_SHA512_256, 4),
    eager::<sha3::Sha3_224>("SHA3-224", oid::SHA3_224, oid::HMAC_SHA3_224, 20),
    eager::<sha3::Sha3_256>("SHA3-256", oid::SHA3_256, oid::HMAC_SHA3_256, 20),
    eager::<sha3::Sha3_384>("SHA3-384", oid::SHA3_384, oid::HMAC_SHA3_384, 20),
    eager::<sha3::Sha3_512>("SHA3-512", oid::SHA3_512, oid::HMAC_SHA3_512, 20),
    eager::<md5::Md5>("MD5", oid::MD5, oid::HMAC_MD5, 4),
    // OpenSSL takes any digest it has for the MAC; there is no PBKDF2 with these.
    digest::<blake2::Blake2b512, SimpleHmac<blake2::Blake2b512>>(
        "BLAKE2b-512",
        oid::BLAKE2B_512,
        None,
        10,
    ),
    digest::<blake2::Blake2s256, SimpleHmac<blake2::Blake2s256>>(
        "BLAKE2s-256",
        oid::BLAKE2S_256,
        None,
        8,
    ),
];

/// The digest of both forms this module writes its keys with, and the default of PBKDF2 (RFC 8018
/// appendix A.2).
pub(crate) fn sha1() -> &'static Digest {
    &DIGESTS[0]
}

pub(crate) fn sha256() -> &'static Digest {
    &DIGESTS[1]
}

pub(crate) fn md5() -> &'static Digest {
    &DIGESTS[11]
}

/// The digest an AlgorithmIdentifier names.
pub(crate) fn named(name: Oid) -> Result<&'static Digest, Error> {
    let known = DIGESTS.iter().find(|digest| name == digest.oid);
    known.ok_or_else(|| unsupported(name))
}

/// The digest of the HMAC an AlgorithmIdentifier names.
pub(crate) fn named_by_hmac(name: Oid) -> Result<&'static Digest, Error> {
    let known = DIGESTS
        .iter()
        .find(|digest| digest.hmac_oid.is_some_and(|oid| name == oid));
    known.ok_or_else(|| unsupported(name))
}

const fn eager<D>(
    name: &'static str,
    oid: ObjectIdentifier,
    hmac_oid: ObjectIdentifier,
    cost: u64,
) -> Digest
where
    D: Hash + BlockSizeUser + EagerHash,
{
    digest::<D, Hmac<D>>(name, oid, Some(hmac_oid), cost)
}

const fn digest<D, M>(
    name: &'static str,
    oid: ObjectIdentifier,
    hmac_oid: Option<ObjectIdentifier>,
    cost: u64,
) -> Digest
where
    D: Hash + BlockSizeUser,
    M: KeyInit + Update + FixedOutput + Clone,
{
    Digest {
        name,
        oid,
        hmac_oid,
        length: size_of::<hmac::digest::Output<D>>(),
        cost,
        pkcs12: pkcs12::<D>,
        pbkdf1: pbkdf1::<D>,
        again: again::<D>,
        pbkdf2: pbkdf2::<M>,
        verify_hmac: verify_hmac::<M>,
        hmac: hmac::<M>,
    }
}

impl Digest {
    /// A key of `length` octets by RFC 7292 appendix B.
    pub(crate) fn pkcs12(
        &self,
        input: &Derive,
        purpose: Purpose,
        length: usize,
        work: &mut Work,
    ) -> Result<Zeroizing<Vec<u8>>, Error> {
        work.derivation(input.rounds, self.cost * self.blocks(length))?;
        Ok(filled(length, |key| {
            (self.pkcs12)(input, purpose, key, self.again);
        }))
    }

    /// The digest of PBKDF1, RFC 8018 section 5.1, whole.
    pub(crate) fn pbkdf1(
        &self,
        input: &Derive,
        work: &mut Work,
    ) -> Result<Zeroizing<Vec<u8>>, Error> {
        work.derivation(input.rounds, self.cost)?;
        Ok(filled(self.length, |key| {
            (self.pbkdf1)(input, key, self.again);
        }))
    }

    /// A key of `length` octets by PBKDF2, RFC 8018 section 5.2, with HMAC of this digest.
    pub(crate) fn pbkdf2(
        &self,
        input: &Derive,
        length: usize,
        work: &mut Work,
    ) -> Result<Zeroizing<Vec<u8>>, Error> {
        // Each round is an HMAC: two compressions.
        work.derivation(input.rounds, 2 * self.cost * self.blocks(length))?;
        Ok(filled(length, |key| (self.pbkdf2)(input, key)))
    }

    /// Whether `code` is the whole HMAC of `message`, compared in constant time.
    pub(crate) fn verify_hmac(&self, key: &[u8], message: &[u8], code: &[u8]) -> bool {
        (self.verify_hmac)(key, message, code)
    }

    /// The HMAC of `message`.
    pub(crate) fn hmac(&self, key: &[u8], message: &[u8]) -> Vec<u8> {
        (self.hmac)(key, message)
    }

    /// How many outputs make `length` octets.
    fn blocks(&self, length: usize) -> u64 {
        length.div_ceil(self.length) as u64
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

fn filled(length: usize, fill: impl FnOnce(&mut [u8])) -> Zeroizing<Vec<u8>> {
    let mut key = Zeroizing::new(vec![0; length]);
    fill(&mut key);
    key
}

/// RFC 7292 appendix B.2, with its names: `D` diversifier, `I` salt and password, `A` one output,
/// `B` its repetition.
fn pkcs12<D: Hash + BlockSizeUser>(input: &Derive, purpose: Purpose, key: &mut [u8], again: Again) {
    let block = D::block_size();
    let diversifier = vec![purpose as u8; block];
    let mut i = repeated_to_blocks(&[input.salt, input.password], block);
    for chunk in key.chunks_mut(<D as Hash>::output_size()) {
        let mut a = D::new()
            .chain_update(&diversifier)
            .chain_update(&*i)
            .finalize();
        again(&mut a, input.rounds.saturating_sub(1));
        chunk.copy_from_slice(&a[..chunk.len()]);
        let mut b = repeated_to_blocks(&[&a], block);
        i.chunks_mut(block).for_each(|part| add_with_one(part, &b));
        zeroize::Zeroize::zeroize(&mut b);
        zeroize::Zeroize::zeroize(a.as_mut_slice());
    }
}

/// Each part repeated to fill whole blocks; an empty part stays empty.
fn repeated_to_blocks(parts: &[&[u8]], block: usize) -> Zeroizing<Vec<u8>> {
    let length = |part: &[u8]| part.len().div_ceil(block) * block;
    let mut repeated = Zeroizing::new(Vec::with_capacity(
        parts.iter().map(|part| length(part)).sum(),
    ));
    for part in parts {
        repeated.extend(part.iter().cycle().take(length(part)));
    }
    repeated
}

/// `part + b + 1`, as big-endian numbers of the same size; what does not fit is dropped.
fn add_with_one(part: &mut [u8], b: &[u8]) {
    let mut carry = 1;
    for (octet, add) in part.iter_mut().zip(b).rev() {
        carry += u16::from(*octet) + u16::from(*add);
        *octet = carry as u8;
        carry >>= 8;
    }
}

fn again<D: Hash>(value: &mut [u8], rounds: u32) {
    for _ in 0..rounds {
        let next = D::digest(&*value);
        value.copy_from_slice(&next);
    }
}

fn pbkdf1<D: Hash>(input: &Derive, key: &mut [u8], again: Again) {
    let mut t = D::new()
        .chain_update(input.password)
        .chain_update(input.salt)
        .finalize();
    again(&mut t, input.rounds.saturating_sub(1));
    key.copy_from_slice(&t);
    zeroize::Zeroize::zeroize(t.as_mut_slice());
}

fn pbkdf2<M: KeyInit + Update + FixedOutput + Clone>(input: &Derive, key: &mut [u8]) {
    let result = pbkdf2::pbkdf2::<M>(input.password, input.salt, input.rounds, key);
    debug_assert!(result.is_ok(), "HMAC takes keys of any length");
}

/// The same for a hash whose rounds can be had alone.
fn pbkdf2_in_rounds<D, const N: usize>(rounds: &Rounds<N>, input: &Derive, key: &mut [u8])
where
    D: Hash + BlockSizeUser + EagerHash,
{
    let mut password = Zeroizing::new(input.password.to_vec());
    // RFC 2104, section 2: a key longer than a block is hashed.
    if password.len() > D::block_size() {
        password = Zeroizing::new(D::digest(&*password).to_vec());
    }
    for (number, chunk) in (1_u32..).zip(key.chunks_mut(<D as Hash>::output_size())) {
        let message = [input.salt, &number.to_be_bytes()].concat();
        let mut value = Zeroizing::new(hmac::<Hmac<D>>(&password, &message));
        rounds.hmac_again(&password, &mut value, input.rounds.saturating_sub(1));
        chunk.copy_from_slice(&value[..chunk.len()]);
    }
}

fn code_of<M: KeyInit + Update + FixedOutput>(
    key: &[u8],
    message: &[u8],
) -> Option<hmac::digest::Output<M>> {
    let mut mac = <M as KeyInit>::new_from_slice(key).ok()?;
    mac.update(message);
    Some(mac.finalize_fixed())
}

fn verify_hmac<M: KeyInit + Update + FixedOutput>(key: &[u8], message: &[u8], code: &[u8]) -> bool {
    // The whole length is compared: a code cut short would be easier to forge.
    code_of::<M>(key, message).is_some_and(|right| constant_time_equal(&right, code))
}

fn constant_time_equal(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len()
        && a.iter()
            .zip(b)
            .fold(0, |difference, (a, b)| difference | (a ^ b))
            == 0
}

fn hmac<M: KeyInit + Update + FixedOutput>(key: &[u8], message: &[u8]) -> Vec<u8> {
    code_of::<M>(key, message)
        .map(|code| code.to_vec())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use data_encoding::HEXLOWER;

    use super::*;

    #[test]
    fn pkcs12_derivation_gives_the_published_vectors() {
        // smeg and queeg: the vectors that OpenSSL, Go and BouncyCastle share.
        let smeg = &[0, b's', 0, b'm', 0, b'e', 0, b'g', 0, 0];
        let queeg = &[0, b'q', 0, b'u', 0, b'e', 0, b'e', 0, b'g', 0, 0];
        for (password, salt, purpose, rounds, expected) in [
            (
                &smeg[..],
                "0a58cf64530d823f",
                Purpose::Key,
                1,
                "8aaae6297b6cb04642ab5b077851284eb7128f1a2a7fbca3",
            ),
            (smeg, "0a58cf64530d823f", Purpose::Iv, 1, "79993dfe048d3b76"),
            (
                smeg,
                "3d83c0e4546ac140",
                Purpose::Mac,
                1,
                "8d967d88f6caa9d714800ab3d48051d63f73a312",
            ),
            (
                queeg,
                "05dec959acff72f7",
                Purpose::Key,
                1000,
                "ed2034e36328830ff09df1e1a07dd357185dac0d4f9eb3d4",
            ),
            (
                queeg,
                "05dec959acff72f7",
                Purpose::Iv,
                1000,
                "11dedad7758d4860",
            ),
            (
                queeg,
                "263216fcc2fab31c",
                Purpose::Mac,
                1000,
                "5ec4c7a80df652294c3925b6489a7ab857c83476",
            ),
        ] {
            let salt = HEXLOWER.decode(salt.as_bytes()).unwrap();
            let mut key = vec![0; expected.len() / 2];
            (sha1().pkcs12)(
                &Derive {
                    password,
                    salt: &salt,
                    rounds,
                },
                purpose,
                &mut key,
                sha1().again,
            );
            assert_eq!(HEXLOWER.encode(&key), expected);
        }
    }

    #[test]
    fn pbkdf2_gives_the_vectors_of_rfc_6070_and_rfc_7914() {
        let mut work = Work::for_file(0).unwrap();
        let key = sha1()
            .pbkdf2(
                &Derive {
                    password: b"password",
                    salt: b"salt",
                    rounds: 4096,
                },
                20,
                &mut work,
            )
            .unwrap();
        assert_eq!(
            HEXLOWER.encode(&key),
            "4b007901b765489abead49d926f721d065a429c1"
        );
        let key = sha256()
            .pbkdf2(
                &Derive {
                    password: b"passwd",
                    salt: b"salt",
                    rounds: 1,
                },
                16,
                &mut work,
            )
            .unwrap();
        assert_eq!(HEXLOWER.encode(&key), "55ac046e56e3089fec1691c22544b605");
    }

    /// What the crates make of it, round by round with a hasher for messages of any length.
    #[test]
    fn the_quick_rounds_give_what_the_crates_give() {
        for (password, length, rounds) in [
            (0, 1, 1),
            (8, 24, 2),
            (63, 33, 7),
            (64, 64, 9),
            (65, 20, 1000),
        ] {
            let password = vec![0xa7; password];
            let input = Derive {
                password: &password,
                salt: b"a salt",
                rounds,
            };
            let (mut quick, mut right) = (vec![0; length], vec![0; length]);
            (sha1().pbkdf2)(&input, &mut quick);
            pbkdf2::<Hmac<sha1::Sha1>>(&input, &mut right);
            assert_eq!(quick, right, "SHA-1, {rounds} rounds");
            (sha256().pbkdf2)(&input, &mut quick);
            pbkdf2::<Hmac<sha2::Sha256>>(&input, &mut right);
            assert_eq!(quick, right, "SHA-256, {rounds} rounds");
        }
        for rounds in [0, 1, 2, 1000] {
            let (mut quick, mut right) = ([9; 32], [9; 32]);
            (sha256().again)(&mut quick, rounds);
            again::<sha2::Sha256>(&mut right, rounds);
            assert_eq!(quick, right, "SHA-256 again, {rounds} times");
        }
    }

    #[test]
    fn every_digest_is_found_by_its_identifiers_and_agrees_with_its_length() {
        for digest in &DIGESTS {
            assert_eq!(
                named(Oid(digest.oid.as_bytes()))
                    .ok()
                    .map(|found| found.name),
                Some(digest.name)
            );
            assert_eq!(digest.hmac(b"key", b"message").len(), digest.length);
            if let Some(oid) = digest.hmac_oid {
                assert_eq!(
                    named_by_hmac(Oid(oid.as_bytes()))
                        .ok()
                        .map(|found| found.name),
                    Some(digest.name)
                );
            }
        }
        assert_eq!(
            [sha1().name, sha256().name, md5().name],
            ["SHA-1", "SHA-256", "MD5"]
        );
    }

    #[test]
    fn a_code_cut_short_does_not_verify() {
        let code = sha256().hmac(b"key", b"message");
        assert!(sha256().verify_hmac(b"key", b"message", &code));
        for length in 0..code.len() {
            assert!(!sha256().verify_hmac(b"key", b"message", &code[..length]));
        }
        assert!(!sha256().verify_hmac(b"key", b"massage", &code));
    }
}
