//! What else than IIS uses certificates, and who renews them, as a machine keeps it.

use std::fs;
use std::path::Path;
use std::process::Command;

use pfxvault::iis::SiteConfig;
use pfxvault::platform::windows::LocalMachine;

use crate::keys::one_at_a_time;
use crate::under_wine;

const ONE: &str = "0102030405060708090A0B0C0D0E0F1011121314";

fn add(key: &str, name: &str, kind: &str, value: &str) {
    let key = format!(r"HKLM\{key}");
    let done = Command::new("reg")
        .args(["add", &key, "/v", name, "/t", kind, "/d", value, "/f"])
        .status();
    assert!(done.unwrap().success(), "{key}");
}

/// Only under Wine, whose registry is gone with the test program.
#[test]
fn what_the_registry_and_files_of_a_machine_name_is_found() {
    let _machine = one_at_a_time();
    if !under_wine() {
        return;
    }
    let rdp = r"SYSTEM\CurrentControlSet\Control\Terminal Server\WinStations\RDP-Tcp";
    add(rdp, "SSLCertificateSHA1Hash", "REG_BINARY", ONE);
    let listener = r"SOFTWARE\Microsoft\Windows\CurrentVersion\WSMAN\Listener\*+HTTPS";
    add(listener, "certThumbprint", "REG_SZ", &ONE.to_lowercase());
    let sql = r"SOFTWARE\Microsoft\Microsoft SQL Server\MSSQL16.SHOP\MSSQLServer\SuperSocketNetLib";
    add(sql, "Certificate", "REG_SZ", &ONE.to_lowercase());
    add(
        r"SYSTEM\CurrentControlSet\Services\TSGateway",
        "Start",
        "REG_DWORD",
        "2",
    );
    fs::create_dir_all(r"C:\ProgramData\simple-acme").unwrap();
    let tasks = Path::new(r"C:\windows\System32\Tasks");
    fs::create_dir_all(tasks).unwrap();
    let task = "simple-acme renew (acme-v02.api.letsencrypt.org)";
    fs::write(tasks.join(task), "<Task><Actions/></Task>").unwrap();

    let settings = LocalMachine.settings();
    let shown = settings
        .others
        .iter()
        .map(|one| format!("{} {}", one.shown(), one.thumbprint));
    assert_eq!(
        shown.collect::<Vec<_>>(),
        [
            format!("Remote Desktop {ONE}"),
            format!("WinRM (*+HTTPS) {ONE}"),
            format!("SQL Server (MSSQL16.SHOP) {ONE}"),
        ]
    );
    assert_eq!(settings.silent, ["RD Gateway"]);
    let places = [
        r"C:\ProgramData\simple-acme".to_owned(),
        format!("Task Scheduler: {task}"),
    ];
    assert_eq!(settings.renewers.len(), 1);
    assert_eq!(settings.renewers[0].program, "simple-acme");
    assert_eq!(settings.renewers[0].places, places);
}
