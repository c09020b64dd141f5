//! What is safe, overdue or at risk, as people and monitoring are told, and the media that are
//! remembered for it.

use std::fs;
use std::path::Path;

use crate::common::tls_server::TlsServer;
use crate::common::{BACKUP, PFX_PASSWORD, Table, generations, says, tree};
use pfxvault::keypair::throwaway::{Authority, KeyKind};
use serde_json::Value;

const STATUS: &str = "status --json --from folder:{server} --source-password-file {pfx-password}";
const SECOND: &str = "backup --from folder:{server} --source-password-file {pfx-password} --to {B} --yes --accept other-medium=test";

/// The ids of what was found, sorted, without the notes.
fn urgent(document: &Value) -> Vec<String> {
    let findings = document["findings"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|finding| finding["level"] == "attention");
    let mut ids: Vec<String> = findings
        .map(|finding| finding["id"].as_str().unwrap().to_owned())
        .collect();
    ids.sort();
    ids
}

/// Changes host state as time or accidents would.
fn remembered(table: &Table, change: impl FnOnce(&mut Value)) {
    let path = table.at("state/state.json");
    let mut state: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    change(&mut state);
    fs::write(&path, serde_json::to_vec(&state).unwrap()).unwrap();
}

#[test]
fn a_server_without_a_vault_is_told_that_nothing_is_safe() {
    let table = Table::bare();
    assert_eq!(
        urgent(&table.run("status --json").ended_with(8).json()),
        ["not-enrolled"]
    );
    assert!(!table.at("state").exists(), "looking makes nothing");
}

#[test]
fn everything_is_well_once_two_sticks_hold_it_and_a_restore_was_rehearsed() {
    let table = Table::with_vault(&["www.example.com"]);
    assert_eq!(
        urgent(&table.run(STATUS).ended_with(8).json()),
        ["never-drilled", "no-backup", "not-on-a-medium"]
    );
    table.run(BACKUP).ended_with(0);
    assert_eq!(
        urgent(&table.run(STATUS).ended_with(8).json()),
        ["few-media", "never-drilled"]
    );
    table.stick("B");
    table.run(SECOND).ended_with(0);
    table
        .run("copy --from {B} --to {A} --accept other-medium=test")
        .ended_with(0);
    table.run("verify {A} {B}").ended_with(0);
    table
        .run("drill --from {A} --recovery-key-file {recovery}")
        .ended_with(0);
    let before = (tree(&table.at("state")), tree(&table.at("A")));
    let document = table
        .run(&format!("{STATUS} {{A}} {{B}}"))
        .ended_with(0)
        .json();
    assert_eq!(document["newest"]["generation"], 2);
    assert_eq!(
        document["findings"][0]["id"], "rule-set-aside",
        "what was set aside is said every time"
    );
    assert!(
        before == (tree(&table.at("state")), tree(&table.at("A"))),
        "it changes nothing"
    );
}

#[test]
fn a_key_pair_newer_than_every_stick_is_named() {
    let table = Table::backed_up(&["www.example.com"]);
    table.run("media policy --min-media 1").ended_with(0);
    table
        .run("drill --from {A} --recovery-key-file {recovery}")
        .ended_with(0);
    table.run(STATUS).ended_with(0);
    table.serve("server", &["new.example.com"]);
    let document = table.run(STATUS).ended_with(8).json();
    assert_eq!(urgent(&document), ["not-on-a-medium"]);
    assert!(
        document["findings"][0]["text"]
            .as_str()
            .unwrap()
            .contains("new.example.com")
    );
    fs::write(table.at("server/broken.pfx"), b"not a PFX").unwrap();
    assert_eq!(
        urgent(&table.run(STATUS).ended_with(8).json()),
        ["not-on-a-medium", "unreadable"]
    );
}

#[test]
fn what_is_overdue_is_said_from_the_day_on_which_it_is() {
    let table = Table::backed_up(&["www.example.com"]);
    table
        .run("media policy --min-media 1 --verify-every 3 --rewrite-after 12")
        .ended_with(0);
    table
        .run("drill --from {A} --recovery-key-file {recovery}")
        .ended_with(0);
    let long_ago = |months: i64| {
        let day = jiff::Timestamp::now().as_second() - months * 31 * 86_400;
        Value::String(jiff::Timestamp::from_second(day).unwrap().to_string())
    };
    let first = |state: &mut Value, months| {
        let media = state["media"].as_object_mut().unwrap();
        media
            .values_mut()
            .for_each(|medium| medium["first_seen"] = long_ago(months));
    };
    remembered(&table, |state| first(state, 2));
    table.run(STATUS).ended_with(0);
    remembered(&table, |state| first(state, 4));
    assert_eq!(
        urgent(&table.run(STATUS).ended_with(8).json()),
        ["check-due"]
    );
    remembered(&table, |state| {
        first(state, 13);
        state["generations"][0]["time"] = long_ago(4);
        state["drills"][0]["time"] = long_ago(13);
    });
    let found = urgent(&table.run(STATUS).ended_with(8).json());
    assert_eq!(
        found,
        ["backup-old", "check-due", "drill-due", "medium-old"]
    );
}

#[test]
fn a_check_counts_as_made_after_being_away_only_if_the_stick_was_away() {
    let table = Table::backed_up(&["www.example.com"]);
    let cold = |table: &Table| {
        let media = table.run("media list --json").ended_with(0).json()["media"].clone();
        media.as_object().unwrap().values().next().unwrap()["last_cold"].is_string()
    };
    table.run("verify {A}").ended_with(0);
    assert!(!cold(&table), "the cache may have answered");
    remembered(&table, |state| {
        let media = state["media"].as_object_mut().unwrap();
        media
            .values_mut()
            .for_each(|medium| medium["written_during"] = "another start of the system".into());
    });
    table.run("verify {A}").ended_with(0);
    assert_eq!(
        cold(&table),
        pfxvault::platform::media::attachment(&table.at("A")).is_some()
    );
}

#[test]
fn a_stick_that_is_not_there_and_one_that_went_back_in_time_are_told_apart() {
    let table = Table::backed_up(&["www.example.com"]);
    table.run("status {B}").ended_with(9);
    table.serve("server", &["new.example.com"]);
    table.run(BACKUP).ended_with(0);
    generations(&table.at("A"), "A")
        .into_iter()
        .chain(generations(&table.at("A"), "B"))
        .for_each(|folder| {
            if folder.ends_with("00000002") {
                fs::remove_dir_all(folder).unwrap();
            }
        });
    let found = urgent(&table.run("status {A} --json").ended_with(8).json());
    assert!(found.contains(&"rolled-back".to_owned()), "{found:?}");
}

#[test]
fn a_lost_stick_no_longer_counts_and_what_was_on_it_is_said() {
    let table = Table::backed_up(&["www.example.com"]);
    table.run("media retire B --lost --yes").ended_with(2);
    let dry = table.run("media retire A --lost --dry-run").ended_with(0);
    assert!(
        dry.out.contains("www.example.com (") && dry.out.contains("revoked"),
        "{}",
        dry.out
    );
    assert!(
        !urgent(&table.run(STATUS).ended_with(8).json()).contains(&"not-on-a-medium".to_owned())
    );
    table.run("media retire A --lost").ended_with(2);
    table.run("media retire A --lost --yes").ended_with(0);
    assert!(
        urgent(&table.run(STATUS).ended_with(8).json()).contains(&"not-on-a-medium".to_owned())
    );
    assert_eq!(
        table
            .run("media list")
            .ended_with(0)
            .out
            .matches("lost")
            .count(),
        1
    );
}

#[test]
fn the_private_keys_of_a_server_that_is_given_away_are_listed_until_they_are_gone() {
    let table = Table::backed_up(&["www.example.com"]);
    table.serve("server", &["new.example.com"]);
    let remaining = |line: &str| {
        let document = table.run(line).ended_with(8).json();
        let findings = document["findings"].as_array().unwrap().iter();
        let remaining = findings.filter(|finding| finding["id"] == "remains");
        remaining
            .map(|finding| finding["text"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert!(remaining(STATUS).is_empty(), "nobody gives it away");
    let listed = remaining(&format!("{STATUS} --handing-back"));
    assert_eq!(listed.len(), 2);
    assert!(
        listed
            .iter()
            .any(|text| text.contains("www.example.com") && text.contains("it is also on: A")),
        "{listed:?}"
    );
    assert!(
        listed
            .iter()
            .any(|text| text.contains("new.example.com") && says(text, "status-remains-unsaved")),
        "{listed:?}"
    );
    let server =
        table.run("servers list --json").ended_with(0).json()["servers"][0]["server"].clone();
    let retire = format!(
        "servers retire {} --to {{A}} --recovery-key-file {{recovery}}",
        server.as_str().unwrap()
    );
    table
        .run(&format!("{retire} --yes --accept other-medium=test"))
        .ended_with(0);
    assert_eq!(remaining(STATUS).len(), 2, "its right to write has ended");
    fs::remove_dir_all(table.at("server")).unwrap();
    fs::create_dir(table.at("server")).unwrap();
    assert!(remaining(STATUS).is_empty());
    table.run("status --handing-back").ended_with(2);
}

#[test]
fn what_is_sealed_but_on_no_stick_yet_is_at_risk() {
    let table = Table::backed_up(&["www.example.com"]);
    table.serve("server", &["new.example.com"]);
    table
        .run(&BACKUP.replace("{A}", "parcel:{p.zip}"))
        .ended_with(0);
    let found = urgent(&table.run(STATUS).ended_with(8).json());
    assert!(
        found.contains(&"on-the-way".to_owned()) && found.contains(&"not-on-a-medium".to_owned()),
        "{found:?}"
    );
    table
        .run("copy --from parcel:{p.zip} --to {A} --accept other-medium=test")
        .ended_with(0);
    let found = urgent(&table.run(STATUS).ended_with(8).json());
    assert!(
        !found.contains(&"on-the-way".to_owned()) && !found.contains(&"not-on-a-medium".to_owned()),
        "{found:?}"
    );
}

/// schtasks ends with "unable to switch the encoding" where the declaration names one that the file,
/// as Windows reads it, is not in.
#[test]
fn the_scheduled_task_names_no_encoding_and_is_in_all_of_them() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let task = fs::read_to_string(root.join("docs/schedule/pfxvault-status.xml")).unwrap();
    assert!(task.is_ascii() && task.starts_with("<?xml version=\"1.0\"?>"));
}

#[test]
fn what_a_tls_server_shows_is_held_against_the_certificates_of_this_server() {
    let table = Table::backed_up(&["www.example.com"]);
    table.serve("other", &["www.example.com"]);
    let export =
        "export --from folder:{server} --source-password-file {pfx-password} --to pem:{pem}";
    table.run(export).ended_with(0);
    let server = TlsServer::of(&table, "pem/www.example.com");
    let port = server.port;
    let shown = |folder: &str| {
        let line = format!("{STATUS} --tls 127.0.0.1:{port}")
            .replace("{server}", &format!("{{{folder}}}"));
        let document = table.run(&line).json();
        let found = document["findings"]
            .as_array()
            .unwrap()
            .iter()
            .find(|finding| finding["id"] == "tls")
            .cloned();
        found.unwrap()
    };
    let (ours, others) = (shown("server"), shown("other"));
    drop(server);
    assert!(
        ours["level"] == "note" && ours["text"].as_str().unwrap().contains("www.example.com"),
        "{ours}"
    );
    assert!(
        others["level"] == "attention" && says(others["text"].as_str().unwrap(), "tls-not-ours"),
        "{others}"
    );
    assert_eq!(
        shown("server")["level"],
        "attention",
        "nobody answers any more"
    );
    table.run("status --tls").ended_with(2);
    table.run("status --tls www.example.com:x").ended_with(2);
}

#[test]
fn damage_that_was_found_is_not_forgotten_while_the_stick_is_in_use() {
    let table = Table::backed_up(&["www.example.com"]);
    table.stick("B");
    table
        .run("copy --from {A} --to {B} --accept other-medium=test")
        .ended_with(0);
    table.run("verify {A}").ended_with(0);
    for half in ["A", "B"] {
        let generation = generations(&table.at("A"), half).pop().unwrap();
        fs::write(generation.join("K0000001.AGE"), b"damaged").unwrap();
    }
    table.run("verify {A}").ended_with(4);
    let found_bad = || {
        let status = table.run("status --json").json();
        let audit = table.run("audit --json --rules other-medium").json();
        let told = audit.to_string().contains("audit-found-bad");
        assert_eq!(
            status["findings"].to_string().contains("found-bad"),
            told,
            "{audit}"
        );
        told
    };
    assert!(found_bad());
    table
        .run("copy --from {B} --to {A} --accept other-medium=test")
        .ended_with(0);
    assert!(found_bad(), "nobody has looked yet");
    // Nothing is lost any more, and the stick is one that loses what it was given.
    table.run("verify {A}").ended_with(8);
    assert!(found_bad());
    table.run("media retire A --yes").ended_with(0);
    assert!(!found_bad());
}

/// The finding of that id, as a document shows it.
fn found(document: &Value, id: &str) -> Value {
    let findings = document["findings"].as_array().unwrap();
    let found = findings.iter().find(|finding| finding["id"] == id);
    found.unwrap_or_else(|| panic!("{document}")).clone()
}

fn day_in(days: i64) -> String {
    let day = pfxvault::message::local_day(jiff::Timestamp::now());
    day.checked_add(jiff::Span::new().days(days))
        .unwrap()
        .to_string()
}

/// Moves the last day of everything that was put to rest into the past.
fn as_if_over(table: &Table) {
    remembered(table, |state| {
        let rested = state["at_rest"].as_object_mut().unwrap();
        rested
            .values_mut()
            .for_each(|one| one["until"] = day_in(-1).into());
    });
}

#[test]
fn what_was_put_to_rest_stays_visible_is_no_alarm_until_its_day_and_comes_back_after_it() {
    let table = Table::backed_up(&["www.example.com"]);
    let rest = format!(
        "--accept few-media=second-stick-ordered --accept never-drilled=planned --until {}",
        day_in(30)
    );
    let document = table.run(&format!("{STATUS} {rest}")).ended_with(0).json();
    let few = found(&document, "few-media");
    assert_eq!(few["severity"], "at-risk");
    assert_eq!(few["level"], "note");
    assert_eq!(few["at_rest"]["reason"], "second-stick-ordered");
    assert_eq!(few["at_rest"]["until"], day_in(30));
    let shown = table.run(&STATUS.replace("--json ", "")).ended_with(0);
    assert!(shown.out.contains(&day_in(30)) && says(&shown.out, "status-at-rest"));
    // It holds for `audit`, too.
    assert_eq!(copies(&table), "set-aside");
    as_if_over(&table);
    let document = table.run(STATUS).ended_with(8).json();
    assert_eq!(urgent(&document), ["few-media", "never-drilled"]);
    assert_eq!(copies(&table), "attention");
}

/// What `audit` makes of it that there are too few copies.
fn copies(table: &Table) -> String {
    let audit = table.run("audit --json --rules other-medium").json();
    let evidence = audit["rules"][0]["evidence"].as_array().unwrap();
    let copies = evidence.iter().find(|one| one["id"] == "audit-copies");
    copies.unwrap()["level"].as_str().unwrap().to_owned()
}

#[test]
fn it_comes_back_when_the_facts_change_and_one_of_several_is_named_by_its_key() {
    let table = Table::backed_up(&["www.example.com"]);
    table
        .run("drill --from {A} --recovery-key-file {recovery}")
        .ended_with(0);
    let until = day_in(30);
    let few = found(&table.run(STATUS).ended_with(8).json(), "few-media");
    let key = few["key"].as_str().unwrap();
    table
        .run(&format!("{STATUS} --accept {key}=known --until {until}"))
        .ended_with(0);
    table.serve("server", &["new.example.com"]);
    table.run(BACKUP).ended_with(0);
    assert_eq!(
        urgent(&table.run(STATUS).ended_with(8).json()),
        ["few-media"],
        "one key pair more is on one stick only"
    );
    table
        .run(&format!(
            "audit --rules other-medium --accept few-media=known --until {until}"
        ))
        .ended_with(8);
    table.run(STATUS).ended_with(0);
}

#[test]
fn nothing_is_put_to_rest_for_ever_or_past_its_certificates_end_or_under_a_wrong_name() {
    let table = Table::backed_up(&["www.example.com"]);
    let until = day_in(30);
    for (line, id) in [
        (
            format!("{STATUS} --accept few-media=known"),
            "error-rest-without-end",
        ),
        (
            format!("{STATUS} --accept few-medai=known --until {until}"),
            "error-no-finding",
        ),
        (
            format!(
                "list --from folder:{{server}} --json --accept few-media=known --until {until}"
            ),
            "error-unknown-rule",
        ),
        (
            format!("{STATUS} --accept few-media=known --until {}", day_in(400)),
            "error-until",
        ),
    ] {
        let said = table.run(&line).ended_with(2);
        let document: Value = serde_json::from_str(&said.out).unwrap();
        assert_eq!(document["error"]["id"], id, "{line}");
    }
    let begin = jiff::Timestamp::now() - jiff::SignedDuration::from_hours(24 * 200);
    let authority = Authority::new("Test", begin).unwrap();
    let pair = authority.issue(&["new.example.com"], KeyKind::P256, begin);
    table.write_pairs(PFX_PASSWORD, "server", &[pair.unwrap()]);
    let until = day_in(364);
    let document = table
        .run(&format!(
            "{STATUS} --accept not-on-a-medium=known --until {until}"
        ))
        .ended_with(8)
        .json();
    let rested = found(&document, "not-on-a-medium")["at_rest"]["until"].clone();
    let rested = rested.as_str().unwrap();
    assert!(
        rested < until.as_str() && rested > day_in(1).as_str(),
        "{rested}"
    );
}

#[test]
fn what_is_lost_cannot_be_put_to_rest_and_what_is_foreign_only_for_exactly_those_bytes() {
    let table = Table::backed_up(&["www.example.com"]);
    let until = day_in(30);
    // Somebody without the right to write leaves a folder of its own.
    let folder = table.at("A/PFXVAULT/A/AAAAAAAA/00000001");
    fs::create_dir_all(&folder).unwrap();
    for name in ["RECORD.TXT", "RECORD.SIG"] {
        fs::write(folder.join(name), b"somebody").unwrap();
    }
    let said = table.run("verify {A} --json");
    if said.code != 10 {
        panic!("{}", said.out);
    }
    let foreign = found(&said.json(), "foreign");
    assert_eq!(
        (&foreign["severity"], &foreign["level"]),
        (&"forged".into(), &"attention".into())
    );
    table
        .run(&format!(
            "verify {{A}} --accept foreign=known --until {until}"
        ))
        .ended_with(0);
    table.run(BACKUP).ended_with(0);
    fs::write(folder.join("RECORD.TXT"), b"somebody else").unwrap();
    table.run("verify {A}").ended_with(10);
    fs::remove_dir_all(&folder).unwrap();
    for half in ["A", "B"] {
        let generation = generations(&table.at("A"), half).pop().unwrap();
        fs::write(generation.join("K0000001.AGE"), b"damaged").unwrap();
    }
    let lost = table.run(&format!(
        "verify {{A}} --json --accept file-lost=known --until {until}"
    ));
    let document: Value = serde_json::from_str(&lost.ended_with(2).out).unwrap();
    assert_eq!(document["error"]["id"], "error-not-to-rest");
}

#[test]
fn damage_on_one_stick_is_not_said_of_the_other_that_was_checked_with_it() {
    let table = Table::backed_up(&["www.example.com"]);
    table.stick("B");
    table.run(SECOND).ended_with(0);
    let file = generations(&table.at("A"), "A")[0].join("K0000001.AGE");
    let mut bytes = fs::read(&file).unwrap();
    bytes[90] ^= 1;
    fs::write(&file, bytes).unwrap();
    table.run("verify {A} {B}").ended_with(8);
    let status = table.run(STATUS).json();
    let findings = status["findings"].as_array().unwrap().iter();
    let found: Vec<_> = findings.filter(|one| one["id"] == "found-bad").collect();
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0]["text"].as_str().unwrap().contains("\"A\""),
        "{found:?}"
    );
}
