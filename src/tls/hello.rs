//! A question to a TLS server with a hello of our own, for what the library does not speak: servers
//! that have no cipher suite in common with it (Windows Server 2012 and 2012 R2 with an RSA
//! certificate), or no TLS 1.2. Up to TLS 1.2 (RFC 5246 section 7.4) a server shows its certificate
//! in clear, and signs the parameters of an ephemeral key exchange, for which it needs its private
//! key. There the question ends: no key is agreed on.

use std::io::{self, Read, Write};
use std::net::SocketAddr;

use rustls::{AlertDescription, InvalidMessage, SignatureScheme};

use crate::tls::client;
use crate::tls::prove::TlsError;
use crate::tls::socket::{Deadline, Socket};

/// Most that is read for one question.
const MAX_BYTES: usize = 256 * 1024;
/// Most messages that are looked at.
const MAX_MESSAGES: usize = 16;
/// Longest payload of a record, with what a cipher adds to it (RFC 5246 section 6.2.3).
const MAX_RECORD: usize = (1 << 14) + 2048;

const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
const SERVER_HELLO: u8 = 2;
const CERTIFICATE: u8 = 11;
const SERVER_KEY_EXCHANGE: u8 = 12;
const SERVER_HELLO_DONE: u8 = 14;
const RANDOM: usize = 32;
const TLS_1_2: u16 = 0x0303;

/// Cipher suites with ECDHE (RFC 8422), as Schannel and OpenSSL have them. Weak ones too: nothing is
/// encrypted with them.
const ECDHE: [u16; 18] = [
    0xc02c, 0xc02b, 0xc030, 0xc02f, 0xcca9, 0xcca8, 0xc024, 0xc023, 0xc028, 0xc027, 0xc00a, 0xc009,
    0xc014, 0xc013, 0xc008, 0xc012, 0xc007, 0xc011,
];
/// With DHE.
const DHE: [u16; 8] = [
    0x009f, 0x009e, 0xccaa, 0x006b, 0x0067, 0x0039, 0x0033, 0x0016,
];
/// With the key exchange of RSA, in which the server signs nothing; the last one is no suite but
/// says that this client knows of RFC 5746.
const OTHERS: [u16; 10] = [
    0x009d, 0x009c, 0x003d, 0x003c, 0x0035, 0x002f, 0x000a, 0x0005, 0x0004, 0x00ff,
];
/// x25519, P-256, P-384, P-521.
const GROUPS: [u16; 4] = [29, 23, 24, 25];
/// Beside those of [`client::SCHEMES`]: with SHA-1.
const OLD_SIGNATURES: [u16; 2] = [0x0201, 0x0203];

/// What a server showed in clear.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Shown {
    /// Its certificate, then what it sent of the chain; DER. Never empty.
    pub(super) chain: Vec<Vec<u8>>,
    /// The version that it chose.
    pub(super) version: u16,
    /// Whether it signed with the private key of its certificate.
    pub(super) proven: bool,
}

/// Asks a server for its certificate in TLS 1.2 or below, naming `host`.
///
/// # Errors
/// No connection; no TLS, or an alert; a signature of another key than the certificate's.
pub(super) fn ask(
    address: SocketAddr,
    host: Option<&str>,
    until: Deadline,
) -> Result<Shown, TlsError> {
    let mut random = [0; RANDOM];
    getrandom::fill(&mut random).map_err(io::Error::other)?;
    let mut socket = Socket::connect(address, until)?;
    socket.write_all(&hello(&random, host))?;
    let shown = listen(&mut socket, &random)?;
    // A warning, so that the server does not take this for an attack (RFC 5246 section 7.2.1).
    _ = socket.write_all(&[ALERT, 3, 1, 0, 2, 1, 0]);
    Ok(shown)
}

fn hello(random: &[u8], host: Option<&str>) -> Vec<u8> {
    let suites = [&ECDHE[..], &DHE, &OTHERS].concat();
    let schemes = client::SCHEMES.iter().map(|(scheme, _)| u16::from(*scheme));
    let schemes: Vec<u16> = schemes.chain(OLD_SIGNATURES).collect();
    let mut extensions = Vec::new();
    if let Some(host) = host {
        let name = [&[0], &short(host.as_bytes())[..]].concat();
        extensions.extend(extension(0, &short(&name)));
    }
    extensions.extend(extension(10, &short(&numbers(&GROUPS))));
    extensions.extend(extension(11, &[1, 0]));
    extensions.extend(extension(13, &short(&numbers(&schemes))));
    // Extended master secret (RFC 7627), which a server may insist on.
    extensions.extend(extension(23, &[]));
    let body = [
        &TLS_1_2.to_be_bytes()[..],
        random,
        &[0],
        &short(&numbers(&suites)),
        &[1, 0],
        &short(&extensions),
    ];
    let body = body.concat();
    let message = [&[CLIENT_HELLO, 0][..], &short(&body)].concat();
    [&[HANDSHAKE, 3, 1][..], &short(&message)].concat()
}

/// With its length before it. Whatever is sent here is shorter than 65536 octets: a host name has
/// 253 at most.
fn short(bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
    [&length.to_be_bytes(), bytes].concat()
}

fn numbers(numbers: &[u16]) -> Vec<u8> {
    numbers.iter().flat_map(|one| one.to_be_bytes()).collect()
}

fn extension(kind: u16, body: &[u8]) -> Vec<u8> {
    [&kind.to_be_bytes()[..], &short(body)].concat()
}

/// What is needed of a ServerHello.
struct ServerHello {
    version: u16,
    random: Vec<u8>,
    suite: u16,
}

/// Reads until the server has shown and, where it does, signed.
fn listen(stream: &mut impl Read, random: &[u8]) -> Result<Shown, TlsError> {
    let mut messages = Messages {
        stream,
        buffer: Vec::new(),
        left: MAX_BYTES,
    };
    let (mut hello, mut chain, mut proven) = (None, Vec::new(), false);
    for _ in 0..MAX_MESSAGES {
        let (kind, body) = messages.next()?;
        match (kind, &hello) {
            (SERVER_HELLO, None) => hello = Some(server_hello(&body).ok_or_else(no_tls)?),
            (CERTIFICATE, Some(_)) => chain = certificates(&body).ok_or_else(no_tls)?,
            (SERVER_KEY_EXCHANGE, Some(hello)) => {
                proven = is_proven(hello, &chain, random, &body)?;
                break;
            }
            (SERVER_HELLO_DONE, Some(_)) => break,
            _ => {}
        }
    }
    match hello {
        Some(ServerHello { version, .. }) if !chain.is_empty() => Ok(Shown {
            chain,
            version,
            proven,
        }),
        _ => Err(no_tls()),
    }
}

fn no_tls() -> TlsError {
    TlsError::Tls(rustls::Error::InvalidMessage(
        InvalidMessage::InvalidContentType,
    ))
}

/// The messages of a handshake, which lie in records as they come.
struct Messages<'a, R> {
    stream: &'a mut R,
    buffer: Vec<u8>,
    /// How much more may be read.
    left: usize,
}

impl<R: Read> Messages<'_, R> {
    fn next(&mut self) -> Result<(u8, Vec<u8>), TlsError> {
        self.fill(4)?;
        let length = 4 + length_of(&self.buffer[1..4]);
        self.fill(length)?;
        let rest = self.buffer.split_off(length);
        let message = std::mem::replace(&mut self.buffer, rest);
        Ok((message[0], message[4..].to_vec()))
    }

    /// Reads records until so much of a message is there.
    fn fill(&mut self, wanted: usize) -> Result<(), TlsError> {
        while self.buffer.len() < wanted {
            let mut header = [0; 5];
            self.read(&mut header)?;
            let length = usize::from(u16::from_be_bytes([header[3], header[4]]));
            if header[1] != 3 || length == 0 || length > MAX_RECORD {
                return Err(no_tls());
            }
            let mut body = vec![0; length];
            self.read(&mut body)?;
            match (header[0], body.as_slice()) {
                (HANDSHAKE, _) => self.buffer.extend(body),
                (ALERT, [_, alert]) => {
                    let alert = AlertDescription::from(*alert);
                    return Err(TlsError::Tls(rustls::Error::AlertReceived(alert)));
                }
                _ => return Err(no_tls()),
            }
        }
        Ok(())
    }

    fn read(&mut self, buffer: &mut [u8]) -> Result<(), TlsError> {
        self.left = self.left.checked_sub(buffer.len()).ok_or_else(no_tls)?;
        Ok(self.stream.read_exact(buffer)?)
    }
}

/// A number of few octets.
fn length_of(octets: &[u8]) -> usize {
    octets
        .iter()
        .fold(0, |number, octet| number << 8 | usize::from(*octet))
}

/// Octets that are taken off from the front.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn number(&mut self) -> Option<u16> {
        Some(u16::from_be_bytes(self.take(2)?.try_into().ok()?))
    }

    /// What has its length before it, in so many octets.
    fn vector(&mut self, octets: usize) -> Option<&'a [u8]> {
        let length = length_of(self.take(octets)?);
        self.take(length)
    }
}

fn server_hello(body: &[u8]) -> Option<ServerHello> {
    let mut fields = Fields(body);
    let version = fields.number().filter(|version| *version <= TLS_1_2)?;
    let random = fields.take(RANDOM)?.to_vec();
    fields.vector(1)?;
    let suite = fields.number()?;
    Some(ServerHello {
        version,
        random,
        suite,
    })
}

fn certificates(body: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut list = Fields(Fields(body).vector(3)?);
    let mut chain = Vec::new();
    while !list.0.is_empty() {
        chain.push(list.vector(3)?.to_vec());
    }
    Some(chain)
}

/// Whether the key of the certificate signed the parameters of the key exchange. Below TLS 1.2 the
/// signature has a form of its own, and with a hash that proves little: that is not looked at.
fn is_proven(
    hello: &ServerHello,
    chain: &[Vec<u8>],
    random: &[u8],
    body: &[u8],
) -> Result<bool, TlsError> {
    let Some(leaf) = chain.first().filter(|_| hello.version == TLS_1_2) else {
        return Ok(false);
    };
    let (parameters, scheme, signature) = signed(hello.suite, body).ok_or_else(no_tls)?;
    let message = [random, &hello.random, parameters].concat();
    match client::signs(SignatureScheme::from(scheme), leaf, &message, signature) {
        Some(true) => Ok(true),
        Some(false) => Err(TlsError::WrongSignature),
        None => Ok(false),
    }
}

/// The parameters of a key exchange, the scheme of its signature, and the signature (RFC 5246
/// section 7.4.3, RFC 8422 section 5.4).
fn signed(suite: u16, body: &[u8]) -> Option<(&[u8], u16, &[u8])> {
    let mut fields = Fields(body);
    if DHE.contains(&suite) {
        for _ in 0..3 {
            fields.vector(2)?;
        }
    } else {
        fields.take(3)?;
        fields.vector(1)?;
    }
    let parameters = &body[..body.len() - fields.0.len()];
    Some((parameters, fields.number()?, fields.vector(2)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keypair::fixtures::Issued;

    #[test]
    fn a_signature_of_another_key_is_refused_and_one_that_nobody_knows_proves_nothing() {
        let site = Issued::self_signed("www.example.com");
        let hello = |suite| ServerHello {
            version: TLS_1_2,
            random: vec![2; RANDOM],
            suite,
        };
        let curve = [3, 0, 23, 1, 4];
        let proven = |suite, parameters: &[u8], scheme: u16| {
            let signed = [parameters, &scheme.to_be_bytes()[..], &[0, 2, 0x30, 0]].concat();
            is_proven(
                &hello(suite),
                std::slice::from_ref(&site.der),
                &[1; RANDOM],
                &signed,
            )
        };
        let forged = proven(0xc02b, &curve, 0x0403);
        assert!(
            matches!(forged, Err(TlsError::WrongSignature)),
            "{forged:?}"
        );
        let numbers = [0, 1, 7, 0, 1, 2, 0, 1, 3];
        let forged = proven(0x009e, &numbers, 0x0403);
        assert!(
            matches!(forged, Err(TlsError::WrongSignature)),
            "{forged:?}"
        );
        assert!(matches!(proven(0xc02b, &curve, 0x0203), Ok(false)));
        assert!(proven(0x009e, &curve, 0x0403).is_err(), "cut off");
    }
}
