//! Key pairs that were read and proven, and what becomes of them as files.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::path::Path;

use jiff::Timestamp;

use crate::error::{Error, Exit, Result};
use crate::iis::{OnWindows, SiteMap};
use crate::keypair::KeyPair;
use crate::keystore::{FilePart, HeldKeyPair, Inventory};
use crate::message::Text;
use crate::session::Session;
use crate::text;
use crate::workflow::left_out::LeftOut;

/// Key pairs that were read and proven, ready to be placed.
pub struct RestoreSet {
    /// The key pairs.
    pub key_pairs: Vec<RestoreItem>,
    /// What could not be read: name and reason.
    pub missing: Vec<(String, Text)>,
    /// What speaks against taking this for the newest state.
    pub doubts: Vec<Text>,
    /// What only other generations hold.
    pub left_out: Vec<LeftOut>,
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
    pub file_parts: BTreeMap<String, FilePart>,
    /// What a certificate store kept beside it.
    pub windows: Option<OnWindows>,
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
        };
        Self {
            missing: unreadable
                .map(|unreadable| (unreadable.name, unreadable.reason))
                .collect(),
            key_pairs: holdings.key_pairs.into_iter().map(item).collect(),
            doubts: Vec::new(),
            left_out: Vec::new(),
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

    /// Names what only other generations hold.
    pub fn show_left_out(&self, session: &Session<'_>) {
        self.left_out
            .iter()
            .for_each(|left_out| session.console.warn(&left_out.text()));
    }

    /// Puts those first that keep a name which several had: what a site serves, then what is newer.
    pub fn sort_by_claim(&mut self, now: Timestamp) {
        let used = self
            .site_map
            .as_ref()
            .map(SiteMap::used)
            .unwrap_or_default();
        let claim = |one: &RestoreItem| {
            let leaf = one.pair.leaf();
            Reverse((
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
            () if !self.missing.is_empty() => Exit::Partly,
            () if !self.doubts.is_empty() || !self.left_out.is_empty() => Exit::Attention,
            () => Exit::Done,
        }
    }
}

/// Whether what comes was asked for one by one: by name, or as a file that holds nothing else.
pub fn is_named(names: &[String], from: &[String]) -> bool {
    let is_file = |from: &String| from.starts_with("pfx:") || from.starts_with("pem:");
    !names.is_empty() || from.iter().any(is_file)
}

/// That there is nothing to restore.
pub fn nothing_to_place(set: &RestoreSet) -> Error {
    match set.missing.first() {
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
