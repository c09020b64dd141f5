//! What every command shares.

pub mod here;
