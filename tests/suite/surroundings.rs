//! What surrounds a run: the clock, the calendar, the character set, an output that takes nothing.

use std::fs::File;
use std::process::{Command, Output, Stdio};

use crate::common::{BACKUP, PFX_PASSWORD, Said, Table};
use crate::golden;
use pfx::Profile;
use pfxvault::keystore::{self, Source};
use pfxvault::platform::media::FolderVolume;
use pfxvault::state::State;
use pfxvault::workflow::backup::{self, BackupRequest};
use secret::Password;
use vault::medium::Medium;

const LIST: &str = "list --from folder:{server} --source-password-file {pfx-password}";

fn said(command: &mut Command) -> Said {
    Said::of(&command.stdin(Stdio::null()).output().unwrap())
}

/// A backup of 2026-11-28, 10:43 UTC: the day after where the day begins first, the day before where
/// it ends last.
#[test]
fn days_are_those_of_the_calendar_here() {
    let table = golden::table();
    let contents = |zone: &str, generation: &str| {
        let secret = "--passphrase-file {passphrase}";
        let line = format!("contents --from {{A}} --generation {generation} {secret}");
        said(table.command(&line).env("TZ", zone))
    };
    for (zone, day, before) in [
        ("UTC", "2026-11-28", "2026-11-27"),
        ("Asia/Tokyo", "2026-11-28", "2026-11-27"),
        ("Pacific/Kiritimati", "2026-11-29", "2026-11-28"),
        ("Pacific/Pago_Pago", "2026-11-27", "2026-11-26"),
    ] {
        let shown = contents(zone, day).ended_with(0).out;
        assert!(shown.contains(&format!("of {day},")), "{zone}: {shown}");
        contents(zone, before).ended_with(1);
    }
}

#[test]
fn a_backup_from_the_future_makes_the_clock_doubtful() {
    let table = Table::backed_up(&["www.example.com"]);
    let state = table.at("state/state.json");
    let text = std::fs::read_to_string(&state).unwrap();
    let year = format!("\"time\": \"{}", jiff::Timestamp::now().strftime("%Y-"));
    assert!(text.contains(&year), "{text}");
    std::fs::write(&state, text.replace(&year, "\"time\": \"2099-")).unwrap();
    let status = table.run("status --json").ended_with(8).json();
    let findings = status["findings"].as_array().unwrap();
    assert!(
        findings.iter().any(|finding| finding["id"] == "clock"),
        "{status}"
    );
    let again = "backup --from folder:{server} --source-password-file {pfx-password} --to {A} --accept other-medium=test --json";
    let backup = table.run(again).ended_with(8).json();
    assert_eq!(backup["findings"][0]["id"], "clock", "{backup}");
}

/// Whoever looks says that the clock here cannot be right, and blames no backup for it.
#[test]
fn a_clock_behind_the_newest_backup_is_doubted_by_whatever_reads_it() {
    let table = Table::with_vault(&["www.example.com"]);
    back_up_at(&table, "2099-01-01T00:00:00Z");
    let has_clock = |said: &serde_json::Value| said.to_string().contains(r#""id":"clock""#);
    for line in ["verify {A} --json", "verify {A} --json --state {none}"] {
        let said = table.run(line).ended_with(8).json();
        assert!(has_clock(&said), "{line}: {said}");
    }
    for more in [
        "",
        " {A}",
        " --rules password-kept",
        " {A} --rules password-kept",
    ] {
        let line = format!("audit --json{more}");
        let text = table.run(&line).ended_with(8).json().to_string();
        assert_eq!(text.matches("set the clock right").count(), 1, "{text}");
    }
    for line in [
        "contents --from {A} --json",
        "contents --from {A} --recovery-key-file {recovery} --json --state {none}",
    ] {
        let said = table.run(line).ended_with(8).json();
        let server = &said["servers"][0];
        let doubts = server["doubts"].to_string();
        assert!(doubts.contains("clock here says"), "{line}: {said}");
        let wrong = &server["generations"][0]["clock_was_wrong"];
        assert_eq!(wrong, &serde_json::json!(false), "{line}");
    }
}

/// What is said is true: of one generation alone, of a password that nothing asked for, of a check.
#[test]
fn a_word_says_no_more_than_there_is() {
    let table = Table::backed_up(&["www.example.com"]);
    table.run(&format!("{BACKUP} --force")).ended_with(0);
    let secret = "--from {A} --recovery-key-file {recovery}";
    for command in ["contents", "drill"] {
        let both = table.run(&format!("{command} {secret}")).out;
        assert!(
            both.to_lowercase().contains("newest generation: 2"),
            "{both}"
        );
        let receipt = match command {
            "drill" => " --receipt {receipt.txt}",
            _ => "",
        };
        let line = format!("{command} {secret} --generation 1{receipt}");
        let one = table.run(&line).out.to_lowercase();
        assert!(one.contains("generation 1 alone"), "{one}");
        assert!(!one.contains("newest generation: 1"), "{one}");
    }
    let receipt = std::fs::read_to_string(table.at("receipt.txt")).unwrap();
    assert!(
        receipt.contains("\n  generation 1 alone, SHA-256"),
        "{receipt}"
    );
    table.stick("empty");
    let said = table.run("list --from folder:{empty} --source-password-file {pfx-password}");
    assert!(!said.err.contains("--source-passwords"), "{}", said.err);
    // Damage is found by a check, and said on one line.
    let half = table.at("A/PFXVAULT/B");
    std::fs::remove_dir_all(half.join("OWNER")).unwrap();
    let said = table.run("audit {A}").ended_with(8).out;
    let found = said
        .lines()
        .filter(|line| line.contains("on the media given"));
    let found: Vec<_> = found.collect();
    assert!(!found.is_empty(), "{said}");
    for line in found {
        assert_eq!(line.matches("attention").count(), 1, "{line}");
    }
    let said = table.run("audit --scan {nowhere}");
    assert!(!said.err.contains("C:"), "{}", said.err);
}

fn back_up_at(table: &Table, now: &str) {
    let now = now.parse().unwrap();
    let source = format!("folder:{}", table.at("server").display());
    let source = Source::parse(&source, None).unwrap();
    let password = Password::new(PFX_PASSWORD.into());
    let request = BackupRequest {
        holdings: &keystore::read(&source, &password, now).unwrap(),
        selected: &[],
        profile: Profile::Aes256,
        password: None,
        exceptions: &[],
        force: false,
        now,
    };
    let media = [Medium::new(
        "A",
        Box::new(FolderVolume::new(&table.at("A"))),
    )];
    let mut state = State::open(&table.at("state")).unwrap().unwrap();
    backup::run(&mut state, &media, &request, &|_| ()).unwrap();
}

/// A rehearsal that the clock has not come to says nothing of when the next is due.
#[test]
fn what_was_done_in_the_future_does_not_count_as_done() {
    let table = Table::backed_up(&["www.example.com"]);
    let drill = "drill --from {A} --passphrase-file {passphrase}";
    table.run(drill).ended_with(0);
    let state = table.at("state/state.json");
    let mut known: serde_json::Value =
        serde_json::from_slice(&std::fs::read(&state).unwrap()).unwrap();
    known["drills"][0]["time"] = "2099-01-01T00:00:00Z".into();
    std::fs::write(&state, known.to_string()).unwrap();
    let status = table.run("status").ended_with(8).out;
    assert!(
        status.contains("pfxvault drill --from /media/usb"),
        "{status}"
    );
    assert!(!status.contains("ahead"), "{status}");
}

#[test]
fn a_day_is_read_as_people_write_it_and_no_time_of_it() {
    let table = golden::table();
    let line = |day: &str| format!("contents --from {{A}} --generation {day}");
    for day in ["2026-11-28", "2026/11/28"] {
        table.run(&line(day)).ended_with(0);
    }
    for no_day in ["2026-11-28T00:01", "28.11.2026", "2026-1-2"] {
        let refused = table.run(&format!("{} --json", line(no_day))).ended_with(2);
        assert_eq!(refused.json()["error"]["id"], "error-bad-generation");
    }
}

#[test]
fn a_result_that_could_not_be_written_is_no_success() {
    let table = Table::bare();
    table.serve("server", &["www.example.com"]);
    for line in [
        LIST.to_owned(),
        format!("{LIST} --json"),
        "--help".to_owned(),
    ] {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let lost = said_on_errors(table.command(&line).stdout(full));
        assert_eq!(lost.status.code(), Some(1), "{line}");
        let words = String::from_utf8(lost.stderr).unwrap();
        assert!(words.contains("could not be written"), "{line}: {words}");
    }
}

fn said_on_errors(command: &mut Command) -> Output {
    let child = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn();
    child.unwrap().wait_with_output().unwrap()
}

#[test]
fn a_reader_that_goes_away_early_is_no_failure() {
    let table = Table::bare();
    table.serve("server", &["www.example.com"]);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let ended = said_on_errors(table.command(LIST).stdout(writer));
    assert_eq!(
        (ended.status.code(), ended.stderr.as_slice()),
        (Some(0), &b""[..])
    );
}

#[test]
fn words_come_in_the_character_set_of_the_locale() {
    let table = Table::bare();
    table.serve("server", &["www.example.com"]);
    let listed = |locale: &str| {
        let mut command = table.command(&format!("{LIST} --lang ja"));
        command.env("LC_ALL", locale).stdin(Stdio::null());
        command.output().unwrap().stdout
    };
    let words = "ホスト名";
    for (locale, bytes) in [
        ("ja_JP.UTF-8", words.as_bytes().to_vec()),
        ("C", words.as_bytes().to_vec()),
        ("ja_JP.eucJP", b"\xa5\xdb\xa5\xb9\xa5\xc8\xcc\xbe".to_vec()),
        ("ja_JP.SJIS", b"\x83\x7a\x83\x58\x83\x67\x96\xbc".to_vec()),
    ] {
        let shown = listed(locale);
        assert!(
            shown.windows(bytes.len()).any(|window| window == bytes),
            "{locale}: {}",
            String::from_utf8_lossy(&shown)
        );
    }
}
