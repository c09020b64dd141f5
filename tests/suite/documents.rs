//! What is written for people is so: examples, pages, the lines they are told to type.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use clap::{Command, CommandFactory};
use fluent_bundle::{FluentBundle, FluentResource};
use pfxvault::cli::{Cli, worded};
use pfxvault::console::{Console, Language};

use crate::common::{Said, Table, files_below, output, says};

/// The command line as Windows has it, where the other end is this server unless it is said.
fn as_on_windows() -> Command {
    let is_usually_iis = |command: Command, option: &'static str| {
        command.mut_arg(option, |arg| arg.required(false).default_value("iis"))
    };
    let mut all = Cli::command();
    for name in ["list", "backup", "export"] {
        all = all.mut_subcommand(name, |command| is_usually_iis(command, "from"));
    }
    all.mut_subcommand("restore", |command| is_usually_iis(command, "to"))
}

/// The words of a line, as cmd.exe and PowerShell divide it.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quoted) = (Vec::new(), String::new(), false);
    for letter in line.chars() {
        match letter {
            '"' => quoted = !quoted,
            ' ' if !quoted => words.push(std::mem::take(&mut word)),
            _ => word.push(letter),
        }
    }
    words.push(word);
    words.retain(|word| !word.is_empty());
    words
}

/// Why a line could not be typed into a Windows console.
fn mistake(line: &str) -> Option<String> {
    let parsed = as_on_windows().try_get_matches_from(words(line));
    parsed.err().map(|error| format!("{line}: {error}"))
}

/// Whether a line is the name of a command, as sentences have it.
fn is_name(line: &str) -> bool {
    let mut command = as_on_windows();
    words(line)[1..]
        .iter()
        .all(|word| match command.find_subcommand(word).cloned() {
            Some(sub) => {
                command = sub;
                true
            }
            None => false,
        })
}

/// The help of every command, with the words that lead to it.
fn helps(command: &Command, path: &str, found: &mut Vec<(String, String)>) {
    let after = command.get_after_help().map(ToString::to_string);
    found.push((path.to_owned(), after.unwrap_or_default()));
    for sub in command.get_subcommands() {
        helps(sub, &format!("{path} {}", sub.get_name()), found);
    }
}

fn example_lines(help: &str) -> Vec<&str> {
    let lines = help.lines().filter_map(|line| line.strip_prefix("  "));
    lines.filter(|line| line.starts_with("pfxvault")).collect()
}

#[test]
fn every_help_has_examples_that_can_be_typed_and_are_the_same_in_both_languages() {
    let of = |language| {
        let mut found = Vec::new();
        helps(
            &worded(&Console::new(language, false, false)),
            "pfxvault",
            &mut found,
        );
        found
    };
    for ((path, english), (_, japanese)) in of(Language::En).iter().zip(&of(Language::Ja)) {
        let lines = example_lines(english);
        assert!(!lines.is_empty(), "{path} has no example");
        assert_eq!(lines, example_lines(japanese), "{path}");
        for line in &lines {
            assert_eq!(mistake(line), None);
        }
        let own = |line: &&&str| path == "pfxvault" || line.starts_with(path.as_str());
        assert!(lines.iter().any(|line| own(&line)), "{path}: {lines:?}");
        let said = english.lines().filter(|line| line.starts_with("      "));
        assert_eq!(said.count(), lines.len(), "{path}");
    }
}

#[test]
fn help_of_a_command_is_what_its_own_option_shows() {
    let table = Table::bare();
    for command in ["backup", "media add"] {
        let asked = table
            .run(&format!("help {command} --lang ja"))
            .ended_with(0);
        let option = table
            .run(&format!("{command} --help --lang ja"))
            .ended_with(0);
        assert_eq!(asked.out, option.out);
    }
    assert_eq!(table.run("help").ended_with(0).out, table.run("--help").out);
    assert!(table.run("help").out.contains("\n  selftest "));
    let unknown = table.run("help nonsense").ended_with(2);
    assert!(
        says(&unknown.err, "error-unknown-command"),
        "{}",
        unknown.err
    );
}

#[test]
fn what_is_perhaps_meant_is_named() {
    let table = Table::bare();
    for (typed, meant) in [
        ("bakcup", "backup"),
        ("media ad", "add"),
        ("verify --ejct", "--eject"),
        ("retire www.example.com --reason leakt", "leaked"),
    ] {
        let said = table.run(typed).ended_with(2);
        assert!(
            said.err.contains(&format!("perhaps {meant} is meant")),
            "{}",
            said.err
        );
    }
    assert!(!table.run("nonsense").ended_with(2).err.contains("perhaps"));
    let japanese = table.run("bakcup --lang ja").ended_with(2);
    assert!(
        japanese.err.contains("backup の入力間違い"),
        "{}",
        japanese.err
    );
}

#[test]
fn the_environment_answers_where_an_option_is_not_given_and_the_option_wins() {
    let table = Table::with_vault(&["www.example.com"]);
    let run = |line: &str, variable: &str, value: &str| {
        let mut command = table.command(line);
        command.env(variable, value).stdin(Stdio::null());
        Said::of(&output(&mut command))
    };
    let japanese = run("verify --nonsense", "PFXVAULT_LANG", "ja");
    assert!(japanese.ended_with(2).err.contains("エラー"));
    let english = run("verify --nonsense --lang en", "PFXVAULT_LANG", "ja");
    assert!(english.ended_with(2).err.contains("error:"));

    let from = format!("folder:{}", table.at("server").display());
    let line = "list --source-password-file {pfx-password}";
    assert!(
        run(line, "PFXVAULT_FROM", &from)
            .ended_with(0)
            .out
            .contains("www.example.com")
    );
    let stick = table.at("A").display().to_string();
    let line = "backup --from folder:{server} --source-password-file {pfx-password} --accept other-medium=test";
    run(line, "PFXVAULT_BACKUP_TO", &stick).ended_with(0);

    let state = table.at("elsewhere").display().to_string();
    let mut stateless = std::process::Command::new(env!("CARGO_BIN_EXE_pfxvault"));
    stateless.args(["create", &stick.replace("/A", "/B")]);
    fs::create_dir(table.at("B")).unwrap();
    stateless
        .args([
            "--passphrase-file",
            &table.at("passphrase").display().to_string(),
        ])
        .args([
            "--recovery-key-file",
            &table.at("second").display().to_string(),
        ])
        .args(["--accept", "other-medium=test", "--lang", "en"])
        .env("PFXVAULT_STATE", &state)
        .env("PFXVAULT_SERVER_NAME", "WEB77")
        .stdin(Stdio::null());
    Said::of(&output(&mut stateless)).ended_with(0);
    let remembered = fs::read_to_string(table.at("elsewhere/state.json")).unwrap();
    assert!(remembered.contains("WEB77"), "{remembered}");
}

#[test]
fn every_command_has_a_manual_page_in_both_languages() {
    let table = Table::bare();
    let mut all = Vec::new();
    helps(
        &worded(&Console::new(Language::En, false, false)),
        "pfxvault",
        &mut all,
    );
    let expected: BTreeSet<_> = all
        .iter()
        .map(|(path, _)| format!("{}.1", path.replace(' ', "-")))
        .filter(|page| page != "pfxvault-man.1")
        .collect();
    for (language, heading) in [("en", ".SH EXAMPLES"), ("ja", ".SH 例")] {
        table
            .run(&format!("man {{{language}}} --lang {language}"))
            .ended_with(0);
        let pages: BTreeSet<_> = fs::read_dir(table.at(language))
            .unwrap()
            .map(|page| page.unwrap().file_name().into_string().unwrap())
            .collect();
        assert_eq!(pages, expected);
        for page in &pages {
            let text = fs::read_to_string(table.at(language).join(page)).unwrap();
            let examples = text
                .split(heading)
                .nth(1)
                .unwrap_or_else(|| panic!("{page}: {text}"));
            assert!(examples.contains("\npfxvault "), "{page}: {examples}");
        }
    }
    fs::write(table.at("file"), "").unwrap();
    table.run("man {file}/inside").ended_with(1);
}

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The pages of docs/guide.
pub(crate) fn guides() -> Vec<PathBuf> {
    let found = files_below(&root().join("docs/guide"), "md");
    assert!(found.len() >= 4, "{found:?}");
    found
}

/// Every document that users read.
fn documents() -> Vec<PathBuf> {
    let names = [
        "README.md",
        "README.ja.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
        "CHANGELOG.md",
    ];
    let mut found: Vec<PathBuf> = names.iter().map(|name| root().join(name)).collect();
    found.extend(files_below(&root().join("docs"), "md"));
    found.extend(
        [
            "crates/pfx/README.md",
            "ansible/README.md",
            "release/README.md",
        ]
        .map(|name| root().join(name)),
    );
    found
}

/// The lines of a document that begin with the program, in blocks and between backquotes.
fn typed_lines(text: &str) -> Vec<String> {
    let (mut found, mut in_block) = (Vec::new(), false);
    for line in text.lines() {
        if line.starts_with("```") {
            in_block = !in_block;
            continue;
        }
        if in_block {
            let line = line
                .trim_start_matches("C:\\>")
                .trim_start_matches("$ ")
                .trim_start();
            found.extend(line.starts_with("pfxvault ").then(|| line.to_owned()));
        } else {
            let inline = line.split('`').skip(1).step_by(2);
            found.extend(
                inline
                    .filter(|code| code.starts_with("pfxvault ") && !is_name(code))
                    .map(str::to_owned),
            );
        }
    }
    found
}

#[test]
fn every_command_line_in_readme_and_guides_can_be_typed() {
    let mut files = guides();
    files.extend([root().join("README.md"), root().join("README.ja.md")]);
    let (mut wrong, mut count) = (Vec::new(), 0);
    for file in files {
        for line in typed_lines(&fs::read_to_string(&file).unwrap()) {
            count += 1;
            // A remark behind a line.
            let line = line.split("  #").next().unwrap().trim_end();
            wrong.extend(mistake(line).map(|why| format!("{}: {why}", file.display())));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count > 60, "{count} lines");
}

/// The name by which a heading is linked to.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().to_lowercase();
    let kept = kept
        .chars()
        .filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

fn anchors(text: &str) -> BTreeSet<String> {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    headings
        .map(|line| anchor(line.trim_start_matches('#')))
        .collect()
}

#[test]
fn every_link_of_a_document_leads_somewhere() {
    let (mut broken, mut count) = (Vec::new(), 0);
    for document in documents() {
        let text = fs::read_to_string(&document).unwrap();
        let targets = text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next());
        for target in targets.filter(|target| !target.starts_with("http")) {
            count += 1;
            let (path, place) = target.split_once('#').unwrap_or((target, ""));
            let file = match path {
                "" => document.clone(),
                path => document.parent().unwrap().join(path),
            };
            let whole = file.exists()
                && (place.is_empty()
                    || anchors(&fs::read_to_string(&file).unwrap()).contains(place));
            if !whole {
                broken.push(format!("{}: {target}", document.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
    assert!(count > 40, "{count} links");
}

/// One language's texts, by which docs/errors.md is written.
fn texts(language: &str) -> FluentBundle<FluentResource> {
    let mut bundle = FluentBundle::new(vec![language.parse().unwrap()]);
    bundle.set_use_isolating(false);
    for name in ["windows", language] {
        let file = root().join(format!("src/console/texts/{name}.ftl"));
        let resource = FluentResource::try_new(fs::read_to_string(file).unwrap()).unwrap();
        bundle.add_resource(resource).unwrap();
    }
    bundle
}

/// Message, cause and hint of an id, each in one line, with the names of its values.
fn worded_error(texts: &FluentBundle<FluentResource>, id: &str) -> [String; 3] {
    let message = texts.get_message(id).unwrap();
    let attribute = |name| {
        message
            .get_attribute(name)
            .map(|attribute| attribute.value())
    };
    [message.value(), attribute("cause"), attribute("hint")].map(|pattern| {
        let words = pattern.map(|pattern| {
            texts
                .format_pattern(pattern, None, &mut Vec::new())
                .into_owned()
        });
        let words = words
            .unwrap_or_default()
            .replace("{$", "‹")
            .replace('}', "›")
            .replace('<', "&lt;");
        words
            .lines()
            .map(str::trim)
            .collect::<Vec<_>>()
            .join("<br>")
    })
}

/// The exit codes with which the source says an error: that of the nearest constructor before it.
fn exit_codes() -> BTreeMap<String, BTreeSet<u8>> {
    let codes = [
        ("Error::failed", 1),
        ("Error::usage", 2),
        ("Exit::Failed", 1),
        ("Exit::Usage", 2),
        ("Exit::Partly", 3),
        ("Exit::Damaged", 4),
        ("Exit::Refused", 5),
        ("Exit::WrongSecret", 6),
        ("Exit::NoVault", 7),
        ("Exit::Attention", 8),
        ("Exit::NoStick", 9),
        ("Exit::Forged", 10),
    ];
    let mut found: BTreeMap<String, BTreeSet<u8>> = BTreeMap::new();
    for file in files_below(&root().join("src"), "rs") {
        let source = fs::read_to_string(file).unwrap();
        for (at, _) in source.match_indices("text!(") {
            let call = source[at + "text!(".len()..].trim_start();
            let Some(id) = call
                .strip_prefix('"')
                .and_then(|rest| rest.split('"').next())
            else {
                continue;
            };
            // No further than the function goes; before the text, else behind it.
            let before = &source[source[..at].rfind("fn ").unwrap_or(0)..at];
            let after = source[at..].split("\n}\n").next().unwrap();
            let last = codes
                .iter()
                .filter_map(|(name, code)| Some((before.rfind(name)?, *code)))
                .max();
            let first = codes
                .iter()
                .filter_map(|(name, code)| Some((after.find(name)?, *code)))
                .min();
            let nearest = last.or(first);
            let entry = found.entry(id.to_owned()).or_default();
            entry.extend(nearest.map(|(_, code)| code));
        }
    }
    found
}

fn errors_page() -> String {
    let mut page = "# Errors\n\nEvery message with which a command fails: its id (`error.id` of `--json`), the exit code, cause and remedy, in
English and Japanese. Made from the texts of the program by the test `docs_errors_is_made_from_the_texts`;
‹name› stands for a value. エラーの一覧です。‹name› には実際の値が表示されます。\n".to_owned();
    let (english, japanese, codes) = (texts("en"), texts("ja"), exit_codes());
    let file = fs::read_to_string(root().join("src/console/texts/en.ftl")).unwrap();
    let ids: BTreeSet<&str> = file
        .lines()
        .filter(|line| line.starts_with("error-"))
        .filter_map(|line| line.split(' ').next())
        .collect();
    for id in ids {
        let codes = codes
            .get(id)
            .map(|codes| codes.iter().map(u8::to_string).collect::<Vec<_>>());
        let codes = codes
            .filter(|codes| !codes.is_empty())
            .map(|codes| codes.join(" or "));
        page += &format!(
            "\n## {id}\n\nExit code: {}\n\n",
            codes.as_deref().unwrap_or("that of the command")
        );
        for (texts, labels) in [
            (&english, ["error", "cause", "hint"]),
            (&japanese, ["エラー", "原因", "対処"]),
        ] {
            for (label, words) in labels.iter().zip(worded_error(texts, id)) {
                if !words.is_empty() {
                    page += &format!("* {label}: {words}\n");
                }
            }
        }
    }
    page
}

#[test]
fn docs_errors_is_made_from_the_texts() {
    let (file, page) = (root().join("docs/errors.md"), errors_page());
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&file, &page).unwrap();
    }
    assert!(
        fs::read_to_string(&file).unwrap() == page,
        "UPDATE_DOCS=1 writes docs/errors.md anew"
    );
    assert!(page.matches("\n## error-").count() > 150);
}

/// The lines of README.md's short recovery, without their remarks.
fn recovery_lines() -> Vec<String> {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let section = readme.split("## Recover without pfxvault").nth(1).unwrap();
    let block = section.split("```").nth(1).unwrap();
    let lines = block
        .lines()
        .map(|line| line.split("  #").next().unwrap().trim_end());
    lines
        .filter(|line| !line.is_empty())
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_short_recovery_of_the_readme_recovers_word_for_word() {
    let table = Table::backed_up(&["www.example.com"]);
    let lines = recovery_lines();
    // What a reader puts in: the stick, the server and the number that are there.
    let server = fs::read_dir(table.at("A/PFXVAULT/A")).unwrap();
    let server = server.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let server = server.into_iter().find(|name| name != "OWNER").unwrap();
    let first = lines[0]
        .replace("/media/usb", &table.at("A").display().to_string())
        .replace("4AHWHSMQ", &server)
        .replace("00000042", "00000001");
    assert_eq!(lines[0].matches("4AHWHSMQ").count(), 1, "{}", lines[0]);
    let mut shell = rexpect::session::spawn_bash(Some(60_000)).unwrap();
    shell
        .send_line(&format!("cd {}", table.stick("work").display()))
        .unwrap();
    shell.wait_for_prompt().unwrap();
    shell.send_line("set -o pipefail").unwrap();
    shell.wait_for_prompt().unwrap();
    for line in std::iter::once(&first).chain(&lines[1..]) {
        shell.send_line(line).unwrap();
        if line.contains("IDENTITY.AGE") {
            shell.exp_string("nter passphrase").unwrap();
            shell.send_line(crate::common::PASSPHRASE).unwrap();
        }
        if line.starts_with("openssl") {
            let catalog = fs::read_to_string(table.at("work/catalog.json")).unwrap();
            let catalog: serde_json::Value = serde_json::from_str(&catalog).unwrap();
            shell.exp_string("Enter Import Password:").unwrap();
            shell
                .send_line(catalog["key_pairs"][0]["pfx_password"].as_str().unwrap())
                .unwrap();
        }
        let said = shell.wait_for_prompt().unwrap();
        shell.send_line("echo \"ended=$?\"").unwrap();
        let ended = shell.wait_for_prompt().unwrap();
        assert!(ended.contains("ended=0"), "{line}\n{said}{ended}");
        if line.contains("RECORD.SIG") {
            assert!(
                said.contains("Good \"pfxvault-record-v1\" signature"),
                "{said}"
            );
        }
    }
    // A shell that is dropped at its prompt is waited for.
    shell.send_line("exec sleep 0").unwrap();
    let key = fs::read_to_string(table.at("work/www.example.com.pem")).unwrap();
    assert!(
        key.contains("PRIVATE KEY") && key.contains("BEGIN CERTIFICATE"),
        "{key}"
    );
}

/// The blocks of PowerShell in a document.
fn powershell_blocks(text: &str) -> Vec<&str> {
    let blocks = text.split("```powershell\n").skip(1);
    blocks.filter_map(|rest| rest.split("```").next()).collect()
}

fn parses_as_powershell(block: &str) -> bool {
    let mut parser = tree_sitter::Parser::new();
    let language = tree_sitter_powershell::LANGUAGE.into();
    parser.set_language(&language).unwrap();
    !parser.parse(block, None).unwrap().root_node().has_error()
}

/// The words with which a recipe calls the program, but for lists that PowerShell puts in.
fn calls(block: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for line in block.lines() {
        let typed = line
            .split_once("pfxvault.exe' ")
            .map(|(_, rest)| rest.split(" |").next().unwrap());
        let given = line.split_once("-Arguments '").map(|(_, rest)| rest);
        let call = match (typed, given) {
            (Some(typed), _) => words(&typed.replace('\'', "\"")),
            (None, Some(given)) => given.split('\'').step_by(2).map(str::to_owned).collect(),
            (None, None) => continue,
        };
        let given = call
            .into_iter()
            .filter(|word| !word.starts_with('@') && !word.is_empty());
        found.push(given.collect());
    }
    found
}

#[test]
fn the_powershell_recipes_parse_and_call_what_there_is() {
    assert!(!parses_as_powershell("foreach ($server in { 'x' "));
    let text = fs::read_to_string(root().join("docs/recipes/powershell.md")).unwrap();
    let blocks = powershell_blocks(&text);
    let mut count = 0;
    for block in &blocks {
        assert!(parses_as_powershell(block), "{block}");
        for call in calls(block) {
            count += 1;
            // A list that PowerShell puts in is missing here.
            let line = std::iter::once("pfxvault".to_owned()).chain(call.clone());
            if let Err(error) = as_on_windows().try_get_matches_from(line) {
                let missing = error.kind() == clap::error::ErrorKind::MissingRequiredArgument;
                assert!(missing, "{call:?}: {error}");
            }
        }
    }
    assert!(
        blocks.len() >= 8 && count >= 10,
        "{} blocks, {count} calls",
        blocks.len()
    );
    assert!(text.contains("**None of these has been run.**"));
}

#[test]
fn the_monitoring_recipes_say_what_status_says() {
    let table = Table::with_vault(&["www.example.com"]);
    let line = "--from folder:{server} --source-password-file {pfx-password}";
    let run = |script: &str| {
        let mut command = std::process::Command::new("python3");
        command
            .arg(root().join("docs/recipes").join(script))
            .args(table.words(line))
            .env("PFXVAULT", env!("CARGO_BIN_EXE_pfxvault"))
            .env("LC_ALL", "C.UTF-8")
            .stdin(Stdio::null());
        Said::of(&output(&mut command))
    };
    let unsaved = run("check_pfxvault").ended_with(1).out;
    assert!(
        unsaved.starts_with("WARNING: ") && unsaved.contains(" | attention="),
        "{unsaved}"
    );
    table.run(crate::common::BACKUP).ended_with(0);
    table.run("media policy --min-media 1").ended_with(0);
    let metrics = run("pfxvault-metrics").ended_with(0).out;
    assert!(metrics.contains("\npfxvault_key_pairs 1\n"), "{metrics}");
    assert!(
        metrics.contains("\npfxvault_newest_backup_timestamp_seconds 1"),
        "{metrics}"
    );
    let status = table.run(&format!("status {line} --json"));
    let exit = status.json()["exit"].to_string();
    assert!(
        metrics.contains(&format!("\npfxvault_exit_code {exit}\n")),
        "{metrics}"
    );
    let expected = if exit == "0" {
        (0, "OK: ")
    } else {
        (1, "WARNING: ")
    };
    assert!(
        run("check_pfxvault")
            .ended_with(expected.0)
            .out
            .starts_with(expected.1)
    );
    fs::write(table.at("state/state.json"), "{").unwrap();
    let unknown = run("check_pfxvault");
    assert!(unknown.code == 3 || unknown.code == 1, "{}", unknown.out);
}

/// A release of this program, with stand-ins for what takes long to build.
fn release(table: &Table, folder: &str, key: Option<&str>) -> Said {
    let script = table.at("linux");
    let program = env!("CARGO_BIN_EXE_pfxvault");
    fs::write(&script, format!("#!/bin/sh\nexec {program} \"$@\"\n")).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(&script, mode).unwrap();
    fs::write(table.at("pfxvault.exe"), b"MZ").unwrap();
    let mut command = std::process::Command::new("bash");
    command
        .arg(root().join("release/make"))
        .env("PFXVAULT_LINUX", &script)
        .env("PFXVAULT_EXE", table.at("pfxvault.exe"))
        .env("OUT", table.at(folder))
        .stdin(Stdio::null());
    if let Some(key) = key {
        command.env("SIGN_WITH", table.at(key));
    }
    Said::of(&output(&mut command)).ended_with(0)
}

#[test]
fn two_releases_of_one_commit_are_the_same_bytes_and_are_not_signed_by_nobody() {
    let table = Table::bare();
    let key = table.at("key").display().to_string();
    let made = std::process::Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-f", &key])
        .status();
    assert!(made.unwrap().success());
    let said = release(&table, "one", Some("key"));
    assert!(
        said.out
            .contains("release/publisher still has placeholders"),
        "{}",
        said.out
    );
    release(&table, "two", None);
    let of = |folder: &str| -> BTreeMap<PathBuf, Vec<u8>> {
        let files = crate::common::tree(&table.at(folder));
        let inside = |(path, bytes): (PathBuf, Vec<u8>)| {
            (
                path.strip_prefix(table.at(folder)).unwrap().to_owned(),
                bytes,
            )
        };
        files.into_iter().map(inside).collect()
    };
    let (one, two) = (of("one"), of("two"));
    assert!(one.len() >= 9, "{:?}", one.keys());
    let other: Vec<_> = one
        .keys()
        .filter(|name| one.get(*name) != two.get(*name))
        .collect();
    assert!(other.is_empty() && one.len() == two.len(), "{other:?}");
    let checked = std::process::Command::new("sha256sum")
        .args(["-c", "--quiet", "SHA256SUMS"])
        .current_dir(table.at("one"))
        .status();
    assert!(checked.unwrap().success());
    let scoop = fs::read(table.at("one/pfxvault.scoop.json")).unwrap();
    let scoop: serde_json::Value = serde_json::from_slice(&scoop).unwrap();
    let sums = fs::read_to_string(table.at("one/SHA256SUMS")).unwrap();
    let hash = scoop["architecture"]["64bit"]["hash"].as_str().unwrap();
    assert!(sums.contains(&format!("{hash}  pfxvault-")), "{sums}");
    let package = fs::read_dir(table.at("one"))
        .unwrap()
        .flatten()
        .map(|entry| entry.path());
    let package = package
        .into_iter()
        .find(|path| path.extension().is_some_and(|end| end == "deb"));
    let unpacked = std::process::Command::new("dpkg-deb")
        .arg("-x")
        .args([package.unwrap(), table.at("unpacked")])
        .status();
    assert!(unpacked.unwrap().success());
    for file in [
        "bin/pfxvault",
        "share/man/ja/man1/pfxvault-backup.1.gz",
        "share/doc/pfxvault/README.ja.md",
    ] {
        assert!(table.at("unpacked/usr").join(file).exists(), "{file}");
    }
}
