//! Key pairs are written to a folder server, a PFX or PEM files: the plan first, then the question.

use std::path::Path;

use jiff::Timestamp;
use serde::Serialize;

use crate::cli::DestinationArgs;
use crate::console::Enter;
use crate::error::{Exit, Result};
use crate::keypair::Certificate;
use crate::keystore::{Destination, NamedKeyPair, PlannedFiles, Writing, refuse_taken};
use crate::message::{Text, day, short};
use crate::session::backup_report::{NoMoreReport, NotHereReport};
use crate::session::report::{MissingReport, StandingReport};
use crate::session::restore_set::{RestoreSet, nothing_to_place};
use crate::session::{Session, standing};
use crate::text;

/// Plan, question, password, write, report. Also what `export` ends with. `named` is what was asked
/// for by name: that it has ended is said and no more.
pub fn write_files(
    session: &Session<'_>,
    set: &mut RestoreSet,
    destination: &Destination,
    into: &DestinationArgs,
    named: bool,
) -> Result<Exit> {
    if set.key_pairs.is_empty() {
        return Err(nothing_to_place(session, set));
    }
    set.sort_by_claim(session.now);
    let (mut placed, mut leaves) = (Vec::new(), Vec::new());
    for one in &set.key_pairs {
        placed.push(NamedKeyPair {
            pair: &one.pair,
            file_names: &one.file_names,
            file_parts: Some(&one.file_parts),
        });
        leaves.push(one.pair.leaf());
    }
    let planned = destination.plan(&placed)?;
    refuse_taken(&planned, into.force)?;
    show_plan(session, &leaves, &planned, set);
    let mut exit = set.exit();
    if exit == Exit::Done && !named && !standing::all_valid(&leaves, session.now) {
        exit = Exit::Attention;
    }
    let mut report = FilesReport::of(session, set, &leaves, &planned);
    if into.dry_run {
        report.dry_run = Some(true);
        session.console.document(exit, &report);
        return Ok(exit);
    }
    ask_to_write(session, &planned, into.yes)?;
    let password = if destination.is_pfx() {
        Some(session.pfx_password(into.pfx_password_file.as_deref())?)
    } else {
        None
    };
    let writing = Writing {
        password: password.as_ref(),
        profile: into.reader.unwrap_or_default().profile(),
        force: into.force,
    };
    let files = destination.write(&placed, &writing)?.len();
    say_written(session, set, &leaves, destination, files);
    report.restored = Some(placed.len());
    session.console.document(exit, &report);
    Ok(exit)
}

/// Asks; enter alone replaces no file.
fn ask_to_write(session: &Session<'_>, planned: &[PlannedFiles], yes: bool) -> Result<()> {
    let mut paths = planned.iter().flat_map(|planned| &planned.paths);
    let enter = if paths.any(|path| path.exists()) {
        Enter::No
    } else {
        Enter::Yes
    };
    session.go_ahead(yes, &text!("restore-question"), enter)
}

fn say_written(
    session: &Session<'_>,
    set: &RestoreSet,
    leaves: &[&Certificate],
    destination: &Destination,
    files: usize,
) {
    session.console.say(&text!(
        "restore-done",
        count = leaves.len(),
        files = files,
        place = destination.path()
    ));
    standing::headline(session, leaves);
    standing::tell(session, leaves);
    set.show_not_here(session);
    if !destination.is_pfx() {
        session
            .console
            .warn(&text!("restore-open-keys", place = destination.path()));
    }
}

/// What is written from a set, or would be.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct FilesReport {
    #[serde(skip_serializing_if = "Option::is_none")]
    dry_run: Option<bool>,
    files: Vec<String>,
    key_pairs: Vec<FilesOfKeyPair>,
    valid_today: usize,
    missing: Vec<MissingReport>,
    /// What speaks against taking it for the newest state.
    doubts: Vec<String>,
    not_here: Vec<NotHereReport>,
    no_more: Vec<NoMoreReport>,
    /// How many key pairs were written.
    #[serde(skip_serializing_if = "Option::is_none")]
    restored: Option<usize>,
}

/// A key pair with the files that it goes into.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct FilesOfKeyPair {
    #[serde(flatten)]
    standing: StandingReport,
    /// The newest generation that holds it, where it comes from a vault.
    generation: Option<u32>,
    files: Vec<String>,
}

impl FilesReport {
    fn of(
        session: &Session<'_>,
        set: &RestoreSet,
        leaves: &[&Certificate],
        planned: &[PlannedFiles],
    ) -> Self {
        let console = session.console;
        let mut report = Self {
            dry_run: None,
            files: Vec::new(),
            key_pairs: Vec::new(),
            valid_today: standing::count_valid(leaves, session.now),
            missing: Vec::new(),
            doubts: Vec::new(),
            not_here: NotHereReport::of(&set.not_here),
            no_more: NoMoreReport::of(&set.no_more),
            restored: None,
        };
        for ((one, leaf), planned) in set.key_pairs.iter().zip(leaves).zip(planned) {
            let paths = planned.paths.iter();
            let files: Vec<String> = paths.map(|path| path.display().to_string()).collect();
            report.files.extend(files.iter().cloned());
            let standing = StandingReport::of(leaf, session.now);
            report.key_pairs.push(FilesOfKeyPair {
                standing,
                generation: one.generation.map(|number| number.get()),
                files,
            });
        }
        for (name, reason) in &set.missing {
            let missing = MissingReport::of(console, name, reason);
            report.missing.push(missing);
        }
        for doubt in &set.doubts {
            report.doubts.push(console.words(doubt));
        }
        report
    }
}

/// Every file with the certificate in it, sorted by name; what does not keep its name; how many are
/// valid.
fn show_plan(
    session: &Session<'_>,
    leaves: &[&Certificate],
    planned: &[PlannedFiles],
    set: &RestoreSet,
) {
    let mut lines: Vec<_> = leaves.iter().zip(planned).collect();
    lines.sort_by(|(_, a), (_, b)| a.paths.cmp(&b.paths));
    for (leaf, planned) in lines {
        for path in &planned.paths {
            let line = plan_line(leaf, path, session.now);
            if leaf.is_valid(session.now) {
                session.console.mention(&line)
            } else {
                session.console.say(&line)
            }
        }
        say_other_name(session, leaf, planned);
    }
    for (name, reason) in &set.missing {
        session.console.warn(&text!(
            "restore-missing",
            name = name,
            reason = reason.clone()
        ));
    }
    set.show_generations(session);
    set.say_renewed(session);
    standing::headline(session, leaves);
}

/// What does not keep its name, or is not called by its host, with its dates.
fn say_other_name(session: &Session<'_>, leaf: &Certificate, planned: &PlannedFiles) {
    let (name, thumbprint) = (leaf.display_name(), short(&leaf.thumbprint()));
    let (begin, end) = (day(leaf.not_before()), standing::end(leaf, session.now));
    for (was, reason) in &planned.renamed {
        session.console.warn(&text!(
            "plan-renamed",
            name = name,
            thumbprint = thumbprint.as_str(),
            begin = begin.as_str(),
            end = end.clone(),
            was = was,
            reason = reason.clone()
        ));
    }
    if planned.apart {
        session.console.warn(&text!(
            "plan-apart",
            name = name,
            thumbprint = thumbprint,
            begin = begin,
            end = end
        ));
    }
}

fn plan_line(leaf: &Certificate, path: &Path, now: Timestamp) -> Text {
    let (name, thumbprint, end) = (
        leaf.display_name(),
        short(&leaf.thumbprint()),
        standing::end(leaf, now),
    );
    match path.exists() {
        true => text!(
            "plan-replace",
            name = name,
            thumbprint = thumbprint,
            end = end,
            path = path
        ),
        false => text!(
            "plan-create",
            name = name,
            thumbprint = thumbprint,
            end = end,
            path = path
        ),
    }
}
