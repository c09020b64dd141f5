//! The way back: the steps of a run undone, newest first. What someone else changed since is left
//! alone and named, and a step that was never made, or is already undone, does no harm.

use data_encoding::BASE64;

use super::edit::{self, Edit};
use super::journal::{ChangeStep, Journal};
use super::repair::{self, everywhere};
use crate::error::{Error, Exit, Result};
use crate::iis::{Code, Iis, KeyLink, Properties, StoreName, StoredCertificate, WindowsError};
use crate::message::Text;
use crate::text;
use vault::id::Hash;

/// Undoes the newest run that finished; returns what was left alone.
///
/// # Errors
/// When there is none, or something could not be undone; `repair` goes on from there.
pub fn undo(server: Iis<'_>, journal: &mut Journal) -> Result<Vec<Text>> {
    journal.reopen()?;
    finish(server, journal)
}

/// Takes back the open run, if there is one; returns what was left alone.
///
/// # Errors
/// When something could not be undone: the run stays open.
pub fn finish(server: Iis<'_>, journal: &mut Journal) -> Result<Vec<Text>> {
    let Some(run) = journal.interrupted() else {
        return Ok(Vec::new());
    };
    // Bindings were changed last and together.
    let bindings: Vec<&Edit> = run
        .steps
        .iter()
        .filter_map(ChangeStep::edit)
        .filter(|edit| edit.is_config())
        .collect();
    let (mut left, mut failed) = (Vec::new(), None);
    match edit::take_back_config(server, &bindings) {
        Ok(texts) => left.extend(texts),
        Err(error) => failed = Some(error),
    }
    for step in run.steps.iter().rev() {
        match take_back(server, step, &run.steps) {
            Ok(text) => left.extend(text),
            // The other steps are independent enough: the fewer remain, the better.
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    match failed {
        None => journal.rolled_back().map(|()| left),
        Some(error) => Err(Error::new(
            Exit::Attention,
            text!("error-not-taken-back", reason = error.text),
        )),
    }
}

/// One step of `steps`; says what it left alone.
fn take_back(server: Iis<'_>, step: &ChangeStep, steps: &[ChangeStep]) -> Result<Option<Text>> {
    match step {
        ChangeStep::Serve(Edit::Record { before, after }) => {
            edit::take_back_record(server, before.as_ref(), after.as_ref())
        }
        // All of them together, above.
        ChangeStep::Serve(_) => Ok(None),
        ChangeStep::CreateKey { key } => delete_key(server, key, steps),
        ChangeStep::AddCertificate {
            store,
            certificate,
            key,
        } => {
            let Some(found) = find(server, *store, *certificate)? else {
                return Ok(None);
            };
            if found.properties.key != *key {
                return Ok(Some(text!(
                    "left-certificate-changed",
                    name = found.name(),
                    store = store.as_str()
                )));
            }
            server.stores.remove(*store, &found.sha256())?;
            Ok(None)
        }
        ChangeStep::ChangeCertificate {
            store,
            certificate,
            before,
            after,
        } => {
            let Some(found) = find(server, *store, *certificate)? else {
                return Ok(None);
            };
            restore_properties(server, *store, &found, before, after)
        }
        ChangeStep::RemoveCertificate {
            store,
            certificate,
            properties,
        } => put_back(server, *store, certificate, properties).map(|()| None),
    }
}

/// Adds a certificate again that a run has removed, unless it is there.
fn put_back(
    server: Iis<'_>,
    store: StoreName,
    certificate: &str,
    properties: &Properties,
) -> Result<()> {
    let Ok(der) = BASE64.decode(certificate.as_bytes()) else {
        let call = "CertAddCertificateContextToStore";
        return Err(WindowsError::new(call, store.as_str(), Code::BAD_DATA).into());
    };
    if find(server, store, Hash::of(&der))?.is_none() {
        let properties = properties.clone();
        let removed = StoredCertificate { der, properties };
        server.stores.add(store, &removed)?;
    }
    Ok(())
}

fn restore_properties(
    server: Iis<'_>,
    store: StoreName,
    found: &StoredCertificate,
    before: &Properties,
    after: &Properties,
) -> Result<Option<Text>> {
    match &found.properties {
        now if now == before => Ok(None),
        now if now == after => {
            server.stores.change(store, &found.sha256(), before)?;
            Ok(None)
        }
        _ => Ok(Some(text!(
            "left-certificate-changed",
            name = found.name(),
            store = store.as_str()
        ))),
    }
}

/// A key that a certificate or request in any store leads to is not deleted, whoever linked it, nor
/// the key of one that nothing links: the answer to a request may have been imported without it.
/// What the run itself worked on was without the key before.
fn delete_key(server: Iis<'_>, key: &KeyLink, steps: &[ChangeStep]) -> Result<Option<Text>> {
    let facts = match server.keys.inspect(key) {
        Ok(facts) => Some(facts),
        Err(error) if error.code.is_missing_key() => None,
        Err(error) => return Err(error.into()),
    };
    let is_own = |certificate: &StoredCertificate| {
        let sha256 = certificate.sha256();
        steps.iter().any(|step| step.certificate() == Some(sha256))
    };
    let is_for = |one: &StoredCertificate| {
        facts
            .as_ref()
            .is_some_and(|facts| repair::is_for(one, facts))
    };
    let uses =
        |one: &StoredCertificate| repair::leads_to(one, key) || (is_for(one) && !is_own(one));
    // Read anew for each key: a user's stores show those of the machine, too, and with them the
    // certificates that the steps before this one have removed.
    if let Some(user) = everywhere(server)?.iter().find(|one| uses(one)) {
        return Ok(Some(text!(
            "left-key-in-use",
            container = key.container.as_str(),
            name = user.name()
        )));
    }
    server.keys.delete(key)?;
    Ok(None)
}

fn find(
    server: Iis<'_>,
    store: StoreName,
    sha256: Hash,
) -> Result<Option<StoredCertificate>, WindowsError> {
    let certificates = server.stores.certificates(store)?;
    Ok(certificates
        .into_iter()
        .find(|certificate| certificate.sha256() == sha256))
}
