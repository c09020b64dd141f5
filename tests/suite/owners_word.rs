//! What only the vault's owner says, with the passphrase or the recovery key: what a server is called,
//! that one is admitted again, what of a server that is gone is never restored. And what one server's
//! word is worth for another.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::common::{BACKUP, RESTORE, Said, Table, held, says};
use pfxvault::state::State;
use serde_json::Value;
use vault::id::VaultId;

const NAMES: [&str; 2] = ["mail.example.org", "www.example.com"];
/// The owner, on a computer that knows nothing.
const OWNER: &str = "--recovery-key-file {recovery} --accept other-medium=test";

/// A vault with two servers, each with a backup of its own key pairs on stick A: this one, and WEB02,
/// whose state is `two`.
fn two_servers() -> Table {
    let table = Table::backed_up(&NAMES);
    let join = format!("servers join {{A}} --server-name WEB02 --state {{two}} {OWNER}");
    table.run(&join).ended_with(0);
    table.serve("second", &["shop.example.com"]);
    table.run(&of_two(BACKUP)).ended_with(0);
    table
}

/// The same line of WEB02.
fn of_two(line: &str) -> String {
    format!("{} --state {{two}}", line.replace("{server}", "{second}"))
}

fn id(table: &Table, state: &str) -> String {
    look(table, state).server().to_string()
}

fn look(table: &Table, state: &str) -> State {
    State::look(&table.at(state)).unwrap().unwrap()
}

fn restore(table: &Table, server: &str) -> Said {
    _ = fs::remove_dir_all(table.at("restored"));
    table.run(&format!("{RESTORE} --server {server} --state {{none}}"))
}

fn drill(table: &Table, server: &str) -> Said {
    let drill = "drill --json --from {A} --recovery-key-file {recovery} --state {none}";
    table.run(&format!("{drill} --server {server}"))
}

fn names(document: &Value) -> Vec<&str> {
    let key_pairs = document["key_pairs"].as_array().unwrap();
    let names = key_pairs.iter().map(|one| one["name"].as_str().unwrap());
    names.collect()
}

/// What whoever has a server's key can do: let it call itself something else.
fn call(table: &Table, state: &str, old: &str, new: &str) {
    let path = table.at(state).join("state.json");
    let text = fs::read_to_string(&path).unwrap();
    let [old, new] = [old, new].map(|name| format!("\"server_name\": \"{name}\""));
    assert!(text.contains(&old), "{text}");
    fs::write(path, text.replace(&old, &new)).unwrap();
}

/// Deletes the statements of the owner's that say something.
fn lose(table: &Table, stick: &str, word: &str) -> usize {
    let mut lost = 0;
    for half in ["A", "B"] {
        let owner = table.at(stick).join("PFXVAULT").join(half).join("OWNER");
        for entry in fs::read_dir(owner).unwrap().flatten() {
            let path = entry.path();
            if path.extension().is_none_or(|end| end != "TXT") {
                continue;
            }
            if fs::read_to_string(&path).unwrap().contains(word) {
                fs::remove_file(path.with_extension("SIG")).unwrap();
                fs::remove_file(path).unwrap();
                lost += 1;
            }
        }
    }
    lost
}

#[test]
fn a_server_that_calls_itself_another_is_named_and_found_under_its_id_alone() {
    let table = two_servers();
    let two = id(&table, "two");
    restore(&table, "WEB02").ended_with(0);
    call(&table, "two", "WEB02", "WEB77");
    table
        .run(&format!("{} --force", of_two(BACKUP)))
        .ended_with(0);
    let said = restore(&table, &two).ended_with(8);
    assert!(says(&said.out, "doubt-other-name") || says(&said.err, "doubt-other-name"));
    assert_eq!(held(&table, "restored"), held(&table, "second"));
    // Neither what it claims nor what it was called leads to it: the newest decides.
    for name in ["WEB77", "web77"] {
        let said = restore(&table, name).ended_with(2);
        assert!(said.err.contains(&two), "{}", said.err);
    }
    // With the right salt of another server's, or none, it is no better.
    let path = table.at("two/state.json");
    let text = fs::read_to_string(&path).unwrap();
    let salt = look(&table, "two").name_salt().unwrap().to_string();
    let other = look(&table, "state").name_salt().unwrap().to_string();
    fs::write(&path, text.replace(&salt, &other)).unwrap();
    table
        .run(&format!("{} --force", of_two(BACKUP)))
        .ended_with(0);
    restore(&table, &two).ended_with(8);
    // The other server is not concerned.
    restore(&table, &id(&table, "state")).ended_with(0);
}

#[test]
fn a_name_that_may_be_of_a_server_that_nobody_admits_is_no_wrong_usage() {
    let table = two_servers();
    let (one, two) = (id(&table, "state"), id(&table, "two"));
    let contents = |which: &str| {
        table.run(&format!(
            "contents {which} --from {{A}} --recovery-key-file {{recovery}} --state {{none}}"
        ))
    };
    // Nothing is hidden yet.
    restore(&table, "WEB09").ended_with(2);
    contents("shop.example.com --server WEB02").ended_with(0);
    contents("nobody.example.com --server WEB02").ended_with(2);
    assert_eq!(lose(&table, "A", &format!("\nserver {two} ")), 2);
    for which in [
        "--server WEB02",
        "--server web02",
        &format!("--server {two}"),
        "shop.example.com",
        &format!("shop.example.com --server {one}"),
    ] {
        let said = contents(which).ended_with(10);
        assert!(says(&said.err, "error-name-not-admitted"), "{}", said.err);
        assert!(said.err.contains("1 generation of a server"), "{which}");
    }
    restore(&table, "WEB02").ended_with(10);
    drill(&table, "WEB02").ended_with(10);
    // What is admitted is found by its name, and the other is spoken of.
    let said = contents(&format!("www.example.com --server {one}")).ended_with(8);
    assert!(says(&said.out, "doubt-not-admitted"), "{}", said.out);
}

#[test]
fn what_is_listed_is_what_lies_on_the_stick_that_is_named() {
    let table = Table::backed_up(&NAMES);
    let other = Table::with_vault_of_another(&[]);
    let lists = ["access list", "servers list"];
    let copied = |name: &str| {
        let mut copy = Command::new("cp");
        copy.arg("-a").args([table.at("A"), table.at(name)]);
        assert!(copy.status().unwrap().success());
        table.at(name)
    };
    let owner = |stick: &Path, half: &str| stick.join("PFXVAULT").join(half).join("OWNER");
    let ids = |line: &str, code: i32| {
        let said = table.run(&format!("{line} --json")).ended_with(code).json();
        let findings = said["findings"].as_array().unwrap().iter();
        let ids = findings.map(|one| one["id"].as_str().unwrap().to_owned());
        ids.collect::<Vec<_>>()
    };
    for list in lists {
        assert_eq!(ids(&format!("{list} {{A}}"), 0), [""; 0]);
        let foreign = other.at("A").display().to_string();
        let said = table.run(&format!("{list} {foreign}")).ended_with(7);
        assert!(says(&said.err, "error-not-our-vault"), "{}", said.err);
    }
    let foreign = other.at("A").display().to_string();
    let add = format!("media add {foreign} --accept other-medium=test");
    let said = table.run(&add).ended_with(7);
    assert!(says(&said.err, "error-not-our-vault"), "{}", said.err);
    // A way in that is gone, for who knows the vault and for who does not.
    let gone = copied("gone");
    for half in ["A", "B"] {
        fs::remove_file(owner(&gone, half).join("IDENTITY.AGE")).unwrap();
    }
    assert_eq!(ids("access list {gone}", 8), ["identity-missing"]);
    let unknown = ids("access list {gone} --state {none}", 8);
    assert_eq!(unknown, ["not-pinned", "identity-missing"]);
    assert_eq!(ids("servers list {gone}", 8), ["identity-missing"]);
    let said = table.run("access list {gone} --json").json();
    let ways = said["ways"].as_array().unwrap().iter();
    let elsewhere = ways.filter(|way| way["kind"] == "elsewhere").count();
    assert_eq!(elsewhere, 1, "{said}");
    // Nothing at all of the owner's.
    let bare = copied("bare");
    for half in ["A", "B"] {
        fs::remove_dir_all(owner(&bare, half)).unwrap();
    }
    let found = ids("access list {bare}", 8);
    assert!(found.contains(&"identity-missing".to_owned()), "{found:?}");
    let said = table.run("access list {bare}").ended_with(8);
    assert!(
        said.out.contains("No secret opens the vault"),
        "{}",
        said.out
    );
    let said = table.run("servers list {bare} --json").ended_with(8).json();
    assert_eq!(said["servers"][0]["on_media"], false);
    table.run("access list {bare} --state {none}").ended_with(7);
    // What somebody put there.
    let forged = copied("forged");
    for half in ["A", "B"] {
        for entry in fs::read_dir(owner(&other.at("A"), half)).unwrap().flatten() {
            let path = entry.path();
            if path.extension().is_some_and(|end| end != "AGE") {
                fs::copy(&path, owner(&forged, half).join(entry.file_name())).unwrap();
            }
        }
    }
    for list in lists {
        assert_eq!(ids(&format!("{list} {{forged}}"), 8), ["bad-statement"]);
    }
}

#[test]
fn a_lost_stick_shows_no_name() {
    let table = two_servers();
    let files = crate::common::tree(&table.at("A"));
    let own = look(&table, "state").server_name().to_owned();
    // A machine called "vm" is so called by chance in any base64.
    let names = ["WEB02", &own];
    let long = names.into_iter().filter(|name| name.len() > 4);
    let long: Vec<_> = long.collect();
    assert!(long.contains(&"WEB02"));
    for (path, bytes) in files {
        for name in &long {
            let is_in_clear = bytes
                .windows(name.len())
                .any(|part| part == name.as_bytes());
            let is_fresh_text = path.extension().is_some_and(|end| end != "AGE");
            assert!(
                !is_in_clear || !is_fresh_text,
                "{name} in {}",
                path.display()
            );
        }
    }
    let bound = lose(&table, "A", "\nname ");
    assert_eq!(bound, 4, "both servers' names are bound, in both halves");
}

#[test]
fn a_server_gets_another_name_and_older_catalogs_keep_that_of_their_time() {
    let table = two_servers();
    let two = id(&table, "two");
    let rename = format!("servers rename SHOP01 --to {{A}} --state {{two}} {OWNER}");
    table.run(&rename).ended_with(2);
    let done = table
        .run(&format!("{rename} --yes --json"))
        .ended_with(0)
        .json();
    assert_eq!(
        (&done["name"], &done["from"]),
        (&"SHOP01".into(), &2.into())
    );
    restore(&table, "WEB02").ended_with(0);
    table
        .run(&format!("{} --force", of_two(BACKUP)))
        .ended_with(0);
    restore(&table, "SHOP01").ended_with(0);
    restore(&table, "WEB02").ended_with(2);
    restore(&table, &format!("{two} --generation 1")).ended_with(0);
    // The old name is another one from now on.
    call(&table, "two", "SHOP01", "WEB02");
    table
        .run(&format!("{} --force", of_two(BACKUP)))
        .ended_with(0);
    restore(&table, &two).ended_with(8);
}

#[test]
fn a_vault_without_bound_names_reads_on_and_binds_one_by_renaming() {
    let table = Table::backed_up(&NAMES);
    let request = EnrolmentAsBefore::of(&table);
    request.admitted(&table);
}

/// A server that asked with a request of the first version.
struct EnrolmentAsBefore {
    id: String,
}

impl EnrolmentAsBefore {
    fn of(table: &Table) -> Self {
        table
            .run("servers request {old.req} --server-name OLD --state {old}")
            .ended_with(0);
        for path in ["old.req", "old/request.txt"].map(|path| table.at(path)) {
            let text = fs::read_to_string(&path).unwrap().replace(" v2\n", " v1\n");
            let kept = text.lines().filter(|line| !line.starts_with("salt "));
            let text: String = kept.map(|line| format!("{line}\n")).collect();
            fs::write(&path, text).unwrap();
        }
        let id = fs::read_to_string(table.at("old.req")).unwrap();
        let id = id.split_whitespace().nth(5).unwrap().to_owned();
        Self { id }
    }

    fn admitted(&self, table: &Table) {
        let vault = look(table, "state").vault().to_string();
        let add = format!("servers add {{old.req}} --to {{A}} --yes {OWNER}");
        table.run(&add).ended_with(0);
        let accept = format!("servers accept {{A}} --vault {vault} --state {{old}}");
        table.run(&accept).ended_with(0);
        let backup = format!("{BACKUP} --state {{old}}");
        table.run(&backup).ended_with(0);
        restore(table, "OLD").ended_with(0);
        call(table, "old", "OLD", "NEW");
        table.run(&format!("{backup} --force")).ended_with(0);
        restore(table, "NEW").ended_with(0);
        // From here on the name is the owner's word.
        let rename = format!("servers rename OLD --to {{A}} --yes --state {{old}} {OWNER}");
        table.run(&rename).ended_with(0);
        table.run(&format!("{backup} --force")).ended_with(0);
        restore(table, "OLD").ended_with(0);
        call(table, "old", "OLD", "NEW");
        table.run(&format!("{backup} --force")).ended_with(0);
        restore(table, &self.id).ended_with(8);
    }
}

#[test]
fn a_name_that_another_server_has_is_said_before_it_is_given() {
    let table = two_servers();
    for line in [
        "servers rename WEB02 --to {A} --yes",
        "servers join {A} --server-name web02 --state {x}",
    ] {
        let said = table.run(&format!("{line} {OWNER}"));
        assert!(says(&said.out, "join-same-name"), "{line}: {}", said.out);
    }
    // What a server only claims to be called keeps the name from nobody.
    call(&table, "two", "WEB02", "WEB88");
    table
        .run(&format!("{} --force", of_two(BACKUP)))
        .ended_with(0);
    let said = table.run(&format!("servers rename WEB88 --to {{A}} --yes {OWNER}"));
    assert!(!says(&said.out, "join-same-name"), "{}", said.out);
}

#[test]
fn a_server_whose_statement_is_lost_is_admitted_again_by_its_fingerprint() {
    let table = two_servers();
    let state = look(&table, "two");
    let (two, fingerprint) = (
        state.server().to_string(),
        VaultId::of(&state.key().public()),
    );
    let shown = table.run("servers list --state {two}").ended_with(0).out;
    assert!(shown.contains(fingerprint.as_str()), "{shown}");
    assert_eq!(lose(&table, "A", &format!("\nserver {two} ")), 2);
    restore(&table, &two).ended_with(10);
    let admit = |fingerprint: &str| {
        format!("servers admit {fingerprint} --to {{A}} --json --state {{none}} {OWNER}")
    };
    let whole = fingerprint.as_str();
    // Not by less than says whose key it is, nor by another's, nor unasked.
    table
        .run(&format!("{} --yes", admit(&whole[..22])))
        .ended_with(2);
    let other = whole.replace(&whole[10..12], "zz");
    let error = table.run(&format!("{} --yes", admit(&other))).ended_with(1);
    assert_eq!(error.json()["error"]["id"], "error-admit-unknown");
    table.run(&admit(whole)).ended_with(2);
    let plan = table
        .run(&format!("{} --dry-run", admit(whole)))
        .ended_with(0);
    assert_eq!(plan.json()["generations"], 1);
    restore(&table, &two).ended_with(10);
    let done = table
        .run(&format!("{} --yes", admit(&whole[..23])))
        .ended_with(0);
    assert_eq!(done.json()["server"], two);
    // The statement that its generations name is still missing, which is said.
    let said = restore(&table, &two).ended_with(8);
    assert!(
        says(&said.out, "doubt-statement-missing") || says(&said.err, "doubt-statement-missing")
    );
    assert_eq!(held(&table, "restored"), held(&table, "second"));
    let again = table.run(&format!("{} --yes", admit(whole))).ended_with(1);
    assert_eq!(again.json()["error"]["id"], "error-admitted-already");
}

#[test]
fn a_server_that_anything_here_remembers_as_closed_is_not_admitted_again() {
    let table = two_servers();
    let state = look(&table, "two");
    let (two, fingerprint) = (
        state.server().to_string(),
        VaultId::of(&state.key().public()),
    );
    drop(state);
    table
        .run(&format!("servers retire {two} --to {{A}} --yes {OWNER}"))
        .ended_with(0);
    let closed = crate::common::tree(&table.at("A"));
    assert_eq!(lose(&table, "A", &format!("\nserver {two} ")), 2);
    let admit =
        |more: &str| format!("servers admit {fingerprint} --to {{A}} {more} --yes --json {OWNER}");
    let refused = |line: &str| {
        let error = table.run(line).ended_with(1).json();
        assert_eq!(error["error"]["id"], "error-admit-closed", "{line}");
    };
    // By another statement on this stick.
    refused(&admit("--state {none}"));
    // By another stick.
    assert_eq!(lose(&table, "A", &format!("\nclose {two} ")), 2);
    for (path, bytes) in closed {
        let path = table
            .at("B")
            .join(path.strip_prefix(table.at("A")).unwrap());
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    fs::write(table.at("B/PFXVAULT/MEDIUM.TXT"), "").unwrap();
    assert_eq!(lose(&table, "B", &format!("\nserver {two} ")), 2);
    refused(&admit("--to {B} --state {none}"));
    // By what this computer remembers.
    refused(&admit("--lang en"));
}

#[test]
fn what_the_owner_retires_of_a_server_that_is_gone_is_restored_by_nobody_and_named_on_no_stick() {
    let table = two_servers();
    let two = id(&table, "two");
    let kept = fs::read(table.at("two/state.json")).unwrap();
    let retire = format!(
        "retire shop.example.com --server WEB02 --to {{A}} --json --state {{none}} {OWNER}"
    );
    table
        .run(&format!("{retire} --reason leaked"))
        .ended_with(2);
    assert_eq!(
        names(&drill(&table, &two).ended_with(0).json()),
        ["shop.example.com"]
    );
    let done = table
        .run(&format!("{retire} --reason leaked --yes"))
        .ended_with(0)
        .json();
    assert_eq!(
        (&done["server"], &done["reason"]),
        (&two.as_str().into(), &"leaked".into())
    );
    assert_eq!(done["key_pairs"][0]["names"][0], "shop.example.com");
    for (path, bytes) in crate::common::tree(&table.at("A")) {
        let is_in = bytes.windows(4).any(|part| part == b"shop");
        assert!(!is_in, "{}", path.display());
    }
    let rehearsed = drill(&table, &two).json();
    assert_eq!(
        (
            names(&rehearsed).len(),
            &rehearsed["no_more"][0]["retired_as"]
        ),
        (0, &"leaked".into())
    );
    for generation in ["", " --generation 1", " --generation 2199-12-31"] {
        let said = restore(&table, &format!("{two}{generation} shop.example.com"));
        assert_eq!(said.code, 2, "{generation}: {}", said.err);
    }
    let contents = format!("contents --json --from {{A}} --server {two} --state {{none}} {OWNER}");
    let shown = table.run(&contents).json();
    assert_eq!(shown["servers"][0]["no_more"][0]["reason"], "retired");
    // The server, should it not be gone, is told to look, and remembers it.
    assert_eq!(fs::read(table.at("two/state.json")).unwrap(), kept);
    table.run(&of_two(BACKUP)).ended_with(0);
    let status = "status --json --state {two}";
    assert!(table.run(status).out.contains("owners-word-unread"));
    table.run(&format!(
        "contents --json --from {{A}} --state {{two}} {OWNER}"
    ));
    assert!(!table.run(status).out.contains("owners-word-unread"));
    assert_eq!(look(&table, "two").owners_retirements().count(), 1);
    assert!(!table.run(status).out.contains("retirement-unknown"));
    // It cannot take back what the owner said, the owner can.
    let undo = "retire shop.example.com --undo --yes --state {two} --json";
    let refused = table.run(undo).ended_with(2).json();
    assert_eq!(refused["error"]["id"], "error-retired-by-owner");
    table.run(&of_two(BACKUP)).ended_with(8);
    assert_eq!(names(&drill(&table, &two).json()).len(), 0);
    table.run(&format!("{retire} --undo --yes")).ended_with(0);
    assert_eq!(
        names(&drill(&table, &two).ended_with(0).json()),
        ["shop.example.com"]
    );
    let error = table
        .run(&format!("{retire} --undo --yes"))
        .ended_with(2)
        .json();
    assert_eq!(error["error"]["id"], "error-retire-unknown-of");
}

#[test]
fn the_owner_needs_no_statement_for_the_server_that_this_is() {
    let table = two_servers();
    let own = id(&table, "state");
    let line = format!(
        "retire www.example.com --server {own} --reason lost --to {{A}} --yes --json {OWNER}"
    );
    let error = table.run(&line).ended_with(2).json();
    assert_eq!(error["error"]["id"], "error-retire-own-server");
    // Neither goes without the other.
    let line = "retire www.example.com --reason lost --yes";
    table.run(&format!("{line} --server {own}")).ended_with(2);
    table.run(&format!("{line} --to {{A}}")).ended_with(2);
}

#[test]
fn what_another_server_says_of_a_key_pair_is_named_and_hides_nothing() {
    let table = two_servers();
    let own = id(&table, "state");
    table
        .run(&format!("{BACKUP} --state {{two}}"))
        .ended_with(0);
    table
        .run("retire www.example.com --reason leaked --yes --state {two}")
        .ended_with(0);
    // It is still on the server.
    table
        .run(&format!("{BACKUP} --state {{two}}"))
        .ended_with(8);
    let said = restore(&table, &own).ended_with(8);
    assert!(says(&said.err, "doubt-said-retired") || says(&said.out, "doubt-said-retired"));
    assert_eq!(held(&table, "restored"), held(&table, "server"));
    let rehearsed = drill(&table, &own).ended_with(8).json();
    assert_eq!(names(&rehearsed).len(), 2);
    // What the owner says of another server is named in the same way.
    let table = two_servers();
    table
        .run(&format!("{BACKUP} --state {{two}}"))
        .ended_with(0);
    let retire =
        "retire www.example.com --server WEB02 --reason leaked --to {A} --yes --state {none}";
    table.run(&format!("{retire} {OWNER}")).ended_with(0);
    let said = restore(&table, &own).ended_with(8);
    assert!(says(&said.err, "doubt-owner-retired") || says(&said.out, "doubt-owner-retired"));
    assert_eq!(held(&table, "restored"), held(&table, "server"));
    let undo = retire.replace("--reason leaked", "--undo");
    table.run(&format!("{undo} {OWNER}")).ended_with(0);
    restore(&table, &own).ended_with(0);
}

#[test]
fn another_server_tells_that_a_stick_was_set_back() {
    let table = two_servers();
    let own = id(&table, "state");
    table.run(&format!("{BACKUP} --force")).ended_with(0);
    for _ in 0..2 {
        table
            .run(&format!("{} --force", of_two(BACKUP)))
            .ended_with(0);
    }
    restore(&table, &own).ended_with(0);
    for half in ["A", "B"] {
        let newest = format!("A/PFXVAULT/{half}/{own}/00000002");
        fs::remove_dir_all(table.at(&newest)).unwrap();
    }
    let said = restore(&table, &own).ended_with(8);
    assert!(
        says(&said.err, "doubt-said-newer") || says(&said.out, "doubt-said-newer"),
        "{}",
        said.err
    );
    assert_eq!(held(&table, "restored"), held(&table, "server"));
    let two = id(&table, "two");
    restore(&table, &two).ended_with(0);
}

#[test]
fn a_new_name_is_written_with_the_next_backup_and_an_id_always_means_its_server() {
    let table = two_servers();
    let rename = |name: &str, code: i32| {
        let line = format!("servers rename {name} --to {{A}} --yes --state {{two}} {OWNER}");
        table.run(&line).ended_with(code)
    };
    let wide = "W".repeat(65);
    rename(&wide, 2);
    rename("SHOP", 0);
    // Nothing else has changed, and it is written all the same.
    let backup = table.run(&of_two(BACKUP)).ended_with(0);
    assert!(!says(&backup.out, "backup-unchanged"), "{}", backup.out);
    assert_eq!(
        names(&drill(&table, "SHOP").ended_with(0).json()),
        ["shop.example.com"]
    );
    let again = table
        .run(&format!("{} --json", of_two(BACKUP)))
        .ended_with(0)
        .json();
    assert_eq!(again["generation"], Value::Null);
    // One that is called as another's id hides nothing of that.
    let first = id(&table, "state");
    rename(&first, 0);
    table.run(&of_two(BACKUP)).ended_with(0);
    assert_eq!(names(&drill(&table, &first).ended_with(0).json()), NAMES);
}

#[test]
fn a_name_is_not_bound_while_another_run_holds_the_state() {
    let table = two_servers();
    let before = crate::common::tree(&table.at("A"));
    let holding = State::open(&table.at("two")).unwrap().unwrap();
    let rename = format!("servers rename SHOP --to {{A}} --yes --state {{two}} {OWNER}");
    table.run(&rename).ended_with(1);
    drop(holding);
    assert!(
        crate::common::tree(&table.at("A")) == before,
        "nothing was signed"
    );
}

/// Without a server named, all of them are rehearsed, and one that cannot be is not passed over.
#[test]
fn a_drill_of_all_servers_does_not_end_well_where_one_of_them_was_left_out() {
    let table = two_servers();
    let two = id(&table, "two");
    let drill = "drill --json --from {A} --recovery-key-file {recovery} --state {none}";
    let said = table.run(drill).ended_with(0).json();
    assert_eq!(said["others"].as_array().unwrap().len(), 1, "{said}");
    let rehearsed = names(&said).len() + names(&said["others"][0]).len();
    assert_eq!(rehearsed, NAMES.len() + 1);
    // Its statement is gone: nobody says any more that its generations are the vault's.
    assert_eq!(lose(&table, "A", &format!("\nserver {two} ")), 2);
    let said = table.run(drill).ended_with(8);
    assert!(said.err.contains(&two), "{}", said.err);
    // Its files are damaged.
    let table = two_servers();
    let two = id(&table, "two");
    for half in ["A", "B"] {
        let folder = table.at(&format!("A/PFXVAULT/{half}/{two}/00000001"));
        fs::write(folder.join("CATALOG.AGE"), "x").unwrap();
    }
    table.run(drill).ended_with(3);
}

#[test]
fn servers_are_shown_by_name_once_their_catalogs_were_read_here() {
    let table = Table::backed_up(&["www.example.com"]);
    let join = "servers join {A} --passphrase-file {passphrase} --accept other-medium=test --server-name WEB02 --state {WEB02}";
    table.run(join).ended_with(0);
    table
        .run(&format!("{BACKUP} --state {{WEB02}}"))
        .ended_with(0);
    let listed = || table.run("servers list {A}").ended_with(0).out;
    assert!(!listed().contains("WEB02"), "{}", listed());
    table
        .run("drill --from {A} --passphrase-file {passphrase}")
        .ended_with(0);
    assert!(listed().contains("WEB02 ("), "{}", listed());
    let verified = table.run("verify {A}").ended_with(0).out;
    assert!(verified.contains("WEB02 ("), "{verified}");
    let audited = table.run("audit {A} --json").json()["servers"].to_string();
    assert!(audited.contains("\"WEB02\""), "{audited}");
}
