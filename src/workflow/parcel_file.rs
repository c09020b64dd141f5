//! A parcel as a file of this machine.

use std::fs;
use std::io;
use std::path::Path;

use vault::parcel::{MAX_PARCEL, Parcel, ParcelFlaw};

use crate::error::{Error, Exit, Result};
use crate::message::Text;
use crate::platform::media::read_past_cache;
use crate::platform::private_files::NewFile;
use crate::text;

/// Reads and takes apart a file.
///
/// # Errors
/// Exit 9 where there is none, exit 4 where it is no parcel.
pub fn open(path: &Path) -> Result<Parcel> {
    let unreadable = |exit, error: &io::Error| {
        Error::new(
            exit,
            text!("error-parcel-unreadable", path = path, reason = error),
        )
    };
    // Looked at before it is opened: opening a pipe waits for someone who writes into it.
    let facts = fs::metadata(path).map_err(|e| unreadable(Exit::NoStick, &e))?;
    if !facts.is_file() {
        return Err(flawed(path, &ParcelFlaw::Form));
    }
    if facts.len() > MAX_PARCEL {
        return Err(flawed(path, &ParcelFlaw::Size));
    }
    let bytes = read_past_cache(path, facts.len()).map_err(|e| unreadable(Exit::Failed, &e))?;
    Parcel::parse(bytes).map_err(|flaw| flawed(path, &flaw))
}

fn flawed(path: &Path, flaw: &ParcelFlaw) -> Error {
    Error::new(
        Exit::Damaged,
        text!("error-parcel-flaw", path = path, reason = reason(flaw)),
    )
}

fn reason(flaw: &ParcelFlaw) -> Text {
    match flaw {
        ParcelFlaw::Size => text!("reason-parcel-size"),
        ParcelFlaw::Form => text!("reason-parcel-form"),
        ParcelFlaw::Path(path) => text!("reason-parcel-path", path = path),
        ParcelFlaw::Generation => text!("reason-parcel-generation"),
    }
}

/// Creates the file for its owner only, waits until it is on disk, and reads it back past the cache.
///
/// # Errors
/// What the system says; what this began is then removed. An existing file stays as it is.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let file = NewFile::create(path, bytes)?;
    if read_past_cache(path, bytes.len() as u64)? != bytes {
        return Err(io::Error::from(io::ErrorKind::InvalidData));
    }
    file.keep();
    Ok(())
}
