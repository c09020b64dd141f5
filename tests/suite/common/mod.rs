//! A table to work at: a folder server, sticks, host state and secrets files in one temporary
//! folder, and the program run on them as a user runs it.

pub(crate) mod plugged;
pub(crate) mod schema;
pub(crate) mod tls_server;
pub(crate) mod wine;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{OnceLock, mpsc};
use std::thread;
use std::time::Duration;

use pfx::Profile;
use pfxvault::keypair::KeyPair;
use pfxvault::keypair::throwaway::{Authority, KeyKind};
use pfxvault::keystore::{Destination, NamedKeyPair, Writing};
use secret::Password;

pub(crate) const PASSPHRASE: &str = "ten words that nobody but the owner of this vault knows";
pub(crate) const PFX_PASSWORD: &str = "Pfx-Password-1";

pub(crate) struct Table {
    pub folder: tempfile::TempDir,
}

/// What the program said and how it ended.
pub(crate) struct Said {
    pub code: i32,
    pub out: String,
    pub err: String,
    /// The command line, as far as it is known.
    line: String,
}

impl Said {
    pub(crate) fn json(&self) -> serde_json::Value {
        assert!(self.out.is_ascii(), "JSON is pure ASCII");
        let document =
            serde_json::from_str(&self.out).unwrap_or_else(|e| panic!("{e}: {}", self.out));
        schema::check(&self.line, &document);
        document
    }

    /// The same of this command line, whose schema the document is then held against.
    pub(crate) fn to(self, line: &str) -> Self {
        let line = line.to_owned();
        Self { line, ..self }
    }

    #[track_caller]
    pub(crate) fn ended_with(self, code: i32) -> Self {
        assert_eq!(
            self.code, code,
            "stdout:\n{}\nstderr:\n{}",
            self.out, self.err
        );
        self
    }
}

impl Table {
    /// Secrets files, but nothing else yet.
    pub(crate) fn bare() -> Self {
        let table = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        table.secret_file("passphrase", PASSPHRASE);
        table.secret_file("pfx-password", PFX_PASSWORD);
        table
    }

    /// A server with key pairs of `names`, and a vault on stick A made on it.
    pub(crate) fn with_vault(names: &[&str]) -> Self {
        Self::with_vault_of(0, names)
    }

    /// The same with a vault of another owner.
    pub(crate) fn with_vault_of_another(names: &[&str]) -> Self {
        Self::with_vault_of(1, names)
    }

    /// Each owner's vault is made once and then copied: making one takes half a second, on purpose.
    fn with_vault_of(owner: usize, names: &[&str]) -> Self {
        static MADE: [OnceLock<Table>; 2] = [const { OnceLock::new() }; 2];
        let made = MADE[owner].get_or_init(|| {
            let table = Self::bare();
            table.stick("A");
            let create = "create {A} --passphrase-file {passphrase} --recovery-key-file {recovery}";
            table
                .run(&format!("{create} --accept other-medium=test"))
                .ended_with(0);
            table
        });
        let table = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        let copied = Command::new("cp")
            .arg("-a")
            .arg(made.at("."))
            .arg(table.at("."))
            .status()
            .unwrap();
        assert!(copied.success());
        table.serve("server", names);
        table
    }

    /// As [`Table::with_vault`], with everything backed up once.
    pub(crate) fn backed_up(names: &[&str]) -> Self {
        let table = Self::with_vault(names);
        table.run(BACKUP).ended_with(0);
        table
    }

    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn secret_file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.at(name);
        let mut options = fs::OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        std::io::Write::write_all(
            &mut options.open(&path).unwrap(),
            format!("{text}\n").as_bytes(),
        )
        .unwrap();
        path
    }

    /// A pipe with a name: whoever opens it waits for the other end.
    pub(crate) fn pipe(&self, name: &str) -> PathBuf {
        assert!(
            Command::new("mkfifo")
                .arg(self.at(name))
                .status()
                .unwrap()
                .success()
        );
        self.at(name)
    }

    pub(crate) fn stick(&self, name: &str) -> PathBuf {
        fs::create_dir_all(self.at(name)).unwrap();
        self.at(name)
    }

    /// A folder server: one key pair for each name.
    pub(crate) fn serve(&self, folder: &str, names: &[&str]) {
        let now = jiff::Timestamp::now();
        let authority = Authority::new("Test", now).unwrap();
        let pairs: Vec<_> = names
            .iter()
            .map(|name| authority.issue(&[name], KeyKind::P256, now).unwrap())
            .collect();
        self.write_pairs(PFX_PASSWORD, folder, &pairs);
    }

    /// One key pair more, under a password of its own.
    pub(crate) fn serve_with(&self, password: &str, folder: &str, name: &str) {
        let now = jiff::Timestamp::now();
        let authority = Authority::new("Test", now).unwrap();
        let pair = authority.issue(&[name], KeyKind::P256, now).unwrap();
        self.write_pairs(password, folder, &[pair]);
    }

    pub(crate) fn write_pairs(&self, password: &str, folder: &str, pairs: &[KeyPair]) {
        let placed: Vec<_> = pairs
            .iter()
            .map(|pair| NamedKeyPair {
                pair,
                file_names: &[],
                file_parts: None,
            })
            .collect();
        let password = Password::new(password.into());
        let writing = Writing {
            password: Some(&password),
            profile: Profile::Aes256,
            force: false,
        };
        Destination::Folder(self.at(folder))
            .write(&placed, &writing)
            .unwrap();
    }

    /// Runs the program; `{name}` in the line is a path on this table, and so is the state unless
    /// the line names one.
    pub(crate) fn run(&self, line: &str) -> Said {
        Said::of(&output(self.command(line).stdin(Stdio::null()))).to(line)
    }

    pub(crate) fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pfxvault"));
        command
            .args(self.words(line))
            .env("LC_ALL", "C")
            .env("LANG", "C")
            .env("TZ", "UTC");
        command
    }

    pub(crate) fn words(&self, line: &str) -> Vec<String> {
        let mut words: Vec<String> = line.split(' ').map(|word| self.fill(word)).collect();
        if !line.contains("--state") {
            words.extend(["--state".into(), self.at("state").display().to_string()]);
        }
        words
    }

    fn fill(&self, word: &str) -> String {
        match (word.find('{'), word.find('}')) {
            (Some(open), Some(close)) => {
                format!(
                    "{}{}{}",
                    &word[..open],
                    self.at(&word[open + 1..close]).display(),
                    &word[close + 1..]
                )
            }
            _ => word.to_owned(),
        }
    }

    /// The recovery key that `create` wrote.
    pub(crate) fn recovery_key(&self) -> String {
        let page = fs::read_to_string(self.at("recovery")).unwrap();
        let key = page.lines().find(|line| line.starts_with("AGE-"));
        key.unwrap().to_owned()
    }
}

impl Said {
    pub(crate) fn of(output: &Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout.clone()).unwrap(),
            err: String::from_utf8(output.stderr.clone()).unwrap(),
            line: String::new(),
        }
    }
}

/// What a command says to its end. One that hangs is killed, and so fails its test.
pub(crate) fn output(command: &mut Command) -> Output {
    let running = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let id = running.id().to_string();
    let (ended, end) = mpsc::channel::<()>();
    thread::spawn(move || {
        if end.recv_timeout(HANGS) == Err(mpsc::RecvTimeoutError::Timeout) {
            _ = Command::new("kill").args(["-9", &id]).status();
        }
    });
    let output = running.wait_with_output().unwrap();
    drop(ended);
    output
}

/// The files below a folder that end so, in the order of their names.
pub(crate) fn files_below(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_below(&path, ending));
        } else if path.extension().is_some_and(|end| end == ending) {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Whether a text holds the English message of this id: its words, with any values between them.
pub(crate) fn says(text: &str, id: &str) -> bool {
    let texts = include_str!("../../../src/console/texts/en.ftl");
    let begin = texts
        .find(&format!("\n{id} ="))
        .unwrap_or_else(|| panic!("no message is called {id}"));
    let (first, rest) = texts[begin + 1..].split_once('\n').unwrap();
    let first = first.split_once('=').unwrap().1;
    let more = rest
        .lines()
        .take_while(|line| line.starts_with(' ') && !line.trim().starts_with('.'));
    let message: Vec<_> = std::iter::once(first).chain(more).collect();
    let (mut depth, mut words) = (0, vec![String::new()]);
    for letter in message.join(" ").chars() {
        match letter {
            '{' => {
                depth += 1;
                words.push(String::new());
            }
            '}' => depth -= 1,
            _ if depth == 0 => words.last_mut().unwrap().push(letter),
            _ => {}
        }
    }
    let one_line = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let (text, mut at) = (one_line(text), 0);
    words.iter().all(|words| {
        let words = one_line(words);
        let found = text[at..].find(&words);
        at += found.unwrap_or_default() + words.len();
        found.is_some()
    })
}

/// Far longer than anything takes, on any machine.
const HANGS: Duration = Duration::from_secs(1200);

pub(crate) const BACKUP: &str = "backup --from folder:{server} --source-password-file {pfx-password} --to {A} --accept other-medium=test";
pub(crate) const RESTORE: &str = "restore --from {A} --recovery-key-file {recovery} --to folder:{restored} --pfx-password-file {pfx-password} --yes";

/// Every file below a folder with its bytes.
pub(crate) fn tree(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            match entry.path() {
                path if path.is_dir() => open.push(path),
                path => _ = found.insert(path.clone(), fs::read(path).unwrap()),
            }
        }
    }
    found
}

/// The generation folders of a stick's half, oldest first.
pub(crate) fn generations(stick: &Path, half: &str) -> Vec<PathBuf> {
    let servers = fs::read_dir(stick.join("PFXVAULT").join(half))
        .unwrap()
        .flatten()
        .map(|entry| entry.path());
    let mut folders: Vec<_> = servers
        .filter(|path| !path.ends_with("OWNER"))
        .flat_map(|path| {
            fs::read_dir(path)
                .unwrap()
                .flatten()
                .map(|entry| entry.path())
                .collect::<Vec<_>>()
        })
        .collect();
    folders.sort();
    folders
}

/// What `list` says of a folder server, as certificate, key and chain hashes.
pub(crate) fn held(table: &Table, folder: &str) -> Vec<[String; 3]> {
    let line =
        format!("list --json --from folder:{{{folder}}} --source-password-file {{pfx-password}}");
    let document = table.run(&line).ended_with(0).json();
    let pair = |pair: &serde_json::Value| {
        [
            pair["certificate_sha256"].to_string(),
            pair["spki_sha256"].to_string(),
            pair["chain"].to_string(),
        ]
    };
    document["key_pairs"]
        .as_array()
        .unwrap()
        .iter()
        .map(pair)
        .collect()
}
