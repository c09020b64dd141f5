//! The commands, as a user runs them. Each has a case that works and one that fails and leaves
//! everything as it was.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use crate::common::{
    BACKUP, PASSPHRASE, PFX_PASSWORD, RESTORE, Table, generations, held, says, tree,
};
use pfx::Profile;
use pfxvault::keypair::throwaway::{Authority, KeyKind};
use pfxvault::keystore::{Destination, NamedKeyPair, Writing};
use secret::Password;

const NAMES: [&str; 3] = ["www.example.com", "*.example.net", "mail.example.org"];

#[test]
fn what_was_backed_up_comes_back_as_the_same_key_pairs() {
    let table = Table::backed_up(&NAMES);
    let said = table.run(RESTORE).ended_with(0);
    assert!(said.err.is_empty(), "{}", said.err);
    assert_eq!(held(&table, "restored"), held(&table, "server"));
    assert!(table.at("restored/_.example.net.pfx").exists());
}

#[test]
fn restored_files_are_for_their_owner_only() {
    let table = Table::backed_up(&NAMES);
    table.run(RESTORE).ended_with(0);
    let mode = |path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(table.at("restored/www.example.com.pfx")), 0o600);
    assert_eq!(mode(table.at("restored")), 0o700);
}

#[test]
fn a_restore_never_writes_to_the_medium() {
    let table = Table::backed_up(&NAMES);
    let before = tree(&table.at("A"));
    table.run(RESTORE).ended_with(0);
    table
        .run("drill --from {A} --recovery-key-file {recovery}")
        .ended_with(0);
    table.run("verify {A}").ended_with(0);
    table
        .run("contents --from {A} --recovery-key-file {recovery}")
        .ended_with(0);
    assert!(before == tree(&table.at("A")));
}

#[test]
fn one_unreadable_key_pair_is_named_and_the_others_are_saved() {
    let table = Table::with_vault(&NAMES);
    fs::write(table.at("server/broken.example.com.pfx"), b"not a PFX").unwrap();
    let said = table.run(&format!("{BACKUP} --json")).ended_with(3);
    let document = said.json();
    assert_eq!(document["saved"], 3);
    assert_eq!(document["missing"][0]["name"], "broken.example.com.pfx");
    assert_eq!(document["exit"], 3);
    // As a restore of everything would end.
    table
        .run("drill --from {A} --recovery-key-file {recovery}")
        .ended_with(3);
    let contents = table.run("contents --json --from {A}").ended_with(0).json();
    assert_eq!(
        contents["servers"][0]["without_key"][0]["name"],
        "broken.example.com.pfx"
    );
}

#[test]
fn a_wrong_source_password_is_a_reason_of_its_own() {
    let table = Table::with_vault(&NAMES);
    table.secret_file("wrong", "wrong");
    let backup = BACKUP.replace("{pfx-password}", "{wrong}");
    let said = table.run(&backup).ended_with(6);
    assert!(
        NAMES
            .iter()
            .all(|name| said.err.contains(&name.replace('*', "_"))),
        "{}",
        said.err
    );
    table.run(&format!("{backup} --dry-run")).ended_with(6);
    table
        .run("export --from folder:{server} --source-password-file {wrong} --to folder:{out}")
        .ended_with(6);
    table
        .run("export --from pfx:{server/www.example.com.pfx} --source-password-file {wrong} --to pem:{out}")
        .ended_with(6);
    assert!(!table.at("out").exists());
}

#[test]
fn nothing_changed_means_nothing_written() {
    let table = Table::backed_up(&NAMES);
    let before = tree(&table.at("A"));
    let said = table.run(&format!("{BACKUP} --json")).ended_with(0);
    assert_eq!(said.json()["media"][0]["result"], "unchanged");
    assert!(before == tree(&table.at("A")));
    table.run(&format!("{BACKUP} --force")).ended_with(0);
    assert_eq!(generations(&table.at("A"), "A").len(), 2);
}

#[test]
fn a_new_key_pair_makes_a_new_generation_and_the_old_one_stays() {
    let table = Table::backed_up(&NAMES);
    table.serve("more", &["new.example.com"]);
    fs::rename(
        table.at("more/new.example.com.pfx"),
        table.at("server/new.example.com.pfx"),
    )
    .unwrap();
    table.run(BACKUP).ended_with(0);
    let count = |generation: &str| {
        let line = format!(
            "contents --json --from {{A}} --recovery-key-file {{recovery}} --generation {generation}"
        );
        table.run(&line).ended_with(0).json()["servers"][0]["key_pairs"]
            .as_array()
            .unwrap()
            .len()
    };
    assert_eq!((count("1"), count("2")), (3, 4));
    let record =
        fs::read_to_string(generations(&table.at("A"), "A")[1].join("RECORD.TXT")).unwrap();
    assert!(record.contains("\n# prev 1 "), "{record}");
}

#[test]
fn the_recovery_key_opens_what_the_passphrase_opens() {
    let table = Table::backed_up(&NAMES);
    table
        .run("drill --from {A} --recovery-key-file {recovery}")
        .ended_with(0);
    table
        .run(&RESTORE.replace(
            "--recovery-key-file {recovery}",
            "--passphrase-file {passphrase}",
        ))
        .ended_with(0);
    assert_eq!(held(&table, "restored"), held(&table, "server"));
}

#[test]
fn a_wrong_passphrase_or_recovery_key_ends_with_6_and_writes_nothing() {
    let table = Table::backed_up(&NAMES);
    table.secret_file("wrong", "not it");
    table
        .run(&RESTORE.replace(
            "--recovery-key-file {recovery}",
            "--passphrase-file {wrong}",
        ))
        .ended_with(6);
    table
        .run("drill --from {A} --recovery-key-file {wrong}")
        .ended_with(6);
    let other = Table::with_vault_of_another(&["other.example.com"]);
    table.secret_file("others", &other.recovery_key());
    table
        .run("drill --from {A} --recovery-key-file {others}")
        .ended_with(6);
    assert!(!table.at("restored").exists());
}

#[test]
fn nothing_is_overwritten_without_force() {
    let table = Table::backed_up(&NAMES);
    fs::create_dir(table.at("restored")).unwrap();
    fs::write(table.at("restored/mail.example.org.pfx"), b"mine").unwrap();
    table.run(RESTORE).ended_with(1);
    assert_eq!(
        fs::read(table.at("restored/mail.example.org.pfx")).unwrap(),
        b"mine"
    );
    assert_eq!(
        fs::read_dir(table.at("restored")).unwrap().count(),
        1,
        "a failed restore leaves nothing behind"
    );
    table.run(&format!("{RESTORE} --force")).ended_with(0);
    assert_eq!(held(&table, "restored"), held(&table, "server"));
    assert_eq!(
        fs::read_dir(table.at("restored")).unwrap().count(),
        3,
        "nothing is left of what was replaced"
    );
}

#[test]
fn what_is_not_a_file_is_never_replaced_and_everything_stays_as_it_was() {
    let table = Table::backed_up(&NAMES);
    fs::create_dir_all(table.at("restored/www.example.com.pfx/inside")).unwrap();
    fs::write(table.at("restored/mail.example.org.pfx"), b"mine").unwrap();
    let said = table
        .run(&format!("{RESTORE} --force --json"))
        .ended_with(1);
    assert_eq!(said.json()["error"]["id"], "error-not-a-file");
    assert_eq!(
        fs::read(table.at("restored/mail.example.org.pfx")).unwrap(),
        b"mine"
    );
    assert!(table.at("restored/www.example.com.pfx/inside").is_dir());
    assert_eq!(fs::read_dir(table.at("restored")).unwrap().count(), 2);
}

#[test]
fn a_pipe_among_the_files_is_named_and_nobody_waits_for_it() {
    let table = Table::with_vault(&NAMES);
    table.pipe("server/pipe.pfx");
    let list = "list --json --from folder:{server} --source-password-file {pfx-password}";
    assert_eq!(
        table.run(list).ended_with(3).json()["unreadable"][0]["name"],
        "pipe.pfx"
    );
    table.run(BACKUP).ended_with(3);
}

#[test]
fn of_two_files_with_the_same_certificate_the_one_with_the_longer_chain_counts() {
    let table = Table::with_vault(&[]);
    let now = jiff::Timestamp::now();
    let mut pair = Authority::new("Test", now)
        .unwrap()
        .issue(&["www.example.com"], KeyKind::P256, now)
        .unwrap();
    let password = Password::new(PFX_PASSWORD.into());
    let writing = Writing {
        password: Some(&password),
        profile: Profile::Aes256,
        force: false,
    };
    fs::create_dir_all(table.at("server")).unwrap();
    for name in ["2-chain.pfx", "1-leaf.pfx"] {
        Destination::Pfx(table.at("server").join(name))
            .write(
                &[NamedKeyPair {
                    pair: &pair,
                    file_names: &[],
                    file_parts: None,
                }],
                &writing,
            )
            .unwrap();
        pair.chain.truncate(1);
    }
    let list = "list --json --from folder:{server} --source-password-file {pfx-password}";
    let document = table.run(list).ended_with(0).json();
    let held = &document["key_pairs"][0];
    assert_eq!(
        held["files"],
        serde_json::json!(["1-leaf.pfx", "2-chain.pfx"])
    );
    assert_eq!(held["chain"].as_array().unwrap().len(), 3);
    assert_eq!(held["warnings"], serde_json::json!([]));
}

#[test]
fn a_name_in_two_certificates_saves_both_and_where_one_is_meant_they_are_listed() {
    let table = Table::with_vault(&["www.example.com"]);
    table.serve("renewed", &["www.example.com"]);
    fs::rename(
        table.at("renewed/www.example.com.pfx"),
        table.at("server/renewed.pfx"),
    )
    .unwrap();
    assert_eq!(
        table
            .run(&format!("{BACKUP} --json").replace("backup", "backup www.example.com"))
            .json()["saved"],
        2
    );
    let document = table.run("contents --json --from {A}").ended_with(0).json();
    let thumbprint = |at: usize| {
        document["servers"][0]["key_pairs"][at]["about"]["thumbprint"]
            .as_str()
            .unwrap()
    };
    let restore = RESTORE.replace("folder:{restored}", "pfx:{one.pfx}");
    let export = "export www.example.com --from folder:{server} --source-password-file {pfx-password} --to pfx:{one.pfx} --pfx-password-file {pfx-password}";
    for line in [
        restore.replace("restore ", "restore www.example.com "),
        export.to_owned(),
    ] {
        let said = table.run(&line).ended_with(2);
        assert!(
            said.err.contains(thumbprint(0)) && said.err.contains(thumbprint(1)),
            "{}",
            said.err
        );
        assert!(!table.at("one.pfx").exists());
    }
    table
        .run(&restore.replace("restore ", &format!("restore {} ", thumbprint(1))))
        .ended_with(0);
}

#[test]
fn what_was_never_saved_is_named_only_where_it_was_asked_for() {
    let table = Table::with_vault(&NAMES);
    fs::write(table.at("server/broken.example.com.pfx"), b"not a PFX").unwrap();
    table.run(BACKUP).ended_with(3);
    let one = RESTORE
        .replace("restore ", "restore www.example.com ")
        .replace("{restored}", "{one}");
    let said = table.run(&one).ended_with(0);
    assert!(!said.out.contains("broken.example.com"), "{}", said.out);
    let said = table.run(RESTORE).ended_with(3);
    assert!(said.out.contains("broken.example.com"), "{}", said.out);
}

#[test]
fn a_plan_alone_changes_nothing() {
    let table = Table::backed_up(&NAMES);
    let said = table
        .run(&RESTORE.replace("--yes", "--dry-run"))
        .ended_with(0);
    assert!(said.out.contains("www.example.com"), "{}", said.out);
    assert!(!table.at("restored").exists());
    let before = tree(&table.at("A"));
    table
        .run(&format!("{BACKUP} --force --dry-run"))
        .ended_with(0);
    assert!(before == tree(&table.at("A")));
}

#[test]
fn without_a_terminal_and_without_an_answer_the_plan_is_shown_and_nothing_changes() {
    let table = Table::backed_up(&NAMES);
    let said = table.run(&RESTORE.replace(" --yes", "")).ended_with(2);
    assert!(said.out.contains("www.example.com"), "{}", said.out);
    assert!(said.err.contains("--yes"), "{}", said.err);
    assert!(!table.at("restored").exists());
}

#[test]
fn without_a_terminal_a_missing_secret_is_a_plain_error_that_names_the_option() {
    let table = Table::backed_up(&NAMES);
    let said = table.run("drill --from {A}").ended_with(2);
    assert!(said.err.contains("--passphrase-file"), "{}", said.err);
    let said = table.run("drill --from {A} --recovery-key").ended_with(2);
    assert!(said.err.contains("--recovery-key-file"), "{}", said.err);
}

#[test]
fn a_secrets_file_that_others_can_read_is_refused() {
    let table = Table::backed_up(&NAMES);
    fs::set_permissions(table.at("passphrase"), fs::Permissions::from_mode(0o644)).unwrap();
    table
        .run("drill --from {A} --passphrase-file {passphrase}")
        .ended_with(2);
}

#[test]
fn the_system_disk_is_refused_until_an_exception_is_given_and_recorded() {
    let table = Table::bare();
    table.serve("server", &["www.example.com"]);
    table.stick("A");
    let create = "create {A} --passphrase-file {passphrase} --recovery-key-file {recovery}";
    let said = table.run(create).ended_with(5);
    assert!(said.err.contains("other-medium"), "{}", said.err);
    assert!(tree(&table.at("A")).is_empty() && !table.at("recovery").exists());
    table
        .run(&format!("{create} --accept other-medium="))
        .ended_with(2);
    table
        .run(&format!("{create} --accept other-medium=test"))
        .ended_with(0);
    table.run(BACKUP).ended_with(0);
    let document = table
        .run("contents --json --from {A} --recovery-key-file {recovery}")
        .ended_with(0)
        .json();
    assert_eq!(
        document["servers"][0]["exceptions"][0]["rule"],
        "other-medium"
    );
    assert_eq!(document["servers"][0]["exceptions"][0]["reason"], "test");
}

#[test]
fn an_existing_vault_is_never_touched_by_create() {
    let table = Table::backed_up(&NAMES);
    let before = tree(&table.at("A"));
    let create = "create {A} --passphrase-file {passphrase} --recovery-key-file {again} --accept other-medium=test --state {new}";
    table.run(create).ended_with(1);
    assert!(before == tree(&table.at("A")));
    table.stick("B");
    fs::create_dir(table.at("B/PFXVAULT")).unwrap();
    fs::write(table.at("B/PFXVAULT/notes.txt"), b"mine").unwrap();
    table.run(&create.replace("{A}", "{B}")).ended_with(7);
    assert!(
        !table.at("again").exists(),
        "no secret is made for a vault that is not"
    );
}

/// Such as the program itself, in the folder that it was unpacked into.
#[test]
fn a_file_called_as_the_vaults_folder_is_no_vault() {
    for name in ["pfxvault", "PFXVAULT"] {
        let table = Table::bare();
        table.stick("tools/A");
        fs::write(table.at("tools").join(name), b"a program").unwrap();
        table
            .run("create {tools/A} --passphrase-file {passphrase} --recovery-key-file {tools/key} --accept other-medium=test")
            .ended_with(0);
        table.run("verify {tools}").ended_with(7);
        table.run("verify {tools/A}").ended_with(0);
    }
}

/// To this file system they are two names; tests/reliability.rs has one to which they are one.
#[test]
fn a_folder_in_another_case_is_a_vault_only_where_it_holds_one() {
    let table = Table::bare();
    table.stick("A/pfxvault");
    fs::write(table.at("A/pfxvault/notes.txt"), b"mine").unwrap();
    table
        .run("create {A} --passphrase-file {passphrase} --recovery-key-file {recovery} --accept other-medium=test")
        .ended_with(0);
    table.run("verify {A}").ended_with(0);
    assert!(table.at("A/PFXVAULT/README.TXT").is_file());
    assert_eq!(tree(&table.at("A/pfxvault")).len(), 1);
    fs::remove_dir_all(table.at("A/pfxvault")).unwrap();
    fs::rename(table.at("A/PFXVAULT"), table.at("A/pfxvault")).unwrap();
    table.run("verify {A}").ended_with(0);
}

#[test]
fn a_copy_from_another_vault_begins_nothing_on_the_stick() {
    let table = Table::backed_up(&NAMES);
    let other = Table::with_vault_of_another(&NAMES);
    table.stick("B");
    let from = other.at("A").display().to_string();
    table
        .run(&format!(
            "copy --from {from} --to {{B}} --accept other-medium=test"
        ))
        .ended_with(7);
    assert_eq!(fs::read_dir(table.at("B")).unwrap().count(), 0);
    table
        .run("copy --from {A} --to {B} --accept other-medium=test")
        .ended_with(0);
}

#[test]
fn backup_creates_the_vault_where_there_is_none() {
    let table = Table::bare();
    table.serve("server", &NAMES);
    table.stick("A");
    let said = table.run(BACKUP).ended_with(2);
    assert!(tree(&table.at("A")).is_empty(), "{}", said.err);
    table
        .run(&format!(
            "{BACKUP} --yes --passphrase-file {{passphrase}} --recovery-key-file {{recovery}}"
        ))
        .ended_with(0);
    table
        .run("drill --from {A} --recovery-key-file {recovery}")
        .ended_with(0);
}

#[test]
fn a_second_stick_needs_no_passphrase_and_holds_the_same() {
    let table = Table::backed_up(&NAMES);
    table.stick("B");
    table
        .run("media add {B} --label B --accept other-medium=test")
        .ended_with(0);
    table.run(&BACKUP.replace("{A}", "{B}")).ended_with(0);
    table.run("verify {A} {B}").ended_with(0);
    table.run(&RESTORE.replace("{A}", "{B}")).ended_with(0);
    assert_eq!(held(&table, "restored"), held(&table, "server"));
    let media = table.run("media list --json").ended_with(0).json();
    assert_eq!(media["media"].as_object().unwrap().len(), 2);
}

#[test]
fn copy_brings_another_stick_up_to_date_and_changes_nothing_that_stands() {
    let table = Table::backed_up(&NAMES);
    table.stick("B");
    table
        .run("copy --from {A} --to {B} --accept other-medium=test")
        .ended_with(0);
    let before = tree(&table.at("B"));
    table.run(&format!("{BACKUP} --force")).ended_with(0);
    let said = table
        .run("copy --json --from {A} --to {B} --accept other-medium=test")
        .ended_with(0)
        .json();
    assert_eq!(
        (said["added"].as_array().unwrap().len(), &said["kept"]),
        (1, &1.into())
    );
    let after = tree(&table.at("B"));
    assert!(
        before
            .iter()
            .all(|(path, bytes)| after.get(path) == Some(bytes))
    );
    table.run("verify {B}").ended_with(0);
    table.run(&RESTORE.replace("{A}", "{B}")).ended_with(0);
}

#[test]
fn a_stick_of_another_vault_is_refused() {
    let table = Table::backed_up(&NAMES);
    let other = Table::with_vault_of_another(&["other.example.com"]);
    let theirs = other.at("A").display().to_string();
    let before = tree(&other.at("A"));
    table.run(&BACKUP.replace("{A}", &theirs)).ended_with(7);
    table
        .run(&format!(
            "copy --from {{A}} --to {theirs} --accept other-medium=test"
        ))
        .ended_with(7);
    assert!(before == tree(&other.at("A")));
}

#[test]
fn a_second_server_joins_with_the_passphrase_and_both_are_told_apart() {
    let table = Table::backed_up(&NAMES);
    let join = "servers join {A} --server-name WEB02 --state {two} --recovery-key-file {recovery} --accept other-medium=test";
    table.run(join).ended_with(0);
    table.serve("second", &["second.example.com"]);
    table
        .run(&format!(
            "{} --state {{two}}",
            BACKUP.replace("{server}", "{second}")
        ))
        .ended_with(0);
    let said = table.run(RESTORE).ended_with(2);
    assert!(said.err.contains("WEB02"), "{}", said.err);
    table
        .run(&format!("{RESTORE} --server WEB02"))
        .ended_with(0);
    assert_eq!(held(&table, "restored"), held(&table, "second"));
    let servers = table.run("servers list {A} --json").ended_with(0).json();
    assert_eq!(servers["servers"].as_array().unwrap().len(), 2);
    table.run("verify {A}").ended_with(0);
}

#[test]
fn a_further_way_in_opens_the_vault_and_the_old_ones_still_do() {
    let table = Table::backed_up(&NAMES);
    table.secret_file("second", "another passphrase of another person");
    let add = "--to {A} --passphrase-file {passphrase} --accept other-medium=test";
    table
        .run(&format!(
            "access add passphrase {add} --new-passphrase-file {{second}}"
        ))
        .ended_with(0);
    table
        .run(&format!(
            "access add recovery-key {add} --new-recovery-key-file {{envelope}}"
        ))
        .ended_with(0);
    for way in [
        "--passphrase-file {passphrase}",
        "--passphrase-file {second}",
        "--recovery-key-file {recovery}",
        "--recovery-key-file {envelope}",
    ] {
        table
            .run(&format!("drill --from {{A}} {way}"))
            .ended_with(0);
    }
    let list = table.run("access list {A} --json").ended_with(0).json();
    assert_eq!(list["identities"].as_array().unwrap().len(), 4);
    table.run("verify {A}").ended_with(0);
    table
        .run(&format!("access add nonsense {add}"))
        .ended_with(2);
}

#[test]
fn an_empty_passphrase_never_opens_the_vault_and_one_from_a_pipe_is_read() {
    let table = Table::backed_up(&NAMES);
    table.secret_file("empty", "");
    let before = tree(&table.at("A"));
    let add =
        "access add passphrase --to {A} --recovery-key-file {recovery} --accept other-medium=test";
    table
        .run(&format!("{add} --new-passphrase-file {{empty}}"))
        .ended_with(2);
    assert!(before == tree(&table.at("A")));
    let pipe = table.pipe("pipe");
    let writer =
        std::thread::spawn(move || fs::write(pipe, "from a generator of passphrases\n").unwrap());
    table
        .run(&format!("{add} --new-passphrase-file {{pipe}}"))
        .ended_with(0);
    writer.join().unwrap();
    table.secret_file("second", "from a generator of passphrases");
    table
        .run("drill --from {A} --passphrase-file {second}")
        .ended_with(0);
}

#[test]
fn a_way_in_that_readers_would_not_look_at_is_never_added() {
    let table = Table::backed_up(&NAMES);
    let add = |at: usize| {
        let line = "access add recovery-key --to {A} --recovery-key-file {recovery} --accept other-medium=test";
        table.run(&format!("{line} --new-recovery-key-file {{envelope{at}}}"))
    };
    (3..=16).for_each(|at| _ = add(at).ended_with(0));
    let before = tree(&table.at("A"));
    assert!(add(17).ended_with(1).err.contains("16"));
    assert!(before == tree(&table.at("A")) && !table.at("envelope17").exists());
    table
        .run("drill --from {A} --recovery-key-file {envelope16}")
        .ended_with(0);
}

#[test]
fn a_new_age_key_reads_what_is_written_after_it_was_added() {
    let table = Table::backed_up(&NAMES);
    let identity = age::x25519::Identity::generate();
    let recipient = identity.to_public().to_string();
    let said = table
        .run(&format!("access add {recipient} --decrypt-only --to {{A}} --recovery-key-file {{recovery}} --accept other-medium=test"))
        .ended_with(0);
    assert!(says(&said.out, "access-key-added"), "{}", said.out);
    table.run(BACKUP).ended_with(0);
    let generations = generations(&table.at("A"), "A");
    assert_eq!(
        generations.len(),
        2,
        "others can read it now, so it is written again"
    );
    let opens = |folder: &std::path::Path| {
        age::decrypt(&identity, &fs::read(folder.join("CATALOG.AGE")).unwrap()).is_ok()
    };
    assert_eq!(
        (opens(&generations[0]), opens(&generations[1])),
        (false, true)
    );
}

#[test]
fn a_second_persons_age_key_opens_the_vault_that_somebody_else_vouches_for() {
    let table = Table::backed_up(&NAMES);
    let (identity, other) = (
        age::x25519::Identity::generate(),
        age::x25519::Identity::generate(),
    );
    let text = |identity: &age::x25519::Identity| {
        let key = identity.to_string();
        let key = age::secrecy::ExposeSecret::expose_secret(&key).to_owned();
        format!(
            "# created: 2026-11-29\n# public key: {}\n{key}",
            identity.to_public()
        )
    };
    table.secret_file("age.txt", &text(&identity));
    table.secret_file("other.txt", &text(&other));
    let drill = "drill --from {A} --age-key-file {age.txt}";
    let said = table.run(drill).ended_with(6);
    assert!(says(&said.err, "error-wrong-age-key"), "{}", said.err);
    let recipient = identity.to_public();
    table
        .run(&format!("access add {recipient} --to {{A}} --passphrase-file {{passphrase}} --accept other-medium=test"))
        .ended_with(0);
    table.run(drill).ended_with(0);
    table
        .run("drill --from {A} --age-key-file {other.txt}")
        .ended_with(6);
    // A machine that knows nothing: the key itself says nothing of whose vault it is.
    let fresh = format!("{drill} --state {{fresh}}");
    let said = table.run(&fresh).ended_with(2);
    assert!(says(&said.err, "error-vault-unconfirmed"), "{}", said.err);
    let listed = table.run("access list {A} --json").ended_with(0).json();
    let vault = listed["vault"].as_str().unwrap();
    assert_eq!(listed["identities"].as_array().unwrap().len(), 3);
    table
        .run(&format!("{fresh} --fingerprint {vault}"))
        .ended_with(0);
    let wrong = vault.replace(&vault[10..14], "AAAA");
    table
        .run(&format!("{fresh} --fingerprint {wrong}"))
        .ended_with(7);
    // Whoever knows the public half plants a vault of his own: it is not taken for this one.
    let theirs = Table::with_vault_of_another(&NAMES);
    theirs
        .run(&format!("access add {recipient} --to {{A}} --passphrase-file {{passphrase}} --accept other-medium=test"))
        .ended_with(0);
    let planted = theirs.at("A").display().to_string();
    table
        .run(&format!(
            "drill --from {planted} --age-key-file {{age.txt}}"
        ))
        .ended_with(7);
    table
        .run(&format!(
            "drill --from {planted} --age-key-file {{age.txt}} --state {{fresh}} --fingerprint {vault}"
        ))
        .ended_with(7);
    table.secret_file("plugin.txt", "AGE-PLUGIN-YUBIKEY-1QQPQQQQQQQ");
    let said = table
        .run("drill --from {A} --age-key-file {plugin.txt}")
        .ended_with(2);
    assert!(says(&said.err, "error-no-age-key"), "{}", said.err);
}

#[test]
fn an_exported_pfx_opens_in_openssl_with_the_password_that_was_set() {
    let table = Table::bare();
    table.serve("server", &NAMES);
    let line = "export www.example.com --from folder:{server} --source-password-file {pfx-password} --to pfx:{out.pfx} --pfx-password-file {new}";
    table.secret_file("new", "handed over");
    table.run(line).ended_with(0);
    let open = |password: &str| {
        let mut openssl = Command::new("openssl");
        openssl
            .args([
                "pkcs12",
                "-noenc",
                "-passin",
                &format!("pass:{password}"),
                "-in",
            ])
            .arg(table.at("out.pfx"));
        openssl.output().unwrap()
    };
    let opened = open("handed over");
    let text = String::from_utf8(opened.stdout).unwrap();
    assert!(opened.status.success() && text.contains("BEGIN PRIVATE KEY"));
    assert_eq!(
        text.matches("BEGIN CERTIFICATE").count(),
        3,
        "the chain came along"
    );
    assert!(!open(PFX_PASSWORD).status.success());
}

#[test]
fn each_target_system_gets_the_form_it_can_read() {
    let table = Table::bare();
    table.serve("server", &["www.example.com"]);
    let encryption = |reader: &str| {
        let line = "export --from folder:{server} --source-password-file {pfx-password} --pfx-password-file {pfx-password}";
        table
            .run(&format!("{line} --to pfx:{{{reader}.pfx}} --for {reader}"))
            .ended_with(0);
        let list = format!(
            "list --json --from pfx:{{{reader}.pfx}} --source-password-file {{pfx-password}}"
        );
        let document = table.run(&list).ended_with(0).json();
        document["key_pairs"][0]["pfx"]["encryption"]["algorithm"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    for reader in ["server2012", "server2016"] {
        assert!(
            encryption(reader).to_lowercase().contains("3des"),
            "{}",
            encryption(reader)
        );
    }
    for reader in ["server2019", "other"] {
        assert!(
            encryption(reader).to_lowercase().contains("aes-256"),
            "{reader}"
        );
    }
}

#[test]
fn a_pfx_is_imported_without_a_vault() {
    let table = Table::bare();
    table.serve("server", &["www.example.com"]);
    let line = "restore --from pfx:{server/www.example.com.pfx} --source-password-file {pfx-password} --to folder:{restored} --pfx-password-file {pfx-password} --yes";
    table.run(line).ended_with(0);
    assert_eq!(held(&table, "restored"), held(&table, "server"));
}

#[test]
fn a_key_pair_in_pem_goes_out_and_comes_back() {
    let table = Table::backed_up(&["www.example.com"]);
    table
        .run("restore --from {A} --passphrase-file {passphrase} --to pem:{pem} --yes")
        .ended_with(0);
    let line = "export --from pem:{pem/www.example.com.crt} --key {pem/www.example.com.key} --to folder:{back} --pfx-password-file {pfx-password}";
    table.run(line).ended_with(0);
    assert_eq!(held(&table, "back"), held(&table, "server"));
    let mode = fs::metadata(table.at("pem/www.example.com.key"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn list_says_what_each_key_pair_is_and_whether_the_vault_has_it() {
    let table = Table::with_vault(&NAMES);
    let list = "list --json --from folder:{server} --source-password-file {pfx-password}";
    let before = table.run(list).ended_with(0).json();
    let pair = &before["key_pairs"][2];
    assert_eq!(pair["names"][0], "www.example.com");
    assert_eq!(pair["chain"].as_array().unwrap().len(), 3);
    assert_eq!(pair["friendly_name"], "www.example.com");
    assert_eq!(pair["key_type"], "ECDSA P-256");
    assert_eq!(pair["pfx"]["mac"]["algorithm"], "HMAC-SHA-256");
    assert!(pair["pfx"]["encryption"]["iterations"].as_u64().unwrap() > 1000);
    assert_eq!(pair["backup"], serde_json::Value::Null);
    table.run(BACKUP).ended_with(0);
    let after = table.run(list).ended_with(0).json();
    assert_eq!(after["key_pairs"][2]["backup"]["generation"], 1);
}

#[test]
fn contents_of_what_this_server_wrote_need_no_passphrase_and_others_do() {
    let table = Table::backed_up(&NAMES);
    let said = table.run("contents --from {A}").ended_with(0);
    assert!(said.out.contains("www.example.com"), "{}", said.out);
    table
        .run("contents --from {A} --state {elsewhere}")
        .ended_with(2);
    table
        .run("contents --from {A} --state {elsewhere} --recovery-key-file {recovery}")
        .ended_with(0);
    let reveal = "contents --from {A} --reveal-password --passphrase-file {passphrase}";
    assert_eq!(table.run(reveal).ended_with(2).out, "");
    let document = table.run(&format!("{reveal} --json")).ended_with(2).json();
    assert_eq!(document["exit"], 2, "{document}");
}

#[test]
fn an_option_that_would_change_nothing_is_refused_before_anything_is_asked() {
    let table = Table::backed_up(&["www.example.com"]);
    let from_files = "restore --from pfx:{server/www.example.com.pfx} --to folder:{restored}";
    for (line, option) in [
        (
            "restore --from {A} --to folder:{restored} --report {r.txt}",
            "--report",
        ),
        ("restore --from {A} --to pfx:{one.pfx} --farm", "--farm"),
        (
            "restore --from {A} --to pfx:{one.pfx} --replace-newer a",
            "--replace-newer",
        ),
        (
            "restore --from {A} --to pem:{pem} --keys-only",
            "--keys-only",
        ),
        (
            "restore --from {A} --to pem:{pem} --for server2016",
            "--for",
        ),
        (
            "restore --from {A} --to folder:{restored} --map-site a=b",
            "--map-site",
        ),
        (
            "restore --from {A} --to folder:{restored} --iis-config {config}",
            "--iis-config",
        ),
        (
            "restore --from {A} --to folder:{restored} --key {key.pem}",
            "--key",
        ),
        (
            "restore --from {A} --to folder:{restored} --source-password-file {pfx-password}",
            "--source-password-file",
        ),
        ("restore --from {A} --to iis --force", "--force"),
        (
            "restore --from {A} --to iis --pfx-password-file {pfx-password}",
            "--pfx-password-file",
        ),
        (
            "restore --from pfx:{server/www.example.com.pfx} --to iis --map {answers}",
            "--map",
        ),
        (&format!("{from_files} --generation 1"), "--generation"),
        (
            "export --from folder:{server} --to pem:{pem} --pfx-password-file {pfx-password}",
            "--pfx-password-file",
        ),
    ] {
        let document = table.run(&format!("{line} --json")).ended_with(2).json();
        assert_eq!(document["error"]["id"], "error-idle-option", "{line}");
        assert!(
            document["error"]["message"]
                .as_str()
                .unwrap()
                .starts_with(&format!("{option} ")),
            "{document}"
        );
    }
    assert!(!table.at("restored").exists() && !table.at("r.txt").exists());
}

#[test]
fn one_key_pair_is_restored_by_any_of_its_names() {
    let table = Table::backed_up(&NAMES);
    let thumbprint = table.run("contents --json --from {A}").json()["servers"][0]["key_pairs"]
        [2]["about"]["thumbprint"]
        .clone();
    let thumbprint = thumbprint.as_str().unwrap().to_lowercase();
    let pasted = format!("\u{200e}{}:{}", &thumbprint[..20], &thumbprint[20..]);
    for (at, name) in ["www.example.com", "WWW.EXAMPLE.COM", &thumbprint, &pasted]
        .iter()
        .enumerate()
    {
        let line = RESTORE
            .replace("restore ", &format!("restore {name} "))
            .replace("{restored}", &format!("{{out{at}}}"));
        table.run(&line).ended_with(0);
        assert_eq!(
            fs::read_dir(table.at(&format!("out{at}"))).unwrap().count(),
            1,
            "{name}"
        );
    }
    table
        .run(&RESTORE.replace("restore ", "restore unknown.example.com "))
        .ended_with(2);
    table
        .run(&RESTORE.replace("restore ", "restore _.example.net "))
        .ended_with(0);
    assert!(table.at("restored/_.example.net.pfx").exists());
}

#[test]
fn a_name_that_only_an_older_generation_holds_is_found_there() {
    let table = Table::backed_up(&NAMES);
    fs::remove_file(table.at("server/www.example.com.pfx")).unwrap();
    table.run(BACKUP).ended_with(0);
    table
        .run(&RESTORE.replace("restore ", "restore www.example.com "))
        .ended_with(0);
    assert!(table.at("restored/www.example.com.pfx").exists());
}

#[test]
fn a_medium_that_is_not_there_ends_with_9_and_one_without_a_vault_with_7() {
    let table = Table::bare();
    table.stick("A");
    table.run("verify {nowhere}").ended_with(9);
    table.run("verify {A}").ended_with(7);
    table
        .run("drill --from {A} --recovery-key-file {recovery}")
        .ended_with(7);
    assert!(
        table
            .run("verify label:Nowhere")
            .ended_with(9)
            .err
            .contains("label Nowhere")
    );
}

#[test]
fn the_command_line_is_explained_in_the_language_asked_for() {
    let table = Table::bare();
    let english = table.run("backup --help --lang en").ended_with(0);
    let japanese = table.run("backup --help --lang ja").ended_with(0);
    assert!(
        english.out.contains("--source-password-file")
            && japanese.out.contains("--source-password-file")
    );
    assert!(
        !english.out.contains('の') && japanese.out.contains('の'),
        "{}",
        japanese.out
    );
    assert!(
        table
            .run("verify --nonsense --lang ja")
            .ended_with(2)
            .err
            .contains("エラー")
    );
    assert!(table.run("nonsense").ended_with(2).err.contains("nonsense"));
    assert!(
        table
            .run("--lang en")
            .ended_with(2)
            .out
            .contains("pfxvault demo"),
        "nobody to ask: the help"
    );
}

#[test]
fn results_for_programs_are_one_document_and_nothing_on_standard_error() {
    let table = Table::backed_up(&NAMES);
    let lines = [
        "verify {A} --json",
        "contents --from {A} --json",
        "drill --from {A} --recovery-key-file {recovery} --json",
        "media --json",
        "servers --json",
    ];
    for line in lines {
        let said = table.run(line).ended_with(0);
        assert_eq!(said.json()["exit"], 0, "{line}");
        assert!(said.err.is_empty(), "{line}: {}", said.err);
    }
    for (line, id) in [
        ("verify {A} --json --nonsense", "error-unknown-argument"),
        ("--json nonsense", "error-unknown-command"),
        ("copy --json", "error-missing-argument"),
        ("--json", "error-missing-argument"),
        ("media add --json", "error-missing-argument"),
    ] {
        let failed = table.run(line).ended_with(2).json();
        assert_eq!(
            (&failed["error"]["id"], &failed["exit"]),
            (&id.into(), &2.into()),
            "{line}"
        );
    }
    let failed = table.run("verify {nowhere} --json").ended_with(9);
    assert_eq!(failed.json()["exit"], 9);
    assert_eq!(failed.json()["error"]["id"], "error-no-such-medium");
}

#[test]
fn no_secret_ever_shows_in_output_or_on_a_medium() {
    let table = Table::backed_up(&NAMES);
    table
        .run("drill --from {A} --recovery-key-file {recovery}")
        .ended_with(0);
    let wrong = table.secret_file("wrong", "canary-wrong-passphrase");
    let mut said = vec![
        table.run(RESTORE).ended_with(0),
        table.run(&format!(
            "drill --from {{A}} --passphrase-file {}",
            wrong.display()
        )),
    ];
    said.push(table.run("list --from folder:{server} --source-password-file {pfx-password}"));
    let recovery = table.recovery_key();
    let secrets = [
        PASSPHRASE,
        PFX_PASSWORD,
        "canary-wrong-passphrase",
        recovery.as_str(),
    ];
    for secret in secrets {
        assert!(
            said.iter()
                .all(|said| !said.out.contains(secret) && !said.err.contains(secret))
        );
        let files = tree(&table.at("A"))
            .into_iter()
            .chain(tree(&table.at("state")))
            .chain(tree(&table.at("restored")));
        for (path, bytes) in files {
            assert!(
                !bytes
                    .windows(secret.len())
                    .any(|window| window == secret.as_bytes()),
                "{}",
                path.display()
            );
        }
    }
}

#[test]
fn the_demonstration_tells_its_story_to_the_end_and_cleans_up() {
    let table = Table::bare();
    let mut command = table.command("demo");
    let temporary = table.stick("tmp");
    command.env("TMPDIR", &temporary);
    let said = crate::common::Said::of(&command.output().unwrap()).ended_with(0);
    assert!(said.out.contains("pfxvault backup"), "{}", said.out);
    assert_eq!(fs::read_dir(temporary).unwrap().count(), 0);
}

/// The disk of a dead server: its PFX files were saved elsewhere, its sites are in the
/// configuration.
#[test]
fn sites_come_from_a_copied_configuration_and_get_certificates_by_host_name() {
    let table = Table::with_vault(&["shop.example.com", "mail.example.org"]);
    let config =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/iis-config/sni.config");
    fs::copy(config, table.at("applicationHost.config")).unwrap();
    let from = "--from folder:{server} --source-password-file {pfx-password} --iis-config {applicationHost.config}";
    let listed = table
        .run(&format!("list {from} --json"))
        .ended_with(0)
        .json();
    let binding = &listed["sites"][0]["bindings"][0];
    assert_eq!(
        (&binding["information"], &binding["thumbprint"]),
        (
            &"*:443:shop.example.com".into(),
            &listed["key_pairs"][1]["thumbprint"]
        ),
        "the certificate that a backup gives it"
    );
    let backup = format!("backup {from} --to {{A}} --accept other-medium=test");
    let said = table.run(&backup).ended_with(0);
    assert!(
        said.out
            .contains("1 binding was given one by its host name"),
        "{}",
        said.out
    );
    assert_eq!(
        table.run(&format!("{backup} --json")).ended_with(0).json()["media"][0]["result"],
        "unchanged"
    );
    let broken = "list --from folder:{server} --source-password-file {pfx-password} --iis-config {passphrase}";
    assert!(
        table
            .run(broken)
            .ended_with(1)
            .err
            .contains("the configuration of IIS cannot be read")
    );
}

#[test]
fn an_argument_that_is_not_utf8_is_called_that() {
    // "Certificate" in EUC-JP.
    let folder = OsStr::from_bytes(b"folder:\xbe\xda\xcc\xc0\xbd\xf1");
    let said = Command::new(env!("CARGO_BIN_EXE_pfxvault"))
        .args(["list", "--json", "--from"])
        .arg(folder)
        .output()
        .unwrap();
    assert_eq!(said.status.code(), Some(2));
    let said: serde_json::Value = serde_json::from_slice(&said.stdout).unwrap();
    assert_eq!(said["error"]["id"], "error-argument-not-utf8");
}
