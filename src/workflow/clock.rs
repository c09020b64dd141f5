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

/// Whether what was written at `time` says so by a clock that was wrong then: it lies ahead of now, or
/// before what had been written `before` it.
pub fn was_wrong(time: Timestamp, before: Option<Timestamp>, now: Timestamp) -> bool {
    let is_after = |one: Timestamp, other| one.duration_since(other) > CLOCKS_APART;
    let is_before_its_own = |before: Timestamp| !is_after(before, now) && is_after(before, time);
    is_after(time, now) || before.is_some_and(is_before_its_own)
}

/// The time, where nothing speaks against the clock.
pub fn trusted(now: Timestamp, state: &State) -> Option<Timestamp> {
    let newest = state.generations().next().map(|newest| newest.time);
    doubt(now, newest).is_none().then_some(now)
}

/// As [`doubt`], as a finding.
pub fn finding(now: Timestamp, newest: Option<Timestamp>) -> Option<Finding> {
    let text = doubt(now, newest)?;
    Some(Finding::new("clock", Level::Attention, text))
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

    #[test]
    fn what_was_written_by_a_wrong_clock_is_told_by_what_lies_around_it() {
        let time = |text: &str| text.parse::<Timestamp>().unwrap();
        let now = time("2026-11-28T00:00:00Z");
        let written = [
            "2026-01-01",
            "1980-01-01",
            "2026-02-01",
            "2046-01-01",
            "2026-03-01",
        ];
        let written = written.map(|day| time(&format!("{day}T00:00:00Z")));
        let mut wrong = Vec::new();
        for (at, one) in written.iter().enumerate() {
            let before = at.checked_sub(1).map(|at| written[at]);
            wrong.push(was_wrong(*one, before, now));
        }
        assert_eq!(wrong, [false, true, false, true, false]);
    }
}
