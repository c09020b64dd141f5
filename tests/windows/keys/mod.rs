//! Certificates and keys of this machine: brought in, looked at, copied out, mended and taken back.

mod dying;
pub(crate) mod fixtures;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use pfxvault::change::{
    Action, ApplyContext, IncomingKeyPair, Journal, Options, apply, plan, repair, rollback, undo,
};
use pfxvault::iis::blob::Home;
use pfxvault::iis::{
    AccessEntry, Code, KeyLink, KeySet, KeyState, NewKey, NoExport, OWN_CONTAINER, PfxFile,
    Properties, ProviderKind, StoreEntry, StoreName, challenge, look, look_at_all, public_key,
};
use pfxvault::keypair::PrivateKey;
use pfxvault::keypair::throwaway::{KeyKind, new_private_key};
use pfxvault::platform::windows::LocalMachine;
use secret::{Password, SecretBytes};
use sha2::{Digest, Sha256};
use vault::id::Hash;

use crate::under_wine;
use fixtures::{Pair, PairKind};

/// Stores and containers belong to the machine, and so to one test at a time.
pub(crate) fn one_at_a_time() -> MutexGuard<'static, ()> {
    static MACHINE: Mutex<()> = Mutex::new(());
    MACHINE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Host state in a folder that nobody else can enter, as it must be.
pub(crate) struct StateFolder(tempfile::TempDir);

impl StateFolder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.0.path().join("state")
    }
}

pub(crate) fn restore(pairs: &[&Pair], options: &Options, state: &Path) -> bool {
    let machine = LocalMachine;
    let incoming: Vec<_> = pairs.iter().map(|pair| pair.incoming()).collect();
    let here = look_at_all(machine.iis()).unwrap();
    let plan = plan(&here, &incoming, options);
    assert!(
        plan.cannot().next().is_none(),
        "{:?}",
        plan.cannot().collect::<Vec<_>>()
    );
    let mut journal = Journal::open(state).unwrap();
    apply(machine.iis(), &plan, &mut journal, &running(&|| false)).unwrap();
    plan.changes_anything()
}

fn running(stop: &dyn Fn() -> bool) -> ApplyContext<'_> {
    ApplyContext {
        what: "restore",
        now: jiff::Timestamp::UNIX_EPOCH,
        stop,
        progress: &|_| {},
    }
}

fn seen(pair: &Pair) -> StoreEntry {
    let found = look(LocalMachine.iis(), &StoreName::ALL)
        .unwrap()
        .into_iter();
    found
        .into_iter()
        .find(|seen| seen.certificate.der == pair.der)
        .expect("the certificate is in a store")
}

/// Everything that a change could leave behind.
fn inventory() -> (Vec<String>, Vec<KeyLink>) {
    let here = look_at_all(LocalMachine.iis()).unwrap();
    let mut certificates: Vec<_> = here
        .seen
        .iter()
        .map(|seen| format!("{} {:?} {:?}", seen.store, seen.certificate, seen.key))
        .collect();
    let mut keys: Vec<_> = here.keys.into_iter().map(|found| found.link).collect();
    certificates.sort();
    keys.sort();
    (certificates, keys)
}

pub(crate) fn take_everything_back(state: &Path) {
    let mut journal = Journal::open(state).unwrap();
    assert!(
        rollback::finish(LocalMachine.iis(), &mut journal)
            .unwrap()
            .is_empty()
    );
    while journal.last_committed().is_some() {
        assert!(undo(LocalMachine.iis(), &mut journal).unwrap().is_empty());
    }
}

/// Which key it is: its public half, which fits its private one. Windows writes the same numbers in
/// another way than they came in.
fn number_of(pkcs8: &SecretBytes) -> [u8; 32] {
    let copy = SecretBytes::copy_of(pkcs8.expose());
    PrivateKey::parse(copy).unwrap().spki_sha256()
}

#[test]
fn rsa_key_pairs_come_out_as_they_went_in_and_sign() {
    let _machine = one_at_a_time();
    let state = StateFolder::new();
    let before = inventory();
    let pairs: Vec<_> = [2048, 3072, 4096]
        .map(|bits| Pair::new(PairKind::Rsa(bits)))
        .into();
    assert!(restore(
        &pairs.iter().collect::<Vec<_>>(),
        &Options::default(),
        &state.path()
    ));
    for pair in &pairs {
        let seen = seen(pair);
        assert_eq!(seen.store, StoreName::WebHosting);
        assert_eq!(
            seen.certificate.properties.friendly_name.as_deref(),
            Some(fixtures::FRIENDLY_NAME)
        );
        let KeyState::Works(facts) = &seen.key else {
            panic!("{:?}", seen.key)
        };
        assert_eq!((facts.kind, &facts.no_export), (ProviderKind::Csp, &None));
        let link = seen.certificate.properties.key.as_ref().unwrap();
        assert_eq!(
            (link.provider_type, link.key_spec, link.key_set),
            (12, 1, KeySet::Machine)
        );
        let exported = LocalMachine.iis().keys.export(link).unwrap();
        assert_eq!(number_of(&exported.pkcs8), number_of(&pair.pkcs8));
        let signature = LocalMachine.iis().keys.sign(link, b"challenge").unwrap();
        assert!(challenge::verifies(
            &public_key(&pair.der).unwrap(),
            b"challenge",
            &signature
        ));
    }
    assert!(
        !restore(
            &pairs.iter().collect::<Vec<_>>(),
            &Options::default(),
            &state.path()
        ),
        "nothing to do"
    );
    take_everything_back(&state.path());
    assert_eq!(inventory(), before);
}

#[test]
fn keys_of_cng_come_out_as_they_went_in_and_sign() {
    let _machine = one_at_a_time();
    let state = StateFolder::new();
    let before = inventory();
    let (ec, rsa) = (Pair::new(PairKind::Ec), Pair::new(PairKind::Rsa(2048)));
    let p384 = Pair::new(PairKind::P384);
    let machine = LocalMachine;
    let from_cng = IncomingKeyPair {
        provider: Some("Microsoft Software Key Storage Provider"),
        ..rsa.incoming()
    };
    let here = look_at_all(machine.iis()).unwrap();
    let incoming = [ec.incoming(), p384.incoming(), from_cng];
    let plan = plan(&here, &incoming, &Options::default());
    let mut journal = Journal::open(&state.path()).unwrap();
    apply(machine.iis(), &plan, &mut journal, &running(&|| false)).unwrap();
    drop(journal);
    for pair in [&ec, &p384, &rsa] {
        let seen = seen(pair);
        let KeyState::Works(facts) = &seen.key else {
            panic!("{:?}", seen.key)
        };
        assert_eq!((facts.kind, &facts.no_export), (ProviderKind::Ksp, &None));
        let link = seen.certificate.properties.key.as_ref().unwrap();
        assert_eq!(
            (link.provider_type, link.key_spec, link.key_set),
            (0, 0, KeySet::Machine)
        );
        let exported = machine.iis().keys.export(link).unwrap();
        assert_eq!(number_of(&exported.pkcs8), number_of(&pair.pkcs8));
    }
    take_everything_back(&state.path());
    assert_eq!(inventory(), before);
}

/// There is no certificate for it here, as the library issues none: a key alone.
#[test]
fn a_key_on_p_521_goes_in_signs_and_comes_out() {
    let _machine = one_at_a_time();
    let pkcs8 = new_private_key(KeyKind::P521).unwrap();
    let link = Home::SoftwareKsp.link(format!("{OWN_CONTAINER}p521"));
    let keys = LocalMachine.iis().keys;
    let new = NewKey {
        pkcs8: &pkcs8,
        exportable: true,
        access: &[],
    };
    keys.create(&link, &new).unwrap();
    let facts = keys.inspect(&link).unwrap();
    let signature = keys.sign(&link, b"challenge").unwrap();
    let verified = challenge::verifies(&facts.public_key, b"challenge", &signature);
    let exported = keys.export(&link);
    assert!(keys.delete(&link).unwrap());
    assert!(verified);
    assert_eq!(Sha256::digest(&facts.public_key)[..], number_of(&pkcs8));
    assert_eq!(number_of(&exported.unwrap().pkcs8), number_of(&pkcs8));
}

/// Wine imports RSA keys, into CryptoAPI alone; it has no flags for CNG.
#[test]
fn a_pfx_is_tried_and_leaves_nothing() {
    let _machine = one_at_a_time();
    let before = inventory();
    let password = Password::new("of the test".into());
    for (kind, always_cng) in [
        (PairKind::Rsa(2048), false),
        (PairKind::Rsa(2048), true),
        (PairKind::P384, true),
    ] {
        let pair = Pair::new(kind);
        let contents = pfx::KeyPairContents {
            pkcs8: &pair.pkcs8,
            chain: &[&pair.der, &pair.intermediate],
            friendly_name: Some(fixtures::FRIENDLY_NAME),
            csp_name: None,
        };
        let bytes = pfx::write(&contents, &password, pfx::Profile::Aes256, 2000).unwrap();
        let file = |password, der: &[u8]| PfxFile {
            name: "www.example.com",
            bytes: &bytes,
            password,
            certificate: Hash::of(der),
            always_cng,
        };
        let keys = LocalMachine.iis().keys;
        let signature = keys.sign_from_pfx(&file(&password, &pair.der), b"challenge");
        if under_wine() && always_cng {
            assert_eq!(signature.unwrap_err().call, "PFXImportCertStore");
            continue;
        }
        let public = public_key(&pair.der).unwrap();
        let signature = signature.unwrap();
        assert!(challenge::verifies(&public, b"challenge", &signature));
        let other = Pair::new(PairKind::Ec);
        let missing = keys.sign_from_pfx(&file(&password, &other.der), b"challenge");
        assert_eq!(missing.unwrap_err().code, Code::CERT_NOT_FOUND);
        let wrong = Password::new("of a test".into());
        let refused = keys.sign_from_pfx(&file(&wrong, &pair.der), b"challenge");
        assert_eq!(refused.unwrap_err().call, "PFXImportCertStore");
    }
    assert_eq!(inventory(), before);
}

/// What a PFX imported as "exportable" leaves behind: the key may leave, but only encrypted.
#[test]
fn a_key_that_may_leave_only_encrypted_leaves_so_and_is_opened_here() {
    if !under_wine() {
        return;
    }
    let _machine = one_at_a_time();
    let state = StateFolder::new();
    let before = inventory();
    let pair = Pair::new(PairKind::Ec);
    restore(&[&pair], &Options::default(), &state.path());
    let link = seen(&pair).certificate.properties.key.unwrap();
    let policy = |policy: u8, isolated: u8| {
        let file = Path::new(&std::env::var("ProgramData").unwrap())
            .join(r"Microsoft\Crypto\Keys")
            .join(&link.container);
        let mut bytes = std::fs::read(&file).unwrap();
        bytes[..2].copy_from_slice(&[policy, isolated]);
        std::fs::write(&file, bytes).unwrap();
        LocalMachine
            .iis()
            .keys
            .export(&link)
            .map(|key| number_of(&key.pkcs8))
    };
    assert_eq!(policy(1, 0), Ok(number_of(&pair.pkcs8)));
    assert_eq!(policy(0, 0), Err(NoExport::Marked));
    assert_eq!(policy(3, 1), Err(NoExport::Isolated));
    let facts = LocalMachine.iis().keys.inspect(&link).unwrap();
    assert_eq!(facts.kind, ProviderKind::Isolated);
    policy(3, 0).unwrap();
    take_everything_back(&state.path());
    assert_eq!(inventory(), before);
}

#[test]
fn who_else_may_use_a_key_is_kept_where_the_name_means_the_same_here() {
    let _machine = one_at_a_time();
    let state = StateFolder::new();
    let pair = Pair::new(PairKind::Ec);
    let entry = |trustee: &str| AccessEntry {
        entry: format!("(A;;GR;;;{trustee})"),
        name: None,
    };
    let access = [entry("NS"), entry("S-1-5-21-1-2-3-1001")];
    let incoming = [IncomingKeyPair {
        access: &access,
        ..pair.incoming()
    }];
    let here = look_at_all(LocalMachine.iis()).unwrap();
    let plan = plan(&here, &incoming, &Options::default());
    let mut journal = Journal::open(&state.path()).unwrap();
    apply(LocalMachine.iis(), &plan, &mut journal, &running(&|| false)).unwrap();
    drop(journal);
    let exported = LocalMachine
        .iis()
        .keys
        .export(seen(&pair).certificate.properties.key.as_ref().unwrap())
        .unwrap();
    let kept: Vec<_> = exported
        .access
        .iter()
        .map(|entry| (entry.trustee(), entry.name.is_some()))
        .collect();
    assert_eq!(kept, [("NS", true)]);
    take_everything_back(&state.path());
}

#[test]
fn of_five_keys_the_one_marked_not_exportable_stays_and_is_named() {
    let _machine = one_at_a_time();
    let state = StateFolder::new();
    let before = inventory();
    let pairs: Vec<_> = (0..5).map(|_| Pair::new(PairKind::Rsa(2048))).collect();
    let (marked, others) = pairs.split_first().unwrap();
    restore(
        &others.iter().collect::<Vec<_>>(),
        &Options::default(),
        &state.path(),
    );
    restore(
        &[marked],
        &Options {
            non_exportable: true,
            ..Options::default()
        },
        &state.path(),
    );
    let export = |pair: &Pair| {
        let seen = seen(pair);
        let KeyState::Works(facts) = &seen.key else {
            panic!("{:?}", seen.key)
        };
        let exported = LocalMachine
            .iis()
            .keys
            .export(seen.certificate.properties.key.as_ref().unwrap());
        (
            facts.no_export.clone(),
            exported.map(|key| number_of(&key.pkcs8)),
        )
    };
    assert_eq!(
        export(marked),
        (Some(NoExport::Marked), Err(NoExport::Marked))
    );
    for pair in others {
        assert_eq!(export(pair), (None, Ok(number_of(&pair.pkcs8))));
    }
    take_everything_back(&state.path());
    assert_eq!(inventory(), before);
}

#[test]
fn a_certificate_without_its_link_is_mended_by_the_key_that_is_still_here() {
    let _machine = one_at_a_time();
    let state = StateFolder::new();
    let before = inventory();
    let pair = Pair::new(PairKind::Rsa(2048));
    restore(&[&pair], &Options::default(), &state.path());
    let whole = seen(&pair);
    let name = Some("名前 だけ".to_owned());
    let keyless = Properties {
        friendly_name: name.clone(),
        ..Properties::default()
    };
    LocalMachine
        .iis()
        .stores
        .change(whole.store, &Hash::of(&pair.der), &keyless)
        .unwrap();
    assert_eq!(seen(&pair).key, KeyState::NoLink);

    let here = look_at_all(LocalMachine.iis()).unwrap();
    let rescued = repair::rescue(LocalMachine.iis(), &here);
    let plan = repair::plan(&here, &rescued, &[]);
    assert!(matches!(plan.items.as_slice(), [item] if matches!(item.action, Action::Place(_))));
    let mut journal = Journal::open(&state.path()).unwrap();
    apply(LocalMachine.iis(), &plan, &mut journal, &running(&|| false)).unwrap();
    let mended = seen(&pair);
    assert!(mended.key.works());
    assert_eq!(mended.certificate.properties.friendly_name, name);
    undo(LocalMachine.iis(), &mut journal).unwrap();
    LocalMachine
        .iis()
        .stores
        .change(
            whole.store,
            &Hash::of(&pair.der),
            &whole.certificate.properties,
        )
        .unwrap();
    drop(journal);
    take_everything_back(&state.path());
    assert_eq!(inventory(), before);
}

#[test]
fn a_link_into_a_users_profile_or_to_nowhere_is_seen_as_what_it_is() {
    let _machine = one_at_a_time();
    let state = StateFolder::new();
    let before = inventory();
    let pair = Pair::new(PairKind::Rsa(2048));
    restore(&[&pair], &Options::default(), &state.path());
    let whole = seen(&pair);
    let link = whole.certificate.properties.key.clone().unwrap();
    let relinked = |link: KeyLink| {
        let properties = Properties {
            key: Some(link),
            ..whole.certificate.properties.clone()
        };
        LocalMachine
            .iis()
            .stores
            .change(whole.store, &Hash::of(&pair.der), &properties)
            .unwrap();
        seen(&pair).key
    };
    assert_eq!(
        relinked(KeyLink {
            key_set: KeySet::User,
            ..link.clone()
        }),
        KeyState::UserProfile
    );
    assert_eq!(
        relinked(KeyLink {
            container: "gone".into(),
            ..link.clone()
        }),
        KeyState::Missing
    );
    assert!(relinked(link).works());
    take_everything_back(&state.path());
    assert_eq!(inventory(), before);
}

#[test]
fn a_store_that_is_not_there_is_empty_and_is_not_made_by_reading() {
    let _machine = one_at_a_time();
    let request = LocalMachine
        .iis()
        .stores
        .certificates(StoreName::Request)
        .unwrap();
    assert!(request.is_empty());
}
