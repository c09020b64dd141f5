//! An old Windows server and a new one, and the stick that is carried between them.
//! tests/windows/run gives the Windows program in `PFXVAULT_EXE`.

use std::process::Command;

use der::Decode;

use crate::common::tls_server::TlsServer;
use crate::common::wine::{Windows, given};
use crate::common::{PFX_PASSWORD, Said, Table};

const FRIENDLY_NAME: &str = "公開 サイト 2026年";
/// The kinds of keys that stock tools make for servers.
const KEYS: [(&str, &[&str]); 7] = [
    (
        "rsa2048.example.com",
        &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
    ),
    (
        "rsa3072.example.com",
        &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:3072"],
    ),
    (
        "rsa4096.example.com",
        &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:4096"],
    ),
    (
        "p256.example.com",
        &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
    ),
    (
        "p384.example.com",
        &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"],
    ),
    (
        "p521.example.com",
        &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-521"],
    ),
    (
        MARKED,
        &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
    ),
];
const MARKED: &str = "marked.example.com";
const IMPORT: &str = "--source-password-file {pfx-password} --to iis --yes";

/// Wine's own import of a PFX makes another key of an RSA key with a short CRT exponent, as one in 128 has it.
fn is_spoiled_by_wine(table: &Table, key: &str) -> bool {
    let pem = std::fs::read_to_string(table.at(key)).unwrap();
    let (_, der) = pkcs8::SecretDocument::from_pem(&pem).unwrap();
    let info: pkcs8::PrivateKeyInfoRef<'_> = der.decode_msg().unwrap();
    let Ok(rsa) = rsa::pkcs1::RsaPrivateKeyRef::from_der(info.private_key.as_bytes()) else {
        return false;
    };
    let whole = rsa.prime1.as_bytes().len();
    [rsa.exponent1, rsa.exponent2]
        .iter()
        .any(|exponent| exponent.as_bytes().len() < whole)
}

/// A self-signed key pair made by openssl, as `{name}.key`, `{name}.crt` and `{name}.pfx`.
fn stock_key_pair(table: &Table, name: &str, key: &[&str]) {
    let subject = format!("/CN={name}");
    let names = format!("subjectAltName=DNS:{name}");
    let file = |end: &str| format!("{name}.{end}");
    openssl(table, &[&["genpkey", "-out", &file("key")], key].concat());
    while is_spoiled_by_wine(table, &file("key")) {
        openssl(table, &[&["genpkey", "-out", &file("key")], key].concat());
    }
    let request = [
        "req", "-x509", "-days", "90", "-subj", &subject, "-addext", &names,
    ];
    openssl(
        table,
        &[&request[..], &["-key", &file("key"), "-out", &file("crt")]].concat(),
    );
    let pfx = [
        "pkcs12",
        "-export",
        "-name",
        FRIENDLY_NAME,
        "-passout",
        "file:pfx-password",
    ];
    openssl(
        table,
        &[
            &pfx[..],
            &[
                "-inkey",
                &file("key"),
                "-in",
                &file("crt"),
                "-out",
                &file("pfx"),
            ],
        ]
        .concat(),
    );
}

#[track_caller]
fn openssl(table: &Table, words: &[&str]) -> Vec<u8> {
    let output = Command::new("openssl")
        .args(words)
        .current_dir(table.folder.path())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{words:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    output.stdout
}

/// What `list --from iis` says: names, friendly name, hindrance.
fn listed(said: &Said) -> Vec<(String, Option<String>, bool)> {
    let text = |value: &serde_json::Value| value.as_str().map(str::to_owned);
    let pairs = said.json()["key_pairs"].as_array().unwrap().clone();
    let one = |pair: &serde_json::Value| {
        (
            text(&pair["names"][0]).unwrap(),
            text(&pair["friendly_name"]),
            pair["hindrance"].is_string(),
        )
    };
    pairs.iter().map(one).collect()
}

#[test]
#[ignore = "needs the Windows program: tests/windows/run asks for it"]
fn key_pairs_of_an_old_server_arrive_on_a_new_one_and_sign() {
    let table = Table::bare();
    let old = Windows::beside(&table, "old");
    for (name, key) in KEYS {
        stock_key_pair(&table, name, key);
        let marked = if name == MARKED {
            " --non-exportable"
        } else {
            ""
        };
        old.run(&format!(
            "restore --from pfx:{{{name}.pfx}} {IMPORT}{marked}"
        ))
        .ended_with(0);
    }
    let before = listed(&old.run("list --from iis --json").ended_with(3));
    assert_eq!(before.len(), KEYS.len());
    assert!(
        before
            .iter()
            .all(|(name, _, hindrance)| *hindrance == (name == MARKED)),
        "{before:?}"
    );
    old.run("create R: --passphrase-file {passphrase} --recovery-key-file {recovery}")
        .ended_with(0);
    let saved = old
        .run("backup --from iis --to R: --json")
        .ended_with(3)
        .json();
    assert_eq!(
        (&saved["saved"], &saved["missing"][0]["name"]),
        (&(KEYS.len() - 1).into(), &MARKED.into())
    );
    old.run("backup --from iis --to R: --force --accept no-key:p256.example.com=typo")
        .ended_with(2);
    old.run(&format!(
        "backup --from iis --to R: --force --accept no-key:{MARKED}=re-issue-ordered"
    ))
    .ended_with(0);
    let saved = old
        .run("backup --from iis --to R: --force --json")
        .ended_with(0)
        .json();
    assert_eq!(
        saved["missing"][0]["acknowledged"], "re-issue-ordered",
        "it is said until the certificate ends"
    );

    let new = Windows::beside(&table, "new");
    let restore = "restore --from R: --passphrase-file {passphrase} --to iis --json";
    // What was accepted when it was backed up is missed by no restore.
    new.run(&format!("{restore} --dry-run")).ended_with(0);
    assert_eq!(listed(&new.run("list --from iis --json").ended_with(0)), []);
    new.run(&format!("{restore} --yes")).ended_with(0);
    let after = listed(&new.run("list --from iis --json").ended_with(0));
    assert_eq!(after.len(), KEYS.len() - 1);
    assert!(
        after
            .iter()
            .all(|(_, friendly, _)| friendly.as_deref() == Some(FRIENDLY_NAME)),
        "{after:?}"
    );

    // Only the new server's keys are left to sign with.
    new.run("export --from iis --to pem:{out}").ended_with(0);
    for (name, _) in KEYS.iter().filter(|(name, _)| *name != MARKED) {
        openssl(
            &table,
            &[
                "dgst",
                "-sha256",
                "-sign",
                &format!("out/{name}.key"),
                "-out",
                "signature",
                "passphrase",
            ],
        );
        let public = openssl(
            &table,
            &["x509", "-noout", "-pubkey", "-in", &format!("{name}.crt")],
        );
        std::fs::write(table.at("public"), public).unwrap();
        openssl(
            &table,
            &[
                "dgst",
                "-sha256",
                "-verify",
                "public",
                "-signature",
                "signature",
                "passphrase",
            ],
        );
    }

    new.run("undo --yes").ended_with(0);
    assert_eq!(listed(&new.run("list --from iis --json").ended_with(0)), []);
    new.run("repair --dry-run").ended_with(0);
}

/// Wine imports into the machine's keys and writes a link into the user's: a certificate that IIS
/// cannot use, as administrators get it by dragging one from their own store to the machine's.
#[test]
#[ignore = "needs the Windows program: tests/windows/run asks for it"]
fn a_certificate_that_windows_linked_wrongly_is_mended_and_backed_up() {
    let table = Table::bare();
    let windows = Windows::beside(&table, "wine");
    let import = given("PFXVAULT_IMPORT_PFX");
    let name = KEYS[0].0;
    stock_key_pair(&table, name, KEYS[0].1);
    let pfx = format!("Z:{}", table.at(&format!("{name}.pfx")).display());
    windows.wine(&[&import.into_string().unwrap(), &pfx, PFX_PASSWORD]);
    let seen = listed(&windows.run("list --from iis --json").ended_with(3));
    assert!(matches!(seen.as_slice(), [(_, _, true)]), "{seen:?}");
    windows.run("repair --yes").ended_with(0);
    let seen = listed(&windows.run("list --from iis --json").ended_with(0));
    assert!(matches!(seen.as_slice(), [(_, _, false)]), "{seen:?}");
    windows
        .run("create R: --passphrase-file {passphrase} --recovery-key-file {recovery}")
        .ended_with(0);
    windows.run("backup --from iis --to R:").ended_with(0);
    windows.run("undo --yes").ended_with(0);
    assert!(
        listed(&windows.run("list --from iis --json").ended_with(3))[0].2,
        "as it was"
    );
}

#[test]
#[ignore = "needs the Windows program: tests/windows/run asks for it"]
fn the_keys_of_a_server_can_be_tried_with_throw_away_ones() {
    let table = Table::bare();
    let windows = Windows::beside(&table, "wine");
    windows.run("selftest").ended_with(0);
    windows.run("repair --dry-run").ended_with(0);
}

/// Under Wine nothing listens for http.sys, so of the whole way TLS alone fails.
#[test]
#[ignore = "needs the Windows program: tests/windows/run asks for it"]
fn the_whole_way_leaves_a_server_as_it_was() {
    let table = Table::bare();
    let windows = Windows::beside(&table, "wine");
    windows.run("selftest --full --yes").ended_with(2);
    let config = "<configuration><system.applicationHost><sites>\r\n</sites></system.applicationHost></configuration>";
    windows.install_iis(config);
    windows.run("selftest --full").ended_with(2);
    // The first commit removes what a killed run left.
    for fails_at in [None, Some(2), Some(3)] {
        if let Some(commit) = fails_at {
            let fails = windows.program_data("apphost-fails-at");
            std::fs::write(fails, commit.to_string()).unwrap();
        }
        let said = windows.run("selftest --full --yes --json").ended_with(1);
        let report = said.json();
        let steps = report["steps"].as_array().unwrap();
        let failed = |step: &&serde_json::Value| step["passed"] == false;
        let failed: Vec<_> = steps.iter().filter(failed).collect();
        let names: Vec<_> = failed.iter().map(|step| step["step"].as_str()).collect();
        let expected = match fails_at {
            Some(2) => Some("site"),
            Some(3) => Some("restore"),
            _ => Some("tls"),
        };
        assert_eq!(names, [expected], "{fails_at:?} {failed:?}");
        assert_eq!(windows.iis_config(), config, "{fails_at:?}");
        let listed = windows.run("list --from iis --json").ended_with(0).json();
        assert_eq!(listed["key_pairs"].as_array().unwrap().len(), 0);
    }
    assert!(!windows.program_data("apphost-log.txt").exists());
}

/// The guide's own procedure, with the server lost while the authority takes its time.
#[test]
#[ignore = "needs the Windows program: tests/windows/run asks for it"]
fn a_request_survives_its_server_and_its_answer_finds_the_key_in_a_mail() {
    let table = Table::bare();
    let old = Windows::beside(&table, "old");
    let request =
        "request www.example.com shop.example.com --out {request.txt} --friendly-name web-2027";
    old.run(request).ended_with(0);
    old.run(request).ended_with(2);
    let unsaved = "its private key is in no backup";
    assert!(
        old.run("list --from iis")
            .ended_with(0)
            .out
            .contains(unsaved)
    );
    old.run("create R: --passphrase-file {passphrase} --recovery-key-file {recovery}")
        .ended_with(0);
    old.run("backup --from iis --to R:").ended_with(0);
    assert!(
        !old.run("list --from iis")
            .ended_with(0)
            .out
            .contains(unsaved)
    );
    answer(&table);

    let new = Windows::beside(&table, "new");
    let elsewhere = new
        .run("install {answer.txt} --yes --json")
        .ended_with(1)
        .json();
    assert_eq!(elsewhere["error"]["id"], "error-answer-elsewhere");
    new.run("restore --from R: --passphrase-file {passphrase} --to iis --yes")
        .ended_with(0);
    for server in [&old, &new] {
        assert_eq!(
            server
                .run("install {answer.txt} --no-bind --dry-run --json")
                .ended_with(0)
                .json()["origin"],
            "pending"
        );
        server
            .run("install {answer.txt} --no-bind --yes")
            .ended_with(0);
        let said = server.run("list --from iis --json").ended_with(0);
        assert_eq!(said.json()["key_pairs"][0]["store"], "My");
        assert_eq!(
            listed(&said),
            [("www.example.com".into(), Some("web-2027".into()), false)]
        );
        assert_eq!(
            server
                .run("install {answer.txt} --no-bind --json")
                .ended_with(0)
                .json()["origin"],
            "installed"
        );
    }
    old.run("undo --yes").ended_with(0);
    let again = old.run("list --from iis --json").ended_with(0).json();
    assert_eq!(again["key_pairs"][0]["store"], "REQUEST");
    let saved = old
        .run("install {answer.txt} --no-bind --yes --to R: --json")
        .ended_with(0)
        .json();
    assert_eq!(saved["backup"]["saved"], 1);
}

/// What the authority makes of request.txt: the certificate and its own, in the mail that the guide
/// shows.
fn answer(table: &Table) {
    let authority =
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 9 -subj /CN=ca";
    let sign = "x509 -req -in request.txt -CA ca.pem -CAkey ca.key -CAcreateserial -copy_extensions copy -days 9";
    let bundle = "crl2pkcs7 -nocrl -certfile leaf.crt -certfile ca.pem -out answer.p7b";
    for line in [
        &format!("{authority} -keyout ca.key -out ca.pem"),
        &format!("{sign} -out leaf.crt"),
        bundle,
    ] {
        openssl(table, &line.split(' ').collect::<Vec<_>>());
    }
    let bundle = std::fs::read_to_string(table.at("answer.p7b")).unwrap();
    let mail = format!("[PKCS7 File]\r\n{}\r\n\r\n", bundle.replace('\n', "\r\n"));
    // "証明書" in Shift_JIS: what a mail program of the time saves.
    let greeting = b"\x8f\xd8\x96\xbe\x8f\x91\r\n\r\n";
    std::fs::write(table.at("answer.txt"), [greeting, mail.as_bytes()].concat()).unwrap();
}

/// The `AppId` of IIS as it lies in memory.
const IIS: &str = "81E1C34D4BE1214AB02259FC669B0914";
const SITES: usize = 20;
const RECORDS: &str = "httpapi-records.txt";
/// The placeholders were issued later, by themselves as all of the certificates here: only by name
/// are they replaced.
const RESTORE_TO_IIS: &str =
    "restore --from R: --passphrase-file {passphrase} --to iis --replace-newer placeholder";

/// A site of the migration: most by host name, four by address.
struct Bound {
    certificate: String,
    information: String,
    ssl_flags: u32,
    record: String,
}

/// Site, binding and the key of its record in the file of the stand-in for httpapi.dll. Flags
/// differ from site to site.
fn bound(number: usize) -> Bound {
    let certificate = format!("s{number:02}.example.com");
    let port = 8400 + number;
    match number {
        1..=16 => Bound {
            information: format!("*:443:{certificate}"),
            ssl_flags: 1,
            record: by_name(&certificate, 443),
            certificate,
        },
        17 | 18 => Bound {
            information: format!("*:{port}:"),
            ssl_flags: 0,
            record: format!("1 00000000 - {port}"),
            certificate,
        },
        _ => Bound {
            information: format!("127.0.0.1:{port}:"),
            ssl_flags: 0,
            record: format!("1 7F000001 - {port}"),
            certificate,
        },
    }
}

/// Wine passes for Windows 7, which knows no certificates by host name.
fn server_2022<'a>(table: &'a Table, name: &'static str) -> Windows<'a> {
    let windows = Windows::beside(table, name);
    let version = r"HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion";
    windows.wine(&[
        "reg",
        "add",
        version,
        "/v",
        "CurrentBuildNumber",
        "/d",
        "20348",
        "/f",
    ]);
    windows
}

/// Gives a machine sites of IIS and records of http.sys.
fn serve(windows: &Windows<'_>, sites: &str, mut records: Vec<String>) {
    windows.install_iis(&config(sites));
    records.sort();
    std::fs::write(windows.program_data(RECORDS), records.concat()).unwrap();
}

fn config(sites: &str) -> String {
    format!(
        "<configuration>\n<system.applicationHost><sites>{sites}</sites></system.applicationHost>\n</configuration>\n"
    )
}

fn records(windows: &Windows<'_>) -> String {
    std::fs::read_to_string(windows.program_data(RECORDS)).unwrap()
}

/// A record of IIS with nothing special about it, in the file of the stand-in for httpapi.dll.
fn record(endpoint: &str, thumbprint: &str, store: &str) -> String {
    let store: String = store.bytes().map(|byte| format!("{byte:02X}")).collect();
    format!("{endpoint} {thumbprint} {IIS} ={store} 0 0 0 - - 0\n")
}

fn by_name(host: &str, port: usize) -> String {
    let host: String = host.bytes().map(|byte| format!("{byte:02X}")).collect();
    format!("5 - {host} {port}")
}

fn thumbprint(table: &Table, name: &str) -> String {
    let said = openssl(
        table,
        &[
            "x509",
            "-in",
            &format!("{name}.crt"),
            "-noout",
            "-fingerprint",
            "-sha1",
        ],
    );
    let said = String::from_utf8(said).unwrap();
    said.trim().rsplit_once('=').unwrap().1.replace(':', "")
}

/// Twenty sites; a server numbers them in its own way.
fn twenty_sites(first_id: usize) -> String {
    let site = |number: usize| {
        let (
            Bound {
                information,
                ssl_flags,
                ..
            },
            id,
        ) = (bound(number), first_id + number * 7 % 100);
        format!(
            r#"<site name="Site {number}" id="{id}"><bindings><binding protocol="https"
            bindingInformation="{information}" sslFlags="{ssl_flags}" /></bindings></site>"#
        )
    };
    (1..=SITES).map(site).collect()
}

#[test]
#[ignore = "needs the Windows program: tests/windows/run asks for it"]
fn twenty_sites_get_their_certificates_back_on_a_server_with_other_ids_and_placeholders() {
    let table = Table::bare();
    let old = server_2022(&table, "old");
    for number in 1..=SITES {
        let name = bound(number).certificate;
        stock_key_pair(&table, &name, KEYS[3].1);
        old.run(&format!("restore --from pfx:{{{name}.pfx}} {IMPORT}"))
            .ended_with(0);
    }
    let special = |number: usize| {
        let Bound {
            certificate,
            record,
            ..
        } = bound(number);
        let (hash, times) = (
            thumbprint(&table, &certificate),
            format!("{} {}", number * 60, number * 1000),
        );
        format!(
            "{record} {hash} {IIS} =4D59 {} {times} - =4341 {}\n",
            number % 3,
            number % 2 * 2
        )
    };
    serve(&old, &twenty_sites(1), (1..=SITES).map(special).collect());
    let wanted = records(&old);
    old.run("create R: --passphrase-file {passphrase} --recovery-key-file {recovery}")
        .ended_with(0);
    old.run("backup --from iis --to R:").ended_with(0);

    let new = server_2022(&table, "new");
    stock_key_pair(&table, "placeholder", KEYS[3].1);
    new.run(&format!("restore --from pfx:{{placeholder.pfx}} {IMPORT}"))
        .ended_with(0);
    let placeholder = thumbprint(&table, "placeholder");
    let plain = |number| record(&bound(number).record, &placeholder, "MY");
    serve(&new, &twenty_sites(500), (1..=SITES).map(plain).collect());
    let before = records(&new);
    new.run(&format!("{RESTORE_TO_IIS} --dry-run"))
        .ended_with(8);
    assert_eq!(records(&new), before);

    let done = new.run(&format!("{RESTORE_TO_IIS} --yes"));
    assert_eq!(records(&new), wanted, "{}\n{}", done.out, done.err);
    assert_eq!(
        listed(&new.run("list --from iis --json").ended_with(0)).len(),
        SITES + 1
    );
    let again = new.run(&format!("{RESTORE_TO_IIS} --yes --json"));
    assert_eq!(records(&new), wanted, "{}\n{}", again.out, again.err);
    serves_what_was_restored(&table, &new);
    new.run("undo --yes").ended_with(0);
    assert_eq!(records(&new), before);
    assert_eq!(
        new.iis_config(),
        config(&twenty_sites(500)),
        "no binding is other than it should be"
    );
    assert_eq!(
        listed(&new.run("list --from iis --json").ended_with(0)).len(),
        1
    );
}

/// A TLS server with a key pair out of the new server's store, asked by the program there.
fn serves_what_was_restored(table: &Table, new: &Windows<'_>) {
    new.run("export s17.example.com --from iis --to pem:{served}")
        .ended_with(0);
    let server = TlsServer::of(table, "served/s17.example.com");
    let status = format!("status --tls 127.0.0.1:{} --json", server.port);
    let said = new.run(&status).json();
    drop(server);
    let shown = said["findings"]
        .as_array()
        .unwrap()
        .iter()
        .find(|finding| finding["id"] == "tls")
        .unwrap();
    assert!(
        shown["level"] == "note" && shown["text"].as_str().unwrap().contains("s17.example.com"),
        "{shown}"
    );
}

/// Two sites, by their https bindings and the certificate of the second one's FTP.
fn shop_and_files(https: &str, ftp: &str) -> String {
    let ftp = if ftp.is_empty() {
        String::new()
    } else {
        format!("{FTP_SSL}{ftp}{END_OF_FTP}")
    };
    format!(
        r#"
        <site name="Shop" id="2">
            <bindings>
                <binding protocol="http" bindingInformation="*:80:www.example.com" />{https}
            </bindings>
        </site>
        <site name="Files" id="3">
            <bindings>
                <binding protocol="ftp" bindingInformation="*:21:" />
            </bindings>
            {ftp}</site>
        "#
    )
}

const FTP_SSL: &str = "<ftpServer><security><ssl";
const END_OF_FTP: &str = " /></security></ftpServer>";

fn https(information: &str, ssl_flags: u32) -> String {
    let key = format!(r#"protocol="https" bindingInformation="{information}""#);
    format!("\n                <binding {key} sslFlags=\"{ssl_flags}\" />")
}

fn ftp(thumbprint: &str, store: &str) -> String {
    format!(r#" serverCertHash="{thumbprint}" serverCertStoreName="{store}""#)
}

/// "Enable Automatic Rebind of Renewed Certificate".
fn rebind_automatically(windows: &Windows<'_>) {
    let folder = windows
        .prefix()
        .join("drive_c/windows/system32/tasks/Microsoft/Windows/CertificateServicesClient");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(
        folder.join("IIS-AutoCertRebind"),
        "<Task><Settings /></Task>",
    )
    .unwrap();
}

/// What bindings of a machine are made of. An element that was made for FTP stays when what it held
/// is taken back.
fn bindings(windows: &Windows<'_>) -> (String, String) {
    (
        windows
            .iis_config()
            .replace(&format!("{FTP_SSL}{END_OF_FTP}"), ""),
        records(windows),
    )
}

fn fails_at(windows: &Windows<'_>, stand_in: &str, number: u32) {
    std::fs::write(
        windows.program_data(&format!("{stand_in}-fails-at")),
        number.to_string(),
    )
    .unwrap();
}

/// The stand-in for IIS's own writer was called as [MS-IISA] says.
fn assert_iis_was_asked_rightly(windows: &Windows<'_>) {
    let log = windows.program_data("apphost-log.txt");
    assert!(!log.exists(), "{}", std::fs::read_to_string(log).unwrap());
}

/// The new server has one of three bindings, with another certificate and other flags, and none for
/// FTP.
#[test]
#[ignore = "needs the Windows program: tests/windows/run asks for it"]
fn bindings_are_added_and_changed_by_iis_itself_all_of_them_or_none() {
    let table = Table::bare();
    let old = server_2022(&table, "old");
    let [web, files] = ["www.example.com", "ftp.example.com"].map(|name| {
        stock_key_pair(&table, name, KEYS[3].1);
        old.run(&format!("restore --from pfx:{{{name}.pfx}} {IMPORT}"))
            .ended_with(0);
        thumbprint(&table, name)
    });
    let [named, everywhere, local] = [
        by_name("www.example.com", 443),
        "1 00000000 - 8443".into(),
        "1 7F000001 - 8444".into(),
    ];
    let bound = [
        ("*:8443:", 4),
        ("*:443:www.example.com", 1),
        ("127.0.0.1:8444:", 8),
    ];
    let bound: String = bound
        .into_iter()
        .map(|(information, flags)| https(information, flags))
        .collect();
    let wanted = [&named, &everywhere, &local].map(|endpoint| record(endpoint, &web, "MY"));
    serve(
        &old,
        &shop_and_files(&bound, &ftp(&files, "MY")),
        wanted.into(),
    );
    let wanted = bindings(&old);
    // Beyond what a restore makes.
    let with_window = wanted.1.replacen(" - - 0\n", " - - 0 65536\n", 1);
    std::fs::write(old.program_data(RECORDS), with_window).unwrap();
    rebind_automatically(&old);
    assert_eq!(
        old.run("list --from iis --json").ended_with(0).json()["automatic_rebind"],
        true
    );
    old.run("create R: --passphrase-file {passphrase} --recovery-key-file {recovery}")
        .ended_with(0);
    old.run("backup --from iis --to R:").ended_with(0);

    let new = server_2022(&table, "new");
    stock_key_pair(&table, "placeholder", KEYS[3].1);
    new.run(&format!("restore --from pfx:{{placeholder.pfx}} {IMPORT}"))
        .ended_with(0);
    let placeholder = record(&everywhere, &thumbprint(&table, "placeholder"), "MY");
    serve(
        &new,
        &shop_and_files(&https("*:8443:", 0), ""),
        vec![placeholder],
    );
    let before = bindings(&new);
    let restore = format!("{RESTORE_TO_IIS} --yes");
    let is_as_before = |what: &str| {
        assert_eq!(bindings(&new), before, "{what}");
        assert_eq!(
            listed(&new.run("list --from iis --json").ended_with(0)).len(),
            1,
            "{what}"
        );
    };
    fails_at(&new, "apphost", 1);
    let plan = new
        .run(&format!("{RESTORE_TO_IIS} --dry-run"))
        .ended_with(8);
    let told = [
        "sslpropertyex ipport=0.0.0.0:8443 propertyid=0 receivewindow=65536",
        "Automatic Rebind",
    ];
    assert!(
        told.iter().all(|told| plan.out.contains(told)),
        "{}",
        plan.out
    );
    let refused = new.run(&restore).ended_with(1);
    assert!(
        refused.err.contains("CommitChanges") && refused.err.contains("8007001D"),
        "{}",
        refused.err
    );
    is_as_before("the commit fails");
    // An antivirus has the file open: the third try finds it free.
    std::fs::write(new.program_data("apphost-busy"), "2").unwrap();
    let mut write = 1;
    let done = loop {
        fails_at(&new, "httpapi", write);
        let done = new.run(&restore);
        if done.code != 1 {
            break done.ended_with(8);
        }
        is_as_before(&format!("write {write} of http.sys fails"));
        write += 1;
    };
    assert_eq!(
        write, 4,
        "each of three records was written once: {}",
        done.out
    );

    assert_eq!(bindings(&new), wanted);
    let again = new.run(&format!("{restore} --json")).ended_with(8).json();
    assert!(
        again["bindings"]
            .as_array()
            .unwrap()
            .iter()
            .all(|binding| binding["fate"] == "keep"),
        "{again}"
    );
    assert_eq!(bindings(&new), wanted);
    fails_at(&new, "apphost", 1);
    new.run("undo --yes").ended_with(8);
    new.run("repair --yes").ended_with(0);
    is_as_before("after the way back");
    assert_iis_was_asked_rightly(&new);
}

/// Every way in which the request may be lost by the time the answer comes, on a server whose sites
/// serve its predecessor.
#[test]
#[ignore = "needs the Windows program: tests/windows/run asks for it"]
fn an_answer_takes_over_every_binding_of_its_predecessor_however_its_request_was_lost() {
    let table = Table::bare();
    let windows = server_2022(&table, "wine");
    let [old, other] = ["www.example.com", "other.example.com"].map(|name| {
        stock_key_pair(&table, name, KEYS[3].1);
        windows
            .run(&format!("restore --from pfx:{{{name}.pfx}} {IMPORT}"))
            .ended_with(0);
        thumbprint(&table, name)
    });
    let bound = [
        ("*:443:www.example.com", 1),
        ("*:8443:", 0),
        ("*:443:other.example.com", 1),
    ];
    let bound: String = bound
        .into_iter()
        .map(|(information, flags)| https(information, flags))
        .collect();
    let sites = |certificate: &str, store| shop_and_files(&bound, &ftp(certificate, store));
    let served = |certificate: &str, store| {
        let endpoints = [by_name("www.example.com", 443), "1 00000000 - 8443".into()];
        let [named, everywhere] = endpoints.map(|endpoint| record(&endpoint, certificate, store));
        let mut records = vec![
            everywhere,
            named,
            record(&by_name("other.example.com", 443), &other, "MY"),
        ];
        records.sort();
        records
    };
    let taken_over = |by: &str, store| (config(&sites(by, store)), served(by, store).concat());
    serve(&windows, &sites(&old, "MY"), served(&old, "MY"));
    windows
        .run("request www.example.com shop.example.com --out {request.txt}")
        .ended_with(0);
    answer(&table);
    let install = |origin: &str| {
        let said = windows
            .run("install {answer.txt} --yes --json")
            .ended_with(8)
            .json();
        assert_eq!(said["origin"], origin, "{said}");
        assert_eq!(
            bindings(&windows),
            taken_over(&thumbprint(&table, "leaf"), "My"),
            "{origin}"
        );
    };
    install("pending");
    windows.run("undo --yes").ended_with(0);
    assert_eq!(bindings(&windows), taken_over(&old, "MY"));

    let requests = r"HKLM\Software\Microsoft\SystemCertificates\REQUEST\Certificates";
    windows.wine(&["reg", "delete", requests, "/f"]);
    fails_at(&windows, "apphost", 1);
    windows.run("install {answer.txt} --yes").ended_with(1);
    assert_eq!(
        bindings(&windows),
        taken_over(&old, "MY"),
        "the commit fails"
    );
    install("request-deleted");
    answer(&table);
    install("used-before");
    assert_iis_was_asked_rightly(&windows);
}
