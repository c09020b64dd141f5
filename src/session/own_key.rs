//! A person's own key as a way in: age's, one for SSH, or one that an age plugin of this machine holds.
//! What it opens gives no pin, because others may know its public half.

use std::path::Path;

use crate::error::{Error, Exit, Result};
use crate::platform::private_files;
use crate::session::Session;
use crate::session::plugin;
use crate::text;
use vault::identity::{RecoveryKey, Secret};
use vault::medium::Medium;
use vault::ssh::{self, Unfit};

/// What an unencrypted copy of an SSH key is made with.
const DECRYPT: &str = r#"ssh-keygen -p -N "" -f"#;
/// The one kind of key for SSH that is taken.
const TAKEN: &str = "ssh-ed25519";
/// What a plugin's key begins with.
const PLUGIN_KEY: &str = "AGE-PLUGIN-";

/// Somebody's public key.
pub struct OwnRecipient {
    /// `age-key`, `ssh-key` or `plugin`.
    pub kind: &'static str,
    /// What is sealed to it.
    pub recipient: Box<dyn age::Recipient>,
}

impl Session<'_> {
    /// The public key that an identity is to be wrapped to.
    ///
    /// # Errors
    /// What is none, or of a kind that is not taken; a plugin that this machine does not have.
    pub fn own_recipient(&self, text: &str, media: &[Medium]) -> Result<OwnRecipient> {
        let own = |kind, recipient| Ok(OwnRecipient { kind, recipient });
        if let Ok(recipient) = text.parse::<age::x25519::Recipient>()
            && recipient.to_string() == text
        {
            return own("age-key", Box::new(recipient));
        }
        if let Ok(recipient) = text.parse::<age::plugin::Recipient>()
            && !is_of_age(recipient.plugin())
        {
            return own("plugin", plugin::recipient(self, &recipient, media)?);
        }
        if text.starts_with("ssh-") || text.starts_with("ecdsa-") || text.starts_with("sk-") {
            let recipient = ssh::Recipient::parse(text).map_err(|unfit| unfit_ssh(unfit, text))?;
            return own("ssh-key", Box::new(recipient));
        }
        Err(Error::usage(text!("error-unknown-way", way = text)))
    }

    /// The key in a file, and what it is.
    ///
    /// # Errors
    /// What is none, or of a kind that is not taken; a plugin that this machine does not have.
    pub fn own_key(&self, path: &Path, media: &[Medium]) -> Result<(Secret, &'static str)> {
        let bytes = private_files::read_secret_bytes(path)?;
        let text = private_files::text_of(path, &bytes)?;
        if ssh::Identity::is_pem(&text) {
            let name = path.display().to_string();
            let identity = ssh::Identity::parse(&text).map_err(|unfit| unfit_ssh(unfit, &name))?;
            return Ok((Secret::Key(Box::new(identity)), "ssh-key"));
        }
        let line = private_files::key_line(path, &bytes)?;
        if line.starts_with(PLUGIN_KEY)
            && let Ok(identity) = line.parse::<age::plugin::Identity>()
        {
            let identity = plugin::identity(self, &identity, media)?;
            return Ok((Secret::Key(identity), "plugin"));
        }
        let no_key = || Error::usage(text!("error-no-age-key", path = path));
        let key = RecoveryKey::parse(&line).ok_or_else(no_key)?;
        Ok((Secret::RecoveryKey(key), "age-key"))
    }
}

/// Recipients of age itself that are none of X25519 are not taken, and are no plugin's.
fn is_of_age(plugin: &str) -> bool {
    matches!(plugin, "pq" | "tag" | "tagpq")
}

fn unfit_ssh(unfit: Unfit, what: &str) -> Error {
    match unfit {
        Unfit::Algorithm(name) if name.contains("rsa") => Error::usage(text!(
            "error-ssh-rsa",
            name = name,
            taken = TAKEN,
            make = format!("ssh-keygen -t {}", TAKEN.trim_start_matches("ssh-"))
        )),
        Unfit::Algorithm(name) => Error::usage(text!(
            "error-ssh-algorithm",
            name = name,
            taken = TAKEN,
            make = format!("ssh-keygen -t {}", TAKEN.trim_start_matches("ssh-"))
        )),
        Unfit::Encrypted => Error::new(
            Exit::Usage,
            text!("error-ssh-encrypted", path = what, line = DECRYPT),
        ),
        Unfit::Unreadable => Error::usage(text!("error-ssh-unread", what = what)),
    }
}
