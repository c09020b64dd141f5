//! Bindings brought to another server: plans as tables, and a server in memory with a fault at
//! every single call.

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::LazyLock;

use super::tests::{PKI, incoming, journal, link, running, state_folder, take_back_interrupted};
use super::*;
use crate::error::{Error, Exit};
use crate::iis::memory::{CallFault, Died, MemoryServer};
use crate::iis::sites::{CentralStore, Settings, SslProperty};
use crate::iis::{
    Binding, Endpoint, FtpCertificate, KeySet, ProviderKind, Site, SiteMap, Snapshot, SslBinding,
    StoreName, StoredCertificate, look_at_all,
};
use crate::keystore::retain_used;
use crate::message::Text;
use crate::text;

const SERVER_2012_R2: u32 = 9600;
const SERVER_2022: u32 = 20_348;

pub(crate) fn thumbprint(der: &[u8]) -> String {
    StoredCertificate {
        der: der.to_vec(),
        properties: Default::default(),
    }
    .thumbprint()
}

fn binding(protocol: &str, information: &str, ssl_flags: u32) -> Binding {
    Binding {
        protocol: protocol.into(),
        information: information.into(),
        ssl_flags,
    }
}

pub(crate) fn https(information: &str, ssl_flags: u32) -> Binding {
    binding("https", information, ssl_flags)
}

pub(crate) fn site(id: u32, name: &str, bindings: Vec<Binding>) -> Site {
    Site {
        id,
        name: name.into(),
        bindings,
        ..Site::default()
    }
}

pub(crate) fn record(binding: &Binding, thumbprint: &str) -> SslBinding {
    SslBinding::new(binding.endpoint().unwrap(), thumbprint.into())
}

/// The server of the backup: a shop by SNI with strict settings, one site on an address of its own,
/// one for FTP.
pub(crate) fn old() -> SiteMap {
    let (rsa, ec) = (thumbprint(&PKI.rsa.der), thumbprint(&PKI.ec.der));
    let (shop, alone) = (
        https("*:443:www.example.com", 97),
        https("192.0.2.1:443:", 0),
    );
    let mut strict = record(&shop, &rsa);
    (strict.store, strict.flags, strict.check_mode) = (Some("WebHosting".into()), 0x442, 1);
    (strict.ctl_store, strict.url_timeout) = (Some("ClientAuthIssuer".into()), 15_000);
    SiteMap {
        windows_build: SERVER_2022,
        addresses: vec!["192.0.2.1".parse().unwrap()],
        sites: vec![
            site(1, "Alone", vec![alone.clone()]),
            site(
                2,
                "Shop",
                vec![binding("http", "*:80:www.example.com", 0), shop],
            ),
            Site {
                ftp: Some(FtpCertificate {
                    thumbprint: ec.clone(),
                    store: "MY".into(),
                }),
                ..site(3, "Files", vec![binding("ftp", "*:21:", 0)])
            },
        ],
        records: vec![strict, record(&alone, &ec)],
        ..SiteMap::default()
    }
}

/// The new server: the sites made by hand with other numbers, a placeholder on the shop's host
/// name, WinRM's record.
pub(crate) fn new_server() -> MemoryServer {
    let server = MemoryServer::default();
    let placeholder = rcgen::generate_simple_self_signed(["placeholder".to_owned()]).unwrap();
    let key = link("placeholder", KeySet::Machine);
    server.put_key(
        &key,
        &placeholder.signing_key.serialize_der(),
        true,
        ProviderKind::Csp,
    );
    server.put_certificate(StoreName::My, placeholder.cert.der(), Some(&key));
    let shop = https("*:443:www.example.com", 1);
    // As http.sys may spell it.
    let endpoint = Endpoint::Name {
        host: "WWW.example.com".into(),
        port: 443,
    };
    server.put_record(SslBinding {
        endpoint,
        ..record(&shop, &thumbprint(placeholder.cert.der()))
    });
    server.put_record(winrm());
    server.install(
        SERVER_2022,
        vec![
            site(7, "Web Shop", vec![shop]),
            site(1, "Alone", vec![binding("http", "*:80:", 0)]),
            site(2, "Files", vec![binding("ftp", "*:21:", 0)]),
        ],
    );
    server.set_addresses(&["198.51.100.7"]);
    server
}

fn winrm() -> SslBinding {
    let app_id = "{AFEBB9AD-9B97-4A91-9AB5-DAF4D59122F6}".into();
    SslBinding {
        app_id,
        ..record(
            &https("*:5986:", 0),
            "0123456789ABCDEF0123456789ABCDEF01234567",
        )
    }
}

fn answers() -> Mapping {
    let mut mapping = Mapping::default();
    mapping.map_address("192.0.2.1=198.51.100.7").unwrap();
    mapping
}

fn certificates() -> HashSet<(StoreName, String)> {
    [
        (StoreName::WebHosting, thumbprint(&PKI.rsa.der)),
        (StoreName::My, thumbprint(&PKI.ec.der)),
    ]
    .into()
}

/// Knows no certificate, so that nothing stands higher than anything.
static NO_ORDER: LazyLock<Order> =
    LazyLock::new(|| Order::of(&Snapshot::default(), jiff::Timestamp::UNIX_EPOCH));

fn moving<'a>(from: &'a SiteMap, here: &'a SiteMap, mapping: &'a Mapping) -> BindingSource<'a> {
    BindingSource {
        from,
        here,
        mapping,
        certificates: certificates(),
        order: &NO_ORDER,
        only: None,
    }
}

/// The plan in one word for each binding, with the ids of what speaks against it or is different.
fn words(bound: &[PlannedBinding]) -> Vec<String> {
    let word = |one: &PlannedBinding| {
        let fate = match &one.fate {
            BindingAction::AsItShouldBe => "keep".to_owned(),
            BindingAction::Cannot(reason) | BindingAction::Conflict(reason) => reason.id.to_owned(),
            BindingAction::Held { lower, .. } => format!("held {}", lower.id()),
            BindingAction::Change {
                lower: Some(lower),
                edits,
                ..
            } => format!("{} {}", lower.id(), edits.len()),
            BindingAction::Change {
                replaces: Some(_),
                edits,
                ..
            } => format!("replace {}", edits.len()),
            BindingAction::Change {
                replaces: None,
                edits,
                ..
            } => format!("add {}", edits.len()),
        };
        let remarks = one
            .remarks
            .iter()
            .map(|remark| format!(" {}", remark.id))
            .collect::<String>();
        format!("{} {}: {fate}{remarks}", one.site, one.binding)
    };
    bound.iter().map(word).collect()
}

#[test]
fn a_property_that_is_not_restored_is_named_with_the_command_that_makes_it() {
    let property = |endpoint: &Endpoint| SslProperty {
        endpoint: endpoint.clone(),
        value: "propertyid=0 receivewindow=9".into(),
    };
    let (mut from, server, mapping) = (old(), new_server(), answers());
    let shop = from.records[0].endpoint.clone();
    let alone = Endpoint::Address {
        ip: "198.51.100.7".parse().unwrap(),
        port: 443,
    };
    from.settings.properties = from
        .records
        .iter()
        .map(|record| property(&record.endpoint))
        .collect();
    let mut here = SiteMap::of(server.iis()).unwrap();
    here.settings.properties.push(property(&shop));
    let bound = bindings::plan(&moving(&from, &here, &mapping));
    let remarks: Vec<_> = bound
        .iter()
        .flat_map(|one| &one.remarks)
        .filter(|one| one.id == "bind-property-left-out")
        .collect();
    let command =
        format!("netsh http update sslpropertyex ipport={alone} propertyid=0 receivewindow=9");
    assert_eq!(
        remarks,
        [&text!("bind-property-left-out", command = command)],
        "the shop's is here already"
    );
}

/// A stand-in for the process: a look, a plan, carried out.
fn restore_bindings(server: &MemoryServer, state: &Path) -> Result<bool, Error> {
    let (from, mapping, incoming) = (old(), answers(), incoming());
    let here = SiteMap::of(server.iis())?;
    let mut plan = plan(&look_at_all(server.iis())?, &incoming, &Options::default());
    plan.bindings = bindings::plan(&moving(&from, &here, &mapping));
    apply(
        server.iis(),
        &plan,
        &mut journal(state)?,
        &running(&|| false),
    )?;
    Ok(plan.changes_anything())
}

#[test]
fn a_server_is_brought_to_one_with_other_numbers_and_placeholders() {
    let (server, state) = (new_server(), state_folder());
    assert!(restore_bindings(&server, state.path()).unwrap());
    let map = SiteMap::of(server.iis()).unwrap();
    let old = old();
    let shop = &old.records[0];
    let there = map.record(&shop.endpoint).unwrap();
    assert!(there.is_same(shop), "every field is as it was: {there:?}");
    let alone = Endpoint::Address {
        ip: "198.51.100.7".parse().unwrap(),
        port: 443,
    };
    assert_eq!(
        map.record(&alone).unwrap().thumbprint,
        old.records[1].thumbprint
    );
    assert!(map.record(&winrm().endpoint).unwrap().is_same(&winrm()));
    assert_eq!(map.records.len(), 3);
    assert_eq!(
        map.sites[0].bindings,
        [https("*:443:www.example.com", 97)],
        "the shop's new name and number stay"
    );
    assert_eq!(map.sites[1].bindings[1], https("198.51.100.7:443:", 0));
    assert_eq!(map.sites[2].ftp, old.sites[2].ftp);
    assert_eq!(
        server.backups(),
        ["pfxvault-19700101-000000"],
        "IIS made its own backup first"
    );
}

/// As http.h of 14393 names them: what it may take beyond that is tried first.
#[test]
fn flags_that_http_sys_refuses_are_left_out_and_named_and_undo_knows_the_record_all_the_same() {
    let (server, state) = (new_server(), state_folder());
    let sites = SiteMap::of(server.iis()).unwrap().sites;
    server.install(14_393, sites);
    let before = server.world();
    let (incoming, mapping, mut from) = (incoming(), answers(), old());
    from.records[0].flags = 0x8000_0012;
    let here = SiteMap::of(server.iis()).unwrap();
    let mut plan = plan(
        &look_at_all(server.iis()).unwrap(),
        &incoming,
        &Options::default(),
    );
    plan.bindings = bindings::plan(&moving(&from, &here, &mapping));
    let ids = |texts: &[Text]| texts.iter().map(|text| text.id).collect::<Vec<_>>();
    let (cut, tried) = ("bind-flag-left-out", "bind-flag-untold");
    assert_eq!(ids(&plan.bindings[1].remarks), [cut, cut, tried, tried]);
    let mut journal = journal(state.path()).unwrap();
    let remarks = apply(server.iis(), &plan, &mut journal, &running(&|| false)).unwrap();
    assert_eq!(ids(&remarks), ["record-flag-refused"; 2]);
    let map = SiteMap::of(server.iis()).unwrap();
    let there = map.record(&from.records[0].endpoint).unwrap();
    assert!(there.serves_like(&from.records[0]));
    assert_eq!(there.flags, 2);
    assert!(undo(server.iis(), &mut journal).unwrap().is_empty());
    assert_eq!(server.world(), before);
}

#[test]
fn a_configuration_in_use_for_a_moment_is_waited_for_and_one_that_stays_so_takes_all_back() {
    let (server, state) = (new_server(), state_folder());
    let before = server.world();
    server.keep_busy(3);
    restore_bindings(&server, state.path()).unwrap_err();
    assert_eq!(server.world(), before);
    server.keep_busy(2);
    assert!(restore_bindings(&server, state.path()).unwrap());
    assert_ne!(server.world(), before);
}

#[test]
fn a_key_that_http_sys_does_not_see_yet_is_waited_for_and_costs_no_flag() {
    let records = |unsettled: usize| {
        let (server, state) = (new_server(), state_folder());
        let before = server.world();
        server.unsettle(unsettled);
        let done = restore_bindings(&server, state.path());
        let is_as_before = server.world() == before;
        (done.is_ok(), is_as_before, server.world().2)
    };
    let (settled, slow, never) = (records(0), records(4), records(usize::MAX));
    assert_eq!(slow, settled);
    assert!(slow.0 && !slow.1);
    assert!(!never.0 && never.1);
}

#[test]
fn the_configuration_of_a_farm_is_copied_before_it_is_changed() {
    let (server, state) = (new_server(), state_folder());
    let farm = tempfile::tempdir().unwrap();
    server.share(farm.path());
    let shared = farm.path().join("applicationHost.config");
    let before = std::fs::read(&shared).unwrap();
    assert!(restore_bindings(&server, state.path()).unwrap());
    assert_ne!(std::fs::read(&shared).unwrap(), before);
    let copy = farm
        .path()
        .join("applicationHost.config.pfxvault-19700101-000000");
    assert_eq!(std::fs::read(copy).unwrap(), before);
    // The next one would be written over what is there.
    let world = server.world();
    std::fs::write(&shared, before).unwrap();
    let refused = restore_bindings(&server, state.path()).unwrap_err();
    assert_eq!(refused.text.id, "error-shared-not-copied");
    assert_eq!(server.world(), world);
}

#[test]
fn a_second_run_plans_nothing() {
    let (server, state) = (new_server(), state_folder());
    restore_bindings(&server, state.path()).unwrap();
    let before = server.world();
    assert!(!restore_bindings(&server, state.path()).unwrap());
    assert_eq!(server.world(), before);
    assert_eq!(server.backups().len(), 1);
}

#[test]
fn undo_lets_the_old_bindings_stand_again() {
    let (server, state) = (new_server(), state_folder());
    let before = server.world();
    restore_bindings(&server, state.path()).unwrap();
    assert!(
        undo(server.iis(), &mut journal(state.path()).unwrap())
            .unwrap()
            .is_empty()
    );
    assert_eq!(server.world(), before);
}

#[test]
fn undo_leaves_a_binding_alone_that_someone_changed_since() {
    let (server, state) = (new_server(), state_folder());
    restore_bindings(&server, state.path()).unwrap();
    let renewed = SslBinding {
        flags: 0,
        ..old().records[0].clone()
    };
    server.put_record(renewed.clone());
    let left = undo(server.iis(), &mut journal(state.path()).unwrap()).unwrap();
    assert!(
        left.iter().any(|text| text.id == "left-binding-changed"),
        "{left:?}"
    );
    let map = SiteMap::of(server.iis()).unwrap();
    assert!(map.record(&renewed.endpoint).unwrap().is_same(&renewed));
}

#[test]
fn a_fault_at_any_call_leaves_the_server_as_it_was() {
    let mut calls = 0;
    let server = new_server();
    let looking = server.calls_of(|| {
        SiteMap::of(server.iis()).unwrap();
        look_at_all(server.iis()).unwrap();
    });
    for fault in CallFault::ALL {
        for call in 0.. {
            let (server, state) = (new_server(), state_folder());
            let before = server.world();
            server.arm(call, fault);
            let outcome =
                catch_unwind(AssertUnwindSafe(|| restore_bindings(&server, state.path())));
            if !server.disarm() {
                calls = calls.max(call);
                break;
            }
            match outcome {
                // It hit a look at the key of another program, which may refuse.
                Ok(Ok(true)) if call < looking => continue,
                Ok(result) => assert_eq!(
                    result.unwrap_err().exit,
                    Exit::Failed,
                    "{fault:?} at {call}"
                ),
                Err(died) => assert!(died.is::<Died>(), "{fault:?} at {call}"),
            }
            take_back_interrupted(&server, state.path());
            assert_eq!(server.world(), before, "{fault:?} at {call}");
            assert!(
                restore_bindings(&server, state.path()).unwrap(),
                "it works the next time"
            );
        }
    }
    assert!(
        calls > looking,
        "the fault went through all of {calls} calls"
    );
}

#[test]
fn a_fault_while_taking_back_is_taken_up_by_the_next_try() {
    for fault in CallFault::ALL {
        for call in 0.. {
            let (server, state) = (new_server(), state_folder());
            let before = server.world();
            restore_bindings(&server, state.path()).unwrap();
            server.arm(call, fault);
            let outcome = catch_unwind(AssertUnwindSafe(|| {
                undo(server.iis(), &mut journal(state.path()).unwrap())
            }));
            if !server.disarm() {
                break;
            }
            if let Ok(result) = outcome {
                assert_eq!(
                    result.unwrap_err().exit,
                    Exit::Attention,
                    "{fault:?} at {call}"
                );
            }
            take_back_interrupted(&server, state.path());
            assert_eq!(server.world(), before, "{fault:?} at {call}");
        }
    }
}

/// Where Windows cannot replace a record at once, a process that dies in between leaves none.
#[test]
fn a_record_that_was_lost_between_two_calls_is_put_back() {
    let (server, state) = (new_server(), state_folder());
    let before = server.world();
    restore_bindings(&server, state.path()).unwrap();
    server
        .iis()
        .http
        .remove(&old().records[0].endpoint)
        .unwrap();
    undo(server.iis(), &mut journal(state.path()).unwrap()).unwrap();
    assert_eq!(server.world(), before);
}

#[test]
fn a_host_name_with_a_wildcard_is_not_planned_where_windows_does_not_know_it() {
    let server = new_server();
    let here = SiteMap::of(server.iis()).unwrap();
    let old_windows = SiteMap {
        windows_build: SERVER_2012_R2,
        ..here.clone()
    };
    let mut wildcard = old();
    wildcard.sites[1].bindings = vec![https("*:443:*.example.com", 1)];
    wildcard.records = vec![record(
        &wildcard.sites[1].bindings[0],
        &thumbprint(&PKI.ec.der),
    )];
    let mut mapping = answers();
    mapping.map_site("Shop=Web Shop").unwrap();
    let planned = |here| words(&bindings::plan(&moving(&wildcard, here, &mapping))).remove(1);
    assert!(planned(&old_windows).ends_with(": cannot-wildcard"));
    assert!(planned(&here).ends_with(": add 2"), "{}", planned(&here));
}

#[test]
fn what_cannot_be_is_said_for_each_binding() {
    let server = new_server();
    let here = SiteMap::of(server.iis()).unwrap();
    let plan = |from: &SiteMap, here: &SiteMap, mapping: &Mapping| {
        words(&bindings::plan(&moving(from, here, mapping)))
    };
    let shop = "Shop https *:443:www.example.com";
    assert_eq!(
        plan(&old(), &here, &Mapping::default()),
        [
            "Alone https 192.0.2.1:443:: cannot-no-address".to_owned(),
            format!("{shop}: replace 2"),
            "Files ftp: add 1".to_owned()
        ]
    );
    assert_eq!(
        plan(&old(), &here, &answers())[0],
        "Alone https 192.0.2.1:443:: add 2 bind-address"
    );

    let old_windows = SiteMap {
        windows_build: SERVER_2012_R2,
        ..here.clone()
    };
    let flags = plan(&old(), &old_windows, &answers()).remove(1);
    assert_eq!(
        flags.matches("bind-flag-left-out").count(),
        2,
        "each setting once: {flags}"
    );
    let windows_7 = SiteMap {
        windows_build: 7601,
        ..here.clone()
    };
    assert_eq!(
        plan(&old(), &windows_7, &answers())[1],
        format!("{shop}: cannot-old-windows")
    );

    let mut foreign = here.clone();
    foreign.records[0] = SslBinding {
        app_id: winrm().app_id,
        ..foreign.records[0].clone()
    };
    foreign
        .records
        .iter_mut()
        .for_each(|record| record.app_id = winrm().app_id);
    assert_eq!(
        plan(&old(), &foreign, &answers())[1],
        format!("{shop}: conflict-other-owner")
    );

    let mut elsewhere = here.clone();
    elsewhere.sites.push(site(
        9,
        "Shop",
        vec![binding("http", "*:80:www.example.com", 0)],
    ));
    assert_eq!(
        plan(&old(), &elsewhere, &answers())[1],
        format!("{shop}: conflict-other-site")
    );

    let empty = SiteMap {
        sites: Vec::new(),
        ..here.clone()
    };
    assert!(
        plan(&old(), &empty, &answers())
            .iter()
            .all(|line| line.ends_with("cannot-no-site"))
    );
    let no_ftp = SiteMap {
        sites: vec![site(1, "Files", Vec::new())],
        ..here.clone()
    };
    assert!(plan(&old(), &no_ftp, &answers())[2].ends_with("cannot-no-ftp"));

    let bare = SiteMap {
        records: Vec::new(),
        ..old()
    };
    assert_eq!(
        plan(&bare, &here, &answers())[1],
        format!("{shop}: cannot-no-certificate")
    );
    let mut no_certificate = moving(&bare, &here, &Mapping::default()).certificates;
    no_certificate.clear();
    let (from, mapping) = (old(), answers());
    let without = BindingSource {
        certificates: no_certificate,
        ..moving(&from, &here, &mapping)
    };
    assert!(
        words(&bindings::plan(&without))
            .iter()
            .all(|line| line.ends_with("cannot-certificate-missing"))
    );
}

#[test]
fn only_the_bindings_of_named_certificates_are_planned() {
    let server = new_server();
    let (from, here, mapping) = (old(), SiteMap::of(server.iis()).unwrap(), answers());
    let only = Some(HashSet::from([thumbprint(&PKI.rsa.der)]));
    let plan = bindings::plan(&BindingSource {
        only,
        ..moving(&from, &here, &mapping)
    });
    assert_eq!(
        words(&plan),
        ["Shop https *:443:www.example.com: replace 2"]
    );
}

#[test]
fn bindings_that_share_a_record_bring_it_once_and_two_certificates_for_one_conflict() {
    let (rsa, ec) = (thumbprint(&PKI.rsa.der), thumbprint(&PKI.ec.der));
    let all = https("*:443:", 0);
    let (a, b) = (
        https("*:443:a.example.com", 0),
        https("*:443:b.example.com", 0),
    );
    let from = SiteMap {
        sites: vec![site(1, "A", vec![a.clone()]), site(2, "B", vec![b.clone()])],
        records: vec![SslBinding {
            store: Some("WebHosting".into()),
            ..record(&all, &rsa)
        }],
        ..SiteMap::default()
    };
    let here = SiteMap {
        windows_build: SERVER_2022,
        sites: vec![
            site(5, "A", vec![binding("http", "*:80:", 0)]),
            site(6, "B", Vec::new()),
        ],
        ..SiteMap::default()
    };
    let mapping = Mapping::default();
    let plan = words(&bindings::plan(&moving(&from, &here, &mapping)));
    assert_eq!(
        plan,
        [
            "A https *:443:a.example.com: add 2",
            "B https *:443:b.example.com: add 1"
        ]
    );

    let (one, two) = (https("192.0.2.1:443:", 0), https("192.0.2.2:443:", 0));
    let from = SiteMap {
        sites: vec![
            site(1, "A", vec![one.clone()]),
            site(2, "B", vec![two.clone()]),
        ],
        records: vec![
            SslBinding {
                store: Some("WebHosting".into()),
                ..record(&one, &rsa)
            },
            record(&two, &ec),
        ],
        ..SiteMap::default()
    };
    let mut mapping = Mapping::default();
    mapping.map_address("192.0.2.1=198.51.100.7").unwrap();
    mapping.map_address("192.0.2.2=198.51.100.7").unwrap();
    let plan = words(&bindings::plan(&moving(&from, &here, &mapping)));
    assert!(plan[1].contains("conflict"), "{plan:?}");
}

#[test]
fn a_certificate_that_lies_in_another_store_here_is_taken_from_there() {
    let mut from = old();
    from.records[0].store = Some("MY".into());
    let server = new_server();
    let (here, mapping) = (SiteMap::of(server.iis()).unwrap(), answers());
    let plan = bindings::plan(&moving(&from, &here, &mapping));
    assert_eq!(
        words(&plan)[1],
        "Shop https *:443:www.example.com: replace 2 bind-other-store"
    );
    let Some(Edit::Record {
        after: Some(after), ..
    }) = plan[1].edits().next()
    else {
        panic!()
    };
    assert_eq!(after.store.as_deref(), Some("WebHosting"));
}

#[test]
fn the_central_store_answers_where_it_is_set_up_and_is_not_made_up_where_it_is_not() {
    let shop = https("*:443:www.example.com", 3);
    let central = SslBinding {
        thumbprint: None,
        ..record(&shop, "")
    };
    let from = SiteMap {
        sites: vec![site(2, "Shop", vec![shop])],
        records: vec![central.clone()],
        ..old()
    };
    let here = SiteMap {
        windows_build: SERVER_2022,
        sites: vec![site(7, "Shop", Vec::new())],
        ..SiteMap::default()
    };
    let mapping = Mapping::default();
    let plan = |here: &SiteMap| bindings::plan(&moving(&from, here, &mapping));
    assert_eq!(
        words(&plan(&here)),
        ["Shop https *:443:www.example.com: cannot-central-store"]
    );
    let store = CentralStore {
        location: r"\\files\ccs".into(),
        user: "ccs".into(),
    };
    let settings = Settings {
        central_store: Some(store),
        ..Settings::default()
    };
    let made = plan(&SiteMap { settings, ..here });
    assert_eq!(
        words(&made),
        ["Shop https *:443:www.example.com: add 2 bind-central-store"]
    );
    let made = made[0].edits().next();
    assert!(
        matches!(made, Some(Edit::Record { before: None, after: Some(after) }) if *after == central),
        "{made:?}"
    );
}

#[test]
fn every_binding_is_asked_for_on_this_machine_only() {
    let server = new_server();
    let (from, here, mapping) = (old(), SiteMap::of(server.iis()).unwrap(), answers());
    let plan = bindings::plan(&moving(&from, &here, &mapping));
    let asked: Vec<_> = plan
        .iter()
        .filter_map(|bound| bound.check.as_ref())
        .collect();
    let asked: Vec<_> = asked
        .iter()
        .map(|check| (check.address.to_string(), check.host.as_deref()))
        .collect();
    let shop = ("127.0.0.1:443".to_owned(), Some("www.example.com"));
    assert_eq!(asked, [("198.51.100.7:443".to_owned(), None), shop]);
}

#[test]
fn a_backup_is_of_what_sites_use_and_of_requests_that_wait() {
    let (server, state) = (new_server(), state_folder());
    restore_bindings(&server, state.path()).unwrap();
    let pending = rcgen::generate_simple_self_signed(["pending.example.com".to_owned()]).unwrap();
    let key = link("pending", KeySet::Machine);
    server.put_key(
        &key,
        &pending.signing_key.serialize_der(),
        true,
        ProviderKind::Csp,
    );
    server.put_certificate(StoreName::Request, pending.cert.der(), Some(&key));
    let keyless = rcgen::generate_simple_self_signed(["keyless.example.com".to_owned()]).unwrap();
    server.put_certificate(StoreName::My, keyless.cert.der(), None);
    let now = jiff::Timestamp::now();
    let read = || crate::keystore::holdings(server.iis(), now).unwrap();
    let mut holdings = read();
    retain_used(&mut holdings);
    let mut names: Vec<_> = holdings
        .key_pairs
        .iter()
        .map(|held| held.leaf().display_name())
        .collect();
    names.sort_unstable();
    assert_eq!(
        names,
        ["pending.example.com", "www.example.com", "www.example.com"]
    );
    assert!(holdings.unreadable.is_empty());
    assert_eq!(
        holdings.unused.len(),
        2,
        "the placeholder, and what has no key: {:?}",
        holdings.unused
    );

    let mut without_sites = read();
    let count = without_sites.key_pairs.len();
    without_sites.site_map = None;
    retain_used(&mut without_sites);
    assert_eq!(
        (without_sites.key_pairs.len(), without_sites.unused.len()),
        (count, 0)
    );
}

#[test]
fn another_binding_makes_another_generation_and_another_address_does_not() {
    let server = new_server();
    let digest = || {
        crate::keystore::digest(
            &crate::keystore::holdings(server.iis(), jiff::Timestamp::now()).unwrap(),
        )
    };
    let before = digest();
    server.set_addresses(&["203.0.113.5"]);
    assert_eq!(digest(), before);
    server.put_record(SslBinding {
        flags: 2,
        ..winrm()
    });
    assert_ne!(digest(), before);
}

#[test]
fn what_is_wrong_with_the_bindings_of_a_server_is_named() {
    let server = MemoryServer::default();
    let key = link("key", KeySet::Machine);
    server.put_key(&key, PKI.rsa.pkcs8.expose(), true, ProviderKind::Csp);
    server.put_certificate(StoreName::My, &PKI.rsa.der, Some(&key));
    server.put_certificate(StoreName::My, &PKI.ec.der, None);
    let (rsa, ec) = (thumbprint(&PKI.rsa.der), thumbprint(&PKI.ec.der));
    let sni = |host: &str| https(&format!("*:443:{host}"), 1);
    let sites = [
        ("right", sni("right.example.com")),
        ("keyless", sni("keyless.example.com")),
        ("missing", sni("missing.example.com")),
        ("wrong store", sni("store.example.com")),
        ("falls back", sni("back.example.com")),
        ("without", https("*:8443:", 0)),
        ("alone", https("192.0.2.1:443:", 0)),
        ("every name", https("*:443:", 0)),
    ];
    server.put_record(record(&sites[0].1, &rsa));
    server.put_record(record(&sites[1].1, &ec));
    server.put_record(record(&sites[2].1, "00"));
    server.put_record(SslBinding {
        store: Some("WebHosting".into()),
        ..record(&sites[3].1, &rsa)
    });
    server.put_record(record(&sites[6].1, "01"));
    server.put_record(record(&sites[7].1, &rsa));
    server.install(
        SERVER_2022,
        sites
            .iter()
            .map(|(name, one)| site(1, name, vec![one.clone()]))
            .collect(),
    );
    let map = SiteMap::of(server.iis()).unwrap();
    let seen = crate::iis::look(server.iis(), &StoreName::WITH_KEYS).unwrap();
    let ids = |now: &str| {
        let texts = crate::iis::review(&map, &seen, &[], now.parse().unwrap());
        texts.iter().map(|text| text.id).collect::<Vec<_>>()
    };
    let expected = [
        "site-certificate-keyless",
        "site-certificate-missing",
        "site-certificate-missing",
        "site-falls-back",
        "site-no-certificate",
        "site-certificate-missing",
        "site-shadowed",
        "site-serves-every-name",
    ];
    assert_eq!(ids("2026-11-25T00:00:00Z"), expected);
    let later = ids("9000-01-01T00:00:00Z");
    assert_eq!(
        later
            .iter()
            .filter(|id| **id == "site-certificate-expired")
            .count(),
        2,
        "{later:?}"
    );
}
