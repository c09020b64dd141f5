//! Linux: reading past the page cache, one flush barrier, what a path is mounted on, the terminal,
//! private files, core dumps off.

mod attachment;
mod descriptor;
mod disks;
mod eject;
mod facts;
mod mounts;
mod shares;
mod terminal;

use std::borrow::Cow;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, IsTerminal};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use encoding_rs::Encoding;
use rustix::fs::{Advice, OFlags, fadvise, syncfs};
use rustix::mm::{MlockAllFlags, mlockall};
use rustix::process::{
    DumpableBehavior, Resource, Rlimit, geteuid, getuid, set_dumpable_behavior, setrlimit,
};
use zeroize::Zeroizing;

use crate::iis::Iis;
use crate::input::read_input;
use crate::platform::event::Event;
use crate::platform::media::blocks::read_blocks;
use crate::platform::protected::Unprotected;

pub use attachment::attachment;
pub use descriptor::descriptor;
pub use eject::{eject, may_eject};
pub use facts::{facts, volumes};
pub use mounts::kernels_own;
pub use terminal::{
    SecretKeys, Unechoed, clear_screen, clears_screen, columns, forget_typed, interrupt, read_line,
    restore_terminal,
};

/// Reads a file of `length` bytes from the device. `O_DIRECT` where the file system knows it; else
/// the clean pages are dropped first (the file was synced when it was written) and read again.
///
/// # Errors
/// What the system says.
pub fn read_past_cache(path: &Path, length: u64) -> io::Result<Vec<u8>> {
    let direct = OpenOptions::new()
        .read(true)
        .custom_flags(OFlags::DIRECT.bits().cast_signed())
        .open(path);
    match direct.and_then(|file| read_blocks(file, length)) {
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
            let file = File::open(path)?;
            file.sync_all().or_else(|e| {
                if e.kind() == io::ErrorKind::ReadOnlyFilesystem {
                    Ok(())
                } else {
                    Err(e)
                }
            })?;
            fadvise(&file, 0, None, Advice::DontNeed)?;
            read_blocks(file, length)
        }
        other => other,
    }
}

/// One barrier for everything written to the file system of `path`.
///
/// # Errors
/// What the system says.
pub fn flush_volume(path: &Path) -> io::Result<()> {
    Ok(syncfs(File::open(path)?)?)
}

/// Waits until a folder's names are on disk.
///
/// # Errors
/// What the system says.
pub fn flush_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Nothing to do for a single file: [`flush_volume`] takes it along.
///
/// # Errors
/// Never.
pub fn flush_file(_file: &File) -> io::Result<()> {
    Ok(())
}

/// There is no IIS here.
pub fn iis() -> Option<Iis<'static>> {
    None
}

/// There is no event log that monitoring of such servers reads.
///
/// # Errors
/// Never.
pub fn report_event(_event: Event, _text: &str) -> io::Result<()> {
    Ok(())
}

/// No core dumps, and no other process of the same user may look into this one's memory.
pub fn harden_process() {
    // Both are a second line; a system that refuses them is no reason to refuse a backup.
    let _ = setrlimit(
        Resource::Core,
        Rlimit {
            current: Some(0),
            maximum: Some(0),
        },
    );
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    lock_memory();
}

/// Keeps memory out of the swap file, where that has no limit or root can lift it: below a limit,
/// every allocation that goes beyond it would fail.
fn lock_memory() {
    let unlimited = Rlimit {
        current: None,
        maximum: None,
    };
    if setrlimit(Resource::Memlock, unlimited).is_ok() {
        // What is there and what comes, each page once it is used.
        let all = MlockAllFlags::CURRENT | MlockAllFlags::FUTURE | MlockAllFlags::ONFAULT;
        let _ = mlockall(all);
    }
}

/// This machine's name.
pub fn host_name() -> String {
    rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned()
}

/// Whether a person can be asked: standard input and standard error are both a terminal.
pub fn is_interactive() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// What another program wrote.
pub fn decoded(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Words in the character set of the locale (POSIX: `LC_ALL`, `LC_CTYPE`, `LANG`, the first that is
/// set), where that is one of the Japanese ones before UTF-8; characters that it lacks as `&#8230;`.
/// What is plain ASCII, such as a secret, is never copied.
pub fn encoded(words: &str) -> Cow<'_, [u8]> {
    static CHARACTER_SET: OnceLock<Option<&'static Encoding>> = OnceLock::new();
    let locale = || {
        ["LC_ALL", "LC_CTYPE", "LANG"]
            .iter()
            .filter_map(|name| std::env::var(name).ok())
            .find(|locale| !locale.is_empty())
    };
    match CHARACTER_SET.get_or_init(|| character_set(&locale()?)) {
        Some(encoding) if !words.is_ascii() => encoding.encode(words).0,
        _ => Cow::Borrowed(words.as_bytes()),
    }
}

/// The character set that a locale such as `ja_JP.eucJP@dict` names, if it is not UTF-8.
fn character_set(locale: &str) -> Option<&'static Encoding> {
    let (_, set) = locale.split_once('.')?;
    let set = set.split('@').next().unwrap_or_default();
    match set.to_ascii_lowercase().replace(['-', '_'], "").as_str() {
        "eucjp" | "ujis" => Some(encoding_rs::EUC_JP),
        "sjis" | "shiftjis" | "windows31j" | "pck" | "mskanji" => Some(encoding_rs::SHIFT_JIS),
        _ => None,
    }
}

/// Nothing to do: output follows the locale here.
pub struct Utf8Output;

impl Utf8Output {
    /// Never anything to put back.
    pub fn when_redirected() -> Option<Self> {
        None
    }
}

/// Nothing to do: Ctrl-C ends the process, and nothing on a Linux machine needs rolling back.
///
/// # Errors
/// Never.
pub fn watch_interrupts() -> io::Result<()> {
    Ok(())
}

/// The account of this process: its name in /etc/passwd, else its number.
pub fn account() -> Option<String> {
    let id = getuid().as_raw().to_string();
    let accounts = read_input(Path::new("/etc/passwd")).unwrap_or_default();
    let accounts = String::from_utf8_lossy(&accounts);
    let own = accounts
        .lines()
        .find(|line| line.split(':').nth(2) == Some(&id));
    let name = own.and_then(|line| line.split(':').next());
    Some(name.map_or_else(|| format!("uid {id}"), str::to_owned))
}

/// Always false, see [`watch_interrupts`].
pub fn interrupted() -> bool {
    false
}

/// Where host state lies: the user's state folder.
pub fn state_folder() -> Option<PathBuf> {
    let folders = directories::ProjectDirs::from("", "", "pfxvault")?;
    Some(
        folders
            .state_dir()
            .unwrap_or_else(|| folders.data_local_dir())
            .to_owned(),
    )
}

/// Creates a file that only its owner can open.
///
/// # Errors
/// What the system says; an existing name is `AlreadyExists`.
pub fn create_private(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
}

/// Makes a folder, and those above it that are missing, that only its owner can enter. An existing
/// one stays as it is: [`shared`] judges it.
///
/// # Errors
/// What the system says.
pub fn make_private(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// Whether anybody but this user owns a folder or can write in it.
///
/// # Errors
/// What the system says.
pub fn shared(folder: &Path) -> io::Result<bool> {
    let facts = fs::metadata(folder)?;
    Ok(facts.uid() != geteuid().as_raw() || facts.mode() & 0o022 != 0)
}

/// The same of a file.
///
/// # Errors
/// What the system says.
pub fn shared_file(path: &Path) -> io::Result<bool> {
    shared(path)
}

/// Whether anybody but this user owns a secret's file or can read it.
///
/// # Errors
/// What the system says.
pub fn key_shared(path: &Path) -> io::Result<bool> {
    Ok(shared(path)? || fs::metadata(path)?.mode() & 0o077 != 0)
}

/// Lets nobody else open a file that may have been made when others could.
///
/// # Errors
/// What the system says.
pub fn keep_private(file: &File) -> io::Result<()> {
    match readable_by_others(file)? {
        true => file.set_permissions(Permissions::from_mode(0o600)),
        false => Ok(()),
    }
}

/// Opens a plain file to look into it. `None` for anything else: no link is followed, no pipe or
/// device is waited for.
///
/// # Errors
/// What the system says.
pub fn open_plain(path: &Path) -> io::Result<Option<File>> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY)
        .bits()
        .cast_signed();
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags)
        .open(path)?;
    Ok(file.metadata()?.is_file().then_some(file))
}

/// A file, whatever it is called: its device and its number there.
pub type FileId = (u64, u64);

/// Which file it is, where it has more than one name.
///
/// # Errors
/// What the system says.
pub fn shared_id(file: &File) -> io::Result<Option<FileId>> {
    let facts = file.metadata()?;
    Ok((facts.nlink() > 1).then(|| (facts.dev(), facts.ino())))
}

/// Whether anybody but its owner may open a file.
///
/// # Errors
/// What the system says.
pub fn readable_by_others(file: &File) -> io::Result<bool> {
    let facts = file.metadata()?;
    Ok(facts.is_file() && facts.mode() & 0o077 != 0)
}

/// The form in which a secret lies in a private file: as it is, the file's mode is its protection.
///
/// # Errors
/// Never.
pub fn protect(secret: &[u8]) -> io::Result<Zeroizing<Vec<u8>>> {
    Ok(Zeroizing::new(secret.to_vec()))
}

/// The secret in what [`protect`] made.
///
/// # Errors
/// Never.
pub fn unprotect(stored: &[u8]) -> io::Result<Unprotected> {
    Ok(Unprotected::Secret(Zeroizing::new(stored.to_vec())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_past_the_cache_whole_whatever_its_length() {
        let folder = tempfile::tempdir().unwrap();
        for length in [0_usize, 1, 4095, 4096, 4097, 12_288, 70_001] {
            let path = folder.path().join(format!("f{length}"));
            let bytes: Vec<u8> = (0..length).map(|i| (i % 251) as u8).collect();
            fs::write(&path, &bytes).unwrap();
            assert_eq!(
                read_past_cache(&path, length as u64).unwrap(),
                bytes,
                "length {length}"
            );
        }
    }
}
