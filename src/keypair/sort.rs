//! Makes key pairs of the loose keys and certificates of a file. Order and names mean nothing here:
//! a key's certificate is the one with its public key.

use jiff::Timestamp;

use super::certificate::Certificate;
use super::chain::chain_of;
use super::warning::warnings;
use super::{KeyPair, KeyPairError, PrivateKey};
use secret::SecretBytes;

/// A key as a file holds it.
#[derive(Debug)]
pub struct KeyInput {
    /// DER, RFC 5208 or RFC 5958.
    pub pkcs8: SecretBytes,
    /// The name that Windows shows for it.
    pub friendly_name: Option<String>,
    /// The provider that kept it (PKCS#12 attribute 1.3.6.1.4.1.311.17.1).
    pub csp_name: Option<String>,
}

/// A certificate as a file holds it.
#[derive(Debug)]
pub struct CertInput {
    /// DER, RFC 5280.
    pub der: Vec<u8>,
    /// The name that Windows shows for it.
    pub friendly_name: Option<String>,
}

/// Everything a file holds, put in order.
#[derive(Debug, Default)]
pub struct Sorted {
    /// One for each certificate whose key is there.
    pub key_pairs: Vec<KeyPair>,
    /// Good keys whose certificate is not there.
    pub lonely_keys: Vec<PrivateKey>,
    /// Keys and certificates that cannot be used: what each is called, where that can be told, and
    /// why.
    pub unusable: Vec<(Option<String>, KeyPairError)>,
    /// Certificates that belong to no key pair.
    pub certificates: Vec<Certificate>,
}

/// The certificates of a file, each once, with their friendly names.
#[derive(Default)]
struct Pool {
    certificates: Vec<Certificate>,
    friendly_names: Vec<Option<String>>,
    /// Whether a key pair has it in its chain.
    used: Vec<bool>,
}

/// Finds the certificates of every key and their chains. A key in several certificates (renewed
/// with the same key) gives a key pair with each; what occurs twice counts once.
pub fn sort(keys: Vec<KeyInput>, certificates: Vec<CertInput>, now: Timestamp) -> Sorted {
    let mut sorted = Sorted::default();
    let mut pool = Pool::default();
    sorted.unusable.extend(
        certificates
            .into_iter()
            .filter_map(|input| pool.add(input).err()),
    );
    let (mut seen, mut refused) = (Vec::new(), Vec::new());
    for KeyInput {
        pkcs8,
        friendly_name,
        csp_name,
    } in keys
    {
        match PrivateKey::parse(pkcs8) {
            Err(error) => refused.push((friendly_name, error)),
            Ok(key) if seen.contains(key.public()) => {}
            Ok(key) => {
                seen.push(key.public().clone());
                let leaves = pool.leaves_of(&key);
                for leaf in &leaves {
                    let labels = (friendly_name.clone(), csp_name.clone());
                    sorted
                        .key_pairs
                        .push(pool.key_pair(key.copy(), *leaf, labels, now));
                }
                if leaves.is_empty() {
                    sorted.lonely_keys.push(key);
                }
            }
        }
    }
    sorted.unusable.extend(pool.name_refused(refused));
    sorted.certificates = pool.into_unused().collect();
    sorted
}

impl Pool {
    fn add(&mut self, input: CertInput) -> Result<(), (Option<String>, KeyPairError)> {
        let CertInput { der, friendly_name } = input;
        if self.certificates.iter().any(|known| known.der() == der) {
            return Ok(());
        }
        match Certificate::parse(der) {
            Ok(certificate) => self.certificates.push(certificate),
            Err(error) => return Err((friendly_name, error)),
        }
        self.friendly_names.push(friendly_name);
        self.used.push(false);
        Ok(())
    }

    /// Positions of all certificates of this key.
    fn leaves_of(&self, key: &PrivateKey) -> Vec<usize> {
        let is_leaf = |at: &usize| self.certificates[*at].public() == Some(key.public());
        (0..self.certificates.len()).filter(is_leaf).collect()
    }

    fn key_pair(
        &mut self,
        key: PrivateKey,
        leaf: usize,
        (friendly_name, csp_name): (Option<String>, Option<String>),
        now: Timestamp,
    ) -> KeyPair {
        let chain = chain_of(leaf, &self.certificates, now);
        chain.iter().for_each(|at| self.used[*at] = true);
        let chain: Vec<_> = chain
            .into_iter()
            .map(|at| self.certificates[at].clone())
            .collect();
        let friendly_name = friendly_name.or_else(|| self.friendly_names[leaf].clone());
        KeyPair {
            key,
            warnings: warnings(&chain, now),
            chain,
            friendly_name,
            csp_name,
        }
    }

    /// Gives keys that cannot be used the name of their certificate, where that can be told: the
    /// friendly names are the same, or one key and one certificate are left over.
    fn name_refused(
        &self,
        refused: Vec<(Option<String>, KeyPairError)>,
    ) -> Vec<(Option<String>, KeyPairError)> {
        let left_over = self.only_unused_leaf().filter(|_| refused.len() == 1);
        let name = |friendly_name: Option<String>| {
            let same = self
                .friendly_names
                .iter()
                .position(|name| name.is_some() && *name == friendly_name);
            let certificate = same.map(|at| &self.certificates[at]).or(left_over);
            certificate
                .map(|certificate| certificate.display_name().to_owned())
                .or(friendly_name)
        };
        refused
            .into_iter()
            .map(|(friendly_name, error)| (name(friendly_name), error))
            .collect()
    }

    /// The certificate without a key pair that has issued none of the others, if there is one such.
    fn only_unused_leaf(&self) -> Option<&Certificate> {
        let unused: Vec<_> = self.unused().collect();
        let has_issued = |issuer: &Certificate| {
            unused
                .iter()
                .any(|other| other.der() != issuer.der() && other.names_as_issuer(issuer))
        };
        let mut leaves = unused.iter().filter(|certificate| !has_issued(certificate));
        leaves.next().copied().filter(|_| leaves.next().is_none())
    }

    fn unused(&self) -> impl Iterator<Item = &Certificate> {
        self.certificates
            .iter()
            .zip(&self.used)
            .filter(|(_, used)| !**used)
            .map(|(certificate, _)| certificate)
    }

    fn into_unused(self) -> impl Iterator<Item = Certificate> {
        self.certificates
            .into_iter()
            .zip(self.used)
            .filter(|(_, used)| !used)
            .map(|(certificate, _)| certificate)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Warning;
    use super::super::fixtures::{
        Issued, RSA, host, key_input, now, openssl_certificate, openssl_key, sorted,
    };
    use super::*;

    fn names(chain: &[Certificate]) -> Vec<&str> {
        chain.iter().map(Certificate::display_name).collect()
    }

    #[test]
    fn two_key_pairs_in_one_file_are_told_apart_by_their_keys() {
        let root = Issued::root("Root");
        let middle = root.authority("Middle");
        let (a, b) = (middle.host("a.example"), middle.host("b.example"));
        let sorted = sorted(
            &[b.pkcs8(), a.pkcs8()],
            &[&a.der, &root.der, &b.der, &middle.der],
        );
        let chains: Vec<_> = sorted
            .key_pairs
            .iter()
            .map(|pair| names(&pair.chain))
            .collect();
        assert_eq!(
            chains,
            [
                ["b.example", "Middle", "Root"],
                ["a.example", "Middle", "Root"]
            ]
        );
        for pair in &sorted.key_pairs {
            assert_eq!(pair.key.spki_sha256(), pair.leaf().spki_sha256());
            assert_eq!(pair.warnings, []);
        }
        assert!(
            sorted.certificates.is_empty()
                && sorted.lonely_keys.is_empty()
                && sorted.unusable.is_empty()
        );
    }

    #[test]
    fn what_occurs_twice_counts_once() {
        let leaf = Issued::self_signed("a.example");
        let sorted = sorted(&[leaf.pkcs8(), leaf.pkcs8()], &[&leaf.der, &leaf.der]);
        assert_eq!(sorted.key_pairs.len(), 1);
        assert_eq!(names(&sorted.key_pairs[0].chain), ["a.example"]);
        assert!(sorted.certificates.is_empty());
    }

    #[test]
    fn a_certificate_renewed_with_the_same_key_is_a_key_pair_of_its_own() {
        let root = Issued::root("Root");
        let first = root.host("a.example");
        let renewed = root.issue(host("b.example"), first.key_again());
        let sorted = sorted(&[first.pkcs8()], &[&first.der, &renewed.der]);
        let leaves: Vec<_> = sorted
            .key_pairs
            .iter()
            .map(|pair| pair.leaf().display_name())
            .collect();
        assert_eq!(leaves, ["a.example", "b.example"]);
        assert!(
            sorted
                .key_pairs
                .iter()
                .all(|pair| pair.key.pkcs8().expose() == first.pkcs8())
        );
    }

    #[test]
    fn strays_are_kept_apart() {
        let (leaf, stranger) = (
            Issued::self_signed("a.example"),
            Issued::self_signed("b.example"),
        );
        let lonely = rcgen::KeyPair::generate().unwrap().serialize_der();
        let sorted = sorted(&[lonely.clone(), leaf.pkcs8()], &[&stranger.der, &leaf.der]);
        assert_eq!(names(&sorted.certificates), ["b.example"]);
        assert_eq!(sorted.lonely_keys.len(), 1);
        assert_eq!(sorted.lonely_keys[0].pkcs8().expose(), lonely);
        assert_eq!(sorted.key_pairs.len(), 1);
    }

    #[test]
    fn the_key_of_another_certificate_with_the_same_name_makes_no_key_pair() {
        let root = Issued::root("Root");
        let (mine, other) = (root.host("a.example"), root.host("a.example"));
        let sorted = sorted(&[other.pkcs8()], &[&mine.der, &root.der]);
        assert!(sorted.key_pairs.is_empty());
        assert_eq!(sorted.lonely_keys.len(), 1);
    }

    #[test]
    fn a_damaged_key_is_named_by_the_certificate_left_over_and_sinks_nothing_else() {
        let root = Issued::root("Root");
        let good = root.host("good.example");
        let damaged_certificate = openssl_certificate(&RSA[0], &[]);
        let mut damaged = RSA[0].clone();
        // The last number of the key is qInv.
        *damaged.last_mut().unwrap() ^= 1;
        let sorted = sorted(
            &[damaged, good.pkcs8()],
            &[&damaged_certificate, &good.der, &root.der],
        );
        assert_eq!(
            sorted.unusable,
            [(Some("www.example.com".into()), KeyPairError::KeyDamaged)]
        );
        assert_eq!(names(&sorted.key_pairs[0].chain), ["good.example", "Root"]);
        assert_eq!(names(&sorted.certificates), ["www.example.com"]);
    }

    #[test]
    fn an_unsupported_key_is_named_by_the_certificate_of_its_friendly_name() {
        let pkcs8 = openssl_key(&[
            "-algorithm",
            "EC",
            "-pkeyopt",
            "ec_paramgen_curve:brainpoolP384r1",
        ]);
        let friendly_name = Some("Shop".to_owned());
        let key = || KeyInput {
            friendly_name: friendly_name.clone(),
            ..key_input(&pkcs8)
        };
        let certificate = CertInput {
            der: openssl_certificate(&pkcs8, &[]),
            friendly_name: friendly_name.clone(),
        };
        let error = KeyPairError::UnsupportedKey {
            algorithm: "ECDSA brainpoolP384r1".into(),
        };
        let with = sort(vec![key()], vec![certificate], now());
        assert_eq!(
            with.unusable,
            [(Some("www.example.com".into()), error.clone())]
        );
        let without = sort(vec![key()], vec![], now());
        assert_eq!(without.unusable, [(friendly_name.clone(), error)]);
    }

    #[test]
    fn a_malformed_certificate_does_not_sink_the_others() {
        let leaf = Issued::self_signed("a.example");
        let odd = CertInput {
            der: vec![0x30, 3, 2, 1, 1],
            friendly_name: Some("odd".into()),
        };
        let good = CertInput {
            der: leaf.der.clone(),
            friendly_name: None,
        };
        let sorted = sort(vec![key_input(&leaf.pkcs8())], vec![odd, good], now());
        assert_eq!(
            sorted.unusable,
            [(Some("odd".into()), KeyPairError::MalformedCertificate)]
        );
        assert_eq!(sorted.key_pairs.len(), 1);
    }

    #[test]
    fn the_friendly_name_is_the_keys_else_the_leafs() {
        let leaf = Issued::self_signed("a.example");
        let sort_with = |name: Option<&str>| {
            let key = KeyInput {
                friendly_name: name.map(str::to_owned),
                csp_name: Some("Provider".into()),
                ..key_input(&leaf.pkcs8())
            };
            let certificate = CertInput {
                der: leaf.der.clone(),
                friendly_name: Some("leaf".into()),
            };
            sort(vec![key], vec![certificate], now())
                .key_pairs
                .remove(0)
        };
        assert_eq!(sort_with(Some("key")).friendly_name.as_deref(), Some("key"));
        let pair = sort_with(None);
        assert_eq!(
            (pair.friendly_name.as_deref(), pair.csp_name.as_deref()),
            (Some("leaf"), Some("Provider"))
        );
    }

    #[test]
    fn encodings_of_a_public_key_do_not_keep_it_from_its_certificate() {
        let folder = tempfile::tempdir().unwrap();
        let pkcs8 = openssl_key(&["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]);
        std::fs::write(folder.path().join("key"), &pkcs8).unwrap();
        let convert = [
            "ec",
            "-inform",
            "DER",
            "-in",
            "key",
            "-conv_form",
            "compressed",
            "-out",
            "compressed",
        ];
        super::super::fixtures::openssl(folder.path(), &convert);
        let request = [
            "req",
            "-x509",
            "-key",
            "compressed",
            "-subj",
            "/CN=a",
            "-outform",
            "DER",
            "-out",
            "crt",
        ];
        super::super::fixtures::openssl(folder.path(), &request);
        let certificate = std::fs::read(folder.path().join("crt")).unwrap();
        let sorted = sorted(&[pkcs8], &[&certificate]);
        assert_eq!(sorted.key_pairs.len(), 1);
        assert_ne!(
            sorted.key_pairs[0].key.spki_sha256(),
            sorted.key_pairs[0].leaf().spki_sha256()
        );
    }

    #[test]
    fn warnings_come_with_the_key_pair() {
        let leaf = Issued::root("Root").host("a.example");
        let sorted = sorted(&[leaf.pkcs8()], &[&leaf.der]);
        assert!(matches!(
            sorted.key_pairs[0].warnings[..],
            [Warning::MissingIntermediate { .. }]
        ));
    }
}
