//! The end of a backup: the stick is ejected, or it is said why not. Sticks are real mounts in a
//! namespace of the test's own.

use std::process::Command;

use crate::common::plugged::{Plugged, Stick, with_plugged};
use crate::common::{BACKUP, Said, Table, says};

const A: Stick<'_> = Stick {
    files: "a",
    serial: "4C53",
    numbered: true,
};
const STATE: &str = "mountpoint -q A && echo still mounted || echo no longer mounted";

/// The vault on stick A, made while it was a folder; its rule for other media was set aside.
fn table() -> Table {
    let table = Table::with_vault(&["www.example.com"]);
    std::fs::rename(table.at("A"), table.at("a")).unwrap();
    table
}

fn plugged<'a>(before: &'a str) -> Plugged<'a> {
    Plugged {
        sticks: &[("A", A)],
        before,
        after: STATE,
    }
}

fn backup(table: &Table, around: &Plugged<'_>, options: &str) -> Said {
    around.run(table, format!("{BACKUP} --force {options}").trim_end())
}

#[test]
fn a_stick_is_ejected_when_that_is_asked_for_and_holds_what_was_written() {
    let table = table();
    let said = backup(&table, &plugged(":"), "--eject").ended_with(0);
    assert!(
        says(&said.out, "eject-done") && said.out.contains("no longer mounted"),
        "{}",
        said.out
    );
    with_plugged(&table, &[("A", A)], "verify {A}").ended_with(0);
    let said = plugged(":")
        .run(&table, "verify {A} --eject --json")
        .ended_with(0);
    assert!(said.out.contains("no longer mounted"), "{}", said.out);
    let document: serde_json::Value =
        serde_json::from_str(&said.out.replace("no longer mounted", "")).unwrap();
    assert_eq!(document["ejected"], serde_json::json!([table.at("A")]));
}

#[test]
fn a_run_that_nobody_watches_leaves_the_stick_in_use_unless_told() {
    let table = table();
    for options in ["", "--keep-mounted"] {
        let said = backup(&table, &plugged(":"), options).ended_with(0);
        assert!(said.out.contains("still mounted"), "{}", said.out);
    }
    assert!(
        backup(&table, &plugged(":"), "--eject --dry-run")
            .ended_with(0)
            .out
            .contains("still mounted")
    );
    backup(&table, &plugged(":"), "--eject --keep-mounted").ended_with(2);
}

#[test]
fn a_person_is_asked_and_an_empty_answer_ejects() {
    let table = table();
    for (answer, ends) in [("", "no longer mounted"), ("n", "still mounted")] {
        let mut shell = Command::new("sh");
        let around = plugged(":");
        let command = around.command(&table, &format!("{BACKUP} --force"));
        shell
            .arg("-c")
            .arg("\"$0\" \"$@\"")
            .arg(command.get_program())
            .args(command.get_args());
        shell.env("LC_ALL", "C").current_dir(table.at("."));
        let mut session = rexpect::session::spawn_command(shell, Some(300_000)).unwrap();
        session.exp_regex("Eject [^ ]+ now\\? \\[Y/n\\]").unwrap();
        session.send_line(answer).unwrap();
        let said = session.exp_eof().unwrap();
        assert!(said.contains(ends), "{said}");
    }
}

#[test]
fn a_stick_in_use_stays_and_the_program_that_uses_it_is_named() {
    let table = table();
    let before = "tail -f A/PFXVAULT/README.TXT > /dev/null 2>&1 &
while kill -0 $! && ! ls -l /proc/$!/fd | grep -q README; do sleep 0.02; done";
    let around = Plugged {
        after: "kill $!; mountpoint -q A && echo still mounted",
        ..plugged(before)
    };
    let said = backup(&table, &around, "--eject").ended_with(8);
    assert!(
        said.out.contains("in use by tail") && said.out.contains("still mounted"),
        "{}",
        said.out
    );
    assert!(
        said.out.contains("1 of 1 key pairs are saved"),
        "{}",
        said.out
    );
}

#[test]
fn what_is_on_the_same_device_is_not_cut_off() {
    let table = table();
    let said = backup(
        &table,
        &plugged("mkdir again; mount --bind A again"),
        "--eject",
    )
    .ended_with(8);
    let again = table.at("again").display().to_string();
    assert!(
        said.out.contains(&again) && said.out.contains("still mounted"),
        "{}",
        said.out
    );
    // A part of a file system that somebody mounted at another place.
    let around = Plugged {
        after: "mountpoint -q part && echo still mounted",
        ..plugged("mkdir A/b part; mount --bind A/b part")
    };
    let said = around.run(&table, "media add {part}").ended_with(0);
    assert!(said.out.contains("still mounted"));
    let around = Plugged {
        before: "mount --bind A/b part",
        ..around
    };
    let said = around.run(&table, "verify {part} --eject").ended_with(8);
    assert!(
        says(&said.out, "eject-failed") && said.out.contains("still mounted"),
        "{}",
        said.out
    );
}

#[test]
fn a_folder_on_a_built_in_disk_is_never_unmounted() {
    let table = Table::with_vault(&["www.example.com"]);
    let said = table.run(&format!("{BACKUP} --eject")).ended_with(8);
    assert!(says(&said.out, "reason-built-in"), "{}", said.out);
}

#[test]
fn where_attachments_have_no_numbers_a_check_counts_after_the_stick_was_ejected() {
    let table = table();
    let a = Stick {
        numbered: false,
        ..A
    };
    let around = Plugged {
        sticks: &[("A", a)],
        before: ":",
        after: ":",
    };
    let cold = || {
        let media = table.run("media list --json").ended_with(0).json()["media"].clone();
        media.as_object().unwrap().values().next().unwrap()["last_cold"].is_string()
    };
    backup(&table, &around, "").ended_with(0);
    around.run(&table, "verify {A}").ended_with(0);
    assert!(!cold(), "nobody knows that it was away");
    backup(&table, &around, "--eject").ended_with(0);
    around.run(&table, "verify {A}").ended_with(0);
    assert!(cold());
}
