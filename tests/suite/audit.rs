//! `audit`: each rule with its evidence, the exit code, and a page that stands by itself.

use std::fs;

use crate::common::{BACKUP, Said, Table, generations, output, says};
use serde_json::Value;

const NAMES: [&str; 2] = ["www.example.com", "mail.example.org"];

/// Verdict of a rule, and the ids of its evidence.
fn rule(document: &Value, id: &str) -> (String, Vec<String>) {
    let rule = document["rules"]
        .as_array()
        .unwrap()
        .iter()
        .find(|rule| rule["rule"] == id)
        .unwrap();
    let ids = rule["evidence"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["id"].as_str().unwrap().to_owned());
    (rule["verdict"].as_str().unwrap().to_owned(), ids.collect())
}

fn has(document: &Value, id: &str, evidence: &str) -> bool {
    rule(document, id).1.iter().any(|one| one == evidence)
}

#[test]
fn without_a_vault_the_rule_on_backups_is_broken() {
    let document = Table::bare().run("audit --json").ended_with(8).json();
    assert_eq!(
        rule(&document, "other-medium"),
        ("broken".into(), vec!["audit-no-vault".into()])
    );
    assert_eq!(rule(&document, "no-email").0, "unknown");
}

#[test]
fn what_is_overdue_is_named_and_what_was_done_since_is_not() {
    let table = Table::backed_up(&NAMES);
    let before = table.run("audit {A} --json").ended_with(8).json();
    assert!(has(&before, "password-kept", "audit-no-drill"), "{before}");
    assert!(
        has(&before, "other-medium", "audit-never-checked"),
        "{before}"
    );
    assert!(
        has(&before, "other-medium", "audit-set-aside"),
        "the reason is on record: {before}"
    );
    let server = &before["servers"][0];
    assert_eq!(
        (server["generation"].as_u64(), server["key_pairs"].as_u64()),
        (Some(1), Some(NAMES.len() as u64))
    );
    assert!(server["due"].is_string() && before["servers"].as_array().unwrap().len() == 1);
    table
        .run("drill --from {A} --recovery-key-file {recovery}")
        .ended_with(0);
    table.run("verify {A}").ended_with(0);
    let after = table.run("audit {A} --json").ended_with(8).json();
    assert_eq!(rule(&after, "password-kept").0, "kept");
    assert!(has(&after, "other-medium", "audit-checked"), "{after}");
    assert_eq!(
        rule(&after, "other-medium").0,
        "attention",
        "one stick is not enough: {after}"
    );
}

#[test]
fn two_folders_of_one_disk_are_one_medium() {
    let table = Table::backed_up(&NAMES);
    table.stick("B");
    table
        .run("media add {B} --accept other-medium=test")
        .ended_with(0);
    let said = table
        .run(&format!("{BACKUP} --to {{B}} --force --yes"))
        .ended_with(0);
    assert!(says(&said.out, "backup-one-device"), "{}", said.out);
    let copies = |line: &str| {
        let document = table.run(line).json();
        let rules = document["rules"]
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|rule| rule["evidence"].as_array().unwrap());
        let copies = rules
            .into_iter()
            .find(|one| one["id"] == "audit-copies")
            .unwrap()["text"]
            .clone();
        copies.as_str().unwrap().to_owned()
    };
    assert!(copies("audit {A} {B} --json").contains("1 medium only"));
    assert!(
        copies("audit --json").contains("2 media"),
        "where they are is not known"
    );
}

#[test]
fn a_damaged_medium_breaks_the_rule_on_backups() {
    let table = Table::backed_up(&NAMES);
    for half in ["A", "B"] {
        for folder in generations(&table.at("A"), half) {
            fs::write(folder.join("K0000001.AGE"), "damaged").unwrap();
        }
    }
    let document = table.run("audit {A} --json").ended_with(8).json();
    assert_eq!(rule(&document, "other-medium").0, "broken", "{document}");
    assert!(
        has(&document, "other-medium", "audit-finding"),
        "{document}"
    );
}

#[test]
fn the_page_stands_by_itself_in_both_languages_and_is_never_written_over() {
    use std::os::unix::fs::PermissionsExt;
    let table = Table::backed_up(&NAMES);
    let hostile = "tree/<img src=x onerror=alert(1)>&\"'";
    fs::create_dir_all(table.at(hostile)).unwrap();
    fs::write(
        table.at(hostile).join("k"),
        "PuTTY-User-Key-File-3: x\nEncryption: none\n",
    )
    .unwrap();
    for (language, title) in [
        ("en", "Handling of TLS key pairs"),
        ("ja", "取り扱い 監査レポート"),
    ] {
        let line =
            format!("audit {{A}} --scan {{tree}} --html {{page-{language}}} --lang {language}");
        table.run(&line).ended_with(8);
        let path = table.at(&format!("page-{language}"));
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o077,
            0,
            "it names what is where"
        );
        let html = fs::read_to_string(&path).unwrap();
        assert!(
            html.starts_with("<!DOCTYPE html>")
                && html.contains(&format!("<html lang=\"{language}\">"))
        );
        assert!(html.contains(title) && html.ends_with("</html>\n"));
        for outside in [
            "<script", "<img", "<link", "<iframe", "src=\"", "href=", "url(", "@import", "http:",
            "https:",
        ] {
            assert!(!html.contains(outside), "{outside}");
        }
        assert!(
            html.contains("&lt;img src=x onerror=alert(1)&gt;&amp;&quot;&#39;/k"),
            "{html}"
        );
        for element in [
            "html", "head", "body", "style", "table", "thead", "tbody", "tr", "td", "th", "ul",
            "li", "h2", "h3",
        ] {
            let (opened, closed) = (format!("<{element}"), format!("</{element}>"));
            let opened = html
                .match_indices(&opened)
                .filter(|(at, _)| matches!(html.as_bytes()[at + opened.len()], b'>' | b' '));
            assert_eq!(opened.count(), html.matches(&closed).count(), "{element}");
        }
        let again = table.run(&line).ended_with(1);
        assert!(
            again.err.contains(if language == "en" {
                "cannot be written"
            } else {
                "書き込めません"
            }),
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
        let rule = rules
            .iter()
            .find(|rule| rule["rule"] == "other-medium")
            .unwrap();
        let copies = rule["evidence"]
            .as_array()
            .unwrap()
            .iter()
            .find(|one| one["id"] == "audit-copies")
            .unwrap();
        copies["level"].as_str().unwrap().to_owned()
    };
    assert_eq!(
        verdict(&table),
        "attention",
        "two are wanted unless the policy says otherwise"
    );
    table.run("media policy --min-media 1").ended_with(0);
    assert_eq!(verdict(&table), "kept");
    table.run("media retire A --lost --yes").ended_with(0);
    assert_eq!(verdict(&table), "attention");
}

#[test]
fn retired_servers_and_sticks_are_marked_in_sentences_in_the_document_and_on_the_page() {
    let table = Table::backed_up(&NAMES[..1]);
    for stick in ["B", "C"] {
        table.stick(stick);
        table
            .run(&format!("media add {{{stick}}} --accept other-medium=test"))
            .ended_with(0);
    }
    table.run("media retire B --yes").ended_with(0);
    table.run("media retire C --lost --yes").ended_with(0);
    table
        .run("servers request {web.req} --server-name web --state {web}")
        .ended_with(0);
    let owner = "--to {A} --recovery-key-file {recovery} --yes --accept other-medium=test --json";
    let added = table
        .run(&format!("servers add {{web.req}} {owner}"))
        .ended_with(0)
        .json();
    let web = added["servers"][0]["server"].as_str().unwrap().to_owned();
    let before = table.run("audit {A} --json").json();
    assert!(
        !has(&before, "no-handover", "audit-servers-closed"),
        "{before}"
    );
    table
        .run(&format!("servers retire {web} --compromised {owner}"))
        .ended_with(0);

    let said = table.run("audit {A} {B} --html {page}");
    let (document, away) = (
        table.run("audit {A} {B} --json").json(),
        table.run("audit --json").json(),
    );
    for document in [&document, &away] {
        assert!(
            has(document, "no-handover", "audit-servers-closed"),
            "{document}"
        );
        assert!(
            has(document, "other-medium", "audit-retired")
                && has(document, "other-medium", "audit-lost")
        );
        let retired = |server: &&Value| server["retired"] == true;
        let servers: Vec<_> = document["servers"]
            .as_array()
            .unwrap()
            .iter()
            .filter(retired)
            .collect();
        assert!(
            servers.len() == 1
                && servers[0]["server"] == *web
                && servers[0]["generation"].is_null()
        );
        let mut media: Vec<_> = document["media"].as_array().unwrap().iter().collect();
        media.sort_by_key(|one| one["label"].to_string());
        assert_eq!(
            media
                .iter()
                .map(|one| one["label"].as_str().unwrap())
                .collect::<Vec<_>>(),
            ["A", "B", "C"]
        );
        assert!(media[0]["retired"].is_null());
        assert_eq!(
            [&media[1], &media[2]].map(|one| one["retired"]["lost"].as_bool()),
            [Some(false), Some(true)]
        );
    }
    let page = fs::read_to_string(table.at("page")).unwrap();
    let place = table.at("B").display().to_string();
    for text in [&said.out, &page] {
        assert!(
            text.contains(&format!("out of use, {place}"))
                && text.contains("given up as lost today"),
            "{text}"
        );
        let row = text
            .lines()
            .find(|line| line.contains(&web) && !line.contains("may no longer write"))
            .unwrap();
        assert!(row.contains("out of use"), "{text}");
    }
}

#[test]
fn a_key_that_is_known_to_have_no_backup_is_evidence_as_long_as_its_certificate_is_valid() {
    let table = Table::backed_up(&NAMES[..1]);
    let path = table.at("state/state.json");
    let mut state: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let known = |name: &str, until: &str| serde_json::json!({ "name": name, "reason": "in the TPM", "until": until });
    state["acknowledged"] = serde_json::json!({
        "11".repeat(32): known("tpm.example.com", "2099-01-01T00:00:00Z"),
        "22".repeat(32): known("old.example.com", "2020-01-01T00:00:00Z"),
    });
    fs::write(&path, state.to_string()).unwrap();
    let said = table.run("audit {A} --accept no-key:hsm.example.com=it-never-leaves --html {page}");
    let page = fs::read_to_string(table.at("page")).unwrap();
    for text in [&said.out, &page] {
        assert!(
            text.contains(
                "tpm.example.com cannot be backed up, and there is an exception for it: in the TPM"
            ),
            "{text}"
        );
        assert!(
            text.contains("hsm.example.com") && text.contains("it-never-leaves"),
            "{text}"
        );
        assert!(!text.contains("old.example.com"), "{text}");
    }
    let document = table.run("audit {A} --json").json();
    assert!(
        has(&document, "other-medium", "audit-no-key")
            && !has(&document, "no-handover", "audit-no-key")
    );
}

#[test]
fn a_rule_set_aside_is_an_exception_with_its_end_and_never_kept() {
    let table = Table::with_vault(&NAMES);
    let until = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(30 * 24);
    let until = pfxvault::message::local_day(until).to_string();
    table
        .run(&format!("{BACKUP} --until {until}"))
        .ended_with(0);
    let verdict = |line: &str| rule(&table.run(line).json(), "no-shared-drive");
    let line = "audit --json --rules no-shared-drive --accept no-shared-drive=migration";
    // Nobody says until when.
    assert_eq!(verdict(line).0, "attention");
    let dated = format!("{line} --until {until} --scan {{server}}");
    let document = table.run(&dated).ended_with(0).json();
    assert_eq!(rule(&document, "no-shared-drive").0, "set-aside");
    let text = document["rules"][0]["evidence"][0]["text"].clone();
    assert!(text.as_str().unwrap().contains(&until), "{text}");
    for day in ["2020-01-01", "2199-01-01", "soon"] {
        let error = table.run(&format!("{line} --until {day}")).ended_with(2);
        assert_eq!(error.json()["error"]["id"], "error-until", "{day}");
    }
}

#[test]
fn what_nobody_looked_at_is_no_ok_and_a_search_proves_only_what_it_searched() {
    let table = Table::backed_up(&NAMES);
    fs::create_dir(table.at("searched")).unwrap();
    fs::write(table.at("searched/note.txt"), "nothing").unwrap();
    let only = "audit --json --rules no-email";
    let document = table.run(only).ended_with(8).json();
    assert_eq!(rule(&document, "no-email").0, "unknown");
    assert_eq!(document["rules"].as_array().unwrap().len(), 1);
    let searched = format!("{only} --scan {{searched}}");
    let document = table.run(&searched).ended_with(0).json();
    assert_eq!(rule(&document, "no-email").0, "not-found");
    assert!(document["scan"]["time"].is_string() && document["scan"]["paths"].is_array());
    let error = table.run("audit --rules nothing --json").ended_with(2);
    assert_eq!(error.json()["error"]["id"], "error-unknown-rule");
}

#[test]
fn a_drill_of_one_name_is_no_drill_of_the_backup() {
    let table = Table::backed_up(&NAMES);
    let drill = "drill www.example.com --from {A} --recovery-key-file {recovery}";
    table.run(drill).ended_with(0);
    let evidence = |table: &Table| rule(&table.run("audit --json").json(), "password-kept").1;
    assert!(evidence(&table).contains(&"audit-drill-partly".to_owned()));
    let status = table.run("status --json").ended_with(8).json();
    assert!(status["findings"].to_string().contains("never-drilled"));
    table
        .run(&drill.replace("www.example.com ", ""))
        .ended_with(0);
    let evidence = evidence(&table);
    assert!(evidence.contains(&"audit-drill".to_owned()), "{evidence:?}");
    // The passphrase.
    assert!(evidence.contains(&"way-never".to_owned()));
}

/// Whatever the hour of the end, its day is another one at one of both ends of the calendar.
#[test]
fn a_receipt_and_what_was_retired_have_the_days_of_the_calendar_here() {
    let table = Table::backed_up(&["a.example.com", "b.example.com"]);
    let run = |zone: &str, line: &str| {
        Said::of(&output(table.command(line).env("TZ", zone))).ended_with(0)
    };
    let retire = "retire b.example.com --reason removed --yes";
    let now = jiff::Timestamp::now();
    table.run(retire).ended_with(0);
    let secret = "--from {A} --recovery-key-file {recovery}";
    let mut others = 0;
    for (zone, receipt) in [
        ("Pacific/Kiritimati", "east"),
        ("Pacific/Pago_Pago", "west"),
    ] {
        let drill = format!("drill a.example.com {secret} --json --receipt {{{receipt}.txt}}");
        let said = run(zone, &drill).json();
        let end = said["key_pairs"][0]["not_after"].as_str().unwrap();
        let end: jiff::Timestamp = end.parse().unwrap();
        let here = end.in_tz(zone).unwrap().date();
        others += i32::from(here != end.in_tz("UTC").unwrap().date());
        let written = fs::read_to_string(table.at(&format!("{receipt}.txt"))).unwrap();
        assert!(
            written.contains(&format!("until {here}")),
            "{zone}: {written}"
        );
        let shown = run(zone, &format!("contents {secret}")).out;
        let today = now.in_tz(zone).unwrap().date();
        let line = shown.lines().find(|line| line.contains("retired on 2"));
        let line = line.unwrap_or_else(|| panic!("{shown}"));
        assert!(line.contains(&today.to_string()), "{zone}: {line}");
    }
    assert!(others > 0);
}

#[test]
fn a_drill_leaves_a_receipt_that_the_audit_counts_and_the_next_backup_carries() {
    let table = Table::backed_up(&["www.example.com", "mail.example.com"]);
    let drill = "drill --from {A} --recovery-key-file {recovery} --json";
    let said = table.run(&format!("{drill} --receipt {{receipt.json}}"));
    let receipt = said.ended_with(0).json()["receipt"].clone();
    assert_eq!(receipt["opened_with"], "recovery-key");
    assert_eq!(receipt["media"][0], "A");
    assert_eq!(receipt["everything"], true);
    assert_eq!(receipt["key_pairs"].as_array().unwrap().len(), 2);
    let written = fs::read_to_string(table.at("receipt.json")).unwrap();
    let written: Value = serde_json::from_str(&written).unwrap();
    assert_eq!(written[0], receipt);
    for language in ["en", "ja"] {
        let line = drill.replace(" --json", "");
        table
            .run(&format!(
                "{line} --receipt {{{language}.txt}} --lang {language}"
            ))
            .ended_with(0);
        let text = fs::read_to_string(table.at(&format!("{language}.txt"))).unwrap();
        assert!(
            text.contains("www.example.com") && text.contains("SHA256:"),
            "{text}"
        );
        assert!(!text.contains("AGE-SECRET-KEY"));
    }
    // A file that is there is not replaced, and nobody is asked for a secret first.
    let again = table.run("drill --from {A} --receipt {en.txt}");
    assert!(says(&again.ended_with(2).err, "error-receipt-exists"));
    let ids = rule(&table.run("audit --json").json(), "password-kept").1;
    assert!(ids.contains(&"audit-receipt".to_owned()), "{ids:?}");
    assert!(ids.contains(&"way-proven".to_owned()), "{ids:?}");
    assert!(ids.contains(&"way-never".to_owned()), "{ids:?}");
    // The line that tries a way in tries that one.
    let fresh = Table::with_vault(&[]);
    let said = fresh.run("status");
    assert!(
        said.out.contains("drill --from /media/usb --recovery-key"),
        "{}",
        said.out
    );
    let status = table.run("status --json").json()["findings"].to_string();
    assert!(
        status.contains("way-proven") && status.contains("way-untried"),
        "{status}"
    );
    let access = table.run("access list {A} --json").ended_with(0).json();
    let ways = access["ways"].as_array().unwrap();
    assert_eq!(ways.len(), 2);
    for way in ways {
        let is_key = way["kind"] == "recovery-key";
        assert!(way["made"]["time"].is_string(), "{way}");
        assert_eq!(way["opened"].is_object(), is_key, "{way}");
    }
    // It travels in the next catalog, which another key can read.
    let identity = age::x25519::Identity::generate();
    let reader = format!("access add {} --decrypt-only", identity.to_public());
    let owner = "--to {A} --recovery-key-file {recovery} --accept other-medium=test";
    table.run(&format!("{reader} {owner}")).ended_with(0);
    let backup = table.run(BACKUP).ended_with(0);
    assert!(says(&backup.out, "way-never"), "{}", backup.out);
    let newest = generations(&table.at("A"), "A").pop().unwrap();
    let sealed = fs::read(newest.join("CATALOG.AGE")).unwrap();
    let catalog = age::decrypt(&identity, &sealed).unwrap();
    let catalog: Value = serde_json::from_slice(&catalog).unwrap();
    let drills = catalog["drills"].as_array().unwrap();
    assert_eq!(drills.len(), 3);
    assert_eq!(drills[0]["way"], receipt["way"]);
    assert_eq!(drills[2]["proven"].as_array().unwrap().len(), 2);
}

/// The lines are typed into a shell with nothing but age, ssh-keygen and sha256sum.
#[test]
fn a_drill_with_stock_tools_prints_what_to_type_and_checks_what_came_out() {
    let table = Table::backed_up(&["www.example.com", "mail.example.com"]);
    // What is typed changes to another folder, so the stick is named with its whole path.
    let line = "drill --stock --from A --recovery-key --json";
    let mut command = table.command(line);
    let printed = Said::of(&output(command.current_dir(table.folder.path())));
    let printed = printed.to(line).ended_with(0).json();
    let lines = printed["lines"].as_array().unwrap().iter();
    let mut lines: Vec<String> = lines
        .map(|line| line.as_str().unwrap().to_owned())
        .collect();
    lines.retain(|line| !line.starts_with("openssl"));
    for line in &mut lines {
        if line.starts_with("read -r K") {
            *line = line.replace("read -r K;", &format!("K={};", table.recovery_key()));
        }
        if line.starts_with("W=") {
            *line = format!("mkdir {0} && cd {0}", table.at("work").display());
        }
    }
    let shell = std::process::Command::new("bash")
        .arg("-c")
        .arg(lines.join("\n"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&shell.stderr);
    assert!(table.at("work/K0000002.pfx").exists(), "{said}");
    let check = "drill --from {A} --recovery-key-file {recovery} --json --stock {work}";
    let checked = table.run(check).ended_with(0).json();
    assert_eq!(checked["receipt"]["stock"], true);
    assert_eq!(checked["receipt"]["everything"], true);
    // Less than all of it is said to be that; a stranger's file is named.
    fs::remove_file(table.at("work/K0000002.pfx")).unwrap();
    let checked = table.run(check).ended_with(0).json();
    assert_eq!(checked["receipt"]["everything"], false);
    let copied = fs::copy(
        table.at("server/www.example.com.pfx"),
        table.at("work/x.pfx"),
    );
    copied.unwrap();
    table.run(check).ended_with(3);
    fs::create_dir(table.at("none")).unwrap();
    let nothing = table.run(&check.replace("{work}", "{none}"));
    assert_eq!(
        nothing.ended_with(1).json()["error"]["id"],
        "error-stock-nothing"
    );
}
