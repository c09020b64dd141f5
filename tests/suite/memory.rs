//! What stands in memory: looked for with a debugger, in a dump of the running program. At a question
//! nothing that is not needed any more, after a command nothing at all.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::common::{BACKUP, PASSPHRASE, PFX_PASSWORD, RESTORE, Table};
use data_encoding::BASE64;
use pfxvault::state::State;
use vault::identity::{Owner, Secret};

/// A secret by its name.
type Needle = (&'static str, Vec<u8>);

/// A server with one RSA key pair, backed up.
fn table() -> Table {
    let table = Table::with_vault(&[]);
    let script = format!(
        "openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out crt.pem -days 90 -subj /CN=www.example.com \
         -addext subjectAltName=DNS:www.example.com && mkdir -p server && openssl pkcs12 -export -inkey key.pem \
         -in crt.pem -out server/www.example.com.pfx -passout pass:{PFX_PASSWORD}"
    );
    sh(&table, &script);
    table.run(BACKUP).ended_with(0);
    table
}

fn sh(table: &Table, script: &str) -> String {
    let mut shell = Command::new("sh");
    let shell = shell.args(["-c", script]).current_dir(table.at("."));
    let output = shell.stderr(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{script}");
    String::from_utf8(output.stdout).unwrap()
}

/// The primes of the key pair, from OpenSSL, as they are written and as numbers lie in memory.
fn primes(table: &Table) -> Vec<Needle> {
    let text = sh(table, "openssl rsa -in key.pem -noout -text");
    let mut primes = Vec::new();
    for name in ["prime1", "prime2"] {
        let digits = text.split(&format!("{name}:\n")).nth(1).unwrap();
        let digits = digits.lines().take_while(|line| line.starts_with(' '));
        let digits: String = digits.collect::<String>().replace([' ', ':'], "");
        let bytes = data_encoding::HEXLOWER.decode(digits.as_bytes()).unwrap();
        let significant = &bytes[bytes.len() - 128..];
        primes.push(("a prime", significant[..64].to_vec()));
        let reversed: Vec<u8> = significant.iter().rev().copied().collect();
        primes.push(("a prime, as a number", reversed[..64].to_vec()));
    }
    primes
}

fn secrets(table: &Table) -> Vec<Needle> {
    let file = fs::read(table.at("A/PFXVAULT/A/OWNER/IDENTITY.AGE")).unwrap();
    let secret = Secret::Passphrase(secret::Passphrase::new(PASSPHRASE.into()));
    let owner = Owner::unwrap(&file, &secret).unwrap();
    let state = State::look(&table.at("state")).unwrap().unwrap();
    let seeds = [
        ("the owner's seed", owner.key.seed()),
        ("the server's seed", state.key().seed()),
    ];
    let mut secrets = primes(table);
    for (name, seed) in seeds {
        secrets.push((name, seed.to_vec()));
        secrets.push((name, BASE64.encode(&*seed).into_bytes()));
    }
    secrets.push(("the recovery key", table.recovery_key().into_bytes()));
    secrets.push(("the passphrase", PASSPHRASE.into()));
    secrets.push(("the password of the PFX", PFX_PASSWORD.into()));
    secrets
}

fn found(dump: &Path, secrets: &[Needle]) -> Vec<&'static str> {
    let size = fs::metadata(dump).unwrap().len();
    assert!(size > 1_000_000, "the dump holds the process");
    let script = "import sys; dump = open(sys.argv[1], 'rb').read(); \
                  print(*(int(bytes.fromhex(part) in dump) for part in sys.argv[2:]))";
    let mut python = Command::new("python3");
    python.args(["-c", script]).arg(dump);
    let parts = secrets
        .iter()
        .map(|needle| data_encoding::HEXLOWER.encode(&needle.1));
    let said = String::from_utf8(python.args(parts).output().unwrap().stdout).unwrap();
    let is_in: Vec<bool> = said.split_whitespace().map(|word| word == "1").collect();
    assert_eq!(is_in.len(), secrets.len());
    let found = secrets.iter().zip(is_in).filter(|(_, is_in)| *is_in);
    found.map(|(needle, _)| needle.0).collect()
}

#[test]
#[ignore = "takes root, and a debugger"]
fn nothing_secret_is_left_in_memory_when_a_command_ends() {
    let table = table();
    let secrets = secrets(&table);
    let passphrase = "--passphrase-file {passphrase}";
    let restore = RESTORE.replace("--recovery-key-file {recovery}", passphrase);
    for line in [
        restore.as_str(),
        RESTORE,
        &format!("drill --from {{A}} {passphrase}"),
        &format!("contents --from {{A}} {passphrase}"),
        &format!("{BACKUP} --force"),
        &format!("{BACKUP} --force --for server2012"),
        &format!(
            "servers join {{A}} --state {{two}} --server-name TWO {passphrase} --accept other-medium=test"
        ),
    ] {
        _ = fs::remove_dir_all(table.at("restored"));
        let dump = table.at("core.exit");
        let program = table.command(line);
        let mut debugger = Command::new("gdb");
        debugger.args([
            "-q",
            "-batch",
            "-ex",
            "set pagination off",
            "-ex",
            "set confirm off",
        ]);
        debugger.args(["-ex", "catch syscall exit_group", "-ex", "run", "-ex"]);
        debugger
            .arg(format!("gcore {}", dump.display()))
            .args(["-ex", "kill", "--args"]);
        debugger.arg(program.get_program()).args(program.get_args());
        let ended = debugger.stdin(Stdio::null()).output().unwrap();
        assert!(
            dump.exists(),
            "{line}: {}",
            String::from_utf8_lossy(&ended.stderr)
        );
        assert_eq!(found(&dump, &secrets), [""; 0], "{line}");
        fs::remove_file(dump).unwrap();
    }
}

#[test]
#[ignore = "takes root, and a debugger"]
fn the_passphrase_is_gone_from_memory_once_it_has_opened_the_vault() {
    let table = table();
    let secrets = secrets(&table);
    let line = RESTORE
        .replace("--recovery-key-file {recovery}", "")
        .replace(" --yes", "");
    let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
    let program = table.command(&line);
    let mut shell = Command::new("sh");
    shell.args(["-c", "echo $$ > \"$PLACE\"; exec \"$0\" \"$@\""]);
    shell.arg(program.get_program()).args(program.get_args());
    shell
        .env("TERM", "dumb")
        .env("LC_ALL", "C")
        .env("PLACE", table.at("process"));
    let mut session = rexpect::session::spawn_command(shell, Some(300_000)).unwrap();
    session.exp_string("Passphrase of the vault:").unwrap();
    session.send_line(PASSPHRASE).unwrap();
    session.exp_string("Write these files?").unwrap();
    let process = fs::read_to_string(table.at("process")).unwrap();
    let process = process.trim();
    let dump = table.at("core");
    let mut gcore = Command::new("gcore");
    let gcore = gcore.arg("-o").arg(&dump).arg(process);
    assert!(
        gcore
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .unwrap()
            .success()
    );
    let there = found(&table.at(&format!("core.{process}")), &secrets);
    assert!(!there.contains(&"the passphrase"), "{there:?}");
    // What is about to be written is there, and so would the rest be found.
    let prime = there.iter().any(|name| name.starts_with("a prime"));
    assert!(prime, "{there:?}");
    assert!(
        !there.iter().any(|name| name.contains("server's seed")),
        "{there:?}"
    );
    session.send_line("n").unwrap();
    session.exp_eof().unwrap();
}
