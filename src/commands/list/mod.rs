//! `list`: every key pair of a source, and whether the vault has it.

pub mod iis;
mod sites;

use data_encoding::HEXLOWER;
use serde_json::{Value, json};

use crate::cli::List;
use crate::console::Table;
use crate::error::{Exit, Result};
use crate::iis::SiteMap;
use crate::keypair::Certificate;
use crate::keystore::{Held, Holdings, IIS};
use crate::message::{Text, day, short};
use crate::session::Session;
use crate::session::source::{warning_text, warnings};
use crate::text;
use crate::workflow::recall::last_backup;

/// Runs the command.
pub fn run(session: &Session<'_>, args: &List) -> Result<Exit> {
    if args.from.from == IIS {
        return iis::list(session, args);
    }
    let mut holdings = session.holdings(&args.from.from, &args.from.files)?;
    holdings.select(&args.names)?;
    // Listing works everywhere; without a usable state only the last column stays empty.
    let state = session.memory().state;
    let saved = |held: &Held| {
        state
            .as_ref()
            .and_then(|state| last_backup(state, held.leaf().der()))
    };
    let not_saved = holdings
        .key_pairs
        .iter()
        .filter(|held| saved(held).is_none())
        .count();
    session.console.say(&text!(
        "list-headline",
        count = holdings.key_pairs.len(),
        unsaved = not_saved
    ));
    if !holdings.key_pairs.is_empty() {
        session.console.table(&table(session, &holdings, &saved));
    }
    for certificate in &holdings.certificates {
        session.console.mention(&text!(
            "list-certificate",
            name = certificate.display_name(),
            thumbprint = short(&certificate.thumbprint())
        ));
    }
    for unreadable in &holdings.unreadable {
        session.console.warn(&text!(
            "list-unreadable",
            name = unreadable.name.as_str(),
            reason = unreadable.reason.clone()
        ));
    }
    warnings(session, &holdings);
    let mut document = document(session, &holdings, &saved);
    if let Some(file) = &args.iis_config {
        document["sites"] =
            sites::show(session, &SiteMap::of_file(file)?, &[], &[], &[])["sites"].take();
    }
    let exit = if holdings.unreadable.is_empty() {
        Exit::Done
    } else {
        Exit::Partly
    };
    session.console.document(exit, document);
    Ok(exit)
}

fn table(
    session: &Session<'_>,
    holdings: &Holdings,
    saved: &dyn Fn(&Held) -> Option<(u32, jiff::Timestamp)>,
) -> Table {
    let words = |text: Text| session.console.words(&text);
    let mut table = Table::new(vec![
        words(text!("column-names")),
        words(text!("column-thumbprint")),
        words(text!("column-expires")),
        words(text!("column-key")),
        words(text!("column-chain")),
        words(text!("column-backup")),
    ]);
    for held in &holdings.key_pairs {
        let leaf = held.leaf();
        let backup = saved(held).map_or_else(
            || words(text!("cell-none")),
            |(number, time)| words(text!("cell-backup", number = number, day = day(time))),
        );
        table.row(vec![
            names(held),
            short(&leaf.thumbprint()),
            day(leaf.not_after()),
            leaf.key_type(),
            held.pair.chain.len().to_string(),
            backup,
        ]);
    }
    table
}

/// The host names as far as a line holds them; the friendly name in front, where it says something
/// else.
fn names(held: &Held) -> String {
    let leaf = held.leaf();
    let more = leaf.dns_names().len().saturating_sub(1);
    let name = leaf.display_name();
    let name = if more == 0 {
        name.to_owned()
    } else {
        format!("{name} +{more}")
    };
    match &held.pair.friendly_name {
        Some(friendly) if !friendly.is_empty() && *friendly != leaf.display_name() => {
            format!("{name} ({friendly})")
        }
        _ => name,
    }
}

fn document(
    session: &Session<'_>,
    holdings: &Holdings,
    saved: &dyn Fn(&Held) -> Option<(u32, jiff::Timestamp)>,
) -> Value {
    let key_pairs: Vec<_> = holdings
        .key_pairs
        .iter()
        .map(|held| key_pair(session, held, saved(held)))
        .collect();
    let certificates: Vec<_> = holdings.certificates.iter().map(facts).collect();
    let unreadable = holdings
        .unreadable
        .iter()
        .map(|u| json!({ "name": u.name, "reason": session.console.words(&u.reason) }));
    json!({ "key_pairs": key_pairs, "certificates": certificates, "unreadable": unreadable.collect::<Vec<_>>() })
}

fn key_pair(session: &Session<'_>, held: &Held, saved: Option<(u32, jiff::Timestamp)>) -> Value {
    let mut value = facts(held.leaf());
    value["friendly_name"] = json!(held.pair.friendly_name);
    value["chain"] = held
        .pair
        .chain
        .iter()
        .map(|c| json!(HEXLOWER.encode(&c.sha256())))
        .collect();
    value["files"] = json!(held.file_names);
    value["pfx"] = held.pfx.as_ref().map_or(Value::Null, |protection| {
        let part = |part: &Option<(String, u32)>| {
            part.as_ref().map_or(
                Value::Null,
                |(algorithm, iterations)| json!({ "algorithm": algorithm, "iterations": iterations }),
            )
        };
        json!({ "encryption": part(&protection.encryption), "mac": part(&protection.mac) })
    });
    value["backup"] = saved.map_or(
        Value::Null,
        |(number, time)| json!({ "generation": number, "time": time.to_string() }),
    );
    value["warnings"] = held
        .pair
        .warnings
        .iter()
        .map(|w| json!(session.console.words(&warning_text(w))))
        .collect();
    value
}

fn facts(certificate: &Certificate) -> Value {
    json!({
        "names": certificate.dns_names(),
        "common_name": certificate.common_name(),
        "thumbprint": certificate.thumbprint(),
        "certificate_sha256": HEXLOWER.encode(&certificate.sha256()),
        "spki_sha256": HEXLOWER.encode(&certificate.spki_sha256()),
        "not_before": certificate.not_before().to_string(),
        "not_after": certificate.not_after().to_string(),
        "key_type": certificate.key_type(),
    })
}
