//! The terminal while somebody is asked: what was typed too early is thrown away, secrets are not
//! shown.

use std::fs::File;
use std::io::{self, IsTerminal, Read, Write};
use std::os::fd::AsFd;
use std::sync::{Mutex, Once, PoisonError};
use std::thread;

use rustix::io::ioctl_fionread;
use rustix::process::{Signal, getpid, kill_process};
use rustix::termios::{
    LocalModes, OptionalActions, QueueSelector, SpecialCodeIndex, Termios, tcflush, tcgetattr,
    tcgetwinsize, tcsetattr,
};
use signal_hook::consts::{SIGHUP, SIGQUIT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;
use zeroize::Zeroizing;

/// What Ctrl-C is as a character.
const END_OF_TEXT: u8 = 3;

/// The terminal as it was before the first question that has not ended, for [`restore_terminal`].
static BEFORE: Mutex<Option<Termios>> = Mutex::new(None);

/// Makes the terminal what it was, where a question ends without its end.
pub fn restore_terminal() {
    let before = BEFORE.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(before) = before {
        // Where it cannot be put back, the terminal is gone.
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &before);
    }
}

/// From the first question on, puts the terminal back before a signal of another process ends this
/// one. Where that cannot be watched, it ends as ever.
fn watch_ends() {
    static WATCHED: Once = Once::new();
    WATCHED.call_once(|| {
        let Ok(mut ends) = Signals::new([SIGTERM, SIGHUP, SIGQUIT]) else {
            return;
        };
        thread::spawn(move || {
            for end in ends.forever() {
                restore_terminal();
                // It ends the process.
                let _ = emulate_default_handler(end);
            }
        });
    });
}

/// A mode of the terminal; it is as before on drop.
struct Mode {
    before: Termios,
    is_first: bool,
}

impl Mode {
    fn begin(change: impl FnOnce(&mut Termios)) -> io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut changed = before.clone();
        change(&mut changed);
        let mut first = BEFORE.lock().unwrap_or_else(PoisonError::into_inner);
        let is_first = first.is_none();
        first.get_or_insert_with(|| before.clone());
        drop(first);
        watch_ends();
        tcsetattr(io::stdin(), OptionalActions::Now, &changed)?;
        Ok(Self { before, is_first })
    }
}

impl Drop for Mode {
    fn drop(&mut self) {
        // It worked a moment ago; where the terminal is gone since, nothing is left to put back.
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.before);
        if self.is_first {
            *BEFORE.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
    }
}

/// One line of what is typed, shown and edited as usual, also where secrets are awaited around it.
///
/// # Errors
/// `Interrupted` after Ctrl-C, `UnexpectedEof` where nothing comes any more.
pub fn read_line() -> io::Result<Zeroizing<String>> {
    let _line = Mode::begin(|mode| {
        mode.local_modes
            .insert(LocalModes::ECHO | LocalModes::ICANON);
        // Ctrl-C ends the line instead of the process, which would leave the terminal like this.
        mode.local_modes.remove(LocalModes::ISIG);
        mode.special_codes[SpecialCodeIndex::VEOL] = END_OF_TEXT;
    })?;
    let mut bytes = Zeroizing::new(vec![0; 4096]);
    let read = rustix::io::read(io::stdin(), bytes.as_mut_slice())?;
    match &bytes[..read] {
        [] => Err(io::ErrorKind::UnexpectedEof.into()),
        typed if typed.contains(&END_OF_TEXT) => Err(io::ErrorKind::Interrupted.into()),
        typed => match std::str::from_utf8(typed) {
            Ok(line) => Ok(Zeroizing::new(line.to_owned())),
            Err(_) => Ok(Zeroizing::new(String::from_utf8_lossy(typed).into_owned())),
        },
    }
}

/// Whether the terminal on which questions are shown can be cleared.
pub fn clears_screen() -> bool {
    let named = std::env::var("TERM").unwrap_or_default();
    !matches!(named.as_str(), "" | "dumb") && io::stderr().is_terminal()
}

/// Clears the screen and what was scrolled off it, where the terminal can.
pub fn clear_screen() {
    if clears_screen() {
        // Home, all of the screen, all that was scrolled off (xterm's E3, known to most).
        let _ = io::stderr().write_all(b"\x1b[H\x1b[2J\x1b[3J");
    }
}

/// Columns of the terminal that standard output or standard error is.
pub fn columns(output: &impl AsFd) -> Option<usize> {
    let columns = tcgetwinsize(output).ok()?.ws_col;
    (columns > 0).then(|| columns.into())
}

/// Throws away what was typed and not asked for.
pub fn forget_typed() {
    // Where it cannot be thrown away, there is no terminal and nobody types.
    let _ = tcflush(io::stdin(), QueueSelector::IFlush);
}

/// Ends the process as Ctrl-C does; returns only where that is ignored.
pub fn interrupt() {
    let _ = kill_process(getpid(), Signal::INT);
}

/// A terminal that shows nothing of what is typed, and gives Ctrl-C as a character: ending the
/// process at once would leave it like this. It is as before on drop.
pub struct Unechoed {
    _mode: Mode,
}

impl Unechoed {
    /// From now on nothing typed is shown.
    ///
    /// # Errors
    /// Where standard input is no terminal.
    pub fn begin() -> io::Result<Self> {
        let _mode = Mode::begin(|quiet| {
            quiet.local_modes.remove(
                LocalModes::ECHO | LocalModes::ECHONL | LocalModes::ICANON | LocalModes::ISIG,
            );
            quiet.special_codes[SpecialCodeIndex::VMIN] = 1;
            quiet.special_codes[SpecialCodeIndex::VTIME] = 0;
        })?;
        Ok(Self { _mode })
    }

    /// Throws away what was typed and not asked for; whether Ctrl-C was among it.
    pub fn interrupted(&self) -> bool {
        let waiting = ioctl_fionread(io::stdin()).unwrap_or(0).min(4096);
        let mut typed = Zeroizing::new(vec![0; usize::try_from(waiting).unwrap_or(0)]);
        // Without anything waiting, reading would wait.
        let read = if typed.is_empty() {
            0
        } else {
            rustix::io::read(io::stdin(), typed.as_mut_slice()).unwrap_or(0)
        };
        forget_typed();
        typed[..read].contains(&END_OF_TEXT)
    }
}

/// The keys that are typed as a secret: none is shown. Ctrl-C is an error of the kind
/// `Interrupted`.
pub struct SecretKeys {
    terminal: File,
    _unechoed: Unechoed,
}

impl SecretKeys {
    /// Begins with an empty line: what was typed before is thrown away.
    ///
    /// # Errors
    /// Where standard input is no terminal.
    pub fn listen() -> io::Result<Self> {
        let unechoed = Unechoed::begin()?;
        forget_typed();
        // Beside the buffer of standard input, which would keep a copy of the secret.
        let terminal = File::from(io::stdin().as_fd().try_clone_to_owned()?);
        Ok(Self {
            terminal,
            _unechoed: unechoed,
        })
    }
}

impl Read for SecretKeys {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.terminal.read(buffer)?;
        match &buffer[..read] {
            [] => Err(io::ErrorKind::BrokenPipe.into()),
            typed if typed.contains(&END_OF_TEXT) => Err(io::ErrorKind::Interrupted.into()),
            _ => Ok(read),
        }
    }
}
