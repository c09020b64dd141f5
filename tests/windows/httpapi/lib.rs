//! Stand-in.
#![cfg(windows)]
