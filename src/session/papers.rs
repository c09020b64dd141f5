//! The two papers, in words: what stands on them, and where they may be written.

use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::error::{Error, Exit, Result};
use crate::message::{Text, day, local_day};
use crate::paper::facts::{HASH_DIGITS, NewestOnSheet, SheetFacts};
use crate::paper::{Block, Code, Form, Paper};
use crate::platform::private_files::NewFile;
use crate::rules::Rule;
use crate::session::Session;
use crate::session::media::label_of_vault;
use crate::text;
use secret::shares::Share;
use vault::id::{Hash, Number, ServerId, VaultId};
use vault::identity::RecoveryKey;
use vault::medium::Medium;
use vault::sign::PublicKey;
use vault::{paper, shares};

/// The file of an envelope, which is gone again unless it is kept.
pub struct EnvelopeFile {
    file: NewFile,
    /// The number of the share in it; `None` for a recovery key.
    share: Option<u8>,
}

/// The secret on an envelope.
pub enum OnEnvelope<'a> {
    /// A recovery key.
    Key(&'a RecoveryKey),
    /// A share of one, of so many.
    Share(&'a Share, usize),
}

/// What the envelope holds.
pub struct EnvelopeOf<'a> {
    /// The secret.
    pub secret: OnEnvelope<'a>,
    /// Whose vault it opens.
    pub owner: &'a PublicKey,
}

impl EnvelopeOf<'_> {
    /// The vault.
    pub fn vault(&self) -> VaultId {
        VaultId::of(self.owner)
    }
}

/// What an envelope says of the secret on it.
struct EnvelopeTexts {
    title: Text,
    notice: Text,
    what: Text,
    key: Text,
    how: Text,
    option: &'static str,
    /// What is done without pfxvault, and the lines for it.
    stock: Vec<(Text, Vec<String>)>,
}

impl OnEnvelope<'_> {
    fn texts(&self) -> EnvelopeTexts {
        let open = r"age -d -i recovery.txt -o id.txt E:\PFXVAULT\A\OWNER\IDENT002.AGE";
        match self {
            OnEnvelope::Key(_) => EnvelopeTexts {
                title: text!("paper-envelope"),
                notice: text!("paper-envelope-notice"),
                what: text!("paper-envelope-what"),
                key: text!("paper-key"),
                how: text!("paper-key-how"),
                option: "--recovery-key",
                stock: vec![(text!("paper-use-age"), vec![open.to_owned()])],
            },
            OnEnvelope::Share(share, count) => {
                let (number, threshold) = (share.number(), share.threshold());
                let lines = |text: &str| text.lines().map(str::to_owned).collect();
                let mut combine: Vec<String> = lines(COMBINE_BY_HAND);
                // Made with the vault is the recovery key's only.
                combine.push(open.replace("IDENT002", "IDENT003"));
                let convert = lines(KEY_OF_NUMBER);
                EnvelopeTexts {
                    title: text!("paper-share-title", number = number, count = *count),
                    notice: text!("paper-share-notice", threshold = threshold),
                    what: text!("paper-share-what", threshold = threshold, count = *count),
                    key: text!("paper-share", number = number, count = *count),
                    how: text!("paper-share-how"),
                    option: "--shares",
                    stock: vec![
                        (text!("paper-share-stock"), combine),
                        (text!("paper-share-convert"), convert),
                    ],
                }
            }
        }
    }
}

/// What makes recovery.txt of shares without pfxvault: shamir-mnemonic gives a number, which key.py
/// turns into a key that age reads (docs/format.md, 14).
const COMBINE_BY_HAND: &str = "pip install shamir-mnemonic[cli]
shamir recover
python3 key.py NUMBER > recovery.txt";
const KEY_OF_NUMBER: &str = include_str!("key.py");

/// A server and its newest generation, for the sheet.
pub struct ServerOnSheet {
    /// Its id.
    pub server: ServerId,
    /// What it calls itself, where that is known without a secret.
    pub name: Option<String>,
    /// Number, time, and hash of the record.
    pub newest: Option<(Number, jiff::Timestamp, String)>,
}

/// A medium, for the sheet.
pub struct MediumOnSheet {
    /// What is written on it.
    pub label: String,
    /// Where it is kept, where somebody said so.
    pub place: Option<String>,
}

/// A program beside the vault, for the sheet, which is the one place to compare it with.
pub struct ProgramOnSheet {
    /// The file's name.
    pub name: String,
    /// Its hash.
    pub hash: Hash,
    /// Labels of the media that have it.
    pub media: Vec<String>,
}

/// What the instruction sheet says.
pub struct SheetContent {
    /// The vault.
    pub vault: VaultId,
    /// The owner's key, once a statement showed it.
    pub owner: Option<PublicKey>,
    /// How many statements the owner signed.
    pub statements: usize,
    /// All servers.
    pub servers: Vec<ServerOnSheet>,
    /// Those in use.
    pub media: Vec<MediumOnSheet>,
    /// The programs that this server put beside the vault.
    pub programs: Vec<ProgramOnSheet>,
    /// Whom to call.
    pub contact: Option<String>,
}

impl Session<'_> {
    /// The envelope.
    ///
    /// # Errors
    /// Never for a key.
    pub fn envelope(&self, envelope: &EnvelopeOf<'_>) -> Result<Paper> {
        let words = |text: Text| self.console.words(&text);
        let (key, owner, vault) = (&envelope.secret, envelope.owner, envelope.vault());
        let (says, rows) = match key {
            OnEnvelope::Key(key) => (paper::key_text(key, owner), paper::rows(key, &vault)),
            OnEnvelope::Share(share, _) => {
                (shares::text(share, owner), shares::rows(share, &vault))
            }
        };
        let about = key.texts();
        let mut blocks = vec![
            Block::Notice(words(about.notice)),
            Block::Words(words(about.what)),
            Block::Facts(vec![
                (words(text!("paper-vault")), in_groups(&envelope.vault())),
                (words(text!("paper-made")), self.made()),
            ]),
            Block::Heading(words(about.key)),
            Block::Words(words(about.how)),
            Block::Beside(
                vec![Block::Rows(rows)],
                code(says)?,
                words(text!("paper-key-code")),
            ),
            Block::Heading(words(text!("paper-use"))),
            Block::Words(words(text!("paper-use-pfxvault"))),
            Block::Commands(vec![format!("pfxvault restore --from E: {}", about.option)]),
        ];
        for (text, lines) in about.stock {
            blocks.extend([Block::Words(words(text)), Block::Commands(lines)]);
        }
        blocks.extend([
            Block::Heading(words(text!("paper-hand"))),
            Block::Blanks(self.blanks(&[
                text!("paper-blank-sealed"),
                text!("paper-blank-kept"),
                text!("paper-blank-opened"),
                text!("paper-blank-opened"),
            ])),
        ]);
        Ok(Paper {
            language: words(text!("page-language")),
            title: words(about.title),
            is_secret: true,
            blocks,
        })
    }

    /// The instruction sheet.
    ///
    /// # Errors
    /// Never for what fits one page.
    pub fn sheet(&self, content: &SheetContent) -> Result<Paper> {
        let words = |text: Text| self.console.words(&text);
        let facts = self.facts(content);
        let mut blocks = vec![
            Block::Notice(words(text!("paper-sheet-notice"))),
            Block::Words(words(text!("paper-sheet-what"))),
            Block::Facts(vec![
                (words(text!("paper-vault")), in_groups(&content.vault)),
                (words(text!("paper-made")), self.made()),
            ]),
            Block::Heading(words(text!("paper-servers"))),
            self.servers_on_sheet(content),
            Block::Heading(words(text!("paper-media"))),
            self.media_on_sheet(content),
            Block::Heading(words(text!("paper-emergency"))),
        ];
        let restore = vec![
            Block::Words(words(text!("paper-emergency-pfxvault"))),
            Block::Commands(vec![
                "pfxvault restore --from E:".to_owned(),
                "pfxvault restore --from E: --recovery-key".to_owned(),
            ]),
        ];
        blocks.push(Block::Beside(
            restore,
            code(Zeroizing::new(facts.text()))?,
            words(text!("paper-code")),
        ));
        if !content.programs.is_empty() {
            blocks.push(Block::Words(words(text!("paper-programs"))));
            blocks.push(self.programs_on_sheet(content));
        }
        blocks.push(Block::Words(words(text!("paper-emergency-stock"))));
        blocks.push(Block::Commands(by_hand(content.owner.as_ref())));
        blocks.push(Block::Heading(words(text!("paper-hand"))));
        blocks.push(Block::Blanks(self.blanks_of_sheet(content)));
        Ok(Paper {
            language: words(text!("page-language")),
            title: words(text!("paper-sheet")),
            is_secret: false,
            blocks,
        })
    }

    fn made(&self) -> String {
        self.console.words(&text!(
            "paper-made-by",
            day = day(self.now),
            version = env!("CARGO_PKG_VERSION"),
            computer = crate::platform::media::host_name()
        ))
    }

    fn blanks(&self, names: &[Text]) -> Vec<String> {
        names.iter().map(|name| self.console.words(name)).collect()
    }

    fn blanks_of_sheet(&self, content: &SheetContent) -> Vec<String> {
        let contact = match &content.contact {
            Some(contact) => text!("paper-contact", contact = contact),
            None => text!("paper-blank-contact"),
        };
        self.blanks(&[
            contact,
            text!("paper-blank-envelope"),
            text!("paper-blank-bitlocker"),
            text!("paper-blank-program"),
            text!("paper-blank-signed"),
        ])
    }

    fn facts(&self, content: &SheetContent) -> SheetFacts {
        let newest = content.servers.iter().filter_map(|server| {
            let (number, _, hash) = server.newest.as_ref()?;
            Some(NewestOnSheet {
                server: server.server,
                number: *number,
                hash: hash.get(..HASH_DIGITS)?.to_owned(),
            })
        });
        SheetFacts {
            vault: content.vault.clone(),
            day: local_day(self.now),
            statements: content.statements,
            newest: newest.collect(),
        }
    }

    fn servers_on_sheet(&self, content: &SheetContent) -> Block {
        let words = |text: Text| self.console.words(&text);
        let heading = [
            text!("paper-cell-server"),
            text!("paper-cell-newest"),
            text!("paper-cell-record"),
        ];
        let mut rows = Vec::new();
        for server in &content.servers {
            let id = server.server.to_string();
            let name = match &server.name {
                Some(name) => format!("{name} ({id})"),
                None => id,
            };
            let (newest, hash) = match &server.newest {
                Some((number, time, hash)) => {
                    let newest = text!("paper-newest", number = *number, day = day(*time));
                    (words(newest), hash.clone())
                }
                None => (words(text!("cell-none")), String::new()),
            };
            rows.push(vec![name, newest, hash]);
        }
        Block::Table(heading.map(words).into(), rows)
    }

    fn media_on_sheet(&self, content: &SheetContent) -> Block {
        let words = |text: Text| self.console.words(&text);
        let heading = [text!("paper-cell-label"), text!("paper-cell-place")];
        let unknown = "_".repeat(40);
        let row = |medium: &MediumOnSheet| {
            let place = medium.place.as_ref().unwrap_or(&unknown);
            vec![medium.label.clone(), place.clone()]
        };
        let mut rows: Vec<Vec<String>> = content.media.iter().map(row).collect();
        if rows.is_empty() {
            rows = vec![vec!["____".to_owned(), unknown.clone()]; 2];
        }
        Block::Table(heading.map(words).into(), rows)
    }

    fn programs_on_sheet(&self, content: &SheetContent) -> Block {
        let words = |text: Text| self.console.words(&text);
        let heading = [
            text!("column-file"),
            text!("paper-media"),
            text!("paper-cell-hash"),
        ];
        let mut rows = Vec::new();
        for program in &content.programs {
            let hash = in_groups_of_eight(&program.hash.to_string());
            rows.push(vec![program.name.clone(), program.media.join(", "), hash]);
        }
        Block::Table(heading.map(words).into(), rows)
    }

    /// Writes a recovery key to a file of its own, which `option` named. It stays there once it opens
    /// the vault: [`Session::keep_envelope`].
    ///
    /// # Errors
    /// Exit 5 on a medium that holds a vault, or will hold it; else where it cannot be written.
    pub fn write_envelope(
        &self,
        envelope: &EnvelopeOf<'_>,
        (option, path): (&'static str, &Path),
        medium: Option<&Medium>,
    ) -> Result<EnvelopeFile> {
        self.refuse_beside_vault(path, medium)?;
        let bytes = self.rendered(&self.envelope(envelope)?, path)?;
        let file = NewFile::create(path, &bytes).map_err(|e| {
            Error::failed(text!(
                "error-recovery-key-file",
                path = path,
                reason = &e,
                option = option
            ))
        })?;
        Ok(EnvelopeFile {
            file,
            share: match envelope.secret {
                OnEnvelope::Key(_) => None,
                OnEnvelope::Share(share, _) => Some(share.number()),
            },
        })
    }

    /// Keeps the file of a recovery key that opens the vault now, and says what that means.
    pub fn keep_envelope(&self, envelope: EnvelopeFile) {
        let path = envelope.file.path();
        self.console.warn(&match envelope.share {
            None => text!("create-recovery-key-file", path = path),
            Some(number) => text!("create-share-file", path = path, number = number),
        });
        envelope.file.keep();
    }

    /// The file of a paper, in the form that its name asks for.
    ///
    /// # Errors
    /// A PDF of more than its fonts or its page can show.
    pub fn rendered(&self, paper: &Paper, path: &Path) -> Result<Zeroizing<Vec<u8>>> {
        let rendered = paper.render(Form::of(path));
        rendered.map_err(|reason| {
            let other = path.with_extension("html");
            let other = other.as_path();
            Error::usage(text!(
                "error-paper",
                path = path,
                reason = reason,
                other = other
            ))
        })
    }

    /// Refuses to put the secret beside what it opens.
    fn refuse_beside_vault(&self, path: &Path, medium: Option<&Medium>) -> Result<()> {
        let rule = Rule::PasswordKept.id();
        let is_accepted = self.exceptions.iter().any(|known| known.rule == rule);
        let folder = std::path::absolute(path)
            .ok()
            .and_then(|path| real_folder(&path));
        let Some(folder) = folder.filter(|_| !is_accepted) else {
            return Ok(());
        };
        let root = medium.and_then(|medium| medium.place()?.canonicalize().ok());
        let holds_vault =
            |above: &Path| root.as_deref() == Some(above) || label_of_vault(above).is_some();
        match folder.ancestors().any(holds_vault) {
            true => Err(Error::new(
                Exit::Refused,
                text!("error-envelope-beside-vault", path = path),
            )),
            false => Ok(()),
        }
    }
}

/// The folder that a new file would lie in.
fn real_folder(path: &Path) -> Option<PathBuf> {
    path.parent()?.canonicalize().ok()
}

fn code(text: Zeroizing<String>) -> Result<Code> {
    Code::new(text).ok_or_else(|| Error::failed(text!("paper-unfit")))
}

/// A hash as two eyes compare it.
fn in_groups_of_eight(hash: &str) -> String {
    let digits: Vec<char> = hash.chars().collect();
    let groups = digits
        .chunks(8)
        .map(|group| group.iter().collect::<String>());
    groups.collect::<Vec<_>>().join(" ")
}

/// A fingerprint in groups of four, as it is read aloud and compared.
fn in_groups(vault: &VaultId) -> String {
    let digits = vault.as_str().trim_start_matches("SHA256:");
    let mut groups = vec!["SHA256:"];
    let mut rest = digits;
    while let Some((group, more)) = rest.split_at_checked(4) {
        groups.push(group);
        rest = more;
    }
    groups.push(rest);
    groups.join(" ").trim_end().to_owned()
}

/// The lines that matter most without pfxvault; README.TXT on the medium has all of them.
fn by_hand(owner: Option<&PublicKey>) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(owner) = owner {
        lines.push(format!("echo owner {owner}> owner"));
    }
    lines.extend(
        [
            "ssh-keygen -Y verify -f owner -I owner -n pfxvault-trust-v1 -s X.SIG < X.TXT",
            "age -d -o id.txt IDENTITY.AGE",
            "age -d -i id.txt -o catalog.json CATALOG.AGE",
            "age -d -i id.txt -o K0000001.pfx K0000001.AGE",
        ]
        .map(str::to_owned),
    );
    lines
}
