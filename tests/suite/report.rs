//! `report`: the whole shop in numbers and on a page.

use std::fs;

use serde_json::Value;

use crate::common::{BACKUP, PFX_PASSWORD, Table};
use pfxvault::keypair::throwaway::{Authority, KeyKind};

const NAMES: [&str; 2] = ["www.example.com", "mail.example.org"];
/// Where stick B is kept, as somebody wrote it.
const HOSTILE: &str = "<img/src=x>&\"'";

/// One list of labels for each key pair of a server.
fn labels(document: &Value, server: &str, list: &str) -> Vec<Value> {
    let servers = document["servers"].as_array().unwrap();
    let is_it = |one: &&Value| one["server_name"] == server;
    let server = servers.iter().find(is_it).unwrap();
    let key_pairs = server["key_pairs"].as_array().unwrap();
    key_pairs.iter().map(|pair| pair[list].clone()).collect()
}

/// A vault of two servers, on sticks A and B.
fn two_servers() -> Table {
    let table = Table::bare();
    table.stick("A");
    table.stick("B");
    table.serve("server", &NAMES);
    table.serve("other", &["shop.example.com"]);
    let aside = "--passphrase-file {passphrase} --accept other-medium=test";
    let lines = [
        format!("create {{A}} --recovery-key-file {{recovery}} --server-name WEB01 {aside}"),
        BACKUP.to_owned(),
        format!("servers join {{A}} --server-name WEB02 --state {{other-state}} {aside}"),
        "backup --from folder:{other} --to {A} --source-password-file {pfx-password} --accept other-medium=test \
         --state {other-state}"
            .to_owned(),
        format!("media add {{B}} --place {HOSTILE} --accept other-medium=test"),
        "copy --from {A} --to {B} --accept other-medium=test".to_owned(),
    ];
    for line in lines {
        let said = table.run(&line);
        assert!([0, 8].contains(&said.code), "{line}: {}", said.err);
    }
    table
}

#[test]
fn each_key_pair_is_counted_on_the_sticks_that_have_it() {
    let table = two_servers();
    let secret = "--passphrase-file {passphrase} --json";
    let both = table
        .run(&format!("report {{A}} {{B}} {secret}"))
        .ended_with(8)
        .json();
    for (server, pairs) in [("WEB01", 2), ("WEB02", 1)] {
        assert_eq!(
            labels(&both, server, "media"),
            vec![serde_json::json!(["A", "B"]); pairs]
        );
        assert_eq!(
            labels(&both, server, "too_few"),
            vec![Value::from(false); pairs]
        );
    }
    let one = table
        .run(&format!("report {{A}} {secret}"))
        .ended_with(8)
        .json();
    assert_eq!(
        labels(&one, "WEB01", "media")[0],
        serde_json::json!(["A", "B"])
    );
    let unknown = (
        labels(&one, "WEB02", "media"),
        labels(&one, "WEB02", "unknown"),
    );
    let (a, b) = (serde_json::json!(["A"]), serde_json::json!(["B"]));
    assert_eq!(
        unknown,
        (vec![a], vec![b]),
        "WEB01 does not know what of WEB02 is on B"
    );
    let due = both["due"].as_array().unwrap();
    let count = |id: &str| due.iter().filter(|due| due["id"] == id).count();
    assert_eq!(
        ["backup", "check", "replace", "drill"].map(count),
        [2, 2, 2, 1]
    );
}

#[test]
fn a_damaged_copy_is_no_copy() {
    let table = two_servers();
    for half in ["A", "B"] {
        for folder in crate::common::generations(&table.at("B"), half) {
            fs::write(folder.join("K0000001.AGE"), "damaged").unwrap();
        }
    }
    let line = "report {A} {B} --passphrase-file {passphrase} --json";
    let document = table.run(line).ended_with(8).json();
    assert_eq!(
        labels(&document, "WEB02", "media"),
        vec![serde_json::json!(["A"])]
    );
    assert_eq!(
        labels(&document, "WEB02", "too_few"),
        vec![Value::from(true)]
    );
}

#[test]
fn this_server_is_in_it_even_where_the_stick_has_nothing_of_it() {
    let table = two_servers();
    table.stick("C");
    table
        .run("media add {C} --accept other-medium=test --state {other-state}")
        .ended_with(0);
    let back_up = "backup --from folder:{other} --to {C} --source-password-file {pfx-password} --accept other-medium=test \
                   --state {other-state} --force";
    table.run(back_up);
    let line = "report {C} --passphrase-file {passphrase} --json";
    let document = table.run(line).ended_with(8).json();
    assert_eq!(document["servers"].as_array().unwrap().len(), 2);
    assert_eq!(
        labels(&document, "WEB01", "media"),
        vec![serde_json::json!(["A", "B"]); 2]
    );
}

#[test]
fn without_a_stick_it_is_what_this_server_remembers() {
    let table = two_servers();
    let document = table.run("report --json").ended_with(8).json();
    assert_eq!(document["servers"].as_array().unwrap().len(), 1);
    assert_eq!(
        labels(&document, "WEB01", "media"),
        vec![serde_json::json!(["A", "B"]); 2]
    );
    Table::bare().run("report").ended_with(7);
}

#[test]
fn the_page_stands_by_itself_in_both_languages() {
    let table = two_servers();
    for (language, title) in [("en", "USB sticks and what is due"), ("ja", "キーペア一覧")] {
        let line = format!(
            "report {{A}} --passphrase-file {{passphrase}} --html {{page-{language}}} --lang {language}"
        );
        table.run(&line).ended_with(8);
        let html = fs::read_to_string(table.at(&format!("page-{language}"))).unwrap();
        assert!(html.contains(&format!("<html lang=\"{language}\">")) && html.contains(title));
        for outside in [
            "<script", "<img", "<link", "src=\"", "href=", "url(", "http:", "https:",
        ] {
            assert!(!html.contains(outside), "{outside}");
        }
        assert!(html.contains("&lt;img/src=x&gt;&amp;&quot;&#39;"), "{html}");
        for name in NAMES.iter().chain(&["shop.example.com", "WEB01", "WEB02"]) {
            assert!(html.contains(name), "{name}");
        }
        table.run(&line).ended_with(1);
    }
}

#[test]
fn a_backup_is_due_when_its_first_certificate_ends_whoever_says_so() {
    let table = Table::with_vault(&[]);
    let when = jiff::Timestamp::now() - jiff::SignedDuration::from_hours(24 * 355);
    let authority = Authority::new("Test", when).unwrap();
    let pair = authority.issue(&["www.example.com"], KeyKind::P256, when);
    table.write_pairs(PFX_PASSWORD, "server", &[pair.unwrap()]);
    table.run(BACKUP).ended_with(0);
    let contents = table.run("contents --from {A} --json").json();
    let end = &contents["servers"][0]["key_pairs"][0]["about"]["not_after"];
    let day = &end.as_str().unwrap()[..10];
    assert_eq!(contents["servers"][0]["due"], day, "contents");
    for line in [
        "report {A} --recovery-key-file {recovery} --json",
        "report --json",
        "audit {A} --json",
    ] {
        assert_eq!(table.run(line).json()["servers"][0]["due"], day, "{line}");
    }
}
