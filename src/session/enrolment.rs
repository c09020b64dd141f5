//! Asking to be let into a vault.

use std::path::{Path, PathBuf};

use crate::console::Enter;
use crate::error::{Error, Result};
use crate::platform::private_files;
use crate::session::{Session, fit_name};
use crate::state::State;
use crate::text;
use vault::request::EnrolmentRequest;

/// Makes this machine's signing key in host state and writes what it asks for into a new file; says
/// the fingerprint. Asked again, it asks with the same key.
///
/// # Errors
/// This machine is enrolled already, the file exists, or one of the two cannot be written.
pub fn write_request(
    session: &Session<'_>,
    file: &Path,
    server_name: Option<String>,
    replace: bool,
) -> Result<EnrolmentRequest> {
    let folder = session.new_state_folder(replace)?;
    let name = server_name.unwrap_or_else(crate::platform::media::host_name);
    let name = fit_name(&name)?;
    let request = State::request(&folder, name)?;
    private_files::create_public(file, request.render().as_bytes())
        .map_err(|e| Error::failed(text!("error-request-unwritable", path = file, reason = &e)))?;
    let (server, fingerprint) = (request.server().to_string(), request.fingerprint());
    session.console.say(&text!(
        "enrolment-request-done",
        path = file,
        server = server.as_str(),
        fingerprint = fingerprint.as_str()
    ));
    Ok(request)
}

/// What a restore ends with on a server that is enrolled nowhere: its own backups need a vault. The
/// restore is done, so whatever fails here is said, and no more.
pub fn offer(session: &Session<'_>, yes: bool) {
    let known = session.memory();
    if known.state.is_some() || known.unasked.is_some() {
        return;
    }
    let asks = !yes && session.console.interactive();
    if !(asks
        && session
            .console
            .confirm(&text!("enrol-offer"), Enter::Yes)
            .unwrap_or(false))
    {
        return session.console.mention(&text!("enrol-later"));
    }
    let usual = PathBuf::from(format!("{}.req", crate::platform::media::host_name()));
    let usual = std::env::current_dir().unwrap_or_default().join(usual);
    let written = session
        .console
        .ask(&text!("prompt-request-file", usual = usual.as_path()))
        .and_then(|typed| {
            let file = if typed.is_empty() {
                usual
            } else {
                PathBuf::from(typed.as_str())
            };
            write_request(session, &file, None, false)
        });
    if let Err(error) = written {
        session
            .console
            .warn(&text!("enrol-not-requested", reason = error.text));
    }
}
