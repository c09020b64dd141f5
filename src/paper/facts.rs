//! What an instruction sheet says for programs: lines of printable ASCII in its square code.

use jiff::civil::Date;

use vault::id::{Number, ServerId, VaultId};

const BEGIN: &str = "pfxvault-sheet v1";
/// Digits of a record's hash.
pub const HASH_DIGITS: usize = 16;
/// Servers that a code has room for.
pub const MOST_SERVERS: usize = 16;

/// A server's newest generation on the day of the sheet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewestOnSheet {
    /// The server.
    pub server: ServerId,
    /// The generation's number.
    pub number: Number,
    /// How the hash of its record begins.
    pub hash: String,
}

/// The vault and its state on the day of the sheet. No secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SheetFacts {
    /// Whose vault it is.
    pub vault: VaultId,
    /// When the sheet was made, by the calendar there.
    pub day: Date,
    /// How many statements the owner had signed.
    pub statements: usize,
    /// What was newest then, [`MOST_SERVERS`] at most.
    pub newest: Vec<NewestOnSheet>,
}

impl SheetFacts {
    /// The lines.
    pub fn text(&self) -> String {
        let (vault, day, statements) = (&self.vault, self.day, self.statements);
        let mut text = format!("{BEGIN}\nvault {vault}\nday {day}\nstatements {statements}\n");
        for newest in self.newest.iter().take(MOST_SERVERS) {
            let (server, number) = (newest.server, newest.number.get());
            text += &format!("newest {server} {number} {}\n", newest.hash);
        }
        text
    }

    /// Finds them in a text, whatever is around them and between the words.
    pub fn find(text: &str) -> Option<Self> {
        let begin = text.find(BEGIN)? + BEGIN.len();
        // In a PDF they stand in brackets.
        let words = text[begin..].split(|c: char| c.is_ascii_whitespace() || "()<>".contains(c));
        let mut words = words.filter(|word| !word.is_empty());
        let vault = VaultId::parse(after(&mut words, "vault")?)?;
        let day = after(&mut words, "day")?.parse().ok()?;
        let statements = after(&mut words, "statements")?.parse().ok()?;
        let mut newest = Vec::new();
        // What stands behind them is not of the sheet.
        while let Some(server) = after(&mut words, "newest") {
            newest.push(NewestOnSheet {
                server: ServerId::parse(server)?,
                number: Number::parse(words.next()?)?,
                hash: words.next().filter(|hash| is_hash(hash))?.to_owned(),
            });
            if newest.len() == MOST_SERVERS {
                break;
            }
        }
        Some(Self {
            vault,
            day,
            statements,
            newest,
        })
    }
}

/// The word behind a name.
fn after<'t>(words: &mut impl Iterator<Item = &'t str>, name: &str) -> Option<&'t str> {
    words.next().filter(|word| *word == name)?;
    words.next()
}

/// Hexadecimal, as long as it stands on a sheet.
fn is_hash(word: &str) -> bool {
    let digits = word.get(..HASH_DIGITS).unwrap_or_default();
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    word.len() == HASH_DIGITS && digits.bytes().all(is_digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_facts_are_found_again_in_one_line_or_several_and_nothing_else_is_taken_for_them() {
        let facts = SheetFacts {
            vault: VaultId::parse(&format!("SHA256:{}", "A".repeat(43))).unwrap(),
            day: "2026-11-29".parse().unwrap(),
            statements: 3,
            newest: vec![NewestOnSheet {
                server: ServerId::parse("ABCD2345").unwrap(),
                number: Number::new(42).unwrap(),
                hash: "0123456789abcdef".to_owned(),
            }],
        };
        let text = facts.text();
        assert_eq!(SheetFacts::find(&text), Some(facts.clone()));
        let around = format!("%PDF ({})>> BDC", text.replace('\n', " "));
        assert_eq!(SheetFacts::find(&around), Some(facts));
        for wrong in [
            text.replace("v1", "v2"),
            text.replace("SHA256:A", "SHA256:!"),
            text.replace("0123456789abcdef", "0123"),
            text.replace(" 42 ", " 0 "),
            text.replace("2026-11-29", "2026-11-31"),
        ] {
            assert_eq!(SheetFacts::find(&wrong), None, "{wrong}");
        }
    }
}
