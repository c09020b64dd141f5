//! How long a search for stray private keys takes: 2 000 files in 100 folders, of which one in
//! forty looks like more, in main memory. `cargo bench --bench scan`
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    missing_docs,
    reason = "a measurement"
)]

use std::fs;
use std::path::Path;

use criterion::{Criterion, criterion_group, criterion_main};
use pfxvault::scan::{self, OwnKeys};

const FOLDERS: usize = 100;
const FILES: usize = 20;
const KEYS: usize = FOLDERS * FILES / 40;

/// A key, or what is none: text and bytes, shorter and longer than what is read of every file.
fn content(n: usize, key: &[u8]) -> Vec<u8> {
    match n % 40 {
        0 => key.to_vec(),
        n if n % 2 == 0 => b"just a line of text\n".repeat(50 * n),
        n => (0..1000 * n).map(|at| (at * 7 % 251) as u8).collect(),
    }
}

fn tree(folder: &Path) {
    let key = rcgen::KeyPair::generate().unwrap().serialize_der();
    for at in 0..FOLDERS {
        let folder = folder.join(at.to_string());
        fs::create_dir(&folder).unwrap();
        (0..FILES).for_each(|n| {
            fs::write(folder.join(n.to_string()), content(at * FILES + n, &key)).unwrap()
        });
    }
}

fn search(criterion: &mut Criterion) {
    let base = if Path::new("/dev/shm").is_dir() {
        "/dev/shm".into()
    } else {
        std::env::temp_dir()
    };
    let folder = tempfile::tempdir_in(base).unwrap();
    tree(folder.path());
    let (paths, known) = ([folder.path().to_owned()], OwnKeys::default());
    let now = jiff::Timestamp::now();
    criterion.bench_function("search 2000 files", |bencher| {
        bencher.iter(|| {
            assert_eq!(
                scan::run(&paths, now, &known, &[], &|_| ()).found.len(),
                KEYS
            )
        });
    });
}

criterion_group!(benches, search);
criterion_main!(benches);
