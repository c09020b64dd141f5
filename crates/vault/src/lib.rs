//! The vault on a medium, as docs/format.md specifies it: who is believed, what a generation is,
//! how it is committed and how it is found again. Only this crate writes to a medium.
//! It neither prints nor asks, and has nothing of Windows in it.
#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "tests"))]

pub mod catalog;
pub mod counted;
pub mod descriptor;
pub mod generation;
pub mod id;
pub mod identity;
pub mod lines;
pub mod medium;
pub mod owner;
pub mod paper;
pub mod parcel;
pub mod program;
pub mod readme;
pub mod record;
pub mod request;
pub mod retirement;
pub mod seal;
pub mod server_name;
pub mod shares;
pub mod sign;
pub mod ssh;
pub mod survey;
pub mod trust;
pub mod volume;
