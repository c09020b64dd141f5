//! `install`: the certificate authority's answer finds its key, is put into the store, and is
//! backed up at once.

use crate::input::read_input;
use std::path::Path;

use serde::Serialize;

use crate::answer::{self, AnswerError, Instead, Received, Unreadable};
use crate::change::answer::{AnswerPlan, KeyOrigin, Wishes, plan};
use crate::change::successor::{self, Succession};
use crate::change::{Order, PlannedBinding};
use crate::cli::{BackupArgs, InstallArgs, StoreArg};
use crate::console::Enter;
use crate::error::{Error, Exit, Result};
use crate::iis::{Iis, SiteMap, Snapshot, StoreName, look_at_all};
use crate::keypair::{Certificate, Remaining};
use crate::message::{Text, day};
use crate::session::backup::BackupReport;
use crate::session::bindings::{self, AnswerReport, BindingReport, Restart};
use crate::session::change::{carry_out, name_root, reported, show_plan};
use crate::session::{Session, backup, here};
use crate::text;

/// What is installed, or would be.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct InstallReport {
    name: String,
    thumbprint: String,
    store: &'static str,
    origin: &'static str,
    dry_run: bool,
    bindings: Vec<BindingReport>,
    /// The backup made at once; nothing where it waits for a stick, or failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    backup: Option<Option<BackupReport>>,
    /// What the bindings showed when all was done.
    #[serde(skip_serializing_if = "Option::is_none")]
    tls: Option<Vec<AnswerReport>>,
}

/// Runs the command.
pub(super) fn run(session: &Session<'_>, args: &InstallArgs) -> Result<Exit> {
    let received = read(&args.response)?;
    name_unreadable(session, &received);
    install_on(session, args, here::elevated()?, &received)
}

fn install_on(
    session: &Session<'_>,
    args: &InstallArgs,
    server: Iis<'_>,
    received: &Received,
) -> Result<Exit> {
    reported(session, "install", args.change.report.as_deref(), || {
        install_into(session, args, server, &received.certificates)
            .map_err(|error| unless_unreadable(error, received))
    })
}

fn install_into(
    session: &Session<'_>,
    args: &InstallArgs,
    server: Iis<'_>,
    certificates: &[Certificate],
) -> Result<Exit> {
    let here = look_at_all(server)?;
    let wishes = Wishes {
        friendly_name: args.friendly_name.as_deref(),
        store: args.store.map(store),
    };
    let mut answer = plan(&here, certificates, &wishes, session.now)?;
    answer.plan.bindings = succeed(session, args, server, &here, &answer)?;
    show(session, server, &answer);
    if args.dry_run {
        let exit = exit(session, &answer, true, Exit::Done);
        session
            .console
            .document(exit, &report(session, &answer, true));
        return Ok(exit);
    }
    let mut as_written = true;
    if answer.plan.changes_anything() {
        session.go_ahead(args.yes, &text!("install-question"), Enter::No)?;
        as_written = carry_out(session, server, &answer.plan, "install")?;
    }
    let authorities = authorities(&here, certificates);
    Ok(finish(
        session,
        args,
        server,
        &authorities,
        &answer,
        as_written,
    ))
}

/// What is done; whether the server shows it; and where else the key pair is.
fn finish(
    session: &Session<'_>,
    args: &InstallArgs,
    server: Iis<'_>,
    authorities: &[Vec<u8>],
    answer: &AnswerPlan<'_>,
    as_written: bool,
) -> Exit {
    if answer.places() {
        let (name, thumbprint) = (answer.leaf.display_name(), answer.leaf.thumbprint());
        session.console.say(&text!(
            "install-done",
            name = name,
            store = answer.store.as_str(),
            thumbprint = thumbprint
        ));
    }
    let restart = Restart {
        wanted: args.change.restart_site,
        yes: args.yes,
    };
    let answers = bindings::confirm(session, server, &answer.plan.bindings, authorities, restart);
    let (saved_exit, saved) = keep_safe(session, args, answer);
    bindings::name_held(session, &answer.plan.bindings);
    if answer.leaf.remaining(session.now) == Remaining::Over {
        session.console.warn(&bindings::expired(answer.leaf));
    }
    let exit = exit(session, answer, answers.good && as_written, saved_exit);
    let mut report = report(session, answer, false);
    report.backup = Some(saved);
    report.tls = Some(answers.report());
    session.console.document(exit, &report);
    exit
}

/// The authorities of this server, and what came with the answer.
fn authorities(here: &Snapshot, certificates: &[Certificate]) -> Vec<Vec<u8>> {
    let mut authorities = Vec::new();
    for seen in &here.seen {
        if seen.store == StoreName::Ca {
            authorities.push(seen.certificate.der.clone());
        }
    }
    authorities.extend(certificates.iter().map(|one| one.der().to_vec()));
    authorities
}

fn read(path: &Path) -> Result<Received> {
    let answer = read_input(path)
        .map_err(|e| Error::failed(text!("error-source-unreadable", path = path, reason = &e)))?;
    answer::read(&answer).map_err(|error| Error::failed(why_none(path, error)))
}

/// Why there is nothing to install.
fn why_none(path: &Path, error: AnswerError) -> Text {
    match error {
        AnswerError::TooLarge => text!("error-answer-too-large", path = path),
        AnswerError::Damaged => text!("error-answer-damaged", path = path),
        AnswerError::Unreadable => text!("error-answer-unreadable", path = path),
        AnswerError::NoCertificate(Instead::Request) => text!("error-answer-request", path = path),
        AnswerError::NoCertificate(Instead::Pfx) => text!("error-answer-pfx", path = path),
        AnswerError::NoCertificate(Instead::PrivateKey) => text!("error-answer-key", path = path),
        AnswerError::NoCertificate(Instead::Unknown) => text!("error-answer-none", path = path),
        AnswerError::NoCertificate(instead) => {
            text!("error-answer-instead", path = path, seen = seen(instead))
        }
    }
}

/// What there is instead of a certificate: a sentence.
fn seen(instead: Instead) -> Text {
    match instead {
        Instead::RevocationList => text!("answer-revocation-list"),
        Instead::ClosedArchive => text!("answer-closed-archive"),
        Instead::OtherFiles(names) => text!("answer-other-files", names = names.join(", ")),
        Instead::HtmlMail => text!("answer-html-mail"),
        _ => text!("answer-mail"),
    }
}

/// Names what of the answer is left out.
fn name_unreadable(session: &Session<'_>, received: &Received) {
    let count = received.certificates.len() + received.unreadable.len();
    for Unreadable { place, thumbprint } in &received.unreadable {
        let warning = match thumbprint {
            Some(thumbprint) => text!(
                "install-unreadable",
                place = *place,
                count = count,
                thumbprint = thumbprint
            ),
            None => text!("install-cut-off", place = *place, count = count),
        };
        session.console.warn(&warning);
    }
}

/// Where no certificate has its key here, the one that has it may be the one that cannot be read.
fn unless_unreadable(error: Error, received: &Received) -> Error {
    if received.unreadable.is_empty() || error.text.id != "error-answer-elsewhere" {
        return error;
    }
    Error::failed(text!(
        "error-answer-leaf-unreadable",
        count = received.unreadable.len()
    ))
}

/// What becomes of the bindings; none where only the store is meant.
fn succeed(
    session: &Session<'_>,
    args: &InstallArgs,
    server: Iis<'_>,
    here: &Snapshot,
    answer: &AnswerPlan<'_>,
) -> Result<Vec<PlannedBinding>> {
    if args.no_bind {
        return Ok(Vec::new());
    }
    let mut order = Order::of(here, session.now);
    order.add(answer.leaf.clone(), None);
    order.agree_to(here, &args.change.replace_newer)?;
    let mut map = SiteMap::of(server)?;
    if args.change.farm {
        map.shared = None;
    }
    bindings::settle(session, &mut order, args.yes || args.dry_run, |order| {
        successor::plan(&Succession {
            map: &map,
            order,
            leaf: answer.leaf,
            store: answer.store,
            sites: &args.site,
            address: args.ip,
            sni: args.sni,
        })
    })
}

/// A binding that cannot be outweighs a site that shows something else, as that may take a moment.
fn exit(session: &Session<'_>, answer: &AnswerPlan<'_>, served: bool, saved: Exit) -> Exit {
    let bindings = &answer.plan.bindings;
    let is_lower = bindings.iter().any(|bound| bound.lower().is_some());
    match saved {
        _ if bindings.iter().any(PlannedBinding::is_left) => Exit::Partly,
        Exit::Done if !served || is_lower || !answer.leaf.is_valid(session.now) => Exit::Attention,
        saved => saved,
    }
}

fn store(named: StoreArg) -> StoreName {
    match named {
        StoreArg::Personal => StoreName::My,
        StoreArg::Webhosting => StoreName::WebHosting,
    }
}

fn show(session: &Session<'_>, server: Iis<'_>, answer: &AnswerPlan<'_>) {
    let name = answer.leaf.display_name();
    match answer.origin {
        KeyOrigin::Pending => session.console.say(&text!("install-pending", name = name)),
        KeyOrigin::RequestDeleted => session
            .console
            .say(&text!("install-request-deleted", name = name)),
        KeyOrigin::UsedBefore => session
            .console
            .say(&text!("install-used-before", name = name)),
        KeyOrigin::Installed => {}
    }
    match answer.plan.changes_anything() {
        true => show_plan(session, &answer.plan),
        false => session.console.say(&text!(
            "install-already",
            name = name,
            store = answer.store.as_str()
        )),
    }
    if !answer.plan.answered.is_empty() {
        session.console.say(&text!("install-answered"));
    }
    bindings::show(session, &answer.plan.bindings);
    if !is_bound(answer)
        && answer
            .plan
            .bindings
            .iter()
            .all(|bound| bound.lower().is_none())
    {
        session.console.mention(&text!("install-not-bound"));
    }
    warn(session, server, answer);
}

/// What is wrong with the certificate or its key, and does not keep it from being installed.
fn warn(session: &Session<'_>, server: Iis<'_>, answer: &AnswerPlan<'_>) {
    let AnswerPlan {
        leaf,
        root,
        no_export,
        ..
    } = answer;
    let name = leaf.display_name();
    if leaf.not_after() < session.now {
        session.console.warn(&text!(
            "warning-expired",
            name = name,
            day = day(leaf.not_after())
        ));
    }
    if leaf.not_before() > session.now {
        session.console.warn(&text!(
            "warning-not-yet-valid",
            name = name,
            day = day(leaf.not_before())
        ));
    }
    if let Some(root) = root {
        name_root(session, server, root.der());
    }
    if let Some(reason) = no_export {
        session.console.warn(&text!(
            "list-hindrance",
            name = name,
            reason = reason.text()
        ));
    }
}

/// Whether a binding has the certificate, or will.
fn is_bound(answer: &AnswerPlan<'_>) -> bool {
    answer.plan.bindings.iter().any(PlannedBinding::is_made)
}

/// Backs up everything at once: to the media given, else into the outbox of host state.
fn keep_safe(
    session: &Session<'_>,
    args: &InstallArgs,
    answer: &AnswerPlan<'_>,
) -> (Exit, Option<BackupReport>) {
    let saved = if args.to.is_empty() {
        backup::keep_in_outbox(session).map(|()| (Exit::Done, None))
    } else {
        // A backup of what sites use would leave out what none uses yet.
        let all = !is_bound(answer);
        let backup = BackupArgs {
            all,
            yes: args.yes,
            ..BackupArgs::everything_of_this_server(args.to.clone())
        };
        backup::back_up(session, &backup, &backup.to).map(|(exit, report)| (exit, Some(report)))
    };
    saved.unwrap_or_else(|error| {
        session
            .console
            .warn(&text!("install-not-saved", reason = error.text));
        (Exit::Attention, None)
    })
}

fn report(session: &Session<'_>, answer: &AnswerPlan<'_>, dry_run: bool) -> InstallReport {
    let origin = match answer.origin {
        KeyOrigin::Pending => "pending",
        KeyOrigin::RequestDeleted => "request-deleted",
        KeyOrigin::UsedBefore => "used-before",
        KeyOrigin::Installed => "installed",
    };
    InstallReport {
        name: answer.leaf.display_name().to_owned(),
        thumbprint: answer.leaf.thumbprint(),
        store: answer.store.as_str(),
        origin,
        dry_run,
        bindings: BindingReport::of(session, &answer.plan.bindings),
        backup: None,
        tls: None,
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::change::{Journal, undo};
    use crate::cli::{Cli, CliCommand};
    use crate::console::{Console, Language};
    use crate::iis::blob::Home;
    use crate::iis::memory::MemoryServer;
    use crate::iis::{Binding, FtpCertificate, KeyLink, ProviderKind, Site, SslBinding};
    use crate::keypair::KeyPair;
    use crate::keypair::fixtures::sorted;
    use crate::keypair::throwaway::{Authority, KeyKind, new_key};
    use crate::tls::ask;

    /// A server that serves an old certificate at this port and waits for the answer to its
    /// request.
    fn server(port: u16, old: &KeyPair, request: &KeyPair, link: &KeyLink) -> MemoryServer {
        let server = MemoryServer::default();
        let serving = Home::SoftwareKsp.link("old".into());
        server.put_key(&serving, old.key.pkcs8().expose(), true, ProviderKind::Ksp);
        server.put_certificate(StoreName::My, old.leaf().der(), Some(&serving));
        server.put_key(link, request.key.pkcs8().expose(), true, ProviderKind::Ksp);
        server.put_certificate(StoreName::Request, request.leaf().der(), Some(link));
        let information = format!("*:{port}:www.example.com");
        let binding = Binding {
            protocol: "https".into(),
            information,
            ssl_flags: 1,
        };
        server.put_record(SslBinding {
            flags: 0x20,
            ..SslBinding::new(binding.endpoint().unwrap(), old.leaf().thumbprint())
        });
        server.install(
            20_348,
            vec![Site {
                name: "Shop".into(),
                bindings: vec![binding],
                ..Site::default()
            }],
        );
        server
    }

    fn install(server: &MemoryServer, folder: &Path, options: &str) -> Result<Exit> {
        let at = |name: &str| folder.join(name).display().to_string();
        let line = format!(
            "pfxvault\ninstall\n{}\n--state\n{}\n{options}",
            at("answer.txt"),
            at("state")
        );
        let cli = Cli::try_parse_from(line.lines()).unwrap();
        let Some(CliCommand::Install(args)) = cli.action else {
            panic!()
        };
        let console = Console::new(Language::En, false, true);
        let session = Session::new(cli.global, &console).unwrap();
        install_on(&session, &args, server.iis(), &read(&args.response)?)
    }

    /// The old key pair, the request and its answer, the answer as a mail in a folder.
    struct Renewal {
        old: KeyPair,
        request: KeyPair,
        answer: KeyPair,
        folder: tempfile::TempDir,
    }

    impl Renewal {
        fn new() -> Self {
            let now = jiff::Timestamp::now();
            let (authority, key) = (
                Authority::new("Test", now).unwrap(),
                new_key(KeyKind::P256).unwrap(),
            );
            let issue = |authority: &Authority| {
                authority
                    .issue_for(&["www.example.com"], &key, now)
                    .unwrap()
            };
            let (request, answer) = (
                issue(&Authority::new("Stand-in", now).unwrap()),
                issue(&authority),
            );
            let folder = tempfile::tempdir().unwrap();
            let block = |certificate: &Certificate| data_encoding::BASE64.encode(certificate.der());
            let blocks: Vec<_> = answer.chain.iter().map(block).collect();
            let mail = format!("Hello\n\n{}\n\nRegards\n", blocks.join("\n\n"));
            std::fs::write(folder.path().join("answer.txt"), mail).unwrap();
            let old = authority
                .issue(&["www.example.com"], KeyKind::P256, now)
                .unwrap();
            Self {
                old,
                request,
                answer,
                folder,
            }
        }
    }

    fn copy(pair: &KeyPair) -> KeyPair {
        let chain: Vec<_> = pair.chain.iter().map(Certificate::der).collect();
        sorted(&[pair.key.pkcs8().expose().to_vec()], &chain)
            .key_pairs
            .remove(0)
    }

    #[test]
    fn a_renewal_is_bound_where_its_predecessor_was_and_really_served() {
        let Renewal {
            old,
            request,
            answer,
            folder,
        } = Renewal::new();
        let (address, serving) = ask::tests::serve(vec![copy(&answer), copy(&answer)]);
        let server = server(
            address.port(),
            &old,
            &request,
            &Home::SoftwareKsp.link("request".into()),
        );
        let before = server.world();
        assert_eq!(
            install(&server, folder.path(), "--dry-run").unwrap(),
            Exit::Done
        );
        assert_eq!(server.world(), before, "a plan changes nothing");
        assert_eq!(
            install(&server, folder.path(), "--yes").unwrap(),
            Exit::Done
        );
        let (stores, _, records, _) = server.world();
        let record = records.values().next().unwrap();
        assert_eq!(record.thumbprint, Some(answer.leaf().thumbprint()));
        assert_eq!(record.flags, 0x20, "everything else is as it was");
        assert!(
            stores[&StoreName::My]
                .iter()
                .any(|one| one.der == old.leaf().der()),
            "the old certificate stays"
        );
        assert!(!stores.contains_key(&StoreName::Request));
        let stands = server.world();
        assert_eq!(
            install(&server, folder.path(), "--quiet").unwrap(),
            Exit::Done,
            "nothing is asked any more"
        );
        assert_eq!(server.world(), stands);
        assert_eq!(
            serving.join().unwrap(),
            vec![Some("www.example.com".to_owned()); 2]
        );
        undo(
            server.iis(),
            &mut Journal::open(&folder.path().join("state")).unwrap(),
        )
        .unwrap();
        assert_eq!(server.world(), before);
    }

    #[test]
    fn a_farm_is_changed_only_where_that_is_meant_and_the_report_says_so() {
        let Renewal {
            old,
            request,
            answer: _,
            folder,
        } = Renewal::new();
        let server = server(9, &old, &request, &Home::SoftwareKsp.link("request".into()));
        let thumbprint = old.leaf().thumbprint();
        let ftp = Binding {
            protocol: "ftp".into(),
            information: "*:21:".into(),
            ssl_flags: 0,
        };
        let certificate = FtpCertificate {
            thumbprint: thumbprint.clone(),
            store: "MY".into(),
        };
        let files = Site {
            name: "Files".into(),
            bindings: vec![ftp],
            ftp: Some(certificate),
            ..Site::default()
        };
        server.install(20_348, vec![files]);
        let config = server.iis().sites.folder().unwrap();
        let here = config.display();
        let shared = format!(
            r#"<configuration><configurationRedirection enabled="true" path="{here}" /></configuration>"#
        );
        std::fs::write(config.join(crate::iis::config::REDIRECTION), shared).unwrap();
        let report = folder.path().join("report.txt");
        let options = |more: &str| format!("--yes\n--report\n{}{more}", report.display());
        let ftp_serves = || {
            SiteMap::of(server.iis()).unwrap().sites[0]
                .ftp
                .clone()
                .unwrap()
                .thumbprint
        };
        assert_eq!(
            install(&server, folder.path(), &options("")).unwrap(),
            Exit::Partly
        );
        let said = std::fs::read_to_string(&report).unwrap();
        assert!(
            said.starts_with("pfxvault install, ") && said.contains("add --farm"),
            "{said}"
        );
        assert_eq!(ftp_serves(), thumbprint);
        let again = install(&server, folder.path(), &options("\n--farm")).unwrap_err();
        assert_eq!(
            again.text.id, "error-file-exists",
            "a report is never overwritten"
        );
        std::fs::remove_file(&report).unwrap();
        assert_eq!(
            install(&server, folder.path(), &options("\n--farm")).unwrap(),
            Exit::Done
        );
        assert!(
            std::fs::read_to_string(&report)
                .unwrap()
                .contains("exit code 0")
        );
        assert_ne!(ftp_serves(), thumbprint);
    }

    #[test]
    fn a_site_that_goes_on_showing_the_old_certificate_needs_attention_and_is_asked_again_after_a_restart()
     {
        for (options, exit) in [
            ("--yes", Exit::Attention),
            ("--yes\n--restart-site", Exit::Done),
        ] {
            let Renewal {
                old,
                request,
                answer,
                folder,
            } = Renewal::new();
            let (address, _serving) =
                ask::tests::serve(vec![copy(&old), copy(&old), copy(&old), copy(&answer)]);
            let server = server(
                address.port(),
                &old,
                &request,
                &Home::SoftwareKsp.link("request".into()),
            );
            assert_eq!(install(&server, folder.path(), options).unwrap(), exit);
        }
    }
}
