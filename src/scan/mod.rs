//! Stray key files: every private key below some folders, found by content and not by name, also
//! inside mail and archives.
//!
//! Never shows a key, tries no password but the empty one, follows no link, waits for no pipe, and
//! takes bounded time and memory whatever the files are. Only the first bytes of a file are read
//! unless they look like more.

mod keys;
mod links;
mod look;
mod numbers;
mod promise;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, mpsc};

use jiff::Timestamp;
pub use keys::{Form, KeyOwner, KeyProtection, OwnKeys, SeenKey};
use links::{LinkedFiles, Name};
use look::{Look, One};

use crate::message::Text;
use crate::platform::media::{self, Facts};
use crate::platform::system;
use crate::rules::{self, Rule, Stored};
use crate::text;

/// Names looked at before the rest is left.
const MOST_ENTRIES: u64 = 20_000_000;
/// Folders within folders.
const DEEPEST: usize = 128;
/// Keys that are listed.
const MOST_FOUND: usize = 10_000;
/// Files that one thread takes at a time.
const BATCH: usize = 128;
/// How often someone who watches hears of it.
const PROGRESS: u64 = 20_000;

/// A private key, where it lies, and what is wrong with that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StrayKey {
    /// The file.
    pub path: PathBuf,
    /// Where in it: attachments and files of archives, from the outside in.
    pub inside: Vec<String>,
    /// What it is.
    pub seen: SeenKey,
    /// The handling rules that it breaks there.
    pub rules: Vec<Rule>,
}

/// What a scan saw.
#[derive(Debug)]
pub struct ScanResult {
    /// What was searched, as it is called on this system.
    pub paths: Vec<PathBuf>,
    /// When the search began.
    pub time: Timestamp,
    /// Files looked at; one with several names is one.
    pub files: u64,
    /// Every private key, by place.
    pub found: Vec<StrayKey>,
    /// Files and folders that could not be read.
    pub unread: u64,
    /// What could be looked into only in part, for its size, or because it is damaged or closed:
    /// archives with a password or of a kind that is not read, Outlook's data files.
    pub in_part: u64,
    /// Whether a limit ended the scan before everything was seen.
    pub stopped: bool,
}

/// Looks at everything below `paths`. `served` are the folders that a web server hands out.
/// `progress` is told in the caller's thread.
pub fn run(
    paths: &[PathBuf],
    time: Timestamp,
    known: &OwnKeys,
    served: &[PathBuf],
    progress: &dyn Fn(Text),
) -> ScanResult {
    let (sender, receiver) = mpsc::channel();
    std::thread::scope(|threads| {
        let walking = threads.spawn(move || FolderWalk::new(known, sender).run(paths, served));
        for count in receiver {
            progress(text!("progress-scanned", count = count));
        }
        // A thread that ended early saw no more than nothing.
        let seen = walking.join().unwrap_or(WalkResult {
            stopped: true,
            ..WalkResult::default()
        });
        ScanResult {
            paths: paths.iter().map(|path| real(path)).collect(),
            time,
            files: seen.files,
            found: seen.found,
            unread: seen.unread,
            in_part: seen.in_part,
            stopped: seen.stopped,
        }
    })
}

/// Where it really is; as it was named where that cannot be told.
fn real(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

/// What a walk through folders saw.
#[derive(Default)]
struct WalkResult {
    files: u64,
    found: Vec<StrayKey>,
    unread: u64,
    in_part: u64,
    stopped: bool,
}

/// A key, whether it lay in a mail, and whether others can read the file.
type Raw = (StrayKey, bool, bool);

/// Whether others can read a file.
fn is_readable(path: &Path) -> bool {
    fs::File::open(path)
        .and_then(|file| system::readable_by_others(&file))
        .unwrap_or(false)
}

/// The rules that each breaks. A key that nothing protects is given to whoever gets a copy of its
/// file: of a backup, of a disk, of a machine. What is known of a folder is looked up once.
fn judged(raw: Vec<Raw>, served: &[PathBuf]) -> Vec<StrayKey> {
    let mut places: BTreeMap<PathBuf, Option<Facts>> = BTreeMap::new();
    let judge = |(mut found, in_mail, readable): Raw| {
        let folder = found.path.parent().unwrap_or(&found.path).to_owned();
        let facts = places
            .entry(folder)
            .or_insert_with_key(|folder| media::facts(folder).ok());
        let breaches = facts
            .iter()
            .flat_map(|facts| rules::breaches(facts, Stored::KeyPairFiles, served));
        found.rules = breaches.map(|breach| breach.rule).collect();
        if in_mail {
            found.rules.push(Rule::NoEmail);
        }
        if readable || found.seen.protection == KeyProtection::Open {
            found.rules.push(Rule::NoHandover);
        }
        found.rules.sort_by_key(|rule| rule.id());
        found.rules.dedup();
        found
    };
    raw.into_iter().map(judge).collect()
}

struct FolderWalk<'a> {
    known: &'a OwnKeys,
    progress: mpsc::Sender<u64>,
    left_out: Vec<PathBuf>,
    look: look::Limits,
    entries: AtomicU64,
    files: AtomicU64,
    unread: AtomicU64,
    in_part: AtomicU64,
    stopped: AtomicBool,
    links: Mutex<LinkedFiles>,
    found: Mutex<Vec<Raw>>,
}

impl<'a> FolderWalk<'a> {
    fn new(known: &'a OwnKeys, progress: mpsc::Sender<u64>) -> Self {
        Self {
            known,
            progress,
            left_out: system::kernels_own(),
            look: look::Limits::default(),
            entries: AtomicU64::new(0),
            files: AtomicU64::new(0),
            unread: AtomicU64::new(0),
            in_part: AtomicU64::new(0),
            stopped: AtomicBool::new(false),
            links: Mutex::default(),
            found: Mutex::new(Vec::new()),
        }
    }

    fn run(self, paths: &[PathBuf], served: &[PathBuf]) -> WalkResult {
        rayon::scope(|scope| paths.iter().for_each(|path| self.start(scope, path)));
        let mut found = self
            .found
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        found.sort_by(|a, b| (&a.0.path, &a.0.inside).cmp(&(&b.0.path, &b.0.inside)));
        found.dedup();
        WalkResult {
            files: self.files.into_inner(),
            found: judged(found, served),
            unread: self.unread.into_inner(),
            in_part: self.in_part.into_inner(),
            stopped: self.stopped.into_inner(),
        }
    }

    /// What is named may be a link; nothing below it is followed.
    fn start<'s>(&'s self, scope: &rayon::Scope<'s>, path: &Path) {
        match fs::canonicalize(path) {
            Ok(real) if real.is_dir() => scope.spawn(move |scope| self.folder(scope, &real, 0)),
            Ok(real) if real.is_file() => self.file(&real),
            // A pipe or a device is neither, and nobody waits for it.
            Ok(_) | Err(_) => self.count(&self.unread),
        }
    }

    fn folder<'s>(&'s self, scope: &rayon::Scope<'s>, path: &Path, depth: usize) {
        let Ok(entries) = fs::read_dir(path) else {
            return self.count(&self.unread);
        };
        let mut files = Vec::with_capacity(BATCH);
        for entry in entries.flatten() {
            if self.is_over() {
                break;
            }
            match entry.file_type() {
                Ok(kind) if kind.is_file() => files.push(entry.path()),
                Ok(kind) if kind.is_dir() => self.below(scope, entry.path(), depth + 1),
                _ => {}
            }
            if files.len() == BATCH {
                let files = std::mem::replace(&mut files, Vec::with_capacity(BATCH));
                scope.spawn(move |_| files.iter().for_each(|file| self.file(file)));
            }
        }
        files.iter().for_each(|file| self.file(file));
    }

    fn below<'s>(&'s self, scope: &rayon::Scope<'s>, folder: PathBuf, depth: usize) {
        if depth > DEEPEST {
            return self.stopped.store(true, Ordering::Relaxed);
        }
        if !self.left_out.contains(&folder) {
            scope.spawn(move |scope| self.folder(scope, &folder, depth));
        }
    }

    fn is_over(&self) -> bool {
        if self.entries.fetch_add(1, Ordering::Relaxed) >= MOST_ENTRIES {
            self.stopped.store(true, Ordering::Relaxed);
        }
        self.stopped.load(Ordering::Relaxed)
    }

    fn file(&self, path: &Path) {
        let file = match system::open_plain(path) {
            Ok(Some(file)) => file,
            Ok(None) => return self.count_file(),
            Err(_) => {
                self.count_file();
                return self.count(&self.unread);
            }
        };
        let shared = system::shared_id(&file).ok().flatten();
        if let Some(id) = shared {
            match self.links().meet(id, path) {
                Name::First => {}
                Name::Known => return,
                Name::AlsoHere(keys) => return self.keep(path, &keys, is_readable(path)),
            }
        }
        self.count_file();
        let found = self.look(path, file);
        let names = shared.map(|id| self.links().close(id, &found));
        if !found.is_empty() {
            for path in names.iter().flatten() {
                self.keep(path, &found, is_readable(path));
            }
        }
    }

    /// Looks into a file, and keeps what is found.
    fn look(&self, path: &Path, file: fs::File) -> Vec<One> {
        let Ok(looked) = Look::at(file, self.known, &self.look) else {
            self.count(&self.unread);
            return Vec::new();
        };
        if looked.in_part {
            self.count(&self.in_part);
        }
        if !looked.found.is_empty() {
            self.keep(path, &looked.found, is_readable(path));
        }
        looked.found
    }

    fn links(&self) -> MutexGuard<'_, LinkedFiles> {
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count_file(&self) {
        let count = self.files.fetch_add(1, Ordering::Relaxed) + 1;
        if count.is_multiple_of(PROGRESS) {
            // Whoever watched is gone only when the scan is.
            let _ = self.progress.send(count);
        }
    }

    fn keep(&self, path: &Path, keys: &[One], readable: bool) {
        let mut all = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        for one in keys {
            if all.len() == MOST_FOUND {
                return self.stopped.store(true, Ordering::Relaxed);
            }
            let found = StrayKey {
                path: path.to_owned(),
                inside: one.inside.clone(),
                seen: one.seen.clone(),
                rules: Vec::new(),
            };
            all.push((found, one.in_mail, readable));
        }
    }

    fn count(&self, counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}
