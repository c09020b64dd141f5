//! `selftest --full`: the whole way on a server with IIS, in a site of its own: a key pair goes into the
//! store, is exported, bound, served over TLS, and taken back. Nothing of the server's own is touched,
//! and nothing stays, however it ends.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use super::keys::is_same_key;
use crate::change::{
    self, ApplyContext, BindingAction, Edit, IncomingKeyPair, Journal, Options, Order,
    PlannedBinding, rollback, undo,
};
use crate::error::{Error, Exit, Result};
use crate::iis::{
    Binding, Endpoint, Iis, Site, SiteMap, SslBinding, StoreName, binding, look_at_all,
};
use crate::keypair::KeyPair;
use crate::keypair::throwaway::{Authority, KeyKind};
use crate::message::Text;
use crate::platform::system;
use crate::session::Session;
use crate::text;
use crate::tls::ask::{self, Check, Verdict};

/// The site that is made. One of that name is what a run left that was killed.
const SITE: &str = "pfxvault-selftest";
/// No name of anybody (RFC 2606).
const HOST: &str = "selftest.invalid";
/// There on every server with IIS; nobody asks for a page.
const FOLDER: &str = r"%SystemDrive%\inetpub\wwwroot";

/// What the run works with.
pub(in crate::commands) struct Trial {
    /// The key pair that is served.
    pub(in crate::commands) pair: KeyPair,
    /// Free ports of this machine, for HTTP and for TLS.
    pub(in crate::commands) ports: [u16; 2],
}

/// One step, by the name that texts give it: what it showed, if anything, or why it failed.
pub(super) struct Step {
    pub(super) name: &'static str,
    pub(super) result: Result<String, Text>,
}

impl Trial {
    /// Makes a key pair, and looks for ports.
    pub(in crate::commands) fn new(session: &Session<'_>) -> Result<Self> {
        let authority = Authority::new("pfxvault selftest", session.now);
        let pair =
            authority.and_then(|authority| authority.issue(&[HOST], KeyKind::Rsa, session.now));
        let pair = pair.map_err(|_| Error::failed(text!("error-no-random")))?;
        Ok(Self {
            pair,
            ports: [free_port()?, free_port()?],
        })
    }
}

fn free_port() -> Result<u16> {
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|free| free.local_addr());
    let no_port = |error| Error::failed(text!("error-no-port", reason = &error));
    Ok(port.map_err(no_port)?.port())
}

/// Refuses a server without IIS, or with a change that was interrupted.
pub(super) fn may_run(session: &Session<'_>, server: Iis<'_>) -> Result<()> {
    if server.sites.folder().is_none() {
        return Err(Error::usage(text!("error-selftest-no-iis")));
    }
    if SiteMap::of(server)?.shared.is_some() {
        return Err(Error::usage(text!("error-selftest-shared")));
    }
    session.journal()?.refuse_interrupted(Exit::Failed)
}

/// Goes the whole way, and cleans up. What a killed run left goes first.
pub(super) fn steps(session: &Session<'_>, server: Iis<'_>, trial: &Trial) -> Result<Vec<Step>> {
    server.sites.remove_site(SITE)?;
    let before = everything(server)?;
    let mut steps = Vec::new();
    let site = make_site(server, trial);
    let is_made = site.is_ok();
    note(&mut steps, "site", site);
    if is_made {
        let mut journal = session.journal()?;
        let kept = |journal: &Journal| journal.last_committed().map(|run| run.number);
        let last = kept(&journal);
        restored(session, server, trial, &mut journal, &mut steps);
        // Where the restore failed it was taken back at once.
        if kept(&journal) != last {
            let back = undo(server, &mut journal).map_err(|error| error.text);
            note(&mut steps, "undo", back.and_then(nothing_left));
        }
        // What one moment refused, the next may not; what stays is seen below.
        if journal.interrupted().is_some() {
            let _again = rollback::finish(server, &mut journal);
        }
    }
    let gone = server.sites.remove_site(SITE);
    let gone = gone.or_else(|_| server.sites.remove_site(SITE)).map(|_| ());
    note(&mut steps, "site-gone", gone.map_err(|error| error.text()));
    let after = everything(server).map_err(|error| error.text);
    let same = after.and_then(|after| match after == before {
        true => Ok(()),
        false => Err(text!("selftest-not-as-before")),
    });
    note(&mut steps, "as-before", same);
    Ok(steps)
}

/// What the run is called in the journal.
const WHAT: &str = "selftest";

fn note(steps: &mut Vec<Step>, name: &'static str, result: Result<(), Text>) {
    let result = result.map(|()| String::new());
    steps.push(Step { name, result });
}

/// Undoing left something alone, as others changed it meanwhile.
fn nothing_left(left: Vec<Text>) -> Result<(), Text> {
    left.into_iter().next().map_or(Ok(()), Err)
}

/// Whatever a run could leave behind.
fn everything(server: Iis<'_>) -> Result<Vec<String>> {
    let here = look_at_all(server)?;
    let map = SiteMap::of(server)?;
    let mut all = Vec::new();
    for seen in &here.seen {
        all.push(format!("{} {:?}", seen.store, seen.certificate));
    }
    all.extend(here.keys.iter().map(|found| found.link.to_string()));
    all.extend(map.records.iter().map(|record| format!("{record:?}")));
    all.extend(map.sites.iter().map(|site| format!("{site:?}")));
    all.sort_unstable();
    Ok(all)
}

fn on_loopback(protocol: &str, port: u16, ssl_flags: u32) -> Binding {
    Binding {
        protocol: protocol.to_owned(),
        information: format!("127.0.0.1:{port}:{HOST}"),
        ssl_flags,
    }
}

fn make_site(server: Iis<'_>, trial: &Trial) -> Result<(), Text> {
    let sites = SiteMap::of(server).map_err(|error| error.text)?.sites;
    let site = Site {
        id: sites.iter().map(|site| site.id).max().unwrap_or(0) + 1,
        name: SITE.to_owned(),
        bindings: vec![on_loopback("http", trial.ports[0], 0)],
        folders: vec![FOLDER.to_owned()],
        ftp: None,
    };
    let made = server.sites.add_site(&site);
    made.map_err(|error| error.text())
}

/// A restore of the key pair with its binding, and what it gave.
fn restored(
    session: &Session<'_>,
    server: Iis<'_>,
    trial: &Trial,
    journal: &mut Journal,
    steps: &mut Vec<Step>,
) {
    let check = Check {
        address: SocketAddr::from((Ipv4Addr::LOCALHOST, trial.ports[1])),
        host: Some(HOST.to_owned()),
        thumbprint: trial.pair.leaf().thumbprint(),
    };
    let made = restore(session, server, trial, journal, &check).map_err(|error| error.text);
    let is_made = made.is_ok();
    note(steps, "restore", made);
    if is_made {
        note(steps, "export", exported(server, &trial.pair));
        steps.push(Step {
            name: "tls",
            result: served(&check),
        });
    }
}

fn restore(
    session: &Session<'_>,
    server: Iis<'_>,
    trial: &Trial,
    journal: &mut Journal,
    check: &Check,
) -> Result<()> {
    let leaf = trial.pair.leaf();
    let incoming = IncomingKeyPair {
        name: HOST.to_owned(),
        leaf: leaf.der(),
        authorities: trial
            .pair
            .certificates()
            .skip(1)
            .map(|one| one.der())
            .collect(),
        pkcs8: trial.pair.key.pkcs8(),
        friendly_name: Some(SITE),
        store: StoreName::WebHosting,
        provider: None,
        access: &[],
    };
    let options = Options {
        windows_build: server.sites.windows_build(),
        ..Options::default()
    };
    let here = look_at_all(server)?;
    let mut order = Order::of(&here, session.now);
    order.add(leaf.clone(), None);
    let mut plan = change::plan(&here, std::slice::from_ref(&incoming), &options);
    plan.bindings.push(planned(trial, &order, check));
    let running = ApplyContext {
        what: WHAT,
        now: session.now,
        stop: &system::interrupted,
        progress: &|_| (),
    };
    let remarks = change::apply(server, &plan, journal, &running)?;
    match remarks.into_iter().next() {
        None => Ok(()),
        Some(remark) => Err(Error::failed(remark)),
    }
}

fn planned(trial: &Trial, order: &Order, check: &Check) -> PlannedBinding {
    let https = on_loopback("https", trial.ports[1], binding::SNI);
    let endpoint = Endpoint::Name {
        host: HOST.to_owned(),
        port: trial.ports[1],
    };
    let record = SslBinding {
        store: Some(StoreName::WebHosting.as_str().to_owned()),
        ..SslBinding::new(endpoint, check.thumbprint.clone())
    };
    let edits = vec![
        Edit::Record {
            before: None,
            after: Some(record),
        },
        Edit::Binding {
            site: SITE.to_owned(),
            before: None,
            after: Some(https.clone()),
        },
    ];
    PlannedBinding {
        site: SITE.to_owned(),
        binding: https.information,
        to: SITE.to_owned(),
        certificate: order.shown(&check.thumbprint),
        fate: BindingAction::Change {
            replaces: None,
            lower: None,
            edits,
        },
        remarks: Vec::new(),
        check: Some(check.clone()),
    }
}

/// Whether the key behind the certificate in the store comes out as it went in.
fn exported(server: Iis<'_>, pair: &KeyPair) -> Result<(), Text> {
    let here = look_at_all(server).map_err(|error| error.text())?;
    let mut seen = here.seen.into_iter();
    let seen = seen.find(|seen| seen.certificate.der == pair.leaf().der());
    let link = seen.and_then(|seen| seen.certificate.properties.key);
    let link = link.ok_or_else(|| text!("windows-no-key"))?;
    let out = server.keys.export(&link).map_err(|reason| reason.text())?;
    match is_same_key(out.pkcs8, &pair.key) {
        true => Ok(()),
        false => Err(text!("selftest-wrong")),
    }
}

/// The version of TLS that the right certificate is served over.
fn served(check: &Check) -> Result<String, Text> {
    match ask::confirm(&[check], &[]).pop() {
        Some(Verdict::Right(served, _)) => Ok(served.version),
        Some(Verdict::Unsteady(..)) => Err(text!("selftest-unsteady")),
        Some(Verdict::Nothing(error)) => Err(error.text()),
        Some(Verdict::Other(_)) | None => Err(text!("selftest-other")),
    }
}
