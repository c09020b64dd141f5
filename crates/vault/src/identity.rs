//! The owner's identity: the key that signs trust, and the age key that opens every generation. It
//! lies on the medium once for each way in, wrapped by a passphrase or to a recovery key.

use std::collections::{BTreeMap, BTreeSet};

use age::secrecy::ExposeSecret;
use bech32::{Bech32, Hrp};
use data_encoding::BASE64;
use zeroize::Zeroizing;

use super::id::{Hash, VaultId};
use super::medium::Walk;
use super::seal::{self, Refusal, Unsealed};
use super::sign::{self, PublicKey, SigningKey};
use secret::{Passphrase, SecretBytes};

const FIRST_LINE: &str = "# pfxvault-identity v1";

/// Whoever holds this is the vault's owner.
pub struct Owner {
    /// Signs trust statements.
    pub key: SigningKey,
    /// Opens what the vault's recipients were sealed to.
    pub age: age::x25519::Identity,
}

impl Owner {
    /// A new owner, which is a new vault.
    ///
    /// # Errors
    /// When the system has no random numbers.
    pub fn generate() -> Result<Self, getrandom::Error> {
        Ok(Self {
            key: SigningKey::generate()?,
            age: age::x25519::Identity::generate(),
        })
    }

    /// The vault this owner is.
    pub fn vault(&self) -> VaultId {
        VaultId::of(&self.key.public())
    }

    /// The age recipient that opens with this identity.
    pub fn recipient(&self) -> String {
        self.age.to_public().to_string()
    }

    /// The identity file's text, as stock `age -d -i` takes it.
    fn text(&self) -> SecretBytes {
        let seed = Zeroizing::new(BASE64.encode(&*self.key.seed()));
        let age = self.age.to_string();
        let parts = [
            FIRST_LINE,
            "\n# owner ",
            &self.key.public().to_string(),
            "\n# owner-key ",
            &seed,
            "\n",
            age.expose_secret(),
            "\n",
        ];
        let mut text = Vec::with_capacity(parts.iter().map(|part| part.len()).sum());
        parts
            .iter()
            .for_each(|part| text.extend_from_slice(part.as_bytes()));
        SecretBytes::new(text)
    }

    fn parse(text: &SecretBytes) -> Option<Self> {
        let mut lines = std::str::from_utf8(text.expose())
            .ok()?
            .strip_suffix('\n')?
            .split('\n');
        if lines.next() != Some(FIRST_LINE) {
            return None;
        }
        let public = PublicKey::parse(lines.next()?.strip_prefix("# owner ")?)?;
        let seed = Zeroizing::new(
            BASE64
                .decode(lines.next()?.strip_prefix("# owner-key ")?.as_bytes())
                .ok()?,
        );
        let seed: Zeroizing<[u8; 32]> = Zeroizing::new(seed.as_slice().try_into().ok()?);
        let key = SigningKey::from_seed(&seed);
        let age = lines.next()?.parse().ok()?;
        (key.public() == public && lines.next().is_none()).then_some(Self { key, age })
    }

    /// The identity file for a passphrase, wrapped with its folded form.
    ///
    /// # Errors
    /// When the library refuses.
    pub fn wrap_with_passphrase(&self, passphrase: &Passphrase) -> Result<Vec<u8>, Unsealed> {
        seal::seal_with_passphrase(&passphrase.folded(), self.text().expose())
    }

    /// The identity file for a recovery key.
    ///
    /// # Errors
    /// When the library refuses.
    pub fn wrap_for(&self, recovery: &RecoveryKey) -> Result<Vec<u8>, Unsealed> {
        self.wrap_to(&recovery.0.to_public())
    }

    /// The identity file for somebody's key: age's, a plugin's, or one for SSH. Others may know this public half, and wrap an
    /// identity of their own with it: what such a key opens says nothing of whose vault it is.
    ///
    /// # Errors
    /// When the library refuses.
    pub fn wrap_to(&self, recipient: &dyn age::Recipient) -> Result<Vec<u8>, Unsealed> {
        seal::seal_to(recipient, self.text().expose())
    }

    /// Opens an identity file.
    ///
    /// # Errors
    /// [`Refusal`]; `Damaged` also when what is inside is no identity.
    pub fn unwrap(file: &[u8], secret: &Secret) -> Result<Self, Refusal> {
        let text = match secret {
            Secret::Passphrase(passphrase) => seal::open_with_passphrase(passphrase, file)?,
            Secret::RecoveryKey(recovery) => seal::open(&recovery.0, file)?,
            Secret::Key(key) => seal::open(key.as_ref(), file)?,
        };
        Self::parse(&text).ok_or(Refusal::Damaged)
    }
}

impl std::fmt::Debug for Owner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Owner({})", self.vault())
    }
}

/// What a person brings to open the vault.
pub enum Secret {
    /// The passphrase they remember.
    Passphrase(Passphrase),
    /// The recovery key from the envelope.
    RecoveryKey(RecoveryKey),
    /// A person's own key: a plugin's, or one for SSH.
    Key(Box<dyn age::Identity>),
}

impl Secret {
    /// What it is, as host state and drills record it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Passphrase(_) => "passphrase",
            Self::RecoveryKey(_) => "recovery-key",
            Self::Key(_) => "age-key",
        }
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Secret({})", self.kind())
    }
}

/// An age identity that exists only on paper; stock `age -d -i` takes its text as a file.
pub struct RecoveryKey(age::x25519::Identity);

impl RecoveryKey {
    /// A new one.
    pub fn generate() -> Self {
        Self(age::x25519::Identity::generate())
    }

    /// The one of these 32 bytes; `None` for any other number of them.
    pub(crate) fn of_bytes(bytes: &[u8]) -> Option<Self> {
        let is_key = bytes.len() == KEY_BYTES;
        let text = bech32::encode_upper::<Bech32>(Hrp::parse(HRP).ok()?, bytes).ok();
        Zeroizing::new(text.filter(|_| is_key)?)
            .parse()
            .ok()
            .map(Self)
    }

    /// Its 32 bytes.
    pub(crate) fn bytes(&self) -> Zeroizing<Vec<u8>> {
        let decoded = bech32::decode(&self.text()).map(|(_, bytes)| bytes);
        Zeroizing::new(decoded.unwrap_or_default())
    }

    /// The text to keep: `AGE-SECRET-KEY-1` and 58 characters.
    pub fn text(&self) -> Zeroizing<String> {
        Zeroizing::new(self.0.to_string().expose_secret().to_owned())
    }

    /// Parses what was typed from paper: blanks between groups, lower case and full width do not
    /// matter, a wrong character does.
    pub fn parse(typed: &str) -> Option<Self> {
        let folded = Passphrase::new(typed.to_owned()).folded();
        let mut text = Zeroizing::new(String::with_capacity(folded.expose().len()));
        let characters = folded.expose().chars().filter(|c| !c.is_whitespace());
        text.extend(characters.map(|c| c.to_ascii_uppercase()));
        text.parse().ok().map(Self)
    }

    /// Where the one wrong character stands that keeps a text in capitals from being a key. The
    /// checksum tells (BIP 173): two keys differ in at least five.
    pub fn wrong_place(text: &str) -> Option<usize> {
        let mut tried = Zeroizing::new(text.as_bytes().to_vec());
        for place in BEGINNING..tried.len() {
            let typed = tried[place];
            for other in ALPHABET {
                tried[place] = *other;
                let key = std::str::from_utf8(&tried).ok()?;
                if key.parse::<age::x25519::Identity>().is_ok() {
                    return Some(place);
                }
            }
            tried[place] = typed;
        }
        None
    }
}

/// What the text of a key calls itself (BIP 173).
const HRP: &str = "AGE-SECRET-KEY-";
const KEY_BYTES: usize = 32;
/// What every key begins with.
pub const PREFIX: &str = "AGE-SECRET-KEY-1";
const BEGINNING: usize = PREFIX.len();
/// Characters of a key.
pub const KEY_LENGTH: usize = BEGINNING + 58;
/// Those that follow its beginning (BIP 173).
pub const ALPHABET: &[u8; 32] = b"QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L";

impl std::fmt::Debug for RecoveryKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RecoveryKey(…)")
    }
}

/// An identity file that a secret of some kind may open.
#[derive(Debug)]
pub struct Way<'m> {
    /// The file.
    pub file: &'m [u8],
    /// What trying a passphrase on it costs, where one try on a file of ours costs 1; 0 where no
    /// work is done.
    pub cost: u64,
}

/// The different identity files on media that this kind of secret may open, in the order in which
/// they are to be tried: those that an owner lists before others, cheap ones first. Where it is not
/// known whose vault it is, each owner's have their turn, so that none can push out those of another.
pub fn ways<'m>(walks: &'m [Walk], secret: &Secret, known: Option<&VaultId>) -> Vec<Way<'m>> {
    let by_passphrase = matches!(secret, Secret::Passphrase(_));
    let mut listed: BTreeMap<(bool, VaultId), Vec<Way<'m>>> = BTreeMap::new();
    let (mut unlisted, mut seen) = (Vec::new(), BTreeSet::new());
    let owners = owners(walks);
    for file in walks.iter().flat_map(|walk| &walk.identities) {
        let (bytes, hash) = (file.bytes.as_slice(), Hash::of(&file.bytes));
        let cost = scrypt_cost(bytes);
        // Both halves hold the same files.
        if cost.is_some() != by_passphrase || !seen.insert(hash) {
            continue;
        }
        let (file, cost) = (bytes, cost.unwrap_or(0));
        // Whoever lists another's file, too, takes it from nobody.
        for owner in owners.get(&hash).into_iter().flatten() {
            let place = (Some(owner) != known, owner.clone());
            listed.entry(place).or_default().push(Way { file, cost });
        }
        if !owners.contains_key(&hash) {
            unlisted.push(Way { file, cost });
        }
    }
    in_turn(listed, unlisted)
}

/// Who lists which identity file, in a statement that they signed.
fn owners(walks: &[Walk]) -> BTreeMap<Hash, BTreeSet<VaultId>> {
    let mut owners: BTreeMap<Hash, BTreeSet<VaultId>> = BTreeMap::new();
    for walk in walks {
        let hashes: Vec<_> = walk
            .identities
            .iter()
            .map(|file| Hash::of(&file.bytes))
            .collect();
        for statement in walk.statements.iter().map(|pair| &pair.statement) {
            let signer = sign::signer(sign::TRUST, &statement.text, &statement.signature);
            let Some(owner) = signer.map(|key| VaultId::of(&key)) else {
                continue;
            };
            for hash in hashes.iter().filter(|hash| statement.lists(**hash)) {
                owners.entry(*hash).or_default().insert(owner.clone());
            }
        }
    }
    owners
}

fn in_turn<'m>(
    mut listed: BTreeMap<(bool, VaultId), Vec<Way<'m>>>,
    mut unlisted: Vec<Way<'m>>,
) -> Vec<Way<'m>> {
    let mut order = Vec::new();
    for ways in listed.values_mut().chain([&mut unlisted]) {
        // The cheapest ends up last, where it is taken from.
        ways.sort_by_key(|way| std::cmp::Reverse(way.cost));
    }
    while listed.values().any(|ways| !ways.is_empty()) {
        let mut turn: Vec<Way<'m>> = listed.values_mut().filter_map(Vec::pop).collect();
        // Whoever made theirs dear is tried after the others.
        turn.sort_by_key(|way| way.cost);
        order.extend(turn);
    }
    order.extend(unlisted.into_iter().rev());
    let mut seen = BTreeSet::new();
    order.retain(|way| seen.insert(way.file));
    order
}

/// What opens an identity file, as far as its header tells: `passphrase`, `ssh-key`, `key` (a recovery key,
/// shares of one, or somebody's age key) or `plugin`.
pub fn wrapped_for(file: &[u8]) -> &'static str {
    let mut lines = file[..file.len().min(1024)].split(|byte| *byte == b'\n');
    let stanza = lines.nth(1).unwrap_or_default();
    let tag = stanza.split(|byte| *byte == b' ').nth(1);
    match tag.unwrap_or_default() {
        b"scrypt" => "passphrase",
        b"ssh-ed25519" => "ssh-key",
        b"X25519" => "key",
        _ => "plugin",
    }
}

/// What one try of a passphrase on an identity file costs, by the factor that its header names;
/// `None` where it is wrapped for another kind of secret.
fn scrypt_cost(file: &[u8]) -> Option<u64> {
    let lines = file[..file.len().min(1024)].split(|byte| *byte == b'\n');
    let stanza = lines
        .take(3)
        .find_map(|line| line.strip_prefix(b"-> scrypt "))?;
    let factor = stanza.rsplit(|byte| *byte == b' ').next()?;
    let factor: u32 = std::str::from_utf8(factor).ok()?.parse().ok()?;
    // One that is refused costs nothing.
    let is_tried = factor <= seal::MAX_WORK_FACTOR.into();
    let beyond = factor.saturating_sub(seal::WORK_FACTOR.into());
    Some(if is_tried { 1 << beyond } else { 0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_owner_comes_out_of_every_way_in() {
        let owner = Owner::generate().unwrap();
        let recovery = RecoveryKey::generate();
        let wrapped = owner.wrap_for(&recovery).unwrap();
        let opened = Owner::unwrap(&wrapped, &Secret::RecoveryKey(recovery)).unwrap();
        assert_eq!(
            (opened.vault(), opened.recipient()),
            (owner.vault(), owner.recipient())
        );
        let other = Secret::RecoveryKey(RecoveryKey::generate());
        assert_eq!(
            Owner::unwrap(&wrapped, &other).unwrap_err(),
            Refusal::NoMatch
        );
    }

    #[test]
    fn each_owner_has_their_turn_and_what_costs_more_comes_after_what_costs_less() {
        let way = |file: &'static [u8], cost| Way { file, cost };
        let owner = |seed: u8| VaultId::of(&SigningKey::from_seed(&[seed; 32]).public());
        let mut listed = BTreeMap::new();
        for (seed, files) in [
            (1, [b"a1", b"a2"]),
            (2, [b"b1", b"b2"]),
            (3, [b"c1", b"c2"]),
        ] {
            let ways = files.map(|file| way(file, 4));
            listed.insert((true, owner(seed)), ways.into());
        }
        listed.insert((true, owner(4)), vec![way(b"mine", 1)]);
        let order = in_turn(listed, vec![way(b"nobody's", 1)]);
        assert_eq!(order.len(), 8);
        assert_eq!((order[0].file, order[0].cost), (&b"mine"[..], 1));
        assert_eq!(order[7].file, b"nobody's");
        let first: BTreeSet<_> = order[1..4].iter().map(|way| way.file[0]).collect();
        assert_eq!(
            first.len(),
            3,
            "one of each owner's before the second of any"
        );
    }

    #[test]
    fn whoever_lists_the_owners_file_too_does_not_push_it_back() {
        let way = |file: &'static [u8], cost| Way { file, cost };
        let owner = |seed: u8| VaultId::of(&SigningKey::from_seed(&[seed; 32]).public());
        let [thief, victim] = [owner(1), owner(2)];
        let listed = BTreeMap::from([
            (
                (true, thief),
                vec![way(b"t1", 0), way(b"t2", 0), way(b"t3", 0), way(b"v", 1)],
            ),
            ((true, victim), vec![way(b"v", 1)]),
        ]);
        let order: Vec<_> = in_turn(listed, Vec::new())
            .iter()
            .map(|way| way.file)
            .collect();
        assert!(order[..2].contains(&&b"v"[..]), "{order:?}");
        assert_eq!(order.len(), 4, "each once");
    }

    #[test]
    fn a_recovery_key_is_read_as_people_copy_it() {
        let key = RecoveryKey::generate();
        let text = key.text();
        let (head, tail) = text.split_at(30);
        let typed = format!("  {} {}\n", head.to_lowercase(), tail.to_lowercase());
        assert_eq!(*RecoveryKey::parse(&typed).unwrap().text(), *text);
        assert_eq!(RecoveryKey::wrong_place("AGE-SECRET-KEY-1"), None);
        let wide = |c: char| char::from_u32(u32::from(c) + 0xfee0).unwrap();
        let typed: String = text.chars().map(wide).collect();
        assert_eq!(*RecoveryKey::parse(&typed).unwrap().text(), *text);
        let last = if text.ends_with('Q') { 'P' } else { 'Q' };
        assert!(RecoveryKey::parse(&format!("{}{last}", &text[..text.len() - 1])).is_none());
    }

    #[test]
    fn the_place_of_one_wrong_character_is_found_and_not_that_of_several() {
        let text = RecoveryKey::generate().text();
        let wrong = |places: &[usize]| {
            let mut typed = text.as_bytes().to_vec();
            for place in places {
                typed[*place] = if typed[*place] == b'Q' { b'P' } else { b'Q' };
            }
            RecoveryKey::wrong_place(std::str::from_utf8(&typed).unwrap())
        };
        for place in [16, 30, 73] {
            assert_eq!(wrong(&[place]), Some(place));
        }
        assert_eq!(wrong(&[20, 40, 60]), None);
    }

    #[test]
    fn an_identity_whose_two_owner_lines_disagree_is_refused() {
        let text = Owner::generate().unwrap().text();
        let other = Owner::generate().unwrap();
        let mixed: Vec<String> = std::str::from_utf8(text.expose())
            .unwrap()
            .lines()
            .map(|line| {
                if line.starts_with("# owner ") {
                    format!("# owner {}", other.key.public())
                } else {
                    line.to_owned()
                }
            })
            .collect();
        assert!(
            Owner::parse(&SecretBytes::new(
                format!("{}\n", mixed.join("\n")).into_bytes()
            ))
            .is_none()
        );
        assert!(Owner::parse(&text).is_some());
    }
}
