//! Why something at a source cannot be used, for people; and what a catalog keeps of that.

use crate::keypair;
use crate::message::Text;
use crate::text;

/// Why a PFX does not open.
pub fn pfx_reason(error: &pfx::Error) -> Text {
    match error {
        pfx::Error::WrongPassword => text!("reason-wrong-password"),
        pfx::Error::TooMuchWork { .. } => text!("reason-too-much-work"),
        pfx::Error::Unsupported { algorithm } => {
            text!("reason-unsupported", algorithm = algorithm.as_str())
        }
        pfx::Error::Malformed(_) => text!("reason-malformed"),
        pfx::Error::NoRandomness => text!("error-no-random"),
        pfx::Error::NotReadBack(_) => text!("reason-not-read-back"),
    }
}

/// Why a key pair cannot be used.
pub fn key_pair_reason(error: &keypair::KeyPairError) -> Text {
    match error {
        keypair::KeyPairError::UnsupportedKey { algorithm } => {
            text!("reason-key-unsupported", algorithm = algorithm.as_str())
        }
        keypair::KeyPairError::LockedKey => text!("reason-key-locked"),
        keypair::KeyPairError::UnreadableCertificate { number, count } => {
            text!(
                "reason-certificate-unreadable",
                number = *number,
                count = *count
            )
        }
        keypair::KeyPairError::KeyDamaged => text!("reason-key-damaged"),
        keypair::KeyPairError::MalformedKey => text!("reason-key-malformed"),
        keypair::KeyPairError::MalformedCertificate => text!("reason-certificate-malformed"),
    }
}

/// Why a key pair was not saved: a catalog has the id of the sentence that was shown then. Where the
/// sentence had values, which no catalog has, or is none of today's, no more is said than that.
pub fn reason_of_catalog(id: &str) -> Text {
    let reason = match id {
        "reason-wrong-password" => text!("reason-wrong-password"),
        "reason-no-password" => text!("reason-no-password"),
        "reason-part-damaged" => text!("reason-part-damaged"),
        "reason-malformed" => text!("reason-malformed"),
        "reason-too-much-work" => text!("reason-too-much-work"),
        "reason-key-damaged" => text!("reason-key-damaged"),
        "reason-key-malformed" => text!("reason-key-malformed"),
        "reason-key-locked" => text!("reason-key-locked"),
        "reason-pvk-encrypted" => text!("reason-pvk-encrypted"),
        "key-unknown" => text!("key-unknown"),
        "key-no-link" => text!("key-no-link"),
        "key-user-profile" => text!("key-user-profile"),
        "key-missing" => text!("key-missing"),
        "key-other" => text!("key-other"),
        "no-export-marked" => text!("no-export-marked"),
        "no-export-tpm" => text!("no-export-tpm"),
        "no-export-smart-card" => text!("no-export-smart-card"),
        "no-export-hsm" => text!("no-export-hsm"),
        "no-export-isolated" => text!("no-export-isolated"),
        "no-export-unknown-form" => text!("no-export-unknown-form"),
        _ => return text!("reason-without-key"),
    };
    text!("reason-without-key-then", reason = reason)
}
