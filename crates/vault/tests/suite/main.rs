//! The format held against its vectors, the Python verifier, age's own test kit, and the hands of
//! somebody who has only stock tools.
#![cfg(unix)]
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::print_stdout,
    missing_docs,
    reason = "tests"
)]

mod age_testkit;
mod counted;
mod folder;
#[cfg(target_os = "linux")]
mod hand_recovery;
mod names;
mod vectors;
