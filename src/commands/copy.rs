//! `copy`: brings a stick up to date from others.

use serde::Serialize;

use crate::cli::Copy;
use crate::error::{Exit, Result, no_random};
use crate::message::Text;
use crate::platform::media;
use crate::session::Session;
use crate::session::program::ProgramReport;
use crate::session::report::FindingReport;
use crate::state::{State, new_readme};
use crate::text;
use crate::workflow::copy::{self, Copied};
use crate::workflow::finding::{self, Finding, Level};
use crate::workflow::history;
use crate::workflow::verify;
use vault::medium::Medium;
use vault::readme::Label;
use vault::survey::Survey;
use vault::trust::Trust;
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
    /// The programs that were put beside the vault.
    programs: Vec<ProgramReport>,
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
    let programs = session.programs(&args.programs)?;
    let mut media = session.vault_media(&args.from)?;
    let target = session.medium_to_write(&args.to)?;
    let state = session.memory().state;
    // Copying needs to know the owner, not to be one: an enrolled server knows, else the sources
    // must agree.
    let vault = verify::owner_of(&media, state.as_ref())?;
    let there = target.holds_vault()?;
    let known = verify::trust_of(&media, state.as_ref())?;
    let mut findings = news(state.as_ref(), &target, &known, there)?;
    finding::mark(&mut findings, state.as_ref(), session.now);
    session.show_findings(&findings);
    if !there {
        copy::refuse_foreign(&media, &known)?;
        make_medium(&target, state.as_ref())?;
    }
    media.push(target);
    let copied = copy::run(
        &media,
        &vault,
        state.as_ref().map(|state| &state.trust),
        &|text| session.console.progress(&text),
    )?;
    if let [.., target] = media.as_slice() {
        if let Some(state) = state.as_ref().filter(|state| *state.vault() == vault) {
            // Nothing depends on it, and what stands there is named.
            let _ = target.renew_readme(&state.readme_wish());
        }
        findings.extend(say_copied(session, target, &copied));
        session.note(&vault, |state| {
            remember(state, target, &copied, session.now)
        });
    }
    let exit = exit(&copied, &findings);
    let (exit, programs) = match media.last() {
        Some(target) => session.put_programs(target, &vault, &programs, exit),
        None => (exit, Vec::new()),
    };
    let (exit, ejected) =
        session.eject_media(std::slice::from_ref(&args.to), args.afterwards, true, exit);
    let report = CopyReport::of(session, copied, &findings, ejected, programs);
    session.console.document(exit, &report);
    Ok(exit)
}

impl CopyReport {
    fn of(
        session: &Session<'_>,
        copied: Copied,
        findings: &[Finding],
        ejected: Vec<String>,
        programs: Vec<ProgramReport>,
    ) -> Self {
        let refused = copied.refused.into_iter();
        Self {
            added: copied.added,
            kept: copied.kept,
            skipped: copied.skipped,
            refused: refused
                .map(|(medium, path)| RefusedReport { medium, path })
                .collect(),
            findings: FindingReport::of(session.console, findings),
            ejected,
            programs,
        }
    }
}

/// Makes an empty medium one of a vault, under the next label; so too one on which a vault was only
/// begun.
fn make_medium(target: &Medium, state: Option<&State>) -> Result<()> {
    target.clear_begun()?;
    let name = state.map_or_else(media::host_name, State::next_label);
    let wish = state.map_or_else(new_readme, State::readme_wish);
    target.prepare(&Label::new(&name).map_err(|_| no_random())?, &wish)?;
    Ok(())
}

/// Says what was brought to the target and what was not; returns the numbers under which two
/// generations lie.
fn say_copied(session: &Session<'_>, target: &Medium, copied: &Copied) -> Vec<Finding> {
    session.console.say(&text!(
        "copy-done",
        added = copied.added.len(),
        kept = copied.kept,
        medium = target.name.as_str()
    ));
    let mut left = Vec::new();
    for generation in &copied.skipped {
        left.push(text!("copy-skipped", generation = generation));
    }
    for (medium, path) in &copied.refused {
        left.push(text!(
            "copy-refused",
            medium = medium.as_str(),
            path = path.as_str()
        ));
    }
    let mut findings = Vec::new();
    for generation in &copied.forks {
        findings.push(history::fork(*generation));
    }
    findings.extend(verify::crowded(&copied.crowded));
    session.show_findings(&findings);
    for text in Text::folded(left) {
        session.console.warn(&text);
    }
    findings
}

fn exit(copied: &Copied, findings: &[Finding]) -> Exit {
    let nothing_is_ours = copied.added.is_empty() && copied.kept == 0;
    if !copied.skipped.is_empty() {
        Exit::Partly
    } else if copied.refused.is_empty() {
        finding::beside(findings)
    } else if nothing_is_ours {
        Exit::Forged
    } else {
        Exit::Attention
    }
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

/// What the target showed before, by itself and against what this server remembers. One of another
/// owner is refused.
fn news(
    state: Option<&State>,
    target: &Medium,
    known: &Trust,
    there: bool,
) -> Result<Vec<Finding>> {
    let survey = Survey::of(
        std::slice::from_ref(target),
        known.vault.clone(),
        known,
        Reading::Cached,
    )?;
    let state = state.filter(|state| *state.vault() == known.vault);
    let mut news = Vec::new();
    if !there {
        if let Some(state) = state {
            let descriptor = media::descriptor_of(target);
            news.extend(history::remade(state, &target.name, None, &descriptor));
        }
        return Ok(news);
    }
    refuse_another_vault(&survey)?;
    if let Some(state) = state {
        news.extend(history::news(&survey, state));
    }
    for finding in verify::of_mended(&survey, state) {
        news.push(no_alarm_for_what_is_mended(finding));
    }
    Ok(news)
}

/// What the medium holds now. It counts as written: a cache may answer for it until it was away.
/// And what this server had sealed into a parcel is a backup once a stick has it.
fn remember(state: &mut State, target: &Medium, copied: &Copied, now: jiff::Timestamp) {
    let Some(label) = target.label() else { return };
    let seen = state.medium(&label.medium);
    seen.label.clone_from(&label.label);
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
    state.medium(&label.medium).held = Some(own.iter().map(|(number, _)| *number).collect());
    for (number, hash) in own {
        state.confirm(number, hash);
    }
}
