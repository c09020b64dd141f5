//! `restore`: from a vault or a plain source to a folder server, a PFX or PEM files. The plan
//! first, then the question. The medium is never written.

mod bindings;
pub(super) mod iis;
mod read;

use self::read::{is_from_vault, read_set};
use crate::cli::RestoreArgs;
use crate::error::{Exit, Result};
use crate::keystore::{Destination, IIS};
use crate::rules::Stored;
use crate::session::Session;
use crate::session::options::refuse;
use crate::session::restore_set::is_named;
use crate::session::write_files::write_files;

/// Runs the command.
pub(super) fn run(session: &Session<'_>, args: &RestoreArgs) -> Result<Exit> {
    refuse_idle(args)?;
    if args.to == IIS {
        return iis::restore(session, args);
    }
    let destination = Destination::parse(&args.to)?;
    session.judge(destination.path(), Stored::KeyPairFiles)?;
    let mut set = read_set(session, args)?;
    write_files(
        session,
        &mut set,
        &destination,
        &args.into,
        is_named(&args.names, &args.from),
    )
}

/// Refuses options that would change nothing: whoever gives one expects something of it.
fn refuse_idle(args: &RestoreArgs) -> Result<()> {
    args.into.refuse_idle(&args.to)?;
    refuse_idle_for_iis(args)?;
    let RestoreArgs { files, which, .. } = args;
    let generations = [
        (which.server.is_some(), "--server"),
        (which.generation.is_some(), "--generation"),
    ];
    let key = [(files.key.is_some(), "--key")];
    let password = [
        (
            files.source_password_file.is_some(),
            "--source-password-file",
        ),
        (files.source_passwords.is_some(), "--source-passwords"),
    ];
    let is_from = |kind: &str| args.from.iter().any(|from| from.starts_with(kind));
    refuse(!is_from_vault(args), &generations, "--from E:")?;
    refuse(!is_from("pem:"), &key, "--from pem:")?;
    refuse(
        !is_from("folder:") && !is_from("pfx:") && !is_from("pem:"),
        &password,
        "--from folder:, --from pfx:, --from pem:",
    )
}

/// The options of a restore into IIS, and of the sites in it.
fn refuse_idle_for_iis(args: &RestoreArgs) -> Result<()> {
    let RestoreArgs {
        bindings, change, ..
    } = args;
    let with_sites = is_from_vault(args)
        || args.from.iter().any(|from| from == IIS)
        || args.iis_config.is_some();
    let into_iis = [
        (args.non_exportable, "--non-exportable"),
        (args.provider.is_some(), "--provider"),
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
    refuse(args.to != IIS, &into_iis, "--to iis")?;
    refuse(args.to != IIS, &maps, "--to iis")?;
    refuse(!with_sites, &maps, "--iis-config")
}
