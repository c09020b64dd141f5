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
mod media;
mod menu;
#[cfg(test)]
mod newer_tests;
mod repair;
mod request;
mod restore;
#[cfg(test)]
mod schema_tests;
mod selftest;
#[cfg(test)]
mod server_tests;
mod servers;
mod status;
mod undo;
mod verify;

use crate::cli::{Access, Action, Cli, Media, Servers};
use crate::console::Console;
use crate::error::{Exit, Result};
use crate::session::Session;

/// Runs one command.
///
/// # Errors
/// What the command could not do.
pub fn run(cli: Cli, console: &Console) -> Result<Exit> {
    let session = Session::new(cli.global, console)?;
    match cli.action {
        Some(action) => carry_out(&session, action),
        None => menu::run(&session),
    }
}

fn carry_out(session: &Session<'_>, action: Action) -> Result<Exit> {
    let done = dispatch(session, action);
    session.report_rules(&done);
    done
}

fn dispatch(session: &Session<'_>, action: Action) -> Result<Exit> {
    match action {
        Action::Status(args) => status::run(session, &args),
        Action::List(args) => list::run(session, &args),
        Action::Backup(args) => backup::run(session, &args),
        Action::Export(args) => export::run(session, &args),
        Action::Verify(args) => verify::run(session, &args),
        Action::Drill(args) => drill::run(session, &args),
        Action::Restore(args) => restore::run(session, &args),
        Action::Repair(args) => repair::run(session, &args),
        Action::Undo(args) => undo::run(session, &args),
        Action::Request(args) => request::run(session, &args),
        Action::Install(args) => install::run(session, &args),
        Action::Create(args) => create::run(session, &args),
        Action::Contents(args) => contents::run(session, &args),
        Action::Media { what } => media::run(session, &what.unwrap_or(Media::List)),
        Action::Servers { what } => servers::run(
            session,
            &what.unwrap_or(Servers::List { media: Vec::new() }),
        ),
        Action::Access { what } => {
            access::run(session, &what.unwrap_or(Access::List { media: Vec::new() }))
        }
        Action::Audit(args) => audit::run(session, &args),
        Action::Copy(args) => copy::run(session, &args),
        Action::Demo => demo::run(session),
        Action::Selftest => selftest::run(session),
        Action::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(
                shell,
                &mut crate::cli::worded(session.console),
                "pfxvault",
                &mut script,
            );
            session
                .console
                .print(String::from_utf8_lossy(&script).trim_end());
            Ok(Exit::Done)
        }
    }
}
