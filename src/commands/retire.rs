//! `retire`: a key pair is never restored again, or is again. Said on the server that has it, and
//! signed into every later generation; for a server that is gone, by the vault's owner.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::Serialize;

use crate::cli::{RetireKeyPairArgs, RetireReason};
use crate::console::Enter;
use crate::error::{Error, Exit, Result};
use crate::keypair;
use crate::message::{day, short};
use crate::platform;
use crate::session::Session;
use crate::session::selection::{find_server, is_called};
use crate::state::{RetirementWord, State};
use crate::text;
use crate::workflow::server_backup::{self, ServerBackup, Why};
use crate::workflow::unlock::Wanted;
use crate::workflow::witness::retired_reason;
use vault::catalog::{AboutKeyPair, Counting, Retirement};
use vault::counted::Standing;
use vault::id::{Hash, Number, ServerId};
use vault::retirement;
use vault::seal::Recipients;
use vault::trust::Clause;

/// What is never restored again, or is again.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct RetireReport {
    /// Whether it was taken back.
    undone: bool,
    /// `leaked`, `revoked`, `removed` or `lost`; nothing where it was taken back.
    reason: Option<&'static str>,
    /// The server, where it is not this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    server: Option<String>,
    key_pairs: Vec<RetiredKeyPairReport>,
    /// The media that did not take it, where it is another server's.
    #[serde(skip_serializing_if = "Option::is_none")]
    missing: Option<Vec<String>>,
}

/// A key pair.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct RetiredKeyPairReport {
    names: Vec<String>,
    thumbprint: String,
    #[cfg_attr(test, schemars(with = "String"))]
    not_after: Timestamp,
}

impl RetiredKeyPairReport {
    fn of(about: &AboutKeyPair) -> Self {
        Self {
            names: about.names.clone(),
            thumbprint: about.thumbprint.clone(),
            not_after: about.not_after,
        }
    }

    fn display_name(&self) -> &str {
        self.names.first().unwrap_or(&self.thumbprint)
    }
}

/// A key pair of another server, as the owner's word names it.
struct Meant {
    shown: RetiredKeyPairReport,
    certificate: Hash,
    key: Option<Hash>,
}

impl Meant {
    fn of(about: &AboutKeyPair) -> Self {
        Self {
            shown: RetiredKeyPairReport::of(about),
            certificate: about.certificate_sha256,
            key: about.spki_sha256,
        }
    }

    fn of_listed(listed: &Counting) -> Self {
        Self {
            shown: RetiredKeyPairReport {
                names: listed.names.clone(),
                thumbprint: listed.thumbprint.clone(),
                not_after: listed.not_after,
            },
            certificate: listed.certificate_sha256,
            key: None,
        }
    }

    fn is_called(&self, names: &[String]) -> bool {
        let labels = || self.shown.names.iter().map(String::as_str);
        let mut names = names.iter();
        names.any(|name| keypair::is_called(name, &self.shown.thumbprint, labels()))
    }
}

/// Runs the command.
pub(super) fn run(session: &Session<'_>, args: &RetireKeyPairArgs) -> Result<Exit> {
    if let Some(server) = &args.server {
        return of_another(session, args, server);
    }
    let state = session.state()?;
    let mut state = state.ok_or_else(|| Error::new(Exit::NoVault, text!("error-not-enrolled")))?;
    let meant = meant(&state, args)?;
    if args.undo {
        refuse_owners(&state, &meant)?;
    }
    let reason = args.reason.map(|reason| reason.id());
    let plan: Vec<_> = meant.iter().map(RetiredKeyPairReport::of).collect();
    ask(session, args, &plan)?;
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
    let document = RetireReport {
        undone: args.undo,
        reason,
        server: None,
        key_pairs: plan,
        missing: None,
    };
    session.console.document(Exit::Done, &document);
    Ok(Exit::Done)
}

/// Shows what is meant and asks.
fn ask(
    session: &Session<'_>,
    args: &RetireKeyPairArgs,
    plan: &[RetiredKeyPairReport],
) -> Result<()> {
    for one in plan {
        session.console.say(&text!(
            "retire-pair-plan",
            name = one.display_name(),
            thumbprint = short(&one.thumbprint),
            end = day(one.not_after)
        ));
    }
    let question = match args.reason {
        Some(reason) => text!("retire-pair-question", reason = retired_reason(reason.id())),
        None => text!("retire-pair-undo-question"),
    };
    session.go_ahead(args.yes, &question, Enter::No)
}

/// For a server that is gone: the owner says it, in a statement that only the owner can read.
fn of_another(session: &Session<'_>, args: &RetireKeyPairArgs, name: &str) -> Result<Exit> {
    let media = session.vault_media_to_write(&args.to)?;
    let known = session.memory();
    let opened = session.open(&media, &known)?;
    opened.refuse_foreign()?;
    let servers: Vec<ServerId> = opened.survey.claimed_servers().into_iter().collect();
    let server = find_server(&opened, &servers, name)?;
    let own = known.state.as_ref().map(State::server);
    // On the server itself it needs no passphrase; what the owner said does.
    if own == Some(server) && !args.undo {
        return Err(Error::usage(text!("error-retire-own-server")));
    }
    let backup = server_backup::of(&opened, server, &Wanted::Newest)?;
    let meant = meant_of(&backup, args)?;
    let words = words(&backup, &meant, args, session.now)?;
    let plan: Vec<_> = meant.into_iter().map(|one| one.shown).collect();
    ask(session, args, &plan)?;
    let trust = &opened.survey.trust;
    let recipients = Recipients::parse(trust.recipients());
    let recipients = recipients.ok_or_else(|| Error::failed(text!("error-no-recipients")))?;
    let sealed = retirement::seal(&trust.vault, server, &words, &recipients)?;
    let declared = session.declare(&opened, &[Clause::Retired(server, sealed)])?;
    session.console.say(&match args.undo {
        true => text!("retire-owner-undone", count = plan.len()),
        false => text!("retire-owner-done", count = plan.len()),
    });
    let exit = declared.finish(session.console);
    let document = RetireReport {
        undone: args.undo,
        reason: args.reason.map(|reason| reason.id()),
        server: Some(server.to_string()),
        key_pairs: plan,
        missing: Some(declared.missing().into_iter().map(str::to_owned).collect()),
    };
    session.console.document(exit, &document);
    Ok(exit)
}

/// The key pairs of another server's backup that are called so; what is on none of the media given
/// is among them.
fn meant_of(backup: &ServerBackup<'_>, args: &RetireKeyPairArgs) -> Result<Vec<Meant>> {
    let mut candidates = Vec::new();
    for past in &backup.no_more {
        if matches!(past.why, Why::Retired(_)) == args.undo {
            candidates.push(Meant::of(past.held.about()));
        }
    }
    if !args.undo {
        candidates.extend(backup.key_pairs.iter().map(|held| Meant::of(held.about())));
        let not_here = backup.not_here.iter();
        candidates.extend(not_here.map(|one| Meant::of_listed(&one.listed)));
    }
    for name in &args.names {
        let one = std::slice::from_ref(name);
        if !candidates.iter().any(|meant| meant.is_called(one)) {
            return Err(Error::usage(text!(
                "error-retire-unknown-of",
                name = name,
                server = backup.server()
            )));
        }
    }
    candidates.retain(|meant| meant.is_called(&args.names));
    Ok(candidates)
}

/// What the owner says of each, numbered after all that was said before.
fn words(
    backup: &ServerBackup<'_>,
    meant: &[Meant],
    args: &RetireKeyPairArgs,
    now: Timestamp,
) -> Result<Vec<Retirement>> {
    // What is taken back must come after what the server said, too.
    let mut number = match args.undo {
        true => backup.last_retirement,
        false => backup.last_of_owners,
    };
    let mut words = Vec::new();
    for one in meant {
        let next = number.map_or(Some(Number::FIRST), Number::next);
        let next = next.ok_or_else(|| Error::failed(text!("error-no-number-left")))?;
        number = Some(next);
        let is_of_key = args.undo || args.reason == Some(RetireReason::Leaked);
        words.push(Retirement {
            number: next,
            thumbprint: one.shown.thumbprint.clone(),
            certificate_sha256: one.certificate,
            spki_sha256: one.key.filter(|_| is_of_key),
            names: one.shown.names.clone(),
            reason: args.reason.map_or("", RetireReason::id).to_owned(),
            by: platform::account(),
            time: now,
            undone: args.undo,
        });
    }
    Ok(words)
}

/// Refuses to take back here what the owner retired.
fn refuse_owners(state: &State, meant: &[AboutKeyPair]) -> Result<()> {
    let mut meant = meant.iter();
    let Some(about) = meant.find(|about| state.is_retired_by_owner(about)) else {
        return Ok(());
    };
    let (name, server) = (about.display_name(), state.server().to_string());
    Err(Error::usage(text!(
        "error-retired-by-owner",
        name = name,
        server = server
    )))
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
    let is_named = |about: &AboutKeyPair| is_called(about, &args.names);
    let keys = keys_meant(
        state,
        args,
        candidates.iter().filter(|about| is_named(about)),
    );
    let retired = state.retired();
    let mut meant = candidates;
    meant.retain(|about| {
        let of_key = about.spki_sha256.is_some_and(|key| keys.contains(&key));
        let stays = args.undo && retired.find(about.certificate_sha256, None).is_some();
        is_named(about) || of_key && !stays
    });
    Ok(meant.into_iter().cloned().collect())
}

/// The keys of which something is said, and so of every certificate that has them.
fn keys_meant<'a>(
    state: &State,
    args: &RetireKeyPairArgs,
    named: impl Iterator<Item = &'a &'a AboutKeyPair>,
) -> BTreeSet<Hash> {
    let mut keys: BTreeSet<Hash> = named.filter_map(|about| about.spki_sha256).collect();
    match args.reason {
        Some(RetireReason::Leaked) => {}
        Some(_) => keys.clear(),
        None => keys.retain(|key| state.retired().is_key_retired(*key)),
    }
    keys
}
