//! Sticks that are plugged in while one command runs: real mounts in a namespace of the test's own,
//! on devices that `/sys` describes there as removable. No privileges are needed.

use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use super::{Said, Table, output};

/// A device and what is on it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stick<'a> {
    /// The folder of the table that keeps what is on it.
    pub files: &'a str,
    /// Its serial number.
    pub serial: &'a str,
    /// Whether the system numbers attachments.
    pub numbered: bool,
}

const PLUG: &str = r#"
plug() {
  mkdir -p "$1" "$2" "$2.work" "$2.none"
  mount -t overlay /dev/stick -o "lowerdir=$2.none,upperdir=$2,workdir=$2.work" "$1"
  node=/sys/dev/block/$(mountpoint -d "$1")
  mkdir -p "$node/device"
  echo 1 > "$node/removable"; echo 62333952 > "$node/size"
  echo SanDisk > "$node/device/vendor"; echo Ultra > "$node/device/model"; echo "$3" > "$node/device/serial"
  [ -z "$4" ] || echo "$4" > "$node/diskseq"
}"#;

/// Sticks, each at the place of the table where it is mounted, and shell lines around the program.
pub(crate) struct Plugged<'a> {
    pub sticks: &'a [(&'a str, Stick<'a>)],
    pub before: &'a str,
    pub after: &'a str,
}

/// Runs a line of the program with each stick mounted at the place given with it.
pub(crate) fn with_plugged(table: &Table, sticks: &[(&str, Stick<'_>)], line: &str) -> Said {
    Plugged {
        sticks,
        before: ":",
        after: ":",
    }
    .run(table, line)
}

impl Plugged<'_> {
    /// Runs it without a terminal.
    pub(crate) fn run(&self, table: &Table, line: &str) -> Said {
        Said::of(&output(self.command(table, line).stdin(Stdio::null()))).to(line)
    }

    /// The whole command. Every run is an attachment of its own.
    pub(crate) fn command(&self, table: &Table, line: &str) -> Command {
        static ATTACHMENTS: AtomicU32 = AtomicU32::new(1000);
        let place = |name: &str| table.at(name).display().to_string();
        let mut end = String::new();
        let mut script = format!("set -e{PLUG}\nmount -t tmpfs none /sys/dev/block\n");
        for (at, stick) in self.sticks {
            let number = ATTACHMENTS.fetch_add(1, Ordering::Relaxed).to_string();
            let number = if stick.numbered { number.as_str() } else { "" };
            let (at, files) = (place(at), place(stick.files));
            script += &format!("plug '{at}' '{files}' '{}' '{number}'\n", stick.serial);
            // What the file system leaves there only its owner in this namespace can read.
            end += &format!("umount '{at}' 2> /dev/null; rm -rf '{files}.work'\n");
        }
        let (before, after) = (self.before, self.after);
        script += &format!("{before}\nset +e\n\"$@\"\ncode=$?\n{after}\n{end}exit $code\n");
        let program = table.command(line);
        let mut shell = Command::new("unshare");
        shell.args(["--map-root-user", "--mount", "sh", "-c", &script, "sh"]);
        shell
            .arg(program.get_program())
            .args(program.get_args())
            .env("LC_ALL", "C")
            .current_dir(table.at("."));
        shell
    }
}
