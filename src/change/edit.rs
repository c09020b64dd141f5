//! One change to what a server serves, and its way back: a record of http.sys, a binding of a site,
//! the certificate of an FTP site. Each knows what stood there before, so that it can be undone,
//! and what stands there now decides whether it may be.

use std::thread;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::iis::binding::{self, RECORD_FLAGS};
use crate::iis::{
    Binding, BindingChange, BindingEdit, Code, Endpoint, FtpCertificate, Iis, Site, SslBinding,
    WindowsError, config,
};
use crate::message::Text;
use crate::text;

/// How often a commit is tried.
const COMMITS: usize = 3;
/// The wait between two tries.
const PAUSE: Duration = Duration::from_millis(500);
/// The waits between tries to write a record, in milliseconds. For some seconds after a key of CNG
/// was made http.sys may not see it, and calls the record wrong (tokentimerch/tokentimer-core, on
/// Server 2025: "the parameter is incorrect", and the same command succeeds a moment later).
const SETTLING: [u64; 5] = if cfg!(test) {
    [0; 5]
} else {
    [300, 700, 1500, 3000, 5000]
};

/// One change; `None` means that there is nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "kebab-case")]
pub enum Edit {
    /// The record of an endpoint.
    Record {
        /// As it was.
        before: Option<SslBinding>,
        /// As it will be.
        after: Option<SslBinding>,
    },
    /// A binding of a site; where there are both, only their flags differ.
    Binding {
        /// The site's name.
        site: String,
        /// As it was.
        before: Option<Binding>,
        /// As it will be.
        after: Option<Binding>,
    },
    /// The certificate of a site's FTP bindings.
    Ftp {
        /// The site's name.
        site: String,
        /// As it was.
        before: Option<FtpCertificate>,
        /// As it will be.
        after: Option<FtpCertificate>,
    },
}

/// What Windows made of a record.
#[derive(Default)]
pub struct KeptRecord {
    /// The record as it stands.
    pub record: Option<SslBinding>,
    /// How it differs from what was asked for; it serves the same certificate.
    pub differences: Vec<Text>,
}

/// Makes a change to a record and reads it back. It must serve what it was written for, everything
/// else is only said.
///
/// # Errors
/// What Windows answered, or that it kept something else.
pub fn set_record(
    server: Iis<'_>,
    before: Option<&SslBinding>,
    after: Option<&SslBinding>,
) -> Result<KeptRecord> {
    let Some(endpoint) = endpoint(before, after) else {
        return Ok(KeptRecord::default());
    };
    let written = write_record(server, before, after)?;
    let kept = server.http.record(endpoint)?;
    match (after, written, kept) {
        (Some(after), Some(written), Some(kept)) if kept.serves_like(&written) => Ok(KeptRecord {
            differences: differences(after, &written, &kept),
            record: Some(kept),
        }),
        (_, None, None) => Ok(KeptRecord::default()),
        _ => Err(Error::failed(text!(
            "error-not-kept",
            what = endpoint.to_string()
        ))),
    }
}

/// What of a record was refused, and what http.sys made of the rest.
fn differences(after: &SslBinding, written: &SslBinding, kept: &SslBinding) -> Vec<Text> {
    let endpoint = after.endpoint.to_string();
    let lost = binding::names(&RECORD_FLAGS, after.flags & !written.flags).into_iter();
    let lost = lost.map(|flag| {
        text!(
            "record-flag-refused",
            endpoint = endpoint.as_str(),
            flag = flag
        )
    });
    let mut texts: Vec<Text> = lost.collect();
    if !kept.is_same(written) {
        let flags = format!("0x{:x}, 0x{:x}", written.flags, kept.flags);
        texts.push(text!(
            "record-kept-otherwise",
            endpoint = endpoint.as_str(),
            flags = flags
        ));
    }
    texts
}

fn is_same(one: Option<&SslBinding>, other: Option<&SslBinding>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => one.is_same(other),
        (one, other) => one.is_none() && other.is_none(),
    }
}

/// The sites of this server, as its configuration has them now.
fn sites(server: Iis<'_>) -> Result<Vec<Site>> {
    let Some(folder) = server.sites.folder() else {
        return Ok(Vec::new());
    };
    Ok(config::read_folder(&folder)?.config.sites)
}

/// Returns what was written.
fn write_record(
    server: Iis<'_>,
    before: Option<&SslBinding>,
    after: Option<&SslBinding>,
) -> Result<Option<SslBinding>, WindowsError> {
    let Some(after) = after.map(SslBinding::with_store) else {
        if let Some(before) = before {
            server.http.remove(&before.endpoint)?;
        }
        return Ok(None);
    };
    let write = |record: &SslBinding| match before {
        Some(_) => server.http.replace(record),
        None => server.http.add(record),
    };
    let known = binding::known(&RECORD_FLAGS, after.flags, server.sites.windows_build());
    let plain = SslBinding {
        flags: known,
        ..after.clone()
    };
    written(&write, after, plain).map(Some)
}

/// What http.sys calls wrong is written again, as its key may be too new for it; and, if that does
/// not help, without the flags that this build of Windows is not known to have: nobody says which it
/// takes.
fn written(
    write: &dyn Fn(&SslBinding) -> Result<(), WindowsError>,
    record: SslBinding,
    plain: SslBinding,
) -> Result<SslBinding, WindowsError> {
    let is_wrong = |done: &Result<(), WindowsError>| matches!(done, Err(error) if error.code == Code::INVALID_PARAMETER);
    let mut done = write(&record);
    for pause in SETTLING {
        if !is_wrong(&done) {
            break;
        }
        thread::sleep(Duration::from_millis(pause));
        done = write(&record);
        if is_wrong(&done) && plain != record && write(&plain).is_ok() {
            return Ok(plain);
        }
    }
    done.map(|()| record)
}

fn endpoint<'a>(
    before: Option<&'a SslBinding>,
    after: Option<&'a SslBinding>,
) -> Option<&'a Endpoint> {
    after.or(before).map(|record| &record.endpoint)
}

/// Makes the changes to the configuration, in one commit, and reads it back.
///
/// # Errors
/// What Windows answered, or that it kept something else.
pub fn set_config(server: Iis<'_>, edits: &[&Edit]) -> Result<()> {
    let changes: Vec<_> = edits.iter().filter_map(|edit| edit.change()).collect();
    if changes.is_empty() {
        return Ok(());
    }
    commit(server, &changes)?;
    let sites = sites(server)?;
    match edits.iter().find(|edit| !edit.stands_after(&sites)) {
        None => Ok(()),
        Some(edit) => Err(Error::failed(text!("error-not-kept", what = edit.what()))),
    }
}

/// An antivirus, IIS Manager or DSC may have the file in hand for a moment.
fn commit(server: Iis<'_>, changes: &[BindingChange]) -> Result<(), WindowsError> {
    for _ in 1..COMMITS {
        match server.sites.apply(changes) {
            Err(error) if error.code.is_momentary() => thread::sleep(PAUSE),
            done => return done,
        }
    }
    server.sites.apply(changes)
}

/// Undoes changes to the configuration, in one commit; returns what was changed by others since and
/// is left alone.
///
/// # Errors
/// What Windows answered, or that it kept something else.
pub fn take_back_config(server: Iis<'_>, edits: &[&Edit]) -> Result<Vec<Text>> {
    if edits.is_empty() {
        return Ok(Vec::new());
    }
    let sites = sites(server)?;
    let standing = edits
        .iter()
        .rev()
        .copied()
        .filter(|edit| !edit.reversed().stands_after(&sites));
    let (ours, left): (Vec<&Edit>, Vec<&Edit>) =
        standing.partition(|edit| edit.stands_after(&sites));
    let back: Vec<Edit> = ours.into_iter().map(Edit::reversed).collect();
    set_config(server, &back.iter().collect::<Vec<_>>())?;
    Ok(left
        .into_iter()
        .map(|edit| text!("left-binding-changed", what = edit.what()))
        .collect())
}

/// Undoes a change to a record; says if others changed it since.
///
/// # Errors
/// What Windows answered, or that it kept something else.
pub fn take_back_record(
    server: Iis<'_>,
    before: Option<&SslBinding>,
    after: Option<&SslBinding>,
) -> Result<Option<Text>> {
    let Some(endpoint) = endpoint(before, after) else {
        return Ok(None);
    };
    let now = server.http.record(endpoint)?;
    match now.as_ref() {
        now if is_same(now, before) => Ok(None),
        // Where Windows cannot replace at once, a run that was cut off may have left nothing.
        now if is_same(now, after) || now.is_none() => {
            set_record(server, now, before).map(|_| None)
        }
        _ => Ok(Some(text!(
            "left-binding-changed",
            what = endpoint.to_string()
        ))),
    }
}

impl Edit {
    /// The change that undoes this one.
    pub fn reversed(&self) -> Self {
        match self.clone() {
            Self::Record { before, after } => Self::Record {
                before: after,
                after: before,
            },
            Self::Binding {
                site,
                before,
                after,
            } => Self::Binding {
                site,
                before: after,
                after: before,
            },
            Self::Ftp {
                site,
                before,
                after,
            } => Self::Ftp {
                site,
                before: after,
                after: before,
            },
        }
    }

    /// Whether it is a change to the configuration rather than to a record.
    pub fn is_config(&self) -> bool {
        !matches!(self, Self::Record { .. })
    }

    /// What it is about: `0.0.0.0:443`, `Shop: https *:443:www.example.com`.
    pub fn what(&self) -> String {
        match self {
            Self::Record { before, after } => endpoint(before.as_ref(), after.as_ref())
                .map_or_else(String::new, Endpoint::to_string),
            Self::Binding {
                site,
                before,
                after,
            } => match after.as_ref().or(before.as_ref()) {
                Some(binding) => format!("{site}: {binding}"),
                None => site.clone(),
            },
            Self::Ftp { site, .. } => format!("{site}: ftp"),
        }
    }

    /// As the seam takes it; `None` for a record, and where nothing changes.
    fn change(&self) -> Option<BindingChange> {
        let (site, change) = match self {
            Self::Binding {
                site,
                before: None,
                after: Some(after),
            } => (site, BindingEdit::Add(after.clone())),
            Self::Binding {
                site,
                before: Some(before),
                after: None,
            } => (site, BindingEdit::Remove(before.clone())),
            Self::Binding {
                site,
                before: Some(before),
                after: Some(after),
            } => (
                site,
                BindingEdit::Flags {
                    binding: before.clone(),
                    ssl_flags: after.ssl_flags,
                },
            ),
            Self::Ftp { site, after, .. } => {
                let FtpCertificate { thumbprint, store } = after.clone().unwrap_or_default();
                (site, BindingEdit::Ftp { thumbprint, store })
            }
            Self::Record { .. }
            | Self::Binding {
                before: None,
                after: None,
                ..
            } => return None,
        };
        Some(BindingChange {
            site: site.clone(),
            change,
        })
    }

    /// Whether the configuration is as it is after this change.
    fn stands_after(&self, sites: &[Site]) -> bool {
        let named = |name: &str| sites.iter().find(|site| site.name == name);
        match self {
            Self::Record { .. } => true,
            Self::Binding {
                site,
                before,
                after,
            } => {
                let Some(key) = after.as_ref().or(before.as_ref()) else {
                    return true;
                };
                let now = named(site)
                    .and_then(|site| site.bindings.iter().find(|binding| binding.is_same(key)));
                now.map(|now| now.ssl_flags) == after.as_ref().map(|after| after.ssl_flags)
            }
            Self::Ftp { site, after, .. } => {
                named(site).and_then(|site| site.ftp.as_ref()) == after.as_ref()
            }
        }
    }
}
