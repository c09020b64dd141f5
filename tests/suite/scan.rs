//! `audit --scan`: private keys are found by what is in a file, wherever it is, and no file,
//! however hostile, keeps the scan from its end.

use std::fs;
use std::io::{Cursor, Write};
use std::path::Path;
use std::process::Command;

use crate::common::{BACKUP, PFX_PASSWORD, Table, says, tree};
use data_encoding::BASE64;
use serde_json::Value;
use zip::write::SimpleFileOptions;

fn openssl(folder: &Path, line: &str) {
    let output = Command::new("openssl")
        .args(line.split(' '))
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{line}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// A table with a folder `tree` to search, and one key in every form, beside it.
fn searched() -> Table {
    let table = Table::bare();
    fs::create_dir(table.at("tree")).unwrap();
    table
}

fn put(table: &Table, name: &str, bytes: &[u8]) {
    fs::create_dir_all(table.at(name).parent().unwrap()).unwrap();
    fs::write(table.at(name), bytes).unwrap();
}

fn scan(table: &Table) -> Value {
    let said = table.run("audit --scan {tree} --json");
    assert!(matches!(said.code, 0 | 8), "{}", said.err);
    said.json()["scan"].clone()
}

/// Path without the table's folder, form, and whether it is protected.
fn found(table: &Table, scan: &Value) -> Vec<(String, String, Option<bool>)> {
    let tree = fs::canonicalize(table.at("tree")).unwrap();
    let place = |found: &Value| {
        let path = Path::new(found["path"].as_str().unwrap())
            .strip_prefix(&tree)
            .unwrap()
            .display()
            .to_string();
        let inside = found["inside"]
            .as_array()
            .unwrap()
            .iter()
            .map(|name| format!(">{}", name.as_str().unwrap()));
        path + &inside.collect::<String>()
    };
    let one = |found: &Value| {
        (
            place(found),
            found["form"].as_str().unwrap().to_owned(),
            found["protected"].as_bool(),
        )
    };
    scan["found"].as_array().unwrap().iter().map(one).collect()
}

fn zipped(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in files {
        archive
            .start_file(*name, SimpleFileOptions::default())
            .unwrap();
        archive.write_all(bytes).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

fn mail(name: &str, attached: &[u8]) -> Vec<u8> {
    let lines: Vec<_> = BASE64
        .encode(attached)
        .as_bytes()
        .chunks(76)
        .map(|line| line.to_vec())
        .collect();
    let head = format!(
        "Received: from a by b\r\nFrom: a@example.com\r\nSubject: the key\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/mixed;\r\n boundary=\"=_x y\"\r\n\r\nignored\r\n--=_x y\r\n\r\nHere it is.\r\n--=_x y\r\n\
         Content-Type: application/octet-stream;\r\n name=\"{name}\"\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    );
    [
        head.as_bytes(),
        &lines.join(&b"\r\n"[..]),
        b"\r\n--=_x y--\r\n",
    ]
    .concat()
}

#[test]
fn every_form_of_a_private_key_is_found_by_content_and_certificates_are_not() {
    let table = searched();
    let tree = table.at("tree");
    for line in [
        "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out a.txt",
        "pkcs8 -topk8 -in a.txt -v2 aes-256-cbc -passout pass:secret -out b.txt",
        "pkcs8 -topk8 -nocrypt -in a.txt -outform DER -out c",
        "pkcs8 -topk8 -in a.txt -outform DER -passout pass:secret -out d",
        "ec -in a.txt -out e.jpg",
        "ec -in a.txt -aes128 -passout pass:secret -out f",
        "genrsa -traditional -out g 2048",
        "rsa -in g -traditional -outform DER -out h",
        "req -x509 -new -key a.txt -subj /CN=www.example.com -out cert.pem",
        "x509 -in cert.pem -outform DER -out cert.der",
        "pkcs12 -export -inkey a.txt -in cert.pem -passout pass: -out i",
        "pkcs12 -export -inkey a.txt -in cert.pem -passout pass:secret -out j",
        "pkcs12 -export -nokeys -in cert.pem -passout pass: -out trust.p12",
    ] {
        openssl(&tree, line);
    }
    let wide: Vec<u8> = fs::read(tree.join("a.txt"))
        .unwrap()
        .iter()
        .flat_map(|byte| [*byte, 0])
        .collect();
    put(&table, "tree/k", &[b"\xff\xfe".to_vec(), wide].concat());
    put(
        &table,
        "tree/l",
        b"PuTTY-User-Key-File-3: ssh-ed25519\r\nEncryption: none\r\nComment: x\r\n",
    );
    put(
        &table,
        "tree/m",
        b"PuTTY-User-Key-File-2: ssh-rsa\r\nEncryption: aes256-cbc\r\nComment: x\r\n",
    );
    for (name, password) in [("n", ""), ("o", "secret")] {
        let keygen = Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", password, "-f"])
            .arg(tree.join(name))
            .status();
        assert!(keygen.unwrap().success());
    }
    let scan = scan(&table);
    let expected = [
        ("a.txt", "PEM", false),
        ("b.txt", "PEM", true),
        ("c", "DER", false),
        ("d", "DER", true),
        ("e.jpg", "PEM", false),
        ("f", "PEM", true),
        ("g", "PEM", false),
        ("h", "DER", false),
        ("i", "PFX", false),
        ("j", "PFX", true),
        ("k", "PEM", false),
        ("l", "PuTTY", false),
        ("m", "PuTTY", true),
        ("n", "OpenSSH", false),
        ("o", "OpenSSH", true),
    ];
    let expected: Vec<_> = expected
        .iter()
        .map(|(name, form, closed)| ((*name).to_owned(), (*form).to_owned(), Some(*closed)))
        .collect();
    assert_eq!(found(&table, &scan), expected);
}

#[test]
fn keys_in_mail_and_archives_are_found_and_break_the_rule_on_mail() {
    let table = Table::with_vault(&["www.example.com"]);
    let pfx = fs::read(table.at("server/www.example.com.pfx")).unwrap();
    let message = mail("offer.pfx", &pfx);
    put(&table, "tree/offer", &message);
    put(
        &table,
        "tree/Maildir/cur/1:2,S",
        &mail(
            "www.zip",
            &zipped(&[("readme.txt", b"x"), ("in/www.pfx", &pfx)]),
        ),
    );
    let second = String::from_utf8(mail("second.pfx", &pfx)).unwrap();
    let mbox =
        format!("From a Mon Jan  1\nSubject: nothing\n\nHello.\n\nFrom b Tue Jan  2\n{second}");
    put(&table, "tree/Inbox", mbox.as_bytes());
    put(
        &table,
        "tree/outer.zip",
        &zipped(&[("message.eml", &message)]),
    );
    let pem = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAABG5vbmU=\n-----END OPENSSH PRIVATE KEY-----\n";
    let quoted = format!(
        "From: a\nContent-Transfer-Encoding: quoted-printable\n\nSee:\n{}",
        pem.replace('=', "=3D")
    );
    put(&table, "tree/quoted", quoted.as_bytes());
    let scan = scan(&table);
    let places: Vec<_> = found(&table, &scan)
        .into_iter()
        .map(|(place, form, _)| format!("{place} {form}"))
        .collect();
    let expected = [
        "Inbox>second.pfx PFX",
        "Maildir/cur/1:2,S>www.zip>in/www.pfx PFX",
        "offer>offer.pfx PFX",
        "outer.zip>message.eml>offer.pfx PFX",
        "quoted> OpenSSH",
    ];
    assert_eq!(places, expected);
    let breaks = |found: &Value| {
        found["rules"]
            .as_array()
            .unwrap()
            .contains(&"no-email".into())
    };
    assert!(scan["found"].as_array().unwrap().iter().all(breaks));
}

/// A message as Outlook saves it (MS-OXMSG), written by a library that had no part in reading it.
fn outlook(version: cfb::Version, streams: &[(&str, &[u8])]) -> Vec<u8> {
    let mut file =
        cfb::CompoundFile::create_with_version(version, Cursor::new(Vec::new())).unwrap();
    for (path, bytes) in streams {
        file.create_storage_all(Path::new(path).parent().unwrap())
            .unwrap();
        file.create_stream(path).unwrap().write_all(bytes).unwrap();
    }
    file.flush().unwrap();
    file.into_inner().into_inner()
}

fn wide(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

const ATTACHED: &str = "/__attach_version1.0_#00000000/__substg1.0_";

#[test]
fn keys_in_messages_that_outlook_saved_are_found_and_other_compound_files_are_left_alone() {
    let table = Table::with_vault(&["www.example.com"]);
    let pfx = fs::read(table.at("server/www.example.com.pfx")).unwrap();
    openssl(&table.at("."), "genpkey -algorithm ED25519 -out key");
    let pem = fs::read_to_string(table.at("key")).unwrap();
    let long = format!("{}{pem}", "just a line of text\n".repeat(300));
    let properties = ("/__properties_version1.0", &[0; 32][..]);
    let attached = |name| (name, wide(name));
    let (small, large) = (attached("www.pfx"), attached("notes.txt"));
    let [content, name] = ["37010102", "3707001F"].map(|property| format!("{ATTACHED}{property}"));
    let inner = |property: &str| {
        format!("{ATTACHED}3701000D/__attach_version1.0_#00000000/__substg1.0_{property}")
    };
    let inner_properties = format!("{ATTACHED}3701000D/__properties_version1.0");
    for (version, of) in [(cfb::Version::V3, "v3"), (cfb::Version::V4, "v4")] {
        let small = outlook(version, &[properties, (&name, &small.1), (&content, &pfx)]);
        put(&table, &format!("tree/{of}-small.msg"), &small);
        let large = [properties, (&name, &large.1), (&content, long.as_bytes())];
        put(
            &table,
            &format!("tree/{of}-large.msg"),
            &outlook(version, &large),
        );
        let body = [properties, ("/__substg1.0_1000001F", &wide(&pem))];
        put(&table, &format!("tree/{of}-body"), &outlook(version, &body));
        let (inner_content, inner_name) = (inner("37010102"), inner("3704001E"));
        let nested = [
            properties,
            (&inner_properties, &[0; 32]),
            (&inner_content, &pfx),
            (&inner_name, b"W.PFX"),
        ];
        put(
            &table,
            &format!("tree/{of}-nested.msg"),
            &outlook(version, &nested),
        );
        put(
            &table,
            &format!("tree/{of}.zip"),
            &zipped(&[("in/a.msg", &small)]),
        );
        put(
            &table,
            &format!("tree/{of}-document.doc"),
            &outlook(version, &[("/WordDocument", pem.as_bytes())]),
        );
    }
    let scan = scan(&table);
    let places: Vec<_> = found(&table, &scan)
        .into_iter()
        .map(|(place, form, _)| format!("{place} {form}"))
        .collect();
    let expected = ["v3", "v4"].map(|of| {
        [
            "-body> PEM",
            "-large.msg>notes.txt PEM",
            "-nested.msg>W.PFX PFX",
            "-small.msg>www.pfx PFX",
            ".zip>in/a.msg>www.pfx PFX",
        ]
        .map(|rest| format!("{of}{rest}"))
    });
    assert_eq!(places, expected.concat());
    assert_eq!(scan["in_part"], 0, "{scan}");
    let breaks = |found: &Value| {
        found["rules"]
            .as_array()
            .unwrap()
            .contains(&"no-email".into())
    };
    assert!(scan["found"].as_array().unwrap().iter().all(breaks));
}

#[test]
fn a_message_of_outlook_in_which_any_number_lies_is_left_behind() {
    let table = searched();
    let properties = ("/__properties_version1.0", &[0; 32][..]);
    let [content, name] = ["37010102", "3707001F"].map(|property| format!("{ATTACHED}{property}"));
    let long = [b"-----BEGIN ".as_slice(), &[b'A'; 5000]].concat();
    let good = outlook(
        cfb::Version::V3,
        &[properties, (&name, &wide("a.pem")), (&content, &long)],
    );
    let mut files = 0;
    for at in (24..good.len())
        .step_by(4)
        .filter(|at| good[*at..at + 4] != *b"AAAA")
    {
        for number in [0, 1, 2, 0x7fff_ffff, 0xffff_fffe_u32] {
            let mut bytes = good.clone();
            bytes[at..at + 4].copy_from_slice(&number.to_le_bytes());
            put(&table, &format!("tree/{at}-{number}.msg"), &bytes);
            files += 1;
        }
    }
    for length in (0..good.len()).step_by(100) {
        put(&table, &format!("tree/cut{length}.msg"), &good[..length]);
        files += 1;
    }
    let scan = scan(&table);
    assert_eq!(
        (found(&table, &scan).len(), scan["files"].as_u64()),
        (0, Some(files))
    );
    assert!(scan["in_part"].as_u64().unwrap() > 0, "{scan}");
}

#[test]
fn a_key_pair_of_this_server_is_named_by_certificate_or_by_key() {
    let table = Table::backed_up(&["www.example.com"]);
    let export =
        "export --from folder:{server} --source-password-file {pfx-password} --to pem:{tree}";
    table.run(export).ended_with(0);
    openssl(&table.at("."), "genpkey -algorithm ED25519 -out tree/other");
    let scan = scan(&table);
    let names: Vec<_> = scan["found"]
        .as_array()
        .unwrap()
        .iter()
        .map(|found| found["key_pair"].clone())
        .collect();
    assert!(names.contains(&"www.example.com".into()), "{scan}");
    assert!(names.contains(&Value::Null), "{scan}");
    let said = table.run("audit --scan {tree}");
    assert!(
        !said.out.contains("-----BEGIN") && !said.out.contains(PFX_PASSWORD),
        "{}",
        said.out
    );
}

/// PuTTY's file of a key in OpenSSH's form: the public key is the same, what follows it is not
/// looked at.
fn putty(openssh: &Path, cipher: &str) -> Vec<u8> {
    let public = fs::read_to_string(openssh.with_extension("pub")).unwrap();
    let coded = public.split(' ').nth(1).unwrap();
    let lines: Vec<_> = (0..coded.len())
        .step_by(64)
        .map(|at| &coded[at..coded.len().min(at + 64)])
        .collect();
    let (count, lines) = (lines.len(), lines.join("\r\n"));
    let kind = public.split(' ').next().unwrap();
    let head = format!("PuTTY-User-Key-File-3: {kind}\r\nEncryption: {cipher}\r\nComment: x\r\n");
    format!(
        "{head}Public-Lines: {count}\r\n{lines}\r\nPrivate-Lines: 1\r\nAAAA\r\nPrivate-MAC: 00\r\n"
    )
    .into_bytes()
}

#[test]
fn a_key_of_this_server_in_the_form_of_openssh_or_putty_is_known_by_its_public_key_even_closed() {
    let table = Table::backed_up(&["www.example.com"]);
    table
        .run("export --from folder:{server} --source-password-file {pfx-password} --to pem:{pem}")
        .ended_with(0);
    let pem = tree(&table.at("pem"))
        .into_values()
        .find(|file| file.starts_with(b"-----BEGIN PRIVATE KEY"))
        .unwrap();
    let keygen = |options: &[&str], file: &Path| {
        let run = Command::new("ssh-keygen")
            .args(["-q"])
            .args(options)
            .arg("-f")
            .arg(file)
            .output()
            .unwrap();
        assert!(
            run.status.success(),
            "{}",
            String::from_utf8_lossy(&run.stderr)
        );
        run.stdout
    };
    fs::create_dir(table.at("tree")).unwrap();
    for (name, password) in [("open", ""), ("closed", "secret")] {
        let ours = table.at("tree").join(format!("ours-{name}"));
        fs::write(&ours, &pem).unwrap();
        fs::set_permissions(&ours, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        fs::write(ours.with_extension("pub"), keygen(&["-y"], &ours)).unwrap();
        keygen(&["-p", "-N", password], &ours);
        let other = table.at("tree").join(format!("other-{name}"));
        keygen(&["-t", "rsa", "-b", "2048", "-N", password], &other);
        let cipher = if password.is_empty() {
            "none"
        } else {
            "aes256-cbc"
        };
        for key in [&ours, &other] {
            fs::write(key.with_extension("ppk"), putty(key, cipher)).unwrap();
        }
    }
    put(
        &table,
        "tree/cut.ppk",
        b"PuTTY-User-Key-File-3: ssh-rsa\nEncryption: aes256-cbc\nComment: x\nPublic-Lines: 99999\nAAAA\n",
    );
    let scan = scan(&table);
    let seen = scan["found"].as_array().unwrap().iter().map(|found| {
        let name = Path::new(found["path"].as_str().unwrap())
            .file_name()
            .unwrap()
            .to_str()
            .unwrap();
        let name = name.replace(".ppk", "");
        (
            name,
            found["form"].as_str().unwrap(),
            found["protected"].as_bool(),
            found["ours"].as_bool(),
        )
    });
    let mut seen: Vec<_> = seen.collect();
    seen.sort();
    let of = |name: &str, form, protected, ours| (name.to_owned(), form, Some(protected), ours);
    let expected = [("other", Some(false)), ("ours", Some(true))].map(|(name, ours)| {
        [("closed", true), ("open", false)].map(|(kind, protected)| {
            ["OpenSSH", "PuTTY"].map(|form| of(&format!("{name}-{kind}"), form, protected, ours))
        })
    });
    let cut = of("cut", "PuTTY", true, None);
    assert_eq!(
        seen,
        std::iter::once(cut)
            .chain(expected.into_iter().flatten().flatten())
            .collect::<Vec<_>>()
    );
}

#[test]
fn a_key_file_that_others_can_read_is_handed_over_and_one_in_a_synced_folder_is_shared() {
    use std::os::unix::fs::PermissionsExt;
    let table = searched();
    fs::create_dir(table.at("tree/.stfolder")).unwrap();
    openssl(&table.at("tree"), "genpkey -algorithm ED25519 -out key");
    let rules = |mode| {
        fs::set_permissions(table.at("tree/key"), fs::Permissions::from_mode(mode)).unwrap();
        scan(&table)["found"][0]["rules"].clone()
    };
    // Without a password it is handed over with every copy of its file.
    let both = serde_json::json!(["no-handover", "no-shared-drive"]);
    assert_eq!(rules(0o600), both);
    let closed = "pkcs8 -topk8 -in key -passout pass:secret -out closed";
    openssl(&table.at("tree"), closed);
    fs::rename(table.at("tree/closed"), table.at("tree/key")).unwrap();
    assert_eq!(rules(0o600), serde_json::json!(["no-shared-drive"]));
    assert_eq!(rules(0o644), both);
}

#[test]
fn a_key_without_a_password_breaks_a_rule_and_it_is_said_why_and_what_was_searched_and_when() {
    let table = searched();
    openssl(&table.at("tree"), "genpkey -algorithm ED25519 -out key");
    let document = table.run("audit --scan {tree} --json").ended_with(8).json();
    let rules = document["rules"].as_array().unwrap();
    let broken = rules
        .iter()
        .find(|rule| rule["rule"] == "no-handover")
        .unwrap();
    assert_eq!(broken["verdict"], "broken");
    let evidence = broken["evidence"].as_array().unwrap();
    assert!(
        evidence.iter().any(|one| one["id"] == "audit-strays-naked"),
        "{broken}"
    );
    let tree = fs::canonicalize(table.at("tree"))
        .unwrap()
        .display()
        .to_string();
    assert_eq!(document["scan"]["paths"], serde_json::json!([tree]));
    let time: jiff::Timestamp = document["scan"]["time"].as_str().unwrap().parse().unwrap();
    assert!(time <= jiff::Timestamp::now());
    let said = table.run("audit --scan {tree} --html {page}").ended_with(8);
    let page = fs::read_to_string(table.at("page")).unwrap();
    for shown in [said.out, page] {
        assert!(says(&shown, "audit-scanned"), "{shown}");
        assert!(says(&shown, "audit-strays-naked"), "{shown}");
    }
}

/// What a program of Python writes into a folder.
fn python(folder: &Path, program: &str) {
    let run = Command::new("python3")
        .args(["-c", program])
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(
        run.status.success(),
        "{}",
        String::from_utf8_lossy(&run.stderr)
    );
}

#[test]
fn a_key_is_found_however_a_text_writes_its_line_ends_and_signs() {
    let table = searched();
    openssl(
        &table.at("."),
        "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out key",
    );
    openssl(
        &table.at("."),
        "req -x509 -new -key key -subj /CN=x -days 9 -out cert",
    );
    openssl(
        &table.at("."),
        "pkcs12 -export -inkey key -in cert -passout pass: -out pfx",
    );
    openssl(&table.at("."), "pkey -in key -outform DER -out der");
    python(
        &table.at("."),
        r#"
import json, base64, textwrap, html
pem = open('key').read(); der = open('der', 'rb').read(); pfx = open('pfx', 'rb').read()
def write(name, text): open('tree/' + name, 'wb').write(text if isinstance(text, bytes) else text.encode())
b64 = lambda b: base64.b64encode(b).decode()
def reg(value, kind='hex'):
    digits = ','.join('%02x' % b for b in value)
    return 'Windows Registry Editor Version 5.00\r\n\r\n[HKEY_LOCAL_MACHINE\\X]\r\n\"a\"=' + kind + ':' + '\\\r\n  '.join(textwrap.wrap(digits, 75)) + '\r\n'
write('account.json', json.dumps({'type': 'service_account', 'private_key': pem}))
write('php.json', json.dumps({'key': pem}).replace('/', '\\/'))
write('nested.json', json.dumps({'x': json.dumps({'key': pem})}))
write('.env', 'TLS_KEY="%s"\n' % pem.replace('\n', '\\n'))
write('crlf.env', 'TLS_KEY="%s"\n' % pem.replace('\n', '\\r\\n'))
write('a.yaml', 'key: |\n' + textwrap.indent(pem, '  '))
write('secret.yaml', 'data:\n  tls.crt: %s\n  tls.key: %s\n' % (b64(open('cert', 'rb').read()), b64(pem.encode())))
write('env-secret.yaml', 'data:\n  .env: %s\n' % b64(('TLS_KEY=' + pem).encode()))
write('acme.json', json.dumps({'Certificates': [{'key': b64(pem.encode())}]}))
write('pfx.json', json.dumps({'pfx': b64(pfx)}))
write('pfx.txt', '\n'.join(textwrap.wrap(b64(pfx), 64)))
write('der.properties', 'tls.key=' + b64(der))
write('page.html', '<html><body>' + html.escape(pem).replace('+', '&#43;').replace('\n', '<br>') + '</body></html>')
write('be', pem.encode('utf-16-be')); write('be-mark', b'\xfe\xff' + pem.encode('utf-16-be'))
write('le', pem.encode('utf-16-le')); write('mac', pem.replace('\n', '\r'))
write('der.reg', reg(der)); write('pem.reg', reg(pem.encode('utf-16-le'), 'hex(1)').encode('utf-16'))
write('oneline', pem.replace('\n', ' '))
write('whole.config', '<add key="k" value="%s" />' % b64(der))
def each(name, decorate, text=pem): write(name, ''.join(decorate(i, l) for i, l in enumerate(text.splitlines(), 1)))
each('a.patch', lambda i, l: '+' + l + '\n')
each('base64.patch', lambda i, l: '+' + l + '\n', base64.encodebytes(pfx).decode())
each('a.js', lambda i, l: '// ' + l + '\n')
each('a.java', lambda i, l: '    "' + l + '\\n" +\n')
each('a.vb', lambda i, l: '"' + l + '" & vbCrLf & _\n')
each('app.log', lambda i, l: '2026-01-01 10:00:%02d host app[7]: %s\n' % (i, l))
each('numbered', lambda i, l: '%6d\t%s\n' % (i, l))
each('grep', lambda i, l: '/etc/ssl/a.key:%d:%s\n' % (i, l))
write('clixml.xml', '<Objs><S N="k">' + pem.replace('\n', '_x000D__x000A_') + '</S></Objs>')
write('octal.sql', pem.replace('\n', '\\012')); write('hex.sql', pem.replace('\n', '\\x0a'))
write('cut', pem[:700]); write('example.md', '-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBg...\n-----END PRIVATE KEY-----\n')
"#,
    );
    let scan = scan(&table);
    let mut places: Vec<_> = found(&table, &scan)
        .into_iter()
        .map(|(place, form, _)| format!("{place} {form}"))
        .collect();
    places.sort();
    let expected = [
        ".env PEM",
        "a.java PEM",
        "a.js PEM",
        "a.patch PEM",
        "a.vb PEM",
        "a.yaml PEM",
        "account.json PEM",
        "acme.json PEM",
        "app.log PEM",
        "base64.patch PFX",
        "be PEM",
        "be-mark PEM",
        "clixml.xml PEM",
        "crlf.env PEM",
        "cut PEM",
        "der.properties DER",
        "der.reg> DER",
        "env-secret.yaml PEM",
        "grep PEM",
        "hex.sql PEM",
        "le PEM",
        "mac PEM",
        "nested.json PEM",
        "numbered PEM",
        "octal.sql PEM",
        "oneline PEM",
        "page.html PEM",
        "pem.reg> PEM",
        "pfx.json PFX",
        "pfx.txt PFX",
        "php.json PEM",
        "secret.yaml PEM",
        "whole.config DER",
    ];
    assert_eq!(places, expected);
}

#[test]
fn archives_of_other_kinds_are_read_or_counted_as_seen_in_part() {
    let table = searched();
    openssl(&table.at("."), "genpkey -algorithm ED25519 -out server.key");
    python(
        &table.at("."),
        r#"
import tarfile, gzip, bz2, lzma, io, zlib
long = 'folder/' * 30 + 'server.key'
for mode, name in (('w', 'a.tar'), ('w:gz', 'a.tgz')):
    for format, of in ((tarfile.USTAR_FORMAT, 'ustar'), (tarfile.GNU_FORMAT, 'gnu'), (tarfile.PAX_FORMAT, 'pax')):
        with tarfile.open('tree/' + of + '-' + name, mode, format=format) as t:
            t.addfile(tarfile.TarInfo('empty')); 
            big = tarfile.TarInfo('big'); big.size = 3_000_001; t.addfile(big, io.BytesIO(b'x' * 3_000_001))
            t.add('server.key', 'x/server.key' if of == 'ustar' else long)
key = open('server.key', 'rb').read()
with gzip.open('tree/server.key.gz', 'w') as f: f.write(key)
open('tree/a.bz2', 'wb').write(bz2.compress(key))
open('tree/a.xz', 'wb').write(lzma.compress(key))
open('tree/a.lzma', 'wb').write(lzma.compress(key, format=lzma.FORMAT_ALONE))
for level in (1, 6, 9): open('tree/%d.zlib' % level, 'wb').write(zlib.compress(key, level))
open('tree/x.txt', 'w').write('x^2 + y^2 is a text, and x is its first letter, whatever zlib says of x^')
import subprocess
subprocess.run(['gpg', '--homedir', '.', '--batch', '--store', '-o', 'tree/a.gpg', 'server.key'], check=True, capture_output=True)
open('tree/a.7z', 'wb').write(b'7z\xbc\xaf\x27\x1c\0\4' + bytes(50))
open('tree/a.rar', 'wb').write(b'Rar!\x1a\7\1\0' + bytes(50))
open('tree/a.zst', 'wb').write(b'\x28\xb5\x2f\xfd' + bytes(50))
open('tree/cut.tgz', 'wb').write(open('tree/gnu-a.tgz', 'rb').read()[:900])
open('tree/cut.tar', 'wb').write(open('tree/gnu-a.tar', 'rb').read()[:2_000_000])
"#,
    );
    let scan = scan(&table);
    let places: Vec<_> = found(&table, &scan)
        .into_iter()
        .map(|(place, ..)| place)
        .collect();
    let long = format!("{}server.key", "folder/".repeat(30));
    let long: String = long.chars().take(200).collect();
    let expected = [
        format!("gnu-a.tar>{long}"),
        format!("gnu-a.tgz>{long}"),
        format!("pax-a.tar>{long}"),
        format!("pax-a.tgz>{long}"),
        "server.key.gz>server.key".to_owned(),
        "ustar-a.tar>x/server.key".to_owned(),
        "ustar-a.tgz>x/server.key".to_owned(),
    ];
    assert_eq!(places, expected);
    assert_eq!(scan["in_part"], 12, "{scan}");
}

/// DER of a value with this tag.
fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).unwrap().to_be_bytes();
    [&[tag, 0x82], &length[..], content].concat()
}

#[test]
fn key_stores_of_java_and_of_microsofts_tools_are_found_and_trust_stores_are_not() {
    let table = searched();
    let (tree, outside) = (table.at("tree"), table.at("."));
    openssl(&outside, "genrsa -out key 2048");
    openssl(
        &outside,
        "req -x509 -new -key key -subj /CN=x -days 9 -out cert",
    );
    openssl(
        &outside,
        "pkcs12 -export -inkey key -in cert -passout pass:secret -out pfx",
    );
    openssl(
        &outside,
        "rsa -in key -outform PVK -pvk-none -out tree/open.pvk",
    );
    let keytool = |line: &str| {
        let run = Command::new("keytool")
            .args(line.split(' '))
            .current_dir(&outside)
            .output()
            .unwrap();
        assert!(
            run.status.success(),
            "{line}: {}",
            String::from_utf8_lossy(&run.stdout)
        );
    };
    for kind in ["JKS", "JCEKS"] {
        keytool(&format!(
            "-importkeystore -srckeystore pfx -srcstorepass secret -deststoretype {kind} -destkeystore tree/{kind} -deststorepass secret"
        ));
        keytool(&format!(
            "-importcert -noprompt -file cert -alias a -storetype {kind} -keystore tree/trust-{kind} -storepass secret"
        ));
    }
    // ObjectStore { EncryptedObjectStoreData { PBES2, OCTET STRING }, … }
    let scheme = der(
        0x30,
        &[
            &b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x05\x0d"[..],
            &der(0x30, &[0; 60]),
        ]
        .concat(),
    );
    let store = der(0x30, &[scheme, der(4, &[7; 300])].concat());
    fs::write(
        tree.join("bcfks"),
        der(0x30, &[store, der(0x30, &[0; 60])].concat()),
    )
    .unwrap();
    let mut closed = fs::read(tree.join("open.pvk")).unwrap();
    closed[12] = 1;
    fs::write(tree.join("closed.pvk"), closed).unwrap();
    let expected = [
        ("JCEKS", "JKS", Some(true)),
        ("JKS", "JKS", Some(true)),
        ("bcfks", "BCFKS", Some(true)),
        ("closed.pvk", "PVK", Some(true)),
        ("open.pvk", "PVK", Some(false)),
    ];
    let expected: Vec<_> = expected
        .iter()
        .map(|(name, form, closed)| ((*name).to_owned(), (*form).to_owned(), *closed))
        .collect();
    assert_eq!(found(&table, &scan(&table)), expected);
}

#[test]
fn a_file_with_many_names_is_looked_at_once_and_its_keys_lie_at_each() {
    let table = searched();
    openssl(&table.at("."), "genpkey -algorithm ED25519 -out key");
    put(&table, "text", b"no key");
    for at in 0..40 {
        fs::hard_link(table.at("key"), table.at(&format!("tree/key{at}"))).unwrap();
        fs::hard_link(table.at("text"), table.at(&format!("tree/text{at}"))).unwrap();
    }
    let scan = scan(&table);
    assert_eq!(
        (scan["files"].as_u64(), found(&table, &scan).len()),
        (Some(2), 40)
    );
}

#[test]
fn links_are_not_followed_out_of_the_tree_nor_in_circles_and_nothing_special_is_opened() {
    let table = searched();
    openssl(&table.at("."), "genpkey -algorithm ED25519 -out outside");
    fs::create_dir_all(table.at("tree/a/b")).unwrap();
    for (to, from) in [
        ("..", "tree/a/b/up"),
        ("../outside", "tree/out"),
        ("/dev/zero", "tree/zero"),
        ("self", "tree/self"),
    ] {
        std::os::unix::fs::symlink(to, table.at(from)).unwrap();
    }
    table.pipe("tree/pipe");
    let _socket = std::os::unix::net::UnixListener::bind(table.at("tree/socket")).unwrap();
    let scan = scan(&table);
    assert_eq!(
        (found(&table, &scan).len(), scan["files"].as_u64()),
        (0, Some(0))
    );
}

#[test]
fn files_that_lie_about_themselves_are_left_behind_quickly() {
    let table = searched();
    let key = {
        openssl(
            &table.at("."),
            "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -outform DER -out key.der",
        );
        fs::read(table.at("key.der")).unwrap()
    };
    for cut in [1, 2, 5, 20, key.len() / 2] {
        put(&table, &format!("tree/cut{cut}"), &key[..cut]);
    }
    put(
        &table,
        "tree/length",
        b"\x30\x84\xff\xff\xff\xff\x02\x01\x00\x30\x0d",
    );
    put(
        &table,
        "tree/pfx",
        b"\x30\x80\x02\x01\x03\x30\x80\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01",
    );
    put(
        &table,
        "tree/begins",
        &b"-----BEGIN PRIVATE KEY-----\n".repeat(100_000),
    );
    put(&table, "tree/dashes", &vec![b'-'; 5_000_000]);
    put(
        &table,
        "tree/headers",
        &[
            b"From: a\n".as_slice(),
            &b"Content-Type: message/rfc822\n\n".repeat(100_000),
        ]
        .concat(),
    );
    put(
        &table,
        "tree/line",
        &[b"From: a\n\n".as_slice(), &vec![b'x'; 5_000_000]].concat(),
    );
    put(
        &table,
        "tree/end",
        b"PK\x03\x04PK\x05\x06\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
    );
    let huge = fs::File::create(table.at("tree/huge.pem")).unwrap();
    (&huge)
        .write_all(&b"-----BEGIN PRIVATE KEY-----\n".repeat(100))
        .unwrap();
    huge.set_len(1 << 40).unwrap();
    let scan = scan(&table);
    assert_eq!(found(&table, &scan), []);
    assert!(
        scan["in_part"].as_u64().unwrap() >= 2,
        "the huge file, and the archive's end: {scan}"
    );
}

#[test]
fn an_archive_that_unfolds_without_end_is_seen_in_part() {
    let table = searched();
    let mut bomb = zipped(&[(
        "zeros.pem",
        &[b"-----BEGIN ".as_slice(), &vec![b'A'; 17_000_000]].concat(),
    )]);
    put(&table, "tree/large.zip", &bomb);
    // Each begins as a key does and is small enough to be read; all of them are more than is read.
    let one = [
        b"\x30\x82\xff\xff\x02\x01\x00\x30".as_slice(),
        &vec![b'A'; 16_000_000],
    ]
    .concat();
    let many: Vec<_> = (0..18).map(|at| format!("{at}.pem")).collect();
    put(
        &table,
        "tree/many.zip",
        &zipped(
            &many
                .iter()
                .map(|name| (name.as_str(), one.as_slice()))
                .collect::<Vec<_>>(),
        ),
    );
    for depth in 0..8 {
        bomb = zipped(&[(&format!("{depth}.zip"), bomb.as_slice())]);
    }
    put(&table, "tree/deep.zip", &bomb);
    let scan = scan(&table);
    assert_eq!(
        (found(&table, &scan).len(), scan["in_part"].as_u64()),
        (0, Some(3))
    );
}

#[cfg(unix)]
#[test]
fn a_pipe_that_is_named_is_not_read_and_that_is_counted() {
    let table = searched();
    let pipe = Command::new("mkfifo").arg(table.at("pipe")).status();
    assert!(pipe.unwrap().success());
    let scan = table.run("audit --scan {pipe} --json").json()["scan"].clone();
    assert_eq!((&scan["files"], &scan["unread"]), (&0.into(), &1.into()));
}

#[test]
fn what_is_not_there_cannot_be_searched() {
    let table = Table::with_vault(&["www.example.com"]);
    table.run(BACKUP).ended_with(0);
    let said = table.run("audit --scan {nowhere}").ended_with(2);
    assert!(says(&said.err, "error-scan-path"), "{}", said.err);
}

/// The numbers of an RSA key in PKCS#1, without zeros in front.
fn rsa_numbers(folder: &Path, key: &str) -> Vec<Vec<u8>> {
    openssl(
        folder,
        &format!("rsa -in {key} -traditional -outform DER -out numbers"),
    );
    let der = fs::read(folder.join("numbers")).unwrap();
    fs::remove_file(folder.join("numbers")).unwrap();
    let mut fields = pfx::ber::Reader::new(&der).sequence().unwrap();
    let mut numbers = Vec::new();
    while let Ok(number) = fields.next() {
        numbers.push(number.magnitude().unwrap().to_vec());
    }
    numbers
}

#[test]
fn keys_written_number_by_number_in_xml_and_json_are_found_and_known() {
    let table = Table::bare();
    fs::create_dir(table.at("tree")).unwrap();
    let folder = table.at(".");
    openssl(&folder, "genrsa -out key 2048");
    let numbers = rsa_numbers(&folder, "key");
    let tags = ["Modulus", "Exponent", "D", "P", "Q", "DP", "DQ", "InverseQ"];
    let xml = |wanted: &[&str]| {
        let mut text = "<RSAKeyValue>".to_owned();
        for (tag, number) in tags.iter().zip(&numbers[1..]) {
            if wanted.contains(tag) {
                text += &format!("<{tag}>{}</{tag}>", BASE64.encode(number));
            }
        }
        text + "</RSAKeyValue>"
    };
    let members = ["n", "e", "d", "p", "q", "dp", "dq", "qi"];
    let jwk = |count: usize| {
        let mut text = r#"{"kty":"RSA","kid":"2026""#.to_owned();
        for (name, number) in members.iter().zip(&numbers[1..]).take(count) {
            let number = data_encoding::BASE64URL_NOPAD.encode(number);
            text += &format!(r#","{name}":"{number}""#);
        }
        text + "}"
    };
    let whole = xml(&tags);
    let escaped = whole.replace('<', "&lt;").replace('>', "&gt;");
    let public = xml(&["Modulus", "Exponent"]);
    put(&table, "tree/key.xml", whole.as_bytes());
    put(
        &table,
        "tree/keys.config",
        format!("<a b=\"{escaped}\"/>").as_bytes(),
    );
    put(&table, "tree/wide.xml", &wide(&whole));
    put(
        &table,
        "tree/bare.xml",
        xml(&["Modulus", "Exponent", "D"]).as_bytes(),
    );
    put(&table, "tree/public.xml", public.as_bytes());
    put(&table, "tree/a.json", jwk(8).as_bytes());
    put(
        &table,
        "tree/set.json",
        format!("{{\"keys\": [{}, {}]}}", jwk(2), jwk(3)).as_bytes(),
    );
    let text = jwk(8).replace('"', "\\\"");
    put(
        &table,
        "tree/text.json",
        format!("{{\"jwk\": \"{text}\"}}").as_bytes(),
    );
    put(&table, "tree/public.json", jwk(2).as_bytes());
    let ec = r#"{"crv":"P-256","d":"870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4Bk43bVdj3eAE","kty":"EC"}"#;
    put(&table, "tree/ec.json", ec.as_bytes());
    let scan = scan(&table);
    let open = |name: &str, form: &str| (name.to_owned(), form.to_owned(), Some(false));
    assert_eq!(
        found(&table, &scan),
        [
            open("a.json", "JWK"),
            open("bare.xml", "XML"),
            open("ec.json", "JWK"),
            open("key.xml", "XML"),
            open("keys.config", "XML"),
            open("set.json", "JWK"),
            open("text.json", "JWK"),
            open("wide.xml", "XML"),
        ]
    );
}

#[test]
fn a_key_far_behind_in_a_long_text_is_found_and_a_longer_one_is_seen_in_part() {
    let table = Table::bare();
    fs::create_dir(table.at("tree")).unwrap();
    openssl(
        &table.at("."),
        "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out key",
    );
    let key = fs::read(table.at("key")).unwrap();
    let line =
        b"2026-11-28 12:00:00 an ordinary line of a log, with words and numbers 0123456789\r\n";
    let long = |count: usize, end: &[u8]| [&line.repeat(count)[..], end].concat();
    put(&table, "tree/app.log", &long(500, &key));
    put(&table, "tree/deep.log", &long(100_000, &key));
    let text = String::from_utf8(long(300, &key)).unwrap();
    put(
        &table,
        "tree/wide.log",
        &[&b"\xff\xfe"[..], &wide(&text)].concat(),
    );
    put(
        &table,
        "tree/in.zip",
        &zipped(&[("a/b/app.log", &long(500, &key))]),
    );
    put(&table, "tree/none.log", &long(500, b""));
    let first = scan(&table);
    let names: Vec<_> = found(&table, &first).into_iter().map(|one| one.0).collect();
    assert_eq!(
        names,
        ["app.log", "deep.log", "in.zip>a/b/app.log", "wide.log"]
    );
    let before = first["in_part"].as_u64().unwrap();
    put(&table, "tree/longer.log", &long(250_000, b""));
    assert_eq!(scan(&table)["in_part"].as_u64(), Some(before + 1));
}

/// What the reader of folders takes for a key, a scan does not pass over.
#[test]
fn a_key_in_der_is_found_in_any_form_and_of_any_kind() {
    let table = Table::bare();
    fs::create_dir(table.at("tree")).unwrap();
    let folder = table.at(".");
    for curve in ["secp256k1", "brainpoolP256r1", "secp224r1"] {
        openssl(
            &folder,
            &format!("ecparam -name {curve} -genkey -noout -outform DER -out tree/{curve}"),
        );
    }
    let explicit = "ecparam -name prime256v1 -genkey -noout -param_enc explicit -outform DER";
    openssl(&folder, &format!("{explicit} -out tree/explicit"));
    openssl(
        &folder,
        "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -pkeyopt rsa_keygen_primes:3 -out primes",
    );
    openssl(
        &folder,
        "rsa -in primes -traditional -outform DER -out tree/primes",
    );
    openssl(&folder, "dsaparam -out parameters 2048");
    openssl(&folder, "gendsa -out dsa parameters");
    openssl(&folder, "dsa -in dsa -outform DER -out tree/dsa");
    // What has two numbers is no key.
    openssl(&folder, "dhparam -dsaparam -outform DER -out tree/dh 2048");
    let scan = scan(&table);
    let names: Vec<_> = found(&table, &scan)
        .into_iter()
        .map(|(name, _, closed)| (name, closed))
        .collect();
    let kinds = [
        "brainpoolP256r1",
        "dsa",
        "explicit",
        "primes",
        "secp224r1",
        "secp256k1",
    ];
    assert_eq!(names, kinds.map(|name| (name.to_owned(), Some(false))));
}

/// As programs write a file that they keep as a value: PowerShell, Helm, Node, a database's dump, a
/// shell's `hexdump`.
#[test]
fn a_key_that_a_text_carries_in_any_writing_is_found() {
    let table = searched();
    openssl(&table.at("."), "genrsa -out server.key 2048");
    openssl(
        &table.at("."),
        "rsa -in server.key -outform MSBLOB -out server.blob",
    );
    python(
        &table.at("."),
        r#"
import base64, gzip, json, subprocess
pem = open('server.key').read()
der = subprocess.run(['openssl', 'rsa', '-in', 'server.key', '-outform', 'DER'], capture_output=True).stdout
blob = open('server.blob', 'rb').read()
def put(name, text): open('tree/' + name, 'w').write(text)
b64 = lambda octets: base64.b64encode(octets).decode()
put('double.yaml', 'key: ' + b64(b64(der).encode()) + '\n')
put('double-pem.yaml', 'key: ' + b64(b64(pem.encode()).encode()) + '\n')
put('helm.yaml', 'release: ' + b64(b64(gzip.compress(json.dumps({'key': pem}).encode())).encode()) + '\n')
put('wide.ps1', '$key = [Convert]::FromBase64String("' + b64(pem.encode('utf-16-le')) + '")\n')
put('lines.ps1', '$key = "' + pem.replace('\n', '`r`n') + '"\n')
put('blob.config', '<add key="rsa" value="' + b64(blob) + '" />\n')
put('lines.txt', base64.encodebytes(pem.encode('utf-16-le')).decode())
open('tree/blob', 'wb').write(blob)
put('dump.sql', 'INSERT INTO files VALUES (0x' + der.hex().upper() + ');\n')
put('pem.sql', "INSERT INTO files VALUES ('\\x" + pem.encode().hex() + "');\n")
put('octets.c', 'unsigned char key[] = {' + ', '.join('0x%02x' % b for b in der) + '};\n')
put('hexdump', '\n'.join(' '.join('%02x' % b for b in der[i:i + 16]) for i in range(0, len(der), 16)) + '\n')
put('buffer.json', json.dumps({'type': 'Buffer', 'data': list(der)}))
put('pretty.json', json.dumps({'data': list(pem.encode())}, indent=2))
put('encoded.cer', '-----BEGIN CERTIFICATE-----\n' + base64.encodebytes(der).decode() + '-----END CERTIFICATE-----\n')
open('server.der', 'wb').write(der)
for line in ('xxd', 'xxd -g 1', 'hexdump -C', 'hexdump', 'od -t x1', 'od -A x -t x1z'):
    for of in ('server.der', 'server.key'):
        dump = subprocess.run(line.split() + [of], capture_output=True, check=True).stdout.decode()
        put('dump ' + line.replace(' ', '') + of[6:], dump)
put('url.txt', base64.urlsafe_b64encode(der).decode())
put('words.json', json.dumps({'data': list(range(256)), 'hex': bytes(range(256)).hex(), 'b64': b64(bytes(range(256)))}))
"#,
    );
    let scan = scan(&table);
    let places: Vec<_> = found(&table, &scan)
        .into_iter()
        .map(|(place, form, _)| format!("{place} {form}"))
        .collect();
    let expected = [
        "blob PRIVATEKEYBLOB",
        "blob.config> PRIVATEKEYBLOB",
        "buffer.json> DER",
        "double-pem.yaml> PEM",
        "double.yaml> DER",
        "dump hexdump-C.der> DER",
        "dump hexdump-C.key> PEM",
        "dump hexdump.der> DER",
        "dump hexdump.key> PEM",
        "dump od-Ax-tx1z.der> DER",
        "dump od-Ax-tx1z.key> PEM",
        "dump od-tx1.der> DER",
        "dump od-tx1.key> PEM",
        "dump xxd-g1.der> DER",
        "dump xxd-g1.key> PEM",
        "dump xxd.der> DER",
        "dump xxd.key> PEM",
        "dump.sql> DER",
        "encoded.cer PEM",
        "helm.yaml>>> PEM",
        "hexdump> DER",
        "lines.ps1 PEM",
        "lines.txt> PEM",
        "octets.c> DER",
        "pem.sql> PEM",
        "pretty.json> PEM",
        "url.txt DER",
        "wide.ps1> PEM",
    ];
    assert_eq!(places, expected);
}
