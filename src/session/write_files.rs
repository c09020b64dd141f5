//! Key pairs are written to a folder server, a PFX or PEM files: the plan first, then the question.

use std::path::Path;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::cli::Into;
use crate::console::Enter;
use crate::error::{Exit, Result};
use crate::keypair::Certificate;
use crate::keystore::{Destination, Placed, Planned, Writing, refuse_taken};
use crate::message::{Text, short};
use crate::session::findings::left_out_document;
use crate::session::restore_set::{RestoreSet, nothing_to_place};
use crate::session::{Session, standing};
use crate::text;

/// Plan, question, password, write, report. Also what `export` ends with. `named` is what was asked
/// for by name: that it has ended is said and no more.
pub fn write_files(
    session: &Session<'_>,
    set: &mut RestoreSet,
    destination: &Destination,
    into: &Into,
    named: bool,
) -> Result<Exit> {
    if set.key_pairs.is_empty() {
        return Err(nothing_to_place(set));
    }
    set.sort_by_claim(session.now);
    let placed: Vec<_> = set
        .key_pairs
        .iter()
        .map(|one| Placed {
            pair: &one.pair,
            file_names: &one.file_names,
        })
        .collect();
    let leaves: Vec<_> = placed.iter().map(|one| one.pair.leaf()).collect();
    let planned = destination.plan(&placed)?;
    show_plan(session, &leaves, &planned, set);
    let exit = match set.exit() {
        Exit::Done if !named && !standing::all_valid(&leaves, session.now) => Exit::Attention,
        exit => exit,
    };
    let mut document = document(session, set, &leaves, &planned);
    if into.dry_run {
        refuse_taken(&planned, into.force)?;
        document["dry_run"] = true.into();
        session.console.document(exit, document);
        return Ok(exit);
    }
    let replaces = planned
        .iter()
        .flat_map(|planned| &planned.paths)
        .any(|path| path.exists());
    session.go_ahead(
        into.yes,
        &text!("restore-question"),
        if replaces { Enter::No } else { Enter::Yes },
    )?;
    let password = destination
        .is_pfx()
        .then(|| session.pfx_password(into.pfx_password_file.as_deref()))
        .transpose()?;
    let writing = Writing {
        password: password.as_ref(),
        profile: into.reader.unwrap_or_default().profile(),
        force: into.force,
    };
    let files = destination.write(&placed, &writing)?;
    session.console.say(&text!(
        "restore-done",
        count = placed.len(),
        files = files.len(),
        place = destination.path()
    ));
    standing::headline(session, &leaves);
    standing::tell(session, &leaves);
    set.show_left_out(session);
    if !destination.is_pfx() {
        session
            .console
            .warn(&text!("restore-open-keys", place = destination.path()));
    }
    document["restored"] = placed.len().into();
    session.console.document(exit, document);
    Ok(exit)
}

fn document(
    session: &Session<'_>,
    set: &RestoreSet,
    leaves: &[&Certificate],
    planned: &[Planned],
) -> Value {
    let missing = |(name, reason): &(String, Text)| json!({ "name": name, "reason": session.console.words(reason) });
    let files = |planned: &Planned| {
        planned
            .paths
            .iter()
            .map(|path| path.display().to_string())
            .collect::<Vec<_>>()
    };
    let key_pair = |(leaf, planned): (&&Certificate, &Planned)| {
        let mut key_pair = standing::document(leaf, session.now);
        key_pair["files"] = json!(files(planned));
        key_pair
    };
    json!({
        "files": planned.iter().flat_map(files).collect::<Vec<_>>(),
        "key_pairs": leaves.iter().zip(planned).map(key_pair).collect::<Vec<_>>(),
        "valid_today": standing::count_valid(leaves, session.now),
        "missing": set.missing.iter().map(missing).collect::<Vec<_>>(),
        "doubts": set.doubts.iter().map(|doubt| session.console.words(doubt)).collect::<Vec<_>>(),
        "left_out": left_out_document(&set.left_out),
    })
}

/// Every file with the certificate in it, sorted by name; what does not keep its name; how many are
/// valid.
fn show_plan(
    session: &Session<'_>,
    leaves: &[&Certificate],
    planned: &[Planned],
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
        for (was, reason) in &planned.renamed {
            let thumbprint = short(&leaf.thumbprint());
            session.console.warn(&text!(
                "plan-renamed",
                name = leaf.display_name(),
                thumbprint = thumbprint,
                was = was,
                reason = reason.clone()
            ));
        }
    }
    for (name, reason) in &set.missing {
        session.console.warn(&text!(
            "restore-missing",
            name = name,
            reason = reason.clone()
        ));
    }
    set.show_left_out(session);
    standing::headline(session, leaves);
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
