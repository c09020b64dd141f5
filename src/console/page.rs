//! One page of HTML that stands by itself: no scripts, nothing from outside, made for A4. Every
//! word is escaped.

use super::{Table, plain};

/// Colours have words beside them, so that nothing is lost in print.
const STYLE: &str = "\
@page{size:A4;margin:18mm}
body{font:11pt/1.5 'Yu Gothic UI','Meiryo','Noto Sans CJK JP','Segoe UI',sans-serif;color:#111;max-width:180mm;margin:8mm auto;padding:0 4mm}
h1{font-size:18pt;margin:0 0 2mm}h2{font-size:13pt;margin:8mm 0 2mm;border-bottom:1px solid #999;break-after:avoid}
h3{font-size:11.5pt;margin:5mm 0 1mm;break-after:avoid}p{margin:1mm 0}
table{border-collapse:collapse;width:100%;font-size:9.5pt;margin:2mm 0}
th,td{border:1px solid #bbb;padding:1mm 2mm;text-align:left;vertical-align:top;overflow-wrap:anywhere}
th{background:#eee;overflow-wrap:normal}thead{display:table-header-group}tr{break-inside:avoid}
ul{list-style:none;margin:1mm 0;padding:0}li{display:flex;gap:3mm;margin:1mm 0;break-inside:avoid;overflow-wrap:anywhere}
li span{min-width:0;white-space:pre-line}
b.mark{flex:none;width:24mm;font-size:9pt;font-weight:600;border-left:4px solid #999;padding-left:2mm}
b.kept{border-color:#1a7f37}b.attention{border-color:#b35900}b.broken{border-color:#b00020}
.line td:first-child{white-space:nowrap}.line td:nth-child(2){width:45mm}.line td:nth-child(2) i{display:inline-block;vertical-align:middle;border-top:3mm solid #35618e;margin-right:1.5mm}
.facts{color:#444}@media print{body{margin:0;padding:0;max-width:none}b.mark{print-color-adjust:exact}}";

/// Beside it for a paper, which is one page.
const SHEET_STYLE: &str = "\
@page{margin:14mm}body{font-size:9.5pt;line-height:1.35}h1{font-size:15pt}h2{font-size:11pt;margin:3mm 0 1mm}p{margin:.5mm 0}
table{font-size:8.5pt;margin:1mm 0}th,td{padding:.4mm 1.5mm}
pre{font:8.5pt/1.3 'BIZ UDGothic','Consolas','DejaVu Sans Mono',monospace;margin:1mm 0;white-space:pre-wrap;overflow-wrap:anywhere}
pre.rows{font-size:13pt;line-height:1.3}.notice{border:2px solid #111;padding:1.5mm 3mm;font-size:11pt;font-weight:600}
.blank{display:flex;gap:2mm;margin:2.2mm 0 0}.blank i{flex:1;border-bottom:1px solid #111}
.beside{display:flex;gap:5mm;align-items:flex-start}.beside>div{flex:1;min-width:0}.beside svg{flex:none;width:50mm;height:50mm}";

/// The bar of the most, in millimetres.
const LONGEST_BAR: usize = 34;
/// Where there are few, one of them is no long bar.
const SHORTEST_SCALE: usize = 5;

/// A page being written.
pub struct Page {
    body: String,
}

impl Page {
    /// A page that begins with this heading.
    pub fn new(language: &str, title: &str) -> Self {
        Self::styled(language, title, "")
    }

    /// The same for a paper: everything on one page of A4.
    pub fn sheet(language: &str, title: &str) -> Self {
        Self::styled(language, title, SHEET_STYLE)
    }

    fn styled(language: &str, title: &str, more: &str) -> Self {
        let (language, title) = (escaped(language), escaped(title));
        let head = format!(
            "<!DOCTYPE html>\n<html lang=\"{language}\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
             <meta name=\"viewport\" content=\"width=device-width\">\n<title>{title}</title>\n\
             <style>\n{STYLE}{more}\n</style>\n</head>\n<body>\n<h1>{title}</h1>\n"
        );
        Self { body: head }
    }

    /// A line of facts below a heading.
    pub fn facts(&mut self, words: &str) {
        self.element("p class=\"facts\"", "p", words);
    }

    /// A paragraph.
    pub fn paragraph(&mut self, words: &str) {
        self.element("p", "p", words);
    }

    /// A section.
    pub fn section(&mut self, words: &str) {
        self.element("h2", "h2", words);
    }

    /// A part of a section.
    pub fn part(&mut self, words: &str) {
        self.element("h3", "h3", words);
    }

    /// A list of sentences, each with a mark: the mark's kind, its word, the sentence.
    pub fn marked(&mut self, lines: &[(&str, String, String)]) {
        self.body += "<ul>\n";
        for (kind, mark, words) in lines {
            let (kind, mark, words) = (escaped(kind), escaped(mark), escaped(words));
            self.body +=
                &format!("<li><b class=\"mark {kind}\">{mark}</b><span>{words}</span></li>\n");
        }
        self.body += "</ul>\n";
    }

    /// A table with its heading.
    pub fn table(&mut self, table: &Table) {
        self.body += "<table>\n";
        let (head, rows) = table.parts();
        for (part, tag, rows) in [("thead", "th", head), ("tbody", "td", rows)] {
            self.body += &format!("<{part}>\n");
            for row in rows.iter().filter(|row| !row.is_empty()) {
                let cells: String = row
                    .iter()
                    .map(|cell| format!("<{tag}>{}</{tag}>", escaped(cell)))
                    .collect();
                self.body += &format!("<tr>{cells}</tr>\n");
            }
            self.body += &format!("</{part}>\n");
        }
        self.body += "</table>\n";
    }

    /// What falls when: a name for the time, how many, and their names. The bars are borders, which are printed.
    pub fn time_line(&mut self, lines: &[(String, usize, String)]) {
        let most = lines.iter().map(|(_, count, _)| *count).max();
        let most = most.unwrap_or(0).max(SHORTEST_SCALE);
        self.body += "<table class=\"line\"><tbody>\n";
        for (when, count, names) in lines {
            let (when, names) = (escaped(when), escaped(names));
            let long = (count * LONGEST_BAR / most).max(1);
            let bar = match count {
                0 => String::new(),
                _ => format!("<i style=\"width:{long}mm\"></i>{count}"),
            };
            self.body += &format!("<tr><td>{when}</td><td>{bar}</td><td>{names}</td></tr>\n");
        }
        self.body += "</tbody></table>\n";
    }

    /// What must be seen first, in a frame.
    pub fn notice(&mut self, words: &str) {
        self.element("p class=\"notice\"", "p", words);
    }

    /// Lines to be typed as they are.
    pub fn as_typed(&mut self, lines: &str) {
        self.element("pre", "pre", lines);
    }

    /// Lines of a key.
    pub fn rows(&mut self, lines: &str) {
        self.element("pre class=\"rows\"", "pre", lines);
    }

    /// A name before a line to be filled in.
    pub fn blank(&mut self, name: &str) {
        self.body += &format!(
            "<p class=\"blank\"><span>{}</span><i></i></p>\n",
            escaped(name)
        );
    }

    /// What follows stands to the left of a picture.
    pub fn begin_beside(&mut self) {
        self.body += "<div class=\"beside\"><div>\n";
    }

    /// The picture: dark squares as a path of SVG, and how many squares it is wide.
    pub fn end_beside(&mut self, (path, width): &(String, usize)) {
        let path = escaped(path);
        self.body += &format!(
            "</div>\n<svg viewBox=\"0 0 {width} {width}\" shape-rendering=\"crispEdges\">\
             <rect width=\"{width}\" height=\"{width}\" fill=\"#fff\"/><path d=\"{path}\"/></svg>\n</div>\n"
        );
    }

    /// The whole page.
    pub fn render(self) -> String {
        self.body + "</body>\n</html>\n"
    }

    fn element(&mut self, open: &str, close: &str, words: &str) {
        self.body += &format!("<{open}>{}</{close}>\n", escaped(words));
    }
}

/// Words that can neither end nor begin an element or an attribute, nor turn the writing around.
fn escaped(words: &str) -> String {
    let lines: Vec<String> = words.split('\n').map(plain).collect();
    let mut safe = String::with_capacity(words.len());
    for c in lines.join("\n").chars() {
        match c {
            '&' => safe += "&amp;",
            '<' => safe += "&lt;",
            '>' => safe += "&gt;",
            '"' => safe += "&quot;",
            '\'' => safe += "&#39;",
            c => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_value_becomes_markup() {
        let hostile = "<script>alert(1)</script>\"' onload=x &lt; \u{202e}";
        let mut page = Page::new(hostile, hostile);
        page.section(hostile);
        page.part(hostile);
        page.facts(hostile);
        page.paragraph(hostile);
        page.marked(&[(hostile, hostile.into(), hostile.into())]);
        page.time_line(&[(hostile.into(), 1, hostile.into())]);
        page.notice(hostile);
        page.as_typed(hostile);
        page.rows(hostile);
        page.blank(hostile);
        let mut table = Table::new(vec![hostile.into()]);
        table.row(vec![hostile.into()]);
        page.table(&table);
        let html = page.render();
        assert!(
            !html.contains("<script") && !html.contains('\u{202e}') && !html.contains("\"' onload")
        );
        assert_eq!(
            html.matches("&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39; onload=x &amp;lt; ")
                .count(),
            18
        );
    }
}
