//! What else than IIS is set to a certificate of this machine, as far as a public place says so: a
//! value of the registry, a file, a record of http.sys. It is looked at and named, never changed.

use data_encoding::HEXUPPER;
use serde::{Deserialize, Serialize};

use super::StoredCertificate;

/// The service that RDP clients connect to.
pub const REMOTE_DESKTOP: &str = "Remote Desktop";
/// Windows Remote Management.
pub const WIN_RM: &str = "WinRM";
/// An instance of the database server.
pub const SQL_SERVER: &str = "SQL Server";
/// The web management service of IIS (`WMSVC`).
pub const IIS_MANAGEMENT: &str = "IIS Management Service";
/// Routing and Remote Access, for SSTP.
pub const SSTP: &str = "SSTP";
/// Network Policy Server, for PEAP and EAP-TLS.
pub const NPS: &str = "NPS";
/// Active Directory Federation Services.
pub const AD_FS: &str = "AD FS";
/// SQL Server Reporting Services.
pub const REPORTING_SERVICES: &str = "Reporting Services";
/// Remote Desktop Gateway.
pub const RD_GATEWAY: &str = "RD Gateway";
/// Exchange.
pub const EXCHANGE: &str = "Exchange";

/// Microsoft: "Remote Desktop listener certificate configurations".
const RDP_LISTENER: &str = r"SYSTEM\CurrentControlSet\Control\Terminal Server\WinStations\RDP-Tcp";
/// Where WinRM keeps `winrm/config/Listener` (Microsoft: "Installation and configuration for Windows
/// Remote Management", `CertificateThumbprint`): one key a listener, `*+HTTPS`.
const WIN_RM_LISTENERS: &str = r"SOFTWARE\Microsoft\Windows\CurrentVersion\WSMAN\Listener";
/// Microsoft: "Configure SQL Server Database Engine for encrypting connections": `Certificate` below
/// `<instance>\MSSQLServer\SuperSocketNetLib`.
const SQL_SERVERS: &str = r"SOFTWARE\Microsoft\Microsoft SQL Server";
/// Microsoft: "Troubleshooting Web Management Service (WMSvc)" (iis-docs).
const WMSVC: &str = r"SOFTWARE\Microsoft\WebManagement\Server";
/// Microsoft: KB 947027, "How to change the computer certificate … SSTP".
const SSTP_SERVICE: &str = r"SYSTEM\CurrentControlSet\Services\SstpSvc\Parameters";
/// Programs that keep in a place of their own which certificate is theirs, and what shows that they
/// are here: services, and the key that Exchange's setup makes.
const SILENT: [(&str, &str); 3] = [
    (RD_GATEWAY, r"SYSTEM\CurrentControlSet\Services\TSGateway"),
    (AD_FS, r"SYSTEM\CurrentControlSet\Services\adfssrv"),
    (EXCHANGE, r"SOFTWARE\Microsoft\ExchangeServer\v15\Setup"),
];

/// A program beside IIS, and the certificate that it is set to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OtherUse {
    /// Which: a name of this module, or the `AppId` of a record.
    pub program: String,
    /// Where, if there may be several: a listener, an instance, a record of http.sys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// SHA-1 of the certificate, upper-case; SHA-256 where it is known by that alone.
    pub thumbprint: String,
}

impl OtherUse {
    /// A use of a certificate by a program.
    pub fn new(program: &str, place: Option<String>, thumbprint: String) -> Self {
        Self {
            program: program.to_owned(),
            place,
            thumbprint,
        }
    }

    /// Whether nothing but the SHA-256 of the certificate is known.
    pub fn is_by_sha256(&self) -> bool {
        self.thumbprint.len() == 64
    }

    /// The program with the place, for people.
    pub fn shown(&self) -> String {
        match &self.place {
            Some(place) => format!("{} ({place})", self.program),
            None => self.program.clone(),
        }
    }
}

/// The registry of a machine, `HKEY_LOCAL_MACHINE`, as far as it can be read.
pub trait Registry {
    /// A value of bytes.
    fn bytes(&self, key: &str, name: &str) -> Option<Vec<u8>>;
    /// A value of text.
    fn text(&self, key: &str, name: &str) -> Option<String>;
    /// The names of the keys directly below one; `None` where that key is not there.
    fn children(&self, key: &str) -> Option<Vec<String>>;
}

/// What the registry names, each with the place where it names more than one.
pub fn in_registry(registry: &dyn Registry) -> Vec<OtherUse> {
    let bytes = |program, key, name| {
        let hash = registry.bytes(key, name)?;
        // SHA-1, of SSTP also SHA-256; a value of nothing but zeros says that there is none.
        let is_hash = [20, 32].contains(&hash.len()) && hash.iter().any(|octet| *octet != 0);
        is_hash.then(|| OtherUse::new(program, None, HEXUPPER.encode(&hash)))
    };
    let single = [
        bytes(REMOTE_DESKTOP, RDP_LISTENER, "SSLCertificateSHA1Hash"),
        bytes(IIS_MANAGEMENT, WMSVC, "SslCertificateHash"),
        bytes(SSTP, SSTP_SERVICE, "SHA1CertificateHash")
            .or_else(|| bytes(SSTP, SSTP_SERVICE, "SHA256CertificateHash")),
    ];
    let mut found: Vec<_> = single.into_iter().flatten().collect();
    let mut texts = |program, key: &str, below: &str, name: &str| {
        for child in registry.children(key).unwrap_or_default() {
            let text = registry.text(&format!(r"{key}\{child}{below}"), name);
            let thumbprint = text.as_deref().and_then(thumbprint);
            found.extend(thumbprint.map(|it| OtherUse::new(program, Some(child), it)));
        }
    };
    texts(WIN_RM, WIN_RM_LISTENERS, "", "certThumbprint");
    texts(
        SQL_SERVER,
        SQL_SERVERS,
        r"\MSSQLServer\SuperSocketNetLib",
        "Certificate",
    );
    found
}

/// Programs that are here and do not say in the registry which certificate is theirs.
pub fn silent(registry: &dyn Registry) -> Vec<String> {
    let here = SILENT
        .into_iter()
        .filter(|(_, key)| registry.children(key).is_some());
    here.map(|(program, _)| program.to_owned()).collect()
}

/// The certificates of the network policies of NPS, out of `System32\ias\ias.xml`.
///
/// `msEAPConfiguration` is hexadecimal: the number of the method (13 is EAP-TLS, 25 is PEAP) in
/// sixteen octets, then, among lengths of four octets each, 20 and the SHA-1 of the certificate. That
/// is not documented; public scripts that renew it (Update-NPSCert, Certify's and others) take and put
/// the thumbprint there.
pub fn in_nps(ias: &[u8]) -> Vec<OtherUse> {
    // It may be UTF-16; what is looked for is ASCII.
    let ascii: Vec<u8> = ias.iter().copied().filter(|octet| *octet != 0).collect();
    let text = String::from_utf8_lossy(&ascii);
    let mut found = Vec::new();
    for element in text.split("<msEAPConfiguration").skip(1) {
        let Some(value) = element
            .split_once('>')
            .and_then(|(_, rest)| rest.split('<').next())
        else {
            continue;
        };
        let thumbprint = eap_certificate(value.trim());
        let used = thumbprint.map(|it| OtherUse::new(NPS, None, it));
        found.extend(used.filter(|used| !found.contains(used)));
    }
    found
}

fn eap_certificate(value: &str) -> Option<String> {
    const METHOD: usize = 32;
    const LENGTH: &str = "14000000";
    let value = value.to_ascii_lowercase();
    if !value.starts_with("0d000000") && !value.starts_with("19000000") {
        return None;
    }
    let (_, hash) = value.get(METHOD..)?.split_once(LENGTH)?;
    thumbprint(hash.get(..40)?)
}

/// Forty hexadecimal digits, however they are spelled; of nothing but zeros there is no certificate.
fn thumbprint(text: &str) -> Option<String> {
    let digits: String = text.chars().filter(char::is_ascii_hexdigit).collect();
    let is_one = digits.len() == 40 && digits.bytes().any(|digit| digit != b'0');
    is_one.then(|| digits.to_ascii_uppercase())
}

/// Gives those that are named by SHA-256 the thumbprint of the certificate, where it is one of these.
pub fn by_thumbprint(uses: &mut [OtherUse], certificates: &[StoredCertificate]) {
    for one in uses.iter_mut().filter(|one| one.is_by_sha256()) {
        let is_it = |certificate: &&StoredCertificate| {
            certificate
                .sha256()
                .to_string()
                .eq_ignore_ascii_case(&one.thumbprint)
        };
        if let Some(certificate) = certificates.iter().find(is_it) {
            one.thumbprint = certificate.thumbprint();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::iis::Properties;

    const ONE: &str = "0102030405060708090A0B0C0D0E0F1011121314";

    /// Keys with their values.
    #[derive(Default)]
    struct Kept(BTreeMap<(String, String), Vec<u8>>);

    impl Kept {
        fn with(mut self, key: &str, name: &str, value: &[u8]) -> Self {
            self.0.insert((key.into(), name.into()), value.to_vec());
            self
        }
    }

    impl Registry for Kept {
        fn bytes(&self, key: &str, name: &str) -> Option<Vec<u8>> {
            self.0.get(&(key.to_owned(), name.to_owned())).cloned()
        }

        fn text(&self, key: &str, name: &str) -> Option<String> {
            String::from_utf8(self.bytes(key, name)?).ok()
        }

        fn children(&self, key: &str) -> Option<Vec<String>> {
            let mut names = Vec::new();
            let mut is_there = false;
            for (path, _) in self.0.keys() {
                let Some(rest) = path.strip_prefix(key) else {
                    continue;
                };
                is_there = true;
                let name = rest.trim_start_matches('\\').split('\\').next();
                names.extend(name.filter(|name| !name.is_empty()).map(str::to_owned));
            }
            names.dedup();
            is_there.then_some(names)
        }
    }

    fn shown(uses: &[OtherUse]) -> Vec<String> {
        let shown = uses
            .iter()
            .map(|one| format!("{} {}", one.shown(), one.thumbprint));
        shown.collect()
    }

    #[test]
    fn what_the_registry_names_is_found_in_every_form_it_is_kept_in() {
        let hash: Vec<u8> = (1..=20).collect();
        let spelled = "01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f 10 11 12 13 14";
        let kept = Kept::default()
            .with(RDP_LISTENER, "SSLCertificateSHA1Hash", &hash)
            .with(WMSVC, "SslCertificateHash", &hash)
            .with(SSTP_SERVICE, "SHA256CertificateHash", &[7; 32])
            .with(
                &format!(r"{WIN_RM_LISTENERS}\*+HTTPS"),
                "certThumbprint",
                ONE.to_lowercase().as_bytes(),
            )
            .with(
                &format!(r"{WIN_RM_LISTENERS}\*+HTTP"),
                "certThumbprint",
                b"",
            )
            .with(
                &format!(r"{SQL_SERVERS}\MSSQL16.SHOP\MSSQLServer\SuperSocketNetLib"),
                "Certificate",
                spelled.as_bytes(),
            )
            .with(
                &format!(r"{SQL_SERVERS}\160\Tools"),
                "Certificate",
                b"unrelated",
            );
        let sha256 = "07".repeat(32);
        assert_eq!(
            shown(&in_registry(&kept)),
            [
                format!("Remote Desktop {ONE}"),
                format!("IIS Management Service {ONE}"),
                format!("SSTP {sha256}"),
                format!("WinRM (*+HTTPS) {ONE}"),
                format!("SQL Server (MSSQL16.SHOP) {ONE}"),
            ]
        );
    }

    #[test]
    fn what_is_no_hash_is_no_use() {
        for value in [&[][..], &[0; 20], &[1; 19], b"0102"] {
            let kept = Kept::default().with(RDP_LISTENER, "SSLCertificateSHA1Hash", value);
            assert_eq!(in_registry(&kept), [], "{value:?}");
        }
        assert_eq!(in_registry(&Kept::default()), []);
    }

    #[test]
    fn a_certificate_named_by_sha_256_is_found_among_those_here() {
        let here = StoredCertificate {
            der: b"a certificate".to_vec(),
            properties: Properties::default(),
        };
        let sha256 = here.sha256().to_string().to_uppercase();
        let mut uses = [
            OtherUse::new(SSTP, None, sha256),
            OtherUse::new(SSTP, None, "AB".repeat(32)),
        ];
        by_thumbprint(&mut uses, std::slice::from_ref(&here));
        assert_eq!(uses[0].thumbprint, here.thumbprint());
        assert_eq!(uses[1].thumbprint, "AB".repeat(32));
    }

    /// The form is that of ias.xml in public repositories; the values are ours.
    #[test]
    fn the_certificates_of_network_policies_are_found_once_each() {
        let peap = "1900000000000000000000000000000038000000020000003800000001000000140000000102030405060708090a0b0c0d0e0f10111213140100000001000000100000001a00000000000000";
        let none = format!("1a00{}", "0".repeat(60));
        let element = |value: &str| {
            format!(
                "<msEAPConfiguration xmlns:dt=\"urn:schemas-microsoft-com:datatypes\" dt:dt=\"bin.hex\">\r\n{value}\r\n</msEAPConfiguration>"
            )
        };
        let file = format!(
            "<Root>{}{}{}</Root>",
            element(peap),
            element(&none),
            element(peap)
        );
        let wide: Vec<u8> = file.encode_utf16().flat_map(u16::to_le_bytes).collect();
        for bytes in [file.as_bytes(), &wide] {
            assert_eq!(shown(&in_nps(bytes)), [format!("NPS {ONE}")]);
        }
        for cut in [
            "",
            "<msEAPConfiguration",
            "<msEAPConfiguration>0d0000001400",
        ] {
            assert_eq!(in_nps(cut.as_bytes()), [], "{cut}");
        }
    }

    #[test]
    fn programs_that_do_not_say_which_certificate_is_theirs_are_seen() {
        let kept = Kept::default().with(SILENT[0].1, "Start", b"2").with(
            SILENT[2].1,
            "MsiProductMajor",
            b"15",
        );
        assert_eq!(silent(&kept), [RD_GATEWAY, EXCHANGE]);
    }
}
