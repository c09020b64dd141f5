//! pfxvault keeps the TLS key pairs of an IIS server safe on offline media, and puts them back on a
//! new server. The reading order of the code is in docs/architecture.md.

#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "tests"))]

pub mod answer;
pub mod change;
pub mod cli;
pub mod commands;
pub mod console;
pub mod error;
pub mod iis;
pub mod input;
pub mod keypair;
pub mod keystore;
pub mod message;
pub mod paper;
pub mod platform;
pub mod rules;
pub mod scan;
pub mod session;
pub mod state;
pub mod tls;
mod unpack;
pub mod workflow;
