//! Changing a server's stores and keys: a plan that people read first, its steps with a journal written ahead of them,
//! and the way back.

pub mod answer;
pub mod apply;
pub mod journal;
pub mod plan;
pub mod repair;
pub mod take_back;

pub use apply::{Running, apply};
pub use journal::{Journal, Step};
pub use plan::{Action, Incoming, Options, Plan, plan};
pub use take_back::undo;

#[cfg(test)]
pub(crate) mod tests;
