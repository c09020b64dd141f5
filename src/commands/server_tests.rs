//! `undo`, `request` and `selftest` against a server in memory: what they leave, and what they do
//! not.

use std::fs;
use std::path::Path;
use std::process::Command;

use clap::Parser;

use super::iis_tests::{back_up, old_server, recovery, restore};
use super::repair::repair_on;
use super::request::{CsrContent, request_on};
use super::selftest::{full, report, selftest_on};
use super::undo::undo_on;
use crate::change::Journal;
use crate::change::binding_tests::new_server;
use crate::cli::{Cli, CliCommand};
use crate::console::{Console, Language};
use crate::error::{Exit, Result};
use crate::iis::blob::Home;
use crate::iis::memory::{CallFault, MemoryServer};
use crate::iis::{StoreName, look};
use crate::keypair::fixtures::sorted;
use crate::session::Session;
use crate::tls::ask;

/// Runs one of the commands with its state in `folder`; how it ended, and what was said.
fn run(server: &MemoryServer, folder: &Path, line: &str) -> (Result<Exit>, String) {
    let state = folder.join("new").display().to_string();
    let words = ["pfxvault", "--state", &state];
    let cli = Cli::try_parse_from(words.into_iter().chain(line.split_whitespace())).unwrap();
    let console = Console::new(Language::En, false, false);
    let session = Session::new(cli.global, &console).unwrap();
    console.record();
    let ended = match cli.action {
        Some(CliCommand::Repair(args)) => repair_on(&session, &args, server.iis()),
        Some(CliCommand::Undo(args)) => undo_on(&session, &args, server.iis()),
        Some(CliCommand::Request(args)) => CsrContent::of(&args)
            .and_then(|content| request_on(&session, &args, content, server.iis())),
        Some(CliCommand::Selftest(args)) => selftest_on(&session, &args, server.iis()),
        _ => panic!("{line}"),
    };
    (
        ended,
        console.recorded(&crate::text!("report-end", exit = 0_u32)),
    )
}

#[test]
fn after_undo_stores_keys_and_bindings_are_as_before() {
    let folder = tempfile::tempdir().unwrap();
    let recovery = recovery(folder.path());
    back_up(&old_server(9), folder.path(), &recovery);
    let server = new_server();
    let before = server.world();
    let (restored, said) = restore(&server, folder.path(), &[]);
    restored.unwrap();
    let stands = server.world();
    assert_ne!(stands, before, "{said}");

    let (planned, said) = run(&server, folder.path(), "undo --dry-run");
    assert_eq!(planned.unwrap(), Exit::Done, "{said}");
    assert_eq!(server.world(), stands, "a plan changes nothing");

    let (undone, said) = run(&server, folder.path(), "undo --yes");
    assert_eq!(undone.unwrap(), Exit::Done, "{said}");
    assert_eq!(server.world(), before);

    let again = run(&server, folder.path(), "undo --yes").0.unwrap_err();
    assert_eq!(again.text.id, "error-nothing-to-undo");
    assert_eq!(server.world(), before);
}

#[test]
fn an_interrupted_run_is_named_by_every_command_and_comes_first() {
    let folder = tempfile::tempdir().unwrap();
    let recovery = recovery(folder.path());
    back_up(&old_server(9), folder.path(), &recovery);
    let server = new_server();
    restore(&server, folder.path(), &[]).0.unwrap();
    let mut journal = Journal::open(&folder.path().join("new")).unwrap();
    let interrupted = "2026-01-02T03:04:05Z".parse().unwrap();
    journal.begin("install", interrupted).unwrap();
    drop(journal);
    let stands = server.world();

    for line in ["undo --dry-run", "undo --yes"] {
        let refused = run(&server, folder.path(), line).0.unwrap_err();
        assert_eq!(refused.text.id, "error-run-interrupted", "{line}");
        assert_eq!(refused.exit, Exit::Attention, "{line}");
    }
    let (planned, said) = run(&server, folder.path(), "repair --dry-run --json");
    assert_eq!(planned.unwrap(), Exit::Attention, "{said}");
    let (mended, said) = run(&server, folder.path(), "repair --yes");
    assert_eq!(mended.unwrap(), Exit::Done, "{said}");
    assert_eq!(server.world(), stands, "it had changed nothing");
    let (planned, said) = run(&server, folder.path(), "undo --dry-run");
    assert_eq!(planned.unwrap(), Exit::Done, "{said}");
}

#[test]
fn a_damaged_file_among_the_keys_is_named_and_hinders_no_restore() {
    let folder = tempfile::tempdir().unwrap();
    let recovery = recovery(folder.path());
    back_up(&old_server(9), folder.path(), &recovery);
    let server = new_server();
    server.damage_keys();
    let (restored, said) = restore(&server, folder.path(), &["--keys-only"]);
    assert_eq!(restored.unwrap(), Exit::Done, "{said}");
    let (planned, said) = run(&server, folder.path(), "repair --dry-run");
    assert_eq!(planned.unwrap(), Exit::Attention, "{said}");
    assert!(said.contains("does not list the private keys"), "{said}");
}

/// What openssl says to these arguments in a folder.
fn openssl(folder: &Path, arguments: &str) -> String {
    let done = Command::new("openssl")
        .args(arguments.split(' '))
        .current_dir(folder)
        .output()
        .unwrap();
    let complaint = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{arguments}: {complaint}");
    String::from_utf8(done.stdout).unwrap()
}

#[test]
fn a_request_leaves_its_key_a_pending_request_and_a_csr_for_what_was_asked() {
    let (server, folder) = (MemoryServer::default(), tempfile::tempdir().unwrap());
    let out = folder.path().join("request.txt");
    let line = format!(
        "request www.example.com example.com --organization Example --country DE --friendly-name Shop --out {}",
        out.display()
    );
    let (ended, said) = run(&server, folder.path(), &line);
    assert_eq!(ended.unwrap(), Exit::Done);
    assert!(said.contains("www.example.com, example.com"), "{said}");

    let pending = look(server.iis(), &StoreName::ALL).unwrap();
    let [request] = pending.as_slice() else {
        panic!("{} certificates", pending.len())
    };
    assert_eq!(request.store, StoreName::Request);
    assert!(request.key.works());
    let friendly_name = request.certificate.properties.friendly_name.as_deref();
    assert_eq!(friendly_name, Some("Shop"));
    assert_eq!(server.world().1.len(), 1, "one key");

    let csr = openssl(folder.path(), "req -in request.txt -noout -verify -text");
    for wanted in ["CN = www.example.com", "O = Example", "C = DE"] {
        let tight = wanted.replace(" = ", "=");
        assert!(
            csr.contains(wanted) || csr.contains(&tight),
            "{wanted}: {csr}"
        );
    }
    assert!(
        csr.contains("DNS:www.example.com, DNS:example.com"),
        "{csr}"
    );
    fs::write(folder.path().join("pending.der"), &request.certificate.der).unwrap();
    assert_eq!(
        openssl(folder.path(), "req -in request.txt -noout -pubkey"),
        openssl(
            folder.path(),
            "x509 -inform der -in pending.der -noout -pubkey"
        ),
        "the key that stays here is the one the CSR asks for"
    );

    let stands = server.world();
    let again = run(&server, folder.path(), &line).0.unwrap_err();
    assert_eq!(again.text.id, "error-request-exists");
    assert_eq!(server.world(), stands);
}

#[test]
fn the_key_of_a_request_lives_where_its_windows_serves_tls_1_3_with_it_unless_it_is_said() {
    let (csp, ksp) = (Home::SchannelCsp.provider(), Home::SoftwareKsp.provider());
    for (build, option, expected) in [
        (17_763, "", csp),
        (20_348, "", ksp),
        (20_348, " --provider csp", csp),
        (17_763, " --provider ksp", ksp),
    ] {
        let (server, folder) = (MemoryServer::default(), tempfile::tempdir().unwrap());
        server.install(build, Vec::new());
        let out = folder.path().join("request.txt");
        let line = format!("request www.example.com --out {}{option}", out.display());
        let (ended, said) = run(&server, folder.path(), &line);
        assert_eq!(ended.unwrap(), Exit::Done);
        assert!(said.contains(expected), "{said}");
        let keys: Vec<_> = server.world().1.into_keys().collect();
        assert_eq!(keys[0].provider, expected, "{build}{option}");
    }
}

#[test]
fn a_request_whose_csr_cannot_be_written_leaves_no_key() {
    let (server, folder) = (MemoryServer::default(), tempfile::tempdir().unwrap());
    let before = server.world();
    let out = folder.path().join("missing").join("request.txt");
    let line = format!("request www.example.com --out {}", out.display());
    let error = run(&server, folder.path(), &line).0.unwrap_err();
    assert_eq!(error.text.id, "error-request-file");
    assert_eq!(server.world(), before);
}

#[test]
fn a_selftest_leaves_nothing_whether_it_passes_or_not() {
    let (server, folder) = (new_server(), tempfile::tempdir().unwrap());
    let before = server.world();
    let (ended, said) = run(&server, folder.path(), "selftest");
    assert_eq!(ended.unwrap(), Exit::Done, "{said}");
    assert_eq!(said.matches("passed: ").count(), 6, "{said}");
    assert!(!said.contains("for an issue"), "{said}");
    assert_eq!(server.world(), before);
    // The key is made, and then the call says that it is not.
    server.arm(0, CallFault::FailsAfter);
    let (ended, said) = run(&server, folder.path(), "selftest");
    assert_eq!(ended.unwrap(), Exit::Failed, "{said}");
    assert!(server.disarm());
    assert_eq!(server.world(), before);
}

/// The whole way on a server whose `serving` shows the key pair; how it ended, and what was said.
fn whole_way(server: &MemoryServer, folder: &Path, is_served: bool) -> (Result<Exit>, String) {
    let state = folder.join("new").display().to_string();
    let words = ["pfxvault", "--state", &state, "selftest", "--full", "--yes"];
    let console = Console::new(Language::En, false, false);
    let session = Session::new(Cli::try_parse_from(words).unwrap().global, &console).unwrap();
    console.record();
    let mut trial = full::Trial::new(&session).unwrap();
    if is_served {
        let pair = || {
            let certificates: Vec<_> = trial.pair.certificates().map(|one| one.der()).collect();
            let key = trial.pair.key.pkcs8().expose().to_vec();
            sorted(&[key], &certificates).key_pairs.remove(0)
        };
        trial.ports[1] = ask::tests::serve(vec![pair()]).0.port();
    }
    let ended = report(&session, server.iis(), Some(&trial));
    (
        ended,
        console.recorded(&crate::text!("report-end", exit = 0_u32)),
    )
}

#[test]
fn the_whole_way_is_gone_in_a_site_of_its_own_and_nothing_stays() {
    let (server, folder) = (new_server(), tempfile::tempdir().unwrap());
    let before = server.world();
    let (ended, said) = whole_way(&server, folder.path(), true);
    assert_eq!(ended.unwrap(), Exit::Done, "{said}");
    let (_, page) = said.split_once("for an issue").unwrap();
    assert_eq!(page.matches("passed: ").count(), 13, "{page}");
    assert_eq!(server.world(), before);
    // Nothing answers: the rest is done, and taken back.
    let (ended, said) = whole_way(&server, folder.path(), false);
    assert_eq!(ended.unwrap(), Exit::Failed, "{said}");
    let (_, page) = said.split_once("for an issue").unwrap();
    assert_eq!(page.matches("failed: ").count(), 1, "{page}");
    assert_eq!(server.world(), before);
}

#[test]
fn the_whole_way_leaves_nothing_whichever_call_fails() {
    let (server, folder) = (new_server(), tempfile::tempdir().unwrap());
    let before = server.world();
    let calls = server.calls_of(|| {
        whole_way(&server, folder.path(), true).0.unwrap();
    });
    // The keys alone are another test's.
    for call in (30..calls).step_by(3) {
        server.arm(call, CallFault::FailsAfter);
        let (ended, said) = whole_way(&server, folder.path(), true);
        assert!(server.disarm(), "{call}");
        assert_eq!(server.world(), before, "{call} {ended:?} {said}");
        let (_, said) = run(&server, folder.path(), "repair --dry-run");
        assert!(!said.contains("was interrupted"), "{call} {said}");
    }
}

#[test]
fn the_whole_way_needs_iis_and_a_word() {
    let (server, folder) = (MemoryServer::default(), tempfile::tempdir().unwrap());
    let error = run(&server, folder.path(), "selftest --full --yes")
        .0
        .unwrap_err();
    assert_eq!(error.text.id, "error-selftest-no-iis");
    let server = new_server();
    let before = server.world();
    let error = run(&server, folder.path(), "selftest --full")
        .0
        .unwrap_err();
    assert_eq!(error.exit, Exit::Usage);
    assert_eq!(server.world(), before);
}
