//! `demo`: the whole story on throw-away servers and media in a temporary folder, with the real
//! code all the way. It stops at the first thing that does not go as told.

use std::env::temp_dir;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde::Serialize;

use crate::error::{Error, Exit, Result, no_random};
use crate::input::read_input;
use crate::keypair::KeyPair;
use crate::keypair::throwaway::{Authority, KeyKind};
use crate::keystore::{self, Destination, Inventory, NamedKeyPair, Source, Writing};
use crate::message::Text;
use crate::platform::media::FolderVolume;
use crate::session::Session;
use crate::state::State;
use crate::text;
use crate::workflow::backup::{self, BackupRequest};
use crate::workflow::create::create_vault;
use crate::workflow::drill;
use crate::workflow::server_backup;
use crate::workflow::unlock::{self, UnlockedVault, Wanted};
use crate::workflow::verify::{self, CheckReport};
use pfx::Profile;
use secret::{Passphrase, Password, words};
use vault::generation::{Draft, LinePosition};
use vault::identity::{RecoveryKey, Secret};
use vault::medium::Medium;
use vault::seal::Recipients;
use vault::sign::SigningKey;

/// Names and kinds of the key pairs, as a small server might have them.
const KEY_PAIRS: [(&[&str], KeyKind); 5] = [
    (&["www.example.com", "example.com"], KeyKind::Rsa),
    (&["shop.example.com"], KeyKind::Rsa),
    (&["*.example.net"], KeyKind::P256),
    (&["mail.example.org"], KeyKind::P384),
    (&["intranet.example"], KeyKind::Ed25519),
];

/// How long the story took.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct DemoReport {
    seconds: u64,
}

/// Runs the command.
pub(super) fn run(session: &Session<'_>) -> Result<Exit> {
    let started = Instant::now();
    let folder = tempfile::tempdir().map_err(|e| unusable(&temp_dir(), &e))?;
    let stage = DemoStage {
        session,
        folder: folder.path().to_owned(),
        pfx_password: words::password().map_err(|_| no_random())?,
    };
    stage.tell(&text!("demo-intro", place = folder.path()));
    stage.play()?;
    drop(stage);
    folder.close().map_err(|e| unusable(&temp_dir(), &e))?;
    session.console.say(&text!("demo-clean"));
    session.console.say(&text!(
        "demo-done",
        seconds = started.elapsed().as_secs().max(1)
    ));
    session.console.say(&text!("demo-for-real"));
    let seconds = started.elapsed().as_secs();
    session
        .console
        .document(Exit::Done, &DemoReport { seconds });
    Ok(Exit::Done)
}

/// Where the story plays.
struct DemoStage<'r> {
    session: &'r Session<'r>,
    folder: PathBuf,
    /// Of the PFX files on both servers.
    pfx_password: Password,
}

impl DemoStage<'_> {
    /// The story, top to bottom.
    fn play(&self) -> Result<()> {
        let old_server = self.lay_out_server()?;
        let media = [self.medium("stick-a")?, self.medium("stick-b")?];
        let recovery = RecoveryKey::generate();
        let mut state = self.create_vault(&media, &recovery)?;
        self.back_up(&mut state, &media, &old_server)?;
        self.damage_is_found(&state, &media)?;
        self.forgery_is_refused(&state, &media)?;
        drop(state);
        let opened = self.open_with_recovery_key(&media, recovery)?;
        self.restore(&opened)
    }

    fn lay_out_server(&self) -> Result<Inventory> {
        let authority = Authority::new("Demo", self.session.now).map_err(|_| broken("demo-ca"))?;
        let issue =
            |(names, kind): (&[&str], KeyKind)| authority.issue(names, kind, self.session.now);
        let pairs = KEY_PAIRS
            .map(issue)
            .into_iter()
            .collect::<Result<Vec<_>, _>>()
            .map_err(|_| broken("demo-ca"))?;
        self.tell(&text!("demo-ca", count = pairs.len()));
        let folder = self.folder.join("old-server");
        self.write(&folder, &pairs)?;
        self.tell(&text!(
            "demo-server",
            folder = folder.as_path(),
            count = pairs.len()
        ));
        self.read(&folder)
    }

    fn medium(&self, name: &str) -> Result<Medium> {
        let path = self.folder.join(name);
        fs::create_dir(&path).map_err(|e| unusable(&path, &e))?;
        Ok(Medium::new(
            path.display().to_string(),
            Box::new(FolderVolume::new(&path)),
        ))
    }

    fn create_vault(&self, media: &[Medium], recovery: &RecoveryKey) -> Result<State> {
        let passphrase = words::passphrase().map_err(|_| no_random())?;
        self.tell(&text!("demo-create", medium = media[0].name.as_str()));
        let folder = self.folder.join("state");
        let mut state = create_vault(
            &folder,
            &media[0],
            &passphrase,
            recovery,
            "OLDSERVER",
            "A",
            self.session.now,
        )?;
        self.tell(&text!("demo-passphrase"));
        self.tell(&text!("demo-second-medium"));
        backup::add_medium(&mut state, &media[1], "B", self.session.now)?;
        Ok(state)
    }

    fn back_up(&self, state: &mut State, media: &[Medium], server: &Inventory) -> Result<()> {
        let request = BackupRequest {
            holdings: server,
            selected: &[],
            profile: Profile::Aes256,
            exceptions: &[],
            password: None,
            force: false,
            now: self.session.now,
        };
        let outcome = backup::run(state, media, &request, &|_| ())?;
        let number = outcome.number.ok_or_else(|| broken("demo-backup"))?;
        self.tell(&text!(
            "demo-backup",
            saved = server.key_pairs.len(),
            number = number.get(),
            count = media.len()
        ));
        Ok(())
    }

    /// One byte changes on the first stick; the check says where, and where a good copy lies.
    fn damage_is_found(&self, state: &State, media: &[Medium]) -> Result<()> {
        let path = format!("PFXVAULT/A/{}/00000001/K0000002.AGE", state.server());
        flip_a_byte(&self.folder.join("stick-a").join(&path)).map_err(|_| broken("demo-damage"))?;
        self.tell(&text!("demo-damage", path = path));
        let report = verify::run(media, Some(state), None, self.session.now)?;
        self.tell_findings(&report, "copy-bad", Exit::Attention)
    }

    /// A stranger knows everything that lies on the stick in the clear, but not the server's key.
    fn forgery_is_refused(&self, state: &State, media: &[Medium]) -> Result<()> {
        self.tell(&text!("demo-forged"));
        forge(state, &media[1], self.session.now)?;
        let report = verify::run(media, Some(state), None, self.session.now)?;
        self.tell_findings(&report, "foreign", Exit::Forged)
    }

    fn open_with_recovery_key<'m>(
        &self,
        media: &'m [Medium],
        recovery: RecoveryKey,
    ) -> Result<UnlockedVault<'m>> {
        self.tell(&text!("demo-forgotten"));
        let guess = Secret::Passphrase(Passphrase::new("what was it again".to_owned()));
        let watch = |_| Ok(true);
        match unlock::unlock(media, &guess, None, None, self.session.now, &watch) {
            Err(error) if error.exit == Exit::WrongSecret => {}
            _ => return Err(broken("demo-forgotten")),
        }
        let opened = unlock::unlock(
            media,
            &Secret::RecoveryKey(recovery),
            None,
            None,
            self.session.now,
            &watch,
        )?;
        self.tell(&text!(
            "demo-recovery",
            count = opened.survey.claimed_servers().len()
        ));
        Ok(opened)
    }

    fn restore(&self, opened: &UnlockedVault<'_>) -> Result<()> {
        let pairs = key_pairs_that_count(opened)?;
        let folder = self.folder.join("new-server");
        self.write(&folder, &pairs)?;
        self.tell(&text!(
            "demo-restore",
            count = pairs.len(),
            folder = folder.as_path()
        ));
        for held in &self.read(&folder)?.key_pairs {
            let Ok(drill::Proven::Handshake { version }) = drill::prove(&held.pair) else {
                return Err(broken("demo-handshake"));
            };
            self.tell(&text!(
                "demo-handshake",
                name = held.leaf().display_name(),
                version = version
            ));
        }
        Ok(())
    }

    fn write(&self, folder: &Path, pairs: &[KeyPair]) -> Result<()> {
        let writing = Writing {
            password: Some(&self.pfx_password),
            profile: Profile::Aes256,
            force: false,
        };
        let mut named = Vec::new();
        for pair in pairs {
            named.push(NamedKeyPair {
                pair,
                file_names: &[],
                file_parts: None,
            });
        }
        Destination::Folder(folder.to_owned()).write(&named, &writing)?;
        Ok(())
    }

    fn read(&self, folder: &Path) -> Result<Inventory> {
        let holdings = keystore::read(
            &Source::Folder(folder.to_owned()),
            &self.pfx_password,
            self.session.now,
        )?;
        match holdings.key_pairs.len() {
            count if count == KEY_PAIRS.len() => Ok(holdings),
            _ => Err(broken("demo-server")),
        }
    }

    /// Says what a check found about `id`, and makes sure that it ended as the story tells.
    fn tell_findings(&self, report: &CheckReport, id: &str, exit: Exit) -> Result<()> {
        let found = report.findings.iter().filter(|finding| finding.id == id);
        let found: Vec<_> = found.collect();
        if found.is_empty() || report.exit() != exit {
            return Err(broken("demo-verify"));
        }
        for finding in found {
            self.tell(&finding.text);
        }
        Ok(())
    }

    fn tell(&self, text: &Text) {
        self.session.console.say(text);
    }
}

fn flip_a_byte(path: &Path) -> std::io::Result<()> {
    let mut bytes = read_input(path)?.to_vec();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(path, bytes)
}

/// A generation above the newest, sealed to the right people, in the right place, signed by the
/// wrong key.
fn forge(state: &State, medium: &Medium, now: jiff::Timestamp) -> Result<()> {
    let stranger = SigningKey::generate().map_err(|_| no_random())?;
    let recipients =
        Recipients::parse(state.trust.recipients()).ok_or_else(|| broken("demo-forged"))?;
    let newest = state.newest();
    let mut draft = Draft::new(LinePosition {
        vault: state.vault().clone(),
        server: state.server(),
        number: newest
            .and_then(|newest| newest.number.next())
            .ok_or_else(|| broken("demo-forged"))?,
        prev: newest,
        time: now,
        due: vault::lines::day_of(now),
        trust: state.trust.statements.keys().copied().collect(),
    });
    draft.add(recipients.seal(b"a key pair of the stranger's own")?);
    let package = draft
        .sign(recipients.seal(b"{}")?, &stranger)
        .map_err(|_| broken("demo-forged"))?;
    package.write(medium, 0, || Ok::<(), Error>(()))
}

/// Every key pair that counts.
fn key_pairs_that_count(opened: &UnlockedVault<'_>) -> Result<Vec<KeyPair>> {
    let servers = opened.survey.servers();
    let server = servers.first().ok_or_else(|| broken("demo-restore"))?;
    let backup = server_backup::of(opened, *server, &Wanted::Newest)?;
    let mut pairs = Vec::new();
    for held in &backup.key_pairs {
        let pair = opened.key_pair(held.generation, &held.entry);
        pairs.push(pair.map_err(|_| broken("demo-restore"))?);
    }
    Ok(pairs)
}

fn unusable(folder: &Path, reason: &std::io::Error) -> Error {
    Error::failed(text!("error-demo-folder", folder = folder, reason = reason))
}

/// The story did not go as told: a fault of pfxvault itself.
fn broken(step: &'static str) -> Error {
    Error::failed(text!("error-demo", step = step))
}
