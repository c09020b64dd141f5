//! The Windows half, on Windows and under Wine (`tests/windows/run`). docs/windows-testing.md says
//! what each shows.
#![cfg(windows)]
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    missing_docs,
    reason = "a test"
)]

mod bindings;
mod http_sys;
mod keys;
mod machine;
mod media;
mod others;
mod private;
mod visible;

/// Whether this is Wine with the drives that tests/windows/in-wine made.
fn under_wine() -> bool {
    std::env::var_os("PFXVAULT_DRIVES").is_some_and(|kind| kind == "wine")
}
