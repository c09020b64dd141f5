//! Trust statements: what the owner signed about servers, ways in and recipients. Trust is the
//! union of all of them.

use std::collections::{BTreeMap, BTreeSet};

use data_encoding::BASE64;

use super::id::{Hash, Number, Point, ServerId, VaultId};
use super::lines::{self, Flaw, Lines};
use super::server_name::NameSalt;
use super::sign::{self, PublicKey, SigningKey};

const KIND: &str = "pfxvault-trust";
/// The newest version of a statement that is understood.
const VERSION: u32 = 2;

/// How far the generations of a closed server count; the lowest is the first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Closing {
    /// None of them does.
    Whole,
    /// None above this one, nor another of its number.
    Above(Point),
}

impl Closing {
    /// The last generation that counts.
    pub fn last(self) -> Option<Point> {
        match self {
            Self::Whole => None,
            Self::Above(point) => Some(point),
        }
    }
}

/// One thing the owner says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Clause {
    /// A server that may no longer write.
    Close(ServerId, Closing),
    /// An identity file of the owner's.
    Identity(Hash),
    /// What a server is called from a generation on: the salted hash of it, see
    /// [`super::server_name`]. Version 2.
    Name(ServerId, Number, Hash),
    /// Every generation is also encrypted to this age recipient.
    Recipient(String),
    /// No longer encrypt to it.
    Retire(String),
    /// Key pairs of a server that are not to be restored any more, or are again: an age file, see
    /// [`super::retirement`]. Version 2.
    Retired(ServerId, Vec<u8>),
    /// A server that may write.
    Server(ServerId, PublicKey),
}

impl Clause {
    /// The server line of a key.
    pub fn server(key: PublicKey) -> Self {
        Clause::Server(ServerId::of(&key), key)
    }

    fn parse(line: &str, version: u32) -> Result<Self, Flaw> {
        let (key, value) = line.split_once(' ').ok_or(Flaw::Form)?;
        match key {
            "name" | "retired" if version == 1 => Err(Flaw::Form),
            "name" => Self::parse_name(value),
            "retired" => Self::parse_retired(value),
            "close" => Self::parse_close(value),
            "identity" => Ok(Clause::Identity(lines::hash(value)?)),
            "recipient" => Ok(Clause::Recipient(recipient(value)?)),
            "retire" => Ok(Clause::Retire(recipient(value)?)),
            "server" => Self::parse_server(value),
            _ => Err(Flaw::Form),
        }
    }

    fn parse_close(value: &str) -> Result<Self, Flaw> {
        let (id, point) = value.split_once(' ').ok_or(Flaw::Form)?;
        let id = ServerId::parse(id).ok_or(Flaw::Form)?;
        let closing = lines::point(point)?.map_or(Closing::Whole, Closing::Above);
        Ok(Clause::Close(id, closing))
    }

    fn parse_name(value: &str) -> Result<Self, Flaw> {
        let (id, bound) = value.split_once(' ').ok_or(Flaw::Form)?;
        let id = ServerId::parse(id).ok_or(Flaw::Form)?;
        let Point { number, record } = Point::parse(bound).ok_or(Flaw::Form)?;
        Ok(Clause::Name(id, number, record))
    }

    fn parse_retired(value: &str) -> Result<Self, Flaw> {
        let (id, sealed) = value.split_once(' ').ok_or(Flaw::Form)?;
        let id = ServerId::parse(id).ok_or(Flaw::Form)?;
        let sealed = BASE64.decode(sealed.as_bytes()).map_err(|_| Flaw::Form)?;
        match sealed.is_empty() {
            true => Err(Flaw::Form),
            false => Ok(Clause::Retired(id, sealed)),
        }
    }

    /// The version of a statement that can say it.
    fn version(&self) -> u32 {
        match self {
            Clause::Name(..) | Clause::Retired(..) => 2,
            _ => 1,
        }
    }

    fn parse_server(value: &str) -> Result<Self, Flaw> {
        let (id, key) = value.split_once(' ').ok_or(Flaw::Form)?;
        let key = PublicKey::parse(key).ok_or(Flaw::Form)?;
        // The id is derived from the key, so a line cannot give one server's name to another's key.
        (ServerId::of(&key).to_string() == id)
            .then(|| Clause::server(key))
            .ok_or(Flaw::Form)
    }

    fn line(&self) -> String {
        match self {
            Clause::Close(id, closing) => {
                format!("close {id} {}", lines::format_point(closing.last()))
            }
            Clause::Identity(hash) => format!("identity {hash}"),
            Clause::Name(id, number, bound) => format!("name {id} {number} {bound}"),
            Clause::Recipient(age) => format!("recipient {age}"),
            Clause::Retire(age) => format!("retire {age}"),
            Clause::Retired(id, sealed) => format!("retired {id} {}", BASE64.encode(sealed)),
            Clause::Server(id, key) => format!("server {id} {key}"),
        }
    }
}

/// An age X25519 recipient in its canonical text form.
fn recipient(text: &str) -> Result<String, Flaw> {
    let parsed: age::x25519::Recipient = text.parse().map_err(|_| Flaw::Form)?;
    (parsed.to_string() == text)
        .then(|| text.to_owned())
        .ok_or(Flaw::Form)
}

/// A statement in its text form, before anyone asked who signed it.
fn parse(bytes: &[u8]) -> Result<(VaultId, Vec<Clause>), Flaw> {
    let mut lines = Lines::new(bytes)?;
    let version = lines.version(KIND, VERSION)?;
    let vault = lines::vault(lines.value("vault ")?)?;
    let mut words = Vec::new();
    let mut last = "";
    while let Some(line) = lines.take() {
        // Sorted and without duplicates: one set of words has one text.
        if line <= last {
            return Err(Flaw::Form);
        }
        words.push(Clause::parse(line, version)?);
        last = line;
    }
    Ok((vault, words))
}

/// The two files of a statement that verified.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Statement {
    /// The `.TXT` file.
    pub text: Vec<u8>,
    /// The `.SIG` file.
    pub signature: Vec<u8>,
}

impl Statement {
    /// Says `words` in the owner's name.
    ///
    /// # Errors
    /// When the library refuses to sign.
    pub fn sign(owner: &SigningKey, words: &[Clause]) -> Result<Self, ssh_key::Error> {
        let lines: BTreeSet<String> = words.iter().map(Clause::line).collect();
        // What the first version can say, every pfxvault reads.
        let version = words.iter().map(Clause::version).max().unwrap_or(1);
        let mut text = format!(
            "{KIND} v{version}\nvault {}\n",
            VaultId::of(&owner.public())
        );
        for line in lines {
            text += &line;
            text += "\n";
        }
        let signature = owner.sign(sign::TRUST, text.as_bytes())?;
        Ok(Self {
            text: text.into_bytes(),
            signature,
        })
    }

    /// What records call it.
    pub fn hash(&self) -> Hash {
        Hash::of(&self.text)
    }

    /// Whether its first line says that a later version wrote it.
    pub fn is_newer(&self) -> bool {
        lines::is_newer(&self.text, KIND, VERSION)
    }

    /// Whether its text lists an identity file.
    pub fn lists(&self, identity: Hash) -> bool {
        let line = Clause::Identity(identity).line();
        self.text
            .split(|byte| *byte == b'\n')
            .any(|said| said == line.as_bytes())
    }
}

/// Everything the owner said, as far as it verifies.
#[derive(Clone, Debug)]
pub struct Trust {
    /// The vault whose owner is believed.
    pub vault: VaultId,
    /// The owner's key, once any statement showed it.
    pub owner: Option<PublicKey>,
    /// All statements, by their hash.
    pub statements: BTreeMap<Hash, Statement>,
    /// Servers that may write, closed ones included.
    pub servers: BTreeMap<ServerId, PublicKey>,
    /// Identity files of the owner's.
    pub identities: BTreeSet<Hash>,
    recipients: BTreeSet<String>,
    retired: BTreeSet<String>,
    closes: BTreeMap<ServerId, Closing>,
    names: BTreeMap<ServerId, BTreeSet<(Number, Hash)>>,
    sealed_retirements: BTreeSet<(ServerId, Vec<u8>)>,
}

/// What a server calls itself, against what the owner bound.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Naming {
    /// It is the name that the owner bound.
    Bound,
    /// The owner bound none for this generation: a claim.
    Claim,
    /// It is another one.
    Other,
}

/// What the owner says about one generation of an admitted server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Standing {
    /// It counts.
    Admitted,
    /// The server is closed for it.
    Closed,
    /// The owner never admitted this server.
    Stranger,
}

impl Trust {
    /// Believes nothing yet but who the owner is.
    pub fn new(vault: VaultId) -> Self {
        Self {
            vault,
            owner: None,
            statements: BTreeMap::new(),
            servers: BTreeMap::new(),
            identities: BTreeSet::new(),
            recipients: BTreeSet::new(),
            retired: BTreeSet::new(),
            closes: BTreeMap::new(),
            names: BTreeMap::new(),
            sealed_retirements: BTreeSet::new(),
        }
    }

    /// Takes a statement over if it verifies, once.
    ///
    /// # Errors
    /// `Newer` if its first line says that a later version wrote it; `Form` if it is not the
    /// owner's, or not a statement.
    pub fn learn(&mut self, statement: Statement) -> Result<(), Flaw> {
        if statement.is_newer() {
            return Err(Flaw::Newer);
        }
        let signer = sign::signer(sign::TRUST, &statement.text, &statement.signature);
        let signer = signer
            .filter(|key| VaultId::of(key) == self.vault)
            .ok_or(Flaw::Form)?;
        let (vault, words) = parse(&statement.text)?;
        if vault != self.vault {
            return Err(Flaw::Form);
        }
        self.owner = Some(signer);
        self.statements.insert(statement.hash(), statement);
        words.into_iter().for_each(|word| self.hear(word));
        Ok(())
    }

    fn hear(&mut self, word: Clause) {
        match word {
            Clause::Close(id, closing) => self.close(id, closing),
            Clause::Identity(hash) => _ = self.identities.insert(hash),
            Clause::Name(id, number, bound) => {
                _ = self.names.entry(id).or_default().insert((number, bound));
            }
            Clause::Recipient(age) => _ = self.recipients.insert(age),
            Clause::Retire(age) => _ = self.retired.insert(age),
            Clause::Retired(id, sealed) => _ = self.sealed_retirements.insert((id, sealed)),
            // An id is 40 bits of a key's hash: another key of that id is another server, and
            // never takes the place of the one that is known.
            Clause::Server(id, key) => _ = self.servers.entry(id).or_insert(key),
        }
    }

    /// The lowest close wins; `none` is below every number.
    fn close(&mut self, id: ServerId, closing: Closing) {
        let lowest = self.closes.entry(id).or_insert(closing);
        *lowest = (*lowest).min(closing);
    }

    /// Who new generations are encrypted to.
    pub fn recipients(&self) -> impl Iterator<Item = &str> {
        self.recipients
            .difference(&self.retired)
            .map(String::as_str)
    }

    /// Recipients that new generations no longer serve.
    pub fn retired(&self) -> impl Iterator<Item = &str> {
        self.retired.iter().map(String::as_str)
    }

    /// Whether a writer who knew these statements encrypted to a recipient. What such a statement
    /// said that is missing here nobody knows, so it counts as having said so.
    pub fn served(&self, age: &str, known: &[Hash]) -> bool {
        let says = |word: Clause| {
            let line = word.line();
            let texts = known
                .iter()
                .filter_map(|hash| self.statements.get(hash))
                .map(|statement| &statement.text);
            texts
                .flat_map(|text| text.split(|byte| *byte == b'\n'))
                .any(|said| said == line.as_bytes())
        };
        let missing = known.iter().any(|hash| !self.statements.contains_key(hash));
        (missing || says(Clause::Recipient(age.to_owned())))
            && !says(Clause::Retire(age.to_owned()))
    }

    /// Whether a generation of this server and number counts; `record` is its hash, once a record
    /// was read.
    pub fn standing(&self, server: ServerId, number: Number, record: Option<Hash>) -> Standing {
        if !self.servers.contains_key(&server) {
            return Standing::Stranger;
        }
        match self.closes.get(&server) {
            None => Standing::Admitted,
            Some(Closing::Above(last)) if number < last.number => Standing::Admitted,
            Some(Closing::Above(last))
                if number == last.number && record.is_none_or(|record| record == last.record) =>
            {
                Standing::Admitted
            }
            Some(_) => Standing::Closed,
        }
    }

    /// From which generation on a server has the name that was bound last, if one was.
    pub fn named_from(&self, server: ServerId) -> Option<Number> {
        let last = self.names.get(&server)?.last()?;
        Some(last.0)
    }

    /// How the name in a generation's catalog stands: it is held to the last name that was bound by
    /// then, and to any of them where two were bound for one number.
    pub fn naming(
        &self,
        server: ServerId,
        number: Number,
        (name, salt): (&str, Option<&NameSalt>),
    ) -> Naming {
        let until = self.names.get(&server).into_iter().flatten();
        let until: Vec<_> = until.filter(|(from, _)| *from <= number).collect();
        let Some((last, _)) = until.last() else {
            return Naming::Claim;
        };
        let bound = salt.map(|salt| salt.bind(name));
        let holds = |(from, hash): &&(Number, Hash)| from == last && Some(*hash) == bound;
        match until.iter().any(holds) {
            true => Naming::Bound,
            false => Naming::Other,
        }
    }

    /// What the owner retired of servers' key pairs, sealed.
    pub fn sealed_retirements(&self) -> impl Iterator<Item = (ServerId, &[u8])> {
        let all = self.sealed_retirements.iter();
        all.map(|(server, sealed)| (*server, sealed.as_slice()))
    }

    /// How far a server is closed, if it is.
    pub fn closing(&self, server: ServerId) -> Option<Closing> {
        self.closes.get(&server).copied()
    }

    /// Servers that may no longer write.
    pub fn closed(&self) -> impl Iterator<Item = ServerId> {
        self.servers
            .keys()
            .copied()
            .filter(|server| self.closes.contains_key(server))
    }

    /// Whether a server may still write.
    pub fn may_write(&self, server: ServerId) -> bool {
        self.servers.contains_key(&server) && !self.closes.contains_key(&server)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_key_never_takes_the_id_of_one_that_is_known() {
        let [first, second] = [2, 3].map(|seed| SigningKey::from_seed(&[seed; 32]).public());
        let id = ServerId::of(&first);
        let mut trust = trust_in(&[Clause::server(first.clone())]);
        trust.hear(Clause::Server(id, second));
        assert_eq!(trust.servers.get(&id), Some(&first));
    }

    fn owner() -> SigningKey {
        SigningKey::from_seed(&[1; 32])
    }

    fn trust_in(words: &[Clause]) -> Trust {
        let mut trust = Trust::new(VaultId::of(&owner().public()));
        trust
            .learn(Statement::sign(&owner(), words).unwrap())
            .unwrap();
        trust
    }

    fn server(seed: u8) -> (ServerId, PublicKey) {
        let key = SigningKey::from_seed(&[seed; 32]).public();
        (ServerId::of(&key), key)
    }

    #[test]
    fn a_statement_of_another_owner_is_not_learned() {
        let mut trust = Trust::new(VaultId::of(&owner().public()));
        let stranger = SigningKey::from_seed(&[9; 32]);
        let said = Statement::sign(&stranger, &[Clause::server(server(2).1)]).unwrap();
        assert_eq!(trust.learn(said), Err(Flaw::Form));
        assert!(trust.servers.is_empty());
    }

    #[test]
    fn the_lowest_close_wins_whatever_the_order() {
        let (id, key) = server(2);
        let at = |n: u32| {
            let (number, record) = (Number::new(n).unwrap(), Hash::of(b"r"));
            Clause::Close(id, Closing::Above(Point { number, record }))
        };
        for closes in [[at(5), at(3)], [at(3), at(5)]] {
            let mut trust = trust_in(&[Clause::server(key.clone())]);
            closes.into_iter().for_each(|word| trust.hear(word));
            let standing =
                |n: u32| trust.standing(id, Number::new(n).unwrap(), Some(Hash::of(b"r")));
            assert_eq!(
                (standing(2), standing(3), standing(4)),
                (Standing::Admitted, Standing::Admitted, Standing::Closed)
            );
            assert_eq!(
                trust.standing(id, Number::new(3).unwrap(), Some(Hash::of(b"x"))),
                Standing::Closed
            );
        }
        let trust = trust_in(&[
            Clause::server(key),
            at(5),
            Clause::Close(id, Closing::Whole),
        ]);
        assert_eq!(trust.standing(id, Number::FIRST, None), Standing::Closed);
    }

    #[test]
    fn a_retired_recipient_stays_retired() {
        let age = age::x25519::Identity::generate().to_public().to_string();
        let mut trust = trust_in(&[Clause::Retire(age.clone())]);
        trust
            .learn(Statement::sign(&owner(), &[Clause::Recipient(age)]).unwrap())
            .unwrap();
        assert_eq!(trust.recipients().count(), 0);
    }

    #[test]
    fn a_recipient_that_would_start_a_plugin_or_has_another_spelling_is_refused() {
        let native = age::x25519::Identity::generate().to_public().to_string();
        assert!(Clause::parse(&format!("recipient {native}"), 1).is_ok());
        let plugin = "age1yubikey1q2w7u3vpya839jxxuq8g0sedh3d740d4xvn639sqhr95ejj8vu3hyfumptt";
        let ssh =
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHsKLqeplhpW+uObz5dvMgjz1OxfM/XXUB+VHtZ6isGN";
        for age in [
            plugin,
            ssh,
            &native.to_uppercase(),
            &format!("{native} "),
            "age1",
        ] {
            assert_eq!(
                Clause::parse(&format!("recipient {age}"), 2),
                Err(Flaw::Form),
                "{age}"
            );
        }
    }

    #[test]
    fn a_recipient_was_served_by_those_who_knew_of_it_and_not_of_its_end() {
        let age = age::x25519::Identity::generate().to_public().to_string();
        let mut trust = trust_in(&[Clause::server(server(2).1)]);
        let first: Vec<Hash> = trust.statements.keys().copied().collect();
        trust
            .learn(Statement::sign(&owner(), &[Clause::Recipient(age.clone())]).unwrap())
            .unwrap();
        let second: Vec<Hash> = trust.statements.keys().copied().collect();
        trust
            .learn(Statement::sign(&owner(), &[Clause::Retire(age.clone())]).unwrap())
            .unwrap();
        let third: Vec<Hash> = trust.statements.keys().copied().collect();
        let served = [&first, &second, &third].map(|known| trust.served(&age, known));
        assert_eq!(served, [false, true, false]);
        assert!(trust.served(&age, &[Hash::of(b"a statement that is not here")]));
    }

    #[test]
    fn a_statement_has_one_text_form() {
        let good = Statement::sign(
            &owner(),
            &[Clause::server(server(2).1), Clause::server(server(3).1)],
        )
        .unwrap();
        let text = String::from_utf8(good.text).unwrap();
        let (head, tail) = text.split_once("server ").unwrap();
        let mut servers: Vec<_> = format!("server {tail}")
            .lines()
            .map(str::to_owned)
            .collect();
        servers.reverse();
        let flawed = [
            format!("{head}{}\n", servers.join("\n")),
            text.replace('\n', "\r\n"),
            text.trim_end().to_owned(),
            text.replace("server", "Server"),
            format!("{text}extra\n"),
            text.replacen("vault ", "vault  ", 1),
        ];
        for text in flawed {
            assert_eq!(parse(text.as_bytes()), Err(Flaw::Form), "{text}");
        }
        assert_eq!(
            parse(text.replace(" v1", " v3").as_bytes()),
            Err(Flaw::Newer)
        );
    }

    #[test]
    fn a_statement_is_of_the_second_version_only_where_the_first_cannot_say_it() {
        let (id, key) = server(2);
        let bound = Clause::Name(id, Number::FIRST, Hash::of(b"name"));
        let version = |words: &[Clause]| {
            let text = Statement::sign(&owner(), words).unwrap().text;
            String::from_utf8(text)
                .unwrap()
                .lines()
                .next()
                .unwrap()
                .to_owned()
        };
        let admitted = Clause::server(key);
        assert_eq!(
            version(std::slice::from_ref(&admitted)),
            "pfxvault-trust v1"
        );
        let both = [admitted, bound];
        assert_eq!(version(&both), "pfxvault-trust v2");
        let text = String::from_utf8(Statement::sign(&owner(), &both).unwrap().text).unwrap();
        assert!(parse(text.as_bytes()).is_ok());
        assert_eq!(
            parse(text.replace(" v2", " v1").as_bytes()),
            Err(Flaw::Form)
        );
        for wrong in ["name", "retired"].map(|word| text.replace("name", word)) {
            let is_same = wrong == text;
            assert_eq!(parse(wrong.as_bytes()).is_ok(), is_same, "{wrong}");
        }
    }

    #[test]
    fn a_server_is_held_to_the_name_of_the_time_and_a_claim_is_one_only_before_the_first() {
        let (id, key) = server(2);
        let salt = NameSalt::generate().unwrap();
        let bind = |number: u32, name: &str| {
            Clause::Name(id, Number::new(number).unwrap(), salt.bind(name))
        };
        let trust = trust_in(&[Clause::server(key), bind(3, "WEB01"), bind(5, "WEB05")]);
        let naming = |number: u32, name: &str, salt: Option<&NameSalt>| {
            trust.naming(id, Number::new(number).unwrap(), (name, salt))
        };
        assert_eq!(naming(2, "anything", None), Naming::Claim);
        assert_eq!(naming(3, "WEB01", Some(&salt)), Naming::Bound);
        assert_eq!(naming(4, "WEB05", Some(&salt)), Naming::Other);
        assert_eq!(naming(5, "WEB05", Some(&salt)), Naming::Bound);
        assert_eq!(naming(6, "WEB01", Some(&salt)), Naming::Other);
        assert_eq!(naming(6, "WEB05", None), Naming::Other);
    }
}
