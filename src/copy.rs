//! Bringing one medium up to date from others of the same vault: add-only, and every copy is verified before it is
//! written and read back after it.

use crate::backup::{medium_error, read_key};
use crate::error::{Error, Exit, Result};
use crate::media::Reading;
use crate::text;
use crate::text::Text;
use crate::vault::id::{Hash, VaultId};
use crate::vault::medium::{HALVES, Medium, MediumError};
use crate::vault::survey::Survey;
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
}

/// Copies everything whole from `media[..last]` to the last medium.
///
/// # Errors
/// When the target refuses; what was added before stays and counts.
pub fn run(media: &[Medium], vault: &VaultId, known: Option<&Trust>, progress: &dyn Fn(Text)) -> Result<Copied> {
    let known = known.filter(|trust| trust.vault == *vault).cloned().unwrap_or_else(|| Trust::new(vault.clone()));
    let survey = Survey::of(media, vault.clone(), &known, Reading::Cached).map_err(|e| medium_error(&media[0], &e))?;
    let Some((target, _)) = media.split_last() else { return Ok(Copied::default()) };
    let refused = |error: MediumError| medium_error(target, &error);
    if survey.trust.statements.is_empty() {
        return Err(Error::new(Exit::NoVault, text!("error-no-vault", medium = media[0].name.as_str())));
    }
    copy_owner_files(&survey, target).map_err(refused)?;
    let mut copied = Copied::default();
    for generation in survey.slots.values().flat_map(|slot| &slot.generations) {
        let missing: Vec<usize> =
            (0..HALVES.len()).filter(|half| !survey.holds(generation, media.len() - 1, *half)).collect();
        if missing.is_empty() {
            copied.kept += 1;
            continue;
        }
        let Some(package) = survey.package(generation) else {
            copied.skipped.push(read_key(generation));
            continue;
        };
        progress(text!("progress-copying", generation = read_key(generation)));
        for half in missing {
            package.write(target, half, || Ok::<(), MediumError>(())).map_err(refused)?;
        }
        copied.added.push(read_key(generation));
    }
    Ok(copied)
}

/// The owner's statements, and the identity files that those statements name.
fn copy_owner_files(survey: &Survey<'_>, target: &Medium) -> Result<(), MediumError> {
    let statements: Vec<_> = survey.trust.statements.values().collect();
    let mut identities = survey.identities();
    identities.retain(|file| survey.trust.identities.contains(&Hash::of(file)));
    target.add_owner_files(&statements, &identities)
}
