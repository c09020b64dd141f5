//! Says who renews certificates: that is in no backup, and has to be set up again on a new server.

use std::collections::BTreeMap;

use crate::iis::renewers::InstalledRenewer;
use crate::keypair::{Certificate, Renewer};
use crate::message::Text;
use crate::session::Session;
use crate::text;

/// Names in one line.
const MOST_NAMES: usize = 5;

/// A certificate with its friendly name and the files that it lies in.
pub type Named<'a> = (Option<&'a str>, &'a [String], &'a Certificate);

/// One line for each program that renews any of these.
pub fn say<'a>(session: &Session<'_>, certificates: impl Iterator<Item = Named<'a>>) {
    let mut renewed: BTreeMap<Renewer, Vec<&str>> = BTreeMap::new();
    for (friendly_name, files, leaf) in certificates {
        if let Some(renewer) = Renewer::of(friendly_name, files, leaf) {
            renewed
                .entry(renewer)
                .or_default()
                .push(leaf.display_name());
        }
    }
    for (renewer, mut names) in renewed {
        names.sort_unstable();
        names.dedup();
        if names.len() > MOST_NAMES {
            names.truncate(MOST_NAMES);
            names.push("…");
        }
        session.console.mention(&line(renewer, &names.join(", ")));
    }
}

/// One line for each program that was seen on the server, with where it was seen.
pub fn say_installed(session: &Session<'_>, renewers: &[InstalledRenewer]) {
    for one in renewers {
        session.console.mention(&text!(
            "renewer-seen",
            program = one.program.as_str(),
            places = one.places.join(", ")
        ));
    }
}

fn line(renewer: Renewer, names: &str) -> Text {
    match renewer {
        Renewer::WinAcme => text!("renewed-by-win-acme", names = names),
        Renewer::Certify => text!("renewed-by-certify", names = names),
        Renewer::PoshAcme => text!("renewed-by-posh-acme", names = names),
        Renewer::Windows => text!("renewed-by-windows", names = names),
    }
}
