//! Where everything stands on the page. Lengths are points, from the upper left corner.

use super::code::{Code, QUIET};
use super::font::{Family, Fonts};
use super::{Block, Paper};

pub(super) const WIDTH: f32 = 595.28;
pub(super) const HEIGHT: f32 = 841.89;
const MARGIN: f32 = 45.0;
/// A square code on the page, its quiet zone included; one of many modules is larger.
const CODE: f32 = 142.0;
/// The least that a module may be: a scan of 200 dpi, as JPEG, still tells it.
const MODULE: f32 = 2.3;
/// Between two columns.
const GAP: f32 = 10.0;
/// How far the names of facts go.
const NAMES: f32 = 128.0;
/// Sizes that are tried until all of it fits, in hundredths.
const SCALES: [u8; 7] = [100, 95, 90, 85, 80, 75, 70];
/// Characters that never begin a line (kinsoku).
const NEVER_FIRST: &str =
    "、。，．,.:;!?！？)]}）」』】…・ー々ぁぃぅぇぉっゃゅょァィゥェォッャュョ";

/// Something on the page.
pub(super) enum Mark<'p> {
    /// A line of text: its left end and base line.
    Text {
        family: Family,
        size: f32,
        x: f32,
        y: f32,
        text: &'p str,
    },
    /// A thin line to the right.
    Line { x: f32, y: f32, length: f32 },
    /// A frame.
    Frame {
        x: f32,
        y: f32,
        width: f32,
        height: f32,
    },
    /// A square code, from the corner of its first module on.
    Code {
        x: f32,
        y: f32,
        module: f32,
        code: &'p Code,
    },
}

/// A column that is filled from above.
struct Column<'p, 'f> {
    fonts: &'f Fonts,
    scale: f32,
    x: f32,
    width: f32,
    y: f32,
    marks: Vec<Mark<'p>>,
}

/// Everything on the page, as large as fits; `None` where it does not even in small print.
pub(super) fn page<'p>(paper: &'p Paper, fonts: &Fonts) -> Option<Vec<Mark<'p>>> {
    for scale in SCALES {
        let mut column = Column {
            fonts,
            scale: f32::from(scale) / 100.0,
            x: MARGIN,
            width: WIDTH - 2.0 * MARGIN,
            y: MARGIN,
            marks: Vec::new(),
        };
        column.lines(Family::Text, 17.0, &paper.title);
        column.space(4.0);
        for block in &paper.blocks {
            column.block(block);
        }
        if column.y <= HEIGHT - MARGIN {
            return Some(column.marks);
        }
    }
    None
}

impl<'p> Column<'p, '_> {
    fn block(&mut self, block: &'p Block) {
        match block {
            Block::Notice(words) => self.notice(words),
            Block::Heading(words) => self.heading(words),
            Block::Words(words) => {
                self.lines(Family::Text, 9.5, words);
                self.space(3.0);
            }
            Block::Facts(facts) => self.facts(facts),
            Block::Commands(lines) => self.commands(lines),
            Block::Blanks(names) => self.blanks(names),
            Block::Table(heading, rows) => self.table(heading, rows),
            Block::Rows(rows) => self.rows(rows),
            Block::Beside(blocks, code, about) => self.beside(blocks, code, about),
        }
    }

    fn space(&mut self, points: f32) {
        self.y += points * self.scale;
    }

    /// A text in as many lines as it takes.
    fn lines(&mut self, family: Family, size: f32, text: &'p str) {
        let size = size * self.scale;
        for line in broken(self.fonts, family, text, self.width / size) {
            self.y += size * 1.4;
            self.text(family, size, self.x, line);
        }
    }

    fn text(&mut self, family: Family, size: f32, x: f32, text: &'p str) {
        // The base line lies a quarter of the size above the end of the line.
        let y = self.y - size * 0.3;
        self.marks.push(Mark::Text {
            family,
            size,
            x,
            y,
            text,
        });
    }

    /// Fills a narrower column at this place, and goes on where it is.
    fn within(&mut self, x: f32, width: f32, fill: impl FnOnce(&mut Self)) {
        let outer = (self.x, self.width);
        (self.x, self.width) = (x, width);
        fill(self);
        (self.x, self.width) = outer;
    }

    fn notice(&mut self, words: &'p str) {
        let (top, inset) = (self.y + 2.0, 8.0);
        self.y = top + 4.0;
        self.within(self.x + inset, self.width - 2.0 * inset, |inner| {
            inner.lines(Family::Text, 11.0, words);
        });
        self.y += 6.0;
        self.marks.push(Mark::Frame {
            x: self.x,
            y: top,
            width: self.width,
            height: self.y - top,
        });
        self.space(5.0);
    }

    fn heading(&mut self, words: &'p str) {
        self.space(5.0);
        self.lines(Family::Text, 11.5, words);
        self.space(2.0);
        self.marks.push(Mark::Line {
            x: self.x,
            y: self.y,
            length: self.width,
        });
        self.space(3.0);
    }

    fn facts(&mut self, facts: &'p [(String, String)]) {
        let names = NAMES * self.scale;
        for (name, value) in facts {
            let top = self.y;
            self.within(self.x, names - GAP, |left| {
                left.lines(Family::Text, 9.5, name);
            });
            let below = std::mem::replace(&mut self.y, top);
            self.within(self.x + names, self.width - names, |right| {
                right.lines(family_of(value), 9.5, value);
            });
            self.y = self.y.max(below);
        }
        self.space(3.0);
    }

    fn commands(&mut self, lines: &'p [String]) {
        for line in lines {
            self.within(self.x + 8.0, self.width - 8.0, |inner| {
                inner.lines(Family::Fixed, 8.5, line);
            });
        }
        self.space(3.0);
    }

    fn blanks(&mut self, names: &'p [String]) {
        let size = 9.5 * self.scale;
        for name in names {
            self.y += size * 2.1;
            let taken = self.fonts.width(Family::Text, name) * size + 6.0;
            if taken > self.width {
                self.y -= size;
                self.lines(Family::Text, 9.5, name);
                continue;
            }
            self.text(Family::Text, size, self.x, name);
            let (x, y) = (self.x + taken, self.y);
            let length = self.width - taken;
            self.marks.push(Mark::Line { x, y, length });
        }
        self.space(3.0);
    }

    fn table(&mut self, heading: &'p [String], rows: &'p [Vec<String>]) {
        let size = 8.5 * self.scale;
        let widths = self.columns(heading, rows, size);
        for row in std::iter::once(heading).chain(rows.iter().map(Vec::as_slice)) {
            let (top, mut x, mut below) = (self.y, self.x, self.y);
            for (cell, width) in row.iter().zip(&widths) {
                self.y = top;
                self.within(x, width - GAP, |inner| {
                    inner.lines(family_of(cell), 8.5, cell);
                });
                below = below.max(self.y);
                x += width;
            }
            self.y = below + 2.0;
            let (x, y, length) = (self.x, self.y, self.width);
            self.marks.push(Mark::Line { x, y, length });
        }
        self.space(5.0);
    }

    /// Columns as wide as what is in them, or as their share where that is more than there is.
    fn columns(&self, heading: &[String], rows: &[Vec<String>], size: f32) -> Vec<f32> {
        let mut widths = Vec::new();
        for (column, name) in heading.iter().enumerate() {
            let cells = rows.iter().filter_map(|row| row.get(column));
            let cells = cells.chain([name]);
            let widths_of = cells.map(|cell| self.fonts.width(family_of(cell), cell) * size + GAP);
            widths.push(widths_of.fold(0.0, f32::max) + 1.0);
        }
        let all: f32 = widths.iter().sum();
        let shrink = (self.width / all).min(1.0);
        widths.iter().map(|width| width * shrink).collect()
    }

    fn rows(&mut self, rows: &'p [(zeroize::Zeroizing<String>, String)]) {
        let longest = rows.iter().map(|(row, _)| row.len()).max().unwrap_or(0);
        // Six characters of a key stand larger than three words of a share.
        let size = if longest > LONG_ROW { 10.5 } else { 13.0 } * self.scale;
        let checks = 3.6 + 0.5 * longest as f32;
        for (at, (row, check)) in rows.iter().enumerate() {
            self.y += size * 1.45;
            self.text(
                Family::Fixed,
                size,
                self.x,
                NUMBERS[at.min(NUMBERS.len() - 1)],
            );
            self.text(Family::Fixed, size, self.x + 2.2 * size, row);
            self.text(Family::Fixed, size, self.x + checks * size, check);
        }
        self.space(6.0);
    }

    fn beside(&mut self, blocks: &'p [Block], code: &'p Code, about: &'p str) {
        let (top, right) = (self.y, self.x + self.width);
        let modules = (code.width() + 2 * QUIET) as f32;
        let side = CODE.max(MODULE * modules);
        self.within(self.x, self.width - side - GAP, |left| {
            for block in blocks {
                left.block(block);
            }
            left.lines(Family::Text, 9.5, about);
            left.space(3.0);
        });
        let module = side / modules;
        let quiet = module * QUIET as f32;
        self.marks.push(Mark::Code {
            x: right - side + quiet,
            y: top + quiet,
            module,
            code,
        });
        self.y = self.y.max(top + side);
    }
}

/// Characters of a row that is longer than those of a key.
const LONG_ROW: usize = 12;

/// Numbers of rows.
const NUMBERS: [&str; 40] = [
    " 1", " 2", " 3", " 4", " 5", " 6", " 7", " 8", " 9", "10", "11", "12", "13", "14", "15", "16",
    "17", "18", "19", "20", "21", "22", "23", "24", "25", "26", "27", "28", "29", "30", "31", "32",
    "33", "34", "35", "36", "37", "38", "39", "40",
];

/// Hashes and fingerprints are compared character by character.
fn family_of(value: &str) -> Family {
    let is_hash = value.len() >= 16 && value.bytes().all(|b| b.is_ascii_hexdigit());
    match is_hash || value.starts_with("SHA256:") {
        true => Family::Fixed,
        false => Family::Text,
    }
}

/// The lines of a text that fit into a width (at a size of 1): broken at blanks, in Japanese between
/// characters, and anywhere where there is no other way.
fn broken<'t>(fonts: &Fonts, family: Family, text: &'t str, width: f32) -> Vec<&'t str> {
    let mut lines = Vec::new();
    for paragraph in text.split('\n') {
        let mut rest = paragraph;
        while !rest.is_empty() {
            let end = line_end(fonts, family, rest, width);
            lines.push(rest[..end].trim_end());
            rest = rest[end..].trim_start();
        }
    }
    lines
}

fn line_end(fonts: &Fonts, family: Family, text: &str, width: f32) -> usize {
    let (mut used, mut last_break) = (0.0, None);
    let mut before = ' ';
    for (at, character) in text.char_indices() {
        if at > 0 && may_break(before, character) {
            last_break = Some(at);
        }
        used += fonts.width(family, character.encode_utf8(&mut [0; 4]));
        if used > width && at > 0 && character != ' ' {
            return last_break.unwrap_or(at);
        }
        before = character;
    }
    text.len()
}

fn may_break(before: char, here: char) -> bool {
    if before == ' ' {
        return here != ' ';
    }
    let is_wide = |c: char| u32::from(c) >= 0x3000;
    (is_wide(before) || is_wide(here))
        && here != ' '
        && !NEVER_FIRST.contains(here)
        && !"(（「『【".contains(before)
}
