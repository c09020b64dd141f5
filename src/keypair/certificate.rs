//! What a certificate says, read once. Read, not judged: what Windows serves sites with is to be
//! backed up, however it breaks RFC 5280.

use std::net::{Ipv4Addr, Ipv6Addr};

use const_oid::ObjectIdentifier;
use const_oid::db::rfc5280::{
    ID_CE_AUTHORITY_KEY_IDENTIFIER, ID_CE_SUBJECT_ALT_NAME, ID_CE_SUBJECT_KEY_IDENTIFIER,
};
use data_encoding::HEXUPPER;
use der::asn1::{AnyRef, BitStringRef, OctetStringRef};
use der::{Decode, Encode, Reader, Sequence, SliceReader, Tag, TagNumber, Tagged};
use jiff::Timestamp;
use sha1::Sha1;
use sha2::{Digest, Sha256};
use spki::{AlgorithmIdentifierRef, SubjectPublicKeyInfoRef};
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::AuthorityKeyIdentifier;
use x509_cert::time::{Time, Validity};

use super::KeyPairError;
use super::algorithm::{VerifyScheme, key_algorithm_name, weak_hash};
use super::name;
use super::public::CertifiedKey;

/// An X.509 certificate and the facts in it. All text is as the certificate has it: clean it before
/// it is shown.
#[derive(Debug, Clone)]
pub struct Certificate {
    der: Vec<u8>,
    scheme: Option<VerifyScheme>,
    weak_hash: Option<&'static str>,
    spki_sha256: [u8; 32],
    public: Option<CertifiedKey>,
    key_type: String,
    subject: Vec<u8>,
    issuer: Vec<u8>,
    subject_key_id: Option<Vec<u8>>,
    authority_key_id: Option<Vec<u8>>,
    dns_names: Vec<String>,
    common_name: Option<String>,
    display_name: String,
    not_before: Timestamp,
    not_after: Timestamp,
}

/// Days before the end of a certificate at which it is spoken of.
const SOON: i64 = 30;

/// How long a certificate is still valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remaining {
    /// It is not valid before its start.
    NotYet,
    /// It has ended.
    Over,
    /// So many whole days, and soon none.
    Days(u64),
    /// Long enough.
    Long,
}

impl Remaining {
    /// Where no more is known than the last second of its validity.
    pub fn until(not_after: Timestamp, now: Timestamp) -> Self {
        let left = not_after.duration_since(now);
        match left.as_hours() / 24 {
            _ if left.is_negative() => Remaining::Over,
            days @ 0..=SOON => Remaining::Days(days.unsigned_abs()),
            _ => Remaining::Long,
        }
    }
}

/// What a signature says about a presumed issuer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signed {
    /// The issuer's key made it.
    Right,
    /// The issuer's key did not make it.
    Wrong,
    /// Nothing: the key or the algorithm is of a kind that cannot be verified here.
    Unverifiable,
}

impl Certificate {
    /// Reads a DER certificate of any version.
    ///
    /// # Errors
    /// [`KeyPairError::MalformedCertificate`].
    pub fn parse(der: Vec<u8>) -> Result<Self, KeyPairError> {
        Self::read(der).map_err(|_| KeyPairError::MalformedCertificate)
    }

    fn read(der: Vec<u8>) -> der::Result<Self> {
        let outer = Outer::read(&der)?;
        let tbs = Tbs::from_der(outer.tbs)?;
        let (subject, issuer) = (tbs.subject.to_der()?, tbs.issuer.to_der()?);
        let public =
            CertifiedKey::parse(&tbs.key.algorithm, tbs.key.subject_public_key.raw_bytes());
        let key_type = public.as_ref().map_or_else(
            || key_algorithm_name(&tbs.key.algorithm),
            CertifiedKey::name,
        );
        let common_name = name::common_name(&subject);
        let dns_names = match tbs.extension(ID_CE_SUBJECT_ALT_NAME) {
            Some(names) => alternative_names(names),
            None => common_name
                .iter()
                .filter(|name| looks_like_host(name))
                .cloned()
                .collect(),
        };
        let title = dns_names.first().cloned().or_else(|| name::title(&subject));
        Ok(Self {
            scheme: VerifyScheme::of(&outer.algorithm),
            weak_hash: weak_hash(&outer.algorithm),
            spki_sha256: Sha256::digest(tbs.key.to_der()?).into(),
            public,
            key_type,
            subject,
            issuer,
            subject_key_id: tbs.subject_key_id(),
            authority_key_id: tbs.authority_key_id(),
            dns_names,
            common_name,
            display_name: title.unwrap_or_else(|| thumbprint(&der)),
            not_before: timestamp(tbs.validity.not_before),
            not_after: timestamp(tbs.validity.not_after),
            der,
        })
    }

    /// How long it is still valid.
    pub fn remaining(&self, now: Timestamp) -> Remaining {
        if now < self.not_before {
            Remaining::NotYet
        } else {
            Remaining::until(self.not_after, now)
        }
    }

    /// Whether it has begun and not ended.
    pub fn is_valid(&self, now: Timestamp) -> bool {
        (self.not_before..=self.not_after).contains(&now)
    }

    /// The certificate exactly as it was read.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// SHA-1 of the certificate in upper case hexadecimal: what Windows finds certificates by.
    pub fn thumbprint(&self) -> String {
        thumbprint(&self.der)
    }

    /// SHA-256 of the certificate.
    pub fn sha256(&self) -> [u8; 32] {
        Sha256::digest(&self.der).into()
    }

    /// SHA-256 of its SubjectPublicKeyInfo.
    pub fn spki_sha256(&self) -> [u8; 32] {
        self.spki_sha256
    }

    /// DNS names and IP addresses it is for, in its own order (RFC 5280 section 4.2.1.6); the
    /// common name where it has no such extension and the common name could be a host's.
    pub fn dns_names(&self) -> &[String] {
        &self.dns_names
    }

    /// The subject's common name.
    pub fn common_name(&self) -> Option<&str> {
        self.common_name.as_deref()
    }

    /// The one name to show: the first host name, else the common name, else what the subject ends
    /// in, else the thumbprint.
    pub fn display_name(&self) -> &str {
        &self.display_name
    }

    /// Start of validity.
    pub fn not_before(&self) -> Timestamp {
        self.not_before
    }

    /// Last second of validity.
    pub fn not_after(&self) -> Timestamp {
        self.not_after
    }

    /// `RSA 2048`, `ECDSA P-256`, `Ed25519`, also of keys that cannot be backed up: `DSA`.
    pub fn key_type(&self) -> String {
        self.key_type.clone()
    }

    /// The public key, if it is of a kind that can be backed up.
    pub(crate) fn public(&self) -> Option<&CertifiedKey> {
        self.public.as_ref()
    }

    /// Whether the certificate's key verifies what [`super::PrivateKey::sign`] made.
    pub(crate) fn verify_own(&self, message: &[u8], signature: &[u8]) -> bool {
        self.public
            .as_ref()
            .is_some_and(|key| key.verify(key.own_scheme(), message, signature))
    }

    /// MD5 or SHA-1, if that is what the signature rests on.
    pub(super) fn weak_hash(&self) -> Option<&'static str> {
        self.weak_hash
    }

    /// The issuer's name for people.
    pub(super) fn issuer_name(&self) -> String {
        name::title(&self.issuer).unwrap_or_default()
    }

    /// Whether it names `issuer` as its issuer. Names are compared as bytes, as Windows does.
    pub(super) fn names_as_issuer(&self, issuer: &Self) -> bool {
        self.issuer == issuer.subject
    }

    /// Whether it names itself as its issuer: a root, or a certificate that no authority issued.
    pub(super) fn is_self_issued(&self) -> bool {
        self.names_as_issuer(self)
    }

    /// Whether its authority key identifier is `issuer`'s subject key identifier; `None` where one
    /// of them is missing.
    pub(super) fn identifies_as_issuer(&self, issuer: &Self) -> Option<bool> {
        Some(self.authority_key_id.as_ref()? == issuer.subject_key_id.as_ref()?)
    }

    /// Whether `issuer`'s key made its signature.
    pub(super) fn signed_by(&self, issuer: &Self) -> Signed {
        let (Some(scheme), Some(key), Ok(outer)) =
            (self.scheme, &issuer.public, Outer::read(&self.der))
        else {
            return Signed::Unverifiable;
        };
        if key.verify(scheme, outer.tbs, outer.signature.raw_bytes()) {
            Signed::Right
        } else {
            Signed::Wrong
        }
    }

    /// Whether it is its own issuer, as roots are.
    pub fn is_self_signed(&self) -> bool {
        self.is_self_issued()
            && match self.signed_by(self) {
                Signed::Right => true,
                Signed::Wrong => false,
                Signed::Unverifiable => self.identifies_as_issuer(self) != Some(false),
            }
    }
}

/// Certificate (RFC 5280 section 4.1): the bytes that are signed, and how.
struct Outer<'a> {
    tbs: &'a [u8],
    algorithm: AlgorithmIdentifierRef<'a>,
    signature: BitStringRef<'a>,
}

impl<'a> Outer<'a> {
    fn read(der: &'a [u8]) -> der::Result<Self> {
        let mut reader = SliceReader::new(der)?;
        let outer = reader.sequence(|parts| {
            let tbs = parts.tlv_bytes()?;
            der::Result::Ok(Self {
                tbs,
                algorithm: parts.decode()?,
                signature: parts.decode()?,
            })
        })?;
        reader.finish()?;
        Ok(outer)
    }
}

/// TBSCertificate (RFC 5280 section 4.1). Not that of `x509-cert`, which refuses what real
/// certificates contain: other versions, long serial numbers, names with UniversalString.
#[derive(Sequence)]
struct Tbs<'a> {
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    version: Option<AnyRef<'a>>,
    serial_number: AnyRef<'a>,
    signature: AnyRef<'a>,
    issuer: AnyRef<'a>,
    validity: Validity,
    subject: AnyRef<'a>,
    key: SubjectPublicKeyInfoRef<'a>,
    #[asn1(context_specific = "1", tag_mode = "IMPLICIT", optional = "true")]
    issuer_unique_id: Option<BitStringRef<'a>>,
    #[asn1(context_specific = "2", tag_mode = "IMPLICIT", optional = "true")]
    subject_unique_id: Option<BitStringRef<'a>>,
    #[asn1(context_specific = "3", tag_mode = "EXPLICIT", optional = "true")]
    extensions: Option<Vec<Extension>>,
}

impl Tbs<'_> {
    fn extension(&self, oid: ObjectIdentifier) -> Option<&[u8]> {
        let found = self
            .extensions
            .as_ref()?
            .iter()
            .find(|extension| extension.extn_id == oid)?;
        Some(found.extn_value.as_bytes())
    }

    fn subject_key_id(&self) -> Option<Vec<u8>> {
        let id = <&OctetStringRef>::from_der(self.extension(ID_CE_SUBJECT_KEY_IDENTIFIER)?).ok()?;
        Some(id.as_bytes().to_vec())
    }

    fn authority_key_id(&self) -> Option<Vec<u8>> {
        let authority =
            AuthorityKeyIdentifier::from_der(self.extension(ID_CE_AUTHORITY_KEY_IDENTIFIER)?)
                .ok()?;
        Some(authority.key_identifier?.as_bytes().to_vec())
    }
}

/// dNSName `[2]` and iPAddress `[7]` of GeneralNames; the others, and what is malformed, are passed
/// over.
fn alternative_names(der: &[u8]) -> Vec<String> {
    let names: Vec<AnyRef<'_>> = Decode::from_der(der).unwrap_or_default();
    let text = |name: &AnyRef<'_>| match name.tag() {
        Tag::ContextSpecific {
            number: TagNumber(2),
            ..
        } => Some(String::from_utf8_lossy(name.value()).into_owned()),
        Tag::ContextSpecific {
            number: TagNumber(7),
            ..
        } => ip_address(name.value()),
        _ => None,
    };
    names.iter().filter_map(text).collect()
}

fn ip_address(bytes: &[u8]) -> Option<String> {
    let v4 = <[u8; 4]>::try_from(bytes).map(|octets| Ipv4Addr::from(octets).to_string());
    v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(|octets| Ipv6Addr::from(octets).to_string()))
        .ok()
}

/// Letters, digits, `-` and `_` between dots, in front perhaps `*.`.
fn looks_like_host(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let host = name.strip_prefix("*.").unwrap_or(name);
    host.len() <= 253
        && host
            .split('.')
            .all(|label| !label.is_empty() && label.chars().all(allowed))
}

fn thumbprint(der: &[u8]) -> String {
    HEXUPPER.encode(&Sha1::digest(der))
}

/// `99991231235959Z`, which says "never" (RFC 5280 section 4.1.2.5), lies beyond what a timestamp
/// holds.
fn timestamp(time: Time) -> Timestamp {
    let seconds = i64::try_from(time.to_unix_duration().as_secs()).unwrap_or(i64::MAX);
    Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use rcgen::{DnType, DnValue, SanType};

    use super::super::fixtures::{Issued, RSA, host, openssl_certificate, openssl_key};
    use super::*;

    fn certificate(params: &rcgen::CertificateParams) -> Certificate {
        let key = rcgen::KeyPair::generate().unwrap();
        Certificate::parse(params.self_signed(&key).unwrap().der().to_vec()).unwrap()
    }

    fn openssl_ec(options: &[&str]) -> Certificate {
        let key = openssl_key(&["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]);
        Certificate::parse(openssl_certificate(&key, options)).unwrap()
    }

    #[test]
    fn a_certificate_stands_by_its_first_and_its_last_second() {
        let mut params = host("www.example.com");
        (params.not_before, params.not_after) = (
            rcgen::date_time_ymd(2026, 1, 1),
            rcgen::date_time_ymd(2026, 7, 1),
        );
        let certificate = certificate(&params);
        for (now, remaining, valid) in [
            ("2025-12-31T23:59:59Z", Remaining::NotYet, false),
            ("2026-01-01T00:00:00Z", Remaining::Long, true),
            ("2026-06-20T00:00:00Z", Remaining::Days(11), true),
            ("2026-07-01T00:00:00Z", Remaining::Days(0), true),
            ("2026-07-01T00:00:01Z", Remaining::Over, false),
        ] {
            let at = now.parse().unwrap();
            assert_eq!(
                (certificate.remaining(at), certificate.is_valid(at)),
                (remaining, valid),
                "{now}"
            );
        }
    }

    #[test]
    fn what_is_valid_comes_before_what_an_authority_issued_and_that_before_what_is_later() {
        let root = Issued::root("Root");
        let issued = Certificate::parse(root.host("www.example.com").der.clone()).unwrap();
        let own = |first: i32, last: i32| {
            let mut params = host("www.example.com");
            (params.not_before, params.not_after) = (
                rcgen::date_time_ymd(first, 2, 1),
                rcgen::date_time_ymd(last, 2, 1),
            );
            certificate(&params)
        };
        let now = super::super::fixtures::now();
        let (later, earlier, ended) = (own(2026, 2036), own(2020, 2036), own(2020, 2021));
        let newer =
            [&issued, &later, &earlier, &ended].map(|certificate| certificate.rank("", now));
        assert!(newer.is_sorted_by(|a, b| a > b), "{newer:?}");
    }

    #[test]
    fn names_and_addresses_come_from_the_extension() {
        let mut params = host("www.example.com");
        params
            .subject_alt_names
            .push(SanType::DnsName("*.example.com".try_into().unwrap()));
        params
            .subject_alt_names
            .push(SanType::IpAddress("192.0.2.7".parse().unwrap()));
        params
            .subject_alt_names
            .push(SanType::IpAddress("2001:db8::1".parse().unwrap()));
        params
            .subject_alt_names
            .push(SanType::Rfc822Name("a@example.com".try_into().unwrap()));
        params
            .distinguished_name
            .push(DnType::CommonName, "Web server");
        let certificate = certificate(&params);
        assert_eq!(
            certificate.dns_names(),
            [
                "www.example.com",
                "*.example.com",
                "192.0.2.7",
                "2001:db8::1"
            ]
        );
        assert_eq!(certificate.common_name(), Some("Web server"));
        assert_eq!(certificate.display_name(), "www.example.com");
        assert_eq!(certificate.key_type(), "ECDSA P-256");
    }

    #[test]
    fn without_the_extension_a_common_name_counts_if_it_could_be_a_hosts() {
        for (common_name, expected) in [
            ("*.example.com", vec!["*.example.com"]),
            ("server8", vec!["server8"]),
            ("Example Web Server", vec![]),
            ("a..b", vec![]),
        ] {
            let mut params = host("unused");
            params.subject_alt_names.clear();
            params
                .distinguished_name
                .push(DnType::CommonName, common_name);
            let certificate = certificate(&params);
            assert_eq!(certificate.dns_names(), expected);
            assert_eq!(certificate.display_name(), common_name);
        }
    }

    #[test]
    fn there_is_always_a_name_to_show() {
        let mut params = host("unused");
        params.subject_alt_names.clear();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(
            DnType::OrganizationName,
            DnValue::BmpString("例え".try_into().unwrap()),
        );
        assert_eq!(certificate(&params).display_name(), "例え");
        params.distinguished_name = rcgen::DistinguishedName::new();
        let nameless = certificate(&params);
        assert_eq!(nameless.display_name(), nameless.thumbprint());
    }

    #[test]
    fn times_are_exact_and_never_is_the_last_moment_there_is() {
        let mut params = host("a");
        params.not_before = rcgen::date_time_ymd(2049, 12, 31);
        params.not_after = rcgen::date_time_ymd(9999, 12, 31);
        let certificate = certificate(&params);
        assert_eq!(
            certificate.not_before(),
            "2049-12-31T00:00:00Z".parse::<Timestamp>().unwrap()
        );
        assert_eq!(certificate.not_after(), Timestamp::MAX);
    }

    #[test]
    fn digests_are_those_of_openssl() {
        let folder = tempfile::tempdir().unwrap();
        let der = Issued::self_signed("a").der;
        std::fs::write(folder.path().join("crt"), &der).unwrap();
        let certificate = Certificate::parse(der).unwrap();
        let shown = |digest: &str| {
            let arguments = [
                "x509",
                "-inform",
                "DER",
                "-in",
                "crt",
                "-noout",
                "-fingerprint",
                digest,
            ];
            let run = std::process::Command::new("openssl")
                .current_dir(folder.path())
                .args(arguments)
                .output();
            String::from_utf8(run.unwrap().stdout)
                .unwrap()
                .trim()
                .rsplit('=')
                .next()
                .unwrap()
                .replace(':', "")
        };
        assert_eq!(certificate.thumbprint(), shown("-sha1"));
        assert_eq!(HEXUPPER.encode(&certificate.sha256()), shown("-sha256"));
    }

    #[test]
    fn every_signature_algorithm_is_verified() {
        let ec = |curve: &str| {
            openssl_key(&[
                "-algorithm",
                "EC",
                "-pkeyopt",
                &format!("ec_paramgen_curve:{curve}"),
            ])
        };
        let rsa = &RSA[0];
        let pss: [&str; 4] = [
            "-sigopt",
            "rsa_padding_mode:pss",
            "-sigopt",
            "rsa_pss_saltlen:20",
        ];
        let cases: Vec<(Vec<u8>, Vec<&str>)> = vec![
            (rsa.clone(), vec!["-sha1"]),
            (rsa.clone(), vec!["-sha256"]),
            (rsa.clone(), vec!["-sha384"]),
            (rsa.clone(), vec!["-sha512"]),
            (rsa.clone(), [&["-sha256"], &pss[..]].concat()),
            (rsa.clone(), [&["-sha512"], &pss[..2]].concat()),
            (rsa.clone(), [&["-sha1"], &pss[..]].concat()),
            (ec("P-256"), vec!["-sha1"]),
            (ec("P-256"), vec!["-sha512"]),
            (ec("P-384"), vec!["-sha256"]),
            (ec("P-521"), vec!["-sha256"]),
            (ec("P-521"), vec!["-sha512"]),
            (openssl_key(&["-algorithm", "ED25519"]), vec![]),
        ];
        for (key, options) in cases {
            let certificate = Certificate::parse(openssl_certificate(&key, &options)).unwrap();
            assert_eq!(
                certificate.signed_by(&certificate),
                Signed::Right,
                "{} {options:?}",
                certificate.key_type()
            );
            assert_eq!(
                certificate.weak_hash().is_some(),
                options.contains(&"-sha1"),
                "{options:?}"
            );
            let mut der = certificate.der().to_vec();
            *der.last_mut().unwrap() ^= 1;
            let damaged = Certificate::parse(der).unwrap();
            assert_eq!(
                damaged.signed_by(&certificate),
                Signed::Wrong,
                "{} {options:?}",
                certificate.key_type()
            );
        }
    }

    #[test]
    fn what_cannot_be_verified_is_not_called_wrong() {
        let md5 = Certificate::parse(openssl_certificate(&RSA[0], &["-md5"])).unwrap();
        assert_eq!(md5.signed_by(&md5), Signed::Unverifiable);
        assert_eq!(md5.weak_hash(), Some("MD5"));
        assert!(md5.is_self_signed());
        let key = openssl_key(&[
            "-algorithm",
            "EC",
            "-pkeyopt",
            "ec_paramgen_curve:brainpoolP256r1",
        ]);
        let odd = Certificate::parse(openssl_certificate(&key, &[])).unwrap();
        assert_eq!(odd.signed_by(&odd), Signed::Unverifiable);
        assert_eq!(odd.key_type(), "ECDSA brainpoolP256r1");
    }

    #[test]
    fn odd_certificates_are_read() {
        let serial = format!("0x{}", "7f".repeat(30));
        assert_eq!(
            openssl_ec(&["-set_serial", &serial]).common_name(),
            Some("www.example.com"),
            "long serial number"
        );
        assert_eq!(
            openssl_ec(&["-set_serial", "-5"]).common_name(),
            Some("www.example.com"),
            "negative serial number"
        );
        let versioned = openssl_ec(&[]).der().to_vec();
        let at = versioned
            .windows(5)
            .position(|bytes| bytes == [0xa0, 3, 2, 1, 2])
            .unwrap();
        let mut unknown = versioned;
        unknown[at + 4] = 9;
        assert!(Certificate::parse(unknown).is_ok(), "unknown version");
        let mut universal = openssl_ec(&["-subj", "/CN=wxyz"]).der().to_vec();
        while let Some(at) = universal
            .windows(6)
            .position(|bytes| bytes == b"\x0c\x04wxyz")
        {
            universal[at..at + 6].copy_from_slice(b"\x1c\x04\0\0\x4f\x8b");
        }
        assert_eq!(
            Certificate::parse(universal).unwrap().common_name(),
            Some("例"),
            "UniversalString"
        );
    }

    #[test]
    fn what_is_no_certificate_is_malformed_and_never_a_panic() {
        let der = Issued::self_signed("a").der;
        for end in 0..der.len() {
            assert_eq!(
                Certificate::parse(der[..end].to_vec()).unwrap_err(),
                KeyPairError::MalformedCertificate
            );
        }
        for at in 0..der.len() {
            let mut changed = der.clone();
            changed[at] ^= 0x81;
            let _ = Certificate::parse(changed).map(|certificate| certificate.is_self_signed());
        }
        let longer = [&der[..], b"\0"].concat();
        assert_eq!(
            Certificate::parse(longer).unwrap_err(),
            KeyPairError::MalformedCertificate
        );
    }
}
