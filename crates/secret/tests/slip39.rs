//! The published vectors of SLIP-39 (slip39/README.md).

use secret::shares::{Share, Shares, WrongShare};

/// One vector: what it is about, its mnemonics, and the secret in hexadecimal; empty where there is none.
type Vector = (String, Vec<String>, String, String);

/// The secret; `Err` where one of several groups is refused before anything is combined.
fn recovered(mnemonics: &[String]) -> Result<Option<String>, WrongShare> {
    let mut set = Shares::default();
    for mnemonic in mnemonics {
        match Share::parse(mnemonic).map(|share| set.add(share)) {
            Ok(Ok(())) => {}
            Err(WrongShare::Form) => return Err(WrongShare::Form),
            _ => return Ok(None),
        }
    }
    let hex = |secret: &[u8]| secret.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(set.secret(b"TREZOR").map(|secret| hex(&secret)))
}

#[test]
fn the_published_vectors_hold_and_those_of_several_groups_are_refused_as_that() {
    let vectors: Vec<Vector> = serde_json::from_str(include_str!("slip39/vectors.json")).unwrap();
    let mut held = 0;
    for (name, mnemonics, secret, _) in &vectors {
        match recovered(mnemonics) {
            Ok(found) => {
                assert_eq!(found.as_ref().unwrap_or(&String::new()), secret, "{name}");
                held += 1;
            }
            Err(_) => assert!(name.contains("group"), "{name}"),
        }
    }
    assert_eq!((vectors.len(), held), (45, 27));
}
