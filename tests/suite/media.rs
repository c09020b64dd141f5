//! Media of every kind, and media that refuse: full, write-protected, gone. Each gives a clear
//! error and loses nothing. They are real mounts in a namespace of the test's own, so no privileges
//! are needed but for a loop device. What device mapper makes, such as LUKS, is in no test:
//! `linux::facts` reads such machines from folders.

use std::process::{Command, Stdio};

use crate::common::plugged::{Stick, with_plugged};
use crate::common::{BACKUP, RESTORE, Said, Table, held, output, says, tree};
use serde_json::Value;

const NAMES: [&str; 3] = ["www.example.com", "*.example.net", "mail.example.org"];

/// What to do in the namespace before and after the program runs: `$stick` is stick A, `$copy` a
/// folder outside it.
struct Mounted {
    before: String,
    after: &'static str,
}

impl Mounted {
    fn run(&self, table: &Table, line: &str) -> Said {
        self.run_in(&["--map-root-user", "--mount"], table, line)
    }

    fn run_in(&self, namespace: &[&str], table: &Table, line: &str) -> Said {
        let Self { before, after } = self;
        let script = format!(
            "set -e; PATH=$PATH:/usr/sbin:/sbin; stick=$1; copy=$2; shift 2; {{ {before}; }} >&2; set +e; \"$@\"; code=$?; {after}; exit $code"
        );
        let program = table.command(line);
        let mut shell = Command::new("unshare");
        shell
            .args(namespace)
            .args(["sh", "-c", &script, "sh"])
            .arg(table.at("A"))
            .arg(table.at("copy"));
        shell
            .arg(program.get_program())
            .args(program.get_args())
            .env("LC_ALL", "C")
            .stdin(Stdio::null());
        Said::of(&output(&mut shell))
    }
}

fn write_protected() -> Mounted {
    Mounted {
        before: r#"mount --bind "$stick" "$stick"; mount -o remount,bind,ro "$stick""#.into(),
        after: ":",
    }
}

/// A file system of this size in place of the stick, with what the stick held; what it holds in the
/// end goes to `$copy`.
fn sized(kib: usize) -> Mounted {
    let before = format!(
        r#"rm -rf "$copy"; cp -a "$stick" "$copy"; mount -t tmpfs -o size={kib}k none "$stick"; cp -a "$copy/." "$stick""#
    );
    Mounted {
        before,
        after: r#"rm -rf "$copy"; cp -a "$stick" "$copy""#,
    }
}

#[test]
fn a_write_protected_stick_restores_and_drills() {
    let table = Table::backed_up(&NAMES);
    write_protected().run(&table, RESTORE).ended_with(0);
    assert_eq!(held(&table, "restored"), held(&table, "server"));
    write_protected()
        .run(&table, "drill --from {A} --recovery-key-file {recovery}")
        .ended_with(0);
    write_protected().run(&table, "verify {A}").ended_with(0);
}

#[test]
fn a_backup_to_a_write_protected_stick_says_so_and_loses_nothing() {
    let table = Table::backed_up(&NAMES);
    let before = tree(&table.at("A"));
    let said = write_protected()
        .run(&table, &format!("{BACKUP} --force"))
        .ended_with(1);
    assert!(
        said.err.contains("write-protected") || said.err.contains("read-only"),
        "{}",
        said.err
    );
    assert!(before == tree(&table.at("A")));
    table.run(BACKUP).ended_with(0);
    table.run("verify {A}").ended_with(0);
}

#[test]
fn a_full_stick_says_so_and_what_it_held_still_counts() {
    let table = Table::backed_up(&NAMES);
    let used = tree(&table.at("A"))
        .values()
        .map(|bytes| bytes.len().next_multiple_of(4096))
        .sum::<usize>()
        / 1024;
    let mut failed = 0;
    for room in [8, 40, 90, 150] {
        let said = sized(used + room).run(&table, &format!("{BACKUP} --force"));
        if said.code == 1 {
            failed += 1;
            assert!(said.err.contains("full"), "{}", said.err);
        }
        let verify = table.run("verify {copy} --json");
        assert!(matches!(verify.code, 0 | 8), "{}", verify.out);
        let said = table.run(
            &RESTORE
                .replace("{A}", "{copy}")
                .replace("{restored}", &format!("{{restored{room}}}")),
        );
        assert!(matches!(said.code, 0 | 8), "{}", said.err);
        assert_eq!(
            held(&table, &format!("restored{room}")),
            held(&table, "server")
        );
    }
    assert!(failed > 0, "no run met a full stick");
}

#[test]
fn a_full_disk_under_a_restore_leaves_nothing_behind() {
    let table = Table::backed_up(&NAMES);
    table.stick("target");
    let mounted = Mounted {
        before: r#"target=$stick/../target; mount -t tmpfs -o size=8k none "$target""#.into(),
        after: r#"ls -A "$target""#,
    };
    let said = mounted
        .run(&table, &RESTORE.replace("{restored}", "{target/restored}"))
        .ended_with(1);
    assert!(says(&said.err, "os-full"), "{}", said.err);
    assert!(
        !said.out.lines().any(|line| line == "restored"),
        "{}",
        said.out
    );
}

/// A file that was begun would be in the way of the same line, once there is room.
#[test]
fn a_full_disk_leaves_no_new_file_that_was_only_begun() {
    let table = Table::backed_up(&NAMES);
    table.stick("target");
    table.stick("B");
    let full = Mounted {
        before: r#"target=$stick/../target; mount -t tmpfs -o size=8k none "$target"; head -c 8192 /dev/zero > "$target/filling""#.into(),
        after: r#"echo "left: $(ls -A "$target")""#,
    };
    for line in [
        "audit {A} --html {target/a.html}",
        "report --html {target/r.html}",
        "sheet --from {A} --to {target/s.pdf}",
        "sheet --from {A} --envelope --to {target/e.pdf} --recovery-key-file {recovery}",
        "drill --from {A} --recovery-key-file {recovery} --receipt {target/r.txt}",
        "servers request {target/w.req} --state {asking}",
        "access add recovery-key --to {A} --passphrase-file {passphrase} --new-recovery-key-file {target/k.txt} --accept other-medium=test",
        "create {B} --passphrase-file {passphrase} --recovery-key-file {target/k.txt} --accept other-medium=test --state {new}",
    ] {
        let said = full.run(&table, line).ended_with(1);
        assert!(says(&said.err, "os-full"), "{line}: {}", said.err);
        assert!(
            said.out.ends_with("left: filling\n"),
            "{line}: {}",
            said.out
        );
    }
    assert!(tree(&table.at("B")).is_empty());
}

/// The file of a recovery key stands exactly where the vault knows that key, whichever write the
/// stick refuses.
#[test]
fn a_recovery_keys_file_stays_only_where_the_key_opens_the_vault() {
    let table = Table::backed_up(&NAMES[..1]);
    let add = |file: &str| {
        let secret = "--passphrase-file {passphrase} --accept other-medium=test";
        format!("access add recovery-key --to {{A}} {secret} --new-recovery-key-file {{{file}}}")
    };
    let said = write_protected().run(&table, &add("refused")).ended_with(1);
    assert!(!says(&said.out, "create-recovery-key-file"), "{}", said.out);
    assert!(!table.at("refused").exists());
    let used = tree(&table.at("A"))
        .values()
        .map(|bytes| bytes.len().next_multiple_of(4096))
        .sum::<usize>()
        / 1024;
    let (mut stood, mut gone) = (0, 0);
    for room in (0..=20).step_by(4) {
        let file = format!("key{room}");
        let said = sized(used + room).run(&table, &add(&file)).ended_with(1);
        let is_there = table.at(&file).exists();
        assert_eq!(
            says(&said.out, "create-recovery-key-file"),
            is_there,
            "{}",
            said.out
        );
        if is_there {
            stood += 1;
            let opened = "contents --from {copy} --state {elsewhere} --recovery-key-file";
            table.run(&format!("{opened} {{{file}}}")).ended_with(0);
        } else {
            gone += 1;
        }
    }
    assert!(stood > 0 && gone > 0, "{stood} stood, {gone} were gone");
    let said = table.run(&add("refused")).ended_with(0);
    assert!(says(&said.out, "create-recovery-key-file"), "{}", said.out);
    let again = table.run(&add("refused")).ended_with(1);
    let hint = "--new-recovery-key-file NEWFILE";
    assert!(again.err.contains(hint), "{}", again.err);
}

#[test]
fn a_vault_that_came_to_be_nowhere_leaves_no_file_of_its_recovery_key() {
    let table = Table::bare();
    table.stick("A");
    let create = "create {A} --passphrase-file {passphrase} --recovery-key-file {recovery} --accept other-medium=test";
    let said = write_protected().run(&table, create).ended_with(1);
    assert!(!says(&said.out, "create-recovery-key-file"), "{}", said.out);
    assert!(!table.at("recovery").exists());
    let said = table.run(create).ended_with(0);
    assert!(says(&said.out, "create-recovery-key-file"), "{}", said.out);
}

/// What the program says of a medium that `before` mounts in place of the stick, with what the
/// stick held: the facts of a stick with a vault, and the refusal to make one on an empty stick.
fn judged(namespace: &[&str], before: &str) -> (Value, Said) {
    // A daemon of FUSE lives in the namespace and would keep it.
    let mounted = Mounted {
        before: before.into(),
        after: r#"umount "$stick""#,
    };
    let table = Table::bare();
    table.stick("A");
    let create = "create {A} --passphrase-file {passphrase} --recovery-key-file {recovery}";
    let refused = mounted.run_in(namespace, &table, create).ended_with(5);
    assert!(
        !table.at("state/state.json").exists(),
        "what is refused leaves nothing behind"
    );
    let facts = mounted
        .run_in(
            namespace,
            &Table::backed_up(&NAMES[..1]),
            "audit {A} --json",
        )
        .ended_with(8)
        .json();
    (facts["media"][0]["facts"].clone(), refused)
}

fn device_and_file_system(facts: &Value) -> (&str, &str) {
    (
        facts["device"].as_str().unwrap(),
        facts["file_system"].as_str().unwrap(),
    )
}

#[test]
fn a_medium_is_judged_by_what_it_is_made_of_whatever_shows_it() {
    let copied = |mount: &str| format!(r#"mv "$stick" "$copy"; mkdir "$stick"; {mount}"#);
    let image = |image: &str| {
        format!(
            r#"mkfs.ext2 -q -d "$stick" {image} 8m; rm -r "$stick"; mkdir "$stick"; fuse2fs {image} "$stick""#
        )
    };
    let memory = r#"mkdir "$copy"; mount -t tmpfs none "$copy"; "#.to_owned();
    let sftp = "ssh_command=sh -c /usr/lib/openssh/sftp-server";
    for (before, device, file_system, says) in [
        (
            copied(r#"mount -t tmpfs none "$stick"; cp -a "$copy/." "$stick""#),
            "memory",
            "tmpfs",
            "main memory",
        ),
        (
            copied(r#"mount --bind "$copy" "$stick""#),
            "system-disk",
            "",
            "other-medium",
        ),
        (
            copied(r#"bindfs "$copy" "$stick""#),
            "system-disk",
            "fuse",
            "other-medium",
        ),
        (
            copied(&format!(r#"sshfs -o "{sftp}" "host:$copy" "$stick""#)),
            "network",
            "fuse.sshfs",
            "no-shared-drive",
        ),
        (
            image(r#""$copy""#),
            "system-disk",
            "fuse.ext4",
            "other-medium",
        ),
        (
            memory + &image(r#""$copy/image""#),
            "memory",
            "fuse.ext4",
            "main memory",
        ),
    ] {
        let (facts, refused) = judged(&["--map-root-user", "--mount"], &before);
        let (seen_device, seen_file_system) = device_and_file_system(&facts);
        assert_eq!(seen_device, device, "{before}");
        assert!(
            file_system.is_empty() || seen_file_system == file_system,
            "{before}: {facts}"
        );
        assert!(refused.err.contains(says), "{before}: {}", refused.err);
    }
}

#[test]
#[ignore = "a loop device takes root: tests/run asks for it"]
fn a_loop_device_is_where_its_file_is() {
    let image = |options: &str, image: &str| {
        format!(r#"mkfs.ext2 -q -d "$stick" {image} 8m; mount -o {options} {image} "$stick""#)
    };
    let (facts, refused) = judged(&["--mount"], &image("loop", r#""$copy""#));
    assert_eq!(
        (device_and_file_system(&facts), &facts["read_only"]),
        (("system-disk", "ext2"), &false.into())
    );
    assert!(refused.err.contains("other-medium"), "{}", refused.err);
    let in_memory = r#"mkdir "$copy"; mount -t tmpfs none "$copy"; "#.to_owned();
    let (facts, _) = judged(
        &["--mount"],
        &(in_memory + &image("loop", r#""$copy/image""#)),
    );
    assert_eq!(device_and_file_system(&facts), ("memory", "ext2"));
    let (facts, _) = judged(&["--mount"], &image("loop,ro", r#""$copy""#));
    assert_eq!(facts["read_only"], true);
}

#[test]
fn key_pair_files_are_refused_by_the_real_place_of_their_folder() {
    let table = Table::with_vault(&NAMES);
    std::fs::create_dir_all(table.at("synced/.stfolder")).unwrap();
    std::os::unix::fs::symlink(table.at("synced"), table.at("link")).unwrap();
    let export = "export --from folder:{server} --source-password-file {pfx-password} --pfx-password-file {pfx-password}";
    let said = table
        .run(&format!("{export} --to folder:{{link}}"))
        .ended_with(5);
    assert!(
        said.err.contains("no-shared-drive") && said.err.contains("Syncthing"),
        "{}",
        said.err
    );
    table
        .run(&format!(
            "{export} --to folder:{{link}} --accept no-shared-drive=test"
        ))
        .ended_with(0);
}

#[test]
fn where_one_of_two_sticks_refuses_a_server_is_added_on_the_other_and_the_end_says_so() {
    let table = Table::backed_up(&NAMES[..1]);
    table
        .run("copy --from {A} --to {B} --accept other-medium=test")
        .ended_with(9);
    table.stick("B");
    table
        .run("copy --from {A} --to {B} --accept other-medium=test")
        .ended_with(0);
    table
        .run("servers request {web.req} --server-name web --state {web}")
        .ended_with(0);
    let add = "servers add {web.req} --to {B} --to {A} --recovery-key-file {recovery} --yes --accept other-medium=test";
    let both = Mounted {
        before:
            r#"b=$stick/../B; for s in "$stick" "$b"; do mount --bind "$s" "$s"; mount -o remount,bind,ro "$s"; done"#
                .into(),
        after: ":",
    };
    both.run(&table, add).ended_with(1);
    let said = write_protected()
        .run(&table, &format!("{add} --answer {{answer.zip}} --json"))
        .ended_with(3);
    let missing = table.at("A").display().to_string();
    assert_eq!(said.json()["missing"], serde_json::json!([missing]));
    assert!(
        said.err.contains(&missing) && said.err.contains("copy --from"),
        "{}",
        said.err
    );
    let servers = |stick: &str| {
        table
            .run(&format!(
                "servers list {{{stick}}} --json --state {{nobody}}"
            ))
            .json()
    };
    assert_eq!(
        [servers("A"), servers("B")].map(|said| said["servers"].as_array().unwrap().len()),
        [1, 2]
    );
    table
        .run("copy --from {B} --to {A} --accept other-medium=test")
        .ended_with(0);
    assert_eq!(servers("A")["servers"].as_array().unwrap().len(), 2);
    let added = said.json()["servers"][0]["server"].clone();
    let web = added.as_str().unwrap();
    let retire = format!(
        "servers retire {web} --compromised --to {{B}} --to {{A}} --recovery-key-file {{recovery}} --yes"
    );
    let said = write_protected()
        .run(
            &table,
            &format!("{retire} --json --accept other-medium=test"),
        )
        .ended_with(3);
    assert_eq!(said.json()["missing"], serde_json::json!([missing]));
}

#[test]
fn what_is_inserted_is_found_by_its_label_or_without_being_named() {
    let table = Table::backed_up(&NAMES[..1]);
    std::fs::rename(table.at("A"), table.at("a")).unwrap();
    let a = Stick {
        files: "a",
        serial: "4C53",
        numbered: true,
    };
    let place = table.at("A").display().to_string();
    assert!(
        with_plugged(&table, &[], "verify")
            .ended_with(9)
            .err
            .contains("no USB stick with a vault is inserted")
    );
    assert!(
        with_plugged(&table, &[("A", a)], "verify")
            .ended_with(0)
            .out
            .contains(&place)
    );
    let label = table.run("media --json").json()["media"]
        .as_object()
        .unwrap()
        .values()
        .next()
        .unwrap()["label"]
        .clone();
    let named = format!("label:{}", label.as_str().unwrap().to_lowercase());
    with_plugged(&table, &[("A", a)], &format!("verify {named}")).ended_with(0);
    let facts = with_plugged(&table, &[("A", a)], &format!("audit {named} --json"))
        .ended_with(8)
        .json();
    assert_eq!(
        facts["media"][0]["facts"]["place"], place,
        "the stick, not the folder it was named in"
    );
    assert_eq!(facts["media"][0]["facts"]["device"], "removable");
    assert!(
        Command::new("cp")
            .arg("-a")
            .args([table.at("a"), table.at("b")])
            .status()
            .unwrap()
            .success()
    );
    let both = [
        ("A", a),
        (
            "B",
            Stick {
                files: "b",
                serial: "9999",
                numbered: true,
            },
        ),
    ];
    let said = with_plugged(&table, &both, &format!("verify {named}")).ended_with(2);
    assert!(says(&said.err, "error-two-of-a-label"), "{}", said.err);
}
