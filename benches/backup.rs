//! How long one backup and one drill of a whole server take: 1 000 key pairs, sealed as a backup
//! seals them, on a medium in main memory. `cargo bench --bench backup`
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    missing_docs,
    reason = "a measurement"
)]

use std::path::Path;

use criterion::{Criterion, criterion_group, criterion_main};
use pfx::Profile;
use pfxvault::keypair::throwaway::{Authority, KeyKind};
use pfxvault::keystore::{HeldKeyPair, Inventory};
use pfxvault::platform::media::FolderVolume;
use pfxvault::state::State;
use pfxvault::workflow::backup::{self, BackupRequest};
use pfxvault::workflow::create::create_vault;
use pfxvault::workflow::drill;
use pfxvault::workflow::server_backup;
use pfxvault::workflow::unlock::{self, Wanted};
use secret::Passphrase;
use vault::identity::{RecoveryKey, Secret};
use vault::medium::Medium;

const KEY_PAIRS: usize = 1_000;

/// One RSA key serves all: generating a thousand would take minutes, and nothing measured here
/// depends on it.
fn holdings(now: jiff::Timestamp) -> Inventory {
    let authority = Authority::new("Bench", now).unwrap();
    let key = pfxvault::keypair::throwaway::new_key(KeyKind::Rsa).unwrap();
    let held = |n: usize| HeldKeyPair {
        pair: authority
            .issue_for(&[&format!("site{n}.example.com")], &key, now)
            .unwrap(),
        file_names: Vec::new(),
        file_parts: std::collections::BTreeMap::new(),
        pfx: None,
        windows: None,
    };
    Inventory {
        key_pairs: (0..KEY_PAIRS).map(held).collect(),
        ..Inventory::default()
    }
}

fn medium(path: &Path) -> Medium {
    std::fs::create_dir_all(path).unwrap();
    Medium::new("bench", Box::new(FolderVolume::new(path)))
}

fn back_up(state: &mut State, medium: &[Medium], holdings: &Inventory, now: jiff::Timestamp) {
    let request = BackupRequest {
        holdings,
        selected: &[],
        profile: Profile::Aes256,
        password: None,
        exceptions: &[],
        force: true,
        now,
    };
    backup::run(state, medium, &request, &|_| ()).unwrap();
}

fn whole_server(criterion: &mut Criterion) {
    let now = jiff::Timestamp::now();
    let base = if Path::new("/dev/shm").is_dir() {
        "/dev/shm".into()
    } else {
        std::env::temp_dir()
    };
    let folder = tempfile::tempdir_in(base).unwrap();
    let holdings = holdings(now);
    let recovery = RecoveryKey::generate();
    let media = [medium(&folder.path().join("stick"))];
    let passphrase = Passphrase::new("bench".into());
    let mut state = create_vault(
        &folder.path().join("state"),
        &media[0],
        &passphrase,
        &recovery,
        "BENCH",
        "A",
        now,
    )
    .unwrap();
    let mut group = criterion.benchmark_group("1000 key pairs");
    group.sample_size(10);
    group.bench_function("backup", |bencher| {
        bencher.iter(|| back_up(&mut state, &media, &holdings, now))
    });
    let opened = unlock::unlock(
        &media,
        &Secret::RecoveryKey(recovery),
        None,
        Some(&state),
        now,
        &|_| Ok(true),
    )
    .unwrap();
    let whole = server_backup::of(&opened, state.server(), &Wanted::Newest).unwrap();
    group.bench_function("drill", |bencher| {
        bencher.iter(|| {
            assert!(
                drill::run(&opened, &whole)
                    .iter()
                    .all(|proof| proof.result.is_ok())
            )
        });
    });
    group.finish();
}

criterion_group!(benches, whole_server);
criterion_main!(benches);
