//! The bindings of a restore into IIS: which site here stands for which, what would become of each,
//! and, when all is done, what the server really shows.

use std::collections::{BTreeSet, HashSet};
use std::path::Path;

use serde_json::{Value, json};

use crate::change::bindings::{self, Unclear};
use crate::change::plan::{Action, Plan};
use crate::change::{Bound, Fate, Mapping, Moving, Order, Shown, appcmd};
use crate::cli::Restore;
use crate::commands::restore::Ready;
use crate::commands::{Run, day};
use crate::console::Enter;
use crate::error::{Error, Result};
use crate::iis::{Iis, SiteMap, Snapshot, StoreName, StoredCertificate};
use crate::keypair::{Certificate, Lower, Remaining};
use crate::message::Text;
use crate::platform::private_files;
use crate::text;
use crate::tls::ask::{self, Verdict};

/// The plan of the bindings that the backup knows; none where only the keys are wanted, or nothing
/// can be bound.
pub fn plan(
    run: &Run<'_>,
    args: &Restore,
    server: Iis<'_>,
    ready: &Ready,
    known: Known,
) -> Result<Vec<Bound>> {
    let Some(from) = ready.site_map.as_ref().filter(|_| !args.bindings.keys_only) else {
        return Ok(Vec::new());
    };
    if server.sites.folder().is_none() {
        run.console.warn(&text!("restore-no-iis"));
        return Ok(Vec::new());
    }
    let here = SiteMap::of(server)?;
    if let Some(folder) = here.shared.as_ref().filter(|_| !args.change.farm) {
        return Err(Error::failed(text!(
            "error-shared-configuration",
            folder = folder
        )));
    }
    if from.settings.automatic_rebind == Some(true) && here.settings.automatic_rebind == Some(false)
    {
        run.console.warn(&text!("restore-automatic-rebind"));
    }
    let mapping = mapping(run, args, from, &here)?;
    let thumbprints = ready
        .key_pairs
        .iter()
        .map(|one| one.pair.leaf().thumbprint());
    let only = (!args.names.is_empty()).then(|| thumbprints.collect::<HashSet<_>>());
    let Known {
        certificates,
        mut order,
    } = known;
    settle(
        run,
        &mut order,
        args.into.yes || args.into.dry_run,
        |order| {
            let (certificates, only) = (certificates.clone(), only.clone());
            Ok(bindings::plan(&Moving {
                from,
                here: &here,
                mapping: &mapping,
                certificates,
                order,
                only,
            }))
        },
    )
}

/// Plans bindings, asks a person about everything that would give way to something lower, and plans
/// again. Nobody is asked where `unattended`: it stays.
///
/// # Errors
/// Those of `plan`, and a question without an answer.
pub fn settle(
    run: &Run<'_>,
    order: &mut Order,
    unattended: bool,
    plan: impl Fn(&Order) -> Result<Vec<Bound>>,
) -> Result<Vec<Bound>> {
    let mut asked = HashSet::new();
    loop {
        let bound = plan(order)?;
        if unattended || !run.console.interactive() {
            return Ok(bound);
        }
        let held = bound.iter().find_map(|one| match &one.fate {
            Fate::Held { serves, .. } if asked.insert(serves.thumbprint.clone()) => Some(serves),
            _ => None,
        });
        let Some(serves) = held else { return Ok(bound) };
        if run
            .console
            .confirm(&replace_question(run, serves, &bound), Enter::No)?
        {
            order.agree(&serves.thumbprint);
        }
    }
}

/// Whether a certificate may be replaced by what stands lower, wherever it is served.
fn replace_question(run: &Run<'_>, serves: &Shown, bound: &[Bound]) -> Text {
    let line = |one: &Bound| match &one.fate {
        Fate::Held {
            serves: other,
            lower,
        } if other == serves => Some(run.console.words(&text!(
            "replace-newer-line",
            site = one.to.as_str(),
            binding = one.binding.as_str(),
            lower = lower.text(),
            certificate = one.certificate.text_in_full(),
        ))),
        _ => None,
    };
    let lines: Vec<String> = bound.iter().filter_map(line).collect();
    text!(
        "replace-newer-question",
        serves = serves.text_in_full(),
        lines = lines
    )
}

/// The certificates that are here or will be.
pub struct Known {
    certificates: HashSet<(StoreName, String)>,
    order: Order,
}

impl Known {
    /// Those that the stores hold with a key that works, and those that a plan brings.
    ///
    /// # Errors
    /// Where something is to be replaced that is not here.
    pub fn new(
        run: &Run<'_>,
        args: &Restore,
        here: &Snapshot,
        ready: &Ready,
        plan: &Plan<'_>,
    ) -> Result<Self> {
        let working = here.seen.iter().filter(|seen| seen.key.works());
        let working = working.map(|seen| (seen.store, seen.certificate.thumbprint()));
        let placed = plan.items.iter().filter_map(|item| match &item.action {
            Action::Place(placement) => Some((placement.store, thumbprint(placement.certificate))),
            _ => None,
        });
        let certificates = working.chain(placed).collect();
        let mut order = Order::of(here, run.now);
        for pair in ready.key_pairs.iter().map(|one| &one.pair) {
            order.add(pair.leaf().clone(), pair.friendly_name.as_deref());
        }
        order.agree_to(here, &args.change.replace_newer)?;
        Ok(Self {
            certificates,
            order,
        })
    }
}

fn thumbprint(der: &[u8]) -> String {
    StoredCertificate {
        der: der.to_vec(),
        properties: Default::default(),
    }
    .thumbprint()
}

/// The answers from the command line and from the file; what they leave open is asked, and kept in
/// the file.
fn mapping(run: &Run<'_>, args: &Restore, from: &SiteMap, here: &SiteMap) -> Result<Mapping> {
    let path = args.bindings.map.as_deref();
    let mut mapping = path
        .filter(|path| path.exists())
        .map_or_else(|| Ok(Mapping::default()), load)?;
    let known = mapping.clone();
    args.bindings
        .map_site
        .iter()
        .try_for_each(|answer| mapping.map_site(answer))?;
    args.bindings
        .map_ip
        .iter()
        .try_for_each(|answer| mapping.map_address(answer))?;
    if run.console.interactive() && !args.into.yes {
        ask(run, &mut mapping, from, here)?;
    }
    if let Some(path) = path.filter(|_| mapping != known) {
        let saved = std::fs::write(path, mapping.to_text());
        saved.map_err(|e| Error::failed(text!("error-map-file", path = path, reason = &e)))?;
    }
    Ok(mapping)
}

fn load(path: &Path) -> Result<Mapping> {
    let bytes = private_files::read_input(path)
        .map_err(|e| Error::usage(text!("error-map-file", path = path, reason = &e)))?;
    Mapping::parse(&String::from_utf8_lossy(&bytes))
}

fn ask(run: &Run<'_>, mapping: &mut Mapping, from: &SiteMap, here: &SiteMap) -> Result<()> {
    let Unclear { sites, .. } = bindings::unclear(from, here, mapping);
    for (site, candidates) in sites {
        let rest = here
            .sites
            .iter()
            .filter(|one| !candidates.iter().any(|known| std::ptr::eq(*known, *one)));
        let names: Vec<String> = candidates
            .iter()
            .copied()
            .chain(rest)
            .map(|site| site.name.clone())
            .collect();
        let answer = run.console.choose(
            &text!("map-site-question", site = site.name.as_str()),
            &names,
            &text!("choice-none"),
        )?;
        mapping
            .sites
            .insert(site.name.clone(), answer.map(|at| names[at].clone()));
    }
    // Sites that are left out need no address.
    for ip in bindings::unclear(from, here, mapping).addresses {
        let addresses: Vec<_> = here
            .addresses
            .iter()
            .filter(|here| here.is_ipv4() == ip.is_ipv4())
            .collect();
        let names: Vec<String> = addresses.iter().map(ToString::to_string).collect();
        let answer = run.console.choose(
            &text!("map-ip-question", ip = ip.to_string()),
            &names,
            &text!("choice-none"),
        )?;
        mapping
            .addresses
            .insert(ip, answer.map(|at| *addresses[at]));
    }
    Ok(())
}

/// The plan, line by line, and on request the commands of Windows that would do the same.
pub fn show(run: &Run<'_>, bound: &[Bound], commands: bool) {
    for one in bound {
        let stands_out = one.is_left() || one.lower().is_some();
        for (at, line) in one.texts().iter().enumerate() {
            if stands_out || at > 0 {
                run.console.warn(line)
            } else {
                run.console.say(line)
            }
        }
    }
    if commands {
        let lines: Vec<String> = bound
            .iter()
            .flat_map(Bound::edits)
            .flat_map(appcmd::commands)
            .collect();
        run.console.say(&text!("bind-commands", lines = lines));
    }
}

/// What became of the question for each binding.
pub struct Answers<'a> {
    answers: Vec<(&'a Bound, Verdict)>,
    /// Whether every binding serves its certificate, so that clients elsewhere accept it.
    pub good: bool,
}

/// What becomes of a site that goes on showing another certificate.
#[derive(Clone, Copy)]
pub struct Restart {
    /// It is restarted, and nobody is asked.
    pub wanted: bool,
    /// Nobody wants to be asked.
    pub yes: bool,
}

impl Restart {
    /// The work is done; a question that nobody answers is no failure of it.
    fn go_ahead(self, run: &Run<'_>, sites: &BTreeSet<&str>) -> bool {
        let names = sites.iter().copied().collect::<Vec<_>>().join(", ");
        let ask = || {
            run.console
                .confirm(&text!("restart-question", sites = names), Enter::No)
                .unwrap_or(false)
        };
        self.wanted || (!self.yes && run.console.interactive() && ask())
    }
}

/// Asks the server for every binding, as its clients do, on this machine. Sites that go on showing
/// another certificate are restarted where that is wanted, and everything is asked again.
/// `authorities` are certificates that it may have to send along.
pub fn confirm<'a>(
    run: &Run<'_>,
    server: Iis<'_>,
    bound: &'a [Bound],
    authorities: &[Vec<u8>],
    restart: Restart,
) -> Answers<'a> {
    let answers = ask_over_tls(run, bound, authorities);
    let sites = answers.still_other();
    let Some(config) = server.sites.folder().filter(|_| !sites.is_empty()) else {
        return answers;
    };
    if !restart.go_ahead(run, &sites) {
        sites
            .iter()
            .for_each(|site| run.console.mention(&text!("tls-restart", site = *site)));
        return answers;
    }
    for site in sites {
        run.console
            .progress(&text!("progress-restart", site = site));
        if let Err(reason) = super::restart::restart(&config, site) {
            run.console
                .warn(&text!("site-not-restarted", site = site, reason = reason));
        }
    }
    ask_over_tls(run, bound, authorities)
}

fn ask_over_tls<'a>(run: &Run<'_>, bound: &'a [Bound], authorities: &[Vec<u8>]) -> Answers<'a> {
    let asked: Vec<_> = bound
        .iter()
        .filter(|one| one.is_made())
        .filter_map(|one| Some((one, one.check.as_ref()?)))
        .collect();
    if !asked.is_empty() {
        run.console
            .progress(&text!("progress-tls", count = asked.len()));
    }
    let checks: Vec<_> = asked.iter().map(|(_, check)| *check).collect();
    let verdicts = ask::confirm(&checks, authorities);
    let mut good = true;
    for remark in checks
        .iter()
        .zip(&verdicts)
        .flat_map(|(check, verdict)| verdict.remarks(check, run.now))
    {
        good &= remark.good;
        if remark.good {
            run.console.say(&remark.text)
        } else {
            run.console.warn(&remark.text)
        }
    }
    Answers {
        answers: asked
            .into_iter()
            .map(|(one, _)| one)
            .zip(verdicts)
            .collect(),
        good,
    }
}

impl<'a> Answers<'a> {
    /// Sites that still show another certificate.
    fn still_other(&self) -> BTreeSet<&'a str> {
        let other = self
            .answers
            .iter()
            .filter(|(_, verdict)| matches!(verdict, Verdict::Other(_)));
        other.map(|(bound, _)| bound.to.as_str()).collect()
    }

    /// For programs.
    pub fn document(&self) -> Value {
        let one = |(bound, verdict): &(&Bound, Verdict)| {
            let (result, served, missing) = match verdict {
                Verdict::Right(served, missing) => ("right", Some(served), missing.clone()),
                Verdict::Other(served) => ("other", Some(served), Vec::new()),
                Verdict::Nothing(_) => ("nothing", None, Vec::new()),
            };
            json!({
                "site": bound.to, "host": bound.check.as_ref().and_then(|check| check.host.clone()), "result": result,
                "version": served.map(|served| served.version.as_str()),
                "thumbprint": served.map(|served| served.thumbprint()), "missing": missing,
                "not_after": served.and_then(|served| Some(served.leaf()?.not_after().to_string())),
            })
        };
        self.answers.iter().map(one).collect()
    }
}

/// The bindings of a plan, for programs.
pub fn document(run: &Run<'_>, bound: &[Bound]) -> Value {
    let one = |one: &Bound| {
        let (fate, reason, replaces) = match &one.fate {
            Fate::AsItShouldBe => ("keep", None, None),
            Fate::Cannot(reason) => ("cannot", Some(reason), None),
            Fate::Conflict(reason) => ("conflict", Some(reason), None),
            Fate::Held { serves, .. } => ("held", None, Some(serves)),
            Fate::Change {
                replaces: Some(replaces),
                ..
            } => ("replace", None, Some(replaces)),
            Fate::Change { replaces: None, .. } => ("add", None, None),
        };
        let words = |text: &Text| run.console.words(text);
        let end = |shown: &Shown| shown.not_after.map(|time| time.to_string());
        json!({
            "site": one.site, "to": one.to, "binding": one.binding, "certificate": one.certificate.label(),
            "thumbprint": one.certificate.thumbprint, "not_after": end(&one.certificate), "fate": fate,
            "replaces": replaces.map(|replaces| json!({
                "certificate": replaces.label(), "thumbprint": replaces.thumbprint, "not_after": end(replaces),
            })),
            "lower": one.lower().map(Lower::id),
            "reason": reason.map(words), "remarks": one.remarks.iter().map(words).collect::<Vec<_>>(),
        })
    };
    bound.iter().map(one).collect()
}

/// At the end: what stays because it stands higher, and how to replace it all the same.
pub fn name_held(run: &Run<'_>, bound: &[Bound]) {
    let held = |one: &Bound| match &one.fate {
        Fate::Held { serves, .. } => Some(serves.argument().to_owned()),
        _ => None,
    };
    let names: Vec<_> = bound.iter().filter_map(held).collect();
    let options: BTreeSet<_> = names
        .iter()
        .map(|name| format!("--replace-newer {name}"))
        .collect();
    if !names.is_empty() {
        let options = options.into_iter().collect::<Vec<_>>().join(" ");
        run.console.warn(&text!(
            "bindings-held",
            count = names.len(),
            options = options
        ));
    }
}

/// What a backup cannot know: whether the certificate was renewed since. Likely where it is about
/// to end, and where it has ended.
pub fn warn_of_renewals(run: &Run<'_>, ready: &Ready) {
    for leaf in ready.key_pairs.iter().map(|one| one.pair.leaf()) {
        let (name, day) = (leaf.display_name(), day(leaf.not_after()));
        match leaf.remaining(run.now) {
            Remaining::Over => run.console.warn(&expired(leaf)),
            Remaining::Days(left) => {
                run.console.warn(&text!(
                    "restore-maybe-renewed",
                    name = name,
                    left = left,
                    day = day
                ));
            }
            Remaining::NotYet | Remaining::Long => {}
        }
    }
}

/// That a certificate has ended, with what to do.
pub fn expired(leaf: &Certificate) -> Text {
    let (name, thumbprint, day) = (
        leaf.display_name(),
        leaf.thumbprint(),
        day(leaf.not_after()),
    );
    text!(
        "restore-expired",
        name = name,
        thumbprint = thumbprint,
        day = day
    )
}
