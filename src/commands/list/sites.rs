//! The sites of a server, as `list` shows them: each binding with the certificate it really serves.

use std::collections::HashMap;

use serde::Serialize;

use crate::console::{Table, cut};
use crate::iis::{Binding, Elsewhere, Endpoint, Site, SiteMap, SslBinding, StoreEntry, review};
use crate::keypair::Certificate;
use crate::message::day;
use crate::session::Session;
use crate::text;

/// Widest cells, so that a row stays within 80 columns.
const SITE: usize = 18;
const PLACE: usize = 27;
const CERTIFICATE: usize = 18;

/// The sites, and what is wrong about them.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct SitesReport {
    /// Each with its bindings.
    pub sites: Vec<SiteReport>,
    warnings: Vec<String>,
    automatic_rebind: Option<bool>,
}

/// A site.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct SiteReport {
    id: u32,
    name: String,
    bindings: Vec<ListedBindingReport>,
}

/// A binding, and the certificate it serves.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct ListedBindingReport {
    protocol: String,
    information: String,
    ssl_flags: u32,
    /// The record of http.sys.
    #[cfg_attr(test, schemars(with = "Option<serde_json::Value>"))]
    record: Option<SslBinding>,
    thumbprint: Option<String>,
    friendly_name: Option<String>,
    common_name: Option<String>,
    not_after: Option<String>,
}

/// A certificate of the stores, as a binding shows it.
struct ShownCertificate {
    friendly_name: Option<String>,
    certificate: Certificate,
}

impl ShownCertificate {
    /// The friendly name, and the common one where it says something else.
    fn label(&self) -> String {
        let name = self
            .certificate
            .common_name()
            .unwrap_or_else(|| self.certificate.display_name());
        match self
            .friendly_name
            .as_deref()
            .filter(|friendly| !friendly.is_empty() && *friendly != name)
        {
            Some(friendly) => format!("{friendly} ({name})"),
            None => name.to_owned(),
        }
    }
}

/// Shows the sites of a server with what is wrong about them; the same for programs. Only the
/// bindings of the certificates that `names` mean, where there are some.
pub(super) fn show(
    session: &Session<'_>,
    map: &SiteMap,
    seen: &[StoreEntry],
    elsewhere: &[Elsewhere],
    names: &[String],
) -> SitesReport {
    let wanted = seen.iter().filter(|seen| seen.certificate.is_wanted(names));
    let known: HashMap<String, ShownCertificate> = wanted.filter_map(shown).collect();
    let thumbprint = |site: &Site, binding: &Binding| thumbprint(map, site, binding);
    let is_wanted = |thumbprint: Option<&str>| {
        names.is_empty() || thumbprint.is_some_and(|t| known.contains_key(t))
    };
    let words = |text| session.console.words(&text);
    let mut table = Table::new(vec![
        words(text!("column-site")),
        words(text!("column-binding")),
        words(text!("column-certificate")),
        words(text!("column-expires")),
    ]);
    let (mut rows, mut documents) = (0_usize, Vec::new());
    for site in &map.sites {
        let mut bindings = Vec::new();
        for binding in &site.bindings {
            let thumbprint = thumbprint(site, binding);
            if !is_wanted(thumbprint.as_deref()) {
                continue;
            }
            let shown = thumbprint
                .as_ref()
                .and_then(|thumbprint| known.get(thumbprint));
            bindings.push(document(map, binding, thumbprint.as_deref(), shown));
            if binding.is_https() || thumbprint.is_some() {
                let label = shown
                    .map(ShownCertificate::label)
                    .or(thumbprint)
                    .unwrap_or_else(|| words(text!("cell-none")));
                let expires =
                    shown.map_or_else(String::new, |shown| day(shown.certificate.not_after()));
                table.row(vec![
                    cut(&site.name, SITE),
                    cut(&place(binding), PLACE),
                    cut(&label, CERTIFICATE),
                    expires,
                ]);
                rows += 1;
            }
        }
        documents.push(SiteReport {
            id: site.id,
            name: site.name.clone(),
            bindings,
        });
    }
    if !map.sites.is_empty() {
        session.console.say(&text!(
            "list-sites-headline",
            count = map.sites.len(),
            bindings = rows
        ));
    }
    if rows > 0 {
        session.console.table(&table);
    }
    let automatic_rebind = map.settings.automatic_rebind;
    if automatic_rebind == Some(true) && names.is_empty() {
        session.console.mention(&text!("list-automatic-rebind"));
    }
    let warnings = if names.is_empty() && !seen.is_empty() {
        review(map, seen, elsewhere, session.now)
    } else {
        Vec::new()
    };
    warnings
        .iter()
        .for_each(|warning| session.console.warn(warning));
    let warnings: Vec<_> = warnings
        .iter()
        .map(|warning| session.console.words(warning))
        .collect();
    SitesReport {
        sites: documents,
        warnings,
        automatic_rebind,
    }
}

fn shown(seen: &StoreEntry) -> Option<(String, ShownCertificate)> {
    let certificate = Certificate::parse(seen.certificate.der.clone()).ok()?;
    let friendly_name = seen.certificate.properties.friendly_name.clone();
    Some((
        certificate.thumbprint(),
        ShownCertificate {
            friendly_name,
            certificate,
        },
    ))
}

/// The certificate that a binding serves.
fn thumbprint(map: &SiteMap, site: &Site, binding: &Binding) -> Option<String> {
    if binding.protocol.eq_ignore_ascii_case("ftp") {
        return site
            .ftp_in_use(map.ftp_defaults.as_ref())
            .map(|ftp| ftp.thumbprint.clone());
    }
    map.serving(binding)?.thumbprint.clone()
}

/// `host:port`, the address where there is no host name.
fn place(binding: &Binding) -> String {
    match binding.parts() {
        Some(parts) if !parts.host.is_empty() => format!("{}:{}", parts.host, parts.port),
        Some(parts) => match parts.ip {
            Some(ip) => Endpoint::Address {
                ip,
                port: parts.port,
            }
            .to_string(),
            None => format!("*:{}", parts.port),
        },
        None => binding.to_string(),
    }
}

fn document(
    map: &SiteMap,
    binding: &Binding,
    thumbprint: Option<&str>,
    shown: Option<&ShownCertificate>,
) -> ListedBindingReport {
    let certificate = shown.map(|shown| &shown.certificate);
    ListedBindingReport {
        protocol: binding.protocol.clone(),
        information: binding.information.clone(),
        ssl_flags: binding.ssl_flags,
        record: map.serving(binding).cloned(),
        thumbprint: thumbprint.map(str::to_owned),
        friendly_name: shown.and_then(|shown| shown.friendly_name.clone()),
        common_name: certificate
            .and_then(|certificate| certificate.common_name())
            .map(str::to_owned),
        not_after: certificate.map(|certificate| certificate.not_after().to_string()),
    }
}
