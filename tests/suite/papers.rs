//! The two papers: as text, HTML and PDF, in both languages, printed, scanned, photographed, and read
//! back; and what may not lie beside the vault.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::common::{Table, says};

const SHEET: &str = "sheet --from {A} --to";

fn ran(program: &str, arguments: &[&str], folder: &Path) -> String {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap_or_else(|error| panic!("{program}: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

/// A page as a printer puts it on paper: 300 dots to the inch.
fn printed(table: &Table, file: &str) -> PathBuf {
    let page = file.replace('.', "-");
    let arguments = ["-r", "300", "-gray", "-png", "-singlefile", file, &page];
    ran("pdftoppm", &arguments, table.folder.path());
    table.at(&format!("{page}.png"))
}

/// What zbar, which is none of ours, reads of a picture.
fn seen_by_zbar(picture: &Path) -> String {
    let path = picture.display().to_string();
    ran(
        "zbarimg",
        &["--quiet", "--raw", &path],
        picture.parent().unwrap(),
    )
}

/// A photograph: turned by seven degrees, out of focus, and with half of the light on one side.
fn photographed(picture: &Path) -> PathBuf {
    let file = std::io::BufReader::new(std::fs::File::open(picture).unwrap());
    let mut reader = png::Decoder::new(file).read_info().unwrap();
    let mut page = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut page).unwrap();
    let (width, height) = (info.width as usize, info.height as usize);
    let channels = info.line_size / width;
    let at = |x: f32, y: f32| match (x as usize, y as usize) {
        (x, y) if x < width && y < height => f32::from(page[(y * width + x) * channels]),
        _ => 235.0,
    };
    let ((sine, cosine), blur) = (7_f32.to_radians().sin_cos(), 1);
    let mut photograph = vec![0_u8; width * height];
    for (place, grey) in photograph.iter_mut().enumerate() {
        let (column, row) = ((place % width) as f32, (place / width) as f32);
        let (x, y) = (column - width as f32 / 2.0, row - height as f32 / 2.0);
        let x0 = x * cosine + y * sine + width as f32 / 2.0;
        let y0 = y * cosine - x * sine + height as f32 / 2.0;
        let mut sum = 0.0;
        for (dx, dy) in (-blur..=blur).flat_map(|dx| (-blur..=blur).map(move |dy| (dx, dy))) {
            sum += at((x0 + dx as f32).max(0.0), (y0 + dy as f32).max(0.0));
        }
        let light = 0.5 + 0.5 * column / width as f32;
        *grey = (sum / 9.0 * light) as u8;
    }
    let to = picture.with_extension("photograph.png");
    let file = std::fs::File::create(&to).unwrap();
    let mut encoder = png::Encoder::new(file, info.width, info.height);
    encoder.set_color(png::ColorType::Grayscale);
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(&photograph).unwrap();
    to
}

/// What a scanner makes of a page: a PDF around a picture.
fn scanned(table: &Table, file: &str) -> PathBuf {
    let page = file.replace('.', "-");
    let arguments = ["-r", "200", "-gray", "-jpeg", "-singlefile", file, &page];
    ran("pdftoppm", &arguments, table.folder.path());
    let picture = std::fs::read(table.at(&format!("{page}.jpg"))).unwrap();
    let scan = table.at(&format!("{page}-scan.pdf"));
    let parts = [
        &b"%PDF-1.4\n1 0 obj<</Filter/DCTDecode>>stream\n"[..],
        &picture,
        b"\nendstream\n%%EOF\n",
    ];
    std::fs::write(&scan, parts.concat()).unwrap();
    scan
}

/// The lines of an instruction sheet for programs.
fn is_sheet(text: &str) -> bool {
    text.contains("pfxvault-sheet v1") && text.contains("vault SHA256:")
}

#[test]
fn the_sheet_is_read_back_from_each_form_in_both_languages_and_holds_no_secret() {
    let table = Table::backed_up(&["www.example.com"]);
    for language in ["en", "ja"] {
        for form in ["pdf", "html", "txt"] {
            let file = format!("{language}.{form}");
            let line = format!("{SHEET} {{{file}}} --lang {language} --contact 03-0000-0000");
            let said = table.run(&line).ended_with(0);
            assert!(
                language == "ja" || says(&said.out, "sheet-done"),
                "{}",
                said.out
            );
            let bytes = std::fs::read(table.at(&file)).unwrap();
            let text = String::from_utf8_lossy(&bytes);
            assert!(!text.contains("AGE-SECRET-KEY-1"));
            assert!(form == "pdf" || text.contains("03-0000-0000"));
            let line = format!("sheet --check {{{file}}} --from {{A}} --json");
            let read = table.run(&line).ended_with(0).json();
            assert_eq!(read["envelope"], false);
            assert_eq!(read["behind"].as_array().unwrap().len(), 0);
        }
        let picture = printed(&table, &format!("{language}.pdf"));
        assert!(is_sheet(&seen_by_zbar(&picture)));
        let photograph = photographed(&picture);
        assert!(is_sheet(&seen_by_zbar(&photograph)));
        let scan = scanned(&table, &format!("{language}.pdf"));
        for picture in [picture, photograph, scan] {
            let said = table.run(&format!("sheet --check {} --from {{A}}", picture.display()));
            let said = said.ended_with(0);
            assert!(says(&said.out, "check-sheet-good"), "{}", said.out);
        }
    }
    let said = table.run("sheet --from {A}").ended_with(0);
    assert!(is_sheet(&said.out), "{}", said.out);
}

#[test]
fn the_words_of_a_pdf_can_be_selected_and_searched_in_both_languages() {
    let table = Table::backed_up(&["www.example.com"]);
    for (language, words) in [("en", "Instruction sheet"), ("ja", "手順書")] {
        let file = format!("{language}.pdf");
        table
            .run(&format!("{SHEET} {{{file}}} --lang {language}"))
            .ended_with(0);
        let text = ran("pdftotext", &[&file, "-"], table.folder.path());
        assert!(text.contains(words), "{text}");
        let fonts = ran("pdffonts", &[&file], table.folder.path());
        assert!(
            fonts
                .lines()
                .skip(2)
                .all(|font| font.contains(" yes yes yes ")),
            "{fonts}"
        );
        let pages = ran("pdfinfo", &[&file], table.folder.path());
        assert!(
            pages.contains("Pages:           1") && pages.contains("A4"),
            "{pages}"
        );
    }
}

#[test]
fn a_stick_that_is_older_than_the_sheet_is_named_and_so_is_another_vault() {
    let table = Table::backed_up(&["www.example.com"]);
    ran("cp", &["-a", "A", "older"], table.folder.path());
    table.serve("server", &["shop.example.com"]);
    table.run(crate::common::BACKUP).ended_with(0);
    table.run(&format!("{SHEET} {{sheet.pdf}}")).ended_with(0);
    let check = "sheet --check {sheet.pdf} --state {fresh}";
    table.run(&format!("{check} --from {{A}}")).ended_with(0);
    let said = table
        .run(&format!("{check} --from {{older}}"))
        .ended_with(8);
    assert!(says(&said.out, "check-sheet-behind"), "{}", said.out);
    let other = Table::with_vault_of_another(&["www.example.com"]);
    let sheet = table.at("sheet.pdf").display().to_string();
    for more in ["", " --state {fresh}"] {
        let said = other.run(&format!("sheet --check {sheet} --from {{A}}{more}"));
        let said = said.ended_with(7);
        assert!(
            says(&said.err, "error-sheet-of-other-vault"),
            "{}",
            said.err
        );
    }
}

#[test]
fn an_envelope_opens_the_vault_from_each_form_from_its_print_and_with_stock_age() {
    let table = Table::backed_up(&["www.example.com"]);
    let add = "access add recovery-key --to {A} --passphrase-file {passphrase} --accept other-medium=test";
    for (language, form) in [
        ("en", "txt"),
        ("ja", "txt"),
        ("en", "html"),
        ("ja", "html"),
        ("en", "pdf"),
        ("ja", "pdf"),
    ] {
        let file = format!("{language}.{form}");
        let line = format!("{add} --lang {language} --new-recovery-key-file {{{file}}}");
        table.run(&line).ended_with(0);
        table
            .run(&format!(
                "drill --from {{A}} --recovery-key-file {{{file}}} --state {{fresh}}"
            ))
            .ended_with(0);
        let said = table
            .run(&format!("sheet --check {{{file}}} --from {{A}}"))
            .ended_with(0);
        assert!(
            says(&said.out, "check-envelope-opened") && says(&said.out, "check-delete"),
            "{}",
            said.out
        );
        if form == "txt" {
            let number = if language == "en" { 3 } else { 4 };
            let identity = table.at(&format!("A/PFXVAULT/A/OWNER/IDENT00{number}.AGE"));
            let identity = identity.display().to_string();
            let opened = ran("age", &["-d", "-i", &file, &identity], table.folder.path());
            assert!(opened.starts_with("# pfxvault-identity v1\n"));
        }
        if form == "pdf" {
            let picture = printed(&table, &file);
            assert!(seen_by_zbar(&picture).contains("\nAGE-SECRET-KEY-1"));
            let photograph = photographed(&picture);
            assert!(seen_by_zbar(&photograph).contains("\nAGE-SECRET-KEY-1"));
            for picture in [picture, scanned(&table, &file)] {
                let picture = picture.display();
                table
                    .run(&format!(
                        "sheet --check {picture} --from {{A}} --state {{fresh}}"
                    ))
                    .ended_with(0);
            }
        }
    }
}

#[test]
fn shares_are_read_from_their_prints_and_scans() {
    let table = Table::backed_up(&["www.example.com"]);
    let files = "--new-share-file {1.pdf} --new-share-file {2.pdf}";
    let add =
        "access add shares:2/2 --to {A} --passphrase-file {passphrase} --accept other-medium=test";
    table.run(&format!("{add} {files} --lang ja")).ended_with(0);
    let first = printed(&table, "1.pdf");
    let said = seen_by_zbar(&first);
    let words = said.lines().nth(1).unwrap().split(' ').count();
    assert!(
        said.starts_with("# owner ssh-ed25519 ") && words == 33,
        "{said}"
    );
    let second = printed(&table, "2.pdf");
    for second in [second, scanned(&table, "2.pdf")] {
        for picture in [&first, &second] {
            std::fs::set_permissions(picture, Permissions::from_mode(0o600)).unwrap();
        }
        let (first, second) = (first.display(), second.display());
        let shares = format!("--share-file {first} --share-file {second}");
        table
            .run(&format!("drill --from {{A}} {shares} --state {{fresh}}"))
            .ended_with(0);
    }
}

#[test]
fn a_key_that_opens_no_vault_here_does_not_count_as_an_envelope() {
    let table = Table::backed_up(&["www.example.com"]);
    let other = Table::with_vault_of_another(&["www.example.com"]);
    let others = other.at("recovery").display().to_string();
    let said = table.run(&format!("sheet --check {others} --from {{A}}"));
    let said = said.ended_with(7);
    assert!(
        says(&said.err, "error-envelope-of-other-vault"),
        "{}",
        said.err
    );
    // One with a typing mistake is no stranger: the row is named.
    let page = std::fs::read_to_string(table.at("recovery")).unwrap();
    let key = table.recovery_key();
    let swapped = if key.as_bytes()[40] == b'Q' { "P" } else { "Q" };
    let wrong = format!("{}{swapped}{}", &key[..40], &key[41..]);
    table.secret_file("wrong", &page.replace(&key, &wrong));
    for line in ["sheet --check {wrong}", "drill --recovery-key-file {wrong}"] {
        let said = table.run(&format!("{line} --from {{A}}")).ended_with(6);
        assert!(
            says(&said.err, "error-recovery-key-in-file"),
            "{}",
            said.err
        );
        assert!(said.err.contains("row 7"), "{}", said.err);
    }
    // A page that says another vault than the one its key opens: somebody put another in its place.
    let page = std::fs::read_to_string(table.at("recovery")).unwrap();
    let others = std::fs::read_to_string(other.at("recovery")).unwrap();
    let owner = |page: &str| {
        page.lines()
            .find(|line| line.starts_with("# owner ssh-"))
            .unwrap()
            .to_owned()
    };
    table.secret_file("swapped", &page.replace(&owner(&page), &owner(&others)));
    let said = table.run("drill --from {A} --recovery-key-file {swapped} --state {fresh}");
    let said = said.ended_with(7);
    assert!(says(&said.err, "error-key-of-other-vault"), "{}", said.err);
    // A bare key says nothing of a vault, which is pointed out where nobody else knows.
    table.secret_file("bare", &table.recovery_key());
    let said = table.run("drill --from {A} --recovery-key-file {bare} --state {fresh}");
    assert!(says(&said.ended_with(0).out, "key-says-no-vault"));
    for (name, bytes) in [
        ("empty.png", &b"\x89PNG\r\n\x1a\n"[..]),
        ("none.pdf", b"%PDF-1.7"),
        ("none.txt", b"hello"),
    ] {
        std::fs::write(table.at(name), bytes).unwrap();
        let said = table
            .run(&format!("sheet --check {{{name}}} --from {{A}}"))
            .ended_with(1);
        assert!(says(&said.err, "error-no-paper"), "{}", said.err);
    }
}

#[test]
fn the_recovery_key_never_lies_beside_its_vault_unless_the_rule_is_named() {
    let table = Table::bare();
    table.stick("A");
    let create = "create {A} --passphrase-file {passphrase} --accept other-medium=test";
    let said = table.run(&format!("{create} --recovery-key-file {{A/key.pdf}}"));
    assert!(says(&said.ended_with(5).err, "error-envelope-beside-vault"));
    assert!(!table.at("A/key.pdf").exists() && !table.at("A/PFXVAULT").exists());
    table
        .run(&format!("{create} --recovery-key-file {{key.pdf}}"))
        .ended_with(0);
    let again = "sheet --envelope --from {A} --recovery-key-file {key.pdf} --to";
    std::fs::create_dir(table.at("A/deep")).unwrap();
    table
        .run(&format!("{again} {{A/deep/key.txt}}"))
        .ended_with(5);
    table
        .run(&format!(
            "{again} {{A/deep/key.txt}} --accept password-kept=test"
        ))
        .ended_with(0);
    table.run(&format!("{again} {{again.html}}")).ended_with(0);
    let said = table.run("sheet --envelope --from {A} --passphrase-file {passphrase} --to {x.pdf}");
    assert!(says(&said.ended_with(2).err, "error-envelope-needs-key"));
    // The sheet may: it is made to be found there.
    table
        .run("sheet --from {A} --to {A/SHEET.PDF}")
        .ended_with(0);
}

#[test]
fn a_name_that_the_fonts_of_a_pdf_do_not_have_is_named_and_html_shows_it() {
    let table = Table::backed_up(&["www.example.com"]);
    let line = |form: &str| format!("{SHEET} {{sheet.{form}}} --contact 髙﨑😀");
    let said = table.run(&line("pdf")).ended_with(2);
    assert!(
        says(&said.err, "error-paper") && said.err.contains("髙"),
        "{}",
        said.err
    );
    assert!(!table.at("sheet.pdf").exists());
    table.run(&line("html")).ended_with(0);
    let page = std::fs::read_to_string(table.at("sheet.html")).unwrap();
    assert!(page.contains("髙﨑😀"));
}

/// A stick from which nothing can be restored is not what the sheet knows, nor one that lacks what the
/// owner said since.
#[test]
fn a_stick_that_lost_its_files_or_statements_is_not_what_the_sheet_knows() {
    let table = Table::backed_up(&["www.example.com"]);
    ran("cp", &["-a", "A", "before"], table.folder.path());
    let more = "access add recovery-key --to {A} --new-recovery-key-file {more} --recovery-key-file {recovery} --accept other-medium=test";
    table.run(more).ended_with(0);
    table.run(&format!("{SHEET} {{sheet.txt}}")).ended_with(0);
    let check = "sheet --check {sheet.txt} --state {fresh} --from";
    table.run(&format!("{check} {{A}}")).ended_with(0);
    let said = table.run(&format!("{check} {{before}}")).ended_with(8);
    assert!(says(&said.out, "check-sheet-statements"), "{}", said.out);
    for (path, _) in crate::common::tree(&table.at("A")) {
        if path.ends_with("K0000001.AGE") {
            std::fs::remove_file(path).unwrap();
        }
    }
    let said = table.run(&format!("{check} {{A}}")).ended_with(8);
    assert!(says(&said.out, "check-sheet-behind"), "{}", said.out);
    // An envelope was asked for, and this is none.
    table
        .run(&format!("{check} {{A}} --envelope"))
        .ended_with(2);
    // The sheet of one vault does not list the sticks of another.
    let other = Table::with_vault_of_another(&["www.example.com"]);
    let stick = other.at("A").display().to_string();
    table.run(&format!("sheet --from {stick}")).ended_with(7);
}

/// Whichever secret opens it: what is pinned and another vault are told apart.
#[test]
fn a_fingerprint_that_is_given_is_held_to_with_every_secret() {
    let table = Table::backed_up(&["www.example.com"]);
    let vault = |name: &str| {
        let said = table.run(&format!("verify {{{name}}} --json")).json();
        said["vault"].as_str().unwrap().to_owned()
    };
    let right = vault("A");
    let wrong = format!("SHA256:{}", "A".repeat(43));
    table.secret_file("bare", &table.recovery_key());
    for secret in [
        "--passphrase-file {passphrase}",
        "--recovery-key-file {recovery}",
        "--recovery-key-file {bare}",
    ] {
        let drill = format!("drill --from {{A}} --state {{fresh}} {secret} --fingerprint");
        table.run(&format!("{drill} {right}")).ended_with(0);
        table.run(&format!("{drill} {wrong}")).ended_with(7);
    }
}
