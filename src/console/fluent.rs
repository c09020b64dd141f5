//! The words of every sentence, from two Fluent files that a test holds complete.

use fluent_bundle::{FluentArgs, FluentBundle, FluentResource, FluentValue};
use unic_langid::LanguageIdentifier;

use super::plain;
use crate::message::{Arg, Text};
use crate::platform;

const ENGLISH: &str = include_str!("texts/en.ftl");
const JAPANESE: &str = include_str!("texts/ja.ftl");
/// What the examples in both call a stick, a disk and a source.
const PLACES: &str = match cfg!(windows) {
    true => include_str!("texts/windows.ftl"),
    false => include_str!("texts/unix.ftl"),
};

/// A language pfxvault speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Language {
    /// English.
    En,
    /// Japanese.
    Ja,
}

impl Language {
    /// The system's language, if it is one of ours; else English.
    pub fn of_system() -> Self {
        match platform::is_japanese() {
            true => Language::Ja,
            false => Language::En,
        }
    }

    fn source(self) -> (&'static str, &'static str) {
        match self {
            Language::En => ("en", ENGLISH),
            Language::Ja => ("ja", JAPANESE),
        }
    }
}

/// All sentences of one language.
pub(super) struct Texts(FluentBundle<FluentResource>);

impl Texts {
    /// Loads a language's file, which a test proves free of mistakes.
    pub(super) fn load(language: Language) -> Self {
        let (tag, source) = language.source();
        let language: LanguageIdentifier = tag.parse().unwrap_or_default();
        let mut bundle = FluentBundle::new(vec![language]);
        // Marks around inserted values would end up in what people copy from the screen.
        bundle.set_use_isolating(false);
        for source in [PLACES, source] {
            let resource =
                FluentResource::try_new(source.to_owned()).unwrap_or_else(|(resource, _)| resource);
            bundle.add_resource_overriding(resource);
        }
        Self(bundle)
    }

    /// The words of a sentence; an unknown id shows itself.
    pub(super) fn words(&self, text: &Text) -> String {
        self.pattern(text.id, None, &self.args(text))
            .unwrap_or_else(|| text.id.to_owned())
    }

    /// The words of an id without values.
    pub(super) fn by_id(&self, id: &str) -> Option<String> {
        self.pattern(id, None, &FluentArgs::new())
    }

    /// Message, cause and hint; empty where there is none.
    pub(super) fn error_words(&self, text: &Text) -> [String; 3] {
        let args = self.args(text);
        let attribute = |name| self.pattern(text.id, Some(name), &args).unwrap_or_default();
        [self.words(text), attribute("cause"), attribute("hint")]
    }

    /// Message of a wrong secret and what to mind when it is typed once more, where there are words
    /// for that.
    pub(super) fn again(&self, text: &Text) -> Option<String> {
        let again = self.pattern(text.id, Some("again"), &self.args(text))?;
        Some(format!("{}\n{again}", self.words(text)))
    }

    fn args(&self, text: &Text) -> FluentArgs<'static> {
        let value = |arg: &Arg| match arg {
            Arg::Words(words) => FluentValue::from(plain(words)),
            Arg::Lines(lines) => FluentValue::from(
                lines
                    .iter()
                    .map(|line| plain(line))
                    .collect::<Vec<_>>()
                    .join("\n"),
            ),
            Arg::Number(number) => FluentValue::from(*number),
            Arg::Text(text) => FluentValue::from(self.words(text)),
        };
        text.args
            .iter()
            .map(|(name, arg)| (*name, value(arg)))
            .collect()
    }

    fn pattern(&self, id: &str, attribute: Option<&str>, args: &FluentArgs<'_>) -> Option<String> {
        let message = self.0.get_message(id)?;
        let pattern = match attribute {
            None => message.value()?,
            Some(name) => message.get_attribute(name)?.value(),
        };
        let mut errors = Vec::new();
        Some(
            self.0
                .format_pattern(pattern, Some(args), &mut errors)
                .into_owned(),
        )
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::path::Path;

    use super::*;

    /// Every message and attribute of a file with the variables it uses.
    fn inventory(source: &str) -> BTreeMap<String, BTreeSet<String>> {
        assert!(
            FluentResource::try_new(source.to_owned()).is_ok(),
            "the file has a mistake"
        );
        let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let (mut message, mut key) = (String::new(), String::new());
        for line in source.lines() {
            let head = line.split('=').next().unwrap_or_default().trim();
            let attribute = head.strip_prefix('.');
            if !line.starts_with([' ', '#', '-', '}', '\t']) && line.contains('=') {
                assert!(!found.contains_key(head), "{head} stands twice");
                message = head.to_owned();
                key.clone_from(&message);
            } else if let Some(name) =
                attribute.filter(|name| name.bytes().all(|b| b.is_ascii_lowercase()))
            {
                key = format!("{message}.{name}");
            }
            let variables = line.split('$').skip(1).map(|rest| {
                rest.chars()
                    .take_while(|c| c.is_ascii_alphanumeric() || *c == '_')
                    .collect::<String>()
            });
            found.entry(key.clone()).or_default().extend(variables);
        }
        found.remove("");
        found
    }

    /// Every id that the program's source names in `text!("...")` or as a plain label.
    fn ids_in_source(folder: &Path, found: &mut BTreeSet<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                ids_in_source(&path, found);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let source = std::fs::read_to_string(&path).unwrap();
                let calls = source.split("text!(").skip(1).filter_map(|rest| {
                    let rest = rest.trim_start().strip_prefix('"')?;
                    Some(rest.split('"').next()?.to_owned())
                });
                found.extend(calls.filter(|id| {
                    id.bytes()
                        .all(|b| b.is_ascii_lowercase() || b == b'-' || b.is_ascii_digit())
                }));
            }
        }
    }

    #[test]
    fn both_languages_say_everything_with_the_same_values() {
        let (english, japanese) = (inventory(ENGLISH), inventory(JAPANESE));
        let names = |texts: &BTreeMap<String, BTreeSet<String>>| {
            texts.keys().cloned().collect::<BTreeSet<_>>()
        };
        let missing: Vec<_> = names(&english)
            .symmetric_difference(&names(&japanese))
            .cloned()
            .collect();
        assert!(missing.is_empty(), "only in one language: {missing:?}");
        for (id, variables) in &english {
            assert_eq!(variables, &japanese[id], "values of {id}");
        }
    }

    #[test]
    fn every_sentence_of_the_program_has_words_and_every_word_is_used() {
        let mut used = BTreeSet::new();
        ids_in_source(
            &Path::new(env!("CARGO_MANIFEST_DIR")).join("src"),
            &mut used,
        );
        let known: BTreeSet<String> = inventory(ENGLISH)
            .into_keys()
            .filter(|id| !id.contains('.'))
            .collect();
        let unworded: Vec<_> = used.difference(&known).collect();
        assert!(unworded.is_empty(), "no words for {unworded:?}");
        let by_name =
            |id: &String| id == "help" || id.starts_with("help-") || id.starts_with("label-");
        let unused: Vec<_> = known.difference(&used).filter(|id| !by_name(id)).collect();
        assert!(unused.is_empty(), "nobody says {unused:?}");
    }

    /// The arguments of a `text!` that begins here, without those of calls inside it. Nothing else
    /// there is a name with a single equals sign after a comma.
    fn arguments(call: &str) -> BTreeSet<String> {
        let (mut depth, mut flat) = (1, String::new());
        let mut letters = call.chars().peekable();
        while let Some(letter) = letters.next() {
            match letter {
                '"' => {
                    while let Some(inside) = letters.next().filter(|letter| *letter != '"') {
                        if inside == '\\' {
                            letters.next();
                        }
                    }
                }
                '\'' => {
                    // A letter in quotes; the name of a lifetime has no end that could be one.
                    let rest: String = letters.clone().take(3).collect();
                    let length = match rest.as_bytes() {
                        [b'\\', _, b'\''] => 3,
                        [_, b'\'', ..] => 2,
                        _ => 0,
                    };
                    letters.by_ref().take(length).for_each(drop);
                }
                '(' | '[' | '{' => depth += 1,
                ')' | ']' | '}' => depth -= 1,
                _ if depth == 1 => flat.push(letter),
                _ => {}
            }
            if depth == 0 {
                break;
            }
        }
        let argument = |part: &str| {
            let (name, value) = part.split_once('=')?;
            let name = name.trim();
            let is_name = name
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
            (is_name && !value.starts_with('=')).then(|| name.to_owned())
        };
        flat.split(',').skip(1).filter_map(argument).collect()
    }

    /// Adds where a text is said with other arguments than the two languages use.
    fn compare_arguments(
        folder: &Path,
        used: &BTreeMap<String, BTreeSet<String>>,
        wrong: &mut Vec<String>,
        calls: &mut usize,
    ) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                compare_arguments(&path, used, wrong, calls);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let source = std::fs::read_to_string(&path).unwrap();
                let source = source.lines().filter(|line| !line.trim().starts_with("//"));
                let source = source.collect::<Vec<_>>().join("\n");
                for (at, name) in source.match_indices("text!(") {
                    let call = &source[at + name.len()..];
                    let Some(rest) = call.trim_start().strip_prefix('"') else {
                        continue;
                    };
                    let id = rest.split('"').next().unwrap();
                    let (Some(used), given) = (used.get(id), arguments(call)) else {
                        continue;
                    };
                    *calls += 1;
                    if *used != given {
                        let path = path.display();
                        wrong.push(format!("{id}: {given:?} given, {used:?} used, in {path}"));
                    }
                }
            }
        }
    }

    #[test]
    fn every_sentence_is_given_the_values_that_it_uses() {
        // Of a message with its attributes, in either language.
        let mut used: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (key, variables) in inventory(ENGLISH).into_iter().chain(inventory(JAPANESE)) {
            let id = key.split('.').next().unwrap().to_owned();
            used.entry(id).or_default().extend(variables);
        }
        let (mut wrong, mut calls) = (Vec::new(), 0);
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        compare_arguments(&sources, &used, &mut wrong, &mut calls);
        assert!(calls > 500, "{calls} calls were read");
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    #[test]
    fn arguments_are_read_over_lines_and_around_calls_inside_them() {
        let names = |call: &str| arguments(call).into_iter().collect::<Vec<_>>().join(" ");
        assert_eq!(names("\"id\")"), "");
        assert_eq!(names("\"id\", a = b == c, d = f(1, e = 2))"), "a d");
        assert_eq!(
            names("\n\"id\",\n a = text!(\"b\", c = ')'),\n d = \"x, y = ) \\\" z\",\n), e = 1"),
            "a d"
        );
    }

    /// What people see of a file: everything but ids and remarks.
    fn values(source: &str) -> String {
        let lines = source.lines().filter(|line| !line.starts_with('#'));
        let value = |line: &str| {
            line.split_once(" =")
                .map_or(line, |(_, value)| value)
                .to_lowercase()
        };
        lines.map(value).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn japanese_screens_avoid_the_words_that_mislead() {
        let avoid = "初期化 受信者 スナップショット バインディング サムプリント 回復キー ボールト ドリル ドライラン 鍵ペア リストア 媒体 オーナー";
        let found: Vec<_> = avoid
            .split(' ')
            .filter(|word| values(JAPANESE).contains(word))
            .collect();
        assert!(found.is_empty(), "{found:?}");
    }

    #[test]
    fn english_screens_avoid_the_words_of_specialists() {
        let avoid =
            "fork tombstone sshsig recipient snapshot initialise initialize ed25519 identity";
        let found: Vec<_> = avoid
            .split(' ')
            .filter(|word| values(ENGLISH).contains(word))
            .collect();
        assert!(found.is_empty(), "{found:?}");
    }

    #[test]
    fn where_no_generation_is_whole_nothing_is_said_to_be_restorable() {
        for (language, restorable) in [
            (Language::En, "can be restored"),
            (Language::Ja, "復元できます"),
        ] {
            let texts = Texts::load(language);
            let sentences = |count: u32| {
                [
                    crate::text!("verify-attention", count = count),
                    crate::text!("verify-forged", count = count),
                ]
            };
            assert!(
                sentences(0)
                    .iter()
                    .all(|text| !texts.words(text).contains(restorable))
            );
            assert!(
                sentences(2)
                    .iter()
                    .all(|text| texts.words(text).contains(restorable))
            );
        }
    }

    #[test]
    fn nothing_in_a_value_moves_the_cursor_starts_a_line_or_turns_the_writing_around() {
        let texts = Texts::load(Language::En);
        let words = |words: &str| texts.words(&crate::text!("os-other", words = words));
        assert_eq!(words("a\u{1b}[2Jb"), "a<U+001B>[2Jb");
        assert_eq!(
            words("www\ndone: saved\r\u{2028}\u{202e}x\u{2066}\u{200b}\u{61c}"),
            "www<U+000A>done: saved<U+000D><U+2028><U+202E>x<U+2066><U+200B><U+061C>"
        );
        let lines = vec!["a\nb".to_owned(), "c".to_owned()];
        assert_eq!(
            texts.words(&crate::text!("os-other", words = lines)),
            "a<U+000A>b\nc"
        );
    }
}
