//! The bindings of a new certificate: it takes over every use of those it succeeds, on all sites
//! and addresses, and a binding is added only where a site that was named has none. Pure.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

use super::bindings::{BindingAction, PlannedBinding, check, information};
use super::edit::Edit;
use super::order::Order;
use crate::error::{Error, Result};
use crate::iis::binding::{BindingParts, CENTRAL, SNI, record_flags};
use crate::iis::{Binding, Endpoint, FtpCertificate, Site, SiteMap, SslBinding, StoreName};
use crate::keypair::{Certificate, is_same_host};
use crate::message::day;
use crate::text;

/// The port of https.
const HTTPS: u16 = 443;
/// The first build of Windows with SNI: Server 2012.
const SNI_SINCE: u32 = 9200;

/// What the plan is made of.
pub struct Succession<'a> {
    /// What this server serves.
    pub map: &'a SiteMap,
    /// What may replace what: it knows what the stores hold and the new certificate.
    pub order: &'a Order,
    /// The new certificate.
    pub leaf: &'a Certificate,
    /// The store it will be in.
    pub store: StoreName,
    /// Sites that shall serve it, whatever they serve now.
    pub sites: &'a [String],
    /// The address of a binding that is added; `None` for all of them.
    pub address: Option<IpAddr>,
    /// Whether a binding that is added goes by host name.
    pub sni: bool,
}

/// Plans every binding that the new certificate concerns. A certificate is succeeded if the new one
/// is for all its names.
///
/// # Errors
/// When a site was named that is not here.
pub fn plan(succession: &Succession<'_>) -> Result<Vec<PlannedBinding>> {
    let sites = &succession.map.sites;
    for name in succession.sites {
        if !sites
            .iter()
            .any(|site| site.name.eq_ignore_ascii_case(name))
        {
            let names: Vec<_> = sites.iter().map(|site| site.name.as_str()).collect();
            return Err(Error::usage(text!(
                "error-no-site",
                site = name,
                sites = names.join(", ")
            )));
        }
    }
    let mut planner = SuccessorPlanner {
        succession,
        thumbprint: succession.leaf.thumbprint(),
        hosts: succession.map.hosts_by_record(),
        edited: HashSet::new(),
        bound: Vec::new(),
    };
    for site in sites {
        for binding in site.bindings.iter().filter(|binding| binding.is_https()) {
            planner.take_over(site, binding);
        }
        planner.take_over_ftp(site);
        if planner.is_named(site) && !site.bindings.iter().any(Binding::is_https) {
            for binding in planner.new_bindings(site) {
                planner.add(site, &binding);
            }
        }
    }
    planner.name_foreign();
    Ok(planner.bound)
}

/// What a certificate that is served now has to do with the new one.
enum Relation {
    /// It is the new one.
    Itself,
    /// The new one is for all its names.
    Predecessor,
    /// The new one is for some of its names, but not for these.
    Partly(Vec<String>),
    /// Nothing.
    Stranger,
}

struct SuccessorPlanner<'a> {
    succession: &'a Succession<'a>,
    thumbprint: String,
    /// The hosts that each record answers for.
    hosts: HashMap<&'a Endpoint, Vec<String>>,
    /// Endpoints whose record the plan changes already: several bindings may share one.
    edited: HashSet<Endpoint>,
    bound: Vec<PlannedBinding>,
}

impl SuccessorPlanner<'_> {
    fn is_named(&self, site: &Site) -> bool {
        self.succession
            .sites
            .iter()
            .any(|name| name.eq_ignore_ascii_case(&site.name))
    }

    /// A binding that is there.
    fn take_over(&mut self, site: &Site, binding: &Binding) {
        // The Central Certificate Store takes its certificates from files.
        if binding.ssl_flags & CENTRAL != 0 {
            return;
        }
        let serving = self.succession.map.serving(binding);
        let served = serving.and_then(|record| record.thumbprint.as_deref());
        let fate = match served.map_or(Relation::Stranger, |served| self.kinship(served)) {
            Relation::Itself => BindingAction::AsItShouldBe,
            Relation::Predecessor => match serving {
                Some(serving) => self
                    .replace(serving, &binding.host())
                    .unwrap_or_else(|fate| fate),
                None => BindingAction::AsItShouldBe,
            },
            _ if self.is_named(site) && self.covers(binding) => {
                self.serve(binding, served).unwrap_or_else(|fate| fate)
            }
            kinship => match left(kinship) {
                Some(fate) => fate,
                None => return,
            },
        };
        self.push(site, binding, fate);
    }

    /// Whether the new certificate is for the host name of a binding; for one without, it always
    /// is.
    fn covers(&self, binding: &Binding) -> bool {
        binding
            .parts()
            .is_some_and(|parts| parts.host.is_empty() || self.succession.leaf.covers(&parts.host))
    }

    fn kinship(&self, thumbprint: &str) -> Relation {
        if thumbprint.eq_ignore_ascii_case(&self.thumbprint) {
            return Relation::Itself;
        }
        let Some(other) = self.succession.order.certificate(thumbprint) else {
            return Relation::Stranger;
        };
        let has = |name: &str| {
            self.succession
                .leaf
                .dns_names()
                .iter()
                .any(|own| is_same_host(own, name))
        };
        let (kept, lost): (Vec<_>, Vec<_>) = other
            .dns_names()
            .iter()
            .cloned()
            .partition(|name| has(name));
        match (kept.is_empty(), lost.is_empty()) {
            (true, _) => Relation::Stranger,
            (false, true) => Relation::Predecessor,
            (false, false) => Relation::Partly(lost),
        }
    }

    /// Another certificate for a record, with everything else as it is; `host` is that of the
    /// binding it is for.
    fn replace(&mut self, before: &SslBinding, host: &str) -> Result<BindingAction, BindingAction> {
        if !before.is_of_iis() {
            return Err(foreign(before));
        }
        let order = self.succession.order;
        let served = before.thumbprint.as_deref();
        let others = self
            .hosts
            .get(&before.endpoint)
            .map(Vec::as_slice)
            .unwrap_or_default();
        let judged = served.map(|served| (served, others));
        let lower = order.judge(&self.thumbprint, host, judged.as_slice())?;
        let store = Some(self.succession.store.as_str().to_owned());
        let after = SslBinding {
            thumbprint: Some(self.thumbprint.clone()),
            store,
            ..before.clone()
        };
        let first = self.edited.insert(before.endpoint.clone());
        let edits = first.then(|| Edit::Record {
            before: Some(before.clone()),
            after: Some(after),
        });
        let replaces = served.map(|served| order.shown(served));
        Ok(BindingAction::Change {
            replaces,
            lower,
            edits: edits.into_iter().collect(),
        })
    }

    /// The record of a binding whose site was named: that of its own endpoint, made where another
    /// one has served it.
    fn serve(
        &mut self,
        binding: &Binding,
        served: Option<&str>,
    ) -> Result<BindingAction, BindingAction> {
        let endpoint = binding
            .endpoint()
            .ok_or_else(|| BindingAction::Cannot(text!("cannot-unknown-binding")))?;
        let host = binding.host();
        if let Some(own) = self.succession.map.record(&endpoint) {
            return self.replace(own, &host);
        }
        let judged = served.map(|served| (served, [].as_slice()));
        let lower = self
            .succession
            .order
            .judge(&self.thumbprint, &host, judged.as_slice())?;
        let first = self.edited.insert(endpoint.clone());
        let record = self.new_record(endpoint, binding);
        let edits = first.then_some(Edit::Record {
            before: None,
            after: Some(record),
        });
        Ok(BindingAction::Change {
            replaces: None,
            lower,
            edits: edits.into_iter().collect(),
        })
    }

    fn new_record(&self, endpoint: Endpoint, binding: &Binding) -> SslBinding {
        SslBinding {
            store: Some(self.succession.store.as_str().to_owned()),
            flags: record_flags(binding.ssl_flags),
            ..SslBinding::new(endpoint, self.thumbprint.clone())
        }
    }

    /// The bindings of a site that has none: by host name one for each that the site answers to
    /// already, else one for every name.
    fn new_bindings(&self, site: &Site) -> Vec<Binding> {
        let binding = |host: &str, ssl_flags| {
            let parts = BindingParts {
                ip: self.succession.address,
                port: HTTPS,
                host: host.to_owned(),
            };
            Binding {
                protocol: "https".into(),
                information: information(parts),
                ssl_flags,
            }
        };
        if !self.succession.sni {
            return vec![binding("", 0)];
        }
        let leaf = self.succession.leaf;
        let hosts = site
            .bindings
            .iter()
            .filter_map(|binding| Some(binding.parts()?.host));
        let mut hosts: Vec<_> = hosts
            .filter(|host| !host.is_empty() && leaf.covers(host))
            .collect();
        hosts.sort();
        hosts.dedup();
        if hosts.is_empty() {
            hosts.extend(
                leaf.dns_names()
                    .iter()
                    .find(|name| !name.starts_with('*'))
                    .cloned(),
            );
        }
        hosts.iter().map(|host| binding(host, SNI)).collect()
    }

    fn add(&mut self, site: &Site, binding: &Binding) {
        let fate = self.adding(site, binding).unwrap_or_else(|fate| fate);
        self.push(site, binding, fate);
    }

    /// Refuses bindings that this server cannot have.
    fn refuse_impossible(&self) -> Result<(), BindingAction> {
        let Succession {
            map, address, sni, ..
        } = *self.succession;
        let text = if let Some(folder) = &map.shared {
            text!("cannot-shared", folder = folder)
        } else if sni && map.windows_build < SNI_SINCE {
            text!("cannot-old-windows")
        } else if let Some(ip) = address.filter(|ip| !map.addresses.contains(ip)) {
            text!("cannot-address-not-here", ip = ip.to_string())
        } else {
            return Ok(());
        };
        Err(BindingAction::Cannot(text))
    }

    fn adding(&mut self, site: &Site, binding: &Binding) -> Result<BindingAction, BindingAction> {
        self.refuse_impossible()?;
        let map = self.succession.map;
        for other in &map.sites {
            if other.bindings.iter().any(|there| there.is_same(binding)) {
                return Err(BindingAction::Conflict(text!(
                    "conflict-other-site",
                    site = other.name.as_str()
                )));
            }
        }
        let endpoint = binding
            .endpoint()
            .ok_or_else(|| BindingAction::Cannot(text!("cannot-unknown-binding")))?;
        let mut edits = match map.record(&endpoint) {
            Some(record) if !record.is_of_iis() => return Err(foreign(record)),
            Some(record) => self.sharing(record, &binding.host())?,
            None if self.edited.insert(endpoint.clone()) => {
                vec![Edit::Record {
                    before: None,
                    after: Some(self.new_record(endpoint, binding)),
                }]
            }
            None => Vec::new(),
        };
        edits.push(Edit::Binding {
            site: site.name.clone(),
            before: None,
            after: Some(binding.clone()),
        });
        Ok(BindingAction::Change {
            replaces: None,
            lower: None,
            edits,
        })
    }

    /// A record that serves others, too: it may only have the new certificate, or get it because it
    /// has a predecessor.
    fn sharing(&mut self, record: &SslBinding, host: &str) -> Result<Vec<Edit>, BindingAction> {
        let served = record.thumbprint.as_deref().unwrap_or_default();
        match self.kinship(served) {
            Relation::Itself => Ok(Vec::new()),
            Relation::Predecessor => match self.replace(record, host)? {
                BindingAction::Change { edits, .. } => Ok(edits),
                other => Err(other),
            },
            _ => {
                let (endpoint, label) = (
                    record.endpoint.to_string(),
                    self.succession.order.shown(served).text(),
                );
                Err(BindingAction::Conflict(text!(
                    "conflict-endpoint-taken",
                    endpoint = endpoint,
                    certificate = label
                )))
            }
        }
    }

    /// FTP names its certificate in the configuration.
    fn take_over_ftp(&mut self, site: &Site) {
        let Succession { map, store, .. } = *self.succession;
        let Some(now) = site.ftp_in_use(map.ftp_defaults.as_ref()) else {
            return;
        };
        let fate = match self.kinship(&now.thumbprint) {
            Relation::Itself => BindingAction::AsItShouldBe,
            Relation::Predecessor if map.shared.is_some() => BindingAction::Cannot(text!(
                "cannot-shared",
                folder = map.shared.as_deref().unwrap_or_default()
            )),
            Relation::Predecessor => self
                .replace_ftp(site, now, store)
                .unwrap_or_else(|fate| fate),
            kinship => match left(kinship) {
                Some(fate) => fate,
                None => return,
            },
        };
        self.push_named(&site.name, "ftp", fate, None);
    }

    fn replace_ftp(
        &self,
        site: &Site,
        now: &FtpCertificate,
        store: StoreName,
    ) -> Result<BindingAction, BindingAction> {
        let order = self.succession.order;
        let lower = order.judge(&self.thumbprint, "", &[(&now.thumbprint, &[])])?;
        let after = FtpCertificate {
            thumbprint: self.thumbprint.clone(),
            store: store.as_str().to_owned(),
        };
        let edit = Edit::Ftp {
            site: site.name.clone(),
            before: site.ftp.clone(),
            after: Some(after),
        };
        Ok(BindingAction::Change {
            replaces: Some(order.shown(&now.thumbprint)),
            lower,
            edits: vec![edit],
        })
    }

    /// Other programs that use a predecessor must be told of it in their own way.
    fn name_foreign(&mut self) {
        let map = self.succession.map;
        for record in map.records.iter().filter(|record| !record.is_of_iis()) {
            let served = record.thumbprint.as_deref().unwrap_or_default();
            let bound = map.sites.iter().flat_map(|site| &site.bindings);
            let named = bound
                .filter(|one| one.is_https())
                .any(|one| map.serving(one) == Some(record));
            let is_higher = || {
                self.succession
                    .order
                    .judge(&self.thumbprint, "", &[(served, &[])])
                    .is_err()
            };
            if !named && matches!(self.kinship(served), Relation::Predecessor) && !is_higher() {
                self.push_named(
                    "HTTP.sys",
                    &record.endpoint.to_string(),
                    foreign(record),
                    None,
                );
            }
        }
    }

    fn push(&mut self, site: &Site, binding: &Binding, fate: BindingAction) {
        self.push_named(&site.name, &binding.to_string(), fate, Some(binding));
    }

    fn push_named(
        &mut self,
        site: &str,
        what: &str,
        fate: BindingAction,
        binding: Option<&Binding>,
    ) {
        let made = matches!(
            fate,
            BindingAction::Change { .. } | BindingAction::AsItShouldBe
        );
        let check = binding
            .filter(|_| made)
            .and_then(|binding| check(binding, Some(&self.thumbprint)));
        self.bound.push(PlannedBinding {
            site: site.to_owned(),
            binding: what.to_owned(),
            to: site.to_owned(),
            certificate: self.succession.order.shown(&self.thumbprint),
            fate,
            remarks: Vec::new(),
            check,
        });
    }
}

/// The name with the day it expires, which tells a certificate from its successor.
pub fn dated(certificate: &Certificate) -> String {
    format!(
        "{} {}",
        certificate.display_name(),
        day(certificate.not_after())
    )
}

/// Why a certificate stays where it is served; `None` where it has nothing to do with the new one.
fn left(kinship: Relation) -> Option<BindingAction> {
    match kinship {
        Relation::Partly(names) => Some(BindingAction::Cannot(text!(
            "cannot-names-missing",
            names = names.join(", ")
        ))),
        Relation::Itself | Relation::Predecessor | Relation::Stranger => None,
    }
}

fn foreign(record: &SslBinding) -> BindingAction {
    let (endpoint, owner) = (record.endpoint.to_string(), record.app_id.as_str());
    BindingAction::Conflict(text!(
        "conflict-other-owner",
        endpoint = endpoint,
        owner = owner
    ))
}

#[cfg(test)]
mod tests {
    use crate::iis::sites::IIS_APP_ID;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;
    use crate::change::tests::{journal, running, state_folder};
    use crate::change::{Plan, apply, rollback, undo};
    use crate::iis::blob::Home;
    use crate::iis::memory::{CallFault, Died, MemoryServer};
    use crate::iis::{ProviderKind, look_at_all};
    use crate::keypair::throwaway::{Authority, KeyKind};

    const SERVER_2022: u32 = 20_348;

    /// A server with a key pair for each set of names, the last of which is the new certificate.
    struct Here {
        server: MemoryServer,
        certificates: Vec<Certificate>,
    }

    const TODAY: &str = "2026-11-25T00:00:00Z";

    impl Here {
        fn new(names: &[&[&str]]) -> Self {
            Self::at_times(names, &[])
        }

        /// Those without a time are issued today.
        fn at_times(names: &[&[&str]], times: &[&str]) -> Self {
            let time = |at: usize| times.get(at).unwrap_or(&TODAY).parse().unwrap();
            let (server, authority) = (
                MemoryServer::default(),
                Authority::new("Test", time(0)).unwrap(),
            );
            let issue = |(at, names): (usize, &&[&str])| {
                let pair = authority.issue(names, KeyKind::P256, time(at)).unwrap();
                let link = Home::SoftwareKsp.link(format!("key-{at}"));
                server.put_key(&link, pair.key.pkcs8().expose(), true, ProviderKind::Ksp);
                server.put_certificate(StoreName::WebHosting, pair.leaf().der(), Some(&link));
                pair.leaf().clone()
            };
            let certificates = names.iter().enumerate().map(issue).collect();
            Self {
                server,
                certificates,
            }
        }

        fn leaf(&self) -> &Certificate {
            self.certificates.last().unwrap()
        }

        fn serve(&self, endpoint: &str, certificate: usize, change: impl Fn(&mut SslBinding)) {
            let (name, port) = endpoint.rsplit_once(':').unwrap();
            let port = port.parse().unwrap();
            let endpoint = match name.parse() {
                Ok(ip) => Endpoint::Address { ip, port },
                Err(_) => Endpoint::Name {
                    host: name.to_owned(),
                    port,
                },
            };
            let mut record = SslBinding {
                endpoint,
                thumbprint: Some(self.certificates[certificate].thumbprint()),
                store: Some("WebHosting".into()),
                app_id: IIS_APP_ID.into(),
                check_mode: 1,
                freshness: 2,
                url_timeout: 3,
                ctl_identifier: None,
                ctl_store: Some("ClientAuthIssuer".into()),
                flags: 0x442,
            };
            change(&mut record);
            self.server.put_record(record);
        }

        fn plan(&self, wish: impl Fn(&mut Succession<'_>)) -> Result<Vec<PlannedBinding>> {
            self.plan_with(&[], wish)
        }

        fn plan_with(
            &self,
            replace_newer: &[String],
            wish: impl Fn(&mut Succession<'_>),
        ) -> Result<Vec<PlannedBinding>> {
            let (map, here) = (
                SiteMap::of(self.server.iis())?,
                look_at_all(self.server.iis())?,
            );
            let mut order = Order::of(&here, TODAY.parse().unwrap());
            order.agree_to(&here, replace_newer)?;
            let mut succession = Succession {
                map: &map,
                order: &order,
                leaf: self.leaf(),
                store: StoreName::WebHosting,
                sites: &[],
                address: None,
                sni: false,
            };
            wish(&mut succession);
            plan(&succession)
        }

        fn carry_out(&self, state: &std::path::Path) -> Result<()> {
            let plan = Plan {
                bindings: self.plan(|_| ())?,
                ..Plan::default()
            };
            apply(
                self.server.iis(),
                &plan,
                &mut journal(state)?,
                &running(&|| false),
            )
            .map(|_| ())
        }

        /// Thumbprints by endpoint: the number of the certificate.
        fn served(&self) -> Vec<(String, Option<usize>)> {
            let number = |record: &SslBinding| {
                self.certificates
                    .iter()
                    .position(|one| Some(one.thumbprint()) == record.thumbprint)
            };
            let records = self.server.iis().http.records().unwrap();
            records
                .iter()
                .map(|record| (record.endpoint.to_string(), number(record)))
                .collect()
        }
    }

    fn site(name: &str, bindings: &[(&str, &str, u32)]) -> Site {
        let binding = |(protocol, information, ssl_flags): &(&str, &str, u32)| Binding {
            protocol: (*protocol).to_owned(),
            information: (*information).to_owned(),
            ssl_flags: *ssl_flags,
        };
        Site {
            name: name.to_owned(),
            bindings: bindings.iter().map(binding).collect(),
            ..Site::default()
        }
    }

    /// Four uses of the predecessor (two sites share a record, one is FTP), one of another
    /// certificate.
    fn lived_in() -> Here {
        let here = Here::new(&[
            &["www.example.com"],
            &["other.example.com"],
            &["www.example.com", "shop.example.com"],
        ]);
        let old = FtpCertificate {
            thumbprint: here.certificates[0].thumbprint(),
            store: "WebHosting".into(),
        };
        here.server.install(
            SERVER_2022,
            vec![
                site(
                    "By name",
                    &[("http", "*:80:", 0), ("https", "*:443:www.example.com", 97)],
                ),
                site("By address", &[("https", "192.0.2.1:443:", 0)]),
                site(
                    "Shared",
                    &[
                        ("https", "192.0.2.1:443:a.example.com", 0),
                        ("https", "*:8443:", 0),
                    ],
                ),
                Site {
                    ftp: Some(old),
                    ..site("Files", &[("ftp", "*:21:", 0)])
                },
                site(
                    "Plain",
                    &[
                        ("http", "*:80:shop.example.com", 0),
                        ("http", "*:80:foreign.example.net", 0),
                    ],
                ),
            ],
        );
        here.serve("www.example.com:443", 0, |_| ());
        here.serve("192.0.2.1:443", 0, |_| ());
        here.serve("0.0.0.0:8443", 1, |_| ());
        here
    }

    fn fates(bound: &[PlannedBinding]) -> Vec<(&str, &str)> {
        let fate = |bound: &PlannedBinding| match &bound.fate {
            BindingAction::AsItShouldBe => "keep",
            BindingAction::Cannot(text) | BindingAction::Conflict(text) => text.id,
            BindingAction::Held { lower, .. } => lower.id(),
            BindingAction::Change { lower: Some(_), .. } => "replace all the same",
            BindingAction::Change {
                replaces: Some(_), ..
            } => "replace",
            BindingAction::Change { replaces: None, .. } => "add",
        };
        bound
            .iter()
            .map(|bound| (bound.site.as_str(), fate(bound)))
            .collect()
    }

    #[test]
    fn every_use_of_the_predecessor_is_edited_and_nothing_else() {
        let (here, state) = (lived_in(), state_folder());
        let plan = here.plan(|_| ()).unwrap();
        let expected = ["By name", "By address", "Shared", "Files"].map(|site| (site, "replace"));
        assert_eq!(fates(&plan), expected);
        assert_eq!(
            plan.iter().flat_map(PlannedBinding::edits).count(),
            3,
            "two bindings share a record"
        );
        let before = here.server.world();
        here.carry_out(state.path()).unwrap();
        let served = here.served();
        assert!(
            served.contains(&("www.example.com:443".into(), Some(2))),
            "{served:?}"
        );
        assert!(
            served.contains(&("192.0.2.1:443".into(), Some(2)))
                && served.contains(&("0.0.0.0:8443".into(), Some(1)))
        );
        let records = here.server.iis().http.records().unwrap();
        assert!(
            records.iter().all(
                |record| (record.flags, record.check_mode, record.url_timeout) == (0x442, 1, 3)
            )
        );
        assert!(
            here.plan(|_| ())
                .unwrap()
                .iter()
                .all(|bound| bound.fate == BindingAction::AsItShouldBe),
            "a second run"
        );
        undo(here.server.iis(), &mut journal(state.path()).unwrap()).unwrap();
        assert_eq!(here.server.world(), before);
    }

    #[test]
    fn a_fault_at_any_call_leaves_every_binding_with_the_predecessor() {
        let here = lived_in();
        // Of those, the looks at keys may fail without harm.
        let looking = here.server.calls_of(|| _ = here.plan(|_| ()).unwrap());
        for fault in CallFault::ALL {
            for call in 0.. {
                let (here, state) = (lived_in(), state_folder());
                let before = here.server.world();
                here.server.arm(call, fault);
                let outcome = catch_unwind(AssertUnwindSafe(|| here.carry_out(state.path())));
                if !here.server.disarm() {
                    assert!(call > looking, "the fault went through all of {call} calls");
                    break;
                }
                match outcome {
                    // A look at a key that did not open.
                    Ok(Ok(())) => assert!(call < looking, "{fault:?} at {call}"),
                    outcome => {
                        assert!(outcome.is_ok() || outcome.is_err_and(|died| died.is::<Died>()));
                        rollback::finish(here.server.iis(), &mut journal(state.path()).unwrap())
                            .unwrap();
                        assert_eq!(here.server.world(), before, "{fault:?} at {call}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_certificate_that_has_more_names_than_the_new_one_stays() {
        let here = Here::new(&[
            &["www.example.com", "shop.example.com"],
            &["www.example.com"],
        ]);
        here.server
            .install(SERVER_2022, vec![site("Shop", &[("https", "*:443:", 0)])]);
        here.serve("0.0.0.0:443", 0, |_| ());
        let plan = here.plan(|_| ()).unwrap();
        assert_eq!(fates(&plan), [("Shop", "cannot-names-missing")]);
        let named = here
            .plan(|wish| wish.sites = std::slice::from_ref(leak("Shop")))
            .unwrap();
        assert_eq!(
            fates(&named),
            [("Shop", "replace")],
            "unless the site is named"
        );
    }

    #[test]
    fn an_answer_of_another_year_replaces_nothing_newer() {
        let names: [&[&str]; 2] = [&["www.example.com"], &["www.example.com"]];
        let here = Here::at_times(&names, &["2026-11-25T00:00:00Z", "2025-11-25T00:00:00Z"]);
        here.server
            .install(SERVER_2022, vec![site("Shop", &[("https", "*:443:", 0)])]);
        here.serve("0.0.0.0:443", 0, |_| ());
        assert_eq!(fates(&here.plan(|_| ()).unwrap()), [("Shop", "older")]);
        let site = here
            .plan(|wish| wish.sites = std::slice::from_ref(leak("Shop")))
            .unwrap();
        assert_eq!(
            fates(&site),
            [("Shop", "older")],
            "naming the site is not naming what it serves"
        );
        let named = here
            .plan_with(&["www.example.com".to_owned()], |_| ())
            .unwrap();
        assert_eq!(fates(&named), [("Shop", "replace all the same")]);
        let unknown = here
            .plan_with(&["www.example.net".to_owned()], |_| ())
            .unwrap_err();
        assert_eq!(
            (unknown.exit, unknown.text.id),
            (crate::error::Exit::Usage, "error-replaces-nothing")
        );
    }

    #[test]
    fn an_answer_that_has_ended_replaces_nothing_valid_by_ftp_neither() {
        let names: [&[&str]; 2] = [&["www.example.com"], &["www.example.com"]];
        let here = Here::at_times(&names, &["2026-01-01T00:00:00Z", "2025-01-01T00:00:00Z"]);
        let ftp = FtpCertificate {
            thumbprint: here.certificates[0].thumbprint(),
            store: "WebHosting".into(),
        };
        let files = Site {
            ftp: Some(ftp),
            ..site("Files", &[("ftp", "*:21:", 0)])
        };
        here.server.install(
            SERVER_2022,
            vec![
                site("Shop", &[("https", "*:443:www.example.com", 1)]),
                files,
            ],
        );
        here.serve("www.example.com:443", 0, |_| ());
        assert_eq!(
            fates(&here.plan(|_| ()).unwrap()),
            [("Shop", "expired"), ("Files", "expired")]
        );
    }

    #[test]
    fn five_hundred_sites_with_eight_hundred_key_pairs_are_planned_at_once() {
        let hosts: Vec<String> = (0..800)
            .map(|at| format!("www{at}.example.com"))
            .chain(["www7.example.com".into()])
            .collect();
        let names: Vec<[&str; 1]> = hosts.iter().map(|host| [host.as_str()]).collect();
        let here = Here::new(&names.iter().map(<[&str; 1]>::as_slice).collect::<Vec<_>>());
        let bindings: Vec<_> = hosts.iter().map(|host| format!("*:443:{host}")).collect();
        let sites = bindings
            .iter()
            .take(500)
            .map(|binding| site(binding, &[("https", binding, SNI)]));
        here.server.install(SERVER_2022, sites.collect());
        (0..500).for_each(|at| here.serve(&format!("{}:443", hosts[at]), at, |_| ()));
        let calls = here.server.calls_of(|| {
            assert_eq!(
                fates(&here.plan(|_| ()).unwrap()),
                [("*:443:www7.example.com", "replace")]
            );
        });
        assert!(
            calls <= 2 * names.len() + 500,
            "nothing is looked at again for each site: {calls} calls"
        );
    }

    fn leak(name: &str) -> &'static String {
        Box::leak(Box::new(name.to_owned()))
    }

    #[test]
    fn a_binding_is_added_where_a_named_site_has_none() {
        let here = lived_in();
        let sites = ["plain".to_owned()];
        let added = |wish: fn(&mut Succession<'_>)| {
            let plan = here.plan(|succession| {
                succession.sites = leak_all(&sites);
                wish(succession);
            });
            let plan: Vec<_> = plan
                .unwrap()
                .into_iter()
                .filter(|bound| bound.site == "Plain")
                .collect();
            let bindings = plan
                .iter()
                .map(|bound| bound.binding.clone())
                .collect::<Vec<_>>()
                .join(", ");
            (
                bindings,
                fates(&plan)
                    .iter()
                    .map(|(_, fate)| *fate)
                    .collect::<Vec<_>>()
                    .join(", "),
            )
        };
        let says = |bindings: &str, fates: &str| (bindings.to_owned(), fates.to_owned());
        assert_eq!(added(|_| ()), says("https *:443:", "add"));
        assert_eq!(
            added(|wish| wish.sni = true),
            says("https *:443:shop.example.com", "add"),
            "no foreign host name"
        );
        let at = |wish: &mut Succession<'_>| wish.address = Some("192.0.2.7".parse().unwrap());
        assert_eq!(
            added(at),
            says("https 192.0.2.7:443:", "cannot-address-not-here")
        );
        here.server.set_addresses(&["192.0.2.7", "192.0.2.1"]);
        assert_eq!(added(at), says("https 192.0.2.7:443:", "add"));
        let taken = |wish: &mut Succession<'_>| wish.address = Some("192.0.2.1".parse().unwrap());
        assert_eq!(
            added(taken),
            says("https 192.0.2.1:443:", "conflict-other-site")
        );
        here.serve("0.0.0.0:443", 1, |_| ());
        assert_eq!(
            added(|_| ()),
            says("https *:443:", "conflict-endpoint-taken")
        );
        let unknown = here
            .plan(|wish| wish.sites = std::slice::from_ref(leak("Nowhere")))
            .unwrap_err();
        assert_eq!(unknown.text.id, "error-no-site");
    }

    fn leak_all(names: &[String; 1]) -> &'static [String] {
        std::slice::from_ref(leak(&names[0]))
    }

    #[test]
    fn a_placeholder_gives_way_where_its_site_is_named_and_records_of_others_never_do() {
        let here = Here::new(&[&["localhost"], &["www.example.com"], &["www.example.com"]]);
        let bindings = [
            ("https", "*:443:", 0),
            ("https", "*:443:elsewhere.example.net", 1),
            ("https", "*:444:", 2),
        ];
        here.server
            .install(SERVER_2022, vec![site("Shop", &bindings)]);
        here.serve("0.0.0.0:443", 0, |_| ());
        here.serve("elsewhere.example.net:443", 0, |_| ());
        here.serve("0.0.0.0:5986", 1, |record| {
            record.app_id = "{AFEBB9AD-9B97-4A91-9AB5-DAF4D59122F6}".into()
        });
        let foreign = ("HTTP.sys", "conflict-other-owner");
        assert_eq!(fates(&here.plan(|_| ()).unwrap()), [foreign]);
        let plan = here
            .plan(|wish| wish.sites = std::slice::from_ref(leak("Shop")))
            .unwrap();
        assert_eq!(fates(&plan), [("Shop", "replace"), foreign]);
    }

    #[test]
    fn a_shared_record_is_edited_once_and_a_shared_configuration_not_at_all() {
        let here = lived_in();
        let map = SiteMap {
            shared: Some(r"\\files\iis".into()),
            ..SiteMap::of(here.server.iis()).unwrap()
        };
        let seen = look_at_all(here.server.iis()).unwrap();
        let order = Order::of(&seen, TODAY.parse().unwrap());
        let plan = plan(&Succession {
            map: &map,
            order: &order,
            leaf: here.leaf(),
            store: StoreName::My,
            sites: std::slice::from_ref(leak("Plain")),
            address: None,
            sni: true,
        });
        let plan = plan.unwrap();
        assert!(
            plan.iter()
                .flat_map(PlannedBinding::edits)
                .all(|edit| !edit.is_config())
        );
        assert!(
            fates(&plan).contains(&("Files", "cannot-shared"))
                && fates(&plan).contains(&("Plain", "cannot-shared"))
        );
    }
}
