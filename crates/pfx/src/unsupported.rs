//! Names of the algorithms that are not read, so that a file's owner knows what to look for.

use crate::{Error, Oid};

/// Names of what is not read. Whatever is missing here goes by its number.
const NAMES: [(&str, &str); 29] = [
    ("1.2.410.200004.1.4", "SEED-CBC"),
    ("1.2.410.200004.1.15", "SEED-CBC (SHA-1)"),
    ("1.2.156.10197.1.104.2", "SM4-CBC"),
    ("1.2.840.113533.7.66.12", "CAST5-CBC (MD5)"),
    ("1.3.6.1.4.1.188.7.1.1.2", "IDEA-CBC"),
    ("1.2.840.113549.3.9", "RC5-CBC"),
    ("1.2.840.113549.3.4", "RC4"),
    ("1.2.840.113549.1.5.1", "DES-CBC (MD2)"),
    ("1.2.840.113549.1.5.4", "RC2-CBC (MD2)"),
    ("2.16.840.1.101.3.4.1.1", "AES-128-ECB"),
    ("2.16.840.1.101.3.4.1.3", "AES-128-OFB"),
    ("2.16.840.1.101.3.4.1.4", "AES-128-CFB"),
    ("2.16.840.1.101.3.4.1.6", "AES-128-GCM"),
    ("2.16.840.1.101.3.4.1.7", "AES-128-CCM"),
    ("2.16.840.1.101.3.4.1.23", "AES-192-OFB"),
    ("2.16.840.1.101.3.4.1.24", "AES-192-CFB"),
    ("2.16.840.1.101.3.4.1.26", "AES-192-GCM"),
    ("2.16.840.1.101.3.4.1.43", "AES-256-OFB"),
    ("2.16.840.1.101.3.4.1.44", "AES-256-CFB"),
    ("2.16.840.1.101.3.4.1.46", "AES-256-GCM"),
    ("2.16.840.1.101.3.4.1.47", "AES-256-CCM"),
    ("1.2.643.2.2.21", "GOST 28147-89"),
    ("1.2.643.7.1.1.5.1.1", "GOST R 34.12-2015 Magma"),
    ("1.2.643.7.1.1.5.2.1", "GOST R 34.12-2015 Kuznyechik"),
    ("1.2.643.7.1.1.4.1", "HMAC-Streebog-256"),
    ("1.2.643.7.1.1.4.2", "HMAC-Streebog-512"),
    ("1.3.36.3.2.1", "RIPEMD-160"),
    ("1.2.156.10197.1.401", "SM3"),
    ("1.0.10118.3.0.55", "Whirlpool"),
];

/// The error for an algorithm that is not read.
pub(crate) fn unsupported(name: Oid) -> Error {
    let number = name.to_string();
    let known = NAMES.iter().find(|(known, _)| *known == number);
    Error::Unsupported {
        algorithm: known.map_or(number, |(_, name)| (*name).to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use const_oid::ObjectIdentifier;

    #[test]
    fn every_number_is_one_and_stands_there_once() {
        for (number, name) in NAMES {
            let oid = ObjectIdentifier::new(number).unwrap();
            let algorithm = name.to_owned();
            let error = unsupported(Oid(oid.as_bytes()));
            assert_eq!(error, Error::Unsupported { algorithm });
        }
    }
}
