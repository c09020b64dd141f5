//! What a certificate authority answers: PKCS#7 (RFC 2315, RFC 5652) or plain certificates, as a
//! file, in an archive, or in whatever text is around them. Nothing is believed of them here: whose
//! key they are for, and which of them are a chain, is for the caller to find out.

use std::io::Cursor;

use data_encoding::HEXUPPER;
use sha1::{Digest, Sha1};

use crate::keypair::Certificate;
use crate::unpack::{self, Container, Parts, base64, mail, text};

/// Bytes of an answer. A mail with a chain has twenty thousand.
const MAX_SIZE: usize = 8 << 20;
/// Bytes that are taken out of archives, mail and base64, in all.
const MAX_UNPACKED: u64 = 64 << 20;
/// Certificates in it. The largest bundles that authorities hand out have a few hundred.
const MAX_CERTIFICATES: usize = 1000;
/// Certificates that are named because they cannot be read.
const MOST_UNREADABLE: usize = 100;
/// Files and texts within one another: a mail in a mail with an archive is three deep.
const DEEPEST: usize = 6;
/// Names of files that are kept.
const MOST_NAMES: usize = 8;
/// Labels of PEM blocks that hold certificates.
const LABELS: [&[u8]; 6] = [
    b"CERTIFICATE",
    b"X509 CERTIFICATE",
    b"TRUSTED CERTIFICATE",
    b"PKCS7",
    b"PKCS #7 SIGNED DATA",
    b"CMS",
];
/// Octets of an element that tell its kind and its length.
const HEAD: usize = 24;
/// Octets of base64 that make a certificate which has no end, and not a word that looks like one.
const EVIDENT: usize = 48;

/// What an answer holds.
#[derive(Debug, Default)]
pub struct Received {
    /// The certificates that can be read, each once, in their order.
    pub certificates: Vec<Certificate>,
    /// Those that cannot.
    pub unreadable: Vec<Unreadable>,
}

/// A certificate that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// Which of the certificates it is, from one on.
    pub place: usize,
    /// SHA-1 of it, as Windows and OpenSSL show it; nothing where it is cut off.
    pub thumbprint: Option<String>,
}

/// Why there are no certificates.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    /// More bytes or certificates than any answer has.
    #[error("larger than any answer of a certificate authority")]
    TooLarge,
    /// It holds no certificate.
    #[error("no certificate in it")]
    NoCertificate(Instead),
    /// What should be certificates is cut off or garbled.
    #[error("cut off or garbled")]
    Damaged,
    /// Its certificates are whole, and none can be read.
    #[error("the certificate in it cannot be read")]
    Unreadable,
}

/// What there is instead of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Instead {
    /// The request itself.
    Request,
    /// A key pair.
    Pfx,
    /// A private key.
    PrivateKey,
    /// A list of revoked certificates.
    RevocationList,
    /// An archive with a password, or one of a kind that is not read.
    ClosedArchive,
    /// Files attached to a mail or in an archive, with their names.
    OtherFiles(Vec<String>),
    /// A mail in HTML, with nothing attached.
    HtmlMail,
    /// A mail with nothing attached.
    Mail,
    /// None of these.
    Unknown,
}

/// The certificates of an answer.
///
/// Taken are DER and BER with anything behind it; PEM under any of its usual labels, and base64
/// without one; each in UTF-16, quoted, in one line, with its line ends escaped, in HTML, in
/// quoted-printable, in base64 once more; in the parts of a mail and what is attached to it; in the
/// files of an archive. What begins as a certificate and is none keeps nothing else from being
/// found.
///
/// # Errors
/// See [`AnswerError`].
pub fn read(answer: &[u8]) -> Result<Received, AnswerError> {
    if answer.len() > MAX_SIZE {
        return Err(AnswerError::TooLarge);
    }
    let mut reading = AnswerReading {
        left: MAX_UNPACKED,
        ..AnswerReading::default()
    };
    reading.bytes(answer);
    reading.finish()
}

#[derive(Default)]
struct AnswerReading {
    certificates: Vec<Certificate>,
    /// How often a certificate was found, the same one again included.
    hits: usize,
    unreadable: Vec<Unreadable>,
    left: u64,
    is_too_large: bool,
    nesting: usize,
    /// What was seen on the way.
    instead: Option<Instead>,
    is_closed: bool,
    is_mail: bool,
    is_html: bool,
    names: Vec<String>,
}

/// Ways in which a text is looked at; the first that finds something is right.
const READINGS: [fn(&mut AnswerReading, &[u8]); 4] = [
    AnswerReading::mail,
    AnswerReading::plain_text,
    AnswerReading::quoted_printable,
    AnswerReading::base64_lines,
];

impl AnswerReading {
    fn finish(self) -> Result<Received, AnswerError> {
        if self.is_too_large {
            return Err(AnswerError::TooLarge);
        }
        let unreadable = self.unreadable;
        if !self.certificates.is_empty() {
            return Ok(Received {
                certificates: self.certificates,
                unreadable,
            });
        }
        if unreadable.iter().any(|one| one.thumbprint.is_some()) {
            return Err(AnswerError::Unreadable);
        }
        if !unreadable.is_empty() {
            return Err(AnswerError::Damaged);
        }
        let seen = match self.instead {
            Some(instead) => instead,
            None if self.is_closed => Instead::ClosedArchive,
            None if !self.names.is_empty() => Instead::OtherFiles(self.names),
            None if self.is_html => Instead::HtmlMail,
            None if self.is_mail => Instead::Mail,
            None => Instead::Unknown,
        };
        Err(AnswerError::NoCertificate(seen))
    }

    /// A file, whatever it is.
    fn bytes(&mut self, bytes: &[u8]) {
        if let Some(container) = unpack::container(bytes) {
            self.is_closed |= container == Container::Closed;
            return unpack::open(container, self, Cursor::new(bytes), bytes.len() as u64);
        }
        let start = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        if self.encoded(start.trim_ascii_start()) {
            return;
        }
        let mut narrow = text::narrow(bytes);
        if !narrow.contains(&b'\n') {
            for byte in narrow.iter_mut().filter(|byte| **byte == b'\r') {
                *byte = b'\n';
            }
        }
        self.text(&narrow);
    }

    /// Everything in DER or BER that bytes begin with; whether that is what they are.
    fn encoded(&mut self, bytes: &[u8]) -> bool {
        let (mut rest, mut found) = (bytes, false);
        while is_encoded(rest) && self.element(rest, false) {
            found = true;
            let length = pfx::pkcs7::length(rest).unwrap_or(rest.len());
            rest = rest[length..].trim_ascii_start();
        }
        if !found && is_encoded(bytes) && ElementKind::of(bytes).is_wanted() {
            self.add_unreadable(None);
        }
        found
    }

    /// A PKCS#7 or a certificate that bytes begin with; whether it is an element at all that is
    /// known here. `is_labelled` where it is said to be a certificate.
    fn element(&mut self, bytes: &[u8], is_labelled: bool) -> bool {
        let kind = ElementKind::of(bytes);
        if let ElementKind::Other(instead) = kind {
            self.instead.get_or_insert(instead);
            return true;
        }
        match pfx::pkcs7::certificates(bytes) {
            Ok(Some(bundle)) => {
                for certificate in bundle {
                    self.certificate(certificate);
                }
                true
            }
            Ok(None) => match pfx::pkcs7::to_der(bytes) {
                Ok(der) if is_labelled || is_certificate(kind, &der) => {
                    self.certificate(der);
                    true
                }
                _ => false,
            },
            Err(pfx::Error::TooMuchWork { .. }) => {
                self.is_too_large = true;
                true
            }
            Err(_) if kind == ElementKind::Bundle => {
                self.add_unreadable(None);
                true
            }
            Err(_) => false,
        }
    }

    fn certificate(&mut self, der: Vec<u8>) {
        let thumbprint = HEXUPPER.encode(&Sha1::digest(&der));
        let Ok(certificate) = Certificate::parse(der) else {
            return self.add_unreadable(Some(thumbprint));
        };
        self.hits += 1;
        let is_known = |other: &Certificate| other.der() == certificate.der();
        if self.certificates.iter().any(is_known) {
            return;
        }
        if self.certificates.len() == MAX_CERTIFICATES {
            self.is_too_large = true;
            return;
        }
        self.certificates.push(certificate);
    }

    fn add_unreadable(&mut self, thumbprint: Option<String>) {
        let unreadable = &mut self.unreadable;
        let is_known = |one: &Unreadable| thumbprint.is_some() && one.thumbprint == thumbprint;
        if unreadable.len() == MOST_UNREADABLE || unreadable.iter().any(is_known) {
            return;
        }
        unreadable.push(Unreadable {
            place: self.certificates.len() + unreadable.len() + 1,
            thumbprint,
        });
    }

    /// A text in one of the ways in which it may be meant. What is wrong in a way that finds nothing
    /// is of no account where another finds something.
    fn text(&mut self, text: &[u8]) {
        let (before, hits) = (self.unreadable.clone(), self.hits);
        let mut first = None;
        for reading in READINGS {
            self.unreadable = before.clone();
            reading(self, text);
            if self.hits > hits || self.is_too_large {
                return;
            }
            if self.unreadable != before {
                first.get_or_insert(self.unreadable.clone());
            }
        }
        self.unreadable = first.unwrap_or(before);
    }

    fn mail(&mut self, text: &[u8]) {
        if !mail::is_mail(text) {
            return;
        }
        self.is_mail = true;
        mail::parts(text, |part| self.part(part.name, &part.bytes));
    }

    fn plain_text(&mut self, text: &[u8]) {
        self.is_html |= text::is_html(text);
        self.candidates(&text::plain(text));
    }

    fn quoted_printable(&mut self, text: &[u8]) {
        let decoded = text::from_quoted_printable(text);
        if decoded.len() < text.len() {
            self.candidates(&text::plain(&decoded));
        }
    }

    /// Lines of base64 that are a text or a file of their own, as in the body of a mail.
    fn base64_lines(&mut self, text: &[u8]) {
        for block in base64_blocks(text) {
            let decoded = base64::decode(&block);
            // A certificate was looked for in it before, with more care about its end.
            if !ElementKind::of(&decoded).is_wanted() {
                self.nested(&decoded);
            }
        }
    }

    /// What was a text or a file once more.
    fn nested(&mut self, bytes: &[u8]) {
        if self.nesting == DEEPEST || bytes.len() as u64 > self.left {
            self.is_too_large |= bytes.len() as u64 > self.left;
            return;
        }
        self.left -= bytes.len() as u64;
        self.nesting += 1;
        self.bytes(bytes);
        self.nesting -= 1;
    }

    /// Everything in a text that may be a certificate.
    fn candidates(&mut self, text: &[u8]) {
        let mut at = 0;
        // Where a block begins that is said to hold certificates, and none was found in it yet.
        let (mut block, mut is_labelled) = (None, false);
        while at < text.len() && !self.is_too_large {
            if text[at..].starts_with(b"-----") {
                self.end_block(text, block.take(), at);
                let label = label(&text[at..]);
                is_labelled = label.is_some_and(|label| LABELS.contains(&label));
                at += label.map_or(5, |label| b"-----BEGIN -----".len() + label.len());
                block = is_labelled.then_some(at);
                if label.is_some_and(|label| label.ends_with(b"PRIVATE KEY")) {
                    self.instead.get_or_insert(Instead::PrivateKey);
                }
                continue;
            }
            let end = self.candidate(text, at, is_labelled);
            if end.is_some() {
                block = None;
            }
            at = end.unwrap_or(at + 1);
        }
        self.end_block(text, block, text.len());
    }

    /// A block that holds much and no certificate was meant to be one.
    fn end_block(&mut self, text: &[u8], block: Option<usize>, end: usize) {
        let Some(start) = block else { return };
        let digits = text[start..end]
            .iter()
            .filter(|byte| base64::is_digit(**byte));
        if digits.count() > EVIDENT {
            self.add_unreadable(None);
        }
    }

    /// What may begin here; where it ends if it was something.
    fn candidate(&mut self, text: &[u8], at: usize, is_labelled: bool) -> Option<usize> {
        if at > 0 && base64::is_digit(text[at - 1]) {
            return None;
        }
        if let Some(pem) = base64::pem_at(text, at) {
            self.nested(&pem.bytes);
            return Some(pem.end);
        }
        if text[at..].starts_with(b"UEsDB") {
            let archive = base64::octets_at(text, at, text.len(), false);
            self.nested(&archive.bytes);
            return Some(archive.end);
        }
        if !text[at..].starts_with(b"MI") {
            return None;
        }
        let head = base64::octets_at(text, at, HEAD, is_labelled).bytes;
        let kind = ElementKind::of(&head);
        if let ElementKind::Other(instead) = kind {
            self.instead.get_or_insert(instead);
            return None;
        }
        if !is_encoded(&head) || !(is_labelled || kind.is_wanted()) {
            return None;
        }
        self.element_in_base64(text, at, length(&head), is_labelled)
    }

    /// A certificate or PKCS#7 of this length; `None` if its end is not said.
    fn element_in_base64(
        &mut self,
        text: &[u8],
        at: usize,
        length: Option<usize>,
        is_labelled: bool,
    ) -> Option<usize> {
        let most = length.unwrap_or(text.len()).min(text.len());
        let read = base64::octets_at(text, at, most, is_labelled);
        let Some(left) = self.left.checked_sub(read.bytes.len() as u64) else {
            self.is_too_large = true;
            return None;
        };
        self.left = left;
        let is_whole = length.is_none_or(|length| length <= read.bytes.len());
        if !is_whole {
            if read.bytes.len() > EVIDENT {
                self.add_unreadable(None);
                return Some(read.end);
            }
            return None;
        }
        // Words that follow would fill one up that is cut off.
        if !is_labelled && !ends_there(text, read.end) {
            self.add_unreadable(None);
            return Some(read.end);
        }
        self.element(&read.bytes, is_labelled).then_some(read.end)
    }
}

impl Parts for AnswerReading {
    fn part(&mut self, name: String, bytes: &[u8]) {
        if !name.is_empty() && self.names.len() < MOST_NAMES {
            self.names.push(name);
        }
        self.nested(bytes);
    }

    fn wants(&self, _head: &[u8]) -> bool {
        true
    }

    fn left(&mut self) -> &mut u64 {
        &mut self.left
    }

    fn leave_out(&mut self) {
        self.is_closed = true;
    }

    fn as_mail<T>(&mut self, look: impl FnOnce(&mut Self) -> T) -> T {
        self.is_mail = true;
        look(self)
    }
}

/// Whether an element is one, or looks as if.
fn is_certificate(kind: ElementKind, der: &[u8]) -> bool {
    kind == ElementKind::Certificate || Certificate::parse(der.to_vec()).is_ok()
}

/// What an element is, by its first octets.
#[derive(Debug, Clone, PartialEq, Eq)]
enum ElementKind {
    /// A PKCS#7 with signed data.
    Bundle,
    /// A SEQUENCE in a SEQUENCE, each longer than 127 octets, as of a certificate.
    Certificate,
    /// Known, and no certificate.
    Other(Instead),
    Unknown,
}

impl ElementKind {
    fn of(bytes: &[u8]) -> Self {
        const SIGNED_DATA: &[u8] = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02";
        let Some(inside) = content(bytes) else {
            return Self::Unknown;
        };
        if inside.starts_with(SIGNED_DATA) {
            return Self::Bundle;
        }
        match inside {
            [2, 1, 3, 0x30, ..] => return Self::Other(Instead::Pfx),
            [2, 1, 0 | 1, 0x30 | 2 | 4, ..] => return Self::Other(Instead::PrivateKey),
            [0x30, ..] => {}
            _ => return Self::Unknown,
        }
        let Some(signed) = content(inside) else {
            return Self::Unknown;
        };
        match signed {
            // RFC 2986: version 0, and a name: a SET is in it where a certificate has an algorithm.
            [2, 1, 0, 0x30, rest @ ..] if is_name(rest) => Self::Other(Instead::Request),
            // RFC 5280 section 5.1: version 2 is 1, and an algorithm; a certificate says it as [0],
            // and one of version 1 has a name after the algorithm as a list has.
            [2, 1, 1, 0x30, ..] | [0x30, ..] if is_revocation_list(signed) => {
                Self::Other(Instead::RevocationList)
            }
            _ if is_encoded(inside) => Self::Certificate,
            _ => Self::Unknown,
        }
    }

    fn is_wanted(&self) -> bool {
        matches!(self, Self::Bundle | Self::Certificate)
    }
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

/// The content of the SEQUENCE that bytes begin with, and what follows it.
fn content(bytes: &[u8]) -> Option<&[u8]> {
    match bytes {
        [0x30, 0x81, _, inside @ ..]
        | [0x30, 0x82, _, _, inside @ ..]
        | [0x30, 0x83, _, _, _, inside @ ..]
        | [0x30, 0x84, _, _, _, _, inside @ ..]
        | [0x30, 0..=0x80, inside @ ..] => Some(inside),
        _ => None,
    }
}

/// Whether bytes begin as a certificate or a PKCS#7 does in DER or BER: a SEQUENCE that is longer
/// than 127 octets.
fn is_encoded(bytes: &[u8]) -> bool {
    matches!(bytes, [0x30, 0x80..=0x84, ..])
}

/// The length of the element that bytes begin with, its header included; `None` where that is not
/// said.
fn length(bytes: &[u8]) -> Option<usize> {
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

/// The label of a block of PEM that begins here.
fn label(text: &[u8]) -> Option<&[u8]> {
    let rest = text.strip_prefix(b"-----BEGIN ")?;
    let end = rest[..rest.len().min(64)]
        .windows(5)
        .position(|dashes| dashes == b"-----")?;
    Some(&rest[..end])
}

/// Whether base64 ends here: no digit follows but those of zeros and line ends, and its last line is
/// no word of the text that follows.
fn ends_there(text: &[u8], end: usize) -> bool {
    let tail = text[end..]
        .iter()
        .take_while(|byte| base64::is_digit(**byte));
    let tail: Vec<u8> = tail.copied().take(64).collect();
    if tail.is_empty() {
        return text.get(end) == Some(&b'=') || !is_word_on_a_line(&text[..end]);
    }
    let filler = base64::decode(&tail);
    let is_filler = |byte: &u8| matches!(byte, 0 | b'\r' | b'\n' | 0x1a);
    !filler.is_empty() && filler.iter().all(is_filler)
}

/// Whether the last line of a text is a word: letters in one case, but for the first.
fn is_word_on_a_line(text: &[u8]) -> bool {
    let Some(start) = text.iter().rposition(|byte| *byte == b'\n') else {
        return false;
    };
    let Some((first, rest)) = without_quoting(&text[start + 1..]).split_first() else {
        return false;
    };
    let in_one_case = rest.iter().all(u8::is_ascii_lowercase)
        || (first.is_ascii_uppercase() && rest.iter().all(u8::is_ascii_uppercase));
    rest.len() > 1 && first.is_ascii_alphabetic() && in_one_case
}

/// Runs of lines in base64, each joined to one, with padding between them.
fn base64_blocks(text: &[u8]) -> Vec<Vec<u8>> {
    let mut blocks = vec![Vec::new()];
    for line in text.split(|byte| *byte == b'\n') {
        let line = without_quoting(line);
        let digits = line.trim_ascii_end();
        let is_base64 = !digits.is_empty()
            && digits
                .iter()
                .all(|byte| base64::is_digit(*byte) || *byte == b'=');
        match blocks.last_mut() {
            Some(block) if is_base64 => block.extend_from_slice(digits),
            _ => blocks.push(Vec::new()),
        }
    }
    blocks.retain(|block| block.len() > EVIDENT);
    blocks
}

/// A line of a mail without `> ` or `| ` in front.
fn without_quoting(line: &[u8]) -> &[u8] {
    let start = line
        .iter()
        .position(|byte| !matches!(byte, b'>' | b'|' | b' ' | b'\t'));
    &line[start.unwrap_or(line.len())..]
}
