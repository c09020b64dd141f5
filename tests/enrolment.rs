//! Enrolling many servers with one passphrase, and ending the rights of servers and of ways in.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test")]

mod common;

use std::fs;

use common::{BACKUP, RESTORE, Said, Table, generations, held, tree};
use pfxvault::state::State;
use pfxvault::vault::id::{ServerId, VaultId};
use pfxvault::vault::request::Request;
use pfxvault::vault::sign::SigningKey;

const NAMES: [&str; 2] = ["www.example.com", "mail.example.org"];
const ADD: &str = "servers add --to {A} --passphrase-file {passphrase} --yes --accept other-medium=test";

fn vault(table: &Table) -> VaultId {
    State::look(&table.at("state")).unwrap().unwrap().vault().clone()
}

fn request(table: &Table, name: &str) -> Request {
    table.run(&format!("servers request {{{name}.req}} --server-name {name} --state {{{name}}}")).ended_with(0);
    Request::parse(&fs::read(table.at(&format!("{name}.req"))).unwrap()).unwrap()
}

fn accept(table: &Table, name: &str) -> Said {
    let vault = vault(table);
    table.run(&format!("servers accept {{answer.zip}} --vault {vault} --state {{{name}}}"))
}

#[test]
fn forty_servers_are_enrolled_with_one_passphrase_and_their_parcels_land_on_one_stick() {
    let table = Table::with_vault(&NAMES);
    let names: Vec<String> = (1..=40).map(|n| format!("web{n:02}")).collect();
    let ids: Vec<ServerId> = names.iter().map(|name| request(&table, name).server()).collect();
    let files: Vec<String> = names.iter().map(|name| format!("{{{name}.req}}")).collect();
    let add = ADD.replace("add ", &format!("add {} ", files.join(" ")));
    let added = table.run(&format!("{add} --answer {{answer.zip}} --json")).ended_with(0).json();
    assert_eq!(added["servers"].as_array().unwrap().len(), 40);
    let seal = "backup --from folder:{server} --source-password-file {pfx-password}";
    for name in &names {
        accept(&table, name).ended_with(0);
        table.run(&format!("{seal} --to parcel:{{{name}.zip}} --state {{{name}}}")).ended_with(0);
    }
    let parcels: Vec<String> = names.iter().map(|name| format!("--from parcel:{{{name}.zip}}")).collect();
    let copy = format!("copy {} --to {{A}} --accept other-medium=test --json", parcels.join(" "));
    assert_eq!(table.run(&copy).ended_with(0).json()["added"].as_array().unwrap().len(), 40);
    let checked = table.run("verify {A} --json").ended_with(0).json();
    let whole = checked["generations"].as_array().unwrap().iter();
    let whole = whole.filter(|judged| judged["state"] == "whole" && judged["copies"] == 2);
    let found: Vec<_> = whole.map(|judged| judged["server"].as_str().unwrap().to_owned()).collect();
    assert!(found.len() == 40 && ids.iter().all(|id| found.contains(&id.to_string())));
    table.run(&format!("{RESTORE} --server web17")).ended_with(0);
    assert_eq!(held(&table, "restored"), held(&table, "server"));
}

#[test]
fn a_request_holds_no_secret_and_asking_again_asks_with_the_same_key() {
    let table = Table::with_vault(&NAMES);
    let first = request(&table, "web");
    let text = fs::read_to_string(table.at("web.req")).unwrap();
    assert_eq!(text, format!("pfxvault-request v1\nname web\nserver {} {}\n", first.server(), first.key));
    table.run("servers request {web.req} --state {web}").ended_with(1);
    assert_eq!(fs::read_to_string(table.at("web.req")).unwrap(), text);
    fs::remove_file(table.at("web.req")).unwrap();
    assert_eq!(request(&table, "web"), first);
    table.run("servers request {other.req}").ended_with(1);
    assert!(!table.at("other.req").exists(), "this machine is enrolled already");
}

#[test]
fn a_server_is_enrolled_from_the_stick_as_well_and_only_once_it_was_added() {
    let table = Table::with_vault(&NAMES);
    let vault = vault(&table);
    let accept = format!("servers accept {{A}} --vault {vault} --state {{web}}");
    table.run(&accept).ended_with(7);
    request(&table, "web");
    table.run(&accept).ended_with(7);
    assert!(!table.at("web/state.json").exists());
    table.run(&ADD.replace("add ", "add {web.req} ")).ended_with(0);
    table.run(&accept).ended_with(0);
    table.run(&format!("{BACKUP} --state {{web}}")).ended_with(0);
    table.run(&accept).ended_with(1);
}

#[test]
fn an_answer_of_another_owner_is_not_accepted() {
    let table = Table::with_vault(&NAMES);
    let other = Table::with_vault_of_another(&NAMES);
    request(&table, "web");
    fs::copy(table.at("web.req"), other.at("web.req")).unwrap();
    other.run(&format!("{} --answer {{answer.zip}}", ADD.replace("add ", "add {web.req} "))).ended_with(0);
    fs::copy(other.at("answer.zip"), table.at("answer.zip")).unwrap();
    accept(&table, "web").ended_with(7);
    table.run("servers accept {answer.zip} --state {web}").ended_with(2);
    table.run("servers accept {answer.zip} --vault SHA256:short --state {web}").ended_with(2);
    assert!(!table.at("web/state.json").exists());
}

#[test]
fn what_is_no_request_or_would_take_a_servers_place_is_refused_and_nothing_is_signed() {
    let table = Table::with_vault(&NAMES);
    let before = tree(&table.at("A"));
    let good = request(&table, "web").render();
    let other = SigningKey::from_seed(&[5; 32]).public();
    let changed = [
        good.replace(&request_key(&good), &other.to_string()),
        format!("{good}extra\n"),
        good.replace("name web", "name w\u{1b}[2Jeb"),
        "x".repeat(2000),
    ];
    for text in changed {
        fs::write(table.at("bad.req"), text).unwrap();
        table.run(&ADD.replace("add ", "add {web.req} {bad.req} ")).ended_with(1);
    }
    table.run(&ADD.replace("add ", "add {nowhere.req} ")).ended_with(2);
    table.run(&ADD.replace("add ", "add {web.req} ").replace(" --yes", "")).ended_with(2);
    let planned = table.run(&ADD.replace("add ", "add {web.req} --dry-run --json ")).ended_with(0).json();
    assert_eq!(planned["servers"].as_array().unwrap().len(), 1);
    assert!(before == tree(&table.at("A")));
}

fn request_key(text: &str) -> String {
    Request::parse(text.as_bytes()).unwrap().key.to_string()
}

#[test]
fn two_new_servers_of_one_name_are_pointed_out() {
    let table = Table::with_vault(&NAMES);
    request(&table, "web");
    table.run("servers request {b.req} --server-name WEB --state {b}").ended_with(0);
    let said = table.run(&ADD.replace("add ", "add {web.req} {b.req} {web.req} ")).ended_with(0);
    assert_eq!(said.out.matches("call themselves").count(), 2, "{}", said.out);
    assert!(generations(&table.at("A"), "A").is_empty());
    let again = table.run(&format!("{} --json", ADD.replace("add ", "add {web.req} "))).ended_with(0).json();
    assert_eq!(again["servers"].as_array().unwrap().len(), 0, "enrolled already");
}
