//! `servers retire`: the owner ends a server's right to write for good. Every server takes it over
//! at its next backup.

use crate::cli::ServersRetireArgs;
use crate::error::{Error, Exit, Result};
use crate::session::retire::{EndedRight, RetirementReport, end, to_re_issue};
use crate::session::selection::find_server;
use crate::session::{HostStateView, Session};
use crate::text;
use crate::workflow::unlock::{UnlockedVault, Wanted, speaks_against};
use vault::id::{Hash, Number, ServerId};
use vault::survey::Generation;
use vault::trust::Clause;
use vault::volume::Reading;

/// Ends a server's right to write: up to its last good generation, or, where its key was stolen,
/// with nothing left.
pub(super) fn run(session: &Session<'_>, args: &ServersRetireArgs) -> Result<Exit> {
    let media = session.vault_media_to_write(&args.to)?;
    let known = session.memory();
    let opened = session.open(&media, &known)?;
    opened.refuse_foreign()?;
    let server = admitted(&opened, &args.server)?;
    let last = if args.compromised {
        None
    } else {
        Some(last_good(&opened, server, args.last.as_deref())?)
    };
    refuse_repeated(&opened, server, last)?;
    plan_server(session, &opened, &known, server, last);
    let lost =
        opened.key_pairs_in(&|generation| args.compromised && generation.record.server == server);
    let key_pairs = to_re_issue(session, lost);
    let report = RetirementReport {
        dry_run: args.dry_run,
        vault: opened.vault().to_string(),
        right: EndedRight::Server {
            server: server.to_string(),
            last: last.map(|(number, _)| number.get()),
        },
        re_issue: key_pairs,
        missing: None,
    };
    let word = (!args.dry_run).then_some(Clause::Close(server, last));
    end(session, &opened, word, args.yes, report)
}

/// A server of the vault by its id or name.
fn admitted(opened: &UnlockedVault<'_>, name: &str) -> Result<ServerId> {
    let servers: Vec<ServerId> = opened.survey.trust.servers.keys().copied().collect();
    find_server(opened, &servers, name)
        .map_err(|_| Error::usage(text!("error-unknown-server", name = name)))
}

/// The newest whole generation, or the one that was named.
fn last_good(
    opened: &UnlockedVault<'_>,
    server: ServerId,
    named: Option<&str>,
) -> Result<(Number, Hash)> {
    let wanted = match named {
        Some(named) => Wanted::parse(named)?,
        None => Wanted::Newest,
    };
    let survey = &opened.survey;
    let matching: Vec<_> = survey
        .line(server)
        .filter(|generation| wanted.matches(generation))
        .collect();
    let is_whole = |one: &&Generation| survey.check(one, Reading::Cached).is_whole();
    let found =
        matching.iter().copied().find(is_whole).ok_or_else(|| {
            Error::failed(text!("error-retire-nothing", server = server.to_string()))
        })?;
    let number = found.record.number;
    let mut twins = Vec::new();
    for twin in &matching {
        if twin.record.number == number {
            twins.push(format!("{number}/{}", twin.hash.short()));
        }
    }
    match twins.len() {
        1 => Ok((number, found.hash)),
        _ => Err(Error::usage(text!(
            "error-retire-two",
            numbers = twins.join(", ")
        ))),
    }
}

/// The lowest close counts: one that is not lower says nothing.
fn refuse_repeated(
    opened: &UnlockedVault<'_>,
    server: ServerId,
    last: Option<(Number, Hash)>,
) -> Result<()> {
    let number = last.map(|(number, _)| number);
    match opened.survey.trust.closed_at(server) {
        Some(closed) if closed <= number => Err(Error::failed(text!(
            "error-already-retired",
            name = server.to_string()
        ))),
        _ => Ok(()),
    }
}

fn plan_server(
    session: &Session<'_>,
    opened: &UnlockedVault<'_>,
    known: &HostStateView,
    server: ServerId,
    last: Option<(Number, Hash)>,
) {
    let id = server.to_string();
    let name = match opened.find(server, &Wanted::Newest, &|_| true) {
        Ok(from) => from.catalog.server_name,
        Err(_) => id.clone(),
    };
    session.console.say(&match last {
        Some((number, _)) => text!(
            "retire-server-plan",
            name = name,
            server = id,
            number = number.get()
        ),
        None => text!("retire-server-plan-none", name = name, server = id),
    });
    if let Some((last, _)) = last {
        for later in opened.survey.line(server) {
            if later.record.number > last {
                session
                    .console
                    .warn(&text!("retire-later", generation = later.key()));
            }
        }
        for doubt in speaks_against(&opened.survey, server, known.state.as_ref()) {
            session.console.warn(&doubt);
        }
    }
}
