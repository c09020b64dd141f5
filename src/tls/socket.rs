//! A connection that ends when its time or its bytes are used up, however slowly they come.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// Longest time for one question with its answer.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Longest wait for all servers of a run; it is for bindings by the hundred.
const ALL: Duration = Duration::from_secs(120);
/// Most bytes of an answer: a handshake has 64 KiB in one message, and few of them.
const MAX_ANSWER: usize = 512 * 1024;

/// When the last server of a run is to have answered.
#[derive(Debug, Clone, Copy)]
pub struct Deadline(Instant);

impl Deadline {
    /// Enough for servers that answer.
    pub fn from_now() -> Self {
        Self::after(ALL)
    }

    /// So long from now.
    pub(super) fn after(time: Duration) -> Self {
        Self(Instant::now() + time)
    }

    /// Whether nobody is asked any more.
    pub(super) fn is_over(self) -> bool {
        self.left().is_err()
    }

    fn of_one(self) -> Self {
        Self(self.0.min(Self::after(TIMEOUT).0))
    }

    fn left(self) -> io::Result<Duration> {
        let left = self.0.saturating_duration_since(Instant::now());
        match left.is_zero() {
            true => Err(io::ErrorKind::TimedOut.into()),
            false => Ok(left),
        }
    }
}

/// A connection for one question.
pub(super) struct Socket {
    stream: TcpStream,
    until: Deadline,
    room: usize,
}

impl Socket {
    /// Connects.
    ///
    /// # Errors
    /// Nobody listens there, or nobody answers in time.
    pub(super) fn connect(address: SocketAddr, until: Deadline) -> io::Result<Self> {
        let until = until.of_one();
        Ok(Self {
            stream: TcpStream::connect_timeout(&address, until.left()?)?,
            until,
            room: MAX_ANSWER,
        })
    }
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(Some(self.until.left()?))?;
        let room = self.room.min(buffer.len());
        if room == 0 {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let count = self.stream.read(&mut buffer[..room])?;
        self.room -= count;
        Ok(count)
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(Some(self.until.left()?))?;
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}
