//! One vault, two systems: what pfxvault.exe writes under Wine, the Linux program verifies and restores, and the other
//! way round. tests/windows/run gives the Windows program in `PFXVAULT_EXE`; without it there is nothing to test.
#![cfg(unix)]
#![allow(clippy::unwrap_used, missing_docs, reason = "a test")]

mod common;

use common::wine::Windows;
use common::{BACKUP, RESTORE, Table};

const NAMES: &[&str] = &["www.example.com", "mail.example.com"];

#[test]
fn a_vault_made_on_windows_is_verified_and_restored_on_linux() {
    let table = Table::bare();
    table.serve("server", NAMES);
    let Some(windows) = Windows::beside(&table, "wine") else { return };
    windows.run("create R --passphrase-file {passphrase} --recovery-key-file {recovery}").ended_with(0);
    let backup = "backup --from folder:{server} --source-password-file {pfx-password} --to R:";
    windows.run(backup).ended_with(0);
    windows.run(r"verify R:\").ended_with(0);
    table.run("verify {A}").ended_with(0);
    // Wine does not give the recovery key's file a mode that Linux calls private.
    let with_passphrase = RESTORE.replace("--recovery-key-file {recovery}", "--passphrase-file {passphrase}");
    table.run(&with_passphrase).ended_with(0);
    assert_eq!(table.at("restored").read_dir().unwrap().count(), NAMES.len());
}

#[test]
fn a_vault_made_on_linux_is_verified_and_restored_on_windows() {
    let table = Table::with_vault(NAMES);
    table.run(BACKUP).ended_with(0);
    let Some(windows) = Windows::beside(&table, "wine") else { return };
    windows.run("verify R:").ended_with(0);
    windows.run(&RESTORE.replace("{A}", "R:")).ended_with(0);
    assert_eq!(table.at("restored").read_dir().unwrap().count(), NAMES.len());
}

#[test]
fn a_fixed_disk_that_windows_runs_from_is_no_medium() {
    let table = Table::bare();
    let Some(windows) = Windows::beside(&table, "wine") else { return };
    let refused = windows.run(r"create C:\ --passphrase-file {passphrase} --recovery-key-file {recovery}");
    refused.ended_with(5);
    assert!(!windows.prefix().join("drive_c/PFXVAULT").exists());
}
