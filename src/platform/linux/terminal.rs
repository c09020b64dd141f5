//! The terminal while somebody is asked: what was typed too early is thrown away, secrets are not
//! shown.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;

use rustix::io::ioctl_fionread;
use rustix::process::{Signal, getpid, kill_process};
use rustix::termios::{
    LocalModes, OptionalActions, QueueSelector, SpecialCodeIndex, Termios, tcflush, tcgetattr,
    tcsetattr,
};
use zeroize::Zeroizing;

/// What Ctrl-C is as a character.
const END_OF_TEXT: u8 = 3;

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
pub struct Unechoed(Termios);

impl Unechoed {
    /// From now on nothing typed is shown.
    ///
    /// # Errors
    /// Where standard input is no terminal.
    pub fn begin() -> io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut quiet = before.clone();
        quiet
            .local_modes
            .remove(LocalModes::ECHO | LocalModes::ECHONL | LocalModes::ICANON | LocalModes::ISIG);
        quiet.special_codes[SpecialCodeIndex::VMIN] = 1;
        quiet.special_codes[SpecialCodeIndex::VTIME] = 0;
        tcsetattr(io::stdin(), OptionalActions::Now, &quiet)?;
        Ok(Self(before))
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

impl Drop for Unechoed {
    fn drop(&mut self) {
        // It worked a moment ago; where the terminal is gone since, nothing is left to put back.
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.0);
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
