//! Sealed parcels: from a server without a stick to the stick, what strangers can do to them on the
//! way, the outbox, and copies that are interrupted at any byte.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Cursor, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex};

use crate::common::{BACKUP, RESTORE, Table, generations, held, tree};
use pfx::Profile;
use pfxvault::keystore::{self, Source};
use pfxvault::platform::media::FolderVolume;
use pfxvault::state::State;
use pfxvault::workflow::backup::{self, BackupRequest};
use pfxvault::workflow::copy;
use secret::Password;
use vault::id::Number;
use vault::medium::Medium;
use vault::readme::{Label, ReadmeWish};
use vault::survey::Survey;
use vault::trust::Trust;
use vault::volume::{Entry, EntryKind, Reading, Volume};
use zip::write::SimpleFileOptions;

const NAMES: [&str; 2] = ["www.example.com", "mail.example.org"];
const SEAL: &str =
    "backup --from folder:{server} --source-password-file {pfx-password} --to parcel:{p.zip}";
const LAND: &str = "copy --from parcel:{p.zip} --to {A} --accept other-medium=test";

fn state(table: &Table) -> State {
    State::open(&table.at("state")).unwrap().unwrap()
}

/// The files in a parcel, read by a library that had no part in reading it for the program.
fn unzip(path: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut archive = zip::ZipArchive::new(Cursor::new(fs::read(path).unwrap())).unwrap();
    let mut files = BTreeMap::new();
    for at in 0..archive.len() {
        let mut file = archive.by_index(at).unwrap();
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).unwrap();
        files.insert(file.name().to_owned(), bytes);
    }
    files
}

fn zip_up(files: &BTreeMap<String, Vec<u8>>, path: &Path) {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let stored = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    for (name, bytes) in files {
        zip.start_file(name.as_str(), stored).unwrap();
        zip.write_all(bytes).unwrap();
    }
    fs::write(path, zip.finish().unwrap().into_inner()).unwrap();
}

/// Changes the first file whose path ends so.
fn edit(table: &Table, end: &str, change: impl FnOnce(&mut Vec<u8>)) {
    let mut files = unzip(&table.at("p.zip"));
    change(
        files
            .iter_mut()
            .find(|(path, _)| path.ends_with(end))
            .unwrap()
            .1,
    );
    zip_up(&files, &table.at("p.zip"));
}

fn sealed() -> Table {
    let table = Table::with_vault(&NAMES);
    table.run(SEAL).ended_with(0);
    table
}

#[test]
fn a_parcel_needs_no_secret_and_restores_from_the_stick_it_landed_on() {
    let table = sealed();
    assert_eq!(
        fs::metadata(table.at("p.zip"))
            .unwrap()
            .permissions()
            .mode()
            & 0o777,
        0o600
    );
    assert!(generations(&table.at("A"), "A").is_empty());
    let copied = table.run(&format!("{LAND} --json")).ended_with(0).json();
    assert_eq!(copied["added"].as_array().unwrap().len(), 1);
    for half in ["A", "B"] {
        assert_eq!(generations(&table.at("A"), half).len(), 1, "{half}");
    }
    table.run("verify {A}").ended_with(0);
    table.run(RESTORE).ended_with(0);
    assert_eq!(held(&table, "restored"), held(&table, "server"));
}

#[test]
fn a_parcel_is_read_like_a_medium_by_every_command_that_reads() {
    let table = sealed();
    let checked = table
        .run("verify parcel:{p.zip} --json")
        .ended_with(0)
        .json();
    assert_eq!(checked["generations"][0]["state"], "whole");
    assert_eq!(
        checked["findings"].as_array().unwrap().len(),
        0,
        "{checked}"
    );
    table
        .run("drill --from parcel:{p.zip} --recovery-key-file {recovery}")
        .ended_with(0);
    table
        .run("contents --from parcel:{p.zip} --recovery-key-file {recovery}")
        .ended_with(0);
    table
        .run(&RESTORE.replace("{A}", "parcel:{p.zip}"))
        .ended_with(0);
    assert_eq!(held(&table, "restored"), held(&table, "server"));
}

#[test]
fn a_parcel_is_no_medium_to_write_to_and_is_never_written_over() {
    let table = sealed();
    let before = fs::read(table.at("p.zip")).unwrap();
    table
        .run("create parcel:{p.zip} --state {s2} --passphrase-file {passphrase} --recovery-key-file {r2}")
        .ended_with(2);
    table
        .run("copy --from {A} --to parcel:{p.zip}")
        .ended_with(2);
    table.run("media add parcel:{p.zip}").ended_with(2);
    table.run(SEAL).ended_with(1);
    assert!(before == fs::read(table.at("p.zip")).unwrap());
    table.run("verify parcel:{nowhere.zip}").ended_with(9);
    table
        .run(&SEAL.replace("{p.zip}", "{no/such/folder.zip}"))
        .ended_with(1);
}

#[test]
fn a_parcel_counts_as_a_backup_only_once_a_stick_has_it() {
    let table = sealed();
    let unsaved = "list --json --from folder:{server} --source-password-file {pfx-password}";
    let backup =
        |table: &Table| table.run(unsaved).ended_with(0).json()["key_pairs"][0]["backup"].clone();
    assert!(backup(&table).is_null());
    assert_eq!(
        state(&table)
            .on_the_way()
            .map(|written| written.number)
            .collect::<Vec<_>>(),
        [Number::FIRST]
    );
    table.run(LAND).ended_with(0);
    assert_eq!(backup(&table)["generation"], 1);
    assert_eq!(state(&table).on_the_way().count(), 0);
    let again = table.run(&format!("{BACKUP} --json")).ended_with(0).json();
    assert_eq!(again["media"][0]["result"], "unchanged");
}

#[test]
fn a_stick_and_a_parcel_get_the_same_generation_in_one_run() {
    let table = Table::with_vault(&NAMES);
    let said = table
        .run(&format!("{BACKUP} --to parcel:{{p.zip}} --json"))
        .ended_with(0)
        .json();
    assert_eq!(
        (
            &said["generation"],
            said["parcels"].as_array().unwrap().len()
        ),
        (&1.into(), 1)
    );
    let on_stick = fs::read(generations(&table.at("A"), "A")[0].join("RECORD.TXT")).unwrap();
    let in_parcel = unzip(&table.at("p.zip"));
    assert!(
        in_parcel
            .iter()
            .any(|(path, bytes)| path.ends_with("00000001/RECORD.TXT") && *bytes == on_stick)
    );
    assert_eq!(state(&table).on_the_way().count(), 0);
    let kept = table.run(&format!("{LAND} --json")).ended_with(0).json();
    assert_eq!(
        (kept["added"].as_array().unwrap().len(), &kept["kept"]),
        (0, &1.into())
    );
}

#[test]
fn a_parcel_holds_one_half_and_nothing_else() {
    let table = sealed();
    let files = unzip(&table.at("p.zip"));
    let id = state(&table).server().to_string();
    let here = |path: &String| {
        path.starts_with("A/OWNER/") || path.starts_with(&format!("A/{id}/00000001/"))
    };
    assert!(files.keys().all(here), "{:?}", files.keys());
    let secret = table.recovery_key();
    assert!(files.values().all(|bytes| {
        !bytes
            .windows(16)
            .any(|window| window == &secret.as_bytes()[..16])
    }));
}

#[test]
fn a_parcel_of_another_owner_lands_nowhere() {
    let table = sealed();
    let other = Table::with_vault_of_another(&["other.example.com"]);
    fs::copy(table.at("p.zip"), other.at("p.zip")).unwrap();
    let before = tree(&other.at("A"));
    other.run(LAND).ended_with(7);
    other
        .run(&format!("{LAND} --state {{nobody}}"))
        .ended_with(7);
    other.run("verify parcel:{p.zip}").ended_with(7);
    assert!(before == tree(&other.at("A")));
}

#[test]
fn an_edited_record_or_a_swapped_file_is_never_copied() {
    let swap = |table: &Table| {
        let mut files = unzip(&table.at("p.zip"));
        let names: Vec<_> = files
            .keys()
            .filter(|path| path.contains("/K000000"))
            .cloned()
            .collect();
        let (first, second) = (files[&names[0]].clone(), files[&names[1]].clone());
        files.extend([(names[0].clone(), second), (names[1].clone(), first)]);
        zip_up(&files, &table.at("p.zip"));
    };
    let edits: [&dyn Fn(&Table); 4] = [
        &|table| edit(table, "RECORD.TXT", |text| text[80] ^= 1),
        &|table| {
            edit(table, "RECORD.SIG", |text| {
                let at = text.len() - 60;
                text[at] = if text[at] == b'A' { b'B' } else { b'A' };
            });
        },
        &|table| {
            edit(table, "K0000001.AGE", |sealed| {
                *sealed.last_mut().unwrap() ^= 1
            })
        },
        &swap,
    ];
    for change in edits {
        let table = sealed();
        change(&table);
        let copied = table.run(&format!("{LAND} --json")).ended_with(3).json();
        assert_eq!(
            (
                copied["added"].as_array().unwrap().len(),
                copied["skipped"].as_array().unwrap().len()
            ),
            (0, 1)
        );
        assert!(generations(&table.at("A"), "A").is_empty());
        table.run("verify parcel:{p.zip}").ended_with(4);
    }
}

#[test]
fn a_generation_put_under_another_servers_or_number_is_refused_and_named() {
    for (from, to) in [("/00000001/", "/00000009/"), ("server", "stranger")] {
        let table = sealed();
        let id = state(&table).server().to_string();
        let (from, to) = if from == "server" {
            (id.as_str(), "ABCD2345")
        } else {
            (from, to)
        };
        let files = unzip(&table.at("p.zip"));
        zip_up(
            &files
                .into_iter()
                .map(|(path, bytes)| (path.replace(from, to), bytes))
                .collect(),
            &table.at("p.zip"),
        );
        let copied = table.run(&format!("{LAND} --json")).ended_with(10).json();
        assert_eq!(copied["refused"].as_array().unwrap().len(), 1);
        assert!(generations(&table.at("A"), "A").is_empty());
    }
}

#[test]
fn a_file_that_is_no_parcel_is_refused_by_name_and_nothing_is_written() {
    let table = sealed();
    let good = fs::read(table.at("p.zip")).unwrap();
    let before = tree(&table.at("A"));
    let mut files = unzip(&table.at("p.zip"));
    files.insert("A/OWNER/../../evil".to_owned(), b"x".to_vec());
    zip_up(&files, &table.at("evil.zip"));
    let hostile: [(&str, Vec<u8>); 5] = [
        ("empty", Vec::new()),
        ("cut", good[..good.len() / 2].to_vec()),
        ("surplus", [&good[..], b"x"].concat()),
        ("text", b"pfxvault".repeat(100)),
        ("evil.zip", fs::read(table.at("evil.zip")).unwrap()),
    ];
    for (name, bytes) in hostile {
        fs::write(table.at(name), bytes).unwrap();
        let said = table
            .run(&LAND.replace("{p.zip}", &format!("{{{name}}}")))
            .ended_with(4);
        assert!(
            said.err.contains(name) && said.err.contains("cause: "),
            "{}",
            said.err
        );
    }
    table.run(&LAND.replace("{p.zip}", "{A}")).ended_with(4);
    let (pipe, huge) = (
        table.pipe("pipe"),
        fs::File::create(table.at("huge")).unwrap(),
    );
    huge.set_len(1 << 40).unwrap();
    table.run(&LAND.replace("{p.zip}", "{pipe}")).ended_with(4);
    table.run(&LAND.replace("{p.zip}", "{huge}")).ended_with(4);
    assert!(pipe.exists() && before == tree(&table.at("A")));
}

#[test]
fn many_parcels_land_in_one_run_and_a_new_stick_becomes_a_medium_of_the_vault() {
    let table = sealed();
    table.run(&SEAL.replace("{p.zip}", "{q.zip}")).ended_with(0);
    table.stick("B");
    let copy = "copy --from parcel:{p.zip} --from parcel:{q.zip} --to {B} --accept other-medium=test --state {nobody}";
    let copied = table.run(&format!("{copy} --json")).ended_with(0).json();
    assert_eq!(copied["added"].as_array().unwrap().len(), 2);
    table.run("verify {B}").ended_with(0);
    table.run(&RESTORE.replace("{A}", "{B}")).ended_with(0);
}

/// Seals into the outbox, as `install` does.
fn to_outbox(table: &Table) -> Option<u32> {
    let now = jiff::Timestamp::now();
    let source = Source::parse(&format!("folder:{}", table.at("server").display()), None).unwrap();
    let holdings = keystore::read(
        &source,
        &Password::new(crate::common::PFX_PASSWORD.into()),
        now,
    )
    .unwrap();
    let request = BackupRequest {
        holdings: &holdings,
        selected: &[],
        profile: Profile::Aes256,
        password: None,
        exceptions: &[],
        force: false,
        now,
    };
    backup::to_outbox(&mut state(table), &request, &|_| ())
        .unwrap()
        .map(|number| number.get())
}

#[test]
fn the_outbox_waits_for_a_stick_and_is_emptied_by_the_next_backup() {
    let table = Table::backed_up(&NAMES);
    assert_eq!(to_outbox(&table), None, "the stick has all of it");
    table.serve("server", &["renewed.example.com"]);
    assert_eq!((to_outbox(&table), to_outbox(&table)), (Some(2), None));
    assert_eq!(fs::read_dir(table.at("state/outbox")).unwrap().count(), 1);
    let said = table.run(&format!("{BACKUP} --json")).ended_with(0).json();
    assert_eq!(
        (
            said["delivered"].as_array().unwrap().len(),
            &said["media"][0]["result"]
        ),
        (1, &"unchanged".into())
    );
    assert_eq!(fs::read_dir(table.at("state/outbox")).unwrap().count(), 0);
    assert_eq!(generations(&table.at("A"), "B").len(), 2);
    assert_eq!(state(&table).on_the_way().count(), 0);
    table.run("verify {A}").ended_with(0);
}

#[test]
fn a_damaged_parcel_in_the_outbox_is_named_and_keeps_no_backup_from_being_made() {
    let table = Table::backed_up(&NAMES);
    table.serve("server", &["renewed.example.com"]);
    assert_eq!(to_outbox(&table), Some(2));
    let parcel = table.at("state/outbox/00000002.zip");
    let bytes = fs::read(&parcel).unwrap();
    fs::write(&parcel, &bytes[..100]).unwrap();
    let said = table.run(BACKUP).ended_with(8);
    assert!(said.out.contains("00000002.zip"), "{}", said.out);
    assert!(parcel.exists());
    assert_eq!(generations(&table.at("A"), "A").len(), 2);
    table.run("verify {A}").ended_with(0);
}

/// A stick in memory that is pulled out after so many bytes; clones share it.
#[derive(Clone, Default)]
struct Stick(Arc<Mutex<Flash>>);

#[derive(Default, Clone)]
struct Flash {
    files: BTreeMap<String, Vec<u8>>,
    folders: Vec<String>,
    written: usize,
    limit: Option<usize>,
}

impl Flash {
    /// How many of the bytes still arrive.
    fn arrive(&mut self, count: usize) -> usize {
        let room = self
            .limit
            .map_or(count, |limit| limit.saturating_sub(self.written).min(count));
        self.written += count;
        room
    }

    fn store(&mut self, path: &str, bytes: &[u8]) -> io::Result<()> {
        // A name takes a byte, too: a cut may leave an empty file.
        match self.arrive(bytes.len() + 1) {
            0 => Err(io::ErrorKind::NotConnected.into()),
            room => {
                self.files
                    .insert(path.to_owned(), bytes[..room - 1].to_vec());
                if room > bytes.len() {
                    Ok(())
                } else {
                    Err(io::ErrorKind::NotConnected.into())
                }
            }
        }
    }
}

impl Stick {
    fn with<R>(&self, action: impl FnOnce(&mut Flash) -> R) -> R {
        action(&mut self.0.lock().unwrap())
    }

    fn medium(&self) -> Medium {
        Medium::new("stick", Box::new(self.clone()))
    }
}

impl Volume for Stick {
    fn list(&self, folder: &str) -> io::Result<Vec<Entry>> {
        self.with(|flash| {
            if !folder.is_empty() && !flash.folders.iter().any(|known| known == folder) {
                return Err(io::ErrorKind::NotFound.into());
            }
            let prefix = if folder.is_empty() {
                String::new()
            } else {
                format!("{folder}/")
            };
            let child = |path: &String, kind| {
                let name = path.strip_prefix(&prefix)?;
                (!name.contains('/')).then(|| Entry {
                    name: name.to_owned(),
                    kind,
                })
            };
            let folders = flash
                .folders
                .iter()
                .filter_map(|path| child(path, EntryKind::Folder));
            Ok(folders
                .chain(
                    flash
                        .files
                        .keys()
                        .filter_map(|path| child(path, EntryKind::File)),
                )
                .collect())
        })
    }

    fn read(&self, path: &str, cap: u64, _: Reading) -> io::Result<Vec<u8>> {
        let bytes = self
            .with(|flash| flash.files.get(path).cloned())
            .ok_or(io::ErrorKind::NotFound)?;
        if bytes.len() as u64 > cap {
            Err(io::ErrorKind::FileTooLarge.into())
        } else {
            Ok(bytes)
        }
    }

    fn make_folder(&self, path: &str) -> io::Result<()> {
        self.with(|flash| match flash.arrive(1) {
            0 => Err(io::ErrorKind::NotConnected.into()),
            _ => {
                flash.folders.push(path.to_owned());
                Ok(())
            }
        })
    }

    fn create(&self, path: &str, bytes: &[u8]) -> io::Result<()> {
        self.with(|flash| match flash.files.contains_key(path) {
            true => Err(io::ErrorKind::AlreadyExists.into()),
            false => flash.store(path, bytes),
        })
    }

    fn rewrite(&self, path: &str, bytes: &[u8]) -> io::Result<()> {
        self.with(|flash| flash.store(path, bytes))
    }

    fn flush(&self) -> io::Result<()> {
        self.with(
            |flash| match flash.limit.is_some_and(|limit| flash.written > limit) {
                true => Err(io::ErrorKind::NotConnected.into()),
                false => Ok(()),
            },
        )
    }
}

/// Which numbers are whole, and of those how many copies there are.
fn whole(stick: &Stick, state: &State) -> Vec<(u32, usize)> {
    let media = [stick.medium()];
    let survey = Survey::of(
        &media,
        state.vault().clone(),
        &Trust::new(state.vault().clone()),
        Reading::Cached,
    )
    .unwrap();
    let generations = survey.line(state.server());
    let whole =
        generations.filter(|generation| survey.check(generation, Reading::Cached).is_whole());
    whole
        .map(|generation| (generation.record.number.get(), generation.copies.len()))
        .collect()
}

#[test]
fn a_copy_interrupted_at_any_byte_resumes_and_nothing_half_written_counts() {
    let table = Table::backed_up(&NAMES);
    table.run(&format!("{BACKUP} --force")).ended_with(0);
    let state = state(&table);
    let label = Label::new("B").unwrap();
    let copy_from = |source: Medium, stick: &Stick| {
        stick.medium().prepare(&label, &ReadmeWish::default())?;
        copy::run(
            &[source, stick.medium()],
            state.vault(),
            Some(&state.trust),
            &|_| (),
        )
    };
    // Where every cut is tried, reading the source should not cost a disk's time.
    let measured = Stick::default();
    let on_disk = Medium::new("A", Box::new(FolderVolume::new(&table.at("A"))));
    assert_eq!(copy_from(on_disk, &measured).unwrap().added.len(), 2);
    let copy = |stick: &Stick| copy_from(measured.medium(), stick);
    let total = measured.with(|flash| flash.written);
    let mut halves = 0;
    // A step that shares nothing with the sizes of files: over the whole length, each of them is
    // cut in many places.
    for limit in (0..total).step_by(241) {
        let stick = Stick::default();
        stick.with(|flash| flash.limit = Some(limit));
        assert!(copy(&stick).is_err(), "cut at {limit} of {total}");
        stick.with(|flash| flash.limit = None);
        let counted = whole(&stick, &state);
        halves += usize::from(!counted.is_empty());
        assert!(counted.len() <= 2, "cut at {limit}");
        copy(&stick).unwrap_or_else(|error| panic!("cut at {limit}: {error:?}"));
        assert_eq!(whole(&stick, &state), [(2, 2), (1, 2)], "cut at {limit}");
        assert_eq!(copy(&stick).unwrap().added.len(), 0, "cut at {limit}");
        let media = [stick.medium()];
        let report =
            pfxvault::workflow::verify::run(&media, Some(&state), None, jiff::Timestamp::now())
                .unwrap();
        let ids: Vec<_> = report.findings.iter().map(|finding| finding.id).collect();
        assert!(
            !ids.contains(&"bad-statement") && !ids.contains(&"file-lost"),
            "cut at {limit}: {ids:?}"
        );
    }
    assert!(halves > 12, "the cut came after a commit in {halves} cases");
}
