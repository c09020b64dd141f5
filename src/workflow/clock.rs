//! A clock that cannot be right: ages and ends that are told by it mean nothing.

use jiff::{SignedDuration, Timestamp};

use crate::message::{CLOCKS_APART, Text, day, moment};
use crate::state::State;
use crate::text;
use crate::workflow::finding::{Finding, Level};

/// Before this moment there was no such program, in seconds since 1970: `SOURCE_DATE_EPOCH` when it
/// was built.
const RELEASED: &str = env!("PFXVAULT_RELEASED");
/// Longest time without a release or a backup that is believed.
const LONGEST_USE: SignedDuration = SignedDuration::from_hours(15 * 365 * 24);

/// Why the clock of this machine cannot be right: it is behind the newest backup known, behind this
/// program's release, or many years past both. `None` where nothing speaks against it.
pub fn doubt(now: Timestamp, newest: Option<Timestamp>) -> Option<Text> {
    let released = RELEASED.parse().ok();
    let released = released.and_then(|seconds| Timestamp::from_second(seconds).ok());
    doubt_by(now, newest, released.unwrap_or(Timestamp::UNIX_EPOCH))
}

fn doubt_by(now: Timestamp, newest: Option<Timestamp>, released: Timestamp) -> Option<Text> {
    let clock = moment(now);
    match newest {
        Some(newest) if newest.duration_since(now) > CLOCKS_APART => {
            let backup = moment(newest);
            Some(text!("clock-behind-backup", clock = clock, backup = backup))
        }
        _ if now < released => Some(text!(
            "clock-behind-release",
            clock = clock,
            released = day(released)
        )),
        newest => {
            let last = newest.unwrap_or(released).max(released);
            let is_far = now.duration_since(last) > LONGEST_USE;
            is_far.then(|| text!("clock-ahead", clock = clock, last = day(last)))
        }
    }
}

/// The time, where nothing speaks against the clock.
pub fn trusted(now: Timestamp, state: &State) -> Option<Timestamp> {
    let newest = state.generations().next().map(|newest| newest.time);
    doubt(now, newest).is_none().then_some(now)
}

/// As [`doubt`], as a finding.
pub fn finding(now: Timestamp, newest: Option<Timestamp>) -> Option<Finding> {
    let text = doubt(now, newest)?;
    Some(Finding {
        id: "clock",
        level: Level::Attention,
        text,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_cannot_be_right_is_doubted() {
        let at = |time: &str| time.parse::<Timestamp>().unwrap();
        let released = at("2026-11-28T00:00:00Z");
        for (now, newest, doubted) in [
            ("1980-01-01T00:00:00Z", None, Some("clock-behind-release")),
            ("2026-11-27T23:59:59Z", None, Some("clock-behind-release")),
            ("2026-11-28T00:00:00Z", None, None),
            ("2031-01-01T00:00:00Z", Some("2029-01-01T00:00:00Z"), None),
            // The clock of the server that wrote it may be a little ahead.
            ("2031-01-01T00:00:00Z", Some("2031-01-01T00:59:00Z"), None),
            (
                "2031-01-01T00:00:00Z",
                Some("2031-01-01T01:01:00Z"),
                Some("clock-behind-backup"),
            ),
            (
                "1980-01-01T00:00:00Z",
                Some("2026-12-01T00:00:00Z"),
                Some("clock-behind-backup"),
            ),
            ("2046-11-28T00:00:00Z", None, Some("clock-ahead")),
            ("2046-11-28T00:00:00Z", Some("2040-01-01T00:00:00Z"), None),
        ] {
            let doubt = doubt_by(at(now), newest.map(at), released);
            assert_eq!(doubt.map(|text| text.id), doubted, "{now} {newest:?}");
        }
    }
}
