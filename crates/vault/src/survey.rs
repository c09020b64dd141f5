//! What one or several media hold, judged in the format's order: pin, statements, record, hashes.
//! Nothing is parsed before the step above it passed; a folder that fails a step says so and is
//! never offered for restore.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};

use super::id::{GenerationId, Hash, Number, Point, ServerId, VaultId};
use super::lines::Flaw;
use super::medium::{Folder, MAX_IDLE, Medium, MediumError, ROOT, StatementFiles, Walk, cap};
use super::record::{self, CATALOG, Record};
use super::sign;
use super::trust::{Standing, Statement, Trust};
use super::volume::Reading;

/// So many bytes are hashed of folders that are not the vault's.
const HASHED: u64 = 16 << 20;

/// Everything that media of one vault say together.
pub struct Survey<'m> {
    media: &'m [Medium],
    /// The owner's word, as far as it verifies.
    pub trust: Trust,
    /// What each medium holds outside generations, in the order given.
    pub walks: Vec<Walk>,
    /// Every number seen, by server.
    pub slots: BTreeMap<GenerationId, Slot>,
    /// Statements that somebody else than the owner signed, or that stand beside another one's
    /// signature; those of another vault's medium not counted.
    pub bad_statements: usize,
    /// Over their SHA-256, sorted: the same statements give the same.
    pub bad_statements_sha256: Hash,
    /// Which other vault a medium is of, beside one of this.
    pub other_vaults: Vec<Option<VaultId>>,
    /// Statements that verify as nothing and of which no good copy is known.
    pub damaged_statements: Vec<Location>,
    /// Statements of a later version of the format.
    pub newer_statements: usize,
    /// Bytes read of each medium that no record vouches for.
    unvouched: Vec<AtomicU64>,
    /// Bytes that were hashed of folders that are not the vault's.
    hashed: AtomicU64,
}

/// All folders of one server and number, on all media.
#[derive(Debug, Default)]
pub struct Slot {
    /// Records that verify, usually one; two are a fork.
    pub generations: Vec<Generation>,
    /// Folders without a signature.
    pub unfinished: Vec<Location>,
    /// Folders whose record or signature does not hold.
    pub damaged: Vec<Location>,
    /// Folders that are not this server's, or that the owner does not let count.
    pub foreign: Vec<(Location, Foreign)>,
    /// Folders made by a newer pfxvault.
    pub newer: Vec<Location>,
    /// Every folder, wherever its files may help.
    folders: Vec<(usize, Folder)>,
}

/// A folder on one of the media.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// Index of the medium.
    pub medium: usize,
    /// Path on it.
    pub path: String,
}

/// Why a folder does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Foreign {
    /// The owner never admitted whoever this place, or the signature on it, belongs to.
    Stranger,
    /// The owner closed the server below this number.
    Closed,
    /// The record was written for another vault, server or number.
    Misplaced,
}

/// A generation whose record verifies.
#[derive(Debug, Clone)]
pub struct Generation {
    /// What its server signed.
    pub record: Record,
    /// Hash of RECORD.TXT.
    pub hash: Hash,
    /// The folders that hold this record, one for each copy.
    pub copies: Vec<Location>,
    text: Vec<u8>,
    signature: Vec<u8>,
}

/// What of a generation's files is damaged.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FileCheck {
    /// Files without any good copy.
    pub missing: Vec<String>,
    /// Files of a committed copy that are missing or differ while another copy is good.
    pub bad: Vec<Location>,
    /// Bytes read.
    pub bytes: u64,
}

impl FileCheck {
    /// Whether everything can be recovered.
    pub fn is_whole(&self) -> bool {
        self.missing.is_empty()
    }
}

/// Why a medium cannot be used with this vault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotOurs {
    /// It holds generations, and no statement that is whole.
    #[error("{medium}: no statement admits its {generations} generations")]
    NoStatement {
        /// What the user calls it.
        medium: String,
        /// How many generations.
        generations: usize,
    },
    /// Somebody's other stick, most often: not ours, and not forged.
    #[error("{medium}: of another vault")]
    Stranger {
        /// What the user calls it.
        medium: String,
        /// Which, where its statements agree.
        vault: Option<VaultId>,
        /// The one that was meant.
        ours: VaultId,
    },
}

enum StatementRefusal {
    /// Its signature is right, but not the owner's over a statement; or it is another statement's.
    Forged,
    /// It verifies as nothing.
    Damaged,
    /// It verifies as nothing, and what it was is known.
    DamagedCopy,
}

enum FolderVerdict {
    Committed {
        record: Record,
        text: Vec<u8>,
        signature: Vec<u8>,
    },
    Unfinished,
    Damaged,
    Newer,
    Foreign(Foreign),
}

impl<'m> Survey<'m> {
    /// Reads statements and records of all media; `known` are the statements of host state.
    ///
    /// # Errors
    /// When a medium cannot be listed at all.
    pub fn of(
        media: &'m [Medium],
        vault: VaultId,
        known: &Trust,
        reading: Reading,
    ) -> Result<Self, MediumError> {
        let walks = media
            .iter()
            .map(|medium| medium.walk(Some(&vault), reading))
            .collect::<Result<Vec<_>, _>>()?;
        let trust = if known.vault == vault {
            known.clone()
        } else {
            Trust::new(vault)
        };
        let mut survey = Self {
            media,
            trust,
            walks,
            slots: BTreeMap::new(),
            bad_statements: 0,
            bad_statements_sha256: Hash::of(b""),
            other_vaults: Vec::new(),
            damaged_statements: Vec::new(),
            newer_statements: 0,
            unvouched: media.iter().map(|_| AtomicU64::new(0)).collect(),
            hashed: AtomicU64::new(0),
        };
        let forged = survey.learn_statements();
        survey.judge_folders(reading);
        survey.set_aside_other_vaults();
        let is_here = |(medium, _): &&(usize, Hash)| survey.other_vaults[*medium].is_none();
        let forged: Vec<_> = forged.iter().filter(is_here).collect();
        let bytes: BTreeSet<String> = forged.iter().map(|(_, hash)| hash.to_string()).collect();
        let bytes: Vec<String> = bytes.into_iter().collect();
        survey.bad_statements = forged.len();
        survey.bad_statements_sha256 = Hash::of(bytes.join(" ").as_bytes());
        Ok(survey)
    }

    /// What lies on a medium of another vault is its own, and nothing foreign here.
    fn set_aside_other_vaults(&mut self) {
        self.other_vaults = self.of_other_vaults();
        let is_here = |medium: usize| self.other_vaults[medium].is_none();
        for slot in self.slots.values_mut() {
            slot.foreign.retain(|(place, _)| is_here(place.medium));
            slot.folders.retain(|(medium, _)| is_here(*medium));
        }
        self.slots.retain(|_, slot| !slot.folders.is_empty());
    }

    /// Which media are of another vault, beside one that is of this: alone, it may be a medium of
    /// ours on which somebody replaced every statement.
    fn of_other_vaults(&self) -> Vec<Option<VaultId>> {
        let media = 0..self.media.len();
        let is_ours: Vec<bool> = media.map(|medium| self.is_of_vault(medium)).collect();
        let one_is = is_ours.contains(&true);
        let walks = self.walks.iter().zip(is_ours);
        let other = |(walk, is_ours): (&Walk, bool)| walk.signer().filter(|_| one_is && !is_ours);
        walks.map(other).collect()
    }

    /// Learns what the owner says; for each forged statement the medium that it is on, and its hash.
    fn learn_statements(&mut self) -> Vec<(usize, Hash)> {
        let (mut refused, mut forged) = (Vec::new(), Vec::new());
        for (medium, walk) in self.walks.iter().enumerate() {
            for pair in &walk.statements {
                if self.trust.statements.get(&pair.statement.hash()) == Some(&pair.statement) {
                    continue;
                }
                match self.trust.learn(pair.statement.clone()) {
                    Ok(()) => {}
                    Err(Flaw::Newer) => self.newer_statements += 1,
                    Err(Flaw::Form) => refused.push((medium, pair)),
                }
            }
        }
        // The owner did say that text: a copy of it whose signature was cut short is no forgery,
        // and nothing is lost.
        refused.retain(|(_, pair)| !self.trust.statements.contains_key(&pair.statement.hash()));
        let taken: Vec<Vec<&StatementFiles>> = self
            .walks
            .iter()
            .map(|walk| self.taken_of(walk).collect())
            .collect();
        for (medium, pair) in refused {
            match self.refusal(&taken[medium], pair) {
                StatementRefusal::Forged => {
                    let Statement { text, signature } = &pair.statement;
                    forged.push((medium, Hash::of(&[text.as_slice(), signature].concat())));
                }
                StatementRefusal::Damaged => {
                    self.damaged_statements.push(Location {
                        medium,
                        path: pair.text.clone(),
                    });
                }
                StatementRefusal::DamagedCopy => {}
            }
        }
        forged
    }

    /// The statements on a medium that are the owner's.
    pub fn taken_of<'w>(&self, walk: &'w Walk) -> impl Iterator<Item = &'w StatementFiles> {
        let is_taken = |pair: &&StatementFiles| {
            self.trust.statements.get(&pair.statement.hash()) == Some(&pair.statement)
        };
        walk.statements.iter().filter(is_taken)
    }

    /// What became of a statement that is not the owner's as it stands; `taken` are those on its
    /// medium that are. Damage makes no right signature, and puts none that stands whole beside its
    /// own text beside another one as well.
    fn refusal(&self, taken: &[&StatementFiles], pair: &StatementFiles) -> StatementRefusal {
        let Statement { text, signature } = &pair.statement;
        if sign::is_right(text, signature) {
            return StatementRefusal::Forged;
        }
        if taken
            .iter()
            .any(|other| other.half != pair.half && other.is_namesake(pair))
        {
            return StatementRefusal::DamagedCopy;
        }
        if !self
            .trust
            .statements
            .values()
            .any(|statement| statement.signature == *signature)
        {
            return StatementRefusal::Damaged;
        }
        match taken
            .iter()
            .any(|other| other.half == pair.half && other.statement.signature == *signature)
        {
            true => StatementRefusal::Forged,
            false => StatementRefusal::DamagedCopy,
        }
    }

    fn judge_folders(&mut self, reading: Reading) {
        let media = self.media;
        for (medium, on) in media.iter().enumerate() {
            let servers = &self.trust.servers;
            let is_admitted = |server| servers.contains_key(&server);
            let folders = on.folders(&mut self.walks[medium], &is_admitted);
            let mut idle = 0;
            for folder in folders {
                let verdict = self.judge(medium, &folder, reading);
                idle += usize::from(!matches!(verdict, FolderVerdict::Committed { .. }));
                if idle > 2 * MAX_IDLE {
                    self.walks[medium].leave_out(&folder.path, 1);
                    continue;
                }
                let slot = self.slots.entry(folder.id()).or_default();
                slot.enter(
                    Location {
                        medium,
                        path: folder.path.clone(),
                    },
                    verdict,
                );
                slot.folders.push((medium, folder));
            }
        }
    }

    /// Whose place it is, then signature, then text, then what the text claims.
    fn judge(&self, medium: usize, folder: &Folder, reading: Reading) -> FolderVerdict {
        let (on, trust) = (&self.media[medium], &self.trust);
        if let Some(why) = foreign(trust.standing(folder.server, folder.number, None)) {
            return FolderVerdict::Foreign(why);
        }
        if !folder.is_signed {
            return FolderVerdict::Unfinished;
        }
        let signature = match on.read(&folder.file("RECORD.SIG"), cap::SIGNATURE, reading) {
            Ok(bytes) if bytes.is_empty() => return FolderVerdict::Unfinished,
            read => read,
        };
        let Ok(text) = self.read_record(medium, folder, reading) else {
            return FolderVerdict::Damaged;
        };
        let verdict = judge_record(&text, signature.ok(), folder, trust);
        if !matches!(verdict, FolderVerdict::Committed { .. }) && !is_always_read(folder, &text) {
            self.spend(medium, text.len());
        }
        verdict
    }

    fn read_record(
        &self,
        medium: usize,
        folder: &Folder,
        reading: Reading,
    ) -> Result<Vec<u8>, MediumError> {
        let room = self.room(medium).min(cap::TEXT);
        let most = if folder.copy == 0 {
            room.max(cap::SMALL)
        } else {
            room
        };
        let read = self.media[medium].read(&folder.file("RECORD.TXT"), most, reading);
        if most < cap::TEXT && read.as_ref().is_err_and(MediumError::is_too_large) {
            self.stop(medium);
        }
        read
    }

    /// How much of a medium may still be read that no record vouches for.
    fn room(&self, medium: usize) -> u64 {
        cap::UNVOUCHED.saturating_sub(self.unvouched[medium].load(Ordering::Relaxed))
    }

    fn spend(&self, medium: usize, bytes: usize) {
        self.unvouched[medium].fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Something was left out because there is no room for it.
    fn stop(&self, medium: usize) {
        self.unvouched[medium].fetch_add(cap::UNVOUCHED, Ordering::Relaxed);
    }

    /// SHA-256 over the names and bytes of what lies in a folder, to know it again; `None` where it
    /// cannot be read, or is more than is looked at.
    pub fn fingerprint(&self, place: &Location) -> Option<Hash> {
        let medium = &self.media[place.medium];
        let mut said = String::new();
        for name in medium.names_in(&place.path).ok()? {
            let room = HASHED.saturating_sub(self.hashed.load(Ordering::Relaxed));
            let path = format!("{}/{name}", place.path);
            let bytes = medium.read(&path, room, Reading::Cached).ok()?;
            self.hashed.fetch_add(bytes.len() as u64, Ordering::Relaxed);
            said.push_str(&format!("{} {name}\n", Hash::of(&bytes)));
        }
        Some(Hash::of(said.as_bytes()))
    }

    /// Where more lies than is looked at: the medium, the first such place, and how many there are.
    pub fn crowded(&self) -> Vec<(Location, usize)> {
        let mut crowded = Vec::new();
        for (medium, walk) in self.walks.iter().enumerate() {
            let unread = (self.room(medium) == 0).then(|| (ROOT.to_owned(), 0));
            if let Some((path, count)) = walk.crowded.clone().or(unread) {
                crowded.push((Location { medium, path }, count));
            }
        }
        crowded
    }

    /// One of the media surveyed.
    pub fn medium(&self, index: usize) -> &'m Medium {
        &self.media[index]
    }

    /// How many media were surveyed.
    pub fn media_count(&self) -> usize {
        self.media.len()
    }

    /// The committed generations of one server, the newest first.
    pub fn line(&self, server: ServerId) -> impl Iterator<Item = &Generation> {
        let slots = self.slots.range(GenerationId::all_of(server));
        slots.rev().flat_map(|(_, slot)| &slot.generations)
    }

    /// The newest generation of each server on one medium, by the server's id.
    pub fn newest_on(&self, medium: usize) -> BTreeMap<ServerId, Number> {
        let here =
            |generation: &&Generation| generation.copies.iter().any(|place| place.medium == medium);
        let newest = |server: ServerId| Some((server, self.line(server).find(here)?.record.number));
        self.servers().into_iter().filter_map(newest).collect()
    }

    /// The generations of one server with a copy on one medium.
    pub fn numbers_on(&self, medium: usize, server: ServerId) -> BTreeSet<Number> {
        let here =
            |generation: &&Generation| generation.copies.iter().any(|copy| copy.medium == medium);
        let generations = self.line(server).filter(here);
        generations
            .map(|generation| generation.record.number)
            .collect()
    }

    /// Whether a medium holds at least one of the owner's statements, or a generation of a server
    /// that the owner is known to have admitted; one that holds neither belongs to someone else.
    pub fn is_of_vault(&self, medium: usize) -> bool {
        self.taken_of(&self.walks[medium]).next().is_some()
            || self.generations_on(medium).next().is_some()
    }

    /// Why a medium that is not of this vault cannot be used.
    pub fn not_ours(&self, medium: usize) -> NotOurs {
        let name = self.media[medium].name.clone();
        let signed =
            |pair: &StatementFiles| sign::is_right(&pair.statement.text, &pair.statement.signature);
        let generations = self.not_admitted_on(medium).count();
        if generations > 0 && !self.walks[medium].statements.iter().any(signed) {
            NotOurs::NoStatement {
                medium: name,
                generations,
            }
        } else {
            NotOurs::Stranger {
                medium: name,
                vault: self.walks[medium].signer(),
                ours: self.trust.vault.clone(),
            }
        }
    }

    /// The committed generations with a copy on one medium.
    pub fn generations_on(&self, medium: usize) -> impl Iterator<Item = &Generation> {
        let generations = self.slots.values().flat_map(|slot| &slot.generations);
        generations
            .filter(move |generation| generation.copies.iter().any(|copy| copy.medium == medium))
    }

    /// Generations, by server and number, of servers that no statement known here admits: a
    /// stranger put them there, or the statement is lost.
    pub fn not_admitted(&self) -> BTreeSet<GenerationId> {
        (0..self.media.len())
            .filter(|medium| self.other_vaults[*medium].is_none())
            .flat_map(|medium| self.not_admitted_on(medium))
            .collect()
    }

    /// How many there are, with those that are only counted.
    pub fn not_admitted_count(&self) -> usize {
        let walks = self.walks.iter().zip(&self.other_vaults);
        let walks = walks.filter(|(_, other)| other.is_none());
        let counted: usize = walks.map(|(walk, _)| walk.strangers).sum();
        self.not_admitted().len() + counted
    }

    fn not_admitted_on(&self, medium: usize) -> impl Iterator<Item = GenerationId> {
        let slots = self.slots.iter();
        let strange = slots.filter(|(id, _)| !self.trust.servers.contains_key(&id.server));
        strange
            .filter(move |(_, slot)| slot.folders.iter().any(|(on, _)| *on == medium))
            .map(|(id, _)| *id)
    }

    /// The keys that signed generations of servers that no statement known here admits, each with a
    /// right signature over the record beside it; those with the id of another key are left out.
    pub fn strangers_keys(&self) -> BTreeMap<ServerId, sign::PublicKey> {
        let mut keys = BTreeMap::new();
        for id in self.not_admitted() {
            let folders = self
                .slots
                .get(&id)
                .into_iter()
                .flat_map(|slot| &slot.folders);
            for (medium, folder) in folders.filter(|(_, folder)| folder.copy == 0) {
                if keys.contains_key(&id.server) {
                    break;
                }
                let signer = self.signer_of(*medium, folder);
                keys.extend(signer.map(|key| (id.server, key)));
            }
        }
        keys
    }

    fn signer_of(&self, medium: usize, folder: &Folder) -> Option<sign::PublicKey> {
        let (on, cached) = (&self.media[medium], Reading::Cached);
        let signature = on.read(&folder.file("RECORD.SIG"), cap::SIGNATURE, cached);
        let text = on
            .read(&folder.file("RECORD.TXT"), cap::SMALL, cached)
            .ok()?;
        let key = sign::signer(sign::RECORD, &text, &signature.ok()?)?;
        (ServerId::of(&key) == folder.server).then_some(key)
    }

    /// Whether a statement that does not verify here, or is no longer read, says that a server was
    /// closed.
    pub fn is_said_closed(&self, server: ServerId) -> bool {
        let line = format!("\nclose {server} ").into_bytes();
        let mut statements = self.walks.iter().flat_map(|walk| &walk.statements);
        statements.any(|pair| {
            pair.statement
                .text
                .windows(line.len())
                .any(|part| part == line)
        })
    }

    /// Servers of the owner's with any folder here, whatever became of what it held.
    pub fn claimed_servers(&self) -> BTreeSet<ServerId> {
        self.slots
            .keys()
            .map(|id| id.server)
            .filter(|id| self.trust.servers.contains_key(id))
            .collect()
    }

    /// Servers with at least one committed generation.
    pub fn servers(&self) -> BTreeSet<ServerId> {
        self.slots
            .iter()
            .filter(|(_, slot)| !slot.generations.is_empty())
            .map(|(id, _)| id.server)
            .collect()
    }

    /// The bytes of a generation's file from whichever copy has the hash the record lists.
    pub fn file(&self, generation: &Generation, name: &str, reading: Reading) -> Option<Vec<u8>> {
        Some(self.find_file(generation, name, reading)?.1)
    }

    /// What lies at the generation's own place comes first, and there what is small; the rest is
    /// read as far as there is room.
    fn find_file(
        &self,
        generation: &Generation,
        name: &str,
        reading: Reading,
    ) -> Option<(&(usize, Folder), Vec<u8>)> {
        let wanted = generation.record.hash_of(name)?;
        let holders = self.holders(generation).into_iter();
        let (own, beside): (Vec<_>, Vec<_>) = holders.partition(|(_, folder)| folder.copy == 0);
        let mut rest = Vec::new();
        for holder in own {
            match self.read_file(holder, name, small_cap(name), reading) {
                Ok(bytes) if Hash::of(&bytes) == wanted => return Some((holder, bytes)),
                Err(error) if error.is_too_large() => rest.push(holder),
                _ => {}
            }
        }
        rest.extend(beside);
        for holder in rest {
            let medium = holder.0;
            let most = self.room(medium).min(cap_of(name));
            match self.read_file(holder, name, most, reading) {
                Ok(bytes) if Hash::of(&bytes) == wanted => return Some((holder, bytes)),
                Ok(bytes) => self.spend(medium, bytes.len()),
                Err(error) if error.is_too_large() && most < cap_of(name) => self.stop(medium),
                Err(_) => {}
            }
        }
        None
    }

    /// The folders of a generation's number: its copies first, and of those the ones at its own
    /// place.
    fn holders(&self, generation: &Generation) -> Vec<&(usize, Folder)> {
        let Some(slot) = self.slots.get(&generation.record.id()) else {
            return Vec::new();
        };
        let copies: BTreeSet<(usize, &str)> = generation
            .copies
            .iter()
            .map(|place| (place.medium, place.path.as_str()))
            .collect();
        let mut holders: Vec<_> = slot.folders.iter().collect();
        holders.sort_by_key(|(medium, folder)| {
            (
                !copies.contains(&(*medium, folder.path.as_str())),
                folder.copy,
            )
        });
        holders
    }

    fn read_file(
        &self,
        (medium, folder): &(usize, Folder),
        name: &str,
        most: u64,
        reading: Reading,
    ) -> Result<Vec<u8>, MediumError> {
        self.media[*medium].read(&folder.file(name), most, reading)
    }

    fn slot_of(&self, generation: &Generation) -> Option<&Slot> {
        self.slots.get(&generation.record.id())
    }

    /// Reads every file of a generation and holds it against the record: in every copy, and where
    /// none is good, in every folder of its number.
    pub fn check(&self, generation: &Generation, reading: Reading) -> FileCheck {
        let mut check = FileCheck::default();
        for (name, _) in generation.record.named_files() {
            let Some((found, bytes)) = self.find_file(generation, &name, reading) else {
                check.missing.push(name);
                continue;
            };
            check.bytes += bytes.len() as u64;
            for copy in self.holders(generation) {
                let (medium, folder) = copy;
                let place = Location {
                    medium: *medium,
                    path: folder.path.clone(),
                };
                if std::ptr::eq(copy, found) || !generation.copies.contains(&place) {
                    continue;
                }
                match self.is_alike(copy, &name, &bytes, reading) {
                    Some(true) => check.bytes += bytes.len() as u64,
                    Some(false) => check.bad.push(Location {
                        medium: *medium,
                        path: format!("{}/{name}", folder.path),
                    }),
                    None => {}
                }
            }
        }
        check
    }

    /// Whether another copy of a file is as good as this one; nothing is known of one beside its
    /// generation's place for which there is no room. One of another size is not read.
    fn is_alike(
        &self,
        copy: &(usize, Folder),
        name: &str,
        good: &[u8],
        reading: Reading,
    ) -> Option<bool> {
        let (medium, folder) = copy;
        let size = good.len() as u64;
        if folder.copy > 0 {
            if self.room(*medium) < size {
                self.stop(*medium);
                return None;
            }
            self.spend(*medium, good.len());
        }
        Some(
            self.read_file(copy, name, size, reading)
                .is_ok_and(|bytes| bytes == good),
        )
    }

    /// Media that hold a committed copy of a generation in one half, and in the other neither one
    /// nor what is left of one.
    pub fn single_copies(&self, generation: &Generation) -> Vec<usize> {
        let Some(slot) = self.slot_of(generation) else {
            return Vec::new();
        };
        let place = |medium: usize, folder: &Folder| Location {
            medium,
            path: folder.path.clone(),
        };
        let halves = |places: &[Location], medium: usize| -> BTreeSet<usize> {
            let there = slot
                .folders
                .iter()
                .filter(|(of, folder)| *of == medium && places.contains(&place(*of, folder)));
            there.map(|(_, folder)| folder.half).collect()
        };
        let single = |medium: &usize| {
            let (committed, damaged) = (
                halves(&generation.copies, *medium),
                halves(&slot.damaged, *medium),
            );
            committed.len() == 1 && damaged.is_subset(&committed)
        };
        // A parcel has one half only.
        (0..self.media.len())
            .filter(|medium| !self.media[*medium].is_parcel)
            .filter(single)
            .collect()
    }

    /// A folder that holds a good copy of one of the generation's files.
    pub fn good_place(&self, generation: &Generation, name: &str) -> Option<Location> {
        let ((medium, folder), _) = self.find_file(generation, name, Reading::Cached)?;
        Some(Location {
            medium: *medium,
            path: folder.path.clone(),
        })
    }

    /// All bytes of a generation, if every file has a good copy.
    pub fn package(&self, generation: &Generation) -> Option<super::generation::Package> {
        let names = generation.record.named_files().map(|(name, _)| name);
        let files = names
            .map(|name| self.file(generation, &name, Reading::PastCache))
            .collect::<Option<_>>()?;
        let Generation {
            record,
            text,
            signature,
            ..
        } = generation.clone();
        Some(super::generation::Package {
            record,
            text,
            signature,
            files,
        })
    }

    /// Whether a medium holds a whole copy of a generation in one of its halves.
    pub fn holds(&self, generation: &Generation, medium: usize, half: usize) -> bool {
        let is_copy = |(on, folder): &&'_ (usize, Folder)| {
            (*on, folder.half) == (medium, half)
                && generation.copies.contains(&Location {
                    medium: *on,
                    path: folder.path.clone(),
                })
        };
        let mut copies = self.holders(generation).into_iter().filter(is_copy);
        copies.any(|copy| self.is_whole(generation, copy))
    }

    fn is_whole(&self, generation: &Generation, copy: &(usize, Folder)) -> bool {
        let right = |(name, _): (String, Hash)| {
            let good = self.find_file(generation, &name, Reading::Cached);
            good.is_some_and(|(found, bytes)| {
                let again = || self.is_alike(copy, &name, &bytes, Reading::Cached);
                std::ptr::eq(found, copy) || again() == Some(true)
            })
        };
        generation.record.named_files().all(right)
    }

    /// Identity files of all media, each once.
    pub fn identities(&self) -> Vec<&[u8]> {
        let mut seen = BTreeSet::new();
        let files = self
            .walks
            .iter()
            .flat_map(|walk| &walk.identities)
            .map(|file| file.bytes.as_slice());
        files.filter(|bytes| seen.insert(Hash::of(bytes))).collect()
    }

    /// Those of them that the owner's statements name; any other may have been planted.
    pub fn owners_identities(&self) -> Vec<&[u8]> {
        let mut files = self.identities();
        files.retain(|file| self.trust.identities.contains(&Hash::of(file)));
        files
    }

    /// Generations that a record's `prev`, a `close` or `remembered` names but no folder holds.
    pub fn elsewhere(&self, remembered: &[GenerationId]) -> BTreeSet<GenerationId> {
        let generations = || self.slots.values().flat_map(|slot| &slot.generations);
        let id = |server, Point { number, .. }: Point| GenerationId { server, number };
        let by_prev = generations().filter_map(|g| Some(id(g.record.server, g.record.prev?)));
        let by_close = self
            .trust
            .servers
            .keys()
            .filter_map(|server| Some(id(*server, self.trust.closing(*server)?.last()?)));
        let named = by_prev.chain(by_close).chain(remembered.iter().copied());
        named
            .filter(|slot| !self.slots.contains_key(slot))
            .collect()
    }

    /// Generations whose record names a different predecessor than the one that stands here.
    pub fn contradictions(&self) -> BTreeSet<GenerationId> {
        let generations = self.slots.values().flat_map(|slot| &slot.generations);
        generations
            .filter(|g| self.contradicts(g))
            .map(|g| g.record.id())
            .collect()
    }

    fn contradicts(&self, generation: &Generation) -> bool {
        let Some(Point { number, record }) = generation.record.prev else {
            return false;
        };
        let before = self
            .slots
            .get(&GenerationId {
                server: generation.record.server,
                number,
            })
            .map(|slot| &slot.generations);
        number >= generation.record.number
            || before
                .is_some_and(|there| !there.is_empty() && there.iter().all(|g| g.hash != record))
    }

    /// Statements that records name but no medium and no memory holds.
    pub fn missing_statements(&self) -> BTreeSet<Hash> {
        let named = self
            .slots
            .values()
            .flat_map(|slot| &slot.generations)
            .flat_map(|g| g.record.trust.iter().copied());
        named
            .filter(|hash| !self.trust.statements.contains_key(hash))
            .collect()
    }
}

impl Generation {
    /// Where it stands in its server's line.
    pub fn point(&self) -> Point {
        Point {
            number: self.record.number,
            record: self.hash,
        }
    }

    /// `SERVER8/42`: what host state and reports call it.
    pub fn key(&self) -> String {
        self.record.id().to_string()
    }
}

impl Slot {
    fn enter(&mut self, place: Location, verdict: FolderVerdict) {
        match verdict {
            FolderVerdict::Unfinished => self.unfinished.push(place),
            FolderVerdict::Damaged => self.damaged.push(place),
            FolderVerdict::Newer => self.newer.push(place),
            FolderVerdict::Foreign(why) => self.foreign.push((place, why)),
            FolderVerdict::Committed {
                record,
                text,
                signature,
            } => {
                let hash = Hash::of(&text);
                match self
                    .generations
                    .iter_mut()
                    .find(|generation| generation.hash == hash)
                {
                    Some(known) => known.copies.push(place),
                    None => self.generations.push(Generation {
                        record,
                        hash,
                        copies: vec![place],
                        text,
                        signature,
                    }),
                }
            }
        }
    }

    /// Whether two different records share this number.
    pub fn is_fork(&self) -> bool {
        self.generations.len() > 1
    }
}

fn judge_record(
    text: &[u8],
    signature: Option<Vec<u8>>,
    folder: &Folder,
    trust: &Trust,
) -> FolderVerdict {
    if super::lines::is_newer(text, record::KIND, record::VERSION) {
        return FolderVerdict::Newer;
    }
    let Some(signature) = signature else {
        return FolderVerdict::Damaged;
    };
    match sign::signer(sign::RECORD, text, &signature) {
        Some(signer) if trust.servers.get(&folder.server) == Some(&signer) => {}
        Some(_) => return FolderVerdict::Foreign(Foreign::Stranger),
        None => return FolderVerdict::Damaged,
    }
    let Ok(record) = Record::parse(text) else {
        return FolderVerdict::Damaged;
    };
    if (&record.vault, record.server, record.number) != (&trust.vault, folder.server, folder.number)
    {
        return FolderVerdict::Foreign(Foreign::Misplaced);
    }
    match foreign(trust.standing(record.server, record.number, Some(Hash::of(text)))) {
        None => FolderVerdict::Committed {
            record,
            text: text.to_vec(),
            signature,
        },
        Some(why) => FolderVerdict::Foreign(why),
    }
}

/// Whether a record is read whatever else was.
fn is_always_read(folder: &Folder, text: &[u8]) -> bool {
    folder.copy == 0 && text.len() as u64 <= cap::SMALL
}

fn cap_of(name: &str) -> u64 {
    match name {
        CATALOG => cap::CATALOG,
        _ => cap::KEY_PAIR,
    }
}

/// Up to which size a file at its own place is read whatever else was.
fn small_cap(name: &str) -> u64 {
    match name {
        CATALOG => cap::SMALL_CATALOG,
        _ => cap::SMALL,
    }
}

fn foreign(standing: Standing) -> Option<Foreign> {
    match standing {
        Standing::Admitted => None,
        Standing::Closed => Some(Foreign::Closed),
        Standing::Stranger => Some(Foreign::Stranger),
    }
}
