//! A server that changes over to another vault: what it leaves behind is said before.

use std::path::PathBuf;

use crate::console::Enter;
use crate::error::{Error, Result};
use crate::session::{Session, here};
use crate::state::State;
use crate::state::replace::next_in;
use crate::text;
use crate::workflow::clock;

/// More names than this are not listed.
const MOST_NAMES: usize = 20;

impl Session<'_> {
    /// Where the state of a machine goes that is not enrolled yet; of one that is, and is to
    /// `replace` its vault after a question, beside what it remembers.
    ///
    /// # Errors
    /// Where this server writes to a vault and nobody said that another one takes its place.
    pub fn new_state_folder(&self, replace: bool) -> Result<PathBuf> {
        let home = self.state_folder()?;
        let Some(state) = State::open(&home)? else {
            return Ok(home);
        };
        if !replace {
            let vault = state.vault().as_str();
            return Err(Error::failed(text!(
                "error-already-enrolled",
                vault = vault,
                folder = home.as_path()
            )));
        }
        self.say_left_behind(&state);
        let unattended = !self.console.interactive();
        self.go_ahead(unattended, &text!("replace-question"), Enter::No)?;
        Ok(next_in(&home))
    }

    /// Puts a state where this server looks for it, and says where the one before it lies.
    ///
    /// # Errors
    /// As [`State::take_place_in`].
    pub fn take_place(&self, state: State) -> Result<State> {
        let home = self.state_folder()?;
        if state.is_in(&home) {
            return Ok(state);
        }
        let (state, former) = state.take_place_in(&home)?;
        self.console
            .say(&text!("replace-done", former = former.as_path()));
        Ok(state)
    }

    /// Which sticks and servers stay with the vault that this server leaves, and which of its key
    /// pairs are nowhere else.
    fn say_left_behind(&self, state: &State) {
        let labels: Vec<_> = state
            .media_in_use()
            .map(|medium| medium.label.as_str())
            .collect();
        let own = state.server();
        let servers = state.trust.servers.keys();
        let others = servers.filter(|server| **server != own && state.trust.may_write(**server));
        self.console.say(&text!(
            "replace-what",
            vault = state.vault().as_str(),
            media = if labels.is_empty() {
                "none".to_owned()
            } else {
                labels.join(", ")
            },
            others = others.count()
        ));
        let stored = here::stored();
        let is_here = |thumbprint: &str| {
            let mut stored = stored.iter().flatten();
            stored.any(|entry| {
                entry.key.may_be_here() && entry.certificate.thumbprint() == thumbprint
            })
        };
        let mut nowhere_else = Vec::new();
        for known in state.key_pairs(clock::trusted(self.now, state)) {
            let about = known.pair.about;
            if known.counts() && !is_here(&about.thumbprint) {
                nowhere_else.push(about.display_name());
            }
        }
        if !nowhere_else.is_empty() {
            let more = match nowhere_else.len() > MOST_NAMES {
                true => ", …",
                false => "",
            };
            let first = &nowhere_else[..nowhere_else.len().min(MOST_NAMES)];
            self.console.say(&text!(
                "replace-nowhere-else",
                count = nowhere_else.len(),
                names = first.join(", ") + more,
                stores = if stored.is_some() { "looked" } else { "none" }
            ));
        }
    }
}

/// The state that a machine is to have, where a replacement of its vault came so far.
pub fn begun(session: &Session<'_>) -> Result<Option<State>> {
    State::open(&next_in(&session.state_folder()?))
}
