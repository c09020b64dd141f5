//! Folders in which programs keep mail, known by their names.

use std::path::{Path, PathBuf};

/// Folders of Thunderbird, of the mail programs of GNOME and KDE, of Apple, of Outlook and of mail
/// servers, by two names that follow each other, in lower case.
const PAIRS: [(&str, &str); 14] = [
    (".thunderbird", "*"),
    ("thunderbird", "profiles"),
    (".icedove", "*"),
    ("evolution", "mail"),
    ("geary", "*"),
    ("local-mail", "*"),
    (".claws-mail", "*"),
    ("library", "mail"),
    ("microsoft", "outlook"),
    ("microsoft", "windows live mail"),
    ("inetpub", "mailroot"),
    ("documents", "outlook files"),
    ("var", "mail"),
    ("spool", "mail"),
];

/// The mail folder that a path lies in, or is: a message to be (`.eml`), a Maildir, a program's
/// store.
pub fn store_above(path: &Path) -> Option<PathBuf> {
    named_store(path).or_else(|| {
        path.ancestors()
            .find(|folder| is_maildir(folder))
            .map(Path::to_path_buf)
    })
}

fn named_store(path: &Path) -> Option<PathBuf> {
    let names: Vec<String> = path
        .iter()
        .map(|name| name.to_string_lossy().to_lowercase())
        .collect();
    let (at, depth) = (0..names.len()).find_map(|at| Some((at, begins_store(&names[at..])?)))?;
    Some(path.iter().take(at + depth).collect())
}

/// How many of these names lead to a store.
fn begins_store(names: &[String]) -> Option<usize> {
    let first = names.first()?;
    let next = names.get(1).map(String::as_str);
    let pair = |(one, two): &(&str, &str)| one == first && (*two == "*" || next == Some(two));
    let message = [".eml", ".msg", ".pst", ".ost", ".mbox", ".emlx"]
        .iter()
        .any(|end| first.ends_with(end));
    if first == "maildir" || first == ".maildir" || message {
        return Some(1);
    }
    PAIRS
        .iter()
        .find(|names| pair(names))
        .map(|(_, two)| if *two == "*" { 1 } else { 2 })
}

/// Whether a folder is a Maildir, whatever its name: it holds `cur`, `new` and `tmp` (maildir(5)).
fn is_maildir(folder: &Path) -> bool {
    ["cur", "new", "tmp"]
        .iter()
        .all(|name| folder.join(name).is_dir())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mail_folders_are_known_wherever_a_path_enters_them() {
        let store = |path: &str| store_above(Path::new(path));
        for (path, root) in [
            ("/home/a/Maildir/new", "/home/a/Maildir"),
            (
                "/home/a/.thunderbird/x.default/Mail",
                "/home/a/.thunderbird",
            ),
            ("/var/mail/root", "/var/mail"),
            ("/tmp/offer.eml", "/tmp/offer.eml"),
            (
                "/home/a/.local/share/evolution/mail/local",
                "/home/a/.local/share/evolution/mail",
            ),
        ] {
            assert_eq!(store(path).as_deref(), Some(Path::new(root)), "{path}");
        }
        for path in [
            "/home/a/thunderbird",
            "/srv/mail",
            "/home/a/keys",
            "/",
            "/home/a/eml",
            "/var/spool/x",
        ] {
            assert_eq!(store(path), None, "{path}");
        }
    }

    #[test]
    fn a_maildir_is_known_by_its_three_folders() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["cur", "new", "tmp"] {
            assert_eq!(store_above(&folder.path().join("new")), None);
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        assert_eq!(
            store_above(&folder.path().join("new")).as_deref(),
            Some(folder.path())
        );
    }
}
