//! Which certificate a TLS server shows for a name: what a client sees after bindings were changed.
//! Nothing is trusted, nothing is sent but the handshake; the server proves that it has the private
//! key of what it shows, except where it and the version of TLS that it speaks leave no way to.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use jiff::Timestamp;
use rayon::prelude::*;
use rustls::pki_types::ServerName;
use rustls::{AlertDescription, ClientConnection, SupportedProtocolVersion, version};

use crate::keypair::{Certificate, Remaining};
use crate::message::{Text, day};
use crate::text;
use crate::tls::client::HasTheKey;
use crate::tls::hello;
use crate::tls::prove::{self, TlsError};
pub use crate::tls::socket::Deadline;
use crate::tls::socket::Socket;

/// How often a server is asked that does not show what it should: IIS takes a moment to start
/// listening.
const TRIES: usize = 3;
/// The wait between two tries.
const PAUSE: Duration = Duration::from_secs(1);
/// Connections in each version of TLS that a server must not fail, once it shows what it should.
const HANDSHAKES: usize = 5;
/// Longest way from a certificate to its root.
const MAX_CHAIN: usize = 10;

/// A question to a TLS server: which certificate does it show for this name?
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// Where to connect.
    pub address: SocketAddr,
    /// The name to ask for; `None` where the binding has none.
    pub host: Option<String>,
    /// SHA-1 of the certificate that should be served, upper-case.
    pub thumbprint: String,
}

/// What a server showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Served {
    /// Its certificate, then what it sent of the chain; DER.
    pub chain: Vec<Vec<u8>>,
    /// The version agreed on: `TLS 1.3`.
    pub version: String,
    /// Whether it proved that it has the private key.
    pub proven: bool,
}

/// Asks a server which certificate it shows for `host`; for none where the client is to name none.
/// What does not speak as the library does is asked again, in TLS 1.2 and below by a hello of our
/// own.
///
/// # Errors
/// No connection, no TLS, no whole answer in time, or a server that does not have the key of what it shows. What is said
/// is the reason of the second question where that is one of TLS.
pub fn ask(address: SocketAddr, host: Option<&str>, until: Deadline) -> Result<Served, TlsError> {
    match handshake(address, host, rustls::DEFAULT_VERSIONS, until) {
        Err(reason) if may_speak_otherwise(&reason) => {
            old_way(address, host, until).map_err(|second| reason_of(reason, second))
        }
        answer => answer,
    }
}

/// Whether another hello may be answered: not where nobody listens, and not where a signature is
/// wrong.
fn may_speak_otherwise(reason: &TlsError) -> bool {
    use io::ErrorKind;
    match reason {
        TlsError::Connection(error) => matches!(
            error.kind(),
            // What Windows does where it has no cipher suite in common, without a word.
            ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::UnexpectedEof
        ),
        TlsError::Tls(rustls::Error::InvalidCertificate(_)) => false,
        TlsError::Tls(_) => true,
        TlsError::NotServable { .. } | TlsError::NothingInCommon | TlsError::WrongSignature => {
            false
        }
    }
}

/// Why neither question was answered.
fn reason_of(first: TlsError, second: TlsError) -> TlsError {
    use rustls::Error::AlertReceived;
    match second {
        TlsError::Tls(AlertReceived(
            AlertDescription::HandshakeFailure
            | AlertDescription::ProtocolVersion
            | AlertDescription::InsufficientSecurity,
        )) => TlsError::NothingInCommon,
        TlsError::WrongSignature => second,
        _ => first,
    }
}

fn old_way(address: SocketAddr, host: Option<&str>, until: Deadline) -> Result<Served, TlsError> {
    let name = host.filter(|host| matches!(dns_name(host), Some(ServerName::DnsName(_))));
    let shown = hello::ask(address, name, until)?;
    Ok(Served {
        chain: shown.chain,
        version: prove::version_name(Some(shown.version.into())),
        proven: shown.proven,
    })
}

fn dns_name(host: &str) -> Option<ServerName<'static>> {
    ServerName::try_from(host.to_owned()).ok()
}

/// A whole handshake in one of these versions.
fn handshake(
    address: SocketAddr,
    host: Option<&str>,
    versions: &[&'static SupportedProtocolVersion],
    until: Deadline,
) -> Result<Served, TlsError> {
    // A name that is an address is not sent (RFC 6066 section 3).
    let nameless = ServerName::IpAddress(address.ip().into());
    let name = host.and_then(dns_name).unwrap_or(nameless);
    let config = HasTheKey::of_any().config(versions)?;
    let mut client = ClientConnection::new(Arc::new(config), name)?;
    let mut socket = Socket::connect(address, until)?;
    while client.is_handshaking() {
        client.complete_io(&mut socket).map_err(tls_error)?;
    }
    let chain = client.peer_certificates().unwrap_or_default();
    let chain: Vec<_> = chain
        .iter()
        .map(|certificate| certificate.to_vec())
        .collect();
    let version = prove::version_name(client.protocol_version());
    client.send_close_notify();
    let _ = client.complete_io(&mut socket);
    match chain.is_empty() {
        true => Err(TlsError::Connection(io::Error::other(
            "the server showed no certificate",
        ))),
        false => Ok(Served {
            chain,
            version,
            proven: true,
        }),
    }
}

/// The library's own reason, where there is one behind an error of the connection.
fn tls_error(error: io::Error) -> TlsError {
    match error.downcast::<rustls::Error>() {
        Ok(reason) => TlsError::Tls(reason),
        Err(error) => TlsError::Connection(error),
    }
}

impl Served {
    /// What a client elsewhere would miss: names of authorities between the certificate and its
    /// root that the server has not sent although `known` holds them.
    pub fn missing(&self, known: &[Vec<u8>]) -> Vec<String> {
        let mut missing = Vec::new();
        let Some(mut current) = self.chain.first() else {
            return missing;
        };
        for _ in 0..MAX_CHAIN {
            let issuer = |candidates: &'_ [Vec<u8>]| {
                candidates
                    .iter()
                    .position(|other| names(current).1 == names(other).0)
            };
            if names(current).0 == names(current).1 {
                break;
            }
            if let Some(at) = issuer(&self.chain) {
                current = &self.chain[at];
            } else if let Some(at) =
                issuer(known).filter(|at| names(&known[*at]).0 != names(&known[*at]).1)
            {
                current = &known[at];
                missing.push(name(current));
            } else {
                break;
            }
        }
        missing
    }

    /// What people call its certificate.
    pub fn name(&self) -> String {
        self.chain
            .first()
            .map(|leaf| name(leaf))
            .unwrap_or_default()
    }

    /// SHA-1 of its certificate, upper-case.
    pub fn thumbprint(&self) -> String {
        self.leaf()
            .map(|leaf| leaf.thumbprint())
            .unwrap_or_default()
    }

    /// Its certificate.
    pub fn leaf(&self) -> Option<Certificate> {
        Certificate::parse(self.chain.first()?.clone()).ok()
    }

    /// What is to be said of how it speaks; `name` is what was asked for.
    pub fn weakness(&self, name: &str) -> Option<Remark> {
        let version = self.version.as_str();
        match version {
            "TLS 1.3" | "TLS 1.2" if self.proven => None,
            "TLS 1.3" | "TLS 1.2" => Some(Remark::new(true, text!("tls-unproven", name = name))),
            _ => Some(Remark::fault(text!(
                "tls-old-version",
                name = name,
                version = version
            ))),
        }
    }

    /// What is to be said of the end of its certificate; `name` is what was asked for.
    pub fn end(&self, name: &str, now: Timestamp) -> Option<Remark> {
        let leaf = self.leaf()?;
        let day = day(leaf.not_after());
        match leaf.remaining(now) {
            Remaining::Over => Some(Remark::fault(text!("tls-expired", name = name, day = day))),
            Remaining::Days(left) => Some(Remark {
                id: "tls-expires-soon",
                good: true,
                text: text!("tls-expires-soon", name = name, left = left, day = day),
            }),
            Remaining::NotYet | Remaining::Long => None,
        }
    }
}

/// One thing to be said of what a server shows.
#[derive(Debug)]
pub struct Remark {
    /// For programs.
    pub id: &'static str,
    /// Whether it is as it should be.
    pub good: bool,
    /// For people.
    pub text: Text,
}

impl Remark {
    fn new(good: bool, text: Text) -> Self {
        Self {
            id: "tls",
            good,
            text,
        }
    }

    /// A fault with a name of its own for programs, which is its text's.
    fn fault(text: Text) -> Self {
        Self {
            id: text.id,
            good: false,
            text,
        }
    }
}

/// Subject and issuer, DER; `None` twice for what is no certificate, which then is its own issuer.
fn names(der: &[u8]) -> (Option<Vec<u8>>, Option<Vec<u8>>) {
    let Ok(parsed) = Certificate::parse(der.to_vec()) else {
        return (None, None);
    };
    (
        Some(parsed.subject().to_vec()),
        Some(parsed.issuer().to_vec()),
    )
}

fn name(der: &[u8]) -> String {
    Certificate::parse(der.to_vec())
        .map(|c| c.display_name().to_owned())
        .unwrap_or_default()
}

/// What came of asking for a binding.
#[derive(Debug)]
pub enum Verdict {
    /// The right certificate is served, and authorities that are not sent along.
    Right(Served, Vec<String>),
    /// The right certificate is served, but not to everybody: this version of TLS fails now and
    /// then, and how often of how many times it did.
    Unsteady(Served, Failures),
    /// Another one still is.
    Other(Served),
    /// Nothing is served, or what is could not be asked from here, and why.
    Nothing(TlsError),
}

/// Connections that failed among others that did not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failures {
    version: &'static str,
    failed: usize,
    tried: usize,
}

/// Asks for bindings, and for those that do not serve their certificate twice more. `known` are
/// certificates of authorities.
pub fn confirm(checks: &[&Check], known: &[Vec<u8>]) -> Vec<Verdict> {
    let until = Deadline::from_now();
    let judge = |check: &Check| judge(check, known, until);
    let mut verdicts: Vec<_> = checks.par_iter().map(|check| judge(check)).collect();
    for _ in 1..TRIES {
        if verdicts.iter().all(Verdict::is_right) {
            break;
        }
        thread::sleep(PAUSE);
        let wrong = verdicts
            .par_iter_mut()
            .zip(checks)
            .filter(|(verdict, _)| !verdict.is_right());
        wrong.for_each(|(verdict, check)| *verdict = judge(check));
    }
    let asked = verdicts.into_par_iter().zip(checks);
    asked
        .map(|(verdict, check)| verdict.if_steady(check, until))
        .collect()
}

/// Handshakes in one version of TLS. Where none is agreed on, the server does not have it.
fn failures(
    check: &Check,
    version: &'static SupportedProtocolVersion,
    until: Deadline,
) -> Option<Failures> {
    let (mut tried, mut failed) = (0, 0);
    // One that the server does not have is not tried to the end: each fills its event log.
    while tried < HANDSHAKES && (failed < 2 || failed < tried) {
        let answer = handshake(check.address, check.host.as_deref(), &[version], until);
        // What had no time left says nothing of the server.
        if until.is_over() {
            break;
        }
        tried += 1;
        failed += usize::from(answer.is_err());
    }
    let version = match version.version {
        rustls::ProtocolVersion::TLSv1_3 => "TLS 1.3",
        _ => "TLS 1.2",
    };
    let mixed = failed > 0 && failed < tried;
    mixed.then_some(Failures {
        version,
        failed,
        tried,
    })
}

fn judge(check: &Check, known: &[Vec<u8>], until: Deadline) -> Verdict {
    match ask(check.address, check.host.as_deref(), until) {
        Ok(served) if served.thumbprint() == check.thumbprint => {
            let missing = served.missing(known);
            Verdict::Right(served, missing)
        }
        Ok(served) => Verdict::Other(served),
        Err(error) => Verdict::Nothing(error),
    }
}

impl Verdict {
    /// What is to be said of it.
    pub fn remarks(&self, check: &Check, now: Timestamp) -> Vec<Remark> {
        let name = check
            .host
            .clone()
            .unwrap_or_else(|| check.address.to_string());
        let name = name.as_str();
        match self {
            Self::Right(served, missing) => right(name, served, missing, now),
            Self::Unsteady(_, failures) => {
                let Failures {
                    version,
                    failed,
                    tried,
                } = failures;
                let text = text!(
                    "tls-unsteady",
                    name = name,
                    version = *version,
                    failed = *failed,
                    tried = *tried
                );
                vec![Remark::fault(text)]
            }
            Self::Other(served) => {
                let (other, thumbprint) = (served.name(), served.thumbprint());
                let text = text!(
                    "tls-other",
                    name = name,
                    served = other,
                    thumbprint = thumbprint
                );
                vec![Remark::new(false, text)]
            }
            Self::Nothing(error) => vec![unanswered(name, error)],
        }
    }

    /// Windows with a key in an old provider was seen to fail some of the connections in TLS 1.3.
    fn if_steady(self, check: &Check, until: Deadline) -> Self {
        let Self::Right(served, missing) = self else {
            return self;
        };
        let versions = [&version::TLS13, &version::TLS12];
        match versions
            .into_iter()
            .find_map(|version| failures(check, version, until))
        {
            Some(failures) => Self::Unsteady(served, failures),
            None => Self::Right(served, missing),
        }
    }

    fn is_right(&self) -> bool {
        matches!(self, Self::Right(..))
    }
}

fn right(name: &str, served: &Served, missing: &[String], now: Timestamp) -> Vec<Remark> {
    let (version, count) = (served.version.as_str(), served.chain.len());
    let right = text!("tls-right", name = name, version = version, count = count);
    let mut remarks = vec![Remark::new(true, right)];
    for authority in missing {
        remarks.push(missing_authority(name, authority));
    }
    remarks.extend(served.weakness(name));
    remarks.extend(served.end(name, now));
    remarks
}

/// That nothing is served, and why; or that what is served cannot be seen from here.
pub fn unanswered(name: &str, error: &TlsError) -> Remark {
    if matches!(error, TlsError::NothingInCommon) {
        return Remark::fault(text!("tls-unasked", name = name));
    }
    let text = text!("tls-nothing", name = name, reason = error.text());
    Remark::new(false, text)
}

/// That a server does not send the certificate of an authority.
pub fn missing_authority(name: &str, authority: &str) -> Remark {
    Remark::new(
        false,
        text!("tls-missing", name = name, authority = authority),
    )
}

#[cfg(test)]
pub(crate) mod tests {
    use std::net::{Ipv4Addr, TcpListener};

    use super::*;
    use crate::keypair::KeyPair;
    use crate::keypair::fixtures::{Issued, sorted};

    /// A server that answers with the given chains, one connection each, then with the last; and
    /// the names it was asked for meanwhile.
    pub(crate) fn serve(
        pairs: Vec<KeyPair>,
    ) -> (SocketAddr, thread::JoinHandle<Vec<Option<String>>>) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let serving = thread::spawn(move || {
            let asked = pairs.iter().map(|pair| answer(&listener, pair)).collect();
            // Whoever shows what it should is asked some more times.
            thread::spawn(move || {
                while let Some(pair) = pairs.last() {
                    answer(&listener, pair);
                }
            });
            asked
        });
        (address, serving)
    }

    fn answer(listener: &TcpListener, pair: &KeyPair) -> Option<String> {
        let (mut socket, _) = listener.accept().unwrap();
        let config = prove::server_config(pair).unwrap();
        let mut server = rustls::ServerConnection::new(Arc::new(config)).unwrap();
        while server.is_handshaking() && server.complete_io(&mut socket).is_ok() {}
        let _ = server.complete_io(&mut socket);
        server.server_name().map(str::to_owned)
    }

    fn now(address: SocketAddr, host: Option<&str>) -> Result<Served, TlsError> {
        ask(address, host, Deadline::from_now())
    }

    fn pair(issued: &Issued, chain: &[&[u8]]) -> KeyPair {
        sorted(
            &[issued.pkcs8()],
            &[&[issued.der.as_slice()], chain].concat(),
        )
        .key_pairs
        .remove(0)
    }

    fn check(address: SocketAddr, host: &str, leaf: &[u8]) -> Check {
        let thumbprint = Certificate::parse(leaf.to_vec()).unwrap().thumbprint();
        Check {
            address,
            host: (!host.is_empty()).then(|| host.to_owned()),
            thumbprint,
        }
    }

    #[test]
    fn a_server_is_asked_by_name_and_without_one() {
        let site = Issued::self_signed("www.example.com");
        let (address, serving) = serve(vec![pair(&site, &[]), pair(&site, &[])]);
        let served = now(address, Some("www.example.com")).unwrap();
        assert_eq!(
            (served.chain, served.version.as_str()),
            (vec![site.der.clone()], "TLS 1.3")
        );
        now(address, None).unwrap();
        assert_eq!(
            serving.join().unwrap(),
            [Some("www.example.com".to_owned()), None]
        );
    }

    #[test]
    fn a_certificate_that_comes_late_is_right_and_one_that_stays_is_named() {
        let (old, new) = (
            Issued::self_signed("old.example.com"),
            Issued::self_signed("new.example.com"),
        );
        let (address, serving) = serve(vec![pair(&old, &[]), pair(&new, &[])]);
        let verdict = &confirm(&[&check(address, "new.example.com", &new.der)], &[])[0];
        assert!(verdict.is_right(), "{verdict:?}");
        serving.join().unwrap();
        let (address, serving) = serve(vec![pair(&old, &[]), pair(&old, &[]), pair(&old, &[])]);
        let asked = check(address, "new.example.com", &new.der);
        let verdict = &confirm(&[&asked], &[])[0];
        assert_eq!(
            verdict.remarks(&asked, Timestamp::now())[0].text.id,
            "tls-other"
        );
        serving.join().unwrap();
    }

    #[test]
    fn a_server_that_fails_now_and_then_is_named() {
        let site = Issued::self_signed("www.example.com");
        let pair = pair(&site, &[]);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            loop {
                answer(&listener, &pair);
                answer(&listener, &pair);
                drop(listener.accept());
            }
        });
        let asked = check(address, "www.example.com", &site.der);
        let verdict = &confirm(&[&asked], &[])[0];
        let remark = verdict.remarks(&asked, Timestamp::now()).remove(0);
        assert_eq!((remark.text.id, remark.good), ("tls-unsteady", false));
    }

    #[test]
    fn a_certificate_that_is_over_is_bad_and_one_that_ends_soon_is_worth_a_word() {
        let site = Issued::self_signed("www.example.com");
        let served = Served {
            chain: vec![site.der.clone()],
            version: "TLS 1.3".to_owned(),
            proven: true,
        };
        let end = served.leaf().unwrap().not_after();
        let before = |hours: i64| served.end("www", end - jiff::SignedDuration::from_hours(hours));
        let said = |remark: Option<Remark>| remark.map(|remark| (remark.id, remark.good));
        assert_eq!(said(before(-1)), Some(("tls-expired", false)));
        assert_eq!(
            said(before(0)),
            Some(("tls-expires-soon", true)),
            "the last second counts"
        );
        assert_eq!(said(before(30 * 24)), Some(("tls-expires-soon", true)));
        assert_eq!(said(before(31 * 24)), None);
        let check = check(([127, 0, 0, 1], 443).into(), "www.example.com", &site.der);
        let ids: Vec<_> = Verdict::Right(served, Vec::new())
            .remarks(&check, end)
            .iter()
            .map(|one| one.text.id)
            .collect();
        assert_eq!(ids, ["tls-right", "tls-expires-soon"]);
    }

    #[test]
    fn authorities_that_the_server_does_not_send_are_named() {
        let root = Issued::root("Root");
        let intermediate = root.authority("Intermediate");
        let leaf = intermediate.host("www.example.com");
        let known = [intermediate.der.clone(), root.der.clone()];
        let served = |chain: &[&Issued]| Served {
            chain: chain.iter().map(|issued| issued.der.clone()).collect(),
            version: "TLS 1.3".to_owned(),
            proven: true,
        };
        assert_eq!(served(&[&leaf]).missing(&known), ["Intermediate"]);
        assert!(served(&[&leaf, &intermediate]).missing(&known).is_empty());
        assert!(served(&[&leaf]).missing(&[]).is_empty(), "nobody can tell");
        assert!(
            Served {
                chain: vec![b"?".to_vec()],
                version: String::new(),
                proven: true,
            }
            .missing(&known)
            .is_empty()
        );
    }

    #[test]
    fn nobody_listening_and_a_server_without_tls_are_told_apart_from_a_wrong_certificate() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let plain = thread::spawn(move || {
            let (mut socket, _) = listener.accept().unwrap();
            let _ = io::Write::write_all(&mut socket, b"HTTP/1.1 400 Bad Request\r\n\r\n");
        });
        assert!(now(address, None).is_err());
        plain.join().unwrap();
        assert!(matches!(now(address, None), Err(TlsError::Connection(_))));
    }

    #[test]
    fn an_answer_that_drips_is_not_waited_for() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let dripping = thread::spawn(move || {
            let (mut socket, _) = listener.accept().unwrap();
            let _ = io::Write::write_all(&mut socket, b"\x16\x03\x03\x40\x00");
            // It would take 16 KiB of these before anything but the clock ends it.
            while io::Write::write_all(&mut socket, b"\x02").is_ok() {
                thread::sleep(Duration::from_millis(20));
            }
        });
        let until = Deadline::after(Duration::from_millis(500));
        let asked = ask(address, None, until).unwrap_err();
        let TlsError::Connection(error) = asked else {
            panic!("{asked}")
        };
        let kinds = [io::ErrorKind::TimedOut, io::ErrorKind::WouldBlock];
        assert!(kinds.contains(&error.kind()), "{error}");
        dripping.join().unwrap();
    }

    #[test]
    fn an_answer_without_end_is_not_read() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let endless = thread::spawn(move || {
            let (mut socket, _) = listener.accept().unwrap();
            let empty_records = b"\x16\x03\x03\x00\x01\x02".repeat(1000);
            while io::Write::write_all(&mut socket, &empty_records).is_ok() {}
        });
        assert!(now(address, None).is_err());
        endless.join().unwrap();
    }
}
