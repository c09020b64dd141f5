//! Any bytes as a parcel: an answer, never a panic. `cargo fuzz run parcel <folder of parcels to
//! begin with>`
#![no_main]

use libfuzzer_sys::fuzz_target;
use vault::parcel::Parcel;

fuzz_target!(|bytes: &[u8]| {
    let _ = Parcel::parse(bytes.to_vec());
});
