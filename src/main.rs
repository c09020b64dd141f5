//! The pfxvault command.

fn main() {}
