//! What a server holds, wherever it is read from.

pub mod iis;
