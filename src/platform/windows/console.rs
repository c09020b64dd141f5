//! The console: is there a person, which code page do others read, and was Ctrl-C pressed.

use std::borrow::Cow;
use std::io;
use std::os::windows::io::AsRawHandle;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use windows_sys::Win32::Globalization::{CP_OEMCP, CP_UTF8, MultiByteToWideChar};
use windows_sys::Win32::System::Console::{
    CTRL_BREAK_EVENT, CTRL_C_EVENT, CTRL_CLOSE_EVENT, GetConsoleMode, GetConsoleOutputCP,
    SetConsoleCtrlHandler, SetConsoleOutputCP,
};
use windows_sys::core::BOOL;

use super::call;

/// Longer than Windows waits.
const LEFT_AFTER_CLOSING: Duration = Duration::from_secs(30);

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Whether a person can be asked: standard input and standard error are both a real console
/// (`GetConsoleMode`).
///
/// Redirected input is never bypassed by opening `CONIN$`, and the pipe of a terminal that is no
/// Windows console (mintty) does not count: it would show what is typed.
pub fn is_interactive() -> bool {
    is_console(&io::stdin()) && is_console(&io::stderr())
}

fn is_console(stream: &impl AsRawHandle) -> bool {
    let mut mode = 0;
    // SAFETY: any handle may be asked, also none: what is not a console says no.
    let answered = unsafe { GetConsoleMode(stream.as_raw_handle(), &raw mut mode) };
    answered != 0
}

/// The console's output code page set to UTF-8; what it was before comes back on drop.
///
/// Text for a console itself goes out as UTF-16 and needs none of this, and a Japanese raster font
/// loses its wide letters under it. It is for redirected output: `more`, `findstr` and PowerShell
/// read a pipe in this code page.
pub struct Utf8Output(u32);

impl Utf8Output {
    /// Sets it if standard output is redirected and there is a console (`SetConsoleOutputCP`).
    pub fn when_redirected() -> Option<Self> {
        if is_console(&io::stdout()) {
            return None;
        }
        // SAFETY: takes nothing, returns a number; 0 where there is no console.
        let before = unsafe { GetConsoleOutputCP() };
        if before == 0 || before == CP_UTF8 {
            return None;
        }
        // SAFETY: takes and returns plain numbers.
        let set = unsafe { SetConsoleOutputCP(CP_UTF8) };
        (set != 0).then_some(Self(before))
    }
}

impl Drop for Utf8Output {
    fn drop(&mut self) {
        // SAFETY: takes and returns plain numbers. If it fails, the console keeps UTF-8, which
        // harms nobody.
        unsafe { SetConsoleOutputCP(self.0) };
    }
}

/// What another program wrote, in the code page that the console has, else in that of MS-DOS.
pub fn decoded(bytes: &[u8]) -> String {
    // SAFETY: takes nothing, returns a number; 0 where there is no console.
    let page = match unsafe { GetConsoleOutputCP() } {
        0 => CP_OEMCP,
        page => page,
    };
    // No code page makes more units than there are bytes.
    let mut units = vec![0_u16; bytes.len()];
    let (Ok(length), false) = (i32::try_from(bytes.len()), bytes.is_empty()) else {
        return String::new();
    };
    // SAFETY: both buffers have the lengths that are given.
    let written =
        unsafe { MultiByteToWideChar(page, 0, bytes.as_ptr(), length, units.as_mut_ptr(), length) };
    units.truncate(written.cast_unsigned() as usize);
    String::from_utf16_lossy(&units)
}

/// Words as they go out: in UTF-8, which [`Utf8Output`] announces, and std translates for a console.
pub fn encoded(words: &str) -> Cow<'_, [u8]> {
    Cow::Borrowed(words.as_bytes())
}

/// From now on Ctrl-C, Ctrl-Break and closing the window do not end the process: they set a flag
/// that whoever changes the server looks at between two steps, to roll back
/// (`SetConsoleCtrlHandler`).
///
/// Windows ends the process about five seconds after its window was closed; what is not rolled back
/// by then is left to the journal.
///
/// # Errors
/// What Windows says.
pub fn watch_interrupts() -> io::Result<()> {
    // SAFETY: the handler is a function that lives as long as the process.
    let set = unsafe { SetConsoleCtrlHandler(Some(on_interrupt), 1) };
    call::succeeded(set, "SetConsoleCtrlHandler", "Ctrl-C")
}

/// Whether the person asked to stop since [`watch_interrupts`].
pub fn interrupted() -> bool {
    INTERRUPTED.load(Ordering::SeqCst)
}

/// Runs on a thread of its own ("HandlerRoutine").
unsafe extern "system" fn on_interrupt(event: u32) -> BOOL {
    let to_stop = notes(event, &INTERRUPTED);
    if event == CTRL_CLOSE_EVENT {
        // Returning would end the process at once; sleeping leaves the roll-back the time Windows
        // allows.
        thread::sleep(LEFT_AFTER_CLOSING);
    }
    BOOL::from(to_stop)
}

/// Whether an event asks to stop, which is noted then.
fn notes(event: u32, interrupted: &AtomicBool) -> bool {
    let to_stop = matches!(event, CTRL_C_EVENT | CTRL_BREAK_EVENT | CTRL_CLOSE_EVENT);
    if to_stop {
        interrupted.store(true, Ordering::SeqCst);
    }
    to_stop
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_program_wrote_is_read_in_the_code_page_of_the_console() {
        assert_eq!(decoded(b"ERROR ( 0x80070020 )"), "ERROR ( 0x80070020 )");
        assert_eq!(decoded(b""), "");
    }

    #[test]
    fn an_interrupt_sets_the_flag_and_is_taken_care_of_and_logging_off_is_not() {
        watch_interrupts().unwrap();
        // A flag of its own: other tests of this process go by that of the program.
        let interrupted = AtomicBool::new(false);
        assert!(!notes(5, &interrupted) && !interrupted.load(Ordering::SeqCst));
        for event in [CTRL_C_EVENT, CTRL_BREAK_EVENT, CTRL_CLOSE_EVENT] {
            let interrupted = AtomicBool::new(false);
            assert!(notes(event, &interrupted) && interrupted.load(Ordering::SeqCst));
        }
    }
}
