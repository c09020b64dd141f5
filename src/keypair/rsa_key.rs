//! Whether the eight numbers of an RSA private key fit together. Windows signs with the CRT values
//! as they stand, so a key whose `dP` was damaged has the right public key and still makes wrong
//! signatures.

use crypto_bigint::{BoxedUint, ConcatenatingMul, NonZero};
use der::Encode;
use der::asn1::{OctetStringRef, UintRef};
use pfx::ber::{self, Reader, SEQUENCE};
use pkcs8::PrivateKeyInfoRef;
use rsa::pkcs1::{EncodeRsaPrivateKey, RsaPrivateKeyRef, RsaPublicKeyRef};
use zeroize::Zeroizing;

use super::KeyPairError;
use super::public::{RSA_BITS, bit_length};
use secret::SecretBytes;

/// How often longer than the modulus the private exponent may be. Some writers do not reduce it.
const MAX_EXPONENT: usize = 2;

/// The numbers of an RSAPrivateKey (RFC 8017 appendix A.1.2), without zeros in front.
pub(super) struct RsaPrivateNumbers<'a> {
    modulus: &'a [u8],
    public_exponent: &'a [u8],
    private_exponent: &'a [u8],
    primes: [&'a [u8]; 2],
    exponents: [&'a [u8]; 2],
    coefficient: &'a [u8],
}

impl<'a> RsaPrivateNumbers<'a> {
    /// Reads and checks a key, whose numbers may have zeros in front, or none where one would keep
    /// them from being negative. Octets after it are none of its.
    ///
    /// Modular arithmetic only, no primality tests: damage is looked for, not a badly chosen key.
    pub(super) fn read(der: &'a [u8]) -> Result<Self, KeyPairError> {
        let (key, has_more_primes) = numbers(der).map_err(|_| KeyPairError::KeyDamaged)?;
        if has_more_primes {
            return Err(KeyPairError::UnsupportedKey {
                algorithm: "RSA with more than two primes".into(),
            });
        }
        // Before any arithmetic: a hostile key must not buy unbounded work.
        let bits = bit_length(key.modulus);
        if !RSA_BITS.contains(&bits) {
            return Err(KeyPairError::UnsupportedKey {
                algorithm: format!("RSA {bits}"),
            });
        }
        if !key.fits_together().unwrap_or(false) {
            return Err(KeyPairError::KeyDamaged);
        }
        Ok(key)
    }

    /// DER of its RSAPublicKey.
    pub(super) fn public_bits(&self) -> der::Result<Vec<u8>> {
        let public = RsaPublicKeyRef {
            modulus: UintRef::new(self.modulus)?,
            public_exponent: UintRef::new(self.public_exponent)?,
        };
        public.to_der()
    }

    /// The same key in DER, its private exponent smaller than the modulus (RFC 8017 section 3.2).
    pub(super) fn to_der(&self) -> der::Result<SecretBytes> {
        let reduced = self.reduced_exponent();
        let [prime1, prime2] = self.primes;
        let [exponent1, exponent2] = self.exponents;
        let key = RsaPrivateKeyRef {
            modulus: UintRef::new(self.modulus)?,
            public_exponent: UintRef::new(self.public_exponent)?,
            private_exponent: UintRef::new(ber::without_zeros(&reduced))?,
            prime1: UintRef::new(prime1)?,
            prime2: UintRef::new(prime2)?,
            exponent1: UintRef::new(exponent1)?,
            exponent2: UintRef::new(exponent2)?,
            coefficient: UintRef::new(self.coefficient)?,
            other_prime_infos: None,
        };
        key.to_der().map(SecretBytes::new)
    }

    /// Whether its private exponent is smaller than its modulus, as strict readers want it.
    pub(super) fn is_reduced(&self) -> bool {
        let (d, n) = (self.private_exponent, self.modulus);
        d.len() < n.len() || (d.len() == n.len() && d < n)
    }

    fn reduced_exponent(&self) -> Zeroizing<Vec<u8>> {
        if self.is_reduced() {
            return Zeroizing::new(self.private_exponent.to_vec());
        }
        let order = |prime| Some(number(prime)?.wrapping_sub(BoxedUint::one()));
        let [p, q] = self.primes;
        let reduced = order(p).zip(order(q)).and_then(|(p, q)| {
            let orders = modulus(BoxedUint::clone(&product(&p, &q)))?;
            let d = number(self.private_exponent)?;
            Some(remainder(&d, &orders).to_be_bytes().to_vec())
        });
        Zeroizing::new(reduced.unwrap_or_default())
    }

    /// n = p·q, and for each prime r: d ≡ dR and e·dR ≡ 1 modulo r − 1; q·qInv ≡ 1 modulo p (RFC
    /// 8017 section 3.2). `None` where a number is out of range.
    fn fits_together(&self) -> Option<bool> {
        let width = self.modulus.len();
        let [p, q] = self.primes;
        let [dp, dq] = self.exponents;
        let small = [self.public_exponent, p, q, dp, dq, self.coefficient];
        let is_small = small.iter().all(|number| number.len() <= width);
        if !is_small || self.private_exponent.len() > MAX_EXPONENT * width {
            return None;
        }
        let [n, e, d] = [
            number(self.modulus)?,
            number(self.public_exponent)?,
            number(self.private_exponent)?,
        ];
        let [p, q, dp, dq] = [number(p)?, number(q)?, number(dp)?, number(dq)?];
        let qinv = number(self.coefficient)?;
        let modulo_p = modulus(BoxedUint::clone(&p))?;
        Some(
            *product(&p, &q) == *n
                && exponent_fits(&p, &dp, &e, &d)?
                && exponent_fits(&q, &dq, &e, &d)?
                && *qinv < *p
                && is_one(&remainder(&product(&q, &qinv), &modulo_p)),
        )
    }
}

fn exponent_fits(
    prime: &BoxedUint,
    exponent: &BoxedUint,
    e: &BoxedUint,
    d: &BoxedUint,
) -> Option<bool> {
    let order = modulus(prime.wrapping_sub(BoxedUint::one()))?;
    Some(*remainder(d, &order) == *exponent && is_one(&remainder(&product(e, exponent), &order)))
}

/// The same key with its primes and the values beside them, where its writer left zeros for them;
/// `None` where they are there, or cannot be found.
pub(super) fn completed(der: &[u8]) -> Option<SecretBytes> {
    let (key, has_more_primes) = numbers(der).ok()?;
    let [p, q] = key.primes;
    let [dp, dq] = key.exponents;
    let is_whole = [p, q, dp, dq, key.coefficient]
        .iter()
        .all(|one| !one.is_empty());
    if is_whole || has_more_primes || !RSA_BITS.contains(&bit_length(key.modulus)) {
        return None;
    }
    let width = u32::try_from(8 * key.modulus.len()).ok()?;
    // Of a number that is wider than the modulus nothing is made.
    let number = |octets: &[u8]| BoxedUint::from_be_slice(octets, width).ok();
    let primes = match p.is_empty() || q.is_empty() {
        true => Vec::new(),
        false => vec![number(p)?, number(q)?],
    };
    let (n, e, d) = (key.modulus, key.public_exponent, key.private_exponent);
    let whole =
        rsa::PrivateKey::from_components(number(n)?, number(e)?, number(d)?, primes).ok()?;
    Some(SecretBytes::copy_of(whole.to_pkcs1_der().ok()?.as_bytes()))
}

/// A PKCS#8 of these numbers, in the order of RSAPrivateKey; of the last five any may be empty.
pub(crate) fn pkcs8_of_rsa(numbers: &[Zeroizing<Vec<u8>>; 8]) -> Option<SecretBytes> {
    let number = |at: usize| UintRef::new(ber::without_zeros(&numbers[at])).ok();
    let key = RsaPrivateKeyRef {
        modulus: number(0)?,
        public_exponent: number(1)?,
        private_exponent: number(2)?,
        prime1: number(3)?,
        prime2: number(4)?,
        exponent1: number(5)?,
        exponent2: number(6)?,
        coefficient: number(7)?,
        other_prime_infos: None,
    };
    let key = key.to_der().map(SecretBytes::new).ok()?;
    let octets = OctetStringRef::new(key.expose()).ok()?;
    let info = PrivateKeyInfoRef::new(rsa::pkcs1::ALGORITHM_ID, octets);
    info.to_der().map(SecretBytes::new).ok()
}

/// The numbers as they stand, and whether there are more than two primes.
fn numbers(der: &[u8]) -> Result<(RsaPrivateNumbers<'_>, bool), pfx::Error> {
    let mut fields = Reader::new(der).sequence()?;
    let version = fields.unsigned()?;
    let mut next = || fields.next()?.magnitude();
    let key = RsaPrivateNumbers {
        modulus: next()?,
        public_exponent: next()?,
        private_exponent: next()?,
        primes: [next()?, next()?],
        exponents: [next()?, next()?],
        coefficient: next()?,
    };
    let others = fields.optional(SEQUENCE).ok().flatten();
    Ok((key, version == 1 || others.is_some()))
}

fn number(octets: &[u8]) -> Option<Zeroizing<BoxedUint>> {
    let width = u32::try_from(octets.len().max(1) * 8).ok()?;
    let number = BoxedUint::from_be_slice(octets, width).ok()?;
    Some(Zeroizing::new(number))
}

fn modulus(number: BoxedUint) -> Option<Zeroizing<NonZero<BoxedUint>>> {
    NonZero::new(number).into_option().map(Zeroizing::new)
}

fn is_one(number: &BoxedUint) -> bool {
    number.is_one().to_bool()
}

fn product(a: &BoxedUint, b: &BoxedUint) -> Zeroizing<BoxedUint> {
    Zeroizing::new(a.concatenating_mul(b))
}

/// The quotient is as secret as the rest, which is why `rem`, which drops it unwiped, is not used.
fn remainder(number: &BoxedUint, modulus: &Zeroizing<NonZero<BoxedUint>>) -> Zeroizing<BoxedUint> {
    let (quotient, remainder) = number.div_rem(modulus);
    drop(Zeroizing::new(quotient));
    Zeroizing::new(remainder)
}
