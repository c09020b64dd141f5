//! A plan carried out. Each change is written down before it is made; a key pair counts only when
//! the certificate, read back from the store, leads to a key that signs for it. Anything else takes
//! the whole run back.

use std::path::{Path, PathBuf};

use data_encoding::BASE64;

use super::edit::{self, Edit};
use super::journal::{ChangeStep, Journal};
use super::plan::{Action, Plan, PlannedCertificate, PlannedKey};
use super::rollback;
use crate::error::{Error, Exit, Result};
use crate::iis::{
    Iis, KeyLink, NewKey, OWN_CONTAINER, Properties, StoreName, StoredCertificate, challenge,
    config, public_key,
};
use crate::input::read_input;
use crate::message::Text;
use crate::platform::private_files;
use crate::text;
use vault::id::Hash;

/// What a run needs beside the plan.
pub struct ApplyContext<'a> {
    /// The command, for the journal.
    pub what: &'a str,
    /// Now.
    pub now: jiff::Timestamp,
    /// Whether the user wants to stop: the run is taken back.
    pub stop: &'a dyn Fn() -> bool,
    /// Told before each key pair.
    pub progress: &'a dyn Fn(Text),
}

/// Carries out a plan; returns what Windows took in another way than it was planned.
///
/// # Errors
/// Whatever failed; the server is as it was before. Where even that failed, exit 8, and `repair`
/// goes on from there.
pub fn apply(
    server: Iis<'_>,
    plan: &Plan<'_>,
    journal: &mut Journal,
    running: &ApplyContext<'_>,
) -> Result<Vec<Text>> {
    if !plan.changes_anything() {
        return Ok(Vec::new());
    }
    if plan.edits().next().is_some() {
        back_up(server, running.now)?;
    }
    journal.begin(running.what, running.now)?;
    let error = match make_changes(server, plan, journal, running) {
        Ok(remarks) => return Ok(remarks),
        Err(error) => error,
    };
    match rollback::finish(server, journal) {
        Ok(_) => Err(error),
        Err(worse) => Err(Error::new(
            Exit::Attention,
            text!("error-half-done", failed = error.text, left = worse.text),
        )),
    }
}

fn make_changes(
    server: Iis<'_>,
    plan: &Plan<'_>,
    journal: &mut Journal,
    running: &ApplyContext<'_>,
) -> Result<Vec<Text>> {
    for (store, der) in &plan.authorities {
        go_on(running)?;
        add(server, journal, *store, der, Properties::default())?;
    }
    for item in &plan.items {
        let Action::Place(placement) = &item.action else {
            continue;
        };
        go_on(running)?;
        (running.progress)(text!("progress-importing", name = item.name.as_str()));
        place(server, journal, placement, plan.exportable)?;
        prove(server, placement).map_err(|reason| unproven(&item.name, reason))?;
    }
    for request in &plan.answered {
        go_on(running)?;
        remove(server, journal, StoreName::Request, request)?;
    }
    let remarks = serve(server, plan, journal, running)?;
    go_on(running)?;
    journal.commit()?;
    Ok(remarks)
}

/// Lets IIS back its configuration up; what it shares with other servers, which its own tool leaves
/// out, is copied beside itself.
fn back_up(server: Iis<'_>, now: jiff::Timestamp) -> Result<()> {
    let Some(folder) = server.sites.folder() else {
        return Ok(());
    };
    if let Some(shared) = config::read_folder(&folder)?.shared {
        let copy = shared_copy(&shared, now);
        let copied = read_input(&shared.join(config::APPLICATION_HOST))
            .and_then(|bytes| private_files::create_public(&copy, &bytes));
        copied.map_err(|reason| {
            Error::failed(text!(
                "error-shared-not-copied",
                path = copy.as_path(),
                reason = &reason
            ))
        })?;
    }
    Ok(server.sites.back_up(&backup_name(now))?)
}

/// The copy of a configuration that other servers share, in its own folder.
pub fn shared_copy(shared: &Path, now: jiff::Timestamp) -> PathBuf {
    let name = format!("{}.{}", config::APPLICATION_HOST, backup_name(now));
    shared.join(name)
}

/// The name of the backup that IIS makes of its own configuration first.
pub fn backup_name(now: jiff::Timestamp) -> String {
    now.strftime("pfxvault-%Y%m%d-%H%M%S").to_string()
}

/// Records before bindings: a record nobody asks for does no harm, a binding without one resets
/// every connection.
fn serve(
    server: Iis<'_>,
    plan: &Plan<'_>,
    journal: &mut Journal,
    running: &ApplyContext<'_>,
) -> Result<Vec<Text>> {
    let mut remarks = Vec::new();
    for edit in plan.edits() {
        if let Edit::Record { before, after } = edit {
            go_on(running)?;
            (running.progress)(text!("progress-binding", what = edit.what()));
            journal.log_intent(ChangeStep::Serve(edit.clone()))?;
            let kept = edit::set_record(server, before.as_ref(), after.as_ref())?;
            if kept.differences.is_empty() {
                continue;
            }
            // The way back knows what this run made by how it stands.
            let (before, after) = (before.clone(), kept.record);
            journal.log_intent(ChangeStep::Serve(Edit::Record { before, after }))?;
            remarks.extend(kept.differences);
        }
    }
    go_on(running)?;
    let config: Vec<&Edit> = plan.edits().filter(|edit| edit.is_config()).collect();
    config
        .iter()
        .try_for_each(|edit| journal.log_intent(ChangeStep::Serve((*edit).clone())))?;
    edit::set_config(server, &config)?;
    Ok(remarks)
}

fn go_on(running: &ApplyContext<'_>) -> Result<()> {
    match (running.stop)() {
        false => Ok(()),
        true => Err(Error::failed(text!("error-stopped"))),
    }
}

fn place(
    server: Iis<'_>,
    journal: &mut Journal,
    placement: &PlannedCertificate<'_>,
    exportable: bool,
) -> Result<()> {
    let key = match &placement.key {
        PlannedKey::Here(link) => link.clone(),
        PlannedKey::New {
            home,
            pkcs8,
            access,
        } => {
            let key = home.link(container(placement.store)?);
            journal.log_intent(ChangeStep::CreateKey { key: key.clone() })?;
            server.keys.create(
                &key,
                &NewKey {
                    pkcs8,
                    exportable,
                    access,
                },
            )?;
            key
        }
    };
    let archived = placement
        .before
        .as_ref()
        .is_some_and(|before| before.archived);
    let properties = Properties {
        friendly_name: placement.friendly_name.clone(),
        key: Some(key),
        archived,
    };
    match &placement.before {
        None => add(
            server,
            journal,
            placement.store,
            placement.certificate,
            properties,
        ),
        Some(before) => change(
            server,
            journal,
            placement.store,
            &Hash::of(placement.certificate),
            before.clone(),
            properties,
        ),
    }
}

/// Adds a certificate. One that is here and archived, which no plan knows, is shown again and gets
/// what is new.
fn add(
    server: Iis<'_>,
    journal: &mut Journal,
    store: StoreName,
    der: &[u8],
    properties: Properties,
) -> Result<()> {
    let certificate = StoredCertificate {
        der: der.to_vec(),
        properties,
    };
    let there = server
        .stores
        .certificates(store)?
        .into_iter()
        .find(|there| there.der == der);
    if let Some(twin) = there.filter(|there| there.properties.archived) {
        let Properties {
            friendly_name, key, ..
        } = certificate.properties;
        let before = twin.properties.clone();
        let after = Properties {
            friendly_name: friendly_name.or(twin.properties.friendly_name),
            key: key.or(twin.properties.key),
            archived: false,
        };
        return change(server, journal, store, &Hash::of(der), before, after);
    }
    journal.log_intent(ChangeStep::AddCertificate {
        store,
        certificate: certificate.sha256(),
        key: certificate.properties.key.clone(),
    })?;
    Ok(server.stores.add(store, &certificate)?)
}

fn remove(
    server: Iis<'_>,
    journal: &mut Journal,
    store: StoreName,
    certificate: &StoredCertificate,
) -> Result<()> {
    journal.log_intent(ChangeStep::RemoveCertificate {
        store,
        certificate: BASE64.encode(&certificate.der),
        properties: certificate.properties.clone(),
    })?;
    server.stores.remove(store, &certificate.sha256())?;
    Ok(())
}

fn change(
    server: Iis<'_>,
    journal: &mut Journal,
    store: StoreName,
    certificate: &Hash,
    before: Properties,
    after: Properties,
) -> Result<()> {
    journal.log_intent(ChangeStep::ChangeCertificate {
        store,
        certificate: *certificate,
        before,
        after: after.clone(),
    })?;
    Ok(server.stores.change(store, certificate, &after)?)
}

/// The key of a request is waited for even if the request is deleted: it never counts as left
/// behind.
fn container(store: StoreName) -> Result<String> {
    let own = new_container()?;
    let guid = own
        .strip_prefix(OWN_CONTAINER)
        .filter(|_| store == StoreName::Request);
    Ok(guid.map_or(own.clone(), str::to_owned))
}

/// A name no container has, by which this program knows its own.
pub fn new_container() -> Result<String> {
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(|_| Error::failed(text!("error-no-random")))?;
    let guid = u128::from_ne_bytes(random) & !(0xF << 76) & !(0x3 << 62) | 0x4 << 76 | 0x2 << 62;
    let digits = format!("{guid:032x}");
    let (a, b, c, d, e) = (
        &digits[..8],
        &digits[8..12],
        &digits[12..16],
        &digits[16..20],
        &digits[20..],
    );
    Ok(format!("{OWN_CONTAINER}{a}-{b}-{c}-{d}-{e}"))
}

/// Reads the certificate back from its store and lets the key it leads to sign.
fn prove(server: Iis<'_>, placement: &PlannedCertificate<'_>) -> Result<(), Option<Text>> {
    let certificates = server
        .stores
        .certificates(placement.store)
        .map_err(|e| Some(e.text()))?;
    let found = certificates
        .iter()
        .find(|certificate| certificate.der == placement.certificate)
        .ok_or(None)?;
    let link: &KeyLink = found.properties.key.as_ref().ok_or(None)?;
    let mut random = [0; 32];
    getrandom::fill(&mut random).map_err(|_| None)?;
    let signature = server
        .keys
        .sign(link, &random)
        .map_err(|e| Some(e.text()))?;
    let public_key = public_key(placement.certificate).ok_or(None)?;
    if challenge::verifies(&public_key, &random, &signature) {
        Ok(())
    } else {
        Err(None)
    }
}

fn unproven(name: &str, reason: Option<Text>) -> Error {
    let reason = reason.unwrap_or_else(|| text!("reason-key-does-not-sign"));
    Error::failed(text!("error-key-unproven", name = name, reason = reason))
}
