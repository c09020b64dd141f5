//! Files that others made, read with a cap into memory that is wiped.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use zeroize::Zeroizing;

/// Largest input file: a PFX, a certificate, a key.
pub const MAX_INPUT: u64 = 16 * 1024 * 1024;

/// Reads an input file of at most [`MAX_INPUT`] bytes into memory that is wiped.
///
/// # Errors
/// What the system says, or `FileTooLarge`.
pub fn read_input(path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    // Looked at before it is opened: opening a pipe waits for someone who writes into it.
    let facts = fs::metadata(path)?;
    if !facts.is_file() {
        return Err(io::Error::from(io::ErrorKind::IsADirectory));
    }
    if facts.len() > MAX_INPUT {
        return Err(io::Error::from(io::ErrorKind::FileTooLarge));
    }
    read_up_to(File::open(path)?, facts.len())
}

/// The first `length` bytes of an open file, or fewer where it ends before.
///
/// # Errors
/// What the system says.
pub fn read_up_to(file: File, length: u64) -> io::Result<Zeroizing<Vec<u8>>> {
    // More than needed, so that reading to the end never grows the buffer and leaves a copy.
    let mut bytes = Zeroizing::new(Vec::with_capacity(
        usize::try_from(length).unwrap_or(0) + 64,
    ));
    file.take(length).read_to_end(&mut bytes)?;
    Ok(bytes)
}
