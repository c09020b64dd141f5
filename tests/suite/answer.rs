//! Answers of certificate authorities, as files of other implementations and as mails. The corpus
//! is data from elsewhere and not part of this repository: `PFXVAULT_CORPUS` names the folder, else
//! it is looked for beside the checkout.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use data_encoding::{BASE64, HEXLOWER};
use pfxvault::keypair::pkcs7::{AnswerError, certificates};
use proptest::prelude::*;

/// The first 16 digits of each certificate's SHA-256, sorted.
fn digests(answer: &[u8]) -> Result<Vec<String>, AnswerError> {
    let digest =
        |certificate: &pfxvault::keypair::Certificate| HEXLOWER.encode(&certificate.sha256()[..8]);
    let mut digests: Vec<_> = certificates(answer)?.iter().map(digest).collect();
    digests.sort();
    Ok(digests)
}

#[test]
#[ignore = "needs the files of other implementations: tests/run asks for it"]
fn every_bundle_that_others_open_gives_the_same_certificates_and_no_other_opens() {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus");
    let folder = std::env::var_os("PFXVAULT_CORPUS")
        .map_or_else(beside, PathBuf::from)
        .join("p7b");
    let index = fs::read_to_string(folder.join("index.tsv")).unwrap();
    assert!(index.lines().count() > 10);
    for line in index.lines().skip(1) {
        let columns: Vec<&str> = line.split('\t').collect();
        let found = digests(&fs::read(folder.join(columns[0])).unwrap());
        if columns[2] == "opens" {
            let mut expected: Vec<_> = columns[5].split(',').map(str::to_owned).collect();
            expected.sort();
            assert_eq!(found, Ok(expected), "{}", columns[0]);
        } else {
            assert!(found.is_err(), "{}", columns[0]);
        }
    }
}

/// A leaf and its authority, and both in one PKCS#7, as OpenSSL makes them.
struct Answer {
    folder: tempfile::TempDir,
    leaf: Vec<u8>,
    authority: Vec<u8>,
    bundle: Vec<u8>,
}

impl Answer {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let run = |arguments: &str| {
            let done = Command::new("openssl")
                .args(arguments.split(' '))
                .current_dir(&folder)
                .output()
                .unwrap();
            assert!(
                done.status.success(),
                "{}",
                String::from_utf8_lossy(&done.stderr)
            );
        };
        let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
        run(&format!(
            "req -x509 {key} -keyout ca.key -out ca.pem -days 9 -subj /CN=ca"
        ));
        run(&format!(
            "req {key} -keyout leaf.key -out leaf.csr -subj /CN=www.example.com"
        ));
        run(
            "x509 -req -in leaf.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 9 -out leaf.pem",
        );
        run("crl2pkcs7 -nocrl -certfile leaf.pem -certfile ca.pem -outform DER -out both.p7b");
        run("x509 -in leaf.pem -outform DER -out leaf.cer");
        run("x509 -in ca.pem -outform DER -out ca.cer");
        let file = |name| fs::read(folder.path().join(name)).unwrap();
        Self {
            leaf: file("leaf.cer"),
            authority: file("ca.cer"),
            bundle: file("both.p7b"),
            folder,
        }
    }

    fn file(&self, name: &str) -> String {
        fs::read_to_string(self.folder.path().join(name)).unwrap()
    }

    /// The bundle in base64, in lines of 64 characters.
    fn lines(&self) -> String {
        let base64 = BASE64.encode(&self.bundle);
        base64
            .as_bytes()
            .chunks(64)
            .map(|line| format!("{}\r\n", std::str::from_utf8(line).unwrap()))
            .collect()
    }

    /// As the authority words it: the file between brackets and blank lines, other text around it.
    fn mail(&self) -> String {
        format!(
            "Subject: Certificate\r\n\r\nHello\r\n\r\n[PKCS7 File]\r\n{}\r\n\r\nRegards\r\nSupport\r\n",
            self.lines()
        )
    }

    fn assert_both(&self, answer: &[u8], what: &str) {
        let found: Vec<_> = certificates(answer).unwrap_or_else(|e| panic!("{what}: {e}"));
        let found: Vec<_> = found
            .iter()
            .map(|certificate| certificate.der().to_vec())
            .collect();
        assert_eq!(found, [self.leaf.clone(), self.authority.clone()], "{what}");
    }
}

/// As mail programs encode what must survive seven bits and 76 characters.
fn quoted_printable(text: &str) -> String {
    let text = text.replace('=', "=3D").replace("Hello", "Hello=20");
    text.lines()
        .map(|line| {
            format!(
                "{}=\r\n{}\r\n",
                &line[..line.len() / 2],
                &line[line.len() / 2..]
            )
        })
        .collect()
}

#[test]
fn an_answer_is_found_in_whatever_it_comes() {
    let answer = Answer::new();
    answer.assert_both(&answer.bundle, "DER");
    answer.assert_both(
        &[&answer.lines()[..], "\r\n"].concat().into_bytes(),
        "bare base64",
    );
    let pem = format!(
        "-----BEGIN PKCS7-----\r\n{}-----END PKCS7-----\r\n",
        answer.lines()
    );
    answer.assert_both(pem.as_bytes(), "PEM");
    let certificates = answer.file("leaf.pem") + &answer.file("ca.pem") + &answer.file("leaf.pem");
    answer.assert_both(certificates.as_bytes(), "certificates in PEM, one twice");
    answer.assert_both(answer.mail().as_bytes(), "mail");
    answer.assert_both(
        answer.mail().replace("\r\n", "\n").as_bytes(),
        "mail with Unix line ends",
    );
    answer.assert_both(
        answer.mail().replace("\r\n", "\r\n> > ").as_bytes(),
        "quoted mail",
    );
    answer.assert_both(
        pem.replace("\r\n", "\r\n\r\n").as_bytes(),
        "PEM with every line end doubled",
    );
    answer.assert_both(
        format!("\u{feff}{}", answer.mail()).as_bytes(),
        "UTF-8 with its mark",
    );
    answer.assert_both(
        quoted_printable(&answer.mail()).as_bytes(),
        "quoted-printable",
    );
    let encoded = BASE64.encode(answer.mail().as_bytes());
    let encoded: Vec<_> = encoded.as_bytes().chunks(76).collect();
    let body = encoded.join(&b"\r\n"[..]);
    let eml = [
        b"Content-Transfer-Encoding: base64\r\n\r\n",
        &body[..],
        b"\r\n",
    ]
    .concat();
    answer.assert_both(&eml, "mail with a body in base64");
    let utf16: Vec<u8> = format!("\u{feff}{}", answer.mail())
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    answer.assert_both(&utf16, "UTF-16");
}

#[test]
fn the_text_around_an_answer_may_be_in_any_encoding_of_japanese() {
    let answer = Answer::new();
    let lines = answer.lines();
    let greeting = [
        "証明書をお送りします".as_bytes(),
        b"\x8f\xd8\x96\xbe\x8f\x91\x83\x5c",
        b"\x1b$B>ZL@=q\x1b(B",
    ];
    for words in greeting {
        let mail = [
            words,
            b"\r\n\r\n",
            words,
            b"\r\n[PKCS7 File]\r\n",
            lines.as_bytes(),
            b"\r\n",
            words,
        ];
        answer.assert_both(&mail.concat(), &String::from_utf8_lossy(words));
    }
}

#[test]
fn a_request_that_a_mail_repeats_is_not_taken_for_the_answer() {
    let answer = Answer::new();
    let request = answer.file("leaf.csr");
    assert_eq!(
        certificates(request.as_bytes()).unwrap_err(),
        AnswerError::NoCertificate
    );
    answer.assert_both(
        format!("{request}\n{}", answer.mail()).as_bytes(),
        "request and answer",
    );
    assert_eq!(
        certificates(answer.file("leaf.key").as_bytes()).unwrap_err(),
        AnswerError::NoCertificate
    );
}

#[test]
fn an_answer_that_was_cut_off_is_told_from_one_that_holds_nothing() {
    let answer = Answer::new();
    let mail = answer.mail();
    let cut = mail.find("\r\n\r\nRegards").unwrap() - 70;
    assert_eq!(
        certificates(&mail.as_bytes()[..cut]).unwrap_err(),
        AnswerError::Damaged
    );
    assert_eq!(
        certificates(&answer.bundle[..answer.bundle.len() - 1]).unwrap_err(),
        AnswerError::Damaged
    );
    assert_eq!(
        certificates(b"Dear customer\r\n\r\nthe certificate is attached\r\n").unwrap_err(),
        AnswerError::NoCertificate
    );
    assert_eq!(certificates(b"").unwrap_err(), AnswerError::NoCertificate);
    assert_eq!(
        certificates(&vec![b'M'; 9 << 20]).unwrap_err(),
        AnswerError::TooLarge
    );
}

#[test]
fn an_answer_made_to_harm_its_reader_is_refused() {
    let nested = [0x30, 0x80].repeat(1 << 17);
    let many = format!(
        "{}\n\n",
        BASE64.encode(&[&[0x30, 0x81, 0x80][..], &[0x30; 128]].concat())
    )
    .repeat(5_000);
    let blocks = "MI\n\n".repeat(1 << 17);
    let words = "abcd\n\n".repeat(1 << 17);
    for hostile in [
        nested,
        many.into_bytes(),
        blocks.into_bytes(),
        words.into_bytes(),
    ] {
        assert!(certificates(&hostile).is_err());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_answered(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        let _ = certificates(&bytes);
    }

    #[test]
    fn any_lines_are_answered(lines in prop::collection::vec("(-----BEGIN PKCS7-----|MI[A-Za-z0-9+/]{0,70}=*|> |[ -~]*)", 0..20)) {
        let _ = certificates(lines.join("\n").as_bytes());
    }

    #[test]
    fn a_changed_bundle_is_answered(at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<bool>()) {
        // Made once: OpenSSL takes longer than all cases.
        static ANSWER: std::sync::OnceLock<Vec<u8>> = std::sync::OnceLock::new();
        let mut bundle = ANSWER.get_or_init(|| Answer::new().bundle).clone();
        let at = at.index(bundle.len());
        if cut { bundle.truncate(at) } else { bundle[at] = byte }
        let _ = certificates(&bundle);
        let _ = certificates(BASE64.encode(&bundle).as_bytes());
    }
}
