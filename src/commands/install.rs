//! `install`: the certificate authority's answer finds its key, is put into the store, and is backed up at once.

use std::path::Path;

use serde_json::{Value, json};

use crate::cli::{Backup, From, Install, Reader, SourceFiles, Store};
use crate::commands::list::last_backup;
use crate::commands::{Run, backup, iis};
use crate::error::{Error, Exit, Result};
use crate::keypair::Certificate;
use crate::restore::answer::{self, Answer, Origin, Wishes};
use crate::restore::successor::{self, Succession};
use crate::restore::{Bound, Fate};
use crate::server::IIS;
use crate::server::iis::{Iis, SiteMap, Snapshot, StoreName, look_at_all};
use crate::{files, pkcs7, served, text};

/// Runs the command.
pub fn run(run: &Run<'_>, args: &Install) -> Result<Exit> {
    let certificates = read(&args.response)?;
    let server = iis::elevated()?;
    let here = look_at_all(server)?;
    let wishes = Wishes { friendly_name: args.friendly_name.as_deref(), store: args.store.map(store) };
    let mut answer = answer::plan(&here, &certificates, &wishes, run.now)?;
    answer.plan.bindings = bindings(args, server, &here, &answer)?;
    show(run, &answer);
    if args.dry_run {
        run.console.document(Exit::Done, document(&answer, true));
        return Ok(Exit::Done);
    }
    if answer.plan.changes_anything() {
        run.go_ahead(args.yes, &text!("install-question"))?;
        iis::carry_out(run, server, &answer.plan, "install")?;
        let (name, thumbprint) = (answer.leaf.display_name(), answer.leaf.thumbprint());
        run.console.say(&text!("install-done", name = name, store = answer.store.as_str(), thumbprint = thumbprint));
    }
    let served = confirm(run, &answer);
    let (saved_exit, saved) = keep_safe(run, args, answer.leaf);
    let exit = exit(&answer.plan.bindings, served, saved_exit);
    let mut document = document(&answer, false);
    document["backup"] = saved;
    run.console.document(exit, document);
    Ok(exit)
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
fn bindings(args: &Install, server: Iis<'_>, here: &Snapshot, answer: &Answer<'_>) -> Result<Vec<Bound>> {
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

/// Asks the server for every binding, on this machine; says whether all of them serve the certificate.
fn confirm(run: &Run<'_>, answer: &Answer<'_>) -> bool {
    let authorities: Vec<_> = answer.plan.authorities.iter().map(|(_, der)| der.to_vec()).collect();
    let checks = answer.plan.bindings.iter().filter_map(|bound| bound.check.as_ref());
    let confirmed = checks.map(|check| {
        let verdict = served::confirm(check, &authorities);
        let lines = verdict.texts(check);
        lines.iter().for_each(|line| if verdict.is_good() { run.console.say(line) } else { run.console.warn(line) });
        verdict.is_good()
    });
    confirmed.fold(true, |all, good| all && good)
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
    for bound in &answer.plan.bindings {
        bound.texts().iter().for_each(|line| run.console.say(line));
    }
    if !answer.plan.bindings.iter().any(|bound| matches!(bound.fate, Fate::Change { .. } | Fate::AsItShouldBe)) {
        run.console.mention(&text!("install-not-bound"));
    }
    if !answer.plan.answered.is_empty() {
        run.console.say(&text!("install-answered"));
    }
}

/// Backs up everything at once, where a medium is there. Without one, this is where a parcel would be sealed.
fn keep_safe(run: &Run<'_>, args: &Install, leaf: &Certificate) -> (Exit, Value) {
    if args.to.is_empty() {
        let known = run.memory().state;
        if known.is_none_or(|state| last_backup(&state, leaf.der()).is_none()) {
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
        all: true,
        iis_config: None,
        dry_run: false,
        yes: args.yes,
    };
    backup::back_up(run, &backup).unwrap_or_else(|error| {
        run.console.warn(&text!("install-not-saved", reason = error.text));
        (Exit::Attention, Value::Null)
    })
}

fn document(answer: &Answer<'_>, dry_run: bool) -> Value {
    let origin = match answer.origin {
        Origin::Pending => "pending",
        Origin::RequestDeleted => "request-deleted",
        Origin::UsedBefore => "used-before",
        Origin::Installed => "installed",
    };
    json!({
        "name": answer.leaf.display_name(), "thumbprint": answer.leaf.thumbprint(), "store": answer.store.as_str(),
        "origin": origin, "dry_run": dry_run,
    })
}
