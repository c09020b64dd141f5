//! Imports, repairs and undoing against a server in memory, with a fault at every single call.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::LazyLock;

use pkcs8::EncodePrivateKey;

use super::*;
use crate::error::{Error, Exit};
use crate::iis::blob::Home;
use crate::iis::memory::{CallFault, Died, MemoryServer};
use crate::iis::{
    AccessEntry, KeyLink, KeySet, KeyState, ProviderKind, Snapshot, StoreName, look, look_at_all,
};
use crate::keypair::fixtures::Issued;
use secret::SecretBytes;
use vault::id::Hash;

/// A certificate with its key.
pub(crate) struct Pair {
    pub der: Vec<u8>,
    pub pkcs8: SecretBytes,
}

/// A root, an intermediate, and a leaf with an RSA and one with an EC key under it.
pub(crate) struct Pki {
    pub root: Vec<u8>,
    pub intermediate: Vec<u8>,
    pub rsa: Pair,
    pub ec: Pair,
}

pub(crate) static PKI: LazyLock<Pki> = LazyLock::new(|| {
    let authority = |name: &str| {
        let mut params = rcgen::CertificateParams::new([]).unwrap();
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, name);
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        params
    };
    let root =
        rcgen::CertifiedIssuer::self_signed(authority("Root"), rcgen::KeyPair::generate().unwrap())
            .unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let intermediate =
        rcgen::CertifiedIssuer::signed_by(authority("Intermediate"), key, &root).unwrap();
    let leaf = |key: rcgen::KeyPair| {
        let params = rcgen::CertificateParams::new(["www.example.com".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &intermediate).unwrap();
        Pair {
            der: certificate.der().to_vec(),
            pkcs8: SecretBytes::new(key.serialize_der()),
        }
    };
    let rsa =
        rsa::PrivateKey::new(&mut rsa::rand_core::UnwrapErr(getrandom::SysRng), 2048).unwrap();
    let rsa = rcgen::KeyPair::try_from(rsa.to_pkcs8_der().unwrap().as_bytes()).unwrap();
    let (rsa, ec) = (leaf(rsa), leaf(rcgen::KeyPair::generate().unwrap()));
    Pki {
        root: root.der().to_vec(),
        intermediate: intermediate.der().to_vec(),
        rsa,
        ec,
    }
});

static POOL: LazyLock<[AccessEntry; 2]> = LazyLock::new(|| {
    let entry = |trustee: &str| AccessEntry {
        entry: format!("(A;;GR;;;{trustee})"),
        name: None,
    };
    [entry("S-1-5-82-1-2-3-4-5"), entry("S-1-5-21-1-2-3-1001")]
});

/// Both leaves, as a vault has them: the RSA one from a CSP, with a Japanese friendly name.
pub(crate) fn incoming() -> Vec<IncomingKeyPair<'static>> {
    let pki = &*PKI;
    let authorities = || vec![pki.intermediate.as_slice(), pki.root.as_slice()];
    let one = |pair: &'static Pair, store| IncomingKeyPair {
        name: "www.example.com".into(),
        leaf: &pair.der,
        authorities: authorities(),
        pkcs8: &pair.pkcs8,
        friendly_name: Some("公開 サイト"),
        store,
        provider: None,
        access: &*POOL,
    };
    vec![
        one(&pki.rsa, StoreName::WebHosting),
        one(&pki.ec, StoreName::My),
    ]
}

/// A stand-in for the process: a journal opened, a plan made and carried out.
fn restore(server: &MemoryServer, state: &Path) -> Result<bool, Error> {
    let here = look_at_all(server.iis())?;
    let incoming = incoming();
    let plan = plan(&here, &incoming, &Options::default());
    let mut journal = journal(state)?;
    apply(server.iis(), &plan, &mut journal, &running(&|| false))?;
    Ok(plan.changes_anything())
}

pub(crate) fn running(stop: &dyn Fn() -> bool) -> ApplyContext<'_> {
    ApplyContext {
        what: "restore",
        now: jiff::Timestamp::UNIX_EPOCH,
        stop,
        progress: &|_| {},
    }
}

pub(crate) fn take_back_interrupted(server: &MemoryServer, state: &Path) {
    let mut journal = journal(state).unwrap();
    assert!(
        rollback::finish(server.iis(), &mut journal)
            .unwrap()
            .is_empty()
    );
    assert!(journal.interrupted().is_none());
}

/// The friendly name of another key pair, and a certificate of the user's own: both must stay.
fn lived_in() -> MemoryServer {
    let server = MemoryServer::default();
    let other = link("other", KeySet::Machine);
    server.put_key(&other, PKI.ec.pkcs8.expose(), true, ProviderKind::Csp);
    server.put_certificate(StoreName::Root, b"not even a certificate", None);
    server
}

/// A place for host state, which the journal makes private: a temporary folder itself need not be.
pub(crate) fn state_folder() -> tempfile::TempDir {
    // In memory where there is such a place: each line of the journal waits for the disk.
    let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
    let folder = folder.unwrap();
    std::fs::remove_dir(folder.path()).unwrap();
    folder
}

/// Opens the journal. A child that another test starts may hold it too for a moment, by the open
/// files that it was born with.
pub(crate) fn journal(state: &Path) -> Result<Journal, Error> {
    for _ in 0..6000 {
        match Journal::open(state) {
            Err(error) if error.text.id == "error-journal-busy" => {
                std::thread::sleep(std::time::Duration::from_millis(10));
            }
            opened => return opened,
        }
    }
    Journal::open(state)
}

pub(crate) fn link(container: &str, key_set: KeySet) -> KeyLink {
    KeyLink {
        container: container.into(),
        provider: "P".into(),
        provider_type: 1,
        key_spec: 1,
        key_set,
    }
}

#[test]
fn a_restored_rsa_key_lives_where_it_came_from_or_where_it_is_said_or_serves_tls_1_3() {
    let (csp, ksp) = (Home::SchannelCsp, Home::SoftwareKsp);
    for (came_from, windows_build, said, expected) in [
        (None, 17_763, None, csp),
        (None, 20_348, None, ksp),
        (Some(csp), 20_348, None, csp),
        (Some(ksp), 9600, None, ksp),
        (Some(csp), 20_348, Some(ksp), ksp),
        (None, 26_100, Some(csp), csp),
    ] {
        let mut incoming = incoming();
        incoming[0].provider = came_from.map(Home::provider);
        let options = Options {
            windows_build,
            home: said,
            ..Options::default()
        };
        let plan = plan(&Snapshot::default(), &incoming, &options);
        let Action::Place(placed) = &plan.items[0].action else {
            panic!("it is not here")
        };
        let PlannedKey::New { home, .. } = placed.key else {
            panic!("nor is its key")
        };
        assert_eq!(home, expected, "{came_from:?} {windows_build} {said:?}");
        let shown = plan.items[0].texts(jiff::Timestamp::UNIX_EPOCH);
        assert!(format!("{:?}", shown[0]).contains(expected.provider()));
    }
}

#[test]
fn a_restored_key_pair_signs_has_its_name_and_lies_where_it_lay() {
    let (server, state) = (MemoryServer::default(), state_folder());
    assert!(restore(&server, state.path()).unwrap());
    let seen = look(server.iis(), &[StoreName::WebHosting, StoreName::My]).unwrap();
    assert_eq!(seen.len(), 2);
    for seen in &seen {
        let KeyState::Works(facts) = &seen.key else {
            panic!("{:?}", seen.key)
        };
        assert_eq!(facts.no_export, None);
        assert_eq!(
            seen.certificate.properties.friendly_name.as_deref(),
            Some("公開 サイト")
        );
    }
    let rsa = seen[0].certificate.properties.key.clone().unwrap();
    assert_eq!(
        (rsa.provider_type, rsa.key_spec, rsa.is_own()),
        (12, 1, true)
    );
    assert!(
        seen[1]
            .certificate
            .properties
            .key
            .as_ref()
            .unwrap()
            .is_cng()
    );
    let exported = server.iis().keys.export(&rsa).unwrap();
    assert_eq!(
        exported.access,
        POOL[..1],
        "only the application pool means the same here"
    );
}

#[test]
fn intermediates_go_to_ca_and_a_root_only_where_it_was_asked_for() {
    let (server, state) = (MemoryServer::default(), state_folder());
    restore(&server, state.path()).unwrap();
    let (stores, ..) = server.world();
    assert_eq!(stores[&StoreName::Ca].len(), 1);
    assert!(!stores.contains_key(&StoreName::Root));

    let incoming = incoming();
    let here = look_at_all(server.iis()).unwrap();
    let unasked = plan(&here, &incoming, &Options::default());
    assert_eq!(unasked.roots_left_out, [PKI.root.as_slice()]);
    let asked = Options {
        install_roots: vec![Hash::of(&PKI.root)],
        ..Options::default()
    };
    let asked = plan(&here, &incoming, &asked);
    assert_eq!(asked.authorities, [(StoreName::Root, PKI.root.as_slice())]);
}

#[test]
fn a_second_run_finds_nothing_to_do() {
    let (server, state) = (lived_in(), state_folder());
    restore(&server, state.path()).unwrap();
    let before = server.world();
    assert!(!restore(&server, state.path()).unwrap());
    assert_eq!(server.world(), before);
}

#[test]
fn a_fault_at_any_call_leaves_the_server_as_it_was() {
    let mut calls = 0;
    let server = lived_in();
    let looking = server.calls_of(|| _ = look_at_all(server.iis()).unwrap());
    for fault in CallFault::ALL {
        for call in 0.. {
            let (server, state) = (lived_in(), state_folder());
            let before = server.world();
            server.arm(call, fault);
            let outcome = catch_unwind(AssertUnwindSafe(|| restore(&server, state.path())));
            if !server.disarm() {
                calls = calls.max(call);
                break;
            }
            match outcome {
                // It hit a look at the key of another program, which may refuse.
                Ok(Ok(done)) if call < looking => {
                    assert!(done);
                    continue;
                }
                Ok(result) => assert_eq!(
                    result.unwrap_err().exit,
                    Exit::Failed,
                    "{fault:?} at {call}"
                ),
                Err(died) => assert!(died.is::<Died>(), "{fault:?} at {call}"),
            }
            take_back_interrupted(&server, state.path());
            assert_eq!(server.world(), before, "{fault:?} at {call}");
            assert!(
                restore(&server, state.path()).unwrap(),
                "it works the next time"
            );
        }
    }
    assert!(
        calls > looking,
        "the fault went through all of {calls} calls"
    );
}

#[test]
fn a_fault_while_taking_back_is_taken_up_by_the_next_try() {
    for fault in CallFault::ALL {
        for call in 0.. {
            let (server, state) = (lived_in(), state_folder());
            let before = server.world();
            restore(&server, state.path()).unwrap();
            server.arm(call, fault);
            let outcome = catch_unwind(AssertUnwindSafe(|| {
                undo(server.iis(), &mut journal(state.path()).unwrap())
            }));
            if !server.disarm() {
                break;
            }
            if let Ok(result) = outcome {
                assert_eq!(
                    result.unwrap_err().exit,
                    Exit::Attention,
                    "{fault:?} at {call}"
                );
            }
            take_back_interrupted(&server, state.path());
            assert_eq!(server.world(), before, "{fault:?} at {call}");
        }
    }
}

#[test]
fn undo_takes_back_the_last_run_and_then_there_is_nothing_more() {
    let (server, state) = (lived_in(), state_folder());
    let before = server.world();
    restore(&server, state.path()).unwrap();
    let mut journal = journal(state.path()).unwrap();
    assert!(undo(server.iis(), &mut journal).unwrap().is_empty());
    assert_eq!(server.world(), before);
    assert_eq!(
        undo(server.iis(), &mut journal).unwrap_err().text.id,
        "error-nothing-to-undo"
    );
}

#[test]
fn undo_keeps_a_key_that_a_certificate_in_any_store_needs() {
    let restored = || {
        let (server, state) = (MemoryServer::default(), state_folder());
        restore(&server, state.path()).unwrap();
        let mut web = server
            .iis()
            .stores
            .certificates(StoreName::WebHosting)
            .unwrap();
        (server, state, web.remove(0))
    };
    // Of another store, and by a link that is spelled in another way.
    let (server, state, rsa) = restored();
    server.put_elsewhere(
        "SharedStore",
        b"a renewal with the same key",
        rsa.properties.key.as_ref(),
    );
    let left = undo(server.iis(), &mut journal(state.path()).unwrap()).unwrap();
    assert_eq!((left.len(), server.world().1.len()), (1, 1), "{left:?}");
    let (server, state, rsa) = restored();
    let mut link = rsa.properties.key.unwrap();
    link.container = link.container.to_uppercase();
    server.put_certificate(StoreName::My, b"linked by hand", Some(&link));
    let left = undo(server.iis(), &mut journal(state.path()).unwrap()).unwrap();
    assert_eq!((left.len(), server.world().1.len()), (1, 1), "{left:?}");
}

#[test]
fn undo_leaves_alone_what_someone_changed_since() {
    let (server, state) = (MemoryServer::default(), state_folder());
    restore(&server, state.path()).unwrap();
    let stores = server.iis().stores;
    let rsa = stores
        .certificates(StoreName::WebHosting)
        .unwrap()
        .remove(0);
    server.put_certificate(
        StoreName::My,
        b"a renewal with the same key",
        rsa.properties.key.as_ref(),
    );
    let left = undo(server.iis(), &mut journal(state.path()).unwrap()).unwrap();
    assert_eq!(
        left.iter().map(|text| text.id).collect::<Vec<_>>(),
        ["left-key-in-use"]
    );
    assert_eq!(server.world().1.len(), 1);
}

#[test]
fn stopping_takes_everything_back() {
    let (server, state) = (lived_in(), state_folder());
    let before = server.world();
    let incoming = incoming();
    let here = look_at_all(server.iis()).unwrap();
    let plan = plan(&here, &incoming, &Options::default());
    let stop = std::cell::Cell::new(false);
    let mut journal = journal(state.path()).unwrap();
    let at_second = |_| stop.set(true);
    let stopped = || stop.get();
    let running = ApplyContext {
        progress: &at_second,
        ..running(&stopped)
    };
    let error = apply(server.iis(), &plan, &mut journal, &running).unwrap_err();
    assert_eq!(error.text.id, "error-stopped");
    assert_eq!(server.world(), before);
}

#[test]
fn a_certificate_that_lost_its_key_is_mended_and_keeps_its_name() {
    for lost in [
        None,
        Some(link("gone", KeySet::Machine)),
        Some(link("mine", KeySet::User)),
    ] {
        let (server, state) = (MemoryServer::default(), state_folder());
        server.put_certificate(StoreName::WebHosting, &PKI.rsa.der, lost.as_ref());
        let before = server.world();
        restore(&server, state.path()).unwrap();
        let seen = look(server.iis(), &[StoreName::WebHosting]).unwrap();
        assert!(seen.len() == 1 && seen[0].key.works(), "{lost:?}");
        undo(server.iis(), &mut journal(state.path()).unwrap()).unwrap();
        assert_eq!(server.world(), before, "{lost:?}");
    }
}

#[test]
fn a_certificate_with_another_key_is_mended_and_the_other_key_stays() {
    let (server, state) = (MemoryServer::default(), state_folder());
    let other = link("other", KeySet::Machine);
    server.put_key(&other, PKI.ec.pkcs8.expose(), true, ProviderKind::Csp);
    server.put_certificate(StoreName::WebHosting, &PKI.rsa.der, Some(&other));
    assert_eq!(
        look(server.iis(), &[StoreName::WebHosting]).unwrap()[0].key,
        KeyState::OtherKey
    );
    restore(&server, state.path()).unwrap();
    assert!(
        look(server.iis(), &[StoreName::WebHosting]).unwrap()[0]
            .key
            .works()
    );
    assert!(server.world().1.contains_key(&other));
}

#[test]
fn without_elevation_a_key_is_unknown_and_never_missing() {
    let (server, state) = (MemoryServer::default(), state_folder());
    restore(&server, state.path()).unwrap();
    server.lower();
    let here = look_at_all(server.iis()).unwrap();
    let with_keys = here.seen.iter().filter(|seen| seen.store != StoreName::Ca);
    assert!(
        with_keys.clone().count() == 2
            && with_keys.clone().all(|seen| seen.key == KeyState::Unknown)
    );
    let incoming = incoming();
    assert!(
        plan(&here, &incoming, &Options::default())
            .cannot()
            .all(|(_, reason)| reason.id == "cannot-not-elevated")
    );
    assert!(!repair::plan(&here, &[], &[]).changes_anything());
}

/// The "vanishing certificate" of IIS 8.x: the answer was installed without its link, the key is
/// still in its container.
#[test]
fn repair_links_a_keyless_certificate_to_its_key_on_this_server() {
    let (server, state) = (MemoryServer::default(), state_folder());
    let pending = link("le-3f2a", KeySet::Machine);
    server.put_key(&pending, PKI.rsa.pkcs8.expose(), true, ProviderKind::Csp);
    server.put_certificate(StoreName::My, &PKI.rsa.der, None);
    server.put_certificate(StoreName::My, &PKI.ec.der, None);
    let before = server.world();
    mend(&server, state.path());
    let seen = look(server.iis(), &[StoreName::My]).unwrap();
    assert_eq!(seen[0].certificate.properties.key, Some(pending));
    assert!(seen[0].key.works());
    assert_eq!(seen[1].key, KeyState::NoLink, "its key is nowhere");
    undo(server.iis(), &mut journal(state.path()).unwrap()).unwrap();
    assert_eq!(server.world(), before);
}

#[test]
fn repair_brings_a_key_from_the_users_profile_to_the_machine() {
    for exportable in [true, false] {
        let (server, state) = (MemoryServer::default(), state_folder());
        let mine = link("mine", KeySet::User);
        server.put_key(&mine, PKI.rsa.pkcs8.expose(), exportable, ProviderKind::Csp);
        server.put_certificate(StoreName::My, &PKI.rsa.der, Some(&mine));
        mend(&server, state.path());
        let seen = &look(server.iis(), &[StoreName::My]).unwrap()[0];
        assert_eq!(seen.key.works(), exportable);
        assert!(
            server.world().1.contains_key(&mine),
            "the profile keeps its copy"
        );
    }
}

fn orphans(server: &MemoryServer) -> Vec<String> {
    let here = look_at_all(server.iis()).unwrap();
    let orphans = repair::orphans(server.iis(), &here).unwrap();
    orphans
        .into_iter()
        .map(|found| found.link.container.clone())
        .collect()
}

#[test]
fn only_containers_of_this_program_whose_key_no_certificate_is_for_are_orphans() {
    let (server, state) = (lived_in(), state_folder());
    restore(&server, state.path()).unwrap();
    let gone = Issued::self_signed("gone.example.com");
    server.put_key(
        &link("pfxvault-0", KeySet::Machine),
        &gone.pkcs8(),
        true,
        ProviderKind::Csp,
    );
    server.put_key(
        &link("theirs", KeySet::Machine),
        &gone.pkcs8(),
        true,
        ProviderKind::Csp,
    );
    server.put_key(
        &link("pfxvault-copy", KeySet::Machine),
        PKI.rsa.pkcs8.expose(),
        true,
        ProviderKind::Csp,
    );
    server.put_key(
        &link("pfxvault-closed", KeySet::Machine),
        &[],
        true,
        ProviderKind::Csp,
    );
    assert_eq!(orphans(&server), ["pfxvault-0"]);
}

#[test]
fn a_key_of_any_certificate_or_request_in_any_store_is_no_orphan() {
    let der = &PKI.rsa.der;
    let damaged = [b"no certificate", der.as_slice()].concat();
    let other = KeyLink {
        provider: "another spelling".into(),
        ..link("PFXVAULT-0", KeySet::Machine)
    };
    let places: [&dyn Fn(&MemoryServer); 9] = [
        &|server| server.put_certificate(StoreName::My, der, None),
        &|server| {
            server.put_certificate(
                StoreName::WebHosting,
                der,
                Some(&link("gone", KeySet::Machine)),
            )
        },
        &|server| server.put_certificate(StoreName::Request, der, None),
        &|server| server.put_certificate(StoreName::Ca, der, None),
        &|server| server.put_certificate(StoreName::Root, &damaged, None),
        &|server| server.put_archived(StoreName::My, der, None),
        &|server| server.put_archived(StoreName::Request, der, None),
        &|server| server.put_elsewhere("SharedStore", der, None),
        &|server| server.put_certificate(StoreName::My, &PKI.ec.der, Some(&other)),
    ];
    for (at, place) in places.iter().enumerate() {
        let server = MemoryServer::default();
        server.put_key(
            &link("pfxvault-0", KeySet::Machine),
            PKI.rsa.pkcs8.expose(),
            true,
            ProviderKind::Csp,
        );
        assert_eq!(orphans(&server), ["pfxvault-0"]);
        place(&server);
        assert_eq!(orphans(&server), [""; 0], "place {at}");
    }
}

#[test]
fn a_restore_copes_with_archived_certificates_that_windows_does_not_show() {
    let (server, state) = (MemoryServer::default(), state_folder());
    server.put_archived(
        StoreName::WebHosting,
        &PKI.rsa.der,
        Some(&link("gone", KeySet::Machine)),
    );
    server.put_archived(StoreName::Ca, &PKI.intermediate, None);
    let before = server.world();
    restore(&server, state.path()).unwrap();
    let (stores, ..) = server.world();
    let twin = &stores[&StoreName::WebHosting];
    assert!(
        twin.len() == 1
            && !twin[0].properties.archived
            && !stores[&StoreName::Ca][0].properties.archived
    );
    assert!(
        look(server.iis(), &[StoreName::WebHosting]).unwrap()[0]
            .key
            .works()
    );
    undo(server.iis(), &mut journal(state.path()).unwrap()).unwrap();
    assert_eq!(server.world(), before);
}

fn mend(server: &MemoryServer, state: &Path) {
    let here = look_at_all(server.iis()).unwrap();
    let rescued = repair::rescue(server.iis(), &here);
    let plan = repair::plan(&here, &rescued, &[]);
    apply(
        server.iis(),
        &plan,
        &mut journal(state).unwrap(),
        &running(&|| false),
    )
    .unwrap();
}

#[test]
fn a_key_that_schannel_cannot_use_is_refused_in_the_plan() {
    let pkcs8 = SecretBytes::copy_of(b"no key at all");
    let one = IncomingKeyPair {
        pkcs8: &pkcs8,
        ..incoming().remove(0)
    };
    let plan = plan(&Default::default(), &[one], &Options::default());
    assert_eq!(plan.cannot().next().unwrap().1.id, "cannot-key-type");
    assert!(plan.authorities.is_empty() && !plan.changes_anything());
}

#[test]
fn holdings_name_what_cannot_be_copied_out_and_keep_what_the_store_knew() {
    let (server, state) = (MemoryServer::default(), state_folder());
    restore(&server, state.path()).unwrap();
    let marked = link("marked", KeySet::Machine);
    server.put_key(&marked, PKI.ec.pkcs8.expose(), false, ProviderKind::Csp);
    server.put_certificate(StoreName::Request, &PKI.ec.der, Some(&marked));
    server.put_certificate(StoreName::My, &PKI.intermediate, None);
    let holdings = crate::keystore::holdings(server.iis(), jiff::Timestamp::now()).unwrap();
    let stores: Vec<_> = holdings
        .key_pairs
        .iter()
        .map(|held| held.windows.as_ref().unwrap().store.as_str())
        .collect();
    assert_eq!(stores, ["My", "WebHosting"]);
    let rsa = &holdings.key_pairs[1];
    assert_eq!(
        rsa.pair.chain.len(),
        2,
        "the intermediate of CA belongs to it"
    );
    assert_eq!(rsa.pair.friendly_name.as_deref(), Some("公開 サイト"));
    assert_eq!(rsa.windows.as_ref().unwrap().access, POOL[..1]);
    let reasons: Vec<_> = holdings
        .unreadable
        .iter()
        .map(|unreadable| unreadable.reason.id)
        .collect();
    assert_eq!(
        reasons,
        ["key-no-link"],
        "the request's certificate is in My already"
    );
}

#[test]
fn a_key_marked_not_exportable_is_named_with_its_reason() {
    let server = MemoryServer::default();
    let marked = link("marked", KeySet::Machine);
    server.put_key(&marked, PKI.rsa.pkcs8.expose(), false, ProviderKind::Csp);
    server.put_certificate(StoreName::My, &PKI.rsa.der, Some(&marked));
    let holdings = crate::keystore::holdings(server.iis(), jiff::Timestamp::now()).unwrap();
    let named: Vec<_> = holdings
        .unreadable
        .iter()
        .map(|one| (one.name.as_str(), one.reason.id))
        .collect();
    assert_eq!(named, [("www.example.com", "no-export-marked")]);
    assert!(holdings.key_pairs.is_empty());
}
