//! From an old server over a stick to a new one, both in memory: what the commands do with their
//! seams replaced.

use std::fs;
use std::path::Path;

use clap::Parser;

use super::drill::drill_on;
use super::list::iis::list_of;
use super::repair::repair_on;
use super::restore::iis::restore_on;
use crate::change::binding_tests::{https, new_server, old, record, site, thumbprint};
use crate::change::tests::{PKI, link};
use crate::change::{Journal, undo};
use crate::cli::{Cli, CliCommand};
use crate::console::{Console, Language};
use crate::error::{Error, Exit};
use crate::iis::config::APPLICATION_HOST;
use crate::iis::memory::{CallFault, MemoryServer};
use crate::iis::others::{EXCHANGE, REMOTE_DESKTOP};
use crate::iis::renewers::InstalledRenewer;
use crate::iis::{
    Binding, FtpCertificate, KeyLink, KeySet, OtherUse, ProviderKind, Settings, Site, SiteMap,
    SslBinding, StoreName, look,
};
use crate::keypair::Certificate;
use crate::keypair::fixtures::sorted;
use crate::keystore::holdings;
use crate::platform::media::FolderVolume;
use crate::platform::private_files;
use crate::session::Session;
use crate::text;
use crate::tls::ask;
use crate::workflow::backup::{self, BackupRequest};
use crate::workflow::create::create_vault;
use pfx::Profile;
use secret::Passphrase;
use vault::id::Hash;
use vault::identity::RecoveryKey;
use vault::medium::Medium;

/// An old server whose shop is bound to this port.
pub(super) fn old_server(port: u16) -> MemoryServer {
    let server = MemoryServer::default();
    let key = link("shop", KeySet::Machine);
    server.put_key(&key, PKI.rsa.pkcs8.expose(), true, ProviderKind::Csp);
    server.put_certificate(StoreName::WebHosting, &PKI.rsa.der, Some(&key));
    server.put_certificate(StoreName::Ca, &PKI.intermediate, None);
    let shop = https(&format!("*:{port}:www.example.com"), 97);
    server.put_record(SslBinding {
        endpoint: shop.endpoint().unwrap(),
        ..old().records[0].clone()
    });
    server.install(20_348, vec![site(4, "Shop", vec![shop])]);
    server
}

pub(super) fn back_up(server: &MemoryServer, folder: &Path, recovery: &RecoveryKey) {
    let stick = folder.join("stick");
    fs::create_dir(&stick).unwrap();
    let media = [Medium::new("stick", Box::new(FolderVolume::new(&stick)))];
    let passphrase = Passphrase::new("test".into());
    let mut state = create_vault(
        &folder.join("state"),
        &media[0],
        &passphrase,
        recovery,
        "OLD",
        "A",
        jiff::Timestamp::now(),
    )
    .unwrap();
    let now = jiff::Timestamp::now();
    let holdings = holdings(server.iis(), now).unwrap();
    let request = BackupRequest {
        holdings: &holdings,
        selected: &[],
        profile: Profile::Aes256,
        password: None,
        exceptions: &[],
        force: false,
        now,
    };
    backup::run(&mut state, &media, &request, &|_| ()).unwrap();
}

/// Runs `restore` with these options against a server; says how it ended, and what the report says.
pub(super) fn restore(
    server: &MemoryServer,
    folder: &Path,
    options: &[&str],
) -> (Result<Exit, Error>, String) {
    restore_from(
        server,
        &folder.join("stick").display().to_string(),
        folder,
        options,
    )
}

fn restore_from(
    server: &MemoryServer,
    from: &str,
    folder: &Path,
    options: &[&str],
) -> (Result<Exit, Error>, String) {
    let at = |name: &str| folder.join(name).display().to_string();
    let from = from.to_owned();
    let line = [
        "pfxvault restore --to iis --yes --from".replace(' ', "\n"),
        from,
        "--state".into(),
        at("new"),
    ];
    let line = [
        line.join("\n"),
        "--recovery-key-file".into(),
        at("recovery"),
        "--report".into(),
        at("report"),
        options.join("\n"),
    ]
    .join("\n");
    let cli = Cli::try_parse_from(line.lines()).unwrap();
    let Some(CliCommand::Restore(args)) = cli.action else {
        panic!()
    };
    let console = Console::new(Language::En, false, true);
    let session = Session::new(cli.global, &console).unwrap();
    let report = args.change.report.clone().unwrap();
    let result = restore_on(&session, &args, server.iis());
    let said = fs::read_to_string(&report).unwrap();
    fs::remove_file(report).unwrap();
    (result, said)
}

pub(super) fn recovery(folder: &Path) -> RecoveryKey {
    let recovery = RecoveryKey::generate();
    private_files::create_private(&folder.join("recovery"), recovery.text().as_bytes()).unwrap();
    recovery
}

/// Runs `drill` on a server; says how it ended, and what it said.
fn drill(server: &MemoryServer, folder: &Path) -> (Exit, String) {
    let at = |name: &str| folder.join(name).display().to_string();
    let (stick, state, key) = (at("stick"), at("state"), at("recovery"));
    let line = ["pfxvault", "drill", "--from", &stick, "--state", &state];
    let line = line.into_iter().chain(["--recovery-key-file", &key]);
    let cli = Cli::try_parse_from(line).unwrap();
    let Some(CliCommand::Drill(args)) = cli.action else {
        panic!()
    };
    let console = Console::new(Language::En, false, false);
    console.record();
    let session = Session::new(cli.global, &console).unwrap();
    let exit = drill_on(&session, &args, Some(server.iis())).unwrap();
    (exit, console.recorded(&text!("label-error")))
}

#[test]
fn a_drill_says_which_files_this_windows_takes_and_leaves_nothing_on_it() {
    let folder = tempfile::tempdir().unwrap();
    let recovery = recovery(folder.path());
    back_up(&old_server(443), folder.path(), &recovery);
    for (build, loses_keys, expected) in [
        (20_348, false, Exit::Done),
        (17_763, false, Exit::Done),
        (14_393, false, Exit::Attention),
        (14_393, true, Exit::Attention),
    ] {
        let server = MemoryServer::default();
        server.install(build, Vec::new());
        if loses_keys {
            server.lose_keys();
        }
        let before = server.world();
        let (exit, said) = drill(&server, folder.path());
        assert_eq!(exit, expected, "{build}: {said}");
        assert_eq!(server.world(), before);
        assert!(said.contains("1 of 1 key pairs"), "{said}");
        let takes = format!(
            "this Windows takes {} of 1 PFX files (",
            u8::from(exit == Exit::Done)
        );
        assert!(said.contains(&takes), "{said}");
        let is_named = said.contains("www.example.com (CNG): this Windows (build 14393) cannot");
        assert_eq!(is_named, exit == Exit::Attention, "{said}");
    }
}

#[test]
fn a_server_comes_back_with_its_bindings_and_really_serves_them() {
    let pair = || {
        sorted(
            &[PKI.rsa.pkcs8.expose().to_vec()],
            &[&PKI.rsa.der, &PKI.intermediate],
        )
        .key_pairs
        .remove(0)
    };
    let (address, serving) = ask::tests::serve(vec![pair(), pair()]);
    let folder = tempfile::tempdir().unwrap();
    let recovery = recovery(folder.path());
    let old = old_server(address.port());
    back_up(&old, folder.path(), &recovery);

    let new = new_server();
    let before = new.world();
    let (exit, said) = restore(&new, folder.path(), &["--print-commands"]);
    assert_eq!(exit.unwrap(), Exit::Done, "{said}");
    let shop = SiteMap::of(old.iis()).unwrap().records.remove(0);
    assert_eq!(
        SiteMap::of(new.iis()).unwrap().record(&shop.endpoint),
        Some(&shop)
    );
    for expected in [
        "bind: Shop: https *:".to_owned(),
        "-> Web Shop".to_owned(),
        "ok: www.example.com serves its certificate (TLS 1.3, 2 certificates sent)".to_owned(),
        format!("certhash={}", thumbprint(&PKI.rsa.der)),
        "appcmd restore backup pfxvault-".to_owned(),
        "done: 1 binding has the certificate of the backup".to_owned(),
        "To enrol it: pfxvault servers join".to_owned(),
        "exit code 0".to_owned(),
    ] {
        assert!(said.contains(&expected), "{expected} is not in:\n{said}");
    }

    let stands = new.world();
    let (exit, said) = restore(&new, folder.path(), &[]);
    assert_eq!(exit.unwrap(), Exit::Done, "{said}");
    assert!(said.contains("already bound: Shop"), "{said}");
    assert_eq!(new.world(), stands, "the second run changes nothing");
    assert_eq!(
        serving.join().unwrap(),
        vec![Some("www.example.com".to_owned()); 2]
    );

    undo(
        new.iis(),
        &mut Journal::open(&folder.path().join("new")).unwrap(),
    )
    .unwrap();
    assert_eq!(new.world(), before);
    let (_, said) = restore(&new, folder.path(), &["--keys-only"]);
    assert!(said.contains("not bound yet"), "{said}");
    assert_eq!(new.world().2, before.2, "no record is touched");
}

#[test]
fn a_certificate_in_two_stores_comes_back_in_both_and_counts_once() {
    let folder = tempfile::tempdir().unwrap();
    let (recovery, old) = (recovery(folder.path()), old_server(9));
    old.put_certificate(
        StoreName::My,
        &PKI.rsa.der,
        Some(&link("shop", KeySet::Machine)),
    );
    back_up(&old, folder.path(), &recovery);
    let new = new_server();
    let (exit, said) = restore(&new, folder.path(), &["--keys-only"]);
    assert_eq!(exit.unwrap(), Exit::Done, "{said}");
    for store in [StoreName::My, StoreName::WebHosting] {
        let seen = look(new.iis(), &[store]).unwrap();
        let restored = seen.iter().find(|one| one.certificate.der == PKI.rsa.der);
        assert!(restored.unwrap().key.works(), "{store}");
    }
    assert!(said.contains("done: one key pair is"), "{said}");
    let stands = new.world();
    let (exit, said) = restore(&new, folder.path(), &["--keys-only"]);
    assert_eq!(exit.unwrap(), Exit::Done, "{said}");
    assert_eq!(new.world(), stands);
}

#[test]
fn what_a_record_names_is_saved_or_named_although_the_configuration_cannot_be_read() {
    let now = jiff::Timestamp::now();
    let server = MemoryServer::default();
    let key = link("elsewhere", KeySet::Machine);
    server.put_key(&key, PKI.rsa.pkcs8.expose(), true, ProviderKind::Csp);
    server.put_elsewhere("Remote Desktop", &PKI.rsa.der, Some(&key));
    server.install(20_348, Vec::new());
    let config = server.iis().sites.folder().unwrap().join(APPLICATION_HOST);
    fs::write(config, "access denied").unwrap();
    let gone = "0123456789ABCDEF0123456789ABCDEF01234567";
    for (port, thumbprint) in [(443, thumbprint(&PKI.rsa.der)), (444, gone.to_owned())] {
        let endpoint = https(&format!("*:{port}:"), 0).endpoint().unwrap();
        server.put_record(SslBinding::new(endpoint, thumbprint));
    }
    let holdings = holdings(server.iis(), now).unwrap();
    assert!(holdings.sites_unread.is_some());
    assert_eq!(holdings.key_pairs.len(), 1);
    let named: Vec<_> = holdings
        .unreadable
        .iter()
        .map(|one| one.name.as_str())
        .collect();
    assert_eq!(named, [gone]);
}

#[test]
fn what_others_than_iis_use_is_saved_and_named_when_it_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let (recovery, old) = (recovery(folder.path()), old_server(9));
    let key = link("winrm", KeySet::Machine);
    old.put_key(&key, PKI.ec.pkcs8.expose(), true, ProviderKind::Csp);
    old.put_certificate(StoreName::My, &PKI.ec.der, Some(&key));
    let endpoint = https("*:5986:", 0).endpoint().unwrap();
    old.put_record(SslBinding {
        app_id: "{AFEBB9AD-9B97-4A91-9AB5-DAF4D59122F6}".into(),
        ..SslBinding::new(endpoint, thumbprint(&PKI.ec.der))
    });
    let mut kept = holdings(old.iis(), jiff::Timestamp::now()).unwrap();
    crate::keystore::retain_used(&mut kept);
    assert_eq!(kept.key_pairs.len(), 2, "{:?}", kept.unused);
    back_up(&old, folder.path(), &recovery);
    let (_, said) = restore(&new_server(), folder.path(), &["--dry-run"]);
    assert!(said.contains("WinRM (0.0.0.0:5986) used"), "{said}");
    assert!(said.contains("Set-WSManInstance"), "{said}");
}

/// What the registry of a server says, beside its sites.
fn used_by(program: &str, thumbprint: &str) -> Settings {
    let renewer = InstalledRenewer {
        program: "simple-acme".into(),
        places: vec![r"C:\ProgramData\simple-acme".into()],
    };
    Settings {
        others: vec![OtherUse::new(program, None, thumbprint.to_owned())],
        silent: vec![EXCHANGE.into()],
        renewers: vec![renewer],
        ..Settings::default()
    }
}

#[test]
fn what_the_server_says_of_other_programs_is_listed_saved_and_told_after_a_restore() {
    let saving = Saving::new(&[]);
    let key = saving.key(true);
    let server = &saving.server;
    server.put_certificate(StoreName::My, &PKI.ec.der, Some(&key));
    let wanted = thumbprint(&PKI.ec.der);
    server.set_settings(used_by(REMOTE_DESKTOP, &wanted));
    let (exit, document, said) = saving.save("");
    assert_eq!(
        (exit, &document["saved"]),
        (Exit::Done, &2.into()),
        "{said}"
    );
    for expected in ["also used by Remote Desktop", "Exchange is set up"] {
        assert!(said.contains(expected), "{said}");
    }
    let (_, said) = restore(&new_server(), saving.folder.path(), &["--dry-run"]);
    let set = format!("Set SSLCertificateSHA1Hash=\"{wanted}\"");
    for expected in [&set, "Enable-ExchangeCertificate", "simple-acme renews"] {
        assert!(said.contains(expected), "{expected}: {said}");
    }
    let said = listed(server);
    assert!(said.contains("also used by Remote Desktop"), "{said}");
    assert!(said.contains("simple-acme renews"), "{said}");
}

#[test]
fn a_key_pair_that_only_another_program_uses_is_in_use() {
    let saving = Saving::new(&[]);
    let key = saving.key(false);
    let server = &saving.server;
    server.put_certificate(StoreName::My, &PKI.ec.der, Some(&key));
    server.set_settings(used_by(REMOTE_DESKTOP, &thumbprint(&PKI.ec.der)));
    let (exit, document, said) = saving.save("");
    assert_eq!(exit, Exit::Partly, "{said}");
    assert_eq!(document["in_use"][0]["uses"][0], REMOTE_DESKTOP);
    let nowhere = "0123456789ABCDEF0123456789ABCDEF01234567";
    server.set_settings(used_by(REMOTE_DESKTOP, nowhere));
    // A certificate that no store holds is nobody's key pair here, which is said.
    let (exit, document, said) = saving.save("");
    assert_eq!(exit, Exit::Done, "{said}");
    assert_eq!(document["in_use"], serde_json::json!([]));
    assert!(said.contains(nowhere), "{said}");
}

#[test]
fn a_server_that_is_handed_back_names_what_still_uses_its_certificates() {
    let leaf = Certificate::parse(PKI.ec.der.clone()).unwrap();
    let settings = used_by(REMOTE_DESKTOP, &thumbprint(&PKI.ec.der));
    let map = SiteMap {
        settings,
        ..SiteMap::default()
    };
    let found = crate::session::other_uses::findings(&map, &[&leaf]);
    let ids: Vec<_> = found.iter().map(|finding| finding.id).collect();
    assert_eq!(ids, ["other-use", "other-use-silent"]);
}

#[test]
fn a_root_is_named_and_installing_it_is_not_offered_where_windows_fetches_it() {
    let folder = tempfile::tempdir().unwrap();
    let (recovery, old) = (recovery(folder.path()), old_server(9));
    old.put_certificate(StoreName::Root, &PKI.root, None);
    back_up(&old, folder.path(), &recovery);
    let root = Certificate::parse(PKI.root.clone()).unwrap();
    for (list, offered, said_so) in [
        (None, true, "cannot be told"),
        (Some(vec![]), true, "nor is it a public one"),
        (
            Some(vec![PKI.root.as_slice()]),
            false,
            "nothing needs to be done",
        ),
    ] {
        let new = new_server();
        if let Some(list) = &list {
            new.list_roots(list);
        }
        let (_, said) = restore(&new, folder.path(), &["--keys-only", "--dry-run"]);
        assert_eq!(said.contains("--install-root"), offered, "{said}");
        let sha256 = Hash::of(&PKI.root).to_string();
        for wanted in [said_so, root.display_name(), &root.thumbprint(), &sha256] {
            assert!(said.contains(wanted), "{wanted} is not in:\n{said}");
        }
    }
}

#[test]
fn another_certificate_that_is_still_served_is_said_and_the_way_to_restart_the_site() {
    let stranger = crate::keypair::fixtures::Issued::self_signed("stranger.example.com");
    let pair = || {
        sorted(&[stranger.pkcs8()], &[&stranger.der])
            .key_pairs
            .remove(0)
    };
    let right = sorted(
        &[PKI.rsa.pkcs8.expose().to_vec()],
        &[&PKI.rsa.der, &PKI.intermediate],
    )
    .key_pairs
    .remove(0);
    let answers = std::iter::repeat_with(pair).take(6).chain([right]);
    let (address, serving) = ask::tests::serve(answers.collect());
    let folder = tempfile::tempdir().unwrap();
    let recovery = recovery(folder.path());
    back_up(&old_server(address.port()), folder.path(), &recovery);
    let new = new_server();
    let (exit, said) = restore(&new, folder.path(), &[]);
    assert_eq!(exit.unwrap(), Exit::Attention, "{said}");
    assert!(
        said.contains("www.example.com still serves another certificate: stranger.example.com"),
        "{said}"
    );
    let stop = r#"appcmd.exe stop site "/site.name:Web Shop""#;
    assert!(said.contains(stop), "{said}");
    let (exit, said) = restore(&new, folder.path(), &["--restart-site"]);
    serving.join().unwrap();
    assert_eq!(
        exit.unwrap(),
        Exit::Done,
        "asked again after the restart: {said}"
    );
    assert!(
        said.contains("restarting the site \"Web Shop\"") && said.contains("ok: www.example.com"),
        "{said}"
    );
}

#[test]
fn a_shared_configuration_is_changed_only_where_that_is_meant() {
    let folder = tempfile::tempdir().unwrap();
    let recovery = recovery(folder.path());
    back_up(&old_server(9), folder.path(), &recovery);
    let new = new_server();
    let config = new.iis().sites.folder().unwrap();
    let shared = format!(
        r#"<configuration><configurationRedirection enabled="true" path="{}" /></configuration>"#,
        config.display()
    );
    fs::write(config.join(crate::iis::config::REDIRECTION), shared).unwrap();
    let before = new.world();
    let (result, said) = restore(&new, folder.path(), &[]);
    assert!(
        said.contains("shares its IIS configuration"),
        "a report of a failure is one, too: {said}"
    );
    assert_eq!(result.unwrap_err().text.id, "error-shared-configuration");
    assert_eq!(new.world(), before);
    let (exit, said) = restore(&new, folder.path(), &["--farm", "--dry-run"]);
    assert!(
        exit.unwrap() == Exit::Done && said.contains("bind: Shop"),
        "{said}"
    );
}

#[test]
fn the_files_of_a_dead_server_and_its_configuration_make_up_for_a_backup() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let old = old_server(9);
    let config = old.iis().sites.folder().unwrap().join(APPLICATION_HOST);
    let pem = |label: &str, der: &[u8]| {
        format!(
            "-----BEGIN {label}-----\n{}\n-----END {label}-----\n",
            data_encoding::BASE64.encode(der)
        )
    };
    fs::write(at("www.crt"), pem("CERTIFICATE", &PKI.rsa.der)).unwrap();
    private_files::create_private(
        Path::new(&at("www.key")),
        pem("PRIVATE KEY", PKI.rsa.pkcs8.expose()).as_bytes(),
    )
    .unwrap();
    let (from, key) = (format!("pem:{}", at("www.crt")), at("www.key"));
    let options = ["--key", &key, "--iis-config", &config.display().to_string()];
    let new = new_server();
    let (exit, said) = restore_from(&new, &from, folder.path(), &options[..2]);
    assert_eq!(exit.unwrap(), Exit::Done, "{said}");
    assert!(said.contains("nothing here says to which sites"), "{said}");
    let (exit, said) = restore_from(&new, &from, folder.path(), &options);
    assert_eq!(
        exit.unwrap(),
        Exit::Attention,
        "nobody listens there: {said}"
    );
    assert!(
        said.contains("1 binding was given one by its host name"),
        "{said}"
    );
    let endpoint = &SiteMap::of(old.iis()).unwrap().records[0].endpoint;
    let map = SiteMap::of(new.iis()).unwrap();
    let record = map.record(endpoint).unwrap();
    assert_eq!(record.thumbprint, Some(thumbprint(&PKI.rsa.der)));
    assert_eq!(record.flags, 0x440, "those of the binding");
}

/// Runs `restore` against a server, with everybody to be asked.
#[cfg(unix)]
pub(super) fn restore_interactively(
    folder: &Path,
    server: crate::iis::Iis<'_>,
) -> Result<Exit, Error> {
    let at = |name: &str| folder.join(name).display().to_string();
    let line = "pfxvault restore --to iis --quiet --from {stick} --state {new} --recovery-key-file {recovery} --map {map}";
    let words = line.split(' ').map(|word| {
        match word
            .strip_prefix('{')
            .and_then(|word| word.strip_suffix('}'))
        {
            Some(name) => at(name),
            None => word.to_owned(),
        }
    });
    let cli = Cli::try_parse_from(words).unwrap();
    let Some(CliCommand::Restore(args)) = cli.action else {
        panic!()
    };
    let console = Console::new(Language::En, false, true);
    let session = Session::new(cli.global, &console).unwrap();
    restore_on(&session, &args, server)
}

#[cfg(unix)]
mod on_a_terminal {
    use std::env;
    use std::process::Command;

    use super::*;

    const TEST: &str = "commands::iis_tests::on_a_terminal::a_site_is_chosen_by_its_number_and_the_server_is_enrolled";
    /// Tells the other process of this test where everything lies.
    const FOLDER: &str = "PFXVAULT_TEST_FOLDER";

    /// The test runs itself once more, on a terminal of its own.
    #[test]
    fn a_site_is_chosen_by_its_number_and_the_server_is_enrolled() {
        if let Some(folder) = env::var_os(FOLDER) {
            let exit = restore_interactively(Path::new(&folder), new_server().iis()).unwrap();
            return assert_eq!(exit, Exit::Attention, "nobody listens there");
        }
        let folder = tempfile::tempdir().unwrap();
        let recovery = recovery(folder.path());
        let old = old_server(9);
        let binding = https("*:9:nowhere.example.net", 1);
        old.put_record(SslBinding {
            endpoint: binding.endpoint().unwrap(),
            ..super::old().records[0].clone()
        });
        old.install(20_348, vec![site(4, "Gone", vec![binding])]);
        back_up(&old, folder.path(), &recovery);

        let mut program = Command::new(env::current_exe().unwrap());
        program
            .args(["--exact", TEST, "--nocapture", "--test-threads", "1"])
            .env(FOLDER, folder.path());
        let mut session = rexpect::session::spawn_command(program, Some(60_000)).unwrap();
        session.exp_string("on your paper? [y/N]").unwrap();
        session.send_line("y").unwrap();
        let shown = session.exp_string("Your choice [1]").unwrap();
        for expected in [
            "Which site here is \"Gone\"",
            " 1  Web Shop",
            " 2  Alone",
            " 3  Files",
            " 0  none of them",
        ] {
            assert!(shown.contains(expected), "{expected}: {shown}");
        }
        session.send_line("4").unwrap();
        session.exp_string("Your choice [1]").unwrap();
        session.send_line("2").unwrap();
        session.exp_string("-> Alone").unwrap();
        session.exp_string("Change this server? [y/N]").unwrap();
        session.send_line("y").unwrap();
        session
            .exp_string("Make the request for its enrolment now? [Y/n]")
            .unwrap();
        session.send_line("y").unwrap();
        session.exp_string("New file for the request [").unwrap();
        let request = folder.path().join("web.req");
        session.send_line(&request.display().to_string()).unwrap();
        session.exp_string("It contains no secret").unwrap();
        let said = session.exp_eof().unwrap();
        assert!(said.contains("1 passed"), "{said}");
        assert_eq!(
            fs::read_to_string(folder.path().join("map")).unwrap(),
            "site Gone=Alone\n"
        );
        assert!(vault::request::EnrolmentRequest::parse(&fs::read(request).unwrap()).is_some());
        let map = folder.path().join("map").display().to_string();
        let (exit, said) = restore(&new_server(), folder.path(), &["--map", &map, "--dry-run"]);
        assert_eq!(exit.unwrap(), Exit::Done);
        assert!(said.contains("-> Alone"), "as it was answered: {said}");
    }

    /// The test runs itself once more, on a terminal of its own.
    #[test]
    fn enter_alone_deletes_no_key() {
        const TEST: &str = "commands::iis_tests::on_a_terminal::enter_alone_deletes_no_key";
        if let Some(folder) = env::var_os(FOLDER) {
            let server = MemoryServer::default();
            let orphan = link("pfxvault-0", KeySet::Machine);
            server.put_key(&orphan, PKI.ec.pkcs8.expose(), true, ProviderKind::Csp);
            let (exit, _) = repair(&server, Path::new(&folder), "--orphans");
            assert_eq!(
                (exit.unwrap(), server.world().1.len()),
                (Exit::Attention, 1)
            );
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let mut program = Command::new(env::current_exe().unwrap());
        program
            .args(["--exact", TEST, "--nocapture", "--test-threads", "1"])
            .env(FOLDER, folder.path());
        let mut session = rexpect::session::spawn_command(program, Some(60_000)).unwrap();
        session
            .exp_string("Delete this private key for good? This cannot be undone. [y/N]")
            .unwrap();
        session.send_line("").unwrap();
        let said = session.exp_eof().unwrap();
        assert!(said.contains("1 passed"), "{said}");
    }
}

/// What `list` says of a server on which all is well.
fn listed(server: &MemoryServer) -> String {
    let cli =
        Cli::try_parse_from(["pfxvault", "list", "--from", "iis", "--state", "none"]).unwrap();
    let Some(CliCommand::List(args)) = cli.action else {
        panic!()
    };
    let console = Console::new(Language::En, false, false);
    let session = Session::new(cli.global, &console).unwrap();
    console.record();
    assert_eq!(list_of(&session, &args, server.iis()).unwrap(), Exit::Done);
    console.recorded(&crate::text!("undo-done"))
}

#[test]
fn list_shows_each_binding_with_the_certificate_it_serves() {
    let said = listed(&new_server());
    assert!(
        said.contains("It has 3 sites with 1 certificate binding."),
        "{said}"
    );
}

/// Runs `repair` with these options against a server; says how it ended, and what was said.
fn repair(server: &MemoryServer, folder: &Path, options: &str) -> (Result<Exit, Error>, String) {
    let line = format!(
        "pfxvault\nrepair\n--state\n{}",
        folder.join("new").display()
    );
    let cli = Cli::try_parse_from(line.lines().chain(options.split_whitespace())).unwrap();
    let Some(CliCommand::Repair(args)) = cli.action else {
        panic!()
    };
    let console = Console::new(Language::En, false, false);
    let session = Session::new(cli.global, &console).unwrap();
    console.record();
    let result = repair_on(&session, &args, server.iis());
    (result, console.recorded(&crate::text!("undo-done")))
}

/// A certificate vanished, and its file was imported again: the key is here, in a container of this
/// program.
fn imported_without_its_key(server: &MemoryServer) -> KeyLink {
    let key = link("pfxvault-1", KeySet::Machine);
    server.put_key(&key, PKI.rsa.pkcs8.expose(), true, ProviderKind::Csp);
    server.put_certificate(StoreName::My, &PKI.rsa.der, None);
    key
}

#[test]
fn a_key_that_repair_has_just_linked_is_not_deleted_by_the_same_run() {
    let (server, folder) = (MemoryServer::default(), tempfile::tempdir().unwrap());
    let key = imported_without_its_key(&server);
    let (exit, said) = repair(&server, folder.path(), "--orphans --yes");
    assert_eq!(exit.unwrap(), Exit::Done, "{said}");
    assert!(server.world().1.contains_key(&key), "{said}");
    assert!(!said.contains("left behind"), "{said}");
    assert!(look(server.iis(), &[StoreName::My]).unwrap()[0].key.works());
}

#[test]
fn a_key_stays_whatever_else_goes_wrong_while_its_certificate_is_mended() {
    for fault in [CallFault::FailsBefore, CallFault::FailsAfter] {
        for call in 0.. {
            let (server, folder) = (MemoryServer::default(), tempfile::tempdir().unwrap());
            let key = imported_without_its_key(&server);
            server.arm(call, fault);
            let (_, said) = repair(&server, folder.path(), "--orphans --yes");
            assert!(
                server.world().1.contains_key(&key),
                "{fault:?} at {call}: {said}"
            );
            if !server.disarm() {
                break;
            }
        }
    }
}

#[test]
fn a_key_whose_certificate_was_not_named_is_no_orphan() {
    let (server, folder) = (MemoryServer::default(), tempfile::tempdir().unwrap());
    let key = imported_without_its_key(&server);
    for options in [
        "other.example.com --orphans --yes",
        "--orphans --dry-run",
        "--dry-run",
    ] {
        let (exit, said) = repair(&server, folder.path(), options);
        assert_eq!(exit.unwrap(), Exit::Done, "{said}");
        assert!(
            server.world().1.contains_key(&key) && !said.contains("orphan"),
            "{said}"
        );
    }
}

#[test]
fn keys_are_named_before_they_are_deleted_and_yes_alone_deletes_none() {
    let (server, folder) = (MemoryServer::default(), tempfile::tempdir().unwrap());
    let recovery = recovery(folder.path());
    back_up(&old_server(9), folder.path(), &recovery);
    fs::rename(folder.path().join("state"), folder.path().join("new")).unwrap();
    let (saved, unsaved) = (
        link("pfxvault-saved", KeySet::Machine),
        link("pfxvault-unsaved", KeySet::Machine),
    );
    server.put_key(&saved, PKI.rsa.pkcs8.expose(), true, ProviderKind::Csp);
    server.put_key(&unsaved, PKI.ec.pkcs8.expose(), true, ProviderKind::Csp);
    server.put_key(
        &link("pfxvault-closed", KeySet::Machine),
        &[],
        true,
        ProviderKind::Csp,
    );
    for options in ["--yes", "--orphans --dry-run"] {
        let (exit, said) = repair(&server, folder.path(), options);
        assert_eq!(
            (exit.unwrap(), server.world().1.len()),
            (Exit::Attention, 3),
            "{said}"
        );
        for expected in [
            "pfxvault-saved. It is that of www.example.com".to_owned(),
            thumbprint(&PKI.rsa.der),
            "generation 1".to_owned(),
            "pfxvault-unsaved. No backup that this server remembers holds it".to_owned(),
            "pfxvault-closed does not open".to_owned(),
        ] {
            assert!(said.contains(&expected), "{expected} is not in:\n{said}");
        }
    }
    let (exit, said) = repair(&server, folder.path(), "--orphans --yes");
    assert_eq!(exit.unwrap(), Exit::Done, "{said}");
    let left: Vec<_> = server
        .world()
        .1
        .into_keys()
        .map(|link| link.container)
        .collect();
    assert_eq!(left, ["pfxvault-closed"], "{said}");
}

/// A server with a vault on a stick, and a certificate bound in a second place.
struct Saving {
    server: MemoryServer,
    folder: tempfile::TempDir,
}

impl Saving {
    /// The shop's certificate is bound; `more` are records of thumbprints and stores at other
    /// ports.
    fn new(more: &[(&str, Option<&str>)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let stick = folder.path().join("stick");
        fs::create_dir(&stick).unwrap();
        let medium = Medium::new("stick", Box::new(FolderVolume::new(&stick)));
        let passphrase = Passphrase::new("test".into());
        let state = folder.path().join("state");
        create_vault(
            &state,
            &medium,
            &passphrase,
            &recovery(folder.path()),
            "OLD",
            "A",
            jiff::Timestamp::now(),
        )
        .unwrap();
        let server = old_server(443);
        let shop = https("*:443:www.example.com", 97);
        let mut sites = vec![site(4, "Shop", vec![shop])];
        for (port, (thumbprint, store)) in (8443..).zip(more) {
            let binding = https(&format!("*:{port}:"), 0);
            server.put_record(SslBinding {
                store: store.map(str::to_owned),
                ..record(&binding, thumbprint)
            });
            sites.push(site(port, &format!("More {port}"), vec![binding]));
        }
        server.install(20_348, sites);
        Self { server, folder }
    }

    fn key(&self, exportable: bool) -> KeyLink {
        let key = link("more", KeySet::Machine);
        self.server
            .put_key(&key, PKI.ec.pkcs8.expose(), exportable, ProviderKind::Csp);
        key
    }

    /// Runs `backup` with these options; says how it ended, what it told programs, and what it told
    /// people.
    fn save(&self, options: &str) -> (Exit, serde_json::Value, String) {
        let at = |name: &str| self.folder.path().join(name).display().to_string();
        let line = format!(
            "pfxvault\nbackup\n--from\niis\n--yes\n--keep-mounted\n--accept\nother-medium=test\n--to\n{}\n--state\n{}",
            at("stick"),
            at("state")
        );
        let cli = Cli::try_parse_from(line.lines().chain(options.split_whitespace())).unwrap();
        let Some(CliCommand::Backup(args)) = cli.action else {
            panic!()
        };
        let console = Console::new(Language::En, false, false);
        let session = Session::new(cli.global, &console).unwrap();
        console.record();
        let read = || {
            let mut holdings = holdings(self.server.iis(), session.now)?;
            holdings.select(&args.names).map(|()| holdings)
        };
        let (exit, document) =
            crate::session::backup::back_up_from(&session, &args, &args.to, read).unwrap();
        let document = serde_json::to_value(document).unwrap();
        (exit, document, console.recorded(&crate::text!("undo-done")))
    }
}

#[test]
fn an_archived_certificate_is_saved_where_it_is_in_use_and_hidden_where_it_is_not() {
    let saving = Saving::new(&[(&thumbprint(&PKI.ec.der), None)]);
    let unused = crate::keypair::fixtures::Issued::self_signed("renewed.example.com");
    let key = link("unused", KeySet::Machine);
    saving
        .server
        .put_key(&key, &unused.pkcs8(), true, ProviderKind::Csp);
    saving
        .server
        .put_archived(StoreName::My, &unused.der, Some(&key));
    saving
        .server
        .put_archived(StoreName::My, &PKI.ec.der, Some(&saving.key(true)));
    let (exit, document, said) = saving.save("");
    assert_eq!(
        (exit, &document["saved"]),
        (Exit::Done, &2.into()),
        "{said}"
    );
    assert!(!said.contains("renewed.example.com"), "{said}");
    let seen = look(saving.server.iis(), &StoreName::WITH_KEYS).unwrap();
    let archived: Vec<_> = seen
        .iter()
        .map(|seen| seen.certificate.properties.archived)
        .collect();
    assert_eq!(archived, [true, false]);
}

#[test]
fn a_certificate_in_use_is_saved_from_whatever_store_it_lies_in() {
    let ec = thumbprint(&PKI.ec.der);
    for store in ["SharedStore", "Root"] {
        let saving = Saving::new(&[(&ec, Some(store))]);
        let key = saving.key(true);
        match StoreName::parse(store) {
            Some(store) => saving
                .server
                .put_certificate(store, &PKI.ec.der, Some(&key)),
            None => saving.server.put_elsewhere(store, &PKI.ec.der, Some(&key)),
        }
        let (exit, document, said) = saving.save("");
        assert_eq!(
            (exit, &document["saved"]),
            (Exit::Done, &2.into()),
            "{store}: {said}"
        );
        // Where a new server trusts roots, no leaf goes.
        let new = new_server();
        let (_, said) = restore(&new, saving.folder.path(), &["--keys-only"]);
        let seen = look(new.iis(), &[StoreName::My]).unwrap();
        assert!(
            seen.iter()
                .any(|seen| seen.certificate.der == PKI.ec.der && seen.key.works()),
            "{store}: {said}"
        );
    }
}

#[test]
fn a_certificate_in_use_that_nobody_finds_is_named_each_time() {
    let nowhere = "0123456789ABCDEF0123456789ABCDEF01234567";
    let saving = Saving::new(&[(nowhere, None)]);
    let expected = "More 8443 (https *:8443:)";
    let (exit, document, said) = saving.save("--dry-run");
    assert!(
        exit == Exit::Partly && said.contains(nowhere) && said.contains(expected),
        "{document}: {said}"
    );
    for generation in [1.into(), serde_json::Value::Null] {
        let (exit, document, said) = saving.save("");
        assert_eq!(
            (exit, &document["generation"]),
            (Exit::Partly, &generation),
            "{said}"
        );
        assert_eq!(document["in_use"][0]["thumbprint"], nowhere, "{document}");
        assert_eq!(document["in_use"][0]["uses"][0], expected, "{document}");
        assert!(said.contains(nowhere) && said.contains(expected), "{said}");
    }
    let (exit, _, said) = saving.save("--all --force");
    assert!(exit == Exit::Partly && said.contains(nowhere), "{said}");
}

#[test]
fn a_certificate_of_ftp_that_nobody_finds_is_named_too() {
    let nowhere = "0123456789ABCDEF0123456789ABCDEF01234567";
    let saving = Saving::new(&[]);
    let ftp = Binding {
        protocol: "ftp".into(),
        information: "*:21:".into(),
        ssl_flags: 0,
    };
    let certificate = FtpCertificate {
        thumbprint: nowhere.into(),
        store: "MY".into(),
    };
    let shop = https("*:443:www.example.com", 97);
    let files = Site {
        ftp: Some(certificate),
        ..site(5, "Files", vec![ftp])
    };
    saving
        .server
        .install(20_348, vec![site(4, "Shop", vec![shop]), files]);
    let (exit, document, said) = saving.save("");
    assert!(
        exit == Exit::Partly && said.contains(nowhere) && said.contains("Files"),
        "{document}: {said}"
    );
}

#[test]
fn what_was_not_named_and_is_in_use_needs_attention_until_any_generation_holds_it() {
    let (rsa, ec) = (thumbprint(&PKI.rsa.der), thumbprint(&PKI.ec.der));
    let saving = Saving::new(&[(&ec, None)]);
    saving
        .server
        .put_certificate(StoreName::My, &PKI.ec.der, Some(&saving.key(true)));
    for _ in 0..2 {
        let (exit, document, said) = saving.save(&rsa);
        assert!(
            exit == Exit::Attention && said.contains(&ec),
            "{document}: {said}"
        );
        assert_eq!(
            document["in_use"][0]["thumbprint"],
            ec.as_str(),
            "{document}"
        );
    }
    let (exit, document, said) = saving.save("");
    assert_eq!(
        (exit, &document["in_use"]),
        (Exit::Done, &serde_json::json!([])),
        "{said}"
    );
    let (exit, _, said) = saving.save(&rsa);
    assert!(exit == Exit::Done && !said.contains(&ec), "{said}");
}

#[test]
fn a_key_that_is_known_not_to_leave_is_no_news() {
    let (rsa, ec) = (thumbprint(&PKI.rsa.der), thumbprint(&PKI.ec.der));
    let saving = Saving::new(&[(&ec, None)]);
    saving
        .server
        .put_archived(StoreName::My, &PKI.ec.der, Some(&saving.key(false)));
    assert_eq!(saving.save("").0, Exit::Partly);
    assert_eq!(saving.save(&rsa).0, Exit::Attention);
    let accepted = format!("--accept no-key:{ec}=hardware");
    for options in [&accepted, "", &rsa] {
        let (exit, document, said) = saving.save(options);
        assert_eq!(
            (exit, &document["in_use"]),
            (Exit::Done, &serde_json::json!([])),
            "{options}: {said}"
        );
    }
}

#[test]
fn list_marks_an_archived_certificate_that_is_in_use() {
    let saving = Saving::new(&[(&thumbprint(&PKI.ec.der), Some("SharedStore"))]);
    saving
        .server
        .put_archived(StoreName::My, &PKI.ec.der, Some(&saving.key(true)));
    saving.server.put_elsewhere(
        "SharedStore",
        &PKI.ec.der,
        Some(&link("more", KeySet::Machine)),
    );
    let cli = Cli::try_parse_from([
        "pfxvault", "list", "--from", "iis", "--state", "none", "--json",
    ])
    .unwrap();
    let Some(CliCommand::List(args)) = cli.action else {
        panic!()
    };
    let console = Console::new(Language::En, false, true);
    let session = Session::new(cli.global, &console).unwrap();
    console.record();
    list_of(&session, &args, saving.server.iis()).unwrap();
    let said = console.recorded(&crate::text!("undo-done"));
    assert!(!said.contains("not in its store"), "{said}");
}
