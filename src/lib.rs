//! pfxvault keeps the TLS key pairs of an IIS server safe on offline media, and puts them back on a
//! new server. The reading order of the code is in docs/architecture.md.

pub mod keypair;
pub mod pfx;
pub mod secret;
