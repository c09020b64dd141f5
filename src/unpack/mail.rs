//! Mail as it lies on disks: messages, Maildirs and mbox files (RFC 5322, RFC 2045, mbox(5)). Read
//! line by line; each part is decoded and looked into by itself.

use std::io::{BufRead, Read};

use zeroize::Zeroizing;

use super::base64;
use super::text::from_quoted_printable;

/// Longest part of a message that is kept, in bytes as it was sent.
const MAX_PART: usize = 24 * 1024 * 1024;
/// Longest line; what is longer counts as several.
const MAX_LINE: u64 = 8192;
/// Boundaries of parts within parts.
const MOST_BOUNDARIES: usize = 64;

/// Header fields that a message on a disk begins with.
const FIRST_FIELDS: [&str; 16] = [
    "arc-seal:",
    "content-type:",
    "date:",
    "delivered-to:",
    "dkim-signature:",
    "from:",
    "message-id:",
    "mime-version:",
    "received:",
    "reply-to:",
    "return-path:",
    "sender:",
    "subject:",
    "to:",
    "x-account-key:",
    "x-original-to:",
];

/// Lines of a header that are looked at for a field that mail has.
const MOST_LINES: usize = 200;

/// Whether a text begins as a message or an mbox does: with a known field, or with a whole header
/// that has one.
pub(crate) fn is_mail(head: &[u8]) -> bool {
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    let mut lines = head
        .split(|byte| *byte == b'\n')
        .take(MOST_LINES)
        .peekable();
    lines.next_if(|line| line.starts_with(b"From "));
    if lines.peek().is_some_and(|line| is_known_field(line)) {
        return true;
    }
    let mut is_known = false;
    for line in lines {
        if line.trim_ascii().is_empty() {
            return is_known;
        }
        is_known |= is_known_field(line);
        if !is_field(line) && !line.starts_with(b" ") && !line.starts_with(b"\t") {
            return false;
        }
    }
    false
}

fn is_known_field(line: &[u8]) -> bool {
    let start = String::from_utf8_lossy(&line[..line.len().min(80)]).to_ascii_lowercase();
    FIRST_FIELDS.iter().any(|field| start.starts_with(field))
        || (start.starts_with("x-") && start.contains(": "))
}

/// RFC 5322 section 2.2: a name of printable ASCII, and a colon.
fn is_field(line: &[u8]) -> bool {
    let end = line.iter().position(|byte| *byte == b':');
    end.is_some_and(|end| end > 0 && line[..end].iter().all(u8::is_ascii_graphic))
}

/// A part of a message, decoded, with the name that its sender gave it.
pub(crate) struct MailPart {
    pub(crate) name: String,
    pub(crate) bytes: Zeroizing<Vec<u8>>,
}

/// Calls `take` with every part. Returns whether something was left out for its size.
pub(crate) fn parts(mail: impl Read, mut take: impl FnMut(MailPart)) -> bool {
    let mut reader = std::io::BufReader::new(mail);
    let mut state = MailReading::default();
    let mut line = Zeroizing::new(Vec::with_capacity(MAX_LINE as usize));
    loop {
        line.clear();
        match reader.by_ref().take(MAX_LINE).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => break,
            Ok(_) => state.line(&line, &mut take),
        }
    }
    state.end_part(&mut take);
    state.cut
}

#[derive(Clone, Copy, Default, PartialEq)]
enum Encoding {
    #[default]
    Plain,
    Base64,
    QuotedPrintable,
}

struct MailReading {
    in_headers: bool,
    is_message: bool,
    after_blank: bool,
    encoding: Encoding,
    name: String,
    boundaries: Vec<Vec<u8>>,
    body: Zeroizing<Vec<u8>>,
    cut: bool,
}

impl Default for MailReading {
    fn default() -> Self {
        Self {
            in_headers: true,
            is_message: false,
            after_blank: true,
            encoding: Encoding::Plain,
            name: String::new(),
            boundaries: Vec::new(),
            body: Zeroizing::new(Vec::new()),
            cut: false,
        }
    }
}

impl MailReading {
    fn line(&mut self, line: &[u8], take: &mut impl FnMut(MailPart)) {
        let text = line.trim_ascii_end();
        if self.after_blank && line.starts_with(b"From ") {
            self.end_part(take);
            self.boundaries.clear();
        } else if self.in_headers && !is_pem(text) {
            self.header(text);
        } else if self.is_boundary(text) {
            self.end_part(take);
        } else {
            self.in_headers = false;
            self.body_line(line);
        }
        self.after_blank = text.is_empty();
    }

    fn header(&mut self, line: &[u8]) {
        if line.is_empty() {
            // The body of a forwarded message is a message: its own header comes next.
            self.in_headers = self.is_message && self.encoding == Encoding::Plain;
            self.is_message = false;
            return;
        }
        let text = String::from_utf8_lossy(line);
        let lower = text.to_ascii_lowercase();
        if let Some(encoding) = lower.strip_prefix("content-transfer-encoding:") {
            self.encoding = match encoding.trim() {
                "base64" => Encoding::Base64,
                "quoted-printable" => Encoding::QuotedPrintable,
                _ => Encoding::Plain,
            };
        }
        self.is_message |= lower.starts_with("content-type:") && lower.contains("message/rfc822");
        if let Some(boundary) = parameter(&text, &lower, "boundary=")
            .filter(|_| self.boundaries.len() < MOST_BOUNDARIES)
        {
            self.boundaries.push([b"--", boundary.as_bytes()].concat());
        }
        if let Some(name) =
            parameter(&text, &lower, "name=").or_else(|| parameter(&text, &lower, "filename="))
        {
            self.name = name;
        }
    }

    fn is_boundary(&self, line: &[u8]) -> bool {
        let is = |boundary: &Vec<u8>| {
            line.strip_prefix(boundary.as_slice())
                .is_some_and(|rest| matches!(rest, b"" | b"--"))
        };
        line.starts_with(b"--") && self.boundaries.iter().any(is)
    }

    fn body_line(&mut self, line: &[u8]) {
        if self.body.len() + line.len() > MAX_PART {
            self.cut = true;
        } else if self.encoding == Encoding::QuotedPrintable {
            self.body.extend_from_slice(&from_quoted_printable(line));
        } else {
            self.body.extend_from_slice(line);
        }
    }

    fn end_part(&mut self, take: &mut impl FnMut(MailPart)) {
        let body = std::mem::replace(&mut self.body, Zeroizing::new(Vec::new()));
        let bytes = if self.encoding == Encoding::Base64 {
            base64::decode(&body)
        } else {
            body
        };
        if !bytes.is_empty() {
            take(MailPart {
                name: std::mem::take(&mut self.name),
                bytes,
            });
        }
        *self = Self {
            boundaries: std::mem::take(&mut self.boundaries),
            cut: self.cut,
            ..Self::default()
        };
    }
}

/// No field of a header has PEM: what has it is a text that only looks like mail, or lost its empty
/// line.
fn is_pem(line: &[u8]) -> bool {
    line.windows(10).any(|window| window == b"-----BEGIN")
}

/// The value of a parameter on this line of a header, with or without quotes.
fn parameter(text: &str, lower: &str, name: &str) -> Option<String> {
    let at = lower.find(name)? + name.len();
    let value = text.get(at..)?;
    let value = match value.strip_prefix('"') {
        Some(quoted) => quoted.split('"').next()?,
        None => value.split([';', ' ', '\t']).next()?,
    };
    Some(value.chars().take(100).collect())
}
