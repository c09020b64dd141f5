//! The pfxvault command: parse, run one command, say what failed, end with its exit code.

use std::alloc::System;
use std::process::ExitCode;

use clap::FromArgMatches;
use pfxvault::cli::{self, Cli};
use pfxvault::commands;
use pfxvault::console::{Console, Language};
use pfxvault::platform::system;
use zeroizing_alloc::ZeroAlloc;

/// Wipes whatever is freed: libraries keep copies of keys in memory that they do not wipe.
#[global_allocator]
static WIPED: ZeroAlloc<System> = ZeroAlloc(System);

fn main() -> ExitCode {
    system::harden_process();
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        // A question may have changed it, and what panics may end at once.
        system::restore_terminal();
        report(panic);
    }));
    let _until_the_end = system::Utf8Output::when_redirected();
    let language = cli::language_asked_for(std::env::args_os()).unwrap_or_else(Language::of_system);
    let before = Console::new(language, cli::json_asked_for(std::env::args_os()), false);
    let parsed = cli::worded(&before)
        .try_get_matches()
        .and_then(|matches| Cli::from_arg_matches(&matches));
    let cli = match parsed {
        Ok(cli) => cli,
        Err(error) => return before.end(cli::explain(&before, &error)).into(),
    };
    let console = Console::new(language, cli.global.json, cli.global.quiet);
    match commands::run(cli, &console) {
        Ok(exit) => console.end(exit).into(),
        Err(error) => {
            console.error(&error);
            error.exit.into()
        }
    }
}
