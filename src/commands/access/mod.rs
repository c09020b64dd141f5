//! `access`: who and what can open the vault, and adding a way in.

mod retire;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use jiff::Timestamp;
use serde::Serialize;

use crate::cli::AccessCommand;
use crate::error::{Error, Exit, Result};
use crate::message::{Text, day};
use crate::session::Session;
use crate::session::papers::EnvelopeOf;
use crate::session::report::FindingReport;
use crate::state::{KnownWay, State, WayEvent};
use crate::text;
use crate::workflow::finding;
use crate::workflow::unlock::UnlockedVault;
use crate::workflow::verify;
use vault::id::Hash;
use vault::identity::{Owner, RecoveryKey, takes_passphrase};
use vault::medium::{HALVES, MAX_IDENTITIES};
use vault::survey::Survey;
use vault::trust::{Clause, Statement, Trust};

/// `access list`.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct AccessReport<'a> {
    vault: String,
    /// The identity files, by their hashes.
    identities: Vec<String>,
    /// The same, with what is known of each.
    ways: Vec<ListedWay>,
    /// The keys that what is made from now on is encrypted to.
    keys: Vec<&'a str>,
    retired: Vec<&'a str>,
    findings: Vec<FindingReport>,
}

/// The kind of a way in that none of the media has.
const ELSEWHERE: &str = "elsewhere";

/// A way in.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct ListedWay {
    /// The hash of its identity file.
    identity: Hash,
    /// `passphrase`, `recovery-key`, `age-key`, `ssh-key` or `shares`; `key` where only the medium says what it is, `elsewhere` where no medium here has it.
    kind: String,
    /// Where this server saw it made.
    made: Option<WayEventReport>,
    /// When it last opened the vault on this server.
    opened: Option<WayEventReport>,
}

/// When something happened with a way in, and which account did it.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct WayEventReport {
    #[cfg_attr(test, schemars(with = "String"))]
    time: Timestamp,
    by: Option<String>,
}

/// `access add`.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct WayReport<'a> {
    vault: String,
    added: Option<&'a str>,
}

/// Runs the command.
pub(super) fn run(session: &Session<'_>, what: Option<&AccessCommand>) -> Result<Exit> {
    match what {
        None => list(session, &[]),
        Some(AccessCommand::List { media }) => list(session, media),
        Some(AccessCommand::Retire(args)) => retire::run(session, args),
        Some(AccessCommand::Add {
            way,
            to,
            new_passphrase_file,
            new_recovery_key_file,
            decrypt_only,
        }) => {
            let new = NewWay {
                way,
                passphrase: new_passphrase_file.as_deref(),
                recovery_key: new_recovery_key_file.as_deref(),
                decrypt_only: *decrypt_only,
            };
            add(session, to, &new)
        }
    }
}

/// What is to be added.
struct NewWay<'a> {
    way: &'a str,
    passphrase: Option<&'a Path>,
    recovery_key: Option<&'a Path>,
    decrypt_only: bool,
}

fn list(session: &Session<'_>, media: &[String]) -> Result<Exit> {
    let media = session.vault_media_or_inserted(media)?;
    let state = session.memory().state;
    let (survey, mut findings) = verify::owners_word(&media, state.as_ref())?;
    finding::mark(&mut findings, state.as_ref(), session.now);
    let trust = &survey.trust;
    let opening: Vec<&str> = trust.recipients().collect();
    let ways = ways(trust, &kinds(&survey), state.as_ref());
    session.console.say(&text!(
        "access-headline",
        identities = ways.iter().filter(|way| way.kind != ELSEWHERE).count(),
        others = opening.len().saturating_sub(1)
    ));
    for way in &ways {
        session.console.say(&way.text());
    }
    warn_of_only_one(session, &ways);
    // The only one is the vault's own, which the ways in above lead to.
    if opening.len() > 1 {
        for age in &opening {
            session.console.say(&text!("access-key", key = *age));
        }
    }
    for age in trust.retired() {
        session.console.say(&text!("access-retired", key = age));
    }
    session.show_findings(&findings);
    let report = AccessReport {
        vault: trust.vault.to_string(),
        identities: trust.identities.iter().map(ToString::to_string).collect(),
        ways,
        keys: opening,
        retired: trust.retired().collect(),
        findings: FindingReport::of(session.console, &findings),
    };
    let exit = finding::beside(&findings);
    session.console.document(exit, &report);
    Ok(exit)
}

/// Each way in that the owner lists, with what the media show and this server remembers of it.
fn ways(
    trust: &Trust,
    kinds: &BTreeMap<Hash, &'static str>,
    state: Option<&State>,
) -> Vec<ListedWay> {
    let remembered: BTreeMap<Hash, &KnownWay> = state
        .into_iter()
        .flat_map(State::ways)
        .filter_map(|(way, known)| Some((way, known?)))
        .collect();
    let event = |event: &WayEvent| WayEventReport {
        time: event.time,
        by: event.by.clone(),
    };
    let mut ways = Vec::new();
    for identity in &trust.identities {
        let known = remembered.get(identity);
        let kind = match (kinds.get(identity), known) {
            (None, _) => ELSEWHERE,
            (Some(_), Some(known)) => &known.kind,
            (Some(shown), None) => shown,
        };
        ways.push(ListedWay {
            identity: *identity,
            kind: kind.to_owned(),
            made: known.and_then(|known| known.made.as_ref()).map(event),
            opened: known.and_then(|known| known.opened.as_ref()).map(event),
        });
    }
    ways
}

impl ListedWay {
    fn text(&self) -> Text {
        let [made, opened] = [&self.made, &self.opened].map(|event| {
            let day = event.as_ref().map(|event| day(event.time));
            let by = event.as_ref().and_then(|event| event.by.clone());
            (
                day.unwrap_or_else(|| "none".to_owned()),
                by.unwrap_or_else(|| "-".to_owned()),
            )
        });
        text!(
            "access-identity",
            id = self.identity.short(),
            kind = self.kind.as_str(),
            made = made.0,
            maker = made.1,
            opened = opened.0,
            opener = opened.1
        )
    }
}

/// One thing, or things of one kind that are lost together, or one person: what is known of the ways
/// in says whether the vault depends on it.
fn warn_of_only_one(session: &Session<'_>, ways: &[ListedWay]) {
    let console = session.console;
    if ways.len() == 1 {
        return console.warn(&text!("access-only-one"));
    }
    if !ways.is_empty() && ways.iter().all(|way| way.kind == "passphrase") {
        console.warn(&text!("access-only-memory"));
    }
    let people = ways
        .iter()
        .filter_map(|way| way.opened.as_ref()?.by.as_ref());
    let people: BTreeSet<&String> = people.collect();
    if let (Some(only), 1) = (people.first(), people.len()) {
        console.mention(&text!("access-only-person", who = only.as_str()));
    }
}

/// What opens the identity files on the media: `passphrase`, `ssh-key`, or `key`.
fn kinds(survey: &Survey<'_>) -> BTreeMap<Hash, &'static str> {
    let mut kinds = BTreeMap::new();
    for file in survey.identities() {
        let kind = match takes_passphrase(file) {
            true => "passphrase",
            false => "key",
        };
        kinds.insert(Hash::of(file), kind);
    }
    kinds
}

/// The owner's secret opens the identity; it is wrapped once more, or one more key may read what
/// comes.
fn add(session: &Session<'_>, to: &str, new: &NewWay<'_>) -> Result<Exit> {
    let medium = session.medium_of_vault_to_write(to)?;
    let media = [medium];
    let known = session.memory();
    let opened = session.open(&media, &known)?;
    if !new.decrypt_only {
        refuse_one_too_many(&opened)?;
    }
    let (words, identity) = new_way(session, &opened.owner, new)?;
    let statement = Statement::sign(&opened.owner.key, &words)
        .map_err(|_| Error::failed(text!("error-signing")))?;
    let identities: Vec<&[u8]> = identity.as_deref().into_iter().collect();
    media[0].add_owner_files(&[&statement], &identities)?;
    let kind = kind_of(new);
    session.note(&opened.vault(), |state| {
        state.remember_identities(&identities);
        for file in &identities {
            state.way_was_made(Hash::of(file), kind, session.event());
        }
        // It was signed with the owner's key a moment ago.
        let _ = state.trust.learn(statement);
    });
    session.console.say(&match identity {
        Some(_) => text!("access-added", medium = to),
        None => text!(
            "access-key-added",
            medium = to,
            vault = opened.vault().as_str()
        ),
    });
    let report = WayReport {
        vault: opened.vault().to_string(),
        added: new.way.split(':').next(),
    };
    session.console.document(Exit::Done, &report);
    Ok(Exit::Done)
}

/// What opens the new way in.
fn kind_of(new: &NewWay<'_>) -> &'static str {
    match new.way {
        "passphrase" => "passphrase",
        "recovery-key" => "recovery-key",
        _ => "age-key",
    }
}

/// Readers stop after so many identity files; one more might be the one that somebody relies on.
fn refuse_one_too_many(opened: &UnlockedVault<'_>) -> Result<()> {
    let mut in_half = [0; HALVES.len()];
    for file in &opened.survey.walks[0].identities {
        in_half[file.half] += 1;
    }
    let on_medium = in_half.into_iter().max().unwrap_or(0);
    match on_medium.max(opened.survey.trust.identities.len()) {
        0..MAX_IDENTITIES => Ok(()),
        _ => Err(Error::failed(text!(
            "error-too-many-ways",
            most = MAX_IDENTITIES
        ))),
    }
}

fn new_way(
    session: &Session<'_>,
    owner: &Owner,
    new: &NewWay<'_>,
) -> Result<(Vec<Clause>, Option<Vec<u8>>)> {
    let wrapped = |file: Vec<u8>| (vec![Clause::Identity(Hash::of(&file))], Some(file));
    match new.way {
        "passphrase" => Ok(wrapped(
            owner.wrap_with_passphrase(&session.new_passphrase(new.passphrase)?)?,
        )),
        "recovery-key" => {
            let key = RecoveryKey::generate();
            let envelope = EnvelopeOf {
                key: &key,
                owner: &owner.key.public(),
            };
            match new.recovery_key {
                Some(path) => session.write_envelope(&envelope, path, None)?,
                None => session
                    .console
                    .hand_over_recovery_key(&key, &envelope.vault())?,
            }
            Ok(wrapped(owner.wrap_for(&key)?))
        }
        age => {
            let recipient = age.parse::<age::x25519::Recipient>().ok();
            let recipient = recipient.filter(|parsed| parsed.to_string() == age);
            let unknown = || Error::usage(text!("error-unknown-way", way = age));
            let recipient = recipient.ok_or_else(unknown)?;
            let reads = Clause::Recipient(age.to_owned());
            if new.decrypt_only {
                return Ok((vec![reads], None));
            }
            let (mut words, file) = wrapped(owner.wrap_to(&recipient)?);
            words.push(reads);
            Ok((words, file))
        }
    }
}
