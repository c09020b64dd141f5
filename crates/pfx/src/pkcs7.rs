//! The certificates in a PKCS#7 (RFC 2315, RFC 5652): DER or BER, one element, nothing around it.

use crate::Error;
use crate::ber::{self, Element, Reader};
use crate::der::{CONTEXT_0, SEQUENCE, SET};
use crate::oid::SIGNED_DATA;
use crate::work::too_much;

/// Certificates in one bundle. The largest that authorities hand out have a few hundred.
const MAX_CERTIFICATES: usize = 1000;

/// The certificates of the `SignedData` that `bytes` consist of, each as DER, in its order and not
/// checked further; `None` where `bytes` are one well-formed element of another kind. Signers,
/// content and revocation lists are left alone, and so are attribute certificates.
///
/// # Errors
/// [`Error::Malformed`] for what is cut off or followed by anything, [`Error::TooMuchWork`] for
/// more than 1000 certificates.
pub fn certificates(bytes: &[u8]) -> Result<Option<Vec<Vec<u8>>>, Error> {
    match signed_data(single(bytes)?) {
        Some(signed) => certificates_of(signed).map(Some),
        None => Ok(None),
    }
}

/// The one element that `bytes` consist of in DER, whatever it is; BER is rewritten.
///
/// # Errors
/// [`Error::Malformed`] for what is cut off or followed by anything.
pub fn to_der(bytes: &[u8]) -> Result<Vec<u8>, Error> {
    ber::to_der(single(bytes)?).map(|der| der.to_vec())
}

fn single(bytes: &[u8]) -> Result<Element<'_>, Error> {
    let mut reader = Reader::new(bytes);
    let element = reader.next()?;
    reader.finish()?;
    Ok(element)
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
    let mut entries = bundle.reader();
    while !entries.is_empty() {
        let entry = entries.next()?;
        // Other choices are attribute certificates and forms nobody writes.
        if entry.tag != SEQUENCE {
            continue;
        }
        if certificates.len() == MAX_CERTIFICATES {
            return Err(too_much(format!(
                "more than {MAX_CERTIFICATES} certificates"
            )));
        }
        certificates.push(ber::to_der(entry)?.to_vec());
    }
    Ok(certificates)
}
