//! The key pairs at a source, with what is weak about them.

use crate::cli::SourceFileArgs;
use crate::error::{Exit, Result};
use crate::keypair::{Certificate, Warning};
use crate::keystore::{
    self, IIS, Inventory, PassedOver, Reading, Source, SourcePasswords, UnreadableKeyPair,
    wrong_source_password,
};
use crate::message::{Text, day, short};
use crate::platform::private_files;
use crate::session::{Session, here, renewer};
use crate::state::{Acknowledged, State};
use crate::text;
use secret::Password;

/// Names in one line.
const MOST_NAMES: usize = 5;
const PASSWORD_OPTION: &str = "--source-password-file";

impl Session<'_> {
    /// Everything at a source. Passwords are asked for only where files do not open without one, and
    /// none is given.
    pub fn holdings(&self, source: &str, files: &SourceFileArgs) -> Result<Inventory> {
        if source == IIS {
            let holdings = keystore::holdings(here::here()?, self.now)?;
            self.report_exported(&holdings);
            return Ok(holdings);
        }
        let source = Source::parse(source, files.key.as_deref())?;
        let given = source_passwords(files)?;
        let is_given = given.is_some();
        let passwords = given.unwrap_or_else(SourcePasswords::none);
        let mut reading = Reading::begin(&source, passwords, self.now)?;
        let may_ask = self.console.interactive() || reading.needs_password();
        if !is_given && may_ask && !reading.locked().is_empty() {
            self.unlock(&mut reading)?;
        }
        for name in reading.named_in_vain() {
            self.console
                .warn(&text!("source-password-in-vain", name = name));
        }
        let holdings = reading.finish()?;
        self.say_passed_over(&holdings);
        Ok(holdings)
    }

    /// Asks for one password that opens some of what is shut, then for that of each file which still
    /// is. Enter alone leaves it out.
    fn unlock(&self, reading: &mut Reading) -> Result<()> {
        let count = reading.locked().len();
        if count > 1 {
            let question = text!("prompt-source-passwords", count = count);
            if !self.ask_source_password(reading, &question, None)? {
                return Ok(());
            }
        }
        let shut: Vec<_> = reading.locked().into_iter().map(str::to_owned).collect();
        for name in shut {
            // One typed for another file may have opened it.
            if !reading.locked().contains(&name.as_str()) {
                continue;
            }
            let question = text!("prompt-source-password", name = name.as_str());
            self.ask_source_password(reading, &question, Some(&name))?;
        }
        Ok(())
    }

    /// Asks until a password opens the file `wanted`, or any where none is; `false` after Enter alone.
    fn ask_source_password(
        &self,
        reading: &mut Reading,
        question: &Text,
        wanted: Option<&str>,
    ) -> Result<bool> {
        loop {
            let tried = self
                .console
                .secret_that_opens(question, PASSWORD_OPTION, |typed| {
                    if typed.is_empty() {
                        return Ok(None);
                    }
                    let password = Password::new(typed.to_string());
                    reading.try_password(password, wanted).map(Some)
                });
            match tried {
                Ok(Some(opened)) => {
                    reading.take_opened(opened);
                    return Ok(true);
                }
                Ok(None) => return Ok(false),
                Err(error) if error.exit == Exit::WrongSecret => {
                    self.console.warn(&text!("source-password-again"));
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Names what holds no key pair; louder where nothing else is there.
    fn say_passed_over(&self, holdings: &Inventory) {
        if holdings.passed_over.is_empty() {
            return;
        }
        let mut names = Vec::new();
        // What somebody may miss comes first.
        let is_stray = |one: &&PassedOver| one.stray;
        let all = holdings.passed_over.iter();
        let ordered = all
            .clone()
            .filter(|one| !one.stray)
            .chain(all.filter(is_stray));
        for one in ordered.take(MOST_NAMES) {
            names.push(one.name.clone());
        }
        let count = holdings.passed_over.len();
        if count > MOST_NAMES {
            names.push("…".to_owned());
        }
        let line = text!(
            "source-passed-over",
            count = count,
            names = names.join(", ")
        );
        if holdings.holds_nothing() {
            self.console.warn(&line);
        } else {
            self.console.mention(&line);
        }
    }

    /// What is written from: everything at a source that `names` mean, its weaknesses pointed out.
    /// A password that opens nothing is a failure of its own, not an empty source.
    pub fn chosen(
        &self,
        names: &[String],
        source: &str,
        files: &SourceFileArgs,
    ) -> Result<Inventory> {
        let mut holdings = self.holdings(source, files)?;
        holdings.select(names)?;
        let locked = holdings.locked();
        if holdings.key_pairs.is_empty()
            && !locked.is_empty()
            && locked.len() == holdings.unreadable.len()
        {
            return Err(wrong_source_password(locked));
        }
        warnings(self, &holdings);
        Ok(holdings)
    }
}

/// The passwords that options give; `None` where they give none.
fn source_passwords(files: &SourceFileArgs) -> Result<Option<SourcePasswords>> {
    let SourceFileArgs {
        source_password_file,
        source_passwords,
        ..
    } = files;
    if source_password_file.is_none() && source_passwords.is_none() {
        return Ok(None);
    }
    let mut passwords = SourcePasswords::none();
    if let Some(file) = source_passwords {
        passwords.add_table(&private_files::read_secret_table(file)?, file)?;
    }
    if let Some(file) = source_password_file {
        let password = private_files::read_secret(file)?;
        passwords.add(Password::new(password.to_string()));
    }
    Ok(Some(passwords))
}

/// What was said about a key pair that cannot be read, as long as that holds.
pub fn acknowledged<'a>(
    state: &'a State,
    unreadable: &UnreadableKeyPair,
    now: jiff::Timestamp,
) -> Option<&'a Acknowledged> {
    match &unreadable.certificate {
        Some(certificate) => state.acknowledged(certificate, now),
        None => state.acknowledged_file(unreadable.fingerprint()?, now),
    }
}

/// What is said of a certificate without a key pair of its own: nothing where a key pair keeps it as
/// its authority.
pub fn without_key(holdings: &Inventory, certificate: &Certificate) -> Option<Text> {
    let (name, thumbprint) = (certificate.display_name(), short(&certificate.thumbprint()));
    let unused: Vec<_> = holdings
        .unreadable
        .iter()
        .map(|one| one.name.as_str())
        .collect();
    if certificate.is_of_server() && !unused.is_empty() {
        return Some(text!(
            "list-certificate-perhaps",
            name = name,
            thumbprint = thumbprint,
            files = unused.join(", ")
        ));
    }
    if !certificate.is_authority() {
        return Some(text!(
            "list-certificate",
            name = name,
            thumbprint = thumbprint
        ));
    }
    let mut kept = holdings
        .key_pairs
        .iter()
        .flat_map(|held| held.pair.certificates());
    let is_kept = kept.any(|other| other.der() == certificate.der());
    (!is_kept).then(|| text!("list-authority", name = name, thumbprint = thumbprint))
}

/// What is weak or missing about key pairs that can be backed up all the same.
pub fn warnings(session: &Session<'_>, holdings: &Inventory) {
    for warning in holdings
        .key_pairs
        .iter()
        .flat_map(|held| &held.pair.warnings)
    {
        session.console.warn(&warning_text(warning));
    }
    for held in &holdings.key_pairs {
        if held
            .pfx
            .as_ref()
            .is_some_and(|protection| protection.mac.is_none())
        {
            session
                .console
                .warn(&text!("warning-no-mac", name = held.leaf().display_name()));
        }
    }
    for text in remarks(holdings) {
        session.console.mention(&text);
    }
    say_renewed(session, holdings);
}

/// Who renews what is here.
pub fn say_renewed(session: &Session<'_>, holdings: &Inventory) {
    let held = holdings.key_pairs.iter().map(|held| {
        let name = held.pair.friendly_name.as_deref();
        (name, held.file_names.as_slice(), held.leaf())
    });
    renewer::say(session, held);
}

/// What else lies in the files: what is kept with a key pair, and what is left alone.
fn remarks(holdings: &Inventory) -> Vec<Text> {
    let mut remarks = Vec::new();
    for held in &holdings.key_pairs {
        let further = &held.pair.further;
        if !further.is_empty() {
            remarks.push(text!(
                "further-certificates",
                name = held.leaf().display_name(),
                count = further.len(),
                names = names_of(further)
            ));
        }
    }
    for (file, reason) in &holdings.unread_certificates {
        remarks.push(text!(
            "certificate-unread",
            file = file.as_str(),
            reason = reason.clone()
        ));
    }
    for (file, name, kept) in &holdings.other_names {
        remarks.push(text!(
            "friendly-name-not-kept",
            file = file.as_str(),
            name = name.as_str(),
            kept = kept.as_str()
        ));
    }
    let mut said = Vec::new();
    for left in &holdings.skipped {
        if said.contains(&left) {
            continue;
        }
        said.push(left);
        let same = holdings.skipped.iter().filter(|other| *other == left);
        let (file, what) = left;
        remarks.push(text!(
            "left-alone",
            file = file,
            what = left_alone(what, same.count())
        ));
    }
    remarks
}

/// As many names as a line holds.
fn names_of(certificates: &[Certificate]) -> String {
    let names = certificates.iter().map(Certificate::display_name);
    let mut names: Vec<_> = names.take(MOST_NAMES).collect();
    if certificates.len() > MOST_NAMES {
        names.push("…");
    }
    names.join(", ")
}

fn left_alone(what: &pfx::Skipped, count: usize) -> Text {
    match what {
        pfx::Skipped::RevocationList => text!("left-alone-crl", count = count),
        pfx::Skipped::Secret => text!("left-alone-secret", count = count),
        pfx::Skipped::SdsiCertificate => text!("left-alone-other", count = count, kind = "SDSI"),
        pfx::Skipped::Other(kind) => text!("left-alone-other", count = count, kind = kind),
    }
}

/// A weakness, in words.
pub fn warning_text(warning: &Warning) -> Text {
    match warning {
        Warning::Expired { name, on } => text!("warning-expired", name = name, day = day(*on)),
        Warning::NotYetValid { name, from } => {
            text!("warning-not-yet-valid", name = name, day = day(*from))
        }
        Warning::WeakKey { name, key_type } => {
            text!("warning-weak-key", name = name, key_type = key_type)
        }
        Warning::WeakSignature { name, algorithm } => {
            text!("warning-weak-signature", name = name, algorithm = algorithm)
        }
        Warning::ReadInPart { name } => text!("warning-read-in-part", name = name),
        Warning::MissingIntermediate { name, issuer } => {
            text!("warning-missing-intermediate", name = name, issuer = issuer)
        }
    }
}
