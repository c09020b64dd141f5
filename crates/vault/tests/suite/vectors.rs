//! The vectors of the format: made the same again, and judged as they state by the Python verifier.
//! What the program says of them is among the program's own tests.
//!
//! `UPDATE_VECTORS=1 cargo test -p vault vectors` writes them anew.

mod budget;
mod generate;
mod parcel;
mod tree;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use rayon::prelude::*;
use secret::Passphrase;
use vault::catalog::Catalog;
use vault::id::Hash;
use vault::identity::{Owner, RecoveryKey, Secret};
use vault::medium::Medium;
use vault::parcel::Parcel;
use vault::readme::{Readme, readme};
use vault::record::CATALOG;
use vault::seal::{self, Refusal};
use vault::survey::Survey;
use vault::trust::Trust;
use vault::volume::Reading;

use crate::folder::Folder;
use generate::Sealed;
use tree::Vector;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors")
}

fn committed() -> Vec<Vector> {
    tree::committed(&folder())
}

fn media(vector: &Vector, place: &Path) -> Vec<Medium> {
    let medium = |name: &String| {
        let path = place.join(name);
        if path.is_file() {
            Medium::of_parcel(name, Parcel::parse(fs::read(path).unwrap()).unwrap())
        } else {
            Medium::new(name, Box::new(Folder(path)))
        }
    };
    vector.media.iter().map(medium).collect()
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
        let media = media(&vector, place.path());
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
    let japanese = Readme {
        japanese_first: true,
        contact: None,
    };
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for readme in [readme(), japanese.render()] {
        let hash = Hash::of(&readme).to_string();
        for text in ["tests/verify_vault.py", "../../docs/format.md"] {
            let known = fs::read_to_string(root.join(text)).unwrap_or_default();
            assert!(known.contains(&hash), "{text} lacks {hash}");
        }
    }
}
