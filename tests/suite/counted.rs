//! A server's backup is what its generations hold together: a backup of one file, by name or of
//! another folder does not make the rest forgotten.

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
const WITH_SECRET: &str = " --recovery-key-file {recovery}";
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

/// A host name with the generation that its key pair comes from.
type Held = (String, u64);

fn sorted(mut held: Vec<Held>) -> Vec<Held> {
    held.sort();
    held
}

fn in_generation(names: &[&str], number: u64) -> Vec<Held> {
    names
        .iter()
        .map(|name| ((*name).to_owned(), number))
        .collect()
}

/// The key pairs of a document, by whatever names them there.
fn held_in(key_pairs: &Value) -> Vec<Held> {
    let one = |one: &Value| {
        let name = one["name"].as_str();
        let name = name.or(one["about"]["names"][0].as_str());
        (name_of(name), one["generation"].as_u64().unwrap())
    };
    sorted(key_pairs.as_array().unwrap().iter().map(one).collect())
}

fn name_of(name: Option<&str>) -> String {
    name.unwrap().to_owned()
}

/// What counts, as `restore`, `drill` and both kinds of `contents` say, which must be the same;
/// `status` and `audit` count as many.
fn counted(table: &Table) -> Vec<Held> {
    let dry_run = RESTORE.replace("--yes", "--dry-run --json");
    let restored = held_in(&table.run(&dry_run).json()["key_pairs"]);
    let drilled = table.run(DRILL).json();
    assert_eq!(held_in(&drilled["key_pairs"]), restored, "drill");
    for options in ["", WITH_SECRET] {
        let contents = table.run(&format!("{CONTENTS}{options}")).json();
        let server = &contents["servers"][0];
        assert_eq!(held_in(&server["key_pairs"]), restored, "contents{options}");
        assert_eq!(
            reasons(&server["no_more"]),
            reasons(&drilled["no_more"]),
            "contents{options}"
        );
    }
    let count = Value::from(restored.len());
    assert_eq!(table.run(STATUS).json()["key_pairs"], count, "status");
    assert_eq!(
        table.run(AUDIT).json()["servers"][0]["key_pairs"],
        count,
        "audit"
    );
    restored
}

/// What does not count any more, and why.
fn reasons(no_more: &Value) -> Vec<(String, String)> {
    let one = |one: &Value| {
        (
            name_of(one["names"][0].as_str()),
            name_of(one["reason"].as_str()),
        )
    };
    let mut reasons: Vec<_> = no_more.as_array().unwrap().iter().map(one).collect();
    reasons.sort();
    reasons
}

fn no_more(table: &Table) -> Vec<(String, String)> {
    reasons(&table.run(DRILL).json()["no_more"])
}

fn is_no_more(name: &str, reason: &str) -> Vec<(String, String)> {
    vec![(name.to_owned(), reason.to_owned())]
}

#[test]
fn eight_of_eight_come_back_after_a_backup_of_one_file() {
    let table = Table::backed_up(&EIGHT[..7]);
    let www = issue("www.example.com", KeyKind::P256, Timestamp::now());
    back_up_one(&table, &www);
    let mut expected = in_generation(&EIGHT[..7], 1);
    expected.extend(in_generation(&["www.example.com"], 2));
    assert_eq!(counted(&table), sorted(expected));
    let said = table.run(&DRILL.replace("--json ", "")).ended_with(0).out;
    assert!(said.starts_with("8 of 8 key pairs"), "{said}");
    table.run(RESTORE).ended_with(0);
    assert_eq!(held(&table, "restored").len(), 8);
}

#[test]
fn seven_of_eight_come_back_after_a_backup_by_name() {
    let table = Table::backed_up(&EIGHT);
    table
        .run(&format!("{BACKUP} --force").replace("backup ", "backup www.example.com "))
        .ended_with(0);
    let mut expected = in_generation(&EIGHT[..7], 1);
    expected.extend(in_generation(&["www.example.com"], 2));
    assert_eq!(counted(&table), sorted(expected));
}

#[test]
fn another_folder_adds_to_the_first_one() {
    let table = Table::backed_up(&EIGHT[..3]);
    table.serve("other", &["x.example.org", "y.example.org"]);
    let other = BACKUP.replace("{server}", "{other}");
    table.run(&other).ended_with(0);
    let mut expected = in_generation(&EIGHT[..3], 1);
    expected.extend(in_generation(&["x.example.org", "y.example.org"], 2));
    assert_eq!(counted(&table), sorted(expected));
    // Two sources in turn do not write for ever.
    for line in [BACKUP, &other, BACKUP] {
        let said = table.run(&format!("{line} --json")).ended_with(0).json();
        assert_eq!(said["generation"], Value::Null, "{line}");
        assert_eq!(said["media"][0]["result"], "unchanged", "{line}");
    }
}

#[test]
fn what_a_backup_of_everything_holds_is_not_written_again_by_its_name() {
    let table = Table::backed_up(&EIGHT[..3]);
    let by_name = format!("{BACKUP} --json").replace("backup ", "backup b.example.com ");
    let said = table.run(&by_name).ended_with(0).json();
    assert_eq!(said["media"][0]["result"], "unchanged");
}

#[test]
fn what_was_renewed_and_is_back_is_written_again() {
    let table = Table::with_vault(&[]);
    let old = issue("www.example.com", KeyKind::P256, days_ago(300));
    back_up_one(&table, &old);
    back_up_one(
        &table,
        &issue("www.example.com", KeyKind::P256, days_ago(2)),
    );
    assert_eq!(counted(&table), in_generation(&["www.example.com"], 2));
    back_up_one(&table, &old);
    // Both were there side by side, so neither took the place of the other.
    let mut both = in_generation(&["www.example.com"], 2);
    both.extend(in_generation(&["www.example.com"], 3));
    assert_eq!(counted(&table), both);
}

#[test]
fn eight_sites_exported_one_after_the_other_to_one_file_all_come_back() {
    let table = Table::with_vault(&[]);
    for name in EIGHT {
        back_up_one(&table, &issue(name, KeyKind::P256, Timestamp::now()));
    }
    let each = (1..).zip(EIGHT);
    let each = each.map(|(number, name)| (name.to_owned(), number));
    assert_eq!(counted(&table), sorted(each.collect()));
    table.run(RESTORE).ended_with(0);
    let held = held(&table, "restored");
    assert_eq!(held.len(), 8);
    // The file's name belongs to the one that had it last.
    let one = table.run(&format!(
        "list --json --from pfx:{} --source-password-file {{pfx-password}}",
        table.at("restored/one.pfx").display()
    ));
    assert_eq!(one.json()["key_pairs"][0]["names"][0], EIGHT[7]);
}

#[test]
fn rsa_and_ecdsa_of_one_name_both_count() {
    let table = Table::with_vault(&[]);
    back_up_one(
        &table,
        &issue("www.example.com", KeyKind::Rsa, days_ago(300)),
    );
    back_up_one(
        &table,
        &issue("www.example.com", KeyKind::P256, days_ago(2)),
    );
    let mut both = in_generation(&["www.example.com"], 1);
    both.extend(in_generation(&["www.example.com"], 2));
    assert_eq!(counted(&table), both);
    let by_name = DRILL.replace("drill", "drill www.example.com");
    assert_eq!(
        held_in(&table.run(&by_name).ended_with(0).json()["key_pairs"]),
        both
    );
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
    assert_eq!(counted(&table).len(), 13);
    write(
        &issue("s1.example.com", KeyKind::P256, days_ago(-1)),
        &table.at("one.pfx"),
    );
    table.run(ONE).ended_with(0);
    let state: Value =
        serde_json::from_slice(&fs::read(table.at("state/state.json")).unwrap()).unwrap();
    let described = |at: usize| {
        state["generations"][at]["key_pairs"]
            .as_array()
            .unwrap()
            .len()
    };
    assert_eq!((described(0), described(1)), (0, 1), "it was renewed");
}

#[test]
fn what_was_renewed_does_not_come_back_by_itself_and_does_by_its_thumbprint() {
    let table = Table::with_vault(&[]);
    let old = issue("www.example.com", KeyKind::P256, days_ago(300));
    back_up_one(&table, &old);
    let new = issue("www.example.com", KeyKind::P256, days_ago(2));
    back_up_one(&table, &new);
    assert_eq!(counted(&table), in_generation(&["www.example.com"], 2));
    let drill = table.run(DRILL).ended_with(0).json();
    assert_eq!(
        reasons(&drill["no_more"]),
        is_no_more("www.example.com", "renewed")
    );
    assert_eq!(
        drill["no_more"][0]["renewed_by"],
        Value::from(new.leaf().thumbprint())
    );
    table.run(RESTORE).ended_with(0);
    assert_eq!(held(&table, "restored").len(), 1);
    for (folder, options) in [
        ("first", "--generation 1"),
        ("named", &old.leaf().thumbprint()),
    ] {
        let line = format!("{RESTORE} {options}").replace("restored", folder);
        table.run(&line).ended_with(0);
        let came = held(&table, folder);
        assert_eq!(came.len(), 1, "{options}");
    }
}

#[test]
fn the_name_of_what_has_ended_leads_to_its_thumbprint() {
    let table = Table::with_vault(&[]);
    let old = issue("old.example.com", KeyKind::P256, days_ago(800));
    back_up_ended(&table, &old);
    back_up_one(
        &table,
        &issue("www.example.com", KeyKind::P256, Timestamp::now()),
    );
    assert_eq!(counted(&table), in_generation(&["www.example.com"], 2));
    assert_eq!(no_more(&table), is_no_more("old.example.com", "ended"));
    table.run(DRILL).ended_with(0);
    let said = table.run(&format!("{RESTORE} old.example.com --json"));
    let error = said.ended_with(2).json()["error"].clone();
    assert_eq!(error["id"], "error-no-more");
    let thumbprint = old.leaf().thumbprint();
    assert!(error["hint"].as_str().unwrap().contains(&thumbprint));
    let line = format!("{RESTORE} {thumbprint}").replace("restored", "named");
    table.run(&line).ended_with(0);
}

/// A backup of one that has ended, which is no reason to leave it out.
fn back_up_ended(table: &Table, pair: &KeyPair) {
    write(pair, &table.at("one.pfx"));
    table.run(ONE).ended_with(0);
}

#[test]
fn what_has_ended_counts_while_the_newest_backup_holds_it() {
    let table = Table::with_vault(&[]);
    back_up_ended(
        &table,
        &issue("old.example.com", KeyKind::P256, days_ago(800)),
    );
    assert_eq!(counted(&table), in_generation(&["old.example.com"], 1));
    table.run(DRILL).ended_with(8);
}

#[test]
fn what_was_renewed_by_a_generation_that_is_not_the_newest_stays_away_and_the_renewal_comes() {
    let table = Table::with_vault(&[]);
    for (name, days) in [
        ("www.example.com", 300),
        ("www.example.com", 2),
        ("mail.example.com", 2),
    ] {
        back_up_one(&table, &issue(name, KeyKind::P256, days_ago(days)));
    }
    let mut expected = in_generation(&["www.example.com"], 2);
    expected.extend(in_generation(&["mail.example.com"], 3));
    assert_eq!(counted(&table), sorted(expected));
    assert_eq!(no_more(&table), is_no_more("www.example.com", "renewed"));
}

#[test]
fn what_lay_beside_its_renewal_is_of_another_site_and_counts() {
    let table = Table::with_vault(&[]);
    write(
        &issue("www.example.com", KeyKind::P256, days_ago(300)),
        &table.at("server/www-old.pfx"),
    );
    let newer = issue("www.example.com", KeyKind::P256, days_ago(2));
    write(&newer, &table.at("server/www.pfx"));
    table.run(BACKUP).ended_with(0);
    back_up_one(&table, &newer);
    let mut both = in_generation(&["www.example.com"], 1);
    both.extend(in_generation(&["www.example.com"], 2));
    assert_eq!(counted(&table), both);
}

#[test]
fn a_folder_that_moved_is_not_written_again_and_comes_back_once() {
    let table = Table::backed_up(&EIGHT[..3]);
    fs::rename(table.at("server"), table.at("moved")).unwrap();
    let moved = BACKUP.replace("{server}", "{moved}");
    let said = table.run(&format!("{moved} --json")).ended_with(0).json();
    assert_eq!(said["media"][0]["result"], "unchanged");
    assert_eq!(counted(&table), sorted(in_generation(&EIGHT[..3], 1)));
}

#[test]
fn names_bring_only_what_is_called_so_and_a_generation_only_itself() {
    let table = Table::backed_up(&EIGHT[..3]);
    back_up_one(
        &table,
        &issue("www.example.com", KeyKind::P256, Timestamp::now()),
    );
    let ask = |more: &str, code: i32| {
        let line = DRILL.replace("drill", &format!("drill {more}"));
        held_in(&table.run(&line).ended_with(code).json()["key_pairs"])
    };
    let www = in_generation(&["www.example.com"], 2);
    assert_eq!(ask("www.example.com", 0), www);
    assert_eq!(
        ask("a.example.com", 0),
        in_generation(&["a.example.com"], 1)
    );
    let both = in_generation(&["a.example.com"], 1);
    assert_eq!(
        ask("a.example.com www.example.com", 0),
        sorted([both, www.clone()].concat())
    );
    assert_eq!(ask("--generation 2", 0), www);
    assert_eq!(
        ask("--generation 1", 0),
        sorted(in_generation(&EIGHT[..3], 1))
    );
    assert_eq!(ask("--generation 2199-12-31", 0).len(), 4);
    let contents = table.run(&format!("{CONTENTS} --generation 2"));
    let contents = contents.ended_with(0).json();
    assert_eq!(held_in(&contents["servers"][0]["key_pairs"]), www);
}

#[test]
fn a_stick_without_a_generation_says_what_is_only_there() {
    let table = Table::backed_up(&EIGHT[..3]);
    table.stick("B");
    table
        .run("copy --from {A} --to {B} --accept other-medium=test")
        .ended_with(0);
    back_up_one(
        &table,
        &issue("www.example.com", KeyKind::P256, Timestamp::now()),
    );
    table.serve("other", &["x.example.org"]);
    let third = BACKUP.replace("{server}", "{other}").replace("{A}", "{B}");
    table.run(&third).ended_with(0);
    let from_b = |line: &str| line.replace("{A}", "{B}");
    let other_computer = |line: &str| from_b(line) + " --state {none}";
    // This server remembers it, and another computer reads it in the newest catalog.
    for line in [from_b(DRILL), other_computer(DRILL)] {
        let drill = table.run(&line).ended_with(3).json();
        let not_here = drill["not_here"].as_array().unwrap();
        assert_eq!(not_here.len(), 1, "{line}");
        assert_eq!(not_here[0]["names"][0], "www.example.com");
        assert_eq!(not_here[0]["generations"], Value::from(vec![2]));
        assert_eq!(held_in(&drill["key_pairs"]).len(), 4);
    }
    for line in [
        from_b(CONTENTS),
        other_computer(&format!("{CONTENTS}{WITH_SECRET}")),
    ] {
        let contents = table.run(&line).ended_with(8).json();
        let server = &contents["servers"][0];
        assert_eq!(server["not_here"][0]["names"][0], "www.example.com");
    }
    let restore = from_b(&format!("{RESTORE} --json"));
    table.run(&restore).ended_with(3);
    let by_name = from_b(&DRILL.replace("drill", "drill a.example.com"));
    table.run(&by_name).ended_with(0);
    let both = DRILL.replace("--from {A}", "--from {A} --from {B}");
    assert_eq!(
        held_in(&table.run(&both).ended_with(0).json()["key_pairs"]).len(),
        5
    );
    let status = table.run(STATUS).json();
    let findings = status["findings"].as_array().unwrap();
    let few = findings
        .iter()
        .filter(|finding| finding["id"] == "few-media");
    assert!(
        few.clone()
            .any(|one| one["text"].as_str().unwrap().contains("www.example.com")),
        "{findings:?}"
    );
    table
        .run("copy --from {A} --to {B} --accept other-medium=test")
        .ended_with(0);
    assert_eq!(
        held_in(&table.run(&from_b(DRILL)).ended_with(0).json()["key_pairs"]).len(),
        5
    );
}

#[test]
fn a_damaged_key_pair_is_taken_from_an_older_generation_that_has_it_whole() {
    let table = Table::backed_up(&EIGHT[..3]);
    table.run(&format!("{BACKUP} --force")).ended_with(0);
    for half in ["A", "B"] {
        let newest = crate::common::generations(&table.at("A"), half)
            .pop()
            .unwrap();
        let file = newest.join("K0000002.AGE");
        let mut bytes = fs::read(&file).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(&file, bytes).unwrap();
    }
    table.run(RESTORE).ended_with(8);
    assert_eq!(held(&table, "restored").len(), 3);
}

#[test]
fn a_stick_without_state_tells_each_server_apart() {
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
    let line = format!("{CONTENTS}{WITH_SECRET} --state {{none}}");
    let document = table.run(&line).ended_with(0).json();
    let servers = document["servers"].as_array().unwrap();
    let mut counts: Vec<_> = servers
        .iter()
        .map(|one| held_in(&one["key_pairs"]).len())
        .collect();
    counts.sort_unstable();
    assert_eq!(counts, [1, 4]);
}

#[test]
fn a_drill_in_japanese_names_what_came_from_where() {
    let table = Table::backed_up(&["a.example.com"]);
    back_up_one(
        &table,
        &issue("www.example.com", KeyKind::P256, Timestamp::now()),
    );
    let dry_run = RESTORE.replace("--yes", "--dry-run --lang ja");
    let said = table.run(&dry_run).ended_with(0).out;
    assert!(said.contains("第 1 世代: a.example.com"), "{said}");
}

#[test]
fn the_stick_of_another_vault_beside_it_changes_nothing_and_is_called_that() {
    let table = Table::backed_up(&EIGHT[..3]);
    let other = Table::with_vault_of_another(&["other.example.com"]);
    other.run(BACKUP).ended_with(0);
    let theirs = other.at("A").display().to_string();
    let beside = |line: &str| line.replace("--from {A}", &format!("--from {{A}} --from {theirs}"));
    let said = table
        .run(&beside(&format!("{RESTORE} --json")))
        .ended_with(8)
        .json();
    assert_eq!(held(&table, "restored").len(), 3);
    let doubts = said["doubts"].as_array().unwrap();
    assert_eq!(doubts.len(), 1, "{doubts:?}");
    assert!(doubts[0].as_str().unwrap().contains(&theirs), "{doubts:?}");
    let error = table
        .run(&format!("verify {theirs} --json"))
        .ended_with(7)
        .json();
    assert_eq!(error["error"]["id"], "error-not-our-vault");
    let fingerprints = error["error"]["cause"].as_str().unwrap().matches("SHA256:");
    assert_eq!(fingerprints.count(), 2);
}

#[test]
fn what_would_be_written_over_is_all_named_before_the_plan() {
    let table = Table::backed_up(&EIGHT[..3]);
    table.run(RESTORE).ended_with(0);
    for line in [
        format!("{RESTORE} --json"),
        RESTORE.replace("--yes", "--dry-run --json"),
    ] {
        let error = table.run(&line).ended_with(1).json()["error"].clone();
        assert_eq!(error["id"], "error-files-exist");
        assert_eq!(error["cause"].as_str().unwrap().lines().count(), 3);
    }
}

#[test]
fn a_path_to_the_folder_of_the_vault_or_into_it_means_its_stick() {
    let table = Table::backed_up(&EIGHT[..1]);
    for place in ["A/PFXVAULT", "A/PFXVAULT/A", "A/PFXVAULT/A/OWNER"] {
        let line = format!("verify {}", table.at(place).display());
        table.run(&line).ended_with(0);
    }
}

#[test]
fn what_is_served_again_is_written_again_and_keeps_its_name() {
    let table = Table::with_vault(&[]);
    let old = issue("www.example.com", KeyKind::P256, days_ago(300));
    let new = issue("www.example.com", KeyKind::P256, days_ago(2));
    for (number, pair) in (1..).zip([&old, &new, &old, &new]) {
        write(pair, &table.at("one.pfx"));
        let said = table.run(&format!("{ONE} --json")).ended_with(0).json();
        assert_eq!(said["generation"], number);
    }
    table.run(RESTORE).ended_with(0);
    let line = format!(
        "list --json --from pfx:{} --source-password-file {{pfx-password}}",
        table.at("restored/one.pfx").display()
    );
    let listed = table.run(&line).json();
    assert_eq!(
        listed["key_pairs"][0]["thumbprint"],
        Value::from(new.leaf().thumbprint())
    );
}

#[test]
fn another_name_of_the_file_is_a_change_each_time() {
    let table = Table::with_vault(&[]);
    let pair = issue("www.example.com", KeyKind::P256, days_ago(2));
    for (number, file) in (1..).zip(["one.pfx", "two.pfx", "one.pfx"]) {
        write(&pair, &table.at(file));
        let line = ONE.replace("one.pfx", file);
        let said = table.run(&format!("{line} --json")).ended_with(0).json();
        assert_eq!(said["generation"], number, "{file}");
    }
    table.run(RESTORE).ended_with(0);
    assert!(table.at("restored/one.pfx").exists());
}

#[test]
fn a_folder_without_key_pairs_is_never_called_backed_up() {
    let table = Table::backed_up(&EIGHT[..2]);
    fs::create_dir(table.at("empty")).unwrap();
    let line = BACKUP.replace("{server}", "{empty}");
    let error = table.run(&format!("{line} --json")).ended_with(1).json();
    assert_eq!(error["error"]["id"], "error-nothing-to-back-up");
}

#[test]
fn what_was_asked_for_and_lies_on_the_other_stick_is_said_to_lie_there() {
    let table = Table::backed_up(&EIGHT[..1]);
    table.stick("B");
    table.serve("other", &["x.example.org"]);
    table
        .run("media add {B} --accept other-medium=test")
        .ended_with(0);
    let other = BACKUP.replace("{server}", "{other}").replace("{A}", "{B}");
    table.run(&other).ended_with(0);
    let line = RESTORE.replace("restore ", "restore x.example.org --json ");
    let error = table.run(&line).ended_with(4).json()["error"].clone();
    assert_eq!(error["id"], "error-not-here");
    assert!(error["cause"].as_str().unwrap().contains('B'), "{error}");
    // What was on a stick that is lost is what was on it.
    let lost = table
        .run("media retire B --lost --dry-run --json")
        .ended_with(0)
        .json();
    let lost = lost["key_pairs"].as_array().unwrap();
    assert_eq!(lost.len(), 1, "{lost:?}");
    assert!(lost[0].as_str().unwrap().starts_with("x.example.org"));
}

#[test]
fn what_only_a_parcel_holds_is_waited_for_whatever_was_backed_up_since() {
    let table = Table::with_vault(&EIGHT[..1]);
    let parcel = BACKUP.replace("{A}", "parcel:{p}");
    table.run(&parcel).ended_with(0);
    table.serve("other", &["x.example.org"]);
    let other = BACKUP.replace("{server}", "{other}");
    table.run(&other).ended_with(0);
    let findings = || table.run(STATUS).json()["findings"].to_string();
    assert!(findings().contains("on-the-way"));
    table
        .run("copy --from parcel:{p} --to {A} --accept other-medium=test")
        .ended_with(0);
    assert!(!findings().contains("on-the-way"));
}

#[test]
fn what_is_gone_from_the_server_is_told_from_what_is_there_and_comes_back_all_the_same() {
    let table = Table::backed_up(&EIGHT[..3]);
    fs::remove_file(table.at("server/b.example.com.pfx")).unwrap();
    let said = table.run(&format!("{BACKUP} --json")).ended_with(0).json();
    assert_eq!(said["generation"], 2);
    let again = table.run(&format!("{BACKUP} --json")).ended_with(0).json();
    assert_eq!(again["generation"], Value::Null);
    let mut expected = in_generation(&["b.example.com"], 1);
    expected.extend(in_generation(&["a.example.com", "c.example.com"], 2));
    assert_eq!(counted(&table), sorted(expected));
    let status = table.run(STATUS).json()["findings"].to_string();
    assert!(status.contains("counts-older"), "{status}");
}

#[test]
fn two_sources_and_two_sticks_in_turn_do_not_write_for_ever() {
    let table = Table::with_vault(&EIGHT[..2]);
    table.stick("B");
    table
        .run("media add {B} --accept other-medium=test")
        .ended_with(0);
    table.serve("other", &["x.example.org"]);
    let mut written = Vec::new();
    for _ in 0..2 {
        for stick in ["{A}", "{B}"] {
            for source in ["{server}", "{other}"] {
                let line = BACKUP.replace("{server}", source).replace("{A}", stick);
                let said = table.run(&format!("{line} --json")).ended_with(0).json();
                written.push(said["generation"].as_u64());
            }
        }
    }
    let first = [Some(1), Some(2), Some(3), Some(4)];
    assert_eq!(written, [first, [None; 4]].concat());
}

/// The names in the finding of a medium.
fn found_on(table: &Table, id: &str, label: &str) -> Option<String> {
    let document = table.run(STATUS).json();
    let mut findings = document["findings"].as_array().unwrap().iter();
    let of_medium = |one: &&Value| {
        let text = one["text"].as_str().unwrap();
        one["id"] == id && text.contains(&format!("USB stick {label}"))
    };
    let found = findings.find(of_medium)?;
    Some(found["text"].as_str().unwrap().to_owned())
}

#[test]
fn a_stick_in_time_with_ended_certificates_only_needs_attention() {
    let table = Table::with_vault(&[]);
    let authority = Authority::new("Test", days_ago(400)).unwrap();
    let issue = |name: &str, when| authority.issue(&[name], KeyKind::P256, when).unwrap();
    back_up_one(&table, &issue("www.example.com", days_ago(400)));
    back_up_one(&table, &issue("shop.example.com", days_ago(300)));
    table.stick("B");
    table
        .run("media add {B} --accept other-medium=test")
        .ended_with(0);
    table
        .run("copy --from {A} --to {B} --accept other-medium=test")
        .ended_with(0);
    assert_eq!(found_on(&table, "renewed-since", "A"), None);
    // Both are renewed, and thirteen backups later the other stick still has the first ones alone.
    let to_b = ONE.replace("{A}", "{B}");
    for name in ["www.example.com", "shop.example.com"] {
        write(&issue(name, days_ago(2)), &table.at("one.pfx"));
        table.run(&to_b).ended_with(0);
    }
    for number in 1..=11 {
        let name = format!("s{number}.example.com");
        write(&issue(&name, days_ago(1)), &table.at("one.pfx"));
        table.run(&to_b).ended_with(0);
    }
    let ended = found_on(&table, "copies-ended", "A").unwrap();
    assert!(
        ended.contains("www.example.com") && !ended.contains("shop"),
        "{ended}"
    );
    let renewed = found_on(&table, "renewed-since", "A").unwrap();
    assert!(renewed.contains("2 of 2"), "{renewed}");
    for id in ["copies-ended", "renewed-since"] {
        assert_eq!(found_on(&table, id, "B"), None, "{id}");
    }
    table
        .run("copy --from {B} --to {A} --accept other-medium=test")
        .ended_with(0);
    assert_eq!(found_on(&table, "copies-ended", "A"), None);
}
