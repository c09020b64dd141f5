//! Time to write and read one RSA key pair with a chain of three, at the rounds Windows uses.
#![allow(clippy::disallowed_methods, reason = "a build script or a test")]

use criterion::{Criterion, criterion_group, criterion_main};
use pfx::{KeyPairContents, Profile};
use secret::{Password, SecretBytes};

/// As large as an RSA key of 2048 bits; what is in it does not matter here.
fn key() -> SecretBytes {
    SecretBytes::new([&[0x30, 0x82, 0x04, 0xb0][..], &[7; 0x4b0]].concat())
}

fn key_pair(criterion: &mut Criterion) {
    let (key, password, certificate) = (key(), Password::new("printable ascii".into()), [9; 1500]);
    let chain = [&certificate[..]; 3];
    let contents = KeyPairContents {
        pkcs8: &key,
        chain: &chain,
        friendly_name: Some("name"),
        csp_name: None,
    };
    for profile in [Profile::Aes256, Profile::TripleDes] {
        let write = || pfx::write(&contents, &password, profile, 2000).expect("it can be written");
        criterion.bench_function(&format!("write {profile:?}"), |bencher| bencher.iter(write));
        let pfx = write();
        let read = || {
            pfx::read(pfx.expose(), &password)
                .map(|found| found.keys.len())
                .expect("it can be read")
        };
        criterion.bench_function(&format!("read {profile:?}"), |bencher| bencher.iter(read));
    }
}

criterion_group!(benches, key_pair);
criterion_main!(benches);
