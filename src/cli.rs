//! The command line, as clap structs. Help texts are not here: they come from the Fluent files, by
//! name.

use std::ffi::OsString;
use std::net::IpAddr;
use std::path::PathBuf;

use clap::error::{ContextKind, ErrorKind};
use clap::{ArgAction, Args, Command, CommandFactory, Parser, Subcommand, ValueEnum};

use crate::console::{Console, Language};
use crate::error::{Error, Exit};
use crate::iis::blob::Home;
use crate::text;
use pfx::Profile;

/// The environment's answer where `--lang` is not given.
const LANG: &str = "PFXVAULT_LANG";
/// The same for `--server-name`.
const SERVER_NAME: &str = "PFXVAULT_SERVER_NAME";

/// The whole command line.
#[derive(Debug, Parser)]
#[command(name = "pfxvault", version, disable_help_subcommand = true)]
pub struct Cli {
    /// Options of every command.
    #[command(flatten)]
    pub global: GlobalArgs,
    /// What to do; without it, a person is asked.
    #[command(subcommand)]
    pub action: Option<CliCommand>,
}

/// Options that every command takes.
#[derive(Debug, Args, Clone)]
pub struct GlobalArgs {
    /// One JSON document instead of sentences.
    #[arg(long, global = true)]
    pub json: bool,
    #[arg(long, global = true, value_enum, env = LANG)]
    pub(crate) lang: Option<Language>,
    #[arg(long, global = true, value_name = "DIR", env = "PFXVAULT_STATE")]
    pub(crate) state: Option<PathBuf>,
    /// Only what needs attention.
    #[arg(long, short, global = true)]
    pub quiet: bool,
    #[arg(long, global = true, value_name = "RULE=REASON", action = ArgAction::Append)]
    pub(crate) accept: Vec<String>,
    #[arg(long, global = true, value_name = "DATE", requires = "accept")]
    pub(crate) until: Option<String>,
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) passphrase_file: Option<PathBuf>,
    #[arg(long, global = true)]
    pub(crate) recovery_key: bool,
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) recovery_key_file: Option<PathBuf>,
    #[arg(long, global = true, value_name = "FILE", conflicts_with_all = ["passphrase_file", "recovery_key", "recovery_key_file"])]
    pub(crate) age_key_file: Option<PathBuf>,
    #[arg(long, global = true, conflicts_with_all = ["passphrase_file", "recovery_key", "recovery_key_file", "age_key_file", "share_file"])]
    pub(crate) shares: bool,
    #[arg(long, global = true, value_name = "FILE", action = ArgAction::Append, conflicts_with_all = ["passphrase_file", "recovery_key", "recovery_key_file", "age_key_file"])]
    pub(crate) share_file: Vec<PathBuf>,
    #[arg(long, global = true, value_name = "SHA256:...")]
    pub(crate) fingerprint: Option<String>,
}

/// The commands, in the order people meet them.
#[derive(Debug, Subcommand)]
pub enum CliCommand {
    /// What is safe, overdue or at risk.
    Status(StatusArgs),
    /// What a server holds.
    List(ListArgs),
    /// Back up.
    Backup(BackupArgs),
    /// One PFX or a folder of them, without a vault.
    Export(ExportArgs),
    /// Check media without a secret.
    Verify(VerifyArgs),
    /// Rehearse a restore.
    Drill(DrillArgs),
    /// Restore.
    Restore(Box<RestoreArgs>),
    /// Mend key pairs of this server.
    Repair(RepairArgs),
    /// Never restore a key pair again.
    Retire(RetireKeyPairArgs),
    /// Take back the last change of this server.
    Undo(UndoArgs),
    /// A CSR with a new key.
    Request(RequestArgs),
    /// The certificate authority's answer.
    Install(InstallArgs),
    /// A new vault.
    Create(CreateArgs),
    /// What a vault holds.
    Contents(ContentsArgs),
    /// Media of the vault.
    Media {
        /// What to do with them; without it, they are listed.
        #[command(subcommand)]
        what: Option<MediaCommand>,
    },
    /// Servers of the vault.
    Servers {
        /// What to do with them; without it, they are listed.
        #[command(subcommand)]
        what: Option<ServersCommand>,
    },
    /// Ways into the vault.
    Access {
        /// What to do with them; without it, they are listed.
        #[command(subcommand)]
        what: Option<AccessCommand>,
    },
    /// The instruction sheet and the envelope.
    Sheet(SheetArgs),
    /// Bring a medium up to date.
    Copy(Copy),
    /// The handling rules, with evidence.
    Audit(AuditArgs),
    /// The whole shop on one page.
    Report(ReportArgs),
    /// The whole story on throw-away media.
    Demo,
    /// Keys of this server, tried with throw-away ones.
    Selftest(SelftestArgs),
    /// Completions for a shell.
    Completions {
        /// Which shell.
        shell: clap_complete::Shell,
    },
    /// The manual pages, for who makes a package.
    #[command(hide = true)]
    Man {
        /// Where they are written.
        #[arg(value_name = "DIR")]
        folder: PathBuf,
    },
    /// Help, also of one command.
    Help {
        /// Its words.
        #[arg(value_name = "COMMAND")]
        command: Vec<String>,
    },
}

/// What a source needs beside its name.
#[derive(Debug, Args, Clone)]
pub struct SourceFileArgs {
    #[arg(long, value_name = "FILE")]
    pub(crate) key: Option<PathBuf>,
    #[arg(long, value_name = "FILE")]
    pub(crate) source_password_file: Option<PathBuf>,
    #[arg(long, value_name = "FILE")]
    pub(crate) source_passwords: Option<PathBuf>,
}

/// Where key pairs are read from.
#[derive(Debug, Args, Clone)]
pub struct SourceArgs {
    #[arg(long, value_name = "SOURCE", env = "PFXVAULT_FROM")]
    #[cfg_attr(windows, arg(default_value = crate::keystore::IIS))]
    pub(crate) from: String,
    #[command(flatten)]
    pub(crate) files: SourceFileArgs,
}

#[derive(Debug, Args)]
/// `status`.
pub struct StatusArgs {
    #[arg(value_name = "MEDIUM")]
    pub(crate) media: Vec<String>,
    #[arg(long, value_name = "SOURCE", env = "PFXVAULT_FROM")]
    pub(crate) from: Option<String>,
    #[arg(long, value_name = "FILE")]
    pub(crate) source_password_file: Option<PathBuf>,
    #[arg(long, value_name = "FILE")]
    pub(crate) source_passwords: Option<PathBuf>,
    #[arg(long)]
    pub(crate) handing_back: bool,
    #[arg(long, value_name = "HOST[:PORT]", num_args = 0..)]
    pub(crate) tls: Option<Vec<String>>,
}

#[derive(Debug, Args)]
/// `list`.
pub struct ListArgs {
    pub(crate) names: Vec<String>,
    #[command(flatten)]
    pub(crate) from: SourceArgs,
    #[arg(long, value_name = "FILE")]
    pub(crate) iis_config: Option<PathBuf>,
}

#[derive(Debug, Args)]
/// `backup`.
pub struct BackupArgs {
    pub(crate) names: Vec<String>,
    #[command(flatten)]
    pub(crate) from: SourceArgs,
    #[arg(long, conflicts_with = "names")]
    pub(crate) all: bool,
    #[arg(long, value_name = "FILE")]
    pub(crate) iis_config: Option<PathBuf>,
    #[arg(long, value_name = "MEDIUM", env = "PFXVAULT_BACKUP_TO")]
    pub(crate) to: Vec<String>,
    #[arg(
        long = "for",
        value_enum,
        value_name = "READER",
        default_value = "server2019"
    )]
    pub(crate) reader: ReaderArg,
    #[arg(long)]
    pub(crate) ask_pfx_password: bool,
    #[arg(long, value_name = "FILE", conflicts_with = "ask_pfx_password")]
    pub(crate) pfx_password_file: Option<PathBuf>,
    #[arg(long)]
    pub(crate) force: bool,
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[arg(long)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) afterwards: AfterwardsArgs,
}

/// What becomes of a stick once everything is on it.
#[derive(Debug, Args, Clone, Copy, Default)]
pub struct AfterwardsArgs {
    #[arg(long)]
    pub(crate) eject: bool,
    #[arg(long, conflicts_with = "eject")]
    pub(crate) keep_mounted: bool,
}

impl BackupArgs {
    /// The backup that follows a change of this server's stores: all they hold, to these media.
    pub fn everything_of_this_server(to: Vec<String>) -> Self {
        Self {
            names: Vec::new(),
            from: SourceArgs {
                from: crate::keystore::IIS.to_owned(),
                files: SourceFileArgs {
                    key: None,
                    source_password_file: None,
                    source_passwords: None,
                },
            },
            to,
            reader: ReaderArg::Server2019,
            ask_pfx_password: false,
            pfx_password_file: None,
            force: false,
            all: true,
            iis_config: None,
            dry_run: false,
            yes: false,
            afterwards: AfterwardsArgs::default(),
        }
    }
}

#[derive(Debug, Args)]
/// `export`.
pub struct ExportArgs {
    pub(crate) names: Vec<String>,
    #[command(flatten)]
    pub(crate) from: SourceArgs,
    #[arg(long, value_name = "DEST")]
    pub(crate) to: String,
    #[command(flatten)]
    pub(crate) into: DestinationArgs,
}

/// How key pairs are written.
#[derive(Debug, Args, Clone)]
pub struct DestinationArgs {
    #[arg(long = "for", value_enum, value_name = "READER")]
    pub(crate) reader: Option<ReaderArg>,
    #[arg(long, value_name = "FILE")]
    pub(crate) pfx_password_file: Option<PathBuf>,
    #[arg(long)]
    pub(crate) force: bool,
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[arg(long)]
    pub(crate) yes: bool,
}

#[derive(Debug, Args)]
/// `verify`.
pub struct VerifyArgs {
    #[arg(value_name = "MEDIUM")]
    pub(crate) media: Vec<String>,
    #[arg(long, value_name = "SHA256:...")]
    pub(crate) vault: Option<String>,
    #[arg(long)]
    pub(crate) eject: bool,
}

/// Which generation of which server.
#[derive(Debug, Args, Clone)]
pub struct WhichArgs {
    #[arg(long, value_name = "SERVER")]
    pub(crate) server: Option<String>,
    #[arg(long, value_name = "N|DATE")]
    pub(crate) generation: Option<String>,
}

#[derive(Debug, Args)]
/// `drill`.
pub struct DrillArgs {
    pub(crate) names: Vec<String>,
    #[arg(long, value_name = "MEDIUM")]
    pub(crate) from: Vec<String>,
    #[command(flatten)]
    pub(crate) which: WhichArgs,
    #[arg(long, value_name = "FOLDER", num_args = 0..=1)]
    pub(crate) stock: Option<Option<PathBuf>>,
    #[arg(long, value_name = "FILE")]
    pub(crate) receipt: Option<PathBuf>,
}

#[derive(Debug, Args)]
/// `restore`.
pub struct RestoreArgs {
    pub(crate) names: Vec<String>,
    #[arg(long, value_name = "MEDIUM|SOURCE")]
    pub(crate) from: Vec<String>,
    #[command(flatten)]
    pub(crate) files: SourceFileArgs,
    #[command(flatten)]
    pub(crate) which: WhichArgs,
    #[arg(long, requires = "names")]
    pub(crate) retired: bool,
    #[arg(long)]
    pub(crate) non_exportable: bool,
    #[arg(long, value_enum)]
    pub(crate) provider: Option<ProviderArg>,
    #[arg(long, value_name = "SHA256", action = ArgAction::Append)]
    pub(crate) install_root: Vec<String>,
    #[arg(long, value_name = "FILE")]
    pub(crate) iis_config: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) bindings: BindingArgs,
    #[command(flatten)]
    pub(crate) change: ChangeArgs,
    #[arg(long, value_name = "DEST")]
    #[cfg_attr(windows, arg(default_value = crate::keystore::IIS))]
    pub(crate) to: String,
    #[command(flatten)]
    pub(crate) into: DestinationArgs,
}

/// What becomes of sites and bindings.
#[derive(Debug, Args, Clone)]
pub struct BindingArgs {
    #[arg(long, conflicts_with_all = ["map_site", "map_ip", "map", "iis_config", "print_commands", "farm", "restart_site", "replace_newer"])]
    pub(crate) keys_only: bool,
    #[arg(long, value_name = "OLD=NEW", action = ArgAction::Append)]
    pub(crate) map_site: Vec<String>,
    #[arg(long, value_name = "OLD=NEW", action = ArgAction::Append)]
    pub(crate) map_ip: Vec<String>,
    #[arg(long, value_name = "FILE")]
    pub(crate) map: Option<PathBuf>,
    #[arg(long)]
    pub(crate) print_commands: bool,
}

/// What goes for every change of this server's bindings.
#[derive(Debug, Args, Clone)]
pub struct ChangeArgs {
    #[arg(long)]
    pub(crate) farm: bool,
    #[arg(long, value_name = "NAME", action = ArgAction::Append)]
    pub(crate) replace_newer: Vec<String>,
    #[arg(long)]
    pub(crate) restart_site: bool,
    // Its help is not that of the command `report`.
    #[arg(id = "change_report", long = "report", value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,
}

#[derive(Debug, Args)]
/// `repair`.
pub struct RepairArgs {
    pub(crate) names: Vec<String>,
    #[arg(long)]
    pub(crate) orphans: bool,
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[arg(long)]
    pub(crate) yes: bool,
}

#[derive(Debug, Args)]
/// `selftest`.
pub struct SelftestArgs {
    #[arg(long)]
    pub(crate) full: bool,
    #[arg(long)]
    pub(crate) yes: bool,
}

#[derive(Debug, Args)]
/// `retire`.
pub struct RetireKeyPairArgs {
    #[arg(value_name = "NAME", required = true)]
    pub(crate) names: Vec<String>,
    #[arg(long, value_name = "SERVER", requires = "to")]
    pub(crate) server: Option<String>,
    #[arg(long, value_name = "MEDIUM", requires = "server")]
    pub(crate) to: Vec<String>,
    #[arg(long, value_enum, required_unless_present = "undo")]
    pub(crate) reason: Option<RetireReason>,
    #[arg(long, conflicts_with = "reason")]
    pub(crate) undo: bool,
    #[arg(long)]
    pub(crate) yes: bool,
}

/// Why a key pair is never restored again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RetireReason {
    /// Somebody else may have the key: every certificate with it.
    Leaked,
    /// The authority revoked the certificate.
    Revoked,
    /// The site is gone.
    Removed,
    /// No medium has it any more.
    Lost,
}

impl RetireReason {
    /// As catalogs have it.
    pub(crate) fn id(self) -> &'static str {
        match self {
            Self::Leaked => "leaked",
            Self::Revoked => "revoked",
            Self::Removed => "removed",
            Self::Lost => "lost",
        }
    }
}

#[derive(Debug, Args)]
/// `undo`.
pub struct UndoArgs {
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[arg(long)]
    pub(crate) yes: bool,
}

#[derive(Debug, Args)]
/// `request`.
pub struct RequestArgs {
    #[arg(value_name = "NAME", required = true)]
    pub(crate) hosts: Vec<String>,
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
    #[arg(long, value_name = "TEXT")]
    pub(crate) friendly_name: Option<String>,
    #[arg(long, value_name = "TEXT")]
    pub(crate) organization: Option<String>,
    #[arg(long, value_name = "TEXT")]
    pub(crate) organizational_unit: Option<String>,
    #[arg(long, value_name = "TEXT")]
    pub(crate) locality: Option<String>,
    #[arg(long, value_name = "TEXT")]
    pub(crate) province: Option<String>,
    #[arg(long, value_name = "CC")]
    pub(crate) country: Option<String>,
    #[arg(long, value_enum)]
    pub(crate) provider: Option<ProviderArg>,
}

#[derive(Debug, Args)]
/// `install`.
pub struct InstallArgs {
    #[arg(value_name = "RESPONSE")]
    pub(crate) response: PathBuf,
    #[arg(long, value_name = "TEXT")]
    pub(crate) friendly_name: Option<String>,
    #[arg(long, value_enum)]
    pub(crate) store: Option<StoreArg>,
    #[arg(long, value_name = "SITE", action = ArgAction::Append)]
    pub(crate) site: Vec<String>,
    #[arg(long, conflicts_with_all = ["site", "ip", "sni", "farm", "restart_site", "replace_newer"])]
    pub(crate) no_bind: bool,
    #[arg(long, value_name = "ADDRESS", requires = "site")]
    pub(crate) ip: Option<IpAddr>,
    #[arg(long, requires = "site")]
    pub(crate) sni: bool,
    #[command(flatten)]
    pub(crate) change: ChangeArgs,
    #[arg(long, value_name = "MEDIUM")]
    pub(crate) to: Vec<String>,
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[arg(long)]
    pub(crate) yes: bool,
}

/// A certificate store, as people call it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum StoreArg {
    /// `My`.
    Personal,
    /// `WebHosting`.
    Webhosting,
}

/// A key provider of Windows for RSA keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ProviderArg {
    /// "Microsoft RSA SChannel Cryptographic Provider".
    Csp,
    /// "Microsoft Software Key Storage Provider".
    Ksp,
}

impl ProviderArg {
    /// Where keys are kept by it.
    pub(crate) fn home(self) -> Home {
        match self {
            Self::Csp => Home::SchannelCsp,
            Self::Ksp => Home::SoftwareKsp,
        }
    }
}

#[derive(Debug, Args)]
/// `create`.
pub struct CreateArgs {
    #[arg(value_name = "MEDIUM")]
    pub(crate) medium: String,
    #[arg(long)]
    pub(crate) label: Option<String>,
    #[arg(long, env = SERVER_NAME)]
    pub(crate) server_name: Option<String>,
    #[arg(long)]
    pub(crate) replace: bool,
    #[command(flatten)]
    pub(crate) programs: ProgramArgs,
}

#[derive(Debug, Args, Clone)]
/// The program beside the vault.
pub struct ProgramArgs {
    #[arg(long)]
    pub(crate) with_program: bool,
    #[arg(long, value_name = "FILE", requires = "with_program")]
    pub(crate) program: Vec<PathBuf>,
}

#[derive(Debug, Args)]
/// `contents`.
pub struct ContentsArgs {
    pub(crate) names: Vec<String>,
    #[arg(long, value_name = "MEDIUM")]
    pub(crate) from: Vec<String>,
    #[command(flatten)]
    pub(crate) which: WhichArgs,
    #[arg(long)]
    pub(crate) reveal_password: bool,
}

#[derive(Debug, Subcommand)]
/// `media`.
pub enum MediaCommand {
    /// Media this server has seen.
    List,
    /// Put the vault onto another medium.
    Add {
        /// Which.
        #[arg(value_name = "MEDIUM")]
        medium: String,
        /// Its label.
        #[arg(long)]
        label: Option<String>,
        /// Where it is kept.
        #[arg(long)]
        place: Option<String>,
        /// The program beside it.
        #[command(flatten)]
        programs: ProgramArgs,
    },
    /// Take a medium out of use.
    Retire(RetireArgs),
    /// When something is due.
    Policy {
        /// Media that should hold the newest generation.
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=20))]
        min_media: Option<u8>,
        /// Months between two checks of a medium.
        #[arg(long, value_name = "MONTHS", value_parser = clap::value_parser!(u8).range(1..=120))]
        verify_every: Option<u8>,
        /// Months after which a medium is replaced.
        #[arg(long, value_name = "MONTHS", value_parser = clap::value_parser!(u8).range(1..=240))]
        rewrite_after: Option<u8>,
        /// Whom a finder of a medium asks; empty for nobody.
        #[arg(long, value_name = "TEXT")]
        contact: Option<String>,
    },
}

#[derive(Debug, Args)]
/// `media retire`.
pub struct RetireArgs {
    pub(crate) label: String,
    #[arg(long)]
    pub(crate) lost: bool,
    #[arg(long, conflicts_with_all = ["lost", "dry_run"])]
    pub(crate) undo: bool,
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[arg(long)]
    pub(crate) yes: bool,
}

#[derive(Debug, Subcommand)]
/// `servers`.
pub enum ServersCommand {
    /// Servers that may write.
    List {
        /// Where to look.
        #[arg(value_name = "MEDIUM")]
        media: Vec<String>,
    },
    /// Enrol this server.
    Join {
        /// A medium of the vault.
        #[arg(value_name = "MEDIUM")]
        medium: String,
        /// The name this server has in the vault.
        #[arg(long, env = SERVER_NAME)]
        server_name: Option<String>,
        /// In the place of the vault that it writes to.
        #[arg(long)]
        replace: bool,
    },
    /// Ask to be enrolled, with a file.
    Request {
        /// The new file.
        file: PathBuf,
        /// The name this server has in the vault.
        #[arg(long, env = SERVER_NAME)]
        server_name: Option<String>,
        /// In the place of the vault that it writes to.
        #[arg(long)]
        replace: bool,
    },
    /// Admit servers that asked.
    Add(ServersAddArgs),
    /// Take over the answer.
    Accept {
        /// The answer's file, or a medium.
        #[arg(value_name = "FILE|MEDIUM")]
        from: String,
        /// The vault it must be.
        #[arg(long, value_name = "SHA256:...")]
        vault: Option<String>,
    },
    /// End a server's right to write.
    Retire(ServersRetireArgs),
    /// Another name for this server.
    Rename(ServersRenameArgs),
    /// Admit a server again whose statement is lost.
    Admit(ServersAdmitArgs),
}

#[derive(Debug, Args)]
/// `servers rename`.
pub struct ServersRenameArgs {
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    #[arg(long, value_name = "MEDIUM", required = true)]
    pub(crate) to: Vec<String>,
    #[arg(long)]
    pub(crate) yes: bool,
}

#[derive(Debug, Args)]
/// `servers admit`.
pub struct ServersAdmitArgs {
    // Not `fingerprint`: that is the vault's, and given to every command.
    #[arg(value_name = "SHA256:...")]
    pub(crate) key: String,
    #[arg(long, value_name = "MEDIUM", required = true)]
    pub(crate) to: Vec<String>,
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[arg(long)]
    pub(crate) yes: bool,
}

#[derive(Debug, Args)]
/// `servers retire`.
pub struct ServersRetireArgs {
    #[arg(value_name = "SERVER")]
    pub(crate) server: String,
    #[arg(long, value_name = "MEDIUM", required = true)]
    pub(crate) to: Vec<String>,
    #[arg(long, value_name = "N|DATE", conflicts_with = "compromised")]
    pub(crate) last: Option<String>,
    #[arg(long)]
    pub(crate) compromised: bool,
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[arg(long)]
    pub(crate) yes: bool,
}

#[derive(Debug, Args)]
/// `access retire`.
pub struct AccessRetireArgs {
    #[arg(value_name = "ID")]
    pub(crate) id: String,
    #[arg(long, value_name = "MEDIUM", required = true)]
    pub(crate) to: Vec<String>,
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[arg(long)]
    pub(crate) yes: bool,
}

#[derive(Debug, Args)]
/// `servers add`.
pub struct ServersAddArgs {
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,
    #[arg(long, value_name = "MEDIUM", required = true)]
    pub(crate) to: Vec<String>,
    #[arg(long, value_name = "FILE")]
    pub(crate) answer: Option<PathBuf>,
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[arg(long)]
    pub(crate) yes: bool,
}

#[derive(Debug, Subcommand)]
/// `access`.
pub enum AccessCommand {
    /// Who and what can open the vault.
    List {
        /// Where to look.
        #[arg(value_name = "MEDIUM")]
        media: Vec<String>,
    },
    /// Another way in.
    Add {
        /// `passphrase`, `recovery-key`, `shares:K/N` or an age public key.
        way: String,
        /// The medium it is added on.
        #[arg(long, value_name = "MEDIUM")]
        to: String,
        /// The new passphrase's file.
        #[arg(long, value_name = "FILE")]
        new_passphrase_file: Option<PathBuf>,
        /// Where the new recovery key is written.
        #[arg(long, value_name = "FILE")]
        new_recovery_key_file: Option<PathBuf>,
        /// Where each of the new shares is written.
        #[arg(long, value_name = "FILE", action = ArgAction::Append)]
        new_share_file: Vec<PathBuf>,
        /// An age key reads new backups, and does not open the vault.
        #[arg(long)]
        decrypt_only: bool,
    },
    /// A new passphrase in the place of one.
    ChangePassphrase {
        /// The medium it is made on.
        #[arg(long, value_name = "MEDIUM")]
        to: String,
        /// The new passphrase's file.
        #[arg(long, value_name = "FILE")]
        new_passphrase_file: Option<PathBuf>,
    },
    /// End what a key may decrypt.
    Retire(AccessRetireArgs),
}

#[derive(Debug, Args)]
/// `sheet`.
pub struct SheetArgs {
    #[arg(long, value_name = "MEDIUM")]
    pub(crate) from: Vec<String>,
    #[arg(long, value_name = "FILE", conflicts_with = "check")]
    pub(crate) to: Option<PathBuf>,
    #[arg(long)]
    pub(crate) envelope: bool,
    #[arg(long, value_name = "TEXT", conflicts_with_all = ["check", "envelope"])]
    pub(crate) contact: Option<String>,
    #[arg(long, value_name = "FILE", num_args = 0..=1)]
    pub(crate) check: Option<Option<PathBuf>>,
}

#[derive(Debug, Args)]
/// `copy`.
pub struct Copy {
    #[arg(long, value_name = "MEDIUM", required = true)]
    pub(crate) from: Vec<String>,
    #[arg(long, value_name = "MEDIUM")]
    pub(crate) to: String,
    #[command(flatten)]
    pub(crate) programs: ProgramArgs,
    #[command(flatten)]
    pub(crate) afterwards: AfterwardsArgs,
}

#[derive(Debug, Args)]
/// `audit`.
pub struct AuditArgs {
    #[arg(value_name = "MEDIUM")]
    pub(crate) media: Vec<String>,
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
    #[arg(long, value_name = "PATH", num_args = 1..)]
    pub(crate) scan: Vec<String>,
    #[arg(long, value_name = "RULE", value_delimiter = ',')]
    pub(crate) rules: Vec<String>,
}

#[derive(Debug, Args)]
/// `report`.
pub struct ReportArgs {
    #[arg(value_name = "MEDIUM")]
    pub(crate) media: Vec<String>,
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
}

/// What must be able to read a PFX.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum ReaderArg {
    /// Windows Server 2012 and 2012 R2.
    Server2012,
    /// Windows Server 2016.
    Server2016,
    /// Windows Server 2019 and later.
    #[default]
    Server2019,
    /// OpenSSL, Java and others of today.
    Other,
}

impl ReaderArg {
    /// The profile all of them can read.
    pub fn profile(self) -> Profile {
        match self {
            ReaderArg::Server2012 | ReaderArg::Server2016 => Profile::TripleDes,
            ReaderArg::Server2019 | ReaderArg::Other => Profile::Aes256,
        }
    }
}

/// The command with its help in the console's language: `help-backup`, `help-backup-to`, else
/// `help-to` for options that mean the same everywhere.
pub fn worded(console: &Console) -> Command {
    word(Cli::command(), "help", console)
}

/// The language that `--lang` names, else `PFXVAULT_LANG`. It is looked up before anything is parsed,
/// so that help and mistakes in the command line are worded in it, too.
pub fn language_asked_for(args: impl Iterator<Item = OsString>) -> Option<Language> {
    let args: Vec<String> = args.map(|arg| arg.to_string_lossy().into_owned()).collect();
    let separate = args
        .windows(2)
        .rev()
        .find(|pair| pair[0] == "--lang")
        .map(|pair| pair[1].as_str());
    let joined = args
        .iter()
        .rev()
        .find_map(|arg| arg.strip_prefix("--lang="));
    let usual = std::env::var(LANG).ok();
    Language::from_str(separate.or(joined).or(usual.as_deref())?, true).ok()
}

/// Whether the result is for a program. It is looked up before anything is parsed, as the language
/// is, so that mistakes in the command line are a document, too.
pub fn json_asked_for(mut args: impl Iterator<Item = OsString>) -> bool {
    args.any(|arg| arg == "--json")
}

/// Shows the help or the version that was asked for, or says what is wrong with the command line.
pub fn explain(console: &Console, error: &clap::Error) -> Exit {
    let context = |kind| error.get(kind).map(ToString::to_string).unwrap_or_default();
    let argument = context(ContextKind::InvalidArg);
    // What is meant, perhaps.
    let like = |kind| {
        error
            .get(kind)
            .map_or("none".to_owned(), ToString::to_string)
    };
    let text = match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            console.print_wrapped(error.render().to_string().trim_end());
            return Exit::Done;
        }
        ErrorKind::MissingRequiredArgument => text!("error-missing-argument", argument = argument),
        ErrorKind::InvalidSubcommand => {
            text!(
                "error-unknown-command",
                command = context(ContextKind::InvalidSubcommand),
                like = like(ContextKind::SuggestedSubcommand),
            )
        }
        ErrorKind::UnknownArgument => text!(
            "error-unknown-argument",
            argument = argument,
            like = like(ContextKind::SuggestedArg),
        ),
        ErrorKind::InvalidValue if context(ContextKind::InvalidValue).is_empty() => {
            text!("error-missing-argument", argument = argument)
        }
        ErrorKind::InvalidValue => text!(
            "error-invalid-value",
            argument = argument,
            value = context(ContextKind::InvalidValue),
            valid = context(ContextKind::ValidValue),
            like = like(ContextKind::SuggestedValue),
        ),
        ErrorKind::ArgumentConflict => {
            text!(
                "error-usage",
                argument = format!("{argument}, {}", context(ContextKind::PriorArg))
            )
        }
        ErrorKind::InvalidUtf8 => text!("error-argument-not-utf8"),
        _ => text!("error-usage", argument = argument),
    };
    console.error(&Error::usage(text));
    Exit::Usage
}

/// Shows the help of the command with these words, of the whole program without any.
pub fn help(console: &Console, words: &[String]) -> Exit {
    let line = ["pfxvault"]
        .into_iter()
        .chain(words.iter().map(String::as_str));
    match worded(console).try_get_matches_from(line.chain(["--help"])) {
        Err(error) => explain(console, &error),
        Ok(_) => Exit::Usage,
    }
}

/// The example lines of a command, each with what it does below it.
pub(crate) fn examples(console: &Console, path: &str) -> String {
    console
        .help(&format!("{path}-examples"))
        .unwrap_or_default()
}

fn word(mut command: Command, path: &str, console: &Console) -> Command {
    let heading = |id| console.help(id).unwrap_or_default();
    let about = console.help(path).unwrap_or_default();
    let mut after = format!("{}:", heading("label-examples"));
    for line in examples(console, path).lines() {
        after += &format!("\n  {line}");
    }
    command = command
        .about(about)
        .after_help(after)
        .disable_help_flag(true)
        .subcommand_help_heading(heading("label-commands"))
        .help_template(format!(
            "{{about}}\n\n{}: {{usage}}\n\n{{all-args}}{{after-help}}",
            heading("label-usage")
        ));
    if path == "help" {
        let flag = clap::Arg::new("help")
            .long("help")
            .short('h')
            .global(true)
            .action(ArgAction::Help);
        command = command.arg(flag).disable_version_flag(true);
        command = command.arg(
            clap::Arg::new("version")
                .long("version")
                .short('V')
                .action(ArgAction::Version),
        );
    }
    command = command.mut_args(|arg| word_argument(arg, path, console));
    command.mut_subcommands(|sub| {
        let path = format!("{path}-{}", sub.get_name());
        word(sub, &path, console)
    })
}

/// The words of an argument: those of its command, else those that all commands share.
fn word_argument(arg: clap::Arg, path: &str, console: &Console) -> clap::Arg {
    let id = arg.get_id().as_str().replace('_', "-");
    let help = console
        .help(&format!("{path}-{id}"))
        .or_else(|| console.help(&format!("help-{id}")));
    let section = match arg.is_positional() {
        true => "label-arguments",
        false => "label-options",
    };
    // Clap's own remarks on defaults and values would be English; ours are in the texts. What
    // every command takes comes last.
    let order = if arg.is_global_set() { 1_000 } else { 0 };
    let arg = arg
        .help(help.unwrap_or_default())
        .help_heading(console.help(section).unwrap_or_default())
        .display_order(order);
    match arg.get_action().takes_values() {
        true => arg
            .hide_possible_values(true)
            .hide_default_value(true)
            .hide_env(true),
        false => arg,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unworded(command: &Command, path: &str, missing: &mut Vec<String>) {
        if command
            .get_about()
            .is_none_or(|about| about.to_string().is_empty())
        {
            missing.push(path.to_owned());
        }
        for arg in command.get_arguments().filter(|arg| {
            arg.get_help()
                .is_none_or(|help| help.to_string().is_empty())
        }) {
            missing.push(format!("{path}-{}", arg.get_id()));
        }
        if command
            .get_after_help()
            .is_none_or(|after| after.to_string().lines().count() < 3)
        {
            missing.push(format!("{path}-examples"));
        }
        for sub in command.get_subcommands() {
            unworded(sub, &format!("{path}-{}", sub.get_name()), missing);
        }
    }

    fn own_names(command: &Command, path: &str, of_all: &[String], shared: &mut Vec<String>) {
        for sub in command.get_subcommands() {
            let path = format!("{path} {}", sub.get_name());
            let own = sub.get_arguments().filter(|arg| !arg.is_global_set());
            let own = own.map(|arg| arg.get_id().to_string());
            shared.extend(
                own.filter(|id| of_all.contains(id))
                    .map(|id| format!("{path}: {id}")),
            );
            own_names(sub, &path, of_all, shared);
        }
    }

    /// Else a command would take its own argument for the one that every command has.
    #[test]
    fn no_argument_has_the_name_of_one_that_every_command_has() {
        let command = Cli::command();
        let of_all = command.get_arguments().filter(|arg| arg.is_global_set());
        let of_all: Vec<String> = of_all.map(|arg| arg.get_id().to_string()).collect();
        assert!(of_all.iter().any(|id| id == "fingerprint"), "{of_all:?}");
        let mut shared = Vec::new();
        own_names(&command, "pfxvault", &of_all, &mut shared);
        assert_eq!(shared, Vec::<String>::new());
    }

    #[test]
    fn every_command_and_option_is_explained_in_both_languages() {
        for language in [Language::En, Language::Ja] {
            let command = worded(&Console::new(language, false, false));
            command.clone().debug_assert();
            let mut missing = Vec::new();
            unworded(&command, "help", &mut missing);
            assert!(missing.is_empty(), "{language:?}: {missing:?}");
        }
    }
}
