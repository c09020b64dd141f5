//! Says what else than IIS uses the key pairs of a server: it is set by hand, where it is set at all.

use serde::Serialize;

use crate::iis::others::{
    AD_FS, EXCHANGE, IIS_MANAGEMENT, NPS, RD_GATEWAY, REMOTE_DESKTOP, REPORTING_SERVICES,
    SQL_SERVER, SSTP, WIN_RM,
};
use crate::iis::{OtherUse, SiteMap};
use crate::keypair::Certificate;
use crate::message::{Text, short};
use crate::session::Session;
use crate::text;
use crate::workflow::finding::{Finding, Level};

/// A certificate that something else than IIS uses.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct OtherUseReport {
    program: String,
    /// A listener, an instance, a record of http.sys.
    place: Option<String>,
    thumbprint: String,
    /// Nothing where the certificate is not here.
    name: Option<String>,
}

impl OtherUseReport {
    /// All uses that a server says, with the names of those of `certificates`.
    pub fn of(map: &SiteMap, certificates: &[&Certificate]) -> Vec<Self> {
        let report = |OtherUse {
                          program,
                          place,
                          thumbprint,
                      }| Self {
            name: find(certificates, &thumbprint).map(|one| one.display_name().to_owned()),
            program,
            place,
            thumbprint,
        };
        map.other_uses().into_iter().map(report).collect()
    }
}

/// Names what else uses these certificates, and programs that do not say what they use.
pub fn say(session: &Session<'_>, map: &SiteMap, certificates: &[&Certificate]) {
    for other in map.other_uses() {
        if let Some(certificate) = find(certificates, &other.thumbprint) {
            session.console.mention(&text!(
                "other-use",
                program = other.shown(),
                name = certificate.display_name(),
                thumbprint = short(&other.thumbprint)
            ));
        }
    }
    for program in &map.settings.silent {
        let text = text!("other-use-silent", program = program.as_str());
        session.console.mention(&text);
    }
}

/// Names what other programs are set to and no store here holds: it cannot be saved. `here` are the
/// certificates of all stores.
pub fn say_nowhere(session: &Session<'_>, map: &SiteMap, here: &[&Certificate]) {
    let uses = map.other_uses().into_iter();
    for other in uses.filter(|other| find(here, &other.thumbprint).is_none()) {
        session.console.mention(&text!(
            "other-use-nowhere",
            program = other.shown(),
            thumbprint = other.thumbprint
        ));
    }
}

/// Names what else used the certificates that come back, and how it is set to them.
pub fn say_after_restore(session: &Session<'_>, map: &SiteMap, certificates: &[&Certificate]) {
    for other in map.other_uses() {
        let Some(certificate) = find(certificates, &other.thumbprint) else {
            continue;
        };
        session.console.mention(&text!(
            "restore-other-use",
            program = other.shown(),
            name = certificate.display_name(),
            thumbprint = other.thumbprint.as_str()
        ));
        let place = other.place.as_deref();
        say_how(session, &other.program, place, &other.thumbprint);
    }
    for program in &map.settings.silent {
        let text = text!("restore-other-use-silent", program = program.as_str());
        session.console.mention(&text);
        say_how(session, program, None, "THUMBPRINT");
    }
}

/// What still uses certificates of a server that is given away.
pub fn findings(map: &SiteMap, certificates: &[&Certificate]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for other in map.other_uses() {
        let name = find(certificates, &other.thumbprint);
        let name = name.map_or(other.thumbprint.as_str(), |one| one.display_name());
        let text = text!(
            "status-other-use",
            program = other.shown(),
            name = name,
            thumbprint = other.thumbprint.as_str()
        );
        findings.push(Finding::new("other-use", Level::Attention, text));
    }
    for program in &map.settings.silent {
        let text = text!("other-use-silent", program = program.as_str());
        findings.push(Finding::new("other-use-silent", Level::Note, text));
    }
    findings
}

fn find<'a>(certificates: &[&'a Certificate], thumbprint: &str) -> Option<&'a Certificate> {
    let mut certificates = certificates.iter().copied();
    certificates.find(|one| one.thumbprint() == thumbprint)
}

fn say_how(session: &Session<'_>, program: &str, place: Option<&str>, thumbprint: &str) {
    for line in how(program, place, thumbprint) {
        session.console.mention(&line);
    }
}

/// How a program is set to a certificate, as its maker documents it (docs/windows-testing.md); nothing
/// for programs that are not known.
fn how(program: &str, place: Option<&str>, thumbprint: &str) -> Vec<Text> {
    // A listener of WinRM is called `*+HTTPS`; a record of http.sys does not name one. It comes from
    // a stick, and nothing but an address may become a part of a command.
    let is_of_address = |c: char| c.is_ascii_hexdigit() || matches!(c, '.' | ':' | '*');
    let listener = place.and_then(|place| Some(place.split_once('+')?.0));
    let listener = listener.filter(|address| address.chars().all(is_of_address));
    match program {
        REMOTE_DESKTOP => vec![
            text!("set-remote-desktop", thumbprint = thumbprint),
            text!("set-remote-desktop-powershell", thumbprint = thumbprint),
        ],
        WIN_RM => vec![text!(
            "set-winrm",
            address = listener.unwrap_or("*"),
            thumbprint = thumbprint
        )],
        SQL_SERVER => vec![text!(
            "set-sql-server",
            instance = place.unwrap_or("MSSQLSERVER")
        )],
        IIS_MANAGEMENT => vec![text!("set-iis-management")],
        SSTP => vec![text!("set-sstp", thumbprint = thumbprint)],
        NPS => vec![text!("set-nps")],
        AD_FS => vec![text!("set-ad-fs", thumbprint = thumbprint)],
        REPORTING_SERVICES => vec![text!("set-reporting-services")],
        RD_GATEWAY => vec![text!("set-rd-gateway", thumbprint = thumbprint)],
        EXCHANGE => vec![text!("set-exchange", thumbprint = thumbprint)],
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_program_that_is_known_has_a_way_to_set_it() {
        for program in [
            REMOTE_DESKTOP,
            WIN_RM,
            SQL_SERVER,
            IIS_MANAGEMENT,
            SSTP,
            NPS,
            AD_FS,
            REPORTING_SERVICES,
            RD_GATEWAY,
            EXCHANGE,
        ] {
            assert!(!how(program, None, "AB").is_empty(), "{program}");
        }
        assert!(how("{AN-APP-ID}", None, "AB").is_empty());
        let winrm = &how(WIN_RM, Some("192.0.2.1+HTTPS"), "AB")[0];
        assert!(format!("{winrm:?}").contains("192.0.2.1"), "{winrm:?}");
        let planted = &how(WIN_RM, Some("*\"}; calc; @{\"+HTTPS"), "AB")[0];
        assert!(!format!("{planted:?}").contains("calc"), "{planted:?}");
    }
}
