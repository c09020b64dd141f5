//! Folders that a program copies to a service on the internet, told by what such programs leave in
//! them.
//!
//! A guess: what is found here looks synced, and what is not found here may be all the same.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::facts::{Synced, is_within};
use crate::input::read_input;

/// Entries of one folder that are looked at.
const MOST_ENTRIES: usize = 4096;
/// Largest list of folders that Dropbox keeps.
const MAX_LIST: u64 = 64 * 1024;

/// What a program leaves at the root of its folder.
enum Mark {
    /// A file of this name.
    File(&'static str),
    /// A folder of this name.
    Folder(&'static str),
    /// Something whose name begins and ends like this.
    Like(&'static str, &'static str),
}

/// Dropbox: a file at the root; `~/.dropbox` is a folder, and no mark. OneDrive: the same file for
/// every account. Google Drive for desktop: its working folders. Nextcloud and ownCloud: the
/// client's database and log.
const MARKS: [(&str, Mark); 13] = [
    ("Dropbox", Mark::File(".dropbox")),
    ("Dropbox", Mark::Folder(".dropbox.cache")),
    (
        "OneDrive",
        Mark::File(".849C9593-D756-4E56-8D6E-42412F2A707B"),
    ),
    ("Google Drive", Mark::Folder(".tmp.driveupload")),
    ("Google Drive", Mark::Folder(".tmp.drivedownload")),
    ("Nextcloud", Mark::File(".nextcloudsync.log")),
    ("Nextcloud", Mark::Like(".sync_", ".db")),
    ("Nextcloud", Mark::Like("._sync_", ".db")),
    ("ownCloud", Mark::File(".owncloudsync.log")),
    ("Syncthing", Mark::Folder(".stfolder")),
    ("Syncthing", Mark::File(".stfolder")),
    ("Syncthing", Mark::Folder(".stversions")),
    ("Resilio Sync", Mark::File(".sync/ID")),
];

/// Names under which these programs make their folder; a company's name may follow, as in `OneDrive
/// - Example`.
const NAMES: [&str; 9] = [
    "Dropbox",
    "OneDrive",
    "Google Drive",
    "GoogleDrive",
    "Nextcloud",
    "ownCloud",
    "iCloudDrive",
    "iCloud Drive",
    "pCloudDrive",
];

/// Whether `real`, a path without links, lies in a folder that looks synced. `homes` are the users'
/// own folders.
pub fn look(real: &Path, homes: &[PathBuf]) -> Option<Synced> {
    let listed = homes
        .iter()
        .flat_map(|home| listed_by_dropbox(home))
        .find(|root| is_within(real, root));
    if let Some(root) = listed {
        return Some(Synced {
            by: "Dropbox".to_owned(),
            root,
        });
    }
    let found = |folder: &Path| {
        Some(Synced {
            by: marked(folder)?.to_owned(),
            root: folder.to_owned(),
        })
    };
    real.ancestors().find_map(found)
}

fn marked(folder: &Path) -> Option<&'static str> {
    let by_mark = || {
        MARKS
            .iter()
            .find(|(_, mark)| mark.is_in(folder))
            .map(|(program, _)| *program)
    };
    named(folder).or_else(by_mark)
}

fn named(folder: &Path) -> Option<&'static str> {
    let name = folder.file_name()?.to_str()?;
    let is_of = |program: &&&str| match name.strip_prefix(**program) {
        Some(rest) => rest.is_empty() || rest.starts_with(" - ") || rest.starts_with(" ("),
        None => false,
    };
    NAMES.iter().find(is_of).copied()
}

impl Mark {
    fn is_in(&self, folder: &Path) -> bool {
        match self {
            Mark::File(name) => {
                fs::symlink_metadata(folder.join(name)).is_ok_and(|facts| facts.is_file())
            }
            Mark::Folder(name) => {
                fs::symlink_metadata(folder.join(name)).is_ok_and(|facts| facts.is_dir())
            }
            Mark::Like(start, end) => {
                let entries = fs::read_dir(folder)
                    .into_iter()
                    .flatten()
                    .flatten()
                    .take(MOST_ENTRIES);
                let mut names =
                    entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
                names.any(|name| name.starts_with(start) && name.ends_with(end))
            }
        }
    }
}

/// The folders that Dropbox says it keeps (`info.json`, "How to find the Dropbox folders
/// programmatically").
fn listed_by_dropbox(home: &Path) -> Vec<PathBuf> {
    let places = [
        ".dropbox/info.json",
        "AppData/Roaming/Dropbox/info.json",
        "AppData/Local/Dropbox/info.json",
    ];
    places
        .iter()
        .flat_map(|place| dropbox_folders(&home.join(place)).unwrap_or_default())
        .collect()
}

/// `{"personal": {"path": "..."}, "business": {"path": "..."}}`
fn dropbox_folders(list: &Path) -> Option<Vec<PathBuf>> {
    let facts = fs::symlink_metadata(list)
        .ok()
        .filter(|facts| facts.is_file() && facts.len() <= MAX_LIST)?;
    let json = read_input(list)
        .ok()
        .filter(|json| json.len() as u64 <= facts.len())?;
    let Ok(Value::Object(accounts)) = serde_json::from_slice(&json) else {
        return None;
    };
    let paths = accounts
        .values()
        .filter_map(|account| account.get("path")?.as_str());
    Some(paths.map(PathBuf::from).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_with_the_marks_of_a_program_looks_synced_and_so_does_all_below_it() {
        let cases = [
            ("Dropbox", ".dropbox", true),
            ("Dropbox", ".dropbox.cache", false),
            ("OneDrive", ".849C9593-D756-4E56-8D6E-42412F2A707B", true),
            ("Google Drive", ".tmp.driveupload", false),
            ("Nextcloud", "._sync_0123456789ab.db", true),
            ("Nextcloud", ".nextcloudsync.log", true),
            ("Syncthing", ".stfolder", false),
        ];
        for (program, mark, is_file) in cases {
            let folder = tempfile::tempdir().unwrap();
            let below = folder.path().join("a/b");
            fs::create_dir_all(&below).unwrap();
            assert_eq!(look(&below, &[]), None, "{mark}");
            match is_file {
                true => fs::write(folder.path().join(mark), "").unwrap(),
                false => fs::create_dir(folder.path().join(mark)).unwrap(),
            }
            let expected = Synced {
                by: program.to_owned(),
                root: folder.path().to_owned(),
            };
            assert_eq!(look(&below, &[]), Some(expected), "{mark}");
        }
    }

    #[test]
    fn a_folder_is_also_known_by_the_name_its_program_gives_it() {
        let by = |path: &str| look(Path::new(path), &[]).map(|synced| synced.by);
        assert_eq!(
            by("/home/a/OneDrive - Example Corp/keys").as_deref(),
            Some("OneDrive")
        );
        assert_eq!(
            by("/home/a/Dropbox (Example)/x").as_deref(),
            Some("Dropbox")
        );
        assert_eq!(by("/home/a/Nextcloud").as_deref(), Some("Nextcloud"));
        assert_eq!(by("/home/a/OneDriver/x"), None);
        assert_eq!(by("/home/a/my Dropbox backup"), None);
    }

    #[test]
    fn the_list_that_dropbox_keeps_is_believed_and_its_own_folder_is_no_mark() {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir(home.path().join(".dropbox")).unwrap();
        let synced = home.path().join("work");
        fs::create_dir(&synced).unwrap();
        let homes = [home.path().to_owned()];
        assert_eq!(look(&synced, &homes), None);
        let list = home.path().join(".dropbox/info.json");
        for (json, found) in [
            (
                serde_json::json!({ "business": { "path": synced, "host": 1 } }).to_string(),
                true,
            ),
            ("{".to_owned(), false),
            ("[]".to_owned(), false),
            (r#"{"personal": {"path": ""}}"#.to_owned(), false),
        ] {
            fs::write(&list, json).unwrap();
            assert_eq!(look(&synced, &homes).is_some(), found);
        }
        assert_eq!(look(home.path(), &homes), None);
    }
}
