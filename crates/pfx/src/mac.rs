//! Password integrity: the MAC of RFC 7292 section 5.1 step 5, and PBMAC1 of RFC 9579.

use crate::{
    Error, Mac,
    ber::{Octets, Reader},
    digest::{self, Derive, Digest, Purpose},
    oid,
    scheme::{PasswordForms, Pbkdf2, rounds, salt},
    work::{Work, too_much},
};

/// Octets of a PBMAC1 key. RFC 9579 section 7 forbids accepting less: a key of one octet fits every
/// 256th password.
const MIN_KEY: u64 = 20;
/// Far more than HMAC with any digest uses.
const MAX_KEY: u64 = 1024;

/// `MacData`, as read but not verified.
pub(crate) struct MacData<'a> {
    code: Octets<'a>,
    method: Method,
}

enum Method {
    Pkcs12 {
        digest: &'static Digest,
        salt: Vec<u8>,
        rounds: u32,
    },
    Pbmac1 {
        derivation: Pbkdf2,
        key_length: usize,
        digest: &'static Digest,
    },
}

impl<'a> MacData<'a> {
    /// `SEQUENCE { mac DigestInfo, macSalt OCTET STRING, iterations INTEGER DEFAULT 1 }`
    pub(crate) fn parse(mut data: Reader<'a>) -> Result<Self, Error> {
        let mut digest_info = data.sequence()?;
        let mut identifier = digest_info.sequence()?;
        let code = digest_info.octets()?;
        digest_info.finish()?;
        let name = identifier.oid()?;
        // With PBMAC1, the salt and the count beside it mean nothing (RFC 9579 section 4).
        let method = if name == oid::PBMAC1 {
            Method::pbmac1(identifier)?
        } else {
            let digest = digest::named(name)?;
            let salt = salt(&mut data)?;
            let rounds = if data.is_empty() {
                1
            } else {
                rounds(&mut data)?
            };
            data.finish()?;
            Method::Pkcs12 {
                digest,
                salt,
                rounds,
            }
        };
        Ok(Self { code, method })
    }

    /// Whether the password made this MAC over `contents`.
    ///
    /// # Errors
    /// [`Error::WrongPassword`] if not; [`Error::TooMuchWork`].
    pub(crate) fn verify(
        &self,
        contents: &[u8],
        forms: &mut PasswordForms,
        work: &mut Work,
    ) -> Result<Mac, Error> {
        let verified = match &self.method {
            Method::Pkcs12 {
                digest,
                salt,
                rounds,
            } => forms.bmp.try_each(|password| {
                let input = Derive {
                    password,
                    salt,
                    rounds: *rounds,
                };
                let key = digest.pkcs12(&input, Purpose::Mac, digest.length, work)?;
                Ok::<_, Error>(self.fits(digest, &key, contents))
            })?,
            Method::Pbmac1 {
                derivation,
                key_length,
                digest,
            } => {
                let input = derivation.input(forms.utf8.standard());
                let key = derivation.digest.pbkdf2(&input, *key_length, work)?;
                self.fits(digest, &key, contents)
            }
        };
        verified
            .map(|()| self.method.describe())
            .ok_or(Error::WrongPassword)
    }

    fn fits(&self, digest: &Digest, key: &[u8], contents: &[u8]) -> Option<()> {
        digest.verify_hmac(key, contents, &self.code).then_some(())
    }
}

impl Method {
    /// RFC 9579 section 4: `SEQUENCE { keyDerivationFunc, messageAuthScheme }`, and the key length
    /// is required.
    fn pbmac1(mut identifier: Reader) -> Result<Self, Error> {
        let mut parameters = identifier.sequence()?;
        let derivation = Pbkdf2::parse(&mut parameters)?;
        let mut scheme = parameters.sequence()?;
        parameters.finish()?;
        let digest = digest::named_by_hmac(scheme.oid()?)?;
        let key_length = match derivation.key_length {
            None => return Err(Error::Malformed("PBMAC1 without a key length")),
            Some(length) if length < MIN_KEY => {
                return Err(Error::Malformed(
                    "a PBMAC1 key too short to protect anything",
                ));
            }
            Some(length) if length > MAX_KEY => {
                return Err(too_much(format!("a PBMAC1 key of {length} bytes")));
            }
            Some(length) => length as usize,
        };
        Ok(Self::Pbmac1 {
            derivation,
            key_length,
            digest,
        })
    }

    fn describe(&self) -> Mac {
        match self {
            Self::Pkcs12 { digest, rounds, .. } => Mac::Verified {
                algorithm: format!("HMAC-{digest}"),
                iterations: *rounds,
            },
            Self::Pbmac1 {
                derivation, digest, ..
            } => Mac::Verified {
                algorithm: format!(
                    "HMAC-{digest} (PBMAC1, PBKDF2 with HMAC-{})",
                    derivation.digest
                ),
                iterations: derivation.rounds,
            },
        }
    }
}
