//! `pfxvault` alone: the everyday commands by number, for who does not know them by name. Each is
//! the command line that it stands for, which is shown.

use clap::{CommandFactory, FromArgMatches, ValueEnum};

use crate::cli::{self, Cli};
use crate::commands::carry_out;
use crate::error::{Error, Exit, Result};
use crate::keystore::IIS;
use crate::message::Text;
use crate::platform::media;
use crate::session::Session;
use crate::session::choose_medium::unquoted;
use crate::text;

/// Asks what to do until the answer is nothing more; the exit code is the last command's. Where
/// nobody can be asked, it shows the help.
pub(super) fn run(session: &Session<'_>) -> Result<Exit> {
    let console = session.console;
    if console.json {
        return Err(Error::usage(text!(
            "error-missing-argument",
            argument = "COMMAND"
        )));
    }
    if !console.interactive() {
        console.print_wrapped(cli::worded(console).render_help().to_string().trim_end());
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
        let (_, line_of) = &tasks[chosen];
        let done = match line_of(session) {
            Ok(Some(line)) => perform(session, &line),
            Ok(None) => Ok(exit),
            Err(error) => Err(error),
        };
        match done {
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
type MenuLine = fn(&Session<'_>) -> Result<Option<Vec<String>>>;

fn tasks() -> Vec<(Text, MenuLine)> {
    let mut tasks: Vec<(Text, MenuLine)> = vec![
        (text!("menu-status"), |_| line(&["status"])),
        (text!("menu-backup"), backup),
        (text!("menu-verify"), |session| {
            on_medium(session, &["verify"])
        }),
        (text!("menu-drill"), |session| {
            on_medium(session, &["drill", "--from"])
        }),
        (text!("menu-copy"), copy),
        (text!("menu-restore"), restore),
        (text!("menu-contents"), |session| {
            on_medium(session, &["contents", "--from"])
        }),
        (text!("menu-drill-envelope"), |session| {
            on_medium(session, &["drill", "--recovery-key", "--from"])
        }),
        (text!("menu-envelope"), another_envelope),
        (text!("menu-lost"), lost_stick),
        (text!("menu-audit"), |_| line(&["audit"])),
        (text!("menu-list"), list),
        (text!("menu-report"), report),
        (text!("menu-sheet"), sheet),
        (text!("menu-add"), |session| {
            to_medium(session, &["media", "add"])
        }),
        (text!("menu-join"), |session| {
            to_medium(session, &["servers", "join"])
        }),
        (text!("menu-demo"), |_| line(&["demo"])),
        (text!("menu-help"), |_| line(&["help"])),
    ];
    if cfg!(windows) {
        tasks.push((text!("menu-request"), request));
        tasks.push((text!("menu-install"), install));
        tasks.push((text!("menu-undo"), |_| line(&["undo"])));
    }
    tasks
}

fn line(words: &[&str]) -> Result<Option<Vec<String>>> {
    Ok(Some(words.iter().map(|word| (*word).to_owned()).collect()))
}

fn on_medium(session: &Session<'_>, words: &[&str]) -> Result<Option<Vec<String>>> {
    match session.choose_medium(&text!("menu-which-medium"))? {
        Some(medium) => line(&[words, &[&medium]].concat()),
        None => Ok(None),
    }
}

fn to_medium(session: &Session<'_>, words: &[&str]) -> Result<Option<Vec<String>>> {
    match session.choose_medium(&text!("menu-to-medium"))? {
        Some(medium) => line(&[words, &[&medium]].concat()),
        None => Ok(None),
    }
}

fn list(session: &Session<'_>) -> Result<Option<Vec<String>>> {
    match elsewhere(session, &text!("menu-backup-from"))? {
        Some(from) => line(&["list", "--from", &from]),
        None => Ok(None),
    }
}

/// The whole shop from a stick, as a page where a file is named.
fn report(session: &Session<'_>) -> Result<Option<Vec<String>>> {
    let Some(from) = session.choose_medium(&text!("menu-which-medium"))? else {
        return Ok(None);
    };
    let file = session.console.ask(&text!("menu-report-file"))?;
    match unquoted(&file) {
        "" => line(&["report", &from]),
        file => line(&["report", &from, "--html", file]),
    }
}

fn sheet(session: &Session<'_>) -> Result<Option<Vec<String>>> {
    let Some(from) = session.choose_medium(&text!("menu-which-medium"))? else {
        return Ok(None);
    };
    let file = session.console.ask(&text!("menu-sheet-file"))?;
    match unquoted(&file) {
        "" => Ok(None),
        file => line(&["sheet", "--from", &from, "--to", file]),
    }
}

fn backup(session: &Session<'_>) -> Result<Option<Vec<String>>> {
    let Some(from) = elsewhere(session, &text!("menu-backup-from"))? else {
        return Ok(None);
    };
    match session.choose_medium(&text!("menu-to-medium"))? {
        Some(to) => line(&["backup", "--from", &from, "--to", &to]),
        None => Ok(None),
    }
}

fn copy(session: &Session<'_>) -> Result<Option<Vec<String>>> {
    let Some(from) = session.choose_medium(&text!("menu-which-medium"))? else {
        return Ok(None);
    };
    match session.choose_medium(&text!("menu-to-medium"))? {
        Some(to) => line(&["copy", "--from", &from, "--to", &to]),
        None => Ok(None),
    }
}

fn restore(session: &Session<'_>) -> Result<Option<Vec<String>>> {
    let Some(from) = session.choose_medium(&text!("menu-which-medium"))? else {
        return Ok(None);
    };
    match elsewhere(session, &text!("menu-restore-to"))? {
        Some(to) => line(&["restore", "--from", &from, "--to", &to]),
        None => Ok(None),
    }
}

fn another_envelope(session: &Session<'_>) -> Result<Option<Vec<String>>> {
    match session.choose_medium(&text!("menu-to-medium"))? {
        Some(to) => line(&["access", "add", "recovery-key", "--to", &to]),
        None => Ok(None),
    }
}

fn lost_stick(session: &Session<'_>) -> Result<Option<Vec<String>>> {
    let label = session.console.ask(&text!("menu-lost-label"))?;
    if label.is_empty() {
        Ok(None)
    } else {
        line(&["media", "retire", &label, "--lost"])
    }
}

fn request(session: &Session<'_>) -> Result<Option<Vec<String>>> {
    let name = session.console.ask(&text!("menu-request-name"))?;
    if name.is_empty() {
        return Ok(None);
    }
    let file = session.console.ask(&text!("menu-request-file"))?;
    match unquoted(&file) {
        "" => Ok(None),
        file => line(&["request", &name, "--out", file]),
    }
}

fn install(session: &Session<'_>) -> Result<Option<Vec<String>>> {
    let file = session.console.ask(&text!("menu-install-file"))?;
    if file.is_empty() {
        Ok(None)
    } else {
        line(&["install", unquoted(&file)])
    }
}

/// The other end of a backup or restore: on Windows this server itself, elsewhere what is typed.
fn elsewhere(session: &Session<'_>, question: &Text) -> Result<Option<String>> {
    if cfg!(windows) {
        return Ok(Some(IIS.to_owned()));
    }
    let typed = session.console.ask(question)?;
    Ok((!typed.is_empty()).then(|| unquoted(&typed).to_owned()))
}

fn perform(session: &Session<'_>, words: &[String]) -> Result<Exit> {
    let words: Vec<&str> = std::iter::once("pfxvault")
        .chain(words.iter().map(String::as_str))
        .collect();
    let common = common_options(session);
    let all = words
        .iter()
        .copied()
        .chain(common.iter().map(String::as_str));
    session.console.say(&text!(
        "menu-line",
        line = all.map(quoted).collect::<Vec<_>>().join(" ")
    ));
    let parsed = Cli::command().try_get_matches_from(words);
    match parsed.and_then(|matches| Cli::from_arg_matches(&matches)) {
        // Each command begins now: a menu may stay open for days.
        Ok(Cli {
            action: Some(action),
            ..
        }) => carry_out(
            &Session::new(session.global.clone(), session.console)?,
            action,
        ),
        Ok(_) => Ok(Exit::Usage),
        Err(error) => Ok(cli::explain(session.console, &error)),
    }
}

/// What the menu itself was given and every command of it gets.
fn common_options(session: &Session<'_>) -> Vec<String> {
    let mut words = Vec::new();
    if let Some(language) = session
        .global
        .lang
        .and_then(|lang| lang.to_possible_value())
    {
        words.extend(["--lang".to_owned(), language.get_name().to_owned()]);
    }
    if let Some(state) = &session.global.state {
        words.extend(["--state".to_owned(), state.display().to_string()]);
    }
    for exception in &session.global.accept {
        words.extend(["--accept".to_owned(), exception.clone()]);
    }
    words
}

/// A word of a command line as a shell takes it.
fn quoted(word: &str) -> String {
    if word.contains(' ') {
        format!("\"{word}\"")
    } else {
        word.to_owned()
    }
}
