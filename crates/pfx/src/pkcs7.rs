//! The certificates in a PKCS#7 (RFC 2315, RFC 5652): DER or BER, one element. What follows it is
//! left alone: transfers and editors append line ends and zeros.

use crate::Error;
use crate::ber::{self, Element, Reader};
use crate::der::{CONTEXT_0, SEQUENCE, SET};
use crate::oid::SIGNED_DATA;
use crate::work::too_much;

/// Certificates in one bundle. The largest that authorities hand out have a few hundred.
const MAX_CERTIFICATES: usize = 1000;

/// The certificates of the `SignedData` that `bytes` begin with, in its order and not checked
/// further; `None` where `bytes` begin with a well-formed element of another kind. Each is as it
/// stands there, in DER; one in BER is rewritten where that can be done, and where one has no end,
/// it is all that follows. Signers, content and revocation lists are left alone, and so are
/// attribute certificates.
///
/// # Errors
/// [`Error::Malformed`] for what is cut off, [`Error::TooMuchWork`] for more than 1000
/// certificates.
pub fn certificates(bytes: &[u8]) -> Result<Option<Vec<Vec<u8>>>, Error> {
    match signed_data(first(bytes)?) {
        Some(signed) => certificates_of(signed).map(Some),
        None => Ok(None),
    }
}

/// The element that `bytes` begin with in DER, whatever it is; BER is rewritten.
///
/// # Errors
/// [`Error::Malformed`] for what is cut off.
pub fn to_der(bytes: &[u8]) -> Result<Vec<u8>, Error> {
    ber::to_der(first(bytes)?).map(|der| der.to_vec())
}

/// The octets of the element that `bytes` begin with.
///
/// # Errors
/// [`Error::Malformed`] for what is cut off.
pub fn length(bytes: &[u8]) -> Result<usize, Error> {
    Ok(first(bytes)?.whole.len())
}

fn first(bytes: &[u8]) -> Result<Element<'_>, Error> {
    Reader::new(bytes).next()
}

/// The `SignedData` in a `ContentInfo`, if that is what it is.
fn signed_data(element: Element<'_>) -> Option<Element<'_>> {
    let mut info = element.reader();
    let kind = info.oid().ok()?;
    let content = info.expect(CONTEXT_0).ok()?;
    if kind != SIGNED_DATA {
        return None;
    }
    content.reader().expect(SEQUENCE).ok()
}

/// RFC 5652 section 5.1: `SEQUENCE { version, SET, SEQUENCE, [0] certificates OPTIONAL, … }`.
fn certificates_of(signed: Element) -> Result<Vec<Vec<u8>>, Error> {
    let mut fields = signed.reader();
    fields.unsigned()?;
    fields.expect(SET)?;
    fields.expect(SEQUENCE)?;
    let mut certificates = Vec::new();
    let Some(bundle) = fields.optional(CONTEXT_0)? else {
        return Ok(certificates);
    };
    let (mut entries, mut at) = (bundle.reader(), 0);
    while !entries.is_empty() {
        let Ok(entry) = entries.next() else {
            certificates.push(bundle.body[at..].to_vec());
            break;
        };
        at += entry.whole.len();
        // Other choices are attribute certificates and forms nobody writes.
        if entry.tag != SEQUENCE {
            continue;
        }
        if certificates.len() == MAX_CERTIFICATES {
            return Err(too_much(format!(
                "more than {MAX_CERTIFICATES} certificates"
            )));
        }
        certificates.push(as_der(entry));
    }
    Ok(certificates)
}

/// One that is malformed inside is for the caller to name.
fn as_der(entry: Element) -> Vec<u8> {
    ber::to_der(entry).map_or_else(|_| entry.whole.to_vec(), |der| der.to_vec())
}
