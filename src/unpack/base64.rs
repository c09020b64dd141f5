//! Base64 (RFC 4648 sections 4 and 5) as it is found in texts: in lines of any length, in one, indented,
//! quoted, with or without its padding.

use data_encoding::BASE64_NOPAD;
use zeroize::Zeroizing;

/// Signs between two digits that are passed over, blanks and line ends aside.
const MOST_BETWEEN: usize = 8;
/// Digits for addresses that are no words: a key has more, all in one line.
const SHORTEST_URL: usize = 64;
/// How base64 of PEM begins, where its first dash is the first, second or third octet of three. The
/// last two have lost two dashes.
const ENCODED_PEM: [&[u8]; 3] = [b"LS0tLS1CRUdJTi", b"LS0tQkVHSU4g", b"LS0tLUJFR0lO"];

/// Whether a byte is one of the 64 digits.
pub(crate) fn is_digit(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/')
}

/// Everything that decodes: lines with a colon are headers, what is no base64 is left out.
pub(crate) fn decode(text: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut digits = Zeroizing::new(Vec::with_capacity(text.len()));
    for line in text.split(|byte| *byte == b'\n') {
        if !line.contains(&b':') {
            digits.extend(line.iter().filter(|byte| is_digit(**byte)));
        }
    }
    decode_digits(&digits)
}

/// Digits and nothing else. One that is left over at the end is no octet.
fn decode_digits(digits: &[u8]) -> Zeroizing<Vec<u8>> {
    let (whole, tail) = digits.split_at(digits.len() / 4 * 4);
    let mut decoded = Zeroizing::new(vec![0; whole.len() / 4 * 3 + 3]);
    let end = whole.len() / 4 * 3;
    let mut filled = BASE64_NOPAD
        .decode_mut(whole, &mut decoded[..end])
        .unwrap_or(0);
    if tail.len() > 1 {
        let mut last = Zeroizing::new(*b"AAAA");
        last[..tail.len()].copy_from_slice(tail);
        let mut octets = Zeroizing::new([0; 3]);
        // Four digits are always three octets.
        let _ = BASE64_NOPAD.decode_mut(&last[..], &mut octets[..]);
        decoded[filled..filled + tail.len() - 1].copy_from_slice(&octets[..tail.len() - 1]);
        filled += tail.len() - 1;
    }
    decoded.truncate(filled);
    decoded
}

/// What was read out of a text.
pub(crate) struct Decoded {
    pub(crate) bytes: Zeroizing<Vec<u8>>,
    /// Where in the text it ends.
    pub(crate) end: usize,
}

/// The octets from a place in a text on, at most so many. Base64 ends at its padding, at the dashes
/// of PEM, at an empty line unless `over_gaps`, and at anything else that does not stand between
/// two lines of it.
pub(crate) fn octets_at(text: &[u8], start: usize, most: usize, over_gaps: bool) -> Decoded {
    let most = most.div_ceil(3).saturating_mul(4);
    let mut digits = Zeroizing::new(Vec::with_capacity(most.min(text.len() - start)));
    let (mut at, mut end) = (start, start);
    let (mut between, mut line_ends) = (0, 0);
    let is_url = is_url(&text[start..], most);
    while digits.len() < most && at < text.len() {
        match text[at] {
            sign @ (b'-' | b'_') if is_url => {
                digits.push(if sign == b'-' { b'+' } else { b'/' });
                (between, line_ends, end) = (0, 0, at + 1);
            }
            byte if is_digit(byte) => {
                digits.push(byte);
                (between, line_ends, end) = (0, 0, at + 1);
            }
            b'\n' if line_ends > 0 && !over_gaps => break,
            b'\n' => line_ends += 1,
            byte if byte.is_ascii_whitespace() => {}
            b'=' => break,
            b'-' if text.get(at + 1) == Some(&b'-') => break,
            _ if between == MOST_BETWEEN => break,
            _ => between += 1,
        }
        at += 1;
    }
    Decoded {
        bytes: decode_digits(&digits),
        end,
    }
}

/// Whether digits for addresses begin here (section 5), so many of them or a long line: with their two
/// signs, and without those of others.
fn is_url(text: &[u8], most: usize) -> bool {
    let window = &text[..text.len().min(most)];
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let end = window.iter().position(|byte| !is_part(byte));
    let run = &window[..end.unwrap_or(window.len())];
    run.len() >= most.min(SHORTEST_URL) && memchr::memchr2(b'-', b'_', run).is_some()
}

/// The text of PEM that is encoded once more from here on.
pub(crate) fn pem_at(text: &[u8], start: usize) -> Option<Decoded> {
    let rest = &text[start..];
    if !begins_pem(rest) {
        return None;
    }
    let is_part =
        |byte: &u8| is_digit(*byte) || byte.is_ascii_whitespace() || br#">|"'\"#.contains(byte);
    let length = rest.iter().take_while(|byte| is_part(byte)).count();
    let mut digits = Zeroizing::new(Vec::with_capacity(length));
    digits.extend(rest[..length].iter().filter(|byte| is_digit(**byte)));
    let mut bytes = Zeroizing::new(Vec::with_capacity(digits.len()));
    bytes.extend_from_slice(b"--");
    bytes.extend_from_slice(&decode_digits(&digits));
    Some(Decoded {
        bytes,
        end: start + length,
    })
}

/// Whether base64 of PEM begins somewhere in a text.
pub(crate) fn has_pem(text: &[u8]) -> bool {
    memchr::memchr_iter(b'L', text).any(|at| begins_pem(&text[at..]))
}

fn begins_pem(text: &[u8]) -> bool {
    text[0] == b'L' && ENCODED_PEM.iter().any(|begin| text.starts_with(begin))
}

#[cfg(test)]
mod tests {
    use super::*;
    use data_encoding::BASE64;

    #[test]
    fn octets_are_read_out_of_lines_however_they_are_quoted_and_no_further() {
        let octets: Vec<u8> = (0..100).collect();
        let lines = BASE64.encode(&octets);
        let lines: Vec<&str> = [&lines[..60], &lines[60..]].into();
        for between in [
            "",
            "\n",
            "\r\n",
            " ",
            "\n> ",
            "\n>> | ",
            "\",\n        \"",
            "\\\n",
        ] {
            let text = format!("x: {} words", lines.join(between));
            let read = octets_at(text.as_bytes(), 3, 100, false);
            assert_eq!(read.bytes[..100], octets, "{between:?}");
        }
        let gap = lines.join("\n\n");
        assert_eq!(octets_at(gap.as_bytes(), 0, 100, false).bytes.len(), 45);
        assert_eq!(octets_at(gap.as_bytes(), 0, 100, true).bytes[..100], octets);
        assert_eq!(octets_at(b"AAAA--AAAA", 0, 100, true).bytes.len(), 3);
        let url = data_encoding::BASE64URL_NOPAD.encode(&[0xfb, 0xff].repeat(50));
        assert!(url.contains('-') && url.contains('_'));
        let read = octets_at(url.as_bytes(), 0, 100, false).bytes;
        assert_eq!(read[..], [0xfb, 0xff].repeat(50));
    }

    #[test]
    fn pem_that_is_encoded_again_is_seen_wherever_it_begins() {
        let pem = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
        for before in ["", "K", "KE", "KEY=", "a longer text\n"] {
            let text = BASE64.encode(format!("{before}{pem}").as_bytes());
            assert!(has_pem(text.as_bytes()), "{before}");
            let at = (0..text.len()).find_map(|at| pem_at(text.as_bytes(), at));
            let read = at.unwrap().bytes;
            let shown = String::from_utf8_lossy(&read).into_owned();
            assert!(
                shown.contains("-----BEGIN PRIVATE KEY-----\nAAAA"),
                "{shown}"
            );
        }
    }
}
