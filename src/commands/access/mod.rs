//! `access`: who and what can open the vault, and adding a way in.

mod change;
mod retire;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::Serialize;

use crate::cli::AccessCommand;
use crate::error::{Error, Exit, Result, no_random};
use crate::message::{Text, day};
use crate::session::Session;
use crate::session::papers::{EnvelopeFile, EnvelopeOf, OnEnvelope};
use crate::session::report::FindingReport;
use crate::state::{KnownWay, State, WayEvent};
use crate::text;
use crate::workflow::finding;
use crate::workflow::unlock::UnlockedVault;
use crate::workflow::verify;
use secret::shares::MOST_SHARES;
use vault::id::Hash;
use vault::identity::{Owner, RecoveryKey, wrapped_for};
use vault::medium::{HALVES, MAX_IDENTITIES, Medium};
use vault::shares;
use vault::survey::Survey;
use vault::trust::{Clause, Statement, Trust};
use vault::volume::Reading;

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
    /// `passphrase`, `recovery-key`, `age-key`, `ssh-key`, `plugin` or `shares`; `key` where only the medium says what it is, `elsewhere` where no medium here has it.
    kind: String,
    /// Where this server saw it made.
    made: Option<WayEventReport>,
    /// When it last opened the vault on this server.
    opened: Option<WayEventReport>,
    /// When another was made in its place on this server; it goes on opening the vault.
    replaced: Option<WayEventReport>,
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
    /// The identity file of the passphrase that is no longer to be used; it goes on opening the vault.
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    replaced: Option<Hash>,
}

/// Runs the command.
pub(super) fn run(session: &Session<'_>, what: Option<&AccessCommand>) -> Result<Exit> {
    match what {
        None => list(session, &[]),
        Some(AccessCommand::List { media }) => list(session, media),
        Some(AccessCommand::ChangePassphrase {
            to,
            new_passphrase_file,
        }) => change::run(session, to, new_passphrase_file.as_deref()),
        Some(AccessCommand::Retire(args)) => retire::run(session, args),
        Some(AccessCommand::Add {
            way,
            to,
            new_passphrase_file,
            new_recovery_key_file,
            new_share_file,
            decrypt_only,
        }) => {
            let new = NewWay {
                way,
                passphrase: new_passphrase_file.as_deref(),
                recovery_key: new_recovery_key_file.as_deref(),
                shares: new_share_file,
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
    shares: &'a [PathBuf],
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
            replaced: known.and_then(|known| known.replaced.as_ref()).map(event),
        });
    }
    ways
}

impl ListedWay {
    fn text(&self) -> Text {
        let [made, opened, replaced] = [&self.made, &self.opened, &self.replaced].map(|event| {
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
            opener = opened.1,
            replaced = replaced.0
        )
    }
}

/// One thing, or things of one kind that are lost together, or one person: what is known of the ways
/// in says whether the vault depends on it.
fn warn_of_only_one(session: &Session<'_>, ways: &[ListedWay]) {
    let console = session.console;
    let in_use = ways.iter().filter(|way| way.replaced.is_none());
    if in_use.count() == 1 {
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

/// What opens the identity files on the media, as far as they tell.
fn kinds(survey: &Survey<'_>) -> BTreeMap<Hash, &'static str> {
    let mut kinds = BTreeMap::new();
    for file in survey.identities() {
        kinds.insert(Hash::of(file), wrapped_for(file));
    }
    kinds
}

/// What shares are asked for with, before how many are needed of how many.
const SHARES: &str = "shares:";

/// How many shares of how many are needed.
///
/// # Errors
/// Anything but two of two to sixteen of sixteen.
fn share_counts(way: &str) -> Result<(u8, u8)> {
    let counts = way.trim_start_matches(SHARES).split_once('/');
    let parsed = counts.and_then(|(k, n)| Some((k.parse().ok()?, n.parse().ok()?)));
    let fits = |(k, n): &(u8, u8)| (2..=*n).contains(k) && *n <= MOST_SHARES;
    let unfit = || Error::usage(text!("error-share-counts", way = way, most = MOST_SHARES));
    parsed.filter(fits).ok_or_else(unfit)
}

/// The identity file that K of N new shares open, each shown to be written down or written to a file of
/// its own.
fn new_shares(session: &Session<'_>, owner: &Owner, new: &NewWay<'_>) -> Result<MadeWay> {
    let (threshold, count) = share_counts(new.way)?;
    let (given, wanted) = (new.shares.len(), usize::from(count));
    if given != 0 && given != wanted {
        let text = text!("error-share-files", given = given, count = wanted);
        return Err(Error::usage(text));
    }
    let key = RecoveryKey::generate();
    let shares = shares::split(&key, threshold, count).map_err(|_| no_random())?;
    let (public, vault) = (owner.key.public(), owner.vault());
    if new.shares.is_empty() {
        session.console.hand_over_shares(&shares, &vault)?;
    }
    let mut made = MadeWay::new("shares", owner.wrap_for(&key)?);
    for (share, path) in shares.iter().zip(new.shares) {
        let envelope = EnvelopeOf {
            secret: OnEnvelope::Share(share, wanted),
            owner: &public,
        };
        let place = ("--new-share-file", path.as_path());
        made.envelopes
            .push(session.write_envelope(&envelope, place, None)?);
    }
    Ok(made)
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
    let made = new_way(session, &media, &opened.owner, new)?;
    session
        .console
        .say(&match write(session, &media[0], &opened, made)? {
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
        replaced: None,
    };
    session.console.document(Exit::Done, &report);
    Ok(Exit::Done)
}

/// Puts a new way in onto the medium and into host state; the hash of its identity file, where it has one.
fn write(
    session: &Session<'_>,
    medium: &Medium,
    opened: &UnlockedVault<'_>,
    made: MadeWay,
) -> Result<Option<Hash>> {
    let statement = Statement::sign(&opened.owner.key, &made.words)
        .map_err(|_| Error::failed(text!("error-signing")))?;
    let identities: Vec<&[u8]> = made.file.as_deref().into_iter().collect();
    let added = medium.add_owner_files(&[&statement], &identities);
    if added.is_ok() || is_listed(opened, medium, &identities) {
        for envelope in made.envelopes {
            session.keep_envelope(envelope);
        }
    }
    added?;
    let way = identities.first().map(|file| Hash::of(file));
    session.note(&opened.vault(), |state| {
        state.remember_identities(&identities);
        if let Some(way) = way {
            state.way_was_made(way, made.kind, session.event());
        }
        // It was signed with the owner's key a moment ago.
        let _ = state.trust.learn(statement);
    });
    Ok(way)
}

/// Whether the owner's files on a medium that refused hold a new way in all the same: they are written
/// twice, one after the other.
fn is_listed(opened: &UnlockedVault<'_>, medium: &Medium, identities: &[&[u8]]) -> bool {
    let (media, trust) = (std::slice::from_ref(medium), &opened.survey.trust);
    let survey = Survey::of(media, opened.vault(), trust, Reading::Cached);
    survey.is_ok_and(|survey| {
        let listed = survey.owners_identities();
        identities.iter().all(|identity| listed.contains(identity))
    })
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

/// A way in that was made and is not on the medium yet.
struct MadeWay {
    /// What the owner says of it.
    words: Vec<Clause>,
    /// The identity file; nothing for a key that only decrypts.
    file: Option<Vec<u8>>,
    kind: &'static str,
    /// What opens it, where that was to go to files: kept once it opens the vault.
    envelopes: Vec<EnvelopeFile>,
}

impl MadeWay {
    fn new(kind: &'static str, file: Vec<u8>) -> Self {
        Self {
            words: vec![Clause::Identity(Hash::of(&file))],
            file: Some(file),
            kind,
            envelopes: Vec::new(),
        }
    }
}

fn new_way(
    session: &Session<'_>,
    media: &[Medium],
    owner: &Owner,
    new: &NewWay<'_>,
) -> Result<MadeWay> {
    match new.way {
        "passphrase" => {
            let passphrase = session.new_passphrase(new.passphrase)?;
            let file = owner.wrap_with_passphrase(&passphrase)?;
            Ok(MadeWay::new("passphrase", file))
        }
        "recovery-key" => new_recovery_key(session, owner, new.recovery_key),
        way if way.starts_with(SHARES) => new_shares(session, owner, new),
        key => new_own_key(session, media, owner, (key, new.decrypt_only)),
    }
}

fn new_recovery_key(session: &Session<'_>, owner: &Owner, path: Option<&Path>) -> Result<MadeWay> {
    let key = RecoveryKey::generate();
    let envelope = EnvelopeOf {
        secret: OnEnvelope::Key(&key),
        owner: &owner.key.public(),
    };
    let mut made = MadeWay::new("recovery-key", owner.wrap_for(&key)?);
    match path {
        Some(path) => {
            let place = ("--new-recovery-key-file", path);
            made.envelopes
                .push(session.write_envelope(&envelope, place, None)?);
        }
        None => session
            .console
            .hand_over_recovery_key(&key, &envelope.vault())?,
    }
    Ok(made)
}

/// A person's own key. Generations are sealed to keys of age alone, so those of other kinds open the vault
/// and decrypt nothing by themselves.
fn new_own_key(
    session: &Session<'_>,
    media: &[Medium],
    owner: &Owner,
    (key, decrypt_only): (&str, bool),
) -> Result<MadeWay> {
    let own = session.own_recipient(key, media)?;
    let reads = (own.kind == "age-key").then(|| Clause::Recipient(key.to_owned()));
    if decrypt_only {
        let words = reads.map(|reads| vec![reads]);
        return Ok(MadeWay {
            words: words.ok_or_else(|| Error::usage(text!("error-decrypt-only")))?,
            file: None,
            kind: own.kind,
            envelopes: Vec::new(),
        });
    }
    let unwrapped = |_| Error::failed(text!("error-not-wrapped", way = key));
    let file = owner.wrap_to(own.recipient.as_ref()).map_err(unwrapped)?;
    let mut made = MadeWay::new(own.kind, file);
    made.words.extend(reads);
    Ok(made)
}
