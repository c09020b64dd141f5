//! What the program says of the vectors of the format.

#[path = "../../crates/vault/tests/suite/vectors/tree.rs"]
#[allow(dead_code, reason = "the vault's own tests use the rest")]
mod tree;

use std::collections::BTreeSet;
use std::path::Path;

use pfxvault::error::{Error, Exit};
use pfxvault::platform::media::FolderVolume;
use pfxvault::workflow::{parcel_file, verify};
use rayon::prelude::*;
use vault::id::VaultId;
use vault::medium::Medium;

use tree::Vector;

fn committed() -> Vec<Vector> {
    tree::committed(&Path::new(env!("CARGO_MANIFEST_DIR")).join("crates/vault/tests/vectors"))
}

#[test]
fn pfxvault_says_of_every_vector_what_it_states() {
    let complaint = |vector: &Vector| {
        let place = tempfile::tempdir().unwrap();
        vector.materialize(place.path());
        let Judgement {
            states,
            findings,
            exit,
        } = judge(vector, place.path());
        let expected = &vector.expected;
        let same =
            (&states, &findings, exit) == (&expected.states, &expected.findings, expected.exit);
        (!same).then(|| format!("{}: {states:?} {findings:?} {exit}", vector.name))
    };
    let complaints: Vec<String> = committed().par_iter().filter_map(complaint).collect();
    assert!(complaints.is_empty(), "{complaints:#?}");
}

/// What a reader says.
struct Judgement {
    states: Vec<String>,
    findings: Vec<String>,
    exit: i32,
}

/// What pfxvault says of a vector, as its command would.
fn judge(vector: &Vector, place: &Path) -> Judgement {
    let media = match media(vector, place) {
        Ok(media) => media,
        Err(error) => {
            return Judgement {
                states: Vec::new(),
                findings: Vec::new(),
                exit: error.exit as i32,
            };
        }
    };
    let pin = vector
        .pin
        .as_deref()
        .map(|pin| VaultId::parse(pin).unwrap());
    let now = format!("{}T12:00:00Z", vector.now).parse().unwrap();
    // The command asks for the folder first, so that an empty stick is told from a foreign vault.
    let there = media.iter().all(|medium| medium.has_vault().unwrap());
    let report = if there {
        verify::run(&media, None, pin, now)
    } else {
        Err(no_vault())
    };
    let report = match report {
        Ok(report) => report,
        Err(error) => {
            return Judgement {
                states: Vec::new(),
                findings: Vec::new(),
                exit: error.exit as i32,
            };
        }
    };
    let states = report
        .numbers
        .iter()
        .map(|j| format!("{}/{} {} {}", j.server, j.number, j.state, j.copies));
    let mut states: Vec<String> = states.collect();
    states.sort();
    let findings: BTreeSet<&str> = report.findings.iter().map(|finding| finding.id).collect();
    let findings = findings.into_iter().map(str::to_owned).collect();
    Judgement {
        states,
        findings,
        exit: report.exit() as i32,
    }
}

fn no_vault() -> Error {
    Error::new(Exit::NoVault, pfxvault::text!("error-no-vault"))
}

fn media(vector: &Vector, place: &Path) -> Result<Vec<Medium>, Error> {
    let volume = |name: &String| {
        let path = place.join(name);
        match path.is_file() {
            true => Ok(Medium::of_parcel(name, parcel_file::open(&path)?)),
            false => Ok(Medium::new(name, Box::new(FolderVolume::new(&path)))),
        }
    };
    vector.media.iter().map(volume).collect()
}
