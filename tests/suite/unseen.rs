//! Names that others chose, on every screen: what could move the cursor, hide or turn the writing
//! around stands as a code.

use crate::common::Table;

/// Escape, right-to-left override, zero-width blank, left-to-right mark, bell.
const HOSTILE: &str = "x\u{1b}[2J\u{202e}\u{200b}\u{200e}\u{7}y";

fn is_harmful(c: char) -> bool {
    (c.is_control() && c != '\n') || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}')
}

#[test]
fn no_command_shows_what_cannot_be_seen_or_moves_the_cursor() {
    let table = Table::bare();
    table.serve("server", &["www.example.com"]);
    table.stick("A");
    table.stick("B");
    // A name of a file, of a server, of a stick, and what is no key pair.
    let folder = table.at("server");
    let pfx = folder.join("www.example.com.pfx");
    std::fs::rename(pfx, folder.join(format!("{HOSTILE}.pfx"))).unwrap();
    std::fs::write(folder.join(format!("{HOSTILE}.txt")), "no key").unwrap();
    std::fs::write(folder.join(format!("{HOSTILE}.pfx.pfx")), "no PFX").unwrap();
    std::fs::create_dir(table.at(HOSTILE)).unwrap();
    let mut lines: Vec<String> = vec![
        "create {A} --server-name NAME --passphrase-file {passphrase} --recovery-key-file {recovery} --accept other-medium=NAME".into(),
        "backup --from folder:{server} --source-password-file {pfx-password} --to {A} --accept other-medium=NAME".into(),
        "list --from folder:{server} --source-password-file {pfx-password}".into(),
        "restore --from {A} --passphrase-file {passphrase} --to folder:{out} --pfx-password-file {pfx-password} --yes".into(),
        "copy --from {A} --to {B} --accept other-medium=NAME".into(),
        "audit --scan {server} --accept other-medium=NAME".into(),
        "audit --scan {server} --html {page}".into(),
    ];
    for line in [
        "contents --from {A} --passphrase-file {passphrase}",
        "drill --from {A} --passphrase-file {passphrase}",
        "verify {A}",
        "status",
        "media list",
        "media retire NAME",
        "servers list {A}",
        "servers request NAME",
        "servers accept NAME",
        "servers join NAME",
        "servers retire NAME --to {A} --passphrase-file {passphrase}",
        "servers rename NAME --to {A} --passphrase-file {passphrase} --yes",
        "servers admit NAME --to {A} --passphrase-file {passphrase}",
        "retire NAME --server NAME --reason lost --to {A} --passphrase-file {passphrase}",
        "access list {A}",
        "access add NAME --to {A} --passphrase-file {passphrase}",
        "contents NAME --from {A} --passphrase-file {passphrase}",
        "restore NAME --from {A} --passphrase-file {passphrase} --to NAME",
        "verify NAME",
        "copy --from NAME --to NAME",
        "install NAME",
        "repair NAME",
        "undo NAME",
        "export --from NAME --to NAME",
        "request NAME",
        "list --from folder:NAME",
        "NAME",
        "--NAME",
        "verify --lang NAME",
        "completions NAME",
    ] {
        lines.push(line.into());
    }
    let mut escaped = 0;
    for language in ["en", "ja"] {
        for line in &lines {
            let mut command = table.command(&format!("{line} --lang {language}"));
            let words: Vec<String> = command
                .get_args()
                .map(|word| word.to_str().unwrap().replace("NAME", HOSTILE))
                .collect();
            command = std::process::Command::new(command.get_program());
            command
                .args(words)
                .env("LC_ALL", "C")
                .current_dir(table.at("."));
            let output = crate::common::output(command.stdin(std::process::Stdio::null()));
            for said in [output.stdout, output.stderr] {
                let said = String::from_utf8(said).unwrap();
                assert!(!said.contains(is_harmful), "{line}: {said:?}");
                escaped += usize::from(said.contains("<U+202E>"));
            }
        }
        let page = std::fs::read_to_string(table.at("page")).unwrap();
        assert!(!page.contains(is_harmful) && page.contains("&lt;U+202E&gt;"));
        std::fs::remove_file(table.at("page")).unwrap();
    }
    assert!(escaped > 30, "{escaped} of them showed the name");
}
