//! RECORD.TXT: the signed statement that commits a generation; also a list for `sha256sum -c`.

use super::id::{GenerationId, Hash, Number, Point, ServerId, VaultId};
use super::lines::{self, Flaw, Lines};

/// The catalog's file name.
pub const CATALOG: &str = "CATALOG.AGE";

/// What a record's first line begins with.
pub const KIND: &str = "# pfxvault-record";
/// The newest version of it that is understood.
pub const VERSION: u32 = 1;

/// The name of the nth key pair's file, counted from 1.
pub fn key_pair_file(n: usize) -> String {
    format!("K{n:07}.AGE")
}

/// What a server says about one generation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Record {
    /// The vault it was written for.
    pub vault: VaultId,
    /// Who wrote it.
    pub server: ServerId,
    /// Its place in the server's line.
    pub number: Number,
    /// The highest committed generation the writer knew, on any medium.
    pub prev: Option<Point>,
    /// When, by the writer's clock; a claim.
    pub time: jiff::Timestamp,
    /// When the next one is due; a claim.
    pub due: jiff::civil::Date,
    /// All statements the writer knew, ascending.
    pub trust: Vec<Hash>,
    /// The catalog, then the key pairs' files in order.
    pub files: Vec<Hash>,
}

impl Record {
    /// Parses the file.
    ///
    /// # Errors
    /// [`Flaw`], for anything but the one allowed form.
    pub fn parse(bytes: &[u8]) -> Result<Self, Flaw> {
        let mut lines = Lines::new(bytes)?;
        lines.version(KIND, VERSION)?;
        let vault = lines::vault(lines.value("# vault ")?)?;
        let server = ServerId::parse(lines.value("# server ")?).ok_or(Flaw::Form)?;
        let number = Number::parse(lines.value("# number ")?).ok_or(Flaw::Form)?;
        let prev = lines::point(lines.value("# prev ")?)?;
        let time = lines::time(lines.value("# time ")?)?;
        let due = lines::day(lines.value("# due ")?)?;
        let trust = parse_trust(&mut lines)?;
        let files = parse_files(&mut lines)?;
        Ok(Self {
            vault,
            server,
            number,
            prev,
            time,
            due,
            trust,
            files,
        })
    }

    /// The generation it was written for.
    pub fn id(&self) -> GenerationId {
        GenerationId {
            server: self.server,
            number: self.number,
        }
    }

    /// The file's text.
    pub fn render(&self) -> String {
        let mut text = format!(
            "# pfxvault-record v1\n# vault {}\n# server {}\n# number {}\n# prev {}\n# time {}\n# due {}\n",
            self.vault,
            self.server,
            self.number,
            lines::format_point(self.prev),
            lines::format_time(self.time),
            self.due,
        );
        for hash in &self.trust {
            text += &format!("# trust {hash}\n");
        }
        for (name, hash) in self.named_files() {
            text += &format!("{hash}  {name}\n");
        }
        text
    }

    /// Every file of the generation with its hash, the catalog first.
    pub fn named_files(&self) -> impl Iterator<Item = (String, Hash)> {
        let name = |n: usize| {
            if n == 0 {
                CATALOG.to_owned()
            } else {
                key_pair_file(n)
            }
        };
        self.files
            .iter()
            .enumerate()
            .map(move |(n, hash)| (name(n), *hash))
    }

    /// The hash of one file by its name.
    pub fn hash_of(&self, name: &str) -> Option<Hash> {
        let place = match name {
            CATALOG => 0,
            other => other
                .strip_prefix('K')?
                .strip_suffix(".AGE")?
                .parse()
                .ok()
                .filter(|n| key_pair_file(*n) == other)?,
        };
        self.files.get(place).copied()
    }
}

fn parse_trust(lines: &mut Lines<'_>) -> Result<Vec<Hash>, Flaw> {
    let mut trust = Vec::new();
    while lines
        .peek()
        .is_some_and(|line| line.starts_with("# trust "))
    {
        let hash = lines::hash(lines.value("# trust ")?)?;
        if trust.last().is_some_and(|last| *last >= hash) {
            return Err(Flaw::Form);
        }
        trust.push(hash);
    }
    if trust.is_empty() {
        Err(Flaw::Form)
    } else {
        Ok(trust)
    }
}

fn parse_files(lines: &mut Lines<'_>) -> Result<Vec<Hash>, Flaw> {
    let mut files = Vec::new();
    while let Some(line) = lines.take() {
        let (hash, name) = line.split_once("  ").ok_or(Flaw::Form)?;
        let expected = if files.is_empty() {
            CATALOG.to_owned()
        } else {
            key_pair_file(files.len())
        };
        if name != expected {
            return Err(Flaw::Form);
        }
        files.push(lines::hash(hash)?);
    }
    // A catalog alone is no generation: there is at least one key pair.
    if lines.finished() && files.len() > 1 {
        Ok(files)
    } else {
        Err(Flaw::Form)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn record() -> Record {
        let key = super::super::sign::SigningKey::from_seed(&[2; 32]).public();
        Record {
            vault: VaultId::of(&key),
            server: ServerId::of(&key),
            number: Number::new(42).unwrap(),
            prev: Number::new(40).map(|number| Point {
                number,
                record: Hash::of(b"40"),
            }),
            time: "2026-11-24T02:20:00Z".parse().unwrap(),
            due: "2027-05-24".parse().unwrap(),
            trust: vec![Hash::of(b"t")],
            files: vec![Hash::of(b"c"), Hash::of(b"1"), Hash::of(b"2")],
        }
    }

    #[test]
    fn a_record_reads_back_as_it_was_written() {
        assert_eq!(Record::parse(record().render().as_bytes()), Ok(record()));
    }

    #[test]
    fn every_deviation_is_refused() {
        let good = record().render();
        let trust = good
            .lines()
            .find(|line| line.starts_with("# trust"))
            .unwrap();
        let flawed = [
            good.replace('\n', "\r\n"),
            good.trim_end().to_owned(),
            good.replace("# number 42", "# number 042"),
            good.replace("# prev 40 ", "# prev 40  "),
            good.replace("T02:20:00Z", "T02:20:00.0Z"),
            good.replace("T02:20:00Z", "T02:20:00+00:00"),
            good.replace("2027-05-24", "2027-5-24"),
            good.replace(trust, &format!("{trust}\n{trust}")),
            good.replace(&format!("{trust}\n"), ""),
            good.replace("K0000002", "K0000003"),
            good.replace("  K0000002", " *K0000002"),
            good.replace(".AGE", ".age"),
            format!("{good}# note\n"),
            format!("{good}\n"),
            String::new(),
        ];
        for text in flawed {
            assert_eq!(Record::parse(text.as_bytes()), Err(Flaw::Form), "{text}");
        }
        assert_eq!(
            Record::parse(good.replace("record v1", "record v2").as_bytes()),
            Err(Flaw::Newer)
        );
    }

    proptest! {
        #[test]
        fn whatever_parses_renders_to_the_same_bytes(at in 0..2000_usize, byte in any::<u8>()) {
            let mut bytes = record().render().into_bytes();
            let at = at % bytes.len();
            bytes[at] = byte;
            if let Ok(parsed) = Record::parse(&bytes) {
                prop_assert_eq!(parsed.render().into_bytes(), bytes);
            }
        }
    }
}
