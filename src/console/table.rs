//! Plain tables: columns as wide as their widest cell, East Asian characters counted as two.

use super::wrap::{fold, width, width_of};

/// Rows of cells under a heading.
#[derive(Debug)]
pub struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with its heading.
    pub fn new(heading: Vec<String>) -> Self {
        Self {
            rows: vec![heading],
        }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: Vec<String>) {
        self.rows
            .push(cells.iter().map(|cell| super::plain(cell)).collect());
    }

    /// Whether it has no row but its heading.
    pub fn is_empty(&self) -> bool {
        self.rows.len() < 2
    }

    /// The heading, and the rows below it.
    pub(super) fn parts(&self) -> (&[Vec<String>], &[Vec<String>]) {
        self.rows.split_at(1)
    }

    /// The text, without a line feed at its end: in lines of so many columns, as far as cells can be
    /// folded for that.
    pub fn render(&self, columns: Option<usize>) -> String {
        let mut widths = Vec::new();
        for row in &self.rows {
            widths.resize(row.len().max(widths.len()), 0);
            for (widest, cell) in widths.iter_mut().zip(row) {
                *widest = width(cell).max(*widest);
            }
        }
        if let Some(columns) = columns {
            fit(&mut widths, columns);
        }
        let lines: Vec<String> = self
            .rows
            .iter()
            .map(|row| render_row(row, &widths))
            .collect();
        lines.join("\n")
    }
}

/// What takes no more than this is never folded: dates, thumbprints, kinds of keys.
const SHORT: usize = 12;
/// Blanks before each cell.
const GAP: usize = 2;

/// Makes the widest columns narrower until a line is no wider than that, or all are short.
fn fit(widths: &mut [usize], columns: usize) {
    let room = columns.saturating_sub(GAP * widths.len());
    let mut most = widths.iter().copied().max().unwrap_or(0);
    while most > SHORT && widths.iter().map(|width| *width.min(&most)).sum::<usize>() > room {
        most -= 1;
    }
    for width in widths {
        *width = most.min(*width);
    }
}

/// One row, in as many lines as its longest cell needs.
fn render_row(row: &[String], widths: &[usize]) -> String {
    let mut cells = Vec::new();
    for (cell, wanted) in row.iter().zip(widths) {
        cells.push(fold(cell, *wanted));
    }
    let height = cells.iter().map(Vec::len).max().unwrap_or(0);
    let mut lines = Vec::new();
    for at in 0..height {
        let mut line = String::new();
        for (cell, wanted) in cells.iter().zip(widths) {
            let part = cell.get(at).map_or("", String::as_str);
            line += &" ".repeat(GAP);
            line += part;
            line += &" ".repeat(wanted.saturating_sub(width(part)));
        }
        lines.push(line.trim_end().to_owned());
    }
    lines.join("\n")
}

/// A text that takes no more than so many columns, with `…` where its end is cut off.
pub fn cut(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let mut cut = String::new();
    for character in text.chars() {
        if width(&cut) + width_of(character) + 1 > columns {
            break;
        }
        cut.push(character);
    }
    cut + "…"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_stays_in_its_row() {
        let mut table = Table::new(vec!["x".into()]);
        table.row(vec!["a\n\u{202e}b".into()]);
        assert_eq!(table.render(None), "  x\n  a<U+000A><U+202E>b");
    }

    #[test]
    fn a_long_text_is_cut_to_its_columns() {
        assert_eq!(cut("www", 3), "www");
        assert_eq!(cut("www.example.com", 5), "www.…");
        assert_eq!(cut("公開サイト", 6), "公開…");
        assert_eq!(cut("公開サイト", 7), "公開サ…");
    }

    #[test]
    fn a_table_too_wide_folds_its_widest_cells_and_stays_a_table() {
        let mut table = Table::new(vec!["host name".into(), "label".into(), "ends".into()]);
        table.row(vec![
            "a-very-long-host-name.department.example.co.jp".into(),
            "金庫の 2 本目の USB メモリ".into(),
            "2026-12-19".into(),
        ]);
        table.row(vec!["mail".into(), "A".into(), "2027-01-01".into()]);
        let expected = [
            "  host name                   label                   ends",
            "  a-very-long-host-name.      金庫の 2 本目の USB     2026-12-19",
            "  department.example.co.jp    メモリ",
            "  mail                        A                       2027-01-01",
        ];
        let rendered = table.render(Some(66));
        let lines: Vec<_> = rendered.lines().collect();
        assert!(lines.iter().all(|line| width(line) <= 66), "{rendered}");
        let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        for (line, expected) in lines.iter().zip(expected) {
            assert_eq!(words(line), words(expected), "{rendered}");
        }
        assert_eq!(lines.len(), expected.len());
        assert_eq!(table.render(None).lines().count(), 3);
    }

    #[test]
    fn columns_line_up_under_wide_characters() {
        let mut table = Table::new(vec!["名前".into(), "x".into()]);
        table.row(vec!["www.example.com".into(), "1".into()]);
        assert_eq!(
            table.render(None),
            "  名前             x\n  www.example.com  1"
        );
    }
}
