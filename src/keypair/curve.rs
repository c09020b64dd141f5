//! Which elliptic curve a key is on, by its name or written out.

use const_oid::ObjectIdentifier;
use const_oid::db::rfc5912;
use data_encoding::HEXLOWER;
use p256::elliptic_curve::sec1::ToSec1Point;
use pfx::ber::{BIT_STRING, CONSTRUCTED, Element, OCTET_STRING, OID, Reader, SEQUENCE};
use pfx::{Error, Oid, ber};
use pkcs8::{DecodePrivateKey, EncodePrivateKey};
use secret::SecretBytes;
use zeroize::Zeroizing;

/// id-prime-field (RFC 3279 section 2.3.5).
const PRIME_FIELD: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.1.1");

/// The curves whose keys can be backed up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Curve {
    P256,
    P384,
    P521,
}

/// A curve written out (RFC 3279 section 2.3.5), each number in lower-case hexadecimal without
/// zeros in front.
#[derive(Debug, PartialEq, Eq)]
struct Written {
    prime: String,
    a: String,
    b: String,
    x: String,
    /// The last bit of the generator's y, which with x says which point it is.
    y_is_odd: bool,
    order: String,
}

impl Curve {
    const ALL: [Self; 3] = [Self::P256, Self::P384, Self::P521];

    /// The curve of an algorithm's parameters; `None` for any other. Written out, every number must
    /// be the curve's, its generator too: with another one, anybody could make a key that fits a
    /// public key of somebody else (CVE-2020-0601).
    pub(super) fn of(parameters: Element<'_>) -> Option<Self> {
        match parameters.tag {
            OID => Self::named(Oid(parameters.body)),
            SEQUENCE => {
                let written = Written::read(parameters.reader()).ok()?;
                Self::ALL
                    .into_iter()
                    .find(|curve| curve.written() == written)
            }
            _ => None,
        }
    }

    fn named(name: Oid<'_>) -> Option<Self> {
        Self::ALL.into_iter().find(|curve| name == curve.oid())
    }

    /// Its name.
    pub(super) fn oid(self) -> ObjectIdentifier {
        match self {
            Self::P256 => rfc5912::SECP_256_R_1,
            Self::P384 => rfc5912::SECP_384_R_1,
            Self::P521 => rfc5912::SECP_521_R_1,
        }
    }

    /// Octets of a scalar.
    pub(super) fn scalar_length(self) -> usize {
        match self {
            Self::P256 => 32,
            Self::P384 => 48,
            Self::P521 => 66,
        }
    }

    /// SEC 2 version 2, sections 2.4.2, 2.5.1 and 2.6.1.
    fn written(self) -> Written {
        let [prime, a, b, x, order] = match self {
            Self::P256 => [
                "ffffffff00000001000000000000000000000000ffffffffffffffffffffffff",
                "ffffffff00000001000000000000000000000000fffffffffffffffffffffffc",
                "5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604b",
                "6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296",
                "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551",
            ],
            Self::P384 => [
                "fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffeffffffff0000000000000000ffffffff",
                "fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffeffffffff0000000000000000fffffffc",
                "b3312fa7e23ee7e4988e056be3f82d19181d9c6efe8141120314088f5013875ac656398d8a2ed19d2a85c8edd3ec2aef",
                "aa87ca22be8b05378eb1c71ef320ad746e1d3b628ba79b9859f741e082542a385502f25dbf55296c3a545e3872760ab7",
                "ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973",
            ],
            Self::P521 => [
                "01ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
                "01fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc",
                "51953eb9618e1c9a1f929a21a0b68540eea2da725b99b315f3b8b489918ef109e156193951ec7e937b1652c0bd3bb1bf073573df883d2c34f1ef451fd46b503f00",
                "c6858e06b70404e9cd9e3ecb662395b4429c648139053fb521f828af606b4d3dbaa14b5e77efe75928fe1dc127a2ffa8de3348b3c1856a429bf97e7e31c2e5bd66",
                "01fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409",
            ],
        };
        Written {
            prime: prime.to_owned(),
            a: a.to_owned(),
            b: b.to_owned(),
            x: x.to_owned(),
            y_is_odd: self != Self::P521,
            order: order.to_owned(),
        }
    }
}

impl Written {
    /// ECParameters: `SEQUENCE { version, FieldID, Curve, base ECPoint, order INTEGER, … }`.
    fn read(mut fields: Reader<'_>) -> Result<Self, Error> {
        fields.unsigned()?;
        let mut field = fields.sequence()?;
        if field.oid()? != PRIME_FIELD {
            return Err(Error::Malformed("a field of another kind"));
        }
        let prime = hex(field.next()?.magnitude()?);
        let mut curve = fields.sequence()?;
        let (a, b) = (hex(&curve.octets()?), hex(&curve.octets()?));
        let base = fields.expect(OCTET_STRING)?.body;
        let (x, y_is_odd) = coordinates(base)?;
        let order = hex(fields.next()?.magnitude()?);
        Ok(Self {
            prime,
            a,
            b,
            x,
            y_is_odd,
            order,
        })
    }
}

/// The x of a point, and whether its y is odd (SEC 1 version 2, section 2.3.4).
fn coordinates(point: &[u8]) -> Result<(String, bool), Error> {
    match point {
        [form @ (2 | 3), x @ ..] => Ok((hex(x), form & 1 == 1)),
        [4 | 6 | 7, both @ ..] if both.len() % 2 == 0 => {
            let (x, y) = both.split_at(both.len() / 2);
            Ok((hex(x), y.last().is_some_and(|last| last & 1 == 1)))
        }
        _ => Err(Error::Malformed("no point of a curve")),
    }
}

fn hex(number: &[u8]) -> String {
    HEXLOWER.encode(ber::without_zeros(number))
}

/// An ECPrivateKey (RFC 5915 section 3), as far as it can be read.
pub(super) struct EcPrivateKey<'a> {
    /// Without zeros in front: some writers leave them out, others have one too many.
    pub(super) scalar: &'a [u8],
    /// Its curve, which here stands beside the key, too.
    pub(super) curve: Option<Curve>,
    /// The public point, which may be missing.
    pub(super) point: Option<&'a [u8]>,
}

impl<'a> EcPrivateKey<'a> {
    /// Octets after it are none of its.
    pub(super) fn read(der: &'a [u8]) -> Result<Self, Error> {
        let mut fields = Reader::new(der).sequence()?;
        fields.unsigned()?;
        let scalar = ber::without_zeros(fields.expect(OCTET_STRING)?.body);
        let (mut curve, mut point) = (None, None);
        while let Ok(field) = fields.next() {
            match field.tag {
                PARAMETERS => curve = Curve::of(field.reader().next()?),
                POINT => point = Some(field.reader().expect(BIT_STRING)?.bits()?),
                _ => {}
            }
        }
        let point = point.filter(|point| !point.is_empty());
        Ok(Self {
            scalar,
            curve,
            point,
        })
    }
}

impl EcPrivateKey<'_> {
    /// The uncompressed public point, and the key as a PrivateKeyInfo in DER. `None` where the
    /// scalar is out of range.
    pub(super) fn on(&self, curve: Curve) -> Option<(Vec<u8>, SecretBytes)> {
        let zeros = curve.scalar_length().checked_sub(self.scalar.len())?;
        let scalar = Zeroizing::new([&vec![0; zeros], self.scalar].concat());
        match curve {
            Curve::P256 => {
                let key = p256::SecretKey::from_slice(&scalar).ok()?;
                let point = key.public_key().to_sec1_point(false);
                Some((point.as_bytes().to_vec(), pkcs8_of(&key)?))
            }
            Curve::P384 => {
                let key = p384::SecretKey::from_slice(&scalar).ok()?;
                let point = key.public_key().to_sec1_point(false);
                Some((point.as_bytes().to_vec(), pkcs8_of(&key)?))
            }
            Curve::P521 => {
                let key = p521::SecretKey::from_slice(&scalar).ok()?;
                let point = key.public_key().to_sec1_point(false);
                Some((point.as_bytes().to_vec(), pkcs8_of(&key)?))
            }
        }
    }
}

fn pkcs8_of(key: &impl EncodePrivateKey) -> Option<SecretBytes> {
    let der = key.to_pkcs8_der().ok()?;
    Some(SecretBytes::copy_of(der.as_bytes()))
}

/// Whether a library that reads only the form of the standard takes this PrivateKeyInfo.
pub(super) fn is_strict(curve: Curve, pkcs8: &[u8]) -> bool {
    match curve {
        Curve::P256 => p256::SecretKey::from_pkcs8_der(pkcs8).is_ok(),
        Curve::P384 => p384::SecretKey::from_pkcs8_der(pkcs8).is_ok(),
        Curve::P521 => p521::SecretKey::from_pkcs8_der(pkcs8).is_ok(),
    }
}

/// `[0] EXPLICIT` and `[1] EXPLICIT` of an ECPrivateKey.
const PARAMETERS: u8 = 0x80 | CONSTRUCTED;
const POINT: u8 = 0x81 | CONSTRUCTED;
