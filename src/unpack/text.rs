//! Texts as they are passed on, made plain: what programs and people do to the line ends and signs
//! of PEM and base64 is undone. None of the signs that are undone stands in base64.

use zeroize::Zeroizing;

use super::base64;

/// Longest tag of HTML, in bytes.
const LONGEST_TAG: usize = 4000;
/// Digits of base64 that are no word.
const SHORTEST_LINE: usize = 64;
/// Digits of a row of octets in hexadecimal that are no base64.
const SHORTEST_ROW: usize = 32;
/// Longest name or number of a character in HTML.
const LONGEST_NAME: usize = 10;
/// Tags within a line. All others end one.
const IN_LINES: [&[u8]; 11] = [
    b"a", b"b", b"code", b"font", b"i", b"o:p", b"span", b"strong", b"tt", b"u", b"wbr",
];

/// Whether a text has two octets for each letter (UTF-16, of either order, with or without its
/// mark): a mark, letters of ASCII at its beginning, or `BEGIN` of PEM in it. The file is none of
/// another kind.
pub(crate) fn is_wide(head: &[u8]) -> bool {
    const BEGIN: &[u8] = b"-\0-\0B\0E\0G\0I\0N";
    let is_marked = head.starts_with(b"\xff\xfe") || head.starts_with(b"\xfe\xff");
    is_marked || begins_wide(head) || memchr::memmem::find(head, BEGIN).is_some()
}

/// Whether sixteen letters of ASCII stand at the beginning, each beside a zero.
fn begins_wide(head: &[u8]) -> bool {
    let Some(first) = head.get(..32) else {
        return false;
    };
    let is_letter = |byte: u8| byte.is_ascii_graphic() || byte.is_ascii_whitespace();
    let mut pairs = first.chunks_exact(2);
    let little = pairs.clone().all(|pair| is_letter(pair[0]) && pair[1] == 0);
    little || pairs.all(|pair| pair[0] == 0 && is_letter(pair[1]))
}

/// The ASCII letters of UTF-16, of either order: without its zeros. Letters of other scripts become
/// two bytes each, on lines of their own.
pub(crate) fn narrow(text: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut letters = Zeroizing::new(Vec::with_capacity(text.len()));
    letters.extend(text.iter().filter(|byte| **byte != 0));
    letters
}

/// A text without the mark of its order of octets: that of UTF-8 or of either UTF-16.
pub(crate) fn without_mark(text: &[u8]) -> &[u8] {
    let marks: [&[u8]; 3] = [b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff"];
    let rest = marks.iter().find_map(|mark| text.strip_prefix(*mark));
    rest.unwrap_or(text)
}

/// RFC 2045 section 6.7: `=3D` is a byte, `=` at the end of a line joins it to the next.
pub(crate) fn from_quoted_printable(text: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut decoded = Zeroizing::new(Vec::with_capacity(text.len()));
    let mut rest = text;
    loop {
        rest = match rest {
            [] => return decoded,
            [b'=', b'\r', b'\n', after @ ..] | [b'=', b'\n', after @ ..] => after,
            [b'=', high, low, after @ ..] if hex(&[*high, *low]).is_some() => {
                decoded.extend(hex(&[*high, *low]));
                after
            }
            [byte, after @ ..] => {
                decoded.push(*byte);
                after
            }
        }
    }
}

/// The octet of two digits.
pub(crate) fn hex(digits: &[u8]) -> Option<u8> {
    let [high, low] = digits else { return None };
    let (high, low) = (
        char::from(*high).to_digit(16)?,
        char::from(*low).to_digit(16)?,
    );
    u8::try_from(high << 4 | low).ok()
}

/// Whether a text is HTML, or a mail with HTML.
pub(crate) fn is_html(text: &[u8]) -> bool {
    let head = &text[..text.len().min(64 * 1024)];
    let has = |tag: &[u8]| {
        head.windows(tag.len())
            .any(|window| window.eq_ignore_ascii_case(tag))
    };
    [&b"<html"[..], b"<br", b"<div", b"<body", b"</p>"]
        .iter()
        .any(|tag| has(tag))
}

/// A text with `\n` for every line end, however that is written: CR, CR LF, an escape of JSON or
/// an environment file, a tag of HTML. Escaped letters, characters by name or number and octets of
/// an address (`%2B`) are what they stand for; tags are gone, and so is text in the two-byte sets of
/// ISO-2022-JP (RFC 1468), which looks like anything.
pub(crate) fn plain(text: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut plain = Zeroizing::new(Vec::with_capacity(text.len()));
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        let taken = match rest[0] {
            b'\r' => take_carriage_return(rest, &mut plain),
            b'\\' => take_escape(text, at, &mut plain),
            b'_' => take_clixml(rest, &mut plain),
            b'`' => take_backtick(rest, &mut plain),
            b'&' => take_character(rest, &mut plain),
            b'<' => take_tag(rest, &mut plain),
            b'%' => take_octet(rest, &mut plain),
            b'\x1b' => two_byte_letters(rest),
            _ => 0,
        };
        if taken == 0 {
            plain.push(rest[0]);
        }
        at += taken.max(1);
    }
    plain
}

fn take_carriage_return(rest: &[u8], plain: &mut Vec<u8>) -> usize {
    plain.push(b'\n');
    if rest.starts_with(b"\r\n") { 2 } else { 1 }
}

/// `_x000A_`, as PowerShell's Export-Clixml escapes a letter (MS-PSRP section 2.2.5.3.2).
fn take_clixml(rest: &[u8], plain: &mut Vec<u8>) -> usize {
    let unit = |rest: &[u8]| match rest {
        [b'_', b'x' | b'X', a, b, c, d, b'_', ..] => {
            Some(u16::from_be_bytes([hex(&[*a, *b])?, hex(&[*c, *d])?]))
        }
        _ => None,
    };
    match (unit(rest), rest.get(7..).and_then(unit)) {
        (None, _) => return 0,
        // One line end, not two.
        (Some(13), Some(10)) => {}
        (Some(13), _) => plain.push(b'\n'),
        (Some(letter), _) => plain.push(ascii_or_blank(letter)),
    }
    7
}

fn ascii_or_blank(letter: u16) -> u8 {
    let octet = u8::try_from(letter).ok().filter(u8::is_ascii);
    octet.unwrap_or(b' ')
}

/// RFC 8259 section 7, and its like; backslashes of a text within a text come in several.
fn take_escape(text: &[u8], at: usize, plain: &mut Vec<u8>) -> usize {
    let rest = &text[at..];
    let count = rest.iter().take_while(|byte| **byte == b'\\').count();
    let escaped = &rest[count..];
    match escaped {
        // One line end, not two.
        [b'r', b'\\', b'n', ..] => plain.push(b'\n'),
        // The end of a paragraph in RTF, with what ends the word.
        [b'p', b'a', b'r', after @ ..] if !after.first().is_some_and(u8::is_ascii_alphanumeric) => {
            plain.push(b'\n');
            return count + 3 + line_end(after);
        }
        [b'r' | b'n', ..] => plain.push(b'\n'),
        [b't', ..] => plain.push(b' '),
        [b'/', ..] => plain.push(b'/'),
        [b'"', ..] => plain.push(b'"'),
        [b'u', digits @ ..] => return count + take_unicode(digits, plain),
        _ => return count + take_number(text, at, count, plain),
    }
    match escaped {
        [b'r', b'\\', b'n', ..] => count + 3,
        _ => count + 1,
    }
}

/// `\x0a` and `\012` (C11 section 6.4.4.4, `bytea` of PostgreSQL), whose backslashes were seen. Of
/// several in a row octets are meant, and no letters.
fn take_number(text: &[u8], at: usize, backslashes: usize, plain: &mut Vec<u8>) -> usize {
    let numbered = |at: usize| match text.get(at..)? {
        [b'\\', digits @ ..] => escaped_octet(digits),
        _ => None,
    };
    let end = at + backslashes + 3;
    let Some(octet) = numbered(end - 4) else {
        return 0;
    };
    let (before, next) = (at.checked_sub(4).and_then(numbered), numbered(end));
    let is_pair = |first, second| first == Some(b'\r') && second == Some(b'\n');
    // One line end, not two.
    if before.is_none() && is_pair(Some(octet), next) {
        return 3;
    }
    let is_alone = (before.is_none() || is_pair(before, Some(octet))) && next.is_none();
    if !is_alone || begins_hex(&text[end..]) {
        return 0;
    }
    plain.push(match octet {
        b'\r' => b'\n',
        octet => ascii_or_blank(octet.into()),
    });
    3
}

/// Whether a row of octets in hexadecimal goes on here, whose first were taken for an escape: `\x2d2d…`.
fn begins_hex(text: &[u8]) -> bool {
    let row = text.get(..SHORTEST_ROW);
    row.is_some_and(|row| row.iter().all(u8::is_ascii_hexdigit))
}

/// `x0a` or `012`.
fn escaped_octet(digits: &[u8]) -> Option<u8> {
    match digits {
        [b'x' | b'X', high, low, ..] => hex(&[*high, *low]),
        [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', ..] => {
            Some((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'))
        }
        _ => None,
    }
}

/// Line ends as PowerShell escapes them (about_Special_Characters).
fn take_backtick(rest: &[u8], plain: &mut Vec<u8>) -> usize {
    let length = match rest {
        [_, b'r', b'`', b'n', ..] => 4,
        [_, b'r' | b'n', ..] => 2,
        _ => return 0,
    };
    plain.push(b'\n');
    length
}

/// Octets of a line end, or of a blank.
fn line_end(text: &[u8]) -> usize {
    match text {
        [b'\r', b'\n', ..] => 2,
        [b'\r' | b'\n' | b' ', ..] => 1,
        _ => 0,
    }
}

/// `u002b`, whose letter was seen.
fn take_unicode(digits: &[u8], plain: &mut Vec<u8>) -> usize {
    let octet = |from: usize| digits.get(from..from + 2).and_then(hex);
    let (Some(high), Some(low)) = (octet(0), octet(2)) else {
        return 0;
    };
    plain.push(if high == 0 && low.is_ascii() {
        low
    } else {
        b' '
    });
    5
}

/// `%2B` (RFC 3986 section 2.1).
fn take_octet(rest: &[u8], plain: &mut Vec<u8>) -> usize {
    let octet = rest.get(1..3).and_then(hex);
    plain.extend(octet.filter(u8::is_ascii));
    if octet.is_some_and(|octet| octet.is_ascii()) {
        3
    } else {
        0
    }
}

/// `&#43;`, `&#x2b;`, `&plus;`. One that no base64 has is a blank.
fn take_character(rest: &[u8], plain: &mut Vec<u8>) -> usize {
    let window = &rest[1..rest.len().min(LONGEST_NAME + 2)];
    let Some(end) = window.iter().position(|byte| *byte == b';') else {
        return 0;
    };
    let name = String::from_utf8_lossy(&window[..end]).to_ascii_lowercase();
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'#';
    if name.is_empty() || !name.bytes().all(is_name) {
        return 0;
    }
    plain.push(character(&name));
    end + 2
}

fn character(name: &str) -> u8 {
    let number = match name.strip_prefix('#') {
        Some(number) => match number.strip_prefix('x') {
            Some(digits) => u32::from_str_radix(digits, 16).ok(),
            None => number.parse().ok(),
        },
        None => None,
    };
    match name {
        "plus" => b'+',
        "sol" => b'/',
        "equals" => b'=',
        "newline" => b'\n',
        "dash" | "hyphen" => b'-',
        "lt" => b'<',
        "gt" => b'>',
        "amp" => b'&',
        "quot" => b'"',
        _ => match number.and_then(|number| u8::try_from(number).ok()) {
            Some(13) => b'\n',
            Some(byte) if byte.is_ascii() => byte,
            _ => b' ',
        },
    }
}

/// A tag is left out; one that ends a line, with the blanks after it, is a line end.
fn take_tag(rest: &[u8], plain: &mut Vec<u8>) -> usize {
    const CDATA: &[u8] = b"<![CDATA[";
    if rest.starts_with(CDATA) {
        return CDATA.len();
    }
    if !matches!(rest.get(1), Some(byte) if byte.is_ascii_alphabetic() || b"/!?".contains(byte)) {
        return 0;
    }
    let window = &rest[1..rest.len().min(LONGEST_TAG)];
    // No second tag begins in a tag: so no byte is looked at twice.
    let end = window.iter().position(|byte| matches!(byte, b'<' | b'>'));
    let Some(end) = end.filter(|end| window[*end] == b'>') else {
        return 0;
    };
    let tag = &window[..end];
    if tag.windows(5).any(|dashes| dashes == b"-----") || has_base64(tag) {
        return 0;
    }
    let after = 1 + end + 1;
    let name = name(tag);
    if IN_LINES.contains(&name.as_slice()) {
        return after;
    }
    if name == b"br" || plain.last() != Some(&b'\n') {
        plain.push(b'\n');
    }
    let blanks = rest[after..]
        .iter()
        .take_while(|byte| byte.is_ascii_whitespace());
    after + blanks.count()
}

/// Whether a value in a tag may be a key: a line of base64 without a gap.
fn has_base64(tag: &[u8]) -> bool {
    let is_other = |byte: &u8| !base64::is_digit(*byte);
    tag.split(is_other).any(|run| run.len() >= SHORTEST_LINE)
}

/// The name of a tag in small letters, whether it begins something or ends it.
fn name(tag: &[u8]) -> Vec<u8> {
    let name = tag.strip_prefix(b"/").unwrap_or(tag);
    let is_end = |byte: &u8| !(byte.is_ascii_alphanumeric() || *byte == b':');
    let end = name.iter().position(is_end);
    name[..end.unwrap_or(name.len())].to_ascii_lowercase()
}

/// RFC 1468: `ESC $ B` and `ESC $ @` begin letters of two bytes, `ESC ( B` and `ESC ( J` end them,
/// at the latest with the line.
fn two_byte_letters(rest: &[u8]) -> usize {
    if rest.get(1) != Some(&b'$') {
        return 0;
    }
    let end = rest[1..]
        .iter()
        .position(|byte| matches!(byte, b'\x1b' | b'\n' | b'\r'));
    end.map_or(rest.len(), |end| end + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_programs_make_of_line_ends_and_signs_is_undone() {
        for written in [
            "-----BEGIN X-----\nA+/=\n-----END X-----\n",
            "-----BEGIN X-----\r\nA+/=\r\n-----END X-----\r\n",
            "-----BEGIN X-----\rA+/=\r-----END X-----\r",
            "-----BEGIN X-----\\nA+/=\\n-----END X-----\\n",
            "-----BEGIN X-----\\r\\nA+\\/=\\r\\n-----END X-----\\r\\n",
            "-----BEGIN X-----`r`nA+/=`n-----END X-----`n",
            "-----BEGIN X-----\\\\nA\\u002b\\u002F=\\\\n-----END X-----\\\\n",
            "-----BEGIN X-----_x000D__x000A_A_x002B_/=_x000A_-----END X-----_x000D_",
            "-----BEGIN X-----\\x0d\\x0aA\\x2B/=\\x0A-----END X-----\\x0A",
            "-----BEGIN X-----\\015\\012A+/=\\012-----END X-----\\\\012",
            "-----BEGIN X-----<br>A&#43;&#x2F;&#61;<BR />\r\n-----END X-----<br/>",
            "<div class=\"x\">-----BEGIN&nbsp;X-----</div>\n<div><b>A</b>&plus;&sol;=</div><p>-----END X-----</p>",
            "-----BEGIN%20X-----%0AA%2B%2F%3D%0A-----END%20X-----%0A",
            "{\\rtf1 -----BEGIN X-----\\par\r\nA+/=\\par -----END X-----\\par}",
            "\x1b$B<j$N>ZL@\x1b(B-----BEGIN X-----\nA+/=\n-----END X-----\n",
            "<a><![CDATA[-----BEGIN X-----\nA+/=\n-----END X-----\n]]></a>",
            "a <b -----BEGIN X-----\nA+/=\n-----END X-----\n>",
        ] {
            let plain = plain(written.as_bytes());
            let plain = String::from_utf8_lossy(&plain).into_owned();
            assert!(
                plain.contains("-----BEGIN X-----\nA+/=\n-----END X-----\n"),
                "{written} is {plain}"
            );
        }
    }

    #[test]
    fn octets_in_a_row_are_no_letters() {
        assert_eq!(&plain(b"\\x30\\x0a\\x41")[..], b"x30x0ax41");
    }

    #[test]
    fn a_text_made_to_be_slow_is_read_in_one_pass() {
        for piece in ["<a ", "&", "\\", "<", "\x1b$", "&#", "%", "<a>"] {
            assert!(plain(piece.repeat(2 << 20).as_bytes()).len() <= piece.len() << 21);
        }
    }
}
