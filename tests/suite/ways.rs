//! Ways in, each alone: it is added, opens the vault on a machine that knows nothing, and gives the key
//! pairs back.

use std::path::Path;
use std::process::Command;

use crate::common::{Table, says};

const ADD: &str = "--to {A} --passphrase-file {passphrase} --accept other-medium=test";

fn ran(program: &str, arguments: &[&str], folder: &Path) -> String {
    let mut command = Command::new(program);
    let output = command.args(arguments).current_dir(folder).output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

/// A vault with a backup, and three shares of which any two open it: as PDF, HTML and text.
fn with_shares(language: &str) -> Table {
    let table = Table::backed_up(&["www.example.com"]);
    let files = "--new-share-file {1.pdf} --new-share-file {2.html} --new-share-file {3.txt}";
    let line = format!("access add shares:2/3 {ADD} {files} --lang {language}");
    table.run(&line).ended_with(0);
    table
}

/// The words of a share that was written as text.
fn words_of(table: &Table, file: &str) -> String {
    let page = std::fs::read_to_string(table.at(file)).unwrap();
    let is_share = |line: &&str| !line.starts_with('#') && line.split(' ').count() == 33;
    page.lines().find(is_share).unwrap().trim_end().to_owned()
}

#[test]
fn any_two_of_three_shares_open_the_vault_from_each_form_in_both_languages_and_say_whose_it_is() {
    for language in ["en", "ja"] {
        let table = with_shares(language);
        for (one, other) in [("1.pdf", "2.html"), ("3.txt", "1.pdf"), ("2.html", "3.txt")] {
            let shares = format!("--share-file {{{one}}} --share-file {{{other}}}");
            let out = format!("{{{language}{one}}}");
            let said = table.run(&format!(
                "restore --from {{A}} {shares} --to folder:{out} --pfx-password-file {{pfx-password}} --state {{fresh}} --yes"
            ));
            assert!(!says(&said.ended_with(0).out, "key-says-no-vault"));
            let restored = table.at(&format!("{language}{one}"));
            assert!(restored.join("www.example.com.pfx").exists());
        }
        for file in ["1.pdf", "2.html", "3.txt"] {
            let line = format!("sheet --check {{{file}}} --from {{A}} --state {{fresh}}");
            let said = table.run(&line).ended_with(0);
            assert!(says(&said.out, "check-share-whole"), "{}", said.out);
        }
        let ways = table.run("access list {A} --json").ended_with(0).json();
        let kinds = ways["ways"].as_array().unwrap().iter();
        let shares = kinds.filter(|way| way["kind"] == "shares");
        assert_eq!(shares.count(), 1);
    }
}

#[test]
fn shares_that_are_missing_doubled_damaged_or_foreign_are_named_and_open_nothing() {
    let (table, other) = (with_shares("en"), with_shares("en"));
    let words = words_of(&table, "3.txt");
    let wrong = words.replacen(' ', " zzzz ", 1).replacen(" zzzz", "", 0);
    table.secret_file("long", &wrong);
    let mut swapped: Vec<&str> = words.split(' ').collect();
    swapped[7] = if swapped[7] == "academic" {
        "zero"
    } else {
        "academic"
    };
    table.secret_file("swapped", &swapped.join(" "));
    table.secret_file("bare", &words);
    table.secret_file("key", &table.recovery_key());
    let others = other.at("1.pdf").display().to_string();
    for (files, code, id) in [
        ("{1.pdf}", 6, "error-shares-missing"),
        ("{1.pdf} {1.pdf}", 6, "error-share-double"),
        ("{3.txt} {bare}", 6, "error-share-double"),
        ("{1.pdf} {long}", 6, "error-share-typo"),
        ("{1.pdf} {swapped}", 6, "error-share-typo"),
        (&format!("{{3.txt}} {others}"), 6, "error-share-foreign"),
        ("{1.pdf} {recovery}", 2, "error-no-share"),
    ] {
        let files: Vec<String> = files
            .split(' ')
            .map(|file| format!("--share-file {file}"))
            .collect();
        let said = table.run(&format!("drill --from {{A}} {}", files.join(" ")));
        let said = said.ended_with(code);
        assert!(says(&said.err, id), "{id}: {}", said.err);
    }
    let said = table.run("drill --from {A} --share-file {1.pdf} --share-file {swapped}");
    assert!(said.ended_with(6).err.contains("word 2 in row 3"));
    let said = table.run("drill --from {A} --recovery-key-file {1.pdf}");
    assert!(says(&said.ended_with(2).err, "error-share-is-no-key"));
    let said = table.run(&format!("sheet --check {others} --from {{A}}"));
    let said = said.ended_with(0);
    assert!(
        says(&said.out, "check-share-whole"),
        "the same owner's vault"
    );

    // Where one share does not say whose vault it is, the others cannot say it for it.
    let said =
        table.run("drill --from {A} --share-file {1.pdf} --share-file {bare} --state {fresh}");
    assert!(says(&said.ended_with(0).out, "key-says-no-vault"));
    let stranger = Table::with_vault_of_another(&["www.example.com"]);
    let share = table.at("1.pdf").display().to_string();
    let said = stranger.run(&format!("sheet --check {share} --from {{A}}"));
    assert!(says(&said.ended_with(7).err, "error-share-of-other-vault"));
    let files = format!(
        "--share-file {share} --share-file {}",
        table.at("2.html").display()
    );
    let said = stranger.run(&format!("drill --from {{A}} {files}"));
    assert!(says(&said.ended_with(6).err, "error-wrong-shares"));
}

#[test]
fn shares_are_two_at_least_sixteen_at_most_and_each_has_its_file() {
    let table = Table::with_vault(&[]);
    for way in [
        "shares:",
        "shares:1/3",
        "shares:4/3",
        "shares:2/17",
        "shares:x/3",
        "shares:2",
    ] {
        let said = table.run(&format!("access add {way} {ADD}"));
        assert!(says(&said.ended_with(2).err, "error-share-counts"), "{way}");
    }
    let said = table.run(&format!(
        "access add shares:2/3 {ADD} --new-share-file {{one}}"
    ));
    assert!(says(&said.ended_with(2).err, "error-share-files"));
    assert!(!table.at("one").exists());
}

/// The lines on the envelope, from the number that shamir-mnemonic shows on: that it shows this number is
/// held by the published vectors (crates/secret).
#[test]
fn the_lines_on_the_envelope_of_a_share_open_the_vault_with_stock_tools() {
    let table = with_shares("en");
    let mut set = secret::shares::Shares::default();
    let page = std::fs::read_to_string(table.at("2.html")).unwrap();
    let second = page.split("ssh-ed25519 ").nth(1).unwrap();
    let second: Vec<&str> = second.split_whitespace().skip(1).take(33).collect();
    for words in [second.join(" "), words_of(&table, "3.txt")] {
        let share = secret::shares::Share::parse(words.trim_end_matches("</pre>")).unwrap();
        set.add(share).unwrap();
    }
    let number = set.secret(b"").unwrap();
    let number: String = number.iter().map(|byte| format!("{byte:02x}")).collect();

    let page = std::fs::read_to_string(table.at("3.txt")).unwrap();
    let lines = page.lines().map(|line| line.trim_end());
    let lines = lines.skip_while(|line| !line.starts_with("# key.py"));
    let lines = lines.skip(1).map_while(|line| line.strip_prefix("#     "));
    let lines: Vec<&str> = lines.collect();
    std::fs::write(table.at("key.py"), lines.join("\n")).unwrap();
    let key = ran("python3", &["key.py", &number], table.folder.path());
    table.secret_file("recovery.txt", key.trim_end());
    let identity = "A/PFXVAULT/A/OWNER/IDENT003.AGE";
    let arguments = ["-d", "-i", "recovery.txt", identity];
    let opened = ran("age", &arguments, table.folder.path());
    assert!(opened.starts_with("# pfxvault-identity v1\n"));
}
