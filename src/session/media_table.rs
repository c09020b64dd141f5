//! The media this server knows, as a table.

use crate::console::Table;
use crate::message::day;
use crate::session::Session;
use crate::state::State;
use crate::text;
use vault::catalog::Retired;
use vault::id::Number;

/// Every medium ever seen.
pub fn media_table(session: &Session<'_>, state: &State) -> Table {
    let words = |text| session.console.words(&text);
    let mut table = Table::new(vec![
        words(text!("column-label")),
        words(text!("column-kept-at")),
        words(text!("column-newest")),
        words(text!("column-seen")),
        words(text!("column-verified")),
        words(text!("column-cold")),
    ]);
    let own = state.server();
    let when = |time: Option<jiff::Timestamp>| time.map_or_else(|| words(text!("cell-never")), day);
    for seen in state.media().values() {
        let newest = seen
            .newest
            .get(&own)
            .map_or_else(|| words(text!("cell-none")), Number::to_string);
        let place = match seen.retired {
            None => seen.place.clone().unwrap_or_default(),
            Some(Retired { lost: true, .. }) => words(text!("cell-lost")),
            Some(Retired { lost: false, .. }) => words(text!("cell-retired")),
        };
        let label = seen.label.clone();
        table.row(vec![
            label,
            place,
            newest,
            when(seen.last_seen),
            when(seen.last_verified),
            when(seen.last_cold),
        ]);
    }
    table
}
