//! Opening the vault: a secret opens an identity, the identity says whom to believe, and only then
//! is anything else on the media looked at. Reading never writes to a medium.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use crate::error::{Error, Exit, Result};
use crate::keypair::KeyPair;
use crate::keystore::{key_pair_reason, pfx_reason, sort_pfx};
use crate::message::{Text, local_day};
use crate::state::State;
use crate::text;
use crate::workflow::clock;
use crate::workflow::finding::Level;
use crate::workflow::verify;
use crate::workflow::witness::{OwnersWord, Witness};
use secret::{SecretBytes, passphrase};
use vault::catalog::{AboutKeyPair, Catalog, CatalogEntry, Retirement};
use vault::id::{GenerationId, Hash, Number, ServerId, VaultId};
use vault::identity::{Owner, Secret, Way, ways};
use vault::lines::day_of;
use vault::medium::{Medium, Walk};
use vault::retirement;
use vault::seal::{self, Refusal};
use vault::survey::{Generation, Slot, Survey};
use vault::trust::{Naming, Trust};
use vault::volume::Reading;

/// A vault whose owner's secret was given.
pub struct UnlockedVault<'m> {
    /// The owner.
    pub owner: Owner,
    /// The identity file that the secret opened, by its hash.
    pub way: Hash,
    /// What the secret was: `passphrase`, `recovery-key`, `age-key`, `ssh-key`, `plugin` or `shares`.
    pub opened_with: &'static str,
    /// What the media hold, judged by that owner's word.
    pub survey: Survey<'m>,
    pub(super) state: Option<&'m State>,
    /// Why host state, which may know more, could not be asked.
    pub unasked: Option<Text>,
    /// When this run began.
    pub now: jiff::Timestamp,
    /// What the owner retired.
    pub owners_words: Vec<OwnersWord>,
    witnesses: OnceLock<Vec<Witness>>,
}

/// What is about to be tried, for who waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attempt {
    /// The passphrase, in the form in which it is sealed.
    Folded,
    /// Exactly as it was typed, as older vaults have it.
    AsTyped,
    /// With other capitals.
    Capitals,
    /// More than a vault usually needs was tried: this goes on only where the answer is yes.
    BeyondBudget,
}

/// Says what is about to be tried; whether to go on with it.
pub type Watch<'w> = &'w dyn Fn(Attempt) -> Result<bool>;

/// Tries the secret on every identity file of the media. Host state, where it is of the same vault,
/// adds what it knows. Where `pin` says whose vault it must be, no other is opened.
///
/// # Errors
/// Exit 7 where there is no vault, exit 6 where the secret opens none of its ways in, exit 1 where
/// `watch` ended it before all of them were tried.
pub fn unlock<'m>(
    media: &'m [Medium],
    secret: &Secret,
    pin: Option<&VaultId>,
    state: Option<&'m State>,
    now: jiff::Timestamp,
    watch: Watch<'_>,
) -> Result<UnlockedVault<'m>> {
    let known = pin.or(state.map(State::vault));
    let (owner, way) = find_owner(media, secret, known, watch)?;
    if let Some(pin) = pin.filter(|pin| owner.vault() != **pin) {
        let (vault, said) = (owner.vault(), pin.as_str());
        let text = text!(
            "error-key-of-other-vault",
            vault = vault.as_str(),
            said = said
        );
        return Err(Error::new(Exit::NoVault, text));
    }
    let state = state.filter(|state| *state.vault() == owner.vault());
    let known = state.map_or_else(|| Trust::new(owner.vault()), |state| state.trust.clone());
    let survey = Survey::of(media, owner.vault(), &known, Reading::Cached)?;
    Ok(UnlockedVault {
        owners_words: owners_words(&owner, &survey.trust),
        owner,
        way,
        opened_with: secret.kind(),
        survey,
        state,
        unasked: None,
        now,
        witnesses: OnceLock::new(),
    })
}

fn owners_words(owner: &Owner, trust: &Trust) -> Vec<OwnersWord> {
    let mut words = Vec::new();
    for (server, sealed) in trust.sealed_retirements() {
        words.push(OwnersWord {
            server,
            sealed: sealed.to_vec(),
            retired: retirement::open(&owner.age, &trust.vault, server, sealed),
        });
    }
    words
}

fn find_owner(
    media: &[Medium],
    secret: &Secret,
    known: Option<&VaultId>,
    watch: Watch<'_>,
) -> Result<(Owner, Hash)> {
    let walk = |medium: &Medium| medium.walk(None, Reading::Cached);
    let walks: Vec<Walk> = media.iter().map(walk).collect::<Result<_, _>>()?;
    let mut search = Search {
        ways: ways(&walks, secret, known),
        watch,
        budget: BUDGET,
        mistyped: false,
    };
    if let Some(found) = search.find(secret)? {
        return Ok(found);
    }
    let name = media.first().map_or("", |medium| medium.name.as_str());
    let is_bare = |walk: &Walk| walk.identities.is_empty() && walk.servers.is_empty();
    let text = match secret {
        _ if walks.iter().all(is_bare) => text!("error-no-vault", medium = name),
        _ if !search.mistyped => text!("error-no-way-in", medium = name),
        Secret::Passphrase(_) => text!("error-wrong-passphrase", medium = name),
        Secret::RecoveryKey(_) | Secret::Key(_) => text!("error-wrong-recovery-key", medium = name),
    };
    let exit = if search.ways.is_empty() {
        Exit::NoVault
    } else {
        Exit::WrongSecret
    };
    Err(Error::new(exit, text))
}

/// Generations of a server whose catalogs are tried for what they say of others.
const WITNESSES_TRIED: usize = 3;

/// Tries of a passphrase, each half a second, before somebody is asked whether to go on: what three
/// ways in take with every form.
const BUDGET: u64 = 24;

/// The search for the way in that a secret opens.
struct Search<'s> {
    ways: Vec<Way<'s>>,
    watch: Watch<'s>,
    budget: u64,
    /// Whether a sound way in did not open. That says more than a damaged one: it may be theirs.
    mistyped: bool,
}

impl Search<'_> {
    fn find(&mut self, secret: &Secret) -> Result<Option<(Owner, Hash)>> {
        let Secret::Passphrase(typed) = secret else {
            return self.pass(secret);
        };
        let attempts = [Attempt::Folded, Attempt::AsTyped, Attempt::Capitals];
        for (attempt, forms) in attempts.into_iter().zip(passphrase::rounds(typed)) {
            if !forms.is_empty() && !self.ways.is_empty() {
                (self.watch)(attempt)?;
            }
            for form in forms {
                if let Some(found) = self.pass(&Secret::Passphrase(form))? {
                    return Ok(Some(found));
                }
            }
        }
        Ok(None)
    }

    /// One form over all ways in.
    fn pass(&mut self, secret: &Secret) -> Result<Option<(Owner, Hash)>> {
        for at in 0..self.ways.len() {
            let Way { file, cost } = self.ways[at];
            if self.budget < cost {
                if !(self.watch)(Attempt::BeyondBudget)? {
                    return Err(Error::failed(text!("error-not-all-tried")));
                }
                self.budget = BUDGET;
            }
            match Owner::unwrap(file, secret) {
                Ok(owner) => return Ok(Some((owner, Hash::of(file)))),
                Err(Refusal::NoMatch) => self.mistyped = true,
                Err(_) => {}
            }
            self.budget = self.budget.saturating_sub(cost);
        }
        Ok(None)
    }
}

/// Which generation is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// The newest whole one.
    Newest,
    /// This one; where two share a number, the one whose record's hash begins so.
    Number(Number, String),
    /// The newest one written on or before this day, by the calendar here.
    Until(jiff::civil::Date),
}

impl Wanted {
    /// Parses a number, a number with the beginning of its record's hash (`42/3f2a`), or a date.
    ///
    /// # Errors
    /// Anything else.
    pub fn parse(text: &str) -> Result<Self> {
        if let Some(day) = day_of_text(text) {
            return Ok(Wanted::Until(day));
        }
        let (number, hash) = text.split_once('/').unwrap_or((text, ""));
        let number =
            Number::parse(number).map(|number| Wanted::Number(number, hash.to_lowercase()));
        number.ok_or_else(|| Error::usage(text!("error-bad-generation", text = text)))
    }

    /// Whether this generation is meant.
    pub fn matches(&self, generation: &Generation) -> bool {
        match self {
            Wanted::Newest => true,
            Wanted::Number(number, hash) => {
                generation.record.number == *number && generation.hash.to_string().starts_with(hash)
            }
            Wanted::Until(day) => local_day(generation.record.time) <= *day,
        }
    }
}

/// `2026-10-31`, or `2026/10/31` as people in Japan write it; no time of day.
fn day_of_text(text: &str) -> Option<jiff::civil::Date> {
    let day = text.replace('/', "-");
    let is_day = day.len() == 10 && day.matches('-').count() == 2;
    day.parse().ok().filter(|_| is_day)
}

/// A generation whose catalog is open.
pub struct OpenGeneration {
    /// The signed record.
    pub generation: Generation,
    /// Its description.
    pub catalog: Catalog,
    /// Whether its server calls itself what the owner bound.
    pub naming: Naming,
    /// What the user must hear before using it: newer generations that are not whole, doubts about
    /// its place.
    pub doubts: Vec<Text>,
}

impl OpenGeneration {
    /// Whose it is: the name is what the server calls itself, the id is its key's.
    pub fn server(&self) -> String {
        let (name, id) = (&self.catalog.server_name, self.generation.record.server);
        format!("{name} ({id})")
    }
}

impl UnlockedVault<'_> {
    /// The vault that was opened.
    pub fn vault(&self) -> VaultId {
        self.owner.vault()
    }

    /// Refuses media of another vault among those given.
    ///
    /// # Errors
    /// Exit 7, and which one.
    pub fn refuse_foreign(&self) -> Result<()> {
        let foreign =
            (0..self.survey.media_count()).find(|medium| !self.survey.is_of_vault(*medium));
        foreign.map_or(Ok(()), |medium| Err(self.survey.not_ours(medium).into()))
    }

    /// What the user calls the first of the media.
    pub fn medium_name(&self) -> &str {
        &self.survey.medium(0).name
    }

    /// Why there is nothing to choose from: no backup was made yet, or none of a server that any
    /// statement here admits.
    pub fn nothing_here(&self) -> Error {
        let medium = self.medium_name();
        match self.survey.not_admitted_count() {
            0 => Error::new(Exit::Failed, text!("error-vault-empty", medium = medium)),
            count => Error::new(
                Exit::Forged,
                text!("error-none-admitted", medium = medium, count = count),
            ),
        }
    }

    /// The newest wanted generation of a server that is whole and that `holds` what is looked for.
    /// Where none is whole, the newest whose catalog opens: what is left of it can still be
    /// restored, and the doubts say what it is.
    ///
    /// # Errors
    /// Exit 4 where every wanted one is damaged beyond that, exit 1 where none is wanted.
    pub fn find(
        &self,
        server: ServerId,
        wanted: &Wanted,
        holds: &dyn Fn(&Catalog) -> bool,
    ) -> Result<OpenGeneration> {
        let mut doubts: Vec<Text> = self.unasked.iter().cloned().collect();
        doubts.extend(speaks_against(&self.survey, server, self.state));
        let (mut rest, mut damaged) = (None, self.is_damaged(server));
        for generation in self.survey.line(server) {
            if !wanted.matches(generation) {
                continue;
            }
            if let Some(catalog) = self.catalog(generation) {
                if !holds(&catalog) {
                    continue;
                }
                if self.survey.check(generation, Reading::Cached).is_whole() {
                    return Ok(self.with_its_own((generation, catalog), doubts));
                }
                rest.get_or_insert((generation, catalog));
            }
            damaged = true;
            doubts.push(text!(
                "doubt-damaged",
                number = generation.record.number.get()
            ));
        }
        if let Some(rest) = rest {
            return Ok(self.with_its_own(rest, doubts));
        }
        Err(Error::new(
            if damaged { Exit::Damaged } else { Exit::Failed },
            text!("error-no-generation", server = server.to_string()),
        ))
    }

    /// Whether folders of this server lie here whose records can no longer be read.
    fn is_damaged(&self, server: ServerId) -> bool {
        let mut slots = self.survey.slots.range(GenerationId::all_of(server));
        slots.any(|(_, slot)| slot.generations.is_empty() && !slot.damaged.is_empty())
    }

    /// Adds what the chosen generation itself gives to think about.
    fn with_its_own(
        &self,
        (generation, catalog): (&Generation, Catalog),
        mut doubts: Vec<Text>,
    ) -> OpenGeneration {
        let (number, due) = (generation.record.number.get(), generation.record.due);
        let unknown = |state: &State| {
            let known = state.written(generation.record.number);
            state.server() == generation.record.server
                && known.is_none_or(|written| written.record != generation.hash)
        };
        if self.state.is_some_and(unknown) {
            doubts.push(text!(
                "found-not-by-this-state",
                generation = generation.key()
            ));
        }
        doubts.extend(clock::doubt(self.now, Some(generation.record.time)));
        if due < day_of(self.now) {
            doubts.push(text!(
                "doubt-overdue",
                number = number,
                due = due.to_string()
            ));
        }
        let naming = self.naming(generation, &catalog);
        if naming == Naming::Other {
            doubts.push(text!(
                "doubt-other-name",
                server = generation.record.server.to_string(),
                name = catalog.server_name.as_str(),
                number = number
            ));
        }
        OpenGeneration {
            generation: generation.clone(),
            catalog,
            naming,
            doubts,
        }
    }

    /// How what a server calls itself in a generation stands to what the owner bound.
    fn naming(&self, generation: &Generation, catalog: &Catalog) -> Naming {
        let (server, number) = (generation.record.server, generation.record.number);
        let name = (catalog.server_name.as_str(), catalog.name_salt.as_ref());
        self.survey.trust.naming(server, number, name)
    }

    /// The newest catalogs of all servers here, for what they say of others.
    pub fn witnesses(&self) -> &[Witness] {
        self.witnesses.get_or_init(|| {
            let mut witnesses = Vec::new();
            for server in self.survey.servers() {
                let mut tried = self.survey.line(server).take(WITNESSES_TRIED);
                let found = tried.find_map(|one| Some((one, self.catalog(one)?)));
                witnesses.extend(found.map(|(one, catalog)| {
                    let is_misnamed = self.naming(one, &catalog) == Naming::Other;
                    Witness::new(one.record.time, catalog, is_misnamed)
                }));
            }
            witnesses
        })
    }

    /// What the servers here are called, where the owner's word does not say otherwise.
    pub fn server_names(&self) -> impl Iterator<Item = (ServerId, &str)> {
        let names = self.witnesses().iter().filter(|one| !one.is_misnamed);
        names.map(|one| (one.server, one.server_name.as_str()))
    }

    /// What the owner retired of a server's key pairs.
    pub fn owners_retirements(&self, server: ServerId) -> impl Iterator<Item = &Retirement> {
        let words = self.owners_words.iter();
        let words = words.filter(move |word| word.server == server);
        words.flat_map(|word| word.retired.iter().flatten())
    }

    /// The key pairs, each once, of all generations that are meant; and those of them whose catalog
    /// does not open.
    pub fn key_pairs_in(
        &self,
        is_meant: &dyn Fn(&Generation) -> bool,
    ) -> (Vec<AboutKeyPair>, Vec<String>) {
        let (mut found, mut closed) = (BTreeMap::new(), Vec::new());
        let generations = self
            .survey
            .slots
            .values()
            .flat_map(|slot| &slot.generations);
        for generation in generations.filter(|generation| is_meant(generation)) {
            match self.catalog(generation) {
                Some(catalog) => {
                    let about = catalog.key_pairs.into_iter().map(|entry| entry.about);
                    found.extend(about.map(|about| (about.certificate_sha256, about)));
                }
                None => closed.push(generation.key()),
            }
        }
        (found.into_values().collect(), closed)
    }

    /// The description of a generation, if it opens and is the record's.
    pub fn catalog(&self, generation: &Generation) -> Option<Catalog> {
        let sealed = self
            .survey
            .file(generation, vault::record::CATALOG, Reading::Cached)?;
        let json = seal::open(&self.owner.age, &sealed).ok()?;
        Catalog::parse(&json, &generation.record)
    }

    /// The PFX of one key pair, as it was sealed: hash, decrypt.
    ///
    /// # Errors
    /// Why it cannot be had, as a sentence.
    pub fn pfx(&self, generation: &Generation, entry: &CatalogEntry) -> Result<SecretBytes, Text> {
        let file = entry.file.as_str();
        let sealed = self.survey.file(generation, file, Reading::Cached);
        let sealed = sealed.ok_or_else(|| text!("reason-file-damaged", file = file))?;
        let opened = seal::open(&self.owner.age, &sealed);
        opened.map_err(|_| text!("reason-seal", file = file))
    }

    /// One key pair of a generation, in the format's order: hash, decrypt, open, key and
    /// thumbprint.
    ///
    /// # Errors
    /// Why it cannot be used, as a sentence.
    pub fn key_pair(&self, generation: &Generation, entry: &CatalogEntry) -> Result<KeyPair, Text> {
        let opened = self.pfx(generation, entry)?;
        let read = pfx::read(opened.expose(), &entry.pfx_password).map_err(|e| pfx_reason(&e))?;
        if !matches!(read.mac, pfx::Mac::Verified { .. }) {
            return Err(text!("reason-no-mac"));
        }
        let sorted = sort_pfx(read, self.now);
        // An authority's certificate that nobody can read is given back as it is.
        let mut unusable = sorted.unusable.iter();
        if let Some(unusable) = unusable.find(|one| !one.is_certificate()) {
            return Err(key_pair_reason(&unusable.error));
        }
        let is_described =
            |pair: &KeyPair| Hash::of(pair.leaf().der()) == entry.about.certificate_sha256;
        let found = sorted.key_pairs.into_iter().find(is_described);
        let mut found = found.ok_or_else(|| text!("reason-other-certificate"))?;
        found.container_name = entry.about.container_name.clone();
        Ok(found)
    }
}

/// What the media and host state say against taking the newest generation here for the newest there
/// is.
pub fn speaks_against(survey: &Survey<'_>, server: ServerId, state: Option<&State>) -> Vec<Text> {
    let newest = survey.line(server).next();
    let newest = newest.map(|generation| generation.record.number);
    let found = verify::of_strangers(survey).into_iter();
    let found = found.filter(|finding| finding.level > Level::Note);
    let mut doubts: Vec<Text> = found.map(|finding| finding.text).collect();
    for (GenerationId { number, .. }, slot) in survey.slots.range(GenerationId::all_of(server)) {
        if slot.is_fork() {
            doubts.push(text!("doubt-two-of-a-number", number = number.get()));
        } else if slot.generations.is_empty() && Some(*number) > newest {
            doubts.push(doubt_of_unreadable(*number, slot));
        }
    }
    for id in survey.contradictions() {
        if id.server == server {
            doubts.push(text!("found-contradiction", generation = id.to_string()));
        }
    }
    doubts.extend(doubts_of_statements(survey));
    let remembered = state.map(State::remembered).unwrap_or_default();
    for id in survey.elsewhere(&remembered) {
        if id.server == server && Some(id.number) > newest {
            doubts.push(text!("doubt-newer-elsewhere"));
            break;
        }
    }
    Text::folded(doubts)
}

/// What lies under a number of which no record can be used.
fn doubt_of_unreadable(number: Number, slot: &Slot) -> Text {
    let number = number.get();
    if let Some(newer) = slot.newer.first() {
        text!("found-newer", path = newer.path.as_str())
    } else if !slot.damaged.is_empty() {
        text!("doubt-damaged", number = number)
    } else if !slot.foreign.is_empty() {
        text!("doubt-foreign", number = number)
    } else {
        text!("doubt-unfinished", number = number)
    }
}

/// What is wrong with the owner's word here: it may have admitted or closed a server.
fn doubts_of_statements(survey: &Survey<'_>) -> Vec<Text> {
    let mut doubts = Vec::new();
    for (medium, other) in survey.other_vaults.iter().enumerate() {
        if let Some(other) = other {
            doubts.push(text!(
                "doubt-another-vault",
                medium = survey.medium(medium).name.as_str(),
                vault = other.as_str(),
                ours = survey.trust.vault.as_str()
            ));
        }
    }
    if survey.bad_statements > 0 {
        doubts.push(text!("found-bad-statement", count = survey.bad_statements));
    }
    doubts.extend(verify::of_damaged_statements(survey));
    if survey.newer_statements > 0 {
        doubts.push(text!("found-newer-statement"));
    }
    let count = survey.not_admitted_count();
    if count > 0 {
        doubts.push(text!("doubt-not-admitted", count = count));
    }
    if !survey.missing_statements().is_empty() {
        doubts.push(text!("doubt-statement-missing"));
    }
    doubts
}
