//! Distinguished names (RFC 5280 section 4.1.2.4) as text for people: every string type, nothing
//! refused.

use const_oid::db::rfc4519;
use pfx::ber::{Element, Reader};
use pfx::{Error, Oid};

/// Tags of the string types that are not a superset of ASCII in one-byte units.
const TELETEX: u8 = 0x14;
const UNIVERSAL: u8 = 0x1c;
const BMP: u8 = 0x1e;

/// One attribute: its type and its text.
type Attribute<'a> = (Oid<'a>, String);

/// The common name; the last one where there are several, as the most specific.
pub(super) fn common_name(name: &[u8]) -> Option<String> {
    let attributes = attributes(name).into_iter();
    attributes
        .filter(|(oid, _)| *oid == rfc4519::CN)
        .map(|(_, text)| text)
        .next_back()
}

/// The common name, else the most specific other attribute; `None` for an empty name.
pub(super) fn title(name: &[u8]) -> Option<String> {
    common_name(name)
        .or_else(|| Some(attributes(name).pop()?.1))
        .filter(|title| !title.is_empty())
}

/// The attributes of a Name as far as they can be read. What was read before a malformed attribute
/// is kept: the text is shown, nothing is decided by it.
fn attributes(name: &[u8]) -> Vec<Attribute<'_>> {
    let mut attributes = Vec::new();
    let _ = read(name, &mut attributes);
    attributes
}

/// RDNSequence: a SEQUENCE of SETs of attributes.
fn read<'a>(name: &'a [u8], attributes: &mut Vec<Attribute<'a>>) -> Result<(), Error> {
    let mut sets = Reader::new(name).sequence()?;
    while !sets.is_empty() {
        let mut set = sets.next()?.reader();
        while !set.is_empty() {
            attributes.push(attribute(set.sequence()?)?);
        }
    }
    Ok(())
}

fn attribute(mut parts: Reader<'_>) -> Result<Attribute<'_>, Error> {
    let oid = parts.oid()?;
    Ok((oid, text(parts.next()?)))
}

/// A string of any type.
pub(super) fn text(string: Element<'_>) -> String {
    text_of(string.tag, string.body)
}

/// T61String is read as Latin-1, which is what its writers meant.
fn text_of(tag: u8, value: &[u8]) -> String {
    match tag {
        TELETEX => value.iter().map(|byte| char::from(*byte)).collect(),
        BMP => {
            let units: Vec<_> = value
                .chunks_exact(2)
                .map(|unit| u16::from_be_bytes([unit[0], unit[1]]))
                .collect();
            String::from_utf16_lossy(&units)
        }
        UNIVERSAL => {
            let points = value
                .chunks_exact(4)
                .map(|unit| u32::from_be_bytes([unit[0], unit[1], unit[2], unit[3]]));
            points
                .map(|point| char::from_u32(point).unwrap_or(char::REPLACEMENT_CHARACTER))
                .collect()
        }
        _ => String::from_utf8_lossy(value).into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A Name with one common name of this string type.
    fn name(tag: u8, value: &[u8]) -> Vec<u8> {
        let wrap = |tag: u8, content: &[u8]| {
            [&[tag, u8::try_from(content.len()).unwrap()], content].concat()
        };
        let attribute = [&[0x06, 0x03, 0x55, 0x04, 0x03][..], &wrap(tag, value)].concat();
        wrap(0x30, &wrap(0x31, &wrap(0x30, &attribute)))
    }

    #[test]
    fn every_string_type_becomes_text() {
        for (tag, value, expected) in [
            (0x0c, "bücher.example".as_bytes(), "bücher.example"),
            (0x13, b"www.example", "www.example"),
            (0x16, b"www.example", "www.example"),
            (TELETEX, b"b\xfccher", "bücher"),
            (BMP, b"\0b\0\xfc\x4f\x8b", "bü例"),
            (UNIVERSAL, b"\0\0\0b\0\0\0\xfc\0\x01\xf5\x12", "bü🔒"),
            (0x0c, b"a\xffb", "a\u{fffd}b"),
        ] {
            assert_eq!(
                common_name(&name(tag, value)).as_deref(),
                Some(expected),
                "tag {tag:#x}"
            );
        }
    }

    #[test]
    fn a_name_cut_off_anywhere_does_no_harm() {
        let whole = name(0x0c, b"www.example");
        for end in 0..whole.len() {
            let _ = title(&whole[..end]);
        }
        assert_eq!(title(&[0x30, 0]), None);
    }
}
