//! Bindings changed by IIS's own writer: on a Windows server with IIS only, since Wine has none.

use std::fs;

use pfxvault::server::iis::{Binding, BindingChange, Change, SiteConfig};
use pfxvault::windows::LocalMachine;

/// What every new IIS has.
const SITE: &str = "Default Web Site";
const HOST: &str = "pfxvault.example";

fn configuration() -> Option<String> {
    let file = LocalMachine.folder()?.join("applicationHost.config");
    Some(fs::read_to_string(file).unwrap())
}

fn change(site: &str, change: Change) -> BindingChange {
    BindingChange { site: site.into(), change }
}

#[test]
fn bindings_are_added_changed_and_removed_all_or_none() {
    let Some(before) = configuration() else { return };
    assert!(before.contains(SITE) && !before.contains(HOST), "a server with IIS as it comes");
    let with_flags =
        |ssl_flags| Binding { protocol: "https".into(), information: format!("*:44311:{HOST}"), ssl_flags };
    let add = || change(SITE, Change::Add(with_flags(1)));
    LocalMachine.apply(&[add(), change("no such site", Change::Remove(with_flags(1)))]).unwrap_err();
    assert_eq!(configuration().unwrap(), before, "nothing was committed");

    LocalMachine.apply(&[add()]).unwrap();
    let line = |configuration: &str| configuration.lines().find(|line| line.contains(HOST)).map(str::to_owned);
    assert!(line(&configuration().unwrap()).unwrap().contains(r#"sslFlags="1""#));
    LocalMachine.apply(&[change(SITE, Change::Flags { binding: with_flags(1), ssl_flags: 0 })]).unwrap();
    assert!(!line(&configuration().unwrap()).unwrap().contains(r#"sslFlags="1""#));
    LocalMachine.apply(&[change(SITE, Change::Remove(with_flags(0)))]).unwrap();
    assert_eq!(line(&configuration().unwrap()), None);
}

#[test]
fn iis_keeps_a_backup_of_its_configuration_under_a_new_name_only() {
    if configuration().is_none() {
        return;
    }
    let name = format!("pfxvault-test-{}", std::process::id());
    LocalMachine.back_up(&name).unwrap();
    assert_eq!(LocalMachine.back_up(&name).unwrap_err().call, "appcmd add backup");
}
