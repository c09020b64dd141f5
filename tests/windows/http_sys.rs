//! Records of http.sys: written, read back whole, replaced, refused and removed. On Windows with
//! the real one; under Wine with a strict stand-in (tests/windows/httpapi).

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use pfxvault::iis::sites::IIS_APP_ID;
use pfxvault::iis::{Code, Endpoint, HttpSys, SiteConfig, SslBinding, StoredCertificate};
use pfxvault::platform::windows::LocalMachine;

use crate::keys::fixtures::{Pair, PairKind};
use crate::keys::{StateFolder, one_at_a_time, restore, take_everything_back};
use crate::under_wine;

/// Every kind of endpoint, at ports that nothing else has.
fn endpoints() -> Vec<Endpoint> {
    let address = |ip: &str, port| Endpoint::Address {
        ip: ip.parse().unwrap(),
        port,
    };
    let mut endpoints = vec![
        address("0.0.0.0", 44301),
        address("127.0.0.9", 44301),
        address("::", 44302),
        address("::1", 44303),
        Endpoint::Name {
            host: "pfxvault.example".into(),
            port: 44304,
        },
    ];
    // The Central Certificate Store is a feature of IIS that a real server may be without.
    if under_wine() {
        endpoints.push(Endpoint::Central { port: 44305 });
    }
    endpoints
}

/// A record with a value in every field that any http.sys keeps.
fn record(endpoint: &Endpoint, pair: &Pair) -> SslBinding {
    let certificate = StoredCertificate {
        der: pair.der.clone(),
        properties: Default::default(),
    };
    let has_certificate = !matches!(endpoint, Endpoint::Central { .. });
    SslBinding {
        endpoint: endpoint.clone(),
        thumbprint: has_certificate.then(|| certificate.thumbprint()),
        store: has_certificate.then(|| "WebHosting".into()),
        app_id: IIS_APP_ID.into(),
        check_mode: 1,
        freshness: 600,
        url_timeout: 15_000,
        ctl_identifier: None,
        ctl_store: has_certificate.then(|| "CA".into()),
        flags: 0x2,
    }
}

fn kept(endpoint: &Endpoint) -> Option<SslBinding> {
    LocalMachine
        .records()
        .unwrap()
        .into_iter()
        .find(|record| record.endpoint == *endpoint)
}

/// Both methods are called `add` and `remove` for certificates, too.
fn http() -> &'static dyn HttpSys {
    LocalMachine.iis().http
}

/// No test's records are at these endpoints: not before it, and not after it, whether it passed or
/// not.
struct Cleared;

impl Cleared {
    fn now() -> Self {
        endpoints()
            .iter()
            .for_each(|endpoint| drop(http().remove(endpoint)));
        Self
    }
}

impl Drop for Cleared {
    fn drop(&mut self) {
        endpoints()
            .iter()
            .for_each(|endpoint| drop(http().remove(endpoint)));
    }
}

/// Makes the stand-in behave as that of Windows Server 2016, until dropped.
struct OldWindows(PathBuf);

impl OldWindows {
    fn new() -> Self {
        let folder = PathBuf::from(std::env::var_os("ProgramData").unwrap());
        let file = folder.join("httpapi-is-old");
        fs::write(&file, "").unwrap();
        Self(file)
    }
}

impl Drop for OldWindows {
    fn drop(&mut self) {
        fs::remove_file(&self.0).unwrap();
    }
}

#[test]
fn every_field_of_a_record_comes_back_as_it_was_written() {
    let _machine = one_at_a_time();
    let (state, pair, cleared) = (
        StateFolder::new(),
        Pair::new(PairKind::Rsa(2048)),
        Cleared::now(),
    );
    restore(&[&pair], &Default::default(), &state.path());
    for endpoint in endpoints() {
        let record = record(&endpoint, &pair);
        http().add(&record).unwrap();
        assert_eq!(kept(&endpoint), Some(record));
    }
    let properties = LocalMachine.settings().properties;
    let ours: Vec<_> = properties
        .iter()
        .filter(|property| endpoints().contains(&property.endpoint))
        .collect();
    assert!(
        ours.is_empty(),
        "a new record has what Windows begins with: {ours:?}"
    );
    for endpoint in endpoints() {
        assert!(http().remove(&endpoint).unwrap());
        assert_eq!(kept(&endpoint), None);
        assert!(
            !http().remove(&endpoint).unwrap(),
            "{endpoint} is gone already"
        );
    }
    drop(cleared);
    take_everything_back(&state.path());
}

#[test]
fn an_endpoint_has_one_record() {
    let _machine = one_at_a_time();
    let (state, pair, cleared) = (
        StateFolder::new(),
        Pair::new(PairKind::Rsa(2048)),
        Cleared::now(),
    );
    restore(&[&pair], &Default::default(), &state.path());
    for endpoint in endpoints() {
        let record = record(&endpoint, &pair);
        http().add(&record).unwrap();
        let error = http()
            .add(&SslBinding {
                flags: 0,
                ..record.clone()
            })
            .unwrap_err();
        assert_eq!(error.code, Code(183), "{endpoint}");
        assert_eq!(kept(&endpoint), Some(record));
    }
    drop(cleared);
    take_everything_back(&state.path());
}

#[test]
fn a_certificate_that_the_machine_does_not_have_is_refused() {
    let _machine = one_at_a_time();
    let (pair, _cleared) = (Pair::new(PairKind::Ec), Cleared::now());
    let endpoint = &endpoints()[0];
    let error = http().add(&record(endpoint, &pair)).unwrap_err();
    assert_eq!(
        (error.call, error.code),
        ("HttpSetServiceConfiguration", Code(1312))
    );
    assert_eq!(kept(endpoint), None);
}

#[test]
fn a_host_name_needs_a_store_and_an_old_windows_refuses_flags_that_it_does_not_know() {
    let _machine = one_at_a_time();
    if !under_wine() {
        return;
    }
    let (state, pair, cleared) = (
        StateFolder::new(),
        Pair::new(PairKind::Rsa(2048)),
        Cleared::now(),
    );
    restore(&[&pair], &Default::default(), &state.path());
    let by_name = record(&endpoints()[4], &pair);
    let without = SslBinding {
        store: None,
        ..by_name.clone()
    };
    let refused = http().add(&without).unwrap_err();
    assert_eq!(refused.code, Code::INVALID_PARAMETER);
    let modern = SslBinding {
        flags: 0x12,
        ..by_name
    };
    {
        let _old = OldWindows::new();
        let refused = http().add(&modern).unwrap_err();
        assert_eq!(refused.code, Code::INVALID_PARAMETER);
    }
    http().add(&modern).unwrap();
    assert_eq!(kept(&modern.endpoint), Some(modern));
    drop(cleared);
    take_everything_back(&state.path());
}

fn replaces() {
    let (state, cleared) = (StateFolder::new(), Cleared::now());
    let (old, new, missing) = (
        Pair::new(PairKind::Rsa(2048)),
        Pair::new(PairKind::Rsa(2048)),
        Pair::new(PairKind::Rsa(2048)),
    );
    restore(&[&old, &new], &Default::default(), &state.path());
    for endpoint in endpoints() {
        let nothing_there = http().replace(&record(&endpoint, &new)).unwrap_err();
        assert_eq!(nothing_there.code, Code::FILE_NOT_FOUND, "{endpoint}");
        http().add(&record(&endpoint, &old)).unwrap();
        let wanted = SslBinding {
            flags: 0,
            ctl_store: None,
            ..record(&endpoint, &new)
        };
        http().replace(&wanted).unwrap();
        assert_eq!(kept(&endpoint), Some(wanted.clone()));
        if wanted.thumbprint.is_some() {
            assert_eq!(
                http()
                    .replace(&record(&endpoint, &missing))
                    .unwrap_err()
                    .code,
                Code(1312)
            );
            assert_eq!(
                kept(&endpoint),
                Some(wanted),
                "what was there is there again"
            );
        }
    }
    drop(cleared);
    take_everything_back(&state.path());
}

#[test]
fn a_record_is_replaced_and_stays_where_the_new_one_is_refused() {
    let _machine = one_at_a_time();
    replaces();
}

#[test]
fn a_windows_that_cannot_replace_at_once_ends_the_same() {
    let _machine = one_at_a_time();
    if !under_wine() {
        return;
    }
    let _old = OldWindows::new();
    replaces();
}

#[test]
fn this_machine_says_its_build_and_its_addresses() {
    assert!(LocalMachine.windows_build() >= 7601);
    assert!(
        LocalMachine
            .addresses()
            .unwrap()
            .iter()
            .any(std::net::IpAddr::is_loopback)
    );
}

#[test]
fn the_central_certificate_store_is_told_without_its_passwords() {
    if !under_wine() {
        return;
    }
    assert_eq!(LocalMachine.settings().central_store, None);
    let key = r"HKLM\SOFTWARE\Microsoft\IIS\CentralCertProvider";
    let settings = [
        ("CertStoreLocation", "REG_SZ", r"\\files\certs"),
        ("UserName", "REG_SZ", "EXAMPLE\\web"),
        ("Enabled", "REG_DWORD", "1"),
    ];
    for (name, kind, value) in settings {
        let added = Command::new("reg")
            .args(["add", key, "/v", name, "/t", kind, "/d", value, "/f"])
            .output()
            .unwrap();
        assert!(added.status.success(), "{name}");
    }
    let store = LocalMachine.settings().central_store.unwrap();
    assert_eq!(
        (store.location.as_str(), store.user.as_str()),
        (r"\\files\certs", "EXAMPLE\\web")
    );
}
