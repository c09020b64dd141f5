//! `backup`: selects, asks the rules, leads through `create` or `media add` where needed, writes, and says what is safe.

use serde_json::json;

use crate::backup::{self, Done, OnMedium, Outcome, Request};
use crate::cli::Backup;
use crate::commands::{Run, create};
use crate::error::{Error, Exit, Result};
use crate::media;
use crate::secret::Password;
use crate::server::Holdings;
use crate::server::iis::{SiteMap, keep_used};
use crate::state::State;
use crate::text;
use crate::vault::medium::Medium;

/// Runs the command.
pub fn run(run: &Run<'_>, args: &Backup) -> Result<Exit> {
    let media: Vec<Medium> = args.to.iter().map(|name| run.medium_to_write(name)).collect::<Result<_>>()?;
    warn_of_one_device(run, &args.to);
    let holdings = chosen(run, args)?;
    if args.dry_run {
        say_unused(run, &holdings);
        run.console.say(&text!("backup-plan", count = holdings.key_pairs.len(), missing = holdings.unreadable.len()));
        let (count, missing) = (holdings.key_pairs.len(), holdings.unreadable.len());
        run.console.document(Exit::Done, json!({ "dry_run": true, "key_pairs": count, "missing": missing }));
        return Ok(Exit::Done);
    }
    let mut state = prepare(run, &media, args.yes)?;
    let password = chosen_password(run, args)?;
    let request = Request {
        holdings: &holdings,
        selected: &args.names,
        profile: args.reader.profile(),
        password: password.as_ref(),
        exceptions: &run.exceptions,
        force: args.force,
        now: run.now,
    };
    let outcome = backup::run(&mut state, &media, &request, &|text| run.console.progress(&text))?;
    Ok(report(run, &state, &holdings, &outcome))
}

/// The key pairs that were named, else those that sites use.
fn chosen(run: &Run<'_>, args: &Backup) -> Result<Holdings> {
    let mut holdings = run.chosen(&args.names, &args.from.from, &args.from.files)?;
    if args.names.is_empty() && !args.all {
        keep_used(&mut holdings);
    }
    if let Some(file) = &args.iis_config {
        let mut map = SiteMap::of_file(file)?;
        let assigned = map.assign_by_name(&holdings.key_pairs);
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
fn warn_of_one_device(run: &Run<'_>, names: &[String]) {
    let facts: Vec<_> = names.iter().filter_map(|name| media::facts(&media::typed(name)).ok()).collect();
    if media::independent(&facts) < facts.len() {
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

fn report(run: &Run<'_>, state: &State, holdings: &Holdings, outcome: &Outcome) -> Exit {
    let console = run.console;
    let total = holdings.key_pairs.len() + holdings.unreadable.len();
    let saved = holdings.key_pairs.len();
    for on in &outcome.media {
        say_medium(run, on, outcome, saved, total);
    }
    for unreadable in &holdings.unreadable {
        console.warn(&text!("backup-missing", name = unreadable.name.as_str(), reason = unreadable.reason.clone()));
    }
    if let Some(reason) = &holdings.sites_unread {
        console.warn(&text!("backup-without-sites", reason = reason.clone()));
    }
    say_unused(run, holdings);
    let exit = exit_code(holdings, outcome);
    if outcome.number.is_some() {
        console.mention(&text!("backup-passwords"));
        console.mention(&text!("backup-next", count = state.media().len()));
    }
    let missing: Vec<_> =
        holdings.unreadable.iter().map(|u| json!({ "name": u.name, "reason": console.words(&u.reason) })).collect();
    let media: Vec<_> = outcome
        .media
        .iter()
        .map(|on| json!({ "medium": on.name, "label": on.label, "result": result_id(&on.done), "decayed": on.decayed }))
        .collect();
    let document = json!({
        "vault": state.vault().as_str(), "server": state.server().to_string(),
        "generation": outcome.number.map(|number| number.get()), "saved": saved, "missing": missing, "media": media,
        "unused": holdings.unused, "sites": holdings.site_map.as_ref().map(|map| map.sites.len()),
    });
    console.document(exit, document);
    exit
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

fn result_id(done: &Done) -> &'static str {
    match done {
        Done::Written => "written",
        Done::OneCopy(_) => "one-copy",
        Done::Unchanged(_) => "unchanged",
        Done::Failed(_) => "failed",
    }
}

/// A medium that failed outweighs a key pair that is missing, which outweighs a copy that is not there yet.
fn exit_code(holdings: &Holdings, outcome: &Outcome) -> Exit {
    let any = |wanted: fn(&Done) -> bool| outcome.media.iter().any(|on| wanted(&on.done));
    match () {
        () if any(|done| matches!(done, Done::Failed(_))) => Exit::Partly,
        () if !holdings.unreadable.is_empty() || holdings.sites_unread.is_some() => Exit::Partly,
        () if any(|done| matches!(done, Done::OneCopy(_))) => Exit::Attention,
        () if outcome.media.iter().any(|on| !on.decayed.is_empty()) => Exit::Attention,
        () => Exit::Done,
    }
}
