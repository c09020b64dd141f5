//! Answers of certificate authorities, as files of other implementations and as mails. The corpus
//! is data from elsewhere and not part of this repository: `PFXVAULT_CORPUS` names the folder, else
//! it is looked for beside the checkout.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use data_encoding::{BASE64, HEXLOWER};
use pfxvault::answer::{AnswerError, Instead, Received, read};
use pfxvault::keypair::Certificate;
use proptest::prelude::*;

fn certificates(answer: &[u8]) -> Result<Vec<Certificate>, AnswerError> {
    read(answer).map(|received| received.certificates)
}

/// The first 16 digits of each certificate's SHA-256, sorted.
fn digests(answer: &[u8]) -> Result<Vec<String>, AnswerError> {
    let digest = |certificate: &Certificate| HEXLOWER.encode(&certificate.sha256()[..8]);
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
    for (before, after) in [
        (&b"\0\0"[..], &b"\0\0"[..]),
        (b"Answer:\r\n0\x30", b"\x30\x82\0"),
    ] {
        let among = [before, &answer.bundle, after].concat();
        answer.assert_both(&among, "DER among other octets");
    }
    let digits = data_encoding::HEXUPPER.encode(&answer.bundle);
    answer.assert_both(digits.as_bytes(), "hexadecimal");
    let pairs: Vec<_> = digits.as_bytes().chunks(2).collect();
    answer.assert_both(&pairs.join(&b":"[..]), "hexadecimal with colons");
    let rtf = format!("{{\\rtf1\\ansi {}}}", pem.replace("\r\n", "\\par\r\n"));
    answer.assert_both(rtf.as_bytes(), "RTF");
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
        AnswerError::NoCertificate(Instead::Request)
    );
    answer.assert_both(
        format!("{request}\n{}", answer.mail()).as_bytes(),
        "request and answer",
    );
    assert_eq!(
        certificates(answer.file("leaf.key").as_bytes()).unwrap_err(),
        AnswerError::NoCertificate(Instead::PrivateKey)
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
        AnswerError::NoCertificate(Instead::Unknown)
    );
    assert_eq!(
        certificates(b"").unwrap_err(),
        AnswerError::NoCertificate(Instead::Unknown)
    );
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

/// `openssl asn1parse` reads it; nothing that reads certificates does.
fn no_certificate(der: &[u8]) -> Vec<u8> {
    let mut der = der.to_vec();
    // The validity becomes an OCTET STRING.
    let at = der
        .windows(3)
        .position(|at| at == [0x30, 0x1e, 0x17])
        .unwrap();
    der[at] = 4;
    der
}

fn pem(der: &[u8]) -> String {
    let base64 = BASE64.encode(der);
    let lines: Vec<_> = base64
        .as_bytes()
        .chunks(64)
        .map(|line| std::str::from_utf8(line).unwrap())
        .collect();
    format!(
        "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n",
        lines.join("\n")
    )
}

/// A file that a program of Python writes to its standard output, in the folder of the answer.
fn python(answer: &Answer, program: &str) -> Vec<u8> {
    let run = Command::new("python3")
        .args(["-c", program])
        .current_dir(&answer.folder)
        .output()
        .unwrap();
    assert!(
        run.status.success(),
        "{}",
        String::from_utf8_lossy(&run.stderr)
    );
    run.stdout
}

#[test]
fn what_is_written_around_an_answer_does_not_matter() {
    let answer = Answer::new();
    let chain = pem(&answer.leaf) + &pem(&answer.authority);
    let bare = answer.lines();
    for word in [
        "MIYAMOTO",
        "MIKE",
        "MICHIGAN",
        "MII",
        "MIIE",
        "MIIEowIBAAKCAQEA",
        "MIIMIIMII",
    ] {
        for end in ["\r\n", "\r\n\r\n"] {
            let text = format!("{word}{end}{bare}\r\n{word}\r\n");
            answer.assert_both(text.as_bytes(), word);
            answer.assert_both(format!("{word}{end}{chain}{word}").as_bytes(), word);
        }
    }
    let folded = format!(
        "DKIM-Signature: v=1; b=MIIDIjCCAgqgAwIBAgIUc2Vjb25kIGxpbmUgb2YgYSBoZWFkZXIwDQYJ\r\n \
         MIIDIjCCAgqgAwIBAgIUc2Vjb25kIGxpbmUgb2YgYSBoZWFkZXIwDQYJKoZIhvcN\r\nSubject: x\r\n\r\n{bare}"
    );
    answer.assert_both(folded.as_bytes(), "a folded header");
    answer.assert_both(chain.replace('\n', "\r").as_bytes(), "CR");
    answer.assert_both(chain.replace('\n', " ").as_bytes(), "blanks");
    answer.assert_both(bare.replace("\r\n", " ").as_bytes(), "blanks, no label");
    answer.assert_both(bare.replace("\r\n", "").as_bytes(), "one line, no label");
    answer.assert_both(chain.replace('\n', "").as_bytes(), "nothing for a line end");
    answer.assert_both(chain.replace('\n', "\n    ").as_bytes(), "indented");
    answer.assert_both(chain.replace('\n', "\n| ").as_bytes(), "| quoting");
    answer.assert_both(
        chain.replace('\n', "\n>> | > ").as_bytes(),
        "nested quoting",
    );
    answer.assert_both(chain.replace('\n', "\0\n").as_bytes(), "zeros");
    for escaped in ["\\n", "\\r\\n", "\\\\n", "\\\\r\\\\n"] {
        let json = format!("{{\"certificate\":\"{}\"}}", chain.replace('\n', escaped));
        answer.assert_both(json.as_bytes(), escaped);
        answer.assert_both(
            json.replace('/', "\\/").replace('+', "\\u002b").as_bytes(),
            escaped,
        );
    }
    let url = chain
        .replace('+', "%2B")
        .replace('/', "%2F")
        .replace('=', "%3D");
    answer.assert_both(
        url.replace('\n', "%0A").replace(' ', "%20").as_bytes(),
        "URL",
    );
    for wide in [u16::to_le_bytes, u16::to_be_bytes] {
        for mark in ["", "\u{feff}"] {
            let text = format!("{mark}証明書\r\n{}", answer.mail());
            let text: Vec<u8> = text.encode_utf16().flat_map(wide).collect();
            answer.assert_both(&text, "UTF-16");
        }
    }
    for tail in [
        &b"\n"[..],
        b"\r\n",
        &[0; 16],
        b"\x1a",
        b"\xffanything",
        b"MIIabc",
    ] {
        answer.assert_both(&[&answer.bundle, tail].concat(), "DER and a tail");
        let both = [&answer.leaf, tail].concat();
        assert_eq!(certificates(&both).unwrap()[0].der(), answer.leaf);
    }
    answer.assert_both(
        &[&answer.leaf[..], &answer.authority].concat(),
        "two in DER",
    );
    answer.assert_both(BASE64.encode(chain.as_bytes()).as_bytes(), "PEM in base64");
    let x5c = format!(
        "[\"{}\",\"{}\"]",
        BASE64.encode(&answer.leaf),
        BASE64.encode(&answer.authority)
    );
    answer.assert_both(x5c.as_bytes(), "x5c");
}

#[test]
fn an_answer_in_html_is_read() {
    let answer = Answer::new();
    let chain = pem(&answer.leaf) + &pem(&answer.authority);
    let escaped = chain
        .replace('+', "&#43;")
        .replace('/', "&#x2F;")
        .replace('=', "&#61;");
    let body = |text: &str| format!("<html><body><p>Dear customer,</p>{text}</body></html>");
    let line = |begin: &str, end: &str| {
        let lines = escaped.lines().map(|line| format!("{begin}{line}{end}"));
        body(&lines.collect::<String>())
    };
    answer.assert_both(line("", "<br>").as_bytes(), "br");
    answer.assert_both(line("", "<br />\r\n").as_bytes(), "br and line ends");
    answer.assert_both(
        line("<p class=MsoNormal><span>", "<o:p></o:p></span></p>\r\n").as_bytes(),
        "Word",
    );
    answer.assert_both(line("<div>&nbsp;", "</div>\n").as_bytes(), "div");
    answer.assert_both(body(&format!("<pre>{escaped}</pre>")).as_bytes(), "pre");
    let bare: String = answer
        .lines()
        .lines()
        .map(|line| format!("{line}<br>\r\n"))
        .collect();
    answer.assert_both(
        body(&format!("[PKCS7 File]<br>\r\n{bare}<br>\r\nRegards")).as_bytes(),
        "no label",
    );
    let soap = format!(
        "<a><Cert>{}</Cert><Cert>{}</Cert></a>",
        BASE64.encode(&answer.leaf),
        BASE64.encode(&answer.authority)
    );
    answer.assert_both(soap.as_bytes(), "XML");
}

#[test]
fn mails_and_archives_as_python_writes_them_are_read() {
    let answer = Answer::new();
    let head = "\
import sys, email.message, email.policy, zipfile, io, tarfile
leaf, ca, both = (open(n, 'rb').read() for n in ('leaf.cer', 'ca.cer', 'both.p7b'))
pem = open('leaf.pem').read() + open('ca.pem').read()
m = email.message.EmailMessage(policy=email.policy.SMTP)
m['Subject'] = '証明書の発行'
m['From'] = 'MIYAMOTO <ca@example.com>'
def archive():
    out = io.BytesIO()
    with zipfile.ZipFile(out, 'w', zipfile.ZIP_DEFLATED) as z:
        z.writestr('readme.txt', 'MIYAMOTO')
        z.writestr('www/leaf.cer', leaf)
        z.writestr('www/chain.pem', open('ca.pem').read())
    return out.getvalue()
def tar(mode):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as t:
        t.add('leaf.pem'); t.add('ca.cer', 'x' * 150 + '/ca.cer')
    return out.getvalue()
def write(m): sys.stdout.buffer.write(m if isinstance(m, bytes) else m.as_bytes())
";
    for rest in [
        "m.set_content('証明書をお送りします'); m.add_attachment(both, 'application', 'x-pkcs7-certificates', filename='www.p7b'); write(m)",
        "m.set_content('x'); m.add_attachment(leaf, 'application', 'pkix-cert', filename='www.cer'); m.add_attachment(ca, 'application', 'pkix-cert', filename='ca.cer'); write(m)",
        "m.set_content('x'); m.add_attachment(pem, filename='www.crt'); write(m)",
        "m.set_content('x'); m.add_attachment(archive(), 'application', 'zip', filename='www.zip'); write(m)",
        "m.set_content(pem, cte='quoted-printable'); write(m)",
        "m.set_content(pem, cte='base64'); write(m)",
        "m.set_content('見てください\\n' + pem, charset='iso-2022-jp'); write(m)",
        "m.set_content('見てください\\n' + pem, charset='shift_jis', cte='8bit'); write(m)",
        "m.set_content('x'); m.add_alternative('<p>' + pem.replace('+', '&#43;').replace('\\n', '<br>') + '</p>', subtype='html', cte='quoted-printable'); write(m)",
        "m.set_content('x'); m.add_attachment(both, 'application', 'octet-stream', filename='www.p7b'); o = email.message.EmailMessage(); o['From'] = 'a'; o.set_content('fwd'); o.add_attachment(m); write(o)",
        "write(archive())",
        "write(tar('w'))",
        "write(tar('w:gz'))",
    ] {
        let file = python(&answer, &format!("{head}{rest}"));
        answer.assert_both(&file, rest);
    }
}

#[test]
fn one_that_cannot_be_read_is_named_and_the_others_are_taken() {
    let answer = Answer::new();
    let bad = no_certificate(&answer.leaf);
    let place = |received: &Received| {
        received
            .unreadable
            .iter()
            .map(|one| (one.place, one.thumbprint.is_some()))
            .collect::<Vec<_>>()
    };
    for text in [
        pem(&bad) + &pem(&answer.authority),
        format!("{}{}", pem(&answer.authority), pem(&bad)),
    ] {
        let received = read(text.as_bytes()).unwrap();
        assert_eq!(received.certificates[0].der(), answer.authority);
        assert_eq!(place(&received).len(), 1);
        assert!(place(&received)[0].1);
    }
    let at = answer
        .bundle
        .windows(answer.leaf.len())
        .position(|at| at == answer.leaf)
        .unwrap();
    let mut bundle = answer.bundle.clone();
    bundle[at..at + bad.len()].copy_from_slice(&bad);
    for bundle in [bundle.clone(), BASE64.encode(&bundle).into_bytes()] {
        let received = read(&bundle).unwrap();
        assert_eq!(received.certificates.len(), 1);
        assert_eq!(place(&received), [(1, true)]);
    }
    for alone in [
        bad.clone(),
        pem(&bad).into_bytes(),
        BASE64.encode(&bad).into_bytes(),
    ] {
        assert_eq!(read(&alone).unwrap_err(), AnswerError::Unreadable);
    }
    let whole = pem(&answer.leaf);
    let cut = format!(
        "{}-----END CERTIFICATE-----\n{}",
        &whole[..whole.len() - 200],
        pem(&answer.authority)
    );
    let received = read(cut.as_bytes()).unwrap();
    assert_eq!(
        (received.certificates.len(), place(&received)),
        (1, vec![(1, false)])
    );
}

#[test]
fn words_after_an_answer_that_is_cut_off_do_not_fill_it_up() {
    let answer = Answer::new();
    let lines = BASE64.encode(&answer.leaf);
    for missing in 1..40 {
        let text = format!(
            "{}\nRegards\nSupport\nExample\nAuthority\n",
            &lines[..lines.len() - missing]
        );
        let found = certificates(text.as_bytes());
        let is_other = |found: &Vec<Certificate>| found[0].der() != answer.leaf;
        assert!(!found.as_ref().is_ok_and(is_other), "{missing}");
    }
}

#[test]
fn what_is_there_instead_of_a_certificate_is_said() {
    let answer = Answer::new();
    let folder = answer.folder.path();
    for line in [
        "req -in leaf.csr -outform DER -out csr.der",
        "pkcs12 -export -inkey leaf.key -in leaf.pem -passout pass:x -out leaf.pfx",
        "ca -config ca.cnf -gencrl -keyfile ca.key -cert ca.pem -md sha256 -crldays 9 -out crl.pem",
        "crl -in crl.pem -outform DER -out crl.der",
    ] {
        fs::write(
            folder.join("ca.cnf"),
            "[ca]\ndefault_ca=x\n[x]\ndatabase=db\n",
        )
        .unwrap();
        fs::write(folder.join("db"), "").unwrap();
        let run = Command::new("openssl")
            .args(line.split(' '))
            .current_dir(folder)
            .output()
            .unwrap();
        assert!(
            run.status.success(),
            "{line}: {}",
            String::from_utf8_lossy(&run.stderr)
        );
    }
    let file = |name| fs::read(folder.join(name)).unwrap();
    let said = |bytes: &[u8]| match read(bytes) {
        Err(AnswerError::NoCertificate(instead)) => instead,
        other => panic!("{other:?}"),
    };
    assert_eq!(said(&file("csr.der")), Instead::Request);
    assert_eq!(said(&file("leaf.pfx")), Instead::Pfx);
    assert_eq!(
        said(BASE64.encode(&file("leaf.pfx")).as_bytes()),
        Instead::Pfx
    );
    assert_eq!(said(&file("crl.der")), Instead::RevocationList);
    assert_eq!(said(&file("crl.pem")), Instead::RevocationList);
    assert_eq!(
        said(b"From: a\nSubject: b\n\nsee the attached file\n"),
        Instead::Mail
    );
    let html =
        b"From: a\nContent-Type: text/html\n\n<html><body>see the attached file</body></html>\n";
    assert_eq!(said(html), Instead::HtmlMail);
    assert_eq!(
        said(b"<html><body>see the attached file</body></html>\n"),
        Instead::HtmlMail
    );
    assert_eq!(
        said(b"7z\xbc\xaf\x27\x1c\0\x04xxxx"),
        Instead::ClosedArchive
    );
    let attached = python(
        &answer,
        "import email.message, sys\nm = email.message.EmailMessage()\nm['From'] = 'a'\nm.set_content('x')\nm.add_attachment(b'PDF', 'application', 'pdf', filename='invoice.pdf')\nprint(m.as_string())",
    );
    assert_eq!(
        said(&attached),
        Instead::OtherFiles(vec!["invoice.pdf".to_owned()])
    );
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
