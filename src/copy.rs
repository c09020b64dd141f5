//! Bringing one medium up to date from others of the same vault: add-only, and every copy is verified before it is
//! written and read back after it.

use std::collections::BTreeMap;

use crate::error::{Error, Exit, Result};
use crate::media::Reading;
use crate::text;
use crate::text::Text;
use crate::vault::id::VaultId;
use crate::vault::medium::{HALVES, Medium, MediumError};
use crate::vault::survey::{Slot, Survey};
use crate::vault::trust::Trust;

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
}

/// Copies everything whole from `media[..last]` to the last medium.
///
/// # Errors
/// When a source is not of this vault, or the target refuses; what was added before stays and counts.
pub fn run(media: &[Medium], vault: &VaultId, known: Option<&Trust>, progress: &dyn Fn(Text)) -> Result<Copied> {
    let known = known.filter(|trust| trust.vault == *vault).cloned().unwrap_or_else(|| Trust::new(vault.clone()));
    let survey = Survey::of(media, vault.clone(), &known, Reading::Cached)?;
    let Some((target, sources)) = media.split_last() else { return Ok(Copied::default()) };
    if let Some(foreign) = (0..sources.len()).find(|source| !survey.is_of_vault(*source)) {
        return Err(Error::new(Exit::NoVault, text!("error-not-our-vault", medium = sources[foreign].name.as_str())));
    }
    let statements: Vec<_> = survey.trust.statements.values().collect();
    target.add_owner_files(&statements, &survey.owners_identities())?;
    let mut copied =
        Copied { skipped: unreadable(&survey), newest: survey.newest_on(sources.len()), ..Copied::default() };
    for generation in survey.slots.values().flat_map(|slot| &slot.generations) {
        let missing: Vec<usize> =
            (0..HALVES.len()).filter(|half| !survey.holds(generation, sources.len(), *half)).collect();
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
        let newest = copied.newest.entry(generation.record.server.to_string()).or_default();
        *newest = generation.record.number.get().max(*newest);
    }
    Ok(copied)
}

/// Generations of the vault's servers of which no record can be read any more, or not by this version.
fn unreadable(survey: &Survey<'_>) -> Vec<String> {
    let lost = |slot: &Slot| slot.generations.is_empty() && !(slot.damaged.is_empty() && slot.newer.is_empty());
    let slots = survey.slots.iter().filter(|(_, slot)| lost(slot));
    slots.map(|((server, number), _)| format!("{server}/{number}")).collect()
}
