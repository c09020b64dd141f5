//! The plan of a certificate authority's answer: which of its certificates has its key here, and
//! how that key is linked. Pure. A key that is here is always enough, whatever became of the
//! request.

use jiff::Timestamp;

use super::Options;
use super::plan::{Action, Item, Plan, PlannedCertificate, PlannedKey, authority, key_here};
use super::successor::dated;
use crate::error::{Error, Result};
use crate::iis::look::Snapshot;
use crate::iis::look::without_key;
use crate::iis::{KeyLink, KeyState, NoExport, StoreEntry, StoreName, blob, public_key};
use crate::keypair::{Certificate, chain_of};
use crate::text;

/// What the user wishes.
#[derive(Debug, Default)]
pub struct Wishes<'a> {
    /// What the certificate shall be called in IIS Manager.
    pub friendly_name: Option<&'a str>,
    /// The store, `My` or `WebHosting`.
    pub store: Option<StoreName>,
}

/// How the key came to be here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyOrigin {
    /// The request still waits.
    Pending,
    /// The request was deleted, its key was not: IIS Manager would show no certificate.
    RequestDeleted,
    /// Another certificate for the same request is here: IIS Manager would show no second one.
    UsedBefore,
    /// This very certificate is here, and its key works.
    Installed,
}

/// A plan for an answer.
#[derive(Debug)]
pub struct AnswerPlan<'a> {
    /// The certificate that has its key here.
    pub leaf: &'a Certificate,
    /// How the key came to be here.
    pub origin: KeyOrigin,
    /// Where the certificate will be.
    pub store: StoreName,
    /// What would be done.
    pub plan: Plan<'a>,
    /// A root that comes along and that this server does not trust. It never will because of an
    /// answer.
    pub root: Option<&'a Certificate>,
    /// Why the key cannot be exported, and so not be backed up; `None` if it can.
    pub no_export: Option<NoExport>,
}

impl AnswerPlan<'_> {
    /// Whether the certificate gets its key or its name, rather than having both already.
    pub fn places(&self) -> bool {
        self.plan
            .items
            .iter()
            .any(|item| matches!(item.action, Action::Place(_)))
    }
}

/// Plans what becomes of the certificates of an answer.
///
/// # Errors
/// When none of them has its key here: no request and no key, or a request whose key is gone.
pub fn plan<'a>(
    here: &Snapshot,
    certificates: &'a [Certificate],
    wishes: &Wishes<'_>,
    now: Timestamp,
) -> Result<AnswerPlan<'a>> {
    let keyed = certificates
        .iter()
        .enumerate()
        .find_map(|(at, one)| Some((at, key_of(here, one)?)));
    let (at, (key, origin)) = keyed.ok_or_else(|| not_here(here, certificates))?;
    let leaf = &certificates[at];
    let no_export = no_export(here, &key);
    let pending: Vec<_> = of_same_key(here, leaf)
        .filter(|seen| seen.store == StoreName::Request)
        .collect();
    let present = present(here, leaf, wishes.store);
    let placed = placed(leaf, key, present, &pending, wishes);
    let store = placed.store;
    let item = Item {
        name: leaf.display_name().to_owned(),
        action: match present {
            Some(present) if stands_already(present, &placed) => Action::AsItShouldBe,
            _ => Action::Place(placed),
        },
    };
    let answered = pending.iter().map(|seen| seen.certificate.clone());
    let mut plan = Plan {
        items: vec![item],
        answered: answered.collect(),
        exportable: true,
        ..Plan::default()
    };
    let chain = chain_of(at, certificates, now).into_iter().skip(1);
    let above: Vec<_> = chain.map(|at| &certificates[at]).collect();
    let root = add_authorities(here, &above, &mut plan);
    Ok(AnswerPlan {
        leaf,
        origin,
        store,
        plan,
        root,
        no_export,
    })
}

/// The certificate with its key and its name, where it lies already or shall lie.
fn placed<'a>(
    leaf: &'a Certificate,
    key: KeyLink,
    present: Option<&StoreEntry>,
    pending: &[&StoreEntry],
    wishes: &Wishes<'_>,
) -> PlannedCertificate<'a> {
    let wished = wishes.store.unwrap_or(StoreName::My);
    PlannedCertificate {
        store: present.map_or(wished, |seen| seen.store),
        certificate: leaf.der(),
        before: present.map(|seen| seen.certificate.properties.clone()),
        friendly_name: Some(friendly_name(wishes, leaf, present.iter().chain(pending))),
        key: PlannedKey::Here(key),
    }
}

/// Plans the authorities that come along; returns a root among them that this server does not
/// trust.
fn add_authorities<'a>(
    here: &Snapshot,
    above: &[&'a Certificate],
    plan: &mut Plan<'a>,
) -> Option<&'a Certificate> {
    let mut left_out = Vec::new();
    for certificate in above {
        authority(
            here,
            certificate.der(),
            &Options::default(),
            &mut plan.authorities,
            &mut left_out,
        );
    }
    let is_left_out = |one: &&Certificate| left_out.contains(&one.der());
    above.iter().copied().find(is_left_out)
}

/// Whether a certificate has its key and its name, wherever it lies.
fn stands_already(present: &StoreEntry, placed: &PlannedCertificate<'_>) -> bool {
    present.key.works() && present.certificate.properties.friendly_name == placed.friendly_name
}

/// What the user wishes, else what the certificate or its request is called, else a name of its
/// own.
fn friendly_name<'a>(
    wishes: &Wishes<'a>,
    leaf: &Certificate,
    known: impl Iterator<Item = &'a &'a StoreEntry>,
) -> String {
    let known = known.filter_map(|seen| seen.certificate.properties.friendly_name.as_deref());
    let mut names = wishes
        .friendly_name
        .into_iter()
        .chain(known)
        .filter(|name| !name.is_empty());
    names.next().map_or_else(|| dated(leaf), str::to_owned)
}

/// Why a key that works cannot be exported.
fn no_export(here: &Snapshot, key: &KeyLink) -> Option<NoExport> {
    for seen in &here.seen {
        if let KeyState::Works(facts) = &seen.key
            && seen.certificate.properties.key.as_ref() == Some(key)
        {
            return facts.no_export.clone();
        }
    }
    let loose = here.keys.iter().find(|found| found.link == *key)?;
    loose.facts.no_export.clone()
}

/// Where the certificate lies already: in the store that is wished for, else in either.
fn present<'a>(
    here: &'a Snapshot,
    leaf: &Certificate,
    wished: Option<StoreName>,
) -> Option<&'a StoreEntry> {
    let stores = wished.map_or(vec![StoreName::My, StoreName::WebHosting], |store| {
        vec![store]
    });
    let is_it =
        |seen: &&StoreEntry| stores.contains(&seen.store) && seen.certificate.der == leaf.der();
    let working = here.seen.iter().filter(is_it).find(|seen| seen.key.works());
    working.or_else(|| here.seen.iter().find(is_it))
}

/// Certificates of the stores that have keys, for the same key, whether it is here or not.
fn of_same_key<'a>(
    here: &'a Snapshot,
    certificate: &Certificate,
) -> impl Iterator<Item = &'a StoreEntry> {
    let wanted = public_key(certificate.der());
    let same = move |seen: &&StoreEntry| match (&wanted, public_key(&seen.certificate.der)) {
        (Some(wanted), Some(key)) => {
            StoreName::WITH_KEYS.contains(&seen.store) && blob::is_same_key(wanted, &key)
        }
        _ => false,
    };
    here.seen.iter().filter(same)
}

/// The key of a certificate, if it is here and works.
fn key_of(here: &Snapshot, certificate: &Certificate) -> Option<(KeyLink, KeyOrigin)> {
    let (mut pending, mut used) = (None, None);
    for seen in of_same_key(here, certificate).filter(|seen| seen.key.works()) {
        let Some(link) = &seen.certificate.properties.key else {
            continue;
        };
        if seen.store == StoreName::Request {
            pending = pending.or(Some(link));
        } else if seen.certificate.der == certificate.der() {
            return Some((link.clone(), KeyOrigin::Installed));
        } else {
            used = used.or(Some(link));
        }
    }
    if let Some(link) = pending {
        return Some((link.clone(), KeyOrigin::Pending));
    }
    if let Some(link) = used {
        return Some((link.clone(), KeyOrigin::UsedBefore));
    }
    let link = key_here(here, certificate.der())?;
    Some((link, KeyOrigin::RequestDeleted))
}

/// Why no certificate of the answer can be used here.
fn not_here(here: &Snapshot, certificates: &[Certificate]) -> Error {
    let request = certificates
        .iter()
        .find_map(|one| of_same_key(here, one).next().map(|seen| (one, seen)));
    if let Some((one, seen)) = request {
        let reason = without_key(&seen.key);
        return Error::failed(text!(
            "error-answer-key-lost",
            name = one.display_name(),
            reason = reason
        ));
    }
    let leaf = certificates
        .iter()
        .find(|one| !one.dns_names().is_empty())
        .or(certificates.first());
    let (name, thumbprint) = leaf.map_or_else(Default::default, |leaf| {
        (leaf.display_name(), leaf.thumbprint())
    });
    Error::failed(text!(
        "error-answer-elsewhere",
        name = name,
        thumbprint = thumbprint
    ))
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::path::Path;

    use super::*;
    use crate::change::tests::{journal, running, state_folder};
    use crate::change::{apply, rollback, undo};
    use crate::iis::blob::Home;
    use crate::iis::memory::{CallFault, Died, MemoryServer};
    use crate::iis::{ProviderKind, look_at_all};
    use crate::keypair::throwaway::{Authority, KeyKind, ThrowawayKey, new_key};

    const NAMES: [&str; 1] = ["www.example.com"];

    /// An answer, and the key it is for.
    struct Case {
        key: ThrowawayKey,
        stand_in: Vec<u8>,
        answer: Vec<Certificate>,
    }

    fn now() -> Timestamp {
        "2026-11-25T00:00:00Z".parse().unwrap()
    }

    impl Case {
        fn new() -> Self {
            let key = new_key(KeyKind::Rsa).unwrap();
            let chain = |name| {
                Authority::new(name, now())
                    .unwrap()
                    .issue_for(&NAMES, &key, now())
                    .unwrap()
                    .chain
            };
            let stand_in = chain("Stand-in")[0].der().to_vec();
            // The authority sends the intermediate and the root first.
            let answer = chain("Authority").into_iter().rev().collect();
            Self {
                key,
                stand_in,
                answer,
            }
        }

        fn leaf(&self) -> &Certificate {
            &self.answer[2]
        }

        fn link() -> KeyLink {
            Home::SchannelCsp.link("tq-request".into())
        }

        /// A server with the key, and with a certificate that leads to it.
        fn server(&self, certificate: Option<(StoreName, &[u8])>) -> MemoryServer {
            let server = MemoryServer::default();
            server.put_key(
                &Self::link(),
                self.key.pkcs8.expose(),
                true,
                ProviderKind::Csp,
            );
            if let Some((store, der)) = certificate {
                server.put_certificate(store, der, Some(&Self::link()));
            }
            server
        }

        fn pending(&self) -> MemoryServer {
            self.server(Some((StoreName::Request, &self.stand_in)))
        }

        fn install(&self, server: &MemoryServer, state: &Path) -> Result<KeyOrigin> {
            let answer = plan_on(server, &self.answer, &Wishes::default())?;
            apply(
                server.iis(),
                &answer.plan,
                &mut journal(state)?,
                &running(&|| false),
            )?;
            Ok(answer.origin)
        }
    }

    fn plan_on<'a>(
        server: &MemoryServer,
        answer: &'a [Certificate],
        wishes: &Wishes<'_>,
    ) -> Result<AnswerPlan<'a>> {
        plan(&look_at_all(server.iis())?, answer, wishes, now())
    }

    #[test]
    fn an_answer_finds_its_request_and_only_the_root_stays_out() {
        let (case, state) = (Case::new(), state_folder());
        let server = case.pending();
        let before = server.world();
        assert_eq!(
            case.install(&server, state.path()).unwrap(),
            KeyOrigin::Pending
        );
        let (stores, ..) = server.world();
        let my = &stores[&StoreName::My][0];
        assert_eq!(
            (my.der.as_slice(), my.properties.key.as_ref()),
            (case.leaf().der(), Some(&Case::link()))
        );
        assert_eq!(
            my.properties.friendly_name.as_deref(),
            Some("www.example.com 2027-11-25")
        );
        assert_eq!(stores[&StoreName::Ca][0].der, case.answer[1].der());
        assert!(
            !stores.contains_key(&StoreName::Root) && !stores.contains_key(&StoreName::Request)
        );
        undo(server.iis(), &mut journal(state.path()).unwrap()).unwrap();
        assert_eq!(server.world(), before, "undo puts the request back");
    }

    #[test]
    fn a_second_run_finds_nothing_to_do() {
        let (case, state) = (Case::new(), state_folder());
        let server = case.pending();
        case.install(&server, state.path()).unwrap();
        let answer = plan_on(&server, &case.answer, &Wishes::default()).unwrap();
        assert_eq!(
            (answer.origin, answer.no_export.as_ref()),
            (KeyOrigin::Installed, None)
        );
        assert!(!answer.plan.changes_anything());
        let renamed = Wishes {
            friendly_name: Some("公開"),
            ..Wishes::default()
        };
        assert!(
            plan_on(&server, &case.answer, &renamed)
                .unwrap()
                .plan
                .changes_anything()
        );
    }

    #[test]
    fn name_and_store_are_those_that_are_wished_for() {
        let (case, state) = (Case::new(), state_folder());
        let server = case.pending();
        let wishes = Wishes {
            friendly_name: Some("公開"),
            store: Some(StoreName::WebHosting),
        };
        let answer = plan_on(&server, &case.answer, &wishes).unwrap();
        apply(
            server.iis(),
            &answer.plan,
            &mut journal(state.path()).unwrap(),
            &running(&|| false),
        )
        .unwrap();
        let (stores, ..) = server.world();
        assert_eq!(
            stores[&StoreName::WebHosting][0]
                .properties
                .friendly_name
                .as_deref(),
            Some("公開")
        );
    }

    #[test]
    fn the_three_ways_in_which_a_certificate_vanishes_are_told_apart() {
        let (case, other) = (Case::new(), Case::new());
        let origin = |server: &MemoryServer| {
            case.install(server, state_folder().path())
                .map_err(|error| error.text.id)
        };
        let deleted = case.server(None);
        assert_eq!(origin(&deleted), Ok(KeyOrigin::RequestDeleted));
        let used = case.server(Some((StoreName::My, &case.stand_in)));
        assert_eq!(origin(&used), Ok(KeyOrigin::UsedBefore));
        assert_eq!(
            used.world().0[&StoreName::My].len(),
            2,
            "the former certificate stays"
        );
        assert_eq!(origin(&other.pending()), Err("error-answer-elsewhere"));
        let lost = MemoryServer::default();
        lost.put_certificate(StoreName::Request, &case.stand_in, Some(&Case::link()));
        assert_eq!(origin(&lost), Err("error-answer-key-lost"));
        for server in [deleted, used] {
            let my = look_at_all(server.iis()).unwrap();
            assert!(
                my.seen
                    .iter()
                    .any(|seen| seen.certificate.der == case.leaf().der() && seen.key.works())
            );
        }
    }

    #[test]
    fn a_certificate_that_iis_manager_installed_without_its_key_is_linked() {
        let (case, state) = (Case::new(), state_folder());
        let server = case.server(None);
        server.put_certificate(StoreName::WebHosting, case.leaf().der(), None);
        assert_eq!(
            case.install(&server, state.path()).unwrap(),
            KeyOrigin::RequestDeleted
        );
        let seen = look_at_all(server.iis()).unwrap().seen;
        assert!(
            seen.iter()
                .any(|seen| seen.store == StoreName::WebHosting && seen.key.works())
        );
        assert!(seen.iter().all(|seen| seen.store != StoreName::My));
    }

    #[test]
    fn a_fault_at_any_call_leaves_the_request_waiting() {
        let case = Case::new();
        // Stores, the key of the request, and the machine's keys are looked at first.
        let server = case.pending();
        let looking = server.calls_of(|| {
            plan_on(&server, &case.answer, &Wishes::default()).unwrap();
        });
        for fault in CallFault::ALL {
            for call in 0.. {
                let (server, state) = (case.pending(), state_folder());
                let before = server.world();
                server.arm(call, fault);
                let outcome =
                    catch_unwind(AssertUnwindSafe(|| case.install(&server, state.path())));
                if !server.disarm() {
                    assert!(call > looking, "the fault went through all of {call} calls");
                    break;
                }
                match outcome {
                    // A key that did not open may be found by looking at all of them.
                    Ok(Ok(_)) if call < looking => continue,
                    Ok(result) => assert!(result.is_err(), "{fault:?} at {call}"),
                    Err(died) => assert!(died.is::<Died>(), "{fault:?} at {call}"),
                }
                rollback::finish(server.iis(), &mut journal(state.path()).unwrap()).unwrap();
                assert_eq!(server.world(), before, "{fault:?} at {call}");
                case.install(&server, state.path()).unwrap();
            }
        }
    }
}
