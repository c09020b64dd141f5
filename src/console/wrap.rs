//! Lines broken for the width of a terminal: at blanks, in Japanese between characters, never inside
//! a word. Characters that would not be seen, or would change how others are seen, stand as codes.

use std::borrow::Cow;

use secret::passphrase::is_unseen;
use unicode_width::UnicodeWidthChar;

/// Characters that never begin a line (kinsoku).
const NEVER_FIRST: &str = "、。，．,.:;：；!?！？)]}）］｝」』】〉》〕”’…‥・ーゝゞ々%％ぁぃぅぇぉっゃゅょァィゥェォッャュョヵヶ";
/// Those that never end one.
const NEVER_LAST: &str = "([{（［｛「『【〈《〔“‘";
/// Narrower than this is left as it is: nothing can be read in such columns.
const LEAST_COLUMNS: usize = 30;

/// A value in one line: whatever could begin another, move the cursor or hide stands as `<U+202E>`.
pub(super) fn plain(words: &str) -> String {
    escaped(words, |c| c.is_control() || is_unseen(c)).into_owned()
}

/// What goes to the screen, in which only line feeds are left. A secret without such characters is
/// not copied.
pub(super) fn harmless(words: &str) -> Cow<'_, str> {
    escaped(words, |c| (c.is_control() || is_unseen(c)) && c != '\n')
}

fn escaped(words: &str, is_harmful: fn(char) -> bool) -> Cow<'_, str> {
    if !words.contains(is_harmful) {
        return Cow::Borrowed(words);
    }
    let mut safe = String::with_capacity(words.len() * 2);
    for c in words.chars() {
        if is_harmful(c) {
            safe += &format!("<U+{:04X}>", u32::from(c));
        } else {
            safe.push(c);
        }
    }
    Cow::Owned(safe)
}

/// Columns a text takes on a console.
pub(super) fn width(text: &str) -> usize {
    text.chars().map(width_of).sum()
}

pub(super) fn width_of(c: char) -> usize {
    c.width().unwrap_or(0)
}

/// A text whose lines are no wider than that, each continued below its own words.
pub(super) fn wrap(text: &str, columns: Option<usize>) -> Cow<'_, str> {
    match columns {
        Some(columns) if columns >= LEAST_COLUMNS => {
            if text.lines().all(|line| width(line) <= columns) {
                return Cow::Borrowed(text);
            }
            let line = |line| wrap_line(line, columns, hang_of(line));
            Cow::Owned(text.split('\n').map(line).collect::<Vec<_>>().join("\n"))
        }
        _ => Cow::Borrowed(text),
    }
}

/// One line, continued below its first words: those behind its number or option, if it has such.
fn hang_of(line: &str) -> usize {
    let indent = line.len() - line.trim_start_matches(' ').len();
    let behind = line[indent..].find("  ").map(|gap| {
        let blanks = &line[indent + gap..];
        indent + gap + blanks.len() - blanks.trim_start_matches(' ').len()
    });
    let column = behind.filter(|end| *end < line.len());
    column.map_or(indent, |end| width(&line[..end]))
}

/// Wraps one line; what continues it is indented by `hang`, where that leaves room.
pub(super) fn wrap_line(line: &str, columns: usize, hang: usize) -> String {
    let hang = if hang * 2 > columns { 4 } else { hang };
    let (mut wrapped, mut used) = (String::with_capacity(line.len() + 64), 0);
    for piece in pieces(line) {
        let words = piece.trim_end_matches(' ');
        if used > hang && used + width(words) > columns {
            wrapped.truncate(wrapped.trim_end_matches(' ').len());
            wrapped.push('\n');
            wrapped += &" ".repeat(hang);
            used = hang;
        }
        wrapped += piece;
        used += width(piece);
    }
    wrapped
}

/// A text in lines of at most so many columns: broken where a line may be, else behind a dot or
/// hyphen, else anywhere. At least one line, with at least one character of a longer text.
pub(super) fn fold(text: &str, columns: usize) -> Vec<String> {
    let (mut lines, mut line) = (Vec::new(), String::new());
    for piece in pieces(text) {
        if !line.is_empty() && width(&line) + width(piece.trim_end_matches(' ')) > columns {
            lines.push(std::mem::take(&mut line));
        }
        line += piece;
        while width(line.trim_end_matches(' ')) > columns {
            let rest = line.split_off(fitting(&line, columns));
            lines.push(std::mem::replace(&mut line, rest));
        }
    }
    lines.push(line);
    for line in &mut lines {
        line.truncate(line.trim_end_matches(' ').len());
    }
    lines
}

/// Bytes of the beginning that take no more than so many columns, to the last dot or hyphen in it.
fn fitting(text: &str, columns: usize) -> usize {
    let (mut used, mut end) = (0, 0);
    for (at, c) in text.char_indices() {
        used += width_of(c);
        if used > columns && at > 0 {
            break;
        }
        end = at + c.len_utf8();
    }
    let behind = text[..end].rfind(['.', '-']).map(|at| at + 1);
    behind.unwrap_or(end)
}

/// What a line may be broken into, each with the blanks behind it. A command to be copied is one
/// piece: half of it might do something else.
fn pieces(line: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let (mut begin, mut before) = (0, None);
    for (at, here) in line.char_indices() {
        if let Some(last) = before
            && at > begin
            && may_break(last, here)
            && !line[..at].trim().is_empty()
        {
            pieces.push(&line[begin..at]);
            begin = at;
            if is_command(line, at) {
                break;
            }
        }
        before = Some(here);
    }
    pieces.push(&line[begin..]);
    pieces
}

fn may_break(last: char, here: char) -> bool {
    if last == ' ' || here == ' ' {
        return last == ' ' && here != ' ';
    }
    let is_wide = width_of(last) == 2 || width_of(here) == 2;
    // A foreign word, which Japanese writes in one piece.
    let is_word = [last, here]
        .iter()
        .all(|c| matches!(c, '\u{30a1}'..='\u{30fe}'));
    is_wide && !is_word && !NEVER_LAST.contains(last) && !NEVER_FIRST.contains(here)
}

/// Whether a command stands here, announced by a colon or alone in its line.
fn is_command(line: &str, at: usize) -> bool {
    let before = line[..at].trim_end_matches(' ');
    line[at..].starts_with("pfxvault ") && (before.is_empty() || before.ends_with(':'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str, columns: usize) -> Vec<String> {
        let wrapped = wrap(text, Some(columns));
        wrapped.lines().map(str::to_owned).collect()
    }

    #[test]
    fn sentences_break_at_blanks_and_each_continues_below_its_words() {
        assert_eq!(
            lines("Several words that are longer than what a line has", 30),
            ["Several words that are longer", "than what a line has"]
        );
        assert_eq!(
            lines("      --option <VALUE>  what it is for, in some words", 40),
            [
                "      --option <VALUE>  what it is for,",
                "    in some words"
            ]
        );
        assert_eq!(
            lines("  10  words that are numbered and long", 30),
            ["  10  words that are numbered", "      and long"]
        );
    }

    #[test]
    fn japanese_breaks_between_characters_and_never_before_a_mark_or_after_a_bracket() {
        for columns in 30..60 {
            for line in lines(
                "保管庫を開く手段が、「通常」より多くあります。まだすべては試していません(USB メモリ「金庫A」)。続けますか?",
                columns,
            ) {
                let (first, last) = (line.chars().next().unwrap(), line.chars().last().unwrap());
                assert!(width(&line) <= columns, "{line}");
                assert!(!NEVER_FIRST.contains(first), "{line}");
                assert!(!NEVER_LAST.contains(last), "{line}");
            }
        }
    }

    #[test]
    fn no_word_is_broken_and_no_command() {
        let command = "pfxvault backup --from folder:/somewhere/on/this/server --to /media/usb";
        let text = format!("Bring it up to date: {command}");
        let wrapped = lines(&text, 72);
        assert_eq!(wrapped, ["Bring it up to date:", command]);
        let path = "/a/very/long/path/without/any/blank/that/does/not/fit";
        assert_eq!(lines(&format!("see {path} there"), 30)[1], path);
    }

    #[test]
    fn what_is_not_seen_stands_as_a_code_and_nothing_else_is_changed() {
        assert_eq!(
            plain("a\u{1b}[2J\nb\u{202e}c\u{200b}"),
            "a<U+001B>[2J<U+000A>b<U+202E>c<U+200B>"
        );
        assert_eq!(harmless("a\nb\r"), "a\nb<U+000D>");
        assert_eq!(plain("金庫A が 100%"), "金庫A が 100%");
    }
}
