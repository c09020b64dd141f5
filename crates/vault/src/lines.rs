//! The strict text of statements and records: ASCII 20-7E, LF after every line, nothing unknown,
//! nothing missing.

use super::id::{Hash, Number, Point, VaultId};

/// Why a text of the vault cannot be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// A version number this program does not know.
    #[error("made by a newer pfxvault")]
    Newer,
    /// Not the text it should be.
    #[error("not in the form the format prescribes")]
    Form,
}

/// Characters that nobody sees (Unicode's Cf), and those that end a line.
pub fn is_unseen(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}' | '\u{890}' | '\u{891}' | '\u{8e2}'
        | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}' | '\u{110bd}' | '\u{110cd}' | '\u{13430}'..='\u{1343f}' | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}' | '\u{e0001}' | '\u{e0020}'..='\u{e007f}')
}

/// Reads a text line by line; every taker names what it expects.
pub struct Lines<'a> {
    rest: Vec<&'a str>,
    next: usize,
}

impl<'a> Lines<'a> {
    /// Splits a text, refusing any byte outside 20-7E and a last line without LF.
    pub fn new(bytes: &'a [u8]) -> Result<Self, Flaw> {
        let text = std::str::from_utf8(bytes).map_err(|_| Flaw::Form)?;
        let body = text.strip_suffix('\n').ok_or(Flaw::Form)?;
        let plain = body
            .bytes()
            .all(|byte| byte == b'\n' || (0x20..=0x7e).contains(&byte));
        plain
            .then(|| Self {
                rest: body.split('\n').collect(),
                next: 0,
            })
            .ok_or(Flaw::Form)
    }

    /// The next line without taking it.
    pub fn peek(&self) -> Option<&'a str> {
        self.rest.get(self.next).copied()
    }

    /// Takes the next line, whatever it is.
    pub fn take(&mut self) -> Option<&'a str> {
        let line = self.peek()?;
        self.next += 1;
        Some(line)
    }

    /// Takes the rest of a line that begins with `key`.
    pub fn value(&mut self, key: &str) -> Result<&'a str, Flaw> {
        self.take()
            .and_then(|line| line.strip_prefix(key))
            .ok_or(Flaw::Form)
    }

    /// Takes the first line, which names the kind of text and its version: one of those up to
    /// `newest`.
    pub fn version(&mut self, kind: &str, newest: u32) -> Result<u32, Flaw> {
        let version = self.value(kind)?.strip_prefix(" v").ok_or(Flaw::Form)?;
        match Number::parse(version).map(Number::get) {
            Some(version) if version <= newest => Ok(version),
            Some(_) => Err(Flaw::Newer),
            None => Err(Flaw::Form),
        }
    }

    /// Whether every line was taken.
    pub fn finished(&self) -> bool {
        self.next == self.rest.len()
    }
}

/// Whether a text's first line says a version above `newest`, so that a later pfxvault wrote it. Asked before any signature,
/// which a later version may make in another way: what a newer pfxvault wrote is never called
/// damaged.
pub fn is_newer(bytes: &[u8], kind: &str, newest: u32) -> bool {
    let end = bytes
        .iter()
        .position(|byte| *byte == b'\n')
        .map_or(0, |at| at + 1);
    Lines::new(&bytes[..end]).and_then(|mut lines| lines.version(kind, newest)) == Err(Flaw::Newer)
}

/// Parses a vault id.
pub fn vault(text: &str) -> Result<VaultId, Flaw> {
    VaultId::parse(text).ok_or(Flaw::Form)
}

/// Parses a hash.
pub fn hash(text: &str) -> Result<Hash, Flaw> {
    Hash::parse(text).ok_or(Flaw::Form)
}

/// Parses a point in a server's line, or `none`.
pub fn point(text: &str) -> Result<Option<Point>, Flaw> {
    match text {
        "none" => Ok(None),
        _ => Point::parse(text).map(Some).ok_or(Flaw::Form),
    }
}

/// The text form of a point, or `none`.
pub fn format_point(point: Option<Point>) -> String {
    point.map_or_else(|| "none".to_owned(), |point| point.to_string())
}

/// A time in the one form records use, `2026-11-24T02:20:00Z`.
pub fn time(text: &str) -> Result<jiff::Timestamp, Flaw> {
    let time: jiff::Timestamp = text.parse().map_err(|_| Flaw::Form)?;
    // Four-digit years only: the library also takes signed ones.
    (format_time(time) == text && text.len() == "2026-11-24T02:20:00Z".len())
        .then_some(time)
        .ok_or(Flaw::Form)
}

/// The one form of a time: UTC, whole seconds.
pub fn format_time(time: jiff::Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// The day a time falls on, in UTC.
pub fn day_of(time: jiff::Timestamp) -> jiff::civil::Date {
    jiff::tz::TimeZone::UTC.to_datetime(time).date()
}

/// A day in the one form records use, `2027-05-24`.
pub fn day(text: &str) -> Result<jiff::civil::Date, Flaw> {
    let day: jiff::civil::Date = text.parse().map_err(|_| Flaw::Form)?;
    (day.to_string() == text && text.len() == "2027-05-24".len())
        .then_some(day)
        .ok_or(Flaw::Form)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_higher_version_is_newer() {
        let newer = |text: &str| is_newer(text.as_bytes(), "# pfxvault-record", 1);
        assert!(
            newer("# pfxvault-record v2\nwhatever \u{1} follows")
                && newer("# pfxvault-record v10\n")
        );
        let others = [
            "v1\n", "v0\n", "v02\n", "v\n", "v2", "v2 \n", "v+2\n", "v2x\n", "v2\r\n",
        ];
        for other in others {
            assert!(!newer(&format!("# pfxvault-record {other}")), "{other:?}");
        }
        assert!(!newer(""));
    }

    #[test]
    fn years_have_four_digits_and_no_sign() {
        assert!(time("2026-11-24T02:20:00Z").is_ok() && day("2027-05-24").is_ok());
        for wrong in [
            "-000001-05-24",
            "+002027-05-24",
            "2027-02-30",
            "2027-5-24",
            "20270524",
            "2027-05-24T00:00:00",
        ] {
            assert_eq!(day(wrong), Err(Flaw::Form), "{wrong}");
        }
        for wrong in [
            "-000001-11-24T02:20:00Z",
            "2026-11-24T02:20:60Z",
            "2026-11-24T02:20:00z",
            "2026-11-24 02:20:00Z",
        ] {
            assert_eq!(time(wrong), Err(Flaw::Form), "{wrong}");
        }
    }
}
