//! Who may use a key, as the entries of its access list. The system and administrators always may;
//! of all others only those that mean the same on another server are carried over, and the rest is
//! named.

use serde::{Deserialize, Serialize};

/// What every machine key grants: everything, to the system and to administrators.
pub const DEFAULT: &str = "(A;;GA;;;SY)(A;;GA;;;BA)";

/// Services and their groups whose identifiers are the same on every Windows: LOCAL SERVICE,
/// NETWORK SERVICE, IUSR, IIS_IUSRS. Everyone and the other broad groups are left out on purpose.
const WELL_KNOWN: [&str; 6] = [
    "LS",
    "NS",
    "S-1-5-17",
    "S-1-5-19",
    "S-1-5-20",
    "S-1-5-32-568",
];
/// `IIS AppPool\NAME`: computed by Windows from the pool's name.
const APPLICATION_POOL: &str = "S-1-5-82-";
/// `NT SERVICE\NAME`: computed by Windows from the service's name.
const SERVICE: &str = "S-1-5-80-";
const ALWAYS: [&str; 4] = ["SY", "BA", "S-1-5-18", "S-1-5-32-544"];

/// One entry of a key's access list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessEntry {
    /// The entry in SDDL, parentheses included: `(A;;GR;;;S-1-5-20)`.
    pub entry: String,
    /// Who, as the server it comes from resolved the name: `IIS AppPool\Shop`.
    pub name: Option<String>,
}

impl AccessEntry {
    /// Who: a SID, or the two letters that SDDL has for one.
    pub fn trustee(&self) -> &str {
        self.entry
            .trim_end_matches(')')
            .rsplit(';')
            .next()
            .unwrap_or_default()
    }

    /// Whether the entry means the same on another server and grants to one service or application
    /// pool.
    pub fn is_portable(&self) -> bool {
        let trustee = self.trustee();
        let grants = self.entry.starts_with("(A;");
        let same_there = WELL_KNOWN.contains(&trustee)
            || trustee.starts_with(APPLICATION_POOL)
            || trustee.starts_with(SERVICE);
        grants && same_there && self.is_plain()
    }

    /// What comes from a medium is put into a security descriptor: letters, digits and hyphens in
    /// exactly six fields.
    fn is_plain(&self) -> bool {
        let inner = self
            .entry
            .strip_prefix('(')
            .and_then(|entry| entry.strip_suffix(')'));
        let plain = |field: &str| {
            field
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        };
        inner.is_some_and(|inner| inner.split(';').count() == 6 && inner.split(';').all(plain))
    }
}

/// The entries of a security descriptor's access list that go beyond [`DEFAULT`], in their order.
///
/// Microsoft: "Security Descriptor String Format", "ACE Strings".
pub fn beyond_default(sddl: &str) -> Vec<AccessEntry> {
    let list = sddl.split_once("D:").map_or("", |(_, list)| list);
    let list = list.split("S:").next().unwrap_or_default();
    let entries = list
        .split('(')
        .skip(1)
        .filter_map(|rest| rest.split_once(')'));
    let entries = entries.map(|(inner, _)| AccessEntry {
        entry: format!("({inner})"),
        name: None,
    });
    entries
        .filter(|entry| !ALWAYS.contains(&entry.trustee()))
        .collect()
}

/// A security descriptor for a new key: [`DEFAULT`] and the portable ones of `entries`, without
/// inheritance.
pub fn descriptor(entries: &[AccessEntry]) -> String {
    let extra: String = entries
        .iter()
        .filter(|entry| entry.is_portable())
        .map(|entry| entry.entry.as_str())
        .collect();
    format!("D:P{DEFAULT}{extra}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const POOL: &str = "S-1-5-82-3006700770-424185619-1745488364-794895919-4004696415";

    #[test]
    fn the_system_and_administrators_are_nothing_special() {
        assert_eq!(beyond_default("O:SYG:SYD:PAI(A;;FA;;;SY)(A;;FA;;;BA)"), []);
        assert_eq!(beyond_default(""), []);
        let printed = include_str!("../../tests/windows/forms/certutil-v-key.txt");
        let (_, descriptor) = printed.split_once("Security Descr: ").unwrap();
        assert_eq!(beyond_default(descriptor.lines().next().unwrap()), []);
    }

    #[test]
    fn services_and_application_pools_are_carried_over_and_people_are_not() {
        let sddl = format!(
            "D:P(A;;FA;;;SY)(A;;GR;;;NS)(A;;GR;;;{POOL})(A;;FR;;;S-1-5-21-1-2-3-1001)(A;;FR;;;WD)(D;;FR;;;LS)S:(AU;;FA;;;WD)"
        );
        let entries = beyond_default(&sddl);
        let portable: Vec<_> = entries
            .iter()
            .filter(|e| e.is_portable())
            .map(AccessEntry::trustee)
            .collect();
        assert_eq!(entries.len(), 5);
        assert_eq!(portable, ["NS", POOL]);
        assert_eq!(
            descriptor(&entries),
            format!("D:P(A;;GA;;;SY)(A;;GA;;;BA)(A;;GR;;;NS)(A;;GR;;;{POOL})")
        );
    }

    #[test]
    fn an_entry_from_a_medium_never_smuggles_in_another() {
        for entry in [
            "(A;;GR;;;NS)(A;;GA;;;WD)",
            "(A;;GA;;;WD)(A;;GR;;;NS)",
            "A;;GR;;;NS",
            "(A;;GR;;;;NS)",
            "(A;;GR;;;NS",
        ] {
            let entry = AccessEntry {
                entry: entry.into(),
                name: None,
            };
            assert!(!entry.is_portable(), "{entry:?}");
        }
    }
}
