//! Which key pairs count, docs/format.md section 10.5: the cases of vectors/counted.json, as this
//! crate and the Python verifier judge them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;
use vault::catalog::{AboutKeyPair, Retirement};
use vault::counted::{Pair, Retired, Standing, When, judge};
use vault::id::Number;

#[derive(Deserialize)]
struct Case {
    what: String,
    now: Option<jiff::Timestamp>,
    closed: bool,
    bound: BTreeSet<String>,
    lost: BTreeSet<String>,
    #[serde(default)]
    retired: Vec<Retirement>,
    #[serde(default)]
    owners: Vec<Retirement>,
    generations: Vec<Generation>,
    expect: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Generation {
    number: Number,
    key_pairs: Vec<AboutKeyPair>,
}

fn tests() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests")
}

fn cases() -> Vec<Case> {
    let json = std::fs::read(tests().join("vectors/counted.json")).unwrap();
    serde_json::from_slice(&json).unwrap()
}

fn pairs(case: &Case) -> Vec<Pair<'_>> {
    let retired = Retired::of(&case.retired).with_owners(&case.owners);
    let mut pairs: Vec<Pair<'_>> = Vec::new();
    for generation in case.generations.iter().rev() {
        for about in &generation.key_pairs {
            let is_it =
                |pair: &&mut Pair<'_>| pair.about.certificate_sha256 == about.certificate_sha256;
            if let Some(known) = pairs.iter_mut().find(is_it) {
                known.numbers.insert(generation.number);
                continue;
            }
            let windows = about.windows.as_ref();
            pairs.push(Pair {
                about,
                numbers: BTreeSet::from([generation.number]),
                is_here: !case.lost.contains(&about.thumbprint),
                is_bound: case.bound.contains(&about.thumbprint),
                is_pending: windows.is_some_and(|windows| windows["store"] == "REQUEST"),
                is_retired: retired.get(about).is_some(),
            });
        }
    }
    pairs
}

fn judged(case: &Case) -> BTreeMap<String, String> {
    let pairs = pairs(case);
    let when = When {
        newest: case.generations.last().unwrap().number,
        is_closed: case.closed,
        now: case.now,
    };
    let word = |standing| match standing {
        Standing::Counts => "counts".to_owned(),
        Standing::Renewed(by) => format!("renewed by {}", pairs[by].about.thumbprint),
        Standing::Ended => "ended".to_owned(),
        Standing::Retired => "retired".to_owned(),
    };
    let standings = judge(&pairs, when);
    let judged = pairs.iter().zip(standings);
    judged
        .map(|(pair, standing)| (pair.about.thumbprint.clone(), word(standing)))
        .collect()
}

#[test]
fn every_case_is_judged_as_it_says() {
    for case in cases() {
        assert_eq!(judged(&case), case.expect, "{}", case.what);
    }
}

#[test]
fn the_second_reader_judges_the_same() {
    let output = Command::new("python3")
        .arg(tests().join("verify_vault.py"))
        .arg("--counted")
        .arg(tests().join("vectors/counted.json"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let judged: Vec<BTreeMap<String, String>> = serde_json::from_slice(&output.stdout).unwrap();
    for (case, judged) in cases().iter().zip(&judged) {
        assert_eq!(*judged, case.expect, "{}", case.what);
    }
    assert_eq!(judged.len(), cases().len());
}
