//! Bringing one medium up to date from others of the same vault: add-only, and every copy is
//! verified before it is written and read back after it.

use std::collections::BTreeMap;

use crate::error::Result;
use crate::message::Text;
use crate::state::new_readme;
use crate::text;
use crate::workflow::verify;
use vault::id::{GenerationId, Number, ServerId, VaultId};
use vault::medium::{HALVES, Medium, MediumError};
use vault::survey::{Generation, Slot, Survey};
use vault::trust::Trust;
use vault::volume::Reading;

/// What a copy did.
#[derive(Debug, Default, PartialEq)]
pub struct Copied {
    /// Generations added in at least one of the two copies, as `SERVER8/number`.
    pub added: Vec<String>,
    /// Generations that the target held already.
    pub kept: usize,
    /// Generations that no source holds whole.
    pub skipped: Vec<String>,
    /// The newest generation of each server on the target, afterwards.
    pub newest: BTreeMap<ServerId, Number>,
    /// Numbers under which the media together hold two different generations.
    pub forks: Vec<GenerationId>,
    /// Folders in the sources that no server of this vault may have written: medium and path.
    pub refused: Vec<(String, String)>,
    /// That more lies on the media than was looked at.
    pub crowded: Vec<Text>,
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

/// Refuses sources that are not of this vault, before a target is made one of it.
///
/// # Errors
/// When a source is not of this vault, or cannot be listed.
pub fn refuse_foreign(sources: &[Medium], known: &Trust) -> Result<()> {
    let survey = Survey::of(sources, known.vault.clone(), known, Reading::Cached)?;
    none_is_foreign(&survey, sources.len())
}

fn none_is_foreign(survey: &Survey<'_>, sources: usize) -> Result<()> {
    match (0..sources).find(|source| !survey.is_of_vault(*source)) {
        Some(foreign) => Err(survey.not_ours(foreign).into()),
        None => Ok(()),
    }
}

/// The same as [`run`] for what the sources hold alone: what else is on the target is not looked at.
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
    let known = match known {
        Some(trust) if trust.vault == *vault => trust.clone(),
        _ => Trust::new(vault.clone()),
    };
    let survey = Survey::of(media, vault.clone(), &known, Reading::Cached)?;
    let Some((target, sources)) = media.split_last() else {
        return Ok(Copied::default());
    };
    none_is_foreign(&survey, sources.len())?;
    add_owner_files(&survey, target)?;
    let mut copied = not_copied(&survey, sources.len());
    let generations = survey.slots.values().flat_map(|slot| &slot.generations);
    for generation in generations.filter(|generation| is_wanted(generation)) {
        complete(&survey, generation, &mut copied, progress)?;
    }
    Ok(copied)
}

fn add_owner_files(survey: &Survey<'_>, target: &Medium) -> Result<()> {
    let statements: Vec<_> = survey.trust.statements.values().collect();
    target.add_owner_files(&statements, &survey.owners_identities())?;
    // Nothing depends on it, and what stands there is named.
    let _ = target.renew_readme(&new_readme());
    Ok(())
}

/// What can be told before anything is copied: what stays away and why, and what the target, which
/// comes after the sources, holds.
fn not_copied(survey: &Survey<'_>, sources: usize) -> Copied {
    let mut copied = Copied {
        crowded: verify::of_crowded(survey),
        newest: survey.newest_on(sources),
        ..Copied::default()
    };
    for (at, slot) in &survey.slots {
        if slot.is_fork() {
            copied.forks.push(*at);
        }
        if is_unreadable(slot) {
            copied.skipped.push(at.to_string());
        }
        for (place, _) in &slot.foreign {
            if place.medium < sources {
                let medium = survey.medium(place.medium).name.clone();
                copied.refused.push((medium, place.path.clone()));
            }
        }
    }
    copied
}

/// Whether no record of one of the vault's servers can be read there any more, or not by this
/// version.
fn is_unreadable(slot: &Slot) -> bool {
    slot.generations.is_empty() && !(slot.damaged.is_empty() && slot.newer.is_empty())
}

/// Writes the copies of a generation that the target, the last medium, lacks.
fn complete(
    survey: &Survey<'_>,
    generation: &Generation,
    copied: &mut Copied,
    progress: &dyn Fn(Text),
) -> Result<()> {
    let target = survey.media_count() - 1;
    let missing: Vec<usize> = (0..HALVES.len())
        .filter(|half| !survey.holds(generation, target, *half))
        .collect();
    if missing.is_empty() {
        copied.kept += 1;
        return Ok(());
    }
    let Some(package) = survey.package(generation) else {
        copied.skipped.push(generation.key());
        return Ok(());
    };
    progress(text!("progress-copying", generation = generation.key()));
    for half in missing {
        package.write(survey.medium(target), half, || Ok::<(), MediumError>(()))?;
    }
    copied.added.push(generation.key());
    let number = generation.record.number;
    let newest = copied
        .newest
        .entry(generation.record.server)
        .or_insert(number);
    *newest = number.max(*newest);
    Ok(())
}
