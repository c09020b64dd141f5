//! What the stand-in keeps: all records in one file of the machine, one a line, so that a test can
//! compare and copy it.

use std::fs;
use std::path::PathBuf;

use data_encoding::{HEXUPPER, HEXUPPER_PERMISSIVE};

const RECORDS: &str = "httpapi-records.txt";
const FAILS_AT: &str = "httpapi-fails-at";
const CANNOT_READ: u32 = 1117;
const CANNOT_WRITE: u32 = 31;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Address = 1,
    Name = 5,
    Central = 6,
}

impl Kind {
    pub(crate) fn of(id: i32) -> Option<Self> {
        [Self::Address, Self::Name, Self::Central]
            .into_iter()
            .find(|kind| *kind as i32 == id)
    }

    /// `HttpServiceConfigSslCertInfoEx` and its siblings.
    pub(crate) fn of_property(id: i32) -> Option<Self> {
        [(8, Self::Address), (9, Self::Name), (10, Self::Central)]
            .into_iter()
            .find(|(ex, _)| *ex == id)
            .map(|(_, of)| of)
    }
}

#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Key {
    pub ip: Vec<u8>,
    pub host: String,
    pub port: u16,
}

#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Kept {
    pub kind: Kind,
    pub key: Key,
    pub hash: Vec<u8>,
    /// As it lies in memory.
    pub app_id: Vec<u8>,
    pub store: Option<String>,
    /// Check mode, freshness, time-out, flags.
    pub numbers: [u32; 4],
    pub ctl_identifier: Option<String>,
    pub ctl_store: Option<String>,
    /// `ExParamTypeHttp2Window`.
    pub window: u32,
}

/// The window that a record begins with.
pub(crate) const WINDOW: u32 = 1 << 20;

impl Kept {
    /// `KIND IP HOST PORT HASH APPID STORE MODE FRESH TIMEOUT CTL CTLSTORE FLAGS`, `-` for nothing;
    /// then the window, if it is not what a record begins with.
    fn line(&self) -> String {
        let hex = |bytes: &[u8]| {
            if bytes.is_empty() {
                "-".to_owned()
            } else {
                HEXUPPER.encode(bytes)
            }
        };
        let text = |text: &Option<String>| {
            text.as_ref()
                .map_or("-".to_owned(), |text| format!("={}", hex(text.as_bytes())))
        };
        let [mode, fresh, timeout, flags] = self.numbers;
        let (ip, host, hash, app_id) = (
            hex(&self.key.ip),
            hex(self.key.host.as_bytes()),
            hex(&self.hash),
            hex(&self.app_id),
        );
        let (store, ctl, ctl_store) = (
            text(&self.store),
            text(&self.ctl_identifier),
            text(&self.ctl_store),
        );
        let (kind, port) = (self.kind as i32, self.key.port);
        let window = if self.window == WINDOW {
            String::new()
        } else {
            format!(" {}", self.window)
        };
        format!(
            "{kind} {ip} {host} {port} {hash} {app_id} {store} {mode} {fresh} {timeout} {ctl} {ctl_store} {flags}{window}\n"
        )
    }

    fn parse(line: &str) -> Option<Self> {
        let fields: Vec<&str> = line.split(' ').collect();
        let [
            kind,
            ip,
            host,
            port,
            hash,
            app_id,
            store,
            mode,
            fresh,
            timeout,
            ctl,
            ctl_store,
            flags,
            ref window @ ..,
        ] = fields[..]
        else {
            return None;
        };
        let hex = |text: &str| match text {
            "-" => Some(Vec::new()),
            text => HEXUPPER_PERMISSIVE.decode(text.as_bytes()).ok(),
        };
        let string = |text: &str| String::from_utf8(hex(text)?).ok();
        let optional = |text: &str| match text.strip_prefix('=') {
            Some(text) => string(text).map(Some),
            None => Some(None),
        };
        Some(Self {
            kind: Kind::of(kind.parse().ok()?)?,
            key: Key {
                ip: hex(ip)?,
                host: string(host)?,
                port: port.parse().ok()?,
            },
            hash: hex(hash)?,
            app_id: hex(app_id)?,
            store: optional(store)?,
            numbers: [
                mode.parse().ok()?,
                fresh.parse().ok()?,
                timeout.parse().ok()?,
                flags.parse().ok()?,
            ],
            ctl_identifier: optional(ctl)?,
            ctl_store: optional(ctl_store)?,
            window: window
                .first()
                .map_or(Some(WINDOW), |window| window.parse().ok())?,
        })
    }
}

fn file(name: &str) -> PathBuf {
    let base = std::env::var_os("ProgramData").unwrap_or_else(|| r"C:\ProgramData".into());
    PathBuf::from(base).join(name)
}

/// Whether this is the library of an older Windows.
pub(crate) fn is_old() -> bool {
    file("httpapi-is-old").exists()
}

/// The flags of a record that http.h names: of the SDK of 10.0.14393, and of the newest.
pub(crate) fn known_flags() -> u32 {
    if is_old() { 0xB } else { 0xFFFB }
}

/// All records.
pub(crate) fn all() -> Result<Vec<Kept>, u32> {
    let text = match fs::read_to_string(file(RECORDS)) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        text => text.map_err(|_| CANNOT_READ)?,
    };
    text.lines()
        .map(Kept::parse)
        .collect::<Option<_>>()
        .ok_or(CANNOT_READ)
}

/// Counts down the writes in the file `httpapi-fails-at`; the one that comes to nothing fails,
/// those after it do not.
fn fails() -> bool {
    let left = fs::read_to_string(file(FAILS_AT))
        .ok()
        .and_then(|text| text.trim().parse::<u32>().ok())
        .unwrap_or(0);
    if left > 0 {
        fs::write(file(FAILS_AT), (left - 1).to_string()).unwrap();
    }
    left == 1
}

/// Keeps these, sorted by what they answer for, whatever order they were written in.
pub(crate) fn keep(records: &[Kept]) -> Result<(), u32> {
    if fails() {
        return Err(CANNOT_WRITE);
    }
    let mut lines: Vec<String> = records.iter().map(Kept::line).collect();
    lines.sort();
    fs::write(file(RECORDS), lines.concat()).map_err(|_| CANNOT_READ)
}
