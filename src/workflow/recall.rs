//! What this server knows of itself: from host state, and where media are at hand, from them.

use crate::state::{State, Written};
use crate::workflow::verify;
use vault::id::{Hash, Number};
use vault::medium::Medium;

/// The newest generation of this server that holds the certificate and that a medium in use has,
/// and its day.
pub fn last_backup(state: &State, certificate: &[u8]) -> Option<(Number, jiff::Timestamp)> {
    let wanted = Hash::of(certificate);
    let holds = |written: &&Written| {
        written
            .key_pairs
            .iter()
            .any(|pair| pair.certificate_sha256 == wanted)
    };
    let is_kept = |written: &&Written| {
        let mut media = state.media_in_use();
        media.any(|medium| state.is_on(medium, written.number))
    };
    state
        .generations()
        .filter(holds)
        .find(is_kept)
        .map(|written| (written.number, written.time))
}

/// Whether the owner ended this server's right to write, as far as it is known here.
pub fn is_closed(state: &State, media: &[Medium]) -> bool {
    let own = state.server();
    let told =
        || verify::trust_of(media, Some(state)).is_ok_and(|trust| trust.closing(own).is_some());
    state.trust.closing(own).is_some() || (!media.is_empty() && told())
}
