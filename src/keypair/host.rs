//! Host names in the one form that DNS, TLS and certificates have, whatever alphabet they are typed in.

use std::borrow::Cow;

/// A host name in ASCII and lower case: letters beyond ASCII become A-labels (RFC 5890 section
/// 2.3.2.1) as browsers map them (UTS #46); `*` and `_` stay. A name that has no such form only
/// loses its capitals.
pub fn ascii_host(name: &str) -> Cow<'_, str> {
    if name.is_ascii() {
        return match name.bytes().any(|byte| byte.is_ascii_uppercase()) {
            true => Cow::Owned(name.to_ascii_lowercase()),
            false => Cow::Borrowed(name),
        };
    }
    idna::domain_to_ascii_cow(name.as_bytes(), idna::AsciiDenyList::EMPTY).map_or_else(
        |_| Cow::Owned(name.to_lowercase()),
        |host| host.into_owned().into(),
    )
}

/// A host name as people read it: A-labels become letters (RFC 5891 section 5.4). What is no host
/// name stays.
pub fn unicode_host(name: &str) -> Cow<'_, str> {
    match idna::domain_to_unicode(name) {
        (host, Ok(())) => Cow::Owned(host),
        _ => Cow::Borrowed(name),
    }
}

/// Whether two spellings mean one host.
pub fn is_same_host(one: &str, other: &str) -> bool {
    ascii_host(one) == ascii_host(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// UTS #46 section 2.3 and RFC 5891 have the first ones as examples.
    #[test]
    fn a_name_in_any_alphabet_is_the_one_that_its_certificate_has() {
        for (typed, host) in [
            ("www.example.com", "www.example.com"),
            ("WWW.Example.COM", "www.example.com"),
            ("B\u{fc}cher.example", "xn--bcher-kva.example"),
            ("bu\u{308}cher.example", "xn--bcher-kva.example"),
            ("XN--BCHER-KVA.example", "xn--bcher-kva.example"),
            ("例え.テスト", "xn--r8jz45g.xn--zckzah"),
            ("例え。テスト", "xn--r8jz45g.xn--zckzah"),
            ("*.例え.jp", "*.xn--r8jz45g.jp"),
            ("_.例え.jp", "_.xn--r8jz45g.jp"),
            ("fa\u{df}.de", "xn--fa-hia.de"),
            ("", ""),
        ] {
            assert_eq!(ascii_host(typed), host, "{typed}");
        }
        assert!(is_same_host(
            "www.Bücher.example",
            "WWW.xn--bcher-KVA.example"
        ));
        assert!(!is_same_host("bücher.example", "bucher.example"));
    }

    #[test]
    fn what_is_no_host_name_is_itself() {
        let long = format!("{}.example", "ü".repeat(300));
        for name in ["xn--a", "xn--\u{fc}", "\u{200b}", "a b", long.as_str()] {
            assert!(is_same_host(name, name), "{name}");
        }
        assert!(!is_same_host("\u{200b}", "x"));
    }
}
