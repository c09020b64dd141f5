//! A restore whose process dies at a call: nothing of it may be left once the journal was taken
//! back.

use std::cell::Cell;
use std::path::Path;
use std::process::Command;

use pfxvault::change::{Journal, Options, apply, plan, rollback};
use pfxvault::iis::{
    CertStores, Elsewhere, ExportedKey, Iis, KeyFacts, KeyLink, Keys, NewKey, NoExport, PfxFile,
    Properties, Signature, StoreName, StoredCertificate, WindowsError, look_at_all,
};
use pfxvault::platform::windows::LocalMachine;
use secret::SecretBytes;
use vault::id::Hash;

use super::fixtures::{Pair, PairKind};
use super::{inventory, one_at_a_time, running};

/// What the dying process looks for in its environment: the call, before or after it, and the
/// folder with the rest.
const DIE_AT: &str = "PFXVAULT_TEST_DIE_AT";
const FOLDER: &str = "PFXVAULT_TEST_FOLDER";
/// How it ends, unlike a test that fails.
const DIED: i32 = 77;

#[test]
fn a_process_that_dies_at_any_call_leaves_nothing_behind() {
    let _machine = one_at_a_time();
    let before = inventory();
    let pair = Pair::new(PairKind::Rsa(2048));
    let mut deaths = 0;
    for call in 0.. {
        let state = tempfile::tempdir().unwrap();
        write(&pair, state.path());
        let outcomes = ["before", "after"].map(|moment| {
            let died = die(state.path(), &format!("{moment} {call}"));
            let mut journal = Journal::open(&state.path().join("state")).unwrap();
            assert!(
                rollback::finish(LocalMachine.iis(), &mut journal)
                    .unwrap()
                    .is_empty()
            );
            if !died {
                pfxvault::change::undo(LocalMachine.iis(), &mut journal).unwrap();
            }
            assert_eq!(inventory(), before, "{moment} call {call}");
            died
        });
        deaths += outcomes.iter().filter(|died| **died).count();
        if outcomes == [false, false] {
            break;
        }
    }
    // Four journaled changes, and the looks at what they did.
    assert!(deaths >= 10, "{deaths}");
}

fn write(pair: &Pair, folder: &Path) {
    std::fs::write(folder.join("leaf"), &pair.der).unwrap();
    std::fs::write(folder.join("intermediate"), &pair.intermediate).unwrap();
    std::fs::write(folder.join("key"), pair.pkcs8.expose()).unwrap();
}

/// Runs the restore in a process of its own; whether it died.
fn die(folder: &Path, at: &str) -> bool {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "keys::dying::the_process_that_dies", "--ignored"]);
    let output = child.env(DIE_AT, at).env(FOLDER, folder).output().unwrap();
    match output.status.code() {
        Some(0) => false,
        Some(DIED) => true,
        other => panic!("{other:?}: {}", String::from_utf8_lossy(&output.stdout)),
    }
}

#[test]
#[ignore = "run by another test, in a process of its own"]
fn the_process_that_dies() {
    let folder = std::path::PathBuf::from(std::env::var_os(FOLDER).unwrap());
    let at = std::env::var(DIE_AT).unwrap();
    let read = |name: &str| std::fs::read(folder.join(name)).unwrap();
    let pair = Pair {
        der: read("leaf"),
        intermediate: read("intermediate"),
        pkcs8: SecretBytes::new(read("key")),
    };
    let here = look_at_all(LocalMachine.iis()).unwrap();
    let incoming = [pair.incoming()];
    let plan = plan(&here, &incoming, &Options::default());
    let (moment, call) = at.split_once(' ').unwrap();
    let mortal = Mortal {
        call: call.parse().unwrap(),
        before: moment == "before",
        calls: Cell::new(0),
    };
    let mut journal = Journal::open(&folder.join("state")).unwrap();
    let iis = Iis {
        stores: &mortal,
        keys: &mortal,
        http: &LocalMachine,
        sites: &LocalMachine,
    };
    apply(iis, &plan, &mut journal, &running(&|| false)).unwrap();
}

/// The real machine, until the call comes.
struct Mortal {
    call: usize,
    before: bool,
    calls: Cell<usize>,
}

impl Mortal {
    fn pass<T>(&self, call: impl FnOnce(&LocalMachine) -> T) -> T {
        let now = self.calls.replace(self.calls.get() + 1) == self.call;
        if now && self.before {
            std::process::exit(DIED);
        }
        let result = call(&LocalMachine);
        if now {
            std::process::exit(DIED);
        }
        result
    }
}

impl CertStores for Mortal {
    fn certificates(&self, store: StoreName) -> Result<Vec<StoredCertificate>, WindowsError> {
        self.pass(|machine| machine.certificates(store))
    }

    fn elsewhere(&self) -> Result<Vec<Elsewhere>, WindowsError> {
        self.pass(|machine| machine.elsewhere())
    }

    fn add(&self, store: StoreName, certificate: &StoredCertificate) -> Result<(), WindowsError> {
        self.pass(|machine| machine.add(store, certificate))
    }

    fn change(
        &self,
        store: StoreName,
        certificate: &Hash,
        properties: &Properties,
    ) -> Result<(), WindowsError> {
        self.pass(|machine| machine.change(store, certificate, properties))
    }

    fn remove(&self, store: StoreName, certificate: &Hash) -> Result<bool, WindowsError> {
        self.pass(|machine| machine.remove(store, certificate))
    }
}

impl Keys for Mortal {
    fn elevated(&self) -> bool {
        LocalMachine.elevated()
    }

    fn inspect(&self, key: &KeyLink) -> Result<KeyFacts, WindowsError> {
        self.pass(|machine| machine.inspect(key))
    }

    fn export(&self, key: &KeyLink) -> Result<ExportedKey, NoExport> {
        self.pass(|machine| machine.export(key))
    }

    fn create(&self, key: &KeyLink, new: &NewKey<'_>) -> Result<(), WindowsError> {
        self.pass(|machine| machine.create(key, new))
    }

    fn delete(&self, key: &KeyLink) -> Result<bool, WindowsError> {
        self.pass(|machine| machine.delete(key))
    }

    fn sign(&self, key: &KeyLink, challenge: &[u8]) -> Result<Signature, WindowsError> {
        self.pass(|machine| machine.sign(key, challenge))
    }

    fn sign_from_pfx(
        &self,
        pfx: &PfxFile<'_>,
        challenge: &[u8],
    ) -> Result<Signature, WindowsError> {
        self.pass(|machine| machine.sign_from_pfx(pfx, challenge))
    }

    fn containers(&self) -> Result<Vec<KeyLink>, WindowsError> {
        self.pass(|machine| machine.containers())
    }
}
