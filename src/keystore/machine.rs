//! The key pairs of a server, copied out of its stores for a backup.

use std::collections::{BTreeMap, BTreeSet};
use std::mem::take;

use super::{HeldKeyPair, Inventory, UnreadableKeyPair, key_pair_reason};
use crate::error::Result;
use crate::iis::look::{KeyState, StoreEntry, state_of, without_key};
use crate::iis::{
    Elsewhere, ExportedKey, Iis, OnWindows, SiteMap, StoreName, StoredCertificate, look,
};
use crate::keypair::{self, CertInput, Certificate, KeyInput, KeyPair};
use crate::message::Text;
use crate::text;

/// Reads the key pairs of `My` and `WebHosting`, of requests that wait for their answer, and
/// whatever else IIS uses, in any store. A key that cannot be copied out is named with the reason,
/// and so is a certificate in use that is in no store; a certificate that lies in two stores counts
/// once, with both of them.
///
/// # Errors
/// When one of the stores that this program fills cannot be read.
pub fn holdings(server: Iis<'_>, now: jiff::Timestamp) -> Result<Inventory> {
    let map = SiteMap::of(server);
    let in_use = map
        .as_ref()
        .map_or_else(|_| SiteMap::without_sites(server), SiteMap::clone);
    let used = in_use.used_by_anybody();
    let seen = look(server, &StoreName::ALL)?;
    let authorities = seen
        .iter()
        .filter(|seen| !StoreName::WITH_KEYS.contains(&seen.store))
        .collect();
    let mut reading = StoreReading {
        server,
        authorities,
        now,
        holdings: Inventory::default(),
    };
    for seen in &seen {
        if StoreName::WITH_KEYS.contains(&seen.store)
            || used.contains(&seen.certificate.thumbprint())
        {
            reading.take(seen.store.as_str(), &seen.certificate, &seen.key);
        }
    }
    reading.take_from_elsewhere(&used);
    let mut holdings = reading.holdings;
    name_missing(&mut holdings, &in_use);
    // A configuration that cannot be read must not keep the keys from being saved.
    match map {
        Ok(map) => {
            holdings.sites_read = true;
            holdings.site_map = Some(map).filter(|map| !map.is_empty());
        }
        Err(error) => holdings.sites_unread = Some(error.text),
    }
    Ok(holdings)
}

/// Names the certificates in use that are in no store.
fn name_missing(holdings: &mut Inventory, map: &SiteMap) {
    for thumbprint in map.used() {
        let is_held = holdings
            .key_pairs
            .iter()
            .any(|held| held.leaf().thumbprint() == thumbprint);
        if !is_held
            && !holdings
                .unreadable
                .iter()
                .any(|one| one.thumbprint().as_ref() == Some(&thumbprint))
        {
            let uses = map.users_of(&thumbprint).join(", ");
            holdings.unreadable.push(UnreadableKeyPair::new(
                thumbprint,
                text!("reason-in-use-not-found", uses = uses),
            ));
        }
    }
}

/// A server whose key pairs are being copied out.
struct StoreReading<'a> {
    server: Iis<'a>,
    /// Certificates for chains.
    authorities: Vec<&'a StoreEntry>,
    now: jiff::Timestamp,
    holdings: Inventory,
}

impl StoreReading<'_> {
    /// Looks in all other stores for what is in use and has no key yet. Stores that cannot be read
    /// have nothing.
    fn take_from_elsewhere(&mut self, used: &BTreeSet<String>) {
        let mut missing = used.clone();
        for held in &self.holdings.key_pairs {
            missing.remove(&held.leaf().thumbprint());
        }
        if missing.is_empty() {
            return;
        }
        for Elsewhere { store, certificate } in self.server.stores.elsewhere().unwrap_or_default() {
            if missing.contains(&certificate.thumbprint()) {
                self.take(&store, &certificate, &state_of(self.server, &certificate));
            }
        }
    }

    fn take(&mut self, store: &str, certificate: &StoredCertificate, key: &KeyState) {
        let is_it = |other: &Certificate| other.der() == certificate.der;
        let is_unreadable = |one: &UnreadableKeyPair| one.certificate.as_ref().is_some_and(is_it);
        let mut held = self.holdings.key_pairs.iter_mut();
        if let Some(held) = held.find(|held| is_it(held.leaf())) {
            if let Some(windows) = &mut held.windows {
                windows.also.push(store.to_owned());
            }
            return;
        }
        match self.copy_out(store, certificate, key) {
            Ok(held) => {
                self.holdings.unreadable.retain(|one| !is_unreadable(one));
                self.holdings.key_pairs.push(held);
            }
            Err(_) if self.holdings.unreadable.iter().any(is_unreadable) => {}
            Err(reason) => {
                let (name, parsed) = (
                    certificate.name(),
                    Certificate::parse(certificate.der.clone()).ok(),
                );
                self.holdings.unreadable.push(UnreadableKeyPair {
                    name,
                    reason,
                    wrong_password: false,
                    certificate: parsed,
                    file: None,
                });
            }
        }
    }

    fn copy_out(
        &self,
        store: &str,
        certificate: &StoredCertificate,
        key: &KeyState,
    ) -> Result<HeldKeyPair, Text> {
        let (KeyState::Works(facts), Some(link)) = (key, &certificate.properties.key) else {
            return Err(without_key(key));
        };
        if let Some(reason) = &facts.no_export {
            return Err(reason.text());
        }
        let ExportedKey { pkcs8, access } = self
            .server
            .keys
            .export(link)
            .map_err(|reason| reason.text())?;
        let key = KeyInput {
            csp_name: Some(link.provider.clone()),
            ..KeyInput::bare(pkcs8)
        };
        let pair = self.pair(key, certificate)?;
        let windows = OnWindows {
            store: store.to_owned(),
            also: Vec::new(),
            provider: link.provider.clone(),
            access,
        };
        Ok(HeldKeyPair {
            pair,
            file_names: Vec::new(),
            file_parts: BTreeMap::new(),
            pfx: None,
            windows: Some(windows),
        })
    }

    /// The certificate of the key with what the stores hold of its chain.
    fn pair(&self, key: KeyInput, certificate: &StoredCertificate) -> Result<KeyPair, Text> {
        let own = CertInput {
            friendly_name: certificate.properties.friendly_name.clone(),
            ..CertInput::bare(certificate.der.clone())
        };
        let authorities = self.authorities.iter();
        let authorities = authorities.map(|seen| CertInput::bare(seen.certificate.der.clone()));
        let certificates = std::iter::once(own).chain(authorities).collect();
        let mut sorted = keypair::sort(vec![key], certificates, self.now);
        // The stores are no file, of which all belongs together.
        for pair in &mut sorted.key_pairs {
            pair.further.clear();
        }
        let mut pairs = sorted.key_pairs.into_iter();
        let unusable = sorted
            .unusable
            .iter()
            .map(|one| key_pair_reason(&one.error))
            .next_back();
        let found = pairs.find(|pair| pair.leaf().der() == certificate.der);
        found.ok_or_else(|| unusable.unwrap_or_else(|| text!("key-other")))
    }
}

/// Keeps what IIS or anything else on the server uses, and requests that wait for their answer; the
/// rest is named as unused. Where IIS uses nothing, everything stays.
pub fn retain_used(holdings: &mut Inventory) {
    let Some(map) = &holdings.site_map else {
        return;
    };
    let used = map.used();
    let of_anybody = map.used_by_anybody();
    let serves = |held: &HeldKeyPair| used.contains(&held.leaf().thumbprint());
    let would_serve = |one: &UnreadableKeyPair, by: &BTreeSet<String>| {
        one.thumbprint().is_some_and(|one| by.contains(&one))
    };
    let mut unreadable = holdings.unreadable.iter();
    if !holdings.key_pairs.iter().any(serves) && !unreadable.any(|one| would_serve(one, &used)) {
        return;
    }
    for held in take(&mut holdings.key_pairs) {
        if of_anybody.contains(&held.leaf().thumbprint()) || held.is_pending() {
            holdings.key_pairs.push(held);
        } else {
            let name = held.leaf().display_name().to_owned();
            holdings.unused.push(name);
        }
    }
    // A key that may not leave is no alarm where nobody needs it.
    for one in take(&mut holdings.unreadable) {
        if would_serve(&one, &of_anybody) || one.certificate.is_none() {
            holdings.unreadable.push(one);
        } else {
            holdings.unused.push(one.name);
        }
    }
}
