//! What is to be restored is read and proven: from a vault, or from a plain source.

use std::collections::BTreeMap;

use crate::cli::RestoreArgs;
use crate::console::Enter;
use crate::error::Result;
use crate::iis::OnWindows;
use crate::keystore::{FilePart, PartOfPair, Source, reason_of_catalog};
use crate::message::age;
use crate::session::Session;
use crate::session::backup_report::Past;
use crate::session::restore_set::{RestoreItem, RestoreSet};
use crate::session::selection::choose;
use crate::text;
use crate::workflow::server_backup::ServerBackup;
use crate::workflow::unlock::UnlockedVault;
use crate::workflow::verify;
use rayon::prelude::*;
use vault::catalog::{AboutKeyPair, WithoutKey};

/// Whether it comes from media and parcels.
pub(super) fn is_from_vault(args: &RestoreArgs) -> bool {
    !args.from.iter().any(|from| Source::is_source(from))
}

/// Reads what is to be restored.
pub(super) fn read_set(session: &Session<'_>, args: &RestoreArgs) -> Result<RestoreSet> {
    match args.from.as_slice() {
        [source] if Source::is_source(source) => Ok(RestoreSet::of(session.chosen(
            &args.names,
            source,
            &args.files,
        )?)),
        media => from_vault(session, args, media),
    }
}

fn from_vault(session: &Session<'_>, args: &RestoreArgs, media: &[String]) -> Result<RestoreSet> {
    let media = session.vault_media_or_inserted(media)?;
    let known = session.memory();
    let opened = session.open(&media, &known)?;
    let backup = choose(&opened, &args.which, &args.names, args.retired)?;
    say_chosen(session, &backup);
    let mut set = RestoreSet {
        key_pairs: Vec::new(),
        missing: Vec::new(),
        doubts: backup.doubts.clone(),
        not_here: backup.not_here.clone(),
        no_more: Past::of(&backup.no_more),
        newest: Some(backup.newest.record.number),
        site_map: backup.site_map.clone(),
    };
    read_key_pairs(&opened, &backup, &mut set);
    for found in verify::of_copies(&opened.survey, backup.generations_used()) {
        session.console.warn(&found.text);
        set.doubts.push(found.text);
    }
    if args.retired {
        let text = text!("restore-retired-question", names = args.names.join(", "));
        session.go_ahead(args.into.yes || args.into.dry_run, &text, Enter::No)?;
    }
    for WithoutKey { name, reason, .. } in backup.lacking() {
        set.missing.push((name.clone(), reason_of_catalog(reason)));
    }
    Ok(set)
}

/// Reads what counts into the set; what cannot be read is missing there.
fn read_key_pairs(opened: &UnlockedVault<'_>, backup: &ServerBackup<'_>, set: &mut RestoreSet) {
    let held = &backup.key_pairs;
    let read: Vec<_> = held
        .par_iter()
        .map(|held| opened.key_pair(held.generation, &held.entry))
        .collect();
    for (held, read) in held.iter().zip(read) {
        let about = held.about();
        match read {
            Ok(pair) => set.key_pairs.push(RestoreItem {
                pair,
                file_names: about.file_names.clone(),
                file_parts: parts_of(about),
                windows: OnWindows::of(about),
                generation: held.numbers.last().copied(),
                from_folder: held.from_folder,
            }),
            Err(reason) => set.missing.push((about.display_name().to_owned(), reason)),
        }
    }
}

/// What each file of it held, as far as its catalog says what is known.
fn parts_of(about: &AboutKeyPair) -> BTreeMap<String, PartOfPair> {
    let mut parts = BTreeMap::new();
    for (name, part) in &about.file_parts {
        if let Some(part) = FilePart::parse(part) {
            let listed = about.file_certificates.get(name);
            let listed = listed.cloned().unwrap_or_default();
            parts.insert(name.clone(), PartOfPair { part, listed });
        }
    }
    parts
}

/// Says whose backup it is, how old, and what speaks against it.
fn say_chosen(session: &Session<'_>, backup: &ServerBackup<'_>) {
    let record = &backup.newest.record;
    session.console.say(&text!(
        "restore-from",
        server = backup.server(),
        number = record.number.get(),
        age = age(record.time, session.now),
        count = backup.key_pairs.len(),
        alone = if backup.is_alone { "yes" } else { "no" }
    ));
    for doubt in &backup.doubts {
        session.console.warn(doubt);
    }
}
