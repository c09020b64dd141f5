//! Folders that Windows knows by name.

use std::path::PathBuf;
use std::ptr;

use windows_sys::Win32::UI::Shell::{FOLDERID_ProgramData, SHGetKnownFolderPath};

use super::memory::CoTask;

/// Where host state lies: `%ProgramData%\pfxvault`, one for the machine, since the keys it backs up are the machine's
/// (`SHGetKnownFolderPath`, `FOLDERID_ProgramData`: unlike the environment variable, no caller can move it).
pub fn state_folder() -> Option<PathBuf> {
    let mut path = CoTask(ptr::null_mut());
    // SAFETY: the id is a constant; no token asks for this process's own.
    let code = unsafe { SHGetKnownFolderPath(&FOLDERID_ProgramData, 0, ptr::null_mut(), &raw mut path.0) };
    if code < 0 {
        return None;
    }
    Some(PathBuf::from(path.text()).join("pfxvault"))
}
