//! What the owner's files on a medium are worth. Each lies in both halves, like a generation; of
//! those that do not, it is said what is missing or damaged, and where a good copy is.

use std::collections::BTreeSet;

use super::id::Hash;
use super::medium::{HALVES, IdentityFile, StatementFiles, Walk};
use super::survey::{Location, Survey};
use super::trust::Statement;

/// Something that is wrong with a statement or an identity file of the owner's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OwnerFault {
    /// It stands in one half; the other one lacks this path.
    OneCopy(String),
    /// What stands at this path is damaged or cut short; a good copy is there, or only remembered.
    Damaged(String, Option<Location>),
    /// A statement that generations on this medium name is in neither half.
    StatementMissing,
    /// So many identity files that statements on this medium list are in neither half.
    IdentitiesMissing(usize),
}

/// What is wrong with the owner's files on one medium. A parcel has one half only and is never
/// asked.
pub fn faults(survey: &Survey<'_>, medium: usize) -> Vec<OwnerFault> {
    if survey.medium(medium).is_parcel {
        return Vec::new();
    }
    let statements = expected(survey, medium)
        .into_iter()
        .filter_map(|hash| survey.trust.statements.get(&hash));
    let mut faults: Vec<OwnerFault> = statements
        .flat_map(|statement| statement_faults(survey, medium, statement))
        .collect();
    faults.extend(identity_faults(survey, medium));
    faults
}

/// Identity files that no statement lists and that are not what is left of one that is listed.
pub fn unknown_identities(survey: &Survey<'_>) -> Vec<Location> {
    let mut unknown = Vec::new();
    for (medium, walk) in survey.walks.iter().enumerate() {
        let is_listed = |hash| survey.trust.identities.contains(&hash);
        let listed: Vec<&IdentityFile> = walk
            .identities
            .iter()
            .filter(|file| is_listed(Hash::of(&file.bytes)))
            .collect();
        for file in walk
            .identities
            .iter()
            .filter(|file| !is_listed(Hash::of(&file.bytes)))
        {
            let is_left_of = |good: &&IdentityFile| {
                let remains = walk.remains_of_identity(&good.bytes, file.half, &is_listed);
                remains.is_some_and(|remains| remains.path == file.path)
            };
            if !listed.iter().any(is_left_of) {
                unknown.push(Location {
                    medium,
                    path: file.path.clone(),
                });
            }
        }
    }
    unknown
}

/// Statements that a medium should hold: those that it holds, and those that generations on it
/// name.
fn expected(survey: &Survey<'_>, medium: usize) -> BTreeSet<Hash> {
    let held = survey.walks[medium]
        .statements
        .iter()
        .map(|pair| pair.statement.hash());
    let named = survey
        .generations_on(medium)
        .flat_map(|generation| generation.record.trust.iter().copied());
    held.chain(named).collect()
}

fn statement_faults(survey: &Survey<'_>, medium: usize, statement: &Statement) -> Vec<OwnerFault> {
    let walk = &survey.walks[medium];
    let here: Vec<&StatementFiles> = walk
        .statements
        .iter()
        .filter(|pair| pair.statement == *statement)
        .collect();
    let lacking = (0..HALVES.len()).filter(|half| !here.iter().any(|pair| pair.half == *half));
    let good = || {
        here.first().map(|pair| Location {
            medium,
            path: pair.text.clone(),
        })
    };
    let mut faults = Vec::new();
    for half in lacking {
        match (walk.remains_of(statement, half), here.first()) {
            (Some(remains), _) => {
                let text_is_good = remains.statement.text == statement.text;
                let path = if text_is_good {
                    &remains.signature
                } else {
                    &remains.text
                };
                faults.push(OwnerFault::Damaged(
                    path.clone(),
                    good().or_else(|| elsewhere(survey, statement)),
                ));
            }
            (None, Some(twin)) => faults.push(OwnerFault::OneCopy(in_half(&twin.text, half))),
            (None, None) => {}
        }
    }
    if here.is_empty() && faults.is_empty() {
        faults.push(OwnerFault::StatementMissing);
    }
    faults
}

fn identity_faults(survey: &Survey<'_>, medium: usize) -> Vec<OwnerFault> {
    let walk = &survey.walks[medium];
    let (mut faults, mut missing) = (Vec::new(), 0);
    for hash in &survey.trust.identities {
        let here: Vec<&IdentityFile> = walk
            .identities
            .iter()
            .filter(|file| Hash::of(&file.bytes) == *hash)
            .collect();
        let Some(twin) = here.first() else {
            missing += usize::from(is_listed_on(survey, walk, *hash));
            continue;
        };
        for half in (0..HALVES.len()).filter(|half| !here.iter().any(|file| file.half == *half)) {
            let is_listed = |hash| survey.trust.identities.contains(&hash);
            faults.push(
                match walk.remains_of_identity(&twin.bytes, half, &is_listed) {
                    Some(remains) => OwnerFault::Damaged(
                        remains.path.clone(),
                        Some(Location {
                            medium,
                            path: twin.path.clone(),
                        }),
                    ),
                    None => OwnerFault::OneCopy(in_half(&twin.path, half)),
                },
            );
        }
    }
    if missing > 0 {
        faults.push(OwnerFault::IdentitiesMissing(missing));
    }
    faults
}

/// Whether a statement of the owner's on this medium lists an identity file. What other media or
/// host state list may be news that this one has not seen.
fn is_listed_on(survey: &Survey<'_>, walk: &Walk, identity: Hash) -> bool {
    survey
        .taken_of(walk)
        .any(|pair| pair.statement.lists(identity))
}

fn elsewhere(survey: &Survey<'_>, statement: &Statement) -> Option<Location> {
    survey.walks.iter().enumerate().find_map(|(medium, walk)| {
        let pair = walk
            .statements
            .iter()
            .find(|pair| pair.statement == *statement)?;
        Some(Location {
            medium,
            path: pair.text.clone(),
        })
    })
}

/// The path of a file's twin.
fn in_half(path: &str, half: usize) -> String {
    let mut parts: Vec<&str> = path.split('/').collect();
    if let Some(part) = parts.get_mut(1) {
        *part = HALVES[half];
    }
    parts.join("/")
}
