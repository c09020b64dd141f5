//! Proof that a key pair works: it serves one TLS connection on loopback. Nothing leaves this
//! machine, nothing is trusted but the one certificate expected, and no secret goes over the
//! connection.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::server::NoServerSessionStorage;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConnection, ProtocolVersion, ServerConfig, ServerConnection, Stream};

use crate::keypair::{KeyPair, ascii_host};
use crate::message::{Text, os_reason};
use crate::text;
use crate::tls::client::{HasTheKey, provider};

/// Longest wait for the other end, which is this process.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Most connections of other processes that are turned away while waiting for our own.
const MAX_STRANGERS: usize = 16;
/// What client and server send each other once they are connected.
const QUESTION: &[u8] = b"pfxvault?";
const ANSWER: &[u8] = b"pfxvault!";

/// Why a key pair did not prove itself.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The library cannot use such a key: for TLS P-521, RSA below 2048 or above 4096 bits. It may
    /// be good all the same.
    #[error("this program cannot use a key of type {key_type} for TLS")]
    NotServable {
        /// Such as `ECDSA P-521`.
        key_type: String,
    },
    /// The connection failed.
    #[error("{0}")]
    Connection(#[from] io::Error),
    /// What TLS said against the key pair.
    #[error("{0}")]
    Tls(#[from] rustls::Error),
    /// The other side speaks TLS and says that it has no version or cipher suite of ours.
    #[error("the other side has no version or cipher suite of TLS in common with this program")]
    NothingInCommon,
    /// The certificate's public key did not verify what the private key signed.
    #[error("the private key does not sign what its certificate verifies")]
    WrongSignature,
}

impl TlsError {
    /// Why there was no connection, for people.
    pub fn text(&self) -> Text {
        match self {
            Self::NotServable { key_type } => {
                text!("tls-key-not-servable", key_type = key_type.as_str())
            }
            Self::Connection(error) => os_reason(error),
            Self::NothingInCommon => text!("tls-incompatible"),
            Self::WrongSignature => text!("tls-wrong-signature"),
            Self::Tls(error) => tls_reason(error),
        }
    }
}

fn tls_reason(error: &rustls::Error) -> Text {
    use rustls::Error as E;
    match error {
        E::AlertReceived(alert) => text!("tls-alert", alert = format!("{alert:?}")),
        E::InvalidCertificate(_) | E::NoCertificatesPresented => text!("tls-bad-certificate"),
        E::PeerIncompatible(_) => text!("tls-incompatible"),
        E::InappropriateMessage { .. }
        | E::InappropriateHandshakeMessage { .. }
        | E::InvalidMessage(_)
        | E::PeerMisbehaved(_) => text!("tls-no-tls"),
        _ => text!("tls-failed"),
    }
}

/// A connection that was served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handshake {
    /// The version agreed on: `TLS 1.3`.
    pub version: String,
}

/// Serves one connection on 127.0.0.1 with this key and chain, to a client that expects exactly
/// this leaf, and sends a few bytes both ways (RFC 8446). The client asks for `name` where that is
/// a host name: in ASCII, for a `*` in it with `www`.
///
/// # Errors
/// [`TlsError::NotServable`] where another proof is needed; else what went wrong.
pub fn handshake(pair: &KeyPair, name: &str) -> Result<Handshake, TlsError> {
    let server = ServerConnection::new(Arc::new(server_config(pair)?))?;
    let client = ClientConnection::new(
        Arc::new(HasTheKey::of(pair.leaf()).config(rustls::DEFAULT_VERSIONS)?),
        server_name(name),
    )?;
    let (server_socket, client_socket) = loopback()?;
    thread::scope(|scope| {
        let serving = thread::Builder::new().spawn_scoped(scope, || {
            let served = serve(server, server_socket);
            secret::stack::wipe();
            served
        })?;
        let asked = ask(client, client_socket);
        let served = serving
            .join()
            .unwrap_or_else(|_| Err(io::Error::other("the server stopped")));
        // The client's reason comes first: where it refuses, the server only hears that it did.
        let version = asked?;
        served?;
        Ok(Handshake {
            version: version_name(version),
        })
    })
}

/// Signs a random challenge and verifies it with the certificate's public key, by other code than
/// TLS uses.
///
/// # Errors
/// [`TlsError::WrongSignature`]; [`TlsError::NotServable`] where the key cannot be used here at
/// all; no random numbers.
pub fn sign_and_verify(pair: &KeyPair) -> Result<(), TlsError> {
    let mut challenge = [0; 32];
    getrandom::fill(&mut challenge).map_err(io::Error::other)?;
    let signature = pair
        .key
        .sign(&challenge)
        .ok_or_else(|| not_servable(pair))?;
    let verified = pair.leaf().verify_own(&challenge, &signature);
    if verified {
        Ok(())
    } else {
        Err(TlsError::WrongSignature)
    }
}

fn not_servable(pair: &KeyPair) -> TlsError {
    TlsError::NotServable {
        key_type: pair.key.key_type(),
    }
}

pub(crate) fn server_config(pair: &KeyPair) -> Result<ServerConfig, TlsError> {
    let pkcs8 = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(pair.key.pkcs8().expose()));
    let key = ring::sign::any_supported_type(&pkcs8);
    let key = key.map_err(|_| not_servable(pair))?;
    let chain = pair
        .chain
        .iter()
        .map(|certificate| CertificateDer::from(certificate.der().to_vec()));
    let certified = CertifiedKey::new(chain.collect(), key);
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(config)
}

fn server_name(name: &str) -> ServerName<'static> {
    let host = ascii_host(name).replace('*', "www");
    let mut names = [host, "localhost".into()]
        .into_iter()
        .filter_map(|name| ServerName::try_from(name).ok());
    names
        .next()
        .unwrap_or(ServerName::IpAddress(Ipv4Addr::LOCALHOST.into()))
}

/// Two ends of one connection. Any process here may connect to the port: its connections are
/// dropped.
fn loopback() -> io::Result<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let client = TcpStream::connect_timeout(&listener.local_addr()?, TIMEOUT)?;
    for _ in 0..MAX_STRANGERS {
        let (server, peer) = listener.accept()?;
        if peer == client.local_addr()? {
            prepare(&server)?;
            prepare(&client)?;
            return Ok((server, client));
        }
    }
    Err(io::Error::other("other programs connect to the port"))
}

fn prepare(socket: &TcpStream) -> io::Result<()> {
    socket.set_read_timeout(Some(TIMEOUT))?;
    socket.set_write_timeout(Some(TIMEOUT))?;
    socket.set_nodelay(true)
}

#[inline(never)]
fn serve(mut server: ServerConnection, mut socket: TcpStream) -> io::Result<()> {
    let mut stream = Stream::new(&mut server, &mut socket);
    expect(&mut stream, QUESTION)?;
    stream.write_all(ANSWER)?;
    stream.flush()
}

fn ask(mut client: ClientConnection, mut socket: TcpStream) -> io::Result<Option<ProtocolVersion>> {
    let mut stream = Stream::new(&mut client, &mut socket);
    stream.write_all(QUESTION)?;
    stream.flush()?;
    expect(&mut stream, ANSWER)?;
    Ok(client.protocol_version())
}

fn expect(stream: &mut impl Read, expected: &[u8]) -> io::Result<()> {
    let mut received = [0; QUESTION.len()];
    stream.read_exact(&mut received)?;
    if received == expected {
        Ok(())
    } else {
        Err(io::Error::other("other bytes arrived than were sent"))
    }
}

/// A version's name.
pub(crate) fn version_name(version: Option<ProtocolVersion>) -> String {
    match version {
        Some(ProtocolVersion::TLSv1_3) => "TLS 1.3".into(),
        Some(ProtocolVersion::TLSv1_2) => "TLS 1.2".into(),
        Some(ProtocolVersion::TLSv1_1) => "TLS 1.1".into(),
        Some(ProtocolVersion::TLSv1_0) => "TLS 1.0".into(),
        Some(ProtocolVersion::SSLv3) => "SSL 3.0".into(),
        other => format!("{other:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keypair::fixtures::{
        Issued, RSA, openssl, openssl_certificate, openssl_key, sorted,
    };

    fn pair(pkcs8: Vec<u8>, certificates: &[&[u8]]) -> KeyPair {
        sorted(&[pkcs8], certificates).key_pairs.remove(0)
    }

    fn openssl_pair(options: &[&str]) -> KeyPair {
        let pkcs8 = openssl_key(options);
        let certificate = openssl_certificate(&pkcs8, &[]);
        pair(pkcs8, &[&certificate])
    }

    #[test]
    fn common_keys_serve_tls_1_3() {
        for options in [
            &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"][..],
            &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
            &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"],
            &["-algorithm", "ED25519"],
        ] {
            let pair = openssl_pair(options);
            assert_eq!(
                handshake(&pair, "www.example.com").unwrap().version,
                "TLS 1.3",
                "{options:?}"
            );
            sign_and_verify(&pair).unwrap();
        }
    }

    #[test]
    fn keys_that_tls_cannot_serve_here_prove_themselves_by_a_signature() {
        for (options, expected) in [
            (
                &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-521"][..],
                "ECDSA P-521",
            ),
            (
                &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024"],
                "RSA 1024",
            ),
            (
                &["-algorithm", "RSA-PSS", "-pkeyopt", "rsa_keygen_bits:2048"],
                "RSA 2048",
            ),
        ] {
            let pair = openssl_pair(options);
            let refusal = handshake(&pair, "www.example.com").unwrap_err();
            assert!(
                matches!(refusal, TlsError::NotServable { key_type } if key_type == expected),
                "{options:?}"
            );
            sign_and_verify(&pair).unwrap();
        }
    }

    #[test]
    fn a_chain_is_served_under_any_name() {
        let root = Issued::root("Root");
        let leaf = root.host("*.example.com");
        let pair = pair(leaf.pkcs8(), &[&leaf.der, &root.der]);
        for name in [
            "*.example.com",
            "192.0.2.1",
            "a b",
            "",
            "例え.jp",
            "_sip.example.com",
        ] {
            handshake(&pair, name).unwrap();
        }
        assert_eq!(
            server_name("*.example.com"),
            ServerName::try_from("www.example.com").unwrap()
        );
        assert_eq!(
            server_name("Example Server"),
            ServerName::try_from("localhost").unwrap()
        );
    }

    #[test]
    fn the_key_of_another_certificate_fails_both_proofs() {
        let [mut mine, other] = [(); 2].map(|()| {
            let issued = Issued::self_signed("www.example.com");
            pair(issued.pkcs8(), &[&issued.der])
        });
        mine.key = other.key;
        let refusal = handshake(&mine, "www.example.com").unwrap_err();
        assert!(refusal.to_string().contains("BadSignature"), "{refusal}");
        assert!(matches!(
            sign_and_verify(&mine),
            Err(TlsError::WrongSignature)
        ));
    }

    #[test]
    fn a_version_1_certificate_is_served() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("key"), &RSA[0]).unwrap();
        let key = ["-key", "key", "-keyform", "DER"];
        openssl(
            folder.path(),
            &[
                &["req", "-new", "-subj", "/CN=old", "-out", "csr"],
                &key[..],
            ]
            .concat(),
        );
        let sign = [
            "x509", "-req", "-in", "csr", "-signkey", "key", "-keyform", "DER", "-outform", "DER",
            "-out", "crt",
        ];
        openssl(folder.path(), &sign);
        let certificate = std::fs::read(folder.path().join("crt")).unwrap();
        handshake(&pair(RSA[0].clone(), &[&certificate]), "old").unwrap();
    }
}
