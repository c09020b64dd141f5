//! A backup: selects, asks the rules, leads through `create` or `media add` where needed, writes,
//! and says what is safe.

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::cli::BackupArgs;
use crate::console::Enter;
use crate::error::{Error, Exit, Result};
use crate::keypair::Certificate;
use crate::keystore::{HeldKeyPair, Inventory, UnreadableKeyPair, retain_used};
use crate::message::{Text, day, end_of_day};
use crate::platform::media;
use crate::rules::{self, Stored};
use crate::session::here::folders_served;
use crate::session::media::parcel_path;
use crate::session::other_uses;
use crate::session::report::FindingReport;
use crate::session::source::{acknowledged, without_key};
use crate::session::{Session, create};
use crate::state::{A_YEAR, Acknowledged, State};
use crate::text;
use crate::workflow::backup::{self, BackupRequest, Done, OnMedium, Outcome};
use crate::workflow::finding;
use secret::Password;
use vault::medium::Medium;

/// What was saved, or would be.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum BackupReport {
    /// The plan.
    Planned(PlannedBackup),
    /// The backup.
    Made(Box<MadeBackup>),
}

/// What would be saved.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct PlannedBackup {
    /// Nothing was written.
    dry_run: bool,
    /// How many would be saved.
    key_pairs: usize,
    /// How many could not be read.
    missing: usize,
    /// What is in use and no generation holds.
    in_use: Vec<InUse>,
    /// What would be saved although it was retired.
    findings: Vec<FindingReport>,
}

/// What was saved, and where to.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct MadeBackup {
    /// The vault.
    vault: String,
    /// This server's id.
    server: String,
    /// The new generation; nothing where none was needed.
    generation: Option<u32>,
    /// How many key pairs are saved.
    saved: usize,
    /// What could not be read.
    missing: Vec<UnreadableReport>,
    /// What is in use and no generation holds.
    in_use: Vec<InUse>,
    /// Each medium.
    media: Vec<OnMediumReport>,
    /// What no site uses, and was left out.
    unused: Vec<String>,
    /// How many sites are kept with it.
    sites: Option<usize>,
    /// The parcels that were sealed.
    parcels: Vec<String>,
    /// Generations that waited in the outbox.
    delivered: Vec<String>,
    /// What was found on the media.
    findings: Vec<FindingReport>,
}

/// A key pair that could not be read.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct UnreadableReport {
    name: String,
    reason: String,
    /// Why that is no alarm.
    acknowledged: Option<String>,
}

/// What became of one medium.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct OnMediumReport {
    medium: String,
    label: String,
    result: &'static str,
    decayed: Vec<String>,
}

/// Makes a backup and tells about it in sentences; its document is left to the caller.
pub fn back_up(
    session: &Session<'_>,
    args: &BackupArgs,
    to: &[String],
) -> Result<(Exit, BackupReport)> {
    back_up_from(session, args, to, || {
        session.chosen(&args.names, &args.from.from, &args.from.files)
    })
}

/// The same, from wherever `read` gets what was named.
pub fn back_up_from(
    session: &Session<'_>,
    args: &BackupArgs,
    to: &[String],
    read: impl FnOnce() -> Result<Inventory>,
) -> Result<(Exit, BackupReport)> {
    let parcels = parcels(session, to)?;
    let names: Vec<_> = to
        .iter()
        .filter(|name| parcel_path(name).is_none())
        .cloned()
        .collect();
    let media: Vec<Medium> = names
        .iter()
        .map(|name| session.medium_to_write(name))
        .collect::<Result<_>>()?;
    warn_of_one_device(session, &media);
    let holdings = without_unused(session, args, read()?)?;
    say_other_uses(session, args, &holdings);
    if args.dry_run {
        return Ok(show_plan(session, args, &holdings));
    }
    let mut state = prepare(session, &media, args.yes)?;
    acknowledge(session, &mut state, &holdings)?;
    let password = chosen_password(session, args)?;
    let request = request(session, args, &holdings, password.as_ref());
    let progress = |text| session.console.progress(&text);
    let outcome = backup::run_with_parcels(&mut state, &media, &parcels, &request, &progress)?;
    Ok(report(session, args, &state, &holdings, &parcels, &outcome))
}

/// What would be saved; ends as the backup itself would, as far as that can be told.
fn show_plan(
    session: &Session<'_>,
    args: &BackupArgs,
    holdings: &Inventory,
) -> (Exit, BackupReport) {
    let known = session.memory();
    let state = known.state.as_ref();
    let lacks = Lacks::of(session, args, state, holdings);
    let mut findings = state.map_or_else(Vec::new, |state| backup::retired_among(state, holdings));
    finding::mark(&mut findings, state, session.now);
    session.show_findings(&findings);
    lacks.say(session);
    say_unused(session, holdings);
    let (count, missing) = (holdings.key_pairs.len(), holdings.unreadable.len());
    session
        .console
        .say(&text!("backup-plan", count = count, missing = missing));
    let report = PlannedBackup {
        dry_run: true,
        key_pairs: count,
        missing,
        in_use: lacks.in_use(),
        findings: FindingReport::of(session.console, &findings),
    };
    let exit = match lacks.exit() {
        Exit::Done => finding::beside(&findings),
        exit => exit,
    };
    (exit, BackupReport::Planned(report))
}

fn request<'a>(
    session: &'a Session<'_>,
    args: &'a BackupArgs,
    holdings: &'a Inventory,
    password: Option<&'a Password>,
) -> BackupRequest<'a> {
    BackupRequest {
        holdings,
        selected: &args.names,
        profile: args.reader.profile(),
        password,
        exceptions: &session.exceptions,
        force: args.force,
        now: session.now,
    }
}

/// Where no stick is at hand: seals everything of this server's stores into the outbox, and says
/// that it is no backup until a stick has it. On a server that is not enrolled nothing can be
/// sealed; what that means is said, too.
pub fn keep_in_outbox(session: &Session<'_>) -> Result<()> {
    let Some(mut state) = session.state()? else {
        session.console.warn(&text!("install-only-here"));
        return Ok(());
    };
    let args = BackupArgs::everything_of_this_server(Vec::new());
    let holdings = without_unused(
        session,
        &args,
        session.chosen(&args.names, &args.from.from, &args.from.files)?,
    )?;
    let request = request(session, &args, &holdings, None);
    if let Some(number) = backup::to_outbox(&mut state, &request, &|text| {
        session.console.progress(&text)
    })? {
        session
            .console
            .say(&text!("outbox-sealed", number = number.get()));
    }
    if state.on_the_way().next().is_some() {
        session.console.warn(&text!("install-only-here"));
    }
    Ok(())
}

/// Parcels to seal: each a new file, wherever it may pass.
fn parcels(session: &Session<'_>, names: &[String]) -> Result<Vec<PathBuf>> {
    let files: Vec<PathBuf> = names.iter().filter_map(|name| parcel_path(name)).collect();
    let served = folders_served();
    for file in &files {
        let warnings = rules::judge_served(file, Stored::Parcel, &served, &session.exceptions)?;
        if file.exists() {
            return Err(Error::failed(text!(
                "error-parcel-exists",
                path = file.as_path()
            )));
        }
        if !warnings.is_empty() {
            session
                .console
                .warn(&text!("parcel-on-share", path = file.as_path()));
        }
    }
    Ok(files)
}

/// Takes `--accept no-key:NAME=REASON` down. A key pair of that name must be here, and have no key
/// to back up.
fn acknowledge(session: &Session<'_>, state: &mut State, holdings: &Inventory) -> Result<()> {
    for exception in &session.exceptions {
        let Some(name) = rules::key_pair_without_key(&exception.rule) else {
            continue;
        };
        let last = exception.until.and_then(end_of_day);
        let mut is_known = false;
        for one in &holdings.unreadable {
            if !one.is_called(name) {
                continue;
            }
            if let Some(certificate) = &one.certificate {
                state.acknowledge(certificate, &exception.reason, last);
                is_known = true;
            } else if let Some(fingerprint) = one.fingerprint() {
                let end = session.now + A_YEAR;
                let known = Acknowledged {
                    name: one.name.clone(),
                    reason: exception.reason.clone(),
                    until: last.map_or(end, |last| last.min(end)),
                };
                state.acknowledge_file(fingerprint, known);
                is_known = true;
            }
        }
        if !is_known {
            return Err(Error::usage(text!("error-not-without-key", name = name)));
        }
    }
    Ok(())
}

/// What a backup of these holdings leaves out.
struct Lacks<'a> {
    holdings: &'a Inventory,
    /// What could not be read, each with what was said about it, if that still holds.
    unreadable: Vec<(&'a UnreadableKeyPair, Option<Acknowledged>)>,
    /// What is in use and no generation holds.
    in_use: Vec<InUse>,
    /// Whether everything was asked for.
    everything: bool,
}

/// A certificate that IIS or another program uses.
#[derive(Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct InUse {
    thumbprint: String,
    /// What people call it; `None` where it was not found.
    name: Option<String>,
    uses: Vec<String>,
}

impl<'a> Lacks<'a> {
    fn of(
        session: &Session<'_>,
        args: &BackupArgs,
        state: Option<&State>,
        holdings: &'a Inventory,
    ) -> Self {
        let known =
            |certificate: &Certificate| state?.acknowledged(certificate, session.now).cloned();
        let (mut unreadable, mut accepted) = (Vec::new(), Vec::new());
        for one in &holdings.unreadable {
            let said = state.and_then(|state| acknowledged(state, one, session.now));
            let said = said.cloned();
            let said = said.or_else(|| named_now(session, one));
            if said.is_some() {
                accepted.extend(one.thumbprint());
            }
            unreadable.push((one, said));
        }
        for one in &holdings.left_out {
            if known(one).is_some() {
                accepted.push(one.thumbprint());
            }
        }
        let mut in_use = Vec::new();
        if let Some(map) = &holdings.site_map {
            let of_iis = map.used();
            for thumbprint in map.used_by_anybody() {
                let name = name_without_key(holdings, &thumbprint);
                // What another program is set to and no store holds is nobody's key pair here.
                let is_here = name.is_some() || of_iis.contains(&thumbprint);
                let is_missing = is_here && !is_held(&thumbprint, state, holdings);
                if is_missing && !accepted.contains(&thumbprint) {
                    in_use.push(InUse {
                        name,
                        uses: map.users_of(&thumbprint),
                        thumbprint,
                    });
                }
            }
        }
        Self {
            holdings,
            unreadable,
            in_use,
            everything: args.names.is_empty(),
        }
    }

    fn say(&self, session: &Session<'_>) {
        for (one, said) in &self.unreadable {
            let (name, reason) = (one.name.as_str(), one.reason.clone());
            match said {
                None => {
                    session
                        .console
                        .warn(&text!("backup-missing", name = name, reason = reason))
                }
                Some(known) => session.console.say(&text!(
                    "backup-missing-known",
                    name = name,
                    reason = reason,
                    until = day(known.until),
                    why = known.reason.as_str()
                )),
            }
        }
        // Where names were given, the others were not asked for.
        if self.everything {
            let certificates = self.holdings.certificates.iter();
            for text in certificates.filter_map(|one| without_key(self.holdings, one)) {
                session.console.warn(&text);
            }
        }
        for one in &self.in_use {
            if !self.is_named(one) {
                session.console.warn(&one.text());
            }
        }
        if let Some(reason) = &self.holdings.sites_unread {
            session
                .console
                .warn(&text!("backup-without-sites", reason = reason.clone()));
        }
    }

    /// Whether it was named as unreadable already.
    fn is_named(&self, one: &InUse) -> bool {
        self.holdings.unreadable.iter().any(|unreadable| {
            unreadable.thumbprint().as_ref() == Some(&one.thumbprint)
                || unreadable.name == one.thumbprint
        })
    }

    fn exit(&self) -> Exit {
        let unexpected = self.unreadable.iter().any(|(_, said)| said.is_none());
        match self.in_use.is_empty() {
            _ if unexpected || self.holdings.sites_unread.is_some() => Exit::Partly,
            true => Exit::Done,
            false if self.everything => Exit::Partly,
            false => Exit::Attention,
        }
    }

    /// What could not be read, for programs.
    fn missing(&self, session: &Session<'_>) -> Vec<UnreadableReport> {
        let mut reports = Vec::new();
        for (one, said) in &self.unreadable {
            reports.push(UnreadableReport {
                name: one.name.clone(),
                reason: session.console.words(&one.reason),
                acknowledged: said.as_ref().map(|known| known.reason.clone()),
            });
        }
        reports
    }

    /// What is in use and no generation holds, for programs.
    fn in_use(&self) -> Vec<InUse> {
        self.in_use.clone()
    }
}

impl InUse {
    fn text(&self) -> Text {
        let (thumbprint, uses) = (self.thumbprint.as_str(), self.uses.join(", "));
        match &self.name {
            Some(name) => text!(
                "backup-in-use",
                name = name.as_str(),
                thumbprint = thumbprint,
                uses = uses
            ),
            None => text!(
                "backup-missing",
                name = thumbprint,
                reason = text!("reason-in-use-not-found", uses = uses)
            ),
        }
    }
}

/// Whether a generation holds a certificate's key pair, or this one will.
fn is_held(thumbprint: &str, state: Option<&State>, holdings: &Inventory) -> bool {
    let mut written = state
        .into_iter()
        .flat_map(State::generations)
        .flat_map(|written| &written.key_pairs);
    let mut saved = holdings.key_pairs.iter();
    written.any(|pair| pair.thumbprint == thumbprint)
        || saved.any(|held| held.leaf().thumbprint() == thumbprint)
}

/// What people call a certificate that was found without a key to back up.
fn name_without_key(holdings: &Inventory, thumbprint: &str) -> Option<String> {
    let unreadable = holdings.unreadable.iter();
    let mut certificates = unreadable
        .filter_map(|one| one.certificate.as_ref())
        .chain(&holdings.left_out);
    let found = certificates.find(|certificate| certificate.thumbprint() == thumbprint)?;
    Some(found.display_name().to_owned())
}

/// What `--accept` of this very run says about a key pair without a key.
fn named_now(session: &Session<'_>, unreadable: &UnreadableKeyPair) -> Option<Acknowledged> {
    let until = match &unreadable.certificate {
        Some(certificate) => certificate.not_after(),
        None => unreadable.fingerprint().map(|_| session.now + A_YEAR)?,
    };
    let names = |rule: &str| {
        rules::key_pair_without_key(rule).is_some_and(|name| unreadable.is_called(name))
    };
    let exception = session
        .exceptions
        .iter()
        .find(|exception| names(&exception.rule))?;
    let last = exception.until.and_then(end_of_day);
    Some(Acknowledged {
        name: unreadable.name.clone(),
        reason: exception.reason.clone(),
        until: last.map_or(until, |last| last.min(until)),
    })
}

/// Leaves out what no site uses, where nothing was named and not everything asked for; takes the
/// sites from `--iis-config`.
fn without_unused(
    session: &Session<'_>,
    args: &BackupArgs,
    mut holdings: Inventory,
) -> Result<Inventory> {
    if args.names.is_empty() && !args.all {
        retain_used(&mut holdings);
    }
    if let Some(file) = &args.iis_config {
        let (map, assigned) = holdings.sites_of(file, session.now)?;
        session.console.mention(&text!(
            "backup-assigned",
            count = assigned,
            path = file.as_path()
        ));
        (holdings.site_map, holdings.sites_unread) = (Some(map), None);
    }
    Ok(holdings)
}

fn say_other_uses(session: &Session<'_>, args: &BackupArgs, holdings: &Inventory) {
    let Some(map) = &holdings.site_map else {
        return;
    };
    let leaves: Vec<_> = holdings.key_pairs.iter().map(HeldKeyPair::leaf).collect();
    other_uses::say(session, map, &leaves);
    if args.names.is_empty() {
        let unreadable = holdings.unreadable.iter();
        let unreadable = unreadable.filter_map(|one| one.certificate.as_ref());
        let here: Vec<_> = leaves
            .into_iter()
            .chain(unreadable)
            .chain(&holdings.left_out)
            .collect();
        other_uses::say_nowhere(session, map, &here);
    }
}

fn say_unused(session: &Session<'_>, holdings: &Inventory) {
    if !holdings.unused.is_empty() {
        let (count, names) = (holdings.unused.len(), holdings.unused.join(", "));
        session
            .console
            .mention(&text!("backup-unused", count = count, names = names));
    }
}

/// Two folders of one stick are one medium.
fn warn_of_one_device(session: &Session<'_>, media: &[Medium]) {
    let facts: Vec<_> = media.iter().filter_map(media::facts_of).collect();
    if media::independent(&facts) < facts.len() {
        let names: Vec<_> = media.iter().map(|medium| medium.name.as_str()).collect();
        session
            .console
            .warn(&text!("backup-one-device", media = names.join(", ")));
    }
}

/// The password for every PFX, where the user wants one of their own.
fn chosen_password(session: &Session<'_>, args: &BackupArgs) -> Result<Option<Password>> {
    let wanted = args.ask_pfx_password || args.pfx_password_file.is_some();
    if !wanted {
        return Ok(None);
    }
    let password = session.pfx_password(args.pfx_password_file.as_deref())?;
    Ok(Some(password))
}

/// This server's state; a vault on every medium, made after asking.
fn prepare(session: &Session<'_>, media: &[Medium], yes: bool) -> Result<State> {
    let mut state = session.state()?;
    for medium in media {
        let there = medium.holds_vault()?;
        let name = medium.name.as_str();
        state = Some(match state {
            None if there => {
                return Err(Error::new(
                    Exit::NoVault,
                    text!("error-not-enrolled-here", medium = name),
                ));
            }
            None => {
                session.go_ahead(
                    yes,
                    &text!("backup-create-question", medium = name),
                    Enter::Yes,
                )?;
                create::create(session, medium, None, None, false)?
            }
            Some(mut state) if !there => {
                session.warn_of_remade(&state, medium);
                session.go_ahead(
                    yes,
                    &text!("backup-add-question", medium = name),
                    Enter::Yes,
                )?;
                let label = state.next_label();
                backup::add_medium(&mut state, medium, &label, session.now)?;
                state
            }
            Some(state) => state,
        });
    }
    state.ok_or_else(|| Error::new(Exit::NoVault, text!("error-not-enrolled")))
}

fn report(
    session: &Session<'_>,
    args: &BackupArgs,
    state: &State,
    holdings: &Inventory,
    parcels: &[PathBuf],
    outcome: &Outcome,
) -> (Exit, BackupReport) {
    let console = session.console;
    let saved = holdings.key_pairs.len();
    let total = saved + holdings.unreadable.len();
    session.show_findings(&outcome.findings);
    say_outbox(session, outcome);
    for on in &outcome.media {
        say_medium(session, on, outcome, saved, total);
    }
    let lacks = Lacks::of(session, args, Some(state), holdings);
    lacks.say(session);
    say_unused(session, holdings);
    for path in parcels {
        say_parcel(session, path, outcome, saved, total);
    }
    if outcome.number.is_some() && !outcome.media.is_empty() {
        console.mention(&text!("backup-passwords"));
        let (count, source) = (state.media_in_use().count(), args.from.from.as_str());
        console.mention(&text!("backup-next", count = count, source = source));
    }
    session.remind_of_ways(state);
    let exit = exit_code(lacks.exit(), outcome);
    let made = MadeBackup::of(session, state, &lacks, parcels, outcome);
    (exit, BackupReport::Made(Box::new(made)))
}

impl MadeBackup {
    fn of(
        session: &Session<'_>,
        state: &State,
        lacks: &Lacks<'_>,
        parcels: &[PathBuf],
        outcome: &Outcome,
    ) -> Self {
        let holdings = lacks.holdings;
        let files = parcels.iter().map(|path| path.display().to_string());
        Self {
            vault: state.vault().to_string(),
            server: state.server().to_string(),
            generation: outcome.number.map(|number| number.get()),
            saved: holdings.key_pairs.len(),
            missing: lacks.missing(session),
            in_use: lacks.in_use(),
            media: outcome.media.iter().map(OnMediumReport::of).collect(),
            unused: holdings.unused.clone(),
            sites: holdings.site_map.as_ref().map(|map| map.sites.len()),
            parcels: files.collect(),
            delivered: outcome.outbox.delivered.clone(),
            findings: FindingReport::of(session.console, &outcome.findings),
        }
    }
}

impl OnMediumReport {
    fn of(on: &OnMedium) -> Self {
        Self {
            medium: on.name.clone(),
            label: on.label.clone(),
            result: result_id(&on.done),
            decayed: on.decayed.clone(),
        }
    }
}

fn say_medium(session: &Session<'_>, on: &OnMedium, outcome: &Outcome, saved: usize, total: usize) {
    let (medium, label) = (on.name.as_str(), on.label.as_str());
    let number = outcome.number.map_or(0, |number| number.get());
    match &on.done {
        Done::Written => session.console.say(&text!(
            "backup-done",
            saved = saved,
            total = total,
            medium = medium,
            label = label,
            number = number
        )),
        Done::OneCopy(reason) => session.console.warn(&text!(
            "backup-one-copy",
            saved = saved,
            medium = medium,
            label = label,
            number = number,
            reason = reason.clone()
        )),
        Done::Unchanged(number) => session.console.say(&text!(
            "backup-unchanged",
            medium = medium,
            label = label,
            number = number.get()
        )),
        Done::Failed(reason) => session.console.warn(&text!(
            "backup-failed",
            medium = medium,
            reason = reason.clone()
        )),
    }
    for generation in &on.decayed {
        session.console.warn(&text!(
            "backup-decayed",
            medium = medium,
            generation = generation
        ));
    }
}

/// What waited in the outbox.
fn say_outbox(session: &Session<'_>, outcome: &Outcome) {
    for generation in &outcome.outbox.delivered {
        session
            .console
            .say(&text!("backup-delivered", generation = generation));
    }
    for (path, reason) in &outcome.outbox.stuck {
        session.console.warn(&text!(
            "backup-stuck",
            path = path.as_path(),
            reason = reason.clone()
        ));
    }
}

fn say_parcel(session: &Session<'_>, path: &Path, outcome: &Outcome, saved: usize, total: usize) {
    let number = outcome.number.map_or(0, |number| number.get());
    session.console.say(&text!(
        "parcel-sealed",
        saved = saved,
        total = total,
        path = path,
        number = number
    ));
}

fn result_id(done: &Done) -> &'static str {
    match done {
        Done::Written => "written",
        Done::OneCopy(_) => "one-copy",
        Done::Unchanged(_) => "unchanged",
        Done::Failed(_) => "failed",
    }
}

/// A medium that failed outweighs a key pair that is missing and that nobody has acknowledged,
/// which outweighs a copy that is not there yet. `lacking` is what the holdings alone lead to.
fn exit_code(lacking: Exit, outcome: &Outcome) -> Exit {
    let any = |wanted: fn(&Done) -> bool| outcome.media.iter().any(|on| wanted(&on.done));
    match () {
        () if any(|done| matches!(done, Done::Failed(_))) => Exit::Partly,
        () if lacking == Exit::Partly => Exit::Partly,
        () if any(|done| matches!(done, Done::OneCopy(_))) => Exit::Attention,
        () if outcome.media.iter().any(|on| !on.decayed.is_empty())
            || !outcome.outbox.stuck.is_empty() =>
        {
            Exit::Attention
        }
        () if finding::beside(&outcome.findings) == Exit::Attention => Exit::Attention,
        () => lacking,
    }
}
