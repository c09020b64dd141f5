//! `media`: the sticks this server knows, putting the vault onto another one, and taking one out of
//! use.

use serde_json::json;

use crate::cli::{Media, Retire};
use crate::commands::{Run, day};
use crate::console::{Enter, Table};
use crate::error::{Error, Exit, Result};
use crate::state::State;
use crate::text;
use crate::workflow::backup;
use vault::catalog::{Policy, Retired, SeenMedium};

/// Runs the command.
pub fn run(run: &Run<'_>, args: &Media) -> Result<Exit> {
    match args {
        Media::List => list(run),
        Media::Add {
            medium,
            label,
            place,
        } => add(run, medium, label.as_deref(), place.as_deref()),
        Media::Retire(args) => retire(run, args),
        Media::Policy {
            min_media,
            verify_every,
            rewrite_after,
        } => policy(run, |before| Policy {
            min_media: min_media.map_or(before.min_media, usize::from),
            verify_every: verify_every.map_or(before.verify_every, u32::from),
            rewrite_after: rewrite_after.map_or(before.rewrite_after, u32::from),
        }),
    }
}

fn add(run: &Run<'_>, name: &str, label: Option<&str>, place: Option<&str>) -> Result<Exit> {
    let medium = run.medium_to_write(name)?;
    let mut state = run.enrolled()?;
    let next = state.next_label();
    if let Some(label) = label {
        state.refuse_taken_label(label)?;
    }
    let label = label.unwrap_or(&next);
    let is_copy = medium.has_vault()?;
    let label = if is_copy {
        backup::separate(&mut state, &medium, label, run.now)?
    } else {
        run.warn_of_remade(&state, &medium);
        backup::add_medium(&mut state, &medium, label)?
    };
    if let Some(place) = place {
        state.medium(&label.medium).place = Some(place.to_owned());
        state.save()?;
    }
    run.console.say(&match is_copy {
        true => text!(
            "media-separated",
            medium = name,
            label = label.label.as_str()
        ),
        false => text!("media-added", medium = name, label = label.label.as_str()),
    });
    run.console.document(
        Exit::Done,
        json!({ "medium": label.medium, "label": label.label }),
    );
    Ok(Exit::Done)
}

fn list(run: &Run<'_>) -> Result<Exit> {
    let state = run.enrolled()?;
    run.console
        .say(&text!("media-headline", count = state.media().len()));
    if !state.media().is_empty() {
        run.console.table(&media_table(run, &state));
        state
            .media()
            .values()
            .for_each(|seen| say_devices(run, seen));
    }
    run.console
        .document(Exit::Done, json!({ "media": state.media() }));
    Ok(Exit::Done)
}

/// What its device says of itself, so that people can tell sticks apart that look alike.
fn say_devices(run: &Run<'_>, seen: &SeenMedium) {
    let Some(device) = seen.devices.last() else {
        return;
    };
    run.console.mention(&text!(
        "media-device",
        label = seen.label.as_str(),
        device = device.to_string()
    ));
    if let Some(finding) = crate::workflow::history::alternating(seen) {
        run.console.mention(&finding.text);
    }
}

/// Every medium ever seen.
pub fn media_table(run: &Run<'_>, state: &State) -> Table {
    let words = |text| run.console.words(&text);
    let mut table = Table::new(vec![
        words(text!("column-label")),
        words(text!("column-kept-at")),
        words(text!("column-newest")),
        words(text!("column-seen")),
        words(text!("column-verified")),
        words(text!("column-cold")),
    ]);
    let own = state.server().to_string();
    let when = |time: Option<jiff::Timestamp>| time.map_or_else(|| words(text!("cell-never")), day);
    for seen in state.media().values() {
        let newest = seen
            .newest
            .get(&own)
            .map_or_else(|| words(text!("cell-none")), u32::to_string);
        let place = match seen.retired {
            None => seen.place.clone().unwrap_or_default(),
            Some(Retired { lost: true, .. }) => words(text!("cell-lost")),
            Some(Retired { lost: false, .. }) => words(text!("cell-retired")),
        };
        let label = seen.label.clone();
        table.row(vec![
            label,
            place,
            newest,
            when(seen.last_seen),
            when(seen.last_verified),
            when(seen.last_cold),
        ]);
    }
    table
}

/// What was on a medium that goes out of use, how it is protected, and what that means.
fn retire(run: &Run<'_>, args: &Retire) -> Result<Exit> {
    let mut state = run.enrolled()?;
    let called =
        |(_, seen): &(&String, &SeenMedium)| seen.label.to_lowercase() == args.label.to_lowercase();
    let mut found = state.media().iter().filter(called);
    let (id, seen) = found
        .next()
        .ok_or_else(|| Error::usage(text!("error-no-such-label", label = args.label.as_str())))?;
    if found.next().is_some() {
        return Err(Error::usage(text!(
            "error-two-labels",
            label = args.label.as_str()
        )));
    }
    let (id, label) = (id.clone(), seen.label.clone());
    let names = on_it(&state, seen);
    run.console.say(&text!(
        "media-retire-holds",
        label = label.as_str(),
        count = names.len()
    ));
    names.iter().for_each(|name| {
        run.console
            .say(&text!("media-retire-name", name = name.as_str()))
    });
    let meaning = if args.lost {
        text!("media-retire-lost")
    } else {
        text!("media-retire-kept")
    };
    run.console.say(&meaning);
    if args.dry_run {
        run.console.document(
            Exit::Done,
            json!({ "dry_run": true, "label": label, "key_pairs": names }),
        );
        return Ok(Exit::Done);
    }
    run.go_ahead(
        args.yes,
        &text!("media-retire-question", label = label.as_str()),
        Enter::No,
    )?;
    state.medium(&id).retired = Some(Retired {
        time: run.now,
        lost: args.lost,
    });
    state.save()?;
    let left = state.media_in_use().count();
    run.console
        .say(&text!("media-retired", label = label.as_str(), left = left));
    run.console.document(
        Exit::Done,
        json!({ "label": label, "lost": args.lost, "key_pairs": names, "left": left }),
    );
    Ok(Exit::Done)
}

/// The key pairs of this server that a medium holds, as far as host state still describes them.
fn on_it(state: &State, seen: &SeenMedium) -> Vec<String> {
    let newest = seen
        .newest
        .get(&state.server().to_string())
        .copied()
        .unwrap_or_default();
    let mut names: Vec<String> = state
        .generations()
        .filter(|generation| generation.number <= newest)
        .flat_map(|generation| &generation.key_pairs)
        .map(|pair| format!("{} ({})", pair.display_name(), pair.thumbprint))
        .collect();
    names.sort();
    names.dedup();
    names
}

fn policy(run: &Run<'_>, change: impl Fn(Policy) -> Policy) -> Result<Exit> {
    let mut state = run.enrolled()?;
    let policy = change(state.policy());
    if policy != state.policy() {
        state.set_policy(policy);
        state.save()?;
    }
    let Policy {
        min_media,
        verify_every,
        rewrite_after,
    } = policy;
    run.console.say(&text!(
        "media-policy",
        min_media = min_media,
        verify_every = verify_every,
        rewrite_after = rewrite_after
    ));
    run.console
        .document(Exit::Done, json!({ "policy": policy }));
    Ok(Exit::Done)
}
