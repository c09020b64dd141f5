//! Questions on a real terminal: what is shown, what is asked, and that no secret is echoed.

use crate::common::{BACKUP, PASSPHRASE, RESTORE, Table, held};
use pfx::Profile;
use pfxvault::keypair::throwaway::{Authority, KeyKind};
use pfxvault::keystore::{Destination, NamedKeyPair, Writing};
use rexpect::session::PtySession;
use secret::Password;
use vault::identity::RecoveryKey;

const MILLISECONDS: Option<u64> = Some(300_000);

/// Starts the program on a terminal of its own; a shell around it tells how it ended.
fn start(table: &Table, line: &str) -> PtySession {
    start_on("dumb", table, line)
}

/// The same on a terminal of this kind.
fn start_on(terminal: &str, table: &Table, line: &str) -> PtySession {
    let program = table.command(line);
    let mut shell = std::process::Command::new("sh");
    shell
        .args([
            "-c",
            "stty echo; LC_ALL=C \"$0\" \"$@\"; echo \"ended with $?\"",
        ])
        .env("TERM", terminal)
        .arg(program.get_program())
        .args(program.get_args());
    rexpect::session::spawn_command(shell, MILLISECONDS).unwrap()
}

/// The terminal is read byte by byte, whatever these mean.
fn as_read(text: &str) -> String {
    text.bytes().map(char::from).collect()
}

/// Waits for the end; the exit code, and everything said since the last expectation.
fn finish(mut session: PtySession) -> (i32, String) {
    let said = session.exp_eof().unwrap();
    let code = said
        .rsplit("ended with ")
        .next()
        .unwrap()
        .trim()
        .parse()
        .unwrap_or_else(|_| panic!("{said}"));
    (code, said)
}

/// The numbered parts of a secret that is shown to be written down.
fn written_down(shown: &str) -> Vec<String> {
    let is_number = |word: &&str| word.bytes().all(|b| b.is_ascii_digit());
    let rows = shown.lines().filter(|line| line.starts_with("  "));
    let words: Vec<&str> = rows.flat_map(str::split_whitespace).collect();
    let numbered = words.chunks(2).filter(|pair| is_number(&pair[0]));
    numbered.map(|pair| pair[1].to_owned()).collect()
}

/// The rows of a recovery key that is shown to be written down: each with its check.
fn written_rows(shown: &str) -> Vec<[String; 2]> {
    let is_number = |word: &str| word.bytes().all(|b| b.is_ascii_digit());
    let mut rows = Vec::new();
    for line in shown.lines().filter(|line| line.starts_with("  ")) {
        if let [number, row, check] = line.split_whitespace().collect::<Vec<_>>()[..]
            && is_number(number)
        {
            rows.push([row.to_owned(), check.to_owned()]);
        }
    }
    rows
}

/// Answers the three questions about what was written down, as a person reads it from paper.
fn answer_from_paper(session: &mut PtySession, question: &str, parts: &[String], asked: String) {
    let mut asked = asked;
    for more in (0..3).rev() {
        let number: usize = asked.split(' ').nth(2).unwrap().parse().unwrap();
        session.send_line(&parts[number - 1]).unwrap();
        if more > 0 {
            (_, asked) = session.exp_regex(question).unwrap();
        }
    }
}

const WORD: &str = "Type word [0-9]+ ";
const GROUP: &str = "Type group [0-9]+ ";

#[test]
fn a_first_backup_leads_through_everything() {
    let table = Table::bare();
    table.serve("server", &["www.example.com"]);
    table.stick("A");
    let mut session = start(
        &table,
        &BACKUP.replace(" --source-password-file {pfx-password}", ""),
    );
    session
        .exp_string("Password of www.example.com.pfx (Enter alone leaves it out): ")
        .unwrap();
    session.send_line(crate::common::PFX_PASSWORD).unwrap();
    session.exp_string("[Y/n] ").unwrap();
    session.send_line("").unwrap();
    session.exp_string("Your choice [1]").unwrap();
    session.send_line("").unwrap();
    let (shown, asked) = session.exp_regex(WORD).unwrap();
    let words = written_down(&shown);
    assert_eq!(words.len(), 10, "{shown}");
    assert!(shown.lines().all(|line| line.len() < 80), "{shown}");
    session.send_line("nothing").unwrap();
    session.exp_string("not the same").unwrap();
    session.exp_regex(WORD).unwrap();
    // Enter alone shows them again.
    session.send_line("").unwrap();
    session.exp_string(&words[9]).unwrap();
    session.exp_regex(WORD).unwrap();
    answer_from_paper(&mut session, WORD, &words, asked);
    let (shown, asked) = session.exp_regex(GROUP).unwrap();
    let rows = written_rows(&shown);
    let groups: Vec<String> = rows.iter().map(|[row, _]| row.clone()).collect();
    assert_eq!(groups.concat().len(), 74, "{shown}");
    answer_from_paper(&mut session, GROUP, &groups, asked);
    let (code, said) = finish(session);
    assert_eq!(code, 0, "{said}");
    table.secret_file("words", &words.join(" "));
    table
        .run("drill --from {A} --passphrase-file {words}")
        .ended_with(0);
    table.secret_file("recovery", &groups.concat());
    table
        .run("drill --from {A} --recovery-key-file {recovery}")
        .ended_with(0);
    // And from the paper, on a machine that knows nothing: the checks say whose vault it is.
    for language in ["en", "ja"] {
        let line = format!(
            "sheet --check --envelope --from {{A}} --state {{fresh}} --recovery-key --lang {language}"
        );
        let mut session = start(&table, &line);
        for (at, [row, check]) in rows.iter().enumerate() {
            session
                .exp_string(&as_read(&format!(" {}: ", at + 1)))
                .unwrap();
            if at == 4 {
                session
                    .send_line(&format!(
                        "{row} {}",
                        if check == "QQ" { "PP" } else { "QQ" }
                    ))
                    .unwrap();
                session.exp_string(&as_read(" 5: ")).unwrap();
            }
            session.send_line(&format!("{row} {check}")).unwrap();
        }
        let (code, said) = finish(session);
        assert_eq!(code, 0, "{said}");
        assert!(!said.contains(&rows[7][0]), "{said}");
        assert!(!said.contains("nothing says whose"), "{said}");
    }
}

#[test]
fn what_was_written_down_is_typed_back_with_a_clear_screen_and_leaves_none_behind() {
    let table = Table::bare();
    table.stick("A");
    let line = "create {A} --recovery-key-file {recovery} --accept other-medium=test";
    let mut session = start_on("xterm", &table, line);
    session.exp_string("Your choice [1]").unwrap();
    session.send_line("１").unwrap();
    let shown = session.exp_string("Press Enter when").unwrap();
    let words = written_down(&shown);
    session.send_line("").unwrap();
    let (cleared, asked) = session.exp_regex(WORD).unwrap();
    assert!(cleared.contains("\u{1b}[2J\u{1b}[3J"), "{cleared:?}");
    assert!(!cleared.contains(&words[0]), "{cleared:?}");
    answer_from_paper(&mut session, WORD, &words, asked);
    let (code, said) = finish(session);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("\u{1b}[2J\u{1b}[3J"), "{said:?}");
}

#[test]
fn a_passphrase_of_ones_own_is_judged_before_it_is_typed_again_and_there_is_a_way_back() {
    let table = Table::bare();
    table.stick("A");
    let line = "create {A} --recovery-key-file {recovery} --accept other-medium=test";
    let mut session = start(&table, line);
    for typed in ["3", "two", "２"] {
        session.exp_string("Your choice [1]").unwrap();
        session.send_line(typed).unwrap();
    }
    for (typed, reason) in [
        ("x", "too short"),
        ("passwordpassword", "among the first that are tried"),
        ("alpha\u{200b}bravo charlie delta", "U+200B"),
        // Too weak for who chose it: Enter alone instead of typing it again.
        ("pass 1234567890 abcdef", "a thousand computers need"),
    ] {
        session.exp_string("New passphrase").unwrap();
        session.send_line(typed).unwrap();
        session.exp_string(reason).unwrap();
    }
    session.exp_string("The same again").unwrap();
    session.send_line("").unwrap();
    // And back to the ten words, and here again.
    session.exp_string("New passphrase").unwrap();
    session.send_line("").unwrap();
    session.exp_string("Your choice [1]").unwrap();
    session.send_line("2").unwrap();
    session.exp_string("New passphrase").unwrap();
    session.send_line("ｃorrect horse  battery staple").unwrap();
    session.exp_string("became ordinary ones").unwrap();
    session.exp_string("one ordinary blank").unwrap();
    session.exp_string("[y/N] ").unwrap();
    session.send_line("y").unwrap();
    session
        .exp_string("    correct horse battery staple")
        .unwrap();
    for typed in [
        "Correct Horse battery staple",
        "Correct horse battery staple ",
    ] {
        session.exp_string("The same again").unwrap();
        session.send_line(typed).unwrap();
    }
    let (code, said) = finish(session);
    assert_eq!(code, 0, "{said}");
    table.secret_file("p", "correct horse battery staple");
    table
        .run("access list {A} --passphrase-file {p}")
        .ended_with(0);
    let opened = table.run("contents --from {A} --passphrase-file {p}");
    assert!(crate::common::says(&opened.err, "error-vault-empty"));
}

#[test]
fn a_recovery_key_is_typed_group_by_group_and_the_wrong_group_is_named() {
    let table = Table::backed_up(&["www.example.com"]);
    let key = table.recovery_key();
    let groups: Vec<&str> = (0..key.len())
        .step_by(6)
        .map(|at| &key[at..key.len().min(at + 6)])
        .collect();
    let other = if groups[4].starts_with('Q') { "P" } else { "Q" };
    let wrong = format!("{other}{}", &groups[4][1..]);
    let mut session = start(&table, "drill --from {A} --recovery-key");
    for (number, typed, said) in [
        (1, "AGE-SE", ""),
        (
            2,
            "CRET-B",
            "Character 6 of group 2 is one that is never used there",
        ),
        (2, "CRET", "4 were typed"),
        (2, "cret-k", ""),
        (3, "", "are still missing"),
        (3, groups[2], ""),
        (4, groups[3], ""),
        (5, wrong.as_str(), ""),
        (
            6,
            &groups[5..].join("  "),
            "one character of group 5 is wrong",
        ),
        (5, groups[4], ""),
    ] {
        session
            .exp_string(&format!("Recovery key from the envelope, group {number}: "))
            .unwrap();
        session.send_line(typed).unwrap();
        session.exp_string(said).unwrap();
    }
    let (code, said) = finish(session);
    assert_eq!(code, 0, "{said}");
}

#[test]
fn passwords_that_were_shown_are_cleared_from_the_screen_in_both_languages() {
    let table = Table::backed_up(&["www.example.com"]);
    for (language, words) in [
        ("en", "Press Enter when you have"),
        ("ja", "確認できたら Enter"),
    ] {
        let line = format!(
            "contents --from {{A}} --reveal-password --passphrase-file {{passphrase}} --lang {language}"
        );
        let mut session = start_on("xterm", &table, &line);
        let shown = session.exp_string(&as_read(words)).unwrap();
        assert!(shown.contains("www.example.com"), "{shown}");
        session.send_line("").unwrap();
        let (code, said) = finish(session);
        assert_eq!(code, 0, "{said}");
        assert!(said.contains("\u{1b}[2J\u{1b}[3J"), "{said:?}");
    }
}

#[test]
fn a_medium_that_asks_for_endless_work_never_makes_the_passphrase_wrong() {
    let table = Table::backed_up(&["www.example.com"]);
    for number in 3..14 {
        let path = table.at(&format!("A/PFXVAULT/A/OWNER/IDENT{number:03}.AGE"));
        let file =
            format!("age-encryption.org/v1\n-> scrypt AAAAAAAAAAAAAAAAAAAAAA 20\n{number}\n");
        std::fs::write(path, file).unwrap();
    }
    table.secret_file("other", "another passphrase than that one");
    let said = table.run("drill --from {A} --passphrase-file {other}");
    assert!(crate::common::says(&said.err, "error-not-all-tried"));
    said.ended_with(1);
    let right = "drill --from {A} --passphrase-file {passphrase}";
    assert_ne!(table.run(right).code, 1);
    for (answer, ended) in [("n", 1), ("y", 0)] {
        let mut session = start(&table, "drill --from {A}");
        session.exp_string("Passphrase of the vault: ").unwrap();
        session
            .send_line("another passphrase than that one")
            .unwrap();
        session.exp_string("Checking the passphrase").unwrap();
        session.exp_string("Go on?").unwrap();
        session.send_line(answer).unwrap();
        if answer == "y" {
            session.exp_string("does not open the vault").unwrap();
            session.exp_string("Passphrase of the vault: ").unwrap();
            session.send_line(PASSPHRASE).unwrap();
        }
        let (code, said) = finish(session);
        assert_eq!(code, ended, "{said}");
    }
}

/// As [`start`], with the modes of the terminal in the files `before` and `after`.
fn start_between_modes(table: &Table, line: &str) -> PtySession {
    let program = table.command(line);
    let mut shell = std::process::Command::new("sh");
    let around = "echo $$ > shell; stty echo; stty -a > before; LC_ALL=C \"$0\" \"$@\"; code=$?; stty -a > after; echo \"ended with $code\"";
    shell
        .args(["-c", around])
        .arg(program.get_program())
        .args(program.get_args())
        .current_dir(table.at("."));
    rexpect::session::spawn_command(shell, MILLISECONDS).unwrap()
}

#[track_caller]
fn terminal_is_as_before(table: &Table) {
    let modes = ["before", "after"].map(|file| std::fs::read_to_string(table.at(file)).unwrap());
    assert_eq!(modes[0], modes[1]);
}

#[test]
fn ctrl_c_at_a_question_says_what_was_done_and_leaves_the_terminal_as_it_was() {
    let table = Table::backed_up(&["www.example.com"]);
    let mut session = start_between_modes(&table, &RESTORE.replace(" --yes", ""));
    session.exp_string("[Y/n] ").unwrap();
    session.send("ye\u{3}").unwrap();
    session.flush().unwrap();
    let (code, said) = finish(session);
    assert_eq!(code, 130, "{said}");
    assert!(crate::common::says(&said, "prompt-interrupted"), "{said}");
    terminal_is_as_before(&table);
    assert!(!table.at("restored").exists());
}

#[test]
fn a_signal_of_another_process_leaves_the_terminal_as_it_was() {
    let table = Table::backed_up(&["www.example.com"]);
    for (signal, code) in [("TERM", 143), ("QUIT", 131)] {
        let mut session = start_between_modes(&table, "drill --from {A}");
        session.exp_string("Passphrase of the vault: ").unwrap();
        let shell = std::fs::read_to_string(table.at("shell")).unwrap();
        let listed = std::process::Command::new("pgrep")
            .args(["-P", shell.trim()])
            .output()
            .unwrap();
        let program = String::from_utf8(listed.stdout).unwrap();
        let mut kill = std::process::Command::new("kill");
        kill.args(["-s", signal, program.trim()]);
        assert!(kill.status().unwrap().success());
        let (ended, said) = finish(session);
        assert_eq!(ended, code, "{said}");
        terminal_is_as_before(&table);
    }
}

#[test]
fn a_passphrase_typed_on_a_terminal_opens_the_vault_and_is_not_echoed() {
    let table = Table::backed_up(&["www.example.com"]);
    let mut session = start(&table, "drill --from {A}");
    session.exp_string("Passphrase of the vault").unwrap();
    session.send_line(PASSPHRASE).unwrap();
    let (code, said) = finish(session);
    assert_eq!(code, 0, "{said}");
    assert!(!said.contains("nobody but the owner"), "{said}");
}

#[test]
fn a_password_that_is_set_is_typed_twice_and_must_agree() {
    let table = Table::backed_up(&["www.example.com"]);
    let mut session = start(
        &table,
        &RESTORE.replace(" --pfx-password-file {pfx-password} --yes", ""),
    );
    session.exp_string("[Y/n]").unwrap();
    session.send_line("y").unwrap();
    for second in ["something else", crate::common::PFX_PASSWORD] {
        session.exp_string("New password for the PFX").unwrap();
        session.send_line(crate::common::PFX_PASSWORD).unwrap();
        session.exp_string("The same again").unwrap();
        session.send_line(second).unwrap();
    }
    let (code, said) = finish(session);
    assert_eq!(code, 0, "{said}");
    assert!(!said.contains(crate::common::PFX_PASSWORD));
    assert_eq!(held(&table, "restored"), held(&table, "server"));
}

#[test]
fn no_is_an_answer_and_changes_nothing() {
    let table = Table::backed_up(&["www.example.com"]);
    let mut session = start(&table, &RESTORE.replace(" --yes", ""));
    session.exp_string("[Y/n]").unwrap();
    session.send_line("n").unwrap();
    let (code, said) = finish(session);
    assert_eq!(code, 2, "{said}");
    assert!(!table.at("restored").exists());
}

#[test]
fn what_was_typed_before_a_question_is_no_answer_to_it() {
    let table = Table::backed_up(&["www.example.com"]);
    let mut session = start(&table, &RESTORE.replace(" --yes", ""));
    session.send_line("y").unwrap();
    session.exp_string("Write these files? [Y/n] ").unwrap();
    session.send_line("n").unwrap();
    let (code, said) = finish(session);
    assert_eq!(code, 2, "{said}");
    assert!(!table.at("restored").exists());
}

#[test]
fn what_was_typed_before_a_secret_is_asked_for_is_no_part_of_it() {
    let table = Table::backed_up(&["www.example.com"]);
    let mut session = start(&table, "drill --from {A}");
    session.send("typed too early ").unwrap();
    session.flush().unwrap();
    session.exp_string("Passphrase of the vault: ").unwrap();
    session.send_line(PASSPHRASE).unwrap();
    let (code, said) = finish(session);
    assert_eq!(code, 0, "{said}");
}

#[test]
fn enter_alone_does_nothing_that_cannot_be_taken_back() {
    let table = Table::backed_up(&["www.example.com"]);
    table.run(RESTORE).ended_with(0);
    let before = crate::common::tree(&table.at("restored"));
    let replacing = RESTORE.replace(" --yes", " --force");
    let server = pfxvault::platform::media::host_name();
    let retiring = format!(
        "servers retire {server} --to {{A}} --recovery-key-file {{recovery}} --accept other-medium=test"
    );
    for line in ["media retire A", &retiring, &replacing] {
        let mut session = start(&table, line);
        session.exp_string("[y/N] ").unwrap();
        session.send_line("").unwrap();
        let (code, said) = finish(session);
        assert_eq!(code, 2, "{line}: {said}");
    }
    assert!(
        !table
            .run("media list")
            .ended_with(0)
            .out
            .contains("out of use")
    );
    assert_eq!(crate::common::tree(&table.at("restored")), before);
}

#[test]
fn an_answer_that_is_none_is_asked_for_again() {
    let table = Table::backed_up(&["www.example.com"]);
    for (language, words, again) in [
        ("en", "ｙ", "Please answer y (yes) or n (no)"),
        ("ja", "はい", "y(はい)か n(いいえ)で"),
    ] {
        let mut session = start(&table, &format!("media retire A --lang {language}"));
        session.exp_string("[y/N] ").unwrap();
        session.send_line("maybe").unwrap();
        session.exp_string(&as_read(again)).unwrap();
        session.exp_string("[y/N] ").unwrap();
        session.send_line(words).unwrap();
        let (code, said) = finish(session);
        assert_eq!(code, 0, "{said}");
    }
}

#[test]
fn a_number_that_is_none_of_those_shown_is_asked_for_again() {
    let table = Table::bare();
    let mut session = start(&table, "--lang en");
    session.exp_string("Your choice [1]: ").unwrap();
    session.send_line("99").unwrap();
    session
        .exp_string("Please type one of the numbers shown")
        .unwrap();
    session.exp_string("Your choice [1]: ").unwrap();
    session.send_line("０").unwrap();
    assert_eq!(finish(session).0, 0);
}

#[test]
fn a_wrong_passphrase_is_asked_for_again_and_nothing_typed_meanwhile_is_shown() {
    let table = Table::backed_up(&["www.example.com"]);
    for (language, question, again) in [
        ("en", "Passphrase of the vault: ", "does not open the vault"),
        ("ja", "保管庫のパスフレーズ: ", "保管庫を開けません"),
    ] {
        let mut session = start(&table, &format!("drill --from {{A}} --lang {language}"));
        let (question, again) = (&as_read(question), &as_read(again));
        session.exp_string(question).unwrap();
        // Who noticed the mistake types on, while the first is still tried.
        session.send_line("wrong words").unwrap();
        session.send_line(PASSPHRASE).unwrap();
        let shown = session.exp_string(again).unwrap();
        assert!(!shown.contains(PASSPHRASE), "{shown}");
        session.exp_string(question).unwrap();
        session.send_line("wrong again").unwrap();
        session.exp_string(question).unwrap();
        session.send_line(PASSPHRASE).unwrap();
        let (code, said) = finish(session);
        assert_eq!(code, 0, "{said}");
    }
}

#[test]
fn a_secret_that_is_wrong_three_times_ends_the_run_and_is_never_to_be_typed_at_the_shell() {
    let table = Table::backed_up(&["www.example.com"]);
    let (other, key) = (RecoveryKey::generate().text(), table.recovery_key());
    for (line, question, wrong) in [
        ("drill --from {A}", "Passphrase of the vault: ", "wrong"),
        (
            "drill --from {A} --recovery-key",
            "Recovery key from the envelope, group 1: ",
            other.as_str(),
        ),
        (
            "drill --from {A} --recovery-key",
            "Recovery key from the envelope, group 1: ",
            &key[1..],
        ),
    ] {
        let mut session = start(&table, line);
        for _ in 0..3 {
            session.exp_string(question).unwrap();
            session.send_line(wrong).unwrap();
        }
        let (code, said) = finish(session);
        assert_eq!(code, 6, "{said}");
        let unwrapped = said
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
            .to_lowercase();
        assert!(unwrapped.contains("run the same command again"), "{said}");
        assert!(!said.contains("type it again"), "{said}");
    }
}

#[test]
fn a_recovery_key_with_a_typo_is_asked_for_again() {
    let table = Table::backed_up(&["www.example.com"]);
    let mut session = start(&table, "drill --from {A} --recovery-key");
    let key = table.recovery_key();
    for typed in [&key[1..], &key[..]] {
        session
            .exp_string("Recovery key from the envelope, group 1: ")
            .unwrap();
        session.send_line(typed).unwrap();
    }
    let (code, said) = finish(session);
    assert_eq!(code, 0, "{said}");
}

#[test]
fn a_wrong_source_password_is_asked_for_again() {
    let table = Table::bare();
    table.serve("server", &["www.example.com", "mail.example.com"]);
    let question = "Password of the 2 protected files (Enter alone leaves them out): ";
    for (wrong, last, code) in [(4, crate::common::PFX_PASSWORD, 0), (1, "", 6)] {
        let export =
            "export --from folder:{server} --to folder:{out} --pfx-password-file {pfx-password}";
        let mut session = start(&table, export);
        for _ in 0..wrong {
            session.exp_string(question).unwrap();
            session.send_line("wrong").unwrap();
        }
        session.exp_string(question).unwrap();
        session.send_line(last).unwrap();
        let (ended, said) = finish(session);
        assert_eq!(ended, code, "{said}");
        std::fs::remove_dir_all(table.at("out")).ok();
    }
}

#[test]
fn each_file_that_stays_shut_is_asked_for_by_its_name() {
    let table = Table::bare();
    table.serve("server", &["a.example.com", "b.example.com"]);
    for (name, password) in [
        ("c.example.com", "of c and d"),
        ("d.example.com", "of c and d"),
        ("e.example.com", "of e"),
        ("f.example.com", "of f"),
    ] {
        table.serve_with(password, "server", name);
    }
    let mut session = start(&table, "list --from folder:{server}");
    for (question, typed) in [
        (
            "Password of the 6 protected files",
            crate::common::PFX_PASSWORD,
        ),
        ("Password of c.example.com.pfx", "wrong"),
        ("Password of c.example.com.pfx", "of c and d"),
        ("Password of e.example.com.pfx", ""),
        ("Password of f.example.com.pfx", "of f"),
    ] {
        session.exp_string(question).unwrap();
        session.exp_string("): ").unwrap();
        session.send_line(typed).unwrap();
    }
    let (code, said) = finish(session);
    assert_eq!(code, 3, "{said}");
    assert!(
        said.contains("5 key pairs") && said.contains("e.example.com.pfx"),
        "{said}"
    );
}

#[test]
fn what_opens_without_a_password_is_there_also_after_three_wrong_ones() {
    let table = Table::bare();
    table.serve("server", &["www.example.com"]);
    let authority = Authority::new("Test", jiff::Timestamp::now()).unwrap();
    let pair = authority
        .issue(&["open.example.com"], KeyKind::P256, jiff::Timestamp::now())
        .unwrap();
    let password = Password::new(String::new());
    let writing = Writing {
        password: Some(&password),
        profile: Profile::Aes256,
        force: false,
    };
    let placed = NamedKeyPair {
        pair: &pair,
        file_names: &[],
        file_parts: None,
    };
    Destination::Folder(table.at("server"))
        .write(&[placed], &writing)
        .unwrap();
    let mut session = start(&table, "list --from folder:{server}");
    for typed in ["wrong", "wrong", "wrong", "wrong", ""] {
        session
            .exp_string("Password of www.example.com.pfx (Enter alone leaves it out): ")
            .unwrap();
        session.send_line(typed).unwrap();
    }
    let (code, said) = finish(session);
    assert_eq!(code, 3, "{said}");
    assert!(said.contains("open.example.com"), "{said}");
}

#[test]
fn ctrl_c_at_a_secret_ends_the_program_and_leaves_the_terminal_as_it_was() {
    let table = Table::backed_up(&["www.example.com"]);
    // The second is typed while the passphrase is tried.
    for typed in ["half of it\u{3}", &format!("{PASSPHRASE}\n\u{3}")] {
        let mut session = start_between_modes(&table, "drill --from {A}");
        session.exp_string("Passphrase of the vault: ").unwrap();
        session.send(typed).unwrap();
        session.flush().unwrap();
        let (code, said) = finish(session);
        assert_eq!(code, 130, "{said}");
        assert!(crate::common::says(&said, "prompt-interrupted"), "{said}");
        terminal_is_as_before(&table);
        assert!(!said.contains("restored in a rehearsal"), "{said}");
    }
}

#[test]
fn a_recovery_key_typed_from_paper_opens_the_vault() {
    let table = Table::backed_up(&["www.example.com"]);
    let mut session = start(&table, "drill --from {A} --recovery-key");
    session.exp_string("Recovery key").unwrap();
    let key = table.recovery_key().to_lowercase();
    session
        .send_line(&format!("{} {}", &key[..20], &key[20..]))
        .unwrap();
    let (code, said) = finish(session);
    assert_eq!(code, 0, "{said}");
    assert!(!said.to_lowercase().contains(&key[20..]));
}

#[test]
fn a_new_server_believes_the_vault_whose_fingerprint_is_typed_from_paper() {
    let table = Table::backed_up(&["www.example.com"]);
    table
        .run("servers request {web.req} --state {web}")
        .ended_with(0);
    let add = "servers add {web.req} --to {A} --recovery-key-file {recovery} --yes --accept other-medium=test";
    table.run(add).ended_with(0);
    let vault = table.run("servers list --json").ended_with(0).json()["vault"]
        .as_str()
        .unwrap()
        .to_owned();
    let mut session = start(&table, "servers accept {A} --state {web}");
    let shown = session.exp_string("Type the first 16 characters").unwrap();
    assert!(
        shown.contains(&vault[23..]) && !shown.contains(&vault[7..23]),
        "{shown}"
    );
    session.send_line(&vault[7..15]).unwrap();
    session.exp_string("Type the first 16 characters").unwrap();
    session.send_line(&vault[..23]).unwrap();
    let (code, said) = finish(session);
    assert_eq!(code, 0, "{said}");
}

#[test]
fn without_a_command_a_person_is_led_by_numbers_and_shown_the_command() {
    let table = Table::backed_up(&["www.example.com"]);
    let stick = table.at("A").display().to_string();
    let mut session = start(&table, "--lang en");
    let choose = |session: &mut PtySession, task: &str| {
        let shown = session.exp_regex("Your choice").unwrap().0;
        let row = shown
            .lines()
            .rev()
            .find(|row| row.contains(task))
            .unwrap_or_else(|| panic!("{task}: {shown}"));
        session
            .send_line(row.split_whitespace().next().unwrap())
            .unwrap();
    };
    choose(&mut session, "Check a USB stick");
    choose(&mut session, "another place");
    session.exp_string("Drive letter or folder").unwrap();
    session.send_line(&stick).unwrap();
    session
        .exp_string(&format!("pfxvault verify {stick}"))
        .unwrap();
    session.exp_string("1 generation").unwrap();
    choose(&mut session, "Rehearse a restore");
    choose(&mut session, "Back");
    choose(&mut session, "Rehearse a restore");
    choose(&mut session, "another place");
    session.exp_string("Drive letter or folder").unwrap();
    session.send_line("/nowhere at all").unwrap();
    session
        .exp_string("pfxvault drill --from \"/nowhere at all\"")
        .unwrap();
    session
        .exp_string("there is no stick at /nowhere at all")
        .unwrap();
    choose(&mut session, "Quit");
    let (code, said) = finish(session);
    assert_eq!(code, 9, "what the last command ended with: {said}");
}

/// The number by which a menu shows these words.
fn number_of(menu: &str, words: &str) -> String {
    let line = menu.lines().rev().find(|line| line.contains(words));
    let line = line.unwrap_or_else(|| panic!("{words} is not in {menu}"));
    line.split_whitespace().next().unwrap().to_owned()
}

#[test]
fn the_menu_leads_to_what_is_done_in_a_year_and_shows_the_whole_command() {
    let table = Table::backed_up(&["www.example.com"]);
    let mut session = start(&table, "--lang en");
    let menu = session.exp_string("Your choice [1]").unwrap();
    for words in [
        "Try the recovery key",
        "another recovery key",
        "is lost",
        "handling rules",
        "throw-away data",
        "what this server holds",
        "another USB stick for the vault",
        "Enrol this server",
    ] {
        number_of(&menu, words);
    }
    session
        .send_line(&number_of(&menu, "which key pairs a USB stick holds"))
        .unwrap();
    let media = session.exp_string("Your choice [1]").unwrap();
    session
        .send_line(&number_of(&media, "another place"))
        .unwrap();
    session.exp_string("Drive letter or folder").unwrap();
    let stick = table.at("A").display().to_string();
    session.send_line(&stick).unwrap();
    let (_, line) = session.exp_regex("The same as a command: [^\r]*").unwrap();
    let state = table.at("state").display().to_string();
    let whole = format!("pfxvault contents --from {stick} --lang en --state {state}");
    assert!(line.ends_with(&whole), "{line}");
    let said = session.exp_string("What next?").unwrap();
    assert!(said.contains("www.example.com"), "{said}");
    let menu = session.exp_string("Your choice [1]").unwrap();
    session
        .send_line(&number_of(&menu, "Show all commands"))
        .unwrap();
    session.exp_string("  selftest ").unwrap();
    let menu = session.exp_string("Your choice [1]").unwrap();
    // A paper, and the page of the whole shop, which only the passphrase opens.
    for (words, question, file) in [
        ("instruction sheet anew", "New file for it", "sheet.pdf"),
        (
            "all servers and USB sticks",
            "New file for a page",
            "shop.html",
        ),
    ] {
        session.send_line(&number_of(&menu, words)).unwrap();
        let media = session.exp_string("Your choice [1]").unwrap();
        session
            .send_line(&number_of(&media, "another place"))
            .unwrap();
        session.exp_string("Drive letter or folder").unwrap();
        session.send_line(&stick).unwrap();
        session.exp_string(question).unwrap();
        let file = table.at(file);
        session.send_line(&file.display().to_string()).unwrap();
        session
            .exp_string(&format!("{} --lang en", file.display()))
            .unwrap();
        if words.starts_with("all") {
            session.exp_string("Passphrase of the vault").unwrap();
            session.send_line(PASSPHRASE).unwrap();
        }
        session.exp_string("What next?").unwrap();
        session.exp_string("Your choice [1]").unwrap();
        assert!(file.exists(), "{words}");
    }
    session.send_line("0").unwrap();
    assert_eq!(finish(session).0, 8, "as the report ended");
}

/// The rows of a share that is shown to be written down: each with its check.
fn written_share(shown: &str) -> Vec<String> {
    let mut rows = Vec::new();
    for line in shown.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        if let [number, words @ ..] = words.as_slice()
            && words.len() == 4
            && number.parse() == Ok(rows.len() + 1)
        {
            rows.push(words.join(" "));
        }
    }
    rows
}

#[test]
fn shares_are_written_down_one_by_one_and_open_the_vault_typed_row_by_row_in_both_languages() {
    const ROW: &str = r"Type row (\d+) ";
    let table = Table::backed_up(&["www.example.com"]);
    let add =
        "access add shares:2/3 --to {A} --passphrase-file {passphrase} --accept other-medium=test";
    let mut session = start(&table, add);
    let mut papers = Vec::new();
    for share in 1..=3 {
        session
            .exp_string(&format!("This is share {share} of 3"))
            .unwrap();
        let (shown, mut asked) = session.exp_regex(ROW).unwrap();
        let rows = written_share(&shown);
        assert_eq!(rows.len(), 11, "{shown}");
        for answered in 1..=3 {
            let number: usize = asked.split(' ').nth(2).unwrap().parse().unwrap();
            let (words, check) = rows[number - 1].rsplit_once(' ').unwrap();
            let short: Vec<&str> = words.split(' ').map(|word| &word[..4]).collect();
            let typed = [format!("{words} {check}"), short.join(" ")];
            session.send_line(&typed[answered % 2]).unwrap();
            if answered < 3 {
                asked = session.exp_regex(ROW).unwrap().1;
            }
        }
        papers.push(rows);
    }
    assert_eq!(finish(session).0, 0);
    for language in ["en", "ja"] {
        let line = format!("drill --from {{A}} --shares --state {{fresh}} --lang {language}");
        let mut session = start(&table, &line);
        let row = |number: usize| {
            as_read(&match language {
                "en" => format!("row {number}: "),
                _ => format!(" {number} 行目: "),
            })
        };
        for (at, line) in papers[2].iter().enumerate() {
            session.exp_string(&row(at + 1)).unwrap();
            if at == 4 {
                let (words, check) = line.rsplit_once(' ').unwrap();
                let other = if check == "QQ" { "PP" } else { "QQ" };
                session.send_line(&format!("{words} {other}")).unwrap();
                session.exp_string(&row(5)).unwrap();
            }
            session.send_line(line).unwrap();
        }
        // The same paper again, a row that is short, then all of another one.
        session.exp_string(&row(1)).unwrap();
        session.send_line(&papers[2].join(" ")).unwrap();
        session.exp_string(&row(1)).unwrap();
        session.send_line("academic").unwrap();
        session.exp_string(&row(1)).unwrap();
        session.send_line(&papers[0].join(" ")).unwrap();
        let (code, said) = finish(session);
        assert_eq!(code, 0, "{said}");
        assert!(!said.contains(&papers[2][7]), "{said}");
        assert!(!said.contains("nothing says whose"), "{said}");
    }
}

#[test]
fn ctrl_c_and_typing_errors_end_the_typing_of_shares() {
    let table = Table::with_vault(&[]);
    let mut session = start(&table, "drill --from {A} --shares");
    session.exp_string("row 1: ").unwrap();
    session.send_control('c').unwrap();
    let (code, said) = finish(session);
    assert!(code != 0 && said.contains("Ctrl-C"), "{code} {said}");
    let mut session = start(&table, "drill --from {A} --shares");
    for typed in ["", "no such words", "academic academic"] {
        session.exp_string("row 1: ").unwrap();
        session.send_line(typed).unwrap();
    }
    let (code, said) = finish(session);
    assert_eq!(code, 6, "{said}");
}

#[test]
fn a_passphrase_is_changed_step_by_step_in_both_languages() {
    let words = [
        "every river finds another sea",
        "the mountain keeps its own counsel",
    ];
    let table = Table::backed_up(&["www.example.com"]);
    let mut old = std::fs::read_to_string(table.at("passphrase")).unwrap();
    for (language, new) in ["en", "ja"].into_iter().zip(words) {
        let line = "access change-passphrase --to {A} --accept other-medium=test --lang";
        let mut session = start(&table, &format!("{line} {language}"));
        session.exp_string(": ").unwrap();
        session.send_line(old.trim()).unwrap();
        session.exp_string("[1]").unwrap();
        session.send_line("2").unwrap();
        let [first, again] = match language {
            "en" => ["goes back): ", "choose another): "],
            _ => ["戻る): ", "選び直す): "],
        };
        for (question, typed) in [(first, new), (again, "not the same"), (again, new)] {
            session.exp_string(&as_read(question)).unwrap();
            session.send_line(typed).unwrap();
        }
        let (code, said) = finish(session);
        assert_eq!(code, 0, "{said}");
        assert!(
            said.contains("pfxvault create") && !said.contains(new),
            "{said}"
        );
        old = new.to_owned();
    }
    table.secret_file("new", &old);
    table
        .run("drill --from {A} --passphrase-file {new}")
        .ended_with(0);
}

#[test]
fn a_key_that_says_no_vault_is_used_only_once_somebody_compared_the_fingerprint() {
    let table = Table::backed_up(&["www.example.com"]);
    table.secret_file("bare", &table.recovery_key());
    for (answer, code) in [("", 7), ("y", 0)] {
        let line = "drill --from {A} --recovery-key-file {bare} --state {fresh}";
        let mut session = start(&table, line);
        session.exp_string("one on your paper? [y/N]").unwrap();
        session.send_line(answer).unwrap();
        let (ended, said) = finish(session);
        assert_eq!(ended, code, "{said}");
    }
}
