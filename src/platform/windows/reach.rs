//! Who else can reach a folder of this machine: programs that copy it to the internet, and other
//! machines by shares.

use std::path::{Path, PathBuf};
use std::{ptr, slice};

use windows_sys::Win32::Foundation::ERROR_SUCCESS;
use windows_sys::Win32::NetworkManagement::NetManagement::MAX_PREFERRED_LENGTH;
use windows_sys::Win32::Storage::FileSystem::{
    NetShareEnum, SHARE_INFO_2, SHARE_TYPE, STYPE_DISKTREE, STYPE_MASK, STYPE_SPECIAL,
};

use super::memory::{NetApi, text_at};
use super::registry::RegistryKey;
use crate::platform::media::facts::{Share, Synced};
use crate::platform::media::within;

/// Where programs that use the Cloud Files API register, each with the folder of each user
/// ("StorageProviderSyncRootManager").
const SYNC_ROOTS: &str = r"SOFTWARE\Microsoft\Windows\CurrentVersion\Explorer\SyncRootManager";
/// Where each user's OneDrive says which folders it keeps.
const ONEDRIVE: &str = r"Software\Microsoft\OneDrive\Accounts";
/// The shares that the server service makes when it starts; everybody may read them.
const SHARES: &str = r"SYSTEM\CurrentControlSet\Services\LanmanServer\Shares";

/// The program that copies `real` elsewhere, if one has registered for it.
pub(super) fn registered_sync(real: &Path) -> Option<Synced> {
    sync_roots().into_iter().find_map(|(by, root)| {
        within(real, slice::from_ref(&root))?;
        Some(Synced {
            by,
            root: root.clone(),
        })
    })
}

fn sync_roots() -> Vec<(String, PathBuf)> {
    let by_api = RegistryKey::of_machine(SYNC_ROOTS)
        .into_iter()
        .flat_map(|roots| roots.children_with_names());
    let by_api = by_api.flat_map(|(id, provider)| {
        // Ids are `PROVIDER!SID!ACCOUNT`.
        let by = id.split('!').next().unwrap_or_default().to_owned();
        let folders = provider
            .below("UserSyncRoots")
            .map(|folders| folders.texts())
            .unwrap_or_default();
        folders
            .into_iter()
            .map(move |(_, folder)| (by.clone(), PathBuf::from(folder)))
    });
    by_api.chain(onedrive()).collect()
}

fn onedrive() -> impl Iterator<Item = (String, PathBuf)> {
    let users = RegistryKey::of_users()
        .into_iter()
        .flat_map(|users| users.children());
    let accounts = users
        .filter_map(|user| user.below(ONEDRIVE))
        .flat_map(|accounts| accounts.children());
    let settings = accounts.flat_map(|account| account.texts());
    let folders = settings
        .filter(|(name, _)| name == "UserFolder")
        .map(|(_, folder)| folder);
    let variables = ["OneDrive", "OneDriveCommercial", "OneDriveConsumer"];
    let folders = folders.chain(
        variables
            .into_iter()
            .filter_map(|name| std::env::var(name).ok()),
    );
    folders.map(|folder| ("OneDrive".to_owned(), PathBuf::from(folder)))
}

/// Every share of this machine but those that only administrators can open (`C$`).
pub(super) fn shares() -> Vec<Share> {
    let mut shares = lasting_shares();
    for share in shares_now() {
        if !shares.contains(&share) {
            shares.push(share);
        }
    }
    shares
}

fn lasting_shares() -> Vec<Share> {
    let lines = RegistryKey::of_machine(SHARES)
        .map(|shares| shares.texts())
        .unwrap_or_default();
    let path = |(name, line): (String, String)| {
        Some(Share {
            name,
            folder: line.strip_prefix("Path=")?.into(),
        })
    };
    lines.into_iter().filter_map(path).collect()
}

/// What the server service hands out now, also what lasts until it stops (`NetShareEnum`). Nothing
/// where it does not run, or does not tell this user.
fn shares_now() -> Vec<Share> {
    let (mut start, mut count, mut total) = (ptr::null_mut(), 0, 0);
    let (this_machine, from_the_first) = (ptr::null(), ptr::null_mut());
    let all = MAX_PREFERRED_LENGTH;
    // SAFETY: `start` takes a block; both counts take a number; no name and no handle mean this
    // machine and all of it.
    let code = unsafe {
        NetShareEnum(
            this_machine,
            2,
            &raw mut start,
            all,
            &raw mut count,
            &raw mut total,
            from_the_first,
        )
    };
    let block = NetApi(start.cast::<SHARE_INFO_2>());
    if code != ERROR_SUCCESS || block.0.is_null() {
        return Vec::new();
    }
    // SAFETY: the block begins with `count` structures of level 2, and outlives this function's use
    // of them.
    let found = unsafe { slice::from_raw_parts(block.0, count as usize) };
    let share = |info: &SHARE_INFO_2| Share {
        name: text_at(info.shi2_netname).to_string_lossy().into_owned(),
        folder: text_at(info.shi2_path).into(),
    };
    found
        .iter()
        .filter(|info| is_folder_for_others(info.shi2_type))
        .map(share)
        .collect()
}

/// Neither a printer or pipe, nor for administrators only.
fn is_folder_for_others(kind: SHARE_TYPE) -> bool {
    kind & (STYPE_MASK | STYPE_SPECIAL) == STYPE_DISKTREE
}

#[cfg(test)]
mod tests {
    use windows_sys::Win32::Storage::FileSystem::{STYPE_IPC, STYPE_PRINTQ, STYPE_TEMPORARY};

    use super::*;

    #[test]
    fn folders_are_shared_with_others_also_until_the_next_start_and_administrators_shares_are_not()
    {
        assert!(
            is_folder_for_others(STYPE_DISKTREE)
                && is_folder_for_others(STYPE_DISKTREE | STYPE_TEMPORARY)
        );
        for kind in [
            STYPE_PRINTQ,
            STYPE_IPC,
            STYPE_DISKTREE | STYPE_SPECIAL,
            STYPE_IPC | STYPE_SPECIAL,
        ] {
            assert!(!is_folder_for_others(kind), "{kind:#x}");
        }
    }
}
