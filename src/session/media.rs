//! Which media are meant, and whether they may be read and written.

use std::path::{Path, PathBuf};

use crate::error::{Error, Exit, Result};
use crate::platform::media::{FolderVolume, descriptor_of};
use crate::rules::{self, Stored};
use crate::session::{Session, here};
use crate::state::State;
use crate::text;
use crate::workflow::{history, parcel_file};
use vault::medium::{MEDIUM, Medium, ROOT};

impl Session<'_> {
    /// A medium or a parcel by what the user calls it, for reading.
    pub fn medium(&self, name: &str) -> Result<Medium> {
        if let Some(file) = parcel_path(name) {
            return Ok(Medium::of_parcel(name, parcel_file::open(&file)?));
        }
        let path = place_of(name)?;
        if !path.is_dir() {
            return Err(Error::new(
                Exit::NoStick,
                text!("error-no-such-medium", medium = name),
            ));
        }
        Ok(Medium::new(name, Box::new(FolderVolume::new(&path))))
    }

    /// A medium to write a vault to; the rules are asked first. It may hold one that was only begun.
    pub fn medium_to_write(&self, name: &str) -> Result<Medium> {
        let medium = self.medium(name)?;
        if medium.is_parcel {
            return Err(Error::usage(text!("error-parcel-no-medium", medium = name)));
        }
        self.judge(&place_of(name)?, Stored::Vault)?;
        Ok(medium)
    }

    /// One that must hold a vault, or none at all.
    pub fn medium_of_vault_to_write(&self, name: &str) -> Result<Medium> {
        let medium = self.medium_to_write(name)?;
        refuse_begun(&medium)?;
        Ok(medium)
    }

    /// Refuses a place that breaks a handling rule, and points out what is only risky.
    pub fn judge(&self, path: &Path, stored: Stored) -> Result<()> {
        let warnings =
            rules::judge_served(path, stored, &here::folders_served(), &self.exceptions)?;
        warnings
            .iter()
            .for_each(|warning| self.console.warn(warning));
        Ok(())
    }

    /// Media for reading; where none is named, those that are inserted.
    pub fn vault_media_or_inserted(&self, names: &[String]) -> Result<Vec<Medium>> {
        if !names.is_empty() {
            return self.vault_media(names);
        }
        let inserted: Vec<String> = labelled()
            .into_iter()
            .map(|(root, _)| root.display().to_string())
            .collect();
        if inserted.is_empty() {
            return Err(Error::new(Exit::NoStick, text!("error-no-stick")));
        }
        self.console
            .mention(&text!("media-inserted", media = inserted.join(", ")));
        self.vault_media(&inserted)
    }

    /// Media for reading; each must hold a vault.
    pub fn vault_media(&self, names: &[String]) -> Result<Vec<Medium>> {
        let media: Vec<Medium> = names
            .iter()
            .map(|name| self.medium(name))
            .collect::<Result<_>>()?;
        for medium in &media {
            if !medium.has_vault()? {
                if let Some(state) = self.memory().state {
                    self.warn_of_remade(&state, medium);
                }
                return Err(Error::new(
                    Exit::NoVault,
                    text!("error-no-vault", medium = medium.name.as_str()),
                ));
            }
            refuse_begun(medium)?;
        }
        Ok(media)
    }

    /// Says if an empty stick was a medium of the vault when it was last seen.
    pub fn warn_of_remade(&self, state: &State, medium: &Medium) {
        let finding = history::remade(state, &medium.name, None, &descriptor_of(medium));
        self.show_findings(finding.as_slice());
    }

    /// Media of the vault to write to.
    pub fn vault_media_to_write(&self, names: &[String]) -> Result<Vec<Medium>> {
        let media: Vec<Medium> = names
            .iter()
            .map(|name| self.medium_of_vault_to_write(name))
            .collect::<Result<_>>()?;
        for medium in &media {
            if !medium.has_vault()? {
                return Err(Error::new(
                    Exit::NoVault,
                    text!("error-no-vault", medium = medium.name.as_str()),
                ));
            }
        }
        Ok(media)
    }
}

/// Where a medium is: as it is typed, or `label:NAME` for one that is inserted.
pub fn place_of(name: &str) -> Result<PathBuf> {
    let Some(label) = name.strip_prefix("label:") else {
        return Ok(root_of(crate::platform::media::typed(name)));
    };
    let mut found = labelled()
        .into_iter()
        .filter(|(_, called)| called.to_lowercase() == label.to_lowercase());
    match (found.next(), found.next()) {
        (Some((root, _)), None) => Ok(root),
        (None, _) => Err(Error::new(
            Exit::NoStick,
            text!("error-label-not-here", label = label),
        )),
        (Some((one, _)), Some((other, _))) => Err(Error::usage(text!(
            "error-two-of-a-label",
            label = label,
            one = one.as_path(),
            other = other.as_path()
        ))),
    }
}

/// The medium that is meant where somebody names its folder PFXVAULT, or a place in it.
fn root_of(typed: PathBuf) -> PathBuf {
    let is_vault = |path: &&Path| {
        let name = path.file_name();
        name.is_some_and(|name| name.eq_ignore_ascii_case(ROOT)) && path.join(MEDIUM).is_file()
    };
    if typed.join(ROOT).is_dir() {
        return typed;
    }
    let root = typed.ancestors().find(is_vault).and_then(Path::parent);
    match root {
        Some(root) if root.as_os_str().is_empty() => PathBuf::from("."),
        Some(root) => root.to_owned(),
        None => typed,
    }
}

/// The inserted media that hold a vault, with their labels.
pub fn labelled() -> Vec<(PathBuf, String)> {
    let media = crate::platform::media::inserted()
        .into_iter()
        .map(|facts| facts.real_path);
    media
        .filter_map(|root| label_of_vault(&root).map(|label| (root, label)))
        .collect()
}

/// What a medium is called if it holds a vault; empty where that cannot be read.
pub fn label_of_vault(root: &Path) -> Option<String> {
    let medium = Medium::new("", Box::new(FolderVolume::new(root)));
    let label = || medium.label().map(|label| label.label).unwrap_or_default();
    medium.has_vault().unwrap_or(false).then(label)
}

/// The file of `parcel:FILE`.
pub fn parcel_path(name: &str) -> Option<PathBuf> {
    name.strip_prefix("parcel:").map(PathBuf::from)
}

/// A vault that was begun when the medium filled up or was pulled out holds nothing, and stands in
/// the way.
fn refuse_begun(medium: &Medium) -> Result<()> {
    match medium.has_vault()? && medium.is_begun()? {
        true => Err(Error::new(
            Exit::NoVault,
            text!("error-vault-begun", medium = medium.name.as_str()),
        )),
        false => Ok(()),
    }
}
