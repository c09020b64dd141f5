//! How long the plan of a whole server takes: 500 sites with 800 bindings and as many key pairs,
//! onto sites with other names. The worst of servers: every certificate and every key is there, and
//! no link leads from one to the other. `cargo bench --bench bindings`
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    missing_docs,
    reason = "a measurement"
)]

use criterion::{Criterion, criterion_group, criterion_main};
use jiff::Timestamp;
use pfxvault::change::{BindingSource, IncomingKeyPair, Mapping, Options, Order, bindings, plan};
use pfxvault::iis::blob::Home;
use pfxvault::iis::{
    Binding, FoundKey, KeyFacts, KeyState, Properties, ProviderKind, Site, SiteMap, Snapshot,
    SslBinding, StoreEntry, StoreName, StoredCertificate, public_key,
};
use pfxvault::keypair::throwaway::{Authority, KeyKind};
use pfxvault::keypair::{Certificate, KeyPair};

const SITES: usize = 500;
const KEY_PAIRS: usize = 800;

fn host(n: usize) -> String {
    format!("host{n}.example.com")
}

fn binding(n: usize) -> Binding {
    Binding {
        protocol: "https".into(),
        information: format!("*:443:{}", host(n)),
        ssl_flags: 1,
    }
}

/// The host names are dealt out to the sites in turn.
fn sites(name: &str) -> Vec<Site> {
    let site = |n: usize| Site {
        name: format!("{name} {n}"),
        bindings: (n..KEY_PAIRS).step_by(SITES).map(binding).collect(),
        ..Site::default()
    };
    (0..SITES).map(site).collect()
}

fn key_pairs() -> Vec<KeyPair> {
    let authority = Authority::new("Bench", Timestamp::now()).unwrap();
    (0..KEY_PAIRS)
        .map(|n| {
            authority
                .issue(&[&host(n)], KeyKind::P256, Timestamp::now())
                .unwrap()
        })
        .collect()
}

fn unlinked(pairs: &[KeyPair]) -> Snapshot {
    let seen = |pair: &KeyPair| StoreEntry {
        store: StoreName::My,
        certificate: StoredCertificate {
            der: pair.leaf().der().to_vec(),
            properties: Properties::default(),
        },
        key: KeyState::NoLink,
    };
    let key = |(n, pair): (usize, &KeyPair)| FoundKey {
        link: Home::SoftwareKsp.link(format!("key {n}")),
        facts: KeyFacts {
            kind: ProviderKind::Ksp,
            no_export: None,
            public_key: public_key(pair.leaf().der()).unwrap(),
        },
    };
    Snapshot {
        seen: pairs.iter().map(seen).collect(),
        keys: pairs.iter().enumerate().map(key).collect(),
        ..Snapshot::default()
    }
}

fn incoming(pair: &KeyPair) -> IncomingKeyPair<'_> {
    IncomingKeyPair {
        name: pair.leaf().display_name().to_owned(),
        leaf: pair.leaf().der(),
        authorities: pair.chain.iter().skip(1).map(Certificate::der).collect(),
        pkcs8: pair.key.pkcs8(),
        friendly_name: None,
        store: StoreName::My,
        provider: None,
        access: &[],
    }
}

fn whole_server(criterion: &mut Criterion) {
    let pairs = key_pairs();
    let records = pairs.iter().enumerate();
    let records = records
        .map(|(n, pair)| SslBinding::new(binding(n).endpoint().unwrap(), pair.leaf().thumbprint()));
    let from = SiteMap {
        sites: sites("Old"),
        records: records.collect(),
        ..SiteMap::default()
    };
    let here = SiteMap {
        windows_build: 20_348,
        sites: sites("New"),
        ..SiteMap::default()
    };
    let (mapping, snapshot) = (Mapping::default(), unlinked(&pairs));
    let certificates: std::collections::HashSet<_> = pairs
        .iter()
        .map(|pair| (StoreName::My, pair.leaf().thumbprint()))
        .collect();
    criterion.bench_function("plan 500 sites with 800 key pairs", |bencher| {
        bencher.iter(|| {
            let incoming: Vec<_> = pairs.iter().map(incoming).collect();
            let planned = plan(&snapshot, &incoming, &Options::default());
            assert_eq!(
                (planned.items.len(), planned.changes_anything()),
                (KEY_PAIRS, true)
            );
            let mut order = Order::of(&snapshot, Timestamp::now());
            pairs
                .iter()
                .for_each(|pair| order.add(pair.leaf().clone(), None));
            let (certificates, order) = (certificates.clone(), &order);
            let moving = BindingSource {
                from: &from,
                here: &here,
                mapping: &mapping,
                certificates,
                order,
                only: None,
            };
            assert_eq!(
                bindings::plan(&moving)
                    .iter()
                    .flat_map(|bound| bound.edits())
                    .count(),
                KEY_PAIRS
            );
        });
    });
}

criterion_group!(benches, whole_server);
criterion_main!(benches);
