//! The two names that lie beside a key pair in a PFX: that of its certificate, which people know,
//! and that of the container that held the key, which nobody chose.

/// What may stand in front of the GUID in a container's name: Windows' own tools write these.
const PREFIXES: [&str; 9] = [
    "",
    "te-",
    "tp-",
    "tq-",
    "le-",
    "lp-",
    "lr-",
    "pvktmp:",
    "le-webserver-",
];
/// What IIS Express calls the container of its certificate.
const IIS_EXPRESS: &str = "iis express development certificate container";

/// The friendly name and the container's name, from the names beside certificate and key.
///
/// Windows writes the container's name on the key and the friendly name on the certificate; OpenSSL
/// and Java write one name on both; others only one on the key. With a provider beside the key, its
/// file was written by Windows.
pub(super) fn labels_of(
    certificate: Option<String>,
    key: Option<String>,
    has_provider: bool,
) -> (Option<String>, Option<String>) {
    let certificate = certificate.filter(|name| !name.is_empty());
    let key = key.filter(|name| !name.is_empty());
    if certificate == key {
        return (certificate, None);
    }
    let is_container = |name: &String| has_provider || is_container_name(name);
    if certificate.is_some() || key.as_ref().is_some_and(is_container) {
        return (certificate, key);
    }
    (key, None)
}

/// Whether a name is one that Windows gives to a container: `te-GUID`, `{GUID}`, `PvkTmp:GUID`, or
/// that of its file, 32 hexadecimal digits and what tells the machine.
fn is_container_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    if name == IIS_EXPRESS {
        return true;
    }
    let bare = name
        .strip_prefix('{')
        .and_then(|name| name.strip_suffix('}'));
    if bare.is_some_and(is_guid) {
        return true;
    }
    let is_prefixed = |prefix: &&str| name.strip_prefix(*prefix).is_some_and(is_guid);
    if PREFIXES.iter().any(is_prefixed) {
        return true;
    }
    let file = name.split_once('_');
    file.is_some_and(|(digits, _)| digits.len() == 32 && is_hex(digits))
}

fn is_guid(text: &str) -> bool {
    let lengths = text.split('-').map(str::len);
    lengths.eq([8, 4, 4, 4, 12]) && text.split('-').all(is_hex)
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|digit| digit.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_containers_are_told_from_names_of_people() {
        let guid = "3f2a61c0-7d1e-4b0a-9A55-1b1d6f5ad2f0";
        let file = format!("7a436fe806e483969f48a894af2fe9a1_{guid}");
        for name in ["te-", "tp-", "lp-", "LE-", "PvkTmp:", ""] {
            assert!(is_container_name(&format!("{name}{guid}")), "{name}");
        }
        assert!(is_container_name(&format!("{{{guid}}}")) && is_container_name(&file));
        assert!(is_container_name(&format!("le-WebServer-{guid}")));
        assert!(is_container_name(
            "IIS Express Development Certificate Container"
        ));
        for name in [
            "Shop 2026",
            "te-shop",
            "te-",
            "{}",
            "www.example.com",
            "a_b",
            "te-3f2a61c0-7d1e",
        ] {
            assert!(!is_container_name(name), "{name}");
        }
    }
}
