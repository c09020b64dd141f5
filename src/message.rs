//! Sentences for people, named but not yet worded: an id of the Fluent files and its arguments.
//!
//! Everything below `console` speaks in these; `console` alone turns them into English or Japanese.

use std::collections::BTreeMap;
use std::io;

/// A message id of `src/console/texts/*.ftl` with the values it needs.
#[derive(Debug, Clone, PartialEq)]
pub struct Text {
    /// Fluent message id.
    pub id: &'static str,
    /// Named values.
    pub args: Vec<(&'static str, Arg)>,
}

/// A value inside a [`Text`].
#[derive(Debug, Clone, PartialEq)]
pub enum Arg {
    /// Shown as it is, without control characters.
    Words(String),
    /// Each shown like words, on a line of its own.
    Lines(Vec<String>),
    /// A count; Fluent chooses plural forms by it.
    Number(u64),
    /// A sentence inside a sentence.
    Text(Text),
}

/// `text!("backup-done", saved = 8, label = "A")`.
#[macro_export]
macro_rules! text {
    ($id:literal $(, $name:ident = $value:expr)* $(,)?) => {
        $crate::message::Text {
            id: $id,
            args: vec![$((stringify!($name), $crate::message::Arg::from($value))),*],
        }
    };
}

/// How far the clocks of two machines may be apart without a word.
pub const CLOCKS_APART: jiff::SignedDuration = jiff::SignedDuration::from_hours(1);

/// How many sentences of one kind are said one by one.
const MOST_ALIKE: usize = 9;

/// Leaves of what is many times alike the first, as `with` words it with the count of the others.
pub fn fold<T, K: Ord>(items: Vec<T>, kind: fn(&T) -> K, with: fn(T, usize) -> T) -> Vec<T> {
    let mut counts: BTreeMap<K, usize> = BTreeMap::new();
    for item in &items {
        *counts.entry(kind(item)).or_default() += 1;
    }
    let mut said = Vec::new();
    for item in items {
        let Some(count) = counts.get_mut(&kind(&item)) else {
            continue;
        };
        match std::mem::take(count) {
            0 => {}
            alike if alike > MOST_ALIKE => said.push(with(item, alike - 1)),
            few => {
                *count = few;
                said.push(item);
            }
        }
    }
    said
}

impl Text {
    /// The sentence, and that the same holds for so many others.
    #[must_use]
    pub fn and_more(self, count: usize) -> Self {
        text!("found-more", first = self, count = count)
    }

    /// Sentences, those of one kind put together where they are many.
    pub fn folded(texts: Vec<Self>) -> Vec<Self> {
        fold(texts, |text| text.id, Self::and_more)
    }
}

impl From<&str> for Arg {
    fn from(words: &str) -> Self {
        Arg::Words(words.to_owned())
    }
}

impl From<String> for Arg {
    fn from(words: String) -> Self {
        Arg::Words(words)
    }
}

impl From<Vec<String>> for Arg {
    fn from(lines: Vec<String>) -> Self {
        Arg::Lines(lines)
    }
}

impl From<&String> for Arg {
    fn from(words: &String) -> Self {
        Arg::Words(words.clone())
    }
}

impl From<&std::path::Path> for Arg {
    fn from(path: &std::path::Path) -> Self {
        Arg::Words(path.display().to_string())
    }
}

impl From<u8> for Arg {
    fn from(number: u8) -> Self {
        Arg::Number(number.into())
    }
}

impl From<u32> for Arg {
    fn from(number: u32) -> Self {
        Arg::Number(number.into())
    }
}

impl From<vault::id::Number> for Arg {
    fn from(number: vault::id::Number) -> Self {
        number.get().into()
    }
}

impl From<u64> for Arg {
    fn from(number: u64) -> Self {
        Arg::Number(number)
    }
}

impl From<usize> for Arg {
    fn from(number: usize) -> Self {
        Arg::Number(number as u64)
    }
}

impl From<Text> for Arg {
    fn from(text: Text) -> Self {
        Arg::Text(text)
    }
}

impl From<&io::Error> for Arg {
    fn from(error: &io::Error) -> Self {
        Arg::Text(os_reason(error))
    }
}

/// What the operating system said, as a sentence without a Rust type or a bare number.
pub fn os_reason(error: &io::Error) -> Text {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => text!("os-full"),
        io::ErrorKind::ReadOnlyFilesystem => text!("os-read-only"),
        io::ErrorKind::PermissionDenied => text!("os-denied"),
        io::ErrorKind::NotFound => text!("os-not-found"),
        io::ErrorKind::AlreadyExists => text!("os-exists"),
        io::ErrorKind::NotADirectory => text!("os-not-a-folder"),
        io::ErrorKind::IsADirectory => text!("os-is-a-folder"),
        io::ErrorKind::FileTooLarge => text!("os-too-large"),
        _ => {
            let words = error.to_string();
            let words = words.split(" (os error").next().unwrap_or_default();
            text!("os-other", words = words)
        }
    }
}

/// A moment by the calendar and clock of this machine, by which people plan.
fn local(time: jiff::Timestamp) -> jiff::ZonedDateTime {
    let zone = if cfg!(test) {
        jiff::tz::TimeZone::UTC
    } else {
        jiff::tz::TimeZone::system()
    };
    time.to_zoned_datetime(zone)
}

/// The last second of a day here.
pub fn end_of_day(day: jiff::civil::Date) -> Option<jiff::Timestamp> {
    let zone = jiff::tz::TimeZone::system();
    zone.to_timestamp(day.at(23, 59, 59, 0)).ok()
}

/// Stands for an end that cannot be read: a second before the last moment, which is that of what ends
/// never.
pub const UNREAD_END: jiff::Timestamp = jiff::Timestamp::constant(253_402_207_199, 0);

/// Stands for a beginning that cannot be read, and so has always been: in a year that every program
/// knows.
pub const UNREAD_BEGIN: jiff::Timestamp = jiff::Timestamp::constant(-62_135_596_800, 0);

/// The day of a moment here.
pub fn local_day(time: jiff::Timestamp) -> jiff::civil::Date {
    // What ends never, or later than can be said (RFC 5280 section 4.1.2.5).
    if time == jiff::Timestamp::MAX {
        return jiff::civil::Date::MAX;
    }
    local(time).date()
}

/// A day, as people read it: `2026-11-28`; `?` for one that could not be read.
pub fn day(time: jiff::Timestamp) -> String {
    if time == UNREAD_END || time == UNREAD_BEGIN {
        return "?".to_owned();
    }
    local_day(time).to_string()
}

/// How long ago something was, for a text that chooses its words by it: whole days, or `ahead` where
/// the clock here has not come that far yet, by which nothing can be told.
pub fn age(time: jiff::Timestamp, now: jiff::Timestamp) -> Arg {
    let passed = now.duration_since(time);
    match u64::try_from(passed.as_hours() / 24) {
        Ok(days) if passed > -CLOCKS_APART => Arg::Number(days),
        _ => Arg::Words("ahead".to_owned()),
    }
}

/// A number of bytes for people: `640 kB`, `12.3 MB`, `14.2 GB`.
pub fn size(bytes: u64) -> String {
    match bytes {
        0..1_000_000 => format!("{} kB", bytes.div_ceil(1000)),
        1_000_000..1_000_000_000 => format!("{}.{} MB", bytes / 1_000_000, bytes / 100_000 % 10),
        _ => format!("{}.{} GB", bytes / 1_000_000_000, bytes / 100_000_000 % 10),
    }
}

/// A thumbprint short enough for a table: `3F2A…91`.
pub fn short(thumbprint: &str) -> String {
    format!(
        "{}…{}",
        thumbprint.get(..4).unwrap_or(thumbprint),
        thumbprint.get(38..).unwrap_or_default()
    )
}

/// A moment, as people read it: `2026-11-28 09:30 JST`.
pub fn moment(time: jiff::Timestamp) -> String {
    local(time).strftime("%Y-%m-%d %H:%M %Z").to_string()
}
