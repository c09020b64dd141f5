//! The handling rules of the guide, as far as a place can break them: what is to be stored, and where it would lie.

use std::path::Path;

use crate::error::{Error, Exit, Result};
use crate::media::{self, Device};
use crate::text;
use crate::text::Text;
use crate::vault::catalog::Exception;

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
    pub const ALL: [Rule; 5] =
        [Rule::NoEmail, Rule::NoSharedDrive, Rule::OtherMedium, Rule::NoHandover, Rule::PasswordKept];

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
}

/// How an exception begins that is made for one key pair which has no key to back up; its name follows.
const NO_KEY: &str = "no-key:";

/// The key pair that a rule of the form `no-key:NAME` is about.
pub fn key_pair_without_key(rule: &str) -> Option<&str> {
    rule.strip_prefix(NO_KEY).filter(|name| !name.trim().is_empty())
}

/// Parses `RULE=REASON`; beside the rules there is `no-key:NAME`.
///
/// # Errors
/// An unknown rule, or no reason.
pub fn parse_exception(text: &str) -> Result<Exception> {
    let (rule, reason) = text.split_once('=').unwrap_or((text, ""));
    let known = Rule::ALL.iter().any(|known| known.id() == rule) || key_pair_without_key(rule).is_some();
    if !known {
        return Err(Error::usage(text!("error-unknown-rule", rule = rule)));
    }
    if reason.trim().is_empty() {
        return Err(Error::usage(text!("error-exception-without-reason", rule = rule)));
    }
    Ok(Exception { rule: rule.to_owned(), reason: reason.trim().to_owned() })
}

/// Refuses a place that breaks a rule, unless an exception was given for it.
///
/// # Errors
/// Exit 5: which rule, what was seen, what to do.
pub fn judge(path: &Path, stored: Stored, exceptions: &[Exception]) -> Result<()> {
    // A place nothing is known of is not refused: the write itself will say what is wrong with it.
    let Ok(facts) = media::facts(path) else { return Ok(()) };
    let Some((rule, seen)) = broken(facts.device, stored, &facts.file_system) else { return Ok(()) };
    if exceptions.iter().any(|exception| exception.rule == rule.id()) {
        return Ok(());
    }
    let place = facts.real_path.as_path();
    let refusal = match rule {
        Rule::NoSharedDrive => text!("error-rule-no-shared-drive", path = path, place = place, seen = seen),
        _ => text!("error-rule-other-medium", path = path, place = place, seen = seen),
    };
    Err(Error::new(Exit::Refused, refusal))
}

fn broken(device: Device, stored: Stored, file_system: &str) -> Option<(Rule, Text)> {
    match (device, stored) {
        (Device::Network, _) => Some((Rule::NoSharedDrive, text!("seen-network", file_system = file_system))),
        (Device::SystemDisk, Stored::Vault) => {
            Some((Rule::OtherMedium, text!("seen-system-disk", file_system = file_system)))
        }
        (Device::Memory, Stored::Vault) => Some((Rule::OtherMedium, text!("seen-memory", file_system = file_system))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_place_breaks_the_rule_it_should() {
        let rule = |device, stored| broken(device, stored, "x").map(|(rule, _)| rule);
        assert_eq!(rule(Device::Network, Stored::Vault), Some(Rule::NoSharedDrive));
        assert_eq!(rule(Device::Network, Stored::KeyPairFiles), Some(Rule::NoSharedDrive));
        assert_eq!(rule(Device::SystemDisk, Stored::Vault), Some(Rule::OtherMedium));
        assert_eq!(rule(Device::SystemDisk, Stored::KeyPairFiles), None, "a server's key pairs live on its disk");
        assert_eq!(rule(Device::Removable, Stored::Vault), None);
        assert_eq!(rule(Device::FixedDisk, Stored::Vault), None);
    }

    #[test]
    fn an_exception_needs_a_known_rule_and_a_reason() {
        let exception = parse_exception("other-medium= a test machine ").unwrap();
        assert_eq!((exception.rule.as_str(), exception.reason.as_str()), ("other-medium", "a test machine"));
        assert_eq!(parse_exception("no-key:www.example.com=kept in the TPM").unwrap().rule, "no-key:www.example.com");
        for wrong in
            ["no-key:=x", "no-key: =x", "no-key=x", "other-medium", "other-medium=", "other-medium= ", "other=x", ""]
        {
            assert_eq!(parse_exception(wrong).unwrap_err().exit, Exit::Usage, "{wrong:?}");
        }
    }
}
