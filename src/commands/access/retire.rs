//! `access retire`: the owner ends for good what a second person's key may decrypt.

use crate::cli::AccessRetireArgs;
use crate::error::{Error, Exit, Result};
use crate::session::Session;
use crate::session::retire::{EndedRight, RetirementReport, end, to_re_issue};
use crate::text;
use crate::workflow::unlock::UnlockedVault;
use vault::id::Hash;
use vault::trust::Clause;

/// Shortest beginning of a key that may stand for it, after `age1`.
const BEGINNING: usize = 8;

/// Ends what a second person's key may decrypt: nothing that is made from now on.
pub(super) fn run(session: &Session<'_>, args: &AccessRetireArgs) -> Result<Exit> {
    let media = session.vault_media_to_write(&args.to)?;
    let known = session.memory();
    let opened = session.open(&media, &known)?;
    opened.refuse_foreign()?;
    let age = meant(&opened, &args.id)?;
    session
        .console
        .say(&text!("retire-access-plan", key = age.as_str()));
    let trust = &opened.survey.trust;
    let could_read =
        opened.key_pairs_in(&|generation| trust.served(&age, &generation.record.trust));
    let key_pairs = to_re_issue(session, could_read);
    let word = (!args.dry_run).then(|| Clause::Retire(age.clone()));
    let report = RetirementReport {
        dry_run: args.dry_run,
        vault: opened.vault().to_string(),
        right: EndedRight::Key { retired: age },
        re_issue: key_pairs,
        missing: None,
    };
    end(session, &opened, word, args.yes, report)
}

/// The age public key that an id, or its beginning, means.
fn meant(opened: &UnlockedVault<'_>, id: &str) -> Result<String> {
    let trust = &opened.survey.trust;
    let way_in = |hash: &Hash| id.len() >= 4 && hash.to_string().starts_with(id);
    if trust.identities.iter().any(way_in) || matches!(id, "passphrase" | "recovery-key") {
        return Err(Error::failed(text!("error-retire-way-in")));
    }
    if trust.retired().any(|age| age == id) {
        return Err(Error::failed(text!("error-already-retired", name = id)));
    }
    let long = id.starts_with("age1") && id.len() >= "age1".len() + BEGINNING;
    let mut found = trust.recipients().filter(|age| long && age.starts_with(id));
    match (found.next(), found.next()) {
        (Some(age), None) if age == opened.owner.recipient() => {
            Err(Error::failed(text!("error-retire-own-key")))
        }
        (Some(age), None) => Ok(age.to_owned()),
        _ => Err(Error::usage(text!("error-unknown-access", id = id))),
    }
}
