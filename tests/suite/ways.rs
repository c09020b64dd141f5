//! Ways in, each alone: it is added, opens the vault on a machine that knows nothing, and gives the key
//! pairs back.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::common::{Said, Table, output, says};

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
    assert!(says(
        &said.ended_with(7).err,
        "error-envelope-of-other-vault"
    ));
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

/// Public key, key, and another key of the plugin for tests (plugin/age-plugin-trial).
const PLUGIN_KEYS: [&str; 3] = [
    "age1trial1034qxz",
    "AGE-PLUGIN-TRIAL-1W0ZUHN",
    "AGE-PLUGIN-TRIAL-1PZRY9X8GYS0XWP",
];

/// Runs with a PATH of these folders before the usual one.
fn run_with_path(table: &Table, folders: &str, line: &str) -> Said {
    let path = format!("{folders}:{}", std::env::var("PATH").unwrap());
    let mut command = table.command(line);
    let command = command.env("PATH", path).current_dir(table.at("."));
    Said::of(&output(command.stdin(Stdio::null()))).to(line)
}

/// Where the plugin for tests lies.
fn plugins() -> String {
    format!("{}/tests/suite/plugin", env!("CARGO_MANIFEST_DIR"))
}

/// The fingerprint of the vault on stick A.
fn fingerprint(table: &Table) -> String {
    let list = table.run("access list {A} --json").ended_with(0).json();
    list["vault"].as_str().unwrap().to_owned()
}

/// Restores with a key on a machine that knows only the fingerprint.
fn restore_line(table: &Table, key: &str) -> String {
    let vault = fingerprint(table);
    format!(
        "restore --from {{A}} --age-key-file {{{key}}} --fingerprint {vault} --to folder:{{back}} --pfx-password-file {{pfx-password}} --state {{fresh}} --yes"
    )
}

/// The kind of the newest way in.
fn newest_kind(table: &Table) -> String {
    let list = table.run("access list {A} --json").ended_with(0).json();
    let ways = list["ways"].as_array().unwrap().iter();
    let kinds: Vec<&str> = ways.map(|way| way["kind"].as_str().unwrap()).collect();
    let others = ["passphrase", "recovery-key"];
    let mut own = kinds.into_iter().filter(|kind| !others.contains(kind));
    own.next().unwrap().to_owned()
}

#[test]
fn a_key_of_an_age_plugin_opens_the_vault_and_stock_age_opens_it_the_same_way() {
    let table = Table::backed_up(&["www.example.com"]);
    let [public, key, other] = PLUGIN_KEYS;
    run_with_path(&table, &plugins(), &format!("access add {public} {ADD}")).ended_with(0);
    assert_eq!(newest_kind(&table), "plugin");
    table.secret_file("key", &format!("# a device\n{key}"));
    let said = run_with_path(&table, &plugins(), &restore_line(&table, "key"));
    let said = said.ended_with(0);
    assert!(said.out.contains("touch the device"), "{}", said.out);
    assert!(table.at("back/www.example.com.pfx").exists());

    let path = format!("{}:{}", plugins(), std::env::var("PATH").unwrap());
    let identity = table.at("A/PFXVAULT/A/OWNER/IDENT003.AGE");
    let mut age = Command::new("age");
    let age = age
        .env("PATH", path)
        .arg("-d")
        .arg("-i")
        .arg(table.at("key"));
    let opened = output(age.arg(identity).stdin(Stdio::null()));
    assert!(opened.stdout.starts_with(b"# pfxvault-identity v1\n"));

    // Without a pin nobody says whose vault it is; another key opens nothing, and what the plugin says is heard.
    let line = "drill --from {A} --age-key-file {key} --state {fresh}";
    let said = run_with_path(&table, &plugins(), line).ended_with(2);
    assert!(says(&said.err, "error-vault-unconfirmed"), "{}", said.err);
    table.secret_file("key", other);
    let said = run_with_path(&table, &plugins(), "drill --from {A} --age-key-file {key}");
    let said = said.ended_with(6);
    assert!(says(&said.err, "error-wrong-age-key"), "{}", said.err);
    assert!(said.out.contains("another device"), "{}", said.out);
    let add = format!("access add {public} {ADD} --decrypt-only");
    let said = run_with_path(&table, &plugins(), &add).ended_with(2);
    assert!(says(&said.err, "error-decrypt-only"), "{}", said.err);
}

#[test]
fn an_age_plugin_is_run_from_a_folder_of_this_machine_alone() {
    let table = Table::backed_up(&["www.example.com"]);
    let [public, key, _] = PLUGIN_KEYS;
    table.secret_file("key", key);
    let ran = table.at("ran");
    let planted = format!("#!/bin/sh\n: > '{}'\n", ran.display());
    for folder in ["A", "beside"] {
        std::fs::create_dir_all(table.at(folder)).unwrap();
        let program = table.at(folder).join("age-plugin-trial");
        std::fs::write(&program, &planted).unwrap();
        let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(program, executable).unwrap();
    }
    let on_stick = table.at("A").display().to_string();
    let add = format!("access add {public} {ADD}");
    let drill = "drill --from {A} --age-key-file {key}";
    for (folders, code, id) in [
        (on_stick.as_str(), 5, "error-plugin-place"),
        ("beside", 5, "error-plugin-place"),
        ("/nowhere", 1, "error-plugin-missing"),
    ] {
        for line in [add.as_str(), drill] {
            let said = run_with_path(&table, folders, line).ended_with(code);
            assert!(says(&said.err, id), "{id}: {}", said.err);
        }
    }
    assert!(!ran.exists());
    let mut command = table.command(drill);
    let path = format!("{}:/usr/bin:/bin", plugins());
    let command = command.env("PATH", path).env("AGEDEBUG", "plugin");
    let said = Said::of(&output(command.stdin(Stdio::null()))).ended_with(2);
    assert!(says(&said.err, "error-plugin-debug"), "{}", said.err);
}

/// Adds the key of a line with blanks in it.
fn add_key(table: &Table, public: &str) -> Said {
    let line = format!("access add KEY {ADD}");
    let mut words = table.words(&line);
    words[2] = public.trim_end().to_owned();
    let mut command = Command::new(env!("CARGO_BIN_EXE_pfxvault"));
    let command = command.args(words).stdin(Stdio::null());
    Said::of(&output(command.env("LC_ALL", "C"))).to(&line)
}

#[test]
fn a_key_for_ssh_opens_the_vault_and_stock_age_opens_it_the_same_way() {
    let table = Table::backed_up(&["www.example.com"]);
    let folder = table.folder.path();
    let make = [
        "-q",
        "-t",
        "ed25519",
        "-N",
        "",
        "-f",
        "key",
        "-C",
        "who knows",
    ];
    ran("ssh-keygen", &make, folder);
    let public = std::fs::read_to_string(table.at("key.pub")).unwrap();
    add_key(&table, &public).ended_with(0);
    assert_eq!(newest_kind(&table), "ssh-key");
    table.run(&restore_line(&table, "key")).ended_with(0);
    assert!(table.at("back/www.example.com.pfx").exists());
    table
        .run("drill --from {A} --age-key-file {key}")
        .ended_with(0);
    let identity = "A/PFXVAULT/A/OWNER/IDENT003.AGE";
    let opened = ran("age", &["-d", "-i", "key", identity], folder);
    assert!(opened.starts_with("# pfxvault-identity v1\n"));

    ran(
        "ssh-keygen",
        &["-q", "-p", "-N", "secret", "-f", "key"],
        folder,
    );
    let said = table
        .run("drill --from {A} --age-key-file {key}")
        .ended_with(2);
    assert!(says(&said.err, "error-ssh-encrypted"), "{}", said.err);
    ran(
        "ssh-keygen",
        &["-q", "-p", "-P", "secret", "-N", "", "-f", "key"],
        folder,
    );
    table
        .run("drill --from {A} --age-key-file {key}")
        .ended_with(0);
    for (kind, id) in [("rsa", "error-ssh-rsa"), ("ecdsa", "error-ssh-unread")] {
        let make = ["-q", "-t", kind, "-N", "", "-f", kind];
        ran("ssh-keygen", &make, folder);
        let line = format!("drill --from {{A}} --age-key-file {{{kind}}}");
        let said = table.run(&line).ended_with(2);
        assert!(says(&said.err, id), "{}", said.err);
    }
    for (kind, id) in [("rsa", "error-ssh-rsa"), ("ecdsa", "error-ssh-algorithm")] {
        let public = std::fs::read_to_string(table.at(&format!("{kind}.pub"))).unwrap();
        let said = add_key(&table, &public).ended_with(2);
        assert!(says(&said.err, id), "{}", said.err);
    }
    let make = ["-q", "-t", "ed25519", "-N", "", "-f", "other"];
    ran("ssh-keygen", &make, folder);
    let said = table.run("drill --from {A} --age-key-file {other}");
    assert!(says(&said.ended_with(6).err, "error-wrong-age-key"));
    let said = table.run(&format!("access add ssh-rsa {ADD}"));
    assert!(says(&said.ended_with(2).err, "error-ssh-unread"));
}

/// The passphrase of the beginning, a second one, a recovery key and an age key, which the tests above leave.
#[test]
fn a_second_passphrase_a_recovery_key_and_an_age_key_each_restore_alone() {
    let table = Table::backed_up(&["www.example.com"]);
    table.secret_file("second", "every river finds another sea");
    let add = format!("access add passphrase {ADD} --new-passphrase-file {{second}}");
    table.run(&add).ended_with(0);
    let line = ran("age-keygen", &["-o", "key"], table.folder.path());
    assert!(line.is_empty());
    let keys = std::fs::read_to_string(table.at("key")).unwrap();
    let public = keys
        .lines()
        .find_map(|line| line.strip_prefix("# public key: "));
    let add = format!("access add {} {ADD}", public.unwrap());
    table.run(&add).ended_with(0);
    let pin = format!("--fingerprint {}", fingerprint(&table));
    for (number, way) in [
        "--passphrase-file {passphrase}",
        "--passphrase-file {second}",
        "--recovery-key-file {recovery}",
        &format!("--age-key-file {{key}} {pin}"),
    ]
    .into_iter()
    .enumerate()
    {
        table
            .run(&format!(
                "restore --from {{A}} {way} --to folder:{{back{number}}} --pfx-password-file {{pfx-password}} --state {{fresh}} --yes"
            ))
            .ended_with(0);
        let restored = table.at(&format!("back{number}"));
        assert!(restored.join("www.example.com.pfx").exists());
    }
}

#[test]
fn a_changed_passphrase_is_tried_and_the_old_one_is_said_to_open_still_and_no_longer_counted() {
    let table = Table::backed_up(&["www.example.com"]);
    let old = std::fs::read_to_string(table.at("passphrase")).unwrap();
    table.secret_file("new", "every river finds another sea");
    let change = format!("access change-passphrase {ADD} --new-passphrase-file");
    let said = table.run(&format!("{change} {{passphrase}}")).ended_with(2);
    assert!(says(&said.err, "error-change-same"), "{}", said.err);
    let said = table.run(&format!("{change} {{new}}")).ended_with(0);
    let told = says(&said.out, "change-done") && says(&said.out, "change-old-still-opens");
    assert!(told, "{}", said.out);

    let list = table.run("access list {A} --json").ended_with(0).json();
    let ways = list["ways"].as_array().unwrap();
    let passphrases = ways.iter().filter(|way| way["kind"] == "passphrase");
    let passphrases: Vec<_> = passphrases.collect();
    let replaced = passphrases.iter().filter(|way| !way["replaced"].is_null());
    assert_eq!((passphrases.len(), replaced.count()), (2, 1));
    assert!(passphrases.iter().all(|way| !way["opened"].is_null()));
    let status = table.run("status --json").json();
    let ids = status["findings"].as_array().unwrap().iter();
    let of_ways = ids.filter(|one| one["id"].as_str().unwrap().starts_with("way-"));
    assert_eq!(
        of_ways.count(),
        2,
        "the new passphrase and the recovery key"
    );

    for (name, words) in [
        ("new", "every river finds another sea"),
        ("old", old.trim()),
    ] {
        table.secret_file(name, words);
        table
            .run(&format!(
                "drill --from {{A}} --passphrase-file {{{name}}} --state {{fresh}}"
            ))
            .ended_with(0);
    }
    // Who forgot it opens with another way in.
    table.secret_file("third", "the mountain keeps its own counsel");
    let line = "access change-passphrase --to {A} --recovery-key-file {recovery} --accept other-medium=test --new-passphrase-file {third} --json";
    let changed = table.run(line).ended_with(0).json();
    assert!(changed["replaced"].is_null());
    table
        .run("drill --from {A} --passphrase-file {third}")
        .ended_with(0);
}
