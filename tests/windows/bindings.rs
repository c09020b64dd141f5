//! Bindings changed by IIS's own writer. On a Windows server with the real one; under Wine with a
//! strict stand-in (tests/windows/stock/apphost.c).

use std::fs;

use pfxvault::iis::{Binding, BindingChange, BindingEdit, Code, Site, SiteConfig, config};
use pfxvault::platform::windows::LocalMachine;

use crate::keys::one_at_a_time;
use crate::under_wine;

/// What every new IIS has.
const SITE: &str = "Default Web Site";
const HOST: &str = "pfxvault.example";

fn configuration() -> Option<String> {
    let folder = LocalMachine.folder();
    assert!(
        folder.is_some() || !under_wine(),
        "PFXVAULT_APPHOST names no stand-in"
    );
    Some(fs::read_to_string(folder?.join("applicationHost.config")).unwrap())
}

fn change(site: &str, change: BindingEdit) -> BindingChange {
    BindingChange {
        site: site.into(),
        change,
    }
}

#[test]
fn bindings_are_added_changed_and_removed_all_or_none() {
    let _machine = one_at_a_time();
    let Some(before) = configuration() else {
        return;
    };
    assert!(
        before.contains(SITE) && !before.contains(HOST),
        "a server with IIS as it comes"
    );
    let with_flags = |ssl_flags| Binding {
        protocol: "https".into(),
        information: format!("*:44311:{HOST}"),
        ssl_flags,
    };
    let add = || change(SITE, BindingEdit::Add(with_flags(1)));
    LocalMachine
        .apply(&[
            add(),
            change("no such site", BindingEdit::Remove(with_flags(1))),
        ])
        .unwrap_err();
    assert_eq!(configuration().unwrap(), before, "nothing was committed");

    LocalMachine.apply(&[add()]).unwrap();
    let twice = LocalMachine.apply(&[add()]).unwrap_err();
    assert_eq!((twice.call, twice.code), ("AddElement", Code(0x8007_00B7)));
    let line = |configuration: &str| {
        configuration
            .lines()
            .find(|line| line.contains(HOST))
            .map(str::to_owned)
    };
    assert!(
        line(&configuration().unwrap())
            .unwrap()
            .contains(r#"sslFlags="1""#)
    );
    LocalMachine
        .apply(&[change(
            SITE,
            BindingEdit::Flags {
                binding: with_flags(1),
                ssl_flags: 0,
            },
        )])
        .unwrap();
    assert!(
        !line(&configuration().unwrap())
            .unwrap()
            .contains(r#"sslFlags="1""#)
    );
    LocalMachine
        .apply(&[change(SITE, BindingEdit::Remove(with_flags(0)))])
        .unwrap();
    assert_eq!(line(&configuration().unwrap()), None);
    let log = std::path::Path::new(r"C:\ProgramData\apphost-log.txt");
    assert!(!log.exists(), "{}", fs::read_to_string(log).unwrap());
}

#[test]
fn a_site_is_added_whole_and_removed_without_a_trace() {
    let _machine = one_at_a_time();
    let Some(before) = configuration() else {
        return;
    };
    let name = "pfxvault-test";
    let site = Site {
        id: 4431,
        name: name.into(),
        bindings: vec![Binding {
            protocol: "http".into(),
            information: format!("127.0.0.1:44312:{HOST}"),
            ssl_flags: 0,
        }],
        folders: vec![r"%SystemDrive%\inetpub\wwwroot".into()],
        ftp: None,
    };
    assert!(!LocalMachine.remove_site(name).unwrap());
    LocalMachine.add_site(&site).unwrap();
    let folder = LocalMachine.folder().unwrap();
    let sites = config::read_folder(&folder).unwrap().config.sites;
    assert!(sites.contains(&site), "{sites:?}");
    let twice = LocalMachine.add_site(&site).unwrap_err();
    assert_eq!((twice.call, twice.code), ("AddElement", Code(0x8007_00B7)));
    assert!(LocalMachine.remove_site(name).unwrap());
    for name in ["R&D", "Shop's \"店舗\" <2>", "a [b] $c"] {
        let named = Site {
            name: name.into(),
            ..site.clone()
        };
        LocalMachine.add_site(&named).unwrap();
        let binding = Binding {
            information: format!("*:44311:{HOST}"),
            ..site.bindings[0].clone()
        };
        let add = change(name, BindingEdit::Add(binding.clone()));
        LocalMachine.apply(&[add]).unwrap();
        let mut sites = config::read_folder(&folder)
            .unwrap()
            .config
            .sites
            .into_iter();
        let there = sites.find(|there| there.name == name).unwrap();
        assert!(there.bindings.contains(&binding), "{there:?}");
        assert!(LocalMachine.remove_site(name).unwrap());
    }
    // IIS itself may write what it did not change in another way.
    match under_wine() {
        true => assert_eq!(configuration().unwrap(), before),
        false => assert!(!configuration().unwrap().contains(name)),
    }
    let log = std::path::Path::new(r"C:\ProgramData\apphost-log.txt");
    assert!(!log.exists(), "{}", fs::read_to_string(log).unwrap());
}

#[test]
fn iis_keeps_a_backup_of_its_configuration_under_a_new_name_only() {
    let _machine = one_at_a_time();
    if configuration().is_none() {
        return;
    }
    let name = format!("pfxvault-test-{}", std::process::id());
    LocalMachine.back_up(&name).unwrap();
    assert_eq!(
        LocalMachine.back_up(&name).unwrap_err().call,
        "appcmd add backup"
    );
}
