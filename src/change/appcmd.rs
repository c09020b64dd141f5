//! The commands of Windows that make the same change as an edit, for those who want to see or to
//! repeat it by hand: in cmd or in PowerShell, whatever a site is called.
//!
//! Microsoft: "netsh http", "Appcmd.exe", iis-docs `binding`.

use super::edit::Edit;
use crate::iis::binding::{self, RECORD_FLAGS};
use crate::iis::sites::SslProperty;
use crate::iis::{Binding, Endpoint, FtpCertificate, SslBinding};
use crate::message::Text;
use crate::text;

/// Flags of a record that no option of `netsh http add sslcert` sets: `no_raw_filter`,
/// `enableclientcorrelation`, `enablecacheclienthello`.
const NOT_IN_NETSH: u32 = 0x4 | 0x2000 | 0x8000;

/// Where a command is typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shell {
    /// Command Prompt.
    Cmd,
    /// Windows PowerShell.
    PowerShell,
}

/// A program of Windows, and what it is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    program: Program,
    arguments: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Program {
    Netsh,
    /// IIS's own, which is not in the search path.
    Appcmd,
}

impl Command {
    fn netsh(arguments: &[&str]) -> Self {
        Self {
            program: Program::Netsh,
            arguments: owned(arguments),
        }
    }

    fn appcmd(arguments: &[&str]) -> Self {
        Self {
            program: Program::Appcmd,
            arguments: owned(arguments),
        }
    }

    /// As it is typed.
    pub fn line(&self, shell: Shell) -> String {
        let program = match (self.program, shell) {
            (Program::Netsh, _) => "netsh",
            (Program::Appcmd, Shell::Cmd) => r"%windir%\System32\inetsrv\appcmd.exe",
            (Program::Appcmd, Shell::PowerShell) => {
                r#"& "$env:windir\System32\inetsrv\appcmd.exe""#
            }
        };
        let quoted = match shell {
            Shell::Cmd => for_cmd,
            Shell::PowerShell => for_powershell,
        };
        let mut line = program.to_owned();
        for argument in &self.arguments {
            line.push(' ');
            line.push_str(&quoted(argument));
        }
        line
    }
}

fn owned(arguments: &[&str]) -> Vec<String> {
    arguments
        .iter()
        .map(|&argument| argument.to_owned())
        .collect()
}

fn is_plain(argument: &str) -> bool {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || ".:/-=".contains(letter);
    argument.chars().all(plain)
}

/// `appid="{…}"`, `"/site.name:R&D"`. Between quotation marks cmd leaves everything alone but `%`;
/// where there is one inside, every letter that it minds has a caret.
fn for_cmd(argument: &str) -> String {
    if is_plain(argument) {
        return argument.to_owned();
    }
    if argument.contains('"') {
        let quoted = format!("\"{}\"", argument.replace('"', "\\\""));
        let minded = |letter: char| "()<>&|^\"!".contains(letter);
        let mut escaped = String::new();
        for letter in quoted.chars() {
            if minded(letter) {
                escaped.push('^');
            }
            escaped.push(letter);
        }
        return escaped;
    }
    match argument.split_once('=') {
        Some((name, value)) if name.chars().all(|letter| letter.is_ascii_lowercase()) => {
            format!("{name}=\"{value}\"")
        }
        _ => format!("\"{argument}\""),
    }
}

/// Between single quotation marks PowerShell leaves everything alone but those, of which it knows
/// five. What is inside for the program needs a backslash (Windows PowerShell 5.1).
fn for_powershell(argument: &str) -> String {
    if is_plain(argument) {
        return argument.to_owned();
    }
    let mut quoted = String::from("'");
    for letter in argument.chars() {
        match letter {
            '\'' | '\u{2018}'..='\u{201b}' => quoted.extend([letter, letter]),
            '"' => quoted.push_str("\\\""),
            _ => quoted.push(letter),
        }
    }
    quoted + "'"
}

/// Its commands, in their order.
pub fn commands(edit: &Edit, build: u32) -> Vec<Command> {
    match edit {
        Edit::Record { before, after } => {
            let mut commands = Vec::new();
            if let Some(before) = before {
                let place = place(&before.endpoint);
                commands.push(Command::netsh(&["http", "delete", "sslcert", &place]));
            }
            if let Some(after) = after {
                commands.push(add_record(&after.with_store(), build));
            }
            commands
        }
        Edit::Binding {
            site,
            before,
            after,
        } => binding_change(before.as_ref(), after.as_ref())
            .map(|change| set_site(site, &[&change]))
            .into_iter()
            .collect(),
        Edit::Ftp { site, after, .. } => {
            let FtpCertificate { thumbprint, store } = after.clone().unwrap_or_default();
            let ssl = "/ftpServer.security.ssl";
            let hash = format!("{ssl}.serverCertHash:{thumbprint}");
            vec![set_site(
                site,
                &[&hash, &format!("{ssl}.serverCertStoreName:{store}")],
            )]
        }
    }
}

/// What no command of [`commands`] does.
pub fn without_command(edit: &Edit, build: u32) -> Option<Text> {
    let Edit::Record {
        after: Some(after), ..
    } = edit
    else {
        return None;
    };
    let left = after.flags & !flags_in_netsh(after.flags, build);
    let flags = binding::names(&RECORD_FLAGS, left).join(", ");
    let endpoint = after.endpoint.to_string();
    (left != 0).then(|| text!("bind-commands-without", endpoint = endpoint, flags = flags))
}

fn flags_in_netsh(flags: u32, build: u32) -> u32 {
    binding::known(&RECORD_FLAGS, flags, build) & !NOT_IN_NETSH
}

/// Stops a site and starts it.
pub fn restart(site: &str) -> [Command; 2] {
    let name = site_name(site);
    ["stop", "start"].map(|action| Command::appcmd(&[action, "site", &name]))
}

/// The whole argument is the name, so that nothing in it has a meaning of its own.
fn site_name(site: &str) -> String {
    format!("/site.name:{site}")
}

fn set_site(site: &str, changes: &[&str]) -> Command {
    let name = site_name(site);
    Command::appcmd(&[&["set", "site", &name], changes].concat())
}

fn binding_change(before: Option<&Binding>, after: Option<&Binding>) -> Option<String> {
    let key = |b: &Binding| {
        format!(
            "protocol='{}',bindingInformation='{}'",
            b.protocol, b.information
        )
    };
    match (before, after) {
        (Some(before), Some(after)) => Some(format!(
            "/bindings.[{}].sslFlags:{}",
            key(before),
            after.ssl_flags
        )),
        (Some(before), None) => Some(format!("/-bindings.[{}]", key(before))),
        (None, Some(after)) => Some(format!(
            "/+bindings.[{},sslFlags='{}']",
            key(after),
            after.ssl_flags
        )),
        (None, None) => None,
    }
}

/// The command that makes a property.
pub(super) fn property(property: &SslProperty) -> String {
    format!(
        "netsh http update sslpropertyex {} {}",
        place(&property.endpoint),
        property.value
    )
}

fn place(endpoint: &Endpoint) -> String {
    match endpoint {
        Endpoint::Address { .. } => format!("ipport={endpoint}"),
        Endpoint::Name { .. } => format!("hostnameport={endpoint}"),
        Endpoint::Central { port } => format!("ccs={port}"),
    }
}

fn add_record(record: &SslBinding, build: u32) -> Command {
    let SslBinding {
        endpoint,
        thumbprint,
        store,
        app_id,
        ctl_identifier,
        ctl_store,
        ..
    } = record;
    let option = |name: &str, value: &Option<String>| {
        let value = value.as_ref().filter(|value| !value.is_empty())?;
        Some(format!("{name}={value}"))
    };
    let mode = |bit: u32, words: &str| (record.check_mode & bit != 0).then(|| words.to_owned());
    let time = |name: &str, value: u32| (value != 0).then(|| format!("{name}={value}"));
    let options = [
        Some(place(endpoint)),
        option("certhash", thumbprint),
        Some(format!("appid={app_id}")),
        option("certstorename", store),
        option("sslctlidentifier", ctl_identifier),
        option("sslctlstorename", ctl_store),
        // Microsoft: DefaultCertCheckMode.
        mode(1, "verifyclientcertrevocation=disable"),
        mode(2, "verifyrevocationwithcachedclientcertonly=enable"),
        mode(0x1_0000, "usagecheck=disable"),
        time("revocationfreshnesstime", record.freshness),
        time("urlretrievaltimeout", record.url_timeout),
    ];
    let flags = binding::names(&RECORD_FLAGS, flags_in_netsh(record.flags, build));
    let flags = flags.iter().map(|flag| format!("{flag}=enable"));
    let mut command = Command::netsh(&["http", "add", "sslcert"]);
    command
        .arguments
        .extend(options.into_iter().flatten().chain(flags));
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVER_2022: u32 = 20_348;
    const SERVER_2016: u32 = 14_393;

    fn lines(edit: &Edit, shell: Shell, build: u32) -> Vec<String> {
        let commands = commands(edit, build);
        commands.iter().map(|command| command.line(shell)).collect()
    }

    fn record(flags: u32) -> SslBinding {
        let endpoint = Endpoint::Name {
            host: "h".into(),
            port: 443,
        };
        SslBinding {
            store: Some("WebHosting".into()),
            check_mode: 1,
            ctl_store: Some("ClientAuthIssuer".into()),
            flags,
            ..SslBinding::new(endpoint, "AB".into())
        }
    }

    #[test]
    fn a_record_is_made_with_the_options_that_netsh_has_and_the_rest_is_named() {
        let edit = |flags| Edit::Record {
            before: Some(record(0)),
            after: Some(record(flags)),
        };
        let known = "netsh http add sslcert hostnameport=h:443 certhash=AB appid=\"{4DC3E181-E14B-4A21-B022-59FC669B0914}\" \
            certstorename=WebHosting sslctlstorename=ClientAuthIssuer verifyclientcertrevocation=disable \
            clientcertnegotiation=enable";
        let cmd = |flags, build| lines(&edit(flags), Shell::Cmd, build);
        assert_eq!(
            cmd(0x12, SERVER_2022),
            [
                "netsh http delete sslcert hostnameport=h:443".to_owned(),
                format!("{known} disablehttp2=enable")
            ]
        );
        assert_eq!(cmd(0x12, SERVER_2016)[1], known);
        assert_eq!(cmd(0x8000_a006, u32::MAX - 1)[1], known);
        let left = |flags, build| without_command(&edit(flags), build);
        assert_eq!(left(0x12, SERVER_2022), None);
        let said = |flags: &str| {
            let endpoint = "h:443";
            Some(text!(
                "bind-commands-without",
                endpoint = endpoint,
                flags = flags
            ))
        };
        assert_eq!(left(0x12, SERVER_2016), said("disablehttp2"));
        let all = "no_raw_filter, enableclientcorrelation, enablecacheclienthello, 0x80000000";
        assert_eq!(left(0x8000_a006, 26_100), said(all));
        let powershell = &lines(&edit(0), Shell::PowerShell, SERVER_2022)[1];
        let quoted = "'appid={4DC3E181-E14B-4A21-B022-59FC669B0914}' certstorename=WebHosting";
        assert!(powershell.contains(quoted), "{powershell}");
    }

    /// What public transcripts show, see tests/windows/forms/README.md.
    const USAGE: &str = include_str!("../../tests/windows/forms/netsh-add-sslcert-usage.txt");
    const SHOWN: &str = include_str!("../../tests/windows/forms/netsh-show-sslcert.2025.txt");
    const SHOWN_2016: &str = include_str!("../../tests/windows/forms/netsh-show-sslcert.2016.txt");

    fn options(line: &str) -> Vec<&str> {
        let words = line.split(' ').skip(4);
        words
            .filter_map(|word| Some(word.split_once('=')?.0))
            .collect()
    }

    #[test]
    fn netsh_says_of_every_option_that_it_has_it() {
        let everything = SslBinding {
            check_mode: 0x1_0003,
            freshness: 1,
            url_timeout: 1,
            ctl_identifier: Some("I".into()),
            ..record(u32::MAX)
        };
        let edit = Edit::Record {
            before: None,
            after: Some(everything),
        };
        let printed = |build| lines(&edit, Shell::PowerShell, build).concat();
        let (line, newest) = (printed(20_348), printed(26_100));
        for option in options(&line.replace('\'', "")) {
            assert!(USAGE.contains(&format!("{option}=")), "{option}");
        }
        // The one option that Server 2025 has more, and shows.
        assert_eq!(newest, line + " disablesessionid=enable");
    }

    #[test]
    fn what_netsh_shows_as_set_is_what_is_printed_to_set_it() {
        let edit = |flags| Edit::Record {
            before: None,
            after: Some(record(flags)),
        };
        let plain = lines(&edit(0), Shell::Cmd, 26_100).concat();
        let set = 0x10 | 0x20 | 0x100 | 0x200 | 0x400 | 0x800 | 0x4000;
        let line = lines(&edit(set), Shell::Cmd, 26_100).concat();
        let printed = options(&line).split_off(options(&plain).len());
        let mut shown = Vec::new();
        for line in SHOWN.lines().filter(|line| line.ends_with(": Set")) {
            let (label, _) = line.split_once(" :").unwrap();
            let label = label.trim().to_lowercase().replace([' ', '.'], "");
            shown.push(label.trim_end_matches("versions").to_owned());
        }
        shown.sort_unstable();
        let mut sorted = printed.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, shown);
        for field in ["Hostname:port ", "IP:port ", "Certificate Store Name "] {
            assert!(SHOWN_2016.contains(field));
        }
    }

    #[test]
    fn a_store_is_always_named() {
        let edit = Edit::Record {
            before: None,
            after: Some(SslBinding {
                store: None,
                ..record(0)
            }),
        };
        assert!(lines(&edit, Shell::Cmd, SERVER_2022)[0].contains(" certstorename=MY "));
    }

    #[test]
    fn sites_of_any_name_are_meant_in_both_shells() {
        let binding = |ssl_flags| {
            Some(Binding {
                protocol: "https".into(),
                information: "*:443:h".into(),
                ssl_flags,
            })
        };
        let key = "protocol='https',bindingInformation='*:443:h'";
        let doubled = key.replace('\'', "''");
        let (cmd, powershell) = (
            r"%windir%\System32\inetsrv\appcmd.exe",
            r#"& "$env:windir\System32\inetsrv\appcmd.exe""#,
        );
        for (site, in_cmd, in_powershell) in [
            ("S", "/site.name:S", "/site.name:S"),
            ("R&D", r#""/site.name:R&D""#, "'/site.name:R&D'"),
            (
                "Shop's 店舗",
                r#""/site.name:Shop's 店舗""#,
                "'/site.name:Shop''s 店舗'",
            ),
            ("Shop’s", r#""/site.name:Shop’s""#, "'/site.name:Shop’’s'"),
            (
                "a [b] $c",
                r#""/site.name:a [b] $c""#,
                "'/site.name:a [b] $c'",
            ),
            (
                r#"x "y" & z"#,
                r#"^"/site.name:x \^"y\^" ^& z^""#,
                r#"'/site.name:x \"y\" & z'"#,
            ),
        ] {
            for (before, after, in_both) in [
                (None, binding(1), format!("/+bindings.[{key},sslFlags='1']")),
                (binding(1), None, format!("/-bindings.[{key}]")),
                (
                    binding(1),
                    binding(97),
                    format!("/bindings.[{key}].sslFlags:97"),
                ),
            ] {
                let edit = Edit::Binding {
                    site: site.into(),
                    before,
                    after,
                };
                let line = |shell| lines(&edit, shell, SERVER_2022).concat();
                let change = in_both.replace(key, &doubled).replace("'1'", "''1''");
                assert_eq!(
                    line(Shell::Cmd),
                    format!("{cmd} set site {in_cmd} \"{in_both}\"")
                );
                assert_eq!(
                    line(Shell::PowerShell),
                    format!("{powershell} set site {in_powershell} '{change}'")
                );
            }
        }
        let [stop, start] = restart("R&D").map(|command| command.line(Shell::Cmd));
        assert_eq!(stop, format!("{cmd} stop site \"/site.name:R&D\""));
        assert_eq!(start, format!("{cmd} start site \"/site.name:R&D\""));
    }

    #[test]
    fn the_certificate_of_ftp_is_set_by_its_site() {
        let edit = Edit::Ftp {
            site: "S".into(),
            before: None,
            after: Some(FtpCertificate {
                thumbprint: "AB".into(),
                store: "MY".into(),
            }),
        };
        let line = lines(&edit, Shell::Cmd, SERVER_2022).concat();
        let set = "set site /site.name:S /ftpServer.security.ssl.serverCertHash:AB \
            /ftpServer.security.ssl.serverCertStoreName:MY";
        assert!(line.ends_with(set), "{line}");
    }
}
