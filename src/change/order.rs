//! What a change of bindings would put in the place of what: something that stands lower ("older",
//! expired) replaces something higher only where the user named it. Shared by all that changes
//! bindings. Pure.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;

use crate::error::{Error, Result};
use crate::iis::{Snapshot, StoreEntry};
use crate::keypair::{Certificate, Lower};
use crate::message::{Text, day};
use crate::text;

/// The certificates that a plan speaks of, and which of them may be replaced by lower ones.
pub struct Order {
    /// Those here and those that come, by thumbprint.
    certificates: HashMap<String, Named>,
    /// Thumbprints of certificates here that the user named to be replaced, whatever comes.
    agreed: HashSet<String>,
    now: Timestamp,
}

/// A certificate with what people call it.
struct Named {
    certificate: Certificate,
    name: String,
}

/// A certificate that stands higher than what would replace it.
#[derive(Debug)]
pub struct Higher {
    /// The one that serves now.
    pub serves: CertificateLabel,
    /// Why the other one stands lower.
    pub lower: Lower,
}

/// A certificate as people are told of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CertificateLabel {
    /// Its friendly name, else its first host name; its thumbprint where nothing else is known.
    pub name: String,
    /// SHA-1, upper-case; empty for the Central Certificate Store.
    pub thumbprint: String,
    /// Its end, where it is known.
    pub not_after: Option<Timestamp>,
    /// Whether that lies behind.
    expired: bool,
}

impl Order {
    /// Knows the certificates in the stores of a server.
    pub fn of(here: &Snapshot, now: Timestamp) -> Self {
        let mut order = Self {
            certificates: HashMap::new(),
            agreed: HashSet::new(),
            now,
        };
        for StoreEntry { certificate, .. } in &here.seen {
            if let Ok(parsed) = Certificate::parse(certificate.der.clone()) {
                order.add(parsed, certificate.properties.friendly_name.as_deref());
            }
        }
        order
    }

    /// Knows a certificate that comes. What one that is here is called stays.
    pub fn add(&mut self, certificate: Certificate, friendly_name: Option<&str>) {
        let name = friendly_name
            .filter(|name| !name.is_empty())
            .unwrap_or(certificate.display_name())
            .to_owned();
        self.certificates
            .entry(certificate.thumbprint())
            .or_insert(Named { certificate, name });
    }

    /// Lets certificates here be replaced by lower ones: those of any of these names.
    ///
    /// # Errors
    /// Usage errors: a name that no certificate here has.
    pub fn agree_to(&mut self, here: &Snapshot, names: &[String]) -> Result<()> {
        for name in names {
            let wanted = std::slice::from_ref(name);
            let named = here
                .seen
                .iter()
                .filter(|seen| seen.certificate.is_wanted(wanted));
            let named: Vec<_> = named.map(|seen| seen.certificate.thumbprint()).collect();
            if named.is_empty() {
                return Err(Error::usage(text!("error-replaces-nothing", name = name)));
            }
            self.agreed.extend(named);
        }
        Ok(())
    }

    /// Lets one certificate here be replaced by lower ones.
    pub fn agree(&mut self, thumbprint: &str) {
        self.agreed.insert(thumbprint.to_owned());
    }

    /// The certificate of that thumbprint, if it is here or comes.
    pub fn certificate(&self, thumbprint: &str) -> Option<&Certificate> {
        self.certificates
            .get(&thumbprint.to_ascii_uppercase())
            .map(|named| &named.certificate)
    }

    /// Judges what `coming` would replace for `host`: certificates that are served now, each with
    /// the other hosts that it answers for. Says why it stands lower than one of them that may be
    /// replaced all the same. A certificate that is not here answers for nobody.
    ///
    /// # Errors
    /// Where one that stands higher may not be replaced.
    pub fn judge(
        &self,
        coming: &str,
        host: &str,
        served: &[(&str, &[String])],
    ) -> Result<Option<Lower>, Higher> {
        let Some(new) = self.certificate(coming) else {
            return Ok(None);
        };
        let mut agreed = None;
        for (thumbprint, others) in served {
            let Some(old) = self.certificate(thumbprint) else {
                continue;
            };
            // A host that it does not fit loses nothing with it.
            let others = others
                .iter()
                .map(String::as_str)
                .filter(|other| old.fits(other));
            let mut hosts = std::iter::once(host).chain(others);
            let Some(lower) = hosts.find_map(|host| new.lower_than(old, host, self.now)) else {
                continue;
            };
            if !self.agreed.contains(&thumbprint.to_ascii_uppercase()) {
                return Err(Higher {
                    serves: self.shown(thumbprint),
                    lower,
                });
            }
            agreed.get_or_insert(lower);
        }
        Ok(agreed)
    }

    /// A certificate as people are told of it.
    pub fn shown(&self, thumbprint: &str) -> CertificateLabel {
        let thumbprint = thumbprint.to_ascii_uppercase();
        let Some(Named { certificate, name }) = self.certificates.get(&thumbprint) else {
            return CertificateLabel {
                name: thumbprint.clone(),
                thumbprint,
                ..CertificateLabel::default()
            };
        };
        let not_after = certificate.not_after();
        CertificateLabel {
            name: name.clone(),
            thumbprint,
            not_after: Some(not_after),
            expired: not_after < self.now,
        }
    }
}

impl CertificateLabel {
    /// What the Central Certificate Store chooses.
    pub fn central_store() -> Self {
        Self {
            name: "CCS".into(),
            ..Self::default()
        }
    }

    /// Its name, the ends of its thumbprint, and its end.
    pub fn text(&self) -> Text {
        self.text_with(&self.short())
    }

    /// As [`CertificateLabel::text`], with the whole thumbprint: where a person decides about it.
    pub fn text_in_full(&self) -> Text {
        self.text_with(&self.thumbprint)
    }

    fn text_with(&self, thumbprint: &str) -> Text {
        let name = self.name.as_str();
        let Some(not_after) = self.not_after else {
            return text!("certificate-unknown", name = name);
        };
        let ends = day(not_after);
        match self.expired {
            true => text!(
                "certificate-expired",
                name = name,
                thumbprint = thumbprint,
                day = ends
            ),
            false => text!(
                "certificate-ends",
                name = name,
                thumbprint = thumbprint,
                day = ends
            ),
        }
    }

    /// Its name and the ends of its thumbprint, in every language.
    pub fn label(&self) -> String {
        if self.not_after.is_some() {
            format!("{} ({})", self.name, self.thumbprint)
        } else {
            self.name.clone()
        }
    }

    fn short(&self) -> String {
        let part = |part: Option<&str>| part.unwrap_or_default().to_owned();
        part(self.thumbprint.get(..4)) + "…" + &part(self.thumbprint.get(38..))
    }

    /// What an option can name it by: its name, or its thumbprint where that has blanks.
    pub fn argument(&self) -> &str {
        if self.name.contains(char::is_whitespace) {
            &self.thumbprint
        } else {
            &self.name
        }
    }
}

impl Lower {
    /// In capitals, so that nobody reads over it.
    pub fn text(self) -> Text {
        match self {
            Self::Expired => text!("lower-expired"),
            Self::NotYetValid => text!("lower-not-yet-valid"),
            Self::SelfIssued => text!("lower-self-issued"),
            Self::OtherNames => text!("lower-other-names"),
            Self::Older => text!("lower-older"),
        }
    }

    /// For programs.
    pub fn id(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::NotYetValid => "not-yet-valid",
            Self::SelfIssued => "self-issued",
            Self::OtherNames => "other-names",
            Self::Older => "older",
        }
    }
}
