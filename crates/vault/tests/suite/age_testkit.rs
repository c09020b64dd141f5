//! The C2SP/CCTV age vectors against the vault's opening functions: what must open opens with the
//! right payload, and everything else is refused. The vectors are read where they lie and are not
//! part of this project.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use secret::{Passphrase, SecretBytes};
use vault::id::Hash;
use vault::seal::{self, Refusal};

/// Vectors that the age crate opens although their header is wrong: a stanza's body lacks the short
/// line that ends it. The crate's own tests list the same two.
const LENIENT: [&str; 2] = ["stanza_missing_body", "stanza_missing_final_line"];

#[test]
#[ignore = "needs the files of other implementations: tests/run asks for it"]
fn every_age_vector_that_the_vault_can_meet_is_opened_or_refused_as_it_says() {
    let folder = corpus();
    let mut left_out = BTreeMap::<&str, usize>::new();
    let (mut opened, mut refused, mut lenient) = (0, 0, Vec::new());
    for vector in vectors(&folder) {
        if let Some(why) = vector.not_of_this_format() {
            *left_out.entry(why).or_default() += 1;
            continue;
        }
        match (vector.open(), vector.value("expect")) {
            (Ok(plain), Some("success")) => {
                assert_eq!(
                    Some(Hash::of(plain.expose()).to_string().as_str()),
                    vector.value("payload"),
                    "{}",
                    vector.name
                );
                opened += 1;
            }
            (Ok(_), _) => lenient.push(vector.name),
            (Err(refusal), Some("success")) => panic!("{}: {refusal}", vector.name),
            (Err(_), _) => refused += 1,
        }
    }
    assert_eq!(lenient, LENIENT);
    println!(
        "age vectors: {opened} opened, {refused} refused, {} known exceptions, left out: {left_out:?}",
        lenient.len()
    );
    assert!(opened > 0 && refused > 0);
}

#[test]
#[ignore = "needs the files of other implementations: tests/run asks for it"]
fn work_factors_above_20_are_refused_as_too_much_work() {
    let folder = corpus();
    let vector = vectors(&folder)
        .into_iter()
        .find(|vector| vector.name == "scrypt_work_factor_23")
        .unwrap();
    assert_eq!(vector.open().unwrap_err(), Refusal::TooMuchWork);
}

fn corpus() -> PathBuf {
    let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus");
    std::env::var_os("PFXVAULT_CORPUS")
        .map_or_else(beside, PathBuf::from)
        .join("age-testkit")
}

/// One test vector: header lines, an empty line, an age file.
struct AgeVector {
    name: String,
    header: Vec<(String, String)>,
    file: Vec<u8>,
}

fn vectors(folder: &Path) -> Vec<AgeVector> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let mut names: Vec<String> = entries
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    names.retain(|name| !name.contains('.'));
    names.sort();
    names
        .into_iter()
        .map(|name| AgeVector::parse(&fs::read(folder.join(&name)).unwrap(), name.clone()))
        .collect()
}

impl AgeVector {
    fn parse(bytes: &[u8], name: String) -> Self {
        let end = bytes.windows(2).position(|two| two == b"\n\n").unwrap();
        let lines = std::str::from_utf8(&bytes[..end]).unwrap().lines();
        let header = lines
            .map(|line| line.split_once(": ").unwrap())
            .map(|(key, value)| (key.to_owned(), value.to_owned()));
        let mut vector = Self {
            name,
            header: header.collect(),
            file: bytes[end + 2..].to_vec(),
        };
        if vector.value("compressed") == Some("zlib") {
            let mut file = Vec::new();
            flate2::read::ZlibDecoder::new(&bytes[end + 2..])
                .read_to_end(&mut file)
                .unwrap();
            vector.file = file;
        }
        vector
    }

    fn value(&self, key: &str) -> Option<&str> {
        self.values(key).next()
    }

    fn values(&self, key: &str) -> impl Iterator<Item = &str> {
        self.header
            .iter()
            .filter(move |(name, _)| name == key)
            .map(|(_, value)| value.as_str())
    }

    fn not_of_this_format(&self) -> Option<&'static str> {
        let hybrid = self
            .values("identity")
            .any(|identity| identity.starts_with("AGE-SECRET-KEY-PQ-"));
        match () {
            () if self.value("armored") == Some("yes") => {
                Some("armored: the vault writes and reads binary files only")
            }
            () if hybrid => Some("hybrid: the vault has X25519 recipients only"),
            () => None,
        }
    }

    /// Tries every identity and passphrase, as the vault tries every way in.
    fn open(&self) -> Result<SecretBytes, Refusal> {
        let keys = self.values("identity").map(|text| {
            let identity: age::x25519::Identity = text.parse().map_err(|_| Refusal::NoMatch)?;
            seal::open(&identity, &self.file)
        });
        let passphrases = self.values("passphrase");
        let opened = passphrases
            .map(|text| seal::open_with_passphrase(&Passphrase::new(text.to_owned()), &self.file));
        let mut last = Err(Refusal::NoMatch);
        for result in keys.chain(opened) {
            last = result;
            if last.is_ok() {
                break;
            }
        }
        last
    }
}
