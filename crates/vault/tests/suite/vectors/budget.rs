//! What a reader does with a medium made to keep it busy: the work is counted, and what is really
//! there is found.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use vault::id::{Number, ServerId, VaultId};
use vault::medium::Medium;
use vault::survey::Survey;
use vault::trust::Trust;
use vault::volume::{Entry, EntryKind, MAX_ENTRIES, Reading, Volume};

use super::committed;
use super::tree::Node;

const MIB: u64 = 1024 * 1024;

/// What was asked of a medium.
#[derive(Default)]
struct Work {
    listed: AtomicU64,
    read: AtomicU64,
}

/// The good medium of the vectors in memory, and what somebody planted on it.
struct Planted {
    files: BTreeMap<String, Node>,
    folders: BTreeMap<String, BTreeMap<String, EntryKind>>,
    vault: VaultId,
    work: Arc<Work>,
}

impl Planted {
    fn good() -> Self {
        let vectors = committed();
        let good = vectors.iter().find(|vector| vector.name == "good").unwrap();
        let mut planted = Self {
            files: BTreeMap::new(),
            folders: BTreeMap::new(),
            vault: VaultId::parse(good.pin.as_deref().unwrap()).unwrap(),
            work: Arc::default(),
        };
        for (path, node) in &good.tree {
            planted.put(path.strip_prefix("stick/").unwrap(), node.clone());
        }
        planted
    }

    fn put(&mut self, path: &str, node: Node) {
        let kind = match node {
            Node::Folder => EntryKind::Folder,
            _ => EntryKind::File,
        };
        self.enter(path, kind);
        match node {
            Node::Folder => {
                self.folders.entry(path.to_owned()).or_default();
            }
            file => {
                self.files.insert(path.to_owned(), file);
            }
        }
    }

    fn enter(&mut self, path: &str, kind: EntryKind) {
        let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
        if !parent.is_empty() && !self.folders.contains_key(parent) {
            self.enter(parent, EntryKind::Folder);
        }
        let siblings = self.folders.entry(parent.to_owned()).or_default();
        siblings.insert(name.to_owned(), kind);
    }

    fn in_both_halves(&mut self, path: &str, node: &Node) {
        for half in ["A", "B"] {
            self.put(&format!("PFXVAULT/{half}/{path}"), node.clone());
        }
    }

    /// Surveys it, and gives what `look` says, the folders listed and the bytes read.
    fn survey<T>(self, look: impl FnOnce(&Survey<'_>) -> T) -> (T, u64, u64) {
        let (work, vault) = (Arc::clone(&self.work), self.vault.clone());
        let media = [Medium::new("stick", Box::new(self))];
        let known = Trust::new(vault.clone());
        let survey = Survey::of(&media, vault, &known, Reading::Cached).unwrap();
        let said = look(&survey);
        let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
        (said, count(&work.listed), count(&work.read))
    }
}

impl Volume for Planted {
    fn list(&self, folder: &str) -> io::Result<Vec<Entry>> {
        self.work.listed.fetch_add(1, Ordering::Relaxed);
        let entries = self.folders.get(folder);
        let entries = entries.ok_or(io::ErrorKind::NotFound)?;
        if entries.len() > MAX_ENTRIES {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let entry = |(name, kind): (&String, &EntryKind)| Entry {
            name: name.clone(),
            kind: *kind,
        };
        Ok(entries.iter().map(entry).collect())
    }

    fn read(&self, path: &str, cap: u64, _: Reading) -> io::Result<Vec<u8>> {
        let bytes = match self.files.get(path).ok_or(io::ErrorKind::NotFound)? {
            Node::Sparse(size) if *size <= cap => vec![0; usize::try_from(*size).unwrap()],
            Node::File(bytes) if bytes.len() as u64 <= cap => bytes.clone(),
            _ => return Err(io::ErrorKind::FileTooLarge.into()),
        };
        let count = bytes.len() as u64;
        self.work.read.fetch_add(count, Ordering::Relaxed);
        Ok(bytes)
    }

    fn make_folder(&self, _: &str) -> io::Result<()> {
        unreachable!("nothing is written")
    }

    fn create(&self, _: &str, _: &[u8]) -> io::Result<()> {
        unreachable!("nothing is written")
    }

    fn rewrite(&self, _: &str, _: &[u8]) -> io::Result<()> {
        unreachable!("nothing is written")
    }

    fn flush(&self) -> io::Result<()> {
        unreachable!("nothing is written")
    }
}

/// What every survey of the good medium finds: three generations that are whole.
fn whole(survey: &Survey<'_>) -> usize {
    let generations = survey.slots.values().flat_map(|slot| &slot.generations);
    generations
        .filter(|generation| survey.check(generation, Reading::PastCache).is_whole())
        .count()
}

/// The server of the good medium that is not closed.
const SERVER: &str = "4AHWHSMQ";

#[test]
fn the_good_medium_is_read_once_and_nothing_of_it_is_left_out() {
    let bytes: u64 = Planted::good()
        .files
        .values()
        .map(|node| match node {
            Node::File(bytes) => bytes.len() as u64,
            _ => 0,
        })
        .sum();
    let (said, _, read) = Planted::good().survey(|survey| (whole(survey), survey.crowded()));
    assert_eq!(said, (3, Vec::new()));
    assert!(read <= bytes, "{read} of {bytes}");
}

#[test]
fn folders_of_strangers_are_counted_and_not_opened() {
    let mut planted = Planted::good();
    for server in "ABCDEFGHIJKL".chars() {
        let server = server.to_string().repeat(8);
        for number in 1..=25_000 {
            planted.put(&format!("PFXVAULT/A/{server}/{number:08}"), Node::Folder);
        }
    }
    let (said, listed, _) = planted.survey(|survey| {
        let kept: usize = survey.slots.values().map(|slot| slot.foreign.len()).sum();
        (
            whole(survey),
            kept,
            survey.not_admitted_count(),
            survey.crowded().len(),
        )
    });
    let (whole, kept, not_admitted, crowded) = said;
    assert_eq!((whole, not_admitted, crowded), (3, 300_000, 1));
    assert!(kept <= 10_001, "{kept} folders kept");
    assert!(listed < 11_000, "{listed} folders listed");
}

#[test]
fn a_generation_at_its_place_is_found_among_any_number_of_empty_ones() {
    let mut planted = Planted::good();
    for number in 3..=200_000 {
        planted.in_both_halves(&format!("{SERVER}/{number:08}"), &Node::Folder);
    }
    let (said, listed, _) = planted.survey(|survey| {
        let unfinished: usize = survey.slots.values().map(|s| s.unfinished.len()).sum();
        (whole(survey), unfinished, survey.crowded().len())
    });
    let (whole, unfinished, crowded) = said;
    assert_eq!((whole, crowded), (3, 1));
    assert!(unfinished <= 10_000, "{unfinished} folders kept");
    assert!(listed < 410_000, "{listed} folders listed");
}

#[test]
fn copies_beside_a_good_one_are_not_read() {
    let mut planted = Planted::good();
    for copy in 1..=999 {
        for name in ["CATALOG.AGE", "K0000001.AGE"] {
            let path = format!("{SERVER}/00000001.{copy:03}/{name}");
            planted.in_both_halves(&path, &Node::Sparse(16 * MIB));
        }
    }
    let (whole, _, read) = planted.survey(whole);
    assert_eq!(whole, 3);
    assert!(read < MIB, "{read} bytes read");
}

#[test]
fn what_no_record_vouches_for_is_read_up_to_a_limit_that_is_said() {
    let mut planted = Planted::good();
    for name in ["CATALOG.AGE", "K0000001.AGE"] {
        let path = format!("{SERVER}/00000001/{name}");
        planted.in_both_halves(&path, &Node::Sparse(16 * MIB));
    }
    for copy in 1..=99 {
        let path = format!("{SERVER}/00000001.{copy:03}/CATALOG.AGE");
        planted.in_both_halves(&path, &Node::Sparse(16 * MIB));
    }
    let (said, _, read) = planted.survey(|survey| (whole(survey), survey.crowded().len()));
    assert_eq!(said, (2, 1), "two are whole, and a limit was reached");
    assert!(read < 300 * MIB, "{read} bytes read");
}

#[test]
fn large_files_in_the_place_of_lost_ones_hide_no_other_generation() {
    let mut planted = Planted::good();
    for number in [1, 2] {
        for file in 1..=40 {
            let path = format!("{SERVER}/{number:08}.001/K{file:07}.AGE");
            planted.in_both_halves(&path, &Node::Sparse(16 * MIB));
        }
        let path = format!("{SERVER}/{number:08}/K0000001.AGE");
        planted.in_both_halves(&path, &Node::Sparse(16 * MIB));
    }
    let whole = planted.survey(whole).0;
    assert_eq!(whole, 1, "the other server's");
}

#[test]
fn a_destroyed_half_full_of_large_files_leaves_the_other_half_good() {
    let mut planted = Planted::good();
    let names: Vec<String> = planted.files.keys().cloned().collect();
    for path in names {
        if path.starts_with(&format!("PFXVAULT/A/{SERVER}")) && path.ends_with(".AGE") {
            planted.put(&path, Node::Sparse(16 * MIB));
        }
    }
    let (whole, _, read) = planted.survey(whole);
    assert_eq!(whole, 3);
    assert!(read < MIB, "{read} bytes read");
}

#[test]
fn planted_statements_push_no_statement_of_the_owners_out() {
    let mut planted = Planted::good();
    for number in 0..200 {
        let stem = format!("AAAAAA{}{}", base32(number / 32), base32(number % 32));
        let text = Node::Sparse(4 * MIB);
        planted.in_both_halves(&format!("OWNER/{stem}.TXT"), &text);
        planted.in_both_halves(&format!("OWNER/{stem}.SIG"), &Node::File(vec![b'x'; 300]));
    }
    let (said, _, read) = planted.survey(|survey| (whole(survey), survey.crowded().len()));
    assert_eq!(said, (3, 1));
    assert!(read < 80 * MIB, "{read} bytes read");
}

#[test]
fn names_that_do_not_belong_are_kept_up_to_a_limit() {
    let mut planted = Planted::good();
    for number in 0..50_000 {
        planted.put(&format!("PFXVAULT/A/{SERVER}/x{number}"), Node::Sparse(0));
        planted.put(&format!("PFXVAULT/A/OWNER/y{number}.exe"), Node::Sparse(0));
    }
    let (said, ..) = planted.survey(|survey| {
        let walk = &survey.walks[0];
        (
            whole(survey),
            walk.unexpected.len() + walk.programs.len(),
            survey.crowded().len(),
        )
    });
    let (whole, kept, crowded) = said;
    assert_eq!((whole, crowded), (3, 1));
    assert!(kept <= 20_000, "{kept} names kept");
}

#[test]
fn a_server_s_folder_that_cannot_be_listed_whole_is_said() {
    let mut planted = Planted::good();
    for number in 1..=MAX_ENTRIES {
        planted.put(&format!("PFXVAULT/A/{SERVER}/x{number}"), Node::Sparse(0));
    }
    let (said, ..) = planted.survey(|survey| {
        let line = survey.line(ServerId::parse(SERVER).unwrap());
        let numbers: Vec<Number> = line.map(|generation| generation.record.number).collect();
        (numbers.len(), survey.crowded().len())
    });
    assert_eq!(said, (2, 1), "the other half has them");
}

fn base32(value: u32) -> char {
    char::from(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"[value as usize])
}
