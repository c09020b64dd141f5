//! Which generation is meant, and which of its key pairs.

use crate::cli::WhichArgs;
use crate::error::{Error, Exit, Result};
use crate::keypair;
use crate::keystore::is_called_without_key;
use crate::message::day;
use crate::text;
use crate::workflow::server_backup::{self, NoMore, NotHere, ServerBackup, Why};
use crate::workflow::unlock::{OpenGeneration, UnlockedVault, Wanted};
use crate::workflow::witness::retired_reason;
use vault::catalog::{AboutKeyPair, WithoutKey};
use vault::id::ServerId;
use vault::trust::Naming;

/// What counts of the backup that `--server` and `--generation` mean, as far as it is called one of
/// `names`; with several servers and no choice, they are listed.
///
/// # Errors
/// As [`server_backup::of`]; exit 2 where a name means nothing that counts, exit 10 where it may mean
/// what is here of servers that nobody admits.
pub fn choose<'v>(
    opened: &'v UnlockedVault<'_>,
    which: &WhichArgs,
    names: &[String],
    with_retired: bool,
) -> Result<ServerBackup<'v>> {
    let wanted = match &which.generation {
        Some(text) => Wanted::parse(text)?,
        None => Wanted::Newest,
    };
    let server = choose_server(opened, which.server.as_deref())?;
    let mut backup = server_backup::of(opened, server, &wanted)?;
    if !names.is_empty() {
        keep_named(opened, &mut backup, names, with_retired)?;
    }
    Ok(backup)
}

/// Every server's backup, or why there is none.
pub fn of_each_server<'v>(opened: &'v UnlockedVault<'_>) -> Vec<Result<ServerBackup<'v>>> {
    let servers = opened.survey.claimed_servers();
    let newest = |server| server_backup::of(opened, server, &Wanted::Newest);
    servers.into_iter().map(newest).collect()
}

/// Leaves what is called so; what does not count any more only by its thumbprint, and what is
/// retired only where that is wanted.
fn keep_named(
    opened: &UnlockedVault<'_>,
    backup: &mut ServerBackup<'_>,
    names: &[String],
    with_retired: bool,
) -> Result<()> {
    let mut past = Vec::new();
    for one in std::mem::take(&mut backup.no_more) {
        let is_meant = match one.why {
            Why::Retired(_) => with_retired && is_called(one.held.about(), names),
            Why::Renewed(_) | Why::Ended => is_thumbprint_of(one.held.about(), names),
        };
        match is_meant {
            true => backup.key_pairs.push(one.held),
            false => past.push(one),
        }
    }
    backup
        .key_pairs
        .retain(|held| is_called(held.about(), names));
    backup.not_here.retain(|one| is_listed_as(one, names));
    let is_without_key = |one: &WithoutKey, name: &String| is_called_without_key(&one.name, name);
    backup
        .without_key
        .retain(|one| names.iter().any(|name| is_without_key(one, name)));
    for name in names {
        let one = std::slice::from_ref(name);
        let is_known = backup
            .key_pairs
            .iter()
            .any(|held| is_called(held.about(), one))
            || backup.not_here.iter().any(|here| is_listed_as(here, one))
            || backup
                .without_key
                .iter()
                .any(|without| is_without_key(without, name));
        if !is_known {
            return Err(unknown_name(opened, name, &past));
        }
    }
    Ok(())
}

/// That a name means nothing, or nothing that counts any more.
fn unknown_name(opened: &UnlockedVault<'_>, name: &str, past: &[NoMore<'_>]) -> Error {
    let names = [name.to_owned()];
    let mut thumbprints = Vec::new();
    for one in past {
        if !is_called(one.held.about(), &names) {
            continue;
        }
        if let Why::Retired(said) = &one.why {
            let reason = retired_reason(&said.reason);
            return Error::usage(text!("error-retired", name = name, reason = reason));
        }
        thumbprints.push(one.held.about().thumbprint.as_str());
    }
    match thumbprints.as_slice() {
        [] if opened.survey.not_admitted_count() > 0 => unknown_to_the_list(opened, name),
        [] => Error::usage(text!("error-unknown-name", name = name)),
        all => {
            let thumbprints = all.join(", ");
            let text = text!("error-no-more", name = name, thumbprints = thumbprints);
            Error::usage(text)
        }
    }
}

fn is_thumbprint_of(about: &AboutKeyPair, names: &[String]) -> bool {
    names
        .iter()
        .any(|name| keypair::is_called(name, &about.thumbprint, std::iter::empty()))
}

fn is_listed_as(one: &NotHere, names: &[String]) -> bool {
    let labels = || one.listed.names.iter().map(String::as_str);
    names
        .iter()
        .any(|name| keypair::is_called(name, &one.listed.thumbprint, labels()))
}

/// The server that is named, else the only one.
fn choose_server(opened: &UnlockedVault<'_>, name: Option<&str>) -> Result<ServerId> {
    let servers: Vec<ServerId> = opened.survey.claimed_servers().into_iter().collect();
    match (name, servers.as_slice()) {
        (_, []) => Err(opened.nothing_here()),
        (None, [only]) => Ok(*only),
        (None, several) => Err(several_servers(opened, several)),
        (Some(name), several) => find_server(opened, several, name),
    }
}

/// One of `servers` by its id or its name in the newest catalog that opens.
///
/// # Errors
/// Exit 10 where none is called so and there are generations of servers that nobody admits: one of
/// them may be meant. Exit 2 where there are none, or where several are called so.
pub fn find_server(
    opened: &UnlockedVault<'_>,
    servers: &[ServerId],
    name: &str,
) -> Result<ServerId> {
    // An id is no claim: a server that calls itself by another's id hides nothing.
    let is_id = |server: &&ServerId| server.to_string().eq_ignore_ascii_case(name);
    if let Some(server) = servers.iter().find(is_id) {
        return Ok(*server);
    }
    if is_not_admitted(opened, name) {
        return Err(unknown_to_the_list(opened, name));
    }
    let is_named = |server: &&ServerId| {
        // What a server calls itself against the owner's word leads nobody to it.
        let is_called_so = |from: &OpenGeneration| {
            from.naming != Naming::Other && from.catalog.server_name.eq_ignore_ascii_case(name)
        };
        let newest = opened.find(**server, &Wanted::Newest, &|_| true);
        newest.is_ok_and(|from| is_called_so(&from))
    };
    let mut named = servers.iter().filter(is_named);
    match (named.next(), named.next()) {
        (Some(server), None) => Ok(*server),
        (None, _) if opened.survey.not_admitted_count() > 0 => {
            Err(unknown_to_the_list(opened, name))
        }
        _ => Err(several_servers(opened, servers)),
    }
}

/// Whether any of `names` means this key pair; no names mean all.
pub fn is_called(about: &AboutKeyPair, names: &[String]) -> bool {
    let labels = || {
        about
            .names
            .iter()
            .chain(&about.friendly_name)
            .chain(&about.file_names)
            .map(String::as_str)
    };
    names.is_empty()
        || names
            .iter()
            .any(|name| keypair::is_called(name, &about.thumbprint, labels()))
}

/// Whether a server is named, by its id, of which folders lie here and which no statement admits.
fn is_not_admitted(opened: &UnlockedVault<'_>, name: &str) -> bool {
    let server = ServerId::parse(&name.to_ascii_uppercase());
    opened
        .survey
        .not_admitted()
        .iter()
        .any(|id| Some(id.server) == server)
}

/// That nothing of an admitted server is called so, while generations of others lie here. Theirs are
/// not opened: what they are called is nobody's word.
fn unknown_to_the_list(opened: &UnlockedVault<'_>, name: &str) -> Error {
    let text = text!(
        "error-name-not-admitted",
        name = name,
        medium = opened.medium_name(),
        count = opened.survey.not_admitted_count()
    );
    Error::new(Exit::Forged, text)
}

fn several_servers(opened: &UnlockedVault<'_>, servers: &[ServerId]) -> Error {
    let line = |server: &ServerId| match opened.find(*server, &Wanted::Newest, &|_| true) {
        Ok(OpenGeneration {
            generation,
            catalog,
            ..
        }) => {
            format!(
                "{server}  {}  {}  {}",
                catalog.server_name,
                generation.record.number,
                day(generation.record.time)
            )
        }
        Err(_) => server.to_string(),
    };
    let lines: Vec<_> = servers.iter().map(line).collect();
    Error::usage(text!("error-which-server", servers = lines))
}
