//! `restore`: from a vault or a plain source to a folder server, a PFX or PEM files. The plan
//! first, then the question. The medium is never written.

use std::cmp::Reverse;
use std::path::Path;

use jiff::Timestamp;
use rayon::prelude::*;
use serde_json::{Value, json};

use crate::cli::{Into, Restore};
use crate::commands::contents::{age_in_days, choose, is_wanted, left_out_document};
use crate::commands::{Run, short, standing};
use crate::console::Enter;
use crate::error::{Error, Exit, Result};
use crate::iis::OnWindows;
use crate::iis::SiteMap;
use crate::keypair::{Certificate, KeyPair};
use crate::keystore::{
    Destination, Held, Holdings, IIS, Placed, Planned, Source, Writing, is_called_without_key,
    refuse_taken,
};
use crate::message::Text;
use crate::rules::Stored;
use crate::text;
use crate::workflow::left_out::{self, LeftOut, quoted};

/// Key pairs that were read and proven, ready to be placed.
pub struct Ready {
    /// The key pairs.
    pub key_pairs: Vec<Readied>,
    /// What could not be read: name and reason.
    pub missing: Vec<(String, Text)>,
    /// What speaks against taking this for the newest state.
    pub doubts: Vec<Text>,
    /// What only other generations hold.
    pub left_out: Vec<LeftOut>,
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
    let mut ready = ready(run, args)?;
    place(
        run,
        &mut ready,
        &destination,
        &args.into,
        is_named(&args.names, &args.from),
    )
}

/// Whether what comes was asked for one by one: by name, or as a file that holds nothing else.
pub fn is_named(names: &[String], from: &[String]) -> bool {
    let is_file = |from: &String| from.starts_with("pfx:") || from.starts_with("pem:");
    !names.is_empty() || from.iter().any(is_file)
}

/// Whether it comes from media and parcels.
pub fn is_from_vault(args: &Restore) -> bool {
    !args.from.iter().any(|from| Source::is_source(from))
}

/// Refuses options that would change nothing: whoever gives one expects something of it.
fn refuse_idle(args: &Restore) -> Result<()> {
    let Restore {
        from,
        files,
        which,
        bindings,
        change,
        to,
        into,
        ..
    } = args;
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
    let generations = [
        (which.server.is_some(), "--server"),
        (which.generation.is_some(), "--generation"),
    ];
    into.refuse_idle(to)?;
    refuse(!to_iis, &into_iis, "--to iis")?;
    refuse(!to_iis, &maps, "--to iis")?;
    refuse(!with_sites, &maps, "--iis-config")?;
    refuse(!from_vault, &generations, "--from E:")?;
    refuse(
        !is_from("pem:"),
        &[(files.key.is_some(), "--key")],
        "--from pem:",
    )?;
    let password = [(
        files.source_password_file.is_some(),
        "--source-password-file",
    )];
    refuse(
        !is_from("folder:") && !is_from("pfx:"),
        &password,
        "--from folder:, --from pfx:",
    )
}

impl Into {
    /// Refuses options that would change nothing about what is written.
    pub fn refuse_idle(&self, to: &str) -> Result<()> {
        let pfx = [
            (self.reader.is_some(), "--for"),
            (self.pfx_password_file.is_some(), "--pfx-password-file"),
        ];
        refuse(
            to == IIS,
            &[(self.force, "--force")],
            "--to folder:, --to pfx:, --to pem:",
        )?;
        refuse(
            to == IIS || to.starts_with("pem:"),
            &pfx,
            "--to folder:, --to pfx:",
        )
    }
}

fn refuse(idle: bool, options: &[(bool, &'static str)], only: &'static str) -> Result<()> {
    match options.iter().find(|(given, _)| idle && *given) {
        Some((_, option)) => Err(Error::usage(text!(
            "error-idle-option",
            option = *option,
            only = only
        ))),
        None => Ok(()),
    }
}

/// Reads what is to be restored.
pub fn ready(run: &Run<'_>, args: &Restore) -> Result<Ready> {
    match args.from.as_slice() {
        [source] if Source::is_source(source) => {
            Ok(Ready::of(run.chosen(&args.names, source, &args.files)?))
        }
        media => from_vault(run, args, media),
    }
}

impl Ready {
    /// What a source holds.
    pub fn of(holdings: Holdings) -> Self {
        let unreadable = holdings.unreadable.into_iter();
        let readied = |held: Held| Readied {
            pair: held.pair,
            file_names: held.file_names,
            windows: held.windows,
        };
        Self {
            missing: unreadable
                .map(|unreadable| (unreadable.name, unreadable.reason))
                .collect(),
            key_pairs: holdings.key_pairs.into_iter().map(readied).collect(),
            doubts: Vec::new(),
            left_out: Vec::new(),
            site_map: holdings.site_map,
        }
    }

    /// Takes the sites from a copy of applicationHost.config; certificates are assigned by host
    /// name. How many were.
    pub fn take_sites(&mut self, config: &Path, now: Timestamp) -> Result<usize> {
        let mut map = SiteMap::of_file(config)?;
        let certificates = self
            .key_pairs
            .iter()
            .map(|one| (one.pair.leaf(), one.windows.as_ref()));
        let assigned = map.assign_by_name(&certificates.collect::<Vec<_>>(), now);
        self.site_map = Some(map);
        Ok(assigned)
    }

    /// Names what only other generations hold.
    pub fn show_left_out(&self, run: &Run<'_>) {
        self.left_out
            .iter()
            .for_each(|left_out| run.console.warn(&left_out.text()));
    }

    /// Puts those first that keep a name which several had: what a site serves, then what is newer.
    fn sort_by_claim(&mut self, now: Timestamp) {
        let used = self
            .site_map
            .as_ref()
            .map(SiteMap::used)
            .unwrap_or_default();
        let claim = |one: &Readied| {
            let leaf = one.pair.leaf();
            Reverse((
                used.contains(&leaf.thumbprint()),
                leaf.rank("", now),
                leaf.thumbprint(),
            ))
        };
        self.key_pairs.sort_by_cached_key(claim);
    }

    /// The exit code once everything in it is where it should be.
    pub fn exit(&self) -> Exit {
        match () {
            () if !self.missing.is_empty() => Exit::Partly,
            () if !self.doubts.is_empty() || !self.left_out.is_empty() => Exit::Attention,
            () => Exit::Done,
        }
    }
}

fn from_vault(run: &Run<'_>, args: &Restore, media: &[String]) -> Result<Ready> {
    let media = run.vault_media_or_inserted(media)?;
    let known = run.memory();
    let opened = run.open(&media, &known)?;
    let from = choose(&opened, &args.which, &args.names)?;
    let record = &from.generation.record;
    let age = age_in_days(run, record.time);
    run.console.say(&text!(
        "restore-from",
        server = from.catalog.server_name.as_str(),
        number = record.number.get(),
        age = age,
        left_out = left_out::count(&from.left_out)
    ));
    from.doubts.iter().for_each(|doubt| run.console.warn(doubt));
    let (doubts, site_map) = (from.doubts.clone(), SiteMap::of_catalog(&from.catalog));
    let mut left_out = from.left_out.clone();
    if args.to != IIS {
        left_out
            .iter_mut()
            .for_each(|left_out| left_out.line += &format!(" --to {}", quoted(&args.to)));
    }
    let mut ready = Ready {
        key_pairs: Vec::new(),
        missing: Vec::new(),
        doubts,
        left_out,
        site_map,
    };
    let wanted: Vec<_> = from
        .catalog
        .key_pairs
        .iter()
        .filter(|entry| is_wanted(entry, &args.names))
        .collect();
    let read: Vec<_> = wanted
        .par_iter()
        .map(|entry| opened.key_pair(&from, entry))
        .collect();
    for (entry, read) in wanted.into_iter().zip(read) {
        match read {
            Ok(pair) => {
                let (file_names, windows) =
                    (entry.about.file_names.clone(), OnWindows::of(&entry.about));
                ready.key_pairs.push(Readied {
                    pair,
                    file_names,
                    windows,
                });
            }
            Err(reason) => ready
                .missing
                .push((entry.about.display_name().to_owned(), reason)),
        }
    }
    let is_meant = |known: &str| {
        args.names.is_empty() || args.names.iter().any(|n| is_called_without_key(known, n))
    };
    for without in from
        .catalog
        .without_key
        .iter()
        .filter(|without| is_meant(&without.name))
    {
        ready
            .missing
            .push((without.name.clone(), text!("reason-without-key")));
    }
    Ok(ready)
}

/// Plan, question, password, write, report. Also what `export` ends with. `named` is what was asked
/// for by name: that it has ended is said and no more.
pub fn place(
    run: &Run<'_>,
    ready: &mut Ready,
    destination: &Destination,
    into: &Into,
    named: bool,
) -> Result<Exit> {
    if ready.key_pairs.is_empty() {
        return Err(nothing_to_place(ready));
    }
    ready.sort_by_claim(run.now);
    let placed: Vec<_> = ready
        .key_pairs
        .iter()
        .map(|one| Placed {
            pair: &one.pair,
            file_names: &one.file_names,
        })
        .collect();
    let leaves: Vec<_> = placed.iter().map(|one| one.pair.leaf()).collect();
    let planned = destination.plan(&placed)?;
    show_plan(run, &leaves, &planned, ready);
    let exit = match ready.exit() {
        Exit::Done if !named && !standing::all_valid(&leaves, run.now) => Exit::Attention,
        exit => exit,
    };
    let mut document = document(run, ready, &leaves, &planned);
    if into.dry_run {
        refuse_taken(&planned, into.force)?;
        document["dry_run"] = true.into();
        run.console.document(exit, document);
        return Ok(exit);
    }
    let replaces = planned
        .iter()
        .flat_map(|planned| &planned.paths)
        .any(|path| path.exists());
    run.go_ahead(
        into.yes,
        &text!("restore-question"),
        if replaces { Enter::No } else { Enter::Yes },
    )?;
    let password = destination
        .is_pfx()
        .then(|| run.pfx_password(into.pfx_password_file.as_deref()))
        .transpose()?;
    let writing = Writing {
        password: password.as_ref(),
        profile: into.reader.unwrap_or_default().profile(),
        force: into.force,
    };
    let files = destination.write(&placed, &writing)?;
    run.console.say(&text!(
        "restore-done",
        count = placed.len(),
        files = files.len(),
        place = destination.path()
    ));
    standing::headline(run, &leaves);
    standing::tell(run, &leaves);
    ready.show_left_out(run);
    if !destination.is_pfx() {
        run.console
            .warn(&text!("restore-open-keys", place = destination.path()));
    }
    document["restored"] = placed.len().into();
    run.console.document(exit, document);
    Ok(exit)
}

fn document(run: &Run<'_>, ready: &Ready, leaves: &[&Certificate], planned: &[Planned]) -> Value {
    let missing = |(name, reason): &(String, Text)| json!({ "name": name, "reason": run.console.words(reason) });
    let files = |planned: &Planned| {
        planned
            .paths
            .iter()
            .map(|path| path.display().to_string())
            .collect::<Vec<_>>()
    };
    let key_pair = |(leaf, planned): (&&Certificate, &Planned)| {
        let mut key_pair = standing::document(leaf, run.now);
        key_pair["files"] = json!(files(planned));
        key_pair
    };
    json!({
        "files": planned.iter().flat_map(files).collect::<Vec<_>>(),
        "key_pairs": leaves.iter().zip(planned).map(key_pair).collect::<Vec<_>>(),
        "valid_today": standing::count_valid(leaves, run.now),
        "missing": ready.missing.iter().map(missing).collect::<Vec<_>>(),
        "doubts": ready.doubts.iter().map(|doubt| run.console.words(doubt)).collect::<Vec<_>>(),
        "left_out": left_out_document(&ready.left_out),
    })
}

/// Every file with the certificate in it, sorted by name; what does not keep its name; how many are
/// valid.
fn show_plan(run: &Run<'_>, leaves: &[&Certificate], planned: &[Planned], ready: &Ready) {
    let mut lines: Vec<_> = leaves.iter().zip(planned).collect();
    lines.sort_by(|(_, a), (_, b)| a.paths.cmp(&b.paths));
    for (leaf, planned) in lines {
        for path in &planned.paths {
            let line = plan_line(leaf, path, run.now);
            if leaf.is_valid(run.now) {
                run.console.mention(&line)
            } else {
                run.console.say(&line)
            }
        }
        for (was, reason) in &planned.renamed {
            let thumbprint = short(&leaf.thumbprint());
            run.console.warn(&text!(
                "plan-renamed",
                name = leaf.display_name(),
                thumbprint = thumbprint,
                was = was,
                reason = reason.clone()
            ));
        }
    }
    for (name, reason) in &ready.missing {
        run.console.warn(&text!(
            "restore-missing",
            name = name,
            reason = reason.clone()
        ));
    }
    ready.show_left_out(run);
    standing::headline(run, leaves);
}

fn plan_line(leaf: &Certificate, path: &Path, now: Timestamp) -> Text {
    let (name, thumbprint, end) = (
        leaf.display_name(),
        short(&leaf.thumbprint()),
        standing::end(leaf, now),
    );
    match path.exists() {
        true => text!(
            "plan-replace",
            name = name,
            thumbprint = thumbprint,
            end = end,
            path = path
        ),
        false => text!(
            "plan-create",
            name = name,
            thumbprint = thumbprint,
            end = end,
            path = path
        ),
    }
}

/// That there is nothing to restore.
pub fn nothing_to_place(ready: &Ready) -> Error {
    match ready.missing.first() {
        Some((name, reason)) => Error::new(
            Exit::Damaged,
            text!(
                "error-nothing-restorable",
                name = name,
                reason = reason.clone()
            ),
        ),
        None => Error::failed(text!("error-nothing-found")),
    }
}
