//! The passwords of the files at a source: one for all of them, one for each, or none.

use std::path::Path;

use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::keystore::is_called_without_key;
use crate::text;
use secret::Password;

/// What the first line of a table may be: the names of its columns.
const HEADING: [&str; 2] = ["name", "password"];

/// Passwords to try on files. Those given for a file by its name come first, then those for any,
/// then the empty one, which many a file has.
#[derive(Debug)]
pub struct SourcePasswords {
    /// The file that each is for; empty where it is for any.
    given: Vec<(String, Password)>,
    empty: Password,
}

impl SourcePasswords {
    /// None: only the empty one is tried.
    pub fn none() -> Self {
        Self {
            given: Vec::new(),
            empty: Password::new(String::new()),
        }
    }

    /// One for any file.
    pub fn one(password: Password) -> Self {
        let mut passwords = Self::none();
        passwords.add(password);
        passwords
    }

    /// One more for any file.
    pub fn add(&mut self, password: Password) {
        self.given.push((String::new(), password));
    }

    /// One more for a file of this name.
    pub fn add_for(&mut self, name: String, password: Password) {
        self.given.push((name, password));
    }

    /// Takes those of a table in addition: CSV (RFC 4180) of a file's name and its password, an
    /// empty name for any file. `path` is where it stands.
    ///
    /// # Errors
    /// A line that does not have two fields, or a quote that never ends.
    pub fn add_table(&mut self, table: &str, path: &Path) -> Result<()> {
        // What Export-Csv of Windows PowerShell writes first.
        let lines = table
            .strip_prefix("#TYPE ")
            .and_then(|rest| rest.split_once('\n'));
        let table = lines.map_or(table, |(_, rest)| rest);
        for (number, mut row) in rows(table, path)? {
            let (Some(password), Some(name), true) = (row.pop(), row.pop(), row.is_empty()) else {
                return Err(malformed(path, number));
            };
            let is_heading = number == 1
                && name.eq_ignore_ascii_case(HEADING[0])
                && password.eq_ignore_ascii_case(HEADING[1]);
            if !is_heading {
                let password = Password::new(password.to_string());
                self.given.push((name.trim().replace('\\', "/"), password));
            }
        }
        Ok(())
    }

    /// Whether there is any but the empty one for a file.
    pub(super) fn any_for(&self, file: &str) -> bool {
        self.given.iter().any(|(name, _)| is_for(name, file))
    }

    /// Names in a table that none of these files has.
    pub(super) fn for_none_of(&self, files: &[&str]) -> Vec<String> {
        let mut names = Vec::new();
        for (name, _) in &self.given {
            let is_for_any = name.is_empty();
            if !is_for_any && !files.iter().any(|file| is_for(name, file)) {
                names.push(name.clone());
            }
        }
        names
    }

    /// Those to try on a file, in this order.
    pub(super) fn to_try(&self, file: &str) -> Vec<&Password> {
        let (mut own, mut others) = (Vec::new(), Vec::new());
        for (name, password) in &self.given {
            if name.is_empty() {
                others.push(password);
            } else if is_for(name, file) {
                own.push(password);
            }
        }
        own.append(&mut others);
        if own.iter().all(|password| !password.expose().is_empty()) {
            own.push(&self.empty);
        }
        own
    }
}

/// Whether what was given for `name` is to be tried on a file: it is its name with or without the
/// folder, its whole path, or the host's.
fn is_for(name: &str, file: &str) -> bool {
    let bare = file.rsplit('/').next().unwrap_or(file);
    let is_path = || {
        let at = name.len().checked_sub(file.len() + 1);
        let end = at.and_then(|at| name.get(at..)).unwrap_or_default();
        let end = end.strip_prefix('/');
        end.is_some_and(|end| end.eq_ignore_ascii_case(file))
    };
    name.is_empty()
        || is_called_without_key(file, name)
        || is_called_without_key(bare, name)
        || is_path()
}

fn malformed(path: &Path, line: usize) -> Error {
    Error::usage(text!("error-password-table", path = path, line = line))
}

/// A row of a table: the number of its first line, and its fields.
type Row = (usize, Vec<Zeroizing<String>>);

/// The rows of a table that are not empty.
///
/// # Errors
/// A quote that never ends, or that is followed by anything.
fn rows(table: &str, path: &Path) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    let (mut rest, mut line) = (table, 1);
    while !rest.is_empty() {
        let first = line;
        let mut row = Vec::new();
        loop {
            let (field, length) = field(rest).ok_or_else(|| malformed(path, first))?;
            line += line_ends(&rest[..length]);
            rest = &rest[length..];
            row.push(field);
            match rest.strip_prefix(',') {
                Some(next) => rest = next,
                None => break,
            }
        }
        rest = without_line_end(rest).ok_or_else(|| malformed(path, first))?;
        line += 1;
        if row.len() > 1 || !row[0].trim().is_empty() {
            rows.push((first, row));
        }
    }
    Ok(rows)
}

fn line_ends(text: &str) -> usize {
    text.matches('\n').count()
}

fn without_line_end(text: &str) -> Option<&str> {
    if text.is_empty() {
        return Some(text);
    }
    text.strip_prefix("\r\n")
        .or_else(|| text.strip_prefix(['\n', '\r']))
}

/// The field at the beginning, and how much of the text it takes; `None` where its quote never ends.
fn field(text: &str) -> Option<(Zeroizing<String>, usize)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let length = text.find([',', '\r', '\n']).unwrap_or(text.len());
        return Some((Zeroizing::new(text[..length].to_owned()), length));
    };
    // Room for all of it, so that growing leaves no copy.
    let mut field = Zeroizing::new(String::with_capacity(quoted.len()));
    let mut rest = quoted;
    loop {
        let (part, after) = rest.split_once('"')?;
        field.push_str(part);
        match after.strip_prefix('"') {
            Some(more) => {
                field.push('"');
                rest = more;
            }
            None => return Some((field, text.len() - after.len())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tried(table: &str, file: &str) -> Vec<String> {
        let mut passwords = SourcePasswords::none();
        passwords.add_table(table, Path::new("t.csv")).unwrap();
        let tried = passwords.to_try(file);
        tried.iter().map(|one| one.expose().to_owned()).collect()
    }

    #[test]
    fn a_table_gives_each_file_its_password_and_any_file_those_without_a_name() {
        let table = "name,password\r\n\
            www.example.com.pfx,secret\r\n\
            \"a, b.pfx\",\"with \"\"quotes\"\", and\nlines\"\n\
            \n\
            ,for any\n\
            *.example.com, blanks \n\
            sub\\mail.pfx,\n\
            Host.pfx,last";
        assert_eq!(
            tried(table, "www.example.com.pfx"),
            ["secret", "for any", ""]
        );
        assert_eq!(
            tried(table, "sub/WWW.example.com.PFX"),
            ["secret", "for any", ""]
        );
        assert_eq!(
            tried(table, "a, b.pfx"),
            ["with \"quotes\", and\nlines", "for any", ""]
        );
        assert_eq!(
            tried(table, "_.example.com.pfx"),
            [" blanks ", "for any", ""]
        );
        assert_eq!(tried(table, "sub/mail.pfx"), ["", "for any"]);
        assert_eq!(tried(table, "host.pfx"), ["last", "for any", ""]);
        assert_eq!(tried(table, "other.pfx"), ["for any", ""]);
    }

    #[test]
    fn a_table_that_powershell_made_of_paths_is_read() {
        let table = "#TYPE Selected.System.IO.FileInfo\r\n\"Name\",\"Password\"\r\n\"C:\\certs\\www.pfx\",\"x\"\r\n\"D:\\a\\sub\\b.pfx\",\"y\"\r\n";
        assert_eq!(tried(table, "www.pfx"), ["x", ""]);
        assert_eq!(tried(table, "sub/b.pfx"), ["y", ""]);
        assert_eq!(tried(table, "ww.pfx"), [""]);
        assert_eq!(tried(table, "other/b.pfx"), [""]);
    }

    #[test]
    fn a_line_that_is_no_row_of_two_fields_is_named() {
        for (table, line) in [
            ("only-a-name", "1"),
            ("a.pfx,x\nb.pfx,pass,word", "2"),
            ("a.pfx,\"x\n", "1"),
            ("a.pfx,\"x\ny\"\nb.pfx,\"x\"y", "3"),
        ] {
            let mut passwords = SourcePasswords::none();
            let error = passwords.add_table(table, Path::new("t.csv")).unwrap_err();
            assert_eq!(error.text.id, "error-password-table");
            assert!(format!("{:?}", error.text).contains(line), "{table}");
        }
    }
}
