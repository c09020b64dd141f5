//! Certificates and keys in forms that no standard asks for and that the field has all the same,
//! put together octet by octet; the keys by openssl.

use pfx::ber::{BIT_STRING, BOOLEAN, INTEGER, OCTET_STRING, OID, Reader, SEQUENCE, SET};
use proptest::prelude::*;
use secret::SecretBytes;

use super::fixtures::{Issued, RSA, openssl_certificate, openssl_key, sorted};
use super::{Certificate, KeyPairError, PrivateKey};

const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const UTF8_STRING: u8 = 0x0c;
/// 2.5.29.17, 2.5.4.3.
const ALTERNATIVE_NAMES: &[u8] = &[0x55, 0x1d, 0x11];
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
/// Arcs of 2^32 and more (2.25 and a UUID), under 2.999, longer than 39 octets.
const ODD_OIDS: [&[u8]; 3] = [
    &[
        0x69, 0x83, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xff, 0xff, 0xff, 0xff, 0x7f,
    ],
    &[0x88, 0x37, 0x01],
    &[0x2b; 60],
];

fn tlv(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let body = parts.concat();
    [&header(tag, body.len(), 0)[..], &body].concat()
}

/// A header whose length takes more octets than it needs.
fn header(tag: u8, length: usize, spare: usize) -> Vec<u8> {
    let octets = length.to_be_bytes();
    let needed = 8 - length.leading_zeros() as usize / 8;
    let shown = &octets[8 - (needed + spare)..];
    if spare == 0 && length < 128 {
        return vec![tag, length as u8];
    }
    [&[tag, 0x80 | shown.len() as u8], shown].concat()
}

/// The same element with a length in more octets.
fn with_long_length(element: &[u8]) -> Vec<u8> {
    let body = Reader::new(element).next().unwrap().body;
    [&header(element[0], body.len(), 3)[..], body].concat()
}

/// The parts of a certificate, each to be made odd.
struct Parts {
    name: Vec<u8>,
    validity: Vec<u8>,
    algorithm: Vec<u8>,
    key: Vec<u8>,
    extensions: Vec<u8>,
}

impl Parts {
    /// Of a plain certificate for `odd.example`.
    fn of(issued: &Issued) -> Self {
        let certificate = Certificate::parse(issued.der.clone()).unwrap();
        let host = tlv(SEQUENCE, &[&tlv(0x82, &[b"odd.example"])]);
        Self {
            name: name(COMMON_NAME),
            validity: validity(UTC_TIME, "260101000000Z"),
            algorithm: tlv(SEQUENCE, &[&tlv(OID, &[&[0x2a, 3]])]),
            key: certificate.public_key_info().unwrap().to_vec(),
            extensions: extension(ALTERNATIVE_NAMES, &[], &host),
        }
    }

    fn tbs(&self) -> Vec<u8> {
        let list = tlv(SEQUENCE, &[&self.extensions]);
        tlv(
            SEQUENCE,
            &[
                &[0xa0, 3, INTEGER, 1, 2, INTEGER, 1, 9],
                &self.algorithm,
                &self.name,
                &self.validity,
                &self.name,
                &self.key,
                &tlv(0xa3, &[&list]),
            ],
        )
    }

    fn whole(&self) -> Vec<u8> {
        let signature = tlv(BIT_STRING, &[&[0; 9]]);
        tlv(SEQUENCE, &[&self.tbs(), &self.algorithm, &signature])
    }
}

fn name(attribute: &[u8]) -> Vec<u8> {
    let text = tlv(UTF8_STRING, &[b"odd.example"]);
    let attribute = tlv(SEQUENCE, &[&tlv(OID, &[attribute]), &text]);
    tlv(SEQUENCE, &[&tlv(SET, &[&attribute])])
}

fn validity(tag: u8, from: &str) -> Vec<u8> {
    let until = tlv(GENERALIZED_TIME, &[b"99991231235959Z"]);
    tlv(SEQUENCE, &[&tlv(tag, &[from.as_bytes()]), &until])
}

fn extension(name: &[u8], critical: &[u8], value: &[u8]) -> Vec<u8> {
    let value = tlv(OCTET_STRING, &[value]);
    tlv(SEQUENCE, &[&tlv(OID, &[name]), critical, &value])
}

/// Reads a certificate and finds its key pair with it.
#[track_caller]
fn assert_read(issued: &Issued, der: &[u8], what: &str) -> Certificate {
    let sorted = sorted(&[issued.pkcs8()], &[der]);
    let [pair] = &sorted.key_pairs[..] else {
        panic!("{what}: {:?}", sorted.unusable)
    };
    assert_eq!(pair.leaf().der(), der, "{what}");
    assert_eq!(pair.leaf().dns_names(), ["odd.example"], "{what}");
    pair.leaf().clone()
}

#[test]
fn extensions_and_identifiers_of_any_form_are_read() {
    let issued = Issued::self_signed("odd.example");
    let plain = Parts::of(&issued);
    assert_read(&issued, &plain.whole(), "as it should be");
    let usage = [0x55, 0x1d, 0x0f];
    let mut odd: Vec<Vec<u8>> = [1, 0x80, 0xff, 0]
        .map(|truth| extension(&usage, &tlv(BOOLEAN, &[&[truth]]), &[3, 2, 5, 0xa0]))
        .into();
    odd.extend(ODD_OIDS.map(|name| extension(name, &[], b"anything")));
    odd.push(tlv(SEQUENCE, &[&tlv(OID, &[&usage])]));
    odd.push(tlv(SEQUENCE, &[]));
    odd.push(tlv(0x0c, &[b"no extension"]));
    odd.push(extension(&usage, &[], &[]));
    odd.push([&[0x5f, 0x81, 0x01][..], &[0]].concat());
    for extra in odd {
        let parts = Parts {
            extensions: [&extra[..], &plain.extensions].concat(),
            ..Parts::of(&issued)
        };
        assert_read(&issued, &parts.whole(), &format!("{extra:x?}"));
    }
    for identifier in ODD_OIDS {
        let algorithm = tlv(SEQUENCE, &[&tlv(OID, &[identifier]), &[0x1f, 0x81, 1, 0]]);
        let parts = Parts {
            algorithm,
            ..Parts::of(&issued)
        };
        assert_read(&issued, &parts.whole(), "an odd signature algorithm");
        let attribute = name(identifier);
        let names = Reader::new(&attribute).next().unwrap().body;
        let own = Reader::new(&plain.name).next().unwrap().body;
        let parts = Parts {
            name: tlv(SEQUENCE, &[names, own]),
            ..Parts::of(&issued)
        };
        let read = assert_read(&issued, &parts.whole(), "an odd attribute of the name");
        assert_eq!(read.common_name(), Some("odd.example"));
    }
}

#[test]
fn lengths_in_more_octets_than_they_need_are_read() {
    let issued = Issued::self_signed("odd.example");
    let plain = Parts::of(&issued);
    let long = Parts {
        name: with_long_length(&plain.name),
        validity: with_long_length(&plain.validity),
        extensions: with_long_length(&plain.extensions),
        key: with_long_length(&plain.key),
        algorithm: with_long_length(&plain.algorithm),
    };
    assert_read(&issued, &long.whole(), "the parts");
    assert_read(&issued, &with_long_length(&long.whole()), "the whole");
}

#[test]
fn times_of_any_form_are_read_and_those_that_are_none_do_not_refuse_it() {
    let issued = Issued::self_signed("odd.example");
    for (tag, from, expected) in [
        (UTC_TIME, "2601010000Z", "2026-01-01T00:00:00Z"),
        (UTC_TIME, "260101000000+0900", "2025-12-31T15:00:00Z"),
        (
            GENERALIZED_TIME,
            "20260101000000.5Z",
            "2026-01-01T00:00:00Z",
        ),
        (GENERALIZED_TIME, "19500101000000Z", "1950-01-01T00:00:00Z"),
        (UTC_TIME, "269901000000Z", "0001-01-01T00:00:00Z"),
        (UTC_TIME, "", "0001-01-01T00:00:00Z"),
    ] {
        let parts = Parts {
            validity: validity(tag, from),
            ..Parts::of(&issued)
        };
        let read = assert_read(&issued, &parts.whole(), from);
        assert_eq!(read.not_before().to_string(), expected, "{from}");
        assert_eq!(read.not_after(), jiff::Timestamp::MAX);
    }
}

#[test]
fn what_is_something_else_is_no_certificate() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("key"), &RSA[0]).unwrap();
    let request = [
        "req", "-new", "-key", "key", "-keyform", "DER", "-subj", "/CN=a", "-outform", "DER",
        "-out", "csr",
    ];
    super::fixtures::openssl(folder.path(), &request);
    let request = std::fs::read(folder.path().join("csr")).unwrap();
    for other in [&request[..], &RSA[0], b"", b"\x30\0", b"\x30\x80\0\0"] {
        let error = Certificate::parse(other.to_vec()).unwrap_err();
        assert_eq!(error, KeyPairError::MalformedCertificate);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_changed_certificate_is_answered(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..4_usize), 1..6),
    ) {
        let issued = Issued::self_signed("www.example.com");
        let mut der = issued.der.clone();
        for (at, octet, kind) in changes {
            let at = at.index(der.len());
            match kind {
                // One octet stays, so that there is a place for the next change.
                0 if der.len() == 1 => {}
                0 => drop(der.remove(at)),
                1 => der.insert(at, octet),
                2 => der.truncate(at.max(1)),
                _ => der[at] = octet,
            }
        }
        let key = PrivateKey::parse(SecretBytes::new(issued.pkcs8())).unwrap();
        let unread = Certificate::unread(&der, Some(&key));
        prop_assert_eq!(unread.der(), &der[..]);
        if let Ok(read) = Certificate::parse(der.clone()) {
            prop_assert!(der.starts_with(read.der()));
            let _ = (read.is_self_signed(), read.issuer_name(), read.is_authority());
        }
        let sorted = sorted(&[issued.pkcs8()], &[&der]);
        let seen = sorted.key_pairs.len() + sorted.unusable.len() + sorted.certificates.len();
        prop_assert_eq!(seen, 1);
    }
}

/// The numbers of an RSA key as they stand in its encoding.
fn numbers(pkcs8: &[u8]) -> Vec<Vec<u8>> {
    let mut fields = Reader::new(private(pkcs8)).sequence().unwrap();
    let mut numbers = Vec::new();
    while let Ok(number) = fields.next() {
        numbers.push(number.body.to_vec());
    }
    numbers
}

/// The private part of a PKCS#8.
fn private(pkcs8: &[u8]) -> &[u8] {
    let mut fields = Reader::new(pkcs8).sequence().unwrap();
    fields.unsigned().unwrap();
    fields.sequence().unwrap();
    fields.expect(OCTET_STRING).unwrap().body
}

/// A PKCS#8 with the algorithm of another and this private part.
fn wrapped(pkcs8: &[u8], private: &[u8]) -> Vec<u8> {
    let mut fields = Reader::new(pkcs8).sequence().unwrap();
    fields.unsigned().unwrap();
    let algorithm = fields.expect(SEQUENCE).unwrap().whole;
    let key = tlv(OCTET_STRING, &[private]);
    tlv(SEQUENCE, &[&[INTEGER, 1, 0], algorithm, &key])
}

fn rsa_of(numbers: &[Vec<u8>]) -> Vec<u8> {
    let numbers: Vec<_> = numbers.iter().map(|one| tlv(INTEGER, &[one])).collect();
    let numbers: Vec<_> = numbers.iter().map(Vec::as_slice).collect();
    tlv(SEQUENCE, &numbers)
}

/// The key is read, is that of the certificate, signs, and stands in a form that strict readers take.
#[track_caller]
fn assert_same_key(odd: &[u8], certificate: &Certificate, what: &str) {
    let key = PrivateKey::parse(SecretBytes::copy_of(odd));
    let key = key.unwrap_or_else(|error| panic!("{what}: {error}"));
    assert_eq!(Some(key.public()), certificate.public(), "{what}");
    let signature = key.sign(b"challenge").unwrap_or_else(|| panic!("{what}"));
    assert!(certificate.verify_own(b"challenge", &signature), "{what}");
    let strict = pkcs8::PrivateKeyInfoRef::try_from(key.pkcs8().expose());
    assert!(strict.is_ok(), "{what}");
}

#[test]
fn an_rsa_key_in_any_form_is_the_same_key() {
    let plain = &RSA[0];
    let certificate = Certificate::parse(openssl_certificate(plain, &[])).unwrap();
    let whole = numbers(plain);
    let with = |change: &dyn Fn(usize, &mut Vec<u8>)| {
        let mut numbers = whole.clone();
        for (at, number) in numbers.iter_mut().enumerate() {
            change(at, number);
        }
        wrapped(plain, &rsa_of(&numbers))
    };
    let zeros = with(&|_, number| {
        number.splice(0..0, [0, 0]);
    });
    assert_same_key(&zeros, &certificate, "zeros in front");
    let unsigned = with(&|at, number| {
        if at > 0 && number[0] == 0 {
            number.remove(0);
        }
    });
    assert_same_key(&unsigned, &certificate, "no zero in front");
    let unreduced = with(&|at, number| {
        if at == 3 {
            *number = unreduced_exponent(&whole);
        }
    });
    assert_same_key(&unreduced, &certificate, "d beyond n");
    for left_out in [6..9, 4..9, 8..9] {
        let zeros = with(&|at, number| {
            if left_out.contains(&at) {
                *number = vec![0];
            }
        });
        let what = format!("zeros in place of {left_out:?}");
        assert_same_key(&zeros, &certificate, &what);
    }
    let longer = wrapped(plain, &[&rsa_of(&whole)[..], &[0; 7]].concat());
    assert_same_key(&longer, &certificate, "octets after the numbers");
    let longer = [&plain[..], &[0; 9]].concat();
    assert_same_key(&longer, &certificate, "octets after the key");
    assert_same_key(
        &with_long_length(plain),
        &certificate,
        "a length in more octets",
    );
}

/// d + (p − 1)(q − 1)·4, which is beyond n.
fn unreduced_exponent(numbers: &[Vec<u8>]) -> Vec<u8> {
    use crypto_bigint::{BoxedUint, ConcatenatingMul, Resize};
    let number = |at: usize| BoxedUint::from_be_slice_vartime(&numbers[at]);
    let one = BoxedUint::one();
    let orders = number(4)
        .wrapping_sub(&one)
        .concatenating_mul(number(5).wrapping_sub(&one));
    let width = orders.bits_precision() + 64;
    let orders = orders.resize(width);
    let twice = orders.wrapping_add(&orders);
    let beyond = number(3)
        .resize(width)
        .wrapping_add(twice.wrapping_add(&twice));
    beyond.to_be_bytes().to_vec()
}

#[test]
fn an_exponent_of_forty_bits_is_one() {
    let key = openssl_key(&[
        "-algorithm",
        "RSA",
        "-pkeyopt",
        "rsa_keygen_bits:2048",
        "-pkeyopt",
        "rsa_keygen_pubexp:1099511627689",
    ]);
    let certificate = Certificate::parse(openssl_certificate(&key, &[])).unwrap();
    assert_same_key(&key, &certificate, "an exponent of 40 bits");
}

#[test]
fn a_curve_written_out_is_the_curve() {
    for (curve, name) in [
        ("P-256", "ECDSA P-256"),
        ("P-384", "ECDSA P-384"),
        ("P-521", "ECDSA P-521"),
    ] {
        let key = openssl_key(&[
            "-algorithm",
            "EC",
            "-pkeyopt",
            &format!("ec_paramgen_curve:{curve}"),
            "-pkeyopt",
            "ec_param_enc:explicit",
        ]);
        let certificate = Certificate::parse(openssl_certificate(&key, &[])).unwrap();
        assert_eq!(certificate.key_type(), name);
        assert_same_key(&key, &certificate, name);
    }
}

#[test]
fn a_curve_with_another_generator_is_not_the_curve() {
    let key = openssl_key(&[
        "-algorithm",
        "EC",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-pkeyopt",
        "ec_param_enc:explicit",
    ]);
    let mut odd = key.clone();
    let generator = [0x6b, 0x17, 0xd1, 0xf2];
    let at = odd
        .windows(4)
        .position(|octets| octets == generator)
        .unwrap();
    odd[at + 5] ^= 1;
    let error = PrivateKey::parse(SecretBytes::new(odd)).unwrap_err();
    assert!(matches!(error, KeyPairError::UnsupportedKey { .. }));
}

#[test]
fn a_scalar_of_any_length_is_the_scalar() {
    let key = openssl_key(&["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]);
    let certificate = Certificate::parse(openssl_certificate(&key, &[])).unwrap();
    let scalar = &private(&key)[7..39];
    let bare = |scalar: &[u8]| {
        let scalar = tlv(OCTET_STRING, &[scalar]);
        wrapped(&key, &tlv(SEQUENCE, &[&[INTEGER, 1, 1], &scalar]))
    };
    let longer = bare(&[&[0], scalar].concat());
    assert_same_key(&longer, &certificate, "33 octets");
    let small = PrivateKey::parse(SecretBytes::new(bare(&[5]))).unwrap();
    let padded = PrivateKey::parse(SecretBytes::new(bare(&[&[0; 31][..], &[5]].concat())));
    assert_eq!(small.public(), padded.unwrap().public());
    for outside in [&[][..], &[0; 32], &[0xff; 32], &[1; 33]] {
        let error = PrivateKey::parse(SecretBytes::new(bare(outside))).unwrap_err();
        assert_eq!(error, KeyPairError::KeyDamaged);
    }
}
