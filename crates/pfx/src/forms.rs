//! A password as octets. The standards name one encoding per derivation; files in the field also
//! have others.

use zeroize::Zeroizing;

use secret::Password;

/// Encodings of one password, the likeliest first.
pub(crate) struct Forms(Vec<Zeroizing<Vec<u8>>>);

impl Forms {
    /// For the derivation of RFC 7292: a BMPString with a terminating NUL (appendix B.1).
    ///
    /// An empty password is either that NUL or nothing at all: Windows tells an empty string from
    /// none given, and other writers chose one or the other, sometimes one for the MAC and the
    /// other for encryption. One that is not ASCII may have been widened octet by octet, as OpenSSL
    /// did with UTF-8 before 1.1.0 (2016).
    pub(crate) fn bmp(password: &Password) -> Self {
        let text = password.expose();
        let mut forms = vec![utf16(text)];
        if text.is_empty() {
            forms.push(Zeroizing::new(Vec::new()));
        } else if !text.is_ascii() {
            forms.push(widened(text));
        }
        Self(forms)
    }

    /// For PBKDF2 and PBKDF1: UTF-8 without a terminator (RFC 8018 section 3, RFC 9579 section 5).
    /// NSS before 3.31 (2017) took the BMPString here, too. OpenSSL takes the octets of its command line:
    /// Latin-1 where the console has that (passphrase-encoding(7)).
    pub(crate) fn utf8(password: &Password) -> Self {
        let text = password.expose();
        let mut forms = vec![Zeroizing::new(text.as_bytes().to_vec()), utf16(text)];
        forms.extend(latin1(text));
        Self(forms)
    }

    /// The form the standard names.
    pub(crate) fn standard(&self) -> &[u8] {
        self.0.first().map_or(&[], |form| form)
    }

    /// The first result that `attempt` gives for a form. That form comes first from then on: the
    /// other parts of a file were most likely made with the same, and each attempt costs a key
    /// derivation.
    pub(crate) fn try_each<T, E>(
        &mut self,
        mut attempt: impl FnMut(&[u8]) -> Result<Option<T>, E>,
    ) -> Result<Option<T>, E> {
        for position in 0..self.0.len() {
            if let Some(result) = attempt(&self.0[position])? {
                self.0.swap(0, position);
                return Ok(Some(result));
            }
        }
        Ok(None)
    }
}

fn utf16(text: &str) -> Zeroizing<Vec<u8>> {
    with_nul(2 * text.encode_utf16().count(), text.encode_utf16())
}

fn widened(text: &str) -> Zeroizing<Vec<u8>> {
    with_nul(2 * text.len(), text.bytes().map(u16::from))
}

/// ISO 8859-1; `None` where that has not all of the letters, or is the same as UTF-8.
fn latin1(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let mut octets = Zeroizing::new(Vec::with_capacity(text.len()));
    for letter in text.chars() {
        octets.push(u8::try_from(letter).ok()?);
    }
    (!text.is_ascii()).then_some(octets)
}

/// Allocated once: growing would leave copies behind.
fn with_nul(size: usize, units: impl Iterator<Item = u16>) -> Zeroizing<Vec<u8>> {
    let mut octets = Zeroizing::new(Vec::with_capacity(size + 2));
    octets.extend(units.flat_map(u16::to_be_bytes));
    octets.extend([0, 0]);
    octets
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bmp(text: &str) -> Vec<Vec<u8>> {
        Forms::bmp(&Password::new(text.into()))
            .0
            .iter()
            .map(|form| form.to_vec())
            .collect()
    }

    #[test]
    fn a_password_is_utf_16_with_a_nul_for_pkcs12() {
        assert_eq!(bmp("ab"), [[0, b'a', 0, b'b', 0, 0]]);
        assert_eq!(
            bmp("🔑")[0],
            [0xd8, 0x3d, 0xdd, 0x11, 0, 0],
            "a surrogate pair beyond U+FFFF"
        );
        assert_eq!(
            bmp("é")[1],
            [0, 0xc3, 0, 0xa9, 0, 0],
            "as OpenSSL once widened it"
        );
        assert_eq!(bmp(""), [vec![0, 0], vec![]], "empty, and none at all");
    }

    #[test]
    fn a_password_is_latin_1_too_where_that_has_its_letters() {
        let utf8 = |text: &str| Forms::utf8(&Password::new(text.into())).0;
        assert_eq!(utf8("p\u{e4}ss")[2][..], *b"p\xe4ss");
        assert_eq!(utf8("pass").len(), 2);
        assert_eq!(utf8("p\u{3042}ss").len(), 2);
    }

    #[test]
    fn the_form_that_worked_is_tried_first_from_then_on() {
        let mut forms = Forms::bmp(&Password::new(String::new()));
        let found = forms.try_each(|form| Ok::<_, ()>(form.is_empty().then_some(1)));
        assert_eq!(found, Ok(Some(1)));
        assert_eq!(forms.standard(), b"");
        assert_eq!(forms.try_each(|_| Ok::<Option<()>, ()>(None)), Ok(None));
    }
}
