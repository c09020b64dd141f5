//! Which generation is meant, and which of its key pairs.

use crate::cli::WhichArgs;
use crate::error::{Error, Result};
use crate::keypair;
use crate::message::day;
use crate::text;
use crate::workflow::left_out;
use crate::workflow::unlock::{OpenGeneration, UnlockedVault, Wanted};
use vault::catalog::{AboutKeyPair, Catalog, CatalogEntry};
use vault::id::ServerId;

/// The generation that `--server` and `--generation` mean, the newest that holds all of `names`;
/// with several servers and no choice, they are listed.
pub fn choose(
    opened: &UnlockedVault<'_>,
    which: &WhichArgs,
    names: &[String],
) -> Result<OpenGeneration> {
    let wanted = match &which.generation {
        Some(text) => Wanted::parse(text)?,
        None => Wanted::Newest,
    };
    let server = choose_server(opened, which.server.as_deref())?;
    let with = |names: &[String]| {
        opened.find(server, &wanted, &|catalog: &Catalog| {
            holds_all(catalog, names)
        })
    };
    let mut from = match with(names) {
        Ok(from) => from,
        Err(error) if with(&[]).is_err() => return Err(error),
        // There are generations, so it is the names that are wrong.
        Err(_) => {
            let mut each = names.iter();
            let unknown = each.find(|name| with(std::slice::from_ref(name)).is_err());
            return Err(Error::usage(match unknown {
                Some(name) => text!("error-unknown-name", name = name),
                None => text!("error-names-apart", names = names.join(", ")),
            }));
        }
    };
    from.left_out = left_out::on_media(opened, &from, &wanted, &|about| is_called(about, names));
    if matches!(wanted, Wanted::Number(..)) {
        return Ok(from);
    }
    Ok(warn_of_selection(from, names))
}

/// The server that is named, else the only one.
fn choose_server(opened: &UnlockedVault<'_>, name: Option<&str>) -> Result<ServerId> {
    let servers: Vec<ServerId> = opened.survey.claimed_servers().into_iter().collect();
    match (name, servers.as_slice()) {
        (_, []) => Err(opened.nothing_here()),
        (Some(name), _) if is_not_admitted(opened, name) => Err(opened.nothing_here()),
        (None, [only]) => Ok(*only),
        (None, several) => Err(several_servers(opened, several)),
        (Some(name), several) => find_server(opened, several, name),
    }
}

/// As [`is_called`], for an entry of a catalog.
pub fn is_wanted(entry: &CatalogEntry, names: &[String]) -> bool {
    is_called(&entry.about, names)
}

/// One of `servers` by its id or its name in the newest catalog that opens.
pub fn find_server(
    opened: &UnlockedVault<'_>,
    servers: &[ServerId],
    name: &str,
) -> Result<ServerId> {
    let is_named = |server: &&ServerId| {
        let catalog = opened
            .find(**server, &Wanted::Newest, &|_| true)
            .map(|from| from.catalog.server_name);
        server.to_string().eq_ignore_ascii_case(name)
            || catalog.is_ok_and(|known| known.eq_ignore_ascii_case(name))
    };
    let mut named = servers.iter().filter(is_named);
    match (named.next(), named.next()) {
        (Some(server), None) => Ok(*server),
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

/// A generation that was made of some key pairs only is not all there is to restore.
fn warn_of_selection(mut from: OpenGeneration, names: &[String]) -> OpenGeneration {
    let selected = &from.catalog.selected;
    if names.is_empty() && !selected.is_empty() {
        let number = from.generation.record.number.get();
        from.doubts.push(text!(
            "doubt-selected",
            number = number,
            names = selected.join(", ")
        ));
    }
    from
}

fn holds_all(catalog: &Catalog, names: &[String]) -> bool {
    let holds = |name: &String| {
        catalog
            .key_pairs
            .iter()
            .any(|entry| is_wanted(entry, std::slice::from_ref(name)))
    };
    names.iter().all(holds)
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
