//! Base64 between what programs write around each of its lines: the `+` of a patch, the sign of a
//! comment, a number, a time, the name of a file, and the quotes and `\n" +` of source code.

use zeroize::Zeroizing;

use super::base64;
use super::kind;

/// Longest decoration before a line.
const LONGEST: usize = 200;
/// Digits of a line that goes on in the next.
const SHORTEST_LINE: usize = 16;

/// What stands before a place on its line; nothing where that is too long for a decoration.
pub(crate) fn before(text: &[u8], at: usize) -> &[u8] {
    let window = &text[at.saturating_sub(LONGEST)..at];
    match memchr::memrchr(b'\n', window) {
        Some(end) => &window[end + 1..],
        None if window.len() == at => window,
        None => &[],
    }
}

/// The element (DER) whose base64 is in these lines, decorated as what stands before the first: the
/// runs of digits that are as long as the longest, and the one behind them that completes it. Of one
/// that is cut off, as much as there is.
pub(crate) fn element(prefix: &[u8], lines: &[u8]) -> Zeroizing<Vec<u8>> {
    let lines = lines.split(|byte| *byte == b'\n');
    let plain = lines.map(|line| undecorated(prefix, line).unwrap_or(line));
    let runs = plain.flat_map(|line| line.split(|byte| !base64::is_digit(*byte)));
    let runs: Vec<&[u8]> = runs.filter(|run| !run.is_empty()).collect();
    let longest = runs.iter().map(|run| run.len()).max().unwrap_or(0);
    if longest < SHORTEST_LINE {
        return Zeroizing::default();
    }
    let is_full = |run: &&[u8]| run.len() == longest;
    let behind = runs.iter().rposition(is_full).map_or(0, |at| at + 1);
    let count = runs.iter().copied().filter(is_full).count();
    let mut digits = Zeroizing::new(Vec::with_capacity((count + 1) * longest));
    for run in runs.iter().copied().filter(is_full) {
        digits.extend_from_slice(run);
    }
    let octets = base64::decode(&digits);
    let length = kind::length(&octets).unwrap_or(0);
    let missing = (length * 4).div_ceil(3).saturating_sub(digits.len());
    match runs[behind..].iter().find(|run| run.len() == missing) {
        Some(last) => digits.extend_from_slice(last),
        None => return octets,
    }
    base64::decode(&digits)
}

/// A line without its decoration, which is that of another but for its numbers and the width of its
/// blanks.
fn undecorated<'a>(prefix: &[u8], line: &'a [u8]) -> Option<&'a [u8]> {
    // Digits of the decoration and of base64 cannot be told apart.
    if prefix.last().is_some_and(u8::is_ascii_digit) {
        return None;
    }
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let (mut prefix, mut rest) = (prefix, line);
    while let Some(first) = prefix.first() {
        if first.is_ascii_digit() {
            let shorter = past(rest, u8::is_ascii_digit);
            if shorter.len() == rest.len() {
                return None;
            }
            (prefix, rest) = (past(prefix, u8::is_ascii_digit), shorter);
        } else if is_blank(first) {
            (prefix, rest) = (past(prefix, is_blank), past(rest, is_blank));
        } else {
            (prefix, rest) = (&prefix[1..], rest.strip_prefix(&[*first])?);
        }
    }
    Some(rest)
}

/// What follows the first octets of a kind.
fn past(text: &[u8], is_of_it: impl Fn(&u8) -> bool) -> &[u8] {
    let end = text.iter().position(|byte| !is_of_it(byte));
    &text[end.unwrap_or(text.len())..]
}

#[cfg(test)]
mod tests {
    use super::*;
    use data_encoding::BASE64;

    #[test]
    fn an_element_is_read_whatever_stands_around_its_lines() {
        let inside: Vec<u8> = (0..=199).collect();
        for cut in 0..3 {
            let element = [&[0x30, 0x81, 200 - cut][..], &inside[usize::from(cut)..]].concat();
            let base64 = BASE64.encode(&element);
            let lines: Vec<&str> = base64
                .as_bytes()
                .chunks(64)
                .map(|line| std::str::from_utf8(line).unwrap())
                .collect();
            for (first, decorate) in [
                ("+", "+{}"),
                ("//", "//{}"),
                (" * ", " * {}"),
                (
                    "2026-01-01 10:00:00 host app[7]: ",
                    "2026-01-01 10:00:0N host app[7]: {}",
                ),
                ("     9\t", "    1N\t{}"),
                ("a/b.key:9:", "a/b.key:1N:{}"),
                ("String k = \"", "\"{}\n\" +"),
                ("\"", "\"{}\" & vbCrLf & _"),
            ] {
                let line = |(at, line): (usize, &&str)| {
                    decorate.replace('N', &at.to_string()).replace("{}", line) + "\n"
                };
                let text: String = lines.iter().enumerate().map(line).collect();
                let read = super::element(first.as_bytes(), text.as_bytes());
                assert_eq!(*read, element, "{text}");
            }
        }
    }

    #[test]
    fn what_stands_before_a_place_is_of_its_line_and_no_longer_than_a_decoration() {
        assert_eq!(before(b"a\n+x", 3), b"+");
        assert_eq!(before(b"+x", 1), b"+");
        assert_eq!(before(b"a\nx", 2), b"");
        assert_eq!(before(&[b'+'; 300], 250), b"");
    }

    #[test]
    fn lines_without_base64_and_lines_that_are_cut_off_are_read_as_far_as_they_are() {
        assert!(element(b"", b"").is_empty());
        assert!(element(b"+", b"+\n+a\n").is_empty());
        let line = BASE64.encode(&[&[0x30, 0x81, 0xc8][..], &[7; 45]].concat());
        assert_eq!(element(b"+", format!("+{line}\n").as_bytes()).len(), 48);
    }
}
