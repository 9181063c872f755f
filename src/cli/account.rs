//! `signup`, `login`, `logout`, `recovery-key`.

use super::args::{Global, LoginArgs, LogoutArgs, PasswordArgs, SignupArgs};
use super::local::Local;
use super::prompt::FlagsAndTerminal;
use super::{End, Outcome, runtime};
use crate::account::{AccountDir, AccountError, AccountFlows, LoggedOut};
use crate::app::{AccountLock, Exit, Failure, Paths, StateLock};
use crate::control::{Client, Request};
use crate::remote::{HttpLogin, HttpOptions, PRODUCTION, TokenCell};
use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

pub(super) fn signup(paths: &Paths, global: &Global, args: SignupArgs) -> Outcome {
    let mut prompt = FlagsAndTerminal::new(global, args.password);
    (prompt.code, prompt.recovery_key_file) = (args.code, args.recovery_key_file);
    let _lock = AccountLock::take(paths)?;
    let flows = flows(paths, global, prompt)?;
    let opened = runtime()?.block_on(flows.signup(&args.email)).map_err(|error| failed("sign-up", &error))?;
    say(&format!("{} is signed up and logged in at {}.", opened.session.email, opened.session.endpoint));
    Ok(())
}

pub(super) fn login(paths: &Paths, global: &Global, args: LoginArgs) -> Outcome {
    let mut prompt = FlagsAndTerminal::new(global, args.password);
    (prompt.code, prompt.totp) = (args.code, args.totp);
    let _lock = AccountLock::take(paths)?;
    let flows = flows(paths, global, prompt)?;
    let opened = runtime()?.block_on(flows.login(&args.email)).map_err(|error| failed("log-in", &error))?;
    say(&format!("{} is logged in at {}.", opened.session.email, opened.session.endpoint));
    tell_mount(paths);
    Ok(())
}

/// A running mount goes on with the new session.
fn tell_mount(paths: &Paths) {
    let Ok(mut client) = Client::connect(&paths.control_socket()) else { return };
    if let Err(error) = client.ask(&Request::LoggedIn) {
        tracing::warn!(%error, "the running mount could not be told; mount it anew");
    }
}

pub(super) fn logout(paths: &Paths, args: &LogoutArgs) -> Outcome {
    let _account = AccountLock::take(paths)?;
    let _state = StateLock::take(paths)?;
    let dir = AccountDir::new(&paths.state);
    let endpoint = match dir.read() {
        Ok(opened) => opened.session.endpoint.clone(),
        Err(AccountError::NotLoggedIn) if !dir.exists() => return Err(failed("log-out", &AccountError::NotLoggedIn)),
        Err(_) => PRODUCTION.to_owned(),
    };
    if !args.force {
        refuse_while_needed(paths)?;
    }
    let prompt = FlagsAndTerminal::new(&Global::silent(), PasswordArgs { password_stdin: false, password_file: None });
    let flows = flows_at(paths, &endpoint, prompt)?;
    let ended = runtime()?.block_on(flows.logout()).map_err(|error| failed("log-out", &error))?;
    remove_sealed(paths)?;
    match ended {
        LoggedOut::Everywhere => say("Logged out."),
        LoggedOut::HereOnly(error) => {
            say(&format!("Logged out here; the server could not be told ({error}). End the session in an Ente app."));
        }
        LoggedOut::Unreadable => {
            say("Logged out here; the session could not be read. End it in an Ente app.");
        }
    }
    Ok(())
}

/// Exit 8 while bytes wait, or files exist on this machine only.
fn refuse_while_needed(paths: &Paths) -> Result<(), End> {
    let local = match Local::open(paths) {
        Ok(Some(local)) => local,
        Ok(None) => return Ok(()),
        Err(failure) => {
            let remedy = "repair that, or give it all up with --force";
            return Err(Failure::new(Exit::Waiting, "log-out", failure, remedy).into());
        }
    };
    let status = local.status()?;
    let waiting = status.under_way() + status.uploads.parked.files;
    let local_only = status.uploads.local_only.files;
    if waiting == 0 && local_only == 0 && status.pending_changes == 0 {
        return Ok(());
    }
    let why = format!(
        "{waiting} files are not in Ente yet, {local_only} exist on this machine only, {} changes are not told to Ente",
        status.pending_changes
    );
    let remedy = "mount and `entefs unmount --wait` first, or give them up with --force";
    Err(Failure::new(Exit::Waiting, "log-out", why, remedy).into())
}

/// Everything that was sealed under the device key, which is gone.
fn remove_sealed(paths: &Paths) -> Result<(), Failure> {
    let database = paths.state.join(crate::store::DATABASE);
    for suffix in ["", "-wal", "-shm"] {
        let mut path = database.clone().into_os_string();
        path.push(suffix);
        remove(Path::new(&path))?;
    }
    remove(&paths.state.join("spool"))?;
    remove(&paths.cache)
}

fn remove(path: &Path) -> Result<(), Failure> {
    let removed = match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            let why = format!("{} could not be removed: {error}", path.display());
            Err(Failure::new(Exit::Other, "log-out", why, "nothing can open it any more; remove it by hand"))
        }
        _ => Ok(()),
    }
}

pub(super) fn recovery_key(paths: &Paths, args: PasswordArgs) -> Outcome {
    let dir = AccountDir::new(&paths.state);
    let opened = dir.read().map_err(|error| failed("recovery key", &error))?;
    let prompt = FlagsAndTerminal::new(&Global::silent(), args);
    let flows = flows_at(paths, &opened.session.endpoint, prompt)?;
    runtime()?.block_on(flows.show_recovery_key()).map_err(|error| failed("recovery key", &error))?;
    Ok(())
}

/// The server that was given, else the one of the last log-in, else Ente's.
pub(super) fn chosen_endpoint(paths: &Paths, global: &Global) -> String {
    let remembered = || AccountDir::new(&paths.state).read().ok().map(|opened| opened.session.endpoint.clone());
    global.endpoint.clone().or_else(remembered).unwrap_or_else(|| PRODUCTION.into())
}

fn flows(paths: &Paths, global: &Global, prompt: FlagsAndTerminal) -> Result<AccountFlows, Failure> {
    flows_at(paths, &chosen_endpoint(paths, global), prompt)
}

fn flows_at(paths: &Paths, endpoint: &str, prompt: FlagsAndTerminal) -> Result<AccountFlows, Failure> {
    let options = HttpOptions::new(endpoint, TokenCell::default());
    let api = HttpLogin::new(&options).map_err(|error| Failure::plain(Exit::Other, "server", error))?;
    let dir = AccountDir::new(&paths.state);
    let mut flows = AccountFlows::new(Arc::new(api), Arc::new(prompt), dir, endpoint);
    flows.sealed_data_exists = has_sealed_data(paths);
    Ok(flows)
}

/// Whether a new device key would leave something behind that nothing opens.
fn has_sealed_data(paths: &Paths) -> bool {
    let spooled = fs::read_dir(paths.state.join("spool")).is_ok_and(|mut entries| entries.next().is_some());
    spooled || paths.state.join(crate::store::DATABASE).exists()
}

fn failed(what: &str, error: &AccountError) -> End {
    Failure::account(what, error).into()
}

fn say(sentence: &str) {
    // Where stdout is gone, the exit code says it.
    let _ = writeln!(io::stdout(), "{sentence}");
}
