//! A vector as text: what it is about, what a reader must say, and the files of its media. The
//! grammar is in README.md.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use data_encoding::BASE64;
use vault::readme::readme;

/// The media of a vector: path to what stands there.
pub(super) type Tree = BTreeMap<String, Node>;

/// One entry of a tree; folders that hold something need none.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node {
    /// A file.
    File(Vec<u8>),
    /// An empty folder.
    Folder,
    /// A file of zeros, by its size.
    Sparse(u64),
}

/// What a reader must say of a vector.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Expected {
    /// The verifier's exit code.
    pub exit: i32,
    /// `SERVER8/NUMBER STATE COPIES`, sorted.
    pub states: Vec<String>,
    /// Finding ids, sorted, each once.
    pub findings: Vec<String>,
    /// `SERVER8/NUMBER opened` or `refused`: the catalog, with the recovery key.
    pub catalogs: Vec<String>,
    /// `PATH opened`, `damaged`, `no-match` or `too-much-work`: an identity file, with the recovery
    /// key or, for IDENTITY.AGE, the passphrase.
    pub ways_in: Vec<String>,
}

/// One vector.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Vector {
    /// Its file's name without the end.
    pub name: String,
    /// One sentence.
    pub about: String,
    /// The owner to believe, if known from elsewhere.
    pub pin: Option<String>,
    /// Today.
    pub now: String,
    /// Folders that are media, or files that are parcels, in the order given to the reader.
    pub media: Vec<String>,
    /// What a reader must say.
    pub expected: Expected,
    /// All files.
    pub tree: Tree,
}

impl Vector {
    /// The text form, as changes to `base` where there is one.
    pub(super) fn render(&self, base: Option<&Vector>) -> String {
        let mut text = format!("# {}\n", self.about);
        let mut line = |key: &str, value: &str| writeln!(text, "{key} {value}").unwrap();
        base.iter().for_each(|base| line("base", &base.name));
        line("pin", self.pin.as_deref().unwrap_or("none"));
        line("now", &self.now);
        self.media.iter().for_each(|medium| line("medium", medium));
        line("expect-exit", &self.expected.exit.to_string());
        self.expected
            .states
            .iter()
            .for_each(|state| line("expect-state", state));
        self.expected
            .findings
            .iter()
            .for_each(|finding| line("expect-finding", finding));
        self.expected
            .catalogs
            .iter()
            .for_each(|catalog| line("expect-catalog", catalog));
        self.expected
            .ways_in
            .iter()
            .for_each(|way| line("expect-way-in", way));
        text + &render_changes(
            &base.map(|base| base.tree.clone()).unwrap_or_default(),
            &self.tree,
        )
    }

    /// Parses the text form.
    pub(super) fn parse(name: &str, text: &str, base: impl Fn(&str) -> Vector) -> Self {
        let mut lines = text.lines().peekable();
        let about = lines.next().unwrap().strip_prefix("# ").unwrap().to_owned();
        let mut vector = Vector {
            name: name.to_owned(),
            about,
            pin: None,
            now: String::new(),
            media: Vec::new(),
            expected: Expected::default(),
            tree: Tree::new(),
        };
        let mut old = Tree::new();
        while let Some(line) = lines.next() {
            let (key, value) = line.split_once(' ').unwrap();
            let expected = &mut vector.expected;
            match key {
                "base" => (old, vector.tree) = (base(value).tree, base(value).tree),
                "pin" => vector.pin = (value != "none").then(|| value.to_owned()),
                "now" => value.clone_into(&mut vector.now),
                "medium" => vector.media.push(value.to_owned()),
                "expect-exit" => expected.exit = value.parse().unwrap(),
                "expect-state" => expected.states.push(value.to_owned()),
                "expect-finding" => expected.findings.push(value.to_owned()),
                "expect-catalog" => expected.catalogs.push(value.to_owned()),
                "expect-way-in" => expected.ways_in.push(value.to_owned()),
                "delete" => vector.tree.retain(|path, _| !is_within(path, value)),
                "copy" => {
                    let (from, to) = value.split_once(' ').unwrap();
                    vector.tree.insert(to.to_owned(), old[from].clone());
                }
                "folder" => drop(vector.tree.insert(value.to_owned(), Node::Folder)),
                "readme" => drop(vector.tree.insert(value.to_owned(), Node::File(readme()))),
                "sparse" => {
                    let (path, size) = value.split_once(' ').unwrap();
                    vector
                        .tree
                        .insert(path.to_owned(), Node::Sparse(size.parse().unwrap()));
                }
                "file" => {
                    let content = lines_of(std::iter::from_fn(|| {
                        lines.next_if(|line| line.starts_with(['|', '=']))
                    }));
                    vector.tree.insert(value.to_owned(), Node::File(content));
                }
                other => panic!("{name}: unknown line {other}"),
            }
        }
        vector
    }

    /// Writes the media below a folder.
    pub(super) fn materialize(&self, folder: &Path) {
        // A medium that is a file is a parcel.
        let folders = self
            .media
            .iter()
            .filter(|medium| !self.tree.contains_key(*medium));
        folders.for_each(|medium| fs::create_dir_all(folder.join(medium)).unwrap());
        for (path, node) in &self.tree {
            let path = folder.join(path);
            match node {
                Node::Folder => fs::create_dir_all(path).unwrap(),
                Node::File(bytes) => {
                    fs::create_dir_all(path.parent().unwrap()).unwrap();
                    fs::write(path, bytes).unwrap();
                }
                Node::Sparse(size) => {
                    fs::create_dir_all(path.parent().unwrap()).unwrap();
                    fs::File::create(path).unwrap().set_len(*size).unwrap();
                }
            }
        }
    }
}

fn is_within(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn lines_of<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut coded = String::new();
    for line in lines {
        match line.strip_prefix('|') {
            Some(text) => {
                bytes.extend(format!("{}\n", text.strip_prefix(' ').unwrap_or(text)).bytes())
            }
            None => coded += line.strip_prefix("= ").unwrap(),
        }
    }
    bytes.extend(BASE64.decode(coded.as_bytes()).unwrap());
    bytes
}

fn render_changes(old: &Tree, new: &Tree) -> String {
    let mut text = String::new();
    let mut deleted: Vec<String> = Vec::new();
    for path in old.keys().filter(|path| !new.contains_key(*path)) {
        if !deleted.iter().any(|folder| is_within(path, folder)) {
            deleted.push(gone(path, new));
        }
    }
    deleted
        .iter()
        .for_each(|path| writeln!(text, "delete {path}").unwrap());
    for (path, node) in new
        .iter()
        .filter(|(path, node)| old.get(*path) != Some(node))
    {
        let same = old
            .iter()
            .find(|(_, before)| *before == node)
            .map(|(path, _)| path);
        match (node, same) {
            (_, Some(from)) => writeln!(text, "copy {from} {path}").unwrap(),
            (Node::Folder, _) => writeln!(text, "folder {path}").unwrap(),
            (Node::Sparse(size), _) => writeln!(text, "sparse {path} {size}").unwrap(),
            (Node::File(bytes), _) if *bytes == readme() => {
                writeln!(text, "readme {path}").unwrap()
            }
            (Node::File(bytes), _) => write!(text, "file {path}\n{}", render_file(bytes)).unwrap(),
        }
    }
    text
}

/// The highest folder around a path that nothing is left of.
fn gone(path: &str, new: &Tree) -> String {
    let ends = path.match_indices('/').map(|(at, _)| &path[..at]);
    let mut around = ends.filter(|folder| !new.keys().any(|path| is_within(path, folder)));
    around.next().unwrap_or(path).to_owned()
}

fn render_file(bytes: &[u8]) -> String {
    let plain = bytes
        .iter()
        .all(|byte| *byte == b'\n' || (0x20..=0x7e).contains(byte))
        && bytes.ends_with(b"\n");
    if plain {
        let text = std::str::from_utf8(bytes).unwrap();
        return text.lines().map(|line| format!("| {line}\n")).collect();
    }
    let coded = BASE64.encode(bytes);
    let starts = (0..coded.len()).step_by(96);
    starts
        .map(|at| format!("= {}\n", &coded[at..coded.len().min(at + 96)]))
        .collect()
}

/// Every vector as it is committed.
pub(super) fn committed(folder: &Path) -> Vec<Vector> {
    let load = |name: &str| fs::read_to_string(folder.join(format!("{name}.txt"))).unwrap();
    let base = Vector::parse("good", &load("good"), |_| unreachable!());
    let names = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names
        .filter_map(|name| Some(name.strip_suffix(".txt")?.to_owned()))
        .collect();
    names.retain(|name| name != "sealed");
    names.sort();
    names
        .iter()
        .map(|name| Vector::parse(name, &load(name), |_| base.clone()))
        .collect()
}
