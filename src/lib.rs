//! pfxvault keeps the TLS key pairs of an IIS server safe on offline media, and puts them back on a
//! new server. The reading order of the code is in docs/architecture.md.

pub mod error;
pub mod files;
pub mod keypair;
#[cfg(target_os = "linux")]
mod linux;
pub mod media;
pub mod pfx;
pub mod restore;
pub mod secret;
pub mod server;
pub mod state;
pub mod text;
pub mod vault;
pub mod words;
