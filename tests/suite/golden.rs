//! What an earlier version left behind: a stick and what a server remembers of it, made by the
//! program of 2026-11 (commit d2d52ac). It reads on, and nothing in it looks changed.

use std::path::Path;
use std::process::Command;

use pfxvault::change::Journal;

use crate::common::{BACKUP, RESTORE, Table, held};

/// The table as that program left it.
pub(crate) fn table() -> Table {
    let table = Table {
        folder: tempfile::tempdir().unwrap(),
    };
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/2026-11");
    let copied = Command::new("cp")
        .arg("-R")
        .arg(golden.join("."))
        .arg(table.at("."))
        .status()
        .unwrap();
    assert!(copied.success());
    // As git keeps no such modes.
    let private = [
        "state",
        "state/server.key",
        "passphrase",
        "pfx-password",
        "recovery",
    ]
    .map(|name| table.at(name));
    assert!(
        Command::new("chmod")
            .arg("go=")
            .args(private)
            .status()
            .unwrap()
            .success()
    );
    std::fs::rename(table.at("stick"), table.at("A")).unwrap();
    table
}

#[test]
fn a_backup_after_one_of_an_earlier_version_finds_nothing_changed() {
    let table = table();
    let again = table.run(&format!("{BACKUP} --json")).ended_with(0).json();
    assert_eq!(again["generation"], serde_json::Value::Null, "{again}");
    table.serve("server", &["another.example.com"]);
    let changed = table.run(&format!("{BACKUP} --json")).ended_with(0).json();
    assert_eq!(
        (&changed["generation"], &changed["saved"]),
        (&2.into(), &3.into()),
        "{changed}"
    );
}

#[test]
fn a_stick_of_an_earlier_version_is_verified_and_restored() {
    let table = table();
    table.run("verify {A}").ended_with(0);
    table
        .run("drill --from {A} --passphrase-file {passphrase}")
        .ended_with(0);
    table.run(RESTORE).ended_with(0);
    assert_eq!(held(&table, "restored"), held(&table, "server"));
}

#[test]
fn what_an_earlier_version_remembered_is_remembered_on() {
    let table = table();
    let status = table.run("status --json").ended_with(8).json();
    assert_eq!(
        (&status["server"], &status["newest"]["generation"]),
        (&"H3QH3DLE".into(), &1.into()),
        "{status}"
    );
    assert_eq!(status["newest"]["time"], "2026-11-28T10:43:55.832853548Z");
    assert_eq!(
        status["media"]["68f5fb582fce001b31064a8ecc93e6fe"]["label"],
        "A"
    );
}

/// Of two restores of one key pair, the first was undone.
#[test]
fn a_journal_of_an_earlier_version_can_be_taken_back() {
    let table = table();
    let journal = Journal::open(&table.at("state")).unwrap();
    assert_eq!(journal.remark(), None);
    assert!(journal.interrupted().is_none());
    let last = journal.last_committed().unwrap();
    assert_eq!(
        (last.number, last.what.as_str(), last.steps.len()),
        (2, "restore", 2)
    );
}
