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
pub mod successor;
pub mod take_back;

pub use apply::{Running, apply};
pub use bindings::{Bound, Fate, Moving};
pub use edit::Edit;
pub use journal::{Journal, Step};
pub use mapping::Mapping;
pub use order::{Order, Shown};
pub use plan::{Action, Incoming, Options, PlacedKey, Plan, plan};
pub use take_back::undo;

#[cfg(test)]
pub(crate) mod binding_tests;
#[cfg(test)]
pub(crate) mod tests;
