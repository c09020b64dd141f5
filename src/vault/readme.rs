//! The two texts for people: README.TXT, the same on every medium, and MEDIUM.TXT, which says what this medium is called.

use data_encoding::HEXLOWER;

/// README.TXT as this version writes it: UTF-8 with BOM, CRLF, English and Japanese.
pub fn readme() -> Vec<u8> {
    let text = concat!("\u{feff}", include_str!("README.TXT"));
    text.replace('\n', "\r\n").into_bytes()
}

/// Whether a README.TXT is one that pfxvault has shipped; any other is reported, because a stranger may have written
/// instructions into it.
pub fn is_known(bytes: &[u8]) -> bool {
    bytes == readme()
}

/// MEDIUM.TXT: who this medium says it is. Nobody signs it, nothing depends on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// 32 hexadecimal digits, drawn when the vault was put on the medium.
    pub medium: String,
    /// What people call it; readable by anyone who finds it.
    pub label: String,
}

/// Longest label, in bytes of UTF-8.
pub const MAX_LABEL: usize = 64;

impl Label {
    /// A new medium's label.
    ///
    /// # Errors
    /// When the system has no random numbers.
    pub fn new(label: &str) -> Result<Self, getrandom::Error> {
        let mut id = [0; 16];
        getrandom::fill(&mut id)?;
        let fits = (0..=label.len().min(MAX_LABEL)).rev().find(|end| label.is_char_boundary(*end)).unwrap_or(0);
        let label = label[..fits].chars().filter(|c| !c.is_control()).collect();
        Ok(Self { medium: HEXLOWER.encode(&id), label })
    }

    /// The file's text.
    pub fn render(&self) -> Vec<u8> {
        format!("pfxvault-medium v1\nmedium {}\nlabel {}\n", self.medium, self.label).into_bytes()
    }

    /// Reads the file; `None` if it is not one of ours.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let mut lines = std::str::from_utf8(bytes).ok()?.strip_suffix('\n')?.split('\n');
        if lines.next() != Some("pfxvault-medium v1") {
            return None;
        }
        let medium = lines.next()?.strip_prefix("medium ")?;
        let label = lines.next()?.strip_prefix("label ")?;
        let plain = medium.len() == 32 && HEXLOWER.decode(medium.as_bytes()).is_ok();
        let short = label.len() <= MAX_LABEL && !label.chars().any(char::is_control);
        let ended = lines.next().is_none();
        (plain && short && ended).then(|| Self { medium: medium.to_owned(), label: label.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_reads_back_and_is_cut_at_a_character() {
        let label = Label::new(&"金庫".repeat(20)).unwrap();
        assert_eq!(label.label.len(), 63);
        assert_eq!(Label::parse(&label.render()), Some(label));
        assert_eq!(Label::parse(b"pfxvault-medium v1\nmedium 12\nlabel x\n"), None);
    }

    #[test]
    fn the_readme_is_a_windows_text_that_begins_with_the_warning() {
        let text = String::from_utf8(readme()).unwrap();
        assert!(text.starts_with("\u{feff}Do not delete or format"));
        assert!(text.lines().nth(1).unwrap().starts_with("削除・フォーマットしないでください"));
        assert_eq!(text.matches('\n').count(), text.matches("\r\n").count());
        assert!(is_known(&readme()));
    }
    #[test]
    fn both_languages_of_the_readme_give_the_same_lines_to_type() {
        let text = include_str!("README.TXT");
        let lines = text.lines().filter(|line| line.starts_with("> ") || line.starts_with("$ "));
        let lines: Vec<&str> = lines.collect();
        let (english, japanese) = lines.split_at(lines.len() / 2);
        assert_eq!(english, japanese);
        assert!(lines.iter().all(|line| line.is_ascii()), "commands are typed on any keyboard");
    }

    #[test]
    fn the_readme_fits_a_console_and_a_printed_page() {
        let text = include_str!("README.TXT");
        let width = |line: &str| line.chars().map(|c| if c.is_ascii() { 1 } else { 2 }).sum::<usize>();
        for line in text.lines() {
            assert!(width(line) <= 100, "{line}");
        }
        assert!(text.lines().count() <= 240);
    }
}
