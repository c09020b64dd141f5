//! Servers as old and as new as IIS is: OpenSSL's, with the lists of cipher suites that Microsoft
//! documents for each Windows.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::thread;

use jiff::Timestamp;

use super::ask::{Check, Deadline, Served, Verdict, confirm};
use super::prove::TlsError;
use crate::keypair::fixtures::{openssl_certificate, openssl_key};

/// Windows Server 2012 R2. MicrosoftDocs/win32, desktop-src/SecAuthN,
/// tls-cipher-suites-in-windows-8-1.md: no ECDHE_RSA with GCM.
const LIST_2012_R2: &str = "ECDHE-RSA-AES256-SHA384:ECDHE-RSA-AES128-SHA256:ECDHE-RSA-AES256-SHA:\
    ECDHE-RSA-AES128-SHA:AES256-GCM-SHA384:AES128-GCM-SHA256:AES256-SHA256:AES128-SHA256:AES256-SHA:\
    AES128-SHA:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-SHA384:\
    ECDHE-ECDSA-AES128-SHA256:ECDHE-ECDSA-AES256-SHA:ECDHE-ECDSA-AES128-SHA";
/// Windows Server 2022, TLS 1.2. MicrosoftDocs/win32, desktop-src/SecAuthN,
/// tls-cipher-suites-in-windows-server-2022.md.
const LIST_2022: &str = "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES256-GCM-SHA384:\
    ECDHE-RSA-AES128-GCM-SHA256:DHE-RSA-AES256-GCM-SHA384:DHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-SHA384:\
    ECDHE-ECDSA-AES128-SHA256:ECDHE-RSA-AES256-SHA384:ECDHE-RSA-AES128-SHA256:ECDHE-ECDSA-AES256-SHA:\
    ECDHE-ECDSA-AES128-SHA:ECDHE-RSA-AES256-SHA:ECDHE-RSA-AES128-SHA:AES256-GCM-SHA384:AES128-GCM-SHA256:\
    AES256-SHA256:AES128-SHA256:AES256-SHA:AES128-SHA";
const NAME: &str = "www.example.com";
const KINDS: [&[&str]; 4] = [
    &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
    &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
    &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"],
    &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-521"],
];

/// A server of OpenSSL's; it answers until it is dropped.
struct Server {
    child: Child,
    address: SocketAddr,
    certificate: Vec<u8>,
    _files: tempfile::TempDir,
}

impl Server {
    /// Shows its certificate for [`NAME`] and, where `alone`, to nobody who names another host or
    /// none.
    fn start(kind: &[&str], options: &[&str]) -> Self {
        let files = tempfile::tempdir().unwrap();
        let key = openssl_key(kind);
        let certificate = openssl_certificate(&key, &[]);
        std::fs::write(files.path().join("key"), &key).unwrap();
        std::fs::write(files.path().join("crt"), &certificate).unwrap();
        let mut child = Command::new("openssl")
            .current_dir(files.path())
            .args(["s_server", "-accept", "127.0.0.1:0", "-cert", "crt"])
            .args(["-certform", "DER", "-key", "key", "-keyform", "DER"])
            .args(options)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut ports = lines.map_while(Result::ok).filter_map(|line| {
            let (_, port) = line.strip_prefix("ACCEPT ")?.rsplit_once(':')?;
            port.parse::<u16>().ok()
        });
        let port = ports.next().expect("it says where it listens");
        // What it says later is read, so that it is never held up.
        thread::spawn(move || ports.for_each(drop));
        Self {
            child,
            address: (Ipv4Addr::LOCALHOST, port).into(),
            certificate,
            _files: files,
        }
    }

    fn check(&self) -> Check {
        let certificate = crate::keypair::Certificate::parse(self.certificate.clone()).unwrap();
        Check {
            address: self.address,
            host: Some(NAME.to_owned()),
            thumbprint: certificate.thumbprint(),
        }
    }

    fn said(&self) -> Vec<(&'static str, bool)> {
        let check = self.check();
        let verdict = confirm(&[&check], &[]).remove(0);
        let remarks = verdict.remarks(&check, Timestamp::now());
        remarks
            .iter()
            .map(|remark| (remark.text.id, remark.good))
            .collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

fn shown(served: Result<Served, TlsError>, server: &Server) -> (String, bool) {
    let served = served.unwrap();
    assert_eq!(served.chain, std::slice::from_ref(&server.certificate));
    (served.version, served.proven)
}

fn ask(address: SocketAddr, host: Option<&str>) -> Result<Served, TlsError> {
    super::ask::ask(address, host, Deadline::from_now())
}

#[test]
fn every_iis_since_8_0_is_asked_with_every_kind_of_certificate() {
    for kind in KINDS {
        for (list, options, version) in [
            (LIST_2012_R2, &["-tls1_2"][..], "TLS 1.2"),
            (LIST_2022, &["-tls1_2"], "TLS 1.2"),
            (LIST_2022, &[], "TLS 1.3"),
            (LIST_2022, &["-tls1_3"], "TLS 1.3"),
        ] {
            let server = Server::start(kind, &[&["-cipher", list], options].concat());
            for host in [Some(NAME), None] {
                let said = shown(ask(server.address, host), &server);
                assert_eq!(said, (version.to_owned(), true), "{kind:?} {version}");
            }
        }
    }
}

#[test]
fn a_server_that_refuses_other_names_shows_its_certificate_for_the_right_one() {
    let options = ["-cipher", LIST_2012_R2, "-tls1_2", "-servername", NAME];
    let strict = [
        &options[..],
        &["-servername_fatal", "-cert2", "crt", "-key2", "key"],
    ]
    .concat();
    let strict = [&strict[..], &["-certform", "DER"]].concat();
    let server = Server::start(KINDS[0], &strict);
    assert!(shown(ask(server.address, Some(NAME)), &server).1);
    assert!(ask(server.address, Some("other.example.com")).is_err());
}

#[test]
fn what_agrees_on_a_key_without_a_signature_shows_its_certificate_and_proves_nothing() {
    let server = Server::start(KINDS[0], &["-tls1_2", "-cipher", "AES256-GCM-SHA384"]);
    let said = shown(ask(server.address, None), &server);
    assert_eq!(said, ("TLS 1.2".to_owned(), false));
    assert_eq!(server.said(), [("tls-right", true), ("tls-unproven", true)]);
}

#[test]
fn a_server_with_old_versions_only_is_named_as_that() {
    for (option, version) in [("-tls1", "TLS 1.0"), ("-tls1_1", "TLS 1.1")] {
        let server = Server::start(KINDS[0], &[option, "-cipher", "ALL:@SECLEVEL=0"]);
        let said = shown(ask(server.address, Some(NAME)), &server);
        assert_eq!(said, (version.to_owned(), false));
        let said = server.said();
        assert!(said.contains(&("tls-old-version", false)), "{said:?}");
    }
}

#[test]
fn what_could_not_be_asked_is_not_said_to_serve_nothing() {
    let server = Server::start(KINDS[0], &["-tls1_2", "-cipher", "CAMELLIA256-SHA"]);
    let check = server.check();
    let verdict = confirm(&[&check], &[]).remove(0);
    assert!(
        matches!(verdict, Verdict::Nothing(TlsError::NothingInCommon)),
        "{verdict:?}"
    );
    assert_eq!(server.said(), [("tls-unasked", false)]);
}

/// What a server may say that is none.
#[test]
fn no_answer_makes_the_question_fail_in_another_way_than_by_an_error() {
    let hello = |version: u8, body: &[u8]| record(22, version, &message(2, body));
    let mut answers = vec![
        Vec::new(),
        b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(),
        b"SSH-2.0-OpenSSH_9.2\r\n".to_vec(),
        vec![0; 70_000],
        vec![0xff; 70_000],
        vec![22; 70_000],
        record(21, 3, &[2, 40]),
        record(21, 3, &[]),
        record(22, 3, &[]),
        [&record(22, 3, &[])[..]; 40_000].concat(),
        hello(3, &[]),
        hello(3, &[3; 40]),
        [hello(3, &[3; 80]), record(22, 3, &message(11, &[0, 0, 0]))].concat(),
        [hello(3, &[3; 80]), record(22, 3, &message(11, &[0xff; 9]))].concat(),
        [hello(3, &[3; 80]), record(22, 3, &message(12, &[3, 0]))].concat(),
        record(22, 3, &[11, 0xff, 0xff, 0xff]),
    ];
    answers.push([&record(22, 3, &[11, 0x10, 0, 0])[..], &vec![7; 300_000]].concat());
    for answer in answers {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let beginning = answer[..answer.len().min(16)].to_vec();
        let serving = thread::spawn(move || {
            for _ in 0..2 {
                let (mut socket, _) = listener.accept().unwrap();
                _ = socket.write_all(&answer);
            }
        });
        assert!(ask(address, Some(NAME)).is_err(), "{beginning:?}");
        _ = std::net::TcpStream::connect(address);
        serving.join().unwrap();
    }
}

fn record(kind: u8, version: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len()).unwrap().to_be_bytes();
    [&[kind, 3, version], &length[..], body].concat()
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).unwrap().to_be_bytes();
    [&[kind], &length[1..], body].concat()
}
