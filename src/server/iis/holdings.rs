//! The key pairs of a server, copied out of its stores for a backup.

use std::mem::take;

use super::look::{KeyState, Seen};
use super::{ExportedKey, Iis, SiteMap, StoreName, look};
use crate::error::Result;
use crate::keypair::{self, CertInput, Certificate, KeyInput, KeyPair};
use crate::restore::repair;
use crate::server::{Held, Holdings, Unreadable, key_pair_reason};
use crate::text;
use crate::text::Text;
use crate::vault::catalog::OnWindows;

/// Reads the key pairs of `My` and `WebHosting`, and of requests that wait for their answer. A key that cannot be
/// copied out is named with the reason; a certificate that lies in two stores counts once.
///
/// # Errors
/// When a store cannot be read.
pub fn holdings(server: Iis<'_>, now: jiff::Timestamp) -> Result<Holdings> {
    let seen = look(server, &StoreName::ALL)?;
    let authorities: Vec<_> = seen.iter().filter(|seen| !StoreName::WITH_KEYS.contains(&seen.store)).collect();
    let mut holdings = Holdings::default();
    for seen in seen.iter().filter(|seen| StoreName::WITH_KEYS.contains(&seen.store)) {
        if holdings.key_pairs.iter().any(|held| held.leaf().der() == seen.certificate.der) {
            continue;
        }
        match copy_out(server, seen, &authorities, now) {
            Ok(held) => holdings.key_pairs.push(held),
            Err(reason) => {
                let name = seen.certificate.name();
                let certificate = Certificate::parse(seen.certificate.der.clone()).ok();
                holdings.unreadable.push(Unreadable { name, reason, wrong_password: false, certificate });
            }
        }
    }
    // A configuration that cannot be read must not keep the keys from being saved.
    match SiteMap::of(server) {
        Ok(map) => holdings.site_map = Some(map).filter(|map| !map.is_empty()),
        Err(error) => holdings.sites_unread = Some(error.text),
    }
    Ok(holdings)
}

/// Keeps what IIS uses, and requests that wait for their answer; the rest is named as unused. Where nothing is used,
/// everything stays.
pub fn keep_used(holdings: &mut Holdings) {
    let used = holdings.site_map.as_ref().map(SiteMap::used).unwrap_or_default();
    let is_used = |thumbprint: &str| used.contains(thumbprint);
    let keeps = |held: &Held| is_used(&held.leaf().thumbprint()) || held.is_pending();
    let unread = |one: &Unreadable| one.certificate.as_ref().map(|certificate| is_used(&certificate.thumbprint()));
    let keeps_unreadable = |one: &Unreadable| unread(one).unwrap_or(true);
    let serving = holdings.key_pairs.iter().any(|held| is_used(&held.leaf().thumbprint()));
    if !serving && !holdings.unreadable.iter().any(|one| unread(one) == Some(true)) {
        return;
    }
    let (kept, unused) = take(&mut holdings.key_pairs).into_iter().partition::<Vec<_>, _>(keeps);
    holdings.key_pairs = kept;
    holdings.unused.extend(unused.iter().map(|held| held.leaf().display_name().to_owned()));
    let (kept, unused) = take(&mut holdings.unreadable).into_iter().partition::<Vec<_>, _>(keeps_unreadable);
    holdings.unreadable = kept;
    holdings.unused.extend(unused.into_iter().map(|one| one.name));
}

fn copy_out(server: Iis<'_>, seen: &Seen, authorities: &[&Seen], now: jiff::Timestamp) -> Result<Held, Text> {
    let (KeyState::Works(facts), Some(link)) = (&seen.key, &seen.certificate.properties.key) else {
        return Err(repair::without_key(&seen.key));
    };
    if let Some(reason) = &facts.no_export {
        return Err(reason.text());
    }
    let ExportedKey { pkcs8, access } = server.keys.export(link).map_err(|reason| reason.text())?;
    let friendly_name = seen.certificate.properties.friendly_name.clone();
    let key = KeyInput { pkcs8, friendly_name, csp_name: Some(link.provider.clone()) };
    let pair = pair(key, seen, authorities, now)?;
    let windows = OnWindows { store: seen.store.as_str().to_owned(), provider: link.provider.clone(), access };
    Ok(Held { pair, file_names: Vec::new(), pfx: None, windows: Some(windows) })
}

/// The certificate of the key with what the stores hold of its chain.
fn pair(key: KeyInput, seen: &Seen, authorities: &[&Seen], now: jiff::Timestamp) -> Result<KeyPair, Text> {
    let input = |seen: &&Seen| CertInput { der: seen.certificate.der.clone(), friendly_name: None };
    let certificates = std::iter::once(&seen).chain(authorities).map(input).collect();
    let sorted = keypair::sort(vec![key], certificates, now);
    let mut pairs = sorted.key_pairs.into_iter();
    let unusable = sorted.unusable.iter().map(|(_, error)| key_pair_reason(error)).next_back();
    let found = pairs.find(|pair| pair.leaf().der() == seen.certificate.der);
    found.ok_or_else(|| unusable.unwrap_or_else(|| text!("key-other")))
}
