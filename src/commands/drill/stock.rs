//! `drill --stock`: the lines of README.TXT for this stick and server, and what they gave held
//! against the backup.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::cli::DrillArgs;
use crate::error::{Error, Exit, Result};
use crate::keystore::{Reading, Source};
use crate::session::Session;
use crate::state::State;
use crate::text;
use crate::workflow::clock;
use crate::workflow::drill::{self, OpenedByHand};
use crate::workflow::server_backup::ServerBackup;
use crate::workflow::unlock::Wanted;
use crate::workflow::verify;
use vault::id::ServerId;
use vault::readme::lines_to_type;
use vault::record::{CATALOG, Record};
use vault::survey::{Generation, Survey};
use vault::trust::Trust;
use vault::volume;

/// What the lines of README.TXT call the stick, the server, the generation and the first file.
const SERVER: &str = "ABCD2345";
const NUMBER: &str = "00000042";
const FILE: &str = "K0000001";
const PLACES: [&str; 2] = ["/media/STICK/PFXVAULT", r"E:\PFXVAULT"];
const IS_WINDOWS: bool = cfg!(windows);

/// Prints what to type. That proves nothing yet, and needs no secret.
pub(super) fn print_lines(session: &Session<'_>, args: &DrillArgs) -> Result<Exit> {
    let media = session.vault_media_or_inserted(&args.from)?;
    let known = session.memory();
    let state = known.state.as_ref();
    let vault = verify::owner_of(&media, state)?;
    let trust = state.map_or_else(|| Trust::new(vault.clone()), |state| state.trust.clone());
    let survey = Survey::of(&media, vault, &trust, volume::Reading::Cached)?;
    let server = server_meant(&survey, state, args)?;
    let generations = generations_meant(session, &survey, state, server, args)?;
    let (first, medium) = place(&survey, generations[0])
        .ok_or_else(|| Error::failed(text!("error-stock-no-folder")))?;
    let mut lines = Vec::new();
    for line in lines_to_type(IS_WINDOWS).filter(|line| is_meant(session, line)) {
        let line = with_place(line, &medium.join("PFXVAULT"));
        lines.extend(for_generation(&line, generations[0], &first));
    }
    let tidy_up = lines.split_off(lines.len().saturating_sub(TIDY_UP));
    for older in &generations[1..] {
        let Some((folder, _)) = place(&survey, older) else {
            continue;
        };
        lines.extend(older_lines(older, &folder));
    }
    let console = session.console;
    if !console.json {
        console.say(&text!("stock-how"));
        console.print(&lines.join("\n"));
        let from = medium.display().to_string();
        console.say(&text!("stock-then", medium = from));
        console.print(&tidy_up.join("\n"));
    }
    session
        .console
        .document(Exit::Done, &StockReport { lines, tidy_up });
    Ok(Exit::Done)
}

/// Lines that leave nothing behind, at the end.
const TIDY_UP: usize = 2;

/// What is to be typed.
#[derive(serde::Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(in crate::commands) struct StockReport {
    /// What opens the files.
    lines: Vec<String>,
    /// What leaves nothing behind, once they were checked.
    tidy_up: Vec<String>,
}

fn server_meant(survey: &Survey<'_>, state: Option<&State>, args: &DrillArgs) -> Result<ServerId> {
    let servers: Vec<ServerId> = survey.claimed_servers().into_iter().collect();
    let own = state.map(State::server).filter(|own| servers.contains(own));
    let named = args.which.server.as_deref();
    let is_named = |server: &&ServerId| {
        named.is_some_and(|name| server.to_string().eq_ignore_ascii_case(name))
    };
    let meant = match (named, servers.as_slice()) {
        (None, [only]) => Some(*only),
        (None, _) => own,
        (Some(name), _) => servers.iter().find(is_named).copied().or_else(|| {
            own.filter(|_| {
                state.is_some_and(|state| state.server_name().eq_ignore_ascii_case(name))
            })
        }),
    };
    let ids: Vec<_> = servers.iter().map(ServerId::to_string).collect();
    meant.ok_or_else(|| Error::usage(text!("error-which-server", servers = ids)))
}

/// The newest generation, and those that hold what it does not, as far as this server remembers.
fn generations_meant<'s>(
    session: &Session<'_>,
    survey: &'s Survey<'_>,
    state: Option<&State>,
    server: ServerId,
    args: &DrillArgs,
) -> Result<Vec<&'s Generation>> {
    let wanted = match &args.which.generation {
        Some(text) => Wanted::parse(text)?,
        None => Wanted::Newest,
    };
    let mut line = survey.line(server);
    let none = || {
        let server = server.to_string();
        Error::failed(text!("error-no-generation", server = server))
    };
    let newest = line.find(|one| wanted.matches(one)).ok_or_else(none)?;
    let mut meant = vec![newest];
    let own = state.filter(|state| state.server() == server && wanted == Wanted::Newest);
    let mut numbers = BTreeSet::new();
    if let Some(state) = own {
        for known in state.key_pairs(clock::trusted(session.now, state)) {
            let is_in_newest = known.pair.numbers.contains(&newest.record.number);
            if known.counts() && !is_in_newest {
                numbers.extend(known.pair.numbers.last().copied());
            }
        }
    }
    meant.extend(line.filter(|one| numbers.contains(&one.record.number)));
    Ok(meant)
}

/// The folder of a generation's copy, the first half before the second, and the medium that it is
/// on, where that is a folder: whole paths, because what is typed changes to another folder.
fn place(survey: &Survey<'_>, generation: &Generation) -> Option<(String, PathBuf)> {
    let mut copies: Vec<_> = generation.copies.iter().collect();
    copies.sort_by_key(|copy| (copy.medium, &copy.path));
    copies.into_iter().find_map(|copy| {
        let root = std::path::absolute(survey.medium(copy.medium).place()?).ok()?;
        let parts = copy.path.split('/');
        let folder = parts.fold(root.clone(), |at, part| at.join(part));
        Some((folder.display().to_string(), root))
    })
}

/// Whether a line is for the way in that was named, and changes nothing here.
fn is_meant(session: &Session<'_>, line: &str) -> bool {
    let by_key = session.opens_with_recovery_key() || session.opens_with_shares();
    let other_way = match by_key {
        true => line.contains("IDENTITY.AGE"),
        false => line.contains("recovery.txt"),
    };
    !other_way && !line.contains("-importpfx")
}

fn with_place(line: &str, folder: &Path) -> String {
    let folder = folder.display().to_string();
    let folder = match IS_WINDOWS {
        true => folder,
        false => escaped(&folder),
    };
    line.replace(PLACES[usize::from(IS_WINDOWS)], &folder)
}

/// A path between double quotes of a shell.
fn escaped(path: &str) -> String {
    let mut text = String::with_capacity(path.len());
    for character in path.chars() {
        if matches!(character, '"' | '$' | '`' | '\\') {
            text.push('\\');
        }
        text.push(character);
    }
    text
}

/// The lines that a line of README.TXT becomes: those for a key pair's file once for each.
fn for_generation(line: &str, generation: &Generation, folder: &str) -> Vec<String> {
    let record: &Record = &generation.record;
    let line = line.replace(SERVER, &record.server.to_string());
    let line = match line.ends_with(&format!("{NUMBER}\"")) || line.ends_with(NUMBER) {
        // The only lines that name the generation say where it lies.
        true => match IS_WINDOWS {
            true => format!("set G={folder}"),
            false => format!("G=\"{}\"", escaped(folder)),
        },
        false => line,
    };
    if !line.contains(FILE) {
        return vec![line];
    }
    let files = record.named_files().filter(|(name, _)| name != CATALOG);
    let stems = files.map(|(name, _)| name.trim_end_matches(".AGE").to_owned());
    stems.map(|stem| line.replace(FILE, &stem)).collect()
}

/// The same lines for a generation before the newest, in a folder of its own.
fn older_lines(generation: &Generation, folder: &str) -> Vec<String> {
    let number = format!("{:08}", generation.record.number.get());
    let mut lines = match IS_WINDOWS {
        true => vec![format!(
            "mkdir \"%W%\\{number}\" && cd /d \"%W%\\{number}\""
        )],
        false => vec![format!("mkdir \"$W/{number}\" && cd \"$W/{number}\"")],
    };
    let all = lines_to_type(IS_WINDOWS).filter(|line| !line.contains("-importpfx"));
    let begins = |line: &&str| !(line.starts_with("G=") || line.starts_with("set G="));
    let is_last = |line: &&str| !(*line == "cd .." || *line == "cd /");
    for line in all.skip_while(begins).take_while(is_last) {
        let line = line.replace(
            "-i id.txt",
            if IS_WINDOWS {
                r"-i ..\id.txt"
            } else {
                "-i ../id.txt"
            },
        );
        lines.extend(for_generation(&line, generation, folder));
    }
    lines
}

/// Reads what stock tools gave.
///
/// # Errors
/// Where the folder cannot be read, or holds nothing of the backup: that proves nothing.
pub(super) fn check<'a>(
    session: &Session<'_>,
    folder: &Path,
    backup: &'a ServerBackup<'_>,
) -> Result<OpenedByHand<'a>> {
    let source = Source::Folder(folder.to_owned());
    let reading = Reading::begin(&source, drill::passwords(backup), session.now)?;
    let opened = drill::by_hand(&reading.finish()?, backup);
    match opened.proofs.is_empty() {
        true => Err(Error::failed(text!("error-stock-nothing", folder = folder))),
        false => Ok(opened),
    }
}

/// Says what else is there, and what was not opened.
pub(super) fn say(session: &Session<'_>, opened: &OpenedByHand<'_>) {
    for name in &opened.strangers {
        session
            .console
            .warn(&text!("stock-stranger", name = name.as_str()));
    }
    if !opened.rest.is_empty() {
        let mut names: Vec<_> = opened
            .rest
            .iter()
            .map(|held| held.about().display_name())
            .collect();
        names.sort_unstable();
        let names = names.join(", ");
        session.console.mention(&text!(
            "stock-rest",
            count = opened.rest.len(),
            names = names
        ));
    }
    session.console.warn(&text!("stock-tidy-up"));
}
