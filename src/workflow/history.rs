//! What media show against each other and against what this server remembers of them: copies, older
//! copies, another device under a known name, a known device under another name, a server that was
//! set back. Most of it has an honest cause, so each is said with what to do, and none forbids a
//! restore.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::path::PathBuf;

use jiff::Timestamp;

use crate::message::{Text, day};
use crate::platform::media;
use crate::state::State;
use crate::text;
use crate::workflow::finding::{Finding, Level};
use vault::catalog::SeenMedium;
use vault::descriptor::Descriptor;
use vault::id::{GenerationId, Number, ServerId};
use vault::medium::Medium;
use vault::readme::Label;
use vault::survey::Survey;

/// A medium with the newest generation of each server on it.
type MediumContents<'m> = (&'m Medium, BTreeMap<ServerId, Number>);

fn attention(id: &'static str, text: Text) -> Finding {
    Finding::new(id, Level::Attention, text)
}

/// Media given together that carry one id: they count as one, and people take one for the other.
pub fn copies(media: &[MediumContents<'_>]) -> Vec<Finding> {
    let mut first: BTreeMap<String, usize> = BTreeMap::new();
    let mut findings = Vec::new();
    for (index, (medium, _)) in media.iter().enumerate() {
        let Some(label) = medium.label() else {
            continue;
        };
        let original = &media[*first.entry(label.medium.clone()).or_insert(index)];
        if place(original.0) != place(medium) {
            findings.push(attention(
                "copies",
                which_is_newer(&label.label, original, &media[index]),
            ));
        }
    }
    findings
}

fn place(medium: &Medium) -> Option<PathBuf> {
    medium.place().and_then(|place| place.canonicalize().ok())
}

fn which_is_newer(
    label: &str,
    (one, on_one): &MediumContents<'_>,
    (other, on_other): &MediumContents<'_>,
) -> Text {
    let (one, other) = (one.name.as_str(), other.name.as_str());
    match compare(on_one, on_other) {
        Some(Ordering::Greater) => text!(
            "found-copies-older",
            label = label,
            newer = one,
            older = other
        ),
        Some(Ordering::Less) => text!(
            "found-copies-older",
            label = label,
            newer = other,
            older = one
        ),
        Some(Ordering::Equal) => {
            text!("found-copies-same", label = label, one = one, other = other)
        }
        None => text!(
            "found-copies-apart",
            label = label,
            one = one,
            other = other
        ),
    }
}

/// Two different generations of one number.
pub fn fork(id: GenerationId) -> Finding {
    attention(
        "fork",
        text!(
            "found-fork",
            server = id.server.to_string(),
            number = id.number
        ),
    )
}

/// Which of two media holds more; `None` where each holds something newer than the other.
fn compare(
    one: &BTreeMap<ServerId, Number>,
    other: &BTreeMap<ServerId, Number>,
) -> Option<Ordering> {
    let orders = one
        .keys()
        .chain(other.keys())
        .map(|server| one.get(server).cmp(&other.get(server)));
    let mut orders: Vec<Ordering> = orders.filter(|order| order.is_ne()).collect();
    orders.sort();
    orders.dedup();
    match orders.as_slice() {
        [] => Some(Ordering::Equal),
        [order] => Some(*order),
        _ => None,
    }
}

/// Takes note that something on a medium was found damaged. What this server does not know it does
/// not begin to remember for that.
pub fn found_bad(state: &mut State, medium: &Medium, now: Timestamp) {
    if let Some(label) = medium.label()
        && state.media().contains_key(&label.medium)
    {
        state.medium(&label.medium).last_bad = Some(now);
    }
}

/// What is forgotten once a medium was written to, because this server then remembers it as it is.
pub fn news(survey: &Survey<'_>, state: &State) -> Vec<Finding> {
    let newest = |server| Some((server, survey.line(server).next()?.record.number));
    let newest: BTreeMap<ServerId, Number> =
        survey.servers().into_iter().filter_map(newest).collect();
    let mut findings = of_media(survey, state, &newest);
    findings.extend(of_this_server(survey, state, state.highest()));
    findings
}

/// Media against what this server remembers; `whole` is the newest whole generation of each server
/// on them.
pub fn of_media(
    survey: &Survey<'_>,
    state: &State,
    whole: &BTreeMap<ServerId, Number>,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    for medium in (0..survey.media_count())
        .map(|index| survey.medium(index))
        .filter(|medium| !medium.is_parcel)
    {
        let Some(label) = medium.label() else {
            continue;
        };
        let device = media::descriptor_of(medium);
        match state.media().get(&label.medium) {
            Some(seen) => {
                let here = whole_on(survey, &label.medium, whole);
                findings.extend(out_of_use(seen));
                findings.extend(rolled_back(&label.label, seen, &here));
                findings.extend(other_device(medium, &label.label, seen, &device));
            }
            None => findings.extend(same_label(state, medium, &label)),
        }
        findings.extend(remade(state, &medium.name, Some(&label), &device));
    }
    findings
}

/// That a medium was taken out of use and does not count, whatever is written to it.
fn out_of_use(seen: &SeenMedium) -> Option<Finding> {
    let (label, since) = (seen.label.as_str(), day(seen.retired?.time));
    let text = text!("found-out-of-use", label = label, since = since);
    Some(Finding::new("out-of-use", Level::Attention, text))
}

/// The newest generation of each server on a medium and on its copies, which carry its id and are
/// named as such; none newer than what is whole on all media together.
fn whole_on(
    survey: &Survey<'_>,
    id: &str,
    whole: &BTreeMap<ServerId, Number>,
) -> BTreeMap<ServerId, Number> {
    let mut here = BTreeMap::new();
    for index in 0..survey.media_count() {
        if survey
            .medium(index)
            .label()
            .is_none_or(|label| label.medium != id)
        {
            continue;
        }
        for (server, number) in survey.newest_on(index) {
            let newest = here.entry(server).or_insert(number);
            *newest = number.max(*newest);
        }
    }
    let at_most = |(server, number): (ServerId, Number)| {
        let whole = whole.get(&server)?;
        Some((server, number.min(*whole)))
    };
    here.into_iter().filter_map(at_most).collect()
}

fn rolled_back(label: &str, seen: &SeenMedium, here: &BTreeMap<ServerId, Number>) -> Vec<Finding> {
    let known = seen.newest.iter();
    let lost = known.filter_map(|(server, known)| {
        let here = here.get(server);
        let text = || {
            text!(
                "found-rolled-back",
                label = label,
                server = server.to_string(),
                here = here.map_or(0, |here| here.get()),
                known = *known
            )
        };
        (here < Some(known)).then(|| attention("rolled-back", text()))
    });
    lost.collect()
}

/// News is worth a look; a device that it was on before is most often a card in its other reader.
fn other_device(
    medium: &Medium,
    label: &str,
    seen: &SeenMedium,
    device: &Descriptor,
) -> Option<Finding> {
    let before = seen
        .devices
        .last()
        .filter(|before| before.differs_from(device))?;
    let known = seen.devices.iter().any(|known| !known.differs_from(device));
    let (medium, before, now) = (medium.name.as_str(), before.to_string(), device.to_string());
    let (level, text) = if known {
        (
            Level::Note,
            text!(
                "found-known-device",
                medium = medium,
                label = label,
                before = before,
                now = now
            ),
        )
    } else {
        (
            Level::Attention,
            text!(
                "found-other-device",
                medium = medium,
                label = label,
                before = before,
                now = now
            ),
        )
    };
    Some(Finding::new("other-device", level, text))
}

fn same_label(state: &State, medium: &Medium, label: &Label) -> Option<Finding> {
    let is_called = |seen: &SeenMedium| seen.label.to_lowercase() == label.label.to_lowercase();
    let known = state.media_in_use().any(is_called);
    let text = || {
        text!(
            "found-same-label",
            medium = medium.name.as_str(),
            label = label.label.as_str()
        )
    };
    known.then(|| Finding::new("same-label", Level::Note, text()))
}

/// A device that was another medium when it was last seen. Two media whose devices cannot be told
/// apart are not among them.
pub fn remade(
    state: &State,
    name: &str,
    label: Option<&Label>,
    device: &Descriptor,
) -> Option<Finding> {
    let was_on_it = |seen: &SeenMedium| {
        seen.devices
            .last()
            .is_some_and(|last| last.is_same_device(device))
    };
    if label
        .and_then(|label| state.media().get(&label.medium))
        .is_some_and(was_on_it)
    {
        return None;
    }
    let before = state
        .media_in_use()
        .filter(|seen| was_on_it(seen))
        .max_by_key(|seen| seen.last_seen)?;
    let text = text!(
        "found-remade",
        medium = name,
        label = before.label.as_str(),
        device = device.to_string()
    );
    Some(attention("remade", text))
}

/// A medium that was seen in turn on two devices: as it is remembered, without looking at it.
pub fn alternating(seen: &SeenMedium) -> Option<Finding> {
    let (one, other) = (
        seen.devices.last()?.to_string(),
        seen.alternates_with()?.to_string(),
    );
    let text = text!(
        "found-alternating",
        label = seen.label.as_str(),
        one = one,
        other = other
    );
    Some(Finding::new("alternating", Level::Note, text))
}

/// Media that were not seen again since another one appeared on what looks like their device:
/// formatted, or two of a make.
pub fn replaced(state: &State) -> Vec<Finding> {
    let replaces = |old: &SeenMedium, new: &SeenMedium| {
        let same = old
            .devices
            .last()
            .zip(new.devices.last())
            .is_some_and(|(old, new)| old.is_same_device(new));
        same && old
            .last_seen
            .zip(new.first_seen)
            .is_some_and(|(last, first)| last < first)
    };
    let pairs = state
        .media_in_use()
        .flat_map(|old| state.media_in_use().map(move |new| (old, new)));
    let text = |old: &SeenMedium, new: &SeenMedium| {
        text!(
            "found-replaced",
            label = old.label.as_str(),
            other = new.label.as_str()
        )
    };
    pairs
        .filter(|(old, new)| replaces(old, new))
        .map(|(old, new)| attention("remade", text(old, new)))
        .collect()
}

/// Generations signed with this server's own key that its host state did not write: it was set
/// back, or a copy of it runs. Those up to `after` are left out.
pub fn of_this_server(survey: &Survey<'_>, state: &State, after: Option<Number>) -> Vec<Finding> {
    let unknown = survey.line(state.server()).filter(|generation| {
        let written = state.written(generation.record.number);
        written.is_none_or(|written| written.record != generation.hash)
    });
    let news =
        unknown.filter(|generation| after.is_none_or(|after| generation.record.number > after));
    news.map(|generation| {
        attention(
            "not-by-this-state",
            text!("found-not-by-this-state", generation = generation.key()),
        )
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "AAAAAAAA";
    const B: &str = "BBBBBBBB";

    #[test]
    fn the_medium_that_holds_more_is_the_newer_one_unless_each_holds_something_of_its_own() {
        let held = |servers: &[(&str, u32)]| {
            servers
                .iter()
                .map(|(id, n)| (ServerId::parse(id).unwrap(), Number::new(*n).unwrap()))
                .collect()
        };
        let compare =
            |one: &[(&str, u32)], other: &[(&str, u32)]| compare(&held(one), &held(other));
        assert_eq!(compare(&[(A, 2)], &[(A, 2)]), Some(Ordering::Equal));
        assert_eq!(
            compare(&[(A, 3), (B, 1)], &[(A, 2), (B, 1)]),
            Some(Ordering::Greater)
        );
        assert_eq!(compare(&[(A, 2)], &[(A, 2), (B, 1)]), Some(Ordering::Less));
        assert_eq!(compare(&[(A, 3)], &[(A, 2), (B, 1)]), None);
    }
}
