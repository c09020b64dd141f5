//! Folders as other programs and people leave them: PEM files in the layouts of ACME clients, what
//! systems leave beside the files, and files under several passwords. All made by openssl.

use std::fs;
use std::process::Command;

use crate::common::{self, PFX_PASSWORD, Table, says, tree};

const CREATE_CERTIFICATE: &str = "basicConstraints=critical,CA:TRUE";

/// Runs openssl on a table; words in braces are files there.
fn openssl(table: &Table, line: &str) {
    let output = Command::new("openssl")
        .args(line.split(' '))
        .current_dir(table.at("."))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{line}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// A table with an authority below a root: `int.crt`, `int.key`.
fn with_authority() -> Table {
    let table = Table::with_vault(&[]);
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
    openssl(
        &table,
        &format!("req -x509 {key} -keyout root.key -out root.crt -subj /CN=Root -days 3000"),
    );
    fs::write(table.at("ca.cnf"), CREATE_CERTIFICATE).unwrap();
    openssl(
        &table,
        &format!("req -new {key} -keyout int.key -out int.csr -subj /CN=Intermediate"),
    );
    openssl(
        &table,
        "x509 -req -in int.csr -CA root.crt -CAkey root.key -CAcreateserial -days 2000 -extfile ca.cnf -out int.crt",
    );
    table
}

/// A key and a certificate of the authority, at these places.
fn issue(table: &Table, host: &str, key: &str, certificate: &str) {
    for path in [key, certificate] {
        fs::create_dir_all(table.at(path).parent().unwrap()).unwrap();
    }
    fs::write(table.at("names.cnf"), format!("subjectAltName=DNS:{host}")).unwrap();
    openssl(
        table,
        &format!(
            "req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout {key} -out csr -subj /CN={host}"
        ),
    );
    openssl(
        table,
        &format!(
            "x509 -req -in csr -CA int.crt -CAkey int.key -CAcreateserial -days 200 -extfile names.cnf -out {certificate}"
        ),
    );
}

/// The texts of `parts`, one after the other, as a new file.
fn joined(table: &Table, parts: &[&str], file: &str) {
    let read = |part: &&str| fs::read_to_string(table.at(part)).unwrap();
    let text: String = parts.iter().map(read).collect();
    fs::write(table.at(file), text).unwrap();
}

fn certbot(table: &Table, host: &str) {
    let (live, archive) = (format!("certs/{host}"), format!("archive/{host}"));
    issue(
        table,
        host,
        &format!("{archive}/privkey1.pem"),
        &format!("{archive}/cert1.pem"),
    );
    joined(table, &["int.crt"], &format!("{archive}/chain1.pem"));
    joined(
        table,
        &[&format!("{archive}/cert1.pem"), "int.crt"],
        &format!("{archive}/fullchain1.pem"),
    );
    fs::create_dir_all(table.at(&live)).unwrap();
    for name in ["privkey", "cert", "chain", "fullchain"] {
        let to = format!("../../{archive}/{name}1.pem");
        std::os::unix::fs::symlink(to, table.at(&format!("{live}/{name}.pem"))).unwrap();
    }
}

fn acme_sh(table: &Table, host: &str) {
    let folder = format!("certs/{host}_ecc");
    let certificate = format!("{folder}/{host}.cer");
    issue(table, host, &format!("{folder}/{host}.key"), &certificate);
    joined(table, &["int.crt"], &format!("{folder}/ca.cer"));
    joined(
        table,
        &[&certificate, "int.crt"],
        &format!("{folder}/fullchain.cer"),
    );
}

fn simple_acme(table: &Table, host: &str) {
    let certificate = format!("certs/{host}-crt.pem");
    issue(table, host, &format!("certs/{host}-key.pem"), &certificate);
    joined(table, &["int.crt"], &format!("certs/{host}-chain-only.pem"));
    joined(
        table,
        &[&certificate, "int.crt"],
        &format!("certs/{host}-chain.pem"),
    );
}

/// NAME.crt and NAME.key, one chain for all of them.
fn pairs(table: &Table, host: &str) {
    issue(
        table,
        host,
        &format!("certs/{host}.key"),
        &format!("certs/{host}.crt"),
    );
    joined(table, &["int.crt"], "certs/the-chain.crt");
}

const BACKUP: &str = "backup --from folder:{certs} --to {A} --accept other-medium=test --yes";
const RESTORE: &str = "restore --from {A} --recovery-key-file {recovery} --yes";

/// Every file below a folder by its name there.
fn contents(table: &Table, folder: &str) -> Vec<(String, Vec<u8>)> {
    let root = table.at(folder);
    let mut contents = Vec::new();
    for (path, bytes) in tree(&root) {
        let name = path.strip_prefix(&root).unwrap().display().to_string();
        contents.push((name, bytes));
    }
    contents
}

#[test]
fn the_layouts_of_other_programs_come_back_file_for_file() {
    let layouts: [fn(&Table, &str); 4] = [certbot, acme_sh, simple_acme, pairs];
    for layout in layouts {
        let table = with_authority();
        for host in ["www.example.com", "mail.example.com"] {
            layout(&table, host);
        }
        let list = table.run("list --json --from folder:{certs}").ended_with(0);
        for pair in list.json()["key_pairs"].as_array().unwrap() {
            assert_eq!(pair["chain"].as_array().unwrap().len(), 2, "{pair}");
        }
        table.run(BACKUP).ended_with(0);
        let restore = format!("{RESTORE} --to pem:{{restored}}");
        let said = table.run(&restore).ended_with(0);
        assert!(!said.out.contains("former file name"), "{}", said.out);
        assert_eq!(contents(&table, "restored"), contents(&table, "certs"));
        // The same without a vault, and as PFX.
        table
            .run("export --from folder:{certs} --to pem:{exported}")
            .ended_with(0);
        assert_eq!(contents(&table, "exported"), contents(&table, "certs"));
        let restore = format!("{RESTORE} --to folder:{{pfx}} --pfx-password-file {{pfx-password}}");
        table.run(&restore).ended_with(0);
        assert!(table.at("pfx/www.example.com.pfx").exists());
    }
}

/// Two roots, a new one that the old one has signed, too (`own.crt`, `cross.crt`), and an authority
/// below it: `int.crt`, `int.key`.
fn with_two_ways_up() -> Table {
    let table = Table::with_vault(&[]);
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
    for root in ["old", "own"] {
        openssl(
            &table,
            &format!(
                "req -x509 {key} -keyout {root}.key -out {root}.crt -subj /CN={root} -days 3000"
            ),
        );
    }
    fs::write(table.at("ca.cnf"), CREATE_CERTIFICATE).unwrap();
    openssl(&table, "req -new -key own.key -out own.csr -subj /CN=own");
    openssl(
        &table,
        "x509 -req -in own.csr -CA old.crt -CAkey old.key -CAcreateserial -days 800 -extfile ca.cnf -out cross.crt",
    );
    openssl(
        &table,
        &format!("req -new {key} -keyout int.key -out int.csr -subj /CN=Intermediate"),
    );
    openssl(
        &table,
        "x509 -req -in int.csr -CA own.crt -CAkey own.key -CAcreateserial -days 2000 -extfile ca.cnf -out int.crt",
    );
    table
}

#[test]
fn every_file_of_a_chain_comes_back_with_its_certificates_in_its_order() {
    let table = with_two_ways_up();
    let (int, own, cross) = ("int.crt", "own.crt", "cross.crt");
    let layouts: [&[(&str, &[&str])]; 7] = [
        &[("ca-bundle.crt", &[int, cross, own])],
        &[("ca-bundle.crt", &[int, own]), ("cross.crt", &[cross])],
        &[("ca-bundle.crt", &[own, int])],
        &[("ca-bundle.crt", &[int, int, own])],
        &[
            ("chain.pem", &[int, own, cross]),
            ("fullchain.pem", &["leaf", int, cross, own]),
        ],
        &[("other.pem", &["leaf", own, int, cross])],
        &[("chain.pem", &[int, cross])],
    ];
    for (number, layout) in layouts.iter().enumerate() {
        let folder = format!("certs/{number}");
        let leaf = format!("{folder}/w.crt");
        let host = format!("h{number}.example.com");
        issue(&table, &host, &format!("{folder}/w.key"), &leaf);
        for (file, parts) in *layout {
            let parts: Vec<_> = parts
                .iter()
                .map(|part| if *part == "leaf" { leaf.as_str() } else { part })
                .collect();
            joined(&table, &parts, &format!("{folder}/{file}"));
        }
    }
    table.run(BACKUP).ended_with(0);
    table
        .run(&format!("{RESTORE} --to pem:{{restored}}"))
        .ended_with(0);
    assert_eq!(contents(&table, "restored"), contents(&table, "certs"));
    table
        .run("export --from folder:{certs} --to pem:{exported}")
        .ended_with(0);
    assert_eq!(contents(&table, "exported"), contents(&table, "certs"));
}

#[test]
fn what_lies_in_a_file_of_its_own_gets_into_no_other() {
    let table = with_authority();
    issue(&table, "www.example.com", "certs/w.key", "certs/w.crt");
    issue(&table, "other.example.com", "lost.key", "certs/oth.crt");
    issue(&table, "old.example.com", "lost.key", "old.crt");
    joined(&table, &["old.crt", "int.crt"], "certs/old-fullchain.pem");
    joined(&table, &["int.crt", "root.crt"], "certs/ca.crt");
    let client = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout cl.key -out certs/clientca.crt -subj /CN=Clients -days 300";
    openssl(&table, client);
    let said = table.run(BACKUP).ended_with(0).out;
    for name in ["other.example.com", "old.example.com"] {
        let line = format!("no private key is here for the certificate of {name}");
        assert!(said.contains(&line), "{}", said);
    }
    assert!(said.contains("not included: the certificate of an authority"));
    assert!(!said.contains("kept with"));
    table
        .run(&format!("{RESTORE} --to pem:{{restored}}"))
        .ended_with(0);
    let mut own = contents(&table, "certs");
    own.retain(|(name, _)| ["ca.crt", "w.crt", "w.key"].contains(&name.as_str()));
    assert_eq!(contents(&table, "restored"), own);
}

#[test]
fn a_key_that_cannot_be_read_beside_a_certificate_without_one_is_missing() {
    let table = with_authority();
    issue(&table, "www.example.com", "certs/w.key", "certs/w.crt");
    issue(&table, "rsa.example.com", "r.key", "r.crt");
    openssl(&table, "pkey -in r.key -outform DER -out r.der");
    // What is no key and says so.
    openssl(&table, "pkey -in r.key -pubout -out certs/pub.pem");
    openssl(
        &table,
        "req -new -key r.key -subj /CN=rsa.example.com -out certs/request.pem",
    );
    let pem = fs::read_to_string(table.at("r.key")).unwrap();
    let mut der = fs::read(table.at("r.der")).unwrap();
    let body: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    der[0] = 0;
    let forms: [Vec<u8>; 8] = [
        [vec![0; 64], pem.as_bytes()[64..].to_vec()].concat(),
        vec![0; 300],
        Vec::new(),
        der,
        pem.replace("-----BEGIN", "----BEGIN").into_bytes(),
        pem.replace("PRIVATE KEY", "OPENSSH PRIVATE KEY")
            .into_bytes(),
        b"$ANSIBLE_VAULT;1.1;AES256\n3130\n".to_vec(),
        body.into_bytes(),
    ];
    table.run(BACKUP).ended_with(0);
    // Beside a certificate that has its key, it is nobody's.
    fs::write(table.at("certs/r.key"), &forms[0]).unwrap();
    table.run(BACKUP).ended_with(0);
    joined(&table, &["r.crt"], "certs/r.crt");
    for form in forms {
        fs::write(table.at("certs/r.key"), &form).unwrap();
        let said = table.run(BACKUP).ended_with(3);
        assert!(said.out.contains("not saved: r.key"), "{}", said.out);
        assert!(said.out.contains("certificate of rsa.example.com"));
        let json = table.run(&format!("{BACKUP} --json")).ended_with(3).json();
        assert_eq!(json["missing"][0]["name"], "r.key");
        assert_eq!(json["missing"].as_array().unwrap().len(), 1);
    }
    table
        .run(&format!("{BACKUP} --accept no-key:r.key=gone"))
        .ended_with(0);
    table.run(BACKUP).ended_with(0);
}

#[test]
fn what_lies_in_other_folders_and_forms_is_put_together_all_the_same() {
    let table = with_authority();
    issue(
        &table,
        "www.example.com",
        "certs/private/www.key",
        "certs/public/www.crt",
    );
    // Binary, with its chain in a PKCS#7; the key's file has an earlier key, too.
    issue(&table, "mail.example.com", "old.key", "mail.crt");
    issue(&table, "mail.example.com", "mail.key", "mail.crt");
    fs::create_dir(table.at("certs/mail")).unwrap();
    openssl(
        &table,
        "x509 -in mail.crt -outform DER -out certs/mail/mail.cer",
    );
    openssl(
        &table,
        "crl2pkcs7 -nocrl -certfile int.crt -outform DER -out certs/mail/chain.p7b",
    );
    joined(&table, &["old.key", "mail.key"], "certs/mail/mail.key");
    let list = table
        .run("list --json --from folder:{certs}")
        .ended_with(0)
        .json();
    let pairs = list["key_pairs"].as_array().unwrap();
    let of = |pair: &serde_json::Value| {
        (
            pair["files"].to_string(),
            pair["chain"].as_array().unwrap().len(),
        )
    };
    assert_eq!(
        pairs.iter().map(of).collect::<Vec<_>>(),
        [
            (
                r#"["mail/chain.p7b","mail/mail.cer","mail/mail.key"]"#.to_owned(),
                2
            ),
            (r#"["private/www.key","public/www.crt"]"#.to_owned(), 2),
        ]
    );
    let said = table
        .run("export --from folder:{certs} --to pem:{out}")
        .ended_with(0);
    assert!(!said.out.contains("former file name"), "{}", said.out);
    let names: Vec<_> = contents(&table, "out")
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    assert_eq!(
        names,
        [
            "mail/mail.cer",
            "mail/mail.key",
            "private/www.key",
            "public/www.crt"
        ]
    );
}

#[test]
fn pfx_files_in_folders_of_a_folder_come_back_there() {
    let table = Table::with_vault(&["www.example.com", "mail.example.com", "new.example.com"]);
    fs::create_dir(table.at("server/sub")).unwrap();
    fs::rename(
        table.at("server/mail.example.com.pfx"),
        table.at("server/sub/www.example.com.pfx"),
    )
    .unwrap();
    table.run(common::BACKUP).ended_with(0);
    table.run(common::RESTORE).ended_with(0);
    let names = |folder: &str| -> Vec<String> {
        let root = table.at(folder);
        let files = tree(&root).into_keys();
        files
            .map(|path| path.strip_prefix(&root).unwrap().display().to_string())
            .collect()
    };
    assert_eq!(names("restored"), names("server"));
    assert!(table.at("restored/sub/www.example.com.pfx").exists());
    // A link where the folder should be leads nowhere.
    fs::remove_dir_all(table.at("restored")).unwrap();
    fs::create_dir_all(table.at("elsewhere")).unwrap();
    fs::create_dir(table.at("restored")).unwrap();
    std::os::unix::fs::symlink(table.at("elsewhere"), table.at("restored/sub")).unwrap();
    table.run(common::RESTORE).ended_with(1);
    assert_eq!(tree(&table.at("elsewhere")).len(), 0);
    assert_eq!(names("restored"), Vec::<String>::new());
}

#[test]
fn a_full_folder_in_which_nothing_can_be_used_is_said_to_be_one() {
    let table = Table::bare();
    fs::create_dir(table.at("full")).unwrap();
    for file in ["store.jks", "request.csr", "dh.pem"] {
        fs::write(table.at("full").join(file), "no key pair").unwrap();
    }
    let said = table.run("list --quiet --from folder:{full}").ended_with(3);
    assert!(says(&said.out, "source-passed-over"), "{}", said.out);
    assert!(said.out.contains("store.jks"), "{}", said.out);
    // Only what a desktop leaves: nobody misses anything.
    fs::create_dir(table.at("empty")).unwrap();
    fs::write(table.at("empty/.DS_Store"), "x").unwrap();
    table.run("list --from folder:{empty}").ended_with(0);
}

/// A folder server with what other systems leave beside the files.
fn with_strays() -> Table {
    let table = Table::with_vault(&["www.example.com"]);
    let mac = b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X        ";
    for (file, bytes) in [
        ("._www.example.com.pfx", &mac[..]),
        (".DS_Store", b"x"),
        ("desktop.ini", b"x"),
        ("Thumbs.db", b"x"),
        ("empty.pfx", b""),
        ("empty.key", b""),
    ] {
        fs::write(table.at("server").join(file), bytes).unwrap();
    }
    fs::create_dir(table.at("server/folder.pfx")).unwrap();
    std::os::unix::fs::symlink("gone", table.at("server/dangling.pfx")).unwrap();
    table
}

#[test]
fn what_systems_leave_beside_the_files_keeps_nothing_from_ending_well() {
    let table = with_strays();
    let said = table.run(common::BACKUP).ended_with(0);
    let all = said.out + &said.err;
    assert!(
        says(&all, "source-passed-over") && all.contains("8 files"),
        "{all}"
    );
    let status = "status --from folder:{server} --source-password-file {pfx-password} {A}";
    let said = table.run(status);
    assert!(!said.out.contains("cannot be backed up"), "{}", said.out);
}

#[test]
fn what_cannot_be_read_is_accepted_by_its_file_name_until_it_changes() {
    let table = with_strays();
    let broken = table.at("server/broken.pfx");
    fs::write(&broken, "no PFX").unwrap();
    table.run(common::BACKUP).ended_with(3);
    // A drill is what a restore would give.
    let drill = "drill --json --from {A} --recovery-key-file {recovery}";
    let drilled = table.run(drill).ended_with(3).json();
    assert_eq!(drilled["without_key"][0]["name"], "broken.pfx");
    assert_eq!(drilled["receipt"]["everything"], false);
    table.run(common::RESTORE).ended_with(3);
    let list = "list --from folder:{server} --source-password-file {pfx-password}";
    table.run(list).ended_with(3);
    let said = table.run(&format!("{list} --accept no-key:broken.pfx=junk"));
    said.ended_with(0);
    let accept = format!("{} --accept no-key:broken.pfx=junk", common::BACKUP);
    table.run(&accept).ended_with(0);
    table.run(common::BACKUP).ended_with(0);
    table.run(list).ended_with(0);
    let drilled = table.run(drill).ended_with(0).json();
    assert_eq!(drilled["receipt"]["everything"], true);
    table
        .run(&format!("{} --force", common::RESTORE))
        .ended_with(0);
    // Once a generation says so, other computers know it, too.
    table
        .run(&format!("{drill} --state {{none}}"))
        .ended_with(3);
    table
        .run(&format!("{} --force", common::BACKUP))
        .ended_with(0);
    table
        .run(&format!("{drill} --state {{none}}"))
        .ended_with(0);
    let said = table.run("status --from folder:{server} --source-password-file {pfx-password} {A}");
    assert!(
        says(&(said.out + &said.err), "status-no-key-known"),
        "the reason is shown"
    );
    fs::write(&broken, "another").unwrap();
    table.run(common::BACKUP).ended_with(3);
    let unknown = accept.replace("broken.pfx", "other.pfx");
    table.run(&unknown).ended_with(2);
}

/// Files under passwords of their own: `secret of NAME`.
fn with_passwords(names: &[&str]) -> Table {
    let table = Table::bare();
    fs::create_dir_all(table.at("certs/sub")).unwrap();
    for name in names {
        openssl(
            &table,
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout k -out c -subj /CN=www.example.com",
        );
        let password = table.secret_file("password", &format!("secret, of \"{name}\""));
        openssl(
            &table,
            &format!(
                "pkcs12 -export -inkey k -in c -out certs/{name} -passout file:{}",
                password.display()
            ),
        );
    }
    table
}

#[test]
fn each_file_has_its_own_password_in_a_table() {
    let table = with_passwords(&["a.pfx", "sub/b.pfx", "c.p12"]);
    table.secret_file(
        "table",
        "name,password\na.pfx,\"secret, of \"\"a.pfx\"\"\"\nsub/b.pfx,\"secret, of \"\"sub/b.pfx\"\"\"\n,\"secret, of \"\"c.p12\"\"\"",
    );
    let list = "list --json --from folder:{certs}";
    let said = table
        .run(&format!("{list} --source-passwords {{table}}"))
        .ended_with(0);
    assert_eq!(said.json()["key_pairs"].as_array().unwrap().len(), 3);
    table.secret_file("typo", "d.pfx,secret");
    let said = table
        .run("list --from folder:{certs} --source-passwords {typo}")
        .ended_with(3);
    assert!(says(&said.out, "source-password-in-vain"), "{}", said.out);
    // Without any: that one is needed, and how to give it.
    let said = table.run("list --from folder:{certs}").ended_with(3);
    assert_eq!(said.out.matches("--source-passwords FILE").count(), 3);
    assert!(!said.out.contains("damaged"), "{}", said.out);
    // One wrong password for all is another matter.
    let wrong = format!("{list} --source-password-file {{pfx-password}}");
    let said = table.run(&wrong).ended_with(3);
    let reason = said.json()["unreadable"][0]["reason"].to_string();
    assert!(says(&reason, "reason-wrong-password"), "{reason}");
    table.secret_file("broken", "a.pfx");
    let said = table
        .run("list --from folder:{certs} --source-passwords {broken}")
        .ended_with(2);
    assert!(says(&said.err, "error-password-table"), "{}", said.err);
}

#[test]
fn an_encrypted_key_needs_its_password_and_says_so() {
    let table = with_authority();
    issue(&table, "www.example.com", "certs/open.key", "certs/www.crt");
    let pkcs8 = "pkcs8 -topk8 -in certs/open.key -passout file:pfx-password -out";
    openssl(&table, &format!("{pkcs8} certs/www.key"));
    fs::rename(table.at("certs/open.key"), table.at("open.key")).unwrap();
    let with = "--source-password-file {pfx-password}";
    let list = "list --json --from folder:{certs}";
    let said = table.run(&format!("{list} {with}")).ended_with(0).json();
    assert_eq!(said["key_pairs"].as_array().unwrap().len(), 1);
    let said = table.run(list).ended_with(3).json();
    let reason = said["unreadable"][0]["reason"].to_string();
    assert!(says(&reason, "reason-no-password"), "{reason}");
    let list = "list --json --from pem:{certs/www.crt} --key {certs/www.key}";
    table.run(&format!("{list} {with}")).ended_with(0);
    let said = table.run(list).ended_with(2);
    assert!(said.err.contains("--source-password-file"), "{}", said.err);
    let wrong = table.run(&format!("{list} --source-password-file {{passphrase}}"));
    let said = wrong.ended_with(6);
    assert!(says(&said.err, "reason-wrong-password"), "{}", said.err);
    for cipher in ["aes256", "des3"] {
        let legacy =
            format!("ec -in open.key -{cipher} -passout file:pfx-password -out certs/www.key");
        openssl(&table, &legacy);
        table.run(&format!("{list} {with}")).ended_with(0);
    }
    openssl(
        &table,
        "ec -in open.key -camellia256 -passout file:pfx-password -out certs/www.key",
    );
    table.run(&format!("{list} {with}")).ended_with(0);
    openssl(
        &table,
        "ec -in open.key -seed -provider legacy -provider default -passout file:pfx-password -out certs/www.key",
    );
    let said = table.run(&format!("{list} {with}")).ended_with(1);
    assert!(said.err.contains("openssl pkcs8 -topk8"), "{}", said.err);
}

#[test]
fn where_nobody_had_the_host_s_name_the_higher_gets_it_and_the_other_is_named_apart() {
    let table = with_authority();
    issue(
        &table,
        "www.example.com",
        "certs/z/privkey.pem",
        "certs/z/fullchain.pem",
    );
    // A placeholder, read first, made later and for longer.
    fs::create_dir(table.at("certs/a")).unwrap();
    openssl(
        &table,
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout certs/a/privkey.pem -out certs/a/fullchain.pem -subj /CN=www.example.com -addext subjectAltName=DNS:www.example.com -days 3000",
    );
    let export =
        "export --from folder:{certs} --to folder:{out} --pfx-password-file {pfx-password}";
    let said = table.run(export).ended_with(0);
    assert!(says(&said.out, "plan-apart"), "{}", said.out);
    let list = |file: &str| {
        let with = "--source-password-file {pfx-password}";
        let said = table.run(&format!("list --json --from pfx:{{{file}}} {with}"));
        said.ended_with(0).json()["key_pairs"][0]["thumbprint"].to_string()
    };
    let all = table.run("list --json --from folder:{certs}").json();
    let of = |folder: &str| {
        let pairs = all["key_pairs"].as_array().unwrap();
        let is_of =
            |pair: &&serde_json::Value| pair["files"][0] == format!("{folder}/fullchain.pem");
        pairs.iter().find(is_of).unwrap()["thumbprint"].to_string()
    };
    assert_eq!(list("out/www.example.com.pfx"), of("z"));
    assert_eq!(fs::read_dir(table.at("out")).unwrap().count(), 2);
}

#[test]
fn a_chain_beside_a_certificate_that_was_named_is_found() {
    let table = with_authority();
    certbot(&table, "www.example.com");
    let list = "list --json --from pem:{certs/www.example.com/cert.pem} --key {certs/www.example.com/privkey.pem}";
    let said = table.run(list).ended_with(0).json();
    assert_eq!(said["key_pairs"][0]["chain"].as_array().unwrap().len(), 2);
}

#[test]
fn key_and_certificate_in_one_file_need_no_second_name() {
    let table = with_authority();
    issue(&table, "www.example.com", "key", "crt");
    joined(&table, &["key", "crt", "int.crt"], "both.pem");
    let listed = table.run("list --from pem:{both.pem} --json");
    let listed = listed.ended_with(0).json();
    assert_eq!(listed["key_pairs"][0]["chain"].as_array().unwrap().len(), 2);
    joined(&table, &["crt"], "alone.pem");
    let refused = table.run("list --from pem:{alone.pem} --json");
    let refused = refused.ended_with(1).json();
    assert_eq!(refused["error"]["id"], "error-pem-no-key");
}

/// An authority's certificate of which nobody can tell anything beside a key pair that is whole.
#[test]
fn an_authority_that_cannot_be_read_is_no_missing_key_pair() {
    let table = Table::with_vault(&["www.example.com"]);
    let password = secret::Password::new(PFX_PASSWORD.into());
    let file = table.at("server/www.example.com.pfx");
    let read = pfx::read(&fs::read(&file).unwrap(), &password).unwrap();
    let leaf = read.certificates[0].der.as_slice();
    let contents = pfx::KeyPairContents {
        pkcs8: &read.keys[0].pkcs8,
        chain: &[leaf, b"\x30\x03\x02\x01\x07"],
        friendly_name: None,
        csp_name: None,
    };
    let written = pfx::write(&contents, &password, pfx::Profile::Aes256, 2000).unwrap();
    fs::write(&file, written.expose()).unwrap();
    let said = table.run(common::BACKUP).ended_with(0);
    assert!(said.out.contains("1 of 1 key pairs"), "{}", said.out);
    assert!(
        said.out.contains("certificate 2 of 2"),
        "it is named: {}",
        said.out
    );
    table.run(common::RESTORE).ended_with(0);
    let restored = fs::read(table.at("restored/www.example.com.pfx")).unwrap();
    let restored = pfx::read(&restored, &password).unwrap();
    let der = |read: &pfx::Contents, at: usize| read.certificates[at].der.clone();
    assert_eq!(restored.certificates.len(), 2);
    assert_eq!(der(&restored, 0), der(&read, 0));
    assert_eq!(der(&restored, 1), b"\x30\x03\x02\x01\x07");
    table
        .run("drill --from {A} --recovery-key-file {recovery}")
        .ended_with(0);
}

/// The names of the files of each key pair at a source.
fn files_at(table: &Table, line: &str) -> Vec<String> {
    let list = table.run(line).ended_with(0).json();
    let pairs = list["key_pairs"].as_array().unwrap();
    pairs.iter().map(|pair| pair["files"].to_string()).collect()
}

fn keytool(table: &Table, line: &str) {
    let output = Command::new("keytool")
        .args(line.split(' '))
        .args(["-storepass", PFX_PASSWORD, "-keypass", PFX_PASSWORD])
        .current_dir(table.at("."))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{line}: {said}");
}

const LIST: &str = "list --json --from folder:{certs} --source-password-file {pfx-password}";

#[test]
fn a_key_store_of_java_is_read_and_one_that_is_not_is_named_with_what_converts_it() {
    let table = with_authority();
    fs::create_dir(table.at("certs")).unwrap();
    let make = "-genkeypair -alias one -keyalg EC -groupname secp256r1 -dname CN=www.example.com";
    keytool(
        &table,
        &format!("{make} -storetype JKS -keystore certs/a.jks"),
    );
    // A trust store is nobody's key pair.
    keytool(
        &table,
        "-importcert -noprompt -alias ca -file int.crt -storetype JKS -keystore certs/trust.jks",
    );
    assert_eq!(files_at(&table, LIST), [r#"["a.jks"]"#]);
    let said = table.run("list --json --from folder:{certs}").ended_with(3);
    let reason = said.json()["unreadable"][0]["reason"].to_string();
    assert!(says(&reason, "reason-no-password"), "{reason}");
    let export = "export --from folder:{certs} --to folder:{out} --pfx-password-file {pfx-password} --source-password-file {pfx-password}";
    table.run(export).ended_with(0);
    assert_eq!(fs::read_dir(table.at("out")).unwrap().count(), 1);
    keytool(
        &table,
        &format!("{make} -storetype JCEKS -keystore certs/b.jceks"),
    );
    let said = table.run(LIST).ended_with(3).json();
    let reason = said["unreadable"][0]["reason"].to_string();
    assert!(
        reason.contains("keytool -importkeystore -srcstoretype JCEKS"),
        "{reason}"
    );
}

#[test]
fn a_file_is_what_is_in_it_whatever_its_name_says() {
    let table = with_authority();
    issue(&table, "www.example.com", "key", "crt");
    fs::create_dir(table.at("certs")).unwrap();
    let read = |name: &str| fs::read(table.at(name)).unwrap();
    let write = |name: &str, bytes: &[u8]| {
        fs::remove_dir_all(table.at("certs")).unwrap();
        fs::create_dir(table.at("certs")).unwrap();
        fs::write(table.at("certs").join(name), bytes).unwrap();
    };
    openssl(
        &table,
        "pkcs12 -export -inkey key -in crt -passout file:pfx-password -out whole.pfx",
    );
    let base64 = data_encoding::BASE64.encode(&read("whole.pfx"));
    let pem = format!("-----BEGIN PKCS12-----\n{base64}\n-----END PKCS12-----\n");
    // What `certutil -encode` writes of any file.
    let lying = pem.replace("PKCS12", "CERTIFICATE");
    let utf16: Vec<u8> = base64.encode_utf16().flat_map(u16::to_le_bytes).collect();
    // What Windows PowerShell writes with `>`.
    let marked = |text: &str| {
        let wide = text.encode_utf16().flat_map(u16::to_le_bytes);
        [0xff, 0xfe].into_iter().chain(wide).collect::<Vec<u8>>()
    };
    let both = [read("key"), read("crt")].concat();
    let quoted = format!("> {}", String::from_utf8_lossy(&both).replace('\n', "\n> "));
    let glued = String::from_utf8(both.clone())
        .unwrap()
        .replace('\n', "\\n");
    for (name, bytes) in [
        ("pem.pfx", &both),
        ("pem.p12", &glued.clone().into_bytes()),
        ("quoted.pem", &quoted.into_bytes()),
        ("www.cer", &read("whole.pfx")),
        ("www.key", &read("whole.pfx")),
        ("base64.pfx", &base64.clone().into_bytes()),
        ("wide.pfx", &utf16),
        ("marked.pfx", &marked(&base64)),
        ("wide-pem.pfx", &marked(&String::from_utf8_lossy(&both))),
        ("wrapped.pem", &pem.into_bytes()),
        ("lying.pfx", &lying.into_bytes()),
    ] {
        write(name, bytes);
        assert_eq!(files_at(&table, LIST), [format!("[\"{name}\"]")]);
        let export = "export --from folder:{certs} --to folder:{out} --pfx-password-file {pfx-password} --source-password-file {pfx-password}";
        table.run(export).ended_with(0);
        assert_eq!(fs::read_dir(table.at("out")).unwrap().count(), 1, "{name}");
        fs::remove_dir_all(table.at("out")).unwrap();
    }
}

#[test]
fn a_file_of_microsofts_old_tools_is_a_key() {
    let table = with_authority();
    fs::create_dir(table.at("certs")).unwrap();
    openssl(&table, "genrsa -out key 2048");
    openssl(
        &table,
        "req -x509 -key key -out certs/www.cer -outform DER -subj /CN=www.example.com",
    );
    openssl(
        &table,
        "rsa -in key -outform PVK -pvk-none -out certs/www.pvk",
    );
    assert_eq!(files_at(&table, LIST), [r#"["www.cer","www.pvk"]"#]);
    let weak = "rsa -in key -outform PVK -pvk-weak -passout file:pfx-password -provider legacy -provider default -out certs/www.pvk";
    openssl(&table, weak);
    let said = table.run(LIST).ended_with(3).json();
    let reason = said["unreadable"][0]["reason"].to_string();
    assert!(reason.contains("openssl rsa -inform PVK"), "{reason}");
}

#[test]
fn a_damaged_block_is_said_and_keeps_nothing_else_of_its_file_from_being_saved() {
    let table = with_authority();
    issue(&table, "www.example.com", "key", "crt");
    let certificate = fs::read_to_string(table.at("int.crt")).unwrap();
    fs::write(table.at("broken"), &certificate[..certificate.len() - 90]).unwrap();
    for parts in [
        ["key", "crt", "broken"],
        ["broken", "key", "crt"],
        ["key", "broken", "crt"],
    ] {
        fs::create_dir_all(table.at("certs")).unwrap();
        joined(&table, &parts, "certs/www.pem");
        let said = table.run(LIST).ended_with(3).json();
        assert_eq!(said["key_pairs"].as_array().unwrap().len(), 1, "{parts:?}");
        let reason = said["unreadable"][0]["reason"].to_string();
        assert!(says(&reason, "reason-part-damaged"), "{reason}");
    }
}

#[test]
fn a_certificate_in_der_comes_back_in_der() {
    let table = with_authority();
    for (host, ending) in [("www.example.com", "cer"), ("mail.example.com", "der")] {
        issue(&table, host, &format!("certs/{host}.key"), "crt");
        openssl(
            &table,
            &format!("x509 -in crt -outform DER -out certs/{host}.{ending}"),
        );
    }
    table.run(BACKUP).ended_with(0);
    let said = table
        .run(&format!("{RESTORE} --to pem:{{restored}}"))
        .ended_with(0);
    assert!(!said.out.contains("former file name"), "{}", said.out);
    assert_eq!(contents(&table, "restored"), contents(&table, "certs"));
}

#[test]
fn another_friendly_name_of_the_same_certificate_is_said() {
    let table = with_authority();
    issue(&table, "www.example.com", "key", "crt");
    fs::create_dir(table.at("certs")).unwrap();
    for (file, name) in [("a.pfx", "Shop"), ("b.pfx", "Old-shop"), ("c.pfx", "Shop")] {
        openssl(
            &table,
            &format!(
                "pkcs12 -export -inkey key -in crt -name {name} -passout file:pfx-password -out certs/{file}"
            ),
        );
    }
    let list = LIST.replace("--json ", "");
    let said = table.run(&list).ended_with(0);
    assert!(says(&said.out, "friendly-name-not-kept"), "{}", said.out);
    assert_eq!(
        said.out.matches("b.pfx the same").count(),
        1,
        "{}",
        said.out
    );
    assert!(!said.out.contains("c.pfx the same"), "{}", said.out);
}

#[test]
fn why_a_key_pair_was_not_saved_is_said_where_it_is_missed() {
    let table = Table::with_vault(&["www.example.com"]);
    fs::write(table.at("server/broken.pfx"), "no PFX").unwrap();
    table.run(common::BACKUP).ended_with(3);
    let said = table.run(common::RESTORE).ended_with(3);
    let all = said.out + &said.err;
    assert!(says(&all, "reason-malformed"), "{all}");
}

#[test]
fn who_renews_is_said_by_list_backup_status_and_restore() {
    let table = with_authority();
    issue(&table, "www.example.com", "key", "crt");
    fs::create_dir_all(table.at("server")).unwrap();
    let output = Command::new("openssl")
        .args("pkcs12 -export -inkey key -in crt -passout file:pfx-password -name".split(' '))
        .arg("[IIS] Shop, (any host) @ 2026.5.2 10:00:00")
        .args(["-out", "server/www.example.com.pfx"])
        .current_dir(table.at("."))
        .output()
        .unwrap();
    assert!(output.status.success());
    let password = "--source-password-file {pfx-password}";
    for line in [
        &format!("list --from folder:{{server}} {password}"),
        common::BACKUP,
        &format!("status --from folder:{{server}} {password} {{A}}"),
        common::RESTORE,
    ] {
        let said = table.run(line);
        let all = said.out + &said.err;
        assert!(says(&all, "renewed-by-win-acme"), "{line}: {all}");
    }
}

/// `openssl ecparam -param_enc explicit`: the curve is written out, in PEM and in DER.
#[test]
fn a_key_whose_curve_is_written_out_is_that_of_its_certificate() {
    let table = with_authority();
    fs::create_dir(table.at("certs")).unwrap();
    for (curve, form) in [("secp384r1", "PEM"), ("prime256v1", "DER")] {
        openssl(
            &table,
            &format!("ecparam -name {curve} -genkey -noout -param_enc explicit -out key"),
        );
        openssl(
            &table,
            "req -x509 -key key -out certs/www.crt -subj /CN=www.example.com -days 90",
        );
        openssl(
            &table,
            &format!("ec -in key -param_enc explicit -outform {form} -out certs/www.key"),
        );
        let said = table.run(LIST).ended_with(0).json();
        assert_eq!(said["key_pairs"].as_array().unwrap().len(), 1, "{curve}");
    }
}

/// OpenVPN's static key is a block of a label of its own, in hexadecimal.
#[test]
fn a_block_of_another_kind_in_the_folder_is_no_error() {
    let table = with_authority();
    issue(&table, "www.example.com", "certs/www.key", "certs/www.crt");
    let label = "OpenVPN Static key V1";
    let line = "6acef03f62675b4b1bbd03e53b187727\n";
    let text = format!(
        "-----BEGIN {label}-----\n{}-----END {label}-----\n",
        line.repeat(16)
    );
    fs::write(table.at("certs/ta.key"), text).unwrap();
    let said = table.run(LIST).ended_with(0).json();
    assert_eq!(said["key_pairs"].as_array().unwrap().len(), 1);
}

/// Its key may be in the file that nobody opened.
#[test]
fn a_certificate_beside_a_locked_key_is_not_said_to_have_none() {
    let table = with_authority();
    issue(&table, "www.example.com", "key", "certs/www.crt");
    openssl(
        &table,
        "pkcs8 -topk8 -in key -passout pass:Another-1 -out certs/www.key",
    );
    let said = table.run(&LIST.replace("--json ", "")).ended_with(3);
    assert!(says(&said.out, "list-certificate-perhaps"), "{}", said.out);
    assert!(!says(&said.out, "list-certificate"), "{}", said.out);
}

#[test]
fn a_common_name_beyond_ascii_is_a_host_as_its_a_label_is() {
    let table = with_authority();
    fs::create_dir(table.at("certs")).unwrap();
    openssl(
        &table,
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout certs/www.key -out certs/www.crt -days 90 -utf8 -subj /CN=straße.example.de",
    );
    let said = table.run(LIST).ended_with(0).json();
    assert_eq!(said["key_pairs"][0]["names"][0], "straße.example.de");
}
