//! Power cuts and lying media. A FAT file system lies on a disk in memory that records every sector
//! it is asked to write; then the power fails at every point, and whatever was reported as
//! committed must still be there.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    missing_docs,
    reason = "a test"
)]

use std::collections::HashMap;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::sync::{Arc, Mutex};

use pfx::Profile;
use pfxvault::keypair::throwaway::{Authority, KeyKind};
use pfxvault::keystore::{HeldKeyPair, Inventory};
use pfxvault::state::State;
use pfxvault::workflow::backup::{self, BackupRequest, Done};
use pfxvault::workflow::create::create_vault;
use secret::Passphrase;
use vault::id::Number;
use vault::identity::RecoveryKey;
use vault::medium::Medium;
use vault::survey::Survey;
use vault::volume::{Entry, EntryKind, Reading, Volume};

const SECTOR: usize = 512;
const DISK: usize = 1 << 21;

/// What a disk was asked to do, in order.
#[derive(Clone)]
enum Event {
    Write(usize, Vec<u8>),
    Barrier,
}

#[derive(Default)]
struct Platter {
    bytes: Vec<u8>,
    events: Vec<Event>,
    /// How the medium misbehaves.
    fault: Fault,
    writes: usize,
    /// What a system that keeps in memory whatever was written would answer, where there is one.
    cache: Option<HashMap<String, Vec<u8>>>,
}

#[derive(Default, Clone, Copy, PartialEq)]
enum Fault {
    #[default]
    None,
    /// No room from this write on.
    FullAfter(usize),
    /// From this write on, what is written is not what is there.
    GarbageAfter(usize),
    /// From this write on, nothing is kept, and nothing is said about it.
    DropsAfter(usize),
}

/// A disk in memory; clones share it.
#[derive(Clone)]
struct Disk(Arc<Mutex<Platter>>);

/// One user of the disk, with a place of its own.
struct Head {
    disk: Disk,
    at: u64,
}

impl Disk {
    fn of(bytes: Vec<u8>) -> Self {
        Self(Arc::new(Mutex::new(Platter {
            bytes,
            ..Platter::default()
        })))
    }

    fn formatted() -> Self {
        let disk = Self::of(vec![0; DISK]);
        fatfs::format_volume(disk.head(), fatfs::FormatVolumeOptions::new()).unwrap();
        disk.0.lock().unwrap().events.clear();
        disk
    }

    fn head(&self) -> Head {
        Head {
            disk: self.clone(),
            at: 0,
        }
    }

    fn with<R>(&self, action: impl FnOnce(&mut Platter) -> R) -> R {
        action(&mut self.0.lock().unwrap())
    }
}

impl Read for Head {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let at = usize::try_from(self.at).unwrap();
        let count = self.disk.with(|platter| {
            let rest = platter.bytes.get(at..).unwrap_or_default();
            let count = rest.len().min(buffer.len());
            buffer[..count].copy_from_slice(&rest[..count]);
            count
        });
        self.at += count as u64;
        Ok(count)
    }
}

impl Write for Head {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let at = usize::try_from(self.at).unwrap();
        self.disk.with(|platter| platter.write(at, bytes))?;
        self.at += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for Head {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.at = match to {
            SeekFrom::Start(at) => at,
            SeekFrom::Current(by) => self
                .at
                .checked_add_signed(by)
                .ok_or(io::ErrorKind::InvalidInput)?,
            SeekFrom::End(by) => (DISK as u64)
                .checked_add_signed(by)
                .ok_or(io::ErrorKind::InvalidInput)?,
        };
        Ok(self.at)
    }
}

impl Platter {
    fn write(&mut self, at: usize, bytes: &[u8]) -> io::Result<()> {
        self.writes += 1;
        match self.fault {
            Fault::FullAfter(limit) if self.writes > limit => {
                return Err(io::ErrorKind::StorageFull.into());
            }
            Fault::DropsAfter(limit) if self.writes > limit => return Ok(()),
            Fault::GarbageAfter(limit) if self.writes > limit && bytes.len() > 64 => {
                self.bytes[at..at + bytes.len()].fill(0xa5)
            }
            _ => self.bytes[at..at + bytes.len()].copy_from_slice(bytes),
        }
        for sector in at / SECTOR..(at + bytes.len()).div_ceil(SECTOR) {
            let whole = self.bytes[sector * SECTOR..(sector + 1) * SECTOR].to_vec();
            self.events.push(Event::Write(sector, whole));
        }
        Ok(())
    }
}

/// A FAT file system on a disk, mounted anew for every action.
struct Fat(Disk);

impl Fat {
    fn mount(&self) -> io::Result<fatfs::FileSystem<Head>> {
        fatfs::FileSystem::new(self.0.head(), fatfs::FsOptions::new())
    }
}

impl Volume for Fat {
    fn list(&self, folder: &str) -> io::Result<Vec<Entry>> {
        let fat = self.mount()?;
        let root = fat.root_dir();
        let folder = if folder.is_empty() {
            root
        } else {
            root.open_dir(folder)?
        };
        let mut entries = Vec::new();
        for entry in folder.iter() {
            let entry = entry?;
            let kind = if entry.is_dir() {
                EntryKind::Folder
            } else {
                EntryKind::File
            };
            if !matches!(entry.file_name().as_str(), "." | "..") {
                entries.push(Entry {
                    name: entry.file_name(),
                    kind,
                });
            }
        }
        Ok(entries)
    }

    fn read(&self, path: &str, cap: u64, reading: Reading) -> io::Result<Vec<u8>> {
        let cached = self.0.with(|platter| {
            platter
                .cache
                .as_ref()
                .and_then(|cache| cache.get(path).cloned())
        });
        if let (Some(bytes), Reading::Cached) = (cached, reading) {
            return Ok(bytes);
        }
        let fat = self.mount()?;
        let mut bytes = Vec::new();
        fat.root_dir()
            .open_file(path)?
            .take(cap + 1)
            .read_to_end(&mut bytes)?;
        if bytes.len() as u64 > cap {
            Err(io::ErrorKind::FileTooLarge.into())
        } else {
            Ok(bytes)
        }
    }

    fn make_folder(&self, path: &str) -> io::Result<()> {
        self.mount()?.root_dir().create_dir(path).map(|_| ())
    }

    fn create(&self, path: &str, bytes: &[u8]) -> io::Result<()> {
        let fat = self.mount()?;
        if fat.root_dir().open_file(path).is_ok() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let mut file = fat.root_dir().create_file(path)?;
        file.write_all(bytes)?;
        self.0.with(|platter| {
            platter
                .cache
                .iter_mut()
                .for_each(|cache| _ = cache.insert(path.to_owned(), bytes.to_vec()));
        });
        file.flush()
    }

    fn rewrite(&self, path: &str, bytes: &[u8]) -> io::Result<()> {
        let fat = self.mount()?;
        let mut file = fat.root_dir().create_file(path)?;
        file.truncate()?;
        file.write_all(bytes)?;
        file.flush()
    }

    fn flush(&self) -> io::Result<()> {
        self.0.with(|platter| platter.events.push(Event::Barrier));
        Ok(())
    }
}

/// A server with two key pairs, and a vault on a FAT disk.
struct Bench {
    folder: tempfile::TempDir,
    state: State,
    disk: Disk,
    holdings: Inventory,
    now: jiff::Timestamp,
}

fn medium(disk: &Disk) -> Vec<Medium> {
    vec![Medium::new("disk", Box::new(Fat(disk.clone())))]
}

impl Bench {
    fn new() -> Self {
        let now = jiff::Timestamp::now();
        let authority = Authority::new("Test", now).unwrap();
        let pair = |name| authority.issue(&[name], KeyKind::P256, now).unwrap();
        let held = |name| HeldKeyPair {
            pair: pair(name),
            file_names: Vec::new(),
            file_parts: std::collections::BTreeMap::new(),
            pfx: None,
            windows: None,
        };
        let holdings = Inventory {
            key_pairs: ["a.example.com", "b.example.com"].map(held).into(),
            ..Inventory::default()
        };
        let (folder, disk) = (tempfile::tempdir().unwrap(), Disk::formatted());
        let passphrase = Passphrase::new("test".into());
        let key = RecoveryKey::generate();
        let media = medium(&disk);
        let state = create_vault(
            &folder.path().join("state"),
            &media[0],
            &passphrase,
            &key,
            "S",
            "A",
            now,
        )
        .unwrap();
        let mut bench = Self {
            folder,
            state,
            disk,
            holdings,
            now,
        };
        assert!(matches!(bench.back_up(), Ok(Done::Written)));
        bench
    }

    fn back_up(&mut self) -> Result<Done, pfxvault::error::Error> {
        let Self {
            state,
            disk,
            holdings,
            now,
            ..
        } = self;
        let request = BackupRequest {
            holdings,
            selected: &[],
            profile: Profile::Aes256,
            password: None,
            exceptions: &[],
            force: true,
            now: *now,
        };
        let outcome = backup::run(state, &medium(disk), &request, &|_| ())?;
        Ok(outcome.media.into_iter().next().unwrap().done)
    }

    /// Which numbers are whole on an image of the disk, for someone who knows nothing but whose
    /// vault it is.
    fn whole(&self, image: Vec<u8>) -> Vec<u32> {
        let media = medium(&Disk::of(image));
        let nothing = vault::trust::Trust::new(self.state.vault().clone());
        let Ok(survey) = Survey::of(
            &media,
            self.state.vault().clone(),
            &nothing,
            Reading::Cached,
        ) else {
            return vec![];
        };
        let generations = survey.line(self.state.server());
        let whole =
            generations.filter(|generation| survey.check(generation, Reading::Cached).is_whole());
        whole
            .map(|generation| generation.record.number)
            .map(Number::get)
            .collect()
    }
}

/// A backup that is recorded: the disk before it, what it wrote, and after which event it was
/// committed.
struct Recording {
    bench: Bench,
    before: Vec<u8>,
    events: Vec<Event>,
    committed: usize,
}

fn record() -> Recording {
    let mut bench = Bench::new();
    let before = bench.disk.with(|platter| {
        platter.events.clear();
        platter.bytes.clone()
    });
    assert!(matches!(bench.back_up(), Ok(Done::Written)));
    let events = bench.disk.with(|platter| platter.events.clone());
    // Files, record, signature: the third barrier ends the first copy.
    let barriers = events
        .iter()
        .enumerate()
        .filter(|(_, event)| matches!(event, Event::Barrier));
    let committed = barriers.map(|(at, _)| at).nth(2).unwrap();
    Recording {
        bench,
        before,
        events,
        committed,
    }
}

fn apply<'a>(image: &mut [u8], events: impl Iterator<Item = &'a Event>) {
    for event in events {
        if let Event::Write(sector, bytes) = event {
            image[sector * SECTOR..(sector + 1) * SECTOR].copy_from_slice(bytes);
        }
    }
}

/// FAT takes names in every case for one; a file is no vault under any of them.
#[test]
fn where_case_does_not_count_a_vault_is_a_folder_in_any_case() {
    for (name, is_folder) in [("pfxvault", true), ("PfxVault", true), ("pfxvault", false)] {
        let fat = Fat(Disk::formatted());
        match is_folder {
            true => fat.make_folder(name).unwrap(),
            false => fat.create(name, b"a program").unwrap(),
        }
        let medium = Medium::new("disk", Box::new(fat));
        assert_eq!(medium.has_vault().unwrap(), is_folder, "{name}");
    }
}

#[test]
fn a_power_cut_after_any_sector_loses_nothing_that_was_committed() {
    let Recording {
        bench,
        before,
        events,
        committed,
    } = record();
    let mut image = before;
    for (at, event) in events.iter().enumerate() {
        let whole = bench.whole(image.clone());
        assert!(
            whole.contains(&1),
            "event {at} of {}: {whole:?}",
            events.len()
        );
        assert!(
            at <= committed || whole.contains(&2),
            "event {at}, committed at {committed}: {whole:?}"
        );
        apply(&mut image, std::iter::once(event));
    }
    assert_eq!(bench.whole(image), [2, 1]);
}

#[test]
fn a_power_cut_with_sectors_in_flight_loses_nothing_that_was_committed() {
    let Recording {
        bench,
        before,
        events,
        committed,
    } = record();
    let barriers: Vec<usize> = (0..events.len())
        .filter(|at| matches!(events[*at], Event::Barrier))
        .chain([events.len()])
        .collect();
    let mut draw = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = || {
        // xorshift: which sectors made it must only be different each time.
        draw ^= draw << 13;
        draw ^= draw >> 7;
        draw ^= draw << 17;
        draw
    };
    let mut start = 0;
    for end in barriers {
        for _ in 0..200 {
            let mut image = before.clone();
            apply(&mut image, events[..start].iter());
            apply(
                &mut image,
                events[start..end].iter().filter(|_| random() & 1 == 1),
            );
            let whole = bench.whole(image);
            assert!(whole.contains(&1), "between {start} and {end}: {whole:?}");
            assert!(
                start < committed || whole.contains(&2),
                "between {start} and {end}: {whole:?}"
            );
        }
        start = end;
    }
}

#[test]
fn after_a_power_cut_the_next_backup_goes_through() {
    let Recording {
        mut bench,
        before,
        events,
        ..
    } = record();
    for cut in (0..events.len()).step_by(events.len() / 12) {
        let mut image = before.clone();
        apply(&mut image, events[..cut].iter());
        bench.disk = Disk::of(image);
        assert!(matches!(bench.back_up(), Ok(Done::Written)), "cut at {cut}");
        let newest = bench.state.newest().unwrap().number.get();
        let image = bench.disk.with(|platter| platter.bytes.clone());
        assert_eq!(
            bench.whole(image)[0],
            newest,
            "cut at {cut}: the number in host state is never given out twice"
        );
    }
    drop(bench.folder);
}

#[test]
fn a_disk_that_fills_up_at_any_write_never_costs_the_generation_before() {
    let mut bench = Bench::new();
    let before = bench.disk.with(|platter| platter.bytes.clone());
    let mut refused = 0;
    for limit in (0..400).step_by(7) {
        bench.disk = Disk::of(before.clone());
        bench
            .disk
            .with(|platter| platter.fault = Fault::FullAfter(limit));
        let done = bench.back_up();
        let whole = bench.whole(bench.disk.with(|platter| platter.bytes.clone()));
        assert!(whole.contains(&1), "after {limit} writes: {whole:?}");
        let newest = bench.state.newest().unwrap().number.get();
        match done {
            Ok(Done::Written | Done::OneCopy(_)) => {
                assert!(whole.contains(&newest), "after {limit} writes: {whole:?}")
            }
            _ => refused += 1,
        }
    }
    assert!(refused > 5);
}

#[test]
fn a_medium_that_keeps_something_else_than_was_written_is_never_believed() {
    for fault in [Fault::GarbageAfter, Fault::DropsAfter] {
        let mut bench = Bench::new();
        let before = bench.disk.with(|platter| platter.bytes.clone());
        for limit in [0, 20, 60] {
            bench.disk = Disk::of(before.clone());
            bench.disk.with(|platter| platter.fault = fault(limit));
            let done = bench.back_up();
            let whole = bench.whole(bench.disk.with(|platter| platter.bytes.clone()));
            let newest = bench.state.newest().unwrap().number.get();
            let claimed = matches!(done, Ok(Done::Written | Done::OneCopy(_)));
            assert!(
                !claimed || whole.contains(&newest),
                "after {limit} writes: {whole:?}"
            );
        }
    }
}

#[test]
fn what_only_the_cache_holds_is_never_believed_to_be_on_the_medium() {
    for fault in [Fault::GarbageAfter, Fault::DropsAfter] {
        let mut bench = Bench::new();
        let before = bench.disk.with(|platter| platter.bytes.clone());
        for limit in [0, 20, 60] {
            bench.disk = Disk::of(before.clone());
            bench.disk.with(|platter| {
                (platter.fault, platter.cache) = (fault(limit), Some(HashMap::new()))
            });
            let done = bench.back_up();
            let whole = bench.whole(bench.disk.with(|platter| platter.bytes.clone()));
            let newest = bench.state.newest().unwrap().number.get();
            let claimed = matches!(done, Ok(Done::Written | Done::OneCopy(_)));
            assert!(
                !claimed || whole.contains(&newest),
                "after {limit} writes: {whole:?}"
            );
        }
    }
}
