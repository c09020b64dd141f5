//! Whatever goes into a PFX comes out of it; whatever happens to one, its reader answers.
#![allow(clippy::disallowed_methods, reason = "a build script or a test")]

use pfx::{KeyPairContents, Profile};
use proptest::{prelude::*, sample::Index};
use secret::{Password, SecretBytes};

fn profile() -> impl Strategy<Value = Profile> {
    prop_oneof![Just(Profile::Aes256), Just(Profile::TripleDes)]
}

/// Anything that looks like a key: one SEQUENCE.
fn key() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..200).prop_map(|octets| {
        let length = octets.len() as u8;
        [&[0x30, 0x81, length][..], &octets].concat()
    })
}

fn certificates() -> impl Strategy<Value = Vec<Vec<u8>>> {
    prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..4)
}

fn written(
    key: &[u8],
    chain: &[Vec<u8>],
    name: Option<&str>,
    password: &str,
    profile: Profile,
) -> SecretBytes {
    let chain: Vec<&[u8]> = chain.iter().map(Vec::as_slice).collect();
    let contents = KeyPairContents {
        pkcs8: &SecretBytes::copy_of(key),
        chain: &chain,
        friendly_name: name,
        csp_name: None,
    };
    pfx::write(&contents, &Password::new(password.into()), profile, 1).expect("it can be written")
}

/// One change to a file.
#[derive(Debug, Clone)]
enum Damage {
    Set(Index, u8),
    Cut(Index),
    Drop(Index),
    Insert(Index, u8),
    Swap(Index, Index),
}

fn damage() -> impl Strategy<Value = Damage> {
    let (at, byte) = (any::<Index>(), any::<u8>());
    prop_oneof![
        4 => (at.clone(), byte).prop_map(|(at, byte)| Damage::Set(at, byte)),
        1 => at.clone().prop_map(Damage::Cut),
        1 => at.clone().prop_map(Damage::Drop),
        1 => (at.clone(), byte).prop_map(|(at, byte)| Damage::Insert(at, byte)),
        1 => (at.clone(), at).prop_map(|(a, b)| Damage::Swap(a, b)),
    ]
}

fn apply(file: &mut Vec<u8>, damage: &Damage) {
    if file.is_empty() {
        return;
    }
    let size = file.len();
    match damage {
        Damage::Set(at, byte) => file[at.index(size)] = *byte,
        Damage::Cut(at) => file.truncate(at.index(size)),
        Damage::Drop(at) => drop(file.remove(at.index(size))),
        Damage::Insert(at, byte) => file.insert(at.index(size), *byte),
        Damage::Swap(a, b) => file.swap(a.index(size), b.index(size)),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_read(
        key in key(), chain in certificates(), name in proptest::option::of("\\PC*"), password in "\\PC*", profile in profile(),
    ) {
        let pfx = written(&key, &chain, name.as_deref(), &password, profile);
        let found = pfx::read(pfx.expose(), &Password::new(password)).unwrap();
        prop_assert_eq!(found.keys.len(), 1);
        prop_assert_eq!(found.keys[0].pkcs8.expose(), &key[..]);
        prop_assert_eq!(&found.keys[0].attributes.friendly_name, &None);
        let first = found.certificates.first().map(|one| one.attributes.friendly_name.as_deref());
        prop_assert!(first.is_none_or(|found| found == name.as_deref()));
        let certificates: Vec<Vec<u8>> = found.certificates.into_iter().map(|certificate| certificate.der).collect();
        prop_assert_eq!(certificates, chain);
    }

    #[test]
    fn a_damaged_file_never_gives_another_key(
        key in key(), chain in certificates(), profile in profile(), damages in prop::collection::vec(damage(), 1..4),
    ) {
        let mut file = written(&key, &chain, None, "password", profile).expose().to_vec();
        damages.iter().for_each(|damage| apply(&mut file, damage));
        // Damage may leave it readable (outside what the MAC covers), or take the MAC away; never
        // may it give a key that is called verified and is not the one that was written.
        if let Ok(found) = pfx::read(&file, &Password::new("password".into()))
            && found.mac != pfx::Mac::Absent
        {
            prop_assert!(found.keys.iter().all(|found| found.pkcs8.expose() == &key[..]));
        }
    }

    #[test]
    fn any_bytes_are_answered(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        let _ = pfx::read(&bytes, &Password::new(String::new()));
    }
}
