//! Who renews a certificate without being asked, as far as its name, its files and itself tell.

use const_oid::ObjectIdentifier;

use super::Certificate;

/// Extensions that name a template of Active Directory Certificate Services (\[MS-WCCE\] sections
/// 2.2.2.7.7.1 and 2.2.2.7.7.2).
const TEMPLATES: [ObjectIdentifier; 2] = [
    ObjectIdentifier::new_unwrap("1.3.6.1.4.1.311.20.2"),
    ObjectIdentifier::new_unwrap("1.3.6.1.4.1.311.21.7"),
];
/// Files that Posh-ACME writes into the folder of each order, and no other program.
const OF_POSH_ACME: [&str; 2] = ["chain0.cer", "fullchain.pfx"];
/// How simple-acme and win-acme end the names of PEM files.
const OF_WIN_ACME: [&str; 2] = ["-chain-only.pem", "-crt.pem"];

/// A program that renews.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Renewer {
    /// win-acme, and simple-acme, which is its successor and writes the same names.
    WinAcme,
    /// Certify The Web, or Certify Certificate Manager.
    Certify,
    /// Posh-ACME.
    PoshAcme,
    /// Windows itself, where autoenrolment is on for the template.
    Windows,
}

impl Renewer {
    /// By the friendly name, which those programs choose; by the names of the files, with their
    /// folders; by the certificate.
    pub fn of(friendly_name: Option<&str>, files: &[String], leaf: &Certificate) -> Option<Self> {
        let name = friendly_name.unwrap_or_default();
        let has_file = |is: &dyn Fn(&str) -> bool| {
            let mut bare = files
                .iter()
                .map(|file| file.rsplit('/').next().unwrap_or(file));
            bare.any(|file| is(&file.to_ascii_lowercase()))
        };
        if is_of_win_acme(name)
            || has_file(&|file| OF_WIN_ACME.iter().any(|end| file.ends_with(end)))
        {
            return Some(Self::WinAcme);
        }
        if name.contains(" [Certify] - ") {
            return Some(Self::Certify);
        }
        if has_file(&|file| OF_POSH_ACME.contains(&file)) {
            return Some(Self::PoshAcme);
        }
        leaf.has_any(&TEMPLATES).then_some(Self::Windows)
    }
}

/// `[IIS] shop, (any host) @ 2026.5.2 10:00:00`: what made it, for what, and when.
fn is_of_win_acme(name: &str) -> bool {
    let Some((maker, rest)) = name
        .strip_prefix('[')
        .and_then(|name| name.split_once("] "))
    else {
        return false;
    };
    let is_word = !maker.is_empty() && maker.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let time = rest.rsplit_once(" @ ").map(|(_, time)| time);
    is_word && time.is_some_and(|time| time.starts_with(|first: char| first.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::{RSA, openssl_certificate};
    use super::*;

    fn of(name: &str, files: &[&str], options: &[&str]) -> Option<Renewer> {
        let leaf = Certificate::parse(openssl_certificate(&RSA[0], options)).unwrap();
        let files: Vec<_> = files.iter().map(|file| (*file).to_owned()).collect();
        Renewer::of(Some(name), &files, &leaf)
    }

    #[test]
    fn who_renews_is_told_by_names_and_by_the_template() {
        let win_acme = [
            "[IIS] Default Web Site, (any host) @ 2026.5.2 10:00:00",
            "[Manual] www.example.com @ 2026/5/2 10:00:00 AM",
            "[IISBinding] 店舗 @ home @ 2021.1.1 0:00:00",
        ];
        for name in win_acme {
            assert_eq!(of(name, &[], &[]), Some(Renewer::WinAcme), "{name}");
        }
        let certify = "www.example.com [Certify] - 2026-01-01 00:00:00 to 2026-04-01 00:00:00";
        assert_eq!(of(certify, &[], &[]), Some(Renewer::Certify));
        for (file, renewer) in [
            ("www.example.com-chain-only.pem", Some(Renewer::WinAcme)),
            ("www.example.com/fullchain.pfx", Some(Renewer::PoshAcme)),
            ("www.example.com/fullchain.pem", None),
        ] {
            assert_eq!(of("", &[file], &[]), renewer, "{file}");
        }
        for name in [
            "",
            "Shop",
            "[Shop]",
            "[Shop] 2026",
            "[a b] x @ 2026",
            "mail @ 2026",
        ] {
            assert_eq!(of(name, &[], &[]), None, "{name}");
        }
        for template in [
            "1.3.6.1.4.1.311.20.2=ASN1:BMPSTRING:WebServer",
            "1.3.6.1.4.1.311.21.7=DER:30:03:06:01:2a",
        ] {
            let options = ["-addext", template];
            assert_eq!(
                of("Shop", &[], &options),
                Some(Renewer::Windows),
                "{template}"
            );
        }
    }
}
