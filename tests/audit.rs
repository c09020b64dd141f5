//! `audit`: each rule with its evidence, the exit code, and a page that stands by itself.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test")]

mod common;

use std::fs;

use common::{BACKUP, Table};
use serde_json::Value;

const NAMES: [&str; 2] = ["www.example.com", "mail.example.org"];

/// Verdict of a rule, and the ids of its evidence.
fn rule(document: &Value, id: &str) -> (String, Vec<String>) {
    let rule = document["rules"].as_array().unwrap().iter().find(|rule| rule["rule"] == id).unwrap();
    let ids = rule["evidence"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap().to_owned());
    (rule["verdict"].as_str().unwrap().to_owned(), ids.collect())
}

fn has(document: &Value, id: &str, evidence: &str) -> bool {
    rule(document, id).1.iter().any(|one| one == evidence)
}

#[test]
fn without_a_vault_the_rule_on_backups_is_broken() {
    let document = Table::bare().run("audit --json").ended_with(8).json();
    assert_eq!(rule(&document, "other-medium"), ("broken".into(), vec!["audit-no-vault".into()]));
    assert_eq!(rule(&document, "no-email").0, "unknown");
}

#[test]
fn what_is_overdue_is_named_and_what_was_done_since_is_not() {
    let table = Table::backed_up(&NAMES);
    let before = table.run("audit {A} --json").ended_with(8).json();
    assert!(has(&before, "password-kept", "audit-no-drill"), "{before}");
    assert!(has(&before, "other-medium", "audit-never-checked"), "{before}");
    assert!(has(&before, "other-medium", "audit-set-aside"), "the reason is on record: {before}");
    let server = &before["servers"][0];
    assert_eq!((server["generation"].as_u64(), server["key_pairs"].as_u64()), (Some(1), Some(NAMES.len() as u64)));
    assert!(server["due"].is_string() && before["servers"].as_array().unwrap().len() == 1);
    table.run("drill --from {A} --recovery-key-file {recovery}").ended_with(0);
    table.run("verify {A}").ended_with(0);
    let after = table.run("audit {A} --json").ended_with(8).json();
    assert_eq!(rule(&after, "password-kept").0, "kept");
    assert!(has(&after, "other-medium", "audit-checked"), "{after}");
    assert_eq!(rule(&after, "other-medium").0, "attention", "one stick is not enough: {after}");
}

#[test]
fn two_folders_of_one_disk_are_one_medium() {
    let table = Table::backed_up(&NAMES);
    table.stick("B");
    table.run("media add {B} --accept other-medium=test").ended_with(0);
    let said = table.run(&format!("{BACKUP} --to {{B}} --force --yes")).ended_with(0);
    assert!(said.out.contains("one and the same device"), "{}", said.out);
    let copies = |line: &str| {
        let document = table.run(line).json();
        let rules = document["rules"].as_array().unwrap().iter().flat_map(|rule| rule["evidence"].as_array().unwrap());
        let copies = rules.into_iter().find(|one| one["id"] == "audit-copies").unwrap()["text"].clone();
        copies.as_str().unwrap().to_owned()
    };
    assert!(copies("audit {A} {B} --json").contains("1 medium only"));
    assert!(copies("audit --json").contains("2 media"), "where they are is not known");
}

#[test]
fn a_damaged_medium_breaks_the_rule_on_backups() {
    let table = Table::backed_up(&NAMES);
    for half in ["A", "B"] {
        for folder in common::generations(&table.at("A"), half) {
            fs::write(folder.join("K0000001.AGE"), "damaged").unwrap();
        }
    }
    let document = table.run("audit {A} --json").ended_with(8).json();
    assert_eq!(rule(&document, "other-medium").0, "broken", "{document}");
    assert!(has(&document, "other-medium", "audit-finding"), "{document}");
}

#[test]
fn the_page_stands_by_itself_in_both_languages_and_is_never_written_over() {
    use std::os::unix::fs::PermissionsExt;
    let table = Table::backed_up(&NAMES);
    let hostile = "tree/<img src=x onerror=alert(1)>&\"'";
    fs::create_dir_all(table.at(hostile)).unwrap();
    fs::write(table.at(hostile).join("k"), "PuTTY-User-Key-File-3: x\nEncryption: none\n").unwrap();
    for (language, title) in [("en", "Handling of TLS key pairs"), ("ja", "取り扱い 監査レポート")] {
        let line = format!("audit {{A}} --scan {{tree}} --html {{page-{language}}} --lang {language}");
        table.run(&line).ended_with(8);
        let path = table.at(&format!("page-{language}"));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o077, 0, "it names what is where");
        let html = fs::read_to_string(&path).unwrap();
        assert!(html.starts_with("<!DOCTYPE html>") && html.contains(&format!("<html lang=\"{language}\">")));
        assert!(html.contains(title) && html.ends_with("</html>\n"));
        for outside in ["<script", "<img", "<link", "<iframe", "src=\"", "href=", "url(", "@import", "http:", "https:"]
        {
            assert!(!html.contains(outside), "{outside}");
        }
        assert!(html.contains("&lt;img src=x onerror=alert(1)&gt;&amp;&quot;&#39;/k"), "{html}");
        for element in
            ["html", "head", "body", "style", "table", "thead", "tbody", "tr", "td", "th", "ul", "li", "h2", "h3"]
        {
            let (opened, closed) = (format!("<{element}"), format!("</{element}>"));
            let opened =
                html.match_indices(&opened).filter(|(at, _)| matches!(html.as_bytes()[at + opened.len()], b'>' | b' '));
            assert_eq!(opened.count(), html.matches(&closed).count(), "{element}");
        }
        let again = table.run(&line).ended_with(1);
        assert!(
            again.err.contains(if language == "en" { "cannot be written" } else { "書き込めません" }),
            "{}",
            again.err
        );
    }
}

#[test]
fn a_lost_stick_is_no_copy_and_the_servers_own_policy_says_how_many_are_wanted() {
    let table = Table::backed_up(&["www.example.com"]);
    let verdict = |table: &Table| {
        let document = table.run("audit --json").json();
        let rules = document["rules"].as_array().unwrap().clone();
        let rule = rules.iter().find(|rule| rule["rule"] == "other-medium").unwrap();
        let copies = rule["evidence"].as_array().unwrap().iter().find(|one| one["id"] == "audit-copies").unwrap();
        copies["level"].as_str().unwrap().to_owned()
    };
    assert_eq!(verdict(&table), "attention", "two are wanted unless the policy says otherwise");
    table.run("media policy --min-media 1").ended_with(0);
    assert_eq!(verdict(&table), "kept");
    table.run("media retire A --lost --yes").ended_with(0);
    assert_eq!(verdict(&table), "attention");
}
