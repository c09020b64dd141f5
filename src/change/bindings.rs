//! The plan of bindings: what becomes of every binding of a backup on this server, with its record
//! in http.sys. Pure, and read by people before anything happens. Records of other programs are
//! never touched.

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::appcmd;
use super::edit::Edit;
use super::mapping::{AddressHere, Mapping, SiteHere, SitesHere};
use super::order::{CertificateLabel, Higher, Order};
use crate::iis::binding::{self, BindingParts, CENTRAL, RECORD_FLAGS, SNI, SSL_FLAGS};
use crate::iis::sites::SslProperty;
use crate::iis::{Binding, Endpoint, FtpCertificate, Site, SiteMap, SslBinding, StoreName};
use crate::keypair::{Lower, ascii_host};
use crate::message::Text;
use crate::text;
use crate::tls::ask::Check;

/// The first build of Windows whose IIS and http.sys take host names such as `*.example.com`
/// (Windows Server 2016).
const WILDCARD_HOSTS: u32 = 14_393;

/// What the plan is made of.
pub struct BindingSource<'a> {
    /// What the server of the backup served.
    pub from: &'a SiteMap,
    /// What this server serves.
    pub here: &'a SiteMap,
    /// The answers of the user.
    pub mapping: &'a Mapping,
    /// Certificates that are in a store here, or will be, with a key that works: store and
    /// thumbprint.
    pub certificates: HashSet<(StoreName, String)>,
    /// What may replace what.
    pub order: &'a Order,
    /// Only the bindings of these certificates, where the user named some.
    pub only: Option<HashSet<String>>,
}

/// One binding of the backup, and what becomes of it.
#[derive(Debug)]
pub struct PlannedBinding {
    /// The site there.
    pub site: String,
    /// The binding there.
    pub binding: String,
    /// The site here; empty where there is none.
    pub to: String,
    /// Its certificate.
    pub certificate: CertificateLabel,
    /// What becomes of it.
    pub fate: BindingAction,
    /// What is different from how it was: flags that this Windows does not know, another address.
    pub remarks: Vec<Text>,
    /// How to ask whether the certificate is really served.
    pub check: Option<Check>,
}

/// What becomes of a binding.
#[derive(Debug, PartialEq)]
pub enum BindingAction {
    /// Nothing: it is here, with its certificate.
    AsItShouldBe,
    /// Nothing can be done, and why.
    Cannot(Text),
    /// Something of others stands there and is left alone.
    Conflict(Text),
    /// What is served there stands higher than what would come, and nobody named it: it stays, and
    /// all about it.
    Held {
        /// What is served.
        serves: CertificateLabel,
        /// Why the other one is lower.
        lower: Lower,
    },
    /// It is made.
    Change {
        /// The certificate that is served there now.
        replaces: Option<CertificateLabel>,
        /// Why the one that comes is lower than that; the user named it.
        lower: Option<Lower>,
        /// The changes.
        edits: Vec<Edit>,
    },
}

impl From<Higher> for BindingAction {
    fn from(higher: Higher) -> Self {
        let Higher { serves, lower } = higher;
        Self::Held { serves, lower }
    }
}

/// Plans all bindings that served a certificate.
pub fn plan(moving: &BindingSource<'_>) -> Vec<PlannedBinding> {
    let mut planner = BindingPlanner {
        moving,
        sites: SitesHere::new(moving.here),
        there: moving
            .from
            .records
            .iter()
            .map(|record| (&record.endpoint, record))
            .collect(),
        records: moving
            .here
            .records
            .iter()
            .map(|record| (record.endpoint.clone(), record.clone()))
            .collect(),
        hosts: moving.here.hosts_by_record(),
        owners: HashMap::new(),
        planned: HashMap::new(),
        held: HashMap::new(),
    };
    for site in &moving.here.sites {
        planner.owners.extend(
            site.bindings
                .iter()
                .map(|binding| (key(binding), site.name.clone())),
        );
    }
    let mut bound = Vec::new();
    for site in &moving.from.sites {
        bound.extend(
            site.bindings
                .iter()
                .filter(|binding| binding.is_https())
                .filter_map(|b| planner.bind(site, b)),
        );
        bound.extend(planner.ftp(site));
    }
    bound
}

/// What is still open, so that it can be asked: sites with their candidates here, and addresses
/// that are not here.
pub fn unclear<'a>(from: &'a SiteMap, here: &'a SiteMap, mapping: &Mapping) -> Unclear<'a> {
    let sites = SitesHere::new(here);
    let serves = |site: &&Site| {
        site.ftp_in_use(from.ftp_defaults.as_ref()).is_some()
            || site.bindings.iter().any(Binding::is_https)
    };
    let mut unclear = Unclear::default();
    for site in from.sites.iter().filter(serves) {
        match sites.find(site, mapping) {
            SiteHere::Unclear(candidates) => unclear.sites.push((site, candidates)),
            SiteHere::LeftOut => continue,
            SiteHere::Is(_) => {}
        }
        let secure = site.bindings.iter().filter(|binding| binding.is_https());
        for ip in secure.filter_map(|binding| binding.parts()?.ip) {
            if mapping.address(ip, here) == AddressHere::Unclear && !unclear.addresses.contains(&ip)
            {
                unclear.addresses.push(ip);
            }
        }
    }
    unclear
}

/// What a plan cannot decide.
#[derive(Debug, Default)]
pub struct Unclear<'a> {
    /// Sites, each with those here that may stand for it.
    pub sites: Vec<(&'a Site, Vec<&'a Site>)>,
    /// Addresses that this server does not have.
    pub addresses: Vec<IpAddr>,
}

/// Protocol and information are the key of a binding.
fn key(binding: &Binding) -> (String, String) {
    (
        binding.protocol.to_lowercase(),
        binding.information.to_lowercase(),
    )
}

struct BindingPlanner<'a> {
    moving: &'a BindingSource<'a>,
    sites: SitesHere<'a>,
    there: HashMap<&'a Endpoint, &'a SslBinding>,
    /// The records here, as they will be.
    records: HashMap<Endpoint, SslBinding>,
    /// The hosts that each record here answers for.
    hosts: HashMap<&'a Endpoint, Vec<String>>,
    /// The sites here that have a binding, or will.
    owners: HashMap<(String, String), String>,
    /// Endpoints that the plan has come to, with the certificate.
    planned: HashMap<Endpoint, Option<String>>,
    /// Endpoints whose record stays because it stands higher. Every binding with it stays, too.
    held: HashMap<Endpoint, (CertificateLabel, Lower)>,
}

/// A binding as it will be, before anything here is looked at.
struct Translated {
    binding: Binding,
    remarks: Vec<Text>,
}

impl<'a> BindingPlanner<'a> {
    /// `None` where the user asked for other certificates.
    fn bind(&mut self, site: &Site, binding: &Binding) -> Option<PlannedBinding> {
        let serving = self.moving.from.serving(binding);
        let thumbprint = serving.and_then(|record| record.thumbprint.clone());
        if self.is_left_out(thumbprint.as_deref()) {
            return None;
        }
        let mut bound = PlannedBinding {
            site: site.name.clone(),
            binding: binding.to_string(),
            to: String::new(),
            certificate: match &thumbprint {
                Some(thumbprint) => self.moving.order.shown(thumbprint),
                None => serving.map_or_else(CertificateLabel::default, |_| {
                    CertificateLabel::central_store()
                }),
            },
            fate: BindingAction::AsItShouldBe,
            remarks: Vec::new(),
            check: None,
        };
        bound.fate = self
            .fate(site, binding, &mut bound)
            .unwrap_or_else(|fate| fate);
        if !matches!(bound.fate, BindingAction::Change { .. }) {
            bound.remarks.clear();
        }
        Some(bound)
    }

    fn fate(
        &mut self,
        site: &Site,
        binding: &Binding,
        bound: &mut PlannedBinding,
    ) -> Result<BindingAction, BindingAction> {
        let to = self.site_here(site)?;
        bound.to.clone_from(&to.name);
        let serving = self
            .moving
            .from
            .serving(binding)
            .ok_or_else(|| BindingAction::Cannot(text!("cannot-no-certificate")))?;
        let Translated {
            binding: new,
            remarks,
        } = self.translate(binding)?;
        bound.remarks = remarks;
        let binding_edit = self.binding_edit(to, &new)?;
        let own = binding
            .endpoint()
            .and_then(|endpoint| self.there.get(&endpoint).copied());
        let record_edit = match own {
            Some(record) => self.record_edit(record, &new, bound)?,
            // Another binding brings the record that serves this one.
            None => None,
        };
        let edits: Vec<_> = record_edit.into_iter().chain(binding_edit).collect();
        let thumbprint = serving.thumbprint.as_deref();
        let fate = match edits.is_empty() {
            true => BindingAction::AsItShouldBe,
            false => self.change(to, &new, thumbprint, edits)?,
        };
        bound.check = check(&new, thumbprint);
        self.owners.insert(key(&new), to.name.clone());
        Ok(fate)
    }

    /// The change of a binding and its record, unless it would put something lower in the place of
    /// something higher.
    fn change(
        &mut self,
        to: &Site,
        new: &Binding,
        coming: Option<&str>,
        edits: Vec<Edit>,
    ) -> Result<BindingAction, BindingAction> {
        let (before, record) = changed_record(&edits);
        if let Some((serves, lower)) = record.and_then(|record| self.held.get(&record.endpoint)) {
            return Err(BindingAction::Held {
                serves: serves.clone(),
                lower: *lower,
            });
        }
        let served = self.served(to, new, before);
        let judged = match coming {
            Some(coming) => self.moving.order.judge(coming, &new.host(), &served),
            None => Ok(None),
        };
        let replaces = match served.last() {
            Some((last, _)) if before.is_some() || Some(*last) != coming => {
                Some(self.moving.order.shown(last))
            }
            _ => None,
        };
        if let Some(record) = record {
            self.note(record, &judged);
        }
        Ok(BindingAction::Change {
            replaces,
            lower: judged?,
            edits,
        })
    }

    /// Notes what becomes of a record, for the other bindings that share it.
    fn note(&mut self, record: &SslBinding, judged: &Result<Option<Lower>, Higher>) {
        let endpoint = record.endpoint.clone();
        match judged {
            Ok(_) => {
                self.planned
                    .insert(endpoint.clone(), record.thumbprint.clone());
                self.records.insert(endpoint, record.clone());
            }
            Err(Higher { serves, lower }) => {
                self.held.insert(endpoint, (serves.clone(), *lower));
            }
        }
    }

    /// The certificates that a change would replace, each with the other hosts that lose it: what
    /// answers for the binding today, and then what its record names as it stands.
    fn served<'s>(
        &'s self,
        to: &Site,
        new: &Binding,
        record: Option<&'s SslBinding>,
    ) -> Vec<(&'s str, &'s [String])> {
        let mut served = Vec::new();
        if let Some(there) = to.bindings.iter().find(|there| there.is_same(new))
            && let Some(answering) = self.moving.here.serving(there)
            && let Some(thumbprint) = &answering.thumbprint
        {
            served.push((thumbprint.as_str(), [].as_slice()));
        }
        if let Some(record) = record
            && let Some(thumbprint) = &record.thumbprint
        {
            let hosts = self.hosts.get(&record.endpoint);
            served.push((
                thumbprint.as_str(),
                hosts.map(Vec::as_slice).unwrap_or_default(),
            ));
        }
        served
    }

    fn site_here(&self, site: &Site) -> Result<&'a Site, BindingAction> {
        match self.sites.find(site, self.moving.mapping) {
            SiteHere::Is(site) => Ok(site),
            SiteHere::LeftOut => Err(BindingAction::Cannot(text!("cannot-left-out"))),
            SiteHere::Unclear(candidates) if candidates.is_empty() => {
                Err(BindingAction::Cannot(text!("cannot-no-site")))
            }
            SiteHere::Unclear(candidates) => {
                let names: Vec<_> = candidates.iter().map(|site| site.name.as_str()).collect();
                Err(BindingAction::Cannot(text!(
                    "cannot-which-site",
                    sites = names.join(", ")
                )))
            }
        }
    }

    /// The binding with the address that stands for its own here, and the flags that this Windows
    /// knows.
    fn translate(&self, binding: &Binding) -> Result<Translated, BindingAction> {
        let mut remarks = Vec::new();
        let mut new = binding.clone();
        let parts = binding
            .parts()
            .ok_or_else(|| BindingAction::Cannot(text!("cannot-unknown-binding")))?;
        if parts.host.starts_with("*.") && self.moving.here.windows_build < WILDCARD_HOSTS {
            return Err(BindingAction::Cannot(text!("cannot-wildcard")));
        }
        if let Some(ip) = parts.ip {
            let here = self.address_here(ip)?;
            if here != ip {
                new.information = information(BindingParts {
                    ip: Some(here),
                    ..parts
                });
                remarks.push(text!(
                    "bind-address",
                    from = ip.to_string(),
                    to = here.to_string()
                ));
            }
        }
        new.ssl_flags = binding::known(
            &SSL_FLAGS,
            binding.ssl_flags,
            self.moving.here.windows_build,
        );
        let unknown = binding.ssl_flags & !new.ssl_flags;
        if unknown & (SNI | CENTRAL) != 0 {
            return Err(BindingAction::Cannot(text!("cannot-old-windows")));
        }
        let named = binding::names(&SSL_FLAGS, unknown).into_iter();
        remarks.extend(named.map(|flag| text!("bind-flag-left-out", flag = flag)));
        Ok(Translated {
            binding: new,
            remarks,
        })
    }

    fn address_here(&self, ip: IpAddr) -> Result<IpAddr, BindingAction> {
        match self.moving.mapping.address(ip, self.moving.here) {
            AddressHere::Is(here) => Ok(here),
            AddressHere::LeftOut => Err(BindingAction::Cannot(text!("cannot-left-out"))),
            AddressHere::Unclear => Err(BindingAction::Cannot(text!(
                "cannot-no-address",
                ip = ip.to_string()
            ))),
        }
    }

    fn binding_edit(&self, to: &Site, new: &Binding) -> Result<Option<Edit>, BindingAction> {
        let site = to.name.clone();
        if let Some(other) = self.owners.get(&key(new)).filter(|other| **other != site) {
            return Err(BindingAction::Conflict(text!(
                "conflict-other-site",
                site = other
            )));
        }
        let there = to.bindings.iter().find(|there| there.is_same(new));
        // A planned one is not among the site's yet.
        let planned = there.is_none() && self.owners.contains_key(&key(new));
        Ok(match there {
            Some(there) if there.ssl_flags == new.ssl_flags => None,
            Some(there) => {
                let after = Binding {
                    ssl_flags: new.ssl_flags,
                    ..there.clone()
                };
                Some(Edit::Binding {
                    site,
                    before: Some(there.clone()),
                    after: Some(after),
                })
            }
            None if planned => None,
            None => Some(Edit::Binding {
                site,
                before: None,
                after: Some(new.clone()),
            }),
        })
    }

    /// The change to the record of a binding.
    fn record_edit(
        &self,
        record: &SslBinding,
        new: &Binding,
        bound: &mut PlannedBinding,
    ) -> Result<Option<Edit>, BindingAction> {
        let endpoint = new
            .endpoint()
            .ok_or_else(|| BindingAction::Cannot(text!("cannot-unknown-binding")))?;
        let after = self.record_here(record, endpoint.clone(), bound)?;
        let planned = self.planned.get(&endpoint);
        if planned.is_some_and(|planned| *planned != after.thumbprint) {
            return Err(BindingAction::Conflict(text!(
                "conflict-two-certificates",
                endpoint = endpoint.to_string()
            )));
        }
        let before = self.records.get(&endpoint).cloned();
        if before.as_ref().is_some_and(|before| before.is_same(&after)) {
            return Ok(None);
        }
        if let Some(foreign) = before.as_ref().filter(|before| !before.is_of_iis()) {
            return Err(BindingAction::Conflict(text!(
                "conflict-other-owner",
                endpoint = endpoint.to_string(),
                owner = foreign.app_id.as_str()
            )));
        }
        Ok(Some(Edit::Record {
            before,
            after: Some(after),
        }))
    }

    /// A record of the backup as it will be here: verbatim, but for the store, which must be the one
    /// that has the certificate.
    fn record_here(
        &self,
        record: &SslBinding,
        endpoint: Endpoint,
        bound: &mut PlannedBinding,
    ) -> Result<SslBinding, BindingAction> {
        let mut after = SslBinding {
            endpoint,
            ..record.clone()
        };
        match &record.thumbprint {
            Some(thumbprint) => self.choose_store(&mut after, thumbprint, bound)?,
            None => self.see_to_central_store(bound)?,
        }
        let build = self.moving.here.windows_build;
        let known = binding::known(&RECORD_FLAGS, record.flags, build);
        for flag in binding::names(&RECORD_FLAGS, record.flags & !known) {
            // A flag may stand in the binding, too.
            let left_out = text!("bind-flag-left-out", flag = flag.as_str());
            if !bound.remarks.contains(&left_out) {
                bound.remarks.push(text!("bind-flag-untold", flag = flag));
            }
        }
        bound
            .remarks
            .extend(self.properties_left_out(record, &after.endpoint));
        Ok(after)
    }

    fn choose_store(
        &self,
        record: &mut SslBinding,
        thumbprint: &str,
        bound: &mut PlannedBinding,
    ) -> Result<(), BindingAction> {
        let named = StoreName::parse(record.store.as_deref().unwrap_or("MY"));
        let store = named
            .into_iter()
            .chain([StoreName::My, StoreName::WebHosting])
            .find(|store| self.is_in(*store, thumbprint));
        let Some(store) = store else {
            return Err(BindingAction::Cannot(text!(
                "cannot-certificate-missing",
                name = self.name(thumbprint)
            )));
        };
        if named != Some(store) {
            record.store = Some(store.as_str().to_owned());
            bound
                .remarks
                .push(text!("bind-other-store", store = store.as_str()));
        }
        Ok(())
    }

    /// A record without a certificate is of use only where the Central Certificate Store is set up.
    fn see_to_central_store(&self, bound: &mut PlannedBinding) -> Result<(), BindingAction> {
        let Some(central) = &self.moving.here.settings.central_store else {
            return Err(BindingAction::Cannot(text!("cannot-central-store")));
        };
        bound.remarks.push(text!(
            "bind-central-store",
            folder = central.location.as_str()
        ));
        Ok(())
    }

    /// What a record has that is not restored, unless the one here has it already.
    fn properties_left_out(
        &self,
        record: &SslBinding,
        endpoint: &Endpoint,
    ) -> impl Iterator<Item = Text> {
        let BindingSource { from, here, .. } = self.moving;
        let there = from
            .settings
            .properties
            .iter()
            .filter(|property| property.endpoint == record.endpoint);
        let moved = there.map(|property| SslProperty {
            endpoint: endpoint.clone(),
            ..property.clone()
        });
        let left_out = moved.filter(|property| !here.settings.properties.contains(property));
        left_out.map(|property| {
            text!(
                "bind-property-left-out",
                command = appcmd::property(&property)
            )
        })
    }

    /// The FTP certificate of a site.
    fn ftp(&self, site: &Site) -> Option<PlannedBinding> {
        let wanted = site.ftp_in_use(self.moving.from.ftp_defaults.as_ref())?;
        if self.is_left_out(Some(&wanted.thumbprint)) {
            return None;
        }
        let to = self.site_here(site);
        Some(PlannedBinding {
            site: site.name.clone(),
            binding: "ftp".into(),
            to: to
                .as_ref()
                .map_or_else(|_| String::new(), |to| to.name.clone()),
            certificate: self.moving.order.shown(&wanted.thumbprint),
            fate: to
                .and_then(|to| self.ftp_fate(wanted, to))
                .unwrap_or_else(|fate| fate),
            remarks: Vec::new(),
            check: None,
        })
    }

    fn ftp_fate(&self, wanted: &FtpCertificate, to: &Site) -> Result<BindingAction, BindingAction> {
        let BindingSource { here, order, .. } = self.moving;
        let is_ftp = |binding: &Binding| binding.protocol.eq_ignore_ascii_case("ftp");
        if !to.bindings.iter().any(is_ftp) {
            return Err(BindingAction::Cannot(text!("cannot-no-ftp")));
        }
        let store = StoreName::parse(&wanted.store);
        if !store.is_some_and(|store| self.is_in(store, &wanted.thumbprint)) {
            return Err(BindingAction::Cannot(text!(
                "cannot-certificate-missing",
                name = self.name(&wanted.thumbprint)
            )));
        }
        let now = to.ftp_in_use(here.ftp_defaults.as_ref());
        if now == Some(wanted) {
            return Ok(BindingAction::AsItShouldBe);
        }
        let mut served = Vec::new();
        if let Some(now) = now {
            served.push((now.thumbprint.as_str(), [].as_slice()));
        }
        Ok(BindingAction::Change {
            lower: order.judge(&wanted.thumbprint, "", &served)?,
            replaces: now.map(|now| order.shown(&now.thumbprint)),
            edits: vec![Edit::Ftp {
                site: to.name.clone(),
                before: to.ftp.clone(),
                after: Some(wanted.clone()),
            }],
        })
    }

    /// Whether a store has the certificate, or will.
    fn is_in(&self, store: StoreName, thumbprint: &str) -> bool {
        let certificates = &self.moving.certificates;
        certificates.contains(&(store, thumbprint.to_owned()))
    }

    fn is_left_out(&self, thumbprint: Option<&str>) -> bool {
        self.moving
            .only
            .as_ref()
            .is_some_and(|only| thumbprint.is_none_or(|thumbprint| !only.contains(thumbprint)))
    }

    fn name(&self, thumbprint: &str) -> String {
        self.moving.order.shown(thumbprint).label()
    }
}

/// A record among the edits that is set: as it stands, and as it will be.
fn changed_record(edits: &[Edit]) -> (Option<&SslBinding>, Option<&SslBinding>) {
    for edit in edits {
        if let Edit::Record { before, after } = edit
            && after.is_some()
        {
            return (before.as_ref(), after.as_ref());
        }
    }
    (None, None)
}

pub(super) fn information(parts: BindingParts) -> String {
    let ip = parts.ip.map_or("*".into(), |ip| {
        if ip.is_ipv6() {
            format!("[{ip}]")
        } else {
            ip.to_string()
        }
    });
    format!("{ip}:{}:{}", parts.port, parts.host)
}

/// Where and how to ask for the certificate of a binding. Nothing is asked outside of this machine:
/// a binding to all addresses is asked on loopback, one to an address of this server there. For a
/// wildcard, some name is asked.
pub(crate) fn check(binding: &Binding, thumbprint: Option<&str>) -> Option<Check> {
    let BindingParts { ip, port, host } = binding.parts()?;
    let ip = ip
        .filter(|ip| !ip.is_unspecified())
        .unwrap_or(Ipv4Addr::LOCALHOST.into());
    let host = (!host.is_empty()).then(|| ascii_host(&host).replace('*', "www"));
    Some(Check {
        address: SocketAddr::new(ip, port),
        host,
        thumbprint: thumbprint?.to_owned(),
    })
}

impl PlannedBinding {
    /// Its changes.
    pub fn edits(&self) -> impl Iterator<Item = &Edit> {
        let edits: &[Edit] = if let BindingAction::Change { edits, .. } = &self.fate {
            edits
        } else {
            &[]
        };
        edits.iter()
    }

    /// Whether it has its certificate, or will.
    pub fn is_made(&self) -> bool {
        matches!(
            self.fate,
            BindingAction::Change { .. } | BindingAction::AsItShouldBe
        )
    }

    /// Whether it was asked for and cannot be.
    pub fn is_left(&self) -> bool {
        matches!(
            self.fate,
            BindingAction::Cannot(_) | BindingAction::Conflict(_)
        )
    }

    /// Whether something lower replaces something higher, or would.
    pub fn lower(&self) -> Option<Lower> {
        match self.fate {
            BindingAction::Held { lower, .. } => Some(lower),
            BindingAction::Change { lower, .. } => lower,
            _ => None,
        }
    }

    /// Its lines of the plan.
    pub fn texts(&self) -> Vec<Text> {
        let mut texts = vec![self.fate_text()];
        texts.extend(self.remarks.iter().cloned());
        texts
    }

    fn fate_text(&self) -> Text {
        let (site, binding) = (self.site.as_str(), self.binding.as_str());
        let to = if self.to == self.site {
            binding.to_owned()
        } else {
            format!("{binding} -> {}", self.to)
        };
        match &self.fate {
            BindingAction::AsItShouldBe => text!(
                "bind-keep",
                site = site,
                binding = to,
                certificate = self.certificate.text()
            ),
            BindingAction::Cannot(reason) => text!(
                "bind-cannot",
                site = site,
                binding = binding,
                reason = reason.clone()
            ),
            BindingAction::Conflict(reason) => text!(
                "bind-conflict",
                site = site,
                binding = binding,
                reason = reason.clone()
            ),
            BindingAction::Held { serves, lower } => text!(
                "bind-held",
                site = site,
                binding = to,
                serves = serves.text_in_full(),
                lower = lower.text(),
                certificate = self.certificate.text_in_full(),
                name = serves.argument()
            ),
            BindingAction::Change {
                replaces, lower, ..
            } => self.change_text(to, replaces.as_ref(), *lower),
        }
    }

    fn change_text(
        &self,
        to: String,
        replaces: Option<&CertificateLabel>,
        lower: Option<Lower>,
    ) -> Text {
        let (site, certificate) = (self.site.as_str(), self.certificate.text());
        match (replaces, lower) {
            (Some(replaces), Some(lower)) => text!(
                "bind-lower",
                site = site,
                binding = to,
                lower = lower.text(),
                certificate = certificate,
                replaces = replaces.text()
            ),
            (Some(replaces), None) if *replaces != self.certificate => text!(
                "bind-replace",
                site = site,
                binding = to,
                certificate = certificate,
                replaces = replaces.text()
            ),
            _ => text!(
                "bind-add",
                site = site,
                binding = to,
                certificate = certificate
            ),
        }
    }
}
