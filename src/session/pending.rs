//! Requests whose keys exist only here.

use crate::iis::{KeyState, StoreEntry, StoreName};
use crate::session::Session;
use crate::state::State;
use crate::text;
use crate::workflow::recall::last_backup;

/// Names the requests that wait for their answer with a key that exists only here.
pub fn warn_unsaved<'a>(
    session: &Session<'_>,
    seen: impl Iterator<Item = &'a StoreEntry>,
    state: Option<&State>,
) {
    let saved = |seen: &StoreEntry| {
        state.is_some_and(|state| last_backup(state, &seen.certificate.der).is_some())
    };
    let pending = seen
        .filter(|seen| seen.store == StoreName::Request && matches!(seen.key, KeyState::Works(_)));
    for request in pending.filter(|seen| !saved(seen)) {
        session
            .console
            .warn(&text!("request-unsaved", name = request.certificate.name()));
    }
}
