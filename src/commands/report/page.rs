//! The report as one page to file or print.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::civil::Date;

use super::shop::{OnStick, Shop, ShopPair, ShopServer, Stick};
use super::{Found, due_table, servers_table};
use crate::console::{Page, Table};
use crate::error::{Error, Result};
use crate::message::{Text, UNREAD_END, day, local_day, moment, short};
use crate::platform::private_files;
use crate::session::{Session, standing};
use crate::text;

/// Months of the time line that have a line of their own.
const MONTHS: i32 = 13;
/// Key pairs that are named on one line of it.
const MOST_NAMED: usize = 12;
/// Sticks that have a column each; more stand in one.
const MOST_COLUMNS: usize = 6;

/// Writes the page to a new file that only its owner may read: it names what is where.
pub(super) fn write(session: &Session<'_>, found: &Found, path: &Path) -> Result<()> {
    let words = |text: Text| session.console.words(&text);
    let shop = &found.shop;
    let mut page = Page::new(
        &words(text!("page-language")),
        &words(text!("report-title")),
    );
    page.facts(&words(text!(
        "page-made",
        time = moment(session.now),
        version = env!("CARGO_PKG_VERSION"),
        vault = shop.vault.as_str()
    )));
    page.facts(&words(source(shop)));
    add_verdict(session, &mut page, found);
    page.section(&words(text!("report-page-due")));
    page.table(&due_table(session, shop));
    page.section(&words(text!("report-page-ends")));
    page.time_line(&time_line(session, shop));
    page.section(&words(text!("page-servers")));
    page.table(&servers_table(session, shop));
    page.section(&words(text!("report-page-pairs")));
    page.facts(&words(text!("report-legend")));
    for server in shop.servers.iter().filter(|one| !one.key_pairs.is_empty()) {
        page.part(&format!("{} ({})", server.name, server.server));
        page.table(&pairs_table(session, shop, server));
    }
    page.section(&words(text!("page-media")));
    page.table(&sticks_table(session, shop));
    page.section(&words(text!("page-signature")));
    page.paragraph(&words(text!("page-signature-line")));
    private_files::create_private(path, page.render().as_bytes())
        .map_err(|e| Error::failed(text!("error-page", path = path, reason = &e)))
}

/// What all of it was read from.
fn source(shop: &Shop) -> Text {
    let given: Vec<&str> = (shop.sticks.iter().filter(|stick| stick.here.is_some()))
        .map(|stick| stick.label.as_str())
        .collect();
    match given.is_empty() {
        true => text!("report-from-memory"),
        false => text!("report-from-media", media = given.join(", ")),
    }
}

/// How all of it stands, then what to look at, point by point.
fn add_verdict(session: &Session<'_>, page: &mut Page, found: &Found) {
    let words = |text: Text| session.console.words(&text);
    page.paragraph(&words(found.verdict()));
    page.paragraph(&words(found.standing()));
    let mut lines = Vec::new();
    for doubt in found.doubts() {
        lines.push(("attention", words(text!("level-attention")), words(doubt)));
    }
    page.marked(&lines);
}

/// When certificates end: what is over, a line for each month to come, and what ends later.
fn time_line(session: &Session<'_>, shop: &Shop) -> Vec<(String, usize, String)> {
    let words = |text: Text| session.console.words(&text);
    let today = local_day(session.now);
    let mut over = Vec::new();
    let mut months: BTreeMap<Date, Vec<String>> = BTreeMap::new();
    let mut later = Vec::new();
    for ahead in 0..MONTHS {
        months.insert(months_ahead(today, ahead), Vec::new());
    }
    let mut pairs: Vec<_> = shop.pairs().collect();
    pairs.sort_by_key(|(_, pair)| pair.not_after);
    for (server, pair) in pairs {
        let name = words(text!(
            "report-ends",
            name = pair.name.as_str(),
            server = server.name.as_str(),
            day = day(pair.not_after)
        ));
        let end = local_day(pair.not_after);
        match months.get_mut(&end.first_of_month()) {
            _ if pair.not_after < session.now => over.push(name),
            Some(month) if pair.not_after != UNREAD_END => month.push(name),
            _ => later.push(name),
        }
    }
    let mut lines = vec![line(session, words(text!("report-ended")), &over)];
    for (month, names) in months {
        lines.push(line(session, month.strftime("%Y-%m").to_string(), &names));
    }
    lines.push(line(session, words(text!("report-later")), &later));
    lines
}

fn months_ahead(today: Date, ahead: i32) -> Date {
    let span = jiff::Span::new().try_months(ahead).unwrap_or_default();
    today.first_of_month().saturating_add(span)
}

fn line(session: &Session<'_>, when: String, names: &[String]) -> (String, usize, String) {
    let first = names.iter().take(MOST_NAMED).cloned().collect::<Vec<_>>();
    let mut list = first.join(", ");
    if names.len() > MOST_NAMED {
        let more = text!(
            "report-and-more",
            names = list,
            count = names.len() - MOST_NAMED
        );
        list = session.console.words(&more);
    }
    (when, names.len(), list)
}

fn columns(shop: &Shop) -> Vec<(usize, &Stick)> {
    let sticks = shop.sticks.iter().enumerate();
    sticks.filter(|(_, stick)| stick.is_in_use()).collect()
}

/// The key pairs of a server against the sticks.
fn pairs_table(session: &Session<'_>, shop: &Shop, server: &ShopServer) -> Table {
    let words = |text: Text| session.console.words(&text);
    let sticks = columns(shop);
    let mut heading = vec![
        words(text!("column-key-pair")),
        words(text!("column-thumbprint")),
        words(text!("column-expires")),
        words(text!("column-generation")),
    ];
    match sticks.len() > MOST_COLUMNS {
        true => heading.push(words(text!("page-media"))),
        false => heading.extend(sticks.iter().map(|(_, stick)| stick.label.clone())),
    }
    let mut table = Table::new(heading);
    for pair in &server.key_pairs {
        let mut cells = vec![
            pair.name.clone(),
            short(&pair.thumbprint),
            standing::end_cell(session, pair.not_before, pair.not_after),
            pair.generation
                .map_or_else(String::new, |number| number.to_string()),
        ];
        cells.extend(on_sticks(session, shop, pair, &sticks));
        table.row(cells);
    }
    table
}

fn on_sticks(
    session: &Session<'_>,
    shop: &Shop,
    pair: &ShopPair,
    sticks: &[(usize, &Stick)],
) -> Vec<String> {
    let few = match shop.is_on_too_few(pair) {
        true => session.console.words(&text!("cell-too-few")),
        false => String::new(),
    };
    if sticks.len() > MOST_COLUMNS {
        let has = |(place, _): &&(usize, &Stick)| pair.on[*place] == OnStick::Yes;
        let on = sticks.iter().filter(has);
        let labels: Vec<&str> = on.map(|(_, stick)| stick.label.as_str()).collect();
        return vec![format!("{} {few}", labels.join(", ")).trim().to_owned()];
    }
    let mut cells = Vec::new();
    for (place, _) in sticks {
        cells.push(match pair.on[*place] {
            OnStick::Yes => "●".to_owned(),
            OnStick::No => format!("– {few}").trim_end().to_owned(),
            OnStick::Unknown => "?".to_owned(),
        });
    }
    cells
}

fn sticks_table(session: &Session<'_>, shop: &Shop) -> Table {
    let words = |text: Text| session.console.words(&text);
    let mut table = Table::new(vec![
        words(text!("column-label")),
        words(text!("column-kept-at")),
        words(text!("column-seen")),
        words(text!("column-verified")),
        words(text!("column-cold")),
    ]);
    for stick in &shop.sticks {
        let known = stick.known.as_ref();
        let when =
            |time: Option<jiff::Timestamp>| time.map_or_else(|| words(text!("cell-never")), day);
        let kept_at = match known.and_then(|seen| seen.retired) {
            Some(retired) if retired.lost => words(text!("cell-lost")),
            Some(_) => words(text!("cell-retired")),
            None => known
                .and_then(|seen| seen.place.clone())
                .unwrap_or_default(),
        };
        table.row(vec![
            stick.label.clone(),
            kept_at,
            when(known.and_then(|seen| seen.last_seen)),
            when(known.and_then(|seen| seen.last_verified)),
            when(known.and_then(|seen| seen.last_cold)),
        ]);
    }
    table
}
