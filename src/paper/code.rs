//! The square code on a paper (QR code, ISO/IEC 18004).

use qrcode::{Color, EcLevel, QrCode};
use zeroize::Zeroizing;

/// Modules of white around a code.
pub const QUIET: usize = 4;

/// A square code and what it says.
pub struct Code {
    /// Lines of printable ASCII.
    pub text: Zeroizing<String>,
    modules: Zeroizing<Vec<bool>>,
    width: usize,
}

impl Code {
    /// A code that is read with a seventh of it lost (level M); `None` for what is too long for one.
    pub fn new(text: Zeroizing<String>) -> Option<Self> {
        let code = QrCode::with_error_correction_level(text.as_bytes(), EcLevel::M).ok()?;
        let width = code.width();
        let dark = code.into_colors().into_iter();
        let modules = Zeroizing::new(dark.map(|color| color == Color::Dark).collect::<Vec<_>>());
        Some(Self {
            text,
            modules,
            width,
        })
    }

    /// Modules on each side, the quiet zone not counted.
    pub fn width(&self) -> usize {
        self.width
    }

    /// The dark modules from the upper left on, as runs: column, row, length.
    pub fn runs(&self) -> Vec<(usize, usize, usize)> {
        let mut runs = Vec::new();
        for (row, modules) in self.modules.chunks(self.width).enumerate() {
            let mut column = 0;
            for run in modules.chunk_by(|a, b| a == b) {
                if run[0] {
                    runs.push((column, row, run.len()));
                }
                column += run.len();
            }
        }
        runs
    }

    /// What it says, in one line.
    pub fn line(&self) -> Zeroizing<String> {
        Zeroizing::new(self.text.trim_end().replace('\n', " "))
    }
}
