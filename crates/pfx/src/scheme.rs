//! Password-based encryption as an AlgorithmIdentifier describes it: PBES1 of RFC 7292 appendix C
//! and of RFC 8018 section 6.1, and PBES2 of RFC 8018 section 6.2, with PBKDF2 or scrypt (RFC 7914).

use std::fmt;

use const_oid::ObjectIdentifier;
use zeroize::Zeroizing;

use crate::unsupported::unsupported;
use crate::{
    Encryption, Error,
    ber::Reader,
    cipher::Cipher,
    der::{OCTET_STRING, SEQUENCE},
    digest::{self, Derive, Digest, Purpose},
    forms::Forms,
    oid::{self, Oid},
    work::{Work, too_much},
};
use secret::Password;

/// Octets of a salt. RFC 8018 sets no limit; real ones have 8 to 64.
const MAX_SALT: usize = 4096;
/// Bytes of memory for scrypt. Twice what N = 2^16 and r = 8 take.
const MAX_SCRYPT_MEMORY: u64 = 128 << 20;
/// Octets of an RC2 key: what the cipher can take.
const MAX_RC2_KEY: u64 = 128;

/// The password in the forms that one file may need.
pub(crate) struct PasswordForms {
    pub(crate) bmp: Forms,
    pub(crate) utf8: Forms,
}

impl PasswordForms {
    pub(crate) fn of(password: &Password) -> Self {
        Self {
            bmp: Forms::bmp(password),
            utf8: Forms::utf8(password),
        }
    }
}

/// How something is encrypted.
pub(crate) struct Scheme {
    cipher: Cipher,
    derivation: Derivation,
    salt: Vec<u8>,
    rounds: u32,
    /// Given in the file by PBES2, else derived like the key.
    iv: Option<Vec<u8>>,
}

#[derive(Clone, Copy)]
enum Derivation {
    Pkcs12,
    Pbkdf1(&'static Digest),
    Pbkdf2(&'static Digest),
    Scrypt(ScryptCost),
}

/// What RFC 7914 asks for besides its rounds, which are N.
#[derive(Clone, Copy)]
struct ScryptCost {
    block_size: u32,
    parallel: u32,
}

struct KeyAndIv {
    key: Zeroizing<Vec<u8>>,
    iv: Zeroizing<Vec<u8>>,
}

impl Scheme {
    /// Reads an AlgorithmIdentifier.
    pub(crate) fn parse(reader: &mut Reader) -> Result<Self, Error> {
        let mut identifier = reader.sequence()?;
        let name = identifier.oid()?;
        if name == oid::PBES2 {
            Self::pbes2(identifier)
        } else {
            Self::pbes1(name, identifier)
        }
    }

    fn pbes1(name: Oid, mut identifier: Reader) -> Result<Self, Error> {
        let known = pbes1_schemes().into_iter().find(|(oid, ..)| name == *oid);
        let (_, cipher, derivation) = known.ok_or_else(|| unsupported(name))?;
        let mut parameters = identifier.sequence()?;
        let salt = salt(&mut parameters)?;
        let rounds = rounds(&mut parameters)?;
        Ok(Self {
            cipher,
            derivation,
            salt,
            rounds,
            iv: None,
        })
    }

    fn pbes2(mut identifier: Reader) -> Result<Self, Error> {
        let mut parameters = identifier.sequence()?;
        let derived = KeyDerivation::parse(&mut parameters)?;
        let (cipher, iv) = pbes2_cipher(&mut parameters, derived.key_length)?;
        let fits = |length: u64| length == cipher.key_length() as u64;
        if !derived.key_length.is_none_or(fits) {
            return Err(Error::Malformed(
                "the key has another length than its cipher takes",
            ));
        }
        Ok(Self {
            cipher,
            derivation: derived.derivation,
            salt: derived.salt,
            rounds: derived.rounds,
            iv: Some(iv),
        })
    }

    /// Decrypts, trying each form of the password. `None` if no form gives a SEQUENCE, which
    /// everything encrypted in a PFX is: a wrong key passes for right by its padding alone once in
    /// 256 times. Octets after it, which some writers leave there, are taken off.
    pub(crate) fn decrypt(
        &self,
        encrypted: &[u8],
        forms: &mut PasswordForms,
        work: &mut Work,
    ) -> Result<Option<Zeroizing<Vec<u8>>>, Error> {
        let forms = match self.derivation {
            Derivation::Pkcs12 => &mut forms.bmp,
            _ => &mut forms.utf8,
        };
        forms.try_each(|password| {
            let derived = self.derive(password, work)?;
            let plain = self.cipher.decrypt(&derived.key, &derived.iv, encrypted);
            Ok(plain.and_then(one_sequence))
        })
    }

    fn derive(&self, password: &[u8], work: &mut Work) -> Result<KeyAndIv, Error> {
        let input = Derive {
            password,
            salt: &self.salt,
            rounds: self.rounds,
        };
        let (key_length, iv_length) = (self.cipher.key_length(), self.cipher.iv_length());
        match self.derivation {
            Derivation::Pkcs12 => Ok(KeyAndIv {
                key: digest::sha1().pkcs12(&input, Purpose::Key, key_length, work)?,
                iv: digest::sha1().pkcs12(&input, Purpose::Iv, iv_length, work)?,
            }),
            // RFC 8018 section 6.1.1: the first eight octets are the key, the next eight the
            // vector.
            Derivation::Pbkdf1(digest) => {
                let derived = digest.pbkdf1(&input, work)?;
                Ok(KeyAndIv {
                    key: derived[..8].to_vec().into(),
                    iv: derived[8..16].to_vec().into(),
                })
            }
            Derivation::Pbkdf2(digest) => Ok(KeyAndIv {
                key: digest.pbkdf2(&input, key_length, work)?,
                iv: self.iv.clone().unwrap_or_default().into(),
            }),
            Derivation::Scrypt(cost) => Ok(KeyAndIv {
                key: cost.derive(&input, key_length, work)?,
                iv: self.iv.clone().unwrap_or_default().into(),
            }),
        }
    }

    /// For the report on a key.
    pub(crate) fn describe(&self) -> Encryption {
        Encryption {
            algorithm: self.to_string(),
            iterations: self.rounds,
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.derivation {
            Derivation::Pkcs12 => write!(f, "{} (PKCS#12 with SHA-1)", self.cipher),
            Derivation::Pbkdf1(digest) => write!(f, "{} (PBKDF1 with {digest})", self.cipher),
            Derivation::Pbkdf2(digest) => write!(f, "{} (PBKDF2 with HMAC-{digest})", self.cipher),
            Derivation::Scrypt(_) => write!(f, "{} (scrypt)", self.cipher),
        }
    }
}

/// The SEQUENCE that `plain` begins with. Where octets follow it, what is in it must be whole
/// elements as well.
fn one_sequence(mut plain: Zeroizing<Vec<u8>>) -> Option<Zeroizing<Vec<u8>>> {
    let sequence = Reader::new(&plain).expect(SEQUENCE).ok()?;
    let length = sequence.whole.len();
    let mut inside = sequence.reader();
    while length < plain.len() && !inside.is_empty() {
        inside.next().ok()?;
    }
    plain.truncate(length);
    Some(plain)
}

fn pbes1_schemes() -> [(ObjectIdentifier, Cipher, Derivation); 10] {
    use Derivation::{Pbkdf1, Pkcs12};
    let rc2_64 = Cipher::Rc2 {
        key_length: 8,
        effective_bits: 64,
    };
    [
        (oid::PBE_SHA_3DES, Cipher::TripleDes, Pkcs12),
        (
            oid::PBE_SHA_RC2_40,
            Cipher::Rc2 {
                key_length: 5,
                effective_bits: 40,
            },
            Pkcs12,
        ),
        (
            oid::PBE_SHA_RC2_128,
            Cipher::Rc2 {
                key_length: 16,
                effective_bits: 128,
            },
            Pkcs12,
        ),
        (oid::PBE_SHA_2DES, Cipher::TwoKeyTripleDes, Pkcs12),
        (oid::PBE_SHA_RC4_128, Cipher::Rc4 { key_length: 16 }, Pkcs12),
        (oid::PBE_SHA_RC4_40, Cipher::Rc4 { key_length: 5 }, Pkcs12),
        (oid::PBE_MD5_DES, Cipher::Des, Pbkdf1(digest::md5())),
        (oid::PBE_SHA1_DES, Cipher::Des, Pbkdf1(digest::sha1())),
        (oid::PBE_MD5_RC2, rc2_64, Pbkdf1(digest::md5())),
        (oid::PBE_SHA1_RC2, rc2_64, Pbkdf1(digest::sha1())),
    ]
}

/// The encryption scheme of PBES2 and its initialization vector (RFC 8018 appendix B.2).
fn pbes2_cipher(reader: &mut Reader, key_length: Option<u64>) -> Result<(Cipher, Vec<u8>), Error> {
    let mut identifier = reader.sequence()?;
    let name = identifier.oid()?;
    if name == oid::RC2_CBC {
        return rc2_cipher(&mut identifier, key_length);
    }
    if name == oid::CAST5_CBC {
        return cast5_cipher(&mut identifier, key_length);
    }
    if name == oid::BLOWFISH_CBC {
        let cipher = Cipher::Blowfish {
            key_length: variable_length(key_length, 4..=56)?,
        };
        return Ok((cipher, iv(&mut identifier, cipher)?));
    }
    let ciphers = [
        (oid::CAMELLIA_128_CBC, Cipher::Camellia128),
        (oid::CAMELLIA_192_CBC, Cipher::Camellia192),
        (oid::CAMELLIA_256_CBC, Cipher::Camellia256),
        (oid::ARIA_128_CBC, Cipher::Aria128),
        (oid::ARIA_192_CBC, Cipher::Aria192),
        (oid::ARIA_256_CBC, Cipher::Aria256),
        (oid::AES_256_CBC, Cipher::Aes256),
        (oid::AES_128_CBC, Cipher::Aes128),
        (oid::AES_192_CBC, Cipher::Aes192),
        (oid::DES_EDE3_CBC, Cipher::TripleDes),
        (oid::DES_CBC, Cipher::Des),
    ];
    let known = ciphers.into_iter().find(|(oid, _)| name == *oid);
    let (_, cipher) = known.ok_or_else(|| unsupported(name))?;
    Ok((cipher, iv(&mut identifier, cipher)?))
}

/// RFC 8018 appendix B.2.3: `SEQUENCE { rc2ParameterVersion INTEGER OPTIONAL, iv OCTET STRING
/// (SIZE(8)) }`.
fn rc2_cipher(
    identifier: &mut Reader,
    key_length: Option<u64>,
) -> Result<(Cipher, Vec<u8>), Error> {
    let mut parameters = identifier.sequence()?;
    let effective_bits = match parameters.optional_unsigned()? {
        None => 32,
        Some(160) => 40,
        Some(120) => 64,
        Some(58) => 128,
        Some(bits @ 256..=1024) => bits as usize,
        Some(_) => return Err(Error::Malformed("an unknown version of RC2 parameters")),
    };
    let key_length = key_length.unwrap_or(effective_bits.div_ceil(8) as u64);
    if !(1..=MAX_RC2_KEY).contains(&key_length) {
        return Err(Error::Malformed("an RC2 key of an impossible length"));
    }
    let cipher = Cipher::Rc2 {
        key_length: key_length as usize,
        effective_bits,
    };
    Ok((cipher, iv(&mut parameters, cipher)?))
}

/// RFC 2984: `SEQUENCE { iv OCTET STRING, keyLength INTEGER }`, its length in bits; OpenSSL writes
/// the vector alone.
fn cast5_cipher(
    identifier: &mut Reader,
    key_length: Option<u64>,
) -> Result<(Cipher, Vec<u8>), Error> {
    let cipher = |key_length| -> Result<Cipher, Error> {
        let key_length = variable_length(key_length, 5..=16)?;
        Ok(Cipher::Cast5 { key_length })
    };
    let Some(parameters) = identifier.optional(SEQUENCE)? else {
        let cipher = cipher(key_length)?;
        return Ok((cipher, iv(identifier, cipher)?));
    };
    let mut parameters = parameters.reader();
    let iv = iv(&mut parameters, cipher(None)?)?;
    let bits = parameters.optional_unsigned()?;
    Ok((cipher(bits.map(|bits| bits / 8).or(key_length))?, iv))
}

/// Octets of a key of a cipher that takes so many; 16 where that is not said, as in OpenSSL.
fn variable_length(
    key_length: Option<u64>,
    range: std::ops::RangeInclusive<usize>,
) -> Result<usize, Error> {
    let length = usize::try_from(key_length.unwrap_or(16)).ok();
    let length = length.filter(|length| range.contains(length));
    length.ok_or(Error::Malformed("a key of an impossible length"))
}

fn iv(reader: &mut Reader, cipher: Cipher) -> Result<Vec<u8>, Error> {
    let iv = reader.octets()?;
    if iv.len() != cipher.iv_length() {
        return Err(Error::Malformed(
            "an initialization vector of the wrong length",
        ));
    }
    Ok(iv.to_vec())
}

/// How PBES2 derives a key.
struct KeyDerivation {
    derivation: Derivation,
    salt: Vec<u8>,
    rounds: u32,
    key_length: Option<u64>,
}

impl KeyDerivation {
    fn parse(reader: &mut Reader) -> Result<Self, Error> {
        let mut ahead = *reader;
        let mut identifier = ahead.sequence()?;
        if identifier.oid()? == oid::SCRYPT {
            *reader = ahead;
            return Self::scrypt(identifier.sequence()?);
        }
        let pbkdf2 = Pbkdf2::parse(reader)?;
        Ok(Self {
            derivation: Derivation::Pbkdf2(pbkdf2.digest),
            salt: pbkdf2.salt,
            rounds: pbkdf2.rounds,
            key_length: pbkdf2.key_length,
        })
    }

    /// RFC 7914 section 7.
    fn scrypt(mut parameters: Reader) -> Result<Self, Error> {
        let salt = salt(&mut parameters)?;
        let rounds = rounds(&mut parameters)?;
        let cost = ScryptCost {
            block_size: scrypt_number(&mut parameters)?,
            parallel: scrypt_number(&mut parameters)?,
        };
        let key_length = parameters.optional_unsigned()?;
        Ok(Self {
            derivation: Derivation::Scrypt(cost),
            salt,
            rounds,
            key_length,
        })
    }
}

fn scrypt_number(parameters: &mut Reader) -> Result<u32, Error> {
    let number = parameters.unsigned()?;
    u32::try_from(number).map_err(|_| too_much(format!("{number} as a parameter of scrypt")))
}

impl ScryptCost {
    /// Memory and time are asked for before they are spent.
    fn derive(
        self,
        input: &Derive<'_>,
        length: usize,
        work: &mut Work,
    ) -> Result<Zeroizing<Vec<u8>>, Error> {
        let (block_size, parallel) = (u64::from(self.block_size), u64::from(self.parallel));
        // RFC 7914, section 6: V, and what PBKDF2 makes of the salt.
        let memory = (u64::from(input.rounds) + parallel).saturating_mul(128 * block_size);
        if memory > MAX_SCRYPT_MEMORY {
            return Err(too_much(format!("{memory} bytes of memory for scrypt")));
        }
        // Two passes of 2r times Salsa20/8, each as long as a compression or two.
        let cost = block_size.saturating_mul(parallel);
        work.derivation(input.rounds, cost.saturating_mul(8))?;
        // Each block of that PBKDF2 hashes the salt anew.
        let hashed = 4 + input.salt.len() as u64 / 64;
        let blocks = u32::try_from(cost.saturating_mul(4)).unwrap_or(u32::MAX);
        work.derivation(blocks, hashed)?;
        let impossible = |_| Error::Malformed("impossible parameters of scrypt");
        if !input.rounds.is_power_of_two() {
            return Err(Error::Malformed("impossible parameters of scrypt"));
        }
        // Its last parameter is for encoded passwords alone.
        let log_n = input.rounds.ilog2() as u8;
        let parameters =
            scrypt::Params::new(log_n, self.block_size, self.parallel, 32).map_err(impossible)?;
        let mut key = Zeroizing::new(vec![0; length]);
        scrypt::scrypt(input.password, input.salt, &parameters, &mut key)
            .map_err(|_| Error::Malformed("impossible parameters of scrypt"))?;
        Ok(key)
    }
}

/// Parameters of PBKDF2 (RFC 8018 appendix A.2), for PBES2 and PBMAC1.
pub(crate) struct Pbkdf2 {
    pub(crate) digest: &'static Digest,
    pub(crate) salt: Vec<u8>,
    pub(crate) rounds: u32,
    pub(crate) key_length: Option<u64>,
}

impl Pbkdf2 {
    /// What is derived from, with this password.
    pub(crate) fn input<'a>(&'a self, password: &'a [u8]) -> Derive<'a> {
        Derive {
            password,
            salt: &self.salt,
            rounds: self.rounds,
        }
    }

    /// Reads the AlgorithmIdentifier of a key derivation function, which must be PBKDF2.
    pub(crate) fn parse(reader: &mut Reader) -> Result<Self, Error> {
        let mut identifier = reader.sequence()?;
        let name = identifier.oid()?;
        if name != oid::PBKDF2 {
            return Err(unsupported(name));
        }
        let mut parameters = identifier.sequence()?;
        let salt = salt(&mut parameters)?;
        let rounds = rounds(&mut parameters)?;
        let key_length = parameters.optional_unsigned()?;
        // DEFAULT algid-hmacWithSHA1.
        let digest = match parameters.optional(SEQUENCE)? {
            Some(prf) => digest::named_by_hmac(prf.reader().oid()?)?,
            None => digest::sha1(),
        };
        parameters.finish()?;
        Ok(Self {
            digest,
            salt,
            rounds,
            key_length,
        })
    }
}

/// A salt. PBKDF2 allows one from another source, which nobody has defined.
pub(crate) fn salt(reader: &mut Reader) -> Result<Vec<u8>, Error> {
    let salt = reader.next()?;
    if salt.tag == SEQUENCE {
        return Err(Error::Unsupported {
            algorithm: "a salt from another source".into(),
        });
    }
    let salt = salt.octets(OCTET_STRING)?;
    if salt.len() > MAX_SALT {
        return Err(too_much(format!("a salt of {} bytes", salt.len())));
    }
    Ok(salt.to_vec())
}

/// An iteration count: at least one.
pub(crate) fn rounds(reader: &mut Reader) -> Result<u32, Error> {
    match reader.unsigned()? {
        0 => Err(Error::Malformed("an iteration count of zero")),
        rounds => u32::try_from(rounds)
            .map_err(|_| too_much(format!("{rounds} rounds of key derivation"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7914 allows each of these; all of them cost seconds to minutes, or hundreds of megabytes.
    #[test]
    fn scrypt_that_costs_too_much_is_refused_whichever_parameter_it_is() {
        let refused = |rounds, block_size, parallel, salt: usize| {
            let cost = ScryptCost {
                block_size,
                parallel,
            };
            let input = Derive {
                password: b"password",
                salt: &vec![0; salt],
                rounds,
            };
            let mut work = Work::for_file(1000).unwrap();
            matches!(
                cost.derive(&input, 32, &mut work),
                Err(Error::TooMuchWork { .. })
            )
        };
        assert!(refused(1 << 20, 8, 1, 16));
        assert!(refused(2, 1 << 21, 1, 16));
        assert!(refused(2, 1, 2_400_000, 16));
        assert!(refused(2, 1, 500_000, MAX_SALT));
        assert!(refused(1 << 14, 8, 1_000, 16));
        assert!(refused(2, u32::MAX, u32::MAX, 16));
        assert!(!refused(1 << 14, 8, 1, 16));
    }
}
