//! Which of two certificates a host is better served with: what plans mean by "newer" and "older".

use jiff::Timestamp;

use super::certificate::Certificate;
use super::host::ascii_host;

/// Where a certificate stands among those for one host: the greater the better. The fields are
/// compared in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rank {
    /// It is valid today.
    valid: bool,
    /// An authority issued it, and for this host. A placeholder that is made to have something to
    /// bind never is "newer".
    fitting: bool,
    /// When it was issued. How long it lives says nothing: lifetimes become shorter.
    not_before: Timestamp,
}

/// What makes a certificate stand lower than another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lower {
    /// It has ended.
    Expired,
    /// It is not valid yet.
    NotYetValid,
    /// It issued itself.
    SelfIssued,
    /// It is not for the host.
    OtherNames,
    /// It was issued earlier.
    Older,
}

impl Certificate {
    /// Whether it is for a host: by its name, or by a wildcard for exactly one label (RFC 6125
    /// section 6.4.3).
    pub fn covers(&self, host: &str) -> bool {
        let host = ascii_host(host);
        let wildcard = host
            .split_once('.')
            .map(|(_, domain)| format!("*.{domain}"));
        self.dns_names()
            .iter()
            .map(|name| ascii_host(name))
            .any(|name| name == host || Some(&*name) == wildcard.as_deref())
    }

    /// Whether an authority issued it for `host`; empty where a binding has none, which every
    /// certificate covers.
    pub fn fits(&self, host: &str) -> bool {
        !self.is_self_issued() && (host.is_empty() || self.covers(host))
    }

    /// Where it stands among certificates for `host`.
    pub fn rank(&self, host: &str, now: Timestamp) -> Rank {
        Rank {
            valid: self.is_valid(now),
            fitting: self.fits(host),
            not_before: self.not_before(),
        }
    }

    /// Why it stands lower than `other` for `host`; `None` if it does not.
    pub fn lower_than(&self, other: &Self, host: &str, now: Timestamp) -> Option<Lower> {
        let (own, others) = (self.rank(host, now), other.rank(host, now));
        if own >= others {
            return None;
        }
        // A placeholder is not "newer" than what an authority issued, whatever that is for.
        let is_placeholder = other.is_self_issued() && !self.is_self_issued();
        if is_placeholder && (own.valid, own.fitting) == (others.valid, others.fitting) {
            return None;
        }
        Some(match () {
            () if own.valid != others.valid && self.not_after() < now => Lower::Expired,
            () if own.valid != others.valid => Lower::NotYetValid,
            () if own.fitting != others.fitting && self.is_self_issued() => Lower::SelfIssued,
            () if own.fitting != others.fitting => Lower::OtherNames,
            () => Lower::Older,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::openssl;
    use super::*;

    /// What `openssl ca` needs to issue with a begin and an end.
    const CONFIGURATION: &str = "[ca]\ndefault_ca = this\n[this]\ndatabase = index\nserial = serial\nnew_certs_dir = .\n\
        default_md = sha256\ncopy_extensions = copy\npolicy = any\n[any]\ncommonName = supplied\n";

    /// A certificate made by openssl: its names, begin and end; issued by an authority, or by
    /// itself.
    fn certificate(by: &str, names: &str, begin: &str, end: &str) -> Certificate {
        let folder = tempfile::tempdir().unwrap();
        let run = |words: &str| openssl(folder.path(), &words.split(' ').collect::<Vec<_>>());
        for (file, content) in [("ca.cnf", CONFIGURATION), ("index", ""), ("serial", "01")] {
            std::fs::write(folder.path().join(file), content).unwrap();
        }
        let names: Vec<_> = names.split(',').map(|name| format!("DNS:{name}")).collect();
        let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
        run(&format!(
            "req -x509 {key} -keyout ca.key -subj /CN=Authority -out ca.crt"
        ));
        run(&format!(
            "req -new {key} -keyout key -subj /CN=host -addext subjectAltName={} -out csr",
            names.join(",")
        ));
        let issuer = if by == "authority" {
            "-cert ca.crt -keyfile ca.key"
        } else {
            "-selfsign -keyfile key"
        };
        let time = |day: &str| format!("{}000000Z", day.replace('-', ""));
        let validity = format!("-startdate {} -enddate {}", time(begin), time(end));
        run(&format!(
            "ca -batch -config ca.cnf -notext {issuer} {validity} -in csr -out crt.pem"
        ));
        run("x509 -in crt.pem -outform DER -out crt");
        Certificate::parse(std::fs::read(folder.path().join("crt")).unwrap()).unwrap()
    }

    #[test]
    fn certificates_stand_in_this_order() {
        let now = "2026-11-25T12:00:00Z".parse().unwrap();
        let host = "www.example.com";
        let highest_first = [
            ("authority", "www.example.com", "2026-11-20", "2027-01-06"),
            ("authority", "*.example.com", "2026-11-01", "2026-12-18"),
            (
                "authority",
                "shop.example.com,WWW.example.com",
                "2026-03-01",
                "2027-04-03",
            ),
            ("authority", "example.com", "2026-11-23", "2027-11-23"),
            (
                "authority",
                "*.www.example.com,*.com",
                "2026-11-22",
                "2027-11-23",
            ),
            ("self", "www.example.com", "2026-11-21", "2036-11-24"),
            // Not valid today.
            ("authority", "www.example.com", "2026-11-26", "2027-11-26"),
            ("authority", "www.example.com", "2025-10-24", "2026-11-25"),
            ("authority", "www.example.com", "2020-01-01", "2025-01-01"),
            ("self", "www.example.com", "2025-10-24", "2026-11-24"),
        ];
        let certificates =
            highest_first.map(|(by, names, begin, end)| certificate(by, names, begin, end));
        for (at, higher) in certificates.iter().enumerate() {
            assert_eq!(
                higher.lower_than(higher, host, now),
                None,
                "the same is not lower"
            );
            for lower in &certificates[at + 1..] {
                assert!(
                    lower.lower_than(higher, host, now).is_some(),
                    "{:?}",
                    lower.rank(host, now)
                );
                assert_eq!(
                    higher.lower_than(lower, host, now),
                    None,
                    "{:?}",
                    higher.rank(host, now)
                );
            }
        }
        let why = |at: usize| {
            certificates[at]
                .lower_than(&certificates[0], host, now)
                .unwrap()
        };
        use Lower::{Expired, NotYetValid, Older, OtherNames, SelfIssued};
        let expected = [
            Older,
            Older,
            OtherNames,
            OtherNames,
            SelfIssued,
            NotYetValid,
            Expired,
            Expired,
            Expired,
        ];
        assert_eq!([1, 2, 3, 4, 5, 6, 7, 8, 9].map(why), expected);
    }

    #[test]
    fn a_binding_without_a_host_is_covered_by_every_certificate() {
        let now = "2026-11-25T12:00:00Z".parse().unwrap();
        let one = certificate("authority", "www.example.com", "2026-03-01", "2027-04-03");
        let other = certificate("authority", "other.example.com", "2026-04-01", "2027-04-03");
        let placeholder = certificate("self", "localhost", "2026-11-24", "2036-11-24");
        assert_eq!(one.lower_than(&other, "", now), Some(Lower::Older));
        assert_eq!(one.lower_than(&other, "www.example.com", now), None);
        assert_eq!(one.lower_than(&placeholder, "", now), None);
        assert_eq!(
            placeholder.lower_than(&one, "", now),
            Some(Lower::SelfIssued)
        );
        assert_eq!(
            one.lower_than(&placeholder, "intranet", now),
            None,
            "a placeholder is never newer"
        );
    }
}
