//! The signing key belongs to one machine.

use std::fs;

use pfxvault::platform::protected::Unprotected;
use pfxvault::platform::windows::dpapi::{self, Machine};
use pfxvault::state::State;
use vault::id::VaultId;

const SECRET: &[u8] = b"thirty-two bytes of signing key.";

fn machine() -> Machine {
    Machine {
        windows: "11111111-2222-3333-4444-555555555555".into(),
        hardware: Some([7; 16]),
    }
}

#[test]
fn what_is_protected_opens_on_the_same_machine_and_does_not_show_the_secret() {
    let stored = dpapi::protect(SECRET, &machine()).unwrap();
    assert!(!stored.windows(8).any(|part| part == &SECRET[..8]));
    assert!(
        matches!(dpapi::unprotect(&stored, &machine()), Unprotected::Secret(secret) if secret[..] == *SECRET)
    );
}

#[test]
fn a_clone_is_told_from_damage() {
    let stored = dpapi::protect(SECRET, &machine()).unwrap();
    let new_hardware = Machine {
        hardware: Some([8; 16]),
        ..machine()
    };
    let new_windows = Machine {
        windows: "99999999-2222-3333-4444-555555555555".into(),
        ..machine()
    };
    assert!(matches!(
        dpapi::unprotect(&stored, &new_hardware),
        Unprotected::OtherMachine
    ));
    assert!(matches!(
        dpapi::unprotect(&stored, &new_windows),
        Unprotected::OtherMachine
    ));
}

#[test]
fn a_damaged_file_is_damaged() {
    let stored = dpapi::protect(SECRET, &machine()).unwrap();
    let text = String::from_utf8(stored.to_vec()).unwrap();
    let (heading, key) = text.split_once('\n').unwrap();
    let other_key = format!(
        "{heading}\n{}{}",
        if key.starts_with('B') { "C" } else { "B" },
        &key[1..]
    );
    for damaged in [
        other_key.as_bytes(),
        heading.as_bytes(),
        b"",
        b"\xff",
        &stored[..stored.len() / 2],
    ] {
        assert!(matches!(
            dpapi::unprotect(damaged, &machine()),
            Unprotected::Damaged
        ));
    }
}

/// Whoever writes this machine's identity into a copied file has changed the entropy too.
#[test]
fn a_heading_from_another_machine_does_not_open_the_key() {
    let elsewhere = Machine {
        hardware: Some([8; 16]),
        ..machine()
    };
    let ours = String::from_utf8(dpapi::protect(SECRET, &machine()).unwrap().to_vec()).unwrap();
    let theirs = String::from_utf8(dpapi::protect(SECRET, &elsewhere).unwrap().to_vec()).unwrap();
    let forged = format!(
        "{}\n{}",
        ours.split_once('\n').unwrap().0,
        theirs.split_once('\n').unwrap().1
    );
    assert!(matches!(
        dpapi::unprotect(forged.as_bytes(), &machine()),
        Unprotected::Damaged
    ));
}

#[test]
fn this_machine_has_an_identity_that_stays() {
    let this = Machine::this().unwrap();
    assert_eq!(this.windows.len(), 36);
    assert_eq!(this, Machine::this().unwrap());
}

#[test]
fn the_state_of_a_cloned_machine_is_refused_as_that() {
    let outer = tempfile::tempdir().unwrap();
    let folder = outer.path().join("state");
    let mut state = State::create(
        &folder,
        VaultId::parse(&format!("SHA256:{}", "A".repeat(43))).unwrap(),
        "WEB01",
    )
    .unwrap();
    state.save().unwrap();
    let server = state.server();
    drop(state);
    assert!(
        State::open(&folder)
            .unwrap()
            .is_some_and(|state| state.server() == server)
    );

    let key = folder.join("server.key");
    fs::write(&key, &*dpapi::protect(SECRET, &machine()).unwrap()).unwrap();
    assert_eq!(
        State::open(&folder).err().unwrap().text.id,
        "error-state-other-machine"
    );
    fs::write(&key, "nonsense").unwrap();
    assert_eq!(
        State::open(&folder).err().unwrap().text.id,
        "error-state-damaged"
    );
}
