//! `report`: the whole shop on one page: servers, sticks and key pairs, what is due when, and when certificates end.

mod page;
mod shop;

use serde::Serialize;

use crate::cli::ReportArgs;
use crate::console::Table;
use crate::error::{Error, Exit, Result};
use crate::message::{Text, day};
use crate::session::report::FindingReport;
use crate::session::selection::of_each_server;
use crate::session::{HostStateView, Session, standing};
use crate::state::State;
use crate::text;
use crate::workflow::finding::{self, Finding};
use crate::workflow::{status, ways};
use vault::id::Number;
use vault::lines::day_of;

use self::shop::{OnStick, Shop, ShopPair, ShopServer, Stick};

/// What the page says, and how the command ends.
struct Found {
    shop: Shop,
    /// What needs attention on this server, as `status` finds it without looking at its key pairs.
    findings: Vec<Finding>,
    /// Why a server's backup cannot be read at all.
    lost: Vec<Text>,
    counts: Counts,
}

/// What is wrong in numbers.
#[derive(Default)]
struct Counts {
    pairs: usize,
    not_valid: usize,
    ends_soon: usize,
    too_few: usize,
    overdue: usize,
    doubts: usize,
}

/// The whole shop.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct ShopReport {
    /// When it was made.
    time: String,
    vault: String,
    servers: Vec<ServerReport>,
    media: Vec<StickReport>,
    /// What is to be done by when, the first first.
    due: Vec<DueReport>,
    /// What needs attention on this server.
    findings: Vec<FindingReport>,
    /// Why the backup of a server could not be read at all.
    lost: Vec<String>,
    /// The page that was written.
    html: Option<String>,
}

/// A server.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct ServerReport {
    server: String,
    server_name: String,
    generation: Option<u32>,
    time: Option<String>,
    due: Option<String>,
    /// Whether it may no longer write.
    retired: bool,
    doubts: Vec<String>,
    /// Those that count.
    key_pairs: Vec<PairReport>,
}

/// A key pair that counts.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct PairReport {
    name: String,
    thumbprint: String,
    not_after: String,
    standing: &'static str,
    /// The newest generation that holds it.
    generation: Option<u32>,
    /// Labels of the media that have it.
    media: Vec<String>,
    /// Labels of media of which that cannot be told, as they were not given.
    unknown: Vec<String>,
    /// Whether that is certainly less than there should be.
    too_few: bool,
}

/// A stick.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct StickReport {
    label: String,
    /// Where it is; nothing where it was not given.
    medium: Option<String>,
    kept_at: Option<String>,
    last_seen: Option<String>,
    last_verified: Option<String>,
    /// When it was last checked after it had been away.
    last_cold: Option<String>,
    /// Whether it is in use.
    in_use: bool,
}

/// Something to be done.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct DueReport {
    /// `backup`, `check`, `replace` or `drill`.
    id: &'static str,
    day: String,
    overdue: bool,
    text: String,
}

/// Runs the command.
pub(super) fn run(session: &Session<'_>, args: &ReportArgs) -> Result<Exit> {
    let known = session.memory();
    let found = match args.media.is_empty() && !session.secret_is_given() {
        true => from_memory(session, &known)?,
        false => from_media(session, &args.media, &known)?,
    };
    if let Some(path) = &args.html {
        page::write(session, &found, path)?;
    }
    let exit = found.exit();
    show(session, &found, args);
    session
        .console
        .document(exit, &found.document(session, args));
    Ok(exit)
}

fn from_memory(session: &Session<'_>, known: &HostStateView) -> Result<Found> {
    if let Some(text) = &known.unasked {
        return Err(Error::failed(text.clone()));
    }
    let Some(state) = &known.state else {
        return Err(Error::new(
            Exit::NoVault,
            text!("error-report-not-enrolled"),
        ));
    };
    let shop = Shop::remembered(state, session.now);
    Ok(Found::new(session, shop, Some(state), Vec::new()))
}

fn from_media(session: &Session<'_>, names: &[String], known: &HostStateView) -> Result<Found> {
    let media = session.vault_media_or_inserted(names)?;
    let opened = session.open(&media, known)?;
    let state = known.state.as_ref();
    let state = state.filter(|state| *state.vault() == opened.vault());
    let (mut backups, mut lost) = (Vec::new(), Vec::new());
    for backup in of_each_server(&opened) {
        match backup {
            Ok(backup) => backups.push(backup),
            Err(error) => lost.push(error.text),
        }
    }
    if backups.is_empty() && lost.is_empty() {
        return Err(opened.nothing_here());
    }
    let shop = Shop::of_media(&opened, &backups, &media, state);
    Ok(Found::new(session, shop, state, lost))
}

impl Found {
    fn new(session: &Session<'_>, shop: Shop, state: Option<&State>, lost: Vec<Text>) -> Self {
        let mut findings = Vec::new();
        if let Some(state) = state {
            findings = status::run(state, None, session.now);
            findings.extend(ways::findings(state, session.now));
            finding::mark(&mut findings, Some(state), session.now);
            findings.retain(Finding::is_alarm);
        }
        let counts = Counts::of(session, &shop);
        Self {
            shop,
            findings,
            lost,
            counts,
        }
    }

    fn exit(&self) -> Exit {
        match self.lost.is_empty() {
            false => Exit::Damaged,
            true if self.counts.is_calm() => finding::beside(&self.findings),
            true => Exit::Attention,
        }
    }

    fn verdict(&self) -> Text {
        let in_use = self.shop.sticks.iter().filter(|stick| stick.is_in_use());
        text!(
            "report-headline",
            servers = self.shop.servers.len(),
            pairs = self.counts.pairs,
            sticks = in_use.count()
        )
    }

    /// How all of it stands, in one sentence.
    fn standing(&self) -> Text {
        let counts = &self.counts;
        match self.exit() {
            Exit::Done => text!("report-good", soon = counts.ends_soon),
            _ => text!(
                "report-attention",
                not_valid = counts.not_valid,
                soon = counts.ends_soon,
                too_few = counts.too_few,
                overdue = counts.overdue,
                named = self.lost.len() + self.findings.len() + counts.doubts
            ),
        }
    }

    /// What a person must hear, server by server.
    fn doubts(&self) -> Vec<Text> {
        let mut doubts: Vec<Text> = self.lost.clone();
        doubts.extend(self.findings.iter().map(|finding| finding.text.clone()));
        for server in &self.shop.servers {
            for doubt in &server.doubts {
                let (server, doubt) = (server.name.as_str(), doubt.clone());
                doubts.push(text!("report-doubt", server = server, doubt = doubt));
            }
        }
        doubts
    }

    fn document(&self, session: &Session<'_>, args: &ReportArgs) -> ShopReport {
        let words = |text: &Text| session.console.words(text);
        let shop = &self.shop;
        let today = day_of(session.now);
        ShopReport {
            time: session.now.to_string(),
            vault: shop.vault.clone(),
            servers: (shop.servers.iter())
                .map(|server| server_report(session, shop, server))
                .collect(),
            media: shop.sticks.iter().map(StickReport::of).collect(),
            due: (shop.due.iter())
                .map(|due| DueReport {
                    id: due.id,
                    day: due.day.to_string(),
                    overdue: due.day < today,
                    text: words(&due.text),
                })
                .collect(),
            findings: FindingReport::of(session.console, &self.findings),
            lost: self.lost.iter().map(words).collect(),
            html: args.html.as_ref().map(|path| path.display().to_string()),
        }
    }
}

impl Counts {
    fn of(session: &Session<'_>, shop: &Shop) -> Self {
        let today = day_of(session.now);
        let mut counts = Self {
            overdue: shop.due.iter().filter(|due| due.day < today).count(),
            doubts: shop.servers.iter().map(|server| server.doubts.len()).sum(),
            ..Self::default()
        };
        for (server, pair) in shop.pairs() {
            counts.pairs += 1;
            // What is left of a server that is gone needs no renewal.
            let is_valid = standing::is_valid(pair.not_before, pair.not_after, session.now);
            counts.not_valid += usize::from(!is_valid && !server.is_closed);
            counts.too_few += usize::from(shop.is_on_too_few(pair));
            counts.ends_soon += usize::from(standing_of(session, pair) == "ends-soon");
        }
        counts
    }

    fn is_calm(&self) -> bool {
        self.not_valid + self.too_few + self.overdue + self.doubts == 0
    }
}

fn standing_of(session: &Session<'_>, pair: &ShopPair) -> &'static str {
    let left = standing::remaining(pair.not_before, pair.not_after, session.now);
    standing::id(left)
}

fn server_report(session: &Session<'_>, shop: &Shop, server: &ShopServer) -> ServerReport {
    let labels = |pair: &ShopPair, wanted: OnStick| {
        let on = shop.sticks.iter().zip(&pair.on);
        let on = on.filter(|(stick, on)| stick.is_in_use() && **on == wanted);
        on.map(|(stick, _)| stick.label.clone()).collect()
    };
    let mut key_pairs = Vec::new();
    for pair in &server.key_pairs {
        key_pairs.push(PairReport {
            name: pair.name.clone(),
            thumbprint: pair.thumbprint.clone(),
            not_after: pair.not_after.to_string(),
            standing: standing_of(session, pair),
            generation: pair.generation.map(Number::get),
            media: labels(pair, OnStick::Yes),
            unknown: labels(pair, OnStick::Unknown),
            too_few: shop.is_on_too_few(pair),
        });
    }
    let doubts = server
        .doubts
        .iter()
        .map(|doubt| session.console.words(doubt));
    ServerReport {
        server: server.server.to_string(),
        server_name: server.name.clone(),
        generation: server.newest.map(|(number, _)| number.get()),
        time: server.newest.map(|(_, time)| time.to_string()),
        due: server.due.map(|due| due.to_string()),
        retired: server.is_closed,
        doubts: doubts.collect(),
        key_pairs,
    }
}

impl StickReport {
    fn of(stick: &Stick) -> Self {
        let known = stick.known.as_ref();
        let when = |time: Option<jiff::Timestamp>| time.map(|time| time.to_string());
        Self {
            label: stick.label.clone(),
            medium: stick.here.as_ref().map(|(name, _)| name.clone()),
            kept_at: known.and_then(|seen| seen.place.clone()),
            last_seen: known.and_then(|seen| when(seen.last_seen)),
            last_verified: known.and_then(|seen| when(seen.last_verified)),
            last_cold: known.and_then(|seen| when(seen.last_cold)),
            in_use: stick.is_in_use(),
        }
    }
}

fn show(session: &Session<'_>, found: &Found, args: &ReportArgs) {
    let console = session.console;
    console.say(&found.verdict());
    match found.exit() {
        Exit::Done => console.say(&found.standing()),
        _ => console.warn(&found.standing()),
    }
    for line in found.doubts() {
        console.say(&text!("report-line", line = line));
    }
    console.table(&servers_table(session, &found.shop));
    if !found.shop.due.is_empty() {
        console.table(&due_table(session, &found.shop));
    }
    match &args.html {
        Some(path) => console.say(&text!("report-written", path = path.as_path())),
        None => console.mention(&text!("report-no-page")),
    }
}

fn servers_table(session: &Session<'_>, shop: &Shop) -> Table {
    let words = |text: Text| session.console.words(&text);
    let mut table = Table::new(vec![
        words(text!("column-server")),
        words(text!("column-newest")),
        words(text!("column-made")),
        words(text!("column-due")),
        words(text!("column-pairs")),
    ]);
    for server in &shop.servers {
        let none = || words(text!("cell-none"));
        table.row(vec![
            format!("{} ({})", server.name, server.server),
            server
                .newest
                .map_or_else(none, |(number, _)| number.to_string()),
            server.newest.map_or_else(none, |(_, time)| day(time)),
            match server.due {
                Some(due) => due.to_string(),
                None if server.is_closed => words(text!("cell-retired")),
                None => none(),
            },
            server.key_pairs.len().to_string(),
        ]);
    }
    table
}

/// What is to be done by when.
fn due_table(session: &Session<'_>, shop: &Shop) -> Table {
    let words = |text: &Text| session.console.words(text);
    let today = day_of(session.now);
    let mut table = Table::new(vec![
        words(&text!("column-due")),
        words(&text!("column-what")),
    ]);
    for due in &shop.due {
        let by = due.day.to_string();
        let by = match due.day < today {
            true => words(&text!("cell-overdue", day = by)),
            false => by,
        };
        table.row(vec![by, words(&due.text)]);
    }
    table
}
