//! `servers retire`: the owner ends a server's right to write for good. Every server takes it over
//! at its next backup.

use crate::cli::ServersRetireArgs;
use crate::error::{Error, Exit, Result};
use crate::session::retire::{EndedRight, RetirementReport, end, to_re_issue};
use crate::session::selection::find_server;
use crate::session::{HostStateView, Session};
use crate::text;
use crate::workflow::unlock::{UnlockedVault, Wanted, speaks_against};
use vault::id::{Point, ServerId};
use vault::survey::Generation;
use vault::trust::{Clause, Closing};

/// Ends a server's right to write: up to its last good generation, or, where its key was stolen,
/// with nothing left.
pub(super) fn run(session: &Session<'_>, args: &ServersRetireArgs) -> Result<Exit> {
    let media = session.vault_media_to_write(&args.to)?;
    let known = session.memory();
    let opened = session.open(&media, &known)?;
    opened.refuse_foreign()?;
    let server = admitted(&opened, &args.server)?;
    let closing = if args.compromised {
        Closing::Whole
    } else {
        Closing::Above(last_good(&opened, server, args.last.as_deref())?)
    };
    refuse_repeated(&opened, server, closing)?;
    plan_server(session, &opened, &known, server, closing);
    let lost =
        opened.key_pairs_in(&|generation| args.compromised && generation.record.server == server);
    let key_pairs = to_re_issue(session, lost);
    let report = RetirementReport {
        dry_run: args.dry_run,
        vault: opened.vault().to_string(),
        right: EndedRight::Server {
            server: server.to_string(),
            last: closing.last().map(|last| last.number.get()),
        },
        re_issue: key_pairs,
        missing: None,
    };
    let word = (!args.dry_run).then_some(Clause::Close(server, closing));
    end(session, &opened, word, args.yes, report)
}

/// A server of the vault by its id or name.
fn admitted(opened: &UnlockedVault<'_>, name: &str) -> Result<ServerId> {
    let servers: Vec<ServerId> = opened.survey.trust.servers.keys().copied().collect();
    find_server(opened, &servers, name)
        .map_err(|_| Error::usage(text!("error-unknown-server", name = name)))
}

/// The newest whole generation, or the one that was named.
fn last_good(opened: &UnlockedVault<'_>, server: ServerId, named: Option<&str>) -> Result<Point> {
    let wanted = named.map_or(Ok(Wanted::Newest), Wanted::parse)?;
    let survey = &opened.survey;
    let is_whole = |generation: &&Generation| {
        survey
            .check(generation, vault::volume::Reading::Cached)
            .is_whole()
    };
    let found = survey
        .line(server)
        .filter(|generation| wanted.matches(generation))
        .find(is_whole);
    let found = found
        .ok_or_else(|| Error::failed(text!("error-retire-nothing", server = server.to_string())))?;
    let number = found.record.number;
    let twins = survey
        .line(server)
        .filter(|other| other.record.number == number && wanted.matches(other));
    let twins: Vec<_> = twins
        .map(|twin| format!("{number}/{}", twin.hash.short()))
        .collect();
    match twins.len() {
        1 => Ok(found.point()),
        _ => Err(Error::usage(text!(
            "error-retire-two",
            numbers = twins.join(", ")
        ))),
    }
}

/// The lowest close counts: one that is not lower says nothing.
fn refuse_repeated(opened: &UnlockedVault<'_>, server: ServerId, closing: Closing) -> Result<()> {
    let number = |closing: Closing| closing.last().map(|last| last.number);
    match opened.survey.trust.closing(server) {
        Some(closed) if number(closed) <= number(closing) => Err(Error::failed(text!(
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
    closing: Closing,
) {
    let name = opened
        .find(server, &Wanted::Newest, &|_| true)
        .map(|from| from.catalog.server_name);
    let (name, id) = (
        name.unwrap_or_else(|_| server.to_string()),
        server.to_string(),
    );
    session.console.say(&match closing {
        Closing::Above(last) => text!(
            "retire-server-plan",
            name = name,
            server = id,
            number = last.number
        ),
        Closing::Whole => text!("retire-server-plan-none", name = name, server = id),
    });
    if let Closing::Above(last) = closing {
        for later in opened
            .survey
            .line(server)
            .filter(|generation| generation.record.number > last.number)
        {
            session
                .console
                .warn(&text!("retire-later", generation = later.key()));
        }
        let doubts = speaks_against(&opened.survey, server, known.state.as_ref());
        doubts.iter().for_each(|doubt| session.console.warn(doubt));
    }
}
