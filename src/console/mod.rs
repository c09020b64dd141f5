//! The only place that prints or asks. Results go to standard output; questions, progress and
//! errors to standard error. No colours, no cursor tricks: an old server's console knows no escape
//! sequences.

mod fluent;
mod new_secret;
mod page;
mod prompt;
mod recovery_key;
mod shares;
mod table;
mod wrap;

use std::io::{IsTerminal, Write};
use std::ops::RangeInclusive;
use std::sync::{Mutex, PoisonError};

pub use fluent::Language;
use fluent::Texts;
pub use new_secret::{about_chosen, unfit_reason};
pub use page::Page;
pub use prompt::Enter;
use serde::Serialize;
pub use table::{Table, cut};
use wrap::{harmless, plain, wrap, wrap_line};
use zeroize::Zeroizing;

use crate::error::{Error, Exit, Result};
use crate::message::Text;
use crate::platform::system;
use crate::text;

/// Where the lines of a cause or hint begin.
const BELOW_LABEL: &str = "      ";

/// How one run talks.
pub struct Console {
    language: Language,
    texts: Texts,
    /// One JSON document on standard output instead of sentences.
    pub json: bool,
    /// Only errors and results that need attention.
    pub quiet: bool,
    /// Everything said and answered, where a report is wanted.
    record: Mutex<Option<Vec<String>>>,
    /// Why standard output did not take what was to be said.
    unwritten: Mutex<Option<std::io::Error>>,
}

/// A text in lines of at most so many columns, in which nothing hides.
pub fn wrapped(text: &str, columns: usize) -> String {
    wrap(&harmless(text), Some(columns)).into_owned()
}

/// A failure, for programs.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct ErrorReport<'a> {
    error: ErrorWords<'a>,
}

/// Which failure it was, and its message, cause and hint in the console's language.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct ErrorWords<'a> {
    id: &'static str,
    message: &'a str,
    cause: &'a str,
    hint: &'a str,
}

impl Console {
    /// A console in a language.
    pub fn new(language: Language, json: bool, quiet: bool) -> Self {
        Self {
            language,
            texts: Texts::load(language),
            json,
            quiet,
            record: Mutex::new(None),
            unwritten: Mutex::new(None),
        }
    }

    /// The language of what is said.
    pub fn language(&self) -> Language {
        self.language
    }

    /// Begins to keep what is said and answered, for a report. Secrets are never among it.
    pub fn record(&self) {
        *self.record.lock().unwrap_or_else(PoisonError::into_inner) = Some(Vec::new());
    }

    /// Everything since [`Console::record`], and how it ended.
    pub fn recorded(&self, end: &Text) -> String {
        self.keep(&self.words(end));
        let lines = self
            .record
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        lines.unwrap_or_default().join("\r\n") + "\r\n"
    }

    fn keep(&self, words: &str) {
        if let Some(lines) = self
            .record
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .as_mut()
        {
            lines.extend(words.lines().map(str::to_owned));
        }
    }

    /// The words of a sentence.
    pub fn words(&self, text: &Text) -> String {
        self.texts.words(text)
    }

    /// The words of a command's help, if the id exists.
    pub fn help(&self, id: &str) -> Option<String> {
        self.texts.by_id(id)
    }

    /// A line of the result.
    pub fn say(&self, text: &Text) {
        let words = self.words(text);
        self.keep(&words);
        if !self.json {
            self.print_wrapped(&words);
        }
    }

    /// Words of the result or of help, in lines that fit the terminal.
    pub fn print_wrapped(&self, words: &str) {
        let columns = system::columns(&std::io::stdout());
        self.print(&wrap(&harmless(words), columns));
    }

    /// A line of the result that stays unsaid when nothing but problems is wanted.
    pub fn mention(&self, text: &Text) {
        if self.quiet {
            self.keep(&self.words(text))
        } else {
            self.say(text)
        }
    }

    /// A line about what is going on, for someone who watches.
    pub fn progress(&self, text: &Text) {
        let words = self.words(text);
        self.keep(&words);
        if !self.quiet && !self.json && std::io::stderr().is_terminal() {
            self.print_error(&words);
        }
    }

    /// A sentence beside the result that must be seen also where the result is read by a program.
    pub fn warn(&self, text: &Text) {
        if self.json {
            self.print_error(&self.words(text));
        }
        self.say(text);
    }

    /// A table of the result.
    pub fn table(&self, table: &Table) {
        if !self.json {
            let columns = system::columns(&std::io::stdout());
            self.print(&harmless(&table.render(columns)));
        }
    }

    /// Text that is the result as it is: a document, a shell's completions.
    pub fn print(&self, words: &str) {
        let mut output = std::io::stdout().lock();
        let written = output
            .write_all(&system::encoded(&format!("{words}\n")))
            .and_then(|()| output.flush());
        match written {
            // A reader that went away has seen enough.
            Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
                *self
                    .unwritten
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner) = Some(error);
            }
            _ => {}
        }
    }

    fn print_error(&self, words: &str) {
        self.show(words, "\n");
    }

    /// Puts words on standard error, beside which there is nowhere left to say that it failed.
    fn show(&self, words: &str, end: &str) {
        let columns = system::columns(&std::io::stderr());
        let lines = format!("{}{end}", wrap(&harmless(words), columns));
        let _ = std::io::stderr().lock().write_all(&system::encoded(&lines));
    }

    /// How a run ends that did what it could: as it would, unless standard output did not take the
    /// result. A command whose work failed says so by its own code.
    pub fn end(&self, exit: Exit) -> Exit {
        let unwritten = self
            .unwritten
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let Some(error) = unwritten else {
            return exit;
        };
        self.error(&Error::failed(text!("error-output-lost", reason = &error)));
        match exit {
            Exit::Done | Exit::Attention => Exit::Failed,
            worse => worse,
        }
    }

    /// The result for programs: one document, pure ASCII, with the exit code it leads to.
    pub fn document(&self, exit: Exit, document: &impl Serialize) {
        if self.json {
            // A report holds nothing that JSON cannot.
            let mut document = serde_json::to_value(document).unwrap_or_default();
            document["exit"] = (exit as u8).into();
            self.print(&ascii(&document));
        }
    }

    /// Message, cause and hint of a failure.
    pub fn error(&self, error: &Error) {
        let [message, cause, hint] = self.texts.error_words(&error.text);
        if self.json {
            let words = ErrorWords {
                id: error.text.id,
                message: &message,
                cause: &cause,
                hint: &hint,
            };
            self.document(error.exit, &ErrorReport { error: words });
        }
        let labels = ["label-error", "label-cause", "label-hint"];
        for (label, words) in labels.into_iter().zip([message, cause, hint]) {
            if !words.is_empty() {
                let label = self.texts.by_id(label).unwrap_or_default();
                self.print_error(&self.labelled(&label, &words));
            }
        }
    }

    /// The lines of a cause or hint, each below the label.
    fn labelled(&self, label: &str, words: &str) -> String {
        let (columns, mut lines) = (system::columns(&std::io::stderr()), Vec::new());
        for line in format!("{label}: {}", harmless(words)).split('\n') {
            let line = if lines.is_empty() {
                line.to_owned()
            } else {
                format!("{BELOW_LABEL}{line}")
            };
            let indent = line.len() - line.trim_start().len();
            lines.push(match columns {
                Some(columns) => wrap_line(&line, columns, indent.max(BELOW_LABEL.len())),
                None => line,
            });
        }
        lines.join("\n")
    }

    /// Whether questions can be asked: a person reads standard error and types into standard input.
    pub fn interactive(&self) -> bool {
        system::is_interactive()
    }

    /// Asks a question to be answered with yes or no, until it is answered so.
    ///
    /// # Errors
    /// Where nobody can be asked.
    pub fn confirm(&self, question: &Text, enter: Enter) -> Result<bool> {
        let marked = format!("{} {}", self.words(question), enter.mark());
        loop {
            let typed = self.answer(question, &marked)?;
            self.keep(&format!("{marked} {}", *typed));
            match prompt::yes_or_no(&typed, enter) {
                Some(answer) => return Ok(answer),
                None => self.remark(&text!("prompt-yes-or-no")),
            }
        }
    }

    /// Asks for a line of plain text, which may be part of a secret.
    ///
    /// # Errors
    /// Where nobody can be asked.
    pub fn ask(&self, question: &Text) -> Result<Zeroizing<String>> {
        self.answer(question, &self.words(question))
    }

    /// Lets a person choose by number; an empty answer is the first, 0 is `none` of them.
    ///
    /// # Errors
    /// Where nobody can be asked.
    pub fn choose(
        &self,
        question: &Text,
        choices: &[String],
        none: &Text,
    ) -> Result<Option<usize>> {
        self.show_privately(&[&self.words(question)])?;
        for (at, choice) in choices.iter().enumerate() {
            self.show_privately(&[&format!("  {:>2}  {}", at + 1, plain(choice))])?;
        }
        self.show_privately(&[&format!("  {:>2}  {}", 0, self.words(none))])?;
        let answer = self.number(0..=choices.len())?.checked_sub(1);
        let words = answer.map_or_else(|| self.words(none), |at| choices[at].clone());
        self.keep(&format!("{} {}", self.words(question), words));
        Ok(answer)
    }

    /// Asks for one of these numbers, until one of them is typed; an empty answer is 1 where that
    /// is among them.
    ///
    /// # Errors
    /// Where nobody can be asked.
    fn number(&self, among: RangeInclusive<usize>) -> Result<usize> {
        let usual = (*among.end()).min(1);
        loop {
            let typed = self.ask(&text!("prompt-choice", usual = usual))?;
            let number = if typed.is_empty() {
                Some(usual)
            } else {
                prompt::half_width(&typed).parse().ok()
            };
            match number.filter(|number| among.contains(number)) {
                Some(number) => return Ok(number),
                None => self.remark(&text!("prompt-number")),
            }
        }
    }

    /// Shows a question and reads the answer, a line without its end. What was typed before the
    /// question is no answer.
    fn answer(&self, question: &Text, shown: &str) -> Result<Zeroizing<String>> {
        if !self.interactive() {
            return Err(Error::usage(text!(
                "error-unanswered",
                question = question.clone()
            )));
        }
        system::forget_typed();
        self.show(shown, " ");
        Ok(Zeroizing::new(self.line()?.trim().to_owned()))
    }

    /// A word to who answers a question, about what was answered.
    fn remark(&self, text: &Text) {
        let words = self.words(text);
        self.keep(&words);
        self.print_error(&words);
    }

    /// Refuses what ends in showing something to a person only, before anything of it is done.
    ///
    /// # Errors
    /// Where nobody looks.
    pub fn refuse_if_nobody_looks(&self) -> Result<()> {
        match self.interactive() {
            true => Ok(()),
            false => Err(Error::usage(text!("error-nobody-to-show"))),
        }
    }

    /// Shows a line to a person only: never to a file or another program. It comes in parts,
    /// because putting a secret into a sentence would leave a copy of it in memory.
    ///
    /// # Errors
    /// Where nobody looks.
    pub fn show_privately(&self, parts: &[&str]) -> Result<()> {
        self.refuse_if_nobody_looks()?;
        if let [words] = parts {
            self.print_error(words);
            return Ok(());
        }
        let mut screen = std::io::stderr().lock();
        for part in parts {
            let _ = screen.write_all(&system::encoded(&harmless(part)));
        }
        let _ = screen.write_all(b"\n");
        Ok(())
    }
}

/// JSON with everything beyond ASCII escaped, so that no console's code page can break it.
fn ascii(document: &serde_json::Value) -> String {
    let json = serde_json::to_string_pretty(document).unwrap_or_default();
    let mut text = String::with_capacity(json.len());
    for character in json.chars() {
        if character.is_ascii() {
            text.push(character);
            continue;
        }
        for unit in character.encode_utf16(&mut [0; 2]) {
            text.push_str(&format!("\\u{unit:04x}"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_pure_ascii_and_still_says_the_same() {
        let document = serde_json::json!({ "name": "金庫 😀" });
        let text = ascii(&document);
        assert!(text.is_ascii());
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&text).unwrap(),
            document
        );
    }
}
