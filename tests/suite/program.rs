//! The program beside the vault: put there, named on paper, outside of what is trusted.

use std::fs;
use std::process::Command;

use crate::common::Table;

const ADD: &str =
    "media add {B} --accept other-medium=test --with-program --program {pfxvault.exe}";

/// A table with an empty stick B and a file that stands for the program of the other system.
fn table() -> Table {
    let table = Table::backed_up(&["www.example.com"]);
    table.stick("B");
    fs::write(table.at("pfxvault.exe"), b"MZ, and more").unwrap();
    table
}

/// What sha256sum, which is none of ours, says of a file.
fn sha256sum(table: &Table, file: &str) -> String {
    let output = Command::new("sha256sum")
        .arg(table.at(file))
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap()[..64].to_owned()
}

#[test]
fn the_program_lies_beside_the_vault_and_its_hash_stands_on_the_paper_alone() {
    let table = table();
    let report = table.run(&format!("{ADD} --json")).ended_with(0).json();
    let put = report["programs"].as_array().unwrap();
    assert_eq!(put.len(), 2);
    for (one, own) in put.iter().zip([env!("CARGO_BIN_EXE_pfxvault"), ""]) {
        let path = one["path"].as_str().unwrap();
        assert!(path.starts_with("PFXVAULT-PROGRAM/"), "{path}");
        let on_stick = format!("B/{path}");
        assert_eq!(
            one["sha256"].as_str().unwrap(),
            sha256sum(&table, &on_stick)
        );
        if !own.is_empty() {
            assert!(fs::read(table.at(&on_stick)).unwrap() == fs::read(own).unwrap());
        }
    }
    let exe = sha256sum(&table, "pfxvault.exe");
    let sheet = table.run("sheet --from {B}").ended_with(0).out;
    let digits: String = sheet.split_whitespace().collect();
    assert!(
        digits.contains(&exe) && digits.contains("pfxvault.exeB"),
        "{sheet}"
    );
    let readme = fs::read_to_string(table.at("B/PFXVAULT/README.TXT")).unwrap();
    assert!(!readme.contains(&exe[..8]));
    let grep = Command::new("grep")
        .args(["-r", &exe])
        .arg(table.at("B"))
        .output()
        .unwrap();
    assert!(grep.stdout.is_empty(), "no text on the stick says it");
}

#[test]
fn nothing_looks_at_it_and_within_the_vault_it_is_found() {
    let table = table();
    table.run(ADD).ended_with(0);
    let verify = |stick: &str, exit| {
        let said = table
            .run(&format!("verify {{{stick}}} --json"))
            .ended_with(exit);
        let verifier = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/crates/vault/tests/verify_vault.py"
        );
        let python = Command::new("python3")
            .arg(verifier)
            .arg(table.at(stick))
            .output()
            .unwrap();
        assert_eq!(python.status.code(), Some(exit), "{python:?}");
        said.json()
    };
    table
        .run("copy --from {A} --to {B} --accept other-medium=test")
        .ended_with(0);
    verify("B", 0);
    let beside = table.at("B/PFXVAULT-PROGRAM");
    fs::write(beside.join("evil.bat"), "format c:").unwrap();
    verify("B", 0);
    fs::rename(&beside, table.at("B/PFXVAULT/PFXVAULT-PROGRAM")).unwrap();
    let document = verify("B", 8);
    let found = document["findings"].as_array().unwrap();
    assert!(
        found.iter().any(|finding| finding["id"] == "program"),
        "{document}"
    );
}

#[test]
fn what_stands_there_is_never_written_over_and_no_link_is_followed() {
    let table = table();
    table.run(ADD).ended_with(0);
    let version = table
        .at("B/PFXVAULT-PROGRAM")
        .join(env!("CARGO_PKG_VERSION"));
    let copy = "copy --from {A} --to {B} --accept other-medium=test --with-program --program {pfxvault.exe}";
    table.run(copy).ended_with(0);
    fs::write(version.join("pfxvault.exe"), "another").unwrap();
    table.run(copy).ended_with(3);
    assert_eq!(fs::read(version.join("pfxvault.exe")).unwrap(), b"another");
    fs::remove_dir_all(&version).unwrap();
    fs::create_dir(table.at("elsewhere")).unwrap();
    std::os::unix::fs::symlink(table.at("elsewhere"), &version).unwrap();
    table.run(copy).ended_with(3);
    assert_eq!(fs::read_dir(table.at("elsewhere")).unwrap().count(), 0);
}

#[test]
fn a_file_that_can_be_no_program_is_refused_before_anything_is_written() {
    let table = table();
    fs::write(table.at("not a name"), b"x").unwrap();
    fs::write(table.at("pfxvault"), b"x").unwrap();
    for (file, exit) in [("missing.exe", 1), ("pfxvault", 2), ("con.exe", 2)] {
        let line = format!(
            "media add {{B}} --accept other-medium=test --with-program --program {{{file}}}"
        );
        table.run(&line).ended_with(exit);
        assert_eq!(fs::read_dir(table.at("B")).unwrap().count(), 0, "{file}");
    }
    table
        .run("media add {B} --program {pfxvault.exe}")
        .ended_with(2);
}
