//! A server that leaves its vault for another one: nobody can open the former any more, or somebody
//! can who should not.

use std::fs;

use crate::common::{BACKUP, RESTORE, Table, held, tree};
use pfxvault::state::State;
use serde_json::Value;

const CREATE: &str = "create {B} --replace --passphrase-file {new-words} --recovery-key-file {new-envelope} --accept other-medium=test";

fn new_words(table: &Table) {
    table.secret_file(
        "new-words",
        "eleven other words that only the owner of the second vault knows",
    );
}

#[test]
fn a_new_vault_takes_the_place_of_one_that_nobody_can_open_and_the_old_one_stays_readable() {
    let table = Table::backed_up(&["www.example.com", "old.example.com"]);
    fs::remove_file(table.at("server/old.example.com.pfx")).unwrap();
    table.stick("B");
    new_words(&table);
    let without = CREATE.replace(" --replace", "");
    let refused = table.run(&format!("{without} --json")).ended_with(1).json();
    assert_eq!(refused["error"]["id"], "error-already-enrolled");
    assert!(!table.at("new-envelope").exists());
    let old_stick = tree(&table.at("A"));
    let before = table.run("contents --json --from {A}").json()["vault"].clone();

    let said = table.run(CREATE).ended_with(0);
    assert_eq!(
        tree(&table.at("A")),
        old_stick,
        "the old stick stays as it is"
    );
    // What would be lost with the old vault is named.
    for name in ["www.example.com", "old.example.com"] {
        assert!(said.out.contains(name), "{name}: {}", said.out);
    }
    let backup = BACKUP.replace("{A}", "{B}");
    table.run(&backup).ended_with(0);
    let restore = RESTORE
        .replace("{A}", "{B}")
        .replace("{recovery}", "{new-envelope}");
    table.run(&restore).ended_with(0);
    let restored = held(&table, "restored");
    assert_eq!(restored.len(), 1, "{restored:?}");
    // Whoever has a secret of the former vault reads its stick here, and is told which vault it is of.
    let other = table
        .run(&RESTORE.replace("{restored}", "{out}"))
        .ended_with(0);
    assert!(other.out.contains("another vault"), "{}", other.out);
    assert_eq!(held(&table, "out").len(), 2);
    let contents = table
        .run("contents --json --from {A} --state {state/former-1}")
        .json();
    assert_eq!(contents["vault"], before);
}

#[test]
fn what_nobody_wanted_in_the_end_leaves_the_server_in_its_vault() {
    let table = Table::backed_up(&["www.example.com"]);
    // On the stick lies a vault already.
    new_words(&table);
    let onto_old = CREATE.replace("{B}", "{A}");
    table.run(&onto_old).ended_with(1);
    table.stick("B");
    table.secret_file("new-words", "too short");
    assert_ne!(table.run(CREATE).code, 0);
    let again = table.run(&format!("{BACKUP} --json")).ended_with(0).json();
    assert_eq!(
        again["generation"],
        Value::Null,
        "it is the same vault as before"
    );
}

#[test]
fn another_server_goes_along_by_passphrase_or_with_a_request() {
    let table = Table::backed_up(&["www.example.com"]);
    for name in ["WEB02", "WEB03"] {
        let join = "servers join {A} --passphrase-file {passphrase} --accept other-medium=test";
        table
            .run(&format!("{join} --server-name {name} --state {{{name}}}"))
            .ended_with(0);
    }
    // It reads on the stick who else may write.
    table.run(BACKUP).ended_with(0);
    table.stick("B");
    new_words(&table);
    let said = table.run(CREATE).ended_with(0);
    assert!(said.out.contains("2 other servers"), "{}", said.out);
    let backup = |server: &str| {
        let line = BACKUP.replace("{A}", "{B}");
        table.run(&format!("{line} --state {{{server}}}"))
    };
    backup("WEB02").ended_with(7);
    let join = "servers join {B} --passphrase-file {new-words} --accept other-medium=test";
    let join = format!("{join} --server-name WEB02 --state {{WEB02}}");
    table.run(&join).ended_with(1);
    table.run(&format!("{join} --replace")).ended_with(0);
    backup("WEB02").ended_with(0);

    let request = "servers request {web03.req} --server-name WEB03 --state {WEB03}";
    table.run(request).ended_with(1);
    table.run(&format!("{request} --replace")).ended_with(0);
    // Until the answer comes it goes on as before.
    let unchanged = format!("{BACKUP} --state {{WEB03}}");
    table.run(&unchanged).ended_with(0);
    table
        .run("servers add {web03.req} --to {B} --answer {answer.zip} --passphrase-file {new-words} --yes --accept other-medium=test")
        .ended_with(0);
    let state = State::look(&table.at("state")).unwrap().unwrap();
    let vault = state.vault();
    table
        .run(&format!(
            "servers accept {{answer.zip}} --vault {vault} --state {{WEB03}}"
        ))
        .ended_with(0);
    backup("WEB03").ended_with(0);
}
