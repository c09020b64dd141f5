//! Reading a source file by file: what does not open can be tried again with another password,
//! until everything is put together.

use std::io;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::folder::{self, FileForm, PassedOver};
use super::loose::{DoubtfulFile, LooseFile};
use super::parts::{LooseParts, read_parts};
use super::passwords::SourcePasswords;
use super::{
    Failure, FileContents, Inventory, Source, UnreadableKeyPair, file_name, loose, read_pfx,
    unreadable_source,
};
use crate::error::{Error, Exit, Result};
use crate::input::read_input;
use crate::message::os_reason;
use crate::text;
use crate::unpack::kind::Kind;
use crate::unpack::{base64, pem, text};
use secret::{Password, SecretBytes};
use vault::id::Hash;

/// A source while it is read.
pub struct Reading {
    source: Source,
    files: Vec<SourceFile>,
    passwords: SourcePasswords,
    passed_over: Vec<PassedOver>,
    /// What may have been a key and cannot be read as one.
    doubtful: Vec<DoubtfulFile>,
    closed: Vec<(String, io::Error)>,
    now: jiff::Timestamp,
}

/// What a password has opened, not yet taken over.
pub struct Opened {
    password: Password,
    files: Vec<(usize, ReadFile)>,
}

/// One file of a source.
struct SourceFile {
    /// With the folder it lies in, where that is not the source itself.
    name: String,
    path: PathBuf,
    form: FileForm,
    read: ReadFile,
}

/// What became of reading a file.
struct ReadFile {
    contents: Result<Contents, Failure>,
    /// Of its bytes, where they could be read.
    hash: Option<Hash>,
    /// Whether it is called as a key, or a line in it says that one begins, and none was found.
    is_doubtful: bool,
}

/// What a file holds.
enum Contents {
    Pfx(FileContents),
    Parts(LooseParts),
    /// Neither certificate nor key.
    Nothing,
    /// Nobody put it there.
    Stray,
}

impl Contents {
    /// A file is what is in it; its name decides where that cannot be told.
    fn read(
        bytes: &[u8],
        form: FileForm,
        passwords: &[&Password],
        now: jiff::Timestamp,
    ) -> Result<Self, Failure> {
        if folder::is_stray(bytes) {
            return Ok(Self::Stray);
        }
        if let Some(inside) = pfx_in_text(bytes) {
            return read_pfx(inside.expose(), passwords, now).map(Self::Pfx);
        }
        let form = match Kind::of(bytes) {
            Kind::Pfx => FileForm::Pfx,
            Kind::Unknown if !pem::is_pem(&text::narrow(bytes)) => form,
            _ => FileForm::Parts,
        };
        match form {
            FileForm::Pfx => read_pfx(bytes, passwords, now).map(Self::Pfx),
            FileForm::Parts => {
                let parts = read_parts(bytes, passwords)?;
                Ok(parts.map_or(Self::Nothing, Self::Parts))
            }
        }
    }
}

/// Reads everything at a source with one password or none. What does not open is named, and keeps
/// nothing else from being read.
///
/// # Errors
/// As [`Reading::begin`] and [`Reading::finish`].
pub fn read(source: &Source, password: &Password, now: jiff::Timestamp) -> Result<Inventory> {
    let mut passwords = SourcePasswords::none();
    if !password.expose().is_empty() {
        passwords.add(Password::new(password.expose().to_owned()));
    }
    Reading::begin(source, passwords, now)?.finish()
}

impl Reading {
    /// Reads everything at a source with these passwords.
    ///
    /// # Errors
    /// When the source itself is not there, or a file that was named does not hold what it should.
    pub fn begin(
        source: &Source,
        passwords: SourcePasswords,
        now: jiff::Timestamp,
    ) -> Result<Self> {
        let mut reading = Self {
            source: source.clone(),
            files: Vec::new(),
            passwords,
            passed_over: Vec::new(),
            doubtful: Vec::new(),
            closed: Vec::new(),
            now,
        };
        let found = match source {
            Source::Folder(folder) => {
                let listing = folder::list(folder).map_err(|e| unreadable_source(folder, &e))?;
                reading.passed_over = listing.passed_over;
                reading.closed = listing.closed;
                listing.files
            }
            Source::Pfx(path) => vec![named(path, FileForm::Pfx)],
            Source::Pem { certificate, key } => {
                let mut files = vec![named(certificate, FileForm::Parts)];
                if certificate != key {
                    files.push(named(key, FileForm::Parts));
                }
                files
            }
        };
        let read: Vec<_> = found
            .par_iter()
            .map(|(name, path, form)| reading.read_file(name, path, *form))
            .collect();
        for ((name, path, form), read) in found.into_iter().zip(read) {
            let file = SourceFile {
                name,
                path,
                form,
                read,
            };
            reading.take_file(file);
        }
        reading.check_named()?;
        Ok(reading)
    }

    /// A stray file is only noted.
    fn take_file(&mut self, file: SourceFile) {
        let in_folder = matches!(self.source, Source::Folder(_));
        if in_folder && file.read.is_doubtful {
            self.doubtful.push(DoubtfulFile {
                name: file.name.clone(),
                hash: file.read.hash,
            });
        }
        match &file.read.contents {
            Ok(Contents::Stray) if in_folder => {
                self.passed_over.push(PassedOver::stray(file.name));
            }
            Ok(Contents::Nothing) if in_folder => {
                self.passed_over.push(PassedOver::other(file.name));
            }
            _ => self.files.push(file),
        }
    }

    fn read_file(&self, name: &str, path: &Path, form: FileForm) -> ReadFile {
        let bytes = match read_input(path) {
            Ok(bytes) => bytes,
            // A link to what is gone.
            Err(error) if error.kind() == io::ErrorKind::NotFound && path.is_symlink() => {
                return ReadFile {
                    contents: Ok(Contents::Stray),
                    hash: None,
                    is_doubtful: folder::may_be_key(name, b""),
                };
            }
            Err(error) => {
                return ReadFile {
                    contents: Err(Failure::File(error)),
                    hash: None,
                    is_doubtful: false,
                };
            }
        };
        let passwords = self.passwords.to_try(name);
        let contents = Contents::read(&bytes, form, &passwords, self.now);
        let contents = contents.map_err(|failure| match failure {
            Failure::Pfx(pfx::Error::WrongPassword) if !self.passwords.any_for(name) => {
                Failure::NoPassword
            }
            failure => failure,
        });
        ReadFile {
            is_doubtful: has_no_key(&contents) && folder::may_be_key(name, &bytes),
            contents,
            hash: Some(Hash::of(&bytes)),
        }
    }

    /// What was named by the user and is not what it should be is an error of its own, not one of
    /// many.
    fn check_named(&mut self) -> Result<()> {
        match &self.source {
            Source::Folder(_) => Ok(()),
            Source::Pfx(path) => self.check_pfx(path),
            Source::Pem { certificate, key } => {
                self.check_part(certificate)?;
                self.check_part(key)?;
                let of_certificate = self.parts().next();
                if of_certificate.is_none_or(|parts| parts.certificates.is_empty()) {
                    let missing = text!("error-pem-no-certificate", path = certificate.as_path());
                    return Err(Error::failed(missing));
                }
                let of_key = self.parts().last();
                if of_key.is_none_or(|parts| parts.keys.is_empty() && parts.locked == 0) {
                    let refused = of_key.and_then(|parts| parts.refused.first());
                    return Err(no_key(key, refused.cloned()));
                }
                Ok(())
            }
        }
    }

    fn check_pfx(&self, path: &Path) -> Result<()> {
        match &self.files[0].read.contents {
            Err(failure) if !failure.is_locked() => Err(failure.about(path)),
            Ok(Contents::Stray) => Err(Failure::Pfx(pfx::Error::Malformed("empty")).about(path)),
            _ => Ok(()),
        }
    }

    fn check_part(&self, path: &Path) -> Result<()> {
        let file = self.files.iter().find(|file| file.path == path);
        match file.map(|file| &file.read.contents) {
            Some(Err(Failure::File(error))) => Err(unreadable_source(path, error)),
            Some(Err(_)) => {
                let malformed = text!("error-pem-malformed", path = path);
                Err(Error::failed(malformed))
            }
            _ => Ok(()),
        }
    }

    fn parts(&self) -> impl DoubleEndedIterator<Item = &LooseParts> {
        self.files
            .iter()
            .filter_map(|file| match &file.read.contents {
                Ok(Contents::Parts(parts)) => Some(parts),
                _ => None,
            })
    }

    /// Names that a password was given for and that no file here has.
    pub fn named_in_vain(&self) -> Vec<String> {
        let files: Vec<_> = self.files.iter().map(|file| file.name.as_str()).collect();
        self.passwords.for_none_of(&files)
    }

    /// Names of the files that another password might open.
    pub fn locked(&self) -> Vec<&str> {
        let locked = self.files.iter().filter(|file| file.read.is_locked());
        locked.map(|file| file.name.as_str()).collect()
    }

    /// Tries one more password on all files that are still shut.
    ///
    /// # Errors
    /// [`Exit::WrongSecret`] where `wanted` stays shut: a file's name, or none for any of them.
    pub fn try_password(&self, password: Password, wanted: Option<&str>) -> Result<Opened> {
        let shut = || self.files.iter().enumerate();
        let tried: Vec<_> = shut().filter(|(_, file)| file.read.is_locked()).collect();
        let opened: Vec<_> = tried
            .par_iter()
            .filter_map(|(at, file)| Some((*at, file.opened_with(&password, self)?)))
            .collect();
        let is_wanted = |at: &usize| wanted.is_none_or(|name| self.files[*at].name == name);
        if opened.iter().any(|(at, _)| is_wanted(at)) {
            return Ok(Opened {
                password,
                files: opened,
            });
        }
        let mut still: Vec<_> = self.locked().into_iter().map(str::to_owned).collect();
        still.retain(|name| wanted.is_none_or(|wanted| wanted == name));
        Err(wrong_source_password(still))
    }

    /// Takes over what a password has opened.
    pub fn take_opened(&mut self, opened: Opened) {
        for (at, read) in opened.files {
            self.files[at].read = read;
        }
        self.passwords.add(opened.password);
    }

    /// Everything put together. What still does not open is named, and keeps nothing else from being
    /// used.
    ///
    /// # Errors
    /// When the one file that was named does not open.
    pub fn finish(self) -> Result<Inventory> {
        self.refuse_shut()?;
        let Self {
            source,
            files,
            passed_over,
            doubtful,
            closed,
            passwords,
            now,
        } = self;
        let mut holdings = Inventory {
            passed_over,
            from_folder: matches!(source, Source::Folder(_)),
            ..Inventory::default()
        };
        for (name, error) in closed {
            let unreadable = UnreadableKeyPair::new(name.clone(), os_reason(&error));
            holdings.say_unreadable(unreadable, &name, None);
        }
        let mut loose = Vec::new();
        for file in files {
            loose.extend(holdings.take_file(file, &passwords));
        }
        let beside = match &source {
            Source::Pem { certificate, .. } => Some(certificate.as_path()),
            _ => None,
        };
        loose::put_together(&mut holdings, loose, &doubtful, beside, now);
        holdings
            .key_pairs
            .sort_by(|a, b| a.leaf().display_name().cmp(b.leaf().display_name()));
        holdings.passed_over.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(holdings)
    }

    /// Whether nothing can be had without another password, because the one file that was named
    /// does not open.
    pub fn needs_password(&self) -> bool {
        self.shut_and_named().is_some()
    }

    fn shut_and_named(&self) -> Option<&SourceFile> {
        let has_key = self.parts().any(|parts| !parts.keys.is_empty());
        if has_key || matches!(self.source, Source::Folder(_)) {
            return None;
        }
        self.files.iter().find(|file| file.read.is_locked())
    }

    /// A file named by the user that does not open is an error of its own.
    fn refuse_shut(&self) -> Result<()> {
        let Some(file) = self.shut_and_named() else {
            return Ok(());
        };
        let failure = match &file.read.contents {
            Err(failure) => return Err(failure.about(&file.path)),
            Ok(_) if self.passwords.any_for(&file.name) => Failure::Pfx(pfx::Error::WrongPassword),
            Ok(_) => Failure::NoPassword,
        };
        Err(failure.about(&file.path))
    }
}

impl Inventory {
    /// Takes over what a file holds; gives what is to be put together with other files.
    fn take_file(&mut self, file: SourceFile, passwords: &SourcePasswords) -> Option<LooseFile> {
        let SourceFile { name, read, .. } = file;
        let tried = passwords.any_for(&name);
        let before = self.unreadable.len();
        let mut loose = None;
        match read.contents {
            Ok(Contents::Pfx(contents)) => self.take(name.clone(), Ok(contents)),
            Ok(Contents::Parts(parts)) => {
                loose = Some(LooseFile::of(name.clone(), parts, tried, read.hash));
            }
            Ok(Contents::Nothing | Contents::Stray) => {}
            // One that was typed since, for another file, does not open this one.
            Err(Failure::NoPassword) if tried => {
                self.take(name.clone(), Err(Failure::Pfx(pfx::Error::WrongPassword)));
            }
            Err(failure) => self.take(name.clone(), Err(failure)),
        }
        self.say_of_file(before, &name, read.hash);
        loose
    }
}

impl SourceFile {
    /// What it holds with one more password, if that opens anything in it.
    fn opened_with(&self, password: &Password, reading: &Reading) -> Option<ReadFile> {
        let bytes = read_input(&self.path).ok()?;
        let mut passwords = vec![password];
        if matches!(self.read.contents, Ok(Contents::Parts(_))) {
            passwords.append(&mut reading.passwords.to_try(&self.name));
        }
        let contents = Contents::read(&bytes, self.form, &passwords, reading.now).ok()?;
        if let Contents::Parts(parts) = &contents
            && parts.locked >= self.read.locked_keys()
        {
            return None;
        }
        Some(ReadFile {
            contents: Ok(contents),
            hash: Some(Hash::of(&bytes)),
            is_doubtful: false,
        })
    }
}

impl ReadFile {
    fn is_locked(&self) -> bool {
        match &self.contents {
            Ok(Contents::Parts(parts)) => parts.locked > 0,
            Ok(_) => false,
            Err(failure) => failure.is_locked(),
        }
    }

    fn locked_keys(&self) -> usize {
        match &self.contents {
            Ok(Contents::Parts(parts)) => parts.locked,
            _ => 0,
        }
    }
}

/// Whether nothing was found in a file that is or may be a key.
fn has_no_key(contents: &Result<Contents, Failure>) -> bool {
    match contents {
        Ok(Contents::Nothing | Contents::Stray) => true,
        Ok(Contents::Parts(parts)) => {
            parts.keys.is_empty() && parts.locked == 0 && parts.refused.is_empty()
        }
        Ok(Contents::Pfx(_)) | Err(_) => false,
    }
}

/// A PFX that is written down as text: PEM, or base64 and nothing else.
fn pfx_in_text(bytes: &[u8]) -> Option<SecretBytes> {
    if Kind::of(bytes) != Kind::Unknown {
        return None;
    }
    let text = text::narrow(bytes);
    let text = text::without_mark(&text).trim_ascii();
    if text.starts_with(b"MI") {
        let decoded = base64::decode(text);
        return (Kind::of(&decoded) == Kind::Pfx).then(|| decoded.into());
    }
    let mut blocks = pem::blocks_of_file(text).into_iter();
    let block = blocks.find(|block| block.kind() == Kind::Pfx)?;
    block.is_whole.then_some(block.content)
}

fn named(path: &Path, form: FileForm) -> (String, PathBuf, FileForm) {
    (file_name(path), path.to_owned(), form)
}

fn no_key(path: &Path, reason: Option<crate::message::Text>) -> Error {
    Error::failed(match reason {
        Some(reason) => text!("error-pem-key-unusable", path = path, reason = reason),
        None => text!("error-pem-no-key", path = path),
    })
}

/// That no password opens these files.
pub fn wrong_source_password(files: Vec<String>) -> Error {
    Error::new(
        Exit::WrongSecret,
        text!("error-wrong-source-password", files = files),
    )
}
