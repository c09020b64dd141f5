//! The console while somebody is asked: what was typed too early is thrown away, secrets are not
//! shown.

use std::io::{self, Read};
use std::os::windows::io::AsRawHandle;
use std::process;
use std::ptr;
use std::sync::atomic::{AtomicU32, Ordering};

use windows_sys::Win32::Foundation::STATUS_CONTROL_C_EXIT;
use windows_sys::Win32::System::Console::{
    ENABLE_ECHO_INPUT, ENABLE_LINE_INPUT, FlushConsoleInputBuffer, GetConsoleMode, ReadConsoleW,
    SetConsoleCtrlHandler, SetConsoleMode,
};
use windows_sys::core::BOOL;
use zeroize::Zeroizing;

use super::call;

/// The console's mode before a secret was asked for, for [`on_interrupt`].
static MODE_BEFORE: AtomicU32 = AtomicU32::new(0);

/// Throws away what was typed and not asked for (`FlushConsoleInputBuffer`).
pub fn forget_typed() {
    // SAFETY: any handle may be given: what is no console is refused, and there nobody types.
    unsafe { FlushConsoleInputBuffer(io::stdin().as_raw_handle()) };
}

/// Ends the process as Ctrl-C does.
#[expect(
    clippy::exit,
    reason = "Windows is about to end the process all the same"
)]
pub fn interrupt() {
    process::exit(STATUS_CONTROL_C_EXIT);
}

/// Nothing to do: Windows shows what is typed only when somebody reads it.
pub struct Unechoed;

impl Unechoed {
    /// Nothing changes.
    ///
    /// # Errors
    /// Never.
    pub fn begin() -> io::Result<Self> {
        Ok(Self)
    }

    /// Throws away what was typed and not asked for. Ctrl-C is never among it: it has ended the
    /// process.
    pub fn interrupted(&self) -> bool {
        forget_typed();
        false
    }
}

/// The keys that are typed as a secret: none is shown. Ctrl-C is an error of the kind
/// `Interrupted`. The console is as before on drop, and when Ctrl-C ends the process.
pub struct SecretKeys {
    before: u32,
    /// The rest of a character in UTF-8.
    rest: Zeroizing<Vec<u8>>,
}

impl SecretKeys {
    /// Begins with an empty line: what was typed before is thrown away.
    ///
    /// # Errors
    /// Where standard input is no console.
    pub fn listen() -> io::Result<Self> {
        let console = io::stdin().as_raw_handle();
        let mut before = 0;
        // SAFETY: any handle may be asked; the mode outlives the call.
        let asked = unsafe { GetConsoleMode(console, &raw mut before) };
        call::succeeded(asked, "GetConsoleMode", "standard input")?;
        MODE_BEFORE.store(before, Ordering::SeqCst);
        // SAFETY: the handler is a function that lives as long as the process.
        let watched = unsafe { SetConsoleCtrlHandler(Some(on_interrupt), 1) };
        call::succeeded(watched, "SetConsoleCtrlHandler", "Ctrl-C")?;
        let keys = Self {
            before,
            rest: Zeroizing::new(Vec::with_capacity(4)),
        };
        // Ctrl-C stays with Windows, because then pasting by Ctrl-V does, too.
        // SAFETY: takes a handle and a number.
        let set =
            unsafe { SetConsoleMode(console, before & !(ENABLE_ECHO_INPUT | ENABLE_LINE_INPUT)) };
        call::succeeded(set, "SetConsoleMode", "standard input")?;
        forget_typed();
        Ok(keys)
    }
}

impl Drop for SecretKeys {
    fn drop(&mut self) {
        // SAFETY: takes a handle and a number. It worked a moment ago; if it fails now, the console
        // is gone.
        unsafe { SetConsoleMode(io::stdin().as_raw_handle(), self.before) };
        // SAFETY: the handler was set by `listen`; one that is not there is refused.
        unsafe { SetConsoleCtrlHandler(Some(on_interrupt), 0) };
    }
}

impl Read for SecretKeys {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.rest.is_empty() {
            let mut utf8 = Zeroizing::new([0; 4]);
            self.rest
                .extend_from_slice(character()?.encode_utf8(&mut *utf8).as_bytes());
        }
        let read = self.rest.as_slice().read(buffer)?;
        self.rest.drain(..read);
        Ok(read)
    }
}

/// The next character; what is half a character is none that a secret could have.
fn character() -> io::Result<char> {
    let first = unit()?;
    let is_half = (0xd800..0xdc00).contains(&first);
    let second = if is_half { Some(unit()?) } else { None };
    let decoded = char::decode_utf16(std::iter::once(first).chain(second)).next();
    Ok(decoded
        .and_then(Result::ok)
        .unwrap_or(char::REPLACEMENT_CHARACTER))
}

/// The next UTF-16 unit (`ReadConsoleW`).
fn unit() -> io::Result<u16> {
    let (mut unit, mut read) = (0_u16, 0);
    // SAFETY: there is room for the one unit that is asked for; no control structure is given.
    let done = unsafe {
        ReadConsoleW(
            io::stdin().as_raw_handle(),
            (&raw mut unit).cast(),
            1,
            &raw mut read,
            ptr::null(),
        )
    };
    call::succeeded(done, "ReadConsoleW", "standard input")?;
    // Ctrl-C ends the wait without anything.
    if read == 0 {
        Err(io::ErrorKind::Interrupted.into())
    } else {
        Ok(unit)
    }
}

/// Runs on a thread of its own ("HandlerRoutine"). Puts the console back and leaves the rest to the
/// next handler, which ends the process.
unsafe extern "system" fn on_interrupt(_event: u32) -> BOOL {
    // SAFETY: takes a handle and a number.
    unsafe {
        SetConsoleMode(
            io::stdin().as_raw_handle(),
            MODE_BEFORE.load(Ordering::SeqCst),
        )
    };
    0
}
