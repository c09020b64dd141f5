//! Private keys that a text writes down number by number: `RSAKeyValue` of .NET (XML Signature
//! section 4.4.2.2, with the private numbers beside the public ones) and JSON Web Keys (RFC 7517,
//! RFC 7518 section 6, RFC 8037).

use data_encoding::BASE64URL_NOPAD;
use rustls_pki_types::pem::SectionKind;
use serde_json::Value;
use zeroize::Zeroizing;

use super::keys::{Form, KeyOwner, KeyProtection, OwnKeys, SeenKey, find, owner_of};
use crate::keypair::pkcs8_of_rsa;
use crate::keystore::to_pkcs8;
use crate::unpack::base64;
use secret::SecretBytes;

/// How such a key begins in XML, and what a JSON Web Key says of its kind.
const XML: &[u8] = b"<RSAKeyValue";
const JWK: &[u8] = b"\"kty\"";
/// Octets of a key of either form. One of 16384 bits takes twelve thousand.
const LONGEST: usize = 64 * 1024;
/// Keys that are looked at in one text.
const MOST: usize = 1000;

/// Whether a text may have such a key, however its signs are escaped.
pub(super) fn is_likely(text: &[u8]) -> bool {
    find(text, &XML[1..]).is_some() || find(text, &JWK[1..JWK.len() - 1]).is_some()
}

/// All such keys of a text.
pub(super) fn look(text: &[u8], known: &OwnKeys) -> Vec<SeenKey> {
    let mut seen = Vec::new();
    for at in places(text, XML) {
        let key = &text[at..text.len().min(at + LONGEST)];
        seen.extend(xml(key).map(|key| open(Form::Xml, key, known)));
    }
    for at in places(text, JWK) {
        seen.extend(jwk(text, at).map(|key| open(Form::Jwk, key, known)));
    }
    seen
}

fn places(text: &[u8], mark: &[u8]) -> Vec<usize> {
    let (mut places, mut from) = (Vec::new(), 0);
    while let Some(at) = find(&text[from..], mark).filter(|_| places.len() < MOST) {
        places.push(from + at);
        from += at + mark.len();
    }
    places
}

/// A key, or `None` in it where it is of a kind that is not read.
type FoundKey = Option<SecretBytes>;

fn open(form: Form, key: FoundKey, known: &OwnKeys) -> SeenKey {
    SeenKey {
        form,
        protection: KeyProtection::Open,
        owner: key.map_or(KeyOwner::Other, |pkcs8| owner_of(&pkcs8, known)),
    }
}

/// `None` where it has no private number.
fn xml(text: &[u8]) -> Option<FoundKey> {
    let end = find(text, b"</RSAKeyValue").unwrap_or(text.len());
    let number = |name: &str| {
        let (begin, end_tag) = (format!("<{name}>"), format!("</{name}>"));
        let start = find(&text[..end], begin.as_bytes())? + begin.len();
        let length = find(&text[start..end], end_tag.as_bytes())?;
        Some(base64::decode(&text[start..start + length]))
    };
    number("D")?;
    let names = ["Modulus", "Exponent", "D", "P", "Q", "DP", "DQ", "InverseQ"];
    Some(pkcs8_of_rsa(
        &names.map(|name| number(name).unwrap_or_default()),
    ))
}

/// The object around a place in JSON, which has no other object in it; `None` where it has no
/// private number, or is no JSON.
fn jwk(text: &[u8], at: usize) -> Option<FoundKey> {
    let before = &text[at.saturating_sub(LONGEST)..at];
    let start = at - before.len() + before.iter().rposition(|byte| *byte == b'{')?;
    let after = &text[at..text.len().min(at + LONGEST)];
    let end = at + after.iter().position(|byte| *byte == b'}')?;
    let object: Value = serde_json::from_slice(&text[start..=end]).ok()?;
    let number = |name: &str| {
        let digits = object.get(name)?.as_str()?.trim_end_matches('=');
        let octets = BASE64URL_NOPAD.decode(digits.as_bytes()).ok()?;
        Some(Zeroizing::new(octets))
    };
    let secret = number("d")?;
    let kind = object.get("kty")?.as_str()?;
    let curve = object
        .get("crv")
        .and_then(Value::as_str)
        .unwrap_or_default();
    Some(match (kind, curve) {
        ("RSA", _) => {
            let names = ["n", "e", "d", "p", "q", "dp", "dq", "qi"];
            pkcs8_of_rsa(&names.map(|name| number(name).unwrap_or_default()))
        }
        ("EC", "P-256") => elliptic(b"\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07", &secret),
        ("EC", "P-384") => elliptic(b"\x06\x05\x2b\x81\x04\x00\x22", &secret),
        ("EC", "P-521") => elliptic(b"\x06\x05\x2b\x81\x04\x00\x23", &secret),
        ("OKP", "Ed25519") if secret.len() == 32 => {
            const HEAD: &[u8] = b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20";
            Some(SecretBytes::new([HEAD, &secret].concat()))
        }
        _ => None,
    })
}

/// RFC 5915: version, scalar, curve. All of it is shorter than 128 octets.
fn elliptic(curve: &[u8], scalar: &[u8]) -> FoundKey {
    let length = u8::try_from(scalar.len())
        .ok()
        .filter(|length| *length <= 66)?;
    let curve_length = u8::try_from(curve.len()).ok()?;
    let mut key = vec![0x30, 7 + length + curve_length, 2, 1, 1, 4, length];
    key.extend_from_slice(scalar);
    key.extend_from_slice(&[0xa0, curve_length]);
    key.extend_from_slice(curve);
    to_pkcs8(SectionKind::EcPrivateKey, SecretBytes::new(key))
}
