//! PFX files of other implementations, each with what independent readers made of it. They are data
//! from elsewhere and not part of this repository: `PFXVAULT_CORPUS` names the folder, else it is
//! looked for beside the checkout.
#![allow(clippy::disallowed_methods, reason = "a build script or a test")]
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking and reports by printing"
)]

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use data_encoding::HEXLOWER;
use pfx::{Contents, Error, Mac};
use secret::Password;
use sha2::{Digest, Sha256};
use spki::EncodePublicKey;

/// A line of the index, by the names of its columns.
struct Sample {
    columns: HashMap<String, String>,
    folder: PathBuf,
}

impl Sample {
    fn column(&self, name: &str) -> &str {
        &self.columns[name]
    }

    fn read(&self) -> Result<Contents, Error> {
        let password = match self.column("password") {
            "<null>" => "",
            password => password,
        };
        let bytes = std::fs::read(self.folder.join(self.column("path"))).unwrap();
        pfx::read(&bytes, &Password::new(password.into()))
    }

    /// Digests in a column, sorted; `None` if the column names something no reader could tell.
    fn digests(&self, name: &str) -> Option<Vec<String>> {
        let mut digests: Vec<String> = self.column(name).split(',').map(str::to_owned).collect();
        digests.sort();
        digests
            .iter()
            .all(|digest| is_digest(digest.rsplit(':').next().unwrap_or("")))
            .then_some(digests)
    }
}

fn is_digest(text: &str) -> bool {
    text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn corpus() -> Vec<Sample> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus");
    let folder = std::env::var_os("PFXVAULT_CORPUS")
        .map_or_else(beside, PathBuf::from)
        .join("pfx");
    let index = std::fs::read_to_string(folder.join("index.tsv")).unwrap();
    let mut lines = index.lines();
    let names: Vec<&str> = lines.next().unwrap().split('\t').collect();
    let sample = |line: &str| {
        let columns = names
            .iter()
            .zip(line.split('\t'))
            .map(|(name, value)| ((*name).to_owned(), value.to_owned()))
            .collect();
        Sample {
            columns,
            folder: folder.clone(),
        }
    };
    lines.map(sample).collect()
}

/// Judges every sample expected to be so; fails with all complaints at once.
fn judge(expected: &str, complaint: impl Fn(&Sample) -> Option<String>) {
    let samples = corpus();
    let samples: Vec<&Sample> = samples
        .iter()
        .filter(|sample| sample.column("expected") == expected)
        .collect();
    let complaints: Vec<String> = samples
        .iter()
        .filter_map(|sample| {
            complaint(sample).map(|text| format!("{}: {text}", sample.column("path")))
        })
        .collect();
    println!(
        "{expected}: {} of {} as expected",
        samples.len() - complaints.len(),
        samples.len()
    );
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

fn short_digest(bytes: &[u8]) -> String {
    HEXLOWER.encode(&Sha256::digest(bytes)[..8])
}

/// The public key of a private key of a type the product handles, as the index writes it.
fn spki_digest(kind: &str, pkcs8: &[u8]) -> Option<String> {
    let spki = match kind {
        "EC-secp256r1" => p256::SecretKey::from_pkcs8_der(pkcs8)
            .ok()?
            .public_key()
            .to_public_key_der()
            .ok()?
            .into_vec(),
        "EC-secp384r1" => p384::SecretKey::from_pkcs8_der(pkcs8)
            .ok()?
            .public_key()
            .to_public_key_der()
            .ok()?
            .into_vec(),
        "EC-secp521r1" => p521::SecretKey::from_pkcs8_der(pkcs8)
            .ok()?
            .public_key()
            .to_public_key_der()
            .ok()?
            .into_vec(),
        "Ed25519" => ed25519_spki(pkcs8)?,
        _ if kind.starts_with("RSA") => rsa_spki(pkcs8)?,
        _ => return None,
    };
    Some(format!("{kind}:{}", short_digest(&spki)))
}

use pkcs8::DecodePrivateKey;

/// `SEQUENCE { SEQUENCE { rsaEncryption, NULL }, BIT STRING { SEQUENCE { n, e } } }` from the
/// numbers as they stand in the private key: libraries refuse some old but real ones.
fn rsa_spki(pkcs8: &[u8]) -> Option<Vec<u8>> {
    use der::{Decode, Encode};
    let info = pkcs8::PrivateKeyInfoRef::from_der(pkcs8).ok()?;
    let key = pkcs1(info.private_key.as_bytes())?;
    let bits = der::asn1::BitString::from_bytes(&key).ok()?;
    spki::SubjectPublicKeyInfo {
        algorithm: info.algorithm,
        subject_public_key: bits,
    }
    .to_der()
    .ok()
}

fn pkcs1(private: &[u8]) -> Option<Vec<u8>> {
    use der::{Decode, Encode, asn1::AnyRef};
    let numbers = Vec::<AnyRef>::from_der(private).ok()?;
    numbers.get(1..3)?.to_vec().to_der().ok()
}

fn ed25519_spki(pkcs8: &[u8]) -> Option<Vec<u8>> {
    use der::Decode;
    let info = pkcs8::PrivateKeyInfoRef::from_der(pkcs8).ok()?;
    let seed: [u8; 32] = info.private_key.as_bytes().get(2..)?.try_into().ok()?;
    let public = ed25519_dalek::SigningKey::from_bytes(&seed).verifying_key();
    let header = HEXLOWER.decode(b"302a300506032b6570032100").ok()?;
    Some([&header[..], public.as_bytes()].concat())
}

fn key_complaint(sample: &Sample, contents: &Contents) -> Option<String> {
    if contents
        .keys
        .iter()
        .any(|key| key.pkcs8.expose().is_empty())
    {
        return Some("a key without bytes".into());
    }
    let expected: Vec<String> = sample
        .column("key_spki_sha256_16")
        .split(',')
        .filter(|key| !key.is_empty())
        .map(str::to_owned)
        .collect();
    if expected.is_empty() {
        return None;
    }
    if contents.keys.len() != expected.len() {
        return Some(format!(
            "{} keys instead of {}",
            contents.keys.len(),
            expected.len()
        ));
    }
    let missing = |wanted: &&String| {
        let (kind, digest) = wanted.split_once(':').unwrap();
        let handled = kind.starts_with("RSA") || kind.starts_with("EC-secp") || kind == "Ed25519";
        let found =
            |key: &pfx::Key| spki_digest(kind, key.pkcs8.expose()).as_ref() == Some(*wanted);
        handled && is_digest(digest) && !contents.keys.iter().any(found)
    };
    expected
        .iter()
        .find(missing)
        .map(|wanted| format!("no key {wanted}"))
}

#[test]
#[ignore = "needs the files of other implementations: tests/run asks for it"]
fn every_file_that_others_open_gives_the_same_certificates_and_keys() {
    judge("opens", |sample| {
        let contents = match sample.read() {
            Ok(contents) => contents,
            Err(error) => return Some(error.to_string()),
        };
        let mut certificates: Vec<String> = contents
            .certificates
            .iter()
            .map(|certificate| short_digest(&certificate.der))
            .collect();
        certificates.sort();
        if sample
            .digests("cert_sha256_16")
            .is_some_and(|expected| expected != certificates)
        {
            return Some(format!("certificates {certificates:?}"));
        }
        if (sample.column("mac_alg") == "none") != (contents.mac == Mac::Absent) {
            return Some(format!("{:?}", contents.mac));
        }
        key_complaint(sample, &contents)
    });
}

#[test]
#[ignore = "needs the files of other implementations: tests/run asks for it"]
fn every_file_that_must_be_rejected_is_rejected() {
    judge("must be rejected", |sample| {
        sample.read().is_ok().then(|| "opens".into())
    });
}

#[test]
#[ignore = "needs the files of other implementations: tests/run asks for it"]
fn a_file_that_others_dispute_ends_one_way_or_the_other() {
    judge("disputed", |sample| {
        println!(
            "{}: {:?}",
            sample.column("path"),
            sample.read().map(|_| "opens")
        );
        None
    });
}

#[test]
#[ignore = "needs the files of other implementations: tests/run asks for it"]
fn a_wrong_password_is_told_from_damage_wherever_there_is_a_mac() {
    let samples = corpus();
    for sample in samples
        .iter()
        .filter(|sample| sample.column("expected") == "opens" && sample.column("mac_alg") != "none")
    {
        let bytes = std::fs::read(sample.folder.join(sample.column("path"))).unwrap();
        let result =
            pfx::read(&bytes, &Password::new("never the password".into())).map(|_| "opens");
        assert_eq!(
            result,
            Err(Error::WrongPassword),
            "{}",
            sample.column("path")
        );
    }
}
