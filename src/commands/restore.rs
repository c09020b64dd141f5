//! `restore`: from a vault or a plain source to a folder server, a PFX or PEM files. The plan first, then the question.
//! The medium is never written.

use std::path::Path;

use jiff::Timestamp;
use rayon::prelude::*;
use serde_json::json;

use crate::cli::{Into, Restore};
use crate::commands::Run;
use crate::commands::contents::{age_in_days, choose, is_wanted};
use crate::error::{Error, Exit, Result};
use crate::keypair::KeyPair;
use crate::rules::Stored;
use crate::server::iis::SiteMap;
use crate::server::{Destination, Held, Holdings, IIS, Placed, Source, Writing, is_called_without_key};
use crate::text;
use crate::text::Text;
use crate::vault::catalog::OnWindows;

/// Key pairs that were read and proven, ready to be placed.
pub struct Ready {
    /// The key pairs.
    pub key_pairs: Vec<Readied>,
    /// What could not be read: name and reason.
    pub missing: Vec<(String, Text)>,
    /// What speaks against taking this for the newest state.
    pub doubts: Vec<Text>,
    /// What the server served.
    pub site_map: Option<SiteMap>,
}

/// A key pair with what it was where it comes from.
pub struct Readied {
    /// Key, certificate, chain.
    pub pair: KeyPair,
    /// The file names it had.
    pub file_names: Vec<String>,
    /// What a certificate store kept beside it.
    pub windows: Option<OnWindows>,
}

/// Runs the command.
pub fn run(run: &Run<'_>, args: &Restore) -> Result<Exit> {
    refuse_idle(args)?;
    if args.to == IIS {
        return super::iis::restore(run, args);
    }
    let destination = Destination::parse(&args.to)?;
    run.judge(destination.path(), Stored::KeyPairFiles)?;
    let ready = ready(run, args)?;
    place(run, &ready, &destination, &args.into, &text!("restore-question"))
}

/// Whether it comes from media and parcels.
pub fn is_from_vault(args: &Restore) -> bool {
    !args.from.iter().any(|from| Source::is_source(from))
}

/// Refuses options that would change nothing: whoever gives one expects something of it.
fn refuse_idle(args: &Restore) -> Result<()> {
    let Restore { from, files, which, bindings, change, to, into, .. } = args;
    let is_from = |kind: &str| from.iter().any(|from| from.starts_with(kind));
    let from_vault = is_from_vault(args);
    let to_iis = to == IIS;
    let with_sites = from_vault || from.iter().any(|from| from == IIS) || args.iis_config.is_some();
    let into_iis = [
        (args.non_exportable, "--non-exportable"),
        (!args.install_root.is_empty(), "--install-root"),
        (args.iis_config.is_some(), "--iis-config"),
        (bindings.keys_only, "--keys-only"),
        (bindings.print_commands, "--print-commands"),
        (change.farm, "--farm"),
        (change.restart_site, "--restart-site"),
        (change.report.is_some(), "--report"),
    ];
    let maps = [
        (!bindings.map_site.is_empty(), "--map-site"),
        (!bindings.map_ip.is_empty(), "--map-ip"),
        (bindings.map.is_some(), "--map"),
        (!change.replace_newer.is_empty(), "--replace-newer"),
    ];
    let generations = [(which.server.is_some(), "--server"), (which.generation.is_some(), "--generation")];
    into.refuse_idle(to)?;
    refuse(!to_iis, &into_iis, "--to iis")?;
    refuse(!to_iis, &maps, "--to iis")?;
    refuse(!with_sites, &maps, "--iis-config")?;
    refuse(!from_vault, &generations, "--from E:")?;
    refuse(!is_from("pem:"), &[(files.key.is_some(), "--key")], "--from pem:")?;
    let password = [(files.source_password_file.is_some(), "--source-password-file")];
    refuse(!is_from("folder:") && !is_from("pfx:"), &password, "--from folder:, --from pfx:")
}

impl Into {
    /// Refuses options that would change nothing about what is written.
    pub fn refuse_idle(&self, to: &str) -> Result<()> {
        let pfx = [(self.reader.is_some(), "--for"), (self.pfx_password_file.is_some(), "--pfx-password-file")];
        refuse(to == IIS, &[(self.force, "--force")], "--to folder:, --to pfx:, --to pem:")?;
        refuse(to == IIS || to.starts_with("pem:"), &pfx, "--to folder:, --to pfx:")
    }
}

fn refuse(idle: bool, options: &[(bool, &'static str)], only: &'static str) -> Result<()> {
    match options.iter().find(|(given, _)| idle && *given) {
        Some((_, option)) => Err(Error::usage(text!("error-idle-option", option = *option, only = only))),
        None => Ok(()),
    }
}

/// Reads what is to be restored.
pub fn ready(run: &Run<'_>, args: &Restore) -> Result<Ready> {
    match args.from.as_slice() {
        [source] if Source::is_source(source) => Ok(Ready::of(run.chosen(&args.names, source, &args.files)?)),
        media => from_vault(run, args, media),
    }
}

impl Ready {
    /// What a source holds.
    pub fn of(holdings: Holdings) -> Self {
        let unreadable = holdings.unreadable.into_iter();
        let readied = |held: Held| Readied { pair: held.pair, file_names: held.file_names, windows: held.windows };
        Self {
            missing: unreadable.map(|unreadable| (unreadable.name, unreadable.reason)).collect(),
            key_pairs: holdings.key_pairs.into_iter().map(readied).collect(),
            doubts: Vec::new(),
            site_map: holdings.site_map,
        }
    }

    /// Takes the sites from a copy of applicationHost.config; certificates are assigned by host name. How many were.
    pub fn take_sites(&mut self, config: &Path, now: Timestamp) -> Result<usize> {
        let mut map = SiteMap::of_file(config)?;
        let certificates = self.key_pairs.iter().map(|one| (one.pair.leaf(), one.windows.as_ref()));
        let assigned = map.assign_by_name(&certificates.collect::<Vec<_>>(), now);
        self.site_map = Some(map);
        Ok(assigned)
    }

    /// The exit code once everything in it is where it should be.
    pub fn exit(&self) -> Exit {
        match () {
            () if !self.missing.is_empty() => Exit::Partly,
            () if !self.doubts.is_empty() => Exit::Attention,
            () => Exit::Done,
        }
    }
}

fn from_vault(run: &Run<'_>, args: &Restore, media: &[String]) -> Result<Ready> {
    let media = run.vault_media_or_inserted(media)?;
    let known = run.memory();
    let opened = run.open(&media, &run.secret()?, &known)?;
    let from = choose(&opened, &args.which, &args.names)?;
    let record = &from.generation.record;
    let age = age_in_days(run, record.time);
    run.console.say(&text!(
        "restore-from",
        server = from.catalog.server_name.as_str(),
        number = record.number.get(),
        age = age
    ));
    from.doubts.iter().for_each(|doubt| run.console.warn(doubt));
    let (doubts, site_map) = (from.doubts.clone(), from.catalog.site_map.clone());
    let mut ready = Ready { key_pairs: Vec::new(), missing: Vec::new(), doubts, site_map };
    let wanted: Vec<_> = from.catalog.key_pairs.iter().filter(|entry| is_wanted(entry, &args.names)).collect();
    let read: Vec<_> = wanted.par_iter().map(|entry| opened.key_pair(&from, entry)).collect();
    for (entry, read) in wanted.into_iter().zip(read) {
        match read {
            Ok(pair) => {
                let (file_names, windows) = (entry.about.file_names.clone(), entry.about.windows.clone());
                ready.key_pairs.push(Readied { pair, file_names, windows });
            }
            Err(reason) => ready.missing.push((entry.about.display_name().to_owned(), reason)),
        }
    }
    let is_meant = |known: &str| args.names.is_empty() || args.names.iter().any(|n| is_called_without_key(known, n));
    for without in from.catalog.without_key.iter().filter(|without| is_meant(&without.name)) {
        ready.missing.push((without.name.clone(), text!("reason-without-key")));
    }
    Ok(ready)
}

/// Plan, question, password, write, report. Also what `export` ends with.
pub fn place(run: &Run<'_>, ready: &Ready, destination: &Destination, into: &Into, question: &Text) -> Result<Exit> {
    if ready.key_pairs.is_empty() {
        return Err(nothing_to_place(ready));
    }
    let placed: Vec<_> =
        ready.key_pairs.iter().map(|one| Placed { pair: &one.pair, file_names: &one.file_names }).collect();
    show_plan(run, &placed, destination, ready)?;
    if into.dry_run {
        run.console.document(Exit::Done, json!({ "dry_run": true }));
        return Ok(Exit::Done);
    }
    run.go_ahead(into.yes, question)?;
    let password = destination.is_pfx().then(|| run.pfx_password(into.pfx_password_file.as_deref())).transpose()?;
    let writing =
        Writing { password: password.as_ref(), profile: into.reader.unwrap_or_default().profile(), force: into.force };
    let files = destination.write(&placed, &writing)?;
    run.console.say(&text!("restore-done", count = placed.len(), files = files.len(), place = destination.path()));
    if !destination.is_pfx() {
        run.console.warn(&text!("restore-open-keys", place = destination.path()));
    }
    let exit = ready.exit();
    let files: Vec<_> = files.iter().map(|path| path.display().to_string()).collect();
    let missing: Vec<_> = ready
        .missing
        .iter()
        .map(|(name, reason)| json!({ "name": name, "reason": run.console.words(reason) }))
        .collect();
    let doubts: Vec<_> = ready.doubts.iter().map(|doubt| run.console.words(doubt)).collect();
    let document = json!({ "restored": placed.len(), "files": files, "missing": missing, "doubts": doubts });
    run.console.document(exit, document);
    Ok(exit)
}

fn show_plan(run: &Run<'_>, placed: &[Placed<'_>], destination: &Destination, ready: &Ready) -> Result<()> {
    for (one, paths) in placed.iter().zip(destination.plan(placed)?) {
        for path in paths {
            run.console.mention(&plan_line(one.pair.leaf().display_name(), &path));
        }
    }
    for (name, reason) in &ready.missing {
        run.console.warn(&text!("restore-missing", name = name, reason = reason.clone()));
    }
    Ok(())
}

fn plan_line(name: &str, path: &Path) -> Text {
    match path.exists() {
        true => text!("plan-replace", name = name, path = path),
        false => text!("plan-create", name = name, path = path),
    }
}

/// That there is nothing to restore.
pub fn nothing_to_place(ready: &Ready) -> Error {
    match ready.missing.first() {
        Some((name, reason)) => {
            Error::new(Exit::Damaged, text!("error-nothing-restorable", name = name, reason = reason.clone()))
        }
        None => Error::failed(text!("error-nothing-found")),
    }
}
