//! Folders that Windows knows by name.

use std::io;
use std::path::PathBuf;
use std::ptr;

use windows_sys::Win32::System::SystemInformation::GetSystemWindowsDirectoryW;
use windows_sys::Win32::UI::Shell::{FOLDERID_ProgramData, SHGetKnownFolderPath};

use super::call;
use super::memory::CoTask;
use super::wide::narrow;

/// `MAX_PATH`, which bounds this folder.
const LONGEST: usize = 260;

/// Where Windows is (`GetSystemWindowsDirectoryW`: the machine's, not that of one session).
///
/// # Errors
/// What Windows says.
pub(super) fn windows() -> io::Result<PathBuf> {
    let mut buffer = [0_u16; LONGEST];
    // SAFETY: the buffer holds as many units as it is said to.
    let length = unsafe { GetSystemWindowsDirectoryW(buffer.as_mut_ptr(), LONGEST as u32) };
    if length == 0 {
        return Err(call::last_error(
            "GetSystemWindowsDirectoryW",
            "of this machine",
        ));
    }
    Ok(PathBuf::from(narrow(&buffer)))
}

/// Where host state lies: `%ProgramData%\pfxvault`, one for the machine, since the keys it backs up
/// are the machine's.
pub fn state_folder() -> Option<PathBuf> {
    Some(program_data()?.join("pfxvault"))
}

/// `%ProgramData%` (`SHGetKnownFolderPath`, `FOLDERID_ProgramData`: unlike the environment variable, no
/// caller can move it).
pub(super) fn program_data() -> Option<PathBuf> {
    let mut path = CoTask(ptr::null_mut());
    // SAFETY: the id is a constant; no token asks for this process's own.
    let code =
        unsafe { SHGetKnownFolderPath(&FOLDERID_ProgramData, 0, ptr::null_mut(), &raw mut path.0) };
    if code < 0 {
        return None;
    }
    Some(PathBuf::from(path.text()))
}
