//! The last step with a stick: it is ejected, so that it can be pulled out and no write is cut off.

use std::path::PathBuf;

use crate::cli::AfterwardsArgs;
use crate::console::Enter;
use crate::error::Exit;
use crate::platform::media::{self, Device, NotEjected};
use crate::session::Session;
use crate::session::media::{parcel_path, place_of};
use crate::text;
use vault::medium::Medium;

impl Session<'_> {
    /// Ejects sticks as the options say, or as a person who can be asked says of each removable
    /// one. Those that were, and the exit code: what was asked for by option and did not come off
    /// needs attention.
    pub fn eject_media(
        &self,
        media: &[String],
        wish: AfterwardsArgs,
        ask: bool,
        exit: Exit,
    ) -> (Exit, Vec<String>) {
        let mut ejected = Vec::new();
        let sticks: Vec<&String> = media
            .iter()
            .filter(|name| parcel_path(name).is_none())
            .collect();
        for name in &sticks {
            if (wish.eject || (ask && !wish.keep_mounted && self.is_to_be_ejected(name)))
                && self.eject(name)
            {
                ejected.push((*name).clone());
            }
        }
        let failed = wish.eject && ejected.len() < sticks.len();
        (
            if failed && exit == Exit::Done {
                Exit::Attention
            } else {
                exit
            },
            ejected,
        )
    }

    fn is_to_be_ejected(&self, name: &str) -> bool {
        let can_answer = !self.console.json && self.console.interactive();
        can_answer
            && media::may_eject()
            && removable(name).is_some()
            && self
                .console
                .confirm(&text!("eject-question", medium = name), Enter::Yes)
                .unwrap_or(false)
    }

    fn eject(&self, name: &str) -> bool {
        let label = self.medium(name).ok().as_ref().and_then(Medium::label);
        let done = removable(name).map_or(Err(NotEjected::BuiltIn), |place| media::eject(&place));
        match done {
            Ok(()) => self.console.say(&text!("eject-done", medium = name)),
            Err(why) => {
                self.console
                    .warn(&text!("eject-failed", medium = name, reason = why.reason()));
                return false;
            }
        }
        let vault = self.memory().state.map(|state| state.vault().clone());
        if let (Some(vault), Some(label)) = (vault, label) {
            self.note(&vault, |state| state.ejected(&label.medium));
        }
        true
    }
}

/// Where a medium is, if it can be taken away.
fn removable(name: &str) -> Option<PathBuf> {
    let place = place_of(name).ok()?;
    media::facts(&place)
        .is_ok_and(|facts| facts.device == Device::Removable)
        .then_some(place)
}
