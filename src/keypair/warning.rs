//! What is weak, missing or out of date about a key pair that can be backed up all the same.

use jiff::Timestamp;

use super::certificate::Certificate;
use super::public::CertifiedKey;

/// Something the owner should know. `name` is the display name of the certificate meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Warning {
    /// The leaf or an intermediate has expired.
    Expired {
        /// Whose certificate.
        name: String,
        /// Last second of its validity.
        on: Timestamp,
    },
    /// The leaf or an intermediate is not valid yet.
    NotYetValid {
        /// Whose certificate.
        name: String,
        /// Start of its validity.
        from: Timestamp,
    },
    /// The leaf or an intermediate has an RSA key of fewer than 2048 bits.
    WeakKey {
        /// Whose certificate.
        name: String,
        /// Such as `RSA 1024`.
        key_type: String,
    },
    /// The leaf or an intermediate is signed over MD5 or SHA-1.
    WeakSignature {
        /// Whose certificate.
        name: String,
        /// The digest.
        algorithm: String,
    },
    /// The leaf's issuer is not in the file. Only said of the leaf: that the root is missing is
    /// usual, and no loss, since clients bring their own.
    MissingIntermediate {
        /// Whose certificate.
        name: String,
        /// Whose certificate is missing.
        issuer: String,
    },
    /// The leaf could be read in part only.
    ReadInPart {
        /// Whose certificate.
        name: String,
    },
}

/// All warnings about a chain, the leaf's first.
pub(super) fn warnings(chain: &[Certificate], now: Timestamp) -> Vec<Warning> {
    let mut warnings = Vec::new();
    warnings.extend(read_in_part(chain));
    for (height, certificate) in chain.iter().enumerate() {
        let self_signed = certificate.is_self_signed();
        // A root is trusted for being known, not for its dates, its key or its signature; a
        // self-signed leaf serves.
        if height == 0 || !self_signed {
            warnings.extend(out_of_date(certificate, now));
            warnings.extend(weak_key(certificate));
        }
        if !self_signed {
            warnings.extend(weak_signature(certificate));
        }
    }
    warnings.extend(missing_intermediate(chain));
    warnings
}

fn out_of_date(certificate: &Certificate, now: Timestamp) -> Option<Warning> {
    let name = certificate.display_name().to_owned();
    if now > certificate.not_after() {
        return Some(Warning::Expired {
            name,
            on: certificate.not_after(),
        });
    }
    let from = certificate.not_before();
    (now < from).then_some(Warning::NotYetValid { name, from })
}

fn weak_key(certificate: &Certificate) -> Option<Warning> {
    let weak = certificate.public().is_some_and(CertifiedKey::is_weak);
    weak.then(|| Warning::WeakKey {
        name: certificate.display_name().to_owned(),
        key_type: certificate.key_type(),
    })
}

fn weak_signature(certificate: &Certificate) -> Option<Warning> {
    let algorithm = certificate.weak_hash()?.to_owned();
    Some(Warning::WeakSignature {
        name: certificate.display_name().to_owned(),
        algorithm,
    })
}

fn missing_intermediate(chain: &[Certificate]) -> Option<Warning> {
    let [leaf] = chain else { return None };
    let is_known = !leaf.issuer_name().is_empty();
    (is_known && !leaf.is_self_signed()).then(|| Warning::MissingIntermediate {
        name: leaf.display_name().to_owned(),
        issuer: leaf.issuer_name(),
    })
}

fn read_in_part(chain: &[Certificate]) -> Option<Warning> {
    let leaf = chain.first().filter(|leaf| !leaf.is_whole())?;
    let name = leaf.display_name().to_owned();
    Some(Warning::ReadInPart { name })
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::{Issued, RSA, host, now, openssl_certificate, openssl_key};
    use super::*;

    fn chain(certificates: &[&Issued]) -> Vec<Certificate> {
        certificates
            .iter()
            .map(|issued| Certificate::parse(issued.der.clone()).unwrap())
            .collect()
    }

    fn openssl(pkcs8: &[u8], options: &[&str]) -> Vec<Certificate> {
        vec![Certificate::parse(openssl_certificate(pkcs8, options)).unwrap()]
    }

    fn later() -> Timestamp {
        "2027-02-01T00:00:00Z".parse().unwrap()
    }

    #[test]
    fn a_sound_chain_has_no_warnings_with_or_without_its_root() {
        let root = Issued::root("Root");
        let middle = root.authority("Middle");
        let leaf = middle.host("www.example.com");
        assert_eq!(warnings(&chain(&[&leaf, &middle, &root]), now()), []);
        assert_eq!(warnings(&chain(&[&leaf, &middle]), now()), []);
    }

    #[test]
    fn expiry_is_said_of_leaf_and_intermediate_and_not_of_the_root() {
        let root = Issued::root("Root");
        let middle = root.authority("Middle");
        let leaf = middle.host("www.example.com");
        let expired = |name: &str| Warning::Expired {
            name: name.into(),
            on: "2027-01-01T00:00:00Z".parse().unwrap(),
        };
        let all = warnings(&chain(&[&leaf, &middle, &root]), later());
        assert_eq!(all, [expired("www.example.com"), expired("Middle")]);
        let last_second: Timestamp = "2027-01-01T00:00:00Z".parse().unwrap();
        assert_eq!(warnings(&chain(&[&leaf, &middle]), last_second), []);
    }

    #[test]
    fn a_certificate_of_the_future_is_not_valid_yet() {
        let leaf = Issued::self_signed("www.example.com");
        let from: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let before: Timestamp = "2025-12-31T23:59:59Z".parse().unwrap();
        let name = "www.example.com".to_owned();
        assert_eq!(
            warnings(&chain(&[&leaf]), before),
            [Warning::NotYetValid { name, from }]
        );
    }

    #[test]
    fn a_leaf_without_its_issuer_misses_it() {
        let leaf = Issued::root("Root")
            .authority("Example CA 1")
            .issue(host("a.example"), rcgen::KeyPair::generate().unwrap());
        let missing = Warning::MissingIntermediate {
            name: "a.example".into(),
            issuer: "Example CA 1".into(),
        };
        assert_eq!(warnings(&chain(&[&leaf]), now()), [missing]);
        assert_eq!(
            warnings(&chain(&[&Issued::self_signed("a.example")]), now()),
            []
        );
    }

    #[test]
    fn small_rsa_keys_are_weak() {
        let small = openssl_key(&["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024"]);
        let [weak, strong] = [openssl(&small, &[]), openssl(&RSA[0], &[])];
        // After openssl took the time, or its certificate would begin in the future.
        let now = Timestamp::now();
        let (name, key_type) = ("www.example.com".into(), "RSA 1024".into());
        assert_eq!(warnings(&weak, now), [Warning::WeakKey { name, key_type }]);
        assert_eq!(warnings(&strong, now), []);
    }

    #[test]
    fn sha_1_is_weak_except_on_what_is_trusted_for_being_known() {
        let root = openssl(&RSA[0], &["-sha1"]);
        assert_eq!(warnings(&root, Timestamp::now()), []);
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca"), root[0].der()).unwrap();
        std::fs::write(folder.path().join("ca.key"), &RSA[0]).unwrap();
        let request = [
            "req",
            "-new",
            "-newkey",
            "ed25519",
            "-nodes",
            "-keyout",
            "k",
            "-subj",
            "/CN=a.example",
            "-out",
            "csr",
        ];
        super::super::fixtures::openssl(folder.path(), &request);
        let sign = [
            "x509",
            "-req",
            "-in",
            "csr",
            "-CA",
            "ca",
            "-CAkey",
            "ca.key",
            "-CAkeyform",
            "DER",
            "-sha1",
            "-outform",
            "DER",
            "-out",
            "crt",
        ];
        super::super::fixtures::openssl(folder.path(), &sign);
        let leaf = Certificate::parse(std::fs::read(folder.path().join("crt")).unwrap()).unwrap();
        let weak = Warning::WeakSignature {
            name: "a.example".into(),
            algorithm: "SHA-1".into(),
        };
        assert_eq!(warnings(&[leaf, root[0].clone()], Timestamp::now()), [weak]);
    }
}
