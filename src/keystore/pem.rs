//! The sections of a PEM text as people, editors and servers leave them: with a mark of UTF-8, in
//! UTF-16, indented, with any line ends or none, one glued to the other.

use data_encoding::{BASE64_NOPAD, HEXUPPER_PERMISSIVE};
use zeroize::Zeroizing;

use secret::SecretBytes;

const BEGIN: &[u8] = b"-----BEGIN ";
const END: &[u8] = b"-----END ";
const DASHES: &[u8] = b"-----";
/// What a section says of its encryption, as OpenSSL did before PKCS#8.
const ENCRYPTION: &[u8] = b"DEK-Info:";

/// What stands between `BEGIN` and `END`.
pub(super) struct PemSection {
    /// The words after `BEGIN`.
    pub(super) label: String,
    /// The octets that were base64.
    pub(super) content: SecretBytes,
    /// How the content is encrypted, where lines above it say so.
    pub(super) encryption: Option<PemEncryption>,
}

/// What `DEK-Info` says.
pub(super) struct PemEncryption {
    /// The cipher, by OpenSSL's name.
    pub(super) cipher: String,
    /// Its initialization vector.
    pub(super) vector: Vec<u8>,
}

/// A section that never ends, or is not base64.
#[derive(Debug, PartialEq)]
pub(super) struct MalformedPem;

/// All sections of a text, each wiped when it goes: any may be a key.
///
/// # Errors
/// Where one of them never ends or is not base64.
pub(super) fn sections(bytes: &[u8]) -> Result<Vec<PemSection>, MalformedPem> {
    let text = in_ascii(bytes);
    let mut rest: &[u8] = &text;
    let mut sections = Vec::new();
    while let Some((_, after)) = split_at(rest, BEGIN) {
        let (label, after) = split_at(after, DASHES).ok_or(MalformedPem)?;
        let (body, after) = split_at(after, END).ok_or(MalformedPem)?;
        sections.push(section(label, body)?);
        rest = split_at(after, DASHES).map_or(after, |(_, after)| after);
    }
    Ok(sections)
}

/// Whether a text has sections at all.
pub(super) fn is_pem(bytes: &[u8]) -> bool {
    split_at(&in_ascii(bytes), BEGIN).is_some()
}

/// What is before and after the first occurrence.
fn split_at<'a>(text: &'a [u8], mark: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = text.windows(mark.len()).position(|part| part == mark)?;
    Some((&text[..at], &text[at + mark.len()..]))
}

fn section(label: &[u8], body: &[u8]) -> Result<PemSection, MalformedPem> {
    let label = String::from_utf8_lossy(label).trim().to_owned();
    let (encryption, body) = match split_at(body, ENCRYPTION) {
        Some((_, after)) => {
            let (encryption, body) = encryption(after)?;
            (Some(encryption), body)
        }
        None => (None, body),
    };
    Ok(PemSection {
        label,
        content: decoded(body)?,
        encryption,
    })
}

/// `CIPHER,VECTOR`, and what follows it.
fn encryption(text: &[u8]) -> Result<(PemEncryption, &[u8]), MalformedPem> {
    let text = text.trim_ascii_start();
    let end = text.iter().position(u8::is_ascii_whitespace);
    let (words, body) = text.split_at(end.ok_or(MalformedPem)?);
    let words = std::str::from_utf8(words).map_err(|_| MalformedPem)?;
    let (cipher, vector) = words.split_once(',').ok_or(MalformedPem)?;
    let vector = HEXUPPER_PERMISSIVE
        .decode(vector.as_bytes())
        .map_err(|_| MalformedPem)?;
    let cipher = cipher.to_owned();
    Ok((PemEncryption { cipher, vector }, body))
}

/// Base64 in whatever lines; lines of a header (`Comment: …`) are left out.
fn decoded(body: &[u8]) -> Result<SecretBytes, MalformedPem> {
    let mut digits = Zeroizing::new(Vec::with_capacity(body.len()));
    for line in body.split(|byte| matches!(byte, b'\r' | b'\n')) {
        if line.contains(&b':') {
            continue;
        }
        let written = line.iter().filter(|byte| !byte.is_ascii_whitespace());
        digits.extend(written.filter(|byte| **byte != b'='));
    }
    let content = BASE64_NOPAD.decode(&digits).map_err(|_| MalformedPem)?;
    Ok(SecretBytes::new(content))
}

/// The text with one octet for each character that PEM uses: UTF-16 is narrowed, with and without
/// its mark; what else stands there is kept, for it is not looked at.
fn in_ascii(bytes: &[u8]) -> Zeroizing<Vec<u8>> {
    let first = match bytes {
        [0xff, 0xfe, ..] => Some(0),
        [0xfe, 0xff, ..] => Some(1),
        _ => wide_dashes(bytes),
    };
    let mut text = Zeroizing::new(Vec::with_capacity(bytes.len()));
    match first {
        Some(first) => text.extend(bytes.iter().skip(first).step_by(2)),
        None => text.extend_from_slice(bytes),
    }
    text
}

/// Where the first of octets that carry letters stands in a text of UTF-16 without a mark: 0 or 1.
fn wide_dashes(bytes: &[u8]) -> Option<usize> {
    let at = bytes.windows(9).position(|part| part == b"-\0-\0-\0-\0-")?;
    Some(at % 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: &str = "-----BEGIN CERTIFICATE-----\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKiss\nLS4v\n-----END CERTIFICATE-----\n";

    fn contents(text: &[u8]) -> Vec<(String, Vec<u8>)> {
        let mut contents = Vec::new();
        for section in sections(text).unwrap() {
            contents.push((section.label, section.content.expose().to_vec()));
        }
        contents
    }

    fn utf16(text: &str, little: bool) -> Vec<u8> {
        let units = text.encode_utf16();
        if little {
            units.flat_map(u16::to_le_bytes).collect()
        } else {
            units.flat_map(u16::to_be_bytes).collect()
        }
    }

    #[test]
    fn a_section_is_read_whatever_an_editor_made_of_it() {
        let expected = [("CERTIFICATE".to_owned(), (0..48).collect::<Vec<u8>>())];
        let indented = PLAIN.replace('\n', "\n\t  ");
        let mut texts = vec![
            PLAIN.into(),
            PLAIN.replace('\n', "\r\n").into_bytes(),
            PLAIN.replace('\n', "\r").into_bytes(),
            PLAIN.replace('\n', "\n\n").into_bytes(),
            PLAIN
                .replace("-----BEGIN", "subject=/CN=例\n  -----BEGIN")
                .into(),
            format!("\u{feff}{PLAIN}").into(),
            format!("  {indented}").into(),
            PLAIN.trim_end().into(),
            PLAIN
                .replace("-----\nAA", "----- AA")
                .replace('\n', " ")
                .into(),
        ];
        for little in [true, false] {
            texts.push(utf16(PLAIN, little));
            texts.push(utf16(&format!("\u{feff}{PLAIN}"), little));
            texts.push(utf16(&format!("x{PLAIN}"), little));
        }
        for text in texts {
            assert_eq!(
                contents(&text),
                expected,
                "{:?}",
                String::from_utf8_lossy(&text)
            );
        }
    }

    #[test]
    fn sections_glued_together_are_two() {
        let glued = format!("{}{PLAIN}", PLAIN.trim_end());
        assert!(glued.contains("----------BEGIN"));
        assert_eq!(contents(glued.as_bytes()).len(), 2);
    }

    #[test]
    fn what_is_cut_off_or_garbled_is_malformed() {
        for text in [
            &PLAIN[..60],
            &PLAIN.replace("AAEC", "A*EC"),
            &PLAIN.replace("LS4v", "LS4vA"),
            "-----BEGIN ",
            "-----BEGIN RSA PRIVATE KEY-----\nDEK-Info: AES-128-CBC\n\nAAEC\n-----END RSA PRIVATE KEY-----",
        ] {
            assert_eq!(
                sections(text.as_bytes()).err(),
                Some(MalformedPem),
                "{text}"
            );
        }
    }

    #[test]
    fn how_a_section_is_encrypted_is_told_in_whatever_lines() {
        let text = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00ffA0\n\nAAEC\n-----END RSA PRIVATE KEY-----\n";
        for text in [
            text.to_owned(),
            text.replace('\n', " "),
            text.replace('\n', "\r\n\t"),
        ] {
            let section = sections(text.as_bytes()).unwrap().pop().unwrap();
            let encryption = section.encryption.unwrap();
            assert_eq!(encryption.cipher, "AES-128-CBC");
            assert_eq!(encryption.vector, [0, 255, 0xa0]);
            assert_eq!(section.content.expose(), [0, 1, 2]);
        }
    }
}
