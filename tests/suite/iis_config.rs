//! Configurations of IIS: small ones of our own, each with what is read from it in
//! tests/iis-config/expected.txt, absurd ones, and a real one. The real one is no part of this
//! repository: `PFXVAULT_CORPUS` names the folder, else it is looked for beside the checkout.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use pfxvault::console::{Console, Language};
use pfxvault::iis::config::{self, Config};
use pfxvault::iis::{FtpCertificate, Site};
use pfxvault::message::Text;
use pfxvault::text;

const NO_FILE: fn(&str) -> Result<Vec<u8>, Text> = |_| Err(text!("os-not-found"));

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/iis-config")
}

fn ftp(certificate: Option<&FtpCertificate>) -> String {
    certificate.map_or(String::new(), |ftp| {
        format!("\n  ftp {} in {}", ftp.thumbprint, ftp.store)
    })
}

fn describe_site(site: &Site) -> String {
    let mut words = format!("site {} {}", site.id, site.name);
    for binding in &site.bindings {
        let endpoint = binding
            .endpoint()
            .map_or(String::new(), |endpoint| format!(" -> {endpoint}"));
        let _ = write!(
            words,
            "\n  {} {} {}{endpoint}",
            binding.protocol, binding.information, binding.ssl_flags
        );
    }
    for folder in &site.folders {
        let _ = write!(words, "\n  folder {folder}");
    }
    words + &ftp(site.ftp.as_ref())
}

fn describe(config: &Config) -> String {
    let mut lines: Vec<String> = config.sites.iter().map(describe_site).collect();
    lines.extend(
        config
            .ftp_defaults
            .as_ref()
            .map(|defaults| format!("defaults{}", ftp(Some(defaults)))),
    );
    lines.extend(
        config
            .locations
            .iter()
            .map(|path| format!("location {path}")),
    );
    lines.join("\n")
}

/// What becomes of a fixture, in words.
fn outcome(name: &str, bytes: &[u8]) -> String {
    let refused = |reason: Text| {
        format!(
            "refused: {}",
            Console::new(Language::En, false, false).words(&reason)
        )
    };
    if name.starts_with("redirection-") {
        let path = |path: Option<String>| path.map_or("here".into(), |path| format!("to {path}"));
        return config::parse_redirection(bytes).map_or_else(refused, path);
    }
    let beside = |name: &str| fs::read(fixtures().join(name)).map_err(|_| text!("os-not-found"));
    config::parse(bytes, &beside).map_or_else(refused, |config| describe(&config))
}

#[test]
fn every_configuration_is_read_or_refused_as_expected() {
    let mut names: Vec<_> = fs::read_dir(fixtures())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    names.retain(|path| {
        path.extension()
            .is_some_and(|extension| extension == "config")
    });
    names.sort();
    let mut found = String::new();
    for path in &names {
        let name = path.file_stem().unwrap().to_str().unwrap();
        let _ = write!(
            found,
            "[{name}]\n{}\n\n",
            outcome(name, &fs::read(path).unwrap())
        );
    }
    let expected = fs::read_to_string(fixtures().join("expected.txt")).unwrap_or_default();
    assert!(
        names.len() >= 40 && found.trim() == expected.trim(),
        "found:\n{found}"
    );
}

fn many_sites(count: usize) -> String {
    let site = |n: usize| {
        format!(
            r#"<site name="Site {n}" id="{n}"><application path="/"><virtualDirectory path="/" physicalPath="D:\sites\{n}" />
            </application><bindings><binding protocol="http" bindingInformation="*:80:site{n}.example.com" />
            <binding protocol="https" bindingInformation="*:443:site{n}.example.com" sslFlags="1" /></bindings></site>"#
        )
    };
    let sites: String = (1..=count).map(site).collect();
    format!(
        "<configuration><system.applicationHost><sites>{sites}</sites></system.applicationHost></configuration>"
    )
}

#[test]
fn five_hundred_sites_are_read() {
    let config = config::parse(many_sites(500).as_bytes(), &NO_FILE).unwrap();
    assert_eq!(config.sites.len(), 500);
    assert_eq!(
        config.sites[499].bindings[1]
            .endpoint()
            .unwrap()
            .to_string(),
        "site500.example.com:443"
    );
}

/// A content security policy names a hash for each script, each between apostrophes.
#[test]
fn a_long_value_with_quotes_in_it_is_no_attack() {
    let sources: String = (0..5000).map(|n| format!(" 'sha256-{n:043}='")).collect();
    let others = "it's ".repeat(1000);
    let bytes = format!(
        "<configuration><a policy=\"script-src{sources}\" other='{}'/><!-- {others}<b x=\"\"> {others} -->{others}\
         <system.applicationHost><sites><site name=\"A\" id=\"1\"/></sites></system.applicationHost></configuration>",
        "\"".repeat(1000)
    );
    let config = config::parse(bytes.as_bytes(), &NO_FILE).unwrap();
    assert_eq!(config.sites[0].name, "A");
    let attributes: String = (0..300).map(|n| format!(" a{n}='>\"'")).collect();
    let refused = config::parse(format!("<configuration{attributes}/>").as_bytes(), &NO_FILE);
    assert_eq!(refused.unwrap_err().id, "config-absurd");
}

#[test]
fn what_would_take_the_parser_too_long_is_refused_before_it_is_parsed() {
    let attributes: String = (0..200_000).map(|n| format!(" a{n}=''")).collect();
    let namespaces: String = (0..50_000)
        .map(|n| format!("<a xmlns:n{n}='u{n}'>"))
        .collect();
    for (what, bytes, reason) in [
        (
            "attributes",
            format!("<configuration{attributes}/>"),
            "config-absurd",
        ),
        ("namespaces", namespaces, "config-absurd"),
        (
            "elements",
            format!("<configuration>{}</configuration>", "<a/>".repeat(600_000)),
            "config-absurd",
        ),
        ("depth", "<configuration>".repeat(100_000), "config-no-xml"),
        ("size", many_sites(40_000), "os-too-large"),
    ] {
        assert_eq!(
            config::parse(bytes.as_bytes(), &NO_FILE).unwrap_err().id,
            reason,
            "{what}"
        );
    }
}

#[test]
fn a_configuration_may_be_nested_as_deep_as_it_likes() {
    let deep = format!(
        "<configuration>{}{}</configuration>",
        "<a>".repeat(200_000),
        "</a>".repeat(200_000)
    );
    assert_eq!(
        config::parse(deep.as_bytes(), &NO_FILE).unwrap(),
        Config::default()
    );
}

#[test]
fn a_task_is_enabled_unless_it_says_otherwise() {
    let schema = "http://schemas.microsoft.com/windows/2004/02/mit/task";
    let trigger = "<Triggers><EventTrigger><Enabled>false</Enabled></EventTrigger></Triggers>";
    let task = |settings: &str| {
        let task = format!(
            r#"<Task version="1.2" xmlns="{schema}">{trigger}<Settings>{settings}</Settings></Task>"#
        );
        let task = format!("\u{feff}<?xml version=\"1.0\" encoding=\"UTF-16\"?>{task}");
        config::task_is_enabled(
            &task
                .encode_utf16()
                .flat_map(u16::to_le_bytes)
                .collect::<Vec<_>>(),
        )
    };
    assert_eq!(task("<Priority>7</Priority>"), Some(true));
    assert_eq!(task("<Enabled>true</Enabled>"), Some(true));
    assert_eq!(task("<Enabled>false</Enabled>"), Some(false));
    assert_eq!(task("</Settings>"), None);
    assert_eq!(config::task_is_enabled(b"<configuration />"), None);
}

#[test]
fn the_folder_that_redirection_leads_to_counts() {
    let (here, shared) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let copy = |name: &str, folder: &Path, file: &str| {
        fs::copy(fixtures().join(name), folder.join(file)).unwrap();
    };
    copy(
        "default-web-site.config",
        here.path(),
        config::APPLICATION_HOST,
    );
    let name = |folder: &Path| {
        config::read_folder(folder).unwrap().config.sites[0]
            .name
            .clone()
    };
    assert_eq!(
        name(here.path()),
        "Default Web Site",
        "without a redirection.config"
    );
    copy("redirection-false.config", here.path(), config::REDIRECTION);
    assert_eq!(config::read_folder(here.path()).unwrap().shared, None);
    copy("sni.config", shared.path(), config::APPLICATION_HOST);
    let redirection = format!(
        r#"<configuration><configurationRedirection enabled="true" path="{}" /></configuration>"#,
        shared.path().display()
    );
    fs::write(here.path().join(config::REDIRECTION), redirection).unwrap();
    assert_eq!(name(here.path()), "Shop");
    assert_eq!(
        config::read_folder(here.path()).unwrap().shared.as_deref(),
        Some(shared.path())
    );
    fs::remove_file(shared.path().join(config::APPLICATION_HOST)).unwrap();
    assert_eq!(
        config::read_folder(here.path()).unwrap_err().text.id,
        "error-iis-config"
    );
}

#[test]
#[ignore = "needs the files of other implementations: tests/run asks for it"]
fn a_real_configuration_is_read() {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus");
    let folder = std::env::var_os("PFXVAULT_CORPUS")
        .map_or_else(beside, PathBuf::from)
        .join("iis-config");
    let file = folder.join("mattgillard+iis-reverse-proxy/applicationHost.config");
    let config = config::read_file(&file).unwrap();
    let expected = "site 1 Default Web Site\n  http *:80: 0\n  https *:443: 0 -> 0.0.0.0:443\n  folder %SystemDrive%\\inetpub\\wwwroot";
    assert_eq!(
        config.sites.iter().map(describe_site).collect::<Vec<_>>(),
        [expected]
    );
    assert_eq!(config.locations, ["Default Web Site"]);
}

/// Whatever a disk makes of a configuration: it is read or refused, at once.
#[test]
fn a_damaged_configuration_is_no_reason_to_stop() {
    for entry in fs::read_dir(fixtures()).unwrap() {
        let whole = fs::read(entry.unwrap().path()).unwrap();
        for at in (0..whole.len()).step_by(7) {
            for damage in [0, b'<', b'"', 0xff] {
                let mut bytes = whole.clone();
                bytes[at] = damage;
                let _ = config::parse(&bytes, &NO_FILE);
                let _ = config::parse_redirection(&bytes[..at]);
            }
        }
    }
}
