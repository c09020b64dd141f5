//! A paper as text. That of the envelope is a file of stock age: every line of it is a remark but
//! for the key's.

use zeroize::Zeroizing;

use super::{Block, Paper, row_lines};
use crate::console::Table;

/// Columns of a page.
const COLUMNS: usize = 78;
const BLANK: &str = "______________________________";

/// The paper's text, in lines that end as Windows wants them.
pub(super) fn render(paper: &Paper) -> Zeroizing<Vec<u8>> {
    let mut page = Plain {
        remark: if paper.is_secret { "# " } else { "" },
        text: Zeroizing::new(Vec::with_capacity(16 * 1024)),
    };
    page.line(&paper.title);
    page.line(&"=".repeat(COLUMNS));
    for block in &paper.blocks {
        page.block(block);
    }
    page.text
}

struct Plain {
    remark: &'static str,
    text: Zeroizing<Vec<u8>>,
}

impl Plain {
    fn line(&mut self, words: &str) {
        let line = [self.remark, words];
        let bare = line.map(str::len).iter().sum::<usize>();
        for part in line {
            self.text.extend_from_slice(part.as_bytes());
        }
        if words.is_empty() && bare > 0 {
            self.text.pop();
        }
        self.text.extend_from_slice(b"\r\n");
    }

    fn block(&mut self, block: &Block) {
        match block {
            Block::Notice(words) => self.words(&format!("*** {words}")),
            Block::Words(words) => self.words(words),
            Block::Heading(words) => {
                self.line("");
                self.line(words);
                self.line(&"-".repeat(COLUMNS));
            }
            Block::Facts(facts) => {
                for (name, value) in facts {
                    self.line(&format!("{name}: {value}"));
                }
            }
            Block::Commands(lines) => {
                for line in lines {
                    self.line(&format!("    {line}"));
                }
            }
            Block::Blanks(names) => {
                for name in names {
                    self.line(&format!("{name} {BLANK}"));
                }
            }
            Block::Table(heading, rows) => self.table(heading, rows),
            Block::Rows(rows) => {
                for line in row_lines(rows).iter() {
                    self.line(&Zeroizing::new(format!("    {line}")));
                }
            }
            Block::Beside(blocks, code, _) => {
                for block in blocks {
                    self.block(block);
                }
                self.line("");
                self.text.extend(code.text.replace('\n', "\r\n").as_bytes());
            }
        }
    }

    fn words(&mut self, words: &str) {
        let wrapped = crate::console::wrapped(words, COLUMNS);
        wrapped.lines().for_each(|line| self.line(line));
    }

    fn table(&mut self, heading: &[String], rows: &[Vec<String>]) {
        let mut table = Table::new(heading.to_vec());
        rows.iter().for_each(|row| table.row(row.clone()));
        table.render(None).lines().for_each(|line| self.line(line));
    }
}
