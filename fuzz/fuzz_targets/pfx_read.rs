//! Any bytes as a PFX: an answer, never a panic. `cargo fuzz run pfx_read <folder of PFX files to
//! begin with>`
#![no_main]

use libfuzzer_sys::fuzz_target;
use secret::Password;

fuzz_target!(|bytes: &[u8]| {
    let _ = pfx::read(bytes, &Password::new(String::new()));
});
