//! `servers retire` and `access retire`: the owner ends a right for good. Every server takes it
//! over at its next backup.

use serde_json::{Value, json};

use crate::cli::{AccessRetire, ServersRetire};
use crate::commands::contents::find_server;
use crate::commands::{Known, Run, day, short};
use crate::console::Enter;
use crate::error::{Error, Exit, Result};
use crate::text;
use crate::workflow::unlock::{Opened, Wanted, speaks_against};
use vault::catalog::AboutKeyPair;
use vault::id::{Hash, Number, ServerId};
use vault::survey::Generation;
use vault::trust::Word;

/// Shortest beginning of a key that may stand for it, after `age1`.
const BEGINNING: usize = 8;

/// Ends a server's right to write: up to its last good generation, or, where its key was stolen,
/// with nothing left.
pub fn server(run: &Run<'_>, args: &ServersRetire) -> Result<Exit> {
    let media = run.vault_media_to_write(&args.to)?;
    let known = run.memory();
    let opened = run.open(&media, &known)?;
    opened.refuse_foreign()?;
    let server = admitted(&opened, &args.server)?;
    let last = if args.compromised {
        None
    } else {
        Some(last_good(&opened, server, args.last.as_deref())?)
    };
    refuse_repeated(&opened, server, last)?;
    plan_server(run, &opened, &known, server, last);
    let lost =
        opened.key_pairs_in(&|generation| args.compromised && generation.record.server == server);
    let key_pairs = to_re_issue(run, lost);
    let about = json!({
        "dry_run": args.dry_run, "vault": opened.vault().as_str(), "server": server.to_string(),
        "last": last.map(|(number, _)| number.get()), "re_issue": key_pairs,
    });
    let word = (!args.dry_run).then_some(Word::Close(server, last));
    end(run, &opened, word, args.yes, about)
}

/// A server of the vault by its id or name.
fn admitted(opened: &Opened<'_>, name: &str) -> Result<ServerId> {
    let servers: Vec<ServerId> = opened.survey.trust.servers.keys().copied().collect();
    find_server(opened, &servers, name)
        .map_err(|_| Error::usage(text!("error-unknown-server", name = name)))
}

/// The newest whole generation, or the one that was named.
fn last_good(opened: &Opened<'_>, server: ServerId, named: Option<&str>) -> Result<(Number, Hash)> {
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
        1 => Ok((number, found.hash)),
        _ => Err(Error::usage(text!(
            "error-retire-two",
            numbers = twins.join(", ")
        ))),
    }
}

/// The lowest close counts: one that is not lower says nothing.
fn refuse_repeated(
    opened: &Opened<'_>,
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
    run: &Run<'_>,
    opened: &Opened<'_>,
    known: &Known,
    server: ServerId,
    last: Option<(Number, Hash)>,
) {
    let name = opened
        .find(server, &Wanted::Newest, &|_| true)
        .map(|from| from.catalog.server_name);
    let (name, id) = (
        name.unwrap_or_else(|_| server.to_string()),
        server.to_string(),
    );
    run.console.say(&match last {
        Some((number, _)) => text!(
            "retire-server-plan",
            name = name,
            server = id,
            number = number.get()
        ),
        None => text!("retire-server-plan-none", name = name, server = id),
    });
    if let Some((last, _)) = last {
        for later in opened
            .survey
            .line(server)
            .filter(|generation| generation.record.number > last)
        {
            run.console
                .warn(&text!("retire-later", generation = later.key()));
        }
        let doubts = speaks_against(&opened.survey, server, known.state.as_ref());
        doubts.iter().for_each(|doubt| run.console.warn(doubt));
    }
}

/// Ends what a second person's key may decrypt: nothing that is made from now on.
pub fn access(run: &Run<'_>, args: &AccessRetire) -> Result<Exit> {
    let media = run.vault_media_to_write(&args.to)?;
    let known = run.memory();
    let opened = run.open(&media, &known)?;
    opened.refuse_foreign()?;
    let age = meant(&opened, &args.id)?;
    run.console
        .say(&text!("retire-access-plan", key = age.as_str()));
    let trust = &opened.survey.trust;
    let could_read =
        opened.key_pairs_in(&|generation| trust.served(&age, &generation.record.trust));
    let key_pairs = to_re_issue(run, could_read);
    let word = (!args.dry_run).then(|| Word::Retire(age.clone()));
    let about = json!({ "dry_run": args.dry_run, "vault": opened.vault().as_str(), "retired": age, "re_issue": key_pairs });
    end(run, &opened, word, args.yes, about)
}

/// Asks, says the word if there is one, and names the media that refused it.
fn end(
    run: &Run<'_>,
    opened: &Opened<'_>,
    word: Option<Word>,
    yes: bool,
    mut about: Value,
) -> Result<Exit> {
    let mut exit = Exit::Done;
    if let Some(word) = word {
        run.go_ahead(yes, &text!("retire-question"), Enter::No)?;
        let declared = run.declare(opened, &[word])?;
        run.console.say(&text!("retire-done"));
        exit = declared.finish(run.console);
        about["missing"] = json!(declared.missing());
    }
    run.console.document(exit, about);
    Ok(exit)
}

/// The age public key that an id, or its beginning, means.
fn meant(opened: &Opened<'_>, id: &str) -> Result<String> {
    let trust = &opened.survey.trust;
    let way_in = |hash: &Hash| id.len() >= 4 && hash.to_string().starts_with(id);
    if trust.identities.iter().any(way_in) || matches!(id, "passphrase" | "recovery-key") {
        return Err(Error::failed(text!("error-retire-way-in")));
    }
    if trust.retired().any(|age| age == id) {
        return Err(Error::failed(text!("error-already-retired", name = id)));
    }
    let long = id.starts_with("age1") && id.len() >= "age1".len() + BEGINNING;
    let mut found = trust.recipients().filter(|age| long && age.starts_with(id));
    match (found.next(), found.next()) {
        (Some(age), None) if age == opened.owner.recipient() => {
            Err(Error::failed(text!("error-retire-own-key")))
        }
        (Some(age), None) => Ok(age.to_owned()),
        _ => Err(Error::usage(text!("error-unknown-access", id = id))),
    }
}

/// Says which certificates must be issued anew with new keys, and which generations could not be
/// looked into.
fn to_re_issue(run: &Run<'_>, (key_pairs, closed): (Vec<AboutKeyPair>, Vec<String>)) -> Vec<Value> {
    let valid: Vec<_> = key_pairs
        .into_iter()
        .filter(|about| about.not_after > run.now)
        .collect();
    if !valid.is_empty() {
        run.console
            .say(&text!("retire-re-issue-headline", count = valid.len()));
    }
    for about in &valid {
        let (name, thumbprint) = (about.display_name(), short(&about.thumbprint));
        run.console.say(&text!(
            "retire-re-issue",
            name = name,
            thumbprint = thumbprint,
            day = day(about.not_after)
        ));
    }
    for generation in &closed {
        run.console
            .warn(&text!("retire-unread", generation = generation));
    }
    let one =
        |about: &AboutKeyPair| json!({ "names": about.names, "thumbprint": about.thumbprint });
    valid.iter().map(one).collect()
}
