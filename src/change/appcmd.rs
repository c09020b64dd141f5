//! The commands of Windows that make the same change as an edit, for those who want to see or to
//! repeat it by hand.
//!
//! Microsoft: "netsh http", "Appcmd.exe", iis-docs `binding`.

use super::edit::Edit;
use crate::iis::binding::RECORD_FLAGS;
use crate::iis::sites::SslProperty;
use crate::iis::{Binding, Endpoint, FtpCertificate, SslBinding};

/// Its command lines, in their order.
pub fn commands(edit: &Edit) -> Vec<String> {
    match edit {
        Edit::Record { before, after } => {
            let delete = before
                .as_ref()
                .map(|record| format!("netsh http delete sslcert {}", place(&record.endpoint)));
            delete
                .into_iter()
                .chain(after.as_ref().map(add_record))
                .collect()
        }
        Edit::Binding {
            site,
            before,
            after,
        } => vec![binding(site, before.as_ref(), after.as_ref())],
        Edit::Ftp { site, after, .. } => {
            let FtpCertificate { thumbprint, store } = after.clone().unwrap_or_default();
            let ssl = format!("[name='{site}'].ftpServer.security.ssl");
            vec![set_sites(&format!(
                "\"/{ssl}.serverCertHash:{thumbprint}\" \"/{ssl}.serverCertStoreName:{store}\""
            ))]
        }
    }
}

fn set_sites(what: &str) -> String {
    format!("appcmd set config -section:system.applicationHost/sites {what} /commit:apphost")
}

fn binding(site: &str, before: Option<&Binding>, after: Option<&Binding>) -> String {
    let key = |b: &Binding| {
        format!(
            "protocol='{}',bindingInformation='{}'",
            b.protocol, b.information
        )
    };
    set_sites(&match (before, after) {
        (Some(before), Some(after)) => {
            format!(
                "\"/[name='{site}'].bindings.[{}].sslFlags:{}\"",
                key(before),
                after.ssl_flags
            )
        }
        (Some(before), None) => format!("/-\"[name='{site}'].bindings.[{}]\"", key(before)),
        (None, Some(after)) => {
            format!(
                "/+\"[name='{site}'].bindings.[{},sslFlags='{}']\"",
                key(after),
                after.ssl_flags
            )
        }
        (None, None) => String::new(),
    })
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

fn add_record(record: &SslBinding) -> String {
    let SslBinding {
        endpoint,
        thumbprint,
        store,
        app_id,
        ctl_identifier,
        ctl_store,
        ..
    } = record;
    let option =
        |name: &str, value: &Option<String>| value.as_ref().map(|value| format!(" {name}={value}"));
    let flag = |bit: u32, name: &str| (record.flags & bit != 0).then(|| format!(" {name}=enable"));
    let mode = |bit: u32, words: &str| (record.check_mode & bit != 0).then(|| format!(" {words}"));
    let time = |name: &str, value: u32| (value != 0).then(|| format!(" {name}={value}"));
    // netsh does not know the flag for raw filters.
    let flags = RECORD_FLAGS
        .iter()
        .filter(|known| known.bit != 4)
        .filter_map(|known| flag(known.bit, known.name));
    let options = [
        option("certhash", thumbprint),
        Some(format!(" appid={app_id}")),
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
    let options: String = options.into_iter().flatten().chain(flags).collect();
    format!("netsh http add sslcert {}{options}", place(endpoint))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_edit_has_its_commands() {
        let binding = |ssl_flags| {
            Some(Binding {
                protocol: "https".into(),
                information: "*:443:h".into(),
                ssl_flags,
            })
        };
        let record = SslBinding {
            store: Some("WebHosting".into()),
            check_mode: 1,
            ctl_store: Some("ClientAuthIssuer".into()),
            flags: 0x12,
            ..SslBinding::new(
                Endpoint::Name {
                    host: "h".into(),
                    port: 443,
                },
                "AB".into(),
            )
        };
        let lines = |edit: Edit| commands(&edit).join("\n");
        assert_eq!(
            lines(Edit::Record {
                before: Some(record.clone()),
                after: Some(record)
            }),
            "netsh http delete sslcert hostnameport=h:443\nnetsh http add sslcert hostnameport=h:443 certhash=AB \
             appid={4DC3E181-E14B-4A21-B022-59FC669B0914} certstorename=WebHosting sslctlstorename=ClientAuthIssuer \
             verifyclientcertrevocation=disable clientcertnegotiation=enable disablehttp2=enable"
        );
        let set = "appcmd set config -section:system.applicationHost/sites";
        for (before, after, what) in [
            (
                None,
                binding(1),
                "/+\"[name='S'].bindings.[protocol='https',bindingInformation='*:443:h',sslFlags='1']\"",
            ),
            (
                binding(1),
                None,
                "/-\"[name='S'].bindings.[protocol='https',bindingInformation='*:443:h']\"",
            ),
            (
                binding(1),
                binding(97),
                "\"/[name='S'].bindings.[protocol='https',bindingInformation='*:443:h'].sslFlags:97\"",
            ),
        ] {
            let edit = Edit::Binding {
                site: "S".into(),
                before,
                after,
            };
            assert_eq!(lines(edit), format!("{set} {what} /commit:apphost"));
        }
        let after = Some(FtpCertificate {
            thumbprint: "AB".into(),
            store: "MY".into(),
        });
        assert!(
            lines(Edit::Ftp {
                site: "S".into(),
                before: None,
                after
            })
            .contains("serverCertHash:AB")
        );
    }
}
