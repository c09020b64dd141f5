//! Antivirus programs and indexers hold a new file for a moment: what they refuse then is tried
//! again.

use std::io;
use std::thread;
use std::time::Duration;

/// How often something is tried.
const TRIES: u32 = 5;
/// The first wait; each is twice as long as the one before, together under a second.
const PAUSE: Duration = Duration::from_millis(50);

/// Tries again while another program has the file in hand.
///
/// # Errors
/// What the system said last.
pub fn patiently<T>(run: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    try_again(run, is_momentary)
}

fn try_again<T>(
    mut run: impl FnMut() -> io::Result<T>,
    is_momentary: fn(&io::Error) -> bool,
) -> io::Result<T> {
    for attempt in 0..TRIES - 1 {
        match run() {
            Err(error) if is_momentary(&error) => thread::sleep(PAUSE * 2_u32.pow(attempt)),
            done => return done,
        }
    }
    run()
}

/// `ERROR_ACCESS_DENIED`, `ERROR_SHARING_VIOLATION`, `ERROR_LOCK_VIOLATION`.
fn is_momentary(error: &io::Error) -> bool {
    cfg!(windows) && [5, 32, 33].map(Some).contains(&error.raw_os_error())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_refused_for_a_moment_is_tried_five_times_and_anything_else_once() {
        let after = |refusals: u32, code: i32| {
            let mut tried = 0;
            let result = try_again(
                || {
                    tried += 1;
                    match tried <= refusals {
                        true => Err(io::Error::from_raw_os_error(code)),
                        false => Ok(()),
                    }
                },
                |error| error.raw_os_error() == Some(32),
            );
            (result.is_ok(), tried)
        };
        assert_eq!(after(0, 32), (true, 1));
        assert_eq!(after(4, 32), (true, 5));
        assert_eq!(after(5, 32), (false, 5));
        assert_eq!(after(1, 17), (false, 1));
    }
}
