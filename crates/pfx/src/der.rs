//! Writes DER (X.690 section 10), innermost element first.

use const_oid::ObjectIdentifier;

/// BOOLEAN.
pub const BOOLEAN: u8 = 0x01;
/// INTEGER.
pub const INTEGER: u8 = 0x02;
/// BIT STRING, primitive.
pub const BIT_STRING: u8 = 0x03;
/// OCTET STRING, primitive.
pub const OCTET_STRING: u8 = 0x04;
/// NULL.
pub(crate) const NULL: u8 = 0x05;
/// OBJECT IDENTIFIER.
pub const OID: u8 = 0x06;
/// UTF8String.
pub const UTF8_STRING: u8 = 0x0c;
/// PrintableString.
pub(crate) const PRINTABLE_STRING: u8 = 0x13;
/// T61String (TeletexString).
pub(crate) const T61_STRING: u8 = 0x14;
/// IA5String: ASCII.
pub(crate) const IA5_STRING: u8 = 0x16;
/// VisibleString.
pub(crate) const VISIBLE_STRING: u8 = 0x1a;
/// UniversalString: UTF-32, big-endian.
pub(crate) const UNIVERSAL_STRING: u8 = 0x1c;
/// BMPString: UTF-16, big-endian.
pub const BMP_STRING: u8 = 0x1e;
/// SEQUENCE and SEQUENCE OF.
pub const SEQUENCE: u8 = 0x30;
/// SET and SET OF.
pub const SET: u8 = 0x31;
/// The bit of a tag that says that elements are inside.
pub const CONSTRUCTED: u8 = 0x20;
/// `[0]` EXPLICIT, or IMPLICIT of something constructed.
pub const CONTEXT_0: u8 = 0xa0;
/// `[0]` IMPLICIT of a primitive string.
pub(crate) const CONTEXT_0_PRIMITIVE: u8 = 0x80;

/// An element: `tag`, the length, and the parts one after the other. Allocated once, at its final
/// size.
pub(crate) fn element(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let mut written = Vec::with_capacity(2 + size_of::<usize>() + length);
    written.push(tag);
    push_length(&mut written, length);
    parts
        .iter()
        .for_each(|part| written.extend_from_slice(part));
    written
}

fn push_length(written: &mut Vec<u8>, length: usize) {
    let octets = length.to_be_bytes();
    let significant = &octets[length.leading_zeros() as usize / 8..];
    match significant {
        [] => written.push(0),
        [short] if *short < 0x80 => written.push(*short),
        _ => {
            written.push(0x80 | significant.len() as u8);
            written.extend_from_slice(significant);
        }
    }
}

pub(crate) fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    element(SEQUENCE, parts)
}

/// A SET OF, whose parts DER wants in ascending order of their encodings.
pub(crate) fn set(parts: &[Vec<u8>]) -> Vec<u8> {
    let mut parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
    parts.sort_unstable();
    element(SET, &parts)
}

pub(crate) fn oid(oid: ObjectIdentifier) -> Vec<u8> {
    element(OID, &[oid.as_bytes()])
}

pub(crate) fn octets(octets: &[u8]) -> Vec<u8> {
    element(OCTET_STRING, &[octets])
}

pub(crate) fn null() -> Vec<u8> {
    element(NULL, &[])
}

/// An INTEGER: no more zeros in front than keep it from being negative.
pub(crate) fn unsigned(value: u32) -> Vec<u8> {
    let octets = u64::from(value).to_be_bytes();
    let zeros = octets
        .windows(2)
        .take_while(|pair| pair[0] == 0 && pair[1] < 0x80)
        .count();
    element(INTEGER, &[&octets[zeros..]])
}

/// A BMPString: UTF-16, big-endian. Characters beyond U+FFFF become surrogate pairs, as Windows and
/// OpenSSL write them.
pub(crate) fn bmp_string(text: &str) -> Vec<u8> {
    let units: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
    element(BMP_STRING, &[&units])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_take_as_few_octets_as_they_can() {
        for (length, header) in [
            (0, &[4, 0][..]),
            (127, &[4, 127]),
            (128, &[4, 0x81, 128]),
            (256, &[4, 0x82, 1, 0]),
            (65_536, &[4, 0x83, 1, 0, 0]),
        ] {
            let written = octets(&vec![9; length]);
            assert!(written.starts_with(header), "{length}");
            assert_eq!(written.len(), header.len() + length);
        }
    }

    #[test]
    fn integers_are_minimal_and_never_negative() {
        assert_eq!(unsigned(0), [2, 1, 0]);
        assert_eq!(unsigned(127), [2, 1, 127]);
        assert_eq!(unsigned(128), [2, 2, 0, 128]);
        assert_eq!(unsigned(2000), [2, 2, 7, 0xd0]);
        assert_eq!(unsigned(u32::MAX), [2, 5, 0, 255, 255, 255, 255]);
    }
}
