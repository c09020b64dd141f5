//! The bindings of a restore into IIS: which site here stands for which, and what would become of
//! each.

use crate::input::read_input;
use std::collections::HashSet;
use std::net::IpAddr;
use std::path::Path;

use crate::change::bindings::{self, Unclear};
use crate::change::plan::{Action, Plan};
use crate::change::{BindingSource, Mapping, Order, PlannedBinding};
use crate::cli::RestoreArgs;
use crate::error::{Error, Result};
use crate::iis::{Iis, Site, SiteMap, Snapshot, StoreName, StoredCertificate};
use crate::keypair::Remaining;
use crate::message::day;
use crate::session::bindings::{not_valid, settle};
use crate::session::restore_set::RestoreSet;
use crate::session::{Session, other_uses, renewer};
use crate::text;

/// The plan of the bindings that the backup knows; none where only the keys are wanted, or nothing
/// can be bound.
pub(super) fn plan_bindings(
    session: &Session<'_>,
    args: &RestoreArgs,
    server: Iis<'_>,
    set: &RestoreSet,
    known: KnownCertificates,
) -> Result<Vec<PlannedBinding>> {
    let Some(from) = set.site_map.as_ref().filter(|_| !args.bindings.keys_only) else {
        return Ok(Vec::new());
    };
    let Some(here) = sites_here(session, args, server, from)? else {
        return Ok(Vec::new());
    };
    let mapping = mapping(session, args, from, &here)?;
    let thumbprints = set.key_pairs.iter().map(|one| one.pair.leaf().thumbprint());
    let only = (!args.names.is_empty()).then(|| thumbprints.collect::<HashSet<_>>());
    let KnownCertificates {
        certificates,
        mut order,
    } = known;
    settle(
        session,
        &mut order,
        args.into.yes || args.into.dry_run,
        |order| {
            let (certificates, only) = (certificates.clone(), only.clone());
            Ok(bindings::plan(&BindingSource {
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

/// The sites of this server; `None` where it has no IIS.
///
/// # Errors
/// Where other servers share its configuration, and nobody said that they are meant, too.
fn sites_here(
    session: &Session<'_>,
    args: &RestoreArgs,
    server: Iis<'_>,
    from: &SiteMap,
) -> Result<Option<SiteMap>> {
    if server.sites.folder().is_none() {
        session.console.warn(&text!("restore-no-iis"));
        return Ok(None);
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
        session.console.warn(&text!("restore-automatic-rebind"));
    }
    Ok(Some(here))
}

/// The certificates that are here or will be.
pub(super) struct KnownCertificates {
    certificates: HashSet<(StoreName, String)>,
    order: Order,
}

impl KnownCertificates {
    /// Those that the stores hold with a key that works, and those that a plan brings.
    ///
    /// # Errors
    /// Where something is to be replaced that is not here.
    pub(super) fn new(
        session: &Session<'_>,
        args: &RestoreArgs,
        here: &Snapshot,
        set: &RestoreSet,
        plan: &Plan<'_>,
    ) -> Result<Self> {
        let mut certificates = HashSet::new();
        for seen in here.seen.iter().filter(|seen| seen.key.works()) {
            certificates.insert((seen.store, seen.certificate.thumbprint()));
        }
        for item in &plan.items {
            if let Action::Place(placement) = &item.action {
                certificates.insert((placement.store, thumbprint(placement.certificate)));
            }
        }
        let mut order = Order::of(here, session.now);
        for pair in set.key_pairs.iter().map(|one| &one.pair) {
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
fn mapping(
    session: &Session<'_>,
    args: &RestoreArgs,
    from: &SiteMap,
    here: &SiteMap,
) -> Result<Mapping> {
    let path = args.bindings.map.as_deref();
    let mut mapping = match path {
        Some(path) if path.exists() => load(path)?,
        _ => Mapping::default(),
    };
    let known = mapping.clone();
    for answer in &args.bindings.map_site {
        mapping.map_site(answer)?;
    }
    for answer in &args.bindings.map_ip {
        mapping.map_address(answer)?;
    }
    if session.console.interactive() && !args.into.yes {
        ask(session, &mut mapping, from, here)?;
    }
    if let Some(path) = path.filter(|_| mapping != known) {
        let saved = std::fs::write(path, mapping.to_text());
        saved.map_err(|e| Error::failed(text!("error-map-file", path = path, reason = &e)))?;
    }
    Ok(mapping)
}

fn load(path: &Path) -> Result<Mapping> {
    let bytes = read_input(path)
        .map_err(|e| Error::usage(text!("error-map-file", path = path, reason = &e)))?;
    Mapping::parse(&String::from_utf8_lossy(&bytes))
}

/// Asks what the answers so far leave open: first the sites, as one that is left out needs no
/// address.
fn ask(session: &Session<'_>, mapping: &mut Mapping, from: &SiteMap, here: &SiteMap) -> Result<()> {
    let Unclear { sites, .. } = bindings::unclear(from, here, mapping);
    for (site, candidates) in sites {
        let answer = ask_site(session, site, &candidates, here)?;
        mapping.sites.insert(site.name.clone(), answer);
    }
    for ip in bindings::unclear(from, here, mapping).addresses {
        let answer = ask_address(session, ip, here)?;
        mapping.addresses.insert(ip, answer);
    }
    Ok(())
}

/// Which site here a site is, the likely ones first; `None` leaves it out.
fn ask_site(
    session: &Session<'_>,
    site: &Site,
    candidates: &[&Site],
    here: &SiteMap,
) -> Result<Option<String>> {
    let mut names: Vec<String> = candidates.iter().map(|site| site.name.clone()).collect();
    for one in &here.sites {
        if !candidates.iter().any(|known| std::ptr::eq(*known, one)) {
            names.push(one.name.clone());
        }
    }
    let answer = session.console.choose(
        &text!("map-site-question", site = site.name.as_str()),
        &names,
        &text!("choice-none"),
    )?;
    Ok(answer.map(|at| names.swap_remove(at)))
}

/// Which address here stands for an address; `None` leaves it out.
fn ask_address(session: &Session<'_>, ip: IpAddr, here: &SiteMap) -> Result<Option<IpAddr>> {
    let mut addresses = here.addresses.clone();
    addresses.retain(|here| here.is_ipv4() == ip.is_ipv4());
    let names: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    let answer = session.console.choose(
        &text!("map-ip-question", ip = ip.to_string()),
        &names,
        &text!("choice-none"),
    )?;
    Ok(answer.map(|at| addresses[at]))
}

/// What else than IIS used a certificate that comes back, and what renewed it: both are set by hand.
pub(super) fn name_other_uses(session: &Session<'_>, set: &RestoreSet) {
    if let Some(map) = &set.site_map {
        let leaves: Vec<_> = set.key_pairs.iter().map(|one| one.pair.leaf()).collect();
        other_uses::say_after_restore(session, map, &leaves);
        renewer::say_installed(session, &map.settings.renewers);
    }
}

/// Warns of certificates that are not valid today; and of what a backup cannot know: whether one
/// that is about to end was renewed since.
pub(super) fn warn_of_renewals(session: &Session<'_>, set: &RestoreSet) {
    for leaf in set.key_pairs.iter().map(|one| one.pair.leaf()) {
        if let Some(text) = not_valid(leaf, session.now) {
            session.console.warn(&text);
        } else if let Remaining::Days(left) = leaf.remaining(session.now) {
            session.console.warn(&text!(
                "restore-maybe-renewed",
                name = leaf.display_name(),
                left = left,
                day = day(leaf.not_after())
            ));
        }
    }
}
