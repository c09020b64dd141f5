//! One backup: every key pair becomes a PFX that is proven to open, is sealed, and is committed as
//! one generation on each medium. It needs no secret: this server can write the vault, not open it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use crate::error::{Error, Exit, Result, medium_reason, no_random};
use crate::iis::{OnWindows, SiteMap};
use crate::keypair::{Certificate, KeyPair};
use crate::keystore::{self, HeldKeyPair, Inventory, PartOfPair, UnreadableKeyPair};
use crate::keystore::{HANDED_OUT_ROUNDS, pfx_of};
use crate::message::{Text, local_day};
use crate::platform::media;
use crate::rules::rule_without_key;
use crate::state::{Served, State, Written};
use crate::text;
use crate::workflow::clock;
use crate::workflow::finding::{self, Finding};
use crate::workflow::history;
use crate::workflow::outbox::{self, Delivery};
use crate::workflow::parcel_file;
use crate::workflow::status;
use crate::workflow::verify;
use pfx::Profile;
use secret::words;
use secret::{Password, SecretBytes};
use vault::catalog::{
    AboutKeyPair, Catalog, CatalogEntry, Counting, Exception, SeenMedium, WithoutKey,
};
use vault::counted::Standing;
use vault::descriptor::Descriptor;
use vault::generation::{Draft, LinePosition, Package};
use vault::id::{Hash, Number, Point};
use vault::lines::day_of;
use vault::medium::{HALVES, Medium, MediumError};
use vault::parcel;
use vault::readme::Label;
use vault::seal::Recipients;
use vault::survey::{Generation, Survey};
use vault::volume::Reading;

/// Rounds of key derivation in a sealed PFX, as Windows writes it. Its password is random and age
/// lies around it.
const SEALED_ROUNDS: u32 = 2000;
/// Months until the next backup or check is due.
const DUE_MONTHS: i32 = 6;
/// Bytes of older generations that every backup reads again.
const REREAD: u64 = 64 * 1024 * 1024;

/// What to back up, and how.
pub struct BackupRequest<'a> {
    /// Everything selected at the source.
    pub holdings: &'a Inventory,
    /// The names it was selected by; none where it is everything.
    pub selected: &'a [String],
    /// What the PFX inside must be readable by.
    pub profile: Profile,
    /// The password of every PFX; else a fresh one is generated for each.
    pub password: Option<&'a Password>,
    /// Rules set aside, for the catalog.
    pub exceptions: &'a [Exception],
    /// Write even if nothing changed.
    pub force: bool,
    /// Now.
    pub now: jiff::Timestamp,
}

/// What became of it.
#[derive(Debug, Default)]
pub struct Outcome {
    /// The new generation, unless nothing changed on any medium.
    pub number: Option<Number>,
    /// One entry for each medium, in the order given.
    pub media: Vec<OnMedium>,
    /// What had waited in the outbox.
    pub outbox: Delivery,
    /// What the media showed before, against what this server remembers.
    pub findings: Vec<Finding>,
}

/// What happened on one medium.
#[derive(Debug)]
pub struct OnMedium {
    /// The medium as the user called it.
    pub name: String,
    /// Its label.
    pub label: String,
    /// What was done.
    pub done: Done,
    /// Older generations that no longer read back right, by server and number.
    pub decayed: Vec<String>,
}

/// How far writing to one medium came.
#[derive(Debug)]
pub enum Done {
    /// Both copies are on it and read back.
    Written,
    /// The first copy counts; the second could not be written.
    OneCopy(Text),
    /// It already held the same content.
    Unchanged(Number),
    /// Nothing was committed on it.
    Failed(Text),
}

/// Backs up to every medium in turn. What waits in the outbox comes first.
///
/// # Errors
/// When nothing could be committed anywhere; what the media held before is untouched.
pub fn run(
    state: &mut State,
    media: &[Medium],
    request: &BackupRequest<'_>,
    progress: &dyn Fn(Text),
) -> Result<Outcome> {
    run_with_parcels(state, media, &[], request, progress)
}

/// The same, with the new generation in parcels, too. A parcel is always of a new generation, and
/// each file is new.
///
/// # Errors
/// As [`run`], and when a parcel cannot be written: then no medium has the new generation; the
/// parcels before it stay.
pub fn run_with_parcels(
    state: &mut State,
    media: &[Medium],
    parcels: &[PathBuf],
    request: &BackupRequest<'_>,
    progress: &dyn Fn(Text),
) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    let newest = state.generations().next().map(|newest| newest.time);
    outcome.findings.extend(clock::finding(request.now, newest));
    outcome
        .findings
        .extend(retired_among(state, request.holdings));
    let surveys = exchange_with_all(state, media, &mut outcome, progress)?;
    finding::mark(&mut outcome.findings, Some(state), request.now);
    state.save()?;
    outbox::clear(state);
    refuse_unless_admitted(state)?;
    let content = content_digest(state, request);
    // A password of the user's own is not compared with, because it is not kept outside of the
    // vault.
    let force = request.force || request.password.is_some() || !parcels.is_empty();
    let standing = |survey| standing_copy(state, survey, request, content).filter(|_| !force);
    let standing: Vec<Option<Number>> = surveys.iter().map(standing).collect();
    let mut sealed = None;
    if force || standing.contains(&None) {
        let prev = own_newest(state, &surveys);
        let sealed = sealed.insert(seal(state, request, prev, content, progress)?);
        outcome.number = Some(sealed.package.record.number);
        for path in parcels {
            send(state, path, sealed)?;
        }
    }
    for (survey, standing) in surveys.iter().zip(standing) {
        let done = match (standing, &sealed) {
            (Some(number), _) => Done::Unchanged(number),
            (None, Some(sealed)) => write(state, survey.medium(0), sealed, progress)?,
            // Where a medium has no standing copy, something was sealed.
            (None, None) => continue,
        };
        outcome.note(state, survey, done, request.now, progress);
    }
    state.save()?;
    if parcels.is_empty() {
        refuse_if_all_failed(&outcome)?;
    }
    Ok(outcome)
}

impl Outcome {
    /// Notes what was done on a medium, with what of it no longer reads back right.
    fn note(
        &mut self,
        state: &mut State,
        survey: &Survey<'_>,
        done: Done,
        now: jiff::Timestamp,
        progress: &dyn Fn(Text),
    ) {
        let name = survey.medium(0).name.clone();
        let decayed = reread(state, survey, now, progress);
        if !decayed.is_empty() {
            history::found_bad(state, survey.medium(0), now);
        }
        let label = remember_medium(state, survey, &done, self.number, now);
        self.media.push(OnMedium {
            name,
            label,
            done,
            decayed,
        });
    }
}

/// What is saved although it was retired, so that no restore brings it.
pub fn retired_among(state: &State, holdings: &Inventory) -> Vec<Finding> {
    let retired = state.retired();
    let held = holdings.key_pairs.iter();
    held.filter_map(|held| status::retired_here(held.leaf(), &retired))
        .collect()
}

/// Exchanges the owner's files with every medium, takes what waits in the outbox there, and notes
/// what was found. A medium that got something is read again.
fn exchange_with_all<'m>(
    state: &mut State,
    media: &'m [Medium],
    outcome: &mut Outcome,
    progress: &dyn Fn(Text),
) -> Result<Vec<Survey<'m>>> {
    let mut surveys = Vec::new();
    for medium in media {
        let (mut survey, found) = exchange_owner_files(state, medium)?;
        outcome.findings.extend(history::news(&survey, state));
        outcome.findings.extend(found);
        outcome.findings.extend(verify::of_strangers(&survey));
        let own = survey.line(state.server());
        let single = verify::of_single_copies(&survey, own);
        outcome.findings.extend(single);
        if outbox::deliver(state, medium, &mut outcome.outbox, progress) {
            (survey, _) = exchange_owner_files(state, medium)?;
        }
        surveys.push(survey);
    }
    let held: Vec<_> = surveys
        .iter()
        .map(|survey| (survey.medium(0), survey.newest_on(0)))
        .collect();
    outcome.findings.extend(history::copies(&held));
    Ok(surveys)
}

/// Seals a parcel into the outbox of host state, where it waits for the next backup to a stick.
/// `None` where the newest generation holds the same and is on a stick, or waits already.
///
/// # Errors
/// When nothing could be sealed, or host state cannot be written.
pub fn to_outbox(
    state: &mut State,
    request: &BackupRequest<'_>,
    progress: &dyn Fn(Text),
) -> Result<Option<Number>> {
    refuse_unless_admitted(state)?;
    let content = content_digest(state, request);
    let waits =
        |written: &Written| written.committed || outbox::file(state, written.number).exists();
    if state
        .last_written()
        .is_some_and(|last| last.content == content && waits(last))
    {
        return Ok(None);
    }
    let folder = state.outbox();
    crate::platform::private_files::create_private_folder(&folder)
        .map_err(|e| parcel_unwritable(&folder, &e))?;
    let sealed = seal(state, request, state.newest(), content, progress)?;
    let number = sealed.package.record.number;
    send(state, &outbox::file(state, number), &sealed)?;
    Ok(Some(number))
}

/// One generation into one new file. Host state knows the record before anyone can carry it away.
fn send(state: &mut State, path: &Path, sealed: &Sealed) -> Result<()> {
    state.remember(sealed.written.clone())?;
    let statements: Vec<_> = state.trust.statements.values().collect();
    let bytes = parcel::render(Some(&sealed.package), &statements, &state.identities());
    let bytes = bytes.map_err(|_| Error::failed(text!("error-parcel-too-large", path = path)))?;
    parcel_file::write(path, &bytes).map_err(|e| parcel_unwritable(path, &e))?;
    state.sealed(sealed.package.record.number);
    state.save()
}

fn parcel_unwritable(path: &Path, error: &std::io::Error) -> Error {
    Error::failed(text!(
        "error-parcel-unwritable",
        path = path,
        reason = error
    ))
}

/// Reads a medium, merges the owner's word both ways, and makes sure that it belongs to this vault.
/// Also what was wrong with the owner's files and README.TXT there.
fn exchange_owner_files<'m>(
    state: &mut State,
    medium: &'m Medium,
) -> Result<(Survey<'m>, Vec<Finding>)> {
    let survey = survey_of_ours(state, medium)?;
    let found = verify::of_mended(&survey, Some(state));
    state.trust = survey.trust.clone();
    state.remember_identities(&survey.owners_identities());
    // A run that was cut off may not have lived to note what it committed.
    for generation in survey.line(state.server()) {
        state.confirm(generation.record.number, generation.hash);
    }
    let statements: Vec<_> = state.trust.statements.values().collect();
    let identities = state.identities();
    let identities: Vec<_> = identities.iter().map(Vec::as_slice).collect();
    medium.add_owner_files(&statements, &identities)?;
    // Nothing depends on it, and what stands there is named.
    let _ = medium.renew_readme(&state.readme_wish());
    Ok((survey, found))
}

/// What lies on a medium, which must be of this vault.
fn survey_of_ours<'m>(state: &State, medium: &'m Medium) -> Result<Survey<'m>> {
    let media = std::slice::from_ref(medium);
    let survey = Survey::of(media, state.vault().clone(), &state.trust, Reading::Cached)?;
    if !survey.is_of_vault(0) {
        return Err(survey.not_ours(0).into());
    }
    Ok(survey)
}

fn refuse_unless_admitted(state: &State) -> Result<()> {
    if state.trust.may_write(state.server()) {
        return Ok(());
    }
    Err(Error::new(
        Exit::NoVault,
        text!("error-server-closed", server = state.server().to_string()),
    ))
}

/// What a later run compares itself with, see [`keystore::digest`]: the key pairs, in which form and by
/// whom they can be opened.
fn content_digest(state: &State, request: &BackupRequest<'_>) -> Hash {
    let holdings = keystore::digest(request.holdings);
    let form = form(state, request);
    let selected = request.selected;
    Hash::of(
        format!(
            "{holdings} {} {selected:?} {}",
            form.profile, form.recipients
        )
        .as_bytes(),
    )
}

/// The same for each key pair, by the hash of its certificate.
fn pair_digests(state: &State, request: &BackupRequest<'_>) -> BTreeMap<Hash, Hash> {
    let form = form(state, request);
    let mut digests = BTreeMap::new();
    for held in &request.holdings.key_pairs {
        let line = keystore::digest_line(held);
        let digest = Hash::of(format!("{line} {} {}", form.profile, form.recipients).as_bytes());
        digests.insert(Hash::of(held.leaf().der()), digest);
    }
    digests
}

/// In which form key pairs are sealed, and for whom.
struct Form {
    profile: &'static str,
    recipients: String,
}

fn form(state: &State, request: &BackupRequest<'_>) -> Form {
    let recipients: Vec<_> = state.trust.recipients().collect();
    Form {
        profile: match request.profile {
            Profile::Aes256 => "Aes256",
            Profile::TripleDes => "TripleDes",
        },
        recipients: recipients.join(" "),
    }
}

/// What the server serves, where that was read.
fn served(holdings: &Inventory) -> Option<Served> {
    let nothing = SiteMap::default();
    let map = match &holdings.site_map {
        Some(map) => map,
        None if holdings.sites_read => &nothing,
        None => return None,
    };
    Some(Served {
        digest: Hash::of(map.digest_line().as_bytes()),
        used: map.used(),
    })
}

/// The highest verified generation of this server, on these media or in memory.
fn own_newest(state: &State, surveys: &[Survey<'_>]) -> Option<Point> {
    let mut newest = state.newest();
    for survey in surveys {
        if let Some(here) = survey.line(state.server()).next() {
            newest = newest.max(Some(here.point()));
        }
    }
    newest
}

/// The newest generation of this server on the medium, if everything selected is on it in both copies
/// and still counts, and if nothing else is to be said.
fn standing_copy(
    state: &State,
    survey: &Survey<'_>,
    request: &BackupRequest<'_>,
    content: Hash,
) -> Option<Number> {
    let newest = survey.line(state.server()).next()?;
    if state.trust.named_from(state.server()) > Some(newest.record.number) {
        return None;
    }
    let known = written_as(state, newest).and_then(|written| written.retired);
    if known < state.retirements().last().map(|last| last.number) {
        return None;
    }
    let is_whole = |here: &Generation| (0..HALVES.len()).all(|half| survey.holds(here, 0, half));
    let is_same = |written: &Written| written.content == content;
    if written_as(state, newest).is_some_and(is_same) {
        return is_whole(newest).then_some(newest.record.number);
    }
    if request.holdings.key_pairs.is_empty() || is_less(state, newest, request) {
        return None;
    }
    // Both by all that was ever written, so that nothing newer says otherwise, and on this medium.
    Lacking::of(state, request)?.found_in(state.generations(), |_| true)?;
    let here: Vec<&Generation> = survey.line(state.server()).collect();
    let on_it = here.iter().filter_map(|here| written_as(state, here));
    Lacking::of(state, request)?.found_in(on_it, |written| {
        let it = here.iter().find(|here| here.hash == written.record);
        it.is_some_and(|here| is_whole(here))
    })?;
    Some(newest.record.number)
}

/// Whether the server has less than when the newest generation was written: what is gone from it is
/// to be told from what is there. Names that were given say nothing of the rest.
fn is_less(state: &State, newest: &Generation, request: &BackupRequest<'_>) -> bool {
    let Some(written) = written_as(state, newest).filter(|_| request.selected.is_empty()) else {
        return false;
    };
    let then: BTreeSet<Hash> = written
        .key_pairs
        .iter()
        .map(|about| about.certificate_sha256)
        .collect();
    let selected = request.holdings.key_pairs.iter();
    let now: BTreeSet<Hash> = selected.map(|held| Hash::of(held.leaf().der())).collect();
    now.len() < then.len() && now.is_subset(&then)
}

/// What is selected and was not found in a generation yet, the newest looked at first.
struct Lacking<'a> {
    selected: BTreeMap<Hash, &'a HeldKeyPair>,
    /// Certificates with the digest of their key pair.
    key_pairs: BTreeMap<Hash, Hash>,
    /// What has no key that can be saved, by name.
    without_key: Vec<&'a str>,
    sites: Option<Served>,
}

impl<'a> Lacking<'a> {
    /// `None` where a new generation has something to say: the server serves something else, or
    /// what was renewed is back.
    fn of(state: &State, request: &BackupRequest<'a>) -> Option<Self> {
        let sites = served(request.holdings);
        if sites.is_some() && sites != newest_served(state) {
            return None;
        }
        let key_pairs = pair_digests(state, request);
        for known in state.key_pairs(Some(request.now)) {
            let is_renewed = matches!(known.standing, Standing::Renewed(_));
            if is_renewed && key_pairs.contains_key(&known.pair.about.certificate_sha256) {
                return None;
            }
        }
        let held = request.holdings.key_pairs.iter();
        let unreadable = request.holdings.unreadable.iter();
        Some(Self {
            selected: held
                .map(|held| (Hash::of(held.leaf().der()), held))
                .collect(),
            key_pairs,
            without_key: unreadable.map(|one| one.name.as_str()).collect(),
            sites,
        })
    }

    /// Looks for all of it, the newest generation first; `None` where something is not found, or not
    /// in a generation that `is_good`.
    fn found_in<'w>(
        mut self,
        generations: impl Iterator<Item = &'w Written>,
        is_good: impl Fn(&Written) -> bool,
    ) -> Option<()> {
        for written in generations {
            if self.is_helped_by(written)? {
                if !is_good(written) {
                    return None;
                }
                self.strike_off(written);
            }
            if self.is_nothing() {
                return Some(());
            }
        }
        None
    }

    /// Whether a generation holds some of it. `None` where it holds something else in its place:
    /// what is selected in another form, or another key pair of its name.
    fn is_helped_by(&self, written: &Written) -> Option<bool> {
        let mut helps = self.sites.is_some() && written.served == self.sites;
        for about in &written.key_pairs {
            let certificate = about.certificate_sha256;
            match (
                self.key_pairs.get(&certificate),
                written.digests.get(&certificate),
            ) {
                (Some(digest), known) if known != Some(digest) => return None,
                (Some(_), _) => helps = true,
                (None, _) if self.selected.contains_key(&certificate) => {}
                (None, _) if self.stands_in_place(about) => return None,
                (None, _) => {}
            }
        }
        let mut without_key = self.without_key.iter();
        Some(helps || without_key.any(|name| names(written, name)))
    }

    /// Whether something that was not found yet has its host's name or its file's.
    fn stands_in_place(&self, about: &AboutKeyPair) -> bool {
        self.key_pairs.keys().any(|certificate| {
            let held = self.selected[certificate];
            let hosts = held.leaf().dns_names();
            about.names.iter().any(|name| hosts.contains(name))
                || about
                    .file_names
                    .iter()
                    .any(|name| held.file_names.contains(name))
        })
    }

    fn strike_off(&mut self, written: &Written) {
        for about in &written.key_pairs {
            self.key_pairs.remove(&about.certificate_sha256);
        }
        self.without_key.retain(|name| !names(written, name));
        if written.served == self.sites {
            self.sites = None;
        }
    }

    fn is_nothing(&self) -> bool {
        self.key_pairs.is_empty() && self.without_key.is_empty() && self.sites.is_none()
    }
}

fn names(written: &Written, name: &str) -> bool {
    written.without_key.iter().any(|known| known.name == name)
}

/// What this server remembers of a generation, if it is the one that it wrote.
fn written_as<'s>(state: &'s State, generation: &Generation) -> Option<&'s Written> {
    let written = state.written(generation.record.number)?;
    (written.record == generation.hash).then_some(written)
}

/// What the server served when that was last asked.
fn newest_served(state: &State) -> Option<Served> {
    let mut generations = state.generations();
    generations.find_map(|written| written.served.clone())
}

/// A generation that is ready to be written, and what host state keeps of it.
struct Sealed {
    package: Package,
    written: Written,
}

/// Builds the next generation in memory. Its number is reserved in host state, which is saved;
/// nothing is written to a medium.
fn seal(
    state: &mut State,
    request: &BackupRequest<'_>,
    prev: Option<Point>,
    content: Hash,
    progress: &dyn Fn(Text),
) -> Result<Sealed> {
    let recipients = Recipients::parse(state.trust.recipients());
    let recipients = recipients.ok_or_else(|| Error::failed(text!("error-no-recipients")))?;
    if request.holdings.key_pairs.is_empty() {
        return Err(Error::failed(text!("error-nothing-to-back-up")));
    }
    let number = state.reserve(prev.map(|prev| prev.number))?;
    progress(text!(
        "progress-sealing",
        count = request.holdings.key_pairs.len()
    ));
    let mut draft = Draft::new(place(state, number, prev, request.now));
    let entries = seal_key_pairs(request, &recipients, &mut draft)?;
    let mut written = written(number, &entries, request, content);
    written.digests = pair_digests(state, request);
    written.retired = state.retirements().last().map(|last| last.number);
    let catalog = catalog(state, number, request, entries, state.counting(&written));
    let package = draft.sign(recipients.seal(catalog.to_json().expose())?, state.key());
    let package = package.map_err(|_| Error::failed(text!("error-signing")))?;
    written.record = package.hash();
    Ok(Sealed { package, written })
}

/// What host state keeps of a generation that is about to be written; its record is not there yet.
fn written(
    number: Number,
    entries: &[CatalogEntry],
    request: &BackupRequest<'_>,
    content: Hash,
) -> Written {
    Written {
        number,
        record: Hash::of(b""),
        committed: false,
        in_parcel: false,
        time: request.now,
        content,
        digests: BTreeMap::new(),
        retired: None,
        served: served(request.holdings),
        key_pairs: entries.iter().map(|entry| entry.about.clone()).collect(),
        without_key: without_key(request.holdings),
        exceptions: request.exceptions.to_vec(),
    }
}

/// Adds every key pair to the draft, made in parallel; returns their entries of the catalog.
fn seal_key_pairs(
    request: &BackupRequest<'_>,
    recipients: &Recipients,
    draft: &mut Draft,
) -> Result<Vec<CatalogEntry>> {
    let key_pairs = &request.holdings.key_pairs;
    let sealed: Vec<_> = key_pairs
        .par_iter()
        .map(|held| seal_one(held, request, recipients))
        .collect();
    let mut entries = Vec::with_capacity(sealed.len());
    for (held, sealed) in key_pairs.iter().zip(sealed) {
        let (sealed, pfx_password) = sealed?;
        entries.push(CatalogEntry {
            file: draft.add(sealed),
            pfx_password,
            about: about(held),
        });
    }
    Ok(entries)
}

/// Makes a PFX with the chosen password or a fresh one, proves that it opens, and encrypts it to
/// `recipients`. Returns the ciphertext and the password.
fn seal_one(
    held: &HeldKeyPair,
    request: &BackupRequest<'_>,
    recipients: &Recipients,
) -> Result<(Vec<u8>, Password)> {
    let (pfx, password) = locked(&held.pair, request.password, request.profile)?;
    Ok((recipients.seal(pfx.expose())?, password))
}

/// The PFX and its password: what a person chose is slow to guess, wherever the file gets to.
fn locked(
    pair: &KeyPair,
    chosen: Option<&Password>,
    profile: Profile,
) -> Result<(SecretBytes, Password)> {
    let (password, rounds) = match chosen {
        Some(chosen) => (Password::new(chosen.expose().to_owned()), HANDED_OUT_ROUNDS),
        None => (words::password().map_err(|_| no_random())?, SEALED_ROUNDS),
    };
    let pfx = pfx_of(pair, &password, profile, rounds)?;
    Ok((pfx, password))
}

fn place(state: &State, number: Number, prev: Option<Point>, now: jiff::Timestamp) -> LinePosition {
    LinePosition {
        vault: state.vault().clone(),
        server: state.server(),
        number,
        prev,
        time: now,
        due: day_of(now).saturating_add(jiff::Span::new().months(DUE_MONTHS)),
        trust: state.trust.statements.keys().copied().collect(),
    }
}

/// What may be said of a key pair, taken from its certificate.
pub fn about(held: &HeldKeyPair) -> AboutKeyPair {
    let leaf = held.leaf();
    let (mut parts, mut certificates) = (BTreeMap::new(), BTreeMap::new());
    for (name, PartOfPair { part, listed }) in &held.file_parts {
        parts.insert(name.clone(), part.name().to_owned());
        if !listed.is_empty() {
            certificates.insert(name.clone(), listed.clone());
        }
    }
    AboutKeyPair {
        thumbprint: leaf.thumbprint(),
        certificate_sha256: Hash::of(leaf.der()),
        spki_sha256: Some(leaf.spki_sha256().into()),
        names: leaf.dns_names().to_vec(),
        friendly_name: held.pair.friendly_name.clone(),
        container_name: held.pair.container_name.clone(),
        not_before: Some(leaf.not_before()),
        not_after: leaf.not_after(),
        self_signed: Some(leaf.is_self_signed()),
        top_issuer: top_issuer(&held.pair),
        key_type: leaf.key_type(),
        chain_length: held.pair.certificates().count(),
        file_names: held.file_names.clone(),
        file_parts: parts,
        file_certificates: certificates,
        windows: held.windows.as_ref().and_then(OnWindows::to_value),
    }
}

/// The issuer's name in the last certificate of the chain.
fn top_issuer(pair: &KeyPair) -> Option<Hash> {
    let last = pair.chain.last()?;
    let name = last.issuer();
    (!name.is_empty()).then(|| Hash::of(name))
}

fn catalog(
    state: &State,
    number: Number,
    request: &BackupRequest<'_>,
    key_pairs: Vec<CatalogEntry>,
    counting: Vec<Counting>,
) -> Catalog {
    Catalog {
        format: 1,
        vault: state.vault().clone(),
        server: state.server(),
        number,
        server_name: state.server_name().to_owned(),
        name_salt: state.name_salt().cloned(),
        selected: request.selected.to_vec(),
        key_pairs,
        without_key: without_key(request.holdings),
        exceptions: exceptions(state, request),
        drills: state.drills().to_vec(),
        policy: state.policy(),
        media: state.media().values().cloned().collect(),
        site_map: request
            .holdings
            .site_map
            .as_ref()
            .and_then(SiteMap::to_value),
        sites_read: request.holdings.sites_read || request.holdings.site_map.is_some(),
        from_folder: request.holdings.from_folder,
        counting,
        retired: state.retirements().to_vec(),
    }
}

/// Rules set aside in this run, and what was accepted before: whoever restores elsewhere is to know.
fn exceptions(state: &State, request: &BackupRequest<'_>) -> Vec<Exception> {
    let mut all = request.exceptions.to_vec();
    for known in state.all_acknowledged(request.now) {
        let rule = rule_without_key(&known.name);
        if !all.iter().any(|one| one.rule == rule) {
            all.push(Exception {
                rule,
                reason: known.reason.clone(),
                by: None,
                time: None,
                until: Some(local_day(known.until)),
            });
        }
    }
    all
}

fn without_key(holdings: &Inventory) -> Vec<WithoutKey> {
    let named = |unreadable: &UnreadableKeyPair| WithoutKey {
        name: unreadable.name.clone(),
        reason: unreadable.reason.id.to_owned(),
        thumbprint: unreadable.certificate.as_ref().map(Certificate::thumbprint),
        not_after: unreadable.certificate.as_ref().map(Certificate::not_after),
    };
    holdings.unreadable.iter().map(named).collect()
}

/// Both copies onto one medium. The first one counts once its signature is on it; host state knows
/// the record before.
fn write(
    state: &mut State,
    medium: &Medium,
    Sealed { package, written }: &Sealed,
    progress: &dyn Fn(Text),
) -> Result<Done> {
    let number = package.record.number;
    progress(text!(
        "progress-writing",
        medium = medium.name.as_str(),
        number = number.get()
    ));
    let first = package.write(medium, 0, || {
        state.remember(written.clone()).map_err(WriteError::State)
    });
    match first {
        Err(WriteError::State(error)) => return Err(error),
        Err(WriteError::Medium(error)) => return Ok(Done::Failed(medium_reason(&error))),
        Ok(()) => state.confirm(number, package.hash()),
    }
    state.save()?;
    match package.write(medium, 1, || Ok::<(), MediumError>(())) {
        Ok(()) => Ok(Done::Written),
        Err(error) => Ok(Done::OneCopy(medium_reason(&error))),
    }
}

enum WriteError {
    Medium(MediumError),
    State(Error),
}

impl From<MediumError> for WriteError {
    fn from(error: MediumError) -> Self {
        WriteError::Medium(error)
    }
}

/// Reads older generations again until enough was read; returns those that have decayed.
fn reread(
    state: &mut State,
    survey: &Survey<'_>,
    now: jiff::Timestamp,
    progress: &dyn Fn(Text),
) -> Vec<String> {
    // One whose label cannot be read is not kept in mind: what has no id cannot be known again.
    let mut nameless = SeenMedium::default();
    let seen = match survey.medium(0).label() {
        Some(label) => state.medium(&label.medium),
        None => &mut nameless,
    };
    let mut decayed = Vec::new();
    let mut read = 0;
    for generation in to_reread(survey, seen) {
        if read > REREAD {
            break;
        }
        progress(text!(
            "progress-rereading",
            number = generation.record.number.get()
        ));
        let check = survey.check(generation, Reading::PastCache);
        read += check.bytes.max(1);
        if check.missing.is_empty() && check.bad.is_empty() {
            seen.read.insert(generation.record.id(), now);
        } else {
            decayed.push(generation.key());
        }
    }
    decayed
}

/// All generations, in the order of reading: the newest of every server, then those unread for
/// longest.
fn to_reread<'s>(survey: &'s Survey<'_>, seen: &SeenMedium) -> Vec<&'s Generation> {
    let mut newest = Vec::new();
    for server in survey.servers() {
        newest.extend(survey.line(server).next());
    }
    let mut others = Vec::new();
    for generation in survey.slots.values().flat_map(|slot| &slot.generations) {
        if !newest.iter().any(|newest| newest.hash == generation.hash) {
            others.push(generation);
        }
    }
    others.sort_by_key(|generation| seen.read.get(&generation.record.id()).copied());
    newest.extend(others);
    newest
}

/// Notes in host state what the medium holds now, and says what it is called.
fn remember_medium(
    state: &mut State,
    survey: &Survey<'_>,
    done: &Done,
    number: Option<Number>,
    now: jiff::Timestamp,
) -> String {
    let mut newest = survey.newest_on(0);
    let mut held = survey.numbers_on(0, state.server());
    if let (Done::Written | Done::OneCopy(_), Some(number)) = (done, number) {
        newest.insert(state.server(), number);
        held.insert(number);
    }
    let Some(label) = survey.medium(0).label() else {
        return survey.medium(0).name.clone();
    };
    let seen = state.medium(&label.medium);
    seen.label.clone_from(&label.label);
    (seen.newest, seen.held) = (newest, Some(held));
    seen.last_seen = Some(now);
    seen.first_seen = seen.first_seen.or(Some(now));
    seen.written_during = Some(media::attachment_of(survey.medium(0)).unwrap_or_default());
    seen.is_on(media::descriptor_of(survey.medium(0)));
    label.label
}

/// Puts this vault onto a medium that holds none: no passphrase is needed, an enrolled server may
/// do it.
///
/// # Errors
/// When the medium refuses, or a PFXVAULT folder stands there already that an interrupted run of
/// this vault's did not leave.
pub fn add_medium(
    state: &mut State,
    medium: &Medium,
    label: &str,
    now: jiff::Timestamp,
) -> Result<Label> {
    let begun = unfinished(state, medium);
    if begun.is_none() {
        clear(medium)?;
    }
    let new = || Label::new(label).map_err(|_| no_random());
    let label = begun.map_or_else(new, |begun| {
        let label = label.to_owned();
        Ok(Label { label, ..begun })
    })?;
    let statements: Vec<_> = state.trust.statements.values().collect();
    let identities = state.identities();
    let identities: Vec<_> = identities.iter().map(Vec::as_slice).collect();
    medium.prepare(&label, &state.readme_wish())?;
    medium.add_owner_files(&statements, &identities)?;
    let seen = state.medium(&label.medium);
    seen.label.clone_from(&label.label);
    (seen.first_seen, seen.last_seen) = (seen.first_seen.or(Some(now)), Some(now));
    seen.is_on(media::descriptor_of(medium));
    state.is_founded();
    state.save()?;
    Ok(label)
}

/// Takes away what was begun on a medium and never held anything.
///
/// # Errors
/// When more than that is there, or the medium refuses.
pub fn clear(medium: &Medium) -> Result<()> {
    if medium.holds_vault()? {
        return Err(vault_there(medium));
    }
    medium.clear_begun()?;
    match medium.has_vault()? {
        // Something that is not pfxvault's lies in it.
        true => Err(vault_begun(medium)),
        false => Ok(()),
    }
}

fn vault_begun(medium: &Medium) -> Error {
    let name = medium.name.as_str();
    Error::new(Exit::NoVault, text!("error-vault-begun", medium = name))
}

/// The label of a medium on which putting this vault was interrupted: it has statements of ours,
/// no server's folder, and this server has not seen it.
pub fn unfinished(state: &State, medium: &Medium) -> Option<Label> {
    let survey = survey_of_ours(state, medium).ok()?;
    let label = medium.label()?;
    let is_new = survey.slots.is_empty() && survey.crowded().is_empty();
    (is_new && !state.media().contains_key(&label.medium)).then_some(label)
}

/// Makes a copy of a medium one of its own: it gets an id and a label, and counts from now on.
/// Nothing else on it changes.
///
/// # Errors
/// When it is not of this vault (exit 7); when it is no copy, as far as its device tells, or refuses.
pub fn separate(
    state: &mut State,
    medium: &Medium,
    label: &str,
    now: jiff::Timestamp,
) -> Result<Label> {
    let survey = survey_of_ours(state, medium)?;
    let device = media::descriptor_of(medium);
    let Some(original) = original_of(state, medium, &device) else {
        return Err(no_copy(state, medium));
    };
    let label = Label::new(label).map_err(|_| no_random())?;
    medium.prepare(&label, &state.readme_wish())?;
    let devices = &mut state.medium(&original.medium).devices;
    devices.retain(|known| known.differs_from(&device));
    devices.dedup_by(|later, earlier| !later.differs_from(earlier));
    let held = survey.numbers_on(0, state.server());
    let seen = state.medium(&label.medium);
    seen.label.clone_from(&label.label);
    (seen.newest, seen.held) = (survey.newest_on(0), Some(held));
    (seen.first_seen, seen.last_seen) = (Some(now), Some(now));
    seen.written_during = Some(media::attachment_of(medium).unwrap_or_default());
    seen.is_on(device);
    state.save()?;
    Ok(label)
}

/// The label of the medium that this one is a copy of, as far as its device tells.
fn original_of(state: &State, medium: &Medium, device: &Descriptor) -> Option<Label> {
    let label = medium.label()?;
    let devices = &state.media().get(&label.medium)?.devices;
    let elsewhere = devices.iter().any(|known| known.differs_from(device));
    elsewhere.then_some(label)
}

fn vault_there(medium: &Medium) -> Error {
    Error::failed(text!("error-vault-there", medium = medium.name.as_str()))
}

/// A vault is there, and it is that of a medium which this server knows.
fn no_copy(state: &State, medium: &Medium) -> Error {
    let known = medium.label().filter(|label| {
        let seen = state.media().get(&label.medium);
        seen.is_some_and(|seen| seen.retired.is_some())
    });
    let Some(label) = known else {
        return vault_there(medium);
    };
    let (medium, label) = (medium.name.as_str(), label.label.as_str());
    Error::failed(text!("error-out-of-use", medium = medium, label = label))
}

/// Fails with the first medium's reason where nothing was committed anywhere.
fn refuse_if_all_failed(outcome: &Outcome) -> Result<()> {
    let mut first = None;
    for on in &outcome.media {
        let Done::Failed(reason) = &on.done else {
            return Ok(());
        };
        let medium = on.name.as_str();
        first.get_or_insert_with(|| {
            text!(
                "error-nothing-committed",
                medium = medium,
                reason = reason.clone()
            )
        });
    }
    Err(Error::failed(
        first.unwrap_or_else(|| text!("error-no-medium")),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keypair::throwaway::{Authority, KeyKind};

    #[test]
    fn a_password_that_a_person_chose_is_slow_to_guess_in_a_sealed_pfx_too() {
        let now = "2026-11-25T00:00:00Z".parse().unwrap();
        let authority = Authority::new("Test", now).unwrap();
        let pair = authority.issue(&["www.example.com"], KeyKind::P256, now);
        let pair = pair.unwrap();
        let chosen = Password::new("Passw0rd!".to_owned());
        for (chosen, rounds) in [(None, 2000), (Some(&chosen), 100_000)] {
            let (pfx, password) = locked(&pair, chosen, Profile::Aes256).unwrap();
            let read = pfx::read(pfx.expose(), &password).unwrap();
            let encryption = read.keys[0].encryption.as_ref().unwrap();
            assert_eq!(encryption.iterations, rounds);
            let pfx::Mac::Verified { iterations, .. } = read.mac else {
                panic!("nothing vouches for it")
            };
            assert_eq!(iterations, rounds);
        }
    }
}
