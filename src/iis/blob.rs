//! The byte layouts in which Windows hands out and takes keys, to and from PKCS#8 and
//! `SubjectPublicKeyInfo`. Numbers are moved, never computed with.

use der::asn1::{AnyRef, BitStringRef, ObjectIdentifier, OctetStringRef, UintRef};
use der::{Decode, Encode};
use pkcs8::{AlgorithmIdentifierRef, PrivateKeyInfoRef, SubjectPublicKeyInfoRef};
use rsa::pkcs1::{RsaPrivateKeyRef, RsaPublicKey};
use zeroize::Zeroizing;

use super::{KeyLink, KeySet};
use secret::{Password, SecretBytes};

const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const P521: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.35");

/// `BLOBHEADER.bType`: `PUBLICKEYBLOB`, `PRIVATEKEYBLOB`.
const PUBLIC: u8 = 6;
const PRIVATE: u8 = 7;
/// `CALG_RSA_KEYX`, little-endian: the key exchange key that Schannel wants.
const KEY_EXCHANGE: [u8; 4] = [0x00, 0xA4, 0x00, 0x00];
/// `BLOBHEADER` and `RSAPUBKEY`.
const HEADER: usize = 20;
/// The largest modulus that is believed, in bytes: 16384 bits, as much as any Windows provider
/// makes.
const MAX_MODULUS: usize = 2048;

/// The first build of Windows that serves TLS 1.3 (Windows Server 2022). Keys of CryptoAPI were
/// seen to fail it there, now and then or always (dotnet/runtime 58927).
const TLS_1_3: u32 = 20_348;

/// Where a key can live on a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Home {
    /// "Microsoft RSA SChannel Cryptographic Provider": CryptoAPI, which every program of every
    /// Windows can use.
    SchannelCsp,
    /// "Microsoft Software Key Storage Provider": CNG.
    SoftwareKsp,
}

impl Home {
    /// The home for an RSA key: of the kind that it came from; where nobody knows that, what this
    /// build of Windows serves every version of TLS with.
    pub fn of_rsa(came_from: Option<&str>, build: u32) -> Self {
        match came_from {
            Some(provider) if is_key_storage_provider(provider) => Self::SoftwareKsp,
            Some(_) => Self::SchannelCsp,
            None if build >= TLS_1_3 => Self::SoftwareKsp,
            None => Self::SchannelCsp,
        }
    }

    /// The name of its provider.
    pub fn provider(self) -> &'static str {
        match self {
            Self::SchannelCsp => "Microsoft RSA SChannel Cryptographic Provider",
            Self::SoftwareKsp => "Microsoft Software Key Storage Provider",
        }
    }

    /// A place in it, for a key that Schannel uses: the machine's, for key exchange.
    pub fn link(self, container: String) -> KeyLink {
        let (provider_type, key_spec) = match self {
            Self::SchannelCsp => (12, 1),
            Self::SoftwareKsp => (0, 0),
        };
        KeyLink {
            container,
            provider: self.provider().to_owned(),
            provider_type,
            key_spec,
            key_set: KeySet::Machine,
        }
    }
}

/// The home for a key: for RSA keys of the ordinary shape the one that is wanted, else CNG. `None`
/// for keys that Schannel cannot use.
pub fn home_of(pkcs8: &SecretBytes, wanted: Home) -> Option<Home> {
    let info = PrivateKeyInfoRef::try_from(pkcs8.expose()).ok()?;
    match info.algorithm.oid {
        RSA if rsa_private_blob(pkcs8).is_some() => Some(wanted),
        RSA => Some(Home::SoftwareKsp),
        EC => [P256, P384, P521]
            .contains(&info.algorithm.parameters_oid().ok()?)
            .then_some(Home::SoftwareKsp),
        _ => None,
    }
}

/// Whether a provider's name is a CNG key storage provider's.
pub fn is_key_storage_provider(name: &str) -> bool {
    name.contains("Key Storage Provider") || name == "Microsoft Platform Crypto Provider"
}

/// A PKCS#8 RSA key as `PRIVATEKEYBLOB`. `None` if it does not fit that layout: not RSA, a public
/// exponent over 32 bits, factors that are not half the modulus each, more than two factors.
///
/// Microsoft: "RSA/Schannel Key BLOBs", "Private Key BLOBs".
pub fn rsa_private_blob(pkcs8: &SecretBytes) -> Option<SecretBytes> {
    let info = PrivateKeyInfoRef::try_from(pkcs8.expose()).ok()?;
    let key = RsaPrivateKeyRef::from_der(info.private_key.as_bytes()).ok()?;
    let length = key.modulus.as_bytes().len();
    let half = length / 2;
    let whole_bytes = key
        .modulus
        .as_bytes()
        .first()
        .is_some_and(|first| first & 0x80 != 0);
    let halves = [&key.prime1, &key.prime2]
        .iter()
        .all(|prime| prime.as_bytes().len() == half);
    if info.algorithm.oid != RSA
        || !whole_bytes
        || !halves
        || length % 2 != 0
        || key.other_prime_infos.is_some()
    {
        return None;
    }
    let mut blob = Zeroizing::new(Vec::with_capacity(HEADER + 2 * length + 5 * half));
    blob.extend_from_slice(&[PRIVATE, 2, 0, 0]);
    blob.extend_from_slice(&KEY_EXCHANGE);
    blob.extend_from_slice(b"RSA2");
    blob.extend_from_slice(&u32::try_from(length * 8).ok()?.to_le_bytes());
    put_reversed(&mut blob, key.public_exponent.as_bytes(), 4)?;
    put_reversed(&mut blob, key.modulus.as_bytes(), length)?;
    for number in [
        &key.prime1,
        &key.prime2,
        &key.exponent1,
        &key.exponent2,
        &key.coefficient,
    ] {
        put_reversed(&mut blob, number.as_bytes(), half)?;
    }
    put_reversed(&mut blob, key.private_exponent.as_bytes(), length)?;
    Some(blob.into())
}

/// A big-endian number, little-endian in exactly `width` bytes.
fn put_reversed(out: &mut Vec<u8>, number: &[u8], width: usize) -> Option<()> {
    let padding = width.checked_sub(number.len())?;
    out.extend(number.iter().rev());
    out.resize(out.len() + padding, 0);
    Some(())
}

/// A `PRIVATEKEYBLOB` as PKCS#8. `None` if it is not one.
pub fn pkcs8_of_rsa_blob(blob: &SecretBytes) -> Option<SecretBytes> {
    let (exponent, length, rest) = parse_rsa_header(blob.expose(), PRIVATE)?;
    let half = length / 2;
    let mut numbers = Zeroizing::new(rest.get(..2 * length + 5 * half)?.to_vec());
    let mut rest = numbers.as_mut_slice();
    let mut take = |width: usize| {
        let (number, after) = std::mem::take(&mut rest).split_at_mut(width);
        rest = after;
        number.reverse();
        UintRef::new(number)
    };
    let modulus = take(length).ok()?;
    let (prime1, prime2) = (take(half).ok()?, take(half).ok()?);
    let (exponent1, exponent2, coefficient) =
        (take(half).ok()?, take(half).ok()?, take(half).ok()?);
    let private_exponent = take(length).ok()?;
    let public_exponent = UintRef::new(&exponent).ok()?;
    let key = RsaPrivateKeyRef {
        modulus,
        public_exponent,
        private_exponent,
        prime1,
        prime2,
        exponent1,
        exponent2,
        coefficient,
        other_prime_infos: None,
    };
    let key = Zeroizing::new(key.to_der().ok()?);
    let info = PrivateKeyInfoRef::new(rsa_algorithm(), OctetStringRef::new(&key).ok()?);
    Some(SecretBytes::new(info.to_der().ok()?))
}

/// The key in an `EncryptedPrivateKeyInfo` (PKCS#8) as Windows hands it out. `None` if the password
/// does not open it.
///
/// Every cipher that a PFX may use is known here, too.
pub fn pkcs8_of_encrypted(encrypted: &[u8], password: &Password) -> Option<SecretBytes> {
    pfx::read_key(encrypted, password).ok()
}

/// A `PUBLICKEYBLOB` of an RSA key as `SubjectPublicKeyInfo`. `None` if it is not one.
///
/// Microsoft: "Public Key BLOBs".
pub fn spki_of_rsa_blob(blob: &[u8]) -> Option<Vec<u8>> {
    let (exponent, length, rest) = parse_rsa_header(blob, PUBLIC)?;
    let modulus: Vec<u8> = rest.get(..length)?.iter().rev().copied().collect();
    rsa_spki(&modulus, &exponent)
}

/// Public exponent (big-endian), length of the modulus in bytes, and what follows the header.
fn parse_rsa_header(blob: &[u8], kind: u8) -> Option<([u8; 4], usize, &[u8])> {
    let (header, rest) = blob.split_at_checked(HEADER)?;
    let magic: &[u8] = if kind == PRIVATE { b"RSA2" } else { b"RSA1" };
    if header[..2] != [kind, 2] || header[8..12] != *magic {
        return None;
    }
    let bits = u32::from_le_bytes(header[12..16].try_into().ok()?);
    let mut exponent: [u8; 4] = header[16..].try_into().ok()?;
    exponent.reverse();
    let length = usize::try_from(bits).ok()? / 8;
    (bits % 16 == 0 && (1..=MAX_MODULUS).contains(&length)).then_some((exponent, length, rest))
}

/// A `BCRYPT_RSAKEY_BLOB` of a public key as `SubjectPublicKeyInfo`. `None` if it is not one.
///
/// Microsoft: `BCRYPT_RSAKEY_BLOB`: magic, bit length, lengths of exponent, modulus and the two
/// factors; big-endian numbers.
pub fn spki_of_cng_rsa(blob: &[u8]) -> Option<Vec<u8>> {
    let (header, rest) = blob.split_at_checked(24)?;
    let field =
        |at: usize| Some(u32::from_le_bytes(header.get(at..at + 4)?.try_into().ok()?) as usize);
    let (exponent, modulus) = (field(8)?, field(12)?);
    if header[..4] != *b"RSA1" || exponent > 8 || modulus > MAX_MODULUS {
        return None;
    }
    rsa_spki(
        rest.get(exponent..exponent + modulus)?,
        rest.get(..exponent)?,
    )
}

/// A `BCRYPT_ECCKEY_BLOB` of a public key as `SubjectPublicKeyInfo`. `None` if it is not one, or on
/// a curve of no use here.
///
/// Microsoft: `BCRYPT_ECCKEY_BLOB`: magic, length of a coordinate, X, Y; big-endian.
pub fn spki_of_cng_ec(blob: &[u8]) -> Option<Vec<u8>> {
    let (header, rest) = blob.split_at_checked(8)?;
    // BCRYPT_ECDSA_PUBLIC_P*_MAGIC ("ECS1", "ECS3", "ECS5"), and the same for ECDH ("ECK1", "ECK3",
    // "ECK5").
    let (curve, width) = match &header[..4] {
        b"ECS1" | b"ECK1" => (P256, 32),
        b"ECS3" | b"ECK3" => (P384, 48),
        b"ECS5" | b"ECK5" => (P521, 66),
        _ => return None,
    };
    let stated = u32::from_le_bytes(header[4..].try_into().ok()?) as usize;
    if stated != width || rest.len() < 2 * width {
        return None;
    }
    let point = [&[4], &rest[..2 * width]].concat();
    let algorithm = AlgorithmIdentifierRef {
        oid: EC,
        parameters: Some(AnyRef::from(&curve)),
    };
    spki(algorithm, &point)
}

fn rsa_spki(modulus: &[u8], exponent: &[u8]) -> Option<Vec<u8>> {
    let key = RsaPublicKey {
        modulus: UintRef::new(modulus).ok()?,
        public_exponent: UintRef::new(exponent).ok()?,
    };
    spki(rsa_algorithm(), &key.to_der().ok()?)
}

fn spki(algorithm: AlgorithmIdentifierRef<'_>, key: &[u8]) -> Option<Vec<u8>> {
    let subject_public_key = BitStringRef::from_bytes(key).ok()?;
    SubjectPublicKeyInfoRef {
        algorithm,
        subject_public_key,
    }
    .to_der()
    .ok()
}

fn rsa_algorithm() -> AlgorithmIdentifierRef<'static> {
    AlgorithmIdentifierRef {
        oid: RSA,
        parameters: Some(AnyRef::NULL),
    }
}

/// Whether two `SubjectPublicKeyInfo` hold the same key, however their algorithm is spelled
/// (`rsaEncryption` and `id-RSASSA-PSS` name one key).
pub fn is_same_key(one: &[u8], other: &[u8]) -> bool {
    matches!((key_bits(one), key_bits(other)), (Some(one), Some(other)) if one == other)
}

/// The key itself in a `SubjectPublicKeyInfo`, which every certificate for it contains, whatever
/// else it says.
pub fn key_bits(spki: &[u8]) -> Option<Vec<u8>> {
    let spki = SubjectPublicKeyInfoRef::from_der(spki).ok()?;
    Some(spki.subject_public_key.raw_bytes().to_vec()).filter(|bits| !bits.is_empty())
}

#[cfg(test)]
mod tests {
    use pkcs8::EncodePrivateKey;
    use proptest::prelude::*;
    use rsa::PrivateKey;
    use spki::EncodePublicKey;

    use super::*;

    fn rsa_key(bits: usize) -> (PrivateKey, SecretBytes) {
        let mut random = rsa::rand_core::UnwrapErr(getrandom::SysRng);
        let key = PrivateKey::new(&mut random, bits).unwrap();
        let pkcs8 = SecretBytes::copy_of(key.to_pkcs8_der().unwrap().as_bytes());
        (key, pkcs8)
    }

    /// See tests/windows/forms/README.md.
    #[test]
    fn the_providers_that_certutil_prints_are_told_apart() {
        let printed = include_str!("../../tests/windows/forms/certutil-store-my.txt");
        let names = printed
            .lines()
            .filter_map(|line| line.split_once("Provider = "));
        let homes: Vec<_> = names.map(|(_, name)| Home::of_rsa(Some(name), 0)).collect();
        assert_eq!(homes, [Home::SchannelCsp, Home::SoftwareKsp]);
    }

    #[test]
    fn an_rsa_key_survives_the_way_through_a_private_key_blob() {
        for _ in 0..8 {
            let (_, pkcs8) = rsa_key(1024);
            let blob = rsa_private_blob(&pkcs8).unwrap();
            assert_eq!(blob.expose().len(), 20 + 128 * 2 + 64 * 5);
            assert_eq!(
                blob.expose()[..12],
                [7, 2, 0, 0, 0, 0xA4, 0, 0, b'R', b'S', b'A', b'2']
            );
            assert_eq!(pkcs8_of_rsa_blob(&blob).unwrap().expose(), pkcs8.expose());
        }
    }

    #[test]
    fn public_halves_become_the_same_spki_that_a_certificate_has() {
        let (key, pkcs8) = rsa_key(1024);
        let spki = key.to_public_key().to_public_key_der().unwrap();
        let private = rsa_private_blob(&pkcs8).unwrap();
        let mut public = private.expose()[..20 + 128].to_vec();
        public[0] = PUBLIC;
        public[11] = b'1';
        assert_eq!(spki_of_rsa_blob(&public).as_deref(), Some(spki.as_bytes()));

        let modulus: Vec<u8> = public[20..].iter().rev().copied().collect();
        let mut cng = b"RSA1".to_vec();
        [1024u32, 3, 128, 0, 0]
            .iter()
            .for_each(|field| cng.extend(field.to_le_bytes()));
        cng.extend([1, 0, 1]);
        cng.extend(modulus);
        assert_eq!(spki_of_cng_rsa(&cng).as_deref(), Some(spki.as_bytes()));
    }

    #[test]
    fn an_ec_public_key_becomes_the_same_spki_that_a_certificate_has() {
        let secret = p384::SecretKey::from_slice(&[7; 48]).unwrap();
        let spki = secret.public_key().to_public_key_der().unwrap();
        let point = &spki.as_bytes()[spki.as_bytes().len() - 96..];
        let mut cng = b"ECS3".to_vec();
        cng.extend(48u32.to_le_bytes());
        cng.extend(point);
        assert_eq!(spki_of_cng_ec(&cng).as_deref(), Some(spki.as_bytes()));
    }

    #[test]
    fn ec_keys_and_keys_from_cng_live_in_cng_and_other_rsa_keys_in_the_schannel_csp() {
        let (_, rsa) = rsa_key(1024);
        let ec = p256::SecretKey::from_slice(&[7; 32])
            .unwrap()
            .to_pkcs8_der()
            .unwrap();
        let ec = SecretBytes::copy_of(ec.as_bytes());
        for wanted in [Home::SchannelCsp, Home::SoftwareKsp] {
            assert_eq!(home_of(&rsa, wanted), Some(wanted));
            assert_eq!(home_of(&ec, wanted), Some(Home::SoftwareKsp));
        }
        assert_eq!(
            home_of(&SecretBytes::copy_of(b"0"), Home::SchannelCsp),
            None
        );
    }

    #[test]
    fn an_rsa_key_that_comes_from_nowhere_lives_where_its_windows_serves_tls_1_3_with_it() {
        let (csp, ksp) = (Home::SchannelCsp, Home::SoftwareKsp);
        for (came_from, build, expected) in [
            (None, 9600, csp),
            (None, 17_763, csp),
            (None, 20_348, ksp),
            (None, 26_100, ksp),
            (
                Some("Microsoft Enhanced Cryptographic Provider v1.0"),
                26_100,
                csp,
            ),
            (Some(csp.provider()), 20_348, csp),
            (Some(ksp.provider()), 9600, ksp),
            (Some("Microsoft Platform Crypto Provider"), 9600, ksp),
        ] {
            assert_eq!(
                Home::of_rsa(came_from, build),
                expected,
                "{came_from:?} {build}"
            );
        }
    }

    /// The same form that CNG hands out, made by another program.
    #[cfg(unix)]
    #[test]
    fn an_encrypted_key_is_opened_with_its_password_only() {
        let folder = tempfile::tempdir().unwrap();
        let (_, pkcs8) = rsa_key(1024);
        let path = folder.path().join("key");
        std::fs::write(&path, pkcs8.expose()).unwrap();
        let mut openssl = std::process::Command::new("openssl");
        openssl.args([
            "pkcs8",
            "-topk8",
            "-inform",
            "DER",
            "-outform",
            "DER",
            "-v1",
            "PBE-SHA1-3DES",
        ]);
        let encrypted = openssl
            .args(["-passout", "pass:one", "-in"])
            .arg(&path)
            .output()
            .unwrap()
            .stdout;
        let open = |password: &str| pkcs8_of_encrypted(&encrypted, &Password::new(password.into()));
        assert_eq!(open("one").unwrap().expose(), pkcs8.expose());
        assert!(open("two").is_none());
    }

    /// An RSA key whose factors differ in length, or whose exponent needs 33 bits, has no
    /// `PRIVATEKEYBLOB`.
    #[test]
    fn an_rsa_key_of_another_shape_lives_in_cng() {
        let (_, pkcs8) = rsa_key(1024);
        let info = PrivateKeyInfoRef::try_from(pkcs8.expose()).unwrap();
        let key = RsaPrivateKeyRef::from_der(info.private_key.as_bytes()).unwrap();
        let reshaped = |key: RsaPrivateKeyRef<'_>| {
            let key = key.to_der().unwrap();
            let info = PrivateKeyInfoRef::new(rsa_algorithm(), OctetStringRef::new(&key).unwrap());
            home_of(&SecretBytes::new(info.to_der().unwrap()), Home::SchannelCsp)
        };
        let shorter = UintRef::new(&key.prime1.as_bytes()[1..]).unwrap();
        assert_eq!(
            reshaped(RsaPrivateKeyRef {
                prime1: shorter,
                ..key.clone()
            }),
            Some(Home::SoftwareKsp)
        );
        let larger = UintRef::new(&[1, 0, 0, 0, 1]).unwrap();
        assert_eq!(
            reshaped(RsaPrivateKeyRef {
                public_exponent: larger,
                ..key
            }),
            Some(Home::SoftwareKsp)
        );
    }

    proptest! {
        #[test]
        fn no_bytes_make_a_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), start in 0..4usize) {
            let start: &[u8] = [&b"\x07\x02\0\0\0\xa4\0\0RSA2"[..], b"\x06\x02\0\0\0\xa4\0\0RSA1", b"RSA1", b"ECS1"][start];
            let bytes = [start, &bytes].concat();
            let _ = pkcs8_of_rsa_blob(&SecretBytes::copy_of(&bytes));
            let _ = spki_of_rsa_blob(&bytes);
            let _ = spki_of_cng_rsa(&bytes);
            let _ = spki_of_cng_ec(&bytes);
        }
    }
}
