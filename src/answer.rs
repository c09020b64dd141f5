//! The certificates in a certificate authority's answer: PKCS#7 (RFC 2315, RFC 5652) or plain
//! certificates, as a file or as text: PEM, or the whole mail around it. Nothing is believed of
//! them here: whose key they are for, and which of them are a chain, is for the caller to find out.

use std::borrow::Cow;

use data_encoding::BASE64;

use crate::keypair::Certificate;

/// Bytes of an answer. A mail with a chain has twenty thousand.
const MAX_SIZE: usize = 8 << 20;
/// Certificates in it. The largest bundles that authorities hand out have a few hundred.
const MAX_CERTIFICATES: usize = 1000;
/// Labels of PEM blocks that hold certificates. A block of any other kind (a mail may repeat the
/// request) is skipped.
const LABELS: [&str; 6] = [
    "CERTIFICATE",
    "X509 CERTIFICATE",
    "TRUSTED CERTIFICATE",
    "PKCS7",
    "PKCS #7 SIGNED DATA",
    "CMS",
];
/// How often base64 is looked for in what was base64: a mail's encoded body has the answer's own in
/// it.
const MAX_NESTING: usize = 1;

/// Why there are no certificates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    /// More bytes or certificates than any answer has.
    #[error("larger than any answer of a certificate authority")]
    TooLarge,
    /// It holds no certificate.
    #[error("no certificate in it")]
    NoCertificate,
    /// What should be certificates is cut off or garbled.
    #[error("cut off or garbled")]
    Damaged,
}

/// The certificates of an answer, each once, in its order.
///
/// Taken are: DER and BER; PEM under any of its usual labels; base64 lines without a label, such as
/// the `[PKCS7 File]` block of a mail; each also in UTF-16, quoted with `>`, and in a mail whose
/// body is in quoted-printable or base64. Other text may be in any encoding, as it is not looked
/// at.
///
/// # Errors
/// See [`AnswerError`].
pub fn certificates(answer: &[u8]) -> Result<Vec<Certificate>, AnswerError> {
    if answer.len() > MAX_SIZE {
        return Err(AnswerError::TooLarge);
    }
    let mut found = FoundCertificates::default();
    if is_encoded(answer) {
        found.take_encoded(answer)?;
    } else {
        let text = from_utf16(answer);
        // Without its padding undone, quoted-printable looks like damage; so that is only believed
        // if both say so.
        found.take_text(&text, 0).or_else(|error| {
            found = FoundCertificates::default();
            found
                .take_text(&from_quoted_printable(&text), 0)
                .map_err(|_| error)
        })?;
    }
    if found.certificates.is_empty() {
        Err(AnswerError::NoCertificate)
    } else {
        Ok(found.certificates)
    }
}

/// Whether bytes begin as a certificate or a PKCS#7 does in DER or BER: a SEQUENCE that is longer
/// than 127 octets.
fn is_encoded(bytes: &[u8]) -> bool {
    matches!(bytes, [0x30, 0x80..=0x84, ..])
}

#[derive(Default)]
struct FoundCertificates {
    certificates: Vec<Certificate>,
}

impl FoundCertificates {
    /// A PKCS#7 or a certificate. Anything else that is well-formed is none of ours.
    fn take_encoded(&mut self, bytes: &[u8]) -> Result<(), AnswerError> {
        let Some(bundle) = pfx::pkcs7::certificates(bytes).map_err(damaged)? else {
            let single = pfx::pkcs7::to_der(bytes).map_err(damaged)?;
            return self.take_certificate(single).or(Ok(()));
        };
        bundle
            .into_iter()
            .try_for_each(|certificate| self.take_certificate(certificate))
    }

    fn take_certificate(&mut self, der: Vec<u8>) -> Result<(), AnswerError> {
        let certificate = Certificate::parse(der).map_err(|_| AnswerError::Damaged)?;
        if self.certificates.len() == MAX_CERTIFICATES {
            return Err(AnswerError::TooLarge);
        }
        if self
            .certificates
            .iter()
            .all(|other| other.der() != certificate.der())
        {
            self.certificates.push(certificate);
        }
        Ok(())
    }

    fn take_text(&mut self, text: &[u8], nesting: usize) -> Result<(), AnswerError> {
        for block in base64_blocks(text) {
            // Ordinary words look like base64, too.
            let decoded = BASE64.decode(&block);
            if block.starts_with(b"MI") {
                let decoded = decoded.map_err(|_| AnswerError::Damaged)?;
                self.take_encoded(&decoded)?;
            } else if let (Ok(decoded), true) = (decoded, nesting < MAX_NESTING) {
                self.take_text(&decoded, nesting + 1)?;
            }
        }
        Ok(())
    }
}

fn damaged(error: pfx::Error) -> AnswerError {
    match error {
        pfx::Error::TooMuchWork { .. } => AnswerError::TooLarge,
        _ => AnswerError::Damaged,
    }
}

/// Runs of lines in base64, each joined to one. A run ends at any other line; at an empty one
/// unless a PEM block is open, as some mail programs double every line's end.
fn base64_blocks(text: &[u8]) -> Vec<Vec<u8>> {
    let mut blocks = vec![Vec::new()];
    let mut block = LineKind::Bare;
    for line in text.split(|byte| *byte == b'\n') {
        let line = without_quoting(line);
        match (&mut blocks[..], block) {
            (_, LineKind::Skipped) if !line.starts_with(b"-----END") => {}
            (_, LineKind::Armoured) if line.is_empty() => {}
            ([.., last], _) if is_base64(line) => last.extend_from_slice(line),
            _ => {
                block = LineKind::after(line);
                blocks.push(Vec::new());
            }
        }
    }
    blocks.retain(|block| !block.is_empty());
    blocks
}

/// What kind of block a line is in.
#[derive(Clone, Copy)]
enum LineKind {
    /// None that PEM knows.
    Bare,
    /// PEM that may hold certificates.
    Armoured,
    /// PEM of another kind.
    Skipped,
}

impl LineKind {
    /// After a line that is not base64.
    fn after(line: &[u8]) -> Self {
        let label = line
            .strip_prefix(b"-----BEGIN ")
            .and_then(|line| line.strip_suffix(b"-----"));
        match label {
            None => Self::Bare,
            Some(label) if LABELS.iter().any(|known| known.as_bytes() == label) => Self::Armoured,
            Some(_) => Self::Skipped,
        }
    }
}

/// A line of a mail without `> ` in front and blanks at its ends.
fn without_quoting(line: &[u8]) -> &[u8] {
    let start = line
        .iter()
        .position(|byte| !matches!(byte, b'>' | b' ' | b'\t'))
        .unwrap_or(line.len());
    line[start..].trim_ascii_end()
}

fn is_base64(line: &[u8]) -> bool {
    !line.is_empty()
        && line
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'='))
}

/// The ASCII in UTF-16, which Notepad calls Unicode; anything else as it is.
fn from_utf16(text: &[u8]) -> Cow<'_, [u8]> {
    let low = match text {
        [0xff, 0xfe, ..] => 0,
        [0xfe, 0xff, ..] => 1,
        _ => return Cow::Borrowed(text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(text)),
    };
    let ascii = |unit: &[u8]| if unit[1 - low] == 0 { unit[low] } else { b'?' };
    Cow::Owned(text[2..].chunks_exact(2).map(ascii).collect())
}

/// RFC 2045 section 6.7: `=3D` is a byte, `=` at the end of a line joins it to the next.
fn from_quoted_printable(text: &[u8]) -> Vec<u8> {
    let digit = |byte: u8| {
        char::from(byte)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
    };
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    loop {
        rest = match rest {
            [] => return decoded,
            [b'=', b'\r', b'\n', after @ ..] | [b'=', b'\n', after @ ..] => after,
            [b'=', high, low, after @ ..] if digit(*high).is_some() && digit(*low).is_some() => {
                decoded.push(digit(*high).unwrap_or(0) << 4 | digit(*low).unwrap_or(0));
                after
            }
            [byte, after @ ..] => {
                decoded.push(*byte);
                after
            }
        }
    }
}
