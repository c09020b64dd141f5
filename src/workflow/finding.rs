//! What a look at media or at this server brings up.

use crate::error::Exit;
use crate::message::Text;

/// What stands behind a verdict, in the words of docs/format.md.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Worth knowing.
    Note,
    /// Needs attention: exit 8.
    Attention,
    /// A signature is wrong: exit 10.
    Forged,
    /// Something cannot be recovered from the media given: exit 4.
    Lost,
}

/// How a command ends that looked and found these: by the worst.
pub fn exit(findings: &[Finding]) -> Exit {
    match findings.iter().map(|finding| finding.level).max() {
        Some(Level::Lost) => Exit::Damaged,
        Some(Level::Forged) => Exit::Forged,
        Some(Level::Attention) => Exit::Attention,
        Some(Level::Note) | None => Exit::Done,
    }
}

/// One thing found.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// Id, as docs/format.md lists them.
    pub id: &'static str,
    /// How bad.
    pub level: Level,
    /// In words.
    pub text: Text,
}
