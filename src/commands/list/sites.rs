//! The sites of a server, as `list` shows them: each binding with the certificate it really serves.

use std::collections::HashMap;

use serde::Serialize;

use crate::console::{Table, cut};
use crate::iis::{Binding, Elsewhere, Endpoint, Site, SiteMap, SslBinding, StoreEntry, review};
use crate::keypair::Certificate;
use crate::keystore::HeldKeyPair;
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
    record: Option<SslBinding>,
    thumbprint: Option<String>,
    friendly_name: Option<String>,
    common_name: Option<String>,
    not_after: Option<String>,
}

/// A certificate, as a binding shows it.
pub(super) struct ShownCertificate {
    friendly_name: Option<String>,
    certificate: Certificate,
}

impl ShownCertificate {
    /// One of a store, if it can be read.
    pub(super) fn stored(entry: &StoreEntry) -> Option<Self> {
        Some(Self {
            friendly_name: entry.certificate.properties.friendly_name.clone(),
            certificate: Certificate::parse(entry.certificate.der.clone()).ok()?,
        })
    }

    /// One of a source.
    pub(super) fn held(held: &HeldKeyPair) -> Self {
        Self {
            friendly_name: held.pair.friendly_name.clone(),
            certificate: held.leaf().clone(),
        }
    }

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

/// A site with those of its bindings that are listed.
struct ListedSite<'a> {
    site: &'a Site,
    bindings: Vec<ListedBinding<'a>>,
}

/// A binding that is listed.
struct ListedBinding<'a> {
    binding: &'a Binding,
    /// Of the certificate that it serves.
    thumbprint: Option<String>,
    shown: Option<&'a ShownCertificate>,
}

/// Shows the sites of a server, each binding with its certificate; the same for programs. Where
/// `only_theirs` is wanted, only the bindings of these certificates.
pub(super) fn show(
    session: &Session<'_>,
    map: &SiteMap,
    certificates: impl Iterator<Item = ShownCertificate>,
    only_theirs: bool,
) -> SitesReport {
    let known: HashMap<_, _> = certificates
        .map(|shown| (shown.certificate.thumbprint(), shown))
        .collect();
    let mut listed = Vec::new();
    for site in &map.sites {
        let mut bindings = Vec::new();
        for binding in &site.bindings {
            let listed = ListedBinding::of(map, site, binding, &known);
            if !only_theirs || listed.shown.is_some() {
                bindings.push(listed);
            }
        }
        listed.push(ListedSite { site, bindings });
    }
    say_sites(session, &listed);
    SitesReport {
        sites: listed.into_iter().map(|one| one.report(map)).collect(),
        warnings: Vec::new(),
        automatic_rebind: map.settings.automatic_rebind,
    }
}

/// Says how many sites there are, and shows their bindings that are for TLS.
fn say_sites(session: &Session<'_>, listed: &[ListedSite<'_>]) {
    let words = |text| session.console.words(&text);
    let mut table = Table::new(vec![
        words(text!("column-site")),
        words(text!("column-binding")),
        words(text!("column-certificate")),
        words(text!("column-expires")),
    ]);
    let mut rows = 0_usize;
    for ListedSite { site, bindings } in listed {
        for binding in bindings.iter().filter(|binding| binding.is_tls()) {
            table.row(binding.cells(session, site));
            rows += 1;
        }
    }
    if !listed.is_empty() {
        session.console.say(&text!(
            "list-sites-headline",
            count = listed.len(),
            bindings = rows
        ));
    }
    if !table.is_empty() {
        session.console.table(&table);
    }
}

impl SitesReport {
    /// Warns of what is wrong about the sites, as far as the stores are known.
    pub(super) fn warn(
        &mut self,
        session: &Session<'_>,
        map: &SiteMap,
        seen: &[StoreEntry],
        elsewhere: &[Elsewhere],
    ) {
        if self.automatic_rebind == Some(true) {
            session.console.mention(&text!("list-automatic-rebind"));
        }
        if seen.is_empty() {
            return;
        }
        for warning in review(map, seen, elsewhere, session.now) {
            session.console.warn(&warning);
            self.warnings.push(session.console.words(&warning));
        }
    }
}

impl ListedSite<'_> {
    fn report(self, map: &SiteMap) -> SiteReport {
        let bindings = self.bindings.into_iter();
        SiteReport {
            id: self.site.id,
            name: self.site.name.clone(),
            bindings: bindings.map(|binding| binding.report(map)).collect(),
        }
    }
}

impl<'a> ListedBinding<'a> {
    fn of(
        map: &SiteMap,
        site: &Site,
        binding: &'a Binding,
        known: &'a HashMap<String, ShownCertificate>,
    ) -> Self {
        let thumbprint = thumbprint(map, site, binding);
        let shown = thumbprint.as_ref().and_then(|it| known.get(it));
        Self {
            binding,
            thumbprint,
            shown,
        }
    }

    fn is_tls(&self) -> bool {
        self.binding.is_https() || self.thumbprint.is_some()
    }

    fn cells(&self, session: &Session<'_>, site: &Site) -> Vec<String> {
        let (label, expires) = match (self.shown, &self.thumbprint) {
            (Some(shown), _) => (shown.label(), day(shown.certificate.not_after())),
            (None, Some(thumbprint)) => (thumbprint.clone(), String::new()),
            (None, None) => {
                let is_central = matches!(self.binding.endpoint(), Some(Endpoint::Central { .. }));
                let cell = if is_central {
                    text!("cell-central")
                } else {
                    text!("cell-none")
                };
                (session.console.words(&cell), String::new())
            }
        };
        vec![
            cut(&site.name, SITE),
            cut(&place(self.binding), PLACE),
            cut(&label, CERTIFICATE),
            expires,
        ]
    }

    fn report(self, map: &SiteMap) -> ListedBindingReport {
        let certificate = self.shown.map(|shown| &shown.certificate);
        ListedBindingReport {
            protocol: self.binding.protocol.clone(),
            information: self.binding.information.clone(),
            ssl_flags: self.binding.ssl_flags,
            record: map.serving(self.binding).cloned(),
            thumbprint: self.thumbprint,
            friendly_name: self.shown.and_then(|shown| shown.friendly_name.clone()),
            common_name: certificate
                .and_then(|certificate| certificate.common_name())
                .map(str::to_owned),
            not_after: certificate.map(|certificate| certificate.not_after().to_string()),
        }
    }
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
