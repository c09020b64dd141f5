//! CATALOG.AGE: the description of a generation that a finder of the stick must not read. JSON;
//! unknown members are left alone, so that a newer pfxvault may add some.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use zeroize::Zeroizing;

use super::descriptor::Descriptor;
use super::id::{GenerationId, Hash, Number, ServerId, VaultId};
use super::record::Record;
use super::server_name::NameSalt;
use secret::{Password, SecretBytes};

/// What one generation holds.
#[derive(Debug, Serialize, Deserialize)]
pub struct Catalog {
    /// Always 1.
    pub format: u32,
    /// Equals the record's.
    pub vault: VaultId,
    /// Equals the record's.
    pub server: ServerId,
    /// Equals the record's.
    pub number: Number,
    /// What the server calls itself.
    pub server_name: String,
    /// What binds that name to the owner's word; not where the owner bound none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name_salt: Option<NameSalt>,
    /// The names that were asked for; empty where everything was.
    #[serde(default)]
    pub selected: Vec<String>,
    /// In the order of their files.
    pub key_pairs: Vec<CatalogEntry>,
    /// Key pairs whose key could not be exported.
    #[serde(default)]
    pub without_key: Vec<WithoutKey>,
    /// Rules set aside for this run.
    #[serde(default)]
    pub exceptions: Vec<Exception>,
    /// Rehearsed restores known to the writer.
    #[serde(default)]
    pub drills: Vec<Drill>,
    /// When something is due at the writer's.
    #[serde(default)]
    pub policy: Policy,
    /// The media known to the writer, with the checks done on them.
    #[serde(default)]
    pub media: Vec<SeenMedium>,
    /// What the server served, in its own form: this crate carries it and does not look into it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site_map: Option<Value>,
    /// Whether it was read what the server served, even if that was nothing; in generations of earlier
    /// versions where there is a map.
    #[serde(default, skip_serializing_if = "is_false")]
    pub sites_read: bool,
    /// Whether the key pairs are all from a folder of files.
    #[serde(default, skip_serializing_if = "is_false")]
    pub from_folder: bool,
    /// The key pairs of all of the server's generations that nothing has renewed, as far as the
    /// writer knows: so that a medium which lacks one can say so.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub counting: Vec<Counting>,
    /// Every retirement that the writer knows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub retired: Vec<Retirement>,
}

/// A key pair that counts, and where it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counting {
    /// SHA-1 of the certificate, upper-case.
    pub thumbprint: String,
    /// SHA-256 of the certificate.
    pub certificate_sha256: Hash,
    /// Host names in the certificate.
    pub names: Vec<String>,
    /// End of validity.
    pub not_after: jiff::Timestamp,
    /// The generations that hold it, ascending, as far as the writer knows.
    pub generations: Vec<Number>,
}

/// One key pair.
#[derive(Debug, Serialize, Deserialize)]
pub struct CatalogEntry {
    /// Its file in the generation.
    pub file: String,
    /// The password of the PFX in it.
    #[serde(serialize_with = "expose_password", deserialize_with = "take_password")]
    pub pfx_password: Password,
    /// Facts about it.
    #[serde(flatten)]
    pub about: AboutKeyPair,
}

/// What may be shown of a key pair; copied from its certificate when it was stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AboutKeyPair {
    /// SHA-1 of the certificate, upper-case, as Windows shows it.
    pub thumbprint: String,
    /// SHA-256 of the certificate.
    pub certificate_sha256: Hash,
    /// SHA-256 of the public key (DER SubjectPublicKeyInfo); not in generations of
    /// earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spki_sha256: Option<Hash>,
    /// Host names in the certificate.
    pub names: Vec<String>,
    /// As in the store or the PFX.
    #[serde(default)]
    pub friendly_name: Option<String>,
    /// What Windows called the container of the key, where that is known and another name; never
    /// written into a PFX.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container_name: Option<String>,
    /// Start of validity; not in generations of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    pub not_before: Option<jiff::Timestamp>,
    /// End of validity.
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub not_after: jiff::Timestamp,
    /// Whether the certificate is its own issuer; not in generations of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub self_signed: Option<bool>,
    /// SHA-256 of the issuer's name (DER) in the last certificate of its chain; not in generations of
    /// earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top_issuer: Option<Hash>,
    /// For people: `RSA 2048`.
    pub key_type: String,
    /// Certificates in the PFX.
    pub chain_length: usize,
    /// Names of the files it came from, without their folder; only plain names are used, see
    /// `Destination::plan`.
    #[serde(default)]
    pub file_names: Vec<String>,
    /// What each of them held that was no PFX: `certificate`, `certificate-der`, `chain`, `fullchain`, `key` or `all`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub file_parts: BTreeMap<String, String>,
    /// The certificates of such a file (SHA-256) in the order it had, where they are others than
    /// those of the PFX in its order.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub file_certificates: BTreeMap<String, Vec<Hash>>,
    /// What the certificate store of a Windows server kept beside it, in its own form: this crate
    /// carries it and does not look into it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub windows: Option<Value>,
}

impl AboutKeyPair {
    /// What to call it: its first host name, else its thumbprint.
    pub fn display_name(&self) -> &str {
        self.names.first().unwrap_or(&self.thumbprint)
    }

    /// Whether its validity has ended.
    pub fn is_over(&self, now: jiff::Timestamp) -> bool {
        self.not_after < now
    }
}

/// That a key pair is not to be restored any more, or is again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retirement {
    /// They are numbered; of those about one certificate or key the highest holds.
    pub number: Number,
    /// SHA-1 of the certificate, upper-case.
    pub thumbprint: String,
    /// SHA-256 of the certificate.
    pub certificate_sha256: Hash,
    /// SHA-256 of the public key, where it holds for every certificate with this key: it leaked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spki_sha256: Option<Hash>,
    /// Host names in the certificate.
    pub names: Vec<String>,
    /// `leaked`, `revoked`, `removed` or `lost`.
    pub reason: String,
    /// The account that said so, a claim.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// When.
    pub time: jiff::Timestamp,
    /// Whether it is taken back.
    #[serde(default, skip_serializing_if = "is_false")]
    pub undone: bool,
}

/// A key pair that is recorded without its key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct WithoutKey {
    /// What it was called where it was found.
    pub name: String,
    /// Why: the id of the sentence that was shown.
    pub reason: String,
    /// SHA-1 of its certificate, upper-case, where that was found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thumbprint: Option<String>,
    /// End of its certificate's validity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    pub not_after: Option<jiff::Timestamp>,
}

/// A handling rule set aside, with the reason given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Exception {
    /// The rule's id.
    pub rule: String,
    /// As typed.
    pub reason: String,
    /// The account that said so, a claim; not in generations of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// When that was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    pub time: Option<jiff::Timestamp>,
    /// The last day on which it holds; `None` where nobody said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    pub until: Option<jiff::civil::Date>,
}

/// One rehearsed restore.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Drill {
    /// When.
    pub time: jiff::Timestamp,
    /// The generation that was opened.
    pub number: Number,
    /// Its server.
    pub server: ServerId,
    /// `passphrase`, `recovery-key`, `age-key`, `ssh-key` or `shares`.
    pub opened_with: String,
    /// The identity file that it opened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub way: Option<Hash>,
    /// The account that ran it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// What the media are called that it read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub media: Vec<String>,
    /// Whether the files were opened with stock tools.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stock: bool,
    /// Key pairs proven.
    pub key_pairs: usize,
    /// Their thumbprints; only in the newest drills.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub proven: Vec<String>,
    /// Whether they were all that count; not in what earlier versions wrote, which is taken for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub everything: Option<bool>,
}

impl Drill {
    /// Whether the whole backup was rehearsed.
    pub fn is_of_everything(&self) -> bool {
        self.everything.unwrap_or(true)
    }
}

/// A medium that a server has seen.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SeenMedium {
    /// Its label.
    pub label: String,
    /// Newest generation of each server on it.
    pub newest: BTreeMap<ServerId, Number>,
    /// The generations of the server itself that are on it; `None` where an earlier version saw it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<BTreeSet<Number>>,
    /// When it was last here.
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    pub last_seen: Option<jiff::Timestamp>,
    /// When all of it was last read and found right.
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    pub last_verified: Option<jiff::Timestamp>,
    /// When each generation was last read.
    #[serde(serialize_with = "in_order_of_text")]
    #[cfg_attr(feature = "schema", schemars(with = "BTreeMap<String, String>"))]
    pub read: BTreeMap<GenerationId, jiff::Timestamp>,
    /// Where it is kept, in the user's words.
    #[serde(default)]
    pub place: Option<String>,
    /// When the server first wrote to it.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    pub first_seen: Option<jiff::Timestamp>,
    /// When all of it was last found right after it had been away, so that no cache could have
    /// answered for it.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    pub last_cold: Option<jiff::Timestamp>,
    /// When something on it was found damaged, and not all of it right since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    pub last_bad: Option<jiff::Timestamp>,
    /// The attachment during which the server last wrote to it, as the program tells them apart;
    /// empty where the system could not tell, `ejected` if the program has ejected it then. `None`
    /// if it never wrote to it.
    #[serde(default)]
    pub written_during: Option<String>,
    /// When it was taken out of use.
    #[serde(default)]
    pub retired: Option<Retired>,
    /// The devices it was seen on, one after another; the one of the last time at the end.
    #[serde(default)]
    pub devices: Vec<Descriptor>,
}

/// In place of an attachment.
const EJECTED: &str = "ejected";
/// Devices that are remembered of one medium.
const MOST_DEVICES: usize = 4;

/// How a medium went out of use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Retired {
    /// When that was said.
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub time: jiff::Timestamp,
    /// Nobody knows who has it.
    pub lost: bool,
}

/// When something is due. Host settings; they travel in the catalog.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Policy {
    /// Media that should hold the newest generation.
    pub min_media: usize,
    /// Months after which a medium must be checked again, after it was away.
    pub verify_every: u32,
    /// Months after which a medium should be replaced.
    pub rewrite_after: u32,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            min_media: 2,
            verify_every: 6,
            rewrite_after: 24,
        }
    }
}

impl SeenMedium {
    /// Takes note of the device it is on now.
    pub fn is_on(&mut self, device: Descriptor) {
        match self.devices.last_mut() {
            _ if !device.is_known() => {}
            Some(last) if !last.differs_from(&device) => last.learn(device),
            _ => self.devices.push(device),
        }
        let oldest = self.devices.len().saturating_sub(MOST_DEVICES);
        self.devices.drain(..oldest);
    }

    /// Takes note that the program has ejected it. Where the system tells attachments apart, they
    /// say more.
    pub fn was_ejected(&mut self) {
        if self.written_during.as_deref() == Some("") {
            self.written_during = Some(EJECTED.to_owned());
        }
    }

    /// The device it was on before and is back on now, if it was on another one in between: either
    /// a card in two readers, or two devices under one id.
    pub fn alternates_with(&self) -> Option<&Descriptor> {
        let (last, before) = self.devices.split_last()?;
        before
            .iter()
            .any(|device| !device.differs_from(last))
            .then(|| before.last())?
    }

    /// Whether what is read during an attachment comes from the medium, because it was away since
    /// it was written.
    pub fn was_away(&self, attachment: Option<&str>) -> bool {
        match self.written_during.as_deref() {
            None | Some(EJECTED) => true,
            Some("") => false,
            Some(then) => attachment.is_some_and(|now| now != then),
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_false(flag: &bool) -> bool {
    !flag
}

/// `SERVER8/10` before `SERVER8/9`, as it always was.
fn in_order_of_text<S: serde::Serializer>(
    read: &BTreeMap<GenerationId, jiff::Timestamp>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let texts = read.iter().map(|(id, time)| (id.to_string(), time));
    texts.collect::<BTreeMap<_, _>>().serialize(serializer)
}

fn expose_password<S: serde::Serializer>(
    password: &Password,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(password.expose())
}

fn take_password<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Password, D::Error> {
    String::deserialize(deserializer).map(Password::new)
}

/// Counts what would be written, so that the real buffer is allocated once.
struct Count(usize);

impl std::io::Write for Count {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Sizes of a catalog's text are multiples of this, in bytes.
const STEP: usize = 4096;

impl Catalog {
    /// Facts about its key pairs.
    pub fn about(&self) -> impl Iterator<Item = &AboutKeyPair> {
        self.key_pairs.iter().map(|entry| &entry.about)
    }

    /// The JSON text, with blanks up to the next step of 4 KiB: its size tells how many names are in
    /// it, and not how long they are.
    pub fn to_json(&self) -> SecretBytes {
        let mut size = Count(0);
        // Plain data into memory: there is nothing here that JSON cannot express.
        let _ = serde_json::to_writer(&mut size, self);
        let padded = size.0.next_multiple_of(STEP);
        let mut json = Zeroizing::new(Vec::with_capacity(padded));
        let _ = serde_json::to_writer(&mut *json, self);
        json.resize(padded, b' ');
        json.into()
    }

    /// Parses the JSON text and holds it against the record it came with: a server cannot pass off
    /// another's files.
    pub fn parse(json: &SecretBytes, record: &Record) -> Option<Self> {
        let catalog: Self = serde_json::from_slice(json.expose()).ok()?;
        let files = catalog.key_pairs.iter().map(|entry| entry.file.as_str());
        let same = catalog.format == 1
            && catalog.vault == record.vault
            && catalog.server == record.server
            && catalog.number == record.number
            && files.eq(record
                .named_files()
                .skip(1)
                .map(|(name, _)| name)
                .collect::<Vec<_>>()
                .iter()
                .map(String::as_str));
        same.then_some(catalog)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_size_of_a_catalog_tells_no_name() {
        let sizes = ["a.jp", "a-name-of-which-one-can-tell.example.com"].map(|name| {
            let json = format!(
                r#"{{"format":1,"vault":"SHA256:{}","server":"AAAAAAAA","number":1,"server_name":"{name}","key_pairs":[]}}"#,
                "A".repeat(43)
            );
            let catalog: Catalog = serde_json::from_str(&json).unwrap();
            let padded = catalog.to_json();
            let again: Catalog = serde_json::from_slice(padded.expose()).unwrap();
            assert_eq!(again.server_name, name);
            padded.expose().len()
        });
        assert_eq!(sizes, [4096, 4096]);
    }

    fn device(serial: &str) -> Descriptor {
        Descriptor {
            serial: Some(serial.to_owned()),
            ..Descriptor::default()
        }
    }

    #[test]
    fn a_medium_that_comes_back_to_a_device_alternates_and_one_that_moved_once_does_not() {
        let mut seen = SeenMedium::default();
        let mut alternates = |serial| {
            seen.is_on(device(serial));
            seen.alternates_with().cloned()
        };
        assert_eq!(
            [alternates("1"), alternates("1"), alternates("2")],
            [None, None, None]
        );
        assert_eq!(alternates("1"), Some(device("2")));
        seen.is_on(Descriptor::default());
        ["3", "4", "5"]
            .iter()
            .for_each(|serial| seen.is_on(device(serial)));
        assert_eq!(seen.devices, ["1", "3", "4", "5"].map(device));
        assert_eq!(seen.alternates_with(), None);
    }

    #[test]
    fn a_medium_was_away_after_another_attachment_or_where_nobody_counts_them_after_it_was_ejected()
    {
        let written = |during: &str| SeenMedium {
            written_during: Some(during.to_owned()),
            ..SeenMedium::default()
        };
        assert!(
            !written("").was_away(None)
                && !written("1").was_away(Some("1"))
                && written("1").was_away(Some("2"))
        );
        let ejected = |during| {
            let mut seen = written(during);
            seen.was_ejected();
            seen.was_away(Some("1"))
        };
        assert!(ejected(""));
        assert!(!ejected("1"), "unmounted, but never pulled out");
    }

    #[test]
    fn generations_read_are_written_in_the_order_of_their_text() {
        let json = r#"{"AAAAAAAA/10":"2026-11-24T02:20:00Z","AAAAAAAA/9":"2026-11-24T02:20:00Z"}"#;
        let seen = SeenMedium {
            read: serde_json::from_str(json).unwrap(),
            ..SeenMedium::default()
        };
        let written = serde_json::to_string(&seen).unwrap();
        assert!(written.contains(json), "{written}");
        for wrong in ["AAAAAAAA", "AAAAAAAA/0", "AAAAAAAA/09", "aaaaaaaa/9"] {
            assert!(
                serde_json::from_str::<SeenMedium>(&written.replace("AAAAAAAA/9", wrong)).is_err()
            );
        }
    }

    #[test]
    fn what_earlier_versions_remembered_of_a_medium_still_reads() {
        let json = r#"{ "label": "A", "newest": {}, "last_seen": null, "last_verified": null, "read": {} }"#;
        assert_eq!(
            serde_json::from_str::<SeenMedium>(json).unwrap().devices,
            []
        );
    }
}
