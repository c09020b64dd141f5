//! A person chooses a medium.

use crate::error::Result;
use crate::message::{Text, size};
use crate::platform::media;
use crate::session::Session;
use crate::session::media::label_of_vault;
use crate::text;

impl Session<'_> {
    /// Lets a person choose among the media that are inserted, or type another place.
    pub fn choose_medium(&self, question: &Text) -> Result<Option<String>> {
        let inserted = media::inserted();
        let mut names: Vec<String> = Vec::new();
        for facts in &inserted {
            let root = facts.real_path.display().to_string();
            let free = facts.free.map(size).unwrap_or_default();
            let file_system = facts.file_system.as_str();
            names.push(self.console.words(&match label_of_vault(&facts.real_path) {
                Some(label) => text!(
                    "menu-stick-vault",
                    root = root,
                    system = file_system,
                    free = free,
                    label = label
                ),
                None => text!("menu-stick", root = root, system = file_system, free = free),
            }));
        }
        names.push(self.console.words(&text!("menu-other-place")));
        let Some(chosen) = self.console.choose(question, &names, &text!("menu-back"))? else {
            return Ok(None);
        };
        if let Some(facts) = inserted.get(chosen) {
            return Ok(Some(facts.real_path.display().to_string()));
        }
        let typed = self.console.ask(&text!("menu-type-medium"))?;
        Ok((!typed.is_empty()).then(|| unquoted(&typed).to_owned()))
    }
}

/// A path as Explorer's "Copy as path" gives it, without its quotes.
pub fn unquoted(path: &str) -> &str {
    path.trim_matches('"')
}
