//! What lies under a path, and how to be sure that something was written there.

pub mod blocks;
mod eject;
pub mod facts;
pub mod synced;
mod typed;
mod volume;

use vault::descriptor::Descriptor;
use vault::medium::Medium;

pub use eject::NotEjected;
pub use facts::{Device, Facts, ReadOnly, Share, Synced, independent, within};
pub use typed::typed;
pub use volume::FolderVolume;

pub use super::system::{attachment, descriptor, eject, facts, host_name, may_eject, volumes};
pub(crate) use super::system::{flush_folder, read_past_cache};

/// Every removable medium that is inserted and mounted, with the facts about it.
pub fn inserted() -> Vec<Facts> {
    let facts = volumes().into_iter().filter_map(|root| facts(&root).ok());
    facts
        .filter(|facts| facts.device == Device::Removable)
        .collect()
}

/// The attachment during which a medium is read now, see [`attachment`].
pub fn attachment_of(medium: &Medium) -> Option<String> {
    attachment(medium.place()?)
}

/// What is known of the place a medium is at, where it is on this machine and the system tells.
pub fn facts_of(medium: &Medium) -> Option<Facts> {
    facts(medium.place()?).ok()
}

/// What the device that a medium is on says of itself.
pub fn descriptor_of(medium: &Medium) -> Descriptor {
    medium.place().map(descriptor).unwrap_or_default()
}
