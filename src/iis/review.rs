//! What is wrong with how certificates are bound: what a visitor would see, or will see when the
//! certificate is over.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::sites::{Binding, Endpoint, Site, SslBinding};
use super::{Elsewhere, KeyState, SiteMap, StoreEntry, StoreName, StoredCertificate};
use crate::keypair::Certificate;
use crate::message::{Text, day};
use crate::text;

/// Everything that is wrong, for people. `seen` are the certificates of the stores, `elsewhere`
/// those of all others.
pub fn review(
    map: &SiteMap,
    seen: &[StoreEntry],
    elsewhere: &[Elsewhere],
    now: jiff::Timestamp,
) -> Vec<Text> {
    let here = StoreView {
        seen,
        elsewhere,
        now,
    };
    let mut texts = Vec::new();
    for site in &map.sites {
        for binding in site.bindings.iter().filter(|binding| binding.is_https()) {
            texts.extend(review_binding(map, site, binding, &here));
        }
        if let Some(ftp) = site.ftp_in_use(map.ftp_defaults.as_ref()) {
            texts.extend(here.review(&site.name, "ftp", &ftp.thumbprint, &ftp.store));
        }
    }
    texts.extend(map.records.iter().filter_map(|record| shadow(map, record)));
    texts.extend(
        map.sites
            .iter()
            .filter_map(|site| serves_every_name(map, site)),
    );
    texts
}

fn review_binding(
    map: &SiteMap,
    site: &Site,
    binding: &Binding,
    here: &StoreView<'_>,
) -> Option<Text> {
    let name = site.name.as_str();
    let shown = binding.to_string();
    let Some(record) = map.serving(binding) else {
        return binding
            .parts()
            .map(|_| text!("site-no-certificate", site = name, binding = shown));
    };
    if let Some(own @ Endpoint::Name { .. }) =
        binding.endpoint().filter(|own| *own != record.endpoint)
    {
        let (own, endpoint) = (own.to_string(), record.endpoint.to_string());
        return Some(text!(
            "site-falls-back",
            site = name,
            own = own,
            endpoint = endpoint
        ));
    }
    here.review(
        name,
        &shown,
        record.thumbprint.as_deref()?,
        record.store.as_deref().unwrap_or("MY"),
    )
}

/// What the stores hold, and the time.
struct StoreView<'a> {
    seen: &'a [StoreEntry],
    elsewhere: &'a [Elsewhere],
    now: jiff::Timestamp,
}

impl StoreView<'_> {
    fn review(&self, site: &str, binding: &str, thumbprint: &str, store: &str) -> Option<Text> {
        let missing = text!(
            "site-certificate-missing",
            site = site,
            binding = binding,
            thumbprint = thumbprint
        );
        let is = |one: &StoredCertificate| one.thumbprint().eq_ignore_ascii_case(thumbprint);
        let Some(known) = StoreName::parse(store) else {
            let there =
                |one: &Elsewhere| one.store.eq_ignore_ascii_case(store) && is(&one.certificate);
            return (!self.elsewhere.iter().any(there)).then_some(missing);
        };
        let Some(found) = self
            .seen
            .iter()
            .find(|seen| seen.store == known && is(&seen.certificate))
        else {
            return Some(missing);
        };
        if !matches!(found.key, KeyState::Works(_) | KeyState::Unknown) {
            let name = found.certificate.name();
            return Some(text!(
                "site-certificate-keyless",
                site = site,
                binding = binding,
                name = name
            ));
        }
        let certificate = Certificate::parse(found.certificate.der.clone()).ok()?;
        let ends = day(certificate.not_after());
        let name = certificate.display_name();
        let expired = text!(
            "site-certificate-expired",
            site = site,
            binding = binding,
            name = name,
            day = ends
        );
        (certificate.not_after() < self.now).then_some(expired)
    }
}

/// A record for one address answers there before or instead of those of host names, which IIS
/// Manager does not show.
fn shadow(map: &SiteMap, record: &SslBinding) -> Option<Text> {
    let Endpoint::Address { ip, port } = &record.endpoint else {
        return None;
    };
    if ip.is_unspecified() {
        return None;
    }
    let reached = |binding: &Binding| {
        let ours: Option<IpAddr> = binding.parts().and_then(|parts| parts.ip);
        ours.is_none_or(|ours| ours == *ip)
    };
    let other = |binding: &Binding| {
        map.serving(binding)
            .is_some_and(|served| served.thumbprint != record.thumbprint)
    };
    let bindings = map
        .sites
        .iter()
        .flat_map(|site| &site.bindings)
        .filter(|b| reached(b) && other(b));
    let hosts = bindings.filter_map(|binding| match binding.endpoint()? {
        Endpoint::Name { host, port: theirs } if theirs == *port => Some(host),
        _ => None,
    });
    let hosts: BTreeSet<String> = hosts.collect();
    let names = hosts.into_iter().collect::<Vec<_>>().join(", ");
    let shadows = text!(
        "site-shadowed",
        endpoint = record.endpoint.to_string(),
        names = names.as_str()
    );
    (!names.is_empty()).then_some(shadows)
}

/// A binding without address and host name answers for every name that no other one has.
fn serves_every_name(map: &SiteMap, site: &Site) -> Option<Text> {
    let open = |binding: &&Binding| {
        binding.is_https()
            && binding
                .parts()
                .is_some_and(|parts| parts.ip.is_none() && parts.host.is_empty())
    };
    let binding = site.bindings.iter().find(open)?;
    let port = binding.endpoint()?.port();
    let shares = |other: &&Site| {
        let mut endpoints = other.bindings.iter().filter_map(Binding::endpoint);
        other.name != site.name && endpoints.any(|endpoint| endpoint.port() == port)
    };
    let others = map.sites.iter().filter(shares).count();
    let (name, shown) = (site.name.as_str(), binding.to_string());
    (others > 0).then(|| text!("site-serves-every-name", site = name, binding = shown))
}
