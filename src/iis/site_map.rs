//! What a server serves: its sites with their bindings, the records of http.sys, and what one must
//! know of it to bring them to another server. A plain value, kept in the catalog of a backup.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::path::Path;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use vault::catalog::Catalog;

use super::Iis;
use super::OnWindows;
use super::binding::record_flags;
use super::config::{self, Config, Installed};
use super::others::OtherUse;
use super::sites::{Binding, Endpoint, FtpCertificate, Settings, Site, SslBinding};
use crate::error::Result;
use crate::keypair::Certificate;

/// What a server serves.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SiteMap {
    /// The build of Windows, such as 20348; 0 where it is not known.
    #[serde(default)]
    pub windows_build: u32,
    /// Its addresses.
    #[serde(default)]
    pub addresses: Vec<IpAddr>,
    /// Its sites.
    #[serde(default)]
    pub sites: Vec<Site>,
    /// The certificate of FTP sites that have none of their own.
    #[serde(default)]
    pub ftp_defaults: Option<FtpCertificate>,
    /// Paths with settings of their own, which are not kept here.
    #[serde(default)]
    pub locations: Vec<String>,
    /// Where its configuration lies, if it shares one with other servers.
    #[serde(default)]
    pub shared: Option<String>,
    /// The records of http.sys, those of other programs for information.
    #[serde(default)]
    pub records: Vec<SslBinding>,
    /// Settings that a restore does not make.
    #[serde(default)]
    pub settings: Settings,
}

impl SiteMap {
    /// Reads what this server serves.
    ///
    /// # Errors
    /// When its configuration, the records or its addresses cannot be read.
    pub fn of(server: Iis<'_>) -> Result<Self> {
        let installed = match server.sites.folder() {
            Some(folder) => config::read_folder(&folder)?,
            None => Installed {
                config: Config::default(),
                shared: None,
            },
        };
        let records = server.http.records()?.into_iter();
        let records = records.map(|record| SslBinding {
            endpoint: record.endpoint.in_lower_case(),
            ..record
        });
        Ok(Self {
            windows_build: server.sites.windows_build(),
            addresses: server.sites.addresses()?,
            shared: installed.shared.map(|path| path.display().to_string()),
            records: records.collect(),
            settings: server.sites.settings(),
            ..Self::from(installed.config)
        })
    }

    /// What is known although the configuration of IIS cannot be read.
    pub fn without_sites(server: Iis<'_>) -> Self {
        Self {
            records: server.http.records().unwrap_or_default(),
            settings: server.sites.settings(),
            ..Self::default()
        }
    }

    /// Reads the sites of another machine, whose applicationHost.config was copied here. It has no
    /// records: http.sys keeps them elsewhere.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn of_file(path: &Path) -> Result<Self> {
        config::read_file(path).map(Self::from)
    }

    /// Whether there is nothing in it: no site, no record of anybody, no other use of a certificate.
    pub fn is_empty(&self) -> bool {
        let Settings {
            others,
            silent,
            renewers,
            ..
        } = &self.settings;
        self.sites.is_empty()
            && self.records.is_empty()
            && others.is_empty()
            && silent.is_empty()
            && renewers.is_empty()
    }

    /// The certificates that IIS uses, by thumbprint: those of its bindings, whoever made the
    /// record, of FTP, and of its own records.
    pub fn used(&self) -> BTreeSet<String> {
        let bindings = self
            .sites
            .iter()
            .flat_map(|site| &site.bindings)
            .filter_map(|binding| self.serving(binding));
        let records = bindings.chain(self.records.iter().filter(|record| record.is_of_iis()));
        let records = records.filter_map(|record| record.thumbprint.clone());
        let ftp = self
            .sites
            .iter()
            .filter_map(|site| site.ftp_in_use(self.ftp_defaults.as_ref()));
        records
            .chain(ftp.map(|ftp| ftp.thumbprint.clone()))
            .collect()
    }

    /// The certificates that anything on the server uses, as far as it says so.
    pub fn used_by_anybody(&self) -> BTreeSet<String> {
        let mut used = self.used();
        used.extend(self.other_uses().into_iter().map(|other| other.thumbprint));
        used
    }

    /// What else than IIS uses certificates: other programs' records of http.sys, and what else the
    /// server says. A program that has both is named by its record.
    pub fn other_uses(&self) -> Vec<OtherUse> {
        let foreign = self.records.iter().filter(|record| !record.is_of_iis());
        let foreign = foreign.filter_map(|record| {
            let place = Some(record.endpoint.to_string());
            let thumbprint = record.thumbprint.clone()?;
            Some(OtherUse::new(record.owner(), place, thumbprint))
        });
        let mut uses: Vec<_> = foreign.collect();
        let by_record = uses.len();
        for other in &self.settings.others {
            let is_same = |known: &OtherUse| {
                known.program == other.program && known.thumbprint == other.thumbprint
            };
            if !uses[..by_record].iter().any(is_same) {
                uses.push(other.clone());
            }
        }
        uses
    }

    /// Who uses a certificate, for people: sites with their bindings, else the records of http.sys;
    /// and what else than IIS does.
    pub fn users_of(&self, thumbprint: &str) -> Vec<String> {
        let site = |(site, binding): (&Site, Option<&Binding>)| {
            let binding = binding.map_or_else(|| "ftp".to_owned(), Binding::to_string);
            format!("{} ({binding})", site.name)
        };
        let mut users: Vec<_> = self.uses(thumbprint).map(site).collect();
        if users.is_empty() {
            let own = self.records.iter().filter(|record| {
                record.is_of_iis() && record.thumbprint.as_deref() == Some(thumbprint)
            });
            users.extend(own.map(|record| format!("HTTP.sys {}", record.endpoint)));
        }
        let others = self.other_uses().into_iter();
        let others = others.filter(|other| other.thumbprint == thumbprint);
        users.extend(others.map(|other| other.shown()));
        users
    }

    /// What a catalog has of it; `None` where a later pfxvault describes it in another way, which must
    /// not keep key pairs from being restored.
    pub fn of_catalog(catalog: &Catalog) -> Option<Self> {
        Self::deserialize(catalog.site_map.as_ref()?).ok()
    }

    /// As a catalog has it.
    pub fn to_value(&self) -> Option<Value> {
        serde_json::to_value(self).ok()
    }

    /// What a later backup compares itself with: the map as JSON, as the catalog has it. Addresses
    /// come and go by themselves and are left out.
    pub fn digest_line(&self) -> String {
        let lasting = Self {
            addresses: Vec::new(),
            ..self.clone()
        };
        serde_json::to_string(&lasting).unwrap_or_default()
    }

    /// The record of exactly this endpoint.
    pub fn record(&self, endpoint: &Endpoint) -> Option<&SslBinding> {
        self.records
            .iter()
            .find(|record| record.endpoint == *endpoint)
    }

    /// The record that answers for a TLS binding: its own, else whichever http.sys finds next.
    pub fn serving(&self, binding: &Binding) -> Option<&SslBinding> {
        Self::answering(binding, |endpoint| self.record(endpoint))
    }

    /// The first of the records that may answer for a TLS binding, in the order in which http.sys
    /// looks for them.
    fn answering<'a>(
        binding: &Binding,
        record: impl Fn(&Endpoint) -> Option<&'a SslBinding>,
    ) -> Option<&'a SslBinding> {
        let endpoint = binding.endpoint()?;
        let port = endpoint.port();
        let all = |ip: &str| ip.parse().ok().map(|ip| Endpoint::Address { ip, port });
        let domain = match &endpoint {
            Endpoint::Name { host, .. } => host
                .split_once('.')
                .map(|(_, domain)| format!("*.{domain}")),
            _ => None,
        };
        let address = binding
            .parts()
            .and_then(|parts| parts.ip)
            .map(|ip| Endpoint::Address { ip, port });
        let next = [
            Some(endpoint),
            domain.map(|host| Endpoint::Name { host, port }),
            address,
            all("0.0.0.0"),
            all("::"),
            Some(Endpoint::Central { port }),
        ];
        next.into_iter()
            .flatten()
            .find_map(|endpoint| record(&endpoint))
    }

    /// The hosts of the TLS bindings that each record answers for; empty for a binding without one.
    pub fn hosts_by_record(&self) -> HashMap<&Endpoint, Vec<String>> {
        let records: HashMap<_, _> = self
            .records
            .iter()
            .map(|record| (&record.endpoint, record))
            .collect();
        let mut hosts: HashMap<_, Vec<_>> = HashMap::new();
        for binding in self
            .sites
            .iter()
            .flat_map(|site| &site.bindings)
            .filter(|binding| binding.is_https())
        {
            if let Some(record) =
                Self::answering(binding, |endpoint| records.get(endpoint).copied())
            {
                hosts
                    .entry(&record.endpoint)
                    .or_default()
                    .push(binding.host());
            }
        }
        hosts
    }

    /// Gives bindings the certificates that name their hosts, for a configuration without its
    /// records; says how many got one. Of several certificates the one that stands highest.
    /// `certificates` come with what a store kept beside them. Bindings of the Central Certificate
    /// Store get its record.
    pub fn assign_by_name(
        &mut self,
        certificates: &[(&Certificate, Option<&OnWindows>)],
        now: Timestamp,
    ) -> usize {
        let bindings: Vec<_> = self
            .sites
            .iter()
            .flat_map(|site| &site.bindings)
            .cloned()
            .collect();
        let mut assigned = 0;
        for binding in bindings {
            let Some(endpoint) = binding
                .endpoint()
                .filter(|endpoint| self.record(endpoint).is_none())
            else {
                continue;
            };
            if matches!(endpoint, Endpoint::Central { .. }) {
                self.records.push(SslBinding {
                    thumbprint: None,
                    ..SslBinding::new(endpoint, String::new())
                });
                continue;
            }
            let host = binding.host();
            let fitting = certificates
                .iter()
                .filter(|(certificate, _)| certificate.covers(&host));
            if let Some((certificate, windows)) =
                fitting.max_by_key(|(certificate, _)| certificate.rank(&host, now))
            {
                self.records.push(SslBinding {
                    store: windows.map(|windows| windows.store.clone()),
                    flags: record_flags(binding.ssl_flags),
                    ..SslBinding::new(endpoint, certificate.thumbprint())
                });
                assigned += 1;
            }
        }
        assigned
    }

    /// Every use of a certificate by IIS: TLS bindings with their sites, FTP sites without a
    /// binding.
    pub fn uses<'a>(
        &'a self,
        thumbprint: &'a str,
    ) -> impl Iterator<Item = (&'a Site, Option<&'a Binding>)> {
        let is = move |other: &str| other.eq_ignore_ascii_case(thumbprint);
        self.sites.iter().flat_map(move |site| {
            let serves = move |binding: &&Binding| {
                self.serving(binding)
                    .and_then(|record| record.thumbprint.as_deref())
                    .is_some_and(is)
            };
            let ftp = site
                .ftp_in_use(self.ftp_defaults.as_ref())
                .filter(|ftp| is(&ftp.thumbprint));
            let bindings = site
                .bindings
                .iter()
                .filter(serves)
                .map(move |binding| (site, Some(binding)));
            bindings.chain(ftp.map(|_| (site, None)))
        })
    }
}

impl From<Config> for SiteMap {
    fn from(config: Config) -> Self {
        let Config {
            sites,
            ftp_defaults,
            locations,
        } = config;
        Self {
            sites,
            ftp_defaults,
            locations,
            ..Self::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keypair::throwaway::{Authority, KeyKind};

    fn record(endpoint: Endpoint, thumbprint: &str) -> SslBinding {
        SslBinding::new(endpoint, thumbprint.into())
    }

    fn name(host: &str) -> Endpoint {
        Endpoint::Name {
            host: host.into(),
            port: 443,
        }
    }

    fn address(ip: &str) -> Endpoint {
        Endpoint::Address {
            ip: ip.parse().unwrap(),
            port: 443,
        }
    }

    fn https(information: &str, ssl_flags: u32) -> Binding {
        Binding {
            protocol: "https".into(),
            information: information.into(),
            ssl_flags,
        }
    }

    #[test]
    fn a_binding_without_a_record_of_its_own_is_served_by_the_next_that_fits() {
        let mut map = SiteMap {
            records: vec![
                record(name("shop.example.com"), "A"),
                record(name("*.example.com"), "B"),
                record(address("192.0.2.1"), "C"),
                record(address("0.0.0.0"), "D"),
            ],
            ..SiteMap::default()
        };
        let serves = |map: &SiteMap, information, flags| {
            map.serving(&https(information, flags))
                .and_then(|record| record.thumbprint.clone())
                .unwrap_or_default()
        };
        assert_eq!(serves(&map, "*:443:Shop.example.com", 1), "A");
        assert_eq!(serves(&map, "*:443:other.example.com", 1), "B");
        assert_eq!(serves(&map, "192.0.2.1:443:example.net", 1), "C");
        assert_eq!(serves(&map, "*:443:example.net", 1), "D");
        assert_eq!(serves(&map, "192.0.2.1:443:", 0), "C");
        assert_eq!(serves(&map, "192.0.2.2:443:", 0), "D");
        assert_eq!(serves(&map, "*:8443:", 0), "");
        map.records.truncate(1);
        assert_eq!(serves(&map, "*:443:example.net", 1), "");
    }

    #[test]
    fn every_use_of_a_certificate_is_found_those_by_ftp_too() {
        let ftp = |thumbprint: &str| {
            Some(FtpCertificate {
                thumbprint: thumbprint.into(),
                store: "MY".into(),
            })
        };
        let site = |name: &str, bindings| Site {
            name: name.into(),
            bindings,
            ..Site::default()
        };
        let files = Binding {
            protocol: "ftp".into(),
            information: "*:21:".into(),
            ssl_flags: 0,
        };
        let map = SiteMap {
            sites: vec![
                site(
                    "a",
                    vec![
                        https("*:443:a.example.com", 1),
                        https("*:443:b.example.com", 1),
                    ],
                ),
                site("b", vec![https("192.0.2.1:443:", 0)]),
                site("c", vec![files.clone()]),
                Site {
                    ftp: ftp("BB"),
                    ..site("d", vec![files])
                },
                Site {
                    ftp: ftp("AA"),
                    ..site("e", Vec::new())
                },
            ],
            ftp_defaults: ftp("AA"),
            records: vec![
                record(name("a.example.com"), "AA"),
                record(address("0.0.0.0"), "AA"),
            ],
            ..SiteMap::default()
        };
        let uses = |thumbprint| {
            let line = |(site, binding): (&Site, Option<&Binding>)| {
                format!(
                    "{} {}",
                    site.name,
                    binding.map_or("ftp", |binding| &binding.information)
                )
            };
            map.uses(thumbprint).map(line).collect::<Vec<_>>()
        };
        assert_eq!(
            uses("aa"),
            [
                "a *:443:a.example.com",
                "a *:443:b.example.com",
                "b 192.0.2.1:443:",
                "c ftp"
            ]
        );
        assert_eq!(uses("BB"), ["d ftp"]);
    }

    #[test]
    fn a_configuration_without_records_gets_certificates_by_host_name() {
        let now = Timestamp::now();
        let authority = Authority::new("Test", now).unwrap();
        let issue = |names: &[&str]| authority.issue(names, KeyKind::P256, now).unwrap();
        let pairs = [
            issue(&["shop.example.com"]),
            issue(&["*.example.net"]),
            issue(&["xn--bcher-kva.example"]),
        ];
        let certificates = pairs.each_ref().map(|pair| (pair.leaf(), None));
        let bindings = vec![
            https("*:443:Shop.example.com", 97),
            https("*:443:a.example.net", 1),
            https("*:443:", 0),
            https("*:443:x.y", 1),
            https("*:443:Bücher.example", 1),
            https("*:444:shop.example.com", 3),
        ];
        let mut map = SiteMap {
            sites: vec![Site {
                bindings,
                ..Site::default()
            }],
            ..SiteMap::default()
        };
        assert_eq!(map.assign_by_name(&certificates, now), 3);
        assert_eq!(map.record(&name("shop.example.com")).unwrap().flags, 0x440);
        let wildcard = pairs[1].leaf().thumbprint();
        assert_eq!(
            map.record(&name("a.example.net")).unwrap().thumbprint,
            Some(wildcard)
        );
        let books = pairs[2].leaf().thumbprint();
        assert_eq!(
            map.record(&name("bücher.example")).unwrap().thumbprint,
            Some(books)
        );
        assert_eq!(
            map.record(&Endpoint::Central { port: 444 })
                .unwrap()
                .thumbprint,
            None
        );
        assert_eq!(map.assign_by_name(&certificates, now), 0);
    }
}
