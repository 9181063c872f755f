//! Floor 9: the command line (its contract is in docs/CLI.md): arguments, prompts, progress, exit codes.

mod account;
mod args;
mod demo;
mod doctor;
mod files;
mod holders;
mod import;
mod local;
mod logs;
mod mount;
mod place;
mod progress;
mod prompt;
mod queue;
mod serve;
mod status;
mod terminal;
mod trash;
mod undo;

use crate::app::{Exit, Failure, Paths};
use args::{Cli, Command, Global};
use clap::Parser;
use std::io::Write;
use std::process::ExitCode;

/// What a command ends with: silently with a code, or with a sentence.
enum End {
    /// The answer is the code alone.
    Code(Exit),
    Failed(Failure),
}

type Outcome = Result<(), End>;

impl From<Failure> for End {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// Runs the program on its arguments.
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    logs::start(&cli.global, &cli.command);
    match execute(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(End::Code(exit)) => ExitCode::from(exit as u8),
        Err(End::Failed(failure)) => {
            // Where stderr is gone, the code is left.
            let _ = writeln!(std::io::stderr(), "entefs: {failure}");
            ExitCode::from(failure.exit as u8)
        }
    }
}

fn execute(cli: Cli) -> Outcome {
    let Cli { global, command } = cli;
    let place = || place_of(&global);
    match command {
        Command::Signup(args) => account::signup(&place()?, &global, args),
        Command::Login(args) => account::login(&place()?, &global, args),
        Command::Logout(args) => account::logout(&place()?, &args),
        Command::RecoveryKey(args) => account::recovery_key(&place()?, args),
        Command::Mount(args) => mount::mount(&place()?, &global, &args),
        Command::Unmount(args) => mount::unmount(&place()?, &global, &args),
        Command::MountHelper(args) => mount::mount_helper(&global, &args),
        Command::Status(args) => status::status(&place()?, &args),
        Command::Info(args) => queue::info(&place()?, &args),
        Command::Refresh => queue::refresh(&place()?),
        Command::Wait(args) => queue::wait(&place()?, &global, &args),
        Command::Pause(args) => queue::pause(&place()?, &args),
        Command::Resume => queue::resume(&place()?),
        Command::Retry(args) => queue::retry(&place()?, &args),
        Command::AllowRemovals(args) => undo::allow_removals(&place()?, &args),
        Command::Undo(args) => undo::undo(&place()?, &args),
        Command::Import(args) => import::import(&place()?, &global, &args),
        Command::Have(args) => files::have(&place()?, &global, &args),
        Command::Verify(args) => files::verify(&place()?, &global, &args),
        Command::Ignored(args) => files::ignored(&place()?, &args),
        Command::LocalOnly(args) => files::local_only(&place()?, &args),
        Command::Trash(args) => trash::trash(&place()?, &args),
        Command::Doctor => doctor::doctor(&place()?, &global),
        Command::Serve(args) => serve::serve(&args),
        Command::Demo(args) => demo::demo(&global, &args),
    }
}

fn place_of(global: &Global) -> Result<Paths, Failure> {
    let paths = Paths::new(global.state.clone(), global.cache.clone(), global.config.clone());
    paths.map_err(|why| Failure::plain(Exit::Usage, "directories", why))
}

/// A runtime for a command that talks to a server.
fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.map_err(|error| Failure::new(Exit::Other, "start", error, "free some memory, then try again"))
}
