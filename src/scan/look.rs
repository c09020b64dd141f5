//! Looking into one file: what its first bytes promise, and what is inside what is inside it.

use std::fs::File;
use std::io::{self, Cursor, Read, Seek};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use zeroize::Zeroizing;

use super::keys::{self, OwnKeys, SeenKey};
use super::numbers;
use super::promise::{Promise, has_key, is_carried, is_long_text, is_promising, promise};
use crate::unpack::encoded::Writing;
use crate::unpack::{self, HEAD, MAX_INFLATED, Parts, encoded, hexdump, mail, registry, text};

/// Largest file that is read as a key, or as text with keys.
const MAX_KEY_FILE: u64 = 16 * 1024 * 1024;
/// Largest mailbox that is read, to its end or so far.
const MAX_MAIL: u64 = 2 * 1024 * 1024 * 1024;
/// What is looked at of a part in memory before it is known what it is: HTML has its key far behind.
const MOST_OF_A_PART: usize = 1024 * 1024;
/// Archives in mail in archives.
const DEEPEST: usize = 3;
/// Keys that are listed of one file.
const MOST_IN_A_FILE: usize = 1000;
/// Time for trying the empty password, in all.
const TRIALS_MS: u64 = 60_000;

/// What all files of a scan share.
#[derive(Default)]
pub(super) struct Limits {
    tried_ms: AtomicU64,
}

/// A key, and the way to it.
#[derive(Clone)]
pub(super) struct One {
    pub(super) inside: Vec<String>,
    pub(super) in_mail: bool,
    pub(super) seen: SeenKey,
}

/// One file being looked into.
pub(super) struct Look<'a> {
    known: &'a OwnKeys,
    limits: &'a Limits,
    inside: Vec<String>,
    in_mail: bool,
    /// What was found.
    pub(super) found: Vec<One>,
    /// Whether something was too large, or closed.
    pub(super) in_part: bool,
    /// Bytes that may still be taken out of archives.
    left: u64,
}

impl<'a> Look<'a> {
    /// Looks into an open file.
    pub(super) fn at(file: File, known: &'a OwnKeys, limits: &'a Limits) -> io::Result<Self> {
        let mut look = Self {
            known,
            limits,
            inside: Vec::new(),
            in_mail: false,
            found: Vec::new(),
            in_part: false,
            left: MAX_INFLATED,
        };
        let length = file.metadata()?.len();
        look.reader(file, length)?;
        Ok(look)
    }

    fn reader(&mut self, mut reader: impl Read + Seek, length: u64) -> io::Result<()> {
        let mut head = Zeroizing::new(Vec::with_capacity(HEAD));
        reader.by_ref().take(HEAD as u64).read_to_end(&mut head)?;
        match promise(&head) {
            // A text may have a key far behind.
            Promise::Nothing if is_long_text(&head) => {
                let rest = length.min(MAX_KEY_FILE);
                self.in_part |= length > MAX_KEY_FILE;
                let mut bytes = buffer(rest);
                bytes.extend_from_slice(&head);
                reader.take(MAX_KEY_FILE).read_to_end(&mut bytes)?;
                if has_key(&text::narrow(&bytes)) {
                    self.whole(&Promise::Text, &bytes);
                }
            }
            Promise::Nothing => {}
            Promise::Container(container) => unpack::open(container, self, reader, length),
            Promise::Mail if !head.contains(&0) => {
                reader.rewind()?;
                self.mail(reader.take(MAX_MAIL));
                self.in_part |= length > MAX_MAIL;
            }
            _ if length > MAX_KEY_FILE => self.in_part = true,
            kind => {
                let mut bytes = buffer(length);
                bytes.extend_from_slice(&head);
                reader.take(MAX_KEY_FILE).read_to_end(&mut bytes)?;
                self.whole(&kind, &bytes);
            }
        }
        Ok(())
    }

    fn whole(&mut self, kind: &Promise, bytes: &[u8]) {
        if let Promise::Binary(binary) = kind {
            return self.timed(|known, try_password| {
                let seen = keys::look_binary(*binary, bytes, known, try_password);
                seen.into_iter().collect()
            });
        }
        let text = text::narrow(bytes);
        match kind {
            Promise::Mail => return self.mail(&text[..]),
            Promise::Registry => {
                let cut = registry::values(&text, |value| self.part(String::new(), value));
                self.in_part |= cut;
            }
            _ => {}
        }
        let plain = text::plain(&text);
        self.timed(|known, try_password| {
            let mut seen = keys::look_text(&plain, known, try_password);
            // Tags are no part of a plain text, and escaped ones are.
            let numbers = numbers::look(&text, known);
            seen.extend(match numbers.is_empty() {
                true => numbers::look(&plain, known),
                false => numbers,
            });
            seen
        });
        encoded::runs(&plain, |writing, octets| {
            if is_carried(writing, octets) {
                self.part(String::new(), octets);
            }
            false
        });
        // The letters beside the octets are no text that could be made plain.
        hexdump::dumps(&text, |octets| {
            if is_carried(Writing::Octets, octets) {
                self.part(String::new(), octets);
            }
            false
        });
    }

    /// Keeps what `look` finds, which is told whether time may be spent on the empty password.
    fn timed(&mut self, look: impl FnOnce(&OwnKeys, bool) -> Vec<SeenKey>) {
        let try_password = self.limits.tried_ms.load(Ordering::Relaxed) < TRIALS_MS;
        let start = Instant::now();
        let seen = look(self.known, try_password);
        let spent = u64::try_from(start.elapsed().as_millis()).unwrap_or(TRIALS_MS);
        self.limits.tried_ms.fetch_add(spent, Ordering::Relaxed);
        for seen in seen {
            if self.found.len() == MOST_IN_A_FILE {
                self.in_part = true;
                return;
            }
            self.found.push(One {
                inside: self.inside.clone(),
                in_mail: self.in_mail,
                seen,
            });
        }
    }

    fn mail(&mut self, mail: impl Read) {
        let cut = self.as_mail(|look| mail::parts(mail, |part| look.part(part.name, &part.bytes)));
        self.in_part |= cut;
    }
}

/// Room for a file, so that growing leaves no copy.
fn buffer(length: u64) -> Zeroizing<Vec<u8>> {
    let length = usize::try_from(length).unwrap_or(0);
    Zeroizing::new(Vec::with_capacity(length + HEAD))
}

impl Parts for Look<'_> {
    fn part(&mut self, name: String, bytes: &[u8]) {
        if self.inside.len() >= DEEPEST {
            self.in_part = true;
            return;
        }
        self.inside.push(name);
        match promise(&bytes[..bytes.len().min(MOST_OF_A_PART)]) {
            Promise::Nothing if is_long_text(bytes) && has_key(&text::narrow(bytes)) => {
                self.whole(&Promise::Text, bytes);
            }
            Promise::Nothing => {}
            Promise::Container(container) => {
                unpack::open(container, self, Cursor::new(bytes), bytes.len() as u64)
            }
            Promise::Mail if !bytes.contains(&0) => self.mail(bytes),
            _ if bytes.len() as u64 > MAX_KEY_FILE => self.in_part = true,
            kind => self.whole(&kind, bytes),
        }
        self.inside.pop();
    }

    fn wants(&self, head: &[u8]) -> bool {
        is_promising(head) || is_long_text(head)
    }

    fn left(&mut self) -> &mut u64 {
        &mut self.left
    }

    fn leave_out(&mut self) {
        self.in_part = true;
    }

    fn as_mail<T>(&mut self, look: impl FnOnce(&mut Self) -> T) -> T {
        let outside = std::mem::replace(&mut self.in_mail, true);
        let looked = look(self);
        self.in_mail = outside;
        looked
    }
}
