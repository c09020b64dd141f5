//! The vectors of the format: made the same again, and judged as they state by pfxvault and by the
//! Python verifier.
//!
//! `UPDATE_VECTORS=1 cargo test --test suite vectors` writes them anew.

mod generate;
mod parcel;
mod tree;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use generate::Sealed;
use pfxvault::error::{Error, Exit};
use pfxvault::media::{FolderVolume, Reading};
use pfxvault::vault::catalog::Catalog;
use pfxvault::vault::id::{Hash, VaultId};
use pfxvault::vault::identity::{Owner, RecoveryKey, Secret};
use pfxvault::vault::medium::Medium;
use pfxvault::vault::parcel::Parcel;
use pfxvault::vault::readme::readme;
use pfxvault::vault::record::CATALOG;
use pfxvault::vault::seal::{self, Refusal};
use pfxvault::vault::survey::Survey;
use pfxvault::vault::trust::Trust;
use pfxvault::verify;
use rayon::prelude::*;
use secret::Passphrase;
use tree::Vector;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors")
}

/// Every vector as it is committed.
fn committed() -> Vec<Vector> {
    let load = |name: &str| fs::read_to_string(folder().join(format!("{name}.txt"))).unwrap();
    let base = Vector::parse("good", &load("good"), |_| unreachable!());
    let names = fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names
        .filter_map(|name| Some(name.strip_suffix(".txt")?.to_owned()))
        .collect();
    names.retain(|name| name != "sealed");
    names.sort();
    names
        .iter()
        .map(|name| Vector::parse(name, &load(name), |_| base.clone()))
        .collect()
}

#[test]
fn vectors_are_made_the_same_again() {
    let sealed = Sealed::load(&folder().join("sealed.txt"));
    let vectors = generate::all(&sealed);
    let texts: BTreeMap<String, String> = vectors
        .iter()
        .map(|vector| {
            (
                vector.name.clone(),
                vector.render((vector.name != "good").then_some(&vectors[0])),
            )
        })
        .collect();
    assert_eq!(texts.len(), vectors.len(), "no name is given twice");
    if std::env::var_os("UPDATE_VECTORS").is_some() {
        sealed.save();
        texts.iter().for_each(|(name, text)| {
            fs::write(folder().join(format!("{name}.txt")), text).unwrap()
        });
    }
    let there = committed();
    assert_eq!(
        there.iter().map(|vector| &vector.name).collect::<Vec<_>>(),
        texts.keys().collect::<Vec<_>>()
    );
    for vector in &vectors {
        let read = there.iter().find(|read| read.name == vector.name).unwrap();
        assert_eq!(read, vector, "{}", vector.name);
    }
}

#[test]
fn the_independent_verifier_says_of_every_vector_what_it_states() {
    committed().par_iter().for_each(|vector| {
        let place = tempfile::tempdir().unwrap();
        vector.materialize(place.path());
        let mut command = Command::new("python3");
        command
            .arg(folder().with_file_name("verify_vault.py"))
            .args(["--now", &vector.now])
            .current_dir(place.path());
        command
            .args(vector.pin.iter().flat_map(|pin| ["--pin", pin]))
            .args(&vector.media);
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        let document: serde_json::Value =
            serde_json::from_slice(&output.stdout).unwrap_or_else(|_| {
                panic!(
                    "{}: {said}{}",
                    vector.name,
                    String::from_utf8_lossy(&output.stderr)
                )
            });
        let list = |key: &str| document[key].as_array().cloned().unwrap_or_default();
        let generations = list("generations");
        let states = generations.iter().map(|g| {
            let text = |key: &str| g[key].as_str().unwrap_or_default().to_owned();
            format!(
                "{}/{} {} {}",
                text("server"),
                g["number"],
                text("state"),
                g["copies"]
            )
        });
        let mut states: Vec<String> = states.collect();
        states.sort();
        let findings: Vec<String> = list("findings")
            .iter()
            .map(|id| id.as_str().unwrap().to_owned())
            .collect();
        assert_eq!(states, vector.expected.states, "{}", vector.name);
        assert_eq!(findings, vector.expected.findings, "{}", vector.name);
        assert_eq!(
            output.status.code(),
            Some(vector.expected.exit),
            "{}",
            vector.name
        );
    });
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
            true => Ok(Medium::of_parcel(name, Parcel::open(&path)?)),
            false => Ok(Medium::new(name, Box::new(FolderVolume::new(&path)))),
        }
    };
    vector.media.iter().map(volume).collect()
}

#[test]
fn catalogs_open_only_where_the_vector_states() {
    let owner_of = |vector: &Vector| {
        let path = vector.tree.keys().find(|path| {
            path.to_ascii_uppercase().contains("/IDENT")
                && matches!(&vector.tree[*path], tree::Node::File(f) if Owner::unwrap(f, &recovery()).is_ok())
        });
        path.map(|path| unwrap(vector, path, &recovery()).unwrap())
    };
    for vector in committed()
        .into_iter()
        .filter(|vector| !vector.expected.catalogs.is_empty())
    {
        let place = tempfile::tempdir().unwrap();
        vector.materialize(place.path());
        let owner = owner_of(&vector).unwrap();
        let media = media(&vector, place.path()).unwrap();
        let survey = Survey::of(
            &media,
            owner.vault(),
            &Trust::new(owner.vault()),
            Reading::Cached,
        )
        .unwrap();
        let mut said = Vec::new();
        for generation in survey.slots.values().flat_map(|slot| &slot.generations) {
            let Some(sealed) = survey.file(generation, CATALOG, Reading::Cached) else {
                continue;
            };
            let json = seal::open(&owner.age, &sealed).ok();
            let opened = json
                .and_then(|json| Catalog::parse(&json, &generation.record))
                .is_some();
            let word = if opened { "opened" } else { "refused" };
            said.push(format!(
                "{}/{} {word}",
                generation.record.server, generation.record.number
            ));
        }
        said.sort();
        said.dedup();
        assert!(
            vector
                .expected
                .catalogs
                .iter()
                .all(|catalog| said.contains(catalog)),
            "{}: {said:?}",
            vector.name
        );
    }
}

#[test]
fn ways_in_open_only_where_the_vector_states() {
    for vector in committed() {
        for stated in &vector.expected.ways_in {
            let (path, word) = stated.split_once(' ').unwrap();
            let secret = if path.ends_with("IDENTITY.AGE") {
                Secret::Passphrase(Passphrase::new(generate::PASSPHRASE.into()))
            } else {
                recovery()
            };
            let said = match unwrap(&vector, path, &secret) {
                Ok(_) => "opened",
                Err(Refusal::Damaged) => "damaged",
                Err(Refusal::NoMatch) => "no-match",
                Err(Refusal::TooMuchWork) => "too-much-work",
            };
            assert_eq!(said, word, "{}: {path}", vector.name);
        }
    }
}

fn recovery() -> Secret {
    Secret::RecoveryKey(RecoveryKey::parse(generate::RECOVERY_KEY).unwrap())
}

fn unwrap(vector: &Vector, path: &str, secret: &Secret) -> Result<Owner, Refusal> {
    let tree::Node::File(file) = &vector.tree[path] else {
        panic!("{path} is no file")
    };
    Owner::unwrap(file, secret)
}

#[test]
fn the_readme_of_this_version_is_known_to_the_verifier_and_the_specification() {
    let hash = Hash::of(&readme()).to_string();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for text in ["tests/verify_vault.py", "docs/format.md"] {
        assert!(
            fs::read_to_string(root.join(text))
                .unwrap_or_default()
                .contains(&hash),
            "{text} lacks {hash}"
        );
    }
}
