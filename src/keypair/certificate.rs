//! What a certificate says, read once. Read, not judged: what Windows serves sites with is to be
//! backed up, however it breaks RFC 5280.

use std::net::{Ipv4Addr, Ipv6Addr};

use const_oid::ObjectIdentifier;
use const_oid::db::rfc5280::{
    ID_CE_AUTHORITY_KEY_IDENTIFIER, ID_CE_BASIC_CONSTRAINTS, ID_CE_SUBJECT_ALT_NAME,
    ID_CE_SUBJECT_KEY_IDENTIFIER,
};
use data_encoding::HEXUPPER;
use jiff::Timestamp;
use pfx::Error;
use pfx::ber::{
    BIT_STRING, BOOLEAN, CONSTRUCTED, CONTEXT_0, Element, OCTET_STRING, OID, Reader, SEQUENCE,
};
use sha1::Sha1;
use sha2::{Digest, Sha256};

use super::algorithm::{Algorithm, VerifyScheme, key_algorithm_name, weak_hash};
use super::host::ascii_host;
use super::key::PrivateKey;
use super::public::CertifiedKey;
use super::{KeyPairError, name, time};
use crate::message::{UNREAD_BEGIN, UNREAD_END};

/// `[3] EXPLICIT`: the extensions.
const CONTEXT_3: u8 = 0xa3;
/// `[0] IMPLICIT`: the key identifier in an AuthorityKeyIdentifier.
const KEY_IDENTIFIER: u8 = 0x80;
/// `[2] IMPLICIT` and `[7] IMPLICIT`: a GeneralName's dNSName and iPAddress.
const DNS_NAME: u8 = 0x82;
const IP_ADDRESS: u8 = 0x87;

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
    is_authority: bool,
    is_whole: bool,
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
    /// Reads a certificate of any version. Octets after it are none of its.
    ///
    /// # Errors
    /// [`KeyPairError::MalformedCertificate`].
    pub fn parse(der: Vec<u8>) -> Result<Self, KeyPairError> {
        Self::read(der).map_err(|_| KeyPairError::MalformedCertificate)
    }

    fn read(mut der: Vec<u8>) -> Result<Self, Error> {
        let length = Reader::new(&der).expect(SEQUENCE)?.whole.len();
        der.truncate(length);
        let outer = Outer::read(&der)?;
        let tbs = Tbs::read(outer.tbs)?;
        let algorithm = tbs.key.algorithm;
        let public = CertifiedKey::parse(&algorithm, tbs.key.bits);
        let key_type = match &public {
            Some(key) => key.name(),
            None => key_algorithm_name(&algorithm),
        };
        let common_name = name::common_name(tbs.subject);
        let dns_names = match tbs.extension(ID_CE_SUBJECT_ALT_NAME) {
            Some(names) => alternative_names(names),
            None => host_of(common_name.as_deref()),
        };
        let title = dns_names
            .first()
            .cloned()
            .or_else(|| name::title(tbs.subject));
        let [not_before, not_after] = tbs.validity;
        Ok(Self {
            scheme: VerifyScheme::of(&outer.algorithm),
            weak_hash: weak_hash(&outer.algorithm),
            spki_sha256: Sha256::digest(tbs.key.whole).into(),
            public,
            key_type,
            subject: tbs.subject.to_vec(),
            issuer: tbs.issuer.to_vec(),
            subject_key_id: tbs.subject_key_id(),
            authority_key_id: tbs.authority_key_id(),
            dns_names,
            common_name,
            display_name: title.unwrap_or_else(|| thumbprint(&der)),
            not_before: not_before.unwrap_or(UNREAD_BEGIN),
            not_after: not_after.unwrap_or(UNREAD_END),
            is_authority: tbs.is_authority(),
            is_whole: not_before.is_some() && not_after.is_some(),
            der,
        })
    }

    /// What cannot be read as a certificate. With a key whose public half is in it, it is a key pair
    /// all the same; without one it is kept as it is. Its name and its times are looked for in its
    /// octets.
    pub(super) fn unread(der: &[u8], key: Option<&PrivateKey>) -> Self {
        let common_name = last_common_name(der);
        let dns_names = match value_of(der, ID_CE_SUBJECT_ALT_NAME) {
            Some(names) => alternative_names(names),
            None => host_of(common_name.as_deref()),
        };
        let title = dns_names.first().or(common_name.as_ref()).cloned();
        let [not_before, not_after] = times_in(der);
        Self {
            der: der.to_vec(),
            scheme: None,
            weak_hash: None,
            spki_sha256: key.map_or([0; 32], PrivateKey::spki_sha256),
            public: key.map(|key| key.public().clone()),
            key_type: key.map_or_else(String::new, PrivateKey::key_type),
            subject: Vec::new(),
            issuer: Vec::new(),
            subject_key_id: None,
            authority_key_id: None,
            dns_names,
            common_name,
            display_name: title.unwrap_or_else(|| thumbprint(der)),
            not_before: not_before.unwrap_or(UNREAD_BEGIN),
            not_after: not_after.unwrap_or(UNREAD_END),
            is_authority: false,
            is_whole: false,
        }
    }

    /// A name in what cannot be read as a certificate.
    pub(super) fn name_in(octets: &[u8]) -> Option<String> {
        let names = value_of(octets, ID_CE_SUBJECT_ALT_NAME).map(alternative_names);
        let first = names.and_then(|names| names.into_iter().next());
        first.or_else(|| last_common_name(octets))
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

    /// Last second of validity; [`UNREAD_END`] where it cannot be read.
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

    /// Whether all that is needed of it could be read.
    pub(super) fn is_whole(&self) -> bool {
        self.is_whole
    }

    /// Whether it says that it may issue others; one of version 1, which cannot say so, if it is
    /// its own issuer.
    pub fn is_authority(&self) -> bool {
        self.is_authority
    }

    /// Whether a server may use it: it is no authority's, or has host names all the same.
    pub fn is_of_server(&self) -> bool {
        !self.is_authority || !self.dns_names().is_empty()
    }

    /// The subject's name, DER; empty where it could not be read.
    pub(crate) fn subject(&self) -> &[u8] {
        &self.subject
    }

    /// The issuer's name, DER; empty where it could not be read.
    pub(crate) fn issuer(&self) -> &[u8] {
        &self.issuer
    }

    /// Its SubjectPublicKeyInfo as it stands in it; `None` where it could not be read.
    pub(crate) fn public_key_info(&self) -> Option<&[u8]> {
        let outer = Outer::read(&self.der).ok()?;
        Some(Tbs::read(outer.tbs).ok()?.key.whole)
    }

    /// Whether it has any of these extensions.
    pub(super) fn has_any(&self, extensions: &[ObjectIdentifier]) -> bool {
        let outer = Outer::read(&self.der);
        let tbs = outer.and_then(|outer| Tbs::read(outer.tbs));
        tbs.is_ok_and(|tbs| extensions.iter().any(|one| tbs.extension(*one).is_some()))
    }

    /// The bits of its public key, of whatever kind.
    pub(super) fn public_bits(&self) -> Option<&[u8]> {
        let outer = Outer::read(&self.der).ok()?;
        Some(Tbs::read(outer.tbs).ok()?.key.bits)
    }

    /// Whether it names `issuer` as its issuer. Names are compared as bytes, as Windows does.
    pub(super) fn names_as_issuer(&self, issuer: &Self) -> bool {
        !self.issuer.is_empty() && self.issuer == issuer.subject
    }

    /// Whether it names itself as its issuer: a root, or a certificate that no authority issued.
    pub(crate) fn is_self_issued(&self) -> bool {
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
        if key.verify(scheme, outer.tbs.whole, outer.signature) {
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

/// Certificate (RFC 5280 section 4.1): what is signed, and how.
struct Outer<'a> {
    tbs: Element<'a>,
    algorithm: Algorithm<'a>,
    signature: &'a [u8],
}

impl<'a> Outer<'a> {
    fn read(der: &'a [u8]) -> Result<Self, Error> {
        let mut parts = Reader::new(der).sequence()?;
        let tbs = parts.expect(SEQUENCE)?;
        let algorithm = Algorithm::read(&mut parts)?;
        let signature = parts.expect(BIT_STRING)?;
        Ok(Self {
            tbs,
            algorithm,
            // Of one that cannot be read, nothing is said.
            signature: signature.bits().unwrap_or_default(),
        })
    }
}

/// TBSCertificate (RFC 5280 section 4.1), of which only this much is looked at: not its version, its
/// serial number, or what follows the extensions.
struct Tbs<'a> {
    has_version: bool,
    issuer: &'a [u8],
    validity: [Option<Timestamp>; 2],
    subject: &'a [u8],
    key: PublicKeyInfo<'a>,
    extensions: Vec<(pfx::Oid<'a>, &'a [u8])>,
}

/// SubjectPublicKeyInfo (RFC 5280 section 4.1.2.7).
struct PublicKeyInfo<'a> {
    whole: &'a [u8],
    algorithm: Algorithm<'a>,
    bits: &'a [u8],
}

impl<'a> Tbs<'a> {
    fn read(tbs: Element<'a>) -> Result<Self, Error> {
        let mut fields = tbs.reader();
        let has_version = fields.optional(CONTEXT_0)?.is_some();
        let _serial_number = fields.next()?;
        let _signature = fields.expect(SEQUENCE)?;
        Ok(Self {
            has_version,
            issuer: fields.expect(SEQUENCE)?.whole,
            validity: time::validity(fields.sequence()?),
            subject: fields.expect(SEQUENCE)?.whole,
            key: PublicKeyInfo::read(fields.expect(SEQUENCE)?)?,
            extensions: extensions(fields),
        })
    }

    fn extension(&self, wanted: ObjectIdentifier) -> Option<&'a [u8]> {
        let mut found = self.extensions.iter();
        found
            .find(|(name, _)| *name == wanted)
            .map(|(_, value)| *value)
    }

    fn subject_key_id(&self) -> Option<Vec<u8>> {
        let mut value = Reader::new(self.extension(ID_CE_SUBJECT_KEY_IDENTIFIER)?);
        Some(value.octets().ok()?.to_vec())
    }

    fn authority_key_id(&self) -> Option<Vec<u8>> {
        let value = self.extension(ID_CE_AUTHORITY_KEY_IDENTIFIER)?;
        let mut fields = Reader::new(value).sequence().ok()?;
        Some(fields.optional(KEY_IDENTIFIER).ok()??.body.to_vec())
    }

    /// BasicConstraints (RFC 5280 section 4.2.1.9): TRUE is any octet but zero in BER.
    fn is_authority(&self) -> bool {
        let Some(value) = self.extension(ID_CE_BASIC_CONSTRAINTS) else {
            return !self.has_version && self.issuer == self.subject;
        };
        let flag = Reader::new(value)
            .sequence()
            .and_then(|mut fields| fields.optional(BOOLEAN));
        matches!(flag, Ok(Some(flag)) if flag.body.iter().any(|octet| *octet != 0))
    }
}

impl<'a> PublicKeyInfo<'a> {
    fn read(info: Element<'a>) -> Result<Self, Error> {
        let mut parts = info.reader();
        let algorithm = Algorithm::read(&mut parts)?;
        Ok(Self {
            whole: info.whole,
            algorithm,
            bits: parts.next()?.bits()?,
        })
    }
}

/// The extensions (RFC 5280 section 4.2) as far as they can be read: names and values.
fn extensions(mut fields: Reader<'_>) -> Vec<(pfx::Oid<'_>, &[u8])> {
    let mut found = Vec::new();
    while let Ok(field) = fields.next() {
        if field.tag == CONTEXT_3
            && let Ok(mut list) = field.reader().sequence()
        {
            while let Ok(extension) = list.next() {
                found.extend(extension_of(extension.reader()));
            }
        }
    }
    found
}

/// `SEQUENCE { extnID, critical BOOLEAN DEFAULT FALSE, extnValue OCTET STRING }`
fn extension_of(mut parts: Reader<'_>) -> Option<(pfx::Oid<'_>, &[u8])> {
    let name = parts.oid().ok()?;
    Some((name, extension_value(parts)?))
}

fn extension_value(mut parts: Reader<'_>) -> Option<&[u8]> {
    parts.optional(BOOLEAN).ok()?;
    Some(parts.expect(OCTET_STRING).ok()?.body)
}

/// The value of the first extension of this name, wherever it stands in octets that cannot be read.
fn value_of(octets: &[u8], wanted: ObjectIdentifier) -> Option<&[u8]> {
    let after = after_each(octets, wanted).into_iter();
    after
        .filter_map(|rest| extension_value(Reader::new(rest)))
        .next()
}

/// The last common name in octets that cannot be read: the subject stands after the issuer.
fn last_common_name(octets: &[u8]) -> Option<String> {
    let after = after_each(octets, const_oid::db::rfc4519::CN).into_iter();
    let strings = after.filter(|rest| rest.first().is_some_and(|tag| tag & CONSTRUCTED == 0));
    let texts = strings.filter_map(|rest| Reader::new(rest).next().ok());
    texts.map(name::text).next_back()
}

/// What follows each place at which an object identifier is named.
fn after_each(octets: &[u8], name: ObjectIdentifier) -> Vec<&[u8]> {
    let name = name.as_bytes();
    let length = u8::try_from(name.len()).unwrap_or(u8::MAX);
    let encoded = [&[OID, length], name].concat();
    let places = octets.windows(encoded.len()).enumerate();
    let places = places.filter(|(_, window)| *window == encoded);
    places
        .map(|(at, _)| &octets[at + encoded.len()..])
        .collect()
}

/// The first two times that stand beside each other in octets that cannot be read.
fn times_in(octets: &[u8]) -> [Option<Timestamp>; 2] {
    let mut starts = (0..octets.len()).map(|at| &octets[at..]);
    let found = starts.find_map(time::two_times);
    found.map_or([None; 2], |times| times.map(Some))
}

/// dNSName and iPAddress of GeneralNames (RFC 5280 section 4.2.1.6); the others, and what is
/// malformed, are passed over.
fn alternative_names(der: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    let Ok(mut names) = Reader::new(der).sequence() else {
        return found;
    };
    while let Ok(name) = names.next() {
        match name.tag {
            DNS_NAME => found.push(String::from_utf8_lossy(name.body).into_owned()),
            IP_ADDRESS => found.extend(ip_address(name.body)),
            _ => {}
        }
    }
    found
}

/// A common name that could be a host's, where no extension names any.
fn host_of(common_name: Option<&str>) -> Vec<String> {
    let host = common_name.filter(|name| looks_like_host(name));
    host.map(str::to_owned).into_iter().collect()
}

fn ip_address(bytes: &[u8]) -> Option<String> {
    let v4 = <[u8; 4]>::try_from(bytes).map(|octets| Ipv4Addr::from(octets).to_string());
    v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(|octets| Ipv6Addr::from(octets).to_string()))
        .ok()
}

/// Letters, digits, `-` and `_` between dots, in front perhaps `*.`; letters of other languages as
/// their A-labels.
fn looks_like_host(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let name = ascii_host(name);
    let host = name.strip_prefix("*.").unwrap_or(&name);
    host.len() <= 253
        && host
            .split('.')
            .all(|label| !label.is_empty() && label.chars().all(allowed))
}

fn thumbprint(der: &[u8]) -> String {
    HEXUPPER.encode(&Sha1::digest(der))
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
        let longer = [&der[..], b"\r\n\0"].concat();
        assert_eq!(Certificate::parse(longer).unwrap().der(), der);
    }
}
