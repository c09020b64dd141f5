//! `list --from iis`: the certificate stores of this server.

use std::collections::BTreeSet;

use serde::Serialize;

use super::{backup_cell, sites};
use crate::cli::ListArgs;
use crate::console::Table;
use crate::error::{Exit, Result};
use crate::iis::look::hindrance;
use crate::iis::{
    self, Iis, KeyLink, KeySet, KeyState, ProviderKind, SiteMap, StoreEntry, StoreName,
};
use crate::keypair::Certificate;
use crate::message::{Text, day, short};
use crate::session::other_uses::{self, OtherUseReport};
use crate::session::pending::warn_unsaved;
use crate::session::report::SavedReport;
use crate::session::{Session, here, renewer};
use crate::state::State;
use crate::text;
use crate::workflow::recall::last_backup;
use crate::workflow::status::retirement;
use vault::catalog::Retirement;
use vault::id::{Hash, Number};

/// What the certificate stores hold.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct StoresReport {
    /// Nothing where the sites could not be read.
    #[serde(flatten)]
    sites: Option<sites::SitesReport>,
    key_pairs: Vec<StoredReport>,
    /// What else than IIS uses a certificate.
    other_uses: Vec<OtherUseReport>,
}

/// A certificate of a store.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct StoredReport {
    names: Vec<String>,
    thumbprint: String,
    certificate_sha256: String,
    not_after: String,
    friendly_name: Option<String>,
    store: &'static str,
    archived: bool,
    key: Option<LinkReport>,
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    provider_kind: Option<ProviderKind>,
    /// Why it cannot be backed up.
    hindrance: Option<String>,
    backup: Option<SavedReport>,
    /// What it was retired for; nothing where a restore brings it.
    retired_as: Option<String>,
}

/// Where its key is kept.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct LinkReport {
    container: String,
    provider: String,
    #[cfg_attr(test, schemars(with = "String"))]
    key_set: KeySet,
}

/// A certificate of the list.
struct Listed<'a> {
    seen: &'a StoreEntry,
    certificate: Certificate,
    backup: Option<(Number, jiff::Timestamp)>,
    retired: Option<&'a Retirement>,
}

/// `list --from iis`. No key is copied out for it.
pub(crate) fn list(session: &Session<'_>, args: &ListArgs) -> Result<Exit> {
    list_of(session, args, here::here()?)
}

pub(crate) fn list_of(session: &Session<'_>, args: &ListArgs, server: Iis<'_>) -> Result<Exit> {
    let state = session.memory().state;
    let map = match &args.iis_config {
        Some(file) => SiteMap::of_file(file),
        None => SiteMap::of(server),
    };
    let used = map
        .as_ref()
        .map(SiteMap::used_by_anybody)
        .unwrap_or_default();
    let seen = iis::look(server, &StoreName::ALL)?;
    let listed = listed(&seen, &used, &args.names, state.as_ref());
    let ready = show(session, &listed);
    renewer::say(session, listed.iter().map(Listed::named));
    warn_unsaved(session, listed.iter().map(|one| one.seen), state.as_ref());
    let sites = match &map {
        Ok(map) => {
            let elsewhere = server.stores.elsewhere().unwrap_or_default();
            let wanted = seen
                .iter()
                .filter(|seen| seen.certificate.is_wanted(&args.names));
            let certificates = wanted.filter_map(sites::ShownCertificate::stored);
            let mut sites = sites::show(session, map, certificates, !args.names.is_empty());
            // What is wrong with a server is no answer to a question about some certificates.
            if args.names.is_empty() {
                sites.warn(session, map, &seen, &elsewhere);
            }
            Some(sites)
        }
        Err(error) => {
            session
                .console
                .warn(&text!("list-sites-unread", reason = error.text.clone()));
            None
        }
    };
    let exit = if ready == listed.len() && map.is_ok() {
        Exit::Done
    } else {
        Exit::Partly
    };
    let report = StoresReport {
        sites,
        key_pairs: listed.iter().map(|one| one.report(session)).collect(),
        other_uses: name_others(session, map.ok(), server, &listed),
    };
    session.console.document(exit, &report);
    Ok(exit)
}

/// Names what else than IIS uses the certificates that are listed, and programs that renew. A copy of
/// another server's configuration says nothing of them.
fn name_others(
    session: &Session<'_>,
    map: Option<SiteMap>,
    server: Iis<'_>,
    listed: &[Listed<'_>],
) -> Vec<OtherUseReport> {
    let of_this_server = map.filter(|map| map.windows_build != 0);
    let others = of_this_server.unwrap_or_else(|| SiteMap::without_sites(server));
    let certificates: Vec<_> = listed.iter().map(|one| &one.certificate).collect();
    other_uses::say(session, &others, &certificates);
    renewer::say_installed(session, &others.settings.renewers);
    OtherUseReport::of(&others, &certificates)
}

/// Those that can have a key or serve something, as far as `names` mean them.
fn listed<'a>(
    seen: &'a [StoreEntry],
    used: &BTreeSet<String>,
    names: &[String],
    state: Option<&'a State>,
) -> Vec<Listed<'a>> {
    let mut listed = Vec::new();
    for one in seen {
        let is_used = used.contains(&one.certificate.thumbprint());
        if (is_used || StoreName::WITH_KEYS.contains(&one.store))
            && one.certificate.is_wanted(names)
        {
            listed.extend(Listed::of(one, state));
        }
    }
    listed
}

/// Shows the certificates; returns how many of them can be backed up.
fn show(session: &Session<'_>, listed: &[Listed<'_>]) -> usize {
    let mut hindrances = Vec::new();
    for one in listed {
        if let Some(reason) = one.hindrance() {
            let name = one.certificate.display_name();
            hindrances.push(text!("list-hindrance", name = name, reason = reason));
        }
    }
    let ready = listed.len() - hindrances.len();
    session.console.say(&text!(
        "list-iis-headline",
        count = listed.len(),
        ready = ready
    ));
    if !listed.is_empty() {
        session.console.table(&table(session, listed));
    }
    for hindrance in &hindrances {
        session.console.warn(hindrance);
    }
    ready
}

fn table(session: &Session<'_>, listed: &[Listed<'_>]) -> Table {
    let words = |text: Text| session.console.words(&text);
    let mut table = Table::new(vec![
        words(text!("column-names")),
        words(text!("column-thumbprint")),
        words(text!("column-expires")),
        words(text!("column-store")),
        words(text!("column-key")),
        words(text!("column-backup")),
    ]);
    for one in listed {
        table.row(vec![
            one.certificate.display_name().to_owned(),
            short(&one.certificate.thumbprint()),
            day(one.certificate.not_after()),
            one.store_cell(session),
            words(one.key_cell()),
            words(backup_cell(one.backup, one.retired)),
        ]);
    }
    table
}

impl<'a> Listed<'a> {
    /// `None` where the certificate cannot be read.
    fn of(seen: &'a StoreEntry, state: Option<&'a State>) -> Option<Self> {
        let der = &seen.certificate.der;
        let certificate = Certificate::parse(der.clone()).ok()?;
        let retired = state.map(State::retired).unwrap_or_default();
        Some(Self {
            seen,
            retired: retirement(&certificate, &retired),
            certificate,
            backup: state.and_then(|state| last_backup(state, der)),
        })
    }

    /// Why it cannot be backed up; `None` if it can.
    fn hindrance(&self) -> Option<Text> {
        hindrance(self.seen)
    }

    fn store_cell(&self, session: &Session<'_>) -> String {
        let store = self.seen.store.as_str();
        if self.seen.certificate.properties.archived {
            return session
                .console
                .words(&text!("cell-archived", store = store));
        }
        store.to_owned()
    }

    fn key_cell(&self) -> Text {
        match &self.seen.key {
            KeyState::Works(facts) if facts.no_export.is_none() => text!("cell-key-exportable"),
            KeyState::Works(_) => text!("cell-key-not-exportable"),
            KeyState::Unknown => text!("cell-key-unknown"),
            _ => text!("cell-key-none"),
        }
    }

    fn named(&self) -> renewer::Named<'_> {
        let name = self.seen.certificate.properties.friendly_name.as_deref();
        (name, &[], &self.certificate)
    }

    fn report(&self, session: &Session<'_>) -> StoredReport {
        let properties = &self.seen.certificate.properties;
        let backup = self.backup;
        StoredReport {
            names: self.certificate.dns_names().to_vec(),
            thumbprint: self.certificate.thumbprint(),
            certificate_sha256: Hash::of(&self.seen.certificate.der).to_string(),
            not_after: self.certificate.not_after().to_string(),
            friendly_name: properties.friendly_name.clone(),
            store: self.seen.store.as_str(),
            archived: properties.archived,
            key: properties.key.as_ref().map(LinkReport::of),
            provider_kind: match &self.seen.key {
                KeyState::Works(facts) => Some(facts.kind),
                _ => None,
            },
            hindrance: self
                .hindrance()
                .map(|reason| session.console.words(&reason)),
            backup: backup.map(|(number, time)| SavedReport::new(number, time)),
            retired_as: self.retired.map(|said| said.reason.clone()),
        }
    }
}

impl LinkReport {
    fn of(link: &KeyLink) -> Self {
        Self {
            container: link.container.clone(),
            provider: link.provider.clone(),
            key_set: link.key_set,
        }
    }
}
