//! The handling rules of the guide, as far as a place can break them: what is to be stored, and
//! where it would lie.

use std::io;
use std::path::{Path, PathBuf};

use crate::error::{Error, Exit, Result};
use crate::message::Text;
use crate::platform::media::{self, Device, Facts};
use crate::text;
use vault::catalog::Exception;

pub mod mail;

/// A handling rule. The ids are what users type and what catalogs record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// Do not send the key pair file by e-mail.
    NoEmail,
    /// Do not keep it on a shared drive.
    NoSharedDrive,
    /// Keep a backup also on a medium other than the hard disk.
    OtherMedium,
    /// Give the key pair to nobody.
    NoHandover,
    /// Never forget the password.
    PasswordKept,
}

impl Rule {
    /// All rules.
    pub const ALL: [Rule; 5] = [
        Rule::NoEmail,
        Rule::NoSharedDrive,
        Rule::OtherMedium,
        Rule::NoHandover,
        Rule::PasswordKept,
    ];

    /// The id.
    pub fn id(self) -> &'static str {
        match self {
            Rule::NoEmail => "no-email",
            Rule::NoSharedDrive => "no-shared-drive",
            Rule::OtherMedium => "other-medium",
            Rule::NoHandover => "no-handover",
            Rule::PasswordKept => "password-kept",
        }
    }
}

/// What is about to be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stored {
    /// A vault: the backup itself.
    Vault,
    /// Key pair files for a server or for a person.
    KeyPairFiles,
    /// A sealed parcel: nobody on its way can open it.
    Parcel,
}

/// How an exception begins that is made for one key pair which has no key to back up; its name
/// follows.
const NO_KEY: &str = "no-key:";

/// The key pair that a rule of the form `no-key:NAME` is about.
pub fn key_pair_without_key(rule: &str) -> Option<&str> {
    rule.strip_prefix(NO_KEY)
        .filter(|name| !name.trim().is_empty())
}

/// The rule that is set aside where a key pair has no key to back up.
pub fn rule_without_key(name: &str) -> String {
    format!("{NO_KEY}{name}")
}

/// Whether that is a rule to set aside; beside the five there is `no-key:NAME`.
pub fn is_rule(rule: &str) -> bool {
    Rule::ALL.iter().any(|known| known.id() == rule) || key_pair_without_key(rule).is_some()
}

/// That it is none.
pub fn unknown_rule(rule: &str) -> Error {
    Error::usage(text!("error-unknown-rule", rule = rule))
}

/// Parses `RULE=REASON`, or `ID=REASON` for a finding that is put to rest.
///
/// # Errors
/// What can be neither, or no reason.
pub fn parse_exception(text: &str) -> Result<Exception> {
    let (rule, reason) = text.split_once('=').unwrap_or((text, ""));
    let is_id = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '/';
    if !is_rule(rule) && (rule.is_empty() || !rule.chars().all(is_id)) {
        return Err(unknown_rule(rule));
    }
    if reason.trim().is_empty() {
        return Err(Error::usage(text!(
            "error-exception-without-reason",
            rule = rule
        )));
    }
    Ok(Exception {
        rule: rule.to_owned(),
        reason: reason.trim().to_owned(),
        by: None,
        time: None,
        until: None,
    })
}

/// A rule that a place breaks for what would be stored there.
#[derive(Debug, Clone, PartialEq)]
pub struct Breach {
    /// The rule.
    pub rule: Rule,
    /// What the place is: a part of a sentence.
    pub seen: Text,
    /// Whether it is refused; else it is only pointed out.
    pub refused: bool,
}

/// Refuses a place that breaks a rule, unless an exception was given for it. What is worth a
/// warning comes back. `served` are the folders whose files a web server hands out.
///
/// # Errors
/// Exit 5: which rule, what was seen, what to do.
pub fn judge_served(
    path: &Path,
    stored: Stored,
    served: &[PathBuf],
    exceptions: &[Exception],
) -> Result<Vec<Text>> {
    let (place, breaches) = match media::facts(path) {
        Ok(facts) => {
            let real_path = meant(path, &facts.real_path);
            let facts = Facts { real_path, ..facts };
            let breaches = breaches(&facts, stored, served);
            (facts.real_path, breaches)
        }
        // A drive that is not there: the command that wants it says so.
        Err(_) if !path.ancestors().any(Path::exists) => return Ok(Vec::new()),
        Err(reason) => (path.to_owned(), vec![unknown(stored, &reason)]),
    };
    let accepted = |breach: &Breach| {
        exceptions
            .iter()
            .any(|exception| exception.rule == breach.rule.id())
    };
    match breaches
        .iter()
        .find(|breach| breach.refused && !accepted(breach))
    {
        Some(breach) => Err(Error::new(Exit::Refused, breach.refusal(path, &place))),
        None => Ok(breaches
            .iter()
            .filter(|breach| !accepted(breach))
            .map(|breach| breach.warning(path))
            .collect()),
    }
}

/// A place of which the system does not say what it is: no vault goes there unasked, and who puts
/// key pair files there is told.
fn unknown(stored: Stored, reason: &io::Error) -> Breach {
    let is_vault = stored == Stored::Vault;
    Breach {
        rule: match is_vault {
            true => Rule::OtherMedium,
            false => Rule::NoSharedDrive,
        },
        seen: text!("seen-unknown", reason = reason),
        refused: is_vault,
    }
}

/// The name of a file that is not there yet says something, too: `offer.eml` is going to be a
/// message.
fn meant(path: &Path, real: &Path) -> PathBuf {
    match path.file_name() {
        Some(name) if !path.exists() => real.join(name),
        _ => real.to_owned(),
    }
}

/// As [`judge_served`], where no web server is known.
///
/// # Errors
/// As [`judge_served`].
pub fn judge(path: &Path, stored: Stored, exceptions: &[Exception]) -> Result<Vec<Text>> {
    judge_served(path, stored, &[], exceptions)
}

/// Every rule that the place breaks for what would be stored there, the gravest first.
pub fn breaches(facts: &Facts, stored: Stored, served: &[PathBuf]) -> Vec<Breach> {
    let sealed = stored == Stored::Parcel;
    let breach = |rule, seen, refused| Breach {
        rule,
        seen,
        refused,
    };
    let mut found = Vec::new();
    if let Some(folder) = media::within(&facts.real_path, served) {
        found.push(breach(
            Rule::NoHandover,
            text!("seen-served", folder = folder),
            true,
        ));
    }
    found.extend(reachable_by_others(facts).map(|seen| breach(Rule::NoSharedDrive, seen, !sealed)));
    if let Some(store) = mail::store_above(&facts.real_path) {
        found.push(breach(
            Rule::NoEmail,
            text!("seen-mail-store", folder = store.as_path()),
            !sealed,
        ));
    }
    if stored == Stored::Vault {
        found.extend(
            no_other_medium(facts)
                .map(|seen| breach(Rule::OtherMedium, seen, facts.device != Device::FixedDisk)),
        );
    }
    found
}

fn reachable_by_others(facts: &Facts) -> Option<Text> {
    let file_system = facts.file_system.as_str();
    if facts.device == Device::Network {
        return Some(text!("seen-network", file_system = file_system));
    }
    if let Some(synced) = &facts.synced {
        return Some(text!(
            "seen-synced",
            program = synced.by.as_str(),
            folder = synced.root.as_path()
        ));
    }
    let share = facts.shares.first()?;
    Some(text!(
        "seen-shared",
        share = share.name.as_str(),
        folder = share.folder.as_path()
    ))
}

fn no_other_medium(facts: &Facts) -> Option<Text> {
    let file_system = facts.file_system.as_str();
    match facts.device {
        Device::SystemDisk => Some(text!("seen-system-disk", file_system = file_system)),
        Device::Memory => Some(text!("seen-memory", file_system = file_system)),
        Device::FixedDisk => Some(text!("seen-fixed-disk", file_system = file_system)),
        Device::Removable | Device::Network => None,
    }
}

impl Breach {
    fn refusal(&self, path: &Path, place: &Path) -> Text {
        let seen = || self.seen.clone();
        match self.rule {
            Rule::NoSharedDrive => text!(
                "error-rule-no-shared-drive",
                path = path,
                place = place,
                seen = seen()
            ),
            Rule::NoEmail => text!(
                "error-rule-no-email",
                path = path,
                place = place,
                seen = seen()
            ),
            Rule::NoHandover => text!(
                "error-rule-no-handover",
                path = path,
                place = place,
                seen = seen()
            ),
            _ => text!(
                "error-rule-other-medium",
                path = path,
                place = place,
                seen = seen()
            ),
        }
    }

    fn warning(&self, path: &Path) -> Text {
        text!(
            "rule-warning",
            rule = self.rule.id(),
            path = path,
            seen = self.seen.clone()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::media::{Share, Synced};

    fn place(device: Device) -> Facts {
        Facts::new("/place/x".into(), "x", device)
    }

    /// Rule and whether it is refused, for a vault, key pair files and a parcel.
    fn verdicts(facts: &Facts, served: &[PathBuf]) -> [Option<(Rule, bool)>; 3] {
        [Stored::Vault, Stored::KeyPairFiles, Stored::Parcel].map(|stored| {
            breaches(facts, stored, served)
                .first()
                .map(|breach| (breach.rule, breach.refused))
        })
    }

    #[test]
    fn no_vault_goes_to_a_place_that_nothing_is_known_of() {
        let unknown = |stored| {
            let breach = unknown(stored, &io::ErrorKind::NotFound.into());
            (breach.rule, breach.refused)
        };
        assert_eq!(unknown(Stored::Vault), (Rule::OtherMedium, true));
        assert_eq!(unknown(Stored::KeyPairFiles), (Rule::NoSharedDrive, false));
    }

    #[test]
    fn each_place_breaks_the_rule_it_should() {
        let on = |device| verdicts(&place(device), &[]);
        let shared = |refused| Some((Rule::NoSharedDrive, refused));
        assert_eq!(
            on(Device::Network),
            [shared(true), shared(true), shared(false)]
        );
        assert_eq!(
            on(Device::SystemDisk),
            [Some((Rule::OtherMedium, true)), None, None],
            "a server's keys live there"
        );
        assert_eq!(
            on(Device::Memory),
            [Some((Rule::OtherMedium, true)), None, None]
        );
        assert_eq!(
            on(Device::FixedDisk),
            [Some((Rule::OtherMedium, false)), None, None]
        );
        assert_eq!(on(Device::Removable), [None, None, None]);
    }

    #[test]
    fn a_place_that_others_can_reach_is_a_shared_drive() {
        let synced = Some(Synced {
            by: "Dropbox".into(),
            root: "/place".into(),
        });
        let shares = vec![Share {
            name: "team".into(),
            folder: "/place".into(),
        }];
        for facts in [
            Facts {
                synced,
                ..place(Device::Removable)
            },
            Facts {
                shares,
                ..place(Device::Removable)
            },
        ] {
            let shared = |refused| Some((Rule::NoSharedDrive, refused));
            assert_eq!(
                verdicts(&facts, &[]),
                [shared(true), shared(true), shared(false)]
            );
        }
    }

    #[test]
    fn what_a_web_server_hands_out_is_refused_even_for_a_parcel() {
        let served = ["/other".into(), "/place".into()];
        let refused = Some((Rule::NoHandover, true));
        assert_eq!(
            verdicts(&place(Device::SystemDisk), &served),
            [refused, refused, refused]
        );
    }

    #[test]
    fn a_mail_folder_is_refused_and_a_parcel_may_pass() {
        let facts = Facts::new("/home/a/Maildir/new".into(), "ext4", Device::Removable);
        let mail = |refused| Some((Rule::NoEmail, refused));
        assert_eq!(verdicts(&facts, &[]), [mail(true), mail(true), mail(false)]);
    }

    #[test]
    fn a_refusal_needs_an_exception_for_its_own_rule() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join(".stfolder")).unwrap();
        let refused = |exceptions: &[&str]| {
            let exceptions: Vec<_> = exceptions
                .iter()
                .map(|text| parse_exception(text).unwrap())
                .collect();
            judge(folder.path(), Stored::KeyPairFiles, &exceptions)
                .err()
                .map(|error| (error.exit, error.text.id))
        };
        assert_eq!(
            refused(&[]),
            Some((Exit::Refused, "error-rule-no-shared-drive"))
        );
        assert_eq!(
            refused(&["other-medium=x"]),
            Some((Exit::Refused, "error-rule-no-shared-drive"))
        );
        assert_eq!(refused(&["no-shared-drive=a test"]), None);
    }

    #[test]
    fn an_exception_needs_a_known_rule_and_a_reason() {
        let exception = parse_exception("other-medium= a test machine ").unwrap();
        assert_eq!(
            (exception.rule.as_str(), exception.reason.as_str()),
            ("other-medium", "a test machine")
        );
        assert_eq!(
            parse_exception("no-key:www.example.com=kept in the TPM")
                .unwrap()
                .rule,
            "no-key:www.example.com"
        );
        for wrong in [
            "no-key:=x",
            "no-key: =x",
            "other-medium",
            "other-medium=",
            "other-medium= ",
            "Other Medium=x",
            "",
        ] {
            assert_eq!(
                parse_exception(wrong).unwrap_err().exit,
                Exit::Usage,
                "{wrong:?}"
            );
        }
        // They may be ids of findings, and are no rules.
        for id in ["no-key=x", "few-media/3f2a9c41=x"] {
            assert!(!is_rule(&parse_exception(id).unwrap().rule), "{id}");
        }
    }
}
