//! What is remembered of the ways in, and said of them at the end of a backup.

use crate::platform;
use crate::session::Session;
use crate::state::{KnownWay, State, WayEvent};
use crate::text;
use crate::workflow::unlock::UnlockedVault;
use crate::workflow::ways;

impl Session<'_> {
    /// That something happens now, by who runs this.
    pub fn event(&self) -> WayEvent {
        WayEvent {
            time: self.now,
            by: platform::account(),
        }
    }

    /// Takes note that a way in has opened the vault. Where host state cannot be written, nothing
    /// depends on it.
    pub fn note_opened(&self, opened: &UnlockedVault<'_>) {
        let Ok(Some(mut state)) = self.state() else {
            return;
        };
        if *state.vault() == opened.vault() {
            state.way_has_opened(opened.way, opened.opened_with, self.event());
            let _ = state.save();
        }
    }

    /// Says which ways in were tried within a year, and which were not.
    pub fn remind_of_ways(&self, state: &State) {
        let mut ways = state.ways();
        ways.retain(ways::is_in_use);
        let is_untried = |(_, known): &(_, Option<&KnownWay>)| !ways::is_proven(*known, self.now);
        if ways.iter().any(is_untried) {
            return self.show_findings(&ways::findings(state, self.now));
        }
        let names = ways.iter().map(|(way, known)| ways::name(*way, *known));
        let names: Vec<_> = names.map(|name| self.console.words(&name)).collect();
        self.console
            .mention(&text!("ways-tried", ways = names.join(", ")));
    }
}
