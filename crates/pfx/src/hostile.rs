//! Tests: files made to harm their reader, and files that look harmless and are not what they seem.

use crate::{
    Attributes, Contents, Error, Mac,
    cipher::Cipher,
    der::{self, CONTEXT_0, CONTEXT_0_PRIMITIVE},
    digest::{self, Derive, Purpose},
    forms::Forms,
    oid, read, read_with,
    work::Work,
    write::{algorithm, bag, content_info, data},
};
use secret::Password;

const PASSWORD: &str = "known";

fn open(pfx: &[u8]) -> Result<Contents, Error> {
    read(pfx, &Password::new(PASSWORD.into()))
}

#[track_caller]
fn assert_too_much(pfx: &[u8]) {
    let result = open(pfx).map(|_| "opens");
    assert!(
        matches!(result, Err(Error::TooMuchWork { .. })),
        "{result:?}"
    );
}

#[track_caller]
fn assert_malformed(pfx: &[u8]) {
    let result = open(pfx).map(|_| "opens");
    assert!(matches!(result, Err(Error::Malformed(_))), "{result:?}");
}

/// A file of these safes, without a MAC.
fn file(safes: &[Vec<u8>]) -> Vec<u8> {
    let safes: Vec<&[u8]> = safes.iter().map(Vec::as_slice).collect();
    der::sequence(&[&der::unsigned(3), &data(&der::sequence(&safes))])
}

/// A file of these bags in one plain safe.
fn file_of_bags(bags: &[Vec<u8>]) -> Vec<u8> {
    file(&[data(&safe_contents(bags))])
}

fn safe_contents(bags: &[Vec<u8>]) -> Vec<u8> {
    let bags: Vec<&[u8]> = bags.iter().map(Vec::as_slice).collect();
    der::sequence(&bags)
}

fn unknown_bag() -> Vec<u8> {
    bag(oid::DATA, &der::null(), &Attributes::default())
}

/// An empty file with this DigestInfo algorithm and whatever follows the DigestInfo.
fn file_with_mac(identifier: &[u8], rest: &[u8]) -> Vec<u8> {
    let digest_info = der::sequence(&[identifier, &der::octets(&[0; 32])]);
    der::sequence(&[
        &der::unsigned(3),
        &data(&der::sequence(&[])),
        &der::sequence(&[&digest_info, rest]),
    ])
}

fn integer(octets: &[u8]) -> Vec<u8> {
    der::element(2, &[octets])
}

/// Salt and count as PBES1 and MacData have them.
fn salt_and_count(salt: &[u8], count: &[u8]) -> Vec<u8> {
    [der::octets(salt), integer(count)].concat()
}

/// AlgorithmIdentifier of PBMAC1 with HMAC-SHA-256 and this key length.
fn pbmac1(key_length: Option<&[u8]>) -> Vec<u8> {
    let prf = algorithm(oid::HMAC_SHA256, &der::null());
    let key_length = key_length.map(integer).unwrap_or_default();
    let parameters = der::sequence(&[&der::octets(&[1; 8]), &der::unsigned(1), &key_length, &prf]);
    algorithm(
        oid::PBMAC1,
        &der::sequence(&[&algorithm(oid::PBKDF2, &parameters), &prf]),
    )
}

/// A shrouded key that decrypts with the known password, after `rounds`.
fn honest_key(rounds: u32) -> Vec<u8> {
    key_bag(PASSWORD, rounds, &der::sequence(&[&der::unsigned(0)]))
}

/// A shrouded key bag with this inside.
fn key_bag(password: &str, rounds: u32, plain: &[u8]) -> Vec<u8> {
    let (password, salt) = (Forms::bmp(&Password::new(password.into())), [5; 8]);
    let (input, mut work) = (
        Derive {
            password: password.standard(),
            salt: &salt,
            rounds,
        },
        Work::for_file(0).unwrap(),
    );
    let key = digest::sha1()
        .pkcs12(&input, Purpose::Key, 24, &mut work)
        .unwrap();
    let iv = digest::sha1()
        .pkcs12(&input, Purpose::Iv, 8, &mut work)
        .unwrap();
    let encrypted = Cipher::TripleDes.encrypt(&key, &iv, plain).unwrap();
    let identifier = algorithm(
        oid::PBE_SHA_3DES,
        &der::sequence(&[&der::octets(&salt), &der::unsigned(rounds)]),
    );
    bag(
        oid::SHROUDED_KEY_BAG,
        &der::sequence(&[&identifier, &der::octets(&encrypted)]),
        &Attributes::default(),
    )
}

#[test]
fn a_huge_count_is_refused_before_anything_is_derived() {
    let sha1 = algorithm(oid::SHA1, &der::null());
    for count in [
        &[0x7f, 0xff, 0xff, 0xff][..],
        &[0, 0xff, 0xff, 0xff, 0xff],
        &[1, 0, 0, 0, 0],
        &[0x7f; 40],
    ] {
        assert_too_much(&file_with_mac(&sha1, &salt_and_count(&[1; 8], count)));
        let scheme = algorithm(
            oid::PBE_SHA_3DES,
            &der::sequence(&[&salt_and_count(&[1; 8], count)]),
        );
        let shrouded = der::sequence(&[&scheme, &der::octets(&[0; 16])]);
        assert_too_much(&file_of_bags(&[bag(
            oid::SHROUDED_KEY_BAG,
            &shrouded,
            &Attributes::default(),
        )]));
    }
    for count in [&[0][..], &[0xff], &[0x80, 0, 0, 0], &[]] {
        assert_malformed(&file_with_mac(&sha1, &salt_and_count(&[1; 8], count)));
    }
}

#[test]
fn many_modest_counts_are_too_much_together() {
    let one = honest_key(1_000_000);
    assert_eq!(
        open(&file_of_bags(&[one.clone(), one.clone()]))
            .unwrap()
            .keys
            .len(),
        2
    );
    assert_too_much(&file_of_bags(&vec![one; 1000]));
}

#[test]
fn too_many_entries_are_refused() {
    assert_eq!(
        open(&file_of_bags(&vec![unknown_bag(); 1000]))
            .unwrap()
            .skipped
            .len(),
        1000
    );
    assert_too_much(&file_of_bags(&vec![unknown_bag(); 100_000]));
    let other = vec![der::sequence(&[&der::oid(oid::DATA), &der::set(&[])]); 100_000];
    assert_too_much(&file_of_bags(&[bag(
        oid::DATA,
        &der::null(),
        &Attributes {
            other,
            ..Default::default()
        },
    )]));
    assert_too_much(&file(&vec![data(&der::sequence(&[])); 100_000]));
}

#[test]
fn an_oversized_file_is_refused() {
    assert_too_much(&[file(&[]), vec![0; 9 << 20]].concat());
}

#[test]
fn safes_within_safes_open_up_to_a_depth() {
    let nested = |depth| {
        let inner = safe_contents(&[bag(
            oid::KEY_BAG,
            &der::sequence(&[&der::unsigned(0)]),
            &Attributes::default(),
        )]);
        let wrap = |inner: Vec<u8>, _| {
            safe_contents(&[bag(oid::SAFE_CONTENTS_BAG, &inner, &Attributes::default())])
        };
        file(&[data(&(0..depth).fold(inner, wrap))])
    };
    assert_eq!(open(&nested(3)).unwrap().keys.len(), 1);
    assert_too_much(&nested(9));
    assert_too_much(&nested(10_000));
}

#[test]
fn lengths_beyond_the_file_and_endless_lengths_are_refused() {
    assert_malformed(&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff, 2, 1, 3]);
    assert_malformed(&[
        0x30, 0x88, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 1, 3,
    ]);
    assert_malformed(&[&[0x30, 0x80, 2, 1, 3][..], &[2, 1, 3].repeat(1 << 20)].concat());
    assert_too_much(&[0x30, 0x80].repeat(1 << 20));
}

#[test]
fn a_long_salt_is_refused() {
    let sha1 = algorithm(oid::SHA1, &der::null());
    assert_eq!(
        open(&file_with_mac(&sha1, &salt_and_count(&[1; 4096], &[1]))).map(|_| ()),
        Err(Error::WrongPassword)
    );
    assert_too_much(&file_with_mac(&sha1, &salt_and_count(&[1; 4097], &[1])));
}

#[test]
fn a_pbmac1_key_must_have_a_length_and_enough_of_it() {
    let rest = salt_and_count(&[1; 8], &[1]);
    for enough in [20, 64, 127] {
        assert_eq!(
            open(&file_with_mac(&pbmac1(Some(&[enough])), &rest)).map(|_| ()),
            Err(Error::WrongPassword),
            "{enough}"
        );
    }
    for too_short in [Some(&[0][..]), Some(&[1]), Some(&[19]), Some(&[0xff]), None] {
        assert_malformed(&file_with_mac(&pbmac1(too_short), &rest));
    }
    assert_too_much(&file_with_mac(
        &pbmac1(Some(&[0x7f, 0xff, 0xff, 0xff])),
        &rest,
    ));
}

#[test]
fn integrity_by_signature_and_privacy_by_certificate_are_named() {
    let signed = der::sequence(&[
        &der::unsigned(3),
        &content_info(oid::SIGNED_DATA, &der::null()),
    ]);
    let enveloped = file(&[content_info(oid::ENVELOPED_DATA, &der::null())]);
    for pfx in [signed, enveloped] {
        assert!(matches!(open(&pfx), Err(Error::Unsupported { .. })));
    }
}

#[test]
fn content_that_is_missing_is_refused() {
    for kind in [oid::DATA, oid::ENCRYPTED_DATA, oid::SIGNED_DATA] {
        assert_malformed(&file(&[der::sequence(&[&der::oid(kind)])]));
        assert_malformed(&der::sequence(&[
            &der::unsigned(3),
            &der::sequence(&[&der::oid(kind)]),
        ]));
        assert_malformed(&file(&[der::sequence(&[
            &der::oid(kind),
            &der::element(CONTEXT_0, &[]),
        ])]));
    }
}

#[test]
fn without_a_mac_nothing_is_called_verified() {
    let contents = open(&file_of_bags(&[honest_key(1)])).unwrap();
    assert_eq!((contents.keys.len(), contents.mac), (1, Mac::Absent));
    let result = read(
        &file_of_bags(&[honest_key(1)]),
        &Password::new("guessed".into()),
    );
    assert_eq!(result.map(|_| ()), Err(Error::WrongPassword));
}

#[test]
fn an_unknown_cipher_or_digest_is_named() {
    let unknown = algorithm(oid::DATA, &der::null());
    let named = Err(Error::Unsupported {
        algorithm: "1.2.840.113549.1.7.1".into(),
    });
    assert_eq!(
        open(&file_with_mac(&unknown, &salt_and_count(&[1; 8], &[1]))).map(|_| ()),
        named
    );
    let info = der::sequence(&[
        &der::oid(oid::DATA),
        &unknown,
        &der::element(CONTEXT_0_PRIMITIVE, &[&[0; 16]]),
    ]);
    let encrypted = content_info(
        oid::ENCRYPTED_DATA,
        &der::sequence(&[&der::unsigned(0), &info]),
    );
    assert_eq!(open(&file(&[encrypted])).map(|_| ()), named);
}

#[test]
fn a_key_with_another_password_is_named_and_the_rest_is_read() {
    let plain = der::sequence(&[&der::unsigned(7)]);
    let bags = [
        key_bag("another", 1, &plain),
        honest_key(1),
        key_bag("", 1, &plain),
    ];
    let found = open(&file_of_bags(&bags)).unwrap();
    assert_eq!((found.keys.len(), found.locked.len()), (2, 1));
    assert!(found.keys.iter().any(|key| key.pkcs8.expose() == plain));
    let (known, another) = (
        Password::new(PASSWORD.into()),
        Password::new("another".into()),
    );
    let found = read_with(&file_of_bags(&bags), &known, &[&another]).unwrap();
    assert_eq!((found.keys.len(), found.locked.len()), (3, 0));
    let locked = open(&file_of_bags(&bags[..1])).map(|_| "opens");
    assert_eq!(locked, Err(Error::WrongPassword), "nothing says otherwise");
}

#[test]
fn octets_after_a_key_are_none_of_its() {
    let plain = der::sequence(&[&der::unsigned(7)]);
    let padded = [&plain[..], &[0; 5]].concat();
    let found = open(&file_of_bags(&[key_bag(PASSWORD, 1, &padded)])).unwrap();
    assert_eq!(found.keys[0].pkcs8.expose(), plain);
}
