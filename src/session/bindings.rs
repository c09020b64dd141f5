//! The bindings of a change of IIS: what gives way, what would become of each, and, when all is
//! done, what the server really shows.

use std::collections::{BTreeSet, HashSet};

use jiff::Timestamp;
use serde::Serialize;

use crate::change::appcmd::{self, Shell};
use crate::change::{BindingAction, CertificateLabel, Edit, Order, PlannedBinding};
use crate::console::Enter;
use crate::error::Result;
use crate::iis::Iis;
use crate::keypair::{Certificate, Lower, Remaining};
use crate::message::{Text, day};
use crate::session::Session;
use crate::session::restart;
use crate::session::standing::not_yet_valid;
use crate::text;
use crate::tls::ask::{self, Verdict};
use crate::tls::prove::TlsError;

/// Plans bindings, asks a person about everything that would give way to something lower, and plans
/// again. Nobody is asked where `unattended`: it stays.
///
/// # Errors
/// Those of `plan`, and a question without an answer.
pub fn settle(
    session: &Session<'_>,
    order: &mut Order,
    unattended: bool,
    plan: impl Fn(&Order) -> Result<Vec<PlannedBinding>>,
) -> Result<Vec<PlannedBinding>> {
    let mut asked = HashSet::new();
    loop {
        let bound = plan(order)?;
        if unattended || !session.console.interactive() {
            return Ok(bound);
        }
        let held = bound.iter().find_map(|one| match &one.fate {
            BindingAction::Held { serves, .. } if asked.insert(serves.thumbprint.clone()) => {
                Some(serves)
            }
            _ => None,
        });
        let Some(serves) = held else { return Ok(bound) };
        if session
            .console
            .confirm(&replace_question(session, serves, &bound), Enter::No)?
        {
            order.agree(&serves.thumbprint);
        }
    }
}

/// Whether a certificate may be replaced by what stands lower, wherever it is served.
fn replace_question(
    session: &Session<'_>,
    serves: &CertificateLabel,
    bound: &[PlannedBinding],
) -> Text {
    let line = |one: &PlannedBinding| match &one.fate {
        BindingAction::Held {
            serves: other,
            lower,
        } if other == serves => Some(session.console.words(&text!(
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

/// The plan, line by line.
pub fn show(session: &Session<'_>, bound: &[PlannedBinding]) {
    for one in bound {
        let stands_out = one.is_left() || one.lower().is_some();
        for (at, line) in one.texts().iter().enumerate() {
            if stands_out || at > 0 {
                session.console.warn(line)
            } else {
                session.console.say(line)
            }
        }
    }
}

/// The commands of Windows that would do the same on this build of it.
pub fn show_commands(session: &Session<'_>, bound: &[PlannedBinding], build: u32) {
    let edits: Vec<&Edit> = bound.iter().flat_map(PlannedBinding::edits).collect();
    let commands: Vec<_> = edits
        .iter()
        .flat_map(|edit| appcmd::commands(edit, build))
        .collect();
    let lines = |shell| -> Vec<String> {
        let lines = commands.iter().map(|command| command.line(shell));
        lines.collect()
    };
    let (cmd, powershell) = (lines(Shell::Cmd), lines(Shell::PowerShell));
    let text = text!("bind-commands", cmd = cmd, powershell = powershell);
    session.console.say(&text);
    let without = edits
        .iter()
        .filter_map(|edit| appcmd::without_command(edit, build));
    without.for_each(|text| session.console.warn(&text));
}

/// What became of the question for each binding.
pub struct Answers<'a> {
    answers: Vec<(&'a PlannedBinding, Verdict)>,
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
    fn go_ahead(self, session: &Session<'_>, sites: &BTreeSet<&str>) -> bool {
        let names = sites.iter().copied().collect::<Vec<_>>().join(", ");
        let ask = || {
            session
                .console
                .confirm(&text!("restart-question", sites = names), Enter::No)
                .unwrap_or(false)
        };
        self.wanted || (!self.yes && session.console.interactive() && ask())
    }
}

/// Asks the server for every binding, as its clients do, on this machine. Sites that go on showing
/// another certificate are restarted where that is wanted, and everything is asked again.
/// `authorities` are certificates that it may have to send along.
pub fn confirm<'a>(
    session: &Session<'_>,
    server: Iis<'_>,
    bound: &'a [PlannedBinding],
    authorities: &[Vec<u8>],
    restart: Restart,
) -> Answers<'a> {
    let answers = ask_over_tls(session, bound, authorities);
    let sites = answers.still_other();
    let Some(config) = server.sites.folder().filter(|_| !sites.is_empty()) else {
        return answers;
    };
    if !restart.go_ahead(session, &sites) {
        for site in sites {
            let [stop, start] = appcmd::restart(site).map(|command| command.line(Shell::Cmd));
            let text = text!("tls-restart", stop = stop, start = start);
            session.console.mention(&text);
        }
        return answers;
    }
    for site in sites {
        session
            .console
            .progress(&text!("progress-restart", site = site));
        if let Err(reason) = restart::restart(&config, site) {
            session
                .console
                .warn(&text!("site-not-restarted", site = site, reason = reason));
        }
    }
    ask_over_tls(session, bound, authorities)
}

fn ask_over_tls<'a>(
    session: &Session<'_>,
    bound: &'a [PlannedBinding],
    authorities: &[Vec<u8>],
) -> Answers<'a> {
    let asked: Vec<_> = bound
        .iter()
        .filter(|one| one.is_made())
        .filter_map(|one| Some((one, one.check.as_ref()?)))
        .collect();
    if !asked.is_empty() {
        session
            .console
            .progress(&text!("progress-tls", count = asked.len()));
    }
    let checks: Vec<_> = asked.iter().map(|(_, check)| *check).collect();
    let verdicts = ask::confirm(&checks, authorities);
    let mut good = true;
    for remark in checks
        .iter()
        .zip(&verdicts)
        .flat_map(|(check, verdict)| verdict.remarks(check, session.now))
    {
        good &= remark.good;
        if remark.good {
            session.console.say(&remark.text)
        } else {
            session.console.warn(&remark.text)
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
    pub fn report(&self) -> Vec<AnswerReport> {
        let mut reports = Vec::new();
        for (bound, verdict) in &self.answers {
            let (result, served, missing) = match verdict {
                Verdict::Right(served, missing) => ("right", Some(served), missing.clone()),
                Verdict::Other(served) => ("other", Some(served), Vec::new()),
                Verdict::Unsteady(served, _) => ("unsteady", Some(served), Vec::new()),
                Verdict::Nothing(TlsError::NothingInCommon) => ("unasked", None, Vec::new()),
                Verdict::Nothing(_) => ("nothing", None, Vec::new()),
            };
            let leaf = served.and_then(|served| served.leaf());
            reports.push(AnswerReport {
                site: bound.to.clone(),
                host: bound.check.as_ref().and_then(|check| check.host.clone()),
                result,
                version: served.map(|served| served.version.to_string()),
                thumbprint: served.map(|served| served.thumbprint()),
                missing,
                not_after: leaf.map(|leaf| leaf.not_after().to_string()),
            });
        }
        reports
    }
}

/// What a binding showed to a client.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct AnswerReport {
    site: String,
    host: Option<String>,
    /// `right`, `unsteady`, `other`, `nothing` or `unasked`.
    result: &'static str,
    version: Option<String>,
    thumbprint: Option<String>,
    /// Authorities that the server should have sent.
    missing: Vec<String>,
    not_after: Option<String>,
}

/// What becomes of a binding.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct BindingReport {
    site: String,
    to: String,
    binding: String,
    certificate: String,
    thumbprint: String,
    not_after: Option<String>,
    fate: &'static str,
    replaces: Option<ReplacedReport>,
    /// Why the new certificate stands lower.
    lower: Option<&'static str>,
    reason: Option<String>,
    remarks: Vec<String>,
}

/// The certificate that a binding has today.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct ReplacedReport {
    certificate: String,
    thumbprint: String,
    not_after: Option<String>,
}

impl BindingReport {
    /// The bindings of a plan.
    pub fn of(session: &Session<'_>, bound: &[PlannedBinding]) -> Vec<Self> {
        let mut reports = Vec::new();
        for one in bound {
            reports.push(Self::of_one(session, one));
        }
        reports
    }

    fn of_one(session: &Session<'_>, one: &PlannedBinding) -> Self {
        let (fate, reason, replaces) = match &one.fate {
            BindingAction::AsItShouldBe => ("keep", None, None),
            BindingAction::Cannot(reason) => ("cannot", Some(reason), None),
            BindingAction::Conflict(reason) => ("conflict", Some(reason), None),
            BindingAction::Held { serves, .. } => ("held", None, Some(serves)),
            BindingAction::Change {
                replaces: Some(replaces),
                ..
            } => ("replace", None, Some(replaces)),
            BindingAction::Change { replaces: None, .. } => ("add", None, None),
        };
        let remarks = one.remarks.iter();
        Self {
            site: one.site.clone(),
            to: one.to.clone(),
            binding: one.binding.clone(),
            certificate: one.certificate.label(),
            thumbprint: one.certificate.thumbprint.clone(),
            not_after: end(&one.certificate),
            fate,
            replaces: replaces.map(|replaces| ReplacedReport {
                certificate: replaces.label(),
                thumbprint: replaces.thumbprint.clone(),
                not_after: end(replaces),
            }),
            lower: one.lower().map(Lower::id),
            reason: reason.map(|reason| session.console.words(reason)),
            remarks: remarks.map(|text| session.console.words(text)).collect(),
        }
    }
}

fn end(shown: &CertificateLabel) -> Option<String> {
    shown.not_after.map(|time| time.to_string())
}

/// At the end: what stays because it stands higher, and how to replace it all the same.
pub fn name_held(session: &Session<'_>, bound: &[PlannedBinding]) {
    let held = |one: &PlannedBinding| match &one.fate {
        BindingAction::Held { serves, .. } => Some(serves.argument().to_owned()),
        _ => None,
    };
    let names: Vec<_> = bound.iter().filter_map(held).collect();
    let options: BTreeSet<_> = names
        .iter()
        .map(|name| format!("--replace-newer {name}"))
        .collect();
    if !names.is_empty() {
        let options = options.into_iter().collect::<Vec<_>>().join(" ");
        session.console.warn(&text!(
            "bindings-held",
            count = names.len(),
            options = options
        ));
    }
}

/// That a certificate is not valid today, with what to do; `None` where it is.
pub fn not_valid(leaf: &Certificate, now: Timestamp) -> Option<Text> {
    match leaf.remaining(now) {
        Remaining::Over => Some(expired(leaf)),
        Remaining::NotYet => Some(not_yet_valid(leaf)),
        Remaining::Days(_) | Remaining::Long => None,
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
