//! `contents`: what a vault holds, by server and generation. What this server wrote itself needs no
//! passphrase.

use serde::Serialize;

use crate::cli::ContentsArgs;
use crate::console::Table;
use crate::error::{Error, Exit, Result};
use crate::keypair::Remaining;
use crate::message::{Text, age, day, short};
use crate::session::report::LeftOutReport;
use crate::session::selection::{choose, is_called, is_wanted};
use crate::session::{Session, standing};
use crate::state::{State, Written};
use crate::text;
use crate::workflow::left_out::{self, LeftOut};
use crate::workflow::unlock::{self, OpenGeneration, UnlockedVault, Wanted};
use vault::catalog::{AboutKeyPair, Exception, WithoutKey};
use vault::id::ServerId;
use vault::medium::Medium;
use vault::record::{Record, key_pair_file};
use vault::survey::{Generation, Survey};
use vault::volume::Reading;

/// What a vault holds.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct ContentsReport<'a> {
    vault: &'a str,
    generations: Vec<GenerationReport<'a>>,
}

/// A generation of a server.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct GenerationReport<'a> {
    server: String,
    server_name: &'a str,
    number: u32,
    time: String,
    due: String,
    /// The numbers of those before it.
    older: Vec<String>,
    /// What speaks against taking it for the newest state.
    doubts: Vec<String>,
    key_pairs: Vec<KeyPairReport<'a>>,
    left_out: Vec<LeftOutReport>,
    /// Certificates without a key, as the catalog has them.
    #[cfg_attr(test, schemars(with = "Vec<serde_json::Value>"))]
    without_key: &'a [WithoutKey],
    /// Rules that were set aside, as the catalog has them.
    #[cfg_attr(test, schemars(with = "Vec<serde_json::Value>"))]
    exceptions: &'a [Exception],
}

/// A key pair of a generation.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct KeyPairReport<'a> {
    file: String,
    /// As the catalog describes it.
    #[cfg_attr(test, schemars(with = "serde_json::Value"))]
    about: &'a AboutKeyPair,
    standing: &'static str,
}

/// Runs the command.
pub(super) fn run(session: &Session<'_>, args: &ContentsArgs) -> Result<Exit> {
    let media = session.vault_media_or_inserted(&args.from)?;
    let known = session.memory();
    if let Some(exit) = run_from_memory(session, &media, args, known.state.as_ref())? {
        return Ok(exit);
    }
    let opened = session.open(&media, &known)?;
    let (generations, lost) = find(&opened, args)?;
    let shown: Vec<_> = generations
        .iter()
        .map(|from| ShownGeneration::of(from, &opened.survey))
        .collect();
    let mut exit = exit_of(&shown);
    for error in &lost {
        session.console.warn(&error.text);
        exit = Exit::Damaged;
    }
    show(session, &shown, &args.names, opened.vault().as_str(), exit);
    if args.reveal_password {
        reveal_passwords(session, &generations, &args.names)?;
    }
    Ok(exit)
}

/// The generations to show, and why a server has none. Without a choice: the newest of every
/// server.
fn find(
    opened: &UnlockedVault<'_>,
    args: &ContentsArgs,
) -> Result<(Vec<OpenGeneration>, Vec<Error>)> {
    if args.which.server.is_some() || args.which.generation.is_some() || !args.names.is_empty() {
        return Ok((vec![choose(opened, &args.which, &args.names)?], Vec::new()));
    }
    let (mut generations, mut lost) = (Vec::new(), Vec::new());
    for newest in opened.newest_of_each() {
        match newest {
            Ok(mut from) => {
                from.left_out = left_out::on_media(opened, &from, &Wanted::Newest, &|_| true);
                generations.push(from);
            }
            Err(error) => lost.push(error),
        }
    }
    if generations.is_empty() {
        return Err(lost.pop().unwrap_or_else(|| opened.nothing_here()));
    }
    Ok((generations, lost))
}

/// The generation that is asked for, if this server wrote it and still knows what is in it.
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
    let shown = ShownGeneration::from_memory(state, &survey, &wanted, &args.names, session.now);
    match shown {
        // A name that is not in it may be in an older one, which only the passphrase can tell.
        Some(shown) if args.names.iter().all(|name| shown.holds(name)) => {
            let shown = [shown];
            let exit = exit_of(&shown);
            show(session, &shown, &args.names, state.vault().as_str(), exit);
            Ok(Some(exit))
        }
        _ => Ok(None),
    }
}

/// One generation with what may be shown of it.
struct ShownGeneration<'a> {
    server_name: &'a str,
    record: &'a Record,
    older: Vec<String>,
    doubts: Vec<Text>,
    left_out: Vec<LeftOut>,
    key_pairs: Vec<(&'a AboutKeyPair, String)>,
    without_key: &'a [WithoutKey],
    exceptions: &'a [Exception],
}

impl<'a> ShownGeneration<'a> {
    fn of(from: &'a OpenGeneration, survey: &Survey<'_>) -> Self {
        let entries = from.catalog.key_pairs.iter();
        Self {
            server_name: &from.catalog.server_name,
            record: &from.generation.record,
            older: older(survey, &from.generation.record),
            doubts: from.doubts.clone(),
            left_out: from.left_out.clone(),
            key_pairs: entries
                .map(|entry| (&entry.about, entry.file.clone()))
                .collect(),
            without_key: &from.catalog.without_key,
            exceptions: &from.catalog.exceptions,
        }
    }

    /// `None` where this server does not know all that is in it.
    fn from_memory(
        state: &'a State,
        survey: &'a Survey<'_>,
        wanted: &Wanted,
        names: &[String],
        now: jiff::Timestamp,
    ) -> Option<Self> {
        let own = state.server();
        let mut line = survey.line(own);
        let generation = line.find(|generation| wanted.matches(generation))?;
        let written = known_whole(state, generation)?;
        let mut doubts = unlock::speaks_against(survey, own, Some(state));
        if !survey.check(generation, Reading::Cached).is_whole() {
            doubts.push(text!(
                "doubt-damaged",
                number = generation.record.number.get()
            ));
        }
        let is_meant = |about: &AboutKeyPair| is_called(about, names);
        let mut key_pairs = Vec::new();
        for (at, about) in written.key_pairs.iter().enumerate() {
            key_pairs.push((about, key_pair_file(at + 1)));
        }
        Some(Self {
            server_name: state.server_name(),
            record: &generation.record,
            older: older(survey, &generation.record),
            doubts,
            left_out: left_out::remembered_on_media(
                state, survey, generation, wanted, &is_meant, now,
            ),
            key_pairs,
            without_key: &written.without_key,
            exceptions: &written.exceptions,
        })
    }

    fn holds(&self, name: &String) -> bool {
        let mut key_pairs = self.key_pairs.iter();
        key_pairs.any(|(about, _)| is_called(about, std::slice::from_ref(name)))
    }

    fn document(&self, session: &Session<'_>, names: &[String]) -> GenerationReport<'a> {
        let mut key_pairs = Vec::new();
        for (about, file) in self.called(names) {
            key_pairs.push(KeyPairReport {
                file: file.clone(),
                about,
                standing: standing::id(remaining(session, about)),
            });
        }
        let doubts = self.doubts.iter().map(|doubt| session.console.words(doubt));
        GenerationReport {
            server: self.record.server.to_string(),
            server_name: self.server_name,
            number: self.record.number.get(),
            time: self.record.time.to_string(),
            due: self.record.due.to_string(),
            older: self.older.clone(),
            doubts: doubts.collect(),
            key_pairs,
            left_out: LeftOutReport::of(&self.left_out),
            without_key: self.without_key,
            exceptions: self.exceptions,
        }
    }

    fn called(&self, names: &[String]) -> impl Iterator<Item = &(&'a AboutKeyPair, String)> {
        let key_pairs = self.key_pairs.iter();
        key_pairs.filter(|(about, _)| is_called(about, names))
    }
}

/// What this server remembers of a generation, if that is all: of an old one it may be a part.
fn known_whole<'a>(state: &'a State, generation: &Generation) -> Option<&'a Written> {
    let written = state.written(generation.record.number)?;
    let is_it = written.record == generation.hash;
    // The catalog is a file, too.
    let is_all = written.key_pairs.len() + 1 == generation.record.files.len();
    (is_it && is_all).then_some(written)
}

fn older(survey: &Survey<'_>, record: &Record) -> Vec<String> {
    let numbers = survey
        .line(record.server)
        .map(|generation| generation.record.number);
    numbers
        .filter(|number| *number < record.number)
        .map(|number| number.to_string())
        .collect()
}

fn exit_of(shown: &[ShownGeneration<'_>]) -> Exit {
    if shown.iter().any(|shown| !shown.doubts.is_empty()) {
        Exit::Attention
    } else {
        Exit::Done
    }
}

fn show(
    session: &Session<'_>,
    shown: &[ShownGeneration<'_>],
    names: &[String],
    vault: &str,
    exit: Exit,
) {
    let mut generations = Vec::new();
    for shown in shown {
        show_one(session, shown, names);
        generations.push(shown.document(session, names));
    }
    let report = ContentsReport { vault, generations };
    session.console.document(exit, &report);
}

fn show_one(session: &Session<'_>, shown: &ShownGeneration<'_>, names: &[String]) {
    let record = shown.record;
    session.console.say(&text!(
        "contents-headline",
        server = shown.server_name,
        id = record.server.to_string(),
        number = record.number.get(),
        day = day(record.time),
        age = age(record.time, session.now),
        count = shown.key_pairs.len(),
        left_out = left_out::count(&shown.left_out),
    ));
    if !shown.older.is_empty() {
        session
            .console
            .mention(&text!("contents-older", numbers = shown.older.join(", ")));
    }
    for doubt in &shown.doubts {
        session.console.warn(doubt);
    }
    session.console.table(&table(session, shown, names));
    for left_out in &shown.left_out {
        session.console.warn(&left_out.text());
    }
    for without in shown.without_key {
        session
            .console
            .warn(&text!("contents-without-key", name = without.name.as_str()));
    }
}

fn table(session: &Session<'_>, shown: &ShownGeneration<'_>, names: &[String]) -> Table {
    let words = |text| session.console.words(&text);
    let mut table = Table::new(vec![
        words(text!("column-names")),
        words(text!("column-friendly-name")),
        words(text!("column-thumbprint")),
        words(text!("column-expires")),
        words(text!("column-key")),
        words(text!("column-file")),
    ]);
    for (about, file) in shown.called(names) {
        table.row(vec![
            about.display_name().to_owned(),
            about.friendly_name.clone().unwrap_or_default(),
            short(&about.thumbprint),
            ends(session, about),
            about.key_type.clone(),
            file.clone(),
        ]);
    }
    table
}

/// The end of a certificate, marked where it is not valid today.
fn ends(session: &Session<'_>, about: &AboutKeyPair) -> String {
    let until = day(about.not_after);
    match remaining(session, about) {
        Remaining::Over => session.console.words(&text!("cell-expired", day = until)),
        Remaining::NotYet => session
            .console
            .words(&text!("cell-not-yet-valid", day = until)),
        Remaining::Days(_) | Remaining::Long => until,
    }
}

fn remaining(session: &Session<'_>, about: &AboutKeyPair) -> Remaining {
    match about.not_before {
        Some(begin) if session.now < begin => Remaining::NotYet,
        _ => Remaining::until(about.not_after, session.now),
    }
}

fn reveal_passwords(
    session: &Session<'_>,
    generations: &[OpenGeneration],
    names: &[String],
) -> Result<()> {
    for entry in generations
        .iter()
        .flat_map(|from| &from.catalog.key_pairs)
        .filter(|entry| is_wanted(entry, names))
    {
        let (name, password) = (entry.about.display_name(), entry.pfx_password.expose());
        session.console.show_privately(&[
            &session
                .console
                .words(&text!("contents-password", name = name)),
            " ",
            password,
        ])?;
    }
    Ok(())
}
