//! The program beside a vault, docs/format.md section 4.7: a convenience that is outside of all that is trusted. What
//! reads a vault never looks at it.

use std::io;

use super::medium::{Medium, MediumError};

/// The folder beside PFXVAULT.
pub const PROGRAM_FOLDER: &str = "PFXVAULT-PROGRAM";
/// Largest program that is put there, in bytes.
pub const MAX_PROGRAM: u64 = 256 * 1024 * 1024;
/// Longest name of one.
const MAX_NAME: usize = 64;
/// What Windows takes for a device, whatever follows a dot.
const DEVICES: [&str; 4] = ["con", "prn", "aux", "nul"];

/// Whether a program may lie there under this name: ASCII letters, digits, `-`, `_` and dots, neither first nor last a
/// dot, and none that Windows takes for a device.
pub fn is_program_name(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let stem = name.split('.').next().unwrap_or_default();
    let stem = stem.to_ascii_lowercase();
    let port = stem.strip_prefix("com").or(stem.strip_prefix("lpt"));
    let is_port = port.is_some_and(|port| port.len() == 1);
    (1..=MAX_NAME).contains(&name.len())
        && name.bytes().all(is_plain)
        && !name.starts_with('.')
        && !name.ends_with('.')
        && !DEVICES.contains(&stem.as_str())
        && !is_port
}

impl Medium {
    /// Puts a program into the folder of its version beside the vault: a new file, flushed and read back past the cache.
    /// One that stands there with the same bytes stays.
    ///
    /// # Errors
    /// `AlreadyExists` where other bytes stand there under that name, which are never written over; `InvalidInput` for a
    /// name that is none; what the system says.
    pub fn put_program(&self, version: &str, name: &str, bytes: &[u8]) -> Result<(), MediumError> {
        if !is_program_name(version) || !is_program_name(name) {
            return Err(self.failed(name, io::ErrorKind::InvalidInput.into()));
        }
        let folder = self.folder("", PROGRAM_FOLDER)?;
        let folder = self.folder(&folder, version)?;
        // A link in the place of a folder cannot be listed, so nothing is written through one.
        if let Some(there) = self.child(&folder, name)? {
            let is_other = |_| self.failed(&there, io::ErrorKind::AlreadyExists.into());
            return self.read_back(&there, bytes).map_err(is_other);
        }
        self.put(&format!("{folder}/{name}"), bytes)
    }

    /// Creates, flushes and reads back.
    fn put(&self, path: &str, bytes: &[u8]) -> Result<(), MediumError> {
        let created = self.volume.create(path, bytes);
        created.map_err(|source| self.failed(path, source))?;
        self.flush()?;
        self.read_back(path, bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_has_a_plain_name() {
        for name in [
            "pfxvault",
            "pfxvault.exe",
            "0.1.0",
            "pfxvault-arm64",
            "com10",
        ] {
            assert!(is_program_name(name), "{name}");
        }
        let long = "x".repeat(65);
        for name in [
            "", ".", "..", "a/b", "a\\b", "a:b", "a b", "パ", "x.", ".x", "NUL.exe", "com1",
            "lpt9.txt", &long,
        ] {
            assert!(!is_program_name(name), "{name}");
        }
    }
}
