//! Which site and which address of this server stand for those of a backup. Names and host names
//! decide, never the numbers of sites; what they leave open is asked, and the answers can be kept
//! in a file for the real night.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::error::{Error, Result};
use crate::iis::{Site, SiteMap};
use crate::keypair::ascii_host;
use crate::text;

/// Answers given before, by what they are about. `None` leaves it out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mapping {
    /// Sites, by their names.
    pub sites: BTreeMap<String, Option<String>>,
    /// Addresses.
    pub addresses: BTreeMap<IpAddr, Option<IpAddr>>,
}

/// The site here that stands for one of a backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SiteHere<'a> {
    /// This one.
    Is(&'a Site),
    /// One of these, the likeliest first; none if nothing here resembles it.
    Unclear(Vec<&'a Site>),
    /// The answer was that it is left out.
    LeftOut,
}

/// The address here that stands for one of a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressHere {
    /// This one.
    Is(IpAddr),
    /// This server does not have it.
    Unclear,
    /// The answer was that it is left out.
    LeftOut,
}

/// The sites of this server by name and by host name.
pub struct SitesHere<'a> {
    by_name: BTreeMap<String, &'a Site>,
    by_host: BTreeMap<String, Vec<&'a Site>>,
}

impl<'a> SitesHere<'a> {
    /// An index of the sites of this server.
    pub fn new(here: &'a SiteMap) -> Self {
        let by_name = here
            .sites
            .iter()
            .map(|site| (site.name.to_lowercase(), site))
            .collect();
        let mut by_host: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for site in &here.sites {
            for host in hosts(site) {
                let sites: &mut Vec<&Site> = by_host.entry(host).or_default();
                if !is_among(site, sites) {
                    sites.push(site);
                }
            }
        }
        Self { by_name, by_host }
    }

    /// The site here that stands for `site`: the one that was named; else the one that has one of
    /// its host names; else the one of the same name.
    pub fn find(&self, site: &Site, mapping: &Mapping) -> SiteHere<'a> {
        let named = |name: &str| self.by_name.get(&name.to_lowercase()).copied();
        match mapping.sites.get(&site.name) {
            Some(None) => return SiteHere::LeftOut,
            Some(Some(name)) => {
                return named(name).map_or(SiteHere::Unclear(Vec::new()), SiteHere::Is);
            }
            None => {}
        }
        let mut candidates = self.of_hosts(site);
        match (named(&site.name), candidates.as_slice()) {
            (None, [only]) => SiteHere::Is(only),
            (None, _) => SiteHere::Unclear(candidates),
            (Some(same), []) => SiteHere::Is(same),
            (Some(same), _) if is_among(same, &candidates) => SiteHere::Is(same),
            (Some(same), _) => {
                candidates.push(same);
                SiteHere::Unclear(candidates)
            }
        }
    }

    /// The sites here that have a host name of `site`, each once.
    fn of_hosts(&self, site: &Site) -> Vec<&'a Site> {
        let mut found = Vec::new();
        for host in hosts(site) {
            for one in self.by_host.get(&host).into_iter().flatten() {
                if !is_among(one, &found) {
                    found.push(*one);
                }
            }
        }
        found
    }
}

/// Whether it is one of them itself, and not one that looks the same.
fn is_among(site: &Site, sites: &[&Site]) -> bool {
    sites.iter().any(|one| std::ptr::eq(*one, site))
}

fn hosts(site: &Site) -> Vec<String> {
    let hosts = site
        .bindings
        .iter()
        .filter_map(|binding| Some(ascii_host(&binding.parts()?.host).into_owned()));
    hosts.filter(|host| !host.is_empty()).collect()
}

impl Mapping {
    /// The address here that stands for `ip`. Where the addresses of this server are not known, it
    /// is the same.
    pub fn address(&self, ip: IpAddr, here: &SiteMap) -> AddressHere {
        match self.addresses.get(&ip) {
            Some(Some(answer)) => AddressHere::Is(*answer),
            Some(None) => AddressHere::LeftOut,
            None if ip.is_unspecified() || ip.is_loopback() => AddressHere::Is(ip),
            None if here.addresses.is_empty() || here.addresses.contains(&ip) => {
                AddressHere::Is(ip)
            }
            None => AddressHere::Unclear,
        }
    }

    /// Takes an answer as `--map-site` has it: `OLD=NEW`. Names of sites hold no equals sign.
    /// Nothing after it leaves the site out.
    ///
    /// # Errors
    /// Usage errors only.
    pub fn map_site(&mut self, text: &str) -> Result<()> {
        let (old, new) = halves(text)?;
        self.sites
            .insert(old.to_owned(), (!new.is_empty()).then(|| new.to_owned()));
        Ok(())
    }

    /// Takes an answer as `--map-ip` has it: `OLD=NEW`.
    ///
    /// # Errors
    /// Usage errors only.
    pub fn map_address(&mut self, text: &str) -> Result<()> {
        let (old, new) = halves(text)?;
        let parse = |ip: &str| ip.parse::<IpAddr>().map_err(|_| bad(text));
        let new = if new.is_empty() {
            None
        } else {
            Some(parse(new)?)
        };
        self.addresses.insert(parse(old)?, new);
        Ok(())
    }

    /// Parses a file of answers: a line for each, `site OLD=NEW` or `ip OLD=NEW`; `#` begins a
    /// remark.
    ///
    /// # Errors
    /// A line that is neither.
    pub fn parse(text: &str) -> Result<Self> {
        let mut mapping = Self::default();
        let lines = text.trim_start_matches('\u{feff}').lines().map(str::trim);
        for line in lines.filter(|line| !line.is_empty() && !line.starts_with('#')) {
            match line.split_once(' ') {
                Some(("site", answer)) => mapping.map_site(answer)?,
                Some(("ip", answer)) => mapping.map_address(answer)?,
                _ => return Err(bad(line)),
            }
        }
        Ok(mapping)
    }

    /// The file of answers.
    pub fn to_text(&self) -> String {
        let sites = self
            .sites
            .iter()
            .map(|(old, new)| format!("site {old}={}\n", new.as_deref().unwrap_or_default()));
        let address = |ip: &Option<IpAddr>| ip.map_or_else(String::new, |ip| ip.to_string());
        let addresses = self
            .addresses
            .iter()
            .map(|(old, new)| format!("ip {old}={}\n", address(new)));
        sites.chain(addresses).collect()
    }
}

fn halves(text: &str) -> Result<(&str, &str)> {
    let (old, new) = text.split_once('=').ok_or_else(|| bad(text))?;
    let (old, new) = (old.trim(), new.trim());
    if old.is_empty() {
        Err(bad(text))
    } else {
        Ok((old, new))
    }
}

fn bad(text: &str) -> Error {
    Error::usage(text!("error-bad-mapping", text = text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::iis::Binding;

    fn site(id: u32, name: &str, hosts: &[&str]) -> Site {
        let binding = |host: &&str| Binding {
            protocol: "https".into(),
            information: format!("*:443:{host}"),
            ssl_flags: u32::from(!host.is_empty()),
        };
        Site {
            id,
            name: name.into(),
            bindings: hosts.iter().map(binding).collect(),
            ..Site::default()
        }
    }

    #[test]
    fn a_site_is_found_by_name_and_host_name_and_never_by_its_number() {
        let here = SiteMap {
            sites: vec![
                site(1, "Shop", &["shop.example.com"]),
                site(2, "New intranet", &["INTRA.example.com"]),
                site(3, "Mail", &["post.example.com"]),
                site(4, "Post", &["mail.example.com"]),
                site(5, "Default Web Site", &[""]),
                site(6, "A", &["both.example.com"]),
                site(7, "B", &["both.example.com"]),
            ],
            ..SiteMap::default()
        };
        let sites = SitesHere::new(&here);
        for (wanted, expected) in [
            (site(9, "shop", &["shop.example.com"]), "is Shop"),
            (
                site(1, "Intranet", &["intra.example.com", "old.example.com"]),
                "is New intranet",
            ),
            (site(9, "DEFAULT WEB SITE", &[""]), "is Default Web Site"),
            (site(9, "B", &["both.example.com"]), "is B"),
            (site(9, "C", &["both.example.com"]), "one of A, B"),
            (site(9, "Mail", &["mail.example.com"]), "one of Post, Mail"),
            (site(2, "Gone", &["gone.example.com"]), "one of "),
            (site(9, "Shop", &["gone.example.com"]), "is Shop"),
        ] {
            let found = match sites.find(&wanted, &Mapping::default()) {
                SiteHere::Is(site) => format!("is {}", site.name),
                SiteHere::LeftOut => "left out".into(),
                SiteHere::Unclear(sites) => {
                    format!(
                        "one of {}",
                        sites
                            .iter()
                            .map(|site| site.name.as_str())
                            .collect::<Vec<_>>()
                            .join(", ")
                    )
                }
            };
            assert_eq!(found, expected, "{}", wanted.name);
        }
        let mut answers = Mapping::default();
        answers.map_site("Gone=mail").unwrap();
        answers.map_site("Shop=").unwrap();
        assert_eq!(
            sites.find(&site(9, "Gone", &[]), &answers),
            SiteHere::Is(&here.sites[2])
        );
        assert_eq!(
            sites.find(&site(9, "Shop", &[]), &answers),
            SiteHere::LeftOut
        );
    }

    #[test]
    fn an_address_that_is_not_here_is_asked_for() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let here = SiteMap {
            addresses: vec![ip("192.0.2.1")],
            ..SiteMap::default()
        };
        let mut mapping = Mapping::default();
        assert_eq!(
            mapping.address(ip("192.0.2.1"), &here),
            AddressHere::Is(ip("192.0.2.1"))
        );
        assert_eq!(mapping.address(ip("::"), &here), AddressHere::Is(ip("::")));
        assert_eq!(
            mapping.address(ip("192.0.2.9"), &here),
            AddressHere::Unclear
        );
        mapping.map_address("192.0.2.9 = 192.0.2.1").unwrap();
        assert_eq!(
            mapping.address(ip("192.0.2.9"), &here),
            AddressHere::Is(ip("192.0.2.1"))
        );
    }

    #[test]
    fn answers_are_read_back_as_they_were_written() {
        let text = "# rehearsal\n\nsite Shop=Web Shop\nsite Old=\nip 192.0.2.9=2001:db8::1\nip 192.0.2.8=\n";
        let mapping = Mapping::parse(text).unwrap();
        assert_eq!(Mapping::parse(&mapping.to_text()).unwrap(), mapping);
        assert_eq!((mapping.sites.len(), mapping.addresses.len()), (2, 2));
        for bad in ["site", "site Shop", "ip a=b", "Shop=Web Shop", "site =x"] {
            assert_eq!(
                Mapping::parse(bad).unwrap_err().text.id,
                "error-bad-mapping",
                "{bad}"
            );
        }
    }
}
