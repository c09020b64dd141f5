//! `contents`: what counts of each server's backup, and what does not any more. What this server wrote itself needs no
//! passphrase.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::Serialize;

use crate::cli::ContentsArgs;
use crate::console::Table;
use crate::error::{Error, Exit, Result};
use crate::keypair::{Remaining, is_weak};
use crate::message::{Text, age, day, short};
use crate::session::backup_report::{self, NoMoreReport, NotHereReport, Past};
use crate::session::selection::{choose, is_called, of_each_server};
use crate::session::{Session, standing};
use crate::state::counted::{self, Known};
use crate::state::{State, Written};
use crate::text;
use crate::workflow::clock;
use crate::workflow::server_backup::{self, NotHere, ServerBackup, Why};
use crate::workflow::unlock::{self, UnlockedVault, Wanted};
use vault::catalog::{AboutKeyPair, Exception, WithoutKey};
use vault::counted::Standing;
use vault::id::{Number, ServerId};
use vault::lines::day_of;
use vault::medium::Medium;
use vault::record::Record;
use vault::survey::{Generation, Survey};
use vault::volume::Reading;

/// What a vault holds.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct ContentsReport<'a> {
    vault: &'a str,
    servers: Vec<ServerReport<'a>>,
}

/// What counts of a server's backup.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct ServerReport<'a> {
    server: String,
    server_name: &'a str,
    /// The newest generation.
    number: u32,
    time: String,
    /// By the calendar, or the first day from which a key pair has only ended copies here.
    due: String,
    /// Every generation, the newest first.
    generations: Vec<GenerationReport>,
    /// What speaks against taking it for the newest state.
    doubts: Vec<String>,
    key_pairs: Vec<KeyPairReport<'a>>,
    not_here: Vec<NotHereReport>,
    no_more: Vec<NoMoreReport>,
    /// Certificates without a key, as the catalog has them.
    without_key: &'a [WithoutKey],
    /// Rules that were set aside, as the catalog has them.
    exceptions: &'a [Exception],
}

/// A generation.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct GenerationReport {
    number: u32,
    time: String,
    /// Whether the clock that this was written by was wrong then.
    clock_was_wrong: bool,
    key_pairs: usize,
}

/// A key pair that counts.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct KeyPairReport<'a> {
    /// The newest generation that holds it.
    generation: u32,
    /// Its file there, where the catalog was opened.
    file: Option<&'a str>,
    /// As the catalog describes it.
    about: &'a AboutKeyPair,
    standing: &'static str,
}

/// Runs the command.
pub(super) fn run(session: &Session<'_>, args: &ContentsArgs) -> Result<Exit> {
    if args.reveal_password {
        session.console.refuse_if_nobody_looks()?;
    }
    let media = session.vault_media_or_inserted(&args.from)?;
    let known = session.memory();
    if let Some(exit) = run_from_memory(session, &media, args, known.state.as_ref())? {
        return Ok(exit);
    }
    let opened = session.open(&media, &known)?;
    let (backups, lost) = find(&opened, args)?;
    let shown: Vec<_> = backups.iter().map(ShownBackup::of).collect();
    let mut exit = exit_of(&shown, session.now);
    for error in &lost {
        session.console.warn(&error.text);
        exit = Exit::Damaged;
    }
    show(session, &shown, opened.vault().as_str(), exit);
    if args.reveal_password {
        reveal_passwords(session, &backups)?;
    }
    Ok(exit)
}

/// The backups to show, and why a server has none. Without a choice: every server's.
fn find<'v>(
    opened: &'v UnlockedVault<'_>,
    args: &ContentsArgs,
) -> Result<(Vec<ServerBackup<'v>>, Vec<Error>)> {
    if args.which.server.is_some() || args.which.generation.is_some() || !args.names.is_empty() {
        return Ok((
            vec![choose(opened, &args.which, &args.names, false)?],
            Vec::new(),
        ));
    }
    let (mut backups, mut lost) = (Vec::new(), Vec::new());
    for backup in of_each_server(opened) {
        match backup {
            Ok(backup) => backups.push(backup),
            Err(error) => lost.push(error),
        }
    }
    if backups.is_empty() {
        return Err(lost.pop().unwrap_or_else(|| opened.nothing_here()));
    }
    Ok((backups, lost))
}

/// What is asked for, if this server wrote all of it and still knows what is in it.
fn run_from_memory(
    session: &Session<'_>,
    media: &[Medium],
    args: &ContentsArgs,
    state: Option<&State>,
) -> Result<Option<Exit>> {
    let Some(state) = state.filter(|_| !session.secret_is_given() && !args.reveal_password) else {
        return Ok(None);
    };
    let survey = Survey::of(media, state.vault().clone(), &state.trust, Reading::Cached)?;
    let is_other = |server: &ServerId| *server != state.server();
    // What other servers wrote only the passphrase shows.
    if survey.servers().iter().any(is_other) || args.which.server.is_some() {
        return Ok(None);
    }
    let wanted = match &args.which.generation {
        Some(typed) => Wanted::parse(typed)?,
        None => Wanted::Newest,
    };
    let shown = ShownBackup::from_memory(state, &survey, &wanted, session.now);
    match shown {
        // A name that is not in it may be in what this server forgot; the passphrase can tell.
        Some(mut shown) if args.names.iter().all(|name| shown.holds(name)) => {
            shown.keep_called(&args.names);
            let shown = [shown];
            let exit = exit_of(&shown, session.now);
            show(session, &shown, state.vault().as_str(), exit);
            Ok(Some(exit))
        }
        _ => Ok(None),
    }
}

/// What may be shown of a server's backup.
struct ShownBackup<'a> {
    server_name: &'a str,
    newest: &'a Record,
    /// Whether that generation alone is meant.
    is_alone: bool,
    generations: Vec<(&'a Record, usize)>,
    doubts: Vec<Text>,
    key_pairs: Vec<Shown<'a>>,
    not_here: Vec<NotHere>,
    no_more: Vec<Past>,
    without_key: &'a [WithoutKey],
    exceptions: &'a [Exception],
}

/// A key pair that counts.
struct Shown<'a> {
    about: &'a AboutKeyPair,
    number: Number,
    file: Option<&'a str>,
}

impl<'a> ShownBackup<'a> {
    fn of(backup: &'a ServerBackup<'_>) -> Self {
        let mut shown = Self {
            server_name: &backup.server_name,
            newest: &backup.newest.record,
            is_alone: backup.is_alone,
            generations: Vec::new(),
            doubts: backup.doubts.clone(),
            key_pairs: Vec::new(),
            not_here: backup.not_here.clone(),
            no_more: Past::of(&backup.no_more),
            without_key: &backup.without_key,
            exceptions: &backup.exceptions,
        };
        for (generation, count) in &backup.line {
            shown.generations.push((&generation.record, *count));
        }
        for held in &backup.key_pairs {
            let number = held.generation.record.number;
            if !held.is_here {
                let name = held.about().display_name();
                shown.doubts.push(text!(
                    "doubt-key-pair-damaged",
                    name = name,
                    number = number
                ));
            }
            shown.key_pairs.push(Shown {
                about: held.about(),
                number,
                file: Some(&held.entry.file),
            });
        }
        shown
    }

    /// `None` where this server does not know all that is in it.
    fn from_memory(
        state: &'a State,
        survey: &'a Survey<'_>,
        wanted: &Wanted,
        now: Timestamp,
    ) -> Option<Self> {
        let own = state.server();
        let mut meant: Vec<&Generation> = survey.line(own).collect();
        meant.retain(|generation| wanted.matches(generation));
        if matches!(wanted, Wanted::Number(..)) && meant.len() > 1 {
            return None;
        }
        let newest = *meant.first()?;
        let mut written = vec![known_whole(state, newest)?];
        for generation in &meant[1..] {
            written.push(known(state, generation)?);
        }
        let is_alone = matches!(wanted, Wanted::Number(..));
        let time = server_backup::time_of_judgement(now, wanted, &newest.record);
        let is_closed = survey.trust.closing(own).is_some();
        let mut shown = Self {
            server_name: state.server_name(),
            newest: &newest.record,
            is_alone,
            generations: meant.iter().map(|one| counted_files(one)).collect(),
            doubts: unlock::speaks_against(survey, own, Some(state)),
            key_pairs: Vec::new(),
            not_here: Vec::new(),
            no_more: Vec::new(),
            without_key: &written[0].without_key,
            exceptions: &written[0].exceptions,
        };
        shown
            .doubts
            .extend(clock::doubt(now, Some(newest.record.time)));
        shown.take_known(
            state,
            &counted::of_generations(&written, &state.retired(), is_closed, time),
        );
        shown.doubt_damaged(survey, &meant);
        if !is_alone {
            shown.not_here = server_backup::not_in(state, &written, wanted, time);
        }
        Some(shown)
    }

    fn take_known(&mut self, state: &State, known: &[Known<'a>]) {
        let retired = state.retired();
        for one in known {
            let (about, number) = (one.pair.about, one.pair.numbers.last().copied());
            let why = match (one.standing, retired.get(about)) {
                (Standing::Renewed(by), _) => Why::Renewed(Box::new(known[by].pair.about.clone())),
                (Standing::Ended, _) => Why::Ended,
                (Standing::Retired, Some(said)) => Why::Retired(said.clone()),
                (Standing::Counts | Standing::Retired, _) => {
                    self.key_pairs.push(Shown {
                        about,
                        number: number.unwrap_or(self.newest.number),
                        file: None,
                    });
                    continue;
                }
            };
            self.no_more.push(Past::new(about, number, why));
        }
    }

    /// Names the generations that the key pairs come from and that are not whole.
    fn doubt_damaged(&mut self, survey: &Survey<'_>, meant: &[&Generation]) {
        let used: BTreeSet<Number> = self.key_pairs.iter().map(|one| one.number).collect();
        for generation in meant {
            let number = generation.record.number;
            let is_used = used.contains(&number) || number == self.newest.number;
            if is_used && !survey.check(generation, Reading::Cached).is_whole() {
                self.doubts.push(text!("doubt-damaged", number = number));
            }
        }
    }

    /// For each generation whether it was written by a clock that was wrong. Where the newest lies ahead
    /// of now, the clock here is doubted, and no generation by it.
    fn wrong_clocks(&self, now: Timestamp) -> Vec<bool> {
        let now = now.max(self.newest.time);
        let mut wrong = Vec::new();
        for (at, (record, _)) in self.generations.iter().enumerate() {
            let before = self.generations.get(at + 1);
            let before = before.map(|(record, _)| record.time);
            wrong.push(clock::was_wrong(record.time, before, now));
        }
        wrong
    }

    /// The calendar's day, or the first from which only ended copies of a key pair are here, if that is
    /// earlier.
    fn due(&self) -> jiff::civil::Date {
        let mut ends: BTreeMap<&str, Timestamp> = BTreeMap::new();
        for one in &self.key_pairs {
            ends.insert(&one.about.thumbprint, one.about.not_after);
        }
        for past in &self.no_more {
            let renewal = past.renewed_by().and_then(|by| ends.get_mut(by));
            if let Some(end) = renewal {
                *end = past.end().max(*end);
            }
        }
        let first = ends.into_values().min().map(day_of);
        first.map_or(self.newest.due, |first| first.min(self.newest.due))
    }

    fn count_valid(&self, now: Timestamp) -> usize {
        let is_valid =
            |one: &&Shown<'_>| standing::is_valid(one.about.not_before, one.about.not_after, now);
        self.key_pairs.iter().filter(is_valid).count()
    }

    fn holds(&self, name: &String) -> bool {
        let mut key_pairs = self.key_pairs.iter();
        key_pairs.any(|one| is_called(one.about, std::slice::from_ref(name)))
    }

    fn keep_called(&mut self, names: &[String]) {
        self.key_pairs.retain(|one| is_called(one.about, names));
        if !names.is_empty() {
            (self.not_here, self.no_more) = (Vec::new(), Vec::new());
        }
    }

    fn document(&self, session: &Session<'_>) -> ServerReport<'a> {
        let mut key_pairs = Vec::new();
        for one in &self.key_pairs {
            key_pairs.push(KeyPairReport {
                generation: one.number.get(),
                file: one.file,
                about: one.about,
                standing: standing::id(remaining(one.about, session.now)),
            });
        }
        let generations = self.generations.iter().zip(self.wrong_clocks(session.now));
        let doubts = self.doubts.iter().map(|doubt| session.console.words(doubt));
        ServerReport {
            server: self.newest.server.to_string(),
            server_name: self.server_name,
            number: self.newest.number.get(),
            time: self.newest.time.to_string(),
            due: self.due().to_string(),
            generations: generations
                .map(|((record, count), clock_was_wrong)| GenerationReport {
                    number: record.number.get(),
                    time: record.time.to_string(),
                    clock_was_wrong,
                    key_pairs: *count,
                })
                .collect(),
            doubts: doubts.collect(),
            key_pairs,
            not_here: NotHereReport::of(&self.not_here),
            no_more: NoMoreReport::of(&self.no_more),
            without_key: self.without_key,
            exceptions: self.exceptions,
        }
    }
}

/// What this server remembers of a generation, if it is the one that it wrote.
fn known<'a>(state: &'a State, generation: &Generation) -> Option<&'a Written> {
    let written = state.written(generation.record.number)?;
    (written.record == generation.hash).then_some(written)
}

/// A generation with the count of its key pairs: all files but the catalog.
fn counted_files(generation: &Generation) -> (&Record, usize) {
    let record = &generation.record;
    (record, record.files.len().saturating_sub(1))
}

/// The same, if that is all: of an old one it may be a part.
fn known_whole<'a>(state: &'a State, generation: &Generation) -> Option<&'a Written> {
    let written = known(state, generation)?;
    // The catalog is a file, too.
    (written.key_pairs.len() + 1 == generation.record.files.len()).then_some(written)
}

fn exit_of(shown: &[ShownBackup<'_>], now: Timestamp) -> Exit {
    let is_calm = |shown: &ShownBackup<'_>| {
        let all_valid = shown.count_valid(now) == shown.key_pairs.len();
        all_valid && shown.doubts.is_empty() && shown.not_here.is_empty()
    };
    if shown.iter().all(is_calm) {
        Exit::Done
    } else {
        Exit::Attention
    }
}

fn show(session: &Session<'_>, shown: &[ShownBackup<'_>], vault: &str, exit: Exit) {
    let mut servers = Vec::new();
    for shown in shown {
        show_one(session, shown);
        servers.push(shown.document(session));
    }
    session
        .console
        .document(exit, &ContentsReport { vault, servers });
}

fn show_one(session: &Session<'_>, shown: &ShownBackup<'_>) {
    let record = shown.newest;
    session.console.say(&text!(
        "contents-headline",
        server = shown.server_name,
        id = record.server.to_string(),
        number = record.number.get(),
        alone = if shown.is_alone { "yes" } else { "no" },
        day = day(record.time),
        age = age(record.time, session.now),
        count = shown.key_pairs.len()
    ));
    standing::headline_of(
        session,
        shown.count_valid(session.now),
        shown.key_pairs.len(),
    );
    for doubt in &shown.doubts {
        session.console.warn(doubt);
    }
    session.console.table(&table(session, shown));
    backup_report::say_not_here(session, &shown.not_here);
    for without in shown.without_key {
        session
            .console
            .warn(&text!("contents-without-key", name = without.name.as_str()));
    }
    backup_report::say_no_more(session, &shown.no_more);
    let mut lines = Vec::new();
    let wrong = shown.wrong_clocks(session.now);
    for ((record, count), is_wrong) in shown.generations.iter().zip(wrong) {
        lines.push(generation_line(session, record, *count, is_wrong));
    }
    session
        .console
        .mention(&text!("contents-generations", lines = lines));
}

fn generation_line(
    session: &Session<'_>,
    record: &Record,
    count: usize,
    by_wrong_clock: bool,
) -> String {
    let line = text!(
        "contents-generation",
        number = record.number,
        day = day(record.time),
        count = count
    );
    session.console.words(&match by_wrong_clock {
        true => text!("contents-generation-clock", line = line),
        false => line,
    })
}

fn table(session: &Session<'_>, shown: &ShownBackup<'_>) -> Table {
    let words = |text| session.console.words(&text);
    let mut table = Table::new(vec![
        words(text!("column-names")),
        words(text!("column-friendly-name")),
        words(text!("column-thumbprint")),
        words(text!("column-expires")),
        words(text!("column-key")),
        words(text!("column-generation")),
    ]);
    for one in &shown.key_pairs {
        table.row(vec![
            one.about.display_name().to_owned(),
            one.about.friendly_name.clone().unwrap_or_default(),
            short(&one.about.thumbprint),
            standing::end_cell(session, one.about.not_before, one.about.not_after),
            key(session, one.about),
            one.number.to_string(),
        ]);
    }
    table
}

/// The kind of key, marked where it is weak or no certificate of the issuer is kept with it.
fn key(session: &Session<'_>, about: &AboutKeyPair) -> String {
    let mut cell = about.key_type.clone();
    if is_weak(&about.key_type) {
        cell = session.console.words(&text!("cell-weak", key = cell));
    }
    if about.chain_length == 1 && about.self_signed == Some(false) {
        cell = session.console.words(&text!("cell-no-chain", key = cell));
    }
    cell
}

fn remaining(about: &AboutKeyPair, now: Timestamp) -> Remaining {
    standing::remaining(about.not_before, about.not_after, now)
}

fn reveal_passwords(session: &Session<'_>, backups: &[ServerBackup<'_>]) -> Result<()> {
    for held in backups.iter().flat_map(|backup| &backup.key_pairs) {
        let (name, password) = (
            held.about().display_name(),
            held.entry.pfx_password.expose(),
        );
        session.console.show_privately(&[
            &session
                .console
                .words(&text!("contents-password", name = name)),
            " ",
            password,
        ])?;
    }
    session.console.clear_when_read(&text!("prompt-read"))
}
