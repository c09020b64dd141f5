//! Recovery by hand: the lines that README.TXT on the medium gives for Linux, typed one after the
//! other into a shell with nothing but ssh-keygen, sha256sum, age and openssl; and each forgery,
//! stopped at the step README.TXT names.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use rexpect::session::{PtyReplSession, spawn_bash};
use secret::{Passphrase, Password};
use vault::catalog::{AboutKeyPair, Catalog, CatalogEntry, Policy};
use vault::generation::{Draft, LinePosition, Package};
use vault::id::{Hash, Number, ServerId, VaultId};
use vault::identity::{Owner, RecoveryKey};
use vault::medium::{Medium, MediumError};
use vault::readme::{Label, ReadmeWish, readme};
use vault::seal::Recipients;
use vault::sign::SigningKey;
use vault::trust::{Clause, Closing, Statement};

use crate::folder::Folder;

const PASSPHRASE: &str = "ten generated words of a vault that exists in a test";
const PFX_PASSWORD: &str = "pfx-Password 1";
const FOLDER: &str = "00000042";

#[test]
fn everything_comes_back_by_hand_with_the_passphrase() {
    let vault = Vault::new();
    recover_everything(&vault, &Secret::Passphrase);
}

#[test]
fn everything_comes_back_by_hand_with_the_recovery_key() {
    let vault = Vault::new();
    let key = vault.recovery.text().to_string();
    recover_everything(&vault, &Secret::RecoveryKey(key));
}

#[test]
fn names_that_look_like_options_or_hold_blanks_change_nothing() {
    let vault = Vault::new();
    for half in ["A", "B"] {
        let half = vault.path().join("PFXVAULT").join(half);
        for name in [
            "-v.TXT",
            "--help.TXT",
            "a b.TXT",
            "$(date).TXT",
            "age",
            "sed",
        ] {
            fs::write(half.join("OWNER").join(name), b"planted\n").unwrap();
        }
        for name in ["-rf.AGE", "a b.AGE", "--status.AGE", "age", "sha256sum"] {
            fs::write(
                half.join(vault.server.to_string()).join(FOLDER).join(name),
                b"planted\n",
            )
            .unwrap();
        }
    }
    recover_everything(&vault, &Secret::Passphrase);
}

#[test]
fn a_generation_injected_by_a_stranger_stops_at_step_4() {
    let vault = Vault::new();
    let stranger = SigningKey::generate().unwrap();
    vault.write(43, vault.package(43, &stranger, vault.server, "evil"));
    let mut hand = Hand::at(&vault, &Secret::Passphrase);
    hand.steps(1..=3);
    let shown = hand.step(4).remove(1).output;
    assert!(
        shown.contains(&format!("A/{}/00000042/RECORD.TXT", vault.server)),
        "{shown}"
    );
    assert!(
        !shown.contains("00000043/RECORD.TXT") && shown.contains("Could not verify signature"),
        "{shown}"
    );
}

#[test]
fn a_planted_highest_number_stops_at_step_4() {
    let vault = Vault::new();
    let stranger = SigningKey::generate().unwrap();
    vault.write(
        99_999_999,
        vault.package(99_999_999, &stranger, vault.server, "evil"),
    );
    let mut hand = Hand::at(&vault, &Secret::Passphrase);
    hand.steps(1..=3);
    let shown = hand.step(4).remove(1).output;
    assert!(
        !shown.contains("99999999/RECORD.TXT") && shown.contains("Could not verify signature"),
        "{shown}"
    );
}

#[test]
fn a_record_whose_signature_was_changed_in_both_copies_stops_at_step_4() {
    let vault = Vault::new();
    for half in ["A", "B"] {
        let path = vault.path().join(format!(
            "PFXVAULT/{half}/{}/{FOLDER}/RECORD.SIG",
            vault.server
        ));
        let text = fs::read_to_string(&path).unwrap();
        let (head, tail) = text.split_at(text.len() / 2);
        let flipped = if tail.starts_with('A') { "B" } else { "A" };
        fs::write(path, format!("{head}{flipped}{}", &tail[1..])).unwrap();
    }
    let mut hand = Hand::at(&vault, &Secret::Passphrase);
    hand.steps(1..=3);
    let shown = hand.step(4).remove(1).output;
    assert!(
        !shown.contains("/RECORD.TXT"),
        "nothing verifies, so nothing is offered: {shown}"
    );
}

#[test]
fn a_way_in_that_asks_for_unreasonable_work_stops_at_step_1() {
    let vault = Vault::new();
    for half in ["A", "B"] {
        let path = vault
            .path()
            .join(format!("PFXVAULT/{half}/OWNER/IDENTITY.AGE"));
        let mut bytes = fs::read(&path).unwrap();
        let at = bytes
            .windows(4)
            .position(|window| window == b" 18\n")
            .unwrap();
        bytes[at + 1..at + 3].copy_from_slice(b"30");
        fs::write(path, bytes).unwrap();
    }
    let mut hand = Hand::at(&vault, &Secret::Passphrase);
    let said = hand.step(1).pop().unwrap();
    assert!(!said.ok, "age refuses the work itself: {}", said.output);
}

#[test]
fn swapped_files_stop_at_step_5() {
    let vault = Vault::new();
    let folder = vault.folder();
    fs::rename(folder.join("K0000001.AGE"), folder.join("aside")).unwrap();
    fs::rename(folder.join("K0000002.AGE"), folder.join("K0000001.AGE")).unwrap();
    fs::rename(folder.join("aside"), folder.join("K0000002.AGE")).unwrap();
    let mut hand = Hand::at(&vault, &Secret::Passphrase);
    hand.steps(1..=4);
    let said = hand.step(5).remove(0);
    assert!(
        !said.ok && said.output.contains("K0000001.AGE: FAILED"),
        "{}",
        said.output
    );
}

#[test]
fn files_of_another_server_signed_again_stop_at_step_6() {
    let mut vault = Vault::new();
    let other = SigningKey::generate().unwrap();
    let id = ServerId::of(&other.public());
    vault.say(&[Clause::server(other.public())]);
    // Everything of the first server, under a record of the second: signature and hashes are right.
    vault.write(42, vault.package(42, &other, id, "stolen"));
    let honest = vault.server;
    vault.server = id;
    let mut hand = Hand::at(&vault, &Secret::Passphrase);
    hand.steps(1..=5);
    let catalog = hand.step(6).remove(1).output;
    assert!(
        catalog.contains(&format!("\"server\":\"{honest}\"")),
        "the catalog names who really wrote it: {catalog}"
    );
    assert!(
        !catalog.contains(&id.to_string()),
        "and not the folder's server"
    );
}

#[test]
fn statements_of_another_owner_stop_at_step_3() {
    let vault = Vault::new();
    let stranger = Owner::generate().unwrap();
    vault.forge_statements(&stranger);
    let mut hand = Hand::at(&vault, &Secret::Passphrase);
    hand.steps(1..=2);
    let said = hand.step(3);
    assert!(
        said.iter().all(|said| !said.output.contains("Good")),
        "nothing the stranger signed is kept"
    );
    assert!(
        !said[2].ok,
        "so there is no server to believe: {}",
        said[2].output
    );
}

#[test]
fn an_identity_of_another_owner_stops_at_step_1() {
    let vault = Vault::new();
    let stranger = Owner::generate().unwrap();
    let wrapped = stranger
        .wrap_with_passphrase(&Passphrase::new("the stranger's own".into()))
        .unwrap();
    for half in ["A", "B"] {
        fs::write(
            vault
                .path()
                .join(format!("PFXVAULT/{half}/OWNER/IDENTITY.AGE")),
            &wrapped,
        )
        .unwrap();
    }
    vault.forge_statements(&stranger);
    let mut hand = Hand::at(&vault, &Secret::Passphrase);
    let said = hand.step(1).pop().unwrap();
    assert!(
        !said.ok && said.output.contains("incorrect passphrase"),
        "{}",
        said.output
    );
}

#[test]
fn a_closed_server_is_named_at_step_3() {
    let mut vault = Vault::new();
    vault.say(&[Clause::Close(vault.server, Closing::Whole)]);
    let mut hand = Hand::at(&vault, &Secret::Passphrase);
    hand.steps(1..=2);
    let said = hand.step(3).pop().unwrap();
    assert!(
        said.output
            .contains(&format!("close {} none", vault.server)),
        "{}",
        said.output
    );
}

fn recover_everything(vault: &Vault, secret: &Secret) {
    let mut hand = Hand::at(vault, secret);
    for step in 1..=7 {
        for said in hand.step(step) {
            // Nothing is closed here, which grep calls a failure, and a loop ends as the last file
            // of the medium does.
            assert!(
                said.ok || said.line.starts_with("grep") || said.line.starts_with("for "),
                "{}: {}",
                said.line,
                said.output
            );
        }
    }
    let folder = hand.type_line("echo \"$W\"").output.trim().to_owned();
    let pem = fs::read_to_string(Path::new(&folder).join("K0000001.pem")).unwrap();
    assert!(
        pem.contains(certificate_body(&vault.pem)),
        "the certificate that was stored"
    );
    assert!(pem.contains("PRIVATE KEY-----"), "and its key");
    assert!(hand.step(8).iter().all(|said| said.ok));
    assert!(!Path::new(&folder).exists(), "nothing is left behind");
}

fn certificate_body(pem: &str) -> &str {
    let begin = "-----BEGIN CERTIFICATE-----\n";
    let start = pem.find(begin).unwrap() + begin.len();
    &pem[start..start + pem[start..].find("-----END").unwrap()]
}

/// What opens the vault.
enum Secret {
    Passphrase,
    RecoveryKey(String),
}

/// A line that was typed and what came of it.
struct Said {
    line: String,
    output: String,
    ok: bool,
}

/// A person at a shell, with README.TXT beside them.
struct Hand {
    shell: PtyReplSession,
    secret: Option<String>,
    medium: PathBuf,
    server: ServerId,
}

impl Hand {
    fn at(vault: &Vault, secret: &Secret) -> Self {
        let secret = match secret {
            Secret::Passphrase => None,
            Secret::RecoveryKey(key) => Some(key.clone()),
        };
        let shell = spawn_bash(Some(30_000)).unwrap();
        Self {
            shell,
            secret,
            medium: vault.path().to_owned(),
            server: vault.server,
        }
    }

    fn steps(&mut self, steps: std::ops::RangeInclusive<usize>) {
        steps.for_each(|step| drop(self.step(step)));
    }

    /// Types all lines of a step that fit the secret at hand.
    fn step(&mut self, step: usize) -> Vec<Said> {
        let lines: Vec<String> = lines_of_step(step)
            .into_iter()
            .filter(|line| self.fits(line))
            .collect();
        assert!(!lines.is_empty(), "README.TXT has lines for step {step}");
        lines
            .into_iter()
            .map(|line| self.type_line(&line))
            .collect()
    }

    fn fits(&self, line: &str) -> bool {
        match self.secret {
            None => !line.contains("recovery.txt"),
            Some(_) => !line.contains("IDENTITY.AGE"),
        }
    }

    fn type_line(&mut self, line: &str) -> Said {
        let server = self.server.to_string();
        let line = line
            .replace("/media/STICK", self.medium.to_str().unwrap())
            .replace("ABCD2345", &server);
        self.shell.send_line(&line).unwrap();
        match &self.secret {
            None if line.contains("IDENTITY.AGE") => self.answer("passphrase", PASSPHRASE),
            Some(key) if line.starts_with("read ") => {
                _ = self.shell.send_line(&key.clone()).unwrap();
            }
            _ if line.starts_with("openssl pkcs12") => self.answer("Import Password", PFX_PASSWORD),
            _ => {}
        }
        let output = self.shell.wait_for_prompt().unwrap();
        self.shell.send_line("echo $?").unwrap();
        let ok = self.shell.wait_for_prompt().unwrap().trim() == "0";
        Said { line, output, ok }
    }

    fn answer(&mut self, question: &str, answer: &str) {
        self.shell.exp_string(question).unwrap();
        self.shell.send_line(answer).unwrap();
    }
}

impl Drop for Hand {
    /// A step that stops leaves the later ones out, and with them the removal of what was opened.
    fn drop(&mut self) {
        let _ = self.shell.send_line("cd /; rm -rf \"$W\"; exec sleep 0");
    }
}

/// The lines of one step of the English Linux part, without their mark.
fn lines_of_step(step: usize) -> Vec<String> {
    let text = String::from_utf8(readme()).unwrap().replace("\r\n", "\n");
    let linux = &text[text.find("\nOn Linux").unwrap()..text.find("\n-----").unwrap()];
    let start = linux.find(&format!("\n  {step}.\n")).unwrap() + 1;
    let end = linux
        .find(&format!("\n  {}.\n", step + 1))
        .unwrap_or(linux.len());
    linux[start..end]
        .lines()
        .filter_map(|line| line.strip_prefix("$ "))
        .map(str::to_owned)
        .collect()
}

/// A medium with generation 42 of one server, and all that its owner knows.
struct Vault {
    folder: tempfile::TempDir,
    owner: Owner,
    recovery: RecoveryKey,
    key: SigningKey,
    server: ServerId,
    trust: Vec<Hash>,
    pem: String,
}

impl Vault {
    fn new() -> Self {
        let folder = tempfile::Builder::new()
            .prefix("USB STICK ")
            .tempdir()
            .unwrap();
        let key = SigningKey::generate().unwrap();
        let (owner, recovery) = (Owner::generate().unwrap(), RecoveryKey::generate());
        let server = ServerId::of(&key.public());
        let pem = make_pfx(folder.path());
        let mut vault = Self {
            folder,
            owner,
            recovery,
            key,
            server,
            trust: Vec::new(),
            pem,
        };
        let identities = [
            vault
                .owner
                .wrap_with_passphrase(&Passphrase::new(PASSPHRASE.into()))
                .unwrap(),
            vault.owner.wrap_for(&vault.recovery).unwrap(),
        ];
        let identities: Vec<&[u8]> = identities.iter().map(Vec::as_slice).collect();
        vault.medium().add_owner_files(&[], &identities).unwrap();
        let words = identities
            .iter()
            .map(|file| Clause::Identity(Hash::of(file)));
        let more = [
            Clause::Recipient(vault.owner.recipient()),
            Clause::server(vault.key.public()),
        ];
        vault.say(&words.chain(more).collect::<Vec<_>>());
        vault
            .medium()
            .prepare(&Label::new("A").unwrap(), &ReadmeWish::default())
            .unwrap();
        vault.write(42, vault.package(42, &vault.key, vault.server, "good"));
        vault
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn medium(&self) -> Medium {
        Medium::new("test", Box::new(Folder(self.path().to_owned())))
    }

    /// The generation's folder in A.
    fn folder(&self) -> PathBuf {
        self.path()
            .join(format!("PFXVAULT/A/{}/{FOLDER}", self.server))
    }

    fn say(&mut self, words: &[Clause]) {
        let statement = Statement::sign(&self.owner.key, words).unwrap();
        self.medium().add_owner_files(&[&statement], &[]).unwrap();
        self.trust.push(statement.hash());
        self.trust.sort();
    }

    /// Replaces the owner's statements by those of a stranger who admits the same server.
    fn forge_statements(&self, stranger: &Owner) {
        for half in ["A", "B"] {
            let owner = self.path().join(format!("PFXVAULT/{half}/OWNER"));
            for entry in fs::read_dir(owner)
                .unwrap()
                .map(|entry| entry.unwrap().path())
            {
                if entry
                    .extension()
                    .is_some_and(|end| end == "TXT" || end == "SIG")
                {
                    fs::remove_file(entry).unwrap();
                }
            }
        }
        let words = [
            Clause::Recipient(stranger.recipient()),
            Clause::server(self.key.public()),
        ];
        let statement = Statement::sign(&stranger.key, &words).unwrap();
        self.medium().add_owner_files(&[&statement], &[]).unwrap();
    }

    fn write(&self, number: u32, package: Package) {
        assert_eq!(package.record.number.get(), number);
        for half in 0..2 {
            package
                .write(&self.medium(), half, || Ok::<(), MediumError>(()))
                .unwrap();
        }
    }

    /// A generation under `server`, signed by `key`, whose catalog names the vault's first server.
    fn package(&self, number: u32, key: &SigningKey, server: ServerId, name: &str) -> Package {
        let number = Number::new(number).unwrap();
        let recipient = self.owner.recipient();
        let recipients = Recipients::parse(std::iter::once(recipient.as_str())).unwrap();
        let mut draft = Draft::new(LinePosition {
            vault: VaultId::of(&self.owner.key.public()),
            server,
            number,
            prev: None,
            time: "2026-11-24T02:20:00Z".parse().unwrap(),
            due: "2027-05-24".parse().unwrap(),
            trust: self.trust.clone(),
        });
        let pfx = fs::read(self.path().join("site.pfx")).unwrap();
        let key_pairs = (0..2)
            .map(|_| entry(draft.add(recipients.seal(&pfx).unwrap())))
            .collect();
        let catalog = Catalog {
            format: 1,
            selected: Vec::new(),
            vault: self.owner.vault(),
            server: self.server,
            number,
            server_name: name.to_owned(),
            name_salt: None,
            key_pairs,
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
        draft
            .sign(recipients.seal(catalog.to_json().expose()).unwrap(), key)
            .unwrap()
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
        not_after: "2027-11-24T00:00:00Z".parse().unwrap(),
        key_type: "ECDSA P-256".into(),
        chain_length: 1,
        file_names: Vec::new(),
        file_parts: std::collections::BTreeMap::new(),
        file_certificates: std::collections::BTreeMap::new(),
        windows: None,
    };
    CatalogEntry {
        file,
        pfx_password: Password::new(PFX_PASSWORD.into()),
        about,
    }
}

/// Makes `site.pfx` in a folder with the openssl command; returns its certificate and key as PEM.
fn make_pfx(folder: &Path) -> String {
    let run = |args: &[&str]| {
        assert!(
            Command::new("openssl")
                .args(args)
                .current_dir(folder)
                .output()
                .unwrap()
                .status
                .success()
        )
    };
    run(&[
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-subj",
        "/CN=www.example.com",
        "-keyout",
        "key.pem",
        "-out",
        "cert.pem",
    ]);
    let password = format!("pass:{PFX_PASSWORD}");
    run(&[
        "pkcs12", "-export", "-inkey", "key.pem", "-in", "cert.pem", "-passout", &password, "-out",
        "site.pfx",
    ]);
    fs::read_to_string(folder.join("cert.pem")).unwrap()
}
