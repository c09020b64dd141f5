//! pfxvault keeps the TLS key pairs of an IIS server safe on offline media, and puts them back on a
//! new server. The reading order of the code is in docs/architecture.md.

pub mod audit;
pub mod backup;
pub mod cli;
pub mod commands;
pub mod console;
pub mod copy;
pub mod drill;
pub mod error;
pub mod event;
pub mod files;
pub mod history;
pub mod keypair;
pub mod left_out;
#[cfg(target_os = "linux")]
pub mod linux;
pub mod media;
pub mod open;
pub mod outbox;
pub mod pkcs7;
pub mod request;
pub mod restore;
pub mod rules;
pub mod scan;
pub mod served;
pub mod server;
pub mod state;
pub mod status;
pub mod text;
pub mod throwaway;
pub mod tls;
pub mod vault;
pub mod verify;
#[cfg(windows)]
#[expect(unsafe_code, reason = "the one place that calls Windows")]
pub mod windows;

/// What the operating system does for the program: one set of functions, one module for each
/// system.
#[cfg(target_os = "linux")]
pub use linux as system;
#[cfg(windows)]
pub use windows as system;
