//! The receipt of a drill: who opened what, when, with which way in, from which medium. As text and
//! for programs.

use std::path::Path;

use serde::Serialize;

use crate::error::{Error, Result};
use crate::message::{day, moment};
use crate::platform::{media, private_files};
use crate::session::Session;
use crate::text;
use crate::workflow::drill::Proof;
use crate::workflow::server_backup::ServerBackup;
use vault::catalog::Drill;

/// What a drill proved.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(in crate::commands) struct ReceiptReport {
    vault: String,
    server: String,
    server_name: String,
    /// The newest generation, and the hash of its record.
    generation: u32,
    record_sha256: String,
    time: String,
    /// The account that ran it, and the computer.
    by: Option<String>,
    computer: String,
    /// `passphrase`, `recovery-key`, `age-key`, `ssh-key` or `shares`.
    opened_with: String,
    /// The identity file that it opened, by its hash.
    way: String,
    /// Whether stock tools opened the files.
    stock: bool,
    /// What the media are called that were read.
    media: Vec<String>,
    /// Whether it was all that counts.
    everything: bool,
    key_pairs: Vec<ProvenReport>,
}

/// A key pair that was proven.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(in crate::commands) struct ProvenReport {
    name: String,
    thumbprint: String,
    not_after: String,
}

impl ReceiptReport {
    /// Of a drill that is recorded.
    pub(super) fn of(backup: &ServerBackup<'_>, proofs: &[Proof<'_>], drill: &Drill) -> Self {
        let record = &backup.newest.record;
        let proven = |proof: &Proof<'_>| {
            let about = proof.held.about();
            ProvenReport {
                name: about.display_name().to_owned(),
                thumbprint: about.thumbprint.clone(),
                not_after: about.not_after.to_string(),
            }
        };
        Self {
            vault: record.vault.to_string(),
            server: record.server.to_string(),
            server_name: backup.server_name.clone(),
            generation: record.number.get(),
            record_sha256: backup.newest.hash.to_string(),
            time: drill.time.to_string(),
            by: drill.by.clone(),
            computer: media::host_name(),
            opened_with: drill.opened_with.clone(),
            way: drill.way.map(|way| way.to_string()).unwrap_or_default(),
            stock: drill.stock,
            media: drill.media.clone(),
            everything: drill.is_of_everything(),
            key_pairs: proofs.iter().map(proven).collect(),
        }
    }

    /// On a screen or a page.
    fn lines(
        &self,
        session: &Session<'_>,
        (drill, is_alone): (&Drill, bool),
        proofs: &[Proof<'_>],
    ) -> Vec<String> {
        let words = |text| session.console.words(&text);
        let mut lines = vec![words(text!(
            "receipt",
            time = moment(drill.time),
            by = self.by.as_deref().unwrap_or("-"),
            computer = self.computer.as_str(),
            kind = self.opened_with.as_str(),
            way = drill.way.map(|way| way.short()).unwrap_or_default(),
            stock = u32::from(self.stock),
            media = self.media.join(", "),
            vault = self.vault.as_str(),
            server = format!("{} ({})", self.server_name, self.server),
            number = self.generation,
            alone = if is_alone { "yes" } else { "no" },
            hash = self.record_sha256.as_str(),
            everything = u32::from(self.everything),
            count = self.key_pairs.len()
        ))];
        for proof in proofs {
            let about = proof.held.about();
            lines.push(words(text!(
                "receipt-pair",
                name = about.display_name(),
                thumbprint = about.thumbprint.as_str(),
                end = day(about.not_after)
            )));
        }
        lines
    }
}

/// A receipt, as it is to be written.
pub(super) struct Receipt {
    pub(super) report: ReceiptReport,
    lines: Vec<String>,
}

impl Receipt {
    pub(super) fn of(
        session: &Session<'_>,
        backup: &ServerBackup<'_>,
        proofs: &[Proof<'_>],
        drill: &Drill,
    ) -> Self {
        let report = ReceiptReport::of(backup, proofs, drill);
        let lines = report.lines(session, (drill, backup.is_alone), proofs);
        Self { report, lines }
    }
}

/// Writes receipts to a new file: JSON where its name ends so, else text.
///
/// # Errors
/// Where it is there already, or cannot be written.
pub(super) fn write(session: &Session<'_>, path: &Path, receipts: &[&Receipt]) -> Result<()> {
    let is_json = path
        .extension()
        .is_some_and(|end| end.eq_ignore_ascii_case("json"));
    let bytes = match is_json {
        true => {
            let reports: Vec<_> = receipts.iter().map(|receipt| &receipt.report).collect();
            serde_json::to_vec_pretty(&reports).unwrap_or_default()
        }
        false => {
            let lines = receipts.iter().flat_map(|receipt| &receipt.lines);
            let lines: Vec<_> = lines.map(String::as_str).collect();
            format!("{}\n", lines.join("\n"))
                .replace('\n', "\r\n")
                .into_bytes()
        }
    };
    private_files::create_private(path, &bytes)
        .map_err(|error| Error::failed(text!("error-receipt", path = path, reason = &error)))?;
    session
        .console
        .mention(&text!("receipt-written", path = path));
    Ok(())
}
