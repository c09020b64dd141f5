//! The times of a certificate (RFC 5280 section 4.1.2.5), also in the forms that BER allows and that
//! old tools write: without seconds, with fractions, with an offset, with four digits of the year
//! where two are due.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use pfx::ber::{Element, Reader};

/// Tags of UTCTime and GeneralizedTime.
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
/// Two digits of a year from here on are of the century before (RFC 5280 section 4.1.2.5.1).
const FIRST_OF_1900: i16 = 50;

/// A Validity: from when to when. A time that cannot be read is `None`.
pub(super) fn validity(mut times: Reader<'_>) -> [Option<Timestamp>; 2] {
    [(); 2].map(|()| time(times.next().ok()?))
}

/// Two times that `octets` begin with.
pub(super) fn two_times(octets: &[u8]) -> Option<[Timestamp; 2]> {
    let mut times = Reader::new(octets);
    let mut next = || {
        let utc = times.optional(UTC_TIME).ok()?;
        let element = utc.or(times.optional(GENERALIZED_TIME).ok()?);
        time(element?)
    };
    Some([next()?, next()?])
}

/// A UTCTime or GeneralizedTime (X.680 sections 46 and 47).
pub(super) fn time(element: Element<'_>) -> Option<Timestamp> {
    if !matches!(element.tag, UTC_TIME | GENERALIZED_TIME) {
        return None;
    }
    let text = str::from_utf8(element.body).ok()?.trim_matches(['\0', ' ']);
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (digits, rest) = text.split_at(digits);
    let is_short = element.tag == UTC_TIME && digits.len() <= 12;
    let local = date_time(digits, is_short)?;
    clamped(local, offset(rest)?)
}

fn date_time(digits: &str, is_short: bool) -> Option<DateTime> {
    let (year, rest) = digits.split_at_checked(if is_short { 2 } else { 4 })?;
    let year = match year.parse::<i16>().ok()? {
        year if !is_short => year,
        year if year >= FIRST_OF_1900 => 1900 + year,
        year => 2000 + year,
    };
    let mut pairs = [0_i8; 5];
    if !matches!(rest.len(), 6 | 8 | 10) {
        return None;
    }
    for (at, pair) in pairs.iter_mut().enumerate().take(rest.len() / 2) {
        *pair = rest[2 * at..2 * at + 2].parse().ok()?;
    }
    let [month, day, hour, minute, second] = pairs;
    // A second 60 is a leap second.
    DateTime::new(year, month, day, hour, minute, second.min(59), 0).ok()
}

/// What follows the digits: a fraction, which counts for nothing, then `Z`, an offset, or nothing,
/// which is taken for `Z`.
fn offset(rest: &str) -> Option<SignedDuration> {
    let zone = rest.trim_start_matches(|c: char| c.is_ascii_digit() || matches!(c, '.' | ','));
    let (sign, digits) = match zone.split_at_checked(1) {
        None | Some(("Z" | "z", "")) => return Some(SignedDuration::ZERO),
        Some(("+", digits)) => (1, digits),
        Some(("-", digits)) => (-1, digits),
        Some(_) => return None,
    };
    let (hours, minutes) = digits.split_at_checked(2)?;
    let hours: i64 = hours.parse().ok()?;
    let minutes: i64 = match minutes {
        "" => 0,
        minutes => minutes.parse().ok()?,
    };
    let is_possible = (0..24).contains(&hours) && (0..60).contains(&minutes);
    is_possible.then(|| SignedDuration::from_mins(sign * (60 * hours + minutes)))
}

/// `99991231235959Z`, which says "never" (RFC 5280 section 4.1.2.5), lies beyond what a timestamp
/// holds.
fn clamped(local: DateTime, offset: SignedDuration) -> Option<Timestamp> {
    match TimeZone::UTC.to_timestamp(local) {
        Ok(time) => time.saturating_sub(offset).ok(),
        Err(_) => Some(Timestamp::MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(tag: u8, text: &str) -> Option<String> {
        let encoded = [&[tag, u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
        let element = Reader::new(&encoded).next().unwrap();
        time(element).map(|time| time.to_string())
    }

    #[test]
    fn every_form_of_a_time_is_read() {
        for (tag, text, expected) in [
            (UTC_TIME, "260131235958Z", "2026-01-31T23:59:58Z"),
            (UTC_TIME, "491231000000Z", "2049-12-31T00:00:00Z"),
            (UTC_TIME, "500101000000Z", "1950-01-01T00:00:00Z"),
            (UTC_TIME, "691231235959Z", "1969-12-31T23:59:59Z"),
            (UTC_TIME, "2601312359Z", "2026-01-31T23:59:00Z"),
            (UTC_TIME, "2601312359+0900", "2026-01-31T14:59:00Z"),
            (UTC_TIME, "260131235958-0130", "2026-02-01T01:29:58Z"),
            (UTC_TIME, "260131235958", "2026-01-31T23:59:58Z"),
            (UTC_TIME, "20260131235958Z", "2026-01-31T23:59:58Z"),
            (GENERALIZED_TIME, "20260131235958Z", "2026-01-31T23:59:58Z"),
            (
                GENERALIZED_TIME,
                "20260131235958.123Z",
                "2026-01-31T23:59:58Z",
            ),
            (
                GENERALIZED_TIME,
                "20260131235958,5+01",
                "2026-01-31T22:59:58Z",
            ),
            (GENERALIZED_TIME, "2026013123", "2026-01-31T23:00:00Z"),
            (GENERALIZED_TIME, "202601312359Z", "2026-01-31T23:59:00Z"),
            (GENERALIZED_TIME, "19000101000000Z", "1900-01-01T00:00:00Z"),
            (GENERALIZED_TIME, "00000101000000Z", "0000-01-01T00:00:00Z"),
            (GENERALIZED_TIME, "20161231235960Z", "2016-12-31T23:59:59Z"),
        ] {
            assert_eq!(read(tag, text).as_deref(), Some(expected), "{text}");
        }
        let never = read(GENERALIZED_TIME, "99991231235959Z");
        assert_eq!(never, Some(Timestamp::MAX.to_string()));
    }

    #[test]
    fn what_is_no_time_is_none() {
        for text in [
            "",
            "Z",
            "26",
            "261331000000Z",
            "260230000000Z",
            "260131250000Z",
            "260131235958X",
            "260131235958+",
            "260131235958+99",
            "26013123595Z",
            "999999999999999999999Z",
            "日本",
        ] {
            assert_eq!(read(UTC_TIME, text), None, "{text}");
            assert_eq!(read(GENERALIZED_TIME, text), None, "{text}");
        }
        assert_eq!(read(0x0c, "260131235958Z"), None);
    }
}
