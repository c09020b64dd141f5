//! Tells the program when it was released, by which it judges clocks; gives pfxvault.exe its version resource and its manifest, with `windres` of the mingw tools that
//! link it.
#![allow(clippy::disallowed_methods, reason = "a build script or a test")]

use std::env;
use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::Command;

/// 2020-01-01, for a build that does not say its date: nobody had such a program before.
const FIRST_WRITTEN: &str = "1577836800";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=SOURCE_DATE_EPOCH");
    let released = env::var("SOURCE_DATE_EPOCH").unwrap_or_else(|_| FIRST_WRITTEN.to_owned());
    println!("cargo::rustc-env=PFXVAULT_RELEASED={released}");
    println!("cargo::rerun-if-changed=src/platform/windows/pfxvault.rc");
    println!("cargo::rerun-if-changed=src/platform/windows/pfxvault.manifest");
    let windows = env::var("CARGO_CFG_TARGET_OS")? == "windows";
    // The Microsoft tools have another resource compiler; what is given to users is linked with
    // mingw.
    if windows && env::var("CARGO_CFG_TARGET_ENV")? == "gnu" {
        let object = compile_resources(Path::new(&env::var("OUT_DIR")?))?;
        println!("cargo::rustc-link-arg-bins={object}");
    }
    Ok(())
}

fn compile_resources(folder: &Path) -> Result<String, Box<dyn Error>> {
    let version = format!("{}.0", env::var("CARGO_PKG_VERSION")?);
    let numbers = version.replace('.', ",");
    for name in ["pfxvault.rc", "pfxvault.manifest"] {
        let text = fs::read_to_string(Path::new("src/platform/windows").join(name))?;
        fs::write(
            folder.join(name),
            text.replace("@VERSION@", &version)
                .replace("@NUMBERS@", &numbers),
        )?;
    }
    let windres = if cfg!(windows) {
        "windres"
    } else {
        "x86_64-w64-mingw32-windres"
    };
    let status = Command::new(windres)
        .args(["pfxvault.rc", "resources.o"])
        .current_dir(folder)
        .status();
    match status.map_err(|error| format!("{windres}: {error}"))? {
        status if status.success() => Ok(folder.join("resources.o").display().to_string()),
        status => Err(format!("{windres}: {status}").into()),
    }
}
