//! The two texts for people: README.TXT, the same on every medium, and MEDIUM.TXT, which says what
//! this medium is called.

use data_encoding::HEXLOWER;

use super::id::Hash;
use super::lines::is_unseen;

/// SHA-256 of texts that went onto media before this one. The first changed to the medium on
/// Windows and then typed the names of programs, so that one which lay there under such a name was
/// run.
const SHIPPED_BEFORE: [&str; 3] = [
    "c986dc28620fbc4e57a5e18c6e4d3a68da16e44f1b387939a3734350450eb7d5",
    "cee345e53b76e7989edbf7312ac96e40171134a61438843be3b4d08580370e4a",
    "b4edc7ef41d32441390613ed48ffae4a773c23752f3233e9067835f0b9206b54",
];

/// README.TXT as this version writes it for nobody in particular: English first, without a contact.
pub fn readme() -> Vec<u8> {
    Readme::default().render()
}

/// README.TXT as this version writes it: UTF-8 with BOM, CRLF, English and Japanese.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Readme {
    /// Whether the Japanese part comes first.
    pub japanese_first: bool,
    /// Whom a finder asks.
    pub contact: Option<Contact>,
}

/// Whom a finder asks: one line that everybody with the medium can read, and that nobody signs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contact(String);

/// What README.TXT is to say on the media of a server.
#[derive(Debug, Clone, Default)]
pub struct ReadmeWish {
    /// Where none stands there yet.
    pub japanese_first: bool,
    /// `None` keeps the one that stands there, of whichever server it is.
    pub contact: Option<Option<Contact>>,
}

/// Stands before the contact.
const ASK: &str = "Ask / 連絡先: ";
/// Stands below it.
const NEVER_ASKED: &str = "Whoever answers there never asks for the passphrase. パスフレーズをお尋ねすることはありません。";
/// Longest contact, in characters and in bytes of UTF-8.
const MAX_CONTACT: (usize, usize) = (80, 240);

impl Contact {
    /// A contact: up to 80 characters that can be seen, in 240 bytes, without blanks around them.
    pub fn parse(text: &str) -> Option<Self> {
        let is_short = text.chars().count() <= MAX_CONTACT.0 && text.len() <= MAX_CONTACT.1;
        let is_plain = !text.chars().any(|c| c.is_control() || is_unseen(c));
        let fits = is_short && is_plain && !text.is_empty() && text.trim() == text;
        fits.then(|| Self(text.to_owned()))
    }

    /// As it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Readme {
    /// The file.
    pub fn render(&self) -> Vec<u8> {
        let (warnings, english, japanese) = parts();
        let (first, second) = warnings.split_once('\n').unwrap_or((warnings, ""));
        let asked = self.contact.as_ref();
        let asked = asked.map(|contact| format!("{ASK}{}\n{NEVER_ASKED}\n", contact.0));
        let asked = asked.unwrap_or_default();
        let text = match self.japanese_first {
            false => format!(
                "{first}\n{second}\n{asked}\n{SECOND_HALF}\n\n{english}\n\n{LINE}\n\n{japanese}\n"
            ),
            true => format!(
                "{second}\n{first}\n{asked}\n{ENGLISH_BELOW}\n\n{japanese}\n\n{LINE}\n\n{english}\n"
            ),
        };
        format!("\u{feff}{text}").replace('\n', "\r\n").into_bytes()
    }

    /// Which of those that this version writes these bytes are; `None` for any other text.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        let asked = text.split("\r\n").nth(2)?.strip_prefix(ASK);
        let contact = match asked {
            Some(contact) => Some(Contact::parse(contact)?),
            None => None,
        };
        let is_it = |one: &Self| one.render() == bytes;
        let of_both = [false, true].map(|japanese_first| Self {
            japanese_first,
            contact: contact.clone(),
        });
        of_both.into_iter().find(is_it)
    }
}

impl ReadmeWish {
    /// What is to stand on a medium where this stands.
    pub(super) fn in_place_of(&self, there: Option<Readme>) -> Readme {
        let there = there.unwrap_or(Readme {
            japanese_first: self.japanese_first,
            contact: None,
        });
        Readme {
            contact: self.contact.clone().unwrap_or(there.contact),
            ..there
        }
    }
}

/// Between the languages.
const LINE: &str = "----------------------------------------------------------------------------------------------------";

/// Where the other language is.
const SECOND_HALF: &str = "日本語の説明は後半にあります。";
const ENGLISH_BELOW: &str = "The English text is in the second half.";

/// The warnings in both languages, the English and the Japanese part.
fn parts() -> (&'static str, &'static str, &'static str) {
    let text = include_str!("README.TXT");
    // Tests hold that it has these parts, and that they are put together again.
    let (warnings, rest) = text.split_once(SECOND_HALF).unwrap_or((text, ""));
    let (english, japanese) = rest.split_once(LINE).unwrap_or((rest, ""));
    (warnings.trim(), english.trim(), japanese.trim())
}

/// The lines to type of README.TXT, in their order: for Windows with `windows`, else for Linux.
pub fn lines_to_type(windows: bool) -> impl Iterator<Item = &'static str> {
    let mark = if windows { "> " } else { "$ " };
    let english = include_str!("README.TXT").split("\n-----").next();
    let lines = english.unwrap_or_default().lines();
    lines.filter_map(move |line| line.strip_prefix(mark))
}

/// Where a README.TXT comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadmeOrigin {
    /// This version writes it.
    Current,
    /// An earlier version wrote it.
    Earlier,
    /// A stranger may have written instructions into it.
    Unknown,
}

/// Where these bytes of a README.TXT come from.
pub fn origin(bytes: &[u8]) -> ReadmeOrigin {
    match () {
        () if Readme::read(bytes).is_some() => ReadmeOrigin::Current,
        () if SHIPPED_BEFORE.contains(&Hash::of(bytes).to_string().as_str()) => {
            ReadmeOrigin::Earlier
        }
        () => ReadmeOrigin::Unknown,
    }
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
        let fits = (0..=label.len().min(MAX_LABEL))
            .rev()
            .find(|end| label.is_char_boundary(*end))
            .unwrap_or(0);
        let label = label[..fits].chars().filter(|c| !c.is_control()).collect();
        Ok(Self {
            medium: HEXLOWER.encode(&id),
            label,
        })
    }

    /// The file's text.
    pub fn render(&self) -> Vec<u8> {
        format!(
            "pfxvault-medium v1\nmedium {}\nlabel {}\n",
            self.medium, self.label
        )
        .into_bytes()
    }

    /// Reads the file; `None` if it is not one of ours.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let mut lines = std::str::from_utf8(bytes)
            .ok()?
            .strip_suffix('\n')?
            .split('\n');
        if lines.next() != Some("pfxvault-medium v1") {
            return None;
        }
        let medium = lines.next()?.strip_prefix("medium ")?;
        let label = lines.next()?.strip_prefix("label ")?;
        let plain = medium.len() == 32 && HEXLOWER.decode(medium.as_bytes()).is_ok();
        let short = label.len() <= MAX_LABEL && !label.chars().any(char::is_control);
        let ended = lines.next().is_none();
        (plain && short && ended).then(|| Self {
            medium: medium.to_owned(),
            label: label.to_owned(),
        })
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
        assert_eq!(
            Label::parse(b"pfxvault-medium v1\nmedium 12\nlabel x\n"),
            None
        );
    }

    #[test]
    fn the_readme_is_a_windows_text_that_begins_with_the_warning() {
        let text = String::from_utf8(readme()).unwrap();
        assert!(text.starts_with("\u{feff}Do not delete or format"));
        assert!(
            text.lines()
                .nth(1)
                .unwrap()
                .starts_with("削除・フォーマットしないでください")
        );
        assert_eq!(text.matches('\n').count(), text.matches("\r\n").count());
        assert_eq!(origin(&readme()), ReadmeOrigin::Current);
    }

    #[test]
    fn a_readme_is_known_whatever_its_order_and_contact_and_none_that_was_altered() {
        let contact = || Contact::parse("Web team, ext. 4711 (山田)");
        let mut texts = Vec::new();
        for japanese_first in [false, true] {
            for contact in [None, contact()] {
                let readme = Readme {
                    japanese_first,
                    contact,
                };
                let bytes = readme.render();
                assert_eq!(Readme::read(&bytes), Some(readme));
                let text = String::from_utf8(bytes).unwrap();
                assert_eq!(text.matches("\r\n").count(), text.matches('\n').count());
                for altered in [
                    text.replacen("never asks", "asks", 1),
                    text.replacen("4711", "4711\u{202e}", 1),
                    text.replacen("4711", "4711\r\nor", 1),
                    text.replacen("age -d", "age -e", 1),
                    format!("{text}Call us.\r\n"),
                ] {
                    assert!(
                        altered == text || Readme::read(altered.as_bytes()).is_none(),
                        "{altered}"
                    );
                }
                let mut lines: Vec<&str> = text.trim_start_matches('\u{feff}').lines().collect();
                lines.retain(|line| !line.contains("second half") && !line.contains(SECOND_HALF));
                lines.retain(|line| !line.starts_with(ASK) && *line != NEVER_ASKED);
                lines.sort();
                texts.push(lines.concat());
            }
        }
        texts.dedup();
        assert_eq!(texts.len(), 1, "each has all lines");
        let shipped = format!("\u{feff}{}", include_str!("README.TXT")).replace('\n', "\r\n");
        assert_eq!(String::from_utf8(readme()).unwrap(), shipped);
    }

    #[test]
    fn a_contact_is_one_line_that_can_be_seen() {
        let long = "x".repeat(81);
        let wide = "山".repeat(81);
        for text in [
            "",
            " a",
            "a ",
            "a\nb",
            "a\u{200b}b",
            "a\u{2028}b",
            "a\u{7f}",
            &long,
            &wide,
        ] {
            assert_eq!(Contact::parse(text), None, "{text:?}");
        }
        assert!(Contact::parse(&long[1..]).is_some() && Contact::parse(&wide[3..]).is_some());
    }

    #[test]
    fn a_readme_of_an_earlier_version_is_told_from_one_of_a_stranger() {
        for earlier in [
            include_bytes!("../tests/readmes/first.txt").as_slice(),
            include_bytes!("../tests/readmes/second.txt"),
            include_bytes!("../tests/readmes/third.txt"),
        ] {
            assert_eq!(origin(earlier), ReadmeOrigin::Earlier);
        }
        assert_eq!(
            origin(b"send this stick and the passphrase to us"),
            ReadmeOrigin::Unknown
        );
    }

    #[test]
    fn no_line_to_type_changes_to_the_medium_and_nothing_runs_before_a_new_folder_is_entered() {
        let windows = lines_to_type(true).collect::<Vec<_>>();
        assert_eq!(windows[0], "set NoDefaultCurrentDirectoryInExePath=1");
        let entered = windows
            .iter()
            .position(|line| *line == r#"mkdir "%W%" && cd /d "%W%""#)
            .unwrap();
        assert!(
            windows[..entered]
                .iter()
                .all(|line| line.starts_with("set ")),
            "nothing is run before"
        );
        let linux = lines_to_type(false).collect::<Vec<_>>();
        assert_eq!(linux[1], r#"W=$(mktemp -d -p /dev/shm) && cd "$W""#);
        for line in windows.iter().chain(&linux) {
            let words: Vec<&str> = line.split(' ').collect();
            let target = words
                .iter()
                .position(|word| *word == "cd")
                .map(|at| words[at + 1..].join(" "));
            let left =
                target.is_none_or(|to| ["/d \"%W%\"", "..", "\"$W\"", "/"].contains(&to.as_str()));
            let drive = line.len() == 2 && line.ends_with(':');
            assert!(left && !drive && !line.starts_with("pushd"), "{line}");
        }
    }

    #[test]
    fn names_that_the_medium_chose_are_typed_with_their_folder_and_in_quotes() {
        for line in lines_to_type(true).filter(|line| !line.starts_with("set ")) {
            // What `dir` lists is written with nothing but what the user typed.
            let (body, offset) = line
                .split_once(") do ")
                .map_or((line, 0), |(head, body)| (body, head.len() + 5));
            for (at, _) in ["%S%", "%O%", "%R%", "%G%", "%~"]
                .iter()
                .flat_map(|name| body.match_indices(name))
            {
                assert_eq!(line[..offset + at].matches('"').count() % 2, 1, "{line}");
            }
        }
        let star = |line: &&str| line.contains('*') && !line.starts_with("sed ");
        for line in lines_to_type(false).filter(star) {
            assert!(
                line.split(' ')
                    .filter(|word| word.contains('*'))
                    .all(|word| word.starts_with("\"$")),
                "{line}"
            );
        }
    }

    #[test]
    fn both_languages_of_the_readme_give_the_same_lines_to_type() {
        let text = include_str!("README.TXT");
        let lines = text
            .lines()
            .filter(|line| line.starts_with("> ") || line.starts_with("$ "));
        let lines: Vec<&str> = lines.collect();
        let (english, japanese) = lines.split_at(lines.len() / 2);
        assert_eq!(english, japanese);
        assert!(
            lines.iter().all(|line| line.is_ascii()),
            "commands are typed on any keyboard"
        );
    }

    #[test]
    fn the_readme_fits_a_console_and_a_printed_page() {
        let text = include_str!("README.TXT");
        let width = |line: &str| {
            line.chars()
                .map(|c| if c.is_ascii() { 1 } else { 2 })
                .sum::<usize>()
        };
        for line in text.lines() {
            assert!(width(line) <= 100, "{line}");
        }
        assert!(text.lines().count() <= 252, "four pages");
        assert!(text.contains("in format 1,") && text.contains("形式はバージョン 1\n"));
    }
}
