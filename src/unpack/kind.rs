//! What bytes are by their first octets, and a block of PEM by its label: one answer for everybody
//! who meets a file. No more is believed of it than that it may be so.

use der::{AnyRef, Decode, SliceReader, Tag, Tagged};
use rustls_pki_types::pem::SectionKind;

use super::java;

/// What bytes begin as.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Kind {
    /// PKCS#12 (RFC 7292).
    Pfx,
    /// A private key in PKCS#8, PKCS#1 or SEC 1.
    Key(SectionKind),
    /// One in PKCS#8 under a password.
    EncryptedKey,
    /// One in OpenSSH's form.
    OpenSshKey,
    /// One of a kind that has a label of its own, such as DSA.
    OtherKey,
    /// One in a file of Microsoft's tools.
    Pvk,
    /// RSA's, as CryptoAPI hands it out: `PRIVATEKEYBLOB`.
    CapiKey,
    /// A key store of Java: JKS or JCEKS.
    JavaStore,
    /// A key store of BouncyCastle's for FIPS.
    Bcfks,
    /// A PKCS#7 with signed data (RFC 2315, RFC 5652).
    Bundle,
    /// A SEQUENCE in a SEQUENCE, each longer than 127 octets, as of a certificate.
    Certificate,
    /// RFC 2986.
    Request,
    /// RFC 5280 section 5.
    RevocationList,
    /// None of these.
    Unknown,
}

/// How many INTEGERs follow one another at the beginning of a SEQUENCE.
pub(crate) fn count_numbers(sequence: &[u8]) -> usize {
    let inside = content(sequence).unwrap_or_default();
    let Ok(mut reader) = SliceReader::new(inside) else {
        return 0;
    };
    let is_number =
        |element: der::Result<AnyRef<'_>>| element.is_ok_and(|it| it.tag() == Tag::Integer);
    std::iter::from_fn(|| Some(AnyRef::decode(&mut reader)))
        .take_while(|element| is_number(*element))
        .count()
}

/// Octets from which [`Kind::of`] tells keys and key stores.
pub(crate) const SHORTEST_HEAD: usize = 48;

/// How a key begins in OpenSSH's form (PROTOCOL.key), which stands in PEM only.
pub(crate) const OPENSSH: &[u8] = b"openssh-key-v1\0";
const PVK: &[u8] = b"\x1e\xf1\xb5\xb0";
/// `BLOBHEADER`: a private key, version 2; between them and `RSAPUBKEY` the algorithm.
const CAPI: &[u8] = b"\x07\x02\x00\x00";
const CAPI_RSA: &[u8] = b"RSA2";
/// Object identifiers without their length: those of PKCS#7, of PKCS#5 and of the password-based
/// ciphers of PKCS#12.
const PKCS7: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x07";
const PKCS5: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x05";
const PKCS12_PBE: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x0c\x01";
const SIGNED_DATA: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02";

impl Kind {
    /// By the first octets, of which there may be few. DER and BER alike.
    pub(crate) fn of(head: &[u8]) -> Self {
        if head.starts_with(PVK) {
            return Self::Pvk;
        }
        if head.starts_with(CAPI) && head.get(8..12) == Some(CAPI_RSA) {
            return Self::CapiKey;
        }
        if head.starts_with(java::JKS) || head.starts_with(java::JCEKS) {
            return Self::JavaStore;
        }
        let Some(inside) = content(head) else {
            return Self::Unknown;
        };
        match inside {
            _ if begins_with(inside, SIGNED_DATA) => Self::Bundle,
            [2, 1, 3, info @ ..] if content(info).is_some_and(|info| begins_with(info, PKCS7)) => {
                Self::Pfx
            }
            [2, 1, 0 | 1, 0x30, ..] => Self::Key(SectionKind::PrivateKey),
            [2, 1, 0 | 1, 2, ..] => Self::Key(SectionKind::RsaPrivateKey),
            [2, 1, 1, 4, ..] => Self::Key(SectionKind::EcPrivateKey),
            [0x30, ..] => Self::of_two(inside),
            _ => Self::Unknown,
        }
    }

    /// A SEQUENCE that begins with another.
    fn of_two(inside: &[u8]) -> Self {
        let Some(signed) = content(inside) else {
            return Self::Unknown;
        };
        let is_secret = |algorithm: &[u8]| begins_with(algorithm, PKCS5);
        match signed {
            _ if is_secret(signed) || begins_with(signed, PKCS12_PBE) => Self::EncryptedKey,
            // An `ObjectStore` has its `EncryptedObjectStoreData` in it, and that its algorithm.
            [0x30, ..] if content(signed).is_some_and(is_secret) => Self::Bcfks,
            // Version 0, and a name: a SET is in it where a certificate has an algorithm.
            [2, 1, 0, 0x30, rest @ ..] if is_name(rest) => Self::Request,
            // Version 2 is 1, and an algorithm; a certificate says it as [0], and one of version 1
            // has a name after the algorithm as a list has.
            [2, 1, 1, 0x30, ..] | [0x30, ..] if is_revocation_list(signed) => Self::RevocationList,
            _ if is_encoded(inside) => Self::Certificate,
            _ => Self::Unknown,
        }
    }

    /// By the label of a block of PEM (RFC 7468, and those that programs wrote before).
    pub(crate) fn of_label(label: &[u8]) -> Self {
        match label {
            b"CERTIFICATE" | b"X509 CERTIFICATE" | b"TRUSTED CERTIFICATE" => Self::Certificate,
            b"PKCS7" | b"PKCS #7 SIGNED DATA" | b"CMS" => Self::Bundle,
            b"PKCS12" => Self::Pfx,
            b"CERTIFICATE REQUEST" | b"NEW CERTIFICATE REQUEST" => Self::Request,
            b"X509 CRL" => Self::RevocationList,
            b"PRIVATE KEY" => Self::Key(SectionKind::PrivateKey),
            b"RSA PRIVATE KEY" => Self::Key(SectionKind::RsaPrivateKey),
            b"EC PRIVATE KEY" => Self::Key(SectionKind::EcPrivateKey),
            b"ENCRYPTED PRIVATE KEY" => Self::EncryptedKey,
            b"OPENSSH PRIVATE KEY" => Self::OpenSshKey,
            _ if label.ends_with(b"PRIVATE KEY") => Self::OtherKey,
            _ => Self::Unknown,
        }
    }

    /// Whether a private key may be in it.
    pub(crate) fn may_have_key(self) -> bool {
        match self {
            Self::Bundle
            | Self::Certificate
            | Self::Request
            | Self::RevocationList
            | Self::Unknown => false,
            Self::Pfx
            | Self::Key(_)
            | Self::EncryptedKey
            | Self::OpenSshKey
            | Self::OtherKey
            | Self::Pvk
            | Self::CapiKey
            | Self::JavaStore
            | Self::Bcfks => true,
        }
    }

    /// Whether certificates are in it and no key is.
    pub(crate) fn has_certificates(self) -> bool {
        matches!(self, Self::Bundle | Self::Certificate)
    }
}

/// The octets of the element that bytes begin with, its header included; `None` where that is not
/// said.
pub(crate) fn length(bytes: &[u8]) -> Option<usize> {
    let first = *bytes.get(1)?;
    if first < 0x80 {
        return Some(usize::from(first) + 2);
    }
    let octets = bytes.get(2..2 + usize::from(first & 0x7f))?;
    if octets.is_empty() || octets.len() > 4 {
        return None;
    }
    let length = octets
        .iter()
        .fold(0, |length, octet| length << 8 | usize::from(*octet));
    Some(length + 2 + octets.len())
}

/// The element that bytes begin with, whatever follows it; all of them where it does not say its
/// length; `None` where it is cut off.
pub(crate) fn first_element(bytes: &[u8]) -> Option<&[u8]> {
    match (bytes, length(bytes)) {
        (_, Some(length)) => bytes.get(..length),
        ([_, 0x80, ..], None) => Some(bytes),
        _ => None,
    }
}

/// Whether bytes begin as a certificate or a PKCS#7 does in DER or BER: a SEQUENCE that is longer
/// than 127 octets.
pub(crate) fn is_encoded(bytes: &[u8]) -> bool {
    matches!(bytes, [0x30, 0x80..=0x84, ..])
}

/// What is in the SEQUENCE that bytes begin with, and what follows it.
fn content(bytes: &[u8]) -> Option<&[u8]> {
    match bytes {
        [0x30, 0..=0x80, inside @ ..]
        | [0x30, 0x81, _, inside @ ..]
        | [0x30, 0x82, _, _, inside @ ..]
        | [0x30, 0x83, _, _, _, inside @ ..]
        | [0x30, 0x84, _, _, _, _, inside @ ..] => Some(inside),
        _ => None,
    }
}

/// Whether an object identifier is there that begins so.
fn begins_with(bytes: &[u8], oid: &[u8]) -> bool {
    matches!(bytes, [6, _, rest @ ..] if rest.starts_with(oid))
}

/// Whether a name follows, whose tag was seen: none, or with a SET in it.
fn is_name(length_and_rest: &[u8]) -> bool {
    matches!(
        length_and_rest,
        [0, ..] | [0x01..=0x7f, 0x31, ..] | [0x81, _, 0x31, ..] | [0x82, _, _, 0x31, ..]
    )
}

/// Whether a time follows the names, where a certificate has two in a SEQUENCE.
fn is_revocation_list(signed: &[u8]) -> bool {
    let start = if signed[0] == 2 { &signed[3..] } else { signed };
    let time = after(start).and_then(after);
    time.is_some_and(|time| matches!(time.first(), Some(0x17 | 0x18)))
}

/// What follows the first element.
fn after(bytes: &[u8]) -> Option<&[u8]> {
    bytes.get(length(bytes)?..)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_of_any_length_is_judged_and_elements_that_are_cut_off_are_none() {
        let heads: [&[u8]; 8] = [
            b"\x30\x82\x05\x16\x02\x01\x03\x30\x82\x04\xdc\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01",
            b"\x30\x80\x02\x01\x03\x30\x80\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01",
            b"\x30\x81\xb0\x30\x1b\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x05\x0d\x30",
            b"\x30\x81\xb0\x30\x1c\x06\x0a\x2a\x86\x48\x86\xf7\x0d\x01\x0c\x01\x03\x30",
            b"\x30\x82\x04\x00\x30\x82\x03\x00\x30\x60\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x05\x0d",
            b"\xfe\xed\xfe\xed\0\0\0\x02",
            b"\x30\x82\x04\x00\x30\x82\x03\x00\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b",
            b"\x30\x03\x02\x01\x0a",
        ];
        let kinds = [
            Kind::Pfx,
            Kind::Pfx,
            Kind::EncryptedKey,
            Kind::EncryptedKey,
            Kind::Bcfks,
            Kind::JavaStore,
            Kind::Certificate,
            Kind::Unknown,
        ];
        for (head, kind) in heads.into_iter().zip(kinds) {
            assert_eq!(Kind::of(head), kind, "{head:x?}");
            for end in 0..head.len() {
                let _ = Kind::of(&head[..end]);
                assert_eq!(
                    first_element(&head[..end]).is_some(),
                    head[1] == 0x80 && end > 1
                );
            }
        }
        assert_eq!(
            first_element(b"\x30\x01\x05\r\n"),
            Some(&b"\x30\x01\x05"[..])
        );
    }

    #[test]
    fn a_label_says_what_a_block_is_and_any_private_key_is_one() {
        for (label, kind) in [
            ("TRUSTED CERTIFICATE", Kind::Certificate),
            ("PKCS #7 SIGNED DATA", Kind::Bundle),
            ("RSA PRIVATE KEY", Kind::Key(SectionKind::RsaPrivateKey)),
            ("DSA PRIVATE KEY", Kind::OtherKey),
            ("PUBLIC KEY", Kind::Unknown),
        ] {
            assert_eq!(Kind::of_label(label.as_bytes()), kind, "{label}");
        }
    }
}
