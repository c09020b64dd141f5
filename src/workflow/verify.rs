//! Checking media without any secret: signatures, hashes, every byte read past the cache. What is
//! found is named in plain words; nothing is repaired here.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::{Error, Exit, Result};
use crate::message::Text;
use crate::state::State;
use crate::text;
use crate::workflow::clock;
use crate::workflow::finding::{self, Finding, Level};
use crate::workflow::history;
use vault::id::{GenerationId, Hash, Number, ServerId, VaultId};
use vault::lines::day_of;
use vault::medium::Medium;
use vault::owner::{self, OwnerFault};
use vault::readme::{self, Contact, Readme, ReadmeOrigin};
use vault::survey::{FileCheck, Foreign, Generation, Slot, Survey};
use vault::trust::Trust;
use vault::volume::Reading;

/// The state of one number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NumberVerdict {
    /// The server.
    pub server: ServerId,
    /// The number.
    pub number: Number,
    /// `whole`, `unfinished`, `damaged`, `newer`, `foreign` or `elsewhere`.
    pub state: &'static str,
    /// Hash of the record, where one verifies.
    pub record: Option<Hash>,
    /// Good copies of the record.
    pub copies: usize,
}

/// Everything a check found.
#[derive(Debug)]
pub struct CheckReport {
    /// The vault, and whether anything but the medium itself says that it is the right one.
    pub vault: VaultId,
    /// Whether the owner is known from elsewhere than the media.
    pub pinned: bool,
    /// Every number.
    pub numbers: Vec<NumberVerdict>,
    /// Everything worth saying, the worst first.
    pub findings: Vec<Finding>,
    /// Bytes read past the cache.
    pub bytes: u64,
    /// The newest generation of each server on each medium.
    pub newest_on: Vec<BTreeMap<ServerId, Number>>,
    /// The generations of this server on each medium; nothing where it is not enrolled.
    pub own_on: Vec<BTreeSet<Number>>,
    /// The media on which something was found damaged or lost, by their places.
    pub damaged_on: BTreeSet<usize>,
}

impl CheckReport {
    /// The exit code.
    pub fn exit(&self) -> Exit {
        finding::of_a_look(&self.findings)
    }

    /// The newest whole generation of each server.
    pub fn newest(&self) -> BTreeMap<ServerId, Number> {
        newest_whole(&self.numbers)
    }
}

fn newest_whole(numbers: &[NumberVerdict]) -> BTreeMap<ServerId, Number> {
    let whole = numbers.iter().filter(|judged| judged.state == "whole");
    whole.map(|judged| (judged.server, judged.number)).collect()
}

/// Checks media together. The owner to believe is `pin`, else what the media agree on.
///
/// # Errors
/// Where there is no vault, or a medium cannot be read at all.
pub fn run(
    media: &[Medium],
    state: Option<&State>,
    pin: Option<VaultId>,
    now: jiff::Timestamp,
) -> Result<CheckReport> {
    let pinned = pin.is_some() || state.is_some();
    let vault = match pin {
        Some(vault) => vault,
        None => owner_of(media, state)?,
    };
    let trust = match state {
        Some(state) if state.trust.vault == vault => state.trust.clone(),
        _ => Trust::new(vault.clone()),
    };
    let survey = all_of_vault(media, &trust, Reading::PastCache)?;
    let mut check = MediaCheck::of(&survey);
    check.slots(true);
    check.clock(state, now);
    check.order(state, now);
    check.owner_files(pinned);
    check.programs();
    check.loose_files(state);
    check.crowded();
    check
        .findings
        .sort_by_key(|finding| std::cmp::Reverse(finding.level));
    let findings = finding::placed(check.findings, &survey);
    Ok(CheckReport {
        vault,
        pinned,
        numbers: check.numbers,
        findings: finding::folded(findings),
        bytes: check.bytes,
        damaged_on: check.damaged_on,
        newest_on: (0..media.len())
            .map(|medium| survey.newest_on(medium))
            .collect(),
        own_on: state.map_or_else(Vec::new, |state| {
            let media = 0..media.len();
            media
                .map(|medium| survey.numbers_on(medium, state.server()))
                .collect()
        }),
    })
}

/// What the records on media of this server's vault say at a glance: about each other, about time,
/// and about what this server remembers. No other file is read.
///
/// # Errors
/// As [`run`].
pub fn glance(media: &[Medium], state: &State, now: jiff::Timestamp) -> Result<Vec<Finding>> {
    let survey = all_of_vault(media, &state.trust, Reading::Cached)?;
    let mut check = MediaCheck::of(&survey);
    check.slots(false);
    check.order(Some(state), now);
    check.owner_files(true);
    check.programs();
    check.crowded();
    Ok(finding::folded(finding::placed(check.findings, &survey)))
}

/// The owner's word on media, with what this server remembers of it, and what is wrong with the owner's
/// files there. No file of a generation but its record is read.
///
/// # Errors
/// As [`run`].
pub fn owners_word<'m>(
    media: &'m [Medium],
    state: Option<&State>,
) -> Result<(Survey<'m>, Vec<Finding>)> {
    let known = match state {
        Some(state) => state.trust.clone(),
        None => Trust::new(claimed_owner(media)?),
    };
    let survey = all_of_vault(media, &known, Reading::Cached)?;
    let mut check = MediaCheck::of(&survey);
    check.owner_files(state.is_some());
    let findings = finding::folded(finding::placed(check.findings, &survey));
    Ok((survey, findings))
}

/// Media that must be of the vault of `known`.
fn all_of_vault<'m>(media: &'m [Medium], known: &Trust, reading: Reading) -> Result<Survey<'m>> {
    let survey = Survey::of(media, known.vault.clone(), known, reading)?;
    match (0..media.len()).find(|medium| !survey.is_of_vault(*medium)) {
        Some(foreign) => Err(survey.not_ours(foreign).into()),
        None => Ok(survey),
    }
}

/// The owner to believe: host state's, else the one that the media agree on.
///
/// # Errors
/// Where there is no vault, or the media disagree.
pub fn owner_of(media: &[Medium], state: Option<&State>) -> Result<VaultId> {
    state.map_or_else(|| claimed_owner(media), |state| Ok(state.vault().clone()))
}

/// The owner's word on these media and in host state.
///
/// # Errors
/// As [`owner_of`], or when a medium cannot be read.
pub fn trust_of(media: &[Medium], state: Option<&State>) -> Result<Trust> {
    let vault = owner_of(media, state)?;
    let known = state.map_or_else(|| Trust::new(vault.clone()), |state| state.trust.clone());
    let survey = Survey::of(media, vault, &known, Reading::Cached)?;
    Ok(survey.trust)
}

/// Who the media themselves say the owner is: whoever signed their statements.
fn claimed_owner(media: &[Medium]) -> Result<VaultId> {
    use vault::sign;
    let mut claims = BTreeSet::new();
    for medium in media {
        let walk = medium.walk(None, Reading::Cached)?;
        for said in walk.statements.iter().map(|pair| &pair.statement) {
            let signer = sign::signer(sign::TRUST, &said.text, &said.signature);
            claims.extend(signer.map(|key| VaultId::of(&key)));
        }
    }
    let name = media.first().map_or("", |medium| medium.name.as_str());
    if claims.len() > 1 {
        let text = text!("error-two-owners", medium = name);
        return Err(Error::new(Exit::Forged, text));
    }
    if let Some(only) = claims.pop_first() {
        return Ok(only);
    }
    let text = match claimed_generations(media)? {
        0 => text!("error-no-vault", medium = name),
        count => text!("error-no-statement", medium = name, count = count),
    };
    Err(Error::new(Exit::NoVault, text))
}

/// How many generations lie there, whoever made them.
fn claimed_generations(media: &[Medium]) -> Result<usize> {
    let (mut generations, mut others) = (BTreeSet::new(), 0);
    for medium in media {
        let (kept, counted) = medium.claimed_generations()?;
        generations.extend(kept);
        others += counted;
    }
    Ok(generations.len() + others)
}

struct MediaCheck<'s, 'm> {
    survey: &'s Survey<'m>,
    numbers: Vec<NumberVerdict>,
    findings: Vec<Finding>,
    bytes: u64,
    damaged_on: BTreeSet<usize>,
}

impl<'s, 'm> MediaCheck<'s, 'm> {
    fn of(survey: &'s Survey<'m>) -> Self {
        Self {
            survey,
            numbers: Vec::new(),
            findings: Vec::new(),
            bytes: 0,
            damaged_on: BTreeSet::new(),
        }
    }

    fn find(&mut self, id: &'static str, level: Level, text: Text) {
        self.findings.push(Finding::new(id, level, text));
    }

    /// Every number of every server: its state, and damage inside it, where its files are to be
    /// read.
    fn slots(&mut self, read: bool) {
        let survey = self.survey;
        for (id, slot) in &survey.slots {
            for generation in &slot.generations {
                let check = if read {
                    survey.check(generation, Reading::PastCache)
                } else {
                    FileCheck::default()
                };
                self.bytes += check.bytes;
                self.judge_generation(generation, &check);
                self.single_copies(generation);
            }
            if slot.generations.is_empty() {
                let state = state_without_record(slot);
                self.numbers.push(NumberVerdict {
                    server: id.server,
                    number: id.number,
                    state,
                    record: None,
                    copies: 0,
                });
            }
            if slot.is_fork() {
                self.findings.push(history::fork(*id));
            }
            self.strangers(*id, slot);
        }
        self.findings.extend(of_closed(survey, Level::Attention));
        for GenerationId { server, number } in survey.elsewhere(&[]) {
            self.numbers.push(NumberVerdict {
                server,
                number,
                state: "elsewhere",
                record: None,
                copies: 0,
            });
        }
        self.numbers
            .sort_by_key(|judged| (judged.server, judged.number));
    }

    fn judge_generation(&mut self, generation: &Generation, check: &FileCheck) {
        let state = if check.is_whole() { "whole" } else { "damaged" };
        let record = &generation.record;
        let copies = generation.copies.len();
        self.numbers.push(NumberVerdict {
            server: record.server,
            number: record.number,
            state,
            record: Some(generation.hash),
            copies,
        });
        let key = generation.key();
        if !check.missing.is_empty() {
            let copies = generation.copies.iter().map(|copy| copy.medium);
            self.damaged_on.extend(copies);
        }
        for file in &check.missing {
            self.find(
                "file-lost",
                Level::Lost,
                text!(
                    "found-file-lost",
                    generation = key.as_str(),
                    file = file.as_str()
                ),
            );
        }
        self.bad_copies(generation, check);
    }

    /// Files of which one copy is damaged or missing, and another is good.
    fn bad_copies(&mut self, generation: &Generation, check: &FileCheck) {
        for place in &check.bad {
            self.damaged_on.insert(place.medium);
            let medium = self.survey.medium(place.medium).name.as_str();
            let good = self.good_copy(generation, &place.path);
            let text = text!(
                "found-copy-bad",
                medium = medium,
                path = place.path.as_str(),
                good = good
            );
            self.find("copy-bad", Level::AtRisk, text);
        }
    }

    /// A stick that lost one of its two copies looks well until the other one goes, too.
    fn single_copies(&mut self, generation: &Generation) {
        for medium in self.survey.single_copies(generation) {
            let medium = self.survey.medium(medium).name.as_str();
            let text = text!(
                "found-one-copy",
                medium = medium,
                generation = generation.key()
            );
            self.find("one-copy", Level::AtRisk, text);
        }
    }

    /// Where a good copy of a damaged file lies.
    fn good_copy(&self, generation: &Generation, bad: &str) -> String {
        let name = bad.rsplit('/').next().unwrap_or_default();
        let place = self.survey.good_place(generation, name);
        place.map_or_else(String::new, |place| {
            format!("{} {}", self.survey.medium(place.medium).name, place.path)
        })
    }

    fn strangers(&mut self, id: GenerationId, slot: &Slot) {
        let key = id.to_string();
        self.findings
            .extend(of_stranger_folders(self.survey, id, slot));
        self.bad_records(&key, slot);
    }

    /// Records of which one copy is damaged, and another is good.
    fn bad_records(&mut self, key: &str, slot: &Slot) {
        if !slot.generations.is_empty() {
            for place in &slot.damaged {
                self.damaged_on.insert(place.medium);
                self.find(
                    "copy-bad",
                    Level::AtRisk,
                    text!(
                        "found-record-bad",
                        path = place.path.as_str(),
                        generation = key
                    ),
                );
            }
        }
    }

    /// What was written last, here or as this server remembers, against the clock.
    fn clock(&mut self, state: Option<&State>, now: jiff::Timestamp) {
        let survey = self.survey;
        let newest = |server| Some(survey.line(server).next()?.record.time);
        let here = survey.servers().into_iter().filter_map(newest).max();
        let known = state.filter(|state| *state.vault() == survey.trust.vault);
        let known = known.and_then(|state| Some(state.generations().next()?.time));
        self.findings.extend(clock::finding(now, here.max(known)));
    }

    /// What the numbers say about each other and about time.
    fn order(&mut self, state: Option<&State>, now: jiff::Timestamp) {
        let survey = self.survey;
        let whole = newest_whole(&self.numbers);
        for judged in self.numbers.clone() {
            self.order_of(&judged, whole.get(&judged.server));
        }
        for id in survey.contradictions() {
            let text = text!("found-contradiction", generation = id.to_string());
            self.find("prev-contradiction", Level::Attention, text);
        }
        self.overdue(&whole, now);
        let held: Vec<_> = (0..survey.media_count())
            .map(|medium| (survey.medium(medium), survey.newest_on(medium)))
            .collect();
        self.findings.extend(history::copies(&held));
        if let Some(state) = state.filter(|state| *state.vault() == survey.trust.vault) {
            self.findings
                .extend(history::of_media(survey, state, &whole));
            self.findings
                .extend(history::of_this_server(survey, state, None));
        }
    }

    /// What a number that is not whole means beside the newest whole one of its server.
    fn order_of(&mut self, judged: &NumberVerdict, newest: Option<&Number>) {
        let above = newest.is_none_or(|newest| judged.number > *newest);
        let key = format!("{}/{}", judged.server, judged.number);
        match judged.state {
            "unfinished" if above => self.find(
                "unfinished-above-whole",
                Level::Attention,
                text!("found-unfinished", generation = key),
            ),
            "damaged" if judged.record.is_none() => {
                let (id, level) = match newest {
                    None => ("damaged-above-whole", Level::Lost),
                    Some(_) if above => ("damaged-above-whole", Level::Attention),
                    Some(_) => ("damaged-below-whole", Level::Attention),
                };
                self.find(id, level, text!("found-damaged", generation = key));
            }
            "elsewhere" if above => self.find(
                "elsewhere-above-whole",
                Level::Attention,
                text!("found-newer-elsewhere", generation = key),
            ),
            _ => {}
        }
    }

    fn overdue(&mut self, whole: &BTreeMap<ServerId, Number>, now: jiff::Timestamp) {
        let today = day_of(now);
        // Nothing is due of a server that the owner has closed.
        let open = whole
            .iter()
            .filter(|(server, _)| self.survey.trust.may_write(**server));
        for (server, number) in open.collect::<Vec<_>>() {
            let newest = self
                .survey
                .line(*server)
                .find(|generation| generation.record.number == *number);
            if let Some(generation) = newest.filter(|generation| generation.record.due < today) {
                let (key, due) = (generation.key(), generation.record.due.to_string());
                self.find(
                    "overdue",
                    Level::Attention,
                    text!("found-overdue", generation = key, due = due),
                );
            }
        }
    }

    /// The owner's statements and ways in.
    fn owner_files(&mut self, pinned: bool) {
        let survey = self.survey;
        if !pinned {
            self.find(
                "not-pinned",
                Level::Note,
                text!("found-not-pinned", vault = survey.trust.vault.as_str()),
            );
        }
        self.findings.extend(of_owner_files(survey));
        for medium in 0..survey.media_count() {
            let mut faults = owner::faults(survey, medium).into_iter();
            if faults.any(|fault| matches!(fault, OwnerFault::Damaged(..))) {
                self.damaged_on.insert(medium);
            }
        }
        if survey.newer_statements > 0 {
            self.find(
                "newer-format",
                Level::Attention,
                text!("found-newer-statement"),
            );
        }
        if !survey.missing_statements().is_empty() {
            self.find(
                "statement-missing",
                Level::Attention,
                text!("found-statement-missing"),
            );
        }
        let here: BTreeSet<Hash> = survey.identities().into_iter().map(Hash::of).collect();
        let missing = survey.trust.identities.difference(&here).count();
        if missing > 0
            && !self
                .findings
                .iter()
                .any(|finding| finding.id == "identity-missing")
        {
            self.find(
                "identity-missing",
                Level::Attention,
                text!("found-identity-missing", count = missing),
            );
        }
        for place in owner::unknown_identities(survey) {
            let medium = survey.medium(place.medium).name.as_str();
            let text = text!(
                "found-identity-unknown",
                medium = medium,
                path = place.path.as_str()
            );
            self.find("identity-unknown", Level::Attention, text);
        }
    }

    fn programs(&mut self) {
        self.findings.extend(of_programs(self.survey));
    }

    /// Nobody may take what was looked at for all there is.
    fn crowded(&mut self) {
        self.findings.extend(crowded(&of_crowded(self.survey)));
    }

    /// Texts and names beside the vault's own.
    fn loose_files(&mut self, state: Option<&State>) {
        let survey = self.survey;
        for (index, walk) in survey.walks.iter().enumerate() {
            let medium = survey.medium(index);
            for path in &walk.unexpected {
                let text = text!(
                    "found-unexpected",
                    medium = medium.name.as_str(),
                    path = path
                );
                self.find("unexpected-file", Level::Note, text);
            }
            self.findings.extend(of_readme(medium, state));
        }
    }
}

/// Folders of one number that are not the vault's, or of a newer pfxvault. What the owner closed is not
/// among them.
fn of_stranger_folders(survey: &Survey<'_>, id: GenerationId, slot: &Slot) -> Vec<Finding> {
    let key = id.to_string();
    let is_admitted = survey.trust.servers.contains_key(&id.server);
    let mut found = Vec::new();
    for (place, why) in &slot.foreign {
        if *why == Foreign::Closed {
            continue;
        }
        let (path, key) = (place.path.as_str(), key.as_str());
        let text = match is_admitted {
            true => text!("found-foreign", path = path, generation = key),
            false => text!("found-not-admitted", path = path, generation = key),
        };
        let mut finding = Finding::new("foreign", Level::Forged, text);
        // Put to rest are these bytes, wherever they lie, and no others.
        let bytes = survey.fingerprint(place).map(|bytes| bytes.to_string());
        match &bytes {
            Some(bytes) => finding = finding.known_by(&[bytes]),
            None => finding.facts = None,
        }
        found.push(finding);
    }
    for place in &slot.newer {
        let text = text!("found-newer", path = place.path.as_str());
        found.push(Finding::new("newer-format", Level::Attention, text));
    }
    found
}

/// What lies on the media of servers that the owner closed, above what counts of them: one line for
/// each.
fn of_closed(survey: &Survey<'_>, level: Level) -> Vec<Finding> {
    let mut closed: BTreeMap<ServerId, Vec<String>> = BTreeMap::new();
    for (id, slot) in &survey.slots {
        let is_closed = |(_, why): &&(_, Foreign)| *why == Foreign::Closed;
        if slot.foreign.iter().any(|one| is_closed(&one)) {
            let numbers = closed.entry(id.server).or_default();
            numbers.push(id.number.to_string());
        }
    }
    let finding = |(server, numbers): (ServerId, Vec<String>)| {
        let (count, server) = (numbers.len(), server.to_string());
        let text = text!("found-closed", server = server.as_str(), count = count);
        Finding::new("closed", level, text).known_by(&[&server, &numbers.join(" ")])
    };
    closed.into_iter().map(finding).collect()
}

/// Which of these generations are in one copy only on a medium. Reads nothing.
pub fn of_single_copies<'g>(
    survey: &Survey<'_>,
    generations: impl IntoIterator<Item = &'g Generation>,
) -> Vec<Finding> {
    let mut check = MediaCheck::of(survey);
    for generation in generations {
        check.single_copies(generation);
    }
    finding::folded(finding::placed(check.findings, survey))
}

/// What of the copies of these generations is damaged or missing, while another is good: a stick that is
/// dying says so to whoever meets it first. Reads all of them.
pub fn of_copies<'g>(
    survey: &Survey<'_>,
    generations: impl IntoIterator<Item = &'g Generation>,
) -> Vec<Finding> {
    let mut check = MediaCheck::of(survey);
    let mut seen = BTreeSet::new();
    for generation in generations {
        if !seen.insert(generation.hash) {
            continue;
        }
        check.bad_copies(generation, &survey.check(generation, Reading::Cached));
        check.single_copies(generation);
        let id = GenerationId {
            server: generation.record.server,
            number: generation.record.number,
        };
        if let Some(slot) = survey.slots.get(&id) {
            check.bad_records(&id.to_string(), slot);
        }
    }
    finding::folded(finding::placed(check.findings, survey))
}

/// What strangers left on a medium that a run wrote to or read: nothing in it was used. What the
/// owner closed is no news.
pub fn of_strangers(survey: &Survey<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (id, slot) in &survey.slots {
        findings.extend(of_stranger_folders(survey, *id, slot));
    }
    findings.extend(of_closed(survey, Level::Note));
    findings.extend(of_programs(survey));
    findings.extend(crowded(&of_crowded(survey)));
    finding::folded(finding::placed(findings, survey))
}

/// What a system might run. Nothing here does, but somebody who follows a trail on the medium may.
fn of_programs(survey: &Survey<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut find = |text| {
        findings.push(Finding::new("program", Level::Attention, text));
    };
    for (index, walk) in survey.walks.iter().enumerate() {
        let medium = survey.medium(index).name.as_str();
        for path in &walk.programs {
            find(text!("found-program", medium = medium, path = path));
        }
        for path in &walk.unsearched {
            find(text!("found-unsearched", medium = medium, path = path));
        }
    }
    findings
}

/// What is wrong with the owner's files: not his, damaged, or in one half only.
pub fn of_owner_files(survey: &Survey<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    if survey.bad_statements > 0 {
        let text = text!("found-bad-statement", count = survey.bad_statements);
        let bytes = survey.bad_statements_sha256.to_string();
        let finding = Finding::new("bad-statement", Level::Forged, text);
        findings.push(finding.known_by(&[&bytes]));
    }
    if let Some(text) = of_damaged_statements(survey) {
        findings.push(Finding::new("statement-damaged", Level::Attention, text));
    }
    for medium in 0..survey.media_count() {
        findings.extend(
            owner::faults(survey, medium)
                .into_iter()
                .map(|fault| of_fault(survey, medium, fault)),
        );
    }
    findings
}

/// What was wrong with the owner's files and README.TXT on a medium that this run then wrote to,
/// and that it wrote them anew.
pub fn of_mended(survey: &Survey<'_>, state: Option<&State>) -> Vec<Finding> {
    let mut findings = of_owner_files(survey);
    for medium in 0..survey.media_count() {
        findings.extend(of_readme(survey.medium(medium), state));
    }
    let has_remedy =
        |finding: &Finding| !matches!(finding.id, "bad-statement" | "statement-damaged");
    if findings.iter().any(has_remedy) {
        findings.push(Finding::new("mended", Level::Note, text!("found-mended")));
    }
    findings
}

/// That more lies on a medium than is looked at.
pub fn of_crowded(survey: &Survey<'_>) -> Vec<Text> {
    let crowded = survey.crowded().into_iter();
    let said = crowded.map(|(place, count)| {
        let (medium, path) = (survey.medium(place.medium).name.as_str(), place.path);
        match count {
            0 => text!("found-unread", medium = medium),
            _ => text!("found-crowded", medium = medium, path = path, count = count),
        }
    });
    said.collect()
}

/// The same as findings.
pub fn crowded(texts: &[Text]) -> Vec<Finding> {
    let finding = |text: &Text| Finding::new("crowded", Level::Attention, text.clone());
    texts.iter().map(finding).collect()
}

/// That statements are damaged of which no good copy is known.
pub fn of_damaged_statements(survey: &Survey<'_>) -> Option<Text> {
    let (first, others) = survey.damaged_statements.split_first()?;
    let (medium, path) = (
        survey.medium(first.medium).name.as_str(),
        first.path.as_str(),
    );
    Some(text!(
        "found-statement-damaged",
        medium = medium,
        path = path,
        more = others.len()
    ))
}

fn of_fault(survey: &Survey<'_>, medium: usize, fault: OwnerFault) -> Finding {
    let medium = survey.medium(medium).name.as_str();
    let (id, text) = match fault {
        OwnerFault::OneCopy(path) => (
            "one-copy",
            text!("found-owner-one-copy", medium = medium, path = path),
        ),
        OwnerFault::Damaged(path, None) => (
            "copy-bad",
            text!("found-owner-remembered", medium = medium, path = path),
        ),
        OwnerFault::Damaged(path, Some(good)) => {
            let from = survey.medium(good.medium).name.as_str();
            (
                "copy-bad",
                text!(
                    "found-owner-copy-bad",
                    medium = medium,
                    path = path,
                    from = from,
                    good = good.path
                ),
            )
        }
        OwnerFault::StatementMissing => (
            "statement-missing",
            text!("found-statement-lost", medium = medium),
        ),
        OwnerFault::IdentitiesMissing(count) => (
            "identity-missing",
            text!("found-identity-lost", medium = medium, count = count),
        ),
    };
    Finding::new(id, Level::Attention, text)
}

/// Whether README.TXT on a medium is one to follow, and whom it names. A parcel has none.
pub fn of_readme(medium: &Medium, state: Option<&State>) -> Option<Finding> {
    if medium.is_parcel {
        return None;
    }
    let bytes = medium.read_loose("README.TXT").unwrap_or_default();
    let name = medium.name.as_str();
    let (id, level, text) = match readme::origin(&bytes) {
        ReadmeOrigin::Current => return of_contact(name, Readme::read(&bytes)?.contact?, state),
        ReadmeOrigin::Earlier => (
            "readme-old",
            Level::Note,
            text!("found-readme-old", medium = name),
        ),
        ReadmeOrigin::Unknown => (
            "readme-unknown",
            Level::Attention,
            text!("found-readme", medium = name),
        ),
    };
    Some(Finding::new(id, level, text))
}

/// Whom README.TXT names is nobody's word but that of a server that said so itself.
fn of_contact(medium: &str, contact: Contact, state: Option<&State>) -> Option<Finding> {
    let contact_said = contact.as_str();
    let (level, text) = match state.and_then(|state| state.knows_contact(&contact)) {
        Some(true) => return None,
        Some(false) => (
            Level::Attention,
            text!("found-contact", medium = medium, contact = contact_said),
        ),
        None => (
            Level::Note,
            text!(
                "found-contact-unknown",
                medium = medium,
                contact = contact_said
            ),
        ),
    };
    Some(Finding::new("readme-contact", level, text))
}

/// The state of a number without a record that verifies.
fn state_without_record(slot: &Slot) -> &'static str {
    match () {
        () if !slot.newer.is_empty() => "newer",
        () if !slot.damaged.is_empty() => "damaged",
        () if !slot.unfinished.is_empty() => "unfinished",
        () => "foreign",
    }
}
