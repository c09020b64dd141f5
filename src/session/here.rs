//! This server, where it is one: what is real is chosen here and handed down.

use std::path::PathBuf;

use crate::error::{Error, Result};
use crate::iis::{self, Iis, StoreEntry, StoreName, config};
use crate::platform::system;
use crate::text;

/// This server.
///
/// # Errors
/// Where it is no Windows server.
pub fn here() -> Result<Iis<'static>> {
    system::iis().ok_or_else(|| Error::usage(text!("error-no-iis")))
}

/// This server, where this process may change it.
///
/// # Errors
/// Where it is no Windows server, or the process is not elevated.
pub fn elevated() -> Result<Iis<'static>> {
    let server = here()?;
    if server.keys.elevated() {
        Ok(server)
    } else {
        Err(Error::failed(text!("error-not-elevated")))
    }
}

/// What this server's certificate stores hold; `None` where there are none, or this process may not
/// look.
pub fn stored() -> Option<Vec<StoreEntry>> {
    iis::look(here().ok()?, &StoreName::WITH_KEYS).ok()
}

/// The folders that the web sites of this machine hand out to anybody; none where there is no IIS,
/// or where its configuration cannot be read.
pub fn folders_served() -> Vec<PathBuf> {
    let folder = system::iis().and_then(|server| server.sites.folder());
    let Some(Ok(installed)) = folder.map(|folder| config::read_folder(&folder)) else {
        return Vec::new();
    };
    let variable = |name: &str| std::env::var(name).ok();
    let sites = installed.config.sites.iter();
    sites
        .flat_map(|site| site.folders_here(&variable))
        .collect()
}
