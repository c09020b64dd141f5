//! What is to be restored is read and proven: from a vault, or from a plain source.

use crate::cli::RestoreArgs;
use crate::error::Result;
use crate::iis::{OnWindows, SiteMap};
use crate::keystore::{IIS, Source, is_called_without_key};
use crate::session::Session;
use crate::session::restore_set::{RestoreItem, RestoreSet};
use crate::session::selection::{age_in_days, choose, is_wanted};
use crate::text;
use crate::workflow::left_out::{self, quoted};
use rayon::prelude::*;

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
    let record = &from.generation.record;
    let age = age_in_days(session, record.time);
    session.console.say(&text!(
        "restore-from",
        server = from.catalog.server_name.as_str(),
        number = record.number.get(),
        age = age,
        left_out = left_out::count(&from.left_out)
    ));
    from.doubts
        .iter()
        .for_each(|doubt| session.console.warn(doubt));
    let (doubts, site_map) = (from.doubts.clone(), SiteMap::of_catalog(&from.catalog));
    let mut left_out = from.left_out.clone();
    if args.to != IIS {
        left_out
            .iter_mut()
            .for_each(|left_out| left_out.line += &format!(" --to {}", quoted(&args.to)));
    }
    let mut set = RestoreSet {
        key_pairs: Vec::new(),
        missing: Vec::new(),
        doubts,
        left_out,
        site_map,
    };
    let wanted: Vec<_> = from
        .catalog
        .key_pairs
        .iter()
        .filter(|entry| is_wanted(entry, &args.names))
        .collect();
    let read: Vec<_> = wanted
        .par_iter()
        .map(|entry| opened.key_pair(&from, entry))
        .collect();
    for (entry, read) in wanted.into_iter().zip(read) {
        match read {
            Ok(pair) => {
                let (file_names, windows) =
                    (entry.about.file_names.clone(), OnWindows::of(&entry.about));
                set.key_pairs.push(RestoreItem {
                    pair,
                    file_names,
                    windows,
                });
            }
            Err(reason) => set
                .missing
                .push((entry.about.display_name().to_owned(), reason)),
        }
    }
    let is_meant = |known: &str| {
        args.names.is_empty() || args.names.iter().any(|n| is_called_without_key(known, n))
    };
    for without in from
        .catalog
        .without_key
        .iter()
        .filter(|without| is_meant(&without.name))
    {
        set.missing
            .push((without.name.clone(), text!("reason-without-key")));
    }
    Ok(set)
}
