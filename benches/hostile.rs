//! How long a medium keeps a reader busy on which a stranger planted as much as fits: 300 000 empty
//! folders in the form of generations, and 2 000 folders of sparse files under one number.
//! `cargo bench --bench hostile` (takes GNU time, and a file system with room for 300 000 folders in
//! the folder for temporary files)
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::print_stdout,
    missing_docs,
    reason = "a measurement"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const MIB: u64 = 1024 * 1024;

fn main() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let script = "umask 077; echo ten words that nobody but the owner of this vault knows > passphrase; echo Pfx-1 > password
        openssl req -x509 -newkey rsa:2048 -nodes -keyout key -out crt -days 90 -subj /CN=www.example.com 2>/dev/null
        mkdir server A && openssl pkcs12 -export -inkey key -in crt -out server/www.pfx -passout pass:Pfx-1";
    let mut shell = Command::new("sh");
    let made = shell.args(["-c", script]).current_dir(&folder).status();
    assert!(made.unwrap().success());
    let accept = ["--accept", "other-medium=measurement"];
    let run = |line: &str, more: &[&str]| {
        let mut program = Command::new(env!("CARGO_BIN_EXE_pfxvault"));
        let program = program
            .args(line.split(' '))
            .args(more)
            .current_dir(&folder);
        assert!(
            program.stdout(Stdio::null()).status().unwrap().success(),
            "{line}"
        );
    };
    run(
        "create A --state state --passphrase-file passphrase --recovery-key-file recovery",
        &accept,
    );
    run(
        "backup --from folder:server --source-password-file password --to A --state state --yes",
        &accept,
    );
    let half = at("A/PFXVAULT/A");
    let own = own_folder(&half);
    copy(&at("A"), &at("sparse"));
    for letter in "ABCDEFGHIJKL".chars() {
        let server = half.join(letter.to_string().repeat(8));
        fs::create_dir(&server).unwrap();
        for number in 1..=25_000 {
            fs::create_dir(server.join(format!("{number:08}"))).unwrap();
        }
    }
    measure("300 000 empty folders of strangers", &folder, "A");
    for half in ["A", "B"] {
        let server = at("sparse/PFXVAULT")
            .join(half)
            .join(own.file_name().unwrap());
        for copy in 1..=999 {
            let planted = server.join(format!("00000001.{copy:03}"));
            fs::create_dir(&planted).unwrap();
            for (name, size) in [("CATALOG.AGE", 32), ("K0000001.AGE", 16)] {
                let file = fs::File::create(planted.join(name)).unwrap();
                file.set_len(size * MIB).unwrap();
            }
        }
    }
    measure("1 998 folders of sparse files", &folder, "sparse");
}

fn own_folder(half: &Path) -> PathBuf {
    let entries = fs::read_dir(half).unwrap().flatten();
    let mut folders = entries.map(|entry| entry.path());
    folders.find(|path| !path.ends_with("OWNER")).unwrap()
}

fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-a").arg(from).arg(to).status();
    assert!(copied.unwrap().success());
}

fn measure(what: &str, folder: &tempfile::TempDir, medium: &str) {
    let mut time = Command::new("time");
    time.args(["-f", "%e s, %M kB"])
        .arg(env!("CARGO_BIN_EXE_pfxvault"));
    time.args(["verify", medium, "--state", "none"])
        .current_dir(folder);
    let output = time.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    println!(
        "verify, {what}: {}",
        said.lines().last().unwrap_or_default()
    );
}
