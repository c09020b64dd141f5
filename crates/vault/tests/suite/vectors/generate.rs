//! Makes the vectors from fixed seeds. The only random bytes, those of age files, are kept in
//! sealed.txt.
#![expect(
    clippy::too_many_lines,
    reason = "lists of vectors, best read in one piece"
)]

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use data_encoding::BASE64;
use ed25519_dalek::{Signer, SigningKey as Dalek};
use secret::{Passphrase, Password, SecretBytes};
use sha2::{Digest, Sha256, Sha512};
use vault::catalog::{AboutKeyPair, Catalog, CatalogEntry, Policy};
use vault::id::{Hash, Number, Point, ServerId, VaultId};
use vault::identity::{Owner, RecoveryKey};
use vault::readme::readme;
use vault::record::Record;
use vault::seal;
use vault::sign::{self, SigningKey};
use vault::trust::{Clause, Closing, Statement};

use super::parcel::Zip;
use super::tree::{Expected, Node, Tree, Vector};

/// Opens IDENTITY.AGE of every vector.
pub(super) const PASSPHRASE: &str = "vectors are made to be opened by everyone";
/// Opens IDENT002.AGE of every vector.
pub(super) const RECOVERY_KEY: &str =
    "AGE-SECRET-KEY-1Q2LGRT5FXKXP8N7U0V328C5SDRNNSN3UTRX2978U4V8UNPE9L8GQAEHR04";
const OWNER_AGE: &str =
    "AGE-SECRET-KEY-1KAKE35Z7ZJE007AVLRDWY5VYUE5MC9DX70G0J0CH4FJ7VELDNLDSPEDEDP";
const PFX_PASSWORD: &str = "vector";
const ROOT: &str = "stick/PFXVAULT";

/// Every byte of a key's seed.
const OWNER: u8 = 1;
const WEB01: u8 = 2;
const WEB02: u8 = 3;
const STRANGER: u8 = 9;

fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32])
}

fn id(seed: u8) -> ServerId {
    ServerId::of(&key(seed).public())
}

fn vault() -> VaultId {
    VaultId::of(&key(OWNER).public())
}

fn owner() -> Owner {
    Owner {
        key: key(OWNER),
        age: OWNER_AGE.parse().unwrap(),
    }
}

/// sealed.txt: age files by name. What is missing is made, and kept when vectors are written.
pub(super) struct Sealed {
    path: PathBuf,
    files: RefCell<BTreeMap<String, Vec<u8>>>,
}

impl Sealed {
    pub(super) fn load(path: &Path) -> Self {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let pairs = text.lines().filter_map(|line| line.split_once(' '));
        let files = pairs
            .map(|(name, coded)| (name.to_owned(), BASE64.decode(coded.as_bytes()).unwrap()))
            .collect();
        Self {
            path: path.to_owned(),
            files: RefCell::new(files),
        }
    }

    pub(super) fn save(&self) {
        let lines = self
            .files
            .borrow()
            .iter()
            .map(|(name, file)| format!("{name} {}\n", BASE64.encode(file)))
            .collect::<String>();
        std::fs::write(&self.path, lines).unwrap();
    }

    fn get(&self, name: &str, make: impl FnOnce() -> Vec<u8>) -> Vec<u8> {
        if let Some(file) = self.files.borrow().get(name) {
            return file.clone();
        }
        let made = make();
        self.files
            .borrow_mut()
            .insert(name.to_owned(), made.clone());
        made
    }

    fn seal(&self, name: &str, plain: &[u8]) -> Vec<u8> {
        self.get(name, || {
            seal::seal_to(&owner().age.to_public(), plain).unwrap()
        })
    }

    fn key_pair(&self, name: &str) -> Vec<u8> {
        self.get(name, || {
            seal::seal_to(&owner().age.to_public(), &make_pfx()).unwrap()
        })
    }

    /// The catalog of `number` of `server` with so many key pairs.
    fn catalog(&self, name: &str, server: u8, number: u32, key_pairs: usize) -> Vec<u8> {
        let catalog = Catalog {
            format: 1,
            vault: vault(),
            server: id(server),
            number: Number::new(number).unwrap(),
            server_name: if server == WEB01 { "WEB01" } else { "WEB02" }.to_owned(),
            name_salt: None,
            selected: Vec::new(),
            key_pairs: (1..=key_pairs)
                .map(|n| entry(format!("K{n:07}.AGE")))
                .collect(),
            without_key: Vec::new(),
            exceptions: Vec::new(),
            drills: Vec::new(),
            policy: Policy::default(),
            media: Vec::new(),
            site_map: None,
            sites_read: false,
            from_folder: false,
            counting: Vec::new(),
            retired: Vec::new(),
        };
        self.seal(name, catalog.to_json().expose())
    }
}

fn entry(file: String) -> CatalogEntry {
    let about = AboutKeyPair {
        spki_sha256: None,
        thumbprint: "00".repeat(20),
        certificate_sha256: [0; 32].into(),
        names: vec!["www.example.com".into()],
        friendly_name: None,
        container_name: None,
        not_before: None,
        self_signed: None,
        top_issuer: None,
        not_after: "2036-11-01T00:00:00Z".parse().unwrap(),
        key_type: "ECDSA P-256".into(),
        chain_length: 1,
        file_names: Vec::new(),
        file_parts: BTreeMap::new(),
        file_certificates: BTreeMap::new(),
        windows: None,
    };
    CatalogEntry {
        file,
        pfx_password: Password::new(PFX_PASSWORD.into()),
        about,
    }
}

fn make_pfx() -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let script = format!(
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -subj /CN=www.example.com \
         -keyout k -out c 2>/dev/null && openssl pkcs12 -export -inkey k -in c -passout pass:{PFX_PASSWORD} -out p"
    );
    assert!(
        Command::new("sh")
            .args(["-c", &script])
            .current_dir(folder.path())
            .status()
            .unwrap()
            .success()
    );
    std::fs::read(folder.path().join("p")).unwrap()
}

// --- signatures, also those that no tool makes
// ------------------------------------------------------------

#[derive(Clone, Copy)]
struct Form<'a> {
    version: u32,
    namespace: &'a str,
    reserved: &'a [u8],
    hash: &'a str,
    width: usize,
}

const RIGHT: Form<'static> = Form {
    version: 1,
    namespace: sign::RECORD,
    reserved: b"",
    hash: "sha512",
    width: 70,
};

fn sshsig(seed: u8, form: Form<'_>, text: &[u8]) -> Vec<u8> {
    let string =
        |bytes: &[u8]| [&u32::try_from(bytes.len()).unwrap().to_be_bytes(), bytes].concat();
    let strings = |parts: &[&[u8]]| {
        parts
            .iter()
            .flat_map(|part| string(part))
            .collect::<Vec<u8>>()
    };
    let digest = if form.hash == "sha256" {
        Sha256::digest(text).to_vec()
    } else {
        Sha512::digest(text).to_vec()
    };
    let head = [
        form.namespace.as_bytes(),
        form.reserved,
        form.hash.as_bytes(),
    ];
    let signed = [
        b"SSHSIG".as_slice(),
        &strings(&[head[0], head[1], head[2], &digest]),
    ]
    .concat();
    let made = strings(&[
        b"ssh-ed25519",
        &Dalek::from_bytes(&[seed; 32]).sign(&signed).to_bytes(),
    ]);
    let body = strings(&[&key(seed).public().blob(), head[0], head[1], head[2], &made]);
    let coded = BASE64.encode(&[b"SSHSIG".as_slice(), &form.version.to_be_bytes(), &body].concat());
    let lines: Vec<&str> = (0..coded.len())
        .step_by(form.width)
        .map(|at| &coded[at..coded.len().min(at + form.width)])
        .collect();
    format!(
        "-----BEGIN SSH SIGNATURE-----\n{}\n-----END SSH SIGNATURE-----\n",
        lines.join("\n")
    )
    .into_bytes()
}

fn sign_as(seed: u8, namespace: &str, text: &[u8]) -> Vec<u8> {
    key(seed).sign(namespace, text).unwrap()
}

// --- the good medium
// --------------------------------------------------------------------------------------

fn good(sealed: &Sealed) -> Vector {
    let mut tree = Tree::new();
    let recovery = RecoveryKey::parse(RECOVERY_KEY).unwrap();
    let identities = [
        (
            "IDENTITY.AGE",
            sealed.get("identity-passphrase", || {
                owner()
                    .wrap_with_passphrase(&Passphrase::new(PASSPHRASE.into()))
                    .unwrap()
            }),
        ),
        (
            "IDENT002.AGE",
            sealed.get("identity-recovery-key", || {
                owner().wrap_for(&recovery).unwrap()
            }),
        ),
    ];
    for (name, file) in &identities {
        put(&mut tree, &format!("OWNER/{name}"), file);
    }
    let mut first: Vec<Clause> = identities
        .iter()
        .map(|(_, file)| Clause::Identity(Hash::of(file)))
        .collect();
    first.extend([
        Clause::Recipient(owner().recipient()),
        Clause::server(key(WEB01).public()),
    ]);
    let first = say(&mut tree, "FIRSTAAA", &first);
    let second = say(
        &mut tree,
        "SECONDAA",
        &[Clause::server(key(WEB02).public())],
    );

    let files = |server: u8, number: u32, key_pairs: usize| -> Vec<Vec<u8>> {
        let name = format!(
            "{}-{number}",
            if server == WEB01 { "web01" } else { "web02" }
        );
        let catalog = sealed.catalog(&format!("{name}-catalog"), server, number, key_pairs);
        std::iter::once(catalog)
            .chain((1..=key_pairs).map(|n| sealed.key_pair(&format!("{name}-k{n}"))))
            .collect()
    };
    let one = commit(
        &mut tree,
        WEB01,
        record(WEB01, 1, None, vec![first]),
        &files(WEB01, 1, 1),
    );
    let other = commit(
        &mut tree,
        WEB02,
        record(WEB02, 1, None, vec![first, second]),
        &files(WEB02, 1, 1),
    );
    let third = say(
        &mut tree,
        "THIRDAAA",
        &[Clause::Close(id(WEB02), Closing::Above(number_one(other)))],
    );
    let two = record(WEB01, 2, Some(number_one(one)), vec![first, second, third]);
    commit(&mut tree, WEB01, two, &files(WEB01, 2, 2));
    tree.insert(format!("{ROOT}/README.TXT"), Node::File(readme()));
    let label = format!(
        "pfxvault-medium v1\nmedium {}\nlabel Safe A\n",
        "0123456789abcdef".repeat(2)
    );
    tree.insert(format!("{ROOT}/MEDIUM.TXT"), Node::File(label.into_bytes()));

    let places = [(WEB01, 1), (WEB01, 2), (WEB02, 1)]
        .map(|(server, number)| format!("{}/{number}", id(server)));
    let half = |name: &str| format!("{ROOT}/A/OWNER/{name} opened");
    let mut expected = Expected {
        states: places
            .iter()
            .map(|place| format!("{place} whole 2"))
            .collect(),
        catalogs: places
            .iter()
            .map(|place| format!("{place} opened"))
            .collect(),
        ways_in: vec![half("IDENT002.AGE"), half("IDENTITY.AGE")],
        ..Expected::default()
    };
    expected.states.sort();
    expected.catalogs.sort();
    Vector {
        name: "good".into(),
        about: "A good medium: two servers, the second closed at its only generation.".into(),
        pin: Some(vault().to_string()),
        now: "2026-12-01".into(),
        media: vec!["stick".into()],
        expected,
        tree,
    }
}

fn put(tree: &mut Tree, path: &str, bytes: &[u8]) {
    for half in ["A", "B"] {
        tree.insert(format!("{ROOT}/{half}/{path}"), Node::File(bytes.to_vec()));
    }
}

fn say(tree: &mut Tree, stem: &str, words: &[Clause]) -> Hash {
    let statement = Statement::sign(&key(OWNER), words).unwrap();
    put(tree, &format!("OWNER/{stem}.TXT"), &statement.text);
    put(tree, &format!("OWNER/{stem}.SIG"), &statement.signature);
    statement.hash()
}

fn number_one(record: Hash) -> Point {
    Point {
        number: Number::FIRST,
        record,
    }
}

fn record(server: u8, number: u32, prev: Option<Point>, mut trust: Vec<Hash>) -> Record {
    trust.sort();
    let (vault, server, number) = (vault(), id(server), Number::new(number).unwrap());
    let (time, due) = (
        format!("2026-11-0{number}T02:20:00Z").parse().unwrap(),
        "2027-05-01".parse().unwrap(),
    );
    Record {
        vault,
        server,
        number,
        prev,
        time,
        due,
        trust,
        files: Vec::new(),
    }
}

fn commit(tree: &mut Tree, signer: u8, mut record: Record, files: &[Vec<u8>]) -> Hash {
    record.files = files.iter().map(|file| Hash::of(file)).collect();
    let folder = format!("{}/{}", record.server, record.number.folder());
    for ((name, _), file) in record.named_files().zip(files) {
        put(tree, &format!("{folder}/{name}"), file);
    }
    let text = record.render().into_bytes();
    put(
        tree,
        &format!("{folder}/RECORD.SIG"),
        &sign_as(signer, sign::RECORD, &text),
    );
    put(tree, &format!("{folder}/RECORD.TXT"), &text);
    Hash::of(&text)
}

// --- one fault each
// ---------------------------------------------------------------------------------------

/// A vector being made from the good one.
struct Fault<'s> {
    vector: Vector,
    sealed: &'s Sealed,
}

impl Fault<'_> {
    fn tree(&mut self) -> &mut Tree {
        &mut self.vector.tree
    }

    fn newest(&self) -> String {
        format!("{}/00000002", id(WEB01))
    }

    fn bytes(&self, path: &str) -> Vec<u8> {
        match &self.vector.tree[&format!("{ROOT}/A/{path}")] {
            Node::File(bytes) => bytes.clone(),
            other => panic!("{path} is {other:?}"),
        }
    }

    fn delete(&mut self, path: &str) {
        let inside = format!("{path}/");
        self.tree()
            .retain(|key, _| key != path && !key.starts_with(&inside));
    }

    /// In both halves.
    fn delete_both(&mut self, path: &str) {
        ["A", "B"]
            .iter()
            .for_each(|half| self.delete(&format!("{ROOT}/{half}/{path}")));
    }

    fn put(&mut self, path: &str, bytes: &[u8]) {
        put(&mut self.vector.tree, path, bytes);
    }

    fn put_in(&mut self, half: &str, path: &str, bytes: &[u8]) {
        self.tree()
            .insert(format!("{ROOT}/{half}/{path}"), Node::File(bytes.to_vec()));
    }

    /// Replaces the newest record of WEB01, signed by `signer`.
    fn record(&mut self, signer: u8, edit: impl Fn(String) -> String) {
        let folder = self.newest();
        let text = edit(String::from_utf8(self.bytes(&format!("{folder}/RECORD.TXT"))).unwrap())
            .into_bytes();
        self.put(
            &format!("{folder}/RECORD.SIG"),
            &sshsig(signer, RIGHT, &text),
        );
        self.put(&format!("{folder}/RECORD.TXT"), &text);
    }

    /// Replaces its signature.
    fn signature(&mut self, make: impl Fn(&[u8], Vec<u8>) -> Vec<u8>) {
        let folder = self.newest();
        let (text, right) = (
            self.bytes(&format!("{folder}/RECORD.TXT")),
            self.bytes(&format!("{folder}/RECORD.SIG")),
        );
        self.put(&format!("{folder}/RECORD.SIG"), &make(&text, right));
    }

    /// Adds a fourth statement, signed by `signer` in `namespace`.
    fn statement(&mut self, signer: u8, namespace: &str, text: &str) {
        self.put("OWNER/FAULTAAA.TXT", text.as_bytes());
        self.put(
            "OWNER/FAULTAAA.SIG",
            &sign_as(signer, namespace, text.as_bytes()),
        );
    }

    fn exit(&mut self, code: i32) {
        self.vector.expected.exit = code;
    }

    fn finds(&mut self, findings: &[&str]) {
        self.vector
            .expected
            .findings
            .extend(findings.iter().map(|id| (*id).to_owned()));
        self.vector.expected.findings.sort();
    }

    /// What the state of a number is instead; `gone` for none.
    fn state(&mut self, server: u8, number: u32, state: &str) {
        let place = format!("{}/{number} ", id(server));
        let expected = &mut self.vector.expected;
        expected.states.retain(|known| !known.starts_with(&place));
        if !state.starts_with("whole") {
            expected.catalogs.retain(|known| !known.starts_with(&place));
        }
        if state != "gone" {
            expected.states.push(format!("{place}{state}"));
        }
        expected.states.sort();
    }

    fn damaged(&mut self) {
        self.state(WEB01, 2, "damaged 0");
        self.finds(&["damaged-above-whole"]);
        self.exit(8);
    }

    fn foreign(&mut self) {
        self.state(WEB01, 2, "foreign 0");
        self.finds(&["foreign"]);
        self.exit(10);
    }

    /// The same of what the owner closed.
    fn closed(&mut self) {
        self.state(WEB01, 2, "foreign 0");
        self.attention("closed");
    }

    fn bad_statement(&mut self) {
        self.finds(&["bad-statement"]);
        self.exit(10);
    }

    fn attention(&mut self, finding: &str) {
        self.finds(&[finding]);
        self.exit(8);
    }
}

/// All vectors, the good one first.
pub(super) fn all(sealed: &Sealed) -> Vec<Vector> {
    let base = good(sealed);
    let mut vectors = vec![base.clone()];
    let mut add = |name: &str, about: &str, make: &dyn Fn(&mut Fault<'_>)| {
        let mut vector = Vector {
            name: name.to_owned(),
            about: about.to_owned(),
            ..base.clone()
        };
        vector.expected.ways_in.clear();
        let mut fault = Fault { vector, sealed };
        make(&mut fault);
        vectors.push(fault.vector);
    };
    record_lines(&mut add);
    record_claims(&mut add);
    signatures(&mut add);
    statements(&mut add);
    closes(&mut add);
    owner_files(&mut add);
    files(&mut add);
    folders(&mut add);
    media(&mut add);
    sealed_content(&mut add);
    parcels(&mut add);
    parcel_forms(&mut add);
    vectors
}

type Add<'a> = dyn FnMut(&str, &str, &dyn Fn(&mut Fault<'_>)) + 'a;

/// The record is signed as it stands, so its form is the only fault.
fn record_lines(add: &mut Add<'_>) {
    let hash = "0".repeat(64);
    type Edit<'a> = (&'a str, &'a str, Box<dyn Fn(String) -> String>);
    let replace = |from: &'static str, to: &'static str| -> Box<dyn Fn(String) -> String> {
        Box::new(move |text| text.replace(from, to))
    };
    let without = |start: &'static str| -> Box<dyn Fn(String) -> String> {
        Box::new(move |text| {
            text.lines()
                .filter(|line| !line.starts_with(start))
                .map(|line| format!("{line}\n"))
                .collect()
        })
    };
    let upper = |start: &'static str| -> Box<dyn Fn(String) -> String> {
        Box::new(move |text| {
            let line = text.lines().find(|line| line.ends_with(start)).unwrap();
            text.replace(&line[..64], &line[..64].to_uppercase())
        })
    };
    let after_trust = |edit: fn(Vec<&str>) -> Vec<&str>| -> Box<dyn Fn(String) -> String> {
        Box::new(move |text| {
            let (trust, rest): (Vec<&str>, Vec<&str>) =
                text.lines().partition(|line| line.starts_with("# trust "));
            let lines = [&rest[..7], &edit(trust), &rest[7..]].concat();
            lines.iter().map(|line| format!("{line}\n")).collect()
        })
    };
    let edits: Vec<Edit<'_>> = vec![
        (
            "record-first-line-missing",
            "The record has no first line.",
            without("# pfxvault"),
        ),
        (
            "record-first-line-other",
            "The first line names another kind of text.",
            replace("# pfxvault-record v1", "# pfxvault-trust v1"),
        ),
        (
            "record-version-0",
            "Version 0 is no later version: the record is damaged.",
            replace("record v1", "record v0"),
        ),
        (
            "record-version-01",
            "A version with a leading zero is no version.",
            replace("record v1", "record v01"),
        ),
        (
            "record-vault-missing",
            "The record names no vault.",
            without("# vault"),
        ),
        (
            "record-vault-short",
            "The vault's fingerprint lacks a character.",
            Box::new(|text| text.replace(vault().as_str(), &vault().as_str()[..49])),
        ),
        (
            "record-vault-padded",
            "The vault's fingerprint is padded.",
            Box::new(|text| text.replace(vault().as_str(), &format!("{}=", vault()))),
        ),
        (
            "record-server-missing",
            "The record names no server.",
            without("# server"),
        ),
        (
            "record-server-lower-case",
            "The server's id is in lower case.",
            Box::new(|text| {
                text.replace(
                    &id(WEB01).to_string(),
                    &id(WEB01).to_string().to_lowercase(),
                )
            }),
        ),
        (
            "record-number-missing",
            "The record has no number.",
            without("# number"),
        ),
        (
            "record-number-zero",
            "The number is 0.",
            replace("# number 2", "# number 0"),
        ),
        (
            "record-number-leading-zero",
            "The number has a leading zero.",
            replace("# number 2", "# number 02"),
        ),
        (
            "record-number-signed",
            "The number has a sign.",
            replace("# number 2", "# number +2"),
        ),
        (
            "record-number-nine-digits",
            "The number has nine digits.",
            replace("# number 2", "# number 100000000"),
        ),
        (
            "record-prev-missing",
            "The record says nothing about its predecessor.",
            without("# prev"),
        ),
        (
            "record-prev-without-hash",
            "The predecessor has no hash.",
            Box::new(|text| cut_line(&text, "# prev 1", "# prev 1")),
        ),
        (
            "record-prev-two-spaces",
            "Two spaces where one belongs.",
            replace("# prev 1 ", "# prev 1  "),
        ),
        (
            "record-prev-upper-case",
            "`prev None` is not `prev none`.",
            Box::new(|text| cut_line(&text, "# prev ", "# prev None")),
        ),
        (
            "record-time-missing",
            "The record has no time.",
            without("# time"),
        ),
        (
            "record-time-offset",
            "The time has an offset instead of Z.",
            replace(":00Z", ":00+00:00"),
        ),
        (
            "record-time-fraction",
            "The time has a fraction of a second.",
            replace(":00Z", ":00.5Z"),
        ),
        (
            "record-time-impossible",
            "The time is not on any clock.",
            replace("T02:20:00Z", "T25:20:00Z"),
        ),
        (
            "record-due-missing",
            "The record has no due day.",
            without("# due"),
        ),
        (
            "record-due-one-digit",
            "The due day has one digit.",
            replace("2027-05-01", "2027-05-1"),
        ),
        (
            "record-due-impossible",
            "The due day is not on any calendar.",
            replace("2027-05-01", "2027-02-30"),
        ),
        (
            "record-due-five-digit-year",
            "The due year is written with a sign and six digits.",
            replace("2027-05-01", "+002027-05-01"),
        ),
        (
            "record-trust-missing",
            "The record names no statement.",
            without("# trust"),
        ),
        (
            "record-trust-unsorted",
            "The statements are not ascending.",
            after_trust(|mut lines| {
                lines.reverse();
                lines
            }),
        ),
        (
            "record-trust-twice",
            "A statement is named twice.",
            after_trust(|lines| [&lines[..1], &lines].concat()),
        ),
        (
            "record-trust-upper-case",
            "A statement's hash is in upper case.",
            Box::new(|text| {
                let line = text
                    .lines()
                    .find(|line| line.starts_with("# trust "))
                    .unwrap()
                    .to_owned();
                text.replace(&line[8..], &line[8..].to_uppercase())
            }),
        ),
        (
            "record-file-catalog-missing",
            "The record lists no catalog.",
            Box::new(|text| drop_line(&text, "CATALOG.AGE")),
        ),
        (
            "record-file-catalog-alone",
            "The record lists no key pair.",
            Box::new(|text| drop_line(&drop_line(&text, "K0000001.AGE"), "K0000002.AGE")),
        ),
        (
            "record-file-gap",
            "The key pairs are not numbered one after the other.",
            replace("K0000002", "K0000003"),
        ),
        (
            "record-file-order",
            "The key pairs' files are not in order.",
            Box::new(|text| {
                text.replace("K0000001", "K")
                    .replace("K0000002", "K0000001")
                    .replace("  K.", "  K0000002.")
            }),
        ),
        (
            "record-file-lower-case",
            "A file's name is in lower case.",
            replace("K0000002.AGE", "k0000002.age"),
        ),
        (
            "record-file-one-space",
            "One space where two belong.",
            replace("  K0000002", " K0000002"),
        ),
        (
            "record-file-binary-mark",
            "A file is marked as sha256sum --binary does.",
            replace("  K0000002", " *K0000002"),
        ),
        (
            "record-file-hash-upper-case",
            "A file's hash is in upper case.",
            upper("K0000002.AGE"),
        ),
        (
            "record-file-path",
            "A file's name is a path.",
            replace("  K0000002", "  ../K0000002"),
        ),
        (
            "record-line-surplus",
            "A comment follows the list.",
            Box::new(|text| format!("{text}# note\n")),
        ),
        (
            "record-line-surplus-head",
            "A line of its own stands in the head.",
            replace("# time", "# note x\n# time"),
        ),
        (
            "record-line-empty",
            "An empty line ends the record.",
            Box::new(|text| format!("{text}\n")),
        ),
        (
            "record-line-trailing-space",
            "A space ends a line.",
            replace("# number 2", "# number 2 "),
        ),
        (
            "record-line-tab",
            "A tab stands for a space.",
            replace("# number 2", "# number\t2"),
        ),
        (
            "record-last-lf-missing",
            "The last line does not end.",
            Box::new(|text| text.trim_end().to_owned()),
        ),
        (
            "record-crlf",
            "Lines end with CR LF.",
            replace("\n", "\r\n"),
        ),
        (
            "record-bom",
            "The text begins with a byte order mark.",
            Box::new(|text| format!("\u{feff}{text}")),
        ),
        (
            "record-not-ascii",
            "A digit is a full-width one.",
            replace("# number 2", "# number ２"),
        ),
        (
            "record-empty",
            "The record is empty.",
            Box::new(|_| String::new()),
        ),
    ];
    for (name, about, edit) in edits {
        add(name, about, &|fault| {
            fault.record(WEB01, &edit);
            fault.damaged();
        });
    }
    add(
        "record-edited",
        "The record was changed after it was signed.",
        &|fault| {
            let path = format!("{}/RECORD.TXT", fault.newest());
            let text = String::from_utf8(fault.bytes(&path))
                .unwrap()
                .replace("2027-05-01", "2037-05-01");
            fault.put(&path, text.as_bytes());
            fault.damaged();
        },
    );
    add(
        "record-statement-unknown",
        "The record names a statement that is not here.",
        &|fault| {
            fault.record(WEB01, |text| {
                text.replacen("# trust ", &format!("# trust {hash}\n# trust "), 1)
            });
            fault.state(WEB01, 2, "whole 2");
            fault.attention("statement-missing");
        },
    );
}

fn cut_line(text: &str, start: &str, to: &str) -> String {
    text.lines()
        .map(|line| {
            if line.starts_with(start) {
                format!("{to}\n")
            } else {
                format!("{line}\n")
            }
        })
        .collect()
}

fn drop_line(text: &str, end: &str) -> String {
    text.lines()
        .filter(|line| !line.ends_with(end))
        .map(|line| format!("{line}\n"))
        .collect()
}

/// The record is well-formed and signed; what it says is wrong.
fn record_claims(add: &mut Add<'_>) {
    let stranger = VaultId::of(&key(STRANGER).public());
    add(
        "record-of-another-vault",
        "The record was signed for another vault.",
        &|fault| {
            fault.record(WEB01, |text| {
                text.replace(vault().as_str(), stranger.as_str())
            });
            fault.foreign();
        },
    );
    add(
        "record-of-another-server",
        "The record names another server than its folder.",
        &|fault| {
            fault.record(WEB01, |text| {
                text.replace(&id(WEB01).to_string(), &id(WEB02).to_string())
            });
            fault.foreign();
        },
    );
    add(
        "record-of-another-number",
        "The record names another number than its folder.",
        &|fault| {
            fault.record(WEB01, |text| text.replace("# number 2", "# number 3"));
            fault.foreign();
        },
    );
    add(
        "record-older-replayed",
        "Generation 1 was copied over generation 2.",
        &|fault| {
            for name in ["CATALOG.AGE", "K0000001.AGE", "RECORD.TXT", "RECORD.SIG"] {
                let bytes = fault.bytes(&format!("{}/00000001/{name}", id(WEB01)));
                fault.put(&format!("{}/{name}", fault.newest()), &bytes);
            }
            fault.foreign();
        },
    );
    add(
        "record-newer",
        "The record was made by a newer pfxvault.",
        &|fault| {
            fault.record(WEB01, |text| text.replace("record v1", "record v2"));
            fault.state(WEB01, 2, "newer 0");
            fault.attention("newer-format");
        },
    );
    add(
        "record-newer-signed-otherwise",
        "A newer pfxvault may sign in a way this version does not know.",
        &|fault| {
            fault.record(WEB01, |text| text.replace("record v1", "record v2"));
            fault.signature(|text, _| sign_as(WEB01, "pfxvault-record-v2", text));
            fault.state(WEB01, 2, "newer 0");
            fault.attention("newer-format");
        },
    );
    add(
        "record-prev-other-hash",
        "The predecessor here has another hash than the record says.",
        &|fault| {
            fault.record(WEB01, |text| {
                cut_line(&text, "# prev ", &format!("# prev 1 {}", "0".repeat(64)))
            });
            fault.attention("prev-contradiction");
        },
    );
    add(
        "record-prev-itself",
        "The record names its own number as predecessor.",
        &|fault| {
            fault.record(WEB01, |text| {
                cut_line(&text, "# prev ", &format!("# prev 2 {}", "0".repeat(64)))
            });
            fault.attention("prev-contradiction");
        },
    );
    add(
        "record-overdue",
        "The due day of the newest generation has passed.",
        &|fault| {
            fault.vector.now = "2027-05-02".into();
            fault.attention("overdue");
        },
    );
    add(
        "record-due-today",
        "The due day is today, which is not too late.",
        &|fault| fault.vector.now = "2027-05-01".into(),
    );
}

fn signatures(add: &mut Add<'_>) {
    type Make = Box<dyn Fn(&[u8], Vec<u8>) -> Vec<u8>>;
    let edit = |edit: fn(String) -> String| -> Make {
        Box::new(move |_, right| edit(String::from_utf8(right).unwrap()).into_bytes())
    };
    let form = |form: Form<'static>| -> Make { Box::new(move |text, _| sshsig(WEB01, form, text)) };
    let forms: Vec<(&str, &str, Make)> = vec![
        (
            "signature-flipped",
            "One bit of the signature is wrong.",
            Box::new(|_, mut right| {
                right[300] ^= 1;
                right
            }),
        ),
        (
            "signature-cut",
            "The signature's second half is missing.",
            Box::new(|_, right| right[..right.len() / 2].to_vec()),
        ),
        (
            "signature-zeros",
            "The signature's sectors were never written.",
            Box::new(|_, right| vec![0; right.len()]),
        ),
        (
            "signature-crlf",
            "The armor has CR LF.",
            edit(|text| text.replace('\n', "\r\n")),
        ),
        (
            "signature-last-lf-missing",
            "The armor's last line does not end.",
            edit(|text| text.trim_end().to_owned()),
        ),
        (
            "signature-empty-line",
            "An empty line follows the armor.",
            edit(|text| format!("{text}\n")),
        ),
        (
            "signature-text-before",
            "A line stands before the armor.",
            edit(|text| format!("signature:\n{text}")),
        ),
        (
            "signature-width-64",
            "The armor's lines have 64 characters.",
            form(Form { width: 64, ..RIGHT }),
        ),
        (
            "signature-one-line",
            "The armor has one long line.",
            form(Form {
                width: 1000,
                ..RIGHT
            }),
        ),
        (
            "signature-namespace-trust",
            "Signed in the namespace of statements.",
            form(Form {
                namespace: sign::TRUST,
                ..RIGHT
            }),
        ),
        (
            "signature-namespace-file",
            "Signed in the namespace of ssh-keygen's manual.",
            form(Form {
                namespace: "file",
                ..RIGHT
            }),
        ),
        (
            "signature-sha256",
            "Signed over SHA-256.",
            form(Form {
                hash: "sha256",
                ..RIGHT
            }),
        ),
        (
            "signature-version-0",
            "A signature of version 0; no signature covers this field.",
            form(Form {
                version: 0,
                ..RIGHT
            }),
        ),
        (
            "signature-version-2",
            "A signature of version 2.",
            form(Form {
                version: 2,
                ..RIGHT
            }),
        ),
        (
            "signature-reserved",
            "The reserved field is not empty.",
            form(Form {
                reserved: b"x",
                ..RIGHT
            }),
        ),
        (
            "signature-too-large",
            "The signature file is larger than its cap.",
            edit(|text| format!("{text}{}", " ".repeat(2048))),
        ),
    ];
    for (name, about, make) in forms {
        add(name, about, &|fault| {
            fault.signature(&make);
            fault.damaged();
        });
    }
    let others = [
        (
            "signature-of-a-stranger",
            "Signed rightly, by a key the owner never admitted.",
            STRANGER,
        ),
        (
            "signature-of-another-server",
            "Signed rightly, by another server of the vault.",
            WEB02,
        ),
        (
            "signature-of-the-owner",
            "Signed rightly, by the owner, who writes no records.",
            OWNER,
        ),
    ];
    for (name, about, signer) in others {
        add(name, about, &|fault| {
            fault.record(signer, |text| text);
            fault.foreign();
        });
    }
    add(
        "signature-missing",
        "There is no signature: the generation was not finished.",
        &|fault| {
            fault.delete_both(&format!("{}/RECORD.SIG", fault.newest()));
            fault.state(WEB01, 2, "unfinished 0");
            fault.attention("unfinished-above-whole");
        },
    );
    add(
        "signature-empty",
        "The signature is empty: the generation was not finished.",
        &|fault| {
            fault.signature(|_, _| Vec::new());
            fault.state(WEB01, 2, "unfinished 0");
            fault.attention("unfinished-above-whole");
        },
    );
    add(
        "signature-empty-in-b",
        "Only the second copy was not finished; one copy counts.",
        &|fault| {
            fault.put_in("B", &format!("{}/RECORD.SIG", fault.newest()), b"");
            fault.state(WEB01, 2, "whole 1");
            fault.attention("one-copy");
        },
    );
    add(
        "signature-missing-below",
        "An unfinished number below the newest whole one is normal.",
        &|fault| {
            fault.delete_both(&format!("{}/00000001/RECORD.SIG", id(WEB01)));
            fault.state(WEB01, 1, "unfinished 0");
        },
    );
    add(
        "signature-flipped-below",
        "A damaged number below the newest whole one.",
        &|fault| {
            let path = format!("{}/00000001/RECORD.SIG", id(WEB01));
            let mut bytes = fault.bytes(&path);
            bytes[300] ^= 1;
            fault.put(&path, &bytes);
            fault.state(WEB01, 1, "damaged 0");
            fault.attention("damaged-below-whole");
        },
    );
    add(
        "signature-flipped-in-a",
        "The record's signature is wrong in A and right in B.",
        &|fault| {
            let path = format!("{}/RECORD.SIG", fault.newest());
            let mut bytes = fault.bytes(&path);
            bytes[300] ^= 1;
            fault.put_in("A", &path, &bytes);
            fault.state(WEB01, 2, "whole 1");
            fault.attention("copy-bad");
        },
    );
    add(
        "signature-nothing-whole",
        "Every record of the only open server is damaged.",
        &|fault| {
            for number in ["00000001", "00000002"] {
                fault.put(&format!("{}/{number}/RECORD.SIG", id(WEB01)), b"x");
            }
            fault.state(WEB01, 1, "damaged 0");
            fault.state(WEB01, 2, "damaged 0");
            fault.finds(&["damaged-above-whole"]);
            fault.exit(4);
        },
    );
}

fn statements(add: &mut Add<'_>) {
    let head = format!("pfxvault-trust v1\nvault {}\n", vault());
    let recipient = owner().recipient();
    let server = |seed: u8| format!("server {} {}", id(seed), key(seed).public());
    let hash = "0".repeat(64);
    let mut sorted = [format!("identity {hash}"), format!("retire {recipient}")];
    let good = sorted.join("\n");
    sorted.reverse();
    let forms: Vec<(&str, &str, String)> = vec![
        (
            "statement-unsorted",
            "The lines are not sorted.",
            format!("{head}{}\n", sorted.join("\n")),
        ),
        (
            "statement-line-twice",
            "A line stands twice.",
            format!("{head}identity {hash}\nidentity {hash}\n"),
        ),
        (
            "statement-line-unknown",
            "A line says something unknown.",
            format!("{head}admin {hash}\n"),
        ),
        (
            "statement-line-empty",
            "An empty line ends the statement.",
            format!("{head}{good}\n\n"),
        ),
        (
            "statement-line-trailing-space",
            "A space ends a line.",
            format!("{head}identity {hash} \n"),
        ),
        (
            "statement-crlf",
            "Lines end with CR LF.",
            format!("{head}{good}\n").replace('\n', "\r\n"),
        ),
        (
            "statement-last-lf-missing",
            "The last line does not end.",
            format!("{head}{good}"),
        ),
        (
            "statement-vault-missing",
            "The statement names no vault.",
            format!("pfxvault-trust v1\n{good}\n"),
        ),
        (
            "statement-vault-other",
            "The owner signed it for another vault.",
            format!(
                "pfxvault-trust v1\nvault {}\n{good}\n",
                VaultId::of(&key(STRANGER).public())
            ),
        ),
        (
            "statement-close-number-zero",
            "A close at number 0.",
            format!("{head}close {} 0 {hash}\n", id(WEB01)),
        ),
        (
            "statement-close-without-hash",
            "A close without a hash.",
            format!("{head}close {} 1\n", id(WEB01)),
        ),
        (
            "statement-identity-short",
            "An identity's hash lacks a digit.",
            format!("{head}identity {}\n", &hash[1..]),
        ),
        (
            "statement-recipient-upper-case",
            "A recipient in upper case.",
            format!("{head}recipient {}\n", recipient.to_uppercase()),
        ),
        (
            "statement-recipient-checksum",
            "A recipient with a wrong character.",
            format!(
                "{head}recipient {}{}\n",
                &recipient[..61],
                if recipient.ends_with('q') { 'p' } else { 'q' }
            ),
        ),
        (
            "statement-recipient-ssh",
            "A recipient that is an SSH key.",
            format!("{head}recipient {}\n", key(WEB02).public()),
        ),
        (
            "statement-server-id",
            "A server's id that is not its key's.",
            format!("{head}server {} {}\n", id(WEB01), key(WEB02).public()),
        ),
        (
            "statement-server-comment",
            "A server's key with a comment.",
            format!("{head}{} web\n", server(STRANGER)),
        ),
        (
            "statement-server-small-order",
            "A server's key of small order, under which lax readers find anything signed.",
            format!("{head}{}\n", server_line([0; 32])),
        ),
        (
            "statement-server-second-encoding",
            "A server's key whose coordinate is not below the prime.",
            format!("{head}{}\n", server_line(second_encoding())),
        ),
        (
            "statement-server-off-curve",
            "A server's key that is no point of the curve.",
            format!("{head}{}\n", server_line(off_curve())),
        ),
    ];
    let second = head.replace("trust v1", "trust v2");
    let named = format!("name {} 2 {hash}", id(WEB01));
    let retired = format!("retired {} {}", id(WEB02), BASE64.encode(b"an age file"));
    let later: Vec<(&str, &str, String)> = vec![
        (
            "statement-name-in-the-first-version",
            "A statement of the first version names a server.",
            format!("{head}{named}\n"),
        ),
        (
            "statement-retired-in-the-first-version",
            "A statement of the first version retires a server's key pairs.",
            format!("{head}{retired}\n"),
        ),
        (
            "statement-name-number-zero",
            "A name from number 0 on.",
            format!("{second}name {} 0 {hash}\n", id(WEB01)),
        ),
        (
            "statement-name-without-number",
            "A name without a number.",
            format!("{second}name {} {hash}\n", id(WEB01)),
        ),
        (
            "statement-name-in-clear",
            "A name that is no hash.",
            format!("{second}name {} 2 WEB01\n", id(WEB01)),
        ),
        (
            "statement-retired-without-padding",
            "What is retired, in base64 without its padding.",
            format!("{second}{}\n", retired.trim_end_matches('=')),
        ),
        (
            "statement-retired-nothing",
            "What is retired is empty.",
            format!("{second}retired {} \n", id(WEB02)),
        ),
    ];
    for (name, about, text) in forms.into_iter().chain(later) {
        add(name, about, &|fault| {
            fault.statement(OWNER, sign::TRUST, &text);
            fault.bad_statement();
        });
    }
    let admits = format!("{head}{}\n", server(STRANGER));
    add(
        "statement-of-a-stranger",
        "A stranger admits a server.",
        &|fault| {
            fault.statement(STRANGER, sign::TRUST, &admits);
            fault.bad_statement();
        },
    );
    add(
        "statement-of-a-server",
        "An admitted server admits another.",
        &|fault| {
            fault.statement(WEB01, sign::TRUST, &admits);
            fault.bad_statement();
        },
    );
    add(
        "statement-namespace-record",
        "The owner signed it in the namespace of records.",
        &|fault| {
            fault.statement(OWNER, sign::RECORD, &admits);
            fault.bad_statement();
        },
    );
    add(
        "statement-large-planted",
        "Large files in the form of statements come before the owner's by name, and push none out.",
        &|fault| {
            for last in ["A", "B", "C", "D", "E", "F", "G", "H", "I"] {
                let path = |half| format!("{ROOT}/{half}/OWNER/AAAAAAA{last}");
                for half in ["A", "B"] {
                    let size = 4 * 1024 * 1024;
                    let tree = fault.tree();
                    tree.insert(format!("{}.TXT", path(half)), Node::Sparse(size));
                    tree.insert(format!("{}.SIG", path(half)), Node::File(b"x".to_vec()));
                }
            }
            fault.attention("crowded");
            fault.attention("statement-damaged");
        },
    );
    add(
        "statement-edited",
        "A server was added after the owner signed.",
        &|fault| {
            let mut text = String::from_utf8(fault.bytes("OWNER/SECONDAA.TXT")).unwrap();
            text += &format!("{}\n", server(STRANGER));
            fault.put("OWNER/FAULTAAA.TXT", text.as_bytes());
            let signature = fault.bytes("OWNER/SECONDAA.SIG");
            fault.put("OWNER/FAULTAAA.SIG", &signature);
            fault.bad_statement();
        },
    );
    add(
        "statement-newer",
        "A statement made by a newer pfxvault.",
        &|fault| {
            fault.statement(OWNER, sign::TRUST, &admits.replace("trust v1", "trust v3"));
            fault.attention("newer-format");
        },
    );
    add(
        "statement-second-version",
        "A statement of the second version: a server's name, and what the owner retired of it.",
        &|fault| fault.statement(OWNER, sign::TRUST, &format!("{second}{named}\n{retired}\n")),
    );
    add(
        "statement-second-version-of-a-stranger",
        "A stranger says the name of a server, and that its key pairs are retired.",
        &|fault| {
            let text = format!("{second}{named}\n{retired}\n");
            fault.statement(STRANGER, sign::TRUST, &text);
            fault.bad_statement();
        },
    );
    add(
        "statement-good",
        "One more statement, in lower case on the medium.",
        &|fault| {
            let text = format!("{head}retire {recipient}\n");
            fault.statement(OWNER, sign::TRUST, &text);
            for (from, to) in [
                ("FAULTAAA.TXT", "faultaaa.txt"),
                ("FAULTAAA.SIG", "faultaaa.sig"),
            ] {
                let bytes = fault.bytes(&format!("OWNER/{from}"));
                fault.delete_both(&format!("OWNER/{from}"));
                fault.put(&format!("OWNER/{to}"), &bytes);
            }
        },
    );
    add(
        "statement-without-words",
        "A statement that says nothing is a statement.",
        &|fault| fault.statement(OWNER, sign::TRUST, &head),
    );
    add(
        "statement-without-signature",
        "A statement that was not finished.",
        &|fault| {
            fault.put("OWNER/FAULTAAA.TXT", admits.as_bytes());
            fault.finds(&["unexpected-file"]);
        },
    );
    add(
        "statement-signature-alone",
        "A signature without its statement.",
        &|fault| {
            fault.put(
                "OWNER/FAULTAAA.SIG",
                &sign_as(OWNER, sign::TRUST, admits.as_bytes()),
            );
            fault.finds(&["unexpected-file"]);
        },
    );
    add(
        "statement-deleted",
        "The statement that admits WEB02 is gone from both halves.",
        &|fault| {
            fault.delete_both("OWNER/SECONDAA.TXT");
            fault.delete_both("OWNER/SECONDAA.SIG");
            fault.state(WEB02, 1, "foreign 0");
            fault.finds(&["foreign", "statement-missing"]);
            fault.exit(10);
        },
    );
    add(
        "statement-deleted-in-b",
        "The same, in one half: the other has it.",
        &|fault| {
            fault.delete(&format!("{ROOT}/B/OWNER/SECONDAA.TXT"));
            fault.delete(&format!("{ROOT}/B/OWNER/SECONDAA.SIG"));
            fault.attention("one-copy");
        },
    );
    add(
        "statement-flipped-in-a",
        "One bit of a statement is wrong in one half: the other has it.",
        &|fault| {
            let bytes = flipped(fault.bytes("OWNER/SECONDAA.TXT"));
            fault.put_in("A", "OWNER/SECONDAA.TXT", &bytes);
            fault.attention("copy-bad");
        },
    );
    add(
        "statement-pair-flipped-in-a",
        "Statement and signature are wrong in one half: the other has both.",
        &|fault| {
            for name in ["OWNER/SECONDAA.TXT", "OWNER/SECONDAA.SIG"] {
                let bytes = flipped(fault.bytes(name));
                fault.put_in("A", name, &bytes);
            }
            fault.attention("copy-bad");
        },
    );
    add(
        "statement-flipped",
        "One bit of the statement that admits WEB02 is wrong in both halves: damage, no forgery.",
        &|fault| {
            let bytes = flipped(fault.bytes("OWNER/SECONDAA.TXT"));
            fault.put("OWNER/SECONDAA.TXT", &bytes);
            fault.state(WEB02, 1, "foreign 0");
            fault.finds(&["foreign", "statement-damaged", "statement-missing"]);
            fault.exit(10);
        },
    );
    add(
        "statement-flipped-unneeded",
        "A statement that nothing here depends on is damaged in both halves.",
        &|fault| {
            fault.statement(OWNER, sign::TRUST, &format!("{head}retire {recipient}\n"));
            let bytes = flipped(fault.bytes("OWNER/FAULTAAA.TXT"));
            fault.put("OWNER/FAULTAAA.TXT", &bytes);
            fault.attention("statement-damaged");
        },
    );
    add(
        "statement-flipped-moved",
        "What is left of a statement stands beside a copy that was written later.",
        &|fault| {
            for (from, to) in [
                ("SECONDAA.TXT", "LATERAAA.TXT"),
                ("SECONDAA.SIG", "LATERAAA.SIG"),
            ] {
                let bytes = fault.bytes(&format!("OWNER/{from}"));
                fault.put_in("A", &format!("OWNER/{to}"), &bytes);
            }
            let bytes = flipped(fault.bytes("OWNER/SECONDAA.TXT"));
            fault.put_in("A", "OWNER/SECONDAA.TXT", &bytes);
        },
    );
    add(
        "statement-signature-empty-in-a",
        "A signature was never written in one half: the other has it.",
        &|fault| {
            fault.put_in("A", "OWNER/SECONDAA.SIG", b"");
            fault.finds(&["unexpected-file"]);
            fault.attention("copy-bad");
        },
    );
    add(
        "statement-signature-empty",
        "A statement whose signature was never written was not finished.",
        &|fault| {
            fault.put("OWNER/FAULTAAA.TXT", admits.as_bytes());
            fault.put("OWNER/FAULTAAA.SIG", b"");
            fault.finds(&["unexpected-file"]);
        },
    );
    add(
        "statement-signature-cut-in-a",
        "A statement's signature was cut short in one half: the other has it.",
        &|fault| {
            let signature = fault.bytes("OWNER/SECONDAA.SIG");
            let cut = Node::File(signature[..signature.len() / 2].to_vec());
            fault
                .tree()
                .insert(format!("{ROOT}/A/OWNER/SECONDAA.SIG"), cut);
            fault.attention("copy-bad");
        },
    );
    add(
        "statement-too-large",
        "A statement larger than its cap, described sparsely.",
        &|fault| {
            fault.put("OWNER/FAULTAAA.SIG", &sign_as(OWNER, sign::TRUST, b""));
            for half in ["A", "B"] {
                fault.tree().insert(
                    format!("{ROOT}/{half}/OWNER/FAULTAAA.TXT"),
                    Node::Sparse(4 * 1024 * 1024 + 1),
                );
            }
            fault.finds(&["unexpected-file"]);
        },
    );
}

fn flipped(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes[100] ^= 1;
    bytes
}

/// What the owner closed.
fn closes(add: &mut Add<'_>) {
    let head = format!("pfxvault-trust v1\nvault {}\n", vault());
    let close = |seed: u8, point: &str| format!("{head}close {} {point}\n", id(seed));
    let zero = "0".repeat(64);
    add(
        "close-none",
        "The server's key was stolen: nothing of it counts.",
        &|fault| {
            fault.statement(OWNER, sign::TRUST, &close(WEB01, "none"));
            fault.state(WEB01, 1, "foreign 0");
            fault.closed();
        },
    );
    add(
        "close-above-is-foreign",
        "A generation above the close.",
        &|fault| {
            let hash = Hash::of(&fault.bytes(&format!("{}/00000001/RECORD.TXT", id(WEB01))));
            fault.statement(OWNER, sign::TRUST, &close(WEB01, &format!("1 {hash}")));
            fault.closed();
        },
    );
    add(
        "close-other-hash",
        "The generation at the close has another hash.",
        &|fault| {
            fault.statement(OWNER, sign::TRUST, &close(WEB01, &format!("2 {zero}")));
            fault.closed();
        },
    );
    add(
        "close-lowest-wins",
        "A later close at a higher number changes nothing.",
        &|fault| {
            fault.statement(OWNER, sign::TRUST, &close(WEB02, &format!("7 {zero}")));
        },
    );
    add(
        "close-of-an-unknown-server",
        "A server may be closed that was never admitted.",
        &|fault| {
            fault.statement(OWNER, sign::TRUST, &close(STRANGER, "none"));
        },
    );
    add(
        "close-elsewhere",
        "The last generation that counts lies on another medium.",
        &|fault| {
            fault.statement(OWNER, sign::TRUST, &close(WEB01, &format!("5 {zero}")));
            fault.state(WEB01, 5, "elsewhere 0");
            fault.attention("elsewhere-above-whole");
        },
    );
    add(
        "close-unfinished-above",
        "An unfinished folder above the close is closed like any other.",
        &|fault| {
            fault.put(&format!("{}/00000002/CATALOG.AGE", id(WEB02)), b"x");
            fault.state(WEB02, 2, "foreign 0");
            fault.attention("closed");
        },
    );
    add(
        "close-is-not-overdue",
        "Nothing is due of a closed server.",
        &|fault| {
            let hash = Hash::of(&fault.bytes(&format!("{}/RECORD.TXT", fault.newest())));
            fault.statement(OWNER, sign::TRUST, &close(WEB01, &format!("2 {hash}")));
            fault.vector.now = "2028-01-01".into();
        },
    );
}

fn owner_files(add: &mut Add<'_>) {
    add(
        "identity-deleted",
        "A way in that the owner signed is gone.",
        &|fault| {
            fault.delete_both("OWNER/IDENT002.AGE");
            fault.vector.expected.catalogs.clear();
            fault.attention("identity-missing");
        },
    );
    add(
        "identity-renumbered",
        "A way in under another number is the same way in.",
        &|fault| {
            let bytes = fault.bytes("OWNER/IDENT002.AGE");
            fault.delete_both("OWNER/IDENT002.AGE");
            fault.put("OWNER/IDENT417.AGE", &bytes);
        },
    );
    add(
        "identity-planted",
        "A way in that the owner never signed.",
        &|fault| {
            fault.put("OWNER/IDENT003.AGE", b"x");
            fault.attention("identity-unknown");
        },
    );
    add(
        "identity-001",
        "IDENT001.AGE is not a name of the format.",
        &|fault| {
            fault.put("OWNER/IDENT001.AGE", b"x");
            fault.finds(&["unexpected-file"]);
        },
    );
    add(
        "identity-seventeen",
        "Sixteen more ways in were planted; the first two still count.",
        &|fault| {
            (3..=18).for_each(|n| {
                fault.put(
                    &format!("OWNER/IDENT{n:03}.AGE"),
                    format!("{n}\n").as_bytes(),
                )
            });
            fault.finds(&["identity-unknown", "unexpected-file"]);
            fault.exit(8);
        },
    );
    add(
        "identity-too-large",
        "A way in larger than its cap, described sparsely.",
        &|fault| {
            fault.tree().insert(
                format!("{ROOT}/A/OWNER/IDENT003.AGE"),
                Node::Sparse(64 * 1024 + 1),
            );
            fault.finds(&["unexpected-file"]);
        },
    );
    add(
        "owner-folder-inside",
        "A folder among the owner's files.",
        &|fault| {
            fault
                .tree()
                .insert(format!("{ROOT}/A/OWNER/BACKUP"), Node::Folder);
            fault.finds(&["unexpected-file"]);
        },
    );
    add(
        "owner-missing-in-b",
        "The second copy of the owner's files is gone.",
        &|fault| {
            fault.delete(&format!("{ROOT}/B/OWNER"));
            fault.attention("one-copy");
        },
    );
    add(
        "identity-deleted-in-a",
        "A way in is gone from one half.",
        &|fault| {
            fault.delete(&format!("{ROOT}/A/OWNER/IDENT002.AGE"));
            fault.attention("one-copy");
        },
    );
    add(
        "identity-flipped-in-a",
        "One bit of a way in is wrong in one half: damage, and not a stranger's.",
        &|fault| {
            let bytes = flipped(fault.bytes("OWNER/IDENT002.AGE"));
            fault.put_in("A", "OWNER/IDENT002.AGE", &bytes);
            fault.attention("copy-bad");
        },
    );
    add(
        "readme-old",
        "README.TXT is that of an earlier pfxvault.",
        &|fault| {
            let text = include_bytes!("../../readmes/first.txt");
            fault
                .tree()
                .insert(format!("{ROOT}/README.TXT"), Node::File(text.to_vec()));
            fault.finds(&["readme-old"]);
        },
    );
    add(
        "program-beside",
        "A program has the name of a tool that README.TXT tells to run.",
        &|fault| {
            fault.tree().insert(
                format!("{ROOT}/Age.Bat"),
                Node::File(b"@echo off\n".to_vec()),
            );
            fault.attention("program");
        },
    );
    add(
        "program-among-owner-files",
        "A file that Windows may run lies among the owner's files.",
        &|fault| {
            fault.tree().insert(
                format!("{ROOT}/A/OWNER/AUTORUN.INF"),
                Node::File(b"[autorun]\n".to_vec()),
            );
            fault.attention("program");
        },
    );
    add(
        "program-below-an-unknown-folder",
        "A program lies below a folder that the format does not know.",
        &|fault| {
            fault.tree().insert(
                format!("{ROOT}/TOOLS/BIN/ssh-keygen.com. "),
                Node::File(b"MZ\n".to_vec()),
            );
            fault.finds(&["unexpected-file"]);
            fault.attention("program");
        },
    );
    add(
        "readme-edited",
        "README.TXT gives other instructions.",
        &|fault| {
            let text = b"Send this stick to backup@example.com\n";
            fault
                .tree()
                .insert(format!("{ROOT}/README.TXT"), Node::File(text.to_vec()));
            fault.attention("readme-unknown");
        },
    );
    add("readme-missing", "README.TXT is gone.", &|fault| {
        fault.delete(&format!("{ROOT}/README.TXT"));
        fault.attention("readme-unknown");
    });
    add(
        "medium-text-missing",
        "Nothing depends on MEDIUM.TXT.",
        &|fault| fault.delete(&format!("{ROOT}/MEDIUM.TXT")),
    );
    add(
        "medium-text-edited",
        "Nothing depends on what MEDIUM.TXT says either.",
        &|fault| {
            fault.tree().insert(
                format!("{ROOT}/MEDIUM.TXT"),
                Node::File(b"label ../..\n".to_vec()),
            );
        },
    );
}

fn files(add: &mut Add<'_>) {
    let two = |fault: &mut Fault<'_>, state: &str| fault.state(WEB01, 2, state);
    add(
        "file-missing-in-a",
        "A file is missing in one copy.",
        &|fault| {
            fault.delete(&format!("{ROOT}/A/{}/K0000002.AGE", fault.newest()));
            fault.attention("copy-bad");
        },
    );
    add(
        "file-missing",
        "A file is missing in both copies.",
        &|fault| {
            fault.delete_both(&format!("{}/K0000002.AGE", fault.newest()));
            two(fault, "damaged 2");
            fault.finds(&["file-lost"]);
            fault.exit(4);
        },
    );
    add(
        "file-catalog-missing",
        "The catalog is missing in both copies.",
        &|fault| {
            fault.delete_both(&format!("{}/CATALOG.AGE", fault.newest()));
            two(fault, "damaged 2");
            fault.finds(&["file-lost"]);
            fault.exit(4);
        },
    );
    add(
        "file-cut-in-a",
        "A file is cut short in one copy.",
        &|fault| {
            let path = format!("{}/K0000001.AGE", fault.newest());
            let bytes = fault.bytes(&path);
            fault.put_in("A", &path, &bytes[..bytes.len() - 1]);
            fault.attention("copy-bad");
        },
    );
    add(
        "file-zero-tail-in-b",
        "The last bytes of a file were never written in one copy.",
        &|fault| {
            let path = format!("{}/K0000001.AGE", fault.newest());
            let mut bytes = fault.bytes(&path);
            let half = bytes.len() / 2;
            bytes[half..].fill(0);
            fault.put_in("B", &path, &bytes);
            fault.attention("copy-bad");
        },
    );
    add(
        "file-swapped-in-a",
        "Two files changed places in one copy.",
        &|fault| {
            swap(fault, &["A"]);
            fault.attention("copy-bad");
        },
    );
    add(
        "file-swapped",
        "Two files changed places in both copies.",
        &|fault| {
            swap(fault, &["A", "B"]);
            two(fault, "damaged 2");
            fault.finds(&["file-lost"]);
            fault.exit(4);
        },
    );
    add(
        "file-each-half-has-one",
        "One file is gone from A, another from B: together they are whole.",
        &|fault| {
            fault.delete(&format!("{ROOT}/A/{}/K0000001.AGE", fault.newest()));
            fault.delete(&format!("{ROOT}/B/{}/K0000002.AGE", fault.newest()));
            fault.attention("copy-bad");
        },
    );
    add(
        "file-too-large",
        "A file larger than its cap in one copy, described sparsely.",
        &|fault| {
            let path = format!("{ROOT}/A/{}/K0000001.AGE", fault.newest());
            fault
                .tree()
                .insert(path, Node::Sparse(16 * 1024 * 1024 + 1));
            fault.attention("copy-bad");
        },
    );
    add(
        "file-two-gigabytes",
        "A record of two gigabytes in one copy, described sparsely.",
        &|fault| {
            let path = format!("{ROOT}/A/{}/RECORD.TXT", fault.newest());
            fault
                .tree()
                .insert(path, Node::Sparse(2 * 1024 * 1024 * 1024));
            two(fault, "whole 1");
            fault.attention("copy-bad");
        },
    );
    add(
        "file-extra",
        "A file that no generation has stands beside one.",
        &|fault| {
            fault.put(&format!("{}/NOTES.TXT", fault.newest()), b"x\n");
            fault.finds(&["unexpected-file"]);
        },
    );
    add(
        "program-beside-key-pairs",
        "A program stands beside the files of a generation.",
        &|fault| {
            fault.put(&format!("{}/SETUP.EXE", fault.newest()), b"MZ\n");
            fault.attention("program");
        },
    );
    add(
        "file-extra-key-pair",
        "A key pair that the record does not list is never looked at.",
        &|fault| {
            fault.put(&format!("{}/K0000003.AGE", fault.newest()), b"x");
        },
    );
    add(
        "file-is-a-folder",
        "A folder has the name of a file.",
        &|fault| {
            let path = format!("{ROOT}/A/{}/K0000002.AGE", fault.newest());
            fault.delete(&path);
            fault.tree().insert(path, Node::Folder);
            fault.finds(&["copy-bad", "unexpected-file"]);
            fault.exit(8);
        },
    );
}

fn swap(fault: &mut Fault<'_>, halves: &[&str]) {
    let [one, two] =
        ["K0000001.AGE", "K0000002.AGE"].map(|name| format!("{}/{name}", fault.newest()));
    let (first, second) = (fault.bytes(&one), fault.bytes(&two));
    for half in halves {
        fault.put_in(half, &one, &second);
        fault.put_in(half, &two, &first);
    }
}

fn folders(add: &mut Add<'_>) {
    let beside = |fault: &mut Fault<'_>, half: &str, end: &str| {
        let folder = fault.newest();
        for name in [
            "CATALOG.AGE",
            "K0000001.AGE",
            "K0000002.AGE",
            "RECORD.TXT",
            "RECORD.SIG",
        ] {
            let bytes = fault.bytes(&format!("{folder}/{name}"));
            fault.put_in(half, &format!("{folder}{end}/{name}"), &bytes);
        }
    };
    add(
        "folder-copy-001",
        "A third copy in 00000002.001.",
        &|fault| {
            beside(fault, "A", ".001");
            fault.state(WEB01, 2, "whole 3");
        },
    );
    add(
        "folder-repair",
        "The copy in A is damaged, its repair stands beside it.",
        &|fault| {
            beside(fault, "A", ".001");
            fault.put_in("A", &format!("{}/K0000001.AGE", fault.newest()), b"x");
            fault.delete(&format!("{ROOT}/B/{}", fault.newest()));
            fault.state(WEB01, 2, "whole 2");
            fault.attention("copy-bad");
            fault.attention("one-copy");
        },
    );
    add(
        "folder-resumed",
        "A copy was not finished; the next run went to 00000002.001.",
        &|fault| {
            beside(fault, "B", ".001");
            fault.put_in("B", &format!("{}/RECORD.SIG", fault.newest()), b"");
        },
    );
    add(
        "folder-copy-065",
        "A copy in 00000002.065 is more than is looked at.",
        &|fault| {
            beside(fault, "A", ".065");
            fault.attention("crowded");
        },
    );
    add(
        "folder-copy-000",
        "00000002.000 is not a name of the format.",
        &|fault| {
            beside(fault, "A", ".000");
            fault.finds(&["unexpected-file"]);
        },
    );
    add(
        "folder-number-zero",
        "00000000 is not a number.",
        &|fault| {
            fault
                .tree()
                .insert(format!("{ROOT}/A/{}/00000000", id(WEB01)), Node::Folder);
            fault.finds(&["unexpected-file"]);
        },
    );
    add(
        "folder-short-number",
        "42 is not a folder's name.",
        &|fault| {
            fault
                .tree()
                .insert(format!("{ROOT}/A/{}/42", id(WEB01)), Node::Folder);
            fault.finds(&["unexpected-file"]);
        },
    );
    add(
        "folder-missing-in-a",
        "The first copy is gone: one copy counts.",
        &|fault| {
            fault.delete(&format!("{ROOT}/A/{}", fault.newest()));
            fault.state(WEB01, 2, "whole 1");
            fault.attention("one-copy");
        },
    );
    add("folder-b-missing", "The second half is gone.", &|fault| {
        fault.delete(&format!("{ROOT}/B"));
        for (server, number) in [(WEB01, 1), (WEB01, 2), (WEB02, 1)] {
            fault.state(server, number, "whole 1");
        }
        fault.attention("one-copy");
    });
    add(
        "folder-newest-deleted",
        "The newest generation is gone. The medium alone cannot show it.",
        &|fault| {
            fault.delete_both(&fault.newest());
            fault.state(WEB01, 2, "gone");
        },
    );
    add(
        "folder-older-deleted",
        "The predecessor lies elsewhere, as is normal with rotating media.",
        &|fault| {
            fault.delete_both(&format!("{}/00000001", id(WEB01)));
            fault.state(WEB01, 1, "elsewhere 0");
        },
    );
    add(
        "folder-planted-empty",
        "An empty folder with the highest number.",
        &|fault| {
            fault
                .tree()
                .insert(format!("{ROOT}/A/{}/99999999", id(WEB01)), Node::Folder);
            fault.state(WEB01, 99_999_999, "unfinished 0");
            fault.attention("unfinished-above-whole");
        },
    );
    add(
        "folder-planted-signed",
        "The highest number, signed by a stranger.",
        &|fault| {
            let text =
                String::from_utf8(fault.bytes(&format!("{}/RECORD.TXT", fault.newest()))).unwrap();
            let text = text.replace("# number 2", "# number 99999999").into_bytes();
            let folder = format!("{}/99999999", id(WEB01));
            fault.put(&format!("{folder}/RECORD.TXT"), &text);
            fault.put(
                &format!("{folder}/RECORD.SIG"),
                &sign_as(STRANGER, sign::RECORD, &text),
            );
            fault.state(WEB01, 99_999_999, "foreign 0");
            fault.finds(&["foreign"]);
            fault.exit(10);
        },
    );
    add(
        "server-foreign",
        "A server that the owner never admitted, rightly signed by itself.",
        &|fault| {
            let text =
                String::from_utf8(fault.bytes(&format!("{}/RECORD.TXT", fault.newest()))).unwrap();
            let text = text
                .replace(&id(WEB01).to_string(), &id(STRANGER).to_string())
                .into_bytes();
            let folder = format!("{}/00000002", id(STRANGER));
            fault.put(&format!("{folder}/RECORD.TXT"), &text);
            fault.put(
                &format!("{folder}/RECORD.SIG"),
                &sign_as(STRANGER, sign::RECORD, &text),
            );
            fault.state(STRANGER, 2, "foreign 0");
            fault.finds(&["foreign"]);
            fault.exit(10);
        },
    );
    add(
        "server-foreign-unfinished",
        "An unfinished folder of a server that the owner never admitted.",
        &|fault| {
            fault.put(&format!("{}/00000001/CATALOG.AGE", id(STRANGER)), b"x");
            fault.state(STRANGER, 1, "foreign 0");
            fault.finds(&["foreign"]);
            fault.exit(10);
        },
    );
    add(
        "server-empty",
        "A server's folder without generations.",
        &|fault| {
            fault
                .tree()
                .insert(format!("{ROOT}/A/{}", id(STRANGER)), Node::Folder);
        },
    );
    add(
        "name-unknown",
        "A name the format does not know stands in a half.",
        &|fault| {
            fault.put_in("A", "NOTES.TXT", b"x\n");
            fault.finds(&["unexpected-file"]);
        },
    );
    add(
        "name-unknown-beside",
        "A folder the format does not know stands beside the halves.",
        &|fault| {
            fault.tree().insert(format!("{ROOT}/C"), Node::Folder);
            fault.finds(&["unexpected-file"]);
        },
    );
    add(
        "name-outside",
        "What lies beside PFXVAULT is never looked at.",
        &|fault| {
            fault
                .tree()
                .insert("stick/SETUP.EXE".into(), Node::File(b"MZ\n".to_vec()));
        },
    );
    add(
        "name-lower-case",
        "Names are compared without case.",
        &|fault| {
            let lower = std::mem::take(fault.tree()).into_iter();
            fault.vector.tree = lower
                .map(|(path, node)| (path.to_lowercase(), node))
                .collect();
        },
    );
}

/// Several media, or another vault's.
fn media(add: &mut Add<'_>) {
    let second_stick = |fault: &mut Fault<'_>| {
        let copy: Vec<_> = fault
            .vector
            .tree
            .iter()
            .map(|(path, node)| (path.replacen("stick", "other", 1), node.clone()))
            .collect();
        fault.tree().extend(copy);
        let label = format!(
            "pfxvault-medium v1\nmedium {}\nlabel Safe B\n",
            "fedcba9876543210".repeat(2)
        );
        fault.tree().insert(
            format!("{}/MEDIUM.TXT", ROOT.replacen("stick", "other", 1)),
            Node::File(label.into_bytes()),
        );
        fault.vector.media.push("other".into());
    };
    let whole_on_both = |fault: &mut Fault<'_>| {
        for (server, number) in [(WEB01, 1), (WEB01, 2), (WEB02, 1)] {
            fault.state(server, number, "whole 4");
        }
    };
    add("media-two", "Two media with the same content.", &|fault| {
        second_stick(fault);
        whole_on_both(fault);
    });
    add(
        "media-copies",
        "Two media have one id: one is a copy, label and all.",
        &|fault| {
            second_stick(fault);
            let label = fault.tree()[&format!("{ROOT}/MEDIUM.TXT")].clone();
            fault.tree().insert(
                format!("{}/MEDIUM.TXT", ROOT.replacen("stick", "other", 1)),
                label,
            );
            whole_on_both(fault);
            fault.attention("copies");
        },
    );
    add(
        "media-fork",
        "Two media hold different generations of one number, both rightly signed.",
        &|fault| {
            second_stick(fault);
            fault.record(WEB01, |text| {
                text.replace("2026-11-02T02:20:00Z", "2026-11-02T03:00:00Z")
            });
            for (server, number) in [(WEB01, 1), (WEB02, 1)] {
                fault.state(server, number, "whole 4");
            }
            let twice = fault
                .vector
                .expected
                .states
                .iter()
                .find(|state| state.contains("/2 "))
                .unwrap()
                .clone();
            fault.vector.expected.states.push(twice);
            fault.vector.expected.states.sort();
            fault.attention("fork");
        },
    );
    add(
        "media-repair-each-other",
        "A file is lost on one medium and good on the other.",
        &|fault| {
            second_stick(fault);
            fault.delete_both(&format!("{}/K0000001.AGE", fault.newest()));
            whole_on_both(fault);
            fault.attention("copy-bad");
        },
    );
    add(
        "vault-not-pinned",
        "Nothing but the medium says who its owner is.",
        &|fault| {
            fault.vector.pin = None;
            fault.finds(&["not-pinned"]);
        },
    );
    add(
        "vault-other",
        "The medium is of another vault than the one believed.",
        &|fault| {
            fault.vector.pin = Some(VaultId::of(&key(STRANGER).public()).to_string());
            none(fault, 7);
        },
    );
    add(
        "vault-two-owners",
        "Without a pin, two owners' statements cannot be told apart.",
        &|fault| {
            fault.vector.pin = None;
            fault.statement(
                STRANGER,
                sign::TRUST,
                &format!(
                    "pfxvault-trust v1\nvault {}\n",
                    VaultId::of(&key(STRANGER).public())
                ),
            );
            none(fault, 10);
        },
    );
    add(
        "vault-without-statements",
        "Every statement is gone: nothing is believed.",
        &|fault| {
            for name in ["FIRSTAAA", "SECONDAA", "THIRDAAA"] {
                ["TXT", "SIG"]
                    .iter()
                    .for_each(|end| fault.delete_both(&format!("OWNER/{name}.{end}")));
            }
            none(fault, 7);
        },
    );
    add("vault-missing", "There is no PFXVAULT folder.", &|fault| {
        fault.tree().clear();
        none(fault, 7);
    });
}

fn none(fault: &mut Fault<'_>, exit: i32) {
    fault.vector.expected = Expected {
        exit,
        ..Expected::default()
    };
}

/// A `server` line of any 32 bytes.
fn server_line(key: [u8; 32]) -> String {
    let mut blob = b"\0\0\0\x0bssh-ed25519\0\0\0\x20".to_vec();
    blob.extend_from_slice(&key);
    let id = data_encoding::BASE32.encode(&Sha256::digest(&blob));
    format!("server {} ssh-ed25519 {}", &id[..8], BASE64.encode(&blob))
}

/// 2^255 - 16: the point with the coordinate 3 once more.
fn second_encoding() -> [u8; 32] {
    let mut key = [0xff; 32];
    (key[0], key[31]) = (0xf0, 0x7f);
    key
}

/// The least coordinate of which there is no point.
fn off_curve() -> [u8; 32] {
    let mut key = [0; 32];
    key[0] = 2;
    assert!(ed25519_dalek::VerifyingKey::from_bytes(&key).is_err());
    key
}

/// What only a reader with a secret can see. Everything is rightly signed.
fn sealed_content(add: &mut Add<'_>) {
    fn catalog(fault: &mut Fault<'_>, sealed: &[u8], opens: &str) {
        let folder = fault.newest();
        let old = Hash::of(&fault.bytes(&format!("{folder}/CATALOG.AGE"))).to_string();
        fault.put(&format!("{folder}/CATALOG.AGE"), sealed);
        fault.record(WEB01, |text| {
            text.replace(&old, &Hash::of(sealed).to_string())
        });
        let place = format!("{}/2", id(WEB01));
        for known in &mut fault.vector.expected.catalogs {
            if known.starts_with(&place) {
                *known = format!("{place} {opens}");
            }
        }
    }
    fn json(fault: &Fault<'_>, name: &str, edit: impl Fn(String) -> String) -> Vec<u8> {
        let age = owner().age;
        let right = seal::open(
            &age,
            &fault.bytes(&format!("{}/CATALOG.AGE", fault.newest())),
        )
        .unwrap();
        let text = edit(String::from_utf8(right.expose().to_vec()).unwrap());
        fault
            .sealed
            .seal(name, SecretBytes::new(text.into_bytes()).expose())
    }
    add(
        "catalog-of-another-server",
        "The catalog names another server: its files were passed off.",
        &|fault| {
            let sealed = fault
                .sealed
                .catalog("catalog-of-another-server", WEB02, 2, 2);
            catalog(fault, &sealed, "refused");
        },
    );
    add(
        "catalog-of-another-number",
        "The catalog names another number.",
        &|fault| {
            let sealed = fault
                .sealed
                .catalog("catalog-of-another-number", WEB01, 1, 2);
            catalog(fault, &sealed, "refused");
        },
    );
    add(
        "catalog-padded",
        "The catalog's text ends in blanks, so that its size is a step of 4 KiB.",
        &|fault| {
            let sealed = fault.sealed.catalog("catalog-padded", WEB01, 2, 2);
            catalog(fault, &sealed, "opened");
        },
    );
    add(
        "catalog-fewer-files",
        "The catalog describes fewer key pairs than the record lists.",
        &|fault| {
            let sealed = fault.sealed.catalog("catalog-fewer-files", WEB01, 2, 1);
            catalog(fault, &sealed, "refused");
        },
    );
    type Json<'a> = (&'a str, &'a str, &'a str, fn(String) -> String);
    let edits: [Json<'_>; 5] = [
        (
            "catalog-unknown-member",
            "Unknown members are left alone.",
            "opened",
            |text| text.replacen('{', "{\"weather\":[1,{}],", 1),
        ),
        (
            "catalog-format-2",
            "A catalog of another format.",
            "refused",
            |text| text.replace("\"format\":1", "\"format\":2"),
        ),
        (
            "catalog-member-missing",
            "A catalog without the PFX passwords.",
            "refused",
            |text| text.replace("pfx_password", "password"),
        ),
        (
            "catalog-hash-cut",
            "A certificate's SHA-256 in the catalog is too short.",
            "refused",
            |text| text.replacen(&"00".repeat(32), "00", 1),
        ),
        (
            "catalog-no-json",
            "A catalog that is not JSON.",
            "refused",
            |text| text.replace('}', ""),
        ),
    ];
    for (name, about, opens, edit) in edits {
        add(name, about, &|fault| {
            let sealed = json(fault, name, edit);
            catalog(fault, &sealed, opens);
        });
    }
    add(
        "catalog-no-age",
        "The catalog is not an age file.",
        &|fault| catalog(fault, b"x", "refused"),
    );
    add(
        "identity-owner-lines-disagree",
        "The two owner lines in a way in are of different keys.",
        &|fault| {
            let text = format!(
                "# pfxvault-identity v1\n# owner {}\n# owner-key {}\n{OWNER_AGE}\n",
                key(STRANGER).public(),
                BASE64.encode(&[OWNER; 32])
            );
            way_in(
                fault,
                "identity-owner-lines-disagree",
                text.as_bytes(),
                "damaged",
            );
        },
    );
    add(
        "identity-without-owner",
        "A way in that holds only an age identity.",
        &|fault| {
            way_in(
                fault,
                "identity-without-owner",
                format!("{OWNER_AGE}\n").as_bytes(),
                "damaged",
            );
        },
    );
    add(
        "identity-for-another-key",
        "A way in for a recovery key that is not ours.",
        &|fault| {
            let file = fault.sealed.get("identity-for-another-key", || {
                owner().wrap_for(&RecoveryKey::generate()).unwrap()
            });
            place_way_in(fault, "IDENT003.AGE", &file, "no-match");
        },
    );
    add("identity-cut", "A way in that was cut short.", &|fault| {
        let file = fault.bytes("OWNER/IDENT002.AGE");
        place_way_in(fault, "IDENT003.AGE", &file[..file.len() - 1], "damaged");
    });
    for factor in ["21", "30"] {
        let name = format!("identity-work-factor-{factor}");
        add(
            &name,
            "A way in that asks for more work than a reader gives; it is refused before any is done.",
            &|fault| {
                let file = fault.bytes("OWNER/IDENTITY.AGE");
                let at = file.windows(4).position(|four| four == b" 18\n").unwrap();
                let file = [&file[..=at], factor.as_bytes(), &file[at + 3..]].concat();
                place_way_in(fault, "IDENTITY.AGE", &file, "too-much-work");
                fault.finds(&["identity-missing"]);
            },
        );
    }
}

fn way_in(fault: &mut Fault<'_>, name: &str, text: &[u8], opens: &str) {
    let recovery: age::x25519::Identity = RECOVERY_KEY.parse().unwrap();
    let file = fault
        .sealed
        .get(name, || seal::seal_to(&recovery.to_public(), text).unwrap());
    place_way_in(fault, "IDENT003.AGE", &file, opens);
}

fn place_way_in(fault: &mut Fault<'_>, name: &str, file: &[u8], opens: &str) {
    fault.put(&format!("OWNER/{name}"), file);
    fault
        .vector
        .expected
        .ways_in
        .push(format!("{ROOT}/A/OWNER/{name} {opens}"));
    fault.attention("identity-unknown");
}

// --- parcels
// ----------------------------------------------------------------------------------------------

const PARCEL: &str = "parcel.zip";

/// The files below these folders of the first half.
fn half(fault: &Fault<'_>, folders: &[&str]) -> Vec<(String, Vec<u8>)> {
    let wanted = |path: &&str| {
        folders
            .iter()
            .any(|folder| path.starts_with(&format!("A/{folder}")))
    };
    let paths = fault
        .vector
        .tree
        .keys()
        .filter_map(|path| path.strip_prefix("stick/PFXVAULT/"));
    paths
        .filter(wanted)
        .map(|path| (path.to_owned(), fault.bytes(&path[2..])))
        .collect()
}

/// A file in place of all media.
fn only(fault: &mut Fault<'_>, bytes: Vec<u8>) {
    *fault.tree() = Tree::from([(PARCEL.to_owned(), Node::File(bytes))]);
    fault.vector.media = vec![PARCEL.into()];
    none(fault, 0);
}

fn put_parcel(fault: &mut Fault<'_>, files: &[(String, Vec<u8>)]) {
    only(fault, Zip::of(files).bytes());
}

/// Parcels in the one form: what is in them is judged as on a medium.
fn parcels(add: &mut Add<'_>) {
    let first = format!("{}/00000001", id(WEB01));
    let known = ["OWNER/IDENT", "OWNER/FIRST", first.as_str()];
    add("parcel-good", "A parcel with one generation.", &|fault| {
        let files = half(fault, &known);
        put_parcel(fault, &files);
        fault.state(WEB01, 1, "whole 1");
    });
    add(
        "parcel-answer",
        "A parcel without a generation answers requests.",
        &|fault| {
            let files = half(fault, &known[..2]);
            put_parcel(fault, &files);
        },
    );
    add(
        "parcel-nothing",
        "A ZIP file without entries is in the form and holds no vault.",
        &|fault| {
            put_parcel(fault, &[]);
            fault.exit(7);
        },
    );
    add(
        "parcel-of-another-vault",
        "The parcel is of another vault than the one believed.",
        &|fault| {
            let files = half(fault, &known[..2]);
            put_parcel(fault, &files);
            fault.vector.pin = Some(VaultId::of(&key(STRANGER).public()).to_string());
            fault.exit(7);
        },
    );
    add(
        "parcel-beside-a-stick",
        "The parcel brings what the stick lacks.",
        &|fault| {
            let newest = fault.newest();
            let files = half(fault, &["OWNER/", &newest]);
            fault.delete_both(&newest);
            fault
                .tree()
                .insert(PARCEL.into(), Node::File(Zip::of(&files).bytes()));
            fault.vector.media.push(PARCEL.into());
            fault.state(WEB01, 2, "whole 1");
        },
    );
    add(
        "parcel-record-edited",
        "The record in a parcel was changed after it was signed.",
        &|fault| {
            let mut files = half(fault, &known);
            let record = files
                .iter_mut()
                .find(|(path, _)| path.ends_with("RECORD.TXT"))
                .unwrap();
            record.1[80] ^= 1;
            put_parcel(fault, &files);
            fault.state(WEB01, 1, "damaged 0");
            fault.finds(&["damaged-above-whole"]);
            fault.exit(4);
        },
    );
    add(
        "parcel-file-edited",
        "A file in a parcel is not the one that the record lists.",
        &|fault| {
            let mut files = half(fault, &known);
            *files
                .iter_mut()
                .find(|(path, _)| path.ends_with("K0000001.AGE"))
                .unwrap() = (format!("A/{first}/K0000001.AGE"), b"x".to_vec());
            put_parcel(fault, &files);
            fault.state(WEB01, 1, "damaged 1");
            fault.finds(&["file-lost"]);
            fault.exit(4);
        },
    );
    add(
        "parcel-statement-alone",
        "A statement without its signature is left alone.",
        &|fault| {
            let mut files = half(fault, &known[..2]);
            files.push((
                "A/OWNER/SECONDAA.TXT".into(),
                fault.bytes("OWNER/SECONDAA.TXT"),
            ));
            put_parcel(fault, &files);
            fault.finds(&["unexpected-file"]);
        },
    );
    add(
        "parcel-ignored-fields",
        "Versions, time, attributes and the checksum's value are not looked at.",
        &|fault| {
            let mut zip = Zip::of(&half(fault, &known[..2]));
            zip.set(4, &[45, 3]);
            zip.set(10, &[1, 2, 3, 4, 5, 6, 7, 8]);
            zip.directory[0][4..6].copy_from_slice(&[63, 3]);
            zip.directory[0][36..42].copy_from_slice(&[1, 0, 0, 0, 164, 129]);
            only(fault, zip.bytes());
        },
    );
}

/// What is not in the one form is refused before anything in it is used.
fn parcel_forms(add: &mut Add<'_>) {
    type Edit<'a> = (&'a str, &'a str, fn(&mut Zip));
    let edits: &[Edit<'_>] = &[
        ("deflated", "An entry is compressed.", |zip| {
            let bytes = zip.locals[0].split_off(50);
            let length = u16::try_from(bytes.len()).unwrap();
            let packed = [
                &[1][..],
                &length.to_le_bytes(),
                &(!length).to_le_bytes(),
                &bytes,
            ]
            .concat();
            zip.set(8, &[8, 0]);
            zip.set(18, &u32::try_from(packed.len()).unwrap().to_le_bytes());
            zip.locals[0].extend(packed);
        }),
        ("encrypted", "An entry is said to be encrypted.", |zip| {
            zip.set(6, &[1, 0])
        }),
        ("flag-utf8", "An entry's name is said to be UTF-8.", |zip| {
            zip.set(6, &[0, 8])
        }),
        (
            "descriptor",
            "Checksum and sizes follow the bytes of an entry.",
            |zip| {
                let facts = zip.locals[0][14..26].to_vec();
                zip.set(6, &[8, 0]);
                zip.locals[0][14..26].fill(0);
                zip.locals[0].extend([b"PK\x07\x08", &facts[..]].concat());
            },
        ),
        ("size-other", "The two sizes of an entry differ.", |zip| {
            zip.set(22, &[1])
        }),
        ("extra-local", "A local header has an extra field.", |zip| {
            zip.locals[0][28] = 4;
            zip.locals[0].splice(50..50, [1, 0, 0, 0]);
        }),
        (
            "extra-directory",
            "A header of the directory has an extra field.",
            |zip| {
                zip.directory[0][30] = 4;
                zip.directory[0].extend([1, 0, 0, 0]);
            },
        ),
        ("comment-entry", "An entry has a comment.", |zip| {
            zip.directory[0][32] = 1;
            zip.directory[0].push(b'x');
        }),
        ("comment-end", "The file has a comment.", |zip| {
            zip.end[20] = 1;
            zip.end.push(b'x');
        }),
        ("disk-entry", "An entry begins on another disk.", |zip| {
            zip.directory[0][34] = 1
        }),
        (
            "disk-end",
            "The directory is said to be on another disk.",
            |zip| zip.end[4] = 1,
        ),
        ("zip64", "A ZIP64 record stands before the end.", |zip| {
            let record = [b"PK\x06\x06", &[44, 0, 0, 0, 0, 0, 0, 0][..], &[0; 44]].concat();
            zip.before_end = [record, [b"PK\x06\x07", &[0; 16][..]].concat()].concat();
        }),
        ("gap", "Bytes stand between two entries.", |zip| {
            zip.locals[0].push(0)
        }),
        ("hidden", "An entry is not in the directory.", |zip| {
            drop(zip.directory.pop())
        }),
        (
            "directory-only",
            "The directory names an entry that is not there.",
            |zip| {
                let again = zip.directory[1].clone();
                zip.directory.push(again);
            },
        ),
        (
            "directory-order",
            "The directory has another order.",
            |zip| zip.directory.swap(0, 1),
        ),
        (
            "directory-path",
            "The directory gives an entry another name.",
            |zip| zip.directory[0][56] = b'B',
        ),
        (
            "directory-size",
            "The directory gives an entry another size.",
            |zip| {
                zip.directory[0][20] ^= 1;
                zip.directory[0][24] ^= 1;
            },
        ),
        (
            "directory-checksum",
            "The directory gives an entry another checksum.",
            |zip| zip.directory[0][16] ^= 1,
        ),
        ("order", "The entries are not in ascending order.", |zip| {
            zip.locals.swap(0, 1);
            zip.directory.swap(0, 1);
        }),
        ("twice", "A path stands there twice.", |zip| {
            zip.locals[1] = zip.locals[0].clone();
            zip.directory[1] = zip.directory[0].clone();
        }),
    ];
    for (name, about, edit) in edits {
        add(&format!("parcel-{name}"), about, &|fault| {
            let mut zip = Zip::of(&half(fault, &["OWNER/FIRST"]));
            edit(&mut zip);
            only(fault, zip.bytes());
            fault.exit(4);
        });
    }
    parcel_bytes(add);
    parcel_paths(add);
}

/// Faults of the whole file, and sizes that lie.
fn parcel_bytes(add: &mut Add<'_>) {
    type Edit<'a> = (&'a str, &'a str, fn(&mut Vec<u8>));
    let edits: &[Edit<'_>] = &[
        (
            "before",
            "Something stands before the first entry.",
            |bytes| bytes.insert(0, b'x'),
        ),
        ("after", "Something follows the end.", |bytes| bytes.push(0)),
        ("cut", "The last byte is missing.", |bytes| {
            bytes.truncate(bytes.len() - 1)
        }),
        ("empty", "The file is empty.", Vec::clear),
        (
            "offset",
            "The directory says that an entry begins elsewhere.",
            |bytes| {
                let at = bytes
                    .windows(4)
                    .position(|four| four == b"PK\x01\x02")
                    .unwrap();
                bytes[at + 42] = 1;
            },
        ),
        (
            "count",
            "The end counts more entries than there are.",
            |bytes| {
                let end = bytes.len() - 22;
                (bytes[end + 8], bytes[end + 10]) = (3, 3);
            },
        ),
        (
            "directory-place",
            "The end says that the directory begins elsewhere.",
            |bytes| {
                let end = bytes.len() - 22;
                bytes[end + 16] ^= 1;
            },
        ),
        (
            "size-beyond",
            "An entry is said to be larger than the file.",
            |bytes| {
                bytes[18..26].copy_from_slice(&[255, 255, 255, 127, 255, 255, 255, 127]);
            },
        ),
    ];
    for (name, about, edit) in edits {
        add(&format!("parcel-{name}"), about, &|fault| {
            let mut bytes = Zip::of(&half(fault, &["OWNER/FIRST"])).bytes();
            edit(&mut bytes);
            only(fault, bytes);
            fault.exit(4);
        });
    }
    add(
        "parcel-too-large",
        "The file is larger than a parcel may be.",
        &|fault| {
            only(fault, Vec::new());
            fault
                .tree()
                .insert(PARCEL.into(), Node::Sparse(256 * 1024 * 1024 + 1));
            fault.exit(4);
        },
    );
}

/// Paths outside the grammar of a parcel, and generations that are none.
fn parcel_paths(add: &mut Add<'_>) {
    let of = |server: u8, number: &str, name: &str| format!("A/{}/{number}/{name}", id(server));
    let committed = |server: u8, number: &str| {
        ["RECORD.SIG", "RECORD.TXT"].map(|name| of(server, number, name))
    };
    let faults: Vec<(&str, &str, Vec<String>)> = vec![
        (
            "path-parent",
            "A path leads out.",
            vec!["../../etc/passwd".into()],
        ),
        (
            "path-absolute",
            "A path is absolute.",
            vec!["/A/OWNER/IDENTITY.AGE".into()],
        ),
        (
            "path-backslash",
            "A path is written as in Windows.",
            vec!["A\\OWNER\\IDENTITY.AGE".into()],
        ),
        (
            "path-folder",
            "An entry is a folder.",
            vec!["A/OWNER/".into()],
        ),
        (
            "path-lower-case",
            "A path is in lower case.",
            vec!["A/OWNER/identity.age".into()],
        ),
        (
            "path-not-ascii",
            "A letter is a full-width one.",
            vec!["Ａ/OWNER/IDENTITY.AGE".into()],
        ),
        (
            "path-b",
            "A parcel has no second half.",
            vec!["B/OWNER/IDENTITY.AGE".into()],
        ),
        (
            "path-vault",
            "A parcel's paths begin below PFXVAULT.",
            vec!["PFXVAULT/A/OWNER/IDENTITY.AGE".into()],
        ),
        (
            "path-readme",
            "README.TXT is not in a parcel.",
            vec!["README.TXT".into()],
        ),
        (
            "path-identity-001",
            "IDENT001.AGE is no name of the format.",
            vec!["A/OWNER/IDENT001.AGE".into()],
        ),
        ("path-unknown", "A name that no generation has.", {
            [
                &committed(WEB01, "00000001")[..],
                &[of(WEB01, "00000001", "SETUP.EXE")],
            ]
            .concat()
        }),
        (
            "path-inside",
            "A file lies deeper than a generation.",
            vec![of(WEB01, "00000001/x", "RECORD.TXT")],
        ),
        (
            "path-number-zero",
            "00000000 is no number.",
            committed(WEB01, "00000000").into(),
        ),
        (
            "path-copy-001",
            "A parcel has no second folder of a number.",
            committed(WEB01, "00000001.001").into(),
        ),
        (
            "record-missing",
            "A generation has no record.",
            vec![of(WEB01, "00000001", "RECORD.SIG")],
        ),
        (
            "signature-missing",
            "A generation has no signature.",
            vec![of(WEB01, "00000001", "RECORD.TXT")],
        ),
        (
            "two-numbers",
            "Two generations of one server.",
            [committed(WEB01, "00000001"), committed(WEB01, "00000002")].concat(),
        ),
        (
            "two-servers",
            "Generations of two servers.",
            [committed(WEB01, "00000001"), committed(WEB02, "00000001")].concat(),
        ),
    ];
    for (name, about, paths) in faults {
        add(&format!("parcel-{name}"), about, &|fault| {
            let mut files: Vec<_> = paths
                .iter()
                .map(|path| (path.clone(), b"x".to_vec()))
                .collect();
            files.sort();
            put_parcel(fault, &files);
            fault.exit(4);
        });
    }
    add(
        "parcel-signature-empty",
        "The signature of a generation is empty.",
        &|fault| {
            let [signature, record] = committed(WEB01, "00000001");
            put_parcel(fault, &[(signature, Vec::new()), (record, b"x".to_vec())]);
            fault.exit(4);
        },
    );
}
