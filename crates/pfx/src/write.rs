//! Writes a PFX as Windows exports one key pair: DER; the key in the first safe, then its
//! certificates in an encrypted one; and a MAC over both.

use const_oid::ObjectIdentifier;

use crate::{
    Attributes, Error,
    cipher::Cipher,
    der::{self, CONTEXT_0, CONTEXT_0_PRIMITIVE},
    digest::{self, Derive, Digest, Purpose},
    forms::Forms,
    oid,
    work::Work,
};
use secret::{Password, SecretBytes};

/// As Windows writes it on a key and its certificate, to link them.
const LOCAL_KEY_ID: [u8; 4] = [1, 0, 0, 0];
/// Octets, as Windows writes them.
const ENCRYPTION_SALT: usize = 8;
const MAC_SALT: usize = 20;

/// How a PFX is encrypted and authenticated. Each is exactly what the Windows export wizard offers
/// under that name.
///
/// Either protects no better than its password. A generated one of 20 characters or more needs no
/// high number of rounds; Java opens files only with passwords in ASCII.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// `AES256-SHA256`: PBES2 with AES-256-CBC and PBKDF2 with HMAC-SHA-256; MAC with SHA-256.
    ///
    /// As of 2026: read by Windows Server 2019 and Windows 10 1709 (2017) and later, OpenSSL 1.0.0
    /// (2010), and Java 8u301, 11.0.12 and 17 (2021); tested with GnuTLS 3.7 and NSS 3.87. Windows
    /// Server 2016 and earlier answer that the password is wrong.
    Aes256,
    /// `TripleDES-SHA1`: pbeWithSHAAnd3-KeyTripleDES-CBC for key and certificates; MAC with SHA-1.
    ///
    /// As of 2026: the only form that Windows Server 2012 to 2016 reads, and still read by all
    /// others; tested with OpenSSL 3.0, GnuTLS 3.7, NSS 3.87 and Java 17. Refused where SHA-1 and
    /// triple DES are forbidden, as in FIPS mode.
    TripleDes,
}

/// One key pair, to be written.
pub struct KeyPairContents<'a> {
    /// DER `PrivateKeyInfo`.
    pub pkcs8: &'a SecretBytes,
    /// DER certificates: that of the key first, then its issuers in order. May be empty.
    pub chain: &'a [&'a [u8]],
    /// For the certificate of the key; neither the key nor the issuers get one.
    pub friendly_name: Option<&'a str>,
    /// The Windows provider to put the key into on import.
    pub csp_name: Option<&'a str>,
}

/// Makes a PFX with fresh salts. `rounds` is the count of every key derivation in it; Windows uses
/// 2,000.
///
/// A file in the form [`Profile::TripleDes`] is returned only after an independent reader opened it
/// and found the same.
///
/// # Errors
/// [`Error::TooMuchWork`] for more rounds than [`super::read()`] would take, [`Error::Malformed`]
/// for none; [`Error::NoRandomness`]; [`Error::NotReadBack`].
pub fn write(
    contents: &KeyPairContents,
    password: &Password,
    profile: Profile,
    rounds: u32,
) -> Result<SecretBytes, Error> {
    if rounds == 0 {
        return Err(Error::Malformed("an iteration count of zero"));
    }
    let size = contents.pkcs8.expose().len()
        + contents
            .chain
            .iter()
            .map(|certificate| certificate.len())
            .sum::<usize>();
    let mut writer = Writer {
        profile,
        bmp: Forms::bmp(password),
        utf8: Forms::utf8(password),
        rounds,
        work: Work::for_file(size)?,
    };
    let pfx = SecretBytes::new(writer.pfx(contents)?);
    if profile == Profile::TripleDes {
        read_back(&pfx, contents, password)?;
    }
    Ok(pfx)
}

struct Writer {
    profile: Profile,
    bmp: Forms,
    utf8: Forms,
    rounds: u32,
    work: Work,
}

impl Writer {
    fn pfx(&mut self, contents: &KeyPairContents) -> Result<Vec<u8>, Error> {
        let mut safes = vec![data(&der::sequence(&[&self.key_bag(contents)?]))];
        if !contents.chain.is_empty() {
            safes.push(self.encrypted_data(&certificate_bags(contents))?);
        }
        let safes: Vec<&[u8]> = safes.iter().map(Vec::as_slice).collect();
        let safe = der::sequence(&safes);
        let mac = self.mac_data(&safe)?;
        Ok(der::sequence(&[&der::unsigned(3), &data(&safe), &mac]))
    }

    fn key_bag(&mut self, contents: &KeyPairContents) -> Result<Vec<u8>, Error> {
        let (identifier, encrypted) = self.encrypt(contents.pkcs8.expose())?;
        let attributes = key_attributes(contents);
        Ok(bag(
            oid::SHROUDED_KEY_BAG,
            &der::sequence(&[&identifier, &der::octets(&encrypted)]),
            &attributes,
        ))
    }

    fn encrypted_data(&mut self, plain: &[u8]) -> Result<Vec<u8>, Error> {
        let (identifier, encrypted) = self.encrypt(plain)?;
        let info = der::sequence(&[
            &der::oid(oid::DATA),
            &identifier,
            &der::element(CONTEXT_0_PRIMITIVE, &[&encrypted]),
        ]);
        Ok(content_info(
            oid::ENCRYPTED_DATA,
            &der::sequence(&[&der::unsigned(0), &info]),
        ))
    }

    /// Encrypts in the form of the profile: the AlgorithmIdentifier, and the ciphertext.
    fn encrypt(&mut self, plain: &[u8]) -> Result<(Vec<u8>, Vec<u8>), Error> {
        match self.profile {
            Profile::Aes256 => self.encrypt_pbes2(plain),
            Profile::TripleDes => self.encrypt_pbes1(plain),
        }
    }

    fn encrypt_pbes2(&mut self, plain: &[u8]) -> Result<(Vec<u8>, Vec<u8>), Error> {
        let (cipher, digest) = (Cipher::Aes256, digest::sha256());
        let salt = random::<ENCRYPTION_SALT>()?;
        let iv = random::<16>()?;
        let input = Derive {
            password: self.utf8.standard(),
            salt: &salt,
            rounds: self.rounds,
        };
        let key = digest.pbkdf2(&input, cipher.key_length(), &mut self.work)?;
        let encrypted = cipher.encrypt(&key, &iv, plain).ok_or(NOT_ENCRYPTED)?;
        let prf = algorithm(oid::HMAC_SHA256, &der::null());
        let derivation = algorithm(
            oid::PBKDF2,
            &der::sequence(&[&der::octets(&salt), &der::unsigned(self.rounds), &prf]),
        );
        let scheme = algorithm(oid::AES_256_CBC, &der::octets(&iv));
        Ok((
            algorithm(oid::PBES2, &der::sequence(&[&derivation, &scheme])),
            encrypted,
        ))
    }

    fn encrypt_pbes1(&mut self, plain: &[u8]) -> Result<(Vec<u8>, Vec<u8>), Error> {
        let (cipher, digest) = (Cipher::TripleDes, digest::sha1());
        let salt = random::<ENCRYPTION_SALT>()?;
        let input = Derive {
            password: self.bmp.standard(),
            salt: &salt,
            rounds: self.rounds,
        };
        let key = digest.pkcs12(&input, Purpose::Key, cipher.key_length(), &mut self.work)?;
        let iv = digest.pkcs12(&input, Purpose::Iv, cipher.iv_length(), &mut self.work)?;
        let encrypted = cipher.encrypt(&key, &iv, plain).ok_or(NOT_ENCRYPTED)?;
        let parameters = der::sequence(&[&der::octets(&salt), &der::unsigned(self.rounds)]);
        Ok((algorithm(oid::PBE_SHA_3DES, &parameters), encrypted))
    }

    fn mac_data(&mut self, safe: &[u8]) -> Result<Vec<u8>, Error> {
        let digest = self.mac_digest();
        let salt = random::<MAC_SALT>()?;
        let input = Derive {
            password: self.bmp.standard(),
            salt: &salt,
            rounds: self.rounds,
        };
        let key = digest.pkcs12(&input, Purpose::Mac, digest.length, &mut self.work)?;
        // No NULL as parameters, as Windows writes it and RFC 5754 prefers.
        let digest_info = der::sequence(&[
            &algorithm(digest.oid, &[]),
            &der::octets(&digest.hmac(&key, safe)),
        ]);
        Ok(der::sequence(&[
            &digest_info,
            &der::octets(&salt),
            &der::unsigned(self.rounds),
        ]))
    }

    fn mac_digest(&self) -> &'static Digest {
        match self.profile {
            Profile::Aes256 => digest::sha256(),
            Profile::TripleDes => digest::sha1(),
        }
    }
}

/// Key and vector have the lengths their cipher asked for.
const NOT_ENCRYPTED: Error = Error::NotReadBack("it could not be encrypted");

fn random<const N: usize>() -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|_| Error::NoRandomness)?;
    Ok(bytes)
}

pub(crate) fn algorithm(name: ObjectIdentifier, parameters: &[u8]) -> Vec<u8> {
    der::sequence(&[&der::oid(name), parameters])
}

pub(crate) fn content_info(kind: ObjectIdentifier, content: &[u8]) -> Vec<u8> {
    der::sequence(&[&der::oid(kind), &der::element(CONTEXT_0, &[content])])
}

pub(crate) fn data(content: &[u8]) -> Vec<u8> {
    content_info(oid::DATA, &der::octets(content))
}

pub(crate) fn bag(kind: ObjectIdentifier, value: &[u8], attributes: &Attributes) -> Vec<u8> {
    der::sequence(&[
        &der::oid(kind),
        &der::element(CONTEXT_0, &[value]),
        &attributes.to_der(),
    ])
}

fn certificate_bags(contents: &KeyPairContents) -> Vec<u8> {
    let bags: Vec<Vec<u8>> = contents
        .chain
        .iter()
        .enumerate()
        .map(|(position, certificate)| {
            let value = der::sequence(&[
                &der::oid(oid::X509_CERTIFICATE),
                &der::element(CONTEXT_0, &[&der::octets(certificate)]),
            ]);
            let attributes = if position == 0 {
                certificate_attributes(contents)
            } else {
                Attributes::default()
            };
            bag(oid::CERT_BAG, &value, &attributes)
        })
        .collect();
    let bags: Vec<&[u8]> = bags.iter().map(Vec::as_slice).collect();
    der::sequence(&bags)
}

/// No friendly name: Windows would take it for the name of the container that it makes for the key.
/// Two files with one name would then be in each other's way, or the second would replace the key
/// of the first. Without it, every import gets a container of its own.
fn key_attributes(contents: &KeyPairContents) -> Attributes {
    Attributes {
        local_key_id: Some(LOCAL_KEY_ID.to_vec()),
        csp_name: contents.csp_name.map(str::to_owned),
        ..Attributes::default()
    }
}

fn certificate_attributes(contents: &KeyPairContents) -> Attributes {
    Attributes {
        local_key_id: Some(LOCAL_KEY_ID.to_vec()),
        friendly_name: contents.friendly_name.map(str::to_owned),
        ..Attributes::default()
    }
}

/// Opens a triple DES file with the crate `p12`, which shares no code with this module.
///
/// Only this form: that crate knows neither AES nor PBES2, takes a MAC of SHA-2 for false (and in
/// debug builds panics on it), and reads no BER. It limits no counts and wipes nothing, so that it
/// is only given what was just made here.
fn read_back(
    pfx: &SecretBytes,
    contents: &KeyPairContents,
    password: &Password,
) -> Result<(), Error> {
    let unreadable = |_| Error::NotReadBack("another reader cannot open it");
    let file = p12::PFX::parse(pfx.expose()).map_err(unreadable)?;
    if !file.verify_mac(password.expose()) {
        return Err(Error::NotReadBack("another reader finds its MAC wrong"));
    }
    // Asked for its keys and its certificates one after the other, it would decrypt everything
    // twice.
    let bags = file.bags(password.expose()).map_err(unreadable)?;
    let forms = Forms::bmp(password);
    let keys = bags
        .iter()
        .filter_map(|bag| bag.bag.get_key(forms.standard()));
    let keys: Vec<SecretBytes> = keys.map(SecretBytes::new).collect();
    if !matches!(&keys[..], [key] if key.expose() == contents.pkcs8.expose()) {
        return Err(Error::NotReadBack("another reader finds another key"));
    }
    let certificates: Vec<_> = bags
        .iter()
        .filter_map(|bag| bag.bag.get_x509_cert())
        .collect();
    if certificates != contents.chain {
        return Err(Error::NotReadBack(
            "another reader finds other certificates",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Contents, Mac, read};

    const FORMS: [(Profile, &str, &str); 2] = [
        (
            Profile::Aes256,
            "AES-256-CBC (PBKDF2 with HMAC-SHA-256)",
            "HMAC-SHA-256",
        ),
        (
            Profile::TripleDes,
            "3DES-CBC (PKCS#12 with SHA-1)",
            "HMAC-SHA-1",
        ),
    ];

    fn key() -> SecretBytes {
        SecretBytes::new(der::sequence(&[&der::unsigned(0), &der::octets(&[7; 100])]))
    }

    fn round_trip(contents: &KeyPairContents, password: &str, profile: Profile) -> Contents {
        let password = Password::new(password.into());
        let pfx = write(contents, &password, profile, 3).unwrap();
        read(pfx.expose(), &password).unwrap()
    }

    #[test]
    fn what_is_written_is_read_with_names_and_links_where_windows_puts_them() {
        let key = key();
        let contents = KeyPairContents {
            pkcs8: &key,
            chain: &[b"leaf", b"issuer", b"root"],
            friendly_name: Some("サーバー"),
            csp_name: Some("Provider"),
        };
        for (profile, algorithm, mac) in FORMS {
            let found = round_trip(&contents, "pässwörd 🔑", profile);
            let [found_key] = &found.keys[..] else {
                panic!("one key")
            };
            assert_eq!(found_key.pkcs8.expose(), key.expose());
            assert_eq!(
                found_key
                    .encryption
                    .as_ref()
                    .map(|encryption| &*encryption.algorithm),
                Some(algorithm)
            );
            assert_eq!(
                found_key.attributes,
                Attributes {
                    local_key_id: Some(LOCAL_KEY_ID.to_vec()),
                    csp_name: Some("Provider".into()),
                    ..Attributes::default()
                }
            );
            assert_eq!(
                found
                    .certificates
                    .iter()
                    .map(|found| &*found.der)
                    .collect::<Vec<_>>(),
                contents.chain
            );
            assert_eq!(
                found.certificates[0].attributes,
                certificate_attributes(&contents)
            );
            assert!(
                found.certificates[1..]
                    .iter()
                    .all(|issuer| issuer.attributes == Attributes::default())
            );
            assert_eq!(
                found.mac,
                Mac::Verified {
                    algorithm: mac.into(),
                    iterations: 3
                }
            );
        }
    }

    #[test]
    fn a_key_alone_and_an_empty_password_are_possible() {
        let key = key();
        let contents = KeyPairContents {
            pkcs8: &key,
            chain: &[],
            friendly_name: None,
            csp_name: None,
        };
        for (profile, ..) in FORMS {
            let found = round_trip(&contents, "", profile);
            assert_eq!((found.keys.len(), found.certificates.len()), (1, 0));
        }
    }

    #[test]
    fn no_two_files_are_alike() {
        let key = key();
        let contents = KeyPairContents {
            pkcs8: &key,
            chain: &[b"leaf"],
            friendly_name: None,
            csp_name: None,
        };
        for (profile, ..) in FORMS {
            let [a, b] =
                [(); 2].map(|()| write(&contents, &Password::new("x".into()), profile, 1).unwrap());
            assert_ne!(a.expose(), b.expose());
        }
    }

    #[test]
    fn a_count_nobody_would_read_is_not_written() {
        let key = key();
        let contents = KeyPairContents {
            pkcs8: &key,
            chain: &[b"leaf"],
            friendly_name: None,
            csp_name: None,
        };
        let write = |rounds| {
            write(
                &contents,
                &Password::new("x".into()),
                Profile::Aes256,
                rounds,
            )
            .map(|_| ())
            .unwrap_err()
        };
        assert!(matches!(write(0), Error::Malformed(_)));
        assert!(matches!(write(u32::MAX), Error::TooMuchWork { .. }));
    }

    #[test]
    fn the_independent_reader_notices_every_difference() {
        let (key, password) = (key(), Password::new("x".into()));
        let contents = KeyPairContents {
            pkcs8: &key,
            chain: &[b"leaf"],
            friendly_name: None,
            csp_name: None,
        };
        let pfx = write(&contents, &password, Profile::TripleDes, 1).unwrap();
        assert_eq!(read_back(&pfx, &contents, &password), Ok(()));
        let other_key = SecretBytes::copy_of(b"other");
        assert!(
            read_back(
                &pfx,
                &KeyPairContents {
                    pkcs8: &other_key,
                    ..contents
                },
                &password
            )
            .is_err()
        );
        let contents = KeyPairContents {
            pkcs8: &key,
            chain: &[b"lead"],
            friendly_name: None,
            csp_name: None,
        };
        assert!(read_back(&pfx, &contents, &password).is_err());
        assert!(read_back(&pfx, &contents, &Password::new("y".into())).is_err());
        assert!(read_back(&SecretBytes::copy_of(b"no file"), &contents, &password).is_err());
    }
}
