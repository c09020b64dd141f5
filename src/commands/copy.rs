//! `copy`: brings a stick up to date from others.

use serde::Serialize;

use crate::cli::Copy;
use crate::error::{Exit, Result};
use crate::platform::media;
use crate::session::Session;
use crate::session::report::FindingReport;
use crate::state::{State, no_random};
use crate::text;
use crate::workflow::copy::{self, Copied};
use crate::workflow::finding::{Finding, Level};
use crate::workflow::history;
use crate::workflow::verify;
use vault::medium::Medium;
use vault::readme::Label;
use vault::survey::Survey;
use vault::volume::Reading;

/// What was brought to the medium.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct CopyReport {
    /// The generations that it did not have.
    added: Vec<String>,
    kept: usize,
    skipped: Vec<String>,
    refused: Vec<RefusedReport>,
    findings: Vec<FindingReport>,
    /// The media that were ejected.
    ejected: Vec<String>,
}

/// A file that nobody who may write has signed.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct RefusedReport {
    medium: String,
    path: String,
}

/// Runs the command.
pub(super) fn run(session: &Session<'_>, args: &Copy) -> Result<Exit> {
    let mut media = session.vault_media(&args.from)?;
    let target = session.medium_to_write(&args.to)?;
    let state = session.memory().state;
    // Copying needs to know the owner, not to be one: an enrolled server knows, else the sources
    // must agree.
    let vault = verify::owner_of(&media, state.as_ref())?;
    let there = target.has_vault()?;
    let known = verify::trust_of(&media, state.as_ref())?;
    let survey = Survey::of(
        std::slice::from_ref(&target),
        vault.clone(),
        &known,
        Reading::Cached,
    )?;
    if there {
        refuse_another_vault(&survey)?;
    }
    let news = news(state.as_ref(), &survey, there);
    session.show_findings(&news);
    if !there {
        let name = state
            .as_ref()
            .map_or_else(media::host_name, State::next_label);
        target.prepare(&Label::new(&name).map_err(|_| no_random())?)?;
    }
    let name = target.name.clone();
    media.push(target);
    let copied = copy::run(
        &media,
        &vault,
        state.as_ref().map(|state| &state.trust),
        &|text| session.console.progress(&text),
    )?;
    session.console.say(&text!(
        "copy-done",
        added = copied.added.len(),
        kept = copied.kept,
        medium = name
    ));
    for generation in &copied.skipped {
        session
            .console
            .warn(&text!("copy-skipped", generation = generation));
    }
    let forks: Vec<Finding> = copied
        .forks
        .iter()
        .map(|(server, number)| history::fork(*server, *number))
        .collect();
    session.show_findings(&forks);
    for (medium, path) in &copied.refused {
        session.console.warn(&text!(
            "copy-refused",
            medium = medium.as_str(),
            path = path.as_str()
        ));
    }
    if let [.., target] = media.as_slice() {
        session.note(&vault, |state| {
            remember(state, target, &copied, session.now)
        });
    }
    let exit = match () {
        () if !copied.refused.is_empty() => Exit::Forged,
        () if !copied.skipped.is_empty() => Exit::Partly,
        () if news
            .iter()
            .chain(&forks)
            .any(|finding| finding.level > Level::Note) =>
        {
            Exit::Attention
        }
        () => Exit::Done,
    };
    let (exit, ejected) =
        session.eject_media(std::slice::from_ref(&args.to), args.afterwards, true, exit);
    let mut refused = Vec::new();
    for (medium, path) in copied.refused {
        refused.push(RefusedReport { medium, path });
    }
    let report = CopyReport {
        added: copied.added,
        kept: copied.kept,
        skipped: copied.skipped,
        refused,
        findings: FindingReport::of(session.console, &[news, forks].concat()),
        ejected,
    };
    session.console.document(exit, &report);
    Ok(exit)
}

/// Refuses a target of another owner. One on which no statement is whole any more is known by its
/// generations.
fn refuse_another_vault(survey: &Survey<'_>) -> Result<()> {
    match verify::owner_of(std::slice::from_ref(survey.medium(0)), None) {
        Ok(vault) if vault == survey.trust.vault => Ok(()),
        Err(error) if error.exit != Exit::NoVault => Err(error),
        Err(_) if survey.is_of_vault(0) => Ok(()),
        _ => Err(survey.not_ours(0).into()),
    }
}

/// A copy that is not there or bad is what `copy` is run for.
fn no_alarm_for_what_is_mended(finding: Finding) -> Finding {
    match finding.id {
        "one-copy" | "copy-bad" => Finding {
            level: Level::Note,
            ..finding
        },
        _ => finding,
    }
}

/// What the target showed before, by itself and against what this server remembers.
fn news(state: Option<&State>, survey: &Survey<'_>, there: bool) -> Vec<Finding> {
    let state = state.filter(|state| *state.vault() == survey.trust.vault);
    let target = survey.medium(0);
    if !there {
        let remade = state
            .map(|state| history::remade(state, &target.name, None, &media::descriptor_of(target)));
        return remade.flatten().into_iter().collect();
    }
    let mut news = state
        .map(|state| history::news(survey, state))
        .unwrap_or_default();
    news.extend(
        verify::of_mended(survey)
            .into_iter()
            .map(no_alarm_for_what_is_mended),
    );
    news
}

/// What the medium holds now. It counts as written: a cache may answer for it until it was away.
/// And what this server had sealed into a parcel is a backup once a stick has it.
fn remember(state: &mut State, target: &Medium, copied: &Copied, now: jiff::Timestamp) {
    let Some(label) = target.label() else { return };
    let seen = state.medium(&label.medium);
    seen.label = label.label;
    seen.newest.clone_from(&copied.newest);
    seen.last_seen = Some(now);
    seen.first_seen = seen.first_seen.or(Some(now));
    seen.is_on(media::descriptor_of(target));
    if !copied.added.is_empty() {
        seen.written_during = Some(media::attachment_of(target).unwrap_or_default());
    }
    let survey = Survey::of(
        std::slice::from_ref(target),
        state.vault().clone(),
        &state.trust,
        Reading::Cached,
    );
    let Ok(survey) = survey else { return };
    let own: Vec<_> = survey
        .line(state.server())
        .map(|generation| (generation.record.number, generation.hash))
        .collect();
    own.into_iter()
        .for_each(|(number, hash)| state.confirm(number, hash));
}
