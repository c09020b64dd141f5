//! The program beside a vault: read whole before anything is written, put there last, and never run from there.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::cli::ProgramArgs;
use crate::error::{Error, Exit, Result};
use crate::input::read_up_to;
use crate::session::Session;
use crate::text;
use vault::id::{Hash, VaultId};
use vault::medium::Medium;
use vault::program::{MAX_PROGRAM, PROGRAM_FOLDER, is_program_name};

/// What this program is called on a medium.
const OWN_NAME: &str = if cfg!(windows) {
    "pfxvault.exe"
} else {
    "pfxvault"
};
/// More programs than that are not meant.
const MOST_PROGRAMS: usize = 8;

/// A program that is to be put beside a vault.
pub struct Program {
    name: String,
    bytes: Vec<u8>,
    hash: Hash,
}

/// A program that lies beside the vault.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ProgramReport {
    /// Below the medium.
    path: String,
    /// What the paper says of it.
    sha256: String,
}

impl Session<'_> {
    /// Reads this program and the files that are named; nothing where that is not wanted.
    ///
    /// # Errors
    /// A file that cannot be read, is too large or called what no program may be called there, or two of one name.
    pub fn programs(&self, args: &ProgramArgs) -> Result<Vec<Program>> {
        let mut programs: Vec<Program> = Vec::new();
        if !args.with_program {
            return Ok(programs);
        }
        let own = std::env::current_exe().map_err(|error| unread(Path::new(OWN_NAME), &error))?;
        programs.push(read(own, OWN_NAME.to_owned())?);
        for file in &args.program {
            let name = file.file_name().unwrap_or_default().to_string_lossy();
            let is_taken = |one: &Program| one.name.eq_ignore_ascii_case(&name);
            if !is_program_name(&name)
                || programs.len() == MOST_PROGRAMS
                || programs.iter().any(is_taken)
            {
                return Err(Error::usage(text!(
                    "error-program-name",
                    path = file.as_path()
                )));
            }
            programs.push(read(file.clone(), name.into_owned())?);
        }
        Ok(programs)
    }

    /// Puts them beside the vault, each read back, and notes their hashes for the instruction sheet. The vault is
    /// whole already: what fails is said, and makes `exit` 3.
    pub fn put_programs(
        &self,
        medium: &Medium,
        vault: &VaultId,
        programs: &[Program],
        exit: Exit,
    ) -> (Exit, Vec<ProgramReport>) {
        let mut put = Vec::new();
        for program in programs {
            match medium.put_program(env!("CARGO_PKG_VERSION"), &program.name, &program.bytes) {
                Ok(()) => put.push(program),
                Err(error) => self.console.warn(&text!(
                    "program-not-put",
                    name = program.name.as_str(),
                    medium = medium.name.as_str(),
                    reason = &error.source
                )),
            }
        }
        if !put.is_empty() {
            self.tell_programs(medium, vault, &put);
        }
        let all = put.len() == programs.len();
        let exit = if all { exit } else { Exit::Partly };
        (exit, put.iter().map(|program| program.report()).collect())
    }

    fn tell_programs(&self, medium: &Medium, vault: &VaultId, put: &[&Program]) {
        if let Some(label) = medium.label() {
            self.note(vault, |state| {
                for program in put {
                    state.program_was_put(&label.medium, &program.name, program.hash);
                }
            });
        }
        let line = |program: &&Program| {
            let line = text!(
                "program-line",
                name = program.name.as_str(),
                hash = program.hash.to_string()
            );
            self.console.words(&line)
        };
        self.console.say(&text!(
            "program-put",
            folder = PROGRAM_FOLDER,
            medium = medium.name.as_str(),
            programs = put.iter().map(line).collect::<Vec<_>>()
        ));
    }
}

impl Program {
    fn report(&self) -> ProgramReport {
        let (version, name) = (env!("CARGO_PKG_VERSION"), &self.name);
        ProgramReport {
            path: format!("{PROGRAM_FOLDER}/{version}/{name}"),
            sha256: self.hash.to_string(),
        }
    }
}

fn read(path: PathBuf, name: String) -> Result<Program> {
    let bytes = read_program(&path).map_err(|error| unread(&path, &error))?;
    Ok(Program {
        name,
        hash: Hash::of(&bytes),
        bytes,
    })
}

fn read_program(path: &Path) -> io::Result<Vec<u8>> {
    let facts = fs::metadata(path)?;
    if !facts.is_file() || facts.len() == 0 {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    if facts.len() > MAX_PROGRAM {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok(std::mem::take(&mut *read_up_to(
        File::open(path)?,
        facts.len(),
    )?))
}

fn unread(path: &Path, error: &io::Error) -> Error {
    Error::failed(text!("error-program", path = path, reason = error))
}
