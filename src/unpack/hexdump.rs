//! Dumps of octets with an offset before each line and perhaps their letters behind it, as xxd, hexdump, od,
//! `certutil -encodehex` and PowerShell's Format-Hex write them.

use zeroize::Zeroizing;

use super::text::hex;

/// How the first offset begins.
const FIRST: &[u8] = b"0000";
/// Digits of an offset.
const LONGEST_OFFSET: usize = 16;
/// Signs of a line, of which no more is looked at.
const LONGEST_TEXT: usize = 1024;
/// Octets of a line.
const LONGEST_LINE: usize = 256;
/// Blanks that stand between two groups at most; more stand before the letters.
const MOST_BLANKS: usize = 2;
/// Fewer octets hold no key.
const SHORTEST: usize = 40;

/// Calls `take` with the octets of every dump in a text, and with each two of them swapped where they stand in
/// words; until it has had enough and returns `true`. Returns whether it had.
pub(crate) fn dumps(text: &[u8], mut take: impl FnMut(&[u8]) -> bool) -> bool {
    let mut at = 0;
    while let Some(found) = memchr::memmem::find(&text[at..], FIRST) {
        let start = line_start(text, at, at + found);
        let mut dump = Dump::default();
        let end = dump.read(&text[start..]) + start;
        at = end.max(at + found + FIRST.len());
        if dump.octets.len() < SHORTEST {
            continue;
        }
        if take(&dump.octets) || (dump.are_words && take(&swapped(&dump.octets))) {
            return true;
        }
    }
    false
}

/// Where the line of a place begins, at most so far back.
fn line_start(text: &[u8], least: usize, at: usize) -> usize {
    let end = memchr::memrchr(b'\n', &text[least..at]);
    end.map_or(least, |end| least + end + 1)
}

/// The first line with its end; `None` where it is longer than those of a dump, or empty.
fn line(text: &[u8]) -> Option<&[u8]> {
    let window = &text[..text.len().min(LONGEST_TEXT)];
    match memchr::memchr(b'\n', window) {
        Some(end) => Some(&window[..=end]),
        None => (!text.is_empty() && window.len() == text.len()).then_some(window),
    }
}

fn swapped(octets: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut swapped = Zeroizing::new(octets.to_vec());
    swapped.chunks_exact_mut(2).for_each(|pair| pair.swap(0, 1));
    swapped
}

#[derive(Default)]
struct Dump {
    octets: Zeroizing<Vec<u8>>,
    /// Octets of each line but the last.
    width: Option<usize>,
    /// Whether they stand in groups of four digits.
    are_words: bool,
}

impl Dump {
    /// Reads the lines that belong together; returns where they end.
    fn read(&mut self, text: &[u8]) -> usize {
        let mut at = 0;
        while let Some(line) = line(&text[at..]) {
            let Some((offset, groups)) = split_offset(line) else {
                break;
            };
            if !self.is_next(offset) {
                break;
            }
            let before = self.octets.len();
            self.take_groups(groups, self.width.unwrap_or(LONGEST_LINE));
            if self.octets.len() == before {
                break;
            }
            at += line.len();
        }
        at
    }

    /// Whether a line of this offset goes on; the second says how long each is: what was read of the first
    /// beyond that were letters.
    fn is_next(&mut self, offset: &[u8]) -> bool {
        let count = self.octets.len();
        let numbers = [16, 8].map(|radix| number(offset, radix));
        if self.width.is_none() && count > 0 {
            let mut widths = numbers.into_iter().flatten();
            self.width = widths.find(|width| (1..=count).contains(width) && *width % 4 == 0);
            self.octets.truncate(self.width.unwrap_or(0));
        }
        numbers.contains(&Some(self.octets.len()))
    }

    fn take_groups(&mut self, groups: &[u8], most: usize) {
        let (mut rest, end) = (groups, self.octets.len() + most);
        loop {
            let blanks = count(rest, |byte| matches!(byte, b' ' | b'-'));
            let digits = count(&rest[blanks..], |byte| byte.is_ascii_hexdigit());
            let group = &rest[blanks..blanks + digits];
            let is_first = rest.len() == groups.len();
            if digits == 0 || digits % 2 == 1 || (blanks > MOST_BLANKS && !is_first) {
                return;
            }
            self.are_words |= digits == 4;
            for pair in group.chunks_exact(2) {
                if self.octets.len() == end {
                    return;
                }
                self.octets.extend(hex(pair));
            }
            rest = &rest[blanks + digits..];
        }
    }
}

fn count(text: &[u8], is_of_it: impl Fn(&u8) -> bool) -> usize {
    text.iter().take_while(|byte| is_of_it(byte)).count()
}

/// The digits of an offset, and what follows it and its colon.
fn split_offset(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let line = line.trim_ascii_start();
    let line = line.strip_prefix(b"0x").unwrap_or(line);
    let window = &line[..line.len().min(LONGEST_OFFSET + 1)];
    let length = count(window, |byte| byte.is_ascii_hexdigit());
    let (offset, rest) = line.split_at(length);
    let rest = rest.strip_prefix(b":").unwrap_or(rest);
    let is_offset = (FIRST.len()..=LONGEST_OFFSET).contains(&length);
    let blank = rest.first().filter(|byte| matches!(byte, b' ' | b'\t'));
    (is_offset && blank.is_some()).then(|| (offset, &rest[1..]))
}

fn number(digits: &[u8], radix: u32) -> Option<usize> {
    usize::from_str_radix(std::str::from_utf8(digits).ok()?, radix).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_only_look_like_a_dump_are_none_and_are_read_in_one_pass() {
        let line = format!("0000{}\n", " 00".repeat(40));
        for text in [
            "0000",
            "0000 ",
            "0000 x",
            "\n0000\n0000 ab",
            "0000: abc",
            "0000 00\n0001 00\n",
            "0000,",
        ] {
            assert!(!dumps(text.as_bytes(), |_| true), "{text}");
            assert!(!dumps(text.repeat(100_000).as_bytes(), |_| false), "{text}");
        }
        let mut read = 0;
        dumps(line.repeat(10_000).as_bytes(), |octets| {
            read += octets.len();
            false
        });
        assert!(read <= line.len() * 10_000);
    }
}
