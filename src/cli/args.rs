//! The arguments.

use crate::app::MountOptions;
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;
use std::time::Duration;

#[derive(Parser)]
#[command(
    name = "entefs",
    version,
    about = "Mounts Ente Photos, the end-to-end encrypted photo backup, as a filesystem"
)]
pub(super) struct Cli {
    #[command(flatten)]
    pub(super) global: Global,
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Args, Clone)]
pub(super) struct Global {
    /// Database, spool, session, control socket, lock [default: $XDG_STATE_HOME/entefs]
    #[arg(long, global = true, value_name = "DIR", env = "ENTEFS_STATE_DIR", hide_env_values = true)]
    pub(super) state: Option<PathBuf>,
    /// Photos and thumbnails read back; may be deleted at any time [default: $XDG_CACHE_HOME/entefs]
    #[arg(long, global = true, value_name = "DIR", env = "ENTEFS_CACHE_DIR", hide_env_values = true)]
    pub(super) cache: Option<PathBuf>,
    /// The config file; absent is fine [default: $XDG_CONFIG_HOME/entefs/config.toml]
    #[arg(long, global = true, value_name = "FILE", env = "ENTEFS_CONFIG", hide_env_values = true)]
    pub(super) config: Option<PathBuf>,
    /// The server [default: Ente's own, or the one of the last log-in]
    #[arg(long, global = true, value_name = "URL", env = "ENTEFS_ENDPOINT", hide_env_values = true)]
    pub(super) endpoint: Option<String>,
    /// Says more; twice, much more
    #[arg(short, long, global = true, action = clap::ArgAction::Count, conflicts_with = "quiet")]
    pub(super) verbose: u8,
    /// Says nothing but results and errors
    #[arg(short, long, global = true)]
    pub(super) quiet: bool,
}

impl Global {
    /// Nothing given, nothing shown.
    pub(super) fn silent() -> Self {
        Self { state: None, cache: None, config: None, endpoint: None, verbose: 0, quiet: true }
    }
}

#[derive(Subcommand)]
pub(super) enum Command {
    /// Makes an account and stays logged in; shows the recovery key once
    Signup(SignupArgs),
    /// Logs in
    Login(LoginArgs),
    /// Ends the session and removes all that was sealed under its key
    Logout(LogoutArgs),
    /// Shows the recovery key again
    RecoveryKey(PasswordArgs),
    /// Mounts the account on a directory
    #[command(after_help = MountOptions::help())]
    Mount(MountArgs),
    /// Unmounts; the queue stays for the next time
    Unmount(UnmountArgs),
    /// What mount(8) calls: SOURCE DIR [-sfnv] [-o OPTIONS]
    #[command(hide = true)]
    MountHelper(MountHelperArgs),
    /// What is waiting, parked, wrong, and what to do
    Status(StatusArgs),
    /// Everything known of an entry
    Info(InfoArgs),
    /// Asks Ente for changes now
    Refresh,
    /// Returns when all, or these, are in Ente
    Wait(WaitArgs),
    /// Stops uploads; survives a restart
    Pause(PauseArgs),
    /// Uploads go on
    Resume,
    /// Parked items try again
    Retry(RetryArgs),
    /// Lets removals go on that the mount holds back
    AllowRemovals(AllowRemovalsArgs),
    /// Takes back what was removed, moved or renamed: the latest run of changes
    Undo(UndoArgs),
    /// Hands archives and folders over to Ente, Google Takeout's sidecars included
    Import(ImportArgs),
    /// Are these local photos in Ente? Lists what is missing: "may I format this card?"
    Have(HaveArgs),
    /// Reads photos and checks them against their hash
    Verify(VerifyArgs),
    /// Moves photos to Ente's trash, where they are for 30 days: lists them, and asks
    Trash(TrashArgs),
    /// What is not sent again, because it was deleted in Ente
    #[command(subcommand)]
    Ignored(IgnoredArgs),
    /// Files that exist on this machine only
    #[command(subcommand)]
    LocalOnly(LocalOnlyArgs),
    /// Checks what a mount needs, and says what to do
    Doctor,
    /// An Ente-compatible server, for trying things
    Serve(ServeArgs),
    /// Shows everything on a server of its own; nothing leaves this machine
    Demo(DemoArgs),
}

#[derive(Args, Clone)]
pub(super) struct PasswordArgs {
    /// Reads the password from the first line of standard input
    #[arg(long, conflicts_with = "password_file")]
    pub(super) password_stdin: bool,
    /// Reads the password from the first line of a file
    #[arg(long, value_name = "FILE")]
    pub(super) password_file: Option<PathBuf>,
}

#[derive(Args, Clone)]
pub(super) struct SignupArgs {
    pub(super) email: String,
    #[command(flatten)]
    pub(super) password: PasswordArgs,
    /// The code from the e-mail
    #[arg(long, value_name = "N")]
    pub(super) code: Option<String>,
    /// Writes the recovery key to a new file of mode 0600 instead of showing it
    #[arg(long, value_name = "FILE")]
    pub(super) recovery_key_file: Option<PathBuf>,
}

#[derive(Args, Clone)]
pub(super) struct LoginArgs {
    pub(super) email: String,
    #[command(flatten)]
    pub(super) password: PasswordArgs,
    /// The code from the e-mail, where one is asked for
    #[arg(long, value_name = "N")]
    pub(super) code: Option<String>,
    /// The code of the authenticator, where one is asked for
    #[arg(long, value_name = "N")]
    pub(super) totp: Option<String>,
}

#[derive(Args)]
pub(super) struct LogoutArgs {
    /// Even while bytes wait or files exist on this machine only: they are lost
    #[arg(long)]
    pub(super) force: bool,
}

#[derive(Args)]
pub(super) struct MountArgs {
    /// An empty directory
    pub(super) dir: PathBuf,
    /// Stays in front; Ctrl-C unmounts
    #[arg(short, long)]
    pub(super) foreground: bool,
    /// Options, separated by commas
    #[arg(short, value_name = "OPTIONS")]
    pub(super) options: Vec<String>,
    /// How a mount in the background is started by itself
    #[arg(long, hide = true, requires = "foreground")]
    pub(super) detached: bool,
}

#[derive(Args)]
pub(super) struct UnmountArgs {
    pub(super) dir: PathBuf,
    /// First uploads all that waits
    #[arg(long)]
    pub(super) wait: bool,
}

#[derive(Args)]
pub(super) struct MountHelperArgs {
    /// `entefs`, or a state directory
    pub(super) source: String,
    pub(super) dir: PathBuf,
    #[arg(short = 's')]
    pub(super) sloppy: bool,
    #[arg(short = 'f')]
    pub(super) fake: bool,
    #[arg(short = 'n')]
    pub(super) no_mtab: bool,
    #[arg(short, value_name = "OPTIONS")]
    pub(super) options: Vec<String>,
    #[arg(short = 't', value_name = "TYPE")]
    pub(super) kind: Option<String>,
}

#[derive(Args)]
pub(super) struct StatusArgs {
    /// One JSON object (docs/CLI.md, section 6)
    #[arg(long, conflicts_with_all = ["watch", "idle"])]
    pub(super) json: bool,
    /// The page, live; `q` leaves
    #[arg(long, conflicts_with = "idle")]
    pub(super) watch: bool,
    /// Silent: 0 when everything is in Ente, else 8
    #[arg(long)]
    pub(super) idle: bool,
}

#[derive(Args)]
pub(super) struct InfoArgs {
    #[arg(required = true)]
    pub(super) paths: Vec<PathBuf>,
    /// One JSON object for each path, in a list
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Args)]
pub(super) struct WaitArgs {
    pub(super) paths: Vec<PathBuf>,
    /// Gives up after this
    #[arg(long, value_name = "DURATION", value_parser = crate::base::parse_duration)]
    pub(super) timeout: Option<Duration>,
}

#[derive(Args)]
pub(super) struct PauseArgs {
    /// Goes on by itself after this
    #[arg(long = "for", value_name = "DURATION", value_parser = crate::base::parse_duration)]
    pub(super) time: Option<Duration>,
}

#[derive(Args)]
pub(super) struct RetryArgs {
    pub(super) paths: Vec<PathBuf>,
    /// Sends what looks cut off as it is
    #[arg(long)]
    pub(super) as_is: bool,
}

#[derive(Args)]
pub(super) struct AllowRemovalsArgs {
    /// Counts removals again after this
    #[arg(long = "for", value_name = "DURATION", value_parser = crate::base::parse_duration, default_value = "10m")]
    pub(super) time: Duration,
}

#[derive(Args)]
pub(super) struct UndoArgs {
    /// All changes since then: so long ago (2h), a date, or RFC 3339
    #[arg(long, value_name = "TIME")]
    pub(super) since: Option<String>,
    /// Only says what would be taken back
    #[arg(long)]
    pub(super) dry_run: bool,
}

#[derive(Args)]
pub(super) struct ImportArgs {
    /// Zip archives and folders; all of them are one set
    #[arg(required = true, value_name = "ZIP|DIR")]
    pub(super) sources: Vec<PathBuf>,
    /// The album of what lies in no folder, and without --albums of everything
    #[arg(long, value_name = "NAME")]
    pub(super) album: Option<String>,
    /// An album for each folder, one for all, or one for each path
    #[arg(long, value_enum)]
    pub(super) albums: Option<AlbumsWord>,
    /// Only says what it would do
    #[arg(long)]
    pub(super) dry_run: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum AlbumsWord {
    Separate,
    Single,
    Path,
}

#[derive(Args)]
pub(super) struct HaveArgs {
    /// Local files and directories
    #[arg(required = true)]
    pub(super) paths: Vec<PathBuf>,
}

#[derive(Args)]
pub(super) struct VerifyArgs {
    /// As seen in the mount; without any, all albums
    pub(super) paths: Vec<PathBuf>,
}

#[derive(Args)]
pub(super) struct TrashArgs {
    /// Photos as seen in the mount; no directories
    #[arg(required = true)]
    pub(super) paths: Vec<PathBuf>,
    /// Does not ask
    #[arg(long)]
    pub(super) yes: bool,
}

#[derive(Subcommand)]
pub(super) enum IgnoredArgs {
    /// Entries of drops whose photo was deleted in Ente
    List,
    /// Forgets them, or those at and below these paths; copied again, they are sent
    Reset { paths: Vec<PathBuf> },
}

#[derive(Subcommand)]
pub(super) enum LocalOnlyArgs {
    /// Lists them, with their size
    List,
    /// Copies them to a directory, never over something
    Export { dir: PathBuf },
}

#[derive(Args)]
pub(super) struct ServeArgs {
    /// Where its database and objects lie
    #[arg(long, value_name = "DIR")]
    pub(super) data: PathBuf,
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:0")]
    pub(super) listen: String,
    /// The e-mail code of every address; without it each is made up and printed
    #[arg(long, value_name = "N")]
    pub(super) code: Option<String>,
    /// Bytes a new account may store
    #[arg(long, value_name = "BYTES", value_parser = crate::base::parse_size, default_value = "10G")]
    pub(super) quota: u64,
    /// Whether calls are throttled as Ente's own server does
    #[arg(long, value_enum, default_value = "off")]
    pub(super) limits: LimitsWord,
    /// Makes what it answered survive a power cut, too
    #[arg(long)]
    pub(super) durable: bool,
    /// Serves addresses that others can reach
    #[arg(long)]
    pub(super) expose: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum LimitsWord {
    Off,
    Museum,
}

#[derive(Args)]
pub(super) struct DemoArgs {
    /// Where to mount; without it a new directory is made
    pub(super) dir: Option<PathBuf>,
}
