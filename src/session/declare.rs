//! What the owner says on the media, and what may be missing there.

use crate::console::Console;
use crate::error::{Error, Exit, Result, medium_reason};
use crate::session::Session;
use crate::state::State;
use crate::text;
use crate::workflow::unlock::UnlockedVault;
use vault::medium::MediumError;
use vault::trust::{Clause, Statement, Trust};

/// What the owner said, and where it could not be written.
pub struct Declared {
    /// Everything the owner ever said.
    pub trust: Trust,
    statement: Statement,
    refused: Vec<MediumError>,
}

impl Declared {
    /// Lets host state know it.
    pub fn teach(&self, state: &mut State) {
        // It was signed with the owner's key a moment ago.
        let _ = state.trust.learn(self.statement.clone());
    }

    /// Names the media that refused, at the end of what is said.
    pub fn finish(&self, console: &Console) -> Exit {
        for error in &self.refused {
            let (medium, reason) = (error.medium.as_str(), medium_reason(error));
            console.warn(&text!("declare-refused", medium = medium, reason = reason));
        }
        if self.refused.is_empty() {
            Exit::Done
        } else {
            Exit::Partly
        }
    }

    /// Their names, for programs.
    pub fn missing(&self) -> Vec<&str> {
        self.refused
            .iter()
            .map(|error| error.medium.as_str())
            .collect()
    }
}

impl Session<'_> {
    /// Says `words` in the owner's name on every medium that was opened, and remembers it. Each
    /// then has all that the owner ever said, as far as it is known here, and so has what is
    /// returned.
    ///
    /// # Errors
    /// When no medium takes it. One that refuses while another takes it is named in what is
    /// returned.
    pub fn declare(&self, opened: &UnlockedVault<'_>, words: &[Clause]) -> Result<Declared> {
        let declared = say(opened, words)?;
        self.note(&opened.vault(), |state| declared.teach(state));
        Ok(declared)
    }
}

/// The same for who holds host state and teaches it.
///
/// # Errors
/// As [`Session::declare`].
pub fn say(opened: &UnlockedVault<'_>, words: &[Clause]) -> Result<Declared> {
    let unsigned = || Error::failed(text!("error-signing"));
    let statement = Statement::sign(&opened.owner.key, words).map_err(|_| unsigned())?;
    let mut trust = opened.survey.trust.clone();
    trust.learn(statement.clone()).map_err(|_| unsigned())?;
    let statements: Vec<_> = trust.statements.values().collect();
    let (media, identities) = (
        opened.survey.media_count(),
        opened.survey.owners_identities(),
    );
    let add = |medium| {
        opened
            .survey
            .medium(medium)
            .add_owner_files(&statements, &identities)
            .err()
    };
    let mut refused: Vec<MediumError> = (0..media).filter_map(add).collect();
    if refused.len() == media
        && let Some(error) = refused.pop()
    {
        return Err(error.into());
    }
    Ok(Declared {
        trust,
        statement,
        refused,
    })
}
