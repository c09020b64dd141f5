//! How certificates stand today: valid, about to end, ended, or not valid yet, in the words of
//! plans and results.

use jiff::Timestamp;

use crate::keypair::{Certificate, Remaining};
use crate::message::{Text, UNREAD_END, day, short};
use crate::session::Session;
use crate::text;

/// Whether each of them is valid today.
pub fn all_valid(leaves: &[&Certificate], now: Timestamp) -> bool {
    count_valid(leaves, now) == leaves.len()
}

/// How many are valid today.
pub fn count_valid(leaves: &[&Certificate], now: Timestamp) -> usize {
    // An end that cannot be read promises nothing.
    let is_valid = |leaf: &&&Certificate| leaf.is_valid(now) && leaf.not_after() != UNREAD_END;
    leaves.iter().filter(is_valid).count()
}

/// When it ends, as a part of a line.
pub fn end(leaf: &Certificate, now: Timestamp) -> Text {
    let until = day(leaf.not_after());
    match leaf.remaining(now) {
        Remaining::NotYet => text!("end-not-yet-valid", day = day(leaf.not_before())),
        Remaining::Over => text!("end-expired", day = until),
        Remaining::Days(left) => text!("end-soon", left = left, day = until),
        Remaining::Long => text!("end-valid", day = until),
    }
}

/// How long a certificate is valid that is known by its ends; an earlier version kept no beginning.
pub fn remaining(not_before: Option<Timestamp>, not_after: Timestamp, now: Timestamp) -> Remaining {
    match not_before {
        Some(begin) if now < begin => Remaining::NotYet,
        _ => Remaining::until(not_after, now),
    }
}

/// Whether it is valid today; an end that cannot be read promises nothing.
pub fn is_valid(not_before: Option<Timestamp>, not_after: Timestamp, now: Timestamp) -> bool {
    let left = remaining(not_before, not_after, now);
    not_after != UNREAD_END && matches!(left, Remaining::Days(_) | Remaining::Long)
}

/// Its end as a cell, marked where it is not valid today, or soon not any more.
pub fn end_cell(
    session: &Session<'_>,
    not_before: Option<Timestamp>,
    not_after: Timestamp,
) -> String {
    let until = day(not_after);
    let marked = match remaining(not_before, not_after, session.now) {
        Remaining::Over => text!("cell-expired", day = until),
        Remaining::NotYet => text!("cell-not-yet-valid", day = until),
        Remaining::Days(left) => text!("cell-ends-soon", day = until, left = left),
        Remaining::Long => return until,
    };
    session.console.words(&marked)
}

/// How it stands, for programs.
pub fn id(remaining: Remaining) -> &'static str {
    match remaining {
        Remaining::NotYet => "not-yet-valid",
        Remaining::Over => "expired",
        Remaining::Days(_) => "ends-soon",
        Remaining::Long => "valid",
    }
}

/// Says how many are valid today.
pub fn headline(session: &Session<'_>, leaves: &[&Certificate]) {
    headline_of(session, count_valid(leaves, session.now), leaves.len());
}

/// The same of what was counted already.
pub fn headline_of(session: &Session<'_>, valid: usize, total: usize) {
    let line = text!("standing-headline", valid = valid, total = total);
    match valid == total {
        true => session.console.mention(&line),
        false => session.console.say(&line),
    }
}

/// That a certificate is not valid before some day.
pub fn not_yet_valid(leaf: &Certificate) -> Text {
    text!(
        "standing-not-yet-valid",
        name = leaf.display_name(),
        thumbprint = short(&leaf.thumbprint()),
        day = day(leaf.not_before())
    )
}

/// Says which are not valid today, or will soon not be.
pub fn tell(session: &Session<'_>, leaves: &[&Certificate]) {
    for leaf in leaves {
        let (name, thumbprint) = (leaf.display_name(), short(&leaf.thumbprint()));
        let until = day(leaf.not_after());
        match leaf.remaining(session.now) {
            Remaining::NotYet => session.console.warn(&not_yet_valid(leaf)),
            Remaining::Over => {
                session.console.warn(&text!(
                    "standing-expired",
                    name = name,
                    thumbprint = thumbprint,
                    day = until
                ));
            }
            Remaining::Days(left) => {
                let line = text!(
                    "standing-soon",
                    name = name,
                    thumbprint = thumbprint,
                    left = left,
                    day = until
                );
                session.console.mention(&line);
            }
            Remaining::Long => {}
        }
    }
}
