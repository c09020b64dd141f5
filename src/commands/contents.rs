//! `contents`: what a vault holds, by server and generation. What this server wrote itself needs no
//! passphrase.

use serde_json::{Value, json};

use crate::cli::{Contents, Which};
use crate::commands::{Run, day, short, standing};
use crate::console::Table;
use crate::error::{Error, Exit, Result};
use crate::keypair;
use crate::keypair::Remaining;
use crate::message::Text;
use crate::state::{State, Written};
use crate::text;
use crate::workflow::left_out::{self, LeftOut};
use crate::workflow::unlock::{self, OpenGeneration, Opened, Wanted};
use vault::catalog::{AboutKeyPair, Catalog, CatalogEntry, Exception, WithoutKey};
use vault::id::ServerId;
use vault::medium::Medium;
use vault::record::{Record, key_pair_file};
use vault::survey::Survey;
use vault::volume::Reading;

/// Runs the command.
pub fn run(run: &Run<'_>, args: &Contents) -> Result<Exit> {
    let media = run.vault_media_or_inserted(&args.from)?;
    let known = run.memory();
    if let Some(exit) = run_from_memory(run, &media, args, known.state.as_ref())? {
        return Ok(exit);
    }
    let opened = run.open(&media, &known)?;
    let (generations, lost) = find(&opened, args)?;
    let shown: Vec<_> = generations
        .iter()
        .map(|from| Shown::of(from, &opened.survey))
        .collect();
    let mut exit = exit_of(&shown);
    for error in &lost {
        run.console.warn(&error.text);
        exit = Exit::Damaged;
    }
    show(run, &shown, &args.names, opened.vault().as_str(), exit);
    if args.reveal_password {
        reveal_passwords(run, &generations, &args.names)?;
    }
    Ok(exit)
}

/// The generations to show, and why a server has none. Without a choice: the newest of every
/// server.
fn find(opened: &Opened<'_>, args: &Contents) -> Result<(Vec<OpenGeneration>, Vec<Error>)> {
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
    run: &Run<'_>,
    media: &[Medium],
    args: &Contents,
    state: Option<&State>,
) -> Result<Option<Exit>> {
    let Some(state) = state.filter(|_| !run.secret_is_given() && !args.reveal_password) else {
        return Ok(None);
    };
    let survey = Survey::of(media, state.vault().clone(), &state.trust, Reading::Cached)?;
    let shown = Shown::from_memory(state, &survey, &args.which, &args.names, run.now)?;
    // A name that is not in it may be in an older one, which only the passphrase can tell.
    let knows = |shown: &Shown<'_>, name: &String| {
        shown
            .key_pairs
            .iter()
            .any(|(about, _)| is_called(about, std::slice::from_ref(name)))
    };
    let Some(shown) = shown.filter(|shown| args.names.iter().all(|name| knows(shown, name))) else {
        return Ok(None);
    };
    let shown = [shown];
    let exit = exit_of(&shown);
    show(run, &shown, &args.names, state.vault().as_str(), exit);
    Ok(Some(exit))
}

/// One generation with what may be shown of it.
struct Shown<'a> {
    server_name: &'a str,
    record: &'a Record,
    older: Vec<String>,
    doubts: Vec<Text>,
    left_out: Vec<LeftOut>,
    key_pairs: Vec<(&'a AboutKeyPair, String)>,
    without_key: &'a [WithoutKey],
    exceptions: &'a [Exception],
}

impl<'a> Shown<'a> {
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

    /// Only where no other server's generations lie on the media: their names only the passphrase
    /// shows.
    fn from_memory(
        state: &'a State,
        survey: &'a Survey<'_>,
        which: &Which,
        names: &[String],
        now: jiff::Timestamp,
    ) -> Result<Option<Self>> {
        let own = state.server();
        if survey.servers().iter().any(|server| *server != own) || which.server.is_some() {
            return Ok(None);
        }
        let wanted = which
            .generation
            .as_deref()
            .map_or(Ok(Wanted::Newest), Wanted::parse)?;
        let Some(generation) = survey
            .line(own)
            .find(|generation| wanted.matches(generation))
        else {
            return Ok(None);
        };
        // Of an old one this server may remember a part; the catalog is a file, too.
        let known = |written: &&Written| {
            written.record == generation.hash.to_string()
                && written.key_pairs.len() + 1 == generation.record.files.len()
        };
        let Some(written) = state.written(generation.record.number).filter(known) else {
            return Ok(None);
        };
        let is_meant = |about: &AboutKeyPair| is_called(about, names);
        let file = |at: usize| key_pair_file(at + 1);
        let mut doubts = unlock::speaks_against(survey, own, Some(state));
        if !survey.check(generation, Reading::Cached).is_whole() {
            doubts.push(text!(
                "doubt-damaged",
                number = generation.record.number.get()
            ));
        }
        Ok(Some(Self {
            server_name: state.server_name(),
            record: &generation.record,
            older: older(survey, &generation.record),
            doubts,
            left_out: left_out::remembered_on_media(
                state, survey, generation, &wanted, &is_meant, now,
            ),
            key_pairs: written
                .key_pairs
                .iter()
                .enumerate()
                .map(|(at, about)| (about, file(at)))
                .collect(),
            without_key: &written.without_key,
            exceptions: &written.exceptions,
        }))
    }

    fn document(&self, run: &Run<'_>, names: &[String]) -> Value {
        let wanted = self
            .key_pairs
            .iter()
            .filter(|(about, _)| is_called(about, names));
        let key_pair = |(about, file): &(&AboutKeyPair, String)| json!({ "file": file, "about": about, "standing": standing::id(remaining(run, about)) });
        json!({
            "server": self.record.server.to_string(),
            "server_name": self.server_name,
            "number": self.record.number.get(),
            "time": self.record.time.to_string(),
            "due": self.record.due.to_string(),
            "older": self.older,
            "doubts": self.doubts.iter().map(|doubt| run.console.words(doubt)).collect::<Vec<_>>(),
            "key_pairs": wanted.map(key_pair).collect::<Vec<_>>(),
            "left_out": left_out_document(&self.left_out),
            "without_key": self.without_key,
            "exceptions": self.exceptions,
        })
    }
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

fn exit_of(shown: &[Shown<'_>]) -> Exit {
    if shown.iter().any(|shown| !shown.doubts.is_empty()) {
        Exit::Attention
    } else {
        Exit::Done
    }
}

fn show(run: &Run<'_>, shown: &[Shown<'_>], names: &[String], vault: &str, exit: Exit) {
    shown.iter().for_each(|shown| show_one(run, shown, names));
    let generations: Vec<_> = shown
        .iter()
        .map(|shown| shown.document(run, names))
        .collect();
    run.console
        .document(exit, json!({ "vault": vault, "generations": generations }));
}

fn show_one(run: &Run<'_>, shown: &Shown<'_>, names: &[String]) {
    let record = shown.record;
    run.console.say(&text!(
        "contents-headline",
        server = shown.server_name,
        id = record.server.to_string(),
        number = record.number.get(),
        day = day(record.time),
        age = age_in_days(run, record.time),
        count = shown.key_pairs.len(),
        left_out = left_out::count(&shown.left_out),
    ));
    if !shown.older.is_empty() {
        run.console
            .mention(&text!("contents-older", numbers = shown.older.join(", ")));
    }
    shown
        .doubts
        .iter()
        .for_each(|doubt| run.console.warn(doubt));
    run.console.table(&table(run, shown, names));
    shown
        .left_out
        .iter()
        .for_each(|left_out| run.console.warn(&left_out.text()));
    for without in shown.without_key {
        run.console
            .warn(&text!("contents-without-key", name = without.name.as_str()));
    }
}

fn table(run: &Run<'_>, shown: &Shown<'_>, names: &[String]) -> Table {
    let words = |text| run.console.words(&text);
    let mut table = Table::new(vec![
        words(text!("column-names")),
        words(text!("column-friendly-name")),
        words(text!("column-thumbprint")),
        words(text!("column-expires")),
        words(text!("column-key")),
        words(text!("column-file")),
    ]);
    for (about, file) in shown
        .key_pairs
        .iter()
        .filter(|(about, _)| is_called(about, names))
    {
        table.row(vec![
            about.display_name().to_owned(),
            about.friendly_name.clone().unwrap_or_default(),
            short(&about.thumbprint),
            ends(run, about),
            about.key_type.clone(),
            file.clone(),
        ]);
    }
    table
}

/// The end of a certificate, marked where it is not valid today.
fn ends(run: &Run<'_>, about: &AboutKeyPair) -> String {
    let until = day(about.not_after);
    match remaining(run, about) {
        Remaining::Over => run.console.words(&text!("cell-expired", day = until)),
        Remaining::NotYet => run.console.words(&text!("cell-not-yet-valid", day = until)),
        Remaining::Days(_) | Remaining::Long => until,
    }
}

fn remaining(run: &Run<'_>, about: &AboutKeyPair) -> Remaining {
    match about.not_before {
        Some(begin) if run.now < begin => Remaining::NotYet,
        _ => Remaining::until(about.not_after, run.now),
    }
}

fn reveal_passwords(run: &Run<'_>, generations: &[OpenGeneration], names: &[String]) -> Result<()> {
    for entry in generations
        .iter()
        .flat_map(|from| &from.catalog.key_pairs)
        .filter(|entry| is_wanted(entry, names))
    {
        let (name, password) = (entry.about.display_name(), entry.pfx_password.expose());
        run.console.show_privately(&[
            &run.console.words(&text!("contents-password", name = name)),
            " ",
            password,
        ])?;
    }
    Ok(())
}

/// Whether any of `names` means this key pair; no names mean all.
fn is_called(about: &AboutKeyPair, names: &[String]) -> bool {
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

/// As [`is_called`], for an entry of a catalog.
pub fn is_wanted(entry: &CatalogEntry, names: &[String]) -> bool {
    is_called(&entry.about, names)
}

/// The generation that `--server` and `--generation` mean, the newest that holds all of `names`;
/// with several servers and no choice, they are listed.
pub fn choose(opened: &Opened<'_>, which: &Which, names: &[String]) -> Result<OpenGeneration> {
    let wanted = which
        .generation
        .as_deref()
        .map_or(Ok(Wanted::Newest), Wanted::parse)?;
    let servers: Vec<ServerId> = opened.survey.claimed_servers().into_iter().collect();
    let server = match (which.server.as_deref(), servers.as_slice()) {
        (_, []) => return Err(opened.nothing_here()),
        (Some(name), _) if is_not_admitted(opened, name) => return Err(opened.nothing_here()),
        (None, [only]) => *only,
        (None, several) => return Err(several_servers(opened, several)),
        (Some(name), several) => find_server(opened, several, name)?,
    };
    let with = |names: &[String]| {
        opened.find(server, &wanted, &|catalog: &Catalog| {
            holds_all(catalog, names)
        })
    };
    match with(names) {
        Ok(mut from) => {
            from.left_out =
                left_out::on_media(opened, &from, &wanted, &|about| is_called(about, names));
            let is_alone = matches!(wanted, Wanted::Number(..));
            return Ok(if is_alone {
                from
            } else {
                warn_of_selection(from, names)
            });
        }
        Err(error) if with(&[]).is_err() => return Err(error),
        Err(_) => {}
    }
    // There are generations, so it is the names that are wrong.
    let unknown = names
        .iter()
        .find(|name| with(std::slice::from_ref(name)).is_err());
    Err(Error::usage(match unknown {
        Some(name) => text!("error-unknown-name", name = name),
        None => text!("error-names-apart", names = names.join(", ")),
    }))
}

/// Whether a server is named, by its id, of which folders lie here and which no statement admits.
fn is_not_admitted(opened: &Opened<'_>, name: &str) -> bool {
    let server = ServerId::parse(&name.to_ascii_uppercase());
    opened
        .survey
        .not_admitted()
        .iter()
        .any(|(of, _)| Some(*of) == server)
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

/// One of `servers` by its id or its name in the newest catalog that opens.
pub fn find_server(opened: &Opened<'_>, servers: &[ServerId], name: &str) -> Result<ServerId> {
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

fn several_servers(opened: &Opened<'_>, servers: &[ServerId]) -> Error {
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

/// What is left out, for programs.
pub fn left_out_document(left_out: &[LeftOut]) -> Value {
    let one = |number: u32, about: &AboutKeyPair| {
        json!({
            "names": about.names, "thumbprint": about.thumbprint, "generation": number,
            "not_after": about.not_after.to_string(),
        })
    };
    left_out
        .iter()
        .flat_map(|held| held.key_pairs.iter().map(|about| one(held.number, about)))
        .collect()
}

/// How many days ago something was.
pub fn age_in_days(run: &Run<'_>, time: jiff::Timestamp) -> u64 {
    u64::try_from((run.now.as_second() - time.as_second()) / 86_400).unwrap_or(0)
}
