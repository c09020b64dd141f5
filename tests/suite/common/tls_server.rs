//! A TLS server of OpenSSL's, with a key pair of a table.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use super::Table;

/// It serves until it is dropped.
pub(crate) struct TlsServer {
    child: Child,
    pub port: u16,
}

impl TlsServer {
    /// Serves `{pair}.crt` with `{pair}.key`, at a port that the system chose.
    pub(crate) fn of(table: &Table, pair: &str) -> Self {
        let mut child = Command::new("openssl")
            .args(["s_server", "-accept", "127.0.0.1:0", "-cert"])
            .arg(table.at(&format!("{pair}.crt")))
            .arg("-key")
            .arg(table.at(&format!("{pair}.key")))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut lines = lines.by_ref().map(Result::unwrap);
        let port = lines.find_map(|line| {
            line.strip_prefix("ACCEPT ")?
                .rsplit(':')
                .next()?
                .parse()
                .ok()
        });
        let port = port.expect("it says where it listens");
        Self { child, port }
    }
}

impl Drop for TlsServer {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}
