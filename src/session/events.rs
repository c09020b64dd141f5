//! What a run writes into the system's event log: every private key that left, came or went, and
//! every rule that refused.

use crate::change::{Action, ChangeStep, Plan, PlannedKey};
use crate::error::{Exit, Result};
use crate::iis::{Iis, KeyLink, StoreName};
use crate::keypair::Certificate;
use crate::keystore::Inventory;
use crate::message::Text;
use crate::platform::event::Event;
use crate::platform::system;
use crate::session::Session;
use crate::text;
use vault::catalog::Exception;

impl Session<'_> {
    /// Writes one event. Where that fails it is said; it is no reason to fail what the event is
    /// about.
    pub fn report(&self, event: Event, text: &Text) {
        if let Err(error) = system::report_event(event, &self.console.words(text)) {
            self.console
                .warn(&text!("event-not-written", reason = &error));
        }
    }

    /// Rules that were set aside, and the one that refused.
    pub fn report_rules(&self, done: &Result<Exit>) {
        for Exception { rule, reason, .. } in &self.exceptions {
            let (rule, reason) = (rule.as_str(), reason.as_str());
            self.report(
                Event::RuleSetAside,
                &text!("event-rule-set-aside", rule = rule, reason = reason),
            );
        }
        if let Err(error) = done
            && error.exit == Exit::Refused
        {
            self.report(Event::RuleRefused, &error.text);
        }
    }

    /// Key pairs that were copied out of the certificate store.
    pub fn report_exported(&self, holdings: &Inventory) {
        for held in holdings
            .key_pairs
            .iter()
            .filter(|held| held.windows.is_some())
        {
            self.report(
                Event::KeyExported,
                &key_event(held.leaf(), |name, thumbprint| {
                    text!("event-key-exported", name = name, thumbprint = thumbprint)
                }),
            );
        }
    }

    /// Keys that a plan brought.
    pub fn report_imported(&self, plan: &Plan<'_>) {
        for item in &plan.items {
            let Action::Place(placement) = &item.action else {
                continue;
            };
            let Ok(certificate) = Certificate::parse(placement.certificate.to_vec()) else {
                continue;
            };
            if matches!(placement.key, PlannedKey::New { .. }) {
                self.report(
                    Event::KeyImported,
                    &key_event(&certificate, |name, thumbprint| {
                        text!("event-key-imported", name = name, thumbprint = thumbprint)
                    }),
                );
            }
        }
    }

    /// Those of `keys` that are no longer there.
    pub fn report_deleted(&self, server: Iis<'_>, keys: &[Leading]) {
        let gone = |key: &&Leading| {
            server
                .keys
                .inspect(&key.link)
                .is_err_and(|error| error.code.is_missing_key())
        };
        for key in keys.iter().filter(gone) {
            let (container, thumbprint) = (key.link.container.as_str(), key.thumbprint.as_str());
            self.report(
                Event::KeyDeleted,
                &text!(
                    "event-key-deleted",
                    container = container,
                    thumbprint = thumbprint
                ),
            );
        }
    }
}

fn key_event(certificate: &Certificate, event: impl Fn(&str, &str) -> Text) -> Text {
    event(certificate.display_name(), &certificate.thumbprint())
}

/// A key with the certificate that leads to it, looked up while it still does.
pub struct Leading {
    link: KeyLink,
    thumbprint: String,
}

impl Leading {
    /// `link` and what leads to it now.
    pub fn to(server: Iis<'_>, link: &KeyLink) -> Self {
        let leads = |store| {
            let certificates = server.stores.certificates(store).ok()?;
            certificates
                .into_iter()
                .find(|certificate| certificate.properties.key.as_ref() == Some(link))
        };
        let certificate = StoreName::WITH_KEYS.into_iter().find_map(leads);
        Self {
            link: link.clone(),
            thumbprint: certificate.map_or_else(|| "-".to_owned(), |found| found.thumbprint()),
        }
    }

    /// The keys that a run created.
    pub fn to_created(server: Iis<'_>, steps: &[ChangeStep]) -> Vec<Self> {
        let created = steps.iter().filter_map(|step| match step {
            ChangeStep::CreateKey { key } => Some(key),
            _ => None,
        });
        created.map(|key| Self::to(server, key)).collect()
    }
}
