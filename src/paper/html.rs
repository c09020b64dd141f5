//! A paper as one page of HTML, with the fonts of the system.

use super::code::{Code, QUIET};
use super::{Block, Paper, row_lines};
use crate::console::{Page, Table};

/// The paper's page.
pub(super) fn render(paper: &Paper) -> String {
    let mut page = Page::sheet(&paper.language, &paper.title);
    for block in &paper.blocks {
        add(&mut page, block);
    }
    page.render()
}

fn add(page: &mut Page, block: &Block) {
    match block {
        Block::Notice(words) => page.notice(words),
        Block::Heading(words) => page.section(words),
        Block::Words(words) => page.paragraph(words),
        Block::Facts(facts) => page.table(&table(facts)),
        Block::Commands(lines) => page.as_typed(&lines.join("\n")),
        Block::Blanks(names) => names.iter().for_each(|name| page.blank(name)),
        Block::Table(heading, rows) => {
            let mut table = Table::new(heading.clone());
            rows.iter().for_each(|row| table.row(row.clone()));
            page.table(&table);
        }
        Block::Rows(rows) => {
            page.rows(&row_lines(rows).join("\n"));
        }
        Block::Beside(blocks, code, about) => {
            page.begin_beside();
            blocks.iter().for_each(|block| add(page, block));
            page.paragraph(about);
            page.end_beside(&picture(code));
            page.as_typed(&code.text);
        }
    }
}

fn table(facts: &[(String, String)]) -> Table {
    let mut table = Table::new(Vec::new());
    for (name, value) in facts {
        table.row(vec![name.clone(), value.clone()]);
    }
    table
}

/// The code as a path of SVG, and how many modules it is wide.
fn picture(code: &Code) -> (String, usize) {
    let mut path = String::new();
    for (column, row, length) in code.runs() {
        path += &format!("M{} {}h{length}v1h-{length}z", column + QUIET, row + QUIET);
    }
    (path, code.width() + 2 * QUIET)
}
