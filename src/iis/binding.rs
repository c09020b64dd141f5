//! A binding taken apart, and what it has to do with the records of http.sys: which record answers
//! for it, and how its flags are written there. Windows versions differ in the flags they know.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use super::sites::{Binding, Endpoint, FtpCertificate, Site};

/// `sslFlags`: the host name chooses the certificate ("Require Server Name Indication").
pub const SNI: u32 = 1;
/// `sslFlags`: the Central Certificate Store has the certificate.
pub const CENTRAL: u32 = 2;

/// One bit of `sslFlags` or of a record's `DefaultFlags`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flag {
    /// The bit.
    pub bit: u32,
    /// As netsh calls it, or Microsoft's documentation where netsh does not know it.
    pub name: &'static str,
    /// The first build of Windows that knows it.
    pub since: u32,
}

const fn flag(bit: u32, name: &'static str, since: u32) -> Flag {
    Flag { bit, name, since }
}

/// `sslFlags` of a binding. Windows Server 2012 is build 9200, 2016 is 14393, 2019 is 17763, 2022
/// is 20348, 2025 is
/// 26100.
///
/// Microsoft: iis-docs, `binding`: values above 4 only from version 1809 on.
pub const SSL_FLAGS: [Flag; 8] = [
    flag(SNI, "sni", 9200),
    flag(CENTRAL, "centralcertstore", 9200),
    flag(4, "disablehttp2", 14_393),
    flag(8, "disableocspstapling", 17_763),
    flag(16, "disablequic", 17_763),
    flag(32, "disabletls13", 17_763),
    flag(64, "disablelegacytls", 17_763),
    flag(128, "clientcertnegotiation", 26_100),
];

/// `HTTP_SERVICE_CONFIG_SSL_FLAG_*`, each with the first build whose SDK names it: those of 14393
/// and 16299 name the first three. Whether http.sys of that build takes more nobody says, so this
/// table never keeps a flag from being tried.
pub const RECORD_FLAGS: [Flag; 16] = [
    flag(0x1, "dsmapperusage", 0),
    flag(0x2, "clientcertnegotiation", 0),
    flag(0x8, "reject", 9600),
    // Before Windows Vista only.
    flag(0x4, "no_raw_filter", u32::MAX),
    flag(0x10, "disablehttp2", 17_763),
    flag(0x20, "disablequic", 17_763),
    flag(0x40, "disabletls13", 17_763),
    flag(0x80, "disableocspstapling", 17_763),
    flag(0x100, "enabletokenbinding", 17_763),
    flag(0x200, "logextendedevents", 17_763),
    flag(0x400, "disablelegacytls", 17_763),
    flag(0x800, "enablesessionticket", 17_763),
    flag(0x1000, "disabletls12", 20_348),
    flag(0x2000, "enableclientcorrelation", 20_348),
    flag(0x4000, "disablesessionid", 26_100),
    flag(0x8000, "enablecacheclienthello", 26_100),
];

/// The same meaning as a bit of `sslFlags` and as a bit of `DefaultFlags`. The numbers differ.
const SAME: [(u32, u32); 6] = [
    (4, 0x10),
    (8, 0x80),
    (16, 0x20),
    (32, 0x40),
    (64, 0x400),
    (128, 0x2),
];

/// The flags of a record that a binding with these `sslFlags` has, as IIS makes it.
pub fn record_flags(ssl_flags: u32) -> u32 {
    SAME.iter()
        .filter(|(ssl, _)| ssl_flags & ssl != 0)
        .map(|(_, record)| record)
        .sum()
}

/// The part of `flags` that a build of Windows knows.
pub fn known(table: &[Flag], flags: u32, build: u32) -> u32 {
    let known: u32 = table
        .iter()
        .filter(|flag| flag.since <= build)
        .map(|flag| flag.bit)
        .sum();
    flags & known
}

/// The names of the bits that are set: one nobody has named is shown as a number.
pub fn names(table: &[Flag], flags: u32) -> Vec<String> {
    let bits = (0..u32::BITS)
        .map(|bit| 1 << bit)
        .filter(|bit| flags & bit != 0);
    let name = |bit: u32| {
        table
            .iter()
            .find(|flag| flag.bit == bit)
            .map(|flag| flag.name.to_owned())
    };
    bits.map(|bit| name(bit).unwrap_or_else(|| format!("0x{bit:x}")))
        .collect()
}

/// `bindingInformation` of `http`, `https` and `ftp`, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BindingParts {
    /// The address; `None` for all of them (`*` or nothing).
    pub ip: Option<IpAddr>,
    /// The port.
    pub port: u16,
    /// The host name, `*.example.com` from Windows Server 2016; empty for every name.
    pub host: String,
}

impl BindingParts {
    /// Takes `address:port:host` apart from the right, as an IPv6 address has colons of its own.
    /// `None` for what is written in another way.
    pub fn parse(information: &str) -> Option<Self> {
        let (rest, host) = information.rsplit_once(':')?;
        let (ip, port) = rest.rsplit_once(':')?;
        let ip = match ip {
            "" | "*" => None,
            ip => Some(
                ip.strip_prefix('[')
                    .and_then(|ip| ip.strip_suffix(']'))
                    .unwrap_or(ip)
                    .parse()
                    .ok()?,
            ),
        };
        Some(Self {
            ip,
            port: port.parse().ok().filter(|port| *port != 0)?,
            host: host.to_owned(),
        })
    }
}

impl Binding {
    /// Whether it is TLS.
    pub fn is_https(&self) -> bool {
        self.protocol.eq_ignore_ascii_case("https")
    }

    /// Whether IIS takes both for one: protocol and information are a binding's key.
    pub fn is_same(&self, other: &Self) -> bool {
        self.protocol.eq_ignore_ascii_case(&other.protocol)
            && self.information.eq_ignore_ascii_case(&other.information)
    }

    /// Its host name; empty where it has none.
    pub fn host(&self) -> String {
        self.parts().map(|parts| parts.host).unwrap_or_default()
    }

    /// Address, port and host name; `None` for protocols that are written in another way (`net.tcp`
    /// `808:*`).
    pub fn parts(&self) -> Option<BindingParts> {
        let known = ["http", "https", "ftp"]
            .iter()
            .any(|known| self.protocol.eq_ignore_ascii_case(known));
        known
            .then(|| BindingParts::parse(&self.information))
            .flatten()
    }

    /// The record of http.sys that answers for it; `None` where it is not TLS.
    pub fn endpoint(&self) -> Option<Endpoint> {
        let BindingParts { ip, port, host } = self.parts().filter(|_| self.is_https())?;
        Some(match () {
            () if self.ssl_flags & CENTRAL != 0 => Endpoint::Central { port },
            () if self.ssl_flags & SNI != 0 && !host.is_empty() => Endpoint::Name {
                host: host.to_lowercase(),
                port,
            },
            () => Endpoint::Address {
                ip: ip.unwrap_or(Ipv4Addr::UNSPECIFIED.into()),
                port,
            },
        })
    }
}

impl Site {
    /// The certificate that its FTP bindings use: its own, else the server's default; `None` where
    /// it has no such binding.
    pub fn ftp_in_use<'a>(
        &'a self,
        defaults: Option<&'a FtpCertificate>,
    ) -> Option<&'a FtpCertificate> {
        let serves = self
            .bindings
            .iter()
            .any(|binding| binding.protocol.eq_ignore_ascii_case("ftp"));
        self.ftp.as_ref().or(defaults).filter(|_| serves)
    }

    /// Where its files lie on this machine. `variable` knows the environment (`SystemDrive`).
    pub fn folders_here(&self, variable: &dyn Fn(&str) -> Option<String>) -> Vec<PathBuf> {
        let plain = |path: String| PathBuf::from(path.replace('/', "\\").trim_end_matches('\\'));
        self.folders
            .iter()
            .map(|path| plain(expand(path, variable)))
            .collect()
    }
}

/// Puts the values of `%NAME%` into a path; one that is not known stays as it is.
fn expand(path: &str, variable: &dyn Fn(&str) -> Option<String>) -> String {
    let mut expanded = String::with_capacity(path.len());
    let mut rest = path;
    while let Some((before, after)) = rest.split_once('%') {
        expanded.push_str(before);
        match after
            .split_once('%')
            .and_then(|(name, after)| Some((variable(name)?, after)))
        {
            Some((value, after)) => {
                expanded.push_str(&value);
                rest = after;
            }
            None => {
                expanded.push('%');
                rest = after;
            }
        }
    }
    expanded + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn binding(protocol: &str, information: &str, ssl_flags: u32) -> Binding {
        Binding {
            protocol: protocol.into(),
            information: information.into(),
            ssl_flags,
        }
    }

    /// See tests/windows/forms/README.md.
    #[test]
    fn the_bindings_that_appcmd_lists_are_taken_apart() {
        let printed = include_str!("../../tests/windows/forms/appcmd-list-site.xml");
        let document = roxmltree::Document::parse(printed).unwrap();
        let lists = document
            .descendants()
            .filter_map(|node| node.attribute("bindings"));
        let mut hosts = Vec::new();
        for binding in lists.flat_map(|list| list.split(',')) {
            let (protocol, information) = binding.split_once('/').unwrap();
            let binding = Binding {
                protocol: protocol.into(),
                information: information.into(),
                ssl_flags: 0,
            };
            let parts = binding.parts().unwrap();
            hosts.push((parts.ip.is_some(), parts.port, parts.host));
        }
        let host = |is_bound, port, host: &str| (is_bound, port, host.to_owned());
        let expected = [
            host(false, 80, ""),
            host(false, 443, "shop.example.com"),
            host(true, 8080, "host.example"),
        ];
        assert_eq!(hosts, expected);
    }

    #[test]
    fn a_binding_names_the_record_that_answers_for_it() {
        for (protocol, information, flags, expected) in [
            ("https", "*:443:", 0, "0.0.0.0:443"),
            ("https", ":443:", 0, "0.0.0.0:443"),
            ("HTTPS", "192.0.2.1:8443:", 0, "192.0.2.1:8443"),
            ("https", "[::1]:443:", 0, "[::1]:443"),
            (
                "https",
                "[fe80::1]:443:www.example.com",
                1,
                "www.example.com:443",
            ),
            ("https", "*:443:WWW.Example.COM", 1, "www.example.com:443"),
            ("https", "*:443:www.example.com", 0, "0.0.0.0:443"),
            ("https", "*:443:*.example.com", 1, "*.example.com:443"),
            ("https", "*:443:例え.jp", 33, "例え.jp:443"),
            ("https", "*:443:", 1, "0.0.0.0:443"),
            ("https", "*:443:", 2, "*:443"),
            ("https", "*:443:www.example.com", 3, "*:443"),
            ("http", "*:80:", 0, "none"),
            ("ftp", "*:21:", 0, "none"),
            ("net.tcp", "808:*", 0, "none"),
            ("https", "[enc:AesProvider:abc:enc]", 0, "none"),
            ("https", "*:0:", 0, "none"),
            ("https", "*:65536:", 0, "none"),
            ("https", "somewhere:443:", 0, "none"),
            ("https", "443", 0, "none"),
        ] {
            let endpoint = binding(protocol, information, flags).endpoint();
            assert_eq!(
                endpoint.map_or("none".into(), |endpoint| endpoint.to_string()),
                expected,
                "{information} {flags}"
            );
        }
    }

    #[test]
    fn flags_keep_their_meaning_although_their_numbers_differ() {
        assert_eq!(record_flags(97), 0x40 | 0x400, "SNI is no flag of a record");
        assert_eq!(record_flags(4 | 8 | 16 | 128), 0x10 | 0x80 | 0x20 | 0x2);
        for (ssl, record) in SAME {
            let name = |table: &[Flag], bit| names(table, bit);
            assert_eq!(name(&SSL_FLAGS, ssl), name(&RECORD_FLAGS, record));
        }
    }

    #[test]
    fn what_a_build_does_not_know_is_named_bit_by_bit() {
        assert_eq!(known(&SSL_FLAGS, 97 | 128, 20_348), 97);
        assert_eq!(
            names(&SSL_FLAGS, 97 & !known(&SSL_FLAGS, 97, 9600)),
            ["disabletls13", "disablelegacytls"]
        );
        assert_eq!(
            names(&RECORD_FLAGS, 0x8000_0002),
            ["clientcertnegotiation", "0x80000000"]
        );
        assert_eq!(
            known(&SSL_FLAGS, 1, 7601),
            0,
            "IIS 7.5 has no sslFlags at all"
        );
    }

    #[test]
    fn the_folders_of_a_site_are_told_as_windows_opens_them() {
        let variable = |name: &str| {
            name.eq_ignore_ascii_case("SystemDrive")
                .then(|| "C:".to_owned())
        };
        let here = |path: &str| {
            Site {
                folders: vec![path.into()],
                ..Site::default()
            }
            .folders_here(&variable)
        };
        assert_eq!(
            here(r"%SystemDrive%\inetpub\wwwroot"),
            [PathBuf::from(r"C:\inetpub\wwwroot")]
        );
        assert_eq!(here(r"D:/Sites\"), [PathBuf::from(r"D:\Sites")]);
        assert_eq!(here(r"%Unknown%\a"), [PathBuf::from(r"%Unknown%\a")]);
        assert_eq!(here(r"D:\100%"), [PathBuf::from(r"D:\100%")]);
    }
}
