//! A tolerant BER reader (X.690 section 8), for everything that is read here and for certificates
//! and keys: DER; the indefinite lengths and constructed strings that NSS, Firefox and BouncyCastle
//! write; lengths in more octets than they need. It borrows, and copies only what comes in pieces.

use std::ops::Deref;

use zeroize::Zeroizing;

use crate::der;
pub use crate::der::{
    BIT_STRING, BMP_STRING, BOOLEAN, CONSTRUCTED, CONTEXT_0, INTEGER, OCTET_STRING, OID, SEQUENCE,
    SET, UTF8_STRING,
};
use crate::{Error, oid::Oid, work::too_much};

/// Nesting of indefinite lengths: finding the end of one means walking all that is nested in it, so
/// depth multiplies the work.
const MAX_DEPTH: usize = 32;
/// Octets of a tag's number, where it is above 30.
const MAX_TAG: usize = 4;

/// One element: tag, length and contents.
#[derive(Debug, Clone, Copy)]
pub struct Element<'a> {
    /// Its first octet. A number above 30 takes more octets, which are passed over.
    pub tag: u8,
    /// The contents, without an end-of-contents marker.
    pub body: &'a [u8],
    /// All of it, as encoded.
    pub whole: &'a [u8],
}

impl<'a> Element<'a> {
    /// The elements inside.
    pub fn reader(self) -> Reader<'a> {
        Reader(self.body)
    }

    /// The octets of a string tagged `tag` (its primitive form), whole or in pieces.
    ///
    /// # Errors
    /// [`Error::Malformed`] for anything else.
    pub fn octets(self, tag: u8) -> Result<Octets<'a>, Error> {
        if self.tag == tag {
            return Ok(Octets::Borrowed(self.body));
        }
        if self.tag != tag | CONSTRUCTED {
            return Err(Error::Malformed("an octet string was expected"));
        }
        let mut joined = Zeroizing::new(Vec::with_capacity(self.body.len()));
        join(self.reader(), &mut joined)?;
        Ok(Octets::Joined(joined))
    }

    /// The octets of a BIT STRING in one piece; bits of the last one that do not count are not told.
    ///
    /// # Errors
    /// [`Error::Malformed`] for anything else.
    pub fn bits(self) -> Result<&'a [u8], Error> {
        match (self.tag, self.body) {
            (BIT_STRING, [0..=7, bits @ ..]) => Ok(bits),
            _ => Err(Error::Malformed("a bit string was expected")),
        }
    }

    /// The octets of an INTEGER without zeros in front, as a number that is not negative: some
    /// writers forget the zero that keeps it from being that.
    ///
    /// # Errors
    /// [`Error::Malformed`] for anything else.
    pub fn magnitude(self) -> Result<&'a [u8], Error> {
        if self.tag != INTEGER {
            return Err(Error::Malformed("a number was expected"));
        }
        Ok(without_zeros(self.body))
    }

    /// Whether it is encoded with an indefinite length, which DER never is.
    fn is_indefinite(&self) -> bool {
        Header::parse(self.whole).is_ok_and(|header| header.length.is_none())
    }
}

/// A number without zeros in front.
pub fn without_zeros(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|octet| **octet == 0).count();
    &number[zeros..]
}

/// Appends pieces, and pieces of pieces, to `joined`, which has room for all. Without recursion, so
/// that depth costs nothing: there are files with strings two hundred deep.
fn join(pieces: Reader, joined: &mut Vec<u8>) -> Result<(), Error> {
    const PIECES: u8 = OCTET_STRING | CONSTRUCTED;
    let mut open = vec![pieces];
    while let Some(pieces) = open.last_mut() {
        if pieces.is_empty() {
            open.pop();
            continue;
        }
        let piece = pieces.next()?;
        match piece.tag {
            OCTET_STRING => joined.extend_from_slice(piece.body),
            PIECES => open.push(piece.reader()),
            _ => return Err(Error::Malformed("a piece of an octet string is not one")),
        }
    }
    Ok(())
}

/// Octets of a string. Wiped if they had to be copied: they may hold keys.
pub enum Octets<'a> {
    /// As they stand in the file.
    Borrowed(&'a [u8]),
    /// Put together from pieces.
    Joined(Zeroizing<Vec<u8>>),
}

impl Deref for Octets<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Borrowed(octets) => octets,
            Self::Joined(octets) => octets,
        }
    }
}

/// Reads elements one after the other.
#[derive(Debug, Clone, Copy)]
pub struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// From the first of `bytes` on.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Whether nothing is left.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next element, whatever it is.
    ///
    /// # Errors
    /// [`Error::Malformed`] for what is cut off, [`Error::TooMuchWork`] for deep nesting.
    #[expect(
        clippy::should_implement_trait,
        reason = "it fails, and is asked for one element at a time"
    )]
    pub fn next(&mut self) -> Result<Element<'a>, Error> {
        let header = Header::parse(self.0)?;
        let body_end = header.body_end(self.0, 0)?;
        let (whole, rest) = self.0.split_at(body_end + header.trailer());
        self.0 = rest;
        Ok(Element {
            tag: header.tag,
            body: &whole[header.size..body_end],
            whole,
        })
    }

    /// The next element, which must be tagged `tag`.
    ///
    /// # Errors
    /// [`Error::Malformed`] for any other.
    pub fn expect(&mut self, tag: u8) -> Result<Element<'a>, Error> {
        self.optional(tag)?.ok_or(Error::Malformed(
            "an element is missing or of the wrong type",
        ))
    }

    /// The next element if it is tagged `tag`.
    ///
    /// # Errors
    /// [`Error::Malformed`] for what is cut off.
    pub fn optional(&mut self, tag: u8) -> Result<Option<Element<'a>>, Error> {
        if self.0.first() != Some(&tag) {
            return Ok(None);
        }
        self.next().map(Some)
    }

    /// The elements of a SEQUENCE.
    ///
    /// # Errors
    /// [`Error::Malformed`] for anything else.
    pub fn sequence(&mut self) -> Result<Reader<'a>, Error> {
        Ok(self.expect(SEQUENCE)?.reader())
    }

    /// An OBJECT IDENTIFIER.
    ///
    /// # Errors
    /// [`Error::Malformed`] for anything else.
    pub fn oid(&mut self) -> Result<Oid<'a>, Error> {
        Ok(Oid(self.expect(OID)?.body))
    }

    /// An OCTET STRING.
    ///
    /// # Errors
    /// [`Error::Malformed`] for anything else.
    pub fn octets(&mut self) -> Result<Octets<'a>, Error> {
        self.next()?.octets(OCTET_STRING)
    }

    /// An INTEGER that is not negative; one beyond 64 bits is given as the largest.
    ///
    /// # Errors
    /// [`Error::Malformed`] for anything else.
    pub fn unsigned(&mut self) -> Result<u64, Error> {
        let body = self.expect(INTEGER)?.body;
        if body.first().is_none_or(|first| first & 0x80 != 0) {
            return Err(Error::Malformed("a count is negative or empty"));
        }
        Ok(body.iter().fold(0u64, |value, &byte| {
            value
                .checked_mul(256)
                .map_or(u64::MAX, |value| value | u64::from(byte))
        }))
    }

    /// An INTEGER as in [`Reader::unsigned`], if there is one next.
    ///
    /// # Errors
    /// [`Error::Malformed`] for a negative one.
    pub fn optional_unsigned(&mut self) -> Result<Option<u64>, Error> {
        if self.0.first() == Some(&INTEGER) {
            self.unsigned().map(Some)
        } else {
            Ok(None)
        }
    }

    /// Ends the reading: nothing may be left.
    ///
    /// # Errors
    /// [`Error::Malformed`] for what is.
    pub fn finish(self) -> Result<(), Error> {
        if self.is_empty() {
            Ok(())
        } else {
            Err(Error::Malformed("there is more than belongs there"))
        }
    }
}

/// The one element tagged `tag` that `bytes` consist of.
///
/// # Errors
/// [`Error::Malformed`] for anything else.
pub fn single(bytes: &[u8], tag: u8) -> Result<Element<'_>, Error> {
    let mut reader = Reader::new(bytes);
    let element = reader.expect(tag)?;
    reader.finish()?;
    Ok(element)
}

struct Header {
    tag: u8,
    /// `None` if indefinite: up to an end-of-contents marker.
    length: Option<usize>,
    /// Octets of the header itself.
    size: usize,
}

impl Header {
    fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let (tag, tag_size) = tag(bytes)?;
        let [first, rest @ ..] = &bytes[tag_size..] else {
            return Err(CUT_OFF);
        };
        let (length, size) = match first {
            0x80 if tag & CONSTRUCTED != 0 => (None, tag_size + 1),
            0x00..=0x7f => (Some(usize::from(*first)), tag_size + 1),
            0x81..=0x88 => {
                let octets = rest.get(..usize::from(first & 0x7f)).ok_or(CUT_OFF)?;
                (Some(big_endian(octets)?), tag_size + 1 + octets.len())
            }
            _ => return Err(Error::Malformed("a length that is not one")),
        };
        Ok(Self { tag, length, size })
    }

    /// Octets after the body: the end-of-contents marker.
    fn trailer(&self) -> usize {
        if self.length.is_none() { 2 } else { 0 }
    }

    /// Where the body ends in `bytes`, which start with this header. That and any trailer are
    /// within `bytes`.
    fn body_end(&self, bytes: &[u8], depth: usize) -> Result<usize, Error> {
        let Some(length) = self.length else {
            return contents_end(bytes, self.size, depth);
        };
        // Compared without adding: a length of nearly 2^64 must not wrap around.
        if length > bytes.len() - self.size {
            return Err(CUT_OFF);
        }
        Ok(self.size + length)
    }
}

/// The first octet of a tag, and how many it has (X.690 section 8.1.2).
fn tag(bytes: &[u8]) -> Result<(u8, usize), Error> {
    let (first, rest) = bytes.split_first().ok_or(CUT_OFF)?;
    if first & 0x1f != 0x1f {
        return Ok((*first, 1));
    }
    let last = rest
        .iter()
        .take(MAX_TAG)
        .position(|octet| octet & 0x80 == 0);
    let last = last.ok_or(Error::Malformed("an element of an unknown type"))?;
    Ok((*first, last + 2))
}

const CUT_OFF: Error = Error::Malformed("it is cut off, or a length is wrong");

fn big_endian(octets: &[u8]) -> Result<usize, Error> {
    let value = octets
        .iter()
        .fold(0u64, |value, &octet| value << 8 | u64::from(octet));
    usize::try_from(value).map_err(|_| CUT_OFF)
}

/// Where the end-of-contents marker is that closes the elements beginning at `at`.
fn contents_end(bytes: &[u8], mut at: usize, depth: usize) -> Result<usize, Error> {
    check_depth(depth)?;
    loop {
        let rest = &bytes[at..];
        if rest.starts_with(&[0, 0]) {
            return Ok(at);
        }
        let header = Header::parse(rest)?;
        at += header.body_end(rest, depth + 1)? + header.trailer();
    }
}

fn check_depth(depth: usize) -> Result<(), Error> {
    if depth < MAX_DEPTH {
        Ok(())
    } else {
        Err(too_much(format!("nesting deeper than {MAX_DEPTH}")))
    }
}

/// The same element in definite lengths and whole strings; a copy as it is if it begins with a
/// definite length. A private key inside a BER file may itself be BER, which nothing that uses
/// private keys reads.
///
/// # Errors
/// [`Error::Malformed`] for what is cut off, [`Error::TooMuchWork`] for deep nesting.
pub fn to_der(element: Element) -> Result<Zeroizing<Vec<u8>>, Error> {
    if element.is_indefinite() {
        rewrite(element, 0)
    } else {
        Ok(Zeroizing::new(element.whole.to_vec()))
    }
}

fn rewrite(element: Element, depth: usize) -> Result<Zeroizing<Vec<u8>>, Error> {
    check_depth(depth)?;
    if element.tag == OCTET_STRING | CONSTRUCTED {
        return Ok(Zeroizing::new(der::element(
            OCTET_STRING,
            &[&element.octets(OCTET_STRING)?],
        )));
    }
    if element.tag & CONSTRUCTED == 0 {
        return Ok(Zeroizing::new(element.whole.to_vec()));
    }
    // A definite length takes at most one octet more than an indefinite one and its marker do in a
    // file of this size: twice the room is enough, and the buffer never grows.
    let mut body = Zeroizing::new(Vec::with_capacity(2 * element.body.len()));
    let mut reader = element.reader();
    while !reader.is_empty() {
        body.extend_from_slice(&rewrite(reader.next()?, depth + 1)?);
    }
    Ok(Zeroizing::new(der::element(element.tag, &[&body])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn definite_and_indefinite_lengths_give_the_same_contents() {
        for bytes in [
            &[0x30, 3, 2, 1, 5][..],
            &[0x30, 0x81, 3, 2, 1, 5],
            &[0x30, 0x84, 0, 0, 0, 3, 2, 1, 5],
            &[0x30, 0x80, 2, 1, 5, 0, 0],
        ] {
            let element = single(bytes, SEQUENCE).unwrap();
            assert_eq!(element.body, [2, 1, 5]);
            assert_eq!(element.whole, bytes);
            assert_eq!(element.reader().unsigned().unwrap(), 5);
        }
    }

    #[test]
    fn a_string_in_nested_pieces_is_joined() {
        let pieces = [
            0x24, 0x80, 4, 1, b'a', 0x24, 0x80, 4, 2, b'b', b'c', 0x24, 0, 0, 0, 4, 0, 0, 0,
        ];
        assert_eq!(&*Reader::new(&pieces).octets().unwrap(), b"abc");
        assert!(
            Reader::new(&[0x24, 3, 2, 1, 1]).octets().is_err(),
            "an integer is no piece"
        );
    }

    #[test]
    fn every_cut_and_every_false_length_is_refused() {
        let whole = [0x30, 0x80, 0x24, 0x80, 4, 2, 1, 2, 0, 0, 0, 0];
        assert!(Reader::new(&whole).next().is_ok());
        for length in 0..whole.len() {
            assert!(Reader::new(&whole[..length]).next().is_err(), "{length}");
        }
        for false_length in [
            &[0x04, 0x88, 255, 255, 255, 255, 255, 255, 255, 255][..],
            &[4, 0x84, 255, 255, 255, 255, 0],
            &[4, 0x89, 0],
            &[4, 0xff],
            &[4, 0x80, 0, 0],
        ] {
            assert!(
                Reader::new(false_length).next().is_err(),
                "{false_length:?}"
            );
        }
    }

    #[test]
    fn deep_nesting_is_refused_without_deep_recursion() {
        for tag in [SEQUENCE, OCTET_STRING | CONSTRUCTED] {
            let bomb = [tag, 0x80].repeat(1 << 20);
            assert!(matches!(
                Reader::new(&bomb).next(),
                Err(Error::TooMuchWork { .. })
            ));
        }
    }

    #[test]
    fn pieces_of_definite_length_may_be_as_deep_as_they_like() {
        let mut pieces = der::octets(b"deep");
        for _ in 0..3000 {
            pieces = der::element(OCTET_STRING | CONSTRUCTED, &[&pieces]);
        }
        assert_eq!(&*Reader::new(&pieces).octets().unwrap(), b"deep");
    }

    #[test]
    fn counts_are_never_negative_and_never_wrap() {
        assert_eq!(
            Reader::new(&[2, 3, 0, 0xff, 0xff]).unsigned().unwrap(),
            0xffff
        );
        assert_eq!(
            Reader::new(&[2, 10, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0])
                .unsigned()
                .unwrap(),
            u64::MAX
        );
        assert!(Reader::new(&[2, 1, 0xff]).unsigned().is_err());
        assert!(Reader::new(&[2, 0]).unsigned().is_err());
    }

    #[test]
    fn an_indefinite_key_becomes_der() {
        let key = [
            0x30, 0x80, 2, 1, 0, 0x24, 0x80, 4, 1, 7, 4, 1, 8, 0, 0, 0, 0,
        ];
        assert_eq!(
            *to_der(single(&key, SEQUENCE).unwrap()).unwrap(),
            [0x30, 7, 2, 1, 0, 4, 2, 7, 8]
        );
    }
}
