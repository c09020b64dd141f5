//! One file or folder per command: it asks its session for the real things, calls a workflow, and
//! hands the report to the console. No command calls another.

mod access;
mod audit;
mod backup;
mod contents;
mod copy;
mod create;
mod demo;
mod drill;
mod export;
#[cfg(test)]
mod iis_tests;
mod install;
mod list;
mod man;
mod media;
mod menu;
#[cfg(test)]
mod newer_tests;
mod repair;
mod report;
mod request;
mod restore;
mod retire;
#[cfg(test)]
mod schema_tests;
mod selftest;
#[cfg(test)]
mod server_tests;
mod servers;
mod sheet;
mod status;
mod undo;
mod verify;

use clap_complete::Shell;

use crate::cli::{self, Cli, CliCommand, worded};
use crate::console::Console;
use crate::error::{Exit, Result};
use crate::session::Session;
use secret::stack;

/// Runs one command.
///
/// # Errors
/// What the command could not do.
pub fn run(cli: Cli, console: &Console) -> Result<Exit> {
    let session = Session::new(cli.global, console)?;
    match cli.action {
        Some(CliCommand::Status(_) | CliCommand::Audit(_) | CliCommand::Verify(_)) => {}
        _ => session.refuse_to_rest()?,
    }
    match cli.action {
        Some(action) => carry_out(&session, action),
        None => menu::run(&session),
    }
}

fn carry_out(session: &Session<'_>, action: CliCommand) -> Result<Exit> {
    let done = dispatch(session, action);
    // What it worked with lay on this stack and on those of its helpers.
    rayon::broadcast(|_| stack::wipe());
    stack::wipe();
    session.report_rules(&done);
    done
}

#[inline(never)]
fn dispatch(session: &Session<'_>, action: CliCommand) -> Result<Exit> {
    match action {
        CliCommand::Status(args) => status::run(session, &args),
        CliCommand::List(args) => list::run(session, &args),
        CliCommand::Backup(args) => backup::run(session, &args),
        CliCommand::Export(args) => export::run(session, &args),
        CliCommand::Verify(args) => verify::run(session, &args),
        CliCommand::Drill(args) => drill::run(session, &args),
        CliCommand::Restore(args) => restore::run(session, &args),
        CliCommand::Repair(args) => repair::run(session, &args),
        CliCommand::Retire(args) => retire::run(session, &args),
        CliCommand::Undo(args) => undo::run(session, &args),
        CliCommand::Request(args) => request::run(session, &args),
        CliCommand::Install(args) => install::run(session, &args),
        CliCommand::Create(args) => create::run(session, &args),
        CliCommand::Contents(args) => contents::run(session, &args),
        CliCommand::Media { what } => media::run(session, what.as_ref()),
        CliCommand::Servers { what } => servers::run(session, what.as_ref()),
        CliCommand::Access { what } => access::run(session, what.as_ref()),
        CliCommand::Audit(args) => audit::run(session, &args),
        CliCommand::Report(args) => report::run(session, &args),
        CliCommand::Sheet(args) => sheet::run(session, &args),
        CliCommand::Copy(args) => copy::run(session, &args),
        CliCommand::Demo => demo::run(session),
        CliCommand::Selftest(args) => selftest::run(session, &args),
        CliCommand::Completions { shell } => Ok(print_completions(session.console, shell)),
        CliCommand::Man { folder } => man::run(session, &folder),
        CliCommand::Help { command } => Ok(cli::help(session.console, &command)),
    }
}

/// Prints the script that completes commands in a shell.
fn print_completions(console: &Console, shell: Shell) -> Exit {
    let (mut cli, mut script) = (worded(console), Vec::new());
    clap_complete::generate(shell, &mut cli, "pfxvault", &mut script);
    console.print(String::from_utf8_lossy(&script).trim_end());
    Exit::Done
}
