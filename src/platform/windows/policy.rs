//! Policies of the organisation that forbid writing to removable media.

use super::registry;

/// "Deny write access to removable drives not protected by BitLocker" (VolumeEncryption.admx).
const FVE: &str = r"SYSTEM\CurrentControlSet\Policies\Microsoft\FVE";
/// "Removable Disks: Deny write access", "All Removable Storage classes: Deny all access"
/// (RemovableStorage.admx).
const STORAGE: &str = r"SOFTWARE\Policies\Microsoft\Windows\RemovableStorageDevices";
/// `GUID_DEVINTERFACE_DISK`, as the policy spells it.
const DISKS: &str = r"SOFTWARE\Policies\Microsoft\Windows\RemovableStorageDevices\{53f5630d-b6bf-11d0-94f2-00a0c91efb8b}";
/// The switch of Windows XP SP2 that still works.
const PROTECT: &str = r"SYSTEM\CurrentControlSet\Control\StorageDevicePolicies";

/// The policy that forbids writing to a removable medium, by its value in the registry, which is
/// where every tool for policies leads in the end. Those about storage there are for the machine
/// and for each user.
pub(super) fn against_writing(encrypted: bool) -> Option<String> {
    let storage = [(STORAGE, "Deny_All"), (DISKS, "Deny_Write")];
    let unless_encrypted = (!encrypted).then_some((FVE, "RDVDenyWriteAccess"));
    let mut of_machine = unless_encrypted
        .into_iter()
        .chain(storage)
        .chain([(PROTECT, "WriteProtect")]);
    let machine = of_machine.find(|(key, name)| registry::number(key, name) == Some(1));
    let user = || {
        storage
            .into_iter()
            .find(|(key, name)| registry::own_number(key, name) == Some(1))
    };
    let named = |root: &str, (key, name): (&str, &str)| format!(r"{root}\{key}\{name}");
    machine
        .map(|policy| named("HKLM", policy))
        .or_else(|| user().map(|policy| named("HKCU", policy)))
}
