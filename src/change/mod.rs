//! Changing a server's stores, keys and bindings: a plan that people read first, its steps with a
//! journal written ahead of them, and the way back.

pub mod answer;
pub mod appcmd;
pub mod apply;
pub mod bindings;
pub mod csr;
pub mod edit;
pub mod journal;
pub mod mapping;
pub mod order;
pub mod plan;
pub mod repair;
pub mod rollback;
pub mod successor;

pub use apply::{ApplyContext, apply};
pub use bindings::{BindingAction, BindingSource, PlannedBinding};
pub use edit::Edit;
pub use journal::{ChangeStep, Journal};
pub use mapping::Mapping;
pub use order::{CertificateLabel, Order};
pub use plan::{Action, IncomingKeyPair, Options, Plan, PlannedKey, plan};
pub use rollback::undo;

#[cfg(test)]
pub(crate) mod binding_tests;
#[cfg(test)]
pub(crate) mod tests;
