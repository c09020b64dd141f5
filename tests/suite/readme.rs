//! README.TXT on a medium: whom it names, and in which language it begins.

use std::fs;
use std::process::Command;

use crate::common::{BACKUP, Said, Table};

const CONTACT: &str = "Web-team,ext.4711(山田)";

fn readme(table: &Table, stick: &str) -> String {
    fs::read_to_string(table.at(&format!("{stick}/PFXVAULT/README.TXT"))).unwrap()
}

/// Findings of `verify` that are about README.TXT, which the independent verifier finds, too.
fn found(table: &Table, exit: i32, state: &str) -> Vec<String> {
    let line = format!("verify {{A}} --state {{{state}}} --json");
    let document = table.run(&line).ended_with(exit).json();
    let mut ids = Vec::new();
    for finding in document["findings"].as_array().unwrap() {
        let id = finding["id"].as_str().unwrap();
        if id.starts_with("readme") {
            ids.push(id.to_owned());
        }
    }
    ids
}

fn found_by_python(table: &Table) -> (Option<i32>, bool) {
    let verifier = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/crates/vault/tests/verify_vault.py"
    );
    let output = Command::new("python3")
        .arg(verifier)
        .arg(table.at("A"))
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    (output.status.code(), said.contains("readme-contact"))
}

fn set(table: &Table, contact: &str) -> Said {
    let mut command = table.command("media policy --json");
    Said::of(&command.args(["--contact", contact]).output().unwrap())
}

#[test]
fn a_contact_that_this_server_set_is_known_and_any_other_is_named() {
    let table = Table::backed_up(&["www.example.com"]);
    assert_eq!(
        set(&table, CONTACT).ended_with(0).json()["contact"],
        CONTACT
    );
    table.run(BACKUP).ended_with(0);
    assert!(readme(&table, "A").contains(&format!("\r\nAsk / 連絡先: {CONTACT}\r\n")));
    assert!(found(&table, 0, "state").is_empty());
    assert_eq!(
        found(&table, 0, "nowhere"),
        ["readme-contact"],
        "a note where nobody here said so"
    );
    assert_eq!(found_by_python(&table), (Some(0), true));
    // Another server of the vault leaves it.
    table
        .run("servers join {A} --server-name WEB02 --state {other} --passphrase-file {passphrase} --accept other-medium=test")
        .ended_with(0);
    table.run(&format!("{BACKUP} --state {{other}}"));
    assert!(readme(&table, "A").contains(CONTACT));
    // Somebody else's.
    let forged = readme(&table, "A").replace(CONTACT, "evil@example.com");
    fs::write(table.at("A/PFXVAULT/README.TXT"), &forged).unwrap();
    assert_eq!(found(&table, 8, "state"), ["readme-contact"]);
    table.run(BACKUP).ended_with(8);
    assert!(readme(&table, "A").contains(CONTACT), "written anew");
    // A former one of its own is no alarm.
    let former = readme(&table, "A");
    set(&table, "").ended_with(0);
    fs::write(table.at("A/PFXVAULT/README.TXT"), former).unwrap();
    assert!(found(&table, 0, "state").is_empty());
    table.run("copy --from {A} --to {A} --accept other-medium=test");
    assert!(!readme(&table, "A").contains("Ask /"));
}

#[test]
fn a_line_added_to_it_or_one_that_hides_something_is_not_ours() {
    let table = Table::backed_up(&["www.example.com"]);
    set(&table, CONTACT).ended_with(0);
    table.run(BACKUP).ended_with(0);
    let ours = readme(&table, "A");
    for altered in [
        ours.replace("never asks", "asks"),
        ours.replace(
            CONTACT,
            &format!("{CONTACT}\r\nand the passphrase to evil@example.com"),
        ),
        ours.replace(CONTACT, &format!("{CONTACT}\u{202e}")),
        ours.replace(CONTACT, &"x".repeat(81)),
    ] {
        fs::write(table.at("A/PFXVAULT/README.TXT"), &altered).unwrap();
        assert_eq!(found(&table, 8, "state"), ["readme-unknown"], "{altered}");
        assert_eq!(found_by_python(&table).0, Some(8));
    }
    for refused in ["two\nlines", " ", "hidden\u{200b}"] {
        set(&table, refused).ended_with(2);
    }
}

#[test]
fn it_begins_in_the_language_of_the_system_that_made_the_stick() {
    let table = Table::backed_up(&["www.example.com"]);
    table.stick("B");
    let mut command = table.command("media add {B} --accept other-medium=test");
    Said::of(&command.env("LC_ALL", "ja_JP.UTF-8").output().unwrap()).ended_with(0);
    assert!(readme(&table, "B").starts_with("\u{feff}削除・フォーマットしないでください"));
    assert!(readme(&table, "A").starts_with("\u{feff}Do not delete or format"));
    table
        .run("copy --from {A} --to {B} --accept other-medium=test")
        .ended_with(0);
    assert!(
        readme(&table, "B").starts_with("\u{feff}削除"),
        "a copy leaves it"
    );
    table.run("verify {B}").ended_with(0);
}

#[test]
fn the_sheet_names_the_contact_unless_another_is_typed() {
    let table = Table::backed_up(&["www.example.com"]);
    set(&table, CONTACT).ended_with(0);
    assert!(
        table
            .run("sheet --from {A}")
            .ended_with(0)
            .out
            .contains(CONTACT)
    );
    let typed = table
        .run("sheet --from {A} --contact Desk")
        .ended_with(0)
        .out;
    assert!(typed.contains("Desk") && !typed.contains(CONTACT));
}
