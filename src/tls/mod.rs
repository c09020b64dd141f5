//! TLS, with one provider: a key pair proven by a handshake in memory, and a server asked what it
//! shows.

pub mod ask;
mod client;
mod hello;
pub mod prove;
#[cfg(test)]
mod server_tests;
mod socket;
