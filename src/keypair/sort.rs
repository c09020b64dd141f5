//! Makes key pairs of the loose keys and certificates of a file. Order and names mean nothing here:
//! a key's certificate is the one with its public key.

use jiff::Timestamp;

use super::certificate::Certificate;
use super::chain::{chain_of, ways_of};
use super::key::stated_public;
use super::label::labels_of;
use super::warning::warnings;
use super::{KeyPair, KeyPairError, PrivateKey};
use secret::SecretBytes;

/// A key as a file holds it.
#[derive(Debug)]
pub struct KeyInput {
    /// DER, RFC 5208 or RFC 5958.
    pub pkcs8: SecretBytes,
    /// The name beside it.
    pub friendly_name: Option<String>,
    /// The provider that kept it (PKCS#12 attribute 1.3.6.1.4.1.311.17.1).
    pub csp_name: Option<String>,
    /// What its certificate has, too.
    pub local_key_id: Option<Vec<u8>>,
}

/// A key that has another password than its file.
#[derive(Debug, Default)]
pub struct LockedKeyInput {
    /// The name beside it.
    pub friendly_name: Option<String>,
    /// What its certificate has, too.
    pub local_key_id: Option<Vec<u8>>,
}

/// A certificate as a file holds it.
#[derive(Debug)]
pub struct CertInput {
    /// DER, RFC 5280.
    pub der: Vec<u8>,
    /// The name that Windows shows for it.
    pub friendly_name: Option<String>,
    /// What its key has, too.
    pub local_key_id: Option<Vec<u8>>,
}

impl KeyInput {
    /// A key and nothing about it.
    pub fn bare(pkcs8: SecretBytes) -> Self {
        Self {
            pkcs8,
            friendly_name: None,
            csp_name: None,
            local_key_id: None,
        }
    }
}

impl CertInput {
    /// A certificate and nothing about it.
    pub fn bare(der: Vec<u8>) -> Self {
        Self {
            der,
            friendly_name: None,
            local_key_id: None,
        }
    }
}

/// Everything a file holds, put in order.
#[derive(Debug, Default)]
pub struct Sorted {
    /// One for each certificate whose key is there.
    pub key_pairs: Vec<KeyPair>,
    /// Good keys whose certificate is not there.
    pub lonely_keys: Vec<PrivateKey>,
    /// Keys and certificates that cannot be used, the cause of the others first.
    pub unusable: Vec<Unusable>,
    /// Certificates that are of no key pair: those that a key pair keeps all the same
    /// ([`KeyPair::further`]) only if they are no authority's.
    pub certificates: Vec<Certificate>,
    /// What else is in the file.
    pub skipped: Vec<pfx::Skipped>,
}

/// A key or a certificate that cannot be used.
#[derive(Debug)]
pub struct Unusable {
    /// What it is called, where that can be told.
    pub name: Option<String>,
    /// Why it cannot be used.
    pub error: KeyPairError,
    /// The certificate of a key, where that can be told.
    pub certificate: Option<Certificate>,
}

impl Unusable {
    /// Whether it is a certificate, and no key.
    pub fn is_certificate(&self) -> bool {
        matches!(self.error, KeyPairError::UnreadableCertificate { .. })
    }
}

/// The certificates of a file, each once.
#[derive(Default)]
struct Pool {
    certificates: Vec<Certificate>,
    /// For each of them, what stood beside it.
    labels: Vec<CertLabels>,
    /// Those that cannot be read.
    refused: Vec<RefusedCertificate>,
}

#[derive(Default)]
struct CertLabels {
    friendly_name: Option<String>,
    local_key_id: Option<Vec<u8>>,
    /// Whether a key pair has it, or a key that cannot be used.
    is_used: bool,
}

struct RefusedCertificate {
    input: CertInput,
    error: KeyPairError,
}

/// A key that cannot be used.
struct RefusedKey {
    labels: LockedKeyInput,
    /// Its public half, as it says itself.
    public: Option<Vec<u8>>,
    error: KeyPairError,
}

/// Finds the certificates of every key and their chains. A key in several certificates (renewed
/// with the same key) gives a key pair with each; what occurs twice counts once.
pub fn sort(keys: Vec<KeyInput>, certificates: Vec<CertInput>, now: Timestamp) -> Sorted {
    sort_file(keys, Vec::new(), certificates, now)
}

/// [`sort`], with keys that are there and stay shut.
pub fn sort_file(
    keys: Vec<KeyInput>,
    locked: Vec<LockedKeyInput>,
    certificates: Vec<CertInput>,
    now: Timestamp,
) -> Sorted {
    let mut pool = Pool::of(certificates);
    let (good, mut refused) = parse_keys(keys);
    refused.extend(locked.into_iter().map(RefusedKey::locked));
    for (key, ..) in &good {
        pool.take_unread(key);
    }
    let mut sorted = Sorted::default();
    let mut ways = Vec::new();
    for (key, friendly_name, csp_name) in good {
        let leaves = pool.leaves_of(&key);
        for leaf in &leaves {
            let names = (friendly_name.clone(), csp_name.clone());
            let pair = pool.key_pair(key.copy(), *leaf, names, now);
            sorted.key_pairs.push(pair);
            ways.push(ways_of(*leaf, &pool.certificates, now));
        }
        if leaves.is_empty() {
            sorted.lonely_keys.push(key);
        }
    }
    pool.keep_unread(&mut sorted.key_pairs);
    sorted.unusable.extend(pool.name_refused_certificates());
    let is_only = refused.len() == 1;
    for key in refused {
        sorted.unusable.push(pool.name_refused_key(key, is_only));
    }
    pool.keep_further(&mut sorted.key_pairs, &ways);
    sorted.certificates = pool.without_key_pair(sorted.key_pairs.is_empty());
    sorted
}

/// The keys that can be used, each once, with the name beside it and its provider; and the others.
type GoodKey = (PrivateKey, Option<String>, Option<String>);

fn parse_keys(keys: Vec<KeyInput>) -> (Vec<GoodKey>, Vec<RefusedKey>) {
    let (mut good, mut refused) = (Vec::<GoodKey>::new(), Vec::new());
    for input in keys {
        let public = stated_public(input.pkcs8.expose());
        match PrivateKey::parse(input.pkcs8) {
            Err(error) => refused.push(RefusedKey {
                labels: LockedKeyInput {
                    friendly_name: input.friendly_name,
                    local_key_id: input.local_key_id,
                },
                public,
                error,
            }),
            Ok(key)
                if good
                    .iter()
                    .any(|(known, ..)| known.public() == key.public()) => {}
            Ok(key) => good.push((key, input.friendly_name, input.csp_name)),
        }
    }
    (good, refused)
}

impl RefusedKey {
    fn locked(labels: LockedKeyInput) -> Self {
        Self {
            labels,
            public: None,
            error: KeyPairError::LockedKey,
        }
    }

    /// Whether a certificate's labels say that it is this key's.
    fn is_beside(&self, certificate: &CertLabels) -> bool {
        let LockedKeyInput {
            friendly_name,
            local_key_id,
        } = &self.labels;
        match (local_key_id, &certificate.local_key_id) {
            (Some(own), Some(its)) => own == its,
            _ => friendly_name.is_some() && *friendly_name == certificate.friendly_name,
        }
    }
}

impl Pool {
    fn of(certificates: Vec<CertInput>) -> Self {
        let mut pool = Self::default();
        let count = certificates.len();
        for (at, input) in certificates.into_iter().enumerate() {
            match Certificate::parse(input.der.clone()) {
                Ok(certificate) => pool.add(certificate, input),
                Err(_) => pool.refused.push(RefusedCertificate {
                    input,
                    error: KeyPairError::UnreadableCertificate {
                        number: at + 1,
                        count,
                    },
                }),
            }
        }
        pool
    }

    fn add(&mut self, certificate: Certificate, input: CertInput) {
        let mut all = self.certificates.iter();
        let known = all.position(|known| known.der() == certificate.der());
        if let Some(at) = known {
            let labels = &mut self.labels[at];
            labels.friendly_name = labels.friendly_name.take().or(input.friendly_name);
            labels.local_key_id = labels.local_key_id.take().or(input.local_key_id);
            return;
        }
        self.certificates.push(certificate);
        self.labels.push(CertLabels {
            friendly_name: input.friendly_name,
            local_key_id: input.local_key_id,
            is_used: false,
        });
    }

    /// Takes what cannot be read and has the key's public half in it for the key's certificate.
    fn take_unread(&mut self, key: &PrivateKey) {
        let refused = std::mem::take(&mut self.refused);
        for one in refused {
            if key.is_in(&one.input.der) {
                let certificate = Certificate::unread(&one.input.der, Some(key));
                self.add(certificate, one.input);
            } else {
                self.refused.push(one);
            }
        }
    }

    /// Gives the first key pair what cannot be read and is no key's: it comes back with it.
    fn keep_unread(&self, pairs: &mut [KeyPair]) {
        let Some(first) = pairs.first_mut() else {
            return;
        };
        for one in &self.refused {
            let unread = Certificate::unread(&one.input.der, None);
            if !first
                .further
                .iter()
                .any(|known| known.der() == unread.der())
            {
                first.further.push(unread);
            }
        }
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
        (key_name, csp_name): (Option<String>, Option<String>),
        now: Timestamp,
    ) -> KeyPair {
        let chain = chain_of(leaf, &self.certificates, now);
        for at in &chain {
            self.labels[*at].is_used = true;
        }
        let chain = self.copies(&chain);
        let own = self.labels[leaf].friendly_name.clone();
        let (friendly_name, container_name) = labels_of(own, key_name, csp_name.is_some());
        KeyPair {
            key,
            warnings: warnings(&chain, now),
            chain,
            further: Vec::new(),
            friendly_name,
            container_name,
            csp_name,
        }
    }

    fn copies(&self, positions: &[usize]) -> Vec<Certificate> {
        let copy = |at: &usize| self.certificates[*at].clone();
        positions.iter().map(copy).collect()
    }

    fn name_refused_certificates(&mut self) -> Vec<Unusable> {
        let refused = std::mem::take(&mut self.refused).into_iter();
        let named = refused.map(|RefusedCertificate { input, error }| Unusable {
            name: input
                .friendly_name
                .or_else(|| Certificate::name_in(&input.der)),
            error,
            certificate: None,
        });
        named.collect()
    }

    /// Gives a key that cannot be used the name of its certificate, where that can be told: its
    /// public half is in it, the labels are the same, or one certificate is left over for the one
    /// such key.
    fn name_refused_key(&mut self, key: RefusedKey, is_only: bool) -> Unusable {
        let at = self
            .with_public(key.public.as_deref())
            .or_else(|| self.labels.iter().position(|labels| key.is_beside(labels)))
            .or_else(|| self.only_unused_leaf().filter(|_| is_only));
        let Some(at) = at else {
            return Unusable {
                name: key.labels.friendly_name,
                error: key.error,
                certificate: None,
            };
        };
        self.labels[at].is_used = true;
        let certificate = self.certificates[at].clone();
        Unusable {
            name: Some(certificate.display_name().to_owned()),
            error: key.error,
            certificate: Some(certificate),
        }
    }

    fn with_public(&self, public: Option<&[u8]>) -> Option<usize> {
        let public = public?;
        let has_it = |one: &Certificate| one.public_bits().is_some_and(|bits| bits == public);
        self.certificates.iter().position(has_it)
    }

    /// The certificate without a key pair that has issued none of the others, if there is one such.
    fn only_unused_leaf(&self) -> Option<usize> {
        let mut leaves = self.unused();
        leaves.retain(|at| !self.has_issued_another(*at));
        match leaves[..] {
            [only] => Some(only),
            _ => None,
        }
    }

    fn unused(&self) -> Vec<usize> {
        let all = 0..self.certificates.len();
        all.filter(|at| !self.labels[*at].is_used).collect()
    }

    fn has_issued_another(&self, issuer: usize) -> bool {
        let issuer = &self.certificates[issuer];
        let mut others = self.certificates.iter();
        others.any(|other| other.der() != issuer.der() && other.names_as_issuer(issuer))
    }

    /// Whether it stands above others: it says so, or has issued one.
    fn is_authority(&self, at: usize) -> bool {
        self.certificates[at].is_authority() || self.has_issued_another(at)
    }

    /// Gives each key pair the certificates on other ways up from its own, and the first what is on
    /// no key pair's way: a file is to come back with all that was in it.
    fn keep_further(&mut self, pairs: &mut [KeyPair], ways: &[Vec<usize>]) {
        let unused = self.unused();
        let is_on_a_way = |at: &usize| ways.iter().any(|way| way.contains(at));
        for (number, (pair, way)) in pairs.iter_mut().zip(ways).enumerate() {
            let own = unused.iter().filter(|at| way.contains(at));
            let stray = unused.iter().filter(|at| number == 0 && !is_on_a_way(at));
            let mut kept: Vec<usize> = own.chain(stray).copied().collect();
            kept.sort_unstable();
            pair.further.splice(0..0, self.copies(&kept));
        }
    }

    /// Certificates without a key pair; an authority's only where no key pair keeps it.
    fn without_key_pair(&self, is_alone: bool) -> Vec<Certificate> {
        let mut unused = self.unused();
        unused.retain(|at| is_alone || !self.is_authority(*at));
        self.copies(&unused)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Warning;
    use super::super::fixtures::{
        Issued, RSA, host, key_input, now, openssl_certificate, openssl_key, sorted,
    };
    use super::*;

    fn reasons(sorted: &Sorted) -> Vec<(Option<String>, KeyPairError)> {
        let unusable = sorted.unusable.iter();
        unusable
            .map(|one| (one.name.clone(), one.error.clone()))
            .collect()
    }

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
            reasons(&sorted),
            [(Some("www.example.com".into()), KeyPairError::KeyDamaged)]
        );
        assert_eq!(names(&sorted.key_pairs[0].chain), ["good.example", "Root"]);
        assert!(sorted.certificates.is_empty() && sorted.key_pairs[0].further.is_empty());
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
            local_key_id: None,
        };
        let error = KeyPairError::UnsupportedKey {
            algorithm: "ECDSA brainpoolP384r1".into(),
        };
        let with = sort(vec![key()], vec![certificate], now());
        assert_eq!(
            reasons(&with),
            [(Some("www.example.com".into()), error.clone())]
        );
        let without = sort(vec![key()], vec![], now());
        assert_eq!(reasons(&without), [(friendly_name.clone(), error)]);
    }

    #[test]
    fn a_malformed_certificate_does_not_sink_the_others() {
        let leaf = Issued::self_signed("a.example");
        let odd = CertInput {
            friendly_name: Some("odd".into()),
            ..CertInput::bare(vec![0x30, 3, 2, 1, 1])
        };
        let good = CertInput::bare(leaf.der.clone());
        let sorted = sort(vec![key_input(&leaf.pkcs8())], vec![odd, good], now());
        assert_eq!(
            reasons(&sorted),
            [(
                Some("odd".into()),
                KeyPairError::UnreadableCertificate {
                    number: 1,
                    count: 2
                }
            )]
        );
        assert_eq!(sorted.key_pairs.len(), 1);
    }

    #[test]
    fn the_friendly_name_is_the_certificates_and_the_containers_name_is_kept_apart() {
        let leaf = Issued::self_signed("a.example");
        let container = "te-3f2a61c0-7d1e-4b0a-9a55-1b1d6f5ad2f0";
        let names = |key: Option<&str>, certificate: Option<&str>, csp: Option<&str>| {
            let key = KeyInput {
                friendly_name: key.map(str::to_owned),
                csp_name: csp.map(str::to_owned),
                ..key_input(&leaf.pkcs8())
            };
            let certificate = CertInput {
                friendly_name: certificate.map(str::to_owned),
                ..CertInput::bare(leaf.der.clone())
            };
            let pair = sort(vec![key], vec![certificate], now())
                .key_pairs
                .remove(0);
            assert_eq!(pair.csp_name.as_deref(), csp);
            (pair.friendly_name, pair.container_name)
        };
        let (shop, both) = (Some("Shop"), Some("Provider"));
        for (key, certificate, csp, expected) in [
            (Some(container), shop, both, (shop, Some(container))),
            (Some(container), None, None, (None, Some(container))),
            (shop, None, None, (shop, None)),
            (shop, None, both, (None, shop)),
            (shop, shop, None, (shop, None)),
            (None, shop, None, (shop, None)),
            (Some(""), Some(""), None, (None, None)),
        ] {
            let (friendly, container) = names(key, certificate, csp);
            assert_eq!(
                (friendly.as_deref(), container.as_deref()),
                expected,
                "{key:?} {certificate:?} {csp:?}"
            );
        }
    }

    #[test]
    fn every_certificate_of_a_file_is_kept_with_a_key_pair() {
        let (old, new) = (Issued::root("Old"), Issued::root("New"));
        let cross = old.issue(super::super::fixtures::authority("New"), new.key_again());
        let middle = new.authority("Middle");
        let (a, b) = (middle.host("a.example"), middle.host("b.example"));
        let (stranger, stray) = (Issued::root("Stranger"), Issued::self_signed("c.example"));
        let sorted = sorted(
            &[a.pkcs8(), b.pkcs8()],
            &[
                &stray.der,
                &a.der,
                &middle.der,
                &cross.der,
                &new.der,
                &b.der,
                &stranger.der,
                &old.der,
            ],
        );
        let [first, second] = &sorted.key_pairs[..] else {
            panic!("two key pairs")
        };
        assert_eq!(names(&first.chain), ["a.example", "Middle", "New"]);
        assert_eq!(
            names(&first.further),
            ["c.example", "New", "Stranger", "Old"]
        );
        assert_eq!(names(&second.further), ["New", "Old"]);
        assert_eq!(names(&sorted.certificates), ["c.example"]);
    }

    #[test]
    fn an_authority_alone_is_no_key_pair_and_said_to_be_one() {
        let (root, leaf) = (Issued::root("Root"), Issued::self_signed("a.example"));
        let sorted = sorted(&[], &[&root.der, &leaf.der]);
        assert_eq!(names(&sorted.certificates), ["Root", "a.example"]);
        let authorities = sorted.certificates.iter().map(Certificate::is_authority);
        assert_eq!(authorities.collect::<Vec<_>>(), [true, false]);
    }

    #[test]
    fn a_certificate_that_cannot_be_read_stays_with_its_key_and_is_named_by_what_can() {
        let leaf = Issued::self_signed("a.example");
        let mut broken = leaf.der.clone();
        // The length of the TBSCertificate: far too long.
        broken[6] ^= 0x70;
        let sorted = sorted(&[leaf.pkcs8()], &[&broken]);
        assert!(sorted.unusable.is_empty() && sorted.lonely_keys.is_empty());
        let [pair] = &sorted.key_pairs[..] else {
            panic!("one key pair")
        };
        assert_eq!(pair.leaf().der(), broken);
        assert_eq!(pair.leaf().dns_names(), ["a.example"]);
        assert_eq!(pair.leaf().not_after().to_string(), "2027-01-01T00:00:00Z");
        assert!(!pair.leaf().is_self_signed());
        assert!(matches!(pair.warnings[..], [Warning::ReadInPart { .. }]));
    }

    #[test]
    fn a_key_is_named_by_the_certificate_that_its_labels_or_its_public_half_lead_to() {
        let pkcs8 = openssl_key(&[
            "-algorithm",
            "EC",
            "-pkeyopt",
            "ec_paramgen_curve:secp256k1",
        ]);
        let (own, other) = (
            openssl_certificate(&pkcs8, &["-subj", "/CN=odd.example"]),
            Issued::self_signed("other.example"),
        );
        let by_public = sorted(std::slice::from_ref(&pkcs8), &[&other.der, &own]);
        let error = KeyPairError::UnsupportedKey {
            algorithm: "ECDSA secp256k1".into(),
        };
        assert_eq!(reasons(&by_public), [(Some("odd.example".into()), error)]);
        assert_eq!(names(&by_public.certificates), ["other.example"]);
        let locked = LockedKeyInput {
            friendly_name: None,
            local_key_id: Some(vec![2]),
        };
        let certificates = [(own, 1), (other.der.clone(), 2)].map(|(der, id)| CertInput {
            local_key_id: Some(vec![id]),
            ..CertInput::bare(der)
        });
        let sorted = sort_file(vec![], vec![locked], certificates.into(), now());
        assert_eq!(
            reasons(&sorted),
            [(Some("other.example".into()), KeyPairError::LockedKey)]
        );
        assert_eq!(names(&sorted.certificates), ["odd.example"]);
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
