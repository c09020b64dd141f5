//! The blocks of a text in PEM (RFC 7468, RFC 1421) as people, editors and programs leave them:
//! with any line ends or none, indented, one glued to the other, cut off.

use data_encoding::HEXUPPER_PERMISSIVE;

use super::base64;
use super::kind::{self, Kind};
use super::lines;
use super::text;
use secret::SecretBytes;

const BEGIN: &[u8] = b"-----BEGIN ";
const END: &[u8] = b"-----END ";
const DASHES: &[u8] = b"-----";
/// What a block says of its encryption, as OpenSSL did before PKCS#8.
const ENCRYPTION: &[u8] = b"DEK-Info:";
const ENCRYPTED: &[u8] = b"ENCRYPTED";
/// Longest label.
const LONGEST_LABEL: usize = 64;
/// Blocks of one text.
const MOST_BLOCKS: usize = 10_000;

/// A block; wiped when it goes: any may be a key.
pub(crate) struct PemBlock {
    /// The words after `BEGIN`.
    pub(crate) label: String,
    /// The octets that were base64, as far as they are.
    pub(crate) content: SecretBytes,
    /// How the content is encrypted, where lines above it say so.
    pub(crate) encryption: Option<PemEncryption>,
    /// Whether it has an end, and nothing but base64 before it.
    pub(crate) is_whole: bool,
}

/// What `DEK-Info` says; nothing where that cannot be read.
#[derive(Default)]
pub(crate) struct PemEncryption {
    /// The cipher, by OpenSSL's name.
    pub(crate) cipher: String,
    /// Its initialization vector.
    pub(crate) vector: Vec<u8>,
}

impl PemBlock {
    /// What its content begins as; what its label says where the content is encrypted or says nothing
    /// that is certain. Labels lie: `certutil -encode` writes `CERTIFICATE` around any file.
    pub(crate) fn kind(&self) -> Kind {
        let label = Kind::of_label(self.label.as_bytes());
        let is_labelled = matches!(label, Kind::OtherKey | Kind::OpenSshKey)
            // Those of a curve begin as a key does.
            || self.label.ends_with("PARAMETERS");
        if is_labelled || self.encryption.is_some() {
            return label;
        }
        match Kind::of(self.content.expose()) {
            Kind::Unknown | Kind::Certificate => label,
            content => content,
        }
    }

    /// Reads the lines as decorated ones, where the block is nothing as it is.
    fn undecorate(&mut self, prefix: &[u8], body: &[u8]) {
        let content = self.content.expose();
        let is_element = |octets: &[u8]| kind::first_element(octets) == Some(octets);
        if self.encryption.is_some() || (!content.is_empty() && is_element(content)) {
            return;
        }
        let element = lines::element(prefix, body);
        let is_known =
            |octets: &[u8]| octets.starts_with(kind::OPENSSH) || Kind::of(octets) != Kind::Unknown;
        let is_better = !is_known(content) && is_known(&element);
        if is_better || is_element(&element) {
            self.is_whole |= is_element(&element);
            self.content = element.into();
        }
    }
}

/// Whether a text has blocks at all.
pub(crate) fn is_pem(text: &[u8]) -> bool {
    split_at(text, BEGIN).is_some()
}

/// All blocks of a file, whatever its letters are.
pub(crate) fn blocks_of_file(bytes: &[u8]) -> Vec<PemBlock> {
    blocks(&text::plain(&text::narrow(bytes)))
}

/// All blocks of a text that was made plain.
pub(crate) fn blocks(text: &[u8]) -> Vec<PemBlock> {
    let mut rest = text;
    let mut blocks = Vec::new();
    while let Some((before, after)) = split_at(rest, BEGIN).filter(|_| blocks.len() < MOST_BLOCKS) {
        let prefix = lines::before(rest, before.len());
        rest = after;
        let window = &after[..after.len().min(LONGEST_LABEL)];
        let Some((label, _)) = split_at(window, DASHES) else {
            continue;
        };
        let after = &after[label.len() + DASHES.len()..];
        let (body, end) = match split_at(after, DASHES) {
            Some((body, _)) => after.split_at(body.len()),
            None => (after, &[][..]),
        };
        let mut block = block(label, body, end.starts_with(END));
        block.undecorate(prefix, body);
        blocks.push(block);
        rest = match end.strip_prefix(END).and_then(|end| split_at(end, DASHES)) {
            Some((_, after)) => after,
            None => end,
        };
    }
    blocks
}

/// What is before and after the first occurrence.
fn split_at<'a>(text: &'a [u8], mark: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = memchr::memmem::find(text, mark)?;
    Some((&text[..at], &text[at + mark.len()..]))
}

fn block(label: &[u8], body: &[u8], has_end: bool) -> PemBlock {
    let is_encrypted = split_at(body, ENCRYPTED).is_some();
    let (encryption, digits, is_clear) = match split_at(body, ENCRYPTION) {
        Some((_, after)) => match encryption(after) {
            Some((encryption, digits)) => (Some(encryption), digits, true),
            None => (Some(PemEncryption::default()), after, false),
        },
        None => (is_encrypted.then(PemEncryption::default), body, true),
    };
    PemBlock {
        label: String::from_utf8_lossy(label).trim().to_owned(),
        content: base64::decode(digits).into(),
        encryption,
        is_whole: has_end && is_clear && is_base64(digits),
    }
}

/// `CIPHER,VECTOR`, and what follows it.
fn encryption(text: &[u8]) -> Option<(PemEncryption, &[u8])> {
    let text = text.trim_ascii_start();
    let end = text.iter().position(u8::is_ascii_whitespace)?;
    let (words, body) = text.split_at(end);
    let (cipher, vector) = std::str::from_utf8(words).ok()?.split_once(',')?;
    let vector = HEXUPPER_PERMISSIVE.decode(vector.as_bytes()).ok()?;
    let cipher = cipher.to_owned();
    Some((PemEncryption { cipher, vector }, body))
}

/// Whether these lines are whole octets in base64; lines of a header (`Comment: …`) are left out.
fn is_base64(body: &[u8]) -> bool {
    let mut count = 0_usize;
    for line in body.split(|byte| *byte == b'\n') {
        if line.contains(&b':') {
            continue;
        }
        for byte in line {
            match byte {
                b'=' => {}
                byte if base64::is_digit(*byte) => count += 1,
                byte if byte.is_ascii_whitespace() => {}
                _ => return false,
            }
        }
    }
    count % 4 != 1
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: &str = "-----BEGIN CERTIFICATE-----\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKiss\nLS4v\n-----END CERTIFICATE-----\n";

    fn contents(text: &[u8]) -> Vec<(String, Vec<u8>)> {
        let mut contents = Vec::new();
        for block in blocks_of_file(text) {
            assert!(block.is_whole);
            contents.push((block.label, block.content.expose().to_vec()));
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
    fn a_block_is_read_whatever_an_editor_made_of_it() {
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
    fn a_block_is_what_is_in_it_whatever_its_label_says() {
        let pfx = b"\x30\x82\x05\x16\x02\x01\x03\x30\x82\x04\xdc\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01";
        let curve = b"\x30\x81\xe0\x02\x01\x01\x30\x2c";
        let cases: [(&str, &[u8], Kind); 5] = [
            ("CERTIFICATE", pfx, Kind::Pfx),
            ("PRIVATE KEY", pfx, Kind::Pfx),
            ("X", pfx, Kind::Pfx),
            ("CERTIFICATE", b"\x30\x01\x05", Kind::Certificate),
            ("EC PARAMETERS", curve, Kind::Unknown),
        ];
        for (label, content, kind) in cases {
            let content = data_encoding::BASE64.encode(content);
            let text = format!("-----BEGIN {label}-----\n{content}\n-----END {label}-----\n");
            let block = blocks_of_file(text.as_bytes()).pop().unwrap();
            assert_eq!(block.kind(), kind, "{label}");
        }
    }

    #[test]
    fn blocks_glued_together_are_two() {
        let glued = format!("{}{PLAIN}", PLAIN.trim_end());
        assert!(glued.contains("----------BEGIN"));
        assert_eq!(contents(glued.as_bytes()).len(), 2);
    }

    #[test]
    fn what_is_cut_off_or_garbled_is_not_whole_and_keeps_nothing_else_from_being_read() {
        for text in [
            &PLAIN[..60],
            &PLAIN.replace("AAEC", "A*EC"),
            &PLAIN.replace("LS4v", "LS4vA"),
            &PLAIN[..PLAIN.find("-----END").unwrap()],
            "-----BEGIN RSA PRIVATE KEY-----\nDEK-Info: AES-128-CBC\n\nAAEC\n-----END RSA PRIVATE KEY-----",
        ] {
            let both = format!("{text}\n{PLAIN}");
            let blocks = blocks_of_file(both.as_bytes());
            let whole: Vec<_> = blocks.iter().map(|block| block.is_whole).collect();
            assert_eq!(whole, [false, true], "{both}");
        }
        for text in ["-----BEGIN ", "-----BEGIN a\n", "no PEM"] {
            assert!(blocks_of_file(text.as_bytes()).is_empty(), "{text}");
        }
    }

    #[test]
    fn how_a_block_is_encrypted_is_told_in_whatever_lines() {
        let text = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00ffA0\n\nAAEC\n-----END RSA PRIVATE KEY-----\n";
        for text in [
            text.to_owned(),
            text.replace('\n', " "),
            text.replace('\n', "\r\n\t"),
        ] {
            let block = blocks_of_file(text.as_bytes()).pop().unwrap();
            let encryption = block.encryption.unwrap();
            assert_eq!(encryption.cipher, "AES-128-CBC");
            assert_eq!(encryption.vector, [0, 255, 0xa0]);
            assert_eq!(block.content.expose(), [0, 1, 2]);
        }
    }
}
