//! PFX files through other programs and back: what is written here opens in OpenSSL, GnuTLS, NSS
//! and Java, and what they write opens here. Each reads a file and writes its contents anew in its
//! own way, and that is read here again.
#![allow(clippy::disallowed_methods, reason = "a build script or a test")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::LazyLock,
};

use pfx::{KeyPairContents, Profile};
use secret::{Password, SecretBytes};
use tempfile::TempDir;

const FRIENDLY_NAME: &str = "サーバー";
const ASCII: &str = "correct horse";
const KEYS: [(&str, &[&str]); 5] = [
    (
        "RSA",
        &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
    ),
    (
        "P-256",
        &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
    ),
    (
        "P-384",
        &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"],
    ),
    (
        "P-521",
        &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-521"],
    ),
    ("Ed25519", &["-algorithm", "ED25519"]),
];

/// Runs a program that must be there and succeed; gives what it printed.
fn run(folder: &Path, program: &str, arguments: &[&str]) -> String {
    let install = match program {
        "certtool" => "gnutls-bin",
        "pk12util" | "certutil" => "libnss3-tools",
        "keytool" => "a Java runtime",
        _ => program,
    };
    let output = Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .env("LC_ALL", "C.UTF-8")
        .stdin(Stdio::null())
        .output();
    let output = output
        .unwrap_or_else(|error| panic!("{program} does not run ({error}): install {install}"));
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    assert!(
        output.status.success(),
        "{program} {arguments:?}:\n{}{}",
        text(&output.stdout),
        text(&output.stderr)
    );
    text(&output.stdout)
}

/// A key and its chain of three, made once for each kind of key.
struct KeyPair {
    kind: &'static str,
    folder: TempDir,
}

impl KeyPair {
    fn new(kind: &'static str, generate: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let openssl = |arguments: &str, more: &[&str]| {
            let arguments: Vec<&str> = arguments.split(' ').chain(more.iter().copied()).collect();
            run(folder.path(), "openssl", &arguments)
        };
        let authority = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30";
        openssl(
            &format!("{authority} -subj /CN=root -keyout root.key -out root.pem"),
            &[],
        );
        let signed =
            "-CA root.pem -CAkey root.key -subj /CN=issuer -keyout issuer.key -out issuer.pem";
        openssl(&format!("{authority} {signed}"), &[]);
        openssl("genpkey -out leaf.key", generate);
        let signed = "-CA issuer.pem -CAkey issuer.key -addext basicConstraints=CA:FALSE";
        openssl(
            &format!(
                "req -x509 -key leaf.key -days 30 {signed} -subj /CN=server.example -out leaf.pem"
            ),
            &[],
        );
        openssl(
            "pkcs8 -topk8 -nocrypt -in leaf.key -outform DER -out leaf.der",
            &[],
        );
        let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
        let chain = ["leaf.pem", "issuer.pem", "root.pem"].map(read).concat();
        fs::write(folder.path().join("chain.pem"), chain).unwrap();
        Self { kind, folder }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn chain(&self) -> Vec<Vec<u8>> {
        pem_blocks(
            &fs::read_to_string(self.path().join("chain.pem")).unwrap(),
            "CERTIFICATE",
        )
    }

    fn write(&self, file: &Path, password: &str, profile: Profile) {
        let chain = self.chain();
        let chain: Vec<&[u8]> = chain.iter().map(Vec::as_slice).collect();
        let pkcs8 = SecretBytes::new(fs::read(self.path().join("leaf.der")).unwrap());
        let contents = KeyPairContents {
            pkcs8: &pkcs8,
            chain: &chain,
            friendly_name: Some(FRIENDLY_NAME),
            csp_name: Some("Microsoft Software Key Storage Provider"),
        };
        fs::write(
            file,
            pfx::write(&contents, &Password::new(password.into()), profile, 2000)
                .unwrap()
                .expose(),
        )
        .unwrap();
    }

    /// Reads a file here: it must hold this key, these certificates in any order, and nothing else.
    fn assert_is_in(&self, file: &Path, password: &str, what: &str) {
        let found = pfx::read(&fs::read(file).unwrap(), &Password::new(password.into()));
        let found = found.unwrap_or_else(|error| panic!("{what}, {}: {error}", self.kind));
        assert_eq!(found.keys.len(), 1, "{what}");
        assert_eq!(
            public_key(self.path(), found.keys[0].pkcs8.expose()),
            public_key(
                self.path(),
                &fs::read(self.path().join("leaf.der")).unwrap()
            ),
            "{what}"
        );
        let sorted = |mut certificates: Vec<Vec<u8>>| {
            certificates.sort();
            certificates
        };
        let certificates = found
            .certificates
            .into_iter()
            .map(|certificate| certificate.der)
            .collect();
        assert_eq!(sorted(certificates), sorted(self.chain()), "{what}");
    }
}

static KEY_PAIRS: LazyLock<Vec<KeyPair>> = LazyLock::new(|| {
    KEYS.iter()
        .map(|(kind, generate)| KeyPair::new(kind, generate))
        .collect()
});

/// Programs encode the same private key in different ways; the public key they derive is one.
fn public_key(folder: &Path, pkcs8: &[u8]) -> String {
    let file = tempfile::NamedTempFile::new_in(folder).unwrap();
    fs::write(file.path(), pkcs8).unwrap();
    run(
        folder,
        "openssl",
        &[
            "pkey",
            "-inform",
            "DER",
            "-in",
            file.path().to_str().unwrap(),
            "-pubout",
        ],
    )
}

fn pem_blocks(text: &str, label: &str) -> Vec<Vec<u8>> {
    let (begin, end) = (
        format!("-----BEGIN {label}-----"),
        format!("-----END {label}-----"),
    );
    let blocks = text
        .split(&begin)
        .skip(1)
        .map(|rest| rest.split(&end).next().unwrap());
    blocks
        .map(|block| {
            data_encoding::BASE64
                .decode(block.replace(['\n', '\r'], "").as_bytes())
                .unwrap()
        })
        .collect()
}

/// A program that takes a file in and gives its contents out again: `(folder, file in, its
/// password, file out)`. The file out has the password [`ASCII`].
type Through = fn(&Path, &str, &str, &str);

/// Calls `through` with everything that is written here and that the program is said to take.
fn assert_all_go_through(
    program: &str,
    through: Through,
    takes: fn(kind: &str, password: &str) -> bool,
) {
    let rsa_only = ["", "пароль 鍵 é", "surrogates 🔑"].map(|password| ("RSA", password));
    let cases = KEYS.iter().map(|(kind, _)| (*kind, ASCII)).chain(rsa_only);
    for (kind, password) in cases.filter(|(kind, password)| takes(kind, password)) {
        for profile in [Profile::Aes256, Profile::TripleDes] {
            let pair = KEY_PAIRS.iter().find(|pair| pair.kind == kind).unwrap();
            let folder = tempfile::tempdir().unwrap();
            pair.write(&folder.path().join("in.pfx"), password, profile);
            through(folder.path(), "in.pfx", password, "out.pfx");
            pair.assert_is_in(
                &folder.path().join("out.pfx"),
                ASCII,
                &format!("{program} {profile:?} {password:?}"),
            );
        }
    }
}

#[test]
fn openssl_opens_everything_written_here() {
    fn through(folder: &Path, file: &str, password: &str, out: &str) {
        run(
            folder,
            "openssl",
            &[
                "pkcs12",
                "-in",
                file,
                "-passin",
                &format!("pass:{password}"),
                "-nodes",
                "-out",
                "all.pem",
            ],
        );
        // The name beside it is printed in a way that is not UTF-8.
        let all = fs::read(folder.join("all.pem")).unwrap();
        assert!(
            String::from_utf8_lossy(&all)
                .contains("Microsoft CSP Name: Microsoft Software Key Storage Provider")
        );
        run(
            folder,
            "openssl",
            &[
                "pkcs12",
                "-export",
                "-in",
                "all.pem",
                "-passout",
                &format!("pass:{ASCII}"),
                "-out",
                out,
            ],
        );
    }
    assert_all_go_through("openssl", through, |_, _| true);
}

#[test]
fn gnutls_opens_everything_written_here() {
    fn through(folder: &Path, file: &str, password: &str, out: &str) {
        let listed = run(
            folder,
            "certtool",
            &[
                "--p12-info",
                "--inder",
                "--infile",
                file,
                "--password",
                password,
                "--outfile",
                "all.pem",
            ],
        );
        let all = listed + &fs::read_to_string(folder.join("all.pem")).unwrap();
        assert!(all.contains(FRIENDLY_NAME));
        fs::write(folder.join("all.pem"), all).unwrap();
        // Its listing leaves the key encrypted, with the same password.
        run(
            folder,
            "openssl",
            &[
                "pkcs8",
                "-in",
                "all.pem",
                "-passin",
                &format!("pass:{password}"),
                "-out",
                "key.pem",
            ],
        );
        let to = [
            "--to-p12",
            "--load-privkey",
            "key.pem",
            "--load-certificate",
            "all.pem",
            "--p12-name",
            "name",
            "--password",
            ASCII,
        ];
        run(
            folder,
            "certtool",
            &[&to[..], &["--outder", "--outfile", out]].concat(),
        );
    }
    assert_all_go_through("certtool", through, |_, _| true);
}

/// An empty database of NSS.
fn nss_database(folder: &Path) {
    fs::create_dir(folder.join("nss")).unwrap();
    run(
        folder,
        "certutil",
        &["-N", "-d", "sql:nss", "--empty-password"],
    );
}

#[test]
fn nss_opens_what_is_written_here_except_for_keys_it_does_not_know() {
    fn through(folder: &Path, file: &str, password: &str, out: &str) {
        nss_database(folder);
        run(
            folder,
            "pk12util",
            &["-i", file, "-d", "sql:nss", "-K", "", "-W", password],
        );
        run(
            folder,
            "pk12util",
            &[
                "-o",
                out,
                "-n",
                FRIENDLY_NAME,
                "-d",
                "sql:nss",
                "-K",
                "",
                "-W",
                ASCII,
            ],
        );
    }
    // pk12util cannot import Ed25519 keys (NSS 3.87: "unable to import private key").
    assert_all_go_through("pk12util", through, |kind, _| kind != "Ed25519");
}

#[test]
fn java_opens_what_is_written_here_unless_the_password_is_not_ascii() {
    fn through(folder: &Path, file: &str, password: &str, out: &str) {
        let from = [
            "-importkeystore",
            "-noprompt",
            "-srckeystore",
            file,
            "-srcstoretype",
            "PKCS12",
            "-srcstorepass",
            password,
        ];
        run(
            folder,
            "keytool",
            &[
                &from[..],
                &[
                    "-destkeystore",
                    out,
                    "-deststoretype",
                    "PKCS12",
                    "-deststorepass",
                    ASCII,
                ],
            ]
            .concat(),
        );
    }
    // keytool takes no password outside ASCII ("keystore password was incorrect", whoever wrote the
    // file), and asks at the terminal in place of an empty one.
    assert_all_go_through("keytool", through, |_, password| {
        password.is_ascii() && !password.is_empty()
    });
}

fn pair(kind: &str) -> &'static KeyPair {
    KEY_PAIRS.iter().find(|pair| pair.kind == kind).unwrap()
}

/// Where a program writes a file; the folder is gone with the second value.
fn out_file() -> (PathBuf, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    (folder.path().join("out.pfx"), folder)
}

#[test]
fn whatever_openssl_encrypts_with_opens_here() {
    let pair = pair("P-256");
    let ciphers = [
        "NONE",
        "AES-128-CBC",
        "AES-192-CBC",
        "AES-256-CBC",
        "DES-EDE3-CBC",
        "DES-CBC",
        "RC2-CBC",
        "RC2-40-CBC",
        "RC2-64-CBC",
        "CAMELLIA-128-CBC",
        "CAMELLIA-192-CBC",
        "CAMELLIA-256-CBC",
        "ARIA-128-CBC",
        "ARIA-192-CBC",
        "ARIA-256-CBC",
        "CAST5-CBC",
        "BF-CBC",
        "PBE-SHA1-3DES",
        "PBE-SHA1-2DES",
        "PBE-SHA1-RC2-128",
        "PBE-SHA1-RC2-40",
        "PBE-SHA1-RC4-128",
        "PBE-SHA1-RC4-40",
        "PBE-MD5-DES",
        "PBE-SHA1-DES",
        "PBE-MD5-RC2-64",
        "PBE-SHA1-RC2-64",
    ];
    let export = [
        "pkcs12",
        "-export",
        "-provider",
        "legacy",
        "-provider",
        "default",
        "-inkey",
        "leaf.key",
        "-in",
        "chain.pem",
    ];
    for (cipher, password) in ciphers
        .iter()
        .flat_map(|cipher| [ASCII, "", "пароль 🔑"].map(|password| (cipher, password)))
    {
        let (file, _folder) = out_file();
        let rest = [
            "-keypbe",
            cipher,
            "-certpbe",
            cipher,
            "-passout",
            &format!("pass:{password}"),
            "-out",
            file.to_str().unwrap(),
        ];
        run(pair.path(), "openssl", &[&export[..], &rest].concat());
        pair.assert_is_in(&file, password, &format!("openssl {cipher} {password:?}"));
    }
}

#[test]
fn a_key_that_openssl_protects_with_scrypt_opens_and_one_that_asks_for_too_much_is_refused() {
    let pair = pair("P-256");
    let password = Password::new(ASCII.into());
    let read = |cost: &[&str], cipher: &str| {
        let (file, _folder) = out_file();
        let protect = ["pkcs8", "-topk8", "-in", "leaf.key", "-outform", "DER"];
        let (pass, out) = (format!("pass:{ASCII}"), file.to_str().unwrap());
        let rest = ["-v2", cipher, "-passout", &pass, "-out", out];
        run(
            pair.path(),
            "openssl",
            &[&protect[..], cost, &rest].concat(),
        );
        pfx::read_key(&fs::read(&file).unwrap(), &password)
    };
    let der = fs::read(pair.path().join("leaf.der")).unwrap();
    let costs: [&[&str]; 4] = [
        &["-scrypt"],
        &["-scrypt_N", "16", "-scrypt_r", "1", "-scrypt_p", "3"],
        &["-scrypt_N", "2", "-scrypt_r", "16", "-scrypt_p", "16"],
        &["-scrypt_N", "16384", "-scrypt_r", "8", "-scrypt_p", "2"],
    ];
    for cost in costs {
        for cipher in ["aes-256-cbc", "camellia-192-cbc"] {
            let key = read(cost, cipher).unwrap();
            assert_eq!(
                public_key(pair.path(), key.expose()),
                public_key(pair.path(), &der),
                "{cost:?}"
            );
        }
    }
    let whole = |file: &[u8]| pfx::read_key(file, &password).map(|_| ());
    // N = 2^20 with r = 8 takes a gigabyte.
    let n: &[u8] = b"\x02\x02\x40\x00";
    let (file, _folder) = out_file();
    let out = file.to_str().unwrap();
    let pass = format!("pass:{ASCII}");
    let protect = "pkcs8 -topk8 -in leaf.key -outform DER -scrypt -passout";
    let mut arguments: Vec<_> = protect.split(' ').collect();
    arguments.extend([pass.as_str(), "-out", out]);
    run(pair.path(), "openssl", &arguments);
    let honest = fs::read(&file).unwrap();
    let at = honest.windows(4).position(|part| part == n).unwrap();
    let with = |value: [u8; 2]| {
        let mut changed = honest.clone();
        changed[at + 2..at + 4].copy_from_slice(&value);
        whole(&changed)
    };
    assert_eq!(with([0x40, 0]), Ok(()));
    assert_eq!(with([0x20, 0]), Err(pfx::Error::WrongPassword));
    assert!(matches!(with([0x40, 1]), Err(pfx::Error::Malformed(_))));
    assert!(matches!(with([0, 0]), Err(pfx::Error::Malformed(_))));
    // r = 8 as one octet; N of three octets needs another length in front.
    let mut greedy = honest.clone();
    greedy[at + 6] = 0x7f;
    assert!(matches!(
        whole(&greedy),
        Err(pfx::Error::TooMuchWork { .. })
    ));
}

#[test]
fn whatever_openssl_authenticates_with_opens_here() {
    let pair = pair("Ed25519");
    let digests = [
        "md5",
        "sha1",
        "sha224",
        "sha256",
        "sha384",
        "sha512",
        "sha512-224",
        "sha512-256",
        "sha3-224",
        "sha3-256",
        "sha3-384",
        "sha3-512",
        "blake2b512",
        "blake2s256",
    ];
    let macs = digests.iter().map(|digest| vec!["-macalg", digest]);
    for mac in macs.chain([
        vec!["-nomac"],
        vec!["-nomaciter", "-noiter"],
        vec!["-iter", "300000"],
    ]) {
        let (file, _folder) = out_file();
        let export = [
            "pkcs12",
            "-export",
            "-inkey",
            "leaf.key",
            "-in",
            "chain.pem",
            "-passout",
            &format!("pass:{ASCII}"),
            "-out",
            file.to_str().unwrap(),
        ];
        run(pair.path(), "openssl", &[&export[..], &mac].concat());
        pair.assert_is_in(&file, ASCII, &format!("openssl {mac:?}"));
    }
}

#[test]
fn whatever_gnutls_writes_opens_here() {
    let pair = pair("RSA");
    let ciphers = [
        "3des",
        "3des-pkcs12",
        "aes-128",
        "aes-192",
        "aes-256",
        "rc2-40",
        "arcfour",
    ];
    let ascii = ["--password", ASCII];
    // It takes 600,000 rounds: other passwords with some ciphers are enough.
    let others = [
        ("aes-256", &["--empty-password"][..]),
        ("3des-pkcs12", &["--null-password"]),
        ("3des-pkcs12", &["--password", "пароль 鍵"]),
    ];
    for (cipher, password) in ciphers
        .into_iter()
        .map(|cipher| (cipher, &ascii[..]))
        .chain(others)
    {
        let (file, _folder) = out_file();
        let to = [
            "--to-p12",
            "--load-privkey",
            "leaf.key",
            "--load-certificate",
            "chain.pem",
            "--p12-name",
            "name",
            "--outder",
        ];
        run(
            pair.path(),
            "certtool",
            &[
                &to[..],
                &["--pkcs-cipher", cipher, "--outfile", file.to_str().unwrap()],
                password,
            ]
            .concat(),
        );
        pair.assert_is_in(
            &file,
            password.get(1).copied().unwrap_or(""),
            &format!("certtool {cipher} {password:?}"),
        );
    }
}

#[test]
fn whatever_nss_writes_opens_here() {
    let pair = pair("P-384");
    let folder = tempfile::tempdir().unwrap();
    pair.write(&folder.path().join("in.pfx"), ASCII, Profile::Aes256);
    nss_database(folder.path());
    run(
        folder.path(),
        "pk12util",
        &["-i", "in.pfx", "-d", "sql:nss", "-K", "", "-W", ASCII],
    );
    let ciphers = [
        "AES-128-CBC",
        "AES-256-CBC",
        "DES-EDE3-CBC",
        "RC2-CBC",
        "RC4",
    ];
    for (cipher, password) in ciphers
        .iter()
        .flat_map(|cipher| [ASCII, "пароль 鍵"].map(|password| (cipher, password)))
    {
        let export = [
            "-o",
            "out.pfx",
            "-n",
            FRIENDLY_NAME,
            "-d",
            "sql:nss",
            "-K",
            "",
            "-W",
            password,
            "-c",
            cipher,
            "-C",
            cipher,
        ];
        run(folder.path(), "pk12util", &export);
        pair.assert_is_in(
            &folder.path().join("out.pfx"),
            password,
            &format!("pk12util {cipher} {password:?}"),
        );
    }
}

#[test]
fn what_java_wrote_before_2021_opens_here() {
    let pair = pair("P-521");
    let folder = tempfile::tempdir().unwrap();
    pair.write(&folder.path().join("in.pfx"), ASCII, Profile::TripleDes);
    let from = [
        "-J-Dkeystore.pkcs12.legacy",
        "-importkeystore",
        "-noprompt",
        "-srckeystore",
        "in.pfx",
        "-srcstorepass",
        ASCII,
    ];
    run(
        folder.path(),
        "keytool",
        &[
            &from[..],
            &[
                "-destkeystore",
                "out.pfx",
                "-deststoretype",
                "PKCS12",
                "-deststorepass",
                ASCII,
            ],
        ]
        .concat(),
    );
    pair.assert_is_in(&folder.path().join("out.pfx"), ASCII, "keytool, legacy");
}
