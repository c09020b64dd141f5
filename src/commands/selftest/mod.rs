//! `selftest`: shows on any Windows server that keys go in and come out, with throw-away keys in
//! containers of their own. No certificate store is touched, and nothing stays. `--full` goes the
//! whole way on a server with IIS.

pub(super) mod full;
mod keys;

use serde::Serialize;

use self::full::Trial;
use crate::change::apply::backup_name;
use crate::cli::SelftestArgs;
use crate::console::Enter;
use crate::error::{Exit, Result};
use crate::iis::Iis;
use crate::message::Text;
use crate::session::{Session, here};
use crate::text;

/// What was tried.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct SelftestReport {
    /// The build of Windows, such as 20348.
    windows_build: u32,
    trials: Vec<TrialReport>,
    /// What `--full` went through, in its order.
    steps: Vec<StepReport>,
}

/// A step of the whole way.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct StepReport {
    /// `site`, `restore`, `export`, `tls`, `undo`, `site-gone`, `as-before`.
    step: &'static str,
    passed: bool,
    /// Of `tls`: the version that was spoken.
    shown: Option<String>,
    /// Why not.
    reason: Option<String>,
}

/// A kind of key in a place.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct TrialReport {
    trial: &'static str,
    passed: bool,
}

/// Runs the command.
pub(super) fn run(session: &Session<'_>, args: &SelftestArgs) -> Result<Exit> {
    selftest_on(session, args, here::elevated()?)
}

pub(super) fn selftest_on(
    session: &Session<'_>,
    args: &SelftestArgs,
    server: Iis<'_>,
) -> Result<Exit> {
    let trial = match args.full {
        true => {
            full::may_run(session, server)?;
            Some(Trial::new(session)?)
        }
        false => None,
    };
    if let Some(trial) = &trial {
        let [http, https] = trial.ports;
        let backup = backup_name(session.now);
        session.console.say(&text!(
            "selftest-full-plan",
            http = u32::from(http),
            https = u32::from(https),
            backup = backup
        ));
        session.go_ahead(args.yes, &text!("selftest-full-question"), Enter::No)?;
    }
    report(session, server, trial.as_ref())
}

/// Tries the kinds of keys, then goes the whole way where that is wanted.
pub(super) fn report(
    session: &Session<'_>,
    server: Iis<'_>,
    trial: Option<&Trial>,
) -> Result<Exit> {
    let (mut lines, mut trials, mut steps) = (Vec::new(), Vec::new(), Vec::new());
    for (name, kind, home, exportable) in keys::TRIALS {
        let result = keys::try_key(server, kind, home, exportable)?;
        let passed = result.is_ok();
        lines.push(say(session, text!("selftest-key", name = name), result));
        trials.push(TrialReport {
            trial: name,
            passed,
        });
    }
    if let Some(trial) = trial {
        for full::Step { name, result } in full::steps(session, server, trial)? {
            let reason = result.as_ref().err();
            let shown = result.as_ref().ok().filter(|shown| !shown.is_empty());
            steps.push(StepReport {
                step: name,
                passed: reason.is_none(),
                shown: shown.cloned(),
                reason: reason.map(|reason| session.console.words(reason)),
            });
            let version = shown.map_or("TLS", String::as_str);
            let name = text!("selftest-step", step = name, version = version);
            lines.push(say(session, name, result.map(|_| ())));
        }
    }
    let all_well = trials.iter().all(|trial| trial.passed) && steps.iter().all(|step| step.passed);
    let exit = match all_well {
        true => Exit::Done,
        false => Exit::Failed,
    };
    let windows_build = server.sites.windows_build();
    if trial.is_some() {
        session.console.say(&text!(
            "selftest-page",
            version = env!("CARGO_PKG_VERSION"),
            build = windows_build,
            lines = lines
        ));
    }
    let report = SelftestReport {
        windows_build,
        trials,
        steps,
    };
    session.console.document(exit, &report);
    Ok(exit)
}

/// Says how one went; the sentence comes back, for the page.
fn say(session: &Session<'_>, name: Text, result: Result<(), Text>) -> String {
    let (text, passed) = match result {
        Ok(()) => (text!("selftest-passed", name = name), true),
        Err(reason) => (
            text!("selftest-failed", name = name, reason = reason),
            false,
        ),
    };
    match passed {
        true => session.console.say(&text),
        false => session.console.warn(&text),
    }
    session.console.words(&text)
}
