//! `media`: the sticks this server knows, putting the vault onto another one, and taking one out of
//! use.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::cli::{MediaCommand, RetireArgs};
use crate::console::Enter;
use crate::error::{Error, Exit, Result};
use crate::session::Session;
use crate::session::media_table::media_table;
use crate::session::program::{Program, ProgramReport};
use crate::state::State;
use crate::text;
use crate::workflow::backup;
use vault::catalog::{Policy, Retired, SeenMedium};
use vault::readme::Contact;

/// `media list`.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct MediaReport<'a> {
    /// By their ids, as host state keeps them.
    media: &'a BTreeMap<String, SeenMedium>,
}

/// `media add`, and `media retire --undo`.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct MediumReport {
    medium: String,
    label: String,
    /// The programs that were put beside the vault.
    programs: Vec<ProgramReport>,
}

/// `media retire`.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct RetiredReport {
    #[serde(skip_serializing_if = "Option::is_none")]
    dry_run: Option<bool>,
    label: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    lost: Option<bool>,
    /// What it held of this server.
    key_pairs: Vec<String>,
    /// How many media are in use still.
    #[serde(skip_serializing_if = "Option::is_none")]
    left: Option<usize>,
}

/// `media policy`.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct PolicyReport {
    #[cfg_attr(test, schemars(with = "BTreeMap<String, u32>"))]
    policy: Policy,
    /// Whom README.TXT tells a finder to ask.
    contact: Option<String>,
}

/// Runs the command.
pub(super) fn run(session: &Session<'_>, what: Option<&MediaCommand>) -> Result<Exit> {
    match what {
        None | Some(MediaCommand::List) => list(session),
        Some(MediaCommand::Add {
            medium,
            label,
            place,
            programs,
        }) => {
            let programs = session.programs(programs)?;
            add(
                session,
                medium,
                label.as_deref(),
                place.as_deref(),
                &programs,
            )
        }
        Some(MediaCommand::Retire(args)) => retire(session, args),
        Some(MediaCommand::Policy {
            min_media,
            verify_every,
            rewrite_after,
            contact,
        }) => policy(session, contact.as_deref(), |before| Policy {
            min_media: min_media.map_or(before.min_media, usize::from),
            verify_every: verify_every.map_or(before.verify_every, u32::from),
            rewrite_after: rewrite_after.map_or(before.rewrite_after, u32::from),
        }),
    }
}

fn add(
    session: &Session<'_>,
    name: &str,
    label: Option<&str>,
    place: Option<&str>,
    programs: &[Program],
) -> Result<Exit> {
    let medium = session.medium_to_write(name)?;
    let mut state = session.enrolled()?;
    let next = state.next_label();
    if let Some(label) = label {
        state.refuse_taken_label(label)?;
    }
    let label = label.unwrap_or(&next);
    let is_copy = medium.holds_vault()? && backup::unfinished(&state, &medium).is_none();
    let label = if is_copy {
        backup::separate(&mut state, &medium, label, session.now)?
    } else {
        session.warn_of_remade(&state, &medium);
        backup::add_medium(&mut state, &medium, label, session.now)?
    };
    if let Some(place) = place {
        state.medium(&label.medium).place = Some(place.to_owned());
        state.save()?;
    }
    session.console.say(&match is_copy {
        true => text!(
            "media-separated",
            medium = name,
            label = label.label.as_str()
        ),
        false => text!("media-added", medium = name, label = label.label.as_str()),
    });
    let vault = state.vault().clone();
    // Noted in host state, which one at a time holds.
    drop(state);
    let (exit, programs) = session.put_programs(&medium, &vault, programs, Exit::Done);
    let report = MediumReport {
        medium: label.medium,
        label: label.label,
        programs,
    };
    session.console.document(exit, &report);
    Ok(exit)
}

fn list(session: &Session<'_>) -> Result<Exit> {
    let state = session.enrolled()?;
    session
        .console
        .say(&text!("media-headline", count = state.media().len()));
    if !state.media().is_empty() {
        session.console.table(&media_table(session, &state));
        for seen in state.media().values() {
            say_devices(session, seen);
        }
    }
    session.console.document(
        Exit::Done,
        &MediaReport {
            media: state.media(),
        },
    );
    Ok(Exit::Done)
}

/// What its device says of itself, so that people can tell sticks apart that look alike.
fn say_devices(session: &Session<'_>, seen: &SeenMedium) {
    let Some(device) = seen.devices.last() else {
        return;
    };
    session.console.mention(&text!(
        "media-device",
        label = seen.label.as_str(),
        device = device.to_string()
    ));
    if let Some(finding) = crate::workflow::history::alternating(seen) {
        session.console.mention(&finding.text);
    }
}

/// What was on a medium that goes out of use, how it is protected, and what that means.
fn retire(session: &Session<'_>, args: &RetireArgs) -> Result<Exit> {
    let mut state = session.enrolled()?;
    let (id, seen) = labelled(&state, &args.label, args.undo)?;
    let (id, label, key_pairs) = (id.clone(), seen.label.clone(), on_it(&state, seen));
    if args.undo {
        return take_back(session, &mut state, &id, label);
    }
    // What is lost stays so until that is undone.
    let before = seen.retired;
    let lost = args.lost || before.is_some_and(|before| before.lost);
    say_loss(session, &label, &key_pairs, lost);
    let mut report = RetiredReport {
        dry_run: None,
        label,
        lost: None,
        key_pairs,
        left: None,
    };
    if args.dry_run {
        report.dry_run = Some(true);
        session.console.document(Exit::Done, &report);
        return Ok(Exit::Done);
    }
    session.go_ahead(
        args.yes,
        &text!("media-retire-question", label = report.label.as_str()),
        Enter::No,
    )?;
    let now = Retired {
        time: session.now,
        lost,
    };
    let known = before.filter(|before| before.lost == lost);
    state.medium(&id).retired = Some(known.unwrap_or(now));
    state.save()?;
    let left = state.media_in_use().count();
    session.console.say(&text!(
        "media-retired",
        label = report.label.as_str(),
        left = left
    ));
    report.lost = Some(lost);
    report.left = Some(left);
    session.console.document(Exit::Done, &report);
    Ok(Exit::Done)
}

/// A medium that was taken out of use is one again; its label must be free.
fn take_back(session: &Session<'_>, state: &mut State, id: &str, label: String) -> Result<Exit> {
    state.refuse_taken_label(&label)?;
    let was_lost = state.medium(id).retired.take().is_some_and(|was| was.lost);
    state.save()?;
    let left = state.media_in_use().count();
    let (label_said, in_use) = (label.as_str(), left);
    session.console.say(&text!(
        "media-taken-back",
        label = label_said,
        in_use = in_use
    ));
    if was_lost {
        session
            .console
            .warn(&text!("media-was-lost", label = label_said));
    }
    let report = MediumReport {
        medium: id.to_owned(),
        label,
        programs: Vec::new(),
    };
    session.console.document(Exit::Done, &report);
    Ok(Exit::Done)
}

/// The only medium with a label, and its id: one that is in use, unless that is to be undone; what is
/// out of use may be found lost later.
fn labelled<'a>(state: &'a State, label: &str, undo: bool) -> Result<(&'a String, &'a SeenMedium)> {
    let wanted = label.to_lowercase();
    let mut called: Vec<_> = state.media().iter().collect();
    called.retain(|(_, seen)| seen.label.to_lowercase() == wanted);
    let (gone, used): (Vec<_>, Vec<_>) = called
        .into_iter()
        .partition(|(_, seen)| seen.retired.is_some());
    let mut found = if undo || used.is_empty() { gone } else { used }.into_iter();
    match (found.next(), found.next()) {
        (Some(medium), None) => Ok(medium),
        (Some(_), Some(_)) => Err(Error::usage(text!("error-two-labels", label = label))),
        (None, _) => Err(Error::usage(text!("error-no-such-label", label = label))),
    }
}

/// Says what is on a medium, and what it means that it goes.
fn say_loss(session: &Session<'_>, label: &str, key_pairs: &[String], lost: bool) {
    session.console.say(&text!(
        "media-retire-holds",
        label = label,
        count = key_pairs.len()
    ));
    for name in key_pairs {
        session
            .console
            .say(&text!("media-retire-name", name = name.as_str()));
    }
    session.console.say(&match lost {
        true => text!("media-retire-lost"),
        false => text!("media-retire-kept"),
    });
}

/// The key pairs of this server that a medium holds, as far as host state still describes them.
fn on_it(state: &State, seen: &SeenMedium) -> Vec<String> {
    let mut names: Vec<String> = state
        .generations()
        .filter(|generation| state.is_on(seen, generation.number))
        .flat_map(|generation| &generation.key_pairs)
        .map(|pair| format!("{} ({})", pair.display_name(), pair.thumbprint))
        .collect();
    names.sort();
    names.dedup();
    names
}

fn policy(
    session: &Session<'_>,
    contact: Option<&str>,
    change: impl Fn(Policy) -> Policy,
) -> Result<Exit> {
    let contact = contact.map(fit_contact).transpose()?;
    let mut state = session.enrolled()?;
    if let Some(contact) = &contact {
        state.set_contact(contact.as_ref());
        state.save()?;
    }
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
    session.console.say(&text!(
        "media-policy",
        min_media = min_media,
        verify_every = verify_every,
        rewrite_after = rewrite_after
    ));
    if let Some(contact) = state.contact() {
        session
            .console
            .say(&text!("media-contact", contact = contact));
    }
    if contact.is_some() {
        session.console.mention(&text!("media-contact-next"));
    }
    let contact = state.contact().map(str::to_owned);
    session
        .console
        .document(Exit::Done, &PolicyReport { policy, contact });
    Ok(Exit::Done)
}

/// Whom a finder asks; nothing where that is to be nobody.
fn fit_contact(typed: &str) -> Result<Option<Contact>> {
    if typed.is_empty() {
        return Ok(None);
    }
    match Contact::parse(typed) {
        Some(contact) => Ok(Some(contact)),
        None => Err(Error::usage(text!("error-contact"))),
    }
}
