//! Reads a PFX, outermost structure first.

use crate::{
    Attributes, Certificate, Contents, Error, Key, LockedKey, Mac, Skipped,
    ber::{self, Element, Octets, Reader},
    der::{CONTEXT_0, CONTEXT_0_PRIMITIVE, OCTET_STRING, SEQUENCE},
    mac::MacData,
    oid::{self, Oid},
    scheme::{PasswordForms, Scheme},
    unsupported::unsupported,
    work::{Work, too_much},
};
use secret::{Password, SecretBytes};

/// Safes within safes. Nobody is known to write even one.
const MAX_SAFES: usize = 8;

/// Reads the PFX that `pfx` begins with.
///
/// DER and BER are taken, with every password-based encryption and MAC of RFC 7292, RFC 8018 and
/// RFC 9579 that is in use, and the ways in which implementations differ: empty and absent
/// passwords, other encodings of them, plain keys, safes within safes. What is neither a key nor a
/// certificate is skipped and named. Octets after the PFX are ignored, as by every other reader:
/// transfers append them, and the MAC would not cover them anyway.
///
/// Look at [`Contents::mac`]: without a MAC, nothing shows that a file is whole or genuine.
///
/// # Errors
/// See [`Error`]. A file that asks for more than about two seconds of work, or 100 MB, gets
/// [`Error::TooMuchWork`].
pub fn read(pfx: &[u8], password: &Password) -> Result<Contents, Error> {
    read_with(pfx, password, &[])
}

/// [`read`], for a file of which parts may have another password than the file itself: the empty
/// one and `others` are tried on them. A key that stays shut is in [`Contents::locked`].
///
/// # Errors
/// As [`read`].
pub fn read_with(pfx: &[u8], password: &Password, others: &[&Password]) -> Result<Contents, Error> {
    let work = Work::for_file(pfx.len())?;
    let file = File::parse(pfx)?;
    let mut unlocking = Unlocking::new(password, work);
    if let Some(mac) = &file.mac {
        unlocking.contents.mac =
            mac.verify(&file.safe, &mut unlocking.forms, &mut unlocking.work)?;
        unlocking.is_right = true;
    }
    unlocking.others = others.iter().map(|one| PasswordForms::of(one)).collect();
    if !password.expose().is_empty() {
        let empty = PasswordForms::of(&Password::new(String::new()));
        unlocking.others.insert(0, empty);
    }
    unlocking.authenticated_safe(&file.safe)?;
    unlocking.shut_keys()?;
    Ok(unlocking.contents)
}

/// Decrypts one key that stands by itself: a DER EncryptedPrivateKeyInfo (RFC 5958 section 3). The
/// result is not checked further.
///
/// # Errors
/// As [`read`].
pub fn read_key(encrypted: &[u8], password: &Password) -> Result<SecretBytes, Error> {
    let work = Work::for_file(encrypted.len())?;
    let info = Reader::new(encrypted).sequence()?;
    let mut unlocking = Unlocking::new(password, work);
    unlocking.shrouded_key(info, Attributes::default())?;
    unlocking.shut_keys()?;
    let key = unlocking.contents.keys.pop();
    key.map(|key| key.pkcs8)
        .ok_or(Error::Malformed("there is no key in it"))
}

impl Contents {
    fn empty() -> Self {
        Self {
            keys: Vec::new(),
            certificates: Vec::new(),
            mac: Mac::Absent,
            locked: Vec::new(),
            skipped: Vec::new(),
        }
    }
}

/// The outermost layer (RFC 7292 section 4): `SEQUENCE { version INTEGER, authSafe ContentInfo,
/// macData OPTIONAL }`.
struct File<'a> {
    /// The AuthenticatedSafe, encoded: what the MAC covers.
    safe: Octets<'a>,
    mac: Option<MacData<'a>>,
}

impl<'a> File<'a> {
    fn parse(pfx: &'a [u8]) -> Result<Self, Error> {
        let mut fields = Reader::new(pfx).sequence()?;
        let version = fields.unsigned()?;
        if version != 3 {
            return Err(Error::Unsupported {
                algorithm: format!("version {version} of the PFX format"),
            });
        }
        let (kind, content) = content_info(&mut fields)?;
        if kind == oid::SIGNED_DATA {
            return Err(Error::Unsupported {
                algorithm: "a signature in place of a password".into(),
            });
        }
        if kind != oid::DATA {
            return Err(Error::Malformed(
                "the outermost content is of an unknown type",
            ));
        }
        let safe = content.octets(OCTET_STRING)?;
        let mac = fields
            .optional(SEQUENCE)?
            .map(|data| MacData::parse(data.reader()))
            .transpose()?;
        fields.finish()?;
        Ok(Self { safe, mac })
    }
}

/// `ContentInfo`: its type and its content. The content may not be missing: that an absent one was
/// followed like any other was a fault of several readers (CVE-2024-0727).
fn content_info<'a>(reader: &mut Reader<'a>) -> Result<(Oid<'a>, Element<'a>), Error> {
    let mut info = reader.sequence()?;
    let kind = info.oid()?;
    let mut content = info.expect(CONTEXT_0)?.reader();
    info.finish()?;
    let element = content.next()?;
    content.finish()?;
    Ok((kind, element))
}

/// A file being opened: what there is to open it with, and what was found so far.
struct Unlocking {
    forms: PasswordForms,
    /// Other passwords, for parts of the file.
    others: Vec<PasswordForms>,
    work: Work,
    /// Whether something has shown that the password is the file's.
    is_right: bool,
    /// Keys that the password does not open.
    shut: Vec<ShutKey>,
    contents: Contents,
}

/// A key that the file's password does not open.
struct ShutKey {
    scheme: Scheme,
    encrypted: Vec<u8>,
    attributes: Attributes,
}

impl Unlocking {
    fn new(password: &Password, work: Work) -> Self {
        Self {
            forms: PasswordForms::of(password),
            others: Vec::new(),
            work,
            is_right: false,
            shut: Vec::new(),
            contents: Contents::empty(),
        }
    }

    /// `AuthenticatedSafe`: SEQUENCE OF ContentInfo, each plain or encrypted.
    fn authenticated_safe(&mut self, encoded: &[u8]) -> Result<(), Error> {
        let mut safes = ber::single(encoded, SEQUENCE)?.reader();
        while !safes.is_empty() {
            self.work.entry()?;
            let (kind, content) = content_info(&mut safes)?;
            if kind == oid::DATA {
                self.safe_contents(&content.octets(OCTET_STRING)?, 0)?;
            } else if kind == oid::ENCRYPTED_DATA {
                self.encrypted_data(content)?;
            } else if kind == oid::ENVELOPED_DATA {
                return Err(Error::Unsupported {
                    algorithm: "encryption to a certificate in place of a password".into(),
                });
            } else {
                return Err(unsupported(kind));
            }
        }
        Ok(())
    }

    /// `EncryptedData` (RFC 5652 section 8): `SEQUENCE { version, SEQUENCE { contentType,
    /// AlgorithmIdentifier, [0] IMPLICIT OCTET STRING }, [1] OPTIONAL }`.
    fn encrypted_data(&mut self, content: Element) -> Result<(), Error> {
        let mut data = content.reader();
        data.unsigned()?;
        let mut info = data.sequence()?;
        info.oid()?;
        let scheme = Scheme::parse(&mut info)?;
        let encrypted = info.next()?.octets(CONTEXT_0_PRIMITIVE)?;
        info.finish()?;
        let plain = self.decrypt(&scheme, &encrypted)?;
        self.safe_contents(&plain, 0)
    }

    fn decrypt(
        &mut self,
        scheme: &Scheme,
        encrypted: &[u8],
    ) -> Result<zeroize::Zeroizing<Vec<u8>>, Error> {
        if let Some(plain) = scheme.decrypt(encrypted, &mut self.forms, &mut self.work)? {
            self.is_right = true;
            return Ok(plain);
        }
        if !self.is_right {
            return Err(Error::WrongPassword);
        }
        // The password is right, so it is the file, or it was made with two passwords.
        self.decrypt_with_others(scheme, encrypted)?
            .ok_or(Error::Malformed(
                "a part does not decrypt, although the password is right",
            ))
    }

    fn decrypt_with_others(
        &mut self,
        scheme: &Scheme,
        encrypted: &[u8],
    ) -> Result<Option<zeroize::Zeroizing<Vec<u8>>>, Error> {
        for forms in &mut self.others {
            let plain = scheme.decrypt(encrypted, forms, &mut self.work)?;
            if plain.is_some() {
                return Ok(plain);
            }
        }
        Ok(None)
    }

    /// Tries the other passwords on keys that the file's does not open. Only at the end is it known
    /// whether that is the file's at all.
    fn shut_keys(&mut self) -> Result<(), Error> {
        for key in std::mem::take(&mut self.shut) {
            if !self.is_right {
                return Err(Error::WrongPassword);
            }
            match self.decrypt_with_others(&key.scheme, &key.encrypted)? {
                Some(plain) => self.opened_key(&plain, &key.scheme, key.attributes)?,
                None => self.contents.locked.push(LockedKey {
                    attributes: key.attributes,
                }),
            }
        }
        Ok(())
    }

    /// `SafeContents`: SEQUENCE OF SafeBag.
    fn safe_contents(&mut self, encoded: &[u8], depth: usize) -> Result<(), Error> {
        if depth > MAX_SAFES {
            return Err(too_much(format!(
                "more than {MAX_SAFES} safes within safes"
            )));
        }
        let mut bags = ber::single(encoded, SEQUENCE)?.reader();
        while !bags.is_empty() {
            self.work.entry()?;
            self.bag(bags.sequence()?, depth)?;
        }
        Ok(())
    }

    /// `SafeBag`: `SEQUENCE { bagId, bagValue [0] EXPLICIT, bagAttributes SET OPTIONAL }`.
    fn bag(&mut self, mut bag: Reader, depth: usize) -> Result<(), Error> {
        let kind = bag.oid()?;
        let mut value = bag.expect(CONTEXT_0)?.reader();
        let attributes = Attributes::parse(&mut bag, &mut self.work)?;
        bag.finish()?;
        if kind == oid::KEY_BAG {
            self.key(value.expect(SEQUENCE)?, attributes)
        } else if kind == oid::SHROUDED_KEY_BAG {
            self.shrouded_key(value.sequence()?, attributes)
        } else if kind == oid::CERT_BAG {
            self.certificate(value.sequence()?, attributes)
        } else if kind == oid::SAFE_CONTENTS_BAG {
            self.safe_contents(value.next()?.whole, depth + 1)
        } else {
            self.skip(kind);
            Ok(())
        }
    }

    fn key(&mut self, key: Element, attributes: Attributes) -> Result<(), Error> {
        let pkcs8 = SecretBytes::from(ber::to_der(key)?);
        self.contents.keys.push(Key {
            pkcs8,
            encryption: None,
            attributes,
        });
        Ok(())
    }

    /// `EncryptedPrivateKeyInfo` (RFC 5958 section 3): `SEQUENCE { AlgorithmIdentifier, OCTET
    /// STRING }`.
    fn shrouded_key(&mut self, mut info: Reader, attributes: Attributes) -> Result<(), Error> {
        let scheme = Scheme::parse(&mut info)?;
        let encrypted = info.octets()?;
        info.finish()?;
        let Some(plain) = scheme.decrypt(&encrypted, &mut self.forms, &mut self.work)? else {
            self.shut.push(ShutKey {
                scheme,
                encrypted: encrypted.to_vec(),
                attributes,
            });
            return Ok(());
        };
        self.is_right = true;
        self.opened_key(&plain, &scheme, attributes)
    }

    fn opened_key(
        &mut self,
        plain: &[u8],
        scheme: &Scheme,
        attributes: Attributes,
    ) -> Result<(), Error> {
        let pkcs8 = SecretBytes::from(ber::to_der(ber::single(plain, SEQUENCE)?)?);
        self.contents.keys.push(Key {
            pkcs8,
            encryption: Some(scheme.describe()),
            attributes,
        });
        Ok(())
    }

    /// `CertBag`: `SEQUENCE { certId, certValue [0] EXPLICIT OCTET STRING }`.
    fn certificate(&mut self, mut bag: Reader, attributes: Attributes) -> Result<(), Error> {
        let kind = bag.oid()?;
        if kind != oid::X509_CERTIFICATE {
            self.skip(kind);
            return Ok(());
        }
        let der = bag.expect(CONTEXT_0)?.reader().octets()?.to_vec();
        bag.finish()?;
        self.contents
            .certificates
            .push(Certificate { der, attributes });
        Ok(())
    }

    fn skip(&mut self, kind: Oid) {
        let skipped = if kind == oid::CRL_BAG {
            Skipped::RevocationList
        } else if kind == oid::SECRET_BAG {
            Skipped::Secret
        } else if kind == oid::SDSI_CERTIFICATE {
            Skipped::SdsiCertificate
        } else {
            Skipped::Other(kind.to_string())
        };
        self.contents.skipped.push(skipped);
    }
}
