//! `audit`: the five handling rules with evidence, as sentences, as a document, and as one page to
//! file.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::Serialize;

use crate::cli::AuditArgs;
use crate::console::{Page, Table};
use crate::error::{Error, Exit, Result};
use crate::iis::{StoreEntry, StoredCertificate};
use crate::keypair::Certificate;
use crate::message::{Arg, Text, day, moment, short, size};
use crate::platform;
use crate::platform::media::{self, Device, Facts};
use crate::platform::private_files;
use crate::rules::{self, Rule, key_pair_without_key};
use crate::scan::{self, KeyOwner, KeyProtection, OwnKeys, StrayKey};
use crate::session::findings as rest;
use crate::session::report::AtRestReport;
use crate::session::{Session, here};
use crate::state::State;
use crate::text;
use crate::workflow::audit::{self, AuditInput, Evidence, EvidenceLevel, GivenMedium, RuleVerdict};
use crate::workflow::clock;
use crate::workflow::due;
use crate::workflow::finding::{Finding, Level};
use crate::workflow::recall::{is_closed, last_backup};
use crate::workflow::verify;
use vault::catalog::{Exception, Retired, SeenMedium};
use vault::id::{Number, ServerId};
use vault::medium::Medium;
use vault::survey::Survey;
use vault::trust::Trust;
use vault::volume::Reading;

/// Everything that is shown.
struct AuditScreen<'a> {
    seen: &'a AuditInput<'a>,
    judged: &'a [RuleVerdict],
    servers: &'a [Newest],
    servers_table: Table,
    media: Table,
    strays: Table,
}

/// The handling rules with their evidence.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct AuditReport {
    rules: Vec<RuleReport>,
    servers: Vec<NewestReport>,
    media: Vec<AuditedMediumReport>,
    /// Nothing where nothing was searched.
    scan: Option<ScanReport>,
}

/// A rule, and how it is kept.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct RuleReport {
    rule: &'static str,
    verdict: &'static str,
    evidence: Vec<EvidenceReport>,
}

/// What speaks for or against it.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct EvidenceReport {
    level: &'static str,
    id: &'static str,
    text: String,
    /// What `--accept` takes, where it can be put to rest.
    keys: Vec<String>,
    /// Who put it to rest, why and until when.
    #[serde(skip_serializing_if = "Option::is_none")]
    at_rest: Option<AtRestReport>,
}

/// The newest generation of a server.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct NewestReport {
    server: String,
    server_name: Option<String>,
    generation: Option<u32>,
    time: Option<String>,
    due: Option<String>,
    key_pairs: usize,
    /// Whether it may no longer write.
    retired: bool,
}

/// A medium that is here, or that this server knows.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct AuditedMediumReport {
    /// Where it is; nothing where it is not here.
    medium: Option<String>,
    label: Option<String>,
    /// As host state keeps it.
    retired: Option<Retired>,
    facts: Option<FactsReport>,
}

/// What the system says about a medium.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct FactsReport {
    place: String,
    file_system: String,
    device: &'static str,
    hardware: Vec<String>,
    free: Option<u64>,
    read_only: bool,
    encryption: Option<String>,
    /// The program that copies it elsewhere.
    synced: Option<String>,
    shares: Vec<String>,
}

/// What a search came upon.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct ScanReport {
    /// What was searched.
    paths: Vec<String>,
    /// When the search began.
    time: String,
    /// The account that searched, a claim.
    account: Option<String>,
    files: u64,
    found: Vec<StrayReport>,
    /// How many files could not be read.
    unread: u64,
    /// How many were looked at in part only.
    in_part: u64,
    stopped: bool,
}

/// A private key outside the vault.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct StrayReport {
    path: String,
    /// The names within archives and mails.
    inside: Vec<String>,
    form: &'static str,
    /// Whether a password protects it, where that can be told.
    protected: Option<bool>,
    /// Whether this server knows its key pair, where that can be told.
    ours: Option<bool>,
    key_pair: Option<String>,
    rules: Vec<&'static str>,
}

/// Runs the command.
pub(super) fn run(session: &Session<'_>, args: &AuditArgs) -> Result<Exit> {
    let rules = asked_for(&args.rules)?;
    let known = session.memory();
    let state = known.state.as_ref();
    let media = session.vault_media(&args.media)?;
    let check = check(session, &media, state, known.unasked.clone())?;
    let here: Vec<GivenMedium> = media.iter().map(look).collect();
    let unsaved = unsaved(session, state);
    let remaining = remaining(state, &media);
    let served = here::folders_served();
    let scan = match args.scan.is_empty() {
        true => None,
        false => Some(scanned(session, &args.scan, &served, state)?),
    };
    let exceptions = exceptions(session, state);
    let seen = AuditInput {
        state,
        here: &here,
        check: check.as_ref(),
        scan: scan.as_ref(),
        unsaved: unsaved.as_deref(),
        remaining: &remaining,
        exceptions: &exceptions,
        served: &served,
        rules: &rules,
        now: session.now,
    };
    let mut judged = audit::run(&seen);
    let evidence = judged.iter_mut().flat_map(|judged| &mut judged.evidence);
    let mut found: Vec<_> = evidence.flat_map(|one| &mut one.findings).collect();
    session.settle(&mut found, state)?;
    judged.iter_mut().for_each(RuleVerdict::sort);
    let servers = servers(&media, &seen)?;
    let screen = AuditScreen::of(session, &seen, &judged, &servers);
    let exit = audit::exit(&judged);
    if let Some(path) = &args.html {
        write_page(session, &screen, path)?;
    }
    show(session, &screen);
    session.console.document(exit, &document(session, &screen));
    Ok(exit)
}

/// The rules that are named, else all.
fn asked_for(names: &[String]) -> Result<Vec<Rule>> {
    if names.is_empty() {
        return Ok(Rule::ALL.to_vec());
    }
    let mut rules = Vec::new();
    for name in names {
        let known = Rule::ALL.into_iter().find(|rule| rule.id() == name);
        rules.push(known.ok_or_else(|| Error::usage(text!("error-unknown-rule", rule = name)))?);
    }
    rules.sort_by_key(|rule| Rule::ALL.iter().position(|known| known == rule));
    rules.dedup();
    Ok(rules)
}

impl<'a> AuditScreen<'a> {
    fn of(
        session: &Session<'_>,
        seen: &'a AuditInput<'a>,
        judged: &'a [RuleVerdict],
        servers: &'a [Newest],
    ) -> Self {
        Self {
            seen,
            judged,
            servers,
            servers_table: servers_table(session, servers),
            media: media_table(session, seen),
            strays: strays_table(session, seen),
        }
    }
}

/// A check of the media, if there are any; a state that could not be read is a finding of its own.
fn check(
    session: &Session<'_>,
    media: &[Medium],
    state: Option<&State>,
    unread: Option<Text>,
) -> Result<Option<verify::CheckReport>> {
    if media.is_empty() {
        return unread.map_or(Ok(None), |text| Err(Error::failed(text)));
    }
    let mut report = verify::run(media, state, None, session.now)?;
    if let Some(text) = unread {
        report
            .findings
            .push(Finding::new("state-unread", Level::Attention, text));
    }
    Ok(Some(report))
}

fn look(medium: &Medium) -> GivenMedium {
    let label = medium.label().map(|label| (label.medium, label.label));
    GivenMedium {
        name: medium.name.clone(),
        label,
        facts: media::facts_of(medium),
    }
}

/// Certificates in this server's stores that no backup has, and of which nobody said that there can
/// be none; `None` where there are no stores.
fn unsaved(session: &Session<'_>, state: Option<&State>) -> Option<Vec<StoredCertificate>> {
    let mut named = Vec::new();
    for exception in &session.exceptions {
        named.extend(key_pair_without_key(&exception.rule).map(str::to_owned));
    }
    let mut unsaved = Vec::new();
    for StoreEntry { certificate, .. } in here::stored()? {
        let is_named = !named.is_empty() && certificate.is_wanted(&named);
        if !is_named && !state.is_some_and(|state| is_settled(state, &certificate, session.now)) {
            unsaved.push(certificate);
        }
    }
    Some(unsaved)
}

/// Whether a backup has the certificate, or it is known that none can have it.
fn is_settled(state: &State, stored: &StoredCertificate, now: Timestamp) -> bool {
    if last_backup(state, &stored.der).is_some() {
        return true;
    }
    let parsed = Certificate::parse(stored.der.clone());
    parsed.is_ok_and(|parsed| state.acknowledged(&parsed, now).is_some())
}

/// The private keys of this server, if its right to write has ended: it may be given away.
fn remaining(state: Option<&State>, media: &[Medium]) -> Vec<String> {
    let mut remaining = Vec::new();
    if !state.is_some_and(|state| is_closed(state, media)) {
        return remaining;
    }
    for StoreEntry {
        certificate, key, ..
    } in here::stored().unwrap_or_default()
    {
        if key.may_be_here() {
            let thumbprint = short(&certificate.thumbprint());
            remaining.push(format!("{} ({thumbprint})", certificate.name()));
        }
    }
    remaining
}

fn scanned(
    session: &Session<'_>,
    names: &[String],
    served: &[PathBuf],
    state: Option<&State>,
) -> Result<scan::ScanResult> {
    let paths: Vec<PathBuf> = names.iter().map(|name| media::typed(name)).collect();
    if let Some(missing) = paths.iter().find(|path| !path.exists()) {
        return Err(Error::usage(text!(
            "error-scan-path",
            path = missing.as_path()
        )));
    }
    let mut known = OwnKeys::of(state);
    for one in here::stored().unwrap_or_default() {
        if let Ok(certificate) = Certificate::parse(one.certificate.der) {
            known.add_certificate(&certificate);
        }
    }
    Ok(scan::run(&paths, session.now, &known, served, &|text| {
        session.console.progress(&text)
    }))
}

/// Those of the newest backup, keys that are known to have no backup, and those of this run.
fn exceptions(session: &Session<'_>, state: Option<&State>) -> Vec<Exception> {
    let mut all = Vec::new();
    if let Some(state) = state {
        if let Some(newest) = state.generations().next() {
            all.extend(newest.exceptions.iter().cloned());
            // What is said about a key ends with its certificate, whatever the backup says.
            all.retain(|exception| key_pair_without_key(&exception.rule).is_none());
        }
        for known in state.all_acknowledged(session.now) {
            all.push(Exception {
                rule: rules::rule_without_key(&known.name),
                reason: known.reason.clone(),
                by: None,
                time: None,
                until: None,
            });
        }
    }
    all.extend(session.exceptions.iter().cloned());
    let mut once = Vec::new();
    for exception in all {
        if !once.contains(&exception) {
            once.push(exception);
        }
    }
    once
}

/// The newest generation of a server.
struct Newest {
    server: ServerId,
    /// Where this server knows it; names of others are in the encrypted part of their generations.
    name: Option<String>,
    number: Option<Number>,
    time: Option<Timestamp>,
    /// When the next check or backup is due, where a medium given says.
    due: Option<jiff::civil::Date>,
    key_pairs: usize,
    /// Whether it may no longer write. Nothing is due of it.
    retired: bool,
}

/// Every server whose generations are on the media given, this one, and those that are out of use.
fn servers(media: &[Medium], seen: &AuditInput<'_>) -> Result<Vec<Newest>> {
    let (mut servers, trust) = on_media(media, seen)?;
    if let Some(state) = seen.state {
        let (own, counting) = (
            state.server(),
            state.count_counting(clock::trusted(seen.now, state)),
        );
        match servers.iter_mut().find(|known| known.server == own) {
            Some(own) => {
                own.key_pairs = counting;
                if let (Some(due), Some(first)) = (own.due, due::first_day(state, seen.now)) {
                    own.due = Some(due.min(first));
                }
            }
            None => servers.push(Newest {
                key_pairs: counting,
                ..remembered(state)
            }),
        }
    }
    for server in trust.iter().flat_map(Trust::closed) {
        match servers.iter_mut().find(|known| known.server == server) {
            Some(known) => known.retired = true,
            None => servers.push(Newest {
                retired: true,
                ..Newest::unknown(server)
            }),
        }
    }
    for known in &mut servers {
        let name = seen.state.and_then(|state| state.name_of(known.server));
        known.name = name.map(str::to_owned);
    }
    Ok(servers)
}

/// This server, where no medium given says more.
fn remembered(state: &State) -> Newest {
    let newest = state.generations().next();
    Newest {
        number: newest.map(|newest| newest.number),
        time: newest.map(|newest| newest.time),
        ..Newest::unknown(state.server())
    }
}

/// What the media say: each server's newest whole generation. And whom the owner admitted, as far
/// as it is known here.
fn on_media(media: &[Medium], seen: &AuditInput<'_>) -> Result<(Vec<Newest>, Option<Trust>)> {
    let known = seen.state.map(|state| state.trust.clone());
    let Some(check) = seen.check else {
        return Ok((Vec::new(), known));
    };
    let trust = known.filter(|trust| trust.vault == check.vault);
    let trust = trust.unwrap_or_else(|| Trust::new(check.vault.clone()));
    let survey = Survey::of(media, check.vault.clone(), &trust, Reading::Cached)?;
    let mut servers = Vec::new();
    for (server, number) in check.newest() {
        let mut line = survey.line(server).map(|generation| &generation.record);
        if let Some(record) = line.find(|record| record.number == number) {
            servers.push(Newest {
                number: Some(number),
                time: Some(record.time),
                due: Some(record.due),
                // All files but the catalog are key pairs.
                key_pairs: record.files.len().saturating_sub(1),
                ..Newest::unknown(server)
            });
        }
    }
    Ok((servers, Some(survey.trust.clone())))
}

impl Newest {
    fn unknown(server: ServerId) -> Self {
        Self {
            server,
            name: None,
            number: None,
            time: None,
            due: None,
            key_pairs: 0,
            retired: false,
        }
    }

    fn cells(&self, session: &Session<'_>) -> Vec<String> {
        let none = || session.console.words(&text!("cell-none"));
        let id = self.server.to_string();
        vec![
            match &self.name {
                Some(name) => format!("{name} ({id})"),
                None => id,
            },
            self.number.map_or_else(none, |number| number.to_string()),
            self.time.map_or_else(none, day),
            match self.due {
                _ if self.retired => session.console.words(&text!("cell-retired")),
                Some(due) => due.to_string(),
                None => none(),
            },
            self.key_pairs.to_string(),
        ]
    }

    fn report(&self) -> NewestReport {
        NewestReport {
            server: self.server.to_string(),
            server_name: self.name.clone(),
            generation: self.number.map(|number| number.get()),
            time: self.time.map(|time| time.to_string()),
            due: self.due.map(|due| due.to_string()),
            key_pairs: self.key_pairs,
            retired: self.retired,
        }
    }
}

fn servers_table(session: &Session<'_>, servers: &[Newest]) -> Table {
    let words = |text: Text| session.console.words(&text);
    let mut table = Table::new(vec![
        words(text!("column-server")),
        words(text!("column-newest")),
        words(text!("column-made")),
        words(text!("column-due")),
        words(text!("column-pairs")),
    ]);
    for server in servers {
        table.row(server.cells(session));
    }
    table
}

/// Every medium that this server knows, and those that are here.
fn media_table(session: &Session<'_>, seen: &AuditInput<'_>) -> Table {
    let words = |text: Text| session.console.words(&text);
    let mut table = Table::new(vec![
        words(text!("column-label")),
        words(text!("column-newest")),
        words(text!("column-seen")),
        words(text!("column-verified")),
        words(text!("column-place")),
    ]);
    if let Some(state) = seen.state {
        for (id, medium) in state.media() {
            table.row(known_cells(session, state, medium, here(seen, id)));
        }
    }
    for here in seen.here {
        if known(seen, here).is_none() {
            let label = here.label.as_ref().map(|(_, label)| label.clone());
            let none = words(text!("cell-none"));
            table.row(vec![
                label.unwrap_or_default(),
                none.clone(),
                none.clone(),
                none,
                place(session, here),
            ]);
        }
    }
    table
}

/// A medium that this server knows; `here` if it is here.
fn known_cells(
    session: &Session<'_>,
    state: &State,
    medium: &SeenMedium,
    here: Option<&GivenMedium>,
) -> Vec<String> {
    let words = |text: Text| session.console.words(&text);
    let when = |time: Option<Timestamp>| time.map_or_else(|| words(text!("cell-never")), day);
    let newest = match medium.newest.get(&state.server()) {
        Some(number) => number.to_string(),
        None => words(text!("cell-none")),
    };
    let place = match (medium.retired.map(retired), here) {
        (None, None) => words(text!("cell-away")),
        (None, Some(here)) => place(session, here),
        (Some(retired), None) => words(retired),
        (Some(retired), Some(here)) => format!("{}, {}", words(retired), place(session, here)),
    };
    vec![
        medium.label.clone(),
        newest,
        when(medium.last_seen),
        when(medium.last_verified),
        place,
    ]
}

/// The medium with this id, if it is here.
fn here<'a>(seen: &AuditInput<'a>, id: &str) -> Option<&'a GivenMedium> {
    let is_it = |here: &&GivenMedium| here.label.as_ref().is_some_and(|(own, _)| own == id);
    seen.here.iter().find(is_it)
}

/// What this server knows of a medium that is here.
fn known<'a>(seen: &AuditInput<'a>, here: &GivenMedium) -> Option<&'a SeenMedium> {
    let (id, _) = here.label.as_ref()?;
    seen.state?.media().get(id)
}

fn retired(retired: Retired) -> Text {
    if retired.lost {
        text!("cell-lost")
    } else {
        text!("cell-retired")
    }
}

/// Where a medium is, in one cell.
fn place(session: &Session<'_>, here: &GivenMedium) -> String {
    let Some(facts) = &here.facts else {
        return here.name.clone();
    };
    let words = |text: Text| session.console.words(&text);
    let device = match facts.device {
        Device::Removable => text!("device-removable"),
        Device::Network => text!("device-network"),
        Device::SystemDisk => text!("device-system-disk"),
        Device::FixedDisk => text!("device-fixed-disk"),
        Device::Memory => text!("device-memory"),
    };
    let mut parts = vec![here.name.clone(), words(device), facts.file_system.clone()];
    if let Some(free) = facts.free {
        parts.push(words(text!("cell-free", size = size(free))));
    }
    parts.extend(facts.encryption.clone());
    if facts.read_only.is_some() {
        parts.push(words(text!("cell-read-only")));
    }
    parts.join(", ")
}

fn strays_table(session: &Session<'_>, seen: &AuditInput<'_>) -> Table {
    let words = |text: Text| session.console.words(&text);
    let mut table = Table::new(vec![
        words(text!("column-file")),
        words(text!("column-form")),
        words(text!("column-password")),
        words(text!("column-key-pair")),
        words(text!("column-rule")),
    ]);
    if let Some(scan) = seen.scan {
        for found in &scan.found {
            table.row(stray_cells(session, found));
        }
    }
    table
}

fn stray_cells(session: &Session<'_>, found: &StrayKey) -> Vec<String> {
    let words = |text: Text| session.console.words(&text);
    let password = match found.seen.protection {
        KeyProtection::Open => text!("cell-open"),
        KeyProtection::Password => text!("cell-password"),
        KeyProtection::Unknown => text!("cell-key-unknown"),
    };
    let owner = match &found.seen.owner {
        KeyOwner::Ours(name) => name.clone(),
        KeyOwner::Other => words(text!("cell-other")),
        KeyOwner::Unknown => words(text!("cell-key-unknown")),
    };
    let rules: Vec<_> = found.rules.iter().map(|rule| rule.id()).collect();
    let rules = if rules.is_empty() {
        words(text!("cell-none"))
    } else {
        rules.join(", ")
    };
    vec![
        where_it_is(found),
        found.seen.form.name().to_owned(),
        words(password),
        owner,
        rules,
    ]
}

fn where_it_is(found: &StrayKey) -> String {
    let mut names = vec![found.path.display().to_string()];
    names.extend(found.inside.iter().cloned());
    names.join(" > ")
}

fn rule_name(rule: Rule) -> Text {
    match rule {
        Rule::NoEmail => text!("rule-no-email"),
        Rule::NoSharedDrive => text!("rule-no-shared-drive"),
        Rule::OtherMedium => text!("rule-other-medium"),
        Rule::NoHandover => text!("rule-no-handover"),
        Rule::PasswordKept => text!("rule-password-kept"),
    }
}

fn level_name(level: EvidenceLevel) -> Text {
    match level {
        EvidenceLevel::Note => text!("level-note"),
        EvidenceLevel::Kept => text!("level-kept"),
        EvidenceLevel::NotFound => text!("level-not-found"),
        EvidenceLevel::SetAside => text!("level-set-aside"),
        EvidenceLevel::Unknown => text!("level-unknown"),
        EvidenceLevel::Attention => text!("level-attention"),
        EvidenceLevel::Broken => text!("level-broken"),
    }
}

fn verdict(judged: &[RuleVerdict]) -> Text {
    let counts = audit::count(judged);
    let looked_at = counts.total - counts.unknown;
    match audit::exit(judged) {
        Exit::Done => text!(
            "audit-good",
            looked_at = looked_at,
            total = Rule::ALL.len(),
            set_aside = counts.set_aside
        ),
        _ => text!(
            "audit-bad",
            looked_at = looked_at,
            total = Rule::ALL.len(),
            broken = counts.broken,
            attention = counts.attention,
            set_aside = counts.set_aside,
            unknown = counts.unknown
        ),
    }
}

/// What was seen, and who put it to rest where somebody did.
fn worded(session: &Session<'_>, one: &Evidence) -> Text {
    let text = seen_text(session, &one.text);
    match one.at_rest() {
        Some(known) => rest::with(known, text),
        None => text,
    }
}

/// What a check found, on one line and without the level that it begins with: the line says it already.
fn seen_text(session: &Session<'_>, text: &Text) -> Text {
    let Some(("finding", Arg::Text(finding))) = text.args.first() else {
        return text.clone();
    };
    let words = session.console.words(finding);
    let levels = [text!("found-attention"), text!("found-note")];
    let levels = levels.map(|level| session.console.words(&level));
    let bare = levels.iter().find_map(|level| words.strip_prefix(level));
    let bare = bare.unwrap_or(&words).trim_start();
    let lines: Vec<_> = bare.lines().map(str::trim).collect();
    text!("audit-finding", finding = lines.join(" "))
}

/// What was searched and when, where something was.
fn scanned_text(seen: &AuditInput<'_>) -> Option<Text> {
    let scan = seen.scan?;
    let paths: Vec<_> = scan
        .paths
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    Some(text!(
        "audit-scanned",
        by = platform::account().unwrap_or_else(|| "-".to_owned()),
        time = moment(scan.time),
        paths = paths.join(", "),
        count = scan.files
    ))
}

fn show(session: &Session<'_>, screen: &AuditScreen<'_>) {
    session.console.say(&verdict(screen.judged));
    if let Some(scanned) = scanned_text(screen.seen) {
        session.console.say(&scanned);
    }
    for judged in screen.judged {
        let (level, rule) = (level_name(judged.verdict()), rule_name(judged.rule));
        session.console.say(&text!(
            "audit-rule",
            level = level,
            rule = rule,
            id = judged.rule.id()
        ));
        for one in &judged.evidence {
            let line = text!(
                "audit-evidence",
                level = level_name(one.level()),
                evidence = worded(session, one)
            );
            if one.level() >= EvidenceLevel::SetAside {
                session.console.say(&line)
            } else {
                session.console.mention(&line)
            }
        }
    }
    let evidence = screen.judged.iter().flat_map(|judged| &judged.evidence);
    session.say_how_to_rest(evidence.flat_map(|one| &one.findings));
    for table in [&screen.servers_table, &screen.media, &screen.strays] {
        if !table.is_empty() {
            session.console.table(table);
        }
    }
}

fn write_page(session: &Session<'_>, screen: &AuditScreen<'_>, path: &Path) -> Result<()> {
    let words = |text: Text| session.console.words(&text);
    let mut page = titled_page(session, screen.seen.state);
    add_rules(session, &mut page, screen.judged);
    if let Some(scanned) = scanned_text(screen.seen) {
        page.paragraph(&words(scanned));
    }
    for (heading, table) in [
        (text!("page-servers"), &screen.servers_table),
        (text!("page-media"), &screen.media),
        (text!("page-strays"), &screen.strays),
    ] {
        if !table.is_empty() {
            page.section(&words(heading));
            page.table(table);
        }
    }
    page.section(&words(text!("page-signature")));
    page.paragraph(&words(text!("page-signature-line")));
    private_files::create_private(path, page.render().as_bytes())
        .map_err(|e| Error::failed(text!("error-page", path = path, reason = &e)))
}

/// Adds the rules to the page, each with its evidence.
fn add_rules(session: &Session<'_>, page: &mut Page, judged: &[RuleVerdict]) {
    let words = |text: Text| session.console.words(&text);
    page.section(&words(text!("page-rules")));
    page.paragraph(&words(verdict(judged)));
    for judged in judged {
        let (rule, level) = (rule_name(judged.rule), level_name(judged.verdict()));
        page.part(&format!("{}: {}", words(rule), words(level)));
        let mut lines = Vec::new();
        for one in &judged.evidence {
            let (level, text) = (one.level(), words(worded(session, one)));
            lines.push((level.id(), words(level_name(level)), text));
        }
        page.marked(&lines);
    }
}

/// An empty page that says of which server and vault it is, and when it was made.
fn titled_page(session: &Session<'_>, state: Option<&State>) -> Page {
    let words = |text: Text| session.console.words(&text);
    let (server, vault) = match state {
        Some(state) => (state.server_name().to_owned(), state.vault().to_string()),
        None => (media::host_name(), words(text!("cell-none"))),
    };
    let mut page = Page::new(
        &words(text!("page-language")),
        &words(text!("page-title", server = server)),
    );
    page.facts(&words(text!(
        "page-made",
        time = moment(session.now),
        version = env!("CARGO_PKG_VERSION"),
        vault = vault
    )));
    page
}

fn document(session: &Session<'_>, screen: &AuditScreen<'_>) -> AuditReport {
    let mut rules = Vec::new();
    for judged in screen.judged {
        let mut evidence = Vec::new();
        for one in &judged.evidence {
            evidence.push(EvidenceReport {
                level: one.level().id(),
                id: one.text.id,
                text: session.console.words(&seen_text(session, &one.text)),
                keys: one.findings.iter().map(Finding::key).collect(),
                at_rest: one.at_rest().map(AtRestReport::of),
            });
        }
        rules.push(RuleReport {
            rule: judged.rule.id(),
            verdict: judged.verdict().id(),
            evidence,
        });
    }
    let scan = screen.seen.scan.map(|scan| ScanReport {
        paths: scan
            .paths
            .iter()
            .map(|path| path.display().to_string())
            .collect(),
        time: scan.time.to_string(),
        account: platform::account(),
        files: scan.files,
        found: scan.found.iter().map(stray_report).collect(),
        unread: scan.unread,
        in_part: scan.in_part,
        stopped: scan.stopped,
    });
    AuditReport {
        rules,
        servers: screen.servers.iter().map(Newest::report).collect(),
        media: media_report(screen.seen),
        scan,
    }
}

/// The media that are here, then those that this server knows and that are not.
fn media_report(seen: &AuditInput<'_>) -> Vec<AuditedMediumReport> {
    let mut reports = Vec::new();
    for here in seen.here {
        reports.push(AuditedMediumReport {
            medium: Some(here.name.clone()),
            label: here.label.as_ref().map(|(_, label)| label.clone()),
            retired: known(seen, here).and_then(|known| known.retired),
            facts: here.facts.as_ref().map(FactsReport::of),
        });
    }
    for (id, known) in seen.state.iter().flat_map(|state| state.media()) {
        if here(seen, id).is_none() {
            reports.push(AuditedMediumReport {
                medium: None,
                label: Some(known.label.clone()),
                retired: known.retired,
                facts: None,
            });
        }
    }
    reports
}

impl FactsReport {
    fn of(facts: &Facts) -> Self {
        let shares = facts.shares.iter().map(|share| share.name.clone());
        Self {
            place: facts.real_path.display().to_string(),
            file_system: facts.file_system.clone(),
            device: device_id(facts.device),
            hardware: facts.hardware.clone(),
            free: facts.free,
            read_only: facts.read_only.is_some(),
            encryption: facts.encryption.clone(),
            synced: facts.synced.as_ref().map(|synced| synced.by.clone()),
            shares: shares.collect(),
        }
    }
}

fn device_id(device: Device) -> &'static str {
    match device {
        Device::Removable => "removable",
        Device::Network => "network",
        Device::SystemDisk => "system-disk",
        Device::FixedDisk => "fixed-disk",
        Device::Memory => "memory",
    }
}

fn stray_report(found: &StrayKey) -> StrayReport {
    let protected = match found.seen.protection {
        KeyProtection::Open => Some(false),
        KeyProtection::Password => Some(true),
        KeyProtection::Unknown => None,
    };
    let (ours, name) = match &found.seen.owner {
        KeyOwner::Ours(name) => (Some(true), Some(name.clone())),
        KeyOwner::Other => (Some(false), None),
        KeyOwner::Unknown => (None, None),
    };
    StrayReport {
        path: found.path.display().to_string(),
        inside: found.inside.clone(),
        form: found.seen.form.name(),
        protected,
        ours,
        key_pair: name,
        rules: found.rules.iter().map(|rule| rule.id()).collect(),
    }
}
