//! Key pairs that were read and proven, and what becomes of them as files.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::path::Path;

use jiff::Timestamp;

use crate::error::{Error, Exit, Result};
use crate::iis::{OnWindows, SiteMap};
use crate::keypair::KeyPair;
use crate::keystore::{HeldKeyPair, Inventory, PartOfPair};
use crate::message::Text;
use crate::session::Session;
use crate::session::backup_report::{self, Past};
use crate::session::renewer;
use crate::text;
use crate::workflow::server_backup::NotHere;
use vault::id::Number;

/// Key pairs that were read and proven, ready to be placed.
pub struct RestoreSet {
    /// The key pairs.
    pub key_pairs: Vec<RestoreItem>,
    /// What could not be read: name and reason.
    pub missing: Vec<(String, Text)>,
    /// What speaks against taking this for the newest state.
    pub doubts: Vec<Text>,
    /// What counts and is on none of the media given.
    pub not_here: Vec<NotHere>,
    /// What does not count any more, and stays away.
    pub no_more: Vec<Past>,
    /// The newest generation, where it comes from a vault.
    pub newest: Option<Number>,
    /// What the server served.
    pub site_map: Option<SiteMap>,
}

/// A key pair with what it was where it comes from.
pub struct RestoreItem {
    /// Key, certificate, chain.
    pub pair: KeyPair,
    /// The file names it had.
    pub file_names: Vec<String>,
    /// What of it each of them held that was no PFX.
    pub file_parts: BTreeMap<String, PartOfPair>,
    /// What a certificate store kept beside it.
    pub windows: Option<OnWindows>,
    /// The newest generation that holds it, where it comes from a vault.
    pub generation: Option<Number>,
    /// Whether it was only ever backed up from a folder of files.
    pub from_folder: bool,
}

impl RestoreSet {
    /// What a source holds.
    pub fn of(holdings: Inventory) -> Self {
        let unreadable = holdings.unreadable.into_iter();
        let item = |held: HeldKeyPair| RestoreItem {
            pair: held.pair,
            file_names: held.file_names,
            file_parts: held.file_parts,
            windows: held.windows,
            generation: None,
            from_folder: false,
        };
        Self {
            missing: unreadable
                .map(|unreadable| (unreadable.name, unreadable.reason))
                .collect(),
            key_pairs: holdings.key_pairs.into_iter().map(item).collect(),
            doubts: Vec::new(),
            not_here: Vec::new(),
            no_more: Vec::new(),
            newest: None,
            site_map: holdings.site_map,
        }
    }

    /// Takes the sites from a copy of applicationHost.config; certificates are assigned by host
    /// name. How many were.
    pub fn take_sites(&mut self, config: &Path, now: Timestamp) -> Result<usize> {
        let mut map = SiteMap::of_file(config)?;
        let certificates = self
            .key_pairs
            .iter()
            .map(|one| (one.pair.leaf(), one.windows.as_ref()));
        let assigned = map.assign_by_name(&certificates.collect::<Vec<_>>(), now);
        self.site_map = Some(map);
        Ok(assigned)
    }

    /// Takes out what only came from a folder and no binding names, unless there is nothing else:
    /// such as the files of a Central Certificate Store, which IIS reads as files. Their names.
    pub fn take_files_out(&mut self) -> Vec<String> {
        let map = self.site_map.as_ref();
        let used = map.map(SiteMap::used).unwrap_or_default();
        let is_file =
            |one: &RestoreItem| one.from_folder && !used.contains(&one.pair.leaf().thumbprint());
        let mut names = Vec::new();
        if self.key_pairs.iter().all(is_file) {
            return names;
        }
        for one in self.key_pairs.extract_if(.., |one| is_file(one)) {
            names.push(one.pair.leaf().display_name().to_owned());
        }
        names
    }

    /// Names what is not of the newest generation, what is not here, and what does not count.
    pub fn show_generations(&self, session: &Session<'_>) {
        backup_report::say_older(session, self.newest, &self.older());
        backup_report::say_not_here(session, &self.not_here);
        backup_report::say_no_more(session, &self.no_more);
    }

    /// Names what is not here once more.
    pub fn show_not_here(&self, session: &Session<'_>) {
        backup_report::say_not_here(session, &self.not_here);
    }

    /// Says who renews what is here.
    pub fn say_renewed(&self, session: &Session<'_>) {
        let items = self.key_pairs.iter().map(|one| {
            let name = one.pair.friendly_name.as_deref();
            (name, one.file_names.as_slice(), one.pair.leaf())
        });
        renewer::say(session, items);
    }

    fn older(&self) -> Vec<(&str, Number)> {
        let mut older = Vec::new();
        for one in &self.key_pairs {
            if let Some(number) = one.generation.filter(|number| Some(*number) != self.newest) {
                older.push((one.pair.leaf().display_name(), number));
            }
        }
        older
    }

    /// Puts those first that keep a name which several had: who had it in the newest generation, then
    /// what a site serves, then what is newer.
    pub fn sort_by_claim(&mut self, now: Timestamp) {
        let used = self
            .site_map
            .as_ref()
            .map(SiteMap::used)
            .unwrap_or_default();
        let claim = |one: &RestoreItem| {
            let leaf = one.pair.leaf();
            Reverse((
                one.generation,
                used.contains(&leaf.thumbprint()),
                leaf.rank("", now),
                leaf.thumbprint(),
            ))
        };
        self.key_pairs.sort_by_cached_key(claim);
    }

    /// The exit code once everything in it is where it should be.
    pub fn exit(&self) -> Exit {
        match () {
            () if !self.missing.is_empty() || !self.not_here.is_empty() => Exit::Partly,
            () if !self.doubts.is_empty() => Exit::Attention,
            () => Exit::Done,
        }
    }
}

/// Whether what comes was asked for one by one: by name, or as a file that holds nothing else.
pub fn is_named(names: &[String], from: &[String]) -> bool {
    let is_file = |from: &String| from.starts_with("pfx:") || from.starts_with("pem:");
    !names.is_empty() || from.iter().any(is_file)
}

/// That there is nothing to restore; what does not count any more is said first.
pub fn nothing_to_place(session: &Session<'_>, set: &RestoreSet) -> Error {
    backup_report::say_no_more(session, &set.no_more);
    if let Some(first) = set.not_here.first() {
        return Error::new(Exit::Damaged, backup_report::not_here_error(first));
    }
    match set.missing.first() {
        None if !set.no_more.is_empty() => Error::failed(text!("error-nothing-counts")),
        Some((name, reason)) => Error::new(
            Exit::Damaged,
            text!(
                "error-nothing-restorable",
                name = name,
                reason = reason.clone()
            ),
        ),
        None => Error::failed(text!("error-nothing-found")),
    }
}
