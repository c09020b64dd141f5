//! `retire`: a key pair is never restored again, or is again. Said on the server that has it, and
//! signed into every later generation.

use serde::Serialize;

use crate::cli::RetireKeyPairArgs;
use crate::console::Enter;
use crate::error::{Error, Exit, Result};
use crate::message::{day, short};
use crate::platform;
use crate::session::Session;
use crate::session::backup_report::retired_reason;
use crate::session::selection::is_called;
use crate::state::{RetirementWord, State};
use crate::text;
use vault::catalog::AboutKeyPair;
use vault::counted::Standing;

/// What is never restored again, or is again.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct RetireReport {
    /// Whether it was taken back.
    undone: bool,
    /// `leaked`, `revoked`, `removed` or `lost`; nothing where it was taken back.
    reason: Option<&'static str>,
    key_pairs: Vec<RetiredKeyPairReport>,
}

/// A key pair.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct RetiredKeyPairReport {
    names: Vec<String>,
    thumbprint: String,
    not_after: String,
}

/// Runs the command.
pub(super) fn run(session: &Session<'_>, args: &RetireKeyPairArgs) -> Result<Exit> {
    let state = session.state()?;
    let mut state = state.ok_or_else(|| Error::new(Exit::NoVault, text!("error-not-enrolled")))?;
    let meant = meant(&state, args)?;
    let reason = args.reason.map(|reason| reason.id());
    for about in &meant {
        session.console.say(&text!(
            "retire-pair-plan",
            name = about.display_name(),
            thumbprint = short(&about.thumbprint),
            end = day(about.not_after)
        ));
    }
    let question = match reason {
        Some(reason) => text!("retire-pair-question", reason = retired_reason(reason)),
        None => text!("retire-pair-undo-question"),
    };
    session.go_ahead(args.yes, &question, Enter::No)?;
    for about in &meant {
        let by = platform::account();
        match reason {
            Some(reason) => state.retire(about, RetirementWord { reason, by }, session.now),
            None => state.retire_no_more(about, by, session.now),
        }
    }
    state.save()?;
    session.console.say(&match args.undo {
        true => text!("retire-pair-undone", count = meant.len()),
        false => text!("retire-pair-done", count = meant.len()),
    });
    let report = |about: &AboutKeyPair| RetiredKeyPairReport {
        names: about.names.clone(),
        thumbprint: about.thumbprint.clone(),
        not_after: about.not_after.to_string(),
    };
    let document = RetireReport {
        undone: args.undo,
        reason,
        key_pairs: meant.iter().map(report).collect(),
    };
    session.console.document(Exit::Done, &document);
    Ok(Exit::Done)
}

/// The key pairs that are called so: those that are retired where that is taken back, else those
/// that are not.
fn meant(state: &State, args: &RetireKeyPairArgs) -> Result<Vec<AboutKeyPair>> {
    let known = state.key_pairs(None);
    let candidates: Vec<&AboutKeyPair> = known
        .iter()
        .filter(|known| (known.standing == Standing::Retired) == args.undo)
        .map(|known| known.pair.about)
        .collect();
    for name in &args.names {
        let one = std::slice::from_ref(name);
        if !candidates.iter().any(|about| is_called(about, one)) {
            return Err(Error::usage(text!("error-retire-unknown", name = name)));
        }
    }
    let meant = candidates.into_iter();
    let meant = meant.filter(|about| is_called(about, &args.names));
    Ok(meant.cloned().collect())
}
