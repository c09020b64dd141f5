//! The console as a screen: how wide it is, clearing it, and a line that is typed on it.

use std::io::{self, Write};
use std::os::windows::io::AsRawHandle;

use windows_sys::Win32::System::Console::{
    CONSOLE_SCREEN_BUFFER_INFO, ENABLE_VIRTUAL_TERMINAL_PROCESSING, GetConsoleMode,
    GetConsoleScreenBufferInfo, SetConsoleMode,
};
use zeroize::Zeroizing;

/// One line of what is typed. Ctrl-C ends the process.
///
/// # Errors
/// `UnexpectedEof` where nothing comes any more.
pub fn read_line() -> io::Result<Zeroizing<String>> {
    // Room for what people type, so that growing leaves no copy of it.
    let mut line = Zeroizing::new(String::with_capacity(4096));
    if io::stdin().read_line(&mut line)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(line)
}

/// Nothing to do: cmd and PowerShell set the mode of the console before each line that they read.
pub fn restore_terminal() {}

/// Columns of the console that a stream is (`GetConsoleScreenBufferInfo`).
pub fn columns(output: &impl AsRawHandle) -> Option<usize> {
    let mut screen = CONSOLE_SCREEN_BUFFER_INFO::default();
    // SAFETY: any handle may be asked; the structure outlives the call.
    let asked = unsafe { GetConsoleScreenBufferInfo(output.as_raw_handle(), &raw mut screen) };
    let columns = i32::from(screen.srWindow.Right) - i32::from(screen.srWindow.Left) + 1;
    usize::try_from(columns).ok().filter(|_| asked != 0)
}

/// Whether the console on which questions are shown can be cleared.
pub fn clears_screen() -> bool {
    Sequences::begin().is_some()
}

/// Clears the screen and what was scrolled off it, where the console can: since Windows Server 2016.
pub fn clear_screen() {
    if let Some(_understood) = Sequences::begin() {
        // Home, all of the screen, all that was scrolled off.
        let _ = io::stderr().write_all(b"\x1b[H\x1b[2J\x1b[3J");
    }
}

/// A console that understands escape sequences; as before on drop.
struct Sequences {
    before: u32,
}

impl Sequences {
    /// `None` where the console is too old for them (`SetConsoleMode`), or is none.
    fn begin() -> Option<Self> {
        let screen = io::stderr().as_raw_handle();
        let mut before = 0;
        // SAFETY: any handle may be asked; the mode outlives the call.
        let asked = unsafe { GetConsoleMode(screen, &raw mut before) };
        if asked == 0 {
            return None;
        }
        // SAFETY: takes a handle and a number.
        let set = unsafe { SetConsoleMode(screen, before | ENABLE_VIRTUAL_TERMINAL_PROCESSING) };
        (set != 0).then_some(Self { before })
    }
}

impl Drop for Sequences {
    fn drop(&mut self) {
        // SAFETY: takes a handle and a number. It worked a moment ago; if it fails now, the console
        // is gone.
        unsafe { SetConsoleMode(io::stderr().as_raw_handle(), self.before) };
    }
}
