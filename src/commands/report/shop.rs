//! The whole shop as facts: every server, its key pairs that count, the sticks that have them, and what is due when.
//! From the media given, else from what this server remembers.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::civil::Date;

use crate::message::Text;
use crate::session::backup_report::not_here_text;
use crate::state::State;
use crate::text;
use crate::workflow::clock;
use crate::workflow::due;
use crate::workflow::server_backup::{HeldPair, NotHere, ServerBackup};
use crate::workflow::status::{DRILL_MONTHS, checked_since, due_day};
use crate::workflow::unlock::UnlockedVault;
use vault::catalog::{AboutKeyPair, Policy, SeenMedium};
use vault::counted::Standing;
use vault::id::{Hash, Number, ServerId};
use vault::lines::day_of;
use vault::medium::Medium;
use vault::survey::Generation;

/// All of it.
pub(super) struct Shop {
    pub(super) vault: String,
    pub(super) sticks: Vec<Stick>,
    pub(super) servers: Vec<ShopServer>,
    /// The first first.
    pub(super) due: Vec<Due>,
    /// How many sticks should have each key pair.
    pub(super) wanted: usize,
}

/// A stick that was given, or that this server remembers.
pub(super) struct Stick {
    pub(super) label: String,
    /// Its name on the command line and its place among the media, where it was given.
    pub(super) here: Option<(String, usize)>,
    pub(super) known: Option<SeenMedium>,
}

/// Whether a stick has a key pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OnStick {
    Yes,
    No,
    /// It is another server's, and the stick was not given.
    Unknown,
}

/// A server, and what counts of it.
pub(super) struct ShopServer {
    pub(super) server: ServerId,
    pub(super) name: String,
    pub(super) newest: Option<(Number, Timestamp)>,
    /// When the next backup is due; nothing where it may no longer write.
    pub(super) due: Option<Date>,
    pub(super) is_closed: bool,
    pub(super) key_pairs: Vec<ShopPair>,
    pub(super) doubts: Vec<Text>,
}

/// A key pair that counts.
pub(super) struct ShopPair {
    pub(super) name: String,
    pub(super) thumbprint: String,
    pub(super) not_before: Option<Timestamp>,
    pub(super) not_after: Timestamp,
    /// The newest generation that holds it.
    pub(super) generation: Option<Number>,
    /// One for each stick.
    pub(super) on: Vec<OnStick>,
}

/// Something to do, and the day by which.
pub(super) struct Due {
    pub(super) id: &'static str,
    pub(super) day: Date,
    pub(super) text: Text,
}

impl Stick {
    /// Whether what is on it counts as kept.
    pub(super) fn is_in_use(&self) -> bool {
        self.known
            .as_ref()
            .is_none_or(|seen| seen.retired.is_none())
    }
}

impl ShopPair {
    fn of(about: &AboutKeyPair, numbers: &BTreeSet<Number>, on: Vec<OnStick>) -> Self {
        Self {
            name: about.display_name().to_owned(),
            thumbprint: about.thumbprint.clone(),
            not_before: about.not_before,
            not_after: about.not_after,
            generation: numbers.last().copied(),
            on,
        }
    }

    /// One that counts and is on none of the media given.
    fn elsewhere(one: &NotHere, on: Vec<OnStick>) -> Self {
        Self {
            name: one.display_name().to_owned(),
            thumbprint: one.listed.thumbprint.clone(),
            not_before: None,
            not_after: one.listed.not_after,
            generation: one.listed.generations.iter().max().copied(),
            on,
        }
    }
}

impl Shop {
    /// What this server remembers: itself, and its sticks.
    pub(super) fn remembered(state: &State, now: Timestamp) -> Self {
        let mut shop = Self::of_sticks(state.vault().to_string(), &[], Some(state));
        shop.servers.push(own_server(state, &shop.sticks, now));
        shop.with_dates(Some(state), now)
    }

    /// What the media hold, and what this server remembers of its other sticks.
    pub(super) fn of_media(
        opened: &UnlockedVault<'_>,
        backups: &[ServerBackup<'_>],
        media: &[Medium],
        state: Option<&State>,
    ) -> Self {
        let mut shop = Self::of_sticks(opened.vault().to_string(), media, state);
        for backup in backups {
            let own = state.filter(|state| state.server() == backup.newest.record.server);
            let mut look = MediaLook {
                opened,
                own,
                sticks: &shop.sticks,
                whole: BTreeMap::new(),
            };
            let server = look.server(backup);
            shop.servers.push(server);
        }
        // These sticks may have nothing of this server.
        let is_missing =
            |state: &&State| shop.servers.iter().all(|one| one.server != state.server());
        if let Some(state) = state.filter(is_missing) {
            let own = own_server(state, &shop.sticks, opened.now);
            shop.servers.push(own);
        }
        shop.servers
            .sort_by(|one, other| (&one.name, one.server).cmp(&(&other.name, other.server)));
        shop.with_dates(state, opened.now)
    }

    /// The sticks that were given, in their order, then those remembered: in use, then out of use.
    fn of_sticks(vault: String, media: &[Medium], state: Option<&State>) -> Self {
        let mut remembered = state.map(|state| state.media().clone()).unwrap_or_default();
        let mut sticks = Vec::new();
        for (place, medium) in media.iter().enumerate().filter(|(_, one)| !one.is_parcel) {
            let label = medium.label();
            sticks.push(Stick {
                known: label
                    .as_ref()
                    .and_then(|label| remembered.remove(&label.medium)),
                label: label.map_or_else(|| medium.name.clone(), |label| label.label),
                here: Some((medium.name.clone(), place)),
            });
        }
        let mut others: Vec<SeenMedium> = remembered.into_values().collect();
        others.sort_by_key(|seen| (seen.retired.is_some(), seen.label.clone()));
        sticks.extend(others.into_iter().map(|seen| Stick {
            label: seen.label.clone(),
            here: None,
            known: Some(seen),
        }));
        Self {
            vault,
            sticks,
            servers: Vec::new(),
            due: Vec::new(),
            wanted: state.map_or_else(Policy::default, State::policy).min_media,
        }
    }

    fn with_dates(mut self, state: Option<&State>, now: Timestamp) -> Self {
        for server in &mut self.servers {
            let own = state.filter(|state| state.server() == server.server);
            let first = own.and_then(|state| due::first_day(state, now));
            if let (Some(day), Some(first)) = (server.due, first) {
                server.due = Some(day.min(first));
            }
            let text = text!("report-due-backup", server = server.name.as_str());
            self.due.extend(server.due.map(|day| Due {
                id: "backup",
                day,
                text,
            }));
        }
        if let Some(state) = state {
            let known = self.sticks.iter().filter(|stick| stick.is_in_use());
            for seen in known.filter_map(|stick| stick.known.as_ref()) {
                self.due.extend(due_of_stick(seen, state.policy()));
            }
            self.due.push(due_drill(state, now));
        }
        self.due.sort_by_key(|due| due.day);
        self
    }

    /// Every key pair that counts, with its server.
    pub(super) fn pairs(&self) -> impl Iterator<Item = (&ShopServer, &ShopPair)> {
        let servers = self.servers.iter();
        servers.flat_map(|server| server.key_pairs.iter().map(move |pair| (server, pair)))
    }

    /// Whether fewer sticks in use than wanted can have it.
    pub(super) fn is_on_too_few(&self, pair: &ShopPair) -> bool {
        let on = self.sticks.iter().zip(&pair.on);
        let perhaps = on.filter(|(stick, on)| stick.is_in_use() && **on != OnStick::No);
        perhaps.count() < self.wanted
    }
}

/// This server as it remembers itself.
fn own_server(state: &State, sticks: &[Stick], now: Timestamp) -> ShopServer {
    let newest = state.generations().next();
    let is_closed = state.trust.closing(state.server()).is_some();
    let mut key_pairs = Vec::new();
    for known in state.key_pairs(clock::trusted(now, state)) {
        if known.standing == Standing::Counts {
            let numbers = &known.pair.numbers;
            let on = sticks
                .iter()
                .map(|stick| as_remembered(stick, Some(state), numbers));
            key_pairs.push(ShopPair::of(known.pair.about, numbers, on.collect()));
        }
    }
    ShopServer {
        server: state.server(),
        name: state.server_name().to_owned(),
        newest: newest.map(|newest| (newest.number, newest.time)),
        due: newest
            .filter(|_| !is_closed)
            .map(|newest| due_day(newest.time, state.policy().verify_every)),
        is_closed,
        key_pairs,
        doubts: Vec::new(),
    }
}

/// Whether a stick that is not here has a key pair of one of these generations; only the server itself knows.
fn as_remembered(stick: &Stick, own: Option<&State>, numbers: &BTreeSet<Number>) -> OnStick {
    let (Some(state), Some(seen)) = (own, &stick.known) else {
        return OnStick::Unknown;
    };
    match numbers.iter().any(|number| state.is_on(seen, *number)) {
        true => OnStick::Yes,
        false => OnStick::No,
    }
}

/// A look at the media for one server.
struct MediaLook<'a, 'm> {
    opened: &'a UnlockedVault<'m>,
    /// Host state, where it is this server's.
    own: Option<&'a State>,
    sticks: &'a [Stick],
    /// Which generations are whole on which medium, as far as that was asked.
    whole: BTreeMap<(Hash, usize), bool>,
}

impl MediaLook<'_, '_> {
    fn server(&mut self, backup: &ServerBackup<'_>) -> ShopServer {
        let record = &backup.newest.record;
        let is_closed = self.opened.survey.trust.closing(record.server).is_some();
        let mut key_pairs = Vec::new();
        for held in &backup.key_pairs {
            let on = self.of_each_stick(backup, &held.numbers);
            key_pairs.push(ShopPair::of(held.about(), &held.numbers, on));
        }
        for one in &backup.not_here {
            let numbers = one.listed.generations.iter().copied().collect();
            key_pairs.push(ShopPair::elsewhere(
                one,
                self.of_each_stick(backup, &numbers),
            ));
        }
        let mut doubts = backup.doubts.clone();
        doubts.extend(backup.not_here.iter().map(not_here_text));
        doubts.extend(damaged(&backup.key_pairs));
        ShopServer {
            server: record.server,
            name: backup.server_name.clone(),
            newest: Some((record.number, record.time)),
            due: (!is_closed).then_some(record.due),
            is_closed,
            key_pairs,
            doubts,
        }
    }

    fn of_each_stick(
        &mut self,
        backup: &ServerBackup<'_>,
        numbers: &BTreeSet<Number>,
    ) -> Vec<OnStick> {
        let mut on = Vec::new();
        for stick in self.sticks {
            on.push(match &stick.here {
                None => as_remembered(stick, self.own, numbers),
                Some((_, place)) if self.has(*place, backup, numbers) => OnStick::Yes,
                Some(_) => OnStick::No,
            });
        }
        on
    }

    /// Whether a medium has any of these generations whole.
    fn has(&mut self, place: usize, backup: &ServerBackup<'_>, numbers: &BTreeSet<Number>) -> bool {
        let line = backup.line.iter().map(|(generation, _)| *generation);
        let mut holders = line.filter(|one| numbers.contains(&one.record.number));
        holders.any(|generation| self.is_whole(generation, place))
    }

    fn is_whole(&mut self, generation: &Generation, place: usize) -> bool {
        let survey = &self.opened.survey;
        *self
            .whole
            .entry((generation.hash, place))
            .or_insert_with(|| {
                survey.holds(generation, place, 0) || survey.holds(generation, place, 1)
            })
    }
}

/// What of a server's backup is on none of the media whole.
fn damaged(key_pairs: &[HeldPair<'_>]) -> Vec<Text> {
    let mut doubts = Vec::new();
    for held in key_pairs.iter().filter(|held| !held.is_here) {
        doubts.push(text!(
            "doubt-key-pair-damaged",
            name = held.about().display_name(),
            number = held.generation.record.number
        ));
    }
    doubts
}

/// When a stick is to be checked and when to be replaced.
fn due_of_stick(seen: &SeenMedium, policy: Policy) -> Vec<Due> {
    let label = seen.label.as_str();
    let mut due = Vec::new();
    due.extend(checked_since(seen).map(|time| Due {
        id: "check",
        day: due_day(time, policy.verify_every),
        text: text!("report-due-check", label = label),
    }));
    due.extend(seen.first_seen.map(|time| Due {
        id: "replace",
        day: due_day(time, policy.rewrite_after),
        text: text!("report-due-replace", label = label),
    }));
    due
}

fn due_drill(state: &State, now: Timestamp) -> Due {
    let mut drills = state.drills().iter().rev();
    let last = drills.find(|drill| drill.is_of_everything());
    Due {
        id: "drill",
        day: last.map_or_else(|| day_of(now), |last| due_day(last.time, DRILL_MONTHS)),
        text: match last {
            Some(_) => text!("report-due-drill"),
            None => text!("report-due-first-drill"),
        },
    }
}
