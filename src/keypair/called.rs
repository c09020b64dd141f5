//! What people call a key pair.

use super::Certificate;
use super::host::is_same_host;

/// What a certificate says that it is for.
pub fn labels(certificate: &Certificate) -> impl Iterator<Item = &str> {
    let names = [Some(certificate.display_name()), certificate.common_name()];
    names
        .into_iter()
        .flatten()
        .chain(certificate.dns_names().iter().map(String::as_str))
}

/// Whether `name`, as typed or pasted, means a key pair with this thumbprint and these labels. `_.`
/// and `*.` are one; a thumbprint may carry blanks, colons, and the invisible mark that the
/// certificate dialog puts in front of it.
pub fn is_called<'a>(
    name: &str,
    thumbprint: &str,
    mut labels: impl Iterator<Item = &'a str>,
) -> bool {
    let digits: String = name.chars().filter(char::is_ascii_hexdigit).collect();
    let only_digits = name
        .chars()
        .all(|c| c.is_ascii_hexdigit() || matches!(c, ' ' | ':' | '\u{200e}' | '\u{200f}'));
    if only_digits && digits.len() >= 8 && thumbprint.starts_with(&digits.to_ascii_uppercase()) {
        return true;
    }
    let name = name
        .strip_prefix("_.")
        .map_or_else(|| name.to_owned(), |rest| format!("*.{rest}"));
    labels.any(|label| is_same_host(label, &name))
}

/// A host name as a file of the Central Certificate Store has it: a `*` stands there as `_`.
pub fn as_file_name(name: &str) -> String {
    match name.strip_prefix("*.") {
        Some(domain) => format!("_.{domain}"),
        None => name.to_owned(),
    }
}
