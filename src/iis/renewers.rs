//! Programs that renew certificates, recognised by the folders and scheduled tasks that they make. It
//! is looked at, nothing of it is read or changed beyond that.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// A program that renews, and where it was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstalledRenewer {
    /// Its name.
    pub program: String,
    /// Folders, and tasks of the Task Scheduler.
    pub places: Vec<String>,
}

/// A program with its folder below `%ProgramData%` or below each user's local application data, and
/// what its tasks run.
struct Known {
    program: &'static str,
    of_machine: Option<&'static str>,
    of_user: Option<&'static str>,
    task: &'static str,
}

/// win-acme: "Configuration path" of its reference; simple-acme: the same page of its successor;
/// Certify: "Backup and restore" of its documentation; Posh-ACME: "POSHACME_HOME" of its guide.
/// win-acme and simple-acme call their task `win-acme renew (…)` and `simple-acme renew (…)`; that of
/// Posh-ACME is made by hand and calls `Submit-Renewal`.
const KNOWN: [Known; 4] = [
    Known {
        program: "win-acme",
        of_machine: Some("win-acme"),
        of_user: None,
        task: "win-acme renew",
    },
    Known {
        program: "simple-acme",
        of_machine: Some("simple-acme"),
        of_user: None,
        task: "simple-acme renew",
    },
    Known {
        program: "Certify",
        of_machine: Some("certify"),
        of_user: None,
        task: "\\Certify",
    },
    Known {
        program: "Posh-ACME",
        of_machine: None,
        of_user: Some("Posh-ACME"),
        task: "Submit-Renewal",
    },
];

/// Where a machine keeps what is looked for.
pub struct Places<'a> {
    /// `%ProgramData%`.
    pub of_machine: &'a Path,
    /// `%LocalAppData%` of everybody with a profile.
    pub of_users: &'a [PathBuf],
    /// The tasks of the Task Scheduler: name and definition.
    pub tasks: &'a [(String, Vec<u8>)],
}

/// Those that were here, and where.
pub fn of(places: &Places<'_>) -> Vec<InstalledRenewer> {
    let found = KNOWN.iter().map(|known| InstalledRenewer {
        program: known.program.to_owned(),
        places: seen(known, places),
    });
    found.filter(|one| !one.places.is_empty()).collect()
}

fn seen(known: &Known, places: &Places<'_>) -> Vec<String> {
    let machine = known.of_machine.map(|name| places.of_machine.join(name));
    let users = places.of_users.iter();
    let users = users.filter_map(|folder| Some(folder.join(known.of_user?)));
    let folders = machine.into_iter().chain(users);
    let mut seen: Vec<_> = folders
        .filter(|folder| folder.is_dir())
        .map(|folder| folder.display().to_string())
        .collect();
    let tasks = places.tasks.iter();
    let tasks = tasks.filter(|(name, task)| name.contains(known.task) || runs(task, known.task));
    seen.extend(tasks.map(|(name, _)| format!("Task Scheduler: {name}")));
    seen
}

/// Whether the definition of a task has this in it; it is UTF-16 as Windows writes it.
fn runs(task: &[u8], what: &str) -> bool {
    let ascii: Vec<u8> = task.iter().copied().filter(|octet| *octet != 0).collect();
    let text = String::from_utf8_lossy(&ascii);
    let actions = text
        .split_once("<Actions")
        .map_or("", |(_, actions)| actions);
    actions.contains(what)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// A task in the form of \[MS-TSCH\], as Windows keeps it.
    fn task(command: &str, arguments: &str) -> Vec<u8> {
        let xml = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-16\"?>\r\n<Task version=\"1.2\" xmlns=\"http://schemas.microsoft.com/windows/2004/02/mit/task\"><RegistrationInfo><Description>Submit-Renewal is not run here</Description></RegistrationInfo><Actions Context=\"Author\"><Exec><Command>{command}</Command><Arguments>{arguments}</Arguments></Exec></Actions></Task>"
        );
        let units = std::iter::once(0xfeff).chain(xml.encode_utf16());
        units.flat_map(u16::to_le_bytes).collect()
    }

    #[test]
    fn renewers_are_recognised_by_their_folders_and_tasks() {
        let root = tempfile::tempdir().unwrap();
        // One by one, for Windows writes its paths with another sign.
        let at = |name: &str| {
            name.split('/')
                .fold(root.path().to_owned(), |at, part| at.join(part))
        };
        for folder in ["data/simple-acme", "data/certify", "anna/Posh-ACME", "bert"] {
            fs::create_dir_all(at(folder)).unwrap();
        }
        fs::write(at("data/win-acme"), "a file is no folder").unwrap();
        let users = [at("anna"), at("bert")];
        let wacs = r"C:\Program Files\simple-acme\wacs.exe";
        let tasks = [
            (
                "simple-acme renew (acme-v02.api.letsencrypt.org)".to_owned(),
                task(wacs, "--renew"),
            ),
            (
                "Renew".to_owned(),
                task("powershell.exe", "-Command Submit-Renewal -AllAccounts"),
            ),
            ("Backup".to_owned(), task("pfxvault.exe", "backup")),
        ];
        let found = of(&Places {
            of_machine: &at("data"),
            of_users: &users,
            tasks: &tasks,
        });
        let expected = [
            (
                "simple-acme",
                vec![
                    at("data/simple-acme").display().to_string(),
                    "Task Scheduler: simple-acme renew (acme-v02.api.letsencrypt.org)".to_owned(),
                ],
            ),
            ("Certify", vec![at("data/certify").display().to_string()]),
            (
                "Posh-ACME",
                vec![
                    at("anna/Posh-ACME").display().to_string(),
                    "Task Scheduler: Renew".to_owned(),
                ],
            ),
        ];
        let found = found
            .iter()
            .map(|one| (one.program.as_str(), one.places.clone()));
        assert_eq!(found.collect::<Vec<_>>(), expected);
    }
}
