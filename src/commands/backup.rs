//! `backup`: selects, asks the rules, leads through `create` or `media add` where needed, writes, and says what is safe.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::backup::{self, Done, OnMedium, Outcome, Request};
use crate::cli::Backup;
use crate::commands::{Run, create, day, parcel_file};
use crate::error::{Error, Exit, Result};
use crate::media;
use crate::rules::{self, Stored};
use crate::secret::Password;
use crate::server::iis::{SiteMap, folders_served, keep_used};
use crate::server::{Holdings, Unreadable};
use crate::state::{Acknowledged, State};
use crate::text;
use crate::vault::medium::Medium;
use crate::verify::Level;

/// Runs the command.
pub fn run(run: &Run<'_>, args: &Backup) -> Result<Exit> {
    let to = destinations(run, args)?;
    let (mut exit, mut document) = back_up(run, args, &to)?;
    if !args.dry_run {
        let ejected;
        (exit, ejected) = run.take_out(&to, args.afterwards, !args.yes, exit);
        document["ejected"] = ejected.into();
    }
    run.console.document(exit, document);
    Ok(exit)
}

/// Makes a backup and tells about it in sentences; its document is left to the caller.
pub fn back_up(run: &Run<'_>, args: &Backup, to: &[String]) -> Result<(Exit, Value)> {
    let parcels = parcels(run, to)?;
    let names: Vec<_> = to.iter().filter(|name| parcel_file(name).is_none()).cloned().collect();
    let media: Vec<Medium> = names.iter().map(|name| run.medium_to_write(name)).collect::<Result<_>>()?;
    warn_of_one_device(run, &media);
    let holdings = chosen(run, args)?;
    if args.dry_run {
        say_unused(run, &holdings);
        run.console.say(&text!("backup-plan", count = holdings.key_pairs.len(), missing = holdings.unreadable.len()));
        let (count, missing) = (holdings.key_pairs.len(), holdings.unreadable.len());
        return Ok((Exit::Done, json!({ "dry_run": true, "key_pairs": count, "missing": missing })));
    }
    let mut state = prepare(run, &media, args.yes)?;
    acknowledge(run, &mut state, &holdings)?;
    let password = chosen_password(run, args)?;
    let request = request(run, args, &holdings, password.as_ref());
    let progress = |text| run.console.progress(&text);
    let outcome = backup::run_with_parcels(&mut state, &media, &parcels, &request, &progress)?;
    Ok(report(run, &state, &holdings, &parcels, &outcome))
}

/// Where to: as was said, else what a person chooses.
fn destinations(run: &Run<'_>, args: &Backup) -> Result<Vec<String>> {
    if !args.to.is_empty() {
        return Ok(args.to.clone());
    }
    if !run.console.interactive() {
        return Err(Error::usage(text!("error-missing-argument", argument = "--to <MEDIUM>")));
    }
    let chosen = run.choose_medium(&text!("menu-to-medium"))?;
    chosen.map(|medium| vec![medium]).ok_or_else(|| Error::usage(text!("error-declined")))
}

fn request<'a>(
    run: &'a Run<'_>,
    args: &'a Backup,
    holdings: &'a Holdings,
    password: Option<&'a Password>,
) -> Request<'a> {
    Request {
        holdings,
        selected: &args.names,
        profile: args.reader.profile(),
        password,
        exceptions: &run.exceptions,
        force: args.force,
        now: run.now,
    }
}

/// Where no stick is at hand: seals everything of this server's stores into the outbox, and says that it is no backup
/// until a stick has it. On a server that is not enrolled nothing can be sealed; what that means is said, too.
pub fn keep_in_outbox(run: &Run<'_>) -> Result<()> {
    let Some(mut state) = run.state()? else {
        run.console.warn(&text!("install-only-here"));
        return Ok(());
    };
    let args = Backup::everything_of_this_server(Vec::new());
    let holdings = chosen(run, &args)?;
    let request = request(run, &args, &holdings, None);
    if let Some(number) = backup::to_outbox(&mut state, &request, &|text| run.console.progress(&text))? {
        run.console.say(&text!("outbox-sealed", number = number.get()));
    }
    if state.on_the_way().next().is_some() {
        run.console.warn(&text!("install-only-here"));
    }
    Ok(())
}

/// Parcels to seal: each a new file, wherever it may pass.
fn parcels(run: &Run<'_>, names: &[String]) -> Result<Vec<PathBuf>> {
    let files: Vec<PathBuf> = names.iter().filter_map(|name| parcel_file(name)).collect();
    let served = folders_served();
    for file in &files {
        let warnings = rules::judge_served(file, Stored::Parcel, &served, &run.exceptions)?;
        if file.exists() {
            return Err(Error::failed(text!("error-parcel-exists", path = file.as_path())));
        }
        if !warnings.is_empty() {
            run.console.warn(&text!("parcel-on-share", path = file.as_path()));
        }
    }
    Ok(files)
}

/// Takes `--accept no-key:NAME=REASON` down. A key pair of that name must be here, and have no key to back up.
fn acknowledge(run: &Run<'_>, state: &mut State, holdings: &Holdings) -> Result<()> {
    for exception in &run.exceptions {
        let Some(name) = rules::key_pair_without_key(&exception.rule) else { continue };
        let meant = holdings.unreadable.iter().filter(|unreadable| unreadable.is_called(name));
        let certificates: Vec<_> = meant.filter_map(|unreadable| unreadable.certificate.as_ref()).collect();
        if certificates.is_empty() {
            return Err(Error::usage(text!("error-not-without-key", name = name)));
        }
        certificates.iter().for_each(|certificate| state.acknowledge(certificate, &exception.reason));
    }
    Ok(())
}

/// What was said about a key pair without a key, if it still holds.
fn acknowledged<'s>(run: &Run<'_>, state: &'s State, unreadable: &Unreadable) -> Option<&'s Acknowledged> {
    unreadable.certificate.as_ref().and_then(|certificate| state.acknowledged(certificate, run.now))
}

/// The key pairs that were named, else those that sites use.
fn chosen(run: &Run<'_>, args: &Backup) -> Result<Holdings> {
    let mut holdings = run.chosen(&args.names, &args.from.from, &args.from.files)?;
    if args.names.is_empty() && !args.all {
        keep_used(&mut holdings);
    }
    if let Some(file) = &args.iis_config {
        let mut map = SiteMap::of_file(file)?;
        let certificates = holdings.key_pairs.iter().map(|held| (held.leaf(), held.windows.as_ref()));
        let assigned = map.assign_by_name(&certificates.collect::<Vec<_>>(), run.now);
        run.console.mention(&text!("backup-assigned", count = assigned, path = file.as_path()));
        (holdings.site_map, holdings.sites_unread) = (Some(map), None);
    }
    Ok(holdings)
}

fn say_unused(run: &Run<'_>, holdings: &Holdings) {
    if !holdings.unused.is_empty() {
        let (count, names) = (holdings.unused.len(), holdings.unused.join(", "));
        run.console.mention(&text!("backup-unused", count = count, names = names));
    }
}

/// Two folders of one stick are one medium.
fn warn_of_one_device(run: &Run<'_>, media: &[Medium]) {
    let facts: Vec<_> = media.iter().filter_map(Medium::facts).collect();
    if media::independent(&facts) < facts.len() {
        let names: Vec<_> = media.iter().map(|medium| medium.name.as_str()).collect();
        run.console.warn(&text!("backup-one-device", media = names.join(", ")));
    }
}

/// The password for every PFX, where the user wants one of their own.
fn chosen_password(run: &Run<'_>, args: &Backup) -> Result<Option<Password>> {
    let wanted = args.ask_pfx_password || args.pfx_password_file.is_some();
    wanted.then(|| run.pfx_password(args.pfx_password_file.as_deref())).transpose()
}

/// This server's state; a vault on every medium, made after asking.
fn prepare(run: &Run<'_>, media: &[Medium], yes: bool) -> Result<State> {
    let mut state = run.state()?;
    for medium in media {
        let there = medium.has_vault()?;
        let name = medium.name.as_str();
        state = Some(match state {
            None if there => return Err(Error::new(Exit::NoVault, text!("error-not-enrolled-here", medium = name))),
            None => {
                run.go_ahead(yes, &text!("backup-create-question", medium = name))?;
                create::create(run, medium, None, None)?
            }
            Some(mut state) if !there => {
                run.warn_of_remade(&state, medium);
                run.go_ahead(yes, &text!("backup-add-question", medium = name))?;
                let label = state.next_label();
                backup::add_medium(&mut state, medium, &label)?;
                state
            }
            Some(state) => state,
        });
    }
    state.ok_or_else(|| Error::new(Exit::NoVault, text!("error-not-enrolled")))
}

fn report(run: &Run<'_>, state: &State, holdings: &Holdings, parcels: &[PathBuf], outcome: &Outcome) -> (Exit, Value) {
    let console = run.console;
    let total = holdings.key_pairs.len() + holdings.unreadable.len();
    let saved = holdings.key_pairs.len();
    run.show_findings(&outcome.findings);
    say_outbox(run, outcome);
    for on in &outcome.media {
        say_medium(run, on, outcome, saved, total);
    }
    let mut unexpected = 0;
    for unreadable in &holdings.unreadable {
        let (name, reason) = (unreadable.name.as_str(), unreadable.reason.clone());
        match acknowledged(run, state, unreadable) {
            None => {
                unexpected += 1;
                console.warn(&text!("backup-missing", name = name, reason = reason));
            }
            Some(known) => {
                let (until, why) = (day(known.until), known.reason.as_str());
                console.say(&text!("backup-missing-known", name = name, reason = reason, until = until, why = why));
            }
        }
    }
    if let Some(reason) = &holdings.sites_unread {
        console.warn(&text!("backup-without-sites", reason = reason.clone()));
    }
    say_unused(run, holdings);
    let exit = exit_code(unexpected, holdings, outcome);
    for path in parcels {
        say_parcel(run, path, outcome, saved, total);
    }
    if outcome.number.is_some() && !outcome.media.is_empty() {
        console.mention(&text!("backup-passwords"));
        console.mention(&text!("backup-next", count = state.media().len()));
    }
    let missing: Vec<_> =
        holdings.unreadable.iter().map(|u| json!({ "name": u.name, "reason": console.words(&u.reason), "acknowledged": acknowledged(run, state, u).map(|known| known.reason.as_str()) })).collect();
    let media: Vec<_> = outcome
        .media
        .iter()
        .map(|on| json!({ "medium": on.name, "label": on.label, "result": result_id(&on.done), "decayed": on.decayed }))
        .collect();
    let files: Vec<String> = parcels.iter().map(|path| path.display().to_string()).collect();
    let document = json!({
        "vault": state.vault().as_str(), "server": state.server().to_string(),
        "generation": outcome.number.map(|number| number.get()), "saved": saved, "missing": missing, "media": media,
        "unused": holdings.unused, "sites": holdings.site_map.as_ref().map(|map| map.sites.len()),
        "parcels": files, "delivered": outcome.outbox.delivered, "findings": run.listed(&outcome.findings),
    });
    (exit, document)
}

fn say_medium(run: &Run<'_>, on: &OnMedium, outcome: &Outcome, saved: usize, total: usize) {
    let (medium, label) = (on.name.as_str(), on.label.as_str());
    let number = outcome.number.map_or(0, |number| number.get());
    match &on.done {
        Done::Written => run.console.say(&text!(
            "backup-done",
            saved = saved,
            total = total,
            medium = medium,
            label = label,
            number = number
        )),
        Done::OneCopy(reason) => run.console.warn(&text!(
            "backup-one-copy",
            saved = saved,
            medium = medium,
            label = label,
            number = number,
            reason = reason.clone()
        )),
        Done::Unchanged(number) => {
            run.console.say(&text!("backup-unchanged", medium = medium, label = label, number = number.get()))
        }
        Done::Failed(reason) => run.console.warn(&text!("backup-failed", medium = medium, reason = reason.clone())),
    }
    for generation in &on.decayed {
        run.console.warn(&text!("backup-decayed", medium = medium, generation = generation));
    }
}

/// What waited in the outbox.
fn say_outbox(run: &Run<'_>, outcome: &Outcome) {
    for generation in &outcome.outbox.delivered {
        run.console.say(&text!("backup-delivered", generation = generation));
    }
    for (path, reason) in &outcome.outbox.stuck {
        run.console.warn(&text!("backup-stuck", path = path.as_path(), reason = reason.clone()));
    }
}

fn say_parcel(run: &Run<'_>, path: &Path, outcome: &Outcome, saved: usize, total: usize) {
    let number = outcome.number.map_or(0, |number| number.get());
    run.console.say(&text!("parcel-sealed", saved = saved, total = total, path = path, number = number));
}

fn result_id(done: &Done) -> &'static str {
    match done {
        Done::Written => "written",
        Done::OneCopy(_) => "one-copy",
        Done::Unchanged(_) => "unchanged",
        Done::Failed(_) => "failed",
    }
}

/// A medium that failed outweighs a key pair that is missing and that nobody has acknowledged, which outweighs a copy that is not there yet.
fn exit_code(unexpected: usize, holdings: &Holdings, outcome: &Outcome) -> Exit {
    let any = |wanted: fn(&Done) -> bool| outcome.media.iter().any(|on| wanted(&on.done));
    match () {
        () if any(|done| matches!(done, Done::Failed(_))) => Exit::Partly,
        () if unexpected > 0 || holdings.sites_unread.is_some() => Exit::Partly,
        () if any(|done| matches!(done, Done::OneCopy(_))) => Exit::Attention,
        () if outcome.media.iter().any(|on| !on.decayed.is_empty()) || !outcome.outbox.stuck.is_empty() => {
            Exit::Attention
        }
        () if outcome.findings.iter().any(|finding| finding.level > Level::Note) => Exit::Attention,
        () => Exit::Done,
    }
}
