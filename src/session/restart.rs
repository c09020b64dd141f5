//! Restarting one site with IIS's own tool, where it goes on showing the certificate that it had.
//! Connections are cut.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::message::{Text, os_reason};
use crate::platform::system;
use crate::text;

/// Stops and starts a site with the `appcmd.exe` that lies above the folder of the configuration.
///
/// # Errors
/// When the tool cannot be run, or the site does not start.
pub fn restart(config: &Path, site: &str) -> Result<(), Text> {
    let tool = config.with_file_name("appcmd.exe");
    let run = |action: &str| {
        let mut command = Command::new(&tool);
        command.args([action, "site", &format!("/site.name:{site}")]);
        command
            .stdin(Stdio::null())
            .output()
            .map_err(|error| os_reason(&error))
    };
    // One that is stopped already cannot be stopped; that it starts is what counts.
    run("stop")?;
    let started = run("start")?;
    match started.status.success() {
        true => Ok(()),
        false => {
            let words = system::decoded(&started.stdout);
            Err(text!("os-other", words = words.trim()))
        }
    }
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// An `inetsrv` folder whose tool writes down what it is asked, and fails to start a site
    /// called Broken.
    fn inetsrv() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let tool = folder.path().join("appcmd.exe");
        let script = "#!/bin/sh\necho \"$@\" >> \"$(dirname \"$0\")/asked\"\necho 0x80070020\n\
            case \"$*\" in start*Broken|stop*) exit 1;; esac\n";
        fs::write(folder.path().join("script"), script).unwrap();
        // Not written by this process: while another test starts a program, that would be a file
        // that is busy.
        let copied = Command::new("install")
            .arg("-m700")
            .arg(folder.path().join("script"))
            .arg(&tool)
            .status();
        assert!(copied.unwrap().success());
        folder
    }

    #[test]
    fn a_site_is_stopped_and_started_by_its_name() {
        let folder = inetsrv();
        restart(&folder.path().join("config"), "Default Web Site").unwrap();
        let asked = fs::read_to_string(folder.path().join("asked")).unwrap();
        assert_eq!(
            asked,
            "stop site /site.name:Default Web Site\nstart site /site.name:Default Web Site\n"
        );
    }

    #[test]
    fn a_site_that_does_not_start_and_a_tool_that_is_missing_are_named() {
        let folder = inetsrv();
        let reason = restart(&folder.path().join("config"), "Broken").unwrap_err();
        assert_eq!(reason, text!("os-other", words = "0x80070020"));
        let reason = restart(&folder.path().join("elsewhere/config"), "Shop").unwrap_err();
        assert_eq!(reason.id, "os-not-found");
    }
}
