//! Who else can reach a folder of this machine: programs that copy it to the internet, and other machines by shares.

use std::path::{Path, PathBuf};

use super::registry::Key;
use crate::media::{Share, Synced, within};

/// Where programs that use the Cloud Files API register, each with the folder of each user
/// ("StorageProviderSyncRootManager").
const SYNC_ROOTS: &str = r"SOFTWARE\Microsoft\Windows\CurrentVersion\Explorer\SyncRootManager";
/// Where each user's OneDrive says which folders it keeps.
const ONEDRIVE: &str = r"Software\Microsoft\OneDrive\Accounts";
/// The shares that the server service makes when it starts: all but those that last until it stops.
const SHARES: &str = r"SYSTEM\CurrentControlSet\Services\LanmanServer\Shares";

/// The program that copies `real` elsewhere, if one has registered for it.
pub fn registered_sync(real: &Path) -> Option<Synced> {
    sync_roots().into_iter().find_map(|(by, root)| {
        within(real, std::slice::from_ref(&root))?;
        Some(Synced { by, root: root.clone() })
    })
}

fn sync_roots() -> Vec<(String, PathBuf)> {
    let by_api = Key::of_machine(SYNC_ROOTS).into_iter().flat_map(|roots| roots.children_with_names());
    let by_api = by_api.flat_map(|(id, provider)| {
        // Ids are `PROVIDER!SID!ACCOUNT`.
        let by = id.split('!').next().unwrap_or_default().to_owned();
        let folders = provider.below("UserSyncRoots").map(|folders| folders.texts()).unwrap_or_default();
        folders.into_iter().map(move |(_, folder)| (by.clone(), PathBuf::from(folder)))
    });
    by_api.chain(onedrive()).collect()
}

fn onedrive() -> impl Iterator<Item = (String, PathBuf)> {
    let users = Key::of_users().into_iter().flat_map(|users| users.children());
    let accounts = users.filter_map(|user| user.below(ONEDRIVE)).flat_map(|accounts| accounts.children());
    let settings = accounts.flat_map(|account| account.texts());
    let folders = settings.filter(|(name, _)| name == "UserFolder").map(|(_, folder)| folder);
    let variables = ["OneDrive", "OneDriveCommercial", "OneDriveConsumer"];
    let folders = folders.chain(variables.into_iter().filter_map(|name| std::env::var(name).ok()));
    folders.map(|folder| ("OneDrive".to_owned(), PathBuf::from(folder)))
}

/// Every share of this machine but those that only administrators can open (`C$`).
pub fn shares() -> Vec<Share> {
    let lines = Key::of_machine(SHARES).map(|shares| shares.texts()).unwrap_or_default();
    let path = |(name, line): (String, String)| Some(Share { name, folder: line.strip_prefix("Path=")?.into() });
    lines.into_iter().filter_map(path).collect()
}
