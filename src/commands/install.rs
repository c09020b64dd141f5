//! `install`: the certificate authority's answer finds its key, is put into the store, and is backed up at once.

use std::path::Path;

use serde_json::{Value, json};

use crate::cli::{Backup, From, Install, Reader, SourceFiles, Store};
use crate::commands::bindings::Answers;
use crate::commands::list::last_backup;
use crate::commands::restart::restart;
use crate::commands::{Run, backup, bindings, day, iis};
use crate::error::{Error, Exit, Result};
use crate::keypair::Certificate;
use crate::restore::answer::{self, Answer, Origin, Wishes};
use crate::restore::successor::{self, Succession};
use crate::restore::{Bound, Fate};
use crate::server::IIS;
use crate::server::iis::{Iis, SiteMap, Snapshot, StoreName, look_at_all};
use crate::{files, pkcs7, text};

/// Runs the command.
pub fn run(run: &Run<'_>, args: &Install) -> Result<Exit> {
    let certificates = read(&args.response)?;
    let server = iis::elevated()?;
    let here = look_at_all(server)?;
    let wishes = Wishes { friendly_name: args.friendly_name.as_deref(), store: args.store.map(store) };
    let mut answer = answer::plan(&here, &certificates, &wishes, run.now)?;
    answer.plan.bindings = succeed(args, server, &here, &answer)?;
    show(run, &answer);
    if args.dry_run {
        run.console.document(Exit::Done, document(run, &answer, true));
        return Ok(Exit::Done);
    }
    if answer.plan.changes_anything() {
        run.go_ahead(args.yes, &text!("install-question"))?;
        iis::carry_out(run, server, &answer.plan, "install")?;
    }
    Ok(finish(run, args, server, &here, &certificates, &answer))
}

/// What is done; whether the server shows it; and where else the key pair is.
fn finish(
    run: &Run<'_>,
    args: &Install,
    server: Iis<'_>,
    here: &Snapshot,
    certificates: &[Certificate],
    answer: &Answer<'_>,
) -> Exit {
    if answer.places() {
        let (name, thumbprint) = (answer.leaf.display_name(), answer.leaf.thumbprint());
        run.console.say(&text!("install-done", name = name, store = answer.store.as_str(), thumbprint = thumbprint));
    }
    let authorities =
        here.seen.iter().filter(|seen| seen.store == StoreName::Ca).map(|seen| seen.certificate.der.clone());
    let authorities: Vec<_> = authorities.chain(certificates.iter().map(|one| one.der().to_vec())).collect();
    let mut answers = bindings::confirm(run, &answer.plan.bindings, &authorities);
    if args.restart_site && restart_others(run, server, &answers) {
        answers = bindings::confirm(run, &answer.plan.bindings, &authorities);
    }
    let (saved_exit, saved) = keep_safe(run, args, answer);
    let exit = exit(&answer.plan.bindings, answers.are_good(), saved_exit);
    let mut document = document(run, answer, false);
    document["backup"] = saved;
    document["tls"] = answers.document();
    run.console.document(exit, document);
    exit
}

fn read(path: &Path) -> Result<Vec<Certificate>> {
    let answer = files::read_input(path)
        .map_err(|e| Error::failed(text!("error-source-unreadable", path = path, reason = &e)))?;
    pkcs7::certificates(&answer).map_err(|error| {
        Error::failed(match error {
            pkcs7::Error::NoCertificate => text!("error-answer-none", path = path),
            pkcs7::Error::Damaged => text!("error-answer-damaged", path = path),
            pkcs7::Error::TooLarge => text!("error-answer-too-large", path = path),
        })
    })
}

/// What becomes of the bindings; none where only the store is meant.
fn succeed(args: &Install, server: Iis<'_>, here: &Snapshot, answer: &Answer<'_>) -> Result<Vec<Bound>> {
    if args.no_bind {
        return Ok(Vec::new());
    }
    successor::plan(&Succession {
        map: &SiteMap::of(server)?,
        here,
        leaf: answer.leaf,
        store: answer.store,
        sites: &args.site,
        address: args.ip,
        sni: args.sni,
    })
}

/// Restarts the sites that still show another certificate, and says whether there were any.
fn restart_others(run: &Run<'_>, server: Iis<'_>, answers: &Answers<'_>) -> bool {
    let sites = answers.still_other();
    let Some(config) = server.sites.folder().filter(|_| !sites.is_empty()) else { return false };
    for site in sites {
        run.console.progress(&text!("progress-restart", site = site));
        if let Err(reason) = restart(&config, site) {
            run.console.warn(&text!("install-not-restarted", site = site, reason = reason));
        }
    }
    true
}

/// A binding that was left as it is outweighs a site that shows something else, as that may take a moment.
fn exit(bindings: &[Bound], served: bool, saved: Exit) -> Exit {
    let left = bindings.iter().any(|bound| matches!(bound.fate, Fate::Cannot(_) | Fate::Conflict(_)));
    match saved {
        _ if left => Exit::Partly,
        Exit::Done if !served => Exit::Attention,
        saved => saved,
    }
}

fn store(named: Store) -> StoreName {
    match named {
        Store::Personal => StoreName::My,
        Store::Webhosting => StoreName::WebHosting,
    }
}

fn show(run: &Run<'_>, answer: &Answer<'_>) {
    let name = answer.leaf.display_name();
    match answer.origin {
        Origin::Pending => run.console.say(&text!("install-pending", name = name)),
        Origin::RequestDeleted => run.console.say(&text!("install-request-deleted", name = name)),
        Origin::UsedBefore => run.console.say(&text!("install-used-before", name = name)),
        Origin::Installed => {}
    }
    match answer.plan.changes_anything() {
        true => iis::show(run, &answer.plan),
        false => run.console.say(&text!("install-already", name = name, store = answer.store.as_str())),
    }
    bindings::show(run, &answer.plan.bindings, false);
    if !is_bound(answer) {
        run.console.mention(&text!("install-not-bound"));
    }
    warn(run, answer);
    if !answer.plan.answered.is_empty() {
        run.console.say(&text!("install-answered"));
    }
}

/// What is wrong with the certificate or its key, and does not keep it from being installed.
fn warn(run: &Run<'_>, answer: &Answer<'_>) {
    let Answer { leaf, no_export, .. } = answer;
    let name = leaf.display_name();
    if leaf.not_after() < run.now {
        run.console.warn(&text!("warning-expired", name = name, day = day(leaf.not_after())));
    }
    if leaf.not_before() > run.now {
        run.console.warn(&text!("warning-not-yet-valid", name = name, day = day(leaf.not_before())));
    }
    if let Some(reason) = no_export {
        run.console.warn(&text!("list-hindrance", name = name, reason = reason.text()));
    }
}

/// Whether a binding has the certificate, or will.
fn is_bound(answer: &Answer<'_>) -> bool {
    answer.plan.bindings.iter().any(|bound| matches!(bound.fate, Fate::Change { .. } | Fate::AsItShouldBe))
}

/// Backs up everything at once, where a medium is there. Without one, this is where a parcel would be sealed.
fn keep_safe(run: &Run<'_>, args: &Install, answer: &Answer<'_>) -> (Exit, Value) {
    if args.to.is_empty() {
        let known = run.memory().state;
        if known.is_none_or(|state| last_backup(&state, answer.leaf.der()).is_none()) {
            run.console.warn(&text!("install-only-here"));
        }
        return (Exit::Done, Value::Null);
    }
    let source = From { from: IIS.to_owned(), files: SourceFiles { key: None, source_password_file: None } };
    let backup = Backup {
        names: Vec::new(),
        from: source,
        to: args.to.clone(),
        reader: Reader::Server2019,
        ask_pfx_password: false,
        pfx_password_file: None,
        force: false,
        // A backup of what sites use would leave out what none uses yet.
        all: !is_bound(answer),
        iis_config: None,
        dry_run: false,
        yes: args.yes,
    };
    backup::back_up(run, &backup).unwrap_or_else(|error| {
        run.console.warn(&text!("install-not-saved", reason = error.text));
        (Exit::Attention, Value::Null)
    })
}

fn document(run: &Run<'_>, answer: &Answer<'_>, dry_run: bool) -> Value {
    let origin = match answer.origin {
        Origin::Pending => "pending",
        Origin::RequestDeleted => "request-deleted",
        Origin::UsedBefore => "used-before",
        Origin::Installed => "installed",
    };
    json!({
        "name": answer.leaf.display_name(), "thumbprint": answer.leaf.thumbprint(), "store": answer.store.as_str(),
        "origin": origin, "dry_run": dry_run, "bindings": bindings::document(run, &answer.plan.bindings),
    })
}
