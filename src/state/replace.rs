//! Another vault in the place of the one that this server wrote to. What it remembers of the former
//! one is kept beside, as a state that can be looked at.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::{KEY, MEMORY, REQUEST, State, lock, refuse_shared, unreadable, unwritable};
use crate::error::Result;
use crate::platform::patience::patiently;
use crate::platform::private_files::create_private_folder;

/// Where the state of another vault is made, while the one in use stays as it is.
const NEXT: &str = "next";
/// Folders of what was replaced, followed by a number.
const FORMER: &str = "former-";
/// Parcels that wait for a stick.
const OUTBOX: &str = "outbox";

/// Where the state of another vault is made, beside the one in `home`.
pub fn next_in(home: &Path) -> PathBuf {
    home.join(NEXT)
}

/// Whether a replacement was interrupted after the former state was taken away.
pub(super) fn is_interrupted(home: &Path) -> bool {
    !home.join(MEMORY).exists() && next_in(home).join(MEMORY).exists()
}

impl State {
    /// Puts a state that was made in [`next_in`] `home` into its place; says where what was there
    /// lies now. Until its end this server counts as enrolled nowhere, and the next [`State::open`]
    /// finishes what was interrupted.
    ///
    /// # Errors
    /// When another run holds one of the two, or a file cannot be moved.
    pub fn take_place_in(self, home: &Path) -> Result<(Self, PathBuf)> {
        let next = self.folder.clone();
        drop(self);
        let held = lock(home)?;
        let former = home.join(format!("{FORMER}{}", last_former(home)? + 1));
        create_private_folder(&former).map_err(|e| unwritable(&former, &e))?;
        move_all(&moves(home, &former, &next)).map_err(|e| unwritable(home, &e))?;
        clean(&next);
        refuse_shared(home)?;
        Ok((Self::read(home, Some(held))?, former))
    }
}

/// Finishes a replacement that was interrupted.
pub(super) fn finish(home: &Path) -> Result<()> {
    let (next, last) = (next_in(home), last_former(home)?.max(1));
    let former = home.join(format!("{FORMER}{last}"));
    create_private_folder(&former).map_err(|e| unwritable(&former, &e))?;
    let mut moves = moves(home, &former, &next);
    // Its key goes before its memory: without it there, the key at home is the new one.
    if !next.join(KEY).exists() {
        moves.drain(..moves.len() - 1);
    }
    move_all(&moves).map_err(|e| unwritable(home, &e))?;
    clean(&next);
    Ok(())
}

/// In this order: as long as the memory is not at home, this server is enrolled nowhere.
fn moves(home: &Path, former: &Path, next: &Path) -> Vec<(PathBuf, PathBuf)> {
    let away = [MEMORY, REQUEST, OUTBOX, KEY].map(|name| (home.join(name), former.join(name)));
    let here = [KEY, MEMORY].map(|name| (next.join(name), home.join(name)));
    away.into_iter().chain(here).collect()
}

/// What is not there was moved before, or never was.
fn move_all(moves: &[(PathBuf, PathBuf)]) -> io::Result<()> {
    for (from, to) in moves.iter().filter(|(from, _)| from.exists()) {
        patiently(|| fs::rename(from, to))?;
        for folder in [from, to].into_iter().filter_map(|path| path.parent()) {
            crate::platform::media::flush_folder(folder)?;
        }
    }
    Ok(())
}

/// What is left of it says nothing; where it cannot be removed, it stays.
fn clean(next: &Path) {
    let _ = fs::remove_dir_all(next);
}

/// The highest number of a former state; 0 where there is none.
fn last_former(home: &Path) -> Result<u32> {
    let mut last = 0;
    for entry in fs::read_dir(home).map_err(|e| unreadable(home, &e))? {
        let name = entry.map_err(|e| unreadable(home, &e))?.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix(FORMER));
        last = number
            .and_then(|text| text.parse().ok())
            .unwrap_or(0)
            .max(last);
    }
    Ok(last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use vault::id::VaultId;
    use vault::sign::SigningKey;

    fn made(folder: &Path) -> (VaultId, State) {
        let vault = VaultId::of(&SigningKey::generate().unwrap().public());
        let mut state = State::create(folder, vault.clone(), "WEB01").unwrap();
        state.save().unwrap();
        (vault, state)
    }

    #[test]
    fn whatever_stopped_it_one_vault_is_in_use_and_the_other_can_be_looked_at() {
        let steps = moves(Path::new("h"), Path::new("f"), Path::new("n")).len();
        for done in 0..=steps {
            let folder = tempfile::tempdir().unwrap();
            let home = folder.path().join("state");
            let (old, state) = made(&home);
            fs::create_dir(home.join(OUTBOX)).unwrap();
            drop(state);
            let next = next_in(&home);
            let (new, state) = made(&next);
            drop(state);
            let former = home.join("former-1");
            create_private_folder(&former).unwrap();
            move_all(&moves(&home, &former, &next)[..done]).unwrap();
            let opened = State::open(&home).unwrap().unwrap();
            let key = opened.key().public();
            if done == 0 {
                assert_eq!(opened.vault(), &old);
                continue;
            }
            assert_eq!(opened.vault(), &new, "{done}");
            let kept = State::look(&former).unwrap().unwrap();
            assert_eq!(kept.vault(), &old, "{done}");
            assert!(kept.key().public() != key && former.join(OUTBOX).exists());
            assert!(!next.join(KEY).exists() && !next.join(MEMORY).exists());
        }
    }

    #[test]
    fn a_second_replacement_keeps_both_former_ones() {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().join("state");
        let (first, state) = made(&home);
        drop(state);
        let (second, state) = made(&next_in(&home));
        let (state, former) = state.take_place_in(&home).unwrap();
        assert_eq!(state.vault(), &second);
        drop(state);
        let (third, state) = made(&next_in(&home));
        let (state, later) = state.take_place_in(&home).unwrap();
        assert_eq!(state.vault(), &third);
        for (folder, vault) in [(former, first), (later, second)] {
            assert_eq!(State::look(&folder).unwrap().unwrap().vault(), &vault);
        }
    }
}
