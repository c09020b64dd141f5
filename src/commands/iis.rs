//! The certificate stores of this server, as `list` shows them and as `restore` fills them.

use std::path::Path;

use serde_json::{Value, json};

use crate::change::apply::backup_name;
use crate::change::{self, Bound, Incoming, Journal, Options, Plan, Running};
use crate::cli::{List, Restore};
use crate::commands::bindings::{self, Known, Restart};
use crate::commands::contents::left_out_document;
use crate::commands::list::last_backup;
use crate::commands::restore::{Readied, Ready, is_from_vault, nothing_to_place, ready};
use crate::commands::{Run, day, enrolment, request, short, sites};
use crate::console::{Enter, Table};
use crate::error::{Error, Exit, Result};
use crate::iis::look::hindrance;
use crate::iis::{self, Iis, KeyLink, KeyState, Seen, SiteMap, StoreName};
use crate::keypair::{Certificate, Remaining};
use crate::message::Text;
use crate::platform::private_files;
use crate::platform::system;
use crate::session::here;
use crate::text;
use vault::id::Hash;

/// A certificate of the list.
struct Listed<'a> {
    seen: &'a Seen,
    certificate: Certificate,
    backup: Option<(u32, jiff::Timestamp)>,
}

/// `list --from iis`. No key is copied out for it.
pub fn list(run: &Run<'_>, args: &List) -> Result<Exit> {
    list_of(run, args, here::here()?)
}

pub(super) fn list_of(run: &Run<'_>, args: &List, server: Iis<'_>) -> Result<Exit> {
    let state = run.memory().state;
    let map = args
        .iis_config
        .as_deref()
        .map_or_else(|| SiteMap::of(server), SiteMap::of_file);
    let used = map.as_ref().map(SiteMap::used).unwrap_or_default();
    let seen = iis::look(server, &StoreName::ALL)?;
    let serves = |seen: &&Seen| {
        StoreName::WITH_KEYS.contains(&seen.store) || used.contains(&seen.certificate.thumbprint())
    };
    let listed = seen.iter().filter(serves).filter_map(|seen| {
        let certificate = Certificate::parse(seen.certificate.der.clone()).ok()?;
        let backup = state
            .as_ref()
            .and_then(|state| last_backup(state, &seen.certificate.der));
        Some(Listed {
            seen,
            certificate,
            backup,
        })
    });
    let listed: Vec<_> = listed
        .filter(|one| one.seen.certificate.is_wanted(&args.names))
        .collect();
    let ready = listed
        .iter()
        .filter(|one| one.hindrance().is_none())
        .count();
    run.console.say(&text!(
        "list-iis-headline",
        count = listed.len(),
        ready = ready
    ));
    if !listed.is_empty() {
        run.console.table(&table(run, &listed));
    }
    for one in &listed {
        if let Some(reason) = one.hindrance() {
            run.console.warn(&text!(
                "list-hindrance",
                name = one.certificate.display_name(),
                reason = reason
            ));
        }
    }
    request::warn_unsaved(run, listed.iter().map(|one| one.seen), state.as_ref());
    let mut document = match &map {
        Ok(map) => {
            let elsewhere = server.stores.elsewhere().unwrap_or_default();
            sites::show(run, map, &seen, &elsewhere, &args.names)
        }
        Err(error) => {
            run.console
                .warn(&text!("list-sites-unread", reason = error.text.clone()));
            json!({})
        }
    };
    let exit = if ready == listed.len() && map.is_ok() {
        Exit::Done
    } else {
        Exit::Partly
    };
    document["key_pairs"] = listed.iter().map(|one| one.document(run)).collect();
    run.console.document(exit, document);
    Ok(exit)
}

fn table(run: &Run<'_>, listed: &[Listed<'_>]) -> Table {
    let words = |text: Text| run.console.words(&text);
    let mut table = Table::new(vec![
        words(text!("column-names")),
        words(text!("column-thumbprint")),
        words(text!("column-expires")),
        words(text!("column-store")),
        words(text!("column-key")),
        words(text!("column-backup")),
    ]);
    for one in listed {
        let backup = one
            .backup
            .map(|(number, time)| text!("cell-backup", number = number, day = day(time)));
        table.row(vec![
            one.certificate.display_name().to_owned(),
            short(&one.certificate.thumbprint()),
            day(one.certificate.not_after()),
            one.store_cell(run),
            words(one.key_cell()),
            words(backup.unwrap_or_else(|| text!("cell-none"))),
        ]);
    }
    table
}

impl Listed<'_> {
    /// Why it cannot be backed up; `None` if it can.
    fn hindrance(&self) -> Option<Text> {
        hindrance(self.seen)
    }

    fn store_cell(&self, run: &Run<'_>) -> String {
        let store = self.seen.store.as_str();
        if self.seen.certificate.properties.archived {
            return run.console.words(&text!("cell-archived", store = store));
        }
        store.to_owned()
    }

    fn key_cell(&self) -> Text {
        match &self.seen.key {
            KeyState::Works(facts) if facts.no_export.is_none() => text!("cell-key-exportable"),
            KeyState::Works(_) => text!("cell-key-not-exportable"),
            KeyState::Unknown => text!("cell-key-unknown"),
            _ => text!("cell-key-none"),
        }
    }

    fn document(&self, run: &Run<'_>) -> Value {
        let properties = &self.seen.certificate.properties;
        let link = |link: &KeyLink| json!({ "container": link.container, "provider": link.provider, "key_set": link.key_set });
        json!({
            "names": self.certificate.dns_names(),
            "thumbprint": self.certificate.thumbprint(),
            "certificate_sha256": Hash::of(&self.seen.certificate.der).to_string(),
            "not_after": self.certificate.not_after().to_string(),
            "friendly_name": properties.friendly_name,
            "store": self.seen.store.as_str(),
            "archived": properties.archived,
            "key": properties.key.as_ref().map(link),
            "provider_kind": if let KeyState::Works(facts) = &self.seen.key { json!(facts.kind) } else { Value::Null },
            "hindrance": self.hindrance().map(|reason| run.console.words(&reason)),
            "backup": self.backup.map(|(number, time)| json!({ "generation": number, "time": time.to_string() })),
        })
    }
}

/// `restore --to iis`.
pub fn restore(run: &Run<'_>, args: &Restore) -> Result<Exit> {
    restore_on(run, args, here::elevated()?)
}

pub(super) fn restore_on(run: &Run<'_>, args: &Restore, server: Iis<'_>) -> Result<Exit> {
    reported(run, "restore", args.change.report.as_deref(), || {
        restore_into(run, args, server)
    })
}

/// A change of this server. Where a report is wanted, everything said and asked goes into it,
/// however it ends.
pub fn reported(
    run: &Run<'_>,
    what: &'static str,
    report: Option<&Path>,
    change: impl FnOnce() -> Result<Exit>,
) -> Result<Exit> {
    let Some(path) = report else { return change() };
    if path.exists() {
        return Err(Error::failed(text!("error-file-exists", path = path)));
    }
    run.console.record();
    let (time, server) = (run.now.to_string(), system::host_name());
    run.console.say(&text!(
        "report-head",
        what = what,
        time = time,
        server = server,
        user = user()
    ));
    let result = change();
    let ended = result.as_ref().map_or_else(
        |error| error.text.clone(),
        |exit| text!("report-end", exit = *exit as u32),
    );
    let report = run.console.recorded(&ended);
    private_files::create_private(path, report.as_bytes())
        .map_err(|e| Error::failed(text!("error-report", path = path, reason = &e)))?;
    result
}

/// Who ran it, as the session says.
fn user() -> String {
    ["USERNAME", "USER"]
        .iter()
        .find_map(|name| std::env::var(name).ok())
        .unwrap_or_default()
}

fn restore_into(run: &Run<'_>, args: &Restore, server: Iis<'_>) -> Result<Exit> {
    let roots = args
        .install_root
        .iter()
        .map(|text| parse_root(text))
        .collect::<Result<_>>()?;
    let options = Options {
        non_exportable: args.non_exportable,
        install_roots: roots,
    };
    let mut ready = ready(run, args)?;
    if ready.key_pairs.is_empty() {
        return Err(nothing_to_place(&ready));
    }
    if let Some(file) = &args.iis_config {
        let assigned = ready.take_sites(file, run.now)?;
        run.console.mention(&text!(
            "backup-assigned",
            count = assigned,
            path = file.as_path()
        ));
    }
    let incoming: Vec<_> = ready.key_pairs.iter().map(incoming).collect();
    let here = iis::look_at_all(server)?;
    let mut plan = change::plan(&here, &incoming, &options);
    let known = Known::new(run, args, &here, &ready, &plan)?;
    plan.bindings = bindings::plan(run, args, server, &ready, known)?;
    show(run, &plan);
    bindings::show(run, &plan.bindings, args.bindings.print_commands);
    for (name, reason) in &ready.missing {
        run.console.warn(&text!(
            "restore-missing",
            name = name,
            reason = reason.clone()
        ));
    }
    ready.show_left_out(run);
    bindings::warn_of_renewals(run, &ready);
    if args.into.dry_run {
        let exit = exit(run, &ready, &plan);
        let document = json!({
            "dry_run": true, "bindings": bindings::document(run, &plan.bindings), "expired": expired(run, &ready),
            "left_out": left_out_document(&ready.left_out),
        });
        run.console.document(exit, document);
        return Ok(exit);
    }
    if plan.changes_anything() {
        run.go_ahead(args.into.yes, &text!("restore-iis-question"), Enter::No)?;
        carry_out(run, server, &plan, "restore")?;
        if plan.edits().next().is_some() {
            run.console
                .say(&text!("restore-iis-backup", name = backup_name(run.now)));
        }
    }
    let exit = report(run, args, server, &ready, &plan);
    if is_from_vault(args) {
        enrolment::offer(run, args.into.yes);
    }
    Ok(exit)
}

/// How a restore ends that does all that it can: a binding that was asked for and cannot be is
/// missing; what has ended, and what is lower than something it met, needs attention.
fn exit(run: &Run<'_>, ready: &Ready, plan: &Plan<'_>) -> Exit {
    let is_missing = plan.cannot().next().is_some() || plan.bindings.iter().any(Bound::is_left);
    let is_valid = |one: &Readied| one.pair.leaf().is_valid(run.now);
    let is_lower = plan.bindings.iter().any(|one| one.lower().is_some());
    match ready.exit() {
        _ if is_missing => Exit::Partly,
        Exit::Done if is_lower || !ready.key_pairs.iter().all(is_valid) => Exit::Attention,
        exit => exit,
    }
}

/// Certificates that have ended, for programs.
fn expired(run: &Run<'_>, ready: &Ready) -> Value {
    let leaves = ready.key_pairs.iter().map(|one| one.pair.leaf());
    let over = leaves.filter(|leaf| leaf.remaining(run.now) == Remaining::Over);
    let document = |leaf: &Certificate| {
        json!({
            "name": leaf.display_name(), "thumbprint": leaf.thumbprint(), "not_after": leaf.not_after().to_string(),
        })
    };
    over.map(document).collect()
}

fn report(run: &Run<'_>, args: &Restore, server: Iis<'_>, ready: &Ready, plan: &Plan<'_>) -> Exit {
    let cannot: Vec<_> = plan
        .cannot()
        .map(|(name, reason)| json!({ "name": name, "reason": run.console.words(reason) }))
        .collect();
    let placed = plan.items.len() - cannot.len();
    run.console.say(&text!("restore-iis-done", count = placed));
    ready.show_left_out(run);
    let exportable = if plan.exportable {
        text!("restore-iis-exportable")
    } else {
        text!("restore-iis-not-exportable")
    };
    run.console.mention(&exportable);
    let authorities = ready
        .key_pairs
        .iter()
        .flat_map(|one| one.pair.chain.iter().skip(1));
    let authorities: Vec<_> = authorities
        .map(|certificate| certificate.der().to_vec())
        .collect();
    let restart = Restart {
        wanted: args.change.restart_site,
        yes: args.into.yes,
    };
    let answers = bindings::confirm(run, server, &plan.bindings, &authorities, restart);
    say_bound(run, ready, plan);
    let exit = match exit(run, ready, plan) {
        Exit::Done if !answers.good => Exit::Attention,
        exit => exit,
    };
    let document = json!({
        "restored": placed, "cannot": cannot, "exportable": plan.exportable, "expired": expired(run, ready),
        "bindings": bindings::document(run, &plan.bindings), "tls": answers.document(),
        "left_out": left_out_document(&ready.left_out),
    });
    run.console.document(exit, document);
    exit
}

/// What became of the bindings, and what stays to be done about them.
fn say_bound(run: &Run<'_>, ready: &Ready, plan: &Plan<'_>) {
    let count = |wanted: fn(&Bound) -> bool| plan.bindings.iter().filter(|one| wanted(one)).count();
    let (bound, unbound) = (count(Bound::is_made), count(Bound::is_left));
    if unbound > 0 {
        run.console.warn(&text!("restore-unbound", count = unbound));
    }
    bindings::name_held(run, &plan.bindings);
    let over = ready
        .key_pairs
        .iter()
        .map(|one| one.pair.leaf())
        .filter(|leaf| leaf.remaining(run.now) == Remaining::Over);
    over.for_each(|leaf| run.console.warn(&bindings::expired(leaf)));
    if bound > 0 {
        run.console.say(&text!("restore-bound", count = bound));
        run.console.mention(&text!("restore-not-restored"));
    } else if ready.site_map.is_none() {
        run.console.say(&text!("restore-no-sites"));
    } else if plan.bindings.len() == unbound {
        run.console.say(&text!("restore-not-bound"));
    }
}

/// As the vault or the source has it. Where neither knows the store, or it is none for key pairs,
/// it is "Personal".
fn incoming(one: &Readied) -> Incoming<'_> {
    let Readied { pair, windows, .. } = one;
    let windows = windows.as_ref();
    Incoming {
        name: pair.leaf().display_name().to_owned(),
        leaf: pair.leaf().der(),
        authorities: pair.chain.iter().skip(1).map(Certificate::der).collect(),
        pkcs8: pair.key.pkcs8(),
        friendly_name: pair.friendly_name.as_deref(),
        store: windows
            .and_then(|windows| store_of(&windows.store))
            .unwrap_or(StoreName::My),
        provider: windows
            .map(|windows| windows.provider.as_str())
            .or(pair.csp_name.as_deref()),
        access: windows.map_or(&[], |windows| &windows.access),
    }
}

/// A leaf among the authorities would be trusted as one.
fn store_of(name: &str) -> Option<StoreName> {
    StoreName::parse(name).filter(|store| StoreName::WITH_KEYS.contains(store))
}

fn parse_root(text: &str) -> Result<Hash> {
    let digits: String = text.chars().filter(char::is_ascii_hexdigit).collect();
    Hash::parse(&digits.to_ascii_lowercase())
        .ok_or_else(|| Error::usage(text!("error-bad-root", text = text)))
}

/// The plan, line by line.
pub fn show(run: &Run<'_>, plan: &Plan<'_>) {
    plan.items
        .iter()
        .flat_map(|item| item.texts(run.now))
        .for_each(|line| run.console.say(&line));
    for (store, der) in &plan.authorities {
        let name = Certificate::parse(der.to_vec())
            .map_or_else(|_| String::new(), |c| c.display_name().to_owned());
        run.console.say(&text!(
            "plan-authority",
            name = name,
            store = store.as_str()
        ));
    }
    for root in &plan.roots_left_out {
        run.console
            .warn(&text!("plan-root-left-out", sha256 = root.to_string()));
    }
}

/// Carries out a plan that was agreed to; Ctrl-C takes it back.
pub fn carry_out(run: &Run<'_>, server: Iis<'_>, plan: &Plan<'_>, what: &str) -> Result<()> {
    system::watch_interrupts()
        .map_err(|e| Error::failed(text!("error-interrupts", reason = &e)))?;
    let mut journal = Journal::open(&run.state_folder()?)?;
    let progress = |text: Text| run.console.progress(&text);
    let running = Running {
        what,
        now: run.now,
        stop: &system::interrupted,
        progress: &progress,
    };
    change::apply(server, plan, &mut journal, &running)?;
    run.report_imported(plan);
    Ok(())
}
