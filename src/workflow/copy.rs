//! Bringing one medium up to date from others of the same vault: add-only, and every copy is
//! verified before it is written and read back after it.

use std::collections::BTreeMap;

use crate::error::Result;
use crate::message::Text;
use crate::text;
use vault::id::{Number, ServerId, VaultId};
use vault::medium::{HALVES, Medium, MediumError};
use vault::survey::{Generation, Slot, Survey};
use vault::trust::Trust;
use vault::volume::Reading;

/// What a copy did.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Copied {
    /// Generations added in at least one of the two copies, as `SERVER8/number`.
    pub added: Vec<String>,
    /// Generations that the target held already.
    pub kept: usize,
    /// Generations that no source holds whole.
    pub skipped: Vec<String>,
    /// The newest generation of each server on the target, afterwards.
    pub newest: BTreeMap<String, u32>,
    /// Numbers under which the media together hold two different generations.
    pub forks: Vec<(ServerId, Number)>,
    /// Folders in the sources that no server of this vault may have written: medium and path.
    pub refused: Vec<(String, String)>,
}

/// Copies everything whole from `media[..last]` to the last medium. What an earlier run left behind
/// half-written stays, counts for nothing, and is in nobody's way.
///
/// # Errors
/// When a source is not of this vault, or the target refuses; what was added before stays and
/// counts.
pub fn run(
    media: &[Medium],
    vault: &VaultId,
    known: Option<&Trust>,
    progress: &dyn Fn(Text),
) -> Result<Copied> {
    bring(media, vault, known, &|_| true, progress)
}

/// The same for what the sources hold alone: what else is on the target is not looked at.
///
/// # Errors
/// As [`run`].
pub fn deliver(
    media: &[Medium],
    vault: &VaultId,
    known: Option<&Trust>,
    progress: &dyn Fn(Text),
) -> Result<Copied> {
    let target = media.len().saturating_sub(1);
    bring(
        media,
        vault,
        known,
        &|generation| generation.copies.iter().any(|copy| copy.medium < target),
        progress,
    )
}

fn bring(
    media: &[Medium],
    vault: &VaultId,
    known: Option<&Trust>,
    is_wanted: &dyn Fn(&Generation) -> bool,
    progress: &dyn Fn(Text),
) -> Result<Copied> {
    let known = known
        .filter(|trust| trust.vault == *vault)
        .cloned()
        .unwrap_or_else(|| Trust::new(vault.clone()));
    let survey = Survey::of(media, vault.clone(), &known, Reading::Cached)?;
    let Some((target, sources)) = media.split_last() else {
        return Ok(Copied::default());
    };
    if let Some(foreign) = (0..sources.len()).find(|source| !survey.is_of_vault(*source)) {
        return Err(survey.not_ours(foreign).into());
    }
    let statements: Vec<_> = survey.trust.statements.values().collect();
    target.add_owner_files(&statements, &survey.owners_identities())?;
    // Nothing depends on it, and what stands there is named.
    let _ = target.renew_readme();
    let refused = refused(&survey, sources.len());
    let (skipped, newest) = (unreadable(&survey), survey.newest_on(sources.len()));
    let forks = survey
        .slots
        .iter()
        .filter(|(_, slot)| slot.is_fork())
        .map(|(place, _)| *place)
        .collect();
    let mut copied = Copied {
        skipped,
        refused,
        newest,
        forks,
        ..Copied::default()
    };
    let generations = survey.slots.values().flat_map(|slot| &slot.generations);
    for generation in generations.filter(|generation| is_wanted(generation)) {
        let missing: Vec<usize> = (0..HALVES.len())
            .filter(|half| !survey.holds(generation, sources.len(), *half))
            .collect();
        if missing.is_empty() {
            copied.kept += 1;
            continue;
        }
        let Some(package) = survey.package(generation) else {
            copied.skipped.push(generation.key());
            continue;
        };
        progress(text!("progress-copying", generation = generation.key()));
        for half in missing {
            package.write(target, half, || Ok::<(), MediumError>(()))?;
        }
        copied.added.push(generation.key());
        let newest = copied
            .newest
            .entry(generation.record.server.to_string())
            .or_default();
        *newest = generation.record.number.get().max(*newest);
    }
    Ok(copied)
}

/// Folders of strangers and of servers that may no longer write.
fn refused(survey: &Survey<'_>, sources: usize) -> Vec<(String, String)> {
    let places = survey
        .slots
        .values()
        .flat_map(|slot| &slot.foreign)
        .map(|(place, _)| place);
    let in_sources = places.filter(|place| place.medium < sources);
    in_sources
        .map(|place| (survey.medium(place.medium).name.clone(), place.path.clone()))
        .collect()
}

/// Generations of the vault's servers of which no record can be read any more, or not by this
/// version.
fn unreadable(survey: &Survey<'_>) -> Vec<String> {
    let lost = |slot: &Slot| {
        slot.generations.is_empty() && !(slot.damaged.is_empty() && slot.newer.is_empty())
    };
    let slots = survey.slots.iter().filter(|(_, slot)| lost(slot));
    slots
        .map(|((server, number), _)| format!("{server}/{number}"))
        .collect()
}
