//! pfxvault.exe under Wine. tests/windows/run gives the program in `PFXVAULT_EXE`, the stand-ins
//! for ncrypt.dll and httpapi.dll in `PFXVAULT_NCRYPT` and `PFXVAULT_HTTPAPI`, those for IIS in
//! `PFXVAULT_APPCMD` and `PFXVAULT_APPHOST`, and a machine as Wine makes it in `PFXVAULT_PREFIX`.

use std::ffi::OsString;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::common::{Said, Table};

/// The stand-ins that were given, with the names of the libraries they stand in for.
fn stand_ins() -> impl Iterator<Item = (OsString, &'static str)> {
    let libraries = [
        ("PFXVAULT_NCRYPT", "ncrypt"),
        ("PFXVAULT_HTTPAPI", "httpapi"),
    ];
    libraries
        .into_iter()
        .filter_map(|(variable, library)| Some((std::env::var_os(variable)?, library)))
}

/// What tests/windows/run gives in a variable.
pub(crate) fn given(variable: &str) -> OsString {
    std::env::var_os(variable)
        .unwrap_or_else(|| panic!("{variable} is not set: tests/windows/run does it"))
}

/// Copies a machine, its files as links where both lie on one file system. Wine writes through links to
/// its registry, so that is a copy each time.
fn copy_prefix(from: &Path, to: &Path) {
    let copied = ["-al", "-a"].iter().any(|how| {
        let mut copy = Command::new("cp");
        copy.arg(how).arg(from).arg(to).stderr(Stdio::null());
        copy.status().unwrap().success() || {
            let _ = std::fs::remove_dir_all(to);
            false
        }
    });
    assert!(copied, "{from:?} is not there");
    for part in ["system.reg", "user.reg", "userdef.reg"] {
        std::fs::remove_file(to.join(part)).unwrap();
        std::fs::copy(from.join(part), to.join(part)).unwrap();
    }
}

/// The class of IIS's own writer.
const WRITABLE_ADMIN_MANAGER: &str =
    r"HKLM\Software\Classes\CLSID\{2B72133B-3F5B-4602-8952-803546CE3344}\InprocServer32";

/// A Windows machine: a prefix of Wine of that name with the table's stick A as its removable drive
/// R:.
pub(crate) struct Windows<'a> {
    table: &'a Table,
    name: &'static str,
    program: OsString,
}

impl<'a> Windows<'a> {
    pub(crate) fn beside(table: &'a Table, name: &'static str) -> Self {
        let program = given("PFXVAULT_EXE");
        let windows = Self {
            table,
            name,
            program,
        };
        copy_prefix(Path::new(&given("PFXVAULT_PREFIX")), &windows.prefix());
        for (file, library) in stand_ins() {
            let system = windows.prefix().join("drive_c/windows/system32");
            let here = system.join(format!("{library}.dll"));
            // A link to what every machine here has.
            std::fs::remove_file(&here).unwrap();
            std::fs::copy(file, here).unwrap();
        }
        symlink(table.stick("A"), windows.prefix().join("dosdevices/r:")).unwrap();
        windows.wine(&[
            "reg",
            "add",
            r"HKLM\Software\Wine\Drives",
            "/v",
            "r:",
            "/d",
            "floppy",
            "/f",
        ]);
        windows.stop();
        windows
    }

    pub(crate) fn prefix(&self) -> PathBuf {
        self.table.at(self.name)
    }

    pub(crate) fn command(&self, program: &str) -> Command {
        let overrides = stand_ins()
            .map(|(_, library)| format!(";{library}=n"))
            .collect::<String>();
        let overrides = format!("mscoree,mshtml={overrides}");
        let mut command = Command::new(program);
        command
            .env("WINEPREFIX", self.prefix())
            .env("WINEDEBUG", "-all")
            .env("WINEDLLOVERRIDES", overrides);
        command.stdin(Stdio::null());
        command
    }

    pub(crate) fn wine(&self, words: &[&str]) {
        assert!(
            self.command("wine")
                .args(words)
                .output()
                .unwrap()
                .status
                .success(),
            "{words:?}"
        );
    }

    /// Gives the machine IIS, with this configuration.
    pub(crate) fn install_iis(&self, config: &str) {
        let inetsrv = self.prefix().join("drive_c/windows/system32/inetsrv");
        std::fs::create_dir_all(inetsrv.join("config")).unwrap();
        for (variable, file) in [
            ("PFXVAULT_APPCMD", "appcmd.exe"),
            ("PFXVAULT_APPHOST", "nativerd.dll"),
        ] {
            std::fs::copy(given(variable), inetsrv.join(file)).unwrap();
        }
        std::fs::write(inetsrv.join("config/applicationHost.config"), config).unwrap();
        let writer = r"C:\windows\System32\inetsrv\nativerd.dll";
        self.wine(&[
            "reg",
            "add",
            WRITABLE_ADMIN_MANAGER,
            "/ve",
            "/d",
            writer,
            "/f",
        ]);
        self.wine(&[
            "reg",
            "add",
            WRITABLE_ADMIN_MANAGER,
            "/v",
            "ThreadingModel",
            "/d",
            "Both",
            "/f",
        ]);
    }

    /// applicationHost.config, as it is now.
    pub(crate) fn iis_config(&self) -> String {
        let config = "drive_c/windows/system32/inetsrv/config/applicationHost.config";
        std::fs::read_to_string(self.prefix().join(config)).unwrap()
    }

    /// What the stand-ins keep, and read what shall fail from.
    pub(crate) fn program_data(&self, name: &str) -> PathBuf {
        self.prefix().join("drive_c/ProgramData").join(name)
    }

    /// Waits until the registry is on disk; the next program reads it.
    fn stop(&self) {
        self.command("wineserver").arg("-k").status().unwrap();
        self.command("wineserver").arg("-w").status().unwrap();
    }

    /// Runs pfxvault.exe; `{name}` is a path on the table, and state lies where Windows keeps it.
    pub(crate) fn run(&self, line: &str) -> Said {
        let root = self.table.folder.path().display().to_string();
        let words = self.table.words(&format!("{line} --state {{none}}"));
        let words = words[..words.len() - 2]
            .iter()
            .map(|word| word.replace(&root, &format!("Z:{root}")));
        Said::of(
            &self
                .command("wine")
                .arg(&self.program)
                .args(words)
                .output()
                .unwrap(),
        )
    }
}

impl Drop for Windows<'_> {
    fn drop(&mut self) {
        self.stop();
    }
}
