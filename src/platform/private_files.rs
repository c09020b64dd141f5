//! New files on this machine's own disks, whole or not there, for their owner only where nobody else
//! needs them; and secrets, read from such files alone.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::input::{MAX_INPUT, read_up_to};
use crate::platform::system;
use crate::text;

/// Longest first line of a secrets file, in bytes.
const MAX_SECRET: u64 = 4096;

/// Creates a file that only its owner can read, and waits until it is on disk. An existing file
/// stays as it is.
///
/// # Errors
/// What the system says; what was begun is then removed.
pub fn create_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    fill(system::create_private(path)?, path, bytes)
}

/// A private file that is worth something only once more has come to its end: unless it is kept, it
/// is taken away again.
#[must_use]
pub struct NewFile {
    path: PathBuf,
    kept: bool,
}

impl NewFile {
    /// Creates it as [`create_private`] does.
    ///
    /// # Errors
    /// As [`create_private`].
    pub fn create(path: &Path, bytes: &[u8]) -> io::Result<Self> {
        create_private(path, bytes)?;
        let path = path.to_owned();
        Ok(Self { path, kept: false })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// From here on it stays.
    pub fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if !self.kept {
            // Nothing better can be done about what cannot be taken back.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// What [`create_private`] does, for what others are to have: the folder alone decides who reads it.
///
/// # Errors
/// As [`create_private`].
pub fn create_public(path: &Path, bytes: &[u8]) -> io::Result<()> {
    fill(File::create_new(path)?, path, bytes)
}

/// Writes all of a new file, or takes it away again.
fn fill(mut file: File, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    // Windows removes no file that is open.
    drop(file);
    if written.is_err() {
        let _ = fs::remove_file(path);
    }
    written
}

/// Makes a folder, and those above it that are missing, that only its owner can enter. An existing
/// one stays as it is.
///
/// # Errors
/// What the system says.
pub fn create_private_folder(path: &Path) -> io::Result<()> {
    system::make_private(path)
}

/// The first line of a secrets file, which may be a pipe, in UTF-8 or as Windows PowerShell writes it.
/// A file that others can read is refused: it is no secret any more. So is an empty line: as a new
/// passphrase it would open the vault for everyone.
///
/// # Errors
/// When it cannot be read, others can read it, or the line is empty, too long or not text.
pub fn read_secret(path: &Path) -> Result<Zeroizing<String>> {
    let bytes = read_private(path, 2 * MAX_SECRET + 4)?;
    let line = text_of(path, first_line(&bytes))?;
    if line.len() as u64 > MAX_SECRET {
        return Err(too_large(path));
    }
    Ok(line)
}

/// The first line that is neither empty nor begins with `#`, of a file of these bytes.
///
/// # Errors
/// As [`read_secret`].
pub fn key_line(path: &Path, bytes: &[u8]) -> Result<Zeroizing<String>> {
    let text = text_of(path, bytes)?;
    let is_key = |line: &&str| !line.is_empty() && !line.starts_with('#');
    match text.lines().map(str::trim).find(is_key) {
        Some(line) => Ok(Zeroizing::new(line.to_owned())),
        None => Err(Error::usage(text!("error-empty-secret-file", path = path))),
    }
}

/// Reads a whole file of secrets.
///
/// # Errors
/// As [`read_secret`].
pub fn read_secret_table(path: &Path) -> Result<Zeroizing<String>> {
    text_of(path, &read_secret_bytes(path)?)
}

/// Reads a whole file with a secret in it, which may be no text.
///
/// # Errors
/// As [`read_secret`].
pub fn read_secret_bytes(path: &Path) -> Result<Zeroizing<Vec<u8>>> {
    let bytes = read_private(path, MAX_INPUT + 1)?;
    if bytes.len() as u64 > MAX_INPUT {
        return Err(too_large(path));
    }
    Ok(bytes)
}

fn too_large(path: &Path) -> Error {
    unreadable(path, &io::Error::from(io::ErrorKind::FileTooLarge))
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

/// The bytes before the end of the first line, which in UTF-16 has two.
fn first_line(bytes: &[u8]) -> &[u8] {
    let (width, end): (usize, &[u8]) = match bytes {
        [0xff, 0xfe, ..] => (2, b"\n\0"),
        [0xfe, 0xff, ..] => (2, b"\0\n"),
        _ => (1, b"\n"),
    };
    let place = bytes.chunks(width).position(|unit| unit == end);
    place.map_or(bytes, |units| &bytes[..units * width])
}

/// Text without the mark at its beginning and the CR at its end.
pub fn text_of(path: &Path, bytes: &[u8]) -> Result<Zeroizing<String>> {
    let text = match bytes {
        [0xff, 0xfe, rest @ ..] => utf_16(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => utf_16(rest, u16::from_be_bytes),
        [0xef, 0xbb, 0xbf, rest @ ..] | rest => std::str::from_utf8(rest)
            .ok()
            .map(|text| Zeroizing::new(text.to_owned())),
    };
    let mut text =
        text.ok_or_else(|| Error::usage(text!("error-secret-file-encoding", path = path)))?;
    if text.ends_with('\r') {
        text.pop();
    }
    if text.is_empty() {
        return Err(Error::usage(text!("error-empty-secret-file", path = path)));
    }
    Ok(text)
}

fn utf_16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Option<Zeroizing<String>> {
    let (units, rest) = bytes.as_chunks::<2>();
    // A unit is at most three bytes of UTF-8.
    let mut text = Zeroizing::new(String::with_capacity(units.len() * 3));
    for character in char::decode_utf16(units.iter().map(|two| unit(*two))) {
        text.push(character.ok()?);
    }
    rest.is_empty().then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_line_of_a_secrets_file_counts() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        create_private(&path, "\u{feff}合言葉 one\r\nsecond\n".as_bytes()).unwrap();
        assert_eq!(*read_secret(&path).unwrap(), "合言葉 one");
    }

    #[test]
    fn a_file_of_windows_powershell_is_read_in_either_order_of_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let text = "\u{feff}合言葉 \u{10a}ne\r\nsecond 😀\n";
        let orders: [fn(u16) -> [u8; 2]; 2] = [u16::to_le_bytes, u16::to_be_bytes];
        for (at, order) in orders.into_iter().enumerate() {
            let path = folder.path().join(at.to_string());
            let bytes: Vec<u8> = text.encode_utf16().flat_map(order).collect();
            create_private(&path, &bytes).unwrap();
            assert_eq!(*read_secret(&path).unwrap(), "合言葉 \u{10a}ne");
        }
        let path = folder.path().join("half");
        create_private(&path, b"\xff\xfea\0l").unwrap();
        assert_eq!(
            read_secret(&path).unwrap_err().text.id,
            "error-secret-file-encoding"
        );
    }

    #[test]
    fn a_key_stands_below_what_explains_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        create_private(&path, b"# for the envelope\r\n\r\nKEY \r\nmore\n").unwrap();
        let key = |path: &Path| key_line(path, &read_secret_bytes(path).unwrap());
        assert_eq!(*key(&path).unwrap(), "KEY");
        let path = folder.path().join("none");
        create_private(&path, b"# for the envelope\n").unwrap();
        assert_eq!(key(&path).unwrap_err().text.id, "error-empty-secret-file");
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
    fn a_file_that_is_not_kept_is_taken_away_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        drop(NewFile::create(&path, b"first").unwrap());
        assert!(!path.exists());
        NewFile::create(&path, b"second").unwrap().keep();
        assert!(NewFile::create(&path, b"third").is_err());
        assert_eq!(fs::read(&path).unwrap(), b"second");
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
