//! A server's backup: what its generations hold together, docs/format.md section 10.5. Nothing stops
//! counting silently: what does not count any more is named with the reason.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use rayon::prelude::*;
use vault::catalog::{
    AboutKeyPair, Catalog, CatalogEntry, Counting, Exception, Retirement, WithoutKey,
};
use vault::counted::{Pair, Retired, Standing, When, judge};
use vault::id::{Hash, Number, ServerId};
use vault::record::Record;
use vault::survey::Generation;
use vault::volume::Reading;

use crate::error::{Error, Result};
use crate::iis::{SiteMap, is_pending};
use crate::keystore::is_called_without_key;
use crate::message::{Text, end_of_day, local_day};
use crate::rules::key_pair_without_key;
use crate::state::{State, Written};
use crate::text;
use crate::workflow::clock;
use crate::workflow::unlock::{OpenGeneration, UnlockedVault, Wanted};
use crate::workflow::witness;

/// Catalogs that are open at once.
const AT_ONCE: usize = 16;

/// What the generations of one server hold together.
pub struct ServerBackup<'v> {
    /// Its name, as the newest of them has it; a claim.
    pub server_name: String,
    /// The newest that is whole; where none is, the newest whose catalog opens.
    pub newest: &'v Generation,
    /// Whether that generation alone is meant.
    pub is_alone: bool,
    /// Every one that is meant and opens, the newest first, with the count of its key pairs.
    pub line: Vec<(&'v Generation, usize)>,
    /// The key pairs that count: those of the newest generation first, in the order of their files.
    pub key_pairs: Vec<HeldPair<'v>>,
    /// Those that do not count any more.
    pub no_more: Vec<NoMore<'v>>,
    /// Those that count and are on none of these media.
    pub not_here: Vec<NotHere>,
    /// Recorded without their key, where no generation has it.
    pub without_key: Vec<WithoutKey>,
    /// Names by which somebody accepted that there is no key to save, as far as that holds today.
    accepted: Vec<String>,
    /// Rules that were set aside for the newest.
    pub exceptions: Vec<Exception>,
    /// What the server served when that was last asked.
    pub site_map: Option<SiteMap>,
    /// The highest number of what was retired of it, by the server or by the owner.
    pub last_retirement: Option<Number>,
    /// The highest that the owner gave such words, which no server can drive up.
    pub last_of_owners: Option<Number>,
    /// What the user must hear before using it.
    pub doubts: Vec<Text>,
}

/// A key pair, and the newest generation that has it whole.
pub struct HeldPair<'v> {
    /// The generation.
    pub generation: &'v Generation,
    /// Its entry there.
    pub entry: CatalogEntry,
    /// Every generation that holds it.
    pub numbers: BTreeSet<Number>,
    /// Whether its file is good on any of the media.
    pub is_here: bool,
    /// Whether every generation that holds it is of a folder of files.
    pub from_folder: bool,
}

/// A key pair that does not count any more.
pub struct NoMore<'v> {
    /// The key pair.
    pub held: HeldPair<'v>,
    /// Why not.
    pub why: Why,
}

/// Why a key pair does not count any more.
#[derive(Debug, Clone)]
pub enum Why {
    /// This one has taken its place.
    Renewed(Box<AboutKeyPair>),
    /// Its certificate is over.
    Ended,
    /// Somebody retired it.
    Retired(Retirement),
}

/// A key pair that counts and that is not on these media.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotHere {
    /// Which, and the generations that hold it.
    pub listed: Counting,
    /// Labels of media that have one of them, as far as this server remembers.
    pub media: Vec<String>,
}

impl<'v> ServerBackup<'v> {
    /// Puts each pair where it belongs by how it stands.
    fn sort_out(
        &mut self,
        pairs: Vec<HeldPair<'v>>,
        standings: Vec<Standing>,
        retired: &Retired<'_>,
    ) {
        let names: Vec<_> = pairs.iter().map(|held| held.about().clone()).collect();
        for (held, standing) in pairs.into_iter().zip(standings) {
            let why = match (standing, retired.get(held.about())) {
                (Standing::Renewed(by), _) => Why::Renewed(Box::new(names[by].clone())),
                (Standing::Retired, Some(said)) => Why::Retired(said.clone()),
                (Standing::Ended, _) => Why::Ended,
                (Standing::Counts | Standing::Retired, _) => {
                    self.key_pairs.push(held);
                    continue;
                }
            };
            self.no_more.push(NoMore { held, why });
        }
    }

    /// What should be here and has no key, but for what somebody accepted.
    pub fn lacking(&self) -> impl Iterator<Item = &WithoutKey> {
        let accepted = |one: &WithoutKey| {
            let mut names = self.accepted.iter();
            names.any(|name| one.name == *name || is_called_without_key(&one.name, name))
        };
        self.without_key.iter().filter(move |one| !accepted(one))
    }

    /// The generations that its key pairs come from, and the newest.
    pub fn generations_used(&self) -> impl Iterator<Item = &'v Generation> {
        let used = self.key_pairs.iter().map(|held| held.generation);
        std::iter::once(self.newest).chain(used)
    }

    /// The server's name with its id, which tells it from another that calls itself so.
    pub fn server(&self) -> String {
        format!("{} ({})", self.server_name, self.newest.record.server)
    }
}

impl NotHere {
    /// What to call it: its first host name, else its thumbprint.
    pub fn display_name(&self) -> &str {
        self.listed.names.first().unwrap_or(&self.listed.thumbprint)
    }
}

impl HeldPair<'_> {
    /// Facts about it.
    pub fn about(&self) -> &AboutKeyPair {
        &self.entry.about
    }
}

/// What the generations of a server hold together, as far as they are `wanted`: one generation by
/// its number alone, a day as it was at its end. `key_pairs` are all that count.
///
/// # Errors
/// As [`UnlockedVault::find`].
pub fn of<'v>(
    opened: &'v UnlockedVault<'_>,
    server: ServerId,
    wanted: &Wanted,
) -> Result<ServerBackup<'v>> {
    refuse_ambiguous(opened, server, wanted)?;
    let newest = opened.find(server, wanted, &|_| true)?;
    let alone = matches!(wanted, Wanted::Number(..)).then_some(newest.generation.hash);
    let line: Vec<&Generation> = opened.survey.line(server).collect();
    let is_meant =
        |one: &Generation| wanted.matches(one) && alone.is_none_or(|alone| one.hash == alone);
    let when = When {
        newest: newest.generation.record.number,
        is_closed: opened.survey.trust.closing(server).is_some(),
        now: time_of_judgement(opened.now, wanted, &newest.generation.record),
    };
    let mut gathered = Gathered::new(opened, wanted, when);
    for some in line.chunks(AT_ONCE) {
        let catalogs: Vec<_> = some.par_iter().map(|one| opened.catalog(one)).collect();
        for (generation, catalog) in some.iter().zip(catalogs) {
            let Some(mut catalog) = catalog else { continue };
            // What was retired since is retired, whichever generation is meant.
            gathered.retirements.append(&mut catalog.retired);
            if is_meant(generation) {
                gathered.add(generation, catalog);
            }
        }
    }
    gathered.into_backup(newest)
}

/// Two generations of one number are told apart by their records.
fn refuse_ambiguous(opened: &UnlockedVault<'_>, server: ServerId, wanted: &Wanted) -> Result<()> {
    let Wanted::Number(number, _) = wanted else {
        return Ok(());
    };
    let line = opened.survey.line(server);
    let meant: Vec<&Generation> = line.filter(|one| wanted.matches(one)).collect();
    if meant.len() < 2 {
        return Ok(());
    }
    let name = |one: &&Generation| format!("{number}/{:.8}", one.hash.to_string());
    let names: Vec<_> = meant.iter().map(name).collect();
    Err(Error::usage(text!(
        "error-two-of-a-number",
        number = *number,
        names = names.join(", ")
    )))
}

/// When it is judged what counts; `None` where the clock is in doubt, or nothing is to be judged.
pub fn time_of_judgement(now: Timestamp, wanted: &Wanted, newest: &Record) -> Option<Timestamp> {
    match wanted {
        Wanted::Number(..) => None,
        _ if clock::doubt(now, Some(newest.time)).is_some() => None,
        Wanted::Newest => Some(now),
        Wanted::Until(day) => Some(now.min(end_of_day(*day)?)),
    }
}

/// What was found in the generations so far, newest first.
struct Gathered<'v, 'm> {
    opened: &'v UnlockedVault<'m>,
    wanted: Wanted,
    when: When,
    line: Vec<(&'v Generation, usize)>,
    places: BTreeMap<Hash, usize>,
    pairs: Vec<HeldPair<'v>>,
    listed: Vec<Counting>,
    without_key: Vec<WithoutKey>,
    retirements: Vec<Retirement>,
    site_map: Option<SiteMap>,
    sites_told: bool,
}

impl<'v, 'm> Gathered<'v, 'm> {
    fn new(opened: &'v UnlockedVault<'m>, wanted: &Wanted, when: When) -> Self {
        Self {
            opened,
            wanted: wanted.clone(),
            when,
            line: Vec::new(),
            places: BTreeMap::new(),
            pairs: Vec::new(),
            listed: Vec::new(),
            without_key: Vec::new(),
            retirements: Vec::new(),
            site_map: None,
            sites_told: false,
        }
    }

    fn add(&mut self, generation: &'v Generation, catalog: Catalog) {
        let reads_sites = catalog.sites_read || catalog.site_map.is_some();
        let tells_sites = reads_sites && !self.sites_told;
        if tells_sites {
            self.site_map = SiteMap::of_catalog(&catalog);
            self.sites_told = true;
        }
        if tells_sites || self.line.is_empty() {
            self.without_key.extend(catalog.without_key);
        }
        if self.line.is_empty() {
            self.listed = catalog.counting;
        }
        self.line.push((generation, catalog.key_pairs.len()));
        for entry in catalog.key_pairs {
            self.add_pair(generation, entry, catalog.from_folder);
        }
    }

    fn add_pair(&mut self, generation: &'v Generation, entry: CatalogEntry, from_folder: bool) {
        let number = generation.record.number;
        let certificate = entry.about.certificate_sha256;
        let Some(place) = self.places.get(&certificate).copied() else {
            self.places.insert(certificate, self.pairs.len());
            return self.pairs.push(HeldPair {
                is_here: self.is_here(generation, &entry),
                generation,
                entry,
                numbers: BTreeSet::from([number]),
                from_folder,
            });
        };
        if !self.pairs[place].is_here && self.is_here(generation, &entry) {
            let known = &mut self.pairs[place];
            (known.generation, known.entry, known.is_here) = (generation, entry, true);
        }
        self.pairs[place].from_folder &= from_folder;
        self.pairs[place].numbers.insert(number);
    }

    fn is_here(&self, generation: &Generation, entry: &CatalogEntry) -> bool {
        let survey = &self.opened.survey;
        survey
            .file(generation, &entry.file, Reading::Cached)
            .is_some()
    }

    fn into_backup(mut self, newest: OpenGeneration) -> Result<ServerBackup<'v>> {
        let state = self.opened.state.filter(|state| self.is_of(state));
        if let Some(state) = state {
            self.retirements.extend_from_slice(state.retirements());
        }
        let retirements = std::mem::take(&mut self.retirements);
        let server = newest.generation.record.server;
        let remembered = || state.into_iter().flat_map(State::owners_retirements);
        let owners = || self.opened.owners_retirements(server).chain(remembered());
        let numbers = retirements.iter().chain(owners()).map(|one| one.number);
        let last_retirement = numbers.max();
        let last_of_owners = owners().map(|one| one.number).max();
        let retired = Retired::of(&retirements).with_owners(owners());
        let is_alone = matches!(self.wanted, Wanted::Number(..));
        let mut not_here = if is_alone {
            Vec::new()
        } else {
            self.not_here()
        };
        not_here.retain(|one| retired.find(one.listed.certificate_sha256, None).is_none());
        let hash = newest.generation.hash;
        let at_hand = self.line.iter().find(|(one, _)| one.hash == hash);
        // It was read a moment ago.
        let at_hand = at_hand.ok_or_else(|| self.opened.nothing_here())?;
        let mut backup = ServerBackup {
            server_name: newest.catalog.server_name,
            newest: at_hand.0,
            is_alone,
            not_here,
            without_key: self.still_without_key(),
            accepted: accepted(&newest.catalog.exceptions, state, self.opened.now),
            line: Vec::new(),
            key_pairs: Vec::new(),
            no_more: Vec::new(),
            exceptions: newest.catalog.exceptions,
            site_map: None,
            last_retirement,
            last_of_owners,
            doubts: newest.doubts,
        };
        let standings = self.standings(&retired);
        backup.site_map = self.site_map;
        backup.line = self.line;
        backup.sort_out(self.pairs, standings, &retired);
        backup
            .doubts
            .extend(doubts_of_others(self.opened, server, &backup.key_pairs));
        Ok(backup)
    }

    fn standings(&self, retired: &Retired<'_>) -> Vec<Standing> {
        let bound = self
            .site_map
            .as_ref()
            .map(SiteMap::used)
            .unwrap_or_default();
        let mut pairs = Vec::new();
        for held in &self.pairs {
            let about = held.about();
            pairs.push(Pair {
                about,
                numbers: held.numbers.clone(),
                is_here: held.is_here,
                is_bound: bound.contains(&about.thumbprint),
                is_pending: is_pending(about),
                is_retired: retired.get(about).is_some(),
            });
        }
        judge(&pairs, self.when)
    }

    /// What the newest catalog and host state list, and no generation here holds.
    fn not_here(&self) -> Vec<NotHere> {
        let mut listed = self.listed.clone();
        let state = self.opened.state.filter(|state| self.is_of(state));
        if let Some(state) = state {
            listed.extend(remembered(state, self.when.now));
        }
        listed.retain(|one| {
            let is_over = self.when.now.is_some_and(|now| one.not_after < now);
            !is_over && was_there(one, &self.wanted, self.when.newest)
        });
        beside(state, listed, self.places.keys().copied().collect())
    }

    fn is_of(&self, state: &State) -> bool {
        let mut line = self.line.iter();
        line.any(|(one, _)| one.record.server == state.server())
    }

    /// Those of which no generation here has the key.
    fn still_without_key(&self) -> Vec<WithoutKey> {
        let thumbprints: BTreeSet<&str> = self
            .pairs
            .iter()
            .map(|held| held.about().thumbprint.as_str())
            .collect();
        let mut names = BTreeSet::new();
        let mut still = Vec::new();
        for one in &self.without_key {
            let thumbprint = one.thumbprint.as_deref().unwrap_or(&one.name);
            if !thumbprints.contains(thumbprint) && names.insert(&one.name) {
                still.push(one.clone());
            }
        }
        still
    }
}

/// What has no key and need not have one: by the newest catalog, and by this server's memory.
fn accepted(exceptions: &[Exception], state: Option<&State>, now: Timestamp) -> Vec<String> {
    let today = local_day(now);
    let hold = exceptions
        .iter()
        .filter(|one| one.until.is_none_or(|last| today <= last));
    let named = hold.filter_map(|one| key_pair_without_key(&one.rule));
    let remembered = state
        .into_iter()
        .flat_map(|state| state.all_acknowledged(now));
    let remembered = remembered.map(|known| known.name.as_str());
    named.chain(remembered).map(str::to_owned).collect()
}

/// What other servers say against it, and what the owner said that cannot be read.
fn doubts_of_others(
    opened: &UnlockedVault<'_>,
    server: ServerId,
    key_pairs: &[HeldPair<'_>],
) -> Vec<Text> {
    let others = opened.witnesses();
    let mut doubts = Vec::new();
    // What comes after a close does not count, and is not looked for.
    if opened.survey.trust.closing(server).is_none() {
        let newest = opened.survey.line(server).next();
        let here = newest.map(|newest| newest.record.number);
        doubts.extend(here.and_then(|here| witness::of_newer(others, server, here)));
    }
    let about: Vec<_> = key_pairs.iter().map(HeldPair::about).collect();
    doubts.extend(witness::of_retired(others, server, &about));
    doubts.extend(witness::of_owners(&opened.owners_words, server, &about));
    let mut words = opened.owners_words.iter();
    if words.any(|word| word.server == server && word.retired.is_none()) {
        doubts.push(text!("doubt-owners-word-unread"));
    }
    Text::folded(doubts)
}

/// What counts of this server's backup and none of `written` holds, as far as it remembers.
pub fn not_in(
    state: &State,
    written: &[&Written],
    wanted: &Wanted,
    now: Option<Timestamp>,
) -> Vec<NotHere> {
    let Some(newest) = written.iter().map(|one| one.number).max() else {
        return Vec::new();
    };
    let held = written.iter().flat_map(|one| &one.key_pairs);
    let held = held.map(|about| about.certificate_sha256).collect();
    let mut known = remembered(state, now);
    known.retain(|one| was_there(one, wanted, newest));
    beside(Some(state), known, held)
}

/// Whether a key pair is meant: of a day nothing that only came later, which is above the newest
/// generation of that day.
fn was_there(listed: &Counting, wanted: &Wanted, newest: Number) -> bool {
    let mut numbers = listed.generations.iter();
    !matches!(wanted, Wanted::Until(_)) || numbers.any(|number| *number <= newest)
}

/// Each of `listed` once that is not `held`.
fn beside(
    state: Option<&State>,
    mut listed: Vec<Counting>,
    mut held: BTreeSet<Hash>,
) -> Vec<NotHere> {
    listed.retain(|one| held.insert(one.certificate_sha256));
    let mut not_here = Vec::new();
    for listed in listed {
        let media = state.map_or_else(Vec::new, |state| media_with(state, &listed.generations));
        not_here.push(NotHere { listed, media });
    }
    not_here
}

/// The key pairs that count, as far as this server remembers.
fn remembered(state: &State, now: Option<Timestamp>) -> Vec<Counting> {
    let mut counting = Vec::new();
    for known in state.key_pairs(now) {
        if known.counts() {
            counting.push(known.listed());
        }
    }
    counting
}

/// Labels of the media in use that have one of these generations.
pub fn media_with(state: &State, generations: &[Number]) -> Vec<String> {
    let media = state.media_in_use();
    let holders = media.filter(|medium| generations.iter().any(|one| state.is_on(medium, *one)));
    holders.map(|medium| medium.label.clone()).collect()
}
