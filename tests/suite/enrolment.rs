//! Enrolling many servers with one passphrase, and ending the rights of servers and of ways in.

use std::fs;

use crate::common::{BACKUP, RESTORE, Said, Table, generations, held, tree};
use pfxvault::state::State;
use vault::id::{ServerId, VaultId};
use vault::request::EnrolmentRequest;
use vault::sign::SigningKey;

const NAMES: [&str; 2] = ["www.example.com", "mail.example.org"];
const ADD: &str =
    "servers add --to {A} --recovery-key-file {recovery} --yes --accept other-medium=test";

fn vault(table: &Table) -> VaultId {
    State::look(&table.at("state"))
        .unwrap()
        .unwrap()
        .vault()
        .clone()
}

fn request(table: &Table, name: &str) -> EnrolmentRequest {
    table
        .run(&format!(
            "servers request {{{name}.req}} --server-name {name} --state {{{name}}}"
        ))
        .ended_with(0);
    EnrolmentRequest::parse(&fs::read(table.at(&format!("{name}.req"))).unwrap()).unwrap()
}

fn accept(table: &Table, name: &str) -> Said {
    let vault = vault(table);
    table.run(&format!(
        "servers accept {{answer.zip}} --vault {vault} --state {{{name}}}"
    ))
}

#[test]
fn forty_servers_are_enrolled_with_one_passphrase_and_parcels_of_them_land_on_one_stick() {
    let table = Table::with_vault(&NAMES[..1]);
    let names: Vec<String> = (1..=40).map(|n| format!("web{n:02}")).collect();
    let ids: Vec<ServerId> = names
        .iter()
        .map(|name| request(&table, name).server())
        .collect();
    let files: Vec<String> = names.iter().map(|name| format!("{{{name}.req}}")).collect();
    let add = ADD
        .replace("add ", &format!("add {} ", files.join(" ")))
        .replace(
            "--recovery-key-file {recovery}",
            "--passphrase-file {passphrase}",
        );
    let added = table
        .run(&format!("{add} --answer {{answer.zip}} --json"))
        .ended_with(0)
        .json();
    assert_eq!(added["servers"].as_array().unwrap().len(), 40);
    // Every fifth of them sends something.
    let names: Vec<_> = names.into_iter().skip(1).step_by(5).collect();
    let ids: Vec<_> = ids.into_iter().skip(1).step_by(5).collect();
    let seal = "backup --from folder:{server} --source-password-file {pfx-password}";
    for name in &names {
        accept(&table, name).ended_with(0);
        table
            .run(&format!(
                "{seal} --to parcel:{{{name}.zip}} --state {{{name}}}"
            ))
            .ended_with(0);
    }
    let parcels: Vec<String> = names
        .iter()
        .map(|name| format!("--from parcel:{{{name}.zip}}"))
        .collect();
    let copy = format!(
        "copy {} --to {{A}} --accept other-medium=test --json",
        parcels.join(" ")
    );
    assert_eq!(
        table.run(&copy).ended_with(0).json()["added"]
            .as_array()
            .unwrap()
            .len(),
        8
    );
    let checked = table.run("verify {A} --json").ended_with(0).json();
    let whole = checked["generations"].as_array().unwrap().iter();
    let whole = whole.filter(|judged| judged["state"] == "whole" && judged["copies"] == 2);
    let found: Vec<_> = whole
        .map(|judged| judged["server"].as_str().unwrap().to_owned())
        .collect();
    assert!(found.len() == 8 && ids.iter().all(|id| found.contains(&id.to_string())));
    table
        .run(&format!("{RESTORE} --server web17"))
        .ended_with(0);
    assert_eq!(held(&table, "restored"), held(&table, "server"));
}

#[test]
fn a_request_holds_no_secret_and_asking_again_asks_with_the_same_key() {
    let table = Table::with_vault(&NAMES);
    let first = request(&table, "web");
    let text = fs::read_to_string(table.at("web.req")).unwrap();
    assert_eq!(
        text,
        format!(
            "pfxvault-request v2\nname web\nserver {} {}\nsalt {}\n",
            first.server(),
            first.key,
            first.salt.as_ref().unwrap()
        )
    );
    table
        .run("servers request {web.req} --state {web}")
        .ended_with(1);
    assert_eq!(fs::read_to_string(table.at("web.req")).unwrap(), text);
    fs::remove_file(table.at("web.req")).unwrap();
    assert_eq!(request(&table, "web"), first);
    table.run("servers request {other.req}").ended_with(1);
    assert!(
        !table.at("other.req").exists(),
        "this machine is enrolled already"
    );
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
    table
        .run(&ADD.replace("add ", "add {web.req} "))
        .ended_with(0);
    table.run(&accept).ended_with(0);
    table
        .run(&format!("{BACKUP} --state {{web}}"))
        .ended_with(0);
    table.run(&accept).ended_with(1);
}

#[test]
fn an_answer_of_another_owner_is_not_accepted() {
    let table = Table::with_vault(&NAMES);
    let other = Table::with_vault_of_another(&NAMES);
    request(&table, "web");
    fs::copy(table.at("web.req"), other.at("web.req")).unwrap();
    other
        .run(&format!(
            "{} --answer {{answer.zip}}",
            ADD.replace("add ", "add {web.req} ")
        ))
        .ended_with(0);
    fs::copy(other.at("answer.zip"), table.at("answer.zip")).unwrap();
    accept(&table, "web").ended_with(7);
    table
        .run("servers accept {answer.zip} --state {web}")
        .ended_with(2);
    table
        .run("servers accept {answer.zip} --vault SHA256:short --state {web}")
        .ended_with(2);
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
        table
            .run(&ADD.replace("add ", "add {web.req} {bad.req} "))
            .ended_with(1);
    }
    table
        .run(&ADD.replace("add ", "add {nowhere.req} "))
        .ended_with(2);
    table
        .run(&ADD.replace("add ", "add {web.req} ").replace(" --yes", ""))
        .ended_with(2);
    let planned = table
        .run(&ADD.replace("add ", "add {web.req} --dry-run --json "))
        .ended_with(0)
        .json();
    assert_eq!(planned["servers"].as_array().unwrap().len(), 1);
    fs::write(
        table.at("rtl.req"),
        good.replace("name web", "name web\u{202e}10"),
    )
    .unwrap();
    let shown = table
        .run(&ADD.replace("add ", "add {rtl.req} --dry-run "))
        .ended_with(0);
    assert!(
        shown.out.contains("web<U+202E>10") && !shown.out.contains('\u{202e}'),
        "{}",
        shown.out
    );
    assert!(before == tree(&table.at("A")));
}

fn request_key(text: &str) -> String {
    EnrolmentRequest::parse(text.as_bytes())
        .unwrap()
        .key
        .to_string()
}

#[test]
fn two_new_servers_of_one_name_are_pointed_out() {
    let table = Table::with_vault(&NAMES);
    request(&table, "web");
    table
        .run("servers request {b.req} --server-name WEB --state {b}")
        .ended_with(0);
    let said = table
        .run(&ADD.replace("add ", "add {web.req} {b.req} {web.req} "))
        .ended_with(0);
    assert_eq!(
        said.out.matches("call themselves").count(),
        2,
        "{}",
        said.out
    );
    assert!(generations(&table.at("A"), "A").is_empty());
    let again = table
        .run(&format!("{} --json", ADD.replace("add ", "add {web.req} ")))
        .ended_with(0)
        .json();
    assert_eq!(
        again["servers"].as_array().unwrap().len(),
        0,
        "enrolled already"
    );
}

const RETIRE: &str = "--to {A} --recovery-key-file {recovery} --accept other-medium=test --json";
const PERSON: &str = "age1mrq6xw9yu6f3h2vzwrzcmnvvt4m3nm39u7qfcj96mv5yqj4mzq0sznzeez";

fn own_id(table: &Table) -> String {
    State::look(&table.at("state"))
        .unwrap()
        .unwrap()
        .server()
        .to_string()
}

/// A second person's key that may decrypt new backups.
fn with_person(table: &Table) -> String {
    let key = age::x25519::Identity::generate().to_public().to_string();
    let add = format!(
        "access add {key} --decrypt-only --to {{A}} --recovery-key-file {{recovery}} --accept other-medium=test"
    );
    table.run(&add).ended_with(0);
    key
}

#[test]
fn a_retired_server_counts_up_to_its_last_good_generation_and_writes_no_more() {
    let table = Table::backed_up(&NAMES);
    table.run(&format!("{BACKUP} --force")).ended_with(0);
    let (id, before) = (own_id(&table), tree(&table.at("A")));
    let retire = format!("servers retire {id} --last 1 {RETIRE}");
    table.run(&retire).ended_with(2);
    let planned = table.run(&format!("{retire} --dry-run")).ended_with(0);
    assert!(
        planned.err.contains(&format!("{id}/2")),
        "what is lost is named: {}",
        planned.err
    );
    assert!(before == tree(&table.at("A")));
    assert_eq!(
        table.run(&format!("{retire} --yes")).ended_with(0).json()["last"],
        1
    );
    table.run(&format!("{BACKUP} --force")).ended_with(7);
    let checked = table.run("verify {A} --json").ended_with(8).json();
    let states: Vec<_> = checked["generations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|g| g["state"].clone())
        .collect();
    assert_eq!(states, ["whole", "foreign"]);
    table
        .run(&format!("{RESTORE} --generation 1"))
        .ended_with(8);
    assert_eq!(held(&table, "restored"), held(&table, "server"));
    table.run(&format!("{retire} --yes")).ended_with(1);
    let later = format!("servers retire {id} --last 2 {RETIRE} --yes");
    table.run(&later).ended_with(1);
}

#[test]
fn a_server_is_retired_at_its_newest_whole_generation_by_its_name() {
    let table = Table::with_vault(&NAMES);
    request(&table, "web");
    table
        .run(&ADD.replace("add ", "add {web.req} "))
        .ended_with(0);
    let vault = vault(&table);
    table
        .run(&format!(
            "servers accept {{A}} --vault {vault} --state {{web}}"
        ))
        .ended_with(0);
    table
        .run(&format!("servers retire web {RETIRE} --yes"))
        .ended_with(2);
    table
        .run(&format!("servers retire AAAAAAAA {RETIRE} --yes"))
        .ended_with(2);
    let back_up = format!("{BACKUP} --state {{web}}");
    table.run(&back_up).ended_with(0);
    let retired = table
        .run(&format!("servers retire web {RETIRE} --yes"))
        .ended_with(0)
        .json();
    assert_eq!(
        (
            &retired["last"],
            retired["re_issue"].as_array().unwrap().len()
        ),
        (&1.into(), 0)
    );
    table.run(&format!("{back_up} --force")).ended_with(7);
    table.run("verify {A}").ended_with(0);
    let request = ADD.replace("add ", "add {web.req} ");
    table.run(&request).ended_with(1);
}

#[test]
fn a_stolen_server_key_leaves_nothing_that_counts_and_its_certificates_are_listed() {
    let table = Table::backed_up(&NAMES);
    let retired = format!(
        "servers retire {} --compromised {RETIRE} --yes",
        own_id(&table)
    );
    let retired = table.run(&retired).ended_with(0).json();
    assert!(retired["last"].is_null());
    assert_eq!(retired["re_issue"].as_array().unwrap().len(), NAMES.len());
    table.run(RESTORE).ended_with(1);
    table.run("verify {A}").ended_with(8);
    assert!(!table.at("restored").exists());
}

#[test]
fn a_retired_key_is_served_no_more_by_any_server_and_what_it_could_read_is_listed() {
    let table = Table::backed_up(&NAMES);
    let unread = with_person(&table);
    let retire = |key: &str| table.run(&format!("access retire {} {RETIRE} --yes", &key[..20]));
    assert_eq!(
        retire(&unread).ended_with(0).json()["re_issue"]
            .as_array()
            .unwrap()
            .len(),
        0,
        "no backup since"
    );
    request(&table, "web");
    table
        .run(&ADD.replace("add ", "add {web.req} "))
        .ended_with(0);
    let vault = vault(&table);
    table
        .run(&format!(
            "servers accept {{A}} --vault {vault} --state {{web}}"
        ))
        .ended_with(0);
    let person = with_person(&table);
    table
        .run(&format!("{BACKUP} --state {{web}}"))
        .ended_with(0);
    let recipients = |name: &str| {
        State::look(&table.at(name))
            .unwrap()
            .unwrap()
            .trust
            .recipients()
            .count()
    };
    assert_eq!(recipients("web"), 2);
    let retired = retire(&person).ended_with(0).json();
    assert_eq!(retired["re_issue"].as_array().unwrap().len(), NAMES.len());
    assert_eq!(
        (recipients("state"), recipients("web")),
        (1, 2),
        "it has not seen the stick yet"
    );
    let saved = table
        .run(&format!("{BACKUP} --state {{web}} --json"))
        .ended_with(0)
        .json();
    assert_eq!((&saved["generation"], recipients("web")), (&2.into(), 1));
    retire(&person).ended_with(2);
    table
        .run(&format!("access retire {person} {RETIRE} --yes"))
        .ended_with(1);
}

#[test]
fn what_cannot_be_taken_back_is_refused_with_what_to_do() {
    let table = Table::backed_up(&NAMES);
    let listed = table.run("access list {A} --json").ended_with(0).json();
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let (own, way_in) = (text(&listed["keys"][0]), text(&listed["identities"][0]));
    let before = tree(&table.at("A"));
    for (id, code) in [
        (own.as_str(), 1),
        (&way_in[..4], 1),
        ("passphrase", 1),
        (PERSON, 2),
        ("age1", 2),
        (&own[..8], 2),
    ] {
        table
            .run(&format!("access retire {id} {RETIRE} --yes"))
            .ended_with(code);
    }
    table
        .run(&format!("access retire {own} {RETIRE} --yes").replace(
            "--recovery-key-file {recovery}",
            "--passphrase-file {pfx-password}",
        ))
        .ended_with(6);
    table
        .run(&format!(
            "servers retire {} --last 7 {RETIRE} --yes",
            own_id(&table)
        ))
        .ended_with(1);
    assert!(before == tree(&table.at("A")));
}
