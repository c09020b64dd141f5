//! What a restore makes of files: under which names they come back, and what is said of
//! certificates that have ended.

use std::collections::BTreeMap;
use std::fs;

use crate::common::{BACKUP, PFX_PASSWORD, RESTORE, Table, held, says};
use jiff::{SignedDuration, Timestamp};
use pfx::Profile;
use pfxvault::keypair::KeyPair;
use pfxvault::keypair::throwaway::{Authority, KeyKind};
use pfxvault::keystore::pfx_of;
use secret::Password;
use serde_json::Value;

const LIST: &str = "list --json --source-password-file {pfx-password} --from folder:";
const EXPORT: &str = "export --from folder:{server} --source-password-file {pfx-password} --pfx-password-file {pfx-password} --to folder:{restored}";
const DRILL: &str = "drill --from {A} --recovery-key-file {recovery}";

/// A key pair that was issued so many days ago, for a year.
fn issued(name: &str, days_ago: i64) -> KeyPair {
    let then = Timestamp::now() - SignedDuration::from_hours(24 * days_ago);
    Authority::new("Test", then)
        .unwrap()
        .issue(&[name], KeyKind::P256, then)
        .unwrap()
}

/// With few rounds of key derivation: there are many of them.
fn put(table: &Table, file: &str, pair: &KeyPair) {
    let pfx = pfx_of(
        pair,
        &Password::new(PFX_PASSWORD.into()),
        Profile::Aes256,
        2000,
    )
    .unwrap();
    fs::create_dir_all(table.at("server")).unwrap();
    fs::write(table.at("server").join(file), pfx.expose()).unwrap();
}

/// Which certificate each file holds.
fn files(table: &Table, folder: &str) -> BTreeMap<String, String> {
    let document = table
        .run(&format!("{LIST}{{{folder}}}"))
        .ended_with(0)
        .json();
    let mut found = BTreeMap::new();
    for pair in document["key_pairs"].as_array().unwrap() {
        for file in pair["files"].as_array().unwrap() {
            found.insert(
                file.as_str().unwrap().to_owned(),
                pair["thumbprint"].to_string(),
            );
        }
    }
    found
}

/// As Japanese servers of old have them: EUC-JP, and none of it UTF-8.
#[test]
fn a_name_that_is_not_unicode_is_said_not_to_come_back() {
    use std::os::unix::ffi::OsStrExt;
    let table = Table::with_vault(&[]);
    put(&table, "x.pfx", &issued("www.example.com", 1));
    let name = std::ffi::OsStr::from_bytes(b"\xbe\xda.pfx");
    fs::rename(table.at("server/x.pfx"), table.at("server").join(name)).unwrap();
    table.run(BACKUP).ended_with(0);
    let said = table.run(RESTORE).ended_with(0);
    assert!(says(&said.out, "plan-renamed"), "{}", said.out);
    assert!(says(&said.out, "reason-name-unusable"), "{}", said.out);
    let restored = fs::read_dir(table.at("restored")).unwrap();
    let restored: Vec<_> = restored.map(|file| file.unwrap().file_name()).collect();
    assert_eq!(restored.len(), 1);
    let name = restored[0].to_str().unwrap();
    assert!(name.starts_with("www.example.com."), "{name}");
}

/// A folder in which the certificates of one host lie under all the names that people give them.
fn with_predecessors() -> Table {
    let table = Table::with_vault(&[]);
    put(
        &table,
        "www.example.com.pfx",
        &issued("www.example.com", 10),
    );
    for (days, file) in [
        (20, "www.example.com-old.pfx"),
        (30, "WWW.example.com - Copy.P12"),
        (40, "2025.pfx"),
        (50, "例え.pfx"),
        (60, "www.example.com.bak.pfx"),
        (70, "old_www.example.com.pfx"),
        (80, "www.example.com.2025.pfx"),
    ] {
        put(&table, file, &issued("www.example.com", days));
    }
    let shared = issued("shop.example.com", 10);
    ["shop.example.com.pfx", "shop.example.net.pfx"]
        .iter()
        .for_each(|file| put(&table, file, &shared));
    table
}

#[test]
fn a_folder_comes_back_file_for_file() {
    let table = with_predecessors();
    table.run(BACKUP).ended_with(0);
    table.run(RESTORE).ended_with(0);
    assert_eq!(files(&table, "restored"), files(&table, "server"));
}

#[test]
fn an_export_of_a_folder_keeps_its_names() {
    let table = with_predecessors();
    table.run(EXPORT).ended_with(0);
    assert_eq!(files(&table, "restored"), files(&table, "server"));
}

#[test]
fn pem_files_are_named_as_the_pfx_files_were() {
    let table = with_predecessors();
    table.run(BACKUP).ended_with(0);
    table
        .run("restore --from {A} --recovery-key-file {recovery} --to pem:{restored} --yes")
        .ended_with(0);
    for (file, thumbprint) in files(&table, "server") {
        let stem = file.rsplit_once('.').unwrap().0;
        fs::rename(
            table.at(&format!("restored/{stem}.crt")),
            table.at("leaf.crt"),
        )
        .unwrap();
        fs::rename(
            table.at(&format!("restored/{stem}.key")),
            table.at("leaf.key"),
        )
        .unwrap();
        let listed = table
            .run("list --json --from pem:{leaf.crt} --key {leaf.key}")
            .ended_with(0)
            .json();
        assert_eq!(
            listed["key_pairs"][0]["thumbprint"].to_string(),
            thumbprint,
            "{file}"
        );
    }
    assert_eq!(fs::read_dir(table.at("restored")).unwrap().count(), 0);
}

#[test]
fn a_predecessor_alone_does_not_take_the_served_name() {
    let table = with_predecessors();
    table.run(BACKUP).ended_with(0);
    let predecessor = files(&table, "server")["2025.pfx"].replace('"', "");
    table
        .run(&RESTORE.replace("restore ", &format!("restore {predecessor} ")))
        .ended_with(0);
    let restored: Vec<_> = fs::read_dir(table.at("restored"))
        .unwrap()
        .map(|file| file.unwrap().file_name())
        .collect();
    assert_eq!(restored, ["2025.pfx"]);
}

/// One key pair that is valid, one that ends soon, one that has ended and one that is not valid
/// yet.
fn with_ends() -> Table {
    let table = Table::with_vault(&[]);
    for (name, days) in [
        ("good.example.com", 10),
        ("soon.example.com", 350),
        ("ended.example.com", 400),
        ("early.example.com", -10),
    ] {
        put(&table, &format!("{name}.pfx"), &issued(name, days));
    }
    table.run(BACKUP).ended_with(0);
    table
}

fn end_of(table: &Table, name: &str) -> String {
    let document = table.run(&format!("{LIST}{{server}}")).json();
    let pair = document["key_pairs"]
        .as_array()
        .unwrap()
        .iter()
        .find(|pair| pair["names"][0] == name)
        .unwrap();
    pair["not_after"].as_str().unwrap()[..10].to_owned()
}

fn standings(document: &Value) -> BTreeMap<&str, &str> {
    let pairs = document["key_pairs"].as_array().unwrap();
    pairs
        .iter()
        .map(|pair| {
            (
                pair["name"].as_str().unwrap(),
                pair["standing"].as_str().unwrap(),
            )
        })
        .collect()
}

const STANDINGS: [(&str, &str); 4] = [
    ("good.example.com", "valid"),
    ("soon.example.com", "ends-soon"),
    ("ended.example.com", "expired"),
    ("early.example.com", "not-yet-valid"),
];

#[test]
fn a_rehearsal_says_what_has_ended_and_ends_in_8() {
    let table = with_ends();
    let said = table.run(DRILL).ended_with(8);
    assert!(
        said.out.contains("4 of 4") && said.out.contains("2 of 4 certificates are valid today"),
        "{}",
        said.out
    );
    assert!(
        said.out.contains(&format!(
            "expired on {}",
            end_of(&table, "ended.example.com")
        )),
        "{}",
        said.out
    );
    assert!(
        said.out.contains(&end_of(&table, "soon.example.com")),
        "{}",
        said.out
    );
    assert!(said.out.contains("not valid before"), "{}", said.out);
    let document = table.run(&format!("{DRILL} --json")).ended_with(8).json();
    assert_eq!(standings(&document), BTreeMap::from(STANDINGS));
    assert_eq!(document["valid_today"], 2);
    table
        .run(&format!("{DRILL} good.example.com"))
        .ended_with(0);
    table
        .run(&format!("{DRILL} soon.example.com"))
        .ended_with(0);
    table
        .run(&format!("{DRILL} ended.example.com"))
        .ended_with(8);
    table
        .run(&format!("{DRILL} early.example.com"))
        .ended_with(8);
}

#[test]
fn a_restore_says_what_has_ended_in_its_plan_and_in_its_result() {
    let table = with_ends();
    let ended = format!("expired on {}", end_of(&table, "ended.example.com"));
    let plan = table.run(&format!("{RESTORE} --dry-run")).ended_with(8);
    assert!(
        plan.out.contains(&ended) && plan.out.contains("2 of 4 certificates are valid today"),
        "{}",
        plan.out
    );
    assert!(!table.at("restored").exists());
    let said = table.run(RESTORE).ended_with(8);
    let (planned, result) = said.out.split_once("done:").unwrap();
    for part in [planned, result] {
        assert!(
            part.contains(&ended) && part.contains("not valid before"),
            "{part}"
        );
        assert!(!part.contains("in 0 days"), "{part}");
    }
    assert!(
        planned.contains(&end_of(&table, "good.example.com")),
        "{planned}"
    );
    assert!(
        result.contains("2 of 4 certificates are valid today"),
        "{result}"
    );
    assert_eq!(files(&table, "restored"), files(&table, "server"));
    let document = table
        .run(&format!("{RESTORE} --force --json"))
        .ended_with(8)
        .json();
    assert_eq!(standings(&document), BTreeMap::from(STANDINGS));
    assert_eq!(document["valid_today"], 2);
}

#[test]
fn what_was_asked_for_by_name_is_restored_with_a_word_and_no_more() {
    let table = with_ends();
    let line = RESTORE.replace("restore ", "restore ended.example.com ");
    let said = table.run(&line).ended_with(0);
    assert!(said.out.contains("expired on"), "{}", said.out);
    assert!(
        table
            .run(&format!("{line} --force --dry-run"))
            .ended_with(0)
            .out
            .contains("expired on")
    );
}

#[test]
fn an_export_says_what_has_ended() {
    let table = with_ends();
    let ended = format!("expired on {}", end_of(&table, "ended.example.com"));
    let said = table.run(EXPORT).ended_with(8);
    let (planned, result) = said.out.split_once("done:").unwrap();
    assert!(
        planned.contains("2 of 4 certificates are valid today")
            && result.contains("2 of 4 certificates are valid today"),
        "{}",
        said.out
    );
    assert!(
        planned.contains(&format!("), {ended} ->")) && result.contains(&ended),
        "{}",
        said.out
    );
    let one = EXPORT
        .replace("export ", "export ended.example.com ")
        .replace("{restored}", "{one}");
    assert!(table.run(&one).ended_with(0).out.contains(&ended));
}

#[test]
fn what_is_missing_counts_more_than_what_has_ended() {
    let table = with_ends();
    fs::write(table.at("server/broken.example.com.pfx"), b"not a PFX").unwrap();
    table.run(BACKUP).ended_with(3);
    assert!(table.run(RESTORE).ended_with(3).out.contains("expired on"));
}

#[test]
fn contents_mark_what_has_ended() {
    let table = with_ends();
    let said = table.run("contents --from {A}").ended_with(8);
    let line = |name: &str| {
        said.out
            .lines()
            .find(|line| line.contains(name))
            .unwrap()
            .to_owned()
    };
    assert!(
        line("ended.example.com").contains("expired"),
        "{}",
        said.out
    );
    assert!(
        line("ended.example.com").contains(&end_of(&table, "ended.example.com")),
        "{}",
        said.out
    );
    assert!(says(&said.out, "standing-headline"), "{}", said.out);
    assert!(
        says(&line("soon.example.com"), "cell-ends-soon"),
        "{}",
        said.out
    );
    assert!(
        !line("good.example.com").contains("expired"),
        "{}",
        said.out
    );
    assert!(
        says(&line("early.example.com"), "cell-not-yet-valid"),
        "{}",
        said.out
    );
    let document = table.run("contents --json --from {A}").ended_with(8).json();
    let pairs = document["servers"][0]["key_pairs"].as_array().unwrap();
    let ended = pairs
        .iter()
        .find(|pair| pair["about"]["names"][0] == "ended.example.com")
        .unwrap();
    assert_eq!(ended["standing"], "expired");
}

#[test]
fn a_plan_ends_as_the_restore_would() {
    let table = Table::backed_up(&["www.example.com"]);
    fs::create_dir(table.at("restored")).unwrap();
    fs::write(table.at("restored/www.example.com.pfx"), b"mine").unwrap();
    table.run(&format!("{RESTORE} --dry-run")).ended_with(1);
    table.run(RESTORE).ended_with(1);
    table
        .run(&format!("{RESTORE} --force --dry-run"))
        .ended_with(0);
    assert_eq!(
        fs::read(table.at("restored/www.example.com.pfx")).unwrap(),
        b"mine"
    );
}

#[test]
fn a_damaged_or_missing_copy_is_said_by_a_drill_and_a_restore_that_used_the_other() {
    for (damage, id) in [
        ("K0000001.AGE", "copy-bad"),
        ("RECORD.TXT", "copy-bad"),
        ("", "one-copy"),
    ] {
        let table = Table::backed_up(&["www.example.com"]);
        let folder = crate::common::generations(&table.at("A"), "B").remove(0);
        match damage {
            "" => fs::remove_dir_all(&folder).unwrap(),
            file => fs::write(folder.join(file), b"damaged").unwrap(),
        }
        let drill = table.run("drill --json --from {A} --recovery-key-file {recovery}");
        let drill = drill.ended_with(8).json();
        assert_eq!(drill["findings"][0]["id"], id, "{damage}: {drill}");
        assert_eq!(drill["key_pairs"][0]["proven"], true, "{damage}");
        let restored = table.run(RESTORE).ended_with(8);
        assert!(
            restored.out.contains("Nothing is lost yet"),
            "{}",
            restored.out
        );
        assert_eq!(held(&table, "restored").len(), 1, "{damage}");
    }
}

#[test]
fn a_backup_says_that_an_earlier_one_is_in_one_copy_only_until_a_copy_mends_it() {
    let table = Table::backed_up(&["www.example.com"]);
    table.run(&format!("{BACKUP} --force")).ended_with(0);
    let earlier = crate::common::generations(&table.at("A"), "B").remove(0);
    fs::remove_dir_all(earlier).unwrap();
    let said = table.run(&format!("{BACKUP} --force --json")).ended_with(8);
    assert_eq!(said.json()["findings"][0]["id"], "one-copy");
    table
        .run("copy --from {A} --to {A} --accept other-medium=test")
        .ended_with(0);
    table.run(&format!("{BACKUP} --force")).ended_with(0);
}
