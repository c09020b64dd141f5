//! Object identifiers of PKCS#12 and what it is built on.

use std::fmt;

use const_oid::ObjectIdentifier;

macro_rules! oids {
    ($($name:ident = $text:literal;)*) => { $(pub(crate) const $name: ObjectIdentifier = ObjectIdentifier::new_unwrap($text);)* };
}

oids! {
    // Content types (RFC 5652).
    DATA = "1.2.840.113549.1.7.1";
    SIGNED_DATA = "1.2.840.113549.1.7.2";
    ENVELOPED_DATA = "1.2.840.113549.1.7.3";
    ENCRYPTED_DATA = "1.2.840.113549.1.7.6";

    // Bags (RFC 7292 section 4.2) and the kinds of certificate in them.
    KEY_BAG = "1.2.840.113549.1.12.10.1.1";
    SHROUDED_KEY_BAG = "1.2.840.113549.1.12.10.1.2";
    CERT_BAG = "1.2.840.113549.1.12.10.1.3";
    CRL_BAG = "1.2.840.113549.1.12.10.1.4";
    SECRET_BAG = "1.2.840.113549.1.12.10.1.5";
    SAFE_CONTENTS_BAG = "1.2.840.113549.1.12.10.1.6";
    X509_CERTIFICATE = "1.2.840.113549.1.9.22.1";
    SDSI_CERTIFICATE = "1.2.840.113549.1.9.22.2";

    // Bag attributes (RFC 2985, and Microsoft's wincrypt.h).
    FRIENDLY_NAME = "1.2.840.113549.1.9.20";
    LOCAL_KEY_ID = "1.2.840.113549.1.9.21";
    CSP_NAME = "1.3.6.1.4.1.311.17.1";

    // Password-based encryption (RFC 7292 appendix C, RFC 8018 appendix A).
    PBE_SHA_RC4_128 = "1.2.840.113549.1.12.1.1";
    PBE_SHA_RC4_40 = "1.2.840.113549.1.12.1.2";
    PBE_SHA_3DES = "1.2.840.113549.1.12.1.3";
    PBE_SHA_2DES = "1.2.840.113549.1.12.1.4";
    PBE_SHA_RC2_128 = "1.2.840.113549.1.12.1.5";
    PBE_SHA_RC2_40 = "1.2.840.113549.1.12.1.6";
    PBE_MD5_DES = "1.2.840.113549.1.5.3";
    PBE_MD5_RC2 = "1.2.840.113549.1.5.6";
    PBE_SHA1_DES = "1.2.840.113549.1.5.10";
    PBE_SHA1_RC2 = "1.2.840.113549.1.5.11";
    PBKDF2 = "1.2.840.113549.1.5.12";
    // Of Sun Microsystems (OpenJDK, sun.security.provider.KeyProtector).
    JAVA_KEY_PROTECTOR = "1.3.6.1.4.1.42.2.17.1.1";
    SCRYPT = "1.3.6.1.4.1.11591.4.11";
    PBES2 = "1.2.840.113549.1.5.13";
    PBMAC1 = "1.2.840.113549.1.5.14";

    // Ciphers.
    AES_128_CBC = "2.16.840.1.101.3.4.1.2";
    AES_192_CBC = "2.16.840.1.101.3.4.1.22";
    AES_256_CBC = "2.16.840.1.101.3.4.1.42";
    DES_EDE3_CBC = "1.2.840.113549.3.7";
    RC2_CBC = "1.2.840.113549.3.2";
    DES_CBC = "1.3.14.3.2.7";
    CAMELLIA_128_CBC = "1.2.392.200011.61.1.1.1.2";
    CAMELLIA_192_CBC = "1.2.392.200011.61.1.1.1.3";
    CAMELLIA_256_CBC = "1.2.392.200011.61.1.1.1.4";
    ARIA_128_CBC = "1.2.410.200046.1.1.2";
    ARIA_192_CBC = "1.2.410.200046.1.1.7";
    ARIA_256_CBC = "1.2.410.200046.1.1.12";
    CAST5_CBC = "1.2.840.113533.7.66.10";
    BLOWFISH_CBC = "1.3.6.1.4.1.3029.1.2";

    // Digests, and HMAC with them.
    MD5 = "1.2.840.113549.2.5";
    SHA1 = "1.3.14.3.2.26";
    SHA224 = "2.16.840.1.101.3.4.2.4";
    SHA256 = "2.16.840.1.101.3.4.2.1";
    SHA384 = "2.16.840.1.101.3.4.2.2";
    SHA512 = "2.16.840.1.101.3.4.2.3";
    SHA512_224 = "2.16.840.1.101.3.4.2.5";
    SHA512_256 = "2.16.840.1.101.3.4.2.6";
    SHA3_224 = "2.16.840.1.101.3.4.2.7";
    SHA3_256 = "2.16.840.1.101.3.4.2.8";
    SHA3_384 = "2.16.840.1.101.3.4.2.9";
    SHA3_512 = "2.16.840.1.101.3.4.2.10";
    BLAKE2B_512 = "1.3.6.1.4.1.1722.12.2.1.16";
    BLAKE2S_256 = "1.3.6.1.4.1.1722.12.2.2.8";
    HMAC_MD5 = "1.2.840.113549.2.6";
    HMAC_SHA1 = "1.2.840.113549.2.7";
    HMAC_SHA224 = "1.2.840.113549.2.8";
    HMAC_SHA256 = "1.2.840.113549.2.9";
    HMAC_SHA384 = "1.2.840.113549.2.10";
    HMAC_SHA512 = "1.2.840.113549.2.11";
    HMAC_SHA512_224 = "1.2.840.113549.2.12";
    HMAC_SHA512_256 = "1.2.840.113549.2.13";
    HMAC_SHA3_224 = "2.16.840.1.101.3.4.2.13";
    HMAC_SHA3_256 = "2.16.840.1.101.3.4.2.14";
    HMAC_SHA3_384 = "2.16.840.1.101.3.4.2.15";
    HMAC_SHA3_512 = "2.16.840.1.101.3.4.2.16";
}

/// Octets of an identifier that are shown where it cannot be in decimals.
const SHOWN: usize = 32;

/// An object identifier as read: its content octets, which need not be well-formed. Unlike
/// [`ObjectIdentifier`], it has no limit to its length or its numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Oid<'a>(pub &'a [u8]);

impl Oid<'_> {
    /// The same in the form that constants are in; `None` where it is longer than any of those.
    pub fn known(self) -> Option<ObjectIdentifier> {
        ObjectIdentifier::from_bytes(self.0).ok()
    }

    /// Its numbers (X.690 section 8.19); `None` where one is beyond 128 bits, as none of a UUID is,
    /// or cut off.
    fn arcs(self) -> Option<Vec<u128>> {
        if self.0.is_empty() {
            return None;
        }
        let (mut arcs, mut arc) = (Vec::new(), 0_u128);
        for octet in self.0 {
            arc = arc.checked_mul(128)? | u128::from(octet & 0x7f);
            if octet & 0x80 == 0 {
                arcs.push(arc);
                arc = 0;
            }
        }
        // The first two numbers are one: 40 times the first, which is at most 2, and the second.
        let first = arcs.first_mut()?;
        let root = (*first / 40).min(2);
        *first -= root * 40;
        arcs.insert(0, root);
        self.0.last().filter(|last| *last & 0x80 == 0)?;
        Some(arcs)
    }
}

impl PartialEq<ObjectIdentifier> for Oid<'_> {
    fn eq(&self, other: &ObjectIdentifier) -> bool {
        self.0 == other.as_bytes()
    }
}

/// Dotted decimals; an identifier too long for that in hexadecimal, cut short.
impl fmt::Display for Oid<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(arcs) = self.arcs().filter(|_| self.0.len() <= 4 * SHOWN) {
            let arcs: Vec<_> = arcs.iter().map(u128::to_string).collect();
            return f.write_str(&arcs.join("."));
        }
        let shown = &self.0[..self.0.len().min(SHOWN)];
        write!(
            f,
            "object identifier {}",
            data_encoding::HEXLOWER.encode(shown)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_is_shown_in_dotted_decimals_or_else_in_hexadecimal() {
        assert_eq!(Oid(PBES2.as_bytes()).to_string(), "1.2.840.113549.1.5.13");
        assert_eq!(Oid(&[0x88, 0x37, 3]).to_string(), "2.999.3");
        let uuid = [
            0x69, 0x83, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
            0xff, 0xff, 0xff, 0xff, 0xff, 0x7f,
        ];
        assert_eq!(
            Oid(&uuid).to_string(),
            "2.25.340282366920938463463374607431768211455"
        );
        assert_eq!(
            Oid(&[0x80; 200]).to_string().len(),
            "object identifier ".len() + 64
        );
        assert_eq!(Oid(&[]).to_string(), "object identifier ");
    }
}
