//! The way from a certificate to its root among loose certificates, whatever their order.

use jiff::Timestamp;

use super::certificate::{Certificate, Signed};

/// Longest search. Every step may verify as many signatures as there are candidates, and a hostile
/// file can make all of its certificates candidates of each other.
const MAX_STEPS: usize = 32;
/// Most issuers tried for one certificate.
const MAX_CANDIDATES: usize = 32;

/// A certificate that the search came to.
struct ChainStep {
    certificate: usize,
    /// The step that this one is the issuer of.
    below: Option<usize>,
    height: usize,
}

/// The chain of `leaf` as positions in `all`: the leaf first, each followed by its issuer.
///
/// Breadth first, so that it is the shortest way to a self-signed certificate; where none is to be
/// reached, the longest way found. No certificate is visited twice: cross-signed authorities may
/// form circles.
pub fn chain_of(leaf: usize, all: &[Certificate], now: Timestamp) -> Vec<usize> {
    let mut steps = vec![ChainStep {
        certificate: leaf,
        below: None,
        height: 0,
    }];
    let mut at = 0;
    while at < steps.len() && steps.len() < MAX_STEPS {
        let ChainStep {
            certificate,
            height,
            ..
        } = steps[at];
        if all[certificate].is_self_signed() {
            return way_down(&steps, at);
        }
        for issuer in issuers_of(certificate, all, now) {
            if !steps.iter().any(|step| step.certificate == issuer) {
                steps.push(ChainStep {
                    certificate: issuer,
                    below: Some(at),
                    height: height + 1,
                });
            }
        }
        at += 1;
    }
    let top = steps.last().map_or(0, |last| last.height);
    let highest = steps.iter().position(|step| step.height == top);
    way_down(&steps, highest.unwrap_or_default())
}

/// Everything that stands above `leaf` on any way, as positions in `all`; the leaf is not among it.
/// As bounded as [`chain_of`].
pub(super) fn ways_of(leaf: usize, all: &[Certificate], now: Timestamp) -> Vec<usize> {
    let mut found = vec![leaf];
    let mut at = 0;
    while at < found.len() && at < MAX_STEPS {
        for issuer in issuers_of(found[at], all, now) {
            if !found.contains(&issuer) {
                found.push(issuer);
            }
        }
        at += 1;
    }
    found.remove(0);
    found
}

fn way_down(steps: &[ChainStep], from: usize) -> Vec<usize> {
    let way = std::iter::successors(Some(from), |at| steps[*at].below);
    let mut chain: Vec<_> = way.map(|at| steps[at].certificate).collect();
    chain.reverse();
    chain
}

/// All possible issuers of a certificate, the best first.
fn issuers_of(certificate: usize, all: &[Certificate], now: Timestamp) -> Vec<usize> {
    let related =
        |issuer: &usize| *issuer != certificate && is_related(&all[certificate], &all[*issuer]);
    let candidates = (0..all.len()).filter(related).take(MAX_CANDIDATES);
    let ranked =
        candidates.filter_map(|issuer| Some((rank(&all[certificate], &all[issuer], now)?, issuer)));
    let mut ranked: Vec<_> = ranked.collect();
    // Stable: what ranks the same stays in the order of the file.
    ranked.sort_by_key(|(rank, _)| std::cmp::Reverse(*rank));
    ranked.into_iter().map(|(_, issuer)| issuer).collect()
}

/// Key identifiers tell a re-keyed authority from its former self; names are all that old
/// certificates have.
fn is_related(certificate: &Certificate, issuer: &Certificate) -> bool {
    certificate.identifies_as_issuer(issuer) == Some(true) || certificate.names_as_issuer(issuer)
}

/// How good an issuer is: verified, named, identified, valid now, valid for longest.
type ChainRank = (bool, bool, bool, bool, Timestamp);

/// `None` if it is not the issuer. Where no signature can be verified, the name must be right and
/// no key identifier may speak against it.
fn rank(certificate: &Certificate, issuer: &Certificate, now: Timestamp) -> Option<ChainRank> {
    let named = certificate.names_as_issuer(issuer);
    let identified = certificate.identifies_as_issuer(issuer);
    let verified = match certificate.signed_by(issuer) {
        Signed::Right => true,
        Signed::Unverifiable if named && identified != Some(false) => false,
        Signed::Unverifiable | Signed::Wrong => return None,
    };
    Some((
        verified,
        named,
        identified == Some(true),
        issuer.is_valid(now),
        issuer.not_after(),
    ))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rcgen::CertificateParams;

    use super::super::fixtures::{Issued, authority, now};
    use super::*;

    fn pool(issued: &[&Issued]) -> Vec<Certificate> {
        issued
            .iter()
            .map(|issued| Certificate::parse(issued.der.clone()).unwrap())
            .collect()
    }

    fn new_key() -> rcgen::KeyPair {
        rcgen::KeyPair::generate().unwrap()
    }

    /// As old authorities wrote them: without key identifiers.
    fn without_identifiers(mut params: CertificateParams) -> CertificateParams {
        params.use_authority_key_identifier_extension = false;
        params
    }

    proptest! {
        #[test]
        fn the_order_in_the_file_does_not_matter(order in Just((0..6).collect::<Vec<usize>>()).prop_shuffle()) {
            let root = Issued::root("Root");
            let upper = root.authority("Upper");
            let lower = upper.authority("Lower");
            let leaf = lower.host("www.example.com");
            let (stray, other) = (Issued::root("Stray"), upper.host("other.example.com"));
            let all = pool(&[&leaf, &lower, &upper, &root, &stray, &other]);
            let shuffled: Vec<_> = order.iter().map(|at| all[*at].clone()).collect();
            let start = order.iter().position(|at| *at == 0).unwrap();
            let chain: Vec<_> = chain_of(start, &shuffled, now()).into_iter().map(|at| order[at]).collect();
            prop_assert_eq!(chain, [0, 1, 2, 3]);
        }
    }

    #[test]
    fn a_re_keyed_authority_of_the_same_name_is_told_by_its_signature() {
        let (before, after) = (Issued::root("Root"), Issued::root("Root"));
        for params in [
            authority("Middle"),
            without_identifiers(authority("Middle")),
        ] {
            let (old, new) = (
                before.issue(params.clone(), new_key()),
                after.issue(params, new_key()),
            );
            let all = pool(&[&old, &new, &before, &after]);
            assert_eq!(chain_of(0, &all, now()), [0, 2]);
            assert_eq!(chain_of(1, &all, now()), [1, 3]);
            assert_eq!(
                chain_of(0, &all[..2], now()),
                [0],
                "the other one's root is no root"
            );
        }
    }

    #[test]
    fn a_cross_signed_intermediate_leads_to_the_root_that_is_there() {
        let (here, elsewhere) = (Issued::root("Here"), Issued::root("Elsewhere"));
        let first = elsewhere.authority("Middle");
        let second = here.issue(authority("Middle"), first.key_again());
        let leaf = first.host("www.example.com");
        assert_eq!(
            chain_of(0, &pool(&[&leaf, &first, &second, &here]), now()),
            [0, 2, 3]
        );
        assert_eq!(
            chain_of(0, &pool(&[&leaf, &second, &first, &elsewhere]), now()),
            [0, 2, 3]
        );
    }

    #[test]
    fn a_renewed_authority_with_the_same_key_counts_rather_than_the_expired() {
        let root = Issued::root("Root");
        let mut outdated = authority("Middle");
        (outdated.not_before, outdated.not_after) = (
            rcgen::date_time_ymd(2020, 1, 1),
            rcgen::date_time_ymd(2025, 1, 1),
        );
        let expired = root.issue(outdated, new_key());
        let renewed = root.issue(authority("Middle"), expired.key_again());
        let leaf = expired.host("www.example.com");
        assert_eq!(
            chain_of(0, &pool(&[&leaf, &expired, &renewed]), now()),
            [0, 2]
        );
    }

    #[test]
    fn authorities_that_sign_each_other_end_the_search() {
        let (a, b) = (Issued::root("A"), Issued::root("B"));
        let a_by_b = b.issue(authority("A"), a.key_again());
        let b_by_a = a.issue(authority("B"), b.key_again());
        let leaf = a.host("www.example.com");
        assert_eq!(
            chain_of(0, &pool(&[&leaf, &a_by_b, &b_by_a]), now()),
            [0, 1, 2]
        );
    }

    #[test]
    fn many_certificates_of_one_name_and_key_end_the_search() {
        let root = Issued::root("Same");
        let same: Vec<_> = (0..200)
            .map(|_| root.issue(authority("Same"), root.key_again()))
            .collect();
        let leaf = root.host("www.example.com");
        let all: Vec<_> = std::iter::once(&leaf).chain(&same).collect();
        let chain = chain_of(0, &pool(&all), now());
        assert!((2..=MAX_STEPS).contains(&chain.len()), "{chain:?}");
        assert_eq!(issuers_of(0, &pool(&all), now()).len(), MAX_CANDIDATES);
    }

    #[test]
    fn a_self_signed_certificate_is_a_chain_of_one() {
        let (leaf, root) = (Issued::self_signed("www.example.com"), Issued::root("Root"));
        assert_eq!(chain_of(0, &pool(&[&leaf, &root]), now()), [0]);
    }
}
