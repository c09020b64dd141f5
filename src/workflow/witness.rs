//! What others of the vault say of one server: that there are newer generations than are here, which
//! key pairs are retired. It is named and never obeyed: one bad server must not hide what another has.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::message::{Text, day, short};
use crate::state::LEAKED;
use crate::text;
use vault::catalog::{AboutKeyPair, Catalog, Retirement};
use vault::counted::Retired;
use vault::id::{Number, ServerId};

/// What the owner retired of a server's key pairs in one statement, or took back.
pub struct OwnersWord {
    /// The server.
    pub server: ServerId,
    /// As the statement has it.
    pub sealed: Vec<u8>,
    /// What is in it; `None` where it does not open.
    pub retired: Option<Vec<Retirement>>,
}

/// The newest catalog of a server, as far as it speaks of others.
pub struct Witness {
    /// The server.
    pub server: ServerId,
    /// What it calls itself.
    pub server_name: String,
    /// Whether the owner's word says another name.
    pub is_misnamed: bool,
    name: String,
    time: Timestamp,
    newest: BTreeMap<ServerId, Number>,
    retired: Vec<Retirement>,
}

impl Witness {
    /// A catalog and the time of its record.
    pub fn new(time: Timestamp, catalog: Catalog, is_misnamed: bool) -> Self {
        let mut newest: BTreeMap<ServerId, Number> = BTreeMap::new();
        // What is on a medium out of use is not looked for.
        let in_use = catalog
            .media
            .iter()
            .filter(|medium| medium.retired.is_none());
        for (server, number) in in_use.flat_map(|medium| &medium.newest) {
            let known = newest.entry(*server).or_insert(*number);
            *known = (*known).max(*number);
        }
        Self {
            server: catalog.server,
            name: format!("{} ({})", catalog.server_name, catalog.server),
            server_name: catalog.server_name,
            is_misnamed,
            time,
            newest,
            retired: catalog.retired,
        }
    }
}

/// That one of `others` has seen a newer generation of `server` than the newest that is `here`; the
/// highest of all.
pub fn of_newer(others: &[Witness], server: ServerId, here: Number) -> Option<Text> {
    let others = others.iter().filter(|one| one.server != server);
    let seen = others.filter_map(|one| Some((*one.newest.get(&server)?, one)));
    let (number, witness) = seen.max_by_key(|(number, _)| *number)?;
    (number > here).then(|| {
        text!(
            "doubt-said-newer",
            witness = witness.name.as_str(),
            day = day(witness.time),
            number = number,
            here = here
        )
    })
}

/// Which of a server's key pairs `others` retired.
pub fn of_retired(others: &[Witness], server: ServerId, key_pairs: &[&AboutKeyPair]) -> Vec<Text> {
    let mut said = Vec::new();
    for witness in others.iter().filter(|one| one.server != server) {
        for (about, word) in retired_among(key_pairs, &witness.retired) {
            said.push(text!(
                "doubt-said-retired",
                witness = witness.name.as_str(),
                day = day(word.time),
                name = about.display_name(),
                thumbprint = short(&about.thumbprint),
                reason = retired_reason(&word.reason)
            ));
        }
    }
    said
}

/// Which of a server's key pairs the owner retired for another server, and did not take back.
pub fn of_owners(words: &[OwnersWord], server: ServerId, key_pairs: &[&AboutKeyPair]) -> Vec<Text> {
    let mut by_server: BTreeMap<ServerId, Vec<&Retirement>> = BTreeMap::new();
    for word in words.iter().filter(|word| word.server != server) {
        let retired = word.retired.iter().flatten();
        by_server.entry(word.server).or_default().extend(retired);
    }
    let mut said = Vec::new();
    for (other, retired) in by_server {
        for (about, word) in retired_among(key_pairs, retired) {
            said.push(text!(
                "doubt-owner-retired",
                server = other.to_string(),
                day = day(word.time),
                name = about.display_name(),
                thumbprint = short(&about.thumbprint),
                reason = retired_reason(&word.reason)
            ));
        }
    }
    said
}

/// Why a key pair was retired, as a part of a sentence.
pub fn retired_reason(reason: &str) -> Text {
    match reason {
        LEAKED => text!("retired-leaked"),
        "revoked" => text!("retired-revoked"),
        "removed" => text!("retired-removed"),
        "lost" => text!("retired-lost"),
        other => text!("retired-otherwise", reason = other),
    }
}

fn retired_among<'a>(
    key_pairs: &[&'a AboutKeyPair],
    words: impl IntoIterator<Item = &'a Retirement>,
) -> Vec<(&'a AboutKeyPair, &'a Retirement)> {
    let retired = Retired::of(words);
    let key_pairs = key_pairs.iter();
    key_pairs
        .filter_map(|about| Some((*about, retired.get(about)?)))
        .collect()
}
