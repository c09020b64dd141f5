//! What a certificate authority answers: PKCS#7 (RFC 2315, RFC 5652) or plain certificates, as a
//! file, in an archive, or in whatever text is around them. Nothing is believed of them here: whose
//! key they are for, and which of them are a chain, is for the caller to find out.

use std::io::Cursor;

use data_encoding::{HEXLOWER_PERMISSIVE, HEXUPPER};
use sha1::{Digest, Sha1};

use crate::keypair::Certificate;
use crate::unpack::kind::{self, Kind, is_encoded};
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
/// without one, hexadecimal; each in UTF-16, quoted, in one line, with its line ends escaped, in HTML, in
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
const READINGS: [fn(&mut AnswerReading, &[u8]); 5] = [
    AnswerReading::mail,
    AnswerReading::plain_text,
    AnswerReading::quoted_printable,
    AnswerReading::base64_lines,
    AnswerReading::hexadecimal,
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
        let hits = self.hits;
        self.text(&narrow);
        if self.hits == hits && bytes.contains(&0) {
            self.among_octets(bytes);
        }
    }

    /// Certificates in DER somewhere among other octets.
    fn among_octets(&mut self, bytes: &[u8]) {
        let mut at = 0;
        while let Some(next) = memchr::memchr(0x30, &bytes[at..]) {
            at += next;
            let rest = &bytes[at..];
            let element = kind::first_element(rest).filter(|_| is_encoded(rest));
            let is_whole = element.is_some() && Kind::of(rest).has_certificates();
            at += match element.filter(|_| is_whole && self.element(rest, false)) {
                Some(element) => element.len(),
                None => 1,
            };
        }
    }

    /// Everything in DER or BER that bytes begin with; whether that is what they are.
    fn encoded(&mut self, bytes: &[u8]) -> bool {
        let (mut rest, mut found) = (bytes, false);
        while is_encoded(rest) && self.element(rest, false) {
            found = true;
            let length = pfx::pkcs7::length(rest).unwrap_or(rest.len());
            rest = rest[length..].trim_ascii_start();
        }
        if !found && is_encoded(bytes) && Kind::of(bytes).has_certificates() {
            self.add_unreadable(None);
        }
        found
    }

    /// A PKCS#7 or a certificate that bytes begin with; whether it is an element at all that is
    /// known here. `is_labelled` where it is said to be a certificate.
    fn element(&mut self, bytes: &[u8], is_labelled: bool) -> bool {
        let kind = Kind::of(bytes);
        if let Some(instead) = Instead::of(kind) {
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
            Err(_) if kind == Kind::Bundle => {
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
            if !Kind::of(&decoded).has_certificates() {
                self.nested(&decoded);
            }
        }
    }

    /// Octets by two digits each, with or without colons or blanks between them.
    fn hexadecimal(&mut self, text: &[u8]) {
        let is_between = |byte: &u8| byte.is_ascii_whitespace() || *byte == b':';
        let digits: Vec<u8> = text
            .iter()
            .filter(|byte| !is_between(byte))
            .copied()
            .collect();
        if let Ok(decoded) = HEXLOWER_PERMISSIVE.decode(&digits) {
            self.encoded(&decoded);
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
                let kind = label.map_or(Kind::Unknown, Kind::of_label);
                is_labelled = kind.has_certificates();
                at += label.map_or(5, |label| b"-----BEGIN -----".len() + label.len());
                block = is_labelled.then_some(at);
                if kind.may_have_key() {
                    self.instead = self.instead.take().or(Instead::of(kind));
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
        let kind = Kind::of(&head);
        if let Some(instead) = Instead::of(kind) {
            self.instead.get_or_insert(instead);
            return None;
        }
        if !is_encoded(&head) || !(is_labelled || kind.has_certificates()) {
            return None;
        }
        self.element_in_base64(text, at, kind::length(&head), is_labelled)
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
fn is_certificate(kind: Kind, der: &[u8]) -> bool {
    kind == Kind::Certificate || Certificate::parse(der.to_vec()).is_ok()
}

impl Instead {
    /// What is known, and no certificate.
    fn of(kind: Kind) -> Option<Self> {
        match kind {
            Kind::Pfx | Kind::JavaStore | Kind::Bcfks => Some(Self::Pfx),
            Kind::Key(_)
            | Kind::EncryptedKey
            | Kind::OpenSshKey
            | Kind::OtherKey
            | Kind::Pvk
            | Kind::CapiKey => Some(Self::PrivateKey),
            Kind::Request => Some(Self::Request),
            Kind::RevocationList => Some(Self::RevocationList),
            Kind::Bundle | Kind::Certificate | Kind::Unknown => None,
        }
    }
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
