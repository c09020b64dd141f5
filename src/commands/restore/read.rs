//! What is to be restored is read and proven: from a vault, or from a plain source.

use std::collections::BTreeMap;

use crate::cli::RestoreArgs;
use crate::error::Result;
use crate::iis::{OnWindows, SiteMap};
use crate::keystore::{FilePart, IIS, Source, is_called_without_key};
use crate::message::age;
use crate::session::Session;
use crate::session::restore_set::{RestoreItem, RestoreSet};
use crate::session::selection::{choose, is_wanted};
use crate::text;
use crate::workflow::left_out::{self, quoted};
use crate::workflow::unlock::{OpenGeneration, UnlockedVault};
use rayon::prelude::*;
use vault::catalog::{AboutKeyPair, CatalogEntry, WithoutKey};

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
    let from = choose(&opened, &args.which, &args.names)?;
    say_chosen(session, &from);
    let mut set = RestoreSet {
        key_pairs: Vec::new(),
        missing: Vec::new(),
        doubts: from.doubts.clone(),
        left_out: from.left_out.clone(),
        site_map: SiteMap::of_catalog(&from.catalog),
    };
    if args.to != IIS {
        for left_out in &mut set.left_out {
            left_out.line += &format!(" --to {}", quoted(&args.to));
        }
    }
    read_key_pairs(&opened, &from, &args.names, &mut set);
    for WithoutKey { name, .. } in &from.catalog.without_key {
        let mut names = args.names.iter();
        if args.names.is_empty() || names.any(|wanted| is_called_without_key(name, wanted)) {
            set.missing
                .push((name.clone(), text!("reason-without-key")));
        }
    }
    Ok(set)
}

/// Reads those that `names` mean into the set; what cannot be read is missing there.
fn read_key_pairs(
    opened: &UnlockedVault<'_>,
    from: &OpenGeneration,
    names: &[String],
    set: &mut RestoreSet,
) {
    let entries = from.catalog.key_pairs.iter();
    let wanted: Vec<_> = entries.filter(|entry| is_wanted(entry, names)).collect();
    let read: Vec<_> = wanted
        .par_iter()
        .map(|entry| opened.key_pair(from, entry))
        .collect();
    for (CatalogEntry { about, .. }, read) in wanted.into_iter().zip(read) {
        match read {
            Ok(pair) => set.key_pairs.push(RestoreItem {
                pair,
                file_names: about.file_names.clone(),
                file_parts: parts_of(about),
                windows: OnWindows::of(about),
            }),
            Err(reason) => set.missing.push((about.display_name().to_owned(), reason)),
        }
    }
}

/// What each file of it held, as far as its catalog says what is known.
fn parts_of(about: &AboutKeyPair) -> BTreeMap<String, FilePart> {
    let mut parts = BTreeMap::new();
    for (name, part) in &about.file_parts {
        if let Some(part) = FilePart::parse(part) {
            parts.insert(name.clone(), part);
        }
    }
    parts
}

/// Says which generation it is, how old, and what speaks against it.
fn say_chosen(session: &Session<'_>, from: &OpenGeneration) {
    let record = &from.generation.record;
    session.console.say(&text!(
        "restore-from",
        server = from.server(),
        number = record.number.get(),
        age = age(record.time, session.now),
        left_out = left_out::count(&from.left_out)
    ));
    for doubt in &from.doubts {
        session.console.warn(doubt);
    }
}
