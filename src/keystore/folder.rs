//! The files of a folder and of the folders in it: which may hold key pairs, and which are left
//! there by systems and editors.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::unpack::kind::Kind;
use crate::unpack::{pem, text};

/// Folders that a system keeps on its drives, and what lies in them is nobody's.
const SYSTEM_FOLDERS: [&str; 4] = [
    "$recycle.bin",
    "system volume information",
    "lost+found",
    ".spotlight-v100",
];
/// Files that desktops leave beside those of people.
const SYSTEM_FILES: [&str; 5] = [
    ".ds_store",
    "desktop.ini",
    "thumbs.db",
    "ehthumbs.db",
    ".localized",
];
/// How a file begins in which a Mac keeps what other file systems have no place for (AppleSingle,
/// AppleDouble).
const APPLE: [[u8; 4]; 2] = [[0, 5, 0x16, 7], [0, 5, 0x16, 0]];

/// What a file's name says about its form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FileForm {
    /// A PFX.
    Pfx,
    /// Certificates and keys in PEM or DER.
    Parts,
}

/// What lies in a folder.
#[derive(Debug, Default)]
pub(super) struct Listing {
    /// Files that may hold key pairs, by name: where each is, and its form.
    pub(super) files: Vec<(String, PathBuf, FileForm)>,
    /// Everything else.
    pub(super) passed_over: Vec<PassedOver>,
    /// Folders in it that cannot be looked into.
    pub(super) closed: Vec<(String, io::Error)>,
}

/// A file that holds no key pair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PassedOver {
    /// Its name, with that of the folder it lies in.
    pub name: String,
    /// Whether a system or an editor left it there: nobody would look for a key pair in it.
    pub stray: bool,
}

impl PassedOver {
    /// What nobody put there.
    pub(super) fn stray(name: String) -> Self {
        Self { name, stray: true }
    }

    /// What somebody may have taken for a key pair.
    pub(super) fn other(name: String) -> Self {
        Self { name, stray: false }
    }
}

/// Lists a folder and the folders in it, by name.
///
/// # Errors
/// When the folder itself cannot be read.
pub(super) fn list(folder: &Path) -> io::Result<Listing> {
    let mut listing = Listing::default();
    for (name, path) in entries(folder)? {
        if !path.is_dir() {
            listing.take_file(name, path);
        } else if !SYSTEM_FOLDERS.contains(&name.to_lowercase().as_str()) {
            listing.take_folder(&name, &path);
        }
    }
    listing.files.sort_by(|a, b| a.0.cmp(&b.0));
    listing.passed_over.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(listing)
}

fn entries(folder: &Path) -> io::Result<Vec<(String, PathBuf)>> {
    let mut entries = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        entries.push((name, entry.path()));
    }
    Ok(entries)
}

impl Listing {
    fn take_folder(&mut self, folder: &str, path: &Path) {
        let entries = match entries(path) {
            Ok(entries) => entries,
            Err(error) => return self.closed.push((folder.to_owned(), error)),
        };
        // A folder called x.pfx is what somebody may take for a key pair.
        if entries.is_empty() && form_of(folder).is_some() {
            self.passed_over.push(PassedOver::stray(folder.to_owned()));
        }
        for (name, path) in entries {
            let name = format!("{folder}/{name}");
            if path.is_dir() {
                self.passed_over.push(PassedOver::other(name));
            } else {
                self.take_file(name, path);
            }
        }
    }

    fn take_file(&mut self, name: String, path: PathBuf) {
        match form_of(&name) {
            Some(form) => self.files.push((name, path, form)),
            None if is_system_file(&name) => self.passed_over.push(PassedOver::stray(name)),
            None => self.passed_over.push(PassedOver::other(name)),
        }
    }
}

pub(super) fn form_of(name: &str) -> Option<FileForm> {
    let (_, ending) = name.rsplit_once('.')?;
    match ending.to_ascii_lowercase().as_str() {
        "pfx" | "p12" => Some(FileForm::Pfx),
        "pem" | "crt" | "cer" | "der" | "key" | "p7b" | "p7c" | "p8" | "pvk" | "jks" | "jceks"
        | "keystore" | "ks" | "bcfks" => Some(FileForm::Parts),
        _ => None,
    }
}

/// Whether a file in which no key was found may have been one: it is called so and says nothing else
/// of itself, or a line in it speaks of a private key.
pub(super) fn may_be_key(name: &str, bytes: &[u8]) -> bool {
    if APPLE.iter().any(|mark| bytes.starts_with(mark)) {
        return false;
    }
    let text = text::narrow(bytes);
    let label = b"PRIVATE KEY-";
    if text.windows(label.len()).any(|part| part == label) {
        return true;
    }
    let ending = name.rsplit_once('.').map(|(_, ending)| ending);
    let is_called = ending.is_some_and(|ending| {
        let mut endings = ["key", "pem", "p8", "pvk"].iter();
        endings.any(|known| ending.eq_ignore_ascii_case(known))
    });
    is_called && Kind::of(bytes) == Kind::Unknown && pem::blocks_of_file(bytes).is_empty()
}

fn is_system_file(name: &str) -> bool {
    let name = name.rsplit('/').next().unwrap_or(name).to_lowercase();
    SYSTEM_FILES.contains(&name.as_str()) || name.starts_with("._") || name == "icon\r"
}

/// Whether a file is one that nobody put there, by what is in it.
pub(super) fn is_stray(bytes: &[u8]) -> bool {
    bytes.is_empty() || APPLE.iter().any(|mark| bytes.starts_with(mark))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_listed_with_those_in_it_and_not_deeper() {
        let folder = tempfile::tempdir().unwrap();
        for file in [
            "www.example.com.pfx",
            "B.P12",
            ".DS_Store",
            "Thumbs.db",
            "README",
            "live/a/deep.pem",
            "site/fullchain.pem",
            "site/privkey.pem",
            "site/desktop.ini",
            "System Volume Information/x.pfx",
        ] {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x").unwrap();
        }
        fs::create_dir(folder.path().join("folder.pfx")).unwrap();
        let listing = list(folder.path()).unwrap();
        let files: Vec<_> = listing.files.iter().map(|file| file.0.as_str()).collect();
        assert_eq!(
            files,
            [
                "B.P12",
                "site/fullchain.pem",
                "site/privkey.pem",
                "www.example.com.pfx"
            ]
        );
        let stray = |name: &str| PassedOver::stray(name.to_owned());
        let other = |name: &str| PassedOver::other(name.to_owned());
        assert_eq!(
            listing.passed_over,
            [
                stray(".DS_Store"),
                other("README"),
                stray("Thumbs.db"),
                stray("folder.pfx"),
                other("live/a"),
                stray("site/desktop.ini"),
            ]
        );
    }

    #[test]
    fn what_a_mac_leaves_beside_a_file_is_told_by_its_first_octets() {
        assert!(is_stray(b"") && is_stray(b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X"));
        assert!(!is_stray(b"\x30\x82\x05\x16") && !is_stray(b"-----BEGIN"));
    }
}
