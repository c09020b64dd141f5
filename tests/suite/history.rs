//! Copies, swapped and re-made sticks, and servers that were set back: what was there before
//! against what is there now.
//!
//! | happens to a medium or a server | a host that remembers | a fresh machine | shown here or in |
//! | --- | --- | --- | --- |
//! | a key pair injected, an unknown signer | `foreign` | `foreign` | forgery.rs |
//! | files swapped between generations or servers | `file-lost`, catalog refused | the same | forgery.rs |
//! | newest generations deleted, an older image put back | `rolled-back` | `overdue` in time | forgery.rs |
//! | a copy, plugged in beside the original | `copies` | `copies` | here |
//! | a copy, plugged in instead of the original | `other-device`, if older also `rolled-back` | nothing | here |
//! | formatted, filled anew | `remade`, also in `status` without the stick | nothing | here |
//! | another stick under a known label | `same-label` | nothing | here |
//! | a server set back or copied: a number given out twice | `not-by-this-state`, `fork` | `fork`, `prev-contradiction` | here, forgery.rs |
//! | README.TXT edited | `readme-unknown` | `readme-unknown`; by hand nothing shows it | forgery.rs |
//! | a recipient or way in of a stranger's, one that would start a plugin | `bad-statement`, `identity-unknown`, not spread | the same | forgery.rs, crates/vault/src/trust.rs |
//! | 2 GB record, scrypt factor 30 | refused by size or factor | the same | forgery.rs |

use std::fs;
use std::process::Command;
use std::sync::OnceLock;

use crate::common::plugged::{Stick, with_plugged};
use crate::common::{RESTORE, Said, Table, generations, held, says, tree};
use serde_json::Value;

const A: Stick<'_> = Stick {
    files: "a",
    serial: "4C53",
    numbered: true,
};
const COPY: Stick<'_> = Stick {
    files: "copy",
    serial: "9999",
    numbered: true,
};
const BACKUP: &str =
    "backup --from folder:{server} --source-password-file {pfx-password} --force --json --to";

/// A server whose vault is on stick A and holds one generation; its host state knows the device.
fn backed_up() -> Table {
    static MADE: OnceLock<Table> = OnceLock::new();
    let made = MADE.get_or_init(|| {
        let table = Table::bare();
        table.serve("server", &["www.example.com"]);
        let create = "create {A} --passphrase-file {passphrase} --recovery-key-file {recovery}";
        with_plugged(&table, &[("A", A)], create).ended_with(0);
        with_plugged(&table, &[("A", A)], &format!("{BACKUP} {{A}}")).ended_with(0);
        table
    });
    let table = Table {
        folder: tempfile::tempdir().unwrap(),
    };
    duplicate(made, ".", &table.at(".").display().to_string());
    table
}

/// What Explorer or `dd` makes of a stick.
fn duplicate(table: &Table, from: &str, to: &str) {
    assert!(
        Command::new("cp")
            .arg("-a")
            .args([table.at(from), table.at(to)])
            .status()
            .unwrap()
            .success()
    );
}

fn found(said: &Said) -> Vec<(String, String)> {
    let document = said.json();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    document["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|found| (text(&found["id"]), text(&found["text"])))
        .collect()
}

#[track_caller]
fn finds(said: Said, code: i32, ids: &[&str]) -> Vec<(String, String)> {
    let said = said.ended_with(code);
    let found = found(&said);
    let mut seen: Vec<&str> = found.iter().map(|(id, _)| id.as_str()).collect();
    seen.sort_unstable();
    assert_eq!(seen, ids, "{}", said.out);
    found
}

fn verify(table: &Table, sticks: &[(&str, Stick<'_>)]) -> Said {
    let media: Vec<String> = sticks.iter().map(|(at, _)| format!("{{{at}}}")).collect();
    with_plugged(table, sticks, &format!("verify --json {}", media.join(" ")))
}

#[test]
fn a_medium_is_remembered_with_what_its_device_says_of_itself() {
    let table = backed_up();
    let document = table.run("media list --json").ended_with(0).json();
    let seen = document["media"]
        .as_object()
        .unwrap()
        .values()
        .next()
        .unwrap();
    let device = serde_json::json!({ "model": "SanDisk Ultra", "serial": "4C53", "size": 31_914_983_424_u64, "volume": null });
    assert_eq!(seen["devices"], serde_json::json!([device]));
    assert!(
        table
            .run("media list")
            .out
            .contains("A: SanDisk Ultra, 31.9 GB, S/N 4C53")
    );
    finds(verify(&table, &[("A", A)]), 0, &[]);
}

#[test]
fn of_two_copies_side_by_side_the_newest_is_named() {
    let table = backed_up();
    duplicate(&table, "a", "copy");
    let both = [("A", A), ("F", COPY)];
    let same = finds(verify(&table, &both), 8, &["copies", "other-device"]);
    assert!(
        same.iter().any(|(_, text)| says(text, "found-copies-same")),
        "{same:?}"
    );
    with_plugged(&table, &[("F", COPY)], &format!("{BACKUP} {{F}}")).ended_with(0);
    let older = finds(verify(&table, &both), 8, &["copies", "other-device"]);
    let newest = format!("The newest of the two is {}:", table.at("F").display());
    assert!(
        older.iter().any(|(_, text)| text.contains(&newest)),
        "{older:?}"
    );
    // Whoever knows nothing sees it as well.
    let fresh = with_plugged(&table, &both, "verify --json {A} {F} --state {fresh}");
    finds(fresh, 8, &["copies", "not-pinned"]);
    // One place under two names is no copy.
    finds(table.run("verify --json {copy} {copy/}"), 0, &[]);
}

#[test]
fn copies_that_went_apart_are_brought_together_both_ways() {
    let table = backed_up();
    duplicate(&table, "a", "copy");
    let join = "servers join {F} --state {two} --server-name TWO --recovery-key-file {recovery}";
    with_plugged(&table, &[("F", COPY)], join).ended_with(0);
    with_plugged(
        &table,
        &[("F", COPY)],
        &format!("{BACKUP} {{F}} --state {{two}}"),
    )
    .ended_with(0);
    with_plugged(&table, &[("A", A)], &format!("{BACKUP} {{A}}")).ended_with(0);
    let said = with_plugged(
        &table,
        &[("A", A), ("F", COPY)],
        "verify --json {A} {F} --state {fresh}",
    );
    let apart = finds(said, 8, &["copies", "not-pinned"]);
    assert!(
        apart[0]
            .1
            .contains("Each holds backups that the other one does not"),
        "{apart:?}"
    );
}

#[test]
fn a_copy_in_place_of_the_original_is_named_once_and_again_only_as_a_note() {
    let table = backed_up();
    duplicate(&table, "a", "copy");
    let swapped = finds(verify(&table, &[("A", COPY)]), 8, &["other-device"]);
    assert!(
        swapped[0].1.contains("S/N 4C53") && swapped[0].1.contains("S/N 9999"),
        "{swapped:?}"
    );
    finds(verify(&table, &[("A", COPY)]), 0, &[]);
    finds(verify(&table, &[("A", A)]), 0, &["other-device"]);
    assert!(says(&table.run("media list").out, "found-alternating"));
    assert!(table.run("status --json").out.contains("\"alternating\""));
}

#[test]
fn an_older_copy_is_named_by_every_command_and_still_restores() {
    let table = backed_up();
    duplicate(&table, "a", "copy");
    with_plugged(&table, &[("A", A)], &format!("{BACKUP} {{A}}")).ended_with(0);
    let status = with_plugged(&table, &[("A", COPY)], "status --json {A}").ended_with(8);
    let ids: Vec<String> = found(&status).into_iter().map(|(id, _)| id).collect();
    assert!(
        ["rolled-back", "other-device"]
            .iter()
            .all(|id| ids.iter().any(|found| found == id)),
        "{ids:?}"
    );
    let restore = with_plugged(&table, &[("A", COPY)], RESTORE);
    assert_eq!(restore.code, 8, "said and not forbidden: {}", restore.err);
    assert_eq!(held(&table, "restored"), held(&table, "server"));
    let backup = with_plugged(&table, &[("A", COPY)], &format!("{BACKUP} {{A}}"));
    finds(backup, 8, &["other-device", "rolled-back"]);
    finds(
        with_plugged(&table, &[("A", COPY)], &format!("{BACKUP} {{A}}")),
        0,
        &[],
    );
}

#[test]
fn a_copy_becomes_a_stick_of_its_own() {
    let table = backed_up();
    duplicate(&table, "a", "copy");
    verify(&table, &[("A", COPY)]).ended_with(8);
    with_plugged(&table, &[("A", A)], &format!("{BACKUP} {{A}}")).ended_with(0);
    let before = tree(&table.at("copy"));
    with_plugged(&table, &[("F", COPY)], "media add {F} --label B").ended_with(0);
    let after = tree(&table.at("copy"));
    let changed: Vec<_> = after
        .iter()
        .filter(|(path, bytes)| before.get(*path) != Some(bytes))
        .collect();
    assert!(
        matches!(changed.as_slice(), [(path, _)] if path.ends_with("MEDIUM.TXT")),
        "{changed:?}"
    );
    finds(verify(&table, &[("A", A), ("F", COPY)]), 0, &[]);
    let list = table.run("media list").ended_with(0).out;
    assert!(
        list.contains("B: SanDisk") && !list.contains("in turn"),
        "{list}"
    );
    // The original is none, nor is what another vault's owner made.
    with_plugged(&table, &[("A", A)], "media add {A}").ended_with(1);
}

#[test]
fn a_stick_that_was_formatted_is_known_by_its_device() {
    let table = backed_up();
    fs::remove_dir_all(table.at("a")).unwrap();
    let empty = with_plugged(&table, &[("A", A)], "verify {A}").ended_with(7);
    assert!(empty.out.contains("was USB stick \"A\""), "{}", empty.out);
    let added = with_plugged(&table, &[("A", A)], "media add {A} --label B").ended_with(0);
    assert!(
        added.out.contains("pfxvault media retire \"A\""),
        "{}",
        added.out
    );
    with_plugged(&table, &[("A", A)], &format!("{BACKUP} {{A}}")).ended_with(0);
    finds(verify(&table, &[("A", A)]), 0, &[]);
}

#[test]
fn a_stick_that_was_filled_with_another_one_is_known_by_its_device() {
    let table = backed_up();
    with_plugged(&table, &[("B", COPY)], "media add {B}").ended_with(0);
    fs::remove_dir_all(table.at("a")).unwrap();
    duplicate(&table, "copy", "a");
    let ids = ["other-device", "remade"];
    finds(verify(&table, &[("A", A)]), 8, &ids);
}

#[test]
fn sticks_of_one_make_that_share_a_serial_number_are_no_alarm_once_both_are_known() {
    let table = backed_up();
    let twin = Stick { files: "twin", ..A };
    with_plugged(&table, &[("B", twin)], "media add {B}").ended_with(0);
    with_plugged(&table, &[("B", twin)], &format!("{BACKUP} {{B}}")).ended_with(0);
    finds(verify(&table, &[("B", twin)]), 0, &[]);
    // Until the first one is seen again, it may have been formatted to be the second.
    let status = || {
        found(&table.run("status --json").ended_with(8))
            .iter()
            .any(|(id, _)| id == "remade")
    };
    assert!(status());
    finds(verify(&table, &[("A", A)]), 0, &[]);
    assert!(!status());
    finds(verify(&table, &[("B", twin)]), 0, &[]);
}

#[test]
fn another_stick_under_a_known_label_is_pointed_out() {
    let table = backed_up();
    let other = "copy --from {A} --to {B} --state {fresh}";
    with_plugged(&table, &[("A", A), ("B", COPY)], other).ended_with(0);
    let label = fs::read_to_string(table.at("copy/PFXVAULT/MEDIUM.TXT")).unwrap();
    let own = label.lines().last().unwrap().to_owned();
    fs::write(
        table.at("copy/PFXVAULT/MEDIUM.TXT"),
        label.replace(&own, "label A"),
    )
    .unwrap();
    finds(verify(&table, &[("B", COPY)]), 0, &["same-label"]);
    finds(verify(&table, &[("B", COPY)]), 0, &[]);
}

#[test]
fn a_server_that_was_set_back_is_told_by_its_next_backup_and_no_number_stands_twice() {
    let table = backed_up();
    let image = tree(&table.at("state"));
    with_plugged(&table, &[("A", A)], &format!("{BACKUP} {{A}}")).ended_with(0);
    image
        .iter()
        .for_each(|(path, bytes)| fs::write(path, bytes).unwrap());
    let set_back = with_plugged(&table, &[("A", A)], &format!("{BACKUP} {{A}}"));
    let told = finds(set_back, 8, &["not-by-this-state"]);
    assert!(told[0].1.contains("checkpoint"), "{told:?}");
    finds(
        with_plugged(&table, &[("A", A)], &format!("{BACKUP} {{A}}")),
        0,
        &[],
    );
    assert_eq!(generations(&table.at("a"), "A").len(), 4);
    // A check says it as long as that generation is there.
    finds(verify(&table, &[("A", A)]), 8, &["not-by-this-state"]);
}

/// A lost stick that turns up again: it is named until it is taken back, and then counts again.
#[test]
fn a_stick_that_was_lost_and_found_counts_again_only_when_that_is_said() {
    let table = backed_up();
    let on_a = |line: &str| with_plugged(&table, &[("A", A)], line);
    on_a("media retire A --lost --yes").ended_with(0);
    // Lost it stays, whatever else is said of it.
    let again = on_a("media retire A --yes --json").ended_with(0).json();
    assert_eq!(again["lost"], true);
    on_a("media retire A --undo --dry-run").ended_with(2);
    let written = on_a(&format!("{BACKUP} {{A}}")).ended_with(8);
    assert!(written.out.contains("\"out-of-use\""));
    let added = on_a("media add {A}").ended_with(1);
    assert!(
        added.err.contains("media retire \"A\" --undo"),
        "{}",
        added.err
    );
    on_a("media retire A --undo --lost").ended_with(2);
    let taken_back = on_a("media retire A --undo --json").ended_with(0);
    assert_eq!(taken_back.json()["label"], "A");
    assert!(
        taken_back.err.contains("pfxvault verify"),
        "{}",
        taken_back.err
    );
    on_a("media retire A --undo").ended_with(2);
    on_a(&format!("{BACKUP} {{A}}")).ended_with(0);
}
