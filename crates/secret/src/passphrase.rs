//! The forms of a passphrase. The same words come out of two keyboards as different characters: a
//! Japanese input method gives full-width letters, macOS takes `é` apart, a phone begins with a
//! capital. One form is sealed, the folded one; opening tries it first, then the others.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_public_assigned;
use zeroize::Zeroizing;

use crate::Passphrase;

/// Bytes of the longest passphrase.
pub const MOST_BYTES: usize = 4096;
/// Characters of the shortest, where one of kana or kanji counts as two: the length of a secret that
/// nothing else stands beside (NIST SP 800-63B-4).
pub const LEAST_LENGTH: u32 = 15;
/// Tenths of a bit below which a passphrase is refused, however long it is.
const LEAST_TENTHS: u32 = 200;
/// What an attacker with a thousand computers tries in a second: each spends a tenth of a second
/// and 256 MiB on one (scrypt, work factor 18).
const TRIES_A_SECOND: f64 = 10_000.0;

/// How the folded form differs from what was typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Full-width or half-width characters, ligatures and the like became ordinary ones.
    Width,
    /// Letters and their marks were put together.
    Marks,
    /// Blanks around it went, or several became one.
    Blanks,
}

/// Why a text cannot be a new passphrase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unfit {
    /// Nothing is left of it.
    Empty,
    /// It holds a control character, one that is not seen, or one that Unicode does not know.
    Character(char),
    /// It is shorter than [`LEAST_LENGTH`].
    Short,
    /// It is longer than [`MOST_BYTES`].
    Long,
    /// It is long enough, and still among the first that are tried.
    Guessable,
}

/// A passphrase that may be sealed with.
#[derive(Debug)]
pub struct Chosen {
    /// Its folded form.
    pub passphrase: Passphrase,
    /// How that differs from what was typed.
    pub changes: Vec<Change>,
    /// How long guessing it takes.
    pub strength: Strength,
}

/// A careful estimate: a person's words are in lists, rows of keys and repetitions are tried first.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Strength {
    /// Hours until half of the guesses were made by a thousand computers.
    pub hours: f64,
    /// How many words, numbers and the like it is made of.
    pub parts: u32,
}

impl Strength {
    /// Whether a thousand computers guess it within a life.
    pub fn is_weak(self) -> bool {
        self.hours < 100.0 * HOURS_A_YEAR
    }

    /// How many years they need.
    pub fn years(self) -> f64 {
        self.hours / HOURS_A_YEAR
    }
}

const HOURS_A_YEAR: f64 = 24.0 * 365.0;

/// Judges a text that is to be the new passphrase.
///
/// # Errors
/// Why it cannot be.
pub fn choose(typed: &str) -> Result<Chosen, Unfit> {
    let trimmed = typed.trim();
    let unfit = |c: &char| c.is_control() || is_unseen(*c) || !is_public_assigned(*c);
    if let Some(unfit) = trimmed.chars().find(unfit) {
        return Err(Unfit::Character(unfit));
    }
    let passphrase = Passphrase(fold(typed));
    let folded = passphrase.expose();
    let length: u32 = folded.chars().map(length_of).sum();
    let strength = Guesses::of(folded);
    match folded.len() {
        0 => Err(Unfit::Empty),
        bytes if bytes > MOST_BYTES => Err(Unfit::Long),
        _ if length < LEAST_LENGTH => Err(Unfit::Short),
        _ if strength.tenths < LEAST_TENTHS => Err(Unfit::Guessable),
        _ => Ok(Chosen {
            changes: changes(typed, folded),
            strength: strength.strength(),
            passphrase,
        }),
    }
}

/// What is tried when a vault is opened, in rounds, each form once: the folded one; what was typed,
/// as it is, put together and taken apart; and where capitals were typed, the first letter lowered,
/// then those of Caps Lock.
pub fn rounds(typed: &Passphrase) -> [Vec<Passphrase>; 3] {
    let text = typed.expose();
    let folded = fold(text);
    let mut rounds = [const { Vec::new() }; 3];
    let capitals = folded.chars().any(char::is_uppercase);
    let of_capitals = [lowered_first(&folded), swapped(&folded)];
    add(&mut rounds, 0, folded);
    add(&mut rounds, 1, collected(text, text.chars()));
    add(&mut rounds, 1, collected(text, text.nfc()));
    add(&mut rounds, 1, collected(text, text.nfd()));
    for form in of_capitals.into_iter().filter(|_| capitals) {
        add(&mut rounds, 2, form);
    }
    rounds
}

fn add(rounds: &mut [Vec<Passphrase>; 3], round: usize, form: Zeroizing<String>) {
    let form = Passphrase(form);
    if !rounds.iter().flatten().any(|known| known.same_as(&form)) {
        rounds[round].push(form);
    }
}

/// Whether typing this would open what `sealed` was sealed with.
pub fn opens(typed: &str, sealed: &Passphrase) -> bool {
    let typed = Passphrase(collected(typed, typed.chars()));
    let sealed = Passphrase(fold(sealed.expose()));
    rounds(&typed)
        .iter()
        .flatten()
        .any(|form| form.same_as(&sealed))
}

impl Passphrase {
    /// The form that is sealed: NFKC, outer blanks off, inner ones to one.
    pub fn folded(&self) -> Self {
        Self(fold(self.expose()))
    }
}

fn fold(text: &str) -> Zeroizing<String> {
    let wide = collected(text, text.nfkc());
    let mut folded = Zeroizing::new(String::with_capacity(wide.len()));
    for word in wide.split_whitespace() {
        if !folded.is_empty() {
            folded.push(' ');
        }
        folded.push_str(word);
    }
    folded
}

/// Characters made of `text`, in a buffer that never grows: no form of a character is longer than
/// eighteen (U+FDFA).
fn collected(text: &str, characters: impl Iterator<Item = char>) -> Zeroizing<String> {
    let mut form = Zeroizing::new(String::with_capacity(text.len() * 18));
    form.extend(characters);
    form
}

fn lowered_first(text: &str) -> Zeroizing<String> {
    let lowered = |(at, c): (usize, char)| if at == 0 { lower(c) } else { c };
    collected(text, text.chars().enumerate().map(lowered))
}

fn swapped(text: &str) -> Zeroizing<String> {
    let swap = |c: char| if c.is_uppercase() { lower(c) } else { upper(c) };
    collected(text, text.chars().map(swap))
}

/// The other case of a letter, where that is one letter.
fn lower(c: char) -> char {
    one(c.to_lowercase()).unwrap_or(c)
}

fn upper(c: char) -> char {
    one(c.to_uppercase()).unwrap_or(c)
}

fn one(mut letters: impl Iterator<Item = char>) -> Option<char> {
    let first = letters.next();
    first.filter(|_| letters.next().is_none())
}

fn changes(typed: &str, folded: &str) -> Vec<Change> {
    let mut changes = Vec::new();
    let composed = collected(typed, typed.nfc());
    let is_other = |c: char| !c.is_whitespace();
    let letters = |text: &str| collected(text, text.chars().filter(|c| is_other(*c)));
    if letters(&composed) != letters(folded) {
        changes.push(Change::Width);
    }
    if *composed != *collected(typed, typed.chars()) {
        changes.push(Change::Marks);
    }
    let blanks = |text: &str| text.chars().filter(|c| c.is_whitespace()).count();
    if blanks(typed) != blanks(folded) || typed.contains('\u{3000}') {
        changes.push(Change::Blanks);
    }
    changes
}

/// Whether a character shows nothing, or changes how others are shown: Unicode's format characters
/// and those that may be ignored (Default_Ignorable_Code_Point), and what ends a line.
pub fn is_unseen(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}'
        | '\u{890}'..='\u{891}' | '\u{8e2}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
        | '\u{fff0}'..='\u{fffb}' | '\u{110bd}' | '\u{110cd}' | '\u{13430}'..='\u{1343f}'
        | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

fn is_kana_or_kanji(c: char) -> bool {
    matches!(c, '\u{3041}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}' | '\u{ac00}'..='\u{d7a3}' | '\u{20000}'..='\u{3fffd}')
}

fn is_kanji(c: char) -> bool {
    is_kana_or_kanji(c) && !matches!(c, '\u{3041}'..='\u{30ff}')
}

fn length_of(c: char) -> u32 {
    if is_kana_or_kanji(c) { 2 } else { 1 }
}

/// How many guesses a text withstands, counted from its beginning.
#[derive(Default)]
struct Guesses {
    /// Tenths of a bit.
    tenths: u32,
    parts: u32,
    /// What the word that is being read withstands, and its length.
    word: u32,
    length: u32,
}

impl Guesses {
    fn of(text: &str) -> Self {
        let letters: Zeroizing<Vec<char>> = Zeroizing::new(text.chars().collect());
        let mut guesses = Self::default();
        for at in 0..letters.len() {
            if is_foreseen(&letters, at) {
                guesses.tenths += 5;
            } else {
                guesses.read(letters[at], at.checked_sub(1).map(|before| letters[before]));
            }
        }
        guesses
    }

    /// A word is about as hard to guess as its first few letters; what is typed on from it is not
    /// free.
    fn read(&mut self, c: char, before: Option<char>) {
        if c == ' ' {
            return;
        }
        let goes_on = before.is_some_and(|before| kind(before) == kind(c));
        if !goes_on {
            self.parts += 1;
            (self.word, self.length) = (0, 0);
        }
        self.length += 1;
        let tenths = match kind(c) {
            Kind::Digit => 33,
            Kind::Sign => 45,
            Kind::Kanji => 70,
            Kind::Letter if self.length == 1 => 50,
            Kind::Letter if self.word < 130 => 20.min(130 - self.word),
            Kind::Letter if self.length > 9 => 15,
            Kind::Letter => 0,
        };
        self.word += tenths;
        self.tenths += tenths;
    }

    fn strength(&self) -> Strength {
        let guesses = (f64::from(self.tenths) / 10.0 - 1.0).exp2();
        Strength {
            hours: guesses / TRIES_A_SECOND / 3600.0,
            parts: self.parts,
        }
    }
}

#[derive(PartialEq, Eq)]
enum Kind {
    Letter,
    Digit,
    Sign,
    Kanji,
}

fn kind(c: char) -> Kind {
    match c {
        c if is_kanji(c) => Kind::Kanji,
        c if c.is_alphabetic() => Kind::Letter,
        c if c.is_numeric() => Kind::Digit,
        _ => Kind::Sign,
    }
}

/// Rows of keys that fingers find by themselves.
const ROWS: [&str; 4] = ["1234567890", "qwertyuiop", "asdfghjkl", "zxcvbnm"];

/// Whether a character follows from those before it: the same again, the next of a row, or part of a
/// repetition of three or more.
fn is_foreseen(letters: &[char], at: usize) -> bool {
    let Some(before) = at.checked_sub(1).map(|before| letters[before]) else {
        return false;
    };
    let (before, here) = (lower(before), lower(letters[at]));
    let step = u32::from(here).abs_diff(u32::from(before));
    let in_row = ROWS.iter().any(|row| {
        let place = |c| row.chars().position(|key| key == c);
        let places = place(before).zip(place(here));
        places.is_some_and(|(one, other)| one.abs_diff(other) == 1)
    });
    let in_order = step <= 1 && here.is_alphanumeric();
    let ending = letters.get(at.saturating_sub(2)..=at).unwrap_or_default();
    let repeated = at > 2 && letters[..at].windows(3).any(|three| three == ending);
    in_order || in_row || repeated
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forms(typed: &str) -> Vec<Vec<String>> {
        let typed = Passphrase::new(typed.to_owned());
        let words = |round: &Vec<Passphrase>| {
            let shown = round.iter().map(|form| form.expose().to_owned());
            shown.collect()
        };
        rounds(&typed).iter().map(words).collect()
    }

    #[test]
    fn the_same_words_from_every_keyboard_are_one_form() {
        for (one, other) in [
            (
                "caf\u{e9} au lait pour tous",
                "cafe\u{301} au lait pour tous",
            ),
            (
                "\u{ff43}\u{ff41}\u{ff46}\u{ff45} 12",
                "cafe \u{ff11}\u{ff12}",
            ),
            ("correct\u{3000}horse", " correct   horse\u{a0}"),
            ("ｶﾞｯｺｳ", "ガッコウ"),
            ("か\u{3099}", "が"),
            ("ﬁne ½", "fine 1\u{2044}2"),
        ] {
            assert_eq!(*fold(one), *fold(other), "{one} {other}");
            assert_eq!(*fold(&fold(one)), *fold(one), "{one}");
        }
    }

    #[test]
    fn plain_lower_case_words_are_tried_once_and_others_form_by_form() {
        assert_eq!(forms("two words"), [vec!["two words"], vec![], vec![]]);
        assert_eq!(
            forms("two words "),
            [vec!["two words"], vec!["two words "], vec![]]
        );
        assert_eq!(
            forms("Two words"),
            [vec!["Two words"], vec![], vec!["two words", "tWO WORDS"]]
        );
        assert_eq!(
            forms("ｅ\u{301}"),
            [vec!["\u{e9}"], vec!["ｅ\u{301}"], vec![],]
        );
        assert_eq!(
            forms("e\u{301}ｘ"),
            [vec!["\u{e9}x"], vec!["e\u{301}ｘ", "\u{e9}ｘ"], vec![],]
        );
    }

    #[test]
    fn typing_it_back_is_as_strict_as_opening() {
        let sealed = Passphrase::new("alpha bravo charlie".to_owned());
        for typed in [
            "alpha bravo charlie",
            "Alpha  bravo charlie ",
            "ALPHA BRAVO CHARLIE",
            "ａｌｐｈａ bravo charlie",
        ] {
            assert!(opens(typed, &sealed), "{typed}");
        }
        for typed in ["alpha bravo", "Alpha Bravo charlie", ""] {
            assert!(!opens(typed, &sealed), "{typed}");
        }
    }

    #[test]
    fn what_cannot_be_typed_again_or_is_tried_first_is_refused() {
        for (typed, unfit) in [
            ("", Unfit::Empty),
            (" \u{3000} ", Unfit::Empty),
            ("x", Unfit::Short),
            ("alpha bravo", Unfit::Short),
            ("alpha\0bravo charlie delta", Unfit::Character('\0')),
            ("alpha\tbravo charlie delta", Unfit::Character('\t')),
            ("alpha\u{200b}bravo charlie", Unfit::Character('\u{200b}')),
            (
                "heart \u{2764}\u{fe0f} of the matter",
                Unfit::Character('\u{fe0f}'),
            ),
            ("alpha \u{378} bravo charlie", Unfit::Character('\u{378}')),
            ("aaaaaaaaaaaaaaaaaaaaaaaa", Unfit::Guessable),
            ("1234567890123456789", Unfit::Guessable),
            ("qwertyuiopasdfghjkl", Unfit::Guessable),
            ("passwordpassword", Unfit::Guessable),
        ] {
            assert_eq!(choose(typed).unwrap_err(), unfit, "{typed:?}");
        }
        assert_eq!(choose(&"ab1 ".repeat(1100)).unwrap_err(), Unfit::Long);
        for typed in [
            "correct horse battery staple",
            "correcthorsebatterystaple",
            "がんばる にっぽん さくら",
            "pass 1234567890 abcdef",
            "kX9$mQ2!pL7w#Zr",
        ] {
            assert!(choose(typed).is_ok(), "{typed}");
        }
    }

    #[test]
    fn what_was_changed_is_known() {
        let of = |typed| choose(typed).unwrap().changes;
        assert_eq!(of("correct horse battery staple"), []);
        assert_eq!(of("ｃorrect horse battery staple"), [Change::Width]);
        assert_eq!(of("cafe\u{301} au lait pour tous"), [Change::Marks]);
        assert_eq!(of(" correct  horse battery staple"), [Change::Blanks]);
        assert_eq!(of("correct\u{3000}horse battery staple"), [Change::Blanks]);
    }

    #[test]
    fn more_words_are_harder_to_guess() {
        let hours = |typed| choose(typed).unwrap().strength.hours;
        assert!(hours("alpha bravo charlie") < hours("alpha bravo charlie delta"));
        assert!(hours("correct horse battery staple") > 24.0 * 365.0);
        assert!(hours("pass 1234567890 abcdef") < 24.0 * 365.0);
    }
}
