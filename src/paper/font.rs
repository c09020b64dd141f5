//! The fonts of a PDF: subsets of BIZ UDPGothic and BIZ UDGothic (font/OFL.txt; font/make made them).

use std::collections::BTreeSet;

use ttf_parser::{Face, FaceParsingError};

/// Which font.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Family {
    /// For words: Latin, kana, and the kanji of JIS X 0208, level 1.
    Text,
    /// For keys and commands: ASCII, all of one width.
    Fixed,
}

impl Family {
    /// Its file.
    pub(super) fn bytes(self) -> &'static [u8] {
        match self {
            Self::Text => include_bytes!("font/text.ttf"),
            Self::Fixed => include_bytes!("font/fixed.ttf"),
        }
    }
}

/// Both fonts, ready to measure with.
pub(super) struct Fonts {
    text: Face<'static>,
    fixed: Face<'static>,
}

impl Fonts {
    /// Reads the fonts that are part of the program.
    ///
    /// # Errors
    /// Never, as a test shows.
    pub(super) fn new() -> Result<Self, FaceParsingError> {
        Ok(Self {
            text: Face::parse(Family::Text.bytes(), 0)?,
            fixed: Face::parse(Family::Fixed.bytes(), 0)?,
        })
    }

    pub(super) fn face(&self, family: Family) -> &Face<'static> {
        match family {
            Family::Text => &self.text,
            Family::Fixed => &self.fixed,
        }
    }

    /// The glyph of a character.
    pub(super) fn glyph(&self, family: Family, character: char) -> Option<u16> {
        let glyph = self.face(family).glyph_index(character)?;
        Some(glyph.0)
    }

    /// How wide a text is at a size of 1; what has no glyph takes none.
    pub(super) fn width(&self, family: Family, text: &str) -> f32 {
        let face = self.face(family);
        let advance = |c| face.glyph_hor_advance(face.glyph_index(c)?);
        let units: u32 = text.chars().filter_map(advance).map(u32::from).sum();
        units as f32 / f32::from(face.units_per_em())
    }

    /// The characters of a text that have no glyph.
    pub(super) fn missing(&self, text: &str) -> BTreeSet<char> {
        let has = |c: &char| self.glyph(Family::Text, *c).is_some();
        text.chars().filter(|c| !has(c)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fonts_have_every_character_of_every_text() {
        let fonts = Fonts::new().unwrap();
        for texts in [
            include_str!("../console/texts/en.ftl"),
            include_str!("../console/texts/ja.ftl"),
        ] {
            let papers = texts.split('\n').filter(|line| line.starts_with("paper-"));
            for line in papers {
                assert!(fonts.missing(line).is_empty(), "{line}");
            }
        }
        for character in ' '..='~' {
            assert!(fonts.glyph(Family::Fixed, character).is_some());
        }
        let names = "金庫 髙﨑 予備 本社 東京 さくら";
        assert_eq!(fonts.missing(names), ['髙', '﨑'].into());
    }
}
