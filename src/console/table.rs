//! Plain tables: columns as wide as their widest cell, East Asian characters counted as two.

use super::wrap::{width, width_of};

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

    /// The text, without a line feed at its end.
    pub fn render(&self) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let wide = |column: usize| {
            self.rows
                .iter()
                .filter_map(|row| row.get(column))
                .map(|cell| width(cell))
                .max()
        };
        let widths: Vec<usize> = (0..columns)
            .map(|column| wide(column).unwrap_or(0))
            .collect();
        let lines: Vec<String> = self
            .rows
            .iter()
            .map(|row| render_row(row, &widths))
            .collect();
        lines.join("\n")
    }
}

fn render_row(row: &[String], widths: &[usize]) -> String {
    let mut line = String::from(" ");
    for (cell, wanted) in row.iter().zip(widths) {
        line += " ";
        line += cell;
        line += &" ".repeat(wanted - width(cell) + 1);
    }
    line.trim_end().to_owned()
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
        assert_eq!(table.render(), "  x\n  a<U+000A><U+202E>b");
    }

    #[test]
    fn a_long_text_is_cut_to_its_columns() {
        assert_eq!(cut("www", 3), "www");
        assert_eq!(cut("www.example.com", 5), "www.…");
        assert_eq!(cut("公開サイト", 6), "公開…");
        assert_eq!(cut("公開サイト", 7), "公開サ…");
    }

    #[test]
    fn columns_line_up_under_wide_characters() {
        let mut table = Table::new(vec!["名前".into(), "x".into()]);
        table.row(vec!["www.example.com".into(), "1".into()]);
        assert_eq!(table.render(), "  名前             x\n  www.example.com  1");
    }
}
