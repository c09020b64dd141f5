//! Attributes of a bag (RFC 7292 section 4.2): names and links. They are never secret, and nothing
//! relies on them.

use crate::{
    Error,
    ber::{Element, Reader},
    der::{
        self, BMP_STRING, IA5_STRING, OCTET_STRING, PRINTABLE_STRING, SET, T61_STRING,
        UNIVERSAL_STRING, UTF8_STRING, VISIBLE_STRING,
    },
    oid,
    work::Work,
};

/// Attributes of a key or a certificate.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attributes {
    /// The name its owner sees (PKCS #9). Any trailing NULs, which Windows writes, are taken off;
    /// broken UTF-16 is replaced by U+FFFD.
    pub friendly_name: Option<String>,
    /// Equal on a key and its certificate (PKCS #9). Windows writes `01 00 00 00`, most others a
    /// SHA-1.
    pub local_key_id: Option<Vec<u8>>,
    /// The Windows provider that held the key (1.3.6.1.4.1.311.17.1), and gets it again on import.
    pub csp_name: Option<String>,
    /// All others, each the whole encoding of a `PKCS12Attribute` as it was: among them Microsoft's
    /// mark for a key of the machine instead of a user (1.3.6.1.4.1.311.17.2), and known ones that
    /// are empty or of an unexpected type.
    pub other: Vec<Vec<u8>>,
}

impl Attributes {
    /// Reads the SET OF attributes at the end of a bag, if there is one.
    pub(crate) fn parse(bag: &mut Reader, work: &mut Work) -> Result<Self, Error> {
        let mut attributes = Self::default();
        if let Some(set) = bag.optional(SET)? {
            let mut set = set.reader();
            while !set.is_empty() {
                work.entry()?;
                attributes.add(set.next()?)?;
            }
        }
        Ok(attributes)
    }

    /// `SEQUENCE { attrId OBJECT IDENTIFIER, attrValues SET OF ANY }`
    fn add(&mut self, attribute: Element) -> Result<(), Error> {
        let mut parts = attribute.reader();
        let name = parts.oid()?;
        let mut values = parts.expect(SET)?.reader();
        let value = if values.is_empty() {
            None
        } else {
            Some(values.next()?)
        };
        let understood = match value {
            Some(value) if name == oid::FRIENDLY_NAME => {
                set_once(&mut self.friendly_name, text(value))
            }
            Some(value) if name == oid::CSP_NAME => set_once(&mut self.csp_name, text(value)),
            Some(value) if name == oid::LOCAL_KEY_ID => set_once(
                &mut self.local_key_id,
                value
                    .octets(OCTET_STRING)
                    .ok()
                    .map(|octets| octets.to_vec()),
            ),
            _ => false,
        };
        if !understood {
            self.other.push(attribute.whole.to_vec());
        }
        Ok(())
    }

    /// The SET OF attributes for a bag; nothing at all if there are none, since the set is
    /// optional.
    pub(crate) fn to_der(&self) -> Vec<u8> {
        let mut attributes = self.other.clone();
        let mut add = |name, value: Option<Vec<u8>>| {
            attributes
                .extend(value.map(|value| der::sequence(&[&der::oid(name), &der::set(&[value])])));
        };
        add(
            oid::LOCAL_KEY_ID,
            self.local_key_id.as_deref().map(der::octets),
        );
        add(
            oid::FRIENDLY_NAME,
            self.friendly_name.as_deref().map(der::bmp_string),
        );
        add(oid::CSP_NAME, self.csp_name.as_deref().map(der::bmp_string));
        if attributes.is_empty() {
            Vec::new()
        } else {
            der::set(&attributes)
        }
    }
}

/// Whether `value` is there and was the first.
fn set_once<T>(slot: &mut Option<T>, value: Option<T>) -> bool {
    let new = slot.is_none() && value.is_some();
    if new {
        *slot = value;
    }
    new
}

/// A BMPString, as the standard has it, or a string of another type, as some writers have it.
fn text(value: Element) -> Option<String> {
    let text: String = match value.tag {
        BMP_STRING => {
            let units: Vec<u16> = value
                .body
                .chunks_exact(2)
                .map(|pair| u16::from_be_bytes([pair[0], pair[1]]))
                .collect();
            String::from_utf16_lossy(&units)
        }
        UTF8_STRING => String::from_utf8_lossy(value.body).into_owned(),
        // What is called T.61 is Latin-1, whoever wrote it; the others are parts of that.
        PRINTABLE_STRING | IA5_STRING | VISIBLE_STRING | T61_STRING => {
            value.body.iter().copied().map(char::from).collect()
        }
        UNIVERSAL_STRING => {
            let (units, _) = value.body.as_chunks();
            let letters = units.iter().copied().map(u32::from_be_bytes);
            letters
                .map(|letter| char::from_u32(letter).unwrap_or(char::REPLACEMENT_CHARACTER))
                .collect()
        }
        _ => return None,
    };
    Some(text.trim_end_matches('\0').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(set: &[u8]) -> Result<Attributes, Error> {
        Attributes::parse(&mut Reader::new(set), &mut Work::for_file(0)?)
    }

    #[test]
    fn attributes_survive_writing_and_reading() {
        let written = Attributes {
            friendly_name: Some("鍵 🔑".into()),
            local_key_id: Some(vec![1, 0, 0, 0]),
            csp_name: Some("Microsoft Software Key Storage Provider".into()),
            other: vec![der::sequence(&[&der::oid(oid::DATA), &der::set(&[])])],
        };
        assert_eq!(parse(&written.to_der()).unwrap(), written);
        assert_eq!(parse(&[]).unwrap(), Attributes::default());
    }

    #[test]
    fn the_trailing_nul_that_windows_writes_is_taken_off() {
        let set = Attributes {
            friendly_name: Some("name\0".into()),
            ..Default::default()
        }
        .to_der();
        assert_eq!(parse(&set).unwrap().friendly_name.as_deref(), Some("name"));
    }

    #[test]
    fn a_name_is_read_in_every_type_of_string() {
        let cases: [(u8, &[u8], &str); 6] = [
            (PRINTABLE_STRING, b"web 1", "web 1"),
            (IA5_STRING, b"web@1", "web@1"),
            (VISIBLE_STRING, b"web~1", "web~1"),
            (T61_STRING, b"B\xfcro", "B\u{fc}ro"),
            (
                UNIVERSAL_STRING,
                b"\0\0\x93\x75\0\x01\xf5\x11",
                "\u{9375}\u{1f511}",
            ),
            (UNIVERSAL_STRING, b"\0\x11\0\0", "\u{fffd}"),
        ];
        for (tag, octets, name) in cases {
            let value = der::element(tag, &[octets]);
            let attribute = der::sequence(&[&der::oid(oid::FRIENDLY_NAME), &der::set(&[value])]);
            let read = parse(&der::set(&[attribute])).unwrap();
            assert_eq!(read.friendly_name.as_deref(), Some(name), "{tag:#x}");
        }
    }

    #[test]
    fn a_known_attribute_of_an_unexpected_type_is_kept_as_it_was() {
        let attribute = der::sequence(&[&der::oid(oid::FRIENDLY_NAME), &der::set(&[der::null()])]);
        let read = parse(&der::set(std::slice::from_ref(&attribute))).unwrap();
        assert_eq!(
            read,
            Attributes {
                other: vec![attribute],
                ..Default::default()
            }
        );
    }
}
