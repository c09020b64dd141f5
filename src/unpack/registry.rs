//! Exports of the registry of Windows (`.reg`): binary values are octets in hexadecimal,
//! `"Name"=hex:30,82,…`, with a backslash where a line goes on.

use zeroize::Zeroizing;

use super::text::hex;

/// Values that are looked at.
const MOST_VALUES: usize = 10_000;
/// Shorter ones are none that holds a key.
const SHORTEST: usize = 32;

/// Whether a text, whatever its encoding, begins as an export does.
pub(crate) fn is_export(text: &[u8]) -> bool {
    let start = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let start = start.strip_prefix(b"\xff\xfe").unwrap_or(start);
    start.starts_with(b"Windows Registry Editor") || start.starts_with(b"REGEDIT4")
}

/// Calls `take` with every binary value. Returns whether some were left out.
pub(crate) fn values(text: &[u8], mut take: impl FnMut(&[u8])) -> bool {
    let (mut at, mut count) = (0, 0);
    while at < text.len() {
        let Some(start) = value(&text[at..]) else {
            at += 1;
            continue;
        };
        let (octets, length) = octets(&text[at + start..]);
        at += start + length;
        if octets.len() < SHORTEST {
            continue;
        }
        if count == MOST_VALUES {
            return true;
        }
        count += 1;
        take(&octets);
    }
    false
}

/// Where the octets of a value begin: after `hex:`, or `hex(7):` with its type.
fn value(rest: &[u8]) -> Option<usize> {
    let kind = rest.strip_prefix(b"hex")?;
    match kind {
        [b':', ..] => Some(4),
        [b'(', _, b')', b':', ..] => Some(7),
        _ => None,
    }
}

fn octets(text: &[u8]) -> (Zeroizing<Vec<u8>>, usize) {
    let mut octets = Zeroizing::new(Vec::with_capacity(text.len().min(1 << 16)));
    let mut at = 0;
    while at < text.len() {
        if let Some(octet) = text.get(at..at + 2).and_then(hex) {
            octets.push(octet);
            at += 2;
        } else if matches!(text[at], b',' | b'\\' | b' ' | b'\t') || is_continued(&text[..at + 1]) {
            at += 1;
        } else {
            break;
        }
    }
    (octets, at)
}

/// Whether a text ends with a line end after a backslash.
fn is_continued(text: &[u8]) -> bool {
    let Some(line) = text.strip_suffix(b"\n").or(text.strip_suffix(b"\r")) else {
        return false;
    };
    line.strip_suffix(b"\r").unwrap_or(line).ends_with(b"\\")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn binary_values_are_read_over_their_line_ends_and_end_with_their_line() {
        let octets: Vec<u8> = (0..60).collect();
        let written: Vec<_> = octets.iter().map(|byte| format!("{byte:02x}")).collect();
        let [first, second] = [written[..25].join(","), written[25..].join(",")];
        let text = format!(
            "REGEDIT4\r\n[X]\r\n\"a\"=hex:01,02\r\n\"b\"=hex:{first},\\\r\n  {second}\r\n\"c\"=hex(7):{first},\\\r\n  {second}\r\nab"
        );
        assert!(is_export(text.as_bytes()));
        let mut found = Vec::new();
        assert!(!values(text.as_bytes(), |value| found.push(value.to_vec())));
        assert_eq!(found, [octets.clone(), octets]);
    }
}
