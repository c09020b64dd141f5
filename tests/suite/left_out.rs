//! What only earlier generations hold: a backup of one file, by name or of another folder does not
//! make it forgotten.

use std::fs;
use std::path::Path;

use crate::common::{BACKUP, PFX_PASSWORD, RESTORE, Table, held};
use jiff::{SignedDuration, Timestamp};
use pfx::Profile;
use pfxvault::keypair::KeyPair;
use pfxvault::keypair::throwaway::{Authority, KeyKind};
use pfxvault::keystore::{Destination, NamedKeyPair, Writing};
use secret::Password;
use serde_json::Value;

const EIGHT: [&str; 8] = [
    "a.example.com",
    "b.example.com",
    "c.example.com",
    "d.example.com",
    "*.example.net",
    "f.example.com",
    "g.example.com",
    "www.example.com",
];
const ONE: &str = "backup --from pfx:{one.pfx} --source-password-file {pfx-password} --to {A} --accept other-medium=test";
const DRILL: &str = "drill --json --from {A} --recovery-key-file {recovery}";
const STATUS: &str = "status --json";
const CONTENTS: &str = "contents --json --from {A}";
const AUDIT: &str = "audit --json";

fn days_ago(days: i64) -> Timestamp {
    Timestamp::now() - SignedDuration::from_hours(24 * days)
}

fn issue(name: &str, kind: KeyKind, when: Timestamp) -> KeyPair {
    Authority::new("Test", when)
        .unwrap()
        .issue(&[name], kind, when)
        .unwrap()
}

fn write(pair: &KeyPair, path: &Path) {
    let password = Password::new(PFX_PASSWORD.into());
    let writing = Writing {
        password: Some(&password),
        profile: Profile::Aes256,
        force: true,
    };
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    Destination::Pfx(path.to_owned())
        .write(
            &[NamedKeyPair {
                pair,
                file_names: &[],
                file_parts: None,
            }],
            &writing,
        )
        .unwrap();
}

/// Backs up one key pair by its file, as the hint of a backup that missed it says.
fn back_up_one(table: &Table, pair: &KeyPair) {
    write(pair, &table.at("one.pfx"));
    table.run(ONE).ended_with(0);
}

/// What is named as left out: host names with the generation that holds them.
fn named(left_out: &Value) -> Vec<(String, u64)> {
    let one = |one: &Value| {
        (
            one["names"][0].as_str().unwrap().to_owned(),
            one["generation"].as_u64().unwrap(),
        )
    };
    let mut named: Vec<_> = left_out.as_array().unwrap().iter().map(one).collect();
    named.sort();
    named
}

fn in_generation(names: &[&str], number: u64) -> Vec<(String, u64)> {
    let mut all: Vec<_> = names
        .iter()
        .map(|name| ((*name).to_owned(), number))
        .collect();
    all.sort();
    all
}

/// What all five commands name, which must be the same.
fn named_by_all(table: &Table) -> Vec<(String, u64)> {
    let dry_run = RESTORE.replace("--yes", "--dry-run --json");
    let restore = named(&table.run(&dry_run).json()["left_out"]);
    assert_eq!(
        named(&table.run(DRILL).json()["left_out"]),
        restore,
        "drill"
    );
    assert_eq!(
        named(&table.run(STATUS).json()["left_out"]),
        restore,
        "status"
    );
    for options in ["", " --recovery-key-file {recovery}"] {
        let contents = table
            .run(&format!("{CONTENTS}{options}"))
            .ended_with(0)
            .json();
        assert_eq!(
            named(&contents["generations"][0]["left_out"]),
            restore,
            "contents{options}"
        );
    }
    let audit = table.run(AUDIT).json();
    assert_eq!(named(&audit["servers"][0]["left_out"]), restore, "audit");
    for (line, document) in [
        (STATUS, table.run(STATUS).json()["findings"].to_string()),
        (AUDIT, audit.to_string()),
    ] {
        assert_eq!(document.contains("left-out"), !restore.is_empty(), "{line}");
    }
    restore
}

#[test]
fn seven_of_eight_are_named_after_a_backup_of_one_file() {
    let table = Table::backed_up(&EIGHT[..7]);
    table.run(DRILL).ended_with(0);
    back_up_one(
        &table,
        &issue("www.example.com", KeyKind::P256, Timestamp::now()),
    );
    assert_eq!(named_by_all(&table), in_generation(&EIGHT[..7], 1));
    table.run(DRILL).ended_with(8);
    let restore = table.run(&format!("{RESTORE} --json")).ended_with(8).json();
    assert_eq!(
        (
            &restore["restored"],
            restore["left_out"].as_array().unwrap().len()
        ),
        (&1.into(), 7)
    );
    let first = &restore["left_out"][0];
    assert!(
        first["thumbprint"].as_str().unwrap().len() == 40
            && first["not_after"].as_str().unwrap().ends_with('Z')
    );
}

#[test]
fn the_sentences_name_them_before_the_question_and_again_at_the_end_with_a_line_that_restores_them()
{
    let table = Table::backed_up(&EIGHT[..7]);
    back_up_one(
        &table,
        &issue("www.example.com", KeyKind::P256, Timestamp::now()),
    );
    let stick = table.at("A").display().to_string();
    let line = format!("pfxvault restore --from {stick} --generation 1");
    let drill = table.run(&DRILL.replace("--json ", "")).ended_with(8).out;
    assert!(
        drill.starts_with("1 of 1 key pairs") && drill.lines().next().unwrap().contains("7 more"),
        "{drill}"
    );
    assert!(
        drill.contains(&line) && EIGHT[..7].iter().all(|name| drill.contains(name)),
        "{drill}"
    );
    let unanswered = table.run(&RESTORE.replace(" --yes", "")).ended_with(2);
    assert_eq!(
        unanswered.out.matches(&line).count(),
        1,
        "{}",
        unanswered.out
    );
    let restore = table.run(RESTORE).ended_with(8).out;
    assert_eq!(restore.matches(&line).count(), 2, "{restore}");
    let contents = table
        .run(&CONTENTS.replace("--json ", ""))
        .ended_with(0)
        .out;
    assert!(
        contents.contains(&line) && contents.lines().next().unwrap().contains("7 more"),
        "{contents}"
    );
    let status = table.run("status").ended_with(8).out;
    assert!(
        status.contains("--generation 1") && status.lines().next().unwrap().contains("7 more"),
        "{status}"
    );
    let audit = table.run("audit").ended_with(8).out;
    assert!(
        audit.contains("--generation 1") && audit.contains("a.example.com"),
        "{audit}"
    );
    let shown = restore
        .lines()
        .find_map(|said| said.split_once(&line))
        .unwrap()
        .1;
    let again = format!(
        "restore --from {{A}} --generation 1{shown} --recovery-key-file {{recovery}} --yes"
    );
    table
        .run(&format!("{again} --pfx-password-file {{pfx-password}}"))
        .ended_with(0);
    assert_eq!(held(&table, "restored").len(), 8);
}

#[test]
fn japanese_names_them_too() {
    let table = Table::backed_up(&["a.example.com"]);
    back_up_one(
        &table,
        &issue("www.example.com", KeyKind::P256, Timestamp::now()),
    );
    for line in [
        &DRILL.replace("--json ", ""),
        &CONTENTS.replace("--json ", ""),
        "status",
        "audit",
    ] {
        let out = table.run(&format!("{line} --lang ja")).out;
        assert!(
            out.contains("a.example.com") && out.contains("--generation 1"),
            "{out}"
        );
    }
}

#[test]
fn seven_of_eight_are_named_after_a_backup_by_name() {
    let table = Table::backed_up(&EIGHT);
    table
        .run(&format!("{BACKUP} --force").replace("backup ", "backup www.example.com "))
        .ended_with(0);
    assert_eq!(named_by_all(&table), in_generation(&EIGHT[..7], 1));
}

#[test]
fn another_folder_does_not_make_the_first_one_forgotten() {
    let table = Table::backed_up(&EIGHT[..3]);
    table.serve("other", &["x.example.org", "y.example.org"]);
    table
        .run(&BACKUP.replace("{server}", "{other}"))
        .ended_with(0);
    assert_eq!(named_by_all(&table), in_generation(&EIGHT[..3], 1));
}

#[test]
fn eight_sites_exported_one_after_the_other_to_one_file_are_all_named() {
    let table = Table::with_vault(&[]);
    for name in EIGHT {
        back_up_one(&table, &issue(name, KeyKind::P256, Timestamp::now()));
    }
    let mut expected: Vec<_> = (1..)
        .zip(&EIGHT[..7])
        .map(|(number, name)| ((*name).to_owned(), number))
        .collect();
    expected.sort();
    assert_eq!(named_by_all(&table), expected);
}

#[test]
fn what_this_server_remembers_does_not_end_after_ten_generations() {
    let table = Table::with_vault(&[]);
    let names: Vec<String> = (1..=13)
        .map(|number| format!("s{number}.example.com"))
        .collect();
    for name in &names {
        back_up_one(&table, &issue(name, KeyKind::P256, Timestamp::now()));
    }
    assert_eq!(named_by_all(&table).len(), 12);
    write(
        &issue("s1.example.com", KeyKind::P256, days_ago(-1)),
        &table.at("one.pfx"),
    );
    table.run(ONE).ended_with(0);
    assert!(
        !named_by_all(&table).contains(&("s1.example.com".to_owned(), 1)),
        "it was renewed"
    );
    let state: Value =
        serde_json::from_slice(&fs::read(table.at("state/state.json")).unwrap()).unwrap();
    let described = |at: usize| {
        state["generations"][at]["key_pairs"]
            .as_array()
            .unwrap()
            .len()
    };
    assert_eq!((described(0), described(1)), (0, 1));
}

#[test]
fn what_was_renewed_is_not_named() {
    let table = Table::with_vault(&[]);
    back_up_one(
        &table,
        &issue("www.example.com", KeyKind::P256, days_ago(300)),
    );
    back_up_one(
        &table,
        &issue("www.example.com", KeyKind::P256, days_ago(2)),
    );
    assert_eq!(named_by_all(&table), []);
    table.run(RESTORE).ended_with(0);
    table.run(DRILL).ended_with(0);
    let first = format!("{RESTORE} --generation 1").replace("{restored}", "{first}");
    table.run(&first).ended_with(0);
    assert_eq!(held(&table, "first").len(), 1);
}

#[test]
fn what_was_renewed_by_a_generation_that_is_not_the_newest_is_not_named_and_the_renewal_is() {
    let table = Table::with_vault(&[]);
    back_up_one(
        &table,
        &issue("www.example.com", KeyKind::P256, days_ago(300)),
    );
    back_up_one(
        &table,
        &issue("www.example.com", KeyKind::P256, days_ago(2)),
    );
    back_up_one(
        &table,
        &issue("mail.example.com", KeyKind::P256, days_ago(2)),
    );
    assert_eq!(named_by_all(&table), in_generation(&["www.example.com"], 2));
}

#[test]
fn what_lay_beside_its_renewal_is_of_another_site_and_is_named() {
    let table = Table::with_vault(&[]);
    write(
        &issue("www.example.com", KeyKind::P256, days_ago(300)),
        &table.at("server/www-old.pfx"),
    );
    let newer = issue("www.example.com", KeyKind::P256, days_ago(2));
    write(&newer, &table.at("server/www.pfx"));
    table.run(BACKUP).ended_with(0);
    back_up_one(&table, &newer);
    assert_eq!(named_by_all(&table), in_generation(&["www.example.com"], 1));
}

#[test]
fn what_has_ended_is_not_named() {
    let table = Table::with_vault(&[]);
    write(
        &issue("old.example.com", KeyKind::P256, days_ago(800)),
        &table.at("one.pfx"),
    );
    table.run(ONE).ended_with(0);
    back_up_one(
        &table,
        &issue("www.example.com", KeyKind::P256, Timestamp::now()),
    );
    assert_eq!(named_by_all(&table), []);
    table.run(DRILL).ended_with(0);
}

#[test]
fn a_key_of_another_kind_renews_nothing() {
    let table = Table::with_vault(&[]);
    back_up_one(
        &table,
        &issue("www.example.com", KeyKind::Rsa, days_ago(300)),
    );
    back_up_one(
        &table,
        &issue("www.example.com", KeyKind::P256, days_ago(2)),
    );
    assert_eq!(named_by_all(&table), in_generation(&["www.example.com"], 1));
}

#[test]
fn names_bring_only_what_is_called_so_and_a_generation_only_itself() {
    let table = Table::backed_up(&EIGHT[..3]);
    back_up_one(
        &table,
        &issue("www.example.com", KeyKind::P256, Timestamp::now()),
    );
    let ask = |more: &str, code: i32| {
        let document = table
            .run(&DRILL.replace("drill", &format!("drill {more}")))
            .ended_with(code)
            .json();
        (
            document["generation"].as_u64().unwrap(),
            named(&document["left_out"]),
        )
    };
    assert_eq!(ask("www.example.com", 0), (2, vec![]));
    assert_eq!(ask("a.example.com", 0), (1, vec![]));
    back_up_one(
        &table,
        &issue("a.example.com", KeyKind::Rsa, Timestamp::now()),
    );
    assert_eq!(
        ask("a.example.com", 8),
        (3, in_generation(&["a.example.com"], 1))
    );
    assert_eq!(ask("--generation 2", 0), (2, vec![]));
    assert_eq!(ask("--generation 2199-12-31", 8).0, 3);
    let contents = table
        .run(&format!("{CONTENTS} --generation 2"))
        .ended_with(0)
        .json();
    assert_eq!(named(&contents["generations"][0]["left_out"]), []);
}

#[test]
fn a_stick_without_state_names_them_for_each_server() {
    let table = Table::backed_up(&EIGHT[..3]);
    back_up_one(
        &table,
        &issue("www.example.com", KeyKind::P256, Timestamp::now()),
    );
    table
        .run("servers join {A} --passphrase-file {passphrase} --accept other-medium=test --state {second}")
        .ended_with(0);
    table.serve("second-server", &["shop.example.org"]);
    table
        .run(&format!(
            "{} --state {{second}}",
            BACKUP.replace("{server}", "{second-server}")
        ))
        .ended_with(0);
    let line = format!("{CONTENTS} --recovery-key-file {{recovery}} --state {{none}}");
    let document = table.run(&line).ended_with(0).json();
    let generations = document["generations"].as_array().unwrap();
    let mut counts: Vec<_> = generations
        .iter()
        .map(|one| named(&one["left_out"]).len())
        .collect();
    counts.sort_unstable();
    assert_eq!(counts, [0, 3]);
    let with_three = generations
        .iter()
        .find(|one| !named(&one["left_out"]).is_empty())
        .unwrap();
    let server = with_three["server"].as_str().unwrap();
    let drill = DRILL.replace("--json", &format!("--server {server} --state {{none}}"));
    let said = table.run(&drill).ended_with(8).out;
    assert!(
        said.contains(&format!("--generation 1 --server {server}")),
        "{said}"
    );
}
