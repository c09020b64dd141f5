//! The screens in the documents are those of the program: each is run on a terminal, at the places
//! that the documents name, and compared. `UPDATE_DOCS=1` writes them anew.
//!
//! A document marks a screen with `<!-- screen NAME -->` above its block. Days, thumbprints, ids and
//! sizes, which differ from run to run, are those of one example.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use rexpect::session::spawn_command;

use crate::common::{PASSPHRASE, PFX_PASSWORD, Table};
use crate::documents::{guides, root};

const MILLISECONDS: Option<u64> = Some(300_000);
/// What a document is read in.
const COLUMNS: usize = 100;

/// One command of the story, and what is typed: behind which English or Japanese words, and what.
struct Screen {
    name: &'static str,
    line: &'static str,
    answers: &'static [([&'static str; 2], &'static str)],
}

const FILES: [&str; 2] = ["leaves them out): ", "のみで除外): "];
const VAULT: [&str; 2] = ["Passphrase of the vault: ", "保管庫のパスフレーズ: "];
const YES: [&str; 2] = ["[Y/n] ", "[Y/n] "];
const NEW: [&str; 2] = ["New password for the PFX: ", "PFX の新しいパスワード: "];
const AGAIN: [&str; 2] = ["The same again: ", "もう一度入力してください: "];

/// In this order, each on what the ones before it left.
const STORY: [Screen; 7] = [
    Screen {
        name: "list",
        line: "list --from folder:/srv/certs",
        answers: &[(FILES, PFX_PASSWORD)],
    },
    Screen {
        name: "backup",
        line: "backup --from folder:/srv/certs --to /media/usb",
        answers: &[(FILES, PFX_PASSWORD)],
    },
    Screen {
        name: "drill",
        line: "drill --from /media/usb",
        answers: &[(VAULT, PASSPHRASE)],
    },
    Screen {
        name: "restore",
        line: "restore --from /media/usb --to folder:/srv/restored",
        answers: &[
            (VAULT, PASSPHRASE),
            (YES, ""),
            (NEW, PFX_PASSWORD),
            (AGAIN, PFX_PASSWORD),
        ],
    },
    Screen {
        name: "verify",
        line: "verify /media/usb",
        answers: &[],
    },
    Screen {
        name: "status",
        line: "status /media/usb",
        answers: &[],
    },
    Screen {
        name: "lost",
        line: "media retire A --lost --yes",
        answers: &[],
    },
];

/// The command on a terminal, with the table's folders at the places that documents name.
fn on_terminal(table: &Table, language: &str, line: &str) -> Command {
    let place = |name: &str| table.at(name).display().to_string();
    let script = format!(
        "stty cols {COLUMNS} rows 60 echo
         mount -t tmpfs none /srv && mkdir /srv/certs /srv/restored && rmdir /srv/restored
         mount -t tmpfs none /media && mkdir /media/usb
         mount --bind '{}' /srv/certs && mount --bind '{}' /media/usb
         exec \"$@\"",
        place("server"),
        place("A")
    );
    let reason = match language {
        "ja" => "other-medium=フォルダーを USB メモリの代わりに使用",
        _ => "other-medium=a folder stands for the stick",
    };
    let mut shell = Command::new("unshare");
    shell
        .args(["--map-root-user", "--mount", "sh", "-c", &script, "sh"])
        .arg(env!("CARGO_BIN_EXE_pfxvault"))
        .args(line.split(' '))
        .args(["--lang", language, "--state", &place("state")])
        .args(["--accept", reason])
        .env("LC_ALL", "C.UTF-8")
        .env("TERM", "dumb")
        .env("TZ", "UTC");
    shell
}

/// A terminal is read byte by byte, whatever these mean.
fn as_read(text: &str) -> String {
    text.bytes().map(char::from).collect()
}

fn as_meant(read: &str) -> String {
    let bytes: Vec<u8> = read.chars().map(|c| c as u8).collect();
    String::from_utf8(bytes).unwrap()
}

fn shown(table: &Table, language: &str, screen: &Screen) -> String {
    let mut session =
        spawn_command(on_terminal(table, language, screen.line), MILLISECONDS).unwrap();
    let mut said = String::new();
    for (questions, answer) in screen.answers {
        let question = as_read(questions[usize::from(language == "ja")]);
        said += &session.exp_string(&question).unwrap();
        said += &question;
        session.send_line(answer).unwrap();
    }
    said += &session.exp_eof().unwrap();
    as_meant(&said).replace('\r', "").trim_end().to_owned()
}

/// Of the example's certificates.
const THUMBPRINTS: [&str; 3] = [
    "93A34E5B0D5E1A7C2F60B8D1E9A4C37F5582C635",
    "030A7FD2C98B41E06A35F17D9C0E84B25D61A93B",
    "53BB19C67A2ED80F4B93E5A1076CD2F83E94B1FA",
];

/// Puts those of the example in the place of what differs from run to run.
struct Example {
    server: String,
    vault: String,
    today: jiff::civil::Date,
    thumbprints: BTreeMap<String, &'static str>,
    /// Short ids of the ways in, and the account, each with what stands for it.
    others: Vec<(String, &'static str)>,
}

/// What stands for the ways in, by what opens them.
const WAYS: [(&str, &str); 2] = [("passphrase", "5b1e"), ("recovery-key", "c07d")];

impl Example {
    fn of(table: &Table) -> Self {
        let state = fs::read_to_string(table.at("state/state.json")).unwrap();
        let state: serde_json::Value = serde_json::from_str(&state).unwrap();
        let statement = state["statements"][0]["text"].as_str().unwrap();
        let server = statement.split("\nserver ").nth(1).unwrap();
        Self {
            server: server.split(' ').next().unwrap().to_owned(),
            vault: state["vault"].as_str().unwrap().to_owned(),
            today: jiff::Timestamp::now()
                .to_zoned_datetime(jiff::tz::TimeZone::UTC)
                .date(),
            thumbprints: BTreeMap::new(),
            others: others(&state["ways"]),
        }
    }

    fn word(&mut self, word: &str) -> String {
        let letters: Vec<char> = word.chars().collect();
        let is_short = letters.len() == 7 && letters[4] == '…';
        let is_whole = letters.len() == 40 && letters.iter().all(char::is_ascii_hexdigit);
        if is_short || is_whole {
            let (begin, end) = (&letters[..4], &letters[letters.len() - 2..]);
            let key: String = begin.iter().chain(end).collect();
            let free = THUMBPRINTS[self.thumbprints.len().min(2)];
            let example = *self.thumbprints.entry(key).or_insert(free);
            return if is_whole {
                example.to_owned()
            } else {
                format!("{}…{}", &example[..4], &example[38..])
            };
        }
        if let Some((_, example)) = self.others.iter().find(|(other, _)| other == word) {
            return (*example).to_owned();
        }
        match word.parse::<jiff::civil::Date>() {
            Ok(day) if letters.len() == 10 => {
                let passed = day.since(self.today).unwrap();
                (jiff::civil::date(2026, 11, 28) + passed).to_string()
            }
            _ => word.to_owned(),
        }
    }

    fn put_into(&mut self, text: &str) -> String {
        let text = text.replace(&self.server, "4AHWHSMQ").replace(
            &self.vault,
            "SHA256:Vc0fGmSdcxIuj1Uv8yfBUKJB1WZ0qGzBaCsWCzmkKQQ",
        );
        let (mut done, mut word) = (String::new(), String::new());
        for letter in text.chars().chain(['\n']) {
            if letter.is_ascii_alphanumeric() || letter == '-' || letter == '…' {
                word.push(letter);
            } else {
                done += &self.word(&std::mem::take(&mut word));
                done.push(letter);
            }
        }
        let mut lines: Vec<String> = done
            .lines()
            .map(|line| line.trim_end().to_owned())
            .collect();
        for line in &mut lines {
            if let Some(at) = line.find(" kB)") {
                let begin = line[..at].rfind('(').unwrap();
                line.replace_range(begin + 1..at, "38");
            }
        }
        lines.join("\n")
    }
}

/// The ways in of a host state, and who made them.
fn others(ways: &serde_json::Value) -> Vec<(String, &'static str)> {
    let mut others = Vec::new();
    for (hash, known) in ways.as_object().unwrap() {
        let (_, example) = WAYS
            .iter()
            .find(|(kind, _)| known["kind"] == *kind)
            .unwrap();
        others.push((hash[..4].to_owned(), *example));
        let by = known["made"]["by"].as_str().unwrap_or("-");
        others.push((by.to_owned(), "Admin"));
    }
    others
}

/// The story in one language, by the names of its screens.
fn story(language: &str) -> BTreeMap<&'static str, String> {
    let table = Table::bare();
    table.serve(
        "server",
        &["www.example.com", "shop.example.com", "mail.example.org"],
    );
    table.stick("A");
    let create = "create {A} --label A --server-name WEB01 --passphrase-file {passphrase} --recovery-key-file {recovery} --accept other-medium=test";
    table.run(create).ended_with(0);
    let mut example = Example::of(&table);
    let mut screens = BTreeMap::new();
    for screen in &STORY {
        let said = example.put_into(&shown(&table, language, screen));
        screens.insert(screen.name, format!("$ pfxvault {}\n{said}", screen.line));
    }
    screens
}

/// A document with the screens that it marks, as they are today.
fn with_screens(text: &str, screens: &BTreeMap<&'static str, String>) -> String {
    let (mut done, mut rest) = (String::new(), text);
    while let Some((before, after)) = rest.split_once("<!-- screen ") {
        let (name, after) = after.split_once(" -->\n```\n").unwrap();
        let (_, after) = after.split_once("```\n").unwrap();
        let screen = screens
            .get(name)
            .unwrap_or_else(|| panic!("no screen is called {name}"));
        done += &format!("{before}<!-- screen {name} -->\n```\n{screen}\n```\n");
        rest = after;
    }
    done + rest
}

/// What the recording in a README shows, one command after the other.
const RECORDED: [&str; 4] = ["list", "backup", "drill", "restore"];

/// A recording as SVG: the lines appear one after the other, as they are read.
fn recording(screens: &BTreeMap<&'static str, String>) -> String {
    let story: Vec<&str> = RECORDED.iter().map(|name| screens[name].as_str()).collect();
    let story = story.join("\n\n");
    let lines: Vec<&str> = story.lines().collect();
    let height = 20 * lines.len() + 30;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 900 {height}\" font-family=\"Consolas, 'DejaVu Sans Mono', 'BIZ UDGothic', 'Noto Sans Mono CJK JP', monospace\" font-size=\"14\">
<style>text {{ fill: #e8e8e8; white-space: pre; visibility: hidden; animation: shown 0s forwards }} .typed {{ fill: #8fd3ff }} @keyframes shown {{ to {{ visibility: visible }} }}</style>
<rect width=\"900\" height=\"{height}\" rx=\"8\" fill=\"#1c1c1c\"/>\n"
    );
    let mut tenths = 0;
    for (at, line) in lines.iter().enumerate() {
        let (class, pause) = if line.starts_with("$ ") {
            (" class=\"typed\"", 15)
        } else {
            ("", 4)
        };
        tenths += pause;
        let words = line
            .replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('>', "&gt;");
        let (seconds, rest, height) = (tenths / 10, tenths % 10, 28 + 20 * at);
        svg += &format!(
            "<text x=\"16\" y=\"{height}\"{class} style=\"animation-delay: {seconds}.{rest}s\" xml:space=\"preserve\">{words}</text>\n"
        );
    }
    svg + "</svg>\n"
}

/// Writes what a document should be, or says that it is not.
fn keep_fresh(document: &Path, today: &str) {
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(document, today).unwrap();
    }
    let text = fs::read_to_string(document).unwrap_or_default();
    assert!(
        text == today,
        "{}: UPDATE_DOCS=1 writes it anew\n{today}",
        document.display()
    );
}

#[test]
fn the_screens_in_the_documents_are_those_of_the_program() {
    let languages = [("en", false), ("ja", true)];
    for (language, is_japanese) in languages {
        let screens = story(language);
        let documents: Vec<PathBuf> = guides()
            .into_iter()
            .chain([root().join("README.md"), root().join("README.ja.md")])
            .filter(|path| path.display().to_string().ends_with(".ja.md") == is_japanese)
            .collect();
        let mut marked = 0;
        for document in documents {
            let text = fs::read_to_string(&document).unwrap();
            let today = with_screens(&text, &screens);
            marked += text.matches("<!-- screen ").count();
            keep_fresh(&document, &today);
        }
        assert!(marked >= 4, "{language}: {marked} screens are marked");
        let file = root().join(format!("docs/recording.{language}.svg"));
        keep_fresh(&file, &recording(&screens));
    }
}
