//! The tests of the program: as its users run it, and through its library. One program, so that
//! everything is linked once.
#![cfg(unix)]
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::too_many_lines,
    missing_docs,
    reason = "tests"
)]

mod answer;
mod architecture;
mod audit;
mod cli;
mod common;
mod counted;
mod documents;
mod eject;
mod enrolment;
mod file_by_file;
mod forgery;
mod golden;
mod history;
mod iis_config;
mod install;
mod media;
mod memory;
mod owners_word;
mod papers;
mod parcels;
mod passphrases;
mod program;
mod prompts;
mod readme;
mod replace;
mod report;
mod restore_files;
mod retire;
mod scan;
mod screens;
mod source_files;
mod status;
mod surroundings;
mod two_servers;
mod two_systems;
mod unseen;
mod vectors;
mod ways;
