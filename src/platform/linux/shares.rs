//! Folders that this machine hands out to others: Samba's shares and NFS exports, as their files
//! describe them.

use std::fs;
use std::path::{Path, PathBuf};

use super::mounts::unescape;
use crate::platform::media::facts::Share;

/// Largest of these files that is read.
const MAX_FILE: u64 = 1024 * 1024;
/// Files of one folder that are looked at.
const MOST_FILES: usize = 4096;

/// Every share of the machine whose `/` is `root`.
pub(super) fn all(root: &Path) -> Vec<Share> {
    let samba = [root.join("etc/samba/smb.conf"), root.join("etc/smb.conf")];
    let mut shares: Vec<Share> = samba
        .iter()
        .filter_map(|file| read(file))
        .flat_map(|conf| samba_shares(&conf))
        .collect();
    for file in files_of(&root.join("var/lib/samba/usershares")) {
        let name = file
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        shares.extend(read(&file).and_then(|text| user_share(name, &text)));
    }
    let exports = files_of(&root.join("etc/exports.d"))
        .into_iter()
        .filter(|file| is_exports(file));
    // What was exported by hand is only in the last of these.
    let exports = [root.join("etc/exports")]
        .into_iter()
        .chain(exports)
        .chain([root.join("var/lib/nfs/etab")]);
    shares.extend(
        exports
            .filter_map(|file| read(&file))
            .flat_map(|text| exported(&text)),
    );
    shares
        .into_iter()
        .map(|share| resolved(root, share))
        .collect()
}

fn read(file: &Path) -> Option<String> {
    let facts = fs::metadata(file)
        .ok()
        .filter(|facts| facts.is_file() && facts.len() <= MAX_FILE)?;
    let bytes = fs::read(file)
        .ok()
        .filter(|bytes| bytes.len() as u64 <= facts.len())?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

fn files_of(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .take(MOST_FILES)
        .map(|entry| entry.path())
        .collect()
}

/// exports(5): files of that folder count if they end like this and are not hidden.
fn is_exports(file: &Path) -> bool {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    name.ends_with(".exports") && !name.starts_with('.')
}

/// A share may name a folder by a link.
fn resolved(root: &Path, share: Share) -> Share {
    let on_machine = root.join(share.folder.strip_prefix("/").unwrap_or(&share.folder));
    let real = fs::canonicalize(&on_machine).ok();
    let inside = real
        .as_deref()
        .and_then(|real| real.strip_prefix(root).ok());
    Share {
        folder: inside.map_or(share.folder, |inside| Path::new("/").join(inside)),
        ..share
    }
}

/// smb.conf(5): sections with `path =`, or `directory =`. Printers and what is switched off are no
/// shares.
fn samba_shares(conf: &str) -> Vec<Share> {
    let joined = conf.replace("\\\n", " ");
    let mut sections: Vec<(String, Vec<(String, String)>)> = Vec::new();
    for line in joined
        .lines()
        .map(str::trim)
        .filter(|line| !line.starts_with(['#', ';']))
    {
        if let Some(name) = line
            .strip_prefix('[')
            .and_then(|rest| rest.split(']').next())
        {
            sections.push((name.trim().to_owned(), Vec::new()));
        } else if let (Some((key, value)), Some((_, settings))) =
            (line.split_once('='), sections.last_mut())
        {
            let key: String = key.chars().filter(|c| !c.is_whitespace()).collect();
            settings.push((
                key.to_lowercase(),
                value.trim().trim_matches('"').to_owned(),
            ));
        }
    }
    sections
        .into_iter()
        .filter_map(|(name, settings)| samba_share(name, &settings))
        .collect()
}

fn samba_share(name: String, settings: &[(String, String)]) -> Option<Share> {
    let of = |keys: [&str; 2]| {
        settings
            .iter()
            .rfind(|(key, _)| keys.contains(&key.as_str()))
            .map(|(_, value)| value.as_str())
    };
    let yes = |value: &str| ["yes", "true", "1"].contains(&value.to_lowercase().as_str());
    let off = of(["available", "available"]).is_some_and(|value| !yes(value));
    if name.eq_ignore_ascii_case("global") || off || of(["printable", "printok"]).is_some_and(yes) {
        return None;
    }
    let path = match of(["path", "directory"]) {
        Some(path) => path,
        None if name.eq_ignore_ascii_case("homes") => "/home",
        None => return None,
    };
    // `/srv/%U` is a folder of every user: what they have in common counts.
    let fixed = path.split('%').next().unwrap_or_default();
    let fixed = if fixed.len() < path.len() {
        fixed.rsplit_once('/').map_or("", |(above, _)| above)
    } else {
        fixed
    };
    (!fixed.is_empty()).then(|| Share {
        name,
        folder: PathBuf::from(fixed),
    })
}

/// A share that a user made with `net usershare add`.
fn user_share(name: String, text: &str) -> Option<Share> {
    let path = text.lines().find_map(|line| line.strip_prefix("path="))?;
    Some(Share {
        name,
        folder: PathBuf::from(path),
    })
}

/// exports(5): a folder, perhaps in quotes, and the machines that may have it; a folder for nobody
/// is no share.
fn exported(text: &str) -> Vec<Share> {
    let joined = text.replace("\\\n", " ");
    let lines = joined
        .lines()
        .map(|line| line.split('#').next().unwrap_or_default().trim());
    let share = |line: &str| {
        let (folder, machines) = match line.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?,
            None => line.split_once(char::is_whitespace)?,
        };
        let shared = folder.starts_with('/') && !machines.trim().is_empty();
        shared.then(|| Share {
            name: folder.to_owned(),
            folder: PathBuf::from(unescape(folder)),
        })
    };
    lines.filter_map(share).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folders(shares: &[Share]) -> Vec<&str> {
        shares
            .iter()
            .map(|share| share.folder.to_str().unwrap())
            .collect()
    }

    #[test]
    fn samba_shares_are_the_sections_with_a_path() {
        let conf = "\
[global]
   path = /never
[homes]
   comment = Home
[Keys Of The Web]
   Pa Th = \"/srv/key s\"
; path = /commented
[old]
   directory = /srv/old/%U/x
[lp]
   path = /var/spool
   printable = yes
[off]
   path = /srv/off
   available = No
[long]
   path = \\
      /srv/long
[broken
[]
= x
";
        let shares = samba_shares(conf);
        assert_eq!(
            folders(&shares),
            ["/home", "/srv/key s", "/srv/old", "/srv/long"]
        );
        assert_eq!(shares[1].name, "Keys Of The Web");
    }

    #[test]
    fn exports_are_folders_with_machines_that_may_have_them() {
        let text = "# all\n/srv/a *(ro)\n\"/srv/b c\" host\n/srv/d\\040e host # more\n/srv/nobody\nrelative *\n/srv/f \\\n host(rw)\n";
        assert_eq!(
            folders(&exported(text)),
            ["/srv/a", "/srv/b c", "/srv/d e", "/srv/f"]
        );
    }

    #[test]
    fn every_kind_of_share_of_a_machine_is_found_and_links_are_followed() {
        let root = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(root.path()).unwrap();
        for (path, text) in [
            ("etc/samba/smb.conf", "[a]\npath = /link\n"),
            (
                "var/lib/samba/usershares/team",
                "#VERSION 2\npath=/srv/team\nusershare_acl=Everyone:R,\n",
            ),
            ("etc/exports", "/srv/nfs *\n"),
            ("etc/exports.d/more.exports", "/srv/more *\n"),
            ("etc/exports.d/not.conf", "/srv/not *\n"),
            ("var/lib/nfs/etab", "/srv/hand 10.0.0.0/8(rw)\n"),
            ("srv/real/x", ""),
        ] {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        std::os::unix::fs::symlink(root.join("srv/real"), root.join("link")).unwrap();
        assert_eq!(
            folders(&all(&root)),
            [
                "/srv/real",
                "/srv/team",
                "/srv/nfs",
                "/srv/more",
                "/srv/hand"
            ]
        );
    }
}
