//! What a look at media or at this server brings up.

use crate::error::Exit;
use crate::message::{Text, fold};

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

/// How `verify` ends, whose work it is to look: by the worst.
pub fn of_a_look(findings: &[Finding]) -> Exit {
    match findings.iter().map(|finding| finding.level).max() {
        Some(Level::Lost) => Exit::Damaged,
        Some(Level::Forged) => Exit::Forged,
        Some(Level::Attention) => Exit::Attention,
        Some(Level::Note) | None => Exit::Done,
    }
}

/// How a command ends that did something else and came upon these, forged and lost ones too: they are named.
pub fn beside(findings: &[Finding]) -> Exit {
    match findings.iter().any(|finding| finding.level > Level::Note) {
        true => Exit::Attention,
        false => Exit::Done,
    }
}

/// Findings, those of one kind put together where they are many.
pub fn folded(findings: Vec<Finding>) -> Vec<Finding> {
    let with = |finding: Finding, count| Finding {
        text: finding.text.and_more(count),
        ..finding
    };
    fold(findings, |finding| (finding.id, finding.text.id), with)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text;

    fn of(id: &'static str, text: Text) -> Finding {
        let level = Level::Attention;
        Finding { id, level, text }
    }

    #[test]
    fn many_findings_of_a_kind_are_one_with_the_count_of_the_others() {
        let path = |number: usize| text!("found-unexpected", medium = "E:", path = number);
        let mut findings: Vec<Finding> = (0..5000)
            .map(|number| of("unexpected-file", path(number)))
            .collect();
        findings.insert(70, of("program", path(0)));
        let folded = folded(findings);
        let first = path(0).and_more(4999);
        assert_eq!(
            folded,
            [of("unexpected-file", first), of("program", path(0))]
        );
    }

    #[test]
    fn a_few_findings_of_a_kind_are_said_one_by_one() {
        let findings = vec![of("file-lost", text!("found-newer-statement")); 9];
        assert_eq!(folded(findings.clone()), findings);
    }
}
