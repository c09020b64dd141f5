//! Octets that a text carries as base64 without a label, in hexadecimal or as numbers: what a program
//! writes that stores a file as a value. Each sign is read once.

use zeroize::Zeroizing;

use super::base64;
use super::text::hex;

/// Fewer octets hold no key. An Ed25519 key in PKCS#8 has 48.
const SHORTEST: usize = 40;
/// Digits of the longest octet: `0x30`.
const LONGEST_OCTET: usize = 4;
/// Longest line of base64 that goes on in the next (RFC 2045 section 6.8 has 76); a longer one is whole.
const LONGEST_LINE: usize = 80;

/// How octets are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Writing {
    /// RFC 4648 section 4.
    Base64,
    /// Octet by octet: in hexadecimal, or as numbers.
    Octets,
}

/// Calls `take` with the octets of every run in a text, until it has had enough and returns `true`;
/// returns whether it had.
pub(crate) fn runs(text: &[u8], mut take: impl FnMut(Writing, &[u8]) -> bool) -> bool {
    let mut at = 0;
    while at < text.len() {
        if !base64::is_digit(text[at]) {
            at += 1;
            continue;
        }
        let line = line_length(&text[at..]);
        let (found, length) = match line {
            ..=LONGEST_OCTET => list(&text[at..]),
            _ if line * 3 / 4 >= SHORTEST => run(&text[at..], line),
            _ => (Vec::new(), line),
        };
        at += length;
        if found.iter().any(|(writing, octets)| take(*writing, octets)) {
            return true;
        }
    }
    false
}

/// Digits of base64 that follow one another without a gap.
fn line_length(text: &[u8]) -> usize {
    text.iter()
        .take_while(|byte| base64::is_digit(**byte))
        .count()
}

type Found = Vec<(Writing, Zeroizing<Vec<u8>>)>;

/// What one or several lines of digits are, and their length: lines of one length belong together,
/// and the first shorter one.
fn run(text: &[u8], line: usize) -> (Found, usize) {
    let mut end = line;
    if line > LONGEST_LINE {
        return (vec![decode(&text[..end])], end);
    }
    loop {
        let gap = line_end(&text[end..]);
        let next = line_length(&text[end + gap..]);
        if gap == 0 || next == 0 || next > line {
            break;
        }
        end += gap + next;
        if next < line {
            break;
        }
    }
    (vec![decode(&text[..end])], end)
}

/// One run of digits, in one or several lines.
fn decode(text: &[u8]) -> (Writing, Zeroizing<Vec<u8>>) {
    let mut digits = Zeroizing::new(Vec::with_capacity(text.len()));
    digits.extend(text.iter().filter(|byte| base64::is_digit(**byte)));
    let hex = without_prefix(&digits);
    match hex.iter().all(u8::is_ascii_hexdigit) {
        true => (Writing::Octets, of_hex(hex)),
        false => (Writing::Base64, base64::decode(&digits)),
    }
}

/// Octets of a line end with the blanks and marks of quoting behind it.
fn line_end(text: &[u8]) -> usize {
    let is_between = |byte: &&u8| byte.is_ascii_whitespace() || matches!(byte, b'>' | b'|' | b'\\');
    let length = text.iter().take_while(is_between).count();
    match memchr::memchr_iter(b'\n', &text[..length]).count() {
        1 => length,
        _ => 0,
    }
}

fn of_hex(digits: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut octets = Zeroizing::new(Vec::with_capacity(digits.len() / 2));
    octets.extend(digits.chunks_exact(2).filter_map(hex));
    octets
}

/// A list of octets, one by one: `30 82 01`, `30:82:01`, `0x30, 0x82`, `\x30\x82`, `48, 130`; as
/// hexadecimal and as numbers where it may be both, and its length.
fn list(text: &[u8]) -> (Found, usize) {
    let mut by_hex = Zeroizing::new(Vec::new());
    let mut by_number = Zeroizing::new(Vec::new());
    let (mut at, mut end, mut count) = (0, 0, 0);
    while at < text.len() {
        let word = word(&text[at..]);
        let digits = without_prefix(&text[at..at + word]);
        let (octet, number) = (hex(digits), number(digits));
        if octet.is_none() && number.is_none() {
            break;
        }
        by_hex.extend(octet);
        by_number.extend(number);
        (count, end) = (count + 1, at + word);
        at = end + gap(&text[end..]);
        if at == end {
            break;
        }
    }
    let both = [by_hex, by_number];
    let is_whole = |octets: &Zeroizing<Vec<u8>>| count >= SHORTEST && octets.len() == count;
    let whole = both.into_iter().filter(is_whole);
    let found = whole.map(|octets| (Writing::Octets, octets)).collect();
    (found, end.max(1))
}

/// Letters and digits of a word.
fn word(text: &[u8]) -> usize {
    text.iter()
        .take_while(|byte| byte.is_ascii_alphanumeric())
        .count()
}

fn without_prefix(word: &[u8]) -> &[u8] {
    let rest = word
        .strip_prefix(b"0x")
        .or_else(|| word.strip_prefix(b"0X"));
    rest.or_else(|| word.strip_prefix(b"x")).unwrap_or(word)
}

/// An octet as a number of at most three digits.
fn number(digits: &[u8]) -> Option<u8> {
    let text = std::str::from_utf8(digits).ok()?;
    let is_number = text.len() <= 3 && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok()).flatten()
}

/// Signs between two octets of a list.
fn gap(text: &[u8]) -> usize {
    let is_between = |byte: &&u8| {
        byte.is_ascii_whitespace() || matches!(byte, b',' | b':' | b'-' | b'\\' | b';')
    };
    text.iter().take_while(is_between).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use data_encoding::{BASE64, HEXLOWER, HEXUPPER};

    fn all(text: &str) -> Vec<Vec<u8>> {
        let mut all = Vec::new();
        assert!(!runs(text.as_bytes(), |_, octets| {
            all.push(octets.to_vec());
            false
        }));
        all
    }

    #[test]
    fn octets_are_found_in_every_way_in_which_programs_write_them() {
        let octets: Vec<u8> = (0..=255).collect();
        let join = |write: &dyn Fn(&u8) -> String, between: &str| {
            octets.iter().map(write).collect::<Vec<_>>().join(between)
        };
        let base64 = BASE64.encode(&octets);
        let lines: Vec<&str> = base64
            .as_bytes()
            .chunks(76)
            .map(|line| std::str::from_utf8(line).unwrap())
            .collect();
        for text in [
            base64.clone(),
            lines.join("\n"),
            lines.join("\n> "),
            lines.join("\r\n    "),
            HEXLOWER.encode(&octets),
            format!("0x{}", HEXUPPER.encode(&octets)),
            format!("\\x{}", HEXLOWER.encode(&octets)),
            join(&|byte| format!("{byte:02x}"), " "),
            join(&|byte| format!("{byte:02X}"), ":"),
            join(&|byte| format!("{byte:02x}"), ",\\\r\n  "),
            join(&|byte| format!("0x{byte:02x}"), ", "),
            join(&|byte| format!("\\x{byte:02x}"), ""),
            join(&u8::to_string, ", "),
            join(&u8::to_string, ",\n    "),
        ] {
            let found = all(&format!("{{\"data\": [\"{text}\"], \"end\": 7}}"));
            assert!(found.contains(&octets), "{text}: {found:?}");
        }
    }

    #[test]
    fn words_and_short_lists_are_no_octets() {
        assert_eq!(
            all("the quick brown fox 10 20 30 40 aa bb cc"),
            Vec::<Vec<u8>>::new()
        );
    }

    #[test]
    fn a_text_made_to_be_slow_is_read_in_one_pass() {
        for piece in [
            "A",
            "A\n",
            "00 ",
            &format!("{}x ", "00 ".repeat(39)),
            "0,",
            "AAAA\n",
            &"A".repeat(76),
            &format!("{}\n", "A".repeat(80)),
            "\n\n",
        ] {
            let mut read = 0;
            runs(
                piece.repeat((1 << 20) / piece.len()).as_bytes(),
                |_, octets| {
                    read += octets.len();
                    false
                },
            );
            assert!(read <= 2 << 20, "{piece}");
        }
    }
}
