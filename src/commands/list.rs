//! `list`: every key pair of a source, and whether the vault has it.

use data_encoding::HEXLOWER;
use serde_json::{Value, json};

use crate::cli::List;
use crate::commands::{Run, day, short, sites};
use crate::console::Table;
use crate::error::{Exit, Result};
use crate::iis::SiteMap;
use crate::keypair::{Certificate, Warning};
use crate::keystore::{Held, Holdings, IIS};
use crate::message::Text;
use crate::state::{State, Written};
use crate::text;
use vault::id::Hash;

/// Runs the command.
pub fn run(run: &Run<'_>, args: &List) -> Result<Exit> {
    if args.from.from == IIS {
        return super::iis::list(run, args);
    }
    let mut holdings = run.holdings(&args.from.from, &args.from.files)?;
    holdings.select(&args.names)?;
    // Listing works everywhere; without a usable state only the last column stays empty.
    let state = run.memory().state;
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
    run.console.say(&text!(
        "list-headline",
        count = holdings.key_pairs.len(),
        unsaved = not_saved
    ));
    if !holdings.key_pairs.is_empty() {
        run.console.table(&table(run, &holdings, &saved));
    }
    for certificate in &holdings.certificates {
        run.console.mention(&text!(
            "list-certificate",
            name = certificate.display_name(),
            thumbprint = short(&certificate.thumbprint())
        ));
    }
    for unreadable in &holdings.unreadable {
        run.console.warn(&text!(
            "list-unreadable",
            name = unreadable.name.as_str(),
            reason = unreadable.reason.clone()
        ));
    }
    warnings(run, &holdings);
    let mut document = document(run, &holdings, &saved);
    if let Some(file) = &args.iis_config {
        document["sites"] =
            sites::show(run, &SiteMap::of_file(file)?, &[], &[], &[])["sites"].take();
    }
    let exit = if holdings.unreadable.is_empty() {
        Exit::Done
    } else {
        Exit::Partly
    };
    run.console.document(exit, document);
    Ok(exit)
}

/// The newest generation of this server that holds the certificate, and its day.
pub fn last_backup(state: &State, certificate: &[u8]) -> Option<(u32, jiff::Timestamp)> {
    let wanted = Hash::of(certificate).to_string();
    let holds = |written: &&Written| {
        written
            .key_pairs
            .iter()
            .any(|pair| pair.certificate_sha256 == wanted)
    };
    state
        .generations()
        .find(holds)
        .map(|written| (written.number, written.time))
}

fn table(
    run: &Run<'_>,
    holdings: &Holdings,
    saved: &dyn Fn(&Held) -> Option<(u32, jiff::Timestamp)>,
) -> Table {
    let words = |text: Text| run.console.words(&text);
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

/// What is weak or missing about key pairs that can be backed up all the same.
pub fn warnings(run: &Run<'_>, holdings: &Holdings) {
    for warning in holdings
        .key_pairs
        .iter()
        .flat_map(|held| &held.pair.warnings)
    {
        run.console.warn(&warning_text(warning));
    }
    for held in &holdings.key_pairs {
        if held
            .pfx
            .as_ref()
            .is_some_and(|protection| protection.mac.is_none())
        {
            run.console
                .warn(&text!("warning-no-mac", name = held.leaf().display_name()));
        }
    }
}

fn warning_text(warning: &Warning) -> Text {
    match warning {
        Warning::Expired { name, on } => text!("warning-expired", name = name, day = day(*on)),
        Warning::NotYetValid { name, from } => {
            text!("warning-not-yet-valid", name = name, day = day(*from))
        }
        Warning::WeakKey { name, key_type } => {
            text!("warning-weak-key", name = name, key_type = key_type)
        }
        Warning::WeakSignature { name, algorithm } => {
            text!("warning-weak-signature", name = name, algorithm = algorithm)
        }
        Warning::MissingIntermediate { name, issuer } => {
            text!("warning-missing-intermediate", name = name, issuer = issuer)
        }
    }
}

fn document(
    run: &Run<'_>,
    holdings: &Holdings,
    saved: &dyn Fn(&Held) -> Option<(u32, jiff::Timestamp)>,
) -> Value {
    let key_pairs: Vec<_> = holdings
        .key_pairs
        .iter()
        .map(|held| key_pair(run, held, saved(held)))
        .collect();
    let certificates: Vec<_> = holdings.certificates.iter().map(facts).collect();
    let unreadable = holdings
        .unreadable
        .iter()
        .map(|u| json!({ "name": u.name, "reason": run.console.words(&u.reason) }));
    json!({ "key_pairs": key_pairs, "certificates": certificates, "unreadable": unreadable.collect::<Vec<_>>() })
}

fn key_pair(run: &Run<'_>, held: &Held, saved: Option<(u32, jiff::Timestamp)>) -> Value {
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
        .map(|w| json!(run.console.words(&warning_text(w))))
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
