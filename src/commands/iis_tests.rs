//! From an old server over a stick to a new one, both in memory: what the commands do with their seams replaced.

use std::fs;
use std::path::Path;

use clap::Parser;

use super::iis::{list_of, restore_on};
use super::{Run, create};
use crate::backup::{self, Request};
use crate::cli::{Action, Cli};
use crate::console::{Console, Language};
use crate::error::{Error, Exit};
use crate::files;
use crate::keypair::fixtures::sorted;
use crate::media::FolderVolume;
use crate::pfx::Profile;
use crate::restore::binding_tests::{https, new_server, old, site, thumbprint};
use crate::restore::tests::{PKI, link};
use crate::restore::{Journal, undo};
use crate::secret::Passphrase;
use crate::server::iis::config::APPLICATION_HOST;
use crate::server::iis::memory::Memory;
use crate::server::iis::{Iis, KeySet, ProviderKind, Record, SiteMap, StoreName, holdings};
use crate::vault::identity::RecoveryKey;
use crate::vault::medium::Medium;
use crate::{served, vault};

/// An old server whose shop is bound to this port.
fn old_server(port: u16) -> Memory {
    let server = Memory::default();
    let key = link("shop", KeySet::Machine);
    server.put_key(&key, PKI.rsa.pkcs8.expose(), true, ProviderKind::Csp);
    server.put_certificate(StoreName::WebHosting, &PKI.rsa.der, Some(&key));
    server.put_certificate(StoreName::Ca, &PKI.intermediate, None);
    let shop = https(&format!("*:{port}:www.example.com"), 97);
    server.put_record(Record { endpoint: shop.endpoint().unwrap(), ..old().records[0].clone() });
    server.install(20_348, vec![site(4, "Shop", vec![shop])]);
    server
}

pub(super) fn back_up(server: &Memory, folder: &Path, recovery: &RecoveryKey) {
    let stick = folder.join("stick");
    fs::create_dir(&stick).unwrap();
    let media = [Medium::new("stick", Box::new(FolderVolume::new(&stick)))];
    let passphrase = Passphrase::new("test".into());
    let mut state = create::found(&folder.join("state"), &media[0], &passphrase, recovery, "OLD", "A").unwrap();
    let now = jiff::Timestamp::now();
    let holdings = holdings(server.iis(), now).unwrap();
    let request = Request {
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
pub(super) fn restore(server: &Memory, folder: &Path, options: &[&str]) -> (Result<Exit, Error>, String) {
    restore_from(server, &folder.join("stick").display().to_string(), folder, options)
}

fn restore_from(server: &Memory, from: &str, folder: &Path, options: &[&str]) -> (Result<Exit, Error>, String) {
    let at = |name: &str| folder.join(name).display().to_string();
    let from = from.to_owned();
    let line = ["pfxvault restore --to iis --yes --from".replace(' ', "\n"), from, "--state".into(), at("new")];
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
    let Some(Action::Restore(args)) = cli.action else { panic!() };
    let console = Console::new(Language::En, false, true);
    let run = Run::new(cli.global, &console).unwrap();
    let report = args.change.report.clone().unwrap();
    let result = restore_on(&run, &args, server.iis());
    let said = fs::read_to_string(&report).unwrap();
    fs::remove_file(report).unwrap();
    (result, said)
}

pub(super) fn recovery(folder: &Path) -> RecoveryKey {
    let recovery = RecoveryKey::generate();
    files::create_private(&folder.join("recovery"), recovery.text().as_bytes()).unwrap();
    recovery
}

#[test]
fn a_server_comes_back_with_its_bindings_and_really_serves_them() {
    let pair = || sorted(&[PKI.rsa.pkcs8.expose().to_vec()], &[&PKI.rsa.der, &PKI.intermediate]).key_pairs.remove(0);
    let (address, serving) = served::tests::serve(vec![pair(), pair()]);
    let folder = tempfile::tempdir().unwrap();
    let recovery = recovery(folder.path());
    let old = old_server(address.port());
    back_up(&old, folder.path(), &recovery);

    let new = new_server();
    let before = new.world();
    let (exit, said) = restore(&new, folder.path(), &["--print-commands"]);
    assert_eq!(exit.unwrap(), Exit::Done, "{said}");
    let shop = SiteMap::of(old.iis()).unwrap().records.remove(0);
    assert_eq!(SiteMap::of(new.iis()).unwrap().record(&shop.endpoint), Some(&shop));
    for expected in [
        "bind: Shop: https *:".to_owned(),
        "-> Web Shop".to_owned(),
        "ok: www.example.com serves its certificate (TLS 1.3, 2 certificates sent)".to_owned(),
        format!("certhash={}", thumbprint(&PKI.rsa.der)),
        "appcmd restore backup pfxvault-".to_owned(),
        "done: 1 binding has the certificate of the backup".to_owned(),
        "To enrol it: pfxvault servers join E:".to_owned(),
        "exit code 0".to_owned(),
    ] {
        assert!(said.contains(&expected), "{expected} is not in:\n{said}");
    }

    let stands = new.world();
    let (exit, said) = restore(&new, folder.path(), &[]);
    assert_eq!(exit.unwrap(), Exit::Done, "{said}");
    assert!(said.contains("already bound: Shop"), "{said}");
    assert_eq!(new.world(), stands, "the second run changes nothing");
    assert_eq!(serving.join().unwrap(), vec![Some("www.example.com".to_owned()); 2]);

    undo(new.iis(), &mut Journal::open(&folder.path().join("new")).unwrap()).unwrap();
    assert_eq!(new.world(), before);
    let (_, said) = restore(&new, folder.path(), &["--keys-only"]);
    assert!(said.contains("not bound yet"), "{said}");
    assert_eq!(new.world().2, before.2, "no record is touched");
}

#[test]
fn another_certificate_that_is_still_served_is_said_and_the_way_to_restart_the_site() {
    let stranger = crate::keypair::fixtures::Issued::self_signed("stranger.example.com");
    let pair = || sorted(&[stranger.pkcs8()], &[&stranger.der]).key_pairs.remove(0);
    let right = sorted(&[PKI.rsa.pkcs8.expose().to_vec()], &[&PKI.rsa.der, &PKI.intermediate]).key_pairs.remove(0);
    let answers = std::iter::repeat_with(pair).take(6).chain([right]);
    let (address, serving) = served::tests::serve(answers.collect());
    let folder = tempfile::tempdir().unwrap();
    let recovery = recovery(folder.path());
    back_up(&old_server(address.port()), folder.path(), &recovery);
    let new = new_server();
    let (exit, said) = restore(&new, folder.path(), &[]);
    assert_eq!(exit.unwrap(), Exit::Attention, "{said}");
    assert!(said.contains("www.example.com still serves another certificate: stranger.example.com"), "{said}");
    assert!(said.contains("appcmd stop site \"Web Shop\""), "{said}");
    let (exit, said) = restore(&new, folder.path(), &["--restart-site"]);
    serving.join().unwrap();
    assert_eq!(exit.unwrap(), Exit::Done, "asked again after the restart: {said}");
    assert!(said.contains("restarting the site \"Web Shop\"") && said.contains("ok: www.example.com"), "{said}");
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
    fs::write(config.join(crate::server::iis::config::REDIRECTION), shared).unwrap();
    let before = new.world();
    let (result, said) = restore(&new, folder.path(), &[]);
    assert!(said.contains("shares its IIS configuration"), "a report of a failure is one, too: {said}");
    assert_eq!(result.unwrap_err().text.id, "error-shared-configuration");
    assert_eq!(new.world(), before);
    let (exit, said) = restore(&new, folder.path(), &["--farm", "--dry-run"]);
    assert!(exit.unwrap() == Exit::Done && said.contains("bind: Shop"), "{said}");
}

#[test]
fn the_files_of_a_dead_server_and_its_configuration_make_up_for_a_backup() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let old = old_server(9);
    let config = old.iis().sites.folder().unwrap().join(APPLICATION_HOST);
    let pem = |label: &str, der: &[u8]| {
        format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", data_encoding::BASE64.encode(der))
    };
    fs::write(at("www.crt"), pem("CERTIFICATE", &PKI.rsa.der)).unwrap();
    files::create_private(Path::new(&at("www.key")), pem("PRIVATE KEY", PKI.rsa.pkcs8.expose()).as_bytes()).unwrap();
    let (from, key) = (format!("pem:{}", at("www.crt")), at("www.key"));
    let options = ["--key", &key, "--iis-config", &config.display().to_string()];
    let new = new_server();
    let (exit, said) = restore_from(&new, &from, folder.path(), &options[..2]);
    assert_eq!(exit.unwrap(), Exit::Done, "{said}");
    assert!(said.contains("nothing here says to which sites"), "{said}");
    let (exit, said) = restore_from(&new, &from, folder.path(), &options);
    assert_eq!(exit.unwrap(), Exit::Attention, "nobody listens there: {said}");
    assert!(said.contains("1 binding was given one by its host name"), "{said}");
    let endpoint = &SiteMap::of(old.iis()).unwrap().records[0].endpoint;
    let map = SiteMap::of(new.iis()).unwrap();
    let record = map.record(endpoint).unwrap();
    assert_eq!(record.thumbprint, Some(thumbprint(&PKI.rsa.der)));
    assert_eq!(record.flags, 0x440, "those of the binding");
}

/// Runs `restore` against a server, with everybody to be asked.
#[cfg(unix)]
pub(super) fn restore_interactively(folder: &Path, server: Iis<'_>) -> Result<Exit, Error> {
    let at = |name: &str| folder.join(name).display().to_string();
    let line =
        "pfxvault restore --to iis --quiet --from {stick} --state {new} --recovery-key-file {recovery} --map {map}";
    let words = line.split(' ').map(|word| match word.strip_prefix('{').and_then(|word| word.strip_suffix('}')) {
        Some(name) => at(name),
        None => word.to_owned(),
    });
    let cli = Cli::try_parse_from(words).unwrap();
    let Some(Action::Restore(args)) = cli.action else { panic!() };
    let console = Console::new(Language::En, false, true);
    let run = Run::new(cli.global, &console).unwrap();
    restore_on(&run, &args, server)
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
        old.put_record(Record { endpoint: binding.endpoint().unwrap(), ..super::old().records[0].clone() });
        old.install(20_348, vec![site(4, "Gone", vec![binding])]);
        back_up(&old, folder.path(), &recovery);

        let mut program = Command::new(env::current_exe().unwrap());
        program.args(["--exact", TEST, "--nocapture", "--test-threads", "1"]).env(FOLDER, folder.path());
        let mut session = rexpect::session::spawn_command(program, Some(60_000)).unwrap();
        let shown = session.exp_string("Your choice [1]").unwrap();
        for expected in ["Which site here is \"Gone\"", " 1  Web Shop", " 2  Alone", " 3  Files", " 0  none of them"] {
            assert!(shown.contains(expected), "{expected}: {shown}");
        }
        session.send_line("4").unwrap();
        session.exp_string("Your choice [1]").unwrap();
        session.send_line("2").unwrap();
        session.exp_string("-> Alone").unwrap();
        session.exp_string("Change this server? [Y/n]").unwrap();
        session.send_line("").unwrap();
        session.exp_string("Make the request for its enrolment now? [Y/n]").unwrap();
        session.send_line("y").unwrap();
        session.exp_string("New file for the request [").unwrap();
        let request = folder.path().join("web.req");
        session.send_line(&request.display().to_string()).unwrap();
        session.exp_string("It contains no secret").unwrap();
        let said = session.exp_eof().unwrap();
        assert!(said.contains("1 passed"), "{said}");
        assert_eq!(fs::read_to_string(folder.path().join("map")).unwrap(), "site Gone=Alone\n");
        assert!(vault::request::Request::parse(&fs::read(request).unwrap()).is_some());
        let map = folder.path().join("map").display().to_string();
        let (exit, said) = restore(&new_server(), folder.path(), &["--map", &map, "--dry-run"]);
        assert_eq!(exit.unwrap(), Exit::Done);
        assert!(said.contains("-> Alone"), "as it was answered: {said}");
    }
}

#[test]
fn list_shows_each_binding_with_the_certificate_it_serves() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state").display().to_string();
    let cli = Cli::try_parse_from(["pfxvault", "list", "--from", "iis", "--state", &state]).unwrap();
    let Some(Action::List(args)) = cli.action else { panic!() };
    let console = Console::new(Language::En, false, false);
    let run = Run::new(cli.global, &console).unwrap();
    console.record();
    assert_eq!(list_of(&run, &args, new_server().iis()).unwrap(), Exit::Done);
    let said = console.recorded(&crate::text!("undo-done"));
    assert!(said.contains("It has 3 sites with 1 certificate binding."), "{said}");
}
