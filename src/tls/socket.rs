//! A connection that ends at a time, however slowly the other side speaks.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// Longest time for one question with its answer.
const TIMEOUT: Duration = Duration::from_secs(5);

/// A connection for one question.
pub(super) struct Socket {
    stream: TcpStream,
    end: Instant,
}

impl Socket {
    /// Connects.
    ///
    /// # Errors
    /// Nobody listens there, or nobody answers in time.
    pub(super) fn connect(address: SocketAddr) -> io::Result<Self> {
        let end = Instant::now() + TIMEOUT;
        let stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
        Ok(Self { stream, end })
    }

    fn left(&self) -> io::Result<Duration> {
        let left = self.end.saturating_duration_since(Instant::now());
        match left.is_zero() {
            true => Err(io::ErrorKind::TimedOut.into()),
            false => Ok(left),
        }
    }
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(Some(self.left()?))?;
        self.stream.read(buffer)
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(Some(self.left()?))?;
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}
