//! One vault, two systems: what pfxvault.exe writes under Wine, the Linux program verifies and
//! restores, and the other way round. tests/windows/run gives the Windows program in
//! `PFXVAULT_EXE`.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::common::wine::{Windows, given};
use crate::common::{BACKUP, RESTORE, Table};
use vault::readme::readme;

const NAMES: &[&str] = &["www.example.com", "mail.example.com"];

#[test]
#[ignore = "needs the Windows program: tests/windows/run asks for it"]
fn a_vault_made_on_windows_is_verified_and_restored_on_linux() {
    let table = Table::bare();
    table.serve("server", NAMES);
    let windows = Windows::beside(&table, "wine");
    windows
        .run("create R --passphrase-file {passphrase} --recovery-key-file {recovery}")
        .ended_with(0);
    let backup = "backup --from folder:{server} --source-password-file {pfx-password} --to R:";
    windows.run(backup).ended_with(0);
    windows.run(r"verify R:\").ended_with(0);
    table.run("verify {A}").ended_with(0);
    // Wine does not give the recovery key's file a mode that Linux calls private.
    let with_passphrase = RESTORE.replace(
        "--recovery-key-file {recovery}",
        "--passphrase-file {passphrase}",
    );
    table.run(&with_passphrase).ended_with(0);
    assert_eq!(
        table.at("restored").read_dir().unwrap().count(),
        NAMES.len()
    );
}

#[test]
#[ignore = "needs the Windows program: tests/windows/run asks for it"]
fn a_vault_made_on_linux_is_verified_and_restored_on_windows() {
    let table = Table::with_vault(NAMES);
    table.run(BACKUP).ended_with(0);
    let windows = Windows::beside(&table, "wine");
    windows.run("verify R:").ended_with(0);
    windows.run(&RESTORE.replace("{A}", "R:")).ended_with(0);
    assert_eq!(
        table.at("restored").read_dir().unwrap().count(),
        NAMES.len()
    );
}

#[test]
#[ignore = "needs the Windows program: tests/windows/run asks for it"]
fn a_fixed_disk_that_windows_runs_from_is_no_medium() {
    let table = Table::bare();
    let windows = Windows::beside(&table, "wine");
    let refused =
        windows.run(r"create C:\ --passphrase-file {passphrase} --recovery-key-file {recovery}");
    refused.ended_with(5);
    assert!(!windows.prefix().join("drive_c/PFXVAULT").exists());
}

/// Names of tools that README.TXT has people run, as a stranger would plant them.
const PLANTED: [&str; 10] = [
    "age.bat",
    "age.exe",
    "age.com",
    "ssh-keygen.com",
    "ssh-keygen.bat",
    "certutil.cmd",
    "findstr.bat",
    "notepad.exe",
    "openssl.cmd",
    "mkdir.exe",
];

/// The tool in `PFXVAULT_TOOLS` writes down that it was run, and where from; `age` hands out what
/// was opened before.
#[test]
#[ignore = "needs the Windows program: tests/windows/run asks for it"]
fn the_lines_for_windows_recover_a_key_pair_and_run_nothing_that_a_stranger_planted() {
    let table = Table::with_vault(NAMES);
    table.run(BACKUP).ended_with(0);
    let tool = given("PFXVAULT_TOOLS");
    let windows = Windows::beside(&table, "wine");
    let tool = Path::new(&tool);
    fs::create_dir(table.at("tools")).unwrap();
    for name in [
        "age",
        "ssh-keygen",
        "findstr",
        "certutil",
        "notepad",
        "openssl",
    ] {
        fs::copy(tool, table.at("tools").join(format!("{name}.exe"))).unwrap();
    }
    symlink(table.at("tools"), windows.prefix().join("dosdevices/t:")).unwrap();
    let server = table.run("servers list {A} --json").json()["servers"][0]["server"]
        .as_str()
        .unwrap()
        .to_owned();
    open_beforehand(&table, &server);
    let mut folders = vec![table.at("A"), windows.prefix().join("drive_c")];
    folders.extend(["", "A", "B", "A/OWNER"].map(|folder| table.at("A/PFXVAULT").join(folder)));
    folders
        .extend(["", "00000001"].map(|folder| table.at("A/PFXVAULT/A").join(&server).join(folder)));
    for folder in &folders {
        for name in PLANTED {
            let script = name.ends_with(".bat") || name.ends_with(".cmd");
            let planted = if script {
                b"@echo PLANTED\r\n".to_vec()
            } else {
                fs::read(tool).unwrap()
            };
            fs::write(folder.join(name), planted).unwrap();
        }
    }
    let lines = lines_for_windows(&server);
    for start in [r"C:\", r"R:\PFXVAULT"] {
        let out = type_into_cmd(&table, &windows, start, &lines);
        let ran = fs::read_to_string(table.at("tools/ran.txt")).unwrap();
        assert!(!out.contains("PLANTED"), "{out}");
        assert!(
            ran.lines().all(|line| line.starts_with(r"T:\")),
            "from {start}: {ran}"
        );
        assert_eq!(
            ran.lines()
                .filter(|line| line.contains("ssh-keygen"))
                .count(),
            2,
            "each signature: {ran}\n{out}"
        );
        assert!(
            ran.contains("openssl.exe found K0000001.pfx"),
            "{ran}\n{out}"
        );
        fs::remove_file(table.at("tools/ran.txt")).unwrap();
    }
}

/// The lines of the English part, for this server and the drive R:, with the recovery key.
fn lines_for_windows(server: &str) -> String {
    let text = String::from_utf8(readme()).unwrap();
    let english = text.split("\n-----").next().unwrap();
    let lines = english.lines().filter_map(|line| line.strip_prefix("> "));
    let fitting = lines.filter(|line| !line.contains("IDENTITY.AGE"));
    let line = |line: &str| {
        let line = line
            .replace(r"E:\", r"R:\")
            .replace("ABCD2345", server)
            .replace("00000042", "00000001");
        format!("{line}\n")
    };
    fitting.map(line).collect()
}

fn type_into_cmd(table: &Table, windows: &Windows<'_>, start: &str, lines: &str) -> String {
    let typed = table.at("typed.txt");
    fs::write(
        &typed,
        format!(
            "set PATH=T:\\;%PATH%\n{}\ncd {}\n{lines}",
            &start[..2],
            &start[2..]
        ),
    )
    .unwrap();
    let mut cmd = windows.command("wine");
    cmd.arg("cmd")
        .stdin(fs::File::open(typed).unwrap())
        .stderr(Stdio::null());
    String::from_utf8_lossy(&cmd.output().unwrap().stdout).into_owned()
}

/// What each file opens to, for the stand-in of age.
fn open_beforehand(table: &Table, server: &str) {
    let owner = table.at("A/PFXVAULT/A/OWNER/IDENT002.AGE");
    let folder = table.at("A/PFXVAULT/A").join(server).join("00000001");
    let opened = |name: &str| table.at("tools").join(format!("{name}.opened"));
    let files = [
        (table.at("recovery"), owner, opened("IDENT002.AGE")),
        (
            opened("IDENT002.AGE"),
            folder.join("CATALOG.AGE"),
            opened("CATALOG.AGE"),
        ),
        (
            opened("IDENT002.AGE"),
            folder.join("K0000001.AGE"),
            opened("K0000001.AGE"),
        ),
    ];
    for (identity, sealed, to) in files {
        let done = Command::new("age")
            .arg("-d")
            .arg("-i")
            .arg(identity)
            .arg("-o")
            .arg(to)
            .arg(sealed)
            .status();
        assert!(done.unwrap().success());
    }
}
