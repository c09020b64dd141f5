//! A backup that meets newer certificates on the server it is restored to: what gives way, what
//! stays, and who decides.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use time::{Duration, OffsetDateTime};

use super::iis_tests::{back_up, recovery, restore};
use crate::change::binding_tests::{https, site, thumbprint};
use crate::change::tests::link;
use crate::error::Exit;
use crate::iis::memory::MemoryServer;
use crate::iis::{
    Binding, FtpCertificate, KeySet, ProviderKind, Site, SiteMap, SslBinding, StoreName,
};
use crate::keypair::fixtures::{Issued, host};

const WWW: &str = "www.example.com";
const SHOP: &str = "shop.example.com";
const MAIL: &str = "mail.example.com";

static AUTHORITY: LazyLock<Issued> = LazyLock::new(|| Issued::root("Authority"));

/// The days from today on which a certificate begins and ends.
type Days = (i64, i64);
const OLDER: Days = (-300, 65);
const NEWER: Days = (-10, 355);
const EXPIRED: Days = (-700, -335);

fn params(name: &str, (begin, end): Days) -> rcgen::CertificateParams {
    let day = |days| OffsetDateTime::now_utc() + Duration::days(days);
    let mut params = host(name);
    (params.not_before, params.not_after) = (day(begin), day(end));
    params
}

fn issued(name: &str, days: Days) -> Issued {
    AUTHORITY.issue(params(name, days), rcgen::KeyPair::generate().unwrap())
}

fn self_signed(name: &str, days: Days) -> Issued {
    let (key, params) = (rcgen::KeyPair::generate().unwrap(), params(name, days));
    let der = params.self_signed(&key).unwrap().der().to_vec();
    Issued { key, params, der }
}

fn by_name(host: &str) -> Binding {
    https(&format!("*:9:{host}"), 1)
}

fn put(server: &MemoryServer, certificate: &Issued) -> String {
    let thumbprint = thumbprint(&certificate.der);
    let key = link(&thumbprint, KeySet::Machine);
    server.put_key(&key, &certificate.pkcs8(), true, ProviderKind::Csp);
    server.put_certificate(StoreName::My, &certificate.der, Some(&key));
    thumbprint
}

/// A server with a site for each host name, bound to this certificate.
fn server(sites: &[(&str, &Issued)]) -> MemoryServer {
    let server = MemoryServer::default();
    for (host, certificate) in sites {
        let thumbprint = put(&server, certificate);
        server.put_record(SslBinding::new(
            by_name(host).endpoint().unwrap(),
            thumbprint,
        ));
    }
    server.install(
        20_348,
        sites
            .iter()
            .map(|(host, _)| site(1, host, vec![by_name(host)]))
            .collect(),
    );
    server
}

/// A stick with the backup of a server.
struct Stick {
    folder: tempfile::TempDir,
}

impl Stick {
    fn of(server: &MemoryServer) -> Self {
        let folder = tempfile::tempdir().unwrap();
        back_up(server, folder.path(), &recovery(folder.path()));
        Self { folder }
    }

    fn restore(&self, server: &MemoryServer, options: &[&str]) -> (Exit, String) {
        let (exit, said) = restore(server, self.folder.path(), options);
        (exit.unwrap(), said)
    }
}

/// The thumbprint that answers for each endpoint.
fn served(server: &MemoryServer) -> BTreeMap<String, String> {
    let records = SiteMap::of(server.iis()).unwrap().records.into_iter();
    records
        .map(|record| {
            (
                record.endpoint.to_string(),
                record.thumbprint.unwrap_or_default(),
            )
        })
        .collect()
}

fn day(certificate: &Issued) -> String {
    certificate.params.not_after.date().to_string()
}

#[test]
fn a_plan_ends_as_the_order_says() {
    let cases = [
        (
            "older over newer",
            issued(WWW, NEWER),
            issued(WWW, OLDER),
            Exit::Attention,
            "OLDER",
        ),
        (
            "newer over older",
            issued(WWW, OLDER),
            issued(WWW, NEWER),
            Exit::Done,
            "replaces",
        ),
        (
            "expired over valid",
            issued(WWW, OLDER),
            issued(WWW, EXPIRED),
            Exit::Attention,
            "EXPIRED",
        ),
        (
            "valid over expired",
            issued(WWW, EXPIRED),
            issued(WWW, OLDER),
            Exit::Done,
            "replaces",
        ),
        (
            "a placeholder gives way",
            self_signed(WWW, NEWER),
            issued(WWW, OLDER),
            Exit::Done,
            "replaces",
        ),
        (
            "a foreign one gives way",
            issued(SHOP, NEWER),
            issued(WWW, OLDER),
            Exit::Done,
            "replaces",
        ),
        (
            "renewed for 47 days",
            issued(WWW, (-5, 42)),
            issued(WWW, (-200, 198)),
            Exit::Attention,
            "OLDER",
        ),
        (
            "self-signed over issued",
            issued(WWW, OLDER),
            self_signed(WWW, NEWER),
            Exit::Attention,
            "SELF-SIGNED",
        ),
    ];
    for (case, here, backup, exit, expected) in cases {
        let (here_is, stick) = (
            server(&[(WWW, &here)]),
            Stick::of(&server(&[(WWW, &backup)])),
        );
        let before = here_is.world();
        let (ended, said) = stick.restore(&here_is, &["--dry-run"]);
        assert_eq!(ended, exit, "{case}: {said}");
        let line = said
            .lines()
            .find(|line| line.contains("https *:9:"))
            .unwrap();
        for part in [
            expected,
            &day(&here),
            &day(&backup),
            &thumbprint(&here.der)[..4],
            &thumbprint(&backup.der)[..4],
        ] {
            assert!(line.contains(part), "{case}: no {part} in {line}");
        }
        assert_eq!(here_is.world(), before);
    }
}

#[test]
fn yes_alone_does_the_rest_and_leaves_the_newer() {
    let (newer, older) = (issued(WWW, NEWER), issued(WWW, OLDER));
    let (placeholder, shop) = (self_signed(SHOP, NEWER), issued(SHOP, OLDER));
    let here = server(&[(WWW, &newer), (SHOP, &placeholder)]);
    let stick = Stick::of(&server(&[(WWW, &older), (SHOP, &shop)]));
    let (exit, said) = stick.restore(&here, &[]);
    assert_eq!(exit, Exit::Attention, "{said}");
    assert_eq!(
        served(&here)["www.example.com:9"],
        thumbprint(&newer.der),
        "{said}"
    );
    assert_eq!(
        served(&here)["shop.example.com:9"],
        thumbprint(&shop.der),
        "{said}"
    );
    let stored = &here.world().0[&StoreName::My];
    assert!(
        stored.iter().any(|one| one.der == older.der),
        "importing beside it replaces nothing"
    );
    assert!(said.contains("--replace-newer www.example.com"), "{said}");
}

/// A server that serves each of these certificates in its own way: by the record of a binding, by a
/// record that has no binding, by the record for every name, by FTP.
fn four_ways(www: &Issued, shop: &Issued, mail: &Issued, files: &Issued) -> MemoryServer {
    let server = MemoryServer::default();
    let record =
        |binding: &Binding, thumbprint| SslBinding::new(binding.endpoint().unwrap(), thumbprint);
    server.put_record(record(&by_name(WWW), put(&server, www)));
    server.put_record(record(&by_name(SHOP), put(&server, shop)));
    server.put_record(record(&https("*:9:", 0), put(&server, mail)));
    let ftp = FtpCertificate {
        thumbprint: put(&server, files),
        store: "MY".into(),
    };
    let files = Binding {
        protocol: "ftp".into(),
        information: "*:21:".into(),
        ssl_flags: 0,
    };
    server.install(
        20_348,
        vec![
            site(1, "Www", vec![by_name(WWW)]),
            site(2, "Shop", Vec::new()),
            site(3, "Mail", vec![by_name(MAIL)]),
            Site {
                ftp: Some(ftp),
                ..site(4, "Files", vec![files])
            },
        ],
    );
    server
}

#[test]
fn records_bindings_and_ftp_stay_together_and_give_way_only_where_they_are_named() {
    let [www, shop, mail, files] =
        [WWW, SHOP, MAIL, "ftp.example.com"].map(|name| issued(name, NEWER));
    let here = four_ways(&www, &shop, &mail, &files);
    let [www, shop, mail, files] =
        [WWW, SHOP, MAIL, "ftp.example.com"].map(|name| issued(name, OLDER));
    let older = [&www, &shop, &mail].map(|one| thumbprint(&one.der));
    let old = four_ways(&www, &shop, &mail, &files);
    // Flags that would come with each binding.
    let strict = |host: &str| https(&format!("*:9:{host}"), 97);
    let sites = [("Www", WWW), ("Shop", SHOP), ("Mail", MAIL)]
        .map(|(name, host)| site(9, name, vec![strict(host)]));
    let ftp = SiteMap::of(old.iis()).unwrap().sites.remove(3);
    old.put_record(SslBinding::new(
        strict(MAIL).endpoint().unwrap(),
        older[2].clone(),
    ));
    old.install(20_348, sites.into_iter().chain([ftp]).collect());
    let stick = Stick::of(&old);

    let before = here.world();
    assert_eq!(stick.restore(&here, &["--dry-run"]).0, Exit::Attention);
    let (exit, said) = stick.restore(&here, &[]);
    assert_eq!(exit, Exit::Attention, "{said}");
    assert!(
        said.contains("4 bindings keep the certificate that is served there"),
        "{said}"
    );
    let after = here.world();
    assert_eq!((after.2, after.3), (before.2, before.3), "{said}");

    let [www, ftp] = [
        ["--replace-newer", WWW],
        ["--replace-newer", "ftp.example.com"],
    ];
    let (exit, said) = stick.restore(&here, &[www, ftp].concat());
    assert_eq!(exit, Exit::Attention, "{said}");
    assert!(said.contains(": OLDER: www.example.com ("), "{said}");
    assert!(
        said.contains("--replace-newer mail.example.com --replace-newer shop.example.com"),
        "{said}"
    );
    let map = SiteMap::of(here.iis()).unwrap();
    assert_eq!(map.sites[0].bindings, [strict(WWW)]);
    assert_eq!(
        map.sites[3].ftp.as_ref().unwrap().thumbprint,
        thumbprint(&files.der)
    );
    assert_eq!(served(&here)["www.example.com:9"], older[0]);
    assert!(
        map.sites[1].bindings.is_empty() && map.sites[2].bindings == [by_name(MAIL)],
        "{map:?}"
    );
    assert_eq!(
        served(&here).len(),
        3,
        "no record for the host that another one answers for"
    );
    let again = stick.restore(&here, &[&[www, ftp].concat()[..], &["--dry-run"]].concat());
    assert_eq!(
        again.0,
        Exit::Attention,
        "those that were not named: {}",
        again.1
    );
}

#[test]
fn a_record_that_answers_for_others_is_judged_for_them_too() {
    let (newer, older) = (issued("*.example.com", NEWER), issued(WWW, OLDER));
    let shared = |certificate: &Issued, hosts: &[&str]| {
        let server = MemoryServer::default();
        let bindings: Vec<_> = hosts
            .iter()
            .map(|host| https(&format!("*:9:{host}"), 0))
            .collect();
        server.put_record(SslBinding::new(
            bindings[0].endpoint().unwrap(),
            put(&server, certificate),
        ));
        server.install(
            20_348,
            hosts
                .iter()
                .zip(bindings)
                .map(|(host, one)| site(1, host, vec![one]))
                .collect(),
        );
        server
    };
    let here = shared(&newer, &["old.example.net", "shop.example.com"]);
    let stick = Stick::of(&shared(&older, &["old.example.net"]));
    let (exit, said) = stick.restore(&here, &["--dry-run"]);
    assert_eq!(exit, Exit::Attention, "{said}");
    let placeholder = shared(
        &self_signed("localhost", NEWER),
        &["old.example.net", "shop.example.com"],
    );
    let (exit, said) = stick.restore(&placeholder, &["--dry-run"]);
    assert_eq!(exit, Exit::Done, "a placeholder is nobody's loss: {said}");
}

#[test]
fn what_has_ended_is_named_in_the_plan_and_at_the_end() {
    let old = issued(WWW, EXPIRED);
    let stick = Stick::of(&server(&[(WWW, &old)]));
    let bare = || {
        let server = MemoryServer::default();
        server.install(20_348, vec![site(1, WWW, Vec::new())]);
        server
    };
    let expected = format!("({}) expired on {}", thumbprint(&old.der), day(&old));
    for (options, times) in [(["--dry-run"].as_slice(), 1), (&["--keys-only"], 2)] {
        let (exit, said) = stick.restore(&bare(), options);
        assert_eq!(exit, Exit::Attention, "{said}");
        assert_eq!(said.matches(&expected).count(), times, "{said}");
        assert!(!said.contains("0 days"), "{said}");
    }
}

#[test]
fn what_is_not_valid_yet_is_named_too() {
    let early = issued(WWW, (10, 100));
    let stick = Stick::of(&server(&[(WWW, &early)]));
    let server = MemoryServer::default();
    server.install(20_348, vec![site(1, WWW, Vec::new())]);
    let (exit, said) = stick.restore(&server, &["--keys-only"]);
    assert_eq!(exit, Exit::Attention, "{said}");
    let begins = early.params.not_before.date();
    let expected = format!("is not valid before {begins}");
    assert_eq!(said.matches(&expected).count(), 2, "{said}");
}

#[test]
fn a_name_that_no_certificate_here_has_is_refused() {
    let stick = Stick::of(&server(&[(WWW, &issued(WWW, OLDER))]));
    let here = server(&[(WWW, &issued(WWW, NEWER))]);
    let before = here.world();
    let (result, _) = restore(
        &here,
        stick.folder.path(),
        &["--replace-newer", "www.exmaple.com"],
    );
    let error = result.unwrap_err();
    assert_eq!(
        (error.exit, error.text.id),
        (Exit::Usage, "error-replaces-nothing")
    );
    assert_eq!(here.world(), before);
}

#[cfg(unix)]
mod on_a_terminal {
    use std::path::Path;
    use std::process::Command;
    use std::{env, fs};

    use super::*;
    use crate::commands::iis_tests::restore_interactively;

    const TEST: &str =
        "commands::newer_tests::on_a_terminal::a_person_is_asked_and_no_is_the_default";
    /// Tells the other process of this test where everything lies.
    const FOLDER: &str = "PFXVAULT_TEST_FOLDER";

    /// The test runs itself once more, on a terminal of its own.
    #[test]
    fn a_person_is_asked_and_no_is_the_default() {
        if let Some(folder) = env::var_os(FOLDER) {
            let newer = issued(WWW, NEWER);
            let here = server(&[(WWW, &newer)]);
            assert_eq!(
                restore_interactively(Path::new(&folder), here.iis()).unwrap(),
                Exit::Attention
            );
            let replaced = served(&here)["www.example.com:9"] != thumbprint(&newer.der);
            return fs::write(Path::new(&folder).join("replaced"), replaced.to_string()).unwrap();
        }
        let older = issued(WWW, OLDER);
        let stick = Stick::of(&server(&[(WWW, &older)]));
        for (answer, replaced) in [("", "false"), ("y", "true")] {
            let mut program = Command::new(env::current_exe().unwrap());
            program
                .args(["--exact", TEST, "--nocapture", "--test-threads", "1"])
                .env(FOLDER, stick.folder.path());
            let mut session = rexpect::session::spawn_command(program, Some(60_000)).unwrap();
            session.exp_string("on your paper? [y/N]").unwrap();
            session.send_line("y").unwrap();
            let asked = session
                .exp_string("Replace it all the same? [y/N]")
                .unwrap();
            for part in [
                "This server serves www.example.com (",
                ": OLDER: ",
                &thumbprint(&older.der),
                &day(&older),
            ] {
                assert!(asked.contains(part), "{part}: {asked}");
            }
            session.send_line(answer).unwrap();
            session.exp_string("Change this server?").unwrap();
            session.send_line("y").unwrap();
            session
                .exp_string("request for its enrolment now?")
                .unwrap();
            session.send_line("n").unwrap();
            session.exp_eof().unwrap();
            assert_eq!(
                fs::read_to_string(stick.folder.path().join("replaced")).unwrap(),
                replaced
            );
        }
    }
}
