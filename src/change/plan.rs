//! The plan of an import: what becomes of each key pair on this server. Pure, and read by people
//! before anything happens; applying it a second time finds nothing to do.

use jiff::Timestamp;

use super::bindings::PlannedBinding;
use super::edit::Edit;
use crate::iis::blob::{self, Home};
use crate::iis::look::{FoundKey, Snapshot};
use crate::iis::{
    AccessEntry, KeyLink, KeyState, Properties, StoreEntry, StoreName, StoredCertificate,
    is_self_issued, public_key,
};
use crate::keypair::Certificate;
use crate::message::{Text, day};
use crate::text;
use secret::SecretBytes;
use vault::id::Hash;

/// A key pair that is to be on this server. Key and certificate are known to belong together.
#[derive(Debug)]
pub struct IncomingKeyPair<'a> {
    /// What people know it by.
    pub name: String,
    /// The certificate, DER.
    pub leaf: &'a [u8],
    /// The rest of its chain, DER.
    pub authorities: Vec<&'a [u8]>,
    /// Its key, PKCS#8.
    pub pkcs8: &'a SecretBytes,
    /// As on the server it comes from.
    pub friendly_name: Option<&'a str>,
    /// `My` or `WebHosting`, as it was.
    pub store: StoreName,
    /// The provider that kept its key there.
    pub provider: Option<&'a str>,
    /// Who else could use its key there.
    pub access: &'a [AccessEntry],
}

/// What the user decides about an import.
#[derive(Debug, Default)]
pub struct Options {
    /// Mark new keys as not exportable.
    pub non_exportable: bool,
    /// Root certificates that may be trusted from now on.
    pub install_roots: Vec<Hash>,
    /// Where RSA keys are to live, wherever they come from.
    pub home: Option<Home>,
    /// The build of Windows here.
    pub windows_build: u32,
}

/// What would be done.
#[derive(Debug, Default)]
pub struct Plan<'a> {
    /// One for each key pair.
    pub items: Vec<Item<'a>>,
    /// Certificates of authorities that are not here yet, with their stores.
    pub authorities: Vec<(StoreName, &'a [u8])>,
    /// Roots that are not here and that nobody asked for.
    pub roots_left_out: Vec<&'a [u8]>,
    /// Requests that are answered and go, once the key pairs are proven.
    pub answered: Vec<StoredCertificate>,
    /// What becomes of the bindings.
    pub bindings: Vec<PlannedBinding>,
    /// Whether the keys can be exported later.
    pub exportable: bool,
}

/// What would be done about one key pair.
#[derive(Debug)]
pub struct Item<'a> {
    /// What people know it by.
    pub name: String,
    /// What would be done.
    pub action: Action<'a>,
}

/// What would be done about one key pair.
#[derive(Debug)]
pub enum Action<'a> {
    /// Nothing: it is here and its key works.
    AsItShouldBe,
    /// Nothing can be done, and why.
    Cannot(Text),
    /// A certificate that is not here, or here without its key, gets a key.
    Place(PlannedCertificate<'a>),
}

/// A certificate with a key that works, as it will be.
#[derive(Debug)]
pub struct PlannedCertificate<'a> {
    /// The store.
    pub store: StoreName,
    /// The certificate, DER.
    pub certificate: &'a [u8],
    /// What the store says of it now; `None` where it is not there.
    pub before: Option<Properties>,
    /// As it will be called.
    pub friendly_name: Option<String>,
    /// Where its key comes from.
    pub key: PlannedKey<'a>,
}

/// Where the key of a placement comes from.
#[derive(Debug)]
pub enum PlannedKey<'a> {
    /// A key on this server that only has to be linked.
    Here(KeyLink),
    /// A key that is brought along.
    New {
        /// Where it will live.
        home: Home,
        /// The key, PKCS#8.
        pkcs8: &'a SecretBytes,
        /// Who else could use it.
        access: &'a [AccessEntry],
    },
}

/// Plans an import.
pub fn plan<'a>(here: &Snapshot, incoming: &[IncomingKeyPair<'a>], options: &Options) -> Plan<'a> {
    let items = incoming
        .iter()
        .map(|one| Item {
            name: one.name.clone(),
            action: action(here, one, options),
        })
        .collect();
    let exportable = !options.non_exportable;
    let mut plan = Plan {
        items,
        exportable,
        ..Plan::default()
    };
    for (one, item) in incoming.iter().zip(&plan.items) {
        if !matches!(item.action, Action::Cannot(_)) {
            one.authorities.iter().for_each(|der| {
                authority(
                    here,
                    der,
                    options,
                    &mut plan.authorities,
                    &mut plan.roots_left_out,
                )
            });
        }
    }
    plan
}

fn action<'a>(here: &Snapshot, one: &IncomingKeyPair<'a>, options: &Options) -> Action<'a> {
    let chosen = || Home::of_rsa(one.provider, options.windows_build);
    let wanted = options.home.unwrap_or_else(chosen);
    let present = here
        .seen
        .iter()
        .find(|seen| seen.store == one.store && seen.certificate.der == one.leaf);
    match present.map(|seen| &seen.key) {
        Some(KeyState::Works(_)) => Action::AsItShouldBe,
        Some(KeyState::Unknown) => Action::Cannot(text!("cannot-not-elevated")),
        Some(KeyState::Refused(error)) => Action::Cannot(error.text()),
        Some(_) => place(one, wanted, present, key_here(here, one.leaf)),
        None => place(one, wanted, None, None),
    }
}

fn place<'a>(
    one: &IncomingKeyPair<'a>,
    wanted: Home,
    present: Option<&StoreEntry>,
    key_here: Option<KeyLink>,
) -> Action<'a> {
    let brought = blob::home_of(one.pkcs8, wanted);
    let brought = brought.map(|home| PlannedKey::New {
        home,
        pkcs8: one.pkcs8,
        access: one.access,
    });
    let Some(key) = key_here.map(PlannedKey::Here).or(brought) else {
        return Action::Cannot(text!("cannot-key-type"));
    };
    let before = present.map(|seen| seen.certificate.properties.clone());
    let name_here = before
        .as_ref()
        .and_then(|before| before.friendly_name.clone())
        .filter(|name| !name.is_empty());
    Action::Place(PlannedCertificate {
        store: one.store,
        certificate: one.leaf,
        friendly_name: name_here.or_else(|| one.friendly_name.map(str::to_owned)),
        before,
        key,
    })
}

/// A key of the machine that belongs to a certificate.
pub fn key_here(here: &Snapshot, certificate: &[u8]) -> Option<KeyLink> {
    let wanted = public_key(certificate)?;
    let belongs = |found: &&FoundKey| blob::is_same_key(&wanted, &found.facts.public_key);
    here.keys
        .iter()
        .find(belongs)
        .map(|found| found.link.clone())
}

/// Intermediates go to `CA`, where Schannel looks for the chain it sends. Roots change whom the
/// machine trusts.
pub(super) fn authority<'a>(
    here: &Snapshot,
    der: &'a [u8],
    options: &Options,
    planned: &mut Vec<(StoreName, &'a [u8])>,
    left_out: &mut Vec<&'a [u8]>,
) {
    let known = |store: StoreName| {
        here.seen
            .iter()
            .any(|seen| seen.store == store && seen.certificate.der == der)
    };
    let hash = Hash::of(der);
    let store = if is_self_issued(der) {
        StoreName::Root
    } else {
        StoreName::Ca
    };
    if known(StoreName::Root) || known(store) || planned.iter().any(|(_, other)| *other == der) {
        return;
    }
    if store == StoreName::Ca || options.install_roots.contains(&hash) {
        planned.push((store, der));
    } else if !left_out.contains(&der) {
        left_out.push(der);
    }
}

impl Plan<'_> {
    /// Whether applying it would change anything.
    pub fn changes_anything(&self) -> bool {
        let places = |item: &Item<'_>| matches!(item.action, Action::Place(_));
        let changes_stores = !self.authorities.is_empty() || !self.answered.is_empty();
        changes_stores || self.items.iter().any(places) || self.edits().next().is_some()
    }

    /// What would change about records and bindings.
    pub fn edits(&self) -> impl Iterator<Item = &Edit> {
        self.bindings.iter().flat_map(PlannedBinding::edits)
    }

    /// What nothing can be done about: name and reason.
    pub fn cannot(&self) -> impl Iterator<Item = (&str, &Text)> {
        self.items.iter().filter_map(|item| match &item.action {
            Action::Cannot(reason) => Some((item.name.as_str(), reason)),
            _ => None,
        })
    }
}

impl PlannedCertificate<'_> {
    /// Its thumbprint and its end. The stand-in of a request has neither that anybody wants to
    /// know.
    fn certificate_text(&self, now: Timestamp) -> Option<Text> {
        let certificate = Certificate::parse(self.certificate.to_vec()).ok()?;
        let (thumbprint, not_after) = (certificate.thumbprint(), certificate.not_after());
        let ends = day(not_after);
        match self.store {
            StoreName::Request => None,
            _ if not_after < now => {
                Some(text!("plan-expired", thumbprint = thumbprint, day = ends))
            }
            _ => Some(text!("plan-ends", thumbprint = thumbprint, day = ends)),
        }
    }
}

impl PlannedCertificate<'_> {
    /// What is done to give it its key.
    fn text(&self, name: &str) -> Text {
        let store = self.store.as_str();
        match (&self.before, &self.key) {
            (Some(_), PlannedKey::Here(link)) => text!(
                "plan-link",
                name = name,
                store = store,
                container = link.container.as_str()
            ),
            (None, PlannedKey::Here(_)) => text!(
                "plan-install",
                name = name,
                store = store,
                friendly_name = self.friendly_name.as_deref().unwrap_or_default()
            ),
            (Some(_), PlannedKey::New { home, .. }) => text!(
                "plan-mend",
                name = name,
                store = store,
                provider = home.provider()
            ),
            (None, PlannedKey::New { home, .. }) => text!(
                "plan-import",
                name = name,
                store = store,
                provider = home.provider()
            ),
        }
    }
}

impl Item<'_> {
    /// The item's lines of the plan.
    pub fn texts(&self, now: Timestamp) -> Vec<Text> {
        let name = self.name.as_str();
        let placement = match &self.action {
            Action::AsItShouldBe => return vec![text!("plan-as-it-should-be", name = name)],
            Action::Cannot(reason) => {
                return vec![text!("plan-cannot", name = name, reason = reason.clone())];
            }
            Action::Place(placement) => placement,
        };
        let mut texts = vec![placement.text(name)];
        texts.extend(placement.certificate_text(now));
        if let PlannedKey::New { access, .. } = placement.key {
            for entry in access {
                let who = entry.name.as_deref().unwrap_or_else(|| entry.trustee());
                texts.push(if entry.is_portable() {
                    text!("plan-access", who = who)
                } else {
                    text!("plan-access-left-out", who = who)
                });
            }
        }
        texts
    }
}
