//! A folder that comes back from the vault is compared with the one it was made from, file by file:
//! names, keys, friendly names, every certificate.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use pfxvault::keypair::{Certificate, PrivateKey};
use secret::{Password, SecretBytes};

use crate::common::{PFX_PASSWORD, Table};

const BACKUP: &str = "backup --from folder:{server} --to {A} --accept other-medium=test --yes";
const RESTORE: &str = "restore --from {A} --recovery-key-file {recovery} --to folder:{restored} --pfx-password-file {pfx-password} --yes";

/// What a PFX holds, whatever its form.
#[derive(Debug)]
struct Held {
    /// Public keys (SHA-256).
    keys: BTreeSet<[u8; 32]>,
    certificates: BTreeSet<Vec<u8>>,
    /// The names that may be the friendly name of the certificate of its key, the best first.
    names: Vec<String>,
}

fn held(file: &Path, password: &str) -> Held {
    let read = pfx::read(&fs::read(file).unwrap(), &Password::new(password.into()));
    let read = read.unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let (mut keys, mut names) = (BTreeSet::new(), Vec::new());
    for key in &read.keys {
        let copy = SecretBytes::copy_of(key.pkcs8.expose());
        keys.insert(PrivateKey::parse(copy).unwrap().spki_sha256());
    }
    for one in &read.certificates {
        let is_leaf = Certificate::parse(one.der.clone())
            .is_ok_and(|certificate| keys.contains(&certificate.spki_sha256()));
        if is_leaf {
            names.extend(one.attributes.friendly_name.clone());
        }
    }
    names.extend(
        read.keys
            .iter()
            .filter_map(|key| key.attributes.friendly_name.clone()),
    );
    names.retain(|name| !name.is_empty());
    let certificates = read.certificates.into_iter().map(|one| one.der).collect();
    Held {
        keys,
        certificates,
        names,
    }
}

/// Backs up the files in `server`, which have these passwords, restores them, and compares. A
/// certificate that lies in several files has in each what any of them had beside it.
fn assert_comes_back(table: &Table, passwords: &BTreeMap<String, String>) {
    let mut csv = String::new();
    for (file, password) in passwords {
        csv += &format!("{file},\"{}\"\n", password.replace('"', "\"\""));
    }
    table.secret_file("csv", &csv);
    table
        .run(&format!("{BACKUP} --source-passwords {{csv}}"))
        .ended_with(0);
    let said = table.run(RESTORE);
    assert!(matches!(said.code, 0 | 8), "{}{}", said.out, said.err);
    let mut originals = BTreeMap::new();
    for (file, password) in passwords {
        originals.insert(file, held(&table.at("server").join(file), password));
    }
    let names = |folder: &str| -> BTreeSet<_> {
        let entries = fs::read_dir(table.at(folder)).unwrap();
        entries.map(|entry| entry.unwrap().file_name()).collect()
    };
    assert_eq!(names("restored"), names("server"));
    for (file, before) in &originals {
        let after = held(&table.at("restored").join(file), PFX_PASSWORD);
        assert_eq!(after.keys, before.keys, "{file}");
        let same_key = originals.values().filter(|other| other.keys == before.keys);
        let all: BTreeSet<_> = same_key.clone().flat_map(|one| &one.certificates).collect();
        let after_certificates: BTreeSet<_> = after.certificates.iter().collect();
        if same_key.clone().count() == 1 {
            assert_eq!(after_certificates, all, "{file}");
        }
        assert!(
            after_certificates.is_superset(&before.certificates.iter().collect()),
            "{file}"
        );
        let known: Vec<_> = same_key.flat_map(|one| &one.names).collect();
        match (after.names.first(), before.names.first()) {
            (Some(name), Some(own)) if known.len() <= 2 => {
                assert!(
                    name == own || before.names.contains(name),
                    "{file}: {name} is not {own}"
                );
            }
            (Some(name), _) => assert!(known.contains(&name), "{file}: {name}"),
            // The name of a container is none of the certificate.
            (None, _) => assert!(before.names.len() <= 1, "{file}: {:?}", before.names),
        }
    }
}

fn run(table: &Table, program: &str, line: &str) {
    let output = Command::new(program)
        .args(line.split(' '))
        .current_dir(table.at("."))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{program} {line}: {said}");
}

#[test]
fn files_of_openssl_and_java_come_back_with_all_that_was_in_them() {
    let table = Table::with_vault(&[]);
    fs::create_dir_all(table.at("server")).unwrap();
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 300";
    let ca = "-addext basicConstraints=critical,CA:TRUE";
    run(
        &table,
        "openssl",
        &format!("req -x509 {key} {ca} -keyout root.key -out root.crt -subj /CN=Root"),
    );
    run(
        &table,
        "openssl",
        &format!("req -x509 {key} {ca} -keyout other.key -out other.crt -subj /CN=Stranger"),
    );
    let signed = "-CA root.crt -CAkey root.key";
    run(
        &table,
        "openssl",
        &format!("req -x509 {key} {ca} {signed} -keyout int.key -out int.crt -subj /CN=Middle"),
    );
    let mut passwords = BTreeMap::new();
    let files: [(&str, &str, &str); 5] = [
        ("www.example.com.pfx", "", "chain"),
        ("named.p12", "-name Shop -caname Above", "chain"),
        ("alone.pfx", "-name \u{5e97}", ""),
        (
            "stranger.pfx",
            "-keypbe PBE-SHA1-3DES -certpbe PBE-SHA1-3DES -macalg sha1",
            "all",
        ),
        (
            "camellia old - Copy.pfx",
            "-keypbe camellia-256-cbc -certpbe aria-128-cbc",
            "chain",
        ),
    ];
    for (number, (file, options, beside)) in files.into_iter().enumerate() {
        let leaf = format!(
            "req -x509 {key} -CA int.crt -CAkey int.key -keyout k -out c -subj /CN=h{number}.example.com"
        );
        run(&table, "openssl", &leaf);
        let read = |name: &str| fs::read_to_string(table.at(name)).unwrap();
        let above = match beside {
            "chain" => read("int.crt") + &read("root.crt"),
            "all" => read("other.crt") + &read("root.crt") + &read("int.crt"),
            _ => String::new(),
        };
        fs::write(table.at("in.pem"), read("k") + &read("c") + &above).unwrap();
        let password = format!("of, \"{number}\"");
        table.secret_file("own", &password);
        let export = format!("pkcs12 -export -in in.pem -passout file:own -out made {options}");
        run(&table, "openssl", export.trim_end());
        fs::rename(table.at("made"), table.at("server").join(file)).unwrap();
        passwords.insert(file.to_owned(), password);
    }
    run(
        &table,
        "keytool",
        "-genkeypair -alias tomcat -keyalg RSA -keysize 2048 -dname CN=java.example.com -storetype PKCS12 -storepass changeit -keystore server/java.p12",
    );
    passwords.insert("java.p12".to_owned(), "changeit".to_owned());
    assert_comes_back(&table, &passwords);
}

#[test]
#[ignore = "needs the files of other implementations: tests/run asks for it"]
fn files_of_windows_and_of_others_come_back_with_all_that_was_in_them() {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus");
    let folder = std::env::var_os("PFXVAULT_CORPUS")
        .map_or_else(beside, PathBuf::from)
        .join("pfx");
    let index = fs::read_to_string(folder.join("index.tsv")).unwrap();
    let table = Table::with_vault(&[]);
    fs::create_dir_all(table.at("server")).unwrap();
    let mut passwords = BTreeMap::new();
    for (number, line) in index.lines().enumerate().skip(1) {
        let columns: Vec<&str> = line.split('\t').collect();
        let usable = ["RSA2048", "RSA1024", "RSA4096", "EC-secp", "Ed25519"];
        let has_key = usable.iter().any(|kind| columns[10].starts_with(kind));
        let is_one = columns[8] == "1" && columns[7] != "0" && !columns[10].contains(',');
        if columns[2] != "opens" || !has_key || !is_one {
            continue;
        }
        let password = if columns[1] == "<null>" {
            ""
        } else {
            columns[1]
        };
        let file = format!("file {number}.pfx");
        let bytes = fs::read(folder.join(columns[0])).unwrap();
        let read = pfx::read(&bytes, &Password::new(password.into())).unwrap();
        let key = PrivateKey::parse(SecretBytes::copy_of(read.keys[0].pkcs8.expose()));
        let Ok(key) = key else { continue };
        let is_leaf = |one: &pfx::Certificate| {
            Certificate::parse(one.der.clone())
                .is_ok_and(|certificate| certificate.spki_sha256() == key.spki_sha256())
        };
        if read.certificates.iter().filter(|one| is_leaf(one)).count() == 1 {
            fs::write(table.at("server").join(&file), bytes).unwrap();
            passwords.insert(file, password.to_owned());
        }
    }
    assert!(passwords.len() > 50, "{}", passwords.len());
    assert_comes_back(&table, &passwords);
}
