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
    let RestoreArgs {
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
