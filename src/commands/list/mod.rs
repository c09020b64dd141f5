//! `list`: every key pair of a source, and whether the vault has it.

pub(super) mod iis;
mod sites;

use data_encoding::HEXLOWER;
use serde::Serialize;

use crate::cli::ListArgs;
use crate::console::Table;
use crate::error::{Exit, Result};
use crate::keypair::Certificate;
use crate::keystore::{HeldKeyPair, IIS, Inventory, UnreadableKeyPair};
use crate::message::{Text, day, short};
use crate::rules;
use crate::session::Session;
use crate::session::report::{MissingReport, SavedReport};
use crate::session::source::{acknowledged, warning_text, warnings, without_key};
use crate::state::State;
use crate::text;
use crate::workflow::recall::last_backup;
use crate::workflow::status::retirement;
use vault::catalog::Retirement;
use vault::id::Number;

/// What a source of files holds.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct SourceReport {
    key_pairs: Vec<HeldReport>,
    certificates: Vec<CertificateReport>,
    unreadable: Vec<MissingReport>,
    /// Files that hold no key pair.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    passed_over: Vec<String>,
    /// Of the configuration that was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    sites: Option<Vec<sites::SiteReport>>,
}

/// A key pair.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct HeldReport {
    #[serde(flatten)]
    certificate: CertificateReport,
    friendly_name: Option<String>,
    /// What Windows called the container of the key.
    container_name: Option<String>,
    /// The SHA-256 of each certificate, its own first.
    chain: Vec<String>,
    /// The SHA-256 of the other certificates of its file.
    further: Vec<String>,
    files: Vec<String>,
    /// How its file is protected; nothing where it is no PFX.
    pfx: Option<PfxReport>,
    backup: Option<SavedReport>,
    /// What it was retired for; nothing where a restore brings it.
    retired_as: Option<String>,
    warnings: Vec<String>,
}

/// How a PFX is protected.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct PfxReport {
    encryption: Option<ProtectionReport>,
    mac: Option<ProtectionReport>,
}

/// An algorithm with its iterations.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct ProtectionReport {
    algorithm: String,
    iterations: u32,
}

/// A certificate.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct CertificateReport {
    names: Vec<String>,
    common_name: Option<String>,
    thumbprint: String,
    certificate_sha256: String,
    spki_sha256: String,
    not_before: String,
    not_after: String,
    key_type: String,
}

/// Runs the command.
pub(super) fn run(session: &Session<'_>, args: &ListArgs) -> Result<Exit> {
    if args.from.from == IIS {
        return iis::list(session, args);
    }
    let mut holdings = session.holdings(&args.from.from, &args.from.files)?;
    holdings.select(&args.names)?;
    // Listing works everywhere; without a usable state only the last column stays empty.
    let state = session.memory().state;
    let retired = state.as_ref().map(State::retired).unwrap_or_default();
    let mut listed = Vec::new();
    for held in &holdings.key_pairs {
        let backup = match &state {
            Some(state) => last_backup(state, held.leaf().der()),
            None => None,
        };
        listed.push(Listed {
            held,
            backup,
            retired: retirement(held.leaf(), &retired),
        });
    }
    show(session, &holdings, &listed);
    let mut report = report(session, &holdings, &listed);
    if let Some(file) = &args.iis_config {
        let (map, _) = holdings.sites_of(file, session.now)?;
        let certificates = holdings.key_pairs.iter().map(sites::ShownCertificate::held);
        let only_theirs = !args.names.is_empty();
        report.sites = Some(sites::show(session, &map, certificates, only_theirs).sites);
    }
    let is_known = |one: &UnreadableKeyPair| {
        let mut said = session.exceptions.iter();
        let mut remembered = state.iter();
        said.any(|said| {
            rules::key_pair_without_key(&said.rule).is_some_and(|name| one.is_called(name))
        }) || remembered.any(|state| acknowledged(state, one, session.now).is_some())
    };
    let exit = if holdings.unreadable.iter().all(is_known) && !holdings.holds_nothing() {
        Exit::Done
    } else {
        Exit::Partly
    };
    session.console.document(exit, &report);
    Ok(exit)
}

/// A key pair of the list.
struct Listed<'a> {
    held: &'a HeldKeyPair,
    backup: Option<(Number, jiff::Timestamp)>,
    retired: Option<&'a Retirement>,
}

fn show(session: &Session<'_>, holdings: &Inventory, listed: &[Listed<'_>]) {
    let unsaved = listed.iter().filter(|one| one.backup.is_none()).count();
    session.console.say(&text!(
        "list-headline",
        count = listed.len(),
        unsaved = unsaved,
        unread = holdings.unreadable.len()
    ));
    if !listed.is_empty() {
        session.console.table(&table(session, listed));
    }
    for certificate in &holdings.certificates {
        if let Some(text) = without_key(holdings, certificate) {
            session.console.mention(&text);
        }
    }
    for unreadable in &holdings.unreadable {
        session.console.warn(&text!(
            "list-unreadable",
            name = unreadable.name.as_str(),
            reason = unreadable.reason.clone()
        ));
    }
    warnings(session, holdings);
}

fn table(session: &Session<'_>, listed: &[Listed<'_>]) -> Table {
    let words = |text: Text| session.console.words(&text);
    let mut table = Table::new(vec![
        words(text!("column-names")),
        words(text!("column-thumbprint")),
        words(text!("column-expires")),
        words(text!("column-key")),
        words(text!("column-chain")),
        words(text!("column-backup")),
    ]);
    for Listed {
        held,
        backup,
        retired,
    } in listed
    {
        let leaf = held.leaf();
        table.row(vec![
            names(held),
            short(&leaf.thumbprint()),
            day(leaf.not_after()),
            leaf.key_type(),
            held.pair.chain.len().to_string(),
            words(backup_cell(*backup, *retired)),
        ]);
    }
    table
}

/// The newest backup that holds a certificate, and that a restore does not bring it.
fn backup_cell(backup: Option<(Number, jiff::Timestamp)>, retired: Option<&Retirement>) -> Text {
    let cell = match backup {
        Some((number, time)) => text!("cell-backup", number = number, day = day(time)),
        None => text!("cell-none"),
    };
    match retired {
        Some(_) => text!("cell-backup-retired", backup = cell),
        None => cell,
    }
}

/// The host names as far as a line holds them; the friendly name in front, where it says something
/// else.
fn names(held: &HeldKeyPair) -> String {
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

fn report(session: &Session<'_>, holdings: &Inventory, listed: &[Listed<'_>]) -> SourceReport {
    let certificates = holdings.certificates.iter();
    let unreadable = holdings.unreadable.iter();
    let passed_over = holdings.passed_over.iter();
    SourceReport {
        key_pairs: listed
            .iter()
            .map(|one| HeldReport::of(session, one))
            .collect(),
        certificates: certificates.map(CertificateReport::of).collect(),
        unreadable: unreadable
            .map(|one| MissingReport::of(session.console, &one.name, &one.reason))
            .collect(),
        passed_over: passed_over.map(|one| one.name.clone()).collect(),
        sites: None,
    }
}

impl HeldReport {
    fn of(session: &Session<'_>, listed: &Listed<'_>) -> Self {
        let Listed {
            held,
            backup,
            retired,
        } = listed;
        let chain = held.pair.chain.iter();
        let further = held.pair.further.iter();
        let warnings = held.pair.warnings.iter();
        Self {
            certificate: CertificateReport::of(held.leaf()),
            friendly_name: held.pair.friendly_name.clone(),
            container_name: held.pair.container_name.clone(),
            chain: chain.map(|one| HEXLOWER.encode(&one.sha256())).collect(),
            further: further.map(|one| HEXLOWER.encode(&one.sha256())).collect(),
            files: held.file_names.clone(),
            pfx: held.pfx.as_ref().map(|protection| PfxReport {
                encryption: ProtectionReport::of(&protection.encryption),
                mac: ProtectionReport::of(&protection.mac),
            }),
            backup: backup.map(|(number, time)| SavedReport::new(number, time)),
            retired_as: retired.map(|said| said.reason.clone()),
            warnings: warnings
                .map(|warning| session.console.words(&warning_text(warning)))
                .collect(),
        }
    }
}

impl ProtectionReport {
    fn of(part: &Option<(String, u32)>) -> Option<Self> {
        let (algorithm, iterations) = part.as_ref()?;
        Some(Self {
            algorithm: algorithm.clone(),
            iterations: *iterations,
        })
    }
}

impl CertificateReport {
    fn of(certificate: &Certificate) -> Self {
        Self {
            names: certificate.dns_names().to_vec(),
            common_name: certificate.common_name().map(str::to_owned),
            thumbprint: certificate.thumbprint(),
            certificate_sha256: HEXLOWER.encode(&certificate.sha256()),
            spki_sha256: HEXLOWER.encode(&certificate.spki_sha256()),
            not_before: certificate.not_before().to_string(),
            not_after: certificate.not_after().to_string(),
            key_type: certificate.key_type(),
        }
    }
}
