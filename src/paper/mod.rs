//! The two papers: the instruction sheet, which holds no secret, and the envelope, which does. What
//! stands on a paper is a list of blocks in words already; each of the three forms shows all of it
//! on one page of A4.

pub mod code;
pub mod facts;
mod font;
mod html;
mod layout;
mod pdf;
mod plain;
pub mod reading;

use std::path::Path;

use zeroize::Zeroizing;

pub use self::code::Code;
use crate::error::Result;
use crate::message::Text;

/// A paper.
pub struct Paper {
    /// `en` or `ja`.
    pub language: String,
    /// The heading, also the title of the document.
    pub title: String,
    /// Whether whoever reads it can open the vault.
    pub is_secret: bool,
    /// What stands below the heading.
    pub blocks: Vec<Block>,
}

/// A part of a paper.
pub enum Block {
    /// What must be seen first, in a frame.
    Notice(String),
    /// The heading of what follows.
    Heading(String),
    /// A paragraph.
    Words(String),
    /// Names and values.
    Facts(Vec<(String, String)>),
    /// Lines to be typed as they are.
    Commands(Vec<String>),
    /// Names, each before a line to be filled in by hand.
    Blanks(Vec<String>),
    /// A heading, and rows of as many cells.
    Table(Vec<String>, Vec<Vec<String>>),
    /// The rows of a recovery key or share, numbered from 1, each with its check.
    Rows(Vec<(Zeroizing<String>, String)>),
    /// What stands beside a square code, and what is said of the code where it is seen.
    Beside(Vec<Block>, Code, String),
}

/// How a paper is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// For a printer, with its own fonts.
    Pdf,
    /// For a browser, with the fonts of the system.
    Html,
    /// For any screen, and for stock age.
    Plain,
}

impl Form {
    /// The form that the name of a file asks for.
    pub fn of(path: &Path) -> Self {
        let extension = path.extension().unwrap_or_default();
        match extension.to_string_lossy().to_ascii_lowercase().as_str() {
            "pdf" => Self::Pdf,
            "html" | "htm" => Self::Html,
            _ => Self::Plain,
        }
    }
}

/// The rows of a key or share as lines of text, their checks below each other.
fn row_lines(rows: &[(Zeroizing<String>, String)]) -> Zeroizing<Vec<String>> {
    let longest = rows.iter().map(|(row, _)| row.len()).max().unwrap_or(0);
    let mut lines = Zeroizing::new(Vec::with_capacity(rows.len()));
    for (at, (row, check)) in rows.iter().enumerate() {
        lines.push(format!("{:>2}   {:<longest$}   {check}", at + 1, **row));
    }
    lines
}

impl Paper {
    /// The paper's file.
    ///
    /// # Errors
    /// Where the fonts of a PDF have no glyph for a character: which.
    pub fn render(&self, form: Form) -> Result<Zeroizing<Vec<u8>>, Text> {
        match form {
            Form::Pdf => pdf::render(self),
            Form::Html => Ok(Zeroizing::new(html::render(self).into_bytes())),
            Form::Plain => Ok(plain::render(self)),
        }
    }
}
