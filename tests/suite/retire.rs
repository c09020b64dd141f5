//! `retire`: what leaked or is gone is never restored again, from no generation, by nobody who has a
//! stick that was written since.

use crate::common::{BACKUP, RESTORE, Table, held};
use serde_json::Value;

const NAMES: [&str; 2] = ["mail.example.org", "www.example.com"];
const DRILL: &str = "drill --json --from {A} --recovery-key-file {recovery}";
/// A computer that knows nothing.
const ELSEWHERE: &str = " --state {none}";

fn names(document: &Value) -> Vec<&str> {
    let key_pairs = document["key_pairs"].as_array().unwrap();
    key_pairs
        .iter()
        .map(|one| one["name"].as_str().unwrap())
        .collect()
}

fn findings(table: &Table) -> String {
    table.run("status --json").json()["findings"].to_string()
}

#[test]
fn what_leaked_is_restored_from_no_generation_once_the_stick_knows() {
    let table = Table::backed_up(&NAMES);
    let retire = "retire www.example.com --reason leaked --json";
    table.run(retire).ended_with(2);
    let said = table.run(&format!("{retire} --yes")).ended_with(0).json();
    assert_eq!(said["key_pairs"][0]["names"][0], "www.example.com");
    // This server knows at once, the stick does not yet.
    let here = table.run(DRILL).ended_with(0).json();
    assert_eq!(names(&here), NAMES[..1]);
    assert_eq!(here["no_more"][0]["reason"], "retired");
    assert_eq!(here["no_more"][0]["retired_as"], "leaked");
    let elsewhere = format!("{DRILL}{ELSEWHERE}");
    assert_eq!(names(&table.run(&elsewhere).json()).len(), 2);
    assert!(findings(&table).contains("retirement-unknown"));
    // Nothing else has changed, and it is written all the same.
    let backup = table.run(&format!("{BACKUP} --json")).ended_with(8).json();
    assert_eq!(backup["generation"], 2);
    assert_eq!(backup["findings"][0]["id"], "retired-here");
    assert!(!findings(&table).contains("retirement-unknown"));
    let again = table.run(&format!("{BACKUP} --json")).ended_with(8).json();
    assert_eq!(again["generation"], Value::Null);
    assert_eq!(
        names(&table.run(&elsewhere).ended_with(0).json()),
        NAMES[..1]
    );
    for contents in ["", " --recovery-key-file {recovery} --state {none}"] {
        let line = format!("contents --json --from {{A}}{contents}");
        let server = table.run(&line).ended_with(0).json()["servers"][0].clone();
        assert_eq!(server["key_pairs"].as_array().unwrap().len(), 1, "{line}");
        assert_eq!(server["no_more"][0]["reason"], "retired", "{line}");
    }
    table.run(&format!("{RESTORE}{ELSEWHERE}")).ended_with(0);
    assert_eq!(held(&table, "restored").len(), 1);
}

#[test]
fn what_is_retired_comes_back_only_where_that_is_said_twice() {
    let table = Table::backed_up(&NAMES);
    table
        .run("retire www.example.com --reason removed --yes")
        .ended_with(0);
    table.run(BACKUP).ended_with(8);
    let restore = format!("{RESTORE} www.example.com --json");
    let error = table.run(&restore).ended_with(2).json();
    assert_eq!(error["error"]["id"], "error-retired");
    let unanswered = format!("{restore} --retired").replace(" --yes", "");
    table.run(&unanswered).ended_with(2);
    table.run(&format!("{restore} --retired")).ended_with(0);
    assert_eq!(held(&table, "restored").len(), 1);
    // A generation alone, or a day, does not bring it, either, on whatever computer.
    for which in ["1", "2199-12-31"] {
        for computer in ["", ELSEWHERE] {
            let line = format!("{DRILL} --generation {which}{computer}");
            let drill = table.run(&line).ended_with(0).json();
            assert_eq!(names(&drill), NAMES[..1], "{line}");
        }
    }
}

#[test]
fn a_retirement_is_taken_back_and_the_stick_learns_it() {
    let table = Table::backed_up(&NAMES);
    for (line, code) in [("--reason leaked", 8), ("--undo", 0)] {
        table
            .run(&format!("retire www.example.com {line} --yes"))
            .ended_with(0);
        table.run(BACKUP).ended_with(code);
    }
    let elsewhere = table.run(&format!("{DRILL}{ELSEWHERE}")).ended_with(0);
    assert_eq!(names(&elsewhere.json()).len(), 2);
    let error = table.run("retire www.example.com --undo --yes --json");
    assert_eq!(
        error.ended_with(2).json()["error"]["id"],
        "error-retire-unknown"
    );
}

/// Two certificates of one key: what is taken back of the key is named for both.
#[test]
fn what_is_taken_back_of_a_key_is_named_with_every_certificate_that_has_it() {
    let table = Table::with_vault(&[]);
    let folder = table.at("server");
    std::fs::create_dir_all(&folder).unwrap();
    let openssl = |line: &str| {
        let status = std::process::Command::new("openssl")
            .args(line.split(' '))
            .current_dir(&folder)
            .stderr(std::process::Stdio::null())
            .status();
        assert!(status.unwrap().success(), "{line}");
    };
    openssl("genpkey -algorithm RSA -out ../key");
    let add = |names: &[&str]| {
        for name in names {
            openssl(&format!(
                "req -x509 -key ../key -days 90 -subj /CN={name}.example.com -out ../crt"
            ));
            openssl(&format!(
                "pkcs12 -export -inkey ../key -in ../crt -passout file:../pfx-password -out {name}.pfx"
            ));
        }
    };
    add(&["a"]);
    table.run(BACKUP).ended_with(0);
    let leaked = "retire a.example.com --reason leaked --yes";
    table.run(leaked).ended_with(0);
    add(&["b", "c"]);
    // They are saved, and no restore brings them: that is said before anybody relies on it.
    for line in [format!("{BACKUP} --dry-run"), BACKUP.to_owned()] {
        let said = table.run(&format!("{line} --json")).ended_with(8).json();
        let found = said["findings"].as_array().unwrap().iter();
        let ids: Vec<_> = found.map(|one| one["id"].as_str()).collect();
        assert_eq!(ids, [Some("retired-here"); 3], "{line}");
    }
    let list = "list --json --from folder:{server} --source-password-file {pfx-password}";
    let list = table.run(list).ended_with(0).json();
    let listed = list["key_pairs"].as_array().unwrap().iter();
    assert!(listed.clone().all(|one| one["retired_as"] == "leaked"));
    assert_eq!(listed.count(), 3);
    // A drill of nothing is none.
    let drill = table.run(DRILL).ended_with(1).json();
    assert_eq!(drill["no_more"].as_array().unwrap().len(), 3);
    let undo = "retire b.example.com --undo --yes --json";
    let said = table.run(undo).ended_with(0).json();
    let named = said["key_pairs"].as_array().unwrap().iter();
    let named: Vec<_> = named.map(|one| one["names"][0].as_str()).collect();
    assert_eq!(named, [Some("b.example.com"), Some("c.example.com")]);
    // What was said of a itself stays.
    assert_eq!(names(&table.run(DRILL).json()).len(), 2);
    // A backup of which nothing counts any more says so.
    for name in ["b", "c"] {
        let line = format!("retire {name}.example.com --reason removed --yes");
        table.run(&line).ended_with(0);
    }
    let said = table.run(RESTORE).ended_with(1);
    assert!(said.err.contains("retired"), "{}", said.err);
}
