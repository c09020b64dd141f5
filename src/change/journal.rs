//! The journal of changes to this server. Every change is on disk before it is made, so that a run
//! that fails or is killed can be taken back, and one that finished can be undone. Lines are only
//! ever appended.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::edit::Edit;
use crate::error::{Error, Exit, Result};
use crate::iis::{KeyLink, Properties, StoreName};
use crate::message::{Text, moment};
use crate::state::refuse_shared;
use crate::text;
use vault::id::Hash;

/// File in the host state folder.
const FILE: &str = "changes.jsonl";
/// The form of the lines that this program writes, and the newest it reads.
const FORMAT: u32 = 1;

/// One change, with what its undoing needs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "kebab-case")]
pub enum ChangeStep {
    /// A container that did not exist.
    CreateKey {
        /// Where.
        key: KeyLink,
    },
    /// A certificate that the store did not hold.
    AddCertificate {
        /// The store.
        store: StoreName,
        /// SHA-256 of the certificate.
        certificate: Hash,
        /// The link it is added with.
        key: Option<KeyLink>,
    },
    /// Other properties for a certificate that the store held.
    ChangeCertificate {
        /// The store.
        store: StoreName,
        /// SHA-256 of the certificate.
        certificate: Hash,
        /// As it was.
        before: Properties,
        /// As it will be.
        after: Properties,
    },
    /// A certificate that the store held is taken out of it. Its key stays.
    RemoveCertificate {
        /// The store.
        store: StoreName,
        /// The certificate, base64 of its DER.
        certificate: String,
        /// As it was.
        properties: Properties,
    },
    /// Another record of http.sys, or another binding.
    Serve(Edit),
}

impl ChangeStep {
    /// SHA-256 of the certificate that it added or changed, if it did.
    pub fn certificate(&self) -> Option<Hash> {
        match self {
            Self::AddCertificate { certificate, .. }
            | Self::ChangeCertificate { certificate, .. } => Some(*certificate),
            _ => None,
        }
    }

    /// The change to what the server serves, if it is one.
    pub fn edit(&self) -> Option<&Edit> {
        if let Self::Serve(edit) = self {
            Some(edit)
        } else {
            None
        }
    }
}

/// How far a run came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransactionState {
    /// It has neither finished nor been taken back.
    Open,
    /// It finished.
    Kept,
    /// All of it was taken back.
    TakenBack,
    /// Some of its lines are not understood: nobody can take it back.
    Unknown,
}

/// One run that changed the server, or began to.
#[derive(Debug, Clone)]
pub struct Transaction {
    /// Counts from 1.
    pub number: u32,
    /// The command.
    pub what: String,
    /// When it began.
    pub began: jiff::Timestamp,
    /// Its changes, in the order they were begun.
    pub steps: Vec<ChangeStep>,
    /// How far it came.
    pub stage: TransactionState,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum JournalLine {
    Begin {
        run: u32,
        what: String,
        time: jiff::Timestamp,
        /// Of this run's lines; not in those of the first version.
        #[serde(default = "first_format")]
        format: u32,
    },
    Step(Box<ChangeStep>),
    Keep {
        run: u32,
    },
    /// A run that was kept is to be undone.
    TakeBack {
        run: u32,
    },
    TakenBack {
        run: u32,
    },
}

fn first_format() -> u32 {
    1
}

/// The run that was interrupted, without holding the journal; `None` also while a run is going on.
///
/// # Errors
/// When the journal is there and cannot be read.
pub fn look(state: &Path) -> Result<Option<Transaction>> {
    let path = state.join(FILE);
    let unusable = |error: &io::Error| {
        Error::failed(text!(
            "error-journal",
            path = path.as_path(),
            reason = error
        ))
    };
    let mut file = match File::open(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(|e| unusable(&e))?,
    };
    if file.try_lock_shared().is_err() {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(|e| unusable(&e))?;
    let whole = bytes
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |at| at + 1);
    let History { runs, .. } = parse(&bytes[..whole]);
    Ok(runs
        .into_iter()
        .rfind(|run| run.stage == TransactionState::Open))
}

/// The journal, held by one process at a time.
pub struct Journal {
    path: PathBuf,
    file: File,
    runs: Vec<Transaction>,
    /// Numbers of the lines that are not understood, from 1.
    unknown: Vec<usize>,
}

/// Lines that are named one by one.
const MOST_NAMED: usize = 10;

/// What the lines say.
#[derive(Default)]
struct History {
    runs: Vec<Transaction>,
    unknown: Vec<usize>,
}

impl Journal {
    /// Opens or creates the journal in the host state folder. A last line that was not written to
    /// its end is dropped: its change was not begun.
    ///
    /// # Errors
    /// When it cannot be read, or another process holds it.
    pub fn open(state: &Path) -> Result<Self> {
        let path = state.join(FILE);
        let unusable = |error: io::Error| {
            Error::failed(text!(
                "error-journal",
                path = path.as_path(),
                reason = &error
            ))
        };
        crate::platform::system::make_private(state).map_err(unusable)?;
        refuse_shared(state)?;
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let mut file = options.open(&path).map_err(unusable)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(Error::failed(text!(
                    "error-journal-busy",
                    path = path.as_path()
                )));
            }
            Err(TryLockError::Error(error)) => return Err(unusable(error)),
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(unusable)?;
        let end = bytes.iter().rposition(|byte| *byte == b'\n');
        let whole = end.map_or(0, |at| at + 1);
        file.set_len(whole as u64).map_err(unusable)?;
        file.seek(SeekFrom::End(0)).map_err(unusable)?;
        let History { runs, unknown } = parse(&bytes[..whole]);
        Ok(Self {
            path,
            file,
            runs,
            unknown,
        })
    }

    /// Which lines are not understood, because a newer pfxvault wrote them or they are damaged;
    /// `None` where all are. The runs they belong to cannot be taken back, and hinder nothing else.
    pub fn remark(&self) -> Option<Text> {
        let lines: Vec<String> = self
            .unknown
            .iter()
            .take(MOST_NAMED)
            .map(usize::to_string)
            .collect();
        let path = self.path.as_path();
        (!lines.is_empty()).then(|| text!("journal-unknown", path = path, lines = lines.join(", ")))
    }

    /// The run that has neither finished nor been taken back. There is at most one.
    pub fn interrupted(&self) -> Option<&Transaction> {
        self.runs
            .iter()
            .rfind(|run| run.stage == TransactionState::Open)
    }

    /// Nothing else is done while a run is open.
    ///
    /// # Errors
    /// While one is: it comes first.
    pub fn refuse_interrupted(&self, exit: Exit) -> Result<()> {
        let Some(open) = self.interrupted() else {
            return Ok(());
        };
        let (what, when) = (open.what.as_str(), moment(open.began));
        Err(Error::new(
            exit,
            text!("error-run-interrupted", what = what, when = when),
        ))
    }

    /// The newest run that finished and still stands; `None` also where a later one is not
    /// understood, because what it changed may stand on it.
    pub fn last_committed(&self) -> Option<&Transaction> {
        let mut newest = self.runs.iter().rev();
        newest
            .find(|run| {
                matches!(
                    run.stage,
                    TransactionState::Kept | TransactionState::Unknown
                )
            })
            .filter(|run| run.stage == TransactionState::Kept)
    }

    /// Begins a run.
    ///
    /// # Errors
    /// While another is open, or when the line cannot be written.
    pub fn begin(&mut self, what: &str, now: jiff::Timestamp) -> Result<()> {
        self.refuse_interrupted(Exit::Failed)?;
        let run = self.runs.last().map_or(0, |run| run.number) + 1;
        self.write(&JournalLine::Begin {
            run,
            what: what.to_owned(),
            time: now,
            format: FORMAT,
        })
    }

    /// Writes down a change of the open run. Only after this returns may the change be made.
    ///
    /// # Errors
    /// When it is not on disk.
    pub fn log_intent(&mut self, step: ChangeStep) -> Result<()> {
        self.write(&JournalLine::Step(Box::new(step)))
    }

    /// The open run finished.
    ///
    /// # Errors
    /// When that is not on disk; the run is still open then.
    pub fn commit(&mut self) -> Result<()> {
        self.end(|run| JournalLine::Keep { run })
    }

    /// The open run was taken back.
    ///
    /// # Errors
    /// When that is not on disk; taking back what is gone does no harm.
    pub fn rolled_back(&mut self) -> Result<()> {
        self.end(|run| JournalLine::TakenBack { run })
    }

    /// Opens the newest finished run again, to be taken back.
    ///
    /// # Errors
    /// When there is none, another is open, or the line cannot be written.
    pub fn reopen(&mut self) -> Result<()> {
        self.refuse_interrupted(Exit::Attention)?;
        let run = self
            .last_committed()
            .map(|run| run.number)
            .ok_or_else(|| Error::failed(text!("error-nothing-to-undo")))?;
        self.write(&JournalLine::TakeBack { run })
    }

    fn end(&mut self, line: impl Fn(u32) -> JournalLine) -> Result<()> {
        match self.interrupted().map(|run| run.number) {
            Some(run) => self.write(&line(run)),
            None => Ok(()),
        }
    }

    fn write(&mut self, line: &JournalLine) -> Result<()> {
        let unusable = |error: &io::Error| {
            Error::failed(text!(
                "error-journal",
                path = self.path.as_path(),
                reason = error
            ))
        };
        let mut json = serde_json::to_string(line).map_err(|e| unusable(&e.into()))?;
        json.push('\n');
        self.file
            .write_all(json.as_bytes())
            .and_then(|()| self.file.sync_all())
            .map_err(|e| unusable(&e))?;
        take(&mut self.runs, line).ok_or_else(|| {
            Error::new(
                Exit::Damaged,
                text!("error-journal-damaged", path = self.path.as_path()),
            )
        })
    }
}

fn parse(bytes: &[u8]) -> History {
    let mut history = History::default();
    let lines = bytes.split_inclusive(|byte| *byte == b'\n');
    for (at, line) in lines.enumerate() {
        let read = serde_json::from_slice(line)
            .ok()
            .and_then(|line| take(&mut history.runs, &line));
        if read.is_none() {
            history.unknown.push(at + 1);
            spoil(&mut history.runs);
        }
    }
    history
}

/// A line that is not understood belongs to the run that is open, else to one that nobody knows.
fn spoil(runs: &mut Vec<Transaction>) {
    match runs.last_mut() {
        Some(run)
            if matches!(
                run.stage,
                TransactionState::Open | TransactionState::Unknown
            ) =>
        {
            run.stage = TransactionState::Unknown
        }
        last => {
            let number = last.map_or(0, |run| run.number) + 1;
            runs.push(Transaction {
                number,
                what: String::new(),
                began: jiff::Timestamp::UNIX_EPOCH,
                steps: Vec::new(),
                stage: TransactionState::Unknown,
            });
        }
    }
}

/// What a line does to the runs; `None` if it cannot stand there.
fn take(runs: &mut Vec<Transaction>, line: &JournalLine) -> Option<()> {
    use TransactionState::{Kept, Open, TakenBack, Unknown};
    match line {
        JournalLine::Keep { run } => advance(runs, *run, Open, Kept),
        JournalLine::TakeBack { run } => advance(runs, *run, Kept, Open),
        JournalLine::TakenBack { run } => advance(runs, *run, Open, TakenBack),
        JournalLine::Step(step) => {
            let last = runs.last_mut()?;
            if !matches!(last.stage, Open | Unknown) {
                return None;
            }
            last.steps.push(ChangeStep::clone(step));
            Some(())
        }
        JournalLine::Begin { format, .. } if *format > FORMAT => None,
        JournalLine::Begin {
            run, what, time, ..
        } => {
            runs.push(Transaction {
                number: *run,
                what: what.clone(),
                began: *time,
                steps: Vec::new(),
                stage: Open,
            });
            Some(())
        }
    }
}

/// Brings the last run of this number from one state to another; `None` if there is none.
fn advance(
    runs: &mut [Transaction],
    number: u32,
    from: TransactionState,
    to: TransactionState,
) -> Option<()> {
    // A run that nobody knows may have the number of one that stands there.
    let of = |stage| move |run: &&mut Transaction| run.number == number && run.stage == stage;
    if let Some(run) = runs.iter_mut().rfind(of(from)) {
        run.stage = to;
        return Some(());
    }
    let unknown = runs.iter_mut().find(of(TransactionState::Unknown));
    unknown.map(|_| ())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::change::tests::state_folder;
    use crate::iis::blob::Home;
    use crate::message::Arg;

    fn step(container: &str) -> ChangeStep {
        ChangeStep::CreateKey {
            key: Home::SchannelCsp.link(container.into()),
        }
    }

    fn journal_with_open_run(folder: &Path) -> Journal {
        let mut journal = Journal::open(folder).unwrap();
        journal
            .begin("restore", jiff::Timestamp::UNIX_EPOCH)
            .unwrap();
        journal.log_intent(step("one")).unwrap();
        journal
    }

    #[test]
    fn a_run_that_was_not_finished_is_found_again() {
        let folder = state_folder();
        drop(journal_with_open_run(folder.path()));
        let mut journal = Journal::open(folder.path()).unwrap();
        assert_eq!(journal.interrupted().unwrap().steps, [step("one")]);
        assert_eq!(
            journal
                .begin("restore", jiff::Timestamp::UNIX_EPOCH)
                .unwrap_err()
                .text
                .id,
            "error-run-interrupted"
        );
        journal.rolled_back().unwrap();
        assert!(journal.interrupted().is_none() && journal.last_committed().is_none());
    }

    #[test]
    fn the_newest_finished_run_can_be_undone_then_the_one_before() {
        let folder = state_folder();
        let mut journal = journal_with_open_run(folder.path());
        journal.commit().unwrap();
        journal
            .begin("repair", jiff::Timestamp::UNIX_EPOCH)
            .unwrap();
        journal.commit().unwrap();
        assert_eq!(journal.last_committed().unwrap().what, "repair");
        journal.reopen().unwrap();
        journal.rolled_back().unwrap();
        drop(journal);
        let mut journal = Journal::open(folder.path()).unwrap();
        assert_eq!(journal.last_committed().unwrap().what, "restore");
        journal.reopen().unwrap();
        assert_eq!(journal.interrupted().unwrap().steps, [step("one")]);
    }

    #[test]
    fn a_torn_last_line_was_not_begun() {
        let folder = state_folder();
        drop(journal_with_open_run(folder.path()));
        let path = folder.path().join(FILE);
        let whole = fs::read(&path).unwrap();
        let torn = br#"{"step":{"create-key":{"key":{"conta"#;
        fs::write(&path, [&whole, &torn[..]].concat()).unwrap();
        let mut journal = Journal::open(folder.path()).unwrap();
        assert_eq!(journal.remark(), None);
        journal.log_intent(step("two")).unwrap();
        drop(journal);
        let steps = [step("one"), step("two")];
        assert_eq!(
            Journal::open(folder.path())
                .unwrap()
                .interrupted()
                .unwrap()
                .steps,
            steps
        );
    }

    /// The journal with lines put in before its last one, opened.
    fn with_lines(folder: &Path, lines: &str) -> Journal {
        let path = folder.join(FILE);
        let text = fs::read_to_string(&path).unwrap();
        let (before, last) = text.trim_end().rsplit_once('\n').unwrap();
        fs::write(&path, format!("{before}\n{lines}\n{last}\n")).unwrap();
        Journal::open(folder).unwrap()
    }

    #[test]
    fn a_run_with_a_line_that_is_not_understood_is_named_and_hinders_no_other() {
        let folder = state_folder();
        let mut journal = journal_with_open_run(folder.path());
        journal.commit().unwrap();
        journal
            .begin("repair", jiff::Timestamp::UNIX_EPOCH)
            .unwrap();
        journal.commit().unwrap();
        drop(journal);
        let mut journal = with_lines(folder.path(), r#"{"step":{"move-key":{}}}"#);
        let Arg::Words(lines) = &journal.remark().unwrap().args[1].1 else {
            panic!()
        };
        assert_eq!(lines, "5");
        assert!(journal.interrupted().is_none());
        assert!(
            journal.last_committed().is_none(),
            "what it changed may stand on the one before"
        );
        journal
            .begin("restore", jiff::Timestamp::UNIX_EPOCH)
            .unwrap();
        journal.commit().unwrap();
        assert_eq!(journal.last_committed().unwrap().what, "restore");
        journal.reopen().unwrap();
        journal.rolled_back().unwrap();
        assert!(Journal::open(folder.path()).is_err(), "it is still held");
        drop(journal);
        assert!(
            Journal::open(folder.path())
                .unwrap()
                .last_committed()
                .is_none()
        );
    }

    /// The journal, once nobody holds it: what another test starts in this process shares its lock
    /// until that has become a program of its own.
    fn opened(folder: &Path) -> Journal {
        for _ in 0..10_000 {
            match Journal::open(folder) {
                Err(error) if error.text.id == "error-journal-busy" => {
                    std::thread::sleep(std::time::Duration::from_millis(1));
                }
                opened => return opened.unwrap(),
            }
        }
        panic!("it is held for good")
    }

    /// Whatever line is spoiled, a run that was committed is never taken for one that was
    /// interrupted: the next repair would take it back.
    #[test]
    fn no_spoiled_line_makes_a_committed_run_an_interrupted_one() {
        let folder = state_folder();
        let path = folder.path().join(FILE);
        let mut journal = journal_with_open_run(folder.path());
        journal.commit().unwrap();
        journal
            .begin("repair", jiff::Timestamp::UNIX_EPOCH)
            .unwrap();
        journal.log_intent(step("two")).unwrap();
        journal.commit().unwrap();
        journal.reopen().unwrap();
        journal.rolled_back().unwrap();
        drop(journal);
        let whole = fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = whole.lines().collect();
        for at in 0..=lines.len() {
            for (spoiled, kept) in [("more", at), ("instead", (at + 1).min(lines.len()))] {
                let lines = [&lines[..at], &["{\"a\":1}"], &lines[kept..]].concat();
                fs::write(&path, lines.join("\n") + "\n").unwrap();
                let mut journal = opened(folder.path());
                assert!(journal.remark().is_some(), "{at} {spoiled}");
                assert!(journal.interrupted().is_none(), "{at} {spoiled}");
                journal
                    .begin("restore", jiff::Timestamp::UNIX_EPOCH)
                    .unwrap();
                journal.commit().unwrap();
                drop(journal);
                let journal = opened(folder.path());
                assert!(
                    journal.interrupted().is_none(),
                    "{at} {spoiled}, afterwards"
                );
                assert_eq!(journal.last_committed().unwrap().what, "restore");
            }
        }
    }

    #[test]
    fn a_run_of_a_newer_version_is_not_taken_back_by_this_one() {
        let folder = state_folder();
        let mut journal = journal_with_open_run(folder.path());
        journal.commit().unwrap();
        drop(journal);
        let path = folder.path().join(FILE);
        let mut text = fs::read_to_string(&path).unwrap();
        text += "{\"begin\":{\"run\":2,\"what\":\"restore\",\"time\":\"2027-01-01T00:00:00Z\",\"format\":2}}\n";
        text += "{\"step\":{\"rename-site\":{}}}\n{\"keep\":{\"run\":2}}\n";
        fs::write(&path, text).unwrap();
        assert!(look(folder.path()).unwrap().is_none());
        let journal = Journal::open(folder.path()).unwrap();
        assert!(journal.interrupted().is_none() && journal.last_committed().is_none());
        assert_eq!(journal.remark().unwrap().id, "journal-unknown");
    }

    #[test]
    fn only_one_process_holds_it() {
        let folder = state_folder();
        let _held = Journal::open(folder.path()).unwrap();
        assert_eq!(
            Journal::open(folder.path()).err().unwrap().text.id,
            "error-journal-busy"
        );
    }
}
