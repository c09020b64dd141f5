//! A change of this server: its plan shown, carried out, and reported.

use std::path::Path;

use crate::change::apply::{backup_name, shared_copy};
use crate::change::{self, ApplyContext, Journal, Plan};
use crate::error::{Error, Exit, Result};
use crate::iis::{Iis, config};
use crate::keypair::Certificate;
use crate::message::Text;
use crate::platform::{private_files, system};
use crate::session::Session;
use crate::text;
use vault::id::Hash;

/// A change of this server. Where a report is wanted, everything said and asked goes into it,
/// however it ends.
pub fn reported(
    session: &Session<'_>,
    what: &'static str,
    report: Option<&Path>,
    change: impl FnOnce() -> Result<Exit>,
) -> Result<Exit> {
    let Some(path) = report else { return change() };
    if path.exists() {
        return Err(Error::failed(text!("error-file-exists", path = path)));
    }
    session.console.record();
    let (time, server) = (session.now.to_string(), system::host_name());
    session.console.say(&text!(
        "report-head",
        what = what,
        time = time,
        server = server,
        user = user()
    ));
    let result = change();
    let ended = result.as_ref().map_or_else(
        |error| error.text.clone(),
        |exit| text!("report-end", exit = *exit as u32),
    );
    let report = session.console.recorded(&ended);
    private_files::create_private(path, report.as_bytes())
        .map_err(|e| Error::failed(text!("error-report", path = path, reason = &e)))?;
    result
}

/// Who ran it, as the session says.
fn user() -> String {
    ["USERNAME", "USER"]
        .iter()
        .find_map(|name| std::env::var(name).ok())
        .unwrap_or_default()
}

/// The plan, line by line.
pub fn show_plan(session: &Session<'_>, plan: &Plan<'_>) {
    plan.items
        .iter()
        .flat_map(|item| item.texts(session.now))
        .for_each(|line| session.console.say(&line));
    for (store, der) in &plan.authorities {
        let name = Certificate::parse(der.to_vec())
            .map_or_else(|_| String::new(), |c| c.display_name().to_owned());
        session.console.say(&text!(
            "plan-authority",
            name = name,
            store = store.as_str()
        ));
    }
}

/// Names a root that a chain ends in and the store does not hold: a public one needs nothing.
/// Returns whether it is none, as far as that can be told.
pub fn name_root(session: &Session<'_>, server: Iis<'_>, der: &[u8]) -> bool {
    let parsed = Certificate::parse(der.to_vec());
    let (name, sha1) = parsed.map_or_else(
        |_| Default::default(),
        |root| (root.display_name().to_owned(), root.thumbprint()),
    );
    let sha256 = Hash::of(der).to_string();
    let fetched = server.stores.fetches_root(der);
    let id = match fetched {
        Some(true) => {
            let text = text!("root-fetched", name = name, sha1 = sha1, sha256 = sha256);
            session.console.mention(&text);
            return false;
        }
        Some(false) => text!("root-left-out", name = name, sha1 = sha1, sha256 = sha256),
        None => text!("root-untold", name = name, sha1 = sha1, sha256 = sha256),
    };
    session.console.warn(&id);
    true
}

impl Session<'_> {
    /// The journal of changes to this server. Lines that are not understood are named.
    ///
    /// # Errors
    /// As [`Journal::open`].
    pub fn journal(&self) -> Result<Journal> {
        let journal = Journal::open(&self.state_folder()?)?;
        if let Some(remark) = journal.remark() {
            self.console.warn(&remark);
        }
        Ok(journal)
    }
}

/// Where the configuration of IIS is as it was before.
fn name_backup(session: &Session<'_>, server: Iis<'_>) -> Result<()> {
    let name = backup_name(session.now);
    session
        .console
        .say(&text!("restore-iis-backup", name = name));
    let Some(folder) = server.sites.folder() else {
        return Ok(());
    };
    if let Some(shared) = config::read_folder(&folder)?.shared {
        let copy = shared_copy(&shared, session.now);
        session
            .console
            .say(&text!("restore-shared-backup", path = copy.as_path()));
    }
    Ok(())
}

/// Carries out a plan that was agreed to; Ctrl-C takes it back. Says what Windows took in another
/// way, and returns whether there was nothing to say.
pub fn carry_out(
    session: &Session<'_>,
    server: Iis<'_>,
    plan: &Plan<'_>,
    what: &str,
) -> Result<bool> {
    system::watch_interrupts()
        .map_err(|e| Error::failed(text!("error-interrupts", reason = &e)))?;
    let mut journal = session.journal()?;
    let progress = |text: Text| session.console.progress(&text);
    let running = ApplyContext {
        what,
        now: session.now,
        stop: &system::interrupted,
        progress: &progress,
    };
    let applied = change::apply(server, plan, &mut journal, &running);
    if let Err(Error {
        exit: Exit::Failed, ..
    }) = &applied
    {
        session.console.warn(&text!("change-taken-back"));
    }
    let remarks = applied?;
    session.report_imported(plan);
    if plan.edits().next().is_some() {
        name_backup(session, server)?;
    }
    for remark in &remarks {
        session.console.warn(remark);
    }
    Ok(remarks.is_empty())
}
