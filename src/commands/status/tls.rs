//! `status --tls`: what TLS servers show, those of this server's bindings on this machine, and
//! those that are named.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};

use jiff::Timestamp;
use rayon::prelude::*;

use crate::change::bindings::check;
use crate::error::{Error, Result};
use crate::iis::{Iis, SiteMap, StoreName};
use crate::keypair::ascii_host;
use crate::message::{Text, day};
use crate::session::here;
use crate::text;
use crate::tls::ask::{self, Check, Deadline, Remark, Served};
use crate::tls::prove::TlsError;
use crate::workflow::finding::{Finding, Level};
use crate::workflow::status::OwnCertificate;

/// The port of https.
const HTTPS: u16 = 443;

/// Asks the servers that `names` mean, else every binding of this server. `here` are this server's
/// certificates.
///
/// # Errors
/// Nothing is named, and there is no IIS here; or a name that is none.
pub(super) fn ask(
    names: &[String],
    here: Option<&[OwnCertificate]>,
    now: Timestamp,
) -> Result<Vec<Finding>> {
    match (names, here::here().ok()) {
        ([], Some(server)) => bindings(server, now),
        ([], None) => Err(Error::usage(text!("error-tls-names"))),
        (names, server) => {
            let known = server.map_or_else(Vec::new, authorities);
            let until = Deadline::from_now();
            let targets = names
                .iter()
                .map(|name| target(name))
                .collect::<Result<Vec<_>>>()?;
            Ok(targets
                .par_iter()
                .flat_map(|(name, port)| named(name, *port, until, here, &known, now))
                .collect())
        }
    }
}

fn authorities(server: Iis<'_>) -> Vec<Vec<u8>> {
    let certificates =
        [StoreName::Ca, StoreName::Root].map(|store| server.stores.certificates(store));
    certificates
        .into_iter()
        .flatten()
        .flatten()
        .map(|certificate| certificate.der)
        .collect()
}

fn bindings(server: Iis<'_>, now: Timestamp) -> Result<Vec<Finding>> {
    let map = SiteMap::of(server)?;
    let known = authorities(server);
    let bindings = map
        .sites
        .iter()
        .flat_map(|site| &site.bindings)
        .filter(|binding| binding.is_https());
    let checks =
        bindings.filter_map(|binding| check(binding, map.serving(binding)?.thumbprint.as_deref()));
    let checks: Vec<Check> = checks.collect();
    let verdicts = ask::confirm(&checks.iter().collect::<Vec<_>>(), &known);
    let remarks = checks
        .iter()
        .zip(verdicts)
        .flat_map(|(check, verdict)| verdict.remarks(check, now));
    Ok(remarks.map(finding).collect())
}

fn finding(remark: Remark) -> Finding {
    let Remark { id, good, text } = remark;
    Finding::new(id, if good { Level::Note } else { Level::Attention }, text)
}

/// `HOST`, `HOST:PORT`, `[::1]:PORT`. A host in Unicode is asked for by its A-label, which is what
/// resolvers know and clients send.
fn target(typed: &str) -> Result<(String, u16)> {
    let bad = || Error::usage(text!("error-tls-name", name = typed));
    if let Ok(address) = typed.parse::<SocketAddr>() {
        return Ok((address.ip().to_string(), address.port()));
    }
    match typed.split_once(':') {
        None if typed.is_empty() => Err(bad()),
        None => Ok((ascii_host(typed).into_owned(), HTTPS)),
        Some((host, port)) => {
            let port = port.parse().map_err(|_| bad())?;
            Ok((ascii_host(host).into_owned(), port))
        }
    }
}

fn named(
    host: &str,
    port: u16,
    until: Deadline,
    here: Option<&[OwnCertificate]>,
    known: &[Vec<u8>],
    now: Timestamp,
) -> Vec<Finding> {
    let name = format!("{host}:{port}");
    let served = match served(host, port, until) {
        Ok(served) => served,
        Err(error) => return vec![finding(ask::unanswered(&name, &error))],
    };
    let mut findings = vec![compared(&name, &served, here)];
    for authority in &served.missing(known) {
        findings.push(finding(ask::missing_authority(&name, authority)));
    }
    findings.extend(served.weakness(&name).map(finding));
    findings.extend(served.end(&name, now).map(finding));
    findings
}

/// What a server shows.
fn served(host: &str, port: u16, until: Deadline) -> Result<Served, TlsError> {
    let address = (host, port).to_socket_addrs()?.next();
    let address = address.ok_or_else(|| io::Error::from(io::ErrorKind::AddrNotAvailable))?;
    ask::ask(address, Some(host), until)
}

fn shown(level: Level, text: Text) -> Finding {
    Finding::new("tls", level, text)
}

/// Whether what is shown is a certificate of this server.
fn compared(name: &str, served: &Served, here: Option<&[OwnCertificate]>) -> Finding {
    let (showing, thumbprint) = (served.name(), served.thumbprint());
    let until = match served.leaf() {
        Some(leaf) => day(leaf.not_after()),
        None => "-".to_owned(),
    };
    let is_it = |own: &OwnCertificate| own.certificate.thumbprint() == thumbprint;
    if here.is_none_or(|here| here.iter().any(is_it)) {
        let text = text!(
            "tls-shown",
            name = name,
            shown = showing,
            thumbprint = thumbprint,
            until = until
        );
        return shown(Level::Note, text);
    }
    let text = text!(
        "tls-not-ours",
        name = name,
        shown = showing,
        thumbprint = thumbprint,
        until = until
    );
    shown(Level::Attention, text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keypair::throwaway::{Authority, KeyKind};

    #[test]
    fn a_host_in_unicode_is_asked_for_by_its_a_label() {
        for (typed, host, port) in [
            ("b\u{fc}cher.example:46557", "xn--bcher-kva.example", 46557),
            ("B\u{dc}CHER.example", "xn--bcher-kva.example", 443),
            ("xn--bcher-kva.example", "xn--bcher-kva.example", 443),
            ("[::1]:8443", "::1", 8443),
        ] {
            assert_eq!(target(typed).unwrap(), (host.to_owned(), port), "{typed}");
        }
    }

    #[test]
    fn a_certificate_that_is_over_needs_attention_and_one_that_ends_soon_is_a_note() {
        let begin = "2026-01-01T00:00:00Z".parse().unwrap();
        let authority = Authority::new("Test", begin).unwrap();
        let issue = || {
            authority
                .issue(&["www.example.com"], KeyKind::P256, begin)
                .unwrap()
        };
        let end = issue().leaf().not_after();
        let (address, serving) = ask::tests::serve(vec![issue(), issue(), issue()]);
        let shown = |now: Timestamp| {
            let until = Deadline::from_now();
            let findings = named("127.0.0.1", address.port(), until, None, &[], now);
            findings
                .iter()
                .map(|finding| (finding.id, finding.level))
                .collect::<Vec<_>>()
        };
        let hour = jiff::SignedDuration::from_hours(1);
        assert_eq!(
            shown(end + hour),
            [("tls", Level::Note), ("tls-expired", Level::Attention)]
        );
        assert_eq!(
            shown(end - hour),
            [("tls", Level::Note), ("tls-expires-soon", Level::Note)]
        );
        assert_eq!(shown(begin), [("tls", Level::Note)]);
        serving.join().unwrap();
    }
}
