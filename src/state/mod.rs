//! Host state: what this server remembers between runs. Whom it believes, its own signing key, the
//! numbers it gave out, and the media it has seen. It holds nothing that opens the vault.

pub mod counted;
pub mod replace;
pub mod rest;
pub mod written;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use data_encoding::BASE64;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use self::counted::Known;
pub use self::written::{Served, Written};
use crate::error::{Error, Exit, Result, no_random};
use crate::input::read_input;
use crate::keypair::Certificate;
use crate::platform::patience::patiently;
use crate::platform::protected::Unprotected;
use crate::text;
use vault::catalog::{AboutKeyPair, Counting, Drill, Policy, Retirement, SeenMedium};
use vault::counted::{Retired, Standing};
use vault::id::{GenerationId, Hash, Number, Point, ServerId, VaultId};
use vault::readme::{Contact, ReadmeWish};
use vault::request::EnrolmentRequest;
use vault::server_name::NameSalt;
use vault::sign::SigningKey;
use vault::trust::{Clause, Statement, Trust};

/// Generations whose key pairs are all still described in memory, for `list` and `contents` without
/// a passphrase.
const DESCRIBED: usize = 10;

/// Drills that keep the list of what they proved.
const LISTED_DRILLS: usize = 8;

/// Contacts that are remembered.
const KNOWN_CONTACTS: usize = 8;

/// The form of state.json that this program writes, and the newest it reads.
const FORMAT: u32 = 1;

/// What an enrolled server remembers.
const MEMORY: &str = "state.json";
/// Its signing key.
const KEY: &str = "server.key";
/// What this machine asked for, until it is enrolled.
const REQUEST: &str = "request.txt";

/// The reason that holds for a key, whatever certificate it has.
pub const LEAKED: &str = "leaked";

/// README.TXT where no server's host state says more: in the system's language first.
pub fn new_readme() -> ReadmeWish {
    ReadmeWish {
        japanese_first: crate::platform::is_japanese(),
        contact: None,
    }
}

/// What is said of a key pair that is retired.
pub struct RetirementWord<'a> {
    /// `leaked`, `revoked`, `removed` or `lost`.
    pub reason: &'a str,
    /// The account that says so.
    pub by: Option<String>,
}

/// What an enrolled server remembers. One run at a time holds it; others may look, but not save.
pub struct State {
    folder: PathBuf,
    lock: Option<File>,
    key: SigningKey,
    /// The owner's word, as far as this server has seen it.
    pub trust: Trust,
    memory: StoredState,
}

#[derive(Serialize, Deserialize)]
struct StoredState {
    format: u32,
    vault: VaultId,
    server_name: String,
    /// What binds that name to the owner's word; an earlier version has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name_salt: Option<NameSalt>,
    statements: Vec<StoredStatement>,
    /// Identity files, so that a new stick needs no passphrase. As on the sticks, they open only
    /// with one.
    identities: Vec<String>,
    #[serde(with = "none_is_zero")]
    highest: Option<Number>,
    generations: Vec<Written>,
    media: BTreeMap<String, SeenMedium>,
    drills: Vec<Drill>,
    /// What is known of the ways in, by the hashes of their identity files.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    ways: BTreeMap<Hash, KnownWay>,
    /// By the certificate's SHA-256, or by what tells a file that cannot be read from others.
    #[serde(default)]
    acknowledged: BTreeMap<Hash, Acknowledged>,
    #[serde(default)]
    policy: Policy,
    /// Ascending by their numbers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    retired: Vec<Retirement>,
    /// What the owner retired of this server's key pairs or took back, by the hash of the sealed words.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    owners_words: BTreeMap<Hash, Vec<Retirement>>,
    /// Whether the vault was founded here and its first medium is not finished.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    founding: bool,
    /// What other servers of the vault are called, as their catalogs said.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    server_names: BTreeMap<ServerId, String>,
    /// What a person has looked at.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    at_rest: rest::AllAtRest,
    /// Whom README.TXT named as contact and names now, the last; an empty one names nobody.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    contacts: Vec<String>,
    /// The programs beside the vault on media, by the medium's id and the file's name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    programs: BTreeMap<String, BTreeMap<String, Hash>>,
}

/// What this server knows of a way in.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownWay {
    /// What opens it, as in [`Drill::opened_with`].
    pub kind: String,
    /// When it was made, if it was here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made: Option<WayEvent>,
    /// When it last opened the vault here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opened: Option<WayEvent>,
    /// When another was made in its place, if it was here. It goes on opening the vault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaced: Option<WayEvent>,
}

/// Something that happened with a way in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WayEvent {
    /// When.
    pub time: jiff::Timestamp,
    /// The account that did it.
    pub by: Option<String>,
}

/// How long it is taken so that a file cannot be read.
pub const A_YEAR: jiff::SignedDuration = jiff::SignedDuration::from_hours(365 * 24);

/// Someone knows that a key cannot be backed up, and takes it so until the certificate ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledged {
    /// What people know the certificate by.
    #[serde(default)]
    pub name: String,
    /// As typed.
    pub reason: String,
    /// End of the certificate's validity, or of a year.
    pub until: jiff::Timestamp,
}

#[derive(Serialize, Deserialize)]
struct StoredStatement {
    text: String,
    signature: String,
}

/// A number of which 0 says that there is none yet.
mod none_is_zero {
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
    use vault::id::Number;

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it so")]
    pub(super) fn serialize<S: Serializer>(
        number: &Option<Number>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        number.map_or(0, Number::get).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Number>, D::Error> {
        match u32::deserialize(deserializer)? {
            0 => Ok(None),
            value => Number::try_from(value).map(Some).map_err(D::Error::custom),
        }
    }
}

impl State {
    /// Opens the state in `folder` to change it; `None` if this machine is not enrolled. A replacement
    /// by another vault that was interrupted is finished.
    ///
    /// # Errors
    /// If others own or can write it, another run holds it, or it cannot be read.
    pub fn open(folder: &Path) -> Result<Option<Self>> {
        let is_interrupted = replace::is_interrupted(folder);
        if !folder.join(MEMORY).exists() && !is_interrupted {
            return Ok(None);
        }
        refuse_shared(folder)?;
        let lock = lock(folder)?;
        if is_interrupted {
            replace::finish(folder)?;
        }
        Self::read(folder, Some(lock)).map(Some)
    }

    /// Looks at the state in `folder` without holding it, so that a long check never keeps a backup
    /// from running.
    ///
    /// # Errors
    /// If others own or can write it, or it cannot be read.
    pub fn look(folder: &Path) -> Result<Option<Self>> {
        if !folder.join(MEMORY).exists() {
            return Ok(None);
        }
        refuse_shared(folder)?;
        Self::read(folder, None).map(Some)
    }

    fn read(folder: &Path, lock: Option<File>) -> Result<Self> {
        let json = read_input(&folder.join(MEMORY)).map_err(|e| unreadable(folder, &e))?;
        let memory = parse(folder, &json)?;
        let key = read_key(folder)?;
        let trust = memory.trust().ok_or_else(|| damaged(folder, MEMORY))?;
        Ok(Self {
            folder: folder.to_owned(),
            lock,
            key,
            trust,
            memory,
        })
    }

    /// Enrols this machine: a new signing key, believing `vault`'s owner.
    ///
    /// # Errors
    /// If a state is already there, or the folder cannot be made private.
    pub fn create(folder: &Path, vault: VaultId, server_name: &str) -> Result<Self> {
        crate::platform::private_files::create_private_folder(folder)
            .map_err(|e| unwritable(folder, &e))?;
        refuse_shared(folder)?;
        let lock = lock(folder)?;
        let key = SigningKey::generate().map_err(|_| no_random())?;
        write_key(folder, &key).map_err(|e| unwritable(folder, &e))?;
        let salt = NameSalt::generate().map_err(|_| no_random())?;
        let named = (server_name, Some(salt));
        Ok(Self::new(folder, lock, key, vault, named))
    }

    /// Makes the key of a machine that asks to be enrolled, or finds the one it asked with before.
    /// It counts as enrolled only once it has accepted an answer.
    ///
    /// # Errors
    /// If the folder cannot be made private or written.
    pub fn request(folder: &Path, server_name: &str) -> Result<EnrolmentRequest> {
        crate::platform::private_files::create_private_folder(folder)
            .map_err(|e| unwritable(folder, &e))?;
        refuse_shared(folder)?;
        let _lock = lock(folder)?;
        let (key, salt) = match read_request(folder)? {
            Some(request) => (request.key, request.salt),
            None => {
                let key = SigningKey::generate().map_err(|_| no_random())?;
                write_key(folder, &key).map_err(|e| unwritable(folder, &e))?;
                (key.public(), None)
            }
        };
        let salt = salt.map_or_else(NameSalt::generate, Ok);
        let salt = salt.map_err(|_| no_random())?;
        let request = EnrolmentRequest::new(server_name, key, Some(salt));
        replace(folder, REQUEST, request.render().as_bytes())
            .map_err(|e| unwritable(folder, &e))?;
        Ok(request)
    }

    /// What this machine asked for, if it did.
    ///
    /// # Errors
    /// If others own or can write the folder, or it cannot be read.
    pub fn requested(folder: &Path) -> Result<Option<EnrolmentRequest>> {
        if !folder.join(REQUEST).exists() {
            return Ok(None);
        }
        refuse_shared(folder)?;
        read_request(folder)
    }

    /// Enrols this machine with the key it asked with, believing `vault`'s owner. Nothing is on
    /// disk before it is saved.
    ///
    /// # Errors
    /// If it never asked, or the folder cannot be read.
    pub fn accept(folder: &Path, vault: VaultId) -> Result<Self> {
        refuse_shared(folder)?;
        let lock = lock(folder)?;
        let request = read_request(folder)?.ok_or_else(|| damaged(folder, REQUEST))?;
        Ok(Self::new(
            folder,
            lock,
            read_key(folder)?,
            vault,
            (&request.name, request.salt),
        ))
    }

    fn new(
        folder: &Path,
        lock: File,
        key: SigningKey,
        vault: VaultId,
        (server_name, name_salt): (&str, Option<NameSalt>),
    ) -> Self {
        let memory = StoredState {
            format: FORMAT,
            vault: vault.clone(),
            server_name: server_name.to_owned(),
            name_salt,
            statements: Vec::new(),
            identities: Vec::new(),
            highest: None,
            generations: Vec::new(),
            media: BTreeMap::new(),
            drills: Vec::new(),
            ways: BTreeMap::new(),
            acknowledged: BTreeMap::new(),
            policy: Policy::default(),
            retired: Vec::new(),
            owners_words: BTreeMap::new(),
            founding: false,
            server_names: BTreeMap::new(),
            at_rest: BTreeMap::new(),
            contacts: Vec::new(),
            programs: BTreeMap::new(),
        };
        Self {
            folder: folder.to_owned(),
            lock: Some(lock),
            key,
            trust: Trust::new(vault),
            memory,
        }
    }

    /// Writes the memory to disk, whole or not at all.
    ///
    /// # Errors
    /// If the folder cannot be written, or this run only looks.
    pub fn save(&mut self) -> Result<()> {
        if self.lock.is_none() {
            return Err(busy(&self.folder));
        }
        let statements = self.trust.statements.values().map(StoredStatement::of);
        self.memory.statements = statements.collect();
        self.memory.forget(self.server());
        let json = serde_json::to_vec_pretty(&self.memory)
            .map_err(|e| damaged(&self.folder, &format!("{MEMORY}: {e}")))?;
        replace(&self.folder, MEMORY, &json).map_err(|e| unwritable(&self.folder, &e))
    }

    /// Notes that the vault was founded here and is on no medium yet, and saves that: an interrupted
    /// run is finished by the next.
    ///
    /// # Errors
    /// As [`Self::save`].
    pub fn found(&mut self) -> Result<()> {
        self.memory.founding = true;
        self.save()
    }

    /// Notes that its first medium is finished.
    pub fn is_founded(&mut self) {
        self.memory.founding = false;
    }

    /// Whether the vault was founded here and its first medium is not finished.
    pub fn is_founding(&self) -> bool {
        self.memory.founding
    }

    /// Forgets a vault that came to be on no medium.
    ///
    /// # Errors
    /// If the folder cannot be written.
    pub fn forget(self) -> Result<()> {
        fs::remove_file(self.folder.join(MEMORY)).map_err(|e| unwritable(&self.folder, &e))
    }

    /// Whether it lies there.
    pub fn is_in(&self, folder: &Path) -> bool {
        self.folder == folder
    }

    /// This server's id.
    pub fn server(&self) -> ServerId {
        ServerId::of(&self.key.public())
    }

    /// This server's name, as its catalogs carry it.
    pub fn server_name(&self) -> &str {
        &self.memory.server_name
    }

    /// What a server of the vault is called, as far as this one knows: others say it only in what is
    /// sealed.
    pub fn name_of(&self, server: ServerId) -> Option<&str> {
        if server == self.server() {
            return Some(self.server_name());
        }
        self.memory.server_names.get(&server).map(String::as_str)
    }

    /// A server by its id, with its name where that is known.
    pub fn shown(&self, server: ServerId) -> String {
        match self.name_of(server) {
            Some(name) => format!("{name} ({server})"),
            None => server.to_string(),
        }
    }

    /// Keeps what another server of the vault is called.
    pub fn learn_name(&mut self, server: ServerId, name: &str) {
        if server != self.server() {
            self.memory.server_names.insert(server, name.to_owned());
        }
    }

    /// What binds that name to the owner's word, if anything does.
    pub fn name_salt(&self) -> Option<&NameSalt> {
        self.memory.name_salt.as_ref()
    }

    /// What admits this server, for the owner to say: its key, and its name where that can be bound.
    pub fn admission(&self) -> Vec<Clause> {
        let key = self.key.public();
        let name = self
            .name_salt()
            .map(|salt| Clause::Name(self.server(), Number::FIRST, salt.bind(self.server_name())));
        std::iter::once(Clause::server(key)).chain(name).collect()
    }

    /// Takes another name, which the owner has bound with this salt.
    pub fn rename(&mut self, name: &str, salt: NameSalt) {
        self.memory.server_name = name.to_owned();
        self.memory.name_salt = Some(salt);
    }

    /// Signs this server's records.
    pub fn key(&self) -> &SigningKey {
        &self.key
    }

    /// The vault this server writes to.
    pub fn vault(&self) -> &VaultId {
        &self.trust.vault
    }

    /// The highest number ever given out, or seen in a verified record of this server.
    pub fn highest(&self) -> Option<Number> {
        self.memory.highest
    }

    /// Gives out the next number above `seen` too, and remembers it before anything is written with
    /// it.
    ///
    /// # Errors
    /// If there is none left, or the state cannot be saved.
    pub fn reserve(&mut self, seen: Option<Number>) -> Result<Number> {
        let highest = self.highest().max(seen);
        let next = highest.map_or(Some(Number::FIRST), Number::next);
        let number = next.ok_or_else(|| Error::failed(text!("error-no-number-left")))?;
        self.memory.highest = Some(number);
        self.save()?;
        Ok(number)
    }

    /// Remembers a generation; called when only its signature is missing on the medium.
    ///
    /// # Errors
    /// If the state cannot be saved.
    pub fn remember(&mut self, written: Written) -> Result<()> {
        if self
            .memory
            .generations
            .last()
            .is_none_or(|last| last.number != written.number)
        {
            self.memory.generations.push(written);
            self.save()?;
        }
        Ok(())
    }

    /// Notes that the signature of a generation of this server's stands on a medium.
    pub fn confirm(&mut self, number: Number, record: Hash) {
        let known = self
            .memory
            .generations
            .iter_mut()
            .filter(|w| w.number == number && w.record == record);
        known.for_each(|written| written.committed = true);
    }

    /// Every generation this server knows to be on a medium, the newest first.
    pub fn generations(&self) -> impl Iterator<Item = &Written> {
        self.memory
            .generations
            .iter()
            .rev()
            .filter(|written| written.committed)
    }

    /// Notes that a generation of this server's is in a parcel.
    pub fn sealed(&mut self, number: Number) {
        let known = self
            .memory
            .generations
            .iter_mut()
            .filter(|written| written.number == number);
        known.for_each(|written| written.in_parcel = true);
    }

    /// Generations that were sealed into a parcel and that no stick is known to have, the newest
    /// first; those older than what a stick has only while they hold what no stick has.
    pub fn on_the_way(&self) -> impl Iterator<Item = &Written> {
        let newest = self.newest().map(|newest| newest.number);
        let kept = self.generations().flat_map(|written| &written.key_pairs);
        let kept: BTreeSet<Hash> = kept.map(|about| about.certificate_sha256).collect();
        let generations = self.memory.generations.iter().rev();
        generations.filter(move |written| {
            let mut key_pairs = written.key_pairs.iter();
            let is_awaited = Some(written.number) > newest
                || key_pairs.any(|about| !kept.contains(&about.certificate_sha256));
            written.in_parcel && !written.committed && is_awaited
        })
    }

    /// The newest generation that was written or sealed, whether or not a stick has it.
    pub fn last_written(&self) -> Option<&Written> {
        self.memory.generations.last()
    }

    /// What this server remembers about a number of its own.
    pub fn written(&self, number: Number) -> Option<&Written> {
        self.memory
            .generations
            .iter()
            .rfind(|written| written.number == number)
    }

    /// The newest generation in memory.
    pub fn newest(&self) -> Option<Point> {
        let last = self.generations().next()?;
        Some(Point {
            number: last.number,
            record: last.record,
        })
    }

    /// Where parcels wait for a stick.
    pub fn outbox(&self) -> PathBuf {
        self.folder.join("outbox")
    }

    /// Remembers identity files for the media to come.
    pub fn remember_identities(&mut self, files: &[&[u8]]) {
        for file in files {
            let stored = BASE64.encode(file);
            if !self.memory.identities.contains(&stored) {
                self.memory.identities.push(stored);
            }
        }
    }

    /// The identity files remembered.
    pub fn identities(&self) -> Vec<Vec<u8>> {
        self.memory
            .identities
            .iter()
            .filter_map(|stored| BASE64.decode(stored.as_bytes()).ok())
            .collect()
    }

    /// What is remembered of a medium; a new entry if it was never seen.
    pub fn medium(&mut self, id: &str) -> &mut SeenMedium {
        self.memory.media.entry(id.to_owned()).or_default()
    }

    /// Takes note that a medium was ejected.
    pub fn ejected(&mut self, id: &str) {
        if let Some(seen) = self.memory.media.get_mut(id) {
            seen.was_ejected();
        }
    }

    /// All media ever seen, by id.
    pub fn media(&self) -> &BTreeMap<String, SeenMedium> {
        &self.memory.media
    }

    /// Notes that a program was put beside the vault on a medium and read back: what the paper says of it.
    pub fn program_was_put(&mut self, medium: &str, name: &str, hash: Hash) {
        let there = self.memory.programs.entry(medium.to_owned()).or_default();
        there.insert(name.to_owned(), hash);
    }

    /// The programs that were put beside the vault on media in use: the medium's label, the file's name, its SHA-256.
    pub fn programs(&self) -> impl Iterator<Item = (&str, &str, Hash)> {
        let media = self.memory.programs.iter();
        media.flat_map(|(id, programs)| {
            let seen = self
                .memory
                .media
                .get(id)
                .filter(|seen| seen.retired.is_none());
            let of_one = programs.iter().map(|(name, hash)| (name.as_str(), *hash));
            seen.into_iter().flat_map(move |seen| {
                of_one
                    .clone()
                    .map(|(name, hash)| (seen.label.as_str(), name, hash))
            })
        })
    }

    /// Media that are in use.
    pub fn media_in_use(&self) -> impl Iterator<Item = &SeenMedium> {
        self.memory
            .media
            .values()
            .filter(|medium| medium.retired.is_none())
    }

    /// Whether a medium is known to hold this server's generation of that number; where an earlier
    /// version saw it, that one or a newer.
    pub fn is_on(&self, medium: &SeenMedium, number: Number) -> bool {
        is_on(medium, self.server(), number)
    }

    /// The key pairs of the generations that media are known to have, and which of them count.
    pub fn key_pairs(&self, now: Option<jiff::Timestamp>) -> Vec<Known<'_>> {
        let generations: Vec<_> = self.generations().collect();
        let is_closed = self.trust.closing(self.server()).is_some();
        counted::of_generations(&generations, &self.retired(), is_closed, now)
    }

    /// What was retired here, ascending by number; what was taken back is among it.
    pub fn retirements(&self) -> &[Retirement] {
        &self.memory.retired
    }

    /// What holds of it: the owner's word before this server's own.
    pub fn retired(&self) -> Retired<'_> {
        self.memory.what_is_retired()
    }

    /// Whether the owner retired a key pair, so that only the owner can take it back.
    pub fn is_retired_by_owner(&self, about: &AboutKeyPair) -> bool {
        let said = Retired::default().with_owners(self.owners_retirements());
        said.get(about).is_some()
    }

    /// Takes note that a key pair is not to be restored any more.
    pub fn retire(&mut self, about: &AboutKeyPair, word: RetirementWord<'_>, now: jiff::Timestamp) {
        let last = self.memory.retired.last();
        // There are as many numbers as for generations.
        let Some(number) = last.map_or(Some(Number::FIRST), |last| last.number.next()) else {
            return;
        };
        let said = Retirement {
            number,
            thumbprint: about.thumbprint.clone(),
            certificate_sha256: about.certificate_sha256,
            spki_sha256: about.spki_sha256.filter(|_| word.reason == LEAKED),
            names: about.names.clone(),
            reason: word.reason.to_owned(),
            by: word.by,
            time: now,
            undone: false,
        };
        self.memory.retired.push(said);
    }

    /// Takes back what retired a key pair, and its key with every certificate of which nothing else was
    /// said.
    pub fn retire_no_more(
        &mut self,
        about: &AboutKeyPair,
        by: Option<String>,
        now: jiff::Timestamp,
    ) {
        // One word may hold for the certificate, and one for its key.
        for _ in 0..2 {
            let last = self.memory.retired.last();
            let said = Retired::of(&self.memory.retired).get(about).cloned();
            if let (Some(number), Some(said)) = (last.and_then(|last| last.number.next()), said) {
                // What was said of another certificate of the key stays said of that one.
                self.memory.retired.push(Retirement {
                    number,
                    thumbprint: about.thumbprint.clone(),
                    certificate_sha256: about.certificate_sha256,
                    names: about.names.clone(),
                    by: by.clone(),
                    time: now,
                    undone: true,
                    ..said
                });
            }
        }
    }

    /// Whether this is known of what the owner retired of this server's key pairs.
    pub fn knows_owners_word(&self, sealed: &[u8]) -> bool {
        self.memory.owners_words.contains_key(&Hash::of(sealed))
    }

    /// Keeps what the owner retired of this server's key pairs, or took back, which can be read only
    /// while the vault is open.
    pub fn learn_owners_word(&mut self, sealed: &[u8], words: &[Retirement]) {
        let owners = &mut self.memory.owners_words;
        owners.insert(Hash::of(sealed), words.to_vec());
    }

    /// All of that.
    pub fn owners_retirements(&self) -> impl Iterator<Item = &Retirement> {
        self.memory.owners_words.values().flatten()
    }

    /// How many of them count; `now` as in [`vault::counted::When`].
    pub fn count_counting(&self, now: Option<jiff::Timestamp>) -> usize {
        let known = self.key_pairs(now);
        known.iter().filter(|known| known.counts()).count()
    }

    /// What the next catalog lists, see [`counted::listed`]: with what is in parcels, and with
    /// `next`.
    pub fn counting(&self, next: &Written) -> Vec<Counting> {
        let written = self.memory.generations.iter().rev();
        let written = written.filter(|one| one.committed || one.in_parcel);
        let generations: Vec<_> = std::iter::once(next).chain(written).collect();
        counted::listed(&generations, &self.retired(), next.time)
    }

    /// When something is due.
    pub fn policy(&self) -> Policy {
        self.memory.policy
    }

    /// Changes when something is due.
    pub fn set_policy(&mut self, policy: Policy) {
        self.memory.policy = policy;
    }

    /// Names whom a finder of a medium asks, or nobody. The former ones are remembered, as media still name them.
    pub fn set_contact(&mut self, contact: Option<&Contact>) {
        let contact = contact.map_or_else(String::new, |contact| contact.as_str().to_owned());
        let contacts = &mut self.memory.contacts;
        contacts.retain(|known| *known != contact);
        contacts.push(contact);
        let oldest = contacts.len().saturating_sub(KNOWN_CONTACTS);
        contacts.drain(..oldest);
    }

    /// Whom a finder asks, if that was said here.
    pub fn contact(&self) -> Option<&str> {
        let last = self.memory.contacts.last()?;
        (!last.is_empty()).then_some(last)
    }

    /// Whether this server said whom a finder asks, and if so whether it ever said this.
    pub fn knows_contact(&self, contact: &Contact) -> Option<bool> {
        let contacts = &self.memory.contacts;
        let is_it = |known: &String| known == contact.as_str();
        (!contacts.is_empty()).then(|| contacts.iter().any(is_it))
    }

    /// What README.TXT on its media is to say.
    pub fn readme_wish(&self) -> ReadmeWish {
        let last = self.memory.contacts.last();
        ReadmeWish {
            contact: last.map(|last| Contact::parse(last)),
            ..new_readme()
        }
    }

    /// What the next medium is called unless the user says otherwise: the first of A, B, C and so on
    /// that no medium ever seen is called.
    pub fn next_label(&self) -> String {
        let letters = (b'A'..=b'Z').map(|letter| char::from(letter).to_string());
        let labels = letters.chain((27_u32..).map(|number| number.to_string()));
        let mut free = labels.filter(|label| !self.is_taken(label));
        free.next().unwrap_or_default()
    }

    /// Refuses a label that a medium in use has: who asks for it means one of the two.
    ///
    /// # Errors
    /// A usage error that names the label and a free one.
    pub fn refuse_taken_label(&self, label: &str) -> Result<()> {
        let is_it = |seen: &SeenMedium| is_same_label(&seen.label, label);
        if !self.media_in_use().any(is_it) {
            return Ok(());
        }
        let free = self.next_label();
        Err(Error::usage(text!(
            "error-label-taken",
            label = label,
            free = free
        )))
    }

    fn is_taken(&self, label: &str) -> bool {
        self.memory
            .media
            .values()
            .any(|seen| is_same_label(&seen.label, label))
    }

    /// Every server's newest generation that was ever seen on any medium, and this server's own.
    pub fn remembered(&self) -> Vec<GenerationId> {
        let seen = self.memory.media.values().flat_map(|medium| &medium.newest);
        let seen = seen.map(|(server, number)| GenerationId {
            server: *server,
            number: *number,
        });
        let own = self.newest().map(|newest| GenerationId {
            server: self.server(),
            number: newest.number,
        });
        seen.chain(own).collect()
    }

    /// Takes note that the key of a certificate cannot be backed up, and that this is known: until
    /// `last`, and no longer than the certificate is valid.
    pub fn acknowledge(
        &mut self,
        certificate: &Certificate,
        reason: &str,
        last: Option<jiff::Timestamp>,
    ) {
        let (name, end) = (
            certificate.display_name().to_owned(),
            certificate.not_after(),
        );
        let until = last.map_or(end, |last| last.min(end));
        let known = Acknowledged {
            name,
            reason: reason.to_owned(),
            until,
        };
        self.memory
            .acknowledged
            .insert(Hash::of(certificate.der()), known);
    }

    /// The same of a file that cannot be read: it holds for exactly what was found there.
    pub fn acknowledge_file(&mut self, fingerprint: Hash, known: Acknowledged) {
        self.memory.acknowledged.insert(fingerprint, known);
    }

    /// What was said about a file that cannot be read.
    pub fn acknowledged_file(
        &self,
        fingerprint: Hash,
        now: jiff::Timestamp,
    ) -> Option<&Acknowledged> {
        let known = self.memory.acknowledged.get(&fingerprint);
        known.filter(|known| now < known.until)
    }

    /// Everything that was said so, as long as it is valid.
    pub fn all_acknowledged(&self, now: jiff::Timestamp) -> impl Iterator<Item = &Acknowledged> {
        self.memory
            .acknowledged
            .values()
            .filter(move |known| now < known.until)
    }

    /// What was said about a certificate whose key cannot be backed up, as long as it is valid.
    pub fn acknowledged(
        &self,
        certificate: &Certificate,
        now: jiff::Timestamp,
    ) -> Option<&Acknowledged> {
        let known = self.memory.acknowledged.get(&Hash::of(certificate.der()));
        known.filter(|known| now < known.until)
    }

    /// Rehearsed restores.
    pub fn drills(&self) -> &[Drill] {
        &self.memory.drills
    }

    /// Remembers a rehearsed restore; it travels in the next catalog. Only the newest keep the list
    /// of what they proved.
    pub fn remember_drill(&mut self, drill: Drill) {
        let drills = &mut self.memory.drills;
        drills.push(drill);
        let older = drills.len().saturating_sub(LISTED_DRILLS);
        drills[..older]
            .iter_mut()
            .for_each(|drill| drill.proven = Vec::new());
    }

    /// The ways in that the owner lists, by their kinds, each with what is known of it here.
    pub fn ways(&self) -> Vec<(Hash, Option<&KnownWay>)> {
        let listed = self.trust.identities.iter();
        let mut ways: Vec<_> = listed
            .map(|hash| (*hash, self.memory.ways.get(hash)))
            .collect();
        ways.sort_by_key(|(_, known)| known.map(|known| known.kind.as_str()));
        ways
    }

    /// Takes note that a way in was made here.
    pub fn way_was_made(&mut self, way: Hash, kind: &str, made: WayEvent) {
        let known = self.memory.ways.entry(way).or_default();
        (known.kind, known.made) = (kind.to_owned(), Some(made));
    }

    /// Takes note that another way in was made in the place of this one.
    pub fn way_was_replaced(&mut self, way: Hash, replaced: WayEvent) {
        self.memory.ways.entry(way).or_default().replaced = Some(replaced);
    }

    /// Takes note that a way in opened the vault.
    pub fn way_has_opened(&mut self, way: Hash, kind: &str, opened: WayEvent) {
        let known = self.memory.ways.entry(way).or_default();
        (known.kind, known.opened) = (kind.to_owned(), Some(opened));
    }
}

impl StoredState {
    fn what_is_retired(&self) -> Retired<'_> {
        let owners = self.owners_words.values().flatten();
        Retired::of(&self.retired).with_owners(owners)
    }

    /// Keeps of old generations only what no newer one holds, nothing has renewed and nobody retired, and what
    /// tells that; and all of those that a medium in use has which has not got the newest. What has ended is
    /// kept: this machine's clock may be wrong.
    fn forget(&mut self, own: ServerId) {
        let older = self.generations.len().saturating_sub(DESCRIBED);
        let mut old = self.generations[..older].iter();
        if old.all(|written| written.key_pairs.is_empty()) {
            return;
        }
        let now = self.generations.last().map(|last| last.time);
        let committed = self.generations.iter().rev().filter(|one| one.committed);
        let committed: Vec<_> = committed.collect();
        let Some(newest) = committed.first().map(|newest| newest.number) else {
            return;
        };
        let mut kept = Vec::new();
        for known in counted::of_generations(&committed, &self.what_is_retired(), false, now) {
            // What is retired is known as that, wherever it comes from.
            let is_gone = matches!(known.standing, Standing::Renewed(_) | Standing::Retired);
            if !is_gone && !known.pair.numbers.contains(&newest) {
                kept.push(known.pair.about.clone());
            }
        }
        let mut behind: Vec<_> = self.media.values().collect();
        behind.retain(|medium| medium.retired.is_none() && !is_on(medium, own, newest));
        let is_behind = |number| behind.iter().any(|medium| is_on(medium, own, number));
        for written in &mut self.generations[..older] {
            if is_behind(written.number) {
                continue;
            }
            let committed = written.committed;
            written
                .key_pairs
                .retain(|about| committed && kept.iter().any(|kept| bears_on(about, kept)));
            let held = |hash: &Hash| {
                written
                    .key_pairs
                    .iter()
                    .any(|about| about.certificate_sha256 == *hash)
            };
            written.digests.retain(|hash, _| held(hash));
        }
    }

    fn trust(&self) -> Option<Trust> {
        let mut trust = Trust::new(self.vault.clone());
        for stored in &self.statements {
            let statement = Statement {
                text: stored.text.clone().into_bytes(),
                signature: stored.signature.clone().into_bytes(),
            };
            trust.learn(statement).ok()?;
        }
        Some(trust)
    }
}

impl StoredStatement {
    /// Statements that verified are ASCII.
    fn of(statement: &Statement) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self {
            text: text(&statement.text),
            signature: text(&statement.signature),
        }
    }
}

/// Reads the memory. What a newer pfxvault wrote is refused: this one would cut it down to what it
/// knows with the next change.
fn parse(folder: &Path, json: &[u8]) -> Result<StoredState> {
    #[derive(Deserialize)]
    struct Version {
        format: u32,
    }
    let damaged = |e| damaged(folder, &format!("{MEMORY}: {e}"));
    let version: Version = serde_json::from_slice(json).map_err(damaged)?;
    if version.format > FORMAT {
        return Err(Error::failed(text!("error-state-newer", folder = folder)));
    }
    let mut memory: StoredState = serde_json::from_slice(json).map_err(damaged)?;
    // An earlier version kept what it saw of media without a readable label under no id.
    memory.media.remove("");
    Ok(memory)
}

/// See [`State::is_on`].
fn is_on(medium: &SeenMedium, own: ServerId, number: Number) -> bool {
    match &medium.held {
        Some(held) => held.contains(&number),
        None => {
            let newest = medium.newest.get(&own);
            newest.is_some_and(|newest| *newest >= number)
        }
    }
}

/// Whether what is known of one key pair tells how another stands: it is the same, or its namesake.
fn bears_on(about: &AboutKeyPair, kept: &AboutKeyPair) -> bool {
    kept.certificate_sha256 == about.certificate_sha256
        || kept.names.iter().any(|name| about.names.contains(name))
}

/// Labels are what people write on a stick: case is not told apart.
fn is_same_label(one: &str, other: &str) -> bool {
    one.to_lowercase() == other.to_lowercase()
}

/// Where host state lies unless `--state` names another place.
pub fn default_folder() -> Option<PathBuf> {
    crate::platform::system::state_folder()
}

fn lock(folder: &Path) -> Result<File> {
    let path = folder.join("lock");
    // A pipe would be waited for, and a link followed.
    match fs::symlink_metadata(&path) {
        Ok(there) if !there.is_file() => return Err(damaged(folder, "lock")),
        _ => {}
    }
    let opened = match crate::platform::system::create_private(&path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            OpenOptions::new().write(true).open(path)
        }
        other => other,
    };
    let file = opened.map_err(|e| unwritable(folder, &e))?;
    // Whoever can open it can hold it, and keep this server from its backups.
    crate::platform::system::keep_private(&file).map_err(|e| unwritable(folder, &e))?;
    file.try_lock().map_err(|_| busy(folder))?;
    Ok(file)
}

/// The request in a folder, if its key is still the one beside it: joining in another way makes a
/// new one.
fn read_request(folder: &Path) -> Result<Option<EnrolmentRequest>> {
    if !folder.join(REQUEST).exists() || !folder.join(KEY).exists() {
        return Ok(None);
    }
    let text = read_input(&folder.join(REQUEST)).map_err(|e| unreadable(folder, &e))?;
    let request = EnrolmentRequest::parse(&text).ok_or_else(|| damaged(folder, REQUEST))?;
    let same = read_key(folder)?.public() == request.key;
    Ok(same.then_some(request))
}

/// A key without a state is left over from an enrolment that did not come to its end; it signed
/// nothing that counts.
fn write_key(folder: &Path, key: &SigningKey) -> io::Result<()> {
    if !folder.join(MEMORY).exists() && folder.join(KEY).exists() {
        fs::remove_file(folder.join(KEY))?;
    }
    let seed = Zeroizing::new(BASE64.encode(&*key.seed()));
    crate::platform::private_files::create_private(
        &folder.join(KEY),
        &crate::platform::system::protect(seed.as_bytes())?,
    )
}

fn read_key(folder: &Path) -> Result<SigningKey> {
    let stored = read_input(&folder.join(KEY)).map_err(|e| unreadable(folder, &e))?;
    let text =
        match crate::platform::system::unprotect(&stored).map_err(|e| unreadable(folder, &e))? {
            Unprotected::Secret(text) => text,
            Unprotected::OtherMachine => {
                return Err(Error::failed(text!(
                    "error-state-other-machine",
                    folder = folder
                )));
            }
            Unprotected::Damaged => return Err(damaged(folder, KEY)),
        };
    let seed = BASE64
        .decode(text.trim_ascii_end())
        .map(Zeroizing::new)
        .map_err(|_| damaged(folder, KEY))?;
    let seed: Zeroizing<[u8; 32]> = Zeroizing::new(
        seed.as_slice()
            .try_into()
            .map_err(|_| damaged(folder, KEY))?,
    );
    Ok(SigningKey::from_seed(&seed))
}

/// A file of the state is replaced by one that is already whole.
fn replace(folder: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    let path = folder.join(name);
    let mut pending = Some(file);
    patiently(|| {
        let file = pending.take().ok_or(io::ErrorKind::NotFound)?;
        file.persist(&path).map(|_| ()).map_err(|refused| {
            pending = Some(refused.file);
            refused.error
        })
    })?;
    crate::platform::media::flush_folder(folder)
}

/// Refuses a state folder that others can write, and one with anything in it that they can: an
/// ordinary user could have planted it, and with it an owner to believe. So too one whose key they
/// can read.
///
/// # Errors
/// When it is so, or nobody can tell.
pub fn refuse_shared(folder: &Path) -> Result<()> {
    use crate::platform::system::shared;
    let unread = |e| unreadable(folder, &e);
    if shared(folder).map_err(unread)? {
        return Err(Error::failed(text!("error-state-shared", folder = folder)));
    }
    for entry in fs::read_dir(folder).map_err(unread)? {
        let path = entry.map_err(unread)?.path();
        refuse_shared_file(folder, &path)?;
        if path.is_dir() {
            for inner in fs::read_dir(&path).map_err(unread)? {
                refuse_shared_file(folder, &inner.map_err(unread)?.path())?;
            }
        }
    }
    Ok(())
}

fn refuse_shared_file(folder: &Path, path: &Path) -> Result<()> {
    use crate::platform::system::{key_shared, shared_file};
    let is_key = path.file_name().is_some_and(|name| name == KEY);
    let shared = match is_key {
        true => key_shared(path),
        false => shared_file(path),
    };
    match shared {
        Ok(false) => Ok(()),
        Ok(true) => Err(Error::failed(text!("error-state-file-shared", path = path))),
        // Another run puts files in their places meanwhile.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(unreadable(folder, &error)),
    }
}

fn busy(folder: &Path) -> Error {
    Error::failed(text!("error-state-busy", folder = folder))
}

fn unreadable(folder: &Path, error: &io::Error) -> Error {
    Error::failed(text!(
        "error-state-unreadable",
        folder = folder,
        reason = error
    ))
}

fn unwritable(folder: &Path, error: &io::Error) -> Error {
    Error::failed(text!(
        "error-state-unwritable",
        folder = folder,
        reason = error
    ))
}

fn damaged(folder: &Path, cause: &str) -> Error {
    let text = text!("error-state-damaged", folder = folder, cause = cause);
    Error::new(Exit::Failed, text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keypair::throwaway::{Authority, KeyKind};

    #[test]
    fn what_is_known_of_a_certificate_is_known_until_it_ends_and_of_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let vault = VaultId::of(&SigningKey::generate().unwrap().public());
        let mut state = State::create(&folder.path().join("state"), vault, "WEB01").unwrap();
        let now = jiff::Timestamp::now();
        let authority = Authority::new("Test", now).unwrap();
        let issue = |name| authority.issue(&[name], KeyKind::P256, now).unwrap();
        let [one, other] =
            ["one.example.com", "other.example.com"].map(|name| issue(name).leaf().clone());
        state.acknowledge(&one, "kept in the TPM", None);
        state.save().unwrap();
        drop(state);
        let state = State::look(&folder.path().join("state")).unwrap().unwrap();
        let second = jiff::Span::new().seconds(1);
        let last_moment = one.not_after().checked_sub(second).unwrap();
        assert_eq!(
            state.acknowledged(&one, last_moment).unwrap().reason,
            "kept in the TPM"
        );
        assert_eq!(state.acknowledged(&one, one.not_after()), None);
        assert_eq!(state.acknowledged(&other, last_moment), None);
    }

    #[test]
    fn a_memory_of_a_newer_version_is_refused_and_stays_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("state");
        let vault = VaultId::of(&SigningKey::generate().unwrap().public());
        State::create(&folder, vault, "WEB01")
            .unwrap()
            .save()
            .unwrap();
        let file = folder.join("state.json");
        let newer =
            fs::read_to_string(&file)
                .unwrap()
                .replacen("\"format\": 1", "\"format\": 2", 1);
        fs::write(&file, &newer).unwrap();
        for opened in [State::open(&folder), State::look(&folder)] {
            assert_eq!(opened.err().unwrap().text.id, "error-state-newer");
        }
        assert_eq!(fs::read_to_string(&file).unwrap(), newer);
    }

    #[cfg(unix)]
    #[test]
    fn a_lock_that_is_no_file_is_neither_waited_for_nor_followed() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("state");
        let vault = VaultId::of(&SigningKey::generate().unwrap().public());
        let mut state = State::create(&folder, vault, "WEB01").unwrap();
        state.save().unwrap();
        drop(state);
        let lock = folder.join("lock");
        fs::remove_file(&lock).unwrap();
        let pipe = std::process::Command::new("mkfifo").arg(&lock).status();
        assert!(pipe.unwrap().success());
        assert_eq!(
            State::open(&folder).err().unwrap().text.id,
            "error-state-damaged"
        );
        fs::remove_file(&lock).unwrap();
        let victim = folder.join("victim");
        std::os::unix::fs::symlink(&victim, &lock).unwrap();
        assert_eq!(
            State::open(&folder).err().unwrap().text.id,
            "error-state-damaged"
        );
        assert!(!victim.exists());
    }

    #[test]
    fn an_id_in_a_memory_that_is_none_is_an_error_that_names_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("state");
        let vault = VaultId::of(&SigningKey::generate().unwrap().public());
        State::create(&folder, vault, "WEB01")
            .unwrap()
            .save()
            .unwrap();
        let file = folder.join("state.json");
        let good = fs::read_to_string(&file).unwrap();
        assert!(good.contains("\"highest\": 0"));
        for (right, wrong) in [
            ("SHA256:", "SHA1:"),
            ("\"highest\": 0", "\"highest\": 100000000"),
        ] {
            fs::write(&file, good.replacen(right, wrong, 1)).unwrap();
            let text = State::look(&folder).err().unwrap().text;
            assert_eq!(text.id, "error-state-damaged");
            let cause = format!("{:?}", text.args);
            assert!(cause.contains("state.json: not in its one form"), "{cause}");
        }
    }

    #[test]
    fn no_two_media_get_one_label() {
        let folder = tempfile::tempdir().unwrap();
        let vault = VaultId::of(&SigningKey::generate().unwrap().public());
        let mut state = State::create(&folder.path().join("state"), vault, "WEB01").unwrap();
        state.medium("1").label = "B".into();
        assert_eq!(state.next_label(), "A");
        state.medium("2").label = "a".into();
        assert_eq!(state.next_label(), "C");
        assert_eq!(
            state.refuse_taken_label("b").unwrap_err().text.id,
            "error-label-taken"
        );
        state.medium("1").retired = Some(vault::catalog::Retired {
            time: jiff::Timestamp::UNIX_EPOCH,
            lost: true,
        });
        state.refuse_taken_label("b").unwrap();
        assert_eq!(
            state.next_label(),
            "C",
            "what was on the lost stick must not be taken for the new one"
        );
    }
}
