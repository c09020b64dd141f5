//! `request`: a new key with its CSR.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;

use crate::change::csr::{self, SubjectPart};
use crate::change::plan::{Item, PlannedCertificate, PlannedKey};
use crate::change::{self, Action, Plan};
use crate::cli::{ProviderArg, RequestArgs};
use crate::error::{Error, Exit, Result};
use crate::iis::blob::Home;
use crate::iis::{Iis, StoreName};
use crate::platform::private_files;
use crate::session::change::carry_out;
use crate::session::events::Leading;
use crate::session::{Session, backup, here};
use crate::text;

/// What was asked for, and where the CSR is.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct RequestReport {
    names: Vec<String>,
    /// By the short names of the parts, as `O`.
    subject: BTreeMap<String, String>,
    file: String,
}

/// Runs the command.
pub(super) fn run(session: &Session<'_>, args: &RequestArgs) -> Result<Exit> {
    let content = CsrContent::of(args)?;
    request_on(session, args, content, here::elevated()?)
}

/// What the certificate is to be for, checked before this server is looked at.
pub(super) struct CsrContent {
    names: Vec<String>,
    subject: Vec<(SubjectPart, String)>,
}

impl CsrContent {
    /// # Errors
    /// A name or a part of the subject that is none, or a file that lies where the CSR is to go.
    pub(super) fn of(args: &RequestArgs) -> Result<Self> {
        let names = args
            .hosts
            .iter()
            .map(|typed| host_name(typed))
            .collect::<Result<Vec<_>>>()?;
        let subject = subject(args)?;
        if args.out.exists() {
            return Err(Error::usage(text!(
                "error-request-exists",
                path = args.out.as_path()
            )));
        }
        Ok(Self { names, subject })
    }
}

pub(super) fn request_on(
    session: &Session<'_>,
    args: &RequestArgs,
    content: CsrContent,
    server: Iis<'_>,
) -> Result<Exit> {
    let CsrContent { names, subject } = content;
    let chosen = || Home::of_rsa(None, server.sites.windows_build());
    let home = args.provider.map_or_else(chosen, ProviderArg::home);
    show(session, &names, &subject, home);
    let request = csr::new(&names, &subject, session.now)
        .map_err(|_| Error::failed(text!("error-request-failed")))?;
    let name = names.first().map_or("", String::as_str);
    carry_out(
        session,
        server,
        &plan(name, &request, home, args.friendly_name.as_deref()),
        "request",
    )?;
    write(session, server, &args.out, &request.csr)?;
    session.console.say(&text!(
        "request-done",
        name = name,
        path = args.out.as_path()
    ));
    session.console.mention(&text!("request-next"));
    if let Err(error) = backup::keep_in_outbox(session) {
        session
            .console
            .warn(&text!("request-not-sealed", reason = error.text));
    }
    let subject = subject.into_iter();
    let report = RequestReport {
        names,
        subject: subject
            .map(|(part, value)| (part.short().to_owned(), value))
            .collect(),
        file: args.out.display().to_string(),
    };
    session.console.document(Exit::Done, &report);
    Ok(Exit::Done)
}

fn host_name(typed: &str) -> Result<String> {
    csr::host_name(typed).ok_or_else(|| Error::usage(text!("error-host-name", name = typed)))
}

/// The parts of the subject that were given, the country first, as X.520 has them.
fn subject(args: &RequestArgs) -> Result<Vec<(SubjectPart, String)>> {
    let given = [
        (SubjectPart::Country, &args.country, "--country"),
        (SubjectPart::Province, &args.province, "--province"),
        (SubjectPart::Locality, &args.locality, "--locality"),
        (
            SubjectPart::Organization,
            &args.organization,
            "--organization",
        ),
        (
            SubjectPart::OrganizationalUnit,
            &args.organizational_unit,
            "--organizational-unit",
        ),
    ];
    let mut subject = Vec::new();
    for (part, typed, option) in given {
        let Some(typed) = typed.as_deref() else {
            continue;
        };
        let bad = || Error::usage(text!("error-subject", option = option, value = typed));
        subject.push((part, part.value(typed).ok_or_else(bad)?));
    }
    Ok(subject)
}

/// What the certificate authority will get to see, and where the private key will live.
fn show(session: &Session<'_>, names: &[String], subject: &[(SubjectPart, String)], home: Home) {
    let parts = subject
        .iter()
        .map(|(part, value)| format!("{}={value}", part.short()));
    let common_name = csr::common_name(names).map(|name| format!("CN={name}"));
    let subject: Vec<_> = parts.chain(common_name).collect();
    session.console.say(&text!(
        "request-plan",
        subject = subject.join(", "),
        names = names.join(", "),
        provider = home.provider()
    ));
}

/// The stand-in certificate with its key goes where Windows looks for the request when the answer
/// comes.
fn plan<'a>(
    name: &str,
    request: &'a csr::SigningRequest,
    home: Home,
    friendly_name: Option<&str>,
) -> Plan<'a> {
    let placement = PlannedCertificate {
        store: StoreName::Request,
        certificate: &request.stand_in,
        before: None,
        friendly_name: friendly_name.map(str::to_owned),
        key: PlannedKey::New {
            home,
            pkcs8: &request.pkcs8,
            access: &[],
        },
    };
    let items = vec![Item {
        name: name.to_owned(),
        action: Action::Place(placement),
    }];
    Plan {
        items,
        exportable: true,
        ..Plan::default()
    }
}

/// Only now that the key is here may the CSR leave; a request without its CSR is of no use to
/// anyone.
fn write(session: &Session<'_>, server: Iis<'_>, path: &Path, csr: &str) -> Result<()> {
    let Err(error) = private_files::create_public(path, csr.as_bytes()) else {
        return Ok(());
    };
    let mut journal = session.journal()?;
    let created = match journal.last_committed() {
        Some(last) => Leading::to_created(server, &last.steps),
        None => Vec::new(),
    };
    let undone = change::undo(server, &mut journal);
    session.report_deleted(server, &created);
    undone?;
    Err(Error::failed(text!(
        "error-request-file",
        path = path,
        reason = &error
    )))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::change::Journal;
    use crate::change::answer::{self, KeyOrigin, Wishes};
    use crate::change::apply;
    use crate::change::tests::{running, state_folder};
    use crate::iis::look_at_all;
    use crate::iis::memory::MemoryServer;
    use crate::keystore::holdings;

    /// Signs a CSR as an authority does, and words the answer as a mail.
    fn answer_to(csr: &str) -> Vec<u8> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("request.txt"), csr).unwrap();
        let run = |arguments: &str| {
            let done = Command::new("openssl")
                .args(arguments.split(' '))
                .current_dir(&folder)
                .output()
                .unwrap();
            assert!(
                done.status.success(),
                "{}",
                String::from_utf8_lossy(&done.stderr)
            );
        };
        run(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.pem -days 9 -subj /CN=ca",
        );
        run(
            "x509 -req -in request.txt -CA ca.pem -CAkey ca.key -CAcreateserial -copy_extensions copy -days 9 -out leaf.pem",
        );
        run("crl2pkcs7 -nocrl -certfile leaf.pem -certfile ca.pem -out answer.p7b");
        let answer = std::fs::read_to_string(folder.path().join("answer.p7b")).unwrap();
        format!("Hello\n\n[PKCS7 File]\n{answer}\n\nRegards\n").into_bytes()
    }

    #[test]
    fn a_request_waits_with_a_key_that_a_backup_takes_until_its_answer_is_installed() {
        let (server, state) = (MemoryServer::default(), state_folder());
        let now = jiff::Timestamp::now();
        let request = csr::new(&["www.example.com".to_owned()], &[], now).unwrap();
        let mut journal = Journal::open(state.path()).unwrap();
        apply(
            server.iis(),
            &plan("www", &request, Home::SoftwareKsp, Some("公開 サイト")),
            &mut journal,
            &running(&|| false),
        )
        .unwrap();
        let kept = holdings(server.iis(), now).unwrap();
        assert_eq!(kept.key_pairs[0].windows.as_ref().unwrap().store, "REQUEST");
        let here = look_at_all(server.iis()).unwrap();
        assert!(
            change::repair::orphans(server.iis(), &here)
                .unwrap()
                .is_empty()
                && !here.keys[0].link.is_own()
        );

        let certificates = crate::answer::read(&answer_to(&request.csr))
            .unwrap()
            .certificates;
        let answer = answer::plan(&here, &certificates, &Wishes::default(), now).unwrap();
        assert_eq!(answer.origin, KeyOrigin::Pending);
        apply(
            server.iis(),
            &answer.plan,
            &mut journal,
            &running(&|| false),
        )
        .unwrap();
        let (stores, keys, ..) = server.world();
        assert_eq!(
            stores[&StoreName::My][0]
                .properties
                .friendly_name
                .as_deref(),
            Some("公開 サイト")
        );
        assert_eq!(stores[&StoreName::My][0].name(), "www.example.com");
        assert!(!stores.contains_key(&StoreName::Request) && keys.len() == 1);

        // The key of a certificate stays, whatever is taken back.
        change::undo(server.iis(), &mut journal).unwrap();
        assert_eq!(look_at_all(server.iis()).unwrap().seen, here.seen);
    }

    #[test]
    fn the_key_of_an_answer_that_was_imported_by_hand_outlives_its_request() {
        let (server, state) = (MemoryServer::default(), state_folder());
        let request =
            csr::new(&["www.example.com".to_owned()], &[], jiff::Timestamp::now()).unwrap();
        let mut journal = Journal::open(state.path()).unwrap();
        apply(
            server.iis(),
            &plan("www", &request, Home::SchannelCsp, None),
            &mut journal,
            &running(&|| false),
        )
        .unwrap();
        let answer = crate::answer::read(&answer_to(&request.csr))
            .unwrap()
            .certificates;
        let leaf = answer
            .iter()
            .find(|one| !one.dns_names().is_empty())
            .unwrap();
        server.put_certificate(StoreName::WebHosting, leaf.der(), None);
        let left = change::undo(server.iis(), &mut journal).unwrap();
        assert_eq!(
            left.iter().map(|text| text.id).collect::<Vec<_>>(),
            ["left-key-in-use"]
        );
        assert_eq!(server.world().1.len(), 1);
    }
}
