//! Files and folders that others must not read or plant.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use pfxvault::platform::{private_files, system};
use pfxvault::state::State;
use vault::id::VaultId;

/// A folder in a place where every user may read and make folders, as an ordinary user would plant
/// one.
struct Planted(PathBuf);

impl Planted {
    fn new(name: &str) -> Self {
        let folder = system::state_folder().unwrap().with_file_name(name);
        fs::create_dir(&folder).unwrap();
        Self(folder)
    }
}

impl Drop for Planted {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

fn vault() -> VaultId {
    VaultId::parse(&format!("SHA256:{}", "A".repeat(43))).unwrap()
}

#[test]
fn state_lies_in_program_data() {
    assert_eq!(
        system::state_folder().unwrap(),
        Path::new(r"C:\ProgramData\pfxvault")
    );
}

#[test]
fn a_folder_made_private_is_not_shared_nor_are_those_made_on_the_way() {
    let outer = tempfile::tempdir().unwrap();
    let folder = outer.path().join("a").join("b");
    system::make_private(&folder).unwrap();
    system::make_private(&folder).unwrap();
    assert!(!system::shared(&folder).unwrap());
    assert!(!system::shared(&outer.path().join("a")).unwrap());
}

#[test]
fn a_folder_that_others_can_enter_is_shared() {
    let planted = Planted::new("pfxvault-planted");
    assert!(system::shared(&planted.0).unwrap());
}

#[test]
fn a_planted_state_folder_is_refused_and_left_as_it_was() {
    let planted = Planted::new("pfxvault-planted-state");
    let error = State::create(&planted.0, vault(), "WEB01").err().unwrap();
    assert_eq!(error.text.id, "error-state-shared");
    assert_eq!(fs::read_dir(&planted.0).unwrap().count(), 0);
}

#[test]
fn a_secrets_file_is_read_only_if_nobody_else_can_read_it() {
    let planted = Planted::new("pfxvault-secrets");
    let (open, closed) = (planted.0.join("open"), planted.0.join("closed"));
    fs::write(&open, "word\r\n").unwrap();
    private_files::create_private(&closed, b"word\r\n").unwrap();
    assert_eq!(
        private_files::read_secret(&open).unwrap_err().text.id,
        "error-secret-file-shared"
    );
    assert_eq!(*private_files::read_secret(&closed).unwrap(), "word");
}

#[test]
fn a_private_file_is_never_created_over_another() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key");
    private_files::create_private(&path, b"first").unwrap();
    let error = system::create_private(&path).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::AlreadyExists);
    assert!(error.to_string().starts_with("CreateFileW "), "{error}");
    assert_eq!(fs::read(&path).unwrap(), b"first");
    assert!(!system::readable_by_others(&File::open(&path).unwrap()).unwrap());
}
