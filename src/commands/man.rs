//! `man`: the manual pages of all commands, in the language of the console, for who makes a package.

use std::fs;
use std::io;
use std::path::Path;

use clap::Command;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, roman};

use crate::cli::{self, worded};
use crate::console::Console;
use crate::error::{Error, Exit, Result};
use crate::session::Session;
use crate::text;

/// Headings that the renderer writes in English, with the names of ours.
const HEADINGS: [(&str, &str); 3] = [
    (".SH NAME", "label-name"),
    (".SH SYNOPSIS", "label-synopsis"),
    (".SH DESCRIPTION", "label-description"),
];

/// Runs the command.
pub(super) fn run(session: &Session<'_>, folder: &Path) -> Result<Exit> {
    let mut command = worded(session.console);
    command.build();
    write_pages(session.console, &command, "help", folder)
        .map_err(|error| Error::failed(text!("error-man-pages", path = folder, reason = &error)))?;
    Ok(Exit::Done)
}

/// Writes the page of a command and those of its own commands, over pages that are there.
fn write_pages(console: &Console, command: &Command, path: &str, folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let man = Man::new(command.clone()).manual("pfxvault");
    let mut page = page(console, &man, command, path)?;
    for (english, label) in HEADINGS {
        let heading = console.help(label).unwrap_or_default().to_uppercase();
        page = page.replace(english, &format!(".SH {heading}"));
    }
    fs::write(folder.join(man.get_filename()), page)?;
    for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
        write_pages(console, sub, &format!("{path}-{}", sub.get_name()), folder)?;
    }
    Ok(())
}

fn page(console: &Console, man: &Man, command: &Command, path: &str) -> io::Result<String> {
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    if command.has_subcommands() {
        man.render_subcommands_section(&mut page)?;
    }
    let heading = console.help("label-examples").unwrap_or_default();
    let mut examples = Roff::new();
    examples.control("SH", [heading.to_uppercase().as_str()]);
    examples.control("nf", []);
    for line in cli::examples(console, path).lines() {
        examples.text([roman(line)]);
    }
    examples.control("fi", []);
    examples.to_writer(&mut page)?;
    Ok(String::from_utf8_lossy(&page).into_owned())
}
