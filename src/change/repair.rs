//! What is wrong with a server's key pairs, and what can be mended without a backup.

use super::plan::{self, Action, Item, Plan, PlannedCertificate, PlannedKey};
use crate::iis::blob::{self, Home};
use crate::iis::look::without_key;
use crate::iis::look::{FoundKey, Snapshot};
use crate::iis::{
    ExportedKey, Iis, KeyFacts, KeyLink, KeySet, KeyState, NoExport, StoreEntry, StoreName,
    StoredCertificate, WindowsError,
};
use crate::keypair::Certificate;
use crate::message::Text;
use crate::text;

/// A key that was found in the profile of the user who runs this, with the certificate it belongs
/// to.
pub struct RescuedKey<'a> {
    seen: &'a StoreEntry,
    key: Result<ExportedKey, NoExport>,
}

/// Copies out what keys lie in this user's profile although the machine's certificates lead there.
pub fn rescue<'a>(server: Iis<'_>, here: &'a Snapshot) -> Vec<RescuedKey<'a>> {
    let lost = here
        .seen
        .iter()
        .filter(|seen| is_faulty(seen) && plan::key_here(here, &seen.certificate.der).is_none());
    let linked = lost.filter_map(|seen| Some((seen, seen.certificate.properties.key.as_ref()?)));
    let in_profile = linked.filter(|(_, link)| link.key_set == KeySet::User);
    in_profile
        .map(|(seen, link)| RescuedKey {
            seen,
            key: server.keys.export(link),
        })
        .collect()
}

/// Plans what can be mended here: every certificate of `My` and `WebHosting` whose key does not
/// work, of those that `names` mean.
pub fn plan<'a>(here: &'a Snapshot, rescued: &'a [RescuedKey<'a>], names: &[String]) -> Plan<'a> {
    let faulty = here
        .seen
        .iter()
        .filter(|seen| is_faulty(seen) && seen.certificate.is_wanted(names));
    let items = faulty.map(|seen| Item {
        name: seen.certificate.name(),
        action: mend(here, seen, rescued),
    });
    Plan {
        items: items.collect(),
        exportable: true,
        ..Plan::default()
    }
}

/// Whether a certificate should have a key that works and has none. What this process may not see
/// is not a fault.
fn is_faulty(seen: &StoreEntry) -> bool {
    let serves = matches!(seen.store, StoreName::My | StoreName::WebHosting);
    serves && !matches!(seen.key, KeyState::Works(_) | KeyState::Unknown)
}

fn mend<'a>(here: &'a Snapshot, seen: &'a StoreEntry, rescued: &'a [RescuedKey<'a>]) -> Action<'a> {
    let rescued = rescued
        .iter()
        .find(|rescued| std::ptr::eq(rescued.seen, seen));
    let key = match (
        plan::key_here(here, &seen.certificate.der),
        rescued.map(|rescued| &rescued.key),
    ) {
        (Some(link), _) => PlannedKey::Here(link),
        (None, Some(Ok(key))) => match blob::home_of(&key.pkcs8, home_here(seen)) {
            Some(home) => PlannedKey::New {
                home,
                pkcs8: &key.pkcs8,
                access: &key.access,
            },
            None => return Action::Cannot(text!("cannot-key-type")),
        },
        (None, Some(Err(reason))) => return Action::Cannot(reason.text()),
        (None, None) => return Action::Cannot(without_key(&seen.key)),
    };
    Action::Place(PlannedCertificate {
        store: seen.store,
        certificate: &seen.certificate.der,
        before: Some(seen.certificate.properties.clone()),
        friendly_name: seen.certificate.properties.friendly_name.clone(),
        key,
    })
}

/// The home for an RSA key that this server has already, though not where a service reaches it.
fn home_here(seen: &StoreEntry) -> Home {
    match &seen.certificate.properties.key {
        Some(link) if link.is_cng() => Home::SoftwareKsp,
        _ => Home::SchannelCsp,
    }
}

/// Certificates that a newer one for the same names replaces.
pub fn replaced(here: &Snapshot) -> Vec<Certificate> {
    let serving = here
        .seen
        .iter()
        .filter(|seen| matches!(seen.store, StoreName::My | StoreName::WebHosting));
    let serving: Vec<_> = serving
        .filter_map(|seen| Certificate::parse(seen.certificate.der.clone()).ok())
        .collect();
    let newer = |one: &Certificate| {
        let newer = |other: &Certificate| {
            other.not_after() > one.not_after() && other.dns_names() == one.dns_names()
        };
        !one.dns_names().is_empty() && serving.iter().any(newer)
    };
    serving.iter().filter(|one| newer(one)).cloned().collect()
}

/// What else is worth knowing: certificates that are over, and those that a newer one for the same
/// names replaces.
pub fn remarks(here: &Snapshot, now: jiff::Timestamp) -> Vec<Text> {
    let serving = here
        .seen
        .iter()
        .filter(|seen| matches!(seen.store, StoreName::My | StoreName::WebHosting));
    let serving = serving.filter_map(|seen| Certificate::parse(seen.certificate.der.clone()).ok());
    let expired = serving.filter(|one| one.not_after() < now);
    let expired = expired.map(|one| {
        text!(
            "repair-expired",
            name = one.display_name(),
            thumbprint = one.thumbprint()
        )
    });
    let replaced = replaced(here)
        .into_iter()
        .filter(|one| one.not_after() >= now);
    let replaced = replaced.map(|one| {
        text!(
            "repair-replaced",
            name = one.display_name(),
            thumbprint = one.thumbprint()
        )
    });
    expired.chain(replaced).collect()
}

/// Keys that this program made and that no certificate or request in any store needs. Those of
/// other programs are never among them, nor what cannot be told: a key that does not open
/// ([`closed`]).
///
/// # Errors
/// When not all stores of the machine can be looked at.
pub fn orphans<'a>(server: Iis<'_>, here: &'a Snapshot) -> Result<Vec<&'a FoundKey>, WindowsError> {
    let told = |found: &&FoundKey| blob::key_bits(&found.facts.public_key).is_some();
    let mut orphans: Vec<_> = here
        .keys
        .iter()
        .filter(|found| found.link.is_own())
        .filter(told)
        .collect();
    orphans.retain(|found| !here.seen.iter().any(|seen| needs(&seen.certificate, found)));
    if orphans.is_empty() {
        return Ok(orphans);
    }
    let everywhere = everywhere(server)?;
    orphans.retain(|found| !everywhere.iter().any(|one| needs(one, found)));
    Ok(orphans)
}

/// What any store holds, archived certificates and requests too.
///
/// # Errors
/// When not all stores of the machine can be looked at.
pub(super) fn everywhere(server: Iis<'_>) -> Result<Vec<StoredCertificate>, WindowsError> {
    let mut found = Vec::new();
    for store in StoreName::ALL {
        found.extend(server.stores.certificates(store)?);
    }
    let elsewhere = server.stores.elsewhere()?;
    found.extend(elsewhere.into_iter().map(|one| one.certificate));
    Ok(found)
}

/// Keys that this program made, that no certificate leads to, and that do not open: nobody can tell
/// whose they are.
pub fn closed(here: &Snapshot) -> impl Iterator<Item = &(KeyLink, WindowsError)> {
    let leads = |link: &KeyLink| {
        here.seen
            .iter()
            .any(|seen| leads_to(&seen.certificate, link))
    };
    here.closed
        .iter()
        .filter(move |(link, _)| link.is_own() && !leads(link))
}

/// Whether a certificate leads to a key or is for it.
fn needs(certificate: &StoredCertificate, found: &FoundKey) -> bool {
    leads_to(certificate, &found.link) || is_for(certificate, &found.facts)
}

/// Whether a key may be that of a certificate. It is searched for the key rather than taken apart:
/// better a key too many than the only one of a certificate that is not understood here.
pub(super) fn is_for(certificate: &StoredCertificate, facts: &KeyFacts) -> bool {
    let key = blob::key_bits(&facts.public_key);
    key.is_none_or(|key| certificate.der.windows(key.len()).any(|part| part == key))
}

/// Whether a certificate leads to a container, however provider and key are spelled.
pub(super) fn leads_to(certificate: &StoredCertificate, link: &KeyLink) -> bool {
    let leads = |other: &KeyLink| other.container.eq_ignore_ascii_case(&link.container);
    certificate.properties.key.as_ref().is_some_and(leads)
}
