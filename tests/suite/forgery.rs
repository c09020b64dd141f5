//! What strangers, thieves and accidents can do to media, along the program: each is seen, named,
//! and never offered for restore in silence. (crates/vault/tests/suite/hand_recovery.rs walks the same forgeries along
//! the way without pfxvault.)

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::common::{BACKUP, PASSPHRASE, RESTORE, Said, Table, generations, held, says};
use pfxvault::platform::media::FolderVolume;
use pfxvault::state::State;
use vault::generation::{Draft, LinePosition};
use vault::id::{Number, Point, ServerId};
use vault::lines::day_of;
use vault::medium::Medium;
use vault::seal::Recipients;
use vault::sign::SigningKey;
use vault::trust::{Clause, Closing, Statement};

const NAMES: [&str; 2] = ["www.example.com", "mail.example.org"];

fn medium(path: &Path) -> Medium {
    Medium::new("medium", Box::new(FolderVolume::new(path)))
}

fn state(table: &Table) -> State {
    State::open(&table.at("state")).unwrap().unwrap()
}

/// Writes a generation as `server`, signed by `key`, with the given files and predecessor.
fn plant(
    table: &Table,
    number: u32,
    server: ServerId,
    key: &SigningKey,
    files: &[Vec<u8>],
    prev: Option<Point>,
) {
    let state = state(table);
    let now = jiff::Timestamp::now();
    let mut draft = Draft::new(LinePosition {
        vault: state.vault().clone(),
        server,
        number: Number::new(number).unwrap(),
        prev,
        time: now,
        due: day_of(now).saturating_add(jiff::Span::new().months(6)),
        trust: state.trust.statements.keys().copied().collect(),
    });
    files[1..]
        .iter()
        .for_each(|file| _ = draft.add(file.clone()));
    let package = draft.sign(files[0].clone(), key).unwrap();
    for half in [0, 1] {
        package
            .write(&medium(&table.at("A")), half, || {
                Ok::<_, vault::medium::MediumError>(())
            })
            .unwrap();
    }
}

/// Files sealed to the right people: anyone who reads the stick can make them.
fn sealed(table: &Table) -> Vec<Vec<u8>> {
    let state = state(table);
    let recipients = Recipients::parse(state.trust.recipients()).unwrap();
    vec![
        recipients.seal(b"{}").unwrap(),
        recipients.seal(b"a key pair of the forger's").unwrap(),
    ]
}

fn findings(said: &Said) -> Vec<String> {
    let document = said.json();
    let list = document["findings"].as_array().unwrap();
    list.iter()
        .map(|finding| finding["id"].as_str().unwrap().to_owned())
        .collect()
}

fn verify(table: &Table, options: &str) -> (i32, Vec<String>) {
    let said = table.run(&format!("verify --json {options}"));
    (said.code, findings(&said))
}

#[track_caller]
fn sees(table: &Table, options: &str, code: i32, id: &str) {
    let (ended, found) = verify(table, options);
    assert!(
        ended == code && found.iter().any(|found| found == id),
        "ended with {ended}, found {found:?}"
    );
}

/// What comes back is generation 1 as it was backed up, whatever else lies on the stick.
fn still_restores(table: &Table) -> Said {
    let said = table.run(RESTORE);
    assert_eq!(
        held(table, "restored"),
        held(table, "server"),
        "{}",
        said.err
    );
    said
}

fn folders(table: &Table) -> [PathBuf; 2] {
    ["A", "B"].map(|half| generations(&table.at("A"), half).pop().unwrap())
}

#[test]
fn a_generation_signed_by_a_stranger_is_refused_and_never_offered() {
    let table = Table::backed_up(&NAMES);
    let stranger = SigningKey::generate().unwrap();
    let server = state(&table).server();
    plant(&table, 2, server, &stranger, &sealed(&table), None);
    sees(&table, "{A}", 10, "foreign");
    assert_eq!(
        still_restores(&table).code,
        8,
        "the newest number is not what it seems"
    );
    // A server that the owner never admitted, in a folder of its own.
    plant(
        &table,
        5,
        ServerId::of(&stranger.public()),
        &stranger,
        &sealed(&table),
        None,
    );
    sees(&table, "{A}", 10, "foreign");
}

#[test]
fn a_planted_highest_number_does_not_use_up_the_numbers() {
    let table = Table::backed_up(&NAMES);
    let server = state(&table).server();
    plant(
        &table,
        99_999_999,
        server,
        &SigningKey::generate().unwrap(),
        &sealed(&table),
        None,
    );
    table.run(&format!("{BACKUP} --force")).ended_with(8);
    assert_eq!(state(&table).newest().unwrap().number.get(), 2);
}

#[test]
fn files_that_change_places_are_seen() {
    let table = Table::backed_up(&NAMES);
    for folder in folders(&table) {
        let [one, two] = ["K0000001.AGE", "K0000002.AGE"].map(|name| folder.join(name));
        let (first, second) = (fs::read(&one).unwrap(), fs::read(&two).unwrap());
        fs::write(one, second).unwrap();
        fs::write(two, first).unwrap();
    }
    sees(&table, "{A}", 4, "file-lost");
    table.run(RESTORE).ended_with(4);
    assert!(!table.at("restored").exists());
}

#[test]
fn one_lost_key_pair_does_not_cost_the_others() {
    let table = Table::backed_up(&NAMES);
    folders(&table)
        .iter()
        .for_each(|folder| fs::write(folder.join("K0000001.AGE"), b"lost").unwrap());
    let said = table.run(RESTORE).ended_with(3);
    assert!(said.out.contains("mail.example.org"), "{}", said.out);
    assert_eq!(fs::read_dir(table.at("restored")).unwrap().count(), 1);
}

#[test]
fn an_enrolled_server_cannot_pass_off_another_ones_files() {
    let table = Table::backed_up(&NAMES);
    let join = "servers join {A} --server-name OTHER --state {two} --recovery-key-file {recovery} --accept other-medium=test";
    table.run(join).ended_with(0);
    let files: Vec<_> = ["CATALOG.AGE", "K0000001.AGE", "K0000002.AGE"]
        .map(|name| fs::read(folders(&table)[0].join(name)).unwrap())
        .into();
    let other = State::open(&table.at("two")).unwrap().unwrap();
    plant(&table, 1, other.server(), other.key(), &files, None);
    drop(other);
    table
        .run(&format!("{RESTORE} --server {}", state_id(&table, "two")))
        .ended_with(4);
    assert!(!table.at("restored").exists());
}

fn state_id(table: &Table, name: &str) -> String {
    State::open(&table.at(name))
        .unwrap()
        .unwrap()
        .server()
        .to_string()
}

#[test]
fn two_servers_of_one_name_are_told_apart_by_asking() {
    let table = Table::backed_up(&NAMES);
    let name = table.run("contents --json --from {A}").json()["servers"][0]["server_name"]
        .as_str()
        .unwrap()
        .to_owned();
    let join =
        "servers join {A} --state {two} --recovery-key-file {recovery} --accept other-medium=test";
    table.run(join).ended_with(0);
    table.serve("second", &["www.example.com"]);
    table
        .run(&format!(
            "{} --state {{two}}",
            BACKUP.replace("{server}", "{second}")
        ))
        .ended_with(0);
    table
        .run(&format!("{RESTORE} --server {name}"))
        .ended_with(2);
    table
        .run(&format!("{RESTORE} --server {}", state_id(&table, "state")))
        .ended_with(0);
    assert_eq!(held(&table, "restored"), held(&table, "server"));
}

#[test]
fn a_closed_server_counts_up_to_its_last_good_number_and_a_stolen_key_cannot_backdate() {
    let table = Table::backed_up(&NAMES);
    let (server, newest) = {
        let state = state(&table);
        (state.server(), state.newest().unwrap())
    };
    let owner = owner(&table);
    let close = Statement::sign(&owner, &[Clause::Close(server, Closing::Above(newest))]).unwrap();
    medium(&table.at("A"))
        .add_owner_files(&[&close], &[])
        .unwrap();
    let key = SigningKey::from_seed(&state(&table).key().seed());
    plant(&table, 2, server, &key, &sealed(&table), Some(newest));
    sees(&table, "{A}", 8, "closed");
    assert_eq!(still_restores(&table).code, 8);
    // Backdated: another record under the last good number.
    plant(&table, 1, server, &key, &sealed(&table), None);
    fs::remove_dir_all(table.at("restored")).unwrap();
    assert_eq!(still_restores(&table).code, 8);
    table.run(&format!("{BACKUP} --force")).ended_with(7);
}

/// The owner's key, as only the passphrase gives it.
fn owner(table: &Table) -> SigningKey {
    use vault::identity::{Owner, Secret};
    let file = fs::read(table.at("A/PFXVAULT/A/OWNER/IDENTITY.AGE")).unwrap();
    let secret = Secret::Passphrase(secret::Passphrase::new(PASSPHRASE.into()));
    Owner::unwrap(&file, &secret).unwrap().key
}

#[test]
fn an_owner_of_the_forgers_own_beside_ours_convinces_nobody() {
    let table = Table::backed_up(&NAMES);
    let forger = Table::with_vault_of_another(&NAMES);
    for half in ["A", "B"] {
        let owner = |table: &Table| table.at("A/PFXVAULT").join(half).join("OWNER");
        for entry in fs::read_dir(owner(&forger)).unwrap().flatten() {
            let target = owner(&table).join(entry.file_name());
            if !target.exists() {
                fs::copy(entry.path(), target).unwrap();
            }
        }
    }
    sees(&table, "{A}", 10, "bad-statement");
    assert_eq!(still_restores(&table).code, 8);
    // Somebody who knows neither owner cannot say which one is right, and is told so.
    table.run("verify {A} --state {fresh}").ended_with(10);
}

#[test]
fn a_vault_of_a_stranger_does_not_open_with_our_secrets_and_is_not_written_to() {
    let table = Table::backed_up(&NAMES);
    let stranger = Table::with_vault_of_another(&NAMES);
    stranger.run(BACKUP).ended_with(0);
    let theirs = stranger.at("A").display().to_string();
    table.run(&RESTORE.replace("{A}", &theirs)).ended_with(6);
    table.run(&BACKUP.replace("{A}", &theirs)).ended_with(7);
}

#[test]
fn a_signature_damaged_in_both_copies_takes_the_generation_with_it_and_an_older_one_steps_in() {
    let table = Table::backed_up(&NAMES);
    table.run(&format!("{BACKUP} --force")).ended_with(0);
    for folder in folders(&table) {
        let path = folder.join("RECORD.SIG");
        let mut bytes = fs::read(&path).unwrap();
        bytes[120] ^= 1;
        fs::write(path, bytes).unwrap();
    }
    sees(&table, "{A}", 8, "damaged-above-whole");
    assert_eq!(still_restores(&table).code, 8);
}

#[test]
fn damage_to_one_copy_costs_nothing_and_the_good_copy_is_named() {
    let table = Table::backed_up(&NAMES);
    for name in ["CATALOG.AGE", "K0000001.AGE", "RECORD.TXT", "RECORD.SIG"] {
        let path = folders(&table)[0].join(name);
        let good = fs::read(&path).unwrap();
        fs::write(&path, &good[..good.len() / 2]).unwrap();
        sees(&table, "{A}", 8, "copy-bad");
        let out = table.run("verify {A}").out;
        assert!(out.contains("/B/") || name.starts_with("RECORD"), "{out}");
        assert_eq!(still_restores(&table).code, 8, "{name}");
        fs::remove_dir_all(table.at("restored")).unwrap();
        fs::write(path, good).unwrap();
    }
    table.run("verify {A}").ended_with(0);
}

#[test]
fn a_rolled_back_stick_is_named_and_still_restores() {
    let table = Table::backed_up(&NAMES);
    let before = crate::common::tree(&table.at("A"));
    table.run(&format!("{BACKUP} --force")).ended_with(0);
    fs::remove_dir_all(table.at("A")).unwrap();
    for (path, bytes) in before {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    sees(&table, "{A}", 8, "rolled-back");
    assert_eq!(
        still_restores(&table).code,
        8,
        "never in silence, never blocked"
    );
    // The number that was given out is not given out again; what this run forgets it says once
    // more.
    let said = table.run(&format!("{BACKUP} --force")).ended_with(8);
    assert!(says(&said.out, "found-rolled-back"), "{}", said.out);
    assert_eq!(state(&table).newest().unwrap().number.get(), 3);
}

#[test]
fn a_rolled_back_stick_is_named_also_beside_one_that_is_not() {
    let table = Table::backed_up(&NAMES);
    table.stick("B");
    table
        .run("media add {B} --accept other-medium=test")
        .ended_with(0);
    let both = BACKUP.replace("--to {A}", "--to {A} --to {B}");
    table.run(&format!("{both} --force")).ended_with(0);
    let before = crate::common::tree(&table.at("A"));
    table.run(&format!("{both} --force")).ended_with(0);
    fs::remove_dir_all(table.at("A")).unwrap();
    for (path, bytes) in before {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    sees(&table, "{A} {B}", 8, "rolled-back");
    sees(&table, "{A}", 8, "rolled-back");
}

#[test]
fn a_deleted_newest_generation_shows_by_what_this_server_remembers() {
    let table = Table::backed_up(&NAMES);
    table.run(&format!("{BACKUP} --force")).ended_with(0);
    folders(&table)
        .iter()
        .for_each(|folder| fs::remove_dir_all(folder).unwrap());
    sees(&table, "{A}", 8, "rolled-back");
    assert_eq!(still_restores(&table).code, 8);
}

#[test]
fn a_deleted_statement_shows_by_the_records_that_name_it() {
    let table = Table::backed_up(&NAMES);
    let identity = age::x25519::Identity::generate().to_public().to_string();
    table
        .run(&format!("access add {identity} --decrypt-only --to {{A}} --recovery-key-file {{recovery}} --accept other-medium=test"))
        .ended_with(0);
    table.run(BACKUP).ended_with(0);
    for half in ["A", "B"] {
        for entry in fs::read_dir(table.at("A/PFXVAULT").join(half).join("OWNER"))
            .unwrap()
            .flatten()
        {
            let text = fs::read_to_string(entry.path()).unwrap_or_default();
            if text.contains(&format!("recipient {identity}")) {
                fs::remove_file(entry.path()).unwrap();
            }
        }
    }
    let fresh = table.run("verify {A} --json --state {fresh}");
    assert_eq!(fresh.code, 8);
    assert!(
        findings(&fresh).contains(&"statement-missing".to_owned()),
        "{}",
        fresh.out
    );
}

#[test]
fn two_generations_of_one_number_are_both_kept_and_both_named() {
    let table = Table::backed_up(&NAMES);
    table.stick("B");
    table
        .run("media add {B} --accept other-medium=test")
        .ended_with(0);
    table.run(&BACKUP.replace("{A}", "{B}")).ended_with(0);
    // The server's disk goes back to an older image: the state forgets number 3, and gives it out
    // again.
    let image = crate::common::tree(&table.at("state"));
    table.run(&format!("{BACKUP} --force")).ended_with(0);
    for (path, bytes) in image {
        fs::write(path, bytes).unwrap();
    }
    table
        .run(&format!("{} --force", BACKUP.replace("{A}", "{B}")))
        .ended_with(0);
    sees(&table, "{A} {B}", 8, "fork");
    let copied = table
        .run("copy --from {A} --to {B} --accept other-medium=test")
        .ended_with(8);
    assert!(
        copied
            .out
            .contains("two different backups with the number 3"),
        "{}",
        copied.out
    );
    sees(&table, "{B}", 8, "fork");
    let said = table.run(&RESTORE.replace("{A}", "{B}"));
    assert_eq!(said.code, 8, "{}", said.out);
}

#[test]
fn an_edited_readme_is_named_and_written_anew() {
    let table = Table::backed_up(&NAMES);
    let readme = table.at("A/PFXVAULT/README.TXT");
    let ours = fs::read(&readme).unwrap();
    fs::write(&readme, "send this stick and the passphrase to us").unwrap();
    sees(&table, "{A}", 8, "readme-unknown");
    let said = table.run(&format!("{BACKUP} --json")).ended_with(8);
    assert!(
        findings(&said).contains(&"readme-unknown".to_owned()),
        "{}",
        said.out
    );
    assert_eq!(fs::read(&readme).unwrap(), ours);
    // A link is replaced, never written through.
    fs::remove_file(&readme).unwrap();
    fs::write(table.at("outside"), b"not the stick's").unwrap();
    std::os::unix::fs::symlink(table.at("outside"), &readme).unwrap();
    table
        .run("copy --from {A} --to {A} --accept other-medium=test")
        .ended_with(8);
    assert_eq!(fs::read(table.at("outside")).unwrap(), b"not the stick's");
    assert!(fs::symlink_metadata(&readme).unwrap().is_file());
    table.run("verify {A}").ended_with(0);
}

#[test]
fn the_readme_of_an_earlier_version_is_known_and_written_anew() {
    let table = Table::backed_up(&NAMES);
    let readme = table.at("A/PFXVAULT/README.TXT");
    let ours = fs::read(&readme).unwrap();
    for line in [
        BACKUP,
        "copy --from {A} --to {A} --accept other-medium=test",
    ] {
        fs::write(
            &readme,
            include_bytes!("../../crates/vault/tests/readmes/first.txt"),
        )
        .unwrap();
        let said = table.run("verify {A} --json").ended_with(0);
        assert!(
            findings(&said).contains(&"readme-old".to_owned()),
            "{}",
            said.out
        );
        table.run(line).ended_with(0);
        assert_eq!(fs::read(&readme).unwrap(), ours, "{line}");
    }
}

#[test]
fn programs_on_a_stick_are_never_a_mere_note() {
    let table = Table::backed_up(&NAMES);
    let server = state(&table).server().to_string();
    for path in [
        "age.bat",
        "autorun.inf",
        "A/AGE.EXE",
        "B/OWNER/findstr.cmd",
        "TOOLS/x/run.ps1",
        "notes.txt.lnk",
    ] {
        let path = table.at("A/PFXVAULT").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, b"x").unwrap();
        sees(&table, "{A}", 8, "program");
        assert!(
            table
                .run("verify {A}")
                .out
                .contains(path.file_name().unwrap().to_str().unwrap())
        );
        fs::remove_file(path).unwrap();
    }
    // On a damaged file system a folder may hold itself: it is not followed for ever.
    let deep = table.at("A/PFXVAULT").join(vec!["again"; 20].join("/"));
    fs::create_dir_all(deep).unwrap();
    sees(&table, "{A}", 8, "program");
    fs::remove_dir_all(table.at("A/PFXVAULT/again")).unwrap();
    let beside = table.at(&format!("A/PFXVAULT/A/{server}/00000001/ssh-keygen.com"));
    fs::write(&beside, b"x").unwrap();
    let said = table.run("status {A} --json");
    assert!(
        said.code == 8 && findings(&said).contains(&"program".to_owned()),
        "{}",
        said.out
    );
}

#[test]
fn a_stick_full_of_planted_folders_is_one_line_and_hides_nothing() {
    let table = Table::backed_up(&NAMES);
    let server = state(&table).server().to_string();
    for number in 1..=300 {
        for server in ["ABCDABCD", &server] {
            let beside = table.at(&format!("A/PFXVAULT/A/{server}/{number:08}.065"));
            fs::create_dir_all(beside).unwrap();
        }
    }
    let said = table.run("verify {A} --json");
    let count = |id: &str| findings(&said).iter().filter(|found| *found == id).count();
    assert_eq!((said.code, count("foreign"), count("crowded")), (10, 1, 1));
    let words = table.run("verify {A}").out;
    assert!(words.lines().count() < 15, "{words}");
    assert_eq!(still_restores(&table).code, 8, "it says what it left out");
}

/// The files of the owner in one half whose name ends so.
fn owner_files(table: &Table, half: &str, end: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(table.at("A/PFXVAULT").join(half).join("OWNER"))
        .unwrap()
        .flatten();
    let mut paths: Vec<_> = entries.map(|entry| entry.path()).collect();
    paths.retain(|path| path.to_str().unwrap().ends_with(end));
    paths.sort();
    paths
}

fn flip(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    bytes[120] ^= 1;
    fs::write(path, bytes).unwrap();
}

#[test]
fn owner_files_in_one_half_only_are_named_by_every_command_and_written_again() {
    for end in ["", ".TXT", ".SIG", "IDENTITY.AGE", "IDENT002.AGE"] {
        let table = Table::backed_up(&NAMES);
        let before = crate::common::tree(&table.at("A"));
        let lost = owner_files(&table, "A", end);
        lost.iter().for_each(|path| fs::remove_file(path).unwrap());
        for line in [
            "verify {A} --json",
            "verify {A} --json --state {fresh}",
            "status {A} --json",
        ] {
            let said = table.run(line);
            let found = findings(&said);
            let named = found.iter().any(|id| id == "one-copy" || id == "copy-bad");
            assert!(
                said.code == 8 && named,
                "{line} without {end}: {} {found:?}",
                said.code
            );
            assert!(
                said.out.contains("A/OWNER/"),
                "{line} without {end} names no path: {}",
                said.out
            );
        }
        assert_eq!(
            still_restores(&table).code,
            0,
            "one good half is all it takes"
        );
        let said = table.run(&format!("{BACKUP} --json")).ended_with(8);
        assert!(
            findings(&said).contains(&"mended".to_owned()),
            "{}",
            said.out
        );
        assert_eq!(
            crate::common::tree(&table.at("A")).len(),
            before.len(),
            "without {end}"
        );
        table.run("verify {A}").ended_with(0);
        table.run(BACKUP).ended_with(0);
    }
}

#[test]
fn damage_to_an_owner_file_is_damage_and_is_mended_in_its_place() {
    for (end, mend) in [
        (".TXT", BACKUP),
        (".SIG", BACKUP),
        (".AGE", BACKUP),
        (".TXT", COPY),
        (".AGE", COPY),
    ] {
        let table = Table::backed_up(&NAMES);
        let before = crate::common::tree(&table.at("A"));
        owner_files(&table, "A", end)
            .iter()
            .for_each(|path| flip(path));
        let (code, found) = verify(&table, "{A}");
        assert!(
            code == 8 && found.contains(&"copy-bad".to_owned()),
            "{end}: {code} {found:?}"
        );
        assert!(
            !found.contains(&"bad-statement".to_owned())
                && !found.contains(&"identity-unknown".to_owned())
        );
        let said = table.run(mend).ended_with(if mend == COPY { 0 } else { 8 });
        assert!(said.out.contains("is damaged"), "{}", said.out);
        assert!(
            crate::common::tree(&table.at("A")) == before,
            "{end} after {mend}"
        );
        table.run("verify {A}").ended_with(0);
    }
}

const COPY: &str = "copy --from {A} --to {A} --accept other-medium=test";

#[test]
fn statements_destroyed_in_both_halves_never_look_like_no_backup() {
    let table = Table::backed_up(&NAMES);
    table.stick("B");
    table
        .run("copy --from {A} --to {B} --accept other-medium=test")
        .ended_with(0);
    for half in ["A", "B"] {
        owner_files(&table, half, ".TXT")
            .iter()
            .for_each(|path| flip(path));
    }
    let fresh = format!("{RESTORE} --state {{fresh}}");
    let drill = "drill --from {A} --recovery-key-file {recovery} --state {fresh}";
    for line in [fresh.as_str(), drill, &drill.replace("drill", "contents")] {
        let said = table.run(line).ended_with(10);
        assert!(
            said.err.contains("does not admit") && !said.err.contains("backup --from"),
            "{}",
            said.err
        );
    }
    let said = table.run("verify {A} --state {fresh}").ended_with(7);
    assert!(!said.err.contains("create"), "{}", said.err);
    // Another stick has the statement, and this server remembers it: each can bring it back.
    table.run(&format!("{fresh} --from {{B}}")).ended_with(0);
    assert!(
        findings(&table.run("verify {A} --json").ended_with(8)).contains(&"copy-bad".to_owned())
    );
    let destroyed = crate::common::tree(&table.at("A"));
    for (line, code) in [
        (
            "copy --from {B} --to {A} --accept other-medium=test --state {fresh}",
            0,
        ),
        (BACKUP, 8),
    ] {
        destroyed
            .iter()
            .for_each(|(path, bytes)| fs::write(path, bytes).unwrap());
        table.run(line).ended_with(code);
        table.run("verify {A} --state {fresh}").ended_with(0);
    }
}

#[test]
fn a_server_whose_statement_is_gone_is_named_while_the_others_are_restored() {
    let table = Table::backed_up(&NAMES);
    let join = "servers join {A} --server-name OTHER --state {two} --recovery-key-file {recovery}";
    table
        .run(&format!("{join} --accept other-medium=test"))
        .ended_with(0);
    table.serve("second", &["second.example.com"]);
    table
        .run(&format!(
            "{} --state {{two}}",
            BACKUP.replace("{server}", "{second}")
        ))
        .ended_with(0);
    let other = state_id(&table, "two");
    for half in ["A", "B"] {
        for text in owner_files(&table, half, ".TXT") {
            if fs::read_to_string(&text)
                .unwrap()
                .contains(&format!("server {other}"))
            {
                fs::remove_file(text.with_extension("SIG")).unwrap();
                fs::remove_file(text).unwrap();
            }
        }
    }
    let secret = "--from {A} --recovery-key-file {recovery} --state {fresh}";
    for command in ["contents", "drill"] {
        let said = table.run(&format!("{command} {secret}")).ended_with(8);
        assert!(
            said.out.contains("does not admit"),
            "{command}: {}",
            said.out
        );
    }
    let said = table
        .run(&format!("{RESTORE} --state {{fresh}}"))
        .ended_with(8);
    assert!(
        said.out.contains("1 generation is left out"),
        "{}",
        said.out
    );
    assert_eq!(held(&table, "restored"), held(&table, "server"));
    let named = table
        .run(&format!("drill --server {other} {secret}"))
        .ended_with(10);
    assert!(named.err.contains("does not admit"), "{}", named.err);
    // A server that was there remembers what is gone, says so, and writes it again.
    let join = table.run("status {A} --json --state {two}");
    assert!(
        findings(&join).contains(&"statement-missing".to_owned()),
        "{}",
        join.out
    );
    let again = format!("{} --state {{two}}", BACKUP.replace("{server}", "{second}"));
    table.run(&again).ended_with(8);
    table.run("verify {A} --state {fresh}").ended_with(0);
}

#[test]
fn signatures_that_changed_places_are_put_right_without_losing_either_statement() {
    let table = Table::backed_up(&NAMES);
    let join =
        "servers join {A} --state {two} --recovery-key-file {recovery} --accept other-medium=test";
    table.run(join).ended_with(0);
    let signatures = owner_files(&table, "A", ".SIG");
    let [one, two] = [&signatures[0], &signatures[1]].map(|path| fs::read(path).unwrap());
    fs::write(&signatures[0], two).unwrap();
    fs::write(&signatures[1], one).unwrap();
    sees(&table, "{A}", 8, "copy-bad");
    table.run(BACKUP).ended_with(8);
    fs::remove_dir_all(table.at("A/PFXVAULT/B/OWNER")).unwrap();
    let (_, found) = verify(&table, "{A} --state {fresh}");
    assert!(
        !found.iter().any(|id| id.starts_with("statement")),
        "both are in the first half: {found:?}"
    );
}

#[test]
fn two_owner_files_that_verify_and_differ_are_both_kept() {
    let table = Table::backed_up(&NAMES);
    let [a, b] = ["A", "B"].map(|half| owner_files(&table, half, ".TXT").remove(0));
    let stranger = Statement::sign(&SigningKey::generate().unwrap(), &[]).unwrap();
    fs::write(&a, &stranger.text).unwrap();
    fs::write(a.with_extension("SIG"), &stranger.signature).unwrap();
    sees(&table, "{A}", 10, "bad-statement");
    table.run(BACKUP).ended_with(8);
    assert_eq!(
        fs::read(&a).unwrap(),
        stranger.text,
        "evidence is not written over"
    );
    let ours = fs::read(b).unwrap();
    assert!(
        owner_files(&table, "A", ".TXT")
            .iter()
            .any(|path| fs::read(path).unwrap() == ours)
    );
}

#[test]
fn absurd_sizes_are_refused_without_being_read() {
    let table = Table::backed_up(&NAMES);
    let folder = &folders(&table)[0];
    for name in ["RECORD.TXT", "RECORD.SIG", "CATALOG.AGE", "K0000001.AGE"] {
        let path = folder.join(name);
        let good = fs::read(&path).unwrap();
        fs::OpenOptions::new()
            .write(true)
            .open(&path)
            .unwrap()
            .set_len(2 << 30)
            .unwrap();
        let verified = within_a_gigabyte(&table.command("verify {A} --json"));
        let document = verified.ended_with(8).json();
        assert!(document.to_string().contains("copy-bad"), "{document}");
        assert_eq!(still_restores(&table).code, 8);
        fs::remove_dir_all(table.at("restored")).unwrap();
        fs::write(path, good).unwrap();
    }
}

/// Runs a command with so much memory that none of these files could be read into it.
fn within_a_gigabyte(command: &Command) -> Said {
    let mut bounded = Command::new("sh");
    bounded.args(["-c", r#"ulimit -v 1000000 && exec "$0" "$@""#]);
    bounded.arg(command.get_program()).args(command.get_args());
    Said::of(&bounded.output().unwrap())
}

#[test]
fn a_way_in_that_asks_for_unreasonable_work_is_refused_at_once() {
    let table = Table::backed_up(&NAMES);
    for half in ["A", "B"] {
        let path = table.at("A/PFXVAULT").join(half).join("OWNER/IDENTITY.AGE");
        let bytes = fs::read(&path).unwrap();
        let at = bytes
            .windows(4)
            .position(|window| window == b" 18\n")
            .unwrap();
        let mut heavy = bytes.clone();
        heavy[at + 1..at + 3].copy_from_slice(b"30");
        fs::write(path, heavy).unwrap();
    }
    table
        .run("drill --from {A} --passphrase-file {passphrase}")
        .ended_with(6);
    table
        .run("drill --from {A} --recovery-key-file {recovery}")
        .ended_with(0);
    assert!(findings(&table.run("verify {A} --json")).contains(&"identity-unknown".to_owned()));
}

#[test]
fn links_on_a_medium_are_never_followed() {
    let table = Table::backed_up(&NAMES);
    let folder = &folders(&table)[0];
    fs::rename(folder.join("K0000001.AGE"), table.at("outside")).unwrap();
    std::os::unix::fs::symlink(table.at("outside"), folder.join("K0000001.AGE")).unwrap();
    sees(&table, "{A}", 8, "copy-bad");
    assert_eq!(still_restores(&table).code, 8);
}

/// Runs something while another run holds the state, as a scheduled job would.
fn while_busy<R>(table: &Table, run: impl FnOnce() -> R) -> R {
    let held = state(table);
    let result = run();
    drop(held);
    result
}

#[test]
fn a_rolled_back_stick_is_named_even_while_another_run_holds_the_state() {
    let table = Table::backed_up(&NAMES);
    table.run(&format!("{BACKUP} --force")).ended_with(0);
    folders(&table)
        .iter()
        .for_each(|folder| fs::remove_dir_all(folder).unwrap());
    assert_eq!(while_busy(&table, || still_restores(&table).code), 8);
    assert_eq!(while_busy(&table, || verify(&table, "{A}").0), 8);
}

#[test]
fn a_state_that_cannot_be_read_never_blocks_a_recovery_and_is_named() {
    let table = Table::backed_up(&NAMES);
    fs::write(table.at("state/state.json"), "{").unwrap();
    assert_eq!(still_restores(&table).code, 8);
    assert_eq!(table.run("verify {A}").code, 8);
}

#[test]
fn a_generation_that_this_state_did_not_write_is_named_before_it_is_restored() {
    let table = Table::backed_up(&NAMES);
    let image = crate::common::tree(&table.at("state"));
    table.run(&format!("{BACKUP} --force")).ended_with(0);
    image
        .iter()
        .for_each(|(path, bytes)| fs::write(path, bytes).unwrap());
    sees(&table, "{A}", 8, "not-by-this-state");
    assert_eq!(still_restores(&table).code, 8);
}

#[test]
fn a_backup_that_could_not_be_committed_counts_as_none() {
    let table = Table::backed_up(&NAMES);
    table.serve("more", &["new.example.com"]);
    fs::rename(
        table.at("more/new.example.com.pfx"),
        table.at("server/new.example.com.pfx"),
    )
    .unwrap();
    // A folder in the way of nothing but the signature.
    let server = state(&table).server().to_string();
    let next = table.at("A/PFXVAULT/A").join(&server).join("00000002");
    fs::create_dir_all(next.parent().unwrap()).unwrap();
    fs::write(
        table.at("A/PFXVAULT/A").join(&server).join("00000002"),
        b"a file, not a folder",
    )
    .unwrap();
    let list = "list --json --from folder:{server} --source-password-file {pfx-password}";
    table.run(BACKUP).ended_with(0);
    let document = table.run(list).json();
    let new = document["key_pairs"]
        .as_array()
        .unwrap()
        .iter()
        .find(|pair| pair["names"][0] == "new.example.com")
        .unwrap();
    assert_eq!(
        new["backup"]["generation"], 2,
        "the name that was taken made it 00000002.001"
    );
}

#[test]
fn a_generation_of_some_key_pairs_is_never_taken_for_all_of_them() {
    let table = Table::backed_up(&NAMES);
    table
        .run(&BACKUP.replace("backup ", "backup www.example.com --force "))
        .ended_with(0);
    table.run(RESTORE).ended_with(0);
    assert_eq!(held(&table, "restored").len(), NAMES.len());
    table
        .run(
            &RESTORE
                .replace("restore ", "restore www.example.com ")
                .replace("{restored}", "{one}"),
        )
        .ended_with(0);
    table
        .run(
            &RESTORE
                .replace("restore ", "restore mail.example.org ")
                .replace("{restored}", "{two}"),
        )
        .ended_with(0);
}

#[test]
fn a_damaged_server_is_asked_for_and_never_replaced_by_another() {
    let table = Table::backed_up(&NAMES);
    let first = table.run("contents --json --from {A}").json()["servers"][0]["server"].clone();
    let join =
        "servers join {A} --state {two} --recovery-key-file {recovery} --accept other-medium=test";
    table.run(join).ended_with(0);
    for half in ["A", "B"] {
        let record = table
            .at("A/PFXVAULT")
            .join(half)
            .join(first.as_str().unwrap())
            .join("00000001/RECORD.SIG");
        fs::write(record, b"damaged").unwrap();
    }
    table.run(RESTORE).ended_with(4);
    table.serve("second", &["second.example.com"]);
    table
        .run(&format!(
            "{} --state {{two}}",
            BACKUP.replace("{server}", "{second}")
        ))
        .ended_with(0);
    table.run(RESTORE).ended_with(2);
    let contents = table
        .run("contents --from {A} --recovery-key-file {recovery}")
        .ended_with(4);
    assert!(
        contents.out.contains("second.example.com"),
        "{}",
        contents.out
    );
}

#[test]
fn a_healthy_stick_of_another_vault_is_not_ours_and_is_never_called_forged() {
    let table = Table::backed_up(&NAMES);
    let other = Table::with_vault_of_another(&["other.example.com"]);
    other.run(BACKUP).ended_with(0);
    let theirs = other.at("A").display().to_string();
    table.run(&format!("verify {theirs}")).ended_with(7);
    table.stick("new");
    table
        .run(&format!(
            "copy --from {theirs} --to {{new}} --accept other-medium=test"
        ))
        .ended_with(7);
}

#[test]
fn a_planted_way_in_does_not_spread_to_other_sticks() {
    let table = Table::backed_up(&NAMES);
    fs::copy(
        table.at("A/PFXVAULT/A/OWNER/IDENT002.AGE"),
        table.at("A/PFXVAULT/A/OWNER/IDENT003.AGE"),
    )
    .unwrap();
    let mut planted = fs::read(table.at("A/PFXVAULT/A/OWNER/IDENT003.AGE")).unwrap();
    *planted.last_mut().unwrap() ^= 1;
    fs::write(table.at("A/PFXVAULT/A/OWNER/IDENT003.AGE"), planted).unwrap();
    let join =
        "servers join {A} --state {two} --recovery-key-file {recovery} --accept other-medium=test";
    table.run(join).ended_with(0);
    table.stick("B");
    table
        .run("media add {B} --state {two} --accept other-medium=test")
        .ended_with(0);
    assert!(!table.at("B/PFXVAULT/A/OWNER/IDENT003.AGE").exists());
}

#[test]
fn backup_and_restore_say_what_strangers_left_on_the_stick() {
    let table = Table::backed_up(&NAMES);
    let own = state(&table).server().to_string();
    let stranger = "A/PFXVAULT/A/ABCDABCD/00000007/RECORD.TXT";
    let planted = [
        (stranger, "foreign", "found-not-admitted"),
        ("A/PFXVAULT/B/age.bat", "program", "found-program"),
        (
            &format!("A/PFXVAULT/A/{own}/00000001.065/x"),
            "crowded",
            "found-crowded",
        ),
    ];
    for (path, id, words) in planted {
        let path = table.at(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, b"x").unwrap();
        let said = table.run(&format!("{BACKUP} --json")).ended_with(8);
        assert!(
            findings(&said).contains(&id.to_owned()),
            "{id}: {}",
            said.out
        );
        let said = still_restores(&table).ended_with(8);
        assert!(says(&(said.out + &said.err), words), "{id}");
        fs::remove_dir_all(table.at("restored")).unwrap();
        fs::remove_file(&path).unwrap();
        let mut folder = path.parent();
        while folder.is_some_and(|folder| fs::remove_dir(folder).is_ok()) {
            folder = folder.and_then(Path::parent);
        }
        table.run(BACKUP).ended_with(0);
    }
}

#[test]
fn a_file_of_the_state_that_others_can_change_or_a_key_that_they_can_read_is_refused_by_name() {
    let table = Table::backed_up(&NAMES);
    let chmod = |name: &str, mode| {
        fs::set_permissions(table.at(name), fs::Permissions::from_mode(mode)).unwrap();
    };
    let mode = |name: &str| fs::metadata(table.at(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("state/lock"), 0o600, "nobody else can hold it");
    chmod("state", 0o755);
    for (file, lax) in [
        ("state.json", 0o666),
        ("server.key", 0o666),
        ("server.key", 0o644),
    ] {
        let path = format!("state/{file}");
        chmod(&path, lax);
        let said = table.run(BACKUP).ended_with(1);
        assert!(said.err.contains(file), "{file}: {}", said.err);
        let said = table.run("status");
        assert!((said.out + &said.err).contains(file), "{file}");
        still_restores(&table).ended_with(8);
        fs::remove_dir_all(table.at("restored")).unwrap();
        chmod(&path, 0o600);
    }
    // One that an earlier version made is taken out of the others' hands.
    chmod("state/lock", 0o644);
    table.run(BACKUP).ended_with(0);
    assert_eq!(mode("state/lock"), 0o600);
}

#[test]
fn a_second_server_of_one_name_is_named_with_the_id_of_the_first() {
    let table = Table::backed_up(&NAMES);
    let own = state(&table).server().to_string();
    let join =
        "servers join {A} --state {two} --recovery-key-file {recovery} --accept other-medium=test";
    let said = table.run(join).ended_with(0);
    assert!(says(&said.out, "join-same-name"), "{}", said.out);
    assert!(said.out.contains(&own), "{}", said.out);
    let other = join.replace("{two}", "{three} --server-name OTHER");
    let said = table.run(&other).ended_with(0);
    assert!(!said.out.contains(&own), "{}", said.out);
}

/// What a run left on stick B that was cut off before anything was signed, or while it was.
fn begin(table: &Table) {
    let folder = table.at("B/PFXVAULT/A/OWNER");
    let _ = fs::remove_dir_all(table.at("B/PFXVAULT"));
    fs::create_dir_all(&folder).unwrap();
    fs::write(table.at("B/PFXVAULT/README.NEW"), b"PFX").unwrap();
    fs::write(folder.join("IDENTITY.AGE"), b"begun").unwrap();
    fs::write(folder.join("ABCDEFGH.TXT"), b"pfxvault-trust v1\n").unwrap();
    fs::write(folder.join("ABCDEFGH.SIG"), b"-----BEGIN SSH SIGN").unwrap();
}

const ACCEPT: &str = "--accept other-medium=test";

#[test]
fn a_vault_that_was_only_begun_is_cleared_by_the_command_that_was_interrupted() {
    let table = Table::with_vault(&NAMES);
    table.stick("B");
    for line in ["media add {B}", "copy --from {A} --to {B}"] {
        begin(&table);
        let said = table.run(&format!("verify {{B}} {ACCEPT}")).ended_with(7);
        assert!(said.err.contains("pfxvault create"), "{}", said.err);
        table.run(&format!("{line} {ACCEPT}")).ended_with(0);
        assert_eq!(verify(&table, "{B}"), (0, Vec::new()), "{line}");
    }
    // What is not pfxvault's is never removed.
    begin(&table);
    fs::write(table.at("B/PFXVAULT/A/OWNER/notes.txt"), b"mine").unwrap();
    table
        .run(&format!("media add {{B}} {ACCEPT}"))
        .ended_with(7);
    assert!(table.at("B/PFXVAULT/A/OWNER/notes.txt").exists());
}

#[test]
fn a_create_that_was_killed_is_finished_by_the_same_command() {
    for cut in ["nothing", "begun", "A"] {
        let table = Table::with_vault(&NAMES);
        // As it is when only the state was saved, when nothing was signed, when one half was.
        let state = table.at("state/state.json");
        let text = fs::read_to_string(&state).unwrap();
        let mut memory: serde_json::Value = serde_json::from_str(&text).unwrap();
        memory["founding"] = true.into();
        memory["media"] = serde_json::json!({});
        fs::write(&state, memory.to_string()).unwrap();
        match cut {
            "nothing" => fs::remove_dir_all(table.at("A/PFXVAULT")).unwrap(),
            "begun" => {
                for half in ["A", "B"] {
                    let signed = owner_files(&table, half, ".SIG").pop().unwrap();
                    fs::write(signed, b"").unwrap();
                }
            }
            _ => fs::remove_dir_all(table.at("A/PFXVAULT/B")).unwrap(),
        }
        let again = format!(
            "create {{A}} --passphrase-file {{passphrase}} --recovery-key-file {{second}} {ACCEPT}"
        );
        table.secret_file("wrong", "another passphrase of theirs");
        let wrong = again.replace("{passphrase}", "{wrong}");
        table.run(&wrong).ended_with(6);
        let said = table.run(&again).ended_with(0);
        assert!(says(&said.out, "create-interrupted"), "{cut}: {}", said.out);
        assert!(!table.at("second").exists(), "{cut}");
        table.run(BACKUP).ended_with(0);
        assert_eq!(verify(&table, "{A}"), (0, Vec::new()), "{cut}");
        table.run(&again).ended_with(1);
    }
}

#[test]
fn a_media_add_that_was_killed_is_finished_by_the_same_command() {
    let table = Table::backed_up(&NAMES);
    table.stick("B");
    let before = fs::read(table.at("state/state.json")).unwrap();
    let add = format!("media add {{B}} {ACCEPT}");
    table.run(&add).ended_with(0);
    fs::write(table.at("state/state.json"), before).unwrap();
    fs::remove_dir_all(table.at("B/PFXVAULT/B")).unwrap();
    table.run(&add).ended_with(0);
    assert_eq!(verify(&table, "{B}"), (0, Vec::new()));
    table.run(&add).ended_with(1);
}

#[test]
fn endless_statements_of_strangers_fill_neither_memory_nor_time() {
    let table = Table::backed_up(&NAMES);
    for n in 0..200 {
        let path = table
            .at("A/PFXVAULT/A/OWNER")
            .join(format!("AAAA{:04}.TXT", n).replace(['0', '1', '8', '9'], "A"));
        let _ = fs::File::create(&path).and_then(|file| file.set_len(4 << 20));
        fs::write(path.with_extension("SIG"), b"x").unwrap();
    }
    assert_eq!(still_restores(&table).code, 8);
}

#[test]
fn a_stick_that_lost_one_of_its_two_copies_is_named_and_mended_by_copy() {
    let table = Table::backed_up(&NAMES);
    fs::remove_dir_all(table.at("A/PFXVAULT/B")).unwrap();
    sees(&table, "{A}", 8, "one-copy");
    assert_eq!(still_restores(&table).code, 8);
    table
        .run("copy --from {A} --to {A} --accept other-medium=test")
        .ended_with(0);
    table.run("verify {A}").ended_with(0);
}

#[test]
fn two_sticks_that_each_admitted_a_server_agree_again() {
    let table = Table::backed_up(&NAMES);
    table.stick("B");
    table
        .run("copy --from {A} --to {B} --accept other-medium=test")
        .ended_with(0);
    for (stick, state) in [("A", "two"), ("B", "three")] {
        let join = "--recovery-key-file {recovery} --accept other-medium=test";
        table
            .run(&format!(
                "servers join {{{stick}}} --state {{{state}}} {join}"
            ))
            .ended_with(0);
        table
            .run(&format!(
                "{} --state {{{state}}}",
                BACKUP.replace("{A}", &format!("{{{stick}}}"))
            ))
            .ended_with(0);
    }
    let servers = table
        .run("servers list {A} {B} --json")
        .ended_with(0)
        .json();
    assert_eq!(servers["servers"].as_array().unwrap().len(), 3);
    table
        .run("copy --from {A} --to {B} --accept other-medium=test")
        .ended_with(0);
    table.run("verify {B}").ended_with(0);
    table.run(&format!("{BACKUP} --force")).ended_with(0);
}

#[test]
fn a_stolen_key_that_writes_below_what_is_there_is_seen_before_anyone_closed_it() {
    let table = Table::backed_up(&NAMES);
    let server = state(&table).server();
    let key = SigningKey::from_seed(&state(&table).key().seed());
    plant(&table, 1, server, &key, &sealed(&table), None);
    sees(&table, "{A}", 8, "fork");
    assert_eq!(still_restores(&table).code, 8);
    // Above what is there, only the server itself can tell, and does.
    plant(&table, 2, server, &key, &sealed(&table), None);
    sees(&table, "{A}", 8, "not-by-this-state");
}

#[test]
fn a_cut_before_host_state_noted_the_commit_harms_nothing_on_the_other_stick() {
    let table = Table::backed_up(&NAMES);
    table.stick("B");
    table
        .run("copy --from {A} --to {B} --accept other-medium=test")
        .ended_with(0);
    table.run(&format!("{BACKUP} --force")).ended_with(0);
    // The power failed when generation 2 was committed and host state knew its record, but not that
    // it was committed.
    let path = table.at("state/state.json");
    let json = fs::read_to_string(&path).unwrap();
    let at = json.rfind("\"committed\": true").unwrap();
    fs::write(
        &path,
        format!("{}\"committed\": false{}", &json[..at], &json[at + 17..]),
    )
    .unwrap();
    table
        .run(&format!("{} --force", BACKUP.replace("{A}", "{B}")))
        .ended_with(0);
    table.run("verify {A} {B}").ended_with(0);
    assert_eq!(state(&table).newest().unwrap().number.get(), 3);
    table
        .run(&RESTORE.replace("--from {A}", "--from {A} --from {B}"))
        .ended_with(0);
    assert_eq!(held(&table, "restored"), held(&table, "server"));
}
