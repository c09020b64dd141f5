//! One medium's PFXVAULT folder: walking it, reading with caps, adding to it. What stands is never
//! deleted, and never changed but for README.TXT, MEDIUM.TXT and files of the owner's that are
//! damaged.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use std::sync::Arc;

use super::id::{GenerationId, Hash, Number, ServerId, VaultId, is_base32};
use super::readme::{Label, Readme, ReadmeWish};
use super::sign;
use super::trust::Statement;
use super::volume::{Entry, EntryKind, MAX_ENTRIES, Reading, Volume};

/// The vault's folder on a medium.
pub const ROOT: &str = "PFXVAULT";
/// The two copies of everything, each in a folder of its own, written one after the other.
pub const HALVES: [&str; 2] = ["A", "B"];
const OWNER: &str = "OWNER";
/// What a medium is called.
pub const MEDIUM: &str = "MEDIUM.TXT";
/// Texts for people beside the halves.
const LOOSE: [&str; 2] = ["README.TXT", MEDIUM];
const FIRST_IDENTITY: &str = "IDENTITY.AGE";
/// Identity files that are read in one half, besides those that statements of the owner's list.
pub const MAX_IDENTITIES: usize = 16;
/// All identity files that are read in one half.
const MAX_LISTED: usize = 64;
/// Entries and folders that belong to nobody known here and are looked at for programs.
const MAX_UNKNOWN: usize = 10_000;
/// Folders of one generation in one half, beside the one at its own place, that are opened; no
/// more are made.
const MAX_COPIES: u16 = 64;
const FAR: u16 = MAX_COPIES + 1;
/// Folders of a medium that hold no generation and are kept; the others are only counted.
pub(super) const MAX_IDLE: usize = 10_000;
/// Folders beside the one at a generation's own place that are opened.
const MAX_BESIDE: usize = 10_000;
/// Folders at generations' own places that are opened.
const MAX_OPENED: usize = 1_000_000;
/// Names of one kind that are kept to be shown.
const MAX_NAMES: usize = 10_000;
/// Folders within folders that are looked at for programs. On a damaged file system a folder may
/// hold itself.
const MAX_DEPTH: usize = 8;

const MIB: u64 = 1024 * 1024;
/// Caps on what is read from a medium, by kind of file, in bytes.
pub mod cap {
    use super::MIB;
    /// Statements and records.
    pub const TEXT: u64 = 4 * MIB;
    /// Statements of one half that are not known to be the owner's, together.
    pub const STATEMENTS: u64 = 32 * MIB;
    /// A statement that is read whoever it may be of, a record or a key pair at its own place.
    pub const SMALL: u64 = 64 * 1024;
    /// A catalog at its own place that is read whatever else was.
    pub const SMALL_CATALOG: u64 = MIB;
    /// What is read of one medium that no record vouches for.
    pub const UNVOUCHED: u64 = 256 * MIB;
    /// Signatures.
    pub const SIGNATURE: u64 = 2048;
    /// Identity files.
    pub const IDENTITY: u64 = 64 * 1024;
    /// One key pair.
    pub const KEY_PAIR: u64 = 16 * MIB;
    /// The catalog.
    pub const CATALOG: u64 = 32 * MIB;
}

/// A medium, inserted or in a test's memory; clones are the same one.
#[derive(Clone)]
pub struct Medium {
    /// What the user calls it: the path as typed.
    pub name: String,
    /// Whether it is a parcel: read like a medium, it never counts as one.
    pub is_parcel: bool,
    pub(super) volume: Arc<dyn Volume>,
}

/// A file system action that failed, and on what.
#[derive(Debug, thiserror::Error)]
#[error("{medium}: {path}: {source}")]
pub struct MediumError {
    /// What the user calls the medium.
    pub medium: String,
    /// Relative to the medium.
    pub path: String,
    /// What the system said; `InvalidData` when a file read back differs from what was written.
    pub source: io::Error,
}

impl MediumError {
    /// Whether a file or a folder holds more than is read.
    pub fn is_too_large(&self) -> bool {
        self.source.kind() == io::ErrorKind::FileTooLarge
    }
}

/// A folder that claims to hold a generation.
#[derive(Debug, Clone)]
pub struct Folder {
    /// Whose, by its place.
    pub server: ServerId,
    /// Which, by its name.
    pub number: Number,
    /// 0 where it is at the generation's own place, else the number behind the full stop.
    pub copy: u16,
    /// Which half of the medium.
    pub half: usize,
    /// Relative to the medium.
    pub path: String,
    /// Whether a RECORD.SIG lies in it.
    pub is_signed: bool,
    /// Stored names that are not in upper case, by those that are.
    odd_names: BTreeMap<String, String>,
}

impl Folder {
    /// The generation that it is of, by its place.
    pub fn id(&self) -> GenerationId {
        GenerationId {
            server: self.server,
            number: self.number,
        }
    }

    /// The path of a file in it, by its upper-case name.
    pub fn file(&self, name: &str) -> String {
        join(
            &self.path,
            self.odd_names.get(name).map_or(name, String::as_str),
        )
    }
}

/// A folder that claims to be a server's.
#[derive(Debug, Clone)]
pub struct ServerFolder {
    server: ServerId,
    half: usize,
    path: String,
}

impl ServerFolder {
    fn folder(&self, number: Number, copy: u16) -> Folder {
        Folder {
            server: self.server,
            number,
            copy,
            half: self.half,
            path: join(&self.path, &generation_folder(number, copy)),
            is_signed: false,
            odd_names: BTreeMap::new(),
        }
    }
}

/// The folders of a medium that claim to hold a generation, as they are found.
#[derive(Default)]
struct Folders {
    folders: Vec<Folder>,
    /// Those of admitted servers that were opened.
    opened: usize,
    /// Those of them without a signature.
    idle: usize,
    /// Entries of strangers' folders that were looked at.
    listed: usize,
    /// Folders of strangers.
    strangers: usize,
}

impl Folders {
    fn keep(&mut self, folder: Folder, walk: &mut Walk) {
        self.idle += usize::from(!folder.is_signed);
        match folder.is_signed || self.idle <= MAX_IDLE {
            true => self.folders.push(folder),
            false => walk.leave_out(&folder.path, 1),
        }
    }

    fn keep_strange(&mut self, folder: Folder, walk: &mut Walk) {
        self.strangers += 1;
        if self.strangers <= MAX_IDLE {
            return self.folders.push(folder);
        }
        walk.strangers += 1;
        walk.leave_out(&folder.path, 1);
    }
}

/// Where the two files of a statement lie.
struct StatementPaths<'f> {
    half: usize,
    /// Without their ends.
    stem: String,
    text: Option<&'f str>,
    signature: Option<&'f str>,
}

impl<'f> StatementPaths<'f> {
    fn of(half: usize, folder: &str, stem: &str, files: &'f BTreeMap<String, String>) -> Self {
        let file = |end: &str| files.get(&format!("{stem}.{end}")).map(String::as_str);
        Self {
            half,
            stem: join(folder, stem),
            text: file("TXT"),
            signature: file("SIG"),
        }
    }

    fn with(&self, said: Option<Vec<u8>>, signed: Option<Vec<u8>>) -> StatementFiles {
        let path = |known: Option<&str>, end| {
            known.map_or_else(|| format!("{}.{end}", self.stem), str::to_owned)
        };
        StatementFiles {
            half: self.half,
            text: path(self.text, "TXT"),
            signature: path(self.signature, "SIG"),
            statement: Statement {
                text: said.unwrap_or_default(),
                signature: signed.unwrap_or_default(),
            },
        }
    }
}

/// The two files of a statement, as one half holds them.
#[derive(Debug, Clone)]
pub struct StatementFiles {
    /// Which half of the medium.
    pub half: usize,
    /// Path of the `.TXT` file.
    pub text: String,
    /// Path of the `.SIG` file.
    pub signature: String,
    /// What is in them; empty where a file is missing or cannot be read.
    pub statement: Statement,
}

impl StatementFiles {
    /// Whether both stand under the same name, in whatever half.
    pub fn is_namesake(&self, other: &Self) -> bool {
        file_name(&self.text).eq_ignore_ascii_case(file_name(&other.text))
    }
}

/// An identity file in one half.
#[derive(Debug, Clone)]
pub struct IdentityFile {
    /// Which half of the medium.
    pub half: usize,
    /// Its name in upper case.
    pub name: String,
    /// Relative to the medium.
    pub path: String,
    /// What is in it.
    pub bytes: Vec<u8>,
}

/// What was found on a medium, nothing of it believed yet.
#[derive(Debug, Default)]
pub struct Walk {
    /// Statements whose two files could be read.
    pub statements: Vec<StatementFiles>,
    /// Statements of which a file is missing or could not be read.
    pub unfinished: Vec<StatementFiles>,
    /// Identity files.
    pub identities: Vec<IdentityFile>,
    /// Folders of servers, whoever they are.
    pub servers: Vec<ServerFolder>,
    /// Names that the format does not know, and things that could not be read.
    pub unexpected: Vec<String>,
    /// Those of them that a system may run as a program.
    pub programs: Vec<String>,
    /// Folders that the format does not know and that hold more than was looked at.
    pub unsearched: Vec<String>,
    /// Where more lies than is looked at: the first of these places, and how many there are.
    pub crowded: Option<(String, usize)>,
    /// Folders of strangers that are only counted.
    pub(super) strangers: usize,
    /// Bytes of statements in each half that are not the owner's, or not again.
    held: [u64; HALVES.len()],
    /// Entries that belong to nobody known here and were looked at.
    looked: usize,
}

impl Walk {
    /// Whoever signed the statements here; `None` where nobody did, or several.
    pub fn signer(&self) -> Option<VaultId> {
        let mut vaults = self.signers();
        let signer = vaults.pop_first();
        signer.filter(|_| vaults.is_empty())
    }

    /// Everyone who signed a statement here.
    pub fn signers(&self) -> BTreeSet<VaultId> {
        let said = self.statements.iter().map(|pair| &pair.statement);
        let signers =
            said.filter_map(|said| sign::signer(sign::TRUST, &said.text, &said.signature));
        signers.map(|key| VaultId::of(&key)).collect()
    }

    /// Notes that something was left out because of what else is there.
    pub(super) fn leave_out(&mut self, path: &str, count: usize) {
        let (_, left_out) = self.crowded.get_or_insert_with(|| (path.to_owned(), 0));
        *left_out += count;
    }

    fn keep_unexpected(&mut self, path: String) {
        match self.unexpected.len() {
            0..MAX_NAMES => self.unexpected.push(path),
            _ => self.leave_out(&path, 1),
        }
    }

    fn keep_program(&mut self, path: String) {
        match self.programs.len() {
            0..MAX_NAMES => self.programs.push(path),
            _ => self.leave_out(&path, 1),
        }
    }

    fn keep_unsearched(&mut self, path: &str) {
        match self.unsearched.len() {
            0..MAX_NAMES => self.unsearched.push(path.to_owned()),
            _ => self.leave_out(path, 1),
        }
    }

    /// Keeps a statement: the owner's each once, others as long as there is room. Where the owner is
    /// not known, those that nobody signed tell nothing.
    fn keep_statement(&mut self, pair: StatementFiles, is_whole: bool, owner: Option<&VaultId>) {
        let Statement { text, signature } = &pair.statement;
        let is_again =
            |other: &StatementFiles| other.half == pair.half && other.statement == pair.statement;
        let is_new = is_whole && !self.statements.iter().any(is_again);
        let is_owners = match owner {
            None if !sign::is_right(text, signature) => return,
            None => false,
            Some(owner) => {
                let signer = || sign::signer(sign::TRUST, text, signature);
                is_new && signer().is_some_and(|key| VaultId::of(&key) == *owner)
            }
        };
        if !is_owners {
            let held = &mut self.held[pair.half];
            *held += (text.len() + signature.len() + pair.text.len() * 4) as u64;
            if *held > cap::STATEMENTS {
                return self.leave_out(&pair.text, 1);
            }
        }
        match is_whole {
            true => self.statements.push(pair),
            false => self.unfinished.push(pair),
        }
    }

    /// The files in one half that are what is left of this statement: they verify as nothing, and
    /// have its text, its signature, or the name under which the other half holds it.
    pub fn remains_of(&self, statement: &Statement, half: usize) -> Option<&StatementFiles> {
        let is_whole = |pair: &&StatementFiles| pair.half != half && pair.statement == *statement;
        let twin = self.statements.iter().find(is_whole);
        let alike = |pair: &&StatementFiles| {
            let Statement { text, signature } = &pair.statement;
            pair.half == half && (*text == statement.text || *signature == statement.signature)
        };
        let called_so = |pair: &&StatementFiles| {
            pair.half == half && twin.is_some_and(|twin| pair.is_namesake(twin))
        };
        let is_damaged = |pair: &&StatementFiles| {
            let Statement { text, signature } = &pair.statement;
            !pair.statement.is_newer() && !sign::is_right(text, signature)
        };
        let candidates = self
            .statements
            .iter()
            .filter(|pair| alike(pair) || called_so(pair));
        candidates
            .filter(|pair| pair.statement != *statement)
            .find(is_damaged)
            .or_else(|| self.unfinished.iter().find(alike))
    }

    /// The file in one half that is what is left of this identity file: it has the name under which
    /// the other half holds it, and no statement lists it.
    pub fn remains_of_identity(
        &self,
        bytes: &[u8],
        half: usize,
        is_listed: &dyn Fn(Hash) -> bool,
    ) -> Option<&IdentityFile> {
        if self
            .identities
            .iter()
            .any(|file| file.half == half && file.bytes == bytes)
        {
            return None;
        }
        let twin = self
            .identities
            .iter()
            .find(|file| file.half != half && file.bytes == bytes)?;
        let namesake = self
            .identities
            .iter()
            .find(|file| file.half == half && file.name == twin.name)?;
        let is_left = !is_listed(Hash::of(&namesake.bytes));
        is_left.then_some(namesake)
    }

    /// Whether any text here, whoever signed it, or one of `more` lists an identity file.
    fn says(&self, more: &[&Statement], identity: Hash) -> bool {
        let here = self
            .statements
            .iter()
            .chain(&self.unfinished)
            .map(|pair| &pair.statement);
        here.chain(more.iter().copied())
            .any(|statement| statement.lists(identity))
    }
}

impl Medium {
    /// A medium over a file system.
    pub fn new(name: impl Into<String>, volume: Box<dyn Volume>) -> Self {
        Self {
            name: name.into(),
            is_parcel: false,
            volume: volume.into(),
        }
    }

    /// A parcel, to be read as if it were a medium.
    pub fn of_parcel(name: impl Into<String>, parcel: impl Volume + 'static) -> Self {
        Self {
            name: name.into(),
            is_parcel: true,
            volume: Arc::new(parcel),
        }
    }

    /// The folder of this machine that it is, where it is one.
    pub fn place(&self) -> Option<&Path> {
        self.volume.folder()
    }

    pub(super) fn failed(&self, path: &str, source: io::Error) -> MediumError {
        MediumError {
            medium: self.name.clone(),
            path: path.to_owned(),
            source,
        }
    }

    /// What people call it, as far as MEDIUM.TXT can be read. Nobody signs that.
    pub fn label(&self) -> Option<Label> {
        Label::parse(&self.read_loose(MEDIUM)?)
    }

    /// Whether a PFXVAULT folder is there, however damaged. A file of that name is none, such as the
    /// program itself.
    ///
    /// # Errors
    /// When the medium cannot be listed.
    pub fn has_vault(&self) -> Result<bool, MediumError> {
        Ok(self.root()?.is_some())
    }

    /// Whether a PFXVAULT folder is there that came to hold something.
    ///
    /// # Errors
    /// When the medium cannot be listed.
    pub fn holds_vault(&self) -> Result<bool, MediumError> {
        Ok(self.has_vault()? && !self.is_begun()?)
    }

    /// Whether the PFXVAULT folder there was begun and never came to hold anything: neither a whole
    /// signature of an owner nor a folder of a server. Nothing in it can ever be recovered or
    /// count.
    ///
    /// # Errors
    /// When the medium cannot be listed.
    pub fn is_begun(&self) -> Result<bool, MediumError> {
        let Some(root) = self.root()? else {
            return Ok(false);
        };
        for half in HALVES {
            let Some(half) = self.child(&root, half)? else {
                continue;
            };
            for entry in self.list(&half)? {
                let folder = join(&half, &entry.name);
                if !entry.name.eq_ignore_ascii_case(OWNER) || self.holds_signature(&folder)? {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// Whether a signature in a folder of the owner's was written to its end; one that a cut left
    /// empty or short was not. One that cannot be read might be whole.
    fn holds_signature(&self, folder: &str) -> Result<bool, MediumError> {
        let is_whole = |entry: &Entry| {
            let signed = self.read(&join(folder, &entry.name), cap::SIGNATURE, Reading::Cached);
            signed.map_or(true, |signed| sign::is_to_its_end(&signed))
        };
        let entries = self.list(folder)?;
        let signatures = entries
            .iter()
            .filter(|entry| entry.name.to_ascii_uppercase().ends_with(".SIG"));
        Ok(signatures.into_iter().any(is_whole))
    }

    /// Removes what was begun and holds nothing. What is not pfxvault's stays, and the folder with
    /// it.
    ///
    /// # Errors
    /// When it is more than begun, or the medium refuses.
    pub fn clear_begun(&self) -> Result<(), MediumError> {
        let Some(root) = self.root()? else {
            return Ok(());
        };
        if !self.is_begun()? {
            return Err(self.failed(&root, io::ErrorKind::AlreadyExists.into()));
        }
        for half in HALVES {
            let Some(half) = self.child(&root, half)? else {
                continue;
            };
            if let Some(owner) = self.child(&half, OWNER)? {
                self.clear_folder(&owner, is_owner_name)?;
            }
            self.clear_folder(&half, |_| false)?;
        }
        let is_loose = |name: &str| LOOSE.iter().any(|loose| name.eq_ignore_ascii_case(loose));
        self.clear_folder(&root, is_loose)
    }

    /// Removes the files of these names, or what was to become one, and the folder if nothing else
    /// is in it.
    fn clear_folder(&self, folder: &str, is_ours: fn(&str) -> bool) -> Result<(), MediumError> {
        let mut is_empty = true;
        for entry in self.list(folder)? {
            let name = entry.name.to_ascii_uppercase();
            let was_to_be = |end: &str| {
                let stem = name.strip_suffix(".NEW");
                stem.is_some_and(|stem| is_ours(&format!("{stem}.{end}")))
            };
            let is_ours = is_ours(&name) || ["TXT", "SIG", "AGE"].into_iter().any(was_to_be);
            if entry.kind != EntryKind::File || !is_ours {
                is_empty = false;
                continue;
            }
            self.remove(&join(folder, &entry.name))?;
        }
        if is_empty {
            self.remove(folder)?;
        }
        Ok(())
    }

    fn remove(&self, path: &str) -> Result<(), MediumError> {
        self.volume
            .remove(path)
            .map_err(|source| self.failed(path, source))
    }

    /// Reads a file of at most `cap` bytes.
    ///
    /// # Errors
    /// What the system says, or `FileTooLarge`.
    pub fn read(&self, path: &str, cap: u64, reading: Reading) -> Result<Vec<u8>, MediumError> {
        self.volume
            .read(path, cap, reading)
            .map_err(|source| self.failed(path, source))
    }

    /// Reads a text beside the halves, README.TXT or MEDIUM.TXT, as far as it can be read.
    pub fn read_loose(&self, name: &str) -> Option<Vec<u8>> {
        let root = self.root().ok()??;
        let file = self.child(&root, name).ok()??;
        self.volume.read(&file, cap::IDENTITY, Reading::Cached).ok()
    }

    /// Reads what lies outside generations: the owner's files, names, and which servers have a
    /// folder. Statements of `owner` are all kept, whatever else lies there.
    ///
    /// # Errors
    /// When the vault's folder cannot be listed; anything below it that cannot is only reported.
    pub fn walk(&self, owner: Option<&VaultId>, reading: Reading) -> Result<Walk, MediumError> {
        let mut walk = Walk::default();
        let Some(root) = self.root()? else {
            return Ok(walk);
        };
        for entry in self.list(&root)? {
            let path = join(&root, &entry.name);
            match HALVES
                .iter()
                .position(|half| half.eq_ignore_ascii_case(&entry.name))
            {
                Some(half) if entry.kind == EntryKind::Folder => {
                    self.walk_half(half, &path, owner, reading, &mut walk)
                }
                _ if is_loose_text(&entry) => {}
                _ => self.leave(&entry, path, &mut walk),
            }
        }
        Ok(walk)
    }

    /// Something that does not belong to the vault: it is only named, and looked through for
    /// programs.
    fn leave(&self, entry: &Entry, path: String, walk: &mut Walk) {
        match entry.kind {
            EntryKind::Folder => {
                self.look_for_programs(&path, walk);
                walk.keep_unexpected(path);
            }
            _ if is_program(&entry.name) => walk.keep_program(path),
            _ => walk.keep_unexpected(path),
        }
    }

    fn look_for_programs(&self, folder: &str, walk: &mut Walk) {
        let mut open = vec![folder.to_owned()];
        while let Some(below) = open.pop() {
            if walk.looked >= MAX_UNKNOWN || below.matches('/').count() > MAX_DEPTH {
                return walk.keep_unsearched(folder);
            }
            let listed = self.volume.list(&below);
            let is_crowded = |error: &io::Error| error.kind() == io::ErrorKind::FileTooLarge;
            if listed.as_ref().is_err_and(is_crowded) {
                return walk.keep_unsearched(folder);
            }
            let entries = listed.unwrap_or_default();
            walk.looked += 1 + entries.len();
            for entry in entries {
                let path = join(&below, &entry.name);
                match entry.kind {
                    EntryKind::Folder => open.push(path),
                    _ if is_program(&entry.name) => walk.keep_program(path),
                    _ => {}
                }
            }
        }
    }

    fn walk_half(
        &self,
        half: usize,
        path: &str,
        owner: Option<&VaultId>,
        reading: Reading,
        walk: &mut Walk,
    ) {
        for entry in self.list_or_report(path, walk) {
            let name = entry.name.to_ascii_uppercase();
            let path = join(path, &entry.name);
            match ServerId::parse(&name) {
                _ if entry.kind != EntryKind::Folder => self.leave(&entry, path, walk),
                _ if name == OWNER => self.walk_owner(half, &path, owner, reading, walk),
                Some(server) => walk.servers.push(ServerFolder { server, half, path }),
                None => self.leave(&entry, path, walk),
            }
        }
    }

    fn walk_owner(
        &self,
        half: usize,
        folder: &str,
        owner: Option<&VaultId>,
        reading: Reading,
        walk: &mut Walk,
    ) {
        let entries = self.list_or_report(folder, walk);
        let files: BTreeMap<String, String> = plain_files(folder, &entries)
            .filter(|(name, _)| is_owner_name(name))
            .collect();
        for entry in entries
            .iter()
            .filter(|entry| entry.kind != EntryKind::File || !is_owner_name(&entry.name))
        {
            self.leave(entry, join(folder, &entry.name), walk);
        }
        let stems = files.keys().filter_map(|name| statement_stem(name));
        let stems: BTreeSet<_> = stems.collect();
        // What is small comes first: whoever plants large ones must not push it out.
        let mut large = Vec::new();
        for stem in stems {
            let pair = StatementPaths::of(half, folder, stem, &files);
            if !self.read_statement(&pair, cap::SMALL, owner, reading, walk) {
                large.push(pair);
            }
        }
        for pair in large {
            let room = cap::STATEMENTS.saturating_sub(walk.held[half]);
            let room = room.clamp(cap::SMALL + 1, cap::TEXT);
            self.read_statement(&pair, room, owner, reading, walk);
        }
        // IDENTITY.AGE comes first: whoever plants the sixteen that fit must not push it out.
        let mut identities: Vec<_> = files
            .iter()
            .filter_map(|(name, path)| Some((identity_place(name)?, name, path)))
            .collect();
        identities.sort();
        for (_, name, path) in identities {
            self.read_identity(half, name, path, reading, walk);
        }
    }

    /// Reads a statement, and says whether that was possible within `cap` bytes.
    fn read_statement(
        &self,
        paths: &StatementPaths<'_>,
        cap: u64,
        owner: Option<&VaultId>,
        reading: Reading,
        walk: &mut Walk,
    ) -> bool {
        let read = |path: Option<&str>, cap| path.map(|path| self.read(path, cap, reading));
        let said = read(paths.text, cap);
        let is_large =
            |read: &Result<_, MediumError>| read.as_ref().is_err_and(MediumError::is_too_large);
        if cap < cap::TEXT && said.as_ref().is_some_and(is_large) {
            if cap > cap::SMALL {
                walk.leave_out(paths.text.unwrap_or(&paths.stem), 1);
            }
            return false;
        }
        let said = said.and_then(Result::ok);
        let signed = read(paths.signature, cap::SIGNATURE).and_then(Result::ok);
        // An empty signature is one that was never written.
        let is_whole = said.is_some() && signed.as_ref().is_some_and(|signed| !signed.is_empty());
        walk.keep_statement(paths.with(said, signed), is_whole, owner);
        if !is_whole {
            let known = paths.text.or(paths.signature);
            known
                .into_iter()
                .for_each(|path| walk.keep_unexpected(path.to_owned()));
        }
        true
    }

    fn read_identity(
        &self,
        half: usize,
        name: &str,
        path: &str,
        reading: Reading,
        walk: &mut Walk,
    ) {
        let Ok(bytes) = self.read(path, cap::IDENTITY, reading) else {
            return walk.keep_unexpected(path.to_owned());
        };
        let here = walk.identities.iter().filter(|file| file.half == half);
        let is_welcome = match here.count() {
            0..MAX_IDENTITIES => true,
            MAX_IDENTITIES..MAX_LISTED => walk.says(&[], Hash::of(&bytes)),
            _ => false,
        };
        if !is_welcome {
            return walk.keep_unexpected(path.to_owned());
        }
        walk.identities.push(IdentityFile {
            half,
            name: name.to_owned(),
            path: path.to_owned(),
            bytes,
        });
    }

    /// Which generations folders on it claim to be, and how many more folders are only counted.
    ///
    /// # Errors
    /// As [`Self::walk`].
    pub fn claimed_generations(&self) -> Result<(BTreeSet<GenerationId>, usize), MediumError> {
        let mut walk = self.walk(None, Reading::Cached)?;
        let folders = self.folders(&mut walk, &|_| false);
        Ok((folders.iter().map(Folder::id).collect(), walk.strangers))
    }

    /// The folders that claim to hold a generation: first all at their own places of servers that
    /// are admitted, then what lies beside those, then those of strangers, which are not opened.
    pub(super) fn folders(
        &self,
        walk: &mut Walk,
        is_admitted: &dyn Fn(ServerId) -> bool,
    ) -> Vec<Folder> {
        let servers = std::mem::take(&mut walk.servers);
        let (ours, strangers): (Vec<_>, Vec<_>) = servers
            .into_iter()
            .partition(|place| is_admitted(place.server));
        let mut found = Folders::default();
        let mut beside = Vec::new();
        for (index, place) in ours.iter().enumerate() {
            for entry in self.list_or_report(&place.path, walk) {
                match parse_generation_folder(&entry.name) {
                    Some((number, 0)) if entry.kind == EntryKind::Folder => {
                        self.open_folder(place, (number, 0), &mut found, walk);
                    }
                    Some((_, FAR..)) if entry.kind == EntryKind::Folder => {
                        walk.leave_out(&join(&place.path, &entry.name), 1);
                    }
                    Some((number, copy)) if entry.kind == EntryKind::Folder => {
                        beside.push((copy, number, index));
                    }
                    _ => self.leave(&entry, join(&place.path, &entry.name), walk),
                }
            }
        }
        beside.sort_unstable();
        for (tried, (copy, number, index)) in beside.iter().enumerate() {
            if tried == MAX_BESIDE {
                walk.leave_out(&ours[*index].path, beside.len() - tried);
                break;
            }
            self.open_folder(&ours[*index], (*number, *copy), &mut found, walk);
        }
        for place in &strangers {
            self.count_folders(place, &mut found, walk);
        }
        found.folders
    }

    fn open_folder(
        &self,
        place: &ServerFolder,
        (number, copy): (Number, u16),
        found: &mut Folders,
        walk: &mut Walk,
    ) {
        let mut folder = place.folder(number, copy);
        if found.opened == MAX_OPENED {
            return walk.leave_out(&folder.path, 1);
        }
        found.opened += 1;
        for entry in self.list_or_report(&folder.path, walk) {
            if !is_generation_file(&entry) {
                self.leave(&entry, join(&folder.path, &entry.name), walk);
                continue;
            }
            let name = entry.name.to_ascii_uppercase();
            folder.is_signed |= name == "RECORD.SIG";
            if name != entry.name {
                folder.odd_names.insert(name, entry.name);
            }
        }
        found.keep(folder, walk);
    }

    fn count_folders(&self, place: &ServerFolder, found: &mut Folders, walk: &mut Walk) {
        if walk.looked >= MAX_UNKNOWN {
            walk.keep_unsearched(&place.path);
        }
        if found.listed >= MAX_ENTRIES {
            return walk.leave_out(&place.path, 1);
        }
        let mut is_searched = walk.looked < MAX_UNKNOWN;
        for entry in self.list_or_report(&place.path, walk) {
            found.listed += 1;
            let Some((number, copy)) =
                parse_generation_folder(&entry.name).filter(|_| entry.kind == EntryKind::Folder)
            else {
                self.leave(&entry, join(&place.path, &entry.name), walk);
                continue;
            };
            let folder = place.folder(number, copy);
            if is_searched && walk.looked < MAX_UNKNOWN {
                self.look_for_programs(&folder.path, walk);
            } else if is_searched {
                is_searched = false;
                walk.keep_unsearched(&place.path);
            }
            found.keep_strange(folder, walk);
        }
    }

    fn list_or_report(&self, folder: &str, walk: &mut Walk) -> Vec<Entry> {
        match self.volume.list(folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::FileTooLarge => {
                walk.leave_out(folder, MAX_ENTRIES);
                Vec::new()
            }
            Err(_) => {
                walk.keep_unexpected(folder.to_owned());
                Vec::new()
            }
        }
    }

    fn list(&self, folder: &str) -> Result<Vec<Entry>, MediumError> {
        self.volume
            .list(folder)
            .map_err(|source| self.failed(folder, source))
    }

    /// The names of what lies in a folder, sorted.
    pub(super) fn names_in(&self, folder: &str) -> Result<Vec<String>, MediumError> {
        let entries = self.list(folder)?.into_iter();
        let mut names: Vec<String> = entries.map(|entry| entry.name).collect();
        names.sort();
        Ok(names)
    }

    /// The vault's folder. In another case it is that where the file system takes both names for one,
    /// as FAT does, or where one of the two copies lies in it.
    fn root(&self) -> Result<Option<String>, MediumError> {
        let entries = match self.list("") {
            Err(error) if error.source.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other?,
        };
        let folders = entries
            .into_iter()
            .filter(|entry| entry.kind == EntryKind::Folder)
            .filter(|entry| entry.name.eq_ignore_ascii_case(ROOT));
        let mut names: Vec<String> = folders.map(|entry| entry.name).collect();
        if names.is_empty() || names.iter().any(|name| name == ROOT) {
            return Ok((!names.is_empty()).then(|| ROOT.to_owned()));
        }
        match self.volume.list(ROOT) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Ok(names.into_iter().find(|name| self.holds_half(name)))
            }
            _ => Ok(names.pop()),
        }
    }

    fn holds_half(&self, root: &str) -> bool {
        let is_half = |entry: &Entry| {
            let mut halves = HALVES.iter();
            entry.kind == EntryKind::Folder
                && halves.any(|half| half.eq_ignore_ascii_case(&entry.name))
        };
        self.list(root)
            .is_ok_and(|entries| entries.iter().any(is_half))
    }

    /// The same, made if it is missing.
    fn root_folder(&self) -> Result<String, MediumError> {
        if let Some(found) = self.root()? {
            return Ok(found);
        }
        self.volume
            .make_folder(ROOT)
            .map_err(|source| self.failed(ROOT, source))?;
        Ok(ROOT.to_owned())
    }

    /// The path of an entry by its name in any case.
    pub(super) fn child(&self, folder: &str, name: &str) -> Result<Option<String>, MediumError> {
        let entries = match self.list(folder) {
            Err(error) if error.source.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other?,
        };
        let found = entries
            .into_iter()
            .find(|entry| entry.name.eq_ignore_ascii_case(name));
        Ok(found.map(|entry| join(folder, &entry.name)))
    }

    /// The folder below `parent`, made if it is missing.
    pub(super) fn folder(&self, parent: &str, name: &str) -> Result<String, MediumError> {
        if let Some(found) = self.child(parent, name)? {
            return Ok(found);
        }
        let path = join(parent, name);
        self.volume
            .make_folder(&path)
            .map_err(|source| self.failed(&path, source))?;
        Ok(path)
    }

    fn half_folder(&self, half: usize) -> Result<String, MediumError> {
        let root = self.root_folder()?;
        self.folder(&root, HALVES[half])
    }

    /// A new folder for a generation: its number, or the first free `.001` to `.064` beside it.
    pub(super) fn new_generation_folder(
        &self,
        half: usize,
        server: ServerId,
        number: Number,
    ) -> Result<String, MediumError> {
        let parent = self.half_folder(half)?;
        let server = self.folder(&parent, &server.to_string())?;
        let taken: BTreeSet<String> = self
            .list(&server)?
            .into_iter()
            .map(|entry| entry.name)
            .filter(|name| name.starts_with(&number.folder()))
            .collect();
        let mut names = (0..=MAX_COPIES).map(|copy| generation_folder(number, copy));
        let free = names.find(|name| !taken.contains(name));
        let path = join(&server, &free.unwrap_or_else(|| number.folder()));
        self.volume
            .make_folder(&path)
            .map_err(|source| self.failed(&path, source))?;
        Ok(path)
    }

    /// Writes new files, waits for the medium, and reads each back past the cache.
    pub(super) fn write_new(&self, files: &[(String, &[u8])]) -> Result<(), MediumError> {
        for (path, bytes) in files {
            self.volume
                .create(path, bytes)
                .map_err(|source| self.failed(path, source))?;
        }
        self.flush()?;
        files
            .iter()
            .try_for_each(|(path, bytes)| self.read_back(path, bytes))
    }

    pub(super) fn read_back(&self, path: &str, bytes: &[u8]) -> Result<(), MediumError> {
        match self.read(path, bytes.len() as u64, Reading::PastCache)? == bytes {
            true => Ok(()),
            false => Err(self.failed(path, io::Error::from(io::ErrorKind::InvalidData))),
        }
    }

    pub(super) fn flush(&self) -> Result<(), MediumError> {
        self.volume
            .flush()
            .map_err(|source| self.failed(ROOT, source))
    }

    /// Adds the statements and identity files that a half does not hold yet, in the place of what
    /// is left of them where something is; the signature of a statement comes last.
    ///
    /// # Errors
    /// When the medium refuses; what was added stays and is right.
    pub fn add_owner_files(
        &self,
        statements: &[&Statement],
        identities: &[&[u8]],
    ) -> Result<(), MediumError> {
        let signer = |said: &&Statement| sign::signer(sign::TRUST, &said.text, &said.signature);
        let owner = statements
            .first()
            .and_then(signer)
            .map(|key| VaultId::of(&key));
        let walk = self.walk(owner.as_ref(), Reading::Cached)?;
        for half in 0..HALVES.len() {
            let parent = self.half_folder(half)?;
            let folder = self.folder(&parent, OWNER)?;
            let mut taken: Vec<String> = self
                .list(&folder)?
                .into_iter()
                .map(|e| e.name.to_ascii_uppercase())
                .collect();
            let (mut first, mut last) = (Vec::new(), Vec::new());
            for statement in self.mend_statements(&walk, half, statements) {
                let stem = free_stem(statement.hash(), &mut taken);
                let path = |end| join(&folder, &format!("{stem}.{end}"));
                first.push((path("TXT"), statement.text.as_slice()));
                last.push((path("SIG"), statement.signature.as_slice()));
            }
            for identity in self.mend_identities(&walk, half, statements, identities) {
                first.push((join(&folder, &free_identity(&mut taken)), identity));
            }
            if !first.is_empty() {
                self.write_new(&first)?;
                self.write_new(&last)?;
            }
        }
        Ok(())
    }

    /// Writes statements that a half lacks in the place of what is left of them; those of which
    /// nothing is, or which cannot be written there, come back.
    fn mend_statements<'s>(
        &self,
        walk: &Walk,
        half: usize,
        statements: &[&'s Statement],
    ) -> Vec<&'s Statement> {
        let (mut used, mut unplaced) = (BTreeSet::new(), Vec::new());
        for statement in statements {
            if walk
                .statements
                .iter()
                .any(|pair| pair.half == half && pair.statement == **statement)
            {
                continue;
            }
            let remains = walk
                .remains_of(statement, half)
                .filter(|remains| used.insert(&remains.text));
            if remains.is_none_or(|remains| self.mend_statement(remains, statement).is_err()) {
                unplaced.push(*statement);
            }
        }
        unplaced
    }

    /// The same for identity files.
    fn mend_identities<'i>(
        &self,
        walk: &Walk,
        half: usize,
        statements: &[&Statement],
        identities: &[&'i [u8]],
    ) -> Vec<&'i [u8]> {
        let is_listed = |identity| walk.says(statements, identity);
        let mut unplaced = Vec::new();
        for identity in identities {
            if walk
                .identities
                .iter()
                .any(|file| file.half == half && file.bytes == *identity)
            {
                continue;
            }
            let remains = walk.remains_of_identity(identity, half, &is_listed);
            if remains.is_none_or(|remains| self.replace(&remains.path, identity).is_err()) {
                unplaced.push(*identity);
            }
        }
        unplaced
    }

    fn mend_statement(
        &self,
        remains: &StatementFiles,
        statement: &Statement,
    ) -> Result<(), MediumError> {
        if remains.statement.text != statement.text {
            self.replace(&remains.text, &statement.text)?;
        }
        if remains.statement.signature != statement.signature {
            self.replace(&remains.signature, &statement.signature)?;
        }
        Ok(())
    }

    /// Writes a file whole in the place of another, and reads it back.
    fn replace(&self, path: &str, bytes: &[u8]) -> Result<(), MediumError> {
        self.volume
            .rewrite(path, bytes)
            .map_err(|source| self.failed(path, source))?;
        self.flush()?;
        self.read_back(path, bytes)
    }

    /// Writes README.TXT anew where it is not that of this version, or asks somebody else than is wished.
    ///
    /// # Errors
    /// When the medium refuses.
    pub fn renew_readme(&self, wish: &ReadmeWish) -> Result<(), MediumError> {
        let bytes = self.read_loose("README.TXT");
        let there = bytes.and_then(|bytes| Readme::read(&bytes));
        let wanted = wish.in_place_of(there.clone());
        match there {
            Some(there) if there == wanted => Ok(()),
            _ => self.write_loose("README.TXT", &wanted.render()),
        }
    }

    /// Makes the vault's folder with its two texts for people, on which nothing depends.
    ///
    /// # Errors
    /// When the medium refuses.
    pub fn prepare(&self, label: &Label, wish: &ReadmeWish) -> Result<(), MediumError> {
        self.root_folder()?;
        self.renew_readme(wish)?;
        self.write_loose(MEDIUM, &label.render())
    }

    fn write_loose(&self, name: &str, bytes: &[u8]) -> Result<(), MediumError> {
        let root = self.root_folder()?;
        let path = self
            .child(&root, name)?
            .unwrap_or_else(|| join(&root, name));
        self.volume
            .rewrite(&path, bytes)
            .map_err(|source| self.failed(&path, source))?;
        self.flush()
    }
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or_default()
}

/// Whether Windows or Linux may run a file of this name, by its end, or do something else than show
/// it.
fn is_program(name: &str) -> bool {
    // Windows leaves dots and blanks at the end of a name out.
    let name = name.trim_end_matches(['.', ' ']).to_ascii_lowercase();
    name.rsplit_once('.')
        .is_some_and(|(_, end)| PROGRAMS.contains(&end))
}

/// Ends of the names of programs, of scripts, and of what starts either; docs/format.md lists them.
const PROGRAMS: [&str; 54] = [
    "app",
    "appimage",
    "bash",
    "bat",
    "bin",
    "chm",
    "cmd",
    "com",
    "cpl",
    "csh",
    "desktop",
    "dll",
    "drv",
    "elf",
    "exe",
    "hlp",
    "hta",
    "inf",
    "jar",
    "js",
    "jse",
    "ksh",
    "lnk",
    "msc",
    "msi",
    "msp",
    "mst",
    "ocx",
    "pif",
    "pl",
    "ps1",
    "psd1",
    "psm1",
    "py",
    "pyw",
    "rb",
    "reg",
    "run",
    "scf",
    "scr",
    "sct",
    "sh",
    "sys",
    "url",
    "vb",
    "vbe",
    "vbs",
    "ws",
    "wsc",
    "wsf",
    "wsh",
    "xll",
    "zsh",
    "application",
];

fn is_owner_name(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    statement_stem(&name).is_some() || identity_place(&name).is_some()
}

/// The eight characters before `.TXT` or `.SIG` of a statement.
fn statement_stem(name: &str) -> Option<&str> {
    let stem = name
        .strip_suffix(".TXT")
        .or_else(|| name.strip_suffix(".SIG"))?;
    is_statement_stem(stem).then_some(stem)
}

fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() {
        name.to_owned()
    } else {
        format!("{folder}/{name}")
    }
}

fn plain_files<'a>(
    folder: &'a str,
    entries: &'a [Entry],
) -> impl Iterator<Item = (String, String)> + 'a {
    let files = entries.iter().filter(|entry| entry.kind == EntryKind::File);
    files.map(move |entry| (entry.name.to_ascii_uppercase(), join(folder, &entry.name)))
}

fn is_loose_text(entry: &Entry) -> bool {
    let name = entry.name.to_ascii_uppercase();
    entry.kind == EntryKind::File && LOOSE.contains(&name.as_str())
}

pub(super) fn is_statement_stem(stem: &str) -> bool {
    stem.len() == 8 && stem.bytes().all(is_base32)
}

/// 1 for IDENTITY.AGE, n for IDENTnnn.AGE.
pub(super) fn identity_place(name: &str) -> Option<u32> {
    if name == FIRST_IDENTITY {
        return Some(1);
    }
    let digits = name.strip_prefix("IDENT")?.strip_suffix(".AGE")?;
    let place = (digits.len() == 3 && digits.bytes().all(|b| b.is_ascii_digit()))
        .then(|| digits.parse().ok())??;
    (place > 1).then_some(place)
}

/// `00000042`, or `00000042.001` for a copy that found the name taken; then with that number.
fn parse_generation_folder(name: &str) -> Option<(Number, u16)> {
    let Some((number, copy)) = name.split_once('.') else {
        return Some((Number::parse_folder(name)?, 0));
    };
    let is_copy = copy.len() == 3 && copy.bytes().all(|byte| byte.is_ascii_digit());
    let copy = copy.parse().ok().filter(|copy| is_copy && *copy > 0)?;
    Some((Number::parse_folder(number)?, copy))
}

fn generation_folder(number: Number, copy: u16) -> String {
    match copy {
        0 => number.folder(),
        copy => format!("{}.{copy:03}", number.folder()),
    }
}

/// Whether a name may stand in a generation's folder; the record alone says whether the file
/// belongs to it.
fn is_generation_file(entry: &Entry) -> bool {
    entry.kind == EntryKind::File && is_generation_name(&entry.name.to_ascii_uppercase())
}

/// Whether a file of this name may belong to a generation.
pub(super) fn is_generation_name(name: &str) -> bool {
    let digits = name
        .strip_prefix('K')
        .and_then(|rest| rest.strip_suffix(".AGE"))
        .unwrap_or_default();
    let key_pair = digits.len() == 7
        && digits.bytes().all(|byte| byte.is_ascii_digit())
        && digits != "0000000";
    key_pair || matches!(name, "CATALOG.AGE" | "RECORD.TXT" | "RECORD.SIG")
}

/// A statement's name: eight characters of its hash, others if those are taken.
pub(super) fn free_stem(hash: Hash, taken: &mut Vec<String>) -> String {
    let mut bytes = hash.to_string().into_bytes();
    loop {
        bytes = Hash::of(&bytes).to_string().into_bytes();
        let stem = data_encoding::BASE32_NOPAD.encode(&bytes)[..8].to_owned();
        let names = [format!("{stem}.TXT"), format!("{stem}.SIG")];
        if !names.iter().any(|name| taken.contains(name)) {
            taken.extend(names);
            return stem;
        }
    }
}

pub(super) fn free_identity(taken: &mut Vec<String>) -> String {
    let names = std::iter::once(FIRST_IDENTITY.to_owned())
        .chain((2..1000).map(|n| format!("IDENT{n:03}.AGE")));
    let name = names
        .into_iter()
        .find(|name| !taken.contains(name))
        .unwrap_or_else(|| FIRST_IDENTITY.to_owned());
    taken.push(name.clone());
    name
}
