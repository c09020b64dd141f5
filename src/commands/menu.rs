//! `pfxvault` alone: the everyday commands by number, for who does not know them by name. Each is
//! the command line that it stands for, which is shown.

use clap::{CommandFactory, FromArgMatches};

use crate::cli::{self, Cli};
use crate::commands::{Run, carry_out, label_of_vault, size};
use crate::error::{Error, Exit, Result};
use crate::keystore::IIS;
use crate::message::Text;
use crate::platform::media;
use crate::text;
use crate::workflow::left_out::quoted;

/// Asks what to do until the answer is nothing more; the exit code is the last command's. Where
/// nobody can be asked, it shows the help.
pub fn run(run: &Run<'_>) -> Result<Exit> {
    let console = run.console;
    if console.json {
        return Err(Error::usage(text!(
            "error-missing-argument",
            argument = "COMMAND"
        )));
    }
    if !console.interactive() {
        console.print(cli::worded(console).render_help().to_string().trim_end());
        return Ok(Exit::Usage);
    }
    console.say(&text!(
        "menu-headline",
        version = env!("CARGO_PKG_VERSION"),
        server = media::host_name()
    ));
    let tasks = tasks();
    let names: Vec<String> = tasks.iter().map(|(name, _)| console.words(name)).collect();
    let (mut exit, mut question) = (Exit::Done, text!("menu-question"));
    while let Some(chosen) = console.choose(&question, &names, &text!("menu-quit"))? {
        match tasks[chosen].1(run)
            .and_then(|line| line.map_or(Ok(exit), |line| perform(run, &line)))
        {
            Ok(done) => exit = done,
            Err(error) => {
                console.error(&error);
                exit = error.exit;
            }
        }
        question = text!("menu-next");
    }
    Ok(exit)
}

/// The command line of a task, after asking for what it needs; nothing where the answer is to leave
/// it.
type Line = fn(&Run<'_>) -> Result<Option<Vec<String>>>;

fn tasks() -> Vec<(Text, Line)> {
    let mut tasks: Vec<(Text, Line)> = vec![
        (text!("menu-status"), |_| line(&["status"])),
        (text!("menu-backup"), backup),
        (text!("menu-verify"), |run| on_medium(run, &["verify"])),
        (text!("menu-drill"), |run| {
            on_medium(run, &["drill", "--from"])
        }),
        (text!("menu-copy"), copy),
        (text!("menu-restore"), restore),
    ];
    if cfg!(windows) {
        tasks.push((text!("menu-install"), install));
        tasks.push((text!("menu-undo"), |_| line(&["undo"])));
    }
    tasks
}

fn line(words: &[&str]) -> Result<Option<Vec<String>>> {
    Ok(Some(words.iter().map(|word| (*word).to_owned()).collect()))
}

fn on_medium(run: &Run<'_>, words: &[&str]) -> Result<Option<Vec<String>>> {
    match run.choose_medium(&text!("menu-which-medium"))? {
        Some(medium) => line(&[words, &[&medium]].concat()),
        None => Ok(None),
    }
}

fn backup(run: &Run<'_>) -> Result<Option<Vec<String>>> {
    let Some(from) = elsewhere(run, &text!("menu-backup-from"))? else {
        return Ok(None);
    };
    match run.choose_medium(&text!("menu-to-medium"))? {
        Some(to) => line(&["backup", "--from", &from, "--to", &to]),
        None => Ok(None),
    }
}

fn copy(run: &Run<'_>) -> Result<Option<Vec<String>>> {
    let Some(from) = run.choose_medium(&text!("menu-which-medium"))? else {
        return Ok(None);
    };
    match run.choose_medium(&text!("menu-to-medium"))? {
        Some(to) => line(&["copy", "--from", &from, "--to", &to]),
        None => Ok(None),
    }
}

fn restore(run: &Run<'_>) -> Result<Option<Vec<String>>> {
    let Some(from) = run.choose_medium(&text!("menu-which-medium"))? else {
        return Ok(None);
    };
    match elsewhere(run, &text!("menu-restore-to"))? {
        Some(to) => line(&["restore", "--from", &from, "--to", &to]),
        None => Ok(None),
    }
}

fn install(run: &Run<'_>) -> Result<Option<Vec<String>>> {
    let file = run.console.ask(&text!("menu-install-file"))?;
    if file.is_empty() {
        Ok(None)
    } else {
        line(&["install", unquoted(&file)])
    }
}

/// The other end of a backup or restore: on Windows this server itself, elsewhere what is typed.
fn elsewhere(run: &Run<'_>, question: &Text) -> Result<Option<String>> {
    if cfg!(windows) {
        return Ok(Some(IIS.to_owned()));
    }
    let typed = run.console.ask(question)?;
    Ok((!typed.is_empty()).then(|| unquoted(&typed).to_owned()))
}

/// A path as Explorer's "Copy as path" gives it, without its quotes.
fn unquoted(path: &str) -> &str {
    path.trim_matches('"')
}

fn perform(run: &Run<'_>, words: &[String]) -> Result<Exit> {
    let words: Vec<&str> = std::iter::once("pfxvault")
        .chain(words.iter().map(String::as_str))
        .collect();
    let words_quoted = words.iter().map(|word| quoted(word));
    run.console.say(&text!(
        "menu-line",
        line = words_quoted.collect::<Vec<_>>().join(" ")
    ));
    let parsed = Cli::command().try_get_matches_from(words);
    match parsed.and_then(|matches| Cli::from_arg_matches(&matches)) {
        // Each command begins now: a menu may stay open for days.
        Ok(Cli {
            action: Some(action),
            ..
        }) => carry_out(&Run::new(run.global.clone(), run.console)?, action),
        Ok(_) => Ok(Exit::Usage),
        Err(error) => Ok(cli::explain(run.console, &error)),
    }
}

impl Run<'_> {
    /// Lets a person choose among the media that are inserted, or type another place.
    pub fn choose_medium(&self, question: &Text) -> Result<Option<String>> {
        let inserted = media::inserted();
        let mut names: Vec<String> = Vec::new();
        for facts in &inserted {
            let root = facts.real_path.display().to_string();
            let free = facts.free.map(size).unwrap_or_default();
            let file_system = facts.file_system.as_str();
            names.push(self.console.words(&match label_of_vault(&facts.real_path) {
                Some(label) => text!(
                    "menu-stick-vault",
                    root = root,
                    system = file_system,
                    free = free,
                    label = label
                ),
                None => text!("menu-stick", root = root, system = file_system, free = free),
            }));
        }
        names.push(self.console.words(&text!("menu-other-place")));
        let Some(chosen) = self.console.choose(question, &names, &text!("menu-back"))? else {
            return Ok(None);
        };
        if let Some(facts) = inserted.get(chosen) {
            return Ok(Some(facts.real_path.display().to_string()));
        }
        let typed = self.console.ask(&text!("menu-type-medium"))?;
        Ok((!typed.is_empty()).then(|| unquoted(&typed).to_owned()))
    }
}
