//! One vault, two systems: what pfxvault.exe writes under Wine, the Linux program verifies and restores, and the other
//! way round. tests/windows/run gives the Windows program in `PFXVAULT_EXE`; without it there is nothing to test.
#![cfg(unix)]
#![allow(clippy::unwrap_used, missing_docs, reason = "a test")]

mod common;

use std::ffi::OsString;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use common::{BACKUP, RESTORE, Said, Table};

const NAMES: &[&str] = &["www.example.com", "mail.example.com"];

/// A Windows machine: a prefix of Wine with the table's stick A as its removable drive R:.
struct Windows<'a> {
    table: &'a Table,
    program: OsString,
}

impl<'a> Windows<'a> {
    fn beside(table: &'a Table) -> Option<Self> {
        let program = std::env::var_os("PFXVAULT_EXE")?;
        let windows = Self { table, program };
        windows.wine(&["wineboot", "-i"]);
        symlink(table.stick("A"), windows.prefix().join("dosdevices/r:")).unwrap();
        windows.wine(&["reg", "add", r"HKLM\Software\Wine\Drives", "/v", "r:", "/d", "floppy", "/f"]);
        windows.stop();
        Some(windows)
    }

    fn prefix(&self) -> PathBuf {
        self.table.at("wine")
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env("WINEPREFIX", self.prefix()).env("WINEDEBUG", "-all").env("WINEDLLOVERRIDES", "mscoree,mshtml=");
        command.stdin(Stdio::null());
        command
    }

    fn wine(&self, words: &[&str]) {
        assert!(self.command("wine").args(words).output().unwrap().status.success(), "{words:?}");
    }

    /// Waits until the registry is on disk; the next program reads it.
    fn stop(&self) {
        self.command("wineserver").arg("-k").status().unwrap();
        self.command("wineserver").arg("-w").status().unwrap();
    }

    /// Runs pfxvault.exe; `{name}` is a path on the table, and state lies where Windows keeps it.
    fn run(&self, line: &str) -> Said {
        let root = self.table.folder.path().display().to_string();
        let words = self.table.words(&format!("{line} --state {{none}}"));
        let words = words[..words.len() - 2].iter().map(|word| word.replace(&root, &format!("Z:{root}")));
        Said::of(&self.command("wine").arg(&self.program).args(words).output().unwrap())
    }
}

impl Drop for Windows<'_> {
    fn drop(&mut self) {
        self.stop();
    }
}

#[test]
fn a_vault_made_on_windows_is_verified_and_restored_on_linux() {
    let table = Table::bare();
    table.serve("server", NAMES);
    let Some(windows) = Windows::beside(&table) else { return };
    windows.run("create R --passphrase-file {passphrase} --recovery-key-file {recovery}").ended_with(0);
    let backup = "backup --from folder:{server} --source-password-file {pfx-password} --to R:";
    windows.run(backup).ended_with(0);
    windows.run(r"verify R:\").ended_with(0);
    table.run("verify {A}").ended_with(0);
    table.run(RESTORE).ended_with(0);
    assert_eq!(table.at("restored").read_dir().unwrap().count(), NAMES.len());
}

#[test]
fn a_vault_made_on_linux_is_verified_and_restored_on_windows() {
    let table = Table::with_vault(NAMES);
    table.run(BACKUP).ended_with(0);
    let Some(windows) = Windows::beside(&table) else { return };
    windows.run("verify R:").ended_with(0);
    windows.run(&RESTORE.replace("{A}", "R:")).ended_with(0);
    assert_eq!(table.at("restored").read_dir().unwrap().count(), NAMES.len());
}

#[test]
fn a_fixed_disk_that_windows_runs_from_is_no_medium() {
    let table = Table::bare();
    let Some(windows) = Windows::beside(&table) else { return };
    let refused = windows.run(r"create C:\ --passphrase-file {passphrase} --recovery-key-file {recovery}");
    refused.ended_with(5);
    assert!(!windows.prefix().join("drive_c/PFXVAULT").exists());
}
