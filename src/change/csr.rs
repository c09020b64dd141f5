//! A request for a certificate: a new key, the CSR (PKCS#10, RFC 2986) for the authority, and the
//! stand-in certificate by which Windows finds the key again when the answer comes.

use rcgen::{CertificateParams, DistinguishedName, DnType, DnValue, PublicKeyData, SigningKey};
use rsa::pkcs1::EncodeRsaPublicKey;
use rsa::pkcs8::EncodePrivateKey;

use crate::keypair::{PrivateKey, ascii_host};
use secret::SecretBytes;
use vault::lines::day_of;

/// Bits of a new key: what every authority takes and every Windows handles.
const BITS: usize = 2048;
/// RFC 5280 appendix A.1, `ub-common-name`.
const LONGEST_COMMON_NAME: usize = 64;
/// RFC 1035 section 2.3.4.
const LONGEST_HOST: usize = 253;
const LONGEST_LABEL: usize = 63;

/// A request that nobody has seen yet. Its key is used for no other.
#[derive(Debug)]
pub struct SigningRequest {
    /// The key, PKCS#8.
    pub pkcs8: SecretBytes,
    /// The CSR in PEM, with line ends as Windows writes them.
    pub csr: String,
    /// A certificate for the same names, signed by the key itself.
    pub stand_in: Vec<u8>,
}

/// A part of the subject beside the common name, as IIS Manager asks for it (X.520).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SubjectPart {
    /// `C`: two letters (ISO 3166).
    Country,
    /// `ST`.
    Province,
    /// `L`.
    Locality,
    /// `O`.
    Organization,
    /// `OU`.
    OrganizationalUnit,
}

impl SubjectPart {
    /// What people call it.
    pub fn short(self) -> &'static str {
        match self {
            Self::Country => "C",
            Self::Province => "ST",
            Self::Locality => "L",
            Self::Organization => "O",
            Self::OrganizationalUnit => "OU",
        }
    }

    /// What was typed, as a certificate has it; `None` where it cannot be that part. The bounds are
    /// those of RFC 5280 appendix A.1.
    pub fn value(self, typed: &str) -> Option<String> {
        let value = typed.trim();
        let longest = match self {
            Self::Country => {
                let is_code =
                    value.len() == 2 && value.bytes().all(|byte| byte.is_ascii_alphabetic());
                return is_code.then(|| value.to_ascii_uppercase());
            }
            Self::Province | Self::Locality => 128,
            Self::Organization | Self::OrganizationalUnit => 64,
        };
        let fits =
            (1..=longest).contains(&value.chars().count()) && !value.chars().any(char::is_control);
        fits.then(|| value.to_owned())
    }

    fn kind(self) -> DnType {
        match self {
            Self::Country => DnType::CountryName,
            Self::Province => DnType::StateOrProvinceName,
            Self::Locality => DnType::LocalityName,
            Self::Organization => DnType::OrganizationName,
            Self::OrganizationalUnit => DnType::OrganizationalUnitName,
        }
    }
}

/// Makes a key and what goes with it, for host names as [`host_name`] gives them, the first of
/// which is also the common name, and for further parts of the subject as [`SubjectPart::value`] gives
/// them.
///
/// # Errors
/// When the system has no random numbers, or the library refuses a name.
pub fn new(
    names: &[String],
    subject: &[(SubjectPart, String)],
    now: jiff::Timestamp,
) -> Result<SigningRequest, rcgen::Error> {
    let unavailable = rcgen::Error::KeyGenerationUnavailable;
    let key =
        rsa::PrivateKey::new(&mut getrandom::SysRng, BITS).map_err(|_| unavailable.clone())?;
    let public = key
        .to_public_key()
        .to_pkcs1_der()
        .map_err(|_| unavailable.clone())?
        .into_vec();
    let pkcs8 = SecretBytes::copy_of(
        key.to_pkcs8_der()
            .map_err(|_| unavailable.clone())?
            .as_bytes(),
    );
    let key = PrivateKey::parse(pkcs8).map_err(|_| unavailable)?;
    let signer = Signer { key: &key, public };
    let params = params(names, subject, now)?;
    let csr = params.serialize_request(&signer)?.pem()?;
    let stand_in = params.self_signed(&signer)?.der().to_vec();
    Ok(SigningRequest {
        pkcs8: SecretBytes::copy_of(key.pkcs8().expose()),
        csr,
        stand_in,
    })
}

fn params(
    names: &[String],
    subject: &[(SubjectPart, String)],
    now: jiff::Timestamp,
) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(names.to_vec())?;
    params.distinguished_name = DistinguishedName::new();
    for (part, value) in subject {
        // RFC 5280 appendix A.1: countryName is a PrintableString; all others are UTF8String.
        let value = match part {
            SubjectPart::Country => DnValue::PrintableString(value.as_str().try_into()?),
            _ => DnValue::Utf8String(value.clone()),
        };
        params.distinguished_name.push(part.kind(), value);
    }
    if let Some(name) = common_name(names) {
        params.distinguished_name.push(DnType::CommonName, name);
    }
    // A year, as Windows gives its own. Nobody checks it.
    let today = day_of(now);
    let date = |day: jiff::civil::Date| {
        rcgen::date_time_ymd(day.year().into(), day.month() as u8, day.day() as u8)
    };
    params.not_before = date(today);
    params.not_after = date(today.saturating_add(jiff::Span::new().years(1)));
    Ok(params)
}

/// The common name: the first host name, if it is not too long for one.
pub fn common_name(names: &[String]) -> Option<&str> {
    names
        .first()
        .map(String::as_str)
        .filter(|name| name.len() <= LONGEST_COMMON_NAME)
}

/// The new key, for the library that puts the request together. It never gets to see the private
/// half.
struct Signer<'a> {
    key: &'a PrivateKey,
    /// `RSAPublicKey` (RFC 8017 appendix A.1.1), DER.
    public: Vec<u8>,
}

impl PublicKeyData for Signer<'_> {
    fn der_bytes(&self) -> &[u8] {
        &self.public
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        &rcgen::PKCS_RSA_SHA256
    }
}

impl SigningKey for Signer<'_> {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        self.key.sign(message).ok_or(rcgen::Error::RemoteKeyError)
    }
}

/// A host name as a certificate has it: lower-case, `*.` for a wildcard also if it is typed `_.`.
/// Other alphabets in their ASCII form. `None` if it is none: an address, a name without a dot.
pub fn host_name(typed: &str) -> Option<String> {
    let name = ascii_host(typed.trim().trim_end_matches('.')).into_owned();
    let name = match name.strip_prefix("_.") {
        Some(domain) => format!("*.{domain}"),
        None => name,
    };
    let domain = name.strip_prefix("*.").unwrap_or(&name);
    let fits = |label: &str| {
        let inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        (1..=LONGEST_LABEL).contains(&label.len())
            && label.bytes().all(inner)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let top = domain.rsplit('.').next().unwrap_or_default();
    let is_address = top.bytes().all(|byte| byte.is_ascii_digit());
    let is_host = name.len() <= LONGEST_HOST
        && domain.contains('.')
        && domain.split('.').all(fits)
        && !is_address;
    is_host.then_some(name)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::iis::{blob, public_key};
    use crate::keypair::Certificate;

    #[test]
    fn a_request_names_every_host_and_is_signed_by_the_key_of_its_stand_in() {
        let now = "2026-11-25T00:00:00Z".parse().unwrap();
        let names = ["www.example.com".to_owned(), "*.example.com".to_owned()];
        let request = new(&names, &subject(), now).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("request.txt");
        std::fs::write(&path, &request.csr).unwrap();
        let openssl = Command::new("openssl")
            .args(["req", "-verify", "-noout", "-text", "-in"])
            .arg(&path)
            .output();
        let openssl = openssl.unwrap();
        let told = String::from_utf8_lossy(&[openssl.stdout, openssl.stderr].concat()).into_owned();
        let subject = "Subject: C = JP, ST = Tokyo, L = Chiyoda-ku, O = Example K.K., OU = Web, CN = www.example.com";
        for expected in [
            "verify OK",
            subject,
            "DNS:www.example.com, DNS:*.example.com",
            "2048 bit",
        ] {
            assert!(told.contains(expected), "{expected}: {told}");
        }
        let stand_in = Certificate::parse(request.stand_in.clone()).unwrap();
        let key = PrivateKey::parse(request.pkcs8).unwrap();
        assert_eq!(stand_in.dns_names(), names);
        assert_eq!(stand_in.spki_sha256(), key.spki_sha256());
        assert!(
            key.pkcs8().expose() != new(&names, &[], now).unwrap().pkcs8.expose(),
            "a key is never used twice"
        );
        assert!(blob::rsa_private_blob(key.pkcs8()).is_some());
        assert!(public_key(&request.stand_in).is_some());
    }

    fn subject() -> Vec<(SubjectPart, String)> {
        let parts = [
            (SubjectPart::Country, " jp"),
            (SubjectPart::Province, "Tokyo"),
            (SubjectPart::Locality, "Chiyoda-ku"),
            (SubjectPart::Organization, "Example K.K. "),
            (SubjectPart::OrganizationalUnit, "Web"),
        ];
        parts
            .map(|(part, typed)| (part, part.value(typed).unwrap()))
            .into()
    }

    #[test]
    fn the_country_is_a_printable_string_and_everything_else_utf8() {
        let subject = [
            (SubjectPart::Country, "JP".to_owned()),
            (SubjectPart::Organization, "株式会社サンプル".to_owned()),
        ];
        let request = new(
            &["www.example.com".to_owned()],
            &subject,
            jiff::Timestamp::UNIX_EPOCH,
        )
        .unwrap();
        let holds = |part: &[u8]| {
            request
                .stand_in
                .windows(part.len())
                .any(|window| window == part)
        };
        assert!(holds(b"\x55\x04\x06\x13\x02JP"), "PrintableString");
        assert!(
            holds(&[b"\x55\x04\x0a\x0c\x18", "株式会社サンプル".as_bytes()].concat()),
            "UTF8String"
        );
    }

    #[test]
    fn what_cannot_be_a_part_of_a_subject_is_refused() {
        let (long, longer) = ("あ".repeat(64), "あ".repeat(65));
        assert_eq!(
            SubjectPart::Organization.value(&long).as_deref(),
            Some(long.as_str()),
            "characters count, not bytes"
        );
        for (part, typed) in [
            (SubjectPart::Country, "JPN"),
            (SubjectPart::Country, "J1"),
            (SubjectPart::Country, "日本"),
            (SubjectPart::Organization, " "),
            (SubjectPart::Organization, &longer),
            (SubjectPart::Locality, "a\nb"),
        ] {
            assert_eq!(part.value(typed), None, "{typed}");
        }
    }

    #[test]
    fn a_name_too_long_for_the_common_name_is_still_requested() {
        let long = format!("{}.{}.example.com", "a".repeat(40), "b".repeat(40));
        let request = new(
            std::slice::from_ref(&long),
            &[],
            jiff::Timestamp::UNIX_EPOCH,
        )
        .unwrap();
        let stand_in = Certificate::parse(request.stand_in).unwrap();
        assert_eq!(
            (stand_in.common_name(), stand_in.dns_names()),
            (None, &[long][..])
        );
    }

    #[test]
    fn names_are_taken_as_people_type_them_and_what_is_no_host_name_is_not() {
        for (typed, name) in [
            ("www.example.com", "www.example.com"),
            (" WWW.Example.COM. ", "www.example.com"),
            ("_.example.com", "*.example.com"),
            ("*.example.com", "*.example.com"),
            ("xn--r8jz45g.jp", "xn--r8jz45g.jp"),
            ("例え.jp", "xn--r8jz45g.jp"),
            ("*.例え。jp", "*.xn--r8jz45g.jp"),
        ] {
            assert_eq!(host_name(typed).as_deref(), Some(name));
        }
        let long = format!("{}.com", "a".repeat(64));
        for typed in [
            "",
            "www",
            "192.0.2.1",
            "a..b",
            "-a.com",
            "例 え.jp",
            "a b.com",
            "www.*.com",
            "*.com.",
            "*",
            &long,
        ] {
            assert_eq!(host_name(typed), None, "{typed}");
        }
    }
}
