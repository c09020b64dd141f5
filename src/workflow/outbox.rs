//! The outbox in host state: parcels that wait for a stick. The next backup to one brings them
//! there first, and removes each once a stick has it.

use std::fs;
use std::path::PathBuf;

use crate::message::Text;
use crate::state::State;
use crate::text;
use crate::workflow::copy;
use crate::workflow::parcel_file;
use vault::id::Number;
use vault::medium::Medium;

/// What became of the parcels that waited.
#[derive(Debug, Default)]
pub struct Delivery {
    /// Generations that are on a medium now, as `SERVER8/number`.
    pub delivered: Vec<String>,
    /// Parcels that stay, and why.
    pub stuck: Vec<(PathBuf, Text)>,
}

/// Where the parcel of a generation waits.
pub fn file(state: &State, number: Number) -> PathBuf {
    state.outbox().join(format!("{}.zip", number.folder()))
}

/// Puts what waits onto a medium, and says whether anything was added. What cannot be delivered
/// stays.
pub fn deliver(
    state: &State,
    medium: &Medium,
    delivery: &mut Delivery,
    progress: &dyn Fn(Text),
) -> bool {
    let mut changed = false;
    for path in waiting(state) {
        let copied = parcel_file::open(&path).and_then(|parcel| {
            let way = [
                Medium::of_parcel(path.display().to_string(), parcel),
                medium.clone(),
            ];
            copy::deliver(&way, state.vault(), Some(&state.trust), progress)
        });
        match copied {
            Ok(copied) if copied.added.len() + copied.kept == 1 => {
                changed |= !copied.added.is_empty();
                delivery.delivered.extend(copied.added);
            }
            Ok(_) => delivery
                .stuck
                .push((path, text!("reason-parcel-not-whole"))),
            Err(error) => delivery.stuck.push((path, error.text)),
        }
    }
    changed
}

fn waiting(state: &State) -> Vec<PathBuf> {
    let entries = fs::read_dir(state.outbox()).into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    files.sort();
    files
}

/// Removes what a stick has: the signature was read back from there, and host state says so.
pub fn clear(state: &State) {
    for written in state.generations() {
        // A file that stays is delivered again, which changes nothing.
        let _ = fs::remove_file(file(state, written.number));
    }
}
