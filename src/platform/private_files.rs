//! Files on this machine's own disks that only their owner can read.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::input::read_up_to;
use crate::platform::system;
use crate::text;

/// Longest first line of a secrets file, in bytes.
const MAX_SECRET: u64 = 4096;
/// Bytes of a file with many secrets.
const MAX_TABLE: u64 = 1024 * 1024;

/// Creates a file that only its owner can read, and waits until it is on disk. An existing file
/// stays as it is.
///
/// # Errors
/// What the system says.
pub fn create_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = system::create_private(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Makes a folder, and those above it that are missing, that only its owner can enter. An existing
/// one stays as it is.
///
/// # Errors
/// What the system says.
pub fn create_private_folder(path: &Path) -> io::Result<()> {
    system::make_private(path)
}

/// The first line of a secrets file, which may be a pipe. A file that others can read is refused:
/// it is no secret any more. So is an empty line: as a new passphrase it would open the vault for
/// everyone.
///
/// # Errors
/// When it cannot be read, others can read it, or the line is empty, too long or not UTF-8.
pub fn read_secret(path: &Path) -> Result<Zeroizing<String>> {
    let bytes = read_private(path, MAX_SECRET + 1)?;
    let line = bytes
        .split(|byte| *byte == b'\n')
        .next()
        .unwrap_or_default();
    if line.len() as u64 > MAX_SECRET {
        return Err(unreadable(
            path,
            &io::Error::from(io::ErrorKind::FileTooLarge),
        ));
    }
    text_of(path, line.strip_suffix(b"\r").unwrap_or(line))
}

/// Reads a whole file of secrets.
///
/// # Errors
/// As [`read_secret`].
pub fn read_secret_table(path: &Path) -> Result<Zeroizing<String>> {
    let bytes = read_private(path, MAX_TABLE + 1)?;
    if bytes.len() as u64 > MAX_TABLE {
        return Err(unreadable(
            path,
            &io::Error::from(io::ErrorKind::FileTooLarge),
        ));
    }
    text_of(path, &bytes)
}

fn unreadable(path: &Path, error: &io::Error) -> Error {
    Error::usage(text!(
        "error-secret-file-unreadable",
        path = path,
        reason = error
    ))
}

/// The beginning of a file that nobody else can read.
fn read_private(path: &Path, length: u64) -> Result<Zeroizing<Vec<u8>>> {
    let file = File::open(path).map_err(|e| unreadable(path, &e))?;
    if system::readable_by_others(&file).map_err(|e| unreadable(path, &e))? {
        return Err(Error::usage(text!("error-secret-file-shared", path = path)));
    }
    // Not as far as the file's length: a pipe has none.
    read_up_to(file, length).map_err(|e| unreadable(path, &e))
}

fn text_of(path: &Path, bytes: &[u8]) -> Result<Zeroizing<String>> {
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    let text = std::str::from_utf8(bytes)
        .map_err(|_| Error::usage(text!("error-secret-file-encoding", path = path)))?;
    if text.is_empty() {
        return Err(Error::usage(text!("error-empty-secret-file", path = path)));
    }
    Ok(Zeroizing::new(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn only_the_first_line_of_a_secrets_file_counts() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        create_private(&path, "\u{feff}合言葉 one\r\nsecond\n".as_bytes()).unwrap();
        assert_eq!(*read_secret(&path).unwrap(), "合言葉 one");
    }

    #[test]
    fn a_secrets_file_whose_first_line_is_empty_or_has_no_end_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let endless = "x".repeat(5000);
        let cases = [
            ("", "empty"),
            ("\n", "empty"),
            ("\u{feff}\r\nx", "empty"),
            (endless.as_str(), "unreadable"),
        ];
        for (at, (text, id)) in cases.into_iter().enumerate() {
            let path = folder.path().join(at.to_string());
            create_private(&path, text.as_bytes()).unwrap();
            assert!(
                read_secret(&path).unwrap_err().text.id.contains(id),
                "{text:?}"
            );
        }
    }

    #[test]
    fn a_secrets_file_that_others_can_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        fs::write(&path, "x\n").unwrap();
        assert_eq!(
            read_secret(&path).unwrap_err().text.id,
            "error-secret-file-shared"
        );
    }

    #[test]
    fn an_existing_file_is_never_created_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        create_private(&path, b"first").unwrap();
        assert_eq!(
            create_private(&path, b"second").unwrap_err().kind(),
            io::ErrorKind::AlreadyExists
        );
        assert_eq!(fs::read(&path).unwrap(), b"first");
    }
}
