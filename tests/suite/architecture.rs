//! What docs/architecture.md says of the source is so, and nothing in it goes round in a circle.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::common::files_below;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Words and signs of a source file without remarks and strings; `::` is one sign.
fn tokens(source: &str) -> Vec<String> {
    let letters: Vec<char> = source.chars().collect();
    let starts = |at: usize, what: &str| {
        what.chars()
            .enumerate()
            .all(|(n, letter)| letters.get(at + n) == Some(&letter))
    };
    let is_word = |letter: char| letter.is_alphanumeric() || letter == '_';
    let (mut found, mut at) = (Vec::new(), 0);
    while at < letters.len() {
        let letter = letters[at];
        if starts(at, "//") {
            while at < letters.len() && letters[at] != '\n' {
                at += 1;
            }
        } else if starts(at, "/*") {
            while at < letters.len() && !starts(at, "*/") {
                at += 1;
            }
            at += 2;
        } else if letter == '"' {
            at += 1;
            while at < letters.len() && letters[at] != '"' {
                at += 1 + usize::from(letters[at] == '\\');
            }
            at += 1;
        } else if letter == '\'' {
            // A letter, or the name of a lifetime.
            let end = if starts(at + 1, "\\") { at + 3 } else { at + 2 };
            let close = (end..(end + 10).min(letters.len())).find(|at| letters[*at] == '\'');
            at = match close {
                Some(close) if close == at + 2 || starts(at + 1, "\\") => close + 1,
                _ => at + 1,
            };
        } else if is_word(letter) {
            let start = at;
            while at < letters.len() && is_word(letters[at]) {
                at += 1;
            }
            let word: String = letters[start..at].iter().collect();
            let hashes = letters[at..]
                .iter()
                .take_while(|letter| **letter == '#')
                .count();
            if matches!(word.as_str(), "r" | "br" | "cr") && starts(at + hashes, "\"") {
                let end = format!("\"{}", "#".repeat(hashes));
                at += hashes + 1;
                while at < letters.len() && !starts(at, &end) {
                    at += 1;
                }
                at += end.len();
            } else {
                found.push(word);
            }
        } else if starts(at, "::") {
            found.push("::".to_owned());
            at += 2;
        } else {
            if !letter.is_whitespace() {
                found.push(letter.to_string());
            }
            at += 1;
        }
    }
    found
}

/// Where the bracket that opens here is closed.
fn closed(tokens: &[String], open: usize) -> usize {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        match token.as_str() {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at;
        }
    }
    tokens.len() - 1
}

/// Takes out what is there for tests only; the modules among it that lie in files of their own are
/// named.
fn without_tests(tokens: &[String]) -> (Vec<String>, Vec<String>) {
    let (mut kept, mut modules, mut at) = (Vec::new(), Vec::new(), 0);
    let is = |at: usize, what: &str| tokens.get(at).is_some_and(|token| token == what);
    while at < tokens.len() {
        let attribute = is(at, "#") && is(at + 1, "[") && is(at + 2, "cfg");
        let end = if attribute {
            closed(tokens, at + 1)
        } else {
            at
        };
        let condition = &tokens[at..=end];
        let has = |what: &str| condition.iter().any(|token| token == what);
        if !(attribute && has("test") && !has("not")) {
            kept.push(tokens[at].clone());
            at += 1;
            continue;
        }
        at = end + 1;
        while is(at, "#") {
            at = closed(tokens, at + 1) + 1;
        }
        let start = at;
        while at < tokens.len() && !is(at, ";") && !is(at, "{") && !is(at, ",") {
            at = if is(at, "(") || is(at, "[") {
                closed(tokens, at)
            } else {
                at
            } + 1;
        }
        if let Some(module) = (start..at)
            .find(|at| is(*at, "mod"))
            .filter(|_| is(at, ";"))
        {
            modules.push(tokens[module + 1].clone());
        }
        // A `use` has braces in it, and goes on to its semicolon.
        if is(at, "{") {
            at = closed(tokens, at);
            at += usize::from(is(at + 1, ";"));
        }
        at += 1;
    }
    (kept, modules)
}

/// The paths of a `use`, from here to the end of this branch.
fn branch(
    tokens: &[String],
    mut at: usize,
    before: &[String],
    found: &mut Vec<Vec<String>>,
) -> usize {
    let mut path = before.to_vec();
    loop {
        match tokens.get(at).map(String::as_str) {
            Some("::") => at += 1,
            Some("{") => {
                at += 1;
                while tokens.get(at).is_some_and(|token| token != "}") {
                    at = branch(tokens, at, &path, found);
                    at += usize::from(tokens.get(at).is_some_and(|token| token == ","));
                }
                return at + 1;
            }
            Some("as") => at += 2,
            Some(word) if !matches!(word, "," | "}" | ";") => {
                path.push(word.to_owned());
                at += 1;
            }
            _ => {
                found.push(path);
                return at;
            }
        }
    }
}

/// Every path that begins in this crate.
fn paths(tokens: &[String]) -> Vec<Vec<String>> {
    let (mut found, mut at) = (Vec::new(), 0);
    while at < tokens.len() {
        let begins = matches!(tokens[at].as_str(), "crate" | "super" | "self")
            && tokens.get(at + 1).is_some_and(|token| token == "::")
            && (at == 0 || !matches!(tokens[at - 1].as_str(), "$" | "::"));
        if tokens[at] == "use" {
            at = branch(tokens, at + 1, &[], &mut found);
        } else if begins {
            let mut path = vec![tokens[at].clone()];
            at += 1;
            while tokens.get(at).is_some_and(|token| token == "::") {
                path.extend(tokens.get(at + 1).cloned());
                at += 2;
            }
            found.push(path);
        } else {
            at += 1;
        }
    }
    found.retain(|path| matches!(path[0].as_str(), "crate" | "super" | "self"));
    found
}

/// From a module to those it names, with one such name.
type Graph = BTreeMap<String, BTreeMap<String, String>>;

/// The modules of a crate, one a file. `lib.rs` only lists them.
fn modules(folder: &Path) -> Graph {
    let mut files = BTreeMap::new();
    let mut only_tests = BTreeSet::new();
    for file in files_below(folder, "rs") {
        let inside = file.strip_prefix(folder).unwrap().with_extension("");
        let mut name: Vec<String> = inside
            .iter()
            .map(|part| part.to_str().unwrap().to_owned())
            .collect();
        name.pop_if(|last| matches!(last.as_str(), "mod" | "lib" | "main"));
        let (tokens, tests) = without_tests(&tokens(&fs::read_to_string(&file).unwrap()));
        only_tests.extend(tests.into_iter().map(|test| [&name[..], &[test]].concat()));
        if !name.is_empty() {
            files.insert(name, tokens);
        }
    }
    files.retain(|name, _| !only_tests.iter().any(|test| name.starts_with(test)));
    let mut graph = Graph::new();
    for (name, tokens) in &files {
        for path in paths(tokens) {
            let mut from = match path[0].as_str() {
                "crate" => Vec::new(),
                _ => name.clone(),
            };
            for part in path
                .iter()
                .skip_while(|part| matches!(part.as_str(), "crate" | "self"))
            {
                if part == "super" {
                    from.pop();
                } else {
                    from.push(part.clone());
                }
            }
            let target = (1..=from.len())
                .rev()
                .find(|length| files.contains_key(&from[..*length]));
            if let Some(target) = target.map(|length| from[..length].join("/")) {
                graph
                    .entry(name.join("/"))
                    .or_default()
                    .insert(target, path.join("::"));
            }
        }
    }
    graph
}

/// The same with all files of a room as one.
fn rooms(graph: &Graph) -> Graph {
    let room = |module: &String| module.split('/').next().unwrap().to_owned();
    let mut rooms = Graph::new();
    for (from, targets) in graph {
        for (to, name) in targets {
            let name = format!("{name} in {from}");
            rooms.entry(room(from)).or_default().insert(room(to), name);
        }
    }
    rooms
}

/// Every edge from which a way leads back.
fn circles(graph: &Graph) -> Vec<String> {
    let leads = |from: &str, to: &str| {
        let (mut seen, mut open) = (BTreeSet::new(), vec![from]);
        while let Some(at) = open.pop() {
            if at == to {
                return true;
            }
            if seen.insert(at) {
                open.extend(
                    graph
                        .get(at)
                        .into_iter()
                        .flat_map(|to| to.keys().map(String::as_str)),
                );
            }
        }
        false
    };
    graph
        .iter()
        .flat_map(|(from, targets)| targets.iter().map(move |(to, name)| (from, to, name)))
        .filter(|(from, to, _)| from != to && leads(to, from))
        .map(|(from, to, name)| format!("{from} -> {to} ({name})"))
        .collect()
}

#[test]
fn the_reader_of_sources_sees_what_is_used_and_leaves_out_tests() {
    let source = r##"
        //! crate::remark
        #[cfg(test)] mod fixtures;
        pub(crate) use crate::{a::{self, B as C}, d};
        fn f<'a>(x: &'a str) -> super::E { "crate::words"; r#"crate::"raw""#; '"'; self::g::h('\'') }
        #[cfg(not(test))] use crate::kept;
        #[cfg(test)] fn only() -> [u8; 2] { crate::test() }
        #[cfg(test)] mod tests { use super::*; }
    "##;
    let (tokens, tests) = without_tests(&tokens(source));
    let paths: Vec<_> = paths(&tokens).iter().map(|path| path.join("::")).collect();
    let expected = [
        "crate::a::self",
        "crate::a::B",
        "crate::d",
        "super::E",
        "self::g::h",
    ];
    assert_eq!(paths, [&expected[..], &["crate::kept"]].concat());
    assert_eq!(tests, ["fixtures"]);
}

#[test]
fn a_circle_is_found_by_every_edge_in_it() {
    let edge = |to: &str| BTreeMap::from([(to.to_owned(), "x".to_owned())]);
    let graph: Graph = [("a", "b"), ("b", "c"), ("c", "b"), ("d", "d")]
        .map(|(from, to)| (from.to_owned(), edge(to)))
        .into();
    assert_eq!(circles(&graph), ["b -> c (x)", "c -> b (x)"]);
}

#[test]
fn no_file_and_no_room_leads_back_to_itself() {
    let mut found = Vec::new();
    for folder in [
        "src",
        "crates/vault/src",
        "crates/pfx/src",
        "crates/secret/src",
    ] {
        let graph = modules(&root().join(folder));
        let mut named = circles(&graph);
        if folder == "src" {
            assert!(graph.len() > 100, "{} modules were read", graph.len());
            named.extend(circles(&rooms(&graph)));
        }
        found.extend(named.iter().map(|edge| format!("{folder}: {edge}")));
    }
    assert!(found.is_empty(), "circles:\n{}", found.join("\n"));
}

/// A file as the document names it: from the root, from `src`, or by the name of a crate.
fn named(file: &str) -> Option<PathBuf> {
    let of_crate = file
        .split_once('/')
        .map(|(name, rest)| format!("crates/{name}/src/{rest}"));
    [Some(file.to_owned()), Some(format!("src/{file}")), of_crate]
        .into_iter()
        .flatten()
        .map(|path| root().join(path))
        .find(|path| path.exists())
}

fn defines(file: &Path, function: &str) -> bool {
    let tokens = tokens(&fs::read_to_string(file).unwrap());
    let name = function.trim_end_matches("()").rsplit("::").next().unwrap();
    tokens
        .windows(2)
        .any(|pair| pair[0] == "fn" && pair[1] == name)
}

/// Whole paths of this tree, wherever a document says them.
#[test]
fn what_any_document_names_is_there() {
    let (mut missing, mut named) = (Vec::new(), 0);
    let at_root = ["README.md", "CONTRIBUTING.md", "SECURITY.md"].map(|name| root().join(name));
    let docs = fs::read_dir(root().join("docs")).unwrap();
    let docs = docs.map(|entry| entry.unwrap().path());
    for document in docs.chain(at_root).filter(|path| path.is_file()) {
        let text = fs::read_to_string(&document).unwrap();
        let sign = |c: char| !(c.is_alphanumeric() || "/._-".contains(c));
        for path in text.split(sign).map(|word| word.trim_end_matches('.')) {
            let is_path = ["src/", "tests/", "crates/", "docs/", "benches/", "fuzz/"]
                .iter()
                .any(|folder| path.starts_with(folder));
            if is_path {
                named += 1;
                if !root().join(path).exists() {
                    missing.push(format!("{}: {path}", document.display()));
                }
            }
        }
    }
    assert!(missing.is_empty(), "not there:\n{}", missing.join("\n"));
    assert!(named > 50, "{named}");
}

#[test]
fn what_the_architecture_names_is_there() {
    let document = fs::read_to_string(root().join("docs/architecture.md")).unwrap();
    let (mut missing, mut files, mut functions) = (Vec::new(), 0, 0);
    let mut in_block = false;
    for line in document.lines() {
        in_block ^= line.starts_with("```");
        if in_block {
            let paths = line.split_whitespace().filter(|word| {
                (word.starts_with("src/") || word.starts_with("crates/")) && !word.contains('*')
            });
            missing.extend(
                paths
                    .filter(|path| !root().join(path).exists())
                    .map(str::to_owned),
            );
            continue;
        }
        // In a table, what stands beside a file in its cell is a function of it.
        let is_row = line.starts_with('|');
        for cell in line.split('|') {
            let mut file = None;
            for word in cell.split('`').skip(1).step_by(2) {
                let (path, function) = word
                    .split_once(".rs::")
                    .map_or((word, None), |(path, name)| {
                        (&word[..path.len() + 3], Some(name))
                    });
                if path.ends_with(".rs") {
                    files += 1;
                    file = named(path);
                    if file.is_none() {
                        missing.push(path.to_owned());
                    }
                }
                let beside = (is_row && !path.ends_with(".rs")).then_some(word);
                if let (Some(function), Some(file)) = (function.or(beside), &file) {
                    functions += 1;
                    if !defines(file, function) {
                        missing.push(format!("{function} in {}", file.display()));
                    }
                }
            }
        }
    }
    assert!(missing.is_empty(), "not there:\n{}", missing.join("\n"));
    assert!(
        files > 10 && functions > 10,
        "{files} files, {functions} functions"
    );
}
