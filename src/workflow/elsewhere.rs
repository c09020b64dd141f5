//! Key pairs that only other generations hold, and the command line that restores them.

use std::collections::BTreeSet;

use vault::catalog::AboutKeyPair;
use vault::id::Number;
use vault::lines::day_of;

use crate::keypair::as_file_name;
use crate::message::Text;
use crate::text;

/// More names than this are not put into a command line, which a console would cut.
const MOST_NAMES: usize = 20;

/// Key pairs that one generation holds and the chosen one does not.
#[derive(Debug, Clone, PartialEq)]
pub struct LeftOut {
    /// The generation's number; of several that hold a key pair it is the newest.
    pub number: Number,
    /// The key pairs.
    pub key_pairs: Vec<AboutKeyPair>,
    /// The command line that restores them.
    pub line: String,
}

impl LeftOut {
    /// `all` is what the generation holds; `from` is the medium and the generation as options take
    /// them.
    pub fn new(
        number: Number,
        key_pairs: Vec<AboutKeyPair>,
        all: &[&AboutKeyPair],
        [medium, generation]: &[&str; 2],
        server: Option<&str>,
    ) -> Option<Self> {
        if key_pairs.is_empty() {
            return None;
        }
        let mut line = format!(
            "pfxvault restore --from {} --generation {generation}",
            quoted(medium)
        );
        if let Some(server) = server {
            line += &format!(" --server {server}");
        }
        // What was renewed since, and lies in the same generation, is not to come back with it.
        let names: BTreeSet<String> = key_pairs
            .iter()
            .map(|about| argument(about, &key_pairs, all))
            .collect();
        if key_pairs.len() < all.len() && names.len() <= MOST_NAMES {
            names.iter().for_each(|name| line += &format!(" {name}"));
        }
        Some(Self {
            number,
            key_pairs,
            line,
        })
    }

    /// The key pairs in one line each for people: name, kind of key, end.
    fn names(&self) -> Vec<String> {
        let name = |about: &AboutKeyPair| {
            format!(
                "{} ({}, {})",
                about.display_name(),
                about.key_type,
                day_of(about.not_after)
            )
        };
        self.key_pairs.iter().map(name).collect()
    }

    /// That they are only there, and the command line that restores them.
    pub fn text(&self) -> Text {
        text!(
            "left-out",
            number = self.number,
            names = self.names().join(", "),
            line = self.line.as_str()
        )
    }

    /// As [`LeftOut::text`], as a finding.
    pub fn finding(&self) -> Text {
        text!(
            "status-left-out",
            number = self.number,
            names = self.names().join(", "),
            line = self.line.as_str()
        )
    }
}

/// How many key pairs it is altogether.
pub fn count(left_out: &[LeftOut]) -> usize {
    left_out.iter().map(|one| one.key_pairs.len()).sum()
}

/// What names this key pair, and nothing that is not left out: its host name as a file has it, else
/// its thumbprint.
fn argument(about: &AboutKeyPair, left_out: &[AboutKeyPair], all: &[&AboutKeyPair]) -> String {
    let name = about.display_name();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let host = as_file_name(name);
    let is_meant = |other: &AboutKeyPair| {
        left_out
            .iter()
            .any(|one| one.certificate_sha256 == other.certificate_sha256)
    };
    let others = || {
        all.iter()
            .filter(|other| !is_meant(other))
            .any(|other| other.names.iter().any(|n| n == name))
    };
    if host.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
        && host.chars().all(is_plain)
        && !others()
    {
        host
    } else {
        about.thumbprint.clone()
    }
}

/// A word of a command line as a shell takes it.
pub fn quoted(word: &str) -> String {
    if word.contains(' ') {
        format!("\"{word}\"")
    } else {
        word.to_owned()
    }
}
