//! How long the plan of a whole server takes: 500 sites with 800 bindings and as many certificates, onto sites with
//! other names. `cargo bench --bench bindings`
#![allow(clippy::unwrap_used, missing_docs, reason = "a measurement")]

use std::collections::HashMap;

use criterion::{Criterion, criterion_group, criterion_main};
use pfxvault::restore::{Mapping, Moving, bindings};
use pfxvault::server::iis::{Binding, Record, Site, SiteMap, StoreName};

const SITES: usize = 500;
const CERTIFICATES: usize = 800;

fn binding(n: usize) -> Binding {
    Binding { protocol: "https".into(), information: format!("*:443:host{n}.example.com"), ssl_flags: 1 }
}

fn thumbprint(n: usize) -> String {
    format!("{n:040X}")
}

fn record(n: usize) -> Record {
    Record::new(binding(n).endpoint().unwrap(), thumbprint(n))
}

/// The host names are dealt out to the sites in turn.
fn sites(name: &str) -> Vec<Site> {
    let site = |n: usize| Site {
        name: format!("{name} {n}"),
        bindings: (n..CERTIFICATES).step_by(SITES).map(binding).collect(),
        ..Site::default()
    };
    (0..SITES).map(site).collect()
}

fn whole_server(criterion: &mut Criterion) {
    let from = SiteMap { sites: sites("Old"), records: (0..CERTIFICATES).map(record).collect(), ..SiteMap::default() };
    let here = SiteMap { windows_build: 20_348, sites: sites("New"), ..SiteMap::default() };
    let mapping = Mapping::default();
    let certificates = (0..CERTIFICATES).map(|n| (StoreName::My, thumbprint(n))).collect();
    let moving =
        Moving { from: &from, here: &here, mapping: &mapping, certificates, names: HashMap::new(), only: None };
    criterion.bench_function("plan 500 sites", |bencher| {
        bencher
            .iter(|| assert_eq!(bindings::plan(&moving).iter().flat_map(|bound| bound.edits()).count(), CERTIFICATES));
    });
}

criterion_group!(benches, whole_server);
criterion_main!(benches);
