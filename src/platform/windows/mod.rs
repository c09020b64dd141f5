//! Windows: the only `unsafe` code of the program.
//!
//! One call stands in each `unsafe` block, what it returns is checked on the next line, and its
//! error names the call and the object. Plain values go in and out: no handle and no pointer leaves
//! this module.

mod access;
pub mod acl;
mod address;
mod answer;
mod apphost;
mod call;
mod capi;
mod cng;
pub mod console;
mod descriptor;
mod device;
pub mod dpapi;
mod eject;
pub mod eventlog;
mod folders;
mod http_sys;
mod machine;
mod memory;
mod pfx_fallback;
mod pfx_import;
mod policy;
mod process;
mod reach;
mod registry;
mod screen;
mod store;
mod terminal;
mod volume;
mod wide;

use std::io;

use zeroize::Zeroizing;

use crate::platform::protected::Unprotected;

pub use acl::{
    create_private, keep_private, key_shared, make_private, readable_by_others, shared, shared_file,
};
pub use console::{Utf8Output, decoded, encoded, interrupted, is_interactive, watch_interrupts};
pub use descriptor::descriptor;
pub use eject::{eject, may_eject};
pub use eventlog::report as report_event;
pub use folders::state_folder;
pub use machine::{LocalMachine, iis};
pub use process::{account, harden_process, host_name, is_elevated};
pub use screen::{clear_screen, clears_screen, columns, read_line, restore_terminal};
pub use terminal::{SecretKeys, Unechoed, forget_typed, interrupt};
pub use volume::{
    FileId, facts, flush_file, flush_folder, flush_volume, kernels_own, open_plain,
    read_past_cache, shared_id, volumes,
};

/// Windows numbers no attachments: a medium was away for certain only after this program has
/// ejected it.
pub fn attachment(_path: &std::path::Path) -> Option<String> {
    None
}

/// The form in which a secret lies in a private file: under this machine's key, see [`dpapi`].
///
/// # Errors
/// What Windows says.
pub fn protect(secret: &[u8]) -> io::Result<Zeroizing<Vec<u8>>> {
    dpapi::protect(secret, &dpapi::Machine::this()?)
}

/// The secret in what [`protect`] made.
///
/// # Errors
/// When Windows does not know which machine this is.
pub fn unprotect(stored: &[u8]) -> io::Result<Unprotected> {
    Ok(dpapi::unprotect(stored, &dpapi::Machine::this()?))
}
