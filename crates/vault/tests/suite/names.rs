//! What servers call themselves, docs/format.md section 10.6: the cases of vectors/names.json, as this
//! crate and the Python verifier judge them.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;
use vault::id::{Hash, Number, ServerId, VaultId};
use vault::server_name::NameSalt;
use vault::sign::SigningKey;
use vault::trust::{Clause, Naming, Statement, Trust};

#[derive(Deserialize)]
struct Case {
    what: String,
    bound: Vec<(Number, Hash)>,
    number: Number,
    name: String,
    salt: Option<NameSalt>,
    expect: String,
}

fn tests() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests")
}

fn cases() -> Vec<Case> {
    let json = std::fs::read(tests().join("vectors/names.json")).unwrap();
    serde_json::from_slice(&json).unwrap()
}

#[test]
fn every_name_stands_as_its_case_says() {
    let owner = SigningKey::from_seed(&[1; 32]);
    let server = ServerId::of(&SigningKey::from_seed(&[2; 32]).public());
    for case in cases() {
        let bound = case.bound.iter();
        let words: Vec<_> = bound
            .map(|(from, hash)| Clause::Name(server, *from, *hash))
            .collect();
        let mut trust = Trust::new(VaultId::of(&owner.public()));
        trust
            .learn(Statement::sign(&owner, &words).unwrap())
            .unwrap();
        let stands = match trust.naming(server, case.number, (&case.name, case.salt.as_ref())) {
            Naming::Bound => "bound",
            Naming::Claim => "claim",
            Naming::Other => "other",
        };
        assert_eq!(stands, case.expect, "{}", case.what);
    }
}

#[test]
fn the_second_reader_says_the_same_of_names() {
    let output = Command::new("python3")
        .arg(tests().join("verify_vault.py"))
        .arg("--named")
        .arg(tests().join("vectors/names.json"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let said: Vec<String> = serde_json::from_slice(&output.stdout).unwrap();
    let expected: Vec<String> = cases().into_iter().map(|case| case.expect).collect();
    assert_eq!(said, expected);
}
