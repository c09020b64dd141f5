//! A paper as PDF 1.7: one page, its own fonts, nothing from outside. What the square code says is also its
//! text for those who cannot see it, uncompressed, so that the file can be read back.

use std::collections::BTreeMap;
use std::io::Write;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use pdf_writer::types::{CidFontType, FontFlags, SystemInfo, UnicodeCmap};
use pdf_writer::{Content, Filter, Finish, Name, Pdf, Rect, Ref, Str, TextStr};
use subsetter::GlyphRemapper;
use zeroize::Zeroizing;

use super::font::{Family, Fonts};
use super::layout::{self, HEIGHT, Mark, WIDTH};
use super::{Block, Paper};
use crate::error::Result;
use crate::message::Text;
use crate::text;

const CATALOG: Ref = Ref::new(1);
const PAGES: Ref = Ref::new(2);
const PAGE: Ref = Ref::new(3);
const CONTENT: Ref = Ref::new(4);
const INFO: Ref = Ref::new(5);
const SYSTEM: SystemInfo<'_> = SystemInfo {
    registry: Str(b"Adobe"),
    ordering: Str(b"Identity"),
    supplement: 0,
};

/// The glyphs of a font that a page uses, as they are numbered in the file.
#[derive(Default)]
struct Used {
    glyphs: GlyphRemapper,
    characters: BTreeMap<u16, char>,
}

/// The paper's file.
///
/// # Errors
/// Where the fonts have no glyph for a character, or there is more than one page of words.
pub(super) fn render(paper: &Paper) -> Result<Zeroizing<Vec<u8>>, Text> {
    let unfit = || text!("paper-unfit");
    let fonts = Fonts::new().map_err(|_| unfit())?;
    let missing: String = missing(paper, &fonts);
    if !missing.is_empty() {
        return Err(text!("paper-no-glyph", characters = missing));
    }
    let marks = layout::page(paper, &fonts).ok_or_else(unfit)?;
    let mut used = BTreeMap::new();
    let content = content(&marks, &fonts, &mut used);
    let mut pdf = Pdf::new();
    frame(&mut pdf, paper, &used);
    pdf.stream(CONTENT, &content);
    for (family, used) in &used {
        font(&mut pdf, &fonts, *family, used).ok_or_else(unfit)?;
    }
    Ok(Zeroizing::new(pdf.finish()))
}

/// Characters that no glyph stands for.
fn missing(paper: &Paper, fonts: &Fonts) -> String {
    let mut missing = fonts.missing(&paper.title);
    let mut open: Vec<&Block> = paper.blocks.iter().collect();
    while let Some(block) = open.pop() {
        match block {
            Block::Beside(blocks, _, about) => {
                open.extend(blocks);
                missing.extend(fonts.missing(about));
            }
            block => words(block).for_each(|words| missing.extend(fonts.missing(words))),
        }
    }
    missing.remove(&'\n');
    missing.into_iter().collect()
}

fn words(block: &Block) -> Box<dyn Iterator<Item = &str> + '_> {
    match block {
        Block::Notice(words) | Block::Heading(words) | Block::Words(words) => {
            Box::new(std::iter::once(words.as_str()))
        }
        Block::Facts(facts) => Box::new(
            facts
                .iter()
                .flat_map(|(name, value)| [name.as_str(), value]),
        ),
        Block::Commands(words) | Block::Blanks(words) => Box::new(words.iter().map(String::as_str)),
        Block::Table(heading, rows) => {
            let rows = std::iter::once(heading).chain(rows);
            Box::new(rows.flatten().map(String::as_str))
        }
        Block::Rows(_) | Block::Beside(..) => Box::new(std::iter::empty()),
    }
}

fn frame(pdf: &mut Pdf, paper: &Paper, used: &BTreeMap<Family, Used>) {
    pdf.catalog(CATALOG)
        .pages(PAGES)
        .lang(TextStr(&paper.language));
    pdf.document_info(INFO)
        .title(TextStr(&paper.title))
        .producer(TextStr("pfxvault"));
    pdf.pages(PAGES).kids([PAGE]).count(1);
    let mut page = pdf.page(PAGE);
    page.parent(PAGES)
        .media_box(Rect::new(0.0, 0.0, WIDTH, HEIGHT))
        .contents(CONTENT);
    let mut resources = page.resources();
    let mut names = resources.fonts();
    for family in used.keys() {
        names.pair(Name(name(*family)), reference(*family, 0));
    }
}

/// What the page's font is called in its content.
fn name(family: Family) -> &'static [u8] {
    match family {
        Family::Text => b"T",
        Family::Fixed => b"F",
    }
}

/// The objects of a font: itself, its descendant, its descriptor, its file, its characters.
fn reference(family: Family, object: i32) -> Ref {
    match family {
        Family::Text => Ref::new(10 + object),
        Family::Fixed => Ref::new(20 + object),
    }
}

fn content(
    marks: &[Mark<'_>],
    fonts: &Fonts,
    used: &mut BTreeMap<Family, Used>,
) -> Zeroizing<Vec<u8>> {
    let mut content = Content::new();
    content.set_line_width(0.5);
    for mark in marks {
        match mark {
            Mark::Line { x, y, length } => {
                let y = HEIGHT - y;
                content.move_to(*x, y).line_to(x + length, y).stroke();
            }
            Mark::Frame {
                x,
                y,
                width,
                height,
            } => {
                content.save_state().set_line_width(1.5);
                content.rect(*x, HEIGHT - y - height, *width, *height);
                content.stroke().restore_state();
            }
            Mark::Text {
                family,
                size,
                x,
                y,
                text,
            } => {
                let glyphs = encoded(text, fonts, *family, used.entry(*family).or_default());
                content.begin_text().set_font(Name(name(*family)), *size);
                content
                    .next_line(*x, HEIGHT - y)
                    .show(Str(&glyphs))
                    .end_text();
            }
            Mark::Code { x, y, module, code } => {
                let said = code.line();
                let mut marked = content.begin_marked_content_with_properties(Name(b"Span"));
                marked.properties().actual_text(TextStr(&said));
                marked.finish();
                for (column, row, length) in code.runs() {
                    let (column, row) = (column as f32 * module, row as f32 * module);
                    let bottom = HEIGHT - y - row - module;
                    content.rect(x + column, bottom, length as f32 * module, *module);
                }
                content.fill_nonzero().end_marked_content();
            }
        }
    }
    Zeroizing::new(content.finish().into_vec())
}

/// A text as the numbers of its glyphs.
fn encoded(text: &str, fonts: &Fonts, family: Family, used: &mut Used) -> Zeroizing<Vec<u8>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(2 * text.chars().count()));
    for character in text.chars() {
        if let Some(glyph) = fonts.glyph(family, character) {
            let number = used.glyphs.remap(glyph);
            used.characters.insert(number, character);
            bytes.extend(number.to_be_bytes());
        }
    }
    bytes
}

/// Writes the glyphs that are used; `None` where the font is none.
fn font(pdf: &mut Pdf, fonts: &Fonts, family: Family, used: &Used) -> Option<()> {
    pdf.type0_font(reference(family, 0))
        .base_font(Name(base(family)))
        .encoding_predefined(Name(b"Identity-H"))
        .descendant_font(reference(family, 1))
        .to_unicode(reference(family, 4));
    descendant(pdf, fonts, family, used);
    descriptor(pdf, fonts, family);
    let file = subsetter::subset(family.bytes(), 0, &used.glyphs).ok()?;
    let packed = packed(&file)?;
    pdf.stream(reference(family, 3), &packed)
        .filter(Filter::FlateDecode)
        .pair(Name(b"Length1"), i32::try_from(file.len()).ok()?);
    let mut characters = UnicodeCmap::new(Name(b"Characters"), SYSTEM);
    for (glyph, character) in &used.characters {
        characters.pair(*glyph, *character);
    }
    pdf.cmap(reference(family, 4), &characters.finish());
    Some(())
}

/// A subset's name: six letters before that of the whole (ISO 32000-1, section 9.6.4).
fn base(family: Family) -> &'static [u8] {
    match family {
        Family::Text => b"PFXVTX+BIZUDPGothic-Regular",
        Family::Fixed => b"PFXVFX+BIZUDGothic-Regular",
    }
}

/// What a font's units are in thousandths of its size.
fn scale(fonts: &Fonts, family: Family) -> f32 {
    1000.0 / f32::from(fonts.face(family).units_per_em())
}

/// How wide each glyph is.
fn descendant(pdf: &mut Pdf, fonts: &Fonts, family: Family, used: &Used) {
    let (face, scale) = (fonts.face(family), scale(fonts, family));
    let mut descendant = pdf.cid_font(reference(family, 1));
    descendant
        .subtype(CidFontType::Type2)
        .base_font(Name(base(family)))
        .system_info(SYSTEM)
        .font_descriptor(reference(family, 2))
        .default_width(0.0)
        .cid_to_gid_map_predefined(Name(b"Identity"));
    let advance = |glyph| face.glyph_hor_advance(ttf_parser::GlyphId(glyph));
    let glyphs = used.glyphs.remapped_gids();
    let widths = glyphs.map(|glyph| f32::from(advance(glyph).unwrap_or(0)) * scale);
    descendant.widths().consecutive(0, widths);
    descendant.finish();
}

/// The measures of the whole font.
fn descriptor(pdf: &mut Pdf, fonts: &Fonts, family: Family) {
    let (face, scale) = (fonts.face(family), scale(fonts, family));
    let bounds = face.global_bounding_box();
    let side = |units: i16| f32::from(units) * scale;
    pdf.font_descriptor(reference(family, 2))
        .name(Name(base(family)))
        .flags(FontFlags::SYMBOLIC)
        .bbox(Rect::new(
            side(bounds.x_min),
            side(bounds.y_min),
            side(bounds.x_max),
            side(bounds.y_max),
        ))
        .italic_angle(0.0)
        .ascent(side(face.ascender()))
        .descent(side(face.descender()))
        .cap_height(side(face.capital_height().unwrap_or(face.ascender())))
        .stem_v(80.0)
        .font_file2(reference(family, 3));
}

fn packed(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).ok()?;
    encoder.finish().ok()
}
