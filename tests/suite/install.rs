//! `request` and `install` as a user types them. On Linux there is no certificate store, so only
//! what comes before it is shown here; the rest is in tests/two_servers.rs and, with a server in
//! memory, beside the code.

use std::fs;

use crate::common::Table;
use pfxvault::keypair::throwaway::{Authority, KeyKind};

/// The id of the error that a line ends with.
fn fails(table: &Table, line: &str, code: i32) -> String {
    let document = table.run(&format!("{line} --json")).ended_with(code).json();
    document["error"]["id"].as_str().unwrap().to_owned()
}

#[test]
fn an_answer_that_holds_no_certificate_is_told_from_one_that_was_cut_off() {
    let table = Table::bare();
    let now = jiff::Timestamp::now();
    let pair = Authority::new("Test", now)
        .unwrap()
        .issue(&["www.example.com"], KeyKind::P256, now)
        .unwrap();
    let base64 = data_encoding::BASE64.encode(pair.leaf().der());
    for (text, id, code) in [
        (
            "Dear customer\n\nsee the attachment\n".to_owned(),
            "error-answer-none",
            1,
        ),
        (
            format!("[PKCS7 File]\n{}\n", &base64[..base64.len() - 8]),
            "error-answer-damaged",
            1,
        ),
        // It is found; only the server is not one.
        (
            format!("Hello\n\n[PKCS7 File]\n{base64}\n\nRegards\n"),
            "error-no-iis",
            2,
        ),
    ] {
        fs::write(table.at("answer.txt"), text).unwrap();
        assert_eq!(fails(&table, "install {answer.txt}", code), id);
    }
    assert_eq!(
        fails(&table, "install {nowhere.txt}", 1),
        "error-source-unreadable"
    );
}

#[test]
fn a_request_for_what_is_no_host_name_is_refused_and_nothing_is_written() {
    let table = Table::bare();
    for name in ["www", "192.0.2.1", "例_え.jp", "a..example.com"] {
        assert_eq!(
            fails(&table, &format!("request {name} --out {{request.txt}}"), 2),
            "error-host-name",
            "{name}"
        );
    }
    for subject in [
        "--country JPN".to_owned(),
        "--country 日本".into(),
        format!("--organization {}", "x".repeat(65)),
    ] {
        let line = format!("request www.example.com --out {{request.txt}} {subject}");
        assert_eq!(fails(&table, &line, 2), "error-subject", "{subject}");
    }
    assert_eq!(
        fails(
            &table,
            "request www.example.com --out {request.txt} --country jp",
            2
        ),
        "error-no-iis"
    );
    assert!(!table.at("request.txt").exists());
}

#[test]
fn the_csr_of_another_request_is_never_overwritten() {
    let table = Table::bare();
    fs::write(table.at("request.txt"), "the first").unwrap();
    assert_eq!(
        fails(&table, "request www.example.com --out {request.txt}", 2),
        "error-request-exists"
    );
    assert_eq!(
        fs::read_to_string(table.at("request.txt")).unwrap(),
        "the first"
    );
}

#[test]
fn wishes_for_a_binding_need_a_site_and_contradict_no_bind() {
    let table = Table::bare();
    fs::write(table.at("answer.txt"), "").unwrap();
    for (line, id) in [
        ("install {answer.txt} --sni", "error-missing-argument"),
        (
            "install {answer.txt} --ip 192.0.2.1",
            "error-missing-argument",
        ),
        ("install {answer.txt} --no-bind --site Shop", "error-usage"),
        ("install {answer.txt} --store root", "error-invalid-value"),
        (
            "install {answer.txt} --site Shop --ip nowhere",
            "error-usage",
        ),
        ("install", "error-missing-argument"),
    ] {
        assert_eq!(fails(&table, line, 2), id, "{line}");
    }
    assert_eq!(
        fails(
            &table,
            "install {answer.txt} --site Shop --sni --ip 192.0.2.1",
            1
        ),
        "error-answer-none"
    );
}
