//! Passphrases from different keyboards, systems and files: the same words open the vault.

use crate::common::{PASSPHRASE, Table, says};
use secret::Passphrase;
use vault::seal;

const CREATE: &str = "create {B} --state {fresh} --passphrase-file {new} --recovery-key-file {key} --accept other-medium=test";

/// Whether a passphrase from a file of these bytes opens the vault on stick A.
fn opens(table: &Table, bytes: &[u8]) -> bool {
    std::fs::write(table.secret_file("typed", ""), bytes).unwrap();
    match table.run("contents --from {A} --state {none} --passphrase-file {typed}") {
        said if says(&said.err, "error-vault-empty") => true,
        said => {
            assert_eq!(said.code, 6, "{}", said.err);
            false
        }
    }
}

/// Adds a way in that is sealed with exactly this passphrase, as earlier versions did.
fn seal_as_typed(table: &Table, number: usize, passphrase: &str) {
    let owner = table.at("A/PFXVAULT/A/OWNER");
    let sealed = std::fs::read(owner.join("IDENTITY.AGE")).unwrap();
    let known = Passphrase::new(PASSPHRASE.to_owned());
    let identity = seal::open_with_passphrase(&known, &sealed).unwrap();
    let typed = Passphrase::new(passphrase.to_owned());
    let sealed = seal::seal_with_passphrase(&typed, identity.expose()).unwrap();
    std::fs::write(owner.join(format!("IDENT{number:03}.AGE")), sealed).unwrap();
}

#[test]
fn what_a_keyboard_or_a_file_makes_of_the_words_opens_the_vault() {
    let table = Table::with_vault(&[]);
    let utf_16 = |text: &str| -> Vec<u8> {
        let units = "\u{feff}".encode_utf16().chain(text.encode_utf16());
        units.flat_map(u16::to_le_bytes).collect()
    };
    for bytes in [
        format!("\u{feff}{PASSPHRASE}\r\nsecond line").into_bytes(),
        format!("  {}  \t\n", PASSPHRASE.replace(' ', "\u{3000}")).into_bytes(),
        PASSPHRASE.replace("ten", "ｔｅｎ").into_bytes(),
        PASSPHRASE.replace("ten", "Ten").into_bytes(),
        PASSPHRASE.to_uppercase().into_bytes(),
        utf_16(&format!("{PASSPHRASE}\r\n")),
    ] {
        let shown = String::from_utf8_lossy(&bytes).into_owned();
        assert!(opens(&table, &bytes), "{shown}");
    }
    assert!(!opens(&table, b"ten words but not these"));
}

#[test]
fn a_vault_of_an_earlier_version_opens_with_the_passphrase_as_it_was_sealed() {
    let table = Table::with_vault(&[]);
    for (number, sealed, typed) in [
        (3, "ｗｉｄｅ  合言葉", "ｗｉｄｅ  合言葉"),
        (4, "cafe\u{301} apart", "caf\u{e9} apart"),
        (5, "x", "x"),
    ] {
        seal_as_typed(&table, number, sealed);
        assert!(opens(&table, typed.as_bytes()), "{typed}");
    }
}

#[test]
fn what_is_not_good_enough_is_refused_also_from_a_file_and_nothing_is_made() {
    let table = Table::bare();
    table.stick("B");
    for (bytes, id) in [
        ("   \n", "error-unfit-passphrase"),
        ("x\n", "error-unfit-passphrase"),
        ("alpha\0bravo charlie delta\n", "error-unfit-passphrase"),
        ("passwordpassword\n", "error-unfit-passphrase"),
    ] {
        std::fs::write(table.secret_file("new", ""), bytes).unwrap();
        let said = table.run(CREATE).ended_with(2);
        assert!(says(&said.err, id), "{}", said.err);
        assert!(!table.at("B/PFXVAULT").exists() && !table.at("key").exists());
    }
    std::fs::write(
        table.secret_file("new", ""),
        "ｃorrect  horse battery staple\n",
    )
    .unwrap();
    let said = table.run(CREATE).ended_with(0);
    for id in ["changed-width", "changed-blanks"] {
        assert!(says(&said.out, id), "{}", said.out);
    }
    assert!(!said.out.contains("correct"), "{}", said.out);
    let short = "access add passphrase --to {B} --state {fresh} --recovery-key-file {key} --new-passphrase-file {short} --accept other-medium=test";
    table.secret_file("short", "short");
    assert!(says(
        &table.run(short).ended_with(2).err,
        "error-unfit-passphrase"
    ));
}
