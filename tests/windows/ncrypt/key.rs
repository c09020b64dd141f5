//! A key of the stand-in: a file with its policy, its security descriptor and its PKCS#8.

use std::fs;
use std::io::ErrorKind;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use cbc::cipher::{BlockModeEncrypt, KeyIvInit, block_padding::Pkcs7};
use der::asn1::{AnyRef, ObjectIdentifier, OctetStringRef};
use der::{Decode, Encode, Tag};
use p256::ecdsa::signature::hazmat::PrehashSigner;
use p256::elliptic_curve::sec1::ToSec1Point;
use pkcs8::{DecodePrivateKey, EncodePrivateKey};
use rsa::Pkcs1v15Sign;
use rsa::traits::{PrivateKeyParts, PublicKeyParts};
use sha1::{Digest, Sha1};
use sha2::Sha256;

use crate::raw::Status;

/// What the software provider makes and takes ("CNG Algorithm Identifiers": RSA).
const RSA_BITS: RangeInclusive<u32> = 512..=16_384;
/// 2.5.29.15.
const KEY_USAGE: [u8; 3] = [85, 29, 15];
const EXPORT: u32 = 1;
const PLAIN_EXPORT: u32 = 2;
/// No bit of the policy: a test sets it in the file of a key that virtualization-based security keeps.
const ISOLATED: u32 = 0x100;
/// SYSTEM and Administrators, self-relative: what a new machine key has.
const DEFAULT_DESCRIPTOR: [u8; 72] = [
    1, 0, 4, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 20, 0, 0, 0, 2, 0, 52, 0, 2, 0, 0, 0, 0, 0,
    20, 0, 255, 1, 31, 0, 1, 1, 0, 0, 0, 0, 0, 5, 18, 0, 0, 0, 0, 0, 24, 0, 255, 1, 31, 0, 1, 2, 0,
    0, 0, 0, 0, 5, 32, 0, 0, 0, 32, 2, 0, 0,
];
const PBE_SHA1_3DES: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.12.1.3");

#[derive(Clone)]
pub(crate) struct Key {
    name: String,
    machine: bool,
    pub policy: u32,
    pub descriptor: Vec<u8>,
    pkcs8: Vec<u8>,
}

enum Parsed {
    Rsa(rsa::PrivateKey),
    P256(p256::SecretKey),
    P384(p384::SecretKey),
    P521(p521::SecretKey),
}

/// Runs the same for a key on any of the curves.
macro_rules! on_curve {
    ($parsed:expr, $key:ident => $run:expr, $rsa:ident => $otherwise:expr) => {
        match $parsed {
            Parsed::Rsa($rsa) => $otherwise,
            Parsed::P256($key) => $run,
            Parsed::P384($key) => $run,
            Parsed::P521($key) => $run,
        }
    };
}

impl Key {
    pub(crate) fn new(name: String, machine: bool, pkcs8: &[u8]) -> Result<Self, Status> {
        let key = Self {
            name,
            machine,
            policy: 0,
            descriptor: DEFAULT_DESCRIPTOR.into(),
            pkcs8: pkcs8.to_vec(),
        };
        key.parsed().map(|_| key)
    }

    pub(crate) fn load(name: &str, machine: bool) -> Result<Self, Status> {
        let bytes = fs::read(path(name, machine)).map_err(|_| Status::BAD_KEYSET)?;
        let (policy, rest) = bytes.split_first_chunk::<4>().ok_or(Status::BAD_DATA)?;
        let (length, rest) = rest.split_first_chunk::<4>().ok_or(Status::BAD_DATA)?;
        let length = u32::from_le_bytes(*length) as usize;
        let (descriptor, pkcs8) = rest.split_at_checked(length).ok_or(Status::BAD_DATA)?;
        let policy = u32::from_le_bytes(*policy);
        Ok(Self {
            name: name.into(),
            machine,
            policy,
            descriptor: descriptor.into(),
            pkcs8: pkcs8.into(),
        })
    }

    pub(crate) fn save(&self) -> Result<(), Status> {
        let length = (self.descriptor.len() as u32).to_le_bytes();
        let bytes = [
            &self.policy.to_le_bytes()[..],
            &length,
            &self.descriptor,
            &self.pkcs8,
        ]
        .concat();
        fs::create_dir_all(folder(self.machine)).map_err(|_| Status::BAD_DATA)?;
        fs::write(path(&self.name, self.machine), bytes).map_err(|_| Status::BAD_DATA)
    }

    pub(crate) fn exists(&self) -> bool {
        path(&self.name, self.machine).exists()
    }

    pub(crate) fn delete(&self) -> Result<(), Status> {
        fs::remove_file(path(&self.name, self.machine)).map_err(|_| Status::BAD_KEYSET)
    }

    /// The names of the machine's keys.
    pub(crate) fn names() -> Result<Vec<String>, Status> {
        let entries = match fs::read_dir(folder(true)) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(|_| Status::BAD_DATA)?,
        };
        let mut names: Vec<_> = entries
            .flatten()
            .filter_map(|entry| entry.file_name().into_string().ok())
            .collect();
        names.sort();
        Ok(names)
    }

    fn parsed(&self) -> Result<Parsed, Status> {
        let pkcs8 = &self.pkcs8;
        let parsed = p256::SecretKey::from_pkcs8_der(pkcs8)
            .map(Parsed::P256)
            .or_else(|_| p384::SecretKey::from_pkcs8_der(pkcs8).map(Parsed::P384))
            .or_else(|_| p521::SecretKey::from_pkcs8_der(pkcs8).map(Parsed::P521))
            .or_else(|_| rsa::PrivateKey::from_pkcs8_der(pkcs8).map(Parsed::Rsa))
            .map_err(|_| Status::BAD_DATA)?;
        match parsed {
            Parsed::Rsa(key) if !RSA_BITS.contains(&key.n().bit_width()) => {
                Err(Status::NOT_SUPPORTED)
            }
            parsed => Ok(parsed),
        }
    }

    pub(crate) fn is_machine(&self) -> bool {
        self.machine
    }

    pub(crate) fn is_isolated(&self) -> bool {
        self.policy & ISOLATED != 0
    }

    pub(crate) fn is_rsa(&self) -> bool {
        matches!(self.parsed(), Ok(Parsed::Rsa(_)))
    }

    /// `BCRYPT_RSAKEY_BLOB` or `BCRYPT_ECCKEY_BLOB`. A key on a curve that came without a key usage
    /// is one for ECDH, which signs all the same (corefx 3771 and 5850).
    pub(crate) fn public_blob(&self) -> Result<Vec<u8>, Status> {
        let kind = match self.has_usage() {
            true => "ECS",
            false => "ECK",
        };
        on_curve!(self.parsed()?, key => {
            let point = key.public_key().to_sec1_point(false);
            let point = &point.as_bytes()[1..];
            let width = point.len() / 2;
            let curve = match width {
                32 => "1",
                48 => "3",
                _ => "5",
            };
            let magic = format!("{kind}{curve}");
            Ok([magic.as_bytes(), &(width as u32).to_le_bytes(), point].concat())
        }, key => {
            let (modulus, exponent) = (key.n_bytes().to_vec(), key.e_bytes().to_vec());
            let fields = [modulus.len() * 8, exponent.len(), modulus.len(), 0, 0];
            let fields = fields
                .into_iter()
                .flat_map(|field| (field as u32).to_le_bytes());
            let start = b"RSA1".iter().copied().chain(fields);
            Ok(start.chain(exponent).chain(modulus).collect())
        })
    }

    fn has_usage(&self) -> bool {
        self.pkcs8.windows(3).any(|octets| octets == KEY_USAGE)
    }

    /// As Windows writes it, anew: keys on curves get a key usage (dotnet/runtime 115249, "Windows CNG
    /// EC keys always have a key usage attached", and 122997), in the place of what they came with, and
    /// the private exponent of an RSA key is reduced by lcm(p-1, q-1) (all RSA keys in PFX files that
    /// Windows wrote and crates/pfx/tests/corpus.rs has; dotnet's `AssertKeyEquals` takes any d).
    fn written(&self) -> Result<Vec<u8>, Status> {
        let broken = |_| Status::BAD_DATA;
        on_curve!(self.parsed()?, key => {
            let bare = key.to_pkcs8_der().map_err(|_| Status::BAD_DATA)?;
            // [0] { SEQUENCE { 2.5.29.15, SET { BIT STRING digitalSignature } } }
            let usage = [160, 13, 48, 11, 6, 3, 85, 29, 15, 49, 4, 3, 2, 7, 128];
            let parts = AnyRef::from_der(bare.as_bytes()).map_err(|_| Status::BAD_DATA)?;
            let content = [parts.value(), &usage].concat();
            let whole = AnyRef::new(Tag::Sequence, &content).and_then(|whole| whole.to_der());
            whole.map_err(|_| Status::BAD_DATA)
        }, key => {
            let [p, q] = key.primes() else {
                return Err(Status::NOT_SUPPORTED);
            };
            let anew = rsa::PrivateKey::from_p_q(p.as_ref().clone(), q.as_ref().clone(), key.e().clone());
            let document = anew.map_err(broken)?.to_pkcs8_der();
            document
                .map(|document| document.as_bytes().to_vec())
                .map_err(|_| Status::BAD_DATA)
        })
    }

    pub(crate) fn plain(&self) -> Result<Vec<u8>, Status> {
        if self.policy & PLAIN_EXPORT != 0 {
            self.written()
        } else {
            Err(Status::NOT_SUPPORTED)
        }
    }

    /// `EncryptedPrivateKeyInfo` with `pbeWithSHAAnd3-KeyTripleDES-CBC`; the parameters are
    /// `CRYPT_PKCS12_PBE_PARAMS` and the salt.
    pub(crate) fn encrypted(&self, password: &str, parameters: &[u8]) -> Result<Vec<u8>, Status> {
        if self.policy & EXPORT == 0 {
            return Err(Status::NOT_SUPPORTED);
        }
        let (header, salt) = parameters
            .split_first_chunk::<8>()
            .ok_or(Status::INVALID_PARAMETER)?;
        let rounds = u32::from_le_bytes([header[0], header[1], header[2], header[3]]);
        let salt_length = u32::from_le_bytes([header[4], header[5], header[6], header[7]]);
        if rounds == 0 || salt.is_empty() || salt_length as usize != salt.len() {
            return Err(Status::INVALID_PARAMETER);
        }
        let password: Vec<u8> = password
            .encode_utf16()
            .chain([0])
            .flat_map(u16::to_be_bytes)
            .collect();
        let key = derive(1, &password, salt, rounds, 24);
        let iv = derive(2, &password, salt, rounds, 8);
        let cipher = cbc::Encryptor::<des::TdesEde3>::new_from_slices(&key, &iv)
            .map_err(|_| Status::BAD_DATA)?;
        let mut block = self.written()?;
        let length = block.len();
        block.resize(length.next_multiple_of(8) + 8, 0);
        let encrypted = cipher
            .encrypt_padded::<Pkcs7>(&mut block, length)
            .map_err(|_| Status::BAD_DATA)?;
        encode(salt, rounds, encrypted).map_err(|_| Status::BAD_DATA)
    }

    pub(crate) fn sign(&self, hash: &[u8]) -> Result<Vec<u8>, Status> {
        macro_rules! ecdsa {
            ($curve:ident, $key:expr) => {{
                let key = $curve::ecdsa::SigningKey::from($key);
                let signature: $curve::ecdsa::Signature =
                    key.sign_prehash(hash).map_err(|_| Status::BAD_DATA)?;
                Ok(signature.to_bytes().to_vec())
            }};
        }
        match self.parsed()? {
            Parsed::Rsa(key) => key
                .sign(Pkcs1v15Sign::new::<Sha256>(), hash)
                .map_err(|_| Status::BAD_DATA),
            Parsed::P256(key) => ecdsa!(p256, key),
            Parsed::P384(key) => ecdsa!(p384, key),
            Parsed::P521(key) => ecdsa!(p521, key),
        }
    }
}

fn folder(machine: bool) -> PathBuf {
    let name = if machine { "ProgramData" } else { "APPDATA" };
    let base = std::env::var_os(name).unwrap_or_else(|| r"C:\ProgramData".into());
    PathBuf::from(base).join(r"Microsoft\Crypto\Keys")
}

fn path(name: &str, machine: bool) -> PathBuf {
    folder(machine).join(name)
}

/// RFC 7292 appendix B.2 over SHA-1.
fn derive(purpose: u8, password: &[u8], salt: &[u8], rounds: u32, length: usize) -> Vec<u8> {
    let stretched = |bytes: &[u8]| -> Vec<u8> {
        bytes
            .iter()
            .copied()
            .cycle()
            .take(bytes.len().next_multiple_of(64))
            .collect()
    };
    let mut input = [stretched(salt), stretched(password)].concat();
    let mut derived = Vec::new();
    while derived.len() < length {
        let mut digest = Sha1::new()
            .chain_update([purpose; 64])
            .chain_update(&input)
            .finalize();
        for _ in 1..rounds {
            digest = Sha1::digest(digest);
        }
        derived.extend_from_slice(&digest);
        let addend: Vec<u8> = digest.iter().copied().cycle().take(64).collect();
        input
            .chunks_mut(64)
            .for_each(|chunk| add_with_one(chunk, &addend));
    }
    derived.truncate(length);
    derived
}

/// Big-endian: `number + addend + 1`, without what overflows.
fn add_with_one(number: &mut [u8], addend: &[u8]) {
    let mut carry = 1;
    for (digit, added) in number.iter_mut().zip(addend).rev() {
        carry += u16::from(*digit) + u16::from(*added);
        *digit = carry as u8;
        carry >>= 8;
    }
}

fn encode(salt: &[u8], rounds: u32, encrypted: &[u8]) -> der::Result<Vec<u8>> {
    let sequence = |parts: &[Vec<u8>]| AnyRef::new(Tag::Sequence, &parts.concat())?.to_der();
    let parameters = sequence(&[OctetStringRef::new(salt)?.to_der()?, rounds.to_der()?])?;
    let algorithm = sequence(&[PBE_SHA1_3DES.to_der()?, parameters])?;
    sequence(&[algorithm, OctetStringRef::new(encrypted)?.to_der()?])
}
