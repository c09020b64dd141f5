//! Whether the eight numbers of an RSA private key fit together. Windows signs with the CRT values
//! as they stand, so a key whose `dP` was damaged has the right public key and still makes wrong
//! signatures.

use crypto_bigint::{BoxedUint, ConcatenatingMul, NonZero};
use der::asn1::UintRef;
use der::{Decode, Encode};
use rsa::pkcs1::{RsaPrivateKeyRef, RsaPublicKeyRef};
use zeroize::Zeroizing;

use super::KeyPairError;
use super::public::RSA_BITS;

/// Reads and checks an RSAPrivateKey (RFC 8017 appendix A.1.2); returns the DER of its
/// RSAPublicKey.
///
/// Modular arithmetic only, no primality tests: damage is looked for, not a badly chosen key.
pub(super) fn public_bits(der: &[u8]) -> Result<Vec<u8>, KeyPairError> {
    let key = RsaPrivateKeyRef::from_der(der).map_err(|_| KeyPairError::KeyDamaged)?;
    if key.other_prime_infos.is_some() {
        return Err(KeyPairError::UnsupportedKey {
            algorithm: "RSA with more than two primes".into(),
        });
    }
    // Before any arithmetic: a hostile key must not buy unbounded work.
    let bits = bit_length(&key.modulus);
    if !RSA_BITS.contains(&bits) {
        return Err(KeyPairError::UnsupportedKey {
            algorithm: format!("RSA {bits}"),
        });
    }
    if !fits_together(&key).unwrap_or(false) {
        return Err(KeyPairError::KeyDamaged);
    }
    let public = RsaPublicKeyRef {
        modulus: key.modulus,
        public_exponent: key.public_exponent,
    };
    public.to_der().map_err(|_| KeyPairError::KeyDamaged)
}

fn bit_length(number: &UintRef<'_>) -> usize {
    let bytes = number.as_bytes();
    let unused = bytes
        .first()
        .map_or(0, |first| first.leading_zeros() as usize);
    bytes.len() * 8 - unused
}

/// n = p·q, and for each prime r: d ≡ dR and e·dR ≡ 1 modulo r − 1; q·qInv ≡ 1 modulo p (RFC 8017
/// section 3.2). `None` where a number is out of range.
fn fits_together(key: &RsaPrivateKeyRef<'_>) -> Option<bool> {
    let width = u32::try_from(key.modulus.as_bytes().len() * 8).ok()?;
    let number = |uint: &UintRef<'_>| {
        Some(Zeroizing::new(
            BoxedUint::from_be_slice(uint.as_bytes(), width).ok()?,
        ))
    };
    let [n, e, d] = [
        number(&key.modulus)?,
        number(&key.public_exponent)?,
        number(&key.private_exponent)?,
    ];
    let [p, q] = [number(&key.prime1)?, number(&key.prime2)?];
    let [dp, dq, qinv] = [
        number(&key.exponent1)?,
        number(&key.exponent2)?,
        number(&key.coefficient)?,
    ];
    let exponent_fits = |prime: &BoxedUint, exponent: &BoxedUint| {
        let order = modulus(prime.wrapping_sub(BoxedUint::one()))?;
        Some(
            *remainder(&d, &order) == *exponent
                && is_one(&remainder(&product(&e, exponent), &order)),
        )
    };
    let modulo_p = modulus(BoxedUint::clone(&p))?;
    Some(
        *product(&p, &q) == *n
            && *d < *n
            && exponent_fits(&p, &dp)?
            && exponent_fits(&q, &dq)?
            && *qinv < *p
            && is_one(&remainder(&product(&q, &qinv), &modulo_p)),
    )
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
